/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/series/dcm_load.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/par.h"
#include "ingest/series/dcm_csa.h"

/* Where a slice begins in its decoded picture: mosaics have tiles. */
static size_t tile_offset(const struct sm_dcm_head *h, const struct sm_dcm_frame *f)
{
	if (h->kind != SM_DCM_MOSAIC)
		return 0;
	size_t across = (size_t)h->tiles_across;
	return (size_t)h->tile_rows * (f->tile / across) * (size_t)h->format.columns +
	       (size_t)h->tile_columns * (f->tile % across);
}

/* Large pictures go to their slice in bands of so many bytes, each let go at once: beside the slice
 * a second one of its size is never there whole. */
#define BAND_BYTES ((size_t)1 << 20)

static void store_bands(const struct sm_load_work *w, size_t k, struct sm_words *words, size_t word)
{
	size_t rows = (size_t)words->head->tile_rows, row = (size_t)words->head->tile_columns;
	size_t most = BAND_BYTES / (word * row) + 1;
	const unsigned char *from = words->from;
	double low, high;
	for (size_t y = 0; y < rows; y += words->rows) {
		words->rows = rows - y < most ? rows - y : most;
		words->from = from + y * row * word;
		sm_words_store(words, &w->out->vol, (k * rows + y) * row, &low, &high);
		sm_let_go(words->from, words->rows * row * word);
		w->lowest[k] = y == 0 || low < w->lowest[k] ? low : w->lowest[k];
		w->highest[k] = y == 0 || high > w->highest[k] ? high : w->highest[k];
	}
}

/* From memory of sm_alloc. once: nobody else needs the picture, it is let go. */
static void store(struct sm_load_work *w, size_t k, const unsigned char *picture, bool once)
{
	const struct sm_dcm_head *h = sm_load_head(w, k);
	const struct sm_dcm_frame *f = sm_load_frame(w, k);
	size_t n = (size_t)h->tile_rows * (size_t)h->tile_columns;
	size_t word = h->format.bits_allocated < 8 ? 1 : (size_t)h->format.bits_allocated / 8;
	struct sm_words words = {
		.head = h,
		.from = picture + word * tile_offset(h, f),
		.stride = (size_t)h->format.columns,
		.mirror = h->inverted && w->out->inverted,
		.slope = w->per_slice ? f->slope : 1,
		.intercept = w->per_slice ? f->intercept : 0,
		.times = w->exact ? (int)f->slope : 1,
		.plus = w->exact ? (int)f->intercept : 0,
	};
	if (once && h->kind != SM_DCM_MOSAIC)
		store_bands(w, k, &words, word);
	else
		sm_words_store(&words, &w->out->vol, k * n, &w->lowest[k], &w->highest[k]);
}

/* Files with more pixels than this are not held whole: beside the volume only some pictures are. Of
 * deflated ones this holds from fewer bytes on: they grow in memory piece by piece. */
#define LARGE_BYTES ((uint64_t)16 << 20)
#define LARGE_DEFLATED ((uint64_t)1 << 20)

/* One file at work. */
struct file {
	struct sm_load_work *w;
	const struct sm_load *load;
	const struct sm_dcm_head *head;
	struct sm_dicom *dcm;
	int fd;          /* of a large file that is read picture by picture, else -1 */
	uint64_t offset; /* of its first picture */
};

/* One picture of the file to all slices that lie in it: of a mosaic several, else one. */
static enum sm_status load_picture(const struct file *f, size_t first, size_t end,
				   struct sm_err *err)
{
	struct sm_load_work *w = f->w;
	const struct sm_dcm_head *h = f->head;
	uint32_t picture = sm_load_frame(w, w->order[first])->picture;
	const void *words =
		f->fd < 0 ? sm_frame_direct(f->dcm, h->syntax, &h->format, picture) : NULL;
	void *own = NULL;
	size_t bytes = 0;
	enum sm_status st = SM_OK;
	if (!sm_frame_size(&h->format, &bytes))
		return SM_FAIL(err, SM_INPUT, "Rows %d and Columns %d are too large",
			       h->format.rows, h->format.columns);
	bool once = end - first == 1 && (f->load->n > 1 || bytes > 4 * BAND_BYTES);
	if (!words) {
		own = sm_alloc(w->mem, bytes, 1, "one picture", err);
		if (!own)
			return SM_BUDGET;
		words = own;
		st = f->fd < 0 ? sm_frame_decode(f->dcm, h->syntax, &h->format, picture, w->mem,
						 own, err)
			       : sm_native_read(f->fd, f->offset, h->syntax, &h->format, picture,
						own, err);
		if (once && f->fd < 0)
			sm_dicom_frame_let_go(f->dcm, picture, (size_t)h->format.frames);
		once = once && bytes > 4 * BAND_BYTES; /* smaller ones are soon free */
	}
	for (size_t i = first; i < end && st == SM_OK; i++)
		store(w, w->order[i], words, once);
	sm_free(own);
	return st;
}

/* The pictures of a deflated file one after the other, as they come. */
static enum sm_status load_pieces(const struct file *f, struct sm_err *err)
{
	struct sm_load_work *w = f->w;
	const struct sm_pixel_format *p = &f->head->format;
	size_t bytes = 0;
	if (!sm_frame_size(p, &bytes))
		return SM_FAIL(err, SM_INPUT, "Rows %d and Columns %d are too large", p->rows,
			       p->columns);
	void *picture = sm_alloc(w->mem, bytes, 1, "one picture", err);
	if (!picture)
		return SM_BUDGET;
	enum sm_status st = SM_OK;
	bool zeros = true;
	size_t taken = 0;
	for (int i = 0; i < p->frames && st == SM_OK; i++) {
		size_t k = taken < f->load->n ? w->order[f->load->first + taken] : SIZE_MAX;
		bool wanted = k != SIZE_MAX && sm_load_frame(w, k)->picture == (uint32_t)i;
		st = sm_native_next(f->dcm, f->head->syntax, p, wanted ? picture : NULL, err);
		if (st == SM_OK && wanted) {
			store(w, k, picture, false);
			taken++;
		}
	}
	sm_free(picture);
	if (st == SM_OK)
		st = sm_dicom_pixels_finish(f->dcm, &zeros, err);
	if (st == SM_OK && sm_frames_padded(f->dcm, p) && !zeros)
		st = SM_FAIL(err, SM_INPUT,
			     "what stands behind the last frame of PixelData are no zeros, allowed "
			     "are zeros of less than a frame");
	return st;
}

/* Uncompressed pictures in a file of which only some are to be in memory at once. */
static bool is_large(const struct file *f, uint64_t most)
{
	const struct sm_pixel_format *p = &f->head->format;
	size_t bytes;
	return f->load->n > 1 && f->head->kind != SM_DCM_MOSAIC &&
	       sm_native_alone(f->head->syntax, p) && sm_frame_size(p, &bytes) &&
	       (uint64_t)bytes * (uint64_t)p->frames > most;
}

/* Slices in the file's order of its pictures, each once. */
static bool in_order(const struct file *f)
{
	const size_t *order = f->w->order + f->load->first;
	for (size_t i = 1; i < f->load->n; i++)
		if (sm_load_frame(f->w, order[i])->picture <=
		    sm_load_frame(f->w, order[i - 1])->picture)
			return false;
	return true;
}

static enum sm_status one_frame(void *ctx, size_t i, struct sm_err *err)
{
	const struct file *f = ctx;
	return load_picture(f, f->load->first + i, f->load->first + i + 1, err);
}

static enum sm_status load_frames(const struct file *f, struct sm_err *err)
{
	const struct sm_load *l = f->load;
	if (sm_dicom_pixels_in_pieces(f->dcm))
		return load_pieces(f, err);
	if (f->head->kind == SM_DCM_MOSAIC)
		return load_picture(f, l->first, l->first + l->n, err);
	return sm_par_for(l->n, f->w->inner, one_frame, (void *)f, err);
}

/* The file may have changed since its header was read: what sizes depend on must be the same. */
static enum sm_status check_same(const struct sm_load_work *w, const struct sm_dicom *dcm,
				 const struct sm_dcm_head *h, struct sm_err *err)
{
	const struct sm_pixel_format *p = &h->format;
	const struct sm_dataset set = sm_dicom_data(dcm);
	const struct {
		uint32_t tag;
		int value, fallback;
	} rows[] = {
		{SM_TAG(0x0028, 0x0010), p->rows, -1},
		{SM_TAG(0x0028, 0x0011), p->columns, -1},
		{SM_TAG(0x0028, 0x0100), p->bits_allocated, p->bits_allocated},
		{SM_TAG(0x0028, 0x0101), p->bits_stored, p->bits_stored},
		{SM_TAG(0x0028, 0x0102), p->high_bit, p->high_bit},
		{SM_TAG(0x0028, 0x0002), p->samples, 1},
		{SM_TAG(0x0028, 0x0008), p->frames, p->frames},
	};
	char uid[68], hex[65] = "";
	/* The UID as the head took it: blank ones count as absent. */
	if (sm_dataset_text(&set, SM_TAG(0x0008, 0x0018), uid, sizeof uid) && *uid)
		sm_salt_hash(w->salt, uid, hex);
	bool same = !*h->sop || strcmp(hex, h->sop) == 0;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		same = same && sm_dataset_number_or(&set, rows[i].tag, rows[i].fallback) ==
				       (double)rows[i].value;
	bool sign = sm_dataset_number_or(&set, SM_TAG(0x0028, 0x0103), 0) == 1;
	same = same && (p->is_float || p->is_signed == sign);
	same = same && sm_syntax_find(sm_dicom_syntax(dcm)) == h->syntax;
	return same ? SM_OK : SM_FAIL(err, SM_INPUT, "the file changed while it was being read");
}

static enum sm_status read_texts(struct file *f, struct sm_err *err)
{
	struct sm_load_work *w = f->w;
	size_t n = f->load->n;
	struct sm_sidecar *one = calloc(1, sizeof *one);
	uint32_t *frames = calloc(n, 2 * sizeof *frames), *time = frames + n;
	if (!one || !frames) {
		free(one);
		free(frames);
		return SM_FAIL(err, SM_BUDGET, "series: out of memory");
	}
	struct sm_pet pet = {0};
	for (size_t i = 0; i < n; i++) {
		size_t k = w->order[f->load->first + i];
		frames[i] = sm_load_frame(w, k)->picture;
		time[i] = (uint32_t)(k / w->series->depth);
	}
	sm_sidecar_read(one, f->dcm, frames, f->head->kind == SM_DCM_MOSAIC ? 0 : n);
	if (w->pet)
		sm_pet_read(&pet, f->dcm, f->head->units);
	pthread_mutex_lock(&w->lock);
	sm_sidecar_join(&w->out->sidecar, one);
	if (w->out->by_time.times)
		sm_sidecar_times_read(&w->out->by_time, one, f->dcm, frames, time, n);
	if (w->pet)
		sm_pet_join(&w->out->pet, &pet);
	pthread_mutex_unlock(&w->lock);
	free(one);
	free(frames);
	return SM_OK;
}

/* What one file's CSA header says beside the sidecar's table: sign of the phase encoding, and
 * of mosaics when each slice was taken. */
static enum sm_status read_csa(const struct file *f, struct sm_err *err)
{
	struct sm_load_work *w = f->w;
	struct sm_series_volume *o = w->out;
	const struct sm_dataset set = sm_dicom_data(f->dcm);
	size_t depth = w->series->depth, tiles = f->head->frame_count;
	struct sm_csa csa;
	double positive;
	if (sm_csa_image(&set, &csa) &&
	    sm_csa_numbers(&csa, "PhaseEncodingDirectionPositive", &positive, 1) == 1)
		o->polarity = positive > 0;
	if (f->head->kind != SM_DCM_MOSAIC || tiles > INT32_MAX)
		return SM_OK;
	double *seconds = calloc(tiles, sizeof *seconds);
	o->slice_times = calloc(depth, sizeof *o->slice_times);
	if (!seconds || !o->slice_times) {
		free(seconds);
		return SM_FAIL(err, SM_BUDGET, "series: out of memory");
	}
	size_t got = (size_t)sm_siemens_slice_times(&set, seconds, (int)tiles);
	for (size_t k = 0; k < depth; k++) {
		size_t tile = sm_load_frame(w, k)->tile;
		if (tile >= got) {
			free(o->slice_times);
			o->slice_times = NULL;
			break;
		}
		o->slice_times[k] = seconds[tile];
	}
	free(seconds);
	return SM_OK;
}

/* Opens the file, whole or for reading picture by picture: many uncompressed pictures. */
static enum sm_status open_file(struct file *f, const char *full, struct sm_err *err)
{
	if (!is_large(f, LARGE_DEFLATED))
		return sm_dicom_open(full, SM_DICOM_WHOLE, f->w->mem, &f->dcm, err);
	SM_TRY(sm_dicom_open(full, SM_DICOM_PIECES, f->w->mem, &f->dcm, err));
	if (sm_dicom_pixels_in_pieces(f->dcm) && in_order(f))
		return SM_OK;
	if (is_large(f, LARGE_BYTES) && sm_native_readable(f->head->syntax, &f->head->format) &&
	    sm_dicom_pixels_offset(f->dcm, &f->offset)) {
		f->fd = open(full, O_RDONLY | O_CLOEXEC);
		return f->fd >= 0 ? SM_OK : SM_FAIL(err, SM_IO, "cannot be opened");
	}
	sm_dicom_close(f->dcm);
	f->dcm = NULL;
	return sm_dicom_open(full, SM_DICOM_WHOLE, f->w->mem, &f->dcm, err);
}

static enum sm_status load_open(struct file *f, struct sm_err *err)
{
	struct sm_load_work *w = f->w;
	SM_TRY(check_same(w, f->dcm, f->head, err));
	SM_TRY(sm_frames_check(f->dcm, f->head->syntax, &f->head->format, err));
	w->out->padded |= sm_frames_padded(f->dcm, &f->head->format);
	SM_TRY(load_frames(f, err));
	SM_TRY(read_texts(f, err));
	/* The first volume of some multi-band sequences has wrong slice times. */
	if (f->head == sm_load_head(w, w->series->times > 1 ? w->series->depth : 0))
		SM_TRY(read_csa(f, err));
	return SM_OK;
}

/* While the bytes are here. Those of a file that is not held whole are hashed later. */
static void hash_file(const struct file *f, size_t head)
{
	const struct sm_series_files *files = &f->w->files;
	size_t n;
	const unsigned char *bytes = sm_dicom_file_bytes(f->dcm, &n);
	if (files->n && bytes)
		sm_sha256_bytes(bytes, n, files->hex[files->at[head]]);
}

enum sm_status sm_load_file(void *ctx, size_t i, struct sm_err *err)
{
	struct sm_load_work *w = ctx;
	const struct sm_load *l = &w->load[i];
	size_t k = w->order[l->first], head = w->series->slice[k].head;
	struct file f = {.w = w, .load = l, .head = &w->scan->head[head], .fd = -1};
	const char *path = sm_scan_path(w->scan, head);
	char alias[13], *full = sm_path_join(w->root, path);
	if (!full)
		return SM_FAIL(err, SM_BUDGET, "series: out of memory");
	enum sm_status st = open_file(&f, full, err);
	free(full);
	if (st == SM_IO) /* its sentence has the path, which may name a person */
		st = sm_fail_unreadable(err, NULL);
	if (st == SM_OK)
		hash_file(&f, head);
	if (st == SM_OK)
		st = load_open(&f, err);
	if (f.fd >= 0)
		close(f.fd);
	sm_dicom_close(f.dcm);
	/* Which slice finds the budget used up depends on the threads: it is not named. */
	if (st != SM_OK && st != SM_BUDGET) {
		sm_file_alias(w->salt, path, alias);
		sm_err_prefix(err, "file-%s (slice %zu)", alias, k);
	}
	return st;
}
