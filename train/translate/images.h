/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples of image translation: those that stage pair has written, fold by fold, and the jitter
 * with which a training takes them.
 */
#ifndef SM_TRANSLATE_IMAGES_H
#define SM_TRANSLATE_IMAGES_H

#include "core/ledger.h"
#include "core/mem.h"

/* Which images: of pairs, or of one domain. */
enum sm_domain { SM_PAIRS, SM_DOMAIN_A, SM_DOMAIN_B };

struct sm_images; /* the samples of a fold, in the order of config.json */

/* Lists the samples of a fold ("train", "test", "valid") of a domain. dir is the folder of pair,
 * whose ledger it is. SM_INPUT: config.json is not what the ledger says, pictures alone
 * (pair.format png), samples of different sizes or channels, a shard whose content is not what the
 * ledger says; fewer samples than `least`. *out is freed with sm_images_free. */
enum sm_status sm_images_list(const char *dir, const struct sm_ledger *pair, enum sm_domain domain,
			      const char *fold, size_t least, struct sm_mem *mem,
			      struct sm_images **out, struct sm_err *err);
void sm_images_free(struct sm_images *images); /* NULL is fine */

size_t sm_images_count(const struct sm_images *images);
int sm_images_height(const struct sm_images *images);
int sm_images_width(const struct sm_images *images);
/* Channels of the image that is read (x of a pair), and of the second of a pair (0 of a domain). */
int sm_images_channels(const struct sm_images *images);
int sm_images_b_channels(const struct sm_images *images);
/* Case key and slice number of sample i. */
const char *sm_images_key(const struct sm_images *images, size_t i);
int64_t sm_images_slice(const struct sm_images *images, size_t i);

/* How a training takes an image: enlarged to size + `enlarge` by bilinear sampling, cut to its size
 * at a place drawn at random, mirrored left to right with probability 1/2; pairs alike. */
struct sm_jitter {
	int enlarge; /* 0 = none */
	bool mirror;
};

/* Reads sample i, channels last (H,W,C), b only of pairs. `draw` keys the jitter (NULL jitter: as
 * it stands): the same numbers give the same image. SM_INPUT: damaged; a value that is not finite
 * (the sentence names case and slice). */
enum sm_status sm_images_read(struct sm_images *images, size_t i, const struct sm_jitter *jitter,
			      uint64_t seed, uint64_t draw, float *x, float *b, struct sm_err *err);

/* Order in which epoch `epoch` takes n samples; of a domain shorter than `count` it begins anew, in
 * another order. order has room for count numbers. */
enum sm_status sm_images_order(size_t n, size_t count, uint64_t seed, const char *domain,
			       uint64_t epoch, size_t *order, struct sm_err *err);

#endif
