/* SPDX-License-Identifier: Apache-2.0 */
/* Learning rates against torch.optim.lr_scheduler (tests/golden/schedule.txt, made by
 * scripts/golden_schedule.py), the warm-up, and the early stop. */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "train/schedule.h"

static int row_of(const char *name)
{
	int i = 0;
	while (sm_schedule_name((size_t)i) && strcmp(sm_schedule_name((size_t)i), name) != 0)
		i++;
	assert_non_null(sm_schedule_name((size_t)i));
	return i;
}

static void read_line(FILE *f, double *v, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		assert_int_equal(fscanf(f, "%lf", &v[i]), 1);
}

static void test_rates_are_pytorchs(void **state)
{
	(void)state;
	FILE *f = fopen("tests/golden/schedule.txt", "r");
	char name[32];
	double losses[64] = {0}, rates[64], third, fourth;
	long long epochs;
	int cases = 0;
	assert_non_null(f);
	struct sm_schedule s = {0};
	while (fscanf(f, "%31s %lf %lld %lf %lf", name, &s.rate, &epochs, &third, &fourth) == 5) {
		s.row = row_of(name);
		s.epochs = epochs;
		s.power = third;
		s.min_rate = s.plateau.min_rate = fourth;
		if (strcmp(name, "plateau") == 0) {
			long long patience;
			s.plateau.factor = third;
			assert_int_equal(fscanf(f, "%lld %lf", &patience, &s.plateau.min_delta), 2);
			s.plateau.patience = patience;
			read_line(f, losses, epochs);
		}
		read_line(f, rates, epochs);
		for (int64_t e = 0; e < epochs; e++)
			assert_true(fabs(sm_schedule_epoch(&s, e, losses, 1) - rates[e]) <=
				    1e-14 * s.rate);
		cases++;
	}
	fclose(f);
	assert_int_equal(cases, 10);
}

static void test_the_plateau_reads_a_column(void **state)
{
	(void)state;
	const double rows[][2] = {{9, 1}, {9, 0.5}, {9, 0.6}, {9, 0.5}, {9, 0.4}};
	struct sm_schedule s = {.row = row_of("plateau"), .rate = 1, .plateau = {0.2, 0, 1e-6, 2}};
	const double want[] = {1, 1, 1, 1, 0.2, 0.2};
	for (int64_t e = 0; e <= 5; e++)
		assert_true(sm_schedule_epoch(&s, e, &rows[0][1], 2) == want[e]);
	s.warmup = 3; /* epochs of warm-up do not count */
	assert_true(sm_schedule_epoch(&s, 5, &rows[0][1], 2) == 1);
}

static void test_warm_up_rises_by_step(void **state)
{
	(void)state;
	struct sm_schedule s = {.row = row_of("linear"), .rate = 0.8, .epochs = 6, .warmup = 2,
				.warmup_start = 0.25};
	const double want[] = {0.2, 0.35, 0.5, 0.65};
	for (int64_t i = 0; i < 4; i++) {
		double of_epoch = sm_schedule_epoch(&s, i / 2, NULL, 1);
		assert_true(fabs(sm_schedule_step(&s, i / 2, i % 2, 2, of_epoch) - want[i]) <
			    1e-15);
	}
	/* behind it the schedule begins at its beginning and has the four epochs that are left */
	for (int64_t e = 2; e < 6; e++) {
		double rate = sm_schedule_epoch(&s, e, NULL, 1);
		assert_true(fabs(rate - 0.8 * (1 - (double)(e - 2) / 4)) < 1e-15);
		assert_true(sm_schedule_step(&s, e, 1, 2, rate) == rate);
	}
}

static void test_the_rates_stay_the_same_when_a_training_is_made_longer(void **state)
{
	(void)state;
	for (size_t i = 0; sm_schedule_name(i); i++) {
		struct sm_schedule s = {.row = (int)i, .rate = 1, .epochs = 10, .power = 0.9,
					.plateau = {0.2, 0, 0, 2}};
		const double losses[] = {1, 2, 3, 4, 5};
		double before = sm_schedule_epoch(&s, 5, losses, 1);
		s.epochs = 20;
		bool same = sm_schedule_epoch(&s, 5, losses, 1) == before;
		assert_int_equal(same, !sm_schedule_falls((int)i));
	}
}

static void test_an_early_stop_counts_epochs_without_a_better_loss(void **state)
{
	(void)state;
	const double v[] = {3, 2, 2, 2.5, 1, 1, 1, 1};
	assert_false(sm_schedule_stops(0, v, 1, 8));
	assert_false(sm_schedule_stops(3, v, 1, 4));
	assert_true(sm_schedule_stops(2, v, 1, 4));
	assert_false(sm_schedule_stops(3, v, 1, 7));
	assert_true(sm_schedule_stops(3, v, 1, 8));
	assert_false(sm_schedule_stops(1, NULL, 1, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates_are_pytorchs),
		cmocka_unit_test(test_the_plateau_reads_a_column),
		cmocka_unit_test(test_warm_up_rises_by_step),
		cmocka_unit_test(test_the_rates_stay_the_same_when_a_training_is_made_longer),
		cmocka_unit_test(test_an_early_stop_counts_epochs_without_a_better_loss),
	};
	return run_tap(tests);
}
