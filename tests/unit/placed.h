/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests: probabilities (x,y,z,channel) brought to the source's grid by train/placer.h, some
 * planes at a
 * time. */
#ifndef SM_TESTS_UNIT_PLACED_H
#define SM_TESTS_UNIT_PLACED_H

#include <stdlib.h>
#include <string.h>

#include "train/placer.h"

/* label and map (channels as frames) are the caller's to clear. */
static void placed(const struct sm_vol *prob, const struct sm_way_back *way, double threshold,
		   int64_t planes, struct sm_vol *label, struct sm_vol *map)
{
	struct sm_err e;
	const int64_t *d = prob->dim, k = d[3], plane = d[0] * d[1], frame = plane * d[2];
	const int64_t dim[4] = {way->dim[0], way->dim[1], way->dim[2], k};
	struct sm_task task;
	struct sm_placer p = {
		.way = way, .task = &task, .threshold = threshold, .dim = {d[0], d[1], d[2]}};
	float *last = malloc((size_t)(frame * k) * sizeof *last);
	assert_non_null(last);
	for (int64_t i = 0; i < frame; i++)
		for (int64_t c = 0; c < k; c++)
			last[i * k + c] = ((const float *)prob->data)[c * frame + i];
	assert_int_equal(sm_task_classes(&task, (int)k, false, &e), SM_OK);
	assert_int_equal(sm_vol_init(map, dim, SM_F32, NULL, "map", &e), SM_OK);
	memset(map->data, 0, sm_vol_count(map) * sizeof(float));
	memcpy(map->affine, way->affine, sizeof map->affine);
	p.map = map->data;
	assert_int_equal(sm_placer_begin(&p, NULL, &e), SM_OK);
	for (int64_t z = 0; z < d[2]; z += planes) {
		int64_t n = d[2] - z < planes ? d[2] - z : planes;
		assert_int_equal(sm_placer_planes(&p, z, n, last + z * plane * k, &e), SM_OK);
	}
	*label = p.label;
	p.label = (struct sm_vol){0};
	sm_placer_clear(&p);
	free(last);
}

#endif
