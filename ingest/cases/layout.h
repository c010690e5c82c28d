/* SPDX-License-Identifier: Apache-2.0
 *
 * How the files of a raw tree become cases: one row of sm_layout_rows a layout of the manifest
 * (ingest.layout). Adding a layout: a word in manifests/schema.c, a member of enum sm_layout, a
 * row, a file.
 */
#ifndef SM_INGEST_CASES_LAYOUT_H
#define SM_INGEST_CASES_LAYOUT_H

#include "ingest/cases/cases.h"

/* What a layout works on. */
struct sm_layout_job {
	const char *root;
	const struct sm_paths *paths; /* of the tree; must live as long as the cases */
	const struct sm_ingest_section *section;
	struct sm_mem *mem;
};

struct sm_layout_row {
	const char *name;      /* as in the manifest */
	const char *mark;      /* file at the top of a tree by which `auto` knows it; NULL = none */
	const char *looks_for; /* for the sentence that nothing was found */
	/* Fills out with cases; NULL for layouts that are no list of files (auto, dicom, mixed). On
	 * failure out is left cleared. */
	enum sm_status (*find)(const struct sm_layout_job *job, struct sm_raw_cases *out,
			       struct sm_err *err);
};

/* Indexed by enum sm_layout; SM_LAYOUT_COUNT rows. */
extern const struct sm_layout_row sm_layout_rows[];

/* What `auto` becomes without looking at the files' content: files when the manifest has sources, a
 * layout whose mark lies in root, else auto. Any other layout stays. */
enum sm_layout sm_layout_settle(const char *root, const struct sm_ingest_section *section);

/* The Medical Segmentation Decathlon and its successors: dataset.json names channels, labels and
 * files. Several channels in one file (the last axis) become one volume each, named by the channel;
 * a single channel has the role image, labels the role seg. Without a list of files (nnU-Net's
 * form) imagesTr/CASE_0000 and labelsTr/CASE are looked for. Images of the test part are left out
 * unless ingest.test_images is take. A listed file that is missing becomes its case's problem;
 * wrong counts and files that are not listed become warnings. SM_INPUT when dataset.json is
 * missing, damaged or contradicts itself. */
enum sm_status sm_layout_decathlon(const struct sm_layout_job *job, struct sm_raw_cases *out,
				   struct sm_err *err);

/* BIDS: each subject and session is a case, its patient the subject. A file's role is its name
 * without sub- and ses-: T1w, run-2_T1w. Its volumes need not share a grid. Numbers of JSON
 * sidecars come along by the inheritance rule; participants.tsv is compared with the subjects and
 * nothing else of it is used. */
enum sm_status sm_layout_bids(const struct sm_layout_job *job, struct sm_raw_cases *out,
			      struct sm_err *err);

/* Pictures. With sources: by their patterns. Else, ingest.pairing name: one folder of pictures
 * (role image), or two folders whose files of the same name are one case (roles = names of the
 * folders); pairing none: each picture is a case, its role the folder's name. Where there are
 * several roles, one with fewer than two pictures is the problem of its cases. */
enum sm_status sm_layout_images(const struct sm_layout_job *job, struct sm_raw_cases *out,
				struct sm_err *err);

/* Cases whose files are all pictures (by their names' ends) are marked as such; a mixture becomes
 * the case's problem. */
enum sm_status sm_layout_mark_pictures(struct sm_raw_cases *list, struct sm_err *err);
bool sm_layout_is_picture(const char *path);

#endif
