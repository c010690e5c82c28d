/* SPDX-License-Identifier: Apache-2.0 */
#include "manifests/folds.h"

#include <string.h>

static const char *const names[SM_FOLDS] = {"train", "test", "valid"};

const char *sm_fold_name(enum sm_fold fold)
{
	return names[fold];
}

int sm_fold_of(const char *name)
{
	int f = 0;
	while (f < SM_FOLDS && strcmp(names[f], name) != 0)
		f++;
	return f;
}
