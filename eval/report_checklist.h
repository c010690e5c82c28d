/* SPDX-License-Identifier: Apache-2.0
 *
 * The checklist of a report: one table of items, each with the function that says what the ledgers
 * know of it.
 */
#ifndef SM_EVAL_REPORT_CHECKLIST_H
#define SM_EVAL_REPORT_CHECKLIST_H

#include "eval/report.h"

struct sm_checklist_item {
	const char *number, *what;
	/* Adds plain text; nothing when nothing is known. NULL: it is the authors'. */
	void (*fill)(const struct sm_report *report, struct sm_text *out);
	bool partly; /* what is known needs the authors' words, too */
};
extern const struct sm_checklist_item sm_checklist_items[];
extern const size_t sm_checklist_count;

/* report_checklist_page.c: scanmill's version and the libraries' that numbers depend on; and what
 * is to be said of the machine. */
void sm_checklist_software(const struct sm_report *report, struct sm_text *out);
void sm_checklist_hardware(const struct sm_report *report, struct sm_text *out);

/* checklist.md, to be completed by hand. */
enum sm_status sm_checklist_md(const struct sm_report *report, struct sm_text *out,
			       struct sm_err *err);

#endif
