/* SPDX-License-Identifier: Apache-2.0
 *
 * The frame table of a PET volume, and its PET-BIDS fields.
 */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/series/pet.h"
#include "ingest/series/sidecar.h"

/* What the slices of one time point say together. */
struct point {
	double acquired, reference, duration, factor; /* s, s, s, 1; NAN = not all slices have it */
	bool durations, factors;                      /* differ from slice to slice */
};

static double lowest(double a, double b)
{
	return isnan(a) || isnan(b) ? NAN : a < b ? a : b;
}

static struct point point_of(const struct sm_dcm_head *heads, const struct sm_series *s, size_t t)
{
	struct point p = {0};
	for (size_t k = 0; k < s->depth; k++) {
		const struct sm_slice *slice = &s->slice[t * s->depth + k];
		const struct sm_dcm_frame *f = &heads[slice->head].frame[slice->frame];
		struct point one = {f->time, f->reference / 1000, f->duration / 1000,
				    f->decay_factor, false, false};
		if (k == 0) {
			p = one;
			continue;
		}
		p.durations |=
			!isnan(p.duration) && !isnan(one.duration) && p.duration != one.duration;
		p.factors |= !isnan(p.factor) && !isnan(one.factor) && p.factor != one.factor;
		p.acquired = lowest(p.acquired, one.acquired);
		p.reference = lowest(p.reference, one.reference);
		p.duration = lowest(p.duration, one.duration);
		p.factor = lowest(p.factor, one.factor);
	}
	if (p.factors)
		p.factor = NAN;
	return p;
}

static bool grow(const double *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (isnan(v[i]) || (i && !(v[i] > v[i - 1])))
			return false;
	return n > 0;
}

static double micro(double seconds)
{
	double v = floor(seconds * 1e6 + 0.5) / 1e6;
	return v == 0 ? 0 : v; /* no -0 */
}

/* Starts from one source or the other: acquisition times unless these do not grow while reference
 * times do (some write the series' start into every frame). */
static void find_starts(const struct sm_pet *pet, const struct point *p, struct sm_pet_table *t)
{
	bool half_life = pet->half_life.files && !pet->half_life.mixed && pet->half_life.v > 0;
	bool acquired = true;
	for (size_t i = 0; i < t->times; i++) {
		t->start[i] = p[i].acquired;
		acquired = acquired && !isnan(p[i].acquired);
	}
	t->start_from = acquired ? "AcquisitionTime" : NULL;
	if (!grow(t->start, t->times)) {
		double *other = t->factor; /* free until the table is filled */
		for (size_t i = 0; i < t->times; i++)
			other[i] = p[i].reference -
				   (half_life && p[i].duration > 0
					    ? sm_pet_average_time(pet->half_life.v, p[i].duration)
					    : p[i].duration / 2);
		if (grow(other, t->times)) {
			memcpy(t->start, other, t->times * sizeof *other);
			t->start_from = "FrameReferenceTime";
			t->first = t->start[0];
		}
	}
	double first = t->start[0];
	for (size_t i = 0; i < t->times; i++)
		t->start[i] = micro(t->start[i] - first);
}

static void judge(const struct sm_pet *pet, const struct sm_series *s, const struct point *p,
		  struct sm_pet_table *t)
{
	bool start = strcmp(pet->decay, "START") == 0 && pet->half_life.files &&
		     !pet->half_life.mixed && pet->half_life.v > 0;
	unsigned w = 0;
	if (t->start_from && !t->gated && !grow(t->start, t->times))
		w |= 1u << SM_PET_TIMES_DISORDERED;
	for (size_t i = 0; i < t->times; i++) {
		if (p[i].duration <= 0)
			w |= 1u << SM_PET_DURATION;
		if (p[i].durations || p[i].factors)
			w |= 1u << SM_PET_BEDS;
		if (i && !t->gated && t->start[i] - t->start[i - 1] < t->duration[i - 1] - 1)
			w |= 1u << SM_PET_OVERLAP;
		/* Some makers leave FrameReferenceTime 0: nothing to compare with. */
		if (start && p[i].reference > 0 && p[i].factor > 0 &&
		    fabs(p[i].factor / exp2(p[i].reference / pet->half_life.v) - 1) > 0.01)
			w |= 1u << SM_PET_FACTOR;
	}
	if (pet->times_declared && (size_t)pet->times_declared != t->times)
		w |= 1u << SM_PET_TIMES_DIFFER;
	if (pet->slices_declared && (size_t)pet->slices_declared != s->depth)
		w |= 1u << SM_PET_SLICES_DIFFER;
	struct sm_pet_suv suv;
	sm_pet_suv(pet, &suv);
	if (suv.injection - suv.scan > 60)
		w |= 1u << SM_PET_LATE;
	if (suv.guessed)
		w |= 1u << SM_PET_DAY;
	t->warnings = w;
}

const char *sm_pet_warning_text(enum sm_pet_warning w)
{
	static const char *const text[] = {
		[SM_PET_TIMES_DISORDERED] =
			"PET: the frames' start times do not grow from time point to time point",
		[SM_PET_DURATION] = "PET: ActualFrameDuration is not positive",
		[SM_PET_OVERLAP] = "PET: a frame begins before the one before it ends",
		[SM_PET_TIMES_DIFFER] =
			"PET: NumberOfTimeSlices is not the number of time points found",
		[SM_PET_SLICES_DIFFER] = "PET: NumberOfSlices is not the number of slices found",
		[SM_PET_BEDS] = "PET: bed positions differ in duration or decay factor",
		[SM_PET_FACTOR] =
			"PET: DecayFactor is not 2^(FrameReferenceTime / half-life) within 1 %",
		[SM_PET_LATE] =
			"PET: the injection follows the start of the scan by more than a minute",
		[SM_PET_DAY] = ("PET: the injection's day is guessed from its time, for its date "
				"is absent or does not fit"), /* one sentence of two pieces */
	};
	_Static_assert(sizeof text / sizeof *text == SM_PET_WARNINGS, "one sentence a warning");
	return text[w];
}

/* Bed positions: one number for all would be one bed's. */
static enum sm_status list_beds(const struct sm_dcm_head *heads, const struct sm_series *s,
				struct sm_pet_table *t, struct sm_err *err)
{
	t->slice_duration = calloc(s->depth, sizeof(double));
	t->slice_factor = calloc(s->depth, sizeof(double));
	if (!t->slice_duration || !t->slice_factor)
		return SM_FAIL(err, SM_BUDGET, "frame table: out of memory");
	t->slices = s->depth;
	for (size_t k = 0; k < s->depth; k++) {
		const struct sm_dcm_frame *f = sm_slice_frame(heads, s->slice[k]);
		t->slice_duration[k] = f->duration / 1000;
		t->slice_factor[k] = f->decay_factor;
	}
	return SM_OK;
}

enum sm_status sm_pet_table(const struct sm_pet *pet, const struct sm_dcm_head *heads,
			    const struct sm_series *s, struct sm_pet_table *out, struct sm_err *err)
{
	bool gated = strcmp(heads[s->slice[0].head].series_kind, "GATED") == 0;
	*out = (struct sm_pet_table){
		.times = s->times, .first = NAN, .gated = gated && s->times > 1};
	struct point *p = calloc(s->times, sizeof *p);
	out->start = calloc(s->times, sizeof(double));
	out->duration = calloc(s->times, sizeof(double));
	out->factor = calloc(s->times, sizeof(double));
	if (!p || !out->start || !out->duration || !out->factor) {
		free(p);
		sm_pet_table_clear(out);
		return SM_FAIL(err, SM_BUDGET, "frame table: out of memory");
	}
	for (size_t t = 0; t < s->times; t++)
		p[t] = point_of(heads, s, t);
	find_starts(pet, p, out);
	for (size_t t = 0; t < s->times; t++) {
		out->duration[t] = p[t].durations ? NAN : p[t].duration;
		out->factor[t] = p[t].factor;
	}
	judge(pet, s, p, out);
	bool beds = s->times == 1 && (out->warnings >> SM_PET_BEDS & 1);
	enum sm_status st = beds ? list_beds(heads, s, out, err) : SM_OK;
	free(p);
	if (st != SM_OK)
		sm_pet_table_clear(out);
	return st;
}

void sm_pet_table_clear(struct sm_pet_table *t)
{
	free(t->start);
	free(t->duration);
	free(t->factor);
	free(t->slice_duration);
	free(t->slice_factor);
	*t = (struct sm_pet_table){0};
}

/* An array of known numbers; nothing when any is not. */
static void put_array(json_t *o, const char *name, const double *v, size_t n)
{
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++) {
		if (!isfinite(v[i])) {
			json_decref(list);
			return;
		}
		json_array_append_new(list, json_real(v[i]));
	}
	json_object_set_new(o, name, list);
}

static void put_real(json_t *o, const char *name, double v)
{
	if (isfinite(v))
		json_object_set_new(o, name, json_real(v));
}

static void put_text(json_t *o, const char *name, const char *text)
{
	json_object_set_new(o, name, json_string(text));
}

static bool positive(const struct sm_pet *p, const struct sm_pet_number *n)
{
	return sm_pet_told(p, n) && n->v > 0;
}

static void put_texts(json_t *o, const char *name, const char *a, const char *b)
{
	sm_sidecar_list(o, name, a);
	sm_sidecar_list(o, name, b);
}

/* "OSEM2D 2i8s": 2 iterations, 8 subsets. */
static void put_recon(json_t *o)
{
	const char *name = json_string_value(json_object_get(o, "ReconMethodName"));
	for (const char *at = name; at && *at; at++) {
		char *i, *s;
		if (!isdigit((unsigned char)*at) || (at > name && isdigit((unsigned char)at[-1])))
			continue;
		long iterations = strtol(at, &i, 10);
		if ((*i != 'i' && *i != 'I') || !isdigit((unsigned char)i[1]))
			continue;
		long subsets = strtol(i + 1, &s, 10);
		if (*s != 's' && *s != 'S')
			continue;
		double v[2] = {(double)iterations, (double)subsets};
		put_texts(o, "ReconMethodParameterLabels", "iterations", "subsets");
		put_texts(o, "ReconMethodParameterUnits", "none", "none");
		put_array(o, "ReconMethodParameterValues", v, 2);
		return;
	}
}

/* "XYZ Gauss6.00": a Gaussian of 6 mm. */
static void put_filter(json_t *o)
{
	const char *kernel = json_string_value(json_object_get(o, "ConvolutionKernel"));
	const char *gauss = kernel ? strstr(kernel, "Gauss") : NULL;
	if (!gauss || !isdigit((unsigned char)gauss[5]))
		return;
	put_text(o, "ReconFilterType", "Gaussian");
	put_real(o, "ReconFilterSize", strtod(gauss + 5, NULL));
}

static void put_times(json_t *o, const struct sm_pet *pet, const struct sm_pet_suv *suv,
		      const struct sm_pet_table *t)
{
	/* Reference times count from the start of the scan. */
	double zero = !isnan(t->first)		      ? suv->scan + t->first
		      : pet->acquisitions == pet->files ? pet->first_acquisition
							: suv->scan;
	if (t->start_from && !t->gated)
		put_text(o, "FrameTimesFrom", t->start_from);
	if (t->gated) /* parts of the cycle, all acquired over the same time */
		json_object_set_new(o, "Gates", json_integer((json_int_t)t->times));
	else
		put_array(o, "FrameTimesStart", t->start, t->times);
	put_array(o, "FrameDuration", t->duration, t->times);
	put_array(o, "DecayCorrectionFactor", t->factor, t->times);
	if (t->slices) {
		put_array(o, "FrameDurationBySlice", t->slice_duration, t->slices);
		put_array(o, "DecayCorrectionFactorBySlice", t->slice_factor, t->slices);
	}
	put_text(o, "TimeZero", "00:00:00");
	put_text(o, "TimeZeroMeaning",
		 "start of the first frame of this volume; the time of day is not kept");
	put_real(o, "ScanStart", 0);
	put_real(o, "InjectionStart", micro(suv->injection - zero));
	if (strcmp(pet->decay, "NONE") == 0)
		json_object_set_new(o, "ImageDecayCorrected", json_false());
	if (strcmp(pet->decay, "START") != 0 && strcmp(pet->decay, "ADMIN") != 0)
		return;
	json_object_set_new(o, "ImageDecayCorrected", json_true());
	put_real(o, "ImageDecayCorrectionTime", micro(suv->reference - zero));
}

static void put_dose(json_t *o, const struct sm_pet *pet, const struct sm_pet_suv *suv)
{
	if (*pet->tracer && *pet->tracer != '?')
		put_text(o, "TracerName", pet->tracer);
	if (*pet->nuclide && *pet->nuclide != '?')
		put_text(o, "TracerRadionuclide", pet->nuclide);
	if (positive(pet, &pet->molar)) {
		put_real(o, "MolarActivity", pet->molar.v);
		put_text(o, "MolarActivityUnits", "Bq/umol");
	}
	if (positive(pet, &pet->volume)) {
		put_real(o, "InjectedVolume", pet->volume.v);
		put_text(o, "InjectedVolumeUnits", "mL");
	}
	if (!positive(pet, &pet->dose))
		return;
	/* With the factor beside it anyone could divide out the patient's weight; where it is in
	 * the numbers, the step of these over RescaleSlope is the factor. Another series of the
	 * same injection may have the factor that this one lacks (without and with attenuation). */
	bool weight = pet->weight.files && (pet->weight.mixed || pet->weight.v > 0);
	if (suv->known ? suv->tells_weight : weight) {
		sm_sidecar_list(o, "LeftOut", "InjectedRadioactivity");
		return;
	}
	put_real(o, "InjectedRadioactivity", pet->dose.v / 1e6);
	put_text(o, "InjectedRadioactivityUnits", "MBq");
}

void sm_pet_sidecar(json_t *o, const struct sm_pet *pet, const struct sm_pet_suv *suv,
		    const struct sm_pet_table *table, bool applied)
{
	static const char *const required[] = {
		"Manufacturer",
		"ManufacturersModelName",
		"Units",
		"TracerName",
		"TracerRadionuclide",
		"InjectedRadioactivity",
		"InjectedRadioactivityUnits",
		"InjectedMass",
		"InjectedMassUnits",
		"SpecificRadioactivity",
		"SpecificRadioactivityUnits",
		"ModeOfAdministration",
		"TimeZero",
		"ScanStart",
		"InjectionStart",
		"FrameTimesStart",
		"FrameDuration",
		"AcquisitionMode",
		"ImageDecayCorrected",
		"ImageDecayCorrectionTime",
		"ReconMethodName",
		"ReconMethodParameterLabels",
		"ReconMethodParameterUnits",
		"ReconMethodParameterValues",
		"ReconFilterType",
		"ReconFilterSize",
		"AttenuationCorrection",
	};
	static const char *const corrections[] = {"NONE", "START", "ADMIN"};
	static const char *const types[] = {"BW", "LBM", "BSA", "LBMJANMA", "LBMJAMES128", "IBW"};
	const char *units = sm_pet_units(pet->units);
	if (units)
		put_text(o, "Units", applied ? "g/mL" : units);
	if (units)
		put_text(o, "UnitsDICOM", applied ? "GML" : pet->units);
	if (applied && strcmp(pet->units, "GML") != 0)
		json_object_del(o, "RescaleType"); /* the files' unit, no longer the numbers' */
	for (size_t i = 0; i < 3; i++)
		if (strcmp(pet->decay, corrections[i]) == 0)
			put_text(o, "DecayCorrection", corrections[i]);
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (strcmp(pet->suv_type, types[i]) == 0)
			put_text(o, "SUVType", types[i]);
	if (applied)
		json_object_set_new(o, "SUVbwApplied", json_true());
	else if (suv->known)
		put_real(o, "SUVbwFactor", suv->factor);
	else
		put_text(o, "SUVbwMissing", suv->why);
	if (suv->known && suv->tells_weight && strcmp(pet->decay, "START") == 0)
		put_text(o, "SUVbwScanStartFrom", suv->scan_from);
	put_dose(o, pet, suv);
	put_times(o, pet, suv, table);
	put_recon(o);
	put_filter(o);
	for (size_t i = 0; i < sizeof required / sizeof *required; i++)
		if (!json_object_get(o, required[i]))
			sm_sidecar_list(o, "MissingBIDS", required[i]);
}
