/* SPDX-License-Identifier: Apache-2.0 */
/* Operators in float64 by their definitions. */
#include "tests/unit/nn_cases.h"

#include <math.h>
#include <string.h>

struct job {
	const struct node *n;
	struct sm_shape in[OP_MAX_IN], out;
	const struct nn_values *v;
	const float *mask;
};

static size_t at(struct sm_shape s, int n, int d, int h, int w, int c)
{
	return ((((size_t)n * s.d + d) * s.h + h) * s.w + w) * s.c + c;
}

static double act(enum sm_fuse fuse, double slope, double v)
{
	return v > 0 || fuse == SM_FUSE_NONE ? v : fuse == SM_FUSE_RELU ? 0 : slope * v;
}

/* Scatters (transposed) or gathers over all pairs of voxels that a tap joins. */
static void conv(const struct job *j, bool transposed)
{
	const struct sm_conv *c = &j->n->attr.conv;
	struct sm_shape x = j->in[0], y = j->out;
	struct sm_shape big = transposed ? y : x, few = transposed ? x : y;
	int taps = c->k[0] * c->k[1] * c->k[2];
	for (size_t i = 0; i < sm_shape_count(y); i++)
		j->v->y[i] = c->no_bias ? 0 : j->v->w[1][i % y.c];
	for (int n = 0; n < few.n; n++)
		for (int p = 0; p < few.d * few.h * few.w; p++)
			for (int t = 0; t < taps; t++) {
				int o[3] = {p / few.w / few.h, p / few.w % few.h, p % few.w}, b[3];
				int k[3] = {t / c->k[2] / c->k[1], t / c->k[2] % c->k[1],
					    t % c->k[2]};
				for (int a = 0; a < 3; a++)
					b[a] = o[a] * c->stride[a] + k[a] - c->pad_lo[a];
				if (b[0] < 0 || b[0] >= big.d || b[1] < 0 || b[1] >= big.h ||
				    b[2] < 0 || b[2] >= big.w)
					continue;
				size_t f = at(few, n, o[0], o[1], o[2], 0),
				       g = at(big, n, b[0], b[1], b[2], 0);
				for (int u = 0; u < y.c; u++)
					for (int i = 0; i < x.c; i++) {
						size_t w = transposed ? (size_t)i * y.c + u
								      : (size_t)u * x.c + i;
						j->v->y[(transposed ? g : f) + u] +=
							j->v->x[0][(transposed ? f : g) + i] *
							j->v->w[0][w * taps + t];
					}
			}
	for (size_t i = 0; i < sm_shape_count(y); i++)
		j->v->y[i] = act(c->fuse, 0, j->v->y[i]);
}

/* Groups of values with common statistics: group[i] of value i; scale and shift by index[i]. */
static void norm(const struct job *j, enum op_kind kind)
{
	struct sm_shape s = j->in[0];
	size_t count = sm_shape_count(s), each = count / s.n;
	bool depth = kind == OP_KIND_depth_norm;
	int groups = depth ? s.d : kind == OP_KIND_instance_norm ? s.n * s.c : s.c;
	double eps = (double)(depth ? j->n->attr.value[0] : j->n->attr.norm.eps);
	for (int k = 0; k < groups; k++) {
		double sum = 0, square = 0, n = 0, mean = 0;
		for (int pass = 0; pass < 3; pass++) {
			for (size_t i = 0; i < count; i++) {
				int z = (int)(i % each / ((size_t)s.h * s.w * s.c));
				int own = depth ? z : (int)(i % s.c);
				if (kind == OP_KIND_instance_norm)
					own += (int)(i / each) * s.c;
				if (own != k)
					continue;
				double v = j->v->x[0][i] - mean;
				int p = depth ? z : (int)(i % s.c);
				if (pass == 0) {
					sum += v;
					n++;
				} else if (pass == 1) {
					square += v * v;
				} else {
					v = v / sqrt(square / n + eps) * j->v->w[0][p] +
					    j->v->w[1][p];
					j->v->y[i] = depth ? v
							   : act(j->n->attr.norm.fuse,
								 (double)j->n->attr.norm.slope, v);
				}
			}
			mean = sum / n;
		}
	}
}

static void pool(const struct job *j)
{
	struct sm_shape x = j->in[0], y = j->out;
	const int *k = j->n->attr.window;
	for (size_t i = 0; i < sm_shape_count(y); i++)
		j->v->y[i] = -INFINITY;
	for (int n = 0; n < y.n; n++)
		for (int d = 0; d < y.d * k[0]; d++)
			for (int h = 0; h < y.h * k[1]; h++)
				for (int w = 0; w < y.w * k[2]; w++)
					for (int c = 0; c < y.c; c++) {
						double *q = &j->v->y[at(y, n, d / k[0], h / k[1],
									w / k[2], c)];
						*q = fmax(*q, j->v->x[0][at(x, n, d, h, w, c)]);
					}
}

static void upsample(const struct job *j)
{
	struct sm_shape x = j->in[0], y = j->out;
	const int *k = j->n->attr.window;
	for (int n = 0; n < y.n; n++)
		for (int d = 0; d < y.d; d++)
			for (int h = 0; h < y.h; h++)
				for (int w = 0; w < y.w; w++)
					for (int c = 0; c < y.c; c++)
						j->v->y[at(y, n, d, h, w, c)] = j->v->x[0][at(
							x, n, d / k[0], h / k[1], w / k[2], c)];
}

/* The voxel whose box holds the centre of the new one; of a centre on a border the one behind. */
static void sample(const struct job *j)
{
	struct sm_shape x = j->in[0], y = j->out;
	for (int n = 0; n < y.n; n++)
		for (int d = 0; d < y.d; d++)
			for (int h = 0; h < y.h; h++)
				for (int w = 0; w < y.w; w++)
					for (int c = 0; c < y.c; c++)
						j->v->y[at(y, n, d, h, w, c)] = j->v->x[0][at(
							x, n, (int)floor((d + 0.5) * x.d / y.d),
							(int)floor((h + 0.5) * x.h / y.h),
							(int)floor((w + 0.5) * x.w / y.w), c)];
}

static void concat(const struct job *j)
{
	struct sm_shape y = j->out, a = j->in[0], b = j->in[1];
	for (size_t i = 0; i < op_rows(y); i++)
		for (int c = 0; c < y.c; c++)
			j->v->y[i * y.c + c] =
				c < a.c ? j->v->x[0][i * a.c + c] : j->v->x[1][i * b.c + c - a.c];
}

static void softmax_of(const double *z, double *p, int c)
{
	double sum = 0;
	for (int k = 0; k < c; k++)
		sum += exp(z[k]);
	for (int k = 0; k < c; k++)
		p[k] = exp(z[k]) / sum;
}

static double each(const struct job *j, enum op_kind kind, size_t i)
{
	double x = j->v->x[0][i], a = (double)j->n->attr.value[0];
	switch (kind) {
	case OP_KIND_add:
		return x + j->v->x[1][i];
	case OP_KIND_detach:
		return x;
	case OP_KIND_relu:
		return fmax(x, 0);
	case OP_KIND_leaky_relu:
		return x > 0 ? x : a * x;
	case OP_KIND_prelu:
		return x > 0 ? x : x * j->v->w[0][i % j->out.c];
	case OP_KIND_sigmoid:
		return 1 / (1 + exp(-x));
	case OP_KIND_tanh:
		return tanh(x);
	default: /* dropout */
		return j->mask[i] != 0 ? x / (1 - a) : 0;
	}
}

/* Point losses -log q (1 - q)^gamma of a voxel's channel. */
static double minus_log(const struct loss_attr *l, double q)
{
	return -log(q) * (l->point == POINT_FOCAL ? pow(1 - q, (double)l->gamma) : 1);
}

/* I, P, T and the region part of some samples from `from` on. */
static double region(const struct loss_attr *l, const double *p, const double *t, size_t rows,
		     int c)
{
	double e = (double)l->eps, top = 0, num = e, den = e, mean = 0, total = 0, volume = 0;
	double i_sum[SM_LOSS_CHANNELS] = {0}, ps[SM_LOSS_CHANNELS] = {0},
	       ts[SM_LOSS_CHANNELS] = {0};
	for (size_t i = 0; i < rows * c; i++) {
		bool square = l->region == REGION_SQUARED;
		i_sum[i % c] += p[i] * t[i];
		ps[i % c] += square ? p[i] * p[i] : p[i];
		ts[i % c] += square ? t[i] * t[i] : t[i];
	}
	for (int k = l->first; k < c; k++)
		volume = ts[k] > 0 ? fmax(volume, 1 / (ts[k] * ts[k])) : volume;
	for (int k = l->first; k < c; k++) {
		double w = (double)l->weight[k], v = 0, al = (double)l->alpha, be = (double)l->beta;
		if (l->region == REGION_GENERALISED) {
			double share = ts[k] > 0 ? 1 / (ts[k] * ts[k]) / volume : 1;
			num += 2 * share * w * i_sum[k];
			den += share * w * (ps[k] + ts[k]);
		} else if (l->region == REGION_TVERSKY) {
			v = (i_sum[k] + e) /
			    (i_sum[k] + al * (ps[k] - i_sum[k]) + be * (ts[k] - i_sum[k]) + e);
		} else {
			v = (2 * i_sum[k] + e) / (ps[k] + ts[k] + e);
		}
		mean += w * v;
		total += w;
	}
	top = l->region == REGION_GENERALISED ? num / den : mean / total;
	return 1 - top;
}

static double point(const struct loss_attr *l, const double *p, const double *t, size_t rows, int c)
{
	double sum = 0, norm_sum = 0;
	for (size_t i = 0; i < rows * c; i++) {
		double w = (double)l->weight[i % c];
		if (l->act == LOSS_SOFTMAX) {
			sum += w * t[i] * minus_log(l, p[i]);
			norm_sum += w * t[i];
		} else {
			sum += w *
			       (t[i] * minus_log(l, p[i]) + (1 - t[i]) * minus_log(l, 1 - p[i]));
			norm_sum += w;
		}
	}
	return norm_sum > 0 ? sum / norm_sum : 0;
}

static void loss(const struct job *j)
{
	const struct loss_attr *l = &j->n->attr.loss;
	struct sm_shape s = j->in[0];
	size_t rows = op_rows(s), one = rows / s.n * s.c;
	static double p[4096];
	for (size_t i = 0; i < rows * s.c; i++)
		p[i] = l->act == LOSS_SIGMOID ? 1 / (1 + exp(-j->v->x[0][i])) : j->v->x[0][i];
	for (size_t i = 0; l->act == LOSS_SOFTMAX && i < rows; i++)
		softmax_of(j->v->x[0] + i * s.c, p + i * s.c, s.c);
	for (int n = 0; n < s.n; n++) {
		const double *pn = p + n * one, *tn = j->v->x[1] + n * one;
		double v = 0;
		if (l->region != REGION_NONE)
			v = l->batch ? region(l, p, j->v->x[1], rows, s.c)
				     : region(l, pn, tn, rows / s.n, s.c);
		if (l->point != POINT_NONE)
			v += point(l, p, j->v->x[1], rows, s.c); /* of all samples */
		j->v->y[n] = v;
	}
}

/* Index i of a mirrored border: 2 1 | 0 1 2 | 1 0. */
static int mirror(int i, int size)
{
	return i < 0 ? -i : i < size ? i : 2 * size - 2 - i;
}

static void reflect_pad(const struct job *j)
{
	struct sm_shape s = j->in[0], o = j->out;
	const int *pad = j->n->attr.window;
	for (size_t i = 0; i < sm_shape_count(o); i++) {
		int c = (int)(i % o.c), x = (int)(i / o.c % o.w), y = (int)(i / o.c / o.w % o.h);
		size_t plane = i / o.c / o.w / o.h;
		size_t at = (plane * s.h + mirror(y - pad[0], s.h)) * s.w + mirror(x - pad[1], s.w);
		j->v->y[i] = j->v->x[0][at * s.c + c];
	}
}

static void gram(const struct job *j)
{
	struct sm_shape s = j->in[0];
	size_t voxels = (size_t)s.d * s.h * s.w;
	for (int n = 0; n < s.n; n++)
		for (int a = 0; a < s.c; a++)
			for (int b = 0; b < s.c; b++) {
				double sum = 0;
				const double *x = j->v->x[0] + n * voxels * s.c;
				for (size_t i = 0; i < voxels; i++)
					sum += x[i * s.c + a] * x[i * s.c + b];
				j->v->y[((size_t)n * s.c + a) * s.c + b] = sum / (double)voxels;
			}
}

static void image_loss(const struct job *j)
{
	const struct op_attr *a = &j->n->attr;
	size_t count = sm_shape_count(j->in[0]) / j->in[0].n;
	for (int n = 0; n < j->in[0].n; n++) {
		double sum = 0;
		for (size_t i = n * count; i < (n + 1) * count; i++) {
			double x = j->v->x[0][i];
			double t = j->n->nin > 1 ? j->v->x[1][i] : (double)a->value[1];
			if (a->window[0] == SM_DISTANCE_L1)
				sum += fabs(x - t);
			else if (a->window[0] == SM_DISTANCE_L2)
				sum += (x - t) * (x - t);
			else
				sum += t * log(1 + exp(-x)) + (1 - t) * log(1 + exp(x));
		}
		j->v->y[n] = sum / (double)count;
	}
}

bool nn_reference(const struct sm_graph *g, const struct node *n, const float *mask,
		  const struct nn_values *v)
{
	struct job j = {.n = n, .out = op_out_shape(g, n), .v = v, .mask = mask};
	for (int i = 0; i < n->nin; i++)
		j.in[i] = op_in_shape(g, n, i);
	switch (n->kind) {
	case OP_KIND_conv:
	case OP_KIND_conv_t:
		conv(&j, n->kind == OP_KIND_conv_t);
		return true;
	case OP_KIND_batch_norm:
	case OP_KIND_instance_norm:
	case OP_KIND_depth_norm:
		norm(&j, n->kind);
		return true;
	case OP_KIND_max_pool:
		pool(&j);
		return true;
	case OP_KIND_upsample:
		upsample(&j);
		return true;
	case OP_KIND_sample:
		sample(&j);
		return true;
	case OP_KIND_concat:
		concat(&j);
		return true;
	case OP_KIND_softmax:
		for (size_t i = 0; i < op_rows(j.out); i++)
			softmax_of(v->x[0] + i * j.out.c, v->y + i * j.out.c, j.out.c);
		return true;
	case OP_KIND_add:
	case OP_KIND_detach:
	case OP_KIND_relu:
	case OP_KIND_leaky_relu:
	case OP_KIND_prelu:
	case OP_KIND_sigmoid:
	case OP_KIND_tanh:
	case OP_KIND_dropout:
		for (size_t i = 0; i < sm_shape_count(j.out); i++)
			v->y[i] = each(&j, n->kind, i);
		return true;
	case OP_KIND_loss:
		loss(&j);
		return true;
	case OP_KIND_reflect_pad:
		reflect_pad(&j);
		return true;
	case OP_KIND_gram:
		gram(&j);
		return true;
	case OP_KIND_distance:
	case OP_KIND_adversarial:
		image_loss(&j);
		return true;
	default:
		return false;
	}
}
