/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/rng.h"
#include "ingest/cases/bids_fields.h"
#include "ingest/cases/layout.h"

static struct sm_mem mem;
static struct sm_err err;
static struct sm_raw_cases list;
static char root[] = "/tmp/sm_layouts_XXXXXX";

static void write_text(const char *path, const char *text)
{
	char *full = sm_path_join(root, path), *slash = strrchr(full, '/');
	*slash = 0;
	assert_good(sm_mkdirs(full, &err), err);
	*slash = '/';
	FILE *f = fopen(full, "wb"); /* many files: without fsync */
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	fclose(f);
	free(full);
}

static enum sm_status find(enum sm_layout layout, int pairing, const char *const *path, size_t n)
{
	struct sm_paths paths = {.path = (char **)(uintptr_t)path, .count = n};
	struct sm_ingest_section section = {.layout = (int)layout, .pairing = pairing};
	struct sm_layout_job job = {root, &paths, &section, &mem};
	sm_raw_cases_clear(&list);
	return sm_layout_rows[layout].find(&job, &list, &err);
}
#define FIND(layout, pairing, ...) \
	find(layout, pairing, (const char *const[]){__VA_ARGS__}, \
	     sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static const char *problem(const char *key)
{
	for (size_t i = 0; i < list.n; i++)
		if (strcmp(list.v[i].key, key) == 0)
			return list.v[i].problem ? list.v[i].problem : "";
	return "no such case";
}

static void assert_problem(const char *key, const char *part)
{
	if (!strstr(problem(key), part))
		fail_msg("problem '%s' of %s lacks '%s'", problem(key), key, part);
}

static void test_pictures_of_two_folders_are_pairs(void **state)
{
	(void)state;
	assert_good(FIND(SM_LAYOUT_IMAGES, SM_PAIR_BY_NAME, "README.md", "top/A/.DS.png",
			 "top/A/1.png", "top/A/2.PNG", "top/A/3.jpg", "top/A/3.png", "top/B/1.jpg",
			 "top/B/2.png", "top/B/3.png"),
		    err);
	assert_int_equal(list.n, 3);
	assert_int_equal(list.unmatched, 2);
	assert_string_equal(problem("1"), "");
	assert_string_equal(problem("2"), "");
	assert_problem("3", "top/A/3.jpg and top/A/3.png have the same name");
	assert_true(list.v[0].pictures);
	assert_string_equal(list.v[0].file[0].role, "A");
	assert_string_equal(list.v[0].file[1].path, "top/B/1.jpg");
	/* folders of the same name are told by their paths */
	assert_good(FIND(SM_LAYOUT_IMAGES, SM_PAIR_BY_NAME, "x/im/1.pgm", "x/im/2.pgm",
			 "y/im/1.pgm", "y/im/2.pgm"),
		    err);
	assert_string_equal(list.v[0].file[0].role, "x_im");
	assert_string_equal(list.v[0].file[1].role, "y_im");
}

static void test_pictures_of_one_folder_and_of_none_pairs(void **state)
{
	(void)state;
	assert_good(FIND(SM_LAYOUT_IMAGES, SM_PAIR_BY_NAME, "a b.png"), err);
	assert_string_equal(list.v[0].key, "a_b");
	assert_string_equal(list.v[0].file[0].role, "image");
	assert_string_equal(problem("a_b"), "");
	assert_good(FIND(SM_LAYOUT_IMAGES, SM_PAIR_NONE, "trainA/1.png", "trainA/2.png",
			 "trainB/1.png", "val/A/9.png", "val/A/8.png"),
		    err);
	assert_int_equal(list.n, 5);
	assert_problem("trainB_1", "role trainB has 1 picture in all, allowed are 2 or more");
	assert_string_equal(problem("trainA_1"), "");
	assert_string_equal(problem("A_9"), "");
	assert_refused(FIND(SM_LAYOUT_IMAGES, SM_PAIR_NONE, "a.jpg", "a.png"), SM_INPUT, err,
		       "two case names become the same key a");
	assert_refused(FIND(SM_LAYOUT_IMAGES, SM_PAIR_BY_NAME, "a/1.png", "b/1.png", "c/1.png"),
		       SM_INPUT, err, "pictures lie in 3 folders");
	assert_null(list.v);
}

static void test_bids_names(void **state)
{
	(void)state;
	assert_good(FIND(SM_LAYOUT_BIDS, 0, "derivatives/sub-1/anat/sub-1_T1w.nii.gz", "odd.nii",
			 "sub-1/anat/sub-1_T1w.nii", "sub-1/anat/sub-1_T1w.nii.gz",
			 "sub-2/anat/deeper/sub-2_T1w.nii.gz", "sub-2/ses-a/anat/sub-2_T1w.nii.gz",
			 "sub-3/pet/sub-3_trc-FDG_pet.nii.gz", "sub-4_x/anat/sub-4_x_T1w.nii.gz"),
		    err);
	assert_int_equal(list.n, 3);
	assert_problem("sub-1", "are both T1w, allowed is one");
	assert_problem("sub-2_ses-a", "sub-2_T1w.nii.gz does not begin with sub-2_ses-a_");
	assert_string_equal(problem("sub-3"), "");
	assert_string_equal(list.v[2].file[0].role, "trc-FDG_pet");
	assert_true(list.v[2].own_grids);
	json_t *left = json_object_get(list.dataset, "nifti_left_out");
	assert_int_equal(json_integer_value(json_object_get(left, "derivatives")), 1);
	assert_int_equal(json_integer_value(json_object_get(left, "elsewhere")), 3);
}

static void test_bids_inheritance(void **state)
{
	(void)state;
	static const char *const path[] = {
		"T1w.json",
		"sub-1/anat/sub-1_acq-b_T1w.json",
		"sub-1/anat/sub-1_acq-b_run-1_T1w.json",
		"sub-1/sub-1_T1w.json",
		"sub-10/sub-10_T1w.json",
		"task-x_bold.json",
	};
	write_text(path[0], "{\"EchoTime\": 1, \"FlipAngle\": 5, \"PatientName\": 3}");
	write_text(path[1],
		   "{\"EchoTime\": 3, \"Manufacturer\": \"x\", \"SliceTiming\": [1, \"a\"]}");
	write_text(path[2], "{\"EchoTime\": 4}");
	write_text(path[3], "{\"EchoTime\": 2, \"InversionTime\": 9}");
	write_text(path[4], "{\"EchoTime\": 77}");
	write_text(path[5], "{\"EchoTime\": 88}");
	static const struct {
		const char *nifti, *want;
	} table[] = {
		{"sub-1/anat/sub-1_T1w.nii.gz",
		 "{\"EchoTime\":2,\"FlipAngle\":5,\"InversionTime\":9}"},
		{"sub-1/anat/sub-1_acq-b_T1w.nii",
		 "{\"EchoTime\":3,\"FlipAngle\":5,\"InversionTime\":9}"},
		{"sub-1/anat/sub-1_acq-b_run-1_T1w.nii",
		 "{\"EchoTime\":4,\"FlipAngle\":5,\"InversionTime\":9}"},
		{"sub-1/anat/sub-1_acq-bb_T1w.nii",
		 "{\"EchoTime\":2,\"FlipAngle\":5,\"InversionTime\":9}"},
		{"sub-1/anat/sub-1_T2w.nii.gz", NULL},
		{"sub-2/func/sub-2_task-x_bold.nii.gz", "{\"EchoTime\":88}"},
		{"sub-2/func/sub-2_task-y_bold.nii.gz", NULL},
	};
	struct sm_paths paths = {.path = (char **)(uintptr_t)path,
				.count = sizeof path / sizeof *path};
	struct sm_bids_fields fields;
	struct sm_arena arena = {0};
	assert_good(sm_bids_fields_read(&fields, root, &paths, &mem, &err), err);
	assert_int_equal(fields.n, 6);
	assert_int_equal(fields.broken, 0);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		const char *line;
		assert_good(sm_bids_fields_of(&fields, table[i].nifti, NULL, &arena, &line, &err),
			    err);
		if (table[i].want)
			assert_string_equal(line, table[i].want);
		else
			assert_null(line);
	}
	sm_bids_fields_clear(&fields);
	sm_arena_clear(&arena);
}

static const char dataset[] =
	"{\"modality\": {\"0\": \"T1\", \"1\": \"FLAIR 3D\"}, \"labels\": {\"0\": \"none\", \"2\": "
	"\"core\"},\n"
	"\"numTraining\": 2, \"training\": [{\"image\": \"./imagesTr/a.nii.gz\", \"label\": "
	"\"labelsTr/a.nii.gz\"},\n{\"image\": \"imagesTr/b.nii\", \"label\": \"labelsTr/b.nii\"}], "
	"\"test\": [\"imagesTs/c.nii\"]}";
#define FILES \
	"imagesTr/._a.nii.gz", "imagesTr/a.nii.gz", "imagesTr/b.nii", "imagesTs/c.nii", \
		"labelsTr/a.nii.gz", "labelsTr/b.nii"

static void test_decathlon_lists(void **state)
{
	(void)state;
	write_text("dataset.json", dataset);
	assert_good(FIND(SM_LAYOUT_DECATHLON, 0, FILES), err);
	assert_int_equal(list.n, 2);
	const struct sm_raw_case *b = &list.v[1];
	assert_string_equal(b->key, "b");
	assert_null(b->problem);
	assert_int_equal(b->file[0].split_n, 2);
	assert_string_equal(b->file[0].split[0], "t1");
	assert_string_equal(b->file[0].split[1], "flair_3d");
	assert_string_equal(b->file[1].role, "seg");
	assert_true(b->file[1].label);
	assert_null(b->file[1].split);
	assert_int_equal(json_array_size(json_object_get(list.dataset, "warnings")), 1);
	assert_good(FIND(SM_LAYOUT_DECATHLON, 0, "imagesTr/b.nii", "labelsTr/b.nii"), err);
	assert_problem("a", "imagesTr/a.nii.gz is missing, which dataset.json lists");
}

/* Any text gives cases or a sentence; the sanitizers watch. */
static void test_decathlon_damaged(void **state)
{
	(void)state;
	static const char swap[] = "{}[]\",:0129./ax\n";
	char text[sizeof dataset];
	size_t good = 0;
	struct sm_rng rng;
	sm_rng_init(&rng, 1, "test.layouts", "", 0, 0);
	for (int round = 0; round < 400; round++) {
		memcpy(text, dataset, sizeof text);
		for (int k = 0; k < 1 + round % 3; k++)
			text[sm_rng_below(&rng, sizeof text - 1)] =
				swap[sm_rng_below(&rng, sizeof swap - 1)];
		write_text("dataset.json", text);
		err.text[0] = 0;
		if (FIND(SM_LAYOUT_DECATHLON, 0, FILES) == SM_OK) {
			good++;
			assert_true(list.n > 0 && list.n <= 3);
		} else {
			assert_true(err.text[0] && !list.v && !list.dataset);
		}
	}
	assert_true(good > 10 && good < 390);
}

int main(void)
{
	sm_mem_init(&mem, 64 << 20);
	if (!mkdtemp(root))
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pictures_of_two_folders_are_pairs),
		cmocka_unit_test(test_pictures_of_one_folder_and_of_none_pairs),
		cmocka_unit_test(test_bids_names),
		cmocka_unit_test(test_bids_inheritance),
		cmocka_unit_test(test_decathlon_lists),
		cmocka_unit_test(test_decathlon_damaged),
	};
	int failed = run_tap(tests);
	sm_raw_cases_clear(&list);
	static const char *const made[] = {"T1w.json",
					   "sub-1/anat/sub-1_acq-b_T1w.json",
					   "sub-1/anat/sub-1_acq-b_run-1_T1w.json",
					   "sub-1/sub-1_T1w.json",
					   "sub-10/sub-10_T1w.json",
					   "task-x_bold.json",
					   "dataset.json",
					   "sub-1/anat",
					   "sub-1",
					   "sub-10"};
	for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
		char *full = sm_path_join(root, made[i]);
		if (full)
			remove(full);
		free(full);
	}
	rmdir(root);
	return failed || atomic_load(&mem.used);
}
