/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/report.h"

const char *sm_region_colour(const struct sm_label_map *map, size_t row)
{
	/* The rows of BraTS's map; of others the palette again and again. */
	static const int brats[SM_BRATS_ROWS] = {
		[SM_WT] = SM_SKY,         [SM_TC] = SM_ORANGE,
		[SM_ET] = SM_PURPLE,      [SM_TC_ORIGINAL] = SM_YELLOW,
		[SM_LABEL_1] = SM_YELLOW, [SM_LABEL_2] = SM_GREEN,
		[SM_LABEL_4] = SM_PURPLE,
	};
	static const int others[SM_COLOURS] = {SM_SKY,  SM_ORANGE,     SM_PURPLE, SM_GREEN,
					       SM_BLUE, SM_VERMILION, SM_YELLOW};
	bool is_brats = map->row[0].words == sm_brats_map.row[0].words;
	return sm_okabe_ito[is_brats ? brats[row] : others[row % SM_COLOURS]];
}

void sm_region_words(const struct sm_label_map *map, size_t row, struct sm_text *out)
{
	char labels[SM_REGION_LABELS];
	sm_region_labels(map, row, labels);
	if (map->row[row].words)
		sm_text_str(out, map->row[row].words);
	else
		sm_text_f(out, "label%s %s", strchr(labels, ',') ? "s" : "", labels);
}

static void number_cell(struct sm_text *out, double v, int decimals)
{
	sm_text_str(out, "<td class=\"n\">");
	sm_text_number(out, v, decimals, "–");
	sm_text_str(out, "</td>");
}

/* Mean and spread of a region's metric; Dice stands out. */
static void mean_cell(struct sm_text *out, const struct sm_summary *summary, size_t r, size_t m)
{
	const struct sm_stat *s = &summary->stat[r][m];
	bool strong = m == SM_DICE;
	int decimals = sm_metrics[m].decimals;
	sm_text_f(out, "<td class=\"n\">%s", strong ? "<b>" : "");
	sm_text_number(out, s->mean, decimals, "–");
	sm_text_str(out, strong ? "</b>" : "");
	if (isfinite(s->sd))
		sm_text_f(out, " <span class=\"quiet\">± %.*f</span>", decimals, s->sd);
	sm_text_str(out, "</td>");
}

static void empty_cell(struct sm_text *out, const struct sm_summary *s, size_t r)
{
	sm_text_f(out, "<td class=\"n\">%zu", s->empty_truth[r]);
	if (s->empty_truth[r])
		sm_text_f(out, " <span class=\"quiet\">(%zu found empty)</span>", s->empty_both[r]);
	sm_text_str(out, "</td>");
}

/* Rows from..to-1 of the table under a line that says what they are; without any nothing. */
static void region_rows(const struct sm_report *report, struct sm_text *out, const char *whose,
			size_t from, size_t to)
{
	const struct sm_summary *s = &report->summary;
	const struct sm_label_map *map = &report->map;
	if (from == to)
		return;
	sm_text_f(
		out,
		"<tbody>\n<tr class=\"group\"><th colspan=\"8\" scope=\"rowgroup\">%s</th></tr>\n",
		whose);
	for (size_t r = from; r < to; r++) {
		char labels[SM_REGION_LABELS];
		sm_region_labels(map, r, labels);
		sm_text_f(out,
			  "<tr><th scope=\"row\"><i class=\"key\" "
			  "style=\"background:%s\"></i>%s</th><td>%s</td>",
			  sm_region_colour(map, r), map->row[r].name, labels);
		mean_cell(out, s, r, SM_DICE);
		number_cell(out, s->stat[r][SM_DICE].median, 3);
		mean_cell(out, s, r, SM_SENSITIVITY);
		mean_cell(out, s, r, SM_SPECIFICITY);
		sm_text_f(out, "<td class=\"n\">%zu</td>", s->stat[r][SM_DICE].n);
		empty_cell(out, s, r);
		sm_text_str(out, "</tr>\n");
	}
	sm_text_str(out, "</tbody>\n");
}

void sm_report_scores(const struct sm_report *report, struct sm_text *out)
{
	sm_text_f(out,
		  "<div class=\"wide\" tabindex=\"0\"><table>\n<caption>Mean ± standard deviation "
		  "over %zu %scase%s, on "
		  "whole volumes. n = cases in the mean of Dice; empty truth = cases whose truth "
		  "lacks "
		  "the region.</caption>\n",
		  report->count, sm_report_fold(report), report->count == 1 ? "" : "s");
	sm_text_str(
		out,
		"<thead><tr><th scope=\"col\">Region</th><th scope=\"col\">Labels</th>"
		"<th scope=\"col\" class=\"n\">Dice</th><th scope=\"col\" class=\"n\">Median "
		"Dice</th>"
		"<th scope=\"col\" class=\"n\">Sensitivity</th><th scope=\"col\" "
		"class=\"n\">Specificity</th>"
		"<th scope=\"col\" class=\"n\">n</th><th scope=\"col\" class=\"n\">Empty truth</th>"
		"</tr></thead>\n");
	const struct sm_label_map *map = &report->map;
	bool is_brats = map->singles > map->regions;
	region_rows(report, out, is_brats ? "BraTS regions" : "Regions", 0, map->regions);
	region_rows(report, out, "The original study's core", map->regions, map->singles);
	region_rows(report, out, "Single labels", map->singles, map->n);
	sm_text_str(out, "</table></div>\n");
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

enum sm_status sm_report_spread(const struct sm_report *report, struct sm_text *out,
				struct sm_err *err)
{
	const struct sm_label_map *map = &report->map;
	struct sm_svg_column columns[SM_MAP_ROWS];
	double *v = sm_alloc(&report->run->mem, report->count + 1, sizeof *v * SM_MAP_ROWS,
			     "spread of scores", err);
	if (!v)
		return SM_BUDGET;
	for (size_t r = 0; r < map->shown; r++) {
		double *y = v + r * report->count;
		size_t n = 0;
		for (size_t i = 0; i < report->count; i++)
			if (isfinite(report->cases[i].scores.value[r][SM_DICE]))
				y[n++] = report->cases[i].scores.value[r][SM_DICE];
		qsort(y, n, sizeof *y, ascending);
		columns[r] =
			(struct sm_svg_column){map->row[r].name, sm_region_colour(map, r), y, n};
	}
	sm_text_str(out, "<figure class=\"chart\">\n<figcaption>Dice of every case; the bar is the "
			 "median</figcaption>\n");
	sm_svg_dots(out, "Dice of every case by region, a dot each, with the median", 640, 260,
		    columns, map->shown);
	sm_text_str(out, "</figure>\n");
	sm_free(v);
	return SM_OK;
}

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
	static const int colours[] = {SM_ORANGE, SM_GREEN,     SM_PURPLE,
				      SM_BLUE,   SM_VERMILION, SM_SKY};
	static const char head[] = "val_dice_";
	struct sm_svg_series series[SM_COUNT(colours)];
	char names[SM_COUNT(colours)][48];
	size_t n = 0;
	for (size_t c = 0; c < h->columns && n < SM_COUNT(colours); c++) {
		const char *part = h->name[c] + strlen(head);
		if (strncmp(h->name[c], head, strlen(head)) != 0 || strncmp(part, "coef", 4) == 0)
			continue;
		bool number = strspn(part, "0123456789") == strlen(part);
		snprintf(names[n], sizeof names[n], "%s%.40s", number ? "class " : "", part);
		series[n] = (struct sm_svg_series){names[n], sm_okabe_ito[colours[n]], epoch,
						   h->column[c], h->rows, n % 2};
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

static void case_row(const struct sm_label_map *map, const struct sm_report_case *c,
		     struct sm_text *out)
{
	const struct sm_counts *wt = &c->scores.counts[0];
	sm_text_str(out, "<tr><th scope=\"row\">");
	sm_text_html(out, c->key);
	sm_text_str(out, "</th>");
	number_cell(out, (double)(wt->tp + wt->fn) * c->voxel_mm3 / 1000, 1);
	number_cell(out, (double)(wt->tp + wt->fp) * c->voxel_mm3 / 1000, 1);
	for (size_t r = 0; r < map->shown; r++) {
		number_cell(out, c->scores.value[r][SM_DICE], 3);
		if (r < map->main)
			number_cell(out, c->scores.value[r][SM_SENSITIVITY], 3);
	}
	number_cell(out, c->scores.value[0][SM_SPECIFICITY], 4);
	sm_text_str(out, "</tr>\n");
}

static void rejected_table(const struct sm_report *report, struct sm_text *out)
{
	size_t i;
	json_t *record;
	if (!report->rejected)
		return;
	sm_text_f(out,
		  "<div class=\"wide\" tabindex=\"0\"><table>\n<caption>%zu case%s could not be "
		  "scored and %s in no "
		  "figure of this page</caption>\n<thead><tr><th scope=\"col\">Case</th>"
		  "<th scope=\"col\">Why</th></tr></thead>\n<tbody>\n",
		  report->rejected, report->rejected == 1 ? "" : "s",
		  report->rejected == 1 ? "is" : "are");
	sm_records_foreach(report->from[SM_FROM_EVALUATE].records, i, record)
	{
		if (sm_record_ok(record))
			continue;
		sm_text_str(out, "<tr><th scope=\"row\">");
		sm_text_html(out, sm_record_key(record));
		sm_text_str(out, "</th><td>");
		sm_text_html(out, sm_json_text(record, "reason"));
		sm_text_str(out, "</td></tr>\n");
	}
	sm_text_str(out, "</tbody></table></div>\n");
}

void sm_report_cases(const struct sm_report *report, struct sm_text *out)
{
	const struct sm_label_map *map = &report->map;
	sm_text_str(out, "<section id=\"cases\">\n<h2>Every case</h2>\n");
	sm_text_f(
		out,
		"<div class=\"wide\" tabindex=\"0\"><table>\n<caption>Dice, and sensitivity beside "
		"it (Sens.); volumes "
		"of %s in cm³. A dash marks a score that is undefined or left out by "
		"the rule for empty regions.</caption>\n<thead><tr><th scope=\"col\">Case</th>"
		"<th scope=\"col\" class=\"n\">True cm³</th><th scope=\"col\" "
		"class=\"n\">Predicted cm³</th>",
		map->row[0].name);
	for (size_t r = 0; r < map->shown; r++) {
		sm_text_f(out, "<th scope=\"col\" class=\"n\">%s</th>", map->row[r].name);
		if (r < map->main)
			sm_text_f(out,
				  "<th scope=\"col\" class=\"n\"><abbr title=\"Sensitivity of "
				  "%s\">Sens.</abbr></th>",
				  map->row[r].name);
	}
	sm_text_f(out,
		  "<th scope=\"col\" class=\"n\">Specificity %s</th></tr></thead>\n<tbody>\n",
		  map->row[0].name);
	for (size_t i = 0; i < report->count; i++)
		case_row(map, &report->cases[i], out);
	sm_text_str(out, "</tbody></table></div>\n");
	rejected_table(report, out);
	sm_text_str(out, "</section>\n");
}

void sm_report_definitions(const struct sm_report *report, struct sm_text *out)
{
	sm_text_str(out, "<section id=\"definitions\">\n<h2>Definitions</h2>\n<dl>\n");
	for (size_t r = 0; r < report->map.shown; r++) {
		sm_text_f(out, "<dt>%s</dt><dd>", report->map.row[r].name);
		sm_region_words(&report->map, r, out);
		sm_text_str(out, ".</dd>\n");
	}
	for (size_t m = 0; m < SM_METRICS; m++)
		sm_text_f(out, "<dt>%s</dt><dd>%s; from 0 to 1.</dd>\n", sm_metrics[m].name,
			  sm_metrics[m].formula);
	sm_text_f(
		out,
		"<dt>TP, FP, FN, TN</dt><dd>Voxels of the whole volume that lie in both truth and "
		"prediction, in the prediction alone, in the truth alone, in neither.</dd>\n"
		"<dt>Empty regions</dt><dd>%s</dd>\n"
		"<dt>Mean, SD, median</dt><dd>Over cases, each case counting once; SD is the "
		"sample's "
		"(n − 1).</dd>\n",
		report->skip_empty
			? "A case whose truth lacks the region is left out of the means of Dice "
			  "and sensitivity."
			: "Where the truth lacks the region, Dice and sensitivity are 1 when the "
			  "prediction lacks "
			  "it too and 0 otherwise: for Dice, the rule of the BraTS challenge.");
	sm_text_str(out, "</dl>\n</section>\n");
}
