/* SPDX-License-Identifier: Apache-2.0 */
/* What a run of a net asks of its threads. */
#include <omp.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "train/nn/net.h"

/* Subnormal numbers are taken and given as zero while a net runs. Sigmoids that are sure of
 * themselves leave gradients below 1e-38, which spread through backward; the CPU handles each such
 * operand in microcode, and a step gets three times slower after some epochs. */
#if defined(__x86_64__)
#define FLUSH_TO_ZERO 0x8000u
#define SUBNORMALS_ARE_ZERO 0x0040u

static unsigned arithmetic(void)
{
	return _mm_getcsr();
}

static unsigned flushing(unsigned mode)
{
	return mode | FLUSH_TO_ZERO | SUBNORMALS_ARE_ZERO;
}

static void set_arithmetic(unsigned mode, int threads)
{
#pragma omp parallel num_threads(threads)
	_mm_setcsr(mode);
}
#else
static unsigned arithmetic(void)
{
	return 0;
}

static unsigned flushing(unsigned mode)
{
	return mode;
}

static void set_arithmetic(unsigned mode, int threads)
{
	(void)mode;
	(void)threads;
}
#endif

struct net_threads net_threads_enter(const struct sm_net *net)
{
	/* oneDNN has no parameter for it: it asks OpenMP. */
	struct net_threads before = {omp_get_max_threads(), arithmetic()};
	omp_set_num_threads(net->opt.threads);
	set_arithmetic(flushing(before.arithmetic), net->opt.threads);
	return before;
}

void net_threads_leave(const struct sm_net *net, struct net_threads before)
{
	set_arithmetic(before.arithmetic, net->opt.threads);
	omp_set_num_threads(before.count);
}
