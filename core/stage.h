/* SPDX-License-Identifier: Apache-2.0
 *
 * The contract of every stage: common options, manifest, memory budget, log, ledger, items with
 * rejection and resume, exit code. A stage's main file is a table and a run function.
 */
#ifndef SM_CORE_STAGE_H
#define SM_CORE_STAGE_H

#define SM_VERSION "0.1.0"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/field.h"
#include "core/file.h"
#include "core/ledger.h"
#include "core/log.h"
#include "core/mem.h"

struct sm_run;

enum {                        /* sm_stage.needs */
       SM_NEEDS_IN = 1,       /* --in must be given */
       SM_NEEDS_OUT = 2,      /* --out must be given; it is made, locked, and gets the ledger */
       SM_NEEDS_MANIFEST = 4, /* --manifest must be given */
       SM_NO_LEDGER = 8,      /* a tool: --out, if any, gets no ledger */
       SM_BY_ITEM = 16, /* no output depends on several items but such as the header names: --only
			   is allowed */
       SM_IN_MAY_BE_FILE = 32, /* --in is a folder or a single file */
};

struct sm_stage {
	const char *name;    /* "tile"; the program is scanmill-tile */
	const char *summary; /* one line for --help */
	const char *details; /* paragraphs for --help: inputs, outputs, examples; may be NULL */
	const char *args;    /* what stands after the options ("FILE..."), NULL = none allowed */
	int version;         /* raise when outputs change for the same inputs */
	unsigned needs;
	const struct sm_fieldset *options;  /* the stage's own options, NULL = none */
	const struct sm_fieldset *manifest; /* root schema, NULL = takes no manifest */
	const char *const
		*sections; /* manifest sections that change this stage's outputs, NULL-ended */
	enum sm_status (*run)(struct sm_run *run, struct sm_err *err);
};

/* All that a stage's run function gets. */
struct sm_run {
	const struct sm_stage *stage;
	const char *in, *out;   /* folders (in: see SM_IN_MAY_BE_FILE); NULL when not given */
	int jobs;               /* threads, at least 1 */
	uint64_t seed;
	bool resume, strict, dry_run;
	const void *options;    /* the struct of stage->options */
	const void *manifest;   /* the root struct; defaults only when no --manifest was given */
	bool manifest_given;
	const char *manifest_path; /* as given; NULL when not */
	const char *const *only;   /* sorted keys of --only; NULL = all items */
	size_t only_count;
	const char *const *args;
	size_t arg_count;
	struct sm_log log;
	struct sm_mem mem;
	struct sm_arena arena;  /* for strings that live as long as the run; main thread only */
	struct sm_ledger
		ledger;         /* being made: run may add to header and records (sm_records_add) */
	size_t rejected;        /* rejected items: exit code 1, or 3 when none was good */
	const char *const *given; /* keys of the options on the command line, NULL-ended */
	struct sm_journal *journal; /* items that an earlier run finished; stage.c's own */
	struct sm_parent *parents;  /* of sm_run_parent; core/reuse.c's own */
};

/* True when the option stood on the command line (key as in the table: "seed", "empty_et"). */
bool sm_run_given(const struct sm_run *run, const char *key);

/* The whole life of a stage: parses, runs, writes the ledger, frees; returns the exit code. */
int sm_stage_main(const struct sm_stage *stage, int argc, char **argv);

/* From now on the stage counts as unfinished until its new ledger is written. sm_run_items does it;
 * a stage that writes an output before or without items calls it first. */
enum sm_status sm_run_begin(struct sm_run *run, struct sm_err *err);

/* Settings of a manifest section that this run turned out to depend on, besides those that its
 * stage names, without the keys of `leave_out` (NULL-ended): they go into the header, and its hash
 * of the settings. Before any item. */
enum sm_status sm_run_section(struct sm_run *run, const char *section,
			      const char *const *leave_out, struct sm_err *err);

/* Reads another stage's ledger (DIR/ledger.jsonl) and notes its hash in the header under
 * "parents"[name]. The caller clears it. `stage` is the stage that must have written it. SM_INPUT
 * when it holds some items only (--only) and this run works on all. */
enum sm_status sm_run_parent(struct sm_run *run, const char *dir, const char *stage,
			     struct sm_ledger *out, struct sm_err *err);

struct sm_text;
/* Writes OUT/name, an output of the run as a whole, and adds it to `outputs`, which the caller put
 * into the header. */
enum sm_status sm_run_write(struct sm_run *run, const char *name, const char *role,
			    const struct sm_text *text, json_t *outputs, struct sm_err *err);

/* One item at work; made by sm_run_items, used by one thread. */
struct sm_item {
	struct sm_run *run;
	const char *key;
	json_t *record; /* what will stand in the ledger: the work function may add its own fields
			 */
	int jobs;       /* threads this item may use inside */
	bool may_defer, deferred; /* see sm_item_defer_inputs */
	bool may_keep;            /* an earlier run has a record of it */
	/* Files added here get their names and are synced when the work function is done, while the
	 * next item is at work; those of a rejected item never get one. */
	struct sm_outset files;
	json_t *file_hashes; /* see sm_item_file_hash */
	json_t *from;        /* see sm_item_input_from */
};

/* A list of items. work runs on run->jobs threads; its failures of kind SM_INPUT and SM_BUDGET
 * reject the item (run goes on unless --strict), others stop the stage. */
struct sm_items {
	size_t count;
	const char *noun; /* "case", "series": for progress */
	void *ctx;
	const char *(*key)(void *ctx, size_t i); /* unique, safe as a file name */
	/* Declares what the item depends on, by sm_item_input; cheap: hashes come from the parent
	 * ledger when there is one, or are left to work (sm_item_defer_inputs). May be NULL. */
	enum sm_status (*inputs)(void *ctx, size_t i, struct sm_item *item, struct sm_err *err);
	enum sm_status (*work)(void *ctx, size_t i, struct sm_item *item, struct sm_err *err);
	/* With --dry-run: SM_INPUT and the sentence when it is known, without working, that work
	 * would reject the item, else SM_OK. May be NULL. */
	enum sm_status (*foresee)(void *ctx, size_t i, struct sm_item *item, struct sm_err *err);
	/* About how long the item takes, in any unit: the longest begin, so that no core waits for
	 * the last one at the end. May be NULL: in index order. */
	double (*weight)(void *ctx, size_t i);
	bool dry_code; /* a dry run ends with the code of the run that it foresees, instead of 0 */
	bool writes_nothing;   /* work has no outputs: it is done with --dry-run, too, and not
				  journalled */
	const char *good_word; /* how the log calls items that were not rejected; NULL = "good" */
};

/* Runs all items and adds one record each to run->ledger, whose records are sorted then. With
 * --resume an item is reused when its inputs, the options, the manifest sections and the stage
 * version are those of an earlier run (finished or killed), its outputs still have the bytes that
 * were written, and the files of sm_item_input_from their content. With --dry-run only prints what
 * would be done and, as far as foresee knows it, what would be rejected; no record is rejected
 * then. With --only the other items are passed over; SM_USAGE when one of its keys is no item. */
enum sm_status sm_run_items(struct sm_run *run, const struct sm_items *items, struct sm_err *err);

/* For inputs functions. True: nothing has to be decided by this item's inputs before its work, so
 * the work function shall declare them, by sm_item_input, while it reads them (item->deferred says
 * so there). When it fails, inputs is called again to declare them, and this is false. */
bool sm_item_defer_inputs(struct sm_item *item);

/* For work and inputs functions. path is relative (see ledger.h); sha256 the content's identity. */
enum sm_status sm_item_input(struct sm_item *item, const char *role, const char *path,
			     const char *sha256, struct sm_err *err);
enum sm_status sm_item_output(struct sm_item *item, const char *role, const char *path,
			      const char *sha256, struct sm_err *err);
/* An input that is dir/path, an output of another stage, with the hash that this one's ledger says:
 * the item is kept from an earlier run only if the file is still that. Else work shall find out, as
 * without --resume. */
enum sm_status sm_item_input_from(struct sm_item *item, const char *dir, const char *role,
				  const char *path, const char *sha256, struct sm_err *err);
/* The hash of an output's bytes, known from writing: spares files.sha256 to read it. path as for
 * sm_item_output. */
enum sm_status sm_item_file_hash(struct sm_item *item, const char *path, const char *sha256,
				 struct sm_err *err);
/* A warning: a log line and an entry of the record's "warnings". */
void sm_item_warn(struct sm_item *item, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
