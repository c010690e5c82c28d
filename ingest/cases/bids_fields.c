/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/cases/bids_fields.h"

#include <stdlib.h>
#include <string.h>

#include "core/ledger.h"
#include "ingest/cases/cases.h"

#define MAX_BYTES (4u << 20)
#define MAX_NUMBERS 100000 /* of one list: frame times, slice times */

/* Times of day, dates and texts have no place here, whatever their name. */
static const char *const names[] = {
	"AcquisitionDuration",
	"BackgroundSuppressionPulseTime",
	"DecayCorrectionFactor",
	"DelayTime",
	"DoseCalibrationFactor",
	"DwellTime",
	"EchoTime",
	"EchoTime1",
	"EchoTime2",
	"EchoTrainLength",
	"EffectiveEchoSpacing",
	"FlipAngle",
	"FrameDuration",
	"FrameTimesStart",
	"ImagingFrequency",
	"InjectedMass",
	"InjectedMassPerWeight",
	"InjectedRadioactivity",
	"InjectedVolume",
	"InjectionEnd",
	"InjectionStart",
	"InversionTime",
	"KVP",
	"LabelingDuration",
	"MagneticFieldStrength",
	"MolarActivity",
	"MultibandAccelerationFactor",
	"NumberOfVolumesDiscardedByScanner",
	"NumberOfVolumesDiscardedByUser",
	"NumberShots",
	"ParallelReductionFactorInPlane",
	"ParallelReductionFactorOutOfPlane",
	"PartialFourier",
	"PixelBandwidth",
	"PostLabelingDelay",
	"PromptRate",
	"RadionuclideHalfLife",
	"RandomRate",
	"ReconFilterSize",
	"ReconMethodParameterValues",
	"RepetitionTime",
	"RepetitionTimeExcitation",
	"RepetitionTimePreparation",
	"ScaleFactor",
	"ScanStart",
	"ScatterFraction",
	"SinglesRate",
	"SliceThickness",
	"SliceTiming",
	"SpacingBetweenSlices",
	"SpecificRadioactivity",
	"SpoilingRFPhaseIncrement",
	"TotalReadoutTime",
	"VolumeTiming",
};

static bool is_numbers(const json_t *v)
{
	size_t n = json_array_size(v);
	if (json_is_number(v))
		return true;
	if (!json_is_array(v) || n > MAX_NUMBERS)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!json_is_number(json_array_get(v, i)))
			return false;
	return n > 0;
}

static size_t folder_length(const char *path)
{
	const char *base = sm_path_base(path);
	return base > path ? (size_t)(base - path) - 1 : 0;
}

static int compare_folder(const char *a, size_t n, const char *b, size_t m)
{
	int c = memcmp(a, b, n < m ? n : m);
	return c ? c : (n > m) - (n < m);
}

static int by_folder(const void *a, const void *b)
{
	const struct sm_bids_sidecar *x = a, *y = b;
	int c = compare_folder(x->path, x->dir, y->path, y->dir);
	return c ? c : strcmp(x->path, y->path);
}

/* Sidecars stand in the top folder and below the subjects. */
static bool may_be_sidecar(const char *path)
{
	const char *base = sm_path_base(path);
	return sm_ends_with(path, ".json") && *base != '.' &&
	       (base == path || strncmp(path, "sub-", 4) == 0);
}

static enum sm_status read_one(struct sm_bids_fields *out, struct sm_bids_sidecar *s,
			       const char *root, struct sm_mem *mem, struct sm_err *err)
{
	unsigned char *bytes;
	size_t n;
	char *full = sm_path_join(root, s->path);
	s->fields = json_object();
	if (!full || !s->fields) {
		free(full);
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", s->path);
	}
	enum sm_status st = sm_file_read(full, MAX_BYTES, mem, &bytes, &n, err);
	free(full);
	if (st == SM_IO && err->scarce)
		return sm_fail_unreadable(err, s->path);
	if (st == SM_BUDGET)
		return st;
	json_t *all = st == SM_OK ? json_loadb((const char *)bytes, n, 0, NULL) : NULL;
	if (st == SM_OK)
		sm_free(bytes);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		json_t *v = json_object_get(all, names[i]);
		if (is_numbers(v))
			json_object_set(s->fields, names[i], v);
	}
	if (!json_is_object(all) && out->broken++ == 0)
		out->first_broken = s->path;
	json_decref(all);
	return SM_OK;
}

enum sm_status sm_bids_fields_read(struct sm_bids_fields *out, const char *root,
				   const struct sm_paths *paths, struct sm_mem *mem,
				   struct sm_err *err)
{
	enum sm_status st = SM_OK;
	*out = (struct sm_bids_fields){0};
	out->v = calloc(paths->count + 1, sizeof *out->v);
	if (!out->v)
		return SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
	for (size_t i = 0; i < paths->count && st == SM_OK; i++) {
		if (!may_be_sidecar(paths->path[i]))
			continue;
		struct sm_bids_sidecar *s = &out->v[out->n++];
		s->path = paths->path[i];
		s->dir = folder_length(s->path);
		st = read_one(out, s, root, mem, err);
	}
	if (out->n)
		qsort(out->v, out->n, sizeof *out->v, by_folder);
	if (st != SM_OK)
		sm_bids_fields_clear(out);
	return st;
}

void sm_bids_fields_clear(struct sm_bids_fields *fields)
{
	for (size_t i = 0; i < fields->n; i++)
		json_decref(fields->v[i].fields);
	free(fields->v);
	*fields = (struct sm_bids_fields){0};
}

/* True when the piece [p, p+n) is one of the pieces between '_' of name[0..end). */
static bool has_piece(const char *name, size_t end, const char *p, size_t n)
{
	for (size_t at = 0; at < end;) {
		size_t k = strcspn(name + at, "_");
		k = k < end - at ? k : end - at;
		if (k == n && strncmp(name + at, p, n) == 0)
			return true;
		at += k + 1;
	}
	return false;
}

/* Number of the sidecar's entities and its suffix when all are among those of the NIfTI file's
 * name, 0 when not. */
static size_t fits(const char *json, const char *nifti)
{
	size_t end = strlen(json) - 5, full = strcspn(nifti, "."), pieces = 0;
	const char *suffix = nifti + full;
	while (suffix > nifti && suffix[-1] != '_')
		suffix--;
	size_t suffix_n = (size_t)(nifti + full - suffix), last = 0;
	for (size_t at = 0; at < end; pieces++) {
		size_t n = strcspn(json + at, "_");
		n = n < end - at ? n : end - at;
		if (!has_piece(nifti, full, json + at, n))
			return 0;
		last = at;
		at += n + 1;
	}
	return end - last == suffix_n && strncmp(json + last, suffix, suffix_n) == 0 ? pieces : 0;
}

/* First sidecar of a folder. */
static size_t first_of(const struct sm_bids_fields *f, const char *path, size_t dir)
{
	size_t lo = 0, hi = f->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (compare_folder(f->v[mid].path, f->v[mid].dir, path, dir) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Adds the fields of one folder's sidecars, those of fewer entities first. */
static void inherit(const struct sm_bids_fields *f, const char *path, size_t dir, json_t *all)
{
	const char *nifti = sm_path_base(path);
	size_t from = first_of(f, path, dir), most = 0;
	for (size_t want = 1; want <= most || want == 1; want++)
		for (size_t i = from; i < f->n; i++) {
			const struct sm_bids_sidecar *s = &f->v[i];
			if (compare_folder(s->path, s->dir, path, dir) != 0)
				break;
			size_t pieces = fits(sm_path_base(s->path), nifti);
			most = pieces > most ? pieces : most;
			if (pieces == want)
				json_object_update(all, s->fields);
		}
}

enum sm_status sm_bids_fields_of(const struct sm_bids_fields *fields, const char *path,
				 const json_t *more, struct sm_arena *arena, const char **line,
				 struct sm_err *err)
{
	json_t *all = json_object();
	size_t end = folder_length(path);
	*line = NULL;
	inherit(fields, path, 0, all);
	for (size_t dir = 1; dir <= end; dir++)
		if (path[dir] == '/')
			inherit(fields, path, dir, all);
	if (more)
		json_object_update(all, (json_t *)(uintptr_t)more);
	bool any = json_object_size(all) > 0;
	char *text = any ? sm_json_line(all) : NULL;
	*line = text ? sm_arena_strdup(arena, text) : NULL;
	free(text);
	json_decref(all);
	return any && !*line ? SM_FAIL(err, SM_BUDGET, "ingest: out of memory") : SM_OK;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum sm_status beside(const char *root, const struct sm_paths *paths, struct sm_mem *mem,
			     struct sm_raw_file *f, struct sm_arena *arena, struct sm_err *err)
{
	const char *base = sm_path_base(f->path);
	char *name =
		sm_strf("%.*s.json", (int)((size_t)(base - f->path) + strcspn(base, ".")), f->path);
	struct sm_bids_fields one = {0};
	struct sm_bids_sidecar car = {.path = name};
	enum sm_status st = SM_OK;
	if (!name)
		return SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
	if (!bsearch(&name, paths->path, paths->count, sizeof *paths->path, by_text))
		goto out;
	SM_GOTO(st, read_one(&one, &car, root, mem, err));
	char *text = json_object_size(car.fields) ? sm_json_line(car.fields) : NULL;
	f->fields = text ? sm_arena_strdup(arena, text) : NULL;
	if (text && !f->fields)
		st = SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
	free(text);
out:
	json_decref(car.fields);
	free(name);
	return st;
}

enum sm_status sm_fields_beside(const char *root, const struct sm_paths *paths, struct sm_mem *mem,
				struct sm_raw_cases *cases, struct sm_err *err)
{
	for (size_t i = 0; i < cases->n; i++)
		for (size_t k = 0; k < cases->v[i].n; k++)
			if (sm_raw_is_nifti(cases->v[i].file[k].path))
				SM_TRY(beside(root, paths, mem, &cases->v[i].file[k], &cases->arena,
					      err));
	return SM_OK;
}
