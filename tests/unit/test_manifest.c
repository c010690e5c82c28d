/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/manifest.h"

struct blur { double sigma; };
struct crop { struct sm_ints size; };
struct source { char *role; bool label; };
struct train { int64_t batch; double rate; int loss; };
struct doc {
	int64_t schema;
	char *name;
	struct sm_list sources;
	struct sm_steps steps;
	struct train *train;
	struct sm_strings tags;
};

#define AT(type, member) .offset = offsetof(struct type, member)
static const struct sm_field blur_f[] = {
	{"sigma", SM_F_FLOAT, AT(blur, sigma), "1.5", 0.1, 10},
};
static const struct sm_field crop_f[] = {
	{"size", SM_F_INTS, AT(crop, size), .min = 1, .max = 512, .count = 3, .required = true},
};
static const struct sm_fieldset blur_set = SM_FIELDSET("blur", struct blur, blur_f, NULL);
static const struct sm_fieldset crop_set = SM_FIELDSET("crop", struct crop, crop_f, NULL);
static const struct sm_field op_f[] = {
	{"blur", SM_F_MAPPING, .of = &blur_set},
	{"crop", SM_F_MAPPING, .of = &crop_set},
};
static const struct sm_fieldset op_set = {.name = "ops", .fields = op_f, .count = SM_COUNT(op_f)};
static const struct sm_field source_f[] = {
	{"role", SM_F_STRING, AT(source, role), .required = true},
	{"label", SM_F_BOOL, AT(source, label), "false"},
};
static const struct sm_fieldset source_set = SM_FIELDSET("source", struct source, source_f, NULL);
static const struct sm_field train_f[] = {
	{"batch", SM_F_INT, AT(train, batch), "8", 1, 64},
	{"learning_rate", SM_F_FLOAT, AT(train, rate), "0.001", 0, 1},
	{"loss", SM_F_CHOICE, AT(train, loss), "dice", .choices = "bce|dice"},
};
static const struct sm_fieldset train_set = SM_FIELDSET("train", struct train, train_f, NULL);
static const struct sm_field doc_f[] = {
	{"schema", SM_F_INT, AT(doc, schema), NULL, 1, 1},
	{"name", SM_F_STRING, AT(doc, name)},
	{"sources", SM_F_LIST, AT(doc, sources), .of = &source_set},
	{"steps", SM_F_STEPS, AT(doc, steps), .of = &op_set},
	{"train", SM_F_MAPPING, AT(doc, train), "{}", .of = &train_set},
	{"tags", SM_F_STRINGS, AT(doc, tags)},
};
static const struct sm_fieldset doc_set = SM_FIELDSET("doc", struct doc, doc_f, NULL);

static enum sm_status load(const char *yaml, struct sm_manifest *m, struct sm_err *err)
{
	char path[] = "/tmp/sm-manifest-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, yaml, strlen(yaml)), strlen(yaml));
	close(fd);
	enum sm_status st = sm_manifest_load(path, &doc_set, m, err);
	unlink(path);
	return st;
}

static void test_manifest_fills_every_kind_of_field(void **state)
{
	(void)state;
	struct sm_manifest m;
	struct sm_err err = {0};
	assert_good(load("schema: 1\nname: x y\ntags: [a, b]\nsources:\n  - role: t1\n  - {role: "
			 "seg, label: true}\n"
			 "steps:\n  - crop: {size: [4, 5, 6]}\n  - blur: {}\n  - blur: {sigma: 2}\n"
			 "train: {batch: 4, loss: bce}\n",
			 &m, &err),
		    err);
	const struct doc *d = m.root;
	assert_string_equal(d->name, "x y");
	assert_int_equal(d->tags.n, 2);
	assert_string_equal(d->tags.v[1], "b");
	assert_int_equal(d->sources.n, 2);
	const struct source *s = d->sources.items;
	assert_string_equal(s[1].role, "seg");
	assert_true(s[1].label && !s[0].label);
	assert_int_equal(d->steps.n, 3);
	assert_int_equal(d->steps.v[0].which, 1);
	assert_int_equal(((struct crop *)d->steps.v[0].params)->size.v[2], 6);
	assert_true(((struct blur *)d->steps.v[1].params)->sigma == 1.5);
	assert_true(((struct blur *)d->steps.v[2].params)->sigma == 2);
	assert_int_equal(d->train->batch, 4);
	assert_int_equal(d->train->loss, 0);
	assert_true(d->train->rate == 0.001);
	sm_manifest_clear(&m);
}

static void test_manifest_absent_section_has_its_defaults(void **state)
{
	(void)state;
	struct sm_manifest m;
	struct sm_err err = {0};
	assert_good(load("schema: 1\n", &m, &err), err);
	const struct doc *d = m.root;
	assert_int_equal(d->train->batch, 8);
	assert_int_equal(d->train->loss, 1);
	assert_null(d->name);
	assert_int_equal(d->steps.n, 0);
	sm_manifest_clear(&m);
}

static void refused(const char *yaml, const char *part)
{
	struct sm_manifest m;
	struct sm_err err = {0};
	assert_refused(load(yaml, &m, &err), SM_USAGE, err, part);
	assert_null(m.root);
}

static void test_manifest_unknown_key_names_line_and_nearest_key(void **state)
{
	(void)state;
	refused("schema: 1\n# a comment: learning\ntrain:\n  batch: 2\n  lerning_rate: 1\n",
		":5: unknown key 'lerning_rate' (did you mean 'learning_rate'?)");
	refused("schema: 1\nsteps:\n  - blurr: {sigma: 1}\n",
		":3: unknown key 'blurr' (did you mean 'blur'?)");
	refused("schema: 1\ntrian: {batch: 2}\n",
		":2: unknown key 'trian' (did you mean 'train'?)");
}

static void test_manifest_sentences_name_the_section_and_what_it_allows(void **state)
{
	(void)state;
	refused("schema: 1\ntrain: {sizee: 2}\n",
		":2: unknown key 'sizee' in train, allowed are: batch, learning_rate, loss");
	refused("schema: 1\nsteps:\n  - crop: {sizee: [1, 2, 3]}\n",
		":3: unknown key 'sizee' (did you mean 'size'?) in steps.crop, allowed are: size");
	refused("schema: 1\ntrain: {batch: 2, batch: 3}\n",
		":2: key 'batch' stands twice in train");
	refused("schema: 1\nschema: 1\n", "key 'schema' stands twice in the manifest");
	refused("schema: 1\ntrain: {loss: [a]}\n", "found a list, needed is a single value");
	refused("schema: 1\nsteps: 3\n", "found a single value or nothing, needed is a list");
	refused("schema: 1\ntrain:\n", "found a single value or nothing, needed is a mapping");
	refused("schema: 1\nname: x\n---\nschema: 1\n", ":3: found a second document");
}

static void test_manifest_wrong_values_say_found_and_allowed(void **state)
{
	(void)state;
	refused("schema: 1\ntrain: {batch: 0}\n",
		":2: train.batch: found '0', allowed is a whole number from 1 to 64");
	refused("schema: 1\ntrain: {batch: 2.5}\n", "found '2.5'");
	refused("schema: 1\ntrain: {learning_rate: nan}\n", "found 'nan'");
	refused("schema: 1\ntrain: {loss: focal}\n", "allowed is one of bce|dice");
	refused("schema: 2\n", "schema: found '2'");
	refused("name: x\n", "schema: is missing");
	refused("schema: 1\nsources:\n  - label: true\n", "sources[0].role: is missing");
	refused("schema: 1\nsteps:\n  - crop: {size: [1, 2]}\n",
		"found 2 values, allowed are exactly 3");
	refused("schema: 1\nsteps:\n  - crop: {size: [1, 2, 3]}\n    blur: {}\n",
		"found 2 operations");
}

static void test_manifest_broken_yaml_is_refused_with_a_line(void **state)
{
	(void)state;
	refused("schema: 1\ntrain: [1, 2\n", ":");
	refused("", ":1");
	refused("schema: 1\nschema: 1\n", "schema");
	refused("- 1\n- 2\n", ":1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_manifest_fills_every_kind_of_field),
		cmocka_unit_test(test_manifest_absent_section_has_its_defaults),
		cmocka_unit_test(test_manifest_unknown_key_names_line_and_nearest_key),
		cmocka_unit_test(test_manifest_sentences_name_the_section_and_what_it_allows),
		cmocka_unit_test(test_manifest_wrong_values_say_found_and_allowed),
		cmocka_unit_test(test_manifest_broken_yaml_is_refused_with_a_line),
	};
	return run_tap(tests);
}
