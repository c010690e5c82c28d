/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/report.h"

#include <math.h>

void sm_report_csv(const struct sm_report *report, struct sm_text *out)
{
	sm_summary_csv(out, &report->summary);
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
	for (size_t r = 0; r < SM_REGIONS; r++) {
		char labels[48];
		sm_region_labels(&sm_regions[r], labels);
		/* BraTS's regions, the original's, single labels. */
		if (r == SM_TC_ORIGINAL || r == SM_LABEL_1)
			sm_text_str(out, "\\addlinespace\n");
		sm_text_tex(out, sm_regions[r].name);
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
	sm_text_str(out, "| Region | Labels | Dice | Median | Sensitivity | Specificity | n | "
			 "Empty truth |\n"
			 "|---|---|---:|---:|---:|---:|---:|---:|\n");
	for (size_t r = 0; r < SM_REGIONS; r++) {
		char labels[48];
		sm_region_labels(&sm_regions[r], labels);
		sm_text_f(out, "| %s | %s | ", sm_regions[r].name, labels);
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
