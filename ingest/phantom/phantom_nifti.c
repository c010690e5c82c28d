/* SPDX-License-Identifier: Apache-2.0
 *
 * Heads as NIfTI files, MR and dynamic PET, with the CTs that stand beside them. Voxels run from
 * back to front, from right to left and upwards (axes ALS), as in many research MR files: a slice
 * must be turned by 90 degrees to stand upright.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/nii.h"
#include "core/par.h"
#include "ingest/phantom/phantom_dicom.h"
#include "ingest/phantom/phantom_frames.h"
#include "ingest/phantom/phantom_head.h"

#define TISSUES (SM_TISSUES - 1) /* air is not counted */
#define MR_WHITE 420             /* typical value of white matter */

enum show { SHOW_MR, SHOW_CT, SHOW_PET };

/* Regions of a PET: grey matter holds 4, white 2 times as much as the rest of the head. */
enum region { BODY, WHITE, GREY, REGIONS };
static const char *const region_names[REGIONS] = {"body", "white", "grey"};
static const double share[REGIONS] = {1, 2, 4};

struct scan {
	const struct sm_phantom *p;
	const char *key;
	struct sm_head head;
	double gain; /* MR: value of white matter */
	enum show show[2];
	size_t shows;
	struct sm_vol vol[2];       /* one a show */
	int64_t (*counts)[TISSUES]; /* by slice */
	double activity[SM_FRAMES_MAX * REGIONS];
};

static int region_of(enum sm_tissue tissue)
{
	return tissue == SM_AIR ? -1 : tissue == SM_GREY ? GREY : tissue == SM_WHITE ? WHITE : BODY;
}

static int16_t to_int16(double v)
{
	double w = floor(v + 0.5);
	return (int16_t)(w < -32768 ? -32768 : w > 32767 ? 32767 : w);
}

/* Rician: the magnitude of a signal with noise in both channels; in air it is noise alone. */
static int16_t mr_value(const struct scan *s, const struct sm_head_point *at, struct sm_rng *rng)
{
	double t1 = sm_head_t1(&s->head, at, s->p->bias);
	double a = t1 + s->p->noise * sm_rng_normal(rng), b = s->p->noise * sm_rng_normal(rng);
	return to_int16(s->gain * sqrt(a * a + b * b));
}

static void fill_voxel(struct scan *s, size_t voxel, const struct sm_head_point *at,
		       struct sm_rng rng[2])
{
	for (size_t i = 0; i < s->shows; i++) {
		int16_t *v = s->vol[i].data;
		size_t frame = sm_vol_frame_count(&s->vol[i]);
		int region = region_of(at->tissue);
		if (s->show[i] == SHOW_MR)
			v[voxel] = mr_value(s, at, &rng[0]);
		else if (s->show[i] == SHOW_CT)
			v[voxel] = to_int16(sm_head_hu(&s->head, at) +
					    100 * s->p->noise * sm_rng_normal(&rng[1]));
		else
			for (size_t t = 0; t < (size_t)s->p->frames; t++)
				v[t * frame + voxel] =
					region < 0 ? 0
						   : to_int16(s->activity[t * REGIONS +
									  (size_t)region]);
	}
}

static enum sm_status fill_slice(void *ctx, size_t z, struct sm_err *err)
{
	struct scan *s = ctx;
	const struct sm_phantom *p = s->p;
	struct sm_head_slice slice;
	struct sm_head_point at;
	struct sm_rng rng[2];
	(void)err;
	sm_rng_init(&rng[0], p->seed, "phantom.noise.mr", s->key, 0, z);
	sm_rng_init(&rng[1], p->seed, "phantom.noise.ct", s->key, 0, z);
	sm_head_slice(&s->head, ((double)z - 0.5 * (double)(p->size[2] - 1)) * p->spacing[2],
		      &slice);
	size_t voxel = z * (size_t)(p->size[0] * p->size[1]);
	for (int64_t j = 0; j < p->size[1]; j++)
		for (int64_t i = 0; i < p->size[0]; i++, voxel++) {
			double left = ((double)j - 0.5 * (double)(p->size[1] - 1)) * p->spacing[1];
			double back = (0.5 * (double)(p->size[0] - 1) - (double)i) * p->spacing[0];
			sm_head_at(&s->head, &slice, left, back, &at);
			if (at.tissue != SM_AIR)
				s->counts[z][at.tissue - 1]++;
			fill_voxel(s, voxel, &at, rng);
		}
	return SM_OK;
}

static enum sm_status init_volume(struct scan *s, size_t i, struct sm_err *err)
{
	const struct sm_phantom *p = s->p;
	const int64_t dim[4] = {p->size[0], p->size[1], p->size[2],
				s->show[i] == SHOW_PET ? p->frames : 1};
	struct sm_vol *vol = &s->vol[i];
	SM_TRY(sm_vol_init(vol, dim, SM_I16, p->mem, s->key, err));
	memset(vol->affine, 0, sizeof vol->affine);
	vol->affine[0][1] = -p->spacing[1];
	vol->affine[0][3] = 0.5 * (double)(p->size[1] - 1) * p->spacing[1];
	vol->affine[1][0] = p->spacing[0];
	vol->affine[1][3] = -0.5 * (double)(p->size[0] - 1) * p->spacing[0];
	vol->affine[2][2] = p->spacing[2];
	vol->affine[2][3] = -0.5 * (double)(p->size[2] - 1) * p->spacing[2];
	vol->affine[3][3] = 1;
	return SM_OK;
}

static void draw_scan(struct scan *s, const char *domain, size_t number)
{
	const struct sm_phantom *p = s->p;
	const double extent[3] = {(double)p->size[1] * p->spacing[1],
				  (double)p->size[0] * p->spacing[0],
				  (double)p->size[2] * p->spacing[2]};
	struct sm_rng rng;
	struct sm_frame f;
	sm_head_draw(&s->head, p->seed, domain, number, s->key, extent);
	sm_rng_init(&rng, p->seed, "phantom.scanner", s->key, 0, 0);
	s->gain = MR_WHITE * sm_uniform(&rng, 0.7, 1.4);
	for (size_t t = 0; t < (size_t)p->frames; t++) {
		sm_frame_at(t, &f);
		for (size_t r = 0; r < REGIONS; r++)
			s->activity[t * REGIONS + r] = share[r] * f.body;
	}
}

static json_t *scan_facts(const struct scan *s)
{
	static const char *const modality[] = {"MR", "CT", "PT"},
				 *const beside[] = {"MR, CT", NULL, "PT, CT"};
	const struct sm_phantom *p = s->p;
	int64_t total[TISSUES] = {0}, held[REGIONS] = {0};
	json_t *facts = json_object();
	for (int64_t z = 0; z < p->size[2]; z++)
		for (int r = 0; r < TISSUES; r++)
			total[r] += s->counts[z][r];
	json_object_set_new(facts, "key", json_string(s->key));
	json_object_set_new(facts, "modality",
			    json_string((s->shows > 1 ? beside : modality)[s->show[0]]));
	sm_phantom_put_regions(facts, sm_tissue_names, total, TISSUES,
			       p->spacing[0] * p->spacing[1] * p->spacing[2]);
	for (int r = 0; r < TISSUES; r++)
		held[region_of((enum sm_tissue)(r + 1))] += total[r];
	if (s->show[0] == SHOW_PET)
		sm_phantom_put_frames(facts, (size_t)p->frames, region_names, REGIONS, s->activity,
				      held);
	return facts;
}

/* Times of the frames, named as in BIDS; NIfTI has no room for them. */
static enum sm_status write_times(const struct scan *s, const char *dir, struct sm_err *err)
{
	json_t *start = json_array(), *duration = json_array();
	struct sm_frame f;
	for (size_t t = 0; t < (size_t)s->p->frames; t++) {
		sm_frame_at(t, &f);
		json_array_append_new(start, json_integer(f.start));
		json_array_append_new(duration, json_integer(f.duration));
	}
	json_t *times =
		json_pack("{s:o, s:o}", "FrameTimesStart", start, "FrameDuration", duration);
	char *text = json_dumps(times, JSON_INDENT(1) | JSON_SORT_KEYS);
	char *path = sm_strf("%s/%s/pet.json", dir, s->key);
	enum sm_status st = text && path ? sm_file_write(path, text, strlen(text), err)
					 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", s->key);
	free(path);
	free(text);
	json_decref(times);
	return st;
}

static enum sm_status write_scan(struct scan *s, const char *dir, struct sm_err *err)
{
	static const char *const names[] = {"mr", "ct", "pet"};
	enum sm_status st = SM_OK;
	for (size_t i = 0; i < s->shows && st == SM_OK; i++) {
		char *path = sm_strf("%s/%s/%s.nii.gz", dir, s->key, names[s->show[i]]);
		st = path ? sm_nii_write(path, &s->vol[i], 6, s->p->jobs, NULL, err)
			  : SM_FAIL(err, SM_BUDGET, "%s: out of memory", s->key);
		free(path);
	}
	return st == SM_OK && s->show[0] == SHOW_PET ? write_times(s, dir, err) : st;
}

static enum sm_status make_scan(const struct sm_phantom *p, const char *dir, const char *prefix,
				size_t number, const enum show *show, size_t shows, json_t *all,
				struct sm_err *err)
{
	char key[24];
	enum sm_status st = SM_OK;
	struct scan *s = sm_calloc(p->mem, 1, sizeof *s, "phantom", err);
	if (!s)
		return SM_BUDGET;
	snprintf(key, sizeof key, "%s_%03zu", prefix, number);
	s->p = p;
	s->key = key;
	s->shows = shows;
	memcpy(s->show, show, shows * sizeof *show);
	s->counts = sm_calloc(p->mem, (size_t)p->size[2], sizeof *s->counts, "phantom", err);
	if (!s->counts)
		SM_GOTO(st, SM_BUDGET);
	for (size_t i = 0; i < shows; i++)
		SM_GOTO(st, init_volume(s, i, err));
	SM_GOTO(st, sm_phantom_folder(dir, key, err));
	draw_scan(s, prefix, number - 1);
	SM_GOTO(st, sm_par_for((size_t)p->size[2], p->jobs, fill_slice, s, err));
	SM_GOTO(st, write_scan(s, dir, err));
	json_array_append_new(all, scan_facts(s));
	sm_info(p->log, key, "written");
out:
	for (size_t i = 0; i < shows; i++)
		sm_vol_clear(&s->vol[i]);
	sm_free(s->counts);
	sm_free(s);
	return st;
}

/* The CT's grid has the same field of view, square in plane. */
static struct sm_phantom ct_of(const struct sm_phantom *p)
{
	struct sm_phantom ct = *p;
	double wide = (double)p->size[0] * p->spacing[0], deep = (double)p->size[1] * p->spacing[1];
	int64_t most = p->size[0] > p->size[1] ? p->size[0] : p->size[1];
	const int64_t derived[3] = {2 * most, 2 * most, p->size[2]};
	const double extent[3] = {wide > deep ? wide : deep, wide > deep ? wide : deep,
				  (double)p->size[2] * p->spacing[2]};
	for (int a = 0; a < 3; a++) {
		ct.size[a] = p->ct_size[0] ? p->ct_size[a] : derived[a];
		ct.spacing[a] = extent[a] / (double)ct.size[a];
	}
	return ct;
}

static enum sm_status make_scans(const struct sm_phantom *p, const char *dir, const char *prefix,
				 const enum show *show, size_t shows, json_t **facts,
				 struct sm_err *err)
{
	json_t *all = json_array();
	*facts = NULL;
	for (size_t i = 0; i < (size_t)p->cases; i++) {
		enum sm_status st = make_scan(p, dir, prefix, i + 1, show, shows, all, err);
		if (st != SM_OK) {
			json_decref(all);
			return st;
		}
	}
	*facts = all;
	return SM_OK;
}

/* Volumes, and CTs of other patients. */
static enum sm_status beside_ct(const struct sm_phantom *p, const char *dir, const char *prefix,
				enum show show, json_t **facts, struct sm_err *err)
{
	struct sm_phantom ct = ct_of(p);
	json_t *more = NULL;
	enum sm_status st = make_scans(p, dir, prefix, &show, 1, facts, err);
	if (st == SM_OK)
		st = sm_phantom_ct_stack(&ct, dir, &more, err);
	if (st == SM_OK)
		json_array_extend(*facts, more);
	json_decref(more);
	if (st != SM_OK) {
		json_decref(*facts);
		*facts = NULL;
	}
	return st;
}

enum sm_status sm_phantom_mr_ct(const struct sm_phantom *p, const char *dir, json_t **facts,
				struct sm_err *err)
{
	return beside_ct(p, dir, "MR", SHOW_MR, facts, err);
}

enum sm_status sm_phantom_pet_ct(const struct sm_phantom *p, const char *dir, json_t **facts,
				 struct sm_err *err)
{
	return beside_ct(p, dir, "PET", SHOW_PET, facts, err);
}

enum sm_status sm_phantom_mr_ct_pair(const struct sm_phantom *p, const char *dir, json_t **facts,
				     struct sm_err *err)
{
	static const enum show both[] = {SHOW_MR, SHOW_CT};
	return make_scans(p, dir, "PAIR", both, 2, facts, err);
}

enum sm_status sm_phantom_pet_ct_pair(const struct sm_phantom *p, const char *dir, json_t **facts,
				      struct sm_err *err)
{
	static const enum show both[] = {SHOW_PET, SHOW_CT};
	return make_scans(p, dir, "PAIR", both, 2, facts, err);
}
