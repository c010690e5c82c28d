/* SPDX-License-Identifier: Apache-2.0
 *
 * From the frames of a tree to volumes: grouping, order along the normal and in time, and the
 * verdict on each. Nothing is guessed: what does not fit is
 * named. */
#ifndef SM_INGEST_SERIES_DCM_SERIES_H
#define SM_INGEST_SERIES_DCM_SERIES_H

#include "ingest/series/dcm_head.h"

/* Slices may lie this far from even places: the larger of a share of the slice distance and of a
 * length in mm (positions are often written with one decimal). */
#define SM_EVEN_SHARE 0.05
#define SM_EVEN_MM 0.06
/* Slices closer than this share the same position: a length in mm, or this share of the typical
 * distance up to SM_EVEN_MM. */
#define SM_SAME_MM 1e-3
#define SM_SAME_SHARE 0.01
/* Numbers that tell groups apart differ by more than these from all between: coordinates of
 * directions, share of a pixel size, share of times (or SM_SAME_MS) and of voltages. */
#define SM_SAME_DIRECTION 1e-3
#define SM_SAME_PIXEL 1e-4
#define SM_SAME_TIME 2e-3
#define SM_SAME_MS 1e-3
/* A stack is called tilted when its slices shift sideways by more than this over the whole stack,
 * in mm, and by more than this angle. */
#define SM_TILT_MM 0.1
#define SM_TILT_DEGREES 0.1

/* How a stack of slices lies in space; lengths in mm, places in LPS. */
struct sm_stack {
	double across[3], down[3], normal[3]; /* unit vectors */
	double spacing[2];                    /* between columns, between rows */
	double origin[3];                     /* centre of the first slice's first pixel */
	double step[3];                       /* from slice to slice when evenly spaced */
	double gap_min, gap_max, gap_typical; /* distances of neighbours along the normal */
	double tilt_degrees;                  /* between step and normal */
	double uneven_mm;                     /* largest distance of a slice from its even place */
};

/* One frame of one file. */
struct sm_slice {
	uint32_t head, frame; /* indices: heads[head].frame[frame] */
};

/* What the fourth axis of a volume is. */
enum sm_fourth {
	SM_FOURTH_NONE,
	SM_FOURTH_TIME,      /* seconds in time_s when they are known */
	SM_FOURTH_DIFFUSION, /* b-values and directions */
	SM_FOURTH_OTHER,     /* ordered by number only (instance, acquisition) */
};

struct sm_series {
	size_t n;               /* depth * times */
	size_t depth, times;    /* slices of one time point; 4-D when times > 1 */
	struct sm_slice *slice; /* n, sorted by time, then along the normal; owned */
	enum sm_fourth fourth;
	bool trace;             /* the mean over the directions of the series' other volume */
	const char *ordered_by; /* name of the element that orders times
				   ("TemporalPositionIdentifier"), static */
	double *time_s; /* times: start of each time point, s from the first; NULL = not known */
	const char *time_from;  /* name of the element that time_s comes from, static; NULL */
	bool steps_differ; /* slices have trigger times, whose steps are not the same for all */
	size_t copies;     /* files left out because they are byte for byte another one's copy */
	unsigned part, parts;   /* one SeriesInstanceUID may hold several volumes: 1..parts */
	char name[40]; /* what tells it from the others of its series: "e2", "ph", "water", "80kv",
			* "2";
			* "" = the only one. Safe as a file name */
	enum sm_verdict verdict;
	char why[400];  /* the sentence of the verdict, without full stop; "" when OK */
	unsigned long notes; /* bit 1 << enum sm_verdict: what is odd but no reason to refuse */
	struct sm_stack stack;
};

struct sm_series_list {
	struct sm_series *series;
	size_t n;
};

/* What a volume must have (manifest: ingest.min_slices, ingest.tilt). */
struct sm_series_rules {
	size_t min_slices; /* positions of a volume of a cross-sectional modality, or pictures of
			    * one place in the order of time or diffusion; fewer when the header
			    * declares them; 0 counts as 1 */
	bool keep_tilt;    /* a tilt is a note; else SM_VERDICT_TILT */
};

/* The frame of a slice; NULL for a file without frames (its head's verdict says why). */
static inline const struct sm_dcm_frame *sm_slice_frame(const struct sm_dcm_head *heads,
							struct sm_slice slice)
{
	const struct sm_dcm_head *h = &heads[slice.head];
	return slice.frame < h->frame_count ? &h->frame[slice.frame] : NULL;
}

/* True when the stored series is a picture of SM_DCM_FLAT. */
static inline bool sm_series_is_flat(const struct sm_series *s, const struct sm_dcm_head *heads)
{
	return heads[s->slice[0].head].kind == SM_DCM_FLAT;
}

/* Tells whether two files are the same byte for byte; for objects with the same SOPInstanceUID. */
typedef enum sm_status (*sm_same_file)(void *ctx, size_t a, size_t b, bool *same,
				       struct sm_err *err);

/* Groups the frames of heads[0..n) into volumes: same SeriesInstanceUID, size, spacing,
 * orientation, frame of reference, component; MR: echo and inversion time; CT: KVP, kernel; both:
 * ImageType. Numbers are the same when a chain of small steps (SM_SAME_...) joins them, so that no
 * slice is a reference. Repeated positions become time points when one element orders them; then
 * each is ordered and judged. Pictures of SM_DCM_FLAT are a volume each. A group with fewer
 * positions than rules allow is refused: SM_VERDICT_MIXED_ORIENTATION when its series has slices of
 * another orientation, else SM_VERDICT_FEW_SLICES. An MR series of three steep planes with few
 * slices each is a localiser. Sorted by series hash, then by number of slices (largest first). The
 * result depends on the set of heads, not on their order, and but for the order of series not on
 * the salt, except for ties. */
enum sm_status sm_series_group(const struct sm_dcm_head *heads, size_t n,
			       const struct sm_series_rules *rules, sm_same_file same, void *ctx,
			       struct sm_series_list *out, struct sm_err *err);
void sm_series_list_clear(struct sm_series_list *list);

/* The affine of an even stack: voxel (column, row, slice) to RAS+ mm. */
void sm_stack_affine(const struct sm_stack *stack, double affine[4][4]);

#endif
