/* SPDX-License-Identifier: Apache-2.0
 *
 * regions: named unions of labels, each a volume of 0 and 1 beside the label volume itself; they
 * may overlap, as BraTS's WT [1, 2, 4], TC [1, 4], ET [4]. A label other than 0 that belongs to
 * none is refused with its count, or ignored. Numbers are those after relabel. Source: S. Bakas et
 * al., arXiv:1811.02629 (the regions of BraTS); the union is its definition.
 */
#include "preprocess/op_table.h"
#include "preprocess/regions.h"

struct one_union {
	char *name;
	struct sm_ints labels;
};
struct regions {
	struct sm_list unions;
	int others;
};

#define AT(member) .offset = offsetof(struct one_union, member)
static const struct sm_field union_fields[] = {
	{"name", SM_F_STRING, AT(name), NULL, .required = true, .doc = "the region's name"},
	{"labels", SM_F_INTS, AT(labels), NULL, 0, 255, .required = true, .doc = "its labels"},
};
#undef AT
static const struct sm_fieldset unions =
	SM_FIELDSET("unions", struct one_union, union_fields, "a named union of labels");

#define AT(member) .offset = offsetof(struct regions, member)
static const struct sm_field fields[] = {
	{"unions", SM_F_LIST, AT(unions), NULL, .required = true, .of = &unions,
	 .doc = "the regions in order: {name: WT, labels: [1, 2, 4]}"},
	{"others", SM_F_CHOICE, AT(others), "reject", .choices = "reject|ignore",
	 .doc = "labels of no region (but 0): reject the case, or are ignored"},
};
const struct sm_fieldset sm_op_regions_fields =
	SM_FIELDSET("regions", struct regions, fields, "named unions of labels");

static enum sm_status fill(const struct regions *p, struct sm_region_map *map, struct sm_err *err)
{
	const struct one_union *u = p->unions.items;
	*map = (struct sm_region_map){0};
	if (!p->unions.n)
		return SM_FAIL(err, SM_USAGE, "unions lists nothing, allowed are 1 to %d regions",
			       SM_REGIONS_MAX);
	for (size_t i = 0; i < p->unions.n; i++)
		SM_TRY(sm_region_map_add(map, u[i].name, &u[i].labels, err));
	return SM_OK;
}

enum sm_status sm_op_regions_check(const void *params, struct sm_err *err)
{
	struct sm_region_map map;
	return fill(params, &map, err);
}

enum sm_status sm_op_regions(struct sm_case *c, const void *params, struct sm_err *err)
{
	struct sm_region_map map;
	SM_TRY(fill(params, &map, err));
	return sm_case_make_regions(c, &map, ((const struct regions *)params)->others != 0,
				    "regions", err);
}
