/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/cells.h"
#include "eval/report_groups.h"
#include "eval/page.h"
#include "eval/page_script.h"
#include "eval/viewer.h"

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
	/* Covers that scroll with the table hide the shadows at its ends, so a shadow is where
	 * columns are hidden. */
	".wide{overflow-x:auto;background:linear-gradient(90deg,var(--page) 40%,transparent) 0 0/"
	"2.4rem 100% no-repeat local,linear-gradient(270deg,var(--page) 40%,transparent) 100% 0/"
	"2.4rem 100% no-repeat local,linear-gradient(90deg,rgba(128,128,128,.6),transparent) 0 0/"
	"1rem 100% no-repeat scroll,linear-gradient(270deg,transparent 2px,rgba(128,128,128,.6) 2px,"
	"transparent) 100% 0/1rem 100% no-repeat scroll}\n"
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
	"overflow:visible;background:none}.o,.ref{print-color-adjust:exact}}\n";

/* Of this page alone. */
static const char report_css[] =
	"body{max-width:1320px}\n"
	"h3{font-size:1rem;margin:1.4rem 0 .4rem}\n"
	".card{max-width:26rem}\n"
	".means{font-size:.88rem}.means td,.means th{padding:.35rem .4rem}\n"
	".means td a{font-weight:650}\n"
	".means thead th{font-size:.82rem}\n"
	"thead .n{white-space:normal}\n"
	"td small,th small{display:block;color:var(--quiet);font-size:.76rem;line-height:1.35}\n"
	"td a{text-decoration-thickness:1px;text-underline-offset:2px}\n"
	".nw{white-space:nowrap}\n"
	"abbr{text-decoration:none}\n"
	"details{margin:.3rem 0}\n"
	".sorts tbody th{position:sticky;left:0;background:var(--page)}\n"
	"button.sort{all:unset;cursor:pointer;font:inherit}\n"
	"button.sort:hover{text-decoration:underline}\n"
	"button.sort:focus-visible{outline:2px solid var(--link);outline-offset:2px}\n"
	"th[aria-sort=ascending] button.sort::after{content:' \\2191'}\n"
	"th[aria-sort=descending] button.sort::after{content:' \\2193'}\n"
	"tr:target td,tr:target th{background:var(--card);box-shadow:inset 0 2px 0 var(--link),"
	"inset 0 -2px 0 var(--link)}\n"
	".pair.one .charts{grid-template-columns:1fr}\n"
	"figure.pair{break-inside:avoid}figure.pair .chart svg{max-width:none}\n"
	".controls{display:flex;flex-wrap:wrap;gap:.4rem 1.4rem;max-width:none}\n"
	".controls label{white-space:nowrap}\n"
	".controls input[type=range]{vertical-align:middle;width:8rem}\n"
	".stage{height:min(70vh,620px);min-height:320px;background:#000}\n"
	".stage canvas{display:block;outline-offset:2px}\n"
	"#viewer-frame[hidden]{display:none}\n"
	"footer pre{white-space:pre-wrap}\n"
	"@media (max-width:600px){.legend span,.controls label{white-space:normal}}\n"
	"@media print{@page{size:A4 landscape;margin:12mm}body{font-size:9pt}table{font-size:7.5pt}"
	"th,td{padding:.2rem .35rem}caption,figcaption{font-size:8pt}.means{font-size:7pt}"
	"td small,th small{font-size:6.2pt;line-height:1.25}"
	"details{display:block}details.settings,#viewer,#cells details,footer details{display:none}"
	"details::details-content{content-visibility:visible;display:block}"
	"summary{list-style:none;font-weight:600}button.sort{display:contents}"
	"h3,summary,caption,section>p,thead{break-after:avoid}.sorts tbody th{position:static}"
	".charts{grid-template-columns:1fr 1fr}.pair.one .charts{grid-template-columns:1fr}}\n";
/* clang-format on */

static const char *title_of(const struct sm_report *report)
{
	const char *title = report->settings->title;
	return title && *title ? title : *report->name ? report->name : "Segmentation report";
}

static bool has_pictures(const struct sm_report *report)
{
	return sm_scene_possible(report) && report->settings->montage_cases;
}

static void head(const struct sm_report *report, struct sm_text *out)
{
	const struct {
		const char *id, *words;
		bool there;
	} links[] = {
		{"scores", "Scores", true},
		{"tests", "Tests", report->models.duels > 0},
		{"published", "Published", report->settings->published.n > 0},
		{"spread", "Spread", true},
		{"volumes", "Volumes", true},
		{"training", "Training", report->history.columns > 0},
		{"pictures", "Pictures", has_pictures(report)},
		{"viewer", "Viewer", has_pictures(report) && report->viewer},
		{"cases", "Every case", true},
		{"flow", "Case flow", true},
		{"origin", "Origin", true},
		{"cells", "Figures and files", true},
		{"definitions", "Definitions", true},
		{"checklist", "Checklist", true},
	};
	sm_text_str(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
			 "<meta name=\"viewport\" content=\"width=device-width, "
			 "initial-scale=1\"/>\n<title>");
	sm_text_html(out, title_of(report));
	sm_text_str(out, "</title>\n<style>\n");
	sm_text_str(out, sm_page_css);
	sm_text_str(out, report_css);
	sm_text_str(out, "</style>\n</head>\n<body>\n<header>\n<h1>");
	sm_text_html(out, title_of(report));
	sm_text_f(out, "</h1>\n<p class=\"quiet\">%zu %scase%s scored on whole volumes",
		  report->count, sm_report_fold(report), report->count == 1 ? "" : "s");
	if (report->rejected)
		sm_text_f(out, ", %zu rejected", report->rejected);
	if (report->models.n > 1) {
		sm_text_f(out, "; %zu models, cards and pictures are of ", report->models.n);
		sm_text_html(out, report->models.v[report->models.main].name);
	}
	sm_text_str(out, ".</p>\n<nav aria-label=\"Sections\">");
	for (size_t i = 0; i < SM_COUNT(links); i++)
		if (links[i].there)
			sm_text_f(out, "<a href=\"#%s\">%s</a>", links[i].id, links[i].words);
	sm_text_str(out, "</nav>\n</header>\n<main>\n");
}

static void card(const struct sm_report *report, size_t region, struct sm_text *out)
{
	const struct sm_models *models = &report->models;
	const struct sm_column *column = &report->columns.at[0];
	const struct sm_spread *s = &sm_summary_at(&models->v[models->main].summary, region, 0)->s;
	int decimals = column->metric->decimals;
	sm_text_f(out, "<div class=\"card\" style=\"border-left-color:%s\"><h3>%s, ",
		  sm_region_colour(&report->map, region), column->name);
	sm_text_html(out, report->map.row[region].name);
	sm_text_str(out, "</h3><div class=\"big\">");
	sm_text_number(out, s->mean, decimals, "–");
	sm_text_str(out, "</div><p class=\"quiet\">");
	if (isfinite(s->low95) && isfinite(s->high95))
		sm_text_f(out, "95 %%: %.*f to %.*f<br/>", decimals, s->low95, decimals, s->high95);
	sm_text_str(out, "median ");
	sm_text_number(out, s->median, decimals, "–");
	sm_text_f(out, ", n = %zu</p></div>\n", s->n);
}

static enum sm_status pictures(const struct sm_report *report, struct sm_text *out,
			       struct sm_err *err)
{
	const struct sm_label_map *map = &report->map;
	if (!has_pictures(report))
		return SM_OK;
	sm_text_f(
		out,
		"<section id=\"pictures\">\n<h2>Truth and prediction</h2>\n"
		"<p>Axial slices spread through what is labelled in the truth, seen from the feet "
		"(the patient's right is on the left). The worst cases by %s of %s, and those "
		"about "
		"the median.</p>\n<p class=\"legend\">",
		report->columns.at[0].name, map->row[0].name);
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

static void footer(const struct sm_report *report, struct sm_text *out)
{
	sm_text_f(out, "</main>\n<footer><p>Made by scanmill %s.</p>\n", SM_VERSION);
	if (report->viewer)
		sm_viewer_notice(out);
	sm_text_str(out, "</footer>\n");
	sm_text_str(out, sm_page_sort_script);
	sm_viewer_script(report, out);
	sm_text_str(out, "</body>\n</html>\n");
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
	sm_text_str(out, "</section>\n");
	sm_report_duels(report, out);
	SM_TRY(sm_report_published(report, out, err));
	SM_TRY(sm_report_groups(report, out, err));
	SM_TRY(sm_report_plots(report, out, err));
	SM_TRY(sm_report_volumes(report, out, err));
	SM_TRY(sm_report_curves(report, out, err));
	SM_TRY(pictures(report, out, err));
	SM_TRY(sm_report_viewer(report, out, err));
	SM_TRY(sm_report_cases(report, out, err));
	SM_TRY(sm_report_flow(report, out, err));
	sm_report_origin(report, out);
	SM_TRY(sm_cells_section(report, out, err));
	sm_report_definitions(report, out);
	SM_TRY(sm_report_checklist(report, out, err));
	footer(report, out);
	return sm_text_check(out, "report.html", err);
}
