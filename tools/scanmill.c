/* SPDX-License-Identifier: Apache-2.0
 *
 * The front program: `scanmill <stage> options` runs scanmill-<stage> from its own folder. It
 * links nothing that a stage needs, so a user may build only the stages he wants.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/mem.h"
#include "core/stage.h"
#include "tools/child.h"

/* In the order of the road. Adding a stage: one row. */
static const struct program {
	const char *name, *summary;
} programs[] = {
	{"phantom", "write a synthetic cohort with exact truth"},
	{"index", "list what a folder of raw scans holds"},
	{"ingest", "raw scans to clean NIfTI volumes with sidecars"},
	{"preprocess", "run the manifest's operations on each case"},
	{"split", "train, test and validation folds by patient"},
	{"tile", "cut training tiles out of each case"},
	{"slice", "planes of each volume as PNG pictures and HDF5"},
	{"pair", "pairs of images, slice triplets and unpaired domains"},
	{"explore", "a page that shows a data set: sheets, histograms, labels, split"},
	{"preview", "pictures of training samples as augmentation makes them"},
	{"train", "train a network on tiles, slices or volumes"},
	{"predict", "segment or translate whole volumes with a trained network"},
	{"interpolate", "predicted slices between the slices of a scan"},
	{"dicom", "derived volumes as DICOM series"},
	{"export", "a trained network as safetensors and ONNX for other programs"},
	{"evaluate", "scores predicted label volumes, or made images, against the truth"},
	{"compare", "raters or models against each other and the truth, and fused to one"},
	{"report", "makes the page and the tables of an experiment"},
	{"manifest", "check a manifest and print it with all defaults"},
	{"verify", "recompute the hash of every output of a run"},
	{"diff", "what differs between two runs, and which input or setting is why"},
	{"trace", "from an item, a file or a figure of a run back to the scans"},
};

static void print_help(FILE *to)
{
	fprintf(to,
		"scanmill %s: from raw scans to the table in the paper\n\n"
		"Usage: scanmill STAGE [options]\n\nStages and tools:\n",
		SM_VERSION);
	for (size_t i = 0; i < SM_COUNT(programs); i++)
		fprintf(to, "  %-12s %s\n", programs[i].name, programs[i].summary);
	fprintf(to, "\n`scanmill STAGE --help` lists the options of a stage.\n"
		    "Exit codes: 0 good, 1 some items rejected, 2 usage or manifest, 3 bad input, "
		    "4 reading or writing failed, 5 internal\n");
}

/* The row whose name begins like the word, for "did you mean". */
static const char *similar(const char *word)
{
	size_t best = 1;
	const char *found = NULL;
	for (size_t i = 0; i < SM_COUNT(programs); i++) {
		size_t n = 0;
		while (word[n] && word[n] == programs[i].name[n])
			n++;
		if (n > best) {
			best = n;
			found = programs[i].name;
		}
	}
	return found;
}

static int run(const char *name, char **argv)
{
	size_t i = 0;
	while (i < SM_COUNT(programs) && strcmp(programs[i].name, name) != 0)
		i++;
	if (i == SM_COUNT(programs)) {
		const char *near = similar(name);
		fprintf(stderr,
			"scanmill: error: there is no stage '%.64s'%s%s%s "
			"(scanmill --help lists them)\n",
			name, near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
		return sm_exit_code(SM_USAGE);
	}
	char *path = sm_program_path(name);
	if (!path) {
		fprintf(stderr, "scanmill: error: the folder of this program cannot be found\n");
		return sm_exit_code(SM_INTERNAL);
	}
	if (!sm_file_exists(path)) {
		fprintf(stderr, "scanmill: error: %s is not built (make builds all)\n", path);
		free(path);
		return sm_exit_code(SM_USAGE);
	}
	argv[0] = path;
	execv(path, argv);
	fprintf(stderr, "scanmill: error: %s cannot be run: %s\n", path, strerror(errno));
	free(path);
	return sm_exit_code(SM_IO);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		print_help(stderr);
		return sm_exit_code(SM_USAGE);
	}
	bool help = strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
		    (strcmp(argv[1], "help") == 0 && argc == 2);
	bool version = strcmp(argv[1], "--version") == 0;
	if (!help && !version)
		return run(argv[1], argv + 1);
	if (help)
		print_help(stdout);
	else
		printf("scanmill %s\n", SM_VERSION);
	if (fflush(stdout) != 0) {
		fprintf(stderr, "scanmill: error: standard output: writing failed\n");
		return sm_exit_code(SM_IO);
	}
	return 0;
}
