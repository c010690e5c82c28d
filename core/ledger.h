/* SPDX-License-Identifier: Apache-2.0
 *
 * The ledger: ledger.jsonl beside a stage's outputs. Line 1 is a header (schema, stage, version,
 * resolved options, hash of the manifest sections, hashes of the parent ledgers), then one record
 * an item, sorted by key. No clock, host or absolute path. It is written last: its presence means
 * that the stage finished, and Make uses it as the target.
 *
 * A record: {"key", "status": "ok"|"rejected", "code", "reason" (rejected only), "patient",
 * "inputs": [{"path","sha256"}], "outputs": [{"role","path","sha256"}], ... stage's own fields}.
 * Paths are relative to the folder of the ledger (outputs) or of the stage's input (inputs).
 */
#ifndef SM_CORE_LEDGER_H
#define SM_CORE_LEDGER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/records.h"

#define SM_LEDGER_NAME "ledger.jsonl"
#define SM_LEDGER_SCHEMA 1

struct sm_ledger {
	json_t *header;  /* object */
	struct sm_records *records; /* sorted by key once read or written; parsed one by one
				       (core/records.h) */
	char sha256[65]; /* of the file's bytes, after read or write */
};

/* Reads DIR/ledger.jsonl (or the file itself); checks every line: schema version, statuses, key
 * order, duplicate keys. `stage` (or NULL) is the stage that must have written it. SM_INPUT when it
 * is missing: says that the earlier stage did not finish. The file stays open: what is looked at
 * later is what was hashed, also when another ledger has taken its name, and a record that was
 * changed in place fails. */
enum sm_status sm_ledger_read(const char *dir, const char *stage, struct sm_ledger *out,
			      struct sm_err *err);
/* The same, but header and hash alone: records stay NULL, and what stands in their lines is not
 * looked at. */
enum sm_status sm_ledger_read_head(const char *dir, struct sm_ledger *out, struct sm_err *err);

/* Sorts the records by key; a key that stands twice is SM_INTERNAL. */
enum sm_status sm_ledger_sort(struct sm_ledger *ledger, struct sm_err *err);

/* Hash of the bytes that sm_ledger_write is going to write; the records must be sorted. */
enum sm_status sm_ledger_hash(const struct sm_ledger *ledger, char sha256[65], struct sm_err *err);

/* Sorts the records and writes DIR/ledger.jsonl atomically. */
enum sm_status sm_ledger_write(struct sm_ledger *ledger, const char *dir, struct sm_err *err);
/* The same into a set (core/file.h; NULL = at once). */
struct sm_outset;
enum sm_status sm_ledger_write_in(struct sm_outset *set, struct sm_ledger *ledger, const char *dir,
				  struct sm_err *err);

void sm_ledger_clear(struct sm_ledger *ledger);

/* The record of a key, a new reference; NULL when there is none. */
json_t *sm_ledger_get(const struct sm_ledger *ledger, const char *key);
/* A text of the record of a key, such as "fold", or another value as JSON; malloc memory. NULL when
 * there is none, and when the ledger cannot be read any more: sm_records_check tells. */
char *sm_ledger_text(const struct sm_ledger *ledger, const char *key, const char *name);

/* One line of JSON as ledgers hold it: sorted keys, compact, 17 digits; malloc memory. */
char *sm_json_line(const json_t *value);
/* JSON (flags of jansson) that is YAML with the same meaning, too: reals with the fewest digits
 * that read back as the same, what YAML does not take as it stands as \uXXXX; malloc memory, NULL
 * when out of it. */
char *sm_json_yaml(const json_t *value, size_t flags);

/* Helpers for records (borrowed references, NULL when absent). */
const char *sm_record_key(const json_t *record);
bool sm_record_ok(const json_t *record);
json_t *sm_record_output(const json_t *record, const char *role); /* its {"role","path","sha256"} */
const char *sm_json_text(const json_t *object, const char *name);  /* NULL when absent */
double sm_json_number(const json_t *object, const char *name); /* NaN when it is no number */

/* JSON arrays of numbers, new references. */
json_t *sm_json_ints(const int64_t *v, size_t n);
json_t *sm_json_floats(const double *v, size_t n);
/* Reads exactly n numbers from object[name]; false when absent or of another shape. */
bool sm_json_get_floats(const json_t *object, const char *name, double *v, size_t n);
bool sm_json_get_ints(const json_t *object, const char *name, int64_t *v, size_t n);

#endif
