/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/series/pet.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/series/dcm_clock.h"

#define DAY 86400.0
#define MOST_HALF_LIVES 12
#define LATE 3600 /* s that an injection may follow the scan's start */

/* What a person may weigh, kg, and be given, Bq. Out of these: another unit (g, MBq, kBq), or a
 * slip. */
#define LEAST_WEIGHT 1
#define MOST_WEIGHT 500
#define LEAST_DOSE 1e6
#define MOST_DOSE 1e11

#define RADIO SM_TAG(0x0054, 0x0016)

static struct sm_pet_number number(double v)
{
	return (struct sm_pet_number){.v = isfinite(v) ? v : 0, .files = isfinite(v)};
}

static double one_number(const struct sm_dataset *set, uint32_t tag)
{
	double v;
	return tag && sm_dataset_exactly(set, tag, &v, 1) ? v : NAN;
}

static double private_number(const struct sm_dataset *set, unsigned group, const char *creator,
			     unsigned element)
{
	return one_number(set, sm_dataset_private(set, group, creator, element));
}

/* A code of the header; "?" for one that is too long to be any. */
static void code(const struct sm_dataset *set, uint32_t tag, char *out, size_t n)
{
	struct sm_element e;
	if (!sm_dataset_text(set, tag, out, n))
		snprintf(out, n, "%s", sm_dataset_find(set, tag, &e) && e.n >= n ? "?" : "");
}

/* First of the dates that is there, as days; 0 when none is: times are then on one nameless day. */
static double day_of(const struct sm_dataset *set, const uint32_t *tags, size_t n)
{
	char text[32];
	for (size_t i = 0; i < n; i++)
		if (sm_dataset_text(set, tags[i], text, sizeof text) && !isnan(sm_dicom_day(text)))
			return sm_dicom_day(text);
	return 0;
}

static double clock_of(const struct sm_dataset *set, uint32_t tag)
{
	char text[64];
	return sm_dataset_text(set, tag, text, sizeof text) ? sm_dicom_clock(text) : NAN;
}

static double moment_of(const struct sm_dataset *set, uint32_t tag, const char *zone)
{
	char text[64];
	return tag && sm_dataset_text(set, tag, text, sizeof text) ? sm_dicom_moment(text, zone)
								   : NAN;
}

double sm_pet_average_time(double half_life, double duration)
{
	double l = log(2) / half_life, x = l * duration;
	/* The quotient loses its digits for short frames; the series is exact to 1e-13 there. */
	return x < 1e-3 ? duration * (0.5 - x / 24) : log(x / -expm1(-x)) / l;
}

static void read_radio(struct sm_pet *one, const struct sm_dataset *main, const char *zone)
{
	struct sm_dataset item, coded;
	struct sm_dicom_items it = sm_dataset_items(main, RADIO);
	char text[96];
	const char *name;
	if (!sm_dicom_items_next(&it, &item))
		return;
	one->dose = number(one_number(&item, SM_TAG(0x0018, 0x1074)));
	one->half_life = number(one_number(&item, SM_TAG(0x0018, 0x1075)));
	one->molar = number(one_number(&item, SM_TAG(0x0018, 0x1077)));
	one->volume = number(one_number(&item, SM_TAG(0x0018, 0x1071)));
	one->injected = number(moment_of(&item, SM_TAG(0x0018, 0x1078), zone));
	one->injected_clock = number(clock_of(&item, SM_TAG(0x0018, 0x1072)));
	if (sm_dataset_item(&item, SM_TAG(0x0054, 0x0300), &coded) &&
	    sm_dataset_text(&coded, SM_TAG(0x0008, 0x0100), text, sizeof text) &&
	    (name = sm_pet_nuclide(text)))
		snprintf(one->nuclide, sizeof one->nuclide, "%s", name);
	name = NULL;
	if (sm_dataset_item(&item, SM_TAG(0x0054, 0x0304), &coded) &&
	    sm_dataset_text(&coded, SM_TAG(0x0008, 0x0100), text, sizeof text))
		name = sm_pet_tracer(text);
	if (!name && sm_dataset_text(&item, SM_TAG(0x0018, 0x0031), text, sizeof text))
		name = sm_pet_tracer_text(text);
	if (name)
		snprintf(one->tracer, sizeof one->tracer, "%s", name);
	/* Two tracers: which dose and which time would be a guess. */
	if (sm_dicom_items_next(&it, &item))
		one->dose.mixed = one->half_life.mixed = one->injected.mixed =
			one->injected_clock.mixed = true;
}

/* Enhanced objects tell their corrections by elements of their own. */
static void read_enhanced(struct sm_pet *one, const struct sm_dataset *main, const char *zone)
{
	char text[32];
	code(main, SM_TAG(0x0018, 0x9758), text, sizeof text);
	one->decayed |= strcmp(text, "YES") == 0;
	code(main, SM_TAG(0x0018, 0x9759), text, sizeof text);
	one->attenuation |= strcmp(text, "YES") == 0;
	one->reference = number(moment_of(main, SM_TAG(0x0018, 0x9701), zone));
	if (one->reference.files && one->decayed && !*one->decay)
		snprintf(one->decay, sizeof one->decay, "START");
}

/* The earliest start of an enhanced object's frames, in *end the latest end; NAN when not all
 * tell. */
static double first_frame(const struct sm_dataset *main, const char *zone, double *end)
{
	static const uint32_t days[] = {SM_TAG(0x0008, 0x0022)};
	struct sm_dataset frame, item;
	struct sm_dicom_items it = sm_dataset_items(main, SM_TAG(0x5200, 0x9230));
	double first = NAN;
	*end = NAN;
	for (size_t n = 0; sm_dicom_items_next(&it, &frame); n++) {
		double at = NAN, lasts = NAN;
		if (sm_dataset_item(&frame, SM_TAG(0x0020, 0x9111), &item)) {
			at = moment_of(&item, SM_TAG(0x0018, 0x9074), zone);
			lasts = one_number(&item, SM_TAG(0x0018, 0x9220)) / 1000;
		}
		/* legacy converted: classic elements */
		if (isnan(at) && sm_dataset_item(&frame, SM_TAG(0x0020, 0x9171), &item)) {
			double day = day_of(&item, days, 1);
			day = day > 0 ? day
				      : day_of(main, (uint32_t[]){days[0], SM_TAG(0x0008, 0x0020)},
					       2);
			at = day * DAY + clock_of(&item, SM_TAG(0x0008, 0x0032));
			lasts = one_number(&item, SM_TAG(0x0018, 0x1242)) / 1000;
		}
		if (isnan(at)) {
			*end = NAN;
			return NAN;
		}
		first = n == 0 || at < first ? at : first;
		/* One that is not known stays unknown. */
		if (n == 0 || !(at + lasts <= *end))
			*end = n && isnan(*end) ? NAN : at + lasts;
	}
	return first;
}

static void read_times(struct sm_pet *one, const struct sm_dataset *main, const char *zone)
{
	static const uint32_t series_days[] = {SM_TAG(0x0008, 0x0021), SM_TAG(0x0008, 0x0022),
					       SM_TAG(0x0008, 0x0020)};
	static const uint32_t frame_days[] = {SM_TAG(0x0008, 0x0022), SM_TAG(0x0008, 0x0021),
					      SM_TAG(0x0008, 0x0020)};
	double acquired =
		day_of(main, frame_days, 3) * DAY + clock_of(main, SM_TAG(0x0008, 0x0032));
	double reference = one_number(main, SM_TAG(0x0054, 0x1300)) / 1000;
	double duration = one_number(main, SM_TAG(0x0018, 0x1242)) / 1000;
	one->series =
		number(day_of(main, series_days, 3) * DAY + clock_of(main, SM_TAG(0x0008, 0x0031)));
	double end, frame = first_frame(main, zone, &end);
	if (!isnan(frame))
		acquired = frame;
	if (isnan(acquired))
		acquired = moment_of(main, SM_TAG(0x0008, 0x002a), zone);
	if (isnan(frame)) {
		end = acquired + duration;
		/* Some write the series' start into every frame. */
		if (reference > 0 && one->series.files &&
		    one->series.v + reference + duration > end)
			end = one->series.v + reference + duration;
	}
	one->ge_scan = number(
		moment_of(main, sm_dataset_private(main, 0x0009, "GEMS_PETD_01", 0x0d), zone));
	if (isnan(acquired))
		return;
	one->acquisitions = 1;
	one->first_acquisition = acquired;
	one->ends = !isnan(end);
	one->last_end = isnan(end) ? 0 : end;
	if (reference > 0 && duration > 0 && one->half_life.files && one->half_life.v > 0) {
		one->backs = 1;
		one->first_back =
			acquired - reference + sm_pet_average_time(one->half_life.v, duration);
	}
}

/* Where an element stands: in the main data set, or where a legacy converted object keeps it. */
static const struct sm_dataset *with(const struct sm_dataset *main, const struct sm_dataset *legacy,
				     uint32_t tag)
{
	return legacy->bytes && !sm_dataset_has(main, tag) ? legacy : main;
}

static void read_code(const struct sm_dataset *main, const struct sm_dataset *legacy, uint32_t tag,
		      char *out, size_t n)
{
	code(with(main, legacy, tag), tag, out, n);
}

void sm_pet_read(struct sm_pet *into, const struct sm_dicom *dcm, const char *units)
{
	struct sm_dataset main = sm_dicom_data(dcm), legacy = {0};
	sm_legacy_shared(&main, &legacy);
	struct sm_pet one = {.files = 1};
	char text[128], zone[8];
	code(&main, SM_TAG(0x0008, 0x0201), zone, sizeof zone);
	snprintf(one.units, sizeof one.units, "%s", units);
	read_code(&main, &legacy, SM_TAG(0x0054, 0x1102), one.decay, sizeof one.decay);
	read_code(&main, &legacy, SM_TAG(0x0054, 0x1006), one.suv_type, sizeof one.suv_type);
	read_code(&main, &legacy, SM_TAG(0x0028, 0x0051), text, sizeof text);
	one.attenuation = sm_text_has(text, "ATTN");
	one.decayed = sm_text_has(text, "DECY");
	one.weight = number(one_number(with(&main, &legacy, SM_TAG(0x0010, 0x1030)),
				       SM_TAG(0x0010, 0x1030)));
	one.philips_suv = number(private_number(&main, 0x7053, "Philips PET Private Group", 0x00));
	one.philips_bq = number(private_number(&main, 0x7053, "Philips PET Private Group", 0x09));
	double n = one_number(&main, SM_TAG(0x0054, 0x0081));
	one.slices_declared = n > 0 && n < 1e9 ? (long)n : 0;
	n = one_number(&main, SM_TAG(0x0054, 0x0101));
	one.times_declared = n > 0 && n < 1e9 ? (long)n : 0;
	read_radio(&one, with(&main, &legacy, RADIO), zone);
	read_times(&one, &main, zone);
	if (sm_dataset_has(&main, SM_TAG(0x5200, 0x9229)))
		read_enhanced(&one, &main, zone);
	sm_pet_join(into, &one);
}

static void join_number(struct sm_pet_number *a, const struct sm_pet_number *b)
{
	a->mixed |= b->mixed || (a->files && b->files && a->v != b->v);
	if (!a->files || (b->files && b->v < a->v))
		a->v = b->v;
	a->files += b->files;
}

static void join_code(char *a, const char *b)
{
	if (strcmp(a, b) != 0)
		memcpy(a, "?", 2);
}

void sm_pet_join(struct sm_pet *a, const struct sm_pet *b)
{
	if (!a->files || !b->files) {
		if (b->files)
			*a = *b;
		return;
	}
	a->files += b->files;
	join_code(a->units, b->units);
	join_code(a->decay, b->decay);
	join_code(a->suv_type, b->suv_type);
	join_code(a->nuclide, b->nuclide);
	join_code(a->tracer, b->tracer);
	a->attenuation &= b->attenuation;
	a->decayed &= b->decayed;
	struct sm_pet_number *x[] = {&a->weight,   &a->dose,           &a->half_life,
				     &a->molar,    &a->volume,         &a->series,
				     &a->injected, &a->injected_clock, &a->reference,
				     &a->ge_scan,  &a->philips_suv,    &a->philips_bq};
	const struct sm_pet_number *y[] = {&b->weight,   &b->dose,           &b->half_life,
					   &b->molar,    &b->volume,         &b->series,
					   &b->injected, &b->injected_clock, &b->reference,
					   &b->ge_scan,  &b->philips_suv,    &b->philips_bq};
	for (size_t i = 0; i < sizeof x / sizeof *x; i++)
		join_number(x[i], y[i]);
	if (b->acquisitions && (!a->acquisitions || b->first_acquisition < a->first_acquisition))
		a->first_acquisition = b->first_acquisition;
	if (b->backs && (!a->backs || b->first_back < a->first_back))
		a->first_back = b->first_back;
	if (b->ends && (!a->ends || b->last_end > a->last_end))
		a->last_end = b->last_end;
	a->acquisitions += b->acquisitions;
	a->backs += b->backs;
	a->ends += b->ends;
	/* Counts that differ are no count. */
	a->slices_declared = a->slices_declared == b->slices_declared ? a->slices_declared : 0;
	a->times_declared = a->times_declared == b->times_declared ? a->times_declared : 0;
}

bool sm_pet_told(const struct sm_pet *p, const struct sm_pet_number *n)
{
	return p->files && n->files == p->files && !n->mixed;
}

/* The start of the scan, which values with DecayCorrection START are corrected to. */
static void find_scan(const struct sm_pet *p, struct sm_pet_suv *out)
{
	bool acquired = p->files && p->acquisitions == p->files;
	if (sm_pet_told(p, &p->reference)) {
		out->scan = p->reference.v;
		out->scan_from = "DecayCorrectionDateTime";
	} else if (sm_pet_told(p, &p->series) && acquired && p->series.v <= p->first_acquisition) {
		out->scan = p->series.v;
		out->scan_from = "SeriesTime";
	} else if (sm_pet_told(p, &p->ge_scan)) {
		out->scan = p->ge_scan.v;
		out->scan_from = "GE scan time (0009,100D)";
	} else if (acquired && p->backs == p->files) {
		out->scan = p->first_back;
		out->scan_from = "AcquisitionTime, FrameReferenceTime";
	}
}

/* The injection, given the scan. */
static void find_injection(const struct sm_pet *p, struct sm_pet_suv *out)
{
	double half_life = sm_pet_told(p, &p->half_life) ? p->half_life.v : 0;
	double before = out->scan - p->injected.v, day = floor(out->scan / DAY) * DAY;
	bool told = sm_pet_told(p, &p->injected);
	if (isnan(out->scan))
		return;
	/* Behind the scan it is a slip that its time of day does not mend. */
	if (told && before < -LATE && before >= -DAY)
		out->injection = p->injected.v;
	if (!isnan(out->injection) || !(half_life > 0))
		return;
	if (told && before >= -LATE && before <= MOST_HALF_LIVES * half_life) {
		out->injection = p->injected.v;
		return;
	}
	/* A clock without its day says nothing when the tracer lasts for days. */
	if (!sm_pet_told(p, &p->injected_clock) || half_life > DAY)
		return;
	double at = day + p->injected_clock.v;
	if (at > out->scan + LATE)
		at -= DAY;
	else if (at + DAY <= out->scan + LATE)
		at += DAY;
	out->injection = at;
	/* A time on the scan's own day is what most mean who write no date. */
	out->guessed = told || at < day || at >= day + DAY;
}

/* The first thing that is missing, or NULL. */
static const char *obstacle(const struct sm_pet *p, const struct sm_pet_suv *out)
{
	if (!sm_pet_told(p, &p->weight) || !(p->weight.v > 0))
		return "PatientWeight is absent, 0 or not the same in all files";
	if (!sm_pet_told(p, &p->dose) || !(p->dose.v > 0))
		return "RadionuclideTotalDose is absent, 0, not the same in all files, or one of "
		       "several tracers'";
	if (p->weight.v < LEAST_WEIGHT || p->weight.v > MOST_WEIGHT)
		return "PatientWeight is not within 1 to 500: it cannot be a person's in kg";
	if (p->dose.v < LEAST_DOSE || p->dose.v > MOST_DOSE)
		return "RadionuclideTotalDose is not within 1e6 to 1e11: it cannot be in Bq";
	/* Frames that end before the scan began have the wrong day. */
	if (p->ends == p->files && out->injection >= p->last_end && p->last_end > out->scan)
		return "the injection lies after the end of the last frame";
	if (out->injection - out->scan > LATE)
		return "the injection lies more than an hour after the start of the scan";
	if (strcmp(p->decay, "ADMIN") == 0)
		return NULL;
	if (strcmp(p->decay, "START") != 0)
		return "DecayCorrection is neither START nor ADMIN";
	if (!sm_pet_told(p, &p->half_life) || !(p->half_life.v > 0))
		return "RadionuclideHalfLife is absent, 0 or not the same in all files";
	if (!out->scan_from)
		return "the start of the scan is not known: SeriesTime lies after AcquisitionTime "
		       "or "
		       "one of them is absent, and neither GE's scan time nor FrameReferenceTime "
		       "helps";
	if (isnan(out->injection))
		return "the time of injection is not known: RadiopharmaceuticalStartDateTime and "
		       "RadiopharmaceuticalStartTime are absent or do not fit the scan";
	if ((out->scan - out->injection) / p->half_life.v > MOST_HALF_LIVES)
		return out->guessed ? "the date of the injection is absent or does not fit the "
				      "scan, and by its time of day it lies more than an hour "
				      "after the scan's start or more than 12 half-lives before it"
				    : "the injection lies more than 12 half-lives before the scan";
	return NULL;
}

/* To 12 digits: the last bits of exp2 and log differ between machines, and outputs must not. */
static double rounded(double v)
{
	char text[32];
	snprintf(text, sizeof text, "%.11e", v);
	return strtod(text, NULL);
}

static void becquerel(const struct sm_pet *p, struct sm_pet_suv *out, double to_bq)
{
	const char *why = obstacle(p, out);
	if (why) {
		snprintf(out->why, sizeof out->why, "%s", why);
		return;
	}
	double decay = strcmp(p->decay, "ADMIN") == 0
			       ? 1
			       : exp2(-(out->scan - out->injection) / p->half_life.v);
	out->known = true;
	out->tells_weight = true;
	out->factor = rounded(to_bq * p->weight.v * 1000 / (p->dose.v * decay));
}

/* SUV is by body weight unless SUVType says otherwise. */
static bool is_by_weight(const char *suv_type)
{
	return !*suv_type || strcmp(suv_type, "BW") == 0;
}

enum sm_meaning sm_pet_meaning(const char *units, const char *suv_type)
{
	if (strcmp(units, "BQML") == 0)
		return SM_MEANING_BQML;
	return strcmp(units, "GML") == 0 && is_by_weight(suv_type) ? SM_MEANING_SUV
								   : SM_MEANING_ARBITRARY;
}

void sm_pet_suv(const struct sm_pet *p, struct sm_pet_suv *out)
{
	*out = (struct sm_pet_suv){.scan = NAN, .injection = NAN, .reference = NAN};
	find_scan(p, out);
	find_injection(p, out);
	if (strcmp(p->decay, "ADMIN") == 0)
		out->reference = out->injection;
	else if (strcmp(p->decay, "START") == 0)
		out->reference = out->scan;
	const char *units = sm_pet_units(p->units) ? p->units : "";
	bool body = is_by_weight(p->suv_type);
	if (!p->attenuation || !p->decayed)
		snprintf(out->why, sizeof out->why, "CorrectedImage lacks %s",
			 p->attenuation ? "DECY" : "ATTN");
	else if (strcmp(units, "GML") == 0 && body) {
		out->known = true;
		out->factor = 1;
	} else if (strcmp(units, "GML") == 0)
		snprintf(out->why, sizeof out->why,
			 "SUVType is not BW: the values are SUV of another kind");
	else if (strcmp(units, "BQML") == 0)
		becquerel(p, out, 1);
	else if (strcmp(units, "CNTS") == 0 && sm_pet_told(p, &p->philips_suv) &&
		 p->philips_suv.v > 0) {
		out->known = true;
		out->factor = p->philips_suv.v;
	} else if (strcmp(units, "CNTS") == 0 && sm_pet_told(p, &p->philips_bq) &&
		   p->philips_bq.v > 0)
		becquerel(p, out, p->philips_bq.v);
	else if (*units)
		snprintf(out->why, sizeof out->why, "Units is %s: no SUV follows from it%s", units,
			 strcmp(units, "CNTS") == 0 ? " without Philips' private factors" : "");
	else
		snprintf(out->why, sizeof out->why,
			 "Units is absent, unknown or not the same in all files");
	if (out->known && !(out->factor >= (double)FLT_MIN && out->factor <= (double)FLT_MAX)) {
		out->known = false;
		snprintf(out->why, sizeof out->why,
			 "the factor would not be a positive number of float32");
	}
}

void sm_pet_no_suv(const struct sm_pet_suv *suv, char why[SM_PET_NO_SUV_SIZE])
{
	snprintf(why, SM_PET_NO_SUV_SIZE,
		 "no SUV can be computed: %s (ingest.pet_units: stored keeps the unit)", suv->why);
}

enum sm_status sm_pet_to_suv(struct sm_vol *vol, const struct sm_pet_suv *suv, struct sm_mem *mem,
			     int jobs, struct sm_err *err)
{
	char why[SM_PET_NO_SUV_SIZE];
	if (!suv->known) {
		sm_pet_no_suv(suv, why);
		return SM_FAIL(err, SM_INPUT, "%s: %s", sm_verdict_code(SM_VERDICT_NO_SUV), why);
	}
	SM_TRY(sm_vol_to_f32(vol, mem, jobs, err));
	float *v = vol->data, before = 0, after = 0;
	size_t n = sm_vol_count(vol), lost = 0;
	for (size_t i = 0; i < n; i++) {
		float was = v[i], is = (float)(was * suv->factor);
		v[i] = is;
		lost += was - was == 0 && is - is != 0;
		before = fabsf(was) > before ? fabsf(was) : before;
		after = fabsf(is) > after ? fabsf(is) : after;
	}
	vol->meaning = SM_MEANING_SUV;
	/* Numbers that become infinite, or all of them nothing. */
	if (lost || (before > 0 && after < FLT_MIN))
		return SM_FAIL(
			err, SM_INPUT,
			"%s: the factor to SUV leads %zu of %zu voxels out of float32's range "
			"(ingest.pet_units: stored keeps the unit)",
			sm_verdict_code(SM_VERDICT_NO_SUV), lost ? lost : n, n);
	return SM_OK;
}
