/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <stdlib.h>
#include <string.h>

#include "derive/marks.h"

static struct sm_mem mem;
static struct sm_err err;

static json_t *parse(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);
	assert_non_null(o);
	return o;
}

/* A value as one line with sorted keys equals text. */
static void same(const json_t *value, const char *text)
{
	char *got = json_dumps(value, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY |
					      JSON_REAL_PRECISION(9));
	assert_non_null(got);
	assert_string_equal(got, text);
	free(got);
}

static void test_marks_of_an_interleaved_scan(void **state)
{
	(void)state;
	json_t *from = parse("{\"KVP\":120,\"ImageType\":[\"ORIGINAL\",\"PRIMARY\",\"AXIAL\"],"
			     "\"SliceThickness\":5,"
			     "\"SpacingBetweenSlices\":3,\"SliceTiming\":[0,0.5,0.25],"
			     "\"DecayCorrectionFactorBySlice\":[1,2],"
			     "\"SliceMap\":[{\"index\":0,\"sop_sha256\":\"a\"},{\"index\":2,\"sop_"
			     "sha256\":\"c\"}]}");
	const struct sm_marks none = {.axis = -1};
	const struct sm_interleaving how = {
		.axis = 2, .factor = 3, .slices = 3, .own_axis = true, .method = "cubic"};
	json_t *to = sm_marks_interleave(from, &none, &how);
	same(to, "{\"Derivation\":[{\"Axis\":2,\"Factor\":3,\"Method\":\"cubic\",\"Stage\":"
		 "\"interpolate\"}],"
		 "\"ImageType\":[\"DERIVED\",\"SECONDARY\",\"AXIAL\"],\"KVP\":120,"
		 "\"SliceMap\":[{\"index\":0,\"sop_sha256\":\"a\"},{\"index\":6,\"sop_sha256\":"
		 "\"c\"}],\"SliceThickness\":5,"
		 "\"SliceTiming\":[0,null,null,0.5,null,null,0.25],\"SpacingBetweenSlices\":1.0,"
		 "\"Synthetic\":true,"
		 "\"predicted_slices\":{\"axis\":2,\"index\":[1,2,4,5],"
		 "\"position\":[0.333333333,0.666666667,1.33333333,1.66666667]}}");
	char text[100];
	sm_marks_say(to, text, sizeof text);
	assert_string_equal(text, "interpolate cubic, factor 3");
	json_decref(to);
	json_decref(from);
}

static void test_marks_add_up_when_it_is_done_twice(void **state)
{
	(void)state;
	const struct sm_marks none = {.axis = -1};
	const int64_t dim[4] = {2, 2, 3, 1};
	struct sm_interleaving how = {.axis = 2,
				      .factor = 2,
				      .slices = 2,
				      .own_axis = true,
				      .spacing = 1.5,
				      .method = "linear",
				      .model = "abc"};
	struct sm_vol vol;
	struct sm_marks marks;
	json_t *once = sm_marks_interleave(NULL, &none, &how);
	assert_good(sm_vol_init(&vol, dim, SM_U8, &mem, "t", &err), err);
	assert_good(sm_marks_read(once, &vol, "t", &marks, &err), err);
	assert_true(marks.known && marks.synthetic && marks.axis == 2 && marks.n == 1 &&
		    marks.index[0] == 1);
	how.slices = 3;
	json_t *twice = sm_marks_interleave(once, &marks, &how);
	same(json_object_get(twice, "predicted_slices"),
	     "{\"axis\":2,\"index\":[1,2,3],\"position\":[0.5,1.0,1.5]}");
	same(json_object_get(twice, "SpacingBetweenSlices"), "0.75");
	assert_int_equal(json_array_size(json_object_get(twice, "Derivation")), 2);
	json_decref(twice);
	/* along another axis each slice has predicted rows: none is an original */
	how.axis = 0;
	how.own_axis = false;
	how.slices = 2;
	twice = sm_marks_interleave(once, &marks, &how);
	assert_null(json_object_get(twice, "predicted_slices"));
	assert_true(json_is_true(json_object_get(twice, "Synthetic")));
	json_decref(twice);
	sm_marks_clear(&marks);
	json_decref(once);
	sm_vol_clear(&vol);
}

static void test_marks_of_a_translated_scan_drop_the_source_machine(void **state)
{
	(void)state;
	json_t *from = parse("{\"Modality\":\"MR\",\"EchoTime\":0.02,\"MagneticFieldStrength\":3,"
			     "\"SliceThickness\":2,"
			     "\"BodyPartExamined\":\"HEAD\",\"Meaning\":\"arbitrary\","
			     "\"ImageType\":[\"ORIGINAL\"]}");
	json_t *to = sm_marks_translate(from, "CT", SM_MEANING_HU, "cyclegan", "0123");
	same(to, "{\"BodyPartExamined\":\"HEAD\",\"Derivation\":[{\"Method\":\"cyclegan\","
		 "\"Model\":\"0123\","
		 "\"Stage\":\"predict\"}],\"ImageType\":[\"DERIVED\",\"SECONDARY\"],\"Meaning\":"
		 "\"HU\",\"Modality\":\"CT\","
		 "\"SliceThickness\":2,\"Synthetic\":true}");
	/* slices between synthetic ones are no originals either */
	struct sm_marks marks;
	const struct sm_vol vol = {.dim = {2, 2, 2, 1}};
	const struct sm_interleaving how = {
		.axis = 2, .factor = 2, .slices = 2, .own_axis = true, .method = "linear"};
	assert_good(sm_marks_read(to, &vol, "t", &marks, &err), err);
	assert_true(marks.known && marks.synthetic && marks.axis == -1);
	json_t *between = sm_marks_interleave(to, &marks, &how);
	assert_null(json_object_get(between, "predicted_slices"));
	char text[100];
	sm_marks_say(between, text, sizeof text);
	assert_string_equal(text, "predict cyclegan, model 0123; interpolate linear, factor 2");
	json_decref(between);
	json_decref(to);
	json_decref(from);
}

static void test_marks_of_slices_that_hold_nothing(void **state)
{
	(void)state;
	json_t *from = parse("{\"Synthetic\":true,\"filled_slices\":{\"axis\":2,\"index\":[0,1,"
			     "5],\"value\":-1000},\"predicted_slices\":{\"axis\":2,\"index\":[2,3,"
			     "4],\"position\":[2,3,4]}}");
	const struct sm_vol vol = {.dim = {2, 2, 6, 1}};
	struct sm_marks marks;
	bool *none = NULL;
	assert_good(sm_marks_read(from, &vol, "t", &marks, &err), err);
	assert_true(marks.n == 3 && marks.filled_axis == 2 && marks.filled_count == 3);
	assert_good(sm_marks_none(&marks, 0, &vol, &none, &err), err);
	assert_null(none);
	assert_good(sm_marks_none(&marks, 2, &vol, &none, &err), err);
	for (int k = 0; k < 6; k++)
		assert_int_equal(none[k], k < 2 || k == 5);
	/* beside them nothing can be predicted */
	struct sm_interleaving how = {
		.axis = 2, .factor = 2, .slices = 6, .method = "linear", .none = none};
	json_t *to = sm_marks_interleave(from, &marks, &how);
	same(json_object_get(to, "filled_slices"),
	     "{\"axis\":2,\"index\":[0,1,2,3,9,10],\"value\":-1000}");
	same(json_object_get(json_object_get(to, "predicted_slices"), "index"), "[4,5,6,7,8]");
	json_decref(to);
	/* across them they stay where they are */
	how = (struct sm_interleaving){.axis = 0, .factor = 2, .slices = 2, .method = "linear"};
	to = sm_marks_interleave(from, &marks, &how);
	assert_true(json_equal(json_object_get(to, "filled_slices"),
			       json_object_get(from, "filled_slices")));
	assert_null(json_object_get(to, "predicted_slices"));
	json_decref(to);
	json_decref(from);
	free(none);
	sm_marks_clear(&marks);
}

static void test_marks_of_slices_that_preprocess_changed(void **state)
{
	(void)state;
	json_t *from = parse("{\"Synthetic\":true,\"processed_slices\":{\"axis\":2,\"index\":[0,3]}"
			     ",\"predicted_slices\":{\"axis\":2,\"index\":[1,2]}}");
	const struct sm_vol vol = {.dim = {2, 2, 4, 1}};
	struct sm_marks marks;
	assert_good(sm_marks_read(from, &vol, "t", &marks, &err), err);
	assert_true(marks.processed_axis == 2 && marks.processed_count == 2 &&
		    marks.processed[0] == 0 && marks.processed[1] == 3);
	/* between them they stay what they are */
	struct sm_interleaving how = {.axis = 2, .factor = 2, .slices = 4, .method = "linear"};
	json_t *to = sm_marks_interleave(from, &marks, &how);
	same(json_object_get(to, "processed_slices"), "{\"axis\":2,\"index\":[0,6]}");
	same(json_object_get(json_object_get(to, "predicted_slices"), "index"), "[1,2,3,4,5]");
	json_decref(to);
	/* across them each slice has predicted rows */
	how.axis = 0;
	how.slices = 2;
	to = sm_marks_interleave(from, &marks, &how);
	assert_null(json_object_get(to, "processed_slices"));
	json_decref(to);
	sm_marks_clear(&marks);
	json_decref(from);
	/* of a volume of preprocess no slice is a copy of the scan; of another one all are */
	const struct sm_marks none = {.axis = -1};
	how = (struct sm_interleaving){
		.axis = 2, .factor = 2, .slices = 3, .method = "linear", .processed = true};
	to = sm_marks_interleave(NULL, &none, &how);
	same(json_object_get(to, "processed_slices"), "{\"axis\":2,\"index\":[0,2,4]}");
	json_decref(to);
	how.processed = false;
	to = sm_marks_interleave(NULL, &none, &how);
	assert_null(json_object_get(to, "processed_slices"));
	json_decref(to);
}

static void test_marks_that_do_not_fit_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text, *part;
	} bad[] = {
		{"{\"Synthetic\":1}", "Synthetic in its sidecar"},
		{"{\"predicted_slices\":{\"axis\":2,\"index\":[1]}}", "Synthetic in its sidecar"},
		{"{\"Synthetic\":true,\"predicted_slices\":{\"axis\":3,\"index\":[1]}}",
		 "lacks an axis"},
		{"{\"Synthetic\":true,\"predicted_slices\":{\"axis\":2,\"index\":1}}",
		 "lacks an axis"},
		{"{\"Synthetic\":true,\"predicted_slices\":{\"axis\":2,\"index\":[1,1]}}",
		 "entry 1"},
		{"{\"Synthetic\":true,\"predicted_slices\":{\"axis\":2,\"index\":[1,4]}}",
		 "below 4"},
		{"{\"Synthetic\":true,\"predicted_slices\":{\"axis\":2,\"index\":[-1]}}",
		 "entry 0"},
		{"{\"Synthetic\":true,\"predicted_slices\":{\"axis\":2,\"index\":[0.5]}}",
		 "entry 0"},
		{"{\"filled_slices\":{\"axis\":2,\"index\":[1]}}", "Synthetic in its sidecar"},
		{"{\"Synthetic\":true,\"filled_slices\":{\"index\":[1]}}",
		 "filled_slices in its sidecar lacks an axis"},
		{"{\"Synthetic\":true,\"filled_slices\":{\"axis\":2,\"index\":[1,4]}}",
		 "entry 1 of filled_slices"},
		{"{\"processed_slices\":{\"axis\":2,\"index\":[1]}}", "Synthetic in its sidecar"},
		{"{\"Synthetic\":true,\"processed_slices\":{\"axis\":2,\"index\":[1,4]}}",
		 "entry 1 of processed_slices"},
	};
	const struct sm_vol vol = {.dim = {2, 2, 4, 1}};
	struct sm_marks marks;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		json_t *o = parse(bad[i].text);
		assert_refused(sm_marks_read(o, &vol, "scan", &marks, &err), SM_INPUT, err,
			       bad[i].part);
		assert_null(marks.index);
		json_decref(o);
	}
	assert_good(sm_marks_read(NULL, &vol, "scan", &marks, &err), err);
	assert_false(marks.known);
}

static void test_marks_slice_axis_is_the_one_along_the_normal(void **state)
{
	(void)state;
	struct sm_vol vol = {.affine = {{-1, 0, 0, 0}, {0, -1, 0, 0}, {0, 0, 3, 0}, {0, 0, 0, 1}}};
	json_t *axial = parse("{\"ImageOrientationPatientDICOM\":[1,0,0,0,1,0]}");
	json_t *sagittal = parse("{\"ImageOrientationPatientDICOM\":[0,1,0,0,0,-1]}");
	json_t *leaning = parse("{\"ImageOrientationPatientDICOM\":[0.9,0,-0.43589,0,1,0]}");
	assert_int_equal(sm_slice_axis(axial, &vol), 2);
	assert_int_equal(sm_slice_axis(sagittal, &vol), 0);
	assert_int_equal(sm_slice_axis(leaning, &vol), 2);
	assert_int_equal(sm_slice_axis(NULL, &vol), 2);
	json_decref(axial);
	json_decref(sagittal);
	json_decref(leaning);
}

static void test_marks_say_only_words(void **state)
{
	(void)state;
	char text[200];
	json_t *o = parse("{\"Derivation\":[{\"Stage\":\"predict\",\"Method\":\"Jane^Doe\","
			  "\"Model\":\"a/b\"},3,"
			  "{\"Stage\":\"x y\",\"Factor\":2}]}");
	sm_marks_say(o, text, sizeof text);
	assert_string_equal(text, "predict; derived; derived, factor 2");
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_marks_of_an_interleaved_scan),
		cmocka_unit_test(test_marks_add_up_when_it_is_done_twice),
		cmocka_unit_test(test_marks_of_a_translated_scan_drop_the_source_machine),
		cmocka_unit_test(test_marks_of_slices_that_hold_nothing),
		cmocka_unit_test(test_marks_of_slices_that_preprocess_changed),
		cmocka_unit_test(test_marks_that_do_not_fit_are_refused),
		cmocka_unit_test(test_marks_slice_axis_is_the_one_along_the_normal),
		cmocka_unit_test(test_marks_say_only_words),
	};
	sm_mem_init(&mem, 1u << 30);
	return run_tap(tests);
}
