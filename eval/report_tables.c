/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/report.h"

#include <math.h>

void sm_report_csv(const struct sm_report *report, struct sm_text *out)
{
	sm_summary_csv(&report->map, out, &report->summary);
}

/* "0.812 +- 0.034" with the sign of the medium. */
static void mean_sd(struct sm_text *out, const struct sm_summary *summary, size_t r, size_t m,
		    const char *sign)
{
	const struct sm_stat *s = &summary->stat[r][m];
	sm_text_number(out, s->mean, sm_metrics[m].decimals, "--");
	if (isfinite(s->sd))
		sm_text_f(out, "%s%.*f", sign, sm_metrics[m].decimals, s->sd);
}

static const char *policy_words(const struct sm_report *report)
{
	return report->skip_empty ? "a case whose truth lacks the region is left out of its mean"
				  : "a region empty in truth and prediction counts 1, empty in the "
				    "truth alone 0";
}

void sm_report_tex(const struct sm_report *report, struct sm_text *out)
{
	const struct sm_summary *s = &report->summary;
	const struct sm_label_map *map = &report->map;
	sm_text_str(out,
		    "% needs \\usepackage{booktabs}\n\\begin{table}\n\\centering\n\\caption{Scores "
		    "of ");
	sm_text_f(out, "%zu %scase%s, mean $\\pm$ standard deviation; %s.", report->count,
		  sm_report_fold(report), report->count == 1 ? "" : "s", policy_words(report));
	sm_text_str(
		out,
		"}\n\\begin{tabular}{llrrrrrr}\n\\toprule\n"
		"Region & Labels & Dice & Median & Sensitivity & Specificity & $n$ & Empty \\\\\n"
		"\\midrule\n");
	for (size_t r = 0; r < map->n; r++) {
		char labels[SM_REGION_LABELS];
		sm_region_labels(map, r, labels);
		/* Regions, what is only compared, single labels. */
		if (r && (r == map->regions || r == map->singles))
			sm_text_str(out, "\\addlinespace\n");
		sm_text_tex(out, map->row[r].name);
		sm_text_f(out, " & %s & ", labels);
		mean_sd(out, s, r, SM_DICE, " $\\pm$ ");
		sm_text_str(out, " & ");
		sm_text_number(out, s->stat[r][SM_DICE].median, 3, "--");
		sm_text_str(out, " & ");
		mean_sd(out, s, r, SM_SENSITIVITY, " $\\pm$ ");
		sm_text_str(out, " & ");
		mean_sd(out, s, r, SM_SPECIFICITY, " $\\pm$ ");
		sm_text_f(out, " & %zu & %zu \\\\\n", s->stat[r][SM_DICE].n, s->empty_truth[r]);
	}
	sm_text_str(out, "\\bottomrule\n\\end{tabular}\n\\end{table}\n");
}

void sm_report_md(const struct sm_report *report, struct sm_text *out)
{
	const struct sm_summary *s = &report->summary;
	const struct sm_label_map *map = &report->map;
	sm_text_str(out, "| Region | Labels | Dice | Median | Sensitivity | Specificity | n | "
			 "Empty truth |\n"
			 "|---|---|---:|---:|---:|---:|---:|---:|\n");
	for (size_t r = 0; r < map->n; r++) {
		char labels[SM_REGION_LABELS];
		sm_region_labels(map, r, labels);
		sm_text_f(out, "| %s | %s | ", map->row[r].name, labels);
		mean_sd(out, s, r, SM_DICE, " ± ");
		sm_text_str(out, " | ");
		sm_text_number(out, s->stat[r][SM_DICE].median, 3, "--");
		sm_text_str(out, " | ");
		mean_sd(out, s, r, SM_SENSITIVITY, " ± ");
		sm_text_str(out, " | ");
		mean_sd(out, s, r, SM_SPECIFICITY, " ± ");
		sm_text_f(out, " | %zu | %zu |\n", s->stat[r][SM_DICE].n, s->empty_truth[r]);
	}
	sm_text_f(out, "\nMean ± standard deviation over %zu %scase%s; %s.\n", report->count,
		  sm_report_fold(report), report->count == 1 ? "" : "s", policy_words(report));
}
