/* SPDX-License-Identifier: Apache-2.0
 *
 * DICOM byte streams made by hand, for the tests of the reader.
 */
#ifndef SM_TESTS_DICOM_STREAM_H
#define SM_TESTS_DICOM_STREAM_H

#include <stdlib.h>
#include <string.h>

#include "ingest/dicom/dicom.h"
#include "tests/unit/tap.h"

#define LE "1.2.840.10008.1.2.1"
#define ILE "1.2.840.10008.1.2"
#define BE "1.2.840.10008.1.2.2"
#define DEFLATED "1.2.840.10008.1.2.1.99"
#define RLE "1.2.840.10008.1.2.5"
#define JPEG "1.2.840.10008.1.2.4.70"

/* A stream under construction. */
struct stream {
	unsigned char b[1 << 17];
	size_t n;
	bool implicit, big;
};

static inline void raw(struct stream *s, const void *bytes, size_t n)
{
	assert_true(n <= sizeof s->b - s->n);
	memcpy(s->b + s->n, bytes, n);
	s->n += n;
}

static inline void num(struct stream *s, uint64_t v, int bytes)
{
	unsigned char b[8];
	for (int i = 0; i < bytes; i++)
		b[s->big ? bytes - 1 - i : i] = (unsigned char)(v >> (8 * i));
	raw(s, b, (size_t)bytes);
}

static inline void tag(struct stream *s, uint32_t t)
{
	num(s, t >> 16, 2);
	num(s, t & 0xffff, 2);
}

/* Tag, VR, length. */
static inline void head(struct stream *s, uint32_t t, const char *vr, uint32_t length)
{
	bool wide = strstr("OB OW OF OD OL OV SQ UC UN UR UT SV UV", vr) != NULL;
	tag(s, t);
	if (s->implicit) {
		num(s, length, 4);
		return;
	}
	raw(s, vr, 2);
	if (wide)
		num(s, 0, 2);
	num(s, length, wide ? 4 : 2);
}

static inline void text(struct stream *s, uint32_t t, const char *vr, const char *value)
{
	size_t n = strlen(value);
	head(s, t, vr, (uint32_t)(n + n % 2));
	raw(s, value, n);
	if (n % 2)
		raw(s, strcmp(vr, "UI") ? " " : "", 1);
}

static inline void us(struct stream *s, uint32_t t, unsigned value)
{
	head(s, t, "US", 2);
	num(s, value, 2);
}

static inline void item(struct stream *s, uint32_t t, uint32_t length)
{
	tag(s, t);
	num(s, length, 4);
}

/* Preamble and meta header; then the data set's way of writing. */
static inline void meta(struct stream *s, const char *syntax)
{
	static const char zeros[128];
	s->n = 0;
	s->implicit = s->big = false;
	raw(s, zeros, 128);
	raw(s, "DICM", 4);
	size_t n = strlen(syntax);
	head(s, 0x00020000, "UL", 4);
	num(s, 8 + n + n % 2, 4);
	text(s, 0x00020010, "UI", syntax);
	s->implicit = strcmp(syntax, ILE) == 0;
	s->big = strcmp(syntax, BE) == 0;
}

static inline void body(struct stream *s)
{
	text(s, 0x00080060, "CS", "MR");
	us(s, 0x00280010, 2);
	us(s, 0x00280011, 3);
	text(s, 0x00281053, "DS", "1.5 ");
}

static inline struct stream *start(const char *syntax)
{
	struct stream *s = malloc(sizeof *s);
	assert_non_null(s);
	meta(s, syntax);
	return s;
}

static inline struct sm_dicom *parse(const struct stream *s, enum sm_dicom_part part)
{
	struct sm_dicom *dcm;
	struct sm_err err = {0};
	assert_good(sm_dicom_parse(s->b, s->n, part, NULL, &dcm, &err), err);
	return dcm;
}

static inline void refused(const struct stream *s, const char *part)
{
	struct sm_dicom *dcm;
	struct sm_err err = {0};
	assert_refused(sm_dicom_parse(s->b, s->n, SM_DICOM_WHOLE, NULL, &dcm, &err), SM_INPUT, err,
		       part);
	assert_null(dcm);
}

#endif
