/* SPDX-License-Identifier: Apache-2.0 */
/* A round of an adversarial training (both players' losses, backward, Adam), or one image through a
 * generator: time, processor time, memory against the forecast, and on request every layer. The
 * last line is for bench/translate.sh. usage: bench_translate [key=value]...  keys: system (mammo,
 * medcyclegan, or a generator's name: inference) side threads steps layers memory recompute bf16 width */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "train/translate/game.h"

struct settings {
	const char *system;
	double width;
	int side, threads, steps, layers, memory, recompute, bf16;
};

static void fill(float *p, size_t n, unsigned step)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (float)((unsigned)(i * 2654435761u) / step % 401) * 0.005f - 1;
}

static double processor_time(void)
{
	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       1e-6 * (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static int ascending(const void *x, const void *y)
{
	const double *a = x, *b = y;
	return (*a > *b) - (*a < *b);
}

#define MAX_STEPS 100

struct timing {
	double seconds[MAX_STEPS], median, cpu, start;
};

/* Called before and after each step: the first one touches the memory and does not count. */
static void tick(struct timing *t, int i, bool before)
{
	if (before && i == 1)
		t->cpu = processor_time();
	if (before)
		t->start = omp_get_wtime();
	else if (i)
		t->seconds[i - 1] = omp_get_wtime() - t->start;
}

static void settle(struct timing *t, int n)
{
	t->cpu = (processor_time() - t->cpu) / n;
	qsort(t->seconds, (size_t)n, sizeof *t->seconds, ascending);
	t->median = t->seconds[n / 2];
}

static const char *const passes[] = {"forward", "data", "weights"};

/* Sums over layers of one operator and pass, and the layers themselves. */
static void print_net(const char *who, const struct sm_net *net)
{
	struct {
		const char *op;
		double ms[SM_PASSES], gflop[SM_PASSES];
	} sums[32];
	size_t n = 0, k;
	printf("%-12s %-28s %-14s %-8s %-12s %9s %9s\n", "net", "layer", "operator", "pass",
	       "kernel", "ms", "GF/s");
	for (size_t i = 0; i < sm_net_layers(net); i++) {
		struct sm_layer_time t = sm_net_profile(net, i);
		for (k = 0; k < n && strcmp(sums[k].op, t.op) != 0; k++)
			;
		if (k == n && n < 32) {
			memset(&sums[n], 0, sizeof sums[n]);
			sums[n++].op = t.op;
		}
		for (int p = 0; p < SM_PASSES; p++) {
			double ms = t.runs[p] ? t.seconds[p] / (double)t.runs[p] * 1e3 : 0;
			if (ms <= 0.05)
				continue;
			sums[k].ms[p] += ms;
			sums[k].gflop[p] += t.flops[p] / 1e9;
			printf("%-12s %-28s %-14s %-8s %-12s %9.2f %9.1f\n", who, t.name, t.op,
			       passes[p], t.kernel[p], ms, t.flops[p] / ms / 1e6);
		}
	}
	for (k = 0; k < n; k++)
		for (int p = 0; p < SM_PASSES; p++)
			if (sums[k].ms[p] > 0.1)
				printf("sum %-12s %-14s %-8s %9.2f ms %9.1f GF %9.1f GF/s\n", who,
				       sums[k].op, passes[p], sums[k].ms[p], sums[k].gflop[p],
				       sums[k].gflop[p] / sums[k].ms[p] * 1e3);
}

/* As sm_net_profile counts: from the last reset on. */
static void reset(struct sm_net *net)
{
	if (net)
		sm_net_profile_reset(net);
}

static bool game_of(const struct settings *s, struct sm_game_opt *o)
{
	bool mammo = strcmp(s->system, "mammo") == 0;
	if (!mammo && strcmp(s->system, "medcyclegan") != 0)
		return false;
	*o = (struct sm_game_opt){
		.cycle = !mammo,
		.generator = mammo ? "pix2pix" : "casnet",
		.judge = mammo ? "patch94" : "judge3",
		.generator_opt = sm_image_default(),
		.judge_opt = sm_image_default(),
		.adversarial = SM_DISTANCE_BCE,
		.batch = 1,
		.height = s->side,
		.width = s->side,
		.channels = {mammo ? 3 : 1, mammo ? 3 : 1},
		.optim = sm_optim_default("adam"),
		.bf16 = s->bf16,
		.recompute = s->recompute,
		.profile = s->layers,
		.threads = s->threads,
		.seed = 1,
	};
	o->weight = mammo ? (struct sm_game_weights){.adversarial = 1, .l1 = 100, .judge = 1}
			  : (struct sm_game_weights){
				    .adversarial = 1, .cycle = 10, .identity = 5, .judge = 0.5};
	o->generator_opt.width = o->judge_opt.width = s->width;
	o->optim.beta1 = 0.5;
	return true;
}

static enum sm_status train(const struct settings *s, const struct sm_game_opt *o, struct timing *t,
			    double *forecast, double *loss, struct sm_err *err)
{
	struct sm_game game;
	double losses[SM_GAME_LOSSES];
	SM_TRY(sm_game_plan(o, &game, err));
	*forecast = (double)sm_game_forecast(&game);
	if (s->memory) {
		sm_net_print_memory(game.generators, stdout);
		sm_net_print_memory(game.judges, stdout);
	}
	enum sm_status st = sm_game_alloc(&game, NULL, err);
	for (int i = 0; st == SM_OK && i <= s->steps; i++) {
		for (int side = 0; side < 2; side++)
			fill(sm_game_image(&game, side ? SM_GAME_B : SM_GAME_A),
			     (size_t)s->side * s->side * o->channels[side], side ? 65536 : 131072);
		if (i == 1) {
			reset(game.generators);
			reset(game.judges);
		}
		tick(t, i, true);
		st = sm_game_round(&game, (uint64_t)i, 2e-4, true, losses, err);
		tick(t, i, false);
		*loss = losses[0];
	}
	settle(t, s->steps);
	if (st == SM_OK && s->layers) {
		print_net("generators", game.generators);
		print_net("judges", game.judges);
	}
	sm_game_close(&game);
	return st;
}

/* One image through a generator: batch norm by running statistics, as a trained one is used, no
 * drop-out. */
static enum sm_status infer(const struct settings *s, struct timing *t, double *forecast,
			    struct sm_err *err)
{
	struct sm_image_opt o = sm_image_default();
	struct sm_net_opt opt = {.threads = s->threads, .profile = s->layers, .bf16 = s->bf16};
	struct sm_graph *g = sm_graph_create();
	struct sm_net *net = NULL;
	if (!g)
		return SM_FAIL(err, SM_BUDGET, "out of memory");
	o.in_channels = o.channels = strcmp(s->system, "casnet") == 0 ? 1 : 3;
	o.width = s->width;
	int x = sm_g_input(g, "x", (struct sm_shape){1, 1, s->side, s->side, o.in_channels});
	sm_g_output(g, sm_generator_build(g, s->system, "g", x, &o), "y");
	SM_TRY(sm_net_plan(g, &opt, &net, err));
	*forecast = (double)sm_net_forecast(net).total;
	if (s->memory)
		sm_net_print_memory(net, stdout);
	enum sm_status st = sm_net_alloc(net, NULL, err);
	if (st == SM_OK) {
		sm_net_init(net, 1);
		fill(sm_net_buffer(net, "x", NULL), (size_t)s->side * s->side * o.in_channels,
		     65536);
	}
	for (int i = 0; st == SM_OK && i <= s->steps; i++) {
		if (i == 1)
			reset(net);
		tick(t, i, true);
		st = sm_net_forward(net, err);
		tick(t, i, false);
	}
	settle(t, s->steps);
	if (st == SM_OK && s->layers)
		print_net(s->system, net);
	sm_net_free(net);
	return st;
}

static bool set(struct settings *s, const char *arg)
{
	const char *value = strchr(arg, '=');
	const struct {
		const char *key;
		int *number;
	} keys[] = {{"side", &s->side},     {"threads", &s->threads}, {"steps", &s->steps},
		    {"layers", &s->layers}, {"memory", &s->memory},
		    {"recompute", &s->recompute}, {"bf16", &s->bf16}};
	size_t n = value ? (size_t)(value++ - arg) : 0;
	if (n == 6 && strncmp(arg, "system", n) == 0) {
		s->system = value;
		return true;
	}
	if (n == 5 && strncmp(arg, "width", n) == 0) {
		s->width = strtod(value, NULL);
		return true;
	}
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		if (n == strlen(keys[i].key) && strncmp(arg, keys[i].key, n) == 0) {
			*keys[i].number = (int)strtol(value, NULL, 10);
			return true;
		}
	return false;
}

int main(int argc, char **argv)
{
	sm_nn_prepare_process(argv);
	struct settings s = {.system = "mammo", .width = 1, .side = 256, .threads = 2, .steps = 3,
			     .recompute = 1 /* as scanmill train */};
	struct sm_game_opt o;
	struct timing t = {0};
	struct sm_err err = {0};
	struct rusage ru;
	double forecast = 0, loss = 0;
	for (int i = 1; i < argc; i++)
		if (!set(&s, argv[i])) {
			fprintf(stderr, "bench_translate: %s is no key=value known\n", argv[i]);
			return 2;
		}
	if (s.steps < 1 || s.steps > MAX_STEPS) {
		fprintf(stderr, "bench_translate: 1 to %d steps\n", MAX_STEPS);
		return 2;
	}
	enum sm_status st = game_of(&s, &o) ? train(&s, &o, &t, &forecast, &loss, &err)
					    : infer(&s, &t, &forecast, &err);
	if (st != SM_OK) {
		fprintf(stderr, "bench_translate: %s\n", err.text);
		return sm_exit_code(st);
	}
	getrusage(RUSAGE_SELF, &ru);
	printf("result step_ms %.1f least_ms %.1f cpu_ms %.1f rss_mib %.0f forecast_mib %.0f loss "
	       "%.6f\n",
	       t.median * 1e3, t.seconds[0] * 1e3, t.cpu * 1e3, (double)ru.ru_maxrss / 1024,
	       forecast / 1048576, loss);
	return 0;
}
