/* SPDX-License-Identifier: Apache-2.0
 *
 * One case: two label volumes are read, checked and measured by every family that the columns ask
 * for. Used by evaluate and compare. No number comes from volumes that do not lie on one grid.
 */
#ifndef SM_EVAL_CASE_SCORE_H
#define SM_EVAL_CASE_SCORE_H

#include "core/vol.h"
#include "eval/cases.h"
#include "eval/lesions.h"
#include "eval/overlap.h"
#include "eval/scores.h"

/* Reads both NIfTI files at once, on two threads where jobs allows, without their hashes; errors
 * name the file, the truth's first. The caller clears both volumes, also on failure. */
struct sm_pair_files {
	const char *truth, *prediction;
};
enum sm_status sm_pair_read(const struct sm_pair_files *files, struct sm_mem *mem, int jobs,
			    struct sm_vol *truth, struct sm_vol *prediction, struct sm_err *err);

/* What a case is measured by. */
struct sm_case_rules {
	const struct sm_evaluate_section *section;
	const struct sm_label_map *map;
	const struct sm_columns *columns;
	const struct sm_tile_list *tiles; /* of this case, for columns by tile; NULL = none */
	json_t *lesions; /* an object to which each row's lesions are added; NULL = not wanted */
	struct sm_mem *mem;
	int jobs;
};

/* Scores of two volumes: three-dimensional, on one grid within section->grid_tolerance, with labels
 * of the map alone; masks that are no whole numbers are cut at section->threshold (NaN: refused). Names stand in
 * the error sentences. Both volumes become uint8 in place. SM_INPUT says what is wrong: another
 * grid, frames, a label outside the map, a value that is no whole number, NaN, and for distances a
 * grid whose axes are not at right angles. The caller clears *out, which is made here. The numbers
 * do not depend on jobs. */
enum sm_status sm_case_measure(const struct sm_case_rules *rules, struct sm_vol *truth,
			       const char *truth_name, struct sm_vol *prediction,
			       const char *prediction_name, struct sm_case_scores *out,
			       struct sm_err *err);

/* The same without tiles and lists of lesions. */
enum sm_status sm_case_score(struct sm_vol *truth, const char *truth_name,
			     struct sm_vol *prediction, const char *prediction_name,
			     const struct sm_evaluate_section *section,
			     const struct sm_label_map *map, const struct sm_columns *columns,
			     struct sm_mem *mem, int jobs, struct sm_case_scores *out,
			     struct sm_err *err);

/* The rule of lesion-wise columns that the section names; gli where it names none. */
const struct sm_lesion_rule *sm_lesion_rule_of(const struct sm_evaluate_section *section);

#endif
