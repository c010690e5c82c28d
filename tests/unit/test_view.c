/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps with `when`: what they see, what they leave alone, what comes back.
 */
#include "tests/unit/ops_yaml.h"

#include "ingest/series/dcm_class.h"
#include "preprocess/view.h"

#define MODALITY_ROW(name, own) {#name, (own)},

/* A ct of 4 voxels, an mr of 2, a label and mask on the ct. */
static struct sm_case two(const char *modality)
{
	struct sm_case c = fresh();
	strcpy(c.modality, modality);
	add_f32(&c, "mr", 2, 1, 1, (const float[]){5, 7});
	add_f32(&c, "ct", 4, 1, 1, (const float[]){0, 40, 80, 1000});
	add_label(&c, 4, 1, 1, (const uint8_t[]){0, 1, 1, 2});
	return c;
}

static void test_a_step_sees_the_role_it_is_for(void **state)
{
	(void)state;
	struct sm_case c = two("");
	assert_good(steps(&c, "{window: {preset: brain}, when: ct};;"
				  "{normalise: {method: min_max, range: [0, 2]}, when: mr}"),
		    err);
	assert_int_equal(c.count, 2);
	assert_string_equal(c.vols[0].role, "ct");
	assert_values(values(&c, 0), (const float[]){0, 0.5f, 1, 1}, 4);
	assert_values(values(&c, 1), (const float[]){0, 2}, 2);
	assert_memory_equal(c.label.data, ((const uint8_t[]){0, 1, 1, 2}), 4);
	/* What moves voxels leaves the others' grids alone, and the label, which it did not see. */
	assert_good(steps(&c, "{pad_crop: {size: [1, 0, 0], at: corner}, when: mr}"), err);
	assert_true(c.vols[1].vol.dim[0] == 1 && c.vols[0].vol.dim[0] == 4 && c.label.dim[0] == 4);
	assert_int_equal(c.source_dim[0], 4);
	sm_case_clear(&c);
}

static void test_a_modality_means_the_whole_case(void **state)
{
	(void)state;
	static const struct {
		const char *modality, *when;
		bool meant;
	} rows[] = {{"CT", "ct", true},  {"CT", "CT", true},	{"MR", "mr", true},
		    {"PT", "pet", true}, {"PT", "PET", true},	{"PT", "pt", true},
		    {"MR", "ct", false}, {"", "t1", false},	{"CT", "pet", false}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sm_case c = fresh();
		char yaml[80];
		strcpy(c.modality, rows[i].modality);
		add_f32(&c, "image", 4, 1, 1, (const float[]){0, 40, 80, 1000});
		add_label(&c, 4, 1, 1, (const uint8_t[]){0, 1, 1, 2});
		snprintf(yaml, sizeof yaml, "{pad_crop: {size: [2, 0, 0], at: corner}, when: %s}",
			 rows[i].when);
		assert_good(steps(&c, yaml), err);
		/* the label goes along when the step sees all volumes */
		assert_int_equal(c.vols[0].vol.dim[0], rows[i].meant ? 2 : 4);
		assert_int_equal(c.label.dim[0], rows[i].meant ? 2 : 4);
		const char *note = json_string_value(
			json_object_get(json_array_get(c.facts, 0), "not_for_this_case"));
		assert_int_equal(note != NULL, !rows[i].meant);
		if (note)
			assert_string_equal(note, rows[i].when);
		sm_case_clear(&c);
	}
}

static void test_what_a_step_makes_stays(void **state)
{
	(void)state;
	struct sm_case c = two("");
	c.mask = volume(4, 1, 1, 1, SM_U8);
	assert_good(steps(&c, "{remove_background: {threshold: value, value: 6}, when: mr}"), err);
	assert_int_equal(c.mask.dim[0], 4); /* mr has another grid: the mask is its own */
	assert_int_equal(c.vols[1].mask.dim[0], 2);
	assert_memory_equal(c.vols[1].mask.data, ((const uint8_t[]){0, 1}), 2);
	/* later steps for mr see it, those for ct do not */
	assert_good(steps(&c, "{normalise: {scope: mask}, when: mr}"), err);
	assert_refused(steps(&c, "{normalise: {scope: mask}, when: ct}"), SM_INPUT, err,
		       "step 1 (normalise)");
	assert_refused(steps(&c, "{stack: {roles: [mr]}, when: mr}"), SM_INPUT, err,
		       "must neither stack nor make a volume 'ct'");
	sm_case_clear(&c);
	c = two("");
	assert_refused(steps(&c, "{normalise: {scope: mask}, when: mr}"), SM_INPUT, err,
		       "step 1 (normalise)");
	assert_int_equal(c.count, 2); /* all came back */
	assert_int_equal(c.label.dim[0], 4);
	sm_case_clear(&c);
}

static void test_chosen_slices_belong_to_the_volume(void **state)
{
	(void)state;
	struct sm_case c = fresh();
	add_f32(&c, "mr", 1, 1, 3, (const float[]){5, 7, 9});
	add_f32(&c, "ct", 1, 1, 5, (const float[]){0, 40, 80, 1000, 3});
	assert_good(steps(&c, "{select_slices: {first: 1}, when: mr};;"
			      "{select_slices: {last: 2}, when: ct};;{select_slices: {first: 1}, "
			      "when: ct}"),
		    err);
	assert_memory_equal(c.vols[0].keep, ((const uint8_t[]){0, 1, 1, 0, 0}), 5);
	assert_memory_equal(c.vols[1].keep, ((const uint8_t[]){0, 1, 1}), 3);
	/* what moves the volume moves its choice */
	assert_good(steps(&c, "{pad_crop: {size: [0, 0, 4], at: corner}, when: ct};;"
				  "{pad_crop: {size: [0, 0, 5], at: corner}, when: mr}"),
		    err);
	assert_memory_equal(c.vols[0].keep, ((const uint8_t[]){0, 1, 1, 0}), 4);
	assert_memory_equal(c.vols[1].keep, ((const uint8_t[]){0, 1, 1, 0, 0}), 5);
	sm_case_clear(&c);
	/* of channels it is the image's */
	c = fresh();
	add_f32(&c, "a", 1, 1, 3, (const float[]){5, 7, 9});
	add_f32(&c, "b", 1, 1, 3, (const float[]){5, 7, 9});
	assert_good(
		steps(&c,
		      "{select_slices: {first: 1}, when: a};;{select_slices: {last: 1}, when: "
		      "b};;{remove_background: {threshold: value, value: 6}, when: a};;{stack: "
		      "{roles: [a, b]}}"),
		err);
	assert_memory_equal(c.vols[0].keep, ((const uint8_t[]){0, 1, 0}), 3);
	assert_int_equal(c.mask.dim[2], 3); /* one grid: of use for all */
	sm_case_clear(&c);
	/* chosen for all, moved one by one */
	c = fresh();
	add_f32(&c, "a", 1, 1, 3, (const float[]){5, 7, 9});
	add_f32(&c, "b", 1, 1, 3, (const float[]){5, 7, 9});
	assert_good(steps(&c,
			  "{select_slices: {first: 1}};;{resize: {size: [0, 0, 9]}, when: b};;"
			  "{orient: {axes: RAI}, when: a};;{select_slices: {last: 6}, when: b}"),
		    err);
	assert_memory_equal(c.vols[0].keep, ((const uint8_t[]){1, 1, 0}), 3);
	assert_memory_equal(c.vols[1].keep, ((const uint8_t[]){0, 0, 0, 1, 1, 1, 1, 0, 0}), 9);
	/* slice z of one is no longer that of the other */
	assert_refused(steps(&c, "{select_slices: {first: 1}}"), SM_INPUT, err,
		       "b has 9 voxels along z");
	sm_case_clear(&c);
}

static void test_labels_are_for_the_whole_case(void **state)
{
	(void)state;
	struct sm_case c = two("");
	static const char *const all[] = {
		"{relabel: {from: [2], to: [3]}, when: ct}",
		"{one_hot: {labels: [1, 2]}, when: ct}",
		"{regions: {unions: [{name: WT, labels: [1, 2]}]}, when: ct}"};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		assert_refused(steps(&c, all[i]), SM_INPUT, err, "leave `when` out");
	assert_int_equal(c.label_map_count, 0);
	assert_null(c.regions.data);
	assert_memory_equal(c.label.data, ((const uint8_t[]){0, 1, 1, 2}), 4);
	assert_refused(
		steps(&c, "{select_slices: {min_foreground: 0.1, foreground: label}, when: ct}"),
		SM_INPUT, err, "`when` hides it from the step");
	sm_case_clear(&c);
	/* a modality that all volumes have is the whole case */
	c = fresh();
	strcpy(c.modality, "CT");
	add_f32(&c, "image", 4, 1, 1, (const float[]){0, 40, 80, 1000});
	add_label(&c, 4, 1, 1, (const uint8_t[]){0, 1, 1, 2});
	assert_good(steps(&c, all[0]), err);
	assert_memory_equal(c.label.data, ((const uint8_t[]){0, 1, 1, 3}), 4);
	assert_int_equal(c.label_map_count, 1);
	sm_case_clear(&c);
}

static void test_references_may_lie_outside(void **state)
{
	(void)state;
	struct sm_case c = two("");
	c.vols[1].vol.affine[0][0] = 2; /* mr: 2 voxels of 2 mm, middles at 0 and 2 */
	assert_good(steps(&c, "{resample: {like: ct}, when: mr}"), err);
	assert_int_equal(c.vols[1].vol.dim[0], 4);
	assert_values(values(&c, 1), (const float[]){5, 6, 7, 7}, 4);
	assert_values(values(&c, 0), (const float[]){0, 40, 80, 1000}, 4);
	assert_good(steps(&c, "{match_histogram: {reference: ct}, when: mr}"), err);
	assert_values(values(&c, 1), (const float[]){0, 40, 1000, 1000}, 4);
	assert_refused(steps(&c, "{match_histogram: {reference: pet}, when: mr}"), SM_INPUT, err,
		       "has no volume 'pet'");
	assert_refused(steps(&c, "{resample: {like: pet}, when: mr}"), SM_INPUT, err,
		       "has no volume 'pet'");
	/* within a mask: the reference's own, or the case's on its grid */
	assert_good(steps(&c, "{remove_background: {threshold: value, value: 10, only_mask: true}, "
			      "when: mr}"),
		    err);
	((uint8_t *)c.mask.data)[0] = 1; /* the case's, a copy of mr's, which lies on ct too */
	assert_good(steps(&c, "{match_histogram: {reference: ct, scope: mask}, when: mr}"), err);
	/* of mr 40, 1000, 1000, of ct all four: shares 1/3 and 1 */
	assert_true(values(&c, 1)[0] == 0 && values(&c, 1)[3] == 1000);
	assert_true(fabsf(values(&c, 1)[1] - 40.0f / 3) < 1e-4f);
	sm_vol_clear(&c.mask);
	assert_refused(steps(&c, "{match_histogram: {reference: ct, scope: mask}, when: mr}"),
		       SM_INPUT, err, "ct, which is the reference, has none");
	sm_case_clear(&c);
}

static void test_one_grid_is_one_place(void **state)
{
	(void)state;
	static const char *const by_index[] = {
		"{remove_background: {threshold: value, value: 6}}", "{crop_foreground: {}}",
		"{select_slices: {min_foreground: 0.1}}", "{normalise: {scope: mask}}"};
	for (size_t i = 0; i < sizeof by_index / sizeof *by_index; i++) {
		struct sm_case c = fresh();
		add_f32(&c, "a", 2, 2, 1, (const float[]){5, 7, 9, 0});
		add_f32(&c, "b", 2, 2, 1, (const float[]){5, 7, 9, 0});
		c.mask = volume(2, 2, 1, 1, SM_U8);
		memset(c.mask.data, 1, 4);
		assert_good(steps(&c, by_index[i]), err);
		sm_case_clear(&c);
		/* as many voxels, another place */
		c = fresh();
		add_f32(&c, "a", 2, 2, 1, (const float[]){5, 7, 9, 0});
		add_f32(&c, "b", 2, 2, 1, (const float[]){5, 7, 9, 0});
		c.mask = volume(2, 2, 1, 1, SM_U8);
		memset(c.mask.data, 1, 4);
		assert_good(steps(&c, "{rotate90: {k: 1}, when: b}"), err);
		assert_refused(steps(&c, by_index[i]), SM_INPUT, err,
			       "b lie up to 1 mm away from those of a");
		/* nor does the mask of one go to the other */
		assert_good(steps(&c, "{remove_background: {threshold: value, value: 6}, when: b}"),
			    err);
		assert_int_equal(((uint8_t *)c.mask.data)[0], 1);
		sm_case_clear(&c);
	}
	/* a mask elsewhere is none: noise is judged without it */
	float noisy[216], out[2][216];
	for (int k = 0; k < 2; k++) {
		struct sm_case c = fresh();
		for (int i = 0; i < 216; i++)
			noisy[i] = (float)(100 + i * 37 % 11 + (i < 36 ? i * 53 % 97 : 0));
		add_f32(&c, "a", 6, 6, 6, noisy);
		if (k) {
			c.mask = volume(6, 6, 6, 1, SM_U8);
			memset(c.mask.data, 1, 108);
			c.mask.affine[2][3] = 3;
		}
		assert_good(op(&c, "denoise", "method", "bilateral", NULL), err);
		memcpy(out[k], values(&c, 0), sizeof out[k]);
		sm_case_clear(&c);
	}
	assert_values(out[1], out[0], 216);
	/* refused where it is asked for */
	struct sm_case c = fresh();
	add_f32(&c, "a", 2, 2, 1, (const float[]){5, 7, 9, 0});
	c.mask = volume(2, 2, 1, 1, SM_U8);
	c.mask.affine[2][3] = 3;
	assert_refused(steps(&c, "{normalise: {scope: mask}}"), SM_INPUT, err,
		       "the mask lie up to 3 mm away from those of a");
	c.pictures = true; /* which have no place */
	assert_good(steps(&c, "{normalise: {scope: mask}}"), err);
	sm_case_clear(&c);
	c = two("");
	assert_refused(steps(&c, "{normalise: {roles: [mr]}, when: ct}"), SM_INPUT, err,
		       "`when` lets the step see no volume 'mr'");
	sm_case_clear(&c);
}

static void test_a_when_that_nothing_meets(void **state)
{
	(void)state;
	struct sm_manifest m;
	static char *names[] = {"flair", "t1"};
	const struct sm_strings roles = {names, 2};
	static const struct {
		const char *yaml, *says; /* NULL = good */
	} rows[] = {
		{"{stack: {roles: [flair, t1]}};;{normalise: {}, when: t1}",
		 "step 2 (normalise): when: found 't1'"},
		{"{stack: {roles: [flair, t1]}};;{normalise: {}, when: t2}", "allowed is image"},
		{"{stack: {roles: [flair, t1]}};;{normalise: {}, when: image}", NULL},
		{"{stack: {roles: [flair, t1]}};;{normalise: {}, when: mr}", NULL},
		{"{normalise: {}, when: t1};;{stack: {roles: [flair, t1]}}", NULL},
		{"{stack: {roles: [image]}};;{normalise: {}, when: image}", NULL},
		{"{stack: {roles: [ct]}};;{normalise: {}, when: ct}", NULL},
		{"{normalise: {}, when: 5}", "steps: step 1 (normalise): when: found '5'"},
		{"{normalise: {}, when: 0_1}", "steps: step 1 (normalise): when: found '0_1'"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		enum sm_status st = read_steps(rows[i].yaml, &m);
		if (rows[i].says)
			assert_refused(st, SM_USAGE, err, rows[i].says);
		else
			assert_good(st, err);
		if (st == SM_OK)
			sm_manifest_clear(&m);
	}
	assert_good(read_steps("{normalise: {}, when: t1};;{normalise: {}, when: PT};;{normalise: "
			       "{}, when: t2}",
			       &m),
		    err);
	const struct sm_steps *list = &((const struct yaml_root *)m.root)->steps;
	assert_good(sm_when_check(list, 3, NULL, NULL, &err), err);
	assert_good(sm_when_check(list, 2, &roles, "flair, t1", &err), err);
	assert_refused(sm_when_check(list, 3, &roles, "flair, t1", &err), SM_USAGE, err,
		       "step 3 (normalise): when: found 't2', allowed is flair, t1 or a modality");
	sm_manifest_clear(&m);
	/* Of cases that a step stacked beside others, the image can be meant. */
	assert_good(
		read_steps("{stack: {roles: [flair, t1]}, when: mr};;{normalise: {}, when: image}",
			   &m),
		err);
	list = &((const struct yaml_root *)m.root)->steps;
	assert_good(sm_when_check(list, 2, &roles, "flair, t1", &err), err);
	sm_manifest_clear(&m);
	/* Ingest names no series by another word. */
	static const struct {
		const char *word;
		unsigned flags;
	} modalities[] = {SM_MODALITIES(MODALITY_ROW)};
	for (size_t i = 0; i < SM_COUNT(modalities); i++) {
		char yaml[64];
		if (modalities[i].flags & SM_MODALITY_NO_IMAGE ||
		    strcmp(modalities[i].word, "SEG") == 0)
			continue;
		snprintf(yaml, sizeof yaml, "{normalise: {}, when: %s}", modalities[i].word);
		assert_good(read_steps(yaml, &m), err);
		list = &((const struct yaml_root *)m.root)->steps;
		assert_good(sm_when_check(list, 1, &roles, "flair, t1", &err), err);
		sm_manifest_clear(&m);
	}
}

static void test_the_key_is_read_and_recorded(void **state)
{
	(void)state;
	struct sm_manifest m;
	assert_good(read_steps("when: ct\n      rotate90: {};;rotate90: {k: 2}", &m), err);
	const struct sm_steps *list = &((const struct yaml_root *)m.root)->steps;
	assert_int_equal(list->n, 2);
	assert_string_equal(list->v[0].when, "ct");
	assert_null(list->v[1].when);
	json_t *dump = sm_fields_dump(&yaml_root, m.root);
	json_t *all = json_object_get(dump, "steps");
	assert_string_equal(json_string_value(json_object_get(json_array_get(all, 0), "when")),
			    "ct");
	assert_null(json_object_get(json_array_get(all, 1), "when"));
	json_decref(dump);
	sm_manifest_clear(&m);
	assert_refused(read_steps("when: ct", &m), SM_USAGE, err, "found 0 operations");
	assert_refused(read_steps("{rotate90: {}, when: 'a b'}", &m), SM_USAGE, err,
		       "step 1 (rotate90): when: found 'a b'");
	assert_refused(read_steps("{rotate90: {}, when: [ct]}", &m), SM_USAGE, err,
		       "needed is a single value");
	assert_refused(read_steps("{rotate90: {}, whem: ct}", &m), SM_USAGE, err,
		       "did you mean 'when'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_step_sees_the_role_it_is_for),
		cmocka_unit_test(test_a_modality_means_the_whole_case),
		cmocka_unit_test(test_what_a_step_makes_stays),
		cmocka_unit_test(test_chosen_slices_belong_to_the_volume),
		cmocka_unit_test(test_labels_are_for_the_whole_case),
		cmocka_unit_test(test_references_may_lie_outside),
		cmocka_unit_test(test_one_grid_is_one_place),
		cmocka_unit_test(test_a_when_that_nothing_meets),
		cmocka_unit_test(test_the_key_is_read_and_recorded),
	};
	return run_tap(tests);
}
