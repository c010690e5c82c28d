/* SPDX-License-Identifier: Apache-2.0 */
#include "manifests/schema.h"

#include <inttypes.h>
#include <string.h>

#include "core/file.h"
#include "core/vol.h"
#include "manifests/roles.h"
#include "manifests/schema_rows.h"
#include "preprocess/op_table.h"
#include "preprocess/view.h"

static enum sm_status check_ingest(const void *base, struct sm_err *err)
{
	const struct sm_ingest_section *g = base;
	const struct sm_source *source = g->sources.items;
	for (size_t i = 0; i < g->sources.n; i++) {
		/* A role becomes a file name. */
		if (!sm_key_is_safe(source[i].role))
			return SM_FAIL(err, SM_USAGE,
				       "sources[%zu].role: found '%s', allowed are letters, "
				       "digits, '_', '-' and '.', not first",
				       i, source[i].role);
		for (size_t k = 0; k < i; k++)
			if (strcmp(source[i].role, source[k].role) == 0)
				return SM_FAIL(
					err, SM_USAGE,
					"sources[%zu].role: found '%s' again, allowed is once", i,
					source[i].role);
	}
	if (g->layout == SM_LAYOUT_FILES && !g->sources.n)
		return SM_FAIL(err, SM_USAGE,
			       "sources: is missing, layout files needs at least one");
	if (g->sources.n && (g->layout == SM_LAYOUT_DECATHLON || g->layout == SM_LAYOUT_BIDS))
		return SM_FAIL(err, SM_USAGE,
			       "sources: is given, allowed is none with layout decathlon or bids: "
			       "they name the files");
	return SM_OK;
}

static enum sm_status check_preprocess(const void *base, struct sm_err *err)
{
	const struct sm_preprocess_section *p = base;
	/* Which numbers must be learnt by now, each stage knows. */
	return sm_ops_check(&p->steps, p->upto, 0, err);
}

static enum sm_status check_split(const void *base, struct sm_err *err)
{
	const struct sm_split_section *p = base;
	if (p->lists && p->folds)
		return SM_FAIL(err, SM_USAGE,
			       "folds: found %" PRId64 " beside lists, allowed is one of them",
			       p->folds);
	if (p->lists && p->stratify)
		return SM_FAIL(err, SM_USAGE,
			       "stratify: found '%s' beside lists, which leave nothing to draw",
			       p->stratify);
	if (p->folds == 1 || (p->folds ? p->fold >= p->folds : p->fold > 0))
		return SM_FAIL(
			err, SM_USAGE,
			"folds and fold: found %" PRId64 " and %" PRId64
			", allowed are 0 and 0, or 2 and more folds and a fold from 0 to folds - 1",
			p->folds, p->fold);
	if (p->test_cases.n && !p->folds)
		return SM_FAIL(err, SM_USAGE,
			       "test_cases: found %zu names without folds, allowed are they beside "
			       "2 or more folds (lists: {test: ...} takes a test list without "
			       "folds)",
			       p->test_cases.n);
	if (p->lists || p->folds || p->train + p->test + p->valid > 0)
		return SM_OK;
	return SM_FAIL(err, SM_USAGE,
		       "train, test and valid: found 0, at least one must be positive");
}

static enum sm_status check_tile(const void *base, struct sm_err *err)
{
	const struct sm_tile_section *p = base;
	double sum = 0;
	for (size_t i = 0; i < p->class_shares.n; i++)
		sum += p->class_shares.v[i];
	if (p->rule == SM_TILES_BALANCED && (!(sum > 0) || p->class_shares.n > 256))
		return SM_FAIL(err, SM_USAGE,
			       "class_shares: found %zu shares with the sum %g, rule balanced "
			       "needs 1 to 256 with a positive sum",
			       p->class_shares.n, sum);
	if (p->rule != SM_TILES_RANDOM && p->tumour_share > 0)
		return SM_FAIL(err, SM_USAGE,
			       "tumour_share: found %g, allowed is 0 but with rule random",
			       p->tumour_share);
	return SM_OK;
}

static enum sm_status check_window(const char *key, const struct sm_floats *w, struct sm_err *err)
{
	if (w->n == 2 && w->v[0] >= w->v[1])
		return SM_FAIL(err, SM_USAGE, "%s: found %g to %g, allowed is low < high", key,
			       w->v[0], w->v[1]);
	return SM_OK;
}

static enum sm_status check_last(int64_t first, int64_t last, struct sm_err *err)
{
	if (last >= 0 && last < first)
		return SM_FAIL(err, SM_USAGE,
			       "last: found %" PRId64
			       ", allowed is -1 (to the end) or from %" PRId64 " (first)",
			       last, first);
	return SM_OK;
}

static enum sm_status check_slice(const void *base, struct sm_err *err)
{
	const struct sm_slice_section *p = base;
	SM_TRY(check_window("window", &p->window, err));
	return check_last(p->first, p->last, err);
}

static enum sm_status check_pair(const void *base, struct sm_err *err)
{
	const struct sm_pair_section *p = base;
	SM_TRY(check_window("window", &p->window, err));
	SM_TRY(check_window("window_b", &p->window_b, err));
	SM_TRY(check_last(p->first, p->last, err));
	if (p->split == SM_BY_BLOCKS && p->gap >= p->block)
		return SM_FAIL(err, SM_USAGE,
			       "gap: found %" PRId64 ", allowed is less than block (%" PRId64 ")",
			       p->gap, p->block);
	if (p->split == SM_BY_BLOCKS && p->mode == SM_PAIR_TRIPLETS && p->gap < 2)
		return SM_FAIL(err, SM_USAGE,
			       "gap: found %" PRId64
			       ", triplets need at least 2: neighbouring folds would share slices",
			       p->gap);
	if (p->direction != SM_A_TO_B && p->mode != SM_PAIR_ALIGNED)
		return SM_FAIL(err, SM_USAGE,
			       "direction: found b_to_a, allowed with mode triplets or unpaired is "
			       "a_to_b");
	if (p->a && p->b && p->mode == SM_PAIR_TRIPLETS)
		return SM_FAIL(err, SM_USAGE,
			       "b: found '%s', allowed is none: triplets come from one volume (a)",
			       p->b);
	if (p->a && p->b && strcmp(p->a, p->b) == 0)
		return SM_FAIL(err, SM_USAGE, "b: found '%s' as for a, allowed is another", p->b);
	return SM_OK;
}

static const struct sm_field phantom[] = {
	ONEOF(sm_phantom_section, kind, "brats",
	      "brats|ct_head|pet_dynamic|mr_ct|mr_ct_pair|pet_ct|pet_ct_pair|ct_stack|mammo",
	      "what is made (docs/phantom.md)"),
	WHOLE(sm_phantom_section, cases, "12", 1, 100000, "number of cases"),
	{"size", SM_F_INTS, AT(sm_phantom_section, size), .min = 1, .max = 4096, .count = 3,
	 .doc = "grid x, y, z in voxels, 8 or more each (of pictures z is 1); absent = by kind, of "
		"brats "
		"240, 240, 155"},
	{"spacing", SM_F_FLOATS, AT(sm_phantom_section, spacing), .min = 0.05, .max = 20,
	 .count = 3, .doc = "voxel size x, y, z in mm; absent = by kind, of brats 1, 1, 1"},
	{"ct_size", SM_F_INTS, AT(sm_phantom_section, ct_size), .min = 8, .max = 4096, .count = 3,
	 .doc = "kinds mr_ct and pet_ct: grid of the CTs; absent = 512, 512, 233 when size is "
		"absent too, else "
		"twice the larger of size x and y in plane, and size z slices"},
	WHOLE(sm_phantom_section, frames, "0", 0, 24,
	      "time points of a PET; 0 = by kind: 5 of pet_dynamic, 11 of pet_ct and pet_ct_pair"),
	REAL(sm_phantom_section, empty_et, "0.2", 0, 1, "share of cases without enhancing tumour"),
	REAL(sm_phantom_section, noise, "0.04", 0, 1,
	     "MR: Rician sigma relative to white matter; CT: sigma in 100 HU; pictures: sigma as a "
	     "share of 255"),
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
		"* = any text without a slash; A | B: the first alternative that has a file in "
		"this case"},
	{"label", SM_F_BOOL, AT(sm_source, label), "false", .doc = "a label volume"},
	{"optional", SM_F_BOOL, AT(sm_source, optional), "false", .doc = "a case may lack it"},
};
static const struct sm_fieldset source_set =
	SM_FIELDSET("source", struct sm_source, source, "one file a case");

static const struct sm_field ingest[] = {
	ONEOF(sm_ingest_section, layout, "auto",
	      "auto|brats|files|dicom|decathlon|bids|images|mixed",
	      "brats: BraTS folder names; files: by the patterns of sources; dicom: series; "
	      "decathlon: by dataset.json; bids: sub-NAME/anat and so on; images: folders of PNG, "
	      "JPEG, PGM, PPM; mixed: DICOM series, named ct, mr, pet by their modality, and cases "
	      "by the patterns of sources"),
	{"sources", SM_F_LIST, AT(sm_ingest_section, sources), .of = &source_set,
	 .doc = "files of a case; needed for layout files, possible for images and mixed"},
	ONEOF(sm_ingest_section, pairing, "name", "name|none",
	      "images of two folders: a pair by the same name, or each picture a case of its own"),
	ONEOF(sm_ingest_section, test_images, "leave", "leave|take",
	      "decathlon: images of the test part, which have no labels, are left out or taken"),
	ONEOF(sm_ingest_section, uneven, "refuse", "refuse|regrid",
	      "unevenly spaced slices: refuse the series, or interpolate to even spacing"),
	ONEOF(sm_ingest_section, tilt, "refuse", "refuse|keep",
	      "slices that shift sideways (a tilted gantry): refuse the series, or keep it with a "
	      "sheared affine; uneven: regrid straightens it"),
	GZ(sm_ingest_section, "6"),
	REAL(sm_ingest_section, grid_tolerance, SM_GRID_MM_TEXT, 0, 10,
	     "mm that the grids of one case's volumes may differ"),
	ONEOF(sm_ingest_section, affine, "sform", "sform|qform|agree",
	      "NIfTI: which affine comes first; agree: the sform, refused beyond grid_tolerance "
	      "from the qform"),
	ONEOF(sm_ingest_section, burned_text, "refuse", "refuse|keep",
	      "text-like marks in the pixels: refuse the item, or keep it with a warning after a "
	      "person has looked"),
	ONEOF(sm_ingest_section, nan, "keep", "keep|refuse|zero",
	      "NIfTI: values that are NaN or infinite are kept and counted, refused, or set to 0 "
	      "and counted"),
	WHOLE(sm_ingest_section, min_slices, "3", 1, 100000,
	      "positions that a DICOM volume needs, unless its header declares fewer; 1 takes "
	      "single slices"),
	ONEOF(sm_ingest_section, philips_scale, "precise", "precise|display",
	      "Philips MR: the scanner's own floating point values, or RescaleSlope alone as "
	      "displayed"),
	ONEOF(sm_ingest_section, pet_units, "stored", "stored|suvbw",
	      "PET: the unit of the files, or SUV by body weight; volumes whose header does not "
	      "suffice for that are refused"),
};
static const struct sm_fieldset ingest_set = SM_FIELDSET_CHECKED(
	check_ingest, "ingest", struct sm_ingest_section, ingest, "what the raw tree holds");

static const struct sm_field preprocess[] = {
	{"steps", SM_F_STEPS, AT(sm_preprocess_section, steps), .of = &sm_ops_fieldset,
	 .doc = "operations in order; an entry may hold `when: ROLE` (or a modality: ct, mr, pet) "
		"beside its "
		"operation: it then sees only these volumes"},
	WHOLE(sm_preprocess_section, upto, "0", 0, 1000, "run only the first n steps; 0 = all"),
	REAL(sm_preprocess_section, grid_tolerance, SM_GRID_MM_TEXT, 0, 10,
	     "mm that volumes, label and mask may differ and still lie on one grid"),
	GZ(sm_preprocess_section, "1"),
};
static const struct sm_fieldset preprocess_set = SM_FIELDSET_CHECKED(check_preprocess, 
	"preprocess", struct sm_preprocess_section, preprocess, "operations on each case");

static const struct sm_field lists[] = {
	{"train", SM_F_STRINGS, AT(sm_split_lists, train), .doc = "patient keys for training"},
	{"test", SM_F_STRINGS, AT(sm_split_lists, test), .doc = "patient keys for the final test"},
	{"valid", SM_F_STRINGS, AT(sm_split_lists, valid),
	 .doc = "patient keys for validation while training"},
};
static const struct sm_fieldset lists_set = SM_FIELDSET(
	"lists", struct sm_split_lists, lists, "fixed folds: every patient in exactly one list");

static const struct sm_field split[] = {
	REAL_IF(sm_split_section, train, "no lists, no folds", "68", 0, 1e6,
		"share of patients for training"),
	REAL_IF(sm_split_section, test, "no lists, no folds", "15", 0, 1e6,
		"share for the final test"),
	REAL_IF(sm_split_section, valid, "no lists, no folds", "17", 0, 1e6,
		"share for validation while training"),
	WHOLE(sm_split_section, folds, "0", 0, 1000,
	      "k folds of equal size in place of shares: each record holds fold_index, 0 to k - 1; "
	      "0 = shares"),
	WHOLE_IF(sm_split_section, fold, "no lists", "0", 0, 999,
		 "k folds: the fold that tests; the one after it validates (with 2 folds none), "
		 "the others train. With test_cases: the fold that validates"),
	{"test_cases", SM_F_STRINGS, AT(sm_split_section, test_cases),
	 .doc = "k folds: keys of cases (or of patients, for all their cases) of a fixed test "
		"list, which stand in fold "
		"test and in none of the k; a patient's cases are all named or none"},
	{"lists", SM_F_MAPPING, AT(sm_split_section, lists), .of = &lists_set,
	 .doc = "fixed lists of patient keys in place of shares"},
	{"leave_out", SM_F_STRINGS, AT(sm_split_section, leave_out),
	 .doc = "keys of cases or patients that stand in no fold: recorded with fold none, passed "
		"over by later stages"},
	{"stratify", SM_F_STRING, AT(sm_split_section, stratify),
	 .doc = "column of --table whose values are spread evenly over the folds"},
	ONEOF(sm_split_section, near_duplicates, "off", "off|refuse|warn|join",
	      "look-alike images of different patients, by perceptual hashes: not looked for, a "
	      "failure when they stand in two folds, a warning, or kept in one fold together"),
	REAL_IF(sm_split_section, near_distance, "near_duplicates refuse|warn|join", "0.15", 0, 0.4,
		"share of a perceptual hash's bits up to which two volumes look alike"),
	REAL_IF(sm_split_section, near_distance_flat, "near_duplicates refuse|warn|join", "0.215",
		0, 0.4,
		"the same of pictures and of volumes with one plane of 8 x 8 voxels or more"),
	SEED(sm_split_section),
};
static const struct sm_fieldset split_set = SM_FIELDSET_CHECKED(
	check_split, "split", struct sm_split_section, split, "folds by patient");

static const struct sm_field tile[] = {
	{"size", SM_F_INTS, AT(sm_tile_section, size), "160 160 16", 1, 4096, .count = 3,
	 .doc = "tile x, y, z in voxels"},
	ONEOF(sm_tile_section, rule, "random", "random|grid|balanced",
	      "where: random starts by the rule of the background and around labels, a grid over "
	      "the whole volume, or centred on voxels of each label by class_shares"),
	WHOLE_IF(sm_tile_section, per_case, "rule random|balanced", "25", 1, 100000,
		 "random, balanced: tiles a case"),
	REAL_IF(sm_tile_section, overlap, "rule grid", "0", 0, 0.95,
		"grid: share of a tile that neighbours share along each axis; the last tile ends "
		"at the volume's edge"),
	{"skip_background", SM_F_BOOL, AT(sm_tile_section, skip_background), "false",
	 .only = "rule grid",
	 .doc = "grid: leave tiles out whose share of label 0 is not below max_background"},
	{"class_shares", SM_F_FLOATS, AT(sm_tile_section, class_shares), NULL, 0, 1e6,
	 .only = "rule balanced",
	 .doc = "balanced: share of tiles centred on a random voxel of label 0, 1, 2 and so on; "
		"labels that a case has "
		"not hand theirs to the others"},
	REAL_IF(sm_tile_section, max_background, "rule random|grid", "0.95", 0, 1.01,
		"keep a tile when its share of label 0 is below this; above 1 keeps all"),
	WHOLE_IF(sm_tile_section, tries, "rule random", "1000", 1, 1e9,
		 "positions tried a case before it is given up"),
	REAL_IF(sm_tile_section, tumour_share, "rule random", "0", 0, 1,
		"share of tiles centred on a random labelled voxel, exempt from max_background"),
	ONEOF(sm_tile_section, standardise, "slice", "none|slice|tile|unit",
	      "per channel: mean 0 std 1 by z slice or by tile, or [0,1] by tile"),
	ONEOF(sm_tile_section, layout, "shard", "shard|files",
	      "one HDF5 file a case, or one a tile"),
	GZ(sm_tile_section, "1"),
	ONEOF(sm_tile_section, small, "reject", "reject|pad",
	      "a volume smaller than the tile: reject the case, or pad with zeros"),
	SEED(sm_tile_section),
};
static const struct sm_fieldset tile_set = SM_FIELDSET_CHECKED(
	check_tile, "tile", struct sm_tile_section, tile, "sub-volumes for training");

/* Shared by slice and pair. */
#define VIEW(type) \
	ONEOF(type, view, "radiological", "radiological|stored", \
	      "pictures as radiologists see the plane, or columns and rows as the voxels are " \
	      "stored")
#define FIRST_LAST(type) \
	WHOLE(type, first, "0", 0, 1e6, "first slice index"), \
	WHOLE(type, last, "-1", -1, 1e6, "last slice index; -1 = to the end")
#define BITS(type) ONEOF_IF(type, bits, "format png|both", "16", "8|16", "PNG: bits a pixel")

static const struct sm_field slice[] = {
	ONEOF(sm_slice_section, plane, "axial", "axial|coronal|sagittal|all", "anatomical plane"),
	VIEW(sm_slice_section),
	FIRST_LAST(sm_slice_section),
	ONEOF(sm_slice_section, format, "png", "png|hdf5|both",
	      "pictures, one HDF5 file a case, or both"),
	BITS(sm_slice_section),
	{"window", SM_F_FLOATS, AT(sm_slice_section, window), .count = 2, .only = "format png|both",
	 .doc = "PNG: real values shown black and white, those beyond are clipped, low < high; "
		"absent = the "
		"volume's range, of pictures that of their bits"},
	ONEOF_IF(sm_slice_section, standardise, "format hdf5|both", "none", "none|slice|unit",
		 "HDF5: values as they are, or each slice of each channel to mean 0 std 1, or to "
		 "[0,1]"),
	GZ(sm_slice_section, "1"),
};
static const struct sm_fieldset slice_set = SM_FIELDSET_CHECKED(
	check_slice, "slice", struct sm_slice_section, slice, "planes as pictures and as HDF5");

static const struct sm_field pair[] = {
	ONEOF(sm_pair_section, mode, "aligned", "aligned|triplets|unpaired",
	      "two volumes or pictures of a case slice by slice; middle slice from its neighbours; "
	      "two domains"),
	{"a", SM_F_STRING, AT(sm_pair_section, a),
	 .doc = "role, channel or modality of the input or first domain; absent with triplets = "
		"the only volume"},
	{"b", SM_F_STRING, AT(sm_pair_section, b),
	 .doc = "the same of the target or second domain"},
	ONEOF(sm_pair_section, direction, "a_to_b", "a_to_b|b_to_a",
	      "aligned: a is the input and b the target, or b the input and a the target"),
	ONEOF(sm_pair_section, plane, "axial", "axial|coronal|sagittal", "anatomical plane"),
	VIEW(sm_pair_section),
	FIRST_LAST(sm_pair_section),
	REAL_IF(sm_pair_section, grid_tolerance, "mode aligned", SM_GRID_MM_TEXT, 0, 10,
		"aligned: mm that the grids of a and b may differ"),
	ONEOF(sm_pair_section, format, "hdf5", "png|hdf5|both",
	      "one HDF5 file a case, pictures in trainA, trainB, testA and so on, or both"),
	BITS(sm_pair_section),
	{"window", SM_F_FLOATS, AT(sm_pair_section, window), .count = 2, .only = "format png|both",
	 .doc = "PNG: real values shown black and white, those beyond are clipped, low < high; "
		"absent = the "
		"volume's range, of pictures that of their bits"},
	{"window_b", SM_F_FLOATS, AT(sm_pair_section, window_b), .count = 2,
	 .only = "format png|both", .doc = "the same of b; absent = window"},
	ONEOF(sm_pair_section, split, "patient", "patient|blocks|slices|first",
	      "folds: of stage split; blocks of slices with a gap; single slices at random, which "
	      "leaks; the first held_out samples of each domain for testing"),
	WHOLE_IF(sm_pair_section, block, "split blocks", "10", 2, 1e6, "blocks: slices a block"),
	WHOLE_IF(sm_pair_section, gap, "split blocks", "2", 0, 1e6,
		 "blocks: slices left out between blocks of different folds"),
	WHOLE_IF(sm_pair_section, held_out, "split first", "160", 1, 1e9,
		 "first: samples of each domain for testing"),
	REAL_IF(sm_pair_section, held_out_share, "split first", "1", 0.01, 1,
		"first: no more than this share of a domain, with a warning where that is less "
		"than held_out; 1 = no bound"),
	GZ(sm_pair_section, "1"),
	SEED(sm_pair_section),
};
static const struct sm_fieldset pair_set =
	SM_FIELDSET_CHECKED(check_pair, "pair", struct sm_pair_section, pair, "pairs of images");

static const struct sm_field explore[] = {
	WHOLE(sm_explore_section, cases, "12", 0, 1000,
	      "cases shown as pictures, evenly chosen; numbers are of all"),
	WHOLE(sm_explore_section, slices, "3", 1, 6, "slices and samples shown of a case"),
	WHOLE(sm_explore_section, bins, "64", 8, 512, "bins of a histogram, at most"),
	WHOLE(sm_explore_section, pixels, "160", 32, 1024, "longest side of a picture in pixels"),
	REAL(sm_explore_section, outlier, "5", 1, 1000,
	     "robust standard deviations from the cohort's median from which a case is worth a "
	     "look"),
};
static const struct sm_fieldset explore_set =
	SM_FIELDSET("explore", struct sm_explore_section, explore, "the page of a data set");

#define SECTION(member) \
	{ #member, SM_F_MAPPING, AT(sm_manifest_root, member), "{}", .of = &member##_set, \
	  .doc = "section " #member }

static const struct sm_field root[] = {
	WHOLE(sm_manifest_root, schema, NULL, 1, 1, "version of this schema"),
	{"name", SM_F_STRING, AT(sm_manifest_root, name), .required = true,
	 .doc = "short name of the data set or experiment"},
	ONEOF(sm_manifest_root, dataset, "tile", "tile|slice|pair",
	      "the stage that ends `make dataset`"),
	{"phantom", SM_F_MAPPING, AT(sm_manifest_root, phantom), "{}", .of = &sm_phantom_fieldset,
	 .doc = "section phantom"},
	SECTION(ingest),
	SECTION(preprocess),
	SECTION(split),
	SECTION(tile),
	SECTION(slice),
	SECTION(pair),
	{"train", SM_F_MAPPING, AT(sm_manifest_root, train), "{}", .of = &sm_train_fieldset,
	 .doc = "section train"},
	{"translate", SM_F_MAPPING, AT(sm_manifest_root, translate), "{}",
	 .of = &sm_translate_fieldset, .doc = "section translate"},
	{"predict", SM_F_MAPPING, AT(sm_manifest_root, predict), "{}", .of = &sm_predict_fieldset,
	 .doc = "section predict"},
	{"evaluate", SM_F_MAPPING, AT(sm_manifest_root, evaluate), "{}",
	 .of = &sm_evaluate_fieldset, .doc = "section evaluate"},
	{"compare", SM_F_MAPPING, AT(sm_manifest_root, compare), "{}", .of = &sm_compare_fieldset,
	 .doc = "section compare"},
	{"report", SM_F_MAPPING, AT(sm_manifest_root, report), "{}", .of = &sm_report_fieldset,
	 .doc = "section report"},
	SECTION(explore),
};

/* All roles that cases of a layout can hold beside series named by their modality, and how they are
 * called; false when only the tree tells. */
static bool known_roles(const struct sm_ingest_section *m, char *names[256],
			struct sm_strings *roles, const char **called)
{
	static char *const brats[] = {"flair", "t1", "t1ce", "t2"};
	const struct sm_source *s = m->sources.items;
	*roles = (struct sm_strings){.v = names};
	*called = "a role of ingest.sources";
	switch (m->layout) {
	case SM_LAYOUT_BRATS:
		memcpy(names, brats, sizeof brats);
		roles->n = SM_COUNT(brats);
		*called = "flair, t1, t1ce, t2";
		return true;
	case SM_LAYOUT_DICOM:
		names[roles->n++] = "image";
		*called = "image";
		return true;
	case SM_LAYOUT_AUTO:
	case SM_LAYOUT_IMAGES:
		if (!m->sources.n)
			return false; /* auto with sources is files */
		break;
	case SM_LAYOUT_FILES:
	case SM_LAYOUT_MIXED:
		break;
	default:
		return false;
	}
	for (size_t i = 0; i < m->sources.n && i < 256; i++)
		if (!s[i].label && !sm_role_is_label(NULL, s[i].role))
			names[roles->n++] = s[i].role;
	return m->sources.n <= 256;
}

/* Where the manifest tells all roles that a case can hold, a step for another one would never
 * run. */
static enum sm_status check_root(const void *base, struct sm_err *err)
{
	const struct sm_manifest_root *m = base;
	char *names[256];
	struct sm_strings roles;
	const char *called;
	if (!known_roles(m->ingest, names, &roles, &called))
		return SM_OK;
	/* Steps behind `upto` are as if they were not there; sm_ops_check has looked at the
	 * number. */
	const struct sm_preprocess_section *p = m->preprocess;
	if (sm_when_check(&p->steps, p->upto ? (size_t)p->upto : p->steps.n, &roles, called, err) !=
	    SM_OK)
		return sm_err_prefix(err, "preprocess");
	return SM_OK;
}

const struct sm_fieldset sm_manifest_schema = SM_FIELDSET_CHECKED(
	check_root, "manifest", struct sm_manifest_root, root, "a data set or experiment");
