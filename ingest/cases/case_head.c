/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/cases/case_head.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/nii.h"
#include "core/picture.h"

/* Of a pair the .hdr is read, and the .img must be there. */
static enum sm_status nifti_header(const char *full, const char *path,
				   const struct sm_nii_rules *rules, struct sm_vol *vol,
				   struct sm_err *err)
{
	char *half[2] = {NULL, NULL};
	bool header = !sm_nii_is_pair(full) || sm_ends_with(full, ".hdr") ||
		      sm_ends_with(full, ".hdr.gz");
	/* What the header is comes first: an Analyze header needs no sentence on its image. */
	if (header)
		SM_TRY(sm_nii_read_header_as(full, path, rules, vol, NULL, err));
	if (!sm_nii_is_pair(full))
		return SM_OK;
	enum sm_status st = sm_nii_find_pair(full, path, &half[0], &half[1], err);
	if (st == SM_OK && !header)
		st = sm_nii_read_header_as(half[0], path, rules, vol, NULL, err);
	free(half[0]);
	free(half[1]);
	return st;
}

static enum sm_status header_of(const struct sm_raw_case *found, size_t i, const struct sm_run *run,
				struct sm_vol *vol, struct sm_err *err)
{
	const struct sm_ingest_section *m =
		((const struct sm_manifest_root *)run->manifest)->ingest;
	const struct sm_nii_rules rules = {(enum sm_nii_affine)m->affine, m->grid_tolerance};
	const char *path = found->file[i].path;
	struct sm_picture_size size;
	char *full = sm_path_join(run->in, path);
	if (!full)
		return SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
	*vol = (struct sm_vol){0};
	enum sm_status st = found->pictures ? sm_picture_read_header(full, path, &size, err)
					    : nifti_header(full, path, &rules, vol, err);
	if (st == SM_OK && found->pictures) {
		vol->dim[0] = size.width;
		vol->dim[1] = size.height;
	}
	free(full);
	return st;
}

/* Whether this role fits to the first one, and has the volumes that its layout promises. */
static enum sm_status fits(const struct sm_raw_case *found, size_t i, const struct sm_vol *first,
			   const struct sm_vol *vol, double tolerance, struct sm_err *err)
{
	const struct sm_raw_file *f = &found->file[i], *one = &found->file[0];
	if (f->split && vol->dim[3] != (int64_t)f->split_n)
		return SM_FAIL(
			err, SM_INPUT,
			"%s: the fourth axis has %lld volumes, allowed is one for each of the %zu "
			"channels of dataset.json",
			f->path, (long long)vol->dim[3], f->split_n);
	if (i == 0 || found->own_grids)
		return SM_OK;
	if (!found->pictures)
		return sm_vol_same_grid(first, one->path, vol, f->path, tolerance, err);
	if (first->dim[0] == vol->dim[0] && first->dim[1] == vol->dim[1])
		return SM_OK;
	return SM_FAIL(err, SM_INPUT,
		       "%s has %lld x %lld pixels, %s has %lld x %lld, allowed is one size",
		       f->path, (long long)vol->dim[0], (long long)vol->dim[1], one->path,
		       (long long)first->dim[0], (long long)first->dim[1]);
}

static void note(struct sm_case_head *head, const struct sm_vol *vol, bool picture)
{
	memcpy(head->dim, vol->dim, sizeof head->dim);
	head->axes = picture ? 2 : vol->dim[3] > 1 ? 4 : 3;
	if (!picture)
		sm_vol_spacing(vol, head->mm);
}

enum sm_status sm_case_head(const struct sm_raw_case *found, const struct sm_run *run,
			    struct sm_case_head *head, struct sm_err *err)
{
	const struct sm_ingest_section *m =
		((const struct sm_manifest_root *)run->manifest)->ingest;
	struct sm_vol first = {0}, vol;
	struct sm_err why = {0};
	enum sm_status st = SM_OK;
	*head = (struct sm_case_head){.verdict = "ok"};
	for (size_t i = 0; i < found->n && st == SM_OK; i++) {
		st = header_of(found, i, run, &vol, &why);
		head->unreadable = st == SM_IO;
		if (st == SM_IO)
			st = sm_fail_unreadable(&why, found->file[i].path);
		head->verdict = st == SM_OK ? "ok" : "broken";
		if (st == SM_OK && i == 0) {
			first = vol;
			note(head, &vol, found->pictures);
		}
		if (st == SM_OK) {
			st = fits(found, i, &first, &vol, m->grid_tolerance, &why);
			head->verdict = st == SM_OK ? "ok" : "refused";
		}
	}
	/* Ingest looks at the list of files first. */
	if (found->problem && st != SM_BUDGET && st != SM_IO) {
		head->verdict = "incomplete";
		head->unreadable = false;
		return SM_FAIL(err, SM_INPUT, "%s", found->problem);
	}
	if (st != SM_OK)
		*err = why;
	return st;
}
