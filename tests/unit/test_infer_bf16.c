/* SPDX-License-Identifier: Apache-2.0 */
/* Prediction with bfloat16 between the operators. */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "tests/unit/folder.h"
#include "train/fit.h"
#include "train/infer.h"
#include "train/network.h"
#include "train/nn/conv.h"

static struct sm_err err;

/* A checkpoint of random weights whose outputs are not all near one half. */
static void random_network(const char *path, const char *model)
{
	struct sm_checkpoint c = {.width = 0.25,
				  .norm = "auto",
				  .activation = "auto",
				  .dropout = -1,
				  .deep_supervision = -1,
				  .optimiser = "adam",
				  .epoch = 1,
				  .best_epoch = 1,
				  .fingerprint = "x",
				  .size = {16, 16, 16},
				  .in_channels = 2,
				  .channels = json_array()};
	const double row[SM_HISTORY_FIXED] = {1};
	const struct sm_network_opt opt = {.batch = 1, .threads = 1};
	struct sm_net *net;
	snprintf(c.model, sizeof c.model, "%s", model);
	memset(c.split, '0', 64);
	memset(c.preprocess, '0', 64);
	assert_good(sm_task_classes(&c.task, 2, true, &err), err);
	assert_good(sm_history_begin(&c.history, SM_HISTORY_FIXED_NAMES, &err), err);
	assert_good(sm_history_add(&c.history, row, &err), err);
	assert_good(sm_network_plan(&c, &opt, &net, &err), err);
	assert_good(sm_net_alloc(net, NULL, &err), err);
	sm_net_init(net, 1);
	c.parameters = (int64_t)sm_net_weight_count(net);
	assert_good(sm_checkpoint_write(path, net, &c, NULL, &err), err);
	sm_net_free(net);
	sm_checkpoint_clear(&c);
}

/* Near float32 but not it, in less memory, the same bits on any threads. */
static void check(const char *model)
{
	const int64_t dim[4] = {20, 16, 15, 2};
	struct sm_vol image, prob[3];
	size_t arena[3];
	double gap = 0, sum = 0, low = 1, high = 0;
	struct sm_rng rng;
	const char *path = at("a.hdf5");
	random_network(path, model);
	assert_good(sm_vol_init(&image, dim, SM_F32, NULL, "image", &err), err);
	sm_rng_init(&rng, 3, "test.infer_bf16", "", 0, 0);
	for (size_t i = 0; i < sm_vol_count(&image); i++)
		((float *)image.data)[i] = 4 * sm_rng_f32(&rng) - 2;
	for (int i = 0; i < 3; i++) {
		struct sm_infer f;
		assert_good(sm_infer_open_as(&f, path, 1, i == 2 ? 2 : 1, i > 0, NULL, &err), err);
		f.overlap = 0.5;
		f.gaussian = true;
		arena[i] = sm_net_forecast(f.net).arena;
		assert_good(sm_infer_volume(&f, &image, NULL, prob + i, &err), err);
		sm_infer_close(&f);
	}
	size_t n = sm_vol_count(prob);
	const float *whole = prob[0].data, *half = prob[1].data;
	for (size_t k = 0; k < n; k++) {
		double d = fabs((double)whole[k] - (double)half[k]);
		gap = fmax(gap, d);
		sum += d;
		low = fmin(low, (double)whole[k]);
		high = fmax(high, (double)whole[k]);
	}
	if (!(gap > 0 && gap < 0.15 && sum < 0.01 * (double)n && high - low > 0.2) ||
	    arena[1] >= arena[0])
		fail_msg("%s: gap %g of %g to %g, %zu and %zu bytes", model, gap, low, high,
			 arena[0], arena[1]);
	assert_memory_equal(prob[1].data, prob[2].data, n * sizeof(float));
	for (int i = 0; i < 3; i++)
		sm_vol_clear(prob + i);
	sm_vol_clear(&image);
}

static void bf16_is_near_and_smaller(void **state)
{
	(void)state;
	if (!conv_lib_bf16())
		skip();
	check("unet3d");
	check("basic_unet3d");
}

/* Without AVX-512 it is refused, not silently float32. */
static void a_cpu_that_cannot_is_told(void **state)
{
	(void)state;
	struct sm_infer f;
	if (conv_lib_bf16())
		skip();
	random_network(at("a.hdf5"), "unet3d");
	assert_refused(sm_infer_open_as(&f, at("a.hdf5"), 1, 1, true, NULL, &err), SM_USAGE, err,
		       "precision bf16 needs a CPU with AVX-512");
	sm_infer_close(&f);
}

static int make(void **state)
{
	(void)state;
	return folder_make();
}

static int drop(void **state)
{
	(void)state;
	return folder_remove();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bf16_is_near_and_smaller),
		cmocka_unit_test(a_cpu_that_cannot_is_told),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name(__FILE__, tests, make, drop);
}
