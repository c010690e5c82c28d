/* SPDX-License-Identifier: Apache-2.0 */
#include "train/way_back.h"

#include <math.h>

bool sm_way_back_exact(const struct sm_way_back *way)
{
	for (int r = 0; r < 3; r++) {
		int in_row = 0, in_column = 0;
		for (int a = 0; a < 3; a++) {
			double v = way->way[r][a];
			if (v != 0 && v != 1 && v != -1)
				return false;
			in_row += v != 0;
			in_column += way->way[a][r] != 0;
		}
		double shift = way->way[r][3];
		if (in_row != 1 || in_column != 1 || shift != floor(shift))
			return false;
	}
	return true;
}

int sm_way_back_labels(const struct sm_way_back *way, int classes, uint8_t original[256])
{
	int unclear = -1;
	for (int label = 0; label < 256; label++) {
		int found = 0;
		original[label] = (uint8_t)label;
		for (size_t i = 0; i < way->pair_count; i++)
			if (way->pairs[i][1] == label) {
				original[label] = (uint8_t)way->pairs[i][0];
				found++;
			}
		if (found > 1) {
			original[label] = (uint8_t)label;
			if (unclear < 0 && label >= 1 && label <= classes)
				unclear = label;
		}
	}
	return unclear;
}
