/* SPDX-License-Identifier: Apache-2.0
 *
 * What a derived volume's sidecar says of itself: whether its numbers were measured or predicted,
 * which slices, and how. Written beside <role>.nii.gz as <role>.json with the fields of ingest's
 * sidecar that still hold.
 *
 * "Synthetic": true when any voxel was predicted and not measured, else false.
 *
 * "predicted_slices": {"axis": 0..2, "index": [...], "position": [...]}: the predicted slices
 * alone, ascending; position = index / factor, in slices of the volume that was interpolated.
 * Absent: all slices are what "Synthetic" says.
 *
 * "processed_slices": {"axis": 0..2, "index": [...]}: slices of the scan itself as preprocess
 * changed them (windowed, resampled): not predicted, and no copies either. Absent: slices that were
 * not predicted have the scan's own numbers.
 *
 * "filled_slices": {"axis": 0..2, "index": [...], "value": number}: slices that nobody measured and
 * nobody predicted; they hold `value` throughout. They are none of the former.
 *
 * "Derivation": a list, one entry a step: {"Stage", "Method", "Factor", "Axis", "Model"}.
 */
#ifndef SM_DERIVE_MARKS_H
#define SM_DERIVE_MARKS_H

#include <jansson.h>
#include <stdbool.h>

#include "core/vol.h"

struct sm_marks {
	bool known; /* the sidecar says whether it is synthetic */
	bool synthetic;
	int axis;       /* of index; -1 when all slices are alike */
	int64_t *index; /* owned; n predicted slices, ascending */
	size_t n;
	int filled_axis; /* of the slices that hold nothing */
	int64_t *filled; /* owned; filled_count of them, ascending; NULL = none */
	size_t filled_count;
	int processed_axis; /* of the slices that preprocess changed */
	int64_t *processed; /* owned; processed_count of them, ascending; NULL = none */
	size_t processed_count;
};

/* Reads the marks of vol's sidecar (NULL = none: nothing is known). SM_INPUT, with name before the
 * sentence, when they do not fit the volume. Clear with sm_marks_clear. */
enum sm_status sm_marks_read(const json_t *sidecar, const struct sm_vol *vol, const char *name,
			     struct sm_marks *out, struct sm_err *err);
void sm_marks_clear(struct sm_marks *marks);

/* A byte for each slice along an axis: 1 = it holds nothing. malloc memory of the caller; *none is
 * NULL when there is no such slice along this axis. SM_BUDGET. */
enum sm_status sm_marks_none(const struct sm_marks *marks, int axis, const struct sm_vol *vol,
			     bool **none, struct sm_err *err);

/* The axis that a volume's slices were taken along: of its axes the one nearest to the normal of
 * ImageOrientationPatientDICOM; 2 without a sidecar or such a field. */
int sm_slice_axis(const json_t *sidecar, const struct sm_vol *vol);

struct sm_interleaving {
	int axis, factor;
	int64_t slices;     /* of the source, along axis */
	bool own_axis;      /* axis is that of the sidecar's fields of one value a slice */
	double spacing;     /* mm between slices of the result */
	const char *method; /* "linear", ... */
	const char *model;  /* hash of a checkpoint, or NULL */
	bool processed;     /* the source's slices went through preprocess: none is a copy */
	const bool *none;   /* of sm_marks_none along axis, or NULL: gaps beside such a slice hold
			       nothing, too */
};

/* The sidecar of an interleaved volume (a new reference; NULL when out of memory), from the
 * source's (NULL = an empty one) and its marks. With own_axis SpacingBetweenSlices is divided, or
 * written where it was missing; SliceMap keeps the original slices under their new numbers; lists
 * of one number a slice (SliceTiming, FrameDurationBySlice, DecayCorrectionFactorBySlice) have null
 * for predicted slices: nobody measured these. SliceThickness stays: a predicted slice stands for
 * as thick a part of the body as its neighbours. */
json_t *sm_marks_interleave(const json_t *sidecar, const struct sm_marks *marks,
			    const struct sm_interleaving *how);

/* The sidecar of a volume that a network made of another modality's (a new reference; NULL when out
 * of memory): of the source's sidecar (or NULL) only what tells of the place and the body, since
 * nothing else of its machine holds; Modality (CT, MR, PT), Meaning, Synthetic, and a step of stage
 * predict with method (the network's name) and model (hash of the checkpoint, or NULL). */
json_t *sm_marks_translate(const json_t *sidecar, const char *modality, enum sm_meaning meaning,
			   const char *method, const char *model);

/* A sentence of the volume's derivation for people, from the fields above; at most n bytes. */
void sm_marks_say(const json_t *sidecar, char *out, size_t n);

#endif
