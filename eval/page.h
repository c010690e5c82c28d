/* SPDX-License-Identifier: Apache-2.0
 *
 * What the pages of report and explore share. It stands in report_page.c.
 */
#ifndef SM_EVAL_PAGE_H
#define SM_EVAL_PAGE_H

/* The style sheet: light, dark and print. */
extern const char sm_page_css[];

#endif
