/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"
#include "tests/unit/folder.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/nii.h"

static struct sm_mem mem;
static struct sm_err err;

/* An oblique volume with values that differ everywhere. */
static void make(struct sm_vol *vol, int64_t t, enum sm_dtype type)
{
	const int64_t dim[4] = {7, 6, 5, t};
	assert_good(sm_vol_init(vol, dim, type, &mem, "test", &err), err);
	unsigned char *p = vol->data;
	size_t n = sm_vol_count(vol), size = sm_dtype_size(type);
	for (size_t i = 0; i < n; i++) {
		float f = (float)i - 3.25f;
		double d = (double)i * 0.5;
		if (type == SM_F32)
			memcpy(p + 4 * i, &f, 4);
		else if (type == SM_F64)
			memcpy(p + 8 * i, &d, 8);
		else
			for (size_t b = 0; b < size; b++)
				p[size * i + b] = (unsigned char)(i * 7 + b * 3);
	}
	const double c = 0.8, s = 0.6; /* rotation about z, spacing 1, 2, 3, x flipped */
	const double affine[4][4] = {
	    {-c, -2 * s, 0, 10.5}, {-s, 2 * c, 0, -20}, {0, 0, 3, 7}, {0, 0, 0, 1}};
	memcpy(vol->affine, affine, sizeof affine);
}

static double affine_gap(const struct sm_vol *a, const struct sm_vol *b)
{
	double worst = 0;
	for (int i = 0; i < 16; i++)
		worst = fmax(worst, fabs(a->affine[i / 4][i % 4] - b->affine[i / 4][i % 4]));
	return worst;
}

static void test_nii_every_type_returns_as_it_was(void **state)
{
	(void)state;
	for (int type = SM_U8; type <= SM_F64; type++) {
		for (int gz = 0; gz < 2; gz++) {
			struct sm_vol vol, back;
			struct sm_nii_info info;
			char hash[65], content[65];
			make(&vol, type % 2 ? 3 : 1, (enum sm_dtype)type);
			vol.slope = 0.5;
			vol.inter = -8;
			vol.frame_seconds = type % 2 ? 2.5 : 0;
			vol.meaning = type == SM_U8 ? SM_MEANING_LABEL : SM_MEANING_ARBITRARY;
			const char *file = at(gz ? "a.nii.gz" : "a.nii");
			assert_good(sm_nii_write(file, &vol, 0, 1, hash, &err), err);
			assert_good(sm_nii_read(file, &mem, &back, &info, &err), err);
			assert_memory_equal(vol.dim, back.dim, sizeof vol.dim);
			assert_int_equal(back.dtype, vol.dtype);
			assert_memory_equal(vol.data, back.data,
					    sm_vol_count(&vol) * sm_dtype_size(vol.dtype));
			assert_true(back.slope == 0.5 && back.inter == -8);
			assert_true(back.frame_seconds == vol.frame_seconds);
			assert_int_equal(back.meaning, vol.meaning);
			assert_true(affine_gap(&vol, &back) < 1e-5);
			assert_string_equal(info.affine_source, "sform");
			assert_true(info.form_gap_mm < 1e-4 && info.qform_code == 1);
			assert_false(info.gz_padding);
			assert_string_equal(hash, info.sha256);
			assert_good(sm_content_sha256(file, &mem, content, &err), err);
			assert_string_equal(hash, content);
			sm_vol_clear(&back);
			assert_good(sm_nii_read_header(file, &back, &info, &err), err);
			assert_null(back.data);
			assert_memory_equal(vol.dim, back.dim, sizeof vol.dim);
			sm_vol_clear(&back);
			sm_vol_clear(&vol);
		}
	}
	assert_int_equal(atomic_load(&mem.used), 0);
}

/* Writes a volume and returns the file's bytes. */
static unsigned char *bytes_of(const char *name, const struct sm_vol *vol, int jobs, size_t *n)
{
	unsigned char *bytes;
	assert_good(sm_nii_write(at(name), vol, 0, jobs, NULL, &err), err);
	assert_good(sm_file_read(latest, 0, &mem, &bytes, n, &err), err);
	return bytes;
}

static void test_nii_bytes_do_not_depend_on_jobs_or_name(void **state)
{
	(void)state;
	struct sm_vol vol;
	size_t n, m;
	make(&vol, 1, SM_I16);
	unsigned char *a = bytes_of("one.nii.gz", &vol, 1, &n);
	unsigned char *b = bytes_of("another.nii.gz", &vol, 2, &m);
	assert_int_equal(n, m);
	assert_memory_equal(a, b, n);
	sm_free(a);
	sm_free(b);
	sm_vol_clear(&vol);
}

static enum sm_status parse(const unsigned char *bytes, size_t n, const char *name)
{
	struct sm_vol vol;
	enum sm_status st = sm_nii_parse(bytes, n, name, &mem, &vol, NULL, &err);
	if (st != SM_OK)
		assert_null(vol.data);
	sm_vol_clear(&vol);
	return st;
}

static void test_nii_no_cut_or_flipped_file_passes(void **state)
{
	(void)state;
	struct sm_vol vol;
	size_t n;
	make(&vol, 1, SM_I16);
	unsigned char *bytes = bytes_of("cut.nii", &vol, 1, &n);
	for (size_t cut = 0; cut < n; cut++)
		assert_int_equal(parse(bytes, cut, "cut.nii"), SM_INPUT);
	assert_int_equal(parse(bytes, n, "cut.nii"), SM_OK);
	sm_free(bytes);
	bytes = bytes_of("cut.nii.gz", &vol, 1, &n);
	for (size_t cut = 0; cut < n; cut++)
		assert_int_equal(parse(bytes, cut, "cut.nii.gz"), SM_INPUT);
	/* from the deflate data on, every flipped bit is noticed by the CRC at the latest */
	for (size_t i = 10; i < n; i++) {
		bytes[i] ^= 4;
		assert_int_equal(parse(bytes, n, "cut.nii.gz"), SM_INPUT);
		bytes[i] ^= 4;
	}
	assert_int_equal(parse(bytes, n, "cut.nii.gz"), SM_OK);
	assert_refused(parse(bytes, n, "cut.nii"), SM_INPUT, err, "does not end in .gz");
	sm_free(bytes);
	sm_vol_clear(&vol);
	assert_int_equal(atomic_load(&mem.used), 0);
}

static void put_float(unsigned char *p, float v)
{
	memcpy(p, &v, 4);
}

static void put_short(unsigned char *p, int v)
{
	int16_t w = (int16_t)v;
	memcpy(p, &w, 2);
}

static void test_nii_bad_fields_are_named(void **state)
{
	(void)state;
	static const struct {
		int at, real;
		double value;
		const char *part; /* NULL: must be accepted */
	} rows[] = {
	    {0, 0, 300, "sizeof_hdr"},
	    {40, 0, 0, "dim[0] is 0"},
	    {40, 0, 8, "dim[0] is 8"},
	    {42, 0, -7, "dim[1] is -7"},
	    {46, 0, 30000, "declare"},
	    {70, 0, 128, "RGB"},
	    {70, 0, 77, "unknown"},
	    {72, 0, 8, "bitpix is 8"},
	    {80, 1, 0, "pixdim[1] is 0"},
	    {84, 1, -2, "pixdim[2]"},
	    {88, 1, NAN, "pixdim[3] is nan"},
	    {108, 1, 351, "vox_offset is 351"},
	    {108, 1, 352.5, "352.5"},
	    {108, 1, 354, "declare"},
	    {108, 1, 1e30f, "vox_offset"},
	    {112, 1, INFINITY, "scl_slope inf"},
	    {116, 1, NAN, "scl_inter nan"},
	    {112, 1, 0, NULL},
	    {112, 1, NAN, NULL},
	    {280, 1, NAN, "sform"},
	    {280, 1, 0, NULL},
	    {344, 0, 0x6968, "magic"},
	    {256, 1, 3, NULL},
	    {68, 0, 3001, "CIFTI"},
	    {122, 0, 0x0500, "xyzt_units"},
	};
	struct sm_vol vol;
	size_t n;
	make(&vol, 1, SM_I16);
	unsigned char *bytes = bytes_of("field.nii", &vol, 1, &n), keep[348];
	memcpy(keep, bytes, sizeof keep);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (rows[i].real)
			put_float(bytes + rows[i].at, (float)rows[i].value);
		else
			put_short(bytes + rows[i].at, (int)rows[i].value);
		enum sm_status st = parse(bytes, n, "field.nii");
		if (rows[i].part)
			assert_refused(st, SM_INPUT, err, rows[i].part);
		else
			assert_good(st, err);
		memcpy(bytes, keep, sizeof keep);
	}
	sm_free(bytes);
	sm_vol_clear(&vol);
}

static void test_nii_qform_alone_gives_the_same_place(void **state)
{
	(void)state;
	struct sm_vol vol, back;
	struct sm_nii_info info;
	size_t n;
	make(&vol, 1, SM_I16);
	unsigned char *bytes = bytes_of("q.nii", &vol, 1, &n);
	put_short(bytes + 254, 0);
	assert_good(sm_nii_parse(bytes, n, "q.nii", &mem, &back, &info, &err), err);
	assert_string_equal(info.affine_source, "qform");
	assert_true(affine_gap(&vol, &back) < 1e-5);
	sm_vol_clear(&back);
	put_float(bytes + 256, 3);
	assert_refused(parse(bytes, n, "q.nii"), SM_INPUT, err, "quaternion");
	put_short(bytes + 252, 0);
	assert_good(sm_nii_parse(bytes, n, "q.nii", &mem, &back, &info, &err), err);
	assert_string_equal(info.affine_source, "none");
	assert_true(back.affine[1][1] == 2 && back.affine[0][1] == 0 && back.affine[0][3] == 0);
	sm_vol_clear(&back);
	bytes[123] = 1; /* metres */
	assert_good(sm_nii_parse(bytes, n, "q.nii", &mem, &back, &info, &err), err);
	assert_true(back.affine[1][1] == 2000);
	sm_vol_clear(&back);
	sm_free(bytes);
	sm_vol_clear(&vol);
}

static void test_nii_sheared_grid_has_no_qform(void **state)
{
	(void)state;
	struct sm_vol vol, back;
	struct sm_nii_info info;
	make(&vol, 1, SM_U8);
	vol.affine[1][2] = 0.7; /* gantry tilt */
	assert_good(sm_nii_write(at("shear.nii"), &vol, 0, 1, NULL, &err), err);
	assert_good(sm_nii_read(latest, &mem, &back, &info, &err), err);
	assert_int_equal(info.qform_code, 0);
	assert_true(affine_gap(&vol, &back) < 1e-5);
	sm_vol_clear(&back);
	sm_vol_clear(&vol);
}

static void test_nii_long_axis_becomes_version_2(void **state)
{
	(void)state;
	struct sm_vol vol, back;
	struct sm_nii_info info;
	assert_good(sm_vol_init(&vol, (int64_t[4]){40000, 2, 1, 1}, SM_U8, &mem, "t", &err), err);
	memset(vol.data, 5, 80000);
	vol.affine[0][3] = 0.1; /* double survives in version 2 */
	assert_good(sm_nii_write(at("long.nii.gz"), &vol, 1, 1, NULL, &err), err);
	assert_good(sm_nii_read(latest, &mem, &back, &info, &err), err);
	assert_int_equal(info.version, 2);
	assert_int_equal(back.dim[0], 40000);
	assert_true(affine_gap(&vol, &back) == 0);
	assert_memory_equal(vol.data, back.data, 80000);
	sm_vol_clear(&back);
	sm_vol_clear(&vol);
}

static void test_nii_what_is_not_finite_stays_and_is_counted(void **state)
{
	(void)state;
	struct sm_vol vol, back;
	struct sm_nii_info info;
	make(&vol, 1, SM_F32);
	((float *)vol.data)[3] = NAN;
	((float *)vol.data)[9] = -INFINITY;
	assert_good(sm_nii_write(at("nan.nii.gz"), &vol, 0, 1, NULL, &err), err);
	assert_good(sm_nii_read(latest, &mem, &back, &info, &err), err);
	assert_int_equal(info.not_finite, 2);
	assert_memory_equal(vol.data, back.data, sm_vol_count(&vol) * 4);
	sm_vol_clear(&back);
	sm_vol_clear(&vol);
}

static void test_nii_padding_is_recorded_and_bounded(void **state)
{
	(void)state;
	struct sm_vol vol, back;
	struct sm_nii_info info;
	size_t n;
	make(&vol, 1, SM_I16);
	unsigned char *bytes = bytes_of("pad.nii", &vol, 1, &n);
	unsigned char *longer = calloc(1, n + 70000);
	memcpy(longer, bytes, n);
	assert_good(sm_nii_parse(longer, n + 16, "pad.nii", &mem, &back, &info, &err), err);
	assert_true(info.gz_padding);
	sm_vol_clear(&back);
	assert_refused(parse(longer, n + 70000, "pad.nii"), SM_INPUT, err, "holds");
	free(longer);
	sm_free(bytes);
	sm_vol_clear(&vol);
}

static void test_nii_budget_is_a_sentence(void **state)
{
	(void)state;
	struct sm_vol vol, back;
	struct sm_mem small;
	assert_good(sm_vol_init(&vol, (int64_t[4]){100, 100, 100, 1}, SM_F32, &mem, "t", &err),
		    err);
	memset(vol.data, 0, 4000000);
	assert_good(sm_nii_write(at("big.nii.gz"), &vol, 0, 1, NULL, &err), err);
	sm_mem_init(&small, 1 << 20);
	assert_refused(sm_nii_read(latest, &small, &back, NULL, &err), SM_BUDGET, err,
		       "big.nii.gz");
	assert_int_equal(atomic_load(&small.used), 0);
	sm_vol_clear(&vol);
}

/* Appends a gzip member of n bytes; the new end. */
static size_t append_member(unsigned char *to, size_t at, size_t room, const unsigned char *from,
			    size_t n)
{
	z_stream z = {.next_in = (unsigned char *)(uintptr_t)from, .avail_in = (unsigned)n,
		      .next_out = to + at, .avail_out = (unsigned)(room - at)};
	assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 31, 8, 0), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return room - z.avail_out;
}

/* Streams about as large as what they hold are given back page by page while they are read. */
static void test_nii_large_gzip_is_given_back_while_it_is_read(void **state)
{
	(void)state;
	size_t n, noise = 9 << 20, first = 5 << 20, all_n, room = noise + (1 << 20);
	unsigned char *all, *packed = malloc(room);
	char name[] = "large.nii.gz";
	struct sm_vol vol;
	struct sm_nii_info info;
	uint32_t x = 1;
	assert_non_null(packed);
	assert_good(sm_vol_init(&vol, (int64_t[4]){2048, 2304, 1, 1}, SM_I16, &mem, "large", &err),
		    err);
	for (size_t i = 0; i < noise; i++)
		((unsigned char *)vol.data)[i] =
			(unsigned char)((x = x * 1664525 + 1013904223) >> 24);
	for (int a = 0; a < 4; a++)
		vol.affine[a][a] = 1;
	assert_good(sm_nii_write(at("large.nii"), &vol, 0, 1, NULL, &err), err);
	sm_vol_clear(&vol);
	assert_good(sm_file_read(latest, 0, &mem, &all, &all_n, &err), err);
	assert_int_equal(all_n, 352 + noise);
	/* In two members. */
	size_t border = append_member(packed, 0, room, all, first);
	n = append_member(packed, border, room, all + first, all_n - first);
	const struct {
		size_t n, flip, spare; /* bytes of the file, changed byte (0: none), zeros behind */
		const char *part;      /* of the sentence; NULL: good */
	} rows[] = {
		{n, 0, 0, NULL},
		{n, 0, 100, NULL},
		{n - 5, 0, 0, "the gzip stream ends early"},
		{n - 3000000, 0, 0, "the gzip stream ends early"},
		{n, border - 6, 0, "the CRC of its 5242880 bytes"},
		{n, n - 6, 0, "the CRC of its 4194656 bytes"},
		{n, n - 2, 0, "not as many as it names"},
		{n, border, 0, NULL}, /* no member any more: padding, too little before it */
	};
	memset(packed + n, 0, 100);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		packed[rows[i].flip] ^= rows[i].flip != 0;
		assert_good(sm_file_write(at(name), packed, rows[i].n + rows[i].spare, &err), err);
		packed[rows[i].flip] ^= rows[i].flip != 0;
		const char *part = rows[i].flip == border ? "holds 5242880 bytes" : rows[i].part;
		if (part) {
			assert_refused(sm_nii_read(at(name), &mem, &vol, NULL, &err), SM_INPUT, err,
				       part);
			continue;
		}
		assert_good(sm_nii_read(at(name), &mem, &vol, &info, &err), err);
		assert_memory_equal(vol.data, all + 352, noise);
		assert_int_equal(info.gz_padding, rows[i].spare > 0);
		sm_vol_clear(&vol);
	}
	/* More than is declared. */
	memcpy(all + 44, &(int16_t){2200}, 2);
	n = append_member(packed, 0, room, all, all_n);
	assert_good(sm_file_write(at(name), packed, n, &err), err);
	assert_refused(sm_nii_read(at(name), &mem, &vol, NULL, &err), SM_INPUT, err,
		       "inflates to more than");
	sm_free(all);
	free(packed);
	assert_int_equal(atomic_load(&mem.used), 0);
}

static void test_nii_failed_write_leaves_nothing(void **state)
{
	(void)state;
	struct sm_vol vol;
	struct rlimit old, tight = {0};
	assert_good(sm_vol_init(&vol, (int64_t[4]){100, 100, 100, 1}, SM_F32, &mem, "t", &err),
		    err);
	memset(vol.data, 0, 4000000);
	getrlimit(RLIMIT_FSIZE, &old);
	tight.rlim_cur = 65536; /* as a full disk: later bytes are refused */
	tight.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &tight);
	enum sm_status st = sm_nii_write(at("full.nii"), &vol, 0, 1, NULL, &err);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(st, SM_IO);
	assert_false(sm_file_exists(latest));
	assert_int_equal(access(at(".full.nii.partial"), F_OK), -1);
	assert_int_equal(sm_nii_write(at("no/such/folder.nii"), &vol, 0, 1, NULL, &err), SM_IO);
	sm_vol_clear(&vol);
}

static int begin(void **state)
{
	(void)state;
	sm_mem_init(&mem, 256 << 20);
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
	    cmocka_unit_test(test_nii_every_type_returns_as_it_was),
	    cmocka_unit_test(test_nii_bytes_do_not_depend_on_jobs_or_name),
	    cmocka_unit_test(test_nii_no_cut_or_flipped_file_passes),
	    cmocka_unit_test(test_nii_bad_fields_are_named),
	    cmocka_unit_test(test_nii_qform_alone_gives_the_same_place),
	    cmocka_unit_test(test_nii_sheared_grid_has_no_qform),
	    cmocka_unit_test(test_nii_long_axis_becomes_version_2),
	    cmocka_unit_test(test_nii_what_is_not_finite_stays_and_is_counted),
	    cmocka_unit_test(test_nii_padding_is_recorded_and_bounded),
	    cmocka_unit_test(test_nii_budget_is_a_sentence),
	    cmocka_unit_test(test_nii_large_gzip_is_given_back_while_it_is_read),
	    cmocka_unit_test(test_nii_failed_write_leaves_nothing),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name(__FILE__, tests, begin, end);
}
