/* SPDX-License-Identifier: Apache-2.0 */
/* What stands between the convolutions: fused norms, pools and concats of all widths against plain
 * loops, and memory plans that share blocks or forget values against plans that do not, bit for
 * bit. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "tests/unit/nn_cases.h"

/* Numbers of all signs with some equal ones. */
static void fill(float *x, size_t n, const char *what, float base)
{
	struct sm_rng rng;
	sm_rng_init(&rng, 11, "test", what, 0, 0);
	for (size_t i = 0; i < n; i++)
		x[i] = base + floorf(sm_rng_f32(&rng) * 512) / 64 - 4;
}

static struct sm_net *ready(struct sm_graph *g, int threads, bool recompute)
{
	struct sm_net_opt opt = {
	    .train = true, .threads = threads, .seed = 5, .recompute = recompute ? SM_RECOMPUTE_CHEAP : SM_RECOMPUTE_NOTHING};
	struct sm_net *net = NULL;
	struct sm_err err = {0};
	assert_good(sm_net_plan(g, &opt, &net, &err), err);
	assert_good(sm_net_alloc(net, NULL, &err), err);
	sm_net_init(net, 3);
	for (size_t i = 0; i < sm_net_weight_count(net); i++)
		sm_net_weights(net)[i] += 0.1f * (float)(i % 5) - 0.2f;
	for (int i = 0; i < net->g->tensors; i++) {
		struct tensor *t = &net->g->tensor[i];
		if (net->g->node[t->producer].kind == OP_KIND_input)
			fill(t->a, t->count, t->name, 0);
	}
	return net;
}

/* Behind a layer of few channels: losses have a bound on theirs. */
static void loss_on(struct sm_graph *g, int y)
{
	y = sm_g_conv(g, y, "last", (struct sm_conv){.out = 3});
	sm_g_loss(g, &(struct sm_loss_opt){.name = "bce"},
		  &(struct sm_heads){.logits = {y}, .count = 1, .prob = y});
}

/* Loss, gradients of parameters and of the first input. */
struct result {
	double loss;
	float *gw, *gx;
	size_t nw, nx;
};

static struct result run(struct sm_net *net)
{
	struct result r = {.loss = nn_loss_of(net), .nw = sm_net_weight_count(net)};
	const struct tensor *x = &net->g->tensor[0];
	r.gw = malloc((r.nw + 1) * sizeof(float));
	memcpy(r.gw, sm_net_gradients(net), r.nw * sizeof(float));
	r.nx = x->gets_grad ? x->count : 0;
	r.gx = malloc((r.nx + 1) * sizeof(float));
	if (r.nx)
		memcpy(r.gx, x->g, r.nx * sizeof(float));
	sm_net_free(net);
	return r;
}

static void same(struct result a, struct result b)
{
	assert_true(a.loss == b.loss && isfinite(a.loss));
	assert_int_equal(a.nw, b.nw);
	assert_int_equal(a.nx, b.nx);
	assert_memory_equal(a.gw, b.gw, a.nw * sizeof(float));
	assert_memory_equal(a.gx, b.gx, a.nx * sizeof(float));
	free(a.gw);
	free(a.gx);
	free(b.gw);
	free(b.gx);
}

static struct result norm_step(struct sm_shape s, bool batch, enum sm_fuse fuse, bool one,
			       int threads)
{
	struct sm_graph *g = sm_graph_create();
	int x = nn_variable(g, "x", s);
	struct sm_norm n = {.batch = batch,
			    .eps = 1e-3f,
			    .momentum = 0.1f,
			    .fuse = one ? fuse : SM_FUSE_NONE,
			    .slope = 0.1f};
	int y = sm_g_norm(g, x, "n", n);
	if (!one)
		y = fuse == SM_FUSE_RELU ? sm_g_relu(g, y) : sm_g_leaky_relu(g, y, 0.1f);
	loss_on(g, y);
	return run(ready(g, threads, false));
}

/* Widths below, at and above a line; the last is larger than the buffer of a streamed line. */
static void test_norm_with_activation_equals_two_operators(void **state)
{
	(void)state;
	static const struct sm_shape shape[] = {{2, 2, 5, 7, 3},   {2, 3, 5, 7, 16},
						{1, 3, 9, 11, 48}, {2, 1, 3, 5, 130},
						{1, 1, 2, 3, 2051}, {1, 4, 129, 131, 16}};
	for (size_t i = 0; i < sizeof shape / sizeof *shape; i++)
		for (int batch = 0; batch < 2; batch++)
			for (int f = SM_FUSE_RELU; f <= SM_FUSE_LEAKY_RELU; f++) {
				same(norm_step(shape[i], batch, f, true, 2),
				     norm_step(shape[i], batch, f, false, 2));
				same(norm_step(shape[i], batch, f, true, 1),
				     norm_step(shape[i], batch, f, true, 2));
			}
}

/* Values near 3000 with a spread of 2: squares summed as they are would leave no digit. */
static void test_norm_of_values_far_from_zero(void **state)
{
	(void)state;
	struct sm_graph *g = sm_graph_create();
	const struct sm_shape s = {1, 8, 40, 40, 5};
	sm_g_output(g, sm_g_instance_norm(g, sm_g_input(g, "x", s), "n", 1e-5f), "y");
	struct sm_net_opt opt = {.threads = 2};
	struct sm_net *net = NULL;
	struct sm_err err = {0};
	assert_good(sm_net_plan(g, &opt, &net, &err), err);
	assert_good(sm_net_alloc(net, NULL, &err), err);
	sm_net_init(net, 1);
	float *x = sm_net_buffer(net, "x", NULL);
	const float *y = sm_net_buffer(net, "y", NULL);
	size_t rows = op_rows(s), c = (size_t)s.c;
	fill(x, rows * c, "far", 3000);
	assert_good(sm_net_forward(net, &err), err);
	for (size_t k = 0; k < c; k++) {
		double mean = 0, var = 0;
		for (size_t i = 0; i < rows; i++)
			mean += (double)x[i * c + k] / (double)rows;
		for (size_t i = 0; i < rows; i++)
			var += ((double)x[i * c + k] - mean) * ((double)x[i * c + k] - mean) /
			       (double)rows;
		for (size_t i = 0; i < rows; i++) {
			double want = ((double)x[i * c + k] - mean) / sqrt(var + 1e-5);
			assert_true(fabs((double)y[i * c + k] - want) < 2e-4);
		}
	}
	sm_net_free(net);
}

static size_t at(struct sm_shape s, int n, int d, int h, int w, int c)
{
	return ((((size_t)n * s.d + d) * s.h + h) * s.w + w) * s.c + c;
}

/* The maximum of a window and where it is: the first of equal ones, NaN before all. */
static size_t top_of(const float *x, struct sm_shape s, const int *k, int n, const int *o, int c)
{
	size_t best = at(s, n, o[0] * k[0], o[1] * k[1], o[2] * k[2], c);
	for (int d = 0; d < k[0]; d++)
		for (int h = 0; h < k[1]; h++)
			for (int w = 0; w < k[2]; w++) {
				size_t i = at(s, n, o[0] * k[0] + d, o[1] * k[1] + h,
					      o[2] * k[2] + w, c);
				if (x[i] > x[best] || (isnan(x[i]) && !isnan(x[best])))
					best = i;
			}
	return best;
}

static void check_pool(struct sm_shape s, const int *k)
{
	struct sm_graph *g = sm_graph_create();
	int x = nn_variable(g, "x", s), y = sm_g_max_pool(g, x, k[0], k[1], k[2]);
	struct sm_shape o = sm_graph_shape(g, y);
	sm_g_output(g, y, "y");
	loss_on(g, y);
	struct sm_net *net = ready(g, 2, false);
	nn_loss_of(net);
	const struct tensor *in = &net->g->tensor[x], *out = &net->g->tensor[y];
	float *want = calloc(in->count, sizeof *want);
	for (int n = 0; n < o.n; n++)
		for (int d = 0; d < o.d; d++)
			for (int h = 0; h < o.h; h++)
				for (int w = 0; w < o.w; w++)
					for (int c = 0; c < o.c; c++) {
						size_t i = at(o, n, d, h, w, c);
						size_t from = top_of(in->a, s, k, n,
								     (int[]){d, h, w}, c);
						assert_true(out->a[i] == in->a[from]);
						want[from] = out->g[i];
					}
	assert_memory_equal(in->g, want, in->count * sizeof *want);
	free(want);
	sm_net_free(net);
}

/* Widths that fill parts of the buffers, all of one, and more than one. */
static void test_pool_equals_plain_loops(void **state)
{
	(void)state;
	static const int window[][3] = {{2, 2, 2}, {1, 2, 2}, {1, 3, 5}, {2, 1, 1}};
	static const int channels[] = {1, 3, 16, 65, 700, 2500};
	for (size_t i = 0; i < sizeof window / sizeof *window; i++)
		for (size_t j = 0; j < sizeof channels / sizeof *channels; j++)
			check_pool(S(2, 2, 6, channels[j] > 100 ? 7 : 43, channels[j]), window[i]);
}

static void check_concat(struct sm_shape a, int more, bool twice)
{
	struct sm_graph *g = sm_graph_create();
	struct sm_shape b = a;
	b.c = more;
	int x[2] = {nn_variable(g, "x0", a), nn_variable(g, "x1", b)};
	int y = sm_g_concat(g, x, 2);
	sm_g_output(g, y, "y");
	loss_on(g, twice ? sm_g_add(g, y, sm_g_concat(g, x, 2)) : y);
	struct sm_net *net = ready(g, 2, false);
	nn_loss_of(net);
	const struct tensor *p = &net->g->tensor[x[0]], *q = &net->g->tensor[x[1]];
	const struct tensor *out = &net->g->tensor[y];
	size_t ca = (size_t)a.c, cb = (size_t)more, rows = op_rows(a);
	for (size_t i = 0; i < rows; i++) {
		const float *row = out->a + i * (ca + cb), *grad = out->g + i * (ca + cb);
		assert_memory_equal(row, p->a + i * ca, ca * sizeof *row);
		assert_memory_equal(row + ca, q->a + i * cb, cb * sizeof *row);
		for (size_t k = 0; k < ca + cb; k++) {
			float got = k < ca ? p->g[i * ca + k] : q->g[i * cb + k - ca];
			assert_true(got == (twice ? 2 * grad[k] : grad[k]));
		}
	}
	sm_net_free(net);
}

static void test_concat_equals_plain_loops(void **state)
{
	(void)state;
	check_concat(S(2, 1, 5, 7, 3), 6, false);
	check_concat(S(2, 1, 5, 7, 3), 6, true);
	check_concat(S(1, 4, 100, 90, 16), 16, false);
	check_concat(S(1, 4, 100, 90, 16), 16, true);
	check_concat(S(1, 4, 100, 90, 13), 19, false);
}

/* A chain of everything that may write over its input, a skip and a sum. keep: every value stays
 * readable, so that nothing is written over. */
static struct sm_net *chain(bool keep, bool recompute, int threads)
{
	struct sm_graph *g = sm_graph_create();
	int y[16], n = 0, x = nn_variable(g, "x", S(2, 4, 6, 8, 3));
	const struct sm_conv conv = {.out = 16, .k = {3, 3, 3}};
	const struct sm_norm norm = {.eps = 1e-3f, .fuse = SM_FUSE_RELU};
	y[n++] = sm_g_conv(g, x, "c0", conv);
	y[n++] = sm_g_norm(g, y[0], "n0", norm);
	y[n++] = sm_g_conv(g, y[1], "c1", conv);
	y[n++] = sm_g_norm(g, y[2], "n1", norm);
	y[n++] = sm_g_max_pool(g, y[3], 2, 2, 2);
	y[n++] = sm_g_conv(g, y[4], "c2", conv);
	y[n++] = sm_g_dropout(g, y[5], 0.3f);
	y[n++] = sm_g_leaky_relu(g, y[6], 0.1f);
	y[n++] = sm_g_upsample(g, y[7], 2, 2, 2);
	y[n++] = sm_g_concat(g, (int[]){y[3], y[8]}, 2);
	y[n++] = sm_g_conv(g, y[9], "c3", conv);
	y[n++] = sm_g_add(g, y[10], y[3]);
	y[n++] = sm_g_relu(g, y[11]);
	y[n++] = sm_g_add(g, y[12], y[12]);
	y[n++] = sm_g_sigmoid(g, sm_g_conv(g, y[13], "head", (struct sm_conv){.out = 3}));
	for (int i = 0; keep && i < n; i++) {
		char name[8];
		snprintf(name, sizeof name, "y%d", i);
		sm_g_output(g, y[i], name);
	}
	loss_on(g, y[n - 1]);
	return ready(g, threads, recompute);
}

static void test_sharing_and_forgetting_change_no_bit(void **state)
{
	(void)state;
	same(run(chain(true, false, 2)), run(chain(false, false, 2)));
	same(run(chain(true, false, 2)), run(chain(false, true, 2)));
	same(run(chain(false, true, 1)), run(chain(false, true, 2)));
}

static void test_sharing_and_forgetting_save_memory(void **state)
{
	(void)state;
	size_t arena[3];
	for (int i = 0; i < 3; i++) {
		struct sm_net *net = chain(i == 0, i == 2, 1);
		arena[i] = sm_net_forecast(net).arena;
		int over = 0, forgotten = 0;
		for (int t = 0; t < net->g->tensors; t++) {
			const struct tensor *p = &net->g->tensor[t];
			for (int k = 0; k < net->g->node[p->producer].nin; k++)
				over += p->a == net->g->tensor[net->g->node[p->producer].in[k]].a;
			forgotten += p->forget;
		}
		/* The sigmoid over the head, which has no name. */
		assert_true(i == 0 ? over == 1 : over >= 4);
		assert_true(i == 2 ? forgotten > 0 : forgotten == 0);
		sm_net_free(net);
	}
	assert_true(arena[1] < arena[0]);
	assert_true(arena[2] < arena[1]);
}

/* What is dropped is what the stream of each 4096 values says, drawn one by one. */
static void test_dropout_draws_its_stream(void **state)
{
	(void)state;
	struct sm_graph *g = sm_graph_create();
	int x = nn_variable(g, "x", S(1, 2, 13, 17, 23));
	int y = sm_g_dropout(g, x, 0.4f), node = g->tensor[y].producer;
	sm_g_output(g, y, "y");
	loss_on(g, y);
	struct sm_net *net = ready(g, 2, false);
	nn_loss_of(net); /* step 9 */
	const struct tensor *in = &net->g->tensor[x], *out = &net->g->tensor[y];
	struct sm_rng rng = {0};
	size_t dropped = 0;
	for (size_t i = 0; i < in->count; i++) {
		if (i % 4096 == 0)
			sm_rng_init(&rng, 5, "dropout", net->g->node[node].name, 9, i / 4096);
		bool keep = sm_rng_f32(&rng) >= 0.4f;
		dropped += !keep;
		assert_true(out->a[i] == (keep ? in->a[i] * (1.0f / (1.0f - 0.4f)) : 0.0f));
	}
	assert_true(dropped > in->count * 37 / 100 && dropped < in->count * 43 / 100);
	sm_net_free(net);
}

/* Rows in blocks of 64 and what is left, few channels turned and more not; a NaN takes its row. */
static void test_softmax_equals_plain_loops(void **state)
{
	(void)state;
	for (size_t c = 2; c <= 6; c++) {
		struct sm_graph *g = sm_graph_create();
		int x = nn_variable(g, "x", S(1, 2, 9, 11, (int)c)), y = sm_g_softmax(g, x);
		sm_g_output(g, y, "y");
		loss_on(g, y);
		struct sm_net *net = ready(g, 1 + (int)c % 2, false);
		net->g->tensor[x].a[70 * c + 1] = NAN;
		nn_loss_of(net);
		const struct tensor *in = &net->g->tensor[x], *out = &net->g->tensor[y];
		for (size_t i = 0; i < in->count / c; i++) {
			const float *from = in->a + i * c, *got = out->a + i * c;
			float top = from[0], sum = 0;
			for (size_t k = 1; k < c; k++)
				top = from[k] > top ? from[k] : top;
			for (size_t k = 0; k < c; k++)
				sum += vm_exp(from[k] - top);
			for (size_t k = 0; k < c; k++)
				if (i == 70)
					assert_true(isnan(got[k]));
				else
					assert_true(got[k] == vm_exp(from[k] - top) * (1.0f / sum));
		}
		sm_net_free(net);
	}
}

int main(int argc, char **argv)
{
	(void)argc;
	sm_nn_prepare_process(argv);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_norm_with_activation_equals_two_operators),
	    cmocka_unit_test(test_norm_of_values_far_from_zero),
	    cmocka_unit_test(test_pool_equals_plain_loops),
	    cmocka_unit_test(test_concat_equals_plain_loops),
	    cmocka_unit_test(test_softmax_equals_plain_loops),
	    cmocka_unit_test(test_dropout_draws_its_stream),
	    cmocka_unit_test(test_sharing_and_forgetting_change_no_bit),
	    cmocka_unit_test(test_sharing_and_forgetting_save_memory),
	};
	return run_tap(tests);
}
