/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables for papers: means by region and model in blocks of a few metrics, with the cases
 * behind them; the paired tests; everything as CSV and JSON.
 */
#include "eval/report_tables.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/report_missing.h"

/* The most metrics side by side that the width of a paper's page holds, and that of a screen. */
enum { MOST_IN_TEX = 4, MOST_IN_MD = 5 };
/* Of an article, and between two columns; pt. */
enum { PAGE_PT = 345, GAP_PT = 8 };

/* Columns from..to-1 of one table; all tables are about as wide. */
struct block {
	size_t most, from, to, number, count;
};

static bool next_block(const struct sm_report *report, struct block *b)
{
	const size_t n = report->columns.n;
	b->count = (n + b->most - 1) / b->most;
	b->from = b->number ? b->to : 0;
	if (b->from >= n)
		return false;
	b->to = n * (b->number + 1) / b->count;
	b->number++;
	return true;
}

static const struct sm_summary_cell *cell_of(const struct sm_report *report, size_t model, size_t r,
					     size_t c)
{
	return sm_summary_at(&report->models.v[model].summary, r, c);
}

/* One number when all columns of the block agree, else one each. */
static void counts(const struct sm_report *report, size_t model, size_t r, const struct block *b,
		   bool infinite, struct sm_text *out)
{
	bool same = true;
	for (size_t pass = 0; pass < 2; pass++)
		for (size_t c = b->from; c < b->to; c++) {
			const struct sm_spread *s = &cell_of(report, model, r, c)->s,
					       *first = &cell_of(report, model, r, b->from)->s;
			const size_t n = infinite ? s->infinite : s->n,
				     n0 = infinite ? first->infinite : first->n;
			if (!pass)
				same = same && n == n0;
			else if (c == b->from || !same)
				sm_text_f(out, "%s%zu", c > b->from ? "/" : "", n);
		}
}

static void mean_sd(const struct sm_report *report, size_t model, size_t r, size_t c,
		    const char *sign, struct sm_text *out)
{
	const struct sm_spread *s = &cell_of(report, model, r, c)->s;
	const int decimals = report->columns.at[c].metric->decimals;
	sm_text_number(out, s->mean, decimals, "--");
	if (isfinite(s->sd))
		sm_text_f(out, "%s%.*f", sign, decimals, s->sd);
}

static double most_of(double a, double b)
{
	return a > b ? a : b;
}

/* Width of one text that a function above wrote. */
static double width_of(struct sm_text *text)
{
	const double pt = text->data && text->n ? sm_text_tex_width(text->data) : 0;
	sm_text_clear(text);
	return pt;
}

/* About how wide a block is in LaTeX, pt. */
static double tex_width(const struct sm_report *report, const struct block *b)
{
	const bool many = report->models.n > 1;
	double pt = 3 * 24, names = 0, models = 0, n = 8, infinite = 8;
	for (size_t r = 0; r < report->map.n; r++)
		names = most_of(names, sm_text_tex_width(report->map.row[r].name));
	for (size_t m = 0; many && m < report->models.n; m++)
		models = most_of(models, sm_text_tex_width(report->models.v[m].name) + GAP_PT);
	for (size_t c = b->from; c < b->to; c++) {
		double most = sm_text_tex_width(report->columns.at[c].name);
		for (size_t i = 0; i < report->models.n * report->map.n; i++) {
			const size_t m = i / report->map.n, r = i % report->map.n;
			const struct sm_spread *s = &cell_of(report, m, r, c)->s;
			const int decimals = report->columns.at[c].metric->decimals;
			struct sm_text text = {0};
			mean_sd(report, m, r, c, " \xc2\xb1 ", &text);
			most = most_of(most, width_of(&text) + 2);
			sm_text_f(&text, "[%.*f, %.*f]", decimals, s->low95, decimals, s->high95);
			/* In \scriptsize, 7 of 8 points. */
			most = most_of(most, isfinite(s->low95) ? width_of(&text) * 7 / 8 : 0);
			sm_text_clear(&text);
		}
		pt += most + GAP_PT;
	}
	for (size_t i = 0; i < report->models.n * report->map.n; i++) {
		struct sm_text text = {0};
		counts(report, i / report->map.n, i % report->map.n, b, false, &text);
		n = most_of(n, width_of(&text));
		counts(report, i / report->map.n, i % report->map.n, b, true, &text);
		infinite = most_of(infinite, width_of(&text));
	}
	return pt + most_of(names, 28) + models + n + infinite + 3 * GAP_PT;
}

/* The next block that fits the text width of an article. */
static bool next_tex_block(const struct sm_report *report, struct block *b)
{
	const size_t n = report->columns.n;
	b->from = b->number ? b->to : 0;
	if (b->from >= n)
		return false;
	b->to = b->from + b->most < n ? b->from + b->most : n;
	while (b->to > b->from + 1 && tex_width(report, b) > PAGE_PT)
		b->to--;
	b->number++;
	return true;
}

static bool has_unit(const struct sm_column *c)
{
	return strcmp(c->metric->unit, "1") != 0;
}

/* What every caption says. */
static void about(const struct sm_report *report, struct sm_text *out)
{
	const struct sm_models *m = &report->models;
	size_t infinite = 0;
	for (size_t i = 0; i < m->n; i++)
		for (size_t k = 0; k < report->map.n * report->columns.n; k++)
			infinite += m->v[i].summary.at[k].s.infinite;
	sm_report_case_words(report, out);
	sm_report_assumed_words(report, out);
	sm_text_f(out, "; empty regions by policy %s: %s", sm_policy_names[report->policy],
		  sm_policy_words[report->policy]);
	if (infinite)
		sm_text_str(out, "; infinite distances are counted and in no mean");
}

static void tex_head(const struct sm_report *report, const struct block *b, struct sm_text *out)
{
	const bool many = report->models.n > 1;
	sm_text_f(out,
		  "%s\\begin{table}\n\\centering\\footnotesize\n\\setlength{\\tabcolsep}{4pt}\n"
		  "\\caption{Mean $\\pm$ standard deviation, below it the bootstrap interval "
		  "of 95\\,\\%% of the mean; ",
		  b->number > 1 ? "\n" : "");
	struct sm_text words = {0};
	about(report, &words);
	sm_text_tex(out, words.data);
	out->failed = out->failed || words.failed;
	sm_text_clear(&words);
	sm_text_str(out, ".");
	for (size_t r = 0; r < report->map.n; r++) {
		char labels[SM_REGION_LABELS];
		sm_region_labels(&report->map, r, labels);
		sm_text_str(out, r ? ", " : " ");
		sm_text_tex(out, report->map.row[r].name);
		sm_text_f(out, ": %s", labels);
	}
	sm_text_f(out,
		  ". $n$: cases in the mean; $E_{tp}$, $E_t$, $E_p$: cases with truth and "
		  "prediction, the truth alone, the prediction alone empty; $\\infty$: infinite%s."
		  "}\n\\label{tab:scores-%zu}\n\\begin{tabular}{l%s",
		  b->to - b->from > 1 ? "; one number a metric where they differ" : "", b->number,
		  many ? "l" : "");
	for (size_t c = b->from; c < b->to; c++)
		sm_text_str(out, "r");
	sm_text_f(out, "rrrrr}\n\\toprule\nRegion%s", many ? " & Model" : "");
	bool units = false;
	for (size_t c = b->from; c < b->to; c++) {
		sm_text_str(out, " & ");
		sm_text_tex(out, report->columns.at[c].name);
		units = units || has_unit(&report->columns.at[c]);
	}
	sm_text_str(out, " & $n$ & $E_{tp}$ & $E_t$ & $E_p$ & $\\infty$ \\\\\n");
	for (size_t c = b->from; units && c < b->to; c++) {
		sm_text_str(out, c == b->from && many ? " & & " : " & ");
		if (has_unit(&report->columns.at[c]))
			sm_text_f(out, "(%s)", report->columns.at[c].metric->unit);
	}
	sm_text_str(out, units ? " & & & & & \\\\\n\\midrule\n" : "\\midrule\n");
}

/* The intervals below the means; nothing when there is none. */
static void tex_intervals(const struct sm_report *report, size_t model, size_t r,
			  const struct block *b, struct sm_text *out)
{
	bool any = false;
	for (size_t c = b->from; c < b->to; c++)
		any = any || isfinite(cell_of(report, model, r, c)->s.low95);
	if (!any)
		return;
	sm_text_str(out, report->models.n > 1 ? " & " : "");
	for (size_t c = b->from; c < b->to; c++) {
		const struct sm_spread *s = &cell_of(report, model, r, c)->s;
		const int decimals = report->columns.at[c].metric->decimals;
		sm_text_str(out, " & ");
		if (isfinite(s->low95))
			sm_text_f(out, "{\\scriptsize [%.*f, %.*f]}", decimals, s->low95, decimals,
				  s->high95);
	}
	sm_text_str(out, " & & & & & \\\\\n");
}

static void tex_row(const struct sm_report *report, size_t model, size_t r, const struct block *b,
		    struct sm_text *out)
{
	const size_t *situation = cell_of(report, model, r, b->from)->situation;
	if (!model)
		sm_text_tex(out, report->map.row[r].name);
	if (report->models.n > 1) {
		sm_text_str(out, " & ");
		sm_text_tex(out, report->models.v[model].name);
	}
	for (size_t c = b->from; c < b->to; c++) {
		sm_text_str(out, " & ");
		mean_sd(report, model, r, c, " $\\pm$ ", out);
	}
	sm_text_str(out, " & ");
	counts(report, model, r, b, false, out);
	sm_text_f(out, " & %zu & %zu & %zu & ", situation[SM_BOTH_EMPTY], situation[SM_TRUTH_EMPTY],
		  situation[SM_PREDICTION_EMPTY]);
	counts(report, model, r, b, true, out);
	sm_text_str(out, " \\\\\n");
	tex_intervals(report, model, r, b, out);
}

static void tex_p(struct sm_text *out, double p)
{
	if (!isfinite(p))
		sm_text_str(out, "--");
	else if (p < 0.001)
		sm_text_str(out, "$<$0.001");
	else
		sm_text_f(out, "%.3f", p);
}

/* What a reader of the paired tests has to know of the cases behind them; nothing when every model
 * was scored on the same ones. */
static void say_apart(const struct sm_report *report, struct sm_text *out)
{
	const size_t apart = sm_models_apart(&report->models);
	if (apart)
		sm_text_f(out,
			  " The models were not scored on the same cases: %zu case%s missing in "
			  "some.",
			  apart, apart == 1 ? " is" : "s are");
}

/* Tests of the first metric in the paper; all of them stand in tests.csv. */
static void tex_tests(const struct sm_report *report, struct sm_text *out)
{
	const struct sm_models *m = &report->models;
	if (!m->duels)
		return;
	sm_text_str(out, "\n\\begin{table}\n\\centering\\footnotesize\n"
			 "\\setlength{\\tabcolsep}{4pt}\n\\caption{Paired comparison of "
			 "models by ");
	sm_text_tex(out, report->columns.at[0].name);
	sm_text_str(out,
		    ": mean difference with its bootstrap interval of 95\\,\\%, two-sided Wilcoxon "
		    "signed-rank and permutation test, $p$ after Holm's correction over all pairs "
		    "and regions, on the $n$ cases that both have a number for; the other cases "
		    "are counted as left out, in brackets those of them where a model has no "
		    "number (--) or an infinite one ($\\infty$). Infinite ones count in "
		    "Wilcoxon's ranks alone, as farther than every number.");
	say_apart(report, out);
	sm_text_str(out, "}\n\\label{tab:tests}\n\\begin{tabular}{lllrrrrr}\n\\toprule\n"
			 "Region & A & B & $n$ & left out & A $-$ B & Wilcoxon & Permutation "
			 "\\\\\n\\midrule\n");
	for (size_t i = 0; i < m->duels && m->duel[i].column == 0; i++) {
		const struct sm_duel *d = &m->duel[i];
		const int decimals = report->columns.at[0].metric->decimals;
		sm_text_tex(out, report->map.row[d->row].name);
		sm_text_str(out, " & ");
		sm_text_tex(out, m->v[d->a].name);
		sm_text_str(out, " & ");
		sm_text_tex(out, m->v[d->b].name);
		sm_text_f(out, " & %zu & %zu", d->n, d->left_out);
		if (d->no_number || d->infinite)
			sm_text_f(out, " (%zu --, %zu $\\infty$)", d->no_number, d->infinite);
		sm_text_str(out, " & ");
		sm_text_number(out, d->difference, decimals, "--");
		if (isfinite(d->low))
			sm_text_f(out, " [%.*f, %.*f]", decimals, d->low, decimals, d->high);
		sm_text_str(out, " & ");
		tex_p(out, d->holm_wilcoxon);
		sm_text_str(out, " & ");
		tex_p(out, d->holm_permutation);
		sm_text_str(out, " \\\\\n");
	}
	sm_text_str(out, "\\bottomrule\n\\end{tabular}\n\\end{table}\n");
}

void sm_report_tex(const struct sm_report *report, const struct sm_published *published,
		   struct sm_text *out)
{
	const struct sm_label_map *map = &report->map;
	struct block b = {.most = MOST_IN_TEX};
	sm_text_str(out, "% needs \\usepackage{booktabs}\n");
	while (next_tex_block(report, &b)) {
		tex_head(report, &b, out);
		for (size_t r = 0; r < map->n; r++) {
			/* Regions, what is only compared, single labels. */
			if (r && (r == map->regions || r == map->singles || report->models.n > 1))
				sm_text_str(out, "\\addlinespace\n");
			for (size_t m = 0; m < report->models.n; m++)
				tex_row(report, m, r, &b, out);
		}
		sm_text_str(out, "\\bottomrule\n\\end{tabular}\n\\end{table}\n");
	}
	tex_tests(report, out);
	sm_published_tex(published, out);
}

static void md_row(const struct sm_report *report, size_t model, size_t r, const struct block *b,
		   struct sm_text *out)
{
	char labels[SM_REGION_LABELS];
	const size_t *situation = cell_of(report, model, r, b->from)->situation;
	sm_region_labels(&report->map, r, labels);
	sm_text_f(out, "| %s | %s |", report->map.row[r].name, labels);
	if (report->models.n > 1)
		sm_text_f(out, " %s |", report->models.v[model].name);
	for (size_t c = b->from; c < b->to; c++) {
		sm_text_str(out, " ");
		mean_sd(report, model, r, c, " ± ", out);
		sm_text_str(out, " |");
	}
	sm_text_str(out, " ");
	counts(report, model, r, b, false, out);
	sm_text_f(out, " | %zu | %zu | %zu | ", situation[SM_BOTH_EMPTY], situation[SM_TRUTH_EMPTY],
		  situation[SM_PREDICTION_EMPTY]);
	counts(report, model, r, b, true, out);
	sm_text_str(out, " |\n");
}

static void md_tests(const struct sm_report *report, struct sm_text *out)
{
	const struct sm_models *m = &report->models;
	if (!m->duels)
		return;
	sm_text_f(out,
		  "\n| %s | A | B | n | left out | A − B | Wilcoxon p (Holm) | Permutation p (Holm) "
		  "|\n|---|---|---|---:|---:|---:|---:|---:|\n",
		  report->columns.at[0].name);
	for (size_t i = 0; i < m->duels && m->duel[i].column == 0; i++) {
		const struct sm_duel *d = &m->duel[i];
		sm_text_f(out, "| %s | %s | %s | %zu | %zu", report->map.row[d->row].name,
			  m->v[d->a].name, m->v[d->b].name, d->n, d->left_out);
		if (d->no_number || d->infinite)
			sm_text_f(out, " (%zu no number, %zu infinite)", d->no_number, d->infinite);
		sm_text_str(out, " | ");
		sm_text_number(out, d->difference, report->columns.at[0].metric->decimals, "--");
		sm_text_str(out, " | ");
		sm_text_number(out, d->holm_wilcoxon, 4, "--");
		sm_text_str(out, " | ");
		sm_text_number(out, d->holm_permutation, 4, "--");
		sm_text_str(out, " |\n");
	}
	sm_text_str(out, "\nn: pairs of cases that both models have a number for; left out: the "
			 "other cases, in brackets those of them where a model has no number, or "
			 "an infinite one, which counts in Wilcoxon's ranks alone.");
	say_apart(report, out);
	sm_text_str(out, "\n");
}

void sm_report_md(const struct sm_report *report, const struct sm_published *published,
		  struct sm_text *out)
{
	struct block b = {.most = MOST_IN_MD};
	while (next_block(report, &b)) {
		sm_text_f(out, "%s| Region | Labels |%s", b.number > 1 ? "\n" : "",
			  report->models.n > 1 ? " Model |" : "");
		for (size_t c = b.from; c < b.to; c++) {
			const struct sm_column *k = &report->columns.at[c];
			sm_text_f(out, " %s%s%s |", k->name, has_unit(k) ? ", " : "",
				  has_unit(k) ? k->metric->unit : "");
		}
		sm_text_f(out,
			  " n | both empty | truth empty | prediction empty | infinite |\n"
			  "|---|---|%s",
			  report->models.n > 1 ? "---|" : "");
		for (size_t c = b.from; c < b.to + 5; c++)
			sm_text_str(out, "---:|");
		sm_text_str(out, "\n");
		for (size_t r = 0; r < report->map.n; r++)
			for (size_t m = 0; m < report->models.n; m++)
				md_row(report, m, r, &b, out);
	}
	sm_text_str(out, "\nMean ± standard deviation over ");
	about(report, out);
	sm_text_str(out, ".\n");
	struct sm_text other = {0};
	sm_models_differences(&report->models, &other);
	if (other.n) {
		sm_text_str(out, "\nThe models were scored with other settings that change no "
				 "score of a predicted case: ");
		sm_report_md_text(out, other.data);
		sm_text_str(out, ".\n");
	}
	out->failed = out->failed || other.failed;
	sm_text_clear(&other);
	md_tests(report, out);
	sm_published_md(published, out);
}

void sm_report_csv(const struct sm_report *report, struct sm_text *out)
{
	for (size_t m = 0; m < report->models.n; m++) {
		struct sm_text one = {0};
		sm_summary_csv(&report->map, &report->columns, &one, &report->models.v[m].summary);
		out->failed = out->failed || one.failed;
		/* No field holds a line end. */
		bool head = true;
		for (const char *p = one.data; p && *p; head = false) {
			const size_t n = strcspn(p, "\n") + 1;
			if (!head || !m) {
				if (report->models.n > 1 && head)
					sm_text_str(out, "model,");
				if (report->models.n > 1 && !head) {
					sm_text_csv(out, report->models.v[m].name);
					sm_text_str(out, ",");
				}
				sm_text_add(out, p, n);
			}
			p += n;
		}
		sm_text_clear(&one);
	}
}

static void csv_number(struct sm_text *out, double v)
{
	if (isfinite(v))
		sm_text_f(out, ",%.9g", v);
	else
		sm_text_str(out, ",");
}

void sm_report_tests_csv(const struct sm_report *report, struct sm_text *out)
{
	const struct sm_models *m = &report->models;
	sm_text_str(out, "region,metric,a,b,n,left_out,difference,ci_low,ci_high,wilcoxon,"
			 "wilcoxon_exact,wilcoxon_p,wilcoxon_p_holm,permutation_exact,"
			 "permutation_p,permutation_p_holm,wilcoxon_n,no_number,infinite\n");
	for (size_t i = 0; i < m->duels; i++) {
		const struct sm_duel *d = &m->duel[i];
		sm_text_csv(out, report->map.row[d->row].key);
		sm_text_f(out, ",%s,", report->columns.at[d->column].key);
		sm_text_csv(out, m->v[d->a].name);
		sm_text_str(out, ",");
		sm_text_csv(out, m->v[d->b].name);
		sm_text_f(out, ",%zu,%zu", d->n, d->left_out);
		csv_number(out, d->difference);
		csv_number(out, d->low);
		csv_number(out, d->high);
		csv_number(out, d->wilcoxon.statistic);
		sm_text_f(out, ",%s", d->wilcoxon.exact ? "yes" : "no");
		csv_number(out, d->wilcoxon.p);
		csv_number(out, d->holm_wilcoxon);
		sm_text_f(out, ",%s", d->permutation.exact ? "yes" : "no");
		csv_number(out, d->permutation.p);
		csv_number(out, d->holm_permutation);
		sm_text_f(out, ",%zu,%zu,%zu\n", d->wilcoxon.n, d->no_number, d->infinite);
	}
}

static json_t *model_json(const struct sm_report *report, size_t m)
{
	const struct sm_model *v = &report->models.v[m];
	json_t *one = sm_summary_to_json(&v->summary, v->book, &report->map, &report->columns);
	json_object_set_new(one, "name", json_string(v->name));
	json_object_set_new(one, "ledger", json_string(v->evaluate.sha256));
	json_object_set_new(one, "rejected", json_integer((json_int_t)v->rejected));
	json_object_set_new(one, "prediction_missing", json_integer((json_int_t)v->assumed));
	return one;
}

enum sm_status sm_report_json(const struct sm_report *report, struct sm_text *out,
			      struct sm_err *err)
{
	json_t *all = json_object(), *models = json_array();
	for (size_t m = 0; m < report->models.n; m++)
		json_array_append_new(models, model_json(report, m));
	json_object_set_new(all, "models", models);
	json_object_set_new(all, "columns", sm_columns_to_json(&report->columns));
	json_object_set_new(all, "empty", json_string(sm_policy_names[report->policy]));
	char *text = json_dumps(all, JSON_INDENT(1) | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
	json_decref(all);
	if (!text)
		return SM_FAIL(err, SM_BUDGET, "table.json: out of memory");
	sm_text_str(out, text);
	sm_text_str(out, "\n");
	free(text);
	return sm_text_check(out, "table.json", err);
}
