/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenJPEG 2.5.0 as Debian 12 builds it keeps its assertions, and some of them are about what a
 * file holds: without this, one bad file would end the program and take the rest of the run with
 * it. The library has no switch for that; the only other way is a child process for every picture.
 */
#ifndef SM_INGEST_DICOM_J2K_GUARD_H
#define SM_INGEST_DICOM_J2K_GUARD_H

#include <stdbool.h>

/* Calls work(arg). False when an assertion of a library failed below it on this thread: work was
 * left by longjmp, and what it worked on must not be touched again, not even to be freed. work must
 * hold no lock, and start no threads, for theirs are not caught. Thread-safe. */
bool sm_assertions_hold(void (*work)(void *), void *arg);

#endif
