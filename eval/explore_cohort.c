/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/explore.h"

const char *const sm_ex_stage[SM_EX_FROMS] = {
	[SM_EX_INGEST] = "ingest", [SM_EX_PREPROCESS] = "preprocess", [SM_EX_SPLIT] = "split"};

const char *const sm_odd_words[SM_ODD_KINDS] = {
	[SM_ODD_CONSTANT] = "one value in the whole volume",
	[SM_ODD_GAP] = "constant slices between others",
	[SM_ODD_EMPTY] = "more than half of the slices constant",
	[SM_ODD_CLIPPED] = "clipped values",
	[SM_ODD_MEDIAN] = "median far from the cohort's",
	[SM_ODD_HIGH] = "brightest values far from the cohort's",
	[SM_ODD_SPREAD] = "spread far from the cohort's",
};

const char *const sm_number_keys[SM_NUMBERS] = {
	[SM_N_MIN] = "min", [SM_N_MAX] = "max", [SM_N_MEAN] = "mean", [SM_N_SD] = "sd",
	[SM_N_P1] = "p1",   [SM_N_P50] = "p50", [SM_N_P99] = "p99",
};

json_t *sm_explore_entry(const json_t *record, const char *list, const char *when, const char *name)
{
	size_t i;
	json_t *e;
	if (!sm_record_ok(record))
		return NULL;
	json_array_foreach(json_object_get(record, list), i, e)
	{
		const char *w = sm_json_text(e, "when"), *n = sm_json_text(e, "name");
		if (w && strcmp(w, when) == 0 && (!name || (n && strcmp(n, name) == 0)))
			return e;
	}
	return NULL;
}

json_t *sm_explore_label(const json_t *record, const char *when, int label)
{
	size_t i;
	json_t *e;
	if (!sm_record_ok(record))
		return NULL;
	json_array_foreach(json_object_get(record, "labels"), i, e)
	{
		const char *w = sm_json_text(e, "when");
		if (w && strcmp(w, when) == 0 &&
		    json_integer_value(json_object_get(e, "label")) == label)
			return e;
	}
	return NULL;
}

double sm_explore_real(const json_t *entry, const char *key)
{
	const json_t *v = json_object_get(entry, key);
	return json_is_number(v) ? json_number_value(v) : NAN;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof *v, ascending);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

char *sm_explore_fold(const struct sm_explore *x, const char *key)
{
	return sm_ledger_text(&x->from[SM_EX_SPLIT], key, "fold");
}

/* Number `kind` of a case. */
static double measure(const struct sm_numbers *n, enum sm_odd kind)
{
	if (kind == SM_ODD_MEDIAN)
		return n->v[SM_N_P50];
	if (kind == SM_ODD_HIGH)
		return n->v[SM_N_P99];
	return n->v[SM_N_P99] - n->v[SM_N_P1];
}

static size_t count(const struct sm_explore *x)
{
	return sm_records_count(x->run->ledger.records);
}

/* The measure of every case that has one; returns how many. */
static size_t measures(const struct sm_explore *x, const struct sm_channel *channel,
		       enum sm_odd kind, double *v)
{
	size_t n = 0;
	for (size_t i = 0; i < count(x); i++) {
		double d = channel->of[i].has ? measure(&channel->of[i], kind) : NAN;
		if (isfinite(d))
			v[n++] = d;
	}
	return n;
}

/* ---- first look at all records: which channels and labels there are, and numbers ------------- */

static enum sm_status channel_of(struct sm_explore *x, const char *when, const char *name,
				 const char *key, struct sm_channel **out, struct sm_err *err)
{
	for (size_t i = 0; i < x->channel_count; i++)
		if (when && name && strcmp(x->channels[i].when, when) == 0 &&
		    strcmp(x->channels[i].name, name) == 0) {
			*out = &x->channels[i];
			return SM_OK;
		}
	if (!when || !name || x->channel_count == SM_EX_CHANNELS)
		return SM_FAIL(err, SM_INPUT, "%s: holds an image beyond the %d that a page takes",
			       key, SM_EX_CHANNELS);
	struct sm_arena *arena = &x->run->arena;
	struct sm_channel c = {.when = sm_arena_strdup(arena, when),
			       .name = sm_arena_strdup(arena, name),
			       .of = sm_calloc(&x->run->mem, count(x) + 1, sizeof *c.of,
					       "numbers of the cohort", err)};
	if (!c.of)
		return SM_BUDGET;
	x->channels[x->channel_count] = c;
	*out = &x->channels[x->channel_count++];
	return c.when && c.name ? SM_OK : SM_FAIL(err, SM_BUDGET, "explore: out of memory");
}

static struct sm_numbers numbers_of(const json_t *e)
{
	struct sm_numbers n = {.has = true};
	json_int_t slices = json_integer_value(json_object_get(e, "slices")),
		   constant = json_integer_value(json_object_get(e, "constant_slices"));
	for (int k = 0; k < SM_NUMBERS; k++)
		n.v[k] = sm_explore_real(e, sm_number_keys[k]);
	if (n.v[SM_N_MIN] >= n.v[SM_N_MAX])
		n.odd |= 1u << SM_ODD_CONSTANT;
	else if (constant * 2 > slices)
		n.odd |= 1u << SM_ODD_EMPTY;
	if (json_integer_value(json_object_get(e, "gaps")))
		n.odd |= 1u << SM_ODD_GAP;
	if (json_array_size(json_object_get(e, "clipped")))
		n.odd |= 1u << SM_ODD_CLIPPED;
	return n;
}

static enum sm_status gather_images(struct sm_explore *x, size_t at, const json_t *record,
				    struct sm_err *err)
{
	size_t i;
	json_t *e;
	json_array_foreach(json_object_get(record, "images"), i, e)
	{
		const char *when = sm_json_text(e, "when"), *name = sm_json_text(e, "name");
		const char *key = sm_record_key(record);
		struct sm_hist h;
		struct sm_channel *c = NULL;
		SM_TRY(channel_of(x, when, name, key, &c, err));
		if (!sm_hist_read(json_object_get(e, "hist"), &h))
			return SM_FAIL(err, SM_INTERNAL, "%s: its histogram of %s cannot be read",
				       key, name);
		c->cases++;
		if (!c->of[at].has)
			c->of[at] = numbers_of(e);
	}
	return SM_OK;
}

/* Everything that one record tells without knowing the others. */
static enum sm_status gather_one(struct sm_explore *x, size_t at, const json_t *record,
				 struct sm_err *err)
{
	size_t i;
	json_t *e;
	x->drawn[at] = (uint8_t)((sm_record_output(record, "sheet") ? SM_EX_SHEET : 0) |
				 (sm_record_output(record, "samples") ? SM_EX_SAMPLES : 0));
	json_array_foreach(json_object_get(record, "labels"), i, e)
		x->cm3 = x->cm3 || json_object_get(e, "cm3");
	return sm_record_ok(record) ? gather_images(x, at, record, err) : SM_OK;
}

static int by_when_and_name(const void *a, const void *b)
{
	const struct sm_channel *p = a, *q = b;
	int order = strcmp(p->when, q->when);
	return order ? order : strcmp(p->name, q->name);
}

static void find_whens(struct sm_explore *x)
{
	static const char *const whens[2] = {"ingest", "preprocess"};
	qsort(x->channels, x->channel_count, sizeof *x->channels, by_when_and_name);
	x->when_count = 0;
	for (int w = 0; w < 2; w++)
		for (size_t c = 0; c < x->channel_count; c++)
			if (strcmp(x->channels[c].when, whens[w]) == 0) {
				x->whens[x->when_count++] = whens[w];
				break;
			}
}

/* ---- second look: histograms and labels ------------------------------------------------------ */

/* Values of a channel that count for its histogram. One case whose values reach a thousand times as
 * far as those of the others would leave them one bin: what lies more than eight usual spreads away
 * from the middle of the cohort is left out, when there are 5 cases or more. */
struct band {
	double middle, room;
};

static struct band band_of(const struct sm_explore *x, const struct sm_channel *c, double *v)
{
	size_t n = measures(x, c, SM_ODD_SPREAD, v);
	struct band band = {.room = n < 5 ? INFINITY : 8 * median(v, n)};
	n = measures(x, c, SM_ODD_MEDIAN, v);
	band.middle = n ? median(v, n) : 0;
	return band;
}

static void merge_one(struct sm_explore *x, struct sm_channel *c, const struct band *band,
		      const json_t *record)
{
	const json_t *e = sm_explore_entry(record, "images", c->when, c->name);
	struct sm_hist h;
	if (!e || !sm_hist_read(json_object_get(e, "hist"), &h) ||
	    fabs(sm_explore_real(e, "p1") - band->middle) > band->room ||
	    fabs(sm_explore_real(e, "p99") - band->middle) > band->room)
		return;
	sm_hist_merge(&c->hist, &h, (size_t)x->s->bins);
	c->drawn++;
}

static enum sm_status add_label(struct sm_explore *x, int label, const json_t *e,
				struct sm_err *err)
{
	struct sm_label_sums *l = &x->labels[label];
	double d = sm_explore_real(e, x->cm3 ? "cm3" : "voxels");
	if (!l->v)
		l->v = sm_alloc(&x->run->mem, count(x) + 1, sizeof *l->v, "volumes of the cohort",
				err);
	if (!l->v)
		return SM_BUDGET;
	l->voxels += sm_explore_real(e, "voxels");
	l->slices += sm_explore_real(e, "slices");
	l->cases++;
	if (isfinite(d))
		l->v[l->n++] = d;
	x->holds[label] = x->holds[label] || label > 0;
	return SM_OK;
}

static enum sm_status add_labels(struct sm_explore *x, const json_t *record, struct sm_err *err)
{
	const char *when = x->whens[x->when_count - 1];
	size_t i;
	json_t *e;
	x->labelled += sm_explore_entry(record, "labels", when, NULL) != NULL;
	json_array_foreach(json_object_get(record, "labels"), i, e)
	{
		json_int_t label = json_integer_value(json_object_get(e, "label"));
		if (label >= 0 && label < SM_EX_LABELS &&
		    sm_explore_label(record, when, (int)label) == e)
			SM_TRY(add_label(x, (int)label, e, err));
	}
	return SM_OK;
}

static enum sm_status second_look(struct sm_explore *x, struct sm_err *err)
{
	size_t i;
	json_t *record;
	enum sm_status st = SM_OK;
	double *v = sm_alloc(&x->run->mem, count(x) + 1, sizeof *v, "numbers of the cohort", err);
	struct band *bands =
		v ? sm_alloc(&x->run->mem, x->channel_count + 1, sizeof *bands, "channels", err)
		  : NULL;
	for (size_t c = 0; bands && c < x->channel_count; c++)
		bands[c] = band_of(x, &x->channels[c], v);
	sm_records_foreach(x->run->ledger.records, i, record)
	{
		for (size_t c = 0; bands && c < x->channel_count; c++)
			merge_one(x, &x->channels[c], &bands[c], record);
		if (bands && st == SM_OK && sm_record_ok(record))
			st = add_labels(x, record, err);
	}
	for (int k = 0; k < SM_EX_LABELS; k++)
		if (x->labels[k].n)
			qsort(x->labels[k].v, x->labels[k].n, sizeof *v, ascending);
	sm_free(v);
	if (!bands)
		return SM_BUDGET;
	sm_free(bands);
	return st == SM_OK ? sm_records_check(x->run->ledger.records, err) : st;
}

/* ---- what is odd ----------------------------------------------------------------------------- */

/* Robust z: distance from the median in units of 1.4826 MAD, which is 1 sd for normal values
 * (Iglewicz and Hoaglin, 1993). With fewer than 5 cases nothing is far; nor is what lies nearer
 * than a quarter of the usual spread (1 to 99 %) of a case, however alike the others are. */
static void far_ones(const struct sm_explore *x, const struct sm_channel *channel, enum sm_odd kind,
		     double *v)
{
	size_t i, n = measures(x, channel, SM_ODD_SPREAD, v);
	if (n < 5)
		return;
	double usual = median(v, n);
	n = measures(x, channel, kind, v);
	double middle = median(v, n);
	for (i = 0; i < n; i++)
		v[i] = fabs(v[i] - middle);
	double mad = 1.4826 * median(v, n);
	for (i = 0; i < count(x); i++) {
		struct sm_numbers *numbers = &channel->of[i];
		double d = numbers->has ? fabs(measure(numbers, kind) - middle) : 0;
		if (isfinite(d) && d > x->s->outlier * mad && d > usual / 4)
			numbers->odd |= 1u << kind;
	}
}

static enum sm_status find_odd(struct sm_explore *x, struct sm_err *err)
{
	double *v = sm_alloc(&x->run->mem, count(x) + 1, sizeof *v, "numbers of the cohort", err);
	if (!v)
		return SM_BUDGET;
	for (size_t c = 0; c < x->channel_count; c++) {
		struct sm_channel *channel = &x->channels[c];
		for (size_t i = 0; strcmp(channel->when, x->whens[0]) != 0 && i < count(x); i++)
			channel->of[i].odd &= ~(1u << SM_ODD_CLIPPED);
		for (enum sm_odd k = SM_ODD_MEDIAN; k < SM_ODD_KINDS; k++)
			far_ones(x, channel, k, v);
	}
	sm_free(v);
	return SM_OK;
}

/* ---- samples of the data set ----------------------------------------------------------------- */

size_t sm_explore_samples(const json_t *record)
{
	static const char *const lists[] = {"sets", "planes"};
	size_t i, n = (size_t)json_integer_value(json_object_get(record, "tiles"));
	json_t *e;
	for (size_t k = 0; k < SM_COUNT(lists); k++)
		json_array_foreach(json_object_get(record, lists[k]), i, e) n +=
			json_array_size(json_object_get(e, "slices"));
	return n;
}

/* Of the data set: samples in all and by fold. A stage that has folds of its own tells their counts
 * in its header. */
static enum sm_status gather_samples(struct sm_explore *x, struct sm_err *err)
{
	const struct sm_ledger *data = &x->from[SM_EX_DATA];
	size_t i;
	const char *domain;
	json_t *record, *of, *counts = json_object_get(data->header, "counts");
	sm_records_foreach(data->records, i, record)
	{
		char *own = counts ? NULL : sm_explore_fold(x, sm_record_key(record));
		size_t n = sm_record_ok(record) ? sm_explore_samples(record) : 0;
		int fold = own ? sm_fold_of(own) : SM_FOLDS;
		x->samples += n;
		if (fold != SM_FOLDS)
			x->fold_samples[fold] += n;
		free(own);
	}
	for (int f = 0; f < SM_FOLDS; f++)
		json_object_foreach(counts, domain, of) x->fold_samples[f] +=
			(size_t)json_integer_value(
				json_object_get(of, sm_fold_name((enum sm_fold)f)));
	return sm_records_check(data->records, err);
}

static enum sm_status gather_map(struct sm_explore *x, struct sm_err *err)
{
	size_t i;
	json_t *record;
	sm_records_foreach(x->from[SM_EX_PREPROCESS].records, i, record)
	{
		json_t *map = json_object_get(record, "label_map");
		if (!json_array_size(map))
			continue;
		x->label_map = json_incref(map);
		json_decref(record);
		break;
	}
	return sm_records_check(x->from[SM_EX_PREPROCESS].records, err);
}

enum sm_status sm_explore_gather(struct sm_explore *x, struct sm_err *err)
{
	size_t i;
	json_t *record;
	enum sm_status st = SM_OK;
	x->drawn = sm_calloc(&x->run->mem, count(x) + 1, 1, "numbers of the cohort", err);
	if (!x->drawn)
		return SM_BUDGET;
	sm_records_foreach(x->run->ledger.records, i, record)
		st = st == SM_OK ? gather_one(x, i, record, err) : st;
	SM_TRY(st);
	SM_TRY(sm_records_check(x->run->ledger.records, err));
	find_whens(x);
	if (!x->when_count)
		return SM_FAIL(err, SM_INPUT, "no case could be looked at: the ledger tells why");
	SM_TRY(second_look(x, err));
	SM_TRY(find_odd(x, err));
	SM_TRY(gather_map(x, err));
	return gather_samples(x, err);
}

void sm_explore_clear(struct sm_explore *x)
{
	for (size_t c = 0; c < x->channel_count; c++)
		sm_free(x->channels[c].of);
	for (int k = 0; k < SM_EX_LABELS; k++)
		sm_free(x->labels[k].v);
	json_decref(x->label_map);
	sm_free(x->drawn);
}
