/* SPDX-License-Identifier: Apache-2.0
 *
 * Image scores of what lies beyond a threshold, bone and ink: counts by hand.
 */
#include "tests/unit/tap.h"
#include "tests/unit/image_pair.h"

#include <math.h>
#include <string.h>

static void bone_is_what_lies_above_the_threshold(void **state)
{
	(void)state;
	static float t[N], x[N];
	struct sm_image_settings s = all();
	for (int i = 0; i < 100; i++)
		t[i] = 151;
	for (int i = 60; i < 120; i++)
		x[i] = 900;
	x[200] = t[300] = 150; /* not above */
	const struct sm_image_pair pair = pair_of(x, t);
	struct sm_image_scores out = score(&pair, &s);
	assert_true(own(&out, SM_IMAGE_BONE) == 2 * 40.0 / 160);
	s.bone = 200;
	out = score(&pair, &s);
	assert_true(own(&out, SM_IMAGE_BONE) == 0);
}

/* Any channel of a pixel makes it ink. */
static void ink_is_what_lies_on_its_side_of_the_threshold(void **state)
{
	(void)state;
	enum { C = 3 };
	static float t[C * N], x[C * N];
	struct sm_image_settings s = all();
	for (int i = 0; i < C * N; i++)
		t[i] = x[i] = 255;
	struct sm_image_pair pair = pair_of(x, t);
	pair.channels = C;
	struct sm_image_scores out = score(&pair, &s);
	assert_true(isnan(own(&out, SM_IMAGE_INK)));
	assert_int_equal(why(&out, SM_IMAGE_INK), SM_WHY_NO_INK);
	for (int i = 0; i < 100; i++)
		t[i % C * N + i] = 0; /* each pixel in one of the colours */
	t[N + 5000] = 128;
	t[N + 5001] = 129; /* no ink */
	out = score(&pair, &s);
	assert_true(own(&out, SM_IMAGE_INK) == 0); /* white paper */
	for (int i = 51; i < 201; i++)
		x[(i + 1) % C * N + i] = 7;
	out = score(&pair, &s);
	assert_true(own(&out, SM_IMAGE_INK) == 2 * 49.0 / (101 + 150));
	static uint8_t mask[N];
	memset(mask + 60, 1, 100);
	pair.mask = mask;
	out = score(&pair, &s);
	assert_true(out.value[SM_IMAGE_OWN][SM_IMAGE_BODY][SM_IMAGE_INK] == 2 * 40.0 / (40 + 100));
	pair.mask = NULL;
	s.ink = 254;
	s.bright_ink = true;
	pair.channels = 1;
	out = score(&pair, &s); /* the paper: 50 dark pixels of x, 34 others of t */
	assert_true(own(&out, SM_IMAGE_INK) == 2.0 * (N - 84) / (2 * N - 84));
	s = all();
	s.which = SM_IMAGE_BIT(SM_IMAGE_MAE);
	out = score(&pair, &s);
	assert_int_equal(why(&out, SM_IMAGE_INK), SM_WHY_NOT_ASKED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bone_is_what_lies_above_the_threshold),
		cmocka_unit_test(ink_is_what_lies_on_its_side_of_the_threshold),
	};
	return run_tap(tests);
}
