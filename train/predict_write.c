/* SPDX-License-Identifier: Apache-2.0 */
/* What stage predict makes of probabilities: labels, maps, a picture. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "train/panels.h"
#include "train/predict.h"

static const char *const neighbour_names[] = {"6", "18", "26"};

/* ---- rules ----------------------------------------------------------------------------------- */

static enum sm_status rule_of(const struct sm_task *task, const struct sm_predict_clean *s,
			      size_t i, struct sm_clean *rule, struct sm_err *err)
{
	*rule = (struct sm_clean){.neighbours = (enum sm_neighbours)s->neighbours,
				  .largest = s->largest};
	for (size_t k = 0; k < s->labels.n; k++) {
		if (s->labels.v[k] > task->labels)
			return SM_FAIL(err, SM_USAGE,
				       "predict.clean[%zu].labels: found %lld, allowed are 1 to "
				       "%d, the network's",
				       i, (long long)s->labels.v[k], task->labels);
		rule->member[s->labels.v[k]] = 1;
	}
	if (!s->region)
		return SM_OK;
	for (int c = sm_task_first(task); c < task->channels; c++)
		if (strcmp(task->name[c], s->region) == 0) {
			memcpy(rule->member, task->member[c], sizeof rule->member);
			return SM_OK;
		}
	return SM_FAIL(err, SM_USAGE,
		       "predict.clean[%zu].region: found '%s', allowed are the network's outputs "
		       "(%s, ...)",
		       i, s->region, task->name[sm_task_first(task)]);
}

enum sm_status sm_predict_rules(struct sm_predicting *p, struct sm_err *err)
{
	const struct sm_predict_clean *s = p->s->clean.items;
	p->clean = calloc(p->s->clean.n + 1, sizeof *p->clean);
	if (!p->clean)
		return SM_FAIL(err, SM_BUDGET, "predict: out of memory");
	for (size_t i = 0; i < p->s->clean.n; i++)
		SM_TRY(rule_of(&p->infer.about.task, s + i, i, p->clean + i, err));
	return SM_OK;
}

/* Smallest number of voxels that a part must have: what min_size is, in voxels of this grid. */
static int64_t least(const struct sm_predict_clean *s, const struct sm_vol *vol)
{
	double (*m)[4] = (double (*)[4])(uintptr_t)vol->affine;
	double mm3 = fabs(m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) -
			  m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
			  m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]));
	double voxels = s->unit == SM_CLEAN_MM3 ? s->min_size / mm3 : s->min_size;
	/* A part of exactly the size stays, whatever the division made of it. */
	voxels = ceil(voxels * (1 - 1e-12));
	return voxels < 9e15 ? (int64_t)voxels : INT64_MAX;
}

static enum sm_status clean(const struct sm_predicting *p, struct sm_vol *label,
			    struct sm_item *item, struct sm_err *err)
{
	const struct sm_predict_clean *s = p->s->clean.items;
	if (!p->s->clean.n)
		return SM_OK;
	json_t *list = json_array();
	json_object_set_new(item->record, "cleaned", list);
	for (size_t i = 0; i < p->s->clean.n; i++) {
		struct sm_clean rule = p->clean[i];
		int64_t voxels, parts;
		rule.least = least(s + i, label);
		SM_TRY(sm_clean(label->data, label->dim, &rule, &p->run->mem, &voxels, &parts,
				err));
		json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:I}", "neighbours",
						      neighbour_names[rule.neighbours],
						      "min_voxels", (json_int_t)rule.least,
						      "parts_removed", (json_int_t)parts,
						      "voxels_removed", (json_int_t)voxels));
	}
	return SM_OK;
}

/* ---- files ----------------------------------------------------------------------------------- */

enum sm_status sm_predict_save(const struct sm_predicting *p, struct sm_item *item,
			       const char *suffix, const char *role, const struct sm_vol *vol,
			       struct sm_err *err)
{
	char hex[65], bytes[65];
	char *name = sm_strf("%s%s.nii.gz", item->key, suffix);
	char *path = name ? sm_path_join(item->run->out, name) : NULL;
	enum sm_status st =
		path ? sm_nii_write_in(&item->files, path, vol, 0, p->threads, hex, bytes, err)
		     : SM_FAIL(err, SM_BUDGET, "%s: out of memory", item->key);
	if (st == SM_OK)
		st = sm_item_output(item, role, name, hex, err);
	if (st == SM_OK)
		st = sm_item_file_hash(item, name, bytes, err);
	free(path);
	free(name);
	return st;
}

/* One file for each output of the network, by its name. */
static enum sm_status save_maps(const struct sm_predicting *p, const struct sm_predict_case *c,
				struct sm_item *item, struct sm_err *err)
{
	const struct sm_task *task = &p->infer.about.task;
	size_t frame = sm_vol_count(&c->placer.label);
	for (int k = 0; k < task->channels; k++) {
		struct sm_vol map = c->placer.label;
		char suffix[SM_TASK_NAME + 16], role[SM_TASK_NAME + 16];
		map.dtype = SM_F32;
		map.meaning = SM_MEANING_ARBITRARY;
		map.data = c->placer.map + (size_t)k * frame;
		snprintf(suffix, sizeof suffix, "_probability_%s", task->name[k]);
		snprintf(role, sizeof role, "probability_%s", task->name[k]);
		SM_TRY(sm_predict_save(p, item, suffix, role, &map, err));
		sm_mapped_let_go(&c->maps);
	}
	return SM_OK;
}

/* The case's label on the grid of its image, uint8; data NULL when there is none. */
static enum sm_status read_truth(const struct sm_predicting *p, const struct sm_predict_case *c,
				 struct sm_vol *truth, struct sm_err *err)
{
	const json_t *output = sm_record_output((json_t *)(uintptr_t)c->record, "label");
	const char *name = sm_json_text(output, "path");
	char *path = name ? sm_path_join(p->run->in, name) : NULL;
	*truth = (struct sm_vol){0};
	if (!name)
		return SM_OK;
	enum sm_status st = path ? sm_nii_read(path, &p->run->mem, truth, NULL, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	free(path);
	if (st == SM_OK)
		st = sm_vol_to_labels(truth, &p->run->mem, name, err);
	return st;
}

static enum sm_status save_picture(const struct sm_predicting *p, const struct sm_predict_case *c,
				   struct sm_item *item, struct sm_err *err)
{
	struct sm_vol truth;
	struct sm_image image = {0};
	struct sm_panels panels = {.image = &c->image,
				   .prediction = &c->placer.label,
				   .way = &c->way,
				   .task = &p->infer.about.task};
	char hex[65], *name = sm_strf("%s.png", item->key);
	char *path = name ? sm_path_join(item->run->out, name) : NULL;
	enum sm_status st = read_truth(p, c, &truth, err);
	if (st != SM_OK)
		goto out;
	size_t i;
	json_t *channel;
	json_array_foreach(p->infer.about.channels, i, channel)
		if (json_string_value(channel) && strcmp(json_string_value(channel), "flair") == 0)
			panels.channel = (int64_t)i;
	panels.name =
		json_string_value(json_array_get(p->infer.about.channels, (size_t)panels.channel));
	panels.turned = p->infer.about.plane > 0;
	if (!truth.data)
		sm_item_warn(item, "has no label: the picture's truth is empty");
	panels.truth = truth.data ? &truth : NULL;
	SM_GOTO(st, sm_panels_draw(&panels, &image, &p->run->mem, err));
	st = path ? sm_png_write(path, &image, err)
		  : SM_FAIL(err, SM_BUDGET, "%s: out of memory", item->key);
	if (st == SM_OK) {
		sm_image_sha256(&image, hex);
		st = sm_item_output(item, "picture", name, hex, err);
	}
out:
	sm_image_clear(&image);
	sm_vol_clear(&truth);
	free(path);
	free(name);
	return st;
}

static void count(const struct sm_vol *label, struct sm_item *item)
{
	const uint8_t *v = label->data;
	int64_t counts[256] = {0};
	json_t *voxels = json_object();
	for (size_t i = 0; i < sm_vol_count(label); i++)
		counts[v[i]]++;
	for (int i = 1; i < 256; i++) {
		char name[8];
		snprintf(name, sizeof name, "%d", i);
		if (counts[i])
			json_object_set_new(voxels, name, json_integer(counts[i]));
	}
	json_object_set_new(item->record, "voxels", voxels);
}

enum sm_status sm_predict_write(struct sm_predicting *p, struct sm_predict_case *c,
				struct sm_item *item, struct sm_err *err)
{
	uint8_t original[256];
	struct sm_vol *label = &c->placer.label;
	uint8_t *v = label->data;
	int unclear = sm_way_back_labels(&c->way, p->infer.about.task.labels, original);
	if (unclear >= 0)
		sm_item_warn(item, "label %d stands for several original labels: it stays %d",
			     unclear, unclear);
	SM_TRY(clean(p, label, item, err));
	if (p->o->pictures)
		SM_TRY(save_picture(p, c, item, err));
	for (size_t i = 0; i < sm_vol_count(label); i++)
		v[i] = original[v[i]];
	count(label, item);
	SM_TRY(sm_predict_save(p, item, "", "prediction", label, err));
	return p->o->probabilities ? save_maps(p, c, item, err) : SM_OK;
}
