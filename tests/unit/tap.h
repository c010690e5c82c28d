/* SPDX-License-Identifier: Apache-2.0
 *
 * What every unit test includes: cmocka with its prerequisites, TAP output, and two asserts on
 * statuses.
 */
#ifndef SM_TESTS_TAP_H
#define SM_TESTS_TAP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/err.h"

/* A call must succeed; its sentence is shown when it does not. */
#define assert_good(expr, err) \
	do { \
		if ((expr) != SM_OK) \
			fail_msg("%s: %s", #expr, (err).text); \
	} while (0)

/* A call must fail with this status and a sentence that holds this text. */
#define assert_refused(expr, status, err, part) \
	do { \
		assert_int_equal((expr), (status)); \
		if (!strstr((err).text, (part))) \
			fail_msg("sentence '%s' lacks '%s'", (err).text, (part)); \
	} while (0)

#define run_tap(tests) \
	(cmocka_set_message_output(CM_OUTPUT_TAP), \
	 cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL))

#endif
