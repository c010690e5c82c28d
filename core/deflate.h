/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a raw deflate stream (RFC 1951): where its last block starts and where its last bit
 * is, found without inflating. What it takes to join streams that were made independently.
 */
#ifndef SM_CORE_DEFLATE_H
#define SM_CORE_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>

struct sm_deflate_end {
	size_t last_block; /* bit of the last block's header: its BFINAL; bit 0 is the lowest of
			      byte 0 */
	size_t end;        /* bit behind the last block */
	size_t size;       /* bytes that the stream inflates to */
};

/* Walks the stream at the start of in[0..n). False when it is damaged or ends early. Accepts
 * whatever zlib's inflate accepts; beyond that only a match may reach back before the start, for
 * distances are passed over unread. Needs 30 KiB of stack, no other memory; time is linear in n.
 * Thread-safe. */
bool sm_deflate_walk(const unsigned char *in, size_t n, struct sm_deflate_end *out);

/* Room that sm_deflate_open needs behind a stream. */
#define SM_DEFLATE_OPEN_ROOM 5

/* Makes the stream that fills buf[0..n) one that others may follow from a byte border on: clears
 * the last block's BFINAL and appends an empty stored block. buf has SM_DEFLATE_OPEN_ROOM bytes
 * behind n. Returns the new length. `end` is what sm_deflate_walk found; n the bytes that end.end
 * reaches. */
size_t sm_deflate_open(unsigned char *buf, size_t n, const struct sm_deflate_end *end);

#endif
