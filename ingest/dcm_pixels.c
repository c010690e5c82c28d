/* SPDX-License-Identifier: Apache-2.0
 *
 * One slice: from the file to numbers in the volume (see dcm_volume.h).
 */
#include "ingest/dcm_pixels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/j2k.h"
#include "ingest/rle.h"

/* Compressed data that claim more than this and more than a thousand times their own length are
 * refused: no real picture shrinks so far, and decoders work before they notice. */
#define CLAIM_BYTES ((size_t)64 << 20)
#define CLAIM_RATIO 1000

void sm_file_alias(const struct sm_salt *salt, const char *path, char out[13])
{
	char hex[65];
	sm_salt_hash(salt, path, hex);
	memcpy(out, hex, 12);
	out[12] = '\0';
}

static uint32_t word_at(const void *words, size_t i, int bits)
{
	if (bits == 8)
		return ((const uint8_t *)words)[i];
	if (bits == 16)
		return ((const uint16_t *)words)[i];
	return ((const uint32_t *)words)[i];
}

void sm_pixels_unpack(const void *words, size_t n, const struct sm_dcm_head *h, int32_t *out)
{
	int shift = h->high_bit - h->bits_stored + 1;
	uint32_t mask = h->bits_stored == 32 ? 0xffffffffu : (1u << h->bits_stored) - 1;
	uint32_t sign = h->is_signed ? 1u << (h->bits_stored - 1) : 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t w = word_at(words, i, h->bits_allocated) >> shift & mask;
		/* (w ^ sign) - sign extends the sign bit without branches. */
		out[i] = (int32_t)((w ^ sign) - sign);
	}
}

static enum sm_status check_claim(struct sm_dicom *dicom, const struct sm_dcm_head *h, size_t need,
				  struct sm_err *err)
{
	uint64_t have = sm_dicom_pixel_bytes(dicom);
	bool native = sm_dicom_syntax_way(h->syntax, NULL) == SM_SYNTAX_NATIVE;
	if (have == 0)
		return SM_FAIL(err, SM_INPUT, "holds no pixel data");
	if (native && have < need)
		return SM_FAIL(err, SM_INPUT,
			       "PixelData holds %llu bytes, %d rows of %d columns need %zu",
			       (unsigned long long)have, h->rows, h->columns, need);
	if (!native && need > CLAIM_BYTES && need / CLAIM_RATIO > have)
		return SM_FAIL(
			err, SM_INPUT,
			"%llu bytes of compressed pixels claim %d rows of %d columns, allowed is "
			"a ratio of %d",
			(unsigned long long)have, h->rows, h->columns, CLAIM_RATIO);
	return SM_OK;
}

/* The file may have changed since its header was read: what sizes depend on must be the same. */
static enum sm_status check_same(const struct sm_dcm_head *now, const struct sm_dcm_head *then,
				 struct sm_err *err)
{
	if (now->rows != then->rows || now->columns != then->columns ||
	    now->bits_allocated != then->bits_allocated || now->bits_stored != then->bits_stored ||
	    now->high_bit != then->high_bit || now->is_signed != then->is_signed ||
	    strcmp(now->sop, then->sop) != 0)
		return SM_FAIL(err, SM_INPUT, "the file changed while it was being read");
	return SM_OK;
}

/* Code streams that DCMTK hands out and others decode. */
static enum sm_status decode_fragments(struct sm_dicom *dicom, const struct sm_dcm_head *head,
				       void *words, size_t need, struct sm_err *err)
{
	unsigned char *packed;
	size_t n;
	SM_TRY(sm_dicom_fragments(dicom, &packed, &n, err));
	enum sm_status st;
	if (sm_dicom_syntax_way(head->syntax, NULL) == SM_SYNTAX_RLE)
		st = sm_rle_decode(packed, n, head->bits_allocated / 8, words, need, err);
	else
		st = sm_j2k_decode(packed, n, head->rows, head->columns, head->bits_allocated, words,
				   err);
	free(packed);
	return st;
}

static enum sm_status decode(const char *path, const struct sm_dcm_head *head, void *words,
			     size_t bytes, size_t need, struct sm_sidecar_text *text,
			     struct sm_err *err)
{
	struct sm_dicom *dicom;
	struct sm_dcm_head now;
	SM_TRY(sm_dicom_open(path, false, &dicom, err));
	sm_dcm_head_read(dicom, &now);
	enum sm_status st = check_same(&now, head, err);
	if (st == SM_OK)
		st = check_claim(dicom, head, need, err);
	enum sm_syntax_way way = sm_dicom_syntax_way(head->syntax, NULL);
	if (st == SM_OK && (way == SM_SYNTAX_RLE || way == SM_SYNTAX_J2K))
		st = decode_fragments(dicom, head, words, need, err);
	else if (st == SM_OK)
		st = sm_dicom_frame(dicom, words, bytes, err);
	if (st == SM_OK && text)
		sm_sidecar_collect(dicom, text);
	sm_dicom_close(dicom);
	return st;
}

enum sm_status sm_slice_read(const char *path, const struct sm_dcm_head *head, struct sm_mem *mem,
			     int32_t *out, struct sm_sidecar_text *text, struct sm_err *err)
{
	size_t count, need;
	if (head->verdict != SM_VERDICT_OK && head->verdict < SM_VERDICT_NO_SPACING)
		return SM_FAIL(err, SM_INPUT, "%s", head->why);
	if (!sm_mul((size_t)head->rows, (size_t)head->columns, &count) ||
	    !sm_mul(count, (size_t)head->bits_allocated / 8, &need))
		return SM_FAIL(err, SM_INPUT, "Rows %d and Columns %d are too large", head->rows,
			       head->columns);
	size_t bytes = need + need % 2;
	void *words = sm_calloc(mem, bytes, 1, "one slice", err);
	if (!words)
		return err->code;
	enum sm_status st = decode(path, head, words, bytes, need, text, err);
	if (st == SM_OK)
		sm_pixels_unpack(words, count, head, out);
	sm_free(words);
	return st;
}
