/* SPDX-License-Identifier: Apache-2.0
 *
 * window: a CT window. With centre c and width w (HU) the value x becomes
 *	low + (high - low) * clamp((x - c) / w + 0.5, 0, 1)
 * which is the function LINEAR_EXACT of DICOM PS3.3 C.11.2.1.3.2. Named windows (c, w): brain 40,
 * 80; bone 400, 1800; lung -600, 1500; soft_tissue 50, 400 (the usual reading-room presets).
 */
#include <stdlib.h>

#include "core/par.h"
#include "preprocess/case.h"
#include "preprocess/op_table.h"

struct window {
	int name;
	double centre, width;
	struct sm_floats range;
};

#define AT(member) .offset = offsetof(struct window, member)
static const struct sm_field fields[] = {
	{"name", SM_F_CHOICE, AT(name), "none", .choices = "none|brain|bone|lung|soft_tissue",
	 .doc = "a named window instead of centre and width"},
	{"centre", SM_F_FLOAT, AT(centre), "40", -1e6, 1e6, .doc = "middle of the window, HU"},
	{"width", SM_F_FLOAT, AT(width), "400", 1e-3, 1e6, .doc = "width of the window, HU"},
	{"range", SM_F_FLOATS, AT(range), "0 1", -1e6, 1e6, .count = 2,
	 .doc = "values at the window's low and high end: [0,1], [0,255], [-1,1], ..."},
};
const struct sm_fieldset sm_op_window_fields =
	SM_FIELDSET("window", struct window, fields, "CT window");

struct job {
	const struct sm_block *blocks;
	double centre, width, low, high;
};

static enum sm_status one(void *ctx, size_t i, struct sm_err *err)
{
	const struct job *job = ctx;
	const struct sm_block *b = &job->blocks[i];
	size_t n = (size_t)(b->nx * b->ny * b->nz);
	(void)err;
	for (size_t k = 0; k < n; k++) {
		double u = ((double)b->v[k] - job->centre) / job->width + 0.5;
		u = u < 0 ? 0 : u > 1 ? 1 : u;
		b->v[k] = (float)(job->low + (job->high - job->low) * u);
	}
	return SM_OK;
}

enum sm_status sm_op_window(struct sm_case *c, const void *params, struct sm_err *err)
{
	static const double named[][2] = {{0, 0}, {40, 80}, {400, 1800}, {-600, 1500}, {50, 400}};
	const struct window *p = params;
	struct sm_block *blocks = NULL;
	size_t n = 0;
	struct job job = {.centre = p->name ? named[p->name][0] : p->centre,
			  .width = p->name ? named[p->name][1] : p->width,
			  .low = p->range.v[0],
			  .high = p->range.v[1]};
	enum sm_status st = sm_case_blocks(c, &blocks, &n, err);
	job.blocks = blocks;
	if (st == SM_OK)
		st = sm_par_for(n, c->jobs, one, &job, err);
	for (size_t i = 0; i < c->count; i++)
		c->vols[i].vol.meaning = SM_MEANING_ARBITRARY;
	free(blocks);
	return st;
}
