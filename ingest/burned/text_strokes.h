/* SPDX-License-Identifier: Apache-2.0
 *
 * Strokes of one picture, the first half of text_lines.h: how far each pixel stands above its
 * ground, the brightness values that many strokes have, and where they stand close together.
 * Everything is linear in the pixels and vector code; what follows costs more.
 */
#ifndef SM_INGEST_BURNED_TEXT_STROKES_H
#define SM_INGEST_BURNED_TEXT_STROKES_H

#include <endian.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "ingest/burned/text_lines.h"

#define SM_TEXT_INKS 6 /* the most frequent stroke values that are tried */

/* Vector code for the CPU at hand from plain loops of whole numbers: the same results. Sanitizers
 * cannot run the resolvers. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
	!defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define SM_TEXT_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define SM_TEXT_CLONES
#endif

static inline bool sm_text_alike(int a, int b, int even)
{
	return (unsigned)(a - b + even) <= 2 * (unsigned)even;
}

#define SM_TEXT_PAD 64 /* bytes behind the last that sm_text_bits may read */

/* The low bits of 64 bytes that are 0 or 1, the first lowest. */
static inline uint64_t sm_text_bits(const uint8_t *bytes)
{
	uint64_t bits = 0;
#ifdef __SSE2__
	for (int i = 0; i < 64; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(bytes + i));
		bits |= (uint64_t)_mm_movemask_epi8(_mm_slli_epi16(v, 7)) << i;
	}
#else
	for (int i = 0; i < 64; i += 8) {
		uint64_t eight;
		memcpy(&eight, bytes + i, sizeof eight);
		bits |= (le64toh(eight) * 0x0102040810204080u >> 56) << i;
	}
#endif
	return bits;
}

/* The part of work that belongs to this file, for planes of at most so many pixels. After a failure
 * it is still to be cleared. */
enum sm_status sm_text_strokes_init(struct sm_text_work *work, size_t pixels, struct sm_mem *mem,
				    struct sm_err *err);
void sm_text_strokes_clear(struct sm_text_work *work);

/* Fills work->side for the whole plane, and the strokes' tally. */
void sm_text_strokes_find(const struct sm_text_plane *plane, int contrast, int even,
			  struct sm_text_work *work);

/* The most frequent values of the strokes found last, at most SM_TEXT_INKS, each with the
 * neighbours `even` around it; erases them from the tally. A value must stand out among those
 * beside it: tissue's values are spread. Returns their number. */
int sm_text_inks_choose(struct sm_text_work *work, int even, int inks[SM_TEXT_INKS]);

/* Do enough strokes of this value stand together as in a line of letters? Tissue's are scattered.
 * rows = first and last row of a plane of this height where such letters may be. */
bool sm_text_strokes_crowd(const struct sm_text_work *work, int ink, int even, int height,
			   int rows[2]);

#endif
