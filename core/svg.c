/* SPDX-License-Identifier: Apache-2.0 */
#include "core/svg.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "core/svg_draw.h"

const char *const sm_okabe_ito[SM_COLOURS] = {
	[SM_ORANGE] = "#e69f00", [SM_SKY] = "#56b4e9",  [SM_GREEN] = "#009e73",
	[SM_YELLOW] = "#f0e442", [SM_BLUE] = "#0072b2", [SM_VERMILION] = "#d55e00",
	[SM_PURPLE] = "#cc79a7",
};

void sm_svg_number(struct sm_text *out, double v)
{
	char s[64];
	if (!(v > -1e9 && v < 1e9))
		v = 0;
	int n = snprintf(s, sizeof s, "%.2f", v);
	while (s[n - 1] == '0')
		n--;
	if (s[n - 1] == '.')
		n--;
	s[n] = '\0';
	sm_text_str(out, strcmp(s, "-0") == 0 ? "0" : s);
}

struct sm_ticks sm_ticks_nice(double lo, double hi, int want)
{
	static const double steps[] = {1, 2, 5, 10};
	if (!(lo > -1e12 && lo < 1e12))
		lo = 0;
	if (!(hi > -1e12 && hi < 1e12) || hi <= lo)
		hi = lo + 1;
	if (want < 2)
		want = 2;
	struct sm_ticks t = {0};
	double raw = (hi - lo) / want, unit = 1;
	/* Powers of ten by whole products: no logarithm, no rounding that differs by machine. */
	while (unit * 10 <= raw)
		unit *= 10;
	while (unit > raw && t.decimals < 12) {
		t.decimals++;
		unit = 1;
		for (int i = 0; i < t.decimals; i++)
			unit *= 10;
		unit = 1 / unit;
	}
	size_t i = 0;
	while (i < 3 && steps[i] * unit < raw * (1 - 1e-9))
		i++;
	t.step = steps[i] * unit;
	if (i == 3 && t.decimals > 0)
		t.decimals--;
	double low = floor(lo / t.step + 1e-9), high = ceil(hi / t.step - 1e-9);
	t.first = low * t.step;
	t.count = (int)(high - low) + 1;
	return t;
}

double sm_svg_at_x(const struct sm_svg_frame *f, double x)
{
	return f->left + (x - f->x0) / (f->x1 - f->x0) * (f->right - f->left);
}

double sm_svg_at_y(const struct sm_svg_frame *f, double y)
{
	return f->bottom - (y - f->y0) / (f->y1 - f->y0) * (f->bottom - f->top);
}

void sm_svg_attribute(struct sm_text *out, const char *name, double v)
{
	sm_text_f(out, " %s=\"", name);
	sm_svg_number(out, v);
	sm_text_str(out, "\"");
}

void sm_svg_line(struct sm_text *out, double x1, double y1, double x2, double y2, const char *more)
{
	sm_text_str(out, "<line");
	sm_svg_attribute(out, "x1", x1);
	sm_svg_attribute(out, "y1", y1);
	sm_svg_attribute(out, "x2", x2);
	sm_svg_attribute(out, "y2", y2);
	sm_text_f(out, " %s/>\n", more);
}

void sm_svg_words(struct sm_text *out, double x, double y, const char *anchor, const char *words)
{
	sm_text_str(out, "<text");
	sm_svg_attribute(out, "x", x);
	sm_svg_attribute(out, "y", y);
	sm_text_f(out, " text-anchor=\"%s\">", anchor);
	sm_text_html(out, words);
	sm_text_str(out, "</text>\n");
}

static void tick_label(char *s, size_t size, double v, int decimals)
{
	/* Adding 0 turns the -0 of a rounded tick into 0. */
	snprintf(s, size, "%.*f", decimals, v + 0.0);
}

void sm_svg_words_of(struct sm_text *out, double x, double y, const char *anchor, double v,
		     int decimals)
{
	char s[64];
	tick_label(s, sizeof s, v, decimals);
	sm_svg_words(out, x, y, anchor, s);
}

void sm_svg_begin(struct sm_text *out, const char *what, double width, double height)
{
	sm_text_str(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ");
	sm_svg_number(out, width);
	sm_text_str(out, " ");
	sm_svg_number(out, height);
	sm_text_str(out, "\" role=\"img\" aria-label=\"");
	sm_text_html(out, what);
	sm_text_str(
		out,
		"\" font-family=\"system-ui,sans-serif\" font-size=\"12\" fill=\"currentColor\">\n"
		"<title>");
	sm_text_html(out, what);
	sm_text_str(out, "</title>\n");
}

double sm_svg_left(const struct sm_ticks *t)
{
	double left = SM_SVG_LEFT;
	for (int i = 0; i < t->count; i++) {
		char s[64];
		tick_label(s, sizeof s, t->first + i * t->step, t->decimals);
		double width = 8;
		for (const char *c = s; *c; c++)
			width += *c == '.' || *c == '-' ? 4.4 : 7.7;
		left = width > left ? width : left;
	}
	return left;
}

void sm_svg_y_axis(struct sm_text *out, const struct sm_svg_frame *f, const struct sm_ticks *t)
{
	for (int i = 0; i < t->count; i++) {
		double v = t->first + i * t->step, y = sm_svg_at_y(f, v);
		sm_svg_line(out, f->left, y, f->right, y,
			    i ? "stroke=\"currentColor\" stroke-opacity=\".14\""
			      : "stroke=\"currentColor\" stroke-opacity=\".6\"");
		sm_svg_words_of(out, f->left - 8, y + 4, "end", v, t->decimals);
	}
}

/* Smallest and largest finite value over all series; false when there is none. */
static bool extent(const struct sm_svg_chart *c, bool of_x, double *lo, double *hi)
{
	bool any = false;
	for (size_t s = 0; s < c->count; s++)
		for (size_t i = 0; i < c->series[s].n; i++) {
			double v = of_x ? c->series[s].x[i] : c->series[s].y[i];
			if (!isfinite(v))
				continue;
			*lo = !any || v < *lo ? v : *lo;
			*hi = !any || v > *hi ? v : *hi;
			any = true;
		}
	return any;
}

static void draw_series(struct sm_text *out, const struct sm_svg_frame *f,
			const struct sm_svg_series *s)
{
	bool open = false;
	sm_text_f(out,
		  "<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\" "
		  "stroke-linejoin=\"round\"%s d=\"",
		  s->colour, s->dashed ? " stroke-dasharray=\"6 3\"" : "");
	for (size_t i = 0; i < s->n; i++) {
		if (!isfinite(s->y[i]) || !isfinite(s->x[i])) {
			open = false;
			continue;
		}
		sm_text_str(out, open ? "L" : "M");
		sm_svg_number(out, sm_svg_at_x(f, s->x[i]));
		sm_text_str(out, " ");
		sm_svg_number(out, sm_svg_at_y(f, s->y[i]));
		open = true;
	}
	sm_text_str(out, "\"/>\n");
	/* Dots show the epochs while they can be told apart, and a lone value at all. */
	for (size_t i = 0; s->n <= 60 && i < s->n; i++) {
		if (!isfinite(s->y[i]) || !isfinite(s->x[i]))
			continue;
		sm_text_f(out, "<circle r=\"2.6\" fill=\"%s\"", s->colour);
		sm_svg_attribute(out, "cx", sm_svg_at_x(f, s->x[i]));
		sm_svg_attribute(out, "cy", sm_svg_at_y(f, s->y[i]));
		sm_text_str(out, "/>\n");
	}
}

void sm_svg_legend(struct sm_text *out, double x, double y, const struct sm_svg_series *series,
		   size_t n, bool filled)
{
	for (size_t s = 0; s < n; s++) {
		char style[96];
		snprintf(style, sizeof style, "stroke=\"%s\" stroke-width=\"%d\"%s",
			 series[s].colour, filled ? 11 : 3,
			 series[s].dashed ? " stroke-dasharray=\"6 3\"" : "");
		sm_svg_line(out, x, y - 4, x + (filled ? 11 : 22), y - 4, style);
		sm_svg_words(out, x + (filled ? 17 : 28), y, "start", series[s].name);
		x += (filled ? 17 : 28) + 7 * (double)strlen(series[s].name) + 18;
	}
}

static void mark(struct sm_text *out, const struct sm_svg_frame *f, const struct sm_svg_chart *c)
{
	if (!isfinite(c->mark) || c->mark < f->x0 || c->mark > f->x1)
		return;
	double x = sm_svg_at_x(f, c->mark);
	bool left = x > (f->left + f->right) / 2;
	sm_svg_line(out, x, f->top, x, f->bottom,
		    "stroke=\"currentColor\" stroke-opacity=\".55\" stroke-dasharray=\"2 3\"");
	if (c->mark_name)
		sm_svg_words(out, left ? x - 5 : x + 5, f->top + 10, left ? "end" : "start",
			     c->mark_name);
}

void sm_svg_lines(struct sm_text *out, const struct sm_svg_chart *c)
{
	double x0 = 0, x1 = 1, y0 = 0, y1 = 1;
	extent(c, true, &x0, &x1);
	extent(c, false, &y0, &y1);
	if (isfinite(c->y_low) && c->y_low < y0)
		y0 = c->y_low;
	if (isfinite(c->y_high) && c->y_high > y1)
		y1 = c->y_high;
	struct sm_ticks ty = sm_ticks_nice(y0, y1, 5), tx = sm_ticks_nice(x0, x1, 8);
	struct sm_svg_frame f = {sm_svg_left(&ty),
				 c->width - SM_SVG_RIGHT,
				 SM_SVG_TOP,
				 c->height - SM_SVG_BOTTOM,
				 x0,
				 x1,
				 ty.first,
				 ty.first + ty.step * (ty.count - 1)};
	if (f.x1 <= f.x0) {
		f.x0 -= 0.5;
		f.x1 += 0.5;
	}
	sm_svg_begin(out, c->label, c->width, c->height);
	sm_svg_y_axis(out, &f, &ty);
	for (int i = 0; i < tx.count; i++) {
		double v = tx.first + i * tx.step;
		/* Epochs are whole numbers, and no tick stands outside the frame. */
		if (v < f.x0 - 1e-9 || v > f.x1 + 1e-9 || v != floor(v))
			continue;
		sm_svg_line(out, sm_svg_at_x(&f, v), f.bottom, sm_svg_at_x(&f, v), f.bottom + 5,
			    "stroke=\"currentColor\" stroke-opacity=\".6\"");
		sm_svg_words_of(out, sm_svg_at_x(&f, v), f.bottom + 18, "middle", v, 0);
	}
	sm_svg_words(out, (f.left + f.right) / 2, c->height - 6, "middle", c->x_title);
	mark(out, &f, c);
	for (size_t s = 0; s < c->count; s++)
		draw_series(out, &f, &c->series[s]);
	sm_svg_legend(out, SM_SVG_LEFT, 18, c->series, c->count, false);
	sm_text_str(out, "</svg>\n");
}

void sm_svg_swarm(struct sm_text *out, const struct sm_svg_frame *f, double centre, double room,
		  double radius, const struct sm_svg_column *c)
{
	double before = -1e9;
	/* Places to the right and left of the middle; what finds none begins in the middle again.
	 */
	int places = 2 * (int)(room / (2.2 * radius)) + 1, aside = 0;
	for (size_t i = 0; i < c->n; i++) {
		double y = sm_svg_at_y(f, c->y[i]);
		aside = i && fabs(y - before) < 2 * radius ? (aside + 1) % places : 0;
		before = aside ? before : y;
		double dx = (aside % 2 ? 1 : -1) * ((aside + 1) / 2) * 2.2 * radius;
		sm_text_f(out, "<circle fill=\"%s\" stroke=\"currentColor\" stroke-opacity=\".45\"",
			  c->colour);
		sm_svg_attribute(out, "r", radius);
		sm_svg_attribute(out, "cx", centre + dx);
		sm_svg_attribute(out, "cy", y);
		sm_text_str(out, "/>\n");
	}
}

static void draw_column(struct sm_text *out, const struct sm_svg_frame *f, double centre,
			double room, const struct sm_svg_column *c)
{
	sm_svg_swarm(out, f, centre, room, c->n > 60 ? 2.5 : 4, c);
	if (c->n) {
		double median = (c->y[(c->n - 1) / 2] + c->y[c->n / 2]) / 2;
		double y = sm_svg_at_y(f, median);
		sm_svg_line(out, centre - room, y, centre + room, y,
			    "stroke=\"currentColor\" stroke-width=\"2\"");
		sm_svg_words_of(out, centre + room + 5, y + 4, "start", median, 2);
	}
}

void sm_svg_dots(struct sm_text *out, const char *what, double width, double height,
		 const struct sm_svg_column *columns, size_t count)
{
	struct sm_ticks t = sm_ticks_nice(0, 1, 5);
	struct sm_svg_frame f = {SM_SVG_LEFT, width - SM_SVG_RIGHT, 12, height - 28,
				 0,           (double)count,        0,  1};
	sm_svg_begin(out, what, width, height);
	sm_svg_y_axis(out, &f, &t);
	for (size_t i = 0; i < count; i++) {
		double centre = sm_svg_at_x(&f, (double)i + 0.5);
		draw_column(out, &f, centre, (f.right - f.left) / (double)count * 0.28,
			    &columns[i]);
		sm_svg_words(out, centre, height - 8, "middle", columns[i].name);
	}
	sm_text_str(out, "</svg>\n");
}

enum { EAST, SOUTH, WEST, NORTH };

/* Bit d of edge[vertex] = an outline edge leaves the vertex in direction d; the shape lies on its
 * right. Vertices are pixel corners, width + 1 a row. */
static void find_edges(const uint8_t *mask, int64_t w, int64_t h, uint8_t *edge)
{
	int64_t row = w + 1;
	for (int64_t y = 0; y < h; y++)
		for (int64_t x = 0; x < w; x++) {
			const uint8_t *m = mask + y * w + x;
			uint8_t *v = edge + y * row + x;
			if (!*m)
				continue;
			if (y == 0 || !m[-w])
				v[0] |= 1 << EAST;
			if (x == w - 1 || !m[1])
				v[1] |= 1 << SOUTH;
			if (y == h - 1 || !m[w])
				v[row + 1] |= 1 << WEST;
			if (x == 0 || !m[-1])
				v[row] |= 1 << NORTH;
		}
}

static void run(struct sm_text *out, int direction, int64_t length)
{
	sm_text_f(out, "%c%" PRId64, direction % 2 ? 'v' : 'h',
		  direction == EAST || direction == SOUTH ? length : -length);
}

/* Follows one outline from its first edge until it would take that edge again. */
static void trace(struct sm_text *out, uint8_t *edge, int64_t row, int64_t start, int first)
{
	const int64_t step[] = {1, row, -1, -row};
	int64_t at = start, length = 0;
	int direction = first;
	sm_text_f(out, "M%" PRId64 " %" PRId64, start % row, start / row);
	for (;;) {
		static const int turns[] = {
			1, 0, 3}; /* right first: shapes that touch at a corner part */
		edge[at] &= (uint8_t) ~(1 << direction);
		at += step[direction];
		length++;
		int next = -1;
		for (int i = 0; i < 3 && next < 0; i++) {
			int d = (direction + turns[i]) % 4;
			if (at == start && d == first) {
				/* The path's own closing line draws the last run. */
				sm_text_str(out, "z");
				return;
			}
			if (edge[at] >> d & 1)
				next = d;
		}
		if (next < 0)
			return; /* cannot be: every corner has as many edges in as out */
		if (next != direction) {
			run(out, direction, length);
			length = 0;
		}
		direction = next;
	}
}

enum sm_status sm_svg_outline(struct sm_text *out, const uint8_t *mask, int64_t w, int64_t h,
			      struct sm_err *err)
{
	if (w < 1 || h < 1)
		return SM_OK;
	uint8_t *edge = sm_calloc(NULL, (size_t)(w + 1), (size_t)(h + 1), "outline", err);
	if (!edge)
		return SM_BUDGET;
	find_edges(mask, w, h, edge);
	for (int64_t v = 0; v < (w + 1) * (h + 1); v++)
		while (edge[v]) {
			int d = 0;
			while (!(edge[v] >> d & 1))
				d++;
			trace(out, edge, w + 1, v, d);
		}
	sm_free(edge);
	return SM_OK;
}

enum sm_status sm_svg_mask(struct sm_text *out, const uint8_t *mask, int64_t w, int64_t h,
			   struct sm_err *err)
{
	sm_text_f(out,
		  "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%" PRId64
		  "\" height=\"%" PRId64 "\" viewBox=\"0 0 %" PRId64 " %" PRId64
		  "\" shape-rendering=\"crispEdges\">\n"
		  "<path fill=\"#000\" fill-rule=\"evenodd\" d=\"",
		  w, h, w, h);
	SM_TRY(sm_svg_outline(out, mask, w, h, err));
	sm_text_str(out, "\"/>\n</svg>\n");
	return sm_text_check(out, "outlines of a mask", err);
}
