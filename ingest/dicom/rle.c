/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/dicom/rle.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define HEAD 64 /* bytes: number of segments, then 15 offsets, little endian */

static uint32_t word_at(const unsigned char *b)
{
	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* Unpacks one segment into every stride-th byte of out; how many of the count bytes it gave. *used
 * receives how many of the n bytes that took. */
static size_t unpack(const unsigned char *in, size_t n, unsigned char *out, size_t count,
		     size_t stride, size_t *used)
{
	size_t at = 0, made = 0;
	while (at < n && made < count) {
		int code = (signed char)in[at++];
		if (code == -128)
			continue;
		bool literal = code >= 0;
		size_t run = literal ? (size_t)code + 1 : (size_t)(1 - code);
		size_t have = literal ? n - at : at < n ? run : 0;
		size_t take = run < have ? run : have;
		take = take < count - made ? take : count - made;
		unsigned char *to = out + made * stride;
		const unsigned char *from = in + at;
		for (size_t i = 0; i < take; i++, to += stride)
			*to = from[literal ? i : 0];
		made += take;
		if (take < run && made < count)
			break; /* the data end inside a run */
		at += literal ? take : 1;
	}
	*used = at < n ? at : n;
	return made;
}

enum sm_status sm_rle_decode(const unsigned char *bytes, size_t n, int width, int samples,
			     void *out, size_t size, struct sm_err *err)
{
	if (n < HEAD)
		return SM_FAIL(err, SM_INPUT, "RLE data of %zu bytes lack their header of %d", n,
			       HEAD);
	uint32_t segments = word_at(bytes);
	int want = width * samples;
	size_t stride = (size_t)want, count = size / stride;
	if (want > 15 || segments != (uint32_t)want)
		return SM_FAIL(
			err, SM_INPUT,
			"RLE header tells %u segments, allowed are %d for %d samples of %d bits",
			segments, want, samples, 8 * width);
	for (int s = 0; s < want; s++) {
		size_t from = word_at(bytes + 4 + 4 * s);
		size_t to = s + 1 < want ? word_at(bytes + 8 + 4 * s) : n;
		if (from < HEAD || from > to || to > n)
			return SM_FAIL(
				err, SM_INPUT,
				"RLE segment %d lies at bytes %zu to %zu, allowed are %d to %zu", s,
				from, to, HEAD, n);
		/* Sample by sample; most significant byte first: the last in little-endian memory.
		 */
		int byte = s / width * width + (width - 1 - s % width);
		size_t used, made = unpack(bytes + from, to - from, (unsigned char *)out + byte,
					   count, stride, &used);
		if (made != count)
			return SM_FAIL(err, SM_INPUT,
				       "RLE segment %d gives %zu bytes, %zu are needed", s, made,
				       count);
		/* Padding may follow, the header of another picture not. */
		size_t next = from + used + (used & 1);
		if (s + 1 == want && next <= n && n - next > HEAD &&
		    memcmp(bytes + next, bytes, 8) == 0)
			return SM_FAIL(err, SM_INPUT,
				       "a second RLE picture follows in the same frame at byte %zu",
				       next);
	}
	return SM_OK;
}
