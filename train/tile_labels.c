/* SPDX-License-Identifier: Apache-2.0 */
/* All labels of a list of tiles, looked at before a training begins. */
#include <stdlib.h>

#include "core/par.h"
#include "train/loader.h"

/* What the survey's object knows of a case: an array of these. */
enum { LARGEST, ITS_TILE };

/* A case that the survey does not know. */
struct look {
	size_t first, end; /* its tiles in the list */
	uint8_t largest;
	size_t its_tile; /* the first tile with that label, counted in the case */
};

struct looking {
	struct sm_tiles *tiles;
	struct sm_mem *mem;
	size_t voxels;
	int most;
	struct look *at;
};

enum sm_status sm_tiles_allow(const struct sm_tiles *tiles, size_t i, uint8_t label, int most,
			      struct sm_err *err)
{
	char name[SM_TILE_NAME];
	if (label <= most)
		return SM_OK;
	sm_tiles_name(tiles, i, name);
	return SM_FAIL(err, SM_INPUT, "%s: holds label %d, allowed are 0 to %d (train.classes)",
		       name, label, most);
}

static enum sm_status look_at(void *ctx, size_t k, struct sm_err *err)
{
	const struct looking *l = ctx;
	struct look *c = &l->at[k];
	uint8_t *y = sm_alloc(l->mem, l->voxels, 1, "a tile's labels", err);
	enum sm_status st = y ? SM_OK : SM_BUDGET;
	for (size_t i = c->first; st == SM_OK && i < c->end; i++) {
		/* Files of one tile are slow to read, and cannot hold more than they may: all there
		 * is to know is whether the case shows anything. */
		if (c->largest && sm_tiles_label_bound(l->tiles, i) <= l->most)
			break;
		uint8_t largest = 0;
		st = sm_tiles_read_labels(l->tiles, i, y, err);
		for (size_t v = 0; st == SM_OK && v < l->voxels; v++)
			largest = y[v] > largest ? y[v] : largest;
		if (largest > c->largest) {
			c->largest = largest;
			c->its_tile = i - c->first;
		}
	}
	sm_free(y);
	return st;
}

/* The tile behind the last of the case that begins at i. */
static size_t case_end(const struct sm_tiles *tiles, size_t i)
{
	size_t end = i + 1;
	while (end < sm_tiles_count(tiles) &&
	       sm_tiles_case(tiles, end) == sm_tiles_case(tiles, i))
		end++;
	return end;
}

static enum sm_status read_unknown(struct looking *l, json_t *survey, int jobs, struct sm_err *err)
{
	size_t n = 0;
	for (size_t i = 0; i < sm_tiles_count(l->tiles); i = case_end(l->tiles, i))
		if (!json_object_get(survey, sm_tiles_key(l->tiles, i)))
			l->at[n++] = (struct look){.first = i, .end = case_end(l->tiles, i)};
	SM_TRY(sm_par_for(n, jobs, look_at, l, err));
	for (size_t k = 0; k < n; k++) {
		const struct look *c = &l->at[k];
		json_t *facts = json_pack("[i,I]", c->largest, (json_int_t)c->its_tile);
		if (json_object_set_new(survey, sm_tiles_key(l->tiles, c->first), facts) != 0)
			return SM_FAIL(err, SM_BUDGET, "labels: out of memory");
	}
	return SM_OK;
}

enum sm_status sm_tiles_survey(struct sm_tiles *tiles, json_t *survey, int most, int jobs,
			       struct sm_mem *mem, bool *filled, struct sm_err *err)
{
	const struct sm_tile_shape s = sm_tiles_shape(tiles);
	struct looking l = {.tiles = tiles,
			    .mem = mem,
			    .voxels = (size_t)(s.depth * s.height * s.width),
			    .most = most,
			    .at = calloc(sm_tiles_cases(tiles), sizeof *l.at)};
	enum sm_status st = l.at ? read_unknown(&l, survey, jobs, err)
				 : SM_FAIL(err, SM_BUDGET, "labels: out of memory");
	free(l.at);
	*filled = false;
	for (size_t i = 0; st == SM_OK && i < sm_tiles_count(tiles); i = case_end(tiles, i)) {
		const json_t *facts = json_object_get(survey, sm_tiles_key(tiles, i));
		size_t its = (size_t)json_integer_value(json_array_get(facts, ITS_TILE));
		uint8_t label = (uint8_t)json_integer_value(json_array_get(facts, LARGEST));
		*filled = *filled || label;
		st = sm_tiles_allow(tiles, i + its, label, most, err);
	}
	return st;
}
