/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/overrides.h"

#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "manifests/schema.h"

bool sm_overrides_take(const struct sm_run *run, const struct sm_override *row, size_t n)
{
	bool any = false;
	for (size_t i = 0; i < n; i++)
		if (sm_run_given(run, row[i].key)) {
			memcpy(row[i].to, row[i].from, row[i].size);
			any = true;
		}
	return any;
}

const struct sm_fieldset *sm_section_fields(const char *section)
{
	for (size_t i = 0; i < sm_manifest_schema.count; i++)
		if (strcmp(sm_manifest_schema.fields[i].key, section) == 0)
			return sm_manifest_schema.fields[i].of;
	return NULL;
}

enum sm_status sm_overrides_record(struct sm_run *run, const char *section, const void *values,
				   struct sm_err *err)
{
	json_t *settings = json_object_get(run->ledger.header, "settings");
	json_object_set_new(json_object_get(settings, "manifest"), section,
			    sm_fields_dump(sm_section_fields(section), values));
	char *line = sm_json_line(settings), hex[65];
	if (!line)
		return SM_FAIL(err, SM_BUDGET, "settings: out of memory");
	sm_sha256_bytes(line, strlen(line), hex);
	free(line);
	json_object_set_new(run->ledger.header, "settings_sha256", json_string(hex));
	return SM_OK;
}
