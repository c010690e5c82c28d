/* SPDX-License-Identifier: Apache-2.0 */
/* Majority and STAPLE: by hand, against an estimate voxel by voxel, against SimpleITK. */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/nii.h"
#include "core/rng.h"
#include "eval/fuse.h"

enum { MOST = 1000 };
static struct sm_err err;
static struct sm_mem mem;

static void test_majority(void **state)
{
	(void)state;
	const uint8_t a[] = {0, 1, 2, 4, 1, 2, 0, 7}, b[] = {0, 1, 2, 4, 2, 1, 4, 8},
		      c[] = {0, 1, 0, 1, 2, 0, 0, 9};
	const uint8_t *rater[] = {a, b, c};
	const uint8_t want[] = {0, 1, 2, 4, 2, 0, 0, 0}, first[] = {0, 1, 2, 4, 2, 2, 0, 7};
	uint8_t out[8];
	uint64_t tied;
	assert_good(sm_fuse_majority(rater, 3, 8, SM_TIES_BACKGROUND, &mem, out, &tied, &err), err);
	assert_memory_equal(out, want, 8);
	assert_int_equal(tied, 2);
	assert_good(sm_fuse_majority(rater, 3, 8, SM_TIES_FIRST, &mem, out, &tied, &err), err);
	assert_memory_equal(out, first, 8);
	assert_int_equal(tied, 2);
	assert_good(sm_fuse_majority(rater, 1, 8, SM_TIES_FIRST, &mem, out, &tied, &err), err);
	assert_memory_equal(out, a, 8);
	assert_int_equal(tied, 0);
	/* Of two labels with two votes each, the first rater who gives either. */
	const uint8_t five[5][1] = {{3}, {5}, {2}, {2}, {5}};
	const uint8_t *each[] = {five[0], five[1], five[2], five[3], five[4]};
	assert_good(sm_fuse_majority(each, 5, 1, SM_TIES_FIRST, &mem, out, &tied, &err), err);
	assert_int_equal(out[0], 5);
	assert_good(sm_fuse_majority(each, 5, 1, SM_TIES_BACKGROUND, &mem, out, &tied, &err), err);
	assert_int_equal(out[0], 0);
}

static void test_patterns_of_any_length(void **state)
{
	(void)state;
	struct sm_rng rng;
	sm_rng_init(&rng, 1, "test.patterns", "", 0, 0);
	for (int round = 0; round < 200; round++) {
		uint8_t label[4][300], out[300], same[300];
		const uint8_t *rater[] = {label[0], label[1], label[2], label[3]};
		size_t n = 1 + (size_t)sm_rng_below(&rng, 300), raters = 1 + (size_t)(round % 4);
		uint32_t values = 1 + (uint32_t)round % 7, stay = sm_rng_below(&rng, 30);
		struct sm_patterns p;
		uint64_t sum = 0;
		for (size_t i = 0; i < n; i++)
			for (size_t r = 0; r < raters; r++)
				label[r][i] = i && sm_rng_below(&rng, 30) < stay
						      ? label[r][i - 1]
						      : (uint8_t)sm_rng_below(&rng, values);
		assert_good(sm_patterns_count(&p, rater, raters, n, &mem, &err), err);
		uint8_t number[256];
		assert_true(p.n <= n && p.n > 0);
		for (size_t k = 0; k < p.n; k++) {
			sum += p.at[k].voxels;
			number[k] = p.at[k].label[0];
			if (k)
				assert_true(memcmp(p.at[k - 1].label, p.at[k].label, SM_RATERS) <
					    0);
		}
		assert_int_equal(sum, n);
		if (p.n <= 256) {
			sm_patterns_fill(&p, rater, n, number, out);
			assert_memory_equal(out, label[0], n);
		}
		uint64_t tied;
		assert_good(
			sm_fuse_majority(rater, raters, n, SM_TIES_FIRST, &mem, out, &tied, &err),
			err);
		for (size_t i = 0; i < n; i++) { /* a vote by itself, without patterns */
			size_t best = 0, votes[4] = {0};
			for (size_t r = 0; r < raters; r++)
				for (size_t s = 0; s < raters; s++)
					votes[r] += label[r][i] == label[s][i];
			for (size_t r = 1; r < raters; r++)
				best = votes[r] > votes[best] ? r : best;
			same[i] = label[best][i];
		}
		assert_memory_equal(out, same, n);
		sm_patterns_clear(&p);
	}
	assert_int_equal(mem.used, 0);
}

/* Raters of known quality in the exact shares that the model expects: the estimate is they. */
static void test_staple_finds_the_model(void **state)
{
	(void)state;
	const double sensitivity[3] = {.9, .8, .7}, specificity[3] = {.8, .9, .6}, prior = .25;
	enum { N = 4000 };
	uint8_t label[3][N];
	const uint8_t *rater[] = {label[0], label[1], label[2]};
	float probability[N];
	double got[2][3];
	struct sm_staple s = {.sensitivity = got[0], .specificity = got[1]};
	size_t n = 0;
	for (int k = 0; k < 8; k++) {
		double in = prior * N, outside = (1 - prior) * N;
		for (int r = 0; r < 3; r++) {
			in *= k >> r & 1 ? sensitivity[r] : 1 - sensitivity[r];
			outside *= k >> r & 1 ? 1 - specificity[r] : specificity[r];
		}
		for (long i = lround(in + outside); i > 0; i--, n++)
			for (int r = 0; r < 3; r++)
				label[r][n] = (uint8_t)(k >> r & 1);
	}
	assert_int_equal(n, N);
	assert_good(sm_fuse_staple(rater, 3, N, prior, 100000, &mem, probability, &s, &err), err);
	assert_true(s.converged);
	for (int r = 0; r < 3; r++) {
		assert_true(fabs(got[0][r] - sensitivity[r]) < 1e-5);
		assert_true(fabs(got[1][r] - specificity[r]) < 1e-5);
	}
	/* The last pattern: all three say yes. */
	double in = .25 * .9 * .8 * .7, outside = .75 * .2 * .1 * .4;
	assert_true(fabs((double)probability[N - 1] - in / (in + outside)) < 1e-5);
}

static void test_staple_where_all_agree(void **state)
{
	(void)state;
	uint8_t label[3][64] = {{0}};
	const uint8_t *rater[] = {label[0], label[1], label[2]};
	float p[64];
	double got[2][3];
	struct sm_staple s = {.sensitivity = got[0], .specificity = got[1]};
	assert_good(sm_fuse_staple(rater, 3, 64, NAN, MOST, &mem, p, &s, &err), err);
	assert_true(s.converged && s.iterations == 0 && s.prior == 0);
	for (int r = 0; r < 3; r++)
		assert_true(isnan(got[0][r]) && got[1][r] == 1);
	assert_true(p[7] == 0);
	memset(label, 1, sizeof label);
	assert_good(sm_fuse_staple(rater, 3, 64, NAN, MOST, &mem, p, &s, &err), err);
	for (int r = 0; r < 3; r++)
		assert_true(got[0][r] == 1 && isnan(got[1][r]));
	assert_true(p[7] == 1 && s.prior == 1);
	for (int r = 0; r < 3; r++)
		memset(label[r] + 16, 0, 48);
	assert_good(sm_fuse_staple(rater, 3, 64, NAN, MOST, &mem, p, &s, &err), err);
	assert_true(s.converged && s.prior == .25);
	for (int r = 0; r < 3; r++)
		assert_true(fabs(got[0][r] - 1) < 1e-9 && fabs(got[1][r] - 1) < 1e-9);
	for (int i = 0; i < 64; i++)
		assert_true(fabs((double)p[i] - (i < 16)) < 1e-9);
	assert_refused(sm_fuse_staple(rater, 3, 64, 1.5, MOST, &mem, p, &s, &err), SM_USAGE, err,
		       "prior: found 1.5");
	assert_refused(sm_fuse_staple(rater, 0, 64, NAN, MOST, &mem, p, &s, &err), SM_USAGE, err,
		       "raters: found 0, allowed are 1 to 32");
	assert_int_equal(mem.used, 0);
}

/* The paper's formulas voxel by voxel, as many rounds. */
static void plain_staple(const uint8_t *const *rater, size_t raters, size_t n, double prior,
			 int rounds, double *sensitivity, double *specificity, double *w)
{
	for (size_t r = 0; r < raters; r++)
		sensitivity[r] = specificity[r] = 0.99999;
	for (int round = 0; round < rounds; round++) {
		double in = 0, outside = 0;
		for (size_t i = 0; i < n; i++) {
			double a = prior, b = 1 - prior;
			for (size_t r = 0; r < raters; r++) {
				a *= rater[r][i] ? sensitivity[r] : 1 - sensitivity[r];
				b *= rater[r][i] ? 1 - specificity[r] : specificity[r];
			}
			w[i] = a / (a + b);
			in += w[i];
			outside += 1 - w[i];
		}
		for (size_t r = 0; r < raters; r++) {
			double hit = 0, spared = 0;
			for (size_t i = 0; i < n; i++)
				*(rater[r][i] ? &hit : &spared) += rater[r][i] ? w[i] : 1 - w[i];
			sensitivity[r] = hit / in;
			specificity[r] = spared / outside;
		}
	}
}

/* As scripts/golden_staple.py; malloc memory. */
static uint8_t *made_raters(size_t raters, const long d[3], uint32_t lcg)
{
	size_t n = (size_t)(d[0] * d[1] * d[2]);
	uint8_t *label = malloc(raters * n);
	assert_non_null(label);
	for (size_t r = 0, i = 0; r < raters; r++)
		for (long z = 0; z < d[2]; z++)
			for (long y = 0; y < d[1]; y++)
				for (long x = 0; x < d[0]; x++, i++) {
					bool in = x >= 3 && x < d[0] - 2 && y >= 2 &&
						  y < d[1] - 3 && z >= 1 && z < d[2] - 1;
					lcg = lcg * 1664525u + 1013904223u;
					label[i] = in ^ ((lcg >> 16) % 1000 < 40 + 30 * r);
				}
	return label;
}

static void test_staple_by_patterns_is_staple_by_voxels(void **state)
{
	(void)state;
	const long d[3] = {13, 12, 11};
	enum { N = 13 * 12 * 11, R = 5 };
	uint8_t *label = made_raters(R, d, 77);
	const uint8_t *rater[R];
	double got[2][R], want[2][R], w[N];
	float p[N];
	struct sm_staple s = {.sensitivity = got[0], .specificity = got[1]};
	for (size_t r = 0; r < R; r++)
		rater[r] = label + r * N;
	assert_good(sm_fuse_staple(rater, R, N, NAN, MOST, &mem, p, &s, &err), err);
	plain_staple(rater, R, N, s.prior, s.iterations, want[0], want[1], w);
	for (size_t r = 0; r < R; r++)
		assert_true(fabs(got[0][r] - want[0][r]) < 1e-11 &&
			    fabs(got[1][r] - want[1][r]) < 1e-11);
	for (size_t i = 0; i < N; i++)
		assert_true(fabs((double)p[i] - w[i]) < 1e-6);
	free(label);
}

/* Several classes: two of them are the binary estimate, and a known model is found again. */
static void test_staple_of_labels(void **state)
{
	(void)state;
	const long d[3] = {13, 12, 11};
	enum { N = 13 * 12 * 11, R = 5 };
	uint8_t *label = made_raters(R, d, 5), of[256], out[N];
	const uint8_t *rater[R];
	double got[2][R];
	float w[N];
	struct sm_staple s = {.sensitivity = got[0], .specificity = got[1]};
	struct sm_staple_labels m;
	struct sm_patterns p;
	for (size_t r = 0; r < R; r++)
		rater[r] = label + r * N;
	assert_good(sm_fuse_staple(rater, R, N, NAN, MOST, &mem, w, &s, &err), err);
	assert_good(sm_patterns_count(&p, rater, R, N, &mem, &err), err);
	assert_true(p.n <= 32);
	assert_good(sm_staple_labels(&p, MOST, SM_TIES_BACKGROUND, &mem, of, &m, &err), err);
	sm_patterns_fill(&p, rater, N, of, out);
	assert_int_equal(m.classes, 2);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(out[i], w[i] >= 0.5f);
	for (size_t r = 0; r < R; r++) {
		assert_true(fabs(m.matrix[(r * 2 + 1) * 2 + 1] - got[0][r]) < 1e-6);
		assert_true(fabs(m.matrix[(r * 2 + 0) * 2 + 0] - got[1][r]) < 1e-6);
		assert_true(fabs(m.matrix[(r * 2 + 0) * 2 + 1] + m.matrix[(r * 2 + 1) * 2 + 1] -
				 1) < 1e-12);
	}
	sm_staple_labels_clear(&m);
	sm_patterns_clear(&p);
	free(label);
	assert_int_equal(mem.used, 0);
}

/* Three raters of three labels, in the shares that their matrices give. */
static void test_labels_find_the_model(void **state)
{
	(void)state;
	static const double said[3][3][3] = {/* [rater][truth][said] */
					     {{.8, .1, .1}, {.1, .9, 0}, {.1, .1, .8}},
					     {{.9, 0, .1}, {.2, .7, .1}, {0, .1, .9}},
					     {{.9, .1, 0}, {.1, .8, .1}, {.2, 0, .8}}};
	static const double share[3] = {.5, .25, .25};
	static const uint8_t value[3] = {0, 2, 4};
	enum { N = 4000 };
	static uint8_t label[3][N];
	const uint8_t *rater[] = {label[0], label[1], label[2]};
	uint8_t of[64];
	struct sm_patterns p;
	struct sm_staple_labels m;
	size_t n = 0;
	for (int k = 0; k < 27; k++) {
		const int says[3] = {k % 3, k / 3 % 3, k / 9};
		double sum = 0;
		for (int t = 0; t < 3; t++)
			sum += N * share[t] * said[0][t][says[0]] * said[1][t][says[1]] *
			       said[2][t][says[2]];
		for (long i = lround(sum); i > 0; i--, n++)
			for (int r = 0; r < 3; r++)
				label[r][n] = value[says[r]];
	}
	assert_int_equal(n, N);
	assert_good(sm_patterns_count(&p, rater, 3, n, &mem, &err), err);
	assert_good(sm_staple_labels(&p, 100000, SM_TIES_FIRST, &mem, of, &m, &err), err);
	assert_true(m.converged && m.classes == 3 && m.value[1] == 2 && m.value[2] == 4);
	/* The priors are the mean shares of the raters, not of the truth, so near is all. */
	for (int r = 0; r < 3; r++)
		for (int t = 0; t < 3; t++)
			for (int j = 0; j < 3; j++)
				assert_true(fabs(m.matrix[(r * 3 + j) * 3 + t] - said[r][t][j]) <
					    0.05);
	for (size_t k = 0; k < p.n; k++) /* what all say is so */
		if (p.at[k].label[0] == p.at[k].label[1] && p.at[k].label[1] == p.at[k].label[2])
			assert_int_equal(of[k], p.at[k].label[0]);
	sm_staple_labels_clear(&m);
	sm_patterns_clear(&p);
}

static void near(double got, double want, const char *what)
{
	if (!(fabs(got - want) <= 1e-6 * fmax(1, fabs(want))))
		fail_msg("%s: got %.12g, SimpleITK has %.12g", what, got, want);
}

/* Against one line: iterations, voxels, sum, then sensitivity and specificity of each rater. */
static void check_staple(const uint8_t *const *rater, size_t raters, size_t n, const double *want,
			 const char *what)
{
	double got[2][SM_RATERS], sum = 0;
	size_t voxels = 0;
	float *p = malloc(n * sizeof *p);
	struct sm_staple s = {.sensitivity = got[0], .specificity = got[1]};
	assert_non_null(p);
	assert_good(sm_fuse_staple(rater, raters, n, NAN, MOST, &mem, p, &s, &err), err);
	for (size_t i = 0; i < n; i++) {
		voxels += p[i] >= 0.5f;
		sum += (double)p[i];
	}
	assert_true(s.converged);
	near((double)voxels, want[1], what);
	near(sum, want[2], what);
	for (size_t r = 0; r < raters; r++) {
		near(got[0][r], want[3 + 2 * r], what);
		near(got[1][r], want[4 + 2 * r], what);
	}
	free(p);
}

static size_t numbers(const char *at, double *out, size_t most)
{
	size_t n = 0;
	for (char *end; n < most; n++, at = end) {
		out[n] = strtod(at, &end);
		if (end == at)
			break;
	}
	return n;
}

static const char *const masks[] = {"hnfnetv1-20", "isen-20", "sanet0-20", "scan-20",
				    "yixinmpl-20"};
enum { MASKS = 5 };

/* False where the scans are not there. */
static bool read_mask(const char *name, struct sm_vol *vol)
{
	const char *root = getenv("SM_SHARED_DATA");
	char path[1024];
	snprintf(path, sizeof path, "%s/brats_tcga_fg_6692/segmentations/%s.nii.gz",
		 root ? root : "../shared/data", name);
	if (!sm_file_exists(path))
		return false;
	assert_good(sm_nii_read(path, &mem, vol, NULL, &err), err);
	assert_good(sm_vol_to_labels(vol, &mem, name, &err), err);
	return true;
}

static bool read_masks(struct sm_vol vol[MASKS])
{
	for (int i = 0; i < MASKS; i++)
		if (!read_mask(masks[i], &vol[i]))
			return false;
	return true;
}

/* The fusion that came with the masks was made by this rule. */
static void check_shipped_fusion(const struct sm_vol vol[MASKS])
{
	const uint8_t *rater[MASKS];
	struct sm_vol shipped;
	size_t n = sm_vol_count(&vol[0]);
	uint64_t tied;
	uint8_t *out = malloc(n);
	for (int i = 0; i < MASKS; i++)
		rater[i] = vol[i].data;
	assert_true(out && read_mask("fusion_mav", &shipped));
	assert_good(sm_fuse_majority(rater, MASKS, n, SM_TIES_BACKGROUND, &mem, out, &tied, &err),
		    err);
	assert_true(memcmp(out, shipped.data, n) == 0);
	sm_vol_clear(&shipped);
	free(out);
}

static void check_real_row(const struct sm_vol vol[MASKS], const char *row, const double *want)
{
	static const struct {
		const char *row;
		unsigned members;
	} rows[] = {{"wt", 1 << 1 | 1 << 2 | 1 << 4},
		    {"tc", 1 << 1 | 1 << 4},
		    {"et", 1 << 4},
		    {"label_1", 1 << 1},
		    {"label_2", 1 << 2}};
	const uint8_t *rater[MASKS];
	uint8_t member[256] = {0};
	struct sm_patterns p;
	double got[2][MASKS], w[4096];
	struct sm_staple s = {.sensitivity = got[0], .specificity = got[1]};
	size_t k = 0;
	while (strcmp(rows[k].row, row) != 0)
		assert_true(++k < 5);
	for (int i = 0; i < MASKS; i++)
		rater[i] = vol[i].data;
	for (int v = 0; v < 5; v++)
		member[v] = (uint8_t)(rows[k].members >> v & 1);
	assert_good(sm_patterns_count(&p, rater, MASKS, sm_vol_count(&vol[0]), &mem, &err), err);
	assert_true(p.n < 4096);
	assert_good(sm_staple_of(&p, member, NAN, MOST, w, &s, &err), err);
	double sum = 0, voxels = 0;
	for (size_t i = 0; i < p.n; i++) {
		sum += w[i] * (double)p.at[i].voxels;
		voxels += w[i] >= 0.5 ? (double)p.at[i].voxels : 0;
	}
	assert_int_equal(voxels, want[1]);
	near(sum, want[2], row);
	for (int r = 0; r < MASKS; r++) {
		near(got[0][r], want[3 + 2 * r], row);
		near(got[1][r], want[4 + 2 * r], row);
	}
	sm_patterns_clear(&p);
}

/* Numbers of voxels by label, of LabelVoting and of MultiLabelSTAPLE. */
static void check_real_labels(const struct sm_vol vol[MASKS], const double *want)
{
	const uint8_t *rater[MASKS];
	uint8_t of[4096];
	struct sm_patterns p;
	struct sm_staple_labels m;
	uint64_t tied;
	for (int i = 0; i < MASKS; i++)
		rater[i] = vol[i].data;
	assert_good(sm_patterns_count(&p, rater, MASKS, sm_vol_count(&vol[0]), &mem, &err), err);
	assert_true(p.n < sizeof of);
	for (int way = 0; way < 2; way++, want += 5) {
		double n[256] = {0};
		if (way)
			assert_good(
				sm_staple_labels(&p, MOST, SM_TIES_BACKGROUND, &mem, of, &m, &err),
				err);
		else
			sm_majority_of(&p, SM_TIES_BACKGROUND, of, &tied);
		for (size_t k = 0; k < p.n; k++)
			n[of[k]] += (double)p.at[k].voxels;
		tied = way ? m.tied : tied;
		near(n[0] - (double)tied, want[0], way ? "MultiLabelSTAPLE 0" : "LabelVoting 0");
		near(n[1], want[1], way ? "MultiLabelSTAPLE 1" : "LabelVoting 1");
		near(n[2], want[2], way ? "MultiLabelSTAPLE 2" : "LabelVoting 2");
		near(n[4], want[3], way ? "MultiLabelSTAPLE 4" : "LabelVoting 4");
		near((double)tied, want[4], "ties");
	}
	sm_staple_labels_clear(&m);
	sm_patterns_clear(&p);
}

static void test_numbers_of_simpleitk(void **state)
{
	(void)state;
	char line[1024], row[16];
	struct sm_vol vol[MASKS];
	memset(vol, 0, sizeof vol);
	bool there = read_masks(vol);
	int made = 0, real = 0;
	FILE *file = fopen("tests/golden/staple.txt", "r");
	assert_non_null(file);
	while (fgets(line, sizeof line, file)) {
		double v[64];
		int used = 0;
		if (strncmp(line, "made ", 5) == 0) {
			size_t got = numbers(line + 5, v, 64), raters = (size_t)v[0];
			const long d[3] = {(long)v[1], (long)v[2], (long)v[3]};
			size_t n = (size_t)(d[0] * d[1] * d[2]);
			const uint8_t *rater[SM_RATERS];
			uint8_t *label = made_raters(raters, d, (uint32_t)v[4]);
			assert_int_equal(got, 8 + 2 * raters);
			for (size_t r = 0; r < raters; r++)
				rater[r] = label + r * n;
			check_staple(rater, raters, n, v + 5, line);
			free(label);
			made++;
		} else if (sscanf(line, "real %15s%n", row, &used) == 1 && there) {
			assert_int_equal(numbers(line + used, v, 64), 3 + 2 * MASKS);
			check_real_row(vol, row, v);
			real++;
		} else if (strncmp(line, "labels all ", 11) == 0 && there) {
			assert_int_equal(numbers(line + 11, v, 64), 10);
			check_real_labels(vol, v);
			real++;
		}
	}
	fclose(file);
	assert_int_equal(made, 4);
	assert_int_equal(real, there ? 6 : 0);
	if (there)
		check_shipped_fusion(vol);
	for (int i = 0; i < MASKS; i++)
		sm_vol_clear(&vol[i]);
	assert_int_equal(mem.used, 0);
	if (!there)
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_majority),
		cmocka_unit_test(test_patterns_of_any_length),
		cmocka_unit_test(test_staple_finds_the_model),
		cmocka_unit_test(test_staple_where_all_agree),
		cmocka_unit_test(test_staple_by_patterns_is_staple_by_voxels),
		cmocka_unit_test(test_staple_of_labels),
		cmocka_unit_test(test_labels_find_the_model),
		cmocka_unit_test(test_numbers_of_simpleitk),
	};
	sm_mem_init(&mem, 0);
	return run_tap(tests);
}
