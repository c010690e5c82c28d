/* SPDX-License-Identifier: Apache-2.0
 *
 * Raw deflate streams: whatever zlib inflates, the walk takes, with the same length and end; and
 * what follows an opened stream is found behind
 * it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/deflate.h"

#define MOST (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Inflates into out; *made and *used tell how far it came. True at the end of the stream. */
static int inflate_raw(const uint8_t *in, size_t n, unsigned char *out, size_t *made, size_t *used)
{
	z_stream z = {.next_in = (unsigned char *)(uintptr_t)in,
		      .avail_in = (unsigned)n,
		      .next_out = out,
		      .avail_out = MOST};
	if (inflateInit2(&z, -15) != Z_OK)
		abort();
	int r = inflate(&z, Z_FINISH);
	*made = z.total_out;
	*used = z.total_in;
	inflateEnd(&z);
	return r == Z_STREAM_END;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static unsigned char out[MOST], again[MOST];
	static const unsigned char tail[] = {1,    2,   0,  0xfd,
					     0xff, 'o', 'k'}; /* a stored last block */
	struct sm_deflate_end end;
	size_t made, used, made2, used2;
	int walked = sm_deflate_walk(bytes, n, &end);
	if (!inflate_raw(bytes, n, out, &made, &used))
		return 0;
	if (!walked || end.size != made || (end.end + 7) / 8 != used)
		abort();
	unsigned char *longer = malloc(used + SM_DEFLATE_OPEN_ROOM + sizeof tail);
	if (!longer)
		return 0;
	memcpy(longer, bytes, used);
	size_t open = sm_deflate_open(longer, used, &end);
	memcpy(longer + open, tail, sizeof tail);
	if (made + 2 <= MOST && (!inflate_raw(longer, open + sizeof tail, again, &made2, &used2) ||
				 made2 != made + 2 || memcmp(out, again, made) != 0 ||
				 memcmp(again + made, "ok", 2) != 0))
		abort();
	free(longer);
	return 0;
}
