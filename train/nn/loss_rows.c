/* SPDX-License-Identifier: Apache-2.0 */
/* The loss operator's loops: chunks of voxels are turned to one array a channel, which vector code
 * likes whatever the number of channels. Sums go in double over 8 fixed lanes. */
#include "train/nn/loss.h"

#include "train/nn/op.h"
#include "train/nn/vmath.h"

#define R 64
#define LANES 8

struct chunk {
	float z[SM_LOSS_CHANNELS][R]; /* logits; of a softmax less their largest */
	float p[SM_LOSS_CHANNELS][R];
	float t[SM_LOSS_CHANNELS][R];
	float lse[R]; /* log sum of exp(z) */
};

SM_INLINE void turn(const float *src, size_t n, int c, float (*dst)[R])
{
	for (size_t i = 0; i < n; i++)
		for (int j = 0; j < c; j++)
			dst[j][i] = src[i * c + j];
}

/* The usual numbers of channels as constants. */
SM_INLINE void load(const float *src, size_t n, int c, float (*dst)[R])
{
	switch (c) {
	case 1:
		turn(src, n, 1, dst);
		break;
	case 2:
		turn(src, n, 2, dst);
		break;
	case 3:
		turn(src, n, 3, dst);
		break;
	case 4:
		turn(src, n, 4, dst);
		break;
	default:
		turn(src, n, c, dst);
	}
}

SM_INLINE void turn_back(float (*src)[R], size_t n, int c, bool acc, float *dst)
{
	for (size_t i = 0; i < n; i++)
		for (int j = 0; j < c; j++)
			dst[i * c + j] = acc ? dst[i * c + j] + src[j][i] : src[j][i];
}

SM_INLINE void store(float (*src)[R], size_t n, int c, bool acc, float *dst)
{
	switch (c) {
	case 1:
		turn_back(src, n, 1, acc, dst);
		break;
	case 2:
		turn_back(src, n, 2, acc, dst);
		break;
	case 3:
		turn_back(src, n, 3, acc, dst);
		break;
	case 4:
		turn_back(src, n, 4, acc, dst);
		break;
	default:
		turn_back(src, n, c, acc, dst);
	}
}

SM_INLINE void softmax(struct chunk *k, int c, size_t n, bool log)
{
	float top[R], sum[R];
	memcpy(top, k->z[0], n * sizeof *top);
	for (int j = 1; j < c; j++)
		for (size_t i = 0; i < n; i++)
			top[i] = k->z[j][i] <= top[i] ? top[i] : k->z[j][i];
	memset(sum, 0, sizeof sum);
	for (int j = 0; j < c; j++)
		for (size_t i = 0; i < n; i++) {
			k->z[j][i] -= top[i];
			k->p[j][i] = vm_exp(k->z[j][i]);
			sum[i] += k->p[j][i];
		}
	if (log)
		for (size_t i = 0; i < n; i++)
			k->lse[i] = vm_log(sum[i]);
	for (size_t i = 0; i < n; i++)
		sum[i] = 1.0f / sum[i];
	for (int j = 0; j < c; j++)
		for (size_t i = 0; i < n; i++)
			k->p[j][i] *= sum[i];
}

SM_INLINE void fill(const struct loss_attr *l, struct chunk *k, const float *z, const float *t,
		    int c, size_t n, bool log)
{
	load(z, n, c, k->z);
	load(t, n, c, k->t);
	if (l->act == LOSS_SOFTMAX)
		softmax(k, c, n, log);
	else if (l->act == LOSS_SIGMOID)
		for (int j = 0; j < c; j++)
			for (size_t i = 0; i < n; i++)
				k->p[j][i] = vm_sigmoid(k->z[j][i], vm_exp(-vm_abs(k->z[j][i])));
}

/* How the point part weighs its terms; a constant in each loop, which vector code needs. */
enum kind { KIND_CE, KIND_SQUARE, KIND_POWER };

static enum kind kind_of(const struct loss_attr *l)
{
	/* x^0 is 1, also where x is 0. */
	bool weighs = l->point == POINT_FOCAL && l->gamma > 0;
	return !weighs ? KIND_CE : l->gamma == 2.0f ? KIND_SQUARE : KIND_POWER;
}

/* Calls f with the kind as a constant. */
#define BY_KIND(kind, f, ...) \
	do { \
		if ((kind) == KIND_CE) \
			f(KIND_CE, __VA_ARGS__); \
		else if ((kind) == KIND_SQUARE) \
			f(KIND_SQUARE, __VA_ARGS__); \
		else \
			f(KIND_POWER, __VA_ARGS__); \
	} while (0)

/* x^y for x in [0, 1]. */
SM_INLINE float power(float x, float y)
{
	return vm_exp(y * vm_log(x + 1e-12f));
}

/* x^gamma */
SM_INLINE float factor(enum kind kind, float x, float gamma)
{
	return kind == KIND_CE ? 1.0f : kind == KIND_SQUARE ? x * x : power(x, gamma);
}

/* The lanes of one sum. */
typedef double lanes_d __attribute__((vector_size(LANES * sizeof(double))));
typedef float lanes_f __attribute__((vector_size(LANES * sizeof(float))));

/* sum += x[0..n); n is a multiple of LANES. */
SM_INLINE void add_up(lanes_d *sum, const float *x, size_t n)
{
	lanes_d s = *sum;
	for (size_t i = 0; i < n; i += LANES) {
		lanes_f f;
		memcpy(&f, x + i, sizeof f);
		s += __builtin_convertvector(f, lanes_d);
	}
	*sum = s;
}

/* both += p t, ps += p or p^2, ts += t or t^2. */
SM_INLINE void add_region(const float *p, const float *t, size_t n, bool squared, lanes_d *both,
			  lanes_d *ps, lanes_d *ts)
{
	lanes_d a = *both, b = *ps, c = *ts;
	for (size_t i = 0; i < n; i += LANES) {
		lanes_f pf, tf;
		memcpy(&pf, p + i, sizeof pf);
		memcpy(&tf, t + i, sizeof tf);
		lanes_d pd = __builtin_convertvector(pf, lanes_d),
			td = __builtin_convertvector(tf, lanes_d);
		a += pd * td;
		b += squared ? pd * pd : pd;
		c += squared ? td * td : td;
	}
	*both = a;
	*ps = b;
	*ts = c;
}

/* Cross-entropy or focal loss of a softmax's channel; weight gets w t. */
SM_INLINE void softmax_point(enum kind kind, const float *z, const float *p, const float *t,
			     const float *lse, float w, float gamma, size_t n, float *loss,
			     float *weight)
{
	for (size_t i = 0; i < n; i++) {
		float wt = w * t[i];
		loss[i] += wt * (lse[i] - z[i]) * factor(kind, 1.0f - p[i], gamma);
		weight[i] += wt;
	}
}

/* -log p = max(-z, 0) + log(1 + e^-|z|), -log(1-p) = that + z. */
SM_INLINE void sigmoid_point(enum kind kind, const float *z, const float *p, const float *t,
			     float w, float gamma, size_t n, float *loss)
{
	for (size_t i = 0; i < n; i++) {
		float s = vm_log1p(vm_exp(-vm_abs(z[i])));
		float yes = 0.5f * (vm_abs(z[i]) - z[i]) + s, no = 0.5f * (vm_abs(z[i]) + z[i]) + s;
		yes *= factor(kind, 1.0f - p[i], gamma);
		no *= factor(kind, p[i], gamma);
		loss[i] += w * (t[i] * yes + (1.0f - t[i]) * no);
	}
}

/* s[0] += the point part, s[1] += its weight (of a softmax). */
SM_INLINE void add_point(const struct loss_attr *l, struct chunk *k, int c, size_t n, lanes_d *s)
{
	float loss[R] = {0}, weight[R] = {0}, gamma = l->gamma;
	enum kind kind = kind_of(l);
	for (int j = 0; j < c; j++)
		if (l->act == LOSS_SOFTMAX)
			BY_KIND(kind, softmax_point, k->z[j], k->p[j], k->t[j], k->lse,
				l->weight[j], gamma, n, loss, weight);
		else
			BY_KIND(kind, sigmoid_point, k->z[j], k->p[j], k->t[j], l->weight[j], gamma,
				n, loss);
	add_up(&s[0], loss, R);
	add_up(&s[1], weight, R);
}

SM_CLONES void loss_rows_forward(const struct loss_attr *l, int c, const float *z, const float *t,
				 size_t rows, double *s)
{
	struct chunk k;
	lanes_d sum[LOSS_SUMS(SM_LOSS_CHANNELS)];
	bool point = l->point != POINT_NONE, squared = l->region == REGION_SQUARED;
	memset(sum, 0, LOSS_SUMS(c) * sizeof *sum);
	for (size_t a = 0; a < rows; a += R) {
		size_t n = rows - a < R ? rows - a : R;
		fill(l, &k, z + a * c, t + a * c, c, n, point);
		if (point)
			add_point(l, &k, c, n, &sum[3 * c]);
		for (int j = l->first; l->region != REGION_NONE && j < c; j++) {
			/* Whole lanes: the rest of the last chunk is 0. */
			memset(k.p[j] + n, 0, (R - n) * sizeof(float));
			memset(k.t[j] + n, 0, (R - n) * sizeof(float));
			add_region(k.p[j], k.t[j], R, squared, &sum[j], &sum[c + j],
				   &sum[2 * c + j]);
		}
	}
	for (size_t j = 0; j < LOSS_SUMS(c); j++) {
		s[j] = 0;
		for (int i = 0; i < LANES; i++)
			s[j] += sum[j][i];
	}
}

/* With q_c = p_c dL/dp_c: dL/dz_c = q_c - p_c sum q. Of -w t (1-p)^y log p it is
 * q = w t (y p (1-p)^(y-1) log p - (1-p)^y). One channel's q takes the place of t. */
SM_INLINE void softmax_slope(enum kind kind, const float *z, const float *p, float *t,
			     const float *lse, float a, float b, float d, float w, float gamma,
			     size_t n, float *sum)
{
	for (size_t i = 0; i < n; i++) {
		float q = p[i] * (a * t[i] + b * p[i] + d), point = 1.0f;
		if (kind != KIND_CE) {
			float u = 1.0f - p[i],
			      less = kind == KIND_SQUARE ? u : power(u, gamma - 1.0f);
			point = less * u + gamma * p[i] * less * (lse[i] - z[i]);
		}
		q -= w * t[i] * point;
		sum[i] += q;
		t[i] = q;
	}
}

/* Of t (1-p)^y (-log p): -y p (1-p)^y (-log p) - (1-p)^(y+1); of the other half the mirror. */
SM_INLINE void sigmoid_slope(enum kind kind, const float *z, const float *p, float *t, float a,
			     float b, float d, float w, float gamma, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float u = 1.0f - p[i], point = p[i] - t[i];
		float g = (a * t[i] + b * p[i] + d) * (p[i] * u);
		if (kind != KIND_CE) {
			float s = vm_log1p(vm_exp(-vm_abs(z[i])));
			float yes = 0.5f * (vm_abs(z[i]) - z[i]) + s;
			float no = 0.5f * (vm_abs(z[i]) + z[i]) + s;
			yes = factor(kind, u, gamma) * (gamma * p[i] * yes + u);
			no = factor(kind, p[i], gamma) * (gamma * u * no + p[i]);
			point = (1.0f - t[i]) * no - t[i] * yes;
		}
		t[i] = g + w * point;
	}
}

/* k->t becomes the gradient with respect to z. */
SM_INLINE void slope_of(const struct loss_attr *l, struct chunk *k, const struct loss_slope *f,
			int c, size_t n)
{
	float sum[R] = {0}, gamma = l->gamma;
	enum kind kind = kind_of(l);
	for (int j = 0; j < c; j++) {
		float w = f->point * l->weight[j], a = f->a[j], b = f->b[j], d = f->d[j];
		if (l->act == LOSS_SOFTMAX)
			BY_KIND(kind, softmax_slope, k->z[j], k->p[j], k->t[j], k->lse, a, b, d, w,
				gamma, n, sum);
		else if (l->act == LOSS_SIGMOID)
			BY_KIND(kind, sigmoid_slope, k->z[j], k->p[j], k->t[j], a, b, d, w, gamma,
				n);
		else
			for (size_t i = 0; i < n; i++)
				k->t[j][i] = a * k->t[j][i] + b * k->p[j][i] + d;
	}
	for (int j = 0; l->act == LOSS_SOFTMAX && j < c; j++)
		for (size_t i = 0; i < n; i++)
			k->t[j][i] -= k->p[j][i] * sum[i];
}

SM_CLONES void loss_rows_backward(const struct loss_attr *l, int c, const float *z, const float *t,
				  const struct loss_slope *f, size_t rows, bool acc, float *g)
{
	struct chunk k;
	for (size_t i0 = 0; i0 < rows; i0 += R) {
		size_t n = rows - i0 < R ? rows - i0 : R;
		fill(l, &k, z + i0 * c, t + i0 * c, c, n, l->point == POINT_FOCAL);
		slope_of(l, &k, f, c, n);
		store(k.t, n, c, acc, g + i0 * c);
	}
}
