/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of variables as in ITU-T T.87 annex A.
 */
#include "ingest/dicom/jpegls.h"

#include <string.h>

#include "ingest/dicom/jpeg.h"

#define CONTEXTS 365
#define MOST_RUN_INDEX 31

/* Code lengths of runs, A.7.1.2. */
static const int J[32] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,  2,  3,  3,  3,  3,
			  4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15};

struct context {
	int A, B, C, N;
};

struct run_context {
	int A, N, Nn;
};

/* Bits, highest first; after a byte FF one stuffed bit is left out. Behind the end come zeros. */
struct bits {
	const unsigned char *at, *end;
	uint64_t cache; /* the next bits, at the top */
	int have;       /* how many of them */
	int beyond;     /* how many of them stand behind the end */
	bool after_ff;
};

struct scan {
	struct bits bits;
	int maxval, near, range, qbpp, limit, reset, t1, t2, t3, step;
	int components, interleave; /* of this scan */
	int width;
	struct context contexts[CONTEXTS];
	struct run_context runs[2];
	int run_index;
	signed char *quantised; /* of differences -t3..t3, at its middle */
};

struct frame {
	int rows, columns, components, precision;
	int maxval, t1, t2, t3, reset; /* of LSE; 0 = default */
	unsigned char id[4];           /* of the components, in the order of the frame header */
	bool lossy;                    /* any scan so far */
};

static void refill(struct bits *b)
{
	while (b->have <= 48) {
		unsigned v = 0;
		int n = 8;
		if (b->at < b->end && !(b->after_ff && *b->at >= 0x80)) {
			v = *b->at++;
			n = b->after_ff ? 7 : 8;
			b->after_ff = v == 0xff;
		} else {
			b->beyond += n;
		}
		b->cache |= (uint64_t)v << (64 - b->have - n);
		b->have += n;
	}
}

static unsigned take(struct bits *b, int n)
{
	if (!n)
		return 0;
	if (b->have < n)
		refill(b);
	unsigned v = (unsigned)(b->cache >> (64 - n));
	b->cache <<= n;
	b->have -= n;
	return v;
}

/* More was taken than there is. */
static bool overrun(const struct bits *b)
{
	return b->beyond > b->have;
}

/* A.5.3: Golomb code of limited length; at most `limit` bits. */
static int golomb(struct scan *s, int k, int limit)
{
	struct bits *b = &s->bits;
	int zeros = 0;
	refill(b);
	while (!b->cache || __builtin_clzll(b->cache) >= b->have) {
		zeros += b->have;
		b->cache = 0;
		b->have = 0;
		if (zeros > limit)
			return 0;
		refill(b);
	}
	int more = __builtin_clzll(b->cache);
	zeros += more;
	b->cache = b->cache << more << 1;
	b->have -= more + 1;
	if (zeros < limit - s->qbpp - 1)
		return (int)((unsigned)zeros << k | take(b, k));
	return (int)take(b, s->qbpp) + 1;
}

static int reconstruct(const struct scan *s, int value)
{
	if (value < -s->near)
		value += s->range * s->step;
	else if (value > s->maxval + s->near)
		value -= s->range * s->step;
	return value < 0 ? 0 : value > s->maxval ? s->maxval : value;
}

static int predict(int a, int b, int c)
{
	int low = a < b ? a : b, high = a < b ? b : a;
	return c >= high ? low : c <= low ? high : a + b - c;
}

static void update(struct context *x, int error, const struct scan *s)
{
	x->B += error * s->step;
	x->A += error < 0 ? -error : error;
	if (x->N == s->reset) {
		x->A >>= 1;
		x->B = x->B >= 0 ? x->B >> 1 : -((1 - x->B) >> 1);
		x->N >>= 1;
	}
	x->N++;
	if (x->B <= -x->N) {
		x->B += x->N;
		x->C -= x->C > -128;
		if (x->B <= -x->N)
			x->B = -x->N + 1;
	} else if (x->B > 0) {
		x->B -= x->N;
		x->C += x->C < 127;
		if (x->B > 0)
			x->B = 0;
	}
}

/* One sample in regular mode; q is the quantised gradient, -364..364. */
static int regular(struct scan *s, int q, int a, int b, int c)
{
	int sign = q < 0 ? -1 : 1, k = 0;
	struct context *x = &s->contexts[q < 0 ? -q : q];
	int predicted = predict(a, b, c) + sign * x->C;
	predicted = predicted < 0 ? 0 : predicted > s->maxval ? s->maxval : predicted;
	while (k < 24 && x->N << k < x->A)
		k++;
	int mapped = golomb(s, k, s->limit), error;
	if (!s->near && !k && 2 * x->B <= -x->N)
		error = mapped & 1 ? (mapped - 1) / 2 : -(mapped / 2) - 1;
	else
		error = mapped & 1 ? -(mapped / 2) - 1 : mapped / 2;
	/* Damaged data can give more than any encoder. */
	if (error > s->range || error < -s->range)
		error = 0, s->bits.beyond = 1 << 20;
	update(x, error, s);
	return reconstruct(s, predicted + sign * error * s->step);
}

/* A.7.2: the sample that ends a run. */
static int interruption(struct scan *s, int a, int b, bool alike)
{
	struct run_context *x = &s->runs[alike];
	int sum = x->A + (alike ? x->N >> 1 : 0), k = 0;
	while (k < 24 && x->N << k < sum)
		k++;
	int mapped = golomb(s, k, s->limit - J[s->run_index] - 1);
	if (mapped > 4 * s->range)
		mapped = 0, s->bits.beyond = 1 << 20;
	int t = mapped + alike, map = t & 1, error = (t + map) / 2;
	if ((k != 0 || 2 * x->Nn >= x->N) == map)
		error = -error;
	x->Nn += error < 0;
	x->A += (mapped + 1 - alike) >> 1;
	if (x->N == s->reset) {
		x->A >>= 1;
		x->N >>= 1;
		x->Nn >>= 1;
	}
	x->N++;
	if (alike)
		return reconstruct(s, a + error * s->step);
	return reconstruct(s, b + (a > b ? -error : error) * s->step);
}

/* How many pixels the run at `left` pixels before the end of the line has; -1 for nonsense. */
static int run_length(struct scan *s, int left)
{
	int count = 0;
	while (take(&s->bits, 1)) {
		int full = 1 << J[s->run_index];
		if (full > left - count) {
			count = left;
		} else {
			count += full;
			s->run_index += s->run_index < MOST_RUN_INDEX;
		}
		if (count == left || overrun(&s->bits))
			return count;
	}
	count += (int)take(&s->bits, J[s->run_index]);
	return count > left ? -1 : count;
}

static inline int quantum(const struct scan *s, int d)
{
	d = d < -s->t3 ? -s->t3 : d > s->t3 ? s->t3 : d;
	return s->quantised[d];
}

static int gradient(const struct scan *s, const uint16_t *up, const uint16_t *now, int x,
		    int stride)
{
	int a = now[x - stride], b = up[x], c = up[x - stride], d = up[x + stride];
	return 81 * quantum(s, d - b) + 9 * quantum(s, b - c) + quantum(s, c - a);
}

/* One line of `stride` interleaved components. Both lines have a pixel before and one behind. */
static bool line(struct scan *s, const uint16_t *up, uint16_t *now, int stride)
{
	for (int x = 0; x < s->width;) {
		int at = x * stride, q[4], any = 0;
		for (int c = 0; c < stride; c++)
			any |= q[c] = gradient(s, up, now, at + c, stride);
		if (any) {
			for (int c = 0; c < stride; c++)
				now[at + c] = (uint16_t)regular(s, q[c], now[at + c - stride],
								up[at + c], up[at + c - stride]);
			x++;
			continue;
		}
		int count = run_length(s, s->width - x);
		if (count < 0 || overrun(&s->bits))
			return false;
		for (int i = 0; i < count * stride; i++)
			now[at + i] = now[at + i - stride];
		x += count;
		if (x == s->width)
			break;
		at = x * stride;
		for (int c = 0; c < stride; c++) {
			int a = now[at + c - stride], b = up[at + c], d = a - b;
			bool alike = stride == 1 && d <= s->near && -d <= s->near;
			now[at + c] = (uint16_t)interruption(s, a, b, alike);
		}
		s->run_index -= s->run_index > 0;
		x++;
	}
	return !overrun(&s->bits);
}

static int clamp(int v, int low, int maxval)
{
	return v > maxval || v < low ? low : v;
}

static int larger(int a, int b)
{
	return a > b ? a : b;
}

/* C.2.4.1.1.1 */
static void thresholds(struct scan *s, const struct frame *f)
{
	int near = s->near, most = s->maxval;
	int d1, d2, d3;
	if (most >= 128) {
		int factor = ((most < 4095 ? most : 4095) + 128) / 256;
		d1 = factor + 2 + 3 * near;
		d2 = factor * 4 + 3 + 5 * near;
		d3 = factor * 17 + 4 + 7 * near;
	} else {
		int factor = 256 / (most + 1);
		d1 = larger(2, 3 / factor + 3 * near);
		d2 = larger(3, 7 / factor + 5 * near);
		d3 = larger(4, 21 / factor + 7 * near);
	}
	s->t1 = f->t1 ? f->t1 : clamp(d1, near + 1, most);
	s->t2 = f->t2 ? f->t2 : clamp(d2, s->t1, most);
	s->t3 = f->t3 ? f->t3 : clamp(d3, s->t2, most);
	s->reset = f->reset ? f->reset : 64;
}

static int bits_for(int values)
{
	int n = 0;
	while (1 << n < values)
		n++;
	return n;
}

static void quantise(const struct scan *s)
{
	for (int d = -s->t3; d <= s->t3; d++) {
		int m = d < 0 ? -d : d;
		int q = m <= s->near ? 0 : m < s->t1 ? 1 : m < s->t2 ? 2 : m < s->t3 ? 3 : 4;
		s->quantised[d] = (signed char)(d < 0 ? -q : q);
	}
}

static void prepare(struct scan *s, const struct frame *f)
{
	s->maxval = f->maxval ? f->maxval : (1 << f->precision) - 1;
	s->step = 2 * s->near + 1;
	s->range = (s->maxval + 2 * s->near) / s->step + 1;
	s->qbpp = bits_for(s->range);
	int bpp = larger(2, bits_for(s->maxval + 1));
	s->limit = 2 * (bpp + larger(8, bpp));
	thresholds(s, f);
	int start = larger(2, (s->range + 32) / 64);
	for (int i = 0; i < CONTEXTS; i++)
		s->contexts[i] = (struct context){start, 0, 0, 1};
	s->runs[0] = s->runs[1] = (struct run_context){start, 1, 0};
}

static void put_line(const struct sm_pixel_format *f, const uint16_t *now, int y, int first,
		     int count, void *out)
{
	size_t columns = (size_t)f->columns, samples = (size_t)f->samples;
	size_t at = (size_t)y * columns * samples + (size_t)first;
	for (size_t x = 0; x < columns; x++, at += samples)
		for (size_t c = 0; c < (size_t)count; c++) {
			unsigned v = now[x * (size_t)count + c];
			if (f->bits_allocated == 8)
				((uint8_t *)out)[at + c] = (uint8_t)v;
			else
				((uint16_t *)out)[at + c] = (uint16_t)v;
		}
}

/* Lines of one scan into components first.. of out. `lines` holds two lines for each component. */
static bool scan_lines(struct scan *s, const struct sm_pixel_format *f, int first, uint16_t *lines,
		       void *out)
{
	int stride = s->interleave == 2 ? s->components : 1;
	int planes = s->interleave == 1 ? s->components : 1;
	size_t n = ((size_t)s->width + 2) * (size_t)stride;
	int run_index[4] = {0};
	memset(lines, 0, 2 * n * (size_t)planes * sizeof *lines);
	for (int y = 0; y < f->rows; y++)
		for (int p = 0; p < planes; p++) {
			uint16_t *pair = lines + 2 * n * (size_t)p;
			uint16_t *up = pair + (y & 1 ? n : 0) + stride;
			uint16_t *now = pair + (y & 1 ? 0 : n) + stride;
			for (int c = 0; c < stride; c++) {
				up[s->width * stride + c] = up[(s->width - 1) * stride + c];
				now[c - stride] = up[c];
			}
			s->run_index = run_index[p];
			if (!line(s, up, now, stride))
				return false;
			run_index[p] = s->run_index;
			put_line(f, now, y, first + p, stride, out);
		}
	return true;
}

static int get16(const unsigned char *p)
{
	return p[0] << 8 | p[1];
}

/* Frame header: precision, size, components. */
static enum sm_status read_frame(const unsigned char *p, size_t n,
				 const struct sm_pixel_format *want, struct frame *f,
				 struct sm_err *err)
{
	if (n < 6)
		return SM_FAIL(err, SM_INPUT, "JPEG-LS header cannot be read");
	f->precision = p[0];
	f->rows = get16(p + 1);
	f->columns = get16(p + 3);
	f->components = p[5];
	if (f->rows != want->rows || f->columns != want->columns || f->components != want->samples)
		return SM_FAIL(
			err, SM_INPUT,
			"JPEG-LS data have %d columns, %d rows and %d components, the header tells "
			"%d, %d and %d",
			f->columns, f->rows, f->components, want->columns, want->rows,
			want->samples);
	if (f->precision < 2 || f->precision > 16 || f->precision > want->bits_allocated)
		return SM_FAIL(err, SM_INPUT, "JPEG-LS data have %d bits, allowed are 2..%d",
			       f->precision, want->bits_allocated < 16 ? want->bits_allocated : 16);
	bool fine = n == 6 + 3 * (size_t)f->components;
	for (int c = 0; fine && c < f->components; c++) {
		f->id[c] = p[6 + 3 * c];
		fine = p[7 + 3 * c] == 0x11;
	}
	if (!fine)
		return SM_FAIL(err, SM_INPUT,
			       "JPEG-LS frame header cannot be read, or components have sizes of "
			       "their own");
	return SM_OK;
}

static enum sm_status read_presets(const unsigned char *p, size_t n, struct frame *f,
				   struct sm_err *err)
{
	if (n < 11 || p[0] != 1)
		return SM_FAIL(err, SM_INPUT, "JPEG-LS presets are not of a kind that is known");
	f->maxval = get16(p + 1);
	f->t1 = get16(p + 3);
	f->t2 = get16(p + 5);
	f->t3 = get16(p + 7);
	f->reset = get16(p + 9);
	return SM_OK;
}

static bool sensible(const struct scan *s, const struct frame *f)
{
	return s->maxval >= 1 && s->maxval < 1 << f->precision && s->near <= s->maxval / 2 &&
	       s->near < 256 && s->t1 > s->near && s->t2 >= s->t1 && s->t3 >= s->t2 &&
	       s->reset >= 3 && s->t3 <= larger(s->maxval, s->near + 1);
}

/* Do the selectors of a scan name the components first.. of the frame, without mapping tables? */
static enum sm_status check_selectors(const unsigned char *head, int count, const struct frame *f,
				      int first, struct sm_err *err)
{
	for (int c = 0; c < count; c++)
		if (head[1 + 2 * c] != f->id[first + c] || head[2 + 2 * c])
			return SM_FAIL(
				err, SM_INPUT,
				"JPEG-LS scan has component %d with mapping table %d, allowed "
				"are %d and 0",
				head[1 + 2 * c], head[2 + 2 * c], f->id[first + c]);
	return SM_OK;
}

/* One scan from its header on; *at is behind its data afterwards. */
static enum sm_status read_scan(struct scan *s, const unsigned char *p, size_t n, size_t *at,
				struct frame *f, const struct sm_pixel_format *want, int first,
				uint16_t *lines, void *out, struct sm_err *err)
{
	size_t length = (size_t)get16(p + *at);
	const unsigned char *head = p + *at + 2;
	int count = length >= 6 && length <= n - *at ? head[0] : 0;
	if (count < 1 || count > f->components - first || length != 6 + 2 * (size_t)count)
		return SM_FAIL(err, SM_INPUT, "JPEG-LS scan header cannot be read");
	SM_TRY(check_selectors(head, count, f, first, err));
	s->components = count;
	s->near = head[1 + 2 * count];
	f->lossy = f->lossy || s->near;
	s->interleave = head[2 + 2 * count];
	s->width = f->columns;
	if (head[3 + 2 * count] || s->interleave > 2 || (s->interleave == 0) != (count == 1))
		return SM_FAIL(err, SM_INPUT, "JPEG-LS scan is of a kind that is not supported");
	prepare(s, f);
	if (!sensible(s, f))
		return SM_FAIL(err, SM_INPUT, "JPEG-LS parameters are out of range");
	quantise(s);
	*at += length;
	s->bits = (struct bits){.at = p + *at, .end = p + n};
	if (!scan_lines(s, want, first, lines, out))
		return SM_FAIL(err, SM_INPUT, "JPEG-LS data are damaged or end early");
	/* To the marker behind the data. */
	size_t i = (size_t)(s->bits.at - p);
	i = i > *at ? i - 1 : i;
	while (i + 1 < n && !(p[i] == 0xff && p[i + 1] >= 0x80))
		i++;
	*at = i;
	return SM_OK;
}

static enum sm_status read_stream(struct scan *s, const unsigned char *p, size_t n,
				  const struct sm_pixel_format *want, uint16_t *lines, void *out,
				  struct sm_stream *about, struct sm_err *err)
{
	struct frame f = {0};
	size_t at = 2;
	for (int done = 0; done < want->samples || !done;) {
		if (n - at < 4 || p[at] != 0xff)
			return SM_FAIL(err, SM_INPUT, "JPEG-LS header cannot be read");
		unsigned marker = p[at + 1];
		size_t length = (size_t)get16(p + at + 2);
		if (marker == 0xff) {
			at++;
			continue;
		}
		if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd9) || marker == 0xdd ||
		    length < 2 || length > n - at - 2)
			return SM_FAIL(err, SM_INPUT, "JPEG-LS data have marker FF%02X at byte %zu",
				       marker, at);
		at += 2;
		if (marker == 0xf7)
			SM_TRY(read_frame(p + at + 2, length - 2, want, &f, err));
		else if (marker == 0xf8)
			SM_TRY(read_presets(p + at + 2, length - 2, &f, err));
		else if (marker == 0xe8 && length >= 7 && memcmp(p + at + 2, "mrfx", 4) == 0 &&
			 p[at + 6])
			return SM_FAIL(err, SM_INPUT,
				       "JPEG-LS colour transforms are not supported");
		if (marker == 0xda) {
			if (!f.components)
				return SM_FAIL(err, SM_INPUT, "JPEG-LS data have no frame header");
			SM_TRY(read_scan(s, p, n, &at, &f, want, done, lines, out, err));
			done += s->components;
		} else {
			at += length;
		}
	}
	*about = (struct sm_stream){
		.precision = f.precision, .lossy = f.lossy, .used = sm_jpeg_end(p, n, at)};
	return SM_OK;
}

enum sm_status sm_jpegls_decode(const unsigned char *bytes, size_t n,
				const struct sm_pixel_format *f, struct sm_mem *mem, void *out,
				struct sm_stream *about, struct sm_err *err)
{
	size_t words = 2 * ((size_t)f->columns + 2) * (size_t)f->samples, table = 2 * 65536;
	if (n < 4 || bytes[0] != 0xff || bytes[1] != 0xd8 || f->samples > 4 ||
	    (f->bits_allocated != 8 && f->bits_allocated != 16))
		return SM_FAIL(err, SM_INPUT, "JPEG-LS header cannot be read");
	struct scan *s = sm_alloc(mem, 1, sizeof *s + words * sizeof(uint16_t) + table,
				  "JPEG-LS lines", err);
	if (!s)
		return SM_BUDGET;
	uint16_t *lines = (uint16_t *)(s + 1);
	s->quantised = (signed char *)(lines + words) + 65536;
	enum sm_status st = read_stream(s, bytes, n, f, lines, out, about, err);
	sm_free(s);
	return st;
}
