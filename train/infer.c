/* SPDX-License-Identifier: Apache-2.0 */
#include "train/infer.h"

#include <math.h>
#include <string.h>

#include "core/standardise.h"
#include "train/network.h"
#include "train/window.h"

/* Planes that a slab has at least when weights are changed for each slab. */
#define SLAB 16

enum sm_status sm_infer_open(struct sm_infer *f, const char *path, int batch, int threads,
			     struct sm_mem *mem, struct sm_err *err)
{
	return sm_infer_open_as(f, path, batch, threads, false, mem, err);
}

enum sm_status sm_infer_open_as(struct sm_infer *f, const char *path, int batch, int threads,
				bool bf16, struct sm_mem *mem, struct sm_err *err)
{
	const struct sm_network_opt opt = {.batch = batch, .threads = threads, .bf16 = bf16};
	*f = (struct sm_infer){.batch = batch};
	pthread_mutex_init(&f->lock, NULL);
	SM_TRY(sm_checkpoint_open(path, &f->about, err));
	SM_TRY(sm_network_plan_file(path, &f->about, &opt, &f->net, err));
	SM_TRY(sm_net_alloc(f->net, mem, err));
	return sm_checkpoint_load(path, f->net, false, err);
}

void sm_infer_close(struct sm_infer *f)
{
	for (int i = 0; i < f->members; i++)
		sm_free(f->member[i]);
	sm_net_free(f->net);
	sm_checkpoint_clear(&f->about);
	pthread_mutex_destroy(&f->lock);
	*f = (struct sm_infer){0};
}

/* ---- members of an ensemble ------------------------------------------------------------------ */

static size_t state_count(const struct sm_net *net)
{
	size_t n, sum = 0;
	const struct sm_param *state = sm_net_states(net, &n);
	for (size_t i = 0; i < n; i++)
		sum += state[i].count;
	return sum;
}

/* Keeps what is in net as the next member. */
static enum sm_status keep(struct sm_infer *f, struct sm_mem *mem, struct sm_err *err)
{
	size_t n = sm_net_weight_count(f->net), s = state_count(f->net);
	float *copy = sm_alloc(mem, n + s, sizeof *copy, "weights of a further network", err);
	if (!copy)
		return SM_BUDGET;
	memcpy(copy, sm_net_weights(f->net), n * sizeof *copy);
	if (s)
		memcpy(copy + n, sm_net_state_values(f->net), s * sizeof *copy);
	f->member[f->members++] = copy;
	return SM_OK;
}

static void use(struct sm_infer *f, int member)
{
	size_t n = sm_net_weight_count(f->net), s = state_count(f->net);
	if (f->members < 2 || f->loaded == member)
		return;
	memcpy(sm_net_weights(f->net), f->member[member], n * sizeof(float));
	if (s)
		memcpy(sm_net_state_values(f->net), f->member[member] + n, s * sizeof(float));
	sm_net_touch(f->net);
	f->loaded = member;
}

/* The first thing in which two checkpoints' networks differ, or NULL. */
static const char *difference(const struct sm_checkpoint *a, const struct sm_checkpoint *b)
{
	return strcmp(a->model, b->model) != 0                     ? "model"
	       : a->width != b->width                              ? "width"
	       : strcmp(a->norm, b->norm) != 0                     ? "norm"
	       : strcmp(a->activation, b->activation) != 0         ? "activation"
	       : a->deep_supervision != b->deep_supervision        ? "deep_supervision"
	       : memcmp(a->spacing, b->spacing, sizeof a->spacing) ? "spacing"
	       : a->in_channels != b->in_channels                  ? "in_channels"
	       : a->plane != b->plane                              ? "plane"
	       : a->stored != b->stored                            ? "view"
	       : memcmp(a->size, b->size, sizeof a->size) != 0     ? "tile_size"
	       : a->standardise != b->standardise                  ? "standardise"
	       : !json_equal(a->channels, b->channels)             ? "channels"
	       : !sm_task_equal(&a->task, &b->task)                ? "task"
	       : strcmp(a->preprocess, b->preprocess) != 0         ? "preprocess"
								   : NULL;
}

enum sm_status sm_infer_add(struct sm_infer *f, const char *path, struct sm_mem *mem,
			    struct sm_err *err)
{
	struct sm_checkpoint about;
	if (f->members == SM_INFER_MEMBERS)
		return SM_FAIL(err, SM_USAGE, "checkpoints: found more than %d, allowed are %d",
			       SM_INFER_MEMBERS, SM_INFER_MEMBERS);
	if (!f->members)
		SM_TRY(keep(f, mem, err));
	SM_TRY(sm_checkpoint_open(path, &about, err));
	const char *other = difference(&f->about, &about);
	sm_checkpoint_clear(&about);
	if (other)
		return SM_FAIL(err, SM_INPUT,
			       "%s: has another %s than the first checkpoint, allowed in an "
			       "ensemble is the same",
			       path, other);
	SM_TRY(sm_checkpoint_load(path, f->net, false, err));
	f->loaded = f->members;
	return keep(f, mem, err);
}

/* ---- one volume ------------------------------------------------------------------------------ */

struct volume {
	struct sm_infer *infer;
	const struct sm_vol *image;
	const struct sm_infer_sink *sink;
	struct sm_windows windows;
	int64_t size[3];
	int64_t channels;  /* of the output */
	size_t voxels;     /* of a window */
	int64_t slab;      /* windows in x and y: those that begin at one plane */
	int64_t group;     /* such levels that are worked on together */
	int64_t ring;      /* planes of sums */
	int64_t given;     /* planes that the sink has */
	uint64_t members;  /* bits of those whose mean is taken */
	float *tile;       /* (C,Z,Y,X) of one window */
	float *sums; /* (ring,y,x,channel): plane z stands at z % ring; behind `given` + ring there
			is none */
	float *across;     /* weight along x of each value of a row of the output */
	float *total;      /* the same of sums of weights, of a row of the volume */
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

static void gather(struct volume *v, const int64_t start[3])
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
}

/* The window into a sample of the network's input, mirrored. */
static void feed(const struct volume *v, unsigned mirror, float *to)
{
	const int64_t *s = v->size;
	size_t c = (size_t)v->image->dim[3], n = (size_t)s[0];
	if (!mirror) {
		sm_to_channels_last(v->tile, (int)c, v->voxels, to);
		return;
	}
	for (int64_t z = 0; z < s[2]; z++)
		for (int64_t y = 0; y < s[1]; y++, to += n * c) {
			int64_t row = (mirror & 4 ? s[2] - 1 - z : z) * s[1] +
				      (mirror & 2 ? s[1] - 1 - y : y);
			for (size_t k = 0; k < c; k++) {
				const float *from = v->tile + k * v->voxels + (size_t)row * n;
				for (size_t x = 0; x < n; x++)
					to[x * c + k] = from[mirror & 1 ? n - 1 - x : x];
			}
		}
}

/* By the bits: a loop with it becomes vector code. */
static uint32_t not_finite(float v)
{
	uint32_t bits;
	memcpy(&bits, &v, sizeof bits);
	return (bits & 0x7f800000) == 0x7f800000;
}

/* out[i] += w * across[i] * in[i]; true when all values were finite. */
static bool add_row(float *restrict out, const float *restrict in, const float *restrict across,
		    float w, size_t n)
{
	uint32_t bad = 0;
	for (size_t i = 0; i < n; i++) {
		out[i] += w * across[i] * in[i];
		bad |= not_finite(in[i]);
	}
	return !bad;
}

/* The same of a row that lies the other way round. */
static bool add_mirrored(float *out, const float *in, const float *across, float w, size_t voxels,
			 size_t channels)
{
	uint32_t bad = 0;
	for (size_t x = 0; x < voxels; x++)
		for (size_t c = 0; c < channels; c++) {
			float p = in[-(ptrdiff_t)(x * channels) + (ptrdiff_t)c];
			out[x * channels + c] += w * across[x * channels + c] * p;
			bad |= not_finite(p);
		}
	return !bad;
}

/* Adds one window's output p (z,y,x,channel), weighted, to the sums; false when p is not finite. */
static bool scatter(struct volume *v, const int64_t start[3], unsigned mirror, const float *p)
{
	const int64_t *d = v->image->dim, *s = v->size;
	const struct sm_window_axis *axis = v->windows.axis;
	int64_t lo[3], hi[3], from[3], k = v->channels;
	bool good = true;
	for (int a = 0; a < 3; a++)
		inside(v, a, start[a], &lo[a], &hi[a], &from[a]);
	size_t n = (size_t)(hi[0] - lo[0]);
	for (int64_t z = lo[2]; z < hi[2]; z++)
		for (int64_t y = lo[1]; y < hi[1]; y++) {
			float w = axis[2].weight[z] * axis[1].weight[y];
			int64_t plane = (from[2] + z - lo[2]) % v->ring;
			float *out = v->sums +
				     ((plane * d[1] + from[1] + y - lo[1]) * d[0] + from[0]) * k;
			int64_t pz = mirror & 4 ? s[2] - 1 - z : z,
				py = mirror & 2 ? s[1] - 1 - y : y;
			const float *row = p + (pz * s[1] + py) * s[0] * k;
			const float *across = v->across + lo[0] * k;
			good = (mirror & 1 ? add_mirrored(out, row + (s[0] - 1 - lo[0]) * k, across,
							  w, n, (size_t)k)
					   : add_row(out, row + lo[0] * k, across, w,
						     n * (size_t)k)) &&
			       good;
		}
	return good;
}

/* Windows first..first+n-1 in one run of the network. */
static enum sm_status run_batch(struct volume *v, int64_t first, int n, unsigned mirror,
				struct sm_err *err)
{
	struct sm_infer *f = v->infer;
	size_t each = v->voxels * (size_t)f->about.in_channels;
	float *x = sm_net_buffer(f->net, "x", NULL);
	int64_t start[3];
	for (int i = 0; i < n; i++) {
		sm_windows_start(&v->windows, first + i, start);
		gather(v, start);
		feed(v, mirror, x + (size_t)i * each);
	}
	memset(x + (size_t)n * each, 0, (size_t)(f->batch - n) * each * sizeof *x);
	SM_TRY(sm_net_forward(f->net, err));
	const float *p = sm_net_buffer(f->net, "p", NULL);
	for (int i = 0; i < n; i++) {
		sm_windows_start(&v->windows, first + i, start);
		if (!scatter(v, start, mirror, p + (size_t)i * v->voxels * (size_t)v->channels))
			return SM_FAIL(err, SM_INPUT,
				       "the network's output is NaN or infinite in the window at "
				       "voxel %lld, "
				       "%lld, %lld",
				       (long long)start[0], (long long)start[1],
				       (long long)start[2]);
	}
	return SM_OK;
}

/* Levels first..last-1 with all members and mirrors. */
static enum sm_status run_levels(struct volume *v, int64_t first, int64_t last, struct sm_err *err)
{
	struct sm_infer *f = v->infer;
	int64_t end = last * v->slab;
	int members = f->members ? f->members : 1;
	for (int m = 0; m < members; m++) {
		if (!(v->members >> m & 1))
			continue;
		use(f, m);
		for (unsigned mirror = 0; mirror < 8; mirror++)
			for (int64_t i = first * v->slab; i < end && !(mirror & ~f->mirror);
			     i += f->batch) {
				int64_t left = end - i;
				SM_TRY(run_batch(v, i, left < f->batch ? (int)left : f->batch,
						 mirror, err));
			}
	}
	return SM_OK;
}

/* Divides the planes up to `until` by their weights and hands them on. The weights are separable
 * and the windows form a grid: so is the sum of weights. */
static enum sm_status give(struct volume *v, int64_t until, struct sm_err *err)
{
	const int64_t *d = v->image->dim;
	const struct sm_window_axis *axis = v->windows.axis;
	size_t row = (size_t)(d[0] * v->channels), plane = (size_t)d[1] * row;
	while (v->given < until) {
		int64_t at = v->given % v->ring, n = until - v->given;
		n = n < v->ring - at ? n : v->ring - at;
		float *p = v->sums + (size_t)at * plane, *q = p;
		for (int64_t z = v->given; z < v->given + n; z++)
			for (int64_t y = 0; y < d[1]; y++, q += row) {
				float w = axis[2].total[z + axis[2].pad] *
					  axis[1].total[y + axis[1].pad];
				for (size_t i = 0; i < row; i++)
					q[i] /= w * v->total[i];
			}
		SM_TRY(v->sink->planes(v->sink->ctx, v->given, n, p, err));
		memset(p, 0, (size_t)n * plane * sizeof *p);
		v->given += n;
	}
	return SM_OK;
}

static enum sm_status run_all(struct volume *v, struct sm_err *err)
{
	const struct sm_window_axis *z = &v->windows.axis[2];
	for (int64_t k = 0; k < z->count; k += v->group) {
		int64_t next = k + v->group < z->count ? k + v->group : z->count;
		SM_TRY(run_levels(v, k, next, err));
		SM_TRY(give(v, next < z->count ? z->start[next] : z->dim, err));
	}
	return SM_OK;
}

static int count_of(uint64_t bits)
{
	int n = 0;
	for (; bits; bits &= bits - 1)
		n++;
	return n;
}

/* Bits of the members that there are and that are asked for (0 = all). */
static uint64_t asked(const struct sm_infer *f, uint64_t bits)
{
	int members = f->members ? f->members : 1;
	uint64_t all = UINT64_MAX >> (SM_INFER_MEMBERS - members);
	return bits & all ? bits & all : all;
}

static enum sm_status plan(struct volume *v, struct sm_infer *f, const int64_t dim[3],
			   struct sm_err *err)
{
	v->infer = f;
	v->members = asked(f, v->sink ? v->sink->members : 0);
	for (int a = 0; a < 3; a++)
		v->size[a] = f->about.size[a];
	v->voxels = (size_t)(v->size[0] * v->size[1] * v->size[2]);
	v->channels = f->about.task.channels;
	SM_TRY(sm_windows_init(&v->windows, dim, v->size, f->overlap, f->gaussian, err));
	const struct sm_window_axis *a = v->windows.axis, *z = &a[2];
	v->slab = a[0].count * a[1].count;
	/* Enough windows for a batch; and changing the weights must not cost more than
	 * using them. */
	v->group = 1;
	int64_t at_least = count_of(v->members) > 1 ? SLAB : 1;
	for (;; v->group++) {
		v->ring = 0;
		for (int64_t k = 0; k < z->count; k += v->group) {
			int64_t last = k + v->group < z->count ? k + v->group - 1 : z->count - 1;
			int64_t span = z->start[last] - z->start[k] + z->size;
			v->ring = span > v->ring ? span : v->ring;
		}
		if (v->group >= z->count || (v->group * v->slab >= f->batch && v->ring >= at_least))
			break;
	}
	v->ring = v->ring < dim[2] ? v->ring : dim[2];
	return SM_OK;
}

static bool slab_values(const struct volume *v, const int64_t dim[3], size_t *count)
{
	return sm_mul3((size_t)dim[0], (size_t)dim[1], (size_t)v->channels, count) &&
	       sm_mul(*count, (size_t)v->ring, count);
}

size_t sm_infer_bytes(const struct sm_infer *f, const int64_t dim[3])
{
	struct volume v = {0};
	size_t count = 0;
	/* planned only: nothing of *f changes */
	bool good = plan(&v, (struct sm_infer *)(uintptr_t)f, dim, NULL) == SM_OK &&
		    slab_values(&v, dim, &count);
	size_t tile = v.voxels * (size_t)f->about.in_channels;
	sm_windows_clear(&v.windows);
	return good && count <= SIZE_MAX / 8 ? (count + tile) * sizeof(float) : SIZE_MAX;
}

static enum sm_status prepare(struct volume *v, struct sm_mem *mem, struct sm_err *err)
{
	const int64_t *d = v->image->dim, k = v->channels;
	const struct sm_window_axis *x = &v->windows.axis[0];
	struct sm_infer *f = v->infer;
	float runs = (float)count_of(v->members);
	size_t count;
	for (unsigned m = f->mirror; m; m &= m - 1)
		runs *= 2;
	if (!slab_values(v, d, &count))
		return SM_FAIL(err, SM_BUDGET, "probabilities: the volume is too large");
	v->tile = sm_alloc(mem, v->voxels, (size_t)f->about.in_channels * sizeof *v->tile,
			   "a window", err);
	if (!v->tile)
		return SM_BUDGET;
	v->across = sm_alloc(mem, (size_t)((x->size + d[0]) * k), sizeof *v->across, "a row", err);
	if (!v->across)
		return SM_BUDGET;
	v->total = v->across + x->size * k;
	v->sums = sm_calloc(mem, count, sizeof *v->sums, "a slab of probabilities", err);
	if (!v->sums)
		return SM_BUDGET;
	for (int64_t i = 0; i < x->size * k; i++)
		v->across[i] = x->weight[i / k];
	for (int64_t i = 0; i < d[0] * k; i++)
		v->total[i] = x->total[i / k + x->pad] * runs;
	return SM_OK;
}

enum sm_status sm_infer_stream(struct sm_infer *f, const struct sm_vol *image, struct sm_mem *mem,
			       const struct sm_infer_sink *sink, struct sm_err *err)
{
	struct volume v = {.image = image, .sink = sink};
	enum sm_status st;
	if (image->dim[3] != f->about.in_channels)
		return SM_FAIL(err, SM_INPUT, "image has %lld channels, the network takes %d",
			       (long long)image->dim[3], f->about.in_channels);
	SM_GOTO(st, plan(&v, f, image->dim, err));
	SM_GOTO(st, prepare(&v, mem, err));
	pthread_mutex_lock(&f->lock);
	st = run_all(&v, err);
	pthread_mutex_unlock(&f->lock);
out:
	sm_windows_clear(&v.windows);
	sm_free(v.tile);
	sm_free(v.across);
	sm_free(v.sums);
	return st;
}

/* ---- into a volume --------------------------------------------------------------------------- */

static enum sm_status keep_planes(void *ctx, int64_t z, int64_t n, const float *p,
				  struct sm_err *err)
{
	const struct sm_vol *prob = ctx;
	size_t plane = (size_t)(prob->dim[0] * prob->dim[1]), frame = plane * (size_t)prob->dim[2];
	size_t k = (size_t)prob->dim[3];
	float *out = (float *)prob->data + (size_t)z * plane;
	(void)err;
	for (size_t c = 0; c < k; c++)
		for (size_t i = 0; i < (size_t)n * plane; i++)
			out[c * frame + i] = p[i * k + c];
	return SM_OK;
}

enum sm_status sm_infer_volume(struct sm_infer *f, const struct sm_vol *image, struct sm_mem *mem,
			       struct sm_vol *prob, struct sm_err *err)
{
	const int64_t dim[4] = {image->dim[0], image->dim[1], image->dim[2],
				f->about.task.channels};
	const struct sm_infer_sink sink = {.planes = keep_planes, .ctx = prob};
	*prob = (struct sm_vol){0};
	SM_TRY(sm_vol_init(prob, dim, SM_F32, mem, "probabilities", err));
	memcpy(prob->affine, image->affine, sizeof prob->affine);
	enum sm_status st = sm_infer_stream(f, image, mem, &sink, err);
	if (st != SM_OK)
		sm_vol_clear(prob);
	return st;
}
