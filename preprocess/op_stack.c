/* SPDX-License-Identifier: Apache-2.0
 *
 * stack: named volumes become the channels of one image, in the order of `roles`. All must lie on
 * one grid. When all hold the same type and scaling the numbers are kept as they are, otherwise
 * they become float32 real values.
 */
#include <stdlib.h>
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
	{"tolerance", SM_F_FLOAT, AT(tolerance), SM_GRID_MM_TEXT, 0, 10,
	 .doc = "mm that the grids may differ"},
};
const struct sm_fieldset sm_op_stack_fields =
	SM_FIELDSET("stack", struct stack, fields, "volumes to channels");

enum sm_status sm_op_stack_check(const void *params, struct sm_err *err)
{
	const struct stack *p = params;
	if (p->roles.n < 1 || p->roles.n > SM_CASE_VOLS)
		return SM_FAIL(err, SM_USAGE, "roles lists %zu volumes, allowed are 1 to %d",
			       p->roles.n, SM_CASE_VOLS);
	for (size_t i = 0; i < p->roles.n; i++)
		for (size_t k = 0; k < i; k++)
			if (strcmp(p->roles.v[k], p->roles.v[i]) == 0)
				return SM_FAIL(err, SM_USAGE, "roles lists '%s' twice",
					       p->roles.v[i]);
	return SM_OK;
}

static enum sm_status check(const struct sm_case *c, const struct stack *p, struct sm_err *err)
{
	if (c->stacked)
		return SM_FAIL(err, SM_INPUT, "%s: is stacked already", c->key);
	for (size_t i = 0; i < p->roles.n; i++) {
		const char *role = p->roles.v[i];
		const struct sm_vol *v = sm_case_find(c, role),
				    *first = sm_case_find(c, p->roles.v[0]);
		if (!v)
			return SM_FAIL(err, SM_INPUT, "%s: has no volume '%s', but roles lists it",
				       c->key, role);
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

const struct sm_strings *sm_op_stack_roles(const void *params)
{
	return &((const struct stack *)params)->roles;
}

/* The image keeps the slices that every channel keeps; NULL = all. */
static uint8_t *join_keep(struct sm_case *c, const struct stack *p)
{
	uint8_t *keep = NULL;
	for (size_t i = 0; i < c->count; i++) {
		struct sm_role_vol *v = &c->vols[i];
		bool channel = false;
		for (size_t k = 0; k < p->roles.n; k++)
			channel = channel || strcmp(p->roles.v[k], v->role) == 0;
		if (!channel || !v->keep)
			continue;
		if (!keep) {
			keep = v->keep;
			v->keep = NULL;
			continue;
		}
		for (int64_t z = 0; z < v->vol.dim[2]; z++)
			keep[z] = keep[z] && v->keep[z];
	}
	return keep;
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

/* The channels stay where they were read to, in their order and on the grid of the first; other
 * volumes go. So the image is not held twice for a moment, whose fresh memory the system would have
 * to zero. */
static enum sm_status leave_apart(struct sm_case *c, const struct stack *p, struct sm_err *err)
{
	struct sm_role_vol *vols = calloc(p->roles.n, sizeof *vols);
	if (!vols)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	for (size_t i = 0; i < p->roles.n; i++)
		for (size_t k = 0; k < c->count; k++)
			if (!vols[i].vol.data && strcmp(c->vols[k].role, p->roles.v[i]) == 0) {
				vols[i] = c->vols[k];
				c->vols[k] = (struct sm_role_vol){0};
				if (i)
					memcpy(vols[i].vol.affine, vols[0].vol.affine,
					       sizeof vols[0].vol.affine);
				strncpy(c->channels[i], p->roles.v[i], SM_ROLE_MAX - 1);
			}
	for (size_t k = 0; k < c->count; k++)
		sm_role_vol_clear(&c->vols[k]);
	memcpy(c->vols, vols, p->roles.n * sizeof *vols);
	free(vols);
	sm_case_set_source(c, &c->vols[0]);
	c->count = p->roles.n;
	c->stacked = c->apart = true;
	return SM_OK;
}

enum sm_status sm_op_stack(struct sm_case *c, const void *params, struct sm_err *err)
{
	const struct stack *p = params;
	struct sm_vol image;
	SM_TRY(sm_op_stack_check(params, err));
	SM_TRY(check(c, p, err));
	SM_TRY(agree(c, p, err));
	if (c->may_stay_apart)
		return leave_apart(c, p, err);
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
	uint8_t *keep = join_keep(c, p);
	/* The source grid is that which the first channel was read with, whatever other volumes the
	 * case held and whatever was cut since. */
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->vols[i].role, p->roles.v[0]) == 0)
			sm_case_set_source(c, &c->vols[i]);
	for (size_t i = 0; i < c->count; i++)
		sm_role_vol_clear(&c->vols[i]);
	c->vols[0].vol = image;
	c->vols[0].keep = keep;
	memcpy(c->vols[0].role, "image", 6);
	memcpy(c->vols[0].source_dim, c->source_dim, sizeof c->source_dim);
	memcpy(c->vols[0].source_affine, c->source_affine, sizeof c->source_affine);
	memcpy(c->vols[0].way, c->way, sizeof c->way);
	c->count = 1;
	c->stacked = true;
	return SM_OK;
}
