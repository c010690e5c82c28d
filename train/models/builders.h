/* SPDX-License-Identifier: Apache-2.0
 *
 * What the builders share: the settled options and the layers that follow them. Channel counts in
 * calls are the paper's; the factor `width` is applied here.
 */
#ifndef SM_TRAIN_BUILDERS_H
#define SM_TRAIN_BUILDERS_H

#include "train/models/models.h"

enum sm_build_norm { SM_BUILD_NONE, SM_BUILD_BATCH, SM_BUILD_INSTANCE, SM_BUILD_DEPTH };
enum sm_build_act { SM_BUILD_RELU, SM_BUILD_LEAKY, SM_BUILD_PRELU };

struct sm_build {
	struct sm_graph *g; /* NULL while sm_model_check runs */
	const struct sm_model *model;
	struct sm_model_opt o; /* dropout and deep_supervision are settled */
	enum sm_build_norm norm;
	enum sm_build_act act;
};

/* Channels for a count of the paper's: the model's first ones times width, rounded to nearest but
 * at least 1, times the multiple of them that the paper's count is. Levels so fit each other at
 * every width. */
int sm_build_width(const struct sm_build *b, int channels);

/* Input "x" of the size of the options. */
int sm_build_input(const struct sm_build *b, struct sm_heads *heads);

/* Convolution alone, and a transposed one. */
int sm_build_conv(const struct sm_build *b, int x, const char *name, struct sm_conv conv);
int sm_build_conv_t(const struct sm_build *b, int x, const char *name, struct sm_conv conv);

/* The norm and activation chosen, as STAGE.normI and STAGE.actI, and convolution STAGE.convI with
 * both behind it. */
int sm_build_norm_act(const struct sm_build *b, int x, const char *stage, int i);
int sm_build_norm(const struct sm_build *b, int x, const char *stage, int i);
int sm_build_act(const struct sm_build *b, int x, const char *stage, int i);
int sm_build_layer(const struct sm_build *b, int x, const char *stage, int i, struct sm_conv conv);

/* Two 3x3x3 layers STAGE.conv1, STAGE.conv2. */
int sm_build_pair(const struct sm_build *b, int x, const char *stage, int c1, int c2);

/* Drop-out at the rate of the options; nothing at rate 0. */
int sm_build_dropout(const struct sm_build *b, int x);

/* A 1x1x1 convolution to the outputs: the next entry of heads->logits. */
void sm_build_head(const struct sm_build *b, int x, const char *name, struct sm_heads *heads);

/* Softmax or sigmoid of the first head as output "p". */
void sm_build_prob(const struct sm_build *b, struct sm_heads *heads);

/* Refuses a size along axis 0..2 (D,H,W): names what is allowed and the nearest sizes (0 = none).
 */
enum sm_status sm_build_bad_size(const struct sm_build *b, int axis, const char *allowed, int below,
				 int above, struct sm_err *err);

void sm_build_unet3d(const struct sm_build *b, struct sm_heads *heads);
void sm_build_basic_unet3d(const struct sm_build *b, struct sm_heads *heads);
void sm_build_resunet3d(const struct sm_build *b, struct sm_heads *heads);
void sm_build_vnet(const struct sm_build *b, struct sm_heads *heads);
void sm_build_vnet_paper(const struct sm_build *b, struct sm_heads *heads);
enum sm_status sm_check_vnet_paper(const struct sm_build *b, struct sm_err *err);
void sm_build_unet2d(const struct sm_build *b, struct sm_heads *heads);
void sm_build_nnunet3d(const struct sm_build *b, struct sm_heads *heads);
enum sm_status sm_check_nnunet3d(const struct sm_build *b, struct sm_err *err);

#endif
