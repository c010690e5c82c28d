/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking an open DICOM file: elements, texts, numbers, items.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ingest/dicom/dicom_bytes.h"

static const struct entry *lower_bound(const struct sm_dicom *dcm, uint32_t tag)
{
	size_t low = 0, high = dcm->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (dcm->entries[middle].tag < tag)
			low = middle + 1;
		else
			high = middle;
	}
	return dcm->entries + low;
}

static bool find_entry(const struct sm_dicom *dcm, uint32_t tag, struct sm_element *out,
		       uint16_t *vr)
{
	const struct entry *e = lower_bound(dcm, tag);
	if (tag == dcm->pixels.tag && tag)
		e = &dcm->pixels;
	else if (e == dcm->entries + dcm->count || e->tag != tag)
		return false;
	bool held = !e->skipped && (e != &dcm->pixels || dcm->whole);
	*out = (struct sm_element){.tag = tag,
				   .bytes = held ? dcm->bytes + e->at : NULL,
				   .n = held ? e->n : 0,
				   .implicit = e->implicit,
				   .big_endian = dcm->big_endian};
	*vr = e->vr;
	return true;
}

/* One element of an item, in the order of the file; false at its end or where it makes no sense. */
static bool next_element(struct span *s, size_t *at, bool implicit, bool big,
			 struct sm_element *out, uint16_t *vr)
{
	struct element_head head;
	if (!sm_dicom_head_at(s->bytes + *at, s->n - *at, implicit, big, &head) ||
	    head.tag >> 16 == 0xfffe)
		return false;
	*at += head.size;
	size_t from = *at, end = 0;
	if (head.length == UNDEFINED) {
		if (sm_dicom_walk_sequence(s, at, UNDEFINED, head.implicit || head.vr == VR_UN,
					   big && head.vr != VR_UN,
					   head.vr == VR_OB || head.vr == VR_OW ||
						   head.tag == PIXELS,
					   &end) != WALK_OK)
			return false;
	} else {
		if (head.length > s->n - *at)
			return false;
		*at += head.length;
		end = *at;
	}
	*out = (struct sm_element){.tag = head.tag,
				   .bytes = s->bytes + from,
				   .n = end - from,
				   .implicit = head.implicit,
				   .big_endian = big};
	*vr = head.vr;
	return true;
}

static bool find_in_item(const struct sm_dataset *set, uint32_t tag, struct sm_element *out,
			 uint16_t *vr)
{
	struct span s = {.bytes = set->bytes, .n = set->n};
	size_t at = 0;
	while (next_element(&s, &at, set->implicit, set->big_endian, out, vr))
		if (out->tag == tag)
			return true;
	return false;
}

static bool find_raw(const struct sm_dataset *set, uint32_t tag, struct sm_element *out,
		     uint16_t *vr)
{
	return set->index ? find_entry(set->index, tag, out, vr) : find_in_item(set, tag, out, vr);
}

static bool is_creator(const unsigned char *bytes, size_t n, const char *creator)
{
	size_t want = strlen(creator);
	while (n && (bytes[n - 1] == ' ' || bytes[n - 1] == '\0'))
		n--;
	return n == want && memcmp(bytes, creator, n) == 0;
}

/* Does the private block of this tag belong to the creator? */
static bool block_is(const struct sm_dataset *set, uint32_t tag, const char *creator)
{
	struct sm_element e;
	uint16_t vr;
	return find_raw(set, (tag & 0xffff0000u) | (tag >> 8 & 0xff), &e, &vr) &&
	       is_creator(e.bytes, e.n, creator);
}

static uint16_t private_vr(const struct sm_dataset *set, uint32_t tag)
{
	size_t count;
	const struct private_row *row = sm_dicom_private_rows(tag, &count);
	for (size_t i = 0; i < count; i++)
		if (block_is(set, tag, row[i].creator))
			return row[i].vr;
	return VR_UN;
}

/* Private creators (gggg,0010..00FF) are LO, group lengths UL. */
static uint16_t look_up(const struct sm_dataset *set, uint32_t tag)
{
	if ((tag & 0xffff) == 0)
		return VR_UL;
	if (!(tag >> 16 & 1))
		return sm_dicom_vr(tag);
	if ((tag & 0xff00) == 0)
		return VR_LO;
	return private_vr(set, tag);
}

static uint16_t us_or_ss(const struct sm_dataset *set)
{
	struct sm_element e;
	uint16_t vr;
	bool is_signed = find_raw(set, SM_TAG(0x0028, 0x0103), &e, &vr) && e.n >= 2 &&
			 get16(e.bytes, e.big_endian) == 1;
	return is_signed ? VR_SS : VR_US;
}

bool sm_dataset_find(const struct sm_dataset *set, uint32_t tag, struct sm_element *out)
{
	uint16_t vr;
	if (!find_raw(set, tag, out, &vr)) {
		*out = (struct sm_element){0};
		return false;
	}
	if (vr == VR_UN) {
		/* UN of an explicit file: the value as implicit little endian would have it. */
		out->big_endian = out->big_endian && out->implicit;
		out->implicit = true;
		vr = look_up(set, tag);
	}
	if (vr == VR_XS)
		vr = us_or_ss(set);
	out->vr[0] = (char)(vr >> 8);
	out->vr[1] = (char)(vr & 0xff);
	out->vr[2] = '\0';
	return true;
}

bool sm_dataset_has(const struct sm_dataset *set, uint32_t tag)
{
	struct sm_element e;
	uint16_t vr;
	return find_raw(set, tag, &e, &vr);
}

static uint16_t vr_of(const struct sm_element *e)
{
	return VR(e->vr[0], e->vr[1]);
}

/* Bytes of one number; 0 for VRs that are no binary numbers. */
static size_t number_size(uint16_t vr)
{
	switch (vr) {
	case VR_US:
	case VR_SS:
		return 2;
	case VR_UL:
	case VR_SL:
	case VR_FL:
	case VR_OF:
	case VR_OL:
		return 4;
	case VR_FD:
	case VR_SV:
	case VR_UV:
	case VR_OD:
	case VR_OV:
		return 8;
	default:
		return 0;
	}
}

static double number_at(const struct sm_element *e, uint16_t vr, size_t i)
{
	const unsigned char *p = e->bytes + i * number_size(vr);
	bool big = e->big_endian;
	uint64_t wide;
	uint32_t word;
	float f;
	double d;
	switch (vr) {
	case VR_US:
		return get16(p, big);
	case VR_SS:
		return (int16_t)get16(p, big);
	case VR_UL:
	case VR_OL:
		return get32(p, big);
	case VR_SL:
		return (int32_t)get32(p, big);
	case VR_SV:
		return (double)(int64_t)get64(p, big);
	case VR_UV:
	case VR_OV:
		return (double)get64(p, big);
	case VR_FL:
	case VR_OF:
		word = get32(p, big);
		memcpy(&f, &word, sizeof f);
		return (double)f;
	default:
		wide = get64(p, big);
		memcpy(&d, &wide, sizeof d);
		return d;
	}
}

static bool text_vr(uint16_t vr)
{
	switch (vr) {
	case VR_AE:
	case VR_AS:
	case VR_CS:
	case VR_DA:
	case VR_DS:
	case VR_DT:
	case VR_IS:
	case VR_LO:
	case VR_LT:
	case VR_PN:
	case VR_SH:
	case VR_ST:
	case VR_TM:
	case VR_UC:
	case VR_UI:
	case VR_UN:
	case VR_UR:
	case VR_UT:
		return true;
	default:
		return false;
	}
}

static bool clean_text(const unsigned char *from, size_t n, char *out, size_t room)
{
	while (n && (from[n - 1] == ' ' || from[n - 1] == '\0'))
		n--;
	while (n && *from == ' ')
		from++, n--;
	if (!n || n >= room)
		return false;
	for (size_t i = 0; i < n; i++)
		out[i] = from[i] < 32 || from[i] == 127 ? '?' : (char)from[i];
	out[n] = '\0';
	return true;
}

static bool numbers_text(const struct sm_element *e, uint16_t vr, char *out, size_t room)
{
	size_t size = vr == VR_AT ? 4 : number_size(vr), used = 0;
	if (!size || e->n < size || e->n % size)
		return false;
	for (size_t i = 0; i < e->n / size; i++) {
		char one[40];
		int k = vr == VR_AT ? snprintf(one, sizeof one, "%08X",
					       get_tag(e->bytes + 4 * i, e->big_endian))
				    : snprintf(one, sizeof one, "%.17g", number_at(e, vr, i));
		if (k < 0 || used + (size_t)k + 2 > room)
			return false;
		if (i)
			out[used++] = '\\';
		memcpy(out + used, one, (size_t)k);
		used += (size_t)k;
	}
	out[used] = '\0';
	return true;
}

bool sm_dataset_text(const struct sm_dataset *set, uint32_t tag, char *out, size_t n)
{
	struct sm_element e;
	out[0] = '\0';
	if (!sm_dataset_find(set, tag, &e) || !e.n)
		return false;
	uint16_t vr = vr_of(&e);
	bool done = text_vr(vr) ? clean_text(e.bytes, e.n, out, n) : numbers_text(&e, vr, out, n);
	if (!done)
		out[0] = '\0';
	return done;
}

static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
			      1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
			      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Digits of one decimal number. */
struct decimal {
	uint64_t digits;
	int count, power; /* significant digits taken; value = digits * 10^power */
	bool negative, exact;
};

static const unsigned char *scan_digits(const unsigned char *p, const unsigned char *end,
					bool point, struct decimal *d, int *seen)
{
	for (; p < end && *p >= '0' && *p <= '9'; p++, ++*seen) {
		if (d->count < 18) {
			d->digits = 10 * d->digits + (*p - '0');
			d->count += d->digits != 0;
			d->power -= point;
		} else {
			d->exact = false;
		}
	}
	return p;
}

/* The exact value of few digits is one multiplication away; the rest is the C library's. */
static bool decimal_value(const struct decimal *d, const unsigned char *from, size_t n, double *out)
{
	char copy[128];
	if (d->exact && d->digits <= (uint64_t)1 << 53 && d->power >= -22 && d->power <= 22) {
		double v = (double)d->digits;
		v = d->power < 0 ? v / tens[-d->power] : v * tens[d->power];
		*out = d->negative ? -v : v;
		return true;
	}
	if (n >= sizeof copy)
		return false;
	memcpy(copy, from, n);
	copy[n] = '\0';
	*out = strtod(copy, NULL);
	return isfinite(*out);
}

static bool one_decimal(const unsigned char *p, const unsigned char *end, double *out)
{
	while (p < end && *p == ' ')
		p++;
	while (p < end && (end[-1] == ' ' || end[-1] == '\0'))
		end--;
	const unsigned char *from = p;
	struct decimal d = {.exact = true};
	int seen = 0, power = 0, power_seen = 0;
	if (p < end && (*p == '-' || *p == '+'))
		d.negative = *p++ == '-';
	p = scan_digits(p, end, false, &d, &seen);
	if (p < end && *p == '.')
		p = scan_digits(p + 1, end, true, &d, &seen);
	if (!seen)
		return false;
	if (p < end && (*p == 'e' || *p == 'E')) {
		bool down = false;
		if (++p < end && (*p == '-' || *p == '+'))
			down = *p++ == '-';
		for (; p < end && *p >= '0' && *p <= '9'; p++, power_seen++)
			power = power < 10000 ? 10 * power + (*p - '0') : power;
		if (!power_seen)
			return false;
		d.power += down ? -power : power;
	}
	return p == end && decimal_value(&d, from, (size_t)(end - from), out);
}

static int decimals(const struct sm_element *e, double *out, int most)
{
	const unsigned char *p = e->bytes, *end = p + e->n;
	int count = 0;
	while (end > p && (end[-1] == ' ' || end[-1] == '\0'))
		end--;
	if (p == end)
		return 0;
	for (;;) {
		const unsigned char *stop = memchr(p, '\\', (size_t)(end - p));
		double v;
		if (!one_decimal(p, stop ? stop : end, &v))
			return -1;
		if (count < most)
			out[count] = v;
		count++;
		if (!stop)
			return count;
		p = stop + 1;
	}
}

int sm_dataset_numbers(const struct sm_dataset *set, uint32_t tag, double *out, int most)
{
	struct sm_element e;
	if (!sm_dataset_find(set, tag, &e) || !e.n)
		return 0;
	uint16_t vr = vr_of(&e);
	size_t size = number_size(vr);
	if (!size)
		return text_vr(vr) ? decimals(&e, out, most) : -1;
	if (e.n % size || e.n / size > INT32_MAX)
		return -1;
	int count = (int)(e.n / size);
	for (int i = 0; i < count; i++) {
		double v = number_at(&e, vr, (size_t)i);
		if (!isfinite(v))
			return -1;
		if (i < most)
			out[i] = v;
	}
	return count;
}

bool sm_dataset_exactly(const struct sm_dataset *set, uint32_t tag, double *out, int n)
{
	return sm_dataset_numbers(set, tag, out, n) == n;
}

double sm_dataset_number_or(const struct sm_dataset *set, uint32_t tag, double fallback)
{
	double v;
	return sm_dataset_numbers(set, tag, &v, 1) >= 1 ? v : fallback;
}

struct sm_dicom_items sm_dataset_items(const struct sm_dataset *set, uint32_t tag)
{
	struct sm_element e;
	if (!sm_dataset_find(set, tag, &e) || e.n < 8)
		return (struct sm_dicom_items){0};
	return (struct sm_dicom_items){e.bytes, e.bytes + e.n, e.implicit, e.big_endian};
}

bool sm_dicom_items_next(struct sm_dicom_items *it, struct sm_dataset *item)
{
	size_t left = (size_t)(it->end - it->at), at = 8;
	if (left < 8 || get_tag(it->at, it->big_endian) != ITEM)
		return false;
	uint32_t length = get32(it->at + 4, it->big_endian);
	struct span s = {.bytes = it->at, .n = left};
	size_t end;
	if (length == UNDEFINED) {
		if (sm_dicom_walk_item(&s, &at, it->implicit, it->big_endian, &end) != WALK_OK)
			return false;
	} else {
		if (length > left - 8)
			return false;
		at = end = 8 + (size_t)length;
	}
	*item = (struct sm_dataset){it->at + 8, end - 8, it->implicit, it->big_endian, NULL};
	if (item->n >= 8 && !item->implicit &&
	    !sm_dicom_looks_explicit(item->bytes, item->big_endian))
		item->implicit = true;
	it->at += at;
	return true;
}

bool sm_dataset_item(const struct sm_dataset *set, uint32_t tag, struct sm_dataset *item)
{
	struct sm_dicom_items it = sm_dataset_items(set, tag);
	return sm_dicom_items_next(&it, item);
}

void sm_dataset_first_items(const struct sm_dataset *set, const uint32_t *tags, size_t n,
			    struct sm_dataset *item)
{
	struct span s = {.bytes = set->bytes, .n = set->n};
	struct sm_element e;
	uint16_t vr;
	size_t at = 0;
	memset(item, 0, n * sizeof *item);
	for (size_t i = 0; set->index && i < n; i++)
		if (!sm_dataset_item(set, tags[i], &item[i]))
			item[i] = (struct sm_dataset){0};
	while (!set->index && next_element(&s, &at, set->implicit, set->big_endian, &e, &vr))
		for (size_t i = 0; i < n; i++) {
			if (tags[i] != e.tag || item[i].bytes)
				continue;
			bool un = vr == VR_UN;
			struct sm_dicom_items it = {e.bytes, e.bytes + e.n, e.implicit || un,
						    e.big_endian && (e.implicit || !un)};
			if (e.n < 8 || !sm_dicom_items_next(&it, &item[i]))
				item[i] = (struct sm_dataset){0};
		}
}

uint32_t sm_dataset_private(const struct sm_dataset *set, unsigned group, const char *creator,
			    unsigned element)
{
	uint32_t first = SM_TAG(group, 0x10), last = SM_TAG(group, 0xff);
	const struct sm_dicom *dcm = set->index;
	if (!(group & 1))
		return 0;
	if (dcm) {
		const struct entry *e = lower_bound(dcm, first), *end = dcm->entries + dcm->count;
		for (; e < end && e->tag <= last; e++)
			if (!e->skipped && is_creator(dcm->bytes + e->at, e->n, creator))
				return SM_TAG(group, (e->tag & 0xff) << 8 | (element & 0xff));
		return 0;
	}
	struct span s = {.bytes = set->bytes, .n = set->n};
	struct sm_element e;
	uint16_t vr;
	size_t at = 0;
	while (next_element(&s, &at, set->implicit, set->big_endian, &e, &vr))
		if (e.tag >= first && e.tag <= last && is_creator(e.bytes, e.n, creator))
			return SM_TAG(group, (e.tag & 0xff) << 8 | (element & 0xff));
	return 0;
}
