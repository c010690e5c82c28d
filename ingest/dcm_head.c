/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/dcm_head.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERIES_UID SM_TAG(0x0020, 0x000e)
#define STUDY_UID SM_TAG(0x0020, 0x000d)
#define SOP_UID SM_TAG(0x0008, 0x0018)
#define FRAME_UID SM_TAG(0x0020, 0x0052)
#define PATIENT_ID SM_TAG(0x0010, 0x0020)
#define MODALITY SM_TAG(0x0008, 0x0060)
#define IMAGE_TYPE SM_TAG(0x0008, 0x0008)
#define UNITS SM_TAG(0x0054, 0x1001)
#define RESCALE_TYPE SM_TAG(0x0028, 0x1054)
#define INSTANCE SM_TAG(0x0020, 0x0013)
#define ACQUISITION SM_TAG(0x0020, 0x0012)
#define THICKNESS SM_TAG(0x0018, 0x0050)
#define SLICE_STEP SM_TAG(0x0018, 0x0088)
#define ECHO_TIME SM_TAG(0x0018, 0x0081)
#define FRAMES SM_TAG(0x0028, 0x0008)
#define ROWS SM_TAG(0x0028, 0x0010)
#define COLUMNS SM_TAG(0x0028, 0x0011)
#define SAMPLES SM_TAG(0x0028, 0x0002)
#define PHOTOMETRIC SM_TAG(0x0028, 0x0004)
#define BITS_ALLOCATED SM_TAG(0x0028, 0x0100)
#define BITS_STORED SM_TAG(0x0028, 0x0101)
#define HIGH_BIT SM_TAG(0x0028, 0x0102)
#define PIXEL_SIGN SM_TAG(0x0028, 0x0103)
#define SPACING SM_TAG(0x0028, 0x0030)
#define POSITION SM_TAG(0x0020, 0x0032)
#define ORIENTATION SM_TAG(0x0020, 0x0037)
#define DIRECTORY SM_TAG(0x0004, 0x1220)
#define SLOPE SM_TAG(0x0028, 0x1053)
#define INTERCEPT SM_TAG(0x0028, 0x1052)

static const struct {
	const char *code;
	bool skip;
} verdicts[SM_VERDICT_COUNT] = {
	[SM_VERDICT_OK] = {"ok", false},
	[SM_VERDICT_NOT_IMAGE] = {"not_image", true},
	[SM_VERDICT_LOCALISER] = {"localiser", true},
	[SM_VERDICT_MULTIFRAME] = {"multiframe", false},
	[SM_VERDICT_MOSAIC] = {"mosaic", false},
	[SM_VERDICT_COLOUR] = {"colour", false},
	[SM_VERDICT_SYNTAX] = {"unsupported_syntax", false},
	[SM_VERDICT_BITS] = {"bad_bits", false},
	[SM_VERDICT_NO_SIZE] = {"no_size", false},
	[SM_VERDICT_NO_SERIES] = {"no_series", false},
	[SM_VERDICT_NO_SPACING] = {"no_spacing", false},
	[SM_VERDICT_NO_ORIENTATION] = {"no_orientation", false},
	[SM_VERDICT_NO_POSITION] = {"no_position", false},
	[SM_VERDICT_BAD_RESCALE] = {"bad_rescale", false},
	[SM_VERDICT_ONE_SLICE] = {"one_slice", false},
	[SM_VERDICT_CLASH] = {"instance_clash", false},
	[SM_VERDICT_DUPLICATE] = {"duplicate_positions", false},
	[SM_VERDICT_REPEATED] = {"repeated_positions", false},
	[SM_VERDICT_GAP] = {"gap", false},
	[SM_VERDICT_UNEVEN] = {"uneven", false},
	[SM_VERDICT_CROOKED] = {"crooked", false},
	[SM_VERDICT_TILT] = {"tilt", false},
	[SM_VERDICT_NO_RESCALE] = {"no_rescale", false},
};

const char *sm_verdict_code(enum sm_verdict verdict)
{
	return verdicts[verdict].code;
}

bool sm_verdict_is_skip(enum sm_verdict verdict)
{
	return verdicts[verdict].skip;
}

/* strtod also reads hex numbers, "inf" and "nan", and what a decimal point is depends on the
 * locale; a DICOM decimal string has digits, sign, point and exponent only. */
static bool one_number(const char **text, double *out)
{
	const char *p = *text;
	char digits[72];
	size_t n = 0;
	while (*p == ' ')
		p++;
	while (*p && *p != '\\' && *p != ' ') {
		if (!isdigit((unsigned char)*p) && !strchr("+-.eE", *p))
			return false;
		if (n + 1 >= sizeof digits)
			return false;
		digits[n++] = *p++;
	}
	digits[n] = '\0';
	while (*p == ' ')
		p++;
	char *end;
	*out = strtod(digits, &end);
	*text = p;
	return n && *end == '\0' && isfinite(*out) && (*p == '\0' || *p == '\\');
}

bool sm_dicom_numbers(const char *text, double *out, int n)
{
	int want = n < 0 ? -n : n;
	for (int i = 0; i < want; i++) {
		if (!one_number(&text, &out[i]))
			return false;
		bool more = *text == '\\';
		if (!more && i + 1 < want)
			return false;
		text += more;
		if (more && i + 1 == want)
			return n < 0;
	}
	return true;
}

static bool numbers(struct sm_dicom *dcm, uint32_t tag, double *out, int n)
{
	char text[512];
	return sm_dicom_text(dcm, tag, text, sizeof text) && sm_dicom_numbers(text, out, n);
}

static double number_or(struct sm_dicom *dcm, uint32_t tag, double fallback)
{
	double value;
	return numbers(dcm, tag, &value, -1) ? value : fallback;
}

static long whole_or(struct sm_dicom *dcm, uint32_t tag, long fallback)
{
	double value = number_or(dcm, tag, (double)fallback);
	return value >= -2147483648.0 && value <= 2147483647.0 ? (long)value : fallback;
}

/* The first reason stands: it is the one that must be solved first. */
__attribute__((format(printf, 3, 4))) static void
judge(struct sm_dcm_head *h, enum sm_verdict verdict, const char *fmt, ...)
{
	if (h->verdict != SM_VERDICT_OK)
		return;
	va_list args;
	va_start(args, fmt);
	vsnprintf(h->why, sizeof h->why, fmt, args);
	va_end(args);
	h->verdict = verdict;
}

/* True when a value of a '\'-joined text equals word. */
static bool has_value(const char *text, const char *word)
{
	size_t n = strlen(word);
	for (const char *p = text; *p;) {
		size_t length = strcspn(p, "\\");
		if (length == n && strncmp(p, word, n) == 0)
			return true;
		p += length + (p[length] == '\\');
	}
	return false;
}

static void read_kind(struct sm_dicom *dcm, struct sm_dcm_head *h)
{
	char type[512];
	if (!sm_dicom_text(dcm, IMAGE_TYPE, type, sizeof type))
		return;
	h->localiser = has_value(type, "LOCALIZER");
	h->mosaic = has_value(type, "MOSAIC");
	const char *third = strchr(type, '\\');
	third = third ? strchr(third + 1, '\\') : NULL;
	if (third) {
		size_t length = strcspn(third + 1, "\\");
		if (length < sizeof h->image_kind)
			memcpy(h->image_kind, third + 1, length);
	}
}

/* Modality stands in keys and sentences, so only words of the standard pass. */
static void known_modality(char *modality)
{
	static const char *const known[] = {
		"AU",  "BI",  "CR",     "CT",      "DOC",    "DX",       "ECG",      "EPS", "ES",
		"GM",  "HD",  "IO",     "IVUS",    "KO",     "LS",       "M3D",      "MG",  "MR",
		"NM",  "OAM", "OCT",    "OP",      "OT",     "PR",       "PT",       "PX",  "REG",
		"RF",  "RG",  "RTDOSE", "RTIMAGE", "RTPLAN", "RTRECORD", "RTSTRUCT", "RWV", "SC",
		"SEG", "SM",  "SR",     "TG",      "US",     "XA",       "XC"};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(known[i], modality) == 0)
			return;
	memcpy(modality, "OT", 3);
}

static void read_identity(struct sm_dicom *dcm, struct sm_dcm_head *h)
{
	sm_dicom_text(dcm, SERIES_UID, h->series, sizeof h->series);
	sm_dicom_text(dcm, STUDY_UID, h->study, sizeof h->study);
	sm_dicom_text(dcm, SOP_UID, h->sop, sizeof h->sop);
	sm_dicom_text(dcm, FRAME_UID, h->frame_of_reference, sizeof h->frame_of_reference);
	sm_dicom_text(dcm, PATIENT_ID, h->patient, sizeof h->patient);
	sm_dicom_text(dcm, MODALITY, h->modality, sizeof h->modality);
	known_modality(h->modality);
	sm_dicom_text(dcm, UNITS, h->units, sizeof h->units);
	sm_dicom_text(dcm, RESCALE_TYPE, h->rescale_type, sizeof h->rescale_type);
	snprintf(h->syntax, sizeof h->syntax, "%s", sm_dicom_syntax(dcm));
	if (h->syntax[strspn(h->syntax, "0123456789.")])
		memcpy(h->syntax, "?", 2);
	h->instance = whole_or(dcm, INSTANCE, 0);
	h->acquisition = whole_or(dcm, ACQUISITION, 0);
	h->echo_time = number_or(dcm, ECHO_TIME, 0);
	read_kind(dcm, h);
}

/* Modalities without pictures, and the DICOMDIR of a disc. A CT without Rows is not one of them: it
 * was cut off, and must not be passed over. */
static bool is_no_image(struct sm_dicom *dcm, const char *modality)
{
	static const char *const words[] = {"AU",       "DOC", "ECG", "EPS",    "HD",
					    "KO",       "PR",  "REG", "RTPLAN", "RTRECORD",
					    "RTSTRUCT", "RWV", "SR"};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(words[i], modality) == 0)
			return true;
	return sm_dicom_has(dcm, DIRECTORY);
}

/* Size, bits, colour, syntax: what decides whether the pixels can be read at all. */
static void read_pixel_module(struct sm_dicom *dcm, struct sm_dcm_head *h)
{
	char photometric[32] = "";
	const char *syntax_name = NULL;
	h->rows = (int)whole_or(dcm, ROWS, -1);
	h->columns = (int)whole_or(dcm, COLUMNS, -1);
	h->samples = (int)whole_or(dcm, SAMPLES, 1);
	h->frames = (int)whole_or(dcm, FRAMES, 1);
	h->bits_allocated = (int)whole_or(dcm, BITS_ALLOCATED, -1);
	h->bits_stored = (int)whole_or(dcm, BITS_STORED, h->bits_allocated);
	h->high_bit = (int)whole_or(dcm, HIGH_BIT, h->bits_stored - 1);
	h->is_signed = whole_or(dcm, PIXEL_SIGN, 0) == 1;
	sm_dicom_text(dcm, PHOTOMETRIC, photometric, sizeof photometric);
	if (photometric[strspn(photometric, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ ")])
		memcpy(photometric, "?", 2);
	h->inverted = strcmp(photometric, "MONOCHROME1") == 0;
	h->has_pixels_size = h->rows > 0 && h->columns > 0;
	if (h->rows < 0 && h->columns < 0 && h->bits_allocated < 0 &&
	    is_no_image(dcm, h->modality)) {
		judge(h, SM_VERDICT_NOT_IMAGE, "modality %s holds no picture", h->modality);
		return;
	}
	if (h->localiser)
		judge(h, SM_VERDICT_LOCALISER, "ImageType says LOCALIZER");
	if (h->rows < 0 && h->columns < 0)
		judge(h, SM_VERDICT_NO_SIZE,
		      "Rows and Columns are missing, as in a file that was cut off");
	else if (!h->has_pixels_size)
		judge(h, SM_VERDICT_NO_SIZE, "Rows %d and Columns %d, allowed 1..65535", h->rows,
		      h->columns);
	if (sm_dicom_syntax_way(h->syntax, &syntax_name) == SM_SYNTAX_NONE)
		judge(h, SM_VERDICT_SYNTAX,
		      "transfer syntax %s%s%s%s, supported are uncompressed, deflated, RLE, JPEG, "
		      "JPEG-LS, JPEG 2000 and HTJ2K",
		      h->syntax, syntax_name ? " (" : "", syntax_name ? syntax_name : "",
		      syntax_name ? ")" : "");
	if (h->samples != 1 || (*photometric && strncmp(photometric, "MONOCHROME", 10) != 0))
		judge(h, SM_VERDICT_COLOUR, "%d samples a pixel, %s; supported is MONOCHROME1 or 2",
		      h->samples, *photometric ? photometric : "no photometric interpretation");
	if (h->frames != 1)
		judge(h, SM_VERDICT_MULTIFRAME,
		      "NumberOfFrames %d; supported are objects with one frame a file", h->frames);
	if (h->mosaic)
		judge(h, SM_VERDICT_MOSAIC,
		      "ImageType says MOSAIC; supported are objects with one slice a file");
	if (h->bits_allocated != 8 && h->bits_allocated != 16 && h->bits_allocated != 32)
		judge(h, SM_VERDICT_BITS, "BitsAllocated %d, allowed 8, 16 or 32",
		      h->bits_allocated);
	if (h->bits_stored < 1 || h->bits_stored > h->bits_allocated)
		judge(h, SM_VERDICT_BITS, "BitsStored %d, allowed 1..%d", h->bits_stored,
		      h->bits_allocated);
	if (h->high_bit < h->bits_stored - 1 || h->high_bit >= h->bits_allocated)
		judge(h, SM_VERDICT_BITS, "HighBit %d, allowed %d..%d", h->high_bit,
		      h->bits_stored - 1, h->bits_allocated - 1);
}

double sm_dot3(const double a[3], const double b[3])
{
	return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static void read_place(struct sm_dicom *dcm, struct sm_dcm_head *h)
{
	double v[6], s[2];
	if (numbers(dcm, SPACING, s, 2) && s[0] > 1e-6 && s[1] > 1e-6 && s[0] < 1e4 && s[1] < 1e4) {
		/* PixelSpacing is the distance between rows, then between columns. */
		h->spacing[0] = s[1];
		h->spacing[1] = s[0];
		h->has_spacing = true;
	}
	if (numbers(dcm, ORIENTATION, v, 6)) {
		double la = sqrt(sm_dot3(v, v)), ld = sqrt(sm_dot3(v + 3, v + 3));
		bool unit = fabs(la - 1) < 0.01 && fabs(ld - 1) < 0.01;
		if (unit && fabs(sm_dot3(v, v + 3)) < 0.01 * la * ld) {
			for (int i = 0; i < 3; i++) {
				h->across[i] = v[i] / la;
				h->down[i] = v[3 + i] / ld;
			}
			h->has_orientation = true;
		}
	}
	h->has_position = numbers(dcm, POSITION, h->position, 3);
	for (int i = 0; i < 3; i++)
		h->has_position = h->has_position && fabs(h->position[i]) < 1e7;
	h->thickness = number_or(dcm, THICKNESS, 0);
	h->slice_step = number_or(dcm, SLICE_STEP, 0);
}

static void judge_place(struct sm_dcm_head *h)
{
	if (!h->has_spacing)
		judge(h, SM_VERDICT_NO_SPACING,
		      "PixelSpacing is missing or is not two positive numbers of mm");
	if (!h->has_orientation)
		judge(h, SM_VERDICT_NO_ORIENTATION,
		      "ImageOrientationPatient is missing or is not two perpendicular unit "
		      "vectors");
	if (!h->has_position)
		judge(h, SM_VERDICT_NO_POSITION,
		      "ImagePositionPatient is missing or is not three numbers of mm");
}

/* One of the two elements; false when it is absent. An empty one says nothing about the numbers and
 * is as wrong as a word. */
static bool read_factor(struct sm_dicom *dcm, struct sm_dcm_head *h, uint32_t tag, const char *name,
			double *out)
{
	double value;
	if (!sm_dicom_has(dcm, tag))
		return false;
	if (numbers(dcm, tag, &value, 1))
		*out = value;
	else
		judge(h, SM_VERDICT_BAD_RESCALE, "%s is there but is not one number", name);
	return true;
}

static void read_rescale(struct sm_dicom *dcm, struct sm_dcm_head *h)
{
	h->slope = 1;
	h->intercept = 0;
	bool slope = read_factor(dcm, h, SLOPE, "RescaleSlope", &h->slope);
	bool intercept = read_factor(dcm, h, INTERCEPT, "RescaleIntercept", &h->intercept);
	h->has_rescale = slope || intercept;
	if (h->slope == 0)
		judge(h, SM_VERDICT_BAD_RESCALE, "RescaleSlope is 0, allowed is any other number");
}

void sm_dcm_head_read(struct sm_dicom *dcm, struct sm_dcm_head *h)
{
	*h = (struct sm_dcm_head){0};
	read_identity(dcm, h);
	read_pixel_module(dcm, h);
	read_rescale(dcm, h);
	read_place(dcm, h);
	if (h->verdict != SM_VERDICT_NOT_IMAGE && !*h->series)
		judge(h, SM_VERDICT_NO_SERIES, "SeriesInstanceUID is missing");
	judge_place(h);
}
