/* SPDX-License-Identifier: Apache-2.0
 *
 * Shards: what reader and writer share, and the writer (core/h5shard_read.c reads).
 */
#include "core/h5shard.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/text.h"

#define TILE_AXES \
	"x (tile,channel,z,y,x) float32; y (tile,z,y,x) uint8 labels; " \
	"start (tile,3) first voxel x,y,z; crc32 (tile,3) of the values of x, y, start"

const char *sm_shard_set_name(int set)
{
	static const char *const names[SM_SETS] = {"x", "y", "b"};
	return names[set];
}

const char *sm_shard_place_name(const struct sm_shard *s)
{
	return s->shape.parts & SM_SHARD_INDEX ? "index" : "start";
}

void sm_shard_free(struct sm_shard *s)
{
	if (!s)
		return;
	for (int i = 0; i < SM_SETS; i++)
		sm_h5_close_dataset(&s->set[i].id);
	sm_h5_close_file(&s->file);
	sm_outfile_abandon(&s->out);
	for (int64_t k = 0; s->slots && k < s->shape.tiles; k++)
		for (int i = 0; i < SM_SETS; i++)
			sm_free(s->slots[k].packed[i]);
	sm_free(s->slots);
	sm_free(s->place);
	sm_free(s->fold);
	sm_free(s->crc);
	sm_free(s->pieces);
	pthread_mutex_destroy(&s->lock);
	free(s->path);
	free(s->name);
	free(s);
}

struct sm_shard *sm_shard_make(const char *path, struct sm_err *err)
{
	struct sm_shard *s = calloc(1, sizeof *s);
	if (s) {
		s->file = -1;
		for (int i = 0; i < SM_SETS; i++)
			s->set[i].id = -1;
		pthread_mutex_init(&s->lock, NULL);
		s->path = sm_strf("%s", path);
		s->name = sm_strf("%s", sm_path_base(path));
	}
	if (!s || !s->path || !s->name) {
		sm_shard_free(s);
		SM_FAIL(err, SM_BUDGET, "%s: out of memory", sm_path_base(path));
		return NULL;
	}
	return s;
}

/* A dataset of `channels` float32 (0 = labels without that axis) a voxel. */
static bool use_set(struct sm_shard *s, int which, int64_t channels)
{
	struct sm_shard_set *set = &s->set[which];
	const struct sm_tile_shape *p = &s->shape;
	hsize_t *d = set->dims;
	size_t voxels, total;
	set->used = true;
	set->rank = channels ? 5 : 4;
	*d++ = (hsize_t)p->tiles;
	if (channels)
		*d++ = (hsize_t)channels;
	*d++ = (hsize_t)p->depth;
	*d++ = (hsize_t)p->height;
	*d++ = (hsize_t)p->width;
	/* HDF5 chunks must stay below 4 GiB */
	return sm_mul3((size_t)p->depth, (size_t)p->height, (size_t)p->width, &voxels) &&
	       sm_mul3(voxels, channels ? (size_t)channels : 1, channels ? 4 : 1, &set->bytes) &&
	       set->bytes <= UINT32_MAX && sm_mul(set->bytes, (size_t)p->tiles, &total) &&
	       total <= INT64_MAX;
}

bool sm_shard_set_shape(struct sm_shard *s, const struct sm_tile_shape *shape)
{
	if (shape->tiles < 1 || shape->channels < 1 || shape->depth < 1 || shape->height < 1 ||
	    shape->width < 1 || shape->b_channels < 0 || (shape->parts & ~(int64_t)SM_SHARD_PARTS))
		return false;
	s->shape = *shape;
	bool good = use_set(s, SM_SET_X, shape->channels);
	if (!(shape->parts & SM_SHARD_UNLABELLED))
		good = good && use_set(s, SM_SET_Y, 0);
	if (shape->b_channels)
		good = good && use_set(s, SM_SET_B, shape->b_channels);
	s->width = shape->parts & SM_SHARD_INDEX ? 2 : 3;
	s->columns = s->set[SM_SET_X].used + s->set[SM_SET_Y].used + s->set[SM_SET_B].used + 1 +
		     (shape->parts & SM_SHARD_FOLD ? 1 : 0);
	return good;
}

enum sm_status sm_shard_make_tables(struct sm_shard *s, struct sm_err *err)
{
	size_t n = (size_t)s->shape.tiles;
	s->place = sm_calloc(NULL, n, (size_t)s->width * sizeof *s->place, s->name, err);
	s->crc = sm_calloc(NULL, n, (size_t)s->columns * sizeof *s->crc, s->name, err);
	if (!s->place || !s->crc)
		return SM_BUDGET;
	if (s->shape.parts & SM_SHARD_FOLD) {
		s->fold = sm_calloc(NULL, n, 1, s->name, err);
		if (!s->fold)
			return SM_BUDGET;
	}
	return SM_OK;
}

uint32_t sm_shard_crc_place(const struct sm_shard *s, const int32_t *place)
{
	return libdeflate_crc32(0, place, (size_t)s->width * sizeof *place);
}

uint32_t sm_shard_crc_fold(uint8_t fold)
{
	return libdeflate_crc32(0, &fold, 1);
}

static const char *reason(const struct sm_shard *s)
{
	return s->errnum ? strerror(s->errnum) : "HDF5 failed";
}

/* Labels are mostly runs: packing them costs next to nothing even when images are only stored. */
static int level_of(const struct sm_shard *s, int set)
{
	return set == SM_SET_Y && s->level < 1 ? 1 : s->level;
}

static bool put_axes(const struct sm_shard *s)
{
	struct sm_text t = {0};
	if (!s->shape.parts && !s->shape.b_channels)
		return sm_h5_put_text(s->file, "axes", TILE_AXES);
	bool fold = s->shape.parts & SM_SHARD_FOLD, index = s->shape.parts & SM_SHARD_INDEX;
	bool y = s->set[SM_SET_Y].used, b = s->set[SM_SET_B].used;
	sm_text_f(&t,
		  "x (sample,channel,z,y,x) float32; %s%s%s; %scrc32 (sample,%d) of the values of "
		  "x, %s%s%s%s",
		  y ? "y (sample,z,y,x) uint8 labels; " : "",
		  b ? "b (sample,channel,z,y,x) float32; " : "",
		  index ? "index (sample,2) slice number, plane: 0 axial, 1 coronal, 2 sagittal"
			: "start (sample,3) first voxel x,y,z",
		  fold ? "fold (sample) uint8: 0 train, 1 test, 2 valid; " : "", s->columns,
		  y ? "y, " : "", b ? "b, " : "", index ? "index" : "start", fold ? ", fold" : "");
	bool good = !t.failed && sm_h5_put_text(s->file, "axes", t.data);
	sm_text_clear(&t);
	return good;
}

static enum sm_status begin_file(struct sm_shard *s, const char *case_key, struct sm_err *err)
{
	bool good = true, plain = !s->shape.parts && !s->shape.b_channels;
	sm_h5_quiet();
	SM_TRY(sm_outfile_begin(&s->out, s->path, false, err));
	s->file = sm_h5_create(s->out.temp, &s->errnum);
	if (s->file < 0)
		return SM_FAIL(err, SM_IO, "%s: cannot be created: %s", s->name, reason(s));
	for (int i = 0; i < SM_SETS; i++) {
		struct sm_shard_set *set = &s->set[i];
		hsize_t chunk[5];
		if (!set->used)
			continue;
		bool labels = i == SM_SET_Y;
		memcpy(chunk, set->dims, sizeof chunk);
		chunk[0] = 1;
		set->shuffled = !labels && s->level > 0;
		set->id = sm_h5_chunked(s->file, sm_shard_set_name(i),
					labels ? H5T_STD_U8LE : H5T_IEEE_F32LE, set->rank,
					set->dims, chunk, set->shuffled, level_of(s, i));
		good = good && set->id >= 0;
	}
	if (!good ||
	    !sm_h5_put_text(s->file, "schema", plain ? SM_TILES_SCHEMA : SM_SAMPLES_SCHEMA) ||
	    !sm_h5_put_text(s->file, "case", case_key) || !put_axes(s))
		return SM_FAIL(err, SM_IO, "%s: HDF5 could not write the datasets' heads", s->name);
	return SM_OK;
}

enum sm_status sm_shard_create(const char *path, const struct sm_tile_shape *shape,
			       const char *case_key, int level, struct sm_shard **out,
			       struct sm_err *err)
{
	enum sm_status st = SM_OK;
	*out = NULL;
	struct sm_shard *s = sm_shard_make(path, err);
	if (!s)
		return SM_BUDGET;
	s->level = level;
	if (level < 0 || level > 12 || !sm_shard_set_shape(s, shape) || !sm_key_is_safe(case_key)) {
		st = SM_FAIL(
		    err, SM_INTERNAL,
		    "%s: level %d, %lld tiles of %lld x %lld x %lld x %lld, or the case key is "
		    "out of range",
		    s->name, level, (long long)shape->tiles, (long long)shape->channels,
		    (long long)shape->depth, (long long)shape->height, (long long)shape->width);
		goto out;
	}
	s->slots = sm_calloc(NULL, (size_t)shape->tiles, sizeof *s->slots, s->name, err);
	if (!s->slots) {
		st = SM_BUDGET;
		goto out;
	}
	SM_GOTO(st, sm_shard_make_tables(s, err));
	SM_GOTO(st, begin_file(s, case_key, err));
	*out = s;
	s = NULL;
out:
	sm_shard_free(s);
	return st;
}

static void clear_slot(struct sm_shard_slot *t)
{
	for (int i = 0; i < SM_SETS; i++) {
		sm_free(t->packed[i]);
		t->packed[i] = NULL;
	}
}

/* Writes the samples whose turn it is. With the lock held. */
static enum sm_status flush(struct sm_shard *s, struct sm_err *err)
{
	for (; s->next < s->shape.tiles && s->slots[s->next].here; s->next++) {
		struct sm_shard_slot *t = &s->slots[s->next];
		hsize_t at[5] = {(hsize_t)s->next};
		bool good = true;
		for (int i = 0; i < SM_SETS; i++)
			if (s->set[i].used)
				good = good && H5Dwrite_chunk(s->set[i].id, H5P_DEFAULT, 0, at,
							      t->n[i], t->packed[i]) >= 0;
		if (!good || s->errnum)
			return SM_FAIL(err, SM_IO, "%s: cannot write tile %lld: %s", s->name,
				       (long long)s->next, reason(s));
		clear_slot(t);
	}
	return SM_OK;
}

enum sm_status sm_shard_put_sample(struct sm_shard *s, int64_t k,
				   const struct sm_shard_sample *sample, struct sm_err *err)
{
	const void *data[SM_SETS] = {sample->x, sample->y, sample->b};
	enum sm_status st = SM_OK;
	struct sm_shard_slot t = {.here = true};
	uint32_t crc[SM_SETS + 2];
	int column = 0;
	if (k < 0 || k >= s->shape.tiles)
		return SM_FAIL(err, SM_INTERNAL, "%s: tile %lld, allowed are 0..%lld", s->name,
			       (long long)k, (long long)s->shape.tiles - 1);
	sm_h5_quiet();
	for (int i = 0; i < SM_SETS; i++) {
		const struct sm_shard_set *set = &s->set[i];
		if (!set->used)
			continue;
		if (!data[i]) {
			st = SM_FAIL(err, SM_INTERNAL, "%s: tile %lld came without %s", s->name,
				     (long long)k, sm_shard_set_name(i));
			goto out;
		}
		crc[column++] = libdeflate_crc32(0, data[i], set->bytes);
		sm_sha256_bytes(data[i], set->bytes, t.hash[i]);
		SM_GOTO(st, sm_chunk_pack(data[i], set->bytes, set->shuffled, level_of(s, i),
					  &t.packed[i], &t.n[i], err));
	}
	crc[column++] = sm_shard_crc_place(s, sample->place);
	crc[column] = sm_shard_crc_fold(sample->fold);
	pthread_mutex_lock(&s->lock);
	if (s->error.code == SM_OK && s->slots[k].here)
		SM_FAIL(&s->error, SM_INTERNAL, "%s: tile %lld came twice", s->name, (long long)k);
	if (s->error.code == SM_OK) {
		s->slots[k] = t;
		t = (struct sm_shard_slot){0};
		memcpy(s->place + s->width * k, sample->place, (size_t)s->width * sizeof *s->place);
		if (s->fold)
			s->fold[k] = sample->fold;
		memcpy(s->crc + s->columns * k, crc, (size_t)s->columns * sizeof *crc);
		flush(s, &s->error);
	}
	st = s->error.code;
	if (st != SM_OK && err)
		*err = s->error;
	pthread_mutex_unlock(&s->lock);
out:
	clear_slot(&t);
	return st;
}

enum sm_status sm_shard_put(struct sm_shard *s, int64_t k, const float *x, const uint8_t *y,
			    const int32_t start[3], struct sm_err *err)
{
	const struct sm_shard_sample sample = {
		.x = x, .y = y, .place = {start[0], start[1], start[2]}};
	return sm_shard_put_sample(s, k, &sample, err);
}

/* SHA-256 over the digests of one dataset's samples, and its attribute. */
static enum sm_status put_digest(const struct sm_shard *s, int set, char hex[65],
				 struct sm_err *err)
{
	char name[16];
	struct sm_sha256 *h = sm_sha256_begin();
	if (!h)
		return SM_FAIL(err, SM_BUDGET, "%s: no memory for a hash", s->name);
	for (int64_t k = 0; k < s->shape.tiles; k++)
		sm_sha256_add(h, s->slots[k].hash[set], 64);
	sm_sha256_end(h, hex);
	snprintf(name, sizeof name, "%s_sha256", sm_shard_set_name(set));
	if (!sm_h5_put_text(s->file, name, hex))
		return SM_FAIL(err, SM_IO, "%s: cannot finish the file: %s", s->name, reason(s));
	return SM_OK;
}

/* What stands behind the chunks; closes the file. */
static enum sm_status finish(struct sm_shard *s, char content[65], struct sm_err *err)
{
	char hex[SM_SETS][65], whole[65], path[SM_SETS][8];
	struct sm_h5_known known[SM_SETS];
	size_t n = 0;
	hsize_t dims[2] = {(hsize_t)s->shape.tiles, (hsize_t)s->width};
	hsize_t crc_dims[2] = {dims[0], (hsize_t)s->columns};
	if (s->error.code != SM_OK) {
		if (err)
			*err = s->error;
		return s->error.code;
	}
	if (s->next < s->shape.tiles)
		return SM_FAIL(err, SM_INTERNAL, "%s: tile %lld of %lld never came", s->name,
			       (long long)s->next, (long long)s->shape.tiles);
	sm_h5_quiet();
	bool good = sm_h5_plain(s->file, sm_shard_place_name(s), H5T_STD_I32LE, H5T_NATIVE_INT32, 2,
				dims, s->place);
	if (s->fold)
		good = good && sm_h5_plain(s->file, "fold", H5T_STD_U8LE, H5T_NATIVE_UINT8, 1, dims,
					   s->fold);
	good = good && sm_h5_plain(s->file, "crc32", H5T_STD_U32LE, H5T_NATIVE_UINT32, 2, crc_dims,
				   s->crc);
	for (int i = 0; good && i < SM_SETS; i++) {
		if (!s->set[i].used)
			continue;
		SM_TRY(put_digest(s, i, hex[i], err));
		snprintf(path[i], sizeof path[i], "/%s", sm_shard_set_name(i));
		known[n++] = (struct sm_h5_known){path[i], hex[i]};
	}
	for (int i = 0; i < SM_SETS; i++)
		if (s->set[i].used) {
			good = H5Dclose(s->set[i].id) >= 0 && good;
			s->set[i].id = -1;
		}
	good = H5Fclose(s->file) >= 0 && good;
	s->file = -1;
	if (!good || s->errnum)
		return SM_FAIL(err, SM_IO, "%s: cannot finish the file: %s", s->name, reason(s));
	return sm_h5_identity(s->out.temp, s->name, known, n, NULL, content ? content : whole, err);
}

enum sm_status sm_shard_commit(struct sm_shard *s, char content[65], struct sm_err *err)
{
	enum sm_status st = finish(s, content, err);
	if (st == SM_OK)
		st = sm_outfile_commit(&s->out, err);
	if (st != SM_OK && content)
		content[0] = 0;
	sm_shard_free(s);
	return st;
}

void sm_shard_abandon(struct sm_shard *s)
{
	sm_shard_free(s);
}
