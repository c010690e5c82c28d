/* SPDX-License-Identifier: Apache-2.0
 *
 * The page's numbers as CSV, with every case.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/explore.h"

/* A real number in few digits that still tell neighbours apart; nothing when there is none. */
static void real(struct sm_text *out, double v)
{
	sm_text_str(out, ",");
	if (isfinite(v))
		sm_text_f(out, "%.9g", v + 0.0);
}

static void whole(struct sm_text *out, const json_t *e, const char *key)
{
	sm_text_f(out, ",%lld", (long long)json_integer_value(json_object_get(e, key)));
}

static const char *fold_of(const struct sm_explore *x, const char *key)
{
	const char *fold = sm_json_text(sm_ledger_find(&x->from[SM_EX_SPLIT], key), "fold");
	return fold ? fold : "";
}

static void flag_words(struct sm_text *out, unsigned flags)
{
	struct sm_text all = {0};
	for (int k = 0; k < SM_ODD_KINDS; k++)
		if (flags >> k & 1)
			sm_text_f(&all, "%s%s", all.n ? "; " : "", sm_odd_words[k]);
	sm_text_str(out, ",");
	sm_text_csv(out, all.data ? all.data : "");
	out->failed = out->failed || all.failed;
	sm_text_clear(&all);
}

enum sm_status sm_explore_csv_images(const struct sm_explore *x, struct sm_text *out,
				     struct sm_err *err)
{
	static const char *const reals[] = {"min", "max", "mean", "sd", "p1", "p50", "p99"};
	size_t n = json_array_size(x->run->ledger.records);
	unsigned *flags = sm_alloc(&x->run->mem, n + 1, sizeof *flags, "flags", err);
	if (!flags)
		return SM_BUDGET;
	sm_text_str(out,
		    "case,fold,stage,image,voxels,foreground,background,min,max,mean,sd,p1,p50,p99,"
		    "slices,constant_slices,gaps,at_lowest,at_highest,odd\r\n");
	enum sm_status st = SM_OK;
	for (size_t c = 0; st == SM_OK && c < x->channel_count; c++) {
		const struct sm_channel *channel = &x->channels[c];
		st = sm_explore_odd(x, channel, flags, err);
		for (size_t i = 0; st == SM_OK && i < n; i++) {
			const json_t *record = json_array_get(x->run->ledger.records, i);
			const json_t *e =
				sm_explore_entry(record, "images", channel->when, channel->name);
			const char *key = sm_record_key(record);
			if (!e)
				continue;
			sm_text_csv(out, key);
			sm_text_f(out, ",%s,%s,", fold_of(x, key), channel->when);
			sm_text_csv(out, channel->name);
			whole(out, e, "voxels");
			whole(out, e, "foreground");
			real(out, sm_explore_real(e, "background"));
			for (size_t k = 0; k < SM_COUNT(reals); k++)
				real(out, sm_explore_real(e, reals[k]));
			whole(out, e, "slices");
			whole(out, e, "constant_slices");
			whole(out, e, "gaps");
			whole(out, e, "at_low");
			whole(out, e, "at_high");
			flag_words(out, flags[i]);
			sm_text_str(out, "\r\n");
		}
	}
	sm_free(flags);
	return st;
}

void sm_explore_csv_hist(const struct sm_explore *x, struct sm_text *out)
{
	sm_text_str(out, "stage,image,cases,from,to,voxels\r\n");
	for (size_t c = 0; c < x->channel_count; c++) {
		const struct sm_hist *h = &x->channels[c].hist;
		/* The tails have one open end. */
		for (size_t i = 0; i < h->n + 2; i++) {
			double low = ldexp((double)(h->first + (int64_t)i - 1), h->power);
			double high = ldexp((double)(h->first + (int64_t)i), h->power);
			sm_text_f(out, "%s,", x->channels[c].when);
			sm_text_csv(out, x->channels[c].name);
			sm_text_f(out, ",%zu", x->channels[c].drawn);
			real(out, i ? low : NAN);
			real(out, i <= h->n ? high : NAN);
			sm_text_f(out, ",%" PRIu64 "\r\n",
				  !i         ? h->below
				  : i > h->n ? h->above
					     : h->count[i - 1]);
		}
	}
}

void sm_explore_csv_labels(const struct sm_explore *x, struct sm_text *out)
{
	size_t i, k;
	json_t *record, *e;
	sm_text_str(out, "case,fold,stage,label,voxels,slices,cm3\r\n");
	json_array_foreach(x->run->ledger.records, i, record)
		json_array_foreach(json_object_get(record, "labels"), k, e)
	{
		const char *key = sm_record_key(record);
		if (!sm_record_ok(record))
			continue;
		sm_text_csv(out, key);
		sm_text_f(out, ",%s,%s,%lld", fold_of(x, key), sm_json_text(e, "when"),
			  (long long)json_integer_value(json_object_get(e, "label")));
		whole(out, e, "voxels");
		whole(out, e, "slices");
		real(out, sm_explore_real(e, "cm3"));
		sm_text_str(out, "\r\n");
	}
}

void sm_explore_csv_split(const struct sm_explore *x, struct sm_text *out)
{
	size_t i;
	json_t *record;
	sm_text_str(out, "case,patient,fold,stratum,samples\r\n");
	json_array_foreach(x->from[SM_EX_SPLIT].records, i, record)
	{
		const char *key = sm_record_key(record), *stratum = sm_json_text(record, "stratum");
		const json_t *data = sm_ledger_find(&x->from[SM_EX_DATA], key);
		sm_text_csv(out, key);
		sm_text_str(out, ",");
		sm_text_csv(out, sm_json_text(record, "patient"));
		sm_text_f(out, ",%s,", fold_of(x, key));
		sm_text_csv(out, stratum ? stratum : "");
		sm_text_str(out, ",");
		if (data && sm_record_ok(data))
			sm_text_f(out, "%zu", sm_explore_samples(data));
		sm_text_str(out, "\r\n");
	}
}
