/* SPDX-License-Identifier: Apache-2.0
 *
 * What a manifest may say: one struct a section, filled by core/manifest.h from the tables in
 * schema.c. `scanmill manifest --describe` prints the tables. Everything that changes an output of
 * a data set or a training stands here or is a default
 * here. */
#ifndef SM_MANIFESTS_SCHEMA_H
#define SM_MANIFESTS_SCHEMA_H

#include "core/field.h"
#include "core/standardise.h"

/* phantom: a synthetic cohort with exact truth. */
struct sm_phantom_section {
	int64_t cases;
	struct sm_ints size;      /* x, y, z voxels; n 0 = by kind */
	struct sm_floats spacing; /* mm; n 0 = by kind */
	struct sm_ints ct_size;   /* kinds mr_ct and pet_ct: of the CTs; n 0 = from size */
	int64_t frames;           /* of a PET; 0 = by kind */
	double empty_et;          /* share of cases without enhancing tumour */
	double noise;             /* Rician sigma as a share of white-matter signal */
	double bias;              /* amplitude of the bias field, share of 1 */
	int kind;                 /* enum sm_phantom_kind */
	int defect;               /* enum sm_phantom_defect (ingest/phantom/phantom.h) */
};
enum sm_phantom_kind {
	SM_PHANTOM_BRATS,
	SM_PHANTOM_CT_HEAD,
	SM_PHANTOM_PET_DYNAMIC,
	SM_PHANTOM_MR_CT,
	SM_PHANTOM_MR_CT_PAIR,
	SM_PHANTOM_PET_CT,
	SM_PHANTOM_PET_CT_PAIR,
	SM_PHANTOM_CT_STACK,
	SM_PHANTOM_MAMMO,
	SM_PHANTOM_KINDS
};

/* ingest: what the raw tree holds. For layout brats, files, mixed and images: each case has one
 * file per modality; in a pattern `{case}` stands for the case key, `{patient}` (optional, beside
 * it) for the patient whom follow-up scans share, `*` for any text without '/', `|` between
 * alternatives, of which the first that has a file in a case counts. */
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
	double grid_tolerance;   /* mm between the grids of one case's volumes, and between its two
				    forms */
	int affine;              /* enum sm_nii_affine (core/nii.h) */
	int burned_text;         /* text in the pixels: enum sm_burned_text */
	int nan;                 /* enum sm_nan: NaN and Inf in NIfTI files */
	int64_t min_slices; /* positions that a DICOM volume needs, unless its header declares fewer
			     */
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
	SM_LAYOUT_MIXED,
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
	double grid_tolerance; /* mm that volumes, label and mask may differ and still lie on one
				  grid */
	int compression;
};

/* split: by patient. */
struct sm_split_lists {
	struct sm_strings train, valid, test; /* patient keys */
};
struct sm_split_section {
	double train, valid, test;    /* shares; any positive numbers, used relative to their sum */
	int64_t folds,
		fold; /* k folds in place of shares: k (0 = shares), and the one that tests */
	struct sm_split_lists *lists; /* in place of shares; NULL = none */
	struct sm_strings
		test_cases; /* keys of cases or patients: a fixed test list beside k folds */
	struct sm_strings leave_out;  /* keys of cases or patients */
	char *stratify;               /* column of --table; NULL = none */
	int near_duplicates;          /* enum sm_near_duplicates */
	double near_distance,
		near_distance_flat; /* share of a perceptual hash's bits: volumes, pictures */
	int64_t seed;
};
enum sm_near_duplicates { SM_NEAR_OFF, SM_NEAR_REFUSE, SM_NEAR_WARN, SM_NEAR_JOIN };

/* tile: sub-volumes for training. */
struct sm_tile_section {
	struct sm_ints size;       /* x, y, z */
	int rule;                  /* enum sm_tile_choice */
	int64_t per_case;          /* of random and balanced */
	double overlap;            /* of grid: share of a tile that neighbours share */
	bool skip_background;      /* of grid: max_background counts */
	struct sm_floats class_shares; /* of balanced: share of tiles centred on label 0, 1, ... */
	double max_background;     /* a tile is kept when its share of label 0 is below this */
	int64_t tries;             /* random positions tried per tile wanted, in all per case */
	double tumour_share; /* share of tiles centred on a random labelled voxel, 0 = original's
				rule alone */
	int standardise;           /* enum sm_standardise */
	int layout;                /* enum sm_tile_layout */
	int compression;           /* 0 = stored, 1..12 gzip */
	int small;                 /* volume smaller than the tile: enum sm_small */
	int64_t seed;
};
enum sm_tile_choice { SM_TILES_RANDOM, SM_TILES_GRID, SM_TILES_BALANCED };
enum sm_tile_layout { SM_TILES_SHARD, SM_TILES_FILES };
enum sm_small { SM_SMALL_REJECT, SM_SMALL_PAD };

/* slice: planes as pictures and as HDF5. */
struct sm_slice_section {
	int plane;              /* enum sm_plane */
	int view;               /* enum sm_view_kind */
	int64_t first, last;    /* slice indices; last -1 = to the end */
	int format;             /* enum sm_slice_format */
	int bits;               /* of PNG: enum sm_slice_bits */
	struct sm_floats window; /* of PNG: low, high real values mapped to black and white; empty =
				    the volume's range */
	int standardise;        /* of HDF5: enum sm_slice_scaling */
	int compression;        /* of HDF5 */
};
enum sm_plane { SM_PLANE_AXIAL, SM_PLANE_CORONAL, SM_PLANE_SAGITTAL, SM_PLANES };
#define SM_PLANE_ALL SM_PLANES /* stands behind the last plane */
enum sm_view_kind { SM_VIEW_RADIOLOGICAL, SM_VIEW_STORED };
enum sm_slice_format { SM_FORMAT_PNG, SM_FORMAT_HDF5, SM_FORMAT_BOTH };
enum sm_slice_bits { SM_SLICE_8, SM_SLICE_16 };
enum sm_slice_scaling { SM_SLICE_AS_IS, SM_SLICE_ZSCORE, SM_SLICE_UNIT };

/* pair: samples for networks that turn one image into another. */
struct sm_pair_section {
	int mode;           /* enum sm_pair_mode */
	char *a, *b;        /* roles, channels or modalities; NULL = none */
	int direction;      /* enum sm_pair_direction: aligned, which of them is the input */
	int plane;          /* enum sm_plane */
	int view;           /* enum sm_view_kind */
	int64_t first, last;
	double grid_tolerance; /* mm */
	int format, bits, compression;      /* as of slice */
	struct sm_floats window, window_b;  /* of PNG; window_b empty = window */
	int split;          /* enum sm_pair_split */
	int64_t block, gap; /* slices, of split blocks */
	int64_t held_out;   /* samples, of split first */
	double held_out_share; /* of a domain, at most */
	int64_t seed;
};
enum sm_pair_mode { SM_PAIR_ALIGNED, SM_PAIR_TRIPLETS, SM_PAIR_UNPAIRED };
enum sm_pair_direction { SM_A_TO_B, SM_B_TO_A };
enum sm_pair_split { SM_BY_PATIENT, SM_BY_BLOCKS, SM_BY_SLICES, SM_BY_FIRST };

enum sm_precision { SM_FLOAT32, SM_BF16 };

/* translate. */
enum sm_training_memory { SM_MEMORY_LOW, SM_MEMORY_FAST };
enum sm_system { SM_PIX2PIX, SM_CYCLEGAN };
struct sm_translate_section {
	int system;                /* enum sm_system */
	int generator;             /* index of its choices */
	int discriminator;
	double width, discriminator_width;
	int norm;                  /* index of its choices; 0 = the networks' own */
	int64_t levels, chain, blocks; /* 0 = the network's own */
	int upsampling;            /* 1 = resize */
	double slope, dropout;     /* -1 = the network's own */
	int adversarial;           /* 0 bce, 1 lsgan */
	double adversarial_weight, discriminator_weight, l1, perceptual, content, style, cycle,
		identity;
	int64_t pool, generator_steps;
	double learning_rate, beta1;
	int64_t linear_from;       /* epochs; 0 = constant */
	int64_t jitter;            /* pixels */
	bool mirror;
	int64_t batch, epochs, steps_per_epoch;
	int64_t checkpoint_every, sample_images, sample_every;
	double time_budget;        /* minutes; 0 = none */
	int precision;             /* enum sm_precision */
	int memory;                /* enum sm_training_memory */
	int64_t seed;
};

/* train. The choices that name rows of a table hold its index. */
struct sm_train_region {
	char *name;
	struct sm_ints labels;
};
#define SM_SCHEDULE_PLATEAU 1
struct sm_plateau {
	double factor;    /* the rate is multiplied by it */
	int64_t patience; /* epochs without a better val_loss before that */
	double min_delta; /* what counts as better */
	double min_rate;  /* the rate goes no lower */
};
struct sm_train_section {
	/* the network */
	int model;              /* row of the models' table (train/models/models.h) */
	double width;           /* factor on every width of the model */
	int norm;               /* index of its choices; 0 = the model's own */
	int activation;         /* the same */
	double dropout;         /* -1 = the model's own */
	int deep_supervision;   /* enum sm_switch */
	int precision;          /* enum sm_precision */
	struct sm_floats spacing; /* of the voxels x, y, z in mm; empty = equal */
	int64_t classes;        /* labels 1..classes are the foreground classes */
	struct sm_list regions; /* struct sm_train_region; empty = classes */
	int head;               /* enum sm_head_choice */
	/* the loss */
	int loss;               /* row of the losses' table (train/nn/nn.h) */
	struct sm_floats class_weight; /* one an output; empty = all 1 */
	double tversky_alpha, tversky_beta, focal_gamma;
	bool background, batch_dice; /* of Dice and Tversky */
	double smooth;
	/* the optimiser */
	int optimiser;          /* row of the optimisers' table */
	double learning_rate;
	double momentum;        /* of sgd; beta1 of adam and adamw */
	bool nesterov;
	double weight_decay;
	bool decay_norm;        /* of what is no kernel, too */
	double clip_norm;       /* 0 = none */
	double ema;             /* 0 = none */
	/* the rate over time */
	int schedule;           /* row of the schedules' table (train/schedule.h) */
	int64_t warmup;         /* epochs */
	double warmup_start;    /* share of the rate that the first step has */
	struct sm_plateau *plateau; /* never NULL */
	double power;           /* of polynomial */
	double min_rate;        /* of polynomial, cosine, linear */
	/* data and steps */
	int batch_of;           /* enum sm_batch_of */
	int64_t batch;          /* samples an update */
	int64_t micro_batch;    /* samples that the network holds at once; 0 = batch */
	int64_t epochs;
	int64_t steps_per_epoch; /* 0 = every tile once */
	int augment;             /* enum sm_augment_preset (manifests/augment.h) */
	struct sm_steps
		augmentations;   /* which = enum sm_augment_id, params = struct sm_augment_params */
	int augment_border;      /* enum sm_augment_border */
	/* validation */
	int valid_fold;          /* enum sm_valid_fold */
	int64_t valid_tiles;     /* validation tiles an epoch, the same in each; 0 = all */
	int64_t valid_volumes;   /* whole volumes each n epochs; 0 = never */
	struct sm_strings metrics; /* columns of the history (train/metrics.h) */
	int folds;               /* enum sm_train_folds */
	/* the end of an epoch */
	int64_t checkpoint_every; /* numbered checkpoint each n epochs; 0 = only best and last */
	int checkpoint_names;     /* enum sm_checkpoint_names */
	int csv;                  /* enum sm_csv_mode */
	char *csv_name;
	int64_t early_stop;       /* epochs without a better val_loss; 0 = never */
	double time_budget;       /* minutes; 0 = none */
	int64_t sample_pictures;  /* a picture each n epochs; 0 = none */
	int64_t seed;
};
enum sm_valid_fold { SM_VALIDATE_ON_VALID, SM_VALIDATE_ON_TRAIN };
enum sm_switch { SM_SWITCH_AUTO, SM_SWITCH_OFF, SM_SWITCH_ON };
enum sm_head_choice { SM_HEAD_AUTO, SM_HEAD_SIGMOID, SM_HEAD_SOFTMAX };
enum sm_train_folds { SM_FOLDS_ONE, SM_FOLDS_ALL };
enum sm_checkpoint_names { SM_NAMES_MODEL, SM_NAMES_UNET2D, SM_NAMES_EPOCH };
enum sm_batch_of { SM_BATCH_OF_SAMPLES, SM_BATCH_OF_CASES };
enum sm_csv_mode { SM_CSV_APPEND, SM_CSV_OVERWRITE };

/* predict. */
struct sm_predict_section {
	double overlap;      /* share of the window that neighbours share, 0..0.9 */
	int blend;           /* enum sm_blend */
	double threshold;    /* a class is present above this probability */
	int fold; /* enum sm_fold (manifests/folds.h), SM_PREDICT_ALL, SM_PREDICT_CROSS */
	int seen;            /* enum sm_predict_seen */
	int precision;       /* enum sm_precision */
	int mirror;          /* axes of the flips: 1 x, 2 y, 4 z */
	struct sm_list clean; /* struct sm_predict_clean, in their order */
	/* dataset pair */
	int direction;       /* enum sm_pair_direction, of cyclegan */
	int test_dropout;    /* 1 = on */
	int test_norm;       /* enum sm_test_norm */
	double mask_threshold; /* of pictures: grey of their ink; 0 = no masks */
	int mask_ink;          /* enum sm_ink_tone, not auto */
	int grid;              /* enum sm_predict_grid, of volumes */
};
enum sm_predict_grid { SM_GRID_SOURCE, SM_GRID_PREPROCESS };
enum sm_ink_tone { SM_INK_DARK, SM_INK_BRIGHT, SM_INK_AUTO };
enum sm_test_norm { SM_NORM_OF_BATCH, SM_NORM_RUNNING };
/* Connected parts to be removed from a prediction. */
struct sm_predict_clean {
	struct sm_ints labels; /* their union, or */
	char *region;          /* an output of the network by its name */
	bool largest;          /* keep only the largest part */
	double min_size;       /* remove smaller ones */
	int unit;              /* enum sm_clean_unit */
	int neighbours;        /* enum sm_neighbours of core/components.h */
};
enum sm_clean_unit { SM_CLEAN_VOXELS, SM_CLEAN_MM3 };
#define SM_PREDICT_ALL 3 /* every fold: stands behind the last of enum sm_fold */
#define SM_PREDICT_CROSS 4 /* every case of k folds, by the network that was trained without it */
enum sm_predict_seen { SM_SEEN_REFUSE, SM_SEEN_ALLOW };
enum sm_blend { SM_BLEND_UNIFORM, SM_BLEND_GAUSSIAN };

/* evaluate. manifests/label_map.h makes the table's rows of labels and regions. */
struct sm_evaluate_label {
	int64_t value;
	char *name;
};
struct sm_evaluate_section {
	int empty;             /* empty-region policy: enum sm_policy (eval/policy.h) */
	double grid_tolerance; /* mm */
	int map;                /* enum sm_map_choice, where labels is empty */
	struct sm_list labels;  /* struct sm_evaluate_label; empty = those of map */
	struct sm_list regions; /* struct sm_train_region, of values of labels */
	/* keys of eval/column.h ("all" = every one; n 0 = the default ones); dataset pair: of
	 * eval/image_metrics.h (n 0 = what applies) */
	struct sm_strings metrics;
	struct sm_floats tolerances; /* mm, of the surface Dice */
	double threshold;   /* of volumes that are no whole numbers; NaN = they are refused */
	/* label of each output of the network, whose probabilities are scored in place of the label
	 * volume: labels may overlap; n 0 = the label volume */
	struct sm_ints outputs;
	int missing;        /* enum sm_missing: a truth without prediction */
	struct sm_strings by; /* "voxel", "slice", "tile": averaged over these too */
	int slice_axis;     /* enum sm_slice_axis */
	int slices;         /* enum sm_slices */
	int lesions;        /* rule of lesion-wise scores: 0 = off, 1 + row of eval/lesions.h */
	double match_iou;   /* above it two parts are one lesion: panoptic quality, detection */
	int64_t resamples;  /* of the bootstrap; 0 = no intervals */
	/* dataset pair: scores of images */
	int held;                  /* enum sm_scored: samples of which folds */
	double range; /* L of PSNR and SSIM, own unit; 0 = the target's, -1 = each truth's */
	int ssim_from; /* enum sm_ssim_from: what SSIM and MS-SSIM take for 0 */
	int body;                  /* enum sm_body_choice */
	double body_threshold;     /* of SM_BODY_BY_VALUE, own unit */
	double bone;               /* threshold, own unit */
	double ink;                /* threshold, grey; 0 = that of predict's masks */
	int ink_tone;              /* enum sm_ink_tone; auto = as predict's masks */
};
enum sm_scored { SM_SCORE_HELD_OUT, SM_SCORE_TEST, SM_SCORE_VALID, SM_SCORE_TRAIN, SM_SCORE_ALL };
enum sm_ssim_from { SM_SSIM_FROM_ZERO, SM_SSIM_FROM_LOW };
enum sm_body_choice { SM_BODY_BY_KIND, SM_BODY_NONE, SM_BODY_BY_OTSU, SM_BODY_BY_VALUE };
enum sm_map_choice { SM_MAP_BRATS, SM_MAP_BRATS2023 };
enum sm_missing { SM_MISSING_REJECT, SM_MISSING_LIST, SM_MISSING_WORST };
enum sm_slice_axis { SM_SLICE_AXIAL, SM_SLICE_X, SM_SLICE_Y, SM_SLICE_Z };
enum sm_slices { SM_SLICES_EITHER, SM_SLICES_TRUTH, SM_SLICES_ALL };
/* compare: raters or models against each other; labels, regions and metrics are evaluate's. */
struct sm_compare_section {
	int fuse;           /* enum sm_fusion */
	int ties;           /* enum sm_ties (eval/fuse.h) */
	double prior;       /* of STAPLE; 0 = the mean share over raters */
	int64_t iterations; /* of STAPLE, at most */
};
enum sm_fusion { SM_FUSE_AUTO, SM_FUSE_OFF, SM_FUSE_MAJORITY, SM_FUSE_STAPLE, SM_FUSE_BOTH };

/* report. */
struct sm_report_published {
	char *name, *source; /* "3-D U-Net", where it is printed */
	char *row, *metric;  /* "wt", "dice" */
	double value;
	int64_t cases; /* 0 = not told */
};
struct sm_report_section {
	char *title;
	int64_t montage_cases;  /* cases shown as pictures, at most */
	int64_t montage_slices; /* slices a case */
	/* dataset pair: black and white of output and target (n 0 = by unit), ends of the error
	 * maps (0 = by the baselines); own unit */
	struct sm_floats window;
	double error_scale;
	int64_t worst, median;  /* cases listed and shown: the worst, those about the median */
	bool viewer;
	int64_t viewer_cases;
	struct sm_list published; /* struct sm_report_published */
};

/* explore: the page of a data set. */
struct sm_explore_section {
	int64_t cases;  /* on the sheets, evenly chosen; numbers are of all */
	int64_t slices; /* a case */
	int64_t bins;   /* of a histogram, at most */
	int64_t pixels; /* longest side of a picture */
	double outlier; /* robust standard deviations */
};

enum sm_last_stage { SM_LAST_TILE, SM_LAST_SLICE, SM_LAST_PAIR };

struct sm_manifest_root {
	int64_t schema; /* 1 */
	char *name;
	int dataset; /* enum sm_last_stage: the stage that ends `make dataset`, which reads this
			line itself */
	struct sm_phantom_section *phantom; /* sections are never NULL: absent = all defaults */
	struct sm_ingest_section *ingest;
	struct sm_preprocess_section *preprocess;
	struct sm_split_section *split;
	struct sm_tile_section *tile;
	struct sm_slice_section *slice;
	struct sm_pair_section *pair;
	struct sm_train_section *train;
	struct sm_translate_section *translate;
	struct sm_predict_section *predict;
	struct sm_evaluate_section *evaluate;
	struct sm_compare_section *compare;
	struct sm_report_section *report;
	struct sm_explore_section *explore;
};

extern const struct sm_fieldset sm_manifest_schema;

/* The phantom section's own table: the phantom tool takes the same keys on its command line. */
extern const struct sm_fieldset sm_phantom_fieldset;

#endif
