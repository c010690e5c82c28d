/* SPDX-License-Identifier: Apache-2.0 */
#include <H5public.h>
#include <dnnl_version.h>
#include <libdeflate.h>
#include <string.h>

#include "eval/report_checklist.h"
#include "eval/report_published.h"

#define FOR_AUTHORS "to be filled in by the authors"

void sm_checklist_software(const struct sm_report *report, struct sm_text *out)
{
	(void)report;
	sm_text_f(out,
		  "scanmill %s (C17), built with HDF5 %d.%d.%d, jansson %s, libdeflate %s, oneDNN "
		  "%d.%d.%d (training and prediction)",
		  SM_VERSION, H5_VERS_MAJOR, H5_VERS_MINOR, H5_VERS_RELEASE, JANSSON_VERSION,
		  LIBDEFLATE_VERSION_STRING, DNNL_VERSION_MAJOR, DNNL_VERSION_MINOR,
		  DNNL_VERSION_PATCH);
}

void sm_checklist_hardware(const struct sm_report *report, struct sm_text *out)
{
	(void)report;
	sm_text_str(out,
		    "threads are not part of any number (same bits on any number); hardware: ");
}

/* What is known, the authors' part behind it. *known: there is something. */
static enum sm_status fill(const struct sm_report *report, const struct sm_checklist_item *item,
			   struct sm_text *text, bool *known, struct sm_err *err)
{
	if (item->fill)
		item->fill(report, text);
	*known = text->n > 0;
	const bool open = *known && text->data[text->n - 1] == ' ';
	if (!*known || (item->partly && open))
		sm_text_str(text, FOR_AUTHORS);
	else if (item->partly)
		sm_text_str(text, "; the rest " FOR_AUTHORS);
	return sm_text_check(text, "checklist", err);
}

/* How many items have something from the ledgers. */
static enum sm_status count_known(const struct sm_report *report, size_t *count, struct sm_err *err)
{
	*count = 0;
	for (size_t i = 0; i < sm_checklist_count; i++) {
		struct sm_text text = {0};
		bool known;
		enum sm_status st = fill(report, &sm_checklist_items[i], &text, &known, err);
		*count += known;
		sm_text_clear(&text);
		SM_TRY(st);
	}
	return SM_OK;
}

static const char source[] =
	"CLAIM: items of the Checklist for Artificial Intelligence in Medical Imaging, 2024 update "
	"(Tejani et al., Radiology: Artificial Intelligence 2024;6:e240300), in short words; "
	"Metrics: questions of Metrics Reloaded (Maier-Hein et al., Nature Methods 2024;21:195).";

enum sm_status sm_report_checklist(const struct sm_report *report, struct sm_text *out,
				   struct sm_err *err)
{
	size_t count;
	SM_TRY(count_known(report, &count, err));
	sm_text_f(
		out,
		"<section id=\"checklist\">\n<h2>Checklist</h2>\n<p>%s %zu of %zu items hold "
		"what the ledgers know.</p>\n<div class=\"wide\" tabindex=\"0\"><table>\n"
		"<caption>For the authors to complete: the same as checklist.md</caption>\n<thead>"
		"<tr><th scope=\"col\">Item</th><th scope=\"col\">What</th><th scope=\"col\">"
		"Known to the pipeline</th></tr></thead>\n<tbody>\n",
		source, count, sm_checklist_count);
	for (size_t i = 0; i < sm_checklist_count; i++) {
		const struct sm_checklist_item *item = &sm_checklist_items[i];
		struct sm_text text = {0};
		bool known;
		enum sm_status st = fill(report, item, &text, &known, err);
		if (st == SM_OK) {
			sm_text_f(out, "<tr><th scope=\"row\">%s</th><td>%s</td><td%s>",
				  item->number, item->what, known ? "" : " class=\"quiet\"");
			sm_text_html(out, text.data);
			sm_text_str(out, "</td></tr>\n");
		}
		sm_text_clear(&text);
		SM_TRY(st);
	}
	sm_text_str(out, "</tbody></table></div>\n</section>\n");
	return SM_OK;
}

enum sm_status sm_checklist_md(const struct sm_report *report, struct sm_text *out,
			       struct sm_err *err)
{
	sm_text_f(out,
		  "# Checklist\n\n%s\n\n| Item | What | Known to the pipeline |\n|---|---|---|\n",
		  source);
	for (size_t i = 0; i < sm_checklist_count; i++) {
		const struct sm_checklist_item *item = &sm_checklist_items[i];
		struct sm_text text = {0};
		bool known;
		enum sm_status st = fill(report, item, &text, &known, err);
		if (st == SM_OK) {
			sm_text_f(out, "| %s | %s | ", item->number, item->what);
			sm_report_md_text(out, text.data);
			sm_text_str(out, " |\n");
		}
		sm_text_clear(&text);
		SM_TRY(st);
	}
	return sm_text_check(out, "checklist.md", err);
}
