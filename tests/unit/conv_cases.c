/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes, operands and judges that the tests of convolution kernels share. */
#include "tests/unit/conv_cases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "tests/unit/tap.h"

size_t case_volume(const struct conv_desc *d, const int *size, int c)
{
	return (size_t)d->n * size[0] * size[1] * size[2] * c;
}

size_t case_weights(const struct conv_desc *d)
{
	return (size_t)d->ic * d->oc * d->k[0] * d->k[1] * d->k[2];
}

/* y, x gradient or weight gradient in double, straight from the definition. */
static void plain(const struct conv_desc *d, enum sm_pass pass, const struct conv_args *a,
		  double *r)
{
	int taps = d->k[0] * d->k[1] * d->k[2];
	size_t outs = case_volume(d, d->out, 1);
	for (size_t q = 0; pass == SM_FORWARD && q < outs * d->oc; q++)
		r[q] = a->bias ? (double)a->bias[q % d->oc] : 0;
	for (size_t q = 0; q < outs; q++) {
		int ow = (int)(q % d->out[2]), oh = (int)(q / d->out[2] % d->out[1]);
		int od = (int)(q / d->out[2] / d->out[1] % d->out[0]);
		size_t n = q / d->out[2] / d->out[1] / d->out[0];
		for (int t = 0; t < taps; t++) {
			int w = ow * d->stride[2] + t % d->k[2] - d->lo[2];
			int h = oh * d->stride[1] + t / d->k[2] % d->k[1] - d->lo[1];
			int z = od * d->stride[0] + t / d->k[2] / d->k[1] - d->lo[0];
			if (w < 0 || h < 0 || z < 0 || w >= d->in[2] || h >= d->in[1] ||
			    z >= d->in[0])
				continue;
			size_t in = ((n * d->in[0] + z) * d->in[1] + h) * d->in[2] + w;
			for (int o = 0; o < d->oc; o++)
				for (int i = 0; i < d->ic; i++) {
					size_t k = ((size_t)o * d->ic + i) * taps + t;
					double x = (double)a->x[in * d->ic + i],
					       y = (double)a->y[q * d->oc + o];
					if (pass == SM_FORWARD)
						r[q * d->oc + o] += x * (double)a->w[k];
					else if (pass == SM_BACKWARD_DATA)
						r[in * d->ic + i] += y * (double)a->w[k];
					else
						r[k] += x * y;
				}
		}
	}
	for (size_t q = 0; pass == SM_FORWARD && d->relu && q < outs * d->oc; q++)
		r[q] = r[q] > 0 ? r[q] : 0;
}

float *case_block(size_t n, const char *what)
{
	struct sm_rng rng;
	float *p = aligned_alloc(64, (n * sizeof *p + 63) / 64 * 64);
	sm_rng_init(&rng, 1, "test", what, 0, n);
	for (size_t i = 0; i < n; i++)
		p[i] = 2 * sm_rng_f32(&rng) - 1;
	return p;
}

/* x as bfloat16, and itself rounded; NULL when it stays float. */
void *case_stored(enum elem e, float *x, size_t n)
{
	if (e == ELEM_F32)
		return NULL;
	void *half = aligned_alloc(64, (n * sizeof(elem_half) + 63) / 64 * 64);
	elem_convert(half, ELEM_BF16, x, ELEM_F32, n, 1);
	elem_convert(x, ELEM_F32, half, ELEM_BF16, n, 1);
	return half;
}

/* Runs a pass of a plan on fixed random operands; returns the block it wrote (to be freed). */
float *case_run(const struct conv_plan *p, double *want)
{
	const struct conv_desc *d = &p->d;
	size_t nx = case_volume(d, d->in, d->ic), ny = case_volume(d, d->out, d->oc), nw = case_weights(d);
	float *x = case_block(nx, "x"), *y = case_block(ny, "y"), *w = case_block(nw, "w");
	float *b = case_block((size_t)d->oc, "b"), *gw = case_block(nw, "gw");
	void *packed = aligned_alloc(64, (p->packed + 127) / 64 * 64);
	void *ws = aligned_alloc(64, (p->ws + 127) / 64 * 64);
	char *ws_end = (char *)ws + p->ws;
	struct conv_args a = {.x = x,
			      .y = y,
			      .w = w,
			      .bias = d->bias ? b : NULL,
			      .gw = gw,
			      .packed = packed,
			      .ws = ws};
	struct sm_err err = {0};
	void *half[2] = {case_stored(d->xe, x, nx), case_stored(d->ye, y, ny)};
	if (want)
		plain(d, p->pass, &a, want);
	/* Gradients of weights are added to what is there. */
	for (size_t i = 0; want && p->pass == SM_BACKWARD_WEIGHTS && i < nw; i++)
		want[i] += (double)gw[i];
	a.x = half[0] ? half[0] : x;
	a.y = half[1] ? half[1] : y;
	/* What is written, and room to work in, hold nothing that could pass for a result. */
	memset(ws, 0xff, p->ws);
	memset(packed, 0xff, p->packed);
	if (p->pass == SM_FORWARD)
		memset(a.y, 0xff, ny * elem_size(d->ye));
	if (p->pass == SM_BACKWARD_DATA)
		memset(a.x, 0xff, nx * elem_size(d->xe));
	if (p->packed)
		assert_int_equal(p->kernel->pack(p, &a, &err), SM_OK);
	memset(ws_end, 0x7f, 64);
	assert_int_equal(conv_plan_run(p, &a, &err), SM_OK);
	for (int i = 0; i < 64; i++)
		assert_int_equal(ws_end[i], 0x7f);
	if (half[0])
		elem_convert(x, ELEM_F32, half[0], ELEM_BF16, nx, 1);
	if (half[1])
		elem_convert(y, ELEM_F32, half[1], ELEM_BF16, ny, 1);
	free(half[0]);
	free(half[1]);
	float *out = p->pass == SM_FORWARD ? y : p->pass == SM_BACKWARD_DATA ? x : gw;
	float *all[] = {x, y, w, b, gw};
	for (int i = 0; i < 5; i++)
		if (all[i] != out)
			free(all[i]);
	free(packed);
	free(ws);
	return out;
}

size_t case_out_size(const struct conv_desc *d, enum sm_pass pass)
{
	return pass == SM_FORWARD         ? case_volume(d, d->out, d->oc)
	       : pass == SM_BACKWARD_DATA ? case_volume(d, d->in, d->ic)
					  : case_weights(d);
}

/* 1: compared, 0: the kernel does not do this shape. */
int case_compare(struct conv_lib *lib, const struct conv_desc *d, enum sm_pass pass,
		   const char *kernel)
{
	struct conv_plan *p = NULL;
	struct sm_err err = {0};
	if (conv_plan_create(lib, d, pass, kernel, &p, &err) != SM_OK)
		return 0;
	assert_null(strstr(p->impl, "ref"));
	size_t n = case_out_size(d, pass);
	double *want = calloc(n, sizeof *want), top = 0, worst = 0;
	float *got = case_run(p, want);
	for (size_t i = 0; i < n; i++) {
		double e = fabs((double)got[i] - want[i]);
		assert_false(isnan(e));
		worst = e > worst ? e : worst;
		top = fabs(want[i]) > top ? fabs(want[i]) : top;
	}
	enum elem e = pass == SM_FORWARD ? d->ye : pass == SM_BACKWARD_DATA ? d->xe : ELEM_F32;
	if (!(worst <= (e == ELEM_BF16 ? 1.0 / 256 : 2e-5) * top + 1e-6))
		fail_msg("%s (%s) pass %d: off by %g of %g at %d>%d k%dx%dx%d s%dx%dx%d",
			 p->kernel->name, p->impl, pass, worst, top, d->ic, d->oc, d->k[0], d->k[1],
			 d->k[2], d->stride[0], d->stride[1], d->stride[2]);
	free(want);
	free(got);
	conv_plan_free(p);
	return 1;
}

struct conv_desc case_cube(int ic, int oc, int d, int hw, int k)
{
	return (struct conv_desc){.n = 1,
				  .ic = ic,
				  .oc = oc,
				  .in = {d, hw, hw},
				  .out = {d, hw, hw},
				  .k = {k, k, k},
				  .stride = {1, 1, 1},
				  .lo = {k / 2, k / 2, k / 2},
				  .hi = {k / 2, k / 2, k / 2},
				  .threads = 2};
}

struct conv_lib *case_library(void)
{
	struct conv_lib *lib = NULL;
	struct sm_err err = {0};
	assert_int_equal(conv_lib_create(&lib, &err), SM_OK);
	return lib;
}

/* One kernel and shape in every pass it does: against the definition, and one, two and three
 * threads alike. */
int case_every_pass(struct conv_lib *lib, struct conv_desc d, const struct conv_kernel *kernel)
{
	int done = 0;
	for (int p = 0; p < SM_PASSES; p++) {
		struct conv_plan *plan[3] = {NULL};
		struct sm_err err = {0};
		float *out[3];
		if (!kernel->fits(&d, p))
			continue;
		assert_int_equal(case_compare(lib, &d, p, kernel->name), 1);
		for (int t = 0; t < 3; t++) {
			d.threads = 1 + t;
			assert_int_equal(conv_plan_create(lib, &d, p, kernel->name, &plan[t], &err),
					 SM_OK);
			out[t] = case_run(plan[t], NULL);
			conv_plan_free(plan[t]);
		}
		for (int t = 1; t < 3; t++) {
			assert_memory_equal(out[0], out[t], case_out_size(&d, p) * sizeof(float));
			free(out[t]);
		}
		free(out[0]);
		done++;
	}
	return done;
}
