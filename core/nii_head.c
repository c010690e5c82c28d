/* SPDX-License-Identifier: Apache-2.0 */
#include "core/nii_head.h"

#include <math.h>
#include <string.h>

/* Where a field stands: byte offset, size of one number ('f' for floating point), how many. */
struct place {
	int at, size, count;
	bool real;
};

struct layout {
	struct place dim, intent, datatype, bitpix, units, qform, sform;
	struct place pixdim, offset, slope, inter, quatern, qoffset, srow, magic;
};

/* [0] is NIfTI-1 (nifti1.h), [1] NIfTI-2 (nifti2.h). */
static const struct layout layouts[2] = {
	{
		.dim = {40, 2, 8, false},
		.intent = {68, 2, 1, false},
		.datatype = {70, 2, 1, false},
		.bitpix = {72, 2, 1, false},
		.units = {123, 1, 1, false},
		.qform = {252, 2, 1, false},
		.sform = {254, 2, 1, false},
		.pixdim = {76, 4, 8, true},
		.offset = {108, 4, 1, true},
		.slope = {112, 4, 1, true},
		.inter = {116, 4, 1, true},
		.quatern = {256, 4, 3, true},
		.qoffset = {268, 4, 3, true},
		.srow = {280, 4, 12, true},
		.magic = {344, 1, 4, false},
	},
	{
		.dim = {16, 8, 8, false},
		.intent = {504, 4, 1, false},
		.datatype = {12, 2, 1, false},
		.bitpix = {14, 2, 1, false},
		.units = {500, 4, 1, false},
		.qform = {344, 4, 1, false},
		.sform = {348, 4, 1, false},
		.pixdim = {104, 8, 8, true},
		.offset = {168, 8, 1, false},
		.slope = {176, 8, 1, true},
		.inter = {184, 8, 1, true},
		.quatern = {352, 8, 3, true},
		.qoffset = {376, 8, 3, true},
		.srow = {400, 8, 12, true},
		.magic = {4, 1, 8, false},
	},
};

static const struct {
	int code, bits;
	int dtype; /* enum sm_dtype, -1 = known but not read */
	const char *name;
} types[] = {
	{2, 8, SM_U8, "uint8"},
	{4, 16, SM_I16, "int16"},
	{8, 32, SM_I32, "int32"},
	{16, 32, SM_F32, "float32"},
	{64, 64, SM_F64, "float64"},
	{256, 8, SM_I8, "int8"},
	{512, 16, SM_U16, "uint16"},
	{768, 32, SM_U32, "uint32"},
	{1024, 64, SM_I64, "int64"},
	{1280, 64, SM_U64, "uint64"},
	{1536, 128, SM_F64, "float128"}, /* nii_value.c makes float64 of it */
	{1, 1, -1, "one bit a voxel"},
	{32, 64, -1, "complex64; store magnitude or real part as a volume of its own"},
	{1792, 128, -1, "complex128; store magnitude or real part as a volume of its own"},
	{2048, 256, -1, "complex256; store magnitude or real part as a volume of its own"},
	{128, 24, -1, "RGB24: a colour picture, no measured values"},
	{2304, 32, -1, "RGBA32: a colour picture, no measured values"},
};
#define TYPES (sizeof types / sizeof *types)

static uint64_t load(const unsigned char *p, int size, bool swapped)
{
	uint64_t v = 0;
	/* The loop reads little-endian numbers whatever machine this is; big-endian ones backwards.
	 */
	bool big = (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) != swapped;
	for (int i = 0; i < size; i++)
		v |= (uint64_t)p[big ? size - 1 - i : i] << (8 * i);
	return v;
}

static void store(unsigned char *p, int size, uint64_t v)
{
	bool big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
	for (int i = 0; i < size; i++)
		p[big ? size - 1 - i : i] = (unsigned char)(v >> (8 * i));
}

static void get_ints(const unsigned char *b, struct place p, bool swapped, int64_t *out)
{
	for (int i = 0; i < p.count; i++) {
		uint64_t v = load(b + p.at + i * p.size, p.size, swapped);
		switch (p.size) {
		case 1:
			out[i] = (uint8_t)v;
			break;
		case 2:
			out[i] = (int16_t)v;
			break;
		case 4:
			out[i] = (int32_t)v;
			break;
		default:
			out[i] = (int64_t)v;
		}
	}
}

static void get_reals(const unsigned char *b, struct place p, bool swapped, double *out)
{
	for (int i = 0; i < p.count; i++) {
		uint64_t v = load(b + p.at + i * p.size, p.size, swapped);
		if (p.size == 4) {
			uint32_t w = (uint32_t)v;
			float single;
			memcpy(&single, &w, 4);
			out[i] = (double)single;
		} else {
			memcpy(&out[i], &v, 8);
		}
	}
}

static void put_ints(unsigned char *b, struct place p, const int64_t *in)
{
	for (int i = 0; i < p.count; i++)
		store(b + p.at + i * p.size, p.size, (uint64_t)in[i]);
}

static void put_reals(unsigned char *b, struct place p, const double *in)
{
	for (int i = 0; i < p.count; i++) {
		uint64_t v = 0;
		if (p.size == 4) {
			float single = (float)in[i];
			uint32_t w;
			memcpy(&w, &single, 4);
			v = w;
		} else {
			memcpy(&v, &in[i], 8);
		}
		store(b + p.at + i * p.size, p.size, v);
	}
}

enum sm_status sm_nii_fields_get(const unsigned char *bytes, size_t n, const char *name,
				 struct sm_nii_fields *f, struct sm_err *err)
{
	*f = (struct sm_nii_fields){0};
	if (n >= 6 && memcmp(bytes, "MATRIX", 6) == 0)
		return SM_FAIL(
			err, SM_INPUT,
			"%s: no NIfTI file: it begins with \"MATRIX\", which is ECAT 7, a PET "
			"format that is not read",
			name);
	if (n < SM_NII1_SIZE)
		return SM_FAIL(err, SM_INPUT,
			       "%s: %zu bytes are too short for a NIfTI header of %d%s", name, n,
			       SM_NII1_SIZE, n ? "" : " (empty file)");
	int32_t size = (int32_t)load(bytes, 4, false), other = (int32_t)load(bytes, 4, true);
	f->swapped = other == SM_NII1_SIZE || other == SM_NII2_SIZE;
	if (!f->swapped && size != SM_NII1_SIZE && size != SM_NII2_SIZE)
		return SM_FAIL(err, SM_INPUT,
			       "%s: no NIfTI file: sizeof_hdr is %d (%d in the other byte order), "
			       "allowed are 348 and 540",
			       name, (int)size, (int)other);
	size = f->swapped ? other : size;
	if (n < (size_t)size)
		return SM_FAIL(err, SM_INPUT,
			       "%s: %zu bytes are too short for a NIfTI-2 header of %d", name, n,
			       SM_NII2_SIZE);
	f->version = size == SM_NII1_SIZE ? 1 : 2;
	const struct layout *l = &layouts[f->version - 1];
	memcpy(f->magic, bytes + l->magic.at, (size_t)l->magic.count);
	get_ints(bytes, l->dim, f->swapped, f->dim);
	get_ints(bytes, l->intent, f->swapped, &f->intent);
	get_ints(bytes, l->datatype, f->swapped, &f->datatype);
	get_ints(bytes, l->bitpix, f->swapped, &f->bitpix);
	get_ints(bytes, l->units, f->swapped, &f->units);
	get_ints(bytes, l->qform, f->swapped, &f->qform);
	get_ints(bytes, l->sform, f->swapped, &f->sform);
	get_reals(bytes, l->pixdim, f->swapped, f->pixdim);
	if (l->offset.real) {
		get_reals(bytes, l->offset, f->swapped, &f->offset);
	} else {
		int64_t offset;
		get_ints(bytes, l->offset, f->swapped, &offset);
		f->offset = (double)offset;
	}
	get_reals(bytes, l->slope, f->swapped, &f->slope);
	get_reals(bytes, l->inter, f->swapped, &f->inter);
	get_reals(bytes, l->quatern, f->swapped, f->quatern);
	get_reals(bytes, l->qoffset, f->swapped, f->qoffset);
	get_reals(bytes, l->srow, f->swapped, f->srow);
	return SM_OK;
}

void sm_nii_fields_put(const struct sm_nii_fields *f, unsigned char *bytes)
{
	const struct layout *l = &layouts[f->version - 1];
	store(bytes, 4, f->version == 1 ? SM_NII1_SIZE : SM_NII2_SIZE);
	memcpy(bytes + l->magic.at, f->magic, (size_t)l->magic.count);
	put_ints(bytes, l->dim, f->dim);
	put_ints(bytes, l->intent, &f->intent);
	put_ints(bytes, l->datatype, &f->datatype);
	put_ints(bytes, l->bitpix, &f->bitpix);
	put_ints(bytes, l->units, &f->units);
	put_ints(bytes, l->qform, &f->qform);
	put_ints(bytes, l->sform, &f->sform);
	put_reals(bytes, l->pixdim, f->pixdim);
	if (l->offset.real)
		put_reals(bytes, l->offset, &f->offset);
	else
		put_ints(bytes, l->offset, &(int64_t){(int64_t)f->offset});
	put_reals(bytes, l->slope, &f->slope);
	put_reals(bytes, l->inter, &f->inter);
	put_reals(bytes, l->quatern, f->quatern);
	put_reals(bytes, l->qoffset, f->qoffset);
	put_reals(bytes, l->srow, f->srow);
}

static enum sm_status check_kind(const struct sm_nii_fields *f, bool pair, const char *name,
				 struct sm_err *err)
{
	static const char *const magic[2][2] = {{"n+1\0", "ni1\0"},
						{"n+2\0\r\n\032\n", "ni2\0\r\n\032\n"}};
	size_t n = f->version == 1 ? 4 : 8;
	const char *wanted = magic[f->version - 1][pair], *other = magic[f->version - 1][!pair];
	if (!memcmp(f->magic, other, n))
		return SM_FAIL(err, SM_INPUT,
			       "%s: magic is \"%s\", %s, allowed under this name is \"%s\"", name,
			       other, pair ? "a single file" : "the header of a .hdr/.img pair",
			       wanted);
	if (memcmp(f->magic, wanted, n))
		return SM_FAIL(
			err, SM_INPUT,
			"%s: magic is \"%.4s\", allowed is \"%.3s\" (Analyze 7.5 files, which "
			"have no magic and do not tell left from right, are not read)",
			name, f->magic, wanted);
	if (f->intent >= 3000 && f->intent < 3100)
		return SM_FAIL(
			err, SM_INPUT,
			"%s: intent_code %lld is CIFTI (values on a surface), allowed are images",
			name, (long long)f->intent);
	return SM_OK;
}

static enum sm_status check_dims(const struct sm_nii_fields *f, const char *name,
				 struct sm_vol *vol, struct sm_nii_info *info, struct sm_err *err)
{
	if (f->dim[0] < 1 || f->dim[0] > 7)
		return SM_FAIL(err, SM_INPUT, "%s: dim[0] is %lld, allowed are 1..7", name,
			       (long long)f->dim[0]);
	int fourth = 0;
	for (int a = 0; a < 4; a++)
		vol->dim[a] = 1;
	for (int a = 1; a <= (int)f->dim[0]; a++) {
		if (f->dim[a] < 1 || f->dim[a] > INT32_MAX)
			return SM_FAIL(err, SM_INPUT,
				       "%s: dim[%d] is %lld, allowed are 1..2147483647", name, a,
				       (long long)f->dim[a]);
		if (a <= 3) {
			vol->dim[a - 1] = f->dim[a];
		} else if (f->dim[a] > 1) {
			if (fourth)
				return SM_FAIL(
					err, SM_INPUT,
					"%s: dim[%d] is %lld beside dim[%d] %lld, allowed is one "
					"axis above 1 behind the third (split the file along one "
					"of "
					"them first)",
					name, a, (long long)f->dim[a], fourth,
					(long long)f->dim[fourth]);
			fourth = a;
			vol->dim[3] = f->dim[a];
		}
	}
	info->fourth_axis = fourth;
	if (!fourth)
		return SM_OK;
	/* bits 3..5 are the unit of dim[4]: 8 s, 16 ms, 24 us; others are frequencies */
	info->fourth_unit = fourth == 4 ? (int)(f->units & 0x38) : 0;
	info->fourth_step = f->pixdim[fourth];
	double scale = info->fourth_unit == 8    ? 1
		       : info->fourth_unit == 16 ? 1e3
		       : info->fourth_unit == 24 ? 1e6
						 : 0;
	if (scale > 0 && isfinite(info->fourth_step) && info->fourth_step > 0)
		vol->frame_seconds = info->fourth_step / scale;
	return SM_OK;
}

static enum sm_status check_type(const struct sm_nii_fields *f, const char *name,
				 struct sm_vol *vol, size_t *width, struct sm_err *err)
{
	size_t t = 0;
	while (t < TYPES && types[t].code != f->datatype)
		t++;
	if (t == TYPES || types[t].dtype < 0)
		return SM_FAIL(
			err, SM_INPUT,
			"%s: datatype is %lld (%s), allowed are 8 to 64 bit integers, float32, "
			"float64 and float128",
			name, (long long)f->datatype, t == TYPES ? "unknown" : types[t].name);
	if (types[t].bits != f->bitpix)
		return SM_FAIL(err, SM_INPUT, "%s: bitpix is %lld, but datatype %s has %d", name,
			       (long long)f->bitpix, types[t].name, types[t].bits);
	vol->dtype = (enum sm_dtype)types[t].dtype;
	*width = (size_t)types[t].bits / 8;
	if (f->intent == 1002) /* NIFTI_INTENT_LABEL */
		vol->meaning = SM_MEANING_LABEL;
	vol->slope = 1;
	vol->inter = 0;
	if (f->slope == 0 || isnan(f->slope))
		return SM_OK;
	if (!isfinite(f->slope) || !isfinite(f->inter))
		return SM_FAIL(err, SM_INPUT,
			       "%s: scl_slope %g and scl_inter %g must be finite numbers", name,
			       f->slope, f->inter);
	vol->slope = f->slope;
	vol->inter = f->inter;
	return SM_OK;
}

static enum sm_status check_size(const struct sm_nii_fields *f, bool pair, const char *name,
				 const struct sm_vol *vol, struct sm_nii_payload *p,
				 struct sm_err *err)
{
	/* of a pair the offset is one into the image file */
	double least = pair ? 0 : f->version == 1 ? SM_NII1_SIZE + 4 : SM_NII2_SIZE + 4;
	if (!(f->offset >= least) || f->offset > 1e9 || f->offset != floor(f->offset))
		return SM_FAIL(err, SM_INPUT,
			       "%s: vox_offset is %g, allowed are whole numbers from %g to 1e9",
			       name, f->offset, least);
	p->offset = (size_t)f->offset;
	size_t count = p->width;
	for (int a = 0; a < 4; a++)
		if (!sm_mul(count, (size_t)vol->dim[a], &count) || count > INT64_MAX / 2)
			return SM_FAIL(
				err, SM_INPUT,
				"%s: dim %lld x %lld x %lld x %lld is more than memory can address",
				name, (long long)vol->dim[0], (long long)vol->dim[1],
				(long long)vol->dim[2], (long long)vol->dim[3]);
	p->bytes = count;
	return SM_OK;
}

enum sm_status sm_nii_fields_check(const struct sm_nii_fields *f, bool pair,
				   const struct sm_nii_rules *rules, const char *name,
				   struct sm_vol *vol, struct sm_nii_info *info,
				   struct sm_nii_payload *payload, struct sm_err *err)
{
	info->version = f->version;
	info->swapped = f->swapped;
	info->pair = pair;
	info->intent_code = (int)f->intent;
	SM_TRY(check_kind(f, pair, name, err));
	SM_TRY(check_dims(f, name, vol, info, err));
	SM_TRY(check_type(f, name, vol, &payload->width, err));
	SM_TRY(check_size(f, pair, name, vol, payload, err));
	return sm_nii_place_check(f, rules, name, vol, info, err);
}
