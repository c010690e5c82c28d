/* SPDX-License-Identifier: Apache-2.0
 *
 * What the values of label volumes mean to stages evaluate and report: the labels that may stand in
 * them, and the rows of every table of scores, each a union of labels. BraTS's where the manifest
 * names none.
 */
#ifndef SM_MANIFESTS_LABEL_MAP_H
#define SM_MANIFESTS_LABEL_MAP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "manifests/schema.h"

enum { SM_MAP_CLASSES = 64, SM_MAP_ROWS = 96, SM_MAP_NAME = 32 };

/* A row: a union of labels. */
struct sm_region {
	char key[SM_MAP_NAME];  /* in ledgers and CSV: "wt" */
	char name[SM_MAP_NAME]; /* in tables: "WT" */
	const char *words;      /* what it is, for people; NULL = its labels say it */
	uint64_t members;       /* bit set of classes */
};

/* Plain data; copied by assignment. */
struct sm_label_map {
	size_t classes;                /* the background among them */
	uint8_t value[SM_MAP_CLASSES]; /* label value of each class; class 0 is the background, 0 */
	size_t n;                      /* rows: regions, what is only compared, single labels */
	size_t regions;                /* rows 0..regions-1 are regions */
	size_t main;    /* rows 0..main-1 stand for the whole: pictures, cases by row 0 */
	size_t shown;   /* rows 0..shown-1 have cards, charts and columns */
	size_t singles; /* rows singles..n-1 are single labels */
	struct sm_region row[SM_MAP_ROWS];
};

/* 0 background, 1 necrosis and non-enhancing core, 2 oedema, 4 enhancing tumour; the rows are whole
 * tumour, tumour core and enhancing tumour, the original study's core, each label. */
enum { SM_WT, SM_TC, SM_ET, SM_TC_ORIGINAL, SM_LABEL_1, SM_LABEL_2, SM_LABEL_4, SM_BRATS_ROWS };
extern const struct sm_label_map sm_brats_map;
/* The same regions by the labels of the BraTS challenges from 2023 on: enhancing tumour is 3; no
 * row of the original study, whose labels were the older ones. */
extern const struct sm_label_map sm_brats2023_map;

/* The map of a manifest: first its regions, then its labels. Without labels it is that of
 * section->map, or, with a threshold, one label "mask", 1. SM_USAGE (the sentence starts with the
 * key): a label value or name twice, a name that is not 1..31 letters, digits, '_', '-', a region
 * of a label that is not named or twice in it, regions without labels, too many, a threshold and
 * more than one label. */
enum sm_status sm_label_map_make(const struct sm_evaluate_section *section,
				 struct sm_label_map *map, struct sm_err *err);

/* The same of the section as a ledger of evaluate records it (may be NULL: BraTS's). SM_INPUT when
 * it is none. */
enum sm_status sm_label_map_read(const json_t *section, struct sm_label_map *map,
				 struct sm_err *err);

#endif
