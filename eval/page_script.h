/* SPDX-License-Identifier: Apache-2.0
 *
 * The page's scripts. The page is complete without them: they make tables of class "sorts" sort by
 * a click on a column's head, and drive the viewer.
 */
#ifndef SM_EVAL_PAGE_SCRIPT_H
#define SM_EVAL_PAGE_SCRIPT_H

/* Elements <script>...</script> with their ends of line. */
extern const char sm_page_sort_script[];
extern const char sm_page_viewer_script[];

#endif
