/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a DICOM file whose head is read: functional groups, mosaics, private headers. The
 * bytes behind the first are also taken as a Siemens CSA header.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/series/dcm_csa.h"
#include "ingest/series/dcm_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void csa(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"NumberOfImagesInMosaic", "SliceNormalVector",
					    "B_value", "MosaicRefAcqTimes", ""};
	struct sm_csa header;
	char text[32];
	double v[64];
	if (!sm_csa_open(data, size, &header))
		return;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		int n = sm_csa_numbers(&header, names[i], v, 64);
		if (n < -1 || n > 64)
			abort();
		for (int k = 0; k < n; k++)
			if (!isfinite(v[k]))
				abort();
		sm_csa_text(&header, names[i], 2, text, sizeof text);
	}
}

static void check(const struct sm_dcm_head *h)
{
	if (h->verdict == SM_VERDICT_NOT_IMAGE)
		return;
	if (h->frame_count == 0 || (h->verdict != SM_VERDICT_OK) != (*h->why != '\0'))
		abort();
	if (h->verdict != SM_VERDICT_OK)
		return;
	for (size_t i = 0; i < h->frame_count; i++) {
		const struct sm_dcm_frame *f = &h->frame[i];
		bool placed = f->has_orientation && f->has_position && f->has_spacing;
		if (!placed && h->kind != SM_DCM_FLAT)
			abort();
		if (!isfinite(f->slope * 65536 + f->intercept) || f->slope == 0)
			abort();
		if (placed && fabs(sm_dot3(f->across, f->across) - 1) > 1e-9)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sm_mem mem;
	struct sm_dicom *dcm;
	struct sm_dcm_head head;
	struct sm_err err = {0};
	struct sm_salt salt = {0};
	struct sm_head_rules rules = {.philips_display = size & 1};
	double times[64];
	sm_mem_init(&mem, 1 << 20);
	if (size)
		csa(data + 1, size - 1);
	if (sm_dicom_parse(data, size, SM_DICOM_HEAD, &mem, &dcm, &err) != SM_OK)
		return 0;
	struct sm_dataset set = sm_dicom_data(dcm);
	sm_siemens_slice_times(&set, times, 64);
	if (sm_dcm_head_read(dcm, &salt, &rules, &head, &err) != SM_OK)
		abort();
	check(&head);
	sm_dcm_head_clear(&head);
	sm_dicom_close(dcm);
	return 0;
}
