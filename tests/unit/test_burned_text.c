/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "core/rng.h"
#include "ingest/burned/burned_text.h"
#include "tests/unit/tap.h"

/* Five columns of seven bits, low bit on top. */
static const unsigned char font[][6] = {
	{'A', 0x7e, 0x09, 0x09, 0x09, 0x7e}, {'E', 0x7f, 0x49, 0x49, 0x41, 0x41},
	{'I', 0x00, 0x41, 0x7f, 0x41, 0x00}, {'L', 0x7f, 0x40, 0x40, 0x40, 0x40},
	{'M', 0x7f, 0x02, 0x0c, 0x02, 0x7f}, {'N', 0x7f, 0x04, 0x08, 0x10, 0x7f},
	{'O', 0x3e, 0x41, 0x41, 0x41, 0x3e}, {'R', 0x7f, 0x09, 0x19, 0x29, 0x46},
	{'S', 0x46, 0x49, 0x49, 0x49, 0x31}, {'T', 0x01, 0x01, 0x7f, 0x01, 0x01},
	{'U', 0x3f, 0x40, 0x40, 0x40, 0x3f}, {'Y', 0x03, 0x04, 0x78, 0x04, 0x03},
	{'1', 0x00, 0x42, 0x7f, 0x40, 0x00}, {'7', 0x01, 0x71, 0x09, 0x05, 0x03},
};

static struct sm_vol volume(int64_t x, int64_t y, int64_t z, enum sm_dtype dtype)
{
	struct sm_vol vol;
	struct sm_err err;
	const int64_t dim[4] = {x, y, z, 1};
	assert_good(sm_vol_init(&vol, dim, dtype, NULL, "test", &err), err);
	return vol;
}

static void put(struct sm_vol *vol, size_t i, double v)
{
	switch (vol->dtype) {
	case SM_U8:
		((uint8_t *)vol->data)[i] = (uint8_t)v;
		break;
	case SM_I8:
		((int8_t *)vol->data)[i] = (int8_t)v;
		break;
	case SM_U32:
		((uint32_t *)vol->data)[i] = (uint32_t)v;
		break;
	case SM_U64:
		((uint64_t *)vol->data)[i] = (uint64_t)v;
		break;
	case SM_I64:
		((int64_t *)vol->data)[i] = (int64_t)v;
		break;
	case SM_I16:
		((int16_t *)vol->data)[i] = (int16_t)v;
		break;
	case SM_U16:
		((uint16_t *)vol->data)[i] = (uint16_t)v;
		break;
	case SM_I32:
		((int32_t *)vol->data)[i] = (int32_t)v;
		break;
	case SM_F32:
		((float *)vol->data)[i] = (float)v;
		break;
	default:
		((double *)vol->data)[i] = v;
		break;
	}
}

/* A bright disc with noise and stripes on a dark noisy ground, different in every slice. */
static void paint(struct sm_vol *vol, double scale)
{
	const int64_t *d = vol->dim;
	struct sm_rng rng;
	sm_rng_init(&rng, 5, "test.burned", "", 0, 0);
	size_t i = 0;
	for (int64_t z = 0; z < d[2]; z++)
		for (int64_t y = 0; y < d[1]; y++)
			for (int64_t x = 0; x < d[0]; x++, i++) {
				double dx = (double)(2 * x - d[0]) / (double)d[0];
				double dy = (double)(2 * y - d[1]) / (double)d[1];
				double v = sm_rng_f64(&rng) * 12;
				if (dx * dx + dy * dy < 0.5)
					v += 60 + 30 * fabs(sin(dx * 20 + (double)z)) +
					     sm_rng_f64(&rng) * 40;
				put(vol, i, v * scale);
			}
}

/* Text with `size` pixels for each dot of the font, from (x, y) on; the box's last column comes
 * back. */
static int64_t draw(struct sm_vol *vol, const char *text, int64_t x, int64_t y, int64_t z, int size,
		    double v)
{
	for (; *text; text++, x += 6 * size)
		for (size_t k = 0; k < sizeof font / sizeof *font; k++)
			for (int c = 0; c < 5 * size && font[k][0] == *text; c++)
				for (int r = 0; r < 7 * size; r++)
					if (font[k][1 + c / size] >> (r / size) & 1)
						put(vol,
						    (size_t)((z * vol->dim[1] + y + r) *
								     vol->dim[0] +
							     x + c),
						    v);
	return x - size - 1;
}

static struct sm_text_finding find(const struct sm_vol *vol)
{
	struct sm_text_finding one, two;
	struct sm_err err;
	assert_good(sm_burned_text_find(vol, NULL, 1, &one, &err), err);
	assert_good(sm_burned_text_find(vol, NULL, 3, &two, &err), err);
	assert_int_equal(one.found, two.found);
	assert_memory_equal(one.slice, two.slice, sizeof one.slice);
	assert_memory_equal(one.low, two.low, sizeof one.low);
	assert_memory_equal(one.high, two.high, sizeof one.high);
	assert_int_equal(one.letters, two.letters);
	assert_true(one.height == two.height && one.why == two.why);
	return one;
}

static void test_text_in_one_slice(void **state)
{
	(void)state;
	for (int size = 1; size <= 5; size++) {
		struct sm_vol vol = volume(256, 256, 19, SM_I16);
		paint(&vol, 10);
		int64_t right = draw(&vol, "MOTAL", 9, 12, 13, size, 1900);
		struct sm_text_finding f = find(&vol);
		assert_true(f.found);
		assert_int_equal(f.slice[0], 13);
		assert_int_equal(f.slice[1], 13);
		assert_true(f.low[0] >= 8 && f.low[0] <= 10 && f.high[0] >= right - 6 * size);
		assert_true(f.low[1] >= 11 && f.low[1] <= 13);
		assert_string_equal(f.why, "bright letters");
		char text[200];
		sm_burned_text_say(&f, text);
		assert_non_null(strstr(text, "slice 13"));
		sm_vol_clear(&vol);
	}
}

static void test_text_in_many_slices(void **state)
{
	(void)state;
	struct sm_vol vol = volume(256, 256, 40, SM_I16);
	paint(&vol, 10);
	for (int64_t z = 11; z < 38; z++)
		draw(&vol, "MOTAL", 9, 12, z, 2, 1900);
	struct sm_text_finding f = find(&vol);
	assert_true(f.found);
	assert_int_equal(f.slice[0], 11);
	assert_int_equal(f.slice[1], 37);
	sm_vol_clear(&vol);
}

static void test_text_of_every_type(void **state)
{
	(void)state;
	static const struct {
		enum sm_dtype dtype;
		double scale;
	} kinds[] = {{SM_U8, 1},      {SM_I16, 1},     {SM_I16, 100},   {SM_U16, 300},
		     {SM_I32, 70000}, {SM_F32, 0.001}, {SM_F64, 1e-12}, {SM_F64, 1e9}};
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		struct sm_vol vol = volume(200, 180, 5, kinds[k].dtype);
		paint(&vol, kinds[k].scale);
		draw(&vol, "NATURE 71", 30, 150, 2, 2, 200 * kinds[k].scale);
		assert_true(find(&vol).found);
		sm_vol_clear(&vol);
	}
}

static void test_text_over_tissue(void **state)
{
	(void)state;
	struct sm_vol vol = volume(200, 200, 12, SM_I16);
	paint(&vol, 10);
	for (int64_t z = 0; z < 12; z++)
		draw(&vol, "MINERAL", 60, 90, z, 2,
		     700); /* darker than the brightest tissue there */
	struct sm_text_finding f = find(&vol);
	assert_true(f.found);
	assert_int_equal(f.slice[0], 0);
	assert_int_equal(f.slice[1], 11);
	sm_vol_clear(&vol);
	vol = volume(200, 200, 12, SM_I16);
	paint(&vol, 10);
	for (size_t i = 0; i < sm_vol_count(&vol); i++)
		((int16_t *)vol.data)[i] += 3000; /* black letters are darker than air */
	draw(&vol, "MINERAL", 60, 90, 4, 2, 0);
	f = find(&vol);
	assert_true(f.found);
	assert_string_equal(f.why, "dark letters");
	assert_int_equal(f.slice[0], 4);
	assert_int_equal(f.slice[1], 4);
	sm_vol_clear(&vol);
}

/* One slice whose text all the others outshine, as bright letters and as dark ones. */
static void test_text_that_others_cover(void **state)
{
	(void)state;
	for (int dark = 0; dark < 2; dark++) {
		struct sm_vol vol = volume(256, 200, 14, SM_I16);
		struct sm_rng rng;
		paint(&vol, 10);
		sm_rng_init(&rng, 9, "test.burned", "cover", 0, 0);
		for (int64_t z = 0; z < 14; z++)
			for (int64_t y = 140; y < 190; y++)
				for (int64_t x = 20; x < 230; x++)
					put(&vol, (size_t)((z * 200 + y) * 256 + x),
					    ((z == 5) ^ dark ? 100 : 1300) +
						    sm_rng_f64(&rng) * 200);
		draw(&vol, "MINERAL", 60, 155, 5, 2, dark ? 500 : 1000);
		struct sm_text_finding f = find(&vol);
		assert_true(f.found);
		assert_int_equal(f.slice[0], 5);
		assert_int_equal(f.slice[1], 5);
		assert_string_equal(f.why, dark ? "dark letters" : "bright letters");
		sm_vol_clear(&vol);
	}
}

/* The outside of the body: fill or padding. */
static void fill(struct sm_vol *vol, double v)
{
	const int64_t *d = vol->dim;
	for (int64_t i = 0; i < d[0] * d[1] * d[2]; i++) {
		double dx = (double)(2 * (i % d[0]) - d[0]) / (double)d[0];
		double dy = (double)(2 * (i / d[0] % d[1]) - d[1]) / (double)d[1];
		if (dx * dx + dy * dy > 1)
			put(vol, (size_t)i, v);
	}
}

/* Numbers far from all others, often or once, leave the contrast of the rest what it is. */
static void test_fill_and_outliers(void **state)
{
	(void)state;
	static const struct {
		enum sm_dtype dtype;
		double fill, hot;
	} kinds[] = {{SM_F32, -1e6, 0},      {SM_F32, -1e9, 0},    {SM_F32, -3.4e38, 0},
		     {SM_F32, 1e20, 0},      {SM_F32, -1e9, 1e20}, {SM_F32, -3.4e38, 3.4e38},
		     {SM_F32, 0, 1e9},       {SM_I32, 0, 1e9},     {SM_I32, -1e6, 1e9},
		     {SM_F64, -1e300, 0},    {SM_F64, 0, 1e300},   {SM_I16, -32768, 0},
		     {SM_I16, -32768, 32767}};
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
		for (int64_t z = 0; z < 2; z++) {
			struct sm_vol vol = volume(256, 256, 8, kinds[k].dtype);
			paint(&vol, 10);
			/* Letters on the even ground of a piece of air. */
			for (int64_t y = 100; y < 130; y++)
				for (int64_t x = 80; x < 180; x++)
					for (int64_t a = 0; a < 8; a++)
						put(&vol, (size_t)((a * 256 + y) * 256 + x), 0);
			if (kinds[k].fill != 0)
				fill(&vol, kinds[k].fill);
			draw(&vol, "MOTAL", 90, 106, 3 + z, 2, 600);
			if (kinds[k].hot != 0)
				put(&vol, 0, kinds[k].hot);
			struct sm_text_finding f = find(&vol);
			assert_true(f.found);
			assert_int_equal(f.slice[0], 3 + z);
			assert_int_equal(f.slice[1], 3 + z);
			sm_vol_clear(&vol);
		}
	struct sm_vol vol = volume(256, 256, 8, SM_F32);
	paint(&vol, 10);
	fill(&vol, -1e9);
	assert_false(find(&vol).found);
	/* Letters in the fill's own number. */
	draw(&vol, "MOTAL", 90, 106, 3, 2, -1e9);
	assert_true(find(&vol).found);
	sm_vol_clear(&vol);
}

/* Text is all there is, in a slice that a sample of the volume hardly meets. */
static void test_text_alone(void **state)
{
	(void)state;
	static const enum sm_dtype dtypes[] = {SM_U8, SM_I16, SM_I32, SM_F32, SM_F64};
	for (size_t k = 0; k < sizeof dtypes / sizeof *dtypes; k++)
		for (int size = 1; size <= 3; size++) {
			struct sm_vol vol = volume(512, 512, 40, dtypes[k]);
			memset(vol.data, 0, sm_vol_count(&vol) * sm_dtype_size(vol.dtype));
			assert_false(find(&vol).found);
			draw(&vol, "MOTAL", 100, 40, 20, size, 200);
			struct sm_text_finding f = find(&vol);
			assert_true(f.found);
			assert_int_equal(f.slice[0], 20);
			assert_int_equal(f.slice[1], 20);
			if (dtypes[k] == SM_F32) {
				put(&vol, 5, 1e9);
				assert_true(find(&vol).found);
			}
			sm_vol_clear(&vol);
		}
}

/* NaN and infinities as ink, and as the ground of numbers. */
static void test_text_of_holes(void **state)
{
	(void)state;
	static const double inks[] = {NAN, INFINITY, -INFINITY};
	for (size_t k = 0; k < 12; k++) {
		struct sm_vol vol = volume(200, 180, 6, k < 6 ? SM_F32 : SM_F64);
		double ink = inks[k % 3];
		paint(&vol, 1);
		if (k / 3 % 2) { /* all the same but for the ink */
			for (size_t i = 0; i < sm_vol_count(&vol); i++)
				put(&vol, i, 7);
		}
		draw(&vol, "MINERAL", 50, 80, 2, 2, ink);
		struct sm_text_finding f = find(&vol);
		assert_true(f.found);
		assert_int_equal(f.slice[0], 2);
		assert_int_equal(f.slice[1], 2);
		for (size_t i = 0; i < sm_vol_count(&vol); i++)
			put(&vol, i, ink);
		assert_false(find(&vol).found);
		draw(&vol, "MINERAL", 50, 80, 4, 2, 7);
		f = find(&vol);
		assert_true(f.found);
		assert_int_equal(f.slice[0], 4);
		char text[200];
		sm_burned_text_say(&f, text);
		assert_non_null(strstr(text, "NaN or infinities"));
		sm_vol_clear(&vol);
	}
	struct sm_vol vol = volume(200, 180, 6, SM_F32);
	paint(&vol, 1);
	fill(&vol, NAN);
	assert_false(find(&vol).found);
	sm_vol_clear(&vol);
}

/* Marks as far apart as they are high are no word. */
static void test_marks_far_apart(void **state)
{
	(void)state;
	struct sm_vol vol = volume(256, 256, 3, SM_I16);
	paint(&vol, 10);
	for (int64_t k = 0; k < 8; k++)
		draw(&vol, k % 2 ? "O" : "S", 8 + k * 26, 8, 1, 2, 1900);
	assert_false(find(&vol).found);
	draw(&vol, "SONATA", 60, 8, 1, 2, 1900);
	assert_true(find(&vol).found);
	sm_vol_clear(&vol);
}

/* Rows that run upwards, as dcm2niix writes them, and pictures on their side. */
static void test_turned_text(void **state)
{
	(void)state;
	struct sm_vol vol = volume(200, 160, 5, SM_I16), turned = volume(200, 160, 5, SM_I16);
	paint(&vol, 10);
	draw(&vol, "YONATAN", 12, 12, 2, 2, 1900);
	const int16_t *v = vol.data;
	int16_t *t = turned.data;
	for (int64_t z = 0; z < 5; z++)
		for (int64_t y = 0; y < 160; y++)
			for (int64_t x = 0; x < 200; x++)
				t[(z * 160 + 159 - y) * 200 + x] = v[(z * 160 + y) * 200 + x];
	struct sm_text_finding f = find(&turned);
	assert_true(f.found);
	assert_true(f.low[1] > 130 && f.high[1] < 149);
	turned.dim[0] = 160;
	turned.dim[1] = 200;
	for (int64_t z = 0; z < 5; z++)
		for (int64_t y = 0; y < 160; y++)
			for (int64_t x = 0; x < 200; x++)
				t[(z * 200 + x) * 160 + y] = v[(z * 160 + y) * 200 + x];
	f = find(&turned);
	assert_true(f.found);
	assert_string_equal(f.why, "letters of an upright line");
	assert_true(f.low[0] > 10 && f.high[0] < 28 && f.low[1] > 10 && f.high[1] < 100);
	assert_int_equal(f.slice[0], 2);
	assert_int_equal(f.slice[1], 2);
	sm_vol_clear(&vol);
	sm_vol_clear(&turned);
}

/* A picture that is searched in overlapping parts: text where they meet. */
static void test_large_picture(void **state)
{
	(void)state;
	struct sm_vol vol = volume(2100, 1500, 1, SM_U8);
	paint(&vol, 1);
	draw(&vol, "LATERAL", 930, 1005, 0, 4, 250);
	struct sm_text_finding f = find(&vol);
	assert_true(f.found);
	assert_true(f.low[0] > 900 && f.low[0] < 960 && f.low[1] > 1000 && f.low[1] < 1010);
	sm_vol_clear(&vol);
}

static void test_no_text(void **state)
{
	(void)state;
	struct sm_vol vol = volume(256, 256, 20, SM_I16);
	paint(&vol, 10);
	assert_false(find(&vol).found);
	/* A ruler: bars of one height on one line are no letters. */
	for (int64_t k = 0; k < 20; k++)
		for (int64_t y = 240; y < 250; y++)
			for (int64_t x = 0; x < 2; x++)
				put(&vol, (size_t)(y * 256 + 20 + k * 8 + x), 1900);
	assert_false(find(&vol).found);
	/* Blobs of the highest number: metal. */
	for (int64_t k = 0; k < 6; k++)
		for (int64_t y = 0; y < 9; y++)
			for (int64_t x = 0; x < 9; x++)
				put(&vol, (size_t)((100 + y) * 256 + 60 + k * 20 + x), 3000);
	assert_false(find(&vol).found);
	/* Two letters are a side mark; three may be a name. */
	draw(&vol, "LA", 10, 10, 3, 2, 2000);
	assert_false(find(&vol).found);
	draw(&vol, "LAO", 10, 10, 3, 2, 2000);
	assert_true(find(&vol).found);
	sm_vol_clear(&vol);
}

static void test_nothing_to_see(void **state)
{
	(void)state;
	struct sm_vol vol = volume(128, 128, 3, SM_F32);
	memset(vol.data, 0, sm_vol_count(&vol) * 4);
	assert_false(find(&vol).found);
	for (size_t i = 0; i < sm_vol_count(&vol); i++)
		put(&vol, i, NAN);
	assert_false(find(&vol).found);
	for (size_t i = 0; i < sm_vol_count(&vol); i += 2)
		put(&vol, i, INFINITY);
	assert_false(find(&vol).found);
	paint(&vol, 1);
	draw(&vol, "MINERAL", 5, 5, 1, 1, 300);
	put(&vol, 7, NAN);
	assert_true(find(&vol).found);
	sm_vol_clear(&vol);
	vol = volume(20, 20, 3, SM_U8);
	memset(vol.data, 7, sm_vol_count(&vol));
	assert_false(find(&vol).found);
	sm_vol_clear(&vol);
	vol = volume(3000, 24, 1, SM_U8);
	paint(&vol, 1);
	assert_false(find(&vol).found);
	sm_vol_clear(&vol);
}

/* Whole numbers of few steps: letters of one step, as in pictures of black and white and in
 * masks. */
static void test_text_of_one_step(void **state)
{
	(void)state;
	static const enum sm_dtype types[] = {SM_U8,  SM_I8,  SM_U16, SM_I16, SM_U32,
					      SM_I32, SM_U64, SM_I64, SM_F32};
	/* Ground, paper, letters, and what a few voxels have. */
	static const double v[][4] = {{0, 0, 1, 1},     {0, 1, 0, 0},         {0, 0, 1, 3},
				      {0, 2, 3, 3},     {0, 3, 2, 0},         {0, 0, 1, 120},
				      {-7, -7, -6, -7}, {-90, -90, -89, 100}, {0, 0, 1, 30000},
				      {0, 1, 2, -20000}};
	for (size_t t = 0; t < sizeof types / sizeof *types; t++)
		for (size_t k = 0; k < sizeof v / sizeof *v; k++) {
			size_t size = sm_dtype_size(types[t]);
			bool wide = fabs(v[k][3]) > 127, positive = v[k][0] >= 0 && v[k][3] >= 0;
			if ((wide && size == 1) ||
			    (!positive && (types[t] == SM_U8 || types[t] == SM_U16 ||
					   types[t] == SM_U32 || types[t] == SM_U64)))
				continue;
			struct sm_vol vol = volume(128, 100, 5, types[t]);
			for (size_t i = 0; i < sm_vol_count(&vol); i++) {
				size_t x = i % 128, y = i / 128 % 100;
				put(&vol, i,
				    x > 10 && x < 120 && y > 20 && y < 90 ? v[k][1] : v[k][0]);
			}
			for (size_t i = 0; i < 20; i++)
				put(&vol, 128 * 100 * 4 + i, v[k][3]);
			assert_false(find(&vol).found);
			draw(&vol, "MOTAL", 20, 40, 2, 2, v[k][2]);
			struct sm_text_finding f = find(&vol);
			if (!f.found)
				fail_msg("type %d, numbers %zu", (int)types[t], k);
			assert_int_equal(f.slice[0], 2);
			assert_int_equal(f.slice[1], 2);
			sm_vol_clear(&vol);
		}
}

static void test_memory(void **state)
{
	(void)state;
	struct sm_mem mem;
	struct sm_err err;
	struct sm_text_finding f;
	struct sm_vol vol = volume(256, 256, 20, SM_I16);
	paint(&vol, 10);
	sm_mem_init(&mem, 1 << 20);
	assert_refused(sm_burned_text_find(&vol, &mem, 2, &f, &err), SM_BUDGET, err,
		       "burned-in text");
	assert_false(f.found);
	assert_int_equal(mem.used, 0);
	sm_mem_init(&mem, 64 << 20);
	assert_good(sm_burned_text_find(&vol, &mem, 2, &f, &err), err);
	assert_int_equal(mem.used, 0);
	sm_vol_clear(&vol);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_in_one_slice),
		cmocka_unit_test(test_text_in_many_slices),
		cmocka_unit_test(test_text_of_every_type),
		cmocka_unit_test(test_text_of_one_step),
		cmocka_unit_test(test_text_over_tissue),
		cmocka_unit_test(test_text_that_others_cover),
		cmocka_unit_test(test_fill_and_outliers),
		cmocka_unit_test(test_text_alone),
		cmocka_unit_test(test_text_of_holes),
		cmocka_unit_test(test_marks_far_apart),
		cmocka_unit_test(test_large_picture),
		cmocka_unit_test(test_turned_text),
		cmocka_unit_test(test_no_text),
		cmocka_unit_test(test_nothing_to_see),
		cmocka_unit_test(test_memory),
	};
	return run_tap(tests);
}
