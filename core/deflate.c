/* SPDX-License-Identifier: Apache-2.0
 *
 * Only lengths matter here, not bytes: one look into the table of literals and lengths passes over
 * as many literals as fit into its index. So a walk costs a few percent of the compression before
 * it, where zlib's inflate with Z_BLOCK, which tells the same, would cost a
 * third. */
#include "core/deflate.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define MAX_BITS 15
#define LIT_BITS 12
#define DIST_BITS 8
#define LITS 288
#define DISTS 32
#define END_OF_BLOCK 256

/* Bits taken from the stream and not yet used, lowest first. */
struct bits {
	const unsigned char *next, *end, *start;
	uint64_t word;
	unsigned left; /* valid bits of word; what stands above them is valid too or zero */
	size_t over;   /* bytes behind the end, taken as zeros */
};

/* A canonical code: symbols in the order of their codes. */
struct code {
	uint16_t count[MAX_BITS + 1], symbol[LITS];
};

/* Entries of the table of literals and lengths: bits of codes, number of literals before what
 * follows, what follows, and for a match its extra bits and base length. */
enum kind { LITERALS = 0, MATCH = 1, END, SLOW };
#define ENTRY(bits, literals, kind, extra, base) \
	((uint32_t)(bits) | (uint32_t)(literals) << 4 | (uint32_t)(kind) << 8 | \
	 (uint32_t)(extra) << 10 | (uint32_t)(base) << 13)
#define E_BITS(e) ((e) & 15)
#define E_LITERALS(e) ((e) >> 4 & 15)
#define E_KIND(e) ((e) >> 8 & 3)
#define E_EXTRA(e) ((e) >> 10 & 7)
#define E_BASE(e) ((e) >> 13)

struct tables {
	struct code lit, dist;
	uint32_t lits[1 << LIT_BITS];
	uint8_t dists[1 << DIST_BITS]; /* bits of code and extra bits; 0 = a longer code or none */
};

static const uint8_t length_extra[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
					 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
static const uint16_t length_base[29] = {3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
					 15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
					 67, 83, 99, 115, 131, 163, 195, 227, 258};

static unsigned dist_extra(unsigned symbol)
{
	return symbol < 4 ? 0 : symbol / 2 - 1;
}

/* At least 56 bits. False once far more was used than there is. */
static inline bool refill(struct bits *b)
{
	if (b->end - b->next >= 8) {
		uint64_t v;
		memcpy(&v, b->next, 8);
		b->word |= le64toh(v) << b->left;
		b->next += (63 - b->left) >> 3;
		b->left |= 56;
		return true;
	}
	for (; b->left < 56; b->left += 8) {
		if (b->next < b->end)
			b->word |= (uint64_t)*b->next++ << b->left;
		else
			b->over++;
	}
	return b->over <= 16;
}

static inline void skip(struct bits *b, unsigned n)
{
	b->word >>= n;
	b->left -= n;
}

/* n is at most 32; refill comes before. */
static inline unsigned take(struct bits *b, unsigned n)
{
	unsigned v = (unsigned)(b->word & ((1ull << n) - 1));
	skip(b, n);
	return v;
}

static size_t place(const struct bits *b)
{
	return ((size_t)(b->next - b->start) + b->over) * 8 - b->left;
}

static bool past_end(const struct bits *b)
{
	return place(b) > (size_t)(b->end - b->start) * 8;
}

/* False when the lengths make no prefix code. An incomplete one is good only as zlib has it: no
 * code at all or a single one of one bit. */
static bool code_init(struct code *c, const uint8_t *length, unsigned n, bool may_lack)
{
	uint16_t at[MAX_BITS + 1] = {0};
	int room = 1, longest = 0;
	memset(c->count, 0, sizeof c->count);
	for (unsigned s = 0; s < n; s++)
		c->count[length[s]]++;
	for (int k = 1; k <= MAX_BITS; k++) {
		room = room * 2 - c->count[k];
		if (room < 0)
			return false;
		if (c->count[k])
			longest = k;
		if (k < MAX_BITS)
			at[k + 1] = (uint16_t)(at[k] + c->count[k]);
	}
	for (unsigned s = 0; s < n; s++)
		if (length[s])
			c->symbol[at[length[s]]++] = (uint16_t)s;
	return room == 0 || (may_lack && longest <= 1);
}

/* One symbol, bit by bit; -1 for a code that is none. */
static int slow_symbol(const struct code *c, struct bits *b)
{
	int code = 0, first = 0, index = 0;
	for (unsigned k = 1; k <= MAX_BITS; k++) {
		code |= (int)(b->word >> (k - 1) & 1);
		int count = c->count[k];
		if (code - count < first) {
			skip(b, k);
			return c->symbol[index + code - first];
		}
		index += count;
		first = (first + count) << 1;
		code <<= 1;
	}
	return -1;
}

/* table[i] = symbol << 4 | length of the code that the low bits of i start with; 0 = none of at
 * most `bits`. */
static void spread(const struct code *c, unsigned bits, uint16_t *table)
{
	unsigned code = 0, index = 0;
	memset(table, 0, sizeof *table << bits);
	for (unsigned k = 1; k <= bits; k++, code <<= 1)
		for (unsigned j = 0; j < c->count[k]; j++, code++, index++) {
			unsigned low =
				0; /* codes stand in the stream with their first bit lowest */
			for (unsigned i = 0; i < k; i++)
				low |= (code >> i & 1) << (k - 1 - i);
			for (unsigned i = low; i < 1u << bits; i += 1u << k)
				table[i] = (uint16_t)(c->symbol[index] << 4 | k);
		}
}

static uint32_t entry_of(const uint16_t *single, unsigned window)
{
	unsigned used = 0, literals = 0;
	for (;;) {
		unsigned one = single[window >> used], bits = one & 15, symbol = one >> 4;
		if (!bits || used + bits > LIT_BITS)
			return literals ? ENTRY(used, literals, LITERALS, 0, 0)
					: ENTRY(0, 0, SLOW, 0, 0);
		if (symbol > END_OF_BLOCK) {
			if (symbol > 285)
				return literals ? ENTRY(used, literals, LITERALS, 0, 0)
						: ENTRY(0, 0, SLOW, 0, 0);
			return ENTRY(used + bits, literals, MATCH, length_extra[symbol - 257],
				     length_base[symbol - 257]);
		}
		used += bits;
		if (symbol == END_OF_BLOCK)
			return ENTRY(used, literals, END, 0, 0);
		literals++;
	}
}

static bool tables_init(struct tables *t, const uint8_t *length, unsigned lits, unsigned dists)
{
	uint16_t single[1 << LIT_BITS];
	if (!length[END_OF_BLOCK] || !code_init(&t->lit, length, lits, true) ||
	    !code_init(&t->dist, length + lits, dists, true))
		return false;
	spread(&t->lit, LIT_BITS, single);
	for (unsigned i = 0; i < 1u << LIT_BITS; i++)
		t->lits[i] = entry_of(single, i);
	spread(&t->dist, DIST_BITS, single);
	for (unsigned i = 0; i < 1u << DIST_BITS; i++) {
		unsigned symbol = single[i] >> 4;
		t->dists[i] = single[i] && symbol < 30
				      ? (uint8_t)((single[i] & 15) + dist_extra(symbol))
				      : 0;
	}
	return true;
}

/* The distance of a match whose code the table does not hold. */
static bool pass_slow_distance(const struct tables *t, struct bits *b)
{
	int symbol = slow_symbol(&t->dist, b);
	if (symbol < 0 || symbol >= 30)
		return false;
	skip(b, dist_extra((unsigned)symbol));
	return true;
}

/* One symbol whose code the table does not hold, and its distance. */
static bool pass_slow(const struct tables *t, struct bits *b, size_t *size, bool *ended)
{
	int symbol = slow_symbol(&t->lit, b);
	if (symbol < 0 || symbol > 285)
		return false;
	*ended = symbol == END_OF_BLOCK;
	if (symbol < END_OF_BLOCK)
		++*size;
	if (symbol <= END_OF_BLOCK)
		return true;
	*size += length_base[symbol - 257] + take(b, length_extra[symbol - 257]);
	return refill(b) && pass_slow_distance(t, b);
}

/* One entry of the table and what belongs to it. */
static bool pass_one(const struct tables *t, struct bits *b, size_t *size, bool *ended)
{
	if (!refill(b))
		return false;
	uint32_t e = t->lits[b->word & ((1u << LIT_BITS) - 1)];
	*size += E_LITERALS(e);
	skip(b, E_BITS(e));
	*ended = E_KIND(e) == END;
	if (E_KIND(e) == SLOW)
		return pass_slow(t, b, size, ended);
	if (E_KIND(e) != MATCH)
		return true;
	*size += E_BASE(e) + take(b, E_EXTRA(e));
	refill(b);
	unsigned d = t->dists[b->word & ((1u << DIST_BITS) - 1)];
	skip(b, d);
	return d || pass_slow_distance(t, b);
}

/* The inner loop takes literals and matches the same way, a distance of no bits behind literals:
 * which of them comes next cannot be foretold, and a wrongly foretold branch costs more than the
 * idle look. It works on copies whose address nobody takes: they stay in registers. */
static bool pass_codes(const struct tables *t, struct bits *b, size_t *size)
{
	const uint64_t mask = (1u << LIT_BITS) - 1, dist_mask = (1u << DIST_BITS) - 1;
	bool ended = false;
	while (!ended) {
		struct bits s = *b;
		size_t made = 0;
		while (s.end - s.next >= 8) {
			refill(&s);
			uint32_t e = t->lits[s.word & mask];
			unsigned bits = E_BITS(e), extra = E_EXTRA(e), kind = E_KIND(e);
			uint64_t w = s.word >> bits;
			unsigned length = (unsigned)w & ((1u << extra) - 1);
			w >>= extra;
			unsigned d = t->dists[w & dist_mask];
			if (kind > MATCH || (kind & (unsigned)!d))
				break;
			d &= -kind;
			made += E_LITERALS(e) + E_BASE(e) + length;
			s.word = w >> d;
			s.left -= bits + extra + d;
		}
		*b = s;
		*size += made;
		if (!pass_one(t, b, size, &ended))
			return false;
	}
	return !past_end(b);
}

static bool read_lengths(struct bits *b, const struct code *pre, uint8_t *length, unsigned n)
{
	for (unsigned i = 0; i < n;) {
		if (!refill(b))
			return false;
		int symbol = slow_symbol(pre, b);
		unsigned repeat = 1, value = 0;
		if (symbol < 0 || (symbol == 16 && !i))
			return false;
		if (symbol < 16) {
			value = (unsigned)symbol;
		} else if (symbol == 16) {
			value = length[i - 1];
			repeat = 3 + take(b, 2);
		} else {
			repeat = symbol == 17 ? 3 + take(b, 3) : 11 + take(b, 7);
		}
		if (repeat > n - i)
			return false;
		memset(length + i, (int)value, repeat);
		i += repeat;
	}
	return true;
}

static bool pass_dynamic(struct tables *t, struct bits *b, size_t *size)
{
	static const uint8_t order[19] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
					  11, 4,  12, 3, 13, 2, 14, 1, 15};
	uint8_t length[LITS + DISTS] = {0}, pre_length[19] = {0};
	struct code pre;
	unsigned lits = 257 + take(b, 5), dists = 1 + take(b, 5), n = 4 + take(b, 4);
	if (lits > 286 || dists > 30)
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (!refill(b))
			return false;
		pre_length[order[i]] = (uint8_t)take(b, 3);
	}
	return code_init(&pre, pre_length, 19, false) &&
	       read_lengths(b, &pre, length, lits + dists) && tables_init(t, length, lits, dists) &&
	       pass_codes(t, b, size);
}

static bool pass_fixed(struct tables *t, struct bits *b, size_t *size)
{
	uint8_t length[LITS + DISTS];
	memset(length, 8, 144);
	memset(length + 144, 9, 112);
	memset(length + 256, 7, 24);
	memset(length + 280, 8, 8);
	memset(length + LITS, 5, DISTS);
	return tables_init(t, length, LITS, DISTS) && pass_codes(t, b, size);
}

static bool pass_stored(struct bits *b, size_t *size)
{
	skip(b, b->left & 7);
	if (!refill(b))
		return false;
	unsigned n = take(b, 16), inverse = take(b, 16);
	size_t at = place(b) / 8, all = (size_t)(b->end - b->start);
	if (n != (inverse ^ 0xffff) || at > all || n > all - at)
		return false;
	*size += n;
	b->next = b->start + at + n;
	b->word = 0;
	b->left = 0;
	b->over = 0;
	return true;
}

bool sm_deflate_walk(const unsigned char *in, size_t n, struct sm_deflate_end *out)
{
	struct bits b = {.next = in, .start = in, .end = in + n};
	struct tables t;
	bool last = false;
	*out = (struct sm_deflate_end){0};
	while (!last) {
		if (!refill(&b))
			return false;
		out->last_block = place(&b);
		last = take(&b, 1);
		unsigned type = take(&b, 2);
		bool good = type == 0   ? pass_stored(&b, &out->size)
			    : type == 1 ? pass_fixed(&t, &b, &out->size)
			    : type == 2 ? pass_dynamic(&t, &b, &out->size)
					: false;
		if (!good)
			return false;
	}
	out->end = place(&b);
	return true;
}

size_t sm_deflate_open(unsigned char *buf, size_t n, const struct sm_deflate_end *end)
{
	static const unsigned char empty[4] = {0, 0, 0xff, 0xff}; /* LEN 0 and its complement */
	unsigned used = end->end & 7;
	buf[end->last_block / 8] &= (unsigned char)~(1u << end->last_block % 8);
	if (used)
		buf[n - 1] &= (unsigned char)((1u << used) - 1);
	/* The three header bits of the empty block are zeros, as is what pads them to a byte
	 * border: they stand in the last byte when it has room for three. */
	if (!used || used > 5)
		buf[n++] = 0;
	memcpy(buf + n, empty, sizeof empty);
	return n + sizeof empty;
}
