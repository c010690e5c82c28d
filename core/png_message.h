/* SPDX-License-Identifier: Apache-2.0
 *
 * What libpng says when it gives up, for the PNG reader and writer. Not for other modules.
 */
#ifndef SM_CORE_PNG_MESSAGE_H
#define SM_CORE_PNG_MESSAGE_H

#include <png.h>
#include <string.h>

/* libpng's error pointer. */
struct sm_png_message {
	char text[128]; /* cut when longer */
};

/* Handlers for png_create_*_struct: an error keeps its words and jumps, a warning says nothing. */
static inline void sm_png_on_error(png_structp png, png_const_charp words)
{
	struct sm_png_message *m = png_get_error_ptr(png);
	size_t n = strnlen(words, sizeof m->text - 1);
	memcpy(m->text, words, n);
	m->text[n] = 0;
	png_longjmp(png, 1);
}

static inline void sm_png_on_warning(png_structp png, png_const_charp words)
{
	(void)png;
	(void)words;
}

#endif
