/* SPDX-License-Identifier: Apache-2.0
 *
 * The page's numbers as CSV, with every case.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/sorter.h"
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

/* "KEY,FOLD" */
static void key_and_fold(const struct sm_explore *x, const char *key, struct sm_text *out)
{
	char *fold = sm_explore_fold(x, key);
	sm_text_csv(out, key);
	sm_text_f(out, ",%s", fold ? fold : "");
	free(fold);
}

/* Passes on what the text holds. */
static enum sm_status flush(struct sm_text *text, FILE *f, struct sm_err *err)
{
	SM_TRY(sm_text_check(text, "table", err));
	bool good = !text->n || fwrite(text->data, 1, text->n, f) == text->n;
	text->n = 0;
	return good ? SM_OK : SM_FAIL(err, SM_IO, "table: writing failed");
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

static void image_row(const struct sm_explore *x, const struct sm_channel *channel, size_t i,
		      const json_t *record, struct sm_text *out)
{
	static const enum sm_number reals[] = {SM_N_MIN, SM_N_MAX, SM_N_MEAN, SM_N_SD,
					       SM_N_P1,  SM_N_P50, SM_N_P99};
	const json_t *e = sm_explore_entry(record, "images", channel->when, channel->name);
	key_and_fold(x, sm_record_key(record), out);
	sm_text_f(out, ",%s,", channel->when);
	sm_text_csv(out, channel->name);
	whole(out, e, "voxels");
	whole(out, e, "foreground");
	real(out, sm_explore_real(e, "background"));
	for (size_t k = 0; k < SM_COUNT(reals); k++)
		real(out, channel->of[i].v[reals[k]]);
	whole(out, e, "slices");
	whole(out, e, "constant_slices");
	whole(out, e, "gaps");
	whole(out, e, "at_low");
	whole(out, e, "at_high");
	flag_words(out, channel->of[i].odd);
	sm_text_str(out, "\r\n");
}

/* The rows stand image by image, the records case by case: each row goes to the sorter under its
 * place. */
static enum sm_status sort_rows(const struct sm_explore *x, struct sm_sorter *sorter,
				struct sm_err *err)
{
	struct sm_text row = {0};
	size_t i;
	json_t *record;
	char place[48];
	enum sm_status st = SM_OK;
	sm_records_foreach(x->run->ledger.records, i, record)
		for (size_t c = 0; st == SM_OK && c < x->channel_count; c++)
		{
			if (!x->channels[c].of[i].has)
				continue;
			snprintf(place, sizeof place, "%03zu %020zu", c, i);
			image_row(x, &x->channels[c], i, record, &row);
			st = sm_text_check(&row, "table", err);
			if (st == SM_OK)
				st = sm_sorter_add(sorter, place, row.data, err);
			row.n = 0;
		}
	sm_text_clear(&row);
	return st == SM_OK ? sm_records_check(x->run->ledger.records, err) : st;
}

enum sm_status sm_explore_csv_images(const struct sm_explore *x, FILE *f, struct sm_err *err)
{
	const char *place, *row;
	struct sm_sorter *sorter = sm_sorter_new(x->run->out, 0);
	enum sm_status st = sorter ? sort_rows(x, sorter, err)
				   : SM_FAIL(err, SM_BUDGET, "table: out of memory");
	bool good = fputs("case,fold,stage,image,voxels,foreground,background,min,max,mean,sd,p1,"
			  "p50,p99,"
			  "slices,constant_slices,gaps,at_lowest,at_highest,odd\r\n",
			  f) >= 0;
	while (st == SM_OK && (st = sm_sorter_next(sorter, &place, &row, err)) == SM_OK && place)
		good = good && fputs(row, f) >= 0;
	sm_sorter_free(sorter);
	return good || st != SM_OK ? st : SM_FAIL(err, SM_IO, "table: writing failed");
}

enum sm_status sm_explore_csv_hist(const struct sm_explore *x, FILE *f, struct sm_err *err)
{
	struct sm_text out = {0};
	sm_text_str(&out, "stage,image,cases,from,to,voxels\r\n");
	for (size_t c = 0; c < x->channel_count; c++) {
		const struct sm_hist *h = &x->channels[c].hist;
		/* The tails have one open end. */
		for (size_t i = 0; i < h->n + 2; i++) {
			double low = ldexp((double)(h->first + (int64_t)i - 1), h->power);
			double high = ldexp((double)(h->first + (int64_t)i), h->power);
			sm_text_f(&out, "%s,", x->channels[c].when);
			sm_text_csv(&out, x->channels[c].name);
			sm_text_f(&out, ",%zu", x->channels[c].drawn);
			real(&out, i ? low : NAN);
			real(&out, i <= h->n ? high : NAN);
			sm_text_f(&out, ",%" PRIu64 "\r\n",
				  !i         ? h->below
				  : i > h->n ? h->above
					     : h->count[i - 1]);
		}
	}
	enum sm_status st = flush(&out, f, err);
	sm_text_clear(&out);
	return st;
}

static void label_rows(const struct sm_explore *x, const json_t *record, struct sm_text *out)
{
	size_t k;
	json_t *e;
	json_array_foreach(json_object_get(record, "labels"), k, e)
	{
		key_and_fold(x, sm_record_key(record), out);
		sm_text_f(out, ",%s,%lld", sm_json_text(e, "when"),
			  (long long)json_integer_value(json_object_get(e, "label")));
		whole(out, e, "voxels");
		whole(out, e, "slices");
		real(out, sm_explore_real(e, "cm3"));
		sm_text_str(out, "\r\n");
	}
}

enum sm_status sm_explore_csv_labels(const struct sm_explore *x, FILE *f, struct sm_err *err)
{
	struct sm_text out = {0};
	size_t i;
	json_t *record;
	sm_text_str(&out, "case,fold,stage,label,voxels,slices,cm3\r\n");
	enum sm_status st = SM_OK;
	sm_records_foreach(x->run->ledger.records, i, record)
	{
		if (sm_record_ok(record))
			label_rows(x, record, &out);
		st = st == SM_OK ? flush(&out, f, err) : st;
	}
	sm_text_clear(&out);
	return st == SM_OK ? sm_records_check(x->run->ledger.records, err) : st;
}

static void split_row(const struct sm_explore *x, const json_t *record, struct sm_text *out)
{
	const char *key = sm_record_key(record), *stratum = sm_json_text(record, "stratum");
	const char *fold = sm_json_text(record, "fold");
	json_t *data = sm_ledger_get(&x->from[SM_EX_DATA], key);
	sm_text_csv(out, key);
	sm_text_str(out, ",");
	sm_text_csv(out, sm_json_text(record, "patient"));
	sm_text_f(out, ",%s,", fold ? fold : "");
	sm_text_csv(out, stratum ? stratum : "");
	sm_text_str(out, ",");
	if (data && sm_record_ok(data))
		sm_text_f(out, "%zu", sm_explore_samples(data));
	sm_text_str(out, "\r\n");
	json_decref(data);
}

enum sm_status sm_explore_csv_split(const struct sm_explore *x, FILE *f, struct sm_err *err)
{
	struct sm_records *split = x->from[SM_EX_SPLIT].records;
	struct sm_text out = {0};
	size_t i;
	json_t *record;
	sm_text_str(&out, "case,patient,fold,stratum,samples\r\n");
	enum sm_status st = flush(&out, f, err);
	sm_records_foreach(split, i, record)
	{
		split_row(x, record, &out);
		st = st == SM_OK ? flush(&out, f, err) : st;
	}
	sm_text_clear(&out);
	return st == SM_OK ? sm_records_check(split, err) : st;
}
