/* SPDX-License-Identifier: Apache-2.0
 *
 * BraTS-like cases. Places inside the head are given in head units: the brain is about the unit
 * ball, whatever the grid, so a small grid holds the same anatomy with larger voxels.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/field.h"
#include "core/ledger.h"
#include "core/nii.h"
#include "core/par.h"
#include "ingest/phantom/phantom.h"
#include "ingest/phantom/phantom_shape.h"

/* Semi-axes of the brain as shares of the grid's half extent: those of a skull-stripped head in
 * BraTS's 240 x 240 x 155 mm. */
static const double head_share[3] = {0.56, 0.69, 0.81};

enum tissue { CSF, GREY, WHITE, OEDEMA, NECROSIS, RIM, TISSUES };

#define MODALITIES 4
static const struct modality {
	const char *name;
	double white;             /* typical white-matter value in files */
	double contrast[TISSUES]; /* relative to white matter, in the order of enum tissue */
} modalities[MODALITIES] = {
	{"flair", 260, {0.35, 1.25, 1, 1.95, 0.95, 1.60}},
	{"t1", 420, {0.30, 0.70, 1, 0.74, 0.48, 0.70}},
	{"t1ce", 480, {0.32, 0.72, 1, 0.76, 0.45, 1.70}},
	{"t2", 300, {2.30, 1.35, 1, 1.95, 1.80, 1.50}},
};

enum region { BRAIN, NCR, ED, ET, REGIONS };

/* One case: its shapes, its scanner, its volumes. */
struct brain {
	const struct sm_phantom *p;
	const char *key;
	bool empty_et;
	struct sm_lattice lattice;
	struct sm_smooth warp[3], bias[MODALITIES];
	struct sm_ellipsoid ventricle[2], deep[2];
	struct sm_ellipsoid whole, core, inner; /* nested: oedema, rim, necrosis */
	double soft;             /* half width of the tumour's soft edges, in units of the shape */
	double gain[MODALITIES]; /* value of white matter */
	double level[MODALITIES][TISSUES];
	double half[3]; /* head unit in voxels */
	struct sm_vol image[MODALITIES], seg;
	int64_t (*counts)[REGIONS]; /* by slice */
};

/* What one voxel holds. */
struct place {
	uint8_t label;
	double share[TISSUES];
	double texture;
};

static void draw_tumour(struct brain *b, struct sm_rng *rng)
{
	double q[4], centre[3], semi[3], core_semi[3], inner_semi[3], away[4], longest = 0;
	double size = sm_uniform(rng, 0.32, 0.5);
	for (int a = 0; a < 3; a++) {
		semi[a] = size * sm_uniform(rng, 0.82, 1.2);
		longest = semi[a] > longest ? semi[a] : longest;
	}
	sm_quaternion_draw(q, rng);
	sm_quaternion_draw(away, rng);
	/* The first three numbers of a uniform quaternion have a uniform direction. */
	double n = sqrt(away[0] * away[0] + away[1] * away[1] + away[2] * away[2]);
	double far = sm_uniform(rng, 0.2, longest < 0.45 ? 0.98 - longest : 0.53);
	for (int a = 0; a < 3; a++)
		centre[a] = n > 0 ? far * away[a] / n : 0;
	sm_ellipsoid_set(&b->whole, centre, semi, q);
	double core_share = sm_uniform(rng, 0.55, 0.75), inner_share = sm_uniform(rng, 0.5, 0.75);
	for (int a = 0; a < 3; a++) {
		core_semi[a] = semi[a] * core_share;
		inner_semi[a] = core_semi[a] * inner_share;
		centre[a] += sm_uniform(rng, -0.12, 0.12) * size;
	}
	sm_ellipsoid_set(&b->core, centre, core_semi, q);
	for (int a = 0; a < 3; a++)
		centre[a] += sm_uniform(rng, -0.05, 0.05) * size;
	sm_ellipsoid_set(&b->inner, centre, inner_semi, q);
	double voxels = size * sqrt(sqrt(b->half[0] * b->half[1]) * b->half[2]);
	b->soft = 0.5 / (voxels > 1 ? voxels : 1);
}

static void draw_head(struct brain *b, struct sm_rng *rng)
{
	sm_lattice_draw(&b->lattice, rng);
	for (int a = 0; a < 3; a++)
		sm_smooth_draw(&b->warp[a], rng);
	for (int side = 0; side < 2; side++) {
		double sign = side ? -1 : 1;
		double ventricle[3] = {sign * sm_uniform(rng, 0.11, 0.14),
				       sm_uniform(rng, -0.05, 0.05), sm_uniform(rng, 0.08, 0.16)};
		double ventricle_semi[3] = {0.07, sm_uniform(rng, 0.32, 0.4), 0.12};
		double deep[3] = {sign * 0.2, 0.04, -0.08}, deep_semi[3] = {0.13, 0.24, 0.17};
		sm_ellipsoid_set(&b->ventricle[side], ventricle, ventricle_semi, NULL);
		sm_ellipsoid_set(&b->deep[side], deep, deep_semi, NULL);
	}
	for (int m = 0; m < MODALITIES; m++) {
		b->gain[m] = modalities[m].white * sm_uniform(rng, 0.7, 1.4);
		for (int t = 0; t < TISSUES; t++)
			b->level[m][t] = modalities[m].contrast[t] * sm_uniform(rng, 0.95, 1.05);
		sm_smooth_draw(&b->bias[m], rng);
	}
}

static double larger(double a, double b)
{
	return a > b ? a : b;
}

/* Shares of the healthy tissues at u; r is the distance from the centre in brain radii. */
static void healthy(const struct brain *b, const double u[3], double r, struct place *at)
{
	double folds = sm_lattice_at(&b->lattice, u, 8, 3.1);
	double cortex = sm_soft_step(r - 0.84 - 0.11 * folds, 0.03);
	double sulci = sm_soft_step(r - 0.91, 0.03) *
		       sm_soft_step(sm_lattice_at(&b->lattice, u, 6, 7.7) - 0.3, 0.15);
	double ventricle = 0, deep = 0;
	for (int side = 0; side < 2; side++) {
		ventricle = larger(ventricle,
				   sm_soft_step(1 - sm_ellipsoid_at(&b->ventricle[side], u), 0.12));
		deep = larger(deep, sm_soft_step(1 - sm_ellipsoid_at(&b->deep[side], u), 0.1));
	}
	double csf = larger(sulci, ventricle);
	double grey = (1 - csf) * larger(cortex, deep);
	at->share[CSF] = csf;
	at->share[GREY] = grey;
	at->share[WHITE] = 1 - csf - grey;
}

/* Lays a tissue over what is there with weight w. */
static void cover(struct place *at, enum tissue tissue, double w)
{
	for (int t = 0; t < TISSUES; t++)
		at->share[t] *= 1 - w;
	at->share[tissue] += w;
}

static void tumour(const struct brain *b, const double u[3], struct place *at)
{
	double whole = sm_ellipsoid_at(&b->whole, u);
	if (whole > 1.5)
		return;
	whole += 0.15 * sm_lattice_at(&b->lattice, u, 3.5, 11.3);
	double core = sm_ellipsoid_at(&b->core, u) + 0.18 * sm_lattice_at(&b->lattice, u, 5, 17.9);
	double inner =
		sm_ellipsoid_at(&b->inner, u) + 0.18 * sm_lattice_at(&b->lattice, u, 6, 23.5);
	/* Nested by construction: the core ends where the oedema does, the necrosis within it. */
	core = larger(core, whole);
	inner = larger(inner, core);
	/* A core without enhancing rim is necrosis throughout. */
	cover(at, OEDEMA, sm_soft_step(1 - whole, b->soft));
	if (!b->empty_et)
		cover(at, RIM, sm_soft_step(1 - core, b->soft));
	cover(at, NECROSIS, sm_soft_step(1 - (b->empty_et ? core : inner), b->soft));
	if (whole < 1)
		at->label = core >= 1 ? 2 : b->empty_et || inner < 1 ? 1 : 4;
}

/* False when the voxel lies outside the brain. */
static bool look(const struct brain *b, const double u[3], struct place *at)
{
	double r2 = u[0] * u[0] + u[1] * u[1] + u[2] * u[2], w[3], n = 0;
	if (r2 > 1.5)
		return false;
	for (int a = 0; a < 3; a++) {
		w[a] = u[a] + 0.12 * sm_smooth_at(&b->warp[a], u);
		n += w[a] * w[a];
	}
	double r = sqrt(n) + 0.03 * sm_lattice_at(&b->lattice, u, 2.5, 29.1);
	if (r >= 1)
		return false;
	*at = (struct place){0};
	at->texture = 1 + 0.04 * sm_lattice_at(&b->lattice, u, 7, 37.3);
	healthy(b, w, r, at);
	tumour(b, u, at);
	return true;
}

static int16_t signal(const struct brain *b, int m, const struct place *at, const double u[3],
		      struct sm_rng *rng)
{
	double s = 0, n1 = b->p->noise * sm_rng_normal(rng), n2 = b->p->noise * sm_rng_normal(rng);
	for (int t = 0; t < TISSUES; t++)
		s += at->share[t] * b->level[m][t];
	s *= at->texture * (1 + b->p->bias * sm_smooth_at(&b->bias[m], u));
	/* Rician: the length of a complex signal with noise in both parts. */
	double v = floor(b->gain[m] * sqrt((s + n1) * (s + n1) + n2 * n2) + 0.5);
	return (int16_t)(v < 1 ? 1 : v > 32767 ? 32767 : v);
}

static void fill_row(struct brain *b, int64_t y, int64_t z)
{
	struct sm_rng rng[MODALITIES];
	const int64_t *n = b->p->size;
	uint64_t row = (uint64_t)(z * n[1] + y);
	int64_t *counts = b->counts[z];
	for (int m = 0; m < MODALITIES; m++) {
		char purpose[40];
		snprintf(purpose, sizeof purpose, "phantom.noise.%s", modalities[m].name);
		sm_rng_init(&rng[m], b->p->seed, purpose, b->key, 0, row);
	}
	for (int64_t x = 0; x < n[0]; x++) {
		const int64_t voxel[3] = {x, y, z};
		size_t i = (size_t)row * (size_t)n[0] + (size_t)x;
		struct place at;
		double u[3];
		for (int a = 0; a < 3; a++)
			u[a] = ((double)voxel[a] - 0.5 * (double)(n[a] - 1)) / b->half[a];
		if (!look(b, u, &at))
			continue;
		counts[BRAIN]++;
		counts[NCR] += at.label == 1;
		counts[ED] += at.label == 2;
		counts[ET] += at.label == 4;
		((uint8_t *)b->seg.data)[i] = at.label;
		for (int m = 0; m < MODALITIES; m++)
			((int16_t *)b->image[m].data)[i] = signal(b, m, &at, u, &rng[m]);
	}
}

static enum sm_status fill_slice(void *ctx, size_t z, struct sm_err *err)
{
	struct brain *b = ctx;
	(void)err;
	for (int64_t y = 0; y < b->p->size[1]; y++)
		fill_row(b, y, (int64_t)z);
	return SM_OK;
}

static enum sm_status init_volume(struct brain *b, struct sm_vol *vol, enum sm_dtype dtype,
				  struct sm_err *err)
{
	const struct sm_phantom *p = b->p;
	const int64_t dim[4] = {p->size[0], p->size[1], p->size[2], 1};
	SM_TRY(sm_vol_init(vol, dim, dtype, p->mem, b->key, err));
	memset(vol->data, 0, sm_vol_count(vol) * sm_dtype_size(dtype));
	/* BraTS's own placement: x to the left, y to the back, the last row at y = 0. */
	vol->affine[0][0] = -p->spacing[0];
	vol->affine[1][1] = -p->spacing[1];
	vol->affine[1][3] = (double)(p->size[1] - 1) * p->spacing[1];
	vol->affine[2][2] = p->spacing[2];
	return SM_OK;
}

static enum sm_status init_brain(struct brain *b, struct sm_err *err)
{
	struct sm_rng rng;
	for (int a = 0; a < 3; a++)
		b->half[a] = 0.5 * (double)b->p->size[a] * head_share[a];
	sm_rng_init(&rng, b->p->seed, "phantom.head", b->key, 0, 0);
	draw_head(b, &rng);
	sm_rng_init(&rng, b->p->seed, "phantom.tumour", b->key, 0, 0);
	draw_tumour(b, &rng);
	for (int m = 0; m < MODALITIES; m++)
		SM_TRY(init_volume(b, &b->image[m], SM_I16, err));
	SM_TRY(init_volume(b, &b->seg, SM_U8, err));
	b->seg.meaning = SM_MEANING_LABEL;
	b->counts = sm_calloc(b->p->mem, (size_t)b->p->size[2], sizeof *b->counts, b->key, err);
	return b->counts ? SM_OK : SM_BUDGET;
}

struct files {
	struct brain *brain;
	const char *dir;
};

static enum sm_status write_file(void *ctx, size_t i, struct sm_err *err)
{
	struct files *f = ctx;
	struct brain *b = f->brain;
	const char *role = i < MODALITIES ? modalities[i].name : "seg";
	char *path = sm_strf("%s/%s/%s_%s.nii.gz", f->dir, b->key, b->key, role);
	if (!path)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", b->key);
	enum sm_status st =
		sm_nii_write(path, i < MODALITIES ? &b->image[i] : &b->seg, 6, 1, NULL, err);
	free(path);
	return st;
}

static json_t *region_facts(const int64_t *total, double voxel_mm3, bool volume)
{
	const struct {
		const char *name;
		int64_t count;
	} regions[] = {
		{"brain", total[BRAIN]},
		{"ncr", total[NCR]},
		{"ed", total[ED]},
		{"et", total[ET]},
		{"tc", total[NCR] + total[ET]},
		{"wt", total[NCR] + total[ED] + total[ET]},
	};
	json_t *object = json_object();
	for (size_t i = 0; i < SM_COUNT(regions); i++)
		json_object_set_new(object, regions[i].name,
				    volume ? json_real((double)regions[i].count * voxel_mm3)
					   : json_integer(regions[i].count));
	return object;
}

static json_t *case_facts(const struct brain *b)
{
	int64_t total[REGIONS] = {0};
	const double *s = b->p->spacing;
	double centre[3], semi[3];
	for (int64_t z = 0; z < b->p->size[2]; z++)
		for (int r = 0; r < REGIONS; r++)
			total[r] += b->counts[z][r];
	for (int a = 0; a < 3; a++) {
		centre[a] = b->whole.centre[a] * b->half[a] + 0.5 * (double)(b->p->size[a] - 1);
		semi[a] = b->whole.semi[a];
	}
	json_t *facts = json_object();
	json_object_set_new(facts, "key", json_string(b->key));
	json_object_set_new(facts, "empty_et", json_boolean(b->empty_et));
	json_object_set_new(facts, "voxels", region_facts(total, 1, false));
	json_object_set_new(facts, "mm3", region_facts(total, s[0] * s[1] * s[2], true));
	json_object_set_new(facts, "tumour_centre_voxel", sm_json_floats(centre, 3));
	json_object_set_new(facts, "tumour_semi_axes_head_units", sm_json_floats(semi, 3));
	return facts;
}

struct cohort {
	const struct sm_phantom *p;
	const char *dir;
	bool *empty;
	json_t **facts;
	int inner_jobs;
};

static enum sm_status make_case(void *ctx, size_t i, struct sm_err *err)
{
	struct cohort *c = ctx;
	char key[40];
	enum sm_status st = SM_BUDGET;
	struct brain *b = sm_calloc(c->p->mem, 1, sizeof *b, "phantom", err);
	char *folder = NULL;
	snprintf(key, sizeof key, "BraTS20_Training_%03zu", i + 1);
	if (!b)
		goto out;
	b->p = c->p;
	b->key = key;
	b->empty_et = c->empty[i];
	folder = sm_path_join(c->dir, key);
	if (!folder) {
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", key);
		goto out;
	}
	SM_GOTO(st, sm_mkdirs(folder, err));
	SM_GOTO(st, init_brain(b, err));
	SM_GOTO(st, sm_par_for((size_t)c->p->size[2], c->inner_jobs, fill_slice, b, err));
	struct files files = {.brain = b, .dir = c->dir};
	SM_GOTO(st, sm_par_for(MODALITIES + 1, c->inner_jobs, write_file, &files, err));
	c->facts[i] = case_facts(b);
	sm_info(c->p->log, key, "written");
out:
	if (b) {
		for (int m = 0; m < MODALITIES; m++)
			sm_vol_clear(&b->image[m]);
		sm_vol_clear(&b->seg);
		sm_free(b->counts);
		sm_free(b);
	}
	free(folder);
	return st;
}

/* Which cases lack the rim: exactly the share of them, by largest remainder, at random places. */
static enum sm_status draw_empty(const struct sm_phantom *p, bool *empty, struct sm_err *err)
{
	struct sm_rng rng;
	size_t n = (size_t)p->cases, wanted = (size_t)floor(p->empty_et * (double)p->cases + 0.5);
	size_t *order = sm_alloc(p->mem, n, sizeof *order, "phantom", err);
	if (!order)
		return SM_BUDGET;
	sm_rng_init(&rng, p->seed, "phantom.empty", "", 0, 0);
	sm_rng_permutation(&rng, order, n);
	for (size_t i = 0; i < n; i++)
		empty[order[i]] = i < wanted;
	sm_free(order);
	return SM_OK;
}

enum sm_status sm_phantom_brats(const struct sm_phantom *p, const char *dir, json_t **facts,
				struct sm_err *err)
{
	size_t n = (size_t)p->cases;
	int outer = p->cases < p->jobs ? (int)p->cases : p->jobs;
	struct cohort c = {.p = p, .dir = dir, .inner_jobs = p->jobs / outer};
	enum sm_status st = SM_BUDGET;
	*facts = NULL;
	c.empty = sm_calloc(p->mem, n, sizeof *c.empty, "phantom", err);
	c.facts = sm_calloc(p->mem, n, sizeof *c.facts, "phantom", err);
	if (!c.empty || !c.facts)
		goto out;
	SM_GOTO(st, draw_empty(p, c.empty, err));
	SM_GOTO(st, sm_par_for(n, outer, make_case, &c, err));
	*facts = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append(*facts, c.facts[i]);
out:
	for (size_t i = 0; c.facts && i < n; i++)
		json_decref(c.facts[i]);
	sm_free(c.facts);
	sm_free(c.empty);
	return st;
}
