/* SPDX-License-Identifier: Apache-2.0
 *
 * safetensors files: 8 bytes little-endian length of a JSON header (names, types, shapes, places),
 * then the values. Names are sorted, the header is filled up with blanks to a multiple of 8.
 */
#ifndef SM_TRAIN_SAFETENSORS_H
#define SM_TRAIN_SAFETENSORS_H

#include <jansson.h>

#include "core/err.h"

struct sm_safetensor {
	char name[160];
	int64_t dims[5];
	int rank;
	size_t count;
	const float *data; /* borrowed */
};

/* Sorts t by name and writes it with `meta` (an object of texts, or NULL), atomically. SM_INTERNAL:
 * a name twice. */
enum sm_status sm_safetensors_write(const char *path, struct sm_safetensor *t, size_t n,
				    const json_t *meta, struct sm_err *err);

#endif
