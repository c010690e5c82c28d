/* SPDX-License-Identifier: Apache-2.0 */
/* The only file that knows oneDNN (2.x C API). Channels-last activations, weights in whatever order
 * the library asks for, scratchpads in our arena. Its reference code, 100 to 1000 times slower, is
 * refused. */
#include "train/nn/conv.h"

#include <dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/nn/op.h"

struct conv_lib {
	dnnl_engine_t engine;
	dnnl_stream_t stream;
};

struct priv {
	dnnl_primitive_t prim, reorder;
	dnnl_memory_t x, y, w, bias, plain, scratch;
	size_t w_bytes, plain_bytes, scratch_bytes;
	bool in_place; /* the library takes the weights in our own order */
};

static size_t round64(size_t n)
{
	return (n + 63) / 64 * 64;
}

static enum sm_status check(dnnl_status_t st, const char *what, struct sm_err *err)
{
	if (st == dnnl_success)
		return SM_OK;
	enum sm_status code = st == dnnl_unimplemented || st == dnnl_invalid_arguments ? SM_USAGE
			      : st == dnnl_out_of_memory                               ? SM_BUDGET
							 : SM_INTERNAL;
	return SM_FAIL(err, code, "oneDNN: %s failed with status %d", what, (int)st);
}

/* AMX is left alone unless the user names an instruction set: both 2.6 and 3.13 were seen to die of
 * an illegal instruction in its kernels on virtual machines that announce it. The set can be chosen
 * once, before the first primitive; later calls change nothing. */
static void choose_isa(void)
{
	if (!getenv("DNNL_MAX_CPU_ISA") && !getenv("ONEDNN_MAX_CPU_ISA"))
		(void)dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx512_core_bf16);
}

bool conv_lib_bf16(void)
{
	choose_isa();
	return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core) ==
	       dnnl_cpu_isa_avx512_core;
}

enum sm_status conv_lib_create(struct conv_lib **out, struct sm_err *err)
{
	struct conv_lib *lib = calloc(1, sizeof *lib);
	*out = NULL;
	choose_isa();
	if (!lib)
		return SM_FAIL(err, SM_BUDGET, "oneDNN: out of memory");
	enum sm_status st = check(dnnl_engine_create(&lib->engine, dnnl_cpu, 0), "engine", err);
	if (st == SM_OK)
		st = check(dnnl_stream_create(&lib->stream, lib->engine, dnnl_stream_in_order),
			   "stream", err);
	if (st != SM_OK) {
		conv_lib_free(lib);
		return st;
	}
	*out = lib;
	return SM_OK;
}

void conv_lib_free(struct conv_lib *lib)
{
	if (!lib)
		return;
	if (lib->stream)
		dnnl_stream_destroy(lib->stream);
	if (lib->engine)
		dnnl_engine_destroy(lib->engine);
	free(lib);
}

/* Descriptors of one convolution; 2-D ones drop the depth axis, for which more code exists. */
struct mds {
	int nd, skip;
	dnnl_memory_desc_t x, y, w, grad, plain, bias; /* grad: of weights, always float */
	dnnl_dims_t stride, dilate, lo, hi;
};

static dnnl_data_type_t type_of(enum elem e)
{
	return e == ELEM_BF16 ? dnnl_bf16 : dnnl_f32;
}

static enum sm_status make_mds(const struct conv_desc *d, struct mds *m, struct sm_err *err)
{
	memset(m, 0, sizeof *m);
	m->skip = d->in[0] == 1 && d->k[0] == 1 && d->out[0] == 1;
	m->nd = 5 - m->skip;
	dnnl_dims_t x = {d->n, d->ic}, y = {d->n, d->oc}, w = {d->oc, d->ic}, b = {d->oc};
	for (int i = m->skip; i < 3; i++) {
		int at = 2 + i - m->skip;
		x[at] = d->in[i];
		y[at] = d->out[i];
		w[at] = d->k[i];
		m->stride[at - 2] = d->stride[i];
		m->lo[at - 2] = d->lo[i];
		m->hi[at - 2] = d->hi[i];
	}
	dnnl_format_tag_t last = m->skip ? dnnl_nhwc : dnnl_ndhwc;
	dnnl_format_tag_t plain = m->skip ? dnnl_oihw : dnnl_oidhw;
	dnnl_format_tag_t any = dnnl_format_tag_any;
	bool half = d->xe == ELEM_BF16 || d->ye == ELEM_BF16;
	dnnl_status_t st = dnnl_memory_desc_init_by_tag(&m->x, m->nd, x, type_of(d->xe), last);
	st = st ? st : dnnl_memory_desc_init_by_tag(&m->y, m->nd, y, type_of(d->ye), last);
	st = st ? st
		: dnnl_memory_desc_init_by_tag(&m->w, m->nd, w, half ? dnnl_bf16 : dnnl_f32, any);
	st = st ? st : dnnl_memory_desc_init_by_tag(&m->grad, m->nd, w, dnnl_f32, any);
	st = st ? st : dnnl_memory_desc_init_by_tag(&m->plain, m->nd, w, dnnl_f32, plain);
	st = st ? st : dnnl_memory_desc_init_by_tag(&m->bias, 1, b, dnnl_f32, dnnl_a);
	return check(st, "memory descriptor", err);
}

static enum sm_status make_attr(dnnl_primitive_attr_t *attr, struct sm_err *err)
{
	dnnl_status_t st = dnnl_primitive_attr_create(attr);
	st = st ? st : dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user);
	return check(st, "attributes", err);
}

/* The primitive descriptor of a pass; backward passes need the forward one as a hint. */
static dnnl_status_t make_pd(const struct conv_plan *p, struct mds *m, dnnl_primitive_attr_t attr,
			     dnnl_primitive_desc_t *pd)
{
	dnnl_convolution_desc_t cd;
	dnnl_primitive_desc_t hint = NULL;
	dnnl_engine_t eng = p->lib->engine;
	bool fwd = p->pass == SM_FORWARD;
	dnnl_status_t st = dnnl_dilated_convolution_forward_desc_init(
	    &cd, dnnl_forward_training, dnnl_convolution_direct, &m->x, &m->w,
	    fwd && p->d.bias ? &m->bias : NULL, &m->y, m->stride, m->dilate, m->lo, m->hi);
	if (st)
		return st;
	if (fwd)
		return dnnl_primitive_desc_create(pd, &cd, attr, eng, NULL);
	st = dnnl_primitive_desc_create(&hint, &cd, NULL, eng, NULL);
	if (!st && p->pass == SM_BACKWARD_DATA)
		st = dnnl_dilated_convolution_backward_data_desc_init(
		    &cd, dnnl_convolution_direct, &m->x, &m->w, &m->y, m->stride, m->dilate, m->lo,
		    m->hi);
	else if (!st)
		st = dnnl_dilated_convolution_backward_weights_desc_init(
		    &cd, dnnl_convolution_direct, &m->x, &m->grad, NULL, &m->y, m->stride,
		    m->dilate, m->lo, m->hi);
	if (!st)
		st = dnnl_primitive_desc_create(pd, &cd, attr, eng, hint);
	if (hint)
		dnnl_primitive_desc_destroy(hint);
	return st;
}

static dnnl_status_t make_memory(const struct conv_plan *p, const dnnl_memory_desc_t *md,
				 dnnl_memory_t *mem)
{
	return dnnl_memory_create(mem, md, p->lib->engine, DNNL_MEMORY_NONE);
}

/* Weights travel between our order and the library's by a reorder. */
static dnnl_status_t make_reorder(const struct conv_plan *p, struct priv *q,
				  const dnnl_memory_desc_t *plain, const dnnl_memory_desc_t *w)
{
	bool out = p->pass == SM_BACKWARD_WEIGHTS;
	dnnl_engine_t eng = p->lib->engine;
	dnnl_primitive_desc_t pd = NULL;
	dnnl_status_t st = dnnl_reorder_primitive_desc_create(&pd, out ? w : plain, eng,
							      out ? plain : w, eng, NULL);
	st = st ? st : dnnl_primitive_create(&q->reorder, pd);
	if (pd)
		dnnl_primitive_desc_destroy(pd);
	return st;
}

static enum sm_status finish(struct conv_plan *p, struct mds *m, dnnl_primitive_desc_t pd,
			     struct sm_err *err)
{
	struct priv *q = p->priv;
	bool grad = p->pass == SM_BACKWARD_WEIGHTS;
	const char *info = "";
	dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &info);
	snprintf(p->impl, sizeof p->impl, "%s", info);
	if (strstr(info, "ref"))
		return SM_FAIL(err, SM_USAGE, "oneDNN: only its slow reference code (%s) does this",
			       info);
	/* Its products of matrices are cut by the number of threads, and so are their sums. */
	if (strstr(info, "gemm") && !grad && !p->d.alone)
		return SM_FAIL(err, SM_USAGE,
			       "oneDNN: the bits of %s depend on the number of threads", info);
	const dnnl_memory_desc_t *w = dnnl_primitive_desc_query_md(
	    pd, grad ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
	const dnnl_memory_desc_t *scratch =
	    dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
	q->w_bytes = dnnl_memory_desc_get_size(w);
	q->plain_bytes = dnnl_memory_desc_get_size(&m->plain);
	q->scratch_bytes = dnnl_memory_desc_get_size(scratch);
	q->in_place = dnnl_memory_desc_equal(w, &m->plain);
	dnnl_status_t st = dnnl_primitive_create(&q->prim, pd);
	st = st ? st : make_memory(p, &m->x, &q->x);
	st = st ? st : make_memory(p, &m->y, &q->y);
	st = st ? st : make_memory(p, w, &q->w);
	st = st ? st : make_memory(p, &m->plain, &q->plain);
	st = st ? st : make_memory(p, &m->bias, &q->bias);
	st = st ? st : make_memory(p, scratch, &q->scratch);
	if (!st && !q->in_place)
		st = make_reorder(p, q, &m->plain, w);
	p->packed = grad || q->in_place ? 0 : round64(q->w_bytes);
	p->ws = round64(q->scratch_bytes);
	if (grad)
		p->ws += round64(q->w_bytes) + (q->in_place ? 0 : round64(q->plain_bytes));
	return check(st, "primitive", err);
}

static enum sm_status create(struct conv_plan *p, struct sm_err *err)
{
	struct mds m;
	dnnl_primitive_attr_t attr = NULL;
	dnnl_primitive_desc_t pd = NULL;
	p->priv = calloc(1, sizeof(struct priv));
	enum sm_status st = SM_OK;
	if (!p->priv)
		return SM_FAIL(err, SM_BUDGET, "convolution plan: out of memory");
	SM_GOTO(st, make_mds(&p->d, &m, err));
	SM_GOTO(st, make_attr(&attr, err));
	SM_GOTO(st, check(make_pd(p, &m, attr, &pd), "convolution descriptor", err));
	SM_GOTO(st, finish(p, &m, pd, err));
out:
	if (pd)
		dnnl_primitive_desc_destroy(pd);
	if (attr)
		dnnl_primitive_attr_destroy(attr);
	return st;
}

static void destroy(struct conv_plan *p)
{
	struct priv *q = p->priv;
	if (!q)
		return;
	dnnl_memory_t mem[] = {q->x, q->y, q->w, q->bias, q->plain, q->scratch};
	for (size_t i = 0; i < sizeof mem / sizeof *mem; i++)
		if (mem[i])
			dnnl_memory_destroy(mem[i]);
	if (q->prim)
		dnnl_primitive_destroy(q->prim);
	if (q->reorder)
		dnnl_primitive_destroy(q->reorder);
	free(q);
	p->priv = NULL;
}

static dnnl_status_t reorder(const struct conv_plan *p, dnnl_memory_t from, dnnl_memory_t to)
{
	struct priv *q = p->priv;
	dnnl_exec_arg_t a[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
	dnnl_status_t st = dnnl_primitive_execute(q->reorder, p->lib->stream, 2, a);
	return st ? st : dnnl_stream_wait(p->lib->stream);
}

static enum sm_status pack(const struct conv_plan *p, const struct conv_args *a, struct sm_err *err)
{
	struct priv *q = p->priv;
	dnnl_status_t st = dnnl_memory_set_data_handle(q->plain, (void *)a->w);
	st = st ? st : dnnl_memory_set_data_handle(q->w, a->packed);
	st = st ? st : reorder(p, q->plain, q->w);
	return check(st, "weight reorder", err);
}

static enum sm_status run_grad(const struct conv_plan *p, const struct conv_args *a,
			       struct sm_err *err)
{
	struct priv *q = p->priv;
	char *w = (char *)a->ws + round64(q->scratch_bytes), *plain = w + round64(q->w_bytes);
	dnnl_status_t st = dnnl_memory_set_data_handle(q->w, w);
	dnnl_exec_arg_t arg[] = {{DNNL_ARG_SRC, q->x},
				 {DNNL_ARG_DIFF_DST, q->y},
				 {DNNL_ARG_DIFF_WEIGHTS, q->w},
				 {DNNL_ARG_SCRATCHPAD, q->scratch}};
	st = st ? st : dnnl_primitive_execute(q->prim, p->lib->stream, 4, arg);
	st = st ? st : dnnl_stream_wait(p->lib->stream);
	if (!st && !q->in_place) {
		st = dnnl_memory_set_data_handle(q->plain, plain);
		st = st ? st : reorder(p, q->w, q->plain);
	}
	SM_TRY(check(st, "convolution", err));
	op_add_to(a->gw, (const float *)(const void *)(q->in_place ? w : plain),
		  q->plain_bytes / sizeof(float), p->d.threads);
	return SM_OK;
}

static enum sm_status run(const struct conv_plan *p, const struct conv_args *a, struct sm_err *err)
{
	struct priv *q = p->priv;
	bool fwd = p->pass == SM_FORWARD;
	dnnl_status_t st = dnnl_memory_set_data_handle(q->x, a->x);
	st = st ? st : dnnl_memory_set_data_handle(q->y, a->y);
	st = st ? st : dnnl_memory_set_data_handle(q->scratch, q->scratch_bytes ? a->ws : NULL);
	SM_TRY(check(st, "buffers", err));
	if (p->pass == SM_BACKWARD_WEIGHTS)
		return run_grad(p, a, err);
	st = dnnl_memory_set_data_handle(q->w, q->in_place ? (void *)a->w : a->packed);
	dnnl_exec_arg_t arg[5] = {{fwd ? DNNL_ARG_SRC : DNNL_ARG_DIFF_SRC, q->x},
				  {fwd ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, q->y},
				  {DNNL_ARG_WEIGHTS, q->w},
				  {DNNL_ARG_SCRATCHPAD, q->scratch}};
	int n = 4;
	if (fwd && p->d.bias) {
		st = st ? st : dnnl_memory_set_data_handle(q->bias, (void *)a->bias);
		arg[n++] = (dnnl_exec_arg_t){DNNL_ARG_BIAS, q->bias};
	}
	st = st ? st : dnnl_primitive_execute(q->prim, p->lib->stream, n, arg);
	st = st ? st : dnnl_stream_wait(p->lib->stream);
	SM_TRY(check(st, "convolution", err));
	/* Not a post-op of the library: its max(x, 0) makes NaN 0 and hides that a network went
	 * wrong. */
	if (fwd && p->d.relu)
		op_bias_act(a->y, p->d.ye, NULL,
			    (size_t)p->d.n * p->d.out[0] * p->d.out[1] * p->d.out[2], p->d.oc, true,
			    p->d.threads);
	return SM_OK;
}

static bool fits(const struct conv_desc *d, enum sm_pass pass)
{
	(void)d;
	(void)pass;
	return true;
}

/* Sums of gradients of weights depend on the threads: never by the rule, only when named. */
static bool wins(const struct conv_desc *d, enum sm_pass pass)
{
	(void)d;
	return pass != SM_BACKWARD_WEIGHTS;
}

const struct conv_kernel conv_dnnl = {.name = "dnnl",
				      .fits = fits,
				      .wins = wins,
				      .create = create,
				      .pack = pack,
				      .run = run,
				      .destroy = destroy,
				      .bf16 = true,
				      .library = true};
