/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "eval/page.h"
#include "eval/translate_page.h"

/* clang-format off */
const char sm_translate_css[] =
	".no{color:#d55e00;font-weight:600}.yes{font-weight:600}\n"
	"tr.own th,tr.own td{font-weight:650}\n"
	".card .where{color:var(--quiet)}.card p+.where{margin-top:.5rem}\n"
	".scores{font-size:.86rem}.scores th,.scores td{padding:.32rem .45rem}\n"
	".scores thead .n{white-space:normal}.scores td .quiet{display:block;font-size:.92em}\n"
	".panels{width:auto}.panels th,.panels td{border:0;padding:.15rem .3rem;vertical-align:middle}\n"
	".panels img{display:block}\n"
	".scale{max-width:none}.scale i{display:inline-block;width:11rem;height:.8em;vertical-align:baseline;"
	"border:1px solid var(--rule);print-color-adjust:exact;-webkit-print-color-adjust:exact}\n";
/* clang-format on */

static const char *title_of(const struct sm_report *report)
{
	const char *title = report->settings->title;
	return title && *title ? title : *report->name ? report->name : "Image translation report";
}

static const char *unit_of(const struct sm_translate_report *r, int scale, int metric)
{
	return sm_image_unit(r->settings, scale, metric);
}

void sm_translate_verdict(const struct sm_translate_report *r, int s, int g, int m, bool full,
			  const struct sm_verdict_form *form, struct sm_text *out)
{
	const struct sm_image_verdict *v = &r->table.table.cells[0].verdict[s][g][m];
	const struct sm_image_metric *metric = &sm_image_metrics[m];
	const char *unit = unit_of(r, s, m);
	struct sm_text rest = {0};
	if (v->outcome == SM_OUTCOME_NONE) {
		sm_image_table_no_duel(&r->table.table, 0, s, g, m, &rest);
	} else {
		const int digits = sm_image_telling(v->model, v->baseline, metric->decimals[s]);
		sm_text_str(out, v->outcome == SM_OUTCOME_BETTER ? form->better : form->not_better);
		sm_text_f(&rest, "%s (", r->table.rows[v->against].name);
		sm_text_number(&rest, v->model, digits, "inf");
		sm_text_str(&rest, " against ");
		sm_text_number(&rest, v->baseline, digits, "inf");
		sm_text_f(&rest, "%s%s%s; better in %zu of %zu case%s", *unit ? " " : "", unit,
			  metric->better == SM_BETTER_ONE    ? " from 1"
			  : metric->better == SM_BETTER_ZERO ? " from 0"
							     : "",
			  v->wins, v->cases, v->cases == 1 ? "" : "s");
		if (full)
			sm_image_tests_words(v, metric->counted, digits, &rest);
		sm_text_str(&rest, metric->counted ? ")" : "); tells the kind of error alone");
		if (full && v->unmatched)
			sm_text_f(&rest, "; %zu baseline%s without a case in common", v->unmatched,
				  v->unmatched == 1 ? "" : "s");
	}
	form->escape(out, rest.data);
	out->failed |= rest.failed;
	sm_text_clear(&rest);
}

static void say(const struct sm_translate_report *r, int s, int g, int m, bool full,
		struct sm_text *out)
{
	static const struct sm_verdict_form html = {
		"<span class=\"yes\">better than every baseline</span>, the best is ",
		"<span class=\"no\">not better than</span> ", sm_text_html};
	sm_translate_verdict(r, s, g, m, full, &html, out);
}

/* One score with its verdict for each region that has it: a network can beat all that knows only
 * where the air is, and still say nothing about the body. Green only when it leads in each. */
static void card(const struct sm_translate_report *r, int m, struct sm_text *out)
{
	static const char *const where[SM_IMAGE_REGIONS] = {"Whole image", "Inside the body"};
	const struct sm_image_cells *own = &r->table.table.cells[0];
	const int s = SM_IMAGE_OWN;
	bool any = false, good = true;
	for (int g = 0; g < SM_IMAGE_REGIONS; g++) {
		if (!sm_image_shown(&r->table.table, s, g, m))
			continue;
		any = true;
		good &= own->verdict[s][g][m].outcome == SM_OUTCOME_BETTER;
	}
	if (!any)
		return;
	sm_text_f(out, "<div class=\"card\" style=\"border-left-color:%s\"><h3>%s</h3>",
		  sm_okabe_ito[good ? SM_GREEN : SM_VERMILION], sm_image_metrics[m].name);
	for (int g = 0; g < SM_IMAGE_REGIONS; g++) {
		if (!sm_image_shown(&r->table.table, s, g, m))
			continue;
		sm_text_f(out, "<p class=\"where\">%s</p><div class=\"big\">", where[g]);
		sm_text_number(out, own->at[s][g][m].stat.mean, sm_image_metrics[m].decimals[s],
			       own->at[s][g][m].infinite ? "inf" : "–");
		sm_text_f(out, " %s</div><p>", unit_of(r, s, m));
		say(r, s, g, m, false, out);
		sm_text_str(out, "</p>");
	}
	sm_text_str(out, "</div>\n");
}

void sm_translate_head(const struct sm_translate_report *r, struct sm_text *out)
{
	static const int told[] = {SM_IMAGE_MAE, SM_IMAGE_RMSE, SM_IMAGE_PSNR, SM_IMAGE_SSIM};
	const char *title = title_of(r->base);
	sm_text_str(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
			 "<meta name=\"viewport\" content=\"width=device-width, "
			 "initial-scale=1\"/>\n<title>");
	sm_text_html(out, title);
	sm_text_str(out, "</title>\n<style>\n");
	sm_text_str(out, sm_page_css);
	sm_text_str(out, sm_translate_css);
	sm_text_str(out, "</style>\n</head>\n<body>\n<header>\n<h1>");
	sm_text_html(out, title);
	sm_text_str(out, "</h1>\n<p class=\"quiet\">");
	sm_text_html(out, r->source);
	sm_text_str(out, " → ");
	sm_text_html(out, r->target);
	sm_text_f(out, ", %zu case%s scored", r->table.cases, r->table.cases == 1 ? "" : "s");
	if (r->table.rejected)
		sm_text_f(out, ", %zu rejected", r->table.rejected);
	sm_text_str(out, ".</p>\n<nav aria-label=\"Sections\"><a href=\"#scores\">Scores</a>");
	if (r->published.rows)
		sm_text_str(out, "<a href=\"#published\">Published</a>");
	if (r->base->history.columns)
		sm_text_str(out, "<a href=\"#training\">Training</a>");
	if (r->pictured && r->base->settings->montage_cases)
		sm_text_str(out, "<a href=\"#pictures\">Pictures</a>");
	sm_text_str(out, "<a href=\"#cases\">Every case</a><a href=\"#origin\">Origin</a>"
			 "<a href=\"#definitions\">Definitions</a></nav>\n</header>\n<main>\n"
			 "<section id=\"scores\">\n<div class=\"cards\">\n");
	for (size_t i = 0; i < SM_COUNT(told); i++)
		card(r, told[i], out);
	sm_text_str(out, "</div>\n<h2>Scores</h2>\n");
}

static const char *arrow(int metric)
{
	static const char *const arrows[] = {[SM_BETTER_HIGH] = "↑",
					     [SM_BETTER_LOW] = "↓",
					     [SM_BETTER_ONE] = "→ 1",
					     [SM_BETTER_ZERO] = "→ 0"};
	return arrows[sm_image_metrics[metric].better];
}

static void column_heads(const struct sm_translate_report *r, int s, int g, const char *first,
			 struct sm_text *out)
{
	sm_text_f(out, "<thead><tr><th scope=\"col\">%s</th>", first);
	for (int m = 0; m < SM_IMAGE_METRICS; m++) {
		const char *unit = unit_of(r, s, m);
		if (!sm_image_shown(&r->table.table, s, g, m))
			continue;
		sm_text_f(out, "<th scope=\"col\" class=\"n\">%s%s%s%s %s</th>",
			  sm_image_metrics[m].name, *unit ? " (" : "", unit, *unit ? ")" : "",
			  arrow(m));
	}
	sm_text_str(out, "</tr></thead>\n<tbody>\n");
}

static void score_rows(const struct sm_translate_report *r, int s, int g, struct sm_text *out)
{
	for (size_t i = 0; i < r->table.table.rows; i++) {
		if (!sm_image_row_shown(&r->table.table, i, s, g))
			continue;
		sm_text_f(out, "<tr%s><th scope=\"row\">", i ? "" : " class=\"own\"");
		sm_text_html(out, r->table.rows[i].name);
		sm_text_str(out, "</th>");
		for (int m = 0; m < SM_IMAGE_METRICS; m++) {
			const struct sm_image_cell *c = &r->table.table.cells[i].at[s][g][m];
			const int digits = sm_image_metrics[m].decimals[s];
			if (!sm_image_shown(&r->table.table, s, g, m))
				continue;
			sm_text_str(out, "<td class=\"n\">");
			sm_text_number(out, c->stat.mean, digits, c->infinite ? "inf" : "–");
			if (isfinite(c->stat.sd))
				sm_text_f(out, " <span class=\"quiet\">± %.*f</span>", digits,
					  c->stat.sd);
			sm_text_str(out, "</td>");
		}
		sm_text_str(out, "</tr>\n");
	}
}

static bool any_shown(const struct sm_translate_report *r, int s, int g)
{
	for (int m = 0; m < SM_IMAGE_METRICS; m++)
		if (sm_image_shown(&r->table.table, s, g, m))
			return true;
	return false;
}

static void units_and_region(const struct sm_translate_report *r, int s, int g, struct sm_text *out)
{
	if (s == SM_IMAGE_NORMALISED)
		sm_text_str(out, "Normalised units [-1, 1]");
	else if (strcmp(r->settings->unit, "1"))
		sm_text_html(out, r->settings->unit);
	else
		sm_text_str(out, "The images' own unit");
	sm_text_str(out, g == SM_IMAGE_WHOLE ? ", whole image" : ", inside the body");
}

void sm_translate_scores(const struct sm_translate_report *r, struct sm_text *out)
{
	for (int s = 0; s < SM_IMAGE_SCALES; s++)
		for (int g = 0; g < SM_IMAGE_REGIONS; g++) {
			if (!any_shown(r, s, g))
				continue;
			sm_text_str(out, "<h3>");
			units_and_region(r, s, g, out);
			sm_text_str(out, "</h3>\n<div class=\"wide\" tabindex=\"0\"><table "
					 "class=\"scores\">\n");
			column_heads(r, s, g, "Image", out);
			score_rows(r, s, g, out);
			sm_text_f(out,
				  "</tbody></table></div>\n<details%s><summary>Against the "
				  "baselines</summary><ul>\n",
				  s || g ? "" : " open");
			for (int m = 0; m < SM_IMAGE_METRICS; m++) {
				if (!sm_image_shown(&r->table.table, s, g, m))
					continue;
				sm_text_f(out, "<li>%s: ", sm_image_metrics[m].name);
				say(r, s, g, m, true, out);
				sm_text_str(out, "</li>\n");
			}
			sm_text_str(out, "</ul></details>\n");
		}
	sm_text_str(out, "</section>\n");
}

void sm_translate_cases(const struct sm_translate_report *r, struct sm_text *out)
{
	sm_text_str(out, "<section id=\"cases\">\n<h2>Every case</h2>\n<div class=\"wide\" "
			 "tabindex=\"0\"><table class=\"scores\">\n<caption>");
	sm_text_html(out, r->model);
	sm_text_str(out, ": ");
	units_and_region(r, SM_IMAGE_OWN, SM_IMAGE_WHOLE, out);
	sm_text_str(out, "; the largest MAE first.</caption>\n");
	column_heads(r, SM_IMAGE_OWN, SM_IMAGE_WHOLE, "Case", out);
	for (size_t i = 0; i < r->table.cases; i++) {
		const size_t at = r->order[i];
		char *name = r->pictured ? sm_scroll_name(r, r->table.keys[at]) : NULL;
		sm_text_str(out, "<tr><th scope=\"row\">");
		if (name) {
			sm_text_str(out, "<a href=\"");
			sm_text_html(out, name);
			sm_text_str(out, "\">");
		}
		sm_text_html(out, r->table.keys[at]);
		sm_text_str(out, name ? "</a></th>" : "</th>");
		free(name);
		for (int m = 0; m < SM_IMAGE_METRICS; m++) {
			const double v =
				r->table.rows[0].scores[at].value[SM_IMAGE_OWN][SM_IMAGE_WHOLE][m];
			if (!sm_image_shown(&r->table.table, SM_IMAGE_OWN, SM_IMAGE_WHOLE, m))
				continue;
			sm_text_str(out, "<td class=\"n\">");
			sm_text_number(out, v, sm_image_metrics[m].decimals[SM_IMAGE_OWN],
				       isinf(v) ? "inf" : "–");
			sm_text_str(out, "</td>");
		}
		sm_text_str(out, "</tr>\n");
	}
	sm_text_str(out, "</tbody></table></div>\n</section>\n");
}

void sm_translate_definitions(const struct sm_translate_report *r, struct sm_text *out)
{
	const struct sm_image_settings *s = r->settings;
	sm_text_str(out, "<section id=\"definitions\">\n<h2>Definitions</h2>\n<p>X is the image in "
			 "question, Y the true one; ");
	if (s->rule == SM_RANGE_GIVEN)
		sm_text_f(out, "L = %g %s.", s->range, strcmp(s->unit, "1") ? s->unit : "");
	else
		sm_text_str(out, "L = maximum - minimum of the true image.");
	if (s->from_low)
		sm_text_f(out, " SSIM and MS-SSIM are of X - (%g) and Y - (%g).", s->low, s->low);
	if (s->window[1] > s->window[0])
		sm_text_f(
			out,
			" Normalised units: %g is -1, %g is 1, values are cut there; there L = 2.",
			s->window[0], s->window[1]);
	sm_text_str(
		out,
		" Better than a baseline is said of the mean over the cases that both have. Beside "
		"it: the mean lead of the cases where both are finite with its bootstrap interval "
		"(95 %, BCa), and two-sided paired tests, Wilcoxon's signed ranks and permutation "
		"of signs, before and after Holm's correction over the scores of the same units "
		"and region. Of patients with several cases whole patients are drawn, and their "
		"means are tested.</p>\n<dl>\n");
	for (int m = 0; m < SM_IMAGE_METRICS; m++) {
		if (!sm_image_shown(&r->table.table, SM_IMAGE_OWN, SM_IMAGE_WHOLE, m))
			continue;
		sm_text_f(out, "<dt>%s</dt><dd>", sm_image_metrics[m].name);
		sm_text_html(out, sm_image_metrics[m].formula);
		sm_text_str(out, "</dd>\n");
	}
	for (int b = 0; b < SM_BASELINES; b++)
		for (size_t i = 1; i < r->table.table.rows; i++) {
			if (strcmp(r->table.rows[i].key, sm_baselines[b].key) != 0)
				continue;
			sm_text_f(out, "<dt>%s</dt><dd>", r->table.rows[i].name);
			sm_text_html(out, sm_baselines[b].what);
			sm_text_str(out, "</dd>\n");
		}
	sm_text_str(out, "</dl>\n</section>\n");
}
