/* SPDX-License-Identifier: Apache-2.0 */
#include "train/infer.h"

#include <string.h>

#include "core/standardise.h"
#include "train/network.h"
#include "train/window.h"

enum sm_status sm_infer_open(struct sm_infer *f, const char *path, int batch, int threads,
			     struct sm_mem *mem, struct sm_err *err)
{
	const struct sm_network_opt opt = {.batch = batch, .threads = threads};
	*f = (struct sm_infer){.batch = batch};
	pthread_mutex_init(&f->lock, NULL);
	SM_TRY(sm_checkpoint_open(path, &f->about, err));
	SM_TRY(sm_network_plan(&f->about, &opt, &f->net, err));
	SM_TRY(sm_net_alloc(f->net, mem, err));
	return sm_checkpoint_load(path, f->net, false, err);
}

void sm_infer_close(struct sm_infer *f)
{
	sm_net_free(f->net);
	sm_checkpoint_clear(&f->about);
	pthread_mutex_destroy(&f->lock);
	*f = (struct sm_infer){0};
}

/* ---- probabilities -------------------------------------------------------------------------- */

/* One volume at work. */
struct volume {
	struct sm_infer *infer;
	const struct sm_vol *image;
	struct sm_windows windows;
	int64_t size[3];
	size_t voxels; /* of a window */
	float *tile;   /* (C,Z,Y,X) of one window */
	float *batch;  /* (N,D,H,W,C) */
	float *prob;   /* (class,z,y,x) of the image's grid: weighted sums */
};

/* Voxels lo..hi-1 of a window from `start` that lie in the image along axis a; *from = image index
 * of lo. */
static void inside(const struct volume *v, int a, int64_t start, int64_t *lo, int64_t *hi,
		   int64_t *from)
{
	const struct sm_window_axis *x = &v->windows.axis[a];
	int64_t first = start - x->pad;
	*lo = first < 0 ? -first : 0;
	*hi = x->dim - first < x->size ? x->dim - first : x->size;
	*from = first + *lo;
}

static void gather(struct volume *v, const int64_t start[3], float *to)
{
	const int64_t *d = v->image->dim, *s = v->size;
	const float *values = v->image->data;
	int64_t lo[3], hi[3], from[3];
	for (int a = 0; a < 3; a++)
		inside(v, a, start[a], &lo[a], &hi[a], &from[a]);
	bool whole = hi[0] - lo[0] == s[0] && hi[1] - lo[1] == s[1] && hi[2] - lo[2] == s[2];
	if (!whole)
		memset(v->tile, 0, v->voxels * (size_t)d[3] * sizeof *v->tile);
	for (int64_t c = 0; c < d[3]; c++)
		for (int64_t z = lo[2]; z < hi[2]; z++)
			for (int64_t y = lo[1]; y < hi[1]; y++)
				memcpy(v->tile + ((c * s[2] + z) * s[1] + y) * s[0] + lo[0],
				       values +
					       ((c * d[2] + from[2] + z - lo[2]) * d[1] + from[1] +
						y - lo[1]) *
						       d[0] +
					       from[0],
				       (size_t)(hi[0] - lo[0]) * sizeof(float));
	sm_standardise(v->tile, s, d[3], v->infer->about.standardise);
	sm_to_channels_last(v->tile, (int)d[3], v->voxels, to);
}

/* Adds one window's output p (z,y,x,class), weighted, to the sums. */
static void scatter(struct volume *v, const int64_t start[3], const float *p)
{
	const int64_t *d = v->image->dim, *s = v->size;
	const struct sm_window_axis *axis = v->windows.axis;
	int64_t lo[3], hi[3], from[3], classes = v->infer->about.classes;
	for (int a = 0; a < 3; a++)
		inside(v, a, start[a], &lo[a], &hi[a], &from[a]);
	for (int64_t c = 0; c < classes; c++)
		for (int64_t z = lo[2]; z < hi[2]; z++)
			for (int64_t y = lo[1]; y < hi[1]; y++) {
				float w = axis[2].weight[z] * axis[1].weight[y];
				const float *in =
					p + (((z * s[1] + y) * s[0] + lo[0]) * classes + c);
				float *out = v->prob +
					     ((c * d[2] + from[2] + z - lo[2]) * d[1] + from[1] +
					      y - lo[1]) *
						     d[0] +
					     from[0];
				for (int64_t x = lo[0]; x < hi[0]; x++, in += classes)
					*out++ += w * axis[0].weight[x] * *in;
			}
}

/* The weights are separable and the windows form a grid: so is the sum of weights. */
static void divide(struct volume *v)
{
	const int64_t *d = v->image->dim, classes = v->infer->about.classes;
	const struct sm_window_axis *axis = v->windows.axis;
	float *p = v->prob;
	for (int64_t c = 0; c < classes; c++)
		for (int64_t z = 0; z < d[2]; z++)
			for (int64_t y = 0; y < d[1]; y++) {
				float w = axis[2].total[z + axis[2].pad] *
					  axis[1].total[y + axis[1].pad];
				for (int64_t x = 0; x < d[0]; x++)
					*p++ /= w * axis[0].total[x + axis[0].pad];
			}
}

static enum sm_status run_batch(struct volume *v, int64_t first, int n, struct sm_err *err)
{
	struct sm_infer *f = v->infer;
	size_t each = v->voxels * (size_t)f->about.in_channels;
	int64_t start[3];
	for (int i = 0; i < n; i++) {
		sm_windows_start(&v->windows, first + i, start);
		gather(v, start, v->batch + (size_t)i * each);
	}
	memset(v->batch + (size_t)n * each, 0, (size_t)(f->batch - n) * each * sizeof *v->batch);
	pthread_mutex_lock(&f->lock);
	memcpy(sm_net_buffer(f->net, "x", NULL), v->batch,
	       (size_t)f->batch * each * sizeof *v->batch);
	enum sm_status st = sm_net_forward(f->net, err);
	const float *p = sm_net_buffer(f->net, "p", NULL);
	for (int i = 0; st == SM_OK && i < n; i++) {
		sm_windows_start(&v->windows, first + i, start);
		scatter(v, start, p + (size_t)i * v->voxels * (size_t)f->about.classes);
	}
	pthread_mutex_unlock(&f->lock);
	return st;
}

enum sm_status sm_infer_volume(struct sm_infer *f, const struct sm_vol *image, struct sm_mem *mem,
			       struct sm_vol *prob, struct sm_err *err)
{
	struct volume v = {.infer = f, .image = image};
	const int64_t dim[4] = {image->dim[0], image->dim[1], image->dim[2], f->about.classes};
	enum sm_status st;
	*prob = (struct sm_vol){0};
	if (image->dim[3] != f->about.in_channels)
		return SM_FAIL(err, SM_INPUT, "image has %lld channels, the network takes %d",
			       (long long)image->dim[3], f->about.in_channels);
	for (int a = 0; a < 3; a++)
		v.size[a] = f->about.size[a];
	v.voxels = (size_t)(v.size[0] * v.size[1] * v.size[2]);
	size_t each = v.voxels * (size_t)f->about.in_channels;
	SM_GOTO(st, sm_windows_init(&v.windows, dim, v.size, f->overlap, f->gaussian, err));
	SM_GOTO(st, sm_vol_init(prob, dim, SM_F32, mem, "probabilities", err));
	memset(prob->data, 0, sm_vol_count(prob) * sizeof(float));
	memcpy(prob->affine, image->affine, sizeof prob->affine);
	v.prob = prob->data;
	v.tile = sm_alloc(mem, each, sizeof *v.tile, "a window", err);
	v.batch = v.tile ? sm_alloc(mem, each, (size_t)f->batch * sizeof *v.batch, "windows", err)
			 : NULL;
	if (!v.batch) {
		st = SM_BUDGET;
		goto out;
	}
	for (int64_t i = 0; i < v.windows.count; i += f->batch) {
		int64_t left = v.windows.count - i;
		SM_GOTO(st, run_batch(&v, i, left < f->batch ? (int)left : f->batch, err));
	}
	divide(&v);
out:
	sm_windows_clear(&v.windows);
	sm_free(v.tile);
	sm_free(v.batch);
	if (st != SM_OK)
		sm_vol_clear(prob);
	return st;
}
