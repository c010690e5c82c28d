/* SPDX-License-Identifier: Apache-2.0
 *
 * A CT head as DICOM. Places are in head units as in phantom_brats.c, along DICOM's patient axes:
 * x to the left, y to the back, z to the crown.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/field.h"
#include "core/file.h"
#include "core/ledger.h"
#include "core/par.h"
#include "ingest/phantom/phantom_dicom.h"
#include "ingest/phantom/phantom_head.h"
#include "ingest/phantom/phantom_shape.h"

#define CT_CLASS "1.2.840.10008.5.1.4.1.1.2"

/* Semi-axes of the outer skull as shares of the grid's half extent: the vertex is cut off, as
 * in a routine head scan. */
static const double head_share[3] = {0.56, 0.70, 1.1};

/* A tilt with exact numbers: 7-24-25 triangle, 16.26 degrees. */
#define TILT_COS 0.96
#define TILT_SIN 0.28
#define TILT_DEGREES 16.260204708

enum region { SKULL, BRAIN, VENTRICLE, REGIONS };

#define COUNTS (SM_TISSUES - 1) /* more than REGIONS */

struct head {
	const struct sm_phantom *p;
	const char *dir, *key;
	struct sm_lattice lattice;
	struct sm_ellipsoid skin, skull, brain, ventricle[2];
	double half[3];       /* head unit in mm */
	double (*at)[3];      /* position of each slice's first voxel, mm, DICOM axes */
	size_t slices, extra; /* of the grid; and files beyond them (second series, duplicate) */
	size_t *name_of;      /* file number of each file */
	int64_t (*counts)[COUNTS];
	const struct sm_head
		*anatomy; /* a head that varies; NULL = the plain one of kind ct_head */
};

/* HU at a place in head units, without noise; *region what it is, or REGIONS for neither. */
static double hu_at(const struct head *h, const double u[3], enum region *region)
{
	*region = REGIONS;
	double skin = sm_ellipsoid_at(&h->skin, u);
	if (skin >= 1) {
		/* The table: a bowed plate behind the head, dense skins around foam. */
		double y = u[1] - 1.22 - 0.12 * u[0] * u[0];
		if (y > 0 && y < 0.1 && u[0] * u[0] < 1.1)
			return y < 0.02 || y > 0.08 ? -180 : -880;
		return -1000;
	}
	double lumps = sm_lattice_at(&h->lattice, u, 6, 3.1);
	if (sm_ellipsoid_at(&h->skull, u) >= 1)
		return 35 + 15 * lumps;
	double brain = sm_ellipsoid_at(&h->brain, u) + 0.01 * lumps;
	if (brain >= 1) {
		*region = SKULL;
		/* Two tables of dense bone with the marrow between. */
		double deep = fabs(brain - 1.045) / 0.045;
		return 1050 + 450 * (deep > 1 ? 1 : deep) + 60 * lumps;
	}
	for (int side = 0; side < 2; side++)
		if (sm_ellipsoid_at(&h->ventricle[side], u) < 1) {
			*region = VENTRICLE;
			return 5;
		}
	*region = BRAIN;
	double grey = sm_soft_step(brain - 0.86 - 0.06 * lumps, 0.03);
	return 30 + 8 * grey + sm_lattice_at(&h->lattice, u, 12, 17.9);
}

static void draw_head(struct head *h)
{
	static const double zero[3] = {0, 0, 0};
	struct sm_rng rng;
	double semi[3];
	sm_rng_init(&rng, h->p->seed, "phantom.head", h->key, 0, 0);
	sm_lattice_draw(&h->lattice, &rng);
	for (int a = 0; a < 3; a++) {
		h->half[a] = 0.5 * (double)h->p->size[a] * h->p->spacing[a] * head_share[a];
		semi[a] = sm_uniform(&rng, 0.97, 1.03);
	}
	struct sm_ellipsoid *shells[] = {&h->skin, &h->skull, &h->brain};
	static const double share[] = {1.07, 1, 0.92};
	for (int s = 0; s < 3; s++) {
		double v[3] = {semi[0] * share[s], semi[1] * share[s], semi[2] * share[s]};
		sm_ellipsoid_set(shells[s], zero, v, NULL);
	}
	for (int side = 0; side < 2; side++) {
		double centre[3] = {side ? -0.12 : 0.12, sm_uniform(&rng, -0.03, 0.03), 0.12};
		double v[3] = {0.07, sm_uniform(&rng, 0.3, 0.38), 0.13};
		sm_ellipsoid_set(&h->ventricle[side], centre, v, NULL);
	}
}

/* Where the slices lie: centred on the head, along z also when the gantry is tilted. */
static void place_slices(struct head *h)
{
	const struct sm_phantom *p = h->p;
	bool tilt = p->defect == SM_DEFECT_TILT, uneven = p->defect == SM_DEFECT_UNEVEN;
	double half_x = 0.5 * (double)(p->size[0] - 1) * p->spacing[0];
	double half_y = 0.5 * (double)(p->size[1] - 1) * p->spacing[1];
	double z = -0.5 * (double)(p->size[2] - 1) * p->spacing[2];
	for (size_t k = 0; k < h->slices; k++) {
		if (k)
			z += p->spacing[2] * (uneven && k > h->slices / 2 ? 2 : 1);
		h->at[k][0] = -half_x;
		h->at[k][1] = -half_y * (tilt ? TILT_COS : 1);
		h->at[k][2] = z - half_y * (tilt ? TILT_SIN : 0);
	}
}

/* HU at a pixel of slice k, without noise, as hu_at; *region counts from the first tissue but
 * air. */
static double hu_of_anatomy(const struct head *h, const struct sm_head_slice *slice, double x,
			    double y, size_t *region)
{
	struct sm_head_point at;
	sm_head_at(h->anatomy, slice, x, y, &at);
	*region = at.tissue == SM_AIR ? COUNTS : (size_t)at.tissue - 1;
	return sm_head_hu(h->anatomy, &at);
}

static double hu_of_plain(const struct head *h, const double mm[3], size_t *region)
{
	const double u[3] = {mm[0] / h->half[0], mm[1] / h->half[1], mm[2] / h->half[2]};
	enum region r;
	double hu = hu_at(h, u, &r);
	*region = r == REGIONS ? COUNTS : (size_t)r;
	return hu;
}

static void draw_slice(const struct head *h, size_t k, uint64_t series, uint16_t *pixels,
		       int64_t counts[COUNTS])
{
	const struct sm_phantom *p = h->p;
	bool tilt = p->defect == SM_DEFECT_TILT;
	struct sm_rng rng;
	struct sm_head_slice slice;
	sm_rng_init(&rng, p->seed, "phantom.noise.ct", h->key, series, k);
	if (h->anatomy)
		sm_head_slice(h->anatomy, h->at[k][2], &slice);
	for (int64_t y = 0; y < p->size[1]; y++)
		for (int64_t x = 0; x < p->size[0]; x++) {
			double down = (double)y * p->spacing[1];
			const double mm[3] = {
				h->at[k][0] + (double)x * p->spacing[0],
				h->at[k][1] + down * (tilt ? TILT_COS : 1),
				h->at[k][2] + down * (tilt ? TILT_SIN : 0),
			};
			size_t region;
			double hu = h->anatomy ? hu_of_anatomy(h, &slice, mm[0], mm[1], &region)
					       : hu_of_plain(h, mm, &region);
			hu += 100 * p->noise * sm_rng_normal(&rng);
			double stored = floor(hu + 1024.5);
			if (region < COUNTS)
				counts[region]++;
			*pixels++ = (uint16_t)(stored < 0 ? 0 : stored > 4095 ? 4095 : stored);
		}
}

static void uid_of(const struct head *h, const char *what, size_t series, size_t number,
		   char uid[65])
{
	char name[160];
	snprintf(name, sizeof name, "scanmill phantom|%llu|%s|%d|%s|%zu|%zu",
		 (unsigned long long)h->p->seed, h->key, (int)h->p->defect, what, series, number);
	sm_dcm_uid(name, uid);
}

static void put_frame(struct sm_dcm *d, const struct head *h, size_t k, size_t series,
		      size_t number)
{
	const struct sm_phantom *p = h->p;
	bool tilt = p->defect == SM_DEFECT_TILT;
	double thickness = p->spacing[2], angle = tilt ? TILT_DEGREES : 0, kvp = 120;
	double centre = 40, width = 80, slope = 1, intercept = -1024;
	struct sm_phantom_place place = {
		.series_number = (int64_t)series + 1,
		.number = (int64_t)number + 1,
		.at = {h->at[k][0], h->at[k][1], h->at[k][2]},
		.rows = {1, 0, 0, 0, tilt ? TILT_COS : 1, tilt ? TILT_SIN : 0},
	};
	uid_of(h, "study", 0, 0, place.study);
	uid_of(h, "series", series, 0, place.series);
	uid_of(h, "frame", 0, 0, place.frame);
	sm_dcm_numbers(d, SM_DCM_TAG(0x18, 0x50), &thickness, 1);
	sm_dcm_numbers(d, SM_DCM_TAG(0x18, 0x60), &kvp, 1);
	sm_dcm_numbers(d, SM_DCM_TAG(0x18, 0x1120), &angle, 1);
	sm_dcm_text(d, SM_DCM_TAG(0x18, 0x1210), "SH", series ? "BONE" : "STANDARD");
	sm_dcm_text(d, SM_DCM_TAG(0x18, 0x5100), "CS", "HFS");
	sm_phantom_put_place(d, p, &place);
	sm_dcm_u16(d, SM_DCM_TAG(0x28, 0x100), 16);
	sm_dcm_u16(d, SM_DCM_TAG(0x28, 0x101), 12);
	sm_dcm_u16(d, SM_DCM_TAG(0x28, 0x102), 11);
	sm_dcm_u16(d, SM_DCM_TAG(0x28, 0x103), 0);
	sm_dcm_numbers(d, SM_DCM_TAG(0x28, 0x1050), &centre, 1);
	sm_dcm_numbers(d, SM_DCM_TAG(0x28, 0x1051), &width, 1);
	sm_dcm_numbers(d, SM_DCM_TAG(0x28, 0x1052), &intercept, 1);
	sm_dcm_numbers(d, SM_DCM_TAG(0x28, 0x1053), &slope, 1);
	sm_dcm_text(d, SM_DCM_TAG(0x28, 0x1054), "LO", "HU");
}

/* File i: the grid's slices first, then what the defect adds. */
static enum sm_status write_slice(void *ctx, size_t i, struct sm_err *err)
{
	struct head *h = ctx;
	const struct sm_phantom *p = h->p;
	size_t k = i, series = 0, n = (size_t)(p->size[0] * p->size[1]);
	int64_t spare[COUNTS] = {0};
	struct sm_dcm d = {0};
	enum sm_status st = SM_OK;
	char instance[65], name[24], *path = NULL;
	if (p->defect == SM_DEFECT_GAP && i == h->slices / 2)
		return SM_OK;
	if (i >= h->slices) {
		k = p->defect == SM_DEFECT_DUPLICATE ? h->slices / 2 : i - h->slices;
		series = p->defect == SM_DEFECT_TWO_SERIES;
	}
	uint16_t *pixels = sm_alloc(p->mem, n, sizeof *pixels, h->key, err);
	if (!pixels)
		return SM_BUDGET;
	snprintf(name, sizeof name, "IM%05zu.dcm", h->name_of[i] + 1);
	path = sm_strf("%s/%s/%s", h->dir, h->key, name);
	if (!path) {
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", h->key);
		goto out;
	}
	draw_slice(h, k, series, pixels, i < h->slices ? h->counts[k] : spare);
	uid_of(h, "instance", series, i, instance);
	sm_phantom_put_identity(&d, &(struct sm_phantom_identity){
					    .key = h->key,
					    .class_uid = CT_CLASS,
					    .instance = instance,
					    .modality = "CT",
					    .image_type = "ORIGINAL\\PRIMARY\\AXIAL",
					    .study_day = "",
					    .study_clock = "",
				    });
	put_frame(&d, h, k, series, i < h->slices || series ? k : i);
	sm_dcm_words(&d, SM_DCM_TAG(0x7fe0, 0x10), pixels, n);
	st = sm_dcm_write(&d, path, CT_CLASS, instance, err);
out:
	sm_dcm_clear(&d);
	sm_free(pixels);
	free(path);
	return st;
}

static json_t *head_facts(const struct head *h)
{
	static const char *const names[REGIONS] = {"skull", "brain", "ventricles"};
	const struct sm_phantom *p = h->p;
	int64_t total[COUNTS] = {0};
	/* With uneven or tilted slices a voxel has no such volume. */
	bool whole = p->defect != SM_DEFECT_UNEVEN && p->defect != SM_DEFECT_TILT;
	double voxel = p->spacing[0] * p->spacing[1] * p->spacing[2];
	for (size_t k = 0; k < h->slices; k++)
		for (int r = 0; r < COUNTS; r++)
			total[r] += h->counts[k][r];
	json_t *facts = json_object();
	json_object_set_new(facts, "key", json_string(h->key));
	json_object_set_new(facts, "modality", json_string("CT"));
	sm_phantom_put_regions(facts, h->anatomy ? sm_tissue_names : names, total,
			       h->anatomy ? COUNTS : REGIONS, whole ? voxel : 0);
	return facts;
}

struct heads {
	const struct sm_phantom *p;
	const char *dir;
	json_t *facts;
	bool vary;
};

static enum sm_status draw_anatomy(struct head *h, size_t number, struct sm_err *err)
{
	const struct sm_phantom *p = h->p;
	const double extent[3] = {(double)p->size[0] * p->spacing[0],
				  (double)p->size[1] * p->spacing[1],
				  (double)p->size[2] * p->spacing[2]};
	struct sm_head *anatomy = sm_alloc(p->mem, 1, sizeof *anatomy, "phantom", err);
	if (!anatomy)
		return SM_BUDGET;
	sm_head_draw(anatomy, p->seed, "CT", number, h->key, extent);
	h->anatomy = anatomy;
	return SM_OK;
}

static enum sm_status make_head(struct heads *all, size_t i, struct sm_err *err)
{
	const struct sm_phantom *p = all->p;
	char key[24];
	struct sm_rng rng;
	enum sm_status st = SM_BUDGET;
	struct head *h = sm_calloc(p->mem, 1, sizeof *h, "phantom", err);
	if (!h)
		return SM_BUDGET;
	snprintf(key, sizeof key, "CT_%03zu", i + 1);
	h->p = p;
	h->dir = all->dir;
	h->key = key;
	h->slices = (size_t)p->size[2];
	h->extra = p->defect == SM_DEFECT_DUPLICATE    ? 1
		   : p->defect == SM_DEFECT_TWO_SERIES ? (h->slices + 1) / 2
						       : 0;
	h->at = sm_calloc(p->mem, h->slices, sizeof *h->at, "phantom", err);
	h->counts = sm_calloc(p->mem, h->slices, sizeof *h->counts, "phantom", err);
	h->name_of = sm_calloc(p->mem, h->slices + h->extra, sizeof *h->name_of, "phantom", err);
	if (!h->at || !h->counts || !h->name_of)
		goto out;
	SM_GOTO(st, sm_phantom_folder(all->dir, key, err));
	if (all->vary)
		SM_GOTO(st, draw_anatomy(h, i, err));
	else
		draw_head(h);
	place_slices(h);
	sm_rng_init(&rng, p->seed, "phantom.order", key, 0, 0);
	sm_rng_permutation(&rng, h->name_of, h->slices + h->extra);
	SM_GOTO(st, sm_par_for(h->slices + h->extra, p->jobs, write_slice, h, err));
	json_array_append_new(all->facts, head_facts(h));
	sm_info(p->log, key, "written");
out:
	sm_free(h->at);
	sm_free(h->counts);
	sm_free(h->name_of);
	sm_free((void *)(uintptr_t)h->anatomy);
	sm_free(h);
	return st;
}

static enum sm_status make_heads(struct heads *all, json_t **facts, struct sm_err *err)
{
	*facts = NULL;
	all->facts = json_array();
	for (size_t i = 0; i < (size_t)all->p->cases; i++) {
		enum sm_status st = make_head(all, i, err);
		if (st != SM_OK) {
			json_decref(all->facts);
			return st;
		}
	}
	*facts = all->facts;
	return SM_OK;
}

enum sm_status sm_phantom_ct(const struct sm_phantom *p, const char *dir, json_t **facts,
			     struct sm_err *err)
{
	struct heads all = {.p = p, .dir = dir};
	return make_heads(&all, facts, err);
}

enum sm_status sm_phantom_ct_stack(const struct sm_phantom *p, const char *dir, json_t **facts,
				   struct sm_err *err)
{
	struct heads all = {.p = p, .dir = dir, .vary = true};
	return make_heads(&all, facts, err);
}
