/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/explore.h"

enum { POWER_MIN = -100, POWER_MAX = 200 };

static int64_t bin_of(double v, int power)
{
	double at = floor(ldexp(v, -power));
	return at < -9e15 ? -9000000000000000 : at > 9e15 ? 9000000000000000 : (int64_t)at;
}

/* Whole part of a / 2^n, downwards. */
static int64_t halved(int64_t a, int n)
{
	for (; n > 0 && a != 0 && a != -1; n--)
		a = a >= 0 ? a / 2 : -((1 - a) / 2);
	return a;
}

void sm_hist_plan(struct sm_hist *h, double low, double high, size_t bins, int least)
{
	bins = bins > SM_HIST_MAX ? SM_HIST_MAX : bins ? bins : 1;
	*h = (struct sm_hist){.power = least < POWER_MIN ? POWER_MIN : least};
	while (h->power < POWER_MAX &&
	       (uint64_t)(bin_of(high, h->power) - bin_of(low, h->power)) + 1 > bins)
		h->power++;
	h->first = bin_of(low, h->power);
	h->n = (size_t)(bin_of(high, h->power) - h->first) + 1;
	h->n = h->n > bins ? bins : h->n;
}

void sm_hist_add(struct sm_hist *h, double v)
{
	int64_t at = bin_of(v, h->power) - h->first;
	if (at < 0)
		h->below++;
	else if (at >= (int64_t)h->n)
		h->above++;
	else
		h->count[at]++;
}

/* Every 2^(power - h->power) bins become one. */
static void coarsen(struct sm_hist *h, int power)
{
	struct sm_hist old = *h;
	int by = power - old.power;
	if (by <= 0 || !old.n)
		return;
	h->power = power;
	h->first = halved(old.first, by);
	h->n = (size_t)(halved(old.first + (int64_t)old.n - 1, by) - h->first) + 1;
	memset(h->count, 0, sizeof h->count);
	for (size_t i = 0; i < old.n; i++)
		h->count[halved(old.first + (int64_t)i, by) - h->first] += old.count[i];
}

void sm_hist_merge(struct sm_hist *a, const struct sm_hist *b, size_t bins)
{
	struct sm_hist more = *b;
	if (!b->n)
		return;
	if (!a->n) {
		*a = *b;
		return;
	}
	bins = bins > SM_HIST_MAX ? SM_HIST_MAX : bins ? bins : 1;
	int power = a->power > b->power ? a->power : b->power;
	for (;; power++) {
		coarsen(a, power);
		coarsen(&more, power);
		int64_t first = a->first < more.first ? a->first : more.first;
		int64_t end_a = a->first + (int64_t)a->n, end_b = more.first + (int64_t)more.n;
		int64_t n = (end_a > end_b ? end_a : end_b) - first;
		if (n > (int64_t)bins && power < POWER_MAX)
			continue;
		n = n > (int64_t)bins ? (int64_t)bins : n;
		struct sm_hist sum = {.power = power,
				      .first = first,
				      .n = (size_t)n,
				      .below = a->below + more.below,
				      .above = a->above + more.above};
		for (int k = 0; k < 2; k++) {
			const struct sm_hist *h = k ? &more : a;
			for (size_t i = 0; i < h->n; i++) {
				int64_t at = h->first + (int64_t)i - first;
				*(at < n ? &sum.count[at] : &sum.above) += h->count[i];
			}
		}
		*a = sum;
		return;
	}
}

json_t *sm_hist_json(const struct sm_hist *h)
{
	struct sm_text counts = {0};
	for (size_t i = 0; i < h->n; i++)
		sm_text_f(&counts, "%s%" PRIu64, i ? " " : "", h->count[i]);
	json_t *json =
		counts.failed
			? NULL
			: json_pack("{s:i, s:I, s:I, s:I, s:s}", "power", h->power, "first",
				    (json_int_t)h->first, "below", (json_int_t)h->below, "above",
				    (json_int_t)h->above, "counts", counts.data ? counts.data : "");
	sm_text_clear(&counts);
	return json;
}

bool sm_hist_read(const json_t *json, struct sm_hist *h)
{
	const char *p = sm_json_text(json, "counts");
	json_int_t power = json_integer_value(json_object_get(json, "power"));
	*h = (struct sm_hist){.first = json_integer_value(json_object_get(json, "first")),
			      .below = (uint64_t)json_integer_value(json_object_get(json, "below")),
			      .above =
				      (uint64_t)json_integer_value(json_object_get(json, "above"))};
	if (!p || power < POWER_MIN || power > POWER_MAX || h->first < -9100000000000000 ||
	    h->first > 9100000000000000)
		return false;
	h->power = (int)power;
	while (*p && h->n < SM_HIST_MAX) {
		char *end;
		h->count[h->n++] = strtoull(p, &end, 10);
		if (end == p)
			return false;
		p = *end == ' ' ? end + 1 : end;
	}
	return !*p;
}
