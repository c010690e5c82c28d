/* SPDX-License-Identifier: Apache-2.0
 *
 * What ingest needs from one DICOM file's header, as plain numbers: identity, picture format, and
 * one record for every frame: its place in the patient, its rescale, and what tells volumes and
 * time points apart. A classic file has one frame, an enhanced object NumberOfFrames, a Siemens
 * mosaic one for each tile in use. Identity is hashed here: no PatientID, UID or time of day leaves
 * this
 * module. */
#ifndef SM_INGEST_SERIES_DCM_HEAD_H
#define SM_INGEST_SERIES_DCM_HEAD_H

#include "core/mem.h"
#include "ingest/dicom/dcm_codec.h"
#include "ingest/salt.h"
#include "ingest/series/verdict.h"

/* Raise when the same file gives another head: kept heads (head_cache.h) are read again then. */
#define SM_HEAD_VERSION 2

#define SM_ID_SIZE 65 /* 64 hex digits of a salted hash; "" when the element is absent or empty */

/* How pictures stand in the file. */
enum sm_dcm_kind {
	SM_DCM_CLASSIC,
	SM_DCM_ENHANCED, /* functional groups for each frame */
	SM_DCM_MOSAIC,   /* one picture of many tiles */
	SM_DCM_FLAT, /* projections and photographs: no place in the patient (MG, CR, DX, US, SC,
		      * ...); NumberOfFrames pictures */
};

/* Why text is to be expected in the pixels, without looking; the first that holds. */
enum sm_burned {
	SM_BURNED_NO,
	SM_BURNED_DECLARED,   /* BurnedInAnnotation is YES */
	SM_BURNED_CAPTURE,    /* a secondary capture */
	SM_BURNED_ULTRASOUND,
};

/* Where the numbers that scale stored values come from. */
enum sm_scale_source {
	SM_SCALE_NONE,    /* no element: 1 and 0 */
	SM_SCALE_RESCALE, /* RescaleSlope, RescaleIntercept */
	SM_SCALE_PHILIPS, /* (stored * rescale slope + intercept) / (rescale slope * scale slope),
			   * private (2005,100E): "precise" */
	SM_SCALE_REAL_WORLD, /* RealWorldValueMappingSequence */
};

/* What an MR picture shows. */
enum sm_component {
	SM_MAGNITUDE, /* also everything that is no MR */
	SM_PHASE,
	SM_REAL,
	SM_IMAGINARY,
	SM_FIELD_MAP, /* a map in Hz */
	SM_VELOCITY,
	SM_DERIVED_MAP, /* ADC, FA, T1 map, ... : derived from several others */
};

/* A number that may be absent is NAN. */
struct sm_dcm_frame {
	uint32_t picture; /* frame number in the file, 0-based; mosaic: 0 */
	uint32_t tile;    /* mosaic: number of the tile, row by row */
	bool has_orientation, has_position, has_spacing;
	double across[3],
		down[3]; /* unit vectors, LPS: direction of growing column and row index */
	double position[3];        /* LPS mm of the first pixel's centre */
	double spacing[2];         /* mm between columns (x), between rows (y) */
	double thickness, slice_step; /* SliceThickness, SpacingBetweenSlices; 0 = absent */
	double slope, intercept;      /* real value = slope * stored + intercept */
	enum sm_scale_source scale;
	/* what tells volumes of one series apart */
	enum sm_component component;
	char image_kind[17]; /* third value of ImageType (FrameType), the fourth when only that
			      * names a map: "M", "P", "ADC", ...; words of no table become "x" and
			      * 8 digits of their hash */
	char image_words[9]; /* 8 hex digits of the hash of all values of ImageType from the third
				on; "" */
	char shows[12]; /* what ImageType says this picture is of several made at once: "water",
			 * "fat", "inphase", "label", "nd", ... (image_words.h); "" */
	char kernel[9];      /* 8 hex digits of ConvolutionKernel's hash; "" = absent */
	double kernel_number; /* the first number in ConvolutionKernel: for the order of kernels */
	double kvp;          /* kV */
	char setting[9];     /* 8 hex digits of the hash of FlipAngle, FilterType and
				ContrastBolusAgent; "" */
	double echo_time;    /* ms */
	double inversion_time; /* ms; NAN unless it varies by frame in an enhanced object or stands
				  in the file */
	long stack;          /* number of the StackID in the file, 0 = none */
	long acquisition;    /* AcquisitionNumber */
	/* what tells time points of one volume apart */
	long instance;       /* InstanceNumber; enhanced: the frame's number in the order of
			      * DimensionIndexValues, or in the file, behind those of all files with
			      * smaller       ones */
	long temporal;       /* TemporalPositionIdentifier or Index; 0 = absent */
	double trigger;      /* ms: TriggerTime, NominalCardiacTriggerDelayTime */
	double time; /* s from 0:00 of StudyDate (without one: of a day that all files of the study
		      * share): AcquisitionTime with AcquisitionDate, FrameAcquisitionDateTime; for
		      * order and differences only, never written */
	bool dated;          /* false: time is one of a day that is not told */
	double repetition;   /* ms: RepetitionTime of an MR picture; NAN when one repetition is no
				volume (3D) */
	long dimension; /* enhanced: number of the frame's DimensionIndexValues among those of all
			 * frames, without the values that tell places; 0 = none */
	double reference;    /* ms: FrameReferenceTime (PET), TemporalPositionTimeOffset */
	double duration;     /* ms: ActualFrameDuration, FrameAcquisitionDuration */
	double decay_factor; /* PET: DecayFactor */
	double b_value;      /* s/mm2 */
	double b_vector[3];  /* LPS unit vector; all 0 when none */
	bool b_vector_local; /* b_vector is in some maker's own system (GE, UIH private elements)
			      * that could not be turned: good for telling frames apart, not for
			      * writing */
	bool b_vector_doubtful; /* turned by a rule that others validated for axial slices only (GE)
				 */
	enum sm_verdict verdict; /* what this frame says; SM_VERDICT_OK = a usable slice */
};

struct sm_dcm_head {
	char patient[SM_ID_SIZE]; /* PatientID */
	char study[SM_ID_SIZE], series[SM_ID_SIZE], sop[SM_ID_SIZE],
		frame_of_reference[SM_ID_SIZE]; /* the UIDs */
	const struct sm_syntax *syntax; /* NULL: not in the table */
	char syntax_uid[68];            /* digits and points, else "?" */
	char modality[17];              /* "CT", "MR", "PT", ...; unknown words become "OT" */
	char maker[17]; /* "siemens", "ge", "philips", "canon", "hitachi", "uih", "hyperfine",
			 * "bruker" or "" */
	char units[17];                 /* PET: "BQML", "GML", ...; CT: RescaleType */
	char series_kind[17]; /* PET: "DYNAMIC", "WHOLE BODY", ... (SeriesType's first value) */
	enum sm_dcm_kind kind;
	bool inverted;                  /* MONOCHROME1 */
	enum sm_burned burned_in;       /* text is to be expected in the pixels */
	long slices_declared, times_declared; /* NumberOfSlices, NumberOfTimeSlices /
						 NumberOfTemporalPositions; 0 */
	struct sm_pixel_format format;
	int tile_rows,
		tile_columns; /* size of one slice: the picture's, or the tile's of a mosaic */
	int tiles_across;               /* mosaic: tiles in one row of the picture */
	char spacing_from[28]; /* element of has_spacing: "PixelSpacing", "ImagerPixelSpacing",
				* "NominalScannedPixelSpacing"; "" = none. Flat pictures without any
				* spacing are not refused here */
	size_t frame_count;             /* 0 only for SM_VERDICT_NOT_IMAGE, else at least 1 */
	struct sm_dcm_frame *frame;     /* frame_count; malloc memory */
	enum sm_verdict
		verdict; /* what the whole file says: the most severe finding, frames' included */
	char why[200];   /* the element, the value found, the value allowed; no full stop */
};

/* How private scales are taken (manifest: ingest.philips_scale). */
struct sm_head_rules {
	bool philips_display; /* RescaleSlope alone, instead of the precise private scale */
};

/* Fills head from an open file. What is missing or wrong becomes verdicts; SM_BUDGET is the only
 * failure. Clear with sm_dcm_head_clear. */
enum sm_status sm_dcm_head_read(const struct sm_dicom *dcm, const struct sm_salt *salt,
				const struct sm_head_rules *rules, struct sm_dcm_head *head,
				struct sm_err *err);
void sm_dcm_head_clear(struct sm_dcm_head *head);

/* What a legacy converted enhanced object keeps of all its classic files alike: the item of
 * UnassignedSharedConvertedAttributesSequence in the shared groups. False when there is none. */
bool sm_legacy_shared(const struct sm_dataset *main, struct sm_dataset *item);

/* True when one of text's values (between '\') is word. */
bool sm_text_has(const char *text, const char *word);

double sm_dot3(const double a[3], const double b[3]);
void sm_cross3(const double a[3], const double b[3], double out[3]);

#endif
