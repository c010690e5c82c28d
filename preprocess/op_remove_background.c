/* SPDX-License-Identifier: Apache-2.0
 *
 * remove_background: the object in a volume, as a mask, and `fill` outside it.
 *
 * 1. Voxels above the threshold: one of preprocess/threshold.h, a given value, or a share of the
 * maximum. The preset head takes -300 HU of a volume that is in Hounsfield units (sm_case_meanings
 * in preprocess/sidecar.h, until a step changes the scale), otherwise the triangle's.
 *
 * 2. Erosion by a ball of `opening` mm, the largest component (6 neighbours), dilation by the same
 * ball: what hangs on by a thinner bridge is gone.
 *
 * 3. Closing by a ball of `closing` mm.
 *
 * 4. Holes: whatever the outside cannot reach, in the volume or within any plane of the three axes.
 *
 * A preset names defaults of all four for one kind of image; a key that is given goes before it.
 * One volume or channel decides (time frames and colours by their mean), the mask is used on all
 * volumes of the case. It stays as the case's mask, with which later steps work and which can be
 * looked at.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preprocess/grid.h"
#include "preprocess/morphology.h"
#include "preprocess/op_table.h"
#include "preprocess/threshold.h"

struct remove_background {
	int preset, threshold, holes;
	double value, fill, opening, closing;
	bool largest, fill_holes, only_mask;
	char *role;
};
enum { BY_PRESET, OTSU, VALUE, SHARE, TRIANGLE, CLIPPED, LOG };
enum { HOLES_BY_PRESET, HOLES_VOLUME, HOLES_PLANES };

/* Radii in mm; of pictures, whose mm are seldom known, in shares of the longer side. */
struct preset {
	int threshold, holes;
	double value, opening, closing;
	bool shares;
	bool air; /* value is one in HU that air lies below */
};
enum { NONE, HEAD, BRAIN, BREAST };
static const struct preset presets[] = {
	[NONE] = {OTSU, HOLES_VOLUME, 0, 0, 0, false, false},
	/* head: the scalp is bright in MR and CT; bone and air cells inside are holes of planes */
	[HEAD] = {TRIANGLE, HOLES_PLANES, 0, 3, 10, false, false},
	/* brain: off the scalp, to which thin bridges lead */
	[BRAIN] = {CLIPPED, HOLES_PLANES, 0, 5, 8, false, false},
	/* breast: labels and scratches beside it go, its dim edge stays */
	[BREAST] = {LOG, HOLES_VOLUME, 0, 0.012, 0.02, true, false},
};

#define AT(member) .offset = offsetof(struct remove_background, member)
static const struct sm_field fields[] = {
	{"preset", SM_F_CHOICE, AT(preset), "none", .choices = "none|head|brain|breast",
	 .doc = "defaults of threshold, opening, closing and holes"},
	{"threshold", SM_F_CHOICE, AT(threshold), "preset",
	 .choices = "preset|otsu|value|share|triangle|clipped|log",
	 .doc = "the preset's (none: otsu), Otsu's, `value`, `value` times the maximum, the "
		"triangle's, or "
		"Otsu's without the brightest or on logarithms"},
	{"value", SM_F_FLOAT, AT(value), "0", -1e9, 1e9,
	 .doc = "threshold, or share of the maximum",
	 .only = "threshold value|share"},
	{"opening", SM_F_FLOAT, AT(opening), "-1", -1, 1000,
	 .doc = "radius in mm; -1 = the preset's (none: 0)"},
	{"closing", SM_F_FLOAT, AT(closing), "-1", -1, 1000,
	 .doc = "radius in mm; -1 = the preset's (none: 0)"},
	{"largest", SM_F_BOOL, AT(largest), "true", .doc = "keep only the largest object"},
	{"fill_holes", SM_F_BOOL, AT(fill_holes), "true", .doc = "holes belong to the foreground"},
	{"holes", SM_F_CHOICE, AT(holes), "preset", .choices = "preset|volume|planes",
	 .doc = "what is closed in by the object, or by it within a plane; the preset's (none: "
		"volume)",
	 .only = "fill_holes true"},
	{"fill", SM_F_FLOAT, AT(fill), "0", -1e9, 1e9, .doc = "intensity outside the foreground",
	 .only = "only_mask false"},
	{"only_mask", SM_F_BOOL, AT(only_mask), "false",
	 .doc = "make the mask and leave the intensities alone"},
	{"role", SM_F_STRING, AT(role),
	 .doc = "volume or channel that decides; absent = the first"},
};
const struct sm_fieldset sm_op_remove_background_fields =
	SM_FIELDSET("remove_background", struct remove_background, fields, "background to 0");

/* As the field's choices. */
static const char *const rules[] = {"preset",   "otsu",    "value", "share",
				    "triangle", "clipped", "log"};

/* The preset with what was given on top. */
static struct preset resolve(const struct remove_background *p, const struct sm_grid *g,
			     enum sm_meaning meaning)
{
	struct preset r = presets[p->preset];
	if (p->preset == HEAD && meaning == SM_MEANING_HU) {
		r.threshold = VALUE;
		r.value = -300; /* between air and fat */
		r.air = p->threshold == BY_PRESET;
	}
	double side = (double)(g->n[0] > g->n[1] ? g->n[0] : g->n[1]) * g->spacing[0];
	if (r.shares) {
		r.opening *= side;
		r.closing *= side;
	}
	if (p->threshold != BY_PRESET) {
		r.threshold = p->threshold;
		r.value = p->value;
	}
	if (p->holes != HOLES_BY_PRESET)
		r.holes = p->holes;
	if (p->opening >= 0)
		r.opening = p->opening;
	if (p->closing >= 0)
		r.closing = p->closing;
	return r;
}

static enum sm_status find_threshold(const struct sm_case *c, const struct preset *p,
				     const float *v, size_t n, const char *name, double *out,
				     struct sm_err *err)
{
	double lo, hi;
	sm_value_range(v, n, &lo, &hi);
	if (p->air && lo > p->value)
		return SM_FAIL(
			err, SM_INPUT,
			"%s: %s counts as CT in Hounsfield units, but holds no air: its smallest "
			"value is %g, needed is %g or less (`threshold` overrides the preset's)",
			c->key, name, lo, p->value);
	if (p->threshold != VALUE && p->threshold != SHARE && lo == hi)
		return SM_FAIL(err, SM_INPUT,
			       "%s: %s is %g everywhere: there is nothing to separate", c->key,
			       name, lo);
	if (p->threshold == CLIPPED || p->threshold == LOG) {
		float *work = sm_alloc(c->mem, n, sizeof *work, "values for a threshold", err);
		if (!work)
			return SM_BUDGET;
		*out = p->threshold == LOG ? sm_threshold_log(v, n, lo, hi, work)
					   : sm_threshold_clipped(v, n, lo, hi, work);
		sm_free(work);
		return SM_OK;
	}
	*out = p->threshold == OTSU       ? sm_threshold_otsu(v, n, lo, hi)
	       : p->threshold == TRIANGLE ? sm_threshold_triangle(v, n, lo, hi)
	       : p->threshold == SHARE    ? p->value * hi
					  : p->value;
	return SM_OK;
}

/* Steps 2 to 4. */
static enum sm_status shape(uint8_t *mask, const struct sm_grid *g,
			    const struct remove_background *p, const struct preset *r,
			    struct sm_err *err)
{
	SM_TRY(sm_mask_erode(mask, g, r->opening, err));
	if (p->largest)
		SM_TRY(sm_mask_largest(mask, g, NULL, err));
	SM_TRY(sm_mask_dilate(mask, g, r->opening, err));
	SM_TRY(sm_mask_close(mask, g, r->closing, err));
	if (!p->fill_holes)
		return SM_OK;
	for (int a = 0; r->holes == HOLES_PLANES && a < 3; a++)
		SM_TRY(sm_mask_fill_planes(mask, g, a, err));
	return sm_mask_fill(mask, g, err);
}

/* The values that decide, and the volume that they are of. */
struct judge {
	const struct sm_vol *vol;
	const float *v;
	const char *name;
	float *own; /* the values when they had to be made */
};

static enum sm_status find_judge(struct sm_case *c, const struct remove_background *p,
				 struct judge *j, struct sm_err *err)
{
	const size_t count = c->stacked ? (size_t)c->vols[0].vol.dim[3] : c->count;
	size_t at = 0;
	while (p->role && at < count &&
	       strcmp(c->stacked ? c->channels[at] : c->vols[at].role, p->role) != 0)
		at++;
	if (at == count)
		return SM_FAIL(err, SM_INPUT, "%s: has no volume or channel '%s'", c->key, p->role);
	const struct sm_vol *vol = c->stacked ? &c->vols[0].vol : &c->vols[at].vol;
	const size_t n = sm_vol_frame_count(vol);
	j->name = c->stacked ? c->channels[at] : c->vols[at].role;
	j->vol = vol;
	j->v = (const float *)vol->data + (c->stacked ? at * n : 0);
	if (c->stacked || vol->dim[3] == 1)
		return SM_OK;
	j->own = sm_alloc(c->mem, n, sizeof *j->own, "mean of frames", err);
	if (!j->own)
		return SM_BUDGET;
	for (size_t i = 0; i < n; i++) {
		double sum = 0;
		for (int64_t t = 0; t < vol->dim[3]; t++)
			sum += (double)j->v[(size_t)t * n + i];
		j->own[i] = (float)(sum / (double)vol->dim[3]);
	}
	j->v = j->own;
	return SM_OK;
}

/* The triangle takes the main peak of the histogram for the background. Where muscle is that peak
 * (a thigh among bright fat), it parts tissue from tissue, and what lies below is itself of two
 * kinds, the brighter of which is no noise: by Otsu's threshold of it, more than a fifth of the
 * kept voxels' number, and above a fifth of their mean as counted from the darker kind. (Heads and
 * bodies that are parted well stay below a tenth.) */
#define REST_SHARE 0.2
static enum sm_status judge_rest(const struct sm_case *c, const float *v, const uint8_t *mask,
				 size_t n, double threshold, json_t *fact, struct sm_err *err)
{
	double kept = 0, sum[2] = {0}, lo, hi;
	size_t inside = 0, m = 0, count[2] = {0};
	float *rest = sm_alloc(c->mem, n, sizeof *rest, "values below a threshold", err);
	if (!rest)
		return SM_BUDGET;
	for (size_t i = 0; i < n; i++) {
		if ((double)v[i] <= threshold)
			rest[m++] = v[i];
		kept += mask[i] ? (double)v[i] : 0;
		inside += mask[i] != 0;
	}
	sm_value_range(rest, m, &lo, &hi);
	const double between = m && lo < hi ? sm_threshold_otsu(rest, m, lo, hi) : hi;
	for (size_t i = 0; i < m; i++) {
		sum[(double)rest[i] > between] += (double)rest[i];
		count[(double)rest[i] > between]++;
	}
	sm_free(rest);
	if (!inside || !count[0] || !count[1])
		return SM_OK;
	kept /= (double)inside;
	const double dark = sum[0] / (double)count[0], bright = sum[1] / (double)count[1];
	const double share = (double)count[1] / (double)inside,
		     level = (bright - dark) / (kept - dark);
	if (!(kept > dark && level > REST_SHARE && share > REST_SHARE))
		return SM_OK;
	char text[320];
	snprintf(text, sizeof text,
		 "voxels below the threshold %g, %.2f times as many as were kept, are brighter "
		 "than background (%g, kept ones %g, background %g on average): it may part tissue "
		 "from tissue; look at the mask or give a threshold (log tells dark air from dim "
		 "tissue)",
		 threshold, share, bright, kept, dark);
	return json_object_set_new(fact, "warning", json_string(text))
		       ? SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key)
		       : SM_OK;
}

static enum sm_status make_mask(struct sm_case *c, const struct remove_background *p,
				const struct judge *j, struct sm_err *err)
{
	const struct sm_vol *like = j->vol;
	const int64_t dim[4] = {like->dim[0], like->dim[1], like->dim[2], 1};
	struct sm_grid g = {.n = {dim[0], dim[1], dim[2]}, .mem = c->mem, .jobs = c->jobs};
	struct sm_vol mask = {0};
	double threshold = 0;
	enum sm_status st;
	sm_vol_spacing(like, g.spacing);
	const struct preset r = resolve(p, &g, like->meaning);
	SM_GOTO(st, sm_vol_init(&mask, dim, SM_U8, c->mem, c->key, err));
	const size_t n = sm_vol_count(&mask);
	SM_GOTO(st, find_threshold(c, &r, j->v, n, j->name, &threshold, err));
	uint8_t *m = mask.data;
	for (size_t i = 0; i < n; i++)
		m[i] = (double)j->v[i] > threshold;
	SM_GOTO(st, shape(m, &g, p, &r, err));
	size_t inside = sm_mask_count(m, &g);
	if (!inside) {
		st = SM_FAIL(err, SM_INPUT,
			     "%s: no voxel of %s is left above the threshold %g (opening %g mm)",
			     c->key, j->name, threshold, r.opening);
		goto out;
	}
	memcpy(mask.affine, like->affine, sizeof mask.affine);
	mask.form_code = like->form_code;
	mask.meaning = SM_MEANING_LABEL;
	sm_vol_clear(&c->mask);
	c->mask = mask;
	mask = (struct sm_vol){0};
	json_t *fact = json_pack("{s:f, s:s, s:I, s:s, s:f, s:f}", "threshold", threshold, "rule",
				 r.air ? "HU" : rules[r.threshold], "voxels", (json_int_t)inside,
				 "from", j->name, "opening_mm", r.opening, "closing_mm", r.closing);
	if (r.threshold == TRIANGLE)
		st = judge_rest(c, j->v, c->mask.data, n, threshold, fact, err);
	sm_case_fact(c, "remove_background", fact);
out:
	sm_vol_clear(&mask);
	return st;
}

enum sm_status sm_op_remove_background(struct sm_case *c, const void *params, struct sm_err *err)
{
	const struct remove_background *p = params;
	struct judge j = {0};
	enum sm_status st;
	SM_TRY(sm_case_one_grid(c, err));
	for (size_t i = 0; i < c->count; i++)
		SM_TRY(sm_vol_to_f32(&c->vols[i].vol, c->mem, c->jobs, err));
	SM_GOTO(st, find_judge(c, p, &j, err));
	SM_GOTO(st, make_mask(c, p, &j, err));
	const uint8_t *mask = c->mask.data;
	for (size_t i = 0; i < c->count && !p->only_mask; i++) {
		const size_t n = sm_vol_frame_count(&c->vols[i].vol);
		for (int64_t t = 0; t < c->vols[i].vol.dim[3]; t++) {
			float *x = (float *)c->vols[i].vol.data + (size_t)t * n;
			for (size_t k = 0; k < n; k++)
				x[k] = mask[k] ? x[k] : (float)p->fill;
		}
	}
out:
	sm_free(j.own);
	return st;
}
