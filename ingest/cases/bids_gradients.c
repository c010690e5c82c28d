/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradient tables of diffusion scans: numbers in text, one line of b-values, three of directions.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/nii.h"
#include "ingest/cases/bids_fields.h"

#define MAX_BYTES (4u << 20)

static int compare_path(const void *key, const void *path)
{
	return strcmp(key, *(char *const *)path);
}

/* One line of numbers; NULL when something else stands there. *text moves behind the line. */
static json_t *read_line(const char **text)
{
	json_t *line = json_array();
	for (;;) {
		char *end;
		*text += strspn(*text, " \t\r");
		if (!**text || **text == '\n')
			break;
		double v = strtod(*text, &end);
		if (end == *text || !isfinite(v) || !strchr(" \t\r\n", *end)) {
			json_decref(line);
			return NULL;
		}
		json_array_append_new(line, json_real(v));
		*text = end;
	}
	*text += **text == '\n';
	return line;
}

/* A table of `want` lines of the same length; NULL when it is none. */
static json_t *read_table(const char *text, size_t want)
{
	json_t *table = json_array();
	while (*text) {
		json_t *line = read_line(&text);
		bool blank = line && !json_array_size(line);
		bool even = line &&
			    (blank || !json_array_size(table) ||
			     json_array_size(line) == json_array_size(json_array_get(table, 0)));
		if (line && !blank)
			json_array_append(table, line);
		json_decref(line);
		if (!even || json_array_size(table) > want) {
			json_decref(table);
			return NULL;
		}
	}
	if (json_array_size(table) == want)
		return table;
	json_decref(table);
	return NULL;
}

/* The table in the file beside path whose end is `end`. */
static enum sm_status read_beside(const char *root, const struct sm_paths *paths, const char *path,
				  const char *end, size_t lines, struct sm_mem *mem, json_t **table,
				  struct sm_err *err)
{
	size_t stem = sm_nii_stem(path), n;
	unsigned char *bytes;
	char *name = sm_strf("%.*s%s", (int)stem, path, end);
	char *full = name ? sm_path_join(root, name) : NULL;
	enum sm_status st = full ? SM_OK : SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
	*table = NULL;
	if (st == SM_OK &&
	    bsearch(name, paths->path, paths->count, sizeof *paths->path, compare_path)) {
		st = sm_file_read(full, MAX_BYTES, mem, &bytes, &n, err);
		if (st == SM_OK)
			*table = read_table((const char *)bytes, lines);
		if (st == SM_OK)
			sm_free(bytes);
		else if (st == SM_IO && err->scarce)
			st = sm_fail_unreadable(err, name);
		else if (st != SM_BUDGET)
			st = SM_OK; /* no table, as when it is not there */
	}
	free(name);
	free(full);
	return st;
}

enum sm_status sm_bids_gradients(const char *root, const struct sm_paths *paths, const char *path,
				 struct sm_mem *mem, json_t **fields, struct sm_err *err)
{
	json_t *values, *directions = NULL;
	*fields = NULL;
	SM_TRY(read_beside(root, paths, path, ".bval", 1, mem, &values, err));
	enum sm_status st = read_beside(root, paths, path, ".bvec", 3, mem, &directions, err);
	json_t *line = json_array_get(values, 0);
	if (st == SM_OK && line && directions &&
	    json_array_size(line) == json_array_size(json_array_get(directions, 0))) {
		*fields = json_object();
		json_object_set(*fields, "bval", line);
		json_object_set(*fields, "bvec", directions);
	}
	json_decref(values);
	json_decref(directions);
	return st;
}
