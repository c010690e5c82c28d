/* SPDX-License-Identifier: Apache-2.0
 *
 * A folder of its own for a test program's files, without folders in it: made at the start, gone at
 * the
 * end. */
#ifndef SM_TESTS_FOLDER_H
#define SM_TESTS_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/file.h"

static char dir[] = "/tmp/scanmill-test-XXXXXX";
static char *latest; /* what at() gave last */

/* The path of a file in the folder; good until the fourth call after this one. */
static inline char *at(const char *name)
{
	static char paths[4][128];
	static int turn;
	latest = paths[turn++ % 4];
	snprintf(latest, sizeof paths[0], "%s/%s", dir, name);
	return latest;
}

/* 0, or -1 as cmocka's set-up functions want it. */
static inline int folder_make(void)
{
	return mkdtemp(dir) ? 0 : -1;
}

static inline int folder_remove(void)
{
	struct sm_paths files;
	if (sm_walk(dir, &files, NULL) != SM_OK)
		return -1;
	for (size_t i = 0; i < files.count; i++)
		unlink(at(files.path[i]));
	sm_paths_clear(&files);
	return rmdir(dir);
}

#endif
