/* SPDX-License-Identifier: Apache-2.0
 *
 * Each block goes three ways: over its words, to note what repeats; over the notes, for codes that
 * fit; over the notes again, into the stream. The first and the last take no branch on whether a
 * word repeats, which cannot be foretold in tissue: a wrong guess costs more than both
 * outcomes. */
#include "core/deflate_words.h"

#include <endian.h>
#include <libdeflate.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define BLOCK 131072 /* words of a block, each with its own codes */
#define WINDOW 8192  /* words that a match may lie back: deflate's 32 KiB */
#define GROUP 16     /* words of the shortest run */
#define LONGEST 258  /* bytes of a match */
#define PLACE_BITS 14
#define SAMPLE 5 /* one word in so many is counted; odd, for tiles of 16 slices */
#define LITS 286
#define DISTS 30
#define CODES 19
#define END_OF_BLOCK 256
#define WORD_LENGTH 258 /* code of a match of 4 bytes */
#define MAX_BITS 12 /* four literals fit into one filling of the bit buffer */
#define STORED_MOST 65535

/* A code: what goes into the stream, lowest bit first, and its length. */
struct code {
	uint32_t bits, n;
};

/* `words` words that repeat those `back` before them, behind `tokens` single words. */
struct run {
	uint32_t tokens, words, back;
};

struct packer {
	uint16_t place[1 << PLACE_BITS]; /* low bits of the last word of this hash: a table for the
					    first-level cache */
	/* What is noted of a block. Each word outside runs: how far back the same word stands, 0 =
	 * nowhere near. */
	uint16_t token[BLOCK];
	uint32_t literal[BLOCK + 1]; /* words that stand nowhere near, and room for one that does */
	struct run run[BLOCK / GROUP + 1];
	size_t tokens, literals, runs;
	uint32_t lit_count[LITS], dist_count[DISTS];
	struct code lit[LITS], dist[DISTS];
	/* Whole words in the stream, bits << 8 | their number: matches by how far back, then the
	 * literals in turn. */
	uint64_t word[WINDOW + 1 + BLOCK + 1];
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

/* deflate's code of a match of so many bytes, its extra bits and their number. */
static inline unsigned length_code(unsigned bytes, unsigned *extra, unsigned *extra_n)
{
	unsigned v = bytes - 3;
	*extra = *extra_n = 0;
	if (v < 8)
		return 257 + v;
	if (bytes == LONGEST)
		return 285;
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

/* Bytes of the next match of a run: neither it nor what remains is shorter than 3. */
static inline unsigned piece(size_t left)
{
	return left <= LONGEST ? (unsigned)left : left < LONGEST + 3 ? LONGEST - 3 : LONGEST;
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

/* Depths of the leaves of a Huffman tree over n >= 2 counts in rising order, by the two queues of
 * leaves and of inner nodes; those deeper than most count as most. */
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

/* Makes codes of at most `most` bits. Deflate wants complete codes: where fewer than two symbols
 * are used, others of the first get a code too. */
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
	/* What was cut off at `most` has made too many codes: shorter ones are lengthened until
	 * they fit. */
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

/* ---- what repeats --------------------------------------------------------------------------- */

/* Words from a on that equal those from b on, up to most; 0 when they are fewer than a group. */
static size_t same_words(const unsigned char *a, const unsigned char *b, size_t most)
{
	size_t n = 0;
	for (; n + GROUP <= most; n += GROUP) {
		uint64_t p[GROUP / 2], q[GROUP / 2], other = 0;
		memcpy(p, a + 4 * n, sizeof p);
		memcpy(q, b + 4 * n, sizeof q);
		for (int k = 0; k < GROUP / 2; k++)
			other |= p[k] ^ q[k];
		if (other)
			break;
	}
	while (n && n < most && word_at(a, n) == word_at(b, n))
		n++;
	return n;
}

static inline void note_words(struct packer *p, const unsigned char *in, size_t i, size_t n)
{
	uint16_t *token = p->token + p->tokens;
	uint32_t *literal = p->literal + p->literals;
	for (size_t k = 0; k < n; k++, i++) {
		uint32_t v = word_at(in, i), h = hash_of(v);
		/* A place of long ago is taken for a near one, where the word may stand just as
		 * well. */
		size_t back = (uint16_t)(i - p->place[h]);
		p->place[h] = (uint16_t)i;
		back &= 0 - (size_t)(back <= WINDOW);
		back &= 0 - (size_t)(word_at(in, i - back) == v);
		token[k] = (uint16_t)back;
		*literal = v;
		literal += !back;
	}
	p->tokens += n;
	p->literals = (size_t)(literal - p->literal);
}

/* Notes a run at word i, by the last place of its first word: its length, 0 = there is none. */
static inline size_t note_run(struct packer *p, const unsigned char *in, size_t i, size_t to,
			      size_t tokens)
{
	size_t back = (uint16_t)(i - p->place[hash_of(word_at(in, i))]);
	if (back - 1 >= WINDOW)
		return 0;
	size_t n = same_words(in + 4 * i, in + 4 * (i - back), to - i);
	if (!n)
		return 0;
	p->run[p->runs++] = (struct run){(uint32_t)tokens, (uint32_t)n, (uint32_t)back};
	for (size_t k = i + n - GROUP; k < i + n; k++) /* a period of the background */
		p->place[hash_of(word_at(in, k))] = (uint16_t)k;
	return n;
}

static void scan(struct packer *p, const unsigned char *in, size_t from, size_t to)
{
	size_t noted = 0; /* tokens up to the last run */
	p->tokens = p->literals = p->runs = 0;
	for (size_t i = from, n; i < to; i += n) {
		n = note_run(p, in, i, to, p->tokens - noted);
		if (n) {
			noted = p->tokens;
			continue;
		}
		n = to - i < GROUP ? to - i : GROUP;
		note_words(p, in, i, n);
	}
	p->run[p->runs++] = (struct run){.tokens = (uint32_t)(p->tokens - noted)};
}

/* ---- the stream ----------------------------------------------------------------------------- */

static void put_head(struct writer *w, const struct head *h, bool last)
{
	static const uint8_t order[CODES] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
					     11, 4,  12, 3, 13, 2, 14, 1, 15};
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

/* Counts the block's symbols, those of single words by a sample; every symbol that may come
 * counts. */
static void count(struct packer *p)
{
	unsigned extra, extra_n;
	for (size_t s = 0; s < LITS; s++)
		p->lit_count[s] = s <= END_OF_BLOCK;
	for (size_t s = 0; s < DISTS; s++)
		p->dist_count[s] = s >= 3;
	for (size_t i = 0; i < p->literals; i += SAMPLE) {
		uint32_t v = le32toh(p->literal[i]);
		p->lit_count[v & 255] += SAMPLE;
		p->lit_count[v >> 8 & 255] += SAMPLE;
		p->lit_count[v >> 16 & 255] += SAMPLE;
		p->lit_count[v >> 24] += SAMPLE;
	}
	p->lit_count[WORD_LENGTH] = (uint32_t)(p->tokens - p->literals);
	for (size_t i = 0; i < p->tokens; i += SAMPLE) {
		unsigned back = p->token[i], is_literal = !back;
		p->dist_count[dist_code(back + is_literal, &extra, &extra_n)] +=
			SAMPLE * !is_literal;
	}
	for (size_t r = 0; r < p->runs; r++)
		for (size_t left = 4 * (size_t)p->run[r].words, n; left; left -= n) {
			n = piece(left);
			p->lit_count[length_code((unsigned)n, &extra, &extra_n)]++;
			p->dist_count[dist_code(p->run[r].back, &extra, &extra_n)]++;
		}
}

/* Codes by what was counted, and what they make of each word that may come. */
static void prepare(struct packer *p)
{
	const struct code *lit = p->lit;
	uint64_t *out = p->word + WINDOW + 1;
	make_codes(p->lit_count, LITS, MAX_BITS, p->lit);
	make_codes(p->dist_count, DISTS, MAX_BITS, p->dist);
	for (unsigned back = 1, far, far_n; back <= WINDOW;) {
		struct code l = lit[WORD_LENGTH], d = p->dist[dist_code(back, &far, &far_n)];
		uint64_t bits = l.bits | d.bits << l.n;
		for (; !(far >> far_n) && back <= WINDOW; far += 4, back++)
			p->word[back] =
				(bits | (uint64_t)far << (l.n + d.n)) << 8 | (l.n + d.n + far_n);
	}
	for (size_t i = 0; i < p->literals; i++) {
		uint32_t v = le32toh(p->literal[i]);
		struct code a = lit[v & 255], b = lit[v >> 8 & 255], c = lit[v >> 16 & 255],
			    d = lit[v >> 24];
		uint64_t low = a.bits | b.bits << a.n, high = c.bits | d.bits << c.n;
		out[i] = (low | high << (a.n + b.n)) << 8 | (a.n + b.n + c.n + d.n);
	}
}

static inline uint64_t next_word(const struct packer *p, uint16_t token, size_t *literal)
{
	size_t is_literal = !token;
	uint64_t c = p->word[token | (*literal & (0 - is_literal))];
	*literal += is_literal;
	return c;
}

static inline void put_word(struct writer *w, uint64_t c)
{
	put(w, c >> 8, c & 255);
	flush(w);
}

static void put_run(const struct packer *p, struct writer *w, const struct run *run)
{
	for (size_t left = 4 * (size_t)run->words, n; left; left -= n) {
		unsigned extra, extra_n, far, far_n;
		n = piece(left);
		struct code l = p->lit[length_code((unsigned)n, &extra, &extra_n)];
		struct code d = p->dist[dist_code(run->back, &far, &far_n)];
		put(w, l.bits | extra << l.n, l.n + extra_n);
		put(w, d.bits | far << d.n, d.n + far_n);
		flush(w);
	}
}

/* Two words at a time where they fit: filling the bit buffer is what the next ones wait for. */
static void put_words(const struct packer *p, struct writer *to_stream)
{
	struct writer w = *to_stream;
	const uint16_t *token = p->token;
	size_t literal = WINDOW + 1;
	for (size_t r = 0; r < p->runs; r++) {
		const uint16_t *end = token + p->run[r].tokens;
		for (; end - token >= 2; token += 2) {
			uint64_t a = next_word(p, token[0], &literal),
				 b = next_word(p, token[1], &literal);
			if ((a & 255) + (b & 255) <= 56) {
				put(&w, a >> 8, a & 255);
				put_word(&w, b);
			} else {
				put_word(&w, a);
				put_word(&w, b);
			}
		}
		if (token < end)
			put_word(&w, next_word(p, *token++, &literal));
		put_run(p, &w, &p->run[r]);
	}
	put(&w, p->lit[END_OF_BLOCK].bits, p->lit[END_OF_BLOCK].n);
	flush(&w);
	*to_stream = w;
}

static void put_block(struct packer *p, struct writer *w, const unsigned char *in, size_t from,
		      size_t to, bool last)
{
	struct head head;
	const struct writer before = *w;
	scan(p, in, from, to);
	count(p);
	prepare(p);
	make_head(p, &head);
	put_head(w, &head, last);
	put_words(p, w);
	if ((size_t)(w->next - before.next) > 4 * (to - from)) {
		*w = before;
		put_stored(w, in + 4 * from, 4 * (to - from), last);
	}
}

enum sm_status sm_deflate_words(const void *in, size_t n, unsigned char **out, size_t *out_n,
				struct sm_err *err)
{
	enum sm_status st = SM_OK;
	size_t words = n / 4;
	*out = NULL;
	*out_n = 0;
	if (n % 4 || !n || words >= UINT32_MAX)
		return SM_FAIL(err, SM_INTERNAL, "%zu bytes to pack are no number of 4-byte values",
			       n);
	struct packer *p = sm_alloc(NULL, 1, sizeof *p, "tables of a deflater", err);
	unsigned char *made =
		p ? sm_alloc(NULL, n + n / 8192 + 64 + 4 * BLOCK, 1, "compressed tile", err) : NULL;
	if (!made) {
		st = SM_BUDGET;
		goto out;
	}
	struct writer w = {.next = made};
	memset(p->place, 0, sizeof p->place);
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
