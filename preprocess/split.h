/* SPDX-License-Identifier: Apache-2.0
 *
 * Folds by patient: exact shares by largest remainder, k folds or fixed lists, in strata where
 * wanted, by seeded permutations of the sorted patient keys; and the search for leakage between
 * folds.
 */
#ifndef SM_PREPROCESS_SPLIT_H
#define SM_PREPROCESS_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "manifests/folds.h"
#include "manifests/schema.h"

/* One case to be split. */
struct sm_split_case {
	const char *key, *patient; /* borrowed */
	const char *const *images; /* content hashes of its images, borrowed */
	size_t image_count;
	const char *stratum; /* borrowed; NULL = none. Equal for all cases of a patient */
	size_t joined; /* cases of one number other than 0 stay in one fold, with their patients */
	bool left_out;       /* stands in no fold */
	bool tests;          /* of a fixed test list beside k folds: fold test, in none of the k */
	enum sm_fold fold;   /* SM_FOLDS = in none */
	int64_t fold_index;  /* of k folds: 0 to k - 1; -1 = none */
};

struct sm_split_rule {
	double shares[SM_FOLDS];
	int64_t folds; /* 0 = by the shares; k = k folds of equal size */
	int64_t fold;  /* of k folds the one that tests; the one after it validates where k > 2 */
	bool held; /* k folds beside a fixed test list: `fold` validates, and all others train */
	uint64_t seed;
};

/* counts[f] of n patients for shares[f]: floor(n * share / sum), and the rest to the largest
 * remainders (the earlier fold among equals). Shares count to 6 decimals, so that the arithmetic is
 * exact; SM_USAGE when one is negative, all are 0, or n exceeds 1000000. The counts add up to n. */
enum sm_status sm_split_counts(size_t n, const double shares[SM_FOLDS], size_t counts[SM_FOLDS],
			       struct sm_err *err);

/* The same in strata of n[s] patients each: of all patients together each fold gets what
 * sm_split_counts tells, and each stratum its floors and then, by largest remainder over all strata
 * and folds, what folds still need. */
enum sm_status sm_split_strata_counts(size_t strata, const size_t *n, const double shares[SM_FOLDS],
				      size_t (*counts)[SM_FOLDS], struct sm_err *err);

/* Sets fold and fold_index of every case. In each stratum the patients sorted by key are permuted
 * by the stream (seed, "split", stratum). shares: the first counts[SM_TRAIN] train, the next are
 * test, the rest valid. k folds: each patient goes to the fold with the fewest patients of its
 * stratum so far, then the fewest of all, then the lowest number. Patients whose cases are joined
 * count as what they are, but go together, in the stratum of the first of them, before the others:
 * into a fold drawn with the chance of the places that it still has, among those with room for all
 * (else the one with most room). Cases left out get SM_FOLDS, those of the test list SM_TEST. The
 * result depends on the set of patients, strata and joins, on the rule and nothing else. counts
 * (may be NULL) receives patients a fold. */
enum sm_status sm_split_assign(struct sm_split_case *cases, size_t n,
			       const struct sm_split_rule *rule, size_t counts[SM_FOLDS],
			       struct sm_err *err);

/* Folds as the lists of patient keys tell. SM_INPUT with one sentence when a patient stands in two
 * lists or twice in one, in none, or is not among the cases; a patient whose cases are all left
 * out, or who stands in `gone` (patients whose cases were all rejected before; may be NULL), may
 * stand or not. */
enum sm_status sm_split_by_lists(struct sm_split_case *cases, size_t n,
				 const struct sm_split_lists *lists, const struct sm_strings *gone,
				 size_t counts[SM_FOLDS], struct sm_err *err);

/* Marks the cases of a fixed test list: each name is that of a case, or of a patient for all its
 * cases. SM_INPUT with one sentence when a name stands for nobody, when a case is named twice, or
 * when a patient has another case that is neither named nor left out. gone (keys and patients of
 * cases that were rejected before; may be NULL) may be named. */
enum sm_status sm_split_name_tests(struct sm_split_case *cases, size_t n,
				   const struct sm_strings *names, const struct sm_strings *gone,
				   struct sm_err *err);

bool sm_split_is_gone(const struct sm_strings *gone, const char *key);

/* SM_INPUT with a sentence that names both cases when a patient, or an image's content, stands in
 * two folds, by name or by number. The first such pair in order of patient keys, then of hashes.
 * Cases left out do not count. */
enum sm_status sm_split_check(const struct sm_split_case *cases, size_t n, struct sm_err *err);

/* Whether two cases stand in two folds; cases left out do not. */
bool sm_split_apart(const struct sm_split_case *a, const struct sm_split_case *b);
/* Where a case stands, for a sentence: "train", or "fold 3 (train)" of k folds. */
struct sm_split_place {
	char text[48];
} sm_split_place(const struct sm_split_case *c);
/* What to do about two cases with one image that stand apart. */
const char *sm_split_advice(const struct sm_split_case *a, const struct sm_split_case *b);

/* Gives cases a and b one number of `joined`, and all that have the number of either. */
void sm_split_join(struct sm_split_case *cases, size_t n, size_t a, size_t b);
/* Joins cases that share an image's content across patients. SM_BUDGET when out of memory. */
enum sm_status sm_split_join_equal(struct sm_split_case *cases, size_t n, struct sm_err *err);

/* "train", "test", "valid", and "none" for SM_FOLDS. */
const char *sm_split_fold_name(enum sm_fold fold);

#endif
