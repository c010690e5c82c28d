/* SPDX-License-Identifier: Apache-2.0 */
#include "train/augment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/augment_rows.h"

#define ROW(name_, doc_) [SM_AUGMENT_##name_] = {#name_, sm_augment_##name_},
static const struct sm_augment_row rows[SM_AUGMENT_COUNT] = {SM_AUGMENTS(ROW)};
#undef ROW

const char *sm_augment_name(enum sm_augment_id id)
{
	return rows[id].name;
}

static bool of_space(enum sm_augment_id id)
{
	return id <= SM_AUGMENT_elastic;
}

/* p is that of each axis or channel. */
static bool own_p(enum sm_augment_id id)
{
	return id == SM_AUGMENT_flip || id == SM_AUGMENT_channel_dropout;
}

/* ---- presets -------------------------------------------------------------------------------- */

/* Whoever changes a preset raises the version of stage train: the fingerprint of a training holds
 * its name only. */
#define RANGE(lo, hi) {(double[]){lo, hi}, 2}
static const struct preset_step {
	enum sm_augment_id id;
	struct sm_augment_params params;
} nnunet[] = {
	/* Isensee et al. 2021, supplementary note 4. Mirroring, the last there, is done with the
	 * other moves: one resampling. */
	{SM_AUGMENT_rotation, {.p = 0.2, .degrees = 30, .plane_degrees = 180}},
	{SM_AUGMENT_scaling, {.p = 0.2, .range = RANGE(0.7, 1.4)}},
	{SM_AUGMENT_flip, {.p = 0.5, .axes = SM_AXES_ALL}},
	{SM_AUGMENT_gaussian_noise, {.p = 0.15, .p_channel = 1, .range = RANGE(0, 0.1)}},
	{SM_AUGMENT_gaussian_blur,
	 {.p = 0.2, .p_channel = 0.5, .range = RANGE(0.5, 1.5), .axes = SM_AXES_ALL}},
	{SM_AUGMENT_brightness, {.p = 0.15, .p_channel = 1, .range = RANGE(0.7, 1.3)}},
	{SM_AUGMENT_contrast, {.p = 0.15, .p_channel = 1, .range = RANGE(0.65, 1.5)}},
	{SM_AUGMENT_low_resolution,
	 {.p = 0.25, .p_channel = 0.5, .range = RANGE(0.5, 1), .order = SM_ORDER_CUBIC}},
	{SM_AUGMENT_gamma,
	 {.p = 0.15, .p_channel = 1, .range = RANGE(0.7, 1.5), .invert = true, .retain = true}},
	{SM_AUGMENT_gamma, {.p = 0.15, .p_channel = 1, .range = RANGE(0.7, 1.5), .retain = true}},
};

enum sm_status sm_augment_init(struct sm_augment *a, enum sm_augment_preset preset,
			       const struct sm_steps *steps, enum sm_augment_border border,
			       struct sm_err *err)
{
	size_t n = preset == SM_AUGMENT_NNUNET ? SM_COUNT(nnunet) : steps ? steps->n : 0;
	int count[SM_AUGMENT_COUNT] = {0};
	*a = (struct sm_augment){.n = n, .zero = border == SM_BORDER_ZERO};
	a->step = calloc(n ? n : 1, sizeof *a->step);
	if (!a->step)
		return SM_FAIL(err, SM_BUDGET, "augment: out of memory");
	for (size_t i = 0; i < n; i++) {
		struct sm_augment_step *s = &a->step[i];
		s->id = preset ? nnunet[i].id : (enum sm_augment_id)steps->v[i].which;
		s->params = preset ? &nnunet[i].params : steps->v[i].params;
		s->again = count[s->id]++;
	}
	return SM_OK;
}

void sm_augment_clear(struct sm_augment *a)
{
	free(a->step);
	*a = (struct sm_augment){0};
}

void sm_augment_list(const struct sm_augment *a, char *out, size_t room)
{
	size_t at = 0;
	*out = 0;
	for (size_t i = 0; i < a->n && at < room; i++)
		at += (size_t)snprintf(out + at, room - at, "%s%s", i ? ", " : "",
				       rows[a->step[i].id].name);
}

/* ---- memory --------------------------------------------------------------------------------- */

struct parts {
	size_t x, y, control, work, all;
};

static size_t padded(size_t bytes)
{
	return (bytes + 63) / 64 * 64;
}

/* Sizes of the parts of the scratch, in the order they stand. */
static struct parts measure(const struct sm_augment *a, const struct sm_tile_shape *shape)
{
	const int64_t size[3] = {shape->depth, shape->height, shape->width};
	size_t voxels = (size_t)(size[0] * size[1] * size[2]), points = 0, filter;
	int64_t longest = 0;
	int wide = 0;
	for (int k = 0; k < 3; k++)
		longest = size[k] > longest ? size[k] : longest;
	for (size_t i = 0; i < a->n; i++) {
		size_t own = 1;
		if (a->step[i].id != SM_AUGMENT_elastic)
			continue;
		for (int k = 0; k < 3; k++)
			own *= (size_t)sm_warp_points(size[k], a->step[i].params->spacing);
		points = own > points ? own : points;
		int x = sm_warp_points(size[2], a->step[i].params->spacing);
		wide = x > wide ? x : wide;
	}
	filter = ((2 * SM_AUGMENT_TAPS + 1) * (size_t)longest + SM_AUGMENT_TAPS) * sizeof(float);
	struct parts p = {.x = padded(voxels * (size_t)shape->channels * sizeof(float)),
			  .y = padded(voxels),
			  .control = padded(3 * points * sizeof(double)),
			  .work = padded(sm_warp_work(size[2], wide))};
	p.work = filter > p.work ? padded(filter) : p.work;
	p.all = p.x + p.y + p.control + p.work + 64;
	return p;
}

size_t sm_augment_scratch(const struct sm_augment *a, const struct sm_tile_shape *shape)
{
	return a->n ? measure(a, shape).all : 0;
}

/* ---- applying ------------------------------------------------------------------------------- */

void sm_augment_settle(struct sm_augmented *s)
{
	if (!sm_warp_is_nothing(&s->warp)) {
		sm_warp_run(&s->warp, s->size, (int64_t)s->channels, s->x, s->y, s->x2, s->y2,
			    s->work);
		memcpy(s->x, s->x2, s->channels * s->voxels * sizeof(float));
		memcpy(s->y, s->y2, s->voxels);
	}
	sm_warp_reset(&s->warp);
}

void sm_augment_apply(const struct sm_augment *a, uint64_t seed, int64_t epoch, uint64_t sample,
		      const struct sm_tile_shape *shape, float *x, uint8_t *y, void *scratch)
{
	struct parts p = measure(a, shape);
	char *at = (char *)scratch + (64 - (uintptr_t)scratch % 64) % 64;
	struct sm_augmented s = {.size = {shape->depth, shape->height, shape->width},
				 .channels = (size_t)shape->channels,
				 .x = x,
				 .y = y,
				 .x2 = (void *)at,
				 .y2 = (void *)(at + p.x),
				 .work = at + p.x + p.y + p.control};
	s.warp.control = (void *)(at + p.x + p.y);
	s.warp.zero = a->zero;
	s.voxels = (size_t)(s.size[0] * s.size[1] * s.size[2]);
	s.thin = s.size[1] > 3 * s.size[0] || s.size[2] > 3 * s.size[0];
	sm_warp_reset(&s.warp);
	for (size_t i = 0; i < a->n; i++) {
		const struct sm_augment_step *step = &a->step[i];
		char name[64];
		struct sm_rng rng;
		snprintf(name, sizeof name, "%s.%d", rows[step->id].name, step->again);
		sm_rng_init(&rng, seed, "augment", name, (uint64_t)epoch, sample);
		sm_rng_init(&s.bulk, seed, "augment.voxels", name, (uint64_t)epoch, sample);
		if (!own_p(step->id) && sm_rng_f64(&rng) >= step->params->p)
			continue;
		if (!of_space(step->id))
			sm_augment_settle(&s);
		rows[step->id].apply(&s, step->params, &rng);
	}
	sm_augment_settle(&s);
}

static enum sm_status apply_hook(const void *ctx, uint64_t seed, int64_t epoch, uint64_t sample,
				 const struct sm_tile_shape *shape, float *x, uint8_t *y,
				 void *scratch, struct sm_err *err)
{
	(void)err;
	sm_augment_apply(ctx, seed, epoch, sample, shape, x, y, scratch);
	return SM_OK;
}

struct sm_loader_hook sm_augment_hook(const struct sm_augment *a, const struct sm_tile_shape *shape)
{
	if (!a->n)
		return (struct sm_loader_hook){0};
	return (struct sm_loader_hook){
		.ctx = a, .scratch = sm_augment_scratch(a, shape), .apply = apply_hook};
}
