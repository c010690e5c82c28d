/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "derive/interleave.h"

struct sm_planes sm_planes_of(const struct sm_vol *vol, int axis)
{
	size_t step[3] = {1, (size_t)vol->dim[0], (size_t)vol->dim[0] * (size_t)vol->dim[1]};
	int x = axis == 0 ? 1 : 0, y = axis == 2 ? 1 : 2;
	return (struct sm_planes){.axis = axis,
				  .width = vol->dim[x],
				  .height = vol->dim[y],
				  .count = vol->dim[axis],
				  .step_x = step[x],
				  .step_y = step[y],
				  .step = step[axis]};
}

void sm_planes_get(const struct sm_vol *vol, const struct sm_planes *p, int64_t k, float *out)
{
	for (int64_t y = 0; y < p->height; y++) {
		size_t at = (size_t)k * p->step + (size_t)y * p->step_y;
		if (p->step_x == 1) {
			sm_vol_run_f32(vol, at, (size_t)p->width, out);
			out += p->width;
			continue;
		}
		for (int64_t x = 0; x < p->width; x++, at += p->step_x)
			sm_vol_run_f32(vol, at, 1, out++);
	}
}

/* Half to even, whatever the rounding mode of the thread: rint() would ask it. */
static double half_even(double v)
{
	double low = floor(v), rest = v - low;
	if (rest != 0.5)
		return rest < 0.5 ? low : low + 1;
	return fmod(low, 2) == 0 ? low : low + 1;
}

static double within(double v, double low, double high)
{
	v = v == v ? half_even(v) : 0;
	return v < low ? low : v > high ? high : v;
}

static void put_one(struct sm_vol *vol, size_t at, double v)
{
	switch (vol->dtype) {
	case SM_U8:
		((uint8_t *)vol->data)[at] = (uint8_t)within(v, 0, UINT8_MAX);
		return;
	case SM_I8:
		((int8_t *)vol->data)[at] = (int8_t)within(v, INT8_MIN, INT8_MAX);
		return;
	case SM_I16:
		((int16_t *)vol->data)[at] = (int16_t)within(v, INT16_MIN, INT16_MAX);
		return;
	case SM_U16:
		((uint16_t *)vol->data)[at] = (uint16_t)within(v, 0, UINT16_MAX);
		return;
	case SM_I32:
		((int32_t *)vol->data)[at] = (int32_t)within(v, INT32_MIN, INT32_MAX);
		return;
	case SM_U32:
		((uint32_t *)vol->data)[at] = (uint32_t)within(v, 0, UINT32_MAX);
		return;
	case SM_I64: /* 2^63 - 1 is no double: the largest one below it */
		((int64_t *)vol->data)[at] = (int64_t)within(v, -0x1p63, 0x1.fffffffffffffp62);
		return;
	case SM_U64:
		((uint64_t *)vol->data)[at] = (uint64_t)within(v, 0, 0x1.fffffffffffffp63);
		return;
	case SM_F32:
		((float *)vol->data)[at] = (float)v;
		return;
	case SM_F64:
		((double *)vol->data)[at] = v;
		return;
	}
}

void sm_planes_put(struct sm_vol *vol, const struct sm_planes *p, int64_t k, const float *in)
{
	bool scaled = vol->slope != 1 || vol->inter != 0;
	for (int64_t y = 0; y < p->height; y++) {
		size_t at = (size_t)k * p->step + (size_t)y * p->step_y;
		for (int64_t x = 0; x < p->width; x++, at += p->step_x) {
			double v = *in++;
			put_one(vol, at, scaled ? (v - vol->inter) / vol->slope : v);
		}
	}
}
