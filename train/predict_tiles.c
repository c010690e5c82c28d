/* SPDX-License-Identifier: Apache-2.0 */
/* Stage predict on the samples of tile or slice. */
#include <string.h>

#include "train/loader.h"
#include "train/predict.h"

enum sm_status sm_predict_tile_inputs(const json_t *record, struct sm_item *item,
				      struct sm_err *err)
{
	size_t i;
	json_t *output;
	json_array_foreach(json_object_get(record, "outputs"), i, output)
	{
		const char *role = sm_json_text(output, "role"),
			   *path = sm_json_text(output, "path");
		const char *sha = sm_json_text(output, "sha256");
		if (!role || (strcmp(role, "shard") != 0 && strcmp(role, "tile") != 0))
			continue;
		if (!path || !sha)
			return SM_FAIL(err, SM_INPUT, "%s: a record without path or hash",
				       item->key);
		SM_TRY(sm_item_input_from(item, item->run->in, role, path, sha, err));
	}
	return SM_OK;
}

/* Probabilities of one sample become a frame of each output. */
struct frame {
	const struct sm_predicting *p;
	uint8_t *label;
	float *map;      /* of the first output, NULL = none; `step` values to the next */
	size_t step, plane;
};

static enum sm_status put(void *ctx, int64_t z, int64_t n, const float *v, struct sm_err *err)
{
	const struct frame *f = ctx;
	const struct sm_task *task = &f->p->infer.about.task;
	size_t at = (size_t)z * f->plane, count = (size_t)n * f->plane, k = (size_t)task->channels;
	(void)err;
	sm_task_labels(task, v, count, f->p->s->threshold, f->label + at);
	for (size_t c = 0; f->map && c < k; c++)
		for (size_t i = 0; i < count; i++)
			f->map[c * f->step + at + i] = v[i * k + c];
	return SM_OK;
}

static enum sm_status all_samples(struct sm_predicting *p, struct sm_tiles *tiles,
				  uint64_t networks, struct sm_vol *image, uint8_t *truth,
				  struct sm_vol *label, struct sm_vol *maps, struct sm_err *err)
{
	size_t n = sm_vol_frame_count(label);
	for (size_t i = 0; i < sm_tiles_count(tiles); i++) {
		struct frame f = {.p = p,
				  .label = (uint8_t *)label->data + i * n,
				  .map = maps->data ? (float *)maps->data + i * n : NULL,
				  .step = sm_vol_count(label),
				  .plane = (size_t)(label->dim[0] * label->dim[1])};
		const struct sm_infer_sink sink = {put, &f, networks};
		SM_TRY(sm_tiles_read(tiles, i, image->data, truth, err));
		SM_TRY(sm_infer_stream(&p->infer, image, &p->run->mem, &sink, err));
	}
	return SM_OK;
}

static enum sm_status save_all(const struct sm_predicting *p, struct sm_item *item,
			       const struct sm_vol *label, const struct sm_vol *maps,
			       struct sm_err *err)
{
	const struct sm_task *task = &p->infer.about.task;
	SM_TRY(sm_predict_save(p, item, "", "prediction", label, err));
	for (int c = 0; maps->data && c < task->channels; c++) {
		struct sm_vol one = *label;
		char suffix[SM_TASK_NAME + 16];
		one.dtype = SM_F32;
		one.meaning = SM_MEANING_ARBITRARY;
		one.data = (float *)maps->data + (size_t)c * sm_vol_count(label);
		snprintf(suffix, sizeof suffix, "_probability_%s", task->name[c]);
		SM_TRY(sm_predict_save(p, item, suffix, suffix + 1, &one, err));
	}
	return SM_OK;
}

enum sm_status sm_predict_tiles(struct sm_predicting *p, const json_t *record, uint64_t networks,
				struct sm_item *item, struct sm_err *err)
{
	const int *size = p->infer.about.size;
	struct sm_tiles *tiles = NULL;
	struct sm_vol image = {0}, label = {0}, maps = {0};
	uint8_t *truth = NULL;
	enum sm_status st;
	SM_GOTO(st, sm_predict_channels(p, record, item->key, err));
	SM_GOTO(st, sm_tiles_list_case(p->run->in, record, &p->run->mem, &tiles, err));
	struct sm_tile_shape s = sm_tiles_shape(tiles);
	int64_t dim[4] = {s.width, s.height, s.depth, s.channels};
	if (s.width != size[0] || s.height != size[1] || s.depth != size[2])
		SM_GOTO(st, SM_FAIL(err, SM_INPUT,
				    "%s: samples are %lld x %lld x %lld, the network takes %d x %d "
				    "x %d",
				    item->key, (long long)s.width, (long long)s.height,
				    (long long)s.depth, size[0], size[1], size[2]));
	SM_GOTO(st, sm_vol_init(&image, dim, SM_F32, &p->run->mem, "a tile", err));
	truth = sm_alloc(&p->run->mem, sm_vol_frame_count(&image), 1, "a tile", err);
	if (!truth)
		SM_GOTO(st, SM_BUDGET);
	dim[3] = (int64_t)sm_tiles_count(tiles);
	SM_GOTO(st, sm_vol_init(&label, dim, SM_U8, &p->run->mem, "labels of tiles", err));
	label.meaning = SM_MEANING_LABEL;
	dim[3] *= p->infer.about.task.channels;
	if (p->o->probabilities)
		SM_GOTO(st, sm_vol_init(&maps, dim, SM_F32, &p->run->mem, "probabilities of tiles",
					err));
	st = all_samples(p, tiles, networks, &image, truth, &label, &maps, err);
	if (st != SM_OK) {
		sm_err_prefix(err, "%s", item->key);
		goto out;
	}
	json_object_set_new(item->record, "samples",
			    json_integer((json_int_t)sm_tiles_count(tiles)));
	st = save_all(p, item, &label, &maps, err);
out:
	sm_tiles_free(tiles);
	sm_free(truth);
	sm_vol_clear(&image);
	sm_vol_clear(&label);
	sm_vol_clear(&maps);
	return st;
}
