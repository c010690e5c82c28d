/* SPDX-License-Identifier: Apache-2.0
 *
 * A volume in memory: up to four axes, x fastest, with the affine that places voxel indices in
 * RAS+ millimetres. Integer data stay integer until an operation changes them.
 */
#ifndef SM_CORE_VOL_H
#define SM_CORE_VOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"

enum sm_dtype {
	SM_U8,
	SM_I8,
	SM_I16,
	SM_U16,
	SM_I32,
	SM_U32,
	SM_I64,
	SM_U64,
	SM_F32,
	SM_F64,
};

/* What the numbers mean, for sidecars and for operations that need it. */
enum sm_meaning {
	SM_MEANING_ARBITRARY, /* MR signal and the like */
	SM_MEANING_HU,
	SM_MEANING_SUV,
	SM_MEANING_BQML,
	SM_MEANING_LABEL,
};

struct sm_vol {
	int64_t dim[4];       /* x, y, z, then time or channel; each at least 1 */
	enum sm_dtype dtype;  /* of data */
	double affine[4][4];  /* voxel index (x, y, z, 1) -> RAS+ mm; last row 0 0 0 1 */
	double slope, inter;  /* real value = slope * stored + inter; 1 and 0 when none */
	double frame_seconds; /* step of the fourth axis when it is time; 0 otherwise */
	enum sm_meaning meaning;
	int form_code; /* NIfTI's code of the space the affine leads to: 1 scanner, 2 aligned,
			* 3 talairach, 4 mni, 5 template; 0 = scanner */
	void *data; /* owned, sm_alloc memory, dim[0]*dim[1]*dim[2]*dim[3] values */
};

size_t sm_dtype_size(enum sm_dtype dtype);
const char *sm_dtype_name(enum sm_dtype dtype); /* "uint8", "int16", "float32", ... */
/* "arbitrary", "HU", "SUV", "Bq/ml", "label" */
const char *sm_meaning_name(enum sm_meaning meaning);

/* Sets up *vol with identity affine, slope 1, and data of the given size, not initialised.
 * Sizes are checked against overflow and the budget. Free with sm_vol_clear. */
enum sm_status sm_vol_init(struct sm_vol *vol, const int64_t dim[4], enum sm_dtype dtype,
			   struct sm_mem *mem, const char *what, struct sm_err *err);

/* Frees the data and zeroes the struct; a zeroed struct is fine. */
void sm_vol_clear(struct sm_vol *vol);

size_t sm_vol_count(const struct sm_vol *vol);       /* values in all */
size_t sm_vol_frame_count(const struct sm_vol *vol); /* values in one frame: x*y*z */

/* Lengths of the affine's first three columns, mm. */
void sm_vol_spacing(const struct sm_vol *vol, double spacing[3]);

/* "RAS", "LPS", ...: direction in which each index grows, nearest axis; out has 4 bytes. */
void sm_vol_axes(const struct sm_vol *vol, char out[4]);

/* Converts the data in place to float32 real values (slope and intercept applied, then 1 and 0).
 * Uses up to `jobs` threads. A volume that is float32 with slope 1 is left alone. SM_INPUT when a
 * finite value is beyond float32. Whole numbers beyond 2^24 are rounded. */
enum sm_status sm_vol_to_f32(struct sm_vol *vol, struct sm_mem *mem, int jobs, struct sm_err *err);

/* SM_INPUT when a finite real value is beyond float32. */
enum sm_status sm_vol_fits_f32(const struct sm_vol *vol, struct sm_err *err);

/* What sm_vol_to_f32 makes of n values from index `at` on; the volume stays as it is. */
void sm_vol_run_f32(const struct sm_vol *vol, size_t at, size_t n, float *out);

/* Converts label data in place to uint8 and sets the meaning to SM_MEANING_LABEL. Fails (SM_INPUT)
 * naming `what` and the first value that is not a whole number in 0..255. */
enum sm_status sm_vol_to_labels(struct sm_vol *vol, struct sm_mem *mem, const char *what,
				struct sm_err *err);

/* mm that two grids may differ and still be one, unless a manifest says otherwise. */
#define SM_GRID_MM 0.01
#define SM_GRID_MM_TEXT "0.01"

/* True when the first three dims agree and no corner voxel's centre differs by more than tol_mm
 * between the two affines; otherwise SM_INPUT with a sentence that names both, the axis or the
 * distance found, and the distance allowed. */
enum sm_status sm_vol_same_grid(const struct sm_vol *a, const char *name_a, const struct sm_vol *b,
				const char *name_b, double tol_mm, struct sm_err *err);

/* Sets every NaN and Inf to the stored value that is 0 (-inter / slope); returns how many. */
size_t sm_vol_zero_not_finite(struct sm_vol *vol);

/* Largest distance in mm between the places that two affines give the eight corner voxels of a grid
 * of dim[0..2]; NaN when an affine is not finite. */
double sm_affine_gap_mm(double a[4][4], double b[4][4], const int64_t dim[3]);

/* The same of two volumes of one size. */
double sm_vol_gap_mm(const struct sm_vol *a, const struct sm_vol *b);

/* Deep copy. */
enum sm_status sm_vol_copy(struct sm_vol *dst, const struct sm_vol *src, struct sm_mem *mem,
			   struct sm_err *err);

/* One value as a real number (slope applied). */
double sm_vol_at(const struct sm_vol *vol, size_t index);

/* Smallest and largest finite real value (both 0 when there is none) and the count of NaN/Inf
 * values. */
void sm_vol_range(const struct sm_vol *vol, double *min, double *max, size_t *not_finite);

#endif
