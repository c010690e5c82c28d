/* SPDX-License-Identifier: Apache-2.0 */
/* A training step of UNet3D against the machine's measured fp32 peak: time and GF/s of every
 * convolution and pass, the share of peak over all of them weighted by time, and forecast against
 * used memory. */
#include <immintrin.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "train/models/models.h"

/* 16 independent chains of multiply-adds that stay in registers. */
#define CHAINS 16
#define PEAK_LOOP(type, set1, fma, lanes) \
	type a[CHAINS], x = set1(0.999f), y = set1(1e-3f); \
	for (int i = 0; i < CHAINS; i++) \
		a[i] = set1((float)i); \
	for (long n = 0; n < rounds; n++) { \
		_Pragma("GCC unroll 16") for (int i = 0; i < CHAINS; i++) a[i] = fma(a[i], x, y); \
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

static float peak_128(long rounds)
{
	float sum = 0, x = 0.999f;
	for (long n = 0; n < rounds; n++)
		sum = sum * x + 1e-3f;
	return sum;
}

/* GF/s of `threads` threads, best of five. */
static double peak(int threads)
{
	int lanes = __builtin_cpu_supports("avx512f") ? 16 : __builtin_cpu_supports("avx2") ? 8 : 0;
	long rounds = 10000000;
	double best = 0;
	volatile float sink = 0;
	for (int r = 0; r < 5; r++) {
		double t = omp_get_wtime();
#pragma omp parallel num_threads(threads)
		{
			float v = lanes == 16  ? peak_512(rounds)
				  : lanes == 8 ? peak_256(rounds)
					       : peak_128(rounds);
#pragma omp critical
			sink += v;
		}
		t = omp_get_wtime() - t;
		double flops = 2.0 * threads * (double)rounds * (lanes ? lanes * CHAINS : 1);
		best = flops / t / 1e9 > best ? flops / t / 1e9 : best;
	}
	return best;
}

static void fill(float *p, size_t n, unsigned step, unsigned range, float scale)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (float)((unsigned)(i * 2654435761u) / step % range) * scale;
}

struct totals {
	double seconds, flops;
};

static struct totals print_layers(const struct sm_net *net, double top)
{
	static const char *const pass[] = {"forward", "data", "weights"};
	struct totals sum = {0};
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
			sum.seconds += s;
			sum.flops += t.flops[p];
		}
	}
	return sum;
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

static struct sm_net *make(const struct sm_model_opt *o, int threads, struct sm_err *err)
{
	struct sm_graph *g = sm_graph_create();
	struct sm_heads heads;
	struct sm_optim adam = sm_optim_default("adam");
	struct sm_net_opt opt = {
	    .train = true, .threads = threads, .optim = &adam, .profile = true};
	struct sm_net *net = NULL;
	if (!g)
		return NULL;
	if (sm_model_build("unet3d", o, g, &heads, err) == SM_OK)
		sm_g_loss(g, "dice", heads.logits, heads.prob);
	if (sm_net_plan(g, &opt, &net, err) != SM_OK)
		return NULL;
	if (sm_net_alloc(net, NULL, err) == SM_OK)
		return net;
	sm_net_free(net);
	return NULL;
}

static enum sm_status steps(struct sm_net *net, int n, double *seconds, struct sm_err *err)
{
	double loss, start = 0, sum = 0;
	for (int i = 0; i <= n; i++) {
		if (i == 1)
			sm_net_profile_reset(net); /* the first step touches the memory */
		start = omp_get_wtime();
		SM_TRY(sm_net_step(net, (uint64_t)i, &loss, err));
		SM_TRY(sm_net_update(net, 1e-5, NULL, err));
		sum += i ? omp_get_wtime() - start : 0;
	}
	*seconds = sum / n;
	return SM_OK;
}

int main(int argc, char **argv)
{
	sm_nn_prepare_process(argv);
	struct sm_model_opt o = sm_model_default();
	int threads = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 2;
	o.width = argc > 2 ? strtod(argv[2], NULL) : 1.0;
	int count = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 2;
	o.h = o.w = argc > 4 ? (int)strtol(argv[4], NULL, 10) : 160;
	o.batch = argc > 5 ? (int)strtol(argv[5], NULL, 10) : 1;
	struct sm_err err = {0};
	double top = peak(threads), seconds = 0;
	struct sm_net *net = make(&o, threads, &err);
	if (!net || count < 1) {
		fprintf(stderr, "train_step: %s\n", net ? "at least one step" : err.text);
		return 2;
	}
	sm_net_init(net, 1);
	struct sm_shape s;
	float *x = sm_net_buffer(net, "x", &s);
	fill(x, sm_shape_count(s), 65536, 401, 0.01f);
	float *t = sm_net_buffer(net, "target", &s);
	fill(t, sm_shape_count(s), 131072, 2, 1.0f);
	sm_net_print(net, stdout);
	enum sm_status st = steps(net, count, &seconds, &err);
	if (st != SM_OK) {
		fprintf(stderr, "train_step: %s\n", err.text);
		return sm_exit_code(st);
	}
	struct totals sum = print_layers(net, top);
	print_rest(net);
	struct rusage ru;
	getrusage(RUSAGE_SELF, &ru);
	double used = (double)ru.ru_maxrss / 1024,
	       want = (double)sm_net_forecast(net).total / 1048576;
	printf("peak %.0f GF/s on %d threads; step %.3f s, %.2f samples/s\n", top, threads, seconds,
	       o.batch / seconds);
	printf("convolutions %.1f GF in %.3f s: %.1f GF/s, %.1f%% of peak; %.1f%% of the step\n",
	       sum.flops / 1e9, sum.seconds, sum.flops / sum.seconds / 1e9,
	       100 * sum.flops / sum.seconds / 1e9 / top, 100 * sum.seconds / seconds);
	printf("memory: forecast %.0f MiB, peak resident %.0f MiB (%+.1f%%)\n", want, used,
	       100 * (want / used - 1));
	sm_net_free(net);
	return 0;
}
