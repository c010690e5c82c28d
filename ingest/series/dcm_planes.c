/* SPDX-License-Identifier: Apache-2.0
 *
 * Series whose groups lie in several planes: scouts, and stray slices.
 */
#include <math.h>
#include <string.h>

#include "ingest/series/dcm_stack.h"

/* A localiser has three planes, each steeper than this to the others and with no more slices than
 * this; oblique ones lie near one of the three. */
#define SCOUT_STEEP 0.342 /* cosine of 70 degrees: no three lines of one plane are that steep */
#define SCOUT_NEAR 0.906  /* cosine of 25 degrees */
#define SCOUT_SLICES 20

static const struct sm_dcm_frame *placed(const struct sm_series *s, const struct sm_dcm_head *heads)
{
	const struct sm_dcm_frame *f = sm_slice_frame(heads, s->slice[0]);
	bool usable = f && f->has_orientation && !sm_series_is_flat(s, heads) &&
		      sm_slice_verdict(heads, s->slice[0]) == SM_VERDICT_OK;
	return usable ? f : NULL;
}

static bool same_orientation(const struct sm_dcm_frame *f, const struct sm_dcm_frame *g)
{
	for (int r = 0; r < 3; r++)
		if (fabs(f->across[r] - g->across[r]) > SM_SAME_DIRECTION ||
		    fabs(f->down[r] - g->down[r]) > SM_SAME_DIRECTION)
			return false;
	return true;
}

/* Too few slices of one orientation beside those of another: that is what is wrong with them. */
static void judge_mixed(struct sm_series *s, size_t n, const struct sm_dcm_head *heads)
{
	size_t orientations = 0;
	for (size_t i = 0; i < n; i++) {
		const struct sm_dcm_frame *f = placed(&s[i], heads);
		bool seen = !f;
		for (size_t k = 0; k < i && !seen; k++) {
			const struct sm_dcm_frame *g = placed(&s[k], heads);
			seen = g && same_orientation(f, g);
		}
		orientations += !seen;
		if (orientations > 1000) /* enough to say so; the search is quadratic */
			break;
	}
	for (size_t i = 0; i < n && orientations > 1; i++) {
		if (s[i].verdict != SM_VERDICT_FEW_SLICES)
			continue;
		size_t depth = s[i].depth;
		s[i].verdict = SM_VERDICT_OK;
		sm_series_judge(
			&s[i], SM_VERDICT_MIXED_ORIENTATION,
			"the series mixes slices of %zu orientations, and %zu position%s too few "
			"for a volume of this one (ingest.min_slices)",
			orientations, depth, depth == 1 ? " is" : "s are");
	}
}

struct plane {
	double normal[3];
	size_t slices;
};

/* Adds a group to the plane it is near to; false when it makes the series no scout. */
static bool add_plane(struct plane plane[3], size_t *planes, const struct sm_dcm_frame *f, size_t n)
{
	double normal[3];
	size_t at = 0;
	sm_cross3(f->across, f->down, normal);
	while (at < *planes && fabs(sm_dot3(plane[at].normal, normal)) < SCOUT_NEAR)
		at++;
	if (at == *planes) {
		for (size_t k = 0; k < *planes; k++)
			if (fabs(sm_dot3(plane[k].normal, normal)) > SCOUT_STEEP)
				return false;
		if (*planes == 3)
			return false;
		memcpy(plane[at].normal, normal, sizeof normal);
		plane[at].slices = 0;
		++*planes;
	}
	plane[at].slices += n;
	return plane[at].slices <= SCOUT_SLICES;
}

static void judge_scout(struct sm_series *s, size_t n, const struct sm_dcm_head *heads)
{
	struct plane plane[3];
	size_t planes = 0, most = 0;
	for (size_t i = 0; i < n; i++) {
		const struct sm_dcm_frame *f = placed(&s[i], heads);
		if (!f)
			continue;
		if (strcmp(heads[s[i].slice[0].head].modality, "MR") != 0 ||
		    !add_plane(plane, &planes, f, s[i].n))
			return;
	}
	for (size_t k = 0; k < planes; k++)
		most = plane[k].slices > most ? plane[k].slices : most;
	for (size_t i = 0; i < n && planes == 3; i++) {
		if (!placed(&s[i], heads))
			continue;
		s[i].verdict = SM_VERDICT_OK;
		sm_series_judge(&s[i], SM_VERDICT_LOCALISER,
				"three planes about perpendicular to each other with at most %zu "
				"slice%s each in one series",
				most, most == 1 ? "" : "s");
	}
}

void sm_series_judge_planes(struct sm_series *s, size_t n, const struct sm_dcm_head *heads)
{
	judge_mixed(s, n, heads);
	judge_scout(s, n, heads);
}
