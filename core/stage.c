/* SPDX-License-Identifier: Apache-2.0 */
#include "core/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/journal.h"
#include "core/manifest.h"
#include "core/opt.h"
#include "core/par.h"
#include "core/reuse.h"
#include "core/sums.h"
#include "core/text.h"

struct common {
	char *manifest, *in, *out;
	struct sm_strings only;
	int64_t jobs, seed, memory;
	bool resume, strict, dry_run, describe, help, version;
	int log;
};

#define AT(member) .offset = offsetof(struct common, member)
static const struct sm_field common_fields[] = {
	{"manifest", SM_F_STRING, AT(manifest), .path = true, .doc = "YAML file with the settings"},
	{"in", SM_F_STRING, AT(in), .path = true, .doc = "input folder"},
	{"out", SM_F_STRING, AT(out), .path = true, .doc = "output folder"},
	{"jobs", SM_F_INT, AT(jobs), "0", 0, 1024,
	 .doc = "threads; 0 = all cores; never changes a result"},
	{"seed", SM_F_INT, AT(seed), "1", 0, 9e15, .doc = "seed for what has none in the manifest"},
	{"memory", SM_F_INT, AT(memory), "0", 0, 1e9,
	 .doc = "memory budget in MiB; 0 = 3/4 of the machine's"},
	{"resume", SM_F_BOOL, AT(resume), "false", .doc = "keep what an earlier run finished"},
	{"strict", SM_F_BOOL, AT(strict), "false", .doc = "stop at the first rejected item"},
	{"only", SM_F_STRINGS, AT(only),
	 .doc = "work on these items alone (keys), into a folder of their own"},
	{"dry_run", SM_F_BOOL, AT(dry_run), "false", .doc = "only say what would be done"},
	{"log", SM_F_CHOICE, AT(log), "info", .choices = "error|warning|info|debug",
	 .doc = "log level"},
	{"describe", SM_F_BOOL, AT(describe), "false",
	 .doc = "print all options and manifest keys as JSON"},
	{"help", SM_F_BOOL, AT(help), "false", .doc = "print this text"},
	{"version", SM_F_BOOL, AT(version), "false", .doc = "print the version"},
};
static const struct sm_fieldset common_set =
	SM_FIELDSET("common", struct common, common_fields, NULL);

bool sm_run_given(const struct sm_run *run, const char *key)
{
	for (const char *const *k = run->given; k && *k; k++)
		if (strcmp(*k, key) == 0)
			return true;
	return false;
}

static void print_help(const struct sm_stage *stage)
{
	printf("scanmill %s: %s\n\nUsage: scanmill %s [options]%s%s\n", stage->name, stage->summary,
	       stage->name, stage->args ? " " : "", stage->args ? stage->args : "");
	if (stage->details)
		printf("\n%s\n", stage->details);
	if (stage->options && stage->options->count) {
		printf("\nOptions of this stage:\n");
		sm_opt_help(stage->options, stdout);
	}
	printf("\nCommon options:\n");
	sm_opt_help(&common_set, stdout);
	if (stage->sections && *stage->sections) {
		printf("\nManifest sections read:");
		for (const char *const *s = stage->sections; *s; s++)
			printf(" %s", *s);
		printf(" (scanmill manifest --describe lists their keys)\n");
	}
	printf("\nExit codes: 0 good, 1 some items rejected, 2 usage or manifest, 3 bad input, "
	       "4 reading or writing failed, 5 internal\n");
}

static void print_description(const struct sm_stage *stage)
{
	json_t *all = json_object();
	json_object_set_new(all, "stage", json_string(stage->name));
	json_object_set_new(all, "version", json_integer(stage->version));
	json_object_set_new(all, "options", sm_fields_describe(stage->options));
	json_object_set_new(all, "common", sm_fields_describe(&common_set));
	json_t *sections = json_object();
	for (const char *const *s = stage->sections; s && *s; s++)
		for (size_t i = 0; i < stage->manifest->count; i++) {
			const struct sm_field *f = &stage->manifest->fields[i];
			/* A key at the root that is no section describes itself. */
			const struct sm_fieldset alone = {.name = f->key, .fields = f, .count = 1};
			if (strcmp(f->key, *s) == 0)
				json_object_set_new(sections, *s,
						    sm_fields_describe(f->of ? f->of : &alone));
		}
	json_object_set_new(all, "manifest", sections);
	char *text = json_dumps(all, JSON_INDENT(2));
	if (text)
		puts(text);
	free(text);
	json_decref(all);
}

/* The settings that decide outputs: own options, seed, the stage's manifest sections. */
static json_t *settings_of(const struct sm_run *run)
{
	const struct sm_stage *stage = run->stage;
	json_t *settings = json_object(), *sections = json_object();
	json_object_set_new(settings, "options", sm_fields_dump(stage->options, run->options));
	json_object_set_new(settings, "seed", json_integer((json_int_t)run->seed));
	/* A given seed stands above the manifest's, also when it is the default. */
	if (sm_run_given(run, "seed"))
		json_object_set_new(settings, "seed_given", json_true());
	json_t *whole = sm_fields_dump(stage->manifest, run->manifest);
	for (const char *const *s = stage->sections; s && *s; s++)
		json_object_set(sections, *s, json_object_get(whole, *s));
	json_decref(whole);
	json_object_set_new(settings, "manifest", sections);
	return settings;
}

static enum sm_status settings_hash(const json_t *settings, char hex[65], struct sm_err *err)
{
	char *line = sm_json_line(settings);
	if (!line)
		return SM_FAIL(err, SM_BUDGET, "ledger: out of memory");
	sm_sha256_bytes(line, strlen(line), hex);
	free(line);
	return SM_OK;
}

enum sm_status sm_run_section(struct sm_run *run, const char *section,
			      const char *const *leave_out, struct sm_err *err)
{
	json_t *header = run->ledger.header, *settings = json_object_get(header, "settings");
	json_t *whole = sm_fields_dump(run->stage->manifest, run->manifest);
	json_t *its = json_object_get(whole, section);
	char hex[65];
	for (; *leave_out; leave_out++)
		json_object_del(its, *leave_out);
	json_object_set(json_object_get(settings, "manifest"), section, its);
	json_decref(whole);
	SM_TRY(settings_hash(settings, hex, err));
	json_object_set_new(header, "settings_sha256", json_string(hex));
	return SM_OK;
}

static enum sm_status begin_ledger(struct sm_run *run, struct sm_err *err)
{
	json_t *header = json_object();
	json_t *settings = settings_of(run);
	char hex[65];
	run->ledger.header = header;
	run->ledger.records = sm_records_new(run->dry_run ? NULL : run->out);
	if (!header || !run->ledger.records || settings_hash(settings, hex, err) != SM_OK) {
		json_decref(settings);
		return SM_FAIL(err, SM_BUDGET, "ledger: out of memory");
	}
	json_object_set_new(header, "schema", json_integer(SM_LEDGER_SCHEMA));
	json_object_set_new(header, "stage", json_string(run->stage->name));
	json_object_set_new(header, "version", json_integer(run->stage->version));
	json_object_set_new(header, "settings", settings);
	json_object_set_new(header, "settings_sha256", json_string(hex));
	json_object_set_new(header, "parents", json_object());
	for (size_t i = 0; i < run->only_count; i++) {
		if (!i)
			json_object_set_new(header, "only", json_array());
		json_array_append_new(json_object_get(header, "only"), json_string(run->only[i]));
	}
	return SM_OK;
}

enum sm_status sm_run_parent(struct sm_run *run, const char *dir, const char *stage,
			     struct sm_ledger *out, struct sm_err *err)
{
	SM_TRY(sm_ledger_read(dir, stage, out, err));
	if (json_object_get(out->header, "only") && !run->only_count) {
		sm_ledger_clear(out);
		return SM_FAIL(
			err, SM_INPUT,
			"%s: holds some items only (it was made with --only), needed are all", dir);
	}
	json_object_set_new(json_object_get(run->ledger.header, "parents"),
			    stage ? stage : sm_json_text(out->header, "stage"),
			    json_string(out->sha256));
	return sm_reuse_parent(run, out, dir, err);
}

/* One run at a time may write a folder; the lock goes with the process. */
static enum sm_status lock_folder(const char *dir, int *fd, struct sm_err *err)
{
	*fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0)
		return SM_FAIL(err, SM_IO, "%s: cannot be opened: %s", dir, strerror(errno));
	if (flock(*fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		return SM_OK;
	close(*fd);
	*fd = -1;
	return SM_FAIL(err, SM_IO, "%s: another run is writing there", dir);
}

static enum sm_status prepare_out(struct sm_run *run, int *lock, struct sm_err *err)
{
	if (!run->out || run->dry_run)
		return SM_OK;
	SM_TRY(sm_mkdirs(run->out, err));
	SM_TRY(lock_folder(run->out, lock, err));
	if (access(run->out, W_OK | X_OK) != 0)
		return SM_FAIL(err, SM_IO, "%s: folder cannot be written: %s", run->out,
			       strerror(errno));
	if (run->stage->needs & SM_NO_LEDGER)
		return SM_OK; /* a tool's --out may be anybody's folder: nothing is swept there */
	SM_TRY(sm_journal_open(run->out, run->stage->name, &run->journal, err));
	/* Each would sweep away what the other has made. */
	bool partial;
	if (!sm_journal_found(run->journal, &partial) || partial == (run->only_count > 0))
		return SM_OK;
	return SM_FAIL(err, SM_USAGE,
		       "--out: %s holds %s, with%s --only allowed is a folder of its own", run->out,
		       partial ? "some items only (--only)" : "a whole run", partial ? "out" : "");
}

enum sm_status sm_run_begin(struct sm_run *run, struct sm_err *err)
{
	const json_t *only = json_object_get(run->ledger.header, "only");
	return run->journal && !run->dry_run ? sm_journal_begin(run->journal, only, err) : SM_OK;
}

/* The ledger last: its presence says that all the rest is there. */
static enum sm_status finish_out(struct sm_run *run, struct sm_err *err)
{
	if (!run->journal)
		return SM_OK;
	SM_TRY(sm_run_begin(run, err));
	struct sm_outset set = {0};
	enum sm_status st;
	SM_GOTO(st, sm_ledger_sort(&run->ledger, err));
	SM_GOTO(st, sm_journal_sweep(run->journal, &run->ledger, err));
	sm_remove_empty_folders(run->out); /* of rejected items, of a killed run */
	SM_GOTO(st, sm_sums_write(&run->ledger, run->out, run->jobs, &set, err));
	SM_GOTO(st, sm_ledger_write_in(&set, &run->ledger, run->out, err));
	SM_GOTO(st, sm_outset_commit(&set, err));
	st = sm_journal_finish(run->journal, err);
out:
	sm_outset_abandon(&set);
	return st;
}

static enum sm_status check_needs(const struct sm_stage *stage, const struct common *c,
				  const char *const *args, struct sm_err *err)
{
	static const struct {
		unsigned bit;
		const char *option;
	} needs[] = {
		{SM_NEEDS_IN, "--in"}, {SM_NEEDS_OUT, "--out"}, {SM_NEEDS_MANIFEST, "--manifest"}};
	const char *have[] = {c->in, c->out, c->manifest};
	if (c->only.n && !(stage->needs & SM_BY_ITEM))
		return SM_FAIL(err, SM_USAGE, "--only: stage %s works on all items at once",
			       stage->name);
	for (size_t i = 0; i < SM_COUNT(needs); i++)
		if (have[i] && !*have[i])
			return SM_FAIL(err, SM_USAGE, "%s: is empty, needed is a path",
				       needs[i].option);
	for (size_t i = 0; i < SM_COUNT(needs); i++)
		if ((stage->needs & needs[i].bit) && !have[i])
			return SM_FAIL(err, SM_USAGE, "%s: is missing (--help lists the options)",
				       needs[i].option);
	if (args[0] && !stage->args)
		return SM_FAIL(err, SM_USAGE, "argument '%s': this stage takes options only",
			       args[0]);
	errno = 0;
	if (c->in && !sm_is_dir(c->in) && !sm_file_absent(c->in) && errno == EACCES)
		return SM_FAIL(err, SM_IO, "--in: %s: cannot be examined: %s", c->in,
			       strerror(errno));
	bool file = c->in && (stage->needs & SM_IN_MAY_BE_FILE) && sm_file_exists(c->in);
	if (c->in && !sm_is_dir(c->in) && !file)
		return SM_FAIL(err, SM_USAGE, "--in: %s %s, needed is a folder%s", c->in,
			       sm_file_exists(c->in) ? "is a file" : "does not exist",
			       stage->needs & SM_IN_MAY_BE_FILE ? " or a file" : "");
	if (c->in && c->out && sm_path_is_below(c->out, c->in))
		return SM_FAIL(
			err, SM_USAGE,
			"--out: %s is the input folder or lies in it, allowed is a place outside",
			c->out);
	return SM_OK;
}

static enum sm_status load_manifest(struct sm_run *run, const char *path, struct sm_manifest *m,
				    struct sm_err *err)
{
	if (!run->stage->manifest) {
		if (path)
			return SM_FAIL(err, SM_USAGE, "--manifest: this stage takes none");
		return SM_OK;
	}
	if (path && !sm_file_exists(path))
		return SM_FAIL(err, SM_USAGE, "--manifest: %s does not exist", path);
	if (path) {
		SM_TRY(sm_manifest_load(path, run->stage->manifest, m, err));
	} else {
		m->root = sm_arena_alloc(&m->arena, run->stage->manifest->size);
		if (!m->root)
			return SM_FAIL(err, SM_BUDGET, "manifest: out of memory");
		SM_TRY(sm_fields_default(run->stage->manifest, m->root, &m->arena, err));
	}
	run->manifest = m->root;
	run->manifest_given = path;
	run->manifest_path = path;
	return SM_OK;
}

/* A relative folder gets a './': a sentence with a path in it then tells it from a path that begins
 * with a folder of the same name inside it. */
static enum sm_status mark_place(char **path, struct sm_arena *arena, struct sm_err *err)
{
	const char *p = *path;
	if (!p || !*p || *p == '/' || strcmp(p, ".") == 0 || strcmp(p, "..") == 0 ||
	    strncmp(p, "./", 2) == 0 || strncmp(p, "../", 3) == 0)
		return SM_OK;
	size_t n = strlen(p);
	char *text = sm_arena_alloc(arena, n + 3);
	if (!text)
		return SM_FAIL(err, SM_BUDGET, "out of memory");
	memcpy(text, "./", 2);
	memcpy(text + 2, p, n + 1);
	*path = text;
	return SM_OK;
}

static enum sm_status mark_places(const struct sm_fieldset *set, void *base, struct sm_arena *arena,
				  struct sm_err *err)
{
	for (size_t i = 0; set && i < set->count; i++)
		if (set->fields[i].path && set->fields[i].kind == SM_F_STRING)
			SM_TRY(mark_place((char **)((char *)base + set->fields[i].offset), arena,
					  err));
	return SM_OK;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum sm_status live(struct sm_run *run, const struct common *c, struct sm_manifest *manifest,
			   int *lock, struct sm_err *err)
{
	run->in = c->in;
	run->out = c->out;
	run->jobs = c->jobs ? (int)c->jobs : sm_par_cores();
	run->seed = (uint64_t)c->seed;
	run->resume = c->resume;
	run->strict = c->strict;
	if (c->only.n)
		qsort(c->only.v, c->only.n, sizeof *c->only.v, by_text);
	run->only = (const char *const *)c->only.v;
	run->only_count = c->only.n;
	run->dry_run = c->dry_run;
	run->log.level = (enum sm_log_level)c->log;
	sm_mem_init(&run->mem, (size_t)c->memory << 20);
	SM_TRY(check_needs(run->stage, c, run->args, err));
	SM_TRY(load_manifest(run, c->manifest, manifest, err));
	SM_TRY(begin_ledger(run, err));
	SM_TRY(prepare_out(run, lock, err));
	enum sm_status st = run->stage->run(run, err);
	/* A record that could not be read looked like one that is not there: that explains what was
	 * found wrong since. */
	SM_TRY(sm_reuse_check(run, err));
	SM_TRY(st);
	if (!run->dry_run)
		SM_TRY(finish_out(run, err));
	if (fflush(stdout) != 0 || ferror(stdout))
		return SM_FAIL(err, SM_IO, "standard output: writing failed");
	return SM_OK;
}

static int exit_code(const struct sm_run *run, enum sm_status st)
{
	if (st != SM_OK)
		return sm_exit_code(st);
	if (!run->rejected)
		return 0;
	/* With not one good item the stage as a whole had bad input. */
	return run->rejected == sm_records_count(run->ledger.records) ? 3 : 1;
}

int sm_stage_main(const struct sm_stage *stage, int argc, char **argv)
{
	struct sm_run run = {.stage = stage};
	struct common c = {0};
	struct sm_err err = {0};
	struct sm_manifest manifest = {0};
	const char **given = NULL, **args = NULL;
	int lock = -1, code = -1;
	/* A write beyond the limit on file sizes shall fail like any other, with a sentence. */
	signal(SIGXFSZ, SIG_IGN);
	sm_log_init(&run.log, stage->name, SM_LOG_INFO);
	void *own = sm_arena_alloc(&run.arena, stage->options ? stage->options->size : 1);
	struct sm_opt_set sets[] = {{stage->options, own}, {&common_set, &c}};
	enum sm_status st = own ? SM_OK : SM_FAIL(&err, SM_BUDGET, "out of memory");
	for (size_t i = 0; st == SM_OK && i < SM_COUNT(sets); i++)
		if (sets[i].table)
			st = sm_fields_default(sets[i].table, sets[i].base, &run.arena, &err);
	if (st == SM_OK)
		st = sm_opt_parse(sets, SM_COUNT(sets), argc, argv, &run.arena, &given, &args,
				  &err);
	if (st == SM_OK && (c.help || c.describe || c.version)) {
		if (c.help)
			print_help(stage);
		else if (c.describe)
			print_description(stage);
		else
			printf("scanmill %s %s\n", stage->name, SM_VERSION);
		code = fflush(stdout) == 0 ? 0 : sm_exit_code(SM_IO);
		goto out;
	}
	for (size_t i = 0; st == SM_OK && i < SM_COUNT(sets); i++)
		st = mark_places(sets[i].table, sets[i].base, &run.arena, &err);
	if (st == SM_OK) {
		run.options = own;
		run.given = given;
		run.args = args;
		while (args[run.arg_count])
			run.arg_count++;
		bool there = c.out && sm_file_exists(c.out);
		st = live(&run, &c, &manifest, &lock, &err);
		/* A run that was refused leaves no folder of its own: this fails when something is
		 * in it. */
		if (st != SM_OK && !there && lock >= 0)
			rmdir(c.out);
	}
	if (st != SM_OK) {
		sm_error(&run.log, NULL, "%s", err.text);
		sm_debug(&run.log, NULL, "raised at %s:%d", err.origin ? err.origin : "?",
			 err.line);
	}
	code = exit_code(&run, st);
out:
	sm_journal_close(run.journal);
	sm_ledger_clear(&run.ledger);
	sm_reuse_clear(&run);
	sm_manifest_clear(&manifest);
	sm_arena_clear(&run.arena);
	if (lock >= 0)
		close(lock);
	return code;
}

enum sm_status sm_run_write(struct sm_run *run, const char *name, const char *role,
			    const struct sm_text *text, json_t *outputs, struct sm_err *err)
{
	char hex[65], *path = sm_path_join(run->out, name);
	enum sm_status st = path ? sm_text_check(text, name, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	if (st == SM_OK)
		st = sm_file_write(path, text->data, text->n, err);
	free(path);
	SM_TRY(st);
	sm_sha256_bytes(text->data, text->n, hex);
	json_array_append_new(
		outputs, json_pack("{s:s, s:s, s:s}", "path", name, "role", role, "sha256", hex));
	return SM_OK;
}
