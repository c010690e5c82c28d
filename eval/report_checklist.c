/* SPDX-License-Identifier: Apache-2.0
 *
 * Items of CLAIM (Checklist for Artificial Intelligence in Medical Imaging, 2024 update: Tejani et
 * al., Radiology: Artificial Intelligence 2024;6(4):e240300) and of Metrics Reloaded (Maier-Hein et
 * al., Nature Methods 2024;21:195-212) in our words, filled with what the ledgers know. A row is an
 * item; the rest is the authors'.
 */
#include "eval/report_checklist.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/report_flow.h"
#include "eval/report_missing.h"

static const json_t *section(const struct sm_report *report, int from, const char *name)
{
	const json_t *settings = json_object_get(report->from[from].header, "settings");
	return json_object_get(json_object_get(settings, "manifest"), name);
}

/* "name value" of a scalar of a section; nothing when it is absent, null or an empty text. */
static void add_setting(struct sm_text *out, const json_t *object, const char *key,
			const char *words)
{
	const json_t *v = json_object_get(object, key);
	const char *sep = out->n && out->data[out->n - 1] != ' ' ? "; " : "";
	if (json_is_string(v) && *json_string_value(v))
		sm_text_f(out, "%s%s %s", sep, words, json_string_value(v));
	else if (json_is_integer(v))
		sm_text_f(out, "%s%s %lld", sep, words, (long long)json_integer_value(v));
	else if (json_is_real(v))
		sm_text_f(out, "%s%s %.9g", sep, words, json_real_value(v));
	else if (json_is_boolean(v))
		sm_text_f(out, "%s%s %s", sep, words, json_is_true(v) ? "yes" : "no");
}

/* The same of a setting whose 0, -1, "auto" or "none" says that there is nothing to tell. */
static void add_told(struct sm_text *out, const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);
	const char *word = json_string_value(v);
	if (json_is_number(v) && !(json_number_value(v) > 0))
		return;
	if (word && (strcmp(word, "auto") == 0 || strcmp(word, "none") == 0))
		return;
	add_setting(out, object, key, key);
}

/* Good records, and those of them whose patient is told, is a keyed hash as ingest makes it of
 * DICOM, and those that list what they were made from. */
struct told {
	size_t good, patient, hashed, inputs;
};

static bool is_hashed(const char *patient)
{
	return strlen(patient) == 13 && patient[0] == 'p' &&
	       strspn(patient + 1, "0123456789abcdef") == 12;
}

static struct told count_told(const struct sm_ledger *ledger)
{
	size_t i;
	json_t *record;
	struct told t = {0};
	if (!ledger->header)
		return t;
	sm_records_foreach(ledger->records, i, record)
	{
		const char *patient = sm_json_text(record, "patient");
		if (!sm_record_ok(record))
			continue;
		t.good++;
		t.patient += patient != NULL;
		t.hashed += patient && is_hashed(patient);
		t.inputs += json_array_size(json_object_get(record, "inputs")) > 0;
	}
	return t;
}

static void parent_hash(const struct sm_report *report, const char *stage, struct sm_text *out)
{
	for (int f = 0; f < SM_FROMS; f++) {
		const char *hash =
			sm_json_text(json_object_get(report->from[f].header, "parents"), stage);
		if (hash) {
			sm_text_f(out, "ledger of %s, SHA-256 %s", stage, hash);
			return;
		}
	}
}

static void network(const struct sm_report *report, struct sm_text *out)
{
	const json_t *train = section(report, SM_FROM_TRAIN, "train");
	if (!train)
		return;
	sm_text_str(out, "deep learning, a segmentation network: ");
	add_setting(out, train, "model", "model");
}

static void sources(const struct sm_report *report, struct sm_text *out)
{
	if (!report->from[SM_FROM_INGEST].header)
		return;
	sm_text_f(out, "every file read has its SHA-256 in the ledger of ingest (%s)",
		  report->from[SM_FROM_INGEST].sha256);
	add_setting(out, section(report, SM_FROM_INGEST, "ingest"), "layout",
		    "layout of the raw data");
}

static void inclusion(const struct sm_report *report, struct sm_text *out)
{
	struct sm_flow flow;
	if (sm_flow_count(report, &flow, NULL) != SM_OK)
		return;
	for (size_t i = 0; i < flow.n; i++) {
		const struct sm_flow_step *s = &flow.step[i];
		sm_text_f(out, "%s%s: %zu", i ? "; " : "", s->name, s->cases);
		if (s->patients)
			sm_text_f(out, " (%zu patients)", s->patients);
		if (*s->detail)
			sm_text_f(out, " [%s]", s->detail);
		if (*s->lost)
			sm_text_f(out, ", of these %s", s->lost);
	}
	sm_text_str(out, "; every rejected case stands in a ledger with its reason");
}

static void steps(const struct sm_report *report, struct sm_text *out)
{
	sm_text_str(out, "operations in order with all parameters: ");
	const size_t before = out->n;
	parent_hash(report, "preprocess", out);
	if (out->n == before)
		sm_text_str(out, "none between ingest and prediction is known here");
}

static void left_out(const struct sm_report *report, struct sm_text *out)
{
	size_t i;
	json_t *key;
	const json_t *split = section(report, SM_FROM_SPLIT, "split"),
		     *list = json_object_get(split, "leave_out");
	if (!split)
		return;
	if (!json_array_size(list))
		sm_text_str(out, "no case was left out by name");
	json_array_foreach(list, i, key)
		sm_text_f(out, "%s%s", i ? ", " : "left out by name: ",
			  json_is_string(key) ? json_string_value(key) : "?");
}

static void names(const struct sm_report *report, struct sm_text *out)
{
	const json_t *header = report->from[SM_FROM_INGEST].header;
	if (!header)
		return;
	const struct told t = count_told(&report->from[SM_FROM_INGEST]);
	if (t.hashed) {
		sm_text_f(out, "patients are keyed hashes%s",
			  json_is_true(json_object_get(header, "salted")) ? " with a secret salt"
									  : "");
		if (t.hashed < t.good)
			sm_text_f(out, " in %zu of %zu cases, else names of the layout, as given",
				  t.hashed, t.good);
		sm_text_str(out, "; of DICOM headers only fields on a list go on; dates, names and "
				 "free texts do not");
	} else {
		sm_text_str(out, "patients and cases have the names of the layout, as given");
	}
	add_setting(out, section(report, SM_FROM_INGEST, "ingest"), "burned_text",
		    "text in the pixels:");
}

static void missing(const struct sm_report *report, struct sm_text *out)
{
	const json_t *evaluate = section(report, SM_FROM_EVALUATE, "evaluate");
	add_setting(out, evaluate, "missing", "a truth without prediction:");
	const struct sm_model *m = &report->models.v[report->models.main];
	const size_t all = m->rejected + sm_missing_count(m->evaluate.header);
	json_t *rejected = sm_missing_rejected(&m->evaluate),
	       *assumed = sm_missing_assumed(&m->evaluate);
	struct sm_lack why[SM_MISSINGS];
	const size_t n = sm_missing_list(m->evaluate.header, why);
	size_t told = 0;
	sm_text_f(out, "%s%zu case%s could not be scored", out->n ? "; " : "", all,
		  all == 1 ? "" : "s");
	if (m->rejected) {
		sm_text_f(out, ": %zu rejected by evaluate", m->rejected);
		sm_missing_names(rejected, out);
		told++;
	}
	for (size_t i = 0; i < n; i++) {
		if (why[i].folded)
			continue;
		sm_text_f(out, "%s%zu %s", told++ ? ", " : ": ", json_array_size(why[i].names),
			  why[i].words);
		sm_missing_names(why[i].names, out);
	}
	for (size_t i = 0; i < n; i++)
		if (why[i].folded)
			sm_text_f(out, "; %zu of other folds, not to be scored",
				  json_array_size(why[i].names));
	if (m->assumed) {
		sm_text_f(out, "; %zu case%s without a prediction scored as empty", m->assumed,
			  m->assumed == 1 ? "" : "s");
		sm_missing_names(assumed, out);
	}
	json_decref(rejected);
	json_decref(assumed);
}

static void partitions(const struct sm_report *report, struct sm_text *out)
{
	const json_t *split = section(report, SM_FROM_SPLIT, "split");
	struct sm_flow flow;
	if (!split)
		return;
	if (json_object_get(split, "lists") && !json_is_null(json_object_get(split, "lists"))) {
		sm_text_str(out, "by fixed lists");
	} else if (json_integer_value(json_object_get(split, "folds"))) {
		add_setting(out, split, "folds", "at random, folds");
		add_setting(out, split, "fold", "tested on fold");
	} else {
		sm_text_str(out, "at random by shares");
		add_setting(out, split, "train", "training");
		add_setting(out, split, "valid", "validation");
		add_setting(out, split, "test", "test");
	}
	add_setting(out, split, "stratify", "in strata of");
	add_setting(out, split, "seed", "seed");
	if (sm_flow_count(report, &flow, NULL) != SM_OK)
		return;
	for (size_t i = 0; i < flow.n; i++)
		if (strcmp(flow.step[i].name, "Split by patient") == 0)
			sm_text_f(out, "; %s cases", flow.step[i].detail);
}

static void disjoint(const struct sm_report *report, struct sm_text *out)
{
	const json_t *split = section(report, SM_FROM_SPLIT, "split");
	if (!split)
		return;
	sm_text_str(out, "by patient: follow-up scans stay together, and a patient or an image in "
			 "two partitions stops the run");
	add_setting(out, split, "near_duplicates", "look-alike images:");
}

static void cases(const struct sm_report *report, struct sm_text *out)
{
	const struct sm_summary *s = &report->models.v[report->models.main].summary;
	const struct told t = count_told(&report->models.v[report->models.main].evaluate);
	sm_text_f(out, "%zu case%s", s->cases, s->cases == 1 ? "" : "s");
	if (t.patient == t.good)
		sm_text_f(out, " of %zu patient%s", s->patients, s->patients == 1 ? "" : "s");
	sm_text_f(out, " %s scored", s->cases == 1 ? "was" : "were");
	if (!t.patient)
		sm_text_str(out, ", patients not known");
	else if (t.patient < t.good)
		sm_text_f(out, ", the patients of %zu not known", t.good - t.patient);
	sm_text_str(out, "; how many were intended: ");
}

static void model(const struct sm_report *report, struct sm_text *out)
{
	static const char *const keys[] = {"model",      "width",   "norm",
					   "activation", "dropout", "deep_supervision",
					   "classes",    "head"};
	const json_t *train = section(report, SM_FROM_TRAIN, "train");
	if (!train)
		return;
	for (size_t i = 0; i < SM_COUNT(keys); i++)
		add_told(out, train, keys[i]);
	add_setting(out, report->from[SM_FROM_TRAIN].header, "parameters", "parameters");
	sm_text_str(out, "; all else is the model's own (docs/networks.md)");
}

static void start(const struct sm_report *report, struct sm_text *out)
{
	const json_t *train = section(report, SM_FROM_TRAIN, "train");
	if (!train)
		return;
	sm_text_str(out, "at random by the network's own rule (docs/networks.md)");
	add_setting(out, train, "seed", "seed");
}

static void training(const struct sm_report *report, struct sm_text *out)
{
	static const char *const keys[] = {
		"loss",       "optimiser",       "learning_rate", "schedule",     "batch",
		"epochs",     "steps_per_epoch", "augment",       "weight_decay", "clip_norm",
		"early_stop", "time_budget",     "precision",     "ema"};
	const json_t *train = section(report, SM_FROM_TRAIN, "train");
	if (!train)
		return;
	for (size_t i = 0; i < SM_COUNT(keys); i++)
		add_told(out, train, keys[i]);
	const json_t *list = json_object_get(train, "augmentations");
	char *text = json_array_size(list) || json_object_size(list)
			     ? json_dumps(list, JSON_COMPACT | JSON_REAL_PRECISION(9))
			     : NULL;
	if (text)
		sm_text_f(out, "; augmentations in order: %s", text);
	free(text);
	add_setting(out, report->from[SM_FROM_TRAIN].header, "train_tiles", "training samples");
}

/* The networks of all cases: SHA-256 -> path; *most and *least of one case. */
static json_t *checkpoints(const struct sm_report *report, size_t *least, size_t *most)
{
	size_t i, k;
	json_t *input, *record, *all = json_object();
	*least = SM_NONE;
	*most = 0;
	if (!report->from[SM_FROM_PREDICT].header)
		return all;
	sm_records_foreach(report->from[SM_FROM_PREDICT].records, i, record)
	{
		size_t n = 0;
		if (!sm_record_ok(record))
			continue;
		json_array_foreach(json_object_get(record, "inputs"), k, input)
		{
			const char *role = sm_json_text(input, "role"),
				   *hash = sm_json_text(input, "sha256");
			if (!hash || !role || strcmp(role, "checkpoint") != 0)
				continue;
			json_object_set(all, hash, json_object_get(input, "path"));
			n++;
		}
		*least = n < *least ? n : *least;
		*most = n > *most ? n : *most;
	}
	return all;
}

static void selection(const struct sm_report *report, struct sm_text *out)
{
	size_t least, most, best = 0;
	const char *hash;
	json_t *path, *all = checkpoints(report, &least, &most);
	json_object_foreach(all, hash, path)
	{
		const char *name = json_is_string(path) ? json_string_value(path) : "?";
		const char *base = strrchr(name, '/');
		best += strcmp(base ? base + 1 : name, "best.hdf5") == 0;
		sm_text_f(out, "%scheckpoint %s, SHA-256 of its content %s", out->n ? "; " : "",
			  name, hash);
	}
	/* The epoch of the training's ledger is that of its best.hdf5 alone. */
	if (best == 1 && json_object_size(all) == 1)
		add_setting(out, report->from[SM_FROM_TRAIN].header, "best_epoch",
			    "lowest validation loss in epoch");
	json_decref(all);
}

static void ensemble(const struct sm_report *report, struct sm_text *out)
{
	const json_t *predict = section(report, SM_FROM_PREDICT, "predict");
	const char *fold = sm_json_text(predict, "fold");
	size_t least, most;
	if (!predict)
		return;
	json_decref(checkpoints(report, &least, &most));
	const bool cross = fold && strcmp(fold, "cross_validation") == 0;
	if (most > 1 && least < most)
		sm_text_f(out, "mean of %zu to %zu networks", least, most);
	else if (most > 1)
		sm_text_f(out, "mean of %zu networks", most);
	else if (most == 1)
		sm_text_str(out,
			    cross ? "none: each case by the one network" : "none: one network");
	else
		sm_text_str(out, "how many networks is not known here");
	if (cross && most)
		sm_text_f(out, "%s trained without it",
			  most > 1 ? ", each case by those that were" : " that was");
	add_setting(out, predict, "overlap", "overlapping windows blended, share that overlaps");
}

static void metrics(const struct sm_report *report, struct sm_text *out)
{
	for (size_t c = 0; c < report->columns.n; c++) {
		const struct sm_column *k = &report->columns.at[c];
		sm_text_f(out, "%s%s: %s", c ? "; " : "", k->name, k->metric->formula);
		if (k->metric->equals)
			sm_text_f(out, " (the number of %s)", k->metric->equals);
	}
}

static void statistics(const struct sm_report *report, struct sm_text *out)
{
	const struct sm_summary *s = &report->models.v[report->models.main].summary;
	sm_text_f(out,
		  "mean, standard deviation, median, quartiles over cases; bootstrap intervals of "
		  "95 %% (BCa, %zu resamples of %s, seeded)",
		  s->resamples, s->patients < s->cases ? "patients" : "cases");
	if (report->models.n > 1)
		sm_text_str(out,
			    "; between models two-sided Wilcoxon signed-rank and permutation "
			    "tests of paired cases, Holm's correction over all pairs of models "
			    "and regions of a metric");
}

static void internal(const struct sm_report *report, struct sm_text *out)
{
	const char *fold = sm_json_text(section(report, SM_FROM_PREDICT, "predict"), "fold");
	size_t of[SM_FLOW_FOLDS];
	if (!fold)
		return;
	sm_text_f(out, "%zu cases, fold %s of the split", report->count, fold);
	if (sm_flow_folds(report, of))
		sm_text_f(out, ": %zu of the training, %zu of the validation, %zu of the test fold",
			  of[0], of[1], of[2]);
}

static void numbers(const struct sm_report *report, struct sm_text *out)
{
	inclusion(report, out);
}

static void performance(const struct sm_report *report, struct sm_text *out)
{
	const struct sm_summary *s = &report->models.v[report->models.main].summary;
	for (size_t r = 0; r < report->map.main; r++) {
		const struct sm_spread *d = &sm_summary_at(s, r, 0)->s;
		sm_text_f(out, "%s%s of %s ", r ? "; " : "", report->columns.at[0].name,
			  report->map.row[r].name);
		sm_text_number(out, d->mean, report->columns.at[0].metric->decimals, "not defined");
		sm_text_str(out, " (95 % ");
		sm_text_number(out, d->low95, report->columns.at[0].metric->decimals, "none");
		sm_text_str(out, " to ");
		sm_text_number(out, d->high95, report->columns.at[0].metric->decimals, "none");
		sm_text_f(out, ", n %zu)", d->n);
	}
	sm_text_str(out, "; the others in the tables");
}

static void failures(const struct sm_report *report, struct sm_text *out)
{
	const struct sm_model *m = &report->models.v[report->models.main];
	const size_t *worst = sm_summary_at(&m->summary, 0, 0)->worst;
	sm_text_f(out, "worst cases by %s of %s: ", report->columns.at[0].name,
		  report->map.row[0].name);
	for (size_t i = 0; i < SM_WORST && worst[i] != SM_NONE; i++)
		sm_text_f(out, "%s%s", i ? ", " : "", sm_scorebook_key(m->book, worst[i]));
	sm_text_str(out, "; why they failed: ");
}

static void protocol(const struct sm_report *report, struct sm_text *out)
{
	size_t n = 0;
	if (*report->name)
		sm_text_str(out, "the manifest; ");
	for (int f = 0; f < SM_FROMS; f++)
		if (report->from[f].header)
			sm_text_f(out, "%s%s %.12s", n++ ? ", " : "the ledgers of ",
				  sm_from_stage[f], report->from[f].sha256);
}

static void available(const struct sm_report *report, struct sm_text *out)
{
	const struct told raw = count_told(&report->from[SM_FROM_INGEST]);
	sm_text_str(out, "software: scanmill, Apache-2.0; ");
	if (*report->name && raw.good && raw.inputs == raw.good)
		sm_text_str(out, "the data set rebuilds from its manifest and the raw scans; model "
				 "and scans: ");
	else
		sm_text_str(out, "model, data set and scans: ");
}

/* Metrics Reloaded. */

static void problem(const struct sm_report *report, struct sm_text *out)
{
	(void)report;
	sm_text_str(out, "semantic segmentation: a label a voxel, scored on whole volumes");
}

static void classes(const struct sm_report *report, struct sm_text *out)
{
	for (size_t r = 0; r < report->map.shown; r++) {
		char labels[SM_REGION_LABELS];
		sm_region_labels(&report->map, r, labels);
		sm_text_f(out, "%s%s = label%s %s", r ? "; " : "", report->map.row[r].name,
			  strchr(labels, ',') ? "s" : "", labels);
	}
}

static void boundary(const struct sm_report *report, struct sm_text *out)
{
	size_t n = 0;
	for (size_t c = 0; c < report->columns.n; c++) {
		const struct sm_column *k = &report->columns.at[c];
		if (k->metric->family == SM_FROM_SURFACE || k->metric->family == SM_FROM_SURFELS)
			sm_text_f(out, "%s%s",
				  n++ ? ", " : "in mm, with the voxels' spacing: ", k->name);
	}
	if (!n)
		sm_text_str(out, "none was asked for");
}

static void lesions(const struct sm_report *report, struct sm_text *out)
{
	size_t n = 0;
	for (size_t c = 0; c < report->columns.n; c++)
		if (report->columns.at[c].metric->family == SM_FROM_LESIONS)
			sm_text_f(out, "%s%s", n++ ? ", " : "", report->columns.at[c].name);
	if (!n)
		sm_text_str(out, "none was asked for (evaluate.lesions)");
}

static void empties(const struct sm_report *report, struct sm_text *out)
{
	sm_text_f(out, "policy %s: %s; how many cases stands beside every mean",
		  sm_policy_names[report->policy], sm_policy_words[report->policy]);
}

static void aggregation(const struct sm_report *report, struct sm_text *out)
{
	const struct sm_summary *s = &report->models.v[report->models.main].summary;
	sm_text_str(out, "by case, then over cases, each counting once");
	if (s->patients < s->cases)
		sm_text_f(out,
			  "; %zu cases of %zu patients: intervals and tests draw whole patients",
			  s->cases, s->patients);
}

static void grid(const struct sm_report *report, struct sm_text *out)
{
	sm_text_str(out, "truth and prediction on one grid, else the case is refused: ");
	add_setting(out, section(report, SM_FROM_EVALUATE, "evaluate"), "grid_tolerance",
		    "tolerance in mm");
}

#define AUTHORS NULL, false
/* "partly": what is filled in needs the authors' words, too. */
const struct sm_checklist_item sm_checklist_items[] = {
	{"CLAIM 1", "The category of AI technology, named in title or abstract", network, true},
	{"CLAIM 2", "Summary of design, methods, results, conclusions", AUTHORS},
	{"CLAIM 3", "Background, intended use and role of the approach", AUTHORS},
	{"CLAIM 4", "Aims, objectives, hypotheses", AUTHORS},
	{"CLAIM 5", "Prospective or retrospective", AUTHORS},
	{"CLAIM 6", "Goal of the study", AUTHORS},
	{"CLAIM 7", "Data sources", sources, true},
	{"CLAIM 8", "Inclusion and exclusion criteria", inclusion, true},
	{"CLAIM 9", "Preprocessing", steps, false},
	{"CLAIM 10", "Selection of data subsets", left_out, false},
	{"CLAIM 11", "De-identification", names, false},
	{"CLAIM 12", "Missing data", missing, false},
	{"CLAIM 13", "Acquisition protocol", AUTHORS},
	{"CLAIM 14", "How the reference standard was made", AUTHORS},
	{"CLAIM 15", "Why this reference standard", AUTHORS},
	{"CLAIM 16", "Who annotated, with which training", AUTHORS},
	{"CLAIM 17", "Annotation of the test set", AUTHORS},
	{"CLAIM 18", "Variability between and within annotators", AUTHORS},
	{"CLAIM 19", "How data were assigned to partitions", partitions, false},
	{"CLAIM 20", "Level at which partitions are disjoint", disjoint, false},
	{"CLAIM 21", "Intended sample size", cases, true},
	{"CLAIM 22", "The model in detail", model, true},
	{"CLAIM 23", "Software and packages", sm_checklist_software, false},
	{"CLAIM 24", "Initialisation of parameters", start, false},
	{"CLAIM 25", "Training", training, false},
	{"CLAIM 26", "How the final model was chosen", selection, false},
	{"CLAIM 27", "Ensembles", ensemble, false},
	{"CLAIM 28", "Metrics", metrics, false},
	{"CLAIM 29", "Measures of significance and uncertainty", statistics, false},
	{"CLAIM 30", "Robustness, sensitivity analysis", AUTHORS},
	{"CLAIM 31", "Explainability", AUTHORS},
	{"CLAIM 32", "Evaluation on internal data", internal, false},
	{"CLAIM 33", "Testing on external data", AUTHORS},
	{"CLAIM 34", "Registration of a clinical trial", AUTHORS},
	{"CLAIM 35", "Numbers included and excluded", numbers, false},
	{"CLAIM 36", "Demographic and clinical characteristics by partition", AUTHORS},
	{"CLAIM 37", "Performance with its uncertainty", performance, false},
	{"CLAIM 38", "Diagnostic performance and its precision", AUTHORS},
	{"CLAIM 39", "Analysis of failures", failures, true},
	{"CLAIM 40", "Limitations", AUTHORS},
	{"CLAIM 41", "Implications for practice", AUTHORS},
	{"CLAIM 42", "Full protocol, further technical details", protocol, false},
	{"CLAIM 43", "Availability of software, model, data", available, true},
	{"CLAIM 44", "Funding", AUTHORS},
	{"Hardware", "Machine", sm_checklist_hardware, true},
	{"Metrics 1", "Category of the problem, level of the decision", problem, false},
	{"Metrics 2", "Classes and regions", classes, false},
	{"Metrics 3", "Overlap and counting metrics: definitions", metrics, false},
	{"Metrics 4", "Distances of surfaces, with unit and tolerance", boundary, false},
	{"Metrics 5", "Several or small objects: scores by lesion", lesions, false},
	{"Metrics 6", "Empty truth or prediction", empties, false},
	{"Metrics 7", "Aggregation over cases, dependent data", aggregation, false},
	{"Metrics 8", "Missing predictions", missing, false},
	{"Metrics 9", "Uncertainty and comparison", statistics, false},
	{"Metrics 10", "Grids", grid, false},
	{"Metrics 11", "Why these metrics fit the clinical question", AUTHORS},
};
const size_t sm_checklist_count = SM_COUNT(sm_checklist_items);
