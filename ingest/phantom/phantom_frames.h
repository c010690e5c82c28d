/* SPDX-License-Identifier: Apache-2.0
 *
 * Time points of the dynamic PETs: when each frame begins, how long it lasts, and how much each
 * region holds then. Whole numbers, so that sums over frames are exact.
 */
#ifndef SM_INGEST_PHANTOM_PHANTOM_FRAMES_H
#define SM_INGEST_PHANTOM_PHANTOM_FRAMES_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define SM_FRAMES_MAX 24 /* the last must fit 16 bits with the smallest slope */

struct sm_frame {
	int start, duration;    /* s; durations 30, 30, 60, 120, 240, then 300 */
	double body, lesion;    /* Bq/ml, decay-corrected to the start of the scan */
	char day[9], clock[16]; /* DICOM date and time of its start; the scan begins at 23:59:00 */
	char reference[24];     /* ms from the scan's start: time of average count rate */
	char factor[24];        /* decay factor at that time */
};

/* Frame t, from 0, below SM_FRAMES_MAX. Half-life 6586.2 s. */
void sm_frame_at(size_t t, struct sm_frame *f);

/* Adds to a case's facts: "frames" (start, duration, activity of each of the n regions), and by
 * region "frame_sums", "frame_means" and "frame_weighted_means" (by duration). activity: frames x
 * n. voxels, n numbers or NULL: adds "sum" to each frame, activity times voxels, exact. */
void sm_phantom_put_frames(json_t *facts, size_t frames, const char *const *names, size_t n,
			   const double *activity, const int64_t *voxels);

#endif
