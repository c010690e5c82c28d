/* SPDX-License-Identifier: Apache-2.0
 *
 * relabel: label numbers from[i] become to[i], all at once (so 1,2 -> 2,1 swaps them). BraTS's
 * enhancing tumour 4 becomes 3 with from [4] to [3]. Two labels that would end up as one are
 * refused, since a prediction could not be brought back to the original numbers; with merge they
 * are allowed, and the way back lists every original label of the merged number.
 */
#include <stdlib.h>
#include <string.h>

#include "preprocess/case.h"
#include "preprocess/op_table.h"
#include "preprocess/regions.h"
#include "preprocess/view.h"

struct relabel {
	struct sm_ints from, to, known;
	bool merge;
};

#define AT(member) .offset = offsetof(struct relabel, member)
static const struct sm_field fields[] = {
	{"from", SM_F_INTS, AT(from), NULL, 0, 255, .required = true, .doc = "labels to change"},
	{"to", SM_F_INTS, AT(to), NULL, 0, 255, .required = true, .doc = "what they become"},
	{"known", SM_F_INTS, AT(known), NULL, 0, 255,
	 .doc = "labels that may be there; any other is an error; absent = all"},
	{"merge", SM_F_BOOL, AT(merge), "false",
	 .doc = "two labels may become one: predictions then keep the new number, since there is "
		"no "
		"way back; a number in `to` counts as a label of its own unless `known` lacks it"},
};
const struct sm_fieldset sm_op_relabel_fields =
	SM_FIELDSET("relabel", struct relabel, fields, "label numbers");

/* What each label becomes; sources[v] = true when v stands in from. */
static enum sm_status fill_table(const struct relabel *p, uint8_t lut[256], bool sources[256],
				 struct sm_err *err)
{
	if (p->from.n != p->to.n)
		return SM_FAIL(err, SM_USAGE, "from lists %zu labels and to %zu: must be equal",
			       p->from.n, p->to.n);
	for (int v = 0; v < 256; v++) {
		lut[v] = (uint8_t)v;
		sources[v] = false;
	}
	for (size_t i = 0; i < p->from.n; i++) {
		int from = (int)p->from.v[i];
		if (sources[from])
			return SM_FAIL(err, SM_USAGE, "from lists label %d twice", from);
		sources[from] = true;
		lut[from] = (uint8_t)p->to.v[i];
	}
	return SM_OK;
}

static bool is_known(const struct relabel *p, int label)
{
	for (size_t i = 0; i < p->known.n; i++)
		if (p->known.v[i] == label)
			return true;
	return !p->known.n;
}

/* Which two labels become one can be told without a case when both stand in from, or when the other
 * is in known or is the background. */
enum sm_status sm_op_relabel_check(const void *params, struct sm_err *err)
{
	const struct relabel *p = params;
	uint8_t lut[256];
	bool sources[256];
	SM_TRY(fill_table(p, lut, sources, err));
	for (size_t i = 0; !p->merge && i < p->from.n; i++) {
		int to = (int)p->to.v[i], other = -1;
		for (size_t k = 0; k < i; k++)
			if (p->to.v[k] == to)
				other = (int)p->from.v[k];
		if (!sources[to] && is_known(p, to) && (p->known.n || to == 0))
			other = to;
		if (other >= 0)
			return SM_FAIL(err, SM_USAGE,
				       "labels %d and %d would both become %d: allowed only with "
				       "merge",
				       other, (int)p->from.v[i], to);
	}
	return SM_OK;
}

/* Without `known` the case's own labels tell whether a number in `to` was a label already. That
 * counts also where the label that becomes it is absent: cases must not differ by what they
 * hold. */
static enum sm_status check_labels(const struct sm_case *c, const struct relabel *p,
				   const size_t count[256], const bool sources[256],
				   struct sm_err *err)
{
	bool known[256];
	char text[300];
	for (int v = 0; v < 256; v++)
		known[v] = is_known(p, v);
	size_t n = sm_unknown_labels(count, known, text, sizeof text);
	if (n)
		return SM_FAIL(err, SM_INPUT, "%s: label%s %s %s not among those in `known`",
			       c->key, n > 1 ? "s" : "", text, n > 1 ? "are" : "is");
	for (size_t i = 0; !p->merge && i < p->from.n; i++) {
		int to = (int)p->to.v[i];
		if (!sources[to] && count[to])
			return SM_FAIL(err, SM_INPUT,
				       "%s: holds label %d (%zu voxels), and label %d would become "
				       "%d too: allowed only with merge",
				       c->key, to, count[to], (int)p->from.v[i], to);
	}
	return SM_OK;
}

static void add_pair(struct sm_case *c, int original, int now)
{
	for (size_t i = 0; i < c->label_map_count; i++)
		if (c->label_map[i][0] == original)
			return;
	c->label_map[c->label_map_count][0] = original;
	c->label_map[c->label_map_count++][1] = now;
}

/* Adds to the way back, which holds pairs original -> today's number, one an original label:
 * earlier pairs go on to the new number, and a number that an earlier pair made is no original one.
 * A label that others are merged into gets a pair with itself, so that the map tells of it. */
static enum sm_status remember(struct sm_case *c, const struct relabel *p, const uint8_t lut[256],
			       const bool sources[256], struct sm_err *err)
{
	bool made[256] = {false};
	void *map = realloc(c->label_map,
			    (c->label_map_count + 2 * p->from.n + 1) * sizeof *c->label_map);
	if (!map)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	c->label_map = map;
	for (size_t i = 0; i < c->label_map_count; i++) {
		made[c->label_map[i][1]] = true;
		c->label_map[i][1] = lut[c->label_map[i][1]];
	}
	for (size_t i = 0; i < p->from.n; i++)
		if (!made[p->from.v[i]])
			add_pair(c, (int)p->from.v[i], (int)p->to.v[i]);
	for (size_t i = 0; p->merge && i < p->from.n; i++) {
		int to = (int)p->to.v[i];
		if (!made[to] && !sources[to] && is_known(p, to))
			add_pair(c, to, to);
	}
	return SM_OK;
}

/* The first place from i on, in steps of eight, whose eight voxels are not all background: most of
 * a label is. */
static size_t past_background(const uint8_t *v, size_t i, size_t n)
{
	uint64_t eight;
	for (; i + 8 <= n; i += 8) {
		memcpy(&eight, v + i, 8);
		if (eight)
			break;
	}
	return i;
}

enum sm_status sm_op_relabel(struct sm_case *c, const void *params, struct sm_err *err)
{
	const struct relabel *p = params;
	uint8_t lut[256];
	bool sources[256];
	size_t count[256] = {0};
	SM_TRY(sm_op_relabel_check(params, err));
	SM_TRY(fill_table(p, lut, sources, err));
	SM_TRY(sm_view_needs_label(c, err));
	/* A case without truth (to be predicted only) has nothing to change, but its prediction
	 * needs the map. */
	if (c->label.data) {
		uint8_t *v = c->label.data;
		size_t n = sm_vol_count(&c->label);
		for (size_t i = 0, from; i < n; i++) {
			from = i;
			i = past_background(v, i, n);
			count[0] += i - from;
			if (i < n)
				count[v[i]]++;
		}
		SM_TRY(check_labels(c, p, count, sources, err));
		for (size_t i = 0; i < n; i++) {
			i = lut[0] ? i : past_background(v, i, n);
			if (i < n)
				v[i] = lut[v[i]];
		}
	}
	return remember(c, p, lut, sources, err);
}
