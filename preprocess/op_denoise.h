/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the operation denoise: its parameters and the methods, each of which works in place on one
 * frame of float32 values. Not for other callers.
 */
#ifndef SM_PREPROCESS_OP_DENOISE_H
#define SM_PREPROCESS_OP_DENOISE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/field.h"
#include "core/mem.h"

struct denoise {
	int method, unit;
	int64_t radius, patch, search;
	struct sm_floats sigma;
	double truncate, noise, range, h, cutoff;
	bool in_plane, rician, subtract;
};
enum { DENOISE_NLM, DENOISE_MEDIAN, DENOISE_GAUSSIAN, DENOISE_BILATERAL };

struct sm_frame {
	float *v; /* x fastest */
	int64_t n[3];
	double spacing[3];   /* mm */
	const uint8_t *mask; /* where the noise is estimated; NULL = above Otsu's threshold */
	struct sm_mem *mem;
	int jobs;
};

/* Several clones of a loop for the processor at hand. Without contraction and with the order of
 * every sum written down, all clones give the same bits. Sanitizers cannot run the resolvers. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
	!defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define SM_DENOISE_CLONES __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define SM_DENOISE_CLONES
#endif

/* How values beyond the grid are made: d c b a | a b c d | d c b a, or d c b | a b c d | c b a. */
enum sm_border { SM_BORDER_HALF, SM_BORDER_WHOLE };

/* A copy of the frame with `pad` voxels more on both ends of each axis; sm_free it. NULL:
 * SM_BUDGET. */
float *sm_frame_padded(const struct sm_frame *f, const int64_t pad[3], enum sm_border border,
		       struct sm_err *err);
/* The index in 0..n-1 that stands for any index i. */
int64_t sm_border_index(int64_t i, int64_t n, enum sm_border border);

enum sm_status sm_denoise_median(const struct sm_frame *f, const struct denoise *p,
				 struct sm_err *err);
enum sm_status sm_denoise_gaussian(const struct sm_frame *f, const struct denoise *p,
				   struct sm_err *err);
/* `noise` is the standard deviation of the noise. */
enum sm_status sm_denoise_bilateral(const struct sm_frame *f, const struct denoise *p, double noise,
				    struct sm_err *err);
enum sm_status sm_denoise_nlm(const struct sm_frame *f, const struct denoise *p, double noise,
			      struct sm_err *err);

/* Standard deviation of the noise of a frame (op_denoise_noise.c). SM_INPUT never; 0 for a frame
 * with nothing but flat regions. */
enum sm_status sm_denoise_noise(const struct sm_frame *f, bool in_plane, double *sigma,
				struct sm_err *err);

/* Spatial sigma along each axis in voxels; 0 along z when in_plane or of one plane. */
void sm_denoise_sigma(const struct sm_frame *f, const struct denoise *p, double sigma[3]);

#endif
