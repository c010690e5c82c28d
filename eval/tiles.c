/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/evaluate.h"

/* How the axes of the grid of tiles stand in the source's: axis a of the tiles is axis from[a] of
 * the source, source = sign * (today - shift). */
struct turn {
	int from[3];
	int64_t sign[3], shift[3];
};

/* False when the way is more than turns, flips and whole shifts. */
static bool read_turn(const double way[16], struct turn *t)
{
	unsigned taken = 0;
	for (int a = 0; a < 3; a++) {
		int found = -1;
		for (int k = 0; k < 3; k++) {
			double v = way[4 * a + k];
			if (v == 0)
				continue;
			if (fabs(v) != 1 || found >= 0)
				return false;
			found = k;
		}
		double shift = way[4 * a + 3];
		if (found < 0 || taken >> found & 1 || shift != floor(shift) ||
		    fabs(shift) > INT32_MAX)
			return false;
		taken |= 1u << found;
		t->from[a] = found;
		t->sign[a] = way[4 * a + found] > 0 ? 1 : -1;
		t->shift[a] = (int64_t)shift;
	}
	return true;
}

/* A box of the tiles' grid in the source's. */
static void turn_box(const struct turn *t, const int64_t start[3], const int64_t size[3],
		     int64_t out_start[3], int64_t out_size[3])
{
	for (int a = 0; a < 3; a++) {
		int64_t from = start[a] - t->shift[a];
		out_start[t->from[a]] = t->sign[a] > 0 ? from : -(from + size[a] - 1);
		out_size[t->from[a]] = size[a];
	}
}

static enum sm_status read_starts(const json_t *record, const int64_t size[3], const struct turn *t,
				  struct sm_tile_list *out, struct sm_err *err)
{
	const json_t *starts = json_object_get(record, "starts");
	const char *key = sm_record_key(record);
	size_t n = json_array_size(starts);
	if (!n)
		return SM_FAIL(err, SM_INPUT, "case %s: its record of stage tile has no tiles",
			       key);
	out->start = calloc(n, sizeof *out->start);
	if (!out->start)
		return SM_FAIL(err, SM_BUDGET, "case %s: out of memory", key);
	for (; out->n < n; out->n++) {
		const json_t *one = json_array_get(starts, out->n);
		int64_t at[3];
		for (int a = 0; a < 3; a++) {
			const json_t *v = json_array_get(one, (size_t)a);
			at[a] = json_integer_value(v);
			if (!json_is_integer(v) || at[a] > INT32_MAX || at[a] < -INT32_MAX)
				return SM_FAIL(err, SM_INPUT,
					       "case %s: starts of stage tile: tile %zu is no "
					       "place",
					       key, out->n);
		}
		turn_box(t, at, size, out->start[out->n], out->size);
	}
	return SM_OK;
}

static enum sm_status read_case(const struct sm_ledger *tile, const json_t *tiled,
				const json_t *prepared, const char *key, struct sm_tile_list *out,
				struct sm_err *err)
{
	const json_t *settings =
		json_object_get(json_object_get(tile->header, "settings"), "manifest");
	int64_t size[3];
	double way[16];
	struct turn turn;
	if (!tiled || !sm_record_ok(tiled))
		return SM_FAIL(err, SM_INPUT, "case %s has no tiles: stage tile did not cut it",
			       key);
	if (!sm_json_get_ints(json_object_get(settings, "tile"), "size", size, 3))
		return SM_FAIL(err, SM_INPUT, "tile ledger: the size of tiles is missing");
	for (int a = 0; a < 3; a++)
		if (size[a] < 1 || size[a] > UINT16_MAX) /* no product overflows */
			return SM_FAIL(err, SM_INPUT, "tile ledger: the size of tiles is %lld",
				       (long long)size[a]);
	if (!prepared || !sm_json_get_floats(prepared, "way", way, 16))
		return SM_FAIL(err, SM_INPUT,
			       "case %s: its record of stage preprocess lacks way: run preprocess "
			       "again",
			       key);
	if (!read_turn(way, &turn))
		return SM_FAIL(err, SM_INPUT,
			       "case %s: preprocess resampled it: its tiles lie on another grid "
			       "than its label volume, allowed are cuts, pads, turns and flips",
			       key);
	return read_starts(tiled, size, &turn, out, err);
}

enum sm_status sm_tiles_of(const struct sm_ledger *tile, const struct sm_ledger *preprocess,
			   const char *key, struct sm_tile_list *out, struct sm_err *err)
{
	json_t *tiled = sm_ledger_get(tile, key), *prepared = sm_ledger_get(preprocess, key);
	*out = (struct sm_tile_list){0};
	enum sm_status st = read_case(tile, tiled, prepared, key, out, err);
	json_decref(tiled);
	json_decref(prepared);
	if (st != SM_OK)
		sm_tiles_clear(out);
	return st;
}

void sm_tiles_clear(struct sm_tile_list *tiles)
{
	free(tiles->start);
	*tiles = (struct sm_tile_list){0};
}
