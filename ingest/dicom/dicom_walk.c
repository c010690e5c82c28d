/* SPDX-License-Identifier: Apache-2.0
 *
 * Element heads, and the way over sequences to their end.
 */
#include "ingest/dicom/dicom_bytes.h"

static bool capital(unsigned char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool long_form(uint16_t vr, const unsigned char *p)
{
	switch (vr) {
	case VR_OB:
	case VR_OD:
	case VR_OF:
	case VR_OL:
	case VR_OV:
	case VR_OW:
	case VR_SQ:
	case VR_SV:
	case VR_UC:
	case VR_UN:
	case VR_UR:
	case VR_UT:
	case VR_UV:
		return true;
	case VR_AE:
	case VR_AS:
	case VR_AT:
	case VR_CS:
	case VR_DA:
	case VR_DS:
	case VR_DT:
	case VR_FD:
	case VR_FL:
	case VR_IS:
	case VR_LO:
	case VR_LT:
	case VR_PN:
	case VR_SH:
	case VR_SL:
	case VR_SS:
	case VR_ST:
	case VR_TM:
	case VR_UI:
	case VR_UL:
	case VR_US:
		return false;
	default:
		/* PS3.5 6.2: VRs still to come have the long form, with two zero bytes. */
		return p[6] == 0 && p[7] == 0;
	}
}

bool sm_dicom_looks_explicit(const unsigned char *p, bool big)
{
	(void)big;
	return capital(p[4]) && capital(p[5]);
}

bool sm_dicom_head_at(const unsigned char *p, size_t left, bool implicit, bool big,
		      struct element_head *head)
{
	if (left < 8)
		return false;
	head->tag = get_tag(p, big);
	head->size = 8;
	head->implicit = implicit;
	if (head->tag >> 16 == 0xfffe) {
		head->vr = 0;
		head->length = get32(p + 4, big);
		return true;
	}
	if (implicit || !capital(p[4]) || !capital(p[5])) {
		head->implicit = true;
		head->vr = VR_UN;
		head->length = get32(p + 4, big);
		return true;
	}
	head->vr = VR(p[4], p[5]);
	if (!long_form(head->vr, p)) {
		head->length = get16(p + 6, big);
		return true;
	}
	if (left < 12)
		return false;
	head->size = 12;
	head->length = get32(p + 8, big);
	return true;
}

bool sm_span_have_more(struct span *s, size_t at, size_t count)
{
	if (!s->more || s->st != SM_OK || count > SIZE_MAX - at)
		return false;
	s->st = sm_dicom_source_fill(s->more, at + count, s->err);
	s->bytes = s->more->bytes;
	s->n = s->more->n;
	return s->st == SM_OK && count <= s->n - at;
}

/* One open sequence or item. */
struct level {
	size_t end; /* SIZE_MAX: undefined length */
	bool item, implicit, big, raw;
	uint32_t elements; /* so far, of an item */
};

struct walker {
	struct span *s;
	size_t at;
	int depth;
	struct level level[2 * MOST_DEPTH + 2];
};

static enum walk enter(struct walker *w, uint32_t length, struct level level)
{
	size_t outer = w->depth ? w->level[w->depth - 1].end : SIZE_MAX;
	if (w->depth == 2 * MOST_DEPTH + 2 || (!level.item && w->depth >= 2 * MOST_DEPTH))
		return WALK_DEEP;
	level.end = SIZE_MAX;
	if (length != UNDEFINED) {
		uint64_t limit = w->s->more ? sm_dicom_source_limit(w->s->more) : w->s->n;
		if (length > outer - w->at)
			return WALK_BAD;
		/* Its bytes are asked for as the walk comes to them: they may be no items at all.
		 */
		if (length > limit - w->at)
			return WALK_CUT;
		level.end = w->at + length;
	}
	/* GE and Philips: items without VRs in explicit files. */
	if (level.item && !level.raw && !level.implicit && span_have(w->s, w->at, 8) &&
	    get16(w->s->bytes + w->at, level.big) != 0xfffe &&
	    !sm_dicom_looks_explicit(w->s->bytes + w->at, level.big))
		level.implicit = true;
	w->level[w->depth++] = level;
	return WALK_OK;
}

/* The next thing inside a sequence: an item, or its end. */
static enum walk step_sequence(struct walker *w, struct level *l)
{
	if (!span_have(w->s, w->at, 8))
		return WALK_CUT;
	const unsigned char *p = w->s->bytes + w->at;
	uint32_t tag = get_tag(p, l->big), length = get32(p + 4, l->big);
	w->at += 8;
	if (tag == SEQUENCE_END && l->end == SIZE_MAX) {
		w->depth--;
		return WALK_OK;
	}
	if (tag != ITEM || (l->raw && length == UNDEFINED))
		return WALK_BAD;
	return enter(w, length,
		     (struct level){
			     .item = true, .implicit = l->implicit, .big = l->big, .raw = l->raw});
}

/* The next thing inside an item: an element, or its end. */
static enum walk step_item(struct walker *w, struct level *l)
{
	struct element_head head;
	if (l->raw) {
		if (!span_have(w->s, w->at, l->end - w->at))
			return WALK_CUT;
		w->at = l->end;
		return WALK_OK;
	}
	if (++l->elements > MOST_ELEMENTS)
		return WALK_MANY;
	if (!span_have(w->s, w->at, 8))
		return WALK_CUT;
	span_have(w->s, w->at, 12);
	if (!sm_dicom_head_at(w->s->bytes + w->at, w->s->n - w->at, l->implicit, l->big, &head))
		return WALK_CUT;
	size_t room = l->end - w->at;
	if (head.size > room)
		return WALK_BAD;
	w->at += head.size;
	if (head.tag == ITEM_END && l->end == SIZE_MAX) {
		w->depth--;
		return WALK_OK;
	}
	if (head.tag >> 16 == 0xfffe)
		return WALK_BAD;
	/* Private sequences of known length are stepped over: many of them are not what they say.
	 */
	bool sequence =
		head.length == UNDEFINED ||
		((head.vr == VR_SQ || (head.vr == VR_UN && sm_dicom_may_be_items(w->s, w->at) &&
				       sm_dicom_vr(head.tag) == VR_SQ)) &&
		 !(head.tag >> 16 & 1));
	if (sequence)
		return enter(w, head.length,
			     (struct level){.implicit = head.implicit || head.vr == VR_UN,
					    .big = l->big && head.vr != VR_UN,
					    .raw = head.vr == VR_OB || head.vr == VR_OW ||
						   head.tag == PIXELS});
	if (head.length > room - head.size)
		return WALK_BAD;
	if (!span_have(w->s, w->at, head.length))
		return WALK_CUT;
	w->at += head.length;
	return WALK_OK;
}

static enum walk run(struct walker *w, size_t *at, bool delimited, size_t *end)
{
	while (w->depth) {
		struct level *l = &w->level[w->depth - 1];
		if (w->at == l->end) {
			w->depth--;
			continue;
		}
		enum walk got = l->item ? step_item(w, l) : step_sequence(w, l);
		if (got != WALK_OK)
			return got;
	}
	*at = w->at;
	if (end)
		*end = delimited ? w->at - 8 : w->at;
	return WALK_OK;
}

enum walk sm_dicom_walk_sequence(struct span *s, size_t *at, uint32_t length, bool implicit,
				 bool big, bool raw, size_t *end)
{
	struct walker w;
	w.s = s;
	w.at = *at;
	w.depth = 0;
	enum walk got =
		enter(&w, length, (struct level){.implicit = implicit, .big = big, .raw = raw});
	return got == WALK_OK ? run(&w, at, length == UNDEFINED, end) : got;
}

enum walk sm_dicom_walk_item(struct span *s, size_t *at, bool implicit, bool big, size_t *end)
{
	struct walker w;
	w.s = s;
	w.at = *at;
	w.depth = 0;
	enum walk got = enter(&w, UNDEFINED,
			      (struct level){.item = true, .implicit = implicit, .big = big});
	return got == WALK_OK ? run(&w, at, true, end) : got;
}
