/* SPDX-License-Identifier: Apache-2.0
 *
 * A network with random weights over a random volume, as stage predict runs it, for
 * bench/predict.sh. In the folder it leaves the checkpoint, the image (c,z,y,x float32) and the
 * probabilities (the same), so that another program can be held against them.
 *
 * usage: bench_predict DIR MODEL SOFTMAX BATCH THREADS OVERLAP  W H D  NX NY NZ  IN OUT
 * gaussian|uniform
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/file.h"
#include "core/log.h"
#include "core/rng.h"
#include "train/infer.h"
#include "train/network.h"

static struct sm_err err;

static void must(enum sm_status st)
{
	if (st == SM_OK)
		return;
	fprintf(stderr, "%s\n", err.text);
	exit(1);
}

static int number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);
	if (end == text || *end || n < 1 || n > 1 << 20)
		must(SM_FAIL(
			&err, SM_USAGE,
			"bench_predict: found '%s', allowed are whole numbers from 1 to 1048576",
			text));
	return (int)n;
}

static double cpu_seconds(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void make_checkpoint(const char *path, char **v)
{
	struct sm_checkpoint c = {.width = 1, .norm = "auto", .activation = "auto", .dropout = -1,
				  .deep_supervision = -1, .optimiser = "adam", .epoch = 1,
				  .best_epoch = 1, .fingerprint = "x", .channels = json_array()};
	const double row[SM_HISTORY_FIXED] = {1};
	struct sm_net *net;
	snprintf(c.model, sizeof c.model, "%s", v[2]);
	for (int a = 0; a < 3; a++)
		c.size[a] = number(v[7 + a]);
	c.in_channels = number(v[13]);
	memset(c.split, '0', 64);
	memset(c.preprocess, '0', 64);
	bool softmax = v[3][0] == '1';
	must(sm_task_classes(&c.task, number(v[14]) - softmax, softmax, &err));
	must(sm_history_begin(&c.history, SM_HISTORY_FIXED_NAMES, &err));
	must(sm_history_add(&c.history, row, &err));
	const struct sm_network_opt opt = {.batch = 1, .threads = 1};
	must(sm_network_plan(&c, &opt, &net, &err));
	c.parameters = (int64_t)sm_net_weight_count(net);
	must(sm_net_alloc(net, NULL, &err));
	sm_net_init(net, 1);
	must(sm_checkpoint_write(path, net, &c, NULL, &err));
	sm_net_free(net);
	sm_checkpoint_clear(&c);
}

static void save(const char *dir, const char *name, const struct sm_vol *vol)
{
	char *path = sm_path_join(dir, name);
	must(path ? sm_file_write(path, vol->data, sm_vol_count(vol) * sizeof(float), &err)
		  : SM_BUDGET);
	free(path);
}

int main(int argc, char **argv)
{
	sm_nn_prepare_process(argv);
	if (argc != 16) {
		fprintf(stderr, "usage: see the top of bench/predict.c\n");
		return 2;
	}
	char *path = sm_path_join(argv[1], "best.hdf5");
	const int64_t dim[4] = {number(argv[10]), number(argv[11]), number(argv[12]),
				number(argv[13])};
	struct sm_infer f;
	struct sm_vol image, prob;
	struct sm_rng rng;
	make_checkpoint(path, argv);
	must(sm_vol_init(&image, dim, SM_F32, NULL, "image", &err));
	sm_rng_init(&rng, 1, "bench.predict", "", 0, 0);
	for (size_t i = 0; i < sm_vol_count(&image); i++)
		((float *)image.data)[i] = 2 * sm_rng_f32(&rng) - 1;
	must(sm_infer_open(&f, path, number(argv[4]), number(argv[5]), NULL, &err));
	f.overlap = strtod(argv[6], NULL);
	f.gaussian = strcmp(argv[15], "gaussian") == 0;
	must(sm_net_forward(f.net, &err)); /* weights are packed at the first run */
	double start = sm_now(), cpu = cpu_seconds();
	must(sm_infer_volume(&f, &image, NULL, &prob, &err));
	start = sm_now() - start;
	cpu = cpu_seconds() - cpu;
	printf("result seconds %.3f cpu %.3f rss_mib %.0f network_mib %zu\n", start, cpu,
	       sm_peak_mib(), sm_net_forecast(f.net).total >> 20);
	save(argv[1], "image.f32", &image);
	save(argv[1], "prob.f32", &prob);
	sm_infer_close(&f);
	sm_vol_clear(&image);
	sm_vol_clear(&prob);
	free(path);
	return 0;
}
