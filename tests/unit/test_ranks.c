/* SPDX-License-Identifier: Apache-2.0 */
/* What several ranks make of a step, without MPI: their gradients added by the formula of
 * sm_mpi_mean have the bits of one net that accumulates, for every network; running statistics are
 * the same to rounding. */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "train/models/models.h"
#include "train/mpi.h"
#include "train/mpi_step.h"
#include "train/nn/nn.h"

static struct sm_err err;

static struct sm_net *make(const char *model, const char *norm, int batch)
{
	struct sm_model_opt o = sm_model_default();
	struct sm_graph *g = sm_graph_create();
	struct sm_heads heads;
	struct sm_net *net = NULL;
	const struct sm_optim adam = sm_optim_default("adam");
	const struct sm_net_opt opt = {
		.train = true, .threads = 2, .seed = 3, .optim = &adam, .recompute = SM_RECOMPUTE_CHEAP};
	o.batch = batch;
	o.in_channels = 1;
	o.d = 16;
	o.h = o.w = 16;
	o.width = strstr(model, "vnet") || strstr(model, "resunet") ? 0.0625 : 0.125;
	o.norm = norm;
	assert_good(sm_model_build(model, &o, g, &heads, &err), err);
	sm_g_loss(g, &(struct sm_loss_opt){.name = "dice_bce"}, &heads);
	assert_good(sm_net_plan(g, &opt, &net, &err), err);
	assert_good(sm_net_alloc(net, NULL, &err), err);
	sm_net_init(net, 1);
	return net;
}

/* Part `part` of the step: its samples into the net. */
static void feed(struct sm_net *net, uint64_t part, int valid)
{
	struct sm_shape xs, ts;
	struct sm_rng rng;
	float *x = sm_net_buffer(net, "x", &xs), *t = sm_net_buffer(net, "target", &ts);
	sm_rng_init(&rng, 5, "test.ranks", "", part, 0);
	for (size_t i = 0; i < sm_shape_count(xs); i++)
		x[i] = sm_rng_f32(&rng) * 2 - 1;
	for (size_t i = 0; i < sm_shape_count(ts); i++)
		t[i] = sm_rng_below(&rng, 2) ? 1.0f : 0.0f;
	sm_net_set_valid(net, valid);
}

static size_t state_count(struct sm_net *net)
{
	size_t n;
	const struct sm_param *s = sm_net_states(net, &n);
	return n ? s[n - 1].offset + s[n - 1].count : 0;
}

/* Three parts of 2, 2 and 1 samples: one net takes them in turn, three nets one each. */
static void check(const char *model, const char *norm)
{
	static const int samples[3] = {2, 2, 1}, parts[3] = {1, 1, 1};
	struct sm_net *one = make(model, norm, 2), *own = make(model, norm, 2);
	size_t n = sm_net_weight_count(one), s = state_count(one);
	float *sum = malloc(n * sizeof *sum), *start = malloc((s + 1) * sizeof *start);
	double *states = malloc((3 * s + 1) * sizeof *states), loss, loss2;
	size_t before = 0;
	memcpy(start, sm_net_state_values(own), s * sizeof *start);
	for (int r = 0; r < 3; r++) {
		feed(one, (uint64_t)r, samples[r]);
		assert_good(r ? sm_net_accumulate(one, (uint64_t)r, &loss, &err)
			      : sm_net_step(one, 0, &loss, &err), err);
		feed(own, (uint64_t)r, samples[r]);
		memcpy(sm_net_state_values(own), start, s * sizeof *start);
		assert_good(sm_net_step_behind(own, (uint64_t)r, before, &loss2, &err), err);
		assert_memory_equal(&loss, &loss2, sizeof loss);
		const float *g = sm_net_gradients(own);
		float keep = (float)((double)before / ((double)before + samples[r]));
		for (size_t i = 0; i < n; i++)
			sum[i] = r ? sum[i] * keep + g[i] : g[i];
		for (size_t i = 0; i < s; i++)
			states[(size_t)r * s + i] = (double)sm_net_state_values(own)[i];
		before += (size_t)samples[r];
	}
	assert_int_equal(sm_net_grad_samples(one), before);
	const float *g = sm_net_gradients(one);
	for (size_t i = 0; i < n; i++)
		if (memcmp(&g[i], &sum[i], sizeof *g) != 0 && !(g[i] == 0 && sum[i] == 0))
			fail_msg("%s %s: gradient %zu of %zu is %a, of the ranks %a", model, norm,
				 i, n, (double)g[i], (double)sum[i]);
	sm_net_merge_states(own, start, states, parts, 3);
	for (size_t i = 0; i < s; i++) {
		double a = (double)sm_net_state_values(one)[i],
		       b = (double)sm_net_state_values(own)[i];
		if (!(fabs(a - b) <= 1e-6 * (fabs(a) + 1e-3)))
			fail_msg("%s %s: running value %zu is %g, of the ranks %g", model, norm, i,
				 a, b);
	}
	free(sum);
	free(start);
	free(states);
	sm_net_free(one);
	sm_net_free(own);
}

static void test_ranks_add_up_to_one(void **state)
{
	(void)state;
	for (size_t i = 0; sm_model_at(i); i++)
		check(sm_model_at(i)->name, "auto");
	check("resunet3d", "depth");
	check("basic_unet3d", "batch");
}

/* Alone: what goes round comes back as it was. */
static void test_parts_of_one(void **state)
{
	(void)state;
	struct sm_net *net = make("basic_unet3d", "batch", 2);
	struct sm_parts *p = sm_parts_make(net);
	struct sm_part part;
	double *dice, *sums;
	assert_non_null(p);
	assert_int_equal(sm_mpi_rank(), 0);
	assert_int_equal(sm_mpi_size(), 1);
	for (int step = 0; step < 2; step++) {
		for (int k = 0; k < 40; k++) {
			struct sm_batch b = {.n = 1 + k % 2, .before = k};
			assert_good(sm_parts_add(p, &b, k / 8.0, 3, 5, &dice, &sums, &err), err);
			for (int i = 0; i < 3 * b.n; i++)
				dice[i] = 100 * k + i;
			sums[4] = k;
		}
		assert_good(sm_parts_exchange(p, &err), err);
		for (int k = 0; k < 40; k++) {
			assert_true(sm_parts_next(p, 3, 5, &part));
			assert_true(part.n == 1 + k % 2 && fabs(part.loss - k / 8.0) < 1e-12);
			assert_true(fabs(part.dice[3 * part.n - 1] - (100 * k + 3 * part.n - 1)) <
				    1e-12);
			assert_true(fabs(part.sums[4] - k) < 1e-12);
		}
		assert_false(sm_parts_next(p, 3, 5, &part));
	}
	assert_good(sm_parts_join(p, net, &err), err);
	assert_good(sm_parts_same(net, &err), err);
	sm_parts_free(p);
	sm_net_free(net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranks_add_up_to_one),
		cmocka_unit_test(test_parts_of_one),
	};
	return run_tap(tests);
}
