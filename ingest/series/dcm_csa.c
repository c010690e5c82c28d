/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/series/dcm_csa.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REPETITION_TIME SM_TAG(0x0018, 0x0080)
#define ENTRY_HEAD 84 /* name[64], vm, vr[4], syngodt, number of items, 77 or 205 */
#define ITEM_HEAD 16

static uint32_t little(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

bool sm_csa_open(const unsigned char *bytes, size_t n, struct sm_csa *out)
{
	*out = (struct sm_csa){0};
	if (n < 16)
		return false;
	bool second = memcmp(bytes, "SV10", 4) == 0;
	size_t start = second ? 8 : 0;
	uint32_t count = little(bytes + start);
	if (count < 1 || count > 512)
		return false;
	*out = (struct sm_csa){.bytes = bytes + start + 8,
			       .n = n - start - 8,
			       .second = second,
			       .count = count};
	return true;
}

bool sm_csa_image(const struct sm_dataset *set, struct sm_csa *out)
{
	struct sm_element e;
	uint32_t tag = sm_dataset_private(set, 0x0029, "SIEMENS CSA HEADER", 0x10);
	*out = (struct sm_csa){0};
	return tag && sm_dataset_find(set, tag, &e) && sm_csa_open(e.bytes, e.n, out);
}

/* One value after another of one entry. */
struct values {
	const unsigned char *at, *end;
	uint32_t left;
	uint32_t bias; /* old layout: the lengths of an entry count this much too many */
	bool second;
};

static bool next_value(struct values *v, const unsigned char **bytes, size_t *n)
{
	if (v->left == 0 || (size_t)(v->end - v->at) < ITEM_HEAD)
		return false;
	uint32_t length = v->second ? little(v->at + 4) : little(v->at) - v->bias;
	v->at += ITEM_HEAD;
	v->left--;
	size_t room = (size_t)(v->end - v->at);
	if (length > room) {
		v->left = 0;
		return false;
	}
	*bytes = v->at;
	*n = length;
	size_t padded = ((size_t)length + 3) & ~(size_t)3;
	v->at += padded < room ? padded : room;
	return true;
}

/* Walks to the named entry; each entry's end is only known by walking its values. */
static bool find(const struct sm_csa *csa, const char *name, struct values *out)
{
	const unsigned char *at = csa->bytes, *end = csa->bytes + csa->n;
	uint32_t bias = 0;
	size_t length = strlen(name);
	for (unsigned i = 0; i < csa->count; i++) {
		if ((size_t)(end - at) < ENTRY_HEAD)
			return false;
		/* The old layout adds the first entry's number of items to every length. */
		if (i == 0)
			bias = little(at + 76);
		*out = (struct values){.at = at + ENTRY_HEAD,
				       .end = end,
				       .left = little(at + 76),
				       .bias = bias,
				       .second = csa->second};
		if (memcmp(at, name, length + 1) == 0)
			return true;
		const unsigned char *bytes;
		size_t n;
		uint32_t left = out->left;
		struct values walk = *out;
		while (left && next_value(&walk, &bytes, &n))
			left--;
		if (left)
			return false;
		at = walk.at;
	}
	return false;
}

static bool text_of(const unsigned char *bytes, size_t n, char *out, size_t room)
{
	while (n && (bytes[0] == ' ')) {
		bytes++;
		n--;
	}
	const unsigned char *zero = n ? memchr(bytes, 0, n) : NULL;
	if (zero)
		n = (size_t)(zero - bytes);
	while (n && bytes[n - 1] == ' ')
		n--;
	if (n == 0 || n >= room)
		return false;
	for (size_t i = 0; i < n; i++)
		out[i] = iscntrl(bytes[i]) ? '?' : (char)bytes[i];
	out[n] = '\0';
	return true;
}

bool sm_csa_text(const struct sm_csa *csa, const char *name, int index, char *out, size_t n)
{
	struct values v;
	const unsigned char *bytes;
	size_t length;
	*out = '\0';
	if (!find(csa, name, &v))
		return false;
	for (int i = 0; next_value(&v, &bytes, &length); i++)
		if (i == index)
			return text_of(bytes, length, out, n);
	return false;
}

static bool number(const char *text, double *out)
{
	char *end;
	if (text[strspn(text, "0123456789+-.eE")])
		return false;
	*out = strtod(text, &end);
	return *text && *end == '\0' && isfinite(*out);
}

int sm_csa_numbers(const struct sm_csa *csa, const char *name, double *out, int most)
{
	struct values v;
	const unsigned char *bytes;
	size_t length;
	int found = 0;
	if (!find(csa, name, &v))
		return 0;
	while (found < most && next_value(&v, &bytes, &length)) {
		char text[64];
		if (!text_of(bytes, length, text, sizeof text))
			break; /* empty values fill an entry up */
		if (!number(text, &out[found]))
			return -1;
		found++;
	}
	return found;
}

int sm_siemens_slice_times(const struct sm_dataset *set, double *seconds, int most)
{
	struct sm_csa csa;
	uint32_t tag = sm_dataset_private(set, 0x0019, "SIEMENS MR HEADER", 0x29);
	int n = tag ? sm_dataset_numbers(set, tag, seconds, most) : 0;
	if (n < 1 && sm_csa_image(set, &csa))
		n = sm_csa_numbers(&csa, "MosaicRefAcqTimes", seconds, most);
	if (n < 1)
		return 0;
	n = n < most ? n : most;
	const double day = 86400000;
	double first = seconds[0], last = seconds[0];
	for (int i = 0; i < n; i++) {
		first = seconds[i] < first ? seconds[i] : first;
		last = seconds[i] > last ? seconds[i] : last;
	}
	if (last - first > day / 2) {
		first = seconds[0];
		for (int i = 0; i < n; i++) {
			seconds[i] -= seconds[i] > day / 2 ? day : 0;
			first = seconds[i] < first ? seconds[i] : first;
		}
	}
	last = 0;
	for (int i = 0; i < n; i++) {
		seconds[i] = (seconds[i] - first) / 1000;
		last = seconds[i] > last ? seconds[i] : last;
	}
	double repetition = sm_dataset_number_or(set, REPETITION_TIME, 0);
	return repetition > 0 && 1000 * last > repetition ? 0 : n;
}
