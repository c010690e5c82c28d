/* SPDX-License-Identifier: Apache-2.0 */
/* Winograd convolution for AVX-512. */
#include "train/nn/conv_wino.h"

#ifdef __AVX512F__
#include "train/nn/simd_avx512.h"

/* 32 registers: two output blocks by 14 tiles and their weights, or one by 28. */
#define WINO_NB 2
#define WINO_ROWS1(X) \
	X(1) \
	X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17) \
		X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28)
#define WINO_ROWS2(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define WINO_MAX1 28
#define WINO_MAX2 14
#define WINO_PAIRS1(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define WINO_PAIRS2(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define WINO_PAIR1 14
#define WINO_PAIR2 7
/* Weight gradients: 3 pairs (two) by 8 channels, or one by 16. */
#define WINO_GNB 3
#define WINO_GRAD1(X) \
	X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16)
#define WINO_GRAD3(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define WINO_GMAX1 16
#define WINO_GMAX3 8
#define WINO_GRAD_ACC 24

#include "train/nn/conv_wino_body.h"

static const struct wino_isa isa = WINO_ISA("avx512");
const struct wino_isa *const wino_isa_avx512 = &isa;
#else
const struct wino_isa *const wino_isa_avx512 = NULL;
#endif
