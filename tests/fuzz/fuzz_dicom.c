/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a DICOM file in memory: its elements, the items below them, its frames. The decoders
 * of other libraries have a target of their own, fuzz_dicom_jpeg.
 */
#include <stdlib.h>
#include <string.h>

#include "ingest/dicom/dcm_codec.h"
#include "ingest/dicom/dicom_bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint32_t asked[] = {0x00080005, 0x00080008, 0x00200032, 0x00280010, 0x00280106,
				 0x00289110, 0x00209113, 0x2005100e, 0x52009230};

/* What items hold, a few levels down. */
static unsigned items(const struct sm_dataset *set, uint32_t tag, int depth)
{
	unsigned sum = 0;
	int most = 3;
	struct sm_dataset item;
	for (struct sm_dicom_items it = sm_dataset_items(set, tag);
	     sm_dicom_items_next(&it, &item) && most--;)
		for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
			double v[3];
			sum += (unsigned)sm_dataset_numbers(&item, asked[i], v, 3);
			if (depth)
				sum += items(&item, asked[i], depth - 1);
		}
	return sum;
}

static unsigned elements(const struct sm_dicom *dcm)
{
	struct sm_dataset set = sm_dicom_data(dcm);
	struct sm_element e;
	char text[64];
	double v[4];
	unsigned sum = 0;
	for (size_t i = 0; i < dcm->count; i++) {
		uint32_t tag = dcm->entries[i].tag;
		if (!sm_dataset_find(&set, tag, &e))
			abort();
		for (size_t b = 0; b < e.n; b += 61)
			sum += e.bytes[b];
		sum += sm_dicom_offset(dcm, &e) > 0;
		if (sm_dataset_text(&set, tag, text, sizeof text) != (*text != '\0'))
			abort();
		sum += (unsigned)sm_dataset_numbers(&set, tag, v, 4);
		sum += items(&set, tag, 1);
	}
	sum += sm_dataset_private(&set, 0x2005, "Philips MR Imaging DD 001", 0x0e);
	return sum;
}

static int whole(const struct sm_dataset *set, uint32_t tag, int fallback)
{
	double v = sm_dataset_number_or(set, tag, fallback);
	return v > -70000 && v < 70000 ? (int)v : fallback;
}

static void frames(const struct sm_dicom *dcm, struct sm_mem *mem)
{
	struct sm_dataset set = sm_dicom_data(dcm);
	struct sm_dicom_pixels p;
	struct sm_err err = {0};
	size_t size;
	const struct sm_syntax *syntax = sm_syntax_find(sm_dicom_syntax(dcm));
	if (!sm_dicom_pixels(dcm, &p))
		return;
	struct sm_pixel_format f = {
		.rows = whole(&set, SM_TAG(0x28, 0x10), 0),
		.columns = whole(&set, SM_TAG(0x28, 0x11), 0),
		.samples = whole(&set, SM_TAG(0x28, 2), 1),
		.frames = whole(&set, SM_TAG(0x28, 8), 1),
		.bits_allocated = whole(&set, SM_TAG(0x28, 0x100), 0),
		.bits_stored = whole(&set, SM_TAG(0x28, 0x101), 0),
		.is_signed = whole(&set, SM_TAG(0x28, 0x103), 0) == 1,
		.is_float = p.tag == 0x7fe00008 || p.tag == 0x7fe00009,
		.planar = whole(&set, SM_TAG(0x28, 6), 0),
	};
	sm_dataset_text(&set, SM_TAG(0x28, 4), f.photometric, sizeof f.photometric);
	if (sm_frames_check(dcm, syntax, &f, &err) != SM_OK) {
		if (!*err.text)
			abort();
		return;
	}
	sm_frame_size(&f, &size);
	bool ours = syntax->way == SM_SYNTAX_NATIVE || syntax->way == SM_SYNTAX_RLE;
	unsigned char *out = ours ? sm_alloc(mem, size, 1, "a frame", &err) : NULL;
	for (size_t i = 0; i < 3 && (int)i < f.frames; i++) {
		const unsigned char *bytes;
		unsigned char *owned;
		size_t n;
		if (out && sm_frame_decode(dcm, syntax, &f, i, mem, out, &err) != SM_OK &&
		    !*err.text)
			abort();
		const void *direct = sm_frame_direct(dcm, syntax, &f, i);
		if (out && direct && memcmp(direct, out, size) != 0)
			abort();
		if (!ours && sm_dicom_frame_bytes(dcm, i, (size_t)f.frames, mem, &bytes, &n, &owned,
						  &err) == SM_OK)
			sm_free(owned);
	}
	sm_free(out);
}

/* Pixels of a deflated file in pieces are those of the whole file; what is fine whole is fine
 * so. */
static void pieces(struct sm_dicom *dcm, const struct sm_dicom *whole_file, struct sm_mem *mem)
{
	struct sm_dicom_pixels p;
	struct sm_err err = {0};
	bool zeros;
	unsigned char *out = sm_alloc(mem, 4096, 1, "a piece", &err);
	bool same = whole_file && sm_dicom_pixels(whole_file, &p) && p.native;
	if (!out || !sm_dicom_pixels_in_pieces(dcm)) {
		sm_free(out);
		return;
	}
	enum sm_status st = SM_OK;
	size_t left = dcm->pixels.n, at = 0;
	for (size_t n = 1; left && st == SM_OK; at += n, left -= n, n = 4096) {
		n = n < left ? n : left;
		st = sm_dicom_pixels_next(dcm, out, n, &err);
		if (st == SM_OK && same && memcmp(out, p.bytes + at, n) != 0)
			abort();
	}
	if (st == SM_OK)
		st = sm_dicom_pixels_finish(dcm, &zeros, &err);
	if (st != SM_OK && (!*err.text || (same && st != SM_BUDGET)))
		abort();
	sm_free(out);
}

static void parse_pieces(const uint8_t *data, size_t size, struct sm_mem *mem)
{
	struct sm_dicom *dcm, *whole_file;
	struct sm_err err = {0};
	if (sm_dicom_parse(data, size, SM_DICOM_PIECES, mem, &dcm, &err) != SM_OK)
		return;
	if (sm_dicom_pixels_in_pieces(dcm)) {
		sm_dicom_parse(data, size, SM_DICOM_WHOLE, NULL, &whole_file, &err);
		pieces(dcm, whole_file, mem);
		sm_dicom_close(whole_file);
	}
	sm_dicom_close(dcm);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sm_mem mem;
	sm_mem_init(&mem, 1 << 20);
	for (int part = SM_DICOM_HEAD; part <= SM_DICOM_WHOLE; part++) {
		struct sm_dicom *dcm;
		struct sm_err err = {0};
		if (sm_dicom_parse(data, size, part, &mem, &dcm, &err) != SM_OK) {
			if (!*err.text || dcm)
				abort();
			continue;
		}
		elements(dcm);
		if (part == SM_DICOM_WHOLE)
			frames(dcm, &mem);
		sm_dicom_close(dcm);
	}
	parse_pieces(data, size, &mem);
	if (atomic_load(&mem.used))
		abort();
	return 0;
}
