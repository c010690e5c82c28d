/* SPDX-License-Identifier: Apache-2.0
 *
 * Pixel data of a file: one run of bytes, or fragments and the frames they belong to.
 */
#include "ingest/dicom/dicom_bytes.h"

#define PASSED 16384 /* bytes that are passed over at a time */

/* Does a code stream of JPEG, JPEG-LS or JPEG 2000 (bare or in boxes) begin here? Inside of one,
 * FF is never followed by these bytes. */
static bool begins_stream(const unsigned char *p, size_t n)
{
	static const unsigned char jp2[8] = {0, 0, 0, 12, 'j', 'P', ' ', ' '};
	if (n >= 3 && p[0] == 0xff && p[1] == 0xd8 && p[2] == 0xff)
		return true;
	if (n >= 4 && p[0] == 0xff && p[1] == 0x4f && p[2] == 0xff && p[3] == 0x51)
		return true;
	return n >= 8 && memcmp(p, jp2, 8) == 0;
}

static enum sm_status add(struct sm_dicom *dcm, size_t *room, size_t at, size_t n,
			  struct sm_err *err)
{
	if (dcm->fragment_count == *room) {
		size_t more = *room ? 4 * *room : 16;
		struct fragment *f = sm_alloc(dcm->mem, more, sizeof *f, "fragments", err);
		if (!f)
			return SM_BUDGET;
		if (*room)
			memcpy(f, dcm->fragments, *room * sizeof *f);
		sm_free(dcm->fragments);
		dcm->fragments = f;
		*room = more;
	}
	size_t i = dcm->fragment_count++;
	dcm->fragments[i] = (struct fragment){at, n, 0};
	dcm->pixel_bytes += n;
	return SM_OK;
}

static enum sm_status ends_early(const struct span *s, size_t fragment, struct sm_err *err)
{
	if (s->st != SM_OK)
		return s->st;
	return SM_FAIL(err, SM_INPUT,
		       "is no whole DICOM file: it ends in fragment %zu of PixelData", fragment);
}

enum sm_status sm_dicom_fragments_read(struct sm_dicom *dcm, struct span *s, size_t *at,
				       struct sm_err *err)
{
	size_t room = 0, table_n = 0;
	for (size_t i = 0;; i++) {
		if (!span_have(s, *at, 8))
			return ends_early(s, i, err);
		uint32_t tag = get_tag(s->bytes + *at, dcm->big_endian);
		uint32_t n = get32(s->bytes + *at + 4, dcm->big_endian);
		*at += 8;
		if (tag == SEQUENCE_END)
			break;
		if (tag != ITEM || n == UNDEFINED)
			return SM_FAIL(err, SM_INPUT,
				       "has a fragment %zu of PixelData that begins with "
				       "(%04X,%04X), allowed is "
				       "an item of stated length",
				       i, tag >> 16, tag & 0xffff);
		if (!span_have(s, *at, n))
			return ends_early(s, i, err);
		if (i == 0)
			table_n = n / 4;
		else
			SM_TRY(add(dcm, &room, *at, n, err));
		*at += n;
	}
	dcm->offset_count = table_n;
	uint32_t starts = 0;
	for (size_t i = 0; i < dcm->fragment_count; i++) {
		struct fragment *f = &dcm->fragments[i];
		starts += begins_stream(s->bytes + f->at, f->n);
		f->starts = starts;
	}
	return SM_OK;
}

bool sm_dicom_pixels(const struct sm_dicom *dcm, struct sm_dicom_pixels *out)
{
	memset(out, 0, sizeof *out);
	if (!dcm->pixels.tag)
		return false;
	out->tag = dcm->pixels.tag;
	out->native = !dcm->encapsulated;
	out->words = dcm->pixels.vr == VR_OW || dcm->pixels.implicit;
	out->bytes = dcm->whole ? dcm->bytes + dcm->pixels.at : NULL;
	out->n = dcm->pixels.n;
	out->fragments = dcm->fragment_count;
	out->offset_count = dcm->offset_count;
	/* The bytes may have moved while the rest of the file was read. */
	out->offsets = dcm->offset_count ? dcm->bytes + dcm->pixels.at + 8 : NULL;
	return true;
}

uint64_t sm_dicom_pixel_bytes(const struct sm_dicom *dcm)
{
	return dcm->pixel_bytes;
}

bool sm_dicom_pixels_offset(const struct sm_dicom *dcm, uint64_t *offset)
{
	if (!dcm->pixels.tag || dcm->encapsulated || dcm->inflated)
		return false;
	*offset = dcm->pixels.at;
	for (size_t i = 0; i < dcm->count; i++)
		if (dcm->entries[i].skipped && dcm->entries[i].at < dcm->pixels.at)
			*offset += dcm->entries[i].n;
	return true;
}

bool sm_dicom_pixels_in_pieces(const struct sm_dicom *dcm)
{
	return dcm->inflate && dcm->pixels.tag && !dcm->encapsulated && !dcm->whole;
}

/* Up to n bytes of the pixels to `to`: first those that were read ahead with the header. */
static enum sm_status take_piece(struct sm_dicom *dcm, unsigned char *to, size_t n,
				 struct sm_err *err)
{
	uint64_t ahead = dcm->n - dcm->pixels.at;
	size_t here = dcm->taken < ahead ? (size_t)(ahead - dcm->taken) : 0, got = 0;
	here = here < n ? here : n;
	if (here)
		memcpy(to, dcm->bytes + dcm->pixels.at + dcm->taken, here);
	SM_TRY(sm_dicom_source_pass(dcm, to + here, n - here, &got, err));
	dcm->taken += n;
	if (here + got < n)
		return SM_FAIL(
			err, SM_INPUT,
			"is no whole DICOM file: it ends inside element (%04X,%04X) at byte %zu",
			dcm->pixels.tag >> 16, dcm->pixels.tag & 0xffff, dcm->pixels.at);
	return SM_OK;
}

/* Passes over n bytes and tells whether all are 0. */
static enum sm_status pass_over(struct sm_dicom *dcm, uint64_t n, bool *zeros, struct sm_err *err)
{
	unsigned char piece[PASSED];
	*zeros = true;
	while (n) {
		size_t some = n < sizeof piece ? (size_t)n : sizeof piece;
		SM_TRY(take_piece(dcm, piece, some, err));
		for (size_t i = 0; i < some && *zeros; i++)
			*zeros = !piece[i];
		n -= some;
	}
	return SM_OK;
}

enum sm_status sm_dicom_pixels_next(struct sm_dicom *dcm, void *out, size_t n, struct sm_err *err)
{
	bool zeros;
	if (!sm_dicom_pixels_in_pieces(dcm) || dcm->taken > dcm->pixels.n ||
	    n > dcm->pixels.n - dcm->taken)
		return SM_FAIL(err, SM_INPUT, "PixelData holds %zu bytes, more were asked for",
			       dcm->pixels.n);
	return out ? take_piece(dcm, out, n, err) : pass_over(dcm, n, &zeros, err);
}

enum sm_status sm_dicom_pixels_finish(struct sm_dicom *dcm, bool *zeros, struct sm_err *err)
{
	*zeros = true;
	if (!sm_dicom_pixels_in_pieces(dcm))
		return SM_OK;
	SM_TRY(pass_over(dcm, dcm->pixels.n - dcm->taken, zeros, err));
	/* What follows the pixels moves to where they would begin. */
	size_t at = dcm->pixels.at, ahead = dcm->n - at;
	size_t rest = ahead > dcm->pixels.n ? ahead - dcm->pixels.n : 0;
	if (rest)
		memmove(dcm->owned + at, dcm->owned + at + dcm->pixels.n, rest);
	dcm->n = at + rest;
	enum sm_status st = sm_dicom_index_rest(dcm, at, err);
	sm_dicom_source_done(dcm);
	return st;
}

/* The fragment whose item begins `offset` bytes behind the offset table. */
static bool fragment_at(const struct sm_dicom *dcm, uint64_t offset, size_t *out)
{
	size_t low = 0, high = dcm->fragment_count;
	uint64_t want = dcm->fragments[0].at + offset;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (dcm->fragments[middle].at < want)
			low = middle + 1;
		else
			high = middle;
	}
	*out = low;
	return low < dcm->fragment_count && dcm->fragments[low].at == want;
}

/* The first fragment in which more than `count` streams have begun. */
static size_t fragment_of_stream(const struct sm_dicom *dcm, size_t count)
{
	size_t low = 0, high = dcm->fragment_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (dcm->fragments[middle].starts <= count)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Entry `i` of the extended (64 bits, in the byte order of the data set) or the basic table. */
static uint64_t offset_of(const struct sm_dicom_pixels *p, const struct sm_element *extended,
			  size_t i)
{
	return extended->n ? get64(extended->bytes + 8 * i, extended->big_endian)
			   : get32(p->offsets + 4 * i, false);
}

/* Fragments first..last - 1 hold the frame. */
static enum sm_status by_table(const struct sm_dicom *dcm, const struct sm_dicom_pixels *p,
			       const struct sm_element *extended, size_t frame, size_t frames,
			       size_t *first, size_t *last, struct sm_err *err)
{
	size_t count = extended->n ? extended->n / 8 : p->offset_count;
	if (count != frames)
		return SM_FAIL(err, SM_INPUT,
			       "the offset table of PixelData has %zu entries for %zu frames",
			       count, frames);
	*last = p->fragments;
	if (!fragment_at(dcm, offset_of(p, extended, frame), first) ||
	    (frame + 1 < frames && !fragment_at(dcm, offset_of(p, extended, frame + 1), last)) ||
	    *last <= *first)
		return SM_FAIL(err, SM_INPUT,
			       "the offset table of PixelData gives no fragment for frame %zu",
			       frame + 1);
	return SM_OK;
}

/* Bytes of fragments first..last - 1. */
static size_t length_of(const struct sm_dicom *dcm, size_t first, size_t last)
{
	size_t total = 0;
	for (size_t i = first; i < last; i++)
		total += dcm->fragments[i].n;
	return total;
}

/* (7FE0,0002) against the fragments that the table (7FE0,0001) gives; a padding byte may be left
 * out. */
static enum sm_status lengths_match(const struct sm_dicom *dcm, const struct sm_dicom_pixels *p,
				    const struct sm_element *extended,
				    const struct sm_element *lengths, size_t frames,
				    struct sm_err *err)
{
	if (lengths->n != extended->n)
		return SM_FAIL(err, SM_INPUT,
			       "ExtendedOffsetTableLengths has %zu entries for %zu frames",
			       lengths->n / 8, frames);
	for (size_t i = 0; i < frames; i++) {
		size_t first, last;
		SM_TRY(by_table(dcm, p, extended, i, frames, &first, &last, err));
		size_t have = length_of(dcm, first, last);
		uint64_t told = get64(lengths->bytes + 8 * i, lengths->big_endian);
		if (told > have || have - told > 1)
			return SM_FAIL(
				err, SM_INPUT,
				"ExtendedOffsetTableLengths says that frame %zu has %llu bytes, "
				"its fragments have %zu",
				i + 1, (unsigned long long)told, have);
	}
	return SM_OK;
}

static enum sm_status tables_match(const struct sm_dicom *dcm, const struct sm_dicom_pixels *p,
				   size_t frames, struct sm_err *err)
{
	struct sm_dataset set = sm_dicom_data(dcm);
	struct sm_element extended, lengths, none = {0};
	sm_dataset_find(&set, SM_TAG(0x7fe0, 0x0001), &extended);
	sm_dataset_find(&set, SM_TAG(0x7fe0, 0x0002), &lengths);
	size_t count = extended.n ? extended.n / 8 : p->offset_count;
	if (!count)
		return SM_OK;
	if (count != frames)
		return SM_FAIL(err, SM_INPUT,
			       "the offset table of PixelData has %zu entries for %zu frames",
			       count, frames);
	for (size_t i = 0; extended.n && p->offset_count && i < count; i++)
		if (p->offset_count != count ||
		    offset_of(p, &extended, i) != offset_of(p, &none, i))
			return SM_FAIL(
				err, SM_INPUT,
				"the basic and the extended offset table of PixelData differ "
				"at frame %zu",
				i + 1);
	if (offset_of(p, &extended, 0))
		return SM_FAIL(err, SM_INPUT,
			       "the offset table of PixelData begins with %llu, allowed is 0",
			       (unsigned long long)offset_of(p, &extended, 0));
	return extended.n && lengths.n ? lengths_match(dcm, p, &extended, &lengths, frames, err)
				       : SM_OK;
}

enum sm_status sm_dicom_frames_match(const struct sm_dicom *dcm, size_t frames,
				     enum sm_syntax_way way, struct sm_err *err)
{
	struct sm_dicom_pixels p;
	if (!dcm->whole || !sm_dicom_pixels(dcm, &p) || p.native || !p.fragments)
		return SM_OK;
	/* PS3.5 A.4.2: a frame of RLE is one fragment. */
	size_t streams =
		way == SM_SYNTAX_RLE ? p.fragments : dcm->fragments[p.fragments - 1].starts;
	if (streams > frames)
		return SM_FAIL(err, SM_INPUT,
			       "PixelData holds %zu compressed pictures, NumberOfFrames tells %zu",
			       streams, frames);
	return tables_match(dcm, &p, frames, err);
}

static enum sm_status range(const struct sm_dicom *dcm, size_t frame, size_t frames, size_t *first,
			    size_t *last, struct sm_err *err)
{
	struct sm_dicom_pixels p;
	struct sm_element extended;
	struct sm_dataset set = sm_dicom_data(dcm);
	if (!dcm->whole || !sm_dicom_pixels(dcm, &p) || p.native || !p.fragments)
		return SM_FAIL(err, SM_INPUT, "holds no compressed pixel data");
	if (frame >= frames)
		return SM_FAIL(err, SM_INPUT, "has %zu frames, frame %zu was asked for", frames,
			       frame + 1);
	*first = 0;
	*last = p.fragments;
	if (frames == 1)
		return SM_OK;
	sm_dataset_find(&set, SM_TAG(0x7fe0, 0x0001), &extended);
	if (extended.n || p.offset_count)
		return by_table(dcm, &p, &extended, frame, frames, first, last, err);
	*first = frame;
	*last = frame + 1;
	if (p.fragments == frames)
		return SM_OK;
	if (dcm->fragments[0].starts != 1 || dcm->fragments[p.fragments - 1].starts != frames)
		return SM_FAIL(err, SM_INPUT,
			       "%zu fragments of PixelData cannot be told apart as %zu frames",
			       p.fragments, frames);
	*first = fragment_of_stream(dcm, frame);
	*last = fragment_of_stream(dcm, frame + 1);
	return SM_OK;
}

enum sm_status sm_dicom_frame_bytes(const struct sm_dicom *dcm, size_t frame, size_t frames,
				    struct sm_mem *mem, const unsigned char **bytes, size_t *n,
				    unsigned char **owned, struct sm_err *err)
{
	size_t first = 0, last = 0;
	*bytes = NULL;
	*owned = NULL;
	*n = 0;
	SM_TRY(range(dcm, frame, frames, &first, &last, err));
	size_t total = *n = length_of(dcm, first, last);
	*bytes = dcm->bytes + dcm->fragments[first].at;
	if (last - first == 1)
		return SM_OK;
	unsigned char *all = sm_alloc(mem, total ? total : 1, 1, "a compressed frame", err);
	if (!all)
		return SM_BUDGET;
	*bytes = *owned = all;
	for (size_t i = first; i < last; i++) {
		memcpy(all, dcm->bytes + dcm->fragments[i].at, dcm->fragments[i].n);
		all += dcm->fragments[i].n;
	}
	return SM_OK;
}

void sm_dicom_frame_let_go(const struct sm_dicom *dcm, size_t frame, size_t frames)
{
	struct sm_err why = {0};
	size_t first, last;
	if (!dcm->owned || range(dcm, frame, frames, &first, &last, &why) != SM_OK)
		return;
	for (size_t i = first; i < last; i++)
		sm_let_go(dcm->bytes + dcm->fragments[i].at, dcm->fragments[i].n);
}
