/* SPDX-License-Identifier: Apache-2.0
 *
 * relabel: label numbers from[i] become to[i], all at once (so 1,2 -> 2,1 swaps them). BraTS's
 * enhancing tumour 4 becomes 3 with from [4] to [3]. Two labels that would end up as one are
 * refused, since a prediction could not be brought back to the original numbers.
 */
#include <stdlib.h>

#include "preprocess/case.h"
#include "preprocess/op_table.h"

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
	{"merge", SM_F_BOOL, AT(merge), "false", .doc = "two labels may become one (no way back)"},
};
const struct sm_fieldset sm_op_relabel_fields =
	SM_FIELDSET("relabel", struct relabel, fields, "label numbers");

static enum sm_status fill_table(const struct sm_case *c, const struct relabel *p, uint8_t lut[256],
				 struct sm_err *err)
{
	bool set[256] = {false};
	if (p->from.n != p->to.n)
		return SM_FAIL(err, SM_USAGE, "%s: from lists %zu labels and to %zu: must be equal",
			       c->key, p->from.n, p->to.n);
	for (int v = 0; v < 256; v++)
		lut[v] = (uint8_t)v;
	for (size_t i = 0; i < p->from.n; i++) {
		int from = (int)p->from.v[i];
		if (set[from])
			return SM_FAIL(err, SM_USAGE, "%s: from lists label %d twice", c->key,
				       from);
		set[from] = true;
		lut[from] = (uint8_t)p->to.v[i];
	}
	return SM_OK;
}

static enum sm_status check_labels(const struct sm_case *c, const struct relabel *p,
				   const size_t count[256], const uint8_t lut[256],
				   struct sm_err *err)
{
	int owner[256];
	for (int v = 0; v < 256; v++)
		owner[v] = -1;
	for (int v = 0; v < 256; v++) {
		bool known = !p->known.n;
		if (!count[v])
			continue;
		for (size_t i = 0; i < p->known.n; i++)
			known = known || p->known.v[i] == v;
		if (!known)
			return SM_FAIL(err, SM_INPUT,
				       "%s: label %d (%zu voxels) is not among those in `known`",
				       c->key, v, count[v]);
		if (owner[lut[v]] >= 0 && !p->merge)
			return SM_FAIL(err, SM_INPUT,
				       "%s: labels %d and %d would both become %d: allowed only "
				       "with merge",
				       c->key, owner[lut[v]], v, lut[v]);
		owner[lut[v]] = v;
	}
	return SM_OK;
}

/* Adds to the way back, which holds pairs original -> today's number: earlier pairs go on to the
 * new number, and a number that an earlier pair made is no original one. */
static enum sm_status remember(struct sm_case *c, const struct relabel *p, const uint8_t lut[256],
			       struct sm_err *err)
{
	bool made[256] = {false};
	void *map =
		realloc(c->label_map, (c->label_map_count + p->from.n + 1) * sizeof *c->label_map);
	if (!map)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	c->label_map = map;
	for (size_t i = 0; i < c->label_map_count; i++) {
		made[c->label_map[i][1]] = true;
		c->label_map[i][1] = lut[c->label_map[i][1]];
	}
	for (size_t i = 0; i < p->from.n; i++) {
		if (made[p->from.v[i]])
			continue;
		c->label_map[c->label_map_count][0] = (int)p->from.v[i];
		c->label_map[c->label_map_count++][1] = (int)p->to.v[i];
	}
	return SM_OK;
}

enum sm_status sm_op_relabel(struct sm_case *c, const void *params, struct sm_err *err)
{
	const struct relabel *p = params;
	uint8_t lut[256];
	size_t count[256] = {0};
	SM_TRY(fill_table(c, p, lut, err));
	/* A case without truth (to be predicted only) has nothing to change, but its prediction
	 * needs the map. */
	if (c->label.data) {
		uint8_t *v = c->label.data;
		size_t n = sm_vol_count(&c->label);
		for (size_t i = 0; i < n; i++)
			count[v[i]]++;
		SM_TRY(check_labels(c, p, count, lut, err));
		for (size_t i = 0; i < n; i++)
			v[i] = lut[v[i]];
	}
	return remember(c, p, lut, err);
}
