/* SPDX-License-Identifier: Apache-2.0 */
/* bench_train_step turns=1: one thread against many, a step each in turn. */
#include "bench/train_step.h"

#include <float.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST_SIDE 64

/* Networks that take a step at the same time, one a thread unless there is one alone. */
struct side {
	struct sm_net *net[MOST_SIDE];
	int nets;
	double seconds[MAX_STEPS], cpu;
	double *part; /* the least time of each layer's passes, and behind them of what is left */
};

static size_t parts_of(const struct side *s)
{
	return sm_net_layers(s->net[0]) * SM_PASSES + 1;
}

/* Keeps as many cores busy for a while as there are threads: a core that idled is slow for some
 * 50 ms, which would be charged to whoever comes next. */
#define WARM_SECONDS 0.1
static void warm(int threads)
{
#pragma omp parallel num_threads(threads)
	for (double end = omp_get_wtime() + WARM_SECONDS; omp_get_wtime() < end;)
		;
}

static enum sm_status side_step(const struct side *s, uint64_t step, struct sm_err *err)
{
	double loss;
	if (s->nets == 1)
		return sm_net_train(s->net[0], step, 1e-4, &loss, err);
	enum sm_status all = SM_OK;
#pragma omp parallel num_threads(s->nets)
	{
		struct sm_err own = {0};
		double mine;
		struct sm_net *net = s->net[omp_get_thread_num()];
		enum sm_status st = sm_net_train(net, step, 1e-4, &mine, &own);
#pragma omp critical
		if (st != SM_OK) {
			all = st;
			*err = own;
		}
	}
	return all;
}

static enum sm_status side_make(struct side *s, struct settings settings, int nets, int threads,
				struct sm_err *err)
{
	settings.threads = threads;
	for (s->nets = 0; s->nets < nets; s->nets++) {
		struct sm_net *net = bench_net(&settings, err);
		if (!net)
			return err->code;
		sm_net_init(net, 1);
		bench_fill(net, settings.softmax);
		s->net[s->nets] = net;
	}
	s->part = malloc(parts_of(s) * sizeof *s->part);
	if (!s->part)
		return SM_FAIL(err, SM_BUDGET, "turns: out of memory");
	for (size_t i = 0; i < parts_of(s); i++)
		s->part[i] = DBL_MAX;
	return SM_OK;
}

static void side_free(struct side *s)
{
	while (s->nets > 0)
		sm_net_free(s->net[--s->nets]);
	free(s->part);
}

static void keep_less(double *least, double now)
{
	*least = now < *least ? now : *least;
}

/* The parts of a step of so many seconds, of the side's first network. */
static void keep_parts(struct side *s, double seconds)
{
	size_t at = 0;
	for (size_t i = 0; i < sm_net_layers(s->net[0]); i++) {
		struct sm_layer_time t = sm_net_profile(s->net[0], i);
		for (int p = 0; p < SM_PASSES; p++) {
			keep_less(&s->part[at++], t.seconds[p]);
			seconds -= t.seconds[p];
		}
	}
	keep_less(&s->part[at], seconds);
	sm_net_profile_reset(s->net[0]);
}

static double undisturbed(const struct side *s)
{
	double sum = 0;
	for (size_t i = 0; i < parts_of(s); i++)
		sum += s->part[i];
	return sum;
}

static double quartile(const double *of, const double *by, int n, int q)
{
	double ratio[MAX_STEPS];
	for (int i = 0; i < n; i++)
		ratio[i] = by ? of[i] / by[i] : of[i];
	qsort(ratio, (size_t)n, sizeof *ratio, bench_ascending);
	return ratio[n * q / 4];
}

enum { ONE, MANY, APART, SIDES };

/* What a second thread leaves undone, layer by layer. */
static void print_parts(const struct side *side, int threads)
{
	static const char *const pass[] = {"forward", "data", "weights"};
	printf("%-14s %-8s %9s %9s %6s %9s\n", "least ms", "pass", "one", "many", "times", "lost");
	for (size_t i = 0, last = parts_of(side) - 1; i <= last; i++) {
		double one = side[ONE].part[i] * 1e3, many = side[MANY].part[i] * 1e3;
		if (one + many <= 0)
			continue;
		const char *name = i == last ? "all else"
					     : sm_net_profile(side->net[0], i / SM_PASSES).name;
		printf("%-14s %-8s %9.2f %9.2f %6.2f %9.2f\n", name,
		       i == last ? "" : pass[i % SM_PASSES], one, many, one / many,
		       many - one / threads);
	}
}

static void print_sides(const struct side *side, int n)
{
	const double *one = side[ONE].seconds, *many = side[MANY].seconds;
	const double *apart = side[APART].seconds;
	double calm_one = undisturbed(&side[ONE]), calm_many = undisturbed(&side[MANY]);
	printf("turns one_ms %.1f many_ms %.1f apart_ms %.1f times %.3f low %.3f high %.3f "
	       "limit %.3f one_cpu %.1f many_cpu %.1f calm_one_ms %.1f calm_many_ms %.1f "
	       "calm_times %.3f least_one_ms %.1f least_many_ms %.1f\n",
	       quartile(one, NULL, n, 2) * 1e3, quartile(many, NULL, n, 2) * 1e3,
	       quartile(apart, NULL, n, 2) * 1e3, quartile(one, many, n, 2),
	       quartile(one, many, n, 1), quartile(one, many, n, 3),
	       side[APART].nets * quartile(one, apart, n, 2), side[ONE].cpu * 1e3,
	       side[MANY].cpu * 1e3, calm_one * 1e3, calm_many * 1e3, calm_one / calm_many,
	       quartile(one, NULL, n, 0) * 1e3, quartile(many, NULL, n, 0) * 1e3);
}

/* A step of each that touches the memory, then n of each in turn: what else the machine does meets
 * all alike, so that the median of the ratios of neighbours stands still where runs one behind the
 * other do not. `apart`: networks that share nothing at the same time; what these lose is the
 * machine's. `calm`: the machine's other guests take memory bandwidth for parts of a second, which
 * only ever costs time; so the sum of each layer's least time over the steps is what a step would
 * take that nobody disturbs, a lower bound (the more steps the closer; without busy loops beside,
 * between whose turns short layers would fit). */
enum sm_status bench_turns(const struct settings *s, struct sm_err *err)
{
	struct side side[SIDES] = {0};
	int n = s->steps, most = s->threads;
	if (most > MOST_SIDE)
		return SM_FAIL(err, SM_USAGE, "turns: %d threads, at most %d", most, MOST_SIDE);
	enum sm_status st = side_make(&side[ONE], *s, 1, 1, err);
	st = st == SM_OK ? side_make(&side[MANY], *s, 1, s->threads, err) : st;
	st = st == SM_OK ? side_make(&side[APART], *s, most, 1, err) : st;
	for (int i = 0; st == SM_OK && i <= n; i++)
		for (int k = 0; st == SM_OK && k < SIDES; k++) {
			warm(most);
			double start = omp_get_wtime(), cpu = bench_processor_time();
			st = side_step(&side[k], (uint64_t)i, err);
			double seconds = omp_get_wtime() - start;
			cpu = bench_processor_time() - cpu;
			if (!i) {
				sm_net_profile_reset(side[k].net[0]);
				continue;
			}
			side[k].seconds[i - 1] = seconds;
			side[k].cpu += cpu / n;
			keep_parts(&side[k], seconds);
		}
	if (st == SM_OK && s->layers)
		print_parts(side, most);
	if (st == SM_OK)
		print_sides(side, n);
	for (int k = 0; k < SIDES; k++)
		side_free(&side[k]);
	return st;
}
