/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/nii.h"

static struct sm_mem mem;
static struct sm_err err;
static char path[1024];

static const char *at(const char *name)
{
	const char *root = getenv("SM_SHARED_DATA");
	snprintf(path, sizeof path, "%s/%s", root ? root : "../shared/data", name);
	return path;
}

/* One line of the golden file: what another reader found in a scan. */
struct golden {
	char file[200], dtype[16], axes[8];
	long long dim[4];
	double step, affine[12], min, max, sum;
	size_t bad;
};

static bool parse(const char *line, struct golden *g)
{
	int used = 0;
	if (sscanf(line, "%199s %lld %lld %lld %lld %15s %7s %lf%n", g->file, &g->dim[0],
		   &g->dim[1], &g->dim[2], &g->dim[3], g->dtype, g->axes, &g->step, &used) != 8)
		return false;
	for (int i = 0; i < 12; i++) {
		char *end;
		g->affine[i] = strtod(line + used, &end);
		used = (int)(end - line);
	}
	return sscanf(line + used, "%lf %lf %zu %lf", &g->min, &g->max, &g->bad, &g->sum) == 4;
}

static void check(const struct golden *g)
{
	struct sm_vol vol;
	struct sm_nii_info info;
	char axes[4];
	double lo, hi, sum = 0, scale = 0;
	size_t bad;
	assert_good(sm_nii_read(at(g->file), &mem, &vol, &info, &err), err);
	for (int a = 0; a < 4; a++)
		assert_int_equal(vol.dim[a], g->dim[a]);
	assert_string_equal(sm_dtype_name(vol.dtype), g->dtype);
	sm_vol_axes(&vol, axes);
	assert_string_equal(axes, g->axes);
	assert_true(fabs(vol.frame_seconds - g->step) < 1e-9);
	for (int i = 0; i < 12; i++)
		if (fabs(vol.affine[i / 4][i % 4] - g->affine[i]) > 1e-6)
			fail_msg("%s: affine[%d][%d] is %.17g, nibabel has %.17g", g->file, i / 4,
				 i % 4, vol.affine[i / 4][i % 4], g->affine[i]);
	sm_vol_range(&vol, &lo, &hi, &bad);
	assert_true(fabs(lo - g->min) <= 1e-9 * fabs(g->min));
	assert_true(fabs(hi - g->max) <= 1e-9 * fabs(g->max));
	assert_int_equal(bad, g->bad);
	assert_int_equal(info.not_finite, g->bad);
	for (size_t i = 0, n = sm_vol_count(&vol); i < n; i++) {
		double v = sm_vol_at(&vol, i);
		if (isfinite(v)) {
			sum += v * (double)(1 + i % 7);
			scale += fabs(v) * (double)(1 + i % 7);
		}
	}
	if (fabs(sum - g->sum) > 1e-11 * scale)
		fail_msg("%s: weighted sum is %.17g, nibabel has %.17g", g->file, sum, g->sum);
	sm_vol_clear(&vol);
}

static void test_nii_real_scans_agree_with_nibabel(void **state)
{
	(void)state;
	char line[2048];
	struct golden g;
	int checked = 0;
	if (!sm_is_dir(at("nifti_variants")))
		skip();
	FILE *f = fopen("tests/golden/nifti.txt", "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		if (line[0] == '#')
			continue;
		assert_true(parse(line, &g));
		check(&g);
		checked++;
	}
	fclose(f);
	assert_true(checked > 20);
	assert_int_equal(atomic_load(&mem.used), 0);
}

static void test_nii_malformed_files_get_their_verdicts(void **state)
{
	(void)state;
	static const struct {
		const char *file, *part; /* part of the sentence; NULL = accepted */
	} rows[] = {
	    {"malformed/nifti/empty.nii", "empty file"},
	    {"malformed/nifti/trunc_header_100.nii", "100 bytes"},
	    {"malformed/nifti/trunc_data_half.nii", "holds 34177 bytes"},
	    {"malformed/nifti/bad_magic.nii", "magic"},
	    {"malformed/nifti/bad_sizeof_hdr.nii", "sizeof_hdr"},
	    {"malformed/nifti/dim0_zero.nii", "dim[0] is 0"},
	    {"malformed/nifti/dim0_nine.nii", "dim[0] is 9"},
	    {"malformed/nifti/dim_negative.nii", "dim[1] is -33"},
	    {"malformed/nifti/dim_huge.nii", "declare 70362301923678"},
	    {"malformed/nifti/dim_overflow64.nii", "dim[5]"},
	    {"malformed/nifti/datatype_unknown.nii", "datatype is 999"},
	    {"malformed/nifti/bitpix_mismatch.nii", "bitpix is 8"},
	    {"malformed/nifti/vox_offset_past_end.nii", "vox_offset 1000000000"},
	    {"malformed/nifti/vox_offset_negative.nii", "vox_offset is -352"},
	    {"malformed/nifti/vox_offset_nan.nii", "vox_offset is nan"},
	    {"malformed/nifti/pixdim_zero.nii", "pixdim[1] is 0"},
	    {"malformed/nifti/pixdim_nan.nii", "pixdim[1] is nan"},
	    {"malformed/nifti/scl_slope_zero_valid.nii", NULL},
	    {"malformed/nifti/scl_slope_nan_valid.nii", NULL},
	    {"malformed/nifti/scl_slope_inf.nii", "scl_slope inf"},
	    {"malformed/nifti/sform_singular.nii", "sform"},
	    {"malformed/nifti/ext_bad_esize.nii", "size 7"},
	    {"malformed/nifti/byteswapped_valid.nii", NULL},
	    {"malformed/nifti/trunc.nii.gz", "ends early"},
	    {"malformed/nifti/bad_crc.nii.gz", "CRC"},
	    {"malformed/nifti/two_members_valid.nii.gz", NULL},
	    {"malformed/nifti/trailing_garbage.nii.gz", NULL},
	    {"malformed/nifti/inflates_to_64MiB.nii.gz", "more than the 68002 bytes"},
	    {"malformed/nifti/not_gzip.nii.gz", "no gzip data"},
	    {"nifti_variants/row_major.dconn.nii", "CIFTI"},
	    {"nifti_variants/analyze.hdr", "Analyze"},
	    {"nifti_variants/nifti1.hdr", "other half of the pair"},
	    {"nifti_variants/nifti2.hdr", "other half of the pair"},
	    {"nifti_variants/tinypet.v", "ECAT 7"},
	};
	struct sm_vol vol;
	struct sm_nii_info info;
	if (!sm_is_dir(at("malformed")))
		skip();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		enum sm_status st = sm_nii_read(at(rows[i].file), &mem, &vol, &info, &err);
		if (rows[i].part)
			assert_refused(st, SM_INPUT, err, rows[i].part);
		else
			assert_good(st, err);
		assert_int_equal(info.gz_padding, strstr(rows[i].file, "garbage") != NULL);
		sm_vol_clear(&vol);
	}
	assert_int_equal(atomic_load(&mem.used), 0);
}

int main(void)
{
	sm_mem_init(&mem, 1 << 30);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nii_real_scans_agree_with_nibabel),
	    cmocka_unit_test(test_nii_malformed_files_get_their_verdicts),
	};
	return run_tap(tests);
}
