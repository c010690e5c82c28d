/* SPDX-License-Identifier: Apache-2.0
 *
 * Look-alike images of different patients among the cases of a split.
 */
#ifndef SM_PREPROCESS_SPLIT_NEAR_H
#define SM_PREPROCESS_SPLIT_NEAR_H

#include <pthread.h>

#include "core/spool.h"
#include "preprocess/cases.h"
#include "preprocess/near.h"
#include "preprocess/split.h"

/* The hash of one image of a case: a volume (frames of a series and colours of a picture averaged),
 * or a channel of a stacked one. */
struct sm_near_image {
	char role[2 * SM_ROLE_MAX];
	struct sm_near_hash hash;
};
struct sm_near_case {
	struct sm_near_image *images; /* malloc memory */
	size_t count;
};

void sm_split_near_clear(struct sm_near_case *near);

/* The hashes of all cases. An image's take 0.9 KB, so they stand in a file; in memory is where. */
struct sm_near_store {
	struct sm_spool spool;
	struct sm_near_place {
		uint64_t at;
		size_t count; /* images */
	} *of; /* by case */
	size_t n;
	struct sm_arena arena; /* roles */
	char **roles;          /* each once */
	size_t role_count;
	pthread_mutex_t lock;
};

/* An empty store for n cases; dir as of struct sm_spool. SM_BUDGET. */
enum sm_status sm_near_store_init(struct sm_near_store *store, const char *dir, size_t n,
				  struct sm_err *err);
void sm_near_store_clear(struct sm_near_store *store);
/* Thread-safe, both. The caller clears *out. */
enum sm_status sm_near_store_put(struct sm_near_store *store, size_t i,
				 const struct sm_near_case *near, struct sm_err *err);
enum sm_status sm_near_store_get(struct sm_near_store *store, size_t i, struct sm_near_case *out,
				 struct sm_err *err);

/* Two cases of different patients and the images that look most alike. a < b are numbers of
 * cases. */
struct sm_near_pair {
	size_t a, b;
	const char *role; /* borrowed from the store */
	double distance;
	unsigned flip;    /* as of sm_near_distance */
};
struct sm_near_pairs {
	struct sm_near_pair *v; /* sorted by a, then b; malloc memory */
	size_t n;
};

/* Reads the volumes of every case that is not left out and hashes them into the store, which has
 * room for all. Memory is that of one case a thread. */
enum sm_status sm_split_near_read(const struct sm_cases *cases, const struct sm_split_case *split,
				  struct sm_near_store *store, struct sm_err *err);

/* All pairs of cases of different patients, none left out, with images of the same role up to
 * limit[0] apart, or limit[1] where they have one plane in common. The image named is the one that
 * is furthest below its limit. */
enum sm_status sm_split_near_pairs(const struct sm_split_case *cases, struct sm_near_store *store,
				   const double limit[2], int jobs, struct sm_near_pairs *out,
				   struct sm_err *err);

/* Cases that look alike, directly or by way of others. */
struct sm_near_groups {
	size_t *lead; /* of each case the first of its group; itself when it is alone; malloc memory
		       */
	size_t *cases, *pairs; /* of the group that a case leads; cases is 1 for those alone */
	const struct sm_near_pair *
		*nearest; /* its pair with the smallest distance, the first of equals; else NULL */
};
enum sm_status sm_split_near_groups(const struct sm_near_pairs *pairs, size_t n,
				    struct sm_near_groups *out, struct sm_err *err);
void sm_split_near_groups_clear(struct sm_near_groups *groups);

/* SM_INPUT with a sentence that names the first pair that stands in two folds. */
enum sm_status sm_split_near_check(const struct sm_split_case *cases,
				   const struct sm_near_pairs *pairs, struct sm_err *err);

/* "", " (mirrored along x)", " (mirrored along x, z)". */
const char *sm_near_flip_text(unsigned flip);

#endif
