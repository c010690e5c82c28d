/* SPDX-License-Identifier: Apache-2.0
 *
 * VGG-19 (Simonyan and Zisserman 2015) up to block5_conv1, trained on ImageNet, for losses of
 * content and style. Weights come from the public Keras file
 * vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5, which a user fetches himself.
 */
#ifndef SM_TRANSLATE_VGG_H
#define SM_TRANSLATE_VGG_H

#include "train/nn/nn.h"

#define SM_VGG_STYLES 5

/* Where the file is to be had: for sentences. */
#define SM_VGG_WHERE \
	"vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5 of Keras " \
	"(storage.googleapis.com/tensorflow/keras-applications/vgg19)"

struct sm_vgg {
	int content;              /* block4_conv2, as Gatys et al. 2016 */
	int style[SM_VGG_STYLES]; /* block1_conv1 ... block5_conv1 */
};

/* Appends the network to g, parameters under prefix (freeze it before). x holds images in [-1, 1]
 * of 1 channel (taken three times) or 3 (red, green, blue); they are brought to what Keras'
 * preprocessing gives: 0 to 255, blue first, less the mean of ImageNet. Sides must be at least 32.
 */
void sm_vgg_build(struct sm_graph *g, const char *prefix, int x, struct sm_vgg *vgg);

/* Whether the file holds these layers in this shape, of floating-point numbers. SM_INPUT: absent
 * (the sentence tells where it is to be had), not HDF5, a layer that is missing or of another shape
 * or type. */
enum sm_status sm_vgg_check(const char *path, struct sm_err *err);

/* Fills the frozen parameters of an allocated net from the file, with 1 MiB of mem (NULL = no
 * budget) at most. SM_INPUT also: a value that is NaN
 * or infinite. */
enum sm_status sm_vgg_load(struct sm_net *net, const char *prefix, const char *path,
			   struct sm_mem *mem, struct sm_err *err);

#endif
