/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/report.h"
#include "eval/page.h"

#include <math.h>

/* Okabe-Ito colours stand in the drawings; these are the page's own. */
/* clang-format off */
const char sm_page_css[] =
	":root{color-scheme:light dark;--page:#fff;--ink:#1b1f24;--quiet:#5b6470;"
	"--rule:#d9dee4;--card:#f5f7f9;--link:#0a5c8f}\n"
	"@media (prefers-color-scheme:dark){:root{--page:#14171a;--ink:#e6e9ec;"
	"--quiet:#9aa4ae;--rule:#343a41;--card:#1d2125;--link:#7cc4ee}}\n"
	"*{box-sizing:border-box}\n"
	"body{margin:0 auto;padding:2.2rem 1.4rem 4rem;max-width:1160px;"
	"background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"
	"'Segoe UI',Roboto,'DejaVu Sans',sans-serif}\n"
	"h1{font-size:1.9rem;line-height:1.2;margin:0 0 .3rem}\n"
	"h2{font-size:1.25rem;margin:2.8rem 0 .7rem;padding-bottom:.3rem;"
	"border-bottom:1px solid var(--rule)}\n"
	"p{margin:.4rem 0;max-width:75ch}\n"
	"a{color:var(--link)}\n"
	"nav{display:flex;flex-wrap:wrap;gap:.1rem 1.2rem}\n"
	".quiet,caption,figcaption,footer{color:var(--quiet)}\n"
	".cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(215px,1fr));"
	"gap:.9rem;margin:1.4rem 0 .4rem}\n"
	".card{background:var(--card);border:1px solid var(--rule);border-left:6px solid;"
	"border-radius:8px;padding:.8rem 1rem}\n"
	".card .big{font-size:2rem;font-weight:650;line-height:1.2;"
	"font-variant-numeric:tabular-nums}\n"
	".card h3{margin:0;font-size:.95rem;font-weight:600}\n"
	".card p{margin:0;font-size:.85rem}\n"
	".wide{overflow-x:auto}\n"
	"table{border-collapse:collapse;width:100%;margin:.8rem 0 1.2rem;font-size:.92rem;"
	"font-variant-numeric:tabular-nums}\n"
	"caption{text-align:left;font-size:.85rem;padding-bottom:.5rem}\n"
	"th,td{padding:.38rem .7rem;text-align:left;border-bottom:1px solid var(--rule);"
	"vertical-align:baseline}\n"
	"thead th{border-bottom:2px solid var(--quiet);font-weight:600;vertical-align:bottom}\n"
	"tbody th{font-weight:500;white-space:nowrap}\n"
	"tbody tr:hover td,tbody tr:hover th{background:var(--card)}\n"
	".n{text-align:right;white-space:nowrap}\n"
	".group th{font-size:.8rem;font-weight:600;color:var(--quiet);padding-top:.9rem}\n"
	".key{display:inline-block;width:.75em;height:.75em;border-radius:2px;"
	"margin-right:.45em;border:1px solid rgba(128,128,128,.5);print-color-adjust:exact;"
	"-webkit-print-color-adjust:exact}\n"
	".legend{max-width:none}\n"
	".legend span{margin-right:1.2rem;white-space:nowrap}\n"
	".dash{display:inline-block;width:1.6em;border-top:2px dashed currentColor;"
	"vertical-align:middle;margin-right:.45em}\n"
	"figure{margin:1.1rem 0 1.8rem}\n"
	"figcaption{font-size:.9rem;margin-bottom:.4rem}\n"
	"figcaption b{color:var(--ink)}\n"
	".tag{border:1px solid var(--rule);border-radius:99px;padding:0 .6em;font-size:.8rem}\n"
	".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,430px),"
	"1fr));gap:0 2rem}\n"
	".chart svg{width:100%;max-width:680px;height:auto;display:block}\n"
	".montage{width:100%;height:auto;display:block}\n"
	".o{fill:none;stroke-width:1.7;stroke-linejoin:round;"
	"vector-effect:non-scaling-stroke;filter:drop-shadow(0 0 .35px #000)}\n"
	".ref{fill:none;stroke:#fff;stroke-width:1.2;stroke-dasharray:4 3;"
	"vector-effect:non-scaling-stroke;filter:drop-shadow(0 0 .35px #000)}\n"
	"code,pre{font-family:ui-monospace,'DejaVu Sans Mono',monospace;font-size:.82em;"
	"overflow-wrap:anywhere}\n"
	"pre{background:var(--card);padding:.8rem;border-radius:6px;overflow-x:auto}\n"
	"summary{cursor:pointer;padding:.15rem 0}\n"
	"dl{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1.2rem}\n"
	"dt{font-weight:600}dd{margin:0;max-width:75ch}\n"
	"footer{margin-top:3rem;font-size:.85rem}\n"
	"@media (max-width:600px){dl{display:block}dd{margin:0 0 .6rem}}\n"
	"@media print{:root{--page:#fff;--ink:#000;--quiet:#444;--rule:#bbb;--card:#fff;"
	"color-scheme:light}body{max-width:none;padding:0;font-size:10.5pt}nav,details{"
	"display:none}h2{break-after:avoid}figure,.card,tr{break-inside:avoid}.wide{"
	"overflow:visible}.o,.ref{print-color-adjust:exact}}\n";
/* clang-format on */

static const char *title_of(const struct sm_report *report)
{
	const char *title = report->settings->title;
	return title && *title ? title : *report->name ? report->name : "Segmentation report";
}

static void head(const struct sm_report *report, struct sm_text *out)
{
	sm_text_str(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
			 "<meta name=\"viewport\" content=\"width=device-width, "
			 "initial-scale=1\"/>\n<title>");
	sm_text_html(out, title_of(report));
	sm_text_str(out, "</title>\n<style>\n");
	sm_text_str(out, sm_page_css);
	sm_text_str(out, "</style>\n</head>\n<body>\n<header>\n<h1>");
	sm_text_html(out, title_of(report));
	sm_text_f(out, "</h1>\n<p class=\"quiet\">%zu %scase%s scored on whole volumes",
		  report->count, sm_report_fold(report), report->count == 1 ? "" : "s");
	if (report->rejected)
		sm_text_f(out, ", %zu rejected", report->rejected);
	sm_text_str(out, ".</p>\n<nav aria-label=\"Sections\"><a href=\"#scores\">Scores</a>");
	if (report->history.columns)
		sm_text_str(out, "<a href=\"#training\">Training</a>");
	if (report->dir[SM_FROM_INGEST] && report->dir[SM_FROM_PREDICT] &&
	    report->settings->montage_cases)
		sm_text_str(out, "<a href=\"#pictures\">Pictures</a>");
	sm_text_str(out, "<a href=\"#cases\">Every case</a><a href=\"#origin\">Origin</a>"
			 "<a href=\"#definitions\">Definitions</a></nav>\n</header>\n<main>\n");
}

static void card(const struct sm_report *report, size_t region, struct sm_text *out)
{
	const struct sm_stat *s = &report->summary.stat[region][SM_DICE];
	sm_text_f(out,
		  "<div class=\"card\" style=\"border-left-color:%s\"><h3>Dice, %s</h3><div "
		  "class=\"big\">",
		  sm_region_colour(&report->map, region), report->map.row[region].name);
	sm_text_number(out, s->mean, 3, "–");
	sm_text_str(out, "</div><p class=\"quiet\">");
	if (isfinite(s->sd))
		sm_text_f(out, "± %.3f, ", s->sd);
	sm_text_str(out, "median ");
	sm_text_number(out, s->median, 3, "–");
	sm_text_f(out, ", n = %zu</p></div>\n", s->n);
}

static enum sm_status pictures(const struct sm_report *report, struct sm_text *out,
			       struct sm_err *err)
{
	const struct sm_label_map *map = &report->map;
	if (!report->dir[SM_FROM_INGEST] || !report->dir[SM_FROM_PREDICT] ||
	    !report->settings->montage_cases)
		return SM_OK;
	sm_text_f(
		out,
		"<section id=\"pictures\">\n<h2>Truth and prediction</h2>\n"
		"<p>Axial slices spread through what is labelled in the truth, seen from the feet "
		"(the patient's right is on the left). Cases are ordered from the lowest to the "
		"highest Dice of %s.</p>\n<p class=\"legend\">",
		map->row[0].name);
	for (size_t r = 0; r < map->main; r++) {
		sm_text_f(out, "<span><i class=\"key\" style=\"background:%s\"></i>%s, ",
			  sm_region_colour(map, r), map->row[r].name);
		sm_region_words(map, r, out);
		sm_text_str(out, "</span> ");
	}
	sm_text_str(out, "<span><i class=\"dash\"></i>in the lower row: all of these in the "
			 "truth</span></p>\n");
	SM_TRY(sm_report_montage(report, out, err));
	sm_text_str(out, "</section>\n");
	return SM_OK;
}

enum sm_status sm_report_page(const struct sm_report *report, struct sm_text *out,
			      struct sm_err *err)
{
	head(report, out);
	sm_text_str(out, "<section id=\"scores\">\n<div class=\"cards\">\n");
	for (size_t r = 0; r < report->map.shown; r++)
		card(report, r, out);
	sm_text_str(out, "</div>\n<h2>Scores</h2>\n");
	sm_report_scores(report, out);
	SM_TRY(sm_report_spread(report, out, err));
	sm_text_str(out, "</section>\n");
	SM_TRY(sm_report_curves(report, out, err));
	SM_TRY(pictures(report, out, err));
	sm_report_cases(report, out);
	sm_report_origin(report, out);
	sm_report_definitions(report, out);
	sm_text_f(out, "</main>\n<footer>Made by scanmill %s.</footer>\n</body>\n</html>\n",
		  SM_VERSION);
	return sm_text_check(out, "report.html", err);
}
