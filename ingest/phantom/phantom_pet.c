/* SPDX-License-Identifier: Apache-2.0
 *
 * A dynamic PET as DICOM: every number of the header and of the picture is known in closed form.
 * The scan crosses midnight, every slice has its own slope, and no noise is added.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/par.h"
#include "ingest/phantom/phantom_dicom.h"
#include "ingest/phantom/phantom_frames.h"
#include "ingest/phantom/phantom_shape.h"

#define PET_CLASS "1.2.840.10008.5.1.4.1.1.128"

enum region { BODY, LESION, REGIONS };

struct scan {
	const struct sm_phantom *p;
	const char *dir, *key;
	struct sm_ellipsoid body, lesion;
	size_t *name_of;            /* file number of each file: time points, then slices */
	int64_t (*counts)[REGIONS]; /* of each slice of the first frame */
};

/* Multiples of 1/8, so that slope * stored is exact in float32. */
static double slope_of(size_t t, size_t z)
{
	return 0.75 + 0.125 * (double)((3 * z + 5 * t) % 16);
}

static void draw_slice(const struct scan *s, size_t t, size_t z, uint16_t *pixels, int64_t *counts)
{
	const struct sm_phantom *p = s->p;
	double slope = slope_of(t, z);
	struct sm_frame f;
	sm_frame_at(t, &f);
	for (int64_t y = 0; y < p->size[1]; y++)
		for (int64_t x = 0; x < p->size[0]; x++) {
			double u[3] = {
				(2.0 * (double)x + 1) / (double)p->size[0] - 1,
				(2.0 * (double)y + 1) / (double)p->size[1] - 1,
				(2.0 * (double)z + 1) / (double)p->size[2] - 1,
			};
			double activity = 0;
			if (sm_ellipsoid_at(&s->lesion, u) < 1) {
				activity = f.lesion;
				counts[LESION]++;
			} else if (sm_ellipsoid_at(&s->body, u) < 1) {
				activity = f.body;
				counts[BODY]++;
			}
			*pixels++ = (uint16_t)(int64_t)(activity / slope + 0.5);
		}
}

static void uid_of(const struct scan *s, const char *what, size_t number, char uid[65])
{
	char name[160];
	snprintf(name, sizeof name, "scanmill phantom pet|%llu|%s|%s|%zu",
		 (unsigned long long)s->p->seed, s->key, what, number);
	sm_dcm_uid(name, uid);
}

static void put_identity(struct sm_dcm *d, const struct scan *s, size_t t, const char *instance)
{
	struct sm_frame first, f;
	sm_frame_at(0, &first);
	sm_frame_at(t, &f);
	sm_phantom_put_identity(d, &(struct sm_phantom_identity){
					   .key = s->key,
					   .class_uid = PET_CLASS,
					   .instance = instance,
					   .modality = "PT",
					   .image_type = "ORIGINAL\\PRIMARY",
					   .study_day = first.day,
					   .series_day = first.day,
					   .acquisition_day = f.day,
					   .study_clock = "235000.000",
					   .series_clock = first.clock,
					   .acquisition_clock = f.clock,
				   });
	sm_dcm_text(d, SM_DCM_TAG(0x10, 0x1030), "DS", "70");
}

static void put_picture(struct sm_dcm *d, const struct scan *s, size_t t, size_t z)
{
	const struct sm_phantom *p = s->p;
	double slope = slope_of(t, z), intercept = 0;
	struct sm_phantom_place place = {
		.series_number = 1,
		.number = (int64_t)t * p->size[2] + (int64_t)z + 1,
		.rows = {1, 0, 0, 0, 1, 0},
	};
	for (int a = 0; a < 3; a++)
		place.at[a] =
			((a == 2 ? (double)z : 0) - 0.5 * (double)(p->size[a] - 1)) * p->spacing[a];
	uid_of(s, "study", 0, place.study);
	uid_of(s, "series", 0, place.series);
	uid_of(s, "frame", 0, place.frame);
	sm_phantom_put_place(d, p, &place);
	sm_dcm_text(d, SM_DCM_TAG(0x28, 0x51), "CS", "DECY\\ATTN\\SCAT\\DTIM\\RAN\\NORM");
	sm_dcm_u16(d, SM_DCM_TAG(0x28, 0x100), 16);
	sm_dcm_u16(d, SM_DCM_TAG(0x28, 0x101), 16);
	sm_dcm_u16(d, SM_DCM_TAG(0x28, 0x102), 15);
	sm_dcm_u16(d, SM_DCM_TAG(0x28, 0x103), 1);
	sm_dcm_numbers(d, SM_DCM_TAG(0x28, 0x1052), &intercept, 1);
	sm_dcm_numbers(d, SM_DCM_TAG(0x28, 0x1053), &slope, 1);
}

/* Injection ten seconds before the scan, told by its time of day alone. */
static void put_tracer(struct sm_dcm *d)
{
	struct sm_dcm item = {0}, nuclide = {0}, tracer = {0};
	sm_dcm_text(&nuclide, SM_DCM_TAG(0x08, 0x100), "SH", "C-111A1");
	sm_dcm_text(&nuclide, SM_DCM_TAG(0x08, 0x102), "SH", "SRT");
	sm_dcm_text(&nuclide, SM_DCM_TAG(0x08, 0x104), "LO", "^18^Fluorine");
	sm_dcm_text(&tracer, SM_DCM_TAG(0x08, 0x100), "SH", "C-B1031");
	sm_dcm_text(&tracer, SM_DCM_TAG(0x08, 0x102), "SH", "SRT");
	sm_dcm_text(&tracer, SM_DCM_TAG(0x08, 0x104), "LO", "Fluorodeoxyglucose F^18^");
	sm_dcm_text(&item, SM_DCM_TAG(0x18, 0x1072), "TM", "235850.000");
	sm_dcm_text(&item, SM_DCM_TAG(0x18, 0x1074), "DS", "350000000");
	sm_dcm_text(&item, SM_DCM_TAG(0x18, 0x1075), "DS", "6586.2");
	sm_dcm_text(&item, SM_DCM_TAG(0x18, 0x1076), "DS", "0.97");
	sm_dcm_sequence(&item, SM_DCM_TAG(0x54, 0x300), &nuclide, 1);
	sm_dcm_sequence(&item, SM_DCM_TAG(0x54, 0x304), &tracer, 1);
	sm_dcm_sequence(d, SM_DCM_TAG(0x54, 0x16), &item, 1);
	sm_dcm_clear(&item);
	sm_dcm_clear(&nuclide);
	sm_dcm_clear(&tracer);
}

static void put_pet(struct sm_dcm *d, const struct scan *s, size_t t, size_t z)
{
	struct sm_frame f;
	sm_frame_at(t, &f);
	put_tracer(d);
	sm_dcm_u16(d, SM_DCM_TAG(0x54, 0x81), (uint16_t)s->p->size[2]);
	sm_dcm_u16(d, SM_DCM_TAG(0x54, 0x101), (uint16_t)s->p->frames);
	sm_dcm_text(d, SM_DCM_TAG(0x54, 0x1000), "CS", "DYNAMIC\\IMAGE");
	sm_dcm_text(d, SM_DCM_TAG(0x54, 0x1001), "CS", "BQML");
	sm_dcm_text(d, SM_DCM_TAG(0x54, 0x1002), "CS", "EMISSION");
	sm_dcm_text(d, SM_DCM_TAG(0x54, 0x1100), "CS", "DLYD");
	sm_dcm_text(d, SM_DCM_TAG(0x54, 0x1101), "LO", "measured");
	sm_dcm_text(d, SM_DCM_TAG(0x54, 0x1102), "CS", "START");
	sm_dcm_text(d, SM_DCM_TAG(0x54, 0x1103), "LO", "OSEM 3i21s");
	sm_dcm_text(d, SM_DCM_TAG(0x54, 0x1300), "DS", f.reference);
	sm_dcm_text(d, SM_DCM_TAG(0x54, 0x1321), "DS", f.factor);
	sm_dcm_u16(d, SM_DCM_TAG(0x54, 0x1330),
		   (uint16_t)((int64_t)t * s->p->size[2] + (int64_t)z + 1));
}

static enum sm_status write_slice(void *ctx, size_t i, struct sm_err *err)
{
	struct scan *s = ctx;
	const struct sm_phantom *p = s->p;
	size_t depth = (size_t)p->size[2], t = i / depth, z = i % depth;
	size_t n = (size_t)(p->size[0] * p->size[1]);
	int64_t spare[REGIONS] = {0};
	double thickness = p->spacing[2];
	struct sm_dcm d = {0};
	struct sm_frame f;
	enum sm_status st;
	char instance[65], *path = NULL;
	sm_frame_at(t, &f);
	uint16_t *pixels = sm_alloc(p->mem, n, sizeof *pixels, s->key, err);
	if (!pixels)
		return SM_BUDGET;
	path = sm_strf("%s/%s/IM%05zu.dcm", s->dir, s->key, s->name_of[i] + 1);
	if (!path) {
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", s->key);
		goto out;
	}
	draw_slice(s, t, z, pixels, t ? spare : s->counts[z]);
	uid_of(s, "instance", i, instance);
	put_identity(&d, s, t, instance);
	sm_dcm_numbers(&d, SM_DCM_TAG(0x18, 0x50), &thickness, 1);
	sm_dcm_text(&d, SM_DCM_TAG(0x18, 0x1210), "SH", "XYZ Gauss5.00");
	sm_dcm_int(&d, SM_DCM_TAG(0x18, 0x1242), (int64_t)f.duration * 1000);
	sm_dcm_text(&d, SM_DCM_TAG(0x18, 0x5100), "CS", "HFS");
	put_picture(&d, s, t, z);
	put_pet(&d, s, t, z);
	sm_dcm_words(&d, SM_DCM_TAG(0x7fe0, 0x10), pixels, n);
	st = sm_dcm_write(&d, path, PET_CLASS, instance, err);
out:
	sm_dcm_clear(&d);
	sm_free(pixels);
	free(path);
	return st;
}

static json_t *scan_facts(const struct scan *s)
{
	static const char *const names[REGIONS] = {"body", "lesion"};
	const struct sm_phantom *p = s->p;
	double voxel = p->spacing[0] * p->spacing[1] * p->spacing[2];
	json_t *facts = json_object();
	int64_t total[REGIONS] = {0};
	json_object_set_new(facts, "key", json_string(s->key));
	for (int64_t z = 0; z < p->size[2]; z++)
		for (int r = 0; r < REGIONS; r++)
			total[r] += s->counts[z][r];
	sm_phantom_put_regions(facts, names, total, REGIONS, voxel);
	double activity[SM_FRAMES_MAX * REGIONS];
	for (size_t t = 0; t < (size_t)p->frames; t++) {
		struct sm_frame f;
		sm_frame_at(t, &f);
		activity[t * REGIONS + BODY] = f.body;
		activity[t * REGIONS + LESION] = f.lesion;
	}
	/* Stored to half a slope, so the sums over voxels are not exact. */
	sm_phantom_put_frames(facts, (size_t)p->frames, names, REGIONS, activity, NULL);
	return facts;
}

static enum sm_status make_scan(const struct sm_phantom *p, size_t i, const char *dir, json_t *all,
				struct sm_err *err)
{
	static const double zero[3] = {0, 0, 0}, semi[3] = {0.8, 0.7, 0.9};
	char key[24];
	struct sm_rng rng;
	enum sm_status st = SM_BUDGET;
	size_t files = (size_t)p->frames * (size_t)p->size[2];
	struct scan s = {.p = p, .dir = dir, .key = key};
	snprintf(key, sizeof key, "PET_%03zu", i + 1);
	s.counts = sm_calloc(p->mem, (size_t)p->size[2], sizeof *s.counts, "phantom", err);
	s.name_of = sm_calloc(p->mem, files, sizeof *s.name_of, "phantom", err);
	if (!s.counts || !s.name_of)
		goto out;
	SM_GOTO(st, sm_phantom_folder(dir, key, err));
	sm_rng_init(&rng, p->seed, "phantom.pet", key, 0, 0);
	double centre[3], size[3];
	for (int a = 0; a < 3; a++) {
		centre[a] = sm_uniform(&rng, -0.3, 0.3);
		size[a] = sm_uniform(&rng, 0.2, 0.3);
	}
	sm_ellipsoid_set(&s.body, zero, semi, NULL);
	sm_ellipsoid_set(&s.lesion, centre, size, NULL);
	sm_rng_permutation(&rng, s.name_of, files);
	SM_GOTO(st, sm_par_for(files, p->jobs, write_slice, &s, err));
	json_array_append_new(all, scan_facts(&s));
	sm_info(p->log, key, "written");
out:
	sm_free(s.counts);
	sm_free(s.name_of);
	return st;
}

enum sm_status sm_phantom_pet(const struct sm_phantom *p, const char *dir, json_t **facts,
			      struct sm_err *err)
{
	json_t *all = json_array();
	*facts = NULL;
	if (p->size[2] > 65535 / p->frames) {
		json_decref(all);
		return SM_FAIL(err, SM_USAGE,
			       "size: found %lld slices, allowed with kind pet_dynamic are %d",
			       (long long)p->size[2], (int)(65535 / p->frames));
	}
	for (size_t i = 0; i < (size_t)p->cases; i++) {
		enum sm_status st = make_scan(p, i, dir, all, err);
		if (st != SM_OK) {
			json_decref(all);
			return st;
		}
	}
	*facts = all;
	return SM_OK;
}
