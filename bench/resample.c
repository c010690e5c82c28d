/* SPDX-License-Identifier: Apache-2.0
 *
 * Resamples a NIfTI volume to a spacing with each method, and onto its own grid turned by 0.2
 * radian about z: bench_resample FILE MM THREADS RUNS. One line a method: the shortest wall-clock
 * time of the runs.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/nii.h"
#include "preprocess/resample.h"

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int measure(const struct sm_vol *vol, const struct sm_target *t, const char *what,
		   int threads, int runs)
{
	static const char *const names[] = {"nearest", "linear", "cubic", "catmull_rom", "sinc"};
	struct sm_vol v;
	struct sm_err err;
	for (int m = SM_NEAREST; m <= SM_SINC; m++) {
		const struct sm_resample how = {.method = m, .lobes = 4};
		double best = INFINITY;
		for (int k = 0; k < runs; k++) {
			if (sm_vol_copy(&v, vol, NULL, &err) != SM_OK)
				return 1;
			double start = now();
			if (sm_vol_resample(&v, t, &how, NULL, threads, &err))
				return 1;
			double took = now() - start;
			best = took < best ? took : best;
			sm_vol_clear(&v);
		}
		printf("scanmill  %-8s %-12s %7.3f s\n", what, names[m], best);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct sm_vol vol;
	struct sm_err err;
	struct sm_target t;
	double spacing[3], map[4][4] = {[3][3] = 1};
	int64_t dim[3];
	if (argc != 5)
		return 2;
	if (sm_nii_read(argv[1], NULL, &vol, NULL, &err) != SM_OK ||
	    sm_vol_to_f32(&vol, NULL, 1, &err) != SM_OK) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	sm_vol_spacing(&vol, spacing);
	for (int a = 0; a < 3; a++) {
		map[a][a] = strtod(argv[2], NULL) / spacing[a];
		dim[a] = (int64_t)floor((double)vol.dim[a] / map[a][a] + 0.5);
		map[a][3] = ((double)(vol.dim[a] - 1) - (double)(dim[a] - 1) * map[a][a]) / 2;
	}
	sm_target_map(&vol, dim, map, &t);
	int threads = (int)strtol(argv[3], NULL, 10), runs = (int)strtol(argv[4], NULL, 10);
	int failed = measure(&vol, &t, "spacing", threads, runs);
	double turn[4][4] = {{0.9800666, -0.1986693, 0, 20}, {0.1986693, 0.9800666, 0, -15},
			     {0, 0, 1, 0.3}, {0, 0, 0, 1}};
	sm_target_map(&vol, vol.dim, turn, &t);
	failed |= measure(&vol, &t, "oblique", threads, runs);
	sm_vol_clear(&vol);
	return failed;
}
