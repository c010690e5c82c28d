/* SPDX-License-Identifier: Apache-2.0 */
#include "train/nn/conv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHY sizeof((struct conv_plan *)0)->why

/* Tried in this order. A new kernel is one row here and one file. */
static const struct conv_kernel *const kernels[] = {&conv_wino_avx512,   &conv_wino_avx2,
						    &conv_wino_portable, &conv_up_avx512,
						    &conv_up_avx2,	 &conv_up_portable,
						    &conv_point_avx512,	 &conv_point_avx2,
						    &conv_patch_avx512,	 &conv_patch_avx2,
						    &conv_columns_avx512, &conv_columns_avx2,
						    &conv_stride_avx512,	 &conv_stride_avx2,
						    &conv_stride_portable, &conv_dnnl_slab,
						    &conv_dnnl,		 &conv_dnnl_cut,
						    &conv_portable};

const struct conv_kernel *conv_kernel_at(size_t i)
{
	return i < sizeof kernels / sizeof *kernels ? kernels[i] : NULL;
}

bool conv_fits_none(const struct conv_desc *d, enum sm_pass pass)
{
	(void)d;
	(void)pass;
	return false;
}

void conv_destroy_none(struct conv_plan *p)
{
	(void)p;
}

enum sm_status conv_desc_check(const struct conv_desc *d, struct sm_err *err)
{
	if (d->n < 1 || d->ic < 1 || d->oc < 1)
		return SM_FAIL(err, SM_USAGE,
			       "convolution: batch %d, channels %d to %d, must be >= 1", d->n,
			       d->ic, d->oc);
	for (int i = 0; i < 3; i++) {
		if (d->in[i] < 1 || d->k[i] < 1 || d->stride[i] < 1 || d->lo[i] < 0 ||
		    d->hi[i] < 0 || d->lo[i] >= d->k[i] || d->hi[i] >= d->k[i])
			return SM_FAIL(
			    err, SM_USAGE,
			    "convolution: axis %d has size %d, kernel %d, stride %d, padding %d "
			    "and %d; sizes must be >= 1 and padding below the kernel's size",
			    i, d->in[i], d->k[i], d->stride[i], d->lo[i], d->hi[i]);
		int room = d->in[i] + d->lo[i] + d->hi[i] - d->k[i];
		if (room < 0 || d->out[i] != room / d->stride[i] + 1)
			return SM_FAIL(err, SM_USAGE,
				       "convolution: axis %d of size %d is too small for kernel %d",
				       i, d->in[i], d->k[i]);
	}
	return SM_OK;
}

double conv_flops(const struct conv_desc *d)
{
	double f = 2.0 * d->n * d->ic * d->oc;
	for (int i = 0; i < 3; i++) {
		double taps = 0;
		for (int o = 0; o < d->out[i]; o++)
			for (int k = 0; k < d->k[i]; k++) {
				int at = o * d->stride[i] + k - d->lo[i];
				taps += at >= 0 && at < d->in[i];
			}
		f *= taps;
	}
	return f;
}

/* Whether a row can do it; whether it shall is asked of its rule. */
static bool knows(const struct conv_kernel *k, const struct conv_desc *d, enum sm_pass pass,
		  const char *only)
{
	/* "dnnl" is the library: where it alone would not keep its bits, by way of dnnl_cut. */
	const bool library = only && k == &conv_dnnl_cut && strcmp(only, conv_dnnl.name) == 0;
	if (only && strcmp(only, k->name) != 0 && !library)
		return false;
	if ((d->xe != ELEM_F32 || d->ye != ELEM_F32) && !k->bf16)
		return false;
	if (d->up && !k->up)
		return false;
	return k->fits(d, pass);
}

static bool takes(const struct conv_kernel *k, const struct conv_desc *d, enum sm_pass pass,
		  const char *only)
{
	return knows(k, d, pass, only) && (only || !k->wins || k->wins(d, pass));
}

/* Adds to why[] that row k is passed over. Rows that no rule takes are none to speak of. */
static void pass_over(char why[WHY], const struct conv_kernel *k, const char *reason)
{
	const size_t n = strlen(why);
	if (k->wins != conv_fits_none)
		snprintf(why + n, WHY - n, "%s%s (%.120s)", n ? ", " : "", k->name, reason);
}

const struct conv_kernel *conv_kernel_for(const struct conv_desc *d, enum sm_pass pass,
					  const char *only)
{
	for (size_t i = 0; conv_kernel_at(i); i++)
		if (takes(conv_kernel_at(i), d, pass, only))
			return conv_kernel_at(i);
	return NULL;
}

enum sm_status conv_plan_create(struct conv_lib *lib, const struct conv_desc *d, enum sm_pass pass,
				const char *only, struct conv_plan **plan, struct sm_err *err)
{
	struct sm_err local = {0};
	char why[WHY] = "";
	err = err ? err : &local;
	*plan = NULL;
	SM_TRY(conv_desc_check(d, err));
	struct conv_plan *p = calloc(1, sizeof *p);
	if (!p)
		return SM_FAIL(err, SM_BUDGET, "convolution plan: out of memory");
	enum sm_status st = SM_USAGE;
	SM_FAIL(err, SM_USAGE, "convolution: no kernel called \"%s\" does this shape",
		only ? only : "");
	for (size_t i = 0; conv_kernel_at(i); i++) {
		const struct conv_kernel *k = conv_kernel_at(i);
		if (!takes(k, d, pass, only)) {
			if (knows(k, d, pass, only))
				pass_over(why, k, "not by its rule");
			continue;
		}
		*p = (struct conv_plan){.kernel = k, .pass = pass, .d = *d, .lib = lib};
		st = k->create(p, err);
		if (st != SM_USAGE)
			break;
		k->destroy(p);
		pass_over(why, k, err->text);
	}
	if (st != SM_OK) {
		if (st != SM_USAGE)
			p->kernel->destroy(p);
		free(p);
		return st;
	}
	memcpy(p->why, why, sizeof why);
	*plan = p;
	return SM_OK;
}

void conv_plan_free(struct conv_plan *p)
{
	if (!p)
		return;
	p->kernel->destroy(p);
	free(p);
}
