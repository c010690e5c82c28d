/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening: meta header, how the data set is written, the index of its elements.
 */
#include <stdlib.h>

#include "ingest/dicom/dicom_bytes.h"

/* Longer elements are passed over without reading them; so is what stands behind the pixel data
 * when it is longer. */
#define SKIP_BYTES ((uint32_t)1 << 20)

static enum sm_status cut(struct span *s, uint32_t tag, size_t at, struct sm_err *err)
{
	if (s->st != SM_OK)
		return s->st;
	return SM_FAIL(err, SM_INPUT,
		       "is no whole DICOM file: it ends inside element (%04X,%04X) at byte %zu",
		       tag >> 16, tag & 0xffff, at);
}

static enum sm_status add(struct sm_dicom *dcm, const struct entry *e, struct sm_err *err)
{
	if (dcm->count == MOST_ELEMENTS)
		return SM_FAIL(err, SM_INPUT, "has more than %d elements, the most allowed",
			       MOST_ELEMENTS);
	if (dcm->count == dcm->entry_room) {
		struct entry *more = sm_alloc(dcm->mem, 4 * dcm->entry_room, sizeof *more,
					      "a DICOM header", err);
		if (!more)
			return SM_BUDGET;
		memcpy(more, dcm->entries, dcm->count * sizeof *more);
		sm_free(dcm->owned_entries);
		dcm->entries = dcm->owned_entries = more;
		dcm->entry_room *= 4;
	}
	if (dcm->count && dcm->entries[dcm->count - 1].tag >= e->tag)
		dcm->unsorted = true;
	dcm->entries[dcm->count++] = *e;
	return SM_OK;
}

static int by_tag(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	if (x->tag != y->tag)
		return x->tag < y->tag ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static enum sm_status walk_failed(struct span *s, enum walk got, uint32_t tag, size_t at,
				  struct sm_err *err)
{
	if (got == WALK_CUT)
		return cut(s, tag, at, err);
	if (got == WALK_DEEP)
		return SM_FAIL(
			err, SM_INPUT,
			"has sequences in element (%04X,%04X) nested deeper than %d, the most "
			"allowed",
			tag >> 16, tag & 0xffff, MOST_DEPTH);
	if (got == WALK_MANY)
		return SM_FAIL(
			err, SM_INPUT,
			"has an item in sequence (%04X,%04X) with more than %d elements, the "
			"most allowed",
			tag >> 16, tag & 0xffff, MOST_ELEMENTS);
	return SM_FAIL(
		err, SM_INPUT,
		"is no whole DICOM file: the items of sequence (%04X,%04X) at byte %zu do not "
		"fit into it",
		tag >> 16, tag & 0xffff, at);
}

static enum sm_status too_much(struct sm_err *err)
{
	return SM_FAIL(err, SM_INPUT,
		       "has more than %zu MiB of elements besides its pixel data, the most allowed",
		       MOST_HEADER >> 20);
}

/* Pixel data end a HEAD; their value need not be read, but must fit into the file. */
static enum sm_status take_pixels(struct sm_dicom *dcm, struct span *s, struct entry *e,
				  const struct element_head *head, size_t *at, struct sm_err *err)
{
	e->n = head->length;
	if (head->length == UNDEFINED) {
		dcm->encapsulated = true;
		e->n = 0;
		if (dcm->known && dcm->known->way == SM_SYNTAX_NATIVE)
			return SM_FAIL(err, SM_INPUT,
				       "has PixelData without a length, which uncompressed ones "
				       "must have");
	} else if (head->length > sm_dicom_source_limit(dcm) - *at) {
		return SM_FAIL(err, SM_INPUT,
			       "is no whole DICOM file: PixelData of %u bytes, %llu are left",
			       head->length,
			       (unsigned long long)(sm_dicom_source_limit(dcm) - *at));
	}
	dcm->pixels = *e;
	/* Nobody needs what follows, but the file is hashed as a whole. */
	if (!dcm->encapsulated && !dcm->inflate &&
	    sm_dicom_source_limit(dcm) - *at - head->length > MOST_HEADER)
		return too_much(err);
	if (!dcm->whole)
		return SM_OK;
	dcm->most = SIZE_MAX;
	if (dcm->encapsulated) {
		size_t end;
		/* In one piece instead of fragment by fragment. */
		if (sm_dicom_source_fragments_end(dcm, *at, &end))
			span_have(s, *at, end - *at);
		SM_TRY(sm_dicom_fragments_read(dcm, s, at, err));
		dcm->pixels.n = *at - dcm->pixels.at;
		if (!dcm->inflate && sm_dicom_source_limit(dcm) - *at > MOST_HEADER)
			return too_much(err);
	} else {
		if (!span_have(s, *at, head->length))
			return cut(s, head->tag, e->at, err);
		*at += head->length;
		dcm->pixel_bytes = head->length;
	}
	dcm->most = *at + MOST_HEADER;
	return SM_OK;
}

/* Steps over one value; e->n is set. */
static enum sm_status take_value(struct sm_dicom *dcm, struct span *s, struct entry *e,
				 const struct element_head *head, size_t *at, struct sm_err *err)
{
	bool sequence = head->length == UNDEFINED;
	if (!sequence && !(head->tag >> 16 & 1))
		sequence =
			head->vr == VR_SQ || (head->vr == VR_UN && sm_dicom_may_be_items(s, *at) &&
					      sm_dicom_vr(head->tag) == VR_SQ);
	if (sequence) {
		size_t end = *at;
		enum walk got = sm_dicom_walk_sequence(
			s, at, head->length, head->implicit || head->vr == VR_UN,
			dcm->big_endian && head->vr != VR_UN,
			head->vr == VR_OB || head->vr == VR_OW, &end);
		if (got != WALK_OK)
			return s->st != SM_OK ? s->st : walk_failed(s, got, head->tag, e->at, err);
		e->n = end - e->at;
		return SM_OK;
	}
	e->n = head->length;
	if (head->length <= s->n - *at) {
		*at += head->length;
		return SM_OK;
	}
	if (dcm->fd >= 0 && !dcm->inflate && head->length > SKIP_BYTES &&
	    head->length <= sm_dicom_source_limit(dcm) - *at) {
		dcm->skipped += head->length;
		if (dcm->skipped > MOST_HEADER)
			return too_much(err);
		sm_dicom_source_skip(dcm, head->length - (dcm->n - *at));
		dcm->n = s->n = *at;
		e->skipped = true;
		return SM_OK;
	}
	if (head->length > sm_dicom_source_limit(dcm) - *at || !span_have(s, *at, head->length))
		return cut(s, head->tag, e->at, err);
	*at += head->length;
	return SM_OK;
}

static bool is_pixels(uint32_t tag)
{
	return tag == PIXELS || tag == FLOAT_PIXELS || tag == DOUBLE_PIXELS;
}

/* Some writers end a file with zeros. */
static bool only_zeros(struct span *s, size_t at)
{
	for (; span_have(s, at, 1); at++)
		if (s->bytes[at])
			return false;
	return s->st == SM_OK;
}

static enum sm_status index_elements(struct sm_dicom *dcm, struct span *s, size_t at,
				     struct sm_err *err)
{
	while (span_have(s, at, 8) || at < s->n) {
		struct element_head head;
		span_have(s, at, 12);
		if (s->st != SM_OK)
			return s->st;
		if (!sm_dicom_head_at(s->bytes + at, s->n - at, dcm->implicit, dcm->big_endian,
				      &head)) {
			if (dcm->pixels.tag && only_zeros(s, at))
				break;
			return cut(s, s->n - at >= 4 ? get_tag(s->bytes + at, dcm->big_endian) : 0,
				   at, err);
		}
		if (head.tag == 0 && dcm->pixels.tag && only_zeros(s, at))
			break;
		if (s->st != SM_OK)
			return s->st;
		struct entry e = {head.tag, head.vr, head.implicit, false, at + head.size, 0};
		if (head.tag >> 16 == 0xfffe && dcm->count && head.length == 0) {
			/* A delimiter too many, left over from a sequence of known length. */
			at += head.size;
			continue;
		}
		if (head.tag >> 16 == 0xfffe || head.tag == 0)
			return SM_FAIL(err, SM_INPUT,
				       "is no whole DICOM file: element (%04X,%04X) at byte %zu",
				       head.tag >> 16, head.tag & 0xffff, at);
		at += head.size;
		if (is_pixels(head.tag) && !dcm->pixels.tag) {
			SM_TRY(take_pixels(dcm, s, &e, &head, &at, err));
			if (!dcm->whole ||
			    (!dcm->inflate && sm_dicom_source_limit(dcm) - at > SKIP_BYTES))
				break;
			continue;
		}
		SM_TRY(take_value(dcm, s, &e, &head, &at, err));
		SM_TRY(add(dcm, &e, err));
	}
	if (s->st != SM_OK)
		return s->st;
	if (!dcm->count)
		return SM_FAIL(err, SM_INPUT, "is no whole DICOM file: it holds no elements");
	if (dcm->unsorted)
		qsort(dcm->entries, dcm->count, sizeof *dcm->entries, by_tag);
	return SM_OK;
}

enum sm_status sm_dicom_index_rest(struct sm_dicom *dcm, size_t at, struct sm_err *err)
{
	struct span s = {dcm->bytes, dcm->n, dcm, err, SM_OK};
	dcm->most = at + MOST_HEADER;
	return index_elements(dcm, &s, at, err);
}

static void copy_uid(const unsigned char *from, size_t n, char out[65])
{
	while (n && (from[n - 1] == 0 || from[n - 1] == ' '))
		n--;
	out[0] = '\0';
	if (n > 64)
		return;
	for (size_t i = 0; i < n; i++)
		out[i] = from[i] < 32 || from[i] >= 127 ? '?' : (char)from[i];
	out[n] = '\0';
}

/* Group 2: always explicit little endian. Its stated length decides where it ends when elements end
 * there; without one, or a wrong one, the first element of another group does. */
static enum sm_status read_meta(struct sm_dicom *dcm, struct span *s, size_t *at,
				struct sm_err *err)
{
	size_t stated = 0;
	while (*at != stated && span_have(s, *at, 8) && get16(s->bytes + *at, false) == 2) {
		struct element_head head;
		span_have(s, *at, 12);
		size_t from = *at;
		if (!sm_dicom_head_at(s->bytes + *at, s->n - *at, false, false, &head) ||
		    head.length > sm_dicom_source_limit(dcm) - *at)
			return cut(s, get_tag(s->bytes + from, false), from, err);
		if (head.length > MOST_META || *at > MOST_META + 132)
			return SM_FAIL(
				err, SM_INPUT,
				"has a meta header of more than %zu bytes, the most allowed, at "
				"element (%04X,%04X)",
				MOST_META, head.tag >> 16, head.tag & 0xffff);
		if (!span_have(s, *at + head.size, head.length))
			return cut(s, get_tag(s->bytes + from, false), from, err);
		const unsigned char *value = s->bytes + *at + head.size;
		*at += head.size + head.length;
		if (head.tag == SM_TAG(2, 0) && head.length == 4)
			stated = *at + get32(value, false);
		else if (head.tag == SM_TAG(2, 0x10))
			copy_uid(value, head.length, dcm->syntax);
	}
	return s->st;
}

/* Without a syntax the first element tells: known groups are small numbers, read the right way. */
static void guess(struct sm_dicom *dcm, const struct span *s, size_t at)
{
	const unsigned char *p = s->bytes + at;
	dcm->big_endian = get16(p, true) < get16(p, false);
	dcm->implicit = !sm_dicom_looks_explicit(p, dcm->big_endian);
}

/* How the data set at `at` is written. What the meta header says about VRs is checked: files that
 * say one and are the other do occur. */
static enum sm_status settle(struct sm_dicom *dcm, struct span *s, size_t at, bool headless,
			     struct sm_err *err)
{
	dcm->known = *dcm->syntax ? sm_syntax_find(dcm->syntax) : NULL;
	if (dcm->known && dcm->known->deflated) {
		SM_TRY(sm_dicom_source_inflate(dcm, at, false, err));
		*s = (struct span){dcm->bytes, dcm->n, dcm, err, SM_OK};
	}
	dcm->start = at;
	if (!span_have(s, at, 8))
		return s->st != SM_OK ? s->st
				      : SM_FAIL(err, SM_INPUT,
						at ? "is no whole DICOM file: it holds no "
						     "elements"
						   : "is empty");
	guess(dcm, s, at);
	unsigned group = get16(s->bytes + at, dcm->big_endian);
	if (headless && (group == 0 || group > 0x10 || (dcm->implicit && dcm->big_endian)))
		return SM_FAIL(err, SM_INPUT, "is no DICOM file");
	if (headless && dcm->implicit &&
	    get32(s->bytes + at + 4, false) > sm_dicom_source_limit(dcm))
		return SM_FAIL(err, SM_INPUT, "is no DICOM file");
	if (*dcm->syntax) {
		dcm->big_endian = dcm->known && dcm->known->big_endian;
	} else {
		const char *uid = dcm->implicit     ? "1.2.840.10008.1.2"
				  : dcm->big_endian ? "1.2.840.10008.1.2.2"
						    : "1.2.840.10008.1.2.1";
		memcpy(dcm->syntax, uid, strlen(uid) + 1);
		dcm->known = sm_syntax_find(uid);
	}
	return SM_OK;
}

static enum sm_status index_file(struct sm_dicom *dcm, struct sm_err *err)
{
	if (dcm->n >= 2 && dcm->bytes[0] == 0x1f && dcm->bytes[1] == 0x8b)
		SM_TRY(sm_dicom_source_inflate(dcm, 0, true, err));
	struct span s = {dcm->bytes, dcm->n, dcm, err, SM_OK};
	size_t at = 0;
	if (span_have(&s, 0, 132) && memcmp(s.bytes + 128, "DICM", 4) == 0)
		at = 132;
	else if (span_have(&s, 0, 4) && memcmp(s.bytes, "DICM", 4) == 0)
		at = 4;
	if (s.st != SM_OK)
		return s.st;
	if (!dcm->n)
		return SM_FAIL(err, SM_INPUT, "is empty");
	size_t meta = at;
	SM_TRY(read_meta(dcm, &s, &at, err));
	SM_TRY(settle(dcm, &s, at, meta == 0 && at == 0, err));
	return index_elements(dcm, &s, dcm->start, err);
}

static enum sm_status finish(struct sm_dicom *dcm, enum sm_dicom_part part, struct sm_dicom **out,
			     struct sm_err *err)
{
	dcm->whole = part == SM_DICOM_WHOLE;
	enum sm_status st = index_file(dcm, err);
	bool pieces =
		part == SM_DICOM_PIECES && dcm->inflate && dcm->pixels.tag && !dcm->encapsulated;
	if (st == SM_OK && pieces)
		st = sm_dicom_source_claim(dcm, (uint64_t)dcm->pixels.at + dcm->pixels.n, err);
	if (st != SM_OK) {
		sm_dicom_source_free(dcm);
		return st;
	}
	if (!pieces)
		sm_dicom_source_done(dcm);
	*out = dcm;
	return SM_OK;
}

enum sm_status sm_dicom_open(const char *path, enum sm_dicom_part part, struct sm_mem *mem,
			     struct sm_dicom **out, struct sm_err *err)
{
	struct sm_dicom *dcm;
	*out = NULL;
	SM_TRY(sm_dicom_source_file(path, part, mem, &dcm, err));
	return finish(dcm, part, out, err);
}

enum sm_status sm_dicom_parse(const unsigned char *bytes, size_t n, enum sm_dicom_part part,
			      struct sm_mem *mem, struct sm_dicom **out, struct sm_err *err)
{
	struct sm_dicom *dcm;
	*out = NULL;
	SM_TRY(sm_dicom_source_memory(bytes, n, mem, &dcm, err));
	return finish(dcm, part, out, err);
}

void sm_dicom_close(struct sm_dicom *dcm)
{
	if (dcm)
		sm_dicom_source_free(dcm);
}

struct sm_dataset sm_dicom_data(const struct sm_dicom *dcm)
{
	return (struct sm_dataset){dcm->bytes + dcm->start, dcm->n - dcm->start, dcm->implicit,
				   dcm->big_endian, dcm};
}

const unsigned char *sm_dicom_file_bytes(const struct sm_dicom *dcm, size_t *n)
{
	*n = dcm->n;
	return dcm->inflated || dcm->n != dcm->file_size ? NULL : dcm->bytes;
}

const char *sm_dicom_syntax(const struct sm_dicom *dcm)
{
	return dcm->syntax;
}

size_t sm_dicom_offset(const struct sm_dicom *dcm, const struct sm_element *element)
{
	size_t at = (size_t)(element->bytes - dcm->bytes), skipped = 0;
	for (size_t i = 0; i < dcm->count; i++)
		if (dcm->entries[i].skipped && dcm->entries[i].at < at)
			skipped += dcm->entries[i].n;
	return at + skipped;
}
