/* SPDX-License-Identifier: Apache-2.0
 *
 * What a volume's numbers behind the steps of preprocess are in its own unit: where all steps that
 * change values are fixed lines (window, scale), a network's [-1, 1] has a way back to HU, SUV or
 * grey.
 */
#ifndef SM_PREPROCESS_LINEAR_H
#define SM_PREPROCESS_LINEAR_H

#include <jansson.h>
#include <stdbool.h>

#define SM_UNIT_NAME 16
#define SM_UNIT_NORMALISED "normalised"

struct sm_linear {
	bool known;               /* there is a way back */
	char unit[SM_UNIT_NAME];  /* "HU", "SUV", "grey" (pictures), "arbitrary"; else "normalised"
				   */
	double low,
		high; /* values in this unit that have become -1 and 1; -1 and 1 when not known */
};

/* manifest: the resolved sections of a ledger (settings.manifest of preprocess, or of pair), whose
 * `preprocess` says the steps and `ingest` what came in. name: role, channel or modality of the
 * volume, NULL = the only one. Voxels may move (resample, pad_crop ...) and single values be
 * replaced (remove_background, denoise ...): their unit stays. Not known: a step whose line depends
 * on the volume (normalise, nyul ...), one that may or may not be for this volume (`when` or
 * `roles` with another sort of name), a line that falls. Values that window or clip has cut stay
 * cut. */
void sm_linear_of(const json_t *manifest, const char *name, struct sm_linear *out);

#endif
