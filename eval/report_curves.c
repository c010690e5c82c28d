/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/report.h"

/* Epoch with the lowest value; NaN when there is none. */
static double best_epoch(const double *epoch, const double *v, size_t n)
{
	size_t best = n;
	for (size_t i = 0; v && i < n; i++)
		if (isfinite(v[i]) && (best == n || v[i] < v[best]))
			best = i;
	return best < n ? epoch[best] : NAN;
}

/* Words for the usual columns; others keep their name. */
static const char *curve_title(const char *column)
{
	static const struct {
		const char *column, *title;
	} titles[] = {
		{"loss", "Loss"},
		{"dice", "Dice coefficient while training (soft, by tile)"},
		{"accuracy", "Accuracy"},
		{"mean_iou", "Mean IoU"},
		{"lr", "Learning rate"},
		{"learning_rate", "Learning rate"},
		{"rate", "Learning rate"},
		{"dice_coef", "Dice with the background (soft, by step)"},
		{"volume_dice", "Dice of whole validation volumes"},
		{"precision", "Precision"},
		{"sensitivity", "Sensitivity"},
		{"specificity", "Specificity"},
		{"g", "Generators' loss"},
		{"d", "Discriminators' loss"},
		{"adversarial", "Adversarial loss of the generator"},
		{"adversarial_a", "Adversarial loss, generator of a"},
		{"adversarial_b", "Adversarial loss, generator of b"},
		{"l1", "Distance from the target (L1)"},
		{"perceptual", "Distance in the discriminator's layers"},
		{"content", "Content (VGG-19)"},
		{"style", "Style (VGG-19)"},
		{"cycle_a", "Cycle a -> b -> a"},
		{"cycle_b", "Cycle b -> a -> b"},
		{"identity_a", "Identity of a"},
		{"identity_b", "Identity of b"},
		{"real", "Discriminator, real images"},
		{"fake", "Discriminator, made images"},
		{"real_a", "Discriminator of a, real images"},
		{"fake_a", "Discriminator of a, made images"},
		{"real_b", "Discriminator of b, real images"},
		{"fake_b", "Discriminator of b, made images"},
	};
	for (size_t i = 0; i < SM_COUNT(titles); i++)
		if (strcmp(titles[i].column, column) == 0)
			return titles[i].title;
	return column;
}

/* The epochs that have a number in the column (others have NaN), so that their points are joined.
 * All of them when memory runs out. */
static struct sm_svg_series measured(const struct sm_report *report, const double *epoch,
				     size_t column)
{
	const struct sm_trainlog *h = &report->history;
	const double *v = h->column[column];
	bool is_valid = strncmp(h->name[column], "volume_", 7) == 0;
	struct sm_svg_series all = {is_valid ? "validation" : "training",
				    sm_okabe_ito[SM_BLUE],
				    epoch,
				    v,
				    h->rows,
				    false};
	double *room = sm_arena_alloc(&report->run->arena, 2 * (h->rows + 1) * sizeof *room);
	size_t n = 0;
	for (size_t r = 0; room && r < h->rows; r++)
		if (isfinite(v[r])) {
			room[n] = epoch[r];
			room[h->rows + n++] = v[r];
		}
	if (!n || n == h->rows)
		return all;
	all.x = room;
	all.y = room + h->rows;
	all.n = n;
	return all;
}

static void one_curve(const struct sm_report *report, const double *epoch, size_t column,
		      struct sm_text *out)
{
	const struct sm_trainlog *h = &report->history;
	char other[80] = "val_";
	strncat(other, h->name[column], sizeof other - 5);
	const double *valid = sm_trainlog_find(h, other);
	bool is_dice = strcmp(h->name[column], "dice") == 0;
	struct sm_svg_series series[] = {
		measured(report, epoch, column),
		{"validation", sm_okabe_ito[SM_VERMILION], epoch, valid, h->rows, true},
	};
	struct sm_svg_chart chart = {
		.label = curve_title(h->name[column]),
		.x_title = "epoch",
		.width = 520,
		.height = 300,
		.y_low = is_dice ? 0 : NAN,
		.y_high = is_dice ? 1 : NAN,
		.mark = best_epoch(epoch, sm_trainlog_find(h, "val_loss"), h->rows),
		.mark_name = "lowest validation loss",
		.series = series,
		.count = valid ? 2 : 1,
	};
	sm_text_str(out, "<figure class=\"chart\">\n<figcaption>");
	sm_text_html(out, curve_title(h->name[column]));
	sm_text_str(out, "</figcaption>\n");
	sm_svg_lines(out, &chart);
	sm_text_str(out, "</figure>\n");
}

/* The validation's Dice by class or region, when the log has it: columns val_dice_1, val_dice_2,
 * ... or val_dice_WT, ... */
static void class_curves(const struct sm_report *report, const double *epoch, struct sm_text *out)
{
	const struct sm_trainlog *h = &report->history;
	/* Classes by number, then regions by name: as far as they go the colours that BraTS's have
	 * on the rest of the page. */
	enum { MOST = 6 };
	static const int colours[2][MOST] = {
		{SM_BLUE, SM_GREEN, SM_PURPLE, SM_VERMILION, SM_SKY, SM_ORANGE},
		{SM_SKY, SM_ORANGE, SM_PURPLE, SM_GREEN, SM_BLUE, SM_VERMILION}};
	static const char head[] = "val_dice_";
	struct sm_svg_series series[MOST];
	char names[MOST][48];
	size_t n = 0;
	for (size_t c = 0; c < h->columns && n < MOST; c++) {
		const char *part = h->name[c] + strlen(head);
		if (strncmp(h->name[c], head, strlen(head)) != 0 || strncmp(part, "coef", 4) == 0)
			continue;
		bool number = strspn(part, "0123456789") == strlen(part);
		snprintf(names[n], sizeof names[n], "%s%.40s", number ? "class " : "", part);
		series[n] = (struct sm_svg_series){
			names[n],  sm_okabe_ito[colours[!number][n]], epoch, h->column[c], h->rows,
			n % 2 == 1};
		n++;
	}
	if (!n)
		return;
	struct sm_svg_chart chart = {.label = "Validation Dice by class",
				     .x_title = "epoch",
				     .width = 520,
				     .height = 300,
				     .y_low = 0,
				     .y_high = 1,
				     .mark = NAN,
				     .series = series,
				     .count = n};
	sm_text_str(
		out,
		"<figure class=\"chart\">\n<figcaption>Validation Dice by class</figcaption>\n");
	sm_svg_lines(out, &chart);
	sm_text_str(out, "</figure>\n");
}

/* Single classes have a chart of their own, and a learning rate that never changes needs none. */
static bool has_chart(const struct sm_trainlog *h, size_t c)
{
	static const char *const heads[] = {"val_", "dice_", "volume_dice_"};
	const double *v = h->column[c];
	bool moves = strcmp(h->name[c], "rate") != 0;
	for (size_t r = 1; !moves && r < h->rows; r++)
		moves = v[r] < v[0] || v[r] > v[0];
	for (size_t i = 0; i < SM_COUNT(heads); i++)
		if (strncmp(h->name[c], heads[i], strlen(heads[i])) == 0 &&
		    strcmp(h->name[c], "dice_coef") != 0)
			return false;
	return moves && strcmp(h->name[c], "epoch") != 0;
}

enum sm_status sm_report_curves(const struct sm_report *report, struct sm_text *out,
				struct sm_err *err)
{
	const struct sm_trainlog *h = &report->history;
	const double *epoch = sm_trainlog_find(h, "epoch");
	if (!h->columns)
		return SM_OK;
	if (!epoch)
		return SM_FAIL(err, SM_INPUT, "%s: line 1: column 'epoch' is missing",
			       SM_TRAINLOG_NAME);
	sm_text_f(out,
		  "<section id=\"training\">\n<h2>Training</h2>\n<p>%zu epoch%s in the log.</p>\n"
		  "<div class=\"charts\">\n",
		  h->rows, h->rows == 1 ? "" : "s");
	for (size_t c = 0; c < h->columns; c++)
		if (has_chart(h, c))
			one_curve(report, epoch, c, out);
	class_curves(report, epoch, out);
	sm_text_str(out, "</div>\n</section>\n");
	return SM_OK;
}
