/* SPDX-License-Identifier: Apache-2.0 */
/* A training step of a network against the machine's fp32 peak, measured in the same run: time,
 * processor time, memory against the forecast, the share of the bound that direct convolutions
 * have, and on request every layer. The last line is for bench/train.sh. usage: bench_train_step
 * [key=value]...  keys: model threads batch d h w in out loss softmax width steps recompute kernel
 * fused layers plan (1: what lives at the peak of memory; 2: that alone) bf16 (the peak is then
 * that of AVX-512_BF16) turns (1: one thread against `threads`, and against as many networks of one
 * thread each side by side, step by step in turn; with layers=1 layer by layer) */
#include "bench/train_step.h"

#include <immintrin.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

/* Independent chains of multiply-adds: at least 10 hide the latency (5 cycles, 2 a cycle), and the
 * 16 registers of AVX2 must hold them and the two factors, or the peak is that of loads and
 * stores. Products of bfloat16 take 6 cycles, one a cycle where they are fast: 12 do too. */
#define CHAINS 12
#define PEAK_LOOP(type, set1, fma, lanes) \
	type a[CHAINS], x = set1(0.999f), y = set1(1e-3f); \
	for (int i = 0; i < CHAINS; i++) \
		a[i] = set1((float)i); \
	for (long n = 0; n < rounds; n++) { \
		_Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) a[i] = fma(a[i], x, y); \
	} \
	float sum = 0; \
	for (int i = 0; i < CHAINS; i++) { \
		float lane[lanes]; \
		memcpy(lane, &a[i], sizeof lane); \
		sum += lane[0]; \
	} \
	return sum

__attribute__((target("avx512f"), noinline)) static float peak_512(long rounds)
{
	PEAK_LOOP(__m512, _mm512_set1_ps, _mm512_fmadd_ps, 16);
}

__attribute__((target("avx2,fma"), noinline)) static float peak_256(long rounds)
{
	PEAK_LOOP(__m256, _mm256_set1_ps, _mm256_fmadd_ps, 8);
}

/* bfloat16 products of pairs added to floats: 64 operations an instruction. */
__attribute__((target("avx512bf16,avx512f"), noinline)) static float peak_bf16(long rounds)
{
	__m512 a[CHAINS];
	__m512bh x = _mm512_cvtne2ps_pbh(_mm512_set1_ps(1e-3f), _mm512_set1_ps(1e-3f));
	for (int i = 0; i < CHAINS; i++)
		a[i] = _mm512_set1_ps((float)i);
	for (long n = 0; n < rounds; n++) {
		_Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) a[i] =
			_mm512_dpbf16_ps(a[i], x, x);
	}
	float sum = 0;
	for (int i = 0; i < CHAINS; i++) {
		float lane[16];
		memcpy(lane, &a[i], sizeof lane);
		sum += lane[0];
	}
	return sum;
}

static float peak_128(long rounds)
{
	float sum = 0, x = 0.999f;
	for (long n = 0; n < rounds; n++)
		sum = sum * x + 1e-3f;
	return sum;
}

/* GF/s of all threads by the clock, and a processor second's GF times threads: what idle cores
 * would give. Best of five each. */
struct peak {
	double clock, cpu;
};

static double thread_time(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static struct peak peak(int threads, bool bf16)
{
	bf16 = bf16 && __builtin_cpu_supports("avx512bf16");
	int lanes = __builtin_cpu_supports("avx512f") ? 16 : __builtin_cpu_supports("avx2") ? 8 : 0;
	long rounds = 10000000;
	struct peak best = {0};
	volatile float sink = 0;
	for (int r = 0; r < 5; r++) {
		double t = omp_get_wtime(), cpu = 0;
#pragma omp parallel num_threads(threads)
		{
			double start = thread_time();
			float v = bf16	       ? peak_bf16(rounds)
				  : lanes == 16 ? peak_512(rounds)
				  : lanes == 8 ? peak_256(rounds)
					       : peak_128(rounds);
			start = thread_time() - start;
#pragma omp critical
			{
				sink += v;
				cpu += start;
			}
		}
		t = omp_get_wtime() - t;
		double flops = 2.0 * threads * (double)rounds * (lanes ? lanes * CHAINS : 1) / 1e9;
		flops *= bf16 ? 2 : 1;
		best.clock = flops / t > best.clock ? flops / t : best.clock;
		best.cpu = flops / cpu * threads > best.cpu ? flops / cpu * threads : best.cpu;
	}
	return best;
}

static void fill(float *p, size_t n, unsigned step, unsigned range, float scale)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (float)((unsigned)(i * 2654435761u) / step % range) * scale;
}

static void print_layers(const struct sm_net *net, double top)
{
	static const char *const pass[] = {"forward", "data", "weights"};
	printf("%-14s %-8s %-12s %9s %9s %7s\n", "layer", "pass", "kernel", "ms", "GF/s",
	       "of peak");
	for (size_t i = 0; i < sm_net_layers(net); i++) {
		struct sm_layer_time t = sm_net_profile(net, i);
		for (int p = 0; p < SM_PASSES; p++) {
			if (!t.runs[p] || !(t.flops[p] > 0))
				continue;
			double s = t.seconds[p] / (double)t.runs[p];
			printf("%-14s %-8s %-12s %9.2f %9.1f %6.0f%%\n", t.name, pass[p],
			       t.kernel[p], s * 1e3, t.flops[p] / s / 1e9,
			       100 * t.flops[p] / s / 1e9 / top);
		}
	}
}

static void print_rest(const struct sm_net *net)
{
	for (size_t i = 0; i < sm_net_layers(net); i++) {
		struct sm_layer_time t = sm_net_profile(net, i);
		if (t.flops[0] > 0 || !t.runs[0])
			continue;
		double f = t.seconds[0] / (double)t.runs[0];
		double b = t.runs[1] ? t.seconds[1] / (double)t.runs[1] : 0;
		if (f + b > 1e-4)
			printf("%-14s %-21s %9.2f %9.2f\n", t.name, "forward, backward ms", f * 1e3,
			       b * 1e3);
	}
}

struct sm_net *bench_net(const struct settings *s, struct sm_err *err)
{
	struct sm_graph *g = sm_graph_create();
	struct sm_heads heads;
	struct sm_optim adam = sm_optim_default("adam");
	struct sm_net_opt opt = {.train = true,
				 .threads = s->threads,
				 .optim = &adam,
				 .kernel = s->kernel,
				 .profile = true,
				 .recompute = s->recompute ? SM_RECOMPUTE_CHEAP : SM_RECOMPUTE_NOTHING,
				 .fused = s->fused,
				 .bf16 = s->bf16};
	struct sm_net *net = NULL;
	if (!g)
		return NULL;
	struct sm_loss_opt loss = sm_loss_default(s->loss);
	loss.softmax = s->softmax;
	if (sm_model_build(s->name, &s->model, g, &heads, err) == SM_OK)
		sm_g_loss(g, &loss, &heads);
	if (sm_net_plan(g, &opt, &net, err) != SM_OK)
		return NULL;
	if (sm_net_alloc(net, NULL, err) == SM_OK)
		return net;
	sm_net_free(net);
	return NULL;
}

double bench_processor_time(void)
{
	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       1e-6 * (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

int bench_ascending(const void *x, const void *y)
{
	const double *a = x, *b = y;
	return (*a > *b) - (*a < *b);
}

struct timing {
	double median, least, cpu, loss;
};

/* One step that touches the memory, then n that count. */
static enum sm_status steps(struct sm_net *net, int n, struct timing *t, struct sm_err *err)
{
	double seconds[MAX_STEPS], cpu = 0;
	for (int i = 0; i <= n; i++) {
		if (i == 1) {
			sm_net_profile_reset(net);
			cpu = bench_processor_time();
		}
		double start = omp_get_wtime();
		SM_TRY(sm_net_train(net, (uint64_t)i, 1e-4, &t->loss, err));
		if (i)
			seconds[i - 1] = omp_get_wtime() - start;
	}
	t->cpu = (bench_processor_time() - cpu) / n;
	qsort(seconds, (size_t)n, sizeof *seconds, bench_ascending);
	t->median = seconds[n / 2];
	t->least = seconds[0];
	return SM_OK;
}

void bench_fill(struct sm_net *net, bool softmax)
{
	struct sm_shape s;
	float *x = sm_net_buffer(net, "x", &s);
	fill(x, sm_shape_count(s), 65536, 401, 0.01f);
	float *t = sm_net_buffer(net, "target", &s);
	size_t count = sm_shape_count(s), c = (size_t)s.c;
	fill(t, count, 131072, 2, 1.0f);
	for (size_t i = 0; softmax && i < count; i += c) {
		memset(t + i, 0, c * sizeof *t);
		t[i + (i * 2654435761u >> 20) % c] = 1.0f;
	}
}

static bool set(struct settings *s, const char *arg)
{
	const char *value = strchr(arg, '=');
	size_t n = value ? (size_t)(value - arg) : 0;
	struct {
		const char *key;
		int *number;
		const char **text;
	} const keys[] = {
	    {"model", NULL, &s->name},        {"loss", NULL, &s->loss},
	    {"kernel", NULL, &s->kernel},     {"threads", &s->threads, NULL},
	    {"batch", &s->model.batch, NULL}, {"d", &s->model.d, NULL},
	    {"h", &s->model.h, NULL},         {"w", &s->model.w, NULL},
	    {"in", &s->model.in_channels, NULL}, {"out", &s->model.channels, NULL},
	    {"softmax", &s->softmax, NULL},   {"steps", &s->steps, NULL},
	    {"recompute", &s->recompute, NULL}, {"layers", &s->layers, NULL},
	    {"bf16", &s->bf16, NULL}, {"fused", &s->fused, NULL},         {"plan", &s->plan, NULL},
	    {"turns", &s->turns, NULL},
	};
	if (n == 5 && strncmp(arg, "width", n) == 0) {
		s->model.width = strtod(value + 1, NULL);
		return true;
	}
	for (size_t i = 0; value && i < sizeof keys / sizeof *keys; i++) {
		if (strlen(keys[i].key) != n || strncmp(arg, keys[i].key, n) != 0)
			continue;
		if (keys[i].text)
			*keys[i].text = value + 1;
		else
			*keys[i].number = (int)strtol(value + 1, NULL, 10);
		return true;
	}
	return false;
}

static void report(const struct sm_net *net, const struct settings *s, const struct timing *t,
		   struct peak top)
{
	double flops = 0, conv = 0, rest = 0;
	struct rusage ru;
	for (size_t i = 0; i < sm_net_layers(net); i++) {
		struct sm_layer_time l = sm_net_profile(net, i);
		for (int p = 0; p < SM_PASSES; p++) {
			double each = l.runs[p] ? l.seconds[p] / (double)l.runs[p] : 0;
			flops += l.flops[p];
			*(l.flops[p] > 0 ? &conv : &rest) += each;
		}
	}
	getrusage(RUSAGE_SELF, &ru);
	printf("%s: %.1f GF of direct convolutions a step, %.1f ms; all else %.1f ms and the "
	       "optimiser\n",
	       s->name, flops / 1e9, conv * 1e3, rest * 1e3);
	printf("result step_ms %.1f least_ms %.1f cpu_ms %.1f rss_mib %.0f forecast_mib %.0f "
	       "bound_ms %.1f bound_cpu_ms %.1f peak_gf %.0f peak_cpu_gf %.0f loss %.6f\n",
	       t->median * 1e3, t->least * 1e3, t->cpu * 1e3, (double)ru.ru_maxrss / 1024,
	       (double)sm_net_forecast(net).total / 1048576, flops / top.clock / 1e6,
	       flops / top.cpu / 1e6 * s->threads, top.clock, top.cpu, t->loss);
}

/* The exit code of a status, and why. */
static int told(enum sm_status st, const struct sm_err *err)
{
	if (st != SM_OK)
		fprintf(stderr, "bench_train_step: %s\n", err->text);
	return sm_exit_code(st);
}

int main(int argc, char **argv)
{
	sm_nn_prepare_process(argv);
	struct settings s = {.model = sm_model_default(),
			     .name = "basic_unet3d",
			     .loss = "dice_ce",
			     .threads = 2,
			     .steps = 3,
			     .softmax = 1,
			     .recompute = 1, /* as scanmill train */
			     .fused = 1};    /* as scanmill train of batches in one part */
	struct sm_err err = {0};
	struct timing t = {0};
	s.model.channels = 4;
	for (int i = 1; i < argc; i++)
		if (!set(&s, argv[i])) {
			fprintf(stderr, "bench_train_step: %s is no key=value known\n", argv[i]);
			return 2;
		}
	const struct sm_model *m = sm_model_find(s.name);
	if (m && m->dropout >= 0)
		s.model.dropout = 0; /* as the peers' networks */
	if (s.steps < 1 || s.steps > MAX_STEPS) {
		fprintf(stderr, "bench_train_step: 1 to 100 steps\n");
		return 2;
	}
	if (s.turns)
		return told(bench_turns(&s, &err), &err);
	struct sm_net *net = bench_net(&s, &err);
	if (!net) {
		fprintf(stderr, "bench_train_step: %s\n", err.text);
		return 2;
	}
	sm_net_init(net, 1);
	bench_fill(net, s.softmax);
	if (s.layers)
		sm_net_print(net, stdout);
	if (s.plan)
		sm_net_print_memory(net, stdout);
	if (s.plan > 1) {
		sm_net_free(net);
		return 0;
	}
	struct peak before = peak(s.threads, s.bf16);
	enum sm_status st = steps(net, s.steps, &t, &err);
	if (st != SM_OK)
		return told(st, &err);
	struct peak top = peak(s.threads, s.bf16);
	top.clock = before.clock > top.clock ? before.clock : top.clock;
	top.cpu = before.cpu > top.cpu ? before.cpu : top.cpu;
	if (s.layers) {
		print_layers(net, top.clock);
		print_rest(net);
	}
	report(net, &s, &t, top);
	sm_net_free(net);
	return 0;
}
