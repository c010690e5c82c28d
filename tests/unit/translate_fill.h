/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights and images of the tests of image translation: the same numbers as
 * scripts/translate_nets.py, from a counter hash.
 */
#ifndef SM_TESTS_TRANSLATE_FILL_H
#define SM_TESTS_TRANSLATE_FILL_H

#include <math.h>
#include <string.h>

#include "train/nn/nn.h"

static inline float fill_hashed(uint32_t v)
{
	v = (v ^ 61u) ^ (v >> 16);
	v *= 9u;
	v ^= v >> 4;
	v *= 0x27D4EB2Du;
	v ^= v >> 15;
	return (float)(v >> 8) / 16777216.0f;
}

static inline uint32_t fill_fnv(const char *text)
{
	uint32_t h = 2166136261u;
	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 16777619u;
	return h;
}

/* n values in [-1, 1). */
static inline void fill_image(float *x, size_t n, uint32_t start)
{
	for (size_t i = 0; i < n; i++)
		x[i] = fill_hashed(start + (uint32_t)i) * 2 - 1;
}

/* All trained weights of a net, by their names. */
static inline void fill_weights(struct sm_net *net, uint32_t offset)
{
	size_t count;
	const struct sm_param *p = sm_net_params(net, &count);
	for (size_t i = 0; i < count; i++) {
		const int *s = p[i].shape;
		bool norm = strstr(p[i].name, ".norm") && strstr(p[i].name, ".weight");
		float base = norm ? 1 : 0, scale = 0.2f, *w = sm_net_weights(net) + p[i].offset;
		if (p[i].rank > 1)
			scale = (float)sqrt(6.0 / ((s[0] > s[1] ? s[0] : s[1]) * s[3] * s[4]));
		for (size_t k = 0; k < p[i].count; k++)
			w[k] = base +
			       scale * (fill_hashed(fill_fnv(p[i].name) + offset + (uint32_t)k) *
						2 -
					1);
	}
	sm_net_touch(net);
}

#endif
