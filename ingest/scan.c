/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/scan.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/hash.h"
#include "core/nii.h"
#include "core/par.h"
#include "core/stage.h"
#include "ingest/head_cache.h"

#define PEEK 512

static const char *const kind_names[SM_FILE_KINDS] = {
	[SM_FILE_OTHER] = "other",     [SM_FILE_DICOM] = "dicom",   [SM_FILE_NIFTI] = "nifti",
	[SM_FILE_PICTURE] = "picture", [SM_FILE_BROKEN] = "broken",
};

const char *sm_file_kind_name(enum sm_file_kind kind)
{
	return kind_names[kind];
}

static uint32_t le(const unsigned char *b, int n)
{
	uint32_t v = 0;
	for (int i = n - 1; i >= 0; i--)
		v = v << 8 | b[i];
	return v;
}

static uint32_t be(const unsigned char *b, int n)
{
	uint32_t v = 0;
	for (int i = 0; i < n; i++)
		v = v << 8 | b[i];
	return v;
}

/* First element of a data set without preamble: group 2 or 8 in either byte order, then a value
 * representation of two capitals or a small implicit length. */
static bool starts_like_dicom(const unsigned char *b, size_t n)
{
	if (n < 16)
		return false;
	uint32_t group = le(b, 2), element = le(b + 2, 2), length = le(b + 4, 4);
	if (group == 0x0200 || group == 0x0800) {
		group = be(b, 2);
		element = be(b + 2, 2);
		length = be(b + 4, 4);
	}
	if ((group != 2 && group != 8) || element > 0x0070)
		return false;
	return (isupper(b[4]) && isupper(b[5])) || length <= 256;
}

static bool is_nifti(const unsigned char *b, size_t n, const char *name)
{
	if (n >= 2 && b[0] == 0x1f && b[1] == 0x8b)
		return sm_ends_like(name, ".nii.gz");
	if (n < 4)
		return false;
	uint32_t size = le(b, 4), swapped = be(b, 4);
	if (n >= 348 && (size == 348 || swapped == 348))
		return memcmp(b + 344, "n+1", 4) == 0 || memcmp(b + 344, "ni1", 4) == 0;
	if (n >= 12 && (size == 540 || swapped == 540))
		return memcmp(b + 4, "n+2", 4) == 0 || memcmp(b + 4, "ni2", 4) == 0;
	return false;
}

/* What the first bytes of a gzip file inflate to; how many those are. */
static size_t inflate_start(const unsigned char *b, size_t n, unsigned char out[PEEK])
{
	z_stream z = {.next_in = (unsigned char *)(uintptr_t)b,
		      .avail_in = (unsigned)n,
		      .next_out = out,
		      .avail_out = PEEK};
	if (inflateInit2(&z, 31) != Z_OK)
		return 0;
	inflate(&z, Z_SYNC_FLUSH);
	inflateEnd(&z);
	return PEEK - z.avail_out;
}

enum sm_file_kind sm_file_kind_of(const unsigned char *b, size_t n, const char *name)
{
	if (n >= 2 && b[0] == 0x1f && b[1] == 0x8b && !sm_ends_like(name, ".nii.gz")) {
		unsigned char start[PEEK];
		n = inflate_start(b, n, start);
		bool gzip = n >= 2 && start[0] == 0x1f && start[1] == 0x8b;
		enum sm_file_kind kind = gzip ? SM_FILE_OTHER : sm_file_kind_of(start, n, "");
		return kind == SM_FILE_DICOM || sm_ends_like(name, ".dcm.gz") ? SM_FILE_DICOM
									    : SM_FILE_OTHER;
	}
	static const struct {
		const char *magic;
		size_t n;
	} pictures[] = {
		{"\x89PNG\r\n", 6}, {"\xff\xd8\xff", 3}, {"II*\0", 4}, {"MM\0*", 4}, {"BM", 2},
		{"P5\n", 3},        {"P2\n", 3},         {"P6\n", 3},  {"GIF8", 4},
	};
	if (n >= 132 && memcmp(b + 128, "DICM", 4) == 0)
		return SM_FILE_DICOM;
	if (is_nifti(b, n, name) || sm_nii_stem(name))
		return SM_FILE_NIFTI;
	for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++)
		if (n >= pictures[i].n && memcmp(b, pictures[i].magic, pictures[i].n) == 0)
			return SM_FILE_PICTURE;
	if (starts_like_dicom(b, n) || sm_ends_like(name, ".dcm"))
		return SM_FILE_DICOM;
	return SM_FILE_OTHER;
}

struct work {
	const char *root;
	const struct sm_salt *salt;
	const struct sm_scan_rules *rules;
	struct sm_scan *scan;
	struct sm_head_cache *cache; /* NULL = none */
	struct sm_dcm_head **head; /* one a path, NULL for what is no DICOM file */
	char **why;                /* one a path, for broken ones */
	struct sm_progress progress;
	pthread_mutex_t lock;
	size_t done;
};

static enum sm_status broken(struct work *w, size_t i, const char *why, struct sm_err *err)
{
	w->scan->kind[i] = SM_FILE_BROKEN;
	w->why[i] = sm_strf("%s", why);
	return w->why[i] ? SM_OK : SM_FAIL(err, SM_BUDGET, "index: out of memory");
}

/* A disk or a server that fails now may not fail next time: nothing is kept. */
static enum sm_status unreadable(struct work *w, size_t i, const char *why, struct sm_err *err)
{
	w->scan->stamp[i].size = -1;
	return broken(w, i, why, err);
}

/* A file without SeriesInstanceUID is a series of its own, named by its content: what else lies in
 * the tree and what the file is called have no part in it. Copies are one series. */
static enum sm_status name_by_content(struct work *w, size_t i, const char *full,
				      struct sm_err *err)
{
	char hex[65];
	enum sm_status st = sm_sha256_file(full, hex, err);
	if (st == SM_OK) {
		sm_salt_hash(w->salt, hex, w->head[i]->series);
		return SM_OK;
	}
	if (st != SM_IO)
		return st;
	if (err->scarce)
		return sm_fail_unreadable(err, NULL);
	sm_dcm_head_clear(w->head[i]);
	free(w->head[i]);
	w->head[i] = NULL;
	return unreadable(w, i, "cannot be read", err);
}

static enum sm_status read_head(struct work *w, size_t i, const char *full, struct sm_err *err)
{
	struct sm_dicom *dcm;
	struct sm_err why = {0};
	enum sm_status st = sm_dicom_open(full, SM_DICOM_HEAD, NULL, &dcm, &why);
	if (st == SM_INTERNAL || st == SM_BUDGET) {
		*err = why;
		return st;
	}
	if (st == SM_IO && why.scarce) {
		*err = why;
		return sm_fail_unreadable(err, NULL);
	}
	/* Sentences of SM_IO hold the path, which may name a person. */
	if (st == SM_IO)
		return unreadable(w, i, "cannot be read", err);
	if (st != SM_OK)
		return broken(w, i, why.text, err);
	w->head[i] = calloc(1, sizeof **w->head);
	st = w->head[i] ? sm_dcm_head_read(dcm, w->salt, &w->rules->head, w->head[i], err)
			: SM_FAIL(err, SM_BUDGET, "index: out of memory");
	sm_dicom_close(dcm);
	return st == SM_OK && !*w->head[i]->series ? name_by_content(w, i, full, err) : st;
}

/* True when the cache knows the file as it is now. */
static bool known(struct work *w, size_t i, const char *full)
{
	struct stat st;
	struct sm_cached entry = {0};
	char hex[65];
	w->scan->stamp[i].size = -1;
	if (stat(full, &st) || !S_ISREG(st.st_mode))
		return false;
	sm_salt_hash(w->salt, w->scan->paths.path[i], hex);
	sm_cached_name(&entry, hex, &st);
	w->scan->stamp[i] =
		(struct sm_stamp){entry.size, entry.changed_ns, entry.inode_ns, entry.inode};
	if (!sm_head_cache_find(w->cache, &entry))
		return false;
	/* Out of memory is no reason to trust less: the file is opened then. */
	if (entry.kind == SM_FILE_BROKEN && !(w->why[i] = sm_strf("%s", entry.why)))
		return false;
	if (entry.has_head && !(w->head[i] = malloc(sizeof **w->head))) {
		free(entry.head.frame);
		return false;
	}
	if (entry.has_head)
		*w->head[i] = entry.head;
	w->scan->kind[i] = (enum sm_file_kind)entry.kind;
	return true;
}

static enum sm_status open_and_read(struct work *w, size_t i, const char *full, struct sm_err *err)
{
	unsigned char bytes[PEEK];
	FILE *f = fopen(full, "rb");
	if (!f && (errno == EMFILE || errno == ENFILE))
		return SM_FAIL(err, SM_IO, "a file cannot be opened: %s", strerror(errno));
	if (!f)
		return unreadable(w, i, "cannot be opened", err);
	size_t n = fread(bytes, 1, sizeof bytes, f);
	bool failed = ferror(f);
	fclose(f);
	if (failed)
		return unreadable(w, i, "cannot be read", err);
	w->scan->kind[i] = sm_file_kind_of(bytes, n, w->scan->paths.path[i]);
	return w->scan->kind[i] == SM_FILE_DICOM ? read_head(w, i, full, err) : SM_OK;
}

static enum sm_status look_at(void *ctx, size_t i, struct sm_err *err)
{
	struct work *w = ctx;
	enum sm_status st = SM_OK;
	char *full = sm_path_join(w->root, w->scan->paths.path[i]);
	if (!full)
		return SM_FAIL(err, SM_BUDGET, "index: out of memory");
	bool cached = known(w, i, full);
	if (!cached)
		st = open_and_read(w, i, full, err);
	free(full);
	pthread_mutex_lock(&w->lock);
	size_t done = ++w->done;
	w->scan->opened += !cached;
	pthread_mutex_unlock(&w->lock);
	sm_progress_set(&w->progress, done, NULL);
	return st;
}

/* SHA-256 of the file behind a header. */
static enum sm_status content(struct work *w, size_t head, char hex[65], struct sm_err *err)
{
	char *full = sm_path_join(w->root, sm_scan_path(w->scan, head));
	enum sm_status st = full ? sm_sha256_file(full, hex, err)
				 : SM_FAIL(err, SM_BUDGET, "index: out of memory");
	free(full);
	if (st == SM_IO) /* its sentence has the path, which may name a person */
		return SM_FAIL(err, SM_IO, "a DICOM file vanished or cannot be read");
	return st;
}

static enum sm_status same_file(void *ctx, size_t a, size_t b, bool *same, struct sm_err *err)
{
	struct work *w = ctx;
	char hex[2][65];
	SM_TRY(content(w, a, hex[0], err));
	SM_TRY(content(w, b, hex[1], err));
	*same = strcmp(hex[0], hex[1]) == 0;
	return SM_OK;
}

/* Moves the headers out of the table by path into one array, and lists the broken files. */
static enum sm_status collect(struct work *w, struct sm_err *err)
{
	struct sm_scan *s = w->scan;
	size_t n = s->paths.count;
	for (size_t i = 0; i < n; i++)
		s->count[s->kind[i]]++;
	s->dicom = calloc(s->count[SM_FILE_DICOM] + 1, sizeof *s->dicom);
	s->head = calloc(s->count[SM_FILE_DICOM] + 1, sizeof *s->head);
	s->broken = calloc(s->count[SM_FILE_BROKEN] + 1, sizeof *s->broken);
	s->broken_why = calloc(s->count[SM_FILE_BROKEN] + 1, sizeof *s->broken_why);
	if (!s->dicom || !s->head || !s->broken || !s->broken_why)
		return SM_FAIL(err, SM_BUDGET, "index: out of memory for %zu files", n);
	size_t broken = 0;
	for (size_t i = 0; i < n; i++) {
		if (w->head[i]) {
			s->head[s->dicom_count] = *w->head[i];
			s->dicom[s->dicom_count++] = i;
			*w->head[i] = (struct sm_dcm_head){0};
		} else if (s->kind[i] == SM_FILE_BROKEN) {
			snprintf(s->broken_why[broken], sizeof *s->broken_why, "%s",
				 w->why[i] ? w->why[i] : "cannot be read");
			s->broken[broken++] = i;
		}
	}
	return SM_OK;
}

static void lower(char *text)
{
	for (; *text; text++)
		*text = (char)tolower((unsigned char)*text);
}

static enum sm_status name_one(struct work *w, size_t i, struct sm_err *err)
{
	struct sm_scan *s = w->scan;
	const struct sm_series *series = &s->list.series[i];
	size_t first = series->slice[0].head;
	const struct sm_dcm_head *h = &s->head[first];
	char kind[17];
	snprintf(kind, sizeof kind, "%s", h->modality);
	lower(kind);
	s->series_key[i] = sm_arena_strf(&s->arena, "%s-%.12s%s%s", kind, h->series,
					 *series->name ? "-" : "", series->name);
	/* Without PatientID the study stands for the person, else the series: never two persons
	 * under one key. */
	static const char *const from[] = {NULL, "study", "series"};
	const char *who[] = {h->patient, h->study, h->series};
	size_t k = 0;
	while (k < 2 && !*who[k])
		k++;
	s->patient_from[i] = from[k];
	s->series_patient[i] = sm_arena_strf(&s->arena, "p%.12s", who[k]);
	return s->series_key[i] && s->series_patient[i]
		       ? SM_OK
		       : SM_FAIL(err, SM_BUDGET, "index: out of memory for %zu series", s->list.n);
}

static enum sm_status name_series(struct work *w, struct sm_err *err)
{
	struct sm_scan *s = w->scan;
	size_t n = s->list.n;
	s->series_key = sm_arena_alloc(&s->arena, (n + 1) * sizeof *s->series_key);
	s->series_patient = sm_arena_alloc(&s->arena, (n + 1) * sizeof *s->series_patient);
	s->patient_from = sm_arena_alloc(&s->arena, (n + 1) * sizeof *s->patient_from);
	if (!s->series_key || !s->series_patient || !s->patient_from)
		return SM_FAIL(err, SM_BUDGET, "index: out of memory for %zu series", n);
	for (size_t i = 0; i < n; i++)
		SM_TRY(name_one(w, i, err));
	return SM_OK;
}

const char *sm_scan_path(const struct sm_scan *scan, size_t head)
{
	return scan->paths.path[scan->dicom[head]];
}

static enum sm_status scan_walked(struct work *w, int jobs, struct sm_log *log, struct sm_err *err)
{
	struct sm_scan *s = w->scan;
	size_t n = s->paths.count;
	sm_progress_begin(&w->progress, log, "file", n);
	enum sm_status st = sm_par_for(n, jobs, look_at, w, err);
	sm_progress_end(&w->progress);
	SM_TRY(st);
	SM_TRY(collect(w, err));
	SM_TRY(sm_series_group(s->head, s->dicom_count, &w->rules->series, same_file, w, &s->list,
			       err));
	return name_series(w, err);
}

/* All that decides what a head says besides its file. */
static void stamp_of(const struct sm_salt *salt, const struct sm_scan_rules *rules, char hex[65])
{
	char text[128];
	snprintf(text, sizeof text, "heads of scanmill " SM_VERSION ", rules %d, %d",
		 SM_HEAD_VERSION, rules->head.philips_display);
	sm_salt_hash(salt, text, hex);
}

struct keeping {
	const struct sm_scan *scan;
	const struct sm_salt *salt;
	size_t *broken; /* by file: broken ones before it */
};

static int by_number(const void *a, const void *b)
{
	return (*(const size_t *)a > *(const size_t *)b) -
	       (*(const size_t *)a < *(const size_t *)b);
}

static bool cached_of(void *ctx, size_t i, struct sm_cached *e)
{
	const struct keeping *k = ctx;
	const struct sm_scan *scan = k->scan;
	struct stat st = {.st_size = scan->stamp[i].size};
	char hex[65];
	const size_t *head = scan->dicom_count ? bsearch(&i, scan->dicom, scan->dicom_count,
							 sizeof *head, by_number)
					       : NULL;
	e->has_head = head;
	if (head)
		e->head = scan->head[head - scan->dicom];
	if (scan->kind[i] == SM_FILE_BROKEN)
		snprintf(e->why, sizeof e->why, "%s", scan->broken_why[k->broken[i]]);
	e->kind = scan->kind[i];
	sm_salt_hash(k->salt, scan->paths.path[i], hex);
	sm_cached_name(e, hex, &st);
	e->changed_ns = scan->stamp[i].changed_ns;
	e->inode_ns = scan->stamp[i].inode_ns;
	e->inode = scan->stamp[i].inode;
	return st.st_size >= 0;
}

enum sm_status sm_scan_keep_heads(const struct sm_scan *scan, const struct sm_salt *salt,
				  const struct sm_scan_rules *rules, const char *dir,
				  struct sm_err *err)
{
	char hex[65];
	struct keeping k = {.scan = scan,
			    .salt = salt,
			    .broken = malloc((scan->paths.count + 1) * sizeof *k.broken)};
	size_t broken = 0;
	if (!k.broken)
		return SM_FAIL(err, SM_BUDGET, "index: out of memory for %zu files",
			       scan->paths.count);
	for (size_t i = 0; i < scan->paths.count; i++) {
		k.broken[i] = broken;
		broken += scan->kind[i] == SM_FILE_BROKEN;
	}
	stamp_of(salt, rules, hex);
	enum sm_status st = sm_head_cache_save(dir, hex, scan->paths.count, cached_of, &k, err);
	free(k.broken);
	return st;
}

void sm_scan_tell_left_out(struct sm_log *log, const struct sm_paths *paths)
{
	char text[200];
	if (sm_paths_left_out(paths, text, sizeof text))
		sm_warn(log, NULL, "%s left out of the folder", text);
	if (paths->closed)
		sm_warn(log, NULL, "%zu folders or files cannot be looked at", paths->closed);
}

enum sm_status sm_scan_tree(const char *root, const struct sm_salt *salt,
			    const struct sm_scan_rules *rules, int jobs, struct sm_log *log,
			    struct sm_scan *out, struct sm_err *err)
{
	*out = (struct sm_scan){0};
	SM_TRY(sm_walk(root, &out->paths, err));
	sm_scan_tell_left_out(log, &out->paths);
	size_t n = out->paths.count;
	struct work w = {
		.root = root,
		.salt = salt,
		.rules = rules,
		.scan = out,
		.head = calloc(n + 1, sizeof *w.head),
		.why = calloc(n + 1, sizeof *w.why),
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	out->kind = calloc(n + 1, sizeof *out->kind);
	out->stamp = calloc(n + 1, sizeof *out->stamp);
	enum sm_status st = SM_OK;
	char stamp[65];
	stamp_of(salt, rules, stamp);
	if (rules->cache_dir)
		st = sm_head_cache_load(rules->cache_dir, stamp, &w.cache, err);
	if (st == SM_OK && w.head && w.why && out->kind && out->stamp)
		st = scan_walked(&w, jobs, log, err);
	else if (st == SM_OK)
		st = SM_FAIL(err, SM_BUDGET, "index: out of memory for %zu files", n);
	sm_head_cache_free(w.cache);
	for (size_t i = 0; i < n; i++) {
		if (w.head && w.head[i])
			sm_dcm_head_clear(w.head[i]);
		free(w.head ? w.head[i] : NULL);
		free(w.why ? w.why[i] : NULL);
	}
	free(w.head);
	free(w.why);
	pthread_mutex_destroy(&w.lock);
	if (st != SM_OK)
		sm_scan_clear(out);
	return st;
}

void sm_scan_clear(struct sm_scan *scan)
{
	sm_paths_clear(&scan->paths);
	sm_series_list_clear(&scan->list);
	for (size_t i = 0; i < scan->dicom_count; i++)
		sm_dcm_head_clear(&scan->head[i]);
	free(scan->kind);
	free(scan->stamp);
	free(scan->dicom);
	free(scan->head);
	free(scan->broken);
	free(scan->broken_why);
	sm_arena_clear(&scan->arena);
	*scan = (struct sm_scan){0};
}
