/* SPDX-License-Identifier: Apache-2.0 */
/* A choice of the manifest that stands for a row of a table: the list and the table have the same
 * names in the same order, because the index is what is handed on. */
#include "tests/unit/tap.h"

#include <stdio.h>
#include <string.h>

#include "manifests/schema.h"
#include "preprocess/split.h"
#include "train/models/models.h"
#include "train/nn/nn.h"
#include "train/schedule.h"

static const char *choices_of(const char *section, const char *key)
{
	for (size_t s = 0; s < sm_manifest_schema.count; s++) {
		const struct sm_field *f = &sm_manifest_schema.fields[s];
		for (size_t i = 0; strcmp(f->key, section) == 0 && i < f->of->count; i++)
			if (strcmp(f->of->fields[i].key, key) == 0) {
				assert_int_equal(f->of->fields[i].kind, SM_F_CHOICE);
				return f->of->fields[i].choices;
			}
	}
	fail_msg("no %s.%s", section, key);
	return "";
}

/* Joins the names of a table by '|'. */
static void join(char *out, size_t room, const char *name)
{
	size_t at = strlen(out);
	snprintf(out + at, room - at, "%s%s", at ? "|" : "", name);
}

static void test_choices_are_the_tables(void **state)
{
	(void)state;
	char models[512] = "", losses[512] = "", optims[512] = "", folds[64] = "",
	     schedules[256] = "";
	for (size_t i = 0; sm_model_at(i); i++)
		join(models, sizeof models, sm_model_at(i)->name);
	for (size_t i = 0; sm_loss_name(i); i++)
		join(losses, sizeof losses, sm_loss_name(i));
	for (size_t i = 0; sm_optim_name(i); i++)
		join(optims, sizeof optims, sm_optim_name(i));
	for (size_t i = 0; sm_schedule_name(i); i++)
		join(schedules, sizeof schedules, sm_schedule_name(i));
	for (int f = 0; f < SM_FOLDS; f++)
		join(folds, sizeof folds, sm_fold_name((enum sm_fold)f));
	join(folds, sizeof folds, "all");
	join(folds, sizeof folds, "cross_validation");
	assert_string_equal(choices_of("train", "model"), models);
	assert_string_equal(choices_of("train", "loss"), losses);
	assert_string_equal(choices_of("train", "optimiser"), optims);
	assert_string_equal(choices_of("train", "schedule"), schedules);
	assert_string_equal(sm_schedule_name(SM_SCHEDULE_PLATEAU), "plateau");
	assert_string_equal(choices_of("predict", "fold"), folds);
	assert_int_equal(SM_PREDICT_ALL, SM_FOLDS);
	assert_int_equal(SM_PREDICT_CROSS, SM_FOLDS + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_choices_are_the_tables),
	};
	return run_tap(tests);
}
