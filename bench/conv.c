/* SPDX-License-Identifier: Apache-2.0 */
/* One convolution layer a line and pass: time of a kernel of the table against oneDNN's, taking
 * turns, and the error of both against double. Weight packing counts. Processor time for one
 * thread, wall clock for more.
 * usage: bench_conv THREADS KERNEL [REPEATS] [WHAT]; WHAT is a part of a line's name, as
 * "vnet", "64>64" or "bwd_w" */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/rng.h"
#include "train/nn/conv.h"

#define MAX_REPEATS 31

struct layer {
	const char *group;
	int ic, oc, d, hw, kd, k, stride;
};

static const struct layer layers[] = {
	{"unet3d", 4, 32, 16, 160, 3, 3, 1},    {"unet3d", 32, 64, 16, 160, 3, 3, 1},
	{"unet3d", 192, 64, 16, 160, 3, 3, 1},  {"unet3d", 64, 64, 16, 160, 3, 3, 1},
	{"unet3d", 64, 64, 8, 80, 3, 3, 1},     {"unet3d", 64, 128, 8, 80, 3, 3, 1},
	{"unet3d", 384, 128, 8, 80, 3, 3, 1},   {"unet3d", 128, 128, 8, 80, 3, 3, 1},
	{"unet3d", 128, 256, 4, 40, 3, 3, 1},   {"unet3d", 768, 256, 4, 40, 3, 3, 1},
	{"unet3d", 256, 256, 4, 40, 3, 3, 1},   {"unet3d", 256, 512, 2, 20, 3, 3, 1},
	{"net16", 4, 16, 16, 160, 3, 3, 1},     {"net16", 16, 16, 16, 160, 3, 3, 1},
	{"net16", 32, 16, 16, 160, 3, 3, 1},    {"net16", 16, 32, 8, 80, 3, 3, 1},
	{"net16", 32, 32, 8, 80, 3, 3, 1},      {"net16", 64, 32, 8, 80, 3, 3, 1},
	{"net16", 32, 64, 4, 40, 3, 3, 1},      {"net16", 64, 64, 4, 40, 3, 3, 1},
	{"net16", 128, 64, 4, 40, 3, 3, 1},     {"net16", 64, 128, 2, 20, 3, 3, 1},
	{"net16", 128, 128, 2, 20, 3, 3, 1},    {"net16", 256, 128, 2, 20, 3, 3, 1},
	{"net16", 128, 256, 1, 10, 3, 3, 1},    {"net16", 256, 256, 1, 10, 3, 3, 1},
	{"vnet", 4, 16, 16, 160, 5, 5, 1},      {"vnet", 16, 16, 16, 160, 5, 5, 1},
	{"vnet", 32, 32, 8, 80, 5, 5, 1},       {"vnet", 64, 64, 4, 40, 5, 5, 1},
	{"vnet", 128, 128, 2, 20, 5, 5, 1},     {"vnet", 256, 256, 1, 10, 5, 5, 1},
	{"vnet", 32, 32, 16, 160, 5, 5, 1},     {"vnet", 64, 64, 8, 80, 5, 5, 1},
	{"vnet", 128, 128, 4, 40, 5, 5, 1},     {"vnet", 256, 256, 2, 20, 5, 5, 1},
	{"flat", 4, 32, 1, 128, 1, 3, 1},       {"flat", 32, 32, 1, 128, 1, 3, 1},
	{"flat", 64, 64, 1, 64, 1, 3, 1},       {"flat", 128, 128, 1, 32, 1, 3, 1},
	{"flat", 256, 256, 1, 16, 1, 3, 1},     {"flat", 512, 512, 1, 8, 1, 3, 1},
	{"flat", 32, 32, 1, 240, 1, 3, 1},      {"flat", 64, 64, 1, 240, 1, 3, 1},
	{"flat", 128, 128, 1, 120, 1, 3, 1},    {"flat", 256, 256, 1, 60, 1, 3, 1},
	{"flat", 512, 512, 1, 30, 1, 3, 1},     {"flat", 512, 512, 1, 15, 1, 3, 1},
	{"flat", 256, 256, 1, 64, 1, 3, 1},     {"nnunet", 32, 64, 16, 160, 3, 3, 2},
	{"nnunet", 64, 128, 8, 80, 3, 3, 2},    {"nnunet", 128, 256, 4, 40, 3, 3, 2},
	{"nnunet", 256, 320, 2, 20, 3, 3, 2},   {"resunet", 64, 128, 16, 160, 3, 3, 2},
	{"resunet", 128, 256, 8, 80, 3, 3, 2},  {"resunet", 256, 512, 4, 40, 3, 3, 2},
	{"resunet", 64, 128, 16, 160, 1, 1, 2}, {"resunet", 128, 256, 8, 80, 1, 1, 2},
	{"resunet", 256, 512, 4, 40, 1, 1, 2},  {"patch", 32, 64, 8, 80, 2, 2, 2},
	{"patch", 64, 128, 4, 40, 2, 2, 2},     {"patch", 128, 256, 2, 20, 2, 2, 2},
	{"patch", 256, 320, 2, 20, 2, 2, 2},    {"patch", 256, 256, 4, 40, 2, 2, 2},
};

static const char *const pass_name[] = {"fwd", "bwd_d", "bwd_w"};

struct side {
	struct conv_plan *plan;
	float *out; /* of the pass */
	void *packed, *ws;
	double seconds[MAX_REPEATS];
};

static double now(int threads)
{
	struct timespec t;
	clock_gettime(threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static float *block(size_t n, const char *what, double scale)
{
	struct sm_rng rng;
	float *p = aligned_alloc(64, (n * sizeof *p + 63) / 64 * 64);
	sm_rng_init(&rng, 1, "bench", what, 0, n);
	for (size_t i = 0; p && i < n; i++)
		p[i] = (float)(scale * (2 * (double)sm_rng_f32(&rng) - 1));
	return p;
}

static struct conv_desc desc_of(const struct layer *l, int threads)
{
	int s = l->stride, d = (l->d - 1) / s + 1, hw = (l->hw - 1) / s + 1;
	/* an even size leaves the last padding out */
	int hi_d = (d - 1) * s + l->kd - l->d - (l->kd - 1) / 2;
	int hi = (hw - 1) * s + l->k - l->hw - (l->k - 1) / 2;
	hi_d = hi_d > 0 ? hi_d : 0;
	hi = hi > 0 ? hi : 0;
	return (struct conv_desc){.n = 1,
				  .ic = l->ic,
				  .oc = l->oc,
				  .in = {l->d, l->hw, l->hw},
				  .out = {d, hw, hw},
				  .k = {l->kd, l->k, l->k},
				  .stride = {s, s, s},
				  .lo = {(l->kd - 1) / 2, (l->k - 1) / 2, (l->k - 1) / 2},
				  .hi = {hi_d, hi, hi},
				  .threads = threads};
}

struct data {
	float *x, *y, *w;
};

static size_t voxels_of(const int size[3])
{
	return (size_t)size[0] * size[1] * size[2];
}

/* The input that output q meets by tap t, or (back) the output that input q does; false = none. */
static bool other(const struct conv_desc *d, bool back, size_t q, int t, size_t *p)
{
	const int *from = back ? d->in : d->out, *to = back ? d->out : d->in;
	const int at[3] = {(int)(q / from[2] / from[1]), (int)(q / from[2] % from[1]),
			   (int)(q % from[2])};
	const int tap[3] = {t / d->k[2] / d->k[1], t / d->k[2] % d->k[1], t % d->k[2]};
	*p = 0;
	for (int i = 0; i < 3; i++) {
		int v = back ? at[i] + d->lo[i] - tap[i] : at[i] * d->stride[i] + tap[i] - d->lo[i];
		if (v < 0 || (back && v % d->stride[i]))
			return false;
		v = back ? v / d->stride[i] : v;
		if (v >= to[i])
			return false;
		*p = *p * to[i] + v;
	}
	return true;
}

/* One element of the result in double. */
static double exact(const struct conv_desc *d, enum sm_pass pass, const struct data *a, size_t at)
{
	const size_t taps = (size_t)d->k[0] * d->k[1] * d->k[2], ic = d->ic, oc = d->oc;
	size_t c = at % (pass == SM_FORWARD ? oc : ic), pos = at / (pass == SM_FORWARD ? oc : ic), p;
	double sum = 0;
	if (pass == SM_BACKWARD_WEIGHTS) {
		size_t i = at / taps % ic, o = at / taps / ic;
		for (size_t q = 0; q < voxels_of(d->out); q++)
			if (other(d, false, q, (int)(at % taps), &p))
				sum += (double)a->x[p * ic + i] * (double)a->y[q * oc + o];
		return sum;
	}
	for (size_t t = 0; t < taps; t++) {
		if (!other(d, pass == SM_BACKWARD_DATA, pos, (int)t, &p))
			continue;
		for (size_t i = 0; pass == SM_FORWARD && i < ic; i++)
			sum += (double)a->x[p * ic + i] * (double)a->w[(c * ic + i) * taps + t];
		for (size_t o = 0; pass == SM_BACKWARD_DATA && o < oc; o++)
			sum += (double)a->y[p * oc + o] * (double)a->w[(o * ic + c) * taps + t];
	}
	return sum;
}

static void errors(const struct conv_desc *d, enum sm_pass pass, const struct data *a, size_t n,
		   const struct side *s, double e[2])
{
	struct sm_rng rng;
	double rr = 0;
	e[0] = e[1] = 0;
	sm_rng_init(&rng, 1, "bench", "sample", 0, n);
	for (int i = 0; i < (pass == SM_BACKWARD_WEIGHTS ? 40 : 1000); i++) {
		size_t at = (size_t)sm_rng_below(&rng, (uint32_t)n);
		double r = exact(d, pass, a, at);
		rr += r * r;
		for (int k = 0; k < 2; k++)
			e[k] += (r - (double)s[k].out[at]) * (r - (double)s[k].out[at]);
	}
	for (int k = 0; k < 2; k++)
		e[k] = sqrt(e[k] / rr);
}

static bool open_side(struct conv_lib *lib, const struct conv_desc *d, enum sm_pass pass,
		      const char *name, size_t n, struct side *s)
{
	struct sm_err err = {0};
	if (conv_plan_create(lib, d, pass, name, &s->plan, &err) != SM_OK)
		return false;
	s->out = block(n, "out", 0);
	s->packed = aligned_alloc(64, (s->plan->packed + 127) / 64 * 64);
	s->ws = aligned_alloc(64, (s->plan->ws + 127) / 64 * 64);
	return s->out && s->packed && s->ws;
}

static void close_side(struct side *s)
{
	conv_plan_free(s->plan);
	free(s->out);
	free(s->packed);
	free(s->ws);
}

static double time_side(const struct side *s, const struct data *d, int threads, size_t n)
{
	enum sm_pass pass = s->plan->pass;
	struct sm_err err = {0};
	struct conv_args a = {.x = pass == SM_BACKWARD_DATA ? s->out : d->x,
			      .y = pass == SM_FORWARD ? s->out : d->y,
			      .w = d->w,
			      .gw = s->out,
			      .packed = s->packed,
			      .ws = s->ws};
	if (pass == SM_BACKWARD_WEIGHTS)
		memset(s->out, 0, n * sizeof *s->out);
	double start = now(threads);
	if (s->plan->packed)
		s->plan->kernel->pack(s->plan, &a, &err);
	conv_plan_run(s->plan, &a, &err);
	return now(threads) - start;
}

static const char *line_name(const struct layer *l, enum sm_pass pass, char text[64])
{
	snprintf(text, 64, "%-6s %3d>%-3d %2dx%3d^2 k%dx%d^2%s %-5s", l->group, l->ic, l->oc, l->d,
		 l->hw, l->kd, l->k, l->stride > 1 ? " s2" : "", pass_name[pass]);
	return text;
}

static void bench(struct conv_lib *lib, const struct layer *l, enum sm_pass pass, const char *name,
		  int threads, int repeats)
{
	struct conv_desc d = desc_of(l, threads);
	size_t nx = voxels_of(d.in) * l->ic, ny = voxels_of(d.out) * l->oc;
	size_t nw = (size_t)l->ic * l->oc * l->kd * l->k * l->k;
	size_t n = pass == SM_FORWARD ? ny : pass == SM_BACKWARD_DATA ? nx : nw;
	struct data a = {block(nx, "x", 1), block(ny, "y", 1),
			 block(nw, "w", sqrt(3.0 * l->oc / (double)nw))};
	struct side s[2] = {0};
	double ratio[MAX_REPEATS], e[2];
	char text[64];
	if (!open_side(lib, &d, pass, "dnnl", n, &s[0]) ||
	    !open_side(lib, &d, pass, name, n, &s[1])) {
		printf("%s no such kernel\n", line_name(l, pass, text));
	} else {
		for (int r = -1; r < repeats; r++)
			for (int k = 0; k < 2; k++)
				s[k].seconds[r < 0 ? 0 : r] = time_side(&s[k], &a, threads, n);
		for (int r = 0; r < repeats; r++)
			ratio[r] = s[0].seconds[r] / s[1].seconds[r];
		errors(&d, pass, &a, n, s, e);
		qsort(ratio, repeats, sizeof *ratio, ascending);
		for (int k = 0; k < 2; k++)
			qsort(s[k].seconds, repeats, sizeof(double), ascending);
		double gf = conv_flops(&d) / 1e9;
		printf("%s %8.2f ms %5.0f GF/s | %8.2f ms %5.0f "
		       "GF/s | x%.2f | %.1e %.1e | %s%s\n",
		       line_name(l, pass, text), s[0].seconds[repeats / 2] * 1e3,
		       gf / s[0].seconds[repeats / 2], s[1].seconds[repeats / 2] * 1e3,
		       gf / s[1].seconds[repeats / 2], ratio[repeats / 2], e[0], e[1],
		       s[1].plan->impl,
		       ratio[repeats / 2] < 1 && strstr(s[1].plan->impl, "wino") ? " LOST" : "");
		fflush(stdout);
	}
	close_side(&s[0]);
	close_side(&s[1]);
	free(a.x);
	free(a.y);
	free(a.w);
}

int main(int argc, char **argv)
{
	sm_nn_prepare_process(argv);
	int threads = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 1;
	const char *name = argc > 2 && strcmp(argv[2], "rule") ? argv[2] : NULL;
	int repeats = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 5;
	const char *what = argc > 4 ? argv[4] : "";
	struct conv_lib *lib = NULL;
	struct sm_err err = {0};
	char text[64];
	if (threads < 1 || repeats < 1 || repeats > MAX_REPEATS ||
	    conv_lib_create(&lib, &err) != SM_OK) {
		fprintf(stderr, "usage: bench_conv THREADS KERNEL|rule [REPEATS] [WHAT]\n");
		return 2;
	}
	omp_set_num_threads(threads);
	printf("layer, pass | oneDNN | %s | times | error of oneDNN, ours\n", name ? name : "rule");
	for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
		for (int p = 0; p < SM_PASSES; p++)
			if ((p != SM_BACKWARD_DATA || layers[i].ic > 4) &&
			    strstr(line_name(&layers[i], p, text), what))
				bench(lib, &layers[i], p, name, threads, repeats);
	conv_lib_free(lib);
	return 0;
}
