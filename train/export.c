/* SPDX-License-Identifier: Apache-2.0 */
#include "train/export.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/stage.h"
#include "core/text.h"
#include "train/export_names.h"
#include "train/network.h"
#include "train/onnx.h"
#include "train/safetensors.h"

#define NAME_ROOM 160

static const char *const scaled[] = {
	"not at all",
	"in each channel each z slice to mean 0 and standard deviation 1 (divisor n; constant: 0)",
	"in each channel the tile to mean 0 and standard deviation 1 (divisor n; constant: 0)",
	"in each channel the tile to 0..1 (constant: 0)",
};

/* By the field plane of a checkpoint; 0: a network of tiles. */
static const char *const directions[] = {
	"H along y, W along x",
	"H from the front of the patient to the back, W from right to left",
	"H from the head to the feet, W from the patient's right to left",
	"H from the head to the feet, W from the front of the patient to the back",
	"H along rows, W along columns of slices of all three planes as radiologists see them",
};
#define STORED "H and W along the second and the first of the slice's index axes, in index order"

/* ---- names ---------------------------------------------------------------------------------- */

/* Largest number of a stage "enc#". */
static int deepest_of(const struct sm_net *net)
{
	size_t n;
	const struct sm_param *p = sm_net_params(net, &n);
	int most = 0, level;
	for (size_t i = 0; i < n; i++)
		if (sscanf(p[i].name, "enc%d.", &level) == 1 && level > most)
			most = level;
	return most;
}

/* own name -> exported name of all parameters and running statistics. */
static json_t *names_of(const struct sm_export *e)
{
	json_t *names = json_object();
	int deepest = deepest_of(e->net);
	for (int k = 0; k < 2; k++) {
		size_t n;
		const struct sm_param *p =
			k ? sm_net_states(e->net, &n) : sm_net_params(e->net, &n);
		for (size_t i = 0; i < n; i++) {
			char name[NAME_ROOM];
			sm_export_name(e->about.model, p[i].name, deepest, name, sizeof name);
			if (json_object_set_new(names, p[i].name, json_string(name)) != 0) {
				json_decref(names);
				return NULL;
			}
		}
	}
	return names;
}

/* ---- what the file says of itself ------------------------------------------------------------ */

static void set_text(json_t *meta, const char *key, const char *value)
{
	json_object_set_new(meta, key, json_string(value));
}

/* A value as one line of JSON; steals it. */
static void set_json(json_t *meta, const char *key, json_t *value)
{
	char *line = value ? sm_json_line(value) : NULL;
	if (line)
		line[strcspn(line, "\n")] = 0;
	json_object_set_new(meta, key, line ? json_string(line) : NULL);
	free(line);
	json_decref(value);
}

static enum sm_status describe(struct sm_export *e, struct sm_err *err)
{
	const struct sm_checkpoint *c = &e->about;
	const int64_t size[3] = {c->size[0], c->size[1], c->size[2]};
	const char *like = sm_export_like(c->model);
	json_t *meta = e->meta = json_object();
	set_text(meta, "format", "pt"); /* what readers of safetensors expect: PyTorch's orders */
	set_text(meta, "writer", "scanmill " SM_VERSION);
	set_text(meta, "model", c->model);
	set_text(meta, "norm", c->norm);
	set_text(meta, "activation", c->activation);
	set_json(meta, "width", json_real(c->width));
	set_json(meta, "deep_supervision", json_integer(c->deep_supervision));
	set_json(meta, "dimensions", json_integer(sm_onnx_flat(e->net) ? 2 : 3));
	set_json(meta, "patch", sm_json_ints(size, 3));
	set_json(meta, "spacing", sm_json_floats(c->spacing, 3));
	set_text(meta, "plane", sm_checkpoint_plane(c->plane));
	set_text(meta, "view", !c->plane ? "none" : c->stored ? "stored" : "radiological");
	set_json(meta, "in_channels", json_integer(c->in_channels));
	set_json(meta, "channels", json_incref(c->channels));
	set_text(meta, "standardise", sm_standardise_name(c->standardise));
	set_json(meta, "task", sm_task_dump(&c->task));
	set_json(meta, "epoch", json_integer(c->epoch));
	set_text(meta, "checkpoint_sha256", e->sha256);
	set_text(meta, "preprocess_sha256", c->preprocess);
	set_text(meta, "names_like", like ? like : "own");
	set_json(meta, "own_names", names_of(e));
	return json_object_size(meta) == 21 ? SM_OK
					    : SM_FAIL(err, SM_BUDGET, "export: out of memory");
}

static void describe_task(struct sm_text *text, const struct sm_task *task)
{
	sm_text_f(text, "Outputs (%s): ",
		  task->softmax ? "softmax, channels sum to 1" : "sigmoid, each by itself");
	for (int k = 0; k < task->channels; k++) {
		const char *join = " = labels ";
		if (task->softmax && k == 0) {
			sm_text_f(text, "0 %s = background", task->name[k]);
			continue;
		}
		sm_text_f(text, "%s%d %s", k ? "; " : "", k, task->name[k]);
		for (int l = 0; l <= task->labels; l++)
			if (task->member[k][l]) {
				sm_text_f(text, "%s%d", join, l);
				join = ", ";
			}
	}
	sm_text_str(text, ".");
}

static enum sm_status explain(struct sm_export *e, struct sm_err *err)
{
	const struct sm_checkpoint *c = &e->about;
	struct sm_text text = {0};
	size_t i;
	json_t *name;
	sm_text_f(&text, "%s, trained by scanmill. Input: %d channels", c->model, c->in_channels);
	json_array_foreach(c->channels, i, name)
		sm_text_f(&text, "%s%s", i ? ", " : ": ", json_string_value(name));
	if (c->plane)
		sm_text_f(&text, "; %s slices of %d x %d voxels (columns, rows), %d at once",
			  c->plane > 3 ? "axial, coronal and sagittal"
				       : sm_checkpoint_plane(c->plane),
			  c->size[0], c->size[1], c->size[2]);
	else
		sm_text_f(&text, "; tiles of %d x %d x %d voxels (x, y, z)", c->size[0],
			  c->size[1], c->size[2]);
	sm_text_f(&text, ", scaled %s", scaled[c->standardise]);
	if (c->spacing[0] > 0)
		sm_text_f(&text, "; voxels of %g x %g x %g mm", c->spacing[0], c->spacing[1],
			  c->spacing[2]);
	sm_text_f(&text, ", axes %s, %s. ",
		  sm_onnx_flat(e->net) ? "(N,C,H,W)"
		  : c->plane           ? "(N,C,D,H,W) with D from slice to slice"
				       : "(N,C,D,H,W) with D along z",
		  c->plane && c->stored ? STORED : directions[c->plane]);
	describe_task(&text, &c->task);
	enum sm_status st = sm_text_check(&text, "export", err);
	if (st == SM_OK)
		e->doc = sm_strf("%s", text.data);
	sm_text_clear(&text);
	return st == SM_OK && !e->doc ? SM_FAIL(err, SM_BUDGET, "export: out of memory") : st;
}

/* ---- opening and writing -------------------------------------------------------------------- */

/* Only the weights are touched. */
static enum sm_status check_budget(const struct sm_export *e, const struct sm_mem *mem,
				   struct sm_err *err)
{
	struct sm_forecast f = sm_net_forecast(e->net);
	size_t need = f.params + f.state;
	if (!mem || !mem->limit || need <= mem->limit)
		return SM_OK;
	return SM_FAIL(err, SM_BUDGET,
		       "%s: its weights need %zu MiB, the budget (--memory) is %zu MiB",
		       e->about.model, sm_mib_up(need), mem->limit >> 20);
}

static enum sm_status check_values(const char *path, const struct sm_param *p, size_t n,
				   const float *values, struct sm_err *err)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < p[i].count; k++)
			if (!isfinite(values[p[i].offset + k]))
				return SM_FAIL(err, SM_INPUT,
					       "%s: %s holds a value that is NaN or infinite: such "
					       "a network is of no use",
					       sm_path_base(path), p[i].name);
	return SM_OK;
}

static enum sm_status check_weights(const char *path, const struct sm_export *e,
				    struct sm_err *err)
{
	size_t params, states;
	const struct sm_param *p = sm_net_params(e->net, &params),
			      *s = sm_net_states(e->net, &states);
	SM_TRY(check_values(path, p, params, sm_net_weights(e->net), err));
	return check_values(path, s, states, sm_net_state_values(e->net), err);
}

enum sm_status sm_export_open(const char *path, struct sm_mem *mem, struct sm_export *e,
			      struct sm_err *err)
{
	const struct sm_network_opt opt = {.batch = 1, .threads = 1};
	*e = (struct sm_export){0};
	if (sm_checkpoint_of_translation(path))
		return SM_FAIL(err, SM_INPUT,
			       "%s: is a checkpoint of image translation (dataset: pair), whose "
			       "networks are not exported: allowed are those of segmentation",
			       sm_path_base(path));
	SM_TRY(sm_checkpoint_open(path, &e->about, err));
	SM_TRY(sm_network_plan_file(path, &e->about, &opt, &e->net, err));
	SM_TRY(check_budget(e, mem, err));
	/* No budget: the activations' pages are never touched. */
	SM_TRY(sm_net_alloc(e->net, NULL, err));
	SM_TRY(sm_checkpoint_load(path, e->net, false, err));
	SM_TRY(check_weights(path, e, err));
	SM_TRY(sm_content_sha256(path, NULL, e->sha256, err));
	SM_TRY(describe(e, err));
	return explain(e, err);
}

void sm_export_close(struct sm_export *e)
{
	sm_net_free(e->net);
	sm_checkpoint_clear(&e->about);
	json_decref(e->meta);
	free(e->doc);
	*e = (struct sm_export){0};
}

enum sm_status sm_export_safetensors(const struct sm_export *e, const char *path,
				     struct sm_err *err)
{
	size_t params, states, n = 0;
	const struct sm_param *p = sm_net_params(e->net, &params),
			      *s = sm_net_states(e->net, &states);
	bool flat = sm_onnx_flat(e->net);
	json_t *names = names_of(e);
	struct sm_safetensor *t = calloc(params + states + 1, sizeof *t);
	enum sm_status st = t && names ? SM_OK : SM_FAIL(err, SM_BUDGET, "export: out of memory");
	for (; st == SM_OK && n < params + states; n++) {
		const struct sm_param *from = n < params ? &p[n] : &s[n - params];
		const float *values =
			n < params ? sm_net_weights(e->net) : sm_net_state_values(e->net);
		snprintf(t[n].name, sizeof t[n].name, "%s", sm_json_text(names, from->name));
		for (int a = 0; a < from->rank; a++)
			if (!(flat && from->rank == 5 && a == 2))
				t[n].dims[t[n].rank++] = from->shape[a];
		t[n].count = from->count;
		t[n].data = values + from->offset;
	}
	if (st == SM_OK)
		st = sm_safetensors_write(path, t, n, e->meta, err);
	json_decref(names);
	free(t);
	return st;
}

enum sm_status sm_export_onnx(const struct sm_export *e, const char *path, struct sm_err *err)
{
	const struct sm_onnx_about about = {e->about.model, e->doc, e->meta};
	return sm_onnx_write(path, e->net, &about, err);
}
