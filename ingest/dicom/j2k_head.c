/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of fields as in ITU-T T.800 annex A.
 */
#include "ingest/dicom/j2k_head.h"

#include <string.h>

#define SOC 0xff4f
#define CAP 0xff50
#define SIZ 0xff51
#define COD 0xff52
#define COC 0xff53
#define SOT 0xff90
#define SOD 0xff93
#define EOC 0xffd9

#define MOST_TILES 65535
#define TILE_BYTES 14 /* SOT and SOD */
#define RESOLUTIONS 33

/* How coding is done; of several such segments the costliest of each kind counts. */
struct coding {
	unsigned layers, levels, least; /* levels: the most, and the fewest */
	unsigned block;                 /* exponent of the smallest code block's area */
	unsigned char px[RESOLUTIONS];  /* exponents of the smallest precincts */
	unsigned char py[RESOLUTIONS];
	bool there, lossy, ht;
};

struct markers {
	const unsigned char *b;
	size_t n, at;
	uint32_t x0, y0, x1, y1, tx, ty, tx0, ty0;
	struct coding coding;
	struct sm_j2k_head *out;
};

static unsigned be16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t be32(const unsigned char *p)
{
	return (uint32_t)be16(p) << 16 | be16(p + 2);
}

static uint64_t over(uint64_t a, uint64_t b)
{
	return (a + b - 1) / b;
}

/* Where the code stream begins: at once, or in box jp2c. SIZE_MAX: nowhere. */
static size_t stream_at(const unsigned char *b, size_t n)
{
	if (n < 8 || memcmp(b + 4, "jP  ", 4) != 0)
		return 0;
	for (size_t at = 0; n - at >= 8;) {
		uint64_t size = be32(b + at), head = 8;
		if (size == 1 && n - at >= 16) {
			size = (uint64_t)be32(b + at + 8) << 32 | be32(b + at + 12);
			head = 16;
		}
		if (memcmp(b + at + 4, "jp2c", 4) == 0)
			return at + (size_t)head;
		if (size < head || size > n - at)
			break;
		at += (size_t)size;
	}
	return SIZE_MAX;
}

static bool read_size(struct markers *m, const unsigned char *p, size_t n)
{
	struct sm_j2k_head *h = m->out;
	unsigned count = n >= 36 ? be16(p + 34) : 0;
	if (!count || n != 36 + 3 * (size_t)count)
		return false;
	m->x1 = be32(p + 2);
	m->y1 = be32(p + 6);
	m->x0 = be32(p + 10);
	m->y0 = be32(p + 14);
	m->tx = be32(p + 18);
	m->ty = be32(p + 22);
	m->tx0 = be32(p + 26);
	m->ty0 = be32(p + 30);
	if (m->x0 >= m->x1 || m->y0 >= m->y1 || !m->tx || !m->ty || m->tx0 > m->x0 ||
	    m->ty0 > m->y0 || (uint64_t)m->tx0 + m->tx <= m->x0 ||
	    (uint64_t)m->ty0 + m->ty <= m->y0)
		return false;
	h->columns = m->x1 - m->x0;
	h->rows = m->y1 - m->y0;
	h->components = (int)count;
	h->precision = (p[36] & 0x7f) + 1;
	h->is_signed = p[36] >> 7;
	h->tiles = over(m->x1 - m->tx0, m->tx) * over(m->y1 - m->ty0, m->ty);
	/* Components of other sizes or kinds than the first are nothing that DICOM has. */
	for (unsigned c = 0; c < count; c++)
		if (p[36 + 3 * c] != p[36] || p[37 + 3 * c] != 1 || p[38 + 3 * c] != 1)
			return false;
	return true;
}

/* SPcod, SPcoc: levels, code block, style, transform, precincts. */
static bool read_style(struct markers *m, const unsigned char *p, size_t n, bool precincts)
{
	struct coding *c = &m->coding;
	unsigned levels = n >= 5 ? p[0] : RESOLUTIONS;
	if (levels >= RESOLUTIONS || (precincts && n < 6 + levels) || p[1] > 8 || p[2] > 8)
		return false;
	unsigned block = p[1] + p[2] + 4u;
	for (unsigned r = 0; r <= levels; r++) {
		unsigned char px = precincts ? p[5 + r] & 15 : 15,
			      py = precincts ? p[5 + r] >> 4 : 15;
		/* The segments before may have had fewer levels. */
		bool seen = c->there && r <= c->levels;
		c->px[r] = seen && c->px[r] < px ? c->px[r] : px;
		c->py[r] = seen && c->py[r] < py ? c->py[r] : py;
	}
	c->least = c->there && c->least < levels ? c->least : levels;
	c->levels = c->there && c->levels > levels ? c->levels : levels;
	c->block = c->there && c->block < block ? c->block : block;
	c->ht = c->ht || (p[3] & 0x40);
	c->lossy = c->lossy || p[4] != 1;
	c->there = true;
	return true;
}

static bool read_segment(struct markers *m, unsigned marker, const unsigned char *p, size_t n)
{
	struct coding *c = &m->coding;
	size_t wide = m->out->components > 256 ? 2 : 1;
	if (marker == SIZ)
		return !m->out->components && read_size(m, p, n);
	if (marker == COD) {
		if (n < 10)
			return false;
		c->layers = be16(p + 2) > c->layers ? be16(p + 2) : c->layers;
		return read_style(m, p + 5, n - 5, p[0] & 1);
	}
	if (marker == COC)
		return n > wide && read_style(m, p + wide + 1, n - wide - 1, p[wide] & 1);
	return true;
}

/* Segments from m->at on up to marker `stop`. */
static bool read_segments(struct markers *m, unsigned stop)
{
	for (;;) {
		if (m->n - m->at < 4)
			return false;
		unsigned marker = be16(m->b + m->at);
		if (marker == stop)
			return true;
		size_t n = be16(m->b + m->at + 2);
		if (marker < 0xff00 || n < 2 || n > m->n - m->at - 2 ||
		    !read_segment(m, marker, m->b + m->at + 4, n - 2))
			return false;
		m->at += 2 + n;
	}
}

/* Tile parts: their headers can change how coding is done. What is wrong with their lengths the
 * decoder says. */
static bool read_tile_parts(struct markers *m)
{
	while (m->n - m->at >= 12 && be16(m->b + m->at) == SOT) {
		size_t from = m->at, length = be32(m->b + m->at + 6);
		m->at += 12;
		if (!read_segments(m, SOD))
			return false;
		if (length == 0) { /* up to the end of all; no packet holds a marker */
			const unsigned char *end =
				memmem(m->b + m->at, m->n - m->at, "\xff\xd9", 2);
			m->out->used = end ? (size_t)(end - m->b) + 2 : 0;
			return true;
		}
		if (length < m->at + 2 - from || length > m->n - from)
			return false;
		m->at = from + length;
	}
	m->out->used = m->n - m->at >= 2 && be16(m->b + m->at) == EOC ? m->at + 2 : 0;
	return true;
}

/* Precincts and code blocks of one component of all tiles, at most: every tile adds one on each
 * side of a resolution that a boundary may cut. */
static void count_parts(const struct markers *m, uint64_t *precincts, uint64_t *blocks)
{
	const struct coding *c = &m->coding;
	uint64_t w = m->tx < m->out->columns ? m->tx : m->out->columns;
	uint64_t h = m->ty < m->out->rows ? m->ty : m->out->rows;
	*precincts = *blocks = 0;
	for (unsigned r = 0; r <= c->levels; r++) {
		/* Where the fewest levels are, a resolution is nearest to the full size. */
		unsigned down = r < c->least ? c->least - r : 0;
		uint64_t rw = over(w, (uint64_t)1 << down), rh = over(h, (uint64_t)1 << down);
		*precincts += (over(rw, (uint64_t)1 << c->px[r]) + (c->px[r] < 15)) *
			      (over(rh, (uint64_t)1 << c->py[r]) + (c->py[r] < 15));
		/* A precinct smaller than a code block cuts it. */
		unsigned cut = c->px[r] + c->py[r];
		unsigned area = cut < c->block ? cut : c->block;
		*blocks += (rw * rh >> area) + rw + rh + 1;
	}
	*precincts *= m->out->tiles;
	*blocks *= m->out->tiles;
}

/* Structures of OpenJPEG 2.5: a tile 6 kB and 1.2 kB a component, a precinct and a code block some
 * hundred bytes each; samples of 4 bytes in the picture and again in the tile at work. */
static size_t memory_of(const struct sm_j2k_head *h, uint64_t precincts)
{
	uint64_t pixels = (uint64_t)h->columns * h->rows * (uint64_t)h->components;
	return (size_t)(8 * pixels + h->tiles * (6144 + 1280 * (uint64_t)h->components) +
			512 * precincts + 256 * h->blocks + 2 * h->packets + ((uint64_t)1 << 20));
}

static enum sm_status judge(struct markers *m, struct sm_err *err)
{
	struct sm_j2k_head *h = m->out;
	uint64_t precincts;
	count_parts(m, &precincts, &h->blocks);
	uint64_t count = (uint64_t)h->components;
	precincts *= count;
	h->blocks *= count;
	h->packets = precincts * (m->coding.layers ? m->coding.layers : 1);
	h->lossy = m->coding.lossy;
	h->ht = m->coding.ht;
	/* The bounds on packets count up to four times what there is. */
	if (h->packets / 4 > m->n + 64)
		return SM_FAIL(
			err, SM_INPUT,
			"JPEG 2000 data of %zu bytes claim %llu packets, of a byte each at least",
			m->n, (unsigned long long)h->packets);
	h->memory = memory_of(h, precincts);
	return SM_OK;
}

enum sm_status sm_j2k_head_read(const unsigned char *bytes, size_t n, struct sm_j2k_head *out,
				struct sm_err *err)
{
	struct markers m = {.b = bytes, .n = n, .at = stream_at(bytes, n), .out = out};
	*out = (struct sm_j2k_head){0};
	if (m.at >= n || n - m.at < 4 || be16(bytes + m.at) != SOC)
		return SM_FAIL(err, SM_INPUT, "JPEG 2000 header cannot be read");
	m.at += 2;
	if (!read_segments(&m, SOT) || !out->components || !m.coding.there)
		return SM_FAIL(err, SM_INPUT, "JPEG 2000 header cannot be read");
	if (out->columns > 65535 || out->rows > 65535)
		return SM_FAIL(err, SM_INPUT,
			       "JPEG 2000 data have %u columns and %u rows, allowed are 1..65535",
			       out->columns, out->rows);
	if (out->components > SM_J2K_COMPONENTS)
		return SM_FAIL(err, SM_INPUT,
			       "JPEG 2000 data have %d components, allowed are 1..%d",
			       out->components, SM_J2K_COMPONENTS);
	if (out->tiles > MOST_TILES || out->tiles * TILE_BYTES > n)
		return SM_FAIL(
			err, SM_INPUT,
			"JPEG 2000 data of %zu bytes claim %llu tiles, of %d bytes each at least",
			n, (unsigned long long)out->tiles, TILE_BYTES);
	if (!read_tile_parts(&m))
		return SM_FAIL(err, SM_INPUT, "JPEG 2000 data are damaged or end early");
	return judge(&m, err);
}
