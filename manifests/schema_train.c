/* SPDX-License-Identifier: Apache-2.0 */
/* The sections train and predict. */
#include <inttypes.h>
#include <string.h>

#include "core/file.h"
#include "manifests/augment.h"
#include "manifests/schema_rows.h"

static enum sm_status check_train(const void *base, struct sm_err *err)
{
	const struct sm_train_section *s = base;
	if (s->micro_batch > s->batch && s->batch_of == SM_BATCH_OF_SAMPLES)
		return SM_FAIL(err, SM_USAGE,
			       "micro_batch: found %" PRId64 ", allowed is at most batch (%" PRId64
			       ")",
			       s->micro_batch, s->batch);
	if (s->regions.n && s->head == SM_HEAD_SOFTMAX)
		return SM_FAIL(
			err, SM_USAGE,
			"head: found softmax, allowed with regions, which overlap, is sigmoid");
	if (s->warmup >= s->epochs)
		return SM_FAIL(err, SM_USAGE,
			       "warmup: found %" PRId64 ", allowed is less than epochs (%" PRId64
			       ")",
			       s->warmup, s->epochs);
	if (s->min_rate > s->learning_rate)
		return SM_FAIL(err, SM_USAGE,
			       "min_rate: found %g, allowed is at most learning_rate (%g)",
			       s->min_rate, s->learning_rate);
	/* The default, 1e-6, stands under any rate: a rate that is lower stays what it is. */
	if (s->schedule == SM_SCHEDULE_PLATEAU && s->plateau->min_rate > s->learning_rate &&
	    s->plateau->min_rate > 1e-6)
		return SM_FAIL(err, SM_USAGE,
			       "plateau.min_rate: found %g, allowed is at most learning_rate (%g)",
			       s->plateau->min_rate, s->learning_rate);
	if (!sm_key_is_safe(s->csv_name) || strcmp(s->csv_name, "ledger.jsonl") == 0 ||
	    sm_ends_with(s->csv_name, ".hdf5") || sm_ends_with(s->csv_name, ".m5") ||
	    sm_ends_with(s->csv_name, ".png") || sm_ends_with(s->csv_name, ".sha256"))
		return SM_FAIL(err, SM_USAGE,
			       "csv_name: found '%s', allowed are letters, digits, '_', '-' and "
			       "'.', not first, and none of the other files' names",
			       s->csv_name);
	return sm_augment_check(&s->augmentations, err);
}

static const struct sm_field region[] = {
	{"name", SM_F_STRING, AT(sm_train_region, name), .required = true,
	 .doc = "of the region, for columns and files"},
	{"labels", SM_F_INTS, AT(sm_train_region, labels), .min = 1, .max = 255, .required = true,
	 .doc = "labels whose union it is"},
};
const struct sm_fieldset sm_region_fieldset =
	SM_FIELDSET("region", struct sm_train_region, region, "a union of labels");

static const struct sm_field plateau[] = {
	REAL(sm_plateau, factor, "0.2", 1e-6, 0.999999, "the rate is multiplied by this"),
	WHOLE(sm_plateau, patience, "2", 0, 1e6,
	      "after this many epochs in a row without a better val_loss"),
	REAL(sm_plateau, min_delta, "1e-4", 0, 1e6,
	     "better is lower than the best so far by more than this"),
	REAL(sm_plateau, min_rate, "1e-6", 0, 10, "the rate goes no lower"),
};
static const struct sm_fieldset plateau_set =
	SM_FIELDSET("plateau", struct sm_plateau, plateau, "ReduceLROnPlateau, with Keras's rules");

/* Losses with sums over voxels in a quotient. */
#define WITH_DICE "loss soft_dice|dice|generalised_dice|dice_ce|dice_bce|dice_focal|tversky"

static const struct sm_field train[] = {
	/* The choices are the rows of the tables of train/, in order; test_schema compares them. */
	ONEOF(sm_train_section, model, "unet3d",
	      "unet3d|resunet3d|vnet|vnet_paper|unet2d|nnunet3d|basic_unet3d", "network"),
	REAL(sm_train_section, width, "1", 1.0 / 64, 8, "factor on every width of the network"),
	ONEOF(sm_train_section, norm, "auto", "auto|none|batch|instance|depth",
	      "normalisation; auto = the network's own; depth = over the depth axis, the "
	      "originals' mistake"),
	ONEOF(sm_train_section, activation, "auto", "auto|relu|leaky_relu|prelu",
	      "auto = the network's own"),
	REAL(sm_train_section, dropout, "-1", -1, 0.95,
	     "share of values zeroed while training; -1 = the network's own"),
	ONEOF(sm_train_section, deep_supervision, "auto", "auto|off|on",
	      "losses at coarser levels too; auto = the network's own"),
	ONEOF(sm_train_section, precision, "float32", "float32|bf16",
	      "of what stands between the operators while training; bf16 halves that memory; "
	      "weights, their gradients and checkpoints stay float32"),
	{"spacing", SM_F_FLOATS, AT(sm_train_section, spacing), .min = 0.001, .max = 1000,
	 .count = 3, .only = "model nnunet3d",
	 .doc = "voxel size x, y, z in mm, by which nnunet3d chooses its kernels; absent = equal"},
	WHOLE(sm_train_section, classes, "3", 1, 64,
	      "labels 1 to classes are the foreground; with softmax outputs, which have the "
	      "background, too, at most 63"),
	{"regions", SM_F_LIST, AT(sm_train_section, regions), .of = &sm_region_fieldset,
	 .doc = "outputs that are unions of labels and may overlap, larger ones first; absent = "
		"one output a label"},
	ONEOF(sm_train_section, head, "auto", "auto|sigmoid|softmax",
	      "outputs: each by itself, or exclusive with a background; auto = what the loss is "
	      "made for (softmax: ce, dice_ce, dice_focal; sigmoid: bce, dice_bce), else what the "
	      "network's original has"),
	ONEOF(sm_train_section, loss, "soft_dice",
	      "soft_dice|dice|generalised_dice|dice_ce|dice_bce|dice_focal|ce|bce|tversky",
	      "loss function; dice and soft_dice are the same"),
	{"class_weight", SM_F_FLOATS, AT(sm_train_section, class_weight), .min = 0, .max = 1e6,
	 .doc = "weight of each output in the loss, of softmax the background first; absent = all "
		"1"},
	REAL_IF(sm_train_section, tversky_alpha, "loss tversky", "0.3", 0, 10,
		"loss tversky: weight of false positives"),
	REAL_IF(sm_train_section, tversky_beta, "loss tversky", "0.7", 0, 10,
		"loss tversky: weight of false negatives"),
	REAL_IF(sm_train_section, focal_gamma, "loss dice_focal", "2", 0, 10,
		"loss dice_focal: exponent; 0 = dice_ce"),
	{"background", SM_F_BOOL, AT(sm_train_section, background), "false",
	 .only = "loss soft_dice|dice|dice_ce|dice_focal|tversky",
	 .doc = "softmax: Dice and Tversky count the background, too"},
	{"batch_dice", SM_F_BOOL, AT(sm_train_section, batch_dice), "false", .only = WITH_DICE,
	 .doc = "sums of Dice and Tversky go over all samples that the network holds at once, not "
		"over each alone"},
	REAL_IF(sm_train_section, smooth, WITH_DICE, "1e-5", 1e-9, 1,
		"added above and below in Dice and Tversky"),
	ONEOF(sm_train_section, optimiser, "adam", "adam|adamw|sgd", "optimiser"),
	REAL(sm_train_section, learning_rate, "1e-5", 0, 10, "step size"),
	REAL(sm_train_section, momentum, "0.9", 0, 0.9999, "momentum of sgd, beta1 of adam"),
	{"nesterov", SM_F_BOOL, AT(sm_train_section, nesterov), "false", .only = "optimiser sgd",
	 .doc = "sgd: Nesterov's momentum"},
	REAL(sm_train_section, weight_decay, "0", 0, 10,
	     "L2 penalty; of adamw decoupled from the gradient"),
	{"decay_norm", SM_F_BOOL, AT(sm_train_section, decay_norm), "true",
	 .only = "any weight_decay",
	 .doc = "biases, norms' scales and shifts and PReLU slopes decay, too"},
	REAL(sm_train_section, clip_norm, "0", 0, 1e9, "largest gradient norm; 0 = no clipping"),
	REAL(sm_train_section, ema, "0", 0, 0.999999,
	     "decay of a moving average of the weights, which then is what is validated; 0 = none"),
	ONEOF(sm_train_section, schedule, "constant", "constant|plateau|polynomial|cosine|linear",
	      "learning rate over time; plateau by val_loss, the last three fall over all epochs "
	      "to min_rate"),
	WHOLE(sm_train_section, warmup, "0", 0, 1e6,
	      "epochs in which the rate rises step by step before the schedule"),
	REAL_IF(sm_train_section, warmup_start, "any warmup", "0.01", 0, 1,
		"share of the rate that warm-up begins with"),
	{"plateau", SM_F_MAPPING, AT(sm_train_section, plateau), "{}", .of = &plateau_set,
	 .only = "schedule plateau", .doc = "schedule plateau: its rule"},
	REAL_IF(sm_train_section, power, "schedule polynomial", "0.9", 0.01, 10,
		"polynomial: exponent"),
	REAL_IF(sm_train_section, min_rate, "schedule polynomial|cosine|linear", "0", 0, 10,
		"polynomial, cosine, linear: the rate that they fall to"),
	ONEOF(sm_train_section, batch_of, "samples", "samples|case",
	      "an update takes `batch` samples, or all samples of one case as UNet-2D's original "
	      "did"),
	WHOLE(sm_train_section, batch, "8", 1, 4096,
	      "samples an update; of batch_of case, that the network holds at once"),
	WHOLE(sm_train_section, micro_batch, "0", 0, 4096,
	      "samples that the network holds at once, their gradients are added up over the "
	      "batch; 0 = batch"),
	WHOLE(sm_train_section, epochs, "117", 1, 1e6, "epochs in all"),
	WHOLE(sm_train_section, steps_per_epoch, "16", 0, 1e9,
	      "updates an epoch; 0 = every sample once"),
	ONEOF(sm_train_section, augment, "none", "none|nnunet",
	      "augmentation of the training samples: none (or those of augmentations), or "
	      "nnU-Net's"),
	{"augmentations", SM_F_STEPS, AT(sm_train_section, augmentations),
	 .of = &sm_augment_fieldset, .only = "augment none",
	 .doc = "augmentations in order, each with its own probability"},
	ONEOF(sm_train_section, augment_border, "edge", "edge|zero",
	      "what comes in from beyond a sample that is turned or scaled: the nearest voxel, or "
	      "0 without a label"),
	ONEOF(sm_train_section, valid_fold, "valid", "valid|train",
	      "fold to validate on; train is for trials with very few cases: its figures say "
	      "nothing"),
	WHOLE(sm_train_section, valid_tiles, "0", 0, 1e9,
	      "validation tiles an epoch, a fixed choice; 0 = all of the fold"),
	WHOLE(sm_train_section, valid_volumes, "0", 0, 1e6,
	      "each n epochs the validation cases are predicted whole, too (needs --volumes); 0 = "
	      "never"),
	{"metrics", SM_F_STRINGS, AT(sm_train_section, metrics),
	 .doc = "more columns of the history, each for training and validation: accuracy, "
		"mean_iou, dice_coef, "
		"dice_coef_class, precision, sensitivity, specificity, or all"},
	ONEOF(sm_train_section, folds, "one", "one|all",
	      "one: the split's train and valid; all: each of its k folds in turn is the "
	      "validation fold, in OUT/fold0 and so on"),
	WHOLE(sm_train_section, checkpoint_every, "1", 0, 1e6,
	      "numbered checkpoint each n epochs; 0 = only best and last"),
	ONEOF_IF(sm_train_section, checkpoint_names, "any checkpoint_every", "model",
		 "model|unet2d|epoch",
		 "model-0001-0.1234.hdf5 of each n epochs; model_.01-0.123456.m5 whenever val_loss "
		 "is the lowest so far; or epoch-0001.hdf5 of each n epochs"),
	ONEOF(sm_train_section, csv, "overwrite", "append|overwrite",
	      "a training that starts from the beginning in a folder with a history: the rows of "
	      "before stay above, or leave (--resume keeps them either way)"),
	{"csv_name", SM_F_STRING, AT(sm_train_section, csv_name), "model_history_log.csv",
	 .doc = "file of the history, for instance training.log"},
	WHOLE(sm_train_section, early_stop, "0", 0, 1e6,
	      "stop after this many epochs in a row without a better val_loss; 0 = never"),
	REAL(sm_train_section, time_budget, "0", 0, 1e6,
	     "minutes of one run after which it stops behind the epoch at work, to be gone on with "
	     "by --resume; 0 = none"),
	WHOLE(sm_train_section, sample_pictures, "0", 0, 1e6,
	      "each n epochs a PNG of a validation sample: image, truth, prediction; 0 = none"),
	SEED(sm_train_section),
};
const struct sm_fieldset sm_train_fieldset = SM_FIELDSET_CHECKED(
	check_train, "train", struct sm_train_section, train, "network and training");

static enum sm_status check_clean(const void *base, struct sm_err *err)
{
	const struct sm_predict_clean *s = base;
	if (!s->labels.n == !s->region)
		return SM_FAIL(err, SM_USAGE, "labels, region: %s given, exactly one must be",
			       s->region ? "both were" : "neither was");
	if (!s->largest && s->min_size <= 0)
		return SM_FAIL(err, SM_USAGE,
			       "largest, min_size: found false and 0, which remove nothing");
	return SM_OK;
}

static const struct sm_field clean[] = {
	{"labels", SM_F_INTS, AT(sm_predict_clean, labels), .min = 1, .max = 255,
	 .doc = "labels whose union is taken apart, in the training's numbers"},
	{"region", SM_F_STRING, AT(sm_predict_clean, region),
	 .doc = "or the labels of an output of the network, by its name"},
	{"largest", SM_F_BOOL, AT(sm_predict_clean, largest), "false",
	 .doc = "only the largest part stays"},
	REAL(sm_predict_clean, min_size, "0", 0, 1e12, "parts that are smaller become background"),
	ONEOF(sm_predict_clean, unit, "voxels", "voxels|mm3", "of min_size"),
	ONEOF(sm_predict_clean, neighbours, "26", "6|18|26",
	      "voxels are of one part when they share a face (6), an edge too (18), a corner too "
	      "(26)"),
};
static const struct sm_fieldset clean_set =
	SM_FIELDSET_CHECKED(check_clean, "clean", struct sm_predict_clean, clean,
			    "small or detached parts, removed from a prediction");

static const struct sm_field predict[] = {
	REAL(sm_predict_section, overlap, "0.5", 0, 0.9, "share of a window that neighbours share"),
	ONEOF(sm_predict_section, blend, "gaussian", "uniform|gaussian",
	      "weights of overlapping windows"),
	REAL(sm_predict_section, threshold, "0.5", 0, 1,
	     "a class is present above this probability"),
	ONEOF(sm_predict_section, fold, "test", "train|test|valid|all|cross_validation",
	      "cases to predict; cross_validation: those of all k folds, each by the network of "
	      "train --fold all that was trained without its fold"),
	ONEOF(sm_predict_section, seen, "refuse", "refuse|allow",
	      "cases that a network was trained on: allow predicts them too, and the ledger tells "
	      "which"),
	ONEOF(sm_predict_section, precision, "float32", "float32|bf16",
	      "of what stands between the operators; bf16 halves that memory; weights and the "
	      "network's output stay float32"),
	ONEOF(sm_predict_section, mirror, "none", "none|x|y|xy|z|xz|yz|xyz",
	      "mean over the window and its flips along these axes, alone and together (xyz: 8 "
	      "times the time)"),
	{"clean", SM_F_LIST, AT(sm_predict_section, clean), .of = &clean_set,
	 .doc = "connected parts to remove from the labels, rule after rule"},
	ONEOF(sm_predict_section, direction, "a_to_b", "a_to_b|b_to_a",
	      "dataset pair, cyclegan: which of its two generators (pix2pix has the direction of "
	      "pair alone)"),
	ONEOF(sm_predict_section, test_dropout, "off", "off|on",
	      "dataset pair: drop-out stays on, as in the original pix2pix; drawn from --seed, "
	      "case and slice"),
	ONEOF(sm_predict_section, test_norm, "batch", "batch|running",
	      "dataset pair: batch norm by the image's own statistics, as the originals, or by the "
	      "training's running ones"),
	REAL(sm_predict_section, mask_threshold, "0", 0, 65535,
	     "dataset pair, pictures: beside each a mask <case>.mask.png and its outlines "
	     "<case>.svg, ink being greys at or below this (mask_ink); 0 = none"),
	ONEOF(sm_predict_section, mask_ink, "dark", "dark|bright",
	      "dataset pair, pictures: dark lines on white paper, or bright: greys above "
	      "mask_threshold"),
	ONEOF(sm_predict_section, grid, "source", "source|preprocess",
	      "dataset pair, volumes: source: on the grid of the scan that they were made of, too, "
	      "by linear interpolation; preprocess: on the grid that the network saw alone"),
};
const struct sm_fieldset sm_predict_fieldset =
	SM_FIELDSET("predict", struct sm_predict_section, predict,
		    "whole volumes, and translated ones");
