/* SPDX-License-Identifier: Apache-2.0 */
/* The norms' loops in plain C. */
#include "train/nn/norm_rows.h"

/* Vectors that any compiler can lower. */
#define VEC_VALUES 4
#define WIDE 4
#define HALF 2

#include "train/nn/norm_rows_body.h"

const struct norm_isa norm_isa_portable = NORM_ISA;
