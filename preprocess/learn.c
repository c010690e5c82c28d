/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/learn.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preprocess/quantile.h"
#include "preprocess/view.h"

#define AT(member) .offset = offsetof(struct sm_learnt, member)
static const struct sm_field fields[] = {
	{"role", SM_F_STRING, AT(role), NULL, .required = true, .doc = "volume or channel"},
	{"values", SM_F_FLOATS, AT(values), NULL, -1e30, 1e30, .required = true,
	 .doc = "numbers that never fall, as preprocess --learn prints them"},
};
const struct sm_fieldset sm_learnt_fields =
	SM_FIELDSET("learnt", struct sm_learnt, fields, "numbers of one volume or channel");

const struct sm_floats *sm_learnt_find(const struct sm_learnable *p, const char *role)
{
	const struct sm_learnt *entry = p->learnt.items;
	for (size_t i = 0; i < p->learnt.n; i++)
		if (strcmp(entry[i].role, role) == 0)
			return &entry[i].values;
	return NULL;
}

enum sm_status sm_learnt_check(const struct sm_learnable *p, const char *key, size_t count,
			       struct sm_err *err)
{
	const struct sm_learnt *entry = p->learnt.items;
	for (size_t i = 0; i < p->learnt.n; i++) {
		const struct sm_floats *v = &entry[i].values;
		if (sm_learnt_find(p, entry[i].role) != v)
			return SM_FAIL(err, SM_USAGE, "%s lists '%s' twice", key, entry[i].role);
		if (count ? v->n != count : v->n < 2)
			return SM_FAIL(err, SM_USAGE,
				       "%s of '%s' lists %zu values, allowed are %zu%s", key,
				       entry[i].role, v->n, count ? count : 2,
				       count ? "" : " and more");
		for (size_t k = 1; k < v->n; k++)
			if (v->v[k] < v->v[k - 1])
				return SM_FAIL(err, SM_USAGE,
					       "%s of '%s' falls from %g to %g, allowed are values "
					       "that never fall",
					       key, entry[i].role, v->v[k - 1], v->v[k]);
	}
	return SM_OK;
}

const struct sm_learner *sm_learner_find(size_t op)
{
	static const struct sm_learner *const all[] = {&sm_match_histogram_learner,
						       &sm_nyul_learner};
	for (size_t i = 0; i < SM_COUNT(all); i++)
		if (all[i]->op == op)
			return all[i];
	return NULL;
}

static struct sm_learning_role *add_role(struct sm_learning *all, const char *role,
					 struct sm_err *err)
{
	size_t at = 0;
	while (at < all->count && strcmp(all->roles[at].role, role) < 0)
		at++;
	struct sm_learning_role *r = &all->roles[at];
	if (at < all->count && strcmp(r->role, role) == 0)
		return r;
	double *sum = all->count < SM_CASE_VOLS ? calloc(all->points, sizeof *sum) : NULL;
	if (!sum) {
		SM_FAIL(err, SM_BUDGET, "%s: out of memory, or of more than %d volumes", role,
			SM_CASE_VOLS);
		return NULL;
	}
	memmove(r + 1, r, (all->count - at) * sizeof *r);
	*r = (struct sm_learning_role){.sum = sum};
	snprintf(r->role, sizeof r->role, "%s", role);
	all->count++;
	return r;
}

/* One volume or channel. */
static enum sm_status learn_block(struct sm_case *c, const struct sm_block *b,
				  const struct sm_learner *learner, const void *params,
				  struct sm_learning *out, struct sm_err *err)
{
	const struct sm_learnable *p = params;
	struct sm_kept kept;
	float *sorted = NULL;
	struct sm_learning_role *role = add_role(out, b->name, err);
	if (!role)
		return SM_BUDGET;
	SM_TRY(sm_scope_keep(c, b, p->scope, &kept, err));
	enum sm_status st = kept.count ? sm_sort_f32(b->v, kept.keep, sm_block_count(b), kept.count,
						     c->mem, &sorted, err)
				       : SM_FAIL(err, SM_INPUT, "no voxel lies in the scope");
	if (st == SM_OK)
		st = learner->measure(params, sorted, kept.count, role->sum, err);
	role->cases = 1;
	sm_free(sorted);
	sm_kept_clear(&kept);
	return st == SM_OK ? SM_OK : sm_err_prefix(err, "%s: %s", c->key, b->name);
}

static enum sm_status learn_seen(struct sm_case *c, const struct sm_learner *learner,
				 const void *params, struct sm_learning *out, struct sm_err *err)
{
	const struct sm_learnable *p = params;
	struct sm_block *blocks = NULL;
	size_t n = 0;
	SM_TRY(sm_scope_check(c, p->scope, err));
	enum sm_status st = sm_case_blocks(c, &blocks, &n, err);
	if (st == SM_OK)
		st = sm_roles_check(c, &p->roles, blocks, n, err);
	out->points = learner->points(params);
	for (size_t i = 0; st == SM_OK && i < n; i++)
		if (sm_roles_hold(&p->roles, blocks[i].name))
			st = learn_block(c, &blocks[i], learner, params, out, err);
	free(blocks);
	return st;
}

enum sm_status sm_learn_case(struct sm_case *c, const struct sm_step *step, struct sm_learning *out,
			     struct sm_err *err)
{
	const struct sm_learner *learner = sm_learner_find(step->which);
	struct sm_view view;
	*out = (struct sm_learning){0};
	if (!learner)
		return SM_FAIL(err, SM_USAGE, "%s has nothing to learn", sm_ops[step->which].name);
	if (!step->when)
		return learn_seen(c, learner, step->params, out, err);
	SM_TRY(sm_view_open(c, step->when, &view, err));
	if (!view.seen)
		return SM_OK;
	enum sm_status st = learn_seen(c, learner, step->params, out, err);
	enum sm_status closed = sm_view_close(c, &view, st == SM_OK ? err : NULL);
	return st == SM_OK ? closed : st;
}

enum sm_status sm_learning_add(struct sm_learning *all, const struct sm_learning *one,
			       struct sm_err *err)
{
	if (!all->points)
		all->points = one->points;
	for (size_t i = 0; i < one->count; i++) {
		struct sm_learning_role *r = add_role(all, one->roles[i].role, err);
		if (!r)
			return SM_BUDGET;
		for (size_t k = 0; k < all->points; k++)
			r->sum[k] += one->roles[i].sum[k];
		r->cases += one->roles[i].cases;
	}
	return SM_OK;
}

void sm_learning_clear(struct sm_learning *learning)
{
	for (size_t i = 0; i < learning->count; i++)
		free(learning->roles[i].sum);
	*learning = (struct sm_learning){0};
}

/* The shortest decimal that reads back as the same number. */
static void number(char out[32], double x)
{
	for (int digits = 6; digits <= 17; digits++) {
		snprintf(out, 32, "%.*g", digits, x);
		if (strtod(out, NULL) == x)
			return;
	}
}

static void print_role(FILE *f, const struct sm_learning_role *r, size_t points)
{
	size_t column = 0;
	fprintf(f, "          - role: %s\n            values: [", r->role);
	for (size_t k = 0; k < points; k++) {
		char text[32];
		number(text, r->sum[k] / (double)r->cases);
		column += strlen(text) + 2;
		if (k)
			fputs(column > 90 ? ",\n              " : ", ", f);
		column = column > 90 ? strlen(text) : column;
		fputs(text, f);
	}
	fputs("]\n", f);
}

/* False for a value that the manifest reader would refuse. */
static bool counts(const struct sm_fieldset *set, const char *key, const void *params)
{
	for (size_t i = 0; i < set->count; i++)
		if (strcmp(set->fields[i].key, key) == 0)
			return sm_field_counts(set, &set->fields[i], params);
	return true;
}

char *sm_learning_yaml(const struct sm_learning *learning, const struct sm_step *step)
{
	const struct sm_op *op = &sm_ops[step->which];
	const struct sm_learner *learner = sm_learner_find(step->which);
	json_t *params = sm_fields_dump(op->params, step->params), *value;
	const char *key;
	char *text = NULL;
	size_t size = 0;
	FILE *f = learner && params ? open_memstream(&text, &size) : NULL;
	if (!f) {
		json_decref(params);
		return NULL;
	}
	fprintf(f, "    - %s:\n", op->name);
	json_object_foreach(params, key, value)
	{
		bool empty = json_is_array(value) && !json_array_size(value);
		if (json_is_null(value) || empty || strcmp(key, learner->key) == 0 ||
		    !counts(op->params, key, step->params))
			continue;
		/* JSON is YAML. */
		char *line = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
		fprintf(f, "        %s: %s\n", key, line ? line : "");
		free(line);
	}
	fprintf(f, "        %s:\n", learner->key);
	for (size_t i = 0; i < learning->count; i++)
		print_role(f, &learning->roles[i], learning->points);
	if (step->when)
		fprintf(f, "      when: %s\n", step->when);
	json_decref(params);
	bool bad = ferror(f);
	if (fclose(f) != 0 || bad) {
		free(text);
		return NULL;
	}
	return text;
}
