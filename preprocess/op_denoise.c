/* SPDX-License-Identifier: Apache-2.0
 *
 * denoise: each volume, frame, channel or colour by itself.
 *
 * nlm, non-local means (A. Buades and others, CVPR 2005; P. Coupe and others, IEEE TMI 27, 2008):
 *	y(i) = sum_j w(i,j) x(j) / sum_j w(i,j) over the search cube around i, w = exp(-d / h^2)
 * with d the mean squared difference of the patches around i and j; with `subtract`, max(d - 2
 * noise^2, 0) stands for d (Buades and others, IPOL 1, 2011). With `rician`,
 *	y = sqrt(max(sum w x^2 / sum w - 2 noise^2, 0))
 * (N. Wiest-Daessle and others, MICCAI 2008; J. V. Manjon and others, JMRI 31, 2010).
 *
 * median of the cube of 2 radius + 1 voxels, as scipy.ndimage.median_filter with mode reflect.
 *
 * gaussian, cut off at truncate * sigma, as scipy.ndimage.gaussian_filter with mode reflect.
 *
 * bilateral (C. Tomasi and R. Manduchi, ICCV 1998):
 *	y(i) = sum_j g(|i - j|) r(x(i) - x(j)) x(j) / the sum of the weights
 * over the box of max(2, ceil(3 sigma)) voxels on each side; g and r are Gaussians with `sigma` and
 * `range`, their weights computed, not looked up.
 *
 * The noise is sqrt(k / (k + 1)) (x - mean of its k face neighbours), its standard deviation 1.4826
 * times the median absolute deviation of that inside the mask, or above Otsu's threshold.
 */
#include "preprocess/op_denoise.h"

#include <math.h>
#include <string.h>

#include "core/vol.h"
#include "preprocess/case.h"
#include "preprocess/grid.h"
#include "preprocess/op_table.h"

#define AT(member) .offset = offsetof(struct denoise, member)
static const struct sm_field fields[] = {
	{"method", SM_F_CHOICE, AT(method), "nlm", .choices = "nlm|median|gaussian|bilateral",
	 .doc = "filter"},
	{"in_plane", SM_F_BOOL, AT(in_plane), "false",
	 .doc = "each z slice by itself, for thick slices"},
	{"radius", SM_F_INT, AT(radius), "1", 1, 3, .doc = "median: voxels on each side",
	 .only = "method median"},
	{"sigma", SM_F_FLOATS, AT(sigma), "1", 0, 1000,
	 .doc = "gaussian, bilateral: spatial standard deviation, one number or x y z",
	 .only = "method gaussian|bilateral"},
	{"unit", SM_F_CHOICE, AT(unit), "mm", .choices = "mm|voxel", .doc = "unit of sigma",
	 .only = "method gaussian|bilateral"},
	{"truncate", SM_F_FLOAT, AT(truncate), "4", 0.5, 10,
	 .doc = "gaussian: sigmas at which the kernel ends",
	 .only = "method gaussian"},
	{"range", SM_F_FLOAT, AT(range), "0", 0, 1e9,
	 .doc = "bilateral: standard deviation in intensity; 0 = twice the noise",
	 .only = "method bilateral"},
	{"noise", SM_F_FLOAT, AT(noise), "0", 0, 1e9,
	 .doc = "nlm, bilateral: standard deviation of the noise; 0 = estimated",
	 .only = "method nlm|bilateral"},
	{"patch", SM_F_INT, AT(patch), "1", 1, 4,
	 .doc = "nlm: voxels on each side of a patch's centre",
	 .only = "method nlm"},
	{"search", SM_F_INT, AT(search), "5", 1, 15,
	 .doc = "nlm: voxels on each side of the search cube's centre",
	 .only = "method nlm"},
	{"h", SM_F_FLOAT, AT(h), "0", 0, 1e9,
	 .doc = "nlm: strength in intensity; 0 = sqrt(2) times the noise",
	 .only = "method nlm"},
	{"subtract", SM_F_BOOL, AT(subtract), "false",
	 .doc = "nlm: take the noise's own share off the distance of patches",
	 .only = "method nlm"},
	{"cutoff", SM_F_FLOAT, AT(cutoff), "80", 0.1, 80,
	 .doc = "nlm: weights below exp(-cutoff) count as 0",
	 .only = "method nlm"},
	{"rician", SM_F_BOOL, AT(rician), "false", .doc = "nlm: correct the bias of magnitude MR",
	 .only = "method nlm"},
};
const struct sm_fieldset sm_op_denoise_fields =
	SM_FIELDSET("denoise", struct denoise, fields, "less noise");

enum sm_status sm_op_denoise_check(const void *params, struct sm_err *err)
{
	const struct denoise *p = params;
	if (p->sigma.n != 1 && p->sigma.n != 3)
		return SM_FAIL(err, SM_USAGE, "sigma: found %zu numbers, allowed are 1 or 3",
			       p->sigma.n);
	if (p->noise > 0 && p->method == DENOISE_BILATERAL && p->range > 0)
		return SM_FAIL(err, SM_USAGE,
			       "noise: is given beside range, allowed is one of them");
	if (p->noise > 0 && p->method == DENOISE_NLM && p->h > 0 && !p->subtract && !p->rician)
		return SM_FAIL(err, SM_USAGE,
			       "noise: is given beside h, allowed is one of them without subtract "
			       "and rician");
	return SM_OK;
}

int64_t sm_border_index(int64_t i, int64_t n, enum sm_border border)
{
	if (n == 1)
		return 0;
	int64_t period = border == SM_BORDER_HALF ? 2 * n : 2 * n - 2;
	i %= period;
	if (i < 0)
		i += period;
	return i < n ? i : period - i - (border == SM_BORDER_HALF);
}

float *sm_frame_padded(const struct sm_frame *f, const int64_t pad[3], enum sm_border border,
		       struct sm_err *err)
{
	const int64_t n[3] = {f->n[0] + 2 * pad[0], f->n[1] + 2 * pad[1], f->n[2] + 2 * pad[2]};
	float *out =
		sm_alloc(f->mem, (size_t)(n[0] * n[1] * n[2]), sizeof *out, "padded volume", err);
	if (!out)
		return NULL;
	for (int64_t z = 0; z < n[2]; z++) {
		int64_t fz = sm_border_index(z - pad[2], f->n[2], border);
		for (int64_t y = 0; y < n[1]; y++) {
			int64_t fy = sm_border_index(y - pad[1], f->n[1], border);
			const float *from = f->v + (fz * f->n[1] + fy) * f->n[0];
			float *to = out + (z * n[1] + y) * n[0];
			memcpy(to + pad[0], from, (size_t)f->n[0] * sizeof *to);
			for (int64_t x = 1; x <= pad[0]; x++) {
				to[pad[0] - x] = from[sm_border_index(-x, f->n[0], border)];
				to[pad[0] + f->n[0] - 1 + x] =
					from[sm_border_index(f->n[0] - 1 + x, f->n[0], border)];
			}
		}
	}
	return out;
}

void sm_denoise_sigma(const struct sm_frame *f, const struct denoise *p, double sigma[3])
{
	for (int a = 0; a < 3; a++) {
		sigma[a] = p->sigma.v[p->sigma.n == 3 ? a : 0];
		if (p->unit == 0)
			sigma[a] /= f->spacing[a];
	}
	if (p->in_plane || f->n[2] == 1)
		sigma[2] = 0;
}

static enum sm_status one_frame(const struct sm_frame *f, const struct denoise *p, json_t *noises,
				struct sm_err *err)
{
	double noise = p->noise;
	bool needs = p->method == DENOISE_NLM || (p->method == DENOISE_BILATERAL && p->range == 0);
	if (needs && noise == 0)
		SM_TRY(sm_denoise_noise(f, p->in_plane, &noise, err));
	if (needs)
		json_array_append_new(noises, json_real(noise));
	switch (p->method) {
	case DENOISE_MEDIAN:
		return sm_denoise_median(f, p, err);
	case DENOISE_GAUSSIAN:
		return sm_denoise_gaussian(f, p, err);
	case DENOISE_BILATERAL:
		return sm_denoise_bilateral(f, p, noise, err);
	default:
		return sm_denoise_nlm(f, p, noise, err);
	}
}

enum sm_status sm_op_denoise(struct sm_case *c, const void *params, struct sm_err *err)
{
	const struct denoise *p = params;
	SM_TRY(sm_op_denoise_check(params, err));
	for (size_t i = 0; i < c->count; i++) {
		struct sm_vol *v = &c->vols[i].vol;
		struct sm_frame f = {
			.n = {v->dim[0], v->dim[1], v->dim[2]}, .mem = c->mem, .jobs = c->jobs};
		json_t *noises = json_array();
		if (!noises)
			return SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
		enum sm_status st = sm_vol_to_f32(v, c->mem, c->jobs, err);
		sm_vol_spacing(v, f.spacing);
		if (c->mask.data && sm_case_same_grid(c, &c->mask, v))
			f.mask = c->mask.data;
		for (int64_t t = 0; st == SM_OK && t < v->dim[3]; t++) {
			f.v = (float *)v->data + (size_t)t * sm_vol_frame_count(v);
			st = one_frame(&f, p, noises, err);
		}
		if (st == SM_OK && json_array_size(noises))
			sm_case_fact(c, "denoise",
				     json_pack("{s:s, s:O}", "volume", c->vols[i].role, "noise",
					       noises));
		json_decref(noises);
		if (st != SM_OK)
			return sm_err_prefix(err, "%s: %s", c->key, c->vols[i].role);
	}
	return SM_OK;
}
