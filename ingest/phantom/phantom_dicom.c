/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/phantom/phantom_dicom.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/file.h"

static void put_moment(struct sm_dcm *d, unsigned element, const char *vr, const char *text)
{
	if (text)
		sm_dcm_text(d, SM_DCM_TAG(0x08, element), vr, text);
}

void sm_phantom_put_identity(struct sm_dcm *d, const struct sm_phantom_identity *id)
{
	char patient[64], number[64];
	snprintf(patient, sizeof patient, "Phantom^%s", id->key);
	snprintf(number, sizeof number, "PHANTOM-%s", id->key);
	sm_dcm_text(d, SM_DCM_TAG(0x08, 0x05), "CS", "ISO_IR 100");
	sm_dcm_text(d, SM_DCM_TAG(0x08, 0x08), "CS", id->image_type);
	sm_dcm_text(d, SM_DCM_TAG(0x08, 0x16), "UI", id->class_uid);
	sm_dcm_text(d, SM_DCM_TAG(0x08, 0x18), "UI", id->instance);
	put_moment(d, 0x20, "DA", id->study_day);
	put_moment(d, 0x21, "DA", id->series_day);
	put_moment(d, 0x22, "DA", id->acquisition_day);
	put_moment(d, 0x30, "TM", id->study_clock);
	put_moment(d, 0x31, "TM", id->series_clock);
	put_moment(d, 0x32, "TM", id->acquisition_clock);
	sm_dcm_text(d, SM_DCM_TAG(0x08, 0x50), "SH", "");
	sm_dcm_text(d, SM_DCM_TAG(0x08, 0x60), "CS", id->modality);
	sm_dcm_text(d, SM_DCM_TAG(0x08, 0x70), "LO", "scanmill");
	sm_dcm_text(d, SM_DCM_TAG(0x08, 0x90), "PN", "");
	sm_dcm_text(d, SM_DCM_TAG(0x08, 0x1090), "LO", "phantom");
	sm_dcm_text(d, SM_DCM_TAG(0x10, 0x10), "PN", patient);
	sm_dcm_text(d, SM_DCM_TAG(0x10, 0x20), "LO", number);
	sm_dcm_text(d, SM_DCM_TAG(0x10, 0x30), "DA", "");
	sm_dcm_text(d, SM_DCM_TAG(0x10, 0x40), "CS", "");
}

void sm_phantom_put_place(struct sm_dcm *d, const struct sm_phantom *p,
			  const struct sm_phantom_place *place)
{
	double step[2] = {p->spacing[1], p->spacing[0]}; /* between rows, between columns */
	sm_dcm_text(d, SM_DCM_TAG(0x20, 0x0d), "UI", place->study);
	sm_dcm_text(d, SM_DCM_TAG(0x20, 0x0e), "UI", place->series);
	sm_dcm_text(d, SM_DCM_TAG(0x20, 0x10), "SH", "1");
	sm_dcm_int(d, SM_DCM_TAG(0x20, 0x11), place->series_number);
	sm_dcm_int(d, SM_DCM_TAG(0x20, 0x13), place->number);
	sm_dcm_numbers(d, SM_DCM_TAG(0x20, 0x32), place->at, 3);
	sm_dcm_numbers(d, SM_DCM_TAG(0x20, 0x37), place->rows, 6);
	sm_dcm_text(d, SM_DCM_TAG(0x20, 0x52), "UI", place->frame);
	sm_dcm_text(d, SM_DCM_TAG(0x20, 0x1040), "LO", "");
	sm_dcm_u16(d, SM_DCM_TAG(0x28, 0x02), 1);
	sm_dcm_text(d, SM_DCM_TAG(0x28, 0x04), "CS", "MONOCHROME2");
	sm_dcm_u16(d, SM_DCM_TAG(0x28, 0x10), (uint16_t)p->size[1]);
	sm_dcm_u16(d, SM_DCM_TAG(0x28, 0x11), (uint16_t)p->size[0]);
	sm_dcm_numbers(d, SM_DCM_TAG(0x28, 0x30), step, 2);
}

enum sm_status sm_phantom_folder(const char *dir, const char *key, struct sm_err *err)
{
	char *folder = sm_path_join(dir, key);
	enum sm_status st = folder ? sm_mkdirs(folder, err)
				   : SM_FAIL(err, SM_BUDGET, "%s: out of memory", key);
	free(folder);
	return st;
}

void sm_phantom_put_regions(json_t *facts, const char *const *names, const int64_t *voxels,
			    size_t n, double voxel_mm3)
{
	json_t *count = json_object(), *mm3 = json_object();
	for (size_t r = 0; r < n; r++) {
		json_object_set_new(count, names[r], json_integer(voxels[r]));
		json_object_set_new(mm3, names[r], json_real((double)voxels[r] * voxel_mm3));
	}
	json_object_set_new(facts, "voxels", count);
	if (voxel_mm3 > 0)
		json_object_set(facts, "mm3", mm3);
	json_decref(mm3);
}
