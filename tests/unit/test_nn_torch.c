/* SPDX-License-Identifier: Apache-2.0 */
/* Every gradient case of the operators (losses: test_nn_loss.c) against PyTorch's numbers. */
#include "tests/unit/nn_cases.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define GOLDEN "tests/golden/ops.txt"

/* The hash of scripts/golden_ops.py. */
static float hashed(uint32_t v)
{
	v = (v ^ 61u) ^ (v >> 16);
	v *= 9u;
	v ^= v >> 4;
	v *= 0x27D4EB2Du;
	v ^= v >> 15;
	return (float)(v >> 8) / 16777216.0f;
}

static void fill(float *x, size_t n, uint32_t start, float scale, float shift)
{
	for (size_t i = 0; x && i < n; i++)
		x[i] = hashed(start + (uint32_t)i) * scale + shift;
}

static struct sm_net *make(const struct grad_case *c, const char *kernel)
{
	struct sm_graph *g = sm_graph_create();
	int x[2] = {nn_variable(g, "x0", c->shape[0]), -1};
	if (c->inputs > 1)
		x[1] = nn_variable(g, "x1", c->shape[1]);
	int y = sm_g_output(g, c->build(g, x), "y");
	struct sm_shape s = sm_graph_shape(g, y);
	/* The sum over all values. */
	sm_g_loss_bce(g, y, sm_g_input(g, "t", s), (float)sm_shape_count(s));
	struct sm_net_opt opt = {.train = true, .threads = 2, .kernel = kernel};
	struct sm_net *net = NULL;
	struct sm_err err = {0};
	if (sm_net_plan(g, &opt, &net, &err) != SM_OK || sm_net_alloc(net, NULL, &err) != SM_OK)
		fail_msg("%s %s: %s", op_row(c->kind)->name, c->name, err.text);
	size_t count;
	const struct sm_param *p = sm_net_params(net, &count);
	for (size_t i = 0; i < count; i++)
		fill(sm_net_weights(net) + p[i].offset, p[i].count, 1000000 * ((uint32_t)i + 5), 2,
		     -1);
	for (int i = 0; i < c->inputs; i++)
		fill(net->g->tensor[x[i]].a, net->g->tensor[x[i]].count,
		     1000000 * ((uint32_t)i + 1), 4, -2);
	fill(sm_net_buffer(net, "t", NULL), sm_shape_count(s), 9000000, 1, 0);
	nn_loss_of(net);
	return net;
}

/* What a golden line is about: y, x0, x1 (gradients), w0, w1. */
static const float *values(struct sm_net *net, const char *what, size_t *n)
{
	size_t count;
	const struct sm_param *p = sm_net_params(net, &count);
	size_t k = (size_t)(what[1] - '0');
	if (what[0] == 'w' && k < count) {
		*n = p[k].count;
		return sm_net_gradients(net) + p[k].offset;
	}
	for (int i = 0; i < net->g->tensors; i++) {
		const struct tensor *t = &net->g->tensor[i];
		if (!t->name || strcmp(t->name, what) != 0)
			continue;
		*n = t->count;
		return what[0] == 'y' ? t->a : t->g;
	}
	return NULL;
}

static void check(struct sm_net *net, const char *label, const char *what, const char *numbers)
{
	size_t want_n, n = 0;
	double norm, v[5], sum = 0;
	if (sscanf(numbers, "%zu %lf %lf %lf %lf %lf %lf", &want_n, &norm, &v[0], &v[1], &v[2],
		   &v[3], &v[4]) != 7)
		fail_msg("bad golden line of %s", label);
	const float *got = values(net, what, &n);
	if (!got || n != want_n)
		fail_msg("%s: %s has %zu values, PyTorch %zu", label, what, n, want_n);
	double rms = norm / sqrt((double)n);
	for (size_t i = 0; i < n; i++)
		sum += (double)got[i] * (double)got[i];
	if (!(fabs(sqrt(sum) - norm) <= 5e-6 * norm))
		fail_msg("%s: norm of %s %.9g, PyTorch %.9g", label, what, sqrt(sum), norm);
	for (int q = 0; q < 5; q++)
		if (!(fabs((double)got[q * n / 5] - v[q]) <= 1e-5 * (rms + fabs(v[q]))))
			fail_msg("%s: %s[%zu] is %.9g, PyTorch %.9g", label, what, q * n / 5,
				 (double)got[q * n / 5], v[q]);
}

/* Compares one case; returns the number of golden lines it has. */
static int compare(const struct grad_case *c, const char *kernel)
{
	char label[96], line[512];
	int lines = 0;
	snprintf(label, sizeof label, "%s/%s", op_row(c->kind)->name, c->name);
	for (char *p = label; *p; p++)
		*p = *p == ' ' ? '_' : *p;
	struct sm_net *net = make(c, kernel);
	FILE *f = fopen(GOLDEN, "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		char name[96], what[8];
		int used = 0;
		if (sscanf(line, "%95s %7s%n", name, what, &used) != 2 || strcmp(name, label) != 0)
			continue;
		check(net, label, what, line + used);
		lines++;
	}
	fclose(f);
	sm_net_free(net);
	return lines;
}

static void test_operators_equal_pytorch(void **state)
{
	(void)state;
	for (size_t i = 0; i < nn_case_count; i++) {
		const struct grad_case *c = &nn_cases[i];
		/* Dropout's mask is ours alone. */
		if (c->kind == OP_KIND_dropout || (op_row(c->kind)->flags & OP_LOSS))
			continue;
		if (!compare(c, NULL))
			fail_msg("no golden line for %s/%s", op_row(c->kind)->name, c->name);
		if (op_row(c->kind)->flags & OP_KERNEL)
			compare(c, "portable");
	}
}

int main(int argc, char **argv)
{
	(void)argc;
	sm_nn_prepare_process(argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_operators_equal_pytorch),
	};
	return run_tap(tests);
}
