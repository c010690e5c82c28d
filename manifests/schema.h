/* SPDX-License-Identifier: Apache-2.0
 *
 * What a manifest may say: one struct a section, filled by core/manifest.h from the tables in
 * schema.c. `scanmill manifest --describe` prints the tables. Everything that changes an output of a
 * data set or a training stands here or is a default here.
 */
#ifndef SM_MANIFESTS_SCHEMA_H
#define SM_MANIFESTS_SCHEMA_H

#include "core/field.h"
#include "core/standardise.h"

/* phantom: a synthetic cohort with exact truth. */
struct sm_phantom_section {
	int64_t cases;
	struct sm_ints size;      /* x, y, z voxels */
	struct sm_floats spacing; /* mm */
	double empty_et;          /* share of cases without enhancing tumour */
	double noise;             /* Rician sigma as a share of white-matter signal */
	double bias;              /* amplitude of the bias field, share of 1 */
	int kind;                 /* enum sm_phantom_kind */
	int defect;               /* enum sm_phantom_defect (ingest/phantom/phantom.h) */
};
enum sm_phantom_kind { SM_PHANTOM_BRATS, SM_PHANTOM_CT_HEAD, SM_PHANTOM_PET_DYNAMIC };

/* ingest: what the raw tree holds. For layout brats, files and images: each case has one file per
 * modality; in a pattern `{case}` stands for the case key, `{patient}` (optional, beside it) for the patient
 * whom follow-up scans share, `*` for any text without '/'. */
struct sm_source {
	char *role;    /* "flair", "t1ce", "t1", "t2", "seg" */
	char *pattern; /* path below RAW, e.g. "{case}/{case}_flair.nii*" */
	bool label;    /* label volume: integers, never scaled */
	bool optional;
};
struct sm_ingest_section {
	int layout;              /* enum sm_layout */
	int pairing;             /* layout images: enum sm_pairing */
	int test_images;         /* layout decathlon: enum sm_test_images */
	struct sm_list sources;  /* struct sm_source; for `brats` a default list when empty */
	int tilt;                /* a tilted stack: enum sm_tilt */
	int uneven;              /* what to do with unevenly spaced slices: enum sm_uneven */
	int compression;         /* gzip level of .nii.gz, 0 = plain .nii */
	double grid_tolerance;   /* mm between the grids of one case's volumes, and between its two forms */
	int affine;              /* enum sm_nii_affine (core/nii.h) */
	int burned_text;         /* text in the pixels: enum sm_burned_text */
	int nan;                 /* enum sm_nan: NaN and Inf in NIfTI files */
	int64_t min_slices;      /* positions that a DICOM volume needs, unless its header declares fewer */
	int philips_scale;       /* enum sm_philips_scale */
	int pet_units;           /* enum sm_pet_unit_choice */
};
/* Rows of sm_layout_rows (ingest/cases/layout.h). */
enum sm_layout {
	SM_LAYOUT_AUTO,
	SM_LAYOUT_BRATS,
	SM_LAYOUT_FILES,
	SM_LAYOUT_DICOM,
	SM_LAYOUT_DECATHLON,
	SM_LAYOUT_BIDS,
	SM_LAYOUT_IMAGES,
	SM_LAYOUT_COUNT
};
enum sm_pairing { SM_PAIR_BY_NAME, SM_PAIR_NONE };
enum sm_test_images { SM_TEST_LEAVE, SM_TEST_TAKE };
enum sm_nan { SM_NAN_KEEP, SM_NAN_REFUSE, SM_NAN_ZERO };
enum sm_pet_unit_choice { SM_PET_STORED, SM_PET_SUVBW };
enum sm_philips_scale { SM_PHILIPS_PRECISE, SM_PHILIPS_DISPLAY };
enum sm_tilt { SM_TILT_REFUSE, SM_TILT_KEEP };
enum sm_uneven { SM_UNEVEN_REFUSE, SM_UNEVEN_REGRID };
enum sm_burned_text { SM_BURNED_TEXT_REFUSE, SM_BURNED_TEXT_KEEP };

/* preprocess: operations in order, each a row of preprocess/op_table.h. */
struct sm_preprocess_section {
	struct sm_steps steps; /* which = index in the operation table, params = its struct */
	int64_t upto;          /* run only the first n steps (0 = all), to inspect a prefix */
	int compression;
};

/* split: by patient. */
struct sm_split_section {
	double train, valid, test; /* shares; any positive numbers, used relative to their sum */
	int64_t seed;
};

/* tile: sub-volumes for training. */
struct sm_tile_section {
	struct sm_ints size;       /* x, y, z */
	int64_t per_case;
	double max_background;     /* a tile is kept when its share of label 0 is below this */
	int64_t tries;             /* random positions tried per tile wanted, in all per case */
	double tumour_share;       /* share of tiles centred on a random labelled voxel, 0 = original's rule alone */
	int standardise;           /* enum sm_standardise */
	int layout;                /* enum sm_tile_layout */
	int compression;           /* 0 = stored, 1..12 gzip */
	int small;                 /* volume smaller than the tile: enum sm_small */
	int64_t seed;
};
enum sm_tile_layout { SM_TILES_SHARD, SM_TILES_FILES };
enum sm_small { SM_SMALL_REJECT, SM_SMALL_PAD };

/* slice: planes as pictures. */
struct sm_slice_section {
	int plane;              /* enum sm_plane */
	int64_t first, last;    /* slice indices; last -1 = to the end */
	int bits;               /* 8 or 16 as enum sm_slice_bits */
	struct sm_floats window; /* low, high real values mapped to black and white; empty = the volume's range */
};
enum sm_plane { SM_PLANE_AXIAL, SM_PLANE_CORONAL, SM_PLANE_SAGITTAL };
enum sm_slice_bits { SM_SLICE_8, SM_SLICE_16 };

/* train. */
struct sm_train_section {
	int model;              /* row of the models' table (train/models/models.h) */
	double width;           /* factor on every width of the model */
	int64_t classes;        /* outputs; labels 1..classes are the foreground classes */
	int loss;               /* row of the losses' table (train/nn/nn.h) */
	int optimiser;          /* row of the optimisers' table */
	double learning_rate;
	double momentum;        /* sgd; beta1 of adam is 0.9 */
	double clip_norm;       /* 0 = none */
	int64_t batch;
	int64_t epochs;
	int64_t steps_per_epoch; /* 0 = every tile once */
	int valid_fold;          /* enum sm_valid_fold */
	int64_t valid_tiles;     /* validation tiles an epoch, the same in each; 0 = all */
	int64_t checkpoint_every; /* numbered checkpoint each n epochs; 0 = only best and last */
	int64_t seed;
};
enum sm_valid_fold { SM_VALIDATE_ON_VALID, SM_VALIDATE_ON_TRAIN };

/* predict. */
struct sm_predict_section {
	double overlap;      /* share of the window that neighbours share, 0..0.9 */
	int blend;           /* enum sm_blend */
	double threshold;    /* a class is present above this probability */
	int fold;            /* enum sm_fold (manifests/folds.h), or SM_PREDICT_ALL */
};
#define SM_PREDICT_ALL 3 /* every fold: stands behind the last of enum sm_fold */
enum sm_blend { SM_BLEND_UNIFORM, SM_BLEND_GAUSSIAN };

/* evaluate. */
struct sm_evaluate_section {
	int empty;           /* empty-region policy: enum sm_empty */
	double grid_tolerance; /* mm */
};
enum sm_empty { SM_EMPTY_BRATS, SM_EMPTY_SKIP };

/* report. */
struct sm_report_section {
	char *title;
	int64_t montage_cases;  /* cases shown, worst first then spread */
	int64_t montage_slices; /* slices a case */
};

struct sm_manifest_root {
	int64_t schema; /* 1 */
	char *name;
	struct sm_phantom_section *phantom; /* sections are never NULL: absent = all defaults */
	struct sm_ingest_section *ingest;
	struct sm_preprocess_section *preprocess;
	struct sm_split_section *split;
	struct sm_tile_section *tile;
	struct sm_slice_section *slice;
	struct sm_train_section *train;
	struct sm_predict_section *predict;
	struct sm_evaluate_section *evaluate;
	struct sm_report_section *report;
};

extern const struct sm_fieldset sm_manifest_schema;

/* The phantom section's own table: the phantom tool takes the same keys on its command line. */
extern const struct sm_fieldset sm_phantom_fieldset;

#endif
