/* SPDX-License-Identifier: Apache-2.0 */
#include "train/onnx_proto.h"

#include <stdlib.h>
#include <string.h>

enum { VARINT = 0, BYTES = 2, FIXED32 = 5 };

void sm_proto_clear(struct sm_proto *m)
{
	free(m->v);
	*m = (struct sm_proto){0};
}

static void add(struct sm_proto *m, const void *bytes, size_t n)
{
	if (m->failed || n == 0)
		return;
	if (n > m->room - m->n) {
		size_t room = 2 * m->room + n + 64;
		unsigned char *v = room > n ? realloc(m->v, room) : NULL;
		if (!v) {
			m->failed = true;
			return;
		}
		m->v = v;
		m->room = room;
	}
	memcpy(m->v + m->n, bytes, n);
	m->n += n;
}

static void varint(struct sm_proto *m, uint64_t value)
{
	unsigned char byte[10];
	size_t n = 0;
	do {
		byte[n++] = (unsigned char)(value & 0x7f) | (value > 0x7f ? 0x80 : 0);
		value >>= 7;
	} while (value);
	add(m, byte, n);
}

static void tag(struct sm_proto *m, int field, int type)
{
	varint(m, (uint64_t)field << 3 | (unsigned)type);
}

void sm_proto_int(struct sm_proto *m, int field, int64_t value)
{
	tag(m, field, VARINT);
	varint(m, (uint64_t)value);
}

void sm_proto_float(struct sm_proto *m, int field, float value)
{
	uint32_t bits;
	memcpy(&bits, &value, sizeof bits);
	const unsigned char byte[4] = {bits & 0xff, bits >> 8 & 0xff, bits >> 16 & 0xff,
				       (unsigned char)(bits >> 24)};
	tag(m, field, FIXED32);
	add(m, byte, sizeof byte);
}

void sm_proto_begin_bytes(struct sm_proto *m, int field, size_t n)
{
	tag(m, field, BYTES);
	varint(m, n);
}

void sm_proto_bytes(struct sm_proto *m, int field, const void *bytes, size_t n)
{
	sm_proto_begin_bytes(m, field, n);
	add(m, bytes, n);
}

void sm_proto_text(struct sm_proto *m, int field, const char *text)
{
	sm_proto_bytes(m, field, text, strlen(text));
}

void sm_proto_message(struct sm_proto *m, int field, struct sm_proto *part)
{
	m->failed |= part->failed;
	sm_proto_bytes(m, field, part->v, part->n);
	sm_proto_clear(part);
}

void sm_proto_append(struct sm_proto *m, struct sm_proto *part)
{
	m->failed |= part->failed;
	add(m, part->v, part->n);
	sm_proto_clear(part);
}
