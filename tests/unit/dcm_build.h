/* SPDX-License-Identifier: Apache-2.0
 *
 * Hand-made DICOM data sets for tests: explicit VR little endian without preamble; sequences and
 * items of undefined length. Include tests/unit/tap.h first.
 */
#ifndef SM_TESTS_DCM_BUILD_H
#define SM_TESTS_DCM_BUILD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ingest/series/dcm_head.h"

#define T SM_TAG

#define BUILD_ROOM 65536

struct build {
	unsigned char bytes[BUILD_ROOM];
	size_t n;
};

static inline void build_raw(struct build *b, const void *bytes, size_t n)
{
	assert_true(b->n + n <= BUILD_ROOM);
	memcpy(b->bytes + b->n, bytes, n);
	b->n += n;
}

static inline void build_number(struct build *b, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		unsigned char c = (unsigned char)(v >> 8 * i);
		build_raw(b, &c, 1);
	}
}

static inline void build_head(struct build *b, uint32_t tag, const char *vr, uint32_t length)
{
	build_number(b, tag >> 16, 2);
	build_number(b, tag & 0xffff, 2);
	build_raw(b, vr, 2);
	if (strstr("OB OW OF OD SQ UN UT", vr)) {
		build_number(b, 0, 2);
		build_number(b, length, 4);
	} else {
		build_number(b, length, 2);
	}
}

static inline void build_text(struct build *b, uint32_t tag, const char *vr, const char *text)
{
	size_t n = strlen(text), even = n + (n & 1);
	build_head(b, tag, vr, (uint32_t)even);
	build_raw(b, text, n);
	if (even > n)
		build_raw(b, strcmp(vr, "UI") == 0 ? "" : " ", 1);
}

static inline void build_us(struct build *b, uint32_t tag, unsigned v)
{
	build_head(b, tag, "US", 2);
	build_number(b, v, 2);
}

static inline void build_bytes(struct build *b, uint32_t tag, const void *bytes, size_t n)
{
	build_head(b, tag, "OB", (uint32_t)(n + (n & 1)));
	build_raw(b, bytes, n);
	if (n & 1)
		build_raw(b, "", 1);
}

static inline void build_fd(struct build *b, uint32_t tag, const double *v, size_t n)
{
	build_head(b, tag, "FD", (uint32_t)(8 * n));
	for (size_t i = 0; i < n; i++) {
		uint64_t bits;
		memcpy(&bits, &v[i], 8);
		build_number(b, bits, 8);
	}
}

static inline void build_fl(struct build *b, uint32_t tag, float v)
{
	uint32_t bits;
	memcpy(&bits, &v, 4);
	build_head(b, tag, "FL", 4);
	build_number(b, bits, 4);
}

static inline void build_open(struct build *b, uint32_t sequence)
{
	build_head(b, sequence, "SQ", 0xffffffffu);
}

static inline void build_item(struct build *b)
{
	build_number(b, 0xe000fffeu, 4);
	build_number(b, 0xffffffffu, 4);
}

static inline void build_item_end(struct build *b)
{
	build_number(b, 0xe00dfffeu, 4);
	build_number(b, 0, 4);
}

static inline void build_close(struct build *b)
{
	build_number(b, 0xe0ddfffeu, 4);
	build_number(b, 0, 4);
}

/* A sequence of one item: open, put elements, end. */
static inline void build_group(struct build *b, uint32_t sequence)
{
	build_open(b, sequence);
	build_item(b);
}

static inline void build_group_end(struct build *b)
{
	build_item_end(b);
	build_close(b);
}

/* Two bytes of PixelData, behind which nothing may follow. */
static inline void pixels(struct build *b)
{
	build_head(b, T(0x7fe0, 0x10), "OW", 2);
	build_number(b, 0, 2);
}

/* Reads what was built, with pixels behind it; free with sm_dcm_head_clear. */
static inline struct sm_dcm_head head_with(const struct build *b, const char *salt_text,
					   bool display)
{
	struct sm_err err = {0};
	struct sm_dicom *dcm;
	struct sm_dcm_head h;
	struct sm_salt salt = {(unsigned char *)(uintptr_t)salt_text, strlen(salt_text)};
	struct sm_head_rules rules = {.philips_display = display};
	struct build whole = *b;
	pixels(&whole);
	assert_good(sm_dicom_parse(whole.bytes, whole.n, SM_DICOM_HEAD, NULL, &dcm, &err), err);
	assert_good(sm_dcm_head_read(dcm, &salt, &rules, &h, &err), err);
	sm_dicom_close(dcm);
	return h;
}

static inline struct sm_dcm_head head_of(const struct build *b)
{
	return head_with(b, "", false);
}

static inline void check(const struct build *b, enum sm_verdict verdict, const char *part)
{
	struct sm_dcm_head h = head_of(b);
	if (h.verdict != verdict)
		fail_msg("verdict %s: %s", sm_verdict_code(h.verdict), h.why);
	if (!strstr(h.why, part))
		fail_msg("'%s' lacks '%s'", h.why, part);
	sm_dcm_head_clear(&h);
}

/* What stands before the picture's module. */
struct who {
	const char *type, *modality, *maker, *sop;
};

/* Groups 8 to 20; more elements of these groups cannot follow. */
static inline struct build begin(struct who w)
{
	struct build b = {0};
	build_text(&b, T(8, 8), "CS", w.type);
	if (w.sop)
		build_text(&b, T(8, 0x16), "UI", w.sop);
	build_text(&b, T(8, 0x18), "UI", "2.25.7003");
	build_text(&b, T(8, 0x20), "DA", "20200229");
	build_text(&b, T(8, 0x22), "DA", "20200301");
	build_text(&b, T(8, 0x32), "TM", "000010.5");
	build_text(&b, T(8, 0x60), "CS", w.modality);
	build_text(&b, T(8, 0x70), "LO", w.maker ? w.maker : "GE MEDICAL SYSTEMS");
	build_text(&b, T(0x10, 0x20), "LO", "DOE-17");
	return b;
}

static inline void series(struct build *b)
{
	build_text(b, T(0x20, 0x0d), "UI", "2.25.7001");
	build_text(b, T(0x20, 0x0e), "UI", "2.25.7002");
	build_text(b, T(0x20, 0x11), "IS", "7");
	build_text(b, T(0x20, 0x13), "IS", "3");
}

static inline void place(struct build *b)
{
	build_text(b, T(0x20, 0x32), "DS", "-10\\20.5\\3e1");
	build_text(b, T(0x20, 0x37), "DS", "1\\0\\0\\0\\1\\0");
}

static inline void picture(struct build *b, const char *frames, unsigned rows, unsigned columns)
{
	build_us(b, T(0x28, 2), 1);
	build_text(b, T(0x28, 4), "CS", "MONOCHROME2");
	if (frames)
		build_text(b, T(0x28, 8), "IS", frames);
	build_us(b, T(0x28, 0x10), rows);
	build_us(b, T(0x28, 0x11), columns);
	build_text(b, T(0x28, 0x30), "DS", "0.75\\0.5");
	build_us(b, T(0x28, 0x100), 16);
	build_us(b, T(0x28, 0x101), 12);
	build_us(b, T(0x28, 0x102), 11);
	build_us(b, T(0x28, 0x103), 0);
}

/* An MR slice; more elements of group 2005 may follow. */
static inline struct build slice(struct who w)
{
	struct build b = begin(w);
	series(&b);
	place(&b);
	picture(&b, NULL, 64, 48);
	return b;
}

static const struct who ct = {"ORIGINAL\\PRIMARY\\AXIAL", "CT", NULL, NULL};
static const struct who mr = {"ORIGINAL\\PRIMARY\\M\\ND", "MR", "SIEMENS", NULL};

#endif
