/* SPDX-License-Identifier: Apache-2.0 */
/* The norms' loops for AVX-512. */
#include "train/nn/norm_rows.h"

#ifdef __AVX512F__
/* 32 registers: two sums of eight vectors, and what they are made of. */
#define VEC_VALUES 16
#define WIDE 8
#define HALF 4

#include "train/nn/norm_rows_body.h"

static const struct norm_isa isa = NORM_ISA;
const struct norm_isa *const norm_isa_avx512 = &isa;
#else
const struct norm_isa *const norm_isa_avx512 = NULL;
#endif
