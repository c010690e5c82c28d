/* SPDX-License-Identifier: Apache-2.0 */
#include "train/translate/vgg.h"

#include <hdf5.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/file.h"
#include "core/h5base.h"

#define WHERE SM_VGG_WHERE
#define PRE "input"
#define NAME 96

/* The convolutions in order, all 3x3; a block begins with a pooling but the first. */
static const struct layer {
	const char *name;
	int in, out;
	bool first; /* of its block */
} layers[] = {
	{"block1_conv1", 3, 64, true},    {"block1_conv2", 64, 64, false},
	{"block2_conv1", 64, 128, true},  {"block2_conv2", 128, 128, false},
	{"block3_conv1", 128, 256, true}, {"block3_conv2", 256, 256, false},
	{"block3_conv3", 256, 256, false}, {"block3_conv4", 256, 256, false},
	{"block4_conv1", 256, 512, true}, {"block4_conv2", 512, 512, false},
	{"block4_conv3", 512, 512, false}, {"block4_conv4", 512, 512, false},
	{"block5_conv1", 512, 512, true},
};
#define LAYERS (sizeof layers / sizeof *layers)
#define CONTENT 9 /* block4_conv2 */

void sm_vgg_build(struct sm_graph *g, const char *prefix, int x, struct sm_vgg *vgg)
{
	char name[NAME];
	int styles = 0;
	snprintf(name, sizeof name, "%s.%s", prefix, PRE);
	x = sm_g_conv(g, x, name, (struct sm_conv){.out = 3, .init = "zeros"});
	*vgg = (struct sm_vgg){.content = -1};
	for (size_t i = 0; i < LAYERS; i++) {
		if (layers[i].first && i)
			x = sm_g_max_pool(g, x, 1, 2, 2);
		snprintf(name, sizeof name, "%s.%s", prefix, layers[i].name);
		x = sm_g_conv(g, x, name,
			      (struct sm_conv){.out = layers[i].out,
					       .k = {1, 3, 3},
					       .fuse = SM_FUSE_RELU,
					       .init = "zeros"});
		if (layers[i].first)
			vgg->style[styles++] = x;
		if (i == CONTENT)
			vgg->content = x;
	}
}

/* The names under which Keras has stored a layer's kernel and bias over the years. */
static const char *const kernels[] = {"%s/%s_W_1:0", "%s/%s/kernel:0", "%s/%s_W:0",
				      "model_weights/%s/%s/kernel:0"};
static const char *const biases[] = {"%s/%s_b_1:0", "%s/%s/bias:0", "%s/%s_b:0",
				     "model_weights/%s/%s/bias:0"};

/* Opens the first of the names that is there; negative when none is. */
static hid_t open_one(hid_t file, const char *const *names, size_t count, const char *layer)
{
	char path[NAME];
	hid_t id = -1;
	for (size_t i = 0; i < count && id < 0; i++) {
		/* The patterns are the literals above. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(path, sizeof path, names[i], layer, layer);
#pragma GCC diagnostic pop
		id = H5Dopen2(file, path, H5P_DEFAULT);
	}
	return id;
}

static bool has_dims(hid_t set, int rank, const hsize_t *want)
{
	hsize_t dims[4] = {0};
	hid_t space = H5Dget_space(set);
	bool ok = space >= 0 && H5Sget_simple_extent_ndims(space) == rank &&
		  H5Sget_simple_extent_dims(space, dims, NULL) == rank &&
		  memcmp(dims, want, rank * sizeof *dims) == 0;
	if (space >= 0)
		H5Sclose(space);
	return ok;
}

static bool is_float(hid_t set)
{
	hid_t type = H5Dget_type(set);
	bool ok = type >= 0 && H5Tget_class(type) == H5T_FLOAT;
	if (type >= 0)
		H5Tclose(type);
	return ok;
}

static bool all_finite(const float *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isfinite(v[i]))
			return false;
	return true;
}

/* One of the kernel's nine places, (I,O). */
static bool read_place(hid_t set, int place, int in, int out, float *values)
{
	const hsize_t start[4] = {(hsize_t)place / 3, (hsize_t)place % 3, 0, 0},
		      count[4] = {1, 1, (hsize_t)in, (hsize_t)out},
		      n = (hsize_t)in * (hsize_t)out;
	hid_t from = H5Dget_space(set), to = H5Screate_simple(1, &n, NULL);
	bool good = from >= 0 && to >= 0 &&
		    H5Sselect_hyperslab(from, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
		    H5Dread(set, H5T_NATIVE_FLOAT, to, from, H5P_DEFAULT, values) >= 0;
	if (from >= 0)
		H5Sclose(from);
	if (to >= 0)
		H5Sclose(to);
	return good;
}

/* Keras keeps (kH,kW,I,O), the engine (O,I,1,kH,kW). */
static enum sm_status read_kernel(const char *path, hid_t set, const struct layer *l, float *w,
				  struct sm_mem *mem, struct sm_err *err)
{
	size_t in = (size_t)l->in, out = (size_t)l->out;
	float *v = sm_alloc(mem, in * out, sizeof *v, "a layer of VGG-19", err);
	enum sm_status st = v ? SM_OK : err->code;
	for (size_t t = 0; st == SM_OK && t < 9; t++) {
		if (!read_place(set, (int)t, l->in, l->out, v))
			st = SM_FAIL(err, SM_INPUT, "%s: layer %s cannot be read", path, l->name);
		for (size_t i = 0; i < in && st == SM_OK; i++)
			for (size_t o = 0; o < out; o++)
				w[(o * in + i) * 9 + t] = v[i * out + o];
	}
	sm_free(v);
	return st;
}

/* One layer of an open file; w and b NULL: only its shape and type are looked at. */
static enum sm_status read_layer(const char *path, hid_t file, const struct layer *l, float *w,
				 float *b, struct sm_mem *mem, struct sm_err *err)
{
	const hsize_t kernel[] = {3, 3, (hsize_t)l->in, (hsize_t)l->out},
		      bias[] = {(hsize_t)l->out};
	hid_t k = open_one(file, kernels, sizeof kernels / sizeof *kernels, l->name);
	hid_t v = open_one(file, biases, sizeof biases / sizeof *biases, l->name);
	enum sm_status st = SM_OK;
	if (k < 0 && v < 0)
		st = SM_FAIL(err, SM_INPUT,
			     "%s: has no layer %s: not VGG-19's weights; take " WHERE, path,
			     l->name);
	else if (k < 0 || v < 0)
		st = SM_FAIL(err, SM_INPUT,
			     "%s: layer %s has a %s, but its %s is missing: not VGG-19's weights, "
			     "or a damaged copy; take " WHERE,
			     path, l->name, k < 0 ? "bias" : "kernel", k < 0 ? "kernel" : "bias");
	else if (!has_dims(k, 4, kernel) || !has_dims(v, 1, bias))
		st = SM_FAIL(err, SM_INPUT,
			     "%s: layer %s has another shape than 3x3x%dx%d and %d: not VGG-19's "
			     "weights; "
			     "take " WHERE,
			     path, l->name, l->in, l->out, l->out);
	else if (!is_float(k) || !is_float(v))
		st = SM_FAIL(err, SM_INPUT,
			     "%s: layer %s does not hold floating-point numbers: not VGG-19's "
			     "weights; take " WHERE,
			     path, l->name);
	if (st != SM_OK || !w)
		goto out;
	SM_GOTO(st, read_kernel(path, k, l, w, mem, err));
	if (H5Dread(v, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, b) < 0)
		st = SM_FAIL(err, SM_INPUT, "%s: layer %s cannot be read", path, l->name);
	else if (!all_finite(w, (size_t)9 * l->in * l->out) || !all_finite(b, (size_t)l->out))
		st = SM_FAIL(err, SM_INPUT,
			     "%s: layer %s holds NaN or infinite values: a damaged copy; "
			     "take " WHERE,
			     path, l->name);
out:
	sm_h5_close_dataset(&k);
	sm_h5_close_dataset(&v);
	return st;
}

static enum sm_status open_file(const char *path, hid_t *file, struct sm_err *err)
{
	sm_h5_quiet();
	if (!sm_file_exists(path))
		return SM_FAIL(err, SM_INPUT, "%s: is not there; VGG-19's weights are " WHERE,
			       path);
	*file = sm_h5_open(path);
	return *file >= 0 ? SM_OK
			  : SM_FAIL(err, SM_INPUT,
				    "%s: is no HDF5 file; VGG-19's weights are " WHERE, path);
}

enum sm_status sm_vgg_check(const char *path, struct sm_err *err)
{
	hid_t file = -1;
	SM_TRY(open_file(path, &file, err));
	enum sm_status st = SM_OK;
	for (size_t i = 0; i < LAYERS && st == SM_OK; i++)
		st = read_layer(path, file, &layers[i], NULL, NULL, NULL, err);
	sm_h5_close_file(&file);
	return st;
}

/* Place of parameter prefix.layer.leaf. */
static float *place(struct sm_net *net, const char *prefix, const char *layer, const char *leaf,
		    size_t *n)
{
	char name[NAME];
	float *values;
	size_t count;
	const struct sm_param *p = sm_net_fixed(net, &count, &values);
	snprintf(name, sizeof name, "%s.%s.%s", prefix, layer, leaf);
	for (size_t i = 0; i < count; i++)
		if (strcmp(p[i].name, name) == 0) {
			*n = p[i].count;
			return values + p[i].offset;
		}
	return NULL;
}

/* [-1, 1] to 0 .. 255, blue first, less the means. */
static void fill_input(float *w, float *b, size_t channels)
{
	static const float mean[3] = {103.939f, 116.779f, 123.68f};
	memset(w, 0, 3 * channels * sizeof *w);
	for (size_t o = 0; o < 3; o++) {
		w[o * channels + (channels == 3 ? 2 - o : 0)] = 127.5f;
		b[o] = 127.5f - mean[o];
	}
}

enum sm_status sm_vgg_load(struct sm_net *net, const char *prefix, const char *path,
			   struct sm_mem *mem, struct sm_err *err)
{
	hid_t file = -1;
	size_t n = 0, nb = 0;
	float *w = place(net, prefix, PRE, "weight", &n), *b = place(net, prefix, PRE, "bias", &nb);
	if (!w || !b || (n != 3 && n != 9))
		return SM_FAIL(err, SM_USAGE, "VGG-19: images have %zu channels, must have 1 or 3",
			       n / 3);
	fill_input(w, b, n / 3);
	SM_TRY(open_file(path, &file, err));
	enum sm_status st = SM_OK;
	for (size_t i = 0; i < LAYERS && st == SM_OK; i++) {
		w = place(net, prefix, layers[i].name, "weight", &n);
		b = place(net, prefix, layers[i].name, "bias", &nb);
		st = w && b ? read_layer(path, file, &layers[i], w, b, mem, err)
			    : SM_FAIL(err, SM_INTERNAL, "VGG-19: the net has no layer %s",
				      layers[i].name);
	}
	sm_h5_close_file(&file);
	return st;
}
