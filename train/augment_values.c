/* SPDX-License-Identifier: Apache-2.0 */
/* Augmentations of values, each channel by itself. */
#include <math.h>
#include <string.h>

#include "train/augment_filter.h"
#include "train/augment_rows.h"
#include "train/nn/vmath.h"

#define LANES 16
#define PI_HALF 1.57079632679489662

struct figures {
	float low, high;
	double mean, deviation;
};

/* Sums in LANES fixed parts, in double. */
SM_AUGMENT_CLONES
static void add_up(const float *x, size_t n, double mean, double part[LANES], bool square)
{
	for (int k = 0; k < LANES; k++)
		part[k] = 0;
	size_t whole = n / LANES * LANES;
	for (size_t i = 0; i < whole; i += LANES)
		for (int k = 0; k < LANES; k++) {
			double d = x[i + (size_t)k] - mean;
			part[k] += square ? d * d : d;
		}
	for (size_t i = whole; i < n; i++) {
		double d = x[i] - mean;
		part[i - whole] += square ? d * d : d;
	}
}

static double total(const float *x, size_t n, double mean, bool square)
{
	double part[LANES], sum = 0;
	add_up(x, n, mean, part, square);
	for (int k = 0; k < LANES; k++)
		sum += part[k];
	return sum;
}

SM_AUGMENT_CLONES
static void range_of(const float *x, size_t n, float *low, float *high)
{
	float a[LANES], b[LANES];
	for (int k = 0; k < LANES; k++)
		a[k] = b[k] = x[0];
	for (size_t i = 0; i + LANES <= n; i += LANES)
		for (int k = 0; k < LANES; k++) {
			float v = x[i + (size_t)k];
			a[k] = v < a[k] ? v : a[k];
			b[k] = v > b[k] ? v : b[k];
		}
	for (size_t i = n / LANES * LANES; i < n; i++) {
		a[0] = x[i] < a[0] ? x[i] : a[0];
		b[0] = x[i] > b[0] ? x[i] : b[0];
	}
	*low = a[0];
	*high = b[0];
	for (int k = 1; k < LANES; k++) {
		*low = a[k] < *low ? a[k] : *low;
		*high = b[k] > *high ? b[k] : *high;
	}
}

static struct figures figures_of(const float *x, size_t n)
{
	struct figures f;
	range_of(x, n, &f.low, &f.high);
	f.mean = total(x, n, 0, false) / (double)n;
	f.deviation = sqrt(total(x, n, f.mean, true) / (double)n);
	return f;
}

/* x = x factor + add. */
SM_AUGMENT_CLONES
static void linear(float *x, size_t n, float factor, float add)
{
	for (size_t i = 0; i < n; i++)
		x[i] = x[i] * factor + add;
}

/* Draws for each channel whether it is changed and by what number; false at the end. The draws are
 * the same however many channels were chosen. */
static bool next_channel(struct sm_augmented *s, const struct sm_augment_params *a,
			 struct sm_rng *rng, size_t *c, double *value)
{
	while (*c < s->channels) {
		bool chosen = sm_rng_f64(rng) < a->p_channel;
		*value = sm_augment_draw(rng, a->range.v[0], a->range.v[1]);
		(*c)++;
		if (chosen)
			return true;
	}
	return false;
}

#define EACH_CHANNEL(s, a, rng, x, value) \
	double value; \
	size_t c_ = 0; \
	for (float *x; next_channel(s, a, rng, &c_, &value) && \
		       (x = (s)->x + (c_ - 1) * (s)->voxels, true);)

void sm_augment_shift(struct sm_augmented *s, const struct sm_augment_params *a, struct sm_rng *rng)
{
	EACH_CHANNEL(s, a, rng, x, v)
		if (v != 0)
			linear(x, s->voxels, 1, (float)(v * figures_of(x, s->voxels).deviation));
}

void sm_augment_brightness(struct sm_augmented *s, const struct sm_augment_params *a,
			   struct sm_rng *rng)
{
	EACH_CHANNEL(s, a, rng, x, v)
		if (v != 1)
			linear(x, s->voxels, (float)v, 0);
}

SM_AUGMENT_CLONES
static void cut_linear(float *x, size_t n, float factor, float mean, float low, float high)
{
	for (size_t i = 0; i < n; i++) {
		float v = (x[i] - mean) * factor + mean;
		v = v > low ? v : low;
		x[i] = v < high ? v : high;
	}
}

void sm_augment_contrast(struct sm_augmented *s, const struct sm_augment_params *a,
			 struct sm_rng *rng)
{
	EACH_CHANNEL(s, a, rng, x, v) {
		if (v == 1)
			continue;
		struct figures f = figures_of(x, s->voxels);
		cut_linear(x, s->voxels, (float)v, (float)f.mean, f.low, f.high);
	}
}

/* ((x - from) per)^exponent; per is 1 over the range, negative for the negative picture. */
SM_AUGMENT_CLONES
static void power(float *x, size_t n, float exponent, float from, float per, float range, float to)
{
	for (size_t i = 0; i < n; i++) {
		float v = (x[i] - from) * per;
		/* Choices made of arithmetic: others become branches, and then no vector code. */
		float y = vm_exp(exponent * vm_log(0.5f * (v + vm_abs(v)) + 1e-30f));
		x[i] = vm_float(vm_bits(y) & (0u - (uint32_t)(v > 1e-30f))) * range + to;
	}
}

void sm_augment_gamma(struct sm_augmented *s, const struct sm_augment_params *a, struct sm_rng *rng)
{
	EACH_CHANNEL(s, a, rng, x, v) {
		struct figures f = figures_of(x, s->voxels), g;
		float range = f.high - f.low;
		if (v == 1 || !(range > 0))
			continue;
		if (a->invert) /* 1 - (1 - u)^gamma */
			power(x, s->voxels, (float)v, f.high, -1 / range, -range, f.high);
		else
			power(x, s->voxels, (float)v, f.low, 1 / range, range, f.low);
		if (!a->retain)
			continue;
		g = figures_of(x, s->voxels);
		double factor = f.deviation / (g.deviation > 1e-8 ? g.deviation : 1e-8);
		linear(x, s->voxels, (float)factor, (float)(f.mean - g.mean * factor));
	}
}

/* ---- noise ---------------------------------------------------------------------------------- */

#define BLOCKS 64 /* counters at once: four numbers each */

/* Box and Muller 1958: radius from u, angle from v, both whole numbers of 24 bits. */
SM_INLINE void normal_pair(uint32_t u, uint32_t v, float *a, float *b)
{
	float radius = sqrtf(-2.0f * vm_log(((float)(int32_t)(u >> 8) + 0.5f) * 0x1p-24f));
	float turn = (float)(int32_t)(v >> 8) * 0x1p-22f; /* in quarters, 0..4 */
	int32_t quarter = (int32_t)(turn + 0.5f);
	float r = (turn - (float)quarter) * (float)PI_HALF, z = r * r;
	float sine = r + r * z * (-1.66666657e-1f + z * (8.33322e-3f - z * 1.9515296e-4f));
	float cosine = 1.0f - 0.5f * z +
		       z * z * (4.166664568e-2f + z * (-1.388731625e-3f + z * 2.443315711e-5f));
	float swap = (float)(quarter & 1), keep = 1.0f - swap;
	float sign_c = 1.0f - (float)((quarter + 1) & 2), sign_s = 1.0f - (float)(quarter & 2);
	*a = radius * sign_c * (keep * cosine + swap * sine);
	*b = radius * sign_s * (keep * sine + swap * cosine);
}

/* 4 BLOCKS normal numbers: Philox4x32-10 (core/rng.h) of counters first, first + 1, ... */
SM_AUGMENT_CLONES
static void normals(const struct sm_rng *stream, uint32_t first, uint32_t channel, float *out)
{
	uint32_t w0[BLOCKS], w1[BLOCKS], w2[BLOCKS], w3[BLOCKS], k0 = stream->key[0],
		 k1 = stream->key[1];
	for (uint32_t i = 0; i < BLOCKS; i++) {
		w0[i] = first + i;
		w1[i] = channel;
		w2[i] = stream->ctr[2];
		w3[i] = stream->ctr[3];
	}
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < BLOCKS; i++) {
			uint64_t p0 = (uint64_t)0xD2511F53u * w0[i],
				 p1 = (uint64_t)0xCD9E8D57u * w2[i];
			uint32_t n0 = (uint32_t)(p1 >> 32) ^ w1[i] ^ k0,
				 n2 = (uint32_t)(p0 >> 32) ^ w3[i] ^ k1;
			w1[i] = (uint32_t)p1;
			w3[i] = (uint32_t)p0;
			w0[i] = n0;
			w2[i] = n2;
		}
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
	for (int i = 0; i < BLOCKS; i++)
		normal_pair(w0[i], w1[i], &out[i], &out[BLOCKS + i]);
	for (int i = 0; i < BLOCKS; i++)
		normal_pair(w2[i], w3[i], &out[2 * BLOCKS + i], &out[3 * BLOCKS + i]);
}

SM_AUGMENT_CLONES
static void add_scaled(float *restrict x, const float *restrict noise, size_t n, float sigma)
{
	for (size_t i = 0; i < n; i++)
		x[i] += sigma * noise[i];
}

void sm_augment_gaussian_noise(struct sm_augmented *s, const struct sm_augment_params *a,
			       struct sm_rng *rng)
{
	EACH_CHANNEL(s, a, rng, x, v) {
		float some[4 * BLOCKS];
		float sigma = (float)(v * figures_of(x, s->voxels).deviation);
		for (size_t i = 0; sigma > 0 && i < s->voxels; i += SM_COUNT(some)) {
			size_t n = s->voxels - i < SM_COUNT(some) ? s->voxels - i : SM_COUNT(some);
			normals(&s->bulk, (uint32_t)(i / 4), (uint32_t)c_, some);
			add_scaled(x + i, some, n, sigma);
		}
	}
}

/* ---- filters, channels ---------------------------------------------------------------------- */

void sm_augment_gaussian_blur(struct sm_augmented *s, const struct sm_augment_params *a,
			      struct sm_rng *rng)
{
	EACH_CHANNEL(s, a, rng, x, v)
		sm_filter_gaussian(x, s->size, v, sm_augment_plane(s, a), s->x2, s->work);
}

void sm_augment_low_resolution(struct sm_augmented *s, const struct sm_augment_params *a,
			       struct sm_rng *rng)
{
	EACH_CHANNEL(s, a, rng, x, v)
		sm_filter_low_resolution(x, s->size, v, a->order == SM_ORDER_CUBIC,
					 sm_augment_plane(s, a), s->x2, s->work);
}

void sm_augment_channel_dropout(struct sm_augmented *s, const struct sm_augment_params *a,
				struct sm_rng *rng)
{
	size_t stays = sm_rng_below(rng, (uint32_t)s->channels), left = 0;
	struct sm_rng again = *rng;
	for (size_t c = 0; c < s->channels; c++)
		left += sm_rng_f64(&again) >= a->p;
	for (size_t c = 0; c < s->channels; c++) {
		bool drop = sm_rng_f64(rng) < a->p;
		if (drop && (left > 0 || c != stays))
			memset(s->x + c * s->voxels, 0, s->voxels * sizeof(float));
	}
}
