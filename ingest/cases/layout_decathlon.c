/* SPDX-License-Identifier: Apache-2.0
 *
 * dataset.json of the Medical Segmentation Decathlon, and nnU-Net's later form of it (see
 * layout.h).
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ledger.h"
#include "core/nii.h"
#include "ingest/cases/layout.h"

#define NAME "dataset.json"
#define MAX_BYTES (64u << 20)
#define MAX_CHANNELS 64

struct set {
	const struct sm_layout_job *job;
	struct sm_raw_cases *out;
	json_t *json;
	const char **channel; /* roles, in the arena: the cases keep them */
	size_t channels;
	const char *end;       /* nnU-Net: of every file (".nii.gz"); NULL = the files are listed */
	unsigned char *listed; /* one a path: named by dataset.json */
	json_t *test;          /* keys of the test part */
};

static enum sm_status out_of_memory(struct sm_err *err)
{
	return SM_FAIL(err, SM_BUDGET, NAME ": out of memory");
}

static enum sm_status load(struct set *s, struct sm_err *err)
{
	unsigned char *bytes;
	size_t n;
	json_error_t why;
	char *path = sm_path_join(s->job->root, NAME);
	if (!path)
		return out_of_memory(err);
	enum sm_status st =
		sm_file_exists(path)
			? sm_file_read(path, MAX_BYTES, s->job->mem, &bytes, &n, err)
			: SM_FAIL(err, SM_INPUT,
				  NAME
				  ": is missing: layout decathlon takes the names of files, "
				  "channels and labels from it; ingest.layout: files with the "
				  "patterns imagesTr/{case}.nii* and labelsTr/{case}.nii* does "
				  "without");
	free(path);
	SM_TRY(st);
	s->json = json_loadb((const char *)bytes, n, JSON_REJECT_DUPLICATES, &why);
	sm_free(bytes);
	if (!s->json)
		return SM_FAIL(err, SM_INPUT, NAME ": line %d is no JSON: %s", why.line, why.text);
	if (!json_is_object(s->json))
		return SM_FAIL(err, SM_INPUT, NAME ": holds no object");
	return SM_OK;
}

/* Roles of the channels: {"0": "FLAIR", "1": "T1w"} gives flair, t1w. */
static enum sm_status read_channels(struct set *s, struct sm_err *err)
{
	const char *field =
		json_object_get(s->json, "channel_names") ? "channel_names" : "modality";
	json_t *names = json_object_get(s->json, field);
	size_t n = json_object_size(names);
	if (n < 1 || n > MAX_CHANNELS)
		return SM_FAIL(err, SM_INPUT,
			       NAME
			       ": %s names %zu channels, allowed are 1 to %d as {\"0\": \"T1\"}",
			       field, n, MAX_CHANNELS);
	for (size_t i = 0; i < n; i++) {
		char number[24];
		snprintf(number, sizeof number, "%zu", i);
		const char *name = json_string_value(json_object_get(names, number));
		if (!name || !*name || strlen(name) > 64)
			return SM_FAIL(
				err, SM_INPUT,
				NAME
				": %s has no name for channel \"%s\" of %zu, allowed are 1 to 64 "
				"letters",
				field, number, n);
		char *role = sm_raw_key(&s->out->arena, name);
		if (!role)
			return out_of_memory(err);
		for (char *c = role; *c; c++)
			*c = (char)tolower((unsigned char)*c);
		s->channel[i] = n == 1 ? "image" : role;
		for (size_t k = 0; k < i; k++)
			if (strcmp(s->channel[k], role) == 0)
				return SM_FAIL(
					err, SM_INPUT,
					NAME ": channels %zu and %zu of %s both become the role %s",
					k, i, field, role);
		if (strcmp(s->channel[i], "seg") == 0)
			return SM_FAIL(err, SM_INPUT,
				       NAME ": channel %zu has the name of the labels, seg", i);
	}
	s->channels = n;
	json_object_set(s->out->dataset, "channels", names);
	return SM_OK;
}

static bool is_label(json_int_t v)
{
	return v >= 0 && v <= 255;
}

/* Both forms become {"0": "background", ...}; nnU-Net's lists of labels become "regions". */
static enum sm_status read_labels(struct set *s, struct sm_err *err)
{
	json_t *in = json_object_get(s->json, "labels"), *value, *names = json_object();
	json_t *regions = json_object();
	const char *key;
	enum sm_status st = json_object_size(in)
				    ? SM_OK
				    : SM_FAIL(err, SM_INPUT, NAME ": labels is missing or empty");
	json_object_foreach(in, key, value)
	{
		char number[24], *end = number;
		if (json_is_array(value)) {
			json_object_set(regions, key, value);
			continue;
		}
		json_int_t v = json_is_integer(value) ? json_integer_value(value)
						      : (json_int_t)strtol(key, &end, 10);
		bool good = json_is_integer(value) || (json_is_string(value) && *key && !*end);
		snprintf(number, sizeof number, "%lld", (long long)v);
		if (!good || !is_label(v) || json_object_get(names, number)) {
			st = SM_FAIL(
				err, SM_INPUT,
				NAME
				": labels has \"%.40s\" that is no number from 0 to 255 with a "
				"name, or stands twice",
				key);
			break;
		}
		json_object_set_new(
			names, number,
			json_string(json_is_integer(value) ? key : json_string_value(value)));
	}
	json_object_set(s->out->dataset, "labels", names);
	if (json_object_size(regions))
		json_object_set(s->out->dataset, "regions", regions);
	json_decref(names);
	json_decref(regions);
	return st;
}

static int compare_path(const void *key, const void *path)
{
	return strcmp(key, *(char *const *)path);
}

/* The walked path of a file of dataset.json, NULL when it is not there; notes it as listed. */
static const char *look_up(struct set *s, const char *path)
{
	const struct sm_paths *p = s->job->paths;
	char *const *found =
		p->count ? bsearch(path, p->path, p->count, sizeof *p->path, compare_path) : NULL;
	if (!found)
		return NULL;
	s->listed[found - p->path] = 1;
	return *found;
}

/* "./imagesTr/a.nii.gz" without its first two letters; NULL when it is no path inside the tree. */
static const char *inside(const json_t *value)
{
	const char *path = json_string_value(value);
	while (path && strncmp(path, "./", 2) == 0)
		path += 2;
	return path && sm_path_is_inside(path) ? path : NULL;
}

/* The case's name from the path of its image or label. */
static char *key_of(struct set *s, const char *path)
{
	const char *name = sm_path_base(path);
	size_t n = strlen(name);
	if (s->end && sm_ends_with(name, s->end))
		n -= strlen(s->end);
	else if (sm_nii_stem(name))
		n = sm_nii_stem(name);
	return sm_raw_key(&s->out->arena, sm_arena_strf(&s->out->arena, "%.*s", (int)n, name));
}

static enum sm_status miss(struct set *s, struct sm_raw_case *c, const char *path,
			   struct sm_err *err)
{
	if (c->problem)
		return SM_OK;
	c->problem = sm_arena_strf(&s->out->arena, "case %s: %s is missing, which " NAME " lists",
				   c->key, path);
	return c->problem ? SM_OK : out_of_memory(err);
}

static enum sm_status add_file(struct set *s, struct sm_raw_case *c, const char *role,
			       const char *path, bool label, struct sm_err *err)
{
	const char *found = look_up(s, path);
	if (!found)
		return miss(s, c, path, err);
	c->file[c->n] = (struct sm_raw_file){.role = role, .path = found, .label = label};
	if (!label && s->channels > 1 && !s->end) {
		c->file[c->n].split = s->channel;
		c->file[c->n].split_n = s->channels;
	}
	c->n++;
	return SM_OK;
}

static struct sm_raw_case *new_case(struct set *s, char *key, size_t files)
{
	struct sm_raw_case *c = &s->out->v[s->out->n];
	c->file = sm_arena_alloc(&s->out->arena, files * sizeof *c->file);
	c->key = c->patient = key;
	if (!key || !c->file)
		return NULL;
	s->out->n++;
	return c;
}

/* One entry of "training" (an object) or "test" (a path, or an object). */
static enum sm_status add_listed(struct set *s, const char *part, size_t i, const json_t *entry,
				 bool take, struct sm_err *err)
{
	const json_t *image_value = json_is_object(entry) ? json_object_get(entry, "image") : entry;
	const char *image = inside(image_value), *label = inside(json_object_get(entry, "label"));
	bool training = strcmp(part, "training") == 0;
	if (!image || (training && !label))
		return SM_FAIL(err, SM_INPUT,
			       NAME
			       ": %s[%zu] has no %s that is a path inside the folder, allowed is "
			       "{\"image\": PATH, \"label\": PATH}%s",
			       part, i, image ? "label" : "image", training ? "" : " or PATH");
	char *key = key_of(s, image);
	if (!key)
		return out_of_memory(err);
	if (!training)
		json_array_append_new(s->test, json_string(key));
	if (!take) {
		look_up(s, image);
		return SM_OK;
	}
	struct sm_raw_case *c = new_case(s, key, 2);
	if (!c)
		return out_of_memory(err);
	SM_TRY(add_file(s, c, "image", image, false, err));
	return label ? add_file(s, c, "seg", label, true, err) : SM_OK;
}

static enum sm_status check_count(struct set *s, const char *field, size_t found,
				  struct sm_err *err)
{
	const json_t *v = json_object_get(s->json, field);
	if (!v || (json_is_integer(v) && json_integer_value(v) == (json_int_t)found))
		return SM_OK;
	return sm_raw_cases_warn(s->out, err, NAME ": %s is %lld, found are %zu", field,
				 (long long)json_integer_value(v), found);
}

static enum sm_status take_lists(struct set *s, struct sm_err *err)
{
	json_t *training = json_object_get(s->json, "training"),
	       *test = json_object_get(s->json, "test");
	size_t i, n = json_array_size(training), m = json_array_size(test);
	bool take = s->job->section->test_images == SM_TEST_TAKE;
	json_t *entry;
	if (!json_is_array(training))
		return SM_FAIL(err, SM_INPUT,
			       NAME
			       ": training is no list of {\"image\": PATH, \"label\": PATH}, and "
			       "file_ending is missing");
	s->out->v = sm_arena_alloc(&s->out->arena, (n + m + 1) * sizeof *s->out->v);
	if (!s->out->v)
		return out_of_memory(err);
	json_array_foreach(training, i, entry)
		SM_TRY(add_listed(s, "training", i, entry, true, err));
	json_array_foreach(test, i, entry) SM_TRY(add_listed(s, "test", i, entry, take, err));
	SM_TRY(check_count(s, "numTraining", n, err));
	return check_count(s, "numTest", m, err);
}

/* nnU-Net: every label of labelsTr is a case, its channels imagesTr/KEY_0000.nii.gz and so on. */
static enum sm_status take_labels(struct set *s, struct sm_err *err)
{
	const struct sm_paths *p = s->job->paths;
	s->out->v = sm_arena_alloc(&s->out->arena, (p->count + 1) * sizeof *s->out->v);
	if (!s->out->v)
		return out_of_memory(err);
	for (size_t i = 0; i < p->count; i++) {
		const char *path = p->path[i], *base = sm_path_base(path);
		if (strncmp(path, "labelsTr/", 9) != 0 || base != path + 9 || *base == '.' ||
		    !sm_ends_with(base, s->end))
			continue;
		int stem = (int)(strlen(base) - strlen(s->end));
		struct sm_raw_case *c = new_case(s, key_of(s, path), s->channels + 1);
		if (!c)
			return out_of_memory(err);
		for (size_t k = 0; k < s->channels; k++) {
			const char *image = sm_arena_strf(&s->out->arena, "imagesTr/%.*s_%04zu%s",
							  stem, base, k, s->end);
			if (!image)
				return out_of_memory(err);
			SM_TRY(add_file(s, c, s->channel[k], image, false, err));
		}
		SM_TRY(add_file(s, c, "seg", path, true, err));
	}
	return check_count(s, "numTraining", s->out->n, err);
}

/* NIfTI files that stand in the tree and not in dataset.json; those of a test part that is not
 * listed are only counted. */
static enum sm_status name_strangers(struct set *s, struct sm_err *err)
{
	const struct sm_paths *p = s->job->paths;
	json_t *names = json_array();
	size_t hidden = 0, test = 0;
	enum sm_status st = SM_OK;
	for (size_t i = 0; i < p->count; i++) {
		if (!sm_raw_is_nifti(p->path[i]) || s->listed[i])
			continue;
		if (sm_raw_is_hidden(p->path[i]))
			hidden++;
		else if (s->end && strncmp(p->path[i], "imagesTs/", 9) == 0)
			test++;
		else
			json_array_append_new(names, json_string(p->path[i]));
	}
	size_t n = json_array_size(names);
	if (n)
		st = sm_raw_cases_warn(s->out, err,
				       "%zu NIfTI files are not listed in " NAME
				       " and left out (the first is "
				       "%s)",
				       n, json_string_value(json_array_get(names, 0)));
	if (n)
		json_object_set(s->out->dataset, "not_listed", names);
	if (hidden)
		json_object_set_new(s->out->dataset, "hidden_files",
				    json_integer((json_int_t)hidden));
	if (test)
		json_object_set_new(s->out->dataset, "test_left_out",
				    json_integer((json_int_t)test));
	json_decref(names);
	return st;
}

static enum sm_status note_test(struct set *s, struct sm_err *err)
{
	size_t n = json_array_size(s->test);
	if (!n)
		return SM_OK;
	json_object_set(s->out->dataset, "test", s->test);
	if (s->job->section->test_images == SM_TEST_TAKE)
		return SM_OK;
	return sm_raw_cases_warn(s->out, err,
				 "%zu images of the test part have no labels and are left out "
				 "(ingest.test_images: take)",
				 n);
}

enum sm_status sm_layout_decathlon(const struct sm_layout_job *job, struct sm_raw_cases *out,
				   struct sm_err *err)
{
	*out = (struct sm_raw_cases){.dataset = json_object()};
	struct set s = {.job = job, .out = out, .test = json_array()};
	enum sm_status st = SM_OK;
	s.channel = sm_arena_alloc(&out->arena, MAX_CHANNELS * sizeof *s.channel);
	s.listed = calloc(job->paths->count + 1, 1);
	if (!s.listed || !s.channel || !out->dataset)
		SM_GOTO(st, out_of_memory(err));
	SM_GOTO(st, load(&s, err));
	json_object_set_new(out->dataset, "layout", json_string("decathlon"));
	SM_GOTO(st, read_channels(&s, err));
	SM_GOTO(st, read_labels(&s, err));
	if (!json_object_get(s.json, "training"))
		s.end = json_string_value(json_object_get(s.json, "file_ending"));
	SM_GOTO(st, s.end ? take_labels(&s, err) : take_lists(&s, err));
	SM_GOTO(st, sm_raw_cases_sort(out, err));
	SM_GOTO(st, sm_layout_mark_pictures(out, err));
	SM_GOTO(st, name_strangers(&s, err));
	SM_GOTO(st, note_test(&s, err));
out:
	json_decref(s.json);
	json_decref(s.test);
	free(s.listed);
	if (st != SM_OK)
		sm_raw_cases_clear(out);
	return st;
}
