/* SPDX-License-Identifier: Apache-2.0 */
/* VGG-19 from a file in Keras' layout: features against PyTorch's (scripts/golden_translate.py), a
 * round with content and style, what is refused. */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/vgg_file.h"
#include "train/translate/vgg.h"

#define GOLDEN "tests/golden/translate_vgg.txt"
#define SIDE 32

static struct sm_err err;
static char dir[] = "/tmp/vgg.XXXXXX", path[sizeof dir + 16];

static struct sm_net *planned(int channels, struct sm_vgg *vgg)
{
	struct sm_graph *g = sm_graph_create();
	struct sm_net_opt opt = {.threads = 2};
	struct sm_net *net = NULL;
	int x = sm_g_input(g, "x", (struct sm_shape){1, 1, SIDE, SIDE, channels});
	sm_graph_freeze(g, "vgg");
	sm_vgg_build(g, "vgg", x, vgg);
	sm_g_output(g, vgg->content, "content");
	for (int i = 0; i < SM_VGG_STYLES; i++) {
		static const char *const names[] = {"style1", "style2", "style3", "style4",
						    "style5"};
		sm_g_output(g, sm_g_gram(g, vgg->style[i]), names[i]);
	}
	assert_good(sm_net_plan(g, &opt, &net, &err), err);
	assert_good(sm_net_alloc(net, NULL, &err), err);
	return net;
}

static struct sm_net *features(int channels, struct sm_vgg *vgg)
{
	struct sm_net *net = planned(channels, vgg);
	assert_good(sm_vgg_load(net, "vgg", path, NULL, &err), err);
	fill_image(sm_net_buffer(net, "x", NULL), (size_t)SIDE * SIDE * channels, 30000000);
	assert_good(sm_net_forward(net, &err), err);
	return net;
}

static void test_features_equal_pytorch(void **state)
{
	(void)state;
	struct sm_vgg vgg;
	struct sm_net *net[4] = {NULL};
	char line[512], name[16];
	int channels, lines = 0;
	size_t n;
	double norm, v[5];
	vgg_write(path, true, -1, -1);
	assert_good(sm_vgg_check(path, &err), err);
	FILE *f = fopen(GOLDEN, "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		if (sscanf(line, "%d %15s %zu %lf %lf %lf %lf %lf %lf", &channels, name, &n, &norm,
			   &v[0], &v[1], &v[2], &v[3], &v[4]) != 9)
			continue;
		assert_true(channels == 1 || channels == 3);
		if (!net[channels])
			net[channels] = features(channels, &vgg);
		struct sm_shape s;
		const float *got = sm_net_buffer(net[channels], name, &s);
		double sum = 0;
		assert_non_null(got);
		assert_int_equal(sm_shape_count(s), n);
		for (size_t i = 0; i < n; i++)
			sum += (double)got[i] * (double)got[i];
		if (!(fabs(sqrt(sum) - norm) <= 1e-5 * norm))
			fail_msg("norm of %s is %.9g, PyTorch %.9g", name, sqrt(sum), norm);
		for (size_t q = 0; q < 5; q++) {
			double off = fabs((double)got[q * n / 5] - v[q]);
			if (!(off <= 2e-5 * (norm / sqrt((double)n) + fabs(v[q]))))
				fail_msg("%s[%zu] is %.9g, PyTorch %.9g", name, q * n / 5,
					 (double)got[q * n / 5], v[q]);
		}
		lines++;
	}
	fclose(f);
	assert_int_equal(lines, 12);
	sm_net_free(net[1]);
	sm_net_free(net[3]);
}

static void test_what_is_not_vgg_is_refused(void **state)
{
	(void)state;
	unlink(path);
	assert_refused(sm_vgg_check(path, &err), SM_INPUT, err, "is not there");
	assert_non_null(
		strstr(err.text, "storage.googleapis.com/tensorflow/keras-applications/vgg19"));
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs("<html>404</html>", f);
	fclose(f);
	assert_refused(sm_vgg_check(path, &err), SM_INPUT, err, "is no HDF5 file");
	vgg_write(path, false, -1, -1);
	assert_good(sm_vgg_check(path, &err), err);
	vgg_write(path, false, 6, -1);
	assert_refused(sm_vgg_check(path, &err), SM_INPUT, err, "has no layer block3_conv3");
	vgg_write(path, false, -1, 12);
	assert_refused(sm_vgg_check(path, &err), SM_INPUT, err,
		       "layer block5_conv1 has another shape than 3x3x512x512");
}

static void take_away(const char *name)
{
	hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
	assert_true(file >= 0 && H5Ldelete(file, name, H5P_DEFAULT) >= 0);
	H5Fclose(file);
}

static void test_half_a_layer_is_told_from_none(void **state)
{
	(void)state;
	vgg_write(path, false, -1, -1);
	take_away("block1_conv1/block1_conv1_b_1:0");
	assert_refused(sm_vgg_check(path, &err), SM_INPUT, err,
		       "layer block1_conv1 has a kernel, but its bias is missing");
	assert_non_null(strstr(err.text, "storage.googleapis.com"));
	vgg_write(path, false, -1, -1);
	take_away("block2_conv1/block2_conv1_W_1:0");
	assert_refused(sm_vgg_check(path, &err), SM_INPUT, err,
		       "layer block2_conv1 has a bias, but its kernel is missing");
	take_away("block2_conv1/block2_conv1_b_1:0");
	assert_refused(sm_vgg_check(path, &err), SM_INPUT, err, "has no layer block2_conv1");
}

/* The biases of block2_conv1 anew, of another type or with another last value. */
static void put_biases(hid_t type, float last)
{
	static const char name[] = "block2_conv1/block2_conv1_b_1:0";
	float v[128] = {0};
	const hsize_t n = 128;
	v[127] = last;
	hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
	assert_true(file >= 0 && H5Ldelete(file, name, H5P_DEFAULT) >= 0);
	hid_t space = H5Screate_simple(1, &n, NULL);
	hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
	assert_true(set >= 0 &&
		    H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, v) >= 0);
	H5Dclose(set);
	H5Sclose(space);
	H5Fclose(file);
}

static void test_values_must_be_finite_floats(void **state)
{
	(void)state;
	struct sm_vgg vgg;
	struct sm_net *net = planned(1, &vgg);
	vgg_write(path, false, -1, -1);
	put_biases(H5T_IEEE_F64LE, 1);
	assert_good(sm_vgg_check(path, &err), err);
	assert_good(sm_vgg_load(net, "vgg", path, NULL, &err), err);
	put_biases(H5T_STD_I32LE, 1);
	assert_refused(sm_vgg_check(path, &err), SM_INPUT, err,
		       "layer block2_conv1 does not hold floating-point numbers");
	assert_non_null(strstr(err.text, "storage.googleapis.com"));
	put_biases(H5T_IEEE_F32LE, NAN);
	assert_good(sm_vgg_check(path, &err), err); /* which reads no value */
	assert_refused(sm_vgg_load(net, "vgg", path, NULL, &err), SM_INPUT, err,
		       "layer block2_conv1 holds NaN or infinite values");
	sm_net_free(net);
}

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof path, "%s/vgg19.h5", dir);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

int main(int argc, char **argv)
{
	(void)argc;
	sm_nn_prepare_process(argv);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_features_equal_pytorch),
		cmocka_unit_test(test_what_is_not_vgg_is_refused),
		cmocka_unit_test(test_half_a_layer_is_told_from_none),
		cmocka_unit_test(test_values_must_be_finite_floats),
	};
	return cmocka_run_group_tests_name(__FILE__, tests, make_folder, remove_folder);
}
