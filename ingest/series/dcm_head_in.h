/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the head reader share: dcm_head.c (kinds), dcm_identity.c, dcm_place.c,
 * dcm_scale.c, dcm_keys.c, dcm_diffusion.c, dcm_enhanced.c, dcm_mosaic.c. Nobody else includes
 * it. */
#ifndef SM_INGEST_SERIES_DCM_HEAD_IN_H
#define SM_INGEST_SERIES_DCM_HEAD_IN_H

#include "ingest/series/dcm_head.h"

/* One reading. */
struct sm_head_job {
	const struct sm_dicom *dcm;
	struct sm_dataset set; /* the main data set */
	const struct sm_salt *salt;
	struct sm_head_rules rules;
	struct sm_dcm_head *head;
	double midnight; /* s: 0:00 of the study's day on the scale of sm_dicom_moment; NAN = no
			    date */
	char zone[17];   /* TimezoneOffsetFromUTC */
};

/* A finding: the most severe one of a head or frame stands, of equals the first. */
void sm_head_judge(struct sm_dcm_head *head, enum sm_verdict verdict, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for a frame and the head that holds it. */
void sm_frame_judge(struct sm_dcm_head *head, struct sm_dcm_frame *frame, enum sm_verdict verdict,
		    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* A frame of which nothing is known. */
struct sm_dcm_frame sm_frame_unknown(void);

/* Room for count frames, each a copy of *like, numbered in the file. SM_BUDGET. */
enum sm_status sm_head_frames(struct sm_dcm_head *head, size_t count,
			      const struct sm_dcm_frame *like, struct sm_err *err);

/* Notes that a frame's spacing came from PixelSpacing, when it has one. */
void sm_head_spacing_from(struct sm_dcm_head *head, const struct sm_dcm_frame *frame);

/* A whole number of 32 bits, or fallback. */
long sm_head_whole(const struct sm_dataset *set, uint32_t tag, long fallback);

/* Value `number` of text into out ("" when it is not there or does not fit). */
void sm_text_value(const char *text, int number, char *out, size_t n);

/* The words of an element may hold anything; out becomes one of `known` (n words), or "x" and 8 hex
 * digits of the salted hash, so that different words stay different. */
void sm_head_word(const struct sm_salt *salt, const char *text, const char *const *known, size_t n,
		  char out[17]);

/* dcm_identity.c: who, and how the pixels are written. sm_head_pixels is false for what holds no
 * picture. */
void sm_head_identity(struct sm_head_job *job);
bool sm_head_pixels(struct sm_head_job *job);

/* dcm_place.c: elements of a data set (main or a functional group's item) into the frame. */
void sm_place_spacing(const struct sm_dataset *set, uint32_t tag, struct sm_dcm_frame *frame);
void sm_place_orientation(const struct sm_dataset *set, struct sm_dcm_frame *frame);
void sm_place_position(const struct sm_dataset *set, struct sm_dcm_frame *frame);
void sm_place_thickness(const struct sm_dataset *set, struct sm_dcm_frame *frame);
/* For sentences, "is ..." what stands in an element: the text itself only when it is made of the
 * characters of numbers, because anything else may be a name. set may be NULL (missing). */
#define SM_FOUND_SIZE 80
void sm_place_found(const struct sm_dataset *set, uint32_t tag, char out[SM_FOUND_SIZE]);
/* set: where position, orientation and spacing stand; NULL = nowhere. */
void sm_place_judge(struct sm_dcm_head *head, const struct sm_dataset *const set[3],
		    struct sm_dcm_frame *frame);

/* dcm_scale.c. The factors of one frame as found; combined at the end by sm_scale_apply. */
struct sm_factors {
	bool has_slope, has_intercept, bad; /* bad: an element is there but is not one number */
	double slope, intercept;
	double philips; /* (2005,100E); 0 = absent */
	int real_worlds; /* how many items */
	double real_slope, real_intercept;
};
void sm_scale_rescale(const struct sm_dataset *set, struct sm_factors *f);
void sm_scale_philips(const struct sm_dataset *set, struct sm_factors *f);
void sm_scale_real_world(const struct sm_dataset *set, struct sm_factors *f);
void sm_scale_apply(struct sm_head_job *job, const struct sm_factors *f,
		    struct sm_dcm_frame *frame);

/* dcm_keys.c: what tells volumes and time points apart. */
void sm_keys_classic(struct sm_head_job *job, const struct sm_dataset *set,
		     struct sm_dcm_frame *frame);
void sm_keys_ct(struct sm_head_job *job, const struct sm_dataset *set, struct sm_dcm_frame *frame);
double sm_keys_moment(const struct sm_head_job *job, const char *text); /* DT as frame.time */
/* RepetitionTime in ms; NAN when it is not one volume's. */
double sm_keys_repetition(const struct sm_head_job *job, const struct sm_dataset *set,
			  double fallback);
void sm_keys_image_type(struct sm_head_job *job, const char *type, struct sm_dcm_frame *frame);
void sm_keys_component(struct sm_head_job *job, const struct sm_dataset *set,
		       struct sm_dcm_frame *frame);

/* dcm_diffusion.c: b-value and direction, the standard's elements and makers' private ones. */
void sm_diffusion_standard(const struct sm_dataset *set, struct sm_dcm_frame *frame);
void sm_diffusion_private(struct sm_head_job *job, const struct sm_dataset *set,
			  struct sm_dcm_frame *frame);

/* dcm_enhanced.c, dcm_mosaic.c: fill head->frame from the classic elements in *base. SM_BUDGET. */
enum sm_status sm_enhanced_frames(struct sm_head_job *job, const struct sm_dcm_frame *base,
				  const struct sm_factors *factors, long claimed,
				  struct sm_err *err);
bool sm_mosaic_is(const struct sm_head_job *job, const char *image_type);
enum sm_status sm_mosaic_frames(struct sm_head_job *job, const char *image_type,
				struct sm_dcm_frame *base, struct sm_err *err);

#endif
