/* SPDX-License-Identifier: Apache-2.0
 *
 * A stage made for the tests of the stage frame: it writes one small file an item. Included once by
 * each of
 * them. */
#ifndef SM_TESTS_STAGE_MADE_H
#define SM_TESTS_STAGE_MADE_H

#include "tests/unit/tap.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/journal.h"
#include "core/stage.h"
#include "core/sums.h"

struct options {
	int64_t items, bad, broken, block, unread, heavy;
	char *text;
	bool early, declares, late, spoil;
};
#define AT(member) .offset = offsetof(struct options, member)
static const struct sm_field fields[] = {
	{"items", SM_F_INT, AT(items), "5", 0, 1000, .doc = "items made"},
	{"bad", SM_F_INT, AT(bad), "-1", -1, 1000, .doc = "item that is bad input"},
	{"broken", SM_F_INT, AT(broken), "-1", -1, 1000, .doc = "item whose writing fails"},
	{"block", SM_F_INT, AT(block), "0", 0, 1000,
	 .doc = "MiB of budget each item holds a while"},
	{"unread", SM_F_INT, AT(unread), "-1", -1, 1000, .doc = "item whose input cannot be read"},
	{"heavy", SM_F_INT, AT(heavy), "-1", -1, 1000, .doc = "item that takes longest"},
	{"late", SM_F_BOOL, AT(late), "false",
	 .doc = "files get their names when the item is done"},
	{"declares", SM_F_BOOL, AT(declares), "false",
	 .doc = "items have inputs, declared late if allowed"},
	{"early", SM_F_BOOL, AT(early), "false", .doc = "fail before any item"},
	{"spoil", SM_F_BOOL, AT(spoil), "false",
	 .doc = "change the parent's ledger while it is read", .no_setting = true},
	{"text", SM_F_STRING, AT(text), "hello", .doc = "what is written"},
};
static const struct sm_fieldset options = SM_FIELDSET("options", struct options, fields, NULL);

/* How many items were worked on, kept in a file so that the stage itself has no global. */
static enum sm_status count_work(struct sm_run *run, struct sm_err *err)
{
	char *path = sm_strf("%s/../worked", run->out);
	int fd = open(path, O_CREAT | O_APPEND | O_WRONLY, 0600);
	free(path);
	bool good = fd >= 0 && write(fd, "x", 1) == 1;
	close(fd);
	return good ? SM_OK : SM_FAIL(err, SM_IO, "worked");
}

static const char *key(void *ctx, size_t i)
{
	struct sm_run *run = ctx;
	(void)run;
	static const char names[10][8] = {"i0", "i1", "i2", "i3", "i4",
					  "i5", "i6", "i7", "i8", "i9"};
	return names[i];
}

static enum sm_status declare(const struct options *o, size_t i, struct sm_item *item,
			      struct sm_err *err)
{
	char hex[65];
	if ((int64_t)i == o->unread)
		return SM_FAIL(err, SM_INPUT, "item %zu: input cannot be read", i);
	sm_sha256_bytes(item->key, strlen(item->key), hex);
	return sm_item_input(item, "text", item->key, hex, err);
}

static enum sm_status inputs(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	return sm_item_defer_inputs(item) ? SM_OK
					  : declare(((struct sm_run *)ctx)->options, i, item, err);
}

static double weight(void *ctx, size_t i)
{
	return ((const struct options *)((struct sm_run *)ctx)->options)->heavy == (int64_t)i;
}

/* The hash of the bytes is no hash of anything: the list must take it as it is. */
static enum sm_status write_late(const struct options *o, struct sm_item *item, const char *path,
				 const char *name, struct sm_err *err)
{
	char hex[65] = {0};
	memset(hex, 'f', 64);
	unlink(path); /* an earlier run's */
	SM_TRY(sm_outset_write(&item->files, path, o->text, strlen(o->text), err));
	if (sm_file_exists(path))
		return SM_FAIL(err, SM_INTERNAL, "%s: has its name already", name);
	return sm_item_file_hash(item, name, hex, err);
}

static enum sm_status work(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	struct sm_run *run = ctx;
	const struct options *o = run->options;
	char hex[65];
	SM_TRY(count_work(run, err));
	json_object_set_new(item->record, "begun", json_true());
	if (item->deferred) {
		if ((int64_t)i == o->unread)
			return SM_FAIL(err, SM_INPUT, "item %zu: another sentence", i);
		if (i % 2 == 0) /* the others fail before they come to it, or forget it */
			SM_TRY(declare(o, i, item, err));
	}
	if (o->block) {
		void *held = sm_alloc(&run->mem, (size_t)o->block, 1 << 20, "block", err);
		if (!held)
			return SM_BUDGET;
		usleep(3000);
		sm_free(held);
	}
	if ((int64_t)i == o->broken)
		return SM_FAIL(err, SM_IO, "item %zu: disk trouble", i);
	char *name = sm_strf("%s.txt", item->key), *path = sm_path_join(run->out, name);
	enum sm_status st = o->late ? write_late(o, item, path, name, err)
				    : sm_file_write(path, o->text, strlen(o->text), err);
	sm_sha256_bytes(o->text, strlen(o->text), hex);
	if (st == SM_OK)
		st = sm_item_output(item, "text", name, hex, err);
	free(name);
	free(path);
	if (st == SM_OK && (int64_t)i == o->bad)
		st = SM_FAIL(err, SM_INPUT, "item %zu: field is 7, allowed is 8", i);
	return st;
}

/* Inverts bit 0 of a byte in the middle of a file, in place. */
static void change(const char *dir, const char *name)
{
	char *path = sm_path_join(dir, name), c;
	int fd = open(path, O_RDWR);
	off_t at = lseek(fd, 0, SEEK_END) - 20;
	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= 1;
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	close(fd);
	free(path);
}

/* A ledger that changes while a stage looks at it: what it no longer tells looks like what is not
 * there. */
static enum sm_status spoil(struct sm_run *run, struct sm_err *err)
{
	struct sm_ledger parent;
	SM_TRY(sm_run_parent(run, run->in, NULL, &parent, err));
	change(run->in, SM_LEDGER_NAME);
	char *text = sm_ledger_text(&parent, "i4", "fold");
	enum sm_status st = text ? SM_OK : SM_FAIL(err, SM_INPUT, "i4: its fold is missing");
	free(text);
	sm_ledger_clear(&parent);
	return st;
}

static enum sm_status run_stage(struct sm_run *run, struct sm_err *err)
{
	const struct options *o = run->options;
	if (o->spoil)
		return spoil(run, err);
	if (o->early)
		return SM_FAIL(err, SM_INPUT, "nothing to do");
	struct sm_items items = {
		.count = (size_t)o->items, .noun = "things", .ctx = run, .key = key, .work = work};
	if (o->declares)
		items.inputs = inputs;
	if (o->heavy >= 0)
		items.weight = weight;
	return sm_run_items(run, &items, err);
}

static const struct sm_stage stage = {
	.name = "teststage",
	.summary = "writes texts",
	.version = 3,
	.needs = SM_NEEDS_OUT,
	.options = &options,
	.run = run_stage,
};

static char *top, *out;

static int stage_main(const char *more)
{
	char *line = sm_strf("teststage --log error --out %s %s", out, more);
	char *argv[32];
	int argc = 0;
	for (char *w = strtok(line, " "); w && argc < 31; w = strtok(NULL, " "))
		argv[argc++] = w;
	argv[argc] = NULL;
	int saved = dup(2), null = open("/dev/null", O_WRONLY);
	dup2(null, 2);
	int code = sm_stage_main(&stage, argc, argv);
	dup2(saved, 2);
	close(saved);
	close(null);
	free(line);
	return code;
}

static inline size_t worked(void)
{
	unsigned char *data = NULL;
	size_t n = 0;
	char *path = sm_path_join(top, "worked");
	sm_file_read(path, 0, NULL, &data, &n, NULL);
	sm_free(data);
	unlink(path);
	free(path);
	return n;
}

static inline bool there(const char *name)
{
	char *path = sm_path_join(out, name);
	bool yes = sm_file_exists(path);
	free(path);
	return yes;
}

static int set_up(void **state)
{
	(void)state;
	char path[] = "/tmp/sm-stage-XXXXXX";
	top = strdup(mkdtemp(path));
	out = sm_path_join(top, "out");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	struct sm_paths p;
	if (sm_walk(top, &p, NULL) == SM_OK) {
		for (size_t i = 0; i < p.count; i++) {
			char *full = sm_path_join(top, p.path[i]);
			unlink(full);
			free(full);
		}
		sm_paths_clear(&p);
	}
	sm_remove_partials(top, NULL, NULL);
	sm_remove_empty_folders(top);
	rmdir(out);
	rmdir(top);
	free(out);
	free(top);
	return 0;
}

#endif
