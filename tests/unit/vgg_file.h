/* SPDX-License-Identifier: Apache-2.0
 *
 * A file of VGG-19's weights as Keras lays it out, with the formula weights of
 * scripts/translate_nets.py.
 */
#ifndef SM_TESTS_VGG_FILE_H
#define SM_TESTS_VGG_FILE_H

#include "tests/unit/tap.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/translate_fill.h"

static const struct {
	const char *name;
	int in, out;
} vgg_layers[] = {
	{"block1_conv1", 3, 64},    {"block1_conv2", 64, 64},   {"block2_conv1", 64, 128},
	{"block2_conv2", 128, 128}, {"block3_conv1", 128, 256}, {"block3_conv2", 256, 256},
	{"block3_conv3", 256, 256}, {"block3_conv4", 256, 256}, {"block4_conv1", 256, 512},
	{"block4_conv2", 512, 512}, {"block4_conv3", 512, 512}, {"block4_conv4", 512, 512},
	{"block5_conv1", 512, 512},
};
#define VGG_LAYERS (int)(sizeof vgg_layers / sizeof *vgg_layers)

/* n values of the formula, in the order of Keras' dimensions. */
static inline float *vgg_formula(const char *layer, const char *leaf, size_t n, float scale)
{
	char name[64];
	float *v = malloc(n * sizeof *v);
	assert_non_null(v);
	snprintf(name, sizeof name, "%s.%s", layer, leaf);
	fill_image(v, n, fill_fnv(name));
	for (size_t i = 0; i < n; i++)
		v[i] *= scale;
	return v;
}

static inline void vgg_put(hid_t group, const char *pattern_end, const char *layer, int rank,
			   const hsize_t *dims, float *v)
{
	char name[64];
	hid_t space = H5Screate_simple(rank, dims, NULL);
	snprintf(name, sizeof name, "%s%s", layer, pattern_end);
	/* Without values: shapes alone, nothing is stored. */
	hid_t set = H5Dcreate2(group, name, H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT,
			       H5P_DEFAULT);
	assert_true(set >= 0);
	if (v)
		assert_true(H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, v) >= 0);
	H5Dclose(set);
	H5Sclose(space);
	free(v);
}

/* Keras' names of 2016; `missing` is left out, `other` has one output more. */
static inline void vgg_write(const char *path, bool values, int missing, int other)
{
	hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
	assert_true(file >= 0);
	for (int i = 0; i < VGG_LAYERS; i++) {
		const char *l = vgg_layers[i].name;
		hsize_t in = (hsize_t)vgg_layers[i].in,
			out = (hsize_t)(vgg_layers[i].out + (i == other));
		const hsize_t kernel[] = {3, 3, in, out};
		float scale = (float)sqrt(6.0 / (9.0 * (double)in));
		if (i == missing)
			continue;
		hid_t group = H5Gcreate2(file, l, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
		vgg_put(group, "_W_1:0", l, 4, kernel,
			values ? vgg_formula(l, "kernel", 9 * in * out, scale) : NULL);
		vgg_put(group, "_b_1:0", l, 1, &out,
			values ? vgg_formula(l, "bias", out, 1) : NULL);
		H5Gclose(group);
	}
	H5Fclose(file);
}

#endif
