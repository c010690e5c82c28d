/* SPDX-License-Identifier: Apache-2.0
 *
 * Random heads: whatever they say, a volume that is called good keeps the promises of dcm_series.h.
 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ingest/series/dcm_series.h"

#define FILES 30
#define FRAMES 8
#define TREES 3000

struct tree {
	uint64_t state;
	size_t n;
	struct sm_dcm_head head[FILES];
	struct sm_dcm_frame frame[FILES][FRAMES];
};

static unsigned draw(struct tree *t, unsigned n)
{
	t->state ^= t->state << 13;
	t->state ^= t->state >> 7;
	t->state ^= t->state << 17;
	return (unsigned)((t->state >> 11) % n);
}

static double maybe(struct tree *t)
{
	return draw(t, 3) ? (double)draw(t, 4) : NAN;
}

static void draw_frame(struct tree *t, struct sm_dcm_frame *f, size_t file, size_t number,
		       unsigned mode)
{
	*f = (struct sm_dcm_frame){
		.picture = (uint32_t)number,
		.has_orientation = true,
		.has_position = true,
		.has_spacing = true,
		.across = {1, 0, 0},
		.down = {0, 1, 0},
		.position = {draw(t, 20) ? 0 : draw(t, 3), 0,
			     mode == 0 ? (double)number : (double)draw(t, 6)},
		.spacing = {1, 1},
		.thickness = draw(t, 2),
		.slope = 1,
		.component = draw(t, 8) ? SM_MAGNITUDE : (enum sm_component)draw(t, 7),
		.kvp = draw(t, 4) ? 120 : maybe(t),
		.kernel_number = maybe(t),
		.echo_time = draw(t, 4) ? 10 : maybe(t),
		.inversion_time = NAN,
		.acquisition = draw(t, 2) ? (long)file : (long)draw(t, 4),
		.instance = (long)draw(t, 40),
		.temporal = draw(t, 2) ? (long)file + 1 : (long)draw(t, 4),
		.trigger = mode == 1 ? maybe(t) : NAN,
		.time = draw(t, 2) ? (double)file : maybe(t),
		.reference = draw(t, 2) ? maybe(t) : NAN,
		.b_value = mode == 0 ? (double)file * 500 : maybe(t),
		.verdict = draw(t, 40) ? SM_VERDICT_OK : (enum sm_verdict)draw(t, SM_VERDICT_COUNT),
	};
	if (mode == 2)
		f->position[2] += 0.3 * draw(t, 3);
	if (mode == 3 && !draw(t, 4))
		memcpy(f->down, (const double[3]){0, 0, 1}, sizeof f->down);
	snprintf(f->kernel, sizeof f->kernel, "%s", draw(t, 5) ? "" : draw(t, 2) ? "a" : "b");
	snprintf(f->image_words, sizeof f->image_words, "%s", draw(t, 5) ? "" : "c");
	snprintf(f->setting, sizeof f->setting, "%s", draw(t, 9) ? "" : "d");
	snprintf(f->shows, sizeof f->shows, "%s", draw(t, 9) ? "" : "water");
	if (!draw(t, 9)) /* a word that must not get into a file name */
		snprintf(f->image_kind, sizeof f->image_kind, "%s", draw(t, 2) ? "ADC" : "../x");
}

static void draw_tree(struct tree *t)
{
	unsigned mode = draw(t, 4);
	t->n = draw(t, FILES + 1);
	for (size_t i = 0; i < t->n; i++) {
		struct sm_dcm_head *h = &t->head[i];
		memset(h, 0, sizeof *h);
		snprintf(h->series, sizeof h->series, "%u", draw(t, 3) ? 1 : draw(t, 3));
		snprintf(h->sop, sizeof h->sop, "%u", draw(t, 10) ? (unsigned)i : draw(t, FILES));
		snprintf(h->modality, sizeof h->modality, "%s",
			 draw(t, 3) ? draw(t, 2) ? "MR" : "PT" : "CT");
		h->kind = draw(t, 10) ? SM_DCM_ENHANCED : SM_DCM_FLAT;
		h->tile_rows = h->tile_columns = draw(t, 9) ? 4 : 5;
		h->slices_declared = draw(t, 5) ? 0 : (long)draw(t, 5);
		h->frame_count = 1 + draw(t, FRAMES);
		h->frame = t->frame[i];
		if (!draw(t, 15)) {
			h->verdict = (enum sm_verdict)draw(t, SM_VERDICT_COUNT);
			h->frame_count = draw(t, 2) ? h->frame_count : 0;
		}
		for (size_t k = 0; k < h->frame_count; k++)
			draw_frame(t, &t->frame[i][k], i, k, mode);
	}
}

static enum sm_status coin(void *ctx, size_t a, size_t b, bool *same, struct sm_err *err)
{
	(void)a, (void)b, (void)err;
	*same = draw(ctx, 2);
	return SM_OK;
}

static void check_good(const struct tree *t, const struct sm_series *s)
{
	assert_int_equal(s->n, s->depth * s->times);
	assert_true(s->n > 0 && (s->times == 1 || s->ordered_by));
	assert_true(strspn(s->name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(s->name));
	for (size_t k = 0; k < s->n; k++) {
		const struct sm_dcm_frame *f = sm_slice_frame(t->head, s->slice[k]);
		const struct sm_dcm_frame *first = sm_slice_frame(t->head, s->slice[k % s->depth]);
		const struct sm_dcm_frame *below =
			k % s->depth ? sm_slice_frame(t->head, s->slice[k - 1]) : NULL;
		assert_non_null(f);
		assert_int_equal(t->head[s->slice[k].head].tile_rows,
				 t->head[s->slice[0].head].tile_rows);
		assert_true(f->component == first->component);
		if (strcmp(t->head[s->slice[0].head].modality, "CT") == 0) {
			assert_true(f->kvp == first->kvp || (isnan(f->kvp) && isnan(first->kvp)));
			assert_string_equal(f->kernel, first->kernel);
		}
		if (strcmp(t->head[s->slice[0].head].modality, "MR") == 0)
			assert_string_equal(f->image_words, first->image_words);
		/* One place at every time point, and one time point has no place twice. */
		for (int r = 0; r < 3; r++)
			assert_true(fabs(f->position[r] - first->position[r]) < 0.11);
		double rise = 0;
		for (int r = 0; r < 3 && below; r++)
			rise += s->stack.normal[r] * (f->position[r] - below->position[r]);
		assert_true(!below || rise > SM_SAME_MM);
	}
}

static void test_random_trees(void **state)
{
	(void)state;
	struct tree t = {.state = 88172645463325252u};
	size_t good = 0, in_time = 0;
	for (size_t i = 0; i < TREES; i++) {
		struct sm_series_list list;
		struct sm_err err = {0};
		draw_tree(&t);
		const struct sm_series_rules rules = {.min_slices = draw(&t, 4)};
		assert_good(sm_series_group(t.head, t.n, &rules, coin, &t, &list, &err), err);
		for (size_t k = 0; k < list.n; k++) {
			const struct sm_series *s = &list.series[k];
			if (s->verdict == SM_VERDICT_OK)
				check_good(&t, s);
			else
				assert_true(*s->why);
			good += s->verdict == SM_VERDICT_OK;
			in_time += s->verdict == SM_VERDICT_OK && s->times > 1;
			/* Keys are made of series and name. */
			for (size_t m = 0; m < k; m++)
				assert_false(strcmp(list.series[m].name, s->name) == 0 &&
					     strcmp(t.head[list.series[m].slice[0].head].series,
						    t.head[s->slice[0].head].series) == 0);
		}
		sm_series_list_clear(&list);
	}
	assert_true(good > TREES && in_time > TREES / 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_trees)};
	return run_tap(tests);
}
