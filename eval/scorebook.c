/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/scorebook.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/spool.h"

/* Cases of a block: as many as make about 2 MiB, so that a column is read in few pieces. */
enum { BLOCK_BYTES = 2 << 20, LEAST_CASES = 16, MOST_CASES = 1024 };

/* Numbers of a case beside its cells. */
struct extent {
	double voxel_mm3, spacing[3];
};

struct sm_scorebook {
	size_t rows, columns, cases;
	const char **key;
	uint32_t *cluster;
	size_t room; /* of key and cluster */
	bool sorted; /* keys rise */
	/* Patients: an open table of 1 + the first case of each, by their name. */
	const char **patient; /* of each case, NULL = not known */
	size_t *table, slots, patients;
	bool repeated; /* one has two cases */
	struct sm_arena arena;
	struct sm_spool spool;
	/* A block holds a column of `per` cells after the other, then counts, situations and
	 * extents in the same way; the last one, not full, stands in `open`. */
	size_t per, bytes;
	unsigned char *open;
	unsigned char *read; /* block number read_at, of sm_scorebook_case */
	size_t read_at;
};

/* Offsets in a block. */
static size_t cell_at(const struct sm_scorebook *b, size_t row, size_t column)
{
	return (row * b->columns + column) * b->per * sizeof(struct sm_cell);
}

static size_t counts_at(const struct sm_scorebook *b, size_t row)
{
	return cell_at(b, b->rows, 0) + row * b->per * sizeof(struct sm_counts);
}

static size_t extent_at(const struct sm_scorebook *b)
{
	return counts_at(b, b->rows);
}

static size_t situation_at(const struct sm_scorebook *b, size_t row)
{
	return extent_at(b) + b->per * sizeof(struct extent) + row * b->per;
}

enum sm_status sm_scorebook_open(const char *dir, size_t rows, size_t columns,
				 struct sm_scorebook **out, struct sm_err *err)
{
	struct sm_scorebook *b = calloc(1, sizeof *b);
	*out = NULL;
	if (!b)
		return SM_FAIL(err, SM_BUDGET, "scores: out of memory");
	size_t one = rows * columns * sizeof(struct sm_cell) +
		     rows * (sizeof(struct sm_counts) + 1) + sizeof(struct extent);
	b->rows = rows;
	b->columns = columns;
	b->per = BLOCK_BYTES / one;
	b->per = b->per < LEAST_CASES ? LEAST_CASES : b->per > MOST_CASES ? MOST_CASES : b->per;
	b->bytes = b->per * one;
	b->sorted = true;
	b->read_at = SM_NONE;
	b->spool.dir = dir ? sm_arena_strdup(&b->arena, dir) : NULL;
	b->open = calloc(1, b->bytes);
	if (!b->open || (dir && !b->spool.dir)) {
		sm_scorebook_close(b);
		return SM_FAIL(err, SM_BUDGET, "scores: out of memory");
	}
	*out = b;
	return SM_OK;
}

void sm_scorebook_close(struct sm_scorebook *b)
{
	if (!b)
		return;
	sm_spool_clear(&b->spool);
	sm_arena_clear(&b->arena);
	free(b->key);
	free(b->cluster);
	free(b->patient);
	free(b->table);
	free(b->open);
	free(b->read);
	free(b);
}

static bool grow(struct sm_scorebook *b)
{
	size_t room = b->room ? 2 * b->room : 64;
	const char **key = realloc(b->key, room * sizeof *key);
	if (key)
		b->key = key;
	const char **patient = realloc(b->patient, room * sizeof *patient);
	if (patient)
		b->patient = patient;
	uint32_t *cluster = realloc(b->cluster, room * sizeof *cluster);
	if (cluster)
		b->cluster = cluster;
	if (!key || !patient || !cluster)
		return false;
	b->room = room;
	return true;
}

/* FNV-1a. */
static size_t hash_of(const char *name)
{
	uint64_t h = 0xCBF29CE484222325u;
	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 0x100000001B3u;
	return (size_t)(h ^ h >> 29);
}

/* Where a patient's name stands in the table, or the free place for it. */
static size_t *slot_of(const struct sm_scorebook *b, size_t *table, size_t slots, const char *name)
{
	size_t at = hash_of(name) & (slots - 1);
	while (table[at] && strcmp(b->patient[table[at] - 1], name) != 0)
		at = (at + 1) & (slots - 1);
	return &table[at];
}

/* At most half of the places are taken. */
static bool widen(struct sm_scorebook *b)
{
	if (2 * (b->cases + 1) <= b->slots)
		return true;
	size_t slots = b->slots ? 2 * b->slots : 128;
	size_t *table = calloc(slots, sizeof *table);
	if (!table)
		return false;
	for (size_t i = 0; i < b->slots; i++)
		if (b->table[i])
			*slot_of(b, table, slots, b->patient[b->table[i] - 1]) = b->table[i];
	free(b->table);
	b->table = table;
	b->slots = slots;
	return true;
}

/* Key, patient and cluster of the next case. */
static enum sm_status enter(struct sm_scorebook *b, const char *key, const char *patient,
			    struct sm_err *err)
{
	const size_t i = b->cases;
	const char *last = i ? b->key[i - 1] : NULL;
	if (last && strcmp(last, key) == 0)
		return SM_FAIL(err, SM_INTERNAL, "scores: case %s stands there twice", key);
	const bool known = patient && *patient;
	if (i == UINT32_MAX || (i == b->room && !grow(b)) || (known && !widen(b)))
		return SM_FAIL(err, SM_BUDGET, "scores: out of memory");
	b->key[i] = sm_arena_strdup(&b->arena, key);
	b->patient[i] = NULL;
	if (!b->key[i])
		return SM_FAIL(err, SM_BUDGET, "scores: out of memory");
	b->sorted &= !last || strcmp(last, key) < 0;
	b->cluster[i] = (uint32_t)b->patients;
	if (!known) {
		b->patients++;
		return SM_OK;
	}
	size_t *slot = slot_of(b, b->table, b->slots, patient);
	if (*slot) {
		b->cluster[i] = b->cluster[*slot - 1];
		b->repeated = true;
		return SM_OK;
	}
	b->patient[i] = sm_arena_strdup(&b->arena, patient);
	if (!b->patient[i])
		return SM_FAIL(err, SM_BUDGET, "scores: out of memory");
	*slot = i + 1;
	b->patients++;
	return SM_OK;
}

enum sm_status sm_scorebook_add(struct sm_scorebook *b, const char *key, const char *patient,
				const struct sm_case_scores *s, struct sm_err *err)
{
	const size_t k = b->cases % b->per;
	if (s->rows != b->rows || s->columns != b->columns)
		return SM_FAIL(err, SM_INTERNAL, "scores of case %s: %zu x %zu, not %zu x %zu", key,
			       s->rows, s->columns, b->rows, b->columns);
	SM_TRY(enter(b, key, patient, err));
	for (size_t r = 0; r < b->rows; r++) {
		for (size_t c = 0; c < b->columns; c++)
			((struct sm_cell *)(void *)(b->open + cell_at(b, r, c)))[k] =
				s->cell[r * b->columns + c];
		((struct sm_counts *)(void *)(b->open + counts_at(b, r)))[k] = s->counts[r];
		b->open[situation_at(b, r) + k] = s->situation[r];
	}
	struct extent e = {s->voxel_mm3, {s->spacing[0], s->spacing[1], s->spacing[2]}};
	((struct extent *)(void *)(b->open + extent_at(b)))[k] = e;
	if (k + 1 == b->per)
		SM_TRY(sm_spool_add(&b->spool, b->open, b->bytes, NULL, err));
	b->cases++;
	return SM_OK;
}

enum sm_status sm_scorebook_read(struct sm_scorebook *b, struct sm_records *records,
				 const struct sm_label_map *map, const struct sm_columns *columns,
				 struct sm_err *err)
{
	enum sm_status st = SM_OK;
	json_t *record;
	size_t i;
	sm_records_foreach(records, i, record)
	{
		struct sm_case_scores s = {0};
		if (st != SM_OK || !sm_records_ok(records, i))
			continue;
		const char *key = sm_records_key(records, i);
		st = sm_case_scores_from_json(map, columns, record, key, &s, err);
		if (st == SM_OK)
			st = sm_scorebook_add(b, key,
					      json_string_value(json_object_get(record, "patient")),
					      &s, err);
		sm_case_scores_clear(&s);
	}
	return st == SM_OK ? sm_records_check(records, err) : st;
}

size_t sm_scorebook_cases(const struct sm_scorebook *b)
{
	return b->cases;
}

size_t sm_scorebook_rows(const struct sm_scorebook *b)
{
	return b->rows;
}

size_t sm_scorebook_columns(const struct sm_scorebook *b)
{
	return b->columns;
}

const char *sm_scorebook_key(const struct sm_scorebook *b, size_t i)
{
	return b->key[i];
}

static int by_key(const void *key, const void *element)
{
	return strcmp(key, *(const char *const *)element);
}

size_t sm_scorebook_find(const struct sm_scorebook *b, const char *key)
{
	if (b->sorted) {
		const char **at =
			b->cases ? bsearch(key, b->key, b->cases, sizeof *b->key, by_key) : NULL;
		return at ? (size_t)(at - b->key) : SM_NONE;
	}
	for (size_t i = 0; i < b->cases; i++)
		if (strcmp(b->key[i], key) == 0)
			return i;
	return SM_NONE;
}

const uint32_t *sm_scorebook_clusters(const struct sm_scorebook *b, size_t *patients)
{
	if (patients)
		*patients = b->patients;
	return b->repeated ? b->cluster : NULL;
}

/* `size` bytes of each case, which begin at `at` in every block. */
static enum sm_status gather(const struct sm_scorebook *b, size_t at, size_t size, void *out,
			     struct sm_err *err)
{
	unsigned char *to = out;
	for (size_t from = 0; from < b->cases; from += b->per) {
		size_t n = b->cases - from < b->per ? b->cases - from : b->per;
		if (n < b->per)
			memcpy(to, b->open + at, n * size);
		else
			SM_TRY(sm_read_at(b->spool.fd, (uint64_t)(from / b->per) * b->bytes + at,
					  to, n * size, "scores", err));
		to += n * size;
	}
	return SM_OK;
}

enum sm_status sm_scorebook_column(const struct sm_scorebook *b, size_t row, size_t column,
				   struct sm_cell *out, struct sm_err *err)
{
	return gather(b, cell_at(b, row, column), sizeof *out, out, err);
}

enum sm_status sm_scorebook_counts(const struct sm_scorebook *b, size_t row, struct sm_counts *out,
				   struct sm_err *err)
{
	return gather(b, counts_at(b, row), sizeof *out, out, err);
}

enum sm_status sm_scorebook_situations(const struct sm_scorebook *b, size_t row, uint8_t *out,
				       struct sm_err *err)
{
	return gather(b, situation_at(b, row), 1, out, err);
}

enum sm_status sm_scorebook_voxels(const struct sm_scorebook *b, double *voxel_mm3,
				   struct sm_err *err)
{
	struct extent *all = sm_alloc(NULL, b->cases + 1, sizeof *all, "scores", err);
	if (!all)
		return SM_BUDGET;
	enum sm_status st = gather(b, extent_at(b), sizeof *all, all, err);
	for (size_t i = 0; st == SM_OK && i < b->cases; i++)
		voxel_mm3[i] = all[i].voxel_mm3;
	sm_free(all);
	return st;
}

/* The block of case i: the open one, or that which was read last. */
static enum sm_status block_of(struct sm_scorebook *b, size_t i, const unsigned char **out,
			       struct sm_err *err)
{
	const size_t n = i / b->per;
	*out = b->open;
	if ((n + 1) * b->per > b->cases)
		return SM_OK;
	if (!b->read)
		b->read = malloc(b->bytes);
	if (!b->read)
		return SM_FAIL(err, SM_BUDGET, "scores: out of memory");
	*out = b->read;
	if (b->read_at == n)
		return SM_OK;
	b->read_at = SM_NONE;
	SM_TRY(sm_read_at(b->spool.fd, (uint64_t)n * b->bytes, b->read, b->bytes, "scores", err));
	b->read_at = n;
	return SM_OK;
}

enum sm_status sm_scorebook_case(struct sm_scorebook *b, size_t i, struct sm_case_scores *out,
				 struct sm_err *err)
{
	const unsigned char *block;
	const size_t k = i % b->per;
	struct extent e;
	if (i >= b->cases || out->rows != b->rows || out->columns != b->columns)
		return SM_FAIL(err, SM_INTERNAL, "scores: no case number %zu of %zu x %zu", i,
			       out->rows, out->columns);
	SM_TRY(block_of(b, i, &block, err));
	for (size_t r = 0; r < b->rows; r++) {
		for (size_t c = 0; c < b->columns; c++)
			memcpy(&out->cell[r * b->columns + c],
			       block + cell_at(b, r, c) + k * sizeof *out->cell, sizeof *out->cell);
		memcpy(&out->counts[r], block + counts_at(b, r) + k * sizeof *out->counts,
		       sizeof *out->counts);
		out->situation[r] = block[situation_at(b, r) + k];
	}
	memcpy(&e, block + extent_at(b) + k * sizeof e, sizeof e);
	out->voxel_mm3 = e.voxel_mm3;
	memcpy(out->spacing, e.spacing, sizeof e.spacing);
	return SM_OK;
}

double sm_cell_number(const struct sm_cell *cell)
{
	if (cell->why == SM_IS_INFINITE)
		return INFINITY;
	return cell->why == SM_HAS_VALUE || cell->why == SM_BY_POLICY ? cell->v : NAN;
}
