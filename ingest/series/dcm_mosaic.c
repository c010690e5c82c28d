/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "ingest/series/dcm_csa.h"
#include "ingest/series/dcm_head_in.h"

/* Pictures are at most 65535 wide, so that this many tiles are one pixel wide; Siemens writes fewer
 * than 400. */
#define SLICE_STEP SM_TAG(0x0018, 0x0088)
#define MOST_TILES 4096

static int tiles_of(const struct sm_dataset *set)
{
	struct sm_csa csa;
	double n;
	uint32_t tag = sm_dataset_private(set, 0x0019, "SIEMENS MR HEADER", 0x0a);
	if (tag && sm_dataset_exactly(set, tag, &n, 1))
		return n >= 1 && n <= MOST_TILES ? (int)n : 0;
	if (sm_csa_image(set, &csa) && sm_csa_numbers(&csa, "NumberOfImagesInMosaic", &n, 1) == 1)
		return n >= 1 && n <= MOST_TILES ? (int)n : 0;
	return 0;
}

bool sm_mosaic_is(const struct sm_head_job *job, const char *image_type)
{
	if (strcmp(job->head->modality, "MR") != 0)
		return false;
	return sm_text_has(image_type, "MOSAIC") || tiles_of(&job->set) > 1;
}

/* The direction in which tiles follow each other: along or against columns x rows. */
static bool tile_direction(struct sm_head_job *job, const struct sm_dcm_frame *f, double out[3])
{
	struct sm_csa csa;
	double csa_normal[3];
	sm_cross3(f->across, f->down, out);
	if (!sm_csa_image(&job->set, &csa) ||
	    sm_csa_numbers(&csa, "SliceNormalVector", csa_normal, 3) != 3) {
		sm_head_judge(job->head, SM_VERDICT_BAD_FRAMES,
			      "ImageType says MOSAIC, but no SliceNormalVector in the CSA header "
			      "(0029,1010) says in which order the tiles follow");
		return false;
	}
	double length = sqrt(sm_dot3(csa_normal, csa_normal));
	double along = sm_dot3(out, csa_normal) / length;
	if (!(fabs(length - 1) < 0.01) || !(fabs(along) > 0.999)) {
		sm_head_judge(job->head, SM_VERDICT_BAD_FRAMES,
			      "SliceNormalVector of the mosaic is not perpendicular to "
			      "ImageOrientationPatient");
		return false;
	}
	for (int i = 0; i < 3; i++)
		out[i] = along < 0 ? -out[i] : out[i];
	return true;
}

/* The grid of tiles is the smallest square that holds them. */
static bool tile_size(struct sm_dcm_head *h, int tiles)
{
	int side = 1;
	while (side * side < tiles)
		side++;
	if (tiles < 1)
		sm_head_judge(h, SM_VERDICT_BAD_FRAMES,
			      "ImageType says MOSAIC, but neither (0019,100A) nor the CSA header "
			      "says of how many images (allowed 1..%d)",
			      MOST_TILES);
	else if (h->format.rows % side || h->format.columns % side)
		sm_head_judge(h, SM_VERDICT_BAD_FRAMES,
			      "a mosaic of %d images is %dx%d pixels, not a multiple of %d", tiles,
			      h->format.columns, h->format.rows, side);
	else {
		h->tile_rows = h->format.rows / side;
		h->tile_columns = h->format.columns / side;
		h->tiles_across = side;
		return true;
	}
	return false;
}

enum sm_status sm_mosaic_frames(struct sm_head_job *job, const char *image_type,
				struct sm_dcm_frame *f, struct sm_err *err)
{
	struct sm_dcm_head *h = job->head;
	int tiles = tiles_of(&job->set);
	double normal[3] = {0};
	sm_place_judge(h, (const struct sm_dataset *[]){&job->set, &job->set, &job->set}, f);
	if (!sm_text_has(image_type, "MOSAIC"))
		sm_head_judge(
			h, SM_VERDICT_BAD_FRAMES,
			"the Siemens header says %d images in one picture, but ImageType does not "
			"say MOSAIC",
			tiles);
	bool good = h->verdict != SM_VERDICT_BAD_FRAMES && h->format.rows > 0 &&
		    h->format.columns > 0 && tile_size(h, tiles) && f->has_orientation &&
		    f->has_position && f->has_spacing && tile_direction(job, f, normal);
	if (good && h->format.frames != 1) {
		sm_head_judge(h, SM_VERDICT_BAD_FRAMES, "NumberOfFrames %d in a mosaic, allowed 1",
			      h->format.frames);
		good = false;
	}
	if (good && tiles > 1 && !(f->slice_step > 0 && f->slice_step < 1e4)) {
		char found[SM_FOUND_SIZE];
		sm_place_found(&job->set, SLICE_STEP, found);
		sm_head_judge(h, SM_VERDICT_BAD_FRAMES,
			      "SpacingBetweenSlices of the mosaic %s, allowed is a positive number "
			      "of mm below 10000",
			      found);
		good = false;
	}
	if (!good)
		return sm_head_frames(h, 1, f, err);
	/* ImagePositionPatient is the corner that the whole picture would have around the centre of
	 * one tile. */
	double shift[2] = {f->spacing[0] * (h->format.columns - h->tile_columns) / 2,
			   f->spacing[1] * (h->format.rows - h->tile_rows) / 2};
	for (int i = 0; i < 3; i++)
		f->position[i] += shift[0] * f->across[i] + shift[1] * f->down[i];
	SM_TRY(sm_head_frames(h, (size_t)tiles, f, err));
	for (int k = 0; k < tiles; k++) {
		struct sm_dcm_frame *tile = &h->frame[k];
		tile->picture = 0;
		tile->tile = (uint32_t)k;
		for (int i = 0; i < 3; i++)
			tile->position[i] += k * f->slice_step * normal[i];
	}
	return SM_OK;
}
