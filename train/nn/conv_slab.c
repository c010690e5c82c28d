/* SPDX-License-Identifier: Apache-2.0 */
/* oneDNN where it shares sums out to as many threads as there are, with bits that do not depend on
 * them: weight gradients (dnnl_slab), and the products of matrices that it takes for forward and
 * backward-data where it has no better code, on AVX2 mostly (dnnl_cut). What is written (the
 * gradient's output) is cut into slabs by a rule of the shape alone (samples, then depth, or height
 * when there is no depth), each slab is one single-threaded run, threads take slabs; weight
 * gradients have a result a slab, and are added in the order of the slabs. */
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "train/nn/conv.h"
#include "train/nn/op.h"

/* Enough for load balance up to 8 threads; each costs one copy of the weights. */
#define SLABS 8
#define MAX_SLABS (2 * SLABS) /* samples * pieces, rounded up */

struct slab {
	struct conv_lib *lib;
	struct conv_plan *plan;
	size_t x, y; /* first element in the whole tensors */
};

struct priv {
	struct slab slab[MAX_SLABS];
	int count, workers;
	size_t gw_bytes, ws_bytes;
};

static size_t round64(size_t n)
{
	return (n + 63) / 64 * 64;
}

/* Axis that is cut when whole samples are too few: it must be outermost in memory. */
static int cut_axis(const struct conv_desc *d)
{
	return d->in[0] == 1 && d->out[0] == 1 ? 1 : 0;
}

/* Lines of `size` along the cut axis of one sample to so many pieces, 1 when there are samples
 * enough. Single planes cost a third more (measured), so that they are taken only where there are
 * no more than three. */
static int pieces(const struct conv_desc *d, const int *size)
{
	int want = (SLABS + d->n - 1) / d->n, out = size[cut_axis(d)];
	int most = out < 4 ? (out < 2 ? out : 2) : out / 2;
	return d->n >= SLABS ? 1 : want < most ? want : most;
}

/* What cannot be cut is one slab: slower, but the same bits too. */
static bool fits(const struct conv_desc *d, enum sm_pass pass)
{
	(void)d;
	return pass == SM_BACKWARD_WEIGHTS;
}

static bool fits_cut(const struct conv_desc *d, enum sm_pass pass)
{
	return !d->alone && pass != SM_BACKWARD_WEIGHTS;
}

/* The part of d that makes outputs [from, to) of axis `axis`; *first is the input line it starts
 * at. */
static bool piece_of(const struct conv_desc *d, int axis, int from, int to, struct conv_desc *part,
		     int *first)
{
	int a = from * d->stride[axis] - d->lo[axis];
	int e = (to - 1) * d->stride[axis] - d->lo[axis] + d->k[axis];
	part->out[axis] = to - from;
	part->lo[axis] = a < 0 ? -a : 0;
	part->hi[axis] = e > d->in[axis] ? e - d->in[axis] : 0;
	*first = a < 0 ? 0 : a;
	part->in[axis] = (e > d->in[axis] ? d->in[axis] : e) - *first;
	return part->in[axis] > 0;
}

/* The part of d that makes gradients of inputs [from, to): all outputs that read one of them;
 * *first is the first of those. */
static bool inputs_of(const struct conv_desc *d, int axis, int from, int to, struct conv_desc *part,
		      int *first)
{
	const int stride = d->stride[axis], lo = d->lo[axis], k = d->k[axis];
	int o = from + lo - k + 1, last = (to - 1 + lo) / stride;
	o = o > 0 ? (o + stride - 1) / stride : 0;
	last = last < d->out[axis] ? last : d->out[axis] - 1;
	const int a = o * stride - lo, e = last * stride - lo + k;
	part->in[axis] = to - from;
	part->out[axis] = last - o + 1;
	part->lo[axis] = a < from ? from - a : 0;
	part->hi[axis] = e > to ? e - to : 0;
	*first = o;
	/* Inputs before the first output's taps, or behind the last one's, nobody reads: a
	 * descriptor can say the second alone. */
	return part->out[axis] > 0 && a <= from;
}

/* The first line at or before `line` where an output's taps begin: where kernels are smaller than
 * their stride, a slab that begins with lines nobody reads could not be told (inputs_of). */
static int where_taps_begin(const struct conv_desc *d, int axis, int line)
{
	const int at = (line + d->lo[axis]) / d->stride[axis] * d->stride[axis] - d->lo[axis];
	return at > 0 ? at : 0;
}

static size_t line_size(const int *size, int axis, int channels)
{
	size_t n = (size_t)channels;
	for (int i = axis + 1; i < 3; i++)
		n *= (size_t)size[i];
	return n;
}

static enum sm_status add_slab(struct conv_plan *p, struct conv_desc *part, size_t x, size_t y,
			       struct sm_err *err)
{
	struct priv *q = p->priv;
	struct slab *s = &q->slab[q->count];
	SM_TRY(conv_lib_create(&s->lib, err));
	q->count++;
	s->x = x;
	s->y = y;
	SM_TRY(conv_plan_create(s->lib, part, p->pass, "dnnl", &s->plan, err));
	if (s->plan->ws > q->ws_bytes)
		q->ws_bytes = round64(s->plan->ws);
	return SM_OK;
}

/* Each sample to `per` pieces. */
static enum sm_status cut(struct conv_plan *p, int per, struct sm_err *err)
{
	const struct conv_desc *d = &p->d;
	const bool back = p->pass == SM_BACKWARD_DATA;
	const int *size = back ? d->in : d->out; /* what is cut; the rest follows */
	int axis = cut_axis(d), groups = d->n < SLABS ? d->n : SLABS;
	size_t x_sample = line_size(d->in, -1, d->ic), y_sample = line_size(d->out, -1, d->oc);
	for (int g = 0; g < groups; g++) {
		int n0 = d->n * g / groups, n1 = d->n * (g + 1) / groups;
		for (int k = 0; k < per; k++) {
			struct conv_desc part = *d;
			int from = size[axis] * k / per, to = size[axis] * (k + 1) / per, first;
			if (back) {
				from = k ? where_taps_begin(d, axis, from) : 0;
				to = k + 1 < per ? where_taps_begin(d, axis, to) : to;
			}
			if (from == to)
				continue;
			if (!(back ? inputs_of : piece_of)(d, axis, from, to, &part, &first))
				return SM_FAIL(err, SM_USAGE,
					       "convolution: a slab lies in the padding");
			part.n = n1 - n0;
			part.threads = 1;
			part.alone = true;
			SM_TRY(add_slab(p, &part,
					n0 * x_sample + (back ? from : first) *
								line_size(d->in, axis, d->ic),
					n0 * y_sample + (back ? first : from) *
								line_size(d->out, axis, d->oc),
					err));
		}
	}
	return SM_OK;
}

static void free_slabs(struct priv *q)
{
	for (int i = 0; i < q->count; i++) {
		conv_plan_free(q->slab[i].plan);
		conv_lib_free(q->slab[i].lib);
	}
	*q = (struct priv){.count = 0};
}

/* Fewer pieces where the library has only reference code for one (a piece smaller than its kernel)
 * or one lies in the padding. */
static enum sm_status cut_well(struct conv_plan *p, struct sm_err *err)
{
	const struct conv_desc *d = &p->d;
	int per = pieces(d, p->pass == SM_BACKWARD_DATA ? d->in : d->out);
	enum sm_status st = cut(p, per, err);
	while (st == SM_USAGE && per > 1) {
		free_slabs(p->priv);
		st = cut(p, --per, err);
	}
	return st;
}

static enum sm_status create(struct conv_plan *p, struct sm_err *err)
{
	const struct conv_desc *d = &p->d;
	struct priv *q = p->priv = calloc(1, sizeof *q);
	if (!q)
		return SM_FAIL(err, SM_BUDGET, "convolution plan: out of memory");
	int before = omp_get_max_threads();
	omp_set_num_threads(1);
	enum sm_status st = cut_well(p, err);
	omp_set_num_threads(before);
	if (st != SM_OK)
		return st;
	q->workers = d->threads < q->count ? d->threads : q->count;
	memcpy(p->impl, q->slab[0].plan->impl, sizeof p->impl);
	if (p->pass != SM_BACKWARD_WEIGHTS) {
		p->packed = q->slab[0].plan->packed;
		p->ws = q->workers * q->ws_bytes;
		/* One copy of the weights serves all. */
		for (int i = 1; i < q->count; i++)
			if (q->slab[i].plan->packed != p->packed ||
			    strcmp(q->slab[i].plan->impl, p->impl) != 0)
				return SM_FAIL(err, SM_USAGE,
					       "convolution: its slabs want weights in two orders");
		return SM_OK;
	}
	q->gw_bytes = round64((size_t)d->ic * d->oc * d->k[0] * d->k[1] * d->k[2] * sizeof(float));
	p->ws = q->count * q->gw_bytes + q->workers * q->ws_bytes;
	return SM_OK;
}

static enum sm_status run_slab(const struct conv_plan *p, const struct conv_args *a, int i,
			       int worker, struct sm_err *err)
{
	const struct priv *q = p->priv;
	char *ws = a->ws;
	struct conv_args part = {.x = elem_at(a->x, p->d.xe, q->slab[i].x),
				 .y = elem_at(a->y, p->d.ye, q->slab[i].y),
				 .w = a->w,
				 .bias = a->bias,
				 .packed = a->packed,
				 .ws = ws + q->count * q->gw_bytes + worker * q->ws_bytes};
	if (p->pass == SM_BACKWARD_WEIGHTS) {
		part.gw = (float *)(void *)(ws + i * q->gw_bytes);
		memset(part.gw, 0, q->gw_bytes);
	}
	return conv_plan_run(q->slab[i].plan, &part, err);
}

static enum sm_status run_slabs(const struct conv_plan *p, const struct conv_args *a,
				struct sm_err *err)
{
	const struct priv *q = p->priv;
	enum sm_status st[MAX_SLABS] = {0};
	struct sm_err errs[MAX_SLABS];
#pragma omp parallel num_threads(q->workers)
	{
		omp_set_num_threads(1); /* for what oneDNN starts inside, in this region only */
#pragma omp for schedule(dynamic, 1)
		for (int i = 0; i < q->count; i++)
			st[i] = run_slab(p, a, i, omp_get_thread_num(), &errs[i]);
	}
	for (int i = 0; i < q->count; i++) {
		if (st[i] != SM_OK) {
			*err = errs[i];
			return st[i];
		}
	}
	return SM_OK;
}

static enum sm_status pack(const struct conv_plan *p, const struct conv_args *a, struct sm_err *err)
{
	const struct conv_plan *first = ((const struct priv *)p->priv)->slab[0].plan;
	return first->kernel->pack(first, a, err);
}

static enum sm_status run(const struct conv_plan *p, const struct conv_args *a, struct sm_err *err)
{
	const struct priv *q = p->priv;
	SM_TRY(run_slabs(p, a, err));
	size_t count = (size_t)p->d.ic * p->d.oc * p->d.k[0] * p->d.k[1] * p->d.k[2];
	/* Once to gw, so that a sum over micro-batches has the bits of one over ranks
	 * (train/mpi.h). */
	float *sum = (float *)a->ws;
	for (int i = 1; i < q->count; i++)
		op_add_to(sum, (const float *)(const void *)((char *)a->ws + i * q->gw_bytes),
			  count, p->d.threads);
	op_add_to(a->gw, sum, count, p->d.threads);
	return SM_OK;
}

static void destroy(struct conv_plan *p)
{
	struct priv *q = p->priv;
	if (!q)
		return;
	free_slabs(q);
	free(q);
	p->priv = NULL;
}

const struct conv_kernel conv_dnnl_slab = {.name = "dnnl_slab",
					   .fits = fits,
					   .create = create,
					   .run = run,
					   .destroy = destroy,
					   .bf16 = true,
					   .library = true};

const struct conv_kernel conv_dnnl_cut = {.name = "dnnl_cut",
					  .fits = fits_cut,
					  .create = create,
					  .pack = pack,
					  .run = run_slabs,
					  .destroy = destroy,
					  .bf16 = true,
					  .library = true};
