/* SPDX-License-Identifier: Apache-2.0 */
#include <libdeflate.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/nii.h"

#define ROOM 8192
#define DATA 192 /* 12 values of 16 bytes */

/* Any bytes must give a volume or a sentence: no crash, no leak, no more memory than the budget.
 * The first byte chooses what the rest is:
 *   1  names end in .gz
 *   2  .hdr and .img: the next two bytes say where the image begins
 *   4  the next byte chooses a good file and the rest edits it, three bytes an edit
 *  16  the bytes are wrapped into gzip here, with a right CRC, which mutation hardly ever finds
 *  32, 64  which affine
 * 128  the values become labels, not float32 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int types[][2] = {{2, 8},    {4, 16},   {8, 32},     {16, 32},   {64, 64},    {256, 8},
			       {512, 16}, {768, 32}, {1024, 64},  {1280, 64}, {1536, 128}, {1, 1},
			       {32, 64},  {128, 24}, {1792, 128}, {2048, 256}};

static void put(unsigned char *b, const void *value, size_t size, bool swap)
{
	const unsigned char *v = value;
	for (size_t i = 0; i < size; i++)
		b[i] = v[swap ? size - 1 - i : i];
}

static void put_int(unsigned char *b, size_t size, int64_t v, bool swap)
{
	int32_t four = (int32_t)v;
	int16_t two = (int16_t)v;
	put(b, size == 8 ? (void *)&v : size == 4 ? (void *)&four : (void *)&two, size, swap);
}

static void put_real(unsigned char *b, size_t size, double v, bool swap)
{
	float four = (float)v;
	put(b, size == 8 ? (void *)&v : (void *)&four, size, swap);
}

/* A good file of 3 x 2 x 2 values with one extension and room for any type; returns its length.
 * kind chooses type (4 bits), byte order, and NIfTI-2. */
static size_t good_file(unsigned char *b, unsigned kind, bool pair)
{
	const bool two = kind & 32, swap = kind & 16;
	const size_t head = two ? 540 : 348, offset = head + 4 + 16, whole = two ? 8 : 2,
		     real = two ? 8 : 4;
	memset(b, 0, offset + DATA);
	put_int(b, 4, (int64_t)head, swap);
	memcpy(b + (two ? 4 : 344), two ? "n+2\0\r\n\032\n" : "n+1\0", two ? 8 : 4);
	if (pair)
		b[two ? 5 : 345] = 'i';
	for (int i = 0; i < 8; i++) {
		put_int(b + (two ? 16 : 40) + whole * i, whole,
			i == 0 || i == 1 ? 3
			: i < 4          ? 2
					 : 1,
			swap);
		put_real(b + (two ? 104 : 76) + real * i, real, 1, swap);
	}
	put_int(b + (two ? 12 : 70), 2, types[kind & 15][0], swap);
	put_int(b + (two ? 14 : 72), 2, types[kind & 15][1], swap);
	if (two)
		put_int(b + 168, 8, pair ? 0 : (int64_t)offset, swap);
	else
		put_real(b + 108, 4, pair ? 0 : (double)offset, swap);
	put_int(b + (two ? 344 : 252), two ? 4 : 2, 1, swap);
	put_int(b + (two ? 348 : 254), two ? 4 : 2, 1, swap);
	for (int i = 0; i < 3; i++)
		put_real(b + (two ? 400 : 280) + 5 * real * i, real, 1, swap);
	put_int(b + (two ? 500 : 122), two ? 4 : 2, 10, swap);
	if (!two) {
		b[122] = 0;
		b[123] = 10;
	}
	b[head] = 1;
	put_int(b + head + 4, 4, 16, swap);
	put_int(b + head + 8, 4, 6, swap);
	for (int i = 0; i < DATA; i++)
		b[offset + i] = (unsigned char)(7 * i);
	return offset + DATA;
}

/* Edits of three bytes: where (its top bit makes it a number of 4 bytes), and what. */
static void edit(unsigned char *b, size_t n, const uint8_t *how, size_t left, bool swap)
{
	static const double odd[8] = {0, -1, NAN, INFINITY, 1e38, 0.5, 1e-40, 3};
	for (; left >= 3; left -= 3, how += 3) {
		size_t at = (how[0] | (how[1] & 127U) << 8) % n;
		if (how[1] & 128 && at + 4 <= n)
			put_real(b + at, 4, odd[how[2] & 7], swap);
		else
			b[at] = how[2];
	}
}

/* One member of one stored block. */
static size_t wrap(const unsigned char *in, size_t n, unsigned char *out)
{
	static const unsigned char start[11] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1};
	const uint16_t length[2] = {(uint16_t)n, (uint16_t)~n};
	const uint32_t tail[2] = {libdeflate_crc32(0, in, n), (uint32_t)n};
	memcpy(out, start, 11);
	memcpy(out + 11, length, 4);
	memcpy(out + 15, in, n);
	memcpy(out + 15 + n, tail, 8);
	return n + 23;
}

static void use(struct sm_vol *vol, struct sm_nii_info *info, struct sm_mem *mem, bool labels)
{
	struct sm_err err = {0};
	double min, max;
	size_t bad;
	char axes[4];
	sm_vol_axes(vol, axes);
	sm_vol_range(vol, &min, &max, &bad);
	if (bad < sm_vol_count(vol) && !(min <= max))
		abort();
	if (bad != info->not_finite || info->fourth_axis > 7 ||
	    !*sm_nii_form_name(info->sform_code) || !*sm_nii_intent_name(info->intent_code))
		abort();
	if (sm_vol_zero_not_finite(vol) != bad)
		abort();
	if (labels)
		sm_vol_to_labels(vol, mem, "f", &err);
	else
		sm_vol_to_f32(vol, mem, 1, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sm_mem mem;
	struct sm_vol vol;
	struct sm_nii_info info;
	struct sm_err err = {0};
	unsigned char plain[ROOM], packed[2][ROOM + 32];
	if (size < 3)
		return 0;
	unsigned how = data[0];
	size_t cut = (size_t)(data[1] | data[2] << 8), n = 0;
	bool pair = how & 2, gz = how & 17;
	const uint8_t *rest = data + (pair ? 3 : 1);
	size_t left = size - (size_t)(rest - data);
	if (how & 4 && left) {
		unsigned kind = *rest++;
		n = good_file(plain, kind, pair);
		cut = n - DATA; /* the image begins where the extension ends */
		edit(plain, n, rest, left - 1, kind & 16);
	} else {
		n = left < ROOM ? left : ROOM;
		memcpy(plain, rest, n);
	}
	if (!pair || cut > n)
		cut = n;
	struct sm_nii_bytes file = {plain, cut, gz ? "f.nii.gz" : "f.nii"};
	struct sm_nii_bytes image = {plain + cut, n - cut, gz ? "f.img.gz" : "f.img"};
	if (how & 16) {
		file = (struct sm_nii_bytes){packed[0], wrap(plain, cut, packed[0]), file.name};
		image = (struct sm_nii_bytes){packed[1], wrap(plain + cut, n - cut, packed[1]),
					      image.name};
	}
	struct sm_nii_rules rules = {(enum sm_nii_affine)((how >> 5) % 3), 0.01};
	sm_mem_init(&mem, 64 << 20);
	if (sm_nii_parse_as(&file, pair ? &image : NULL, &rules, &mem, &vol, &info, &err) == SM_OK)
		use(&vol, &info, &mem, how & 128);
	else if (!err.text[0] || vol.data)
		abort();
	sm_vol_clear(&vol);
	if (atomic_load(&mem.used))
		abort();
	return 0;
}
