/* SPDX-License-Identifier: Apache-2.0 */
#include "core/deflate_words.h"

#include <endian.h>
#include <libdeflate.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define BLOCK 32768 /* words of a block, each with its own codes */
#define WINDOW 8192 /* words that a match may lie back: deflate's 32 KiB */
#define LONGEST 64  /* words of a match: 256 of deflate's 258 bytes */
#define PLACE_BITS 14
#define LITS 286
#define DISTS 30
#define CODES 19
#define END_OF_BLOCK 256
#define MAX_BITS 12 /* four literals fit into one filling of the bit buffer */
#define STORED_MOST 65535

/* A code: what goes into the stream, lowest bit first, and its length. */
struct code {
	uint32_t bits, n;
};

struct packer {
	uint16_t place[1 << PLACE_BITS]; /* low bits of the last word of this hash: a table for the first-level cache */
	uint32_t lit_count[LITS], dist_count[DISTS], length_count[LONGEST + 1];
	struct code lit[LITS], dist[DISTS], length[LONGEST + 1]; /* length: with extra bits */
};

struct writer {
	uint64_t word;
	unsigned n; /* bits in word, below 8 after flush() */
	unsigned char *next;
};

static inline void put(struct writer *w, uint64_t bits, unsigned n)
{
	w->word |= bits << w->n;
	w->n += n;
}

/* Eight bytes are stored, those that are full are kept: the room has 8 spare bytes. */
static inline void flush(struct writer *w)
{
	uint64_t v = htole64(w->word);
	memcpy(w->next, &v, 8);
	w->next += w->n >> 3;
	w->word >>= w->n & 56;
	w->n &= 7;
}

static inline uint32_t word_at(const unsigned char *in, size_t i)
{
	uint32_t v;
	memcpy(&v, in + 4 * i, 4);
	return v;
}

static inline uint32_t hash_of(uint32_t v)
{
	return le32toh(v) * 2654435761u >> (32 - PLACE_BITS);
}

/* Words from a on that equal those from b on, up to most. */
static inline size_t same_words(const unsigned char *in, size_t a, size_t b, size_t most)
{
	size_t n = 0;
	for (; n + 2 <= most; n += 2) {
		uint64_t p, q;
		memcpy(&p, in + 4 * (a + n), 8);
		memcpy(&q, in + 4 * (b + n), 8);
		if (p != q)
			return n + (word_at(in, a + n) == word_at(in, b + n));
	}
	return n + (n < most && word_at(in, a + n) == word_at(in, b + n));
}

/* deflate's code of a match of so many words, its extra bits and their number. */
static unsigned length_code(unsigned words, unsigned *extra, unsigned *extra_n)
{
	unsigned v = 4 * words - 3; /* bytes - 3 */
	if (v < 8) {
		*extra = *extra_n = 0;
		return 257 + v;
	}
	unsigned top = 31u - (unsigned)__builtin_clz(v);
	*extra_n = top - 2;
	*extra = v & ((1u << *extra_n) - 1);
	return 257 + 4 * (top - 1) + (v >> *extra_n & 3);
}

/* The same of a distance of so many words. */
static inline unsigned dist_code(unsigned words, unsigned *extra, unsigned *extra_n)
{
	unsigned v = 4 * words - 1, top = 31u - (unsigned)__builtin_clz(v);
	*extra_n = top - 1;
	*extra = v & ((1u << *extra_n) - 1);
	return 2 * top + (v >> *extra_n & 1);
}

/* ---- codes ---------------------------------------------------------------------------------- */

/* Leaves are count << 9 | symbol, so that their order is that of the counts. */
#define LEAF(count, symbol) ((count) << 9 | (uint32_t)(symbol))

static void sort_leaves(uint32_t *v, size_t n)
{
	static const size_t gaps[] = {109, 41, 19, 5, 1};
	for (size_t g = 0; g < sizeof gaps / sizeof *gaps; g++)
		for (size_t i = gaps[g]; i < n; i++) {
			uint32_t x = v[i];
			size_t k = i;
			for (; k >= gaps[g] && v[k - gaps[g]] > x; k -= gaps[g])
				v[k] = v[k - gaps[g]];
			v[k] = x;
		}
}

/* Depths of the leaves of a Huffman tree over n >= 2 counts in rising order, by the two queues of leaves and of inner
 * nodes; those deeper than most count as most. */
static void tree_depths(const uint32_t *leaf, size_t n, unsigned most, uint32_t at_depth[])
{
	uint32_t weight[LITS], parent[2 * LITS], depth[2 * LITS];
	size_t l = 0, inner = 0;
	for (size_t made = 0; made < n - 1; made++) {
		uint32_t sum = 0;
		for (int k = 0; k < 2; k++) {
			if (l < n && (inner >= made || leaf[l] >> 9 <= weight[inner])) {
				sum += leaf[l] >> 9;
				parent[l++] = (uint32_t)made;
			} else {
				sum += weight[inner];
				parent[n + inner++] = (uint32_t)made;
			}
		}
		weight[made] = sum;
	}
	depth[n + n - 2] = 0;
	for (size_t i = n - 2; i-- > 0;)
		depth[n + i] = depth[n + parent[n + i]] + 1;
	for (size_t i = 0; i < n; i++) {
		uint32_t d = depth[n + parent[i]] + 1;
		at_depth[d < most ? d : most]++;
	}
}

/* Makes codes of at most `most` bits. Deflate wants complete codes: where fewer than two symbols are used, others
 * of the first get a code too. */
static void make_codes(uint32_t *count, size_t symbols, unsigned most, struct code *code)
{
	uint32_t leaf[LITS];
	uint32_t at_depth[16] = {0}, next[16] = {0};
	size_t n = 0;
	for (size_t s = 0, used = 0; s < symbols; s++)
		used += count[s] > 0, count[s] += s == symbols - 1 && used == 0;
	for (size_t s = 0; s < symbols; s++)
		if (count[s])
			leaf[n++] = LEAF(count[s], s);
	if (n < 2) {
		uint32_t other = (leaf[0] & 511) == 0;
		count[other] = 1;
		leaf[n++] = LEAF(1u, other);
	}
	sort_leaves(leaf, n);
	tree_depths(leaf, n, most, at_depth);
	/* What was cut off at `most` has made too many codes: shorter ones are lengthened until they fit. */
	uint64_t sum = 0;
	for (unsigned d = 1; d <= most; d++)
		sum += (uint64_t)at_depth[d] << (most - d);
	for (; sum > 1ull << most; sum--) {
		unsigned d = most - 1;
		while (!at_depth[d])
			d--;
		at_depth[d]--;
		at_depth[d + 1] += 2;
		at_depth[most]--;
	}
	memset(code, 0, symbols * sizeof *code);
	for (unsigned d = most, i = 0; d > 0; d--)
		for (uint32_t k = 0; k < at_depth[d]; k++)
			code[leaf[i++] & 511].n = d;
	for (unsigned d = 1; d < most; d++)
		next[d + 1] = (next[d] + at_depth[d]) << 1;
	for (size_t s = 0; s < symbols; s++) {
		uint32_t v = code[s].n ? next[code[s].n]++ : 0;
		for (unsigned b = 0; b < code[s].n; b++)
			code[s].bits |= (v >> b & 1) << (code[s].n - 1 - b);
	}
}

/* The codes' lengths as the stream tells them: symbols 0 to 15, and 17 and 18 for zeros. */
struct head {
	uint8_t symbol[LITS + DISTS], extra[LITS + DISTS];
	size_t n;
	struct code code[CODES];
};

static void make_head(const struct packer *p, struct head *h)
{
	uint32_t count[CODES] = {0};
	uint8_t all[LITS + DISTS];
	for (size_t s = 0; s < LITS; s++)
		all[s] = (uint8_t)p->lit[s].n;
	for (size_t s = 0; s < DISTS; s++)
		all[LITS + s] = (uint8_t)p->dist[s].n;
	*h = (struct head){0};
	for (size_t i = 0; i < sizeof all;) {
		size_t run = 0;
		while (i + run < sizeof all && !all[i + run] && run < 138)
			run++;
		uint8_t symbol = run < 3 ? all[i] : run < 11 ? 17 : 18;
		h->symbol[h->n] = symbol;
		h->extra[h->n++] = (uint8_t)(symbol == 17 ? run - 3 : symbol == 18 ? run - 11 : 0);
		count[symbol]++;
		i += symbol >= 17 ? run : 1;
	}
	make_codes(count, CODES, 7, h->code);
}

/* ---- the stream ----------------------------------------------------------------------------- */

static void put_head(struct writer *w, const struct head *h, bool last)
{
	static const uint8_t order[CODES] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
	put(w, last | 2 << 1, 3);
	put(w, LITS - 257, 5);
	put(w, DISTS - 1, 5);
	put(w, CODES - 4, 4);
	flush(w);
	for (size_t i = 0; i < CODES; i++) {
		put(w, h->code[order[i]].n, 3);
		flush(w);
	}
	for (size_t i = 0; i < h->n; i++) {
		put(w, h->code[h->symbol[i]].bits, h->code[h->symbol[i]].n);
		put(w, h->extra[i], h->symbol[i] == 18 ? 7 : h->symbol[i] == 17 ? 3 : 0);
		flush(w);
	}
}

static inline void put_literals(struct packer *p, struct writer *w, uint32_t v, bool count)
{
	unsigned a = v & 255, b = v >> 8 & 255, c = v >> 16 & 255, d = v >> 24;
	uint64_t low = p->lit[a].bits | p->lit[b].bits << p->lit[a].n;
	uint64_t high = p->lit[c].bits | p->lit[d].bits << p->lit[c].n;
	unsigned low_n = p->lit[a].n + p->lit[b].n;
	put(w, low | high << low_n, low_n + p->lit[c].n + p->lit[d].n);
	p->lit_count[a] += count;
	p->lit_count[b] += count;
	p->lit_count[c] += count;
	p->lit_count[d] += count;
}

static inline void put_match(struct packer *p, struct writer *w, unsigned n, unsigned back, bool count)
{
	unsigned extra, extra_n, d = dist_code(back, &extra, &extra_n);
	uint64_t far = p->dist[d].bits | extra << p->dist[d].n;
	put(w, p->length[n].bits | far << p->length[n].n, p->length[n].n + p->dist[d].n + extra_n);
	p->length_count[n] += count;
	p->dist_count[d] += count;
}

/* The words from..to in the codes that there are, counted for the next block. Returns where it stopped: a match may
 * reach beyond `to`, but not beyond end. */
static inline __attribute__((always_inline)) size_t
put_words(struct packer *p, struct writer *to_stream, const unsigned char *in, size_t from, size_t to, size_t end, bool count)
{
	struct writer w = *to_stream;
	size_t i = from;
	for (; i < to; flush(&w)) {
		uint32_t v = word_at(in, i), h = hash_of(v);
		/* A place of long ago is taken for a near one, where the word may stand just as well. */
		size_t back = (uint16_t)(i - p->place[h]);
		p->place[h] = (uint16_t)i;
		if (back - 1 >= WINDOW || word_at(in, i - back) != v) {
			put_literals(p, &w, le32toh(v), count);
			i++;
			continue;
		}
		size_t most = end - i < LONGEST ? end - i : LONGEST;
		size_t n = 1 + same_words(in, i + 1, i + 1 - back, most - 1);
		put_match(p, &w, (unsigned)n, (unsigned)back, count);
		/* Of a match only the end is noted, of a long one a period of the background. */
		p->place[hash_of(word_at(in, i + n - 1))] = (uint16_t)(i + n - 1);
		for (size_t k = i + n - 16; n > 16 && k < i + n - 1; k++)
			p->place[hash_of(word_at(in, k))] = (uint16_t)k;
		i += n;
	}
	*to_stream = w;
	return i;
}

static void put_stored(struct writer *w, const unsigned char *in, size_t n, bool last)
{
	while (n) {
		size_t part = n < STORED_MOST ? n : STORED_MOST;
		put(w, last && part == n, 3);
		w->n = (w->n + 7) & ~7u;
		put(w, part | (uint64_t)(part ^ 0xffff) << 16, 32);
		flush(w);
		memcpy(w->next, in, part);
		w->next += part;
		in += part;
		n -= part;
	}
}

/* Codes by what the last block counted; every symbol that may come gets one. */
static void adapt(struct packer *p)
{
	unsigned extra, extra_n;
	for (size_t s = 0; s <= END_OF_BLOCK; s++)
		p->lit_count[s]++;
	for (unsigned n = 1; n <= LONGEST; n++)
		p->lit_count[length_code(n, &extra, &extra_n)] += p->length_count[n] + 1;
	for (size_t s = 3; s < DISTS; s++)
		p->dist_count[s]++;
	make_codes(p->lit_count, LITS, MAX_BITS, p->lit);
	make_codes(p->dist_count, DISTS, MAX_BITS, p->dist);
	for (unsigned n = 1; n <= LONGEST; n++) {
		struct code c = p->lit[length_code(n, &extra, &extra_n)];
		p->length[n] = (struct code){c.bits | extra << c.n, c.n + extra_n};
	}
	memset(p->lit_count, 0, sizeof p->lit_count);
	memset(p->dist_count, 0, sizeof p->dist_count);
	memset(p->length_count, 0, sizeof p->length_count);
}

static void put_block(struct packer *p, struct writer *w, const unsigned char *in, size_t from, size_t to,
		      bool last)
{
	struct head head;
	const struct writer before = *w;
	adapt(p);
	make_head(p, &head);
	put_head(w, &head, last);
	size_t at = put_words(p, w, in, from, from + (to - from) / 2, to, false);
	put_words(p, w, in, at, to, to, true);
	put(w, p->lit[END_OF_BLOCK].bits, p->lit[END_OF_BLOCK].n);
	flush(w);
	if ((size_t)(w->next - before.next) > 4 * (to - from)) {
		*w = before;
		put_stored(w, in + 4 * from, 4 * (to - from), last);
	}
}

enum sm_status sm_deflate_words(const void *in, size_t n, unsigned char **out, size_t *out_n, struct sm_err *err)
{
	enum sm_status st = SM_OK;
	size_t words = n / 4;
	*out = NULL;
	*out_n = 0;
	if (n % 4 || !n || words >= UINT32_MAX)
		return SM_FAIL(err, SM_INTERNAL, "%zu bytes to pack are no number of 4-byte values", n);
	struct packer *p = sm_calloc(NULL, 1, sizeof *p, "tables of a deflater", err);
	unsigned char *made = p ? sm_alloc(NULL, n + n / 8192 + 64 + 4 * BLOCK, 1, "compressed tile", err) : NULL;
	if (!made) {
		st = SM_BUDGET;
		goto out;
	}
	struct writer w = {.next = made};
	put(&w, 0x0178, 16); /* zlib: deflate, 32 KiB, fastest */
	for (size_t from = 0; from < words; from += BLOCK) {
		size_t to = words - from < BLOCK ? words : from + BLOCK;
		put_block(p, &w, in, from, to, to == words);
	}
	w.n = (w.n + 7) & ~7u;
	flush(&w);
	uint32_t check = htobe32(libdeflate_adler32(1, in, n));
	memcpy(w.next, &check, 4);
	*out_n = (size_t)(w.next + 4 - made);
	*out = made;
	made = NULL;
out:
	sm_free(made);
	sm_free(p);
	return st;
}
