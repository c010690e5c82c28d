/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/sidecar.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "ingest/dcm_head.h"

enum kind { TEXT, TEXTS, NUMBER };

/* Times of day, dates, free descriptions, serial numbers, and names of people and places have no
 * row here, and must not get one. */
static const struct row {
	uint32_t sequence; /* 0, or the sequence whose first item holds the element */
	uint32_t tag;
	const char *name;
	enum kind kind;
	double divide; /* DICOM unit to BIDS unit */
} rows[] = {
	{0, SM_TAG(0x0008, 0x0060), "Modality", TEXT, 0},
	{0, SM_TAG(0x0008, 0x0070), "Manufacturer", TEXT, 0},
	{0, SM_TAG(0x0008, 0x1090), "ManufacturersModelName", TEXT, 0},
	{0, SM_TAG(0x0008, 0x0008), "ImageType", TEXTS, 0},
	{0, SM_TAG(0x0018, 0x0015), "BodyPartExamined", TEXT, 0},
	{0, SM_TAG(0x0018, 0x5100), "PatientPosition", TEXT, 0},
	{0, SM_TAG(0x0018, 0x1020), "SoftwareVersions", TEXT, 0},
	{0, SM_TAG(0x0018, 0x0087), "MagneticFieldStrength", NUMBER, 1},
	{0, SM_TAG(0x0018, 0x0084), "ImagingFrequency", NUMBER, 1},
	{0, SM_TAG(0x0018, 0x0020), "ScanningSequence", TEXTS, 0},
	{0, SM_TAG(0x0018, 0x0021), "SequenceVariant", TEXTS, 0},
	{0, SM_TAG(0x0018, 0x0022), "ScanOptions", TEXTS, 0},
	{0, SM_TAG(0x0018, 0x0023), "MRAcquisitionType", TEXT, 0},
	{0, SM_TAG(0x0018, 0x0081), "EchoTime", NUMBER, 1e3},
	{0, SM_TAG(0x0018, 0x0080), "RepetitionTime", NUMBER, 1e3},
	{0, SM_TAG(0x0018, 0x0082), "InversionTime", NUMBER, 1e3},
	{0, SM_TAG(0x0018, 0x1314), "FlipAngle", NUMBER, 1},
	{0, SM_TAG(0x0018, 0x0091), "EchoTrainLength", NUMBER, 1},
	{0, SM_TAG(0x0018, 0x0095), "PixelBandwidth", NUMBER, 1},
	{0, SM_TAG(0x0018, 0x0050), "SliceThickness", NUMBER, 1},
	{0, SM_TAG(0x0018, 0x0088), "SpacingBetweenSlices", NUMBER, 1},
	{0, SM_TAG(0x0018, 0x0060), "KVP", NUMBER, 1},
	{0, SM_TAG(0x0018, 0x1151), "XRayTubeCurrent", NUMBER, 1},
	{0, SM_TAG(0x0018, 0x1150), "XRayExposureTime", NUMBER, 1e3},
	{0, SM_TAG(0x0018, 0x1210), "ConvolutionKernel", TEXT, 0},
	{0, SM_TAG(0x0018, 0x1120), "GantryDetectorTilt", NUMBER, 1},
	{0, SM_TAG(0x0018, 0x1100), "ReconstructionDiameter", NUMBER, 1},
	{0, SM_TAG(0x0028, 0x0004), "PhotometricInterpretation", TEXT, 0},
	{0, SM_TAG(0x0028, 0x1053), "RescaleSlope", NUMBER, 1},
	{0, SM_TAG(0x0028, 0x1052), "RescaleIntercept", NUMBER, 1},
	{0, SM_TAG(0x0028, 0x1054), "RescaleType", TEXT, 0},
	{0, SM_TAG(0x0028, 0x0120), "PixelPaddingValue", NUMBER, 1},
	{0, SM_TAG(0x0054, 0x1001), "Units", TEXT, 0},
	{0, SM_TAG(0x0054, 0x1102), "DecayCorrection", TEXT, 0},
	{0, SM_TAG(0x0018, 0x1242), "FrameDuration", NUMBER, 1e3},
	{SM_TAG(0x0054, 0x0016), SM_TAG(0x0018, 0x1075), "RadionuclideHalfLife", NUMBER, 1},
	{SM_TAG(0x0054, 0x0016), SM_TAG(0x0018, 0x1074), "InjectedRadioactivity", NUMBER, 1e6},
};

_Static_assert(sizeof rows / sizeof *rows <= SM_SIDECAR_FIELDS, "raise SM_SIDECAR_FIELDS");

/* Printable ASCII only: what a vendor's word looks like, in any character set. */
static bool plain(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 32 || (unsigned char)*text > 126)
			return false;
	return true;
}

void sm_sidecar_collect(struct sm_dicom *dicom, struct sm_sidecar_text *out)
{
	memset(out, 0, sizeof *out);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *text = out->field[i];
		if (rows[i].sequence)
			sm_dicom_item_text(dicom, rows[i].sequence, rows[i].tag, text,
					   SM_SIDECAR_TEXT);
		else
			sm_dicom_text(dicom, rows[i].tag, text, SM_SIDECAR_TEXT);
		if (!plain(text))
			text[0] = '\0';
	}
}

static json_t *texts_of(const char *text)
{
	json_t *list = json_array();
	while (*text) {
		size_t n = strcspn(text, "\\");
		json_array_append_new(list, json_stringn(text, n));
		text += n + (text[n] == '\\');
	}
	return list;
}

/* A value as JSON; NULL when the text is no number where one is wanted. */
static json_t *value_of(const struct row *row, const char *text)
{
	double v;
	if (row->kind == TEXT)
		return json_string(text);
	if (row->kind == TEXTS)
		return texts_of(text);
	if (!sm_dicom_numbers(text, &v, 1))
		return NULL;
	return json_real(v / row->divide);
}

enum sm_status sm_sidecar_add(json_t *object, const struct sm_sidecar_text *text, size_t n,
			      struct sm_err *err)
{
	json_t *varying = json_array();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		bool same = true;
		for (size_t k = 1; k < n && same; k++)
			same = strcmp(text[k].field[i], text[0].field[i]) == 0;
		if (!same)
			json_array_append_new(varying, json_string(rows[i].name));
		else if (*text[0].field[i])
			json_object_set_new(object, rows[i].name,
					    value_of(&rows[i], text[0].field[i]));
	}
	if (!varying)
		return SM_FAIL(err, SM_BUDGET, "sidecar: out of memory");
	if (json_array_size(varying))
		json_object_set(object, "VaryingFields", varying);
	json_decref(varying);
	return SM_OK;
}

enum sm_status sm_sidecar_write(const char *path, const json_t *object, char sha256[65],
				struct sm_err *err)
{
	/* 15 digits show 0.00293 as it was written in the DICOM file. */
	char *text = json_dumps(object, JSON_SORT_KEYS | JSON_INDENT(2) | JSON_REAL_PRECISION(15));
	if (!text)
		return SM_FAIL(err, SM_BUDGET, "sidecar: out of memory");
	size_t n = strlen(text);
	text[n] = '\n'; /* in the place of the zero byte */
	sm_sha256_bytes(text, n + 1, sha256);
	enum sm_status st = sm_file_write(path, text, n + 1, err);
	free(text);
	return st;
}
