/* SPDX-License-Identifier: Apache-2.0 */
/* Every row of the operators' table: float64 reference and finite differences of it, alone and with
 * its input used twice (sums of gradients), and 1 and 2 threads bit for bit. A row without a case
 * fails. */
#include "tests/unit/nn_cases.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 0 or 1: of a softmax one channel a voxel, else any. */
static void fill_target(float *t, struct sm_shape s, bool one)
{
	for (size_t i = 0; i < sm_shape_count(s); i++) {
		size_t row = i / s.c, c = i % s.c, which = row * 7 / 3;
		t[i] = (one ? which % s.c == c : (row * 5 + c * 3) % 7 < 3) ? 1.0f : 0.0f;
	}
}

/* The case's operator (twice = two uses of the same input, added) before a smooth loss. */
static struct sm_net *make(const struct grad_case *c, bool twice, int threads, const char *kernel)
{
	struct sm_graph *g = sm_graph_create();
	bool loss = op_row(c->kind)->flags & OP_LOSS;
	int x[2] = {nn_variable(g, "x0", c->shape[0]), -1};
	if (c->inputs > 1)
		x[1] = loss ? sm_g_input(g, "x1", c->shape[1]) : nn_variable(g, "x1", c->shape[1]);
	int y = c->build(g, x);
	if (twice && loss) {
		struct node n = g->node[g->nodes - 1];
		graph_add(g, n.kind, NULL, n.in, n.nin, &n.attr);
	} else if (twice) {
		y = sm_g_add(g, y, c->build(g, x));
	}
	if (!loss) {
		struct sm_shape s = sm_graph_shape(g, y);
		sm_g_output(g, y, "y");
		int t = sm_g_input(g, "t", s);
		sm_g_loss_bce(g, y, t, (float)(sm_shape_count(s) / s.n * s.n));
	}
	struct sm_net_opt opt = {.train = true, .threads = threads, .seed = 5, .kernel = kernel};
	struct sm_net *net = NULL;
	struct sm_err err = {0};
	if (sm_net_plan(g, &opt, &net, &err) != SM_OK || sm_net_alloc(net, NULL, &err) != SM_OK)
		fail_msg("%s %s: %s", op_row(c->kind)->name, c->name, err.text);
	sm_net_init(net, 3);
	for (size_t i = 0; i < sm_net_weight_count(net); i++)
		sm_net_weights(net)[i] += 0.1f * (float)(i % 7) - 0.3f;
	static const char *const names[] = {"x0", "x1", "t"};
	for (int i = 0; i < 3; i++) {
		struct sm_shape s;
		float *p = sm_net_buffer(net, names[i], &s);
		if (p)
			nn_fill_apart(p, sm_shape_count(s), 17, names[i]);
		p = sm_net_buffer(net, "target", &s);
		if (p)
			fill_target(p, s,
				    net->g->node[net->g->nodes - 1].attr.loss.act == LOSS_SOFTMAX);
	}
	return net;
}

/* Largest |numeric - analytic| over p[0..n), against the largest analytic value. */
static void compare(struct sm_net *net, const struct grad_case *c, const char *what, float *p,
		    const float *grad, size_t n)
{
	float *g = malloc(n * sizeof *g), worst = 0, top = 0;
	const float eps = 0.01f;
	memcpy(g, grad, n * sizeof *g);
	for (size_t i = 0; i < n; i++) {
		float keep = p[i];
		p[i] = keep + eps;
		double up = nn_loss_of(net), span = (double)p[i];
		p[i] = keep - eps;
		double down = nn_loss_of(net);
		span -= (double)p[i];
		p[i] = keep;
		float numeric = (float)((up - down) / span), d = fabsf(numeric - g[i]);
		worst = d > worst ? d : worst;
		top = fabsf(g[i]) > top ? fabsf(g[i]) : top;
	}
	free(g);
	if (!(worst <= 3e-3f * top + 1e-4f))
		fail_msg("%s %s: gradient of %s off by %g of %g", op_row(c->kind)->name, c->name,
			 what, (double)worst, (double)top);
	if (!(top > 1e-3f))
		fail_msg("%s %s: gradient of %s is all zero", op_row(c->kind)->name, c->name, what);
}

/* The case in float64. */
struct reference {
	struct sm_net *net;
	const struct node *n;
	struct nn_values v;
	const float *mask, *t;
	size_t count; /* of y */
	double uses;  /* 1, or 2 when the output is the sum of two uses */
};

static double *doubles(const float *x, size_t n)
{
	double *d = malloc(n * sizeof *d);
	for (size_t i = 0; i < n; i++)
		d[i] = (double)x[i];
	return d;
}

static bool reference_open(struct reference *r, struct sm_net *net, enum op_kind kind)
{
	struct sm_graph *g = net->g;
	*r = (struct reference){.net = net};
	for (int i = 0; i < g->nodes && !r->n; i++)
		r->n = g->node[i].kind == kind ? &g->node[i] : NULL;
	for (int k = 0; k < r->n->nin; k++)
		r->v.x[k] = doubles(g->tensor[r->n->in[k]].a, g->tensor[r->n->in[k]].count);
	for (int k = 0; k < 2; k++)
		if (r->n->param[k] >= 0) {
			const struct sm_param *p = &g->param[r->n->param[k]].pub;
			r->v.w[k] = doubles(net->weights + p->offset, p->count);
		}
	r->count = g->tensor[r->n->out].count;
	r->v.y = calloc(r->count, sizeof *r->v.y);
	r->mask = sm_net_buffer(net, "y", NULL);
	r->t = sm_net_buffer(net, "t", NULL);
	return nn_reference(g, r->n, r->mask, &r->v);
}

static void reference_close(struct reference *r)
{
	for (int k = 0; k < 2; k++) {
		free(r->v.x[k]);
		free(r->v.w[k]);
	}
	free(r->v.y);
}

static double reference_loss(const struct reference *r)
{
	double sum = 0;
	nn_reference(r->net->g, r->n, r->mask, &r->v);
	for (size_t i = 0; i < r->count; i++) {
		double y = r->uses * r->v.y[i];
		if (op_row(r->n->kind)->flags & OP_LOSS)
			sum += y * (double)r->n->attr.value[0] / (double)r->count;
		else
			sum += fmax(y, 0) - y * (double)r->t[i] + log1p(exp(-fabs(y)));
	}
	return sum;
}

/* The engine's gradient against central differences of the reference. */
static void compare_reference(const struct reference *r, const char *what, double *p,
			      const float *grad, size_t n)
{
	double worst = 0, top = 0;
	for (size_t i = 0; i < n; i++) {
		double keep = p[i], eps = 1e-5;
		p[i] = keep + eps;
		double up = reference_loss(r);
		p[i] = keep - eps;
		double want = (up - reference_loss(r)) / (2 * eps);
		p[i] = keep;
		worst = fmax(worst, fabs(want - (double)grad[i]));
		top = fmax(top, fabs(want));
	}
	if (!(worst <= 2e-5 * top + 1e-7))
		fail_msg("%s: gradient of %s off by %g of %g against float64",
			 op_row(r->n->kind)->name, what, worst, top);
}

static void check_reference(const struct grad_case *c, bool twice, const char *kernel)
{
	struct sm_net *net = make(c, twice, 2, kernel);
	double loss = nn_loss_of(net);
	struct reference r;
	if (!reference_open(&r, net, c->kind))
		fail_msg("operator %s has no float64 reference", op_row(c->kind)->name);
	r.uses = twice ? 2 : 1;
	double want = reference_loss(&r);
	if (!(fabs(loss - want) <= 2e-6 * fabs(want) + 1e-9))
		fail_msg("%s %s: loss %.9g, float64 %.9g", op_row(c->kind)->name, c->name, loss,
			 want);
	for (size_t i = 0; r.mask && i < r.count; i++)
		if (!(fabs((double)r.mask[i] - r.uses * r.v.y[i]) <= 1e-5 * (1 + fabs(r.v.y[i]))))
			fail_msg("%s %s: output %zu is %.9g, float64 %.9g", op_row(c->kind)->name,
				 c->name, i, (double)r.mask[i], r.uses * r.v.y[i]);
	for (int k = 0; k < r.n->nin; k++) {
		const struct tensor *t = &net->g->tensor[r.n->in[k]];
		if (t->gets_grad)
			compare_reference(&r, t->name, r.v.x[k], t->g, t->count);
	}
	for (int k = 0; k < 2; k++)
		if (r.n->param[k] >= 0) {
			const struct sm_param *p = &net->g->param[r.n->param[k]].pub;
			compare_reference(&r, p->name, r.v.w[k], net->grads + p->offset, p->count);
		}
	reference_close(&r);
	sm_net_free(net);
}

static void check_case(const struct grad_case *c)
{
	struct sm_net *net = make(c, true, 2, NULL);
	nn_loss_of(net);
	for (int i = 0; i < net->g->tensors; i++) {
		struct tensor *t = &net->g->tensor[i];
		if (!t->gets_grad || net->g->node[t->producer].kind != OP_KIND_input)
			continue;
		nn_loss_of(net);
		compare(net, c, t->name, t->a, t->g, t->count);
	}
	size_t count;
	const struct sm_param *p = sm_net_params(net, &count);
	for (size_t i = 0; i < count; i++) {
		nn_loss_of(net);
		compare(net, c, p[i].name, sm_net_weights(net) + p[i].offset,
			sm_net_gradients(net) + p[i].offset, p[i].count);
	}
	sm_net_free(net);
}

static void test_every_row_has_a_case(void **state)
{
	(void)state;
	for (int k = 0; k < OP_KINDS; k++) {
		int found = k == OP_KIND_input;
		for (size_t i = 0; i < nn_case_count; i++)
			found += (int)nn_cases[i].kind == k;
		if (!found)
			fail_msg("operator %s has no case", op_row(k)->name);
		assert_true((op_row(k)->impl->backward == NULL) ==
			    !!(op_row(k)->flags & OP_NO_GRAD));
	}
}

static void test_operators_equal_their_float64_reference(void **state)
{
	(void)state;
	for (size_t i = 0; i < nn_case_count; i++) {
		check_reference(&nn_cases[i], false, NULL);
		if (op_row(nn_cases[i].kind)->flags & OP_KERNEL)
			check_reference(&nn_cases[i], false, "portable");
	}
}

/* The same operator twice on one input. Of losses, whose sum it is, the gradient doubles; dropout
 * has two masks and is compared with finite differences of itself. */
static void test_gradients_add_up_over_two_uses(void **state)
{
	(void)state;
	for (size_t i = 0; i < nn_case_count; i++) {
		if (!(op_row(nn_cases[i].kind)->flags & OP_LOSS)) {
			if (nn_cases[i].kind == OP_KIND_dropout)
				check_case(&nn_cases[i]);
			else
				check_reference(&nn_cases[i], true, NULL);
			continue;
		}
		struct sm_net *a = make(&nn_cases[i], false, 2, NULL),
			      *b = make(&nn_cases[i], true, 2, NULL);
		assert_true(2 * nn_loss_of(a) == nn_loss_of(b));
		const struct tensor *p = &a->g->tensor[0], *q = &b->g->tensor[0];
		for (size_t k = 0; k < p->count; k++)
			assert_true(2 * p->g[k] == q->g[k]);
		sm_net_free(a);
		sm_net_free(b);
	}
}

static void test_threads_do_not_change_a_bit(void **state)
{
	(void)state;
	/* Of each case the kernels of the rule, of convolutions the portable ones, too. */
	for (size_t i = 0; i < 2 * nn_case_count; i++) {
		const struct grad_case *c = &nn_cases[i / 2];
		const char *kernel = i % 2 ? "portable" : NULL;
		if (kernel && !(op_row(c->kind)->flags & OP_KERNEL))
			continue;
		struct sm_net *a = make(c, true, 1, kernel);
		struct sm_net *b = make(c, true, 2, kernel);
		assert_true(nn_loss_of(a) == nn_loss_of(b));
		for (int t = 0; t < a->g->tensors; t++) {
			const struct tensor *p = &a->g->tensor[t], *q = &b->g->tensor[t];
			if (p->is_output)
				assert_memory_equal(p->a, q->a, p->count * sizeof(float));
			if (p->gets_grad && a->g->node[p->producer].kind == OP_KIND_input)
				assert_memory_equal(p->g, q->g, p->count * sizeof(float));
		}
		if (a->g->param_count)
			assert_memory_equal(a->grads, b->grads, a->g->param_count * sizeof(float));
		sm_net_free(a);
		sm_net_free(b);
	}
}

int main(int argc, char **argv)
{
	(void)argc;
	sm_nn_prepare_process(argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_row_has_a_case),
		cmocka_unit_test(test_operators_equal_their_float64_reference),
		cmocka_unit_test(test_gradients_add_up_over_two_uses),
		cmocka_unit_test(test_threads_do_not_change_a_bit),
	};
	return run_tap(tests);
}
