/* SPDX-License-Identifier: Apache-2.0 */
#include "core/rng.h"

#include <math.h>
#include <string.h>

void sm_philox(const uint32_t ctr[4], const uint32_t key[2], uint32_t out[4])
{
	uint32_t c0 = ctr[0], c1 = ctr[1], c2 = ctr[2], c3 = ctr[3], k0 = key[0], k1 = key[1];
	for (int round = 0; round < 10; round++) {
		uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
		uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
		c1 = (uint32_t)p1;
		c3 = (uint32_t)p0;
		c0 = n0;
		c2 = n2;
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
	out[0] = c0;
	out[1] = c1;
	out[2] = c2;
	out[3] = c3;
}

/* Stream name -> 64 bits: FNV-1a over the name's bytes, then the splitmix64 finaliser, chained. */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return z ^ (z >> 31);
}

static uint64_t absorb(uint64_t h, const void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ ((const unsigned char *)bytes)[i]) * 0x100000001B3u;
	return mix(h + n);
}

void sm_rng_init(struct sm_rng *rng, uint64_t seed, const char *purpose, const char *item,
		 uint64_t epoch, uint64_t index)
{
	uint64_t h = absorb(0xCBF29CE484222325u, purpose, strlen(purpose));
	h = absorb(h, item, strlen(item));
	h = mix(h ^ mix(epoch + 0x9E3779B97F4A7C15u));
	h = mix(h ^ mix(index + 0xD1B54A32D192ED03u));
	*rng = (struct sm_rng){
		.key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
		.ctr = {0, 0, (uint32_t)h, (uint32_t)(h >> 32)},
	};
}

uint32_t sm_rng_u32(struct sm_rng *rng)
{
	if (!rng->have) {
		sm_philox(rng->ctr, rng->key, rng->out);
		if (++rng->ctr[0] == 0)
			rng->ctr[1]++;
		rng->have = 4;
	}
	return rng->out[4 - rng->have--];
}

/* Eight blocks side by side, so that the compiler can use vectors: each array holds one word of
 * each. */
enum { LANES = 8 };

static void eight_blocks(const struct sm_rng *rng, uint32_t *out)
{
	uint32_t c0[LANES], c1[LANES], c2[LANES], c3[LANES], k0 = rng->key[0], k1 = rng->key[1];
	for (uint32_t i = 0; i < LANES; i++) {
		c0[i] = rng->ctr[0] + i;
		c1[i] = rng->ctr[1] + (c0[i] < i);
		c2[i] = rng->ctr[2];
		c3[i] = rng->ctr[3];
	}
	for (int round = 0; round < 10; round++) {
		for (uint32_t i = 0; i < LANES; i++) {
			uint64_t p0 = (uint64_t)0xD2511F53u * c0[i];
			uint64_t p1 = (uint64_t)0xCD9E8D57u * c2[i];
			c0[i] = (uint32_t)(p1 >> 32) ^ c1[i] ^ k0;
			c2[i] = (uint32_t)(p0 >> 32) ^ c3[i] ^ k1;
			c1[i] = (uint32_t)p1;
			c3[i] = (uint32_t)p0;
		}
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
	for (uint32_t i = 0; i < LANES; i++) {
		out[4 * i] = c0[i];
		out[4 * i + 1] = c1[i];
		out[4 * i + 2] = c2[i];
		out[4 * i + 3] = c3[i];
	}
}

void sm_rng_fill(struct sm_rng *rng, uint32_t *out, size_t n)
{
	size_t i = 0;
	for (; i < n && rng->have; i++)
		out[i] = sm_rng_u32(rng);
	for (; n - i >= 4 * LANES; i += 4 * LANES) {
		eight_blocks(rng, out + i);
		rng->ctr[0] += LANES;
		rng->ctr[1] += rng->ctr[0] < LANES;
	}
	for (; i < n; i++)
		out[i] = sm_rng_u32(rng);
}

uint32_t sm_rng_below(struct sm_rng *rng, uint32_t n)
{
	/* Lemire, "Fast random integer generation in an interval", 2019. */
	uint64_t m = (uint64_t)sm_rng_u32(rng) * n;
	uint32_t low = (uint32_t)m;
	if (low < n) {
		uint32_t floor = (uint32_t)-n % n;
		while (low < floor) {
			m = (uint64_t)sm_rng_u32(rng) * n;
			low = (uint32_t)m;
		}
	}
	return (uint32_t)(m >> 32);
}

float sm_rng_f32(struct sm_rng *rng)
{
	return (float)(sm_rng_u32(rng) >> 8) * 0x1p-24f;
}

double sm_rng_f64(struct sm_rng *rng)
{
	uint64_t hi = sm_rng_u32(rng), lo = sm_rng_u32(rng);
	return (double)(((hi << 32) | lo) >> 11) * 0x1p-53;
}

/* log(x) for finite x > 0 from + - * / and frexp: the C library's may differ in the last bit
 * between processors. log m = 2 atanh((m-1)/(m+1)) with m in [sqrt(1/2), sqrt 2). */
static double portable_log(double x)
{
	int e;
	double m = frexp(x, &e);
	if (m < 0.70710678118654752) {
		m *= 2;
		e--;
	}
	double t = (m - 1) / (m + 1), t2 = t * t, sum = 0;
	for (int k = 27; k >= 1; k -= 2)
		sum = sum * t2 + 1.0 / k;
	return 2 * t * sum + e * 0.69314718055994530942;
}

static double poly(const double *c, double x)
{
	double s = c[7];
	for (int i = 6; i >= 0; i--)
		s = s * x + c[i];
	return s;
}

double sm_normal_quantile(double p)
{
	static const double a[8] = {3.3871328727963666080e0, 1.3314166789178437745e2,
				    1.9715909503065514427e3, 1.3731693765509461125e4,
				    4.5921953931549871457e4, 6.7265770927008700853e4,
				    3.3430575583588128105e4, 2.5090809287301226727e3};
	static const double b[8] = {1.0,
				    4.2313330701600911252e1,
				    6.8718700749205790830e2,
				    5.3941960214247511077e3,
				    2.1213794301586595867e4,
				    3.9307895800092710610e4,
				    2.8729085735721942674e4,
				    5.2264952788528545610e3};
	static const double c[8] = {1.42343711074968357734e0,  4.63033784615654529590e0,
				    5.76949722146069140550e0,  3.64784832476320460504e0,
				    1.27045825245236838258e0,  2.41780725177450611770e-1,
				    2.27238449892691845833e-2, 7.74545014278341407640e-4};
	static const double d[8] = {1.0,
				    2.05319162663775882187e0,
				    1.67638483018380384940e0,
				    6.89767334985100004550e-1,
				    1.48103976427480074590e-1,
				    1.51986665636164571966e-2,
				    5.47593808499534494600e-4,
				    1.05075007164441684324e-9};
	static const double e[8] = {6.65790464350110377720e0,  5.46378491116411436990e0,
				    1.78482653991729133580e0,  2.96560571828504891230e-1,
				    2.65321895265761230930e-2, 1.24266094738807843860e-3,
				    2.71155556874348757815e-5, 2.01033439929228813265e-7};
	static const double f[8] = {1.0,
				    5.99832206555887937690e-1,
				    1.36929880922735805310e-1,
				    1.48753612908506148525e-2,
				    7.86869131145613259100e-4,
				    1.84631831751005468180e-5,
				    1.42151175831644588870e-7,
				    2.04426310338993978564e-15};
	double q = p - 0.5;
	if (fabs(q) <= 0.425) {
		double r = 0.180625 - q * q;
		return q * poly(a, r) / poly(b, r);
	}
	double r = sqrt(-portable_log(q < 0 ? p : 1 - p));
	double x = r <= 5 ? poly(c, r - 1.6) / poly(d, r - 1.6) : poly(e, r - 5) / poly(f, r - 5);
	return q < 0 ? -x : x;
}

double sm_rng_normal(struct sm_rng *rng)
{
	return sm_normal_quantile(sm_rng_f64(rng) + 0x1p-54);
}

void sm_rng_permutation(struct sm_rng *rng, size_t *order, size_t n)
{
	for (size_t i = 0; i < n; i++)
		order[i] = i;
	for (size_t i = n; i > 1; i--) {
		size_t j = sm_rng_below(rng, (uint32_t)i), t = order[i - 1];
		order[i - 1] = order[j];
		order[j] = t;
	}
}
