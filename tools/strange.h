/* SPDX-License-Identifier: Apache-2.0
 *
 * What a stage never makes in its folder, and no walk of regular files shows: links, pipes,
 * sockets, devices, hidden and empty
 * folders. */
#ifndef SM_TOOLS_STRANGE_H
#define SM_TOOLS_STRANGE_H

#include <jansson.h>

#include "core/err.h"

/* Adds one complaint (sm_complain of tools/verify.h) for each, sorted. Links are not followed. */
enum sm_status sm_strange(const char *dir, json_t *complaints, struct sm_err *err);

#endif
