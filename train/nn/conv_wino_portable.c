/* SPDX-License-Identifier: Apache-2.0 */
/* Winograd convolution in plain C: vectors of four that any compiler can lower, no fused
 * multiply-add. */
#include "train/nn/conv_wino.h"

#include <string.h>

#define VL 4
typedef float vec __attribute__((vector_size(16)));

static inline vec v_load(const float *p)
{
	vec a;
	memcpy(&a, p, sizeof a);
	return a;
}
static inline void v_store(float *p, vec a)
{
	memcpy(p, &a, sizeof a);
}
static inline vec v_set1(float x)
{
	return (vec){x, x, x, x};
}
static inline vec v_load_n(const float *p, int n)
{
	vec a = {0};
	for (int i = 0; i < VL && i < n; i++)
		a[i] = p[i];
	return a;
}
static inline void v_store_n(float *p, vec a, int n)
{
	for (int i = 0; i < VL && i < n; i++)
		p[i] = a[i];
}
static inline vec v_load_h(const elem_half *p)
{
	float t[VL];
	elem_widen(p, t, VL);
	return v_load(t);
}
static inline void v_store_h(elem_half *p, vec a)
{
	float t[VL];
	v_store(t, a);
	elem_narrow(t, p, VL);
}
static inline vec v_relu(vec a)
{
	for (int i = 0; i < VL; i++)
		a[i] = a[i] <= 0 ? 0 : a[i];
	return a;
}
#define v_add(a, b) ((a) + (b))
#define v_sub(a, b) ((a) - (b))
#define v_mul(a, b) ((a) * (b))
#define v_fma(a, b, c) ((a) * (b) + (c))
#define v_fnma(a, b, c) ((c) - (a) * (b))

#define WINO_NB 1
#define WINO_ROWS1(X) X(1) X(2)
#define WINO_MAX1 2
#define WINO_PAIRS1(X) X(1)
#define WINO_PAIR1 1
#define WINO_GRAD1(X) X(1) X(2)
#define WINO_GMAX1 2
#define WINO_GMAX3 1
#define WINO_GNB 1
#define WINO_GRAD_ACC 2

#include "train/nn/conv_wino_body.h"

static const struct wino_isa isa = WINO_ISA("portable");
const struct wino_isa *const wino_isa_portable = &isa;
