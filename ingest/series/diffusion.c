/* SPDX-License-Identifier: Apache-2.0
 *
 * b-values and directions of a diffusion series beside its volume (see convert.h).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "ingest/convert.h"

/* Determinant of the affine's rotation and scale. */
static double determinant(const struct sm_vol *vol)
{
	const double(*m)[4] = vol->affine;
	return m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) -
	       m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
	       m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
}

/* A direction in LPS along one axis of the volume. The third axis is across x down of the pixels,
 * so that the axes are those of the picture but for a tilt, along which no direction is turned. */
static double along(const struct sm_vol *vol, int axis, const double lps[3])
{
	const double ras[3] = {-lps[0], -lps[1], lps[2]};
	double dot = 0, size = 0;
	for (int r = 0; r < 3; r++) {
		dot += vol->affine[r][axis] * ras[r];
		size += vol->affine[r][axis] * vol->affine[r][axis];
	}
	return dot / sqrt(size) + 0.0; /* no negative zero */
}

static const struct sm_dcm_frame *frame_at(const struct sm_raw *raw, const struct sm_series *s,
					   size_t t)
{
	return sm_slice_frame(raw->scan.head, s->slice[t * s->depth]);
}

/* What pictures show that are computed from several b-values; a trace is of one. */
static bool is_map(const struct sm_dcm_frame *f)
{
	return f->component == SM_DERIVED_MAP && strncmp(f->image_kind, "TRACE", 5) != 0;
}

/* The b-values of one series or volume: every slice known, alike within a volume. */
static bool b_values_known(const struct sm_raw *raw, const struct sm_series *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct sm_dcm_frame *f = sm_slice_frame(raw->scan.head, s->slice[i]);
		if (!f || !isfinite(f->b_value) || is_map(f) ||
		    fabs(f->b_value - frame_at(raw, s, i / s->depth)->b_value) > 1)
			return false;
	}
	return s->n == s->depth * s->times;
}

bool sm_convert_has_b_values(const struct sm_raw *raw, const struct sm_series *s)
{
	const struct sm_series_list *all = &raw->scan.list;
	const struct sm_dcm_head *heads = raw->scan.head;
	if (s->fourth == SM_FOURTH_DIFFUSION)
		return true;
	if (!b_values_known(raw, s))
		return false;
	for (size_t k = 0; k < all->n; k++) {
		const struct sm_series *other = &all->series[k];
		if (strcmp(heads[other->slice[0].head].series, heads[s->slice[0].head].series) != 0)
			continue;
		for (size_t i = 0; i < other->n; i++) {
			const struct sm_dcm_frame *f = sm_slice_frame(heads, other->slice[i]);
			if (f && f->b_value > 0)
				return true;
		}
	}
	return false;
}

/* What keeps directions from being written. */
struct gaps {
	bool any, local, absent, doubtful;
};

static struct gaps find_gaps(const struct sm_raw *raw, const struct sm_series *s)
{
	struct gaps g = {0};
	for (size_t t = 0; t < s->times; t++) {
		const struct sm_dcm_frame *f = frame_at(raw, s, t);
		bool directed = sm_dot3(f->b_vector, f->b_vector) > 0.5;
		g.any = g.any || directed;
		g.local = g.local || f->b_vector_local;
		g.doubtful = g.doubtful || f->b_vector_doubtful;
		g.absent = g.absent || (f->b_value > 50 && !directed);
	}
	return g;
}

bool sm_convert_has_directions(const struct sm_raw *raw, const struct sm_series *s)
{
	struct gaps g = find_gaps(raw, s);
	/* Of one volume without a direction there is nothing to tell; b 0 of several has zeros. */
	return !g.local && !g.absent && (g.any || s->times > 1);
}

static void warn_directions(struct gaps g, const struct sm_series *s, const char *role,
			    struct sm_item *item)
{
	if (g.local)
		sm_item_warn(
			item,
			"the directions of diffusion are in the maker's own axes, which are turned "
			"to the patient's for PatientPosition HFS with "
			"InPlanePhaseEncodingDirection ROW or COL only: there is no %s.bvec",
			role);
	else if (g.absent && s->times > 1)
		sm_item_warn(item,
			     "weighted volumes have no direction of diffusion: there is no %s.bvec",
			     role);
	else if (g.doubtful)
		sm_item_warn(item,
			     "GE's directions of diffusion were turned to the patient's axes by a "
			     "rule (dcm2niix's) that was validated for axial slices only");
}

enum sm_status sm_convert_diffusion(const struct sm_raw *raw, const struct sm_series *s,
				    const char *role, const struct sm_vol *vol,
				    struct sm_item *item, struct sm_err *err)
{
	char name[24];
	struct sm_text text = {0};
	enum sm_status st = SM_OK;
	double turn = determinant(vol) > 0 ? -1 : 1;
	for (size_t t = 0; t < s->times; t++)
		sm_text_f(&text, "%s%.6g", t ? " " : "", frame_at(raw, s, t)->b_value);
	sm_text_str(&text, "\n");
	st = sm_text_check(&text, "b-values", err);
	snprintf(name, sizeof name, "%s.bval", role);
	if (st == SM_OK)
		st = sm_convert_text(name, "bval", text.data, item, err);
	sm_text_clear(&text);
	if (st != SM_OK)
		return st;
	warn_directions(find_gaps(raw, s), s, role, item);
	if (!sm_convert_has_directions(raw, s))
		return SM_OK;
	for (int a = 0; a < 3; a++) {
		for (size_t t = 0; t < s->times; t++) {
			double v = along(vol, a, frame_at(raw, s, t)->b_vector);
			sm_text_f(&text, "%s%.6g", t ? " " : "", a == 0 ? turn * v + 0.0 : v);
		}
		sm_text_str(&text, "\n");
	}
	st = sm_text_check(&text, "directions of diffusion", err);
	snprintf(name, sizeof name, "%s.bvec", role);
	if (st == SM_OK)
		st = sm_convert_text(name, "bvec", text.data, item, err);
	sm_text_clear(&text);
	return st;
}
