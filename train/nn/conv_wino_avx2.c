/* SPDX-License-Identifier: Apache-2.0 */
/* Winograd convolution for AVX2 with FMA: the same bits as AVX-512, since lanes never meet. */
#include "train/nn/conv_wino.h"

#if defined(__AVX2__) && defined(__FMA__)
#include "train/nn/simd_avx2.h"

/* 16 registers: one output block (two vectors) by 6 tiles. */
#define WINO_NB 1
#define WINO_ROWS1(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define WINO_MAX1 6
#define WINO_PAIRS1(X) X(1) X(2) X(3)
#define WINO_PAIR1 3
#define WINO_GRAD1(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define WINO_GMAX1 6
#define WINO_GMAX3 1
#define WINO_GNB 1
#define WINO_GRAD_ACC 6

#include "train/nn/conv_wino_body.h"

static const struct wino_isa isa = WINO_ISA("avx2");
const struct wino_isa *const wino_isa_avx2 = &isa;
#else
const struct wino_isa *const wino_isa_avx2 = NULL;
#endif
