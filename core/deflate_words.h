/* SPDX-License-Identifier: Apache-2.0
 *
 * A fast deflater for 4-byte values that repeat: tiles cut from scans of whole numbers, whose
 * background is one value a slice and whose tissue has some hundred. It looks for matches at
 * multiples of 4 bytes only, in one table of last places, and makes a zlib stream that any inflater
 * reads.
 */
#ifndef SM_CORE_DEFLATE_WORDS_H
#define SM_CORE_DEFLATE_WORDS_H

#include "core/err.h"
#include "core/mem.h"

/* Packs n bytes, a multiple of 4, into a zlib stream. The bytes made depend on the input alone, not
 * on the CPU or on a library's version. *out is sm_alloc memory without budget; at most n + n /
 * 8192 + 64 bytes are made. SM_BUDGET; SM_INTERNAL for another n. Thread-safe. */
enum sm_status sm_deflate_words(const void *in, size_t n, unsigned char **out, size_t *out_n,
				struct sm_err *err);

#endif
