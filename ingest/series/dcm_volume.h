/* SPDX-License-Identifier: Apache-2.0
 *
 * A series of slices to one volume: every file read once and decoded in parallel straight into the
 * volume, rescaled, placed in RAS+ space, and put on an even grid when asked to.
 */
#ifndef SM_INGEST_SERIES_DCM_VOLUME_H
#define SM_INGEST_SERIES_DCM_VOLUME_H

#include <stdatomic.h>

#include "core/vol.h"
#include "ingest/series/pet.h"
#include "ingest/scan.h"
#include "ingest/series/sidecar.h"

/* How stored numbers became the volume's. */
enum sm_scaling {
	SM_SCALING_NONE,   /* slope 1, intercept 0 everywhere */
	SM_SCALING_EXACT,  /* applied, the results are whole numbers */
	SM_SCALING_HEADER, /* stored numbers kept, slope and intercept in the NIfTI header */
	SM_SCALING_FLOAT,  /* differs from slice to slice: float32 real values */
};
const char *sm_scaling_name(enum sm_scaling scaling);

struct sm_series_volume {
	struct sm_vol vol; /* 4-D when the series has several time points */
	enum sm_scaling scaling;
	enum sm_scale_source source;
	double slope, intercept; /* the series' when constant */
	bool inverted;           /* MONOCHROME1 was turned round */
	bool inverted_kept;      /* MONOCHROME1 with a unit (HU, Bq/ml, SUV): numbers kept */
	bool regridded;
	double grid_mm;            /* slice distance of the new grid */
	double fill;               /* value outside the old slices */
	size_t filled;             /* voxels that got it */
	struct sm_sidecar sidecar; /* of all files */
	struct sm_sidecar_times by_time; /* of a 4-D volume */
	struct sm_pet pet;         /* PT only */
	double *slice_times; /* s of each slice from the first one taken, of a mosaic; NULL = not
				known */
	atomic_bool padded;        /* a file has zeros behind its last picture, more than a byte */
	int polarity;              /* of the phase encoding; see struct sm_sidecar_plane */
};

/* Reads the series' slices below root. allow_regrid lets uneven, gapped, crooked and tilted stacks
 * be interpolated; without it the first three are refused and a tilt is kept in the affine. File
 * names in sentences are hashes. SM_INPUT, SM_BUDGET (checked before any decoding), SM_IO. Clear
 * with sm_series_volume_clear. */
enum sm_status sm_series_read(const char *root, const struct sm_scan *scan,
			      const struct sm_series *series, const struct sm_salt *salt,
			      bool allow_regrid, struct sm_mem *mem, int jobs,
			      struct sm_series_volume *out, struct sm_err *err);
/* The same; sha256 (may be NULL) gets what sm_series_files_sum gives for the files' bytes as they
 * were read for the volume. */
enum sm_status sm_series_read_hashed(const char *root, const struct sm_scan *scan,
				     const struct sm_series *series, const struct sm_salt *salt,
				     bool allow_regrid, struct sm_mem *mem, int jobs,
				     char sha256[65], struct sm_series_volume *out,
				     struct sm_err *err);
void sm_series_volume_clear(struct sm_series_volume *v);

/* The smallest type of a volume that holds all that the series' stored numbers may be. SM_INPUT
 * when there is none. */
enum sm_status sm_words_type(const struct sm_dcm_head *heads, const struct sm_series *series,
			     enum sm_dtype *type, struct sm_err *err);

/* Stored words of one slice, on their way into a volume. */
struct sm_words {
	const struct sm_dcm_head *head;
	const void *from; /* first word of the slice; any alignment */
	size_t stride;    /* words from row to row */
	size_t rows;      /* 0: all of the slice */
	bool mirror;      /* MONOCHROME1: numbers are mirrored inside their declared range */
	double slope, intercept; /* for a volume of float32 */
	int times, plus;         /* for one of 16 bits: times * stored + plus, which must fit */
};

/* Writes the slice's rows * columns values to vol from index `at` on. A volume of integers gets
 * stored numbers (its type must hold them; of 16 bits times * stored + plus), one of float32 slope
 * * stored + intercept. The range of the stored numbers comes back. */
void sm_words_store(const struct sm_words *words, struct sm_vol *vol, size_t at, double *lowest,
		    double *highest);

/* The range that a picture's bits allow its stored numbers. */
void sm_words_declared(const struct sm_pixel_format *format, int64_t *lowest, int64_t *highest);

/* Puts an uneven or tilted stack on an orthogonal grid along the normal with the
 * typical slice distance: bilinear in the plane where slices are shifted, linear between slices.
 * frames are those of the first time point's slices in order. vol is replaced by one of float32
 * real values; on failure its content is lost. SM_INPUT when they do not fit float32 or the grid
 * would be too large. */
enum sm_status sm_stack_regrid(struct sm_series_volume *v, const struct sm_stack *stack,
			       const struct sm_dcm_frame *const *frames, struct sm_mem *mem,
			       int jobs, struct sm_err *err);

#endif
