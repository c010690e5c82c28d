/* SPDX-License-Identifier: Apache-2.0
 *
 * Label volumes of a plain folder, whose names without .nii or .nii.gz are the cases.
 */
#ifndef SM_EVAL_LABEL_FILES_H
#define SM_EVAL_LABEL_FILES_H

#include "core/err.h"
#include "core/mem.h"

struct sm_named {
	const char *key, *file;
	bool misnamed; /* the name is no name of a case: key ("misnamed-" and 12 digits of the
			* name's hash, the same for the same name) stands in its place */
};

/* Bytes of a file's name without its ending; 0 when it is no such file, lies deeper or begins with a
 * dot. */
size_t sm_label_stem(const char *path);

/* Those right in dir, by key, in the arena. Names that end as files of a stage do
 * (sm_key_is_reserved) are misnamed, too. `where` starts the error sentence: SM_INPUT when there is
 * none, or one name with both endings. */
enum sm_status sm_label_files(const char *dir, const char *where, struct sm_arena *arena,
			      struct sm_named **out, size_t *n, struct sm_err *err);

/* The file of a key; NULL when there is none. */
const struct sm_named *sm_label_file(const struct sm_named *files, size_t n, const char *key);

/* SM_INPUT with the sentence that says why the file's case cannot be scored. */
enum sm_status sm_misnamed(const struct sm_named *file, const char *where, struct sm_err *err);

#endif
