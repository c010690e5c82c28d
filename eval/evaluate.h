/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of stage evaluate, of label volumes: which pairs there are, how one is read, and what is
 * written of all. Pairs come from the ledgers of predict and ingest, from two folders of files
 * matched by name, or are two files.
 */
#ifndef SM_EVAL_EVALUATE_H
#define SM_EVAL_EVALUATE_H

#include "core/stage.h"
#include "eval/case_score.h"

/* Options of the command line. Those that are keys of section evaluate stand above the
 * manifest's. */
struct sm_evaluate_options {
	char *pred, *truth, *pairs, *tiles, *preprocess;
	struct sm_strings metrics, by;
	struct sm_ints outputs;
	struct sm_floats tolerances;
	int empty, map, lesions, missing;
	double threshold;
};

enum sm_pairs_from { SM_PAIRS_LEDGERS, SM_PAIRS_FOLDERS, SM_PAIRS_FILES };

/* One case to score; either side may be missing. Records of two ledgers, or names of files below
 * the two folders; with two files nothing but the key. */
struct sm_pair {
	const char *key;
	size_t prediction, truth;                 /* SM_NONE = missing */
	const char *prediction_file, *truth_file; /* NULL = missing */
	bool misnamed; /* the files' name is no name of a case: key stands in its place */
};

struct sm_evaluating {
	struct sm_run *run;
	const struct sm_evaluate_options *o;
	struct sm_evaluate_section section; /* the manifest's, with the options */
	struct sm_label_map map;
	struct sm_label_map measured; /* the same rows; with outputs, of their sets too */
	struct sm_columns columns;
	enum sm_pairs_from from;
	struct sm_ledger predict, ingest;   /* of SM_PAIRS_LEDGERS */
	struct sm_ledger tiles, preprocess; /* of columns by tile */
	struct sm_pair *pairs;              /* in the run's arena */
	size_t count;
};

/* evaluate_pairs.c. Fills pairs, by key, and the header's `not_predicted`. */
enum sm_status sm_pairs_list(struct sm_evaluating *w, struct sm_err *err);

/* sm_items.inputs of pair i. */
enum sm_status sm_pair_inputs(struct sm_evaluating *w, size_t i, struct sm_item *item,
			      struct sm_err *err);

/* A pair in memory. names: what error sentences call the volumes; patient: NULL = not known. */
struct sm_pair_volumes {
	struct sm_vol truth, prediction;
	char *names[2]; /* truth, prediction; malloc memory */
	char *patient;  /* malloc memory */
	bool missing;   /* the prediction is, and stands there as an empty one */
};

/* Reads both sides at once and holds them against the hashes that their ledgers give; declares the
 * inputs of files that no ledger knows. A side that is missing is SM_INPUT with the reason, unless
 * section.missing makes an empty prediction of it. The caller clears *out, also on failure. */
enum sm_status sm_pair_open(struct sm_evaluating *w, size_t i, struct sm_item *item,
			    struct sm_pair_volumes *out, struct sm_err *err);
void sm_pair_close(struct sm_pair_volumes *volumes);

/* outputs.c: what each output of the network says on its own (section.outputs), so that labels may
 * overlap: a voxel of the prediction holds a set of labels. Each set has a value of its own. */
enum { SM_OUTPUTS = 5 };
/* The map with these values added; without outputs the map itself. SM_USAGE. */
enum sm_status sm_outputs_map(const struct sm_label_map *map, const struct sm_ints *outputs,
			      struct sm_label_map *out, struct sm_err *err);
/* The sets of a case from the probabilities that predict wrote, above section->threshold (NaN = 0.5).
 * SM_INPUT when there are more or fewer than the section names. The caller clears out. */
enum sm_status sm_outputs_read(const char *dir, const json_t *record,
			       const struct sm_evaluate_section *section, struct sm_mem *mem,
			       struct sm_vol *out, struct sm_err *err);
/* Makes labels of the truth. SM_INPUT when one of them is a value that stands for a set. */
enum sm_status sm_outputs_check(struct sm_vol *truth, const char *name,
				const struct sm_ints *outputs, struct sm_mem *mem,
				struct sm_err *err);
/* Role of the i-th probabilities of a record of predict; NULL behind the last. */
const char *sm_output_role(const json_t *record, size_t i);

/* tiles.c: the tiles of a case on the grid of its label volume, from the records of tile and
 * preprocess. SM_INPUT when there is none, or preprocess resampled the case. */
enum sm_status sm_tiles_of(const struct sm_ledger *tile, const struct sm_ledger *preprocess,
			   const char *key, struct sm_tile_list *out, struct sm_err *err);
void sm_tiles_clear(struct sm_tile_list *tiles);

/* evaluate_tables.c: the tables over all good cases, into the ledger's header, files and the
 * terminal. */
enum sm_status sm_evaluate_finish(struct sm_evaluating *w, struct sm_err *err);

#endif
