/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage train: tiles, slices or volumes -> checkpoints and the history of the training, once or for
 * each of k folds.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/text.h"
#include "train/mpi.h"
#include "train/training.h"
#include "train/training_plan.h"
#include "train/translate/training.h"

#define FOLDS_CSV "folds.csv"

struct options {
	char *split, *volumes, *fold, *vgg;
	bool restart;
};

#define AT(member) .offset = offsetof(struct options, member)
static const struct sm_field fields[] = {
	{"split", SM_F_STRING, AT(split), .path = true, .doc = "folder of split"},
	{"volumes", SM_F_STRING, AT(volumes), .path = true,
	 .doc = "folder of preprocess, needed by train.valid_volumes"},
	{"fold", SM_F_STRING, AT(fold),
	 .doc = "all: as train.folds all; a number: only the training that this fold of the split "
		"validates"},
	{"vgg", SM_F_STRING, AT(vgg), .path = true,
	 .doc = "dataset pair: Keras' file of VGG-19's weights, needed by translate.content and "
		"translate.style, refused without them"},
	{"restart", SM_F_BOOL, AT(restart), "false", .no_setting = true,
	 .doc = "start from the beginning and replace an earlier training in --out, also with "
		"--resume"},
};
static const struct sm_fieldset options =
	SM_FIELDSET("train", struct options, fields, "options of train");

/* What the trainings of a run share. */
struct job {
	struct sm_run *run;
	const struct sm_train_section *s;
	struct sm_training base; /* filled as far as all have it in common */
	struct sm_ledger data, split;
	struct sm_tile_source *source;
	int64_t folds; /* of the split; 0 = none */
	double *best;  /* by fold: the history's row of its best epoch */
	size_t columns;
	char *names;   /* of the columns */
	const char *stopped;
};

/* The folder of preprocess in the place of that of tile. */
static enum sm_status open_volumes(struct job *j, struct sm_err *err)
{
	static const char *const no_tile[] = {"layout", "compression", NULL};
	const struct sm_train_section *s = j->s;
	SM_TRY(sm_run_section(j->run, "tile", no_tile, err));
	SM_TRY(sm_tile_source_open(j->run, j->run->in, (int)s->classes, &j->source, err));
	j->base.data_stage = "preprocess";
	j->base.data = sm_tile_source_ledger(j->source);
	j->base.source = j->source;
	if (s->valid_volumes && !j->base.volumes_dir)
		j->base.volumes_dir = j->run->in;
	return SM_OK;
}

static enum sm_status read_data(struct job *j, const char *stage, struct sm_err *err)
{
	struct sm_ledger head;
	struct sm_err why = {0};
	char its[32] = "";
	if (strcmp(stage, "tile") == 0 && sm_ledger_read_head(j->run->in, &head, &why) == SM_OK) {
		snprintf(its, sizeof its, "%s", sm_json_text(head.header, "stage"));
		sm_ledger_clear(&head);
	}
	if (strcmp(its, "preprocess") == 0)
		return open_volumes(j, err);
	if (its[0] && strcmp(its, stage) != 0)
		return SM_FAIL(err, SM_INPUT,
			       "%s: ledger is of stage '%s', allowed are tile and preprocess",
			       j->run->in, its);
	j->base.data_stage = stage;
	j->base.data = &j->data;
	return sm_run_parent(j->run, j->run->in, stage, &j->data, err);
}

/* Whole volumes for validation must be those that the samples were cut from. Samples cut out of
 * ingest's volumes, operations in memory, do not say. */
static enum sm_status check_volumes(const struct job *j, struct sm_err *err)
{
	const json_t *parents = json_object_get(j->base.data->header, "parents");
	const char *want = j->source ? j->base.data->sha256 : sm_json_text(parents, "preprocess");
	struct sm_ledger head;
	if (!j->s->valid_volumes || !want)
		return SM_OK;
	SM_TRY(sm_ledger_read_head(j->base.volumes_dir, &head, err));
	bool same = strcmp(head.sha256, want) == 0;
	sm_ledger_clear(&head);
	if (same)
		return SM_OK;
	return SM_FAIL(err, SM_INPUT,
		       "--volumes: %s is not the folder of preprocess that the samples in %s come "
		       "from",
		       j->base.volumes_dir, j->run->in);
}

static enum sm_status read_inputs(struct job *j, struct sm_err *err)
{
	const struct options *o = j->run->options;
	const struct sm_manifest_root *m = j->run->manifest;
	static const char *const stages[] = {"tile", "slice"};
	if (!o->split)
		return SM_FAIL(err, SM_USAGE, "--split: is missing (--help lists the options)");
	j->base.volumes_dir = o->volumes;
	SM_TRY(read_data(j, stages[m->dataset], err));
	if (j->s->valid_volumes && !j->base.volumes_dir)
		return SM_FAIL(err, SM_USAGE,
			       "--volumes: is missing, train.valid_volumes needs the folder of "
			       "preprocess");
	SM_TRY(check_volumes(j, err));
	SM_TRY(sm_run_parent(j->run, o->split, "split", &j->split, err));
	const json_t *manifest = json_object_get(
		json_object_get(j->split.header, "settings"), "manifest");
	j->folds = json_integer_value(json_object_get(json_object_get(manifest, "split"), "folds"));
	return SM_OK;
}

/* What is gone on with stands in the checkpoints, and the ledger is made anew from them; but what
 * cut it may have cut other files, too. */
static enum sm_status check_ledger(const struct job *j, struct sm_err *err)
{
	struct sm_run *run = j->run;
	char *path = sm_path_join(run->out, SM_LEDGER_NAME);
	struct sm_ledger own = {0};
	struct sm_err why = {0};
	if (!path)
		return SM_FAIL(err, SM_BUDGET, "train: out of memory");
	if (run->resume && !j->base.restart && sm_file_exists(path) &&
	    sm_ledger_read(run->out, "train", &own, &why) != SM_OK)
		sm_warn(&run->log, NULL,
			"%s: it is written anew from the checkpoints, if these are whole; compare "
			"the folder with a copy of it when there is one",
			why.text);
	sm_ledger_clear(&own);
	free(path);
	return SM_OK;
}

/* *fold: -1 = the folds by name, -2 = all, else a number. */
static enum sm_status which_folds(const struct job *j, int64_t *fold, struct sm_err *err)
{
	const struct options *o = j->run->options;
	char *end = NULL;
	*fold = j->s->folds == SM_FOLDS_ALL ? -2 : -1;
	if (o->fold && strcmp(o->fold, "all") == 0)
		*fold = -2;
	else if (o->fold) {
		long long n = strtoll(o->fold, &end, 10);
		if (end == o->fold || *end || n < 0 || n >= j->folds)
			return SM_FAIL(err, SM_USAGE,
				       "--fold: found '%s', allowed are all and 0 to %" PRId64
				       " (the split's folds)",
				       o->fold, j->folds - 1);
		*fold = n;
	}
	if (*fold == -2 && j->folds < 2)
		return SM_FAIL(err, SM_USAGE,
			       "train.folds: found all, but the split has no folds: run split with "
			       "split.folds of 2 or more");
	return SM_OK;
}

/* ---- the summary of k folds ----------------------------------------------------------------- */

static enum sm_status keep_best(struct job *j, const struct sm_fit *fit, int64_t fold,
				struct sm_err *err)
{
	const struct sm_history *h = &fit->state.history;
	if (!j->best) {
		j->columns = h->columns;
		j->best = calloc((size_t)j->folds * h->columns, sizeof *j->best);
		j->names = sm_strf("%s", h->names);
	}
	if (!j->best || !j->names)
		return SM_FAIL(err, SM_BUDGET, "train: out of memory");
	memcpy(j->best + (size_t)fold * h->columns,
	       h->v + (size_t)(fit->state.best_epoch - 1) * h->columns,
	       h->columns * sizeof *j->best);
	return SM_OK;
}

static void add_row(struct sm_text *text, const char *name, const double *v, size_t n)
{
	sm_text_str(text, name);
	for (size_t c = 0; c < n; c++)
		sm_text_f(text, ",%.9g", v[c]);
	sm_text_str(text, "\n");
}

/* Rows of the folds' best epochs, then their mean and standard deviation (divisor k - 1). */
static enum sm_status write_summary(struct job *j, struct sm_err *err)
{
	size_t n = (size_t)j->folds, w = j->columns;
	struct sm_text text = {0};
	double *mean = calloc(2 * w, sizeof *mean), *sd = mean ? mean + w : NULL;
	char *path = sm_path_join(j->run->out, FOLDS_CSV), name[32];
	enum sm_status st = SM_OK;
	if (!mean || !path) {
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", FOLDS_CSV);
		goto out;
	}
	sm_text_f(&text, "fold,%s\n", j->names);
	for (size_t f = 0; f < n; f++) {
		snprintf(name, sizeof name, "%zu", f);
		add_row(&text, name, j->best + f * w, w);
	}
	for (size_t c = 0; c < w; c++) {
		for (size_t f = 0; f < n; f++)
			mean[c] += j->best[f * w + c] / (double)n;
		for (size_t f = 0; f < n; f++)
			sd[c] += pow(j->best[f * w + c] - mean[c], 2) / (double)(n - 1);
		sd[c] = sqrt(sd[c]);
	}
	add_row(&text, "mean", mean, w);
	add_row(&text, "sd", sd, w);
	SM_GOTO(st, sm_text_check(&text, FOLDS_CSV, err));
	SM_GOTO(st, sm_file_write(path, text.data, text.n, err));
	char hex[65];
	sm_sha256_bytes(text.data, text.n, hex);
	json_t *record =
		json_pack("{s:s, s:s, s:[{s:s, s:s, s:s}]}", "key", "folds", "status", "ok",
			  "outputs", "path", FOLDS_CSV, "role", "summary", "sha256", hex);
	st = record ? sm_records_add(j->run->ledger.records, record, NULL, err)
		    : SM_FAIL(err, SM_BUDGET, "train: out of memory");
	json_decref(record);
	sm_info(&j->run->log, NULL, "%zu folds: val_loss %.4f +- %.4f, val_dice %.4f +- %.4f", n,
		mean[3], sd[3], mean[4], sd[4]);
out:
	sm_text_clear(&text);
	free(mean);
	free(path);
	return st;
}

/* ---- trainings ------------------------------------------------------------------------------ */

static void describe(struct job *j, const struct sm_training *t)
{
	const struct sm_checkpoint *c = &t->fit.state;
	json_t *header = j->run->ledger.header;
	json_object_set_new(header, "parameters", json_integer(c->parameters));
	json_object_set_new(header, "epochs", json_integer(c->epoch));
	json_object_set_new(header, "best_epoch", json_integer(c->best_epoch));
	json_object_set_new(header, "train_tiles",
			    json_integer((json_int_t)sm_tiles_count(t->train)));
	json_object_set_new(header, "valid_tiles",
			    json_integer((json_int_t)sm_tiles_count(t->valid)));
	if (t->fit.stopped)
		json_object_set_new(header, "stopped", json_string(t->fit.stopped));
}

/* t->dir is malloc memory of the caller, also after a failure. */
static enum sm_status open_training(const struct job *j, int64_t fold, const char *prefix,
				    struct sm_training *t, struct sm_err *err)
{
	char *dir = prefix[0] ? sm_path_join(j->run->out, prefix) : sm_strf("%s", j->run->out);
	*t = j->base;
	t->fold = fold;
	t->dir = dir;
	if (!dir)
		return SM_FAIL(err, SM_BUDGET, "train: out of memory");
	if (dir[strlen(dir) - 1] == '/')
		dir[strlen(dir) - 1] = 0;
	return sm_training_open(t, err);
}

static void close_training(struct sm_training *t)
{
	sm_training_close(t);
	free((void *)(uintptr_t)t->dir);
}

static enum sm_status one_training(struct job *j, int64_t fold, const char *prefix,
				   struct sm_err *err)
{
	struct sm_training t;
	enum sm_status st;
	SM_GOTO(st, open_training(j, fold, prefix, &t, err));
	/* A fold that is finished already plans no network. */
	j->base.told |= t.fit.net != NULL;
	SM_GOTO(st, sm_training_run(&t, err));
	/* Known to ranks behind the first, too: no rank may begin a fold that the others do not. */
	if (t.fit.stopped && strcmp(t.fit.stopped, "time_budget") == 0)
		j->stopped = t.fit.stopped;
	if (j->run->dry_run)
		goto out;
	SM_GOTO(st, sm_training_records(&t, prefix, err));
	describe(j, &t);
	if (prefix[0])
		st = keep_best(j, &t.fit, fold, err);
out:
	close_training(&t);
	return st;
}

static void name_fold(int64_t fold, char prefix[32])
{
	snprintf(prefix, 32, "fold%" PRId64 "/", fold);
}

/* What refuses a fold shall not come up behind hours of the folds before it. What there is to tell
 * is told when each begins. */
static enum sm_status check_folds(struct job *j, struct sm_err *err)
{
	const enum sm_log_level level = j->run->log.level;
	enum sm_status st = SM_OK;
	j->run->log.level = SM_LOG_ERROR;
	for (int64_t f = 0; st == SM_OK && f < j->folds; f++) {
		struct sm_training t;
		char prefix[32];
		name_fold(f, prefix);
		st = open_training(j, f, prefix, &t, err);
		if (st != SM_OK)
			sm_err_prefix(err, "fold %" PRId64, f);
		close_training(&t);
	}
	j->run->log.level = level;
	return st;
}

/* Each fold in a folder of its own. A fold that an earlier run finished is only looked at. */
static enum sm_status all_folds(struct job *j, struct sm_err *err)
{
	if (!j->run->dry_run)
		SM_TRY(check_folds(j, err));
	for (int64_t f = 0; f < j->folds && !j->stopped; f++) {
		char prefix[32];
		name_fold(f, prefix);
		sm_info(&j->run->log, NULL, "fold %" PRId64 " of 0 to %" PRId64, f, j->folds - 1);
		if (one_training(j, f, prefix, err) != SM_OK)
			return sm_err_prefix(err, "fold %" PRId64, f);
	}
	if (j->run->dry_run)
		return SM_OK;
	json_object_set_new(j->run->ledger.header, "folds", json_integer(j->folds));
	if (!j->stopped)
		return write_summary(j, err);
	sm_warn(&j->run->log, NULL, "the time is over before all folds are trained: no %s yet",
		FOLDS_CSV);
	return SM_OK;
}

/* A manifest whose data set are pairs. */
static enum sm_status translate(struct sm_run *run, struct sm_err *err)
{
	const struct sm_manifest_root *m = run->manifest;
	const struct options *o = run->options;
	double minutes = m->translate->time_budget;
	if (sm_mpi_size() > 1)
		return SM_FAIL(
			err, SM_USAGE,
			"dataset: found pair, which one process trains (--jobs threads), not "
			"several ranks");
	if (o->split || o->volumes || o->fold)
		return SM_FAIL(err, SM_USAGE,
			       "--%s: dataset is pair, whose samples have their folds already",
			       o->split     ? "split"
			       : o->volumes ? "volumes"
					    : "fold");
	struct sm_translating t = {
		.run = run,
		.m = m,
		.s = m->translate,
		.seed = sm_run_given(run, "seed") ? run->seed : (uint64_t)m->translate->seed,
		.vgg = o->vgg,
		.restart = o->restart,
		.deadline = minutes > 0 ? sm_now() + 60 * minutes : 0};
	return sm_translate_train(&t, err);
}

static enum sm_status run(struct sm_run *run, struct sm_err *err)
{
	if (((const struct sm_manifest_root *)run->manifest)->dataset == SM_LAST_PAIR)
		return translate(run, err);
	if (((const struct options *)run->options)->vgg)
		return SM_FAIL(err, SM_USAGE, "--vgg: is given, allowed with dataset: pair alone");
	const struct sm_train_section *s = ((const struct sm_manifest_root *)run->manifest)->train;
	struct job j = {.run = run, .s = s};
	int64_t fold;
	enum sm_status st;
	j.base.run = run;
	j.base.s = s;
	j.base.restart = ((const struct options *)run->options)->restart;
	j.base.seed = sm_run_given(run, "seed") ? run->seed : (uint64_t)s->seed;
	j.base.deadline = s->time_budget > 0 ? sm_now() + 60 * s->time_budget : 0;
	j.base.split = &j.split;
	j.base.survey = json_object();
	if (!j.base.survey)
		return SM_FAIL(err, SM_BUDGET, "train: out of memory");
	SM_GOTO(st, read_inputs(&j, err));
	/* Lists of cases grow with the cohort; what an earlier training left in --out does not
	 * count. */
	j.base.program = sm_training_program();
	SM_GOTO(st, which_folds(&j, &fold, err));
	SM_GOTO(st, check_ledger(&j, err));
	st = fold == -2 ? all_folds(&j, err) : one_training(&j, fold, "", err);
out:
	free(j.best);
	free(j.names);
	sm_tile_source_close(j.source);
	json_decref(j.base.survey);
	sm_ledger_clear(&j.data);
	sm_ledger_clear(&j.split);
	return st;
}

static const char *const sections[] = {"train", "translate", NULL};

static const struct sm_stage stage = {
	.name = "train",
	.summary = "train a network on tiles, slices or volumes",
	.details = "Reads the folders of tile (or slice: manifest key dataset) and split, or of "
		   "preprocess and split: tiles\n"
		   "are then cut out of the volumes by section tile, new ones in each epoch. Writes "
		   "best.hdf5, last.hdf5 and\n"
		   "numbered checkpoints (model-EPOCH-VALLOSS.hdf5) and the history "
		   "(model_history_log.csv). --resume goes on\n"
		   "after a run that was killed or whose time was over, or makes a finished "
		   "training longer when\n"
		   "train.epochs was raised; it refuses when a setting that decides weights is "
		   "another (--restart replaces).\n"
		   "--fold all trains each fold of a split with folds, in "
		   "OUT/fold0 and so on.\n"
		   "--jobs are the network's threads. --log debug tells which kernel runs each "
		   "layer and pass.\n"
		   "dataset pair: trains generators of images (section translate) on the "
		   "folder of pair; writes last.hdf5,\n"
		   "epoch-EPOCH.hdf5, training.csv and sample pictures; no --split.\n"
		   "  scanmill train --manifest m.yaml --in work/tile --split work/split --out "
		   "work/train",
	.version = 4,
	.needs = SM_NEEDS_IN | SM_NEEDS_OUT,
	.options = &options,
	.manifest = &sm_manifest_schema,
	.sections = sections,
	.run = run,
};

/* Runs the stage with standard error held back; on failure tells it a second later: what fails all
 * ranks alike (a wrong option, a missing file) is told by the first, which ends this one meanwhile.
 */
static int run_held(int argc, char **argv)
{
	FILE *held = tmpfile();
	int before = held ? dup(STDERR_FILENO) : -1;
	if (before >= 0)
		dup2(fileno(held), STDERR_FILENO);
	int code = sm_stage_main(&stage, argc, argv);
	if (before >= 0) {
		char line[1024];
		dup2(before, STDERR_FILENO);
		close(before);
		if (code)
			sleep(1);
		rewind(held);
		while (code && fgets(line, sizeof line, held))
			fputs(line, stderr);
	}
	if (held)
		fclose(held);
	return code;
}

/* A rank behind the first: reads as the first does and writes nothing, as with --dry-run, but
 * trains (sm_training_run). */
static int follow(int argc, char **argv)
{
	static char *const more[] = {"--dry-run", "--log", "error"};
	static const char *const only_told[] = {"--dry-run", "--help", "--version", "--describe"};
	char **all = calloc((size_t)argc + SM_COUNT(more) + 1, sizeof *all);
	if (!all)
		return sm_exit_code(SM_BUDGET);
	for (int i = 0; i < argc; i++) {
		all[i] = argv[i];
		for (size_t k = 0; k < SM_COUNT(only_told); k++)
			if (strcmp(argv[i], only_told[k]) == 0) {
				free(all);
				return 0; /* the first rank does all there is to do */
			}
	}
	memcpy(all + argc, more, sizeof more);
	int code = run_held(argc + (int)SM_COUNT(more), all);
	free(all);
	return code;
}

int main(int argc, char **argv)
{
	struct sm_err err = {0};
	sm_nn_prepare_process(argv);
	if (sm_mpi_begin(&argc, &argv, &err) != SM_OK) {
		fprintf(stderr, "train: error: %s\n", err.text);
		return sm_exit_code(err.code);
	}
	int code = sm_mpi_rank() ? follow(argc, argv) : sm_stage_main(&stage, argc, argv);
	sm_mpi_end(code);
	return code;
}
