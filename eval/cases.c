/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/cases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "manifests/roles.h"

/* A ledger may come from anywhere: no path in it leads out of its folder. */
static bool stays_below(const char *path)
{
	if (!*path || *path == '/')
		return false;
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");
		if (n == 2 && p[0] == '.' && p[1] == '.')
			return false;
		p += n;
		p += *p == '/';
	}
	return true;
}

enum sm_status sm_output_find(const char *dir, const char *stage, const json_t *record,
			      const char *role, char **path, struct sm_err *err)
{
	const char *key = sm_record_key(record);
	*path = NULL;
	if (!sm_record_ok(record)) {
		const char *why = sm_json_text(record, "reason");
		return SM_FAIL(err, SM_INPUT, "stage %s rejected case %s: %s", stage, key,
			       why ? why : "no reason given");
	}
	const char *name = sm_json_text(sm_record_output(record, role), "path");
	if (!name)
		return SM_FAIL(err, SM_INPUT, "case %s: stage %s wrote no volume of role '%s'", key,
			       stage, role);
	if (!stays_below(name))
		return SM_FAIL(err, SM_INPUT, "%s ledger: case %s: path '%s' leaves the folder",
			       stage, key, name);
	*path = sm_path_join(dir, name);
	return *path ? SM_OK : SM_FAIL(err, SM_BUDGET, "case %s: out of memory", key);
}

enum sm_status sm_output_read(const char *dir, const char *stage, const json_t *record,
			      const char *role, struct sm_mem *mem, struct sm_vol *vol,
			      struct sm_err *err)
{
	struct sm_nii_info info;
	char *path;
	*vol = (struct sm_vol){0};
	SM_TRY(sm_output_find(dir, stage, record, role, &path, err));
	const json_t *output = sm_record_output(record, role);
	const char *name = sm_json_text(output, "path"), *known = sm_json_text(output, "sha256");
	enum sm_status st;
	if (!sm_file_exists(path)) {
		st = SM_FAIL(err, SM_INPUT,
			     "%s: is missing, the %s ledger names it: run stage %s again", name,
			     stage, stage);
		goto out;
	}
	SM_GOTO(st, sm_nii_read(path, mem, vol, &info, err));
	if (!known || strcmp(known, info.sha256) != 0)
		st = SM_FAIL(err, SM_INPUT,
			     "%s: its content has hash %.12s, the %s ledger says %.12s: run stage "
			     "%s again",
			     name, info.sha256, stage, known ? known : "none", stage);
out:
	if (st != SM_OK)
		sm_vol_clear(vol);
	free(path);
	return st;
}

enum sm_status sm_truth_read(const char *dir, const struct sm_ledger *ingest, const json_t *record,
			     struct sm_mem *mem, struct sm_vol *vol, struct sm_err *err)
{
	const char *role = "seg";
	*vol = (struct sm_vol){0};
	if (sm_record_ok(record)) /* the reason of a rejected one is told below */
		SM_TRY(sm_label_role(ingest->header, record, &role, err));
	return sm_output_read(dir, "ingest", record, role, mem, vol, err);
}

void sm_warn_place(const char *path, const char *name, double tolerance_mm, struct sm_item *item)
{
	struct sm_nii_info info;
	struct sm_vol vol = {0};
	char doubt[SM_NII_DOUBTS][SM_NII_DOUBT];
	/* Whoever read the volume has told what is wrong with a file. */
	if (sm_nii_read_header(path, &vol, &info, NULL) != SM_OK)
		return;
	const size_t doubts = sm_nii_doubts(&info, tolerance_mm, doubt);
	for (size_t i = 0; i < doubts; i++)
		sm_item_warn(item, "%s: %s", name, doubt[i]);
	sm_vol_clear(&vol);
}

double sm_voxel_mm3(const struct sm_vol *vol)
{
	const double(*a)[4] = vol->affine;
	return fabs(a[0][0] * (a[1][1] * a[2][2] - a[1][2] * a[2][1]) -
		    a[0][1] * (a[1][0] * a[2][2] - a[1][2] * a[2][0]) +
		    a[0][2] * (a[1][0] * a[2][1] - a[1][1] * a[2][0]));
}
