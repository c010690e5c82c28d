/* SPDX-License-Identifier: Apache-2.0
 *
 * The readers behind core/picture.h, one a format. Each gets an image that is zeroed, and leaves it
 * zeroed on failure (sm_picture_parse clears it too).
 */
#ifndef SM_CORE_PICTURE_FORMAT_H
#define SM_CORE_PICTURE_FORMAT_H

#include "core/picture.h"

enum sm_status sm_picture_png(const unsigned char *bytes, size_t n, const char *name,
			      struct sm_mem *mem, struct sm_image *image,
			      struct sm_picture_info *info, struct sm_err *err);
enum sm_status sm_picture_jpeg(const unsigned char *bytes, size_t n, const char *name,
			       struct sm_mem *mem, struct sm_image *image,
			       struct sm_picture_info *info, struct sm_err *err);
enum sm_status sm_picture_pnm(const unsigned char *bytes, size_t n, const char *name,
			      struct sm_mem *mem, struct sm_image *image,
			      struct sm_picture_info *info, struct sm_err *err);

/* SM_INPUT when a block of EXIF data (beginning with its TIFF header) says that the picture lies on
 * its side or is mirrored: programs differ in whether they turn such a picture, so its true pixels
 * are not known. A block that cannot be read says nothing. */
enum sm_status sm_picture_upright(const unsigned char *exif, size_t n, const char *name,
				  struct sm_err *err);

/* "PNG", "JPEG", "PGM" or "PPM" by the first bytes; SM_INPUT for any other kind. */
enum sm_status sm_picture_format(const unsigned char *bytes, size_t n, const char *name,
				 const char **format, struct sm_err *err);

#endif
