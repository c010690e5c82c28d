/* SPDX-License-Identifier: Apache-2.0
 *
 * What a sidecar says beside its table: fields that follow from others and from the volume's plane.
 */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "ingest/series/sidecar.h"

void sm_sidecar_list(json_t *object, const char *key, const char *text)
{
	json_t *list = json_object_get(object, key);
	if (!list) {
		list = json_array();
		json_object_set_new(object, key, list);
	}
	json_array_append_new(list, json_string(text));
}

/* Does the list object[key] hold the word? */
static bool says(const json_t *object, const char *key, const char *word)
{
	const json_t *list = json_object_get(object, key), *one;
	size_t i;
	json_array_foreach(list, i, one) if (strcmp(json_string_value(one), word) == 0) return true;
	return false;
}

/* What codes say in other words. */
static void derived(json_t *object)
{
	bool corrected = says(object, "ImageType", "DIS2D") || says(object, "ImageType", "DIS3D");
	if (corrected || says(object, "ImageType", "ND"))
		json_object_set_new(object, "NonlinearGradientCorrection", json_boolean(corrected));
	if (says(object, "ImageType", "SYNTHETIC"))
		json_object_set_new(object, "Synthetic", json_true());
	if (says(object, "SequenceVariant", "SP"))
		json_object_set_new(object, "SpoilingState", json_true());
	if (says(object, "SequenceVariant", "MTC"))
		json_object_set_new(object, "MTState", json_true());
}

static void phase_encoding(json_t *object, const struct sm_sidecar_plane *plane)
{
	const char *in =
		json_string_value(json_object_get(object, "InPlanePhaseEncodingDirectionDICOM"));
	if (!in)
		return;
	/* ROW: along a row, from column to column. */
	bool row = strcmp(in, "ROW") == 0;
	int steps = row ? plane->columns : plane->rows;
	int polarity = plane->polarity;
	json_t *xa = json_object_get(object, SM_SIDECAR_POLARITY);
	if (polarity < 0 && json_is_integer(xa) && json_integer_value(xa) >= 0)
		polarity = json_integer_value(xa) > 0;
	double width = json_number_value(json_object_get(object, "BandwidthPerPixelPhaseEncode"));
	char axis[3] = {row ? 'i' : 'j', polarity ? 0 : '-', 0};
	if (!row) /* enhanced objects say COLUMN */
		json_object_set_new(object, "InPlanePhaseEncodingDirectionDICOM",
				    json_string("COL"));
	json_object_set_new(object, "ReconMatrixPE", json_integer(steps));
	json_object_set_new(object, polarity < 0 ? "PhaseEncodingAxis" : "PhaseEncodingDirection",
			    json_string(axis));
	if (width > 0 && steps > 1) {
		double spacing = 1 / (width * steps);
		json_object_set_new(object, "EffectiveEchoSpacing", json_real(spacing));
		json_object_set_new(object, "TotalReadoutTime", json_real(spacing * (steps - 1)));
	}
}

void sm_sidecar_plane(json_t *object, const struct sm_sidecar_plane *plane)
{
	json_t *list = json_array();
	for (int i = 0; i < 6; i++)
		json_array_append_new(
			list, json_real((i < 3 ? plane->across[i] : plane->down[i - 3]) + 0.0));
	json_object_set_new(object, "ImageOrientationPatientDICOM", list);
	derived(object);
	phase_encoding(object, plane);
	json_object_del(object, SM_SIDECAR_POLARITY);
}

enum sm_status sm_sidecar_write(struct sm_outset *set, const char *path, const json_t *object,
				char sha256[65], struct sm_err *err)
{
	/* 15 digits show 0.00293 as it was written in the DICOM file. */
	char *text = json_dumps(object, JSON_SORT_KEYS | JSON_INDENT(2) | JSON_REAL_PRECISION(15));
	if (!text)
		return SM_FAIL(err, SM_BUDGET, "sidecar: out of memory");
	size_t n = strlen(text);
	text[n] = '\n'; /* in the place of the zero byte */
	sm_sha256_bytes(text, n + 1, sha256);
	enum sm_status st = sm_outset_write(set, path, text, n + 1, err);
	free(text);
	return st;
}
