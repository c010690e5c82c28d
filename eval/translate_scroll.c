/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "eval/page.h"
#include "eval/translate_page.h"

/* Slices beyond WHOLE_PIXELS are made smaller than PAGE_PIXELS: a page holds hundreds of them. */
enum { WHOLE_PIXELS = 256, PAGE_PIXELS = 192, PAGE_SHOWN = 224 };

/* Without a script it is a strip of all slices; the script shows one of them at a time. */
static const char script[] =
	"<script>\n"
	"(function () {\n"
	"  var all = document.querySelectorAll('.strip figure'), at = "
	"document.getElementById('at'),\n"
	"    now = document.getElementById('now');\n"
	"  function show() {\n"
	"    for (var i = 0; i < all.length; i++) all[i].hidden = i !== Number(at.value);\n"
	"    now.textContent = all[at.value].getAttribute('data-name');\n"
	"  }\n"
	"  at.max = all.length - 1;\n"
	"  at.value = Math.floor(all.length / 2);\n"
	"  at.oninput = show;\n"
	"  document.getElementById('scroll').hidden = false;\n"
	"  document.querySelector('.strip').addEventListener('wheel', function (e) {\n"
	"    at.value = Number(at.value) + (e.deltaY > 0 ? 1 : -1);\n"
	"    e.preventDefault();\n"
	"    show();\n"
	"  }, {passive: false});\n"
	"  show();\n"
	"  at.focus();\n"
	"})();\n"
	"</script>\n";

static const char css[] = ".strip{display:flex;gap:1.2rem;overflow-x:auto;padding:.4rem 0}\n"
			  ".strip figure{margin:0;flex:none}\n"
			  ".strip figure[hidden]{display:none}\n"
			  ".strip span{display:inline-block;margin-right:.4rem;font-size:.85rem}\n"
			  ".strip span img{display:block;image-rendering:auto}\n"
			  "#scroll{margin:1rem 0}#scroll[hidden]{display:none}\n"
			  "#at{width:min(100%,960px);display:block;margin:.4rem 0}\n";

char *sm_scroll_name(const struct sm_translate_report *r, const char *key)
{
	return r->pictures ? sm_strf("pictures.html") : sm_strf("slices/%s.html", key);
}

static void open_page(const struct sm_translate_report *r, const char *title,
		      const struct sm_look *look, struct sm_text *out)
{
	sm_text_str(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
			 "<meta name=\"viewport\" content=\"width=device-width, "
			 "initial-scale=1\"/>\n<title>");
	sm_text_html(out, title);
	sm_text_str(out, "</title>\n<style>\n");
	sm_text_str(out, sm_page_css);
	sm_text_str(out, sm_translate_css);
	sm_text_str(out, css);
	sm_text_str(out, "</style>\n</head>\n<body>\n<header>\n<h1>");
	sm_text_html(out, title);
	sm_text_f(out,
		  "</h1>\n<p class=\"quiet\"><a "
		  "href=\"%sreport.html\">Report</a></p>\n</header>\n<main>\n",
		  r->pictures ? "" : "../");
	sm_panel_legend(r, out);
	sm_panel_window(r, look, out);
	sm_text_f(out,
		  "<div id=\"scroll\" hidden><label for=\"at\">%s <b id=\"now\"></b></label>"
		  "<input id=\"at\" type=\"range\" min=\"0\" value=\"0\" step=\"1\"/></div>\n"
		  "<div class=\"strip\" tabindex=\"0\">\n",
		  r->pictures ? "Picture" : "Slice");
}

static void close_page(struct sm_text *out)
{
	sm_text_str(out, "</div>\n</main>\n");
	sm_text_f(out, "<footer>Made by scanmill %s.</footer>\n", SM_VERSION);
	sm_text_str(out, script);
	sm_text_str(out, "</body>\n</html>\n");
}

/* Slice k as a figure of four panels. */
static enum sm_status add_figure(const struct sm_translate_report *r, const struct sm_made *c,
				 const struct sm_look *look, const char *key, int64_t k,
				 struct sm_text *out, struct sm_err *err)
{
	sm_text_str(out, "<figure data-name=\"");
	if (c->pictures)
		sm_text_html(out, key);
	else
		sm_text_f(out, "%lld (of 0 to %lld)", (long long)c->slice[k],
			  (long long)c->count - 1);
	sm_text_str(out, "\"><figcaption><b>");
	if (c->pictures)
		sm_text_html(out, key);
	else
		sm_text_f(out, "slice %lld", (long long)c->slice[k]);
	sm_text_f(out, "</b> MAE %.*f</figcaption>",
		  sm_image_metrics[SM_IMAGE_MAE].decimals[SM_IMAGE_OWN], sm_slice_mae(c, k));
	for (int p = 0; p < SM_PANELS; p++) {
		sm_text_str(out, "<span>");
		SM_TRY(sm_panel_add(r, c, look, (enum sm_panel)p, k, out, err));
		sm_text_f(out, "%s</span>", sm_panel_names[p]);
	}
	sm_text_str(out, "</figure>\n");
	return SM_OK;
}

/* A case; before the first one of a page its head. */
static enum sm_status add_case(const struct sm_translate_report *r, size_t at, struct sm_text *out,
			       struct sm_err *err)
{
	struct sm_made c;
	struct sm_look look;
	SM_TRY(sm_translate_load(r, r->table.keys[at], &c, &look, err));
	look.most = c.width > WHOLE_PIXELS || c.height > WHOLE_PIXELS ? PAGE_PIXELS : WHOLE_PIXELS;
	look.shown = PAGE_SHOWN;
	enum sm_status st = SM_OK;
	if (!out->n)
		open_page(r, r->pictures ? "All pictures" : r->table.keys[at], &look, out);
	for (int64_t k = 0; st == SM_OK && k < c.n; k++)
		st = add_figure(r, &c, &look, r->table.keys[at], k, out, err);
	sm_made_clear(&c);
	return st;
}

static enum sm_status write_page(struct sm_item *item, const struct sm_translate_report *r,
				 const char *key, struct sm_text *page, struct sm_err *err)
{
	char *name = sm_scroll_name(r, key);
	enum sm_status st;
	close_page(page);
	st = name ? sm_report_write(item, name, "slices", page, err)
		  : SM_FAIL(err, SM_BUDGET, "%s: out of memory", key);
	free(name);
	return st;
}

enum sm_status sm_scroll_pages(const struct sm_translate_report *r, struct sm_item *item,
			       struct sm_err *err)
{
	struct sm_text page = {0};
	enum sm_status st = SM_OK;
	if (!r->pictured)
		return SM_OK;
	for (size_t i = 0; i < r->table.cases; i++) {
		SM_GOTO(st, add_case(r, i, &page, err));
		if (r->pictures)
			continue;
		SM_GOTO(st, write_page(item, r, r->table.keys[i], &page, err));
		sm_text_clear(&page);
	}
	if (r->pictures)
		st = write_page(item, r, "", &page, err);
out:
	sm_text_clear(&page);
	return st;
}
