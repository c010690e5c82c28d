/* SPDX-License-Identifier: Apache-2.0 */
/* Processor time of each augmentation and of nnU-Net's preset on one sample, one thread.
 *   bench_augment [D H W C] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/rng.h"
#include "train/augment.h"

static const struct sm_tile_shape usual = {
	.tiles = 1, .channels = 4, .depth = 16, .height = 160, .width = 160};

struct sample {
	struct sm_tile_shape shape;
	size_t values, voxels;
	float *x, *given;
	uint8_t *y;
};

static double milliseconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* Mean and largest of `times` draws. */
static int measure(const struct sm_augment *a, struct sample *s, int times, const char *name)
{
	double all = 0, worst = 0;
	void *scratch = malloc(sm_augment_scratch(a, &s->shape) + 1);
	if (!scratch)
		return 1;
	for (int i = 0; i < times; i++) {
		memcpy(s->x, s->given, s->values * sizeof *s->x);
		double began = milliseconds();
		sm_augment_apply(a, 1, 0, (uint64_t)i, &s->shape, s->x, s->y, scratch);
		double took = milliseconds() - began;
		all += took;
		worst = took > worst ? took : worst;
	}
	printf("%-18s %8.2f %8.2f\n", name, all / times, worst);
	free(scratch);
	return 0;
}

int main(int argc, char **argv)
{
	struct sample s = {.shape = usual};
	if (argc > 4) {
		s.shape.depth = strtoll(argv[1], NULL, 10);
		s.shape.height = strtoll(argv[2], NULL, 10);
		s.shape.width = strtoll(argv[3], NULL, 10);
		s.shape.channels = strtoll(argv[4], NULL, 10);
	}
	s.voxels = (size_t)(s.shape.depth * s.shape.height * s.shape.width);
	s.values = s.voxels * (size_t)s.shape.channels;
	s.x = malloc(s.values * sizeof *s.x);
	s.given = malloc(s.values * sizeof *s.x);
	s.y = malloc(s.voxels);
	struct sm_augment a;
	struct sm_err err;
	if (!s.x || !s.given || !s.y ||
	    sm_augment_init(&a, SM_AUGMENT_NNUNET, NULL, SM_BORDER_EDGE, &err) != SM_OK)
		return 5;
	struct sm_rng rng;
	sm_rng_init(&rng, 1, "bench.augment", "", 0, 0);
	for (size_t i = 0; i < s.values; i++)
		s.given[i] = (float)sm_rng_normal(&rng);
	for (size_t i = 0; i < s.voxels; i++)
		s.y[i] = (uint8_t)(i / 40 % 4);
	printf("%-18s %8s %8s   ms of processor time, %d x %d x %d x %d\n", "", "mean", "worst",
	       (int)s.shape.channels, (int)s.shape.depth, (int)s.shape.height, (int)s.shape.width);
	int failed = measure(&a, &s, 300, "nnunet");
	double range[2] = {0.5, 1.4};
	for (int id = 0; id < SM_AUGMENT_COUNT && !failed; id++) {
		struct sm_augment_params p = {.p = 1,
					      .p_channel = 1,
					      .range = {range, 2},
					      .degrees = 30,
					      .plane_degrees = -1,
					      .share = 0.1,
					      .spacing = 32,
					      .magnitude = 4,
					      .retain = true,
					      .order = SM_ORDER_CUBIC};
		struct sm_augment_step step = {(enum sm_augment_id)id, &p, 0};
		p.axes = id == SM_AUGMENT_rotate90 ? SM_AXES_PLANE : SM_AXES_ALL;
		range[1] = id == SM_AUGMENT_low_resolution ? 1 : 1.4;
		failed = measure(&(struct sm_augment){&step, 1, false}, &s, 8,
				 sm_augment_name((enum sm_augment_id)id));
	}
	sm_augment_clear(&a);
	free(s.x);
	free(s.given);
	free(s.y);
	return failed;
}
