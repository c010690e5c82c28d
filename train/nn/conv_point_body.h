/* SPDX-License-Identifier: Apache-2.0
 *
 * Inner loops of conv_point.c, written once over the vectors of an instruction set (simd_*.h) that
 * each conv_point_<set>.c includes before this; that file also says how many groups fit the
 * registers at once (AT_ONCE) and has what moves lanes: QUARTER(x, k), value k of each quarter in
 * all of it, turned and put. Where lanes meet, in turned, the order is fixed: quarters 0 and 2, 1
 * and 3, then these two sums, so that both sets give the same bits.
 */
#ifdef SM_TRAIN_CONV_POINT_BODY_H
#error "included once by each instruction set"
#endif
#define SM_TRAIN_CONV_POINT_BODY_H

#define AHEAD 4096 /* bytes from a load to the line asked for meanwhile */

/* VL values as floats. */
POINT_INLINE vec load(const void *p, size_t at, const bool half)
{
	return half ? v_load_h((const elem_half *)p + at) : v_load((const float *)p + at);
}

/* Adds to the sums of groups [first, end) of four voxels. */
POINT_INLINE void add_groups(const struct point *q, const size_t row[POINT_VOXELS], const int first,
			     const int end, const int groups, const bool half,
			     vec s[2][POINT_VOXELS][VN])
{
	const struct conv_desc *d = &q->p->d;
	const float *w = q->a->packed;
	size_t ic = (size_t)d->ic;
	for (size_t c = 0; c < ic; c += POINT_LANES) {
#define STEP(k) \
	s[g][v][l] = v_fma(QUARTER(x, k), v_load(w + ((k) * groups + g) * POINT_LANES + l * VL), \
			   s[g][v][l]);
		_Pragma("GCC unroll 4") for (int v = 0; v < POINT_VOXELS; v++)
		{
			if (first == 0)
				__builtin_prefetch((char *)elem_at(q->a->x, d->xe, row[v] + c) +
						   AHEAD);
			_Pragma("GCC unroll 2") for (int l = 0; l < VN; l++)
			{
				vec x = load(q->a->x, row[v] + c + l * VL, half);
				_Pragma("GCC unroll 2") for (int g = first; g < end; g++)
				{
					STEP(0) STEP(1) STEP(2) STEP(3)
				}
			}
		}
#undef STEP
		w += POINT_GROUP * groups * POINT_LANES;
	}
}

/* Voxels [at, at + n), n <= 4. */
POINT_INLINE void voxels(const struct point *q, size_t at, int n, const int groups, const bool half)
{
	const struct conv_desc *d = &q->p->d;
	vec s[2][POINT_VOXELS][VN], r[2][VN];
	size_t ic = (size_t)d->ic, row[POINT_VOXELS];
	_Pragma("GCC unroll 4") for (int v = 0; v < POINT_VOXELS; v++)
	{
		row[v] = (at + (v < n ? v : 0)) * ic;
		for (int l = 0; l < VN; l++)
			s[0][v][l] = s[1][v][l] = v_set1(0);
	}
	if (AT_ONCE >= groups) {
		add_groups(q, row, 0, groups, groups, half, s);
	} else {
		add_groups(q, row, 0, 1, groups, half, s);
		add_groups(q, row, 1, 2, groups, half, s);
	}
	for (int g = 0; g < groups; g++) {
		turned(s[g], r[g]);
		for (int l = 0; l < VN; l++) {
			r[g][l] = v_add(r[g][l], v_load(q->bias + g * POINT_LANES + l * VL));
			if (d->relu)
				r[g][l] = v_positive(r[g][l]);
		}
	}
	put(q, at, n, groups, r);
}

#define ROWS(groups, half) \
	static void rows_##groups##half(const struct point *q, size_t from, size_t to) \
	{ \
		for (size_t i = from; i < to; i += POINT_VOXELS) \
			voxels(q, i, to - i < POINT_VOXELS ? (int)(to - i) : POINT_VOXELS, groups, \
			       half); \
	}
ROWS(1, 0)
ROWS(1, 1)
ROWS(2, 0)
ROWS(2, 1)

#define POINT_ISA(set) {.name = set, .rows = {{rows_10, rows_11}, {rows_20, rows_21}}}
