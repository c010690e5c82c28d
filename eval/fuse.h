/* SPDX-License-Identifier: Apache-2.0
 *
 * One label volume out of several raters' on one grid: majority, and STAPLE (Warfield, Zou, Wells
 * 2004), which weighs raters by how well they agree with the estimated truth. Voxels are counted
 * once by what all raters say of them; the estimate then works on these few patterns, in whole
 * numbers of voxels, so that it depends neither on the size of the volume nor on threads.
 */
#ifndef SM_EVAL_FUSE_H
#define SM_EVAL_FUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/mem.h"

enum { SM_RATERS = 32 }; /* at most */

/* What all raters say of a voxel, and of how many. */
struct sm_pattern {
	uint8_t label[SM_RATERS];
	uint64_t voxels;
};
struct sm_patterns {
	struct sm_pattern *at; /* sorted by label[] */
	size_t n, raters;
	uint64_t voxels;
	uint32_t *slot; /* hash table: number of a pattern + 1, 0 = none */
	size_t slots;   /* a power of two */
};

/* Counts the patterns of n voxels of label values. The caller clears. SM_USAGE for 0 or more than
 * SM_RATERS raters, SM_BUDGET. */
enum sm_status sm_patterns_count(struct sm_patterns *out, const uint8_t *const *rater,
				 size_t raters, size_t n, struct sm_mem *mem, struct sm_err *err);
void sm_patterns_clear(struct sm_patterns *patterns);
/* Number of a pattern that occurs; label is 0 behind the raters. */
size_t sm_pattern_number(const struct sm_patterns *patterns, const uint8_t label[SM_RATERS]);
/* out[i] = of_pattern[the pattern at voxel i], of the same raters. */
void sm_patterns_fill(const struct sm_patterns *patterns, const uint8_t *const *rater, size_t n,
		      const uint8_t *of_pattern, uint8_t *out);

/* What a voxel gets for which several labels have the most votes, or the greatest probability. */
enum sm_ties {
	SM_TIES_BACKGROUND, /* 0 */
	SM_TIES_FIRST,      /* of these labels the one that the first rater in the list gives who
			     * gives one of them */
};

/* The label that most raters give, as SimpleITK's LabelVoting. Into of_pattern[], one a pattern;
 * *tied (may be NULL) is the number of voxels without a single winner. */
void sm_majority_of(const struct sm_patterns *patterns, enum sm_ties ties, uint8_t *of_pattern,
		    uint64_t *tied);
enum sm_status sm_fuse_majority(const uint8_t *const *rater, size_t raters, size_t n,
				enum sm_ties ties, struct sm_mem *mem, uint8_t *out, uint64_t *tied,
				struct sm_err *err);

/* Binary STAPLE of the labels that are in member[]. `prior` = share of voxels that are of the
 * region before anything is known, NaN = the mean share over raters (the paper's, ITK's). Begins
 * with sensitivity and specificity 0.99999 and ends when none of them moves by more than 1e-7
 * between two rounds, or after `most` rounds. Where all raters give the region to no voxel, or to
 * every one, there is nothing to estimate: specificity is 1 and sensitivity NaN, or the other way,
 * after 0 rounds. */
struct sm_staple {
	int iterations;
	double *sensitivity, *specificity; /* the caller's room, one a rater */
	double prior;
	bool converged;
};
/* p[k] = probability that a voxel of pattern k is of the region. */
enum sm_status sm_staple_of(const struct sm_patterns *patterns, const uint8_t member[256],
			    double prior, int most, double *p, struct sm_staple *out,
			    struct sm_err *err);
/* The same of masks (0 or not): p (may be NULL) per voxel. */
enum sm_status sm_fuse_staple(const uint8_t *const *rater, size_t raters, size_t n, double prior,
			      int most, struct sm_mem *mem, float *p, struct sm_staple *out,
			      struct sm_err *err);

/* STAPLE of several labels at once (section II-D of the paper): each rater has a matrix of what he
 * says where the truth is what. Begins with 0.99999 on its diagonal and the rest shared equally;
 * priors are the labels' mean shares over raters; ends as above. of_pattern[] gets the label of the
 * greatest probability. Two labels: the binary one at a probability of 0.5. */
struct sm_staple_labels {
	size_t classes;
	uint8_t value[256]; /* label of each class, upwards */
	double *matrix;     /* [(rater * classes + said) * classes + truth]; sm_alloc memory of
			     * the caller, freed by sm_staple_labels_clear */
	double prior[256];  /* of each class */
	int iterations;
	bool converged;
	uint64_t tied; /* voxels with several greatest probabilities (within 1e-12) */
};
enum sm_status sm_staple_labels(const struct sm_patterns *patterns, int most, enum sm_ties ties,
				struct sm_mem *mem, uint8_t *of_pattern,
				struct sm_staple_labels *out, struct sm_err *err);
void sm_staple_labels_clear(struct sm_staple_labels *staple);

#endif
