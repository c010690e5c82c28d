/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "ingest/dcm_clock.h"
#include "ingest/dcm_head_in.h"

#define COMPLEX_COMPONENT SM_TAG(0x0008, 0x9208)
#define ACQUISITION_DATE SM_TAG(0x0008, 0x0022)
#define ACQUISITION_TIME SM_TAG(0x0008, 0x0032)
#define ACQUISITION_DATE_TIME SM_TAG(0x0008, 0x002a)
#define ECHO_TIME SM_TAG(0x0018, 0x0081)
#define INVERSION_TIME SM_TAG(0x0018, 0x0082)
#define TRIGGER_TIME SM_TAG(0x0018, 0x1060)
#define FRAME_DURATION SM_TAG(0x0018, 0x1242)
#define ACQUISITION SM_TAG(0x0020, 0x0012)
#define INSTANCE SM_TAG(0x0020, 0x0013)
#define TEMPORAL SM_TAG(0x0020, 0x0100)
#define RESCALE_TYPE SM_TAG(0x0028, 0x1054)
#define FRAME_REFERENCE SM_TAG(0x0054, 0x1300)
#define DECAY_FACTOR SM_TAG(0x0054, 0x1321)

/* Words of ImageType and of Philips' image type (2005,1011) that say what a picture shows. */
static const struct {
	const char *word;
	enum sm_component component;
	bool philips_only; /* too short a word to mean this anywhere */
} components[] = {
	{"M", SM_MAGNITUDE, false},
	{"MAGNITUDE", SM_MAGNITUDE, false},
	{"M_FFE", SM_MAGNITUDE, false},
	{"M_SE", SM_MAGNITUDE, false},
	{"M_IR", SM_MAGNITUDE, false},
	{"P", SM_PHASE, false},
	{"PHASE", SM_PHASE, false},
	{"PHASE MAP", SM_PHASE, false},
	{"PHASE_MAP", SM_PHASE, false},
	{"P_FFE", SM_PHASE, false},
	{"P_SE", SM_PHASE, false},
	{"P_IR", SM_PHASE, false},
	{"R", SM_REAL, false},
	{"REAL", SM_REAL, false},
	{"R_FFE", SM_REAL, false},
	{"R_SE", SM_REAL, false},
	{"R_IR", SM_REAL, false},
	{"I", SM_IMAGINARY, false},
	{"IMAGINARY", SM_IMAGINARY, false},
	{"I_FFE", SM_IMAGINARY, false},
	{"I_SE", SM_IMAGINARY, false},
	{"I_IR", SM_IMAGINARY, false},
	{"B0", SM_FIELD_MAP, false},
	{"B0 MAP", SM_FIELD_MAP, false},
	{"FIELD_MAP", SM_FIELD_MAP, false},
	{"VELOCITY MAP", SM_VELOCITY, false},
	{"VELOCITY_MAP", SM_VELOCITY, false},
	{"ADC", SM_DERIVED_MAP, false},
	{"EADC", SM_DERIVED_MAP, false},
	{"EXP", SM_DERIVED_MAP, false},
	{"FA", SM_DERIVED_MAP, false},
	{"TRACEW", SM_DERIVED_MAP, false},
	{"TRACE", SM_DERIVED_MAP, false},
	{"TENSOR", SM_DERIVED_MAP, false},
	{"DIFFUSION MAP", SM_DERIVED_MAP, false},
	{"T1_MAP", SM_DERIVED_MAP, false},
	{"T1 MAP", SM_DERIVED_MAP, false},
	{"T2_MAP", SM_DERIVED_MAP, false},
	{"T2 MAP", SM_DERIVED_MAP, false},
	{"T2_STAR_MAP", SM_DERIVED_MAP, false},
	{"T2_STAR MAP", SM_DERIVED_MAP, false},
	{"R2_MAP", SM_DERIVED_MAP, false},
	{"R2_STAR_MAP", SM_DERIVED_MAP, false},
	{"DENSITY MAP", SM_DERIVED_MAP, false},
	{"B1", SM_DERIVED_MAP, false},
	{"T1", SM_DERIVED_MAP, true},
	{"T2", SM_DERIVED_MAP, true},
	{"R2", SM_DERIVED_MAP, true},
	{"R2_STAR", SM_DERIVED_MAP, true},
	{"T2_STAR", SM_DERIVED_MAP, true},
	{"CBF", SM_DERIVED_MAP, false},
	{"CBV", SM_DERIVED_MAP, false},
	{"MTT", SM_DERIVED_MAP, false},
	{"TTP", SM_DERIVED_MAP, false},
	{"RCBF", SM_DERIVED_MAP, false},
	{"RCBV", SM_DERIVED_MAP, false},
	{"RMTT", SM_DERIVED_MAP, false},
	{"RTTP", SM_DERIVED_MAP, false},
};

static bool component_of(const char *word, bool philips, enum sm_component *out)
{
	for (size_t i = 0; i < sizeof components / sizeof *components; i++)
		if ((philips || !components[i].philips_only) &&
		    strcmp(components[i].word, word) == 0) {
			*out = components[i].component;
			return true;
		}
	return false;
}

/* Third values of ImageType that may stand in records; others become a hash. */
static const char *const kinds[] = {
	"M",         "P",         "R",        "I",         "ADC",      "EADC",      "FA",
	"EXP",       "TRACEW",    "TRACE",    "TENSOR",    "DIFFUSION", "PERFUSION", "AXIAL",
	"LOCALIZER", "SCOUT",     "OTHER",    "MPR",       "M_FFE",    "P_FFE",     "R_FFE",
	"I_FFE",     "M_SE",      "P_SE",     "R_SE",      "I_SE",     "M_IR",      "P_IR",
	"R_IR",      "I_IR",      "B0",       "FIELD_MAP", "PHASE MAP", "VELOCITY MAP", "T1",
	"T2",        "NONE",      "VOLUME",   "MIP",       "FMRI",     "WHOLE BODY", "STATIC",
	"DYNAMIC",   "CSA MIP",   "CSA MPR",  "PROPELLER", "T1 MAP",   "T2 MAP",    "T1_MAP",
	"T2_MAP",    "UNSPECIFIED", "CBF",    "CBV",       "MTT",      "TTP",       "RCBF",
	"RCBV",      "RMTT",      "RTTP",     "MAGNITUDE", "PHASE",    "REAL",      "IMAGINARY",
	"T2_STAR",   "PROTON_DENSITY", "MIXED", "PERFUSION_MAP", "DERIVED", "PROJECTION IMAGE",
};

void sm_keys_image_type(struct sm_head_job *job, const char *type, struct sm_dcm_frame *f)
{
	char third[64], fourth[64];
	sm_text_value(type, 2, third, sizeof third);
	sm_text_value(type, 3, fourth, sizeof fourth);
	/* "DIFFUSION\ADC", "T1\FIELD_MAP": the fourth value says which picture of several it is. */
	enum sm_component of_fourth;
	bool more = *fourth && strcmp(fourth, "NONE") != 0 &&
		    component_of(fourth, false, &of_fourth) &&
		    (job->head->kind == SM_DCM_ENHANCED || !component_of(third, false, &of_fourth));
	const char *word = more ? fourth : third;
	*f->image_kind = '\0';
	if (*word)
		sm_head_word(job->salt, word, kinds, sizeof kinds / sizeof *kinds, f->image_kind);
	/* Values from the third on; a map named anywhere outweighs "M" before it. */
	bool found = false;
	for (int i = 2; i < 12; i++) {
		char value[64];
		enum sm_component c;
		sm_text_value(type, i, value, sizeof value);
		if (!component_of(value, false, &c))
			continue;
		if (!found || f->component == SM_MAGNITUDE)
			f->component = c;
		found = true;
	}
}

/* The standard's element first, then makers' private ones; ImageType was read before. */
void sm_keys_component(struct sm_head_job *job, const struct sm_dataset *set, struct sm_dcm_frame *f)
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

/* Dates tell on which side of midnight a time is; some anonymisers shift or empty a few of them. */
static void read_time(struct sm_head_job *job, const struct sm_dataset *set, struct sm_dcm_frame *f)
{
	char date[64], text[64];
	double at = NAN;
	if (sm_dataset_text(set, ACQUISITION_TIME, text, sizeof text)) {
		double day = 0;
		if (sm_dataset_text(set, ACQUISITION_DATE, date, sizeof date))
			day = sm_dicom_day(date) * 86400 - job->midnight;
		at = (fabs(day) < 1e6 ? day : 0) + sm_dicom_clock(text);
	} else if (sm_dataset_text(set, ACQUISITION_DATE_TIME, text, sizeof text))
		at = sm_keys_moment(job, text);
	if (!isnan(at))
		f->time = at;
}

double sm_keys_moment(const struct sm_head_job *job, const char *text)
{
	double at = sm_dicom_moment(text, job->zone);
	return at - (isnan(job->midnight) ? floor(at / 86400) * 86400 : job->midnight);
}

void sm_keys_classic(struct sm_head_job *job, const struct sm_dataset *set, struct sm_dcm_frame *f)
{
	f->acquisition = sm_head_whole(set, ACQUISITION, f->acquisition);
	f->instance = sm_head_whole(set, INSTANCE, f->instance);
	f->temporal = sm_head_whole(set, TEMPORAL, f->temporal);
	f->echo_time = sm_dataset_number_or(set, ECHO_TIME, f->echo_time);
	f->inversion_time = sm_dataset_number_or(set, INVERSION_TIME, f->inversion_time);
	f->trigger = sm_dataset_number_or(set, TRIGGER_TIME, f->trigger);
	f->duration = sm_dataset_number_or(set, FRAME_DURATION, f->duration);
	f->reference = sm_dataset_number_or(set, FRAME_REFERENCE, f->reference);
	f->decay_factor = sm_dataset_number_or(set, DECAY_FACTOR, f->decay_factor);
	read_time(job, set, f);
	sm_diffusion_standard(set, f);
	sm_diffusion_private(job, set, f);
}
