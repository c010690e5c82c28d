/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage dicom: derived volumes as DICOM series.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "derive/dicom_series.h"
#include "derive/interleave.h"
#include "derive/marks.h"
#include "derive/sources.h"

enum { SYNTHETIC_SIDECAR, SYNTHETIC_ALL, SYNTHETIC_NONE };
enum { MODALITY_SIDECAR };

struct options {
	int modality, synthetic, axis;
	char *role;
};

#define AT(member) .offset = offsetof(struct options, member)
static const struct sm_field fields[] = {
	{"modality", SM_F_CHOICE, AT(modality), "auto", .choices = "auto|ct|mr|pt",
	 .doc = "what the pictures are; auto: what sidecar or ledger say"},
	{"synthetic", SM_F_CHOICE, AT(synthetic), "auto", .choices = "auto|all|none",
	 .doc = "whether the numbers were predicted; auto: what the sidecar says, without one that "
		"says so the case is "
		"refused"},
	{"axis", SM_F_CHOICE, AT(axis), "auto", .choices = "auto|x|y|z",
	 .doc = "voxel axis of the slices; auto: that of predicted_slices, else of the sidecar's "
		"orientation, else z"},
	{"role", SM_F_STRING, AT(role), .doc = "only volumes of this role; absent = all"},
};
static const struct sm_fieldset options =
	SM_FIELDSET("dicom", struct options, fields, "options of dicom");

struct job {
	struct sm_sources sources; /* first: its functions take a struct job */
	const struct options *o;
};

/* One volume on its way. */
struct passage {
	const struct sm_source *source;
	const json_t *record;
	struct sm_vol vol;
	struct sm_marks marks;
	json_t *sidecar;
	bool *predicted, *processed, *none;
	char derivation[901], patient[16]; /* patient: of a key too long for PatientID */
	struct sm_series_about about;
	struct sm_dicom_series series;
};

static void passage_clear(struct passage *p)
{
	sm_marks_clear(&p->marks);
	sm_vol_clear(&p->vol);
	json_decref(p->sidecar);
	free(p->predicted);
	free(p->processed);
	free(p->none);
}

/* ---- what it is ------------------------------------------------------------------------------ */

static enum sm_status find_kind(const struct job *j, struct passage *p, struct sm_err *err)
{
	static const char *const names[] = {"CT", "MR", "PT"};
	const char *said = sm_json_text(p->sidecar, "Modality");
	if (j->o->modality != MODALITY_SIDECAR && said &&
	    strcmp(said, names[j->o->modality - 1]) != 0)
		return SM_FAIL(err, SM_INPUT,
			       "%s: --modality asks for %s, but its sidecar says another one",
			       p->source->role, names[j->o->modality - 1]);
	if (j->o->modality != MODALITY_SIDECAR) {
		p->about.kind = (enum sm_dicom_kind)(j->o->modality - 1);
		return SM_OK;
	}
	if (!said)
		said = sm_json_text(p->record, "modality");
	for (int k = 0; said && k < 3; k++)
		if (strcmp(said, names[k]) == 0) {
			p->about.kind = (enum sm_dicom_kind)k;
			return SM_OK;
		}
	return SM_FAIL(err, SM_INPUT,
		       "%s: neither sidecar nor ledger say that its modality is CT, MR or PT: "
		       "--modality does",
		       p->source->role);
}

static enum sm_status find_marks(const struct job *j, struct passage *p, struct sm_err *err)
{
	int told = sm_slice_axis(p->sidecar, &p->vol);
	SM_TRY(sm_marks_read(p->sidecar, &p->vol, p->source->role, &p->marks, err));
	if (j->o->synthetic == SYNTHETIC_SIDECAR && !p->marks.known)
		return SM_FAIL(err, SM_INPUT,
			       "%s: no sidecar says whether its numbers were predicted "
			       "(Synthetic): --synthetic all or none "
			       "does",
			       p->source->role);
	if (j->o->synthetic != SYNTHETIC_SIDECAR && p->marks.known &&
	    p->marks.synthetic != (j->o->synthetic == SYNTHETIC_ALL))
		return SM_FAIL(err, SM_INPUT,
			       "%s: --synthetic %s, but its sidecar says the opposite",
			       p->source->role, j->o->synthetic == SYNTHETIC_ALL ? "all" : "none");
	p->about.synthetic = p->marks.known ? p->marks.synthetic : j->o->synthetic == SYNTHETIC_ALL;
	p->about.axis = j->o->axis              ? j->o->axis - 1
			: p->marks.axis >= 0    ? p->marks.axis
			: p->marks.filled_count ? p->marks.filled_axis
						: told;
	p->about.own_axis = p->about.axis == told;
	SM_TRY(sm_marks_none(&p->marks, p->about.axis, &p->vol, &p->none, err));
	p->about.none = p->none;
	/* Along another axis every picture has predicted rows in it. Where none is a copy, all that
	 * have a file were predicted. */
	if (p->marks.axis != p->about.axis ||
	    (p->none && p->marks.n + p->marks.filled_count == (size_t)p->vol.dim[p->about.axis]))
		return SM_OK;
	p->predicted = calloc((size_t)p->vol.dim[p->about.axis], sizeof *p->predicted);
	p->processed = calloc((size_t)p->vol.dim[p->about.axis], sizeof *p->processed);
	if (!p->predicted || !p->processed)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", p->source->role);
	for (size_t i = 0; i < p->marks.n; i++)
		p->predicted[p->marks.index[i]] = true;
	p->about.predicted = p->predicted;
	if (!p->marks.processed_count || p->marks.processed_axis != p->about.axis)
		return SM_OK;
	for (size_t i = 0; i < p->marks.processed_count; i++)
		p->processed[p->marks.processed[i]] = true;
	p->about.processed = p->processed;
	return SM_OK;
}

static void describe(struct passage *p, const char *key)
{
	char how[600];
	sm_marks_say(p->sidecar, how, sizeof how);
	snprintf(p->derivation, sizeof p->derivation,
		 "%s by scanmill %s%s%s%s; not for clinical use",
		 !p->about.synthetic ? "Converted"
		 : p->about.processed
			 ? "SYNTHETIC in part, slices so marked are predictions, others PROCESSED "
			   "or copies,"
		 : p->about.predicted
			 ? "SYNTHETIC in part, slices so marked are predictions, others are copies,"
			 : "SYNTHETIC, predicted and not measured,",
		 SM_VERSION, *how ? " (" : "", how, *how ? ")" : "");
	const char *patient = sm_json_text(p->record, "patient");
	p->about.derivation = p->derivation;
	p->about.patient_id = patient ? patient : key;
	if (strlen(p->about.patient_id) > 64) {
		char hex[65];
		sm_sha256_bytes(p->about.patient_id, strlen(p->about.patient_id), hex);
		snprintf(p->patient, sizeof p->patient, "p%.12s", hex);
		p->about.patient_id = p->patient;
	}
	p->about.study = sm_json_text(p->record, "study");
	p->about.frame = sm_json_text(p->record, "frame_of_reference");
	p->about.burned_in = json_object_get(p->record, "burned_text") != NULL;
	p->about.sidecar = p->sidecar;
}

/* ---- writing --------------------------------------------------------------------------------- */

static enum sm_status save(const struct passage *p, struct sm_item *item, struct sm_err *err)
{
	char *dir = sm_strf("%s/%s/%s", item->run->out, item->key, p->source->role), hex[65];
	enum sm_status st = dir ? sm_mkdirs(dir, err) : SM_FAIL(err, SM_BUDGET, "out of memory");
	free(dir);
	for (int64_t k = 1; st == SM_OK && k <= p->series.slices; k++) {
		if (p->none && p->none[sm_dicom_series_slice(&p->series, k)])
			continue;
		char *name = sm_strf("%s/%s/%05lld.dcm", item->key, p->source->role, (long long)k);
		char *path = name ? sm_path_join(item->run->out, name) : NULL;
		st = path ? sm_dicom_series_write(&p->series, k, &item->files, path, hex, err)
			  : SM_FAIL(err, SM_BUDGET, "out of memory");
		if (st == SM_OK)
			st = sm_item_output(item, p->source->role, name, hex, err);
		free(path);
		free(name);
	}
	return st;
}

/* A series with a gap, or with rows that nobody made, is told; slices missing at its ends are not
 * worth more than their number in the record. */
static void warn_of_none(const struct passage *p, struct sm_item *item)
{
	int64_t last = -1, gaps = 0;
	for (int64_t k = 0; p->none && k < p->series.slices; k++) {
		if (p->none[k])
			continue;
		gaps += last >= 0 && k != last + 1;
		last = k;
	}
	if (gaps)
		sm_item_warn(item,
			     "%s: %lld of its %lld slices hold nothing and have no file: between "
			     "the others there %s",
			     p->source->role, (long long)(p->series.slices - p->series.written),
			     (long long)p->series.slices, gaps == 1 ? "is a gap" : "are gaps");
	if (p->marks.filled_count && !p->none)
		sm_item_warn(item,
			     "%s: rows of each slice hold nothing (filled_slices lie along another "
			     "axis)",
			     p->source->role);
}

static void note(const struct passage *p, struct sm_item *item)
{
	const struct sm_dicom_series *s = &p->series;
	json_t *all = json_object_get(item->record, "series");
	if (!all) {
		all = json_object();
		json_object_set_new(item->record, "series", all);
	}
	json_int_t predicted = s->about.predicted   ? (json_int_t)p->marks.n
			       : s->about.synthetic ? s->written
						    : 0;
	json_object_set_new(all, p->source->role,
			    json_pack("{s:s, s:s, s:s, s:I, s:I, s:b, s:f, s:f, s:b}", "series_uid",
				      s->uid, "study_uid", s->study, "frame_uid", s->frame,
				      "slices", (json_int_t)s->written, "predicted_slices",
				      predicted, "exact", s->stored, "slope", s->slope, "intercept",
				      s->inter, "reversed", s->reversed));
	if (s->about.processed)
		json_object_set_new(json_object_get(all, p->source->role), "processed_slices",
				    json_integer((json_int_t)p->marks.processed_count));
	if (p->none)
		json_object_set_new(json_object_get(all, p->source->role), "empty_slices",
				    json_integer((json_int_t)(s->slices - s->written)));
}

static enum sm_status one_volume(struct job *j, const struct sm_source *source,
				 const json_t *record, struct sm_item *item, json_t *left_out,
				 struct sm_err *err)
{
	struct passage p = {.source = source, .record = record, .marks = {.axis = -1}};
	char sha256[65];
	enum sm_status st;
	SM_GOTO(st, sm_source_read(&j->sources, source, &p.vol, &p.sidecar, sha256, err));
	if (sm_source_is_label(&j->sources, source, &p.vol, left_out))
		goto out;
	if (p.vol.meaning == SM_MEANING_LABEL) {
		st = SM_FAIL(err, SM_INPUT, "%s: holds labels, which are no %s", source->role,
			     "CT, MR or PET image");
		goto out;
	}
	SM_GOTO(st, find_kind(j, &p, err));
	SM_GOTO(st, find_marks(j, &p, err));
	describe(&p, item->key);
	SM_GOTO(st, sm_dicom_series_make(&p.vol, &p.about, source->role, &item->run->mem, &p.series,
					 err));
	if (!p.series.stored)
		sm_item_warn(item, "%s: numbers are rounded to steps of %.9g (16 bits)",
			     source->role, p.series.slope);
	if (!p.series.written) {
		st = SM_FAIL(err, SM_INPUT,
			     "%s: all its slices hold nothing (filled_slices in its "
			     "sidecar)",
			     source->role);
		goto out;
	}
	warn_of_none(&p, item);
	SM_GOTO(st, save(&p, item, err));
	note(&p, item);
out:
	passage_clear(&p);
	return st;
}

static enum sm_status work(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	struct job *j = ctx;
	struct sm_source source[SM_SOURCE_VOLUMES];
	size_t n, done = 0;
	json_t *record = sm_sources_record(&j->sources, i, err), *left_out = json_array();
	enum sm_status st = record ? SM_OK : SM_IO;
	if (st != SM_OK)
		goto out;
	SM_GOTO(st, sm_sources_list(&j->sources, record, source, &n, left_out, err));
	sm_sources_carry(record, item->record);
	for (size_t k = 0; k < n; k++) {
		if (j->o->role && strcmp(j->o->role, source[k].role) != 0)
			continue;
		SM_GOTO(st, one_volume(j, source + k, record, item, left_out, err));
		done++;
	}
	if (json_array_size(left_out))
		json_object_set(item->record, "left_out", left_out);
	if (!done)
		st = SM_FAIL(err, SM_INPUT, "has no volume of the role %s", j->o->role);
	else if (!json_object_get(item->record, "series"))
		st = SM_FAIL(err, SM_INPUT, "has labels alone, which are no CT, MR or PET image");
out:
	json_decref(left_out);
	json_decref(record);
	return st;
}

static enum sm_status run(struct sm_run *run, struct sm_err *err)
{
	struct job j = {.o = run->options};
	SM_TRY(sm_sources_open(run, &j.sources, err));
	const struct sm_items items = {.count = j.sources.count,
				       .noun = "cases",
				       .ctx = &j,
				       .key = sm_sources_key,
				       .inputs = sm_sources_inputs,
				       .work = work};
	enum sm_status st = sm_run_items(run, &items, err);
	sm_sources_close(&j.sources);
	return st;
}

static const struct sm_stage stage = {
	.name = "dicom",
	.summary = "derived volumes as DICOM series",
	.details = "Reads the folder of interpolate, predict, preprocess or ingest, or one NIfTI "
		   "file with the sidecar "
		   "beside it;\n"
		   "writes <case>/<role>/00001.dcm and so on: CT, MR or PET Image Storage, 16 "
		   "bits, one file a slice. "
		   "Each series is\n"
		   "DERIVED; slices that hold nothing (filled_slices of the sidecar) have no file; "
		   "predicted slices say SYNTHETIC in ImageType, ImageComments and "
		   "DerivationDescription. Whole "
		   "numbers of 16\n"
		   "bits keep every bit. UIDs are made from the content: the same volume gives the "
		   "same files anywhere. "
		   "No name, date\n"
		   "or identifier of a person goes in; PatientID is the ledger's patient key, or "
		   "the case's key.\n"
		   "  scanmill dicom --in work/interpolate --out work/dicom\n"
		   "  scanmill dicom --modality ct --synthetic all --in synthetic.nii.gz --out out",
	.version = 4, /* 4: PROCESSED slices; the patient's position in PET */
	.needs = SM_NEEDS_IN | SM_NEEDS_OUT | SM_BY_ITEM | SM_IN_MAY_BE_FILE,
	.options = &options,
	.run = run,
};

int main(int argc, char **argv)
{
	return sm_stage_main(&stage, argc, argv);
}
