/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/dicom/dicom_write.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"

#define EXPLICIT_LE "1.2.840.10008.1.2.1"

static void fail(struct sm_dcm *d, uint32_t tag, const char *why)
{
	if (!d->bad[0])
		snprintf(d->bad, sizeof d->bad, "element (%04x,%04x) %s", tag >> 16, tag & 0xffff,
			 why);
}

static void append(struct sm_dcm *d, uint32_t tag, const void *bytes, size_t n)
{
	if (d->bad[0] || !n)
		return;
	if (n > d->room - d->size) {
		size_t room = (d->size + n) * 2;
		unsigned char *more = realloc(d->bytes, room);
		if (!more) {
			fail(d, tag, "does not fit into memory");
			return;
		}
		d->bytes = more;
		d->room = room;
	}
	memcpy(d->bytes + d->size, bytes, n);
	d->size += n;
}

static void little(unsigned char *to, uint32_t v, int n)
{
	for (int i = 0; i < n; i++)
		to[i] = (unsigned char)(v >> (8 * i));
}

static bool has_long_length(const char *vr)
{
	return strcmp(vr, "OW") == 0 || strcmp(vr, "OB") == 0 || strcmp(vr, "UN") == 0 ||
	       strcmp(vr, "UT") == 0 || strcmp(vr, "SQ") == 0;
}

/* An element with value of n bytes, padded to an even length with pad. */
static void element(struct sm_dcm *d, uint32_t tag, const char *vr, const void *value, size_t n,
		    unsigned char pad)
{
	unsigned char head[12] = {0};
	size_t even = n + (n & 1), head_n = has_long_length(vr) ? 12 : 8;
	if (tag <= d->last)
		fail(d, tag, "is not in ascending order");
	if (even > (head_n == 12 ? 0xfffffffeu : 0xfffeu))
		fail(d, tag, "is too long");
	little(head, tag >> 16, 2);
	little(head + 2, tag & 0xffff, 2);
	memcpy(head + 4, vr, 2);
	if (head_n == 12)
		little(head + 8, (uint32_t)even, 4);
	else
		little(head + 6, (uint32_t)even, 2);
	append(d, tag, head, head_n);
	append(d, tag, value, n);
	append(d, tag, &pad, n & 1);
	d->last = tag;
}

void sm_dcm_text(struct sm_dcm *d, uint32_t tag, const char *vr, const char *text)
{
	element(d, tag, vr, text, strlen(text), strcmp(vr, "UI") == 0 ? 0 : ' ');
}

void sm_dcm_numbers(struct sm_dcm *d, uint32_t tag, const double *v, size_t n)
{
	char text[17 * 16] = "";
	size_t used = 0;
	if (n > 16) {
		fail(d, tag, "has more than 16 numbers");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		char one[32];
		int len = 0;
		if (!isfinite(v[i])) {
			fail(d, tag, "is not finite");
			return;
		}
		/* The most digits that fit into the 16 characters of a DS. */
		for (int digits = 15; digits > 0; digits--) {
			len = snprintf(one, sizeof one, "%.*g", digits, v[i]);
			if (len <= 16)
				break;
		}
		used += (size_t)snprintf(text + used, sizeof text - used, "%s%.*s", i ? "\\" : "",
					 len, one);
	}
	sm_dcm_text(d, tag, "DS", text);
}

void sm_dcm_int(struct sm_dcm *d, uint32_t tag, int64_t v)
{
	char text[24];
	snprintf(text, sizeof text, "%lld", (long long)v);
	if (strlen(text) > 12)
		fail(d, tag, "is longer than the 12 characters of an IS");
	sm_dcm_text(d, tag, "IS", text);
}

void sm_dcm_u16(struct sm_dcm *d, uint32_t tag, uint16_t v)
{
	unsigned char bytes[2];
	little(bytes, v, 2);
	element(d, tag, "US", bytes, 2, 0);
}

void sm_dcm_words(struct sm_dcm *d, uint32_t tag, const uint16_t *words, size_t n)
{
	element(d, tag, "OW", words, n * 2, 0);
}

void sm_dcm_sequence(struct sm_dcm *d, uint32_t tag, const struct sm_dcm *items, size_t n)
{
	unsigned char head[8] = {0xfe, 0xff, 0x00, 0xe0}; /* (fffe,e000) */
	struct sm_dcm whole = {0};
	for (size_t i = 0; i < n; i++) {
		if (items[i].bad[0] && !d->bad[0])
			memcpy(d->bad, items[i].bad, sizeof d->bad);
		if (items[i].size > 0xfffffff0u)
			fail(d, tag, "is too long");
		little(head + 4, (uint32_t)items[i].size, 4);
		append(&whole, tag, head, sizeof head);
		append(&whole, tag, items[i].bytes, items[i].size);
	}
	if (whole.bad[0])
		fail(d, tag, "does not fit into memory");
	else
		element(d, tag, "SQ", whole.bytes, whole.size, 0);
	sm_dcm_clear(&whole);
}

void sm_dcm_uid(const char *name, char uid[65])
{
	char hex[65], digits[48];
	unsigned __int128 v = 0;
	size_t n = 0;
	sm_sha256_bytes(name, strlen(name), hex);
	/* UUID form: the 13th digit is the version, the 17th has the variant in its two top bits.
	 */
	hex[12] = '8';
	hex[16] = "89ab"[(hex[16] <= '9' ? hex[16] - '0' : hex[16] - 'a' + 10) & 3];
	for (int i = 0; i < 32; i++)
		v = v << 4 | (unsigned)(hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10);
	for (; v; v /= 10)
		digits[n++] = (char)('0' + (int)(v % 10));
	memcpy(uid, "2.25.", 5);
	uid += 5;
	while (n)
		*uid++ = digits[--n];
	*uid = 0;
}

/* Preamble, meta header and data set as they stand in the file. */
static enum sm_status whole_file(const struct sm_dcm *d, const char *path, const char *sop_class,
				 const char *sop_instance, struct sm_dcm *out, struct sm_err *err)
{
	static const unsigned char version[2] = {0, 1};
	unsigned char start[144] = {0}; /* preamble, DICM, and the group length element */
	struct sm_dcm meta = {0};
	char implementation[65];
	sm_dcm_uid("scanmill implementation", implementation);
	element(&meta, SM_DCM_TAG(2, 1), "OB", version, 2, 0);
	sm_dcm_text(&meta, SM_DCM_TAG(2, 2), "UI", sop_class);
	sm_dcm_text(&meta, SM_DCM_TAG(2, 3), "UI", sop_instance);
	sm_dcm_text(&meta, SM_DCM_TAG(2, 0x10), "UI", EXPLICIT_LE);
	sm_dcm_text(&meta, SM_DCM_TAG(2, 0x12), "UI", implementation);
	sm_dcm_text(&meta, SM_DCM_TAG(2, 0x13), "SH", "SCANMILL");
	memcpy(start + 128, "DICM\2\0\0\0UL\4\0", 12);
	little(start + 140, (uint32_t)meta.size, 4);
	append(out, 0, start, sizeof start);
	append(out, 0, meta.bytes, meta.size);
	append(out, 0, d->bytes, d->size);
	const char *bad = d->bad[0] ? d->bad : meta.bad[0] ? meta.bad : out->bad;
	enum sm_status st = bad[0] ? SM_FAIL(err, SM_INTERNAL, "%s: %s", path, bad) : SM_OK;
	sm_dcm_clear(&meta);
	return st;
}

enum sm_status sm_dcm_write_in(struct sm_outset *set, const struct sm_dcm *d, const char *path,
			       const char *sop_class, const char *sop_instance, char sha256[65],
			       struct sm_err *err)
{
	struct sm_dcm file = {0};
	if (sha256)
		sha256[0] = 0;
	enum sm_status st = whole_file(d, path, sop_class, sop_instance, &file, err);
	if (st == SM_OK)
		st = sm_outset_write(set, path, file.bytes, file.size, err);
	if (st == SM_OK && sha256)
		sm_sha256_bytes(file.bytes, file.size, sha256);
	sm_dcm_clear(&file);
	return st;
}

enum sm_status sm_dcm_write(const struct sm_dcm *d, const char *path, const char *sop_class,
			    const char *sop_instance, struct sm_err *err)
{
	return sm_dcm_write_in(NULL, d, path, sop_class, sop_instance, NULL, err);
}

void sm_dcm_clear(struct sm_dcm *d)
{
	free(d->bytes);
	*d = (struct sm_dcm){0};
}
