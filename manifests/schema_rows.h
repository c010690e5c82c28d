/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the schema: short forms of the rows of its tables, and the tables that stand in files
 * of their own. Not for other
 * modules. */
#ifndef SM_MANIFESTS_SCHEMA_ROWS_H
#define SM_MANIFESTS_SCHEMA_ROWS_H

#include "manifests/schema.h"

#define AT(type, member) .offset = offsetof(struct type, member)
#define REAL(type, member, def, lo, hi, text) \
	{ #member, SM_F_FLOAT, AT(type, member), def, lo, hi, .doc = text }
#define WHOLE(type, member, def, lo, hi, text) \
	{ #member, SM_F_INT, AT(type, member), def, lo, hi, .doc = text }
#define ONEOF(type, member, def, list, text) \
	{ #member, SM_F_CHOICE, AT(type, member), def, .choices = list, .doc = text }
/* The same of a field that counts only where others of the section say so (struct sm_field,
 * only). */
#define REAL_IF(type, member, when, def, lo, hi, text) \
	{ #member, SM_F_FLOAT, AT(type, member), def, lo, hi, .doc = text, .only = when }
#define WHOLE_IF(type, member, when, def, lo, hi, text) \
	{ #member, SM_F_INT, AT(type, member), def, lo, hi, .doc = text, .only = when }
#define ONEOF_IF(type, member, when, def, list, text) \
	{ #member, SM_F_CHOICE, AT(type, member), def, .choices = list, .doc = text, .only = when }
#define SEED(type) WHOLE(type, seed, "1", 0, 9e15, "seed of every random draw of this section")
#define GZ(type, def) \
	ONEOF(type, compression, def, "0|1|2|3|4|5|6|7|8|9|10|11|12", "gzip level; 0 = stored")

/* schema_train.c; the third is of struct sm_train_region. */
extern const struct sm_fieldset sm_train_fieldset, sm_predict_fieldset, sm_region_fieldset;
extern const struct sm_fieldset sm_translate_fieldset; /* schema_translate.c */
/* schema_evaluate.c */
extern const struct sm_fieldset sm_evaluate_fieldset, sm_compare_fieldset, sm_report_fieldset;

#endif
