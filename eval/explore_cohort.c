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

/* Number `kind` of an entry. */
static double measure(const json_t *e, enum sm_odd kind)
{
	if (kind == SM_ODD_MEDIAN)
		return sm_explore_real(e, "p50");
	if (kind == SM_ODD_HIGH)
		return sm_explore_real(e, "p99");
	return sm_explore_real(e, "p99") - sm_explore_real(e, "p1");
}

/* The measure of every case that has one; returns how many. */
static size_t measures(const struct sm_explore *x, const struct sm_channel *channel,
		       enum sm_odd kind, double *v)
{
	size_t i, n = 0;
	json_t *record;
	json_array_foreach(x->run->ledger.records, i, record)
	{
		const json_t *e = sm_explore_entry(record, "images", channel->when, channel->name);
		double d = e ? measure(e, kind) : NAN;
		if (isfinite(d))
			v[n++] = d;
	}
	return n;
}

static struct sm_channel *channel_of(struct sm_explore *x, const char *when, const char *name)
{
	for (size_t i = 0; i < x->channel_count; i++)
		if (strcmp(x->channels[i].when, when) == 0 &&
		    strcmp(x->channels[i].name, name) == 0)
			return &x->channels[i];
	if (x->channel_count == SM_EX_CHANNELS)
		return NULL;
	struct sm_channel *c = &x->channels[x->channel_count++];
	*c = (struct sm_channel){.when = when, .name = name};
	return c;
}

static enum sm_status gather_one(struct sm_explore *x, const json_t *record, struct sm_err *err)
{
	size_t i;
	json_t *e;
	json_array_foreach(json_object_get(record, "images"), i, e)
	{
		const char *when = sm_json_text(e, "when"), *name = sm_json_text(e, "name");
		struct sm_hist h;
		struct sm_channel *c = when && name ? channel_of(x, when, name) : NULL;
		if (!c)
			return SM_FAIL(err, SM_INPUT,
				       "%s: holds an image beyond the %d that a page takes",
				       sm_record_key(record), SM_EX_CHANNELS);
		if (!sm_hist_read(json_object_get(e, "hist"), &h))
			return SM_FAIL(err, SM_INTERNAL, "%s: its histogram of %s cannot be read",
				       sm_record_key(record), name);
		c->cases++;
	}
	return SM_OK;
}

/* Adds up the histograms of a channel. One case whose values reach a thousand times as far as those
 * of the others would leave them one bin: what lies more than eight usual spreads away from the
 * middle of the cohort is left out, when there are 5 cases or more. */
static enum sm_status merge(const struct sm_explore *x, struct sm_channel *c, struct sm_err *err)
{
	size_t i, n = json_array_size(x->run->ledger.records);
	json_t *record;
	double *v = sm_alloc(&x->run->mem, n + 1, sizeof *v, "numbers of the cohort", err);
	if (!v)
		return SM_BUDGET;
	n = measures(x, c, SM_ODD_SPREAD, v);
	double room = n < 5 ? INFINITY : 8 * median(v, n);
	n = measures(x, c, SM_ODD_MEDIAN, v);
	double middle = n ? median(v, n) : 0;
	sm_free(v);
	json_array_foreach(x->run->ledger.records, i, record)
	{
		const json_t *e = sm_explore_entry(record, "images", c->when, c->name);
		struct sm_hist h;
		if (!e || !sm_hist_read(json_object_get(e, "hist"), &h) ||
		    fabs(sm_explore_real(e, "p1") - middle) > room ||
		    fabs(sm_explore_real(e, "p99") - middle) > room)
			continue;
		sm_hist_merge(&c->hist, &h, (size_t)x->s->bins);
		c->drawn++;
	}
	return SM_OK;
}

static int by_when_and_name(const void *a, const void *b)
{
	const struct sm_channel *p = a, *q = b;
	int order = strcmp(p->when, q->when);
	return order ? order : strcmp(p->name, q->name);
}

enum sm_status sm_explore_gather(struct sm_explore *x, struct sm_err *err)
{
	static const char *const whens[2] = {"ingest", "preprocess"};
	size_t i, k;
	json_t *record, *e;
	json_array_foreach(x->run->ledger.records, i, record)
	{
		if (sm_record_ok(record))
			SM_TRY(gather_one(x, record, err));
	}
	qsort(x->channels, x->channel_count, sizeof *x->channels, by_when_and_name);
	for (i = 0; i < x->channel_count; i++)
		SM_TRY(merge(x, &x->channels[i], err));
	x->when_count = 0;
	for (int w = 0; w < 2; w++)
		for (size_t c = 0; c < x->channel_count; c++)
			if (strcmp(x->channels[c].when, whens[w]) == 0) {
				x->whens[x->when_count++] = whens[w];
				break;
			}
	if (!x->when_count)
		return SM_FAIL(err, SM_INPUT, "no case could be looked at: the ledger tells why");
	json_array_foreach(x->run->ledger.records, i, record)
		json_array_foreach(json_object_get(record, "labels"), k, e)
	{
		json_int_t label = json_integer_value(json_object_get(e, "label"));
		const char *when = sm_json_text(e, "when");
		if (sm_record_ok(record) && label > 0 && label < SM_EX_LABELS && when &&
		    strcmp(when, x->whens[x->when_count - 1]) == 0)
			x->holds[label] = true;
	}
	return SM_OK;
}

/* ---- what is odd ----------------------------------------------------------------------------- */

/* Robust z: distance from the median in units of 1.4826 MAD, which is 1 sd for normal values
 * (Iglewicz and Hoaglin, 1993). With fewer than 5 cases nothing is far; nor is what lies nearer
 * than a quarter of the usual spread (1 to 99 %) of a case, however alike the others are. */
static void far_ones(const struct sm_explore *x, const struct sm_channel *channel, enum sm_odd kind,
		     double *v, unsigned *flags)
{
	size_t i, n = measures(x, channel, SM_ODD_SPREAD, v);
	json_t *record;
	if (n < 5)
		return;
	double usual = median(v, n);
	n = measures(x, channel, kind, v);
	double middle = median(v, n);
	for (i = 0; i < n; i++)
		v[i] = fabs(v[i] - middle);
	double mad = 1.4826 * median(v, n);
	json_array_foreach(x->run->ledger.records, i, record)
	{
		const json_t *e = sm_explore_entry(record, "images", channel->when, channel->name);
		double d = e ? fabs(measure(e, kind) - middle) : 0;
		if (isfinite(d) && d > x->s->outlier * mad && d > usual / 4)
			flags[i] |= 1u << kind;
	}
}

enum sm_status sm_explore_odd(const struct sm_explore *x, const struct sm_channel *channel,
			      unsigned *flags, struct sm_err *err)
{
	size_t i, count = json_array_size(x->run->ledger.records);
	json_t *record;
	double *v = sm_alloc(&x->run->mem, count + 1, sizeof *v, "numbers of the cohort", err);
	if (!v)
		return SM_BUDGET;
	json_array_foreach(x->run->ledger.records, i, record)
	{
		const json_t *e = sm_explore_entry(record, "images", channel->when, channel->name);
		json_int_t slices = json_integer_value(json_object_get(e, "slices")),
			   constant = json_integer_value(json_object_get(e, "constant_slices"));
		flags[i] = 0;
		if (!e)
			continue;
		if (sm_explore_real(e, "min") >= sm_explore_real(e, "max"))
			flags[i] |= 1u << SM_ODD_CONSTANT;
		else if (constant * 2 > slices)
			flags[i] |= 1u << SM_ODD_EMPTY;
		if (json_integer_value(json_object_get(e, "gaps")))
			flags[i] |= 1u << SM_ODD_GAP;
		if (json_array_size(json_object_get(e, "clipped")) &&
		    strcmp(channel->when, x->whens[0]) == 0)
			flags[i] |= 1u << SM_ODD_CLIPPED;
	}
	for (enum sm_odd k = SM_ODD_MEDIAN; k < SM_ODD_KINDS; k++)
		far_ones(x, channel, k, v, flags);
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

size_t sm_explore_fold_samples(const struct sm_explore *x, int fold)
{
	const struct sm_ledger *data = &x->from[SM_EX_DATA];
	size_t i, n = 0;
	const char *domain;
	json_t *record, *of, *counts = json_object_get(data->header, "counts");
	json_object_foreach(counts, domain, of) n +=
		(size_t)json_integer_value(json_object_get(of, sm_fold_name((enum sm_fold)fold)));
	if (counts)
		return n;
	json_array_foreach(data->records, i, record)
	{
		const json_t *split = sm_ledger_find(&x->from[SM_EX_SPLIT], sm_record_key(record));
		const char *own = sm_json_text(split, "fold");
		if (sm_record_ok(record) && own && sm_fold_of(own) == fold)
			n += sm_explore_samples(record);
	}
	return n;
}
