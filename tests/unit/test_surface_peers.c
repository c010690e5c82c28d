/* SPDX-License-Identifier: Apache-2.0
 *
 * Surface distances as other tools compute them, on real and on small random masks
 * (scripts/golden_surface.py).
 */
#include "tests/unit/surface_helpers.h"

#include <stdio.h>

#include "core/file.h"
#include "core/nii.h"

/* One pair of the golden file. */
struct golden {
	uint8_t *v[2];
	int64_t n[3];
	double mm[3];
	struct sm_surface s;
	size_t pairs, values;
};

static void unhex(const char *text, uint8_t *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char c = text[i / 4];
		const int digit = c <= '9' ? c - '0' : c - 'a' + 10;
		v[i] = digit >> (3 - i % 4) & 1;
	}
}

static void golden_mask(struct golden *g, const char *line)
{
	char hex[2][2000];
	long long n[3];
	assert_int_equal(sscanf(line, "mask %lld %lld %lld %lf %lf %lf %1999s %1999s", &n[0], &n[1],
				&n[2], &g->mm[0], &g->mm[1], &g->mm[2], hex[0], hex[1]),
			 8);
	for (int k = 0; k < 2; k++) {
		for (int a = 0; a < 3; a++)
			g->n[a] = n[a];
		g->v[k] = grid(g->n);
		unhex(hex[k], g->v[k], (size_t)(n[0] * n[1] * n[2]));
	}
}

static uint8_t *region_of(const char *dir, const char *file, const char *region, int64_t n[3])
{
	struct sm_vol vol = {0};
	struct sm_err err = {0};
	uint8_t member[256];
	size_t r = 0;
	char *path = sm_path_join(dir, file);
	assert_good(sm_nii_read(path, NULL, &vol, NULL, &err), err);
	free(path);
	while (strcmp(sm_brats_map.row[r].key, region) != 0)
		assert_true(++r < SM_BRATS_ROWS);
	memcpy(n, vol.dim, 3 * sizeof *n);
	uint8_t *v = grid(n);
	sm_region_members(&sm_brats_map, r, member);
	for (size_t i = 0; i < sm_vol_count(&vol); i++)
		v[i] = member[((const uint8_t *)vol.data)[i]];
	sm_vol_clear(&vol);
	return v;
}

static void golden_value(struct golden *g, const char *line)
{
	char tool[32], key[32], second[64], third[64];
	const int fields = sscanf(line, "%31s %31s %63s %63s", tool, key, second, third);
	assert_true(fields == 3 || fields == 4);
	const double tolerance = fields == 4 ? strtod(second, NULL) : tolerances[0];
	const double wanted = strtod(fields == 4 ? third : second, NULL);
	size_t t = 0;
	while (tolerances[t] != tolerance)
		assert_true(++t < 2);
	const double found = value_of(key, t, &g->s);
	/* MONAI finds the rank of a percentile in float32. */
	const bool coarse = strcmp(tool, "monai") == 0 && strcmp(key, "hd95") == 0;
	if (!(fabs(found - wanted) <= (coarse ? 1e-4 : 1e-6) * fabs(wanted)))
		fail_msg("pair %zu: %s %s %g: %.12g, here %.12g", g->pairs, tool, key, tolerance,
			 wanted, found);
	g->values++;
}

/* Real scans may be absent; the small masks are in the file. */
static void other_tools_say_the_same(void **state)
{
	(void)state;
	char line[4096], file[64], region[16];
	struct golden g = {0};
	bool known = false;
	const char *root = getenv("SM_SHARED_DATA");
	char *dir = sm_strf("%s/brats_tcga_fg_6692/segmentations", root ? root : "../shared/data");
	FILE *f = fopen("tests/golden/surface.txt", "r");
	assert_non_null(f);
	assert_non_null(dir);
	while (fgets(line, sizeof line, f)) {
		const bool real = strncmp(line, "real ", 5) == 0,
			   mask = strncmp(line, "mask ", 5) == 0;
		if (!real && !mask) {
			if (known)
				golden_value(&g, line);
			continue;
		}
		known = mask || sm_is_dir(dir);
		if (!known)
			continue;
		if (mask) {
			golden_mask(&g, line);
		} else {
			assert_int_equal(sscanf(line, "real %63s %15s %lf %lf %lf", file, region,
						&g.mm[0], &g.mm[1], &g.mm[2]),
					 5);
			g.v[0] = region_of(dir, "fusion_mav.nii.gz", region, g.n);
			g.v[1] = region_of(dir, file, region, g.n);
		}
		g.s = measured(g.v[0], g.v[1], g.n, g.mm, 2);
		free(g.v[0]);
		free(g.v[1]);
		g.pairs++;
	}
	assert_int_equal(g.pairs, sm_is_dir(dir) ? 37 : 19);
	assert_int_equal(g.values, 23 * g.pairs);
	free(dir);
	fclose(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_tools_say_the_same),
	};
	return run_tap(tests);
}
