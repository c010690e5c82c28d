/* SPDX-License-Identifier: Apache-2.0
 *
 * Perceptual hashes: copies are near, other volumes are far, mirroring is told.
 */
#include "tests/unit/tap.h"

#include <stdio.h>
#include <string.h>

#include "core/rng.h"
#include "preprocess/near.h"

#define BLOBS 60
#define NEAR 0.15 /* the default of split.near_distance */

static struct sm_err err;

/* Blobs of many sizes at random places; without symmetry. */
static struct sm_vol blobs(const int64_t dim3[3], uint64_t seed)
{
	struct sm_vol v;
	const int64_t dim[4] = {dim3[0], dim3[1], dim3[2], 1};
	struct sm_rng rng;
	double at[BLOBS][4];
	assert_good(sm_vol_init(&v, dim, SM_F32, NULL, "test", &err), err);
	sm_rng_init(&rng, seed, "test.near", "", 0, 0);
	for (int b = 0; b < BLOBS; b++)
		for (int a = 0; a < 4; a++)
			at[b][a] = sm_rng_f64(&rng);
	float *p = v.data;
	for (int64_t z = 0; z < dim[2]; z++)
		for (int64_t y = 0; y < dim[1]; y++)
			for (int64_t x = 0; x < dim[0]; x++) {
				double sum = 0;
				for (int b = 0; b < BLOBS; b++) {
					double dx = (double)x / (double)dim[0] - at[b][0],
					       dy = (double)y / (double)dim[1] - at[b][1],
					       dz = (double)z / (double)dim[2] - at[b][2];
					sum += (0.2 + at[b][3]) /
					       (1 + 10 * (b + 2) * (dx * dx + dy * dy + dz * dz));
				}
				*p++ = (float)(100 * sum);
			}
	return v;
}

static struct sm_near_hash hash(const struct sm_vol *v)
{
	struct sm_near_hash h;
	assert_good(sm_near_hash(v, 0, v->dim[3], NULL, &h, &err), err);
	return h;
}

static const int64_t usual[3] = {36, 44, 33};

static size_t at(const struct sm_vol *v, int64_t x, int64_t y, int64_t z)
{
	return (size_t)((z * v->dim[1] + y) * v->dim[0] + x);
}

/* out(x,y,z) = in(moved place), edges repeated. mirror: bits 1, 2, 4. */
static struct sm_vol moved(const struct sm_vol *in, const int64_t by[3], unsigned mirror)
{
	struct sm_vol out;
	assert_good(sm_vol_copy(&out, in, NULL, &err), err);
	for (int64_t z = 0; z < in->dim[2]; z++)
		for (int64_t y = 0; y < in->dim[1]; y++)
			for (int64_t x = 0; x < in->dim[0]; x++) {
				int64_t p[3] = {x, y, z};
				for (int a = 0; a < 3; a++) {
					p[a] = mirror >> a & 1 ? in->dim[a] - 1 - p[a] : p[a];
					p[a] += by[a];
					p[a] = p[a] < 0             ? 0
					       : p[a] >= in->dim[a] ? in->dim[a] - 1
								    : p[a];
				}
				((float *)out.data)[at(in, x, y, z)] =
					((const float *)in->data)[at(in, p[0], p[1], p[2])];
			}
	return out;
}

static void test_copies_are_near(void **state)
{
	(void)state;
	struct sm_vol v = blobs(usual, 1), w;
	struct sm_near_hash h = hash(&v), k;
	struct sm_rng rng;
	float *p;
	double lo, hi;
	size_t bad, n = sm_vol_count(&v);
	sm_vol_range(&v, &lo, &hi, &bad);
	assert_true(sm_near_distance(&h, &h, NULL) == 0);
	/* another scale and offset */
	assert_good(sm_vol_copy(&w, &v, NULL, &err), err);
	p = w.data;
	for (size_t i = 0; i < n; i++)
		p[i] = 3.5f * p[i] + 40;
	k = hash(&w);
	assert_true(sm_near_distance(&h, &k, NULL) < 0.02);
	/* 8 bits */
	for (size_t i = 0; i < n; i++)
		p[i] = (float)(int)(255 * (((const float *)v.data)[i] - lo) / (hi - lo) + 0.5);
	k = hash(&w);
	assert_true(sm_near_distance(&h, &k, NULL) < NEAR / 2);
	/* noise of 2 % of the range */
	sm_rng_init(&rng, 1, "test.noise", "", 0, 0);
	for (size_t i = 0; i < n; i++)
		p[i] = (float)(((const float *)v.data)[i] + 0.02 * (hi - lo) * sm_rng_normal(&rng));
	k = hash(&w);
	assert_true(sm_near_distance(&h, &k, NULL) < NEAR);
	sm_vol_clear(&w);
	/* a voxel further along each axis */
	for (int a = 0; a < 3; a++) {
		const int64_t by[3] = {a == 0, a == 1, -(a == 2)};
		w = moved(&v, by, 0);
		k = hash(&w);
		assert_true(sm_near_distance(&h, &k, NULL) < NEAR);
		sm_vol_clear(&w);
	}
	sm_vol_clear(&v);
}

static void test_mirrored_copies_are_near_and_told(void **state)
{
	(void)state;
	struct sm_vol v = blobs(usual, 2);
	struct sm_near_hash h = hash(&v);
	for (unsigned mirror = 0; mirror < 8; mirror++) {
		unsigned flip = 99;
		struct sm_vol w = moved(&v, (const int64_t[]){0, 0, 0}, mirror);
		struct sm_near_hash k = hash(&w);
		assert_true(sm_near_distance(&h, &k, &flip) < 0.01);
		assert_int_equal(flip, mirror);
		sm_vol_clear(&w);
	}
	sm_vol_clear(&v);
}

static void test_others_are_far(void **state)
{
	(void)state;
	struct sm_near_hash h[12];
	for (uint64_t i = 0; i < 12; i++) {
		struct sm_vol v = blobs(usual, 10 + i);
		h[i] = hash(&v);
		sm_vol_clear(&v);
	}
	for (int i = 0; i < 12; i++)
		for (int k = 0; k < i; k++)
			assert_true(sm_near_distance(&h[i], &h[k], NULL) > 0.25);
}

static void test_flat_constant_and_small_volumes(void **state)
{
	(void)state;
	struct sm_vol v = blobs((const int64_t[]){40, 30, 1}, 3),
		      small = blobs((const int64_t[]){7, 7, 7}, 3);
	struct sm_near_hash flat = hash(&v), none = hash(&small), cube;
	unsigned flip = 5;
	assert_true(flat.has[0] && !flat.has[1] && !flat.has[2]);
	assert_true(sm_near_planes(&flat, &flat) == 1 && sm_near_distance(&flat, &flat, NULL) == 0);
	assert_true(sm_near_distance(&none, &none, &flip) == 1);
	assert_int_equal(flip, 0);
	for (size_t i = 0; i < sm_vol_count(&v); i++)
		((float *)v.data)[i] = 0.1f;
	cube = hash(&v);
	assert_false(cube.has[0]); /* all constant pictures would look alike */
	sm_vol_clear(&v);
	sm_vol_clear(&small);
}

static void test_text_and_back(void **state)
{
	(void)state;
	struct sm_vol v = blobs(usual, 4), flat = blobs((const int64_t[]){40, 30, 1}, 3);
	struct sm_near_hash h = hash(&v), k;
	char text[SM_NEAR_TEXT], again[SM_NEAR_TEXT];
	sm_near_to_text(&h, text);
	assert_int_equal(strlen(text), 192);
	assert_true(sm_near_of_text(text, &k));
	sm_near_to_text(&k, again);
	assert_string_equal(text, again);
	h = hash(&flat);
	sm_near_to_text(&h, text);
	assert_int_equal(strlen(text), 66);
	assert_true(sm_near_of_text(text, &k) && k.has[0] && !k.has[2]);
	text[3] = 'x';
	assert_false(sm_near_of_text(text, &k));
	assert_false(sm_near_of_text("", &k));
	assert_false(sm_near_of_text("----", &k));
	sm_vol_clear(&v);
	sm_vol_clear(&flat);
}

static void test_frames_are_averaged_and_chosen(void **state)
{
	(void)state;
	struct sm_vol a = blobs(usual, 5), b = blobs(usual, 6), both;
	const int64_t dim[4] = {usual[0], usual[1], usual[2], 2};
	struct sm_near_hash ha = hash(&a), hb = hash(&b), h;
	size_t bytes = sm_vol_count(&a) * 4;
	assert_good(sm_vol_init(&both, dim, SM_F32, NULL, "test", &err), err);
	memcpy(both.data, a.data, bytes);
	memcpy((char *)both.data + bytes, b.data, bytes);
	assert_good(sm_near_hash(&both, 1, 1, NULL, &h, &err), err);
	assert_true(sm_near_distance(&h, &hb, NULL) == 0 && sm_near_distance(&h, &ha, NULL) > NEAR);
	memcpy((char *)both.data + bytes, a.data, bytes);
	assert_good(sm_near_hash(&both, 0, 2, NULL, &h, &err), err);
	assert_true(sm_near_distance(&h, &ha, NULL) < 0.01);
	sm_vol_clear(&a);
	sm_vol_clear(&b);
	sm_vol_clear(&both);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies_are_near),
		cmocka_unit_test(test_mirrored_copies_are_near_and_told),
		cmocka_unit_test(test_others_are_far),
		cmocka_unit_test(test_flat_constant_and_small_volumes),
		cmocka_unit_test(test_text_and_back),
		cmocka_unit_test(test_frames_are_averaged_and_chosen),
	};
	return run_tap(tests);
}
