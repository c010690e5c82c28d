/* SPDX-License-Identifier: Apache-2.0
 *
 * The three kinds of charts of the page. Every bar and strip has its number or name beside it, so
 * that colour alone tells nothing.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/explore.h"

static void at(struct sm_text *out, const char *name, double v)
{
	sm_text_f(out, " %s=\"", name);
	sm_svg_number(out, v);
	sm_text_str(out, "\"");
}

static void words_at(struct sm_text *out, double x, double y, const char *anchor, const char *words)
{
	sm_text_str(out, "<text");
	at(out, "x", x);
	at(out, "y", y);
	sm_text_f(out, " text-anchor=\"%s\">", anchor);
	sm_text_html(out, words);
	sm_text_str(out, "</text>\n");
}

static void begin(struct sm_text *out, const char *what, double width, double height)
{
	sm_text_str(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ");
	sm_svg_number(out, width);
	sm_text_str(out, " ");
	sm_svg_number(out, height);
	sm_text_str(out, "\" role=\"img\" font-family=\"system-ui,sans-serif\" font-size=\"12\" "
			 "fill=\"currentColor\" aria-label=\"");
	sm_text_html(out, what);
	sm_text_str(out, "\">\n");
}

/* The x axis under a chart from left to right at height y: a line, ticks with numbers, within
 * lo..hi. */
static void axis(struct sm_text *out, double left, double right, double y, double lo, double hi,
		 double top)
{
	struct sm_ticks t = sm_ticks_nice(lo, hi, 5);
	for (int i = 0; i < t.count; i++) {
		double v = t.first + i * t.step, x = left + (v - lo) / (hi - lo) * (right - left);
		char s[64];
		if (v < lo - 1e-9 * (hi - lo) || v > hi + 1e-9 * (hi - lo))
			continue;
		sm_text_str(out, "<line stroke=\"currentColor\" stroke-opacity=\".15\"");
		at(out, "x1", x);
		at(out, "x2", x);
		at(out, "y1", top);
		at(out, "y2", y + 4);
		sm_text_str(out, "/>\n");
		snprintf(s, sizeof s, "%.*f", t.decimals, v + 0.0);
		words_at(out, x, y + 17, "middle", s);
	}
	sm_text_str(out, "<line stroke=\"currentColor\" stroke-opacity=\".6\"");
	at(out, "x1", left);
	at(out, "x2", right);
	at(out, "y1", y);
	at(out, "y2", y);
	sm_text_str(out, "/>\n");
}

void sm_chart_hist(struct sm_text *out, const struct sm_hist *h, const char *colour,
		   const char *words, const double *medians, size_t n)
{
	enum { WIDTH = 480, HEIGHT = 170, LEFT = 16, RIGHT = 464, TOP = 6, BOTTOM = 134, RUG = 9 };
	double low = ldexp((double)h->first, h->power),
	       high = ldexp((double)(h->first + (int64_t)h->n), h->power), most = 1, next = 1,
	       sum = 0;
	size_t top = 0;
	for (size_t i = 0; i < h->n; i++) {
		double c = (double)h->count[i];
		sum += c;
		if (c > most) {
			next = most;
			most = c;
			top = i;
		} else {
			next = c > next ? c : next;
		}
	}
	/* One bar of air would flatten the rest: it is cut, with its share beside it. */
	bool cut = h->n > 2 && most > 2.5 * next;
	double full = cut ? 1.3 * next : most;
	begin(out, words, WIDTH, HEIGHT);
	axis(out, LEFT, RIGHT, BOTTOM + RUG, low, high, TOP);
	sm_text_f(out, "<path fill=\"%s\" d=\"M%d %d", colour, LEFT, BOTTOM);
	double step = (double)(RIGHT - LEFT) / (double)h->n;
	for (size_t i = 0; i < h->n; i++) {
		sm_text_str(out, "V");
		double c = (double)h->count[i] < full ? (double)h->count[i] : full;
		sm_svg_number(out, BOTTOM - c / full * (BOTTOM - TOP));
		sm_text_str(out, "H");
		sm_svg_number(out, LEFT + (double)(i + 1) * step);
	}
	sm_text_f(
		out,
		"V%dz\"/>\n<path stroke=\"currentColor\" stroke-opacity=\".75\" fill=\"none\" d=\"",
		BOTTOM);
	/* Medians of the cases, at most 200 of them. */
	size_t shown = n < 200 ? n : 200;
	for (size_t i = 0; i < shown; i++) {
		double v = medians[shown < 2 ? 0 : i * (n - 1) / (shown - 1)];
		if (!(v >= low && v <= high))
			continue;
		sm_text_str(out, "M");
		sm_svg_number(out, LEFT + (v - low) / (high - low) * (RIGHT - LEFT));
		sm_text_f(out, " %dv%d", BOTTOM + 2, RUG - 2);
	}
	sm_text_str(out, "\"/>\n");
	if (cut) {
		char s[64];
		double x = LEFT + ((double)top + 0.5) * step;
		bool left = x > (LEFT + RIGHT) / 2.0;
		snprintf(s, sizeof s, "cut off: %.0f %% of all", most / sum * 100);
		words_at(out, x + (left ? -step - 4 : step + 4), TOP + 12, left ? "end" : "start",
			 s);
		sm_text_str(out, "<path stroke=\"currentColor\" stroke-width=\"1.5\" d=\"M");
		sm_svg_number(out, x - step / 2 - 3);
		sm_text_f(out, " %dl", TOP + 16);
		sm_svg_number(out, step + 6);
		sm_text_str(out, " -7\"/>\n");
	}
	sm_text_str(out, "</svg>\n");
}

void sm_chart_strips(struct sm_text *out, const char *words, const char *unit,
		     const struct sm_strip *strips, size_t n)
{
	enum { WIDTH = 760, LEFT = 86, RIGHT = 740, ROW = 46, DOTS = 400 };
	double high = 0, bottom = 8 + (double)n * ROW;
	for (size_t i = 0; i < n; i++)
		if (strips[i].n && strips[i].v[strips[i].n - 1] > high)
			high = strips[i].v[strips[i].n - 1];
	high = high > 0 ? high * 1.03 : 1;
	begin(out, words, WIDTH, bottom + 40);
	axis(out, LEFT, RIGHT, bottom, 0, high, 4);
	words_at(out, (LEFT + RIGHT) / 2.0, bottom + 35, "middle", unit);
	for (size_t i = 0; i < n; i++) {
		const struct sm_strip *s = &strips[i];
		double y = 8 + ((double)i + 0.5) * ROW;
		words_at(out, LEFT - 10, y + 4, "end", s->name);
		size_t shown = s->n < DOTS ? s->n : DOTS;
		sm_text_f(out,
			  "<g fill=\"%s\" fill-opacity=\".75\" stroke=\"currentColor\" "
			  "stroke-width=\".4\">\n",
			  s->colour);
		for (size_t k = 0; k < shown; k++) {
			double v = s->v[shown < 2 ? 0 : k * (s->n - 1) / (shown - 1)];
			static const int lift[] = {0, -7, 7, -13, 13}; /* neighbours apart */
			sm_text_str(out, "<circle r=\"3.4\"");
			at(out, "cx", LEFT + v / high * (RIGHT - LEFT));
			at(out, "cy", y + lift[k % SM_COUNT(lift)]);
			sm_text_str(out, "/>\n");
		}
		sm_text_str(out, "</g>\n");
		if (!s->n)
			continue;
		double middle =
			s->n % 2 ? s->v[s->n / 2] : (s->v[s->n / 2 - 1] + s->v[s->n / 2]) / 2;
		sm_text_str(out, "<path stroke=\"currentColor\" stroke-width=\"2.5\" d=\"M");
		sm_svg_number(out, LEFT + middle / high * (RIGHT - LEFT));
		sm_text_str(out, " ");
		sm_svg_number(out, y - ROW / 2.0 + 5);
		sm_text_f(out, "v%d\"/>\n", ROW - 10);
	}
	sm_text_str(out, "</svg>\n");
}

void sm_chart_bars(struct sm_text *out, const char *words, const struct sm_bar *bars, size_t n,
		   size_t parts)
{
	enum { WIDTH = 760, LEFT = 86, RIGHT = 520, ROW = 30 };
	static const int order[] = {SM_SKY,    SM_ORANGE,    SM_GREEN, SM_YELLOW,
				    SM_PURPLE, SM_VERMILION, SM_BLUE};
	double most = 1;
	for (size_t i = 0; i < n; i++) {
		double sum = 0;
		for (size_t k = 0; k < parts; k++)
			sum += (double)bars[i].part[k];
		most = sum > most ? sum : most;
	}
	begin(out, words, WIDTH, (double)n * ROW + 6);
	for (size_t i = 0; i < n; i++) {
		double x = LEFT, y = 4 + (double)i * ROW;
		words_at(out, LEFT - 10, y + 16, "end", bars[i].name);
		for (size_t k = 0; k < parts; k++) {
			double w = (double)bars[i].part[k] / most * (RIGHT - LEFT);
			char s[32];
			if (!bars[i].part[k])
				continue;
			sm_text_f(out,
				  "<rect fill=\"%s\" stroke=\"currentColor\" stroke-width=\".6\" "
				  "height=\"22\"",
				  sm_okabe_ito[order[k % SM_COUNT(order)]]);
			at(out, "x", x);
			at(out, "y", y);
			at(out, "width", w);
			sm_text_str(out, "/>\n");
			snprintf(s, sizeof s, "%zu", bars[i].part[k]);
			if (parts > 1 && w > 8 * (double)strlen(s) + 4) {
				sm_text_str(out, "<g fill=\"#000\">");
				words_at(out, x + w / 2, y + 16, "middle", s);
				sm_text_str(out, "</g>");
			}
			x += w;
		}
		words_at(out, x + 8, y + 16, "start", bars[i].note);
	}
	sm_text_str(out, "</svg>\n");
}
