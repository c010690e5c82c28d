/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/cases/layout.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/cases/bids_fields.h"

static enum sm_status brats(const struct sm_layout_job *job, struct sm_raw_cases *out,
			    struct sm_err *err)
{
	return sm_raw_cases_brats(job->paths, out, err);
}

static enum sm_status files(const struct sm_layout_job *job, struct sm_raw_cases *out,
			    struct sm_err *err)
{
	const struct sm_ingest_section *m = job->section;
	*out = (struct sm_raw_cases){0};
	if (!m->sources.n)
		return SM_FAIL(err, SM_USAGE,
			       "ingest.sources: is empty; layout files needs one entry a role");
	SM_TRY(sm_raw_cases_find(job->paths, m->sources.items, m->sources.n, out, err));
	enum sm_status st = sm_layout_mark_pictures(out, err);
	if (st == SM_OK)
		st = sm_fields_beside(job->root, job->paths, job->mem, out, err);
	if (st != SM_OK)
		sm_raw_cases_clear(out);
	return st;
}

const struct sm_layout_row sm_layout_rows[] = {
	[SM_LAYOUT_AUTO] =
		{"auto", NULL,
		 "DICOM files, dataset.json, dataset_description.json, BraTS folders, NIfTI "
		 "files, pictures",
		 NULL},
	[SM_LAYOUT_BRATS] = {"brats", NULL, "NAME/NAME_flair.nii.gz and so on", brats},
	[SM_LAYOUT_FILES] = {"files", NULL, "what the patterns of ingest.sources fit", files},
	[SM_LAYOUT_DICOM] = {"dicom", NULL, "DICOM files", NULL},
	[SM_LAYOUT_DECATHLON] = {"decathlon", "dataset.json", "files that dataset.json lists",
				 sm_layout_decathlon},
	[SM_LAYOUT_BIDS] = {"bids", "dataset_description.json",
			    "sub-NAME/anat/sub-NAME_T1w.nii.gz and so on", sm_layout_bids},
	[SM_LAYOUT_MIXED] = {"mixed", NULL,
			     "DICOM files, and what the patterns of ingest.sources fit", NULL},
	[SM_LAYOUT_IMAGES] = {"images", NULL, "PNG, JPEG, PGM and PPM files", sm_layout_images},
};

_Static_assert(sizeof sm_layout_rows / sizeof *sm_layout_rows == SM_LAYOUT_COUNT, "a row a layout");

enum sm_layout sm_layout_settle(const char *root, const struct sm_ingest_section *section)
{
	if (section->layout != SM_LAYOUT_AUTO)
		return (enum sm_layout)section->layout;
	if (section->sources.n)
		return SM_LAYOUT_FILES;
	for (int i = 0; i < SM_LAYOUT_COUNT; i++) {
		const char *mark = sm_layout_rows[i].mark;
		char *path = mark ? sm_path_join(root, mark) : NULL;
		bool there = path && sm_file_exists(path);
		free(path);
		if (there)
			return (enum sm_layout)i;
	}
	return SM_LAYOUT_AUTO;
}
