/* SPDX-License-Identifier: Apache-2.0
 *
 * Markers and tables (T.81 annexes B and C).
 */
#include "ingest/dicom/jpeg_in.h"

static int get16(const unsigned char *p)
{
	return p[0] << 8 | p[1];
}

bool sm_jpeg_restart(struct jpeg_bits *b, long interval)
{
	while (b->at + 1 < b->end && b->at[0] == 0xff && b->at[1] == 0xff)
		b->at++;
	/* All bits that are left are padding, of less than a byte. */
	bool there = !jpeg_overrun(b) && b->have - b->beyond < 8 && b->end - b->at >= 2 &&
		     b->at[0] == 0xff && b->at[1] == 0xd0 + interval % 8;
	if (there)
		*b = (struct jpeg_bits){.at = b->at + 2, .end = b->end};
	return there;
}

static bool huffman_build(struct huffman *t, const unsigned char counts[16],
			  const unsigned char *symbols, size_t total)
{
	int32_t code = 0;
	size_t at = 0;
	memset(t, 0, sizeof *t);
	memcpy(t->symbols, symbols, total);
	for (int n = 1; n <= 16; n++, code <<= 1) {
		t->least[n] = code;
		t->first[n] = (uint16_t)at;
		for (int i = 0; i < counts[n - 1]; i++, code++, at++) {
			if (code >= 1 << n)
				return false;
			if (n > FAST_BITS)
				continue;
			unsigned first = (unsigned)code << (FAST_BITS - n);
			for (unsigned k = 0; k < 1u << (FAST_BITS - n); k++)
				t->fast[first + k] = (uint16_t)(n << 8 | symbols[at]);
		}
		t->most[n] = code - 1;
	}
	t->there = true;
	return true;
}

static bool read_huffman(struct jpeg *j, const unsigned char *p, size_t n)
{
	while (n >= 17) {
		size_t total = 0;
		for (int i = 1; i <= 16; i++)
			total += p[i];
		if (total > 256 || total > n - 17 || p[0] >> 4 > 1 || (p[0] & 15) > 3)
			return false;
		struct huffman *t = p[0] >> 4 ? &j->ac[p[0] & 15] : &j->dc[p[0] & 15];
		if (!huffman_build(t, p + 1, p + 17, total))
			return false;
		p += 17 + total;
		n -= 17 + total;
	}
	return n == 0;
}

static bool read_quant(struct jpeg *j, const unsigned char *p, size_t n)
{
	while (n) {
		size_t width = p[0] >> 4 ? 2 : 1;
		int table = p[0] & 15;
		if (table > 3 || p[0] >> 4 > 1 || n < 1 + 64 * width)
			return false;
		for (size_t i = 0; i < 64; i++)
			j->quant[table][i] =
				(uint16_t)(width == 2 ? get16(p + 1 + 2 * i) : p[1 + i]);
		j->quant_there[table] = true;
		p += 1 + 64 * width;
		n -= 1 + 64 * width;
	}
	return true;
}

static enum sm_status read_frame(struct jpeg *j, const unsigned char *p, size_t n,
				 const struct sm_pixel_format *want, struct sm_err *err)
{
	if (n < 6 || j->count || n != 6 + 3 * (size_t)p[5])
		return SM_FAIL(err, SM_INPUT, "JPEG header cannot be read");
	j->precision = p[0];
	j->rows = get16(p + 1);
	j->columns = get16(p + 3);
	j->count = p[5];
	if (j->rows != want->rows || j->columns != want->columns || j->count != want->samples)
		return SM_FAIL(
			err, SM_INPUT,
			"JPEG data have %d columns, %d rows and %d components, the header tells "
			"%d, %d and %d",
			j->columns, j->rows, j->count, want->columns, want->rows, want->samples);
	bool fine = j->kind == 3 ? j->precision >= 2 && j->precision <= 16
				 : j->precision == 8 || (j->precision == 12 && j->kind == 1);
	if (!fine || j->precision > want->bits_allocated)
		return SM_FAIL(err, SM_INPUT, "JPEG data have %d bits, allowed are %s up to %d",
			       j->precision, j->kind == 3 ? "2" : "8 or 12",
			       want->bits_allocated < 16 ? want->bits_allocated : 16);
	for (int i = 0; i < j->count; i++) {
		struct component *c = &j->comp[i];
		const unsigned char *q = p + 6 + 3 * i;
		*c = (struct component){.id = q[0], .h = q[1] >> 4, .v = q[1] & 15, .table = q[2]};
		if (c->h < 1 || c->h > 4 || c->v < 1 || c->v > 4 || c->table > 3 ||
		    (j->kind == 3 && j->count > 1 && q[1] != 0x11))
			return SM_FAIL(err, SM_INPUT,
				       "JPEG component %d is of a kind that is not supported", i);
		/* A single component is never interleaved: its sampling means nothing. */
		if (j->count == 1)
			c->h = c->v = 1;
		j->h_most = c->h > j->h_most ? c->h : j->h_most;
		j->v_most = c->v > j->v_most ? c->v : j->v_most;
	}
	return SM_OK;
}

/* Planes of whole MCUs for all components; *block is theirs. */
static enum sm_status make_planes(struct jpeg *j, struct sm_mem *mem, uint16_t **block,
				  struct sm_err *err)
{
	size_t across = ((size_t)j->columns + 8 * (size_t)j->h_most - 1) / (8 * (size_t)j->h_most);
	size_t down = ((size_t)j->rows + 8 * (size_t)j->v_most - 1) / (8 * (size_t)j->v_most);
	size_t total = 0;
	for (int i = 0; i < j->count; i++) {
		struct component *c = &j->comp[i];
		c->blocks_across = (int)across * c->h;
		c->blocks_down = (int)down * c->v;
		total += 64 * (size_t)c->blocks_across * (size_t)c->blocks_down;
	}
	uint16_t *at = *block = sm_calloc(mem, total, sizeof *at, "planes of a JPEG", err);
	if (!at)
		return SM_BUDGET;
	for (int i = 0; i < j->count; i++) {
		struct component *c = &j->comp[i];
		c->plane = at;
		at += 64 * (size_t)c->blocks_across * (size_t)c->blocks_down;
	}
	return SM_OK;
}

/* Scan header: which components, which tables. Each component comes once. */
static bool read_scan(struct jpeg *j, const unsigned char *p, size_t n, unsigned *seen)
{
	int count = n ? p[0] : 0;
	if (count < 1 || count > j->count || n != 4 + 2 * (size_t)count)
		return false;
	j->scan_count = count;
	for (int i = 0; i < count; i++) {
		int c = 0;
		while (c < j->count && j->comp[c].id != p[1 + 2 * i])
			c++;
		if (c == j->count || *seen >> c & 1 || p[2 + 2 * i] >> 4 > 3 ||
		    (p[2 + 2 * i] & 15) > 3)
			return false;
		*seen |= 1u << c;
		j->scan[i] = &j->comp[c];
		j->scan[i]->dc = p[2 + 2 * i] >> 4;
		j->scan[i]->ac = p[2 + 2 * i] & 15;
	}
	j->ss = p[1 + 2 * count];
	j->se = p[2 + 2 * count];
	j->al = p[3 + 2 * count] & 15;
	return p[3 + 2 * count] >> 4 == 0;
}

static enum sm_status damaged(struct sm_err *err)
{
	return SM_FAIL(err, SM_INPUT, "JPEG data are damaged or end early");
}

/* Decodes one scan and leaves *at at the marker behind it. */
static enum sm_status decode_scan(struct jpeg *j, size_t *at, const struct sm_pixel_format *f,
				  struct sm_mem *mem, uint16_t **planes, void *out,
				  struct sm_err *err)
{
	j->bits = (struct jpeg_bits){.at = j->bytes + *at, .end = j->bytes + j->n};
	if (j->kind != 3 && !*planes)
		SM_TRY(make_planes(j, mem, planes, err));
	bool fine = j->kind == 3 ? sm_jpeg_lossless(j, f, out) : sm_jpeg_blocks(j);
	if (!fine)
		return damaged(err);
	*at = (size_t)(j->bits.at - j->bytes);
	while (*at + 1 < j->n && !(j->bytes[*at] == 0xff && j->bytes[*at + 1] >= 0xc0))
		++*at;
	return SM_OK;
}

/* A segment other than a scan. */
static enum sm_status read_segment(struct jpeg *j, unsigned marker, const unsigned char *p,
				   size_t n, const struct sm_pixel_format *f, struct sm_err *err)
{
	bool fine = true;
	switch (marker) {
	case 0xc0:
	case 0xc1:
	case 0xc3:
		j->kind = (int)(marker & 15);
		return read_frame(j, p, n, f, err);
	case 0xc4:
		fine = read_huffman(j, p, n);
		break;
	case 0xdb:
		fine = read_quant(j, p, n);
		break;
	case 0xdd:
		fine = n == 2;
		j->restart = fine ? get16(p) : 0;
		break;
	default:
		/* Application data and comments; other frames and arithmetic coding are not for us.
		 */
		fine = marker >= 0xe0 && marker != 0xff;
	}
	if (!fine)
		return SM_FAIL(err, SM_INPUT, "JPEG segment FF%02X is damaged or not supported",
			       marker);
	return SM_OK;
}

size_t sm_jpeg_end(const unsigned char *bytes, size_t n, size_t at)
{
	while (n - at >= 2 && bytes[at] == 0xff) {
		unsigned marker = bytes[at + 1];
		if (marker == 0xd9)
			return at + 2;
		bool text = (marker >= 0xe0 && marker <= 0xef) || marker == 0xfe;
		size_t length = text && n - at >= 4 ? (size_t)get16(bytes + at + 2) : 0;
		if (marker == 0xff)
			at++;
		else if (length >= 2 && length <= n - at - 2)
			at += 2 + length;
		else
			break;
	}
	return 0;
}

static enum sm_status decode(struct jpeg *j, const struct sm_pixel_format *f, struct sm_mem *mem,
			     uint16_t **planes, void *out, struct sm_stream *about,
			     struct sm_err *err)
{
	size_t at = 2;
	unsigned seen = 0;
	while (!j->count || seen != (1u << j->count) - 1) {
		if (j->n - at < 4 || j->bytes[at] != 0xff)
			return damaged(err);
		unsigned marker = j->bytes[at + 1];
		if (marker == 0xff) {
			at++;
			continue;
		}
		size_t length = (size_t)get16(j->bytes + at + 2);
		if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd9) || length < 2 ||
		    length > j->n - at - 2)
			return damaged(err);
		const unsigned char *p = j->bytes + at + 4;
		at += 2 + length;
		if (marker != 0xda) {
			SM_TRY(read_segment(j, marker, p, length - 2, f, err));
			continue;
		}
		if (!j->count || !read_scan(j, p, length - 2, &seen))
			return SM_FAIL(err, SM_INPUT, "JPEG scan header cannot be read");
		SM_TRY(decode_scan(j, &at, f, mem, planes, out, err));
	}
	if (*planes)
		sm_jpeg_planes(j, f, out);
	*about = (struct sm_stream){.precision = j->precision,
				    .lossy = j->kind != 3,
				    .used = sm_jpeg_end(j->bytes, j->n, at)};
	return SM_OK;
}

enum sm_status sm_jpeg_decode(const unsigned char *bytes, size_t n, const struct sm_pixel_format *f,
			      struct sm_mem *mem, void *out, struct sm_stream *about,
			      struct sm_err *err)
{
	uint16_t *planes = NULL;
	if (n < 4 || bytes[0] != 0xff || bytes[1] != 0xd8 || f->samples > 4 ||
	    (f->bits_allocated != 8 && f->bits_allocated != 16))
		return SM_FAIL(err, SM_INPUT, "JPEG header cannot be read");
	struct jpeg *j = sm_calloc(mem, 1, sizeof *j, "tables of a JPEG", err);
	if (!j)
		return SM_BUDGET;
	j->bytes = bytes;
	j->n = n;
	enum sm_status st = decode(j, f, mem, &planes, out, about, err);
	sm_free(planes);
	sm_free(j);
	return st;
}
