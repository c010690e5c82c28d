/* SPDX-License-Identifier: Apache-2.0 */
/* The norms' loops for AVX2. */
#include "train/nn/norm_rows.h"

#ifdef __AVX2__
/* 16 registers: two sums of four vectors, and what they are made of. */
#define VEC_VALUES 8
#define WIDE 4
#define HALF 2

#include "train/nn/norm_rows_body.h"

static const struct norm_isa isa = NORM_ISA;
const struct norm_isa *const norm_isa_avx2 = &isa;
#else
const struct norm_isa *const norm_isa_avx2 = NULL;
#endif
