/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "eval/report_parts.h"

const char *sm_region_colour(const struct sm_label_map *map, size_t row)
{
	/* The rows of BraTS's map; of others the palette again and again. */
	static const int brats[SM_BRATS_ROWS] = {
		[SM_WT] = SM_SKY,         [SM_TC] = SM_ORANGE,
		[SM_ET] = SM_PURPLE,      [SM_TC_ORIGINAL] = SM_YELLOW,
		[SM_LABEL_1] = SM_YELLOW, [SM_LABEL_2] = SM_GREEN,
		[SM_LABEL_4] = SM_PURPLE,
	};
	static const int others[SM_COLOURS] = {SM_SKY,    SM_ORANGE, SM_PURPLE,   SM_GREEN,
					       SM_YELLOW, SM_BLUE,   SM_VERMILION};
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

const char *sm_model_colour(size_t model)
{
	/* The first three are no region's of BraTS: a page shows both. */
	static const int order[] = {SM_BLUE,   SM_VERMILION, SM_COLOURS, SM_ORANGE,
				    SM_PURPLE, SM_GREEN,     SM_SKY,     SM_YELLOW};
	const int c = order[model % SM_COUNT(order)];
	return c == SM_COLOURS ? SM_GREY_COLOUR : sm_okabe_ito[c];
}

void sm_report_key(struct sm_text *out, const char *colour, const char *name)
{
	sm_text_f(out, "<span class=\"nw\"><i class=\"key\" style=\"background:%s\"></i>", colour);
	sm_text_html(out, name);
	sm_text_str(out, "</span>");
}

void sm_report_head(struct sm_text *out, const char *words, bool number)
{
	sm_text_f(out, "<th scope=\"col\"%s>", number ? " class=\"n\"" : "");
	sm_text_html(out, words);
	sm_text_str(out, "</th>");
}

void sm_report_number(struct sm_text *out, double v, int decimals)
{
	sm_text_str(out, "<td class=\"n\">");
	sm_text_number(out, v, decimals, "–");
	sm_text_str(out, "</td>");
}

void sm_report_p(struct sm_text *out, double p)
{
	if (p < 0.0001)
		sm_text_str(out, "<td class=\"n\">&lt;0.0001</td>");
	else
		sm_report_number(out, p, 4);
}

void sm_report_table(struct sm_text *out, const char *kind)
{
	sm_text_f(out, "<div class=\"wide\" tabindex=\"0\"><table%s%s%s>\n<caption>",
		  kind ? " class=\"" : "", kind ? kind : "", kind ? "\"" : "");
}

void sm_report_unit(const struct sm_column *column, struct sm_text *out)
{
	if (strcmp(column->metric->unit, "1") != 0) {
		sm_text_str(out, ", ");
		sm_text_html(out, column->metric->unit);
	}
}

const char *sm_report_better(const struct sm_metric *metric)
{
	static const char *const words[] = {[SM_IS_HIGH] = "higher is better",
					    [SM_IS_LOW] = "lower is better",
					    [SM_IS_ZERO] = "best is 0"};
	return words[metric->better];
}
