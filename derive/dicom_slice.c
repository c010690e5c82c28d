/* SPDX-License-Identifier: Apache-2.0
 *
 * One slice of a series as a DICOM file: elements in the order of their tags, by module in PS3.3's
 * words.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ledger.h"
#include "core/stage.h"
#include "derive/dicom_series.h"
#include "derive/interleave.h"
#include "ingest/dicom/dicom_write.h"

#define TAG(group, element) SM_DCM_TAG(0x##group, 0x##element)

static const struct kind {
	const char *modality, *sop_class, *image_type;
} kinds[] = {
	/* AXIAL is any cross-section, coronal ones too (PS3.3 C.8.2.1.1.1, its note) */
	[SM_DICOM_CT] = {"CT", "1.2.840.10008.5.1.4.1.1.2", "DERIVED\\SECONDARY\\AXIAL"},
	[SM_DICOM_MR] = {"MR", "1.2.840.10008.5.1.4.1.1.4", "DERIVED\\SECONDARY\\OTHER"},
	/* PET knows no SECONDARY (PS3.3 C.8.9.4.1.1) */
	[SM_DICOM_PT] = {"PT", "1.2.840.10008.5.1.4.1.1.128", "DERIVED\\PRIMARY"},
};

/* One slice on its way. */
struct slice {
	const struct sm_dicom_series *s;
	const struct kind *kind;
	int64_t number, k;
	bool predicted, processed;
	char uid[SM_UID];
	struct sm_dcm d;
};

/* ---- fields of the sidecar ------------------------------------------------------------------- */

/* Words of a code element joined by '\'; only capitals, digits, _ and blanks pass. "" when there is
 * none. */
static void codes(const json_t *sidecar, const char *name, const char *otherwise, char *out,
		  size_t n)
{
	json_t *value = json_object_get(sidecar, name);
	size_t count = json_is_array(value) ? json_array_size(value) : value != NULL, used = 0;
	snprintf(out, n, "%s", otherwise);
	for (size_t i = 0; i < count; i++) {
		const char *text =
			json_string_value(json_is_array(value) ? json_array_get(value, i) : value);
		size_t len = text ? strlen(text) : 0;
		if (!len || len > 16 ||
		    strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ ") != len ||
		    used + len + 2 > n) {
			snprintf(out, n, "%s", otherwise);
			return;
		}
		used += (size_t)snprintf(out + used, n - used, "%s%s", used ? "\\" : "", text);
	}
}

static void put_codes(struct slice *c, uint32_t tag, const char *name, const char *otherwise)
{
	char text[200];
	codes(c->s->about.sidecar, name, otherwise, text, sizeof text);
	sm_dcm_text(&c->d, tag, "CS", text);
}

/* A number, or the only one of a list with one entry a frame; NAN when there is none. */
static double number(const struct slice *c, const char *name)
{
	const json_t *value = json_object_get(c->s->about.sidecar, name);
	if (json_is_array(value) && json_array_size(value) == 1)
		value = json_array_get(value, 0);
	return json_is_number(value) ? json_number_value(value) : NAN;
}

/* A number times a factor (units of DICOM), or an empty element. */
static void put_number(struct slice *c, uint32_t tag, const char *name, double times)
{
	double v = number(c, name) * times;
	if (isfinite(v))
		sm_dcm_numbers(&c->d, tag, &v, 1);
	else
		sm_dcm_text(&c->d, tag, "DS", "");
}

/* ---- modules --------------------------------------------------------------------------------- */

/* SOP common, general image, study, series, equipment. */
static void put_identity(struct slice *c)
{
	struct sm_dcm *d = &c->d;
	const struct sm_dicom_series *s = c->s;
	/* Dates are absent or empty. PET must have those of the series: the day 1 of 1900 stands
	 * for none. */
	bool pet = s->about.kind == SM_DICOM_PT, synthetic = s->about.synthetic;
	char type[80], description[65];
	snprintf(type, sizeof type, "%s\\%s", c->kind->image_type,
		 c->predicted   ? "SYNTHETIC"
		 : c->processed ? "PROCESSED"
		 : synthetic    ? "COPIED"
				: "CONVERTED");
	snprintf(description, sizeof description, "%s %s, not for clinical use",
		 synthetic ? s->about.predicted ? "PARTLY SYNTHETIC" : "SYNTHETIC" : "CONVERTED",
		 c->kind->modality);
	sm_dcm_text(d, TAG(0008, 0005), "CS", "ISO_IR 100");
	sm_dcm_text(d, TAG(0008, 0008), "CS", type);
	sm_dcm_text(d, TAG(0008, 0016), "UI", c->kind->sop_class);
	sm_dcm_text(d, TAG(0008, 0018), "UI", c->uid);
	sm_dcm_text(d, TAG(0008, 0020), "DA", "");
	if (pet)
		sm_dcm_text(d, TAG(0008, 0021), "DA", "19000101");
	sm_dcm_text(d, TAG(0008, 0022), "DA", "");
	if (!pet)
		sm_dcm_text(d, TAG(0008, 0023), "DA", "");
	sm_dcm_text(d, TAG(0008, 0030), "TM", "");
	if (pet)
		sm_dcm_text(d, TAG(0008, 0031), "TM", "000000");
	sm_dcm_text(d, TAG(0008, 0032), "TM", "");
	if (!pet)
		sm_dcm_text(d, TAG(0008, 0033), "TM", "");
	sm_dcm_text(d, TAG(0008, 0050), "SH", "");
	sm_dcm_text(d, TAG(0008, 0060), "CS", c->kind->modality);
	sm_dcm_text(d, TAG(0008, 0070), "LO", "scanmill");
	sm_dcm_text(d, TAG(0008, 0090), "PN", "");
	sm_dcm_text(d, TAG(0008, 103E), "LO", description);
	sm_dcm_text(d, TAG(0008, 1090), "LO", "scanmill");
	sm_dcm_text(d, TAG(0008, 2111), "ST", s->about.derivation);
}

static void put_patient(struct slice *c)
{
	struct sm_dcm *d = &c->d;
	sm_dcm_text(d, TAG(0010, 0010), "PN", "");
	sm_dcm_text(d, TAG(0010, 0020), "LO", c->s->about.patient_id);
	sm_dcm_text(d, TAG(0010, 0030), "DA", "");
	sm_dcm_text(d, TAG(0010, 0040), "CS", "");
	sm_dcm_text(d, TAG(0012, 0062), "CS", "YES");
	sm_dcm_text(d, TAG(0012, 0063), "LO",
		    "made of de-identified volumes; nothing of a person taken over");
}

/* Group 0018: the acquisition, as far as the sidecar knows it, and what the modality's module
 * wants. */
static void put_acquisition(struct slice *c)
{
	struct sm_dcm *d = &c->d;
	const json_t *sidecar = c->s->about.sidecar;
	double thick = number(c, "SliceThickness"),
	       milliseconds = number(c, "FrameDuration") * 1000;
	bool mr = c->s->about.kind == SM_DICOM_MR, inverts;
	char sequence[200];
	codes(sidecar, "ScanningSequence", "RM", sequence, sizeof sequence);
	inverts = strstr(sequence, "IR") != NULL;
	put_codes(c, TAG(0018, 0015), "BodyPartExamined", "");
	if (mr) {
		sm_dcm_text(d, TAG(0018, 0020), "CS", sequence);
		put_codes(c, TAG(0018, 0021), "SequenceVariant", "NONE");
		put_codes(c, TAG(0018, 0022), "ScanOptions", "");
		put_codes(c, TAG(0018, 0023), "MRAcquisitionType", "");
	}
	/* That of the scan's own slices says nothing of slices across them. */
	if (!c->s->about.own_axis || !(thick > 0 && thick < 1e6))
		thick = c->s->apart;
	sm_dcm_numbers(d, TAG(0018, 0050), &thick, 1);
	if (c->s->about.kind == SM_DICOM_CT)
		put_number(c, TAG(0018, 0060), "KVP", 1);
	if (mr) {
		put_number(c, TAG(0018, 0080), "RepetitionTime", 1000);
		put_number(c, TAG(0018, 0081), "EchoTime", 1000);
		if (inverts)
			put_number(c, TAG(0018, 0082), "InversionTime", 1000);
		put_number(c, TAG(0018, 0087), "MagneticFieldStrength", 1);
	}
	sm_dcm_numbers(d, TAG(0018, 0088), &c->s->apart, 1);
	if (mr)
		sm_dcm_text(d, TAG(0018, 0091), "IS", "");
	sm_dcm_text(d, TAG(0018, 1020), "LO", SM_VERSION);
	if (c->s->about.kind == SM_DICOM_PT)
		sm_dcm_text(d, TAG(0018, 1181), "CS", "");
	if (c->s->about.kind == SM_DICOM_PT && milliseconds > 0 && milliseconds < 1e9)
		sm_dcm_int(d, TAG(0018, 1242), (int64_t)(milliseconds + 0.5));
	else if (c->s->about.kind == SM_DICOM_PT)
		sm_dcm_text(d, TAG(0018, 1242), "IS", "");
	if (c->s->about.kind != SM_DICOM_PT) /* there codes say it: put_position */
		put_codes(c, TAG(0018, 5100), "PatientPosition", "");
	sm_dcm_text(d, TAG(0018, 9004), "CS", "RESEARCH");
}

/* Parts of which there are two, or one does not know: Laterality must be there. */
static bool is_paired(const char *part)
{
	static const char *const parts[] = {
		"ANKLE",  "ARM",     "BREAST",    "CALCANEUS", "CALF",    "CLAVICLE",
		"EAR",    "ELBOW",   "EXTREMITY", "EYE",       "EYELID",  "FEMUR",
		"FINGER", "FOOT",    "FOREARM",   "HAND",      "HIP",     "HUMERUS",
		"KNEE",   "LEG",     "ORBIT",     "OVARY",     "PAROTID", "PATELLA",
		"RIB",    "SCAPULA", "SHOULDER",  "TESTIS",    "THIGH",   "THUMB",
		"TIBIA",  "TMJ",     "TOE",       "URETER",    "WRIST",   "ZYGOMA"};
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (strcmp(part, parts[i]) == 0)
			return true;
	return !*part;
}

/* Relationship: what it belongs to, where it lies. */
static void put_place(struct slice *c)
{
	struct sm_dcm *d = &c->d;
	const struct sm_dicom_series *s = c->s;
	double at[3], rows[6], along = 0;
	char comment[120], body[40];
	for (int i = 0; i < 3; i++) {
		at[i] = s->first[i] + (double)c->k * s->step[i] + 0.0;
		along += at[i] * s->normal[i];
		rows[i] = s->across[i];
		rows[3 + i] = s->down[i];
	}
	sm_dcm_text(d, TAG(0020, 000D), "UI", s->study);
	sm_dcm_text(d, TAG(0020, 000E), "UI", s->uid);
	sm_dcm_text(d, TAG(0020, 0010), "SH", "");
	sm_dcm_int(d, TAG(0020, 0011), 1);
	if (s->about.kind != SM_DICOM_PT)
		sm_dcm_text(d, TAG(0020, 0012), "IS", "");
	sm_dcm_int(d, TAG(0020, 0013), c->number);
	sm_dcm_numbers(d, TAG(0020, 0032), at, 3);
	sm_dcm_numbers(d, TAG(0020, 0037), rows, 6);
	sm_dcm_text(d, TAG(0020, 0052), "UI", s->frame);
	codes(s->about.sidecar, "BodyPartExamined", "", body, sizeof body);
	if (is_paired(body)) /* left or right is not known */
		sm_dcm_text(d, TAG(0020, 0060), "CS", "");
	sm_dcm_text(d, TAG(0020, 1040), "LO", "");
	along += 0.0;
	sm_dcm_numbers(d, TAG(0020, 1041), &along, 1);
	snprintf(comment, sizeof comment, "%s",
		 c->predicted ? "SYNTHETIC: predicted, not measured"
		 : c->processed
			 ? "processed, not predicted: the scan's own slice as preprocess left it "
			   "(windowed, resampled), no copy"
		 : s->about.synthetic ? "copied from the source scan"
				      : "converted from the source scan");
	sm_dcm_text(d, TAG(0020, 4000), "LT", comment);
}

/* Image pixel, VOI LUT, modality LUT; without the pixels. */
static void put_pixel_words(struct slice *c)
{
	struct sm_dcm *d = &c->d;
	const struct sm_dicom_series *s = c->s;
	struct sm_planes p = sm_planes_of(s->vol, s->about.axis);
	enum sm_dicom_kind kind = s->about.kind;
	sm_dcm_u16(d, TAG(0028, 0002), 1);
	sm_dcm_text(d, TAG(0028, 0004), "CS", "MONOCHROME2");
	sm_dcm_u16(d, TAG(0028, 0010), (uint16_t)p.height);
	sm_dcm_u16(d, TAG(0028, 0011), (uint16_t)p.width);
	sm_dcm_numbers(d, TAG(0028, 0030), s->pixel, 2);
	if (kind == SM_DICOM_PT)
		put_codes(c, TAG(0028, 0051), "CorrectedImage", "");
	sm_dcm_u16(d, TAG(0028, 0100), 16);
	sm_dcm_u16(d, TAG(0028, 0101), 16);
	sm_dcm_u16(d, TAG(0028, 0102), 15);
	sm_dcm_u16(d, TAG(0028, 0103), s->is_signed);
	sm_dcm_text(d, TAG(0028, 0301), "CS", s->about.burned_in ? "YES" : "NO");
	sm_dcm_text(d, TAG(0028, 0303), "CS", "REMOVED");
	sm_dcm_numbers(d, TAG(0028, 1050), &s->center, 1);
	sm_dcm_numbers(d, TAG(0028, 1051), &s->width, 1);
	if (kind == SM_DICOM_MR && s->slope == 1 && s->inter == 0)
		goto lossy;
	sm_dcm_numbers(d, TAG(0028, 1052), &s->inter, 1);
	sm_dcm_numbers(d, TAG(0028, 1053), &s->slope, 1);
	if (kind != SM_DICOM_PT)
		sm_dcm_text(d, TAG(0028, 1054), "LO",
			    kind == SM_DICOM_CT && s->vol->meaning == SM_MEANING_HU ? "HU" : "US");
lossy:
	sm_dcm_text(d, TAG(0028, 2110), "CS", "00");
}

struct code {
	const char *value, *meaning;
};

static void put_code(struct sm_dcm *d, const struct code *code)
{
	sm_dcm_text(d, TAG(0008, 0100), "SH", code->value);
	sm_dcm_text(d, TAG(0008, 0102), "SH", "SRT");
	sm_dcm_text(d, TAG(0008, 0104), "LO", code->meaning);
}

/* PatientPosition as PET says it: PatientOrientationCodeSequence with its modifier and
 * PatientGantryRelationshipCodeSequence (PS3.16 CID 19, 20, 21). Both are empty when it is not one
 * of a lying patient, head or feet first. */
static void put_position(struct slice *c)
{
	static const struct code lying = {"F-10450", "recumbent"};
	static const struct {
		char in[3];
		struct code code;
	} gantry[] = {{"HF", {"F-10470", "headfirst"}}, {"FF", {"F-10480", "feet-first"}}},
	  turned[] = {{"S", {"F-10340", "supine"}},
		      {"P", {"F-10310", "prone"}},
		      {"DR", {"F-10317", "right lateral decubitus"}},
		      {"DL", {"F-10319", "left lateral decubitus"}}};
	struct sm_dcm *d = &c->d, how = {0}, turn = {0}, way = {0};
	const struct code *first = NULL, *second = NULL;
	char text[40];
	codes(c->s->about.sidecar, "PatientPosition", "", text, sizeof text);
	for (size_t i = 0; i < sizeof gantry / sizeof *gantry; i++)
		if (strncmp(text, gantry[i].in, 2) == 0)
			first = &gantry[i].code;
	for (size_t i = 0; first && i < sizeof turned / sizeof *turned; i++)
		if (strcmp(text + 2, turned[i].in) == 0)
			second = &turned[i].code;
	if (second) {
		put_code(&turn, second);
		put_code(&how, &lying);
		sm_dcm_sequence(&how, TAG(0054, 0412), &turn, 1);
		put_code(&way, first);
	}
	sm_dcm_sequence(d, TAG(0054, 0410), &how, second ? 1 : 0);
	sm_dcm_sequence(d, TAG(0054, 0414), &way, second ? 1 : 0);
	sm_dcm_clear(&turn);
	sm_dcm_clear(&how);
	sm_dcm_clear(&way);
}

/* PET series and image. */
static void put_pet(struct slice *c)
{
	struct sm_dcm *d = &c->d;
	const json_t *sidecar = c->s->about.sidecar;
	char decay[40];
	enum sm_meaning meaning = c->s->vol->meaning;
	double zero = 0, factor = number(c, "DecayCorrectionFactor");
	int64_t rank = c->number; /* from 1 to the number of slices that have a file */
	for (int64_t k = 1; k < c->number; k++)
		rank -= c->s->about.none && c->s->about.none[sm_dicom_series_slice(c->s, k)];
	codes(sidecar, "DecayCorrection", "NONE", decay, sizeof decay);
	sm_dcm_sequence(d, TAG(0054, 0016), NULL, 0);
	sm_dcm_u16(d, TAG(0054, 0081), (uint16_t)(c->s->written > 65535 ? 65535 : c->s->written));
	put_position(c);
	sm_dcm_text(d, TAG(0054, 1000), "CS", "STATIC\\IMAGE");
	sm_dcm_text(d, TAG(0054, 1001), "CS",
		    meaning == SM_MEANING_SUV    ? "GML"
		    : meaning == SM_MEANING_BQML ? "BQML"
						 : "NONE");
	sm_dcm_text(d, TAG(0054, 1002), "CS", "EMISSION");
	if (meaning == SM_MEANING_SUV)
		put_codes(c, TAG(0054, 1006), "SUVType", "BW");
	sm_dcm_text(d, TAG(0054, 1102), "CS", decay);
	sm_dcm_numbers(d, TAG(0054, 1300), &zero, 1);
	if (strcmp(decay, "NONE") != 0 && factor > 0 && isfinite(factor))
		sm_dcm_numbers(d, TAG(0054, 1321), &factor, 1);
	sm_dcm_u16(d, TAG(0054, 1330), (uint16_t)(rank > 65535 ? 65535 : rank));
}

/* ---- pixels ---------------------------------------------------------------------------------- */

static uint16_t pixel(const struct sm_dicom_series *s, double stored_or_real)
{
	double v = stored_or_real;
	if (!s->stored)
		v = floor((v - s->inter) / s->slope + 0.5);
	double low = s->is_signed ? INT16_MIN : 0, high = s->is_signed ? INT16_MAX : UINT16_MAX;
	v = v < low ? low : v > high ? high : v;
	return s->is_signed ? (uint16_t)(int16_t)v : (uint16_t)v;
}

static enum sm_status put_pixels(struct slice *c, struct sm_err *err)
{
	const struct sm_dicom_series *s = c->s;
	struct sm_planes p = sm_planes_of(s->vol, s->about.axis);
	struct sm_vol raw = *s->vol;
	size_t n = (size_t)(p.width * p.height);
	uint16_t *words = sm_alloc(s->mem, n, sizeof *words, "a slice", err), *out = words;
	if (!words)
		return SM_BUDGET;
	if (s->stored) {
		raw.slope = 1;
		raw.inter = 0;
	}
	for (int64_t y = 0; y < p.height; y++)
		for (int64_t x = 0; x < p.width; x++)
			*out++ = pixel(s,
				       sm_vol_at(&raw, (size_t)x * p.step_x + (size_t)y * p.step_y +
							       (size_t)c->k * p.step));
	sm_dcm_words(&c->d, TAG(7FE0, 0010), words, n);
	sm_free(words);
	return SM_OK;
}

enum sm_status sm_dicom_series_write(const struct sm_dicom_series *s, int64_t number,
				     struct sm_outset *set, const char *path, char sha256[65],
				     struct sm_err *err)
{
	int64_t k = sm_dicom_series_slice(s, number);
	struct slice c = {.s = s,
			  .kind = kinds + s->about.kind,
			  .number = number,
			  .k = k,
			  .predicted =
				  s->about.predicted ? s->about.predicted[k] : s->about.synthetic,
			  .processed = s->about.processed && s->about.processed[k]};
	char name[128];
	snprintf(name, sizeof name, "instance %lld of %s", (long long)number, s->uid);
	sm_dcm_uid(name, c.uid);
	put_identity(&c);
	put_patient(&c);
	put_acquisition(&c);
	put_place(&c);
	put_pixel_words(&c);
	if (s->about.kind == SM_DICOM_PT)
		put_pet(&c);
	enum sm_status st = put_pixels(&c, err);
	if (st == SM_OK)
		st = sm_dcm_write_in(set, &c.d, path, c.kind->sop_class, c.uid, sha256, err);
	sm_dcm_clear(&c.d);
	return st;
}
