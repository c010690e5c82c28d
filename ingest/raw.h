/* SPDX-License-Identifier: Apache-2.0
 *
 * What a raw tree holds, as one sorted list of items: DICOM series, NIfTI cases, and DICOM files
 * that cannot be read. Shared by the index and ingest stages.
 */
#ifndef SM_INGEST_RAW_H
#define SM_INGEST_RAW_H

#include "core/stage.h"
#include "ingest/cases/cases.h"
#include "ingest/scan.h"

enum sm_raw_kind { SM_RAW_SERIES, SM_RAW_CASE, SM_RAW_BROKEN };

struct sm_raw_item {
	enum sm_raw_kind kind;
	size_t at;       /* index into scan.list.series, cases.v or scan.broken */
	const char *key; /* unique, safe as a file name */
};

struct sm_raw {
	struct sm_salt salt;
	struct sm_scan_rules rules;
	const struct sm_ingest_section *section; /* what the manifest asks for; not owned */
	struct sm_scan
		scan; /* empty for layouts that find cases by themselves (ingest/cases/layout.h) */
	struct sm_raw_cases cases;
	struct sm_paths paths;    /* of those layouts */
	const char **no_suv; /* of each series: why ingest.pet_units: suvbw will refuse it, or NULL;
			      * NULL when SUV is not asked for. Owned; texts in scan.arena */
	size_t suv_files;    /* how many headers were read again for that */
	struct sm_raw_item *item; /* sorted by key; owned */
	size_t n;
	size_t nifti_left; /* NIfTI files that no item takes, beside those of the same layouts */
};

/* Walks run->in by the manifest's ingest section: layout auto takes what there is (series, BraTS
 * cases, or else every single NIfTI file as a case with role image, or else pictures); mixed takes
 * series and cases by patterns; a dataset.json or dataset_description.json at the top makes it
 * layout decathlon or bids. salt_file may be NULL. SM_INPUT when nothing is found. Clear with
 * sm_raw_clear. */
enum sm_status sm_raw_open(struct sm_run *run, const struct sm_ingest_section *section,
			   const char *salt_file, const char *cache, struct sm_raw *out,
			   struct sm_err *err);
void sm_raw_clear(struct sm_raw *raw);

/* What ingest does with an item, as far as names and headers tell. */
enum sm_raw_use {
	SM_RAW_USABLE,
	SM_RAW_REFUSED,
	SM_RAW_ASIDE, /* reports, plans, localisers */
};

/* What ingest makes of a series by its headers and the manifest. Refused: *verdict is why. The
 * sentence goes to why (NULL = not wanted), which may end early. */
enum sm_raw_use sm_raw_judge_series(const struct sm_raw *raw, size_t series,
				    enum sm_verdict *verdict, char why[500]);

/* Why text is to be expected in the pixels of a series, a static sentence; NULL when nothing says
 * so. */
const char *sm_raw_burned_in(const struct sm_raw *raw, const struct sm_series *series);

/* The role of a series' volume and the name of its files: "image"; with layout mixed "ct", "mr" or
 * "pet", else its modality in small letters. */
void sm_raw_role(const struct sm_raw *raw, size_t series, char role[17]);

/* Finds the cases of layout mixed among the files of raw->scan that are no DICOM. */
enum sm_status sm_raw_find_mixed(struct sm_raw *raw, struct sm_err *err);

/* SM_INPUT when two of the sorted items have one key. */
enum sm_status sm_raw_check_keys(const struct sm_raw *raw, struct sm_err *err);

/* Puts a case's patient and the files that were not taken into its record, and tells its
 * warning. */
enum sm_status sm_raw_describe_case(const struct sm_raw_case *c, struct sm_item *item,
				    struct sm_err *err);

/* Puts what is known of a series into its record: modality, size, spacing, slice distances,
 * verdict. */
void sm_raw_describe_series(const struct sm_raw *raw, size_t series, json_t *record);

/* Declares, as an input of role "listing", all that an item's record takes from the tree's listing
 * and headers: of a series the headers of its slices, its copies and its part of a series; of a
 * case its files' names, with `heads` also their sizes and first bytes. Paths of DICOM files have
 * no part in it. */
enum sm_status sm_raw_listing(const struct sm_raw *raw, const struct sm_raw_item *it, bool heads,
			      struct sm_item *item, struct sm_err *err);

/* Fills raw->no_suv when ingest.pet_units asks for SUV: opens the headers of all usable PET series
 * below root once more, because weights, doses and times of injection are kept nowhere. Files that
 * cannot be read any longer are left to ingest. SM_BUDGET. */
enum sm_status sm_raw_foresee_suv(struct sm_raw *raw, const char *root, int jobs,
				  struct sm_err *err);

#endif
