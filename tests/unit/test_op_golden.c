/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations on intensities and labels of real scans against numpy, scipy, scikit-image and
 * intensity-normalization: tests/golden/intensity.txt, made by scripts/golden_intensity.py.
 */
#include "tests/unit/ops_yaml.h"

#include "core/file.h"
#include "core/nii.h"
#include "core/standardise.h"
#include "preprocess/learn.h"

static struct sm_mem mem;

/* A line of the file, cut in place. */
struct golden {
	char *volumes, *steps, *what, *source, *numbers;
	double tolerance;
};

static char *part(char **rest)
{
	char *at = *rest, *end = strstr(at, " | ");
	if (end) {
		*end = 0;
		*rest = end + 3;
	}
	return at;
}

static void parse(char *line, struct golden *g)
{
	char *rest = line;
	line[strcspn(line, "\n")] = 0;
	g->volumes = part(&rest);
	g->steps = part(&rest);
	g->what = part(&rest);
	g->tolerance = strtod(part(&rest), NULL);
	g->source = part(&rest);
	g->numbers = rest;
}

/* role=path,role=path; mask and label go to their places. */
static void load(struct sm_case *c, char *volumes)
{
	const char *root = getenv("SM_SHARED_DATA");
	char *save = NULL;
	for (char *one = strtok_r(volumes, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
		char path[1024], *eq = strchr(one, '=');
		struct sm_vol vol;
		struct sm_nii_info info;
		*eq = 0;
		snprintf(path, sizeof path, "%s/%s", root ? root : "../shared/data", eq + 1);
		assert_good(sm_nii_read(path, &mem, &vol, &info, &err), err);
		if (strcmp(one, "mask") && strcmp(one, "label")) {
			assert_good(sm_case_take(c, one, &vol, &err), err);
			continue;
		}
		assert_good(sm_vol_to_labels(&vol, &mem, path, &err), err);
		*(strcmp(one, "mask") ? &c->label : &c->mask) = vol;
	}
}

static double worst; /* of all lines, as a share of the range */

static void near(double got, double wanted, double allowed, const char *what)
{
	if (!(fabs(got - wanted) <= allowed))
		fail_msg("%s is %.12g, wanted %.12g within %g", what, got, wanted, allowed);
}

static void check_volume(struct sm_case *c, const char *role, const struct golden *g)
{
	struct sm_vol *v = sm_case_find(c, role);
	char *at = g->numbers;
	double lo, hi, sum = 0, range[2], wanted_sum, largest;
	size_t bad, n, step;
	assert_non_null(v);
	assert_good(sm_vol_to_f32(v, &mem, 1, &err), err);
	n = sm_vol_count(v);
	for (size_t i = 0; i < n; i++)
		sum += (double)((float *)v->data)[i];
	sm_vol_range(v, &lo, &hi, &bad);
	range[0] = strtod(at, &at);
	range[1] = strtod(at, &at);
	wanted_sum = strtod(at, &at);
	double width = range[1] - range[0], allowed = g->tolerance * width;
	assert_int_equal(bad, 0);
	near(lo, range[0], allowed, "smallest value");
	near(hi, range[1], allowed, "largest value");
	/* Rounding to float32 is up to half a unit of the largest value a voxel, in any direction.
	 */
	largest = fmax(fabs(range[0]), fabs(range[1]));
	near(sum, wanted_sum, 6e-8 * largest * (double)n, "sum");
	step = n / 149 > 1 ? n / 149 : 1;
	for (size_t i = 0; i < n; i += step) {
		double got = (double)((float *)v->data)[i], wanted = strtod(at, &at);
		near(got, wanted, allowed, "a voxel");
		worst = fmax(worst, fabs(got - wanted) / width);
	}
	while (*at == ' ')
		at++;
	assert_string_equal(at, "");
}

static void check_regions(const struct sm_case *c, const struct golden *g)
{
	char *at = g->numbers;
	size_t n = sm_vol_frame_count(&c->regions);
	for (int64_t r = 0; r < c->regions.dim[3]; r++) {
		double sum = 0;
		for (size_t i = 0; i < n; i++)
			sum += ((uint8_t *)c->regions.data)[(size_t)r * n + i];
		near(sum, strtod(at, &at), 0, c->region_names[r]);
	}
	assert_string_equal(at, "");
}

static void check_keep(const struct sm_case *c, const struct golden *g)
{
	size_t n = strlen(g->numbers);
	assert_int_equal(n, c->vols[0].vol.dim[2]);
	for (size_t z = 0; z < n; z++)
		if (c->vols[0].keep[z] != g->numbers[z] - '0')
			fail_msg("slice %zu is %d, wanted %c", z, c->vols[0].keep[z],
				 g->numbers[z]);
}

/* Each volume is a case of its own of the role mr. */
static void check_learning(const struct golden *g)
{
	struct sm_manifest m;
	struct sm_learning all = {0}, one;
	char *at = g->numbers, *save = NULL;
	assert_good(read_steps(g->steps, &m), err);
	for (char *v = strtok_r(g->volumes, ",", &save); v; v = strtok_r(NULL, ",", &save)) {
		char as_mr[1024];
		struct sm_case c = fresh();
		snprintf(as_mr, sizeof as_mr, "mr%s", strchr(v, '='));
		load(&c, as_mr);
		assert_good(sm_learn_case(&c, ((struct yaml_root *)m.root)->steps.v, &one, &err),
			    err);
		assert_good(sm_learning_add(&all, &one, &err), err);
		sm_learning_clear(&one);
		sm_case_clear(&c);
	}
	assert_int_equal(all.count, 1);
	assert_int_equal(all.roles[0].cases, 3);
	for (size_t k = 0; k < all.points; k++) {
		double wanted = strtod(at, &at);
		near(all.roles[0].sum[k] / 3, wanted, g->tolerance * fmax(1, fabs(wanted)),
		     "a learnt value");
	}
	assert_string_equal(at, "");
	sm_learning_clear(&all);
	sm_manifest_clear(&m);
}

/* What the tile stage does to a tile, done to a whole volume. */
static enum sm_status standardise(struct sm_case *c, const char *how)
{
	struct sm_vol *v = &c->vols[0].vol;
	SM_TRY(sm_vol_to_f32(v, &mem, 1, &err));
	sm_standardise(v->data, v->dim, 1,
		       strstr(how, "slice") ? SM_STANDARDISE_SLICE : SM_STANDARDISE_TILE);
	return SM_OK;
}

static void check_line(char *line)
{
	struct golden g;
	parse(line, &g);
	if (strcmp(g.what, "learn") == 0) {
		check_learning(&g);
		return;
	}
	struct sm_case c = fresh();
	load(&c, g.volumes);
	enum sm_status st = strncmp(g.steps, "tile.", 5) == 0 ? standardise(&c, g.steps)
							      : steps(&c, g.steps);
	if (st != SM_OK)
		fail_msg("%s: %s", g.steps, err.text);
	if (strncmp(g.what, "vol:", 4) == 0)
		check_volume(&c, g.what + 4, &g);
	else if (strcmp(g.what, "regions") == 0)
		check_regions(&c, &g);
	else
		check_keep(&c, &g);
	sm_case_clear(&c);
}

/* Lines whose steps begin with one of the given names. */
static void check_lines(const char *const *names, size_t wanted)
{
	FILE *f = fopen("tests/golden/intensity.txt", "r");
	const char *root = getenv("SM_SHARED_DATA");
	char *line = NULL;
	size_t room = 0, lines = 0;
	assert_non_null(f);
	char *dir = sm_strf("%s/brats_tcga_fg_6692", root ? root : "../shared/data");
	bool there = sm_is_dir(dir);
	free(dir);
	if (!there) {
		fclose(f);
		skip();
		return;
	}
	while (getline(&line, &room, f) > 0) {
		const char *step = strstr(line, " | ");
		for (size_t i = 0; *line != '#' && names[i]; i++)
			if (strncmp(step + 3, names[i], strlen(names[i])) == 0) {
				check_line(line);
				lines++;
				break;
			}
	}
	free(line);
	fclose(f);
	assert_int_equal(lines, wanted);
}

#define CHECK(wanted, ...) check_lines((const char *const[]){__VA_ARGS__, NULL}, wanted)

static void test_normalise_agrees_with_numpy_and_scipy(void **state)
{
	(void)state;
	CHECK(13, "normalise:", "tile.");
}

static void test_scale_and_windows_agree_with_numpy(void **state)
{
	(void)state;
	CHECK(14, "scale:", "window:");
}

static void test_match_histogram_agrees_with_scikit_image(void **state)
{
	(void)state;
	CHECK(4, "match_histogram:");
}

static void test_nyul_agrees_with_intensity_normalization(void **state)
{
	(void)state;
	CHECK(2, "nyul:");
}

static void test_frames_agree_with_numpy(void **state)
{
	(void)state;
	CHECK(4, "sum_frames:", "select_frames:");
}

static void test_regions_and_slices_agree_with_numpy_and_scipy(void **state)
{
	(void)state;
	CHECK(8, "one_hot:", "regions:", "select_slices:");
	print_message("# largest difference: %.3g of the range\n", worst);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_normalise_agrees_with_numpy_and_scipy),
		cmocka_unit_test(test_scale_and_windows_agree_with_numpy),
		cmocka_unit_test(test_match_histogram_agrees_with_scikit_image),
		cmocka_unit_test(test_nyul_agrees_with_intensity_normalization),
		cmocka_unit_test(test_frames_agree_with_numpy),
		cmocka_unit_test(test_regions_and_slices_agree_with_numpy_and_scipy),
	};
	sm_mem_init(&mem, 0);
	return run_tap(tests);
}
