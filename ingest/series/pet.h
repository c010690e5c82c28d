/* SPDX-License-Identifier: Apache-2.0
 *
 * What makes a PET volume quantitative: unit, decay correction, dose and times, the factor to SUV
 * by body weight, and the frame table of a 4-D volume, under the names of PET-BIDS. Times leave
 * this module only as differences: zero is the start of the volume's first frame.
 */
#ifndef SM_INGEST_SERIES_PET_H
#define SM_INGEST_SERIES_PET_H

#include <jansson.h>

#include "core/vol.h"
#include "ingest/series/dcm_series.h"
#include "ingest/series/pet_codes.h"

/* A number that all files must have alike. */
struct sm_pet_number {
	double v;
	size_t files; /* that have it */
	bool mixed;
};

/* A code that all files must have alike, and more than one is "?". */
typedef char sm_pet_code[17];

/* What the files of one PET volume say, joined. Zero-initialise. Holds times of day and the
 * patient's weight: nothing but the functions below may write them anywhere. */
struct sm_pet {
	size_t files;
	sm_pet_code units, decay, suv_type;
	sm_pet_code nuclide, tracer; /* canonical names: "F18", "FDG"; "" when unknown */
	bool attenuation, decayed;   /* CorrectedImage has ATTN, DECY in all files */
	struct sm_pet_number weight, dose, half_life; /* kg, Bq, s */
	struct sm_pet_number molar, volume;           /* Bq/umol, ml */
	struct sm_pet_number series, injected;        /* s from 1970 on the scanner's clock */
	struct sm_pet_number injected_clock; /* s since midnight, when the date is not told */
	struct sm_pet_number reference;      /* s from 1970: DecayCorrectionDateTime (enhanced) */
	struct sm_pet_number ge_scan;        /* s from 1970: (0009,100D) GEMS_PETD_01 */
	struct sm_pet_number philips_suv, philips_bq; /* (7053,1000), (7053,1009) */
	double first_acquisition; /* s from 1970, the earliest of all files; 0 = none has it */
	double first_back; /* earliest scan start computed back from the frames' reference times */
	double last_end; /* s from 1970: when the last frame ended, or later */
	size_t acquisitions; /* files that have an acquisition time */
	size_t ends;         /* files that have that and a duration */
	size_t backs;        /* files that first_back could be computed from */
	long slices_declared, times_declared;
};

/* Adds one file; units: what its head (sm_dcm_head.units) says of it. */
void sm_pet_read(struct sm_pet *into, const struct sm_dicom *dcm, const char *units);

/* What numbers of this unit are ("BQML", "GML", ...) and, if they are SUV, of this SUVType ("" = by
 * body weight): Bq/ml, SUV by body weight, or arbitrary. */
enum sm_meaning sm_pet_meaning(const char *units, const char *suv_type);

/* True when all files have the number alike. */
bool sm_pet_told(const struct sm_pet *pet, const struct sm_pet_number *number);

/* Joins b into a. The result does not depend on the order of joins. */
void sm_pet_join(struct sm_pet *a, const struct sm_pet *b);

/* The factor from the stored unit to SUV by body weight (g/ml). */
struct sm_pet_suv {
	bool known;
	double factor;
	bool tells_weight; /* the factor together with the dose gives the patient's weight */
	char why[240]; /* not known: the sentence, with names of elements and no value of theirs */
	/* Times that were used, s from 1970; NAN when not known. */
	double scan, injection, reference; /* reference: what the values are decay-corrected to */
	const char *scan_from;             /* name of the element, static; NULL */
	bool guessed;                      /* the day of the injection */
};

/* Follows the vendor-neutral pseudo-code of the QIBA FDG-PET/CT profile (annex G), and says no
 * where that has no answer. The factor by Units and DecayCorrection:
 *   GML          1, when SUVType is BW or absent
 *   BQML, START  weight * 1000 / (dose * 2^(-(scan - injection) / half-life))
 *   BQML, ADMIN  weight * 1000 / dose
 *   CNTS         (7053,1000) of Philips; or (7053,1009) to Bq/ml, and then as BQML
 * It asks for CorrectedImage with ATTN and DECY. Where the weight counts, it must be 1 to 500 kg,
 * the dose 1e6 to 1e11 Bq (others stand in another unit, or are a slip), and the last frame must
 * end after the injection. scan is the series' date and time unless that lies after the first
 * acquisition (a post-processed series); then GE's private scan time, then AcquisitionTime -
 * FrameReferenceTime + the time of average count rate within the frame (1/l ln(l T / (1 - e^(-l
 * T))), l = ln 2 / half-life, T = ActualFrameDuration). An injection told with a date at most a day
 * after the scan is taken as told: by more than a minute it is warned of (in dynamic scans the
 * injection follows the start), by more than an hour refused. One told without its date, or with
 * one farther after the scan or more than 12 half-lives before it, lies on the day of the scan, or
 * on the day before when it would follow the scan's start by more than an hour, or on the day after
 * when it would then follow by less; a day that is not the scan's, or in the place of another, is
 * `guessed` and warned of. Refused then: a half-life over a day. */
void sm_pet_suv(const struct sm_pet *pet, struct sm_pet_suv *out);

/* The sentence of SM_VERDICT_NO_SUV, for a factor that is not known. */
#define SM_PET_NO_SUV_SIZE 400
void sm_pet_no_suv(const struct sm_pet_suv *suv, char why[SM_PET_NO_SUV_SIZE]);

/* The time of average count rate after the start of a frame of `duration`, all in s:
 * decay-corrected values of the frame hold for it. */
double sm_pet_average_time(double half_life, double duration);

/* One row a time point. Arrays of `times`; NAN = unknown, or not the same for all slices. */
struct sm_pet_table {
	size_t times;
	double *start;          /* s from the first frame's start */
	double *duration;       /* s */
	double *factor;         /* DecayFactor */
	const char *start_from; /* "AcquisitionTime", "FrameReferenceTime", or NULL when starts are
				 * unknown */
	double first; /* s from the scan's start to the first frame's, when reference times tell it
		       */
	bool gated;             /* the time points are gates of SeriesType GATED: no start times */
	size_t slices;          /* of beds that differ (one time point); 0 = none */
	double *slice_duration, *slice_factor; /* `slices` */
	unsigned warnings;      /* bits of enum sm_pet_warning */
};
enum sm_pet_warning {
	SM_PET_TIMES_DISORDERED, /* starts do not grow */
	SM_PET_DURATION,         /* a duration is not positive */
	SM_PET_OVERLAP,       /* a frame begins before the one before it ends, by more than 1 s */
	SM_PET_TIMES_DIFFER,  /* NumberOfTimeSlices is not the number of time points */
	SM_PET_SLICES_DIFFER, /* NumberOfSlices is not the number of slices */
	SM_PET_BEDS,   /* slices of one time point have different durations or decay factors */
	SM_PET_FACTOR, /* DecayFactor is not 2^(FrameReferenceTime / half-life), START only */
	SM_PET_LATE,   /* the injection follows the start of the scan by more than a minute */
	SM_PET_DAY,    /* the day of the injection is guessed */
	SM_PET_WARNINGS
};
/* The sentence of a warning; static. */
const char *sm_pet_warning_text(enum sm_pet_warning w);

/* The frame table of series s over heads; clear with sm_pet_table_clear. SM_BUDGET. */
enum sm_status sm_pet_table(const struct sm_pet *pet, const struct sm_dcm_head *heads,
			    const struct sm_series *s, struct sm_pet_table *out,
			    struct sm_err *err);
void sm_pet_table_clear(struct sm_pet_table *t);

/* Adds the PET-BIDS fields to object, and "MissingBIDS": required fields that the header lacks.
 * applied: the volume was multiplied by the factor. Call after sm_sidecar_add. */
void sm_pet_sidecar(json_t *object, const struct sm_pet *pet, const struct sm_pet_suv *suv,
		    const struct sm_pet_table *table, bool applied);

/* Multiplies the volume by the factor: float32, meaning SUV. SM_INPUT with the sentence when the
 * factor is not known, or when float32 cannot hold the products. */
enum sm_status sm_pet_to_suv(struct sm_vol *vol, const struct sm_pet_suv *suv, struct sm_mem *mem,
			     int jobs, struct sm_err *err);

#endif
