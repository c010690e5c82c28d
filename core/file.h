/* SPDX-License-Identifier: Apache-2.0
 *
 * Files: whole reads, atomic writes (temporary name in the same folder, fsync, rename), sorted
 * walks, safe names. A killed run leaves only `.NAME.partial` files, which no reader looks at and
 * the next run removes.
 */
#ifndef SM_CORE_FILE_H
#define SM_CORE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/err.h"
#include "core/mem.h"

/* Reads a whole regular file; *data is sm_alloc memory (free with sm_free), zero-terminated behind
 * its *size bytes. A file longer than max (0 = no bound but the budget) is refused before
 * reading. */
enum sm_status sm_file_read(const char *path, size_t max, struct sm_mem *mem, unsigned char **data,
			    size_t *size, struct sm_err *err);

/* True when there is nothing of that name; what cannot be looked at is not absent. */
bool sm_file_absent(const char *path);

/* Opens a regular file for reading, without waiting for what is none; *size (may be NULL) is its
 * length. Longer than max (0 = no bound): refused. */
enum sm_status sm_file_open(const char *path, size_t max, int *fd, size_t *size,
			    struct sm_err *err);

/* Writes bytes atomically. */
enum sm_status sm_file_write(const char *path, const void *data, size_t size, struct sm_err *err);

/* A file being written in pieces. temp is the path to write to (for libraries that open by name);
 * stream is open on it unless sm_outfile_begin was told not to open. */
struct sm_outfile {
	char *path, *temp;
	FILE *stream;
};

enum sm_status sm_outfile_begin(struct sm_outfile *out, const char *path, bool open_stream,
				struct sm_err *err);
/* Asks the system to begin writing to the disk what `stream` has passed on so far, without waiting:
 * the fsync at the end then finds less to do. A hint; it cannot fail. */
void sm_stream_push(FILE *stream);
/* Flushes, fsyncs, renames to the final name, fsyncs the folder. On failure the temporary file is
 * removed. Frees the struct's memory either way. */
enum sm_status sm_outfile_commit(struct sm_outfile *out, struct sm_err *err);
/* Removes the temporary file and frees; fine on a zeroed or committed struct. */
void sm_outfile_abandon(struct sm_outfile *out);

/* Files that are written one after the other and get their names together, at the price of one sync
 * of a folder for all. None stays open meanwhile: descriptors are few. Zeroed = empty. */
struct sm_outset {
	struct sm_outfile *file;
	size_t n, room;
};

/* Takes a written file over and closes it. Without a set (NULL) it is committed at once. `out`
 * is zero afterwards; on failure its temporary file is removed. */
enum sm_status sm_outset_add(struct sm_outset *set, struct sm_outfile *out, struct sm_err *err);
/* Like sm_file_write into the set. */
enum sm_status sm_outset_write(struct sm_outset *set, const char *path, const void *data,
			       size_t size, struct sm_err *err);
/* Adds all files of `from`, which is empty afterwards. SM_BUDGET, and then nothing has moved. */
enum sm_status sm_outset_move(struct sm_outset *set, struct sm_outset *from, struct sm_err *err);
/* Syncs all files, renames all to their names, in the order in which they were added, syncs each
 * folder once. After a failure what has no name yet is removed. Leaves the set empty either way. */
enum sm_status sm_outset_commit(struct sm_outset *set, struct sm_err *err);
/* Removes the temporary files; the set is empty afterwards. */
void sm_outset_abandon(struct sm_outset *set);

/* mkdir -p. */
enum sm_status sm_mkdirs(const char *path, struct sm_err *err);

bool sm_file_exists(const char *path);
bool sm_is_dir(const char *path);

/* True when dir/path is a regular file that lies below dir indeed: no step of path leads over a
 * link. */
bool sm_file_is_own(const char *dir, const char *path);

/* "dir/name" in fresh malloc memory (aborts never; NULL when out of memory). */
char *sm_path_join(const char *dir, const char *name);

/* Last component of path. */
const char *sm_path_base(const char *path);

/* True when text ends with suffix. */
bool sm_ends_with(const char *text, const char *suffix);
/* The same, capitals or not (ASCII): for names of files that others gave. */
bool sm_ends_like(const char *text, const char *suffix);

/* A sorted list of paths relative to the walked root, and how much of each kind was left out. */
struct sm_paths {
	char **path;
	size_t count;
	size_t closed; /* of these paths: folders that cannot be read, entries that cannot be looked
			  at */
	size_t hidden, linked, broken, special; /* folders with a dot; links to folders, to nowhere;
						 * pipes, sockets and devices */
};

/* All regular files below root (symbolic links to files are followed, to folders not), relative to
 * it, sorted by the bytes of the path; names that end in .partial, hidden folders and hidden
 * .NAME.cache files are left out. A folder below root that cannot be read, and an entry that cannot
 * be looked at, is a path like that of a file: opening it fails, so that nothing vanishes. SM_IO
 * when root itself cannot be read, SM_INPUT for more than 64 levels. */
enum sm_status sm_walk(const char *root, struct sm_paths *out, struct sm_err *err);
/* "3 hidden folders and 1 broken link", of what a walk left out; false when that is nothing. */
bool sm_paths_left_out(const struct sm_paths *paths, char *out, size_t n);
void sm_paths_clear(struct sm_paths *paths);

/* Removes every `.NAME.partial` file below root, which a killed run left there, but for `keep` (a
 * path as "root/NAME", or NULL). Folders that are empty then stay: sm_remove_empty_folders. */
enum sm_status sm_remove_partials(const char *root, const char *keep, struct sm_err *err);

/* Removes every folder below root that holds nothing or only such folders; hidden ones and links
 * stay. */
void sm_remove_empty_folders(const char *root);

/* True when `inner` is the folder `outer` or lies below it, links followed; inner need not exist
 * yet: the part of it that exists decides. */
bool sm_path_is_below(const char *inner, const char *outer);

/* True when a relative path from a file stays inside its folder: not empty, not absolute, no
 * "..". */
bool sm_path_is_inside(const char *path);

/* True when key is safe as a file name: 1..100 of [A-Za-z0-9_-.], not starting with '.' or '-'. */
bool sm_key_is_safe(const char *key);

/* True when key ends as a file that a stage writes beside the items' folders (ledger.jsonl,
 * files.sha256, config.json, KEY.h5): an item of that name would stand in its way, or in another
 * item's. */
bool sm_key_is_reserved(const char *key);
#define SM_KEYS_RESERVED ".json, .jsonl, .sha256, .csv, .html, .svg, .png, .h5, .hdf5, .partial"

#endif
