/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/view.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "preprocess/grid.h"
#include "preprocess/op_table.h"

bool sm_modality_is(const char *modality, const char *when)
{
	bool pet = strcasecmp(modality, "PT") == 0 && strcasecmp(when, "pet") == 0;
	return *modality && (pet || strcasecmp(modality, when) == 0);
}

static void swap_vol(struct sm_vol *a, struct sm_vol *b)
{
	struct sm_vol t = *a;
	*a = *b;
	*b = t;
}

static void swap_companions(struct sm_case *c, struct sm_view *v)
{
	char(*names)[SM_ROLE_MAX] = c->region_names;
	swap_vol(&c->label, &v->label);
	swap_vol(&c->mask, &v->mask);
	swap_vol(&c->regions, &v->regions);
	c->region_names = v->region_names;
	v->region_names = names;
}

enum sm_status sm_view_open(struct sm_case *c, const char *when, struct sm_view *view,
			    struct sm_err *err)
{
	size_t kept = 0;
	bool all = sm_modality_is(c->modality, when);
	*view = (struct sm_view){0};
	for (size_t i = 0; i < c->count; i++)
		view->seen += all || strcmp(c->vols[i].role, when) == 0;
	view->whole = view->seen == c->count;
	if (!view->seen || view->whole)
		return SM_OK;
	view->vols = calloc(SM_CASE_VOLS, sizeof *view->vols);
	if (!view->vols)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->vols[i].role, when) == 0)
			c->vols[kept++] = c->vols[i];
		else
			view->vols[view->count++] = c->vols[i];
	memset(c->vols + kept, 0, (c->count - kept) * sizeof *c->vols);
	c->count = kept;
	sm_case_set_source(c, &c->vols[0]);
	swap_companions(c, view);
	swap_vol(&c->mask, &c->vols[0].mask);
	c->aside = view;
	return SM_OK;
}

/* Both lists are sorted by role; a case holds at most SM_CASE_VOLS of different roles. */
static enum sm_status merge(struct sm_case *c, struct sm_view *view, struct sm_err *err)
{
	enum sm_status st = SM_OK;
	for (size_t i = 0; i < view->count; i++) {
		struct sm_role_vol *v = &view->vols[i];
		size_t at = 0;
		while (at < c->count && strcmp(c->vols[at].role, v->role) < 0)
			at++;
		bool twice = at < c->count && strcmp(c->vols[at].role, v->role) == 0;
		if (c->stacked || twice || c->count == SM_CASE_VOLS) {
			if (st == SM_OK)
				st = SM_FAIL(
					err, SM_INPUT,
					"%s: the step is for some of the volumes only: it must "
					"neither stack nor make a volume '%s'",
					c->key, v->role);
			sm_role_vol_clear(v);
			continue;
		}
		memmove(&c->vols[at + 1], &c->vols[at], (c->count - at) * sizeof *c->vols);
		c->vols[at] = *v;
		c->count++;
	}
	return st;
}

/* Where all volumes lie on one grid, the mask of one is of use for all. */
static enum sm_status share_mask(struct sm_case *c, const char *role, struct sm_err *err)
{
	struct sm_vol mask;
	for (size_t i = 0; i < c->count; i++) {
		if (strcmp(c->vols[i].role, role) != 0 || !c->vols[i].mask.data ||
		    sm_case_one_grid(c, NULL) != SM_OK)
			continue;
		SM_TRY(sm_vol_copy(&mask, &c->vols[i].mask, c->mem, err));
		sm_vol_clear(&c->mask);
		c->mask = mask;
	}
	return SM_OK;
}

enum sm_status sm_view_close(struct sm_case *c, struct sm_view *view, struct sm_err *err)
{
	if (view->whole || !view->seen)
		return SM_OK;
	c->aside = NULL;
	bool one = c->count == 1 && !c->stacked;
	char role[SM_ROLE_MAX];
	if (one) {
		memcpy(role, c->vols[0].role, sizeof role);
		swap_vol(&c->mask, &c->vols[0].mask);
	}
	enum sm_status st = merge(c, view, err);
	if (st == SM_OK && c->count)
		sm_case_set_source(c, &c->vols[0]);
	swap_companions(c, view);
	if (st == SM_OK && one)
		st = share_mask(c, role, err);
	sm_vol_clear(&view->label);
	sm_vol_clear(&view->mask);
	sm_vol_clear(&view->regions);
	free(view->region_names);
	free(view->vols);
	*view = (struct sm_view){0};
	return st;
}

/* ---- what lies aside ------------------------------------------------------------------------- */

const struct sm_role_vol *sm_view_reference(const struct sm_case *c, const char *role)
{
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->vols[i].role, role) == 0)
			return &c->vols[i];
	for (size_t i = 0; c->aside && i < c->aside->count; i++)
		if (strcmp(c->aside->vols[i].role, role) == 0)
			return &c->aside->vols[i];
	return NULL;
}

const struct sm_vol *sm_view_reference_mask(const struct sm_case *c,
					    const struct sm_role_vol *reference)
{
	const struct sm_vol *mask = c->aside ? &c->aside->mask : &c->mask;
	if (reference->mask.data)
		return &reference->mask;
	return mask->data && sm_case_same_grid(c, &reference->vol, mask) ? mask : NULL;
}

enum sm_status sm_view_needs_label(const struct sm_case *c, struct sm_err *err)
{
	if (!c->aside)
		return SM_OK;
	return SM_FAIL(err, SM_INPUT,
		       "%s: the step changes the label, which belongs to the whole case, but "
		       "`when` lets it see %s alone: leave `when` out",
		       c->key, c->vols[0].role);
}

/* ---- `when` in the manifest ------------------------------------------------------------------ */

/* DICOM's modalities of images (PS3.3 C.7.3.1.1.1), and pet: all that ingest gives to a series
 * (ingest/series/dcm_class.h), so no other word is one. */
bool sm_modality_known(const char *when)
{
	static const char list[][8] = {"BI",  "CR",   "CT", "DX",  "EC", "ES", "GM",     "IO",
				       "IVO", "IVUS", "LS", "M3D", "MG", "MR", "NM",     "OAM",
				       "OCT", "OP",   "OT", "PET", "PT", "PX", "RF",     "RG",
				       "SC",  "SM",   "TG", "US",  "XA", "XC", "RTDOSE", "RTIMAGE"};
	for (size_t i = 0; i < SM_COUNT(list); i++)
		if (strcasecmp(when, list[i]) == 0)
			return true;
	return false;
}

static bool lists(const struct sm_strings *names, const char *name)
{
	for (size_t i = 0; names && i < names->n; i++)
		if (strcmp(names->v[i], name) == 0)
			return true;
	return false;
}

enum sm_status sm_when_check(const struct sm_steps *steps, size_t n, const struct sm_strings *roles,
			     const char *allowed, struct sm_err *err)
{
	const struct sm_strings *channels = NULL;
	bool image = false; /* a step has stacked some cases */
	for (size_t i = 0; i < n; i++) {
		const struct sm_step *s = &steps->v[i];
		const char *op = sm_ops[s->which].name;
		const bool known = s->when && (sm_modality_known(s->when) ||
					       (image && strcmp(s->when, "image") == 0));
		if (s->when && !known && lists(channels, s->when))
			return SM_FAIL(
				err, SM_USAGE,
				"steps: step %zu (%s): when: found '%s', which an earlier step has "
				"made a channel of the image: `roles` of the operation names "
				"channels",
				i + 1, op, s->when);
		if (s->when && !known && (channels || (roles && !lists(roles, s->when))))
			return SM_FAIL(err, SM_USAGE,
				       "steps: step %zu (%s): when: found '%s', allowed is %s or a "
				       "modality (ct, mr, pet, ...)",
				       i + 1, op, s->when,
				       channels ? "image (what an earlier step has stacked)"
						: allowed);
		image = image || s->which == SM_OP_stack;
		if (s->which == SM_OP_stack && !s->when)
			channels = sm_op_stack_roles(s->params);
	}
	return SM_OK;
}
