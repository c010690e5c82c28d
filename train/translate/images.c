/* SPDX-License-Identifier: Apache-2.0 */
#include "train/translate/images.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/h5tile.h"
#include "core/hash.h"
#include "core/rng.h"
#include "train/nn/nn.h"

#define CONFIG "config.json"

struct file {
	char *name;
	struct sm_shard *shard;
	struct sm_tile_shape shape;
	char key[128];
};

struct sample {
	size_t file;
	int64_t k, slice;
};

struct sm_images {
	struct file *files;
	struct sample *v;
	size_t file_count, count;
	struct sm_mem *mem;
	bool pairs;
};

void sm_images_free(struct sm_images *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->file_count; i++) {
		sm_shard_close(m->files[i].shard);
		free(m->files[i].name);
	}
	free(m->files);
	free(m->v);
	free(m);
}

size_t sm_images_count(const struct sm_images *m)
{
	return m->count;
}

int sm_images_height(const struct sm_images *m)
{
	return (int)m->files[0].shape.height;
}

int sm_images_width(const struct sm_images *m)
{
	return (int)m->files[0].shape.width;
}

int sm_images_channels(const struct sm_images *m)
{
	return (int)m->files[0].shape.channels;
}

int sm_images_b_channels(const struct sm_images *m)
{
	return (int)m->files[0].shape.b_channels;
}

const char *sm_images_key(const struct sm_images *m, size_t i)
{
	return m->files[m->v[i].file].key;
}

int64_t sm_images_slice(const struct sm_images *m, size_t i)
{
	return m->v[i].slice;
}

/* Hash that the ledger gives for the shard of that name; NULL when no good record has it. */
static char *named_hash(const struct sm_ledger *pair, const char *name)
{
	size_t i, k;
	json_t *record, *output;
	char *found = NULL;
	sm_records_foreach(pair->records, i, record)
	{
		if (found || !sm_record_ok(record))
			continue;
		json_array_foreach(json_object_get(record, "outputs"), k, output)
		{
			const char *path = sm_json_text(output, "path"),
				   *sha = sm_json_text(output, "sha256");
			if (path && sha && strcmp(path, name) == 0)
				found = sm_strf("%s", sha);
		}
	}
	return found;
}

static enum sm_status check_shape(const struct sm_images *m, const struct file *f,
				  struct sm_err *err)
{
	const struct sm_tile_shape *a = &m->files[0].shape, *b = &f->shape;
	if (a->height != b->height || a->width != b->width || a->channels != b->channels ||
	    a->b_channels != b->b_channels)
		return SM_FAIL(err, SM_INPUT,
			       "%s: images are %lldx%lld with %lld and %lld channels, those of %s "
			       "%lldx%lld "
			       "with %lld and %lld: must be equal (steps resize or pad_crop of "
			       "preprocess)",
			       f->name, (long long)b->width, (long long)b->height,
			       (long long)b->channels, (long long)b->b_channels, m->files[0].name,
			       (long long)a->width, (long long)a->height, (long long)a->channels,
			       (long long)a->b_channels);
	if (m->pairs != (b->b_channels > 0))
		return SM_FAIL(err, SM_INPUT, "%s: holds %s, needed are %s", f->name,
			       b->b_channels ? "pairs" : "images of one domain",
			       m->pairs ? "pairs" : "images of one domain");
	return SM_OK;
}

static enum sm_status open_shard(struct sm_images *m, const char *dir, const struct sm_ledger *pair,
				 const char *name, struct sm_err *err)
{
	char hex[65];
	struct file *files = realloc(m->files, (m->file_count + 1) * sizeof *files);
	if (!files)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	m->files = files;
	struct file *f = &files[m->file_count];
	*f = (struct file){.name = sm_strf("%s", name)};
	char *path = sm_path_join(dir, name), *sha = named_hash(pair, name);
	enum sm_status st;
	if (!f->name || !path)
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	else if (!sha)
		st = SM_FAIL(err, SM_INPUT,
			     "%s: stands in %s, but not in the ledger: run pair again", name,
			     CONFIG);
	else
		st = sm_shard_open(path, &f->shard, &f->shape, f->key, err);
	if (st == SM_OK)
		st = sm_shard_named_sha256(path, m->mem, hex, err);
	if (st == SM_OK && strcmp(hex, sha) != 0)
		st = SM_FAIL(err, SM_INPUT,
			     "%s: content is not what the ledger of pair says: run pair again",
			     name);
	free(path);
	free(sha);
	m->file_count++;
	return st == SM_OK ? check_shape(m, f, err) : st;
}

/* Samples of a shard follow each other: the last one first. */
static enum sm_status find_file(struct sm_images *m, const char *dir, const struct sm_ledger *pair,
				const char *name, size_t *file, struct sm_err *err)
{
	for (size_t i = m->file_count; i-- > 0;)
		if (strcmp(m->files[i].name, name) == 0) {
			*file = i;
			return SM_OK;
		}
	*file = m->file_count;
	return open_shard(m, dir, pair, name, err);
}

static enum sm_status add(struct sm_images *m, const char *dir, const struct sm_ledger *pair,
			  const json_t *entry, struct sm_err *err)
{
	const char *name = sm_json_text(entry, "file");
	json_int_t k = json_integer_value(json_object_get(entry, "sample"));
	if (!name)
		return SM_FAIL(err, SM_INPUT,
			       "%s: a sample has no HDF5 file: needed is pair.format hdf5 or both",
			       CONFIG);
	if (!sm_path_is_inside(name))
		return SM_FAIL(err, SM_INPUT, "%s: file '%s' leaves the folder", CONFIG, name);
	struct sample *s = &m->v[m->count];
	SM_TRY(find_file(m, dir, pair, name, &s->file, err));
	s->k = k;
	s->slice = json_integer_value(json_object_get(entry, "slice"));
	if (k < 0 || k >= m->files[s->file].shape.tiles)
		return SM_FAIL(err, SM_INPUT, "%s: sample %lld of %s, allowed is 0 to %lld", CONFIG,
			       (long long)k, name, (long long)m->files[s->file].shape.tiles - 1);
	m->count++;
	return SM_OK;
}

static bool in_domain(const json_t *entry, enum sm_domain domain)
{
	const char *d = sm_json_text(entry, "domain");
	if (domain == SM_PAIRS)
		return !d;
	return d && strcmp(d, domain == SM_DOMAIN_A ? "a" : "b") == 0;
}

/* config.json of the folder, held against the ledger. A new reference. */
static enum sm_status read_config(const char *dir, const struct sm_ledger *pair, json_t **config,
				  struct sm_err *err)
{
	char *path = sm_path_join(dir, CONFIG), hex[65];
	const json_t *output = json_array_get(json_object_get(pair->header, "outputs"), 0);
	const char *want = sm_json_text(output, "sha256");
	json_error_t why;
	enum sm_status st = path ? sm_sha256_file(path, hex, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", CONFIG);
	if (st == SM_OK && (!want || strcmp(want, hex) != 0))
		st = SM_FAIL(err, SM_INPUT,
			     "%s: content is not what the ledger of pair says: run pair again",
			     CONFIG);
	if (st == SM_OK && !(*config = json_load_file(path, JSON_REJECT_DUPLICATES, &why)))
		st = SM_FAIL(err, SM_INPUT, "%s: line %d: %s", CONFIG, why.line, why.text);
	free(path);
	return st;
}

static const char *const said[] = {"pairs", "images of domain a", "images of domain b"};

enum sm_status sm_images_list(const char *dir, const struct sm_ledger *pair, enum sm_domain domain,
			      const char *fold, size_t least, struct sm_mem *mem,
			      struct sm_images **out, struct sm_err *err)
{
	json_t *config = NULL, *entry;
	size_t i;
	*out = NULL;
	SM_TRY(read_config(dir, pair, &config, err));
	const json_t *list = json_object_get(config, fold);
	struct sm_images *m = calloc(1, sizeof *m);
	enum sm_status st = SM_OK;
	if (m)
		m->v = calloc(json_array_size(list) + 1, sizeof *m->v);
	if (!m || !m->v) {
		st = SM_FAIL(err, SM_BUDGET, "list of images: out of memory");
		goto out;
	}
	m->mem = mem;
	m->pairs = domain == SM_PAIRS;
	json_array_foreach(list, i, entry) if (in_domain(entry, domain))
		SM_GOTO(st, add(m, dir, pair, entry, err));
	if (m->count < least)
		st = SM_FAIL(err, SM_INPUT, "fold %s: has %zu %s, needed are at least %zu", fold,
			     m->count, said[domain], least);
out:
	json_decref(config);
	if (st == SM_OK)
		*out = m;
	else
		sm_images_free(m);
	return st;
}

/* ---- jitter ---------------------------------------------------------------------------------- */

/* One image (H,W,C) enlarged to (H + e, W + e), of which the part at (top, left) is kept; pixel
 * centres are where PyTorch's align_corners=False has them. */
static void enlarge(const float *src, int h, int w, int c, int e, int top, int left, float *dst)
{
	for (int y = 0; y < h; y++) {
		float fy = ((float)(y + top) + 0.5f) * (float)h / (float)(h + e) - 0.5f;
		fy = fy < 0 ? 0 : fy;
		int y0 = (int)fy < h - 1 ? (int)fy : h - 1, y1 = y0 + 1 < h ? y0 + 1 : y0;
		float ay = fy - (float)y0;
		for (int x = 0; x < w; x++) {
			float fx = ((float)(x + left) + 0.5f) * (float)w / (float)(w + e) - 0.5f;
			fx = fx < 0 ? 0 : fx;
			int x0 = (int)fx < w - 1 ? (int)fx : w - 1, x1 = x0 + 1 < w ? x0 + 1 : x0;
			float ax = fx - (float)x0;
			const float *a = src + ((size_t)y0 * w + x0) * c,
				    *b = src + ((size_t)y0 * w + x1) * c,
				    *p = src + ((size_t)y1 * w + x0) * c,
				    *q = src + ((size_t)y1 * w + x1) * c;
			for (int k = 0; k < c; k++) {
				float up = a[k] + ax * (b[k] - a[k]),
				      down = p[k] + ax * (q[k] - p[k]);
				dst[((size_t)y * w + x) * c + k] = up + ay * (down - up);
			}
		}
	}
}

static void mirror(float *image, int h, int w, int c)
{
	for (int y = 0; y < h; y++)
		for (int x = 0; x < w / 2; x++)
			for (int k = 0; k < c; k++) {
				float *a = image + ((size_t)y * w + x) * c + k;
				float *b = image + ((size_t)y * w + (w - 1 - x)) * c + k;
				float t = *a;
				*a = *b;
				*b = t;
			}
}

struct draw {
	int top, left;
	bool mirrored;
};

static struct draw draw_of(const struct sm_jitter *j, uint64_t seed, const char *key, uint64_t draw,
			   uint64_t sample)
{
	struct sm_rng rng;
	struct draw d = {0};
	sm_rng_init(&rng, seed, "translate.jitter", key, draw, sample);
	d.top = j->enlarge ? (int)sm_rng_below(&rng, (uint32_t)j->enlarge + 1) : 0;
	d.left = j->enlarge ? (int)sm_rng_below(&rng, (uint32_t)j->enlarge + 1) : 0;
	d.mirrored = sm_rng_below(&rng, 2) == 1 && j->mirror;
	return d;
}

/* planes (C,H,W) to image (H,W,C), through `work` when it is to be enlarged. */
static void take(const float *planes, int h, int w, int c, const struct sm_jitter *j,
		 const struct draw *d, float *work, float *image)
{
	bool larger = j && j->enlarge;
	sm_to_channels_last(planes, c, (size_t)h * w, larger ? work : image);
	if (larger)
		enlarge(work, h, w, c, j->enlarge, d->top, d->left, image);
	if (j && d->mirrored)
		mirror(image, h, w, c);
}

static enum sm_status check_finite(const struct sm_images *m, size_t i, const float *v, size_t n,
				   struct sm_err *err)
{
	for (size_t k = 0; k < n; k++)
		if (!isfinite(v[k]))
			return SM_FAIL(err, SM_INPUT,
				       "%s: slice %lld has a value that is not finite",
				       sm_images_key(m, i), (long long)sm_images_slice(m, i));
	return SM_OK;
}

enum sm_status sm_images_read(struct sm_images *m, size_t i, const struct sm_jitter *jitter,
			      uint64_t seed, uint64_t draw, float *x, float *b, struct sm_err *err)
{
	const struct sample *s = &m->v[i];
	struct file *f = &m->files[s->file];
	int h = (int)f->shape.height, w = (int)f->shape.width;
	int cx = (int)f->shape.channels, cb = b ? (int)f->shape.b_channels : 0;
	size_t n = (size_t)h * w, nx = n * cx, nb = n * cb, most = nx > nb ? nx : nb;
	float *planes = sm_alloc(m->mem, nx + nb + most, sizeof *planes, "an image", err);
	if (!planes)
		return err->code;
	struct sm_shard_room room = {.x = planes, .b = cb ? planes + nx : NULL};
	struct draw d = {0};
	enum sm_status st;
	SM_GOTO(st, sm_shard_read_sample(f->shard, s->k, &room, err));
	SM_GOTO(st, check_finite(m, i, planes, nx + nb, err));
	if (jitter)
		d = draw_of(jitter, seed, f->key, draw, (uint64_t)s->k);
	take(planes, h, w, cx, jitter, &d, planes + nx + nb, x);
	if (cb)
		take(planes + nx, h, w, cb, jitter, &d, planes + nx + nb, b);
out:
	sm_free(planes);
	return st;
}

enum sm_status sm_images_order(size_t n, size_t count, uint64_t seed, const char *domain,
			       uint64_t epoch, size_t *order, struct sm_err *err)
{
	size_t *all = malloc(n * sizeof *all);
	if (!all)
		return SM_FAIL(err, SM_BUDGET, "order of images: out of memory");
	for (size_t done = 0, turn = 0, take; done < count; done += take, turn++) {
		struct sm_rng rng;
		sm_rng_init(&rng, seed, "translate.order", domain, epoch, turn);
		sm_rng_permutation(&rng, all, n);
		take = count - done < n ? count - done : n;
		memcpy(order + done, all, take * sizeof *order);
	}
	free(all);
	return SM_OK;
}
