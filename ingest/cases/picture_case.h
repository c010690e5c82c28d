/* SPDX-License-Identifier: Apache-2.0
 *
 * A case of pictures: decoded, scrubbed, written again as PNG.
 */
#ifndef SM_INGEST_CASES_PICTURE_CASE_H
#define SM_INGEST_CASES_PICTURE_CASE_H

#include "core/stage.h"
#include "ingest/cases/cases.h"

/* Writes KEY/ROLE.png of each role and KEY/case.json, and fills the item's record. The pixels keep
 * their numbers: gray or RGB of 8 bits, or of 16 when the file's maxval is above 255. The files of
 * a case must have one size (SM_INPUT), a label one channel of 8 bits. An output's identity is that
 * of its pixels (sm_image_sha256). */
enum sm_status sm_convert_pictures(const struct sm_raw_case *found, struct sm_item *item,
				   struct sm_err *err);

#endif
