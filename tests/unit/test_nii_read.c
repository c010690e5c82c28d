/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"
#include "tests/unit/folder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <unistd.h>

#include "core/file.h"
#include "core/nii.h"

static struct sm_mem mem;
static struct sm_err err;

static void put_float(unsigned char *p, float v)
{
	memcpy(p, &v, 4);
}

static void put_short(unsigned char *p, int v)
{
	int16_t w = (int16_t)v;
	memcpy(p, &w, 2);
}

/* A NIfTI-1 file of 4 x 3 x 2 x t values in memory; free with sm_free. */
static unsigned char *file_of(enum sm_dtype type, int64_t t, const void *data, size_t *n)
{
	struct sm_vol vol;
	unsigned char *bytes;
	assert_good(sm_vol_init(&vol, (int64_t[4]){4, 3, 2, t}, type, &mem, "t", &err), err);
	size_t size = sm_vol_count(&vol) * sm_dtype_size(type);
	if (data)
		memcpy(vol.data, data, size);
	else
		for (size_t i = 0; i < size; i++)
			((unsigned char *)vol.data)[i] = (unsigned char)(i * 5 + 1);
	for (int a = 0; a < 3; a++) {
		vol.affine[a][a] = a + 1;
		vol.affine[a][3] = 10 * a - 7;
	}
	assert_good(sm_nii_write(at("one.nii"), &vol, 0, 1, NULL, &err), err);
	assert_good(sm_file_read(latest, 0, &mem, &bytes, n, &err), err);
	sm_vol_clear(&vol);
	return bytes;
}

static void swap(unsigned char *p, int size, int count)
{
	for (; count--; p += size)
		for (int i = 0; i < size / 2; i++) {
			unsigned char c = p[i];
			p[i] = p[size - 1 - i];
			p[size - 1 - i] = c;
		}
}

/* The other byte order for the fields of a NIfTI-1 header and values of `width` bytes. */
static void swap_file(unsigned char *b, size_t n, int width)
{
	static const struct {
		int at, size, count;
	} fields[] = {{0, 4, 1},  {32, 4, 1},  {36, 2, 1},  {40, 2, 8},  {56, 4, 3},  {68, 2, 4},
		      {76, 4, 8}, {108, 4, 3}, {120, 2, 1}, {124, 4, 6}, {252, 2, 2}, {256, 4, 18}};
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		swap(b + fields[i].at, fields[i].size, fields[i].count);
	swap(b + 352, width, (int)(n - 352) / width);
}

static void test_nii_read_pair_equals_the_single_file(void **state)
{
	(void)state;
	for (int swapped = 0; swapped < 2; swapped++) {
		struct sm_vol vol, pair;
		struct sm_nii_info info;
		size_t n;
		unsigned char *bytes = file_of(SM_I16, 1, NULL, &n);
		assert_good(sm_nii_parse(bytes, n, "a.nii", &mem, &vol, NULL, &err), err);
		if (swapped)
			swap_file(bytes, n, 2);
		bytes[345] = 'i'; /* ni1 */
		put_float(bytes + 108, 0);
		struct sm_nii_bytes head = {bytes, 352, "a.hdr"},
				    image = {bytes + 352, n - 352, "a.img"};
		assert_good(sm_nii_parse_as(&head, &image, NULL, &mem, &pair, &info, &err), err);
		assert_true(info.pair && info.swapped == (bool)swapped);
		assert_memory_equal(vol.data, pair.data, 48);
		assert_memory_equal(vol.affine, pair.affine, sizeof vol.affine);
		sm_vol_clear(&pair);
		/* cut anywhere it is refused, and each half is none of the other kind */
		for (size_t cut = 0; cut < 48; cut++) {
			image.n = cut;
			assert_int_equal(
				sm_nii_parse_as(&head, &image, NULL, &mem, &pair, NULL, &err),
				SM_INPUT);
		}
		image.n = 48;
		for (head.n = 0; head.n < 348; head.n++)
			assert_int_equal(
				sm_nii_parse_as(&head, &image, NULL, &mem, &pair, NULL, &err),
				SM_INPUT);
		assert_good(sm_nii_parse_as(&head, &image, NULL, &mem, &pair, &info, &err), err);
		sm_vol_clear(&pair);
		assert_refused(sm_nii_parse(bytes, n, "a.nii", &mem, &pair, NULL, &err), SM_INPUT,
			       err, "magic is \"ni1\", the header of a .hdr/.img pair");
		bytes[345] = '+';
		assert_refused(sm_nii_parse_as(&head, &image, NULL, &mem, &pair, NULL, &err),
			       SM_INPUT, err, "magic is \"n+1\", a single file");
		memset(bytes + 344, 0, 4);
		assert_refused(sm_nii_parse_as(&head, &image, NULL, &mem, &pair, NULL, &err),
			       SM_INPUT, err, "Analyze");
		sm_free(bytes);
		sm_vol_clear(&vol);
	}
	assert_int_equal(atomic_load(&mem.used), 0);
}

static void test_nii_read_pair_is_found_by_either_name(void **state)
{
	(void)state;
	static const char *const ask[] = {"p.hdr", "p.img"};
	struct sm_vol vol;
	struct sm_nii_info info;
	char hash[65];
	size_t n;
	unsigned char *bytes = file_of(SM_U8, 1, NULL, &n);
	memcpy(bytes + 344, "ni1", 3);
	put_float(bytes + 108, 8);
	assert_good(sm_file_write(at("p.hdr"), bytes, 352, &err), err);
	assert_refused(sm_nii_read(latest, &mem, &vol, NULL, &err), SM_INPUT, err,
		       "p.hdr: the other half of the pair");
	assert_good(sm_file_write(at("p.img"), bytes + 344, n - 344, &err), err);
	for (int i = 0; i < 2; i++) {
		assert_good(sm_nii_read(at(ask[i]), &mem, &vol, &info, &err), err);
		assert_memory_equal(vol.data, bytes + 352, 24);
		assert_true(i == 0 || strcmp(hash, info.sha256) == 0);
		memcpy(hash, info.sha256, sizeof hash);
		sm_vol_clear(&vol);
	}
	assert_good(sm_nii_read_header(at("p.hdr"), &vol, &info, &err), err);
	assert_true(info.pair && vol.dim[0] == 4);
	assert_good(sm_file_write(at("p.img.gz"), bytes, 20, &err), err);
	assert_refused(sm_nii_read(at("p.hdr"), &mem, &vol, NULL, &err), SM_INPUT, err,
		       "both a .img and a .img.gz");
	unlink(at("p.img"));
	assert_refused(sm_nii_read(at("p.hdr"), &mem, &vol, NULL, &err), SM_INPUT, err,
		       "p.img.gz: the content is no gzip data");
	sm_free(bytes);
	assert_int_equal(atomic_load(&mem.used), 0);
}

static void test_nii_read_forms_follow_the_rule(void **state)
{
	(void)state;
	struct sm_vol vol;
	struct sm_nii_info info;
	size_t n;
	unsigned char *bytes = file_of(SM_U8, 1, NULL, &n);
	struct sm_nii_bytes file = {bytes, n, "f.nii"};
	struct sm_nii_rules rules = {SM_NII_AGREE, 0.01};
	assert_good(sm_nii_parse_as(&file, NULL, &rules, &mem, &vol, &info, &err), err);
	assert_string_equal(info.affine_source, "sform");
	sm_vol_clear(&vol);
	put_float(bytes + 268, -5.5f); /* qoffset_x was -7 */
	put_short(bytes + 254, 4);
	assert_refused(sm_nii_parse_as(&file, NULL, &rules, &mem, &vol, &info, &err), SM_INPUT, err,
		       "sform (code 4) and qform (code 1) place a corner voxel 1.5 mm apart");
	rules.tolerance_mm = 1.51;
	assert_good(sm_nii_parse_as(&file, NULL, &rules, &mem, &vol, &info, &err), err);
	assert_true(vol.affine[0][3] == -7 && fabs(info.form_gap_mm - 1.5) < 1e-6);
	assert_string_equal(sm_nii_form_name(info.sform_code), "mni");
	assert_string_equal(sm_nii_form_name(info.qform_code), "scanner");
	sm_vol_clear(&vol);
	rules.affine = SM_NII_QFORM;
	assert_good(sm_nii_parse_as(&file, NULL, &rules, &mem, &vol, &info, &err), err);
	assert_true(vol.affine[0][3] == -5.5);
	assert_string_equal(info.affine_source, "qform");
	sm_vol_clear(&vol);
	/* a broken form that is not taken is told by the gap; one that is taken is refused */
	put_float(bytes + 280, NAN);
	assert_good(sm_nii_parse_as(&file, NULL, &rules, &mem, &vol, &info, &err), err);
	assert_true(isinf(info.form_gap_mm));
	sm_vol_clear(&vol);
	rules.affine = SM_NII_AGREE;
	assert_refused(sm_nii_parse_as(&file, NULL, &rules, &mem, &vol, &info, &err), SM_INPUT, err,
		       "sform_code 4");
	put_short(bytes + 252, 0);
	rules.affine = SM_NII_QFORM;
	assert_refused(sm_nii_parse_as(&file, NULL, &rules, &mem, &vol, &info, &err), SM_INPUT, err,
		       "sform");
	sm_free(bytes);
}

static void test_nii_read_pixdim_against_the_sform(void **state)
{
	(void)state;
	struct sm_vol vol;
	struct sm_nii_info info;
	size_t n;
	unsigned char *bytes = file_of(SM_U8, 1, NULL, &n);
	for (int half = 0; half < 2; half++) {
		put_float(bytes + 84, half ? 1 : 2); /* pixdim[2]; the sform says 2 */
		assert_good(sm_nii_parse(bytes, n, "s.nii", &mem, &vol, &info, &err), err);
		assert_true(vol.affine[1][1] == 2 && fabs(info.spacing_gap - half) < 1e-6);
		sm_vol_clear(&vol);
	}
	put_short(bytes + 254, 0); /* the qform has the spacing from pixdim */
	assert_good(sm_nii_parse(bytes, n, "s.nii", &mem, &vol, &info, &err), err);
	assert_true(vol.affine[1][1] == 1 && info.spacing_gap == 0);
	sm_vol_clear(&vol);
	sm_free(bytes);
}

static void test_nii_read_form_code_survives_writing(void **state)
{
	(void)state;
	static const int rows[][3] = {{4, 1, 4}, {0, 3, 3}, {0, 0, 2}, {17, 0, 2}, {1, 4, 1}};
	struct sm_vol vol, back;
	struct sm_nii_info info;
	size_t n;
	unsigned char *bytes = file_of(SM_U8, 1, NULL, &n);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		put_short(bytes + 254, rows[i][0]);
		put_short(bytes + 252, rows[i][1]);
		assert_good(sm_nii_parse(bytes, n, "c.nii", &mem, &vol, &info, &err), err);
		assert_good(sm_nii_write(at("code.nii"), &vol, 0, 1, NULL, &err), err);
		assert_good(sm_nii_read(latest, &mem, &back, &info, &err), err);
		assert_int_equal(info.sform_code, rows[i][2]);
		assert_int_equal(info.qform_code, rows[i][2]);
		sm_vol_clear(&back);
		sm_vol_clear(&vol);
	}
	sm_free(bytes);
}

static void test_nii_read_extensions_are_counted_by_code(void **state)
{
	(void)state;
	struct sm_vol vol;
	struct sm_nii_info info;
	size_t n;
	unsigned char *plain = file_of(SM_U8, 1, NULL, &n);
	unsigned char *bytes = calloc(1, n + 48);
	const int32_t one[2] = {16, 2}, two[2] = {32, 6};
	memcpy(bytes, plain, 348);
	bytes[348] = 1;
	memcpy(bytes + 352, one, 8);
	memcpy(bytes + 368, two, 8);
	memcpy(bytes + 376, "Doe^Jane", 8);
	memcpy(bytes + 400, plain + 352, n - 352);
	put_float(bytes + 108, 400);
	assert_good(sm_nii_parse(bytes, n + 48, "e.nii", &mem, &vol, &info, &err), err);
	assert_int_equal(info.extensions, 2);
	assert_int_equal(info.extension_code[0], 2);
	assert_int_equal(info.extension_code[1], 6);
	assert_memory_equal(vol.data, plain + 352, 24);
	sm_vol_clear(&vol);
	/* the same in a pair, where they end with the file */
	memcpy(bytes + 344, "ni1", 3);
	put_float(bytes + 108, 0);
	struct sm_nii_bytes head = {bytes, 400, "e.hdr"}, image = {plain + 352, 24, "e.img"};
	assert_good(sm_nii_parse_as(&head, &image, NULL, &mem, &vol, &info, &err), err);
	assert_int_equal(info.extensions, 2);
	sm_vol_clear(&vol);
	head.n = 399;
	assert_refused(sm_nii_parse_as(&head, &image, NULL, &mem, &vol, &info, &err), SM_INPUT, err,
		       "the extension at byte 368 has size 32");
	free(bytes);
	sm_free(plain);
	assert_int_equal(atomic_load(&mem.used), 0);
}

/* 24 float128 values in place of the payload; the rest stays 1. */
static unsigned char *quads(const uint64_t (*v)[2], size_t count, size_t *n)
{
	unsigned char *plain = file_of(SM_U8, 1, NULL, n), *bytes = calloc(1, 352 + 24 * 16);
	memcpy(bytes, plain, 352);
	put_short(bytes + 70, 1536);
	put_short(bytes + 72, 128);
	for (size_t i = 0; i < 24; i++) {
		const uint64_t one[2] = {0, 0x3fff000000000000};
		memcpy(bytes + 352 + 16 * i, i < count ? v[i] : one, 16);
	}
	sm_free(plain);
	*n = 352 + 24 * 16;
	return bytes;
}

static void test_nii_read_float128_becomes_float64(void **state)
{
	(void)state;
	static const uint64_t v[][2] = {
		{0, 0xc000000000000000},                     /* -2 */
		{0x5555555555555555, 0x3ffd555555555555},    /* 1/3: rounded */
		{(uint64_t)1 << 59, 0x3fff000000000000},     /* 1 + 2^-53: a tie, to even */
		{(uint64_t)1 << 59 | 1, 0x3fff000000000000}, /* a little above the tie */
		{0, 0x7fff000000000000},                     /* infinite */
		{1, 0x7fff000000000000},                     /* NaN */
		{0, 0x8000000000000000},                     /* -0 */
	};
	static const uint64_t large[][2] = {{0, 0x4400000000000000}}; /* 2^1025 */
	static const uint64_t rounds_up[][2] = {{~(uint64_t)0, 0x43feffffffffffff}};
	struct sm_vol vol, other;
	struct sm_nii_info info;
	size_t n;
	unsigned char *bytes = quads(v, 7, &n);
	assert_good(sm_nii_parse(bytes, n, "q.nii", &mem, &vol, &info, &err), err);
	const double *d = vol.data;
	assert_int_equal(vol.dtype, SM_F64);
	assert_true(d[0] == -2 && d[1] == 1.0 / 3 && d[2] == 1 && d[3] == 1 + 0x1p-52);
	assert_true(isinf(d[4]) && isnan(d[5]) && d[6] == 0 && signbit(d[6]) && d[23] == 1);
	assert_int_equal(info.rounded, 3);
	assert_int_equal(info.not_finite, 2);
	swap_file(bytes, n, 16);
	assert_good(sm_nii_parse(bytes, n, "q.nii", &mem, &other, &info, &err), err);
	assert_true(info.swapped && info.rounded == 3);
	assert_memory_equal(vol.data, other.data, 24 * 8);
	sm_vol_clear(&other);
	sm_vol_clear(&vol);
	free(bytes);
	bytes = quads(large, 1, &n);
	assert_refused(sm_nii_parse(bytes, n, "q.nii", &mem, &vol, &info, &err), SM_INPUT, err,
		       "value number 0 is too large for float64");
	free(bytes);
	bytes = quads(rounds_up, 1, &n);
	assert_refused(sm_nii_parse(bytes, n, "q.nii", &mem, &vol, &info, &err), SM_INPUT, err,
		       "too large");
	for (size_t i = 0; i < 24; i++) { /* what a long double of x86 leaves behind */
		const uint64_t one[2] = {(uint64_t)1 << 63, 0x3fff};
		memcpy(bytes + 352 + 16 * i, one, 16);
	}
	assert_refused(sm_nii_parse(bytes, n, "q.nii", &mem, &vol, &info, &err), SM_INPUT, err,
		       "80-bit");
	free(bytes);
	assert_int_equal(atomic_load(&mem.used), 0);
}

static void test_nii_read_numbers_beyond_2_53_are_counted(void **state)
{
	(void)state;
	int64_t whole[24] = {1LL << 53,        (1LL << 53) + 1, -(1LL << 53),
			     -(1LL << 53) - 1, INT64_MIN,       INT64_MAX};
	struct sm_vol vol;
	struct sm_nii_info info;
	size_t n;
	for (int type = SM_I64; type <= SM_U64; type++) {
		unsigned char *bytes = file_of((enum sm_dtype)type, 1, whole, &n);
		assert_good(sm_nii_parse(bytes, n, "w.nii", &mem, &vol, &info, &err), err);
		assert_memory_equal(vol.data, whole, sizeof whole); /* nothing is lost here */
		assert_int_equal(info.beyond_2_53, type == SM_I64 ? 4 : 5);
		sm_vol_clear(&vol);
		sm_free(bytes);
	}
}

static void test_nii_read_axes_and_units(void **state)
{
	(void)state;
	static const struct {
		int units, axis;
		double seconds, spacing;
	} rows[] = {
		{2 | 8, 4, 3, 2},     {2 | 16, 4, 0.003, 2}, {3 | 24, 4, 3e-6, 0.002},
		{1 | 32, 4, 0, 2000}, {2 | 8, 5, 0, 2},      {0, 4, 0, 2},
		{2 | 8, 7, 0, 2},
	};
	struct sm_vol vol;
	struct sm_nii_info info;
	size_t n;
	unsigned char *bytes = file_of(SM_U8, 5, NULL, &n);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int axis = rows[i].axis;
		put_short(bytes + 40, axis);
		put_short(bytes + 254, 0);
		put_short(bytes + 252, 0);
		for (int a = 4; a < 8; a++)
			put_short(bytes + 40 + 2 * a, a == axis ? 5 : 1);
		put_float(bytes + 76 + 4 * axis, 3);
		bytes[123] = (unsigned char)rows[i].units;
		assert_good(sm_nii_parse(bytes, n, "u.nii", &mem, &vol, &info, &err), err);
		assert_int_equal(vol.dim[3], 5);
		assert_int_equal(info.fourth_axis, axis);
		assert_true(fabs(vol.frame_seconds - rows[i].seconds) < 1e-15);
		assert_true(fabs(vol.affine[1][1] - rows[i].spacing) < 1e-12);
		sm_vol_clear(&vol);
	}
	put_short(bytes + 40, 5);
	put_short(bytes + 48, 5);
	put_short(bytes + 50, 2);
	assert_refused(sm_nii_parse(bytes, n, "u.nii", &mem, &vol, &info, &err), SM_INPUT, err,
		       "dim[5] is 2 beside dim[4] 5");
	sm_free(bytes);
	assert_string_equal(sm_nii_unit_name(3), "micron");
	assert_string_equal(sm_nii_unit_name(32), "Hz");
	assert_string_equal(sm_nii_unit_name(56), "unknown");
	assert_string_equal(sm_nii_intent_name(0), "none");
	assert_string_equal(sm_nii_form_name(-3), "other");
}

static void test_nii_read_types_that_are_no_image_are_named(void **state)
{
	(void)state;
	static const struct {
		int code, bits;
		const char *part;
	} rows[] = {
		{1, 1, "one bit"},          {32, 64, "complex64"},   {1792, 128, "complex128"},
		{2048, 256, "complex256"},  {128, 24, "RGB24"},      {2304, 32, "RGBA32"},
		{1536, 64, "bitpix is 64"}, {0, 8, "datatype is 0"},
	};
	struct sm_vol vol;
	size_t n;
	unsigned char *bytes = file_of(SM_U8, 1, NULL, &n);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		put_short(bytes + 70, rows[i].code);
		put_short(bytes + 72, rows[i].bits);
		assert_refused(sm_nii_parse(bytes, n, "t.nii", &mem, &vol, NULL, &err), SM_INPUT,
			       err, rows[i].part);
	}
	memcpy(bytes, "MATRIX72v", 9);
	assert_refused(sm_nii_parse(bytes, n, "t.v", &mem, &vol, NULL, &err), SM_INPUT, err,
		       "ECAT");
	sm_free(bytes);
}

static void test_nii_read_zero_for_what_is_not_finite(void **state)
{
	(void)state;
	struct sm_vol vol;
	assert_good(sm_vol_init(&vol, (int64_t[4]){2, 2, 1, 1}, SM_F32, &mem, "z", &err), err);
	float *f = vol.data;
	memcpy(f, (float[4]){1, NAN, -INFINITY, 2}, 16);
	vol.slope = 2;
	vol.inter = -6;
	assert_int_equal(sm_vol_zero_not_finite(&vol), 2);
	assert_true(sm_vol_at(&vol, 1) == 0 && sm_vol_at(&vol, 2) == 0 && sm_vol_at(&vol, 3) == -2);
	f[0] = 3e38f;
	assert_refused(sm_vol_to_f32(&vol, &mem, 1, &err), SM_INPUT, err, "do not fit float32");
	assert_int_equal(vol.dtype, SM_F32);
	f[0] = 1e38f;
	assert_good(sm_vol_to_f32(&vol, &mem, 1, &err), err);
	sm_vol_clear(&vol);
}

static void test_nii_read_damaged_gzip_is_told_apart(void **state)
{
	(void)state;
	struct sm_vol vol;
	unsigned char *bytes, *plain;
	size_t n;
	plain = file_of(SM_I16, 1, NULL, &n);
	sm_free(plain);
	assert_good(sm_nii_read(at("one.nii"), &mem, &vol, NULL, &err), err);
	assert_good(sm_nii_write(at("one.nii.gz"), &vol, 0, 1, NULL, &err), err);
	assert_good(sm_file_read(latest, 0, &mem, &bytes, &n, &err), err);
	sm_vol_clear(&vol);
	static const struct {
		int back; /* bytes from the end */
		const char *part;
	} rows[] = {{1, "not as many as it names"}, {5, "the CRC of its 400 bytes"}};
	for (int i = 0; i < 2; i++) {
		bytes[n - (size_t)rows[i].back] ^= 1;
		assert_refused(sm_nii_parse(bytes, n, "d.nii.gz", &mem, &vol, NULL, &err), SM_INPUT,
			       err, rows[i].part);
		bytes[n - (size_t)rows[i].back] ^= 1;
	}
	assert_refused(sm_nii_parse(bytes, n - 3, "d.nii.gz", &mem, &vol, NULL, &err), SM_INPUT,
		       err, "ends early");
	bytes[3] = 0xe0; /* reserved flags */
	assert_refused(sm_nii_parse(bytes, n, "d.nii.gz", &mem, &vol, NULL, &err), SM_INPUT, err,
		       "d.nii.gz: ");
	sm_free(bytes);
	assert_int_equal(atomic_load(&mem.used), 0);
}

/* A header that claims 128 MB over a stream that ends with another length: no memory is taken. */
static void test_nii_read_gzip_claims_meet_its_end(void **state)
{
	(void)state;
	size_t n, noise = 200000;
	unsigned char *plain = file_of(SM_I16, 1, NULL, &n);
	unsigned char *all = malloc(n + noise), *packed = malloc(2 * noise);
	assert_true(all && packed);
	memcpy(all, plain, n);
	sm_free(plain);
	for (int k = 1; k <= 3; k++)
		memcpy(all + 40 + 2 * k, &(int16_t){400}, 2);
	uint32_t x = 1;
	for (size_t i = 0; i < noise; i++)
		all[n + i] = (unsigned char)((x = x * 1664525 + 1013904223) >> 24);
	z_stream z = {.next_in = all, .avail_in = (unsigned)(n + noise),
		      .next_out = packed, .avail_out = (unsigned)(2 * noise)};
	assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 31, 8, 0), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	size_t packed_n = 2 * noise - z.avail_out;
	deflateEnd(&z);
	struct sm_mem little;
	struct sm_vol vol;
	sm_mem_init(&little, 1 << 20);
	assert_refused(sm_nii_parse(packed, packed_n, "c.nii.gz", &little, &vol, NULL, &err),
		       SM_INPUT, err, "ends with another length");
	free(all);
	free(packed);
}

static int begin(void **state)
{
	(void)state;
	sm_mem_init(&mem, 64 << 20);
	return folder_make();
}

static int end(void **state)
{
	(void)state;
	return folder_remove();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nii_read_pair_equals_the_single_file),
		cmocka_unit_test(test_nii_read_pair_is_found_by_either_name),
		cmocka_unit_test(test_nii_read_forms_follow_the_rule),
		cmocka_unit_test(test_nii_read_pixdim_against_the_sform),
		cmocka_unit_test(test_nii_read_form_code_survives_writing),
		cmocka_unit_test(test_nii_read_extensions_are_counted_by_code),
		cmocka_unit_test(test_nii_read_float128_becomes_float64),
		cmocka_unit_test(test_nii_read_numbers_beyond_2_53_are_counted),
		cmocka_unit_test(test_nii_read_axes_and_units),
		cmocka_unit_test(test_nii_read_types_that_are_no_image_are_named),
		cmocka_unit_test(test_nii_read_zero_for_what_is_not_finite),
		cmocka_unit_test(test_nii_read_damaged_gzip_is_told_apart),
		cmocka_unit_test(test_nii_read_gzip_claims_meet_its_end),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name(__FILE__, tests, begin, end);
}
