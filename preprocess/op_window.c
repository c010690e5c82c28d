/* SPDX-License-Identifier: Apache-2.0
 *
 * window: a CT window. With centre c and width w (HU) the value x becomes
 *	low + (high - low) * clamp((x - c) / w + 0.5, 0, 1),  [low, high] = `to`
 * which is the function LINEAR_EXACT of DICOM PS3.3 C.11.2.1.3.2. The presets stand in one table
 * below. Sources: Radiopaedia, "Windowing (CT)" (radiopaedia.org/articles/windowing-ct), which
 * gives a single value for most and ranges for subdural (width 130-300, centre 50-100: here the
 * middle) and for soft tissue of the neck (width 350-400, centre 20-60); angio is what viewers call
 * CT angiography, for which there is no single authority.
 */
#include "preprocess/op_window.h"

#include <stdlib.h>
#include <string.h>

#include "core/par.h"
#include "preprocess/op_table.h"
#include "preprocess/scope.h"

struct window {
	int preset;
	double centre, width;
	struct sm_floats range, to;
	struct sm_strings roles;
};

/* name, centre, width; the order is that of the field's choices. */
#define PRESETS(X) \
	X(brain, 40, 80) \
	X(subdural, 75, 215) \
	X(stroke, 40, 40) \
	X(bone, 400, 1800) \
	X(lung, -600, 1500) \
	X(mediastinum, 50, 350) \
	X(abdomen, 50, 400) \
	X(liver, 30, 150) \
	X(soft_tissue, 50, 400) \
	X(angio, 300, 600)

#define NAME(name, c, w) "|" #name
#define ROW(name, c, w) {c, w},
static const double presets[][2] = {{0, 0}, PRESETS(ROW)};
#define WORD(name, c, w) #name,
static const char *const preset_names[] = {"none", PRESETS(WORD)};

bool sm_window_preset(const char *name, double range[2])
{
	for (size_t i = 1; name && i < sizeof presets / sizeof *presets; i++)
		if (strcmp(preset_names[i], name) == 0) {
			range[0] = presets[i][0] - presets[i][1] / 2;
			range[1] = presets[i][0] + presets[i][1] / 2;
			return true;
		}
	return false;
}

#define AT(member) .offset = offsetof(struct window, member)
static const struct sm_field fields[] = {
	{"preset", SM_F_CHOICE, AT(preset), "none", .choices = "none" PRESETS(NAME),
	 .doc = "a named window instead of centre and width"},
	{"centre", SM_F_FLOAT, AT(centre), "40", -1e6, 1e6, .doc = "middle of the window, HU",
	 .only = "preset none, no range"},
	{"width", SM_F_FLOAT, AT(width), "400", 1e-3, 1e6, .doc = "width of the window, HU",
	 .only = "preset none, no range"},
	{"range", SM_F_FLOATS, AT(range), NULL, -1e6, 1e6, .count = 2,
	 .doc = "instead of centre and width: the window's low and high end, HU"},
	{"to", SM_F_FLOATS, AT(to), "0 1", -1e6, 1e6, .count = 2,
	 .doc = "values at the window's low and high end: [0,1], [0,255], [-1,1], ..."},
	{"roles", SM_F_STRINGS, AT(roles), .doc = "volumes or channels to work on; absent = all"},
};
const struct sm_fieldset sm_op_window_fields =
	SM_FIELDSET("window", struct window, fields, "CT window");

enum sm_status sm_op_window_check(const void *params, struct sm_err *err)
{
	const struct window *p = params;
	if (p->preset && p->range.n)
		return SM_FAIL(err, SM_USAGE, "preset and range are both given, allowed is one");
	if (p->range.n && p->range.v[0] >= p->range.v[1])
		return SM_FAIL(err, SM_USAGE, "range is %g to %g, allowed is low < high",
			       p->range.v[0], p->range.v[1]);
	if (p->to.v[0] >= p->to.v[1])
		return SM_FAIL(err, SM_USAGE, "to is %g to %g, allowed is low < high", p->to.v[0],
			       p->to.v[1]);
	return SM_OK;
}

struct job {
	const struct sm_block *blocks;
	const struct sm_strings *roles;
	double centre, width, low, high;
};

static enum sm_status one(void *ctx, size_t i, struct sm_err *err)
{
	const struct job *job = ctx;
	const struct sm_block *b = &job->blocks[i];
	size_t n = sm_block_count(b);
	(void)err;
	if (!sm_roles_hold(job->roles, b->name))
		return SM_OK;
	for (size_t k = 0; k < n; k++) {
		double u = ((double)b->v[k] - job->centre) / job->width + 0.5;
		u = u < 0 ? 0 : u > 1 ? 1 : u;
		b->v[k] = (float)(job->low + (job->high - job->low) * u);
	}
	return SM_OK;
}

enum sm_status sm_op_window(struct sm_case *c, const void *params, struct sm_err *err)
{
	const struct window *p = params;
	struct sm_block *blocks = NULL;
	size_t n = 0;
	SM_TRY(sm_op_window_check(params, err));
	struct job job = {.roles = &p->roles,
			  .centre = p->preset ? presets[p->preset][0] : p->centre,
			  .width = p->preset ? presets[p->preset][1] : p->width,
			  .low = p->to.v[0],
			  .high = p->to.v[1]};
	if (p->range.n) {
		job.centre = (p->range.v[0] + p->range.v[1]) / 2;
		job.width = p->range.v[1] - p->range.v[0];
	}
	enum sm_status st = sm_case_blocks(c, &blocks, &n, err);
	job.blocks = blocks;
	if (st == SM_OK)
		st = sm_roles_check(c, &p->roles, blocks, n, err);
	if (st == SM_OK)
		st = sm_par_for(n, c->jobs, one, &job, err);
	sm_case_rescaled(c, &p->roles, NULL);
	free(blocks);
	return st;
}
