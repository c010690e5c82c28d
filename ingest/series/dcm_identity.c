/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "ingest/series/dcm_class.h"
#include "ingest/series/dcm_head_in.h"

/* No byte of the word stays behind: the index keeps heads as they are in memory. */
static void unknown(char *word, size_t n)
{
	memset(word, 0, n);
	word[0] = '?';
}

#define SERIES_UID SM_TAG(0x0020, 0x000e)
#define STUDY_UID SM_TAG(0x0020, 0x000d)
#define SOP_UID SM_TAG(0x0008, 0x0018)
#define FRAME_UID SM_TAG(0x0020, 0x0052)
#define PATIENT_ID SM_TAG(0x0010, 0x0020)
#define MODALITY SM_TAG(0x0008, 0x0060)
#define MANUFACTURER SM_TAG(0x0008, 0x0070)
#define UNITS SM_TAG(0x0054, 0x1001)
#define SERIES_TYPE SM_TAG(0x0054, 0x1000)
#define RESCALE_TYPE SM_TAG(0x0028, 0x1054)
#define SLICES SM_TAG(0x0054, 0x0081)
#define TIME_SLICES SM_TAG(0x0054, 0x0101)
#define TEMPORAL_POSITIONS SM_TAG(0x0020, 0x0105)
#define BURNED_IN SM_TAG(0x0028, 0x0301)
#define SOP_CLASS SM_TAG(0x0008, 0x0016)
#define ROWS SM_TAG(0x0028, 0x0010)
#define COLUMNS SM_TAG(0x0028, 0x0011)
#define SAMPLES SM_TAG(0x0028, 0x0002)
#define PHOTOMETRIC SM_TAG(0x0028, 0x0004)
#define PLANAR SM_TAG(0x0028, 0x0006)
#define BITS_ALLOCATED SM_TAG(0x0028, 0x0100)
#define BITS_STORED SM_TAG(0x0028, 0x0101)
#define HIGH_BIT SM_TAG(0x0028, 0x0102)
#define PIXEL_SIGN SM_TAG(0x0028, 0x0103)
#define PIXELS SM_TAG(0x7fe0, 0x0010)
#define FLOAT_PIXELS SM_TAG(0x7fe0, 0x0008)
#define DOUBLE_PIXELS SM_TAG(0x7fe0, 0x0009)
#define DIRECTORY SM_TAG(0x0004, 0x1220)

long sm_head_whole(const struct sm_dataset *set, uint32_t tag, long fallback)
{
	double value;
	if (sm_dataset_numbers(set, tag, &value, 1) < 1)
		return fallback;
	return value >= -2147483648.0 && value <= 2147483647.0 ? (long)value : fallback;
}

bool sm_text_has(const char *text, const char *word)
{
	size_t n = strlen(word);
	for (const char *p = text; *p;) {
		size_t length = strcspn(p, "\\");
		size_t used = length;
		while (used && p[used - 1] == ' ')
			used--;
		if (used == n && strncmp(p, word, n) == 0)
			return true;
		p += length + (p[length] == '\\');
	}
	return false;
}

void sm_text_value(const char *text, int number, char *out, size_t n)
{
	*out = '\0';
	for (; number > 0; number--) {
		text = strchr(text, '\\');
		if (!text)
			return;
		text++;
	}
	size_t length = strcspn(text, "\\");
	while (length && text[length - 1] == ' ')
		length--;
	if (length < n) {
		memcpy(out, text, length);
		out[length] = '\0';
	}
}

void sm_head_word(const struct sm_salt *salt, const char *text, const char *const *known, size_t n,
		  char out[17])
{
	char hex[65];
	for (size_t i = 0; i < n; i++)
		if (strcmp(known[i], text) == 0) {
			snprintf(out, 17, "%s", known[i]);
			return;
		}
	sm_salt_hash(salt, text, hex);
	out[0] = 'x';
	memcpy(out + 1, hex, 8);
	out[9] = '\0';
}

static void hash_of(struct sm_head_job *job, uint32_t tag, char out[SM_ID_SIZE])
{
	char text[1024];
	*out = '\0';
	if (sm_dataset_text(&job->set, tag, text, sizeof text))
		sm_salt_hash(job->salt, text, out);
}

/* Modality stands in keys and sentences, so only words of the standard pass. */
static void known_modality(char modality[17])
{
	if (sm_modality_flags(modality))
		return;
	memset(modality, 0, 17);
	memcpy(modality, "OT", 2);
}

static void read_maker(struct sm_head_job *job)
{
	static const struct {
		const char *part, *maker;
		bool start; /* only at the beginning */
	} makers[] = {
		{"siemens", "siemens", false},    {"philips", "philips", false},
		{"ge ", "ge", true},              {"gems", "ge", true},
		{"g.e.", "ge", true},             {"general electric", "ge", false},
		{"toshiba", "canon", false},      {"canon", "canon", false},
		{"hitachi", "hitachi", false},    {"fujifilm", "hitachi", false},
		{"uih", "uih", true},             {"united imaging", "uih", false},
		{"hyperfine", "hyperfine", false}, {"bruker", "bruker", false},
	};
	char text[128];
	if (!sm_dataset_text(&job->set, MANUFACTURER, text, sizeof text))
		return;
	for (char *p = text; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (strcmp(text, "ge") == 0)
		memcpy(job->head->maker, "ge", 3);
	for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
		const char *at = strstr(text, makers[i].part);
		if (at && (at == text || !makers[i].start)) {
			snprintf(job->head->maker, sizeof job->head->maker, "%s", makers[i].maker);
			return;
		}
	}
}

static void read_units(struct sm_head_job *job)
{
	static const char *const units[] = {
		"CNTS", "NONE",   "CM2",   "CM2ML",  "PCNT",     "CPS",     "BQML",   "MGMINML",
		"GML",  "MLMING", "MLG",   "1CM",    "UMOLML",   "PROPCNTS", "PROPCPS", "MLMINML",
		"MLML", "STDDEV", "UMOLMINML", "HU", "HU_MOD",   "US",      "MGML",   "PCT",
		"ED",   "Z_EFF",  "EDW",   "OD",     "UNSPECIFIED", "Hz",   "normalized"};
	static const char *const kinds[] = {"STATIC", "DYNAMIC", "GATED", "WHOLE BODY"};
	struct sm_dcm_head *h = job->head;
	char text[128], word[64];
	bool pet = strcmp(h->modality, "PT") == 0;
	struct sm_dataset legacy = {0};
	if (sm_dataset_text(&job->set, UNITS, text, sizeof text) ||
	    (pet && sm_legacy_shared(&job->set, &legacy) &&
	     sm_dataset_text(&legacy, UNITS, text, sizeof text)) ||
	    (!pet && sm_dataset_text(&job->set, RESCALE_TYPE, text, sizeof text)))
		sm_head_word(job->salt, text, units, sizeof units / sizeof *units, h->units);
	if (!sm_dataset_text(&job->set, SERIES_TYPE, text, sizeof text) &&
	    !(legacy.bytes && sm_dataset_text(&legacy, SERIES_TYPE, text, sizeof text)))
		return;
	sm_text_value(text, 0, word, sizeof word);
	if (*word)
		sm_head_word(job->salt, word, kinds, sizeof kinds / sizeof *kinds, h->series_kind);
}

static enum sm_burned burned_in(const struct sm_dataset *set, const char *modality)
{
	char word[32], sop[68];
	if (sm_dataset_text(set, BURNED_IN, word, sizeof word) && strcmp(word, "YES") == 0)
		return SM_BURNED_DECLARED;
	sm_dataset_text(set, SOP_CLASS, sop, sizeof sop);
	if (sm_class_is(sop, "1.2.840.10008.5.1.4.1.1.7"))
		return SM_BURNED_CAPTURE;
	/* Ultrasound and ultrasound multi-frame. */
	if (strcmp(modality, "US") == 0 || sm_class_is(sop, "1.2.840.10008.5.1.4.1.1.6") ||
	    sm_class_is(sop, "1.2.840.10008.5.1.4.1.1.3"))
		return SM_BURNED_ULTRASOUND;
	return SM_BURNED_NO;
}

void sm_head_identity(struct sm_head_job *job)
{
	struct sm_dcm_head *h = job->head;
	const struct sm_dataset *set = &job->set;
	hash_of(job, SERIES_UID, h->series);
	hash_of(job, STUDY_UID, h->study);
	hash_of(job, SOP_UID, h->sop);
	hash_of(job, FRAME_UID, h->frame_of_reference);
	hash_of(job, PATIENT_ID, h->patient);
	sm_dataset_text(set, MODALITY, h->modality, sizeof h->modality);
	known_modality(h->modality);
	read_maker(job);
	read_units(job);
	snprintf(h->syntax_uid, sizeof h->syntax_uid, "%s", sm_dicom_syntax(job->dcm));
	h->syntax = sm_syntax_find(sm_dicom_syntax(job->dcm));
	/* UIDs of other roots than those of registered organisations may hold anything. */
	if (h->syntax_uid[strspn(h->syntax_uid, "0123456789.")] ||
	    (*h->syntax_uid && strncmp(h->syntax_uid, "1.2.840.", 8) != 0 && !h->syntax))
		unknown(h->syntax_uid, sizeof h->syntax_uid);
	h->slices_declared = sm_head_whole(set, SLICES, 0);
	h->times_declared = sm_head_whole(set, TIME_SLICES, 0);
	if (h->times_declared == 0)
		h->times_declared = sm_head_whole(set, TEMPORAL_POSITIONS, 0);
	h->burned_in = burned_in(set, h->modality);
}

/* What an object without pictures is, by its class or modality; NULL for one that has or should
 * have some. A CT without Rows is no report: it was cut off, and must not be passed over. */
static const char *no_image(struct sm_head_job *job)
{
	const struct sm_pixel_format *f = &job->head->format;
	char sop[68];
	if (f->rows >= 0 || f->columns >= 0)
		return NULL;
	sm_dataset_text(&job->set, SOP_CLASS, sop, sizeof sop);
	const char *what = sm_class_no_image(sop);
	if (what)
		return what;
	if (f->bits_allocated >= 0)
		return NULL;
	if (sm_dataset_has(&job->set, DIRECTORY))
		return "a directory of a disc";
	return sm_modality_flags(job->head->modality) & SM_MODALITY_NO_IMAGE ? "" : NULL;
}

/* Defined terms of PS3.3 C.7.6.3.1.2. */
static bool is_photometric(const char *word)
{
	static const char *const words[] = {
		"MONOCHROME1", "MONOCHROME2",     "PALETTE COLOR",   "RGB",     "HSV",
		"ARGB",        "CMYK",            "YBR_FULL",        "YBR_ICT", "YBR_FULL_422",
		"YBR_RCT",     "YBR_PARTIAL_422", "YBR_PARTIAL_420", "XYB"};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(word, words[i]) == 0)
			return true;
	return false;
}

static void read_format(struct sm_head_job *job)
{
	struct sm_pixel_format *f = &job->head->format;
	const struct sm_dataset *set = &job->set;
	f->rows = (int)sm_head_whole(set, ROWS, -1);
	f->columns = (int)sm_head_whole(set, COLUMNS, -1);
	f->samples = (int)sm_head_whole(set, SAMPLES, 1);
	f->frames = 1;
	f->planar = (int)sm_head_whole(set, PLANAR, 0);
	f->bits_allocated = (int)sm_head_whole(set, BITS_ALLOCATED, -1);
	/* Float pixels have no BitsStored, HighBit and PixelRepresentation (PS3.3 C.7.6.24), which
	 * tells them apart before the pixel data is reached. */
	bool bare = !sm_dataset_has(set, BITS_STORED) && !sm_dataset_has(set, PIXEL_SIGN);
	f->is_float = sm_dataset_has(set, FLOAT_PIXELS) || sm_dataset_has(set, DOUBLE_PIXELS) ||
		      (bare && (f->bits_allocated == 32 || f->bits_allocated == 64));
	f->bits_stored = (int)sm_head_whole(set, BITS_STORED, f->bits_allocated);
	f->high_bit = (int)sm_head_whole(set, HIGH_BIT, f->bits_stored - 1);
	f->is_signed = f->is_float || sm_head_whole(set, PIXEL_SIGN, 0) == 1;
	sm_dataset_text(set, PHOTOMETRIC, f->photometric, sizeof f->photometric);
	if (*f->photometric && !is_photometric(f->photometric))
		unknown(f->photometric, sizeof f->photometric);
	job->head->inverted = strcmp(f->photometric, "MONOCHROME1") == 0;
	job->head->tile_rows = f->rows;
	job->head->tile_columns = f->columns;
	job->head->tiles_across = 1;
}

static void judge_bits(struct sm_dcm_head *h)
{
	const struct sm_pixel_format *f = &h->format;
	bool whole = f->bits_allocated == 8 || f->bits_allocated == 16 || f->bits_allocated == 32;
	if (!whole && !(f->is_float && f->bits_allocated == 64))
		sm_head_judge(h, SM_VERDICT_BITS, "BitsAllocated %d, allowed 8, 16 or 32",
			      f->bits_allocated);
	if (f->bits_stored < 1 || f->bits_stored > f->bits_allocated)
		sm_head_judge(h, SM_VERDICT_BITS, "BitsStored %d, allowed 1..%d", f->bits_stored,
			      f->bits_allocated);
	if (f->high_bit < f->bits_stored - 1 || f->high_bit >= f->bits_allocated)
		sm_head_judge(h, SM_VERDICT_BITS, "HighBit %d, allowed %d..%d", f->high_bit,
			      f->bits_stored - 1, f->bits_allocated - 1);
}

static void judge_pixels(struct sm_dcm_head *h)
{
	const struct sm_pixel_format *f = &h->format;
	if (strcmp(h->modality, "SEG") == 0)
		sm_head_judge(h, SM_VERDICT_SEGMENTATION,
			      "modality SEG with BitsAllocated %d holds labels, not a scan",
			      f->bits_allocated);
	if (f->rows < 0 || f->columns < 0) {
		sm_head_judge(h, SM_VERDICT_NO_SIZE, "%s missing%s",
			      f->rows >= 0      ? "Columns is"
			      : f->columns >= 0 ? "Rows is"
						: "Rows and Columns are",
			      f->rows < 0 && f->columns < 0 ? ", as in a file that was cut off"
							    : "");
		return;
	}
	if (f->rows < 1 || f->columns < 1 || f->rows > 65535 || f->columns > 65535)
		sm_head_judge(h, SM_VERDICT_NO_SIZE, "Rows %d and Columns %d, allowed 1..65535",
			      f->rows, f->columns);
	if (!h->syntax || h->syntax->way == SM_SYNTAX_NONE)
		sm_head_judge(h, SM_VERDICT_SYNTAX,
			      "transfer syntax %s%s%s%s, supported are uncompressed, deflated, "
			      "RLE, JPEG, JPEG-LS, JPEG 2000 and HTJ2K",
			      h->syntax_uid, h->syntax ? " (" : "",
			      h->syntax ? h->syntax->name : "", h->syntax ? ")" : "");
	if (f->samples != 1 ||
	    (*f->photometric && strncmp(f->photometric, "MONOCHROME", 10) != 0))
		sm_head_judge(h, SM_VERDICT_COLOUR,
			      "%d sample%s a pixel, %s; supported is MONOCHROME1 or 2", f->samples,
			      f->samples == 1 ? "" : "s",
			      *f->photometric == '?'
				      ? "PhotometricInterpretation of no term that DICOM defines"
			      : *f->photometric ? f->photometric
						: "no photometric interpretation");
	judge_bits(h);
}

bool sm_head_pixels(struct sm_head_job *job)
{
	struct sm_dcm_head *h = job->head;
	read_format(job);
	const char *what = no_image(job);
	if (what) {
		if (sm_modality_flags(h->modality) & SM_MODALITY_NO_IMAGE || !*what)
			sm_head_judge(h, SM_VERDICT_NOT_IMAGE, "modality %s holds no picture",
				      h->modality);
		else
			sm_head_judge(h, SM_VERDICT_NOT_IMAGE,
				      "modality %s, but the object holds no picture: it is %s",
				      h->modality, what);
		return false;
	}
	judge_pixels(h);
	if (!sm_dataset_has(&job->set, PIXELS) && !sm_dataset_has(&job->set, FLOAT_PIXELS) &&
	    !sm_dataset_has(&job->set, DOUBLE_PIXELS))
		sm_head_judge(h, SM_VERDICT_NO_PIXELS, "PixelData is missing");
	if (!*h->series)
		sm_head_judge(h, SM_VERDICT_NO_SERIES, "SeriesInstanceUID is missing");
	return true;
}
