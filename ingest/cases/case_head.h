/* SPDX-License-Identifier: Apache-2.0
 *
 * What the headers of a case's files tell, before any of its voxels is read: the index lists it,
 * and a dry run of ingest foresees by it what will be
 * refused. */
#ifndef SM_INGEST_CASES_CASE_HEAD_H
#define SM_INGEST_CASES_CASE_HEAD_H

#include "core/stage.h"
#include "ingest/cases/cases.h"

struct sm_case_head {
	int64_t dim[4]; /* of the first role; 0 = not known */
	int axes;       /* how many of dim count: 2 for pictures, 3 or 4 */
	double mm[3];   /* spacing of the first role; 0 = not known */
	bool unreadable; /* a file could not be opened or read: may be another time */
	const char *verdict; /* "ok"; "incomplete": a file is missing or one too many; "broken": a
			      * header that ingest refuses; "refused": headers that do not fit
			      * together */
};

/* Looks at the header of every file of the case, by the manifest's rules. SM_OK when nothing speaks
 * against it. SM_INPUT: ingest would refuse it, with this sentence. SM_BUDGET. head is filled as
 * far as is known. */
enum sm_status sm_case_head(const struct sm_raw_case *found, const struct sm_run *run,
			    struct sm_case_head *head, struct sm_err *err);

#endif
