/* SPDX-License-Identifier: Apache-2.0 */
#include "manifests/schema.h"

#include <inttypes.h>
#include <string.h>

#include "core/file.h"
#include "preprocess/op_table.h"

#define AT(type, member) .offset = offsetof(struct type, member)
#define REAL(type, member, def, lo, hi, text) \
	{ #member, SM_F_FLOAT, AT(type, member), def, lo, hi, .doc = text }
#define WHOLE(type, member, def, lo, hi, text) \
	{ #member, SM_F_INT, AT(type, member), def, lo, hi, .doc = text }
#define ONEOF(type, member, def, list, text) \
	{ #member, SM_F_CHOICE, AT(type, member), def, .choices = list, .doc = text }
#define SEED(type) WHOLE(type, seed, "1", 0, 9e15, "seed of every random draw of this section")
#define GZ(type, def) \
	ONEOF(type, compression, def, "0|1|2|3|4|5|6|7|8|9|10|11|12", "gzip level; 0 = stored")

static enum sm_status check_ingest(const void *base, struct sm_err *err)
{
	const struct sm_ingest_section *g = base;
	const struct sm_source *source = g->sources.items;
	for (size_t i = 0; i < g->sources.n; i++) {
		/* A role becomes a file name. */
		if (!sm_key_is_safe(source[i].role))
			return SM_FAIL(err, SM_USAGE,
				       "sources[%zu].role: found '%s', allowed are letters, digits, '_', '-' and "
				       "'.', not first",
				       i, source[i].role);
		for (size_t k = 0; k < i; k++)
			if (strcmp(source[i].role, source[k].role) == 0)
				return SM_FAIL(err, SM_USAGE,
					       "sources[%zu].role: found '%s' again, allowed is once", i,
					       source[i].role);
	}
	if (g->layout == SM_LAYOUT_FILES && !g->sources.n)
		return SM_FAIL(err, SM_USAGE, "sources: is missing, layout files needs at least one");
	if (g->sources.n && (g->layout == SM_LAYOUT_DECATHLON || g->layout == SM_LAYOUT_BIDS))
		return SM_FAIL(err, SM_USAGE,
			       "sources: is given, allowed is none with layout decathlon or bids: they name the "
			       "files");
	return SM_OK;
}

static enum sm_status check_preprocess(const void *base, struct sm_err *err)
{
	const struct sm_preprocess_section *p = base;
	return sm_ops_check(&p->steps, p->upto, err);
}

static enum sm_status check_split(const void *base, struct sm_err *err)
{
	const struct sm_split_section *p = base;
	if (p->train + p->test + p->valid > 0)
		return SM_OK;
	return SM_FAIL(err, SM_USAGE, "train, test and valid: found 0, at least one must be positive");
}

static enum sm_status check_slice(const void *base, struct sm_err *err)
{
	const struct sm_slice_section *p = base;
	if (p->window.n == 2 && p->window.v[0] >= p->window.v[1])
		return SM_FAIL(err, SM_USAGE, "window: found %g to %g, allowed is low < high",
			       p->window.v[0], p->window.v[1]);
	if (p->last >= 0 && p->last < p->first)
		return SM_FAIL(err, SM_USAGE,
			       "last: found %" PRId64 ", allowed is -1 (to the end) or from %" PRId64 " (first)",
			       p->last, p->first);
	return SM_OK;
}

static const struct sm_field phantom[] = {
	ONEOF(sm_phantom_section, kind, "brats", "brats|ct_head|pet_dynamic", "what is made"),
	WHOLE(sm_phantom_section, cases, "12", 1, 100000, "number of cases"),
	{"size", SM_F_INTS, AT(sm_phantom_section, size), "240 240 155", 8, 4096, .count = 3,
	 .doc = "grid x, y, z in voxels"},
	{"spacing", SM_F_FLOATS, AT(sm_phantom_section, spacing), "1 1 1", 0.05, 20, .count = 3,
	 .doc = "voxel size x, y, z in mm"},
	REAL(sm_phantom_section, empty_et, "0.2", 0, 1, "share of cases without enhancing tumour"),
	REAL(sm_phantom_section, noise, "0.04", 0, 1, "Rician sigma relative to white matter"),
	REAL(sm_phantom_section, bias, "0.15", 0, 0.9, "amplitude of the smooth bias field"),
	ONEOF(sm_phantom_section, defect, "none", "none|gap|duplicate|two_series|tilt|uneven",
	      "what is wrong with a CT series on purpose"),
};
const struct sm_fieldset sm_phantom_fieldset =
	SM_FIELDSET("phantom", struct sm_phantom_section, phantom, "a synthetic cohort");

static const struct sm_field source[] = {
	{"role", SM_F_STRING, AT(sm_source, role), .required = true, .doc = "name of the modality"},
	{"pattern", SM_F_STRING, AT(sm_source, pattern), .required = true,
	 .doc = "path below RAW; {case} = case key, {patient} = patient, optional beside {case}; "
		"* = any text without a slash"},
	{"label", SM_F_BOOL, AT(sm_source, label), "false", .doc = "a label volume"},
	{"optional", SM_F_BOOL, AT(sm_source, optional), "false", .doc = "a case may lack it"},
};
static const struct sm_fieldset source_set =
	SM_FIELDSET("source", struct sm_source, source, "one file a case");

static const struct sm_field ingest[] = {
	ONEOF(sm_ingest_section, layout, "auto", "auto|brats|files|dicom|decathlon|bids|images",
	      "brats: BraTS folder names; files: by the patterns of sources; dicom: series; decathlon: by "
	      "dataset.json; bids: sub-NAME/anat and so on; images: folders of PNG, JPEG, PGM, PPM"),
	{"sources", SM_F_LIST, AT(sm_ingest_section, sources), .of = &source_set,
	 .doc = "files of a case; needed for layout files, possible for images"},
	ONEOF(sm_ingest_section, pairing, "name", "name|none",
	      "images of two folders: a pair by the same name, or each picture a case of its own"),
	ONEOF(sm_ingest_section, test_images, "leave", "leave|take",
	      "decathlon: images of the test part, which have no labels, are left out or taken"),
	ONEOF(sm_ingest_section, uneven, "refuse", "refuse|regrid",
	      "unevenly spaced slices: refuse the series, or interpolate to even spacing"),
	ONEOF(sm_ingest_section, tilt, "refuse", "refuse|keep",
	      "slices that shift sideways (a tilted gantry): refuse the series, or keep it with a sheared affine; "
	      "uneven: regrid straightens it"),
	GZ(sm_ingest_section, "6"),
	REAL(sm_ingest_section, grid_tolerance, "0.01", 0, 10,
	     "mm that the grids of one case's volumes may differ"),
	ONEOF(sm_ingest_section, affine, "sform", "sform|qform|agree",
	      "NIfTI: which affine comes first; agree: the sform, refused beyond grid_tolerance from the qform"),
	ONEOF(sm_ingest_section, burned_text, "refuse", "refuse|keep",
	      "text-like marks in the pixels: refuse the item, or keep it with a warning after a person has looked"),
	ONEOF(sm_ingest_section, nan, "keep", "keep|refuse|zero",
	      "NIfTI: values that are NaN or infinite are kept and counted, refused, or set to 0 and counted"),
	WHOLE(sm_ingest_section, min_slices, "3", 1, 100000,
	      "positions that a DICOM volume needs, unless its header declares fewer; 1 takes single slices"),
	ONEOF(sm_ingest_section, philips_scale, "precise", "precise|display",
	      "Philips MR: the scanner's own floating point values, or RescaleSlope alone as displayed"),
	ONEOF(sm_ingest_section, pet_units, "stored", "stored|suvbw",
	      "PET: the unit of the files, or SUV by body weight; volumes whose header does not suffice for "
	      "that are refused"),
};
static const struct sm_fieldset ingest_set =
	SM_FIELDSET_CHECKED(check_ingest, "ingest", struct sm_ingest_section, ingest, "what the raw tree holds");

static const struct sm_field preprocess[] = {
	{"steps", SM_F_STEPS, AT(sm_preprocess_section, steps), .of = &sm_ops_fieldset,
	 .doc = "operations in order"},
	WHOLE(sm_preprocess_section, upto, "0", 0, 1000, "run only the first n steps; 0 = all"),
	GZ(sm_preprocess_section, "1"),
};
static const struct sm_fieldset preprocess_set = SM_FIELDSET_CHECKED(check_preprocess, 
	"preprocess", struct sm_preprocess_section, preprocess, "operations on each case");

static const struct sm_field split[] = {
	REAL(sm_split_section, train, "68", 0, 1e6, "share of patients for training"),
	REAL(sm_split_section, test, "15", 0, 1e6, "share for the final test"),
	REAL(sm_split_section, valid, "17", 0, 1e6, "share for validation while training"),
	SEED(sm_split_section),
};
static const struct sm_fieldset split_set =
	SM_FIELDSET_CHECKED(check_split, "split", struct sm_split_section, split, "folds by patient");

static const struct sm_field tile[] = {
	{"size", SM_F_INTS, AT(sm_tile_section, size), "160 160 16", 1, 4096, .count = 3,
	 .doc = "tile x, y, z in voxels"},
	WHOLE(sm_tile_section, per_case, "25", 1, 100000, "tiles a case"),
	REAL(sm_tile_section, max_background, "0.95", 0, 1.01,
	     "keep a tile when its share of label 0 is below this; above 1 keeps all"),
	WHOLE(sm_tile_section, tries, "1000", 1, 1e9, "positions tried a case before it is given up"),
	REAL(sm_tile_section, tumour_share, "0", 0, 1,
	     "share of tiles centred on a random labelled voxel, exempt from max_background"),
	ONEOF(sm_tile_section, standardise, "slice", "none|slice|tile|unit",
	      "per channel: mean 0 std 1 by z slice or by tile, or [0,1] by tile"),
	ONEOF(sm_tile_section, layout, "shard", "shard|files", "one HDF5 file a case, or one a tile"),
	GZ(sm_tile_section, "1"),
	ONEOF(sm_tile_section, small, "reject", "reject|pad",
	      "a volume smaller than the tile: reject the case, or pad with zeros"),
	SEED(sm_tile_section),
};
static const struct sm_fieldset tile_set =
	SM_FIELDSET("tile", struct sm_tile_section, tile, "sub-volumes for training");

static const struct sm_field slice[] = {
	ONEOF(sm_slice_section, plane, "axial", "axial|coronal|sagittal", "anatomical plane"),
	WHOLE(sm_slice_section, first, "0", 0, 1e6, "first slice index"),
	WHOLE(sm_slice_section, last, "-1", -1, 1e6, "last slice index; -1 = to the end"),
	ONEOF(sm_slice_section, bits, "16", "8|16", "bits a pixel"),
	{"window", SM_F_FLOATS, AT(sm_slice_section, window), .count = 2,
	 .doc = "real values shown black and white, low < high; absent = the volume's range"},
};
static const struct sm_fieldset slice_set =
	SM_FIELDSET_CHECKED(check_slice, "slice", struct sm_slice_section, slice, "planes as pictures");

static const struct sm_field train[] = {
	/* The choices are the rows of the tables of train/, in order; test_schema compares them. */
	ONEOF(sm_train_section, model, "unet3d", "unet3d", "network"),
	REAL(sm_train_section, width, "1", 1.0 / 64, 8, "factor on every width of the network"),
	WHOLE(sm_train_section, classes, "3", 1, 255, "foreground classes = outputs"),
	ONEOF(sm_train_section, loss, "soft_dice", "dice|soft_dice|bce|dice_bce",
	      "loss function; dice and soft_dice are the same"),
	ONEOF(sm_train_section, optimiser, "adam", "adam|sgd", "optimiser"),
	REAL(sm_train_section, learning_rate, "1e-5", 0, 10, "step size"),
	REAL(sm_train_section, momentum, "0.9", 0, 0.9999, "momentum of sgd, beta1 of adam"),
	REAL(sm_train_section, clip_norm, "0", 0, 1e9, "largest gradient norm; 0 = no clipping"),
	WHOLE(sm_train_section, batch, "8", 1, 4096, "tiles a step"),
	WHOLE(sm_train_section, epochs, "117", 1, 1e6, "epochs in all"),
	WHOLE(sm_train_section, steps_per_epoch, "16", 0, 1e9, "steps an epoch; 0 = every tile once"),
	ONEOF(sm_train_section, valid_fold, "valid", "valid|train",
	      "fold to validate on; train is for trials with very few cases: its figures say nothing"),
	WHOLE(sm_train_section, valid_tiles, "0", 0, 1e9,
	      "validation tiles an epoch, a fixed choice; 0 = all of the fold"),
	WHOLE(sm_train_section, checkpoint_every, "1", 0, 1e6,
	      "numbered checkpoint each n epochs; 0 = only best and last"),
	SEED(sm_train_section),
};
static const struct sm_fieldset train_set =
	SM_FIELDSET("train", struct sm_train_section, train, "network and training");

static const struct sm_field predict[] = {
	REAL(sm_predict_section, overlap, "0.5", 0, 0.9, "share of a window that neighbours share"),
	ONEOF(sm_predict_section, blend, "gaussian", "uniform|gaussian", "weights of overlapping windows"),
	REAL(sm_predict_section, threshold, "0.5", 0, 1, "a class is present above this probability"),
	ONEOF(sm_predict_section, fold, "test", "train|test|valid|all", "cases to predict"),
};
static const struct sm_fieldset predict_set =
	SM_FIELDSET("predict", struct sm_predict_section, predict, "whole volumes");

static const struct sm_field evaluate[] = {
	ONEOF(sm_evaluate_section, empty, "brats", "brats|skip",
	      "truth empty: 1 when the prediction is empty too and 0 otherwise, or leave out of the mean"),
	REAL(sm_evaluate_section, grid_tolerance, "0.01", 0, 10,
	     "mm that the grids of prediction and truth may differ"),
};
static const struct sm_fieldset evaluate_set =
	SM_FIELDSET("evaluate", struct sm_evaluate_section, evaluate, "scores");

static const struct sm_field report[] = {
	{"title", SM_F_STRING, AT(sm_report_section, title), .doc = "heading of the page"},
	WHOLE(sm_report_section, montage_cases, "4", 0, 100, "cases shown as pictures"),
	WHOLE(sm_report_section, montage_slices, "5", 1, 50, "slices a case"),
};
static const struct sm_fieldset report_set =
	SM_FIELDSET("report", struct sm_report_section, report, "the page");

#define SECTION(member) \
	{ #member, SM_F_MAPPING, AT(sm_manifest_root, member), "{}", .of = &member##_set, \
	  .doc = "section " #member }

static const struct sm_field root[] = {
	WHOLE(sm_manifest_root, schema, NULL, 1, 1, "version of this schema"),
	{"name", SM_F_STRING, AT(sm_manifest_root, name), .required = true,
	 .doc = "short name of the data set or experiment"},
	{"phantom", SM_F_MAPPING, AT(sm_manifest_root, phantom), "{}", .of = &sm_phantom_fieldset,
	 .doc = "section phantom"},
	SECTION(ingest),
	SECTION(preprocess),
	SECTION(split),
	SECTION(tile),
	SECTION(slice),
	SECTION(train),
	SECTION(predict),
	SECTION(evaluate),
	SECTION(report),
};
const struct sm_fieldset sm_manifest_schema =
	SM_FIELDSET("manifest", struct sm_manifest_root, root, "a data set or experiment");
