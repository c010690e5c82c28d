/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "eval/report_parts.h"

static void metric_row(const struct sm_column *c, struct sm_text *out)
{
	static const char *const per[] = {[SM_BY_VOXEL] = "whole volume",
					  [SM_BY_SLICE] = "mean over slices",
					  [SM_BY_TILE] = "mean over tiles"};
	sm_text_str(out, "<tr><th scope=\"row\">");
	sm_text_html(out, c->name);
	sm_text_f(out, "</th><td class=\"nw\"><code>%s</code></td><td>", c->key);
	sm_text_html(out, c->metric->formula);
	if (c->metric->per_tolerance)
		sm_text_f(out, "; tolerance %g mm", c->tolerance_mm);
	sm_text_f(out, "</td><td>%s</td><td class=\"nw\">%s</td><td class=\"nw\">%s</td><td>",
		  strcmp(c->metric->unit, "1") == 0 ? "–" : c->metric->unit, per[c->by],
		  sm_report_better(c->metric));
	sm_text_html(out, c->metric->equals ? c->metric->equals : "–");
	sm_text_str(out, "</td></tr>\n");
}

static void metrics(const struct sm_report *report, struct sm_text *out)
{
	static const char *const heads[] = {"Metric", "Key",  "What it is",        "Unit",
					    "Of",     "Best", "The same number as"};
	sm_report_table(out, NULL);
	sm_text_str(out,
		    "TP, FP, FN, TN: voxels in truth and prediction, in the prediction alone, in "
		    "the truth alone, in neither. d1: distances from the truth's surface to the "
		    "prediction's; d2: the other way.</caption>\n<thead><tr>");
	for (size_t i = 0; i < SM_COUNT(heads); i++)
		sm_report_head(out, heads[i], false);
	sm_text_str(out, "</tr></thead>\n<tbody>\n");
	for (size_t c = 0; c < report->columns.n; c++)
		metric_row(&report->columns.at[c], out);
	sm_text_str(out, "</tbody></table></div>\n");
}

void sm_report_definitions(const struct sm_report *report, struct sm_text *out)
{
	const json_t *settings = json_object_get(
		json_object_get(report->from[SM_FROM_EVALUATE].header, "settings"), "manifest");
	const json_t *evaluate = json_object_get(settings, "evaluate");
	const json_t *tolerance = json_object_get(evaluate, "grid_tolerance");
	sm_text_str(out, "<section id=\"definitions\">\n<h2>Definitions</h2>\n");
	metrics(report, out);
	sm_text_str(out, "<dl>\n");
	for (size_t r = 0; r < report->map.shown; r++) {
		sm_text_str(out, "<dt>");
		sm_text_html(out, report->map.row[r].name);
		sm_text_str(out, "</dt><dd>");
		sm_region_words(&report->map, r, out);
		sm_text_str(out, ".</dd>\n");
	}
	sm_text_f(out,
		  "<dt>Empty regions</dt><dd>Rule <b>%s</b>: ", sm_policy_names[report->policy]);
	sm_text_html(out, sm_policy_words[report->policy]);
	sm_text_str(out, ".</dd>\n");
	if (json_is_number(tolerance))
		sm_text_f(out,
			  "<dt>Grids</dt><dd>Truth and prediction are compared only on one grid: "
			  "no corner voxel lies more than %g mm from its counterpart.</dd>\n",
			  json_number_value(tolerance));
	sm_text_str(out,
		    "<dt>Mean, SD</dt><dd>Over cases, each case counting once; SD is the sample's "
		    "(n − 1). Median and quartiles lie between order statistics by straight "
		    "lines (type 7).</dd>\n<dt>95 % interval</dt><dd>Of the mean, by bootstrap, "
		    "bias-corrected and accelerated; whole patients are drawn where a patient has "
		    "several cases.</dd>\n<dt>n, infinite, left out</dt><dd>Cases in the mean; "
		    "cases whose distance is infinite; cases for which the metric has no value or "
		    "which the rule for empty regions leaves out.</dd>\n</dl>\n</section>\n");
}
