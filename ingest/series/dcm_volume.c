/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/series/dcm_volume.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/par.h"
#include "ingest/series/dcm_csa.h"
#include "ingest/series/dcm_files.h"

static const char *const scaling_names[] = {
	[SM_SCALING_NONE] = "none",
	[SM_SCALING_EXACT] = "applied",
	[SM_SCALING_HEADER] = "header",
	[SM_SCALING_FLOAT] = "applied_per_slice",
};

const char *sm_scaling_name(enum sm_scaling scaling)
{
	return scaling_names[scaling];
}

/* The slices that one file holds: order[first..first + n). */
struct load {
	size_t first, n;
};

struct work {
	const char *root;
	const struct sm_scan *scan;
	const struct sm_series *series;
	const struct sm_salt *salt;
	struct sm_mem *mem;
	struct sm_series_volume *out;
	struct sm_series_files files; /* none: hashes are not asked for */
	size_t *order;                /* the series' slices by file and frame */
	struct load *load;
	size_t loads;
	int inner;                /* threads for the frames of one file */
	double *lowest, *highest; /* stored numbers of each slice */
	bool per_slice;           /* slope or intercept differ: real values at once */
	bool exact;               /* HU as whole numbers at once: all that can be stored fit */
	bool pet;
	pthread_mutex_t lock; /* of out->sidecar and out->pet */
};

static const struct sm_dcm_head *head_of(const struct work *w, size_t k)
{
	return &w->scan->head[w->series->slice[k].head];
}

static const struct sm_dcm_frame *frame_of(const struct work *w, size_t k)
{
	return sm_slice_frame(w->scan->head, w->series->slice[k]);
}

static enum sm_meaning meaning_of(const struct sm_dcm_head *h, const struct sm_dcm_frame *f)
{
	/* Without rescale elements nothing says that a CT's stored numbers are HU. */
	if (strcmp(h->modality, "CT") == 0 && f->scale == SM_SCALE_RESCALE &&
	    (!*h->units || strcmp(h->units, "HU") == 0))
		return SM_MEANING_HU;
	return strcmp(h->modality, "PT") == 0 ? sm_pet_meaning(h->units, "") : SM_MEANING_ARBITRARY;
}

/* Where a slice begins in its decoded picture: mosaics have tiles. */
static size_t tile_offset(const struct sm_dcm_head *h, const struct sm_dcm_frame *f)
{
	if (h->kind != SM_DCM_MOSAIC)
		return 0;
	size_t across = (size_t)h->tiles_across;
	return (size_t)h->tile_rows * (f->tile / across) * (size_t)h->format.columns +
	       (size_t)h->tile_columns * (f->tile % across);
}

static void store(struct work *w, size_t k, const unsigned char *picture)
{
	const struct sm_dcm_head *h = head_of(w, k);
	const struct sm_dcm_frame *f = frame_of(w, k);
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
	sm_words_store(&words, &w->out->vol, k * n, &w->lowest[k], &w->highest[k]);
}

/* Files with more pixels than this are not held whole: beside the volume only some pictures are. */
#define LARGE_BYTES ((uint64_t)16 << 20)

/* One file at work. */
struct file {
	struct work *w;
	const struct load *load;
	const struct sm_dcm_head *head;
	struct sm_dicom *dcm;
	int fd;          /* of a large file that is read picture by picture, else -1 */
	uint64_t offset; /* of its first picture */
};

/* One picture of the file to all slices that lie in it: of a mosaic several, else one. */
static enum sm_status load_picture(const struct file *f, size_t first, size_t end,
				   struct sm_err *err)
{
	struct work *w = f->w;
	const struct sm_dcm_head *h = f->head;
	uint32_t picture = frame_of(w, w->order[first])->picture;
	const void *words =
		f->fd < 0 ? sm_frame_direct(f->dcm, h->syntax, &h->format, picture) : NULL;
	void *own = NULL;
	size_t bytes = 0;
	enum sm_status st = SM_OK;
	if (!words) {
		if (!sm_frame_size(&h->format, &bytes))
			return SM_FAIL(err, SM_INPUT, "Rows %d and Columns %d are too large",
				       h->format.rows, h->format.columns);
		own = sm_alloc(w->mem, bytes, 1, "one picture", err);
		if (!own)
			return SM_BUDGET;
		words = own;
		st = f->fd < 0 ? sm_frame_decode(f->dcm, h->syntax, &h->format, picture, w->mem,
						 own, err)
			       : sm_native_read(f->fd, f->offset, h->syntax, &h->format, picture,
						own, err);
	}
	for (size_t i = first; i < end && st == SM_OK; i++)
		store(w, w->order[i], words);
	sm_free(own);
	return st;
}

static enum sm_status one_frame(void *ctx, size_t i, struct sm_err *err)
{
	const struct file *f = ctx;
	return load_picture(f, f->load->first + i, f->load->first + i + 1, err);
}

static enum sm_status load_frames(const struct file *f, struct sm_err *err)
{
	const struct load *l = f->load;
	if (f->head->kind == SM_DCM_MOSAIC)
		return load_picture(f, l->first, l->first + l->n, err);
	return sm_par_for(l->n, f->w->inner, one_frame, (void *)f, err);
}

/* The file may have changed since its header was read: what sizes depend on must be the same. */
static enum sm_status check_same(const struct work *w, const struct sm_dicom *dcm,
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
	struct work *w = f->w;
	size_t n = f->load->n;
	struct sm_sidecar *one = calloc(1, sizeof *one);
	uint32_t *frames = calloc(n, sizeof *frames);
	if (!one || !frames) {
		free(one);
		free(frames);
		return SM_FAIL(err, SM_BUDGET, "series: out of memory");
	}
	struct sm_pet pet = {0};
	for (size_t i = 0; i < n; i++)
		frames[i] = frame_of(w, w->order[f->load->first + i])->picture;
	sm_sidecar_read(one, f->dcm, frames, f->head->kind == SM_DCM_MOSAIC ? 0 : n);
	if (w->pet)
		sm_pet_read(&pet, f->dcm, f->head->units);
	pthread_mutex_lock(&w->lock);
	sm_sidecar_join(&w->out->sidecar, one);
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
	struct work *w = f->w;
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
		size_t tile = frame_of(w, k)->tile;
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
	const struct sm_dcm_head *h = f->head;
	size_t bytes;
	bool large = f->load->n > 1 && h->kind != SM_DCM_MOSAIC &&
		     sm_native_readable(h->syntax, &h->format) &&
		     sm_frame_size(&h->format, &bytes) &&
		     (uint64_t)bytes * (uint64_t)h->format.frames > LARGE_BYTES;
	if (large) {
		SM_TRY(sm_dicom_open(full, SM_DICOM_HEAD, f->w->mem, &f->dcm, err));
		if (sm_dicom_pixels_offset(f->dcm, &f->offset)) {
			f->fd = open(full, O_RDONLY | O_CLOEXEC);
			return f->fd >= 0 ? SM_OK : SM_FAIL(err, SM_IO, "cannot be opened");
		}
		sm_dicom_close(f->dcm);
		f->dcm = NULL;
	}
	return sm_dicom_open(full, SM_DICOM_WHOLE, f->w->mem, &f->dcm, err);
}

static enum sm_status load_open(struct file *f, struct sm_err *err)
{
	struct work *w = f->w;
	SM_TRY(check_same(w, f->dcm, f->head, err));
	SM_TRY(sm_frames_check(f->dcm, f->head->syntax, &f->head->format, err));
	w->out->padded |= sm_frames_padded(f->dcm, &f->head->format);
	SM_TRY(load_frames(f, err));
	SM_TRY(read_texts(f, err));
	/* The first volume of some multi-band sequences has wrong slice times. */
	if (f->head == head_of(w, w->series->times > 1 ? w->series->depth : 0))
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

static enum sm_status load_file(void *ctx, size_t i, struct sm_err *err)
{
	struct work *w = ctx;
	const struct load *l = &w->load[i];
	size_t k = w->order[l->first], head = w->series->slice[k].head;
	struct file f = {.w = w, .load = l, .head = &w->scan->head[head], .fd = -1};
	const char *path = sm_scan_path(w->scan, head);
	char alias[13], *full = sm_path_join(w->root, path);
	if (!full)
		return SM_FAIL(err, SM_BUDGET, "series: out of memory");
	enum sm_status st = open_file(&f, full, err);
	free(full);
	if (st == SM_IO) /* its sentence has the path, which may name a person */
		st = SM_FAIL(err, SM_INPUT, "cannot be read");
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

static bool whole(double v)
{
	return fabs(v) < 1e9 && floor(v) == v;
}

static enum sm_status rescale_slice(void *ctx, size_t k, struct sm_err *err)
{
	struct work *w = ctx;
	struct sm_vol *vol = &w->out->vol;
	size_t n = sm_vol_count(vol) / w->series->n;
	uint16_t *v = (uint16_t *)vol->data + k * n;
	/* Modulo 2^16: the results fit, whether the stored numbers are signed or not. */
	uint16_t m = (uint16_t)(int64_t)w->out->slope, c = (uint16_t)(int64_t)w->out->intercept;
	(void)err;
#pragma omp simd
	for (size_t i = 0; i < n; i++)
		v[i] = (uint16_t)((uint32_t)v[i] * m + c);
	return SM_OK;
}

/* Would HU of the stored numbers lowest..highest be whole numbers of int16? */
static bool fits(const struct work *w, double lowest, double highest)
{
	double a = w->out->slope * lowest + w->out->intercept;
	double b = w->out->slope * highest + w->out->intercept;
	return a >= -32768 && b >= -32768 && a <= 32767 && b <= 32767;
}

/* Can the rescale be exact: whole numbers, stored in 16 bits? */
static bool may_be_exact(const struct work *w)
{
	const struct sm_series_volume *o = w->out;
	return o->vol.meaning == SM_MEANING_HU && !w->per_slice &&
	       (o->vol.dtype == SM_I16 || o->vol.dtype == SM_U16) && whole(o->slope) &&
	       whole(o->intercept);
}

/* When all numbers that may be stored fit, no second pass is needed. */
static bool exact_at_once(const struct work *w)
{
	bool good = may_be_exact(w);
	for (size_t k = 0; good && k < w->series->n; k++) {
		int64_t lowest, highest;
		sm_words_declared(&head_of(w, k)->format, &lowest, &highest);
		good = fits(w, (double)lowest, (double)highest);
	}
	return good;
}

/* Whole-number rescale of stored 16-bit numbers in place, when every result fits int16. */
static bool apply_exact(struct work *w, int jobs)
{
	if (!may_be_exact(w))
		return false;
	for (size_t k = 0; k < w->series->n && !w->exact; k++)
		if (!fits(w, w->lowest[k], w->highest[k]))
			return false;
	if (!w->exact)
		sm_par_for(w->series->n, jobs, rescale_slice, w, NULL);
	w->out->vol.dtype = SM_I16;
	return true;
}

static void scale(struct work *w, int jobs)
{
	struct sm_series_volume *o = w->out;
	if (w->per_slice) {
		o->scaling = SM_SCALING_FLOAT;
	} else if (o->slope == 1 && o->intercept == 0) {
		o->scaling = SM_SCALING_NONE;
	} else if (apply_exact(w, jobs)) {
		o->scaling = SM_SCALING_EXACT;
	} else {
		o->scaling = SM_SCALING_HEADER;
		o->vol.slope = o->slope;
		o->vol.inter = o->intercept;
	}
}

struct sorter {
	struct sm_slice slice;
	size_t k;
};

static int by_file(const void *a, const void *b)
{
	const struct sorter *x = a, *y = b;
	if (x->slice.head != y->slice.head)
		return x->slice.head < y->slice.head ? -1 : 1;
	return (x->slice.frame > y->slice.frame) - (x->slice.frame < y->slice.frame);
}

/* Which slices each file holds. */
static enum sm_status plan(struct work *w, int jobs, struct sm_err *err)
{
	size_t n = w->series->n;
	struct sorter *sorted = calloc(n, sizeof *sorted);
	w->order = calloc(n, sizeof *w->order);
	w->load = calloc(n, sizeof *w->load);
	if (!sorted || !w->order || !w->load) {
		free(sorted);
		return SM_FAIL(err, SM_BUDGET, "series: out of memory for %zu slices", n);
	}
	for (size_t k = 0; k < n; k++)
		sorted[k] = (struct sorter){w->series->slice[k], k};
	qsort(sorted, n, sizeof *sorted, by_file);
	for (size_t i = 0; i < n; i++) {
		w->order[i] = sorted[i].k;
		if (i == 0 || sorted[i].slice.head != sorted[i - 1].slice.head)
			w->load[w->loads++].first = i;
		w->load[w->loads - 1].n++;
	}
	free(sorted);
	/* Few files with many frames: one after the other, each on all threads. */
	w->inner = w->loads < 2 * (size_t)jobs ? jobs : 1;
	return SM_OK;
}

/* Step of the fourth axis in s when time points are even within 5 %, else 0. */
static double even_seconds(const struct sm_series *s)
{
	if (!s->time_s || s->times < 2)
		return 0;
	double step = s->time_s[s->times - 1] / (double)(s->times - 1);
	for (size_t t = 1; t < s->times; t++)
		if (fabs(s->time_s[t] - s->time_s[t - 1] - step) > 0.05 * step)
			return 0;
	return step;
}

static enum sm_status one_meaning(struct work *w, struct sm_err *err)
{
	struct sm_series_volume *o = w->out;
	enum sm_meaning meaning = meaning_of(head_of(w, 0), frame_of(w, 0));
	o->slope = frame_of(w, 0)->slope;
	o->intercept = frame_of(w, 0)->intercept;
	o->source = frame_of(w, 0)->scale;
	for (size_t k = 0; k < w->series->n; k++) {
		const struct sm_dcm_head *h = head_of(w, k);
		const struct sm_dcm_frame *f = frame_of(w, k);
		w->per_slice = w->per_slice || f->slope != o->slope || f->intercept != o->intercept;
		o->inverted = o->inverted || (h->inverted && meaning == SM_MEANING_ARBITRARY);
		o->inverted_kept =
			o->inverted_kept || (h->inverted && meaning != SM_MEANING_ARBITRARY);
		if (meaning_of(h, f) != meaning || f->scale != o->source)
			return SM_FAIL(err, SM_INPUT,
				       "slices differ in what their numbers mean "
				       "(rescale, RescaleType or Units); allowed is one meaning");
	}
	o->vol.meaning = meaning;
	return SM_OK;
}

static enum sm_status prepare(struct work *w, int jobs, struct sm_err *err)
{
	struct sm_series_volume *o = w->out;
	const struct sm_series *s = w->series;
	const struct sm_dcm_head *first = head_of(w, 0);
	enum sm_dtype type = SM_F32;
	w->pet = strcmp(first->modality, "PT") == 0;
	SM_TRY(one_meaning(w, err));
	enum sm_meaning meaning = o->vol.meaning;
	if (!w->per_slice)
		SM_TRY(sm_words_type(w->scan->head, s, &type, err));
	int64_t dim[4] = {first->tile_columns, first->tile_rows, (int64_t)s->depth,
			  (int64_t)s->times};
	SM_TRY(sm_vol_init(&o->vol, dim, type, w->mem, "series", err));
	o->vol.meaning = meaning;
	w->exact = exact_at_once(w);
	o->vol.frame_seconds = even_seconds(s);
	sm_stack_affine(&s->stack, o->vol.affine);
	w->lowest = sm_calloc(w->mem, s->n, sizeof *w->lowest, "series", err);
	w->highest = sm_calloc(w->mem, s->n, sizeof *w->highest, "series", err);
	return w->lowest && w->highest ? plan(w, jobs, err) : SM_BUDGET;
}

static enum sm_status regrid(struct work *w, int jobs, struct sm_err *err)
{
	size_t n = w->series->depth;
	SM_TRY(sm_vol_to_f32(&w->out->vol, w->mem, jobs, err));
	const struct sm_dcm_frame **frames = calloc(n, sizeof *frames);
	if (!frames)
		return SM_FAIL(err, SM_BUDGET, "series: out of memory");
	for (size_t k = 0; k < n; k++)
		frames[k] = frame_of(w, k);
	enum sm_status st = sm_stack_regrid(w->out, &w->series->stack, frames, w->mem, jobs, err);
	free(frames);
	return st;
}

static enum sm_status load_all(struct work *w, int jobs, char sha256[65], struct sm_err *err)
{
	if (sha256)
		SM_TRY(sm_series_files_list(w->series, &w->files, err));
	SM_TRY(sm_par_for(w->loads, w->inner > 1 ? 1 : jobs, load_file, w, err));
	if (!sha256)
		return SM_OK;
	SM_TRY(sm_series_files_hash(&w->files, w->root, w->scan, w->salt, jobs, err));
	return sm_series_files_sum(&w->files, sha256, err);
}

enum sm_status sm_series_read(const char *root, const struct sm_scan *scan,
			      const struct sm_series *series, const struct sm_salt *salt,
			      bool allow_regrid, struct sm_mem *mem, int jobs,
			      struct sm_series_volume *out, struct sm_err *err)
{
	return sm_series_read_hashed(root, scan, series, salt, allow_regrid, mem, jobs, NULL, out,
				     err);
}

enum sm_status sm_series_read_hashed(const char *root, const struct sm_scan *scan,
				     const struct sm_series *series, const struct sm_salt *salt,
				     bool allow_regrid, struct sm_mem *mem, int jobs,
				     char sha256[65], struct sm_series_volume *out,
				     struct sm_err *err)
{
	memset(out, 0, sizeof *out);
	out->polarity = -1;
	struct work w = {.root = root,
			 .scan = scan,
			 .series = series,
			 .salt = salt,
			 .mem = mem,
			 .out = out,
			 .lock = PTHREAD_MUTEX_INITIALIZER};
	bool tilted = series->notes >> SM_VERDICT_TILT & 1;
	bool uneven = sm_verdict_can_regrid(series->verdict);
	if (series->verdict != SM_VERDICT_OK && !(uneven && allow_regrid))
		return SM_FAIL(err, SM_INPUT, "%s: %s", sm_verdict_code(series->verdict),
			       series->why);
	enum sm_status st = prepare(&w, jobs, err);
	if (st == SM_OK)
		st = load_all(&w, jobs, sha256, err);
	if (st == SM_OK)
		scale(&w, jobs);
	if (st == SM_OK && allow_regrid && (uneven || tilted))
		st = regrid(&w, jobs, err);
	/* Of SUV, only that by body weight is called so. */
	if (st == SM_OK && w.pet)
		out->vol.meaning = sm_pet_meaning(out->pet.units, out->pet.suv_type);
	sm_free(w.lowest);
	sm_free(w.highest);
	sm_series_files_clear(&w.files);
	free(w.order);
	free(w.load);
	pthread_mutex_destroy(&w.lock);
	if (st != SM_OK)
		sm_series_volume_clear(out);
	return st;
}

void sm_series_volume_clear(struct sm_series_volume *v)
{
	sm_vol_clear(&v->vol);
	free(v->slice_times);
	memset(v, 0, sizeof *v);
}
