/* SPDX-License-Identifier: Apache-2.0 */
/* Forward pass of 1x1x1 convolutions to 1 to 8 channels, as the heads of networks: too few for
 * lanes of their own, so that 16 lanes are four quarters of the sum by four outputs; the quarters
 * of four voxels are added and turned at the end. Every output is one sum in a fixed order, the
 * same for every instruction set (conv_point_body.h). bfloat16 is storage, as in conv_patch.c. */
#include "train/nn/conv_point.h"

#include <stdio.h>

#include "train/nn/conv_wino.h"
#include "train/nn/op.h"
#include "train/nn/stream.h"

#define LANES POINT_LANES
#define VOXELS POINT_VOXELS
#define GROUP POINT_GROUP
#define ITEM ((size_t)16 << 10) /* input values of an item of work */

static bool shape_fits(const struct conv_desc *d, enum sm_pass pass)
{
	if (pass != SM_FORWARD || d->ic % LANES || d->oc > POINT_MOST)
		return false;
	for (int i = 0; i < 3; i++)
		if (d->k[i] != 1 || d->stride[i] != 1 || d->in[i] != d->out[i])
			return false;
	return true;
}

static bool fits_avx512(const struct conv_desc *d, enum sm_pass pass)
{
	return point_isa_avx512 && wino_has_avx512() && shape_fits(d, pass);
}

static bool fits_avx2(const struct conv_desc *d, enum sm_pass pass)
{
	return point_isa_avx2 && wino_has_avx2() && shape_fits(d, pass);
}

static int groups_of(const struct conv_desc *d)
{
	return (d->oc + GROUP - 1) / GROUP;
}

static enum sm_status create(struct conv_plan *p, const struct point_isa *isa)
{
	p->packed = (size_t)p->d.ic * groups_of(&p->d) * GROUP * sizeof(float);
	snprintf(p->impl, sizeof p->impl, "points %s", isa->name);
	return SM_OK;
}

/* (block of 16 channels, channel in a quarter, group): lanes (quarter, output). */
static enum sm_status pack(const struct conv_plan *p, const struct conv_args *a, struct sm_err *err)
{
	(void)err;
	float *to = a->packed;
	int groups = groups_of(&p->d);
	for (int c = 0; c < p->d.ic; c += LANES)
		for (int k = 0; k < GROUP; k++)
			for (int g = 0; g < groups; g++)
				for (int l = 0; l < LANES; l++) {
					int o = g * GROUP + l % GROUP,
					    i = c + l / GROUP * GROUP + k;
					*to++ = o < p->d.oc ? a->w[(size_t)o * p->d.ic + i] : 0;
				}
	return SM_OK;
}

static struct point point_of(const struct conv_plan *p, const struct conv_args *a, size_t rows)
{
	const struct conv_desc *d = &p->d;
	struct point q = {.p = p, .a = a};
	for (int l = 0; l < 2 * LANES; l++) {
		int o = l / LANES * GROUP + l % GROUP, v = l / d->oc, c = l % d->oc;
		if (d->bias && o < d->oc)
			q.bias[l] = a->bias[o];
		if (v < VOXELS)
			q.order[l] = c / GROUP * LANES + v * GROUP + c % GROUP;
	}
	q.stream = d->ye == ELEM_F32 && d->oc % GROUP == 0 && rows * d->oc >= STREAM_MIN &&
		   stream_fits(a->y, LANES);
	return q;
}

static void run(const struct conv_plan *p, const struct conv_args *a, const struct point_isa *isa)
{
	const struct conv_desc *d = &p->d;
	size_t rows = (size_t)d->n * d->in[0] * d->in[1] * d->in[2];
	size_t each = (ITEM / d->ic + VOXELS) / VOXELS * VOXELS, items = (rows + each - 1) / each;
	const struct point q = point_of(p, a, rows);
#pragma omp parallel num_threads(d->threads)
	{
#pragma omp for schedule(dynamic, op_portion(items, d->threads))
		for (size_t i = 0; i < items; i++)
			isa->rows[groups_of(d) - 1][d->xe == ELEM_BF16](
			    &q, i * each, (i + 1) * each < rows ? (i + 1) * each : rows);
		stream_end();
	}
}

/* Two groups of outputs need more registers than AVX2 has: of up to 64 channels the library is 1.1
 * to 1.9 times as fast (it has no bfloat16 there). */
static bool wins_avx2(const struct conv_desc *d, enum sm_pass pass)
{
	(void)pass;
	return d->oc <= GROUP || d->ic > 64 || d->xe == ELEM_BF16 || d->ye == ELEM_BF16;
}

#define KERNEL(isa, rule) \
	static enum sm_status create_##isa(struct conv_plan *p, struct sm_err *err) \
	{ \
		(void)err; \
		return create(p, point_isa_##isa); \
	} \
	static enum sm_status run_##isa(const struct conv_plan *p, const struct conv_args *a, \
					struct sm_err *err) \
	{ \
		(void)err; \
		run(p, a, point_isa_##isa); \
		return SM_OK; \
	} \
	const struct conv_kernel conv_point_##isa = {.name = "point_" #isa, \
						     .fits = fits_##isa, \
						     .create = create_##isa, \
						     .pack = pack, \
						     .run = run_##isa, \
						     .destroy = conv_destroy_none, \
						     .wins = rule, \
						     .bf16 = true}
KERNEL(avx512, NULL);
KERNEL(avx2, wins_avx2); /* where AVX-512 runs it stands first in the table */
