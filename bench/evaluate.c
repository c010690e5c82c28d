/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores one label volume against another, both ready in memory, for WT, TC and ET: joint counts
 * and boxes alone, with surface distances, with surface elements too. Prints "scanmill WHAT
 * wall-milliseconds processor-milliseconds Dice.. HD95.. ASSD.. NSD.." of the fastest run.
 * bench_evaluate TRUTH PREDICTION THREADS RUNS
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/nii.h"
#include "eval/box.h"
#include "eval/surface.h"

enum { REGIONS = 3 };

static double milliseconds(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static const struct {
	const char *name;
	unsigned families;
} whats[] = {
	{"overlap", 0},
	{"surface", 1u << SM_FROM_SURFACE},
	{"surfels", 1u << SM_FROM_SURFELS},
	{"both", 1u << SM_FROM_SURFACE | 1u << SM_FROM_SURFELS},
};

static void print_values(const struct sm_label_map *map, const struct sm_joint *joint,
			 const struct sm_surface *s, bool surfels)
{
	for (size_t r = 0; r < map->n; r++) {
		const struct sm_counts c = sm_joint_region(joint, map->row[r].members);
		const double *hd95 = surfels ? s[r].surfel_hd95 : s[r].hd95;
		printf(" %s %.6f %.6f %.6f %.6f", map->row[r].key,
		       2 * (double)c.tp / (double)(2 * c.tp + c.fp + c.fn),
		       hd95[0] > hd95[1] ? hd95[0] : hd95[1],
		       surfels ? (s[r].surfel_mean[0] + s[r].surfel_mean[1]) / 2 : s[r].pooled_mean,
		       surfels ? s[r].surfel_nsd[0] : s[r].nsd[0]);
	}
	printf("\n");
}

static enum sm_status run(char **argv, struct sm_vol vol[2], struct sm_err *err)
{
	static const double tolerance[] = {1};
	const int jobs = (int)strtol(argv[3], NULL, 10), runs = (int)strtol(argv[4], NULL, 10);
	struct sm_label_map map = sm_brats_map;
	struct sm_surface_settings settings = {
		.tolerance_mm = tolerance, .tolerances = 1, .jobs = jobs};
	struct sm_surface surface[REGIONS];
	static struct sm_joint joint;
	static struct sm_regions regions;
	map.n = REGIONS;
	for (int k = 0; k < 2; k++) {
		SM_TRY(sm_nii_read(argv[1 + k], NULL, &vol[k], NULL, err));
		SM_TRY(sm_vol_to_labels(&vol[k], NULL, argv[1 + k], err));
	}
	SM_TRY(sm_surface_spacing(&vol[0], argv[1], settings.spacing, err));
	for (size_t w = 0; w < sizeof whats / sizeof *whats; w++) {
		double wall = 1e9, cpu = 1e9;
		settings.families = whats[w].families;
		for (int i = 0; i < runs; i++) {
			const double from = milliseconds(CLOCK_MONOTONIC),
				     cpu_from = milliseconds(CLOCK_PROCESS_CPUTIME_ID);
			SM_TRY(sm_scan_pair(&map, vol[0].data, argv[1], vol[1].data, argv[2],
					    vol[0].dim, jobs, &joint, &regions, err));
			if (settings.families)
				SM_TRY(sm_surface_regions(&map, vol[0].data, vol[1].data,
							  vol[0].dim, &regions, &settings, surface,
							  err));
			const double took = milliseconds(CLOCK_MONOTONIC) - from,
				     used = milliseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_from;
			wall = took < wall ? took : wall;
			cpu = used < cpu ? used : cpu;
		}
		printf("scanmill %s %.3f %.3f", whats[w].name, wall, cpu);
		if (settings.families)
			print_values(&map, &joint, surface, w == 2);
		else
			printf("\n");
	}
	return SM_OK;
}

int main(int argc, char **argv)
{
	struct sm_vol vol[2] = {{.dtype = SM_U8}, {.dtype = SM_U8}};
	struct sm_err err = {0};
	if (argc != 5) {
		fprintf(stderr, "usage: bench_evaluate TRUTH PREDICTION THREADS RUNS\n");
		return 2;
	}
	enum sm_status st = run(argv, vol, &err);
	if (st != SM_OK)
		fprintf(stderr, "bench_evaluate: %s\n", err.text);
	sm_vol_clear(&vol[0]);
	sm_vol_clear(&vol[1]);
	return sm_exit_code(st);
}
