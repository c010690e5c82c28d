/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes a checkpoint of a network with drawn weights and running statistics, and what the engine
 * makes of a drawn input: for tests of export and scripts/check_export.py.
 *   make_checkpoint MODEL NORM ACTIVATION SOFTMAX CHANNELS OUTPUTS D H W WIDTH DIR
 * writes DIR/best.hdf5, DIR/x.f32 and DIR/p.f32: (C,D,H,W) float32 of one sample.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/rng.h"
#include "train/network.h"

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void draw(struct sm_rng *rng, float *v, size_t n, float low, float high)
{
	for (size_t i = 0; i < n; i++)
		v[i] = low + (high - low) * (float)sm_rng_f64(rng);
}

/* Norm's scales, shifts, running statistics and biases that do something. */
static void perturb(struct sm_net *net)
{
	struct sm_rng rng;
	size_t n;
	const struct sm_param *p = sm_net_params(net, &n);
	sm_rng_init(&rng, 7, "test.export", "", 0, 0);
	for (size_t i = 0; i < n; i++)
		if (p[i].rank == 1) {
			bool norm = strstr(p[i].name, ".norm") && strstr(p[i].name, ".weight");
			draw(&rng, sm_net_weights(net) + p[i].offset, p[i].count,
			     norm ? 0.8f : -0.2f, norm ? 1.2f : 0.3f);
		}
	p = sm_net_states(net, &n);
	for (size_t i = 0; i < n; i++) {
		bool var = strstr(p[i].name, "running_var");
		draw(&rng, sm_net_state_values(net) + p[i].offset, p[i].count, var ? 0.5f : -0.2f,
		     var ? 2.0f : 0.2f);
	}
	sm_net_touch(net);
}

static enum sm_status fill(struct sm_checkpoint *c, char **a, struct sm_err *err)
{
	const double row[] = {1, 0.5, 0.5, 0.5, 0.5};
	snprintf(c->model, sizeof c->model, "%s", a[1]);
	snprintf(c->norm, sizeof c->norm, "%s", a[2]);
	snprintf(c->activation, sizeof c->activation, "%s", a[3]);
	c->in_channels = (int)strtol(a[5], NULL, 10);
	for (int i = 0; i < 3; i++)
		c->size[2 - i] = (int)strtol(a[7 + i], NULL, 10);
	c->width = strtod(a[10], NULL);
	c->dropout = c->deep_supervision = -1;
	c->standardise = SM_STANDARDISE_TILE;
	c->channels = json_array();
	c->epoch = c->best_epoch = 1;
	c->best = 0.5;
	snprintf(c->optimiser, sizeof c->optimiser, "adam");
	snprintf(c->fingerprint, sizeof c->fingerprint, SHA);
	snprintf(c->split, sizeof c->split, SHA);
	snprintf(c->preprocess, sizeof c->preprocess, SHA);
	c->fold = -1;
	bool softmax = strtol(a[4], NULL, 10);
	SM_TRY(sm_task_classes(&c->task, (int)strtol(a[6], NULL, 10) - softmax, softmax, err));
	SM_TRY(sm_history_begin(&c->history, SM_HISTORY_FIXED_NAMES, err));
	return sm_history_add(&c->history, row, err);
}

static enum sm_status save(const char *dir, const char *name, const float *last, struct sm_shape s,
			   struct sm_err *err)
{
	size_t n = sm_shape_count(s);
	float *first = malloc(n * sizeof *first);
	char *path = sm_path_join(dir, name);
	enum sm_status st = first && path ? SM_OK : SM_FAIL(err, SM_BUDGET, "out of memory");
	if (st == SM_OK) {
		for (size_t i = 0, voxels = n / (size_t)s.c; i < n; i++)
			first[i % (size_t)s.c * voxels + i / (size_t)s.c] = last[i];
		st = sm_file_write(path, first, n * sizeof *first, err);
	}
	free(first);
	free(path);
	return st;
}

static enum sm_status make(char **a, struct sm_checkpoint *c, struct sm_net **net,
			   struct sm_err *err)
{
	const struct sm_optim adam = sm_optim_default("adam");
	const struct sm_loss_opt loss = {.name = "dice_ce", .softmax = strtol(a[4], NULL, 10)};
	const struct sm_network_opt opt = {.batch = 1, .threads = 1, .loss = &loss, .optim = &adam};
	struct sm_shape xs, ps;
	struct sm_rng rng;
	SM_TRY(fill(c, a, err));
	SM_TRY(sm_network_plan(c, &opt, net, err));
	SM_TRY(sm_net_alloc(*net, NULL, err));
	sm_net_init(*net, 11);
	perturb(*net);
	c->parameters = (int64_t)sm_net_weight_count(*net);
	float *x = sm_net_buffer(*net, "x", &xs);
	sm_rng_init(&rng, 8, "test.export", "", 0, 0);
	draw(&rng, x, sm_shape_count(xs), -2, 2);
	SM_TRY(save(a[11], "x.f32", x, xs, err));
	SM_TRY(sm_net_forward(*net, err));
	const float *p = sm_net_buffer(*net, "p", &ps);
	SM_TRY(save(a[11], "p.f32", p, ps, err));
	char *path = sm_path_join(a[11], "best.hdf5");
	enum sm_status st = path ? sm_checkpoint_write(path, *net, c, NULL, err)
				 : SM_FAIL(err, SM_BUDGET, "out of memory");
	free(path);
	return st;
}

int main(int argc, char **argv)
{
	struct sm_checkpoint c = {0};
	struct sm_net *net = NULL;
	struct sm_err err = {0};
	if (argc != 12) {
		fprintf(stderr, "usage: make_checkpoint MODEL NORM ACTIVATION SOFTMAX CHANNELS "
				"OUTPUTS D H W WIDTH DIR\n");
		return 2;
	}
	enum sm_status st = make(argv, &c, &net, &err);
	if (st != SM_OK)
		fprintf(stderr, "make_checkpoint: error: %s\n", err.text);
	sm_net_free(net);
	sm_checkpoint_clear(&c);
	return sm_exit_code(st);
}
