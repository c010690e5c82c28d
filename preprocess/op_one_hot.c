/* SPDX-License-Identifier: Apache-2.0
 *
 * one_hot: a region (a volume of 0 and 1) for each listed label, in that order, beside the label
 * volume itself. Label 0 gets one only when it is listed; any other label that is not listed is
 * refused with its count, or ignored. Numbers are those after relabel. Source: the definition; the
 * original's y was one-hot of labels 1, 2 and 3 without background.
 */
#include <stdio.h>

#include "preprocess/op_table.h"
#include "preprocess/regions.h"

struct one_hot {
	struct sm_ints labels;
	struct sm_strings names;
	int others;
};

#define AT(member) .offset = offsetof(struct one_hot, member)
static const struct sm_field fields[] = {
	{"labels", SM_F_INTS, AT(labels), NULL, 0, 255, .required = true,
	 .doc = "labels in the order of their regions"},
	{"names", SM_F_STRINGS, AT(names), .doc = "names of the regions; absent = label_N"},
	{"others", SM_F_CHOICE, AT(others), "reject", .choices = "reject|ignore",
	 .doc = "labels that are not listed (but 0): reject the case, or belong to no region"},
};
const struct sm_fieldset sm_op_one_hot_fields =
	SM_FIELDSET("one_hot", struct one_hot, fields, "a region a label");

static enum sm_status fill(const struct one_hot *p, struct sm_region_map *map, struct sm_err *err)
{
	bool seen[256] = {false};
	*map = (struct sm_region_map){0};
	if (!p->labels.n)
		return SM_FAIL(err, SM_USAGE, "labels lists nothing, allowed are 1 to %d labels",
			       SM_REGIONS_MAX);
	if (p->names.n && p->names.n != p->labels.n)
		return SM_FAIL(err, SM_USAGE, "names lists %zu and labels %zu: must be equal",
			       p->names.n, p->labels.n);
	for (size_t i = 0; i < p->labels.n; i++) {
		char name[SM_ROLE_MAX];
		const struct sm_ints one = {&p->labels.v[i], 1};
		if (seen[*one.v])
			return SM_FAIL(err, SM_USAGE, "labels lists %lld twice", (long long)*one.v);
		seen[*one.v] = true;
		snprintf(name, sizeof name, "label_%lld", (long long)*one.v);
		SM_TRY(sm_region_map_add(map, p->names.n ? p->names.v[i] : name, &one, err));
	}
	return SM_OK;
}

enum sm_status sm_op_one_hot_check(const void *params, struct sm_err *err)
{
	struct sm_region_map map;
	return fill(params, &map, err);
}

enum sm_status sm_op_one_hot(struct sm_case *c, const void *params, struct sm_err *err)
{
	struct sm_region_map map;
	SM_TRY(fill(params, &map, err));
	return sm_case_make_regions(c, &map, ((const struct one_hot *)params)->others != 0,
				    "one_hot", err);
}
