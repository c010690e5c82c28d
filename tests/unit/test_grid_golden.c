/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations that move or interpolate voxels, on real scans, against what scipy, nibabel, Pillow,
 * scikit-image and SimpleITK make of them (scripts/golden_grid.py).
 */
#include "tests/unit/ops_case.h"

#include <stdio.h>

#include "core/file.h"
#include "core/nii.h"

static char path[1024];

static const char *at(const char *name)
{
	const char *root = getenv("SM_SHARED_DATA");
	snprintf(path, sizeof path, "%s/%s", root ? root : "../shared/data", name);
	return path;
}

static void take(struct sm_case *c, const char *role, const char *file)
{
	struct sm_vol v;
	assert_good(sm_nii_read(at(file), NULL, &v, NULL, &err), err);
	if (strcmp(role, "label") != 0) {
		assert_good(sm_case_take(c, role, &v, &err), err);
		return;
	}
	assert_good(sm_vol_to_labels(&v, NULL, file, &err), err);
	c->label = v;
}

/* "NAME KEY=VALUE ..." with _ for a blank within a value. */
static enum sm_status run_op(struct sm_case *c, char *line)
{
	struct sm_arena arena = {0};
	char *rest = NULL, *word = strtok_r(line, " ", &rest);
	const struct sm_op *row = sm_op_find(word);
	assert_non_null(row);
	void *params = sm_arena_alloc(&arena, row->params->size);
	assert_good(sm_fields_default(row->params, params, &arena, &err), err);
	while ((word = strtok_r(NULL, " ", &rest))) {
		char *value = strchr(word, '=');
		*value++ = 0;
		size_t i = 0;
		while (i < row->params->count && strcmp(row->params->fields[i].key, word) != 0)
			i++;
		assert_true(i < row->params->count);
		for (char *p = value; *p && row->params->fields[i].kind != SM_F_CHOICE; p++)
			*p = *p == '_' ? ' ' : *p;
		assert_good(sm_field_set(&row->params->fields[i], word, value, params, &arena,
					 &err),
			    err);
	}
	enum sm_status st = row->apply(c, params, &err);
	sm_arena_clear(&arena);
	return st;
}

static const struct sm_vol *of(const struct sm_case *c, const char *role)
{
	const struct sm_vol *v = strcmp(role, "label") ? sm_case_find(c, role) : &c->label;
	assert_non_null(v);
	return v;
}

/* "ROLE X Y Z T" and twelve numbers: sizes, affine, and that the way leads where the affine
 * says. */
static void check_grid(const struct sm_case *c, const char *line)
{
	char role[64];
	long long d[4];
	int used = 0;
	assert_int_equal(sscanf(line, "%63s %lld %lld %lld %lld%n", role, &d[0], &d[1], &d[2],
				&d[3], &used),
			 5);
	const struct sm_vol *v = of(c, role);
	for (int a = 0; a < 4; a++)
		assert_int_equal(v->dim[a], d[a]);
	for (int i = 0; i < 12; i++) {
		char *end;
		double wanted = strtod(line + used, &end);
		used = (int)(end - line);
		if (fabs(v->affine[i / 4][i % 4] - wanted) > 1e-5)
			fail_msg("affine %d of %s is %.9g, wanted %.9g", i, role,
				 v->affine[i / 4][i % 4], wanted);
	}
}

static void check_voxel(const struct sm_case *c, const char *name, const char *line, double *worst)
{
	char role[64];
	long long i[4];
	double wanted, tolerance;
	assert_int_equal(sscanf(line, "%63s %lld %lld %lld %lld %lf %lf", role, &i[0], &i[1], &i[2],
				&i[3], &wanted, &tolerance),
			 7);
	const struct sm_vol *v = of(c, role);
	double got = sm_vol_at(
		v, (size_t)(((i[3] * v->dim[2] + i[2]) * v->dim[1] + i[1]) * v->dim[0] + i[0]));
	double off = fabs(got - wanted);
	*worst = tolerance > 0 && off / tolerance > *worst ? off / tolerance : *worst;
	if (!(off <= tolerance))
		fail_msg("%s: %s at %lld %lld %lld %lld is %.9g, wanted %.9g within %g", name, role,
			 i[0], i[1], i[2], i[3], got, wanted, tolerance);
}

/* "ROLE MEAN MEAN-SQUARE TOLERANCE" over all voxels. */
static void check_all(const struct sm_case *c, const char *name, const char *line)
{
	char role[64];
	double mean, square, tolerance, sum = 0, squares = 0;
	assert_int_equal(sscanf(line, "%63s %lf %lf %lf", role, &mean, &square, &tolerance), 4);
	const struct sm_vol *v = of(c, role);
	size_t n = sm_vol_count(v);
	for (size_t i = 0; i < n; i++) {
		double x = sm_vol_at(v, i);
		sum += x;
		squares += x * x;
	}
	double largest = 0, off = fabs(sum / (double)n - mean), lo, hi;
	sm_vol_range(v, &lo, &hi, &n);
	largest = fabs(lo) > fabs(hi) ? fabs(lo) : fabs(hi);
	n = sm_vol_count(v);
	if (!(off <= tolerance) || !(fabs(squares / (double)n - square) <= 2 * largest * tolerance))
		fail_msg("%s: %s has mean %.12g and mean square %.12g, wanted %.12g and %.12g",
			 name, role, sum / (double)n, squares / (double)n, mean, square);
}

/* Source voxel -> mm by the source's affine, and by the way and today's affine. */
static void check_ways(const struct sm_case *c)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct sm_role_vol *r = &c->vols[i];
		double both[4][4];
		for (int p = 0; p < 3; p++)
			for (int q = 0; q < 4; q++) {
				both[p][q] = 0;
				for (int k = 0; k < 4; k++)
					both[p][q] += r->vol.affine[p][k] * r->way[k][q];
				if (fabs(both[p][q] - r->source_affine[p][q]) > 1e-5)
					fail_msg("the way of %s leads elsewhere", r->role);
			}
	}
}

static void test_real_scans_as_others_see_them(void **state)
{
	(void)state;
	unsigned char *text = NULL;
	size_t n, cases = 0;
	struct sm_case c = {0};
	char name[64] = "";
	double worst = 0;
	if (!sm_file_exists(at("README.md"))) {
		print_message("# no shared scans here\n");
		skip();
	}
	assert_good(sm_file_read("tests/golden/grid.txt", 1 << 20, NULL, &text, &n, &err), err);
	char *rest = NULL;
	for (char *line = strtok_r((char *)text, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		char role[64], file[200];
		if (sscanf(line, "case %63s", name) == 1) {
			if (cases++)
				check_ways(&c);
			sm_case_clear(&c);
			c = fresh();
		} else if (sscanf(line, "take %63s %199s", role, file) == 2) {
			take(&c, role, file);
		} else if (strncmp(line, "op ", 3) == 0) {
			if (run_op(&c, line + 3) != SM_OK)
				fail_msg("%s: %s", name, err.text);
		} else if (strncmp(line, "grid ", 5) == 0) {
			check_grid(&c, line + 5);
		} else if (strncmp(line, "all ", 4) == 0) {
			check_all(&c, name, line + 4);
		} else if (strncmp(line, "at ", 3) == 0) {
			check_voxel(&c, name, line + 3, &worst);
		} else {
			fail_msg("unknown line: %s", line);
		}
	}
	check_ways(&c);
	sm_case_clear(&c);
	sm_free(text);
	print_message("# %zu cases, largest share of a tolerance %.2f\n", cases, worst);
	assert_true(cases > 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real_scans_as_others_see_them),
	};
	return run_tap(tests);
}
