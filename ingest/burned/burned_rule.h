/* SPDX-License-Identifier: Apache-2.0
 *
 * What ingest does about text in the pixels: stops the item, or keeps it with a record when the
 * manifest says that a person has looked (ingest.burned_text).
 */
#ifndef SM_INGEST_BURNED_BURNED_RULE_H
#define SM_INGEST_BURNED_BURNED_RULE_H

#include "core/png.h"
#include "core/stage.h"
#include "core/vol.h"

/* Looks at a volume before it is written. `name` stands before the sentence (a file's name, or
 * NULL). A finding is SM_INPUT ("burned_in: ..."), or with burned_text: keep a warning and an entry
 * of the record's "burned_text". Labels are not looked at. */
enum sm_status sm_burned_check(const struct sm_vol *vol, const char *name, struct sm_item *item,
			       struct sm_err *err);

/* The same for a picture: gray, or the green of RGB. */
enum sm_status sm_burned_check_picture(const struct sm_image *image, const char *name,
				       struct sm_item *item, struct sm_err *err);

/* For objects that say themselves that text stands in them; `reason` is a sentence. */
enum sm_status sm_burned_declared(const char *reason, struct sm_item *item, struct sm_err *err);

#endif
