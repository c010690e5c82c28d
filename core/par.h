/* SPDX-License-Identifier: Apache-2.0
 *
 * Parallel loops whose results do not depend on the number of threads. A loop body writes only
 * to its own index; sums go over a fixed tree of blocks and are never `reduction(+:)`.
 */
#ifndef SM_CORE_PAR_H
#define SM_CORE_PAR_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

/* Number of processors this process may run on (sched_getaffinity), at least 1. */
int sm_par_cores(void);

/* Calls body(ctx, i, err) for i = 0..n-1 on up to `jobs` threads. Items are taken in index order.
 * On failures the error of the lowest failing index is returned, whatever order the threads ran
 * in; items after a failure may be skipped. body must be thread-safe. May be nested: an inner
 * loop with jobs 1 runs in the caller's thread. */
typedef enum sm_status (*sm_par_body)(void *ctx, size_t i, struct sm_err *err);
enum sm_status sm_par_for(size_t n, int jobs, sm_par_body body, void *ctx, struct sm_err *err);

/* The same, and after each item commit(ctx, i, err), one at a time and strictly in index order
 * (i = 0 first), while later items are already being worked on; at most 2 * jobs items are open
 * between work and commit, so memory does not grow with n. */
enum sm_status sm_par_ordered(size_t n, int jobs, sm_par_body work, sm_par_body commit, void *ctx,
			      struct sm_err *err);

/* Sum of x[0..n) in double: sequential inside blocks of 4096, then a binary tree over blocks. The
 * bits depend on n and x alone. sm_sum_tree works on partial sums of the caller and destroys
 * them. */
double sm_sum_f32(const float *x, size_t n, int jobs);
double sm_sum_tree(double *partial, size_t n);

#endif
