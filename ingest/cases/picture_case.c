/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/cases/picture_case.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/file.h"
#include "core/picture.h"
#include "ingest/burned/burned_rule.h"
#include "ingest/convert.h"

/* Sentences name the file below the tree, not where the tree stands. */
static enum sm_status read_picture(const struct sm_raw_file *f, struct sm_item *item,
				   struct sm_image *image, struct sm_picture_info *info,
				   struct sm_err *err)
{
	unsigned char *bytes = NULL;
	size_t n;
	char *full = sm_path_join(item->run->in, f->path);
	if (!full)
		return SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
	enum sm_status st = sm_file_read(full, 0, &item->run->mem, &bytes, &n, err);
	free(full);
	if (st == SM_IO)
		return sm_fail_unreadable(err, f->path);
	SM_TRY(st);
	st = sm_picture_parse(bytes, n, f->path, &item->run->mem, image, info, err);
	sm_free(bytes);
	return st;
}

static int sample(const struct sm_image *image, size_t i)
{
	return image->bits == 16 ? ((const uint16_t *)image->data)[i]
				 : ((const uint8_t *)image->data)[i];
}

static size_t sample_count(const struct sm_image *image)
{
	return (size_t)image->width * (size_t)image->height * (size_t)image->channels;
}

/* {"0": n, "1": n, ...} of 8-bit gray. */
static json_t *label_counts(const struct sm_image *image)
{
	size_t count[256] = {0};
	json_t *o = json_object();
	for (size_t i = 0; i < sample_count(image); i++)
		count[((const uint8_t *)image->data)[i]]++;
	for (int k = 0; k < 256; k++) {
		char name[4] = {0};
		if (!count[k])
			continue;
		snprintf(name, sizeof name, "%d", k & 255);
		json_object_set_new(o, name, json_integer((json_int_t)count[k]));
	}
	return o;
}

static json_t *describe(const struct sm_image *image, const struct sm_picture_info *info,
			bool label)
{
	json_t *o = json_object();
	int64_t size[2] = {image->width, image->height},
		range[2] = {sample(image, 0), sample(image, 0)};
	for (size_t i = 1; i < sample_count(image); i++) {
		int v = sample(image, i);
		range[0] = v < range[0] ? v : range[0];
		range[1] = v > range[1] ? v : range[1];
	}
	json_object_set_new(o, "size", sm_json_ints(size, 2));
	json_object_set_new(o, "channels", json_integer(image->channels));
	json_object_set_new(o, "bits", json_integer(image->bits));
	json_object_set_new(o, "maxval", json_integer(info->maxval));
	json_object_set_new(o, "range", sm_json_ints(range, 2));
	json_object_set_new(o, "source_format", json_string(info->format));
	json_object_set_new(o, "source_bits", json_integer(info->bits));
	if (info->palette)
		json_object_set_new(o, "palette", json_string("looked up"));
	if (info->alpha)
		json_object_set_new(o, "alpha", json_string("opaque, left out"));
	if (info->dropped)
		json_object_set_new(o, "blocks_left_out", json_integer((json_int_t)info->dropped));
	if (info->spacing[0] > 0 && info->spacing[1] > 0)
		json_object_set_new(o, "spacing", sm_json_floats(info->spacing, 2));
	if (label)
		json_object_set_new(o, "pixels", label_counts(image));
	return o;
}

static enum sm_status write_picture(const char *role, const struct sm_image *image,
				    struct sm_item *item, struct sm_err *err)
{
	char hex[65];
	char *relative = sm_strf("%s/%s.png", item->key, role);
	char *folder = sm_path_join(item->run->out, item->key);
	char *full = relative ? sm_path_join(item->run->out, relative) : NULL;
	enum sm_status st = folder && full ? sm_mkdirs(folder, err)
					   : SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
	if (st == SM_OK)
		st = sm_png_write(full, image, err);
	if (st == SM_OK) {
		sm_image_sha256(image, hex);
		st = sm_item_output(item, role, relative, hex, err);
	}
	free(relative);
	free(folder);
	free(full);
	return st;
}

static enum sm_status one_role(const struct sm_raw_case *found, size_t i, int64_t size[2],
			       json_t *files, struct sm_item *item, struct sm_err *err)
{
	const struct sm_raw_file *f = &found->file[i];
	struct sm_image image;
	struct sm_picture_info info;
	enum sm_status st = SM_OK;
	SM_TRY(read_picture(f, item, &image, &info, err));
	if (i == 0) {
		size[0] = image.width;
		size[1] = image.height;
		json_object_set_new(item->record, "size", sm_json_ints(size, 2));
	} else if (size[0] != image.width || size[1] != image.height) {
		SM_GOTO(st, SM_FAIL(err, SM_INPUT,
				    "%s has %lld x %lld pixels, %s has %lld x %lld, allowed is one "
				    "size",
				    f->path, (long long)image.width, (long long)image.height,
				    found->file[0].path, (long long)size[0], (long long)size[1]));
	}
	if (f->label && (image.channels != 1 || image.bits != 8))
		SM_GOTO(st, SM_FAIL(err, SM_INPUT,
				    "%s: a label picture of %d channels and %d bits, allowed is "
				    "gray of 8 "
				    "bits",
				    f->path, image.channels, image.bits));
	if (!f->label)
		SM_GOTO(st, sm_burned_check_picture(&image, f->path, item, err));
	json_object_set_new(files, f->role, describe(&image, &info, f->label));
	SM_GOTO(st, write_picture(f->role, &image, item, err));
out:
	sm_image_clear(&image);
	return st;
}

enum sm_status sm_convert_pictures(const struct sm_raw_case *found, struct sm_item *item,
				   struct sm_err *err)
{
	int64_t size[2] = {0};
	enum sm_status st = SM_OK;
	json_t *files = json_object(), *all = json_object();
	json_object_set_new(item->record, "pictures", json_true());
	json_object_set_new(all, "ConversionSoftware", json_string("scanmill"));
	json_object_set(all, "Files", files);
	for (size_t i = 0; i < found->n && st == SM_OK; i++)
		st = one_role(found, i, size, files, item, err);
	if (st == SM_OK)
		st = sm_convert_sidecar("case.json", all, item, err);
	json_decref(files);
	json_decref(all);
	return st;
}
