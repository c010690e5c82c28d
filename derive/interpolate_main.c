/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage interpolate: predicted slices between the slices of scans.
 */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/nii.h"
#include "derive/interleave.h"
#include "derive/marks.h"
#include "derive/network.h"
#include "derive/sources.h"

struct options {
	int64_t factor;
	int method, axis;
	char *model;
};

enum { NETWORK = 3 };
enum { AXIS_AUTO };

#define AT(member) .offset = offsetof(struct options, member)
static const char *const methods[] = {"nearest", "linear", "cubic", "network"};
static const struct sm_field fields[] = {
	{"factor", SM_F_INT, AT(factor), "2", SM_FACTOR_MIN, SM_FACTOR_MAX,
	 .doc = "slices of the result for each step between two: Z slices become (Z-1)*factor+1"},
	{"method", SM_F_CHOICE, AT(method), "linear", .choices = "nearest|linear|cubic|network",
	 .doc = "where the slices between come from"},
	{"axis", SM_F_CHOICE, AT(axis), "auto", .choices = "auto|x|y|z",
	 .doc = "voxel axis along which the slices lie; auto: the one that the sidecar's "
		"orientation tells, else z"},
	{"model", SM_F_STRING, AT(model), .path = true,
	 .doc = "of method network: folder of train, or a checkpoint, of a network of middle "
		"slices "
		"(pair.mode triplets)"},
};
static const struct sm_fieldset options =
	SM_FIELDSET("interpolate", struct options, fields, "options of interpolate");

struct job {
	struct sm_sources sources; /* first: its functions take a struct job */
	const struct options *o;
	struct sm_filler filler;
	struct sm_between network; /* of method network */
	bool processed;            /* the volumes went through preprocess */
	int threads;
};

/* One volume on its way. */
struct passage {
	const struct sm_source *source;
	struct sm_vol vol;
	struct sm_marks marks;
	struct sm_interleave il;
	json_t *sidecar, *new_sidecar;
	bool *none; /* slices that hold nothing; NULL = all hold something */
	int axis;
};

static void passage_clear(struct passage *p)
{
	sm_interleave_clear(&p->il);
	sm_marks_clear(&p->marks);
	sm_vol_clear(&p->vol);
	json_decref(p->sidecar);
	json_decref(p->new_sidecar);
	free(p->none);
}

/* A thick axis that is not the one to be filled is probably the one that was meant. */
static void warn_of_axis(const struct job *j, const struct passage *p, struct sm_item *item)
{
	double mm[3];
	static const char names[] = "xyz";
	sm_vol_spacing(&p->vol, mm);
	if (j->o->axis != AXIS_AUTO)
		return;
	for (int a = 0; a < 3; a++)
		if (p->vol.dim[a] > 1 && mm[a] > 1.5 * mm[p->axis]) {
			sm_item_warn(item,
				     "%s: slices along %c are %.3g mm apart, those along %c, which "
				     "are filled, %.3g mm: "
				     "--axis %c would fill the others",
				     p->source->role, names[a], mm[a], names[p->axis], mm[p->axis],
				     names[a]);
			return;
		}
}

static enum sm_status save_sidecar(const struct passage *p, struct sm_item *item,
				   struct sm_err *err)
{
	char hex[65];
	char *name = sm_strf("%s/%s.json", item->key, p->source->role);
	char *path = name ? sm_path_join(item->run->out, name) : NULL;
	char *text = json_dumps(p->new_sidecar,
				JSON_SORT_KEYS | JSON_INDENT(2) | JSON_REAL_PRECISION(15));
	enum sm_status st = SM_OK;
	if (!path || !text) {
		st = SM_FAIL(err, SM_BUDGET, "out of memory");
		goto out;
	}
	size_t n = strlen(text);
	text[n] = '\n'; /* in the place of the zero byte */
	SM_GOTO(st, sm_outset_write(&item->files, path, text, n + 1, err));
	sm_sha256_bytes(text, n + 1, hex);
	st = sm_item_output(item, "sidecar", name, hex, err);
out:
	free(text);
	free(path);
	free(name);
	return st;
}

static enum sm_status save_volume(const struct passage *p, struct sm_item *item, struct sm_err *err)
{
	char hex[65], bytes[65];
	char *name = sm_strf("%s/%s.nii.gz", item->key, p->source->role);
	char *path = name ? sm_path_join(item->run->out, name) : NULL;
	enum sm_status st = path ? sm_nii_write_in(&item->files, path, &p->il.out, 0, item->jobs,
						   hex, bytes, err)
				 : SM_FAIL(err, SM_BUDGET, "out of memory");
	if (st == SM_OK)
		st = sm_item_output(item, p->source->role, name, hex, err);
	if (st == SM_OK)
		st = sm_item_file_hash(item, name, bytes, err);
	free(path);
	free(name);
	return st;
}

/* What the ledger says of the volume. */
static void note(const struct passage *p, struct sm_item *item)
{
	json_t *volumes = json_object_get(item->record, "volumes");
	if (!volumes) {
		volumes = json_object();
		json_object_set_new(item->record, "volumes", volumes);
	}
	const struct sm_vol *v = &p->il.out;
	double mm[3], affine[16];
	char axes[4];
	sm_vol_spacing(v, mm);
	sm_vol_axes(v, axes);
	memcpy(affine, v->affine, sizeof affine);
	json_t *geometry =
		json_pack("{s:o, s:s, s:o, s:o}", "affine", sm_json_floats(affine, 16), "axes",
			  axes, "dim", sm_json_ints(v->dim, 3), "spacing", sm_json_floats(mm, 3));
	json_int_t originals = (json_int_t)p->vol.dim[p->axis], predicted = 0;
	for (int64_t k = 0; k + 1 < p->vol.dim[p->axis]; k++)
		if (!p->none || !(p->none[k] || p->none[k + 1]))
			predicted += p->il.factor - 1;
	json_object_set_new(volumes, p->source->role,
			    json_pack("{s:i, s:I, s:I, s:o}", "axis", p->axis, "original_slices",
				      originals, "predicted_slices", predicted, "geometry",
				      geometry));
}

/* Of a stage's folder: true when the network was trained on volumes of another kind. */
static bool is_other(const struct job *j, const struct sm_between_source *about, json_t *left_out)
{
	if (j->o->method != NETWORK || j->sources.file_key ||
	    sm_between_takes(&j->network, about))
		return false;
	json_array_append_new(left_out, json_string(about->role));
	return true;
}

static enum sm_status one_volume(struct job *j, const struct sm_source *source,
				 const json_t *record, struct sm_item *item, json_t *left_out,
				 struct sm_err *err)
{
	struct passage p = {.source = source, .marks = {.axis = -1}};
	struct sm_between_source about = {.key = item->key, .role = source->role};
	struct sm_mem *mem = &item->run->mem;
	char sha256[65];
	enum sm_status st;
	SM_GOTO(st, sm_source_read(&j->sources, source, &p.vol, &p.sidecar, sha256, err));
	about.modality = sm_json_text(p.sidecar, "Modality");
	if (!about.modality)
		about.modality = sm_json_text(record, "modality");
	about.told = sm_json_text(p.sidecar, "Meaning") != NULL;
	if (sm_source_is_label(&j->sources, source, &p.vol, left_out) ||
	    is_other(j, &about, left_out))
		goto out;
	if (p.vol.meaning == SM_MEANING_LABEL && j->filler.method != SM_FILL_NEAREST) {
		st = SM_FAIL(
			err, SM_INPUT,
			"%s: holds labels, between which there are no values: allowed is --method "
			"nearest",
			source->role);
		goto out;
	}
	SM_GOTO(st, sm_marks_read(p.sidecar, &p.vol, source->role, &p.marks, err));
	int told = sm_slice_axis(p.sidecar, &p.vol);
	p.axis = j->o->axis == AXIS_AUTO ? told : j->o->axis - 1;
	SM_GOTO(st, sm_interleave_begin(&p.il, &p.vol, p.axis, (int)j->o->factor, source->role, mem,
					err));
	SM_GOTO(st, sm_marks_none(&p.marks, p.axis, &p.vol, &p.none, err));
	p.il.none = p.none;
	warn_of_axis(j, &p, item);
	SM_GOTO(st,
		j->o->method == NETWORK
			? sm_between_fill(&j->network, &p.il, &about, item, err)
			: sm_interleave_fill(&p.il, &j->filler, item->jobs, mem, err));
	double mm[3];
	sm_vol_spacing(&p.il.out, mm);
	const struct sm_interleaving how = {.axis = p.axis,
					    .factor = (int)j->o->factor,
					    .slices = p.vol.dim[p.axis],
					    .own_axis = p.axis == told,
					    .spacing = mm[p.axis],
					    .processed = j->processed,
					    .none = p.none,
					    .method = methods[j->o->method],
					    .model = j->o->method == NETWORK
							     ? j->network.translator.sha256
							     : NULL};
	p.new_sidecar = sm_marks_interleave(p.sidecar, &p.marks, &how);
	if (!p.new_sidecar) {
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", source->role);
		goto out;
	}
	SM_GOTO(st, save_volume(&p, item, err));
	SM_GOTO(st, save_sidecar(&p, item, err));
	note(&p, item);
out:
	passage_clear(&p);
	return st;
}

static enum sm_status make_folder(struct sm_item *item, struct sm_err *err)
{
	char *dir = sm_path_join(item->run->out, item->key);
	enum sm_status st = dir ? sm_mkdirs(dir, err) : SM_FAIL(err, SM_BUDGET, "out of memory");
	free(dir);
	return st;
}

static enum sm_status work(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	struct job *j = ctx;
	struct sm_source source[SM_SOURCE_VOLUMES];
	size_t n;
	json_t *record = sm_sources_record(&j->sources, i, err), *left_out = json_array();
	enum sm_status st = record ? SM_OK : SM_IO;
	if (st != SM_OK)
		goto out;
	SM_GOTO(st, sm_sources_list(&j->sources, record, source, &n, left_out, err));
	sm_sources_carry(record, item->record);
	SM_GOTO(st, make_folder(item, err));
	for (size_t k = 0; k < n; k++)
		SM_GOTO(st, one_volume(j, source + k, record, item, left_out, err));
	if (json_array_size(left_out))
		json_object_set(item->record, "left_out", left_out);
	if (!json_object_get(item->record, "volumes"))
		st = j->o->method == NETWORK
			     ? SM_FAIL(err, SM_INPUT,
				       "has no volume of the role or modality '%s', which "
				       "alone the network was trained on",
				       sm_between_trained_on(&j->network))
			     : SM_FAIL(err, SM_INPUT,
				       "has labels alone, between which there are no values");
out:
	json_decref(left_out);
	json_decref(record);
	return st;
}

static enum sm_status choose_filler(struct job *j, struct sm_err *err)
{
	static const enum sm_fill fill[] = {SM_FILL_NEAREST, SM_FILL_LINEAR, SM_FILL_CUBIC,
					    SM_FILL_MIDDLE};
	j->filler.method = fill[j->o->method];
	if (j->o->method == NETWORK && !j->o->model)
		return SM_FAIL(err, SM_USAGE,
			       "--model: is missing, --method network needs a folder of train or a "
			       "checkpoint");
	if (j->o->method != NETWORK && j->o->model)
		return SM_FAIL(err, SM_USAGE,
			       "--model: was given with --method %s, which takes none",
			       methods[j->o->method]);
	return SM_OK;
}

static enum sm_status inputs(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	const struct job *j = ctx;
	const struct sm_translator *t = &j->network.translator;
	SM_TRY(sm_sources_inputs(ctx, i, item, err));
	return t->path ? sm_item_input(item, "checkpoint", sm_path_base(t->path), t->sha256, err)
		       : SM_OK;
}

/* Which steps of preprocess the volumes went through goes on to who interpolates them again. */
static enum sm_status open_inputs(struct job *j, struct sm_run *run, struct sm_err *err)
{
	const struct sm_ledger *parent;
	char steps[65] = "";
	SM_TRY(sm_sources_open(run, &j->sources, err));
	parent = j->sources.file_key ? NULL : &j->sources.parent;
	if (parent)
		sm_between_steps(parent, steps);
	j->processed = *steps != 0;
	if (j->processed)
		json_object_set_new(run->ledger.header, "preprocess_steps", json_string(steps));
	if (j->o->method != NETWORK)
		return SM_OK;
	SM_TRY(sm_between_open(&j->network, run, j->o->model, parent, err));
	json_object_set_new(run->ledger.header, "checkpoint",
			    json_string(j->network.translator.sha256));
	/* The network has all threads; a second case reads and writes meanwhile. */
	run->jobs = run->jobs > 1 ? 2 : 1;
	return SM_OK;
}

static enum sm_status run(struct sm_run *run, struct sm_err *err)
{
	struct job j = {.o = run->options, .threads = run->jobs};
	SM_TRY(choose_filler(&j, err));
	enum sm_status st = open_inputs(&j, run, err);
	const struct sm_items items = {.count = j.sources.count,
				       .noun = "cases",
				       .ctx = &j,
				       .key = sm_sources_key,
				       .inputs = inputs,
				       .work = work};
	if (st == SM_OK)
		st = sm_run_items(run, &items, err);
	run->jobs = j.threads;
	sm_between_close(&j.network);
	sm_sources_close(&j.sources);
	return st;
}

static const struct sm_stage stage = {
	.name = "interpolate",
	.summary = "predicted slices between the slices of a scan",
	.details =
		"Reads the folder of ingest, preprocess, predict or interpolate, or one NIfTI "
		"file with the sidecar "
		"beside it;\n"
		"writes <case>/<role>.nii.gz and <case>/<role>.json. Z slices become "
		"(Z-1)*factor+1: every original "
		"slice stays\n"
		"where it was with every bit, both ends included; the spacing is divided by the "
		"factor. The sidecar's "
		"predicted_slices\n"
		"lists the others. Labels and masks are left out. Predicted whole numbers are "
		"rounded half to even "
		"and keep to the\n"
		"range of the data type. nearest, linear and cubic (convolution, a = -1/2) are "
		"the baselines that a "
		"network has to beat.\n"
		"network: a network that stage train made of slice triplets; volumes of preprocess "
		"must have had its steps, others\n"
		"be in its own unit (HU), and of a case only those of its role or modality are "
		"filled. Slices of sizes that it does\n"
		"not take are padded with their edges and cut back. It halves each gap as often\n"
		"as needed.\n"
		"  scanmill interpolate --factor 2 --in work/ingest --out work/interpolate\n"
		"  scanmill interpolate --method network --model work/train --in work/ingest --out "
		"work/finer\n"
		"  scanmill interpolate --factor 3 --method cubic --in scan.nii.gz --out out",
	.version = 4, /* 4: processed_slices */
	.needs = SM_NEEDS_IN | SM_NEEDS_OUT | SM_BY_ITEM | SM_IN_MAY_BE_FILE,
	.options = &options,
	.run = run,
};

int main(int argc, char **argv)
{
	sm_nn_prepare_process(argv);
	return sm_stage_main(&stage, argc, argv);
}
