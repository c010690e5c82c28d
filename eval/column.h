/* SPDX-License-Identifier: Apache-2.0
 *
 * The one table of scores of segmentations, and the columns made of it: a column is a metric with
 * its parameter (a tolerance, a unit that it is averaged over). Adding a metric is a row in
 * column.c and its value where its family is measured.
 */
#ifndef SM_EVAL_COLUMN_H
#define SM_EVAL_COLUMN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "manifests/schema.h"

/* What a metric is made of; bit 1 << family of struct sm_columns.families. */
enum sm_family {
	SM_FROM_COUNTS,  /* voxels in both, in one, in none: eval/overlap.h */
	SM_FROM_SURFACE, /* distances of edge voxels: eval/surface.h */
	SM_FROM_SURFELS, /* distances of surface elements, weighted by area: eval/surface.h */
	SM_FROM_LESIONS, /* connected parts: eval/lesions.h */
	SM_FROM_VOLUMES, /* counts and the volume of a voxel: eval/overlap.h */
	SM_FAMILIES
};
enum sm_better { SM_IS_HIGH, SM_IS_LOW, SM_IS_ZERO };
/* Row of the policy table (eval/policy.h) that says what holds where the formula has no value. */
enum sm_on_empty {
	SM_EMPTY_FORMULA,  /* nothing: not defined */
	SM_EMPTY_OVERLAP,  /* shares of 1 */
	SM_EMPTY_DISTANCE, /* mm */
	SM_EMPTY_COUNT,    /* whole numbers, mL: the formula always has a value */
	SM_ON_EMPTY
};

struct sm_metric {
	const char *key, *name, *unit; /* unit "1", "mm", "mL", "lesions" */
	const char *formula;           /* in words, with TP FP FN TN or named distances */
	const char *equals; /* whose number it is: "MedPy 0.5.2 assd"; NULL = the formula's
			       alone */
	enum sm_family family;
	enum sm_better better;
	enum sm_on_empty empty;
	int decimals; /* shown in tables */
	bool per_tolerance, by_default;
	bool per_unit; /* has a mean over slices and over tiles too */
};
extern const struct sm_metric sm_metric_rows[];
extern const size_t sm_metric_count;

/* The unit whose scores are averaged within a case. */
enum sm_by { SM_BY_VOXEL, SM_BY_SLICE, SM_BY_TILE, SM_BYS };

enum { SM_COLUMNS = 128, SM_TOLERANCES = 16 };
struct sm_column {
	const struct sm_metric *metric;
	double tolerance_mm; /* of a metric per tolerance, otherwise 0 */
	size_t tolerance;    /* its number in struct sm_columns.tolerance_mm */
	enum sm_by by;       /* SM_BY_VOXEL: of the whole volume */
	char key[32];        /* in ledgers, CSV and JSON: "nsd_1mm", "dice_by_slice" */
	char name[48];       /* in tables: "NSD 1 mm" */
};
/* Plain data; copied by assignment. */
struct sm_columns {
	size_t n;
	struct sm_column at[SM_COLUMNS];
	unsigned families; /* of columns by voxel */
	unsigned units;    /* bits 1 << enum sm_by that occur */
	size_t tolerances;
	double tolerance_mm[SM_TOLERANCES];
};

/* Columns of the section's metrics ("all" = every one), tolerances, lesions and units; without
 * metrics the default ones, and those of lesions where the section names a rule. SM_USAGE, the
 * sentence starts with the key: an unknown name (with the known ones), one given twice, a tolerance
 * twice or not above 0, too many. */
enum sm_status sm_columns_make(const struct sm_evaluate_section *section, struct sm_columns *out,
			       struct sm_err *err);

/* The columns that a ledger of evaluate lists (its header's `columns`; NULL: dice, sensitivity,
 * specificity, as ledgers before version 3 have them). SM_INPUT when it is no such list. */
enum sm_status sm_columns_read(const json_t *columns, struct sm_columns *out, struct sm_err *err);

/* What the header records: [{"key", "name", "metric", "unit", "formula", "equals", ...}]; new
 * reference. */
json_t *sm_columns_to_json(const struct sm_columns *columns);

/* Number of the column of this key; columns->n: none. */
size_t sm_column_find(const struct sm_columns *columns, const char *key);

#endif
