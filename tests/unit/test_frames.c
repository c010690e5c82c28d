/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames of enhanced objects and mosaics from hand-made data sets, and the places of real frames
 * against volumes that other converters made (tests/golden/frames.txt).
 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "ingest/series/dcm_csa.h"
#include "tests/unit/dcm_build.h"

#define ENHANCED_MR "1.2.840.10008.5.1.4.1.1.4.1"

/* What one frame of the enhanced object below has of its own. */
struct own {
	const char *position; /* NULL: no PlanePositionSequence */
	const char *slope, *type;
	const char *spacing; /* NULL: only in the shared groups */
	double echo, b;
	unsigned temporal;
};

static void frame_item(struct build *b, const struct own *o)
{
	const double direction[3] = {0, 0.6, 0.8};
	build_item(b);
	build_group(b, T(0x18, 0x9114));
	build_fd(b, T(0x18, 0x9082), &o->echo, 1);
	build_group_end(b);
	build_group(b, T(0x18, 0x9117));
	build_group(b, T(0x18, 0x9076));
	build_fd(b, T(0x18, 0x9089), direction, 3);
	build_group_end(b);
	build_fd(b, T(0x18, 0x9087), &o->b, 1);
	build_group_end(b);
	build_group(b, T(0x18, 0x9226));
	build_text(b, T(8, 0x9007), "CS", o->type);
	build_group_end(b);
	build_group(b, T(0x20, 0x9111));
	build_text(b, T(0x18, 0x9074), "DT", "20200301000020.25");
	build_text(b, T(0x20, 0x9056), "SH", "2");
	build_head(b, T(0x20, 0x9128), "UL", 4);
	build_number(b, o->temporal, 4);
	build_group_end(b);
	if (o->position) {
		build_group(b, T(0x20, 0x9113));
		build_text(b, T(0x20, 0x32), "DS", o->position);
		build_group_end(b);
	}
	if (o->spacing) {
		build_group(b, T(0x28, 0x9110));
		build_text(b, T(0x28, 0x30), "DS", o->spacing);
		build_group_end(b);
	}
	build_group(b, T(0x28, 0x9145));
	build_text(b, T(0x28, 0x1052), "DS", "0");
	build_text(b, T(0x28, 0x1053), "DS", o->slope);
	build_group_end(b);
	build_item_end(b);
}

static struct build enhanced(const char *claimed, const struct own *own, size_t n)
{
	struct build b =
		begin((struct who){"ORIGINAL\\PRIMARY\\M\\NONE", "MR", "SIEMENS", ENHANCED_MR});
	series(&b);
	build_us(&b, T(0x28, 2), 1);
	build_text(&b, T(0x28, 4), "CS", "MONOCHROME2");
	build_text(&b, T(0x28, 8), "IS", claimed);
	build_us(&b, T(0x28, 0x10), 64);
	build_us(&b, T(0x28, 0x11), 48);
	build_us(&b, T(0x28, 0x100), 16);
	build_us(&b, T(0x28, 0x101), 12);
	build_us(&b, T(0x28, 0x102), 11);
	build_us(&b, T(0x28, 0x103), 0);
	build_group(&b, T(0x5200, 0x9229));
	build_group(&b, T(0x20, 0x9116));
	build_text(&b, T(0x20, 0x37), "DS", "0\\1\\0\\0\\0\\-1");
	build_group_end(&b);
	build_group(&b, T(0x28, 0x9110));
	build_text(&b, T(0x18, 0x50), "DS", "4");
	build_text(&b, T(0x28, 0x30), "DS", "2\\3");
	build_group_end(&b);
	build_group_end(&b);
	build_open(&b, T(0x5200, 0x9230));
	for (size_t i = 0; i < n; i++)
		frame_item(&b, &own[i]);
	build_close(&b);
	return b;
}

static const struct own two[2] = {
	{"1\\2\\3", "2", "ORIGINAL\\PRIMARY\\M\\NONE", NULL, 30, 0, 1},
	{"5\\2\\3", "4", "DERIVED\\PRIMARY\\DIFFUSION\\ADC", NULL, 60, 1000, 2},
};

static void test_frames_enhanced_frames(void **state)
{
	(void)state;
	struct build b = enhanced("2", two, 2);
	struct sm_dcm_head h = head_of(&b);
	if (h.verdict != SM_VERDICT_OK)
		fail_msg("verdict %s: %s", sm_verdict_code(h.verdict), h.why);
	assert_int_equal(h.kind, SM_DCM_ENHANCED);
	assert_int_equal(h.frame_count, 2);
	const struct sm_dcm_frame *f = h.frame, *g = f + 1;
	assert_true(f->position[0] == 1 && g->position[0] == 5);
	assert_true(g->across[1] == 1 && g->down[2] == -1);
	assert_true(g->spacing[0] == 3 && g->spacing[1] == 2 && g->thickness == 4);
	assert_true(f->slope == 2 && g->slope == 4 && g->scale == SM_SCALE_RESCALE);
	assert_true(f->echo_time == 30 && g->echo_time == 60);
	assert_true(f->b_value == 0 && g->b_value == 1000);
	assert_true(fabs(g->b_vector[1] - 0.6) < 1e-12 && fabs(g->b_vector[2] - 0.8) < 1e-12);
	assert_true(f->temporal == 1 && g->temporal == 2 && g->stack == 2);
	/* InstanceNumber 3: two files may come before */
	assert_int_equal(g->instance, 2 * 262144 + 2);
	assert_int_equal(f->component, SM_MAGNITUDE);
	assert_int_equal(g->component, SM_DERIVED_MAP);
	assert_string_equal(f->image_kind, "M");
	assert_string_equal(g->image_kind, "ADC");
	assert_true(fabs(g->time - (86400 + 20.25)) < 1e-6);
	assert_true(f->picture == 0 && g->picture == 1);
	sm_dcm_head_clear(&h);
}

static void test_frames_enhanced_contradictions(void **state)
{
	(void)state;
	struct own bad[2] = {two[0], two[1]};
	struct build b = enhanced("3", two, 2);
	check(&b, SM_VERDICT_BAD_FRAMES, "NumberOfFrames is 3 and PerFrameFunctionalGroups");
	b = enhanced("1", two, 2);
	check(&b, SM_VERDICT_BAD_FRAMES, "has more than 1 items");
	b = enhanced("2147483647", two, 2);
	check(&b, SM_VERDICT_BAD_FRAMES, "NumberOfFrames 2147483647, allowed 1..262144");
	b = enhanced("200000", two, 2);
	check(&b, SM_VERDICT_BAD_FRAMES, "has 2 items");
	b = enhanced("0", two, 0);
	check(&b, SM_VERDICT_BAD_FRAMES, "missing or empty");
	bad[1].position = NULL;
	b = enhanced("2", bad, 2);
	check(&b, SM_VERDICT_BAD_FRAMES, "frame 2: PlanePositionSequence is missing");
	bad[1].position = "1\\2";
	b = enhanced("2", bad, 2);
	check(&b, SM_VERDICT_NO_POSITION, "frame 2: ImagePositionPatient");
	bad[1] = two[1];
	bad[0].slope = "0";
	b = enhanced("2", bad, 2);
	check(&b, SM_VERDICT_BAD_RESCALE, "frame 1: RescaleSlope is 0");
	bad[0] = two[0];
	bad[1].spacing = "2\\3"; /* the same again is no contradiction */
	b = enhanced("2", bad, 2);
	check(&b, SM_VERDICT_OK, "");
	bad[1].spacing = "2\\2";
	b = enhanced("2", bad, 2);
	check(&b, SM_VERDICT_BAD_FRAMES, "frame 2: PixelMeasuresSequence stands in the shared");
}

/* A CSA header with these numbers. old: without "SV10", lengths counting `filler` too many. */
struct csa {
	const char *tiles, *normal[3], *b_value;
	bool old;
};

static void csa_entry(struct build *b, const char *name, const char *const *values, size_t n,
		      uint32_t items, uint32_t bias, bool old)
{
	char padded[64] = {0};
	snprintf(padded, sizeof padded, "%s", name);
	build_raw(b, padded, 64);
	build_number(b, n, 4);
	build_raw(b, "IS\0\0", 4);
	build_number(b, 6, 4);
	build_number(b, items, 4);
	build_number(b, 77, 4);
	for (uint32_t i = 0; i < items; i++) {
		size_t length = i < n ? strlen(values[i]) + 1 : 0;
		build_number(b, old ? length + bias : length, 4);
		build_number(b, old ? 77 : length, 4);
		build_number(b, 77, 4);
		build_number(b, 0, 4);
		if (i < n)
			build_raw(b, values[i], length);
		build_raw(b, "\0\0\0", (4 - length % 4) % 4);
	}
}

static struct build csa_bytes(const struct csa *c)
{
	struct build b = {0};
	static const char *const filler[] = {"abcde"};
	if (!c->old)
		build_raw(&b, "SV10\4\3\2\1", 8);
	build_number(&b, 4, 4);
	build_number(&b, 77, 4);
	csa_entry(&b, "EchoLinePosition", filler, 1, 6, 6, c->old);
	csa_entry(&b, "NumberOfImagesInMosaic", &c->tiles, c->tiles != NULL, 6, 6, c->old);
	csa_entry(&b, "SliceNormalVector", c->normal, c->normal[0] ? 3 : 0, 6, 6, c->old);
	csa_entry(&b, "B_value", &c->b_value, c->b_value != NULL, 6, 6, c->old);
	return b;
}

/* A mosaic of tiles of 16x24 pixels in a 3x3 grid. */
static struct build mosaic_of(const char *type, const struct csa *c, const char *step,
			      unsigned rows)
{
	struct build csa = csa_bytes(c);
	struct build b = begin((struct who){type, "MR", "SIEMENS", NULL});
	if (step)
		build_text(&b, T(0x18, 0x88), "DS", step);
	series(&b);
	place(&b);
	picture(&b, NULL, rows, 72);
	build_text(&b, T(0x29, 0x11), "LO", "SIEMENS CSA HEADER");
	build_bytes(&b, T(0x29, 0x1110), csa.bytes, csa.n);
	return b;
}

static struct build mosaic(const struct csa *c, const char *step, unsigned rows)
{
	return mosaic_of("ORIGINAL\\PRIMARY\\M\\ND\\MOSAIC", c, step, rows);
}

static void expect_mosaic(const struct csa *c, double direction)
{
	struct build b = mosaic(c, "4", 48);
	struct sm_dcm_head h = head_of(&b);
	if (h.verdict != SM_VERDICT_OK)
		fail_msg("verdict %s: %s", sm_verdict_code(h.verdict), h.why);
	assert_int_equal(h.kind, SM_DCM_MOSAIC);
	assert_int_equal(h.frame_count, 5);
	assert_true(h.tile_rows == 16 && h.tile_columns == 24 && h.tiles_across == 3);
	for (int k = 0; k < 5; k++) {
		const struct sm_dcm_frame *f = &h.frame[k];
		assert_true(f->picture == 0 && f->tile == (unsigned)k);
		/* half of the (3 - 1) * 24 columns of 0.5 mm, of the (3 - 1) * 16 rows of 0.75
		 * mm */
		assert_true(fabs(f->position[0] - (-10 + 12)) < 1e-9);
		assert_true(fabs(f->position[1] - (20.5 + 12)) < 1e-9);
		assert_true(fabs(f->position[2] - (30 + 4 * k * direction)) < 1e-9);
		assert_true(f->b_value == 700);
	}
	sm_dcm_head_clear(&h);
}

static void test_frames_mosaic(void **state)
{
	(void)state;
	struct csa c = {"5", {"0.0", "0.0", "1.00000000"}, "700", false};
	expect_mosaic(&c, 1);
	c.old = true;
	expect_mosaic(&c, 1);
	c.normal[2] = "-1.0";
	expect_mosaic(&c, -1);
	struct build b = mosaic(&c, NULL, 48);
	check(&b, SM_VERDICT_BAD_FRAMES, "SpacingBetweenSlices of the mosaic");
	b = mosaic(&c, "4", 47);
	check(&b, SM_VERDICT_BAD_FRAMES, "not a multiple of 3");
	b = mosaic_of("ORIGINAL\\PRIMARY\\M", &c, "4", 48);
	check(&b, SM_VERDICT_BAD_FRAMES, "does not say MOSAIC");
	c.normal[2] = "0.5";
	b = mosaic(&c, "4", 48);
	check(&b, SM_VERDICT_BAD_FRAMES, "SliceNormalVector of the mosaic");
	c.normal[0] = NULL;
	b = mosaic(&c, "4", 48);
	check(&b, SM_VERDICT_BAD_FRAMES, "no SliceNormalVector");
	c.tiles = NULL;
	b = mosaic(&c, "4", 48);
	check(&b, SM_VERDICT_BAD_FRAMES, "neither (0019,100A)");
	c.tiles = "2000000000";
	b = mosaic(&c, "4", 48);
	check(&b, SM_VERDICT_BAD_FRAMES, "neither (0019,100A)");
}

static void expect_times(const char *const *ms, size_t n, const double *want)
{
	struct build csa = {0}, b = begin(mr);
	double got[8];
	build_raw(&csa, "SV10\4\3\2\1", 8);
	build_number(&csa, 1, 4);
	build_number(&csa, 77, 4);
	csa_entry(&csa, "MosaicRefAcqTimes", ms, n, (uint32_t)n + 2, 0, false);
	build_text(&b, T(0x29, 0x10), "LO", "SIEMENS CSA HEADER");
	build_bytes(&b, T(0x29, 0x1010), csa.bytes, csa.n);
	struct sm_err err = {0};
	struct sm_dicom *dcm;
	assert_good(sm_dicom_parse(b.bytes, b.n, SM_DICOM_HEAD, NULL, &dcm, &err), err);
	struct sm_dataset set = sm_dicom_data(dcm);
	assert_int_equal(sm_siemens_slice_times(&set, got, 8), n);
	for (size_t i = 0; i < n; i++)
		assert_true(fabs(got[i] - want[i]) < 1e-9);
	assert_int_equal(sm_siemens_slice_times(&set, got, 2), 2);
	sm_dicom_close(dcm);
}

static void test_frames_slice_times(void **state)
{
	(void)state;
	const char *const plain[] = {"1450.0", "0.00000000", "482.5"};
	const char *const midnight[] = {"0.0", "86397500.0", "140.0"};
	expect_times(plain, 3, (const double[]){1.45, 0, 0.4825});
	expect_times(midnight, 3, (const double[]){2.5, 0, 2.64});
}

/* No bytes may crash the reader: every prefix, and single bytes turned round. */
static void test_frames_survives_damage(void **state)
{
	(void)state;
	struct csa c = {"5", {"0.0", "0.0", "1.0"}, "700", false};
	struct build kinds[4];
	kinds[0] = enhanced("2", two, 2);
	kinds[1] = mosaic(&c, "4", 48);
	c.old = true;
	kinds[2] = mosaic(&c, "4", 48);
	kinds[3] = slice(mr);
	for (int k = 0; k < 4; k++)
		pixels(&kinds[k]);
	struct sm_salt salt = {0};
	uint32_t random = 1;
	size_t read = 0;
	for (int k = 0; k < 4; k++)
		for (size_t at = 0; at < 8 * kinds[k].n; at++) {
			struct build *b = &kinds[k];
			random = random * 1664525u + 1013904223u;
			unsigned char *byte = &b->bytes[at / 8], before = *byte;
			*byte = (unsigned char)(random >> 24);
			struct sm_err err = {0};
			struct sm_dicom *dcm;
			struct sm_dcm_head h;
			size_t n = at % 8 ? b->n : at / 8;
			if (sm_dicom_parse(b->bytes, n, SM_DICOM_HEAD, NULL, &dcm, &err) == SM_OK) {
				assert_good(sm_dcm_head_read(dcm, &salt, NULL, &h, &err), err);
				assert_true(h.verdict == SM_VERDICT_NOT_IMAGE || h.frame_count > 0);
				assert_true(h.verdict == SM_VERDICT_OK || *h.why);
				read++;
				sm_dcm_head_clear(&h);
				sm_dicom_close(dcm);
			}
			*byte = before;
		}
	assert_true(read > 1000);
}

struct golden {
	char path[200];
	unsigned frame;
	double v[13]; /* position, across, down, spacing, slope, intercept */
};

static void compare(const struct golden *g, const struct sm_dcm_frame *f)
{
	const double *got[] = {f->position, f->across, f->down, f->spacing};
	static const int length[] = {3, 3, 3, 2};
	/* NIfTI affines are float32, and positions inside a stack are interpolated. */
	static const double most[] = {5e-4, 1e-5, 1e-5, 1e-5};
	int at = 0;
	for (int i = 0; i < 4; i++)
		for (int k = 0; k < length[i]; k++, at++)
			if (fabs(got[i][k] - g->v[at]) > most[i] * fmax(1, i == 3 ? g->v[at] : 1))
				fail_msg("%s frame %u: number %d is %.9g, wanted %.9g", g->path,
					 g->frame, at, got[i][k], g->v[at]);
	if (fabs(f->slope - g->v[11]) > 1e-5 * fabs(g->v[11]) ||
	    fabs(f->intercept - g->v[12]) > 1e-5 * fmax(1, fabs(g->v[12])))
		fail_msg("%s frame %u: scale %.9g %.9g, wanted %.9g %.9g", g->path, g->frame,
			 f->slope, f->intercept, g->v[11], g->v[12]);
}

static bool golden_line(char *line, struct golden *g)
{
	int used = 0;
	if (*line == '#' || sscanf(line, "%199s %u%n", g->path, &g->frame, &used) != 2)
		return false;
	char *at = line + used;
	for (int i = 0; i < 13; i++)
		g->v[i] = strtod(at, &at);
	return true;
}

static void test_frames_places_of_real_frames(void **state)
{
	(void)state;
	const char *dir = getenv("SM_SHARED_DATA");
	dir = dir ? dir : "../shared/data";
	if (!sm_is_dir(dir))
		skip();
	FILE *golden = fopen("tests/golden/frames.txt", "r");
	assert_non_null(golden);
	char line[600];
	struct golden g;
	int compared = 0;
	while (fgets(line, sizeof line, golden)) {
		if (!golden_line(line, &g))
			continue;
		char *path = sm_path_join(dir, g.path);
		struct sm_err err = {0};
		struct sm_dicom *dcm;
		struct sm_dcm_head h;
		struct sm_salt salt = {0};
		assert_good(sm_dicom_open(path, SM_DICOM_HEAD, NULL, &dcm, &err), err);
		assert_good(sm_dcm_head_read(dcm, &salt, NULL, &h, &err), err);
		if (h.verdict != SM_VERDICT_OK || h.frame_count <= g.frame)
			fail_msg("%s: %s", g.path, h.why);
		compare(&g, &h.frame[g.frame]);
		compared++;
		sm_dcm_head_clear(&h);
		sm_dicom_close(dcm);
		free(path);
	}
	fclose(golden);
	assert_int_equal(compared, 79);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_enhanced_frames),
		cmocka_unit_test(test_frames_enhanced_contradictions),
		cmocka_unit_test(test_frames_mosaic),
		cmocka_unit_test(test_frames_slice_times),
		cmocka_unit_test(test_frames_survives_damage),
		cmocka_unit_test(test_frames_places_of_real_frames),
	};
	return run_tap(tests);
}
