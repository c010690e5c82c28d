/* SPDX-License-Identifier: Apache-2.0 */
/* One case or more for every row of the operators' table. */
#include "tests/unit/nn_cases.h"

static int b_conv3(struct sm_graph *g, const int *x)
{
	return sm_g_conv(g, x[0], "c", CONV(.out = 3, .k = {3, 3, 3}));
}
static int b_conv1(struct sm_graph *g, const int *x)
{
	return sm_g_conv(g, x[0], "c", CONV(.out = 2, .no_bias = true));
}
static int b_conv5(struct sm_graph *g, const int *x)
{
	return sm_g_conv(g, x[0], "c", CONV(.out = 2, .k = {1, 5, 5}));
}
static int b_conv_s2(struct sm_graph *g, const int *x)
{
	return sm_g_conv(g, x[0], "c", CONV(.out = 2, .k = {2, 4, 3}, .stride = {2, 2, 2}));
}
static int b_conv_pad(struct sm_graph *g, const int *x)
{
	return sm_g_conv(g, x[0], "c",
			 CONV(.out = 2, .k = {1, 3, 2}, .stride = {1, 2, 1}, .pad = SM_PAD_EXPLICIT,
			      .pad_lo = {0, 2, 0}, .pad_hi = {0, 1, 1}));
}
static int b_conv_relu(struct sm_graph *g, const int *x)
{
	return sm_g_conv(g, x[0], "c", CONV(.out = 3, .k = {3, 3, 3}, .fuse = SM_FUSE_RELU));
}
static int b_conv_t_relu(struct sm_graph *g, const int *x)
{
	return sm_g_conv_transposed(g, x[0], "t",
				    CONV(.out = 3, .k = {2, 2, 2}, .stride = {2, 2, 2},
					 .fuse = SM_FUSE_RELU));
}
static int b_conv_t2(struct sm_graph *g, const int *x)
{
	return sm_g_conv_transposed(g, x[0], "t",
				    CONV(.out = 3, .k = {2, 2, 2}, .stride = {2, 2, 2}));
}
static int b_conv_t4(struct sm_graph *g, const int *x)
{
	return sm_g_conv_transposed(g, x[0], "t",
				    CONV(.out = 2, .k = {1, 4, 4}, .stride = {1, 2, 2}));
}
static int b_conv_t_pad(struct sm_graph *g, const int *x)
{
	return sm_g_conv_transposed(g, x[0], "t",
				    CONV(.out = 2, .k = {1, 3, 3}, .stride = {1, 2, 2},
					 .no_bias = true, .pad = SM_PAD_EXPLICIT,
					 .pad_lo = {0, 1, 0}, .pad_hi = {0, 0, 1}));
}
static int b_batch(struct sm_graph *g, const int *x)
{
	return sm_g_batch_norm(g, x[0], "n", 1e-3f, 0.1f);
}
static int b_instance(struct sm_graph *g, const int *x)
{
	return sm_g_instance_norm(g, x[0], "n", 1e-3f);
}
static int b_batch_leaky(struct sm_graph *g, const int *x)
{
	return sm_g_norm(g, x[0], "n",
			 (struct sm_norm){.batch = true, .eps = 1e-3f, .momentum = 0.1f,
					  .fuse = SM_FUSE_LEAKY_RELU, .slope = 0.2f});
}
static int b_instance_relu(struct sm_graph *g, const int *x)
{
	return sm_g_norm(g, x[0], "n", (struct sm_norm){.eps = 1e-3f, .fuse = SM_FUSE_RELU});
}
static int b_depth(struct sm_graph *g, const int *x)
{
	return sm_g_depth_norm(g, x[0], "n", 1e-3f, 0.1f);
}
static int b_pool(struct sm_graph *g, const int *x)
{
	return sm_g_max_pool(g, x[0], 2, 2, 2);
}
static int b_pool13(struct sm_graph *g, const int *x)
{
	return sm_g_max_pool(g, x[0], 1, 3, 2);
}
static int b_up(struct sm_graph *g, const int *x)
{
	return sm_g_upsample(g, x[0], 2, 2, 2);
}
static int b_up13(struct sm_graph *g, const int *x)
{
	return sm_g_upsample(g, x[0], 1, 3, 2);
}
static int b_concat(struct sm_graph *g, const int *x)
{
	return sm_g_concat(g, x, 2);
}
static int b_sample(struct sm_graph *g, const int *x)
{
	return sm_g_sample(g, x[0], 2, 5, 3);
}
static int b_detach(struct sm_graph *g, const int *x)
{
	return sm_g_detach(g, x[0]);
}
static int b_add(struct sm_graph *g, const int *x)
{
	return sm_g_add(g, x[0], x[1]);
}
static int b_relu(struct sm_graph *g, const int *x)
{
	return sm_g_relu(g, x[0]);
}
static int b_leaky(struct sm_graph *g, const int *x)
{
	return sm_g_leaky_relu(g, x[0], 0.3f);
}
static int b_sigmoid(struct sm_graph *g, const int *x)
{
	return sm_g_sigmoid(g, x[0]);
}
static int b_softmax(struct sm_graph *g, const int *x)
{
	return sm_g_softmax(g, x[0]);
}
static int b_dropout(struct sm_graph *g, const int *x)
{
	return sm_g_dropout(g, x[0], 0.4f);
}
static int b_bce(struct sm_graph *g, const int *x)
{
	return sm_g_loss_bce(g, x[0], x[1], 20.0f);
}

static int b_tanh(struct sm_graph *g, const int *x)
{
	return sm_g_tanh(g, x[0]);
}
static int b_reflect(struct sm_graph *g, const int *x)
{
	return sm_g_reflect_pad(g, x[0], 2, 3);
}
static int b_reflect_rows(struct sm_graph *g, const int *x)
{
	return sm_g_reflect_pad(g, x[0], 1, 0);
}
static int b_gram(struct sm_graph *g, const int *x)
{
	return sm_g_gram(g, x[0]);
}
static int b_l1(struct sm_graph *g, const int *x)
{
	return sm_g_loss_distance(g, "l1", x[0], x[1], SM_DISTANCE_L1, 20.0f);
}
static int b_l2(struct sm_graph *g, const int *x)
{
	return sm_g_loss_distance(g, "l2", x[0], x[1], SM_DISTANCE_L2, 20.0f);
}
static int b_gan_real(struct sm_graph *g, const int *x)
{
	return sm_g_loss_adversarial(g, "real", x[0], true, SM_DISTANCE_BCE, 20.0f);
}
static int b_gan_fake(struct sm_graph *g, const int *x)
{
	return sm_g_loss_adversarial(g, "fake", x[0], false, SM_DISTANCE_BCE, 20.0f);
}
static int b_lsgan_real(struct sm_graph *g, const int *x)
{
	return sm_g_loss_adversarial(g, "real", x[0], true, SM_DISTANCE_L2, 20.0f);
}

static int b_prelu(struct sm_graph *g, const int *x)
{
	return sm_g_prelu(g, x[0], "a");
}

/* A row of the losses' table; the target is made there. */
#define LOSS(id, ...) \
	static int b_##id(struct sm_graph *g, const int *x) \
	{ \
		static const float weight[4] = {0.5f, 2, 1.25f, 1}; \
		(void)weight; \
		return sm_g_loss(g, &(struct sm_loss_opt){__VA_ARGS__}, \
				 &(struct sm_heads){.logits = {x[0]}, .count = 1}); \
	}
LOSS(soft, .name = "soft_dice")
LOSS(soft_weights, .name = "dice", .class_weight = weight, .smooth = 0.5f)
LOSS(soft_softmax, .name = "soft_dice", .softmax = true, .background = true)
LOSS(generalised, .name = "generalised_dice", .softmax = true)
LOSS(generalised_sigmoid, .name = "generalised_dice", .class_weight = weight)
LOSS(dice_ce, .name = "dice_ce", .softmax = true)
LOSS(dice_ce_weights, .name = "dice_ce", .softmax = true, .class_weight = weight)
LOSS(dice_ce_batch, .name = "dice_ce", .softmax = true, .batch_dice = true)
LOSS(dice_ce_sigmoid, .name = "dice_ce")
LOSS(dice_bce, .name = "dice_bce", .class_weight = weight, .batch_dice = true)
LOSS(dice_focal, .name = "dice_focal", .softmax = true, .gamma = 2, .class_weight = weight)
LOSS(dice_focal3, .name = "dice_focal", .softmax = true, .gamma = 3.5f)
LOSS(dice_focal_sigmoid, .name = "dice_focal", .gamma = 2)
LOSS(dice_focal0, .name = "dice_focal", .softmax = true, .gamma = 0)
LOSS(dice_focal_sigmoid1, .name = "dice_focal", .gamma = 1, .class_weight = weight)
LOSS(ce, .name = "ce", .softmax = true)
LOSS(ce_weights, .name = "ce", .softmax = true, .class_weight = weight)
LOSS(bce_weights, .name = "bce", .class_weight = weight)
LOSS(tversky, .name = "tversky", .alpha = 0.3f, .beta = 0.7f)
LOSS(tversky_alpha0, .name = "tversky", .alpha = 0, .beta = 0.7f)
LOSS(tversky_softmax, .name = "tversky", .softmax = true, .alpha = 0.8f, .beta = 0.6f,
     .batch_dice = true)

#define LOSS_CASE(id) {OP_KIND_loss, #id, b_##id, 1, {{2, 2, 5, 3, 4}}}

const struct grad_case nn_cases[] = {
    {OP_KIND_conv, "3x3x3 same", b_conv3, 1, {{2, 3, 3, 2, 2}}},
    {OP_KIND_conv, "1x1x1", b_conv1, 1, {{1, 2, 3, 3, 4}}},
    {OP_KIND_conv, "2-D 5x5 same", b_conv5, 1, {{2, 1, 4, 5, 2}}},
    {OP_KIND_conv, "2x4x3 stride 2", b_conv_s2, 1, {{1, 4, 5, 4, 2}}},
    {OP_KIND_conv, "explicit uneven padding", b_conv_pad, 1, {{1, 2, 4, 4, 3}}},
    {OP_KIND_conv, "3x3x3 with ReLU", b_conv_relu, 1, {{2, 3, 4, 5, 2}}},
    {OP_KIND_conv, "3x3x3 with ReLU, 16 channels", b_conv_relu, 1, {{1, 2, 4, 4, 16}}},
    {OP_KIND_conv_t, "2x2x2 with ReLU", b_conv_t_relu, 1, {{1, 2, 2, 3, 4}}},
    {OP_KIND_conv_t, "2x2x2 stride 2", b_conv_t2, 1, {{1, 2, 2, 3, 4}}},
    {OP_KIND_conv_t, "2-D 4x4 stride 2", b_conv_t4, 1, {{2, 1, 3, 3, 2}}},
    {OP_KIND_conv_t, "explicit padding", b_conv_t_pad, 1, {{1, 2, 3, 3, 2}}},
    {OP_KIND_batch_norm, "", b_batch, 1, {{3, 1, 4, 3, 2}}},
    {OP_KIND_batch_norm, "leaky ReLU", b_batch_leaky, 1, {{3, 1, 4, 3, 2}}},
    {OP_KIND_instance_norm, "", b_instance, 1, {{2, 2, 4, 3, 2}}},
    {OP_KIND_instance_norm, "ReLU", b_instance_relu, 1, {{2, 2, 4, 3, 2}}},
    {OP_KIND_depth_norm, "", b_depth, 1, {{2, 3, 4, 3, 2}}},
    {OP_KIND_max_pool, "2x2x2 odd sizes", b_pool, 1, {{1, 3, 4, 5, 2}}},
    {OP_KIND_max_pool, "1x3x2", b_pool13, 1, {{2, 1, 6, 4, 3}}},
    {OP_KIND_upsample, "2x2x2", b_up, 1, {{1, 2, 2, 3, 3}}},
    {OP_KIND_upsample, "1x3x2", b_up13, 1, {{2, 1, 3, 3, 2}}},
    {OP_KIND_concat, "", b_concat, 2, {{1, 2, 2, 3, 2}, {1, 2, 2, 3, 5}}},
    {OP_KIND_sample, "coarser and finer", b_sample, 1, {{2, 5, 4, 3, 3}}},
    {OP_KIND_detach, "", b_detach, 1, {{2, 2, 3, 3, 3}}},
    {OP_KIND_add, "", b_add, 2, {{2, 1, 3, 3, 3}, {2, 1, 3, 3, 3}}},
    {OP_KIND_relu, "", b_relu, 1, {{2, 2, 2, 3, 4}}},
    {OP_KIND_leaky_relu, "", b_leaky, 1, {{2, 2, 2, 3, 4}}},
    {OP_KIND_sigmoid, "", b_sigmoid, 1, {{2, 2, 2, 3, 4}}},
    {OP_KIND_softmax, "", b_softmax, 1, {{1, 2, 3, 3, 4}}},
    {OP_KIND_dropout, "", b_dropout, 1, {{2, 2, 2, 3, 4}}},
    {OP_KIND_loss, "", b_bce, 2, {{2, 2, 3, 3, 2}, {2, 2, 3, 3, 2}}},
    {OP_KIND_prelu, "", b_prelu, 1, {{2, 2, 2, 3, 4}}},
    {OP_KIND_tanh, "", b_tanh, 1, {{2, 2, 2, 3, 4}}},
    {OP_KIND_reflect_pad, "2 rows, 3 columns", b_reflect, 1, {{2, 1, 3, 5, 2}}},
    {OP_KIND_reflect_pad, "1 row", b_reflect_rows, 1, {{1, 2, 2, 3, 3}}},
    {OP_KIND_gram, "", b_gram, 1, {{2, 1, 3, 4, 3}}},
    {OP_KIND_gram, "11 channels", b_gram, 1, {{1, 2, 3, 2, 11}}},
    {OP_KIND_distance, "L1", b_l1, 2, {{2, 1, 5, 4, 3}, {2, 1, 5, 4, 3}}},
    {OP_KIND_distance, "L2", b_l2, 2, {{2, 1, 5, 4, 3}, {2, 1, 5, 4, 3}}},
    {OP_KIND_adversarial, "cross-entropy, real", b_gan_real, 1, {{2, 1, 5, 4, 1}}},
    {OP_KIND_adversarial, "cross-entropy, not real", b_gan_fake, 1, {{2, 1, 5, 4, 1}}},
    {OP_KIND_adversarial, "L2, real", b_lsgan_real, 1, {{2, 1, 5, 4, 1}}},
    LOSS_CASE(soft),
    LOSS_CASE(soft_weights),
    LOSS_CASE(soft_softmax),
    LOSS_CASE(generalised),
    LOSS_CASE(generalised_sigmoid),
    LOSS_CASE(dice_ce),
    LOSS_CASE(dice_ce_weights),
    LOSS_CASE(dice_ce_batch),
    LOSS_CASE(dice_ce_sigmoid),
    LOSS_CASE(dice_bce),
    LOSS_CASE(dice_focal),
    LOSS_CASE(dice_focal3),
    LOSS_CASE(dice_focal_sigmoid),
    LOSS_CASE(dice_focal_sigmoid1),
    LOSS_CASE(dice_focal0),
    LOSS_CASE(ce),
    LOSS_CASE(ce_weights),
    LOSS_CASE(bce_weights),
    LOSS_CASE(tversky),
    LOSS_CASE(tversky_softmax),
    LOSS_CASE(tversky_alpha0),
    {OP_KIND_loss, "3 channels, 70 voxels", b_dice_ce, 1, {{1, 2, 7, 5, 3}}},
    {OP_KIND_loss, "2 channels", b_dice_focal, 1, {{2, 1, 3, 5, 2}}},
    {OP_KIND_loss, "7 channels", b_dice_ce, 1, {{1, 1, 5, 3, 7}}},
    {OP_KIND_loss, "1 channel", b_dice_bce, 1, {{2, 1, 5, 3, 1}}},
};
const size_t nn_case_count = sizeof nn_cases / sizeof *nn_cases;
