/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores one NIfTI volume against another, metric by metric: "scanmill METRIC wall-seconds
 * processor-seconds VALUE" a run, and all of them together. bench_image_scores TEST TRUTH RANGE
 * THREADS RUNS
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/nii.h"
#include "eval/image_metrics.h"

static double seconds(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static enum sm_status run(char **argv, struct sm_vol vol[2], struct sm_err *err)
{
	struct sm_image_settings s = sm_image_settings_default();
	s.rule = SM_RANGE_GIVEN;
	s.range = strtod(argv[3], NULL);
	s.jobs = (int)strtol(argv[4], NULL, 10);
	const int runs = (int)strtol(argv[5], NULL, 10);
	for (int k = 0; k < 2; k++) {
		SM_TRY(sm_nii_read(argv[1 + k], NULL, &vol[k], NULL, err));
		SM_TRY(sm_vol_to_f32(&vol[k], NULL, s.jobs, err));
	}
	for (int m = 0; m <= SM_IMAGE_METRICS; m++)
		for (int i = 0; i < runs; i++) {
			struct sm_image_scores out;
			s.which = m < SM_IMAGE_METRICS ? SM_IMAGE_BIT(m) : SM_IMAGE_ALL;
			double wall = seconds(CLOCK_MONOTONIC),
			       cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
			SM_TRY(sm_image_score_volumes(&vol[0], "test", &vol[1], "truth", NULL, 0.01,
						      &s, &out, err));
			wall = seconds(CLOCK_MONOTONIC) - wall;
			cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
			printf("scanmill %s %.3f %.3f %.12g\n",
			       m < SM_IMAGE_METRICS ? sm_image_metrics[m].key : "all", wall, cpu,
			       out.value[SM_IMAGE_OWN][SM_IMAGE_WHOLE]
					[m < SM_IMAGE_METRICS ? m : 0]);
		}
	return SM_OK;
}

int main(int argc, char **argv)
{
	struct sm_vol vol[2] = {{.dtype = SM_F32}, {.dtype = SM_F32}};
	struct sm_err err = {0};
	if (argc != 6) {
		fprintf(stderr, "usage: bench_image_scores TEST TRUTH RANGE THREADS RUNS\n");
		return 2;
	}
	enum sm_status st = run(argv, vol, &err);
	if (st != SM_OK)
		fprintf(stderr, "bench_image_scores: %s\n", err.text);
	sm_vol_clear(&vol[0]);
	sm_vol_clear(&vol[1]);
	return sm_exit_code(st);
}
