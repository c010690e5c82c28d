/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of image scores share: pairs of images of one size, settings that ask for every
 * score, and scores of the whole image in own units.
 */
#ifndef SM_TESTS_IMAGE_PAIR_H
#define SM_TESTS_IMAGE_PAIR_H

#include "tests/unit/tap.h"

#include <string.h>

#include "eval/image_metrics.h"

enum { W = 24, H = 20, D = 12, PLANE = W * H, N = PLANE * D };

static inline struct sm_image_pair pair_of(const float *test, const float *truth)
{
	return (struct sm_image_pair){.test = test,
				      .truth = truth,
				      .test_name = "made",
				      .truth_name = "true",
				      .dim = {W, H, D}};
}

static inline struct sm_image_settings all(void)
{
	struct sm_image_settings s = sm_image_settings_default();
	s.which = SM_IMAGE_ALL;
	s.rule = SM_RANGE_GIVEN;
	s.range = 400;
	return s;
}

static inline struct sm_image_scores score(const struct sm_image_pair *pair,
					   const struct sm_image_settings *s)
{
	struct sm_err err = {0};
	struct sm_image_scores out;
	assert_good(sm_image_score(pair, s, &out, &err), err);
	return out;
}

static inline double own(const struct sm_image_scores *s, int metric)
{
	return s->value[SM_IMAGE_OWN][SM_IMAGE_WHOLE][metric];
}

static inline enum sm_image_reason why(const struct sm_image_scores *s, int metric)
{
	return (enum sm_image_reason)s->why[SM_IMAGE_OWN][SM_IMAGE_WHOLE][metric];
}

#endif
