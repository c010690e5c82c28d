/* SPDX-License-Identifier: Apache-2.0 */
/* Operators without parameters that work element by element or copy: add, activations, dropout,
 * detach, concat. Rows are voxels, C channels a row; all loops write only to their own element. */
#include "train/nn/op.h"

#include <math.h>
#include <string.h>

#include "core/rng.h"
#include "train/nn/stream.h"
#include "train/nn/vmath.h"

#define ROWS ((size_t)256) /* of a concat, copied at a time */

#define CHUNK ELEM_PIECE

enum fn { FN_RELU, FN_LEAKY, FN_SIGMOID };

/* Values [at, at + n), n at most CHUNK, of tensors of either type. */
SM_CLONES static void leaky(const struct op_run *r, size_t at, size_t n, float slope)
{
	float bx[CHUNK], by[CHUNK];
	const float *x = elem_read(r->x[0], r->xe[0], at, n, bx);
	float *y = elem_begin(r->y, r->ye, at, by);
#pragma omp simd
	for (size_t i = 0; i < n; i++)
		y[i] = x[i] > 0 ? x[i] : slope * x[i];
	elem_end(r->y, r->ye, at, n, y);
}

SM_CLONES static void leaky_back(const struct op_run *r, size_t at, size_t n, float slope)
{
	float by[CHUNK], bg[CHUNK], bx[CHUNK];
	bool acc = r->node->acc[0];
	const float *y = elem_read(r->y, r->ye, at, n, by);
	const float *gy = elem_read(r->gy, r->ye, at, n, bg);
	float *gx = acc ? elem_modify(r->gx[0], r->xe[0], at, n, bx)
			: elem_begin(r->gx[0], r->xe[0], at, bx);
	if (acc)
#pragma omp simd
		for (size_t i = 0; i < n; i++)
			gx[i] += y[i] > 0 ? gy[i] : slope * gy[i];
	else
#pragma omp simd
		for (size_t i = 0; i < n; i++)
			gx[i] = y[i] > 0 ? gy[i] : slope * gy[i];
	elem_end(r->gx[0], r->xe[0], at, n, gx);
}

SM_CLONES static void sigmoid(const float *x, float *y, size_t n)
{
#pragma omp simd
	for (size_t i = 0; i < n; i++)
		y[i] = vm_sigmoid(x[i], vm_exp(-vm_abs(x[i])));
}

SM_CLONES static void sigmoid_back(const float *y, const float *gy, float *gx, size_t n, bool acc)
{
	if (acc)
#pragma omp simd
		for (size_t i = 0; i < n; i++)
			gx[i] += gy[i] * y[i] * (1.0f - y[i]);
	else
#pragma omp simd
		for (size_t i = 0; i < n; i++)
			gx[i] = gy[i] * y[i] * (1.0f - y[i]);
}

SM_CLONES static void add_two(const struct op_run *r, size_t at, size_t n)
{
	float ba[CHUNK], bb[CHUNK], by[CHUNK];
	const float *a = elem_read(r->x[0], r->xe[0], at, n, ba);
	const float *b = elem_read(r->x[1], r->xe[1], at, n, bb);
	float *y = elem_begin(r->y, r->ye, at, by);
#pragma omp simd
	for (size_t i = 0; i < n; i++)
		y[i] = a[i] + b[i];
	elem_end(r->y, r->ye, at, n, y);
}

void op_add_to(float *dst, const float *src, size_t count, int threads)
{
	elem_add(dst, ELEM_F32, src, ELEM_F32, count, threads);
}

static enum sm_status same_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
				 struct sm_err *err)
{
	(void)err;
	*out = op_in_shape(g, n, 0);
	return SM_OK;
}

/* ---- activations: backward reads y alone, so that x need not be kept ---- */

static enum sm_status act_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
				struct sm_err *err)
{
	n->needs_y = true;
	if (!(n->attr.value[0] >= 0))
		return SM_FAIL(err, SM_USAGE, "leaky ReLU: slope %g, must be >= 0",
			       (double)n->attr.value[0]);
	return same_shape(g, n, out, err);
}

static enum sm_status act_forward(const struct op_run *r, enum fn fn)
{
	size_t count = r->graph->tensor[r->node->out].count;
	float slope = fn == FN_LEAKY ? r->node->attr.value[0] : 0.0f;
	OP_FOR(count / CHUNK, r->threads)
	for (size_t i = 0; i < count; i += CHUNK) {
		size_t n = count - i < CHUNK ? count - i : CHUNK;
		if (fn == FN_SIGMOID)
			sigmoid(r->x[0] + i, r->y + i, n);
		else
			leaky(r, i, n, slope);
	}
	return SM_OK;
}

static enum sm_status act_backward(const struct op_run *r, enum fn fn)
{
	size_t count = r->graph->tensor[r->node->out].count;
	float slope = fn == FN_LEAKY ? r->node->attr.value[0] : 0.0f;
	bool acc = r->node->acc[0];
	OP_FOR(count / CHUNK, r->threads)
	for (size_t i = 0; i < count; i += CHUNK) {
		size_t n = count - i < CHUNK ? count - i : CHUNK;
		if (fn == FN_SIGMOID)
			sigmoid_back(r->y + i, r->gy + i, r->gx[0] + i, n, acc);
		else
			leaky_back(r, i, n, slope);
	}
	return SM_OK;
}

#define ACTIVATION(id, fn) \
	static enum sm_status id##_forward(const struct op_run *r, struct sm_err *err) \
	{ \
		(void)err; \
		return act_forward(r, fn); \
	} \
	static enum sm_status id##_backward(const struct op_run *r, struct sm_err *err) \
	{ \
		(void)err; \
		return act_backward(r, fn); \
	} \
	const struct op_impl op_##id = { \
	    .shape = act_shape, \
	    .forward = id##_forward, \
	    .backward = id##_backward, \
	    .again = id##_forward}

ACTIVATION(relu, FN_RELU);
ACTIVATION(leaky_relu, FN_LEAKY);
ACTIVATION(sigmoid, FN_SIGMOID);

/* ---- softmax over channels ---- */

SM_INLINE void softmax_of(const float *x, float *y, size_t rows, size_t c)
{
	for (size_t i = 0; i < rows; i++) {
		float top = x[i * c];
		for (size_t k = 1; k < c; k++)
			top = x[i * c + k] > top ? x[i * c + k] : top;
		for (size_t k = 0; k < c; k++)
			y[i * c + k] = x[i * c + k] - top;
	}
	for (size_t i = 0; i < rows * c; i++)
		y[i] = vm_exp(y[i]);
	for (size_t i = 0; i < rows; i++) {
		float sum = 0;
		for (size_t k = 0; k < c; k++)
			sum += y[i * c + k];
		sum = 1.0f / sum;
		for (size_t k = 0; k < c; k++)
			y[i * c + k] *= sum;
	}
}

/* The same of SOFTMAX_ROWS rows of few channels, turned to one array a channel: vector code in
 * every step, the same order in every sum. */
#define SOFTMAX_ROWS 64
SM_INLINE void softmax_turned(const float *x, float *y, const size_t c)
{
	float v[4][SOFTMAX_ROWS];
	for (size_t i = 0; i < SOFTMAX_ROWS; i++)
		for (size_t k = 0; k < c; k++)
			v[k][i] = x[i * c + k];
	for (size_t i = 0; i < SOFTMAX_ROWS; i++) {
		float top = v[0][i];
		for (size_t k = 1; k < c; k++)
			top = v[k][i] > top ? v[k][i] : top;
		for (size_t k = 0; k < c; k++)
			v[k][i] -= top;
	}
	for (size_t k = 0; k < c; k++)
		for (size_t i = 0; i < SOFTMAX_ROWS; i++)
			v[k][i] = vm_exp(v[k][i]);
	for (size_t i = 0; i < SOFTMAX_ROWS; i++) {
		float sum = 0;
		for (size_t k = 0; k < c; k++)
			sum += v[k][i];
		sum = 1.0f / sum;
		for (size_t k = 0; k < c; k++)
			v[k][i] *= sum;
	}
	for (size_t i = 0; i < SOFTMAX_ROWS; i++)
		for (size_t k = 0; k < c; k++)
			y[i * c + k] = v[k][i];
}

/* The exponentials of some rows in one go, and the usual numbers of channels as constants. */
SM_CLONES static void softmax_rows(const float *x, float *y, size_t rows, size_t c)
{
	bool whole = rows == SOFTMAX_ROWS;
	if (whole && c == 2)
		softmax_turned(x, y, 2);
	else if (whole && c == 3)
		softmax_turned(x, y, 3);
	else if (whole && c == 4)
		softmax_turned(x, y, 4);
	else
		softmax_of(x, y, rows, c);
}

static enum sm_status softmax_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(r->graph, r->node);
	size_t rows = op_rows(s), c = (size_t)s.c, some = SOFTMAX_ROWS;
	OP_FOR(rows / some, r->threads)
	for (size_t i = 0; i < rows; i += some)
		softmax_rows(r->x[0] + i * c, r->y + i * c, rows - i < some ? rows - i : some, c);
	return SM_OK;
}

/* gx = y (gy - sum_k gy_k y_k) */
static enum sm_status softmax_backward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(r->graph, r->node);
	size_t rows = op_rows(s), c = (size_t)s.c;
	bool acc = r->node->acc[0];
	OP_FOR(rows, r->threads)
	for (size_t i = 0; i < rows; i++) {
		const float *y = r->y + i * c, *gy = r->gy + i * c;
		float *gx = r->gx[0] + i * c, dot = 0;
		for (size_t k = 0; k < c; k++)
			dot += gy[k] * y[k];
		for (size_t k = 0; k < c; k++)
			gx[k] = (acc ? gx[k] : 0) + y[k] * (gy[k] - dot);
	}
	return SM_OK;
}

const struct op_impl op_softmax = {
    .shape = act_shape, .forward = softmax_forward, .backward = softmax_backward};

/* ---- add ---- */

static enum sm_status add_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
				struct sm_err *err)
{
	struct sm_shape a = op_in_shape(g, n, 0), b = op_in_shape(g, n, 1);
	if (memcmp(&a, &b, sizeof a) != 0)
		return SM_FAIL(err, SM_USAGE,
			       "add: shapes %dx%dx%dx%dx%d and %dx%dx%dx%dx%d differ", a.n, a.d,
			       a.h, a.w, a.c, b.n, b.d, b.h, b.w, b.c);
	*out = a;
	return SM_OK;
}

static enum sm_status add_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	size_t count = r->graph->tensor[r->node->out].count;
	OP_FOR(count / CHUNK, r->threads)
	for (size_t i = 0; i < count; i += CHUNK)
		add_two(r, i, count - i < CHUNK ? count - i : CHUNK);
	return SM_OK;
}

static enum sm_status add_backward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	size_t count = r->graph->tensor[r->node->out].count;
	for (int k = 0; k < 2; k++) {
		if (!r->gx[k])
			continue;
		if (r->node->acc[k])
			elem_add(r->gx[k], r->xe[k], r->gy, r->ye, count, r->threads);
		else if (r->gx[k] != r->gy)
			elem_convert(r->gx[k], r->xe[k], r->gy, r->ye, count, r->threads);
	}
	return SM_OK;
}

const struct op_impl op_add = {
    .shape = add_shape, .forward = add_forward, .backward = add_backward, .again = add_forward};

/* ---- detach ---- */

static enum sm_status detach_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	elem_convert(r->y, r->ye, r->x[0], r->xe[0], r->graph->tensor[r->node->out].count,
		     r->threads);
	return SM_OK;
}

const struct op_impl op_detach = {.shape = same_shape, .forward = detach_forward};

/* ---- dropout: one random stream for each 4096 elements, named by layer, step and place ---- */

#define DROP_CHUNK ((size_t)4096)

static enum sm_status dropout_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
				    struct sm_err *err)
{
	float rate = n->attr.value[0];
	if (!(rate >= 0 && rate < 1))
		return SM_FAIL(err, SM_USAGE, "dropout: rate %g, must be in [0, 1)", (double)rate);
	return same_shape(g, n, out, err);
}

static enum sm_status dropout_prepare(const struct op_env *env, struct node *n, struct sm_err *err)
{
	(void)err;
	n->save = env->opt->train || env->opt->live_dropout ? env->graph->tensor[n->out].count : 0;
	return SM_OK;
}

#define DROP_BLOCKS ((size_t)64)

/* One round of Philox on DROP_BLOCKS counters; a function of its own, lest gcc joins rounds to one
 * scalar loop. */
SM_CLONES __attribute__((noinline)) static void mix(uint32_t *restrict c0, uint32_t *restrict c1,
						    uint32_t *restrict c2, uint32_t *restrict c3,
						    uint32_t k0, uint32_t k1)
{
#pragma omp simd
	for (size_t i = 0; i < DROP_BLOCKS; i++) {
		uint64_t p0 = (uint64_t)0xD2511F53u * c0[i], p1 = (uint64_t)0xCD9E8D57u * c2[i];
		c0[i] = (uint32_t)(p1 >> 32) ^ c1[i] ^ k0;
		c2[i] = (uint32_t)(p0 >> 32) ^ c3[i] ^ k1;
		c1[i] = (uint32_t)p1;
		c3[i] = (uint32_t)p0;
	}
}

/* Words of a stream (core/rng.h) from block `at` on, DROP_BLOCKS blocks of four: what sm_rng_u32
 * draws one by one. */
static void words(const struct sm_rng *rng, uint32_t at, uint32_t *restrict out)
{
	uint32_t c0[DROP_BLOCKS], c1[DROP_BLOCKS], c2[DROP_BLOCKS], c3[DROP_BLOCKS];
	uint32_t k0 = rng->key[0], k1 = rng->key[1];
	for (size_t i = 0; i < DROP_BLOCKS; i++) {
		c0[i] = at + (uint32_t)i;
		c1[i] = 0;
		c2[i] = rng->ctr[2];
		c3[i] = rng->ctr[3];
	}
	for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
		mix(c0, c1, c2, c3, k0, k1);
	for (size_t i = 0; i < DROP_BLOCKS; i++) {
		out[4 * i] = c0[i];
		out[4 * i + 1] = c1[i];
		out[4 * i + 2] = c2[i];
		out[4 * i + 3] = c3[i];
	}
}

/* Keeps what sm_rng_f32 would draw at or above the rate; as whole numbers, since 24 bits of a word
 * are drawn. Values are made before they are chosen: gcc vectorises no product in a branch. */
SM_CLONES static void drop(const struct op_run *r, const uint32_t *restrict word, size_t at,
			   unsigned char *restrict keep, size_t n, float rate)
{
	float bx[4 * DROP_BLOCKS], by[4 * DROP_BLOCKS];
	const float *x = elem_read(r->x[0], r->xe[0], at, n, bx);
	float *y = elem_begin(r->y, r->ye, at, by);
	float scale = 1.0f / (1.0f - rate);
	int32_t least = (int32_t)ceil((double)rate * 0x1p24), stays[4 * DROP_BLOCKS];
#pragma omp simd
	for (size_t i = 0; i < n; i++) {
		float v = x[i] * scale;
		stays[i] = (int32_t)(word[i] >> 8) >= least;
		y[i] = stays[i] ? v : 0.0f;
	}
	for (size_t i = 0; i < n; i++)
		keep[i] = (unsigned char)stays[i];
	elem_end(r->y, r->ye, at, n, y);
}

/* n is at most 4 * DROP_BLOCKS. */
SM_CLONES static void drop_back(const struct op_run *r, const unsigned char *restrict keep,
				size_t at, size_t n, float rate)
{
	float bg[4 * DROP_BLOCKS], bx[4 * DROP_BLOCKS];
	bool acc = r->node->acc[0];
	const float *gy = elem_read(r->gy, r->ye, at, n, bg);
	float *gx = acc ? elem_modify(r->gx[0], r->xe[0], at, n, bx)
			: elem_begin(r->gx[0], r->xe[0], at, bx);
	float scale = 1.0f / (1.0f - rate);
	int32_t stays[4 * DROP_BLOCKS];
	for (size_t i = 0; i < n; i++)
		stays[i] = keep[i];
#pragma omp simd
	for (size_t i = 0; i < n; i++) {
		float v = gy[i] * scale, old = acc ? gx[i] : 0.0f;
		gx[i] = old + (stays[i] ? v : 0.0f);
	}
	elem_end(r->gx[0], r->xe[0], at, n, gx);
}

static enum sm_status dropout_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	size_t count = r->graph->tensor[r->node->out].count;
	if (!r->train) {
		if (r->y != r->x[0])
			elem_convert(r->y, r->ye, r->x[0], r->xe[0], count, r->threads);
		return SM_OK;
	}
	unsigned char *keep = r->save;
	OP_FOR(count / DROP_CHUNK, r->threads)
	for (size_t i = 0; i < count; i += DROP_CHUNK) {
		size_t end = i + DROP_CHUNK < count ? i + DROP_CHUNK : count;
		uint32_t word[4 * DROP_BLOCKS];
		struct sm_rng rng;
		sm_rng_init(&rng, r->seed, "dropout", r->node->name, r->step, i / DROP_CHUNK);
		for (size_t k = i, n; k < end; k += n) {
			n = end - k < 4 * DROP_BLOCKS ? end - k : 4 * DROP_BLOCKS;
			words(&rng, (uint32_t)((k - i) / 4), word);
			drop(r, word, k, keep + k, n, r->node->attr.value[0]);
		}
	}
	return SM_OK;
}

static enum sm_status dropout_backward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	size_t count = r->graph->tensor[r->node->out].count;
	const unsigned char *keep = r->save;
	OP_FOR(count / DROP_CHUNK, r->threads)
	for (size_t i = 0; i < count; i += DROP_CHUNK)
		for (size_t k = i, n; k < i + DROP_CHUNK && k < count; k += n) {
			n = count - k < 4 * DROP_BLOCKS ? count - k : 4 * DROP_BLOCKS;
			drop_back(r, keep + k, k, n, r->node->attr.value[0]);
		}
	return SM_OK;
}

const struct op_impl op_dropout = {.shape = dropout_shape,
				   .prepare = dropout_prepare,
				   .forward = dropout_forward,
				   .backward = dropout_backward,
				   .again = dropout_forward};

/* ---- concat over channels ---- */

static enum sm_status concat_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
				   struct sm_err *err)
{
	struct sm_shape a = op_in_shape(g, n, 0);
	for (int i = 1; i < n->nin; i++) {
		struct sm_shape b = op_in_shape(g, n, i);
		if (a.n != b.n || a.d != b.d || a.h != b.h || a.w != b.w)
			return SM_FAIL(err, SM_USAGE,
				       "concat: input 0 is %dx%dx%dx%d, input %d is %dx%dx%dx%d",
				       a.n, a.d, a.h, a.w, i, b.n, b.d, b.h, b.w);
		if (b.c > INT32_MAX - a.c)
			return SM_FAIL(err, SM_USAGE, "concat: too many channels");
		a.c += b.c;
	}
	*out = a;
	return SM_OK;
}

/* Rows of a tensor: values from `at` on, ld from one row to the next. */
struct rows {
	void *p;
	enum elem e;
	size_t at, ld;
};

/* Copies rows of n values. */
static void copy_rows(struct rows to, struct rows from, size_t n, size_t rows, bool large)
{
	size_t size = elem_size(to.e), words = n * size / sizeof(float);
	bool stream = large && to.e == from.e && n * size % 64 == 0 && to.ld * size % 64 == 0 &&
		      stream_fits(elem_at(to.p, to.e, to.at), words);
	for (size_t i = 0; i < rows; i++, to.at += to.ld, from.at += from.ld)
		if (stream)
			stream_copy(elem_at(to.p, to.e, to.at), elem_at(from.p, from.e, from.at),
				    words);
		else
			elem_move(to.p, to.e, to.at, from.p, from.e, from.at, n);
	if (stream)
		stream_end();
}

SM_CLONES static void add_rows(struct rows to, struct rows from, size_t n, size_t rows)
{
	float a[CHUNK], b[CHUNK];
	for (size_t i = 0; i < rows; i++, to.at += to.ld, from.at += from.ld)
		for (size_t j = 0, m; j < n; j += m) {
			m = n - j < CHUNK ? n - j : CHUNK;
			float *dst = elem_modify(to.p, to.e, to.at + j, m, a);
			const float *src = elem_read(from.p, from.e, from.at + j, m, b);
			for (size_t k = 0; k < m; k++)
				dst[k] += src[k];
			elem_end(to.p, to.e, to.at + j, m, dst);
		}
}

/* All inputs' part of a block of rows together, so that whole lines of y are written at once. */
static enum sm_status concat_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(r->graph, r->node);
	size_t rows = op_rows(s), ld = (size_t)s.c;
	bool large = rows * ld >= STREAM_MIN;
	OP_FOR(rows / ROWS, r->threads)
	for (size_t i = 0; i < rows; i += ROWS) {
		size_t n = rows - i < ROWS ? rows - i : ROWS, at = 0;
		for (int k = 0; k < r->node->nin; k++) {
			size_t c = (size_t)op_in_shape(r->graph, r->node, k).c;
			copy_rows((struct rows){r->y, r->ye, i * ld + at, ld},
				  (struct rows){(void *)r->x[k], r->xe[k], i * c, c}, c, n, large);
			at += c;
		}
	}
	return SM_OK;
}

static enum sm_status concat_backward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(r->graph, r->node);
	size_t rows = op_rows(s), ld = (size_t)s.c;
	bool large = rows * ld >= STREAM_MIN;
	OP_FOR(rows / ROWS, r->threads)
	for (size_t i = 0; i < rows; i += ROWS) {
		size_t n = rows - i < ROWS ? rows - i : ROWS, at = 0;
		for (int k = 0; k < r->node->nin; k++) {
			size_t c = (size_t)op_in_shape(r->graph, r->node, k).c;
			struct rows gy = {r->gy, r->ye, i * ld + at, ld};
			struct rows gx = {r->gx[k], r->xe[k], i * c, c};
			at += c;
			if (!r->gx[k])
				continue;
			if (r->node->acc[k])
				add_rows(gx, gy, c, n);
			else
				copy_rows(gx, gy, c, n, large);
		}
	}
	return SM_OK;
}

const struct op_impl op_concat = {
    .shape = concat_shape,
    .forward = concat_forward,
    .backward = concat_backward,
    .again = concat_forward};
