/* SPDX-License-Identifier: Apache-2.0
 *
 * JPEG 2000 and HTJ2K code streams of one gray picture, by OpenJPEG.
 */
#ifndef SM_INGEST_J2K_H
#define SM_INGEST_J2K_H

#include <stddef.h>

#include "core/err.h"

/* Decodes bytes[0..n) into rows * columns words of `bits` (8, 16 or 32) in out, columns fastest; negative
 * numbers as two's complement. SM_INPUT when the code stream is damaged or its size, number of
 * components or precision is not what the caller says; sizes are compared before anything is
 * decoded. Thread-safe. */
enum sm_status sm_j2k_decode(const unsigned char *bytes, size_t n, int rows, int columns, int bits,
			     void *out, struct sm_err *err);

#endif
