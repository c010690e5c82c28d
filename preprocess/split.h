/* SPDX-License-Identifier: Apache-2.0
 *
 * Folds by patient: exact shares by largest remainder, a seeded permutation of the sorted patient
 * keys, and the search for leakage between folds.
 */
#ifndef SM_PREPROCESS_SPLIT_H
#define SM_PREPROCESS_SPLIT_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "manifests/folds.h"

/* One case to be split. */
struct sm_split_case {
	const char *key, *patient; /* borrowed */
	const char *const *images; /* content hashes of its images, borrowed */
	size_t image_count;
	enum sm_fold fold;
};

/* counts[f] of n patients for shares[f]: floor(n * share / sum), and the rest to the largest
 * remainders (the earlier fold among equals). Shares count to 6 decimals, so that the arithmetic is
 * exact; SM_USAGE when one is negative, all are 0, or n exceeds 1000000. The counts add up to n. */
enum sm_status sm_split_counts(size_t n, const double shares[SM_FOLDS], size_t counts[SM_FOLDS],
			       struct sm_err *err);

/* Sets the fold of every case: patients sorted by key are permuted by the stream (seed, "split"),
 * the first counts[SM_TRAIN] train, the next are test, the rest valid. The result depends on the
 * set of patients, the shares and the seed alone. counts (may be NULL) receives patients a fold. */
enum sm_status sm_split_assign(struct sm_split_case *cases, size_t n, const double shares[SM_FOLDS],
			       uint64_t seed, size_t counts[SM_FOLDS], struct sm_err *err);

/* SM_INPUT with a sentence that names both cases when a patient, or an image's content, stands in
 * two folds. The first such pair in order of patient keys, then of hashes. */
enum sm_status sm_split_check(const struct sm_split_case *cases, size_t n, struct sm_err *err);

#endif
