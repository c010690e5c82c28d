/* SPDX-License-Identifier: Apache-2.0 */
/* What the epoch loop says of a gradient that is not finite: the search's place, and of a net whose
 * weights the step itself has moved by then the parameter that it noted. */
#include "tests/unit/loader_cases.h"

#include <math.h>

#include "train/fit.h"

enum { BATCH = 3 };

/* Two factors in a row from the tiles' channels to the classes, with a loss of large gradients. */
static struct sm_net *factors(double weight_decay, bool fused)
{
	struct sm_graph *g = sm_graph_create();
	struct sm_optim sgd = sm_optim_default("sgd");
	struct sm_net_opt opt = {.train = true, .threads = 1, .optim = &sgd, .fused = fused};
	struct sm_net *net = NULL;
	int x = sm_g_input(g, "x", (struct sm_shape){BATCH, 3, 4, 5, CHANNELS});
	x = sm_g_conv(g, x, "low", (struct sm_conv){.out = 1, .no_bias = true});
	x = sm_g_conv(g, x, "high", (struct sm_conv){.out = CLASSES, .no_bias = true});
	sm_g_output(g, sm_g_sigmoid(g, x), "p");
	sm_g_loss_bce(g, x, sm_g_input(g, "target", sm_graph_shape(g, x)), 1e6f);
	sgd.momentum = 0;
	sgd.weight_decay = weight_decay;
	assert_good(sm_net_plan(g, &opt, &net, &err), err);
	assert_good(sm_net_alloc(net, NULL, &err), err);
	/* Their product is small, but high times the loss's gradient overflows. */
	for (size_t i = 0; i < sm_net_weight_count(net); i++)
		sm_net_weights(net)[i] = i < CHANNELS ? 1e-36f : 3e35f;
	sm_net_touch(net);
	return net;
}

/* The first step at rate 1 fails, with this place in the sentence. */
static void fails(double weight_decay, bool fused, const char *where)
{
	struct sm_tiles *train = list(&shards, "train"), *valid = list(&shards, "valid");
	struct sm_loader_opt o = options(train, valid);
	struct sm_log log;
	sm_log_init(&log, "test", SM_LOG_ERROR);
	const struct sm_train_section s = {.epochs = 1};
	struct sm_fit fit = {.dir = dir,
			     .net = factors(weight_decay, fused),
			     .log = &log,
			     .s = &s,
			     .valid = valid,
			     .schedule = {.rate = 1, .epochs = 1},
			     .threads = 1};
	fit.state.task = task;
	assert_good(sm_loader_start(&o, NULL, &fit.loader, &err), err);
	assert_good(sm_fit_columns(&fit, &err), err);
	char want[160];
	snprintf(want, sizeof want,
		 "training: the gradient is not finite at step 1 of epoch 1, first in the %s",
		 where);
	assert_refused(sm_fit_run(&fit, &err), SM_INPUT, err, want);
	assert_refused(err.code, SM_INPUT, err, "no checkpoint was written yet");
	sm_loader_stop(fit.loader);
	sm_net_free(fit.net);
	sm_checkpoint_clear(&fit.state);
	sm_tiles_free(train);
	sm_tiles_free(valid);
}

static void test_a_bad_gradient_is_told_with_its_layer(void **state)
{
	(void)state;
	/* The search finds the place, as high is what it was. */
	fails(0, false, "gradient that comes out of high (conv) (before any update; ");
	/* The step itself moved high, so a search would find another place: high still large, high
	 * down to nothing, high blown up by its decay. The net knows. */
	fails(0, true, "gradient of low.weight (before any update; ");
	fails(1, true, "gradient of low.weight (before any update; ");
	fails(1e6, true, "gradient of low.weight (before any update; ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_bad_gradient_is_told_with_its_layer),
	};
	return run_in_folder(tests);
}
