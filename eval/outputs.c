/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "eval/cases.h"
#include "eval/evaluate.h"

/* Sets of outputs are values of their own, counted down from here. */
enum { HIGHEST = 255 };

/* The class of a label value; 0 when the map has none but the background. */
static size_t class_of(const struct sm_label_map *map, int64_t value)
{
	for (size_t c = 1; c < map->classes; c++)
		if (map->value[c] == value)
			return c;
	return 0;
}

static enum sm_status check(const struct sm_label_map *map, const struct sm_ints *outputs,
			    struct sm_err *err)
{
	if (outputs->n > SM_OUTPUTS)
		return SM_FAIL(err, SM_USAGE, "outputs: found %zu, allowed are at most %d",
			       outputs->n, SM_OUTPUTS);
	for (size_t i = 0; i < outputs->n; i++)
		if (!class_of(map, outputs->v[i]))
			return SM_FAIL(err, SM_USAGE,
				       "outputs: found %" PRId64
				       ", allowed are the values of labels",
				       outputs->v[i]);
	if (map->classes + ((size_t)1 << outputs->n) - 1 > SM_MAP_CLASSES)
		return SM_FAIL(err, SM_USAGE,
			       "outputs: found %zu with %zu labels, allowed are fewer", outputs->n,
			       map->classes - 1);
	return SM_OK;
}

enum sm_status sm_outputs_map(const struct sm_label_map *map, const struct sm_ints *outputs,
			      struct sm_label_map *out, struct sm_err *err)
{
	*out = *map;
	SM_TRY(check(map, outputs, err));
	for (size_t set = 1; outputs->n && set < (size_t)1 << outputs->n; set++) {
		int value = HIGHEST + 1 - (int)set;
		size_t c = out->classes++;
		if (class_of(map, value))
			return SM_FAIL(err, SM_USAGE,
				       "labels: found value %d, allowed with outputs are smaller "
				       "ones",
				       value);
		out->value[c] = (uint8_t)value;
		for (size_t i = 0; i < outputs->n; i++)
			for (size_t r = 0; set >> i & 1 && r < map->n; r++)
				if (map->row[r].members >> class_of(map, outputs->v[i]) & 1)
					out->row[r].members |= (uint64_t)1 << c;
	}
	return SM_OK;
}

enum sm_status sm_outputs_check(struct sm_vol *truth, const char *name,
				const struct sm_ints *outputs, struct sm_mem *mem,
				struct sm_err *err)
{
	SM_TRY(sm_vol_to_labels(truth, mem, name, err));
	const uint8_t *label = truth->data;
	size_t lowest = (size_t)HIGHEST + 2 - ((size_t)1 << outputs->n);
	for (size_t k = 0, n = sm_vol_count(truth); k < n; k++)
		if (label[k] >= lowest)
			return SM_FAIL(err, SM_INPUT,
				       "%s: label %u at voxel number %zu is not in the label map",
				       name, (unsigned)label[k], k);
	return SM_OK;
}

/* Adds output i to the sets: a voxel above the threshold has it. */
static enum sm_status add(const struct sm_vol *map, const char *name, double threshold, size_t i,
			  uint8_t *set, struct sm_err *err)
{
	const size_t n = sm_vol_count(map), nx = (size_t)map->dim[0], ny = (size_t)map->dim[1];
	for (size_t k = 0; k < n; k++) {
		double v = sm_vol_at(map, k);
		if (!isfinite(v))
			return SM_FAIL(err, SM_INPUT,
				       "%s: value %g at voxel (%zu, %zu, %zu): allowed are finite "
				       "numbers",
				       name, v, k % nx, k / nx % ny, k / nx / ny);
		set[k] = (uint8_t)(set[k] | (v > threshold) << i);
	}
	return SM_OK;
}

/* The i-th output among those of a record whose role begins with "probability_". */
static const char *role_of(const json_t *record, size_t i)
{
	size_t k;
	json_t *output;
	json_array_foreach(json_object_get(record, "outputs"), k, output)
	{
		const char *role = sm_json_text(output, "role");
		if (role && strncmp(role, "probability_", 12) == 0 && !i--)
			return role;
	}
	return NULL;
}

const char *sm_output_role(const json_t *record, size_t i)
{
	return role_of(record, i);
}

static enum sm_status read_sets(const char *dir, const json_t *record,
				const struct sm_evaluate_section *s, struct sm_mem *mem,
				struct sm_vol *out, struct sm_err *err)
{
	enum sm_status st = SM_OK;
	for (size_t i = 0; st == SM_OK && i < s->outputs.n; i++) {
		const char *role = role_of(record, i);
		const char *name = sm_json_text(sm_record_output(record, role), "path");
		struct sm_vol map;
		SM_TRY(sm_output_read(dir, "predict", record, role, mem, &map, err));
		if (!i) {
			st = sm_vol_init(out, map.dim, SM_U8, mem, "outputs of the network", err);
			if (st == SM_OK) {
				memset(out->data, 0, sm_vol_count(out));
				memcpy(out->affine, map.affine, sizeof out->affine);
			}
		} else {
			st = sm_vol_same_grid(out, "the first output", &map, name,
					      s->grid_tolerance, err);
		}
		if (st == SM_OK && map.dim[3] != out->dim[3])
			st = SM_FAIL(err, SM_INPUT, "%s: has %lld frames, the first output %lld",
				     name, (long long)map.dim[3], (long long)out->dim[3]);
		if (st == SM_OK)
			st = add(&map, name, isnan(s->threshold) ? 0.5 : s->threshold, i, out->data,
				 err);
		sm_vol_clear(&map);
	}
	return st;
}

enum sm_status sm_outputs_read(const char *dir, const json_t *record,
			       const struct sm_evaluate_section *s, struct sm_mem *mem,
			       struct sm_vol *out, struct sm_err *err)
{
	*out = (struct sm_vol){0};
	if (sm_record_ok(record) &&
	    (!role_of(record, s->outputs.n - 1) || role_of(record, s->outputs.n)))
		return SM_FAIL(err, SM_INPUT,
			       "case %s: evaluate.outputs names %zu outputs, its record of stage "
			       "predict has %s: run predict with --probabilities",
			       sm_record_key(record), s->outputs.n,
			       role_of(record, 0) ? "another number" : "none");
	enum sm_status st = read_sets(dir, record, s, mem, out, err);
	if (st != SM_OK) {
		sm_vol_clear(out);
		return st;
	}
	uint8_t *set = out->data;
	for (size_t k = 0, n = sm_vol_count(out); k < n; k++)
		set[k] = set[k] ? (uint8_t)(HIGHEST + 1 - set[k]) : 0;
	return SM_OK;
}
