/* SPDX-License-Identifier: Apache-2.0
 *
 * Ink of pictures: which side of the threshold, which channel, how many bits.
 */
#include "tests/unit/tap.h"

#include <string.h>

#include "core/ink.h"

static const struct sm_ink dark = {128, false}, bright = {128, true};

static void is(const struct sm_image *image, const struct sm_ink *ink, const char *wanted)
{
	uint8_t mask[8];
	size_t count = 0, n = (size_t)(image->width * image->height);
	memset(mask, 9, sizeof mask);
	assert_int_equal(strlen(wanted), n);
	const size_t found = sm_ink_of_image(image, ink, mask);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(mask[i], wanted[i] == '#');
		count += wanted[i] == '#';
	}
	assert_int_equal(found, count);
}

static void dark_ink_holds_the_threshold_and_bright_ink_is_the_rest(void **state)
{
	(void)state;
	uint8_t v[] = {0, 127, 128, 129, 255, 200};
	const struct sm_image image = {
		.width = 3, .height = 2, .channels = 1, .bits = 8, .data = v};
	is(&image, &dark, "###...");
	is(&image, &bright, "...###");
}

static void sixteen_bits_have_their_own_greys(void **state)
{
	(void)state;
	uint16_t v[] = {0, 128, 129, 40000, 40001, 65535};
	const struct sm_ink ink = {40000, false};
	const struct sm_image image = {
		.width = 6, .height = 1, .channels = 1, .bits = 16, .data = v};
	is(&image, &dark, "##....");
	is(&image, &ink, "####..");
}

static void a_coloured_line_is_ink(void **state)
{
	(void)state;
	/* White, red, yellow, black, light grey. */
	uint8_t v[] = {255, 255, 255, 255, 0, 0, 255, 255, 0, 0, 0, 0, 129, 129, 129};
	const struct sm_image image = {
		.width = 5, .height = 1, .channels = 3, .bits = 8, .data = v};
	is(&image, &dark, ".###.");
	is(&image, &bright, "###.#");
}

static void planes_may_stand_apart(void **state)
{
	(void)state;
	const float v[] = {200, 10, 200, -1, -1, 10, 200, 200, -1, -1};
	uint8_t mask[4] = {7, 7, 7, 7};
	sm_ink_mask(v, 3, 5, 2, &dark, mask);
	assert_memory_equal(mask, ((uint8_t[]){1, 1, 0, 7}), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dark_ink_holds_the_threshold_and_bright_ink_is_the_rest),
		cmocka_unit_test(sixteen_bits_have_their_own_greys),
		cmocka_unit_test(a_coloured_line_is_ink),
		cmocka_unit_test(planes_may_stand_apart),
	};
	return run_tap(tests);
}
