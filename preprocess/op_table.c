/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/op_table.h"

#include <string.h>

#define ROW(name_, doc_, check_) \
	[SM_OP_##name_] = {.name = #name_, \
			   .doc = doc_, \
			   .params = &sm_op_##name_##_fields, \
			   .check = check_, \
			   .apply = sm_op_##name_},
const struct sm_op sm_ops[SM_OP_COUNT] = {SM_OPS(ROW)};
#undef ROW

#define ROW(name_, doc_, check_) \
	[SM_OP_##name_] = {.key = #name_, \
			   .kind = SM_F_MAPPING, \
			   .offset = SM_OP_##name_ * sizeof(void *), \
			   .of = &sm_op_##name_##_fields, \
			   .doc = doc_},
static const struct sm_field fields[SM_OP_COUNT] = {SM_OPS(ROW)};
#undef ROW

const struct sm_fieldset sm_ops_fieldset = {
	.name = "steps",
	.size = SM_OP_COUNT * sizeof(void *),
	.fields = fields,
	.count = SM_OP_COUNT,
	.doc = "operations on a case",
};

const struct sm_op *sm_op_find(const char *name)
{
	for (size_t i = 0; i < SM_OP_COUNT; i++)
		if (strcmp(sm_ops[i].name, name) == 0)
			return &sm_ops[i];
	return NULL;
}

/* How many steps `upto` means. */
static enum sm_status count_steps(const struct sm_steps *steps, int64_t upto, size_t *n,
				  struct sm_err *err)
{
	if (upto < 0 || (size_t)upto > steps->n)
		return SM_FAIL(err, SM_USAGE,
			       "preprocess.upto: found %lld, allowed is 0 to %zu (number of steps)",
			       (long long)upto, steps->n);
	*n = upto ? (size_t)upto : steps->n;
	return SM_OK;
}

enum sm_status sm_ops_check(const struct sm_steps *steps, int64_t upto, struct sm_err *err)
{
	size_t n = 0;
	SM_TRY(count_steps(steps, upto, &n, err));
	for (size_t i = 0; i < n; i++) {
		const struct sm_op *op = &sm_ops[steps->v[i].which];
		if (op->check && op->check(steps->v[i].params, err) != SM_OK)
			return sm_err_prefix(err, "steps: step %zu (%s)", i + 1,
					     op->name);
	}
	return SM_OK;
}

enum sm_status sm_ops_run(struct sm_case *c, const struct sm_steps *steps, int64_t upto,
			  struct sm_err *err)
{
	size_t n = 0;
	SM_TRY(count_steps(steps, upto, &n, err));
	for (size_t i = 0; i < n; i++) {
		const struct sm_op *op = &sm_ops[steps->v[i].which];
		if (op->apply(c, steps->v[i].params, err) != SM_OK)
			return sm_err_prefix(err, "step %zu (%s)", i + 1, op->name);
	}
	return SM_OK;
}
