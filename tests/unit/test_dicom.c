/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/nii.h"
#include "ingest/series/dcm_volume.h"

static const char *data_dir(void)
{
	const char *dir = getenv("SM_SHARED_DATA");
	return dir ? dir : "../shared/data";
}

/* Real scans are not part of the repository: tests on them skip where they are absent. */
static char *real(const char *name)
{
	char *path = sm_path_join(data_dir(), name);
	if (!path || (!sm_file_exists(path) && !sm_is_dir(path))) {
		free(path);
		skip();
	}
	return path;
}

static void test_file_kinds_by_content(void **state)
{
	(void)state;
	unsigned char b[512] = {0};
	assert_int_equal(sm_file_kind_of(b, 512, "x"), SM_FILE_OTHER);
	assert_int_equal(sm_file_kind_of(b, 0, "x"), SM_FILE_OTHER);
	memcpy(b + 128, "DICM", 4);
	assert_int_equal(sm_file_kind_of(b, 512, "x"), SM_FILE_DICOM);
	const unsigned char bare[16] = {8,   0,   5,  0,
					'C', 'S', 10, 0}; /* (0008,0005) without preamble */
	assert_int_equal(sm_file_kind_of(bare, 16, "x"), SM_FILE_DICOM);
	assert_int_equal(sm_file_kind_of((const unsigned char *)"\x89PNG\r\n\x1a\n", 8, "x"),
			 SM_FILE_PICTURE);
	assert_int_equal(sm_file_kind_of((const unsigned char *)"\x1f\x8b", 2, "a.nii.gz"),
			 SM_FILE_NIFTI);
	assert_int_equal(sm_file_kind_of((const unsigned char *)"\x1f\x8b", 2, "a.tar.gz"),
			 SM_FILE_OTHER);
}

/* The first picture of an open file as int32; NULL when it cannot be decoded. */
static int32_t *decode(const struct sm_dicom *dcm, const struct sm_dcm_head *h, enum sm_status *st,
		       struct sm_err *err)
{
	size_t bytes;
	struct sm_vol vol;
	const int64_t dim[4] = {h->tile_columns, h->tile_rows, 1, 1};
	double low, high;
	if (h->verdict != SM_VERDICT_OK && h->verdict < SM_VERDICT_NO_SPACING) {
		*st = SM_FAIL(err, SM_INPUT, "%s", h->why);
		return NULL;
	}
	*st = sm_frames_check(dcm, h->syntax, &h->format, err);
	if (*st != SM_OK)
		return NULL;
	assert_true(sm_frame_size(&h->format, &bytes));
	void *words = sm_alloc(NULL, bytes, 1, "test", err);
	*st = sm_frame_decode(dcm, h->syntax, &h->format, 0, NULL, words, err);
	const struct sm_words w = {.head = h, .from = words, .stride = (size_t)h->format.columns};
	if (*st == SM_OK) {
		const void *direct = sm_frame_direct(dcm, h->syntax, &h->format, 0);
		if (direct)
			assert_memory_equal(direct, words, bytes);
		assert_good(sm_vol_init(&vol, dim, SM_I32, NULL, "test", err), *err);
		sm_words_store(&w, &vol, 0, &low, &high);
	}
	sm_free(words);
	return *st == SM_OK ? vol.data : NULL;
}

/* Reads the first picture of a file. Free with sm_free, and the head with sm_dcm_head_clear. */
static int32_t *pixels(const char *path, struct sm_dcm_head *head, enum sm_status *st,
		       struct sm_err *err)
{
	struct sm_dicom *dcm;
	const struct sm_salt salt = {0};
	const struct sm_head_rules rules = {0};
	int32_t *out = NULL;
	memset(head, 0, sizeof *head);
	*st = sm_dicom_open(path, SM_DICOM_WHOLE, NULL, &dcm, err);
	if (*st != SM_OK)
		return NULL;
	*st = sm_dcm_head_read(dcm, &salt, &rules, head, err);
	if (*st == SM_OK)
		out = decode(dcm, head, st, err);
	sm_dicom_close(dcm);
	return out;
}

/* Largest difference between two files' pixels. */
static int64_t difference(const char *a, const char *b)
{
	struct sm_err err = {0};
	struct sm_dcm_head ha, hb;
	enum sm_status sa, sb;
	char *pa = sm_path_join(data_dir(), a), *pb = sm_path_join(data_dir(), b);
	int32_t *x = pixels(pa, &ha, &sa, &err), *y = pixels(pb, &hb, &sb, &err);
	if (!x || !y)
		fail_msg("%s, %s: %s", a, b, err.text);
	assert_true(ha.tile_rows == hb.tile_rows && ha.tile_columns == hb.tile_columns);
	int64_t most = 0;
	for (size_t i = 0; i < (size_t)ha.tile_rows * (size_t)ha.tile_columns; i++) {
		int64_t d = llabs((int64_t)x[i] - y[i]);
		most = d > most ? d : most;
	}
	free(pa);
	free(pb);
	sm_free(x);
	sm_free(y);
	sm_dcm_head_clear(&ha);
	sm_dcm_head_clear(&hb);
	return most;
}

static void test_codecs_equal_the_uncompressed_picture(void **state)
{
	(void)state;
	free(real("codecs/wg04/CT1_UNC.dcm"));
	static const struct {
		const char *plain, *coded;
		int most;
	} rows[] = {
		{"codecs/wg04/CT1_UNC.dcm", "codecs/wg04/CT1_RLE.dcm", 0},
		{"codecs/wg04/CT1_UNC.dcm", "codecs/wg04/CT1_JPLL.dcm", 0},
		{"codecs/wg04/CT1_UNC.dcm", "codecs/wg04/CT1_J2KR.dcm", 0},
		{"codecs/wg04/CT1_UNC.dcm", "codecs/wg04/CT1_J2KI.dcm", 352},
		{"codecs/wg04/MR1_UNC.dcm", "codecs/wg04/MR1_J2KR.dcm", 0},
		{"codecs/wg04/MR4_UNC.dcm", "codecs/wg04/MR4_J2KR.dcm", 0},
		{"codecs/wg04/MR4_UNC.dcm", "codecs/wg04/MR4_J2KI.dcm", 29},
		{"codecs/wg04/NM1_UNC.dcm", "codecs/wg04/NM1_J2KR.dcm", 0},
		{"dicom_odd/pydicom/MR_small.dcm", "dicom_odd/pydicom/MR_small_jp2klossless.dcm",
		 0},
		{"codecs/wg04/CT1_UNC.dcm", "codecs/wg04/CT1_JLSL.dcm", 0},
		{"codecs/wg04/CT1_UNC.dcm", "codecs/wg04/CT1_JLSN.dcm", 4},
		{"codecs/wg04/CT1_UNC.dcm", "codecs/dicomparser/CT1_UNC.explicit_big_endian.dcm",
		 0},
		{"codecs/wg04/CT1_UNC.dcm", "codecs/dicomparser/CT1_UNC.implicit_little_endian.dcm",
		 0},
		{"codecs/wg04/CT1_UNC.dcm",
		 "codecs/dicomparser/CT1_UNC.fragmented_bot_jpeg_ls.80.dcm", 0},
		{"codecs/wg04/CT1_UNC.dcm",
		 "codecs/dicomparser/CT1_UNC.fragmented_no_bot_jpeg_ls.80.dcm", 0},
		{"codecs/wg04/MR1_UNC.dcm", "codecs/wg04/MR1_RLE.dcm", 0},
		{"codecs/wg04/MR1_UNC.dcm", "codecs/wg04/MR1_JPLL.dcm", 0},
		{"codecs/wg04/MR1_UNC.dcm", "codecs/wg04/MR1_JLSL.dcm", 0},
		{"codecs/wg04/MR1_UNC.dcm", "codecs/wg04/MR1_JPLY.dcm", 128},
		{"codecs/wg04/MR4_UNC.dcm", "codecs/wg04/MR4_RLE.dcm", 0},
		{"codecs/wg04/MR4_UNC.dcm", "codecs/wg04/MR4_JPLL.dcm", 0},
		{"codecs/wg04/MR4_UNC.dcm", "codecs/wg04/MR4_JLSL.dcm", 0},
		{"codecs/wg04/MR4_UNC.dcm", "codecs/wg04/MR4_JPLY.dcm", 40},
		{"codecs/wg04/NM1_UNC.dcm", "codecs/wg04/NM1_RLE.dcm", 0},
		{"codecs/wg04/NM1_UNC.dcm", "codecs/wg04/NM1_JPLL.dcm", 0},
		{"codecs/wg04/NM1_UNC.dcm", "codecs/wg04/NM1_JLSL.dcm", 0},
		{"dicom_odd/pydicom/MR_small.dcm", "dicom_odd/pydicom/MR_small_RLE.dcm", 0},
		{"dicom_odd/pydicom/MR_small.dcm", "dicom_odd/pydicom/MR_small_expb.dcm", 0},
		{"dicom_odd/pydicom/MR_small.dcm", "dicom_odd/pydicom/MR_small_bigendian.dcm", 0},
		{"dicom_odd/pydicom/MR_small.dcm", "dicom_odd/pydicom/MR_small_implicit.dcm", 0},
		{"dicom_odd/pydicom/MR_small.dcm", "dicom_odd/pydicom/MR_small_padded.dcm", 0},
		{"dicom_odd/pydicom/MR_small.dcm",
		 "dicom_odd/pydicom/MR_small_jpeg_ls_lossless.dcm", 0},
		{"dicom_odd/pydicom/image_dfl.dcm", "codecs/dicomparser/deflate_image_dfl.dcm", 0},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int64_t d = difference(rows[i].plain, rows[i].coded);
		if (d > rows[i].most)
			fail_msg("%s: differs by %lld, allowed %d", rows[i].coded, (long long)d,
				 rows[i].most);
	}
}

/* The malformed corpus: one row a file whose pixels must be refused; the rest may be read. */
static void test_malformed_files_are_refused(void **state)
{
	(void)state;
	char *dir = real("malformed/dicom");
	static const char *const refused[] = {
		"empty.dcm",
		"preamble_only.dcm",
		"dicm_only.dcm",
		"trunc_meta.dcm",
		"trunc_dataset.dcm",
		"trunc_pixels_half.dcm",
		"pixels_too_short_but_consistent.dcm",
		"pixel_length_huge.dcm",
		"native_undefined_length.dcm",
		"rows_zero.dcm",
		"rows_65535.dcm",
		"bits_allocated_13.dcm",
		"bits_stored_gt_allocated.dcm",
		"missing_rows.dcm",
		"unknown_transfer_syntax.dcm",
		"nested_sq_5000_unclosed.dcm",
		"rle_16_segments.dcm",
		"rle_offset_past_end.dcm",
		"rle_trunc.dcm",
		"jpegls_trunc.dcm",
		"j2k_trunc.dcm",
		"deflate_trunc.dcm",
	};
	/* Pixels can be read, but there is no place in space. */
	static const char *const placeless[] = {
		"missing_pixel_spacing.dcm", "missing_orientation.dcm", "spacing_garbage.dcm",
		"spacing_comma.dcm",         "spacing_zero.dcm",        "spacing_nan.dcm",
	};
	struct sm_dcm_head head;
	enum sm_status st;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		struct sm_err err = {0};
		char *path = sm_path_join(dir, refused[i]);
		int32_t *p = pixels(path, &head, &st, &err);
		if (p || (st != SM_INPUT && st != SM_BUDGET) || !*err.text)
			fail_msg("%s: status %d '%s'", refused[i], st, err.text);
		sm_dcm_head_clear(&head);
		free(path);
	}
	for (size_t i = 0; i < sizeof placeless / sizeof *placeless; i++) {
		struct sm_err err = {0};
		char *path = sm_path_join(dir, placeless[i]);
		int32_t *p = pixels(path, &head, &st, &err);
		if (!p)
			fail_msg("%s: %s", placeless[i], err.text);
		assert_true(head.verdict == SM_VERDICT_NO_SPACING ||
			    head.verdict == SM_VERDICT_NO_ORIENTATION);
		sm_free(p);
		sm_dcm_head_clear(&head);
		free(path);
	}
	free(dir);
}

static const struct sm_scan_rules usual = {.series = {.min_slices = 3}};

/* The volume of the only good series below a folder. */
static void read_only_series(const char *dir, bool regrid, struct sm_series_volume *v)
{
	struct sm_err err = {0};
	struct sm_scan scan;
	const struct sm_salt salt = {0};
	assert_good(sm_scan_tree(dir, &salt, &usual, 2, NULL, &scan, &err), err);
	assert_int_equal(scan.list.n, 1);
	assert_good(
		sm_series_read(dir, &scan, &scan.list.series[0], &salt, regrid, NULL, 2, v, &err),
		err);
	sm_scan_clear(&scan);
}

/* Every voxel of `other` must lie on a voxel of v with the same value. */
static void same_in_world(const struct sm_series_volume *v, const char *path, double tol)
{
	struct sm_vol other;
	struct sm_err err = {0};
	assert_good(sm_nii_read(path, NULL, &other, NULL, &err), err);
	assert_true(sm_affine_gap_mm(((struct sm_series_volume *)v)->vol.affine, other.affine,
				     other.dim) < 1e-3);
	for (int a = 0; a < 3; a++)
		assert_int_equal(v->vol.dim[a], other.dim[a]);
	double most = 0;
	for (size_t i = 0; i < sm_vol_count(&other); i++)
		most = fmax(most, fabs(sm_vol_at(&v->vol, i) - sm_vol_at(&other, i)));
	if (!(most <= tol))
		fail_msg("%s: differs by %g", path, most);
	sm_vol_clear(&other);
}

static void test_sarcoma_series_equal_their_nifti(void **state)
{
	(void)state;
	static const struct {
		const char *dicom, *nifti;
		enum sm_meaning meaning;
		enum sm_scaling scaling;
		double tol; /* one step of float32 */
	} rows[] = {
		{"STS_008/CT", "STS_008/CT", SM_MEANING_HU, SM_SCALING_EXACT, 0},
		{"STS_008/MR_T1", "STS_008/MR_T1", SM_MEANING_ARBITRARY, SM_SCALING_NONE, 0},
		{"STS_008/PET", "STS_008/PET", SM_MEANING_SUV, SM_SCALING_FLOAT, 5e-7},
		{"STS_025/CT", "STS_025/CT", SM_MEANING_HU, SM_SCALING_EXACT, 0},
		{"STS_025/MR_T1", "STS_025/MR_T1", SM_MEANING_ARBITRARY, SM_SCALING_NONE, 0},
		{"STS_025/PET", "STS_025/PET", SM_MEANING_SUV, SM_SCALING_FLOAT, 5e-7},
	};
	char *root = real("sts_ct_mr_pet");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sm_series_volume v;
		char *dicom = sm_strf("%s/dicom/%s/image", root, rows[i].dicom);
		char *nifti = sm_strf("%s/nifti/%s_image.nii.gz", root, rows[i].nifti);
		read_only_series(dicom, false, &v);
		assert_int_equal(v.vol.meaning, rows[i].meaning);
		if (v.scaling != rows[i].scaling)
			assert_true(rows[i].scaling == SM_SCALING_EXACT &&
				    v.scaling == SM_SCALING_NONE);
		same_in_world(&v, nifti, rows[i].tol);
		sm_series_volume_clear(&v);
		free(dicom);
		free(nifti);
	}
	free(root);
}

/* Voxel of b -> voxel of a, when that is a matter of order and direction of the axes. */
static bool axes_of(const struct sm_vol *a, const struct sm_vol *b, int64_t step[3][3],
		    int64_t first[3])
{
	double spacing[3], offset[3];
	sm_vol_spacing(a, spacing);
	for (int r = 0; r < 3; r++)
		offset[r] = b->affine[r][3] - a->affine[r][3];
	for (int i = 0; i < 3; i++) {
		double at = 0;
		for (int r = 0; r < 3; r++)
			at += a->affine[r][i] * offset[r] / (spacing[i] * spacing[i]);
		first[i] = (int64_t)floor(at + 0.5);
		if (fabs(at - (double)first[i]) > 0.01)
			return false;
		for (int j = 0; j < 3; j++) {
			double share = 0;
			for (int r = 0; r < 3; r++)
				share += a->affine[r][i] * b->affine[r][j] /
					 (spacing[i] * spacing[i]);
			step[i][j] = (int64_t)floor(share + 0.5);
			if (fabs(share - (double)step[i][j]) > 1e-3)
				return false;
		}
	}
	return true;
}

/* Same numbers at the same places and times? */
static bool same_world(const struct sm_vol *a, const struct sm_vol *b, double tol)
{
	int64_t step[3][3], first[3];
	if (sm_vol_count(a) != sm_vol_count(b) || a->dim[3] != b->dim[3] ||
	    !axes_of(a, b, step, first))
		return false;
	size_t n = sm_vol_count(b), frame = sm_vol_frame_count(b);
	for (size_t at = 0; at < n; at++) {
		size_t inside = at % frame;
		const int64_t ijk[3] = {(int64_t)inside % b->dim[0],
					(int64_t)inside / b->dim[0] % b->dim[1],
					(int64_t)inside / b->dim[0] / b->dim[1]};
		int64_t v[3];
		for (int i = 0; i < 3; i++) {
			v[i] = first[i] + step[i][0] * ijk[0] + step[i][1] * ijk[1] +
			       step[i][2] * ijk[2];
			if (v[i] < 0 || v[i] >= a->dim[i])
				return false;
		}
		size_t to =
			at / frame * frame + (size_t)((v[2] * a->dim[1] + v[1]) * a->dim[0] + v[0]);
		if (!(fabs(sm_vol_at(a, to) - sm_vol_at(b, at)) <= tol))
			return false;
	}
	return true;
}

/* Is any volume of the tree the one of the file? */
static bool has_volume(const char *dir, const char *path, double tol, int64_t min_slices)
{
	struct sm_err err = {0};
	struct sm_scan scan;
	struct sm_vol want;
	const struct sm_salt salt = {0};
	const struct sm_scan_rules rules = {.series = {.min_slices = (size_t)min_slices}};
	bool found = false;
	assert_good(sm_nii_read(path, NULL, &want, NULL, &err), err);
	assert_good(sm_scan_tree(dir, &salt, &rules, 2, NULL, &scan, &err), err);
	for (size_t i = 0; i < scan.list.n && !found; i++) {
		struct sm_series_volume v;
		assert_good(sm_series_read(dir, &scan, &scan.list.series[i], &salt, false, NULL, 2,
					   &v, &err),
			    err);
		found = same_world(&v.vol, &want, tol);
		sm_series_volume_clear(&v);
	}
	sm_scan_clear(&scan);
	sm_vol_clear(&want);
	return found;
}

static void test_volumes_equal_their_references(void **state)
{
	(void)state;
	static const struct {
		const char *dicom, *nifti;
		double tol;
		int64_t min_slices;
	} rows[] = {
		{"mr_siemens_mosaic/In", "mr_siemens_mosaic/Ref/EPI_PE=AP_3.nii", 0, 3},
		{"mr_siemens_mosaic/In", "mr_siemens_mosaic/Ref/EPI_PE=PA_4.nii", 0, 3},
		{"mr_siemens_orient/In/ax", "mr_siemens_orient/Ref/ax_asc_35sl_6.nii", 0, 3},
		{"mr_siemens_orient/In/cor", "mr_siemens_orient/Ref/cor_desc_36sl_14.nii", 0, 3},
		{"mr_siemens_orient/In/sag", "mr_siemens_orient/Ref/sag_asc_35sl_22.nii", 0, 3},
		{"mr_siemens_orient/In/axmb", "mr_siemens_orient/Ref/fMRI_MB_asc_25.nii", 0, 3},
		{"mr_siemens_orient/In/axmb", "mr_siemens_orient/Ref/fMRI_MB_int_26.nii", 0, 3},
		{"mr_enhanced/In/Siemens", "mr_enhanced/Ref/Siemens_REST1_w_SMS_PF7-8_6.nii", 0, 3},
		{"mr_enhanced/In/Philips", "mr_enhanced/Ref/Philips_WIP_B0_NS_801_e1.nii", 10, 3},
		{"mr_enhanced/In/Philips",
		 "mr_enhanced/Ref/Philips_WIP_B0_NS_801_e2_fieldmaphz.nii", 0.007, 3},
		{"mr_ct_vendors/ge/anatomical/001",
		 "mr_ct_vendors/ge/anatomical/001_ground_truth.nii.gz", 0, 3},
		{"mr_ct_vendors/generic/anatomical/002_non_isotropic",
		 "mr_ct_vendors/generic/anatomical/002_non_isotropic_ground_truth.nii.gz", 1e-5, 3},
		{"mr_ct_vendors/hitachi/anatomical/001",
		 "mr_ct_vendors/hitachi/anatomical/001_ground_truth.nii.gz", 0, 3},
		{"mr_ct_vendors/siemens_multiframe/anatomical/001",
		 "mr_ct_vendors/siemens_multiframe/anatomical/001_ground_truth.nii.gz", 0, 3},
		{"mr_ct_vendors/failing/slicecount/001",
		 "mr_ct_vendors/failing/slicecount/001_ground_truth.nii.gz", 0, 1},
	};
	free(real("mr_siemens_mosaic"));
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *dicom = sm_path_join(data_dir(), rows[i].dicom);
		char *nifti = sm_path_join(data_dir(), rows[i].nifti);
		if (!has_volume(dicom, nifti, rows[i].tol, rows[i].min_slices))
			fail_msg("%s: no volume is the reference", rows[i].nifti);
		free(dicom);
		free(nifti);
	}
}

static void test_uneven_ct_is_refused_then_regridded(void **state)
{
	(void)state;
	char *dir = real("ct_head_ge/dicom");
	struct sm_scan scan;
	struct sm_series_volume v;
	struct sm_err err = {0};
	const struct sm_salt salt = {0};
	assert_good(sm_scan_tree(dir, &salt, &usual, 2, NULL, &scan, &err), err);
	assert_int_equal(scan.list.n, 1);
	const struct sm_series *s = &scan.list.series[0];
	assert_refused(sm_series_read(dir, &scan, s, &salt, false, NULL, 1, &v, &err), SM_INPUT,
		       err, "uneven: slice distances from 1.081 to 6.999 mm");
	assert_true(fabs(s->stack.tilt_degrees - 18.5) < 0.01);
	assert_good(sm_series_read(dir, &scan, s, &salt, true, NULL, 1, &v, &err), err);
	assert_true(v.regridded && v.vol.dim[2] == 37 && v.vol.meaning == SM_MEANING_HU);
	/* The grid starts with the first slice, grown by whole rows: its pixels are kept to the
	 * bit. */
	struct sm_dcm_head head;
	enum sm_status st;
	char *path = sm_path_join(dir, sm_scan_path(&scan, s->slice[0].head));
	int32_t *old = pixels(path, &head, &st, &err);
	assert_non_null(old);
	double rows = (123.5404569 - v.vol.affine[1][3]) / v.vol.affine[1][1];
	assert_true(rows > 90 && fabs(rows - floor(rows + 0.5)) < 1e-6);
	const float *grown = (const float *)v.vol.data + (size_t)floor(rows + 0.5) * 512;
	for (size_t i = 0; i < 512 * 512; i++)
		assert_true(grown[i] == (float)old[i]);
	sm_free(old);
	sm_dcm_head_clear(&head);
	free(path);
	sm_series_volume_clear(&v);
	sm_scan_clear(&scan);
	free(dir);
}

static void test_budget_is_checked_before_decoding(void **state)
{
	(void)state;
	char *dir = real("mr_t1_philips/dicom");
	struct sm_scan scan;
	struct sm_series_volume v;
	struct sm_err err = {0};
	struct sm_mem mem;
	const struct sm_salt salt = {0};
	sm_mem_init(&mem, 1 << 20);
	assert_good(sm_scan_tree(dir, &salt, &usual, 2, NULL, &scan, &err), err);
	assert_int_equal(
		sm_series_read(dir, &scan, &scan.list.series[0], &salt, false, &mem, 2, &v, &err),
		SM_BUDGET);
	assert_int_equal(mem.used, 0);
	sm_mem_init(&mem, 64 << 20);
	assert_good(
		sm_series_read(dir, &scan, &scan.list.series[0], &salt, false, &mem, 2, &v, &err),
		err);
	assert_int_equal(v.scaling, SM_SCALING_HEADER);
	assert_true(fabs(v.vol.slope - 133.88156) < 1e-5);
	sm_series_volume_clear(&v);
	assert_int_equal(mem.used, 0);
	sm_scan_clear(&scan);
	free(dir);
}

/* What the head said before: the numbers of the file mean something else by now. */
static void test_file_that_changes_after_the_scan(void **state)
{
	(void)state;
	static const struct {
		unsigned char element[8], to;
	} rows[] = {{{0x28, 0, 3, 1, 'U', 'S', 2, 0}, 0}, {{0x28, 0, 2, 0, 'U', 'S', 2, 0}, 3}};
	struct sm_err err = {0};
	const struct sm_salt salt = {0};
	const struct sm_scan_rules one = {.series = {.min_slices = 1}};
	char dir[] = "/tmp/sm-dicom-XXXXXX", *from = real("dicom_odd/pydicom/MR_small.dcm");
	unsigned char *bytes;
	size_t n;
	assert_non_null(mkdtemp(dir));
	char *path = sm_path_join(dir, "a.dcm");
	assert_good(sm_file_read(from, 0, NULL, &bytes, &n, &err), err);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sm_scan scan;
		struct sm_series_volume v;
		assert_good(sm_file_write(path, bytes, n, &err), err);
		assert_good(sm_scan_tree(dir, &salt, &one, 1, NULL, &scan, &err), err);
		const struct sm_series *s = &scan.list.series[0];
		assert_good(sm_series_read(dir, &scan, s, &salt, false, NULL, 1, &v, &err), err);
		sm_series_volume_clear(&v);
		unsigned char *at = memmem(bytes, n, rows[i].element, 8), old;
		assert_non_null(at);
		old = at[8];
		assert_int_not_equal(old, rows[i].to);
		at[8] = rows[i].to;
		assert_good(sm_file_write(path, bytes, n, &err), err);
		assert_refused(sm_series_read(dir, &scan, s, &salt, false, NULL, 1, &v, &err),
			       SM_INPUT, err, "changed while");
		at[8] = old;
		sm_scan_clear(&scan);
	}
	sm_free(bytes);
	unlink(path);
	rmdir(dir);
	free(path);
	free(from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file_kinds_by_content),
		cmocka_unit_test(test_codecs_equal_the_uncompressed_picture),
		cmocka_unit_test(test_malformed_files_are_refused),
		cmocka_unit_test(test_sarcoma_series_equal_their_nifti),
		cmocka_unit_test(test_volumes_equal_their_references),
		cmocka_unit_test(test_uneven_ct_is_refused_then_regridded),
		cmocka_unit_test(test_budget_is_checked_before_decoding),
		cmocka_unit_test(test_file_that_changes_after_the_scan),
	};
	return run_tap(tests);
}
