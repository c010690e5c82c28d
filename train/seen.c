/* SPDX-License-Identifier: Apache-2.0 */
#include "train/seen.h"

#include <stdlib.h>
#include <string.h>

#include "core/h5base.h"
#include "core/hash.h"
#include "core/records.h"
#include "train/loader.h"

#define DATASET "trained_on"
#define MOST 10000000 /* cases */

void sm_seen_clear(struct sm_seen *seen)
{
	free(seen->v);
	*seen = (struct sm_seen){0};
}

static uint64_t mark_of(const char *key)
{
	char hex[65];
	sm_sha256_bytes(key, strlen(key), hex);
	hex[16] = 0;
	return strtoull(hex, NULL, 16);
}

static int by_value(const void *a, const void *b)
{
	uint64_t p = *(const uint64_t *)a, q = *(const uint64_t *)b;
	return (p > q) - (p < q);
}

enum sm_status sm_seen_collect(const struct sm_ledger *tile, const struct sm_ledger *split,
			       const struct sm_tiles_fold *fold, struct sm_seen *seen,
			       struct sm_err *err)
{
	size_t i;
	json_t *record;
	*seen = (struct sm_seen){.known = true};
	seen->v = calloc(sm_records_count(tile->records) + 1, sizeof *seen->v);
	if (!seen->v)
		return SM_FAIL(err, SM_BUDGET, "cases of the training: out of memory");
	sm_records_foreach(tile->records, i, record)
	{
		if (!sm_record_ok(record))
			continue;
		json_t *its = sm_ledger_get(split, sm_record_key(record));
		if (sm_tiles_fold_has(fold, its))
			seen->v[seen->n++] = mark_of(sm_record_key(record));
		json_decref(its);
	}
	qsort(seen->v, seen->n, sizeof *seen->v, by_value);
	SM_TRY(sm_records_check(tile->records, err));
	return sm_records_check(split->records, err);
}

enum sm_status sm_seen_add(struct sm_seen *seen, const char *key, struct sm_err *err)
{
	uint64_t mark = mark_of(key);
	size_t at = 0;
	seen->known = true;
	while (at < seen->n && seen->v[at] < mark)
		at++;
	if (at < seen->n && seen->v[at] == mark)
		return SM_OK;
	uint64_t *v = realloc(seen->v, (seen->n + 1) * sizeof *v);
	if (!v)
		return SM_FAIL(err, SM_BUDGET, "cases of the training: out of memory");
	memmove(v + at + 1, v + at, (seen->n - at) * sizeof *v);
	v[at] = mark;
	seen->v = v;
	seen->n++;
	return SM_OK;
}

bool sm_seen_has(const struct sm_seen *seen, const char *key)
{
	uint64_t mark = mark_of(key);
	return seen->n && bsearch(&mark, seen->v, seen->n, sizeof mark, by_value);
}

enum sm_status sm_seen_write(int64_t file, const char *name, const struct sm_seen *seen,
			     struct sm_err *err)
{
	const hsize_t dims[1] = {seen->n};
	if (!seen->known || !seen->n)
		return SM_OK;
	return sm_h5_put_stored(file, DATASET, H5T_STD_U64LE, 1, dims, seen->v)
		       ? SM_OK
		       : SM_FAIL(err, SM_IO, "%s: HDF5 cannot write the cases of the training",
				 name);
}

enum sm_status sm_seen_read(int64_t file, const char *name, struct sm_seen *seen,
			    struct sm_err *err)
{
	hsize_t dims[1] = {0};
	enum sm_status st = SM_OK;
	*seen = (struct sm_seen){0};
	if (H5Lexists(file, DATASET, H5P_DEFAULT) <= 0)
		return SM_OK;
	hid_t set = H5Dopen2(file, DATASET, H5P_DEFAULT), space = set < 0 ? -1 : H5Dget_space(set);
	if (space < 0 || H5Sget_simple_extent_ndims(space) != 1 ||
	    H5Sget_simple_extent_dims(space, dims, NULL) != 1 || dims[0] < 1 || dims[0] > MOST)
		st = SM_FAIL(err, SM_INPUT, "%s: " DATASET " has %llu cases, allowed are 1 to %d",
			     name, (unsigned long long)dims[0], MOST);
	else if (!(seen->v = calloc(dims[0], sizeof *seen->v)))
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	else if (!sm_h5_read_all(set, H5T_NATIVE_UINT64, seen->v))
		st = SM_FAIL(err, SM_INPUT, "%s: " DATASET " is damaged", name);
	seen->n = st == SM_OK ? dims[0] : 0;
	seen->known = st == SM_OK;
	for (size_t i = 1; i < seen->n; i++)
		if (seen->v[i - 1] >= seen->v[i])
			st = SM_FAIL(err, SM_INPUT, "%s: " DATASET " is not in ascending order",
				     name);
	if (space >= 0)
		H5Sclose(space);
	sm_h5_close_dataset(&set);
	if (st != SM_OK)
		sm_seen_clear(seen);
	return st;
}
