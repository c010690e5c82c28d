/* SPDX-License-Identifier: Apache-2.0 */
#include "manifests/roles.h"

#include <string.h>

#include "core/ledger.h"

bool sm_role_is_label(const json_t *header, const char *role)
{
	const json_t *manifest = json_object_get(json_object_get(header, "settings"), "manifest");
	json_t *source,
		*sources = json_object_get(json_object_get(manifest, "ingest"), "sources");
	size_t i;
	if (strcmp(role, "seg") == 0 || strcmp(role, "label") == 0)
		return true;
	json_array_foreach(sources, i, source)
	{
		const char *name = sm_json_text(source, "role");
		if (name && strcmp(name, role) == 0 &&
		    json_is_true(json_object_get(source, "label")))
			return true;
	}
	return false;
}

enum sm_status sm_label_role(const json_t *header, const json_t *record, const char **role,
			     struct sm_err *err)
{
	const char *stage = sm_json_text(header, "stage");
	json_t *output;
	size_t i;
	*role = NULL;
	json_array_foreach(json_object_get(record, "outputs"), i, output)
	{
		const char *name = sm_json_text(output, "role");
		if (!name || !sm_role_is_label(header, name))
			continue;
		if (*role)
			return SM_FAIL(err, SM_INPUT,
				       "case %s: stage %s wrote two label volumes, '%s' and '%s': "
				       "allowed is 1",
				       sm_record_key(record), stage, *role, name);
		*role = name;
	}
	if (!*role)
		return SM_FAIL(err, SM_INPUT,
			       "case %s: stage %s wrote no label volume: its role is seg, label, "
			       "or that of a source with label: true",
			       sm_record_key(record), stage);
	return SM_OK;
}
