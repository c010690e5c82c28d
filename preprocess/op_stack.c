/* SPDX-License-Identifier: Apache-2.0
 *
 * stack: named volumes become the channels of one image, in the order of `roles`. All must lie on
 * one grid. When all hold the same type and scaling the numbers are kept as they are, otherwise
 * they become float32 real values.
 */
#include <string.h>

#include "preprocess/case.h"
#include "preprocess/op_table.h"

struct stack {
	struct sm_strings roles;
	double tolerance;
};

#define AT(member) .offset = offsetof(struct stack, member)
static const struct sm_field fields[] = {
	{"roles", SM_F_STRINGS, AT(roles), "flair t1ce t1 t2",
	 .doc = "volumes in the order of the channels"},
	{"tolerance", SM_F_FLOAT, AT(tolerance), "0.01", 0, 10,
	 .doc = "mm that the grids may differ"},
};
const struct sm_fieldset sm_op_stack_fields =
	SM_FIELDSET("stack", struct stack, fields, "volumes to channels");

static enum sm_status check(const struct sm_case *c, const struct stack *p, struct sm_err *err)
{
	if (c->stacked)
		return SM_FAIL(err, SM_INPUT, "%s: is stacked already", c->key);
	if (p->roles.n < 1 || p->roles.n > SM_CASE_VOLS)
		return SM_FAIL(err, SM_USAGE, "%s: found %zu roles, allowed are 1 to %d", c->key,
			       p->roles.n, SM_CASE_VOLS);
	for (size_t i = 0; i < p->roles.n; i++) {
		const char *role = p->roles.v[i];
		const struct sm_vol *v = sm_case_find(c, role),
				    *first = sm_case_find(c, p->roles.v[0]);
		if (!v)
			return SM_FAIL(err, SM_INPUT, "%s: has no volume '%s', but roles lists it",
				       c->key, role);
		for (size_t k = 0; k < i; k++)
			if (strcmp(p->roles.v[k], role) == 0)
				return SM_FAIL(err, SM_USAGE, "%s: roles lists '%s' twice", c->key,
					       role);
		if (v->dim[3] != 1)
			return SM_FAIL(err, SM_INPUT,
				       "%s: '%s' has %lld frames, allowed is 1 (sum_frames makes "
				       "one of them)",
				       c->key, role, (long long)v->dim[3]);
		if (sm_vol_same_grid(first, p->roles.v[0], v, role, p->tolerance, err) != SM_OK)
			return sm_err_prefix(err, "%s", c->key);
	}
	if (c->label.data && sm_vol_same_grid(sm_case_find(c, p->roles.v[0]), p->roles.v[0],
					      &c->label, "label", p->tolerance, err) != SM_OK)
		return sm_err_prefix(err, "%s", c->key);
	return SM_OK;
}

/* Makes all volumes of the list one type and scaling. */
static enum sm_status agree(struct sm_case *c, const struct stack *p, struct sm_err *err)
{
	const struct sm_vol *first = sm_case_find(c, p->roles.v[0]);
	bool same = true;
	for (size_t i = 1; i < p->roles.n; i++) {
		const struct sm_vol *v = sm_case_find(c, p->roles.v[i]);
		same = same && v->dtype == first->dtype && v->slope == first->slope &&
		       v->inter == first->inter;
	}
	for (size_t i = 0; !same && i < p->roles.n; i++)
		SM_TRY(sm_vol_to_f32(sm_case_find(c, p->roles.v[i]), c->mem, c->jobs, err));
	return SM_OK;
}

enum sm_status sm_op_stack(struct sm_case *c, const void *params, struct sm_err *err)
{
	const struct stack *p = params;
	struct sm_vol image;
	SM_TRY(check(c, p, err));
	SM_TRY(agree(c, p, err));
	const struct sm_vol *first = sm_case_find(c, p->roles.v[0]);
	const int64_t dim[4] = {first->dim[0], first->dim[1], first->dim[2], (int64_t)p->roles.n};
	SM_TRY(sm_vol_init(&image, dim, first->dtype, c->mem, c->key, err));
	memcpy(image.affine, first->affine, sizeof image.affine);
	image.form_code = first->form_code;
	image.slope = first->slope;
	image.inter = first->inter;
	image.meaning = first->meaning;
	size_t bytes = sm_vol_frame_count(&image) * sm_dtype_size(image.dtype);
	for (size_t i = 0; i < p->roles.n; i++) {
		memcpy((char *)image.data + i * bytes, sm_case_find(c, p->roles.v[i])->data, bytes);
		strncpy(c->channels[i], p->roles.v[i], SM_ROLE_MAX - 1);
	}
	/* The source grid is that which the first channel was read with, whatever other volumes the
	 * case held and whatever was cut since. */
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->vols[i].role, p->roles.v[0]) == 0)
			sm_case_set_source(c, &c->vols[i]);
	for (size_t i = 0; i < c->count; i++)
		sm_vol_clear(&c->vols[i].vol);
	memset(c->vols[0].role, 0, SM_ROLE_MAX);
	memcpy(c->vols[0].role, "image", 6);
	c->vols[0].vol = image;
	c->count = 1;
	c->stacked = true;
	return SM_OK;
}
