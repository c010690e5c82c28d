/* SPDX-License-Identifier: Apache-2.0
 *
 * The C library's __assert_fail, which the shared libraries of the process call too: below
 * sm_assertions_hold it goes back there, elsewhere it does what it always does, abort() included:
 * an assertion that nobody guards is a bug of the program.
 */
#include "ingest/dicom/j2k_guard.h"

#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

static _Thread_local jmp_buf *back; /* a failed assertion knows nothing but its thread */

void __assert_fail(const char *assertion, const char *file, unsigned line, const char *function)
{
	if (back)
		longjmp(*back, 1);
	fprintf(stderr, "%s:%u: %s: Assertion `%s' failed.\n", file, line, function, assertion);
	abort();
}

bool sm_assertions_hold(void (*work)(void *), void *arg)
{
	jmp_buf here, *outer = back;
	volatile bool held = false;
	back = &here;
	if (setjmp(here) == 0) {
		work(arg);
		held = true;
	}
	back = outer;
	return held;
}
