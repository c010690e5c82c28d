/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution kernels behind one interface: a table whose rows are tried in order, for each layer
 * and pass on its own; the first that fits is taken and can be printed. A transposed convolution is
 * the same thing with forward and backward-data exchanged.
 */
#ifndef SM_TRAIN_CONV_H
#define SM_TRAIN_CONV_H

#include "train/nn/elem.h"
#include "train/nn/nn.h"

/* x (N,D,H,W,ic) -> y (N,OD,OH,OW,oc); index 0..2 of the arrays = depth, height, width. */
struct conv_desc {
	int n, ic, oc;
	int in[3], out[3], k[3], stride[3], lo[3], hi[3];
	bool bias, relu; /* forward only: done by the kernel; NaN stays NaN */
	bool up;         /* x stands at half of in's height and width: nearest up-sampling of it by
			    1x2x2 is what the convolution reads */
	bool alone; /* always run by one thread: a library may share sums out as it likes */
	enum elem xe, ye; /* with bfloat16 anywhere what the pass reads is such; the kernel may
			     round weights to it, sums are float */
	int threads;
};

/* The state of a library that kernels share (oneDNN's engine and stream). */
struct conv_lib;
enum sm_status conv_lib_create(struct conv_lib **lib, struct sm_err *err);
void conv_lib_free(struct conv_lib *lib);
/* Whether the library has bfloat16 code for this CPU. */
bool conv_lib_bf16(void);

struct conv_plan {
	const struct conv_kernel *kernel;
	enum sm_pass pass;
	struct conv_desc d;
	struct conv_lib *lib;
	size_t ws;     /* bytes of workspace while it runs */
	size_t packed; /* bytes of the kernel's own copy of the weights; 0 = reads them in place */
	char impl[48]; /* implementation name for people */
	char why[240]; /* for people: the rows before it that know the shape, and what spoke against
			  each */
	void *priv;
};

/* Some channels of x as a tensor of their own, for kernels that know parts: what a concatenation
 * would put side by side. CONV_PART channels or a multiple of them. */
#define CONV_PART 16
struct conv_part {
	float *x; /* NULL: what backward-data would write there is not wanted */
	int c;
};

/* Operands; x and y are of the descriptor's types. Which are used depends on the pass:
 *   FORWARD           x, w, bias -> y
 *   BACKWARD_DATA     y (gradient), w -> x (overwritten)
 *   BACKWARD_WEIGHTS  x, y (gradient) -> gw (added to) */
struct conv_args {
	float *x, *y;
	const float *w, *bias;
	float *gw;
	void *packed, *ws;
	const struct conv_part *part; /* x in so many parts; 0 = x is one tensor */
	int parts;
};

struct conv_kernel {
	const char *name;
	/* A cheap rule on shapes. */
	bool (*fits)(const struct conv_desc *d, enum sm_pass pass);
	/* Makes the plan; SM_USAGE = does not do this shape after all (reason in err). */
	enum sm_status (*create)(struct conv_plan *p, struct sm_err *err);
	/* Refreshes args->packed from args->w; NULL when packed is always 0. */
	enum sm_status (*pack)(const struct conv_plan *p, const struct conv_args *args,
			       struct sm_err *err);
	enum sm_status (*run)(const struct conv_plan *p, const struct conv_args *args,
			      struct sm_err *err);
	void (*destroy)(struct conv_plan *p);
	/* Whether it is the faster choice, asked only when no kernel is forced; NULL = always. */
	bool (*wins)(const struct conv_desc *d, enum sm_pass pass);
	bool bf16;  /* knows bfloat16 */
	bool parts; /* knows conv_args.part */
	bool up;    /* knows conv_desc.up */
	bool library; /* oneDNN does it */
	bool slow;  /* plain loops, for what nobody else does: what falls to them is told */
};

extern const struct conv_kernel conv_wino_avx512, conv_wino_avx2, conv_wino_portable;
extern const struct conv_kernel conv_up_avx512, conv_up_avx2, conv_up_portable;
extern const struct conv_kernel conv_point_avx512, conv_point_avx2;
extern const struct conv_kernel conv_patch_avx512, conv_patch_avx2;
extern const struct conv_kernel conv_stride_avx512, conv_stride_avx2, conv_stride_portable;
extern const struct conv_kernel conv_columns_avx512, conv_columns_avx2;
extern const struct conv_kernel conv_dnnl_slab, conv_dnnl, conv_dnnl_cut, conv_portable;
const struct conv_kernel *conv_kernel_at(size_t i); /* NULL behind the last row */

/* The kernel for a pass; `only` as below. NULL = none. */
const struct conv_kernel *conv_kernel_for(const struct conv_desc *d, enum sm_pass pass,
					  const char *only);

/* Chooses a kernel; `only` (NULL = any) restricts to the row of that name. */
enum sm_status conv_plan_create(struct conv_lib *lib, const struct conv_desc *d, enum sm_pass pass,
				const char *only, struct conv_plan **plan, struct sm_err *err);
void conv_plan_free(struct conv_plan *p);

static inline enum sm_status conv_plan_run(const struct conv_plan *p, const struct conv_args *args,
					   struct sm_err *err)
{
	return p->kernel->run(p, args, err);
}

/* For rows of the table: never taken (not compiled, or for tests alone); nothing to free. */
bool conv_fits_none(const struct conv_desc *d, enum sm_pass pass);
void conv_destroy_none(struct conv_plan *p);

/* Checks a descriptor: positive sizes, out as the formula says. */
enum sm_status conv_desc_check(const struct conv_desc *d, struct sm_err *err);

/* Multiply-adds * 2 of any of the three passes, taps in the padding left out. */
double conv_flops(const struct conv_desc *d);

#endif
