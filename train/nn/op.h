/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the engine: what a graph is made of and what an operator has to provide. Not for callers
 * of nn.h; tests include it to walk the table.
 */
#ifndef SM_TRAIN_OP_H
#define SM_TRAIN_OP_H

#include "train/nn/elem.h"
#include "train/nn/loss.h"
#include "train/nn/nn.h"
#include "train/nn/op_table.h"

#define OP_MAX_IN 8

/* Vector code for the CPU at hand from plain loops; the sums inside keep their order, so that every
 * clone gives the same bits. Sanitizers cannot run the resolvers. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define SM_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define SM_CLONES
#endif

/* Reductions over rows are cut into this many blocks, whatever the number of threads, and the
 * blocks' sums are added in index order. */
#define OP_BLOCKS 64

/* A parallel loop over so many items, whichever thread comes first: handed out in small portions,
 * so that nobody waits long for a thread that the machine's other work has held up. What an item
 * gives must not depend on who does it. */
#define OP_PRAGMA(text) _Pragma(#text)
#define OP_FOR(items, threads) \
	OP_PRAGMA(omp parallel for schedule(dynamic, op_portion(items, threads)) num_threads(threads))

static inline int op_portion(size_t items, int threads)
{
	size_t n = items / (32 * (size_t)threads);
	return n > 1 ? (int)n : 1;
}

struct op_impl;
struct conv_plan;

struct op_attr {
	struct sm_conv conv;
	struct sm_norm norm;
	int window[3];
	float value[2]; /* slope; rate; weight of a loss */
	struct loss_attr loss;
};

struct tensor {
	char *name; /* inputs and outputs only */
	struct sm_shape shape;
	size_t count;
	enum elem elem; /* of its values and of their gradient */
	int producer;   /* node */
	bool is_output;
	bool wants_grad;       /* a parameter stands before it */
	bool gets_grad;        /* and a loss behind it */
	bool forget;           /* its value is made again for backward */
	int block, grad_block; /* in the plan; -1 = none */
	int again_block, again_ws_block, again_time;
	bool made; /* again, in the step that runs */
	float *a, *g, *again;
};

struct node {
	enum op_kind kind;
	char *name;
	struct op_attr attr;
	int in[OP_MAX_IN], nin, out;
	/* What it reads in a run: its inputs, but a convolution may read the parts of a
	 * concatenation instead, or (up) the source of an up-sampling, which then is joined: it
	 * does not run and its output has no memory. */
	int src[OP_MAX_IN], nsrc;
	bool joined, up;
	int stage; /* of the graph; 0 = none */
	int param[2], state[2]; /* -1 = none */
	int fixed[2];           /* the same of parameters that are not trained here */
	/* set by the shape rule or prepare */
	bool needs_x, needs_y;                        /* backward reads inputs / output */
	size_t save, ws_forward, ws_backward, packed; /* bytes */
	struct conv_plan *plan[SM_PASSES];
	/* set by the planner */
	bool runs_backward;
	bool acc[OP_MAX_IN];      /* gradient of src[i] has been written before this node's turn */
	int add_block[OP_MAX_IN]; /* temporary when the operator cannot add; -1 = none */
	int save_block, ws_forward_block, ws_backward_block;
	size_t packed_at; /* where its packed weights stand */
	double seconds[SM_PASSES];
	uint64_t runs[SM_PASSES];
};

struct param {
	struct sm_param pub;
	char *name;
	bool frozen;
	int lender;  /* of frozen ones: the net among opt.lender whose it is; -1 = none */
	size_t lent; /* where it stands in that net's array */
	const struct init_row *init;
	double fan_in, fan_out;
	float value; /* of states: their first value */
	/* of a fused net: the nodes that use it last and first in backward, whether their gradients
	 * are all computed at the last one, and the place of the sum */
	int last_use, first_use, grad_block;
	bool late;
};

#define GRAPH_FROZEN 8

struct sm_graph {
	struct tensor *tensor;
	struct node *node;
	struct param *param, *state, *fixed;
	int tensors, nodes, params, states, fixeds;
	size_t param_count, state_count, fixed_count;
	char *frozen[GRAPH_FROZEN]; /* prefixes of what is not trained */
	int frozens;
	int stage, stages; /* the one that nodes are added to, 0 = none; those begun so far */
	struct sm_err err; /* first mistake; code SM_OK = none */
};

/* One call of an operator. Shapes are those of the tensors; pointers not needed are NULL. Where xe
 * or ye say bfloat16 the values of x and gx, y and gy are such: only elem.h may touch them. */
struct op_run {
	const struct sm_graph *graph;
	struct node *node;
	int threads, valid;
	bool train, profile;
	double weight; /* of a sample's loss in the gradient: 1 / samples that count */
	uint64_t seed, step;
	enum elem xe[OP_MAX_IN], ye;
	const float *x[OP_MAX_IN]; /* of node->src */
	float *y;
	float *gy;            /* backward: may be destroyed */
	float *gx[OP_MAX_IN]; /* backward: NULL where no gradient is wanted */
	const float *w[2];
	float *gw[2]; /* backward adds to them */
	float *state[2];
	void *save, *ws, *packed;
	bool repack;  /* weights changed since the last forward with this packed copy */
	double *loss; /* loss nodes: one value a sample */
};

/* What prepare may use. */
struct op_env {
	struct sm_graph *graph;
	const struct sm_net_opt *opt;
	struct conv_lib *conv;
};

struct op_impl {
	/* Checks inputs and attributes, gives the output's shape, declares parameters, sets
	 * needs_x/y. */
	enum sm_status (*shape)(struct sm_graph *g, struct node *n, struct sm_shape *out,
				struct sm_err *err);
	/* Chooses kernels and tells the sizes of saved data and workspaces; may be NULL. */
	enum sm_status (*prepare)(const struct op_env *env, struct node *n, struct sm_err *err);
	enum sm_status (*forward)(const struct op_run *r, struct sm_err *err);
	enum sm_status (*backward)(const struct op_run *r, struct sm_err *err);
	/* Adds the gradient of param[0] alone, later than backward, which then had no gw[0]; x and
	 * gy stand as backward left them. NULL = only backward can. */
	enum sm_status (*late)(const struct op_run *r, struct sm_err *err);
	/* Makes y once more from x and what forward saved, into another place; NULL = cannot. A
	 * training may then forget y between its last use forward and its first one backward. */
	enum sm_status (*again)(const struct op_run *r, struct sm_err *err);
	/* Multiply-adds * 2 of one pass, taps in the padding left out; NULL = cheap. */
	double (*flops)(const struct sm_graph *g, const struct node *n, enum sm_pass pass);
	void (*release)(struct node *n);
};

struct op_row {
	const char *name, *onnx;
	int flags;
	const struct op_impl *impl;
};
const struct op_row *op_row(enum op_kind kind);

#define X(id, name, onnx, flags) extern const struct op_impl op_##id;
OP_TABLE(X)
#undef X

/* Appends a node (attr may be NULL); the sm_g_* functions are thin shells over it. */
int graph_add(struct sm_graph *g, enum op_kind kind, const char *name, const int *in, int nin,
	      const struct op_attr *attr);

/* Declares (or shares) a parameter "prefix.leaf"; -1 and err on failure. */
int graph_param(struct sm_graph *g, const char *prefix, const char *leaf, int rank,
		const int shape[5], const char *init, double fan_in, double fan_out,
		struct sm_err *err);
int graph_state(struct sm_graph *g, const char *prefix, const char *leaf, int channels, float value,
		struct sm_err *err);

static inline struct sm_shape op_in_shape(const struct sm_graph *g, const struct node *n, int i)
{
	return g->tensor[n->in[i]].shape;
}
static inline struct sm_shape op_out_shape(const struct sm_graph *g, const struct node *n)
{
	return g->tensor[n->out].shape;
}
static inline size_t op_rows(struct sm_shape s)
{
	return (size_t)s.n * s.d * s.h * s.w;
}

/* Of the values [at, end), rows of c, as many as are converted at a time: whole rows, or part of a
 * long one. `at` is the start of a row or what this function led to. */
static inline size_t op_piece(size_t at, size_t end, size_t c)
{
	size_t most = c <= ELEM_PIECE ? ELEM_PIECE / c * c : ELEM_PIECE;
	size_t left = (c <= ELEM_PIECE ? end : (at / c + 1) * c) - at;
	return left < most ? left : most;
}

/* First row of block b when `rows` rows are cut into OP_BLOCKS. */
static inline size_t op_block_start(size_t rows, int b)
{
	return rows / OP_BLOCKS * b + (rows % OP_BLOCKS) * b / OP_BLOCKS;
}

/* gz = gy where y > 0 (y NULL: everywhere), in place, and gb[c] += sum over rows of gz; gb may be
 * NULL. Both are of type e. partial: OP_BLOCKS * c doubles. */
void op_mask_bias_grad(float *gy, const float *y, enum elem e, size_t rows, int c, float *gb,
		       double *partial, int threads);
/* Whether all kernels that convolution n would choose read its input in parts. */
bool op_conv_takes_parts(const struct op_env *env, const struct node *n);
/* The same of the source of its input, an up-sampling by 1x2x2. */
bool op_conv_takes_source(const struct op_env *env, const struct node *n);
/* y += bias per channel, then ReLU when asked. */
void op_bias_act(float *y, enum elem e, const float *bias, size_t rows, int c, bool relu,
		 int threads);
/* dst += src. */
void op_add_to(float *dst, const float *src, size_t count, int threads);

/* ---- initialisers ---- */
struct init_row {
	const char *name;
	bool uniform;
	double (*scale)(double fan_in, double fan_out); /* standard deviation, or half width */
	float constant;                                 /* used when scale is NULL */
};
const struct init_row *init_find(const char *name);
void init_fill(const struct param *p, uint64_t seed, float *w, int threads);

/* ---- optimisers ---- */
struct optim_row {
	const char *name;
	int arrays;
	const char *array_name[2];
	/* w moves by gradient g * scale, with so much weight decay. */
	void (*update)(const struct sm_optim *o, uint64_t step, float lr, float scale, float decay,
		       float *w, const float *g, float *const *state, size_t n);
};
const struct optim_row *optim_find(const char *name);
/* Finds the row and checks the settings' ranges. */
enum sm_status optim_check(const struct sm_optim *o, const struct optim_row **row,
			   struct sm_err *err);
/* ema = keep ema + (1 - keep) w */
void optim_average(float *ema, const float *w, float keep, size_t n);

/* ---- memory planner ---- */
struct plan_block {
	size_t size, offset;
	int first, last; /* times at which it holds data, inclusive */
};
/* Gives every block an offset (multiple of 64) so that blocks alive at the same time do not
 * overlap; greedy by size. Returns the bytes needed. Sizes are rounded up to 64. */
size_t plan_solve(struct plan_block *block, size_t n, struct sm_err *err);
/* Looks for a smaller plan than that of plan_solve, `total` bytes: what stands highest is placed
 * first the next time. Returns the bytes needed, 0 when out of memory. */
size_t plan_improve(struct plan_block *block, size_t n, size_t total, struct sm_err *err);

#endif
