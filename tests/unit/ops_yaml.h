/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps of a manifest run on a case of a test, written as YAML: for operations whose parameters
 * hold lists. Needs tests/unit/ops_case.h's volumes.
 */
#ifndef SM_TESTS_OPS_YAML_H
#define SM_TESTS_OPS_YAML_H

#include "tests/unit/ops_case.h"

#include <stdio.h>
#include <unistd.h>

#include "core/manifest.h"

struct yaml_root {
	struct sm_steps steps;
};
static const struct sm_field yaml_fields[] = {
	{"steps", SM_F_STEPS, .offset = offsetof(struct yaml_root, steps), .of = &sm_ops_fieldset},
};
static const struct sm_fieldset yaml_root = {
	.name = "test", .size = sizeof(struct yaml_root), .fields = yaml_fields, .count = 1};

/* Reads steps parted by ";;"; sm_manifest_clear(m) frees them. */
static inline enum sm_status read_steps(const char *text, struct sm_manifest *m)
{
	char path[] = "/tmp/scanmill-steps.XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	FILE *f = fdopen(fd, "w");
	fputs("steps:\n", f);
	for (const char *p = text; *p;) {
		const char *end = strstr(p, ";;");
		size_t n = end ? (size_t)(end - p) : strlen(p);
		fprintf(f, "    - %.*s\n", (int)n, p);
		p += n + (end ? 2 : 0);
	}
	fclose(f);
	enum sm_status st = sm_manifest_load(path, &yaml_root, m, &err);
	unlink(path);
	if (st == SM_OK && (st = sm_ops_check(&((struct yaml_root *)m->root)->steps, 0, 0, &err)))
		sm_manifest_clear(m);
	return st;
}

/* Reads, checks and runs them. */
static inline enum sm_status steps(struct sm_case *c, const char *text)
{
	struct sm_manifest m;
	enum sm_status st = read_steps(text, &m);
	if (st != SM_OK)
		return st;
	st = sm_ops_run(c, &((struct yaml_root *)m.root)->steps, 0, &err);
	sm_manifest_clear(&m);
	return st;
}

#endif
