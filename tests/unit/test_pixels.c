/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <math.h>
#include <string.h>

#include "ingest/series/dcm_volume.h"
#include "ingest/series/pet.h"

/* Words at an odd address, as they stand in files, into a volume of one slice of n values. */
static void words(const void *from, struct sm_pixel_format format, enum sm_dtype type, bool mirror,
		  const double *want, int n)
{
	struct sm_dcm_head h = {.format = format, .tile_rows = 1, .tile_columns = n};
	struct sm_words w = {.head = &h,
			     .stride = (size_t)n,
			     .mirror = mirror,
			     .slope = 0.5,
			     .intercept = 1,
			     .times = 1};
	unsigned char bytes[64];
	struct sm_vol vol;
	struct sm_err err = {0};
	const int64_t dim[4] = {n, 1, 1, 1};
	double low, high, least = want[0], most = want[0];
	memcpy(bytes + 1, from, (size_t)n * (size_t)format.bits_allocated / 8);
	w.from = bytes + 1;
	assert_good(sm_vol_init(&vol, dim, type, NULL, "test", &err), err);
	sm_words_store(&w, &vol, 0, &low, &high);
	for (int i = 0; i < n; i++) {
		assert_true(sm_vol_at(&vol, (size_t)i) ==
			    (type == SM_F32 ? 0.5 * want[i] + 1 : want[i]));
		least = want[i] < least ? want[i] : least;
		most = want[i] > most ? want[i] : most;
	}
	if (!format.is_float)
		assert_true(low == least && high == most);
	sm_vol_clear(&vol);
}

static void test_words_signs_and_shifts(void **state)
{
	(void)state;
	const uint16_t w[4] = {0xf7ff, 0x0800, 0xffff, 0x1001};
	const uint8_t bytes[2] = {0x80, 0xff};
	const uint32_t wide[2] = {0x80000000u, 0xffffffffu};
	const float real[2] = {1.5f, -2};
	struct sm_pixel_format f = {
		.bits_allocated = 16, .bits_stored = 12, .high_bit = 11, .is_signed = true};
	const double twelve[] = {2047, -2048, -1, 1}, plain[] = {2047, 2048, 4095, 1};
	const double upper[] = {0xf7f, 0x080, 0xfff, 0x100},
		     all[] = {0xf7ff, 0x0800, 0xffff, 0x1001};
	const double both[] = {-0x801, 0x800, -1, 0x1001}, mirrored[] = {2048, 2047, 0, 4094};
	words(w, f, SM_I16, false, twelve, 4);
	words(w, f, SM_F32, false, twelve, 4);
	words(w, f, SM_I32, false, twelve, 4);
	f.is_signed = false;
	words(w, f, SM_I16, false, plain, 4);
	words(w, f, SM_I16, true, mirrored, 4);
	f.high_bit = 15; /* the stored bits are the upper ones */
	words(w, f, SM_I16, false, upper, 4);
	f.bits_stored = 16;
	words(w, f, SM_U16, false, all, 4);
	f.is_signed = true;
	words(w, f, SM_I16, false, both, 4);
	f = (struct sm_pixel_format){
		.bits_allocated = 8, .bits_stored = 8, .high_bit = 7, .is_signed = true};
	words(bytes, f, SM_I16, false, (const double[]){-128, -1}, 2);
	f.is_signed = false;
	words(bytes, f, SM_U8, false, (const double[]){128, 255}, 2);
	f = (struct sm_pixel_format){
		.bits_allocated = 32, .bits_stored = 32, .high_bit = 31, .is_signed = true};
	words(wide, f, SM_I32, false, (const double[]){INT32_MIN, -1}, 2);
	f.is_signed = false;
	words(wide, f, SM_U32, false, (const double[]){2147483648.0, 4294967295.0}, 2);
	f.is_float = true;
	words(real, f, SM_F32, false, (const double[]){1.5, -2}, 2);
}

static void test_words_of_a_tile(void **state)
{
	(void)state;
	/* The lower right 2 x 2 tile of a mosaic of 4 x 4 pixels. */
	uint16_t picture[16];
	for (uint16_t i = 0; i < 16; i++)
		picture[i] = i;
	struct sm_dcm_head h = {
		.format = {.bits_allocated = 16, .bits_stored = 12, .high_bit = 11},
		.tile_rows = 2,
		.tile_columns = 2,
	};
	const struct sm_words w = {.head = &h, .from = picture + 10, .stride = 4, .times = 1};
	uint16_t out[6] = {0};
	struct sm_vol vol = {.dim = {2, 2, 1, 1}, .dtype = SM_I16, .data = out};
	double low, high;
	sm_words_store(&w, &vol, 1, &low, &high);
	const uint16_t want[6] = {0, 10, 11, 14, 15, 0};
	assert_memory_equal(out, want, sizeof want);
	assert_true(low == 10 && high == 15);
	/* Hounsfield units at once; the range stays that of the stored numbers. */
	struct sm_words hu = w;
	hu.times = 2;
	hu.plus = -1024;
	sm_words_store(&hu, &vol, 1, &low, &high);
	const int16_t units[6] = {0, -1004, -1002, -996, -994, 0};
	assert_memory_equal(out, units, sizeof units);
	assert_true(low == 10 && high == 15);
}

static void test_volume_to_suv(void **state)
{
	(void)state;
	struct sm_mem mem;
	struct sm_err err;
	struct sm_vol vol;
	struct sm_pet_suv suv = {.known = true, .factor = 0.25};
	int64_t dim[4] = {3, 1, 1, 1};
	sm_mem_init(&mem, 1 << 20);
	assert_good(sm_vol_init(&vol, dim, SM_I16, &mem, "test", &err), err);
	memcpy(vol.data, (int16_t[]){-4, 0, 32767}, 6);
	vol.slope = 2;
	vol.inter = 8;
	assert_good(sm_pet_to_suv(&vol, &suv, &mem, 1, &err), err);
	float want[3] = {0, 2, 16385.5f};
	assert_memory_equal(vol.data, want, sizeof want);
	assert_int_equal(vol.meaning, SM_MEANING_SUV);
	/* Products that float32 cannot hold. */
	suv.factor = 1e37;
	assert_refused(sm_pet_to_suv(&vol, &suv, &mem, 1, &err), SM_INPUT, err,
		       "no_suv: the factor to SUV leads 1 of 3 voxels out of float32's range");
	memcpy(vol.data, (float[]){0, 1e-3f, -1e-2f}, 12);
	suv.factor = 1e-37;
	assert_refused(sm_pet_to_suv(&vol, &suv, &mem, 1, &err), SM_INPUT, err,
		       "3 of 3 voxels out of float32's range");
	memcpy(vol.data, (float[]){0, 0, 0}, 12);
	assert_good(sm_pet_to_suv(&vol, &suv, &mem, 1, &err), err);
	/* What was infinite before is the file's. */
	memcpy(vol.data, (float[]){INFINITY, NAN, 1}, 12);
	suv.factor = 2;
	assert_good(sm_pet_to_suv(&vol, &suv, &mem, 1, &err), err);
	suv = (struct sm_pet_suv){.why = "PatientWeight is absent"};
	assert_refused(sm_pet_to_suv(&vol, &suv, &mem, 1, &err), SM_INPUT, err,
		       "PatientWeight is absent");
	sm_vol_clear(&vol);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_signs_and_shifts),
		cmocka_unit_test(test_words_of_a_tile),
		cmocka_unit_test(test_volume_to_suv),
	};
	return run_tap(tests);
}
