/* SPDX-License-Identifier: Apache-2.0 */
#include "train/volumes.h"

#include <stdlib.h>
#include <string.h>

#include "preprocess/cases.h"
#include "train/infer.h"
#include "train/network.h"
#include "train/turned.h"

#define OVERLAP 0.5
#define THRESHOLD 0.5

struct sm_volumes {
	struct sm_run *run;
	struct sm_cases cases;
	size_t *pick; /* of cases.records */
	size_t count;
	struct sm_infer infer;
	bool ready; /* memory of the network is there */
};

void sm_volumes_close(struct sm_volumes *v)
{
	if (!v)
		return;
	sm_cases_close(&v->cases);
	sm_net_free(v->infer.net);
	pthread_mutex_destroy(&v->infer.lock);
	free(v->pick);
	free(v);
}

static enum sm_status pick_cases(struct sm_volumes *v, const struct sm_ledger *split,
				 const struct sm_tiles_fold *fold, struct sm_err *err)
{
	v->pick = calloc(v->cases.count + 1, sizeof *v->pick);
	if (!v->pick)
		return SM_FAIL(err, SM_BUDGET, "validation volumes: out of memory");
	for (size_t i = 0; i < v->cases.count; i++) {
		json_t *its = sm_ledger_get(split, sm_cases_key(&v->cases, i));
		if (sm_tiles_fold_has(fold, its))
			v->pick[v->count++] = i;
		json_decref(its);
	}
	SM_TRY(split->records ? sm_records_check(split->records, err) : SM_OK);
	if (!v->count)
		return SM_FAIL(
			err, SM_INPUT,
			"--volumes: holds no case of the validation fold, needed is at least one");
	return SM_OK;
}

/* A slab of windows of the volume, of slices whichever way it is turned. */
static size_t slab_bytes(const struct sm_volumes *v, const int64_t d[3])
{
	static const int ways[3][3] = {{0, 1, 2}, {0, 2, 1}, {1, 2, 0}};
	size_t most = 0;
	for (int i = 0; i < (v->infer.about.plane ? 3 : 1); i++) {
		const int64_t dim[3] = {d[ways[i][0]], d[ways[i][1]], d[ways[i][2]]};
		size_t bytes = sm_infer_bytes(&v->infer, dim);
		most = bytes > most ? bytes : most;
	}
	return most;
}

/* Image, outputs, label and a slab of windows of the largest case, by the grid it came with. */
static enum sm_status largest_bytes(const struct sm_volumes *v, size_t *bytes, struct sm_err *err)
{
	const struct sm_checkpoint *c = &v->infer.about;
	/* Of slices a frame more, while the volume is turned. */
	int frames = c->in_channels + c->task.channels + (c->plane > 0);
	size_t most = 0, each = (size_t)frames * sizeof(float) + 2;
	for (size_t i = 0; i < v->count; i++) {
		json_t *record = sm_cases_record(&v->cases, v->pick[i], err);
		int64_t d[3];
		size_t voxels, need;
		if (!record)
			return err->code;
		if (sm_json_get_ints(json_object_get(record, "source_grid"), "dim", d, 3) &&
		    d[0] > 0 && d[1] > 0 && d[2] > 0 &&
		    sm_mul3((size_t)d[0], (size_t)d[1], (size_t)d[2], &voxels) &&
		    sm_mul(voxels, each, &need)) {
			size_t slab = slab_bytes(v, d);
			need = slab > SIZE_MAX - need ? SIZE_MAX : need + slab;
			most = need > most ? need : most;
		}
		json_decref(record);
	}
	*bytes = most;
	return SM_OK;
}

enum sm_status sm_volumes_open(struct sm_run *run, const char *dir, const struct sm_ledger *split,
			       const struct sm_tiles_fold *fold, const struct sm_checkpoint *c,
			       struct sm_volumes **out, size_t *bytes, struct sm_err *err)
{
	const struct sm_network_opt opt = {.batch = 1, .threads = run->jobs};
	struct sm_volumes *v = calloc(1, sizeof *v);
	enum sm_status st;
	*out = NULL;
	if (!v)
		return SM_FAIL(err, SM_BUDGET, "validation volumes: out of memory");
	v->run = run;
	pthread_mutex_init(&v->infer.lock, NULL);
	/* What it shares with the training is borrowed: it is never cleared. */
	v->infer.about = *c;
	v->infer.batch = 1;
	v->infer.overlap = OVERLAP;
	v->infer.gaussian = true;
	SM_GOTO(st, sm_cases_open_at(run, dir, &v->cases, err));
	SM_GOTO(st, pick_cases(v, split, fold, err));
	SM_GOTO(st, sm_network_plan(c, &opt, &v->infer.net, err));
	SM_GOTO(st, largest_bytes(v, bytes, err));
	/* The program is there already. */
	*bytes += sm_net_forecast(v->infer.net).total - sm_net_forecast(v->infer.net).code;
out:
	if (st != SM_OK)
		sm_volumes_close(v);
	else
		*out = v;
	return st;
}

/* The training's weights as they are now. */
static enum sm_status take_weights(struct sm_volumes *v, struct sm_net *net, struct sm_err *err)
{
	struct sm_net *own = v->infer.net;
	size_t n, floats = 0;
	if (!v->ready)
		SM_TRY(sm_net_alloc(own, &v->run->mem, err));
	v->ready = true;
	if (sm_net_weight_count(own) != sm_net_weight_count(net))
		return SM_FAIL(err, SM_INTERNAL, "validation volumes: another network");
	memcpy(sm_net_weights(own), sm_net_weights(net), sm_net_weight_count(net) * sizeof(float));
	const struct sm_param *state = sm_net_states(net, &n);
	for (size_t i = 0; i < n; i++)
		floats += state[i].count;
	if (floats)
		memcpy(sm_net_state_values(own), sm_net_state_values(net), floats * sizeof(float));
	sm_net_touch(own);
	return SM_OK;
}

/* Adds each channel's Dice of a case to dice. prob is (channel,z,y,x). */
static void add_dice(const struct sm_task *task, const struct sm_vol *prob, const uint8_t *label,
		     double *dice)
{
	size_t n = sm_vol_count(prob) / (size_t)task->channels, first = (size_t)sm_task_first(task);
	size_t k = (size_t)task->channels;
	int64_t both[SM_TASK_CHANNELS] = {0}, sum[SM_TASK_CHANNELS] = {0};
	const float *p = prob->data;
	for (size_t i = 0; i < n; i++) {
		size_t best = 0;
		for (size_t c = 1; task->softmax && c < k; c++)
			best = p[c * n + i] > p[best * n + i] ? c : best;
		for (size_t c = first; c < k; c++) {
			bool is = task->softmax ? c == best : (double)p[c * n + i] > THRESHOLD;
			bool should = task->member[c][label[i]];
			both[c] += is && should;
			sum[c] += is + should;
		}
	}
	for (size_t c = first; c < k; c++)
		dice[c - first] += sum[c] ? 2 * (double)both[c] / (double)sum[c] : 1;
}

static enum sm_status one_case(struct sm_volumes *v, size_t i, double *dice, struct sm_err *err)
{
	struct sm_case c = {0};
	struct sm_vol prob = {0};
	enum sm_status st;
	SM_GOTO(st, sm_cases_load(&v->cases, i, v->run->jobs, &c, err));
	const int64_t *d = c.count == 1 ? c.vols[0].vol.dim : NULL;
	if (!d || !c.label.data || sm_vol_count(&c.label) != (size_t)(d[0] * d[1] * d[2])) {
		st = SM_FAIL(err, SM_INPUT,
			     "%s: needed for validation are one stacked image and its label on one "
			     "grid",
			     c.key);
		goto out;
	}
	SM_GOTO(st, sm_vol_to_f32(&c.vols[0].vol, &v->run->mem, v->run->jobs, err));
	SM_GOTO(st, sm_turned_case(&v->infer.about, &c.vols[0].vol, &c.label, &v->run->mem, err));
	SM_GOTO(st, sm_infer_volume(&v->infer, &c.vols[0].vol, &v->run->mem, &prob, err));
	add_dice(&v->infer.about.task, &prob, c.label.data, dice);
out:
	sm_vol_clear(&prob);
	sm_case_clear(&c);
	return st;
}

enum sm_status sm_volumes_dice(void *ctx, struct sm_net *net, double *dice, struct sm_err *err)
{
	struct sm_volumes *v = ctx;
	const struct sm_task *task = &v->infer.about.task;
	size_t n = (size_t)(task->channels - sm_task_first(task));
	memset(dice, 0, n * sizeof *dice);
	SM_TRY(take_weights(v, net, err));
	for (size_t i = 0; i < v->count; i++)
		SM_TRY(one_case(v, v->pick[i], dice, err));
	for (size_t c = 0; c < n; c++)
		dice[c] /= (double)v->count;
	return SM_OK;
}
