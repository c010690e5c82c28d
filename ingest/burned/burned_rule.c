/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/burned/burned_rule.h"

#include <stdlib.h>

#include "ingest/burned/burned_text.h"
#include "manifests/schema.h"

static enum sm_status act(const char *name, const char *sentence, struct sm_item *item,
			  struct sm_err *err)
{
	const char *colon = name ? ": " : "";
	name = name ? name : "";
	const struct sm_manifest_root *m = item->run->manifest;
	if (m->ingest->burned_text == SM_BURNED_TEXT_REFUSE)
		return SM_FAIL(err, SM_INPUT,
			       "burned_in: %s%s%s (ingest.burned_text: keep takes it when a person "
			       "has looked)",
			       name, colon, sentence);
	sm_item_warn(item, "burned_in: %s%s%s; kept as the manifest asks", name, colon, sentence);
	json_t *list = json_object_get(item->record, "burned_text");
	if (!list)
		json_object_set_new(item->record, "burned_text", list = json_array());
	char *text = sm_strf("%s%s%s", name, colon, sentence);
	json_array_append_new(list, text ? json_string_nocheck(text) : NULL);
	free(text);
	return SM_OK;
}

enum sm_status sm_burned_check(const struct sm_vol *vol, const char *name, struct sm_item *item,
			       struct sm_err *err)
{
	struct sm_text_finding found;
	char text[200];
	if (vol->meaning == SM_MEANING_LABEL)
		return SM_OK;
	SM_TRY(sm_burned_text_find(vol, &item->run->mem, item->jobs, &found, err));
	if (!found.found)
		return SM_OK;
	sm_burned_text_say(&found, text);
	return act(name, text, item, err);
}

enum sm_status sm_burned_check_picture(const struct sm_image *image, const char *name,
				       struct sm_item *item, struct sm_err *err)
{
	struct sm_vol vol;
	const int64_t dim[4] = {image->width, image->height, 1, 1};
	SM_TRY(sm_vol_init(&vol, dim, image->bits == 16 ? SM_U16 : SM_U8, &item->run->mem,
			   "picture", err));
	size_t n = sm_vol_count(&vol), step = (size_t)image->channels, at = step == 3;
	for (size_t i = 0; i < n; i++)
		if (image->bits == 16)
			((uint16_t *)vol.data)[i] = ((const uint16_t *)image->data)[i * step + at];
		else
			((uint8_t *)vol.data)[i] = ((const uint8_t *)image->data)[i * step + at];
	enum sm_status st = sm_burned_check(&vol, name, item, err);
	sm_vol_clear(&vol);
	return st;
}

enum sm_status sm_burned_declared(const char *reason, struct sm_item *item, struct sm_err *err)
{
	return act(NULL, reason, item, err);
}
