/* SPDX-License-Identifier: Apache-2.0 */
#include "core/svg_spread.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/svg_draw.h"

/* Fewer values than FEW show themselves; more than MANY are too many dots. */
enum { FEW = 5, MANY = 60, STEPS = 48 };

double sm_svg_quantile(const double *v, size_t n, double q)
{
	if (!n)
		return NAN;
	double at = q * (double)(n - 1);
	size_t i = (size_t)at;
	return i + 1 < n ? v[i] + (at - (double)i) * (v[i + 1] - v[i]) : v[n - 1];
}

double sm_svg_fifth_root_inverse(double n)
{
	double x = 1;
	/* From below: the root of n is at most n for n of 1 or more. */
	while (x * x * x * x * x < n)
		x *= 2;
	for (int i = 0; i < 60; i++) {
		double p = x * x * x * x;
		x -= (p * x - n) / (5 * p);
	}
	return 1 / x;
}

/* Width of a name in the legend with its square and the gap behind it, guessed at 7 units a letter.
 */
static double legend_width(const char *name)
{
	return 17 + 7 * (double)strlen(name) + 18;
}

/* Names in as many lines as the width asks for; draws nothing for out NULL. Returns their height.
 */
static double draw_legend(struct sm_text *out, const struct sm_svg_groups *g)
{
	double x = SM_SVG_LEFT, y = 16;
	for (size_t s = 0; g->name && s < g->series; s++) {
		struct sm_svg_series one = {.name = g->name[s], .colour = g->column[s].colour};
		if (s && x + legend_width(one.name) > g->width) {
			x = SM_SVG_LEFT;
			y += 18;
		}
		if (out)
			sm_svg_legend(out, x, y, &one, 1, true);
		x += legend_width(one.name);
	}
	return g->name ? y + 6 : 0;
}

/* What the frame of all groups is. */
struct layout {
	struct sm_svg_frame frame;
	double slot; /* width of one column */
};

static double group_gap(const struct sm_svg_groups *g)
{
	return g->series > 1 ? 0.8 : 0;
}

/* Middle of a column, in columns from the left. */
static double place(const struct sm_svg_groups *g, size_t group, size_t series)
{
	double gap = group_gap(g);
	return gap / 2 + (double)group * ((double)g->series + gap) + (double)series + 0.5;
}

static void find_range(const struct sm_svg_groups *g, double *low, double *high)
{
	bool any = false;
	*low = isfinite(g->low) ? g->low : 0;
	*high = isfinite(g->high) ? g->high : *low;
	any = isfinite(g->low) && isfinite(g->high);
	for (size_t c = 0; c < g->groups * g->series; c++) {
		const struct sm_svg_column *v = &g->column[c];
		if (!v->n)
			continue;
		*low = (!any && !isfinite(g->low)) || v->y[0] < *low ? v->y[0] : *low;
		*high = (!any && !isfinite(g->high)) || v->y[v->n - 1] > *high ? v->y[v->n - 1]
									       : *high;
		any = true;
	}
	if (!(*high > *low))
		*high = *low + 1;
}

/* Width of group i's name or note, whichever is wider, guessed at 7 and 6 units a letter. */
static double label_width(const struct sm_svg_groups *g, size_t i)
{
	double name = 7 * (double)strlen(g->group[i]);
	double note = g->note && g->note[i] ? 6 * (double)strlen(g->note[i]) : 0;
	return name > note ? name : note;
}

/* Whether labels `apart` units from each other would run into each other on one line. */
static bool is_crowded(const struct sm_svg_groups *g, double apart)
{
	for (size_t i = 1; i < g->groups; i++)
		if ((label_width(g, i - 1) + label_width(g, i)) / 2 + 6 > apart)
			return true;
	return false;
}

/* Names and notes of the groups; crowded: every second one `lower`. */
static void draw_labels(struct sm_text *out, const struct sm_svg_groups *g,
			const struct sm_svg_frame *frame, double lower)
{
	for (size_t i = 0; i < g->groups; i++) {
		double x = sm_svg_at_x(frame, (place(g, i, 0) + place(g, i, g->series - 1)) / 2);
		double y = frame->bottom + (i % 2 ? lower : 0);
		sm_svg_words(out, x, y + 18, "middle", g->group[i]);
		if (g->note && g->note[i]) {
			sm_text_str(out, "<g fill-opacity=\".7\" font-size=\"11\">");
			sm_svg_words(out, x, y + 33, "middle", g->note[i]);
			sm_text_str(out, "</g>\n");
		}
	}
}

static struct layout begin(struct sm_text *out, const struct sm_svg_groups *g)
{
	double low, high;
	find_range(g, &low, &high);
	struct sm_ticks t = sm_ticks_nice(low, high, 5);
	double columns = (double)g->groups * ((double)g->series + group_gap(g));
	double left = sm_svg_left(&t), right = g->width - SM_SVG_RIGHT;
	double slot = (right - left) / (columns > 0 ? columns : 1);
	double line = g->note ? 32 : 17;
	double lower = is_crowded(g, slot * ((double)g->series + group_gap(g))) ? line : 0;
	struct layout l = {.frame = {left, right,
				     12 + draw_legend(NULL, g) + (g->y_title ? 14 : 0),
				     g->height - lower - (g->note ? 40 : 26), 0, columns, t.first,
				     t.first + t.step * (t.count - 1)},
			   .slot = slot};
	sm_svg_begin(out, g->label, g->width, g->height);
	sm_svg_y_axis(out, &l.frame, &t);
	if (g->y_title)
		sm_svg_words(out, 2, l.frame.top - 10, "start", g->y_title);
	draw_labels(out, g, &l.frame, lower);
	draw_legend(out, g);
	return l;
}

static void rectangle(struct sm_text *out, double x, double y, double w, double h,
		      const char *colour, const char *more)
{
	sm_text_f(out, "<rect fill=\"%s\" %s", colour, more);
	sm_svg_attribute(out, "x", x);
	sm_svg_attribute(out, "y", y);
	sm_svg_attribute(out, "width", w);
	sm_svg_attribute(out, "height", h);
	sm_text_str(out, "/>\n");
}

/* All values and their median. */
static void draw_few(struct sm_text *out, const struct layout *l, double x,
		     const struct sm_svg_column *c)
{
	if (!c->n)
		return;
	double half = l->slot * 0.3 < 30 ? l->slot * 0.3 : 30;
	double y = sm_svg_at_y(&l->frame, sm_svg_quantile(c->y, c->n, 0.5));
	sm_svg_swarm(out, &l->frame, x, half, 3.5, c);
	sm_svg_line(out, x - half, y, x + half, y, "stroke=\"currentColor\" stroke-width=\"2\"");
}

#define EDGE "stroke=\"currentColor\" stroke-width=\"1.2\""

static void draw_box(struct sm_text *out, const struct layout *l, double x,
		     const struct sm_svg_column *c)
{
	const struct sm_svg_frame *f = &l->frame;
	double q1 = sm_svg_quantile(c->y, c->n, 0.25), q3 = sm_svg_quantile(c->y, c->n, 0.75);
	double median = sm_svg_quantile(c->y, c->n, 0.5), reach = 1.5 * (q3 - q1);
	/* At most so wide that few groups do not become walls. */
	double half = l->slot * 0.19 < 26 ? l->slot * 0.19 : 26;
	double left = x - half, dots = x + half * 1.25;
	size_t first = 0, last = c->n - 1;
	while (first < last && c->y[first] < q1 - reach)
		first++;
	while (last > first && c->y[last] > q3 + reach)
		last--;
	double top = sm_svg_at_y(f, c->y[last]), bottom = sm_svg_at_y(f, c->y[first]);
	sm_svg_line(out, left, top, left, sm_svg_at_y(f, q3), EDGE);
	sm_svg_line(out, left, sm_svg_at_y(f, q1), left, bottom, EDGE);
	sm_svg_line(out, left - half / 2, top, left + half / 2, top, EDGE);
	sm_svg_line(out, left - half / 2, bottom, left + half / 2, bottom, EDGE);
	rectangle(out, left - half, sm_svg_at_y(f, q3), 2 * half,
		  sm_svg_at_y(f, q1) - sm_svg_at_y(f, q3), c->colour, "fill-opacity=\".55\" " EDGE);
	sm_svg_line(out, left - half, sm_svg_at_y(f, median), left + half, sm_svg_at_y(f, median),
		    "stroke=\"currentColor\" stroke-width=\"2.4\"");
	if (c->n <= MANY) {
		sm_svg_swarm(out, f, dots, half * 0.85, c->n > 20 ? 2.2 : 3, c);
		return;
	}
	struct sm_svg_column low = {c->name, c->colour, c->y, first};
	struct sm_svg_column high = {c->name, c->colour, c->y + last + 1, c->n - 1 - last};
	sm_svg_swarm(out, f, left, half, 2.2, &low);
	sm_svg_swarm(out, f, left, half, 2.2, &high);
}

void sm_svg_boxes(struct sm_text *out, const struct sm_svg_groups *g)
{
	struct layout l = begin(out, g);
	for (size_t i = 0; i < g->groups; i++)
		for (size_t s = 0; s < g->series; s++) {
			const struct sm_svg_column *c = &g->column[i * g->series + s];
			double x = sm_svg_at_x(&l.frame, place(g, i, s));
			if (c->n < FEW)
				draw_few(out, &l, x, c);
			else
				draw_box(out, &l, x, c);
		}
	sm_text_str(out, "</svg>\n");
}

/* Silverman's width, 0.9 min(sd, quartile range / 1.34) n^(-1/5), times 2.623: the biweight kernel
 * that smooths as a normal one of that width does. 0 for values that hardly differ. */
static double kernel_width(const struct sm_svg_column *c)
{
	double mean = 0, sum = 0, n = (double)c->n;
	for (size_t i = 0; i < c->n; i++)
		mean += c->y[i] / n;
	for (size_t i = 0; i < c->n; i++)
		sum += (c->y[i] - mean) * (c->y[i] - mean);
	double sd = sqrt(sum / (n - 1));
	double range =
		(sm_svg_quantile(c->y, c->n, 0.75) - sm_svg_quantile(c->y, c->n, 0.25)) / 1.34;
	double scale = range > 0 && range < sd ? range : sd;
	double span = c->y[c->n - 1] - c->y[0];
	return span > 0 ? 2.623 * 0.9 * scale * sm_svg_fifth_root_inverse(n) : 0;
}

static double density(const struct sm_svg_column *c, double width, double at)
{
	double sum = 0;
	for (size_t i = 0; i < c->n; i++) {
		double u = (at - c->y[i]) / width;
		if (u > -1 && u < 1)
			sum += (1 - u * u) * (1 - u * u);
	}
	return sum;
}

static void point(struct sm_text *out, const char *command, double x, double y)
{
	sm_text_str(out, command);
	sm_svg_number(out, x);
	sm_text_str(out, " ");
	sm_svg_number(out, y);
}

static void draw_violin(struct sm_text *out, const struct layout *l, double x,
			const struct sm_svg_column *c, double width)
{
	const struct sm_svg_frame *f = &l->frame;
	double d[STEPS + 1], most = 0, low = c->y[0], high = c->y[c->n - 1];
	double half = l->slot * 0.42 < 60 ? l->slot * 0.42 : 60;
	for (int i = 0; i <= STEPS; i++) {
		d[i] = density(c, width, low + (high - low) * i / STEPS);
		most = d[i] > most ? d[i] : most;
	}
	sm_text_f(out,
		  "<path fill=\"%s\" fill-opacity=\".55\" stroke-linejoin=\"round\" " EDGE " d=\"",
		  c->colour);
	for (int i = 0; i <= STEPS; i++)
		point(out, i ? "L" : "M", x - half * d[i] / most,
		      sm_svg_at_y(f, low + (high - low) * i / STEPS));
	for (int i = STEPS; i >= 0; i--)
		point(out, "L", x + half * d[i] / most,
		      sm_svg_at_y(f, low + (high - low) * i / STEPS));
	sm_text_str(out, "z\"/>\n");
	double q1 = sm_svg_quantile(c->y, c->n, 0.25), q3 = sm_svg_quantile(c->y, c->n, 0.75);
	sm_svg_line(out, x, sm_svg_at_y(f, q1), x, sm_svg_at_y(f, q3),
		    "stroke=\"currentColor\" stroke-width=\"5\" stroke-linecap=\"round\"");
	sm_text_str(out, "<circle r=\"3\" style=\"fill:var(--page,#fff)\" stroke=\"currentColor\"");
	sm_svg_attribute(out, "cx", x);
	sm_svg_attribute(out, "cy", sm_svg_at_y(f, sm_svg_quantile(c->y, c->n, 0.5)));
	sm_text_str(out, "/>\n");
}

void sm_svg_violins(struct sm_text *out, const struct sm_svg_groups *g)
{
	struct layout l = begin(out, g);
	for (size_t i = 0; i < g->groups; i++)
		for (size_t s = 0; s < g->series; s++) {
			const struct sm_svg_column *c = &g->column[i * g->series + s];
			double x = sm_svg_at_x(&l.frame, place(g, i, s));
			double width = c->n < FEW ? 0 : kernel_width(c);
			if (width > 0)
				draw_violin(out, &l, x, c, width);
			else
				draw_few(out, &l, x, c);
		}
	sm_text_str(out, "</svg>\n");
}

/* Finite points of all series, and what the axes have to reach. */
static bool reach(const struct sm_svg_chart *c, const struct sm_svg_level *level, size_t levels,
		  double x[2], double y[2])
{
	bool any = false;
	for (size_t s = 0; s < c->count; s++)
		for (size_t i = 0; i < c->series[s].n; i++) {
			double px = c->series[s].x[i], py = c->series[s].y[i];
			if (!isfinite(px) || !isfinite(py))
				continue;
			x[0] = !any || px < x[0] ? px : x[0];
			x[1] = !any || px > x[1] ? px : x[1];
			y[0] = !any || py < y[0] ? py : y[0];
			y[1] = !any || py > y[1] ? py : y[1];
			any = true;
		}
	for (size_t i = 0; any && i < levels; i++)
		if (isfinite(level[i].y)) {
			y[0] = level[i].y < y[0] ? level[i].y : y[0];
			y[1] = level[i].y > y[1] ? level[i].y : y[1];
		}
	if (isfinite(c->y_low) && c->y_low < y[0])
		y[0] = c->y_low;
	if (isfinite(c->y_high) && c->y_high > y[1])
		y[1] = c->y_high;
	if (!(x[1] > x[0]))
		x[1] = x[0] + 1;
	if (!(y[1] > y[0]))
		y[1] = y[0] + 1;
	return any;
}

static void draw_points(struct sm_text *out, const struct sm_svg_frame *f,
			const struct sm_svg_series *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (!isfinite(s->x[i]) || !isfinite(s->y[i]))
			continue;
		sm_text_f(out,
			  "<circle r=\"3.4\" fill=\"%s\" fill-opacity=\".75\" "
			  "stroke=\"currentColor\" stroke-opacity=\".45\"",
			  s->colour);
		sm_svg_attribute(out, "cx", sm_svg_at_x(f, s->x[i]));
		sm_svg_attribute(out, "cy", sm_svg_at_y(f, s->y[i]));
		sm_text_str(out, "/>\n");
	}
}

static void draw_levels(struct sm_text *out, const struct sm_svg_frame *f,
			const struct sm_svg_level *level, size_t levels)
{
	double before = -1e9;
	for (size_t i = 0; i < levels; i++) {
		if (!isfinite(level[i].y))
			continue;
		double y = sm_svg_at_y(f, level[i].y), words = y - 4;
		sm_svg_line(out, f->left, y, f->right, y,
			    level[i].dashed ? "stroke=\"currentColor\" stroke-width=\"1.4\" "
					      "stroke-dasharray=\"6 3\""
					    : "stroke=\"currentColor\" stroke-width=\"1.4\"");
		/* Levels come from the top; names that would meet stand below one another. */
		words = words < before + 13 ? before + 13 : words;
		before = words;
		if (level[i].name)
			sm_svg_words(out, f->right, words, "end", level[i].name);
	}
}

void sm_svg_scatter(struct sm_text *out, const struct sm_svg_chart *c, const char *y_title,
		    const struct sm_svg_level *level, size_t levels)
{
	double x[2] = {0, 1}, y[2] = {0, 1};
	reach(c, level, levels, x, y);
	struct sm_ticks tx = sm_ticks_nice(x[0], x[1], 6), ty = sm_ticks_nice(y[0], y[1], 5);
	bool legend = c->count > 1;
	const double left = sm_svg_left(&ty);
	struct sm_svg_frame f = {left > SM_SVG_LEFT + 8 ? left : SM_SVG_LEFT + 8,
				 c->width - SM_SVG_RIGHT,
				 22 + (legend ? 22 : 0),
				 c->height - SM_SVG_BOTTOM,
				 tx.first,
				 tx.first + tx.step * (tx.count - 1),
				 ty.first,
				 ty.first + ty.step * (ty.count - 1)};
	sm_svg_begin(out, c->label, c->width, c->height);
	sm_svg_y_axis(out, &f, &ty);
	for (int i = 0; i < tx.count; i++) {
		double v = tx.first + i * tx.step, at = sm_svg_at_x(&f, v);
		sm_svg_line(out, at, f.bottom, at, f.bottom + 5,
			    "stroke=\"currentColor\" stroke-opacity=\".6\"");
		sm_svg_words_of(out, at, f.bottom + 18, "middle", v, tx.decimals);
	}
	sm_svg_words(out, (f.left + f.right) / 2, c->height - 6, "middle", c->x_title);
	if (y_title)
		sm_svg_words(out, 2, f.top - 10, "start", y_title);
	for (size_t s = 0; s < c->count; s++)
		draw_points(out, &f, &c->series[s]);
	draw_levels(out, &f, level, levels);
	if (legend)
		sm_svg_legend(out, SM_SVG_LEFT, 16, c->series, c->count, true);
	sm_text_str(out, "</svg>\n");
}
