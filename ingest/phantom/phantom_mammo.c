/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures like mammograms, each with a drawing: the outlines of the very shapes that the
 * radiograph shows. The chest wall is at the left edge, or for half of the cases at the right one.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/par.h"
#include "core/png.h"
#include "ingest/phantom/phantom_dicom.h"
#include "ingest/phantom/phantom_shape.h"

enum shape { BREAST, PECTORAL, GLAND, MASS, SHAPES };
static const char *const names[SHAPES] = {"breast", "pectoral", "gland", "mass"};
/* Colours of the outlines, the later over the earlier. */
static const uint8_t colour[SHAPES][3] = {{0, 0, 0}, {0, 128, 0}, {0, 0, 255}, {255, 0, 0}};

#define GLANDS 5

struct breast {
	const struct sm_phantom *p;
	struct sm_lattice lattice;
	struct sm_ellipsoid outer, gland[GLANDS], mass;
	int glands;
	bool right;         /* chest wall at the right edge */
	double pectoral[2]; /* its reach along the top and along the wall; 0 = none */
	double wobble;      /* of all outlines */
	uint8_t *inside;    /* a bit a shape, of each pixel */
};

/* A turn by a small angle in the plane, from its tangent. */
static void draw_flat(struct sm_ellipsoid *e, struct sm_rng *rng, const double centre[2],
		      const double semi[2])
{
	double t = sm_uniform(rng, -0.5, 0.5), n = sqrt(1 + t * t);
	const double at[3] = {centre[0], centre[1], 0}, size[3] = {semi[0], semi[1], 1};
	const double q[4] = {1 / n, 0, 0, t / n};
	sm_ellipsoid_set(e, at, size, q);
}

static void draw_breast(struct breast *b, const char *key)
{
	struct sm_rng rng;
	sm_rng_init(&rng, b->p->seed, "phantom.breast", key, 0, 0);
	sm_lattice_draw(&b->lattice, &rng);
	const double wide = sm_uniform(&rng, 0.55, 0.88), high = sm_uniform(&rng, 0.7, 0.93);
	const double middle = sm_uniform(&rng, -0.08, 0.12);
	const double centre[3] = {0, middle, 0}, semi[3] = {wide, high, 1};
	sm_ellipsoid_set(&b->outer, centre, semi, NULL);
	b->right = sm_rng_f64(&rng) < 0.5;
	b->wobble = sm_uniform(&rng, 0.05, 0.12);
	bool muscle = sm_rng_f64(&rng) < 0.6;
	for (int a = 0; a < 2; a++) {
		double reach = a ? sm_uniform(&rng, 0.5, 1.1) : sm_uniform(&rng, 0.15, 0.4);
		b->pectoral[a] = muscle ? reach : 0;
	}
	b->glands = 2 + (int)sm_rng_below(&rng, GLANDS - 1);
	for (int i = 0; i < b->glands; i++) {
		const double at[2] = {wide * sm_uniform(&rng, 0.3, 0.65),
				      middle + high * sm_uniform(&rng, -0.4, 0.5)};
		const double size[2] = {wide * sm_uniform(&rng, 0.1, 0.22),
					high * sm_uniform(&rng, 0.08, 0.22)};
		draw_flat(&b->gland[i], &rng, at, size);
	}
	const double at[2] = {wide * sm_uniform(&rng, 0.25, 0.6),
			      middle + high * sm_uniform(&rng, -0.4, 0.4)};
	double size = sm_uniform(&rng, 0.05, 0.12);
	const double mass[2] = {0.5 * size * sm_uniform(&rng, 0.9, 1.3), size};
	draw_flat(&b->mass, &rng, at, mass);
}

/* What a pixel belongs to, a bit a shape; the place u is 0 at the wall and up to 1 across, -1 to 1
 * downwards; *thick grows from 0 at the skin inwards to 1. */
static unsigned shapes_at(const struct breast *b, const double u[3], double *thick)
{
	double bend = b->wobble * sm_lattice_at(&b->lattice, u, 3, 1.7);
	double outer = sm_ellipsoid_at(&b->outer, u) + bend;
	unsigned in = 0;
	*thick = outer < 1 ? 1 - outer : 0;
	if (outer >= 1)
		return 0;
	in |= 1u << BREAST;
	if (b->pectoral[0] > 0 && u[0] / b->pectoral[0] + (u[1] + 1) / b->pectoral[1] + bend < 1)
		in |= 1u << PECTORAL;
	for (int i = 0; i < b->glands; i++)
		if (sm_ellipsoid_at(&b->gland[i], u) + 2 * bend < 1)
			in |= 1u << GLAND;
	if (sm_ellipsoid_at(&b->mass, u) + bend < 1)
		in |= 1u << MASS;
	return in;
}

static double gray_of(const struct breast *b, const double u[3], unsigned in, double thick)
{
	double fat = sm_lattice_at(&b->lattice, u, 7, 9.1),
	       fine = sm_lattice_at(&b->lattice, u, 23, 4.4);
	if (!(in >> BREAST & 1))
		return 8;
	double v = 45 + 55 * sqrt(thick) + 12 * fat + 6 * fine;
	v += in >> GLAND & 1 ? 45 + 10 * fine : 0;
	v += in >> PECTORAL & 1 ? 60 : 0;
	v += in >> MASS & 1 ? 50 : 0;
	return v;
}

static void draw_radiograph(struct breast *b, const char *key, struct sm_image *image,
			    int64_t counts[SHAPES])
{
	struct sm_rng rng;
	uint8_t *to = image->data;
	size_t i = 0;
	sm_rng_init(&rng, b->p->seed, "phantom.noise.mammo", key, 0, 0);
	for (int64_t y = 0; y < image->height; y++)
		for (int64_t x = 0; x < image->width; x++, i++, to += 3) {
			double across = ((double)x + 0.5) / (double)image->width, thick;
			const double u[3] = {b->right ? 1 - across : across,
					     (2.0 * (double)y + 1) / (double)image->height - 1, 0};
			unsigned in = shapes_at(b, u, &thick);
			double v =
				gray_of(b, u, in, thick) + 255 * b->p->noise * sm_rng_normal(&rng);
			v = floor(v + 0.5);
			memset(to, v < 0 ? 0 : v > 255 ? 255 : (int)v, 3);
			b->inside[i] = (uint8_t)in;
			for (int s = 0; s < SHAPES; s++)
				counts[s] += in >> s & 1;
		}
}

/* True when a pixel of the shape lies within `reach` pixels of one that does not belong to it; what
 * is beyond the picture does not, so that every outline is closed. */
static bool on_outline(const struct breast *b, const struct sm_image *image, int64_t x, int64_t y,
		       enum shape s, int64_t reach)
{
	if (!(b->inside[y * image->width + x] >> s & 1))
		return false;
	for (int64_t d = 1; d <= reach; d++)
		for (int k = 0; k < 4; k++) {
			int64_t at[2] = {x + (k == 0) * d - (k == 1) * d,
					 y + (k == 2) * d - (k == 3) * d};
			if (at[0] < 0 || at[1] < 0 || at[0] >= image->width ||
			    at[1] >= image->height ||
			    !(b->inside[at[1] * image->width + at[0]] >> s & 1))
				return true;
		}
	return false;
}

static void draw_drawing(const struct breast *b, struct sm_image *image)
{
	int64_t reach = 1 + image->width / 200;
	uint8_t *to = image->data;
	memset(to, 255, (size_t)(image->width * image->height) * 3);
	for (int64_t y = 0; y < image->height; y++)
		for (int64_t x = 0; x < image->width; x++, to += 3)
			for (int s = 0; s < SHAPES; s++)
				if (on_outline(b, image, x, y, (enum shape)s, reach))
					memcpy(to, colour[s], 3);
}

static enum sm_status write_picture(const char *dir, const char *folder, const char *key,
				    const struct sm_image *image, struct sm_err *err)
{
	char *path = sm_strf("%s/%s/%s.png", dir, folder, key);
	enum sm_status st = path ? sm_png_write(path, image, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", key);
	free(path);
	return st;
}

struct pictures {
	const struct sm_phantom *p;
	const char *dir;
	json_t **facts;
};

static enum sm_status make_pair(void *ctx, size_t i, struct sm_err *err)
{
	const struct pictures *all = ctx;
	const struct sm_phantom *p = all->p;
	char key[24];
	int64_t counts[SHAPES] = {0};
	struct sm_image image = {0};
	enum sm_status st = SM_BUDGET;
	struct breast *b = sm_calloc(p->mem, 1, sizeof *b, "phantom", err);
	if (!b)
		return SM_BUDGET;
	snprintf(key, sizeof key, "%zu", i + 1);
	b->p = p;
	b->inside = sm_alloc(p->mem, (size_t)(p->size[0] * p->size[1]), 1, "phantom", err);
	if (!b->inside)
		goto out;
	SM_GOTO(st, sm_image_init(&image, p->size[0], p->size[1], 3, 8, p->mem, err));
	draw_breast(b, key);
	draw_radiograph(b, key, &image, counts);
	SM_GOTO(st, write_picture(all->dir, "A", key, &image, err));
	draw_drawing(b, &image);
	SM_GOTO(st, write_picture(all->dir, "B", key, &image, err));
	all->facts[i] = json_object();
	json_object_set_new(all->facts[i], "key", json_string(key));
	sm_phantom_put_regions(all->facts[i], names, counts, SHAPES, 0);
out:
	sm_image_clear(&image);
	sm_free(b->inside);
	sm_free(b);
	return st;
}

enum sm_status sm_phantom_mammo(const struct sm_phantom *p, const char *dir, json_t **facts,
				struct sm_err *err)
{
	size_t n = (size_t)p->cases;
	struct pictures all = {.p = p, .dir = dir};
	enum sm_status st = SM_OK;
	*facts = NULL;
	all.facts = sm_calloc(p->mem, n, sizeof *all.facts, "phantom", err);
	if (!all.facts)
		return SM_BUDGET;
	SM_GOTO(st, sm_phantom_folder(dir, "A", err));
	SM_GOTO(st, sm_phantom_folder(dir, "B", err));
	SM_GOTO(st, sm_par_for(n, p->jobs, make_pair, &all, err));
	*facts = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append(*facts, all.facts[i]);
	sm_info(p->log, NULL, "%zu pairs of pictures written", n);
out:
	for (size_t i = 0; i < n; i++)
		json_decref(all.facts[i]);
	sm_free(all.facts);
	return st;
}
