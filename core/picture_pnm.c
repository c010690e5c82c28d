/* SPDX-License-Identifier: Apache-2.0
 *
 * PGM and PPM, plain (P2, P3) and raw (P5, P6), as the Netpbm pages describe them: maxval 1..65535,
 * two bytes a sample, high one first, above 255.
 */
#include <string.h>

#include "core/picture_format.h"

struct text {
	const unsigned char *b;
	size_t n, at;
	size_t comments;
	const char *name;
};

static bool is_space(int c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Blanks, and comments up to the end of their line. */
static void skip(struct text *t)
{
	while (t->at < t->n) {
		if (t->b[t->at] == '#') {
			t->comments++;
			while (t->at < t->n && t->b[t->at] != '\n' && t->b[t->at] != '\r')
				t->at++;
		} else if (is_space(t->b[t->at])) {
			t->at++;
		} else {
			return;
		}
	}
}

static enum sm_status number(struct text *t, const char *what, long low, long high, long *out,
			     struct sm_err *err)
{
	long v = 0;
	skip(t);
	if (t->at == t->n)
		return SM_FAIL(err, SM_INPUT, "%s: ends early: no %s", t->name, what);
	size_t from = t->at;
	while (t->at < t->n && t->b[t->at] >= '0' && t->b[t->at] <= '9' && v <= high)
		v = v * 10 + (t->b[t->at++] - '0');
	bool whole = t->at > from && (t->at == t->n || is_space(t->b[t->at]) || t->b[t->at] == '#');
	if (!whole && v <= high)
		return SM_FAIL(err, SM_INPUT, "%s: %s is no whole number, allowed are %ld..%ld",
			       t->name, what, low, high);
	if (v < low || v > high)
		return SM_FAIL(err, SM_INPUT, "%s: %s is %ld%s, allowed are %ld..%ld", t->name,
			       what, v, whole ? "" : " or more", low, high);
	*out = v;
	return SM_OK;
}

static enum sm_status plain(struct text *t, struct sm_image *image, size_t count, long maxval,
			    struct sm_err *err)
{
	for (size_t i = 0; i < count; i++) {
		long v;
		SM_TRY(number(t, "a sample", 0, maxval, &v, err));
		if (image->bits == 16)
			((uint16_t *)image->data)[i] = (uint16_t)v;
		else
			((uint8_t *)image->data)[i] = (uint8_t)v;
	}
	return SM_OK;
}

static enum sm_status raw(struct text *t, struct sm_image *image, size_t count, long maxval,
			  struct sm_err *err)
{
	const unsigned char *b = t->b + t->at;
	long top = 0;
	if (image->bits == 8) {
		memcpy(image->data, b, count);
		for (size_t i = 0; i < count; i++)
			top = b[i] > top ? b[i] : top;
	} else {
		uint16_t *out = image->data;
		for (size_t i = 0; i < count; i++) {
			out[i] = (uint16_t)(b[2 * i] << 8 | b[2 * i + 1]);
			top = out[i] > top ? out[i] : top;
		}
	}
	t->at += count * (size_t)(image->bits / 8);
	if (top > maxval)
		return SM_FAIL(err, SM_INPUT, "%s: a sample is %ld, allowed are 0..%ld (maxval)",
			       t->name, top, maxval);
	return SM_OK;
}

enum sm_status sm_picture_pnm(const unsigned char *bytes, size_t n, const char *name,
			      struct sm_mem *mem, struct sm_image *image,
			      struct sm_picture_info *info, struct sm_err *err)
{
	struct text t = {.b = bytes, .n = n, .at = 2, .name = name};
	bool colour = bytes[1] == '3' || bytes[1] == '6', is_raw = bytes[1] >= '5';
	int channels = colour ? 3 : 1;
	long width, height, maxval;
	SM_TRY(number(&t, "the width", 1, 65535, &width, err));
	SM_TRY(number(&t, "the height", 1, 65535, &height, err));
	SM_TRY(number(&t, "maxval", 1, 65535, &maxval, err));
	if (t.at == n || !is_space(bytes[t.at]))
		return SM_FAIL(err, SM_INPUT, "%s: ends early or has no blank behind maxval", name);
	t.at++; /* exactly one blank stands in front of raw pixels */
	size_t count = (size_t)width * (size_t)height * (size_t)channels;
	int bits = maxval > 255 ? 16 : 8;
	/* plain: a digit each and a blank between */
	size_t least = is_raw ? count * (size_t)(bits / 8) : count * 2 - 1;
	if (n - t.at < least)
		return SM_FAIL(err, SM_INPUT,
			       "%s: ends early: %zu bytes of pixels, %ld x %ld pixels need %zu%s",
			       name, n - t.at, width, height, least, is_raw ? "" : " or more");
	SM_TRY(sm_image_init(image, width, height, channels, bits, mem, err));
	if (is_raw)
		SM_TRY(raw(&t, image, count, maxval, err));
	else
		SM_TRY(plain(&t, image, count, maxval, err));
	while (t.at < n && is_space(bytes[t.at]))
		t.at++;
	if (t.at < n && is_raw)
		return SM_FAIL(err, SM_INPUT,
			       "%s: %zu bytes behind the pixels, allowed is one picture a file",
			       name, n - t.at);
	skip(&t);
	if (t.at < n)
		return SM_FAIL(err, SM_INPUT, "%s: more samples than %ld x %ld pixels have", name,
			       width, height);
	*info = (struct sm_picture_info){.format = colour ? "ppm" : "pgm",
					 .bits = bits,
					 .channels = channels,
					 .maxval = (int)maxval,
					 .dropped = t.comments};
	for (int b = bits - 1; b > 0 && maxval < 1L << b; b--)
		info->bits = b;
	return SM_OK;
}
