/* SPDX-License-Identifier: Apache-2.0
 *
 * Debian's OpenJPEG is built with its assertions, and damaged data reach some: without this, one bad
 * file would end the program and take the rest of the run with it.
 */
#ifndef SM_INGEST_DICOM_J2K_GUARD_H
#define SM_INGEST_DICOM_J2K_GUARD_H

#include <stdbool.h>

/* Calls work(arg). False when an assertion of a library failed below it on this thread; what work
 * had allocated until then is still there. Thread-safe. */
bool sm_assertions_hold(void (*work)(void *), void *arg);

#endif
