/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/pair_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "preprocess/foldlist.h"

/* Sample numbers by fold. */
static json_t *fold_lists(const uint8_t *fold, size_t n)
{
	json_t *lists = sm_config_new();
	for (size_t k = 0; k < n; k++)
		json_array_append_new(json_object_get(lists, sm_fold_name((enum sm_fold)fold[k])),
				      json_integer((json_int_t)k));
	return lists;
}

void sm_pair_note(const struct sm_pair_set *set, json_t *record)
{
	const char domain[2] = {set->domain, 0};
	const int64_t size[2] = {set->view.width, set->view.height};
	json_t *images = json_array(), *windows = json_array(), *entry = json_object();
	const struct sm_pair_side *sides[2] = {&set->x, &set->b};
	for (int i = 0; i < 2; i++) {
		if (!sides[i]->vol)
			continue;
		json_array_append_new(images, json_string(sides[i]->name));
		json_array_append_new(windows, json_pack("[ff]", sides[i]->low, sides[i]->high));
	}
	json_object_set_new(entry, "domain", json_string(domain));
	json_object_set_new(entry, "images", images);
	json_object_set_new(entry, "windows", windows);
	json_object_set_new(entry, "slices", sm_json_ints(set->index, set->n));
	if (set->s->split != SM_BY_FIRST)
		json_object_set_new(entry, "folds", fold_lists(set->fold, set->n));
	json_object_set_new(entry, "left_out", json_integer((json_int_t)set->left_out));
	json_object_set_new(entry, "size", sm_json_ints(size, 2));
	json_object_set_new(entry, "pixel_mm", sm_json_floats(set->view.pixel_mm, 2));
	json_object_set_new(entry, "slice_mm", json_real(set->view.slice_mm));
	json_array_append_new(json_object_get(record, "sets"), entry);
}

/* Domains of the counts: pairs, a, b. */
enum { PAIRS, DOMAIN_A, DOMAIN_B, DOMAINS };
static const char *const domain_names[DOMAINS] = {"pairs", "a", "b"};

struct totals {
	const struct sm_pair_section *s;
	json_t *config, *patients; /* patient -> bits of its folds */
	json_int_t count[DOMAINS][SM_FOLDS];
	json_int_t seen[DOMAINS]; /* with SM_BY_FIRST */
	json_t *first, *other; /* sets of different sizes; owned */
	const char *first_key, *other_key;
	int64_t held_out[DOMAINS]; /* samples, with SM_BY_FIRST */
};

static int domain_of(const json_t *set)
{
	const char *d = sm_json_text(set, "domain");
	return d && *d ? DOMAIN_A + (*d == 'b') : PAIRS;
}

/* Folds by position: the first samples of the domain are for testing. They depend on other
 * cases, so no record holds them. A new reference. */
static json_t *first_lists(struct totals *t, const json_t *set, int domain)
{
	size_t n = json_array_size(json_object_get(set, "slices"));
	json_t *lists = sm_config_new();
	for (size_t k = 0; k < n; k++)
		json_array_append_new(
			json_object_get(lists, sm_fold_name(t->seen[domain]++ < t->held_out[domain]
								    ? SM_TEST
								    : SM_TRAIN)),
			json_integer((json_int_t)k));
	return lists;
}

/* One sample as config.json lists it. */
static json_t *entry_of(const struct totals *t, const char *key, const char *domain,
			enum sm_fold fold, json_int_t sample, json_int_t slice)
{
	json_t *e = json_object();
	char *path;
	json_object_set_new(e, "slice", json_integer(slice));
	if (*domain)
		json_object_set_new(e, "domain", json_string(domain));
	if (t->s->format != SM_FORMAT_PNG) {
		path = sm_pair_shard_path(key, *domain);
		json_object_set_new(e, "file", json_string(path ? path : ""));
		json_object_set_new(e, "sample", json_integer(sample));
		free(path);
	}
	for (int i = 0; t->s->format != SM_FORMAT_HDF5 && i < 2; i++) {
		const char side[2] = {(char)('a' + i), 0};
		if (*domain && *domain != *side)
			continue;
		path = sm_pair_picture_path(t->s, key, (char)('A' + i), fold, slice);
		json_object_set_new(e, side, json_string(path ? path : ""));
		free(path);
	}
	return e;
}

static void add_set(struct totals *t, const char *key, const char *patient, json_t *set)
{
	int domain = domain_of(set);
	size_t k;
	json_t *number, *slices = json_object_get(set, "slices");
	json_int_t bits = json_integer_value(json_object_get(t->patients, patient));
	json_t *folds = t->s->split == SM_BY_FIRST ? first_lists(t, set, domain)
						   : json_incref(json_object_get(set, "folds"));
	for (int f = 0; f < SM_FOLDS; f++) {
		const char *name = sm_fold_name((enum sm_fold)f);
		json_t *list = json_object_get(folds, name);
		json_array_foreach(list, k, number)
		{
			json_int_t sample = json_integer_value(number);
			json_int_t slice =
				json_integer_value(json_array_get(slices, (size_t)sample));
			json_array_append_new(json_object_get(t->config, name),
					      entry_of(t, key, sm_json_text(set, "domain"),
						       (enum sm_fold)f, sample, slice));
		}
		t->count[domain][f] += (json_int_t)json_array_size(list);
		bits |= json_array_size(list) ? (json_int_t)1 << f : 0;
	}
	json_decref(folds);
	json_object_set_new(t->patients, patient, json_integer(bits));
	if (!t->first) {
		t->first = json_incref(set);
		t->first_key = key;
	} else if (!t->other && !json_equal(json_object_get(set, "size"),
					    json_object_get(t->first, "size"))) {
		t->other = json_incref(set);
		t->other_key = key;
	}
}

/* Patients whose samples stand in several folds. */
static size_t shared(const struct totals *t)
{
	const char *patient;
	json_t *value;
	size_t n = 0;
	json_object_foreach(t->patients, patient, value)
	{
		json_int_t bits = json_integer_value(value);
		n += (bits & (bits - 1)) != 0;
	}
	return n;
}

static void tell(struct sm_run *run, const struct totals *t, const double shares[SM_FOLDS],
		 const struct sm_ledger *split)
{
	size_t n = shared(t);
	json_int_t sum = 0;
	size_t all[SM_FOLDS] = {0}, cases[SM_FOLDS + 1] = {0};
	json_t *counts = json_object();
	printf("domain\tfold\tsamples\n");
	for (int d = 0; d < DOMAINS; d++) {
		if ((d == PAIRS) == (t->s->mode == SM_PAIR_UNPAIRED))
			continue;
		json_t *of = json_object();
		for (int f = 0; f < SM_FOLDS; f++) {
			const char *name = sm_fold_name((enum sm_fold)f);
			printf("%s\t%s\t%lld\n", domain_names[d], name, (long long)t->count[d][f]);
			json_object_set_new(of, name, json_integer(t->count[d][f]));
			all[f] += (size_t)t->count[d][f];
			sum += t->count[d][f];
		}
		json_object_set_new(counts, domain_names[d], of);
	}
	json_object_set_new(run->ledger.header, "counts", counts);
	json_object_set_new(run->ledger.header, "shared_patients", json_integer((json_int_t)n));
	if (n && (t->s->split == SM_BY_SLICES || t->s->split == SM_BY_FIRST))
		sm_warn(&run->log, NULL,
			"slices of %zu patients stand in several folds (pair.split: %s, as the "
			"original did): figures on them are too good; patient or blocks part them",
			n, t->s->split == SM_BY_FIRST ? "first" : "slices");
	else if (n)
		sm_info(&run->log, NULL,
			"slices of %zu patients stand in several folds, at least %lld apart", n,
			(long long)t->s->gap + 1);
	if (split) {
		for (size_t i = 0; i < sm_records_count(run->ledger.records); i++)
			cases[sm_folds_of(split, sm_records_key(run->ledger.records, i))]++;
		sm_folds_warn(run, cases, all);
	}
	bool drawn = t->s->split == SM_BY_SLICES || t->s->split == SM_BY_BLOCKS;
	for (int f = 0; drawn && sum && f < SM_FOLDS; f++)
		if (shares[f] > 0 && !all[f])
			sm_warn(&run->log, NULL, "fold %s has share %g but no sample: too few %s",
				sm_fold_name((enum sm_fold)f), shares[f],
				t->s->split == SM_BY_SLICES ? "slices" : "blocks");
}

static enum sm_status check(struct sm_run *run, const struct totals *t, struct sm_err *err)
{
	const char *const names[DOMAINS] = {"", t->s->a, t->s->b};
	int64_t size[2][2];
	for (int d = DOMAIN_A; t->s->mode == SM_PAIR_UNPAIRED && d < DOMAINS; d++) {
		json_int_t n = 0;
		for (int f = 0; f < SM_FOLDS; f++)
			n += t->count[d][f];
		if (n < 2)
			return SM_FAIL(
				err, SM_INPUT,
				"pair.%s: domain '%s' has %lld samples, needed are at least 2",
				domain_names[d], names[d], (long long)n);
		if (t->s->split == SM_BY_FIRST && n <= t->held_out[d])
			return SM_FAIL(
				err, SM_INPUT,
				"pair.held_out: found %lld, domain '%s' has %lld samples: allowed "
				"is less, or nothing is left for training",
				(long long)t->s->held_out, names[d], (long long)n);
	}
	if (t->other && sm_json_get_ints(t->first, "size", size[0], 2) &&
	    sm_json_get_ints(t->other, "size", size[1], 2))
		sm_warn(&run->log, NULL,
			"samples differ in size (%s %lld x %lld, %s %lld x %lld): a network needs "
			"one, by the steps resize or pad_crop",
			t->first_key, (long long)size[0][0], (long long)size[0][1], t->other_key,
			(long long)size[1][0], (long long)size[1][1]);
	return SM_OK;
}

/* How many samples of each domain are held out. */
static void bound_held_out(struct totals *t, struct sm_run *run)
{
	const char *const names[DOMAINS] = {"", t->s->a, t->s->b};
	size_t i, k;
	json_t *record, *set;
	int64_t n[DOMAINS] = {0};
	sm_records_foreach(run->ledger.records, i, record) if (sm_record_ok(record))
		json_array_foreach(json_object_get(record, "sets"), k, set) n[domain_of(set)] +=
		(int64_t)json_array_size(json_object_get(set, "slices"));
	for (int d = 0; d < DOMAINS; d++) {
		int64_t most = (int64_t)(t->s->held_out_share * (double)n[d]);
		t->held_out[d] = t->s->held_out;
		if (t->s->split != SM_BY_FIRST || t->s->held_out_share >= 1 ||
		    most >= t->s->held_out || !n[d])
			continue;
		t->held_out[d] = most;
		sm_warn(&run->log, NULL,
			"pair.held_out: %lld is more than pair.held_out_share of the %lld samples "
			"of '%s': the first %lld are held out",
			(long long)t->s->held_out, (long long)n[d], names[d], (long long)most);
	}
}

enum sm_status sm_pair_finish(struct sm_run *run, const struct sm_pair_section *s,
			      const double shares[SM_FOLDS], const struct sm_ledger *split,
			      struct sm_err *err)
{
	struct totals t = {.s = s, .config = sm_config_new(), .patients = json_object()};
	size_t i, k;
	json_t *record, *set;
	enum sm_status st;
	if (!t.config || !t.patients) {
		st = SM_FAIL(err, SM_BUDGET, "config.json: out of memory");
		goto out;
	}
	bound_held_out(&t, run);
	sm_records_foreach(run->ledger.records, i, record) if (sm_record_ok(record))
		json_array_foreach(json_object_get(record, "sets"), k, set)
			add_set(&t, sm_records_key(run->ledger.records, i),
				sm_json_text(record, "patient"), set);
	/* Of some cases nothing can be said about all. */
	if (run->rejected < sm_records_count(run->ledger.records) && !run->only_count)
		SM_GOTO(st, check(run, &t, err));
	tell(run, &t, shares, split);
	st = sm_config_write(run, json_incref(t.config), err);
out:
	json_decref(t.config);
	json_decref(t.patients);
	json_decref(t.first);
	json_decref(t.other);
	return st;
}

/* "PATH HASH\n" of each output. */
static void add_outputs(struct sm_sha256 *h, const json_t *outputs)
{
	size_t i;
	json_t *output;
	json_array_foreach(outputs, i, output)
	{
		const char *part[4] = {sm_json_text(output, "path"), " ",
				       sm_json_text(output, "sha256"), "\n"};
		for (int k = 0; k < 4; k++)
			if (part[k])
				sm_sha256_add(h, part[k], strlen(part[k]));
	}
}

enum sm_status sm_pair_samples_sha256(const struct sm_ledger *pair, char sha256[65],
				      struct sm_err *err)
{
	struct sm_sha256 h;
	size_t i;
	json_t *record;
	sm_sha256_init(&h);
	add_outputs(&h, json_object_get(pair->header, "outputs"));
	sm_records_foreach(pair->records, i, record)
	{
		if (sm_record_ok(record))
			add_outputs(&h, json_object_get(record, "outputs"));
	}
	sm_sha256_final(&h, sha256);
	return sm_records_check(pair->records, err);
}
