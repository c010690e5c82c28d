/* SPDX-License-Identifier: Apache-2.0
 *
 * JPEG 2000 streams that claim more than they are, before OpenJPEG sees a byte.
 */
#include "tests/unit/tap.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "ingest/dicom/j2k.h"
#include "ingest/dicom/j2k_head.h"

/* SIZ, COD, QCD, one empty tile part. */
struct j2k {
	unsigned char b[512];
	size_t n;
};

static void be(struct j2k *j, uint32_t v, int bytes)
{
	while (bytes--)
		j->b[j->n++] = (unsigned char)(v >> (8 * bytes));
}

struct j2k_kind {
	uint32_t columns, rows, tile;
	unsigned components, depth; /* depth: as in SIZ */
	unsigned style, transform, layers, precinct;
};

static void make_j2k(struct j2k *j, const struct j2k_kind *k)
{
	j->n = 0;
	be(j, 0xff4fff51, 4);
	be(j, 38 + 3 * k->components, 2);
	be(j, 0, 2);
	be(j, k->columns, 4);
	be(j, k->rows, 4);
	be(j, 0, 4);
	be(j, 0, 4);
	be(j, k->tile, 4);
	be(j, k->tile, 4);
	be(j, 0, 4);
	be(j, 0, 4);
	be(j, k->components, 2);
	for (unsigned c = 0; c < k->components; c++)
		be(j, k->depth << 16 | 0x0101, 3);
	be(j, 0xff52, 2);
	be(j, k->precinct < 15 ? 13 : 12, 2);
	be(j, k->precinct < 15, 1);
	be(j, 0, 1);
	be(j, k->layers, 2);
	be(j, 0, 1);
	be(j, 0, 1); /* no decomposition */
	be(j, 0x0404, 2);
	be(j, k->style, 1);
	be(j, k->transform, 1);
	if (k->precinct < 15)
		be(j, k->precinct << 4 | k->precinct, 1);
	be(j, 0xff5c0004, 4);
	be(j, 0x4040, 2);
	be(j, 0xff90000a, 4);
	be(j, 0, 2);
	be(j, 14, 4);
	be(j, 1, 2);
	be(j, 0xff93ffd9, 4);
}

static void test_j2k_claims(void **state)
{
	(void)state;
	static const struct {
		struct j2k_kind kind;
		const char *part;
	} rows[] = {
		{{256, 255, 1, 1, 7, 0, 1, 1, 15}, "65280 tiles"},
		{{256, 255, 1, 100, 7, 0, 1, 1, 15}, "100 components, allowed are 1..4"},
		{{70000, 255, 70000, 1, 7, 0, 1, 1, 15}, "allowed are 1..65535"},
		{{255, 256, 256, 1, 7, 0, 1, 1, 15}, "255 columns and 256 rows"},
		{{256, 255, 256, 3, 7, 0, 1, 1, 15}, "3 components, the header tells 1"},
		{{256, 255, 256, 1, 15, 0, 1, 1, 15}, "16 bits, allowed are 1..8"},
		{{256, 255, 256, 1, 0x87, 0, 1, 1, 15}, "signed and PixelRepresentation is 0"},
		{{256, 255, 256, 1, 7, 0, 1, 1, 0}, "packets"},
		{{256, 255, 256, 1, 7, 0, 1, 60000, 15}, "packets"},
	};
	struct sm_pixel_format f = {.rows = 255,
				    .columns = 256,
				    .samples = 1,
				    .frames = 1,
				    .bits_allocated = 8,
				    .bits_stored = 8};
	unsigned char *out = malloc(255 * 256);
	assert_non_null(out);
	struct sm_stream about;
	struct sm_mem mem;
	struct j2k j;
	struct sm_err err = {0};
	sm_mem_init(&mem, 4 << 20);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		make_j2k(&j, &rows[i].kind);
		assert_refused(sm_j2k_decode(j.b, j.n, &f, &mem, out, &about, &err), SM_INPUT, err,
			       rows[i].part);
		assert_int_equal(atomic_load(&mem.used), 0);
	}
	/* OpenJPEG's own memory is part of the budget. */
	const struct j2k_kind good = {256, 255, 256, 1, 7, 0, 1, 1, 15};
	make_j2k(&j, &good);
	sm_mem_init(&mem, 400 << 10);
	assert_refused(sm_j2k_decode(j.b, j.n, &f, &mem, out, &about, &err), SM_BUDGET, err,
		       "JPEG 2000");
	free(out);
}

static void test_j2k_markers(void **state)
{
	(void)state;
	const struct j2k_kind kinds[] = {{9, 9, 9, 1, 11, 0, 1, 1, 15},
					 {9, 9, 9, 1, 11, 0, 0, 1, 15},
					 {9, 9, 9, 1, 11, 0x40, 1, 1, 15}};
	for (int i = 0; i < 3; i++) {
		struct j2k j;
		struct sm_j2k_head h;
		struct sm_err err = {0};
		make_j2k(&j, &kinds[i]);
		assert_good(sm_j2k_head_read(j.b, j.n, &h, &err), err);
		assert_int_equal(h.precision, 12);
		assert_int_equal(h.lossy, i == 1);
		assert_int_equal(h.ht, i == 2);
		assert_int_equal(h.used, j.n);
		/* A tile part of length 0 goes on up to the end marker, when there is one. */
		j.b[j.n - 7] = 0;
		assert_good(sm_j2k_head_read(j.b, j.n, &h, &err), err);
		assert_int_equal(h.used, j.n);
		j.b[j.n - 1] = 0;
		assert_good(sm_j2k_head_read(j.b, j.n, &h, &err), err);
		assert_int_equal(h.used, 0);
		j.b[j.n - 1] = 0xd9;
		j.b[j.n - 7] = 14;
		assert_int_equal(h.tiles, 1);
		for (size_t cut = 0; cut + 14 < j.n; cut++) {
			unsigned char *exact = malloc(cut ? cut : 1);
			assert_non_null(exact);
			memcpy(exact, j.b, cut);
			assert_int_equal(sm_j2k_head_read(exact, cut, &h, &err), SM_INPUT);
			free(exact);
		}
	}
}

/* A real lossy picture that says it is lossless. */
static void test_j2k_with_loss_under_a_lossless_syntax(void **state)
{
	(void)state;
	const char *dir = getenv("SM_SHARED_DATA");
	char *path = sm_path_join(dir ? dir : "../shared/data", "codecs/wg04/CT1_J2KI.dcm");
	unsigned char *bytes;
	size_t n;
	struct sm_err err = {0};
	struct sm_dicom *dcm;
	if (sm_file_read(path, 0, NULL, &bytes, &n, &err) != SM_OK) {
		free(path);
		skip();
	}
	free(path);
	struct sm_pixel_format f = {.rows = 512,
				    .columns = 512,
				    .samples = 1,
				    .frames = 1,
				    .bits_allocated = 16,
				    .bits_stored = 16,
				    .high_bit = 15,
				    .is_signed = true};
	void *out = malloc(512 * 512 * 2);
	assert_non_null(out);
	for (int lossless = 0; lossless < 2; lossless++) {
		unsigned char *uid = memmem(bytes, n, "1.2.840.10008.1.2.4.91", 22);
		assert_non_null(uid);
		if (lossless)
			uid[21] = '0';
		assert_good(sm_dicom_parse(bytes, n, SM_DICOM_WHOLE, NULL, &dcm, &err), err);
		enum sm_status st = sm_frame_decode(dcm, sm_syntax_find(sm_dicom_syntax(dcm)), &f,
						    0, NULL, out, &err);
		if (lossless)
			assert_refused(st, SM_INPUT, err, "compressed with loss");
		else
			assert_good(st, err);
		sm_dicom_close(dcm);
	}
	free(out);
	sm_free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_j2k_claims),
		cmocka_unit_test(test_j2k_markers),
		cmocka_unit_test(test_j2k_with_loss_under_a_lossless_syntax),
	};
	return run_tap(tests);
}
