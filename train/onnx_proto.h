/* SPDX-License-Identifier: Apache-2.0
 *
 * As much of protobuf's wire format as an ONNX file needs to be written: varints, bytes and 32-bit
 * floats. A message is a buffer; another message takes it as a field.
 */
#ifndef SM_TRAIN_ONNX_PROTO_H
#define SM_TRAIN_ONNX_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed = empty. After a failed allocation `failed` stays true and nothing more is added. */
struct sm_proto {
	unsigned char *v;
	size_t n, room;
	bool failed;
};

void sm_proto_clear(struct sm_proto *m);

/* Field `field` with a number (negative ones take ten bytes, as protobuf's int64). */
void sm_proto_int(struct sm_proto *m, int field, int64_t value);
void sm_proto_float(struct sm_proto *m, int field, float value);
void sm_proto_bytes(struct sm_proto *m, int field, const void *bytes, size_t n);
void sm_proto_text(struct sm_proto *m, int field, const char *text);
/* Adds `part` as a field and clears it. */
void sm_proto_message(struct sm_proto *m, int field, struct sm_proto *part);
/* Puts the fields of `part` behind those of m and clears it. */
void sm_proto_append(struct sm_proto *m, struct sm_proto *part);
/* Tag and length of a field whose n bytes follow elsewhere. */
void sm_proto_begin_bytes(struct sm_proto *m, int field, size_t n);

#endif
