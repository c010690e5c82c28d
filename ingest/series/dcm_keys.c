/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "ingest/series/dcm_clock.h"
#include "ingest/series/dcm_head_in.h"
#include "ingest/series/image_words.h"

#define COMPLEX_COMPONENT SM_TAG(0x0008, 0x9208)
#define ACQUISITION_DATE SM_TAG(0x0008, 0x0022)
#define ACQUISITION_TIME SM_TAG(0x0008, 0x0032)
#define ACQUISITION_DATE_TIME SM_TAG(0x0008, 0x002a)
#define CONTRAST_AGENT SM_TAG(0x0018, 0x0010)
#define KVP SM_TAG(0x0018, 0x0060)
#define ECHO_TIME SM_TAG(0x0018, 0x0081)
#define INVERSION_TIME SM_TAG(0x0018, 0x0082)
#define ACQUISITION_TYPE SM_TAG(0x0018, 0x0023)
#define REPETITION_TIME SM_TAG(0x0018, 0x0080)
#define TRIGGER_TIME SM_TAG(0x0018, 0x1060)
#define FRAME_DURATION SM_TAG(0x0018, 0x1242)
#define FILTER_TYPE SM_TAG(0x0018, 0x1160)
#define KERNEL SM_TAG(0x0018, 0x1210)
#define FLIP_ANGLE SM_TAG(0x0018, 0x1314)
#define ACQUISITION SM_TAG(0x0020, 0x0012)
#define INSTANCE SM_TAG(0x0020, 0x0013)
#define TEMPORAL SM_TAG(0x0020, 0x0100)
#define RESCALE_TYPE SM_TAG(0x0028, 0x1054)
#define FRAME_REFERENCE SM_TAG(0x0054, 0x1300)
#define DECAY_FACTOR SM_TAG(0x0054, 0x1321)

static bool component_of(const char *word, bool philips, enum sm_component *out)
{
	const struct sm_image_word *row = sm_image_word_find(word);
	if (!row || row->component < 0 || (row->philips_only && !philips))
		return false;
	*out = (enum sm_component)row->component;
	return true;
}

/* 8 hex digits of the salted hash of a text, "" for an empty one. */
static void short_hash(const struct sm_head_job *job, const char *text, char out[9])
{
	char hex[65];
	*out = '\0';
	if (!*text)
		return;
	sm_salt_hash(job->salt, text, hex);
	memcpy(out, hex, 8);
	out[8] = '\0';
}

/* The third value, or the fourth when it says which picture of several this is ("DIFFUSION\ADC",
 * "T1\FIELD_MAP"). */
static void image_kind(struct sm_head_job *job, const char *type, struct sm_dcm_frame *f)
{
	char third[64], fourth[64];
	enum sm_component c;
	sm_text_value(type, 2, third, sizeof third);
	sm_text_value(type, 3, fourth, sizeof fourth);
	bool more = *fourth && strcmp(fourth, "NONE") != 0 && component_of(fourth, false, &c) &&
		    (job->head->kind == SM_DCM_ENHANCED || !component_of(third, false, &c));
	const char *word = more ? fourth : third;
	const struct sm_image_word *row = sm_image_word_find(word);
	*f->image_kind = '\0';
	if (row)
		snprintf(f->image_kind, sizeof f->image_kind, "%s", row->word);
	else if (*word)
		sm_head_word(job->salt, word, NULL, 0, f->image_kind);
}

/* ImageType without the last word by which scanmill's own derived series (derive/) tell predicted
 * slices from others: both are slices of one volume. */
static void without_mark(const char *type, char *out, size_t n)
{
	static const char *const marks[] = {"\\SYNTHETIC", "\\COPIED", "\\PROCESSED",
					    "\\CONVERTED"};
	snprintf(out, n, "%s", type);
	if (strncmp(out, "DERIVED\\", strlen("DERIVED\\")) != 0)
		return;
	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
		if (sm_ends_with(out, marks[i])) {
			out[strlen(out) - strlen(marks[i])] = '\0';
			return;
		}
}

void sm_keys_image_type(struct sm_head_job *job, const char *whole, struct sm_dcm_frame *f)
{
	bool found = false, weak = true;
	char type[1024];
	without_mark(whole, type, sizeof type);
	const char *rest = type;
	image_kind(job, type, f);
	for (int i = 0; i < 2 && rest; i++) {
		rest = strchr(rest, '\\');
		if (rest)
			rest++;
	}
	short_hash(job, rest ? rest : "", f->image_words);
	*f->shows = '\0';
	/* Values from the third on; a map named anywhere outweighs "M" before it, and what a
	 * picture shows how it was made. */
	for (int i = 2; i < 16; i++) {
		char value[64];
		sm_text_value(type, i, value, sizeof value);
		const struct sm_image_word *row = sm_image_word_find(value);
		if (!row)
			continue;
		if (*row->shows && weak && (!*f->shows || !row->weak)) {
			snprintf(f->shows, sizeof f->shows, "%s", row->shows);
			weak = row->weak;
		}
		if (row->component < 0 || row->philips_only)
			continue;
		if (!found || f->component == SM_MAGNITUDE)
			f->component = (enum sm_component)row->component;
		found = true;
	}
}

/* The standard's element first, then makers' private ones; ImageType was read before. */
void sm_keys_component(struct sm_head_job *job, const struct sm_dataset *set,
		       struct sm_dcm_frame *f)
{
	static const enum sm_component ge[4] = {SM_MAGNITUDE, SM_PHASE, SM_REAL, SM_IMAGINARY};
	char text[64];
	double raw;
	enum sm_component c;
	const char *maker = job->head->maker;
	bool map = f->component >= SM_FIELD_MAP;
	if (sm_dataset_text(set, COMPLEX_COMPONENT, text, sizeof text) && !map &&
	    component_of(text, false, &c))
		f->component = c;
	if (!*maker || strcmp(maker, "ge") == 0) {
		uint32_t tag = sm_dataset_private(set, 0x0043, "GEMS_PARM_01", 0x2f);
		if (tag && sm_dataset_exactly(set, tag, &raw, 1) && raw >= 0 && raw <= 3 && !map)
			f->component = ge[(int)raw];
	}
	if (!*maker || strcmp(maker, "philips") == 0) {
		uint32_t tag = sm_dataset_private(set, 0x2005, "Philips MR Imaging DD 001", 0x11);
		if (tag && sm_dataset_text(set, tag, text, sizeof text) &&
		    component_of(text, true, &c))
			f->component = c;
	}
	if (sm_dataset_text(set, RESCALE_TYPE, text, sizeof text) && strcmp(text, "Hz") == 0)
		f->component = SM_FIELD_MAP;
}

/* 0:00 of the day that times count from. Without StudyDate it hides behind the study's salted hash:
 * any day will do that is the same for all its files. */
static double zero_of(const struct sm_head_job *job)
{
	char digits[4] = "";
	if (!isnan(job->midnight))
		return job->midnight;
	memcpy(digits, job->head->study, 3);
	return 86400.0 * (double)strtol(digits, NULL, 16);
}

double sm_keys_moment(const struct sm_head_job *job, const char *text)
{
	return sm_dicom_moment(text, job->zone) - zero_of(job);
}

/* Only a date tells on which side of midnight a time is: an undated one is kept as such. */
static void read_time(struct sm_head_job *job, const struct sm_dataset *set, struct sm_dcm_frame *f)
{
	char text[64];
	double at = NAN, clock = NAN;
	if (sm_dataset_text(set, ACQUISITION_TIME, text, sizeof text))
		clock = sm_dicom_clock(text);
	if (!isnan(clock) && sm_dataset_text(set, ACQUISITION_DATE, text, sizeof text))
		at = sm_dicom_day(text) * 86400 + clock - zero_of(job);
	if (isnan(at) && sm_dataset_text(set, ACQUISITION_DATE_TIME, text, sizeof text))
		at = sm_keys_moment(job, text);
	if (isnan(at) && isnan(clock))
		return;
	f->dated = !isnan(at);
	f->time = f->dated ? at : clock;
}

double sm_keys_repetition(const struct sm_head_job *job, const struct sm_dataset *set,
			  double fallback)
{
	char type[16];
	bool volume = sm_dataset_text(&job->set, ACQUISITION_TYPE, type, sizeof type) &&
		      strcmp(type, "3D") == 0;
	return volume || strcmp(job->head->modality, "MR") != 0
		       ? NAN
		       : sm_dataset_number_or(set, REPETITION_TIME, fallback);
}

/* The first number of a kernel's name orders kernels: B30f is softer than B70f. */
void sm_keys_ct(struct sm_head_job *job, const struct sm_dataset *set, struct sm_dcm_frame *f)
{
	char text[256];
	f->kvp = sm_dataset_number_or(set, KVP, f->kvp);
	if (!sm_dataset_text(set, KERNEL, text, sizeof text))
		return;
	short_hash(job, text, f->kernel);
	const char *digit = text;
	while (*digit && !isdigit((unsigned char)*digit))
		digit++;
	f->kernel_number = *digit ? strtod(digit, NULL) : NAN;
}

/* What is set once for a whole scan; numbers of slices, which exposure and times may be, are
 * not. */
static void read_setting(struct sm_head_job *job, const struct sm_dataset *set,
			 struct sm_dcm_frame *f)
{
	static const uint32_t tags[] = {CONTRAST_AGENT, FILTER_TYPE, FLIP_ANGLE};
	char all[256] = "", text[64];
	size_t n = 0;
	for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
		if (sm_dataset_text(set, tags[i], text, sizeof text))
			n += (size_t)snprintf(all + n, sizeof all - n, "%zu=%s;", i, text);
	if (n)
		short_hash(job, all, f->setting);
}

void sm_keys_classic(struct sm_head_job *job, const struct sm_dataset *set, struct sm_dcm_frame *f)
{
	f->acquisition = sm_head_whole(set, ACQUISITION, f->acquisition);
	f->instance = sm_head_whole(set, INSTANCE, f->instance);
	f->temporal = sm_head_whole(set, TEMPORAL, f->temporal);
	f->echo_time = sm_dataset_number_or(set, ECHO_TIME, f->echo_time);
	f->inversion_time = sm_dataset_number_or(set, INVERSION_TIME, f->inversion_time);
	sm_keys_ct(job, set, f);
	read_setting(job, set, f);
	f->trigger = sm_dataset_number_or(set, TRIGGER_TIME, f->trigger);
	f->duration = sm_dataset_number_or(set, FRAME_DURATION, f->duration);
	f->reference = sm_dataset_number_or(set, FRAME_REFERENCE, f->reference);
	f->decay_factor = sm_dataset_number_or(set, DECAY_FACTOR, f->decay_factor);
	f->repetition = sm_keys_repetition(job, set, f->repetition);
	read_time(job, set, f);
	sm_diffusion_standard(set, f);
	sm_diffusion_private(job, set, f);
}
