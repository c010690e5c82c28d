/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints what the DICOM reader makes of files, one line a file: for comparing with other readers
 * (scripts/golden_dicom.py) and for timing.
 *   dicom_dump heads FILE...    path TAB status TAB then VALUE TAB ... of the tags below
 *   dicom_dump frames FILE...   path TAB status TAB the CRC-32 of all decoded frames
 *   dicom_dump raw FILE         decoded frames to standard output
 *   dicom_dump time N FILE...   headers a second
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "ingest/dicom/dcm_codec.h"

static const uint32_t tags[] = {
	0x00080005, 0x00080008, 0x00080016, 0x00080018, 0x00080060, 0x00080070, 0x0008103e,
	0x00100020, 0x00180050, 0x00180080, 0x00181030, 0x0020000d, 0x0020000e, 0x00200011,
	0x00200013, 0x00200032, 0x00200037, 0x00200052, 0x00280002, 0x00280004, 0x00280006,
	0x00280008, 0x00280010, 0x00280011, 0x00280030, 0x00280100, 0x00280101, 0x00280102,
	0x00280103, 0x00280106, 0x00281050, 0x00281052, 0x00281053, 0x00089215, 0x300a0002};

static int whole(const struct sm_dataset *set, uint32_t tag, int fallback)
{
	return (int)sm_dataset_number_or(set, tag, fallback);
}

static void format_of(const struct sm_dicom *dcm, struct sm_pixel_format *f)
{
	struct sm_dataset set = sm_dicom_data(dcm);
	struct sm_dicom_pixels p;
	sm_dicom_pixels(dcm, &p);
	*f = (struct sm_pixel_format){
		.rows = whole(&set, SM_TAG(0x28, 0x10), 0),
		.columns = whole(&set, SM_TAG(0x28, 0x11), 0),
		.samples = whole(&set, SM_TAG(0x28, 2), 1),
		.frames = whole(&set, SM_TAG(0x28, 8), 1),
		.bits_allocated = whole(&set, SM_TAG(0x28, 0x100), 0),
		.bits_stored = whole(&set, SM_TAG(0x28, 0x101), 0),
		.high_bit = whole(&set, SM_TAG(0x28, 0x102), 0),
		.is_signed = whole(&set, SM_TAG(0x28, 0x103), 0) == 1,
		.is_float = p.tag == 0x7fe00008 || p.tag == 0x7fe00009,
		.planar = whole(&set, SM_TAG(0x28, 6), 0),
	};
	sm_dataset_text(&set, SM_TAG(0x28, 4), f->photometric, sizeof f->photometric);
}

static void heads(const char *path)
{
	struct sm_dicom *dcm;
	struct sm_err err = {0};
	char text[4096];
	enum sm_status st = sm_dicom_open(path, SM_DICOM_HEAD, NULL, &dcm, &err);
	printf("%s\t%s", path, st == SM_OK ? "ok" : err.text);
	if (st == SM_OK) {
		struct sm_dataset set = sm_dicom_data(dcm);
		printf("\t%s", sm_dicom_syntax(dcm));
		for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
			bool have = sm_dataset_text(&set, tags[i], text, sizeof text);
			printf("\t%08X=%s", tags[i], have ? text : "");
		}
		sm_dicom_close(dcm);
	}
	printf("\n");
}

/* Decodes every frame; gives the checksum or writes the words. */
static enum sm_status frames(const char *path, FILE *raw, unsigned long *crc, struct sm_err *err)
{
	struct sm_dicom *dcm;
	struct sm_pixel_format f;
	size_t size = 0;
	*crc = 0;
	SM_TRY(sm_dicom_open(path, SM_DICOM_WHOLE, NULL, &dcm, err));
	format_of(dcm, &f);
	const struct sm_syntax *syntax = sm_syntax_find(sm_dicom_syntax(dcm));
	enum sm_status st = sm_frames_check(dcm, syntax, &f, err);
	unsigned char *out = NULL;
	if (st == SM_OK && sm_frame_size(&f, &size))
		out = sm_alloc(NULL, size, 1, "a frame", err);
	for (int i = 0; out && st == SM_OK && i < f.frames; i++) {
		st = sm_frame_decode(dcm, syntax, &f, (size_t)i, NULL, out, err);
		const void *direct = sm_frame_direct(dcm, syntax, &f, (size_t)i);
		if (st == SM_OK && direct && memcmp(direct, out, size) != 0)
			st = SM_FAIL(err, SM_INTERNAL, "the frame in the file differs");
		if (st == SM_OK && raw)
			fwrite(out, 1, size, raw);
		*crc = crc32(*crc, out, (unsigned)size);
	}
	sm_free(out);
	sm_dicom_close(dcm);
	return st;
}

static int time_heads(int rounds, char **paths, int n)
{
	struct timespec a, b;
	long done = 0;
	double sum = 0;
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int r = 0; r < rounds; r++)
		for (int i = 0; i < n; i++) {
			struct sm_dicom *dcm;
			struct sm_err err;
			if (sm_dicom_open(paths[i], SM_DICOM_HEAD, NULL, &dcm, &err) != SM_OK)
				continue;
			struct sm_dataset set = sm_dicom_data(dcm);
			for (size_t t = 0; t < sizeof tags / sizeof *tags; t++) {
				char text[256];
				sum += sm_dataset_text(&set, tags[t], text, sizeof text);
			}
			sm_dicom_close(dcm);
			done++;
		}
	clock_gettime(CLOCK_MONOTONIC, &b);
	double s = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
	printf("%ld headers in %.3f s: %.0f a second (%.0f values)\n", done, s, (double)done / s,
	       sum);
	return 0;
}

int main(int argc, char **argv)
{
	struct sm_err err = {0};
	unsigned long crc;
	if (argc < 3)
		return 2;
	if (strcmp(argv[1], "time") == 0 && argc > 3)
		return time_heads((int)strtol(argv[2], NULL, 10), argv + 3, argc - 3);
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[1], "heads") == 0) {
			heads(argv[i]);
		} else if (strcmp(argv[1], "raw") == 0) {
			if (frames(argv[i], stdout, &crc, &err) != SM_OK)
				return fprintf(stderr, "%s\n", err.text), 1;
		} else {
			enum sm_status st = frames(argv[i], NULL, &crc, &err);
			printf("%s\t%s\t%08lx\n", argv[i], st == SM_OK ? "ok" : err.text, crc);
		}
	}
	return 0;
}
