/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "ingest/dicom/dicom_write.h"
#include "ingest/series/pet.h"

/* A PET header as text; NULL leaves an element out. */
struct header {
	const char *series_day, *series, *day, *clock, *units, *decay, *corrected, *weight, *dose,
		*half_life, *injected, *injected_moment, *reference, *duration, *suv_type, *ge,
		*philips_suv, *philips_bq;
};
static const struct header usual = {
	.series_day = "20200229",
	.series = "101500",
	.day = "20200229",
	.clock = "101500.00",
	.units = "BQML",
	.decay = "START",
	.corrected = "DECY\\ATTN",
	.weight = "75.5",
	.dose = "370000000",
	.half_life = "6588",
	.injected = "091500",
	.reference = "0",
	.duration = "60000",
};

static void put(struct sm_dcm *d, uint32_t tag, const char *vr, const char *text)
{
	if (text)
		sm_dcm_text(d, tag, vr, text);
}

static struct sm_pet pet_of(const struct header *h)
{
	struct sm_dcm d = {0}, item = {0};
	struct sm_mem mem;
	struct sm_err err;
	struct sm_dicom *dcm;
	struct sm_pet pet = {0};
	sm_mem_init(&mem, 1 << 20);
	put(&d, SM_TAG(8, 0x16), "UI", "1.2.840.10008.5.1.4.1.1.128");
	put(&d, SM_TAG(8, 0x21), "DA", h->series_day);
	put(&d, SM_TAG(8, 0x22), "DA", h->day);
	put(&d, SM_TAG(8, 0x31), "TM", h->series);
	put(&d, SM_TAG(8, 0x32), "TM", h->clock);
	put(&d, SM_TAG(9, 0x10), "LO", h->ge ? "GEMS_PETD_01" : NULL);
	put(&d, SM_TAG(9, 0x100d), "DT", h->ge);
	put(&d, SM_TAG(0x10, 0x1030), "DS", h->weight);
	put(&d, SM_TAG(0x18, 0x1242), "IS", h->duration);
	put(&d, SM_TAG(0x28, 0x51), "CS", h->corrected);
	put(&item, SM_TAG(0x18, 0x31), "LO", "FDG -- fluorodeoxyglucose");
	put(&item, SM_TAG(0x18, 0x1072), "TM", h->injected);
	put(&item, SM_TAG(0x18, 0x1074), "DS", h->dose);
	put(&item, SM_TAG(0x18, 0x1075), "DS", h->half_life);
	put(&item, SM_TAG(0x18, 0x1078), "DT", h->injected_moment);
	sm_dcm_sequence(&d, SM_TAG(0x54, 0x16), &item, 1);
	put(&d, SM_TAG(0x54, 0x1001), "CS", h->units);
	put(&d, SM_TAG(0x54, 0x1006), "CS", h->suv_type);
	put(&d, SM_TAG(0x54, 0x1102), "CS", h->decay);
	put(&d, SM_TAG(0x54, 0x1300), "DS", h->reference);
	if (h->philips_suv || h->philips_bq)
		put(&d, SM_TAG(0x7053, 0x10), "LO", "Philips PET Private Group");
	put(&d, SM_TAG(0x7053, 0x1000), "DS", h->philips_suv);
	put(&d, SM_TAG(0x7053, 0x1009), "DS", h->philips_bq);
	assert_string_equal(d.bad, "");
	assert_good(sm_dicom_parse(d.bytes, d.size, SM_DICOM_HEAD, &mem, &dcm, &err), err);
	sm_pet_read(&pet, dcm, h->units ? h->units : "");
	sm_dicom_close(dcm);
	sm_dcm_clear(&d);
	sm_dcm_clear(&item);
	return pet;
}

static struct sm_pet_suv suv_of(const struct header *h)
{
	struct sm_pet pet = pet_of(h);
	struct sm_pet_suv suv;
	sm_pet_suv(&pet, &suv);
	return suv;
}

#define assert_near(got, want) assert_true(fabs((got) / (want)-1) < 1e-10)
#define assert_why(h, part) \
	do { \
		struct sm_pet_suv suv_ = suv_of(h); \
		assert_false(suv_.known); \
		if (!strstr(suv_.why, part)) \
			fail_msg("'%s' lacks '%s'", suv_.why, part); \
	} while (0)

/* 75.5 kg, 370 MBq, an hour of decay. */
static double factor_after(double seconds)
{
	return 75.5 * 1000 / (370e6 * pow(2, -seconds / 6588));
}

static void test_suv_of_becquerel(void **state)
{
	(void)state;
	struct header h = usual;
	struct sm_pet_suv suv = suv_of(&h);
	assert_true(suv.known && suv.tells_weight);
	assert_near(suv.factor, factor_after(3600));
	assert_true(suv.scan - suv.injection == 3600);
	assert_string_equal(suv.scan_from, "SeriesTime");
	h.decay = "ADMIN";
	assert_near(suv_of(&h).factor, factor_after(0));
	assert_true(suv_of(&h).reference == suv_of(&h).injection);
	h.decay = "NONE";
	assert_why(&h, "DecayCorrection is neither");
}

static void test_suv_over_midnight(void **state)
{
	(void)state;
	struct header h = usual;
	/* Injected at 23:30, scanned at 00:30 on the first of March of a leap year. */
	h.series_day = h.day = "20200301";
	h.series = h.clock = "003000";
	h.injected = "233000";
	assert_near(suv_of(&h).factor, factor_after(3600));
	/* The same with its date; and with a date that some anonymiser left from another year. */
	h.injected_moment = "20200229233000";
	assert_near(suv_of(&h).factor, factor_after(3600));
	h.injected_moment = "20190101233000";
	assert_near(suv_of(&h).factor, factor_after(3600));
	/* A dynamic scan that starts half a minute before the injection, over midnight. */
	h.series_day = h.day = "20200229";
	h.series = h.clock = "235945";
	h.injected = "000015";
	h.injected_moment = NULL;
	assert_near(suv_of(&h).factor, factor_after(-30));
	/* Series at 23:50, frame at 00:10: the series is not after the acquisition. */
	h.series = "235000";
	h.day = "20200301";
	h.clock = "001000";
	h.injected = "225000";
	assert_near(suv_of(&h).factor, factor_after(3600));
}

static void test_suv_of_post_processed_series(void **state)
{
	(void)state;
	struct header h = usual;
	h.series = "120000"; /* after the acquisition */
	h.reference = "0";
	assert_why(&h, "the start of the scan is not known");
	h.ge = "20200229101500.00";
	assert_near(suv_of(&h).factor, factor_after(3600));
	/* Frame of an hour and more that begins 600 s after the scan: the count rate's mean time
	 * counts. */
	h.ge = NULL;
	h.clock = "102500";
	h.duration = "6588000";
	double mean = 6588 / log(2) * log(log(2) / 0.5); /* l T = ln 2 */
	char reference[32];
	snprintf(reference, sizeof reference, "%.6f", (600 + mean) * 1000);
	h.reference = reference;
	struct sm_pet_suv suv = suv_of(&h);
	assert_true(suv.known);
	assert_true(fabs(suv.factor / factor_after(3600) - 1) < 1e-9);
	assert_true(fabs(sm_pet_average_time(6588, 6588) / mean - 1) < 1e-12);
	/* Short frames: half their length, less x/24 of it. */
	assert_true(fabs(sm_pet_average_time(6588, 9.4) - sm_pet_average_time(6588, 9.6) + 0.1) <
		    1e-4);
}

static void test_suv_of_other_units(void **state)
{
	(void)state;
	struct header h = usual;
	h.units = "GML";
	assert_true(suv_of(&h).known && suv_of(&h).factor == 1 && !suv_of(&h).tells_weight);
	h.suv_type = "BW";
	assert_true(suv_of(&h).factor == 1);
	h.suv_type = "LBM";
	assert_why(&h, "SUVType is not BW");
	h.suv_type = NULL;
	h.units = "CNTS";
	assert_why(&h, "without Philips' private factors");
	h.philips_bq = "2.5";
	assert_near(suv_of(&h).factor, 2.5 * factor_after(3600));
	h.philips_suv = "0.000125";
	assert_true(suv_of(&h).factor == 0.000125);
	h.units = "PROPCPS";
	assert_why(&h, "Units is PROPCPS: no SUV");
	h.units = "DOE^JOHN";
	assert_why(&h, "Units is absent, unknown");
	h.units = NULL;
	assert_why(&h, "Units is absent, unknown");
}

static void test_suv_refused(void **state)
{
	(void)state;
	struct header h = usual;
	h.weight = NULL;
	assert_why(&h, "PatientWeight");
	h.weight = "0";
	assert_why(&h, "PatientWeight");
	static const char *const odd[] = {"70000", "0.07", "1e300", "1e45", "500.1", "0.99"};
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		h.weight = odd[i];
		assert_why(&h, "PatientWeight is not within 1 to 500");
		h.decay = i % 2 ? "START" : "ADMIN";
	}
	h.weight = "500";
	assert_true(suv_of(&h).known);
	h.weight = "1";
	assert_true(suv_of(&h).known);
	h = usual;
	static const char *const odd_doses[] = {"370", "370000", "1e30", "1.1e11", "9.9e5"};
	for (size_t i = 0; i < sizeof odd_doses / sizeof *odd_doses; i++) {
		h.dose = odd_doses[i];
		assert_why(&h,
			   "RadionuclideTotalDose is not within 1e6 to 1e11: it cannot be in Bq");
	}
	h.dose = NULL;
	assert_why(&h, "RadionuclideTotalDose is absent");
	h = usual;
	h.half_life = NULL;
	assert_why(&h, "RadionuclideHalfLife");
	h = usual;
	h.injected = NULL;
	assert_why(&h, "time of injection");
	h = usual;
	h.half_life = "282240"; /* Zr-89: three days */
	assert_why(&h, "time of injection");
	h.injected_moment = "20200225101500";
	assert_near(suv_of(&h).factor, 75500 / (370e6 * pow(2, -4 * 86400 / 282240.)));
	h = usual;
	h.corrected = "DECY";
	assert_why(&h, "lacks ATTN");
	h.corrected = "ATTN\\DECYX";
	assert_why(&h, "lacks DECY");
}

/* A tracer that is given when the pictures are taken already. */
static void test_injection_after_the_scan(void **state)
{
	(void)state;
	struct header h = usual;
	h.injected_moment = "20200229111500"; /* the frame of one minute began an hour earlier */
	assert_why(&h, "the injection lies after the end of the last frame");
	h.decay = "ADMIN";
	assert_why(&h, "the injection lies after the end of the last frame");
	h.decay = "START";
	/* Its time of day does not go to the day before, nor does one without a frame's end. */
	h.injected = "141500";
	static const char *const late[] = {"20200229121500", "20200229141500", "20200301091500"};
	for (size_t i = 0; i < 3; i++) {
		h.injected_moment = late[i], h.duration = usual.duration;
		assert_why(&h, "the injection lies after the end of the last frame");
		h.duration = NULL;
		assert_why(&h, "the injection lies more than an hour after the start of the scan");
	}
	h.duration = usual.duration, h.injected_moment = NULL;
	/* Without a date 20 hours before are as likely, and told; 22 are over 12 half-lives. */
	assert_true(suv_of(&h).known && suv_of(&h).guessed);
	assert_near(suv_of(&h).factor, factor_after(20 * 3600));
	h.injected = "121500";
	assert_why(&h, "by its time of day it lies more than an hour after the scan's start or "
		       "more than 12");
	h.injected = "091500";
	assert_false(suv_of(&h).guessed);
	h.injected_moment = "20190101091500";
	assert_true(suv_of(&h).guessed);
	h.injected_moment = NULL;
	h.injected = "101600"; /* at its end */
	assert_why(&h, "the injection lies after the end of the last frame");
	h.injected = "101559";
	assert_true(suv_of(&h).known);
	/* A later frame that ends behind it; by acquisition time, or by reference time. */
	h.injected = "102000";
	struct sm_pet a = pet_of(&h), b;
	struct sm_pet_suv suv;
	h.clock = "101930";
	b = pet_of(&h);
	sm_pet_join(&a, &b);
	sm_pet_suv(&a, &suv);
	assert_true(suv.known && suv.injection - suv.scan == 300);
	h.clock = usual.clock;
	a = pet_of(&h);
	h.reference = "300000";
	b = pet_of(&h);
	sm_pet_join(&b, &a);
	sm_pet_suv(&b, &suv);
	assert_true(suv.known);
	/* A frame behind midnight without its date ends before its scan begins: no end is known. */
	h = usual;
	h.series = "235000";
	h.ge = "20200229235000";
	h.day = NULL;
	h.clock = "001000";
	h.injected = "225000";
	assert_near(suv_of(&h).factor, factor_after(3600));
	/* Without a duration nothing is known of the end. */
	h = usual;
	h.injected = "102000";
	h.duration = NULL;
	assert_true(suv_of(&h).known);
}

static void test_files_must_agree(void **state)
{
	(void)state;
	struct header h = usual;
	struct sm_pet a = pet_of(&h), b;
	struct sm_pet_suv suv;
	h.clock = "102000";
	b = pet_of(&h);
	sm_pet_join(&a, &b);
	sm_pet_suv(&a, &suv);
	assert_true(suv.known && a.files == 2);
	assert_near(suv.factor, factor_after(3600));
	h.dose = "370000001";
	b = pet_of(&h);
	sm_pet_join(&a, &b);
	sm_pet_suv(&a, &suv);
	assert_false(suv.known);
	h = usual;
	h.units = "GML";
	a = pet_of(&usual);
	b = pet_of(&h);
	sm_pet_join(&a, &b);
	assert_string_equal(a.units, "?");
	assert_string_equal(a.tracer, "FDG");
}

/* An enhanced PET: unit in a real-world value map, corrections as YES, the time they hold for. */
static void test_enhanced_pet(void **state)
{
	(void)state;
	struct sm_dcm d = {0}, item = {0}, unit = {0}, map = {0}, shared = {0};
	struct sm_mem mem;
	struct sm_err err;
	struct sm_dicom *dcm;
	struct sm_pet pet = {0};
	struct sm_pet_suv suv;
	sm_mem_init(&mem, 1 << 20);
	sm_dcm_text(&d, SM_TAG(8, 0x16), "UI", "1.2.840.10008.5.1.4.1.1.130");
	sm_dcm_text(&d, SM_TAG(8, 0x2a), "DT", "20200301001500");
	sm_dcm_text(&d, SM_TAG(0x10, 0x1030), "DS", "75.5");
	sm_dcm_text(&d, SM_TAG(0x18, 0x9701), "DT", "20200301001000");
	sm_dcm_text(&d, SM_TAG(0x18, 0x9758), "CS", "YES");
	sm_dcm_text(&d, SM_TAG(0x18, 0x9759), "CS", "YES");
	sm_dcm_text(&item, SM_TAG(0x18, 0x1074), "DS", "370000000");
	sm_dcm_text(&item, SM_TAG(0x18, 0x1075), "DS", "6588");
	sm_dcm_text(&item, SM_TAG(0x18, 0x1078), "DT", "20200229231000");
	sm_dcm_sequence(&d, SM_TAG(0x54, 0x16), &item, 1);
	sm_dcm_text(&unit, SM_TAG(8, 0x100), "SH", "Bq/ml");
	sm_dcm_sequence(&map, SM_TAG(0x40, 0x8ea), &unit, 1);
	sm_dcm_sequence(&shared, SM_TAG(0x40, 0x9096), &map, 1);
	sm_dcm_sequence(&d, SM_TAG(0x5200, 0x9229), &shared, 1);
	assert_string_equal(d.bad, "");
	assert_good(sm_dicom_parse(d.bytes, d.size, SM_DICOM_HEAD, &mem, &dcm, &err), err);
	sm_pet_read(&pet, dcm, "BQML");
	sm_pet_suv(&pet, &suv);
	assert_true(suv.known);
	assert_near(suv.factor, factor_after(3600));
	assert_string_equal(suv.scan_from, "DecayCorrectionDateTime");
	sm_dicom_close(dcm);
	struct sm_dcm *all[] = {&d, &item, &unit, &map, &shared};
	for (size_t i = 0; i < 5; i++)
		sm_dcm_clear(all[i]);
}

/* Two slices, three time points; what a test changes is in the frames. */
struct dynamic {
	struct sm_dcm_frame frame[6];
	struct sm_dcm_head head[6];
	struct sm_slice slice[6];
	struct sm_series series;
	struct sm_pet pet;
};

static void dynamic_init(struct dynamic *d)
{
	static const double start[] = {86300, 86330, 86450}, duration[] = {30e3, 120e3, 60e3};
	static const double before[] = {0, 30, 150};
	memset(d, 0, sizeof *d);
	struct header h = usual;
	h.half_life = "600";
	d->pet = pet_of(&h);
	d->series = (struct sm_series){.n = 6, .depth = 2, .times = 3, .slice = d->slice};
	for (uint32_t i = 0; i < 6; i++) {
		uint32_t t = i / 2;
		d->frame[i].time = start[t];
		d->frame[i].duration = duration[t];
		d->frame[i].reference =
			(before[t] + sm_pet_average_time(600, duration[t] / 1000)) * 1000;
		d->frame[i].decay_factor = pow(2, d->frame[i].reference / 600e3);
		d->head[i].frame = &d->frame[i];
		d->head[i].frame_count = 1;
		d->slice[i] = (struct sm_slice){i, 0};
	}
}

static unsigned table_of(struct dynamic *d, struct sm_pet_table *t)
{
	struct sm_err err;
	assert_good(sm_pet_table(&d->pet, d->head, &d->series, t, &err), err);
	return t->warnings;
}

static void test_frame_table(void **state)
{
	(void)state;
	struct dynamic d;
	struct sm_pet_table t;
	dynamic_init(&d);
	assert_int_equal(table_of(&d, &t), 0);
	assert_string_equal(t.start_from, "AcquisitionTime");
	assert_true(t.start[0] == 0 && t.start[1] == 30 && t.start[2] == 150);
	assert_true(t.duration[1] == 120 && t.factor[1] == d.frame[2].decay_factor);
	sm_pet_table_clear(&t);
	/* All frames with the series' time: reference times tell the starts. */
	for (int i = 0; i < 6; i++)
		d.frame[i].time = 86300;
	assert_int_equal(table_of(&d, &t), 0);
	assert_string_equal(t.start_from, "FrameReferenceTime");
	assert_true(t.start[0] == 0 && t.start[1] == 30 && t.start[2] == 150);
	sm_pet_table_clear(&t);
	/* Neither. */
	for (int i = 0; i < 6; i++)
		d.frame[i].reference = NAN;
	assert_int_equal(table_of(&d, &t), 1 << SM_PET_TIMES_DISORDERED | 1 << SM_PET_OVERLAP);
	sm_pet_table_clear(&t);
	for (int i = 0; i < 6; i++)
		d.frame[i].time = NAN;
	assert_int_equal(table_of(&d, &t), 0);
	assert_null(t.start_from);
	sm_pet_table_clear(&t);
}

static void test_frame_table_warnings(void **state)
{
	(void)state;
	struct dynamic d;
	struct sm_pet_table t;
	dynamic_init(&d);
	d.pet.times_declared = 4;
	d.pet.slices_declared = 3;
	assert_int_equal(table_of(&d, &t), 1 << SM_PET_TIMES_DIFFER | 1 << SM_PET_SLICES_DIFFER);
	sm_pet_table_clear(&t);
	dynamic_init(&d);
	d.frame[2].duration = d.frame[3].duration = 0;
	assert_int_equal(table_of(&d, &t), 1 << SM_PET_DURATION);
	sm_pet_table_clear(&t);
	dynamic_init(&d);
	d.frame[2].duration = d.frame[3].duration = 125e3;
	assert_int_equal(table_of(&d, &t), 1 << SM_PET_OVERLAP);
	sm_pet_table_clear(&t);
	dynamic_init(&d);
	d.frame[3].decay_factor *= 1.001;
	assert_int_equal(table_of(&d, &t), 1 << SM_PET_BEDS);
	assert_true(isnan(t.factor[1]));
	sm_pet_table_clear(&t);
	dynamic_init(&d);
	d.frame[4].decay_factor *= 1.05;
	d.frame[5].decay_factor *= 1.05;
	assert_int_equal(table_of(&d, &t), 1 << SM_PET_FACTOR);
	sm_pet_table_clear(&t);
	dynamic_init(&d);
	d.pet.injected_clock.v = d.pet.series.v - floor(d.pet.series.v / 86400) * 86400 + 60;
	d.pet.last_end = d.pet.series.v + 210;
	assert_int_equal(table_of(&d, &t), 0);
	sm_pet_table_clear(&t);
	d.pet.injected_clock.v += 1;
	assert_int_equal(table_of(&d, &t), 1 << SM_PET_LATE);
	sm_pet_table_clear(&t);
	d.pet.injected_clock.v += 4 * 3600;
	assert_int_equal(table_of(&d, &t), 1 << SM_PET_DAY);
	sm_pet_table_clear(&t);
	for (unsigned w = 0; w < SM_PET_WARNINGS; w++)
		assert_non_null(strstr(sm_pet_warning_text((enum sm_pet_warning)w), "PET: "));
}

/* Gates are acquired over the same time: they have no starts to order or to overlap. */
static void test_gates(void **state)
{
	(void)state;
	struct dynamic d;
	struct sm_pet_table t;
	struct sm_pet_suv suv;
	dynamic_init(&d);
	for (int i = 0; i < 6; i++) {
		d.frame[i] = d.frame[0];
		snprintf(d.head[i].series_kind, sizeof d.head[i].series_kind, "GATED");
	}
	assert_int_equal(table_of(&d, &t), 0);
	sm_pet_suv(&d.pet, &suv);
	json_t *o = json_object();
	sm_pet_sidecar(o, &d.pet, &suv, &t, false);
	assert_int_equal(json_integer_value(json_object_get(o, "Gates")), 3);
	assert_int_equal(json_array_size(json_object_get(o, "FrameDuration")), 3);
	assert_null(json_object_get(o, "FrameTimesStart"));
	assert_null(json_object_get(o, "FrameTimesFrom"));
	json_decref(o);
	sm_pet_table_clear(&t);
}

static void test_sidecar_of_pet(void **state)
{
	(void)state;
	struct dynamic d;
	struct sm_pet_table t;
	struct sm_pet_suv suv;
	dynamic_init(&d);
	table_of(&d, &t);
	sm_pet_suv(&d.pet, &suv);
	assert_true(suv.known);
	json_t *o = json_object();
	sm_pet_sidecar(o, &d.pet, &suv, &t, false);
	assert_string_equal(json_string_value(json_object_get(o, "Units")), "Bq/mL");
	assert_true(json_real_value(json_object_get(o, "InjectionStart")) == -3600);
	assert_null(json_object_get(o, "InjectedRadioactivity"));
	assert_non_null(json_object_get(o, "SUVbwFactor"));
	json_decref(o);
	o = json_object();
	sm_pet_sidecar(o, &d.pet, &suv, &t, true);
	assert_string_equal(json_string_value(json_object_get(o, "Units")), "g/mL");
	assert_null(json_object_get(o, "InjectedRadioactivity"));
	assert_null(json_object_get(o, "SUVbwFactor"));
	assert_null(json_object_get(o, "Gates"));
	json_decref(o);
	/* The same injection without attenuation correction: the other series has the factor. */
	o = json_object();
	d.pet.attenuation = false;
	sm_pet_suv(&d.pet, &suv);
	assert_false(suv.known);
	sm_pet_sidecar(o, &d.pet, &suv, &t, false);
	assert_non_null(json_object_get(o, "SUVbwMissing"));
	assert_null(json_object_get(o, "InjectedRadioactivity"));
	json_decref(o);
	/* No weight to be found. */
	o = json_object();
	d.pet.weight = (struct sm_pet_number){0};
	sm_pet_suv(&d.pet, &suv);
	sm_pet_sidecar(o, &d.pet, &suv, &t, false);
	assert_true(json_real_value(json_object_get(o, "InjectedRadioactivity")) == 370);
	json_decref(o);
	sm_pet_table_clear(&t);
}

/* Headers of real scanners. 18F-FLT: the factor by hand from the header's own numbers. */
static void test_real_headers(void **state)
{
	(void)state;
	const char *root = getenv("SM_SHARED_DATA");
	char *path =
		sm_path_join(root ? root : "../shared/data", "pet_acrin_flt/pt_dynamic_slice.dcm");
	if (!path || !sm_file_exists(path)) {
		free(path);
		skip();
	}
	struct sm_mem mem;
	struct sm_err err;
	struct sm_dicom *dcm;
	struct sm_pet pet = {0};
	struct sm_pet_suv suv;
	sm_mem_init(&mem, 1 << 24);
	assert_good(sm_dicom_open(path, SM_DICOM_HEAD, &mem, &dcm, &err), err);
	sm_pet_read(&pet, dcm, "BQML");
	sm_dicom_close(dcm);
	free(path);
	sm_pet_suv(&pet, &suv);
	assert_true(suv.known);
	/* 82.174 kg, 173529998.7793 Bq; injected at 11:19:59.000, series at 11:19:59.109 */
	assert_near(suv.factor, 82174 / (173529998.7793 * pow(2, -0.109 / 6586.2)));
	assert_string_equal(pet.nuclide, "F18");
	assert_int_equal(pet.times_declared, 45);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_suv_of_becquerel),
		cmocka_unit_test(test_suv_over_midnight),
		cmocka_unit_test(test_suv_of_post_processed_series),
		cmocka_unit_test(test_suv_of_other_units),
		cmocka_unit_test(test_suv_refused),
		cmocka_unit_test(test_injection_after_the_scan),
		cmocka_unit_test(test_files_must_agree),
		cmocka_unit_test(test_enhanced_pet),
		cmocka_unit_test(test_frame_table),
		cmocka_unit_test(test_frame_table_warnings),
		cmocka_unit_test(test_gates),
		cmocka_unit_test(test_sidecar_of_pet),
		cmocka_unit_test(test_real_headers),
	};
	return run_tap(tests);
}
