/* SPDX-License-Identifier: Apache-2.0 */
#include "derive/interleave.h"

#include <string.h>

static enum sm_status check(const struct sm_vol *source, int axis, int factor, const char *name,
			    struct sm_err *err)
{
	if (axis < 0 || axis > 2)
		return SM_FAIL(err, SM_USAGE, "%s: axis is %d, allowed are 0 to 2", name, axis);
	if (factor < SM_FACTOR_MIN || factor > SM_FACTOR_MAX)
		return SM_FAIL(err, SM_USAGE, "%s: factor is %d, allowed are %d to %d", name,
			       factor, SM_FACTOR_MIN, SM_FACTOR_MAX);
	if (source->dim[3] != 1)
		return SM_FAIL(err, SM_INPUT,
			       "%s: has a fourth axis of %lld volumes, allowed is one volume: "
			       "slices between "
			       "slices are of one moment (preprocess: select_frames or sum_frames "
			       "makes one)",
			       name, (long long)source->dim[3]);
	if (source->dim[axis] < 2)
		return SM_FAIL(err, SM_INPUT,
			       "%s: has one slice along axis %d, needed are 2 or more: there is "
			       "nothing between",
			       name, axis);
	if (source->dim[axis] - 1 > (INT32_MAX - 1) / factor)
		return SM_FAIL(err, SM_INPUT,
			       "%s: has %lld slices, factor %d would make more than %d", name,
			       (long long)source->dim[axis], factor, INT32_MAX);
	return SM_OK;
}

static void copy_originals(struct sm_interleave *il)
{
	size_t size = sm_dtype_size(il->source->dtype);
	const char *from = il->source->data;
	char *to = il->out.data;
	/* Values up to the slice axis are together in both. */
	size_t run = il->from.step * size, slices = (size_t)il->from.count;
	size_t blocks = sm_vol_count(il->source) / (il->from.step * slices);
	size_t wide = (size_t)il->to.count * run;
	memset(to, 0, sm_vol_count(&il->out) * size);
	for (size_t b = 0; b < blocks; b++)
		for (size_t k = 0; k < slices; k++)
			memcpy(to + b * wide + k * (size_t)il->factor * run,
			       from + (b * slices + k) * run, run);
}

enum sm_status sm_interleave_begin(struct sm_interleave *il, const struct sm_vol *source, int axis,
				   int factor, const char *name, struct sm_mem *mem,
				   struct sm_err *err)
{
	int64_t dim[4];
	*il = (struct sm_interleave){.source = source, .factor = factor};
	SM_TRY(check(source, axis, factor, name, err));
	memcpy(dim, source->dim, sizeof dim);
	dim[axis] = (dim[axis] - 1) * factor + 1;
	SM_TRY(sm_vol_init(&il->out, dim, source->dtype, mem, name, err));
	il->out.slope = source->slope;
	il->out.inter = source->inter;
	il->out.meaning = source->meaning;
	il->out.form_code = source->form_code;
	memcpy(il->out.affine, source->affine, sizeof il->out.affine);
	for (int i = 0; i < 3; i++)
		il->out.affine[i][axis] = source->affine[i][axis] / factor;
	il->from = sm_planes_of(source, axis);
	il->to = sm_planes_of(&il->out, axis);
	copy_originals(il);
	return SM_OK;
}

void sm_interleave_clear(struct sm_interleave *il)
{
	sm_vol_clear(&il->out);
	*il = (struct sm_interleave){0};
}
