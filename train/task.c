/* SPDX-License-Identifier: Apache-2.0 */
#include "train/task.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum sm_status sm_task_classes(struct sm_task *task, int labels, bool softmax, struct sm_err *err)
{
	int first = softmax ? 1 : 0;
	*task = (struct sm_task){.softmax = softmax, .channels = labels + first, .labels = labels};
	if (labels < 1 || task->channels > SM_TASK_CHANNELS)
		return SM_FAIL(err, SM_USAGE, "classes: found %d, allowed are 1 to %d", labels,
			       SM_TASK_CHANNELS - first);
	for (int c = 0; c < task->channels; c++) {
		int label = c + 1 - first;
		task->member[c][label] = 1;
		task->paint[c] = (uint8_t)label;
		snprintf(task->name[c], SM_TASK_NAME, label ? "%d" : "background", label);
	}
	return SM_OK;
}

void sm_task_regions(struct sm_task *task, int labels)
{
	*task = (struct sm_task){.regions = true, .labels = labels};
}

static bool name_is_safe(const char *name)
{
	size_t n = strlen(name);
	return n > 0 && n < SM_TASK_NAME &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
		       n;
}

enum sm_status sm_task_region(struct sm_task *task, const char *name, const int64_t *label,
			      size_t n, struct sm_err *err)
{
	int c = task->channels;
	if (c == SM_TASK_CHANNELS)
		return SM_FAIL(err, SM_USAGE, "regions: found more than %d, allowed are %d", c, c);
	if (!name_is_safe(name))
		return SM_FAIL(err, SM_USAGE,
			       "regions[%d].name: found '%s', allowed are 1 to %d letters, digits, "
			       "'_' and '-'",
			       c, name, SM_TASK_NAME - 1);
	for (int k = 0; k < c; k++)
		if (strcmp(task->name[k], name) == 0)
			return SM_FAIL(err, SM_USAGE,
				       "regions[%d].name: found '%s' again, allowed is once", c,
				       name);
	if (!n)
		return SM_FAIL(err, SM_USAGE, "regions[%d].labels: found none, needed is one", c);
	for (size_t i = 0; i < n; i++) {
		if (label[i] < 1 || label[i] > task->labels)
			return SM_FAIL(err, SM_USAGE,
				       "regions[%d].labels: found %" PRId64
				       ", allowed are 1 to %d (classes)",
				       c, label[i], task->labels);
		if (task->member[c][label[i]])
			return SM_FAIL(err, SM_USAGE,
				       "regions[%d].labels: found %" PRId64
				       " twice, allowed is once",
				       c, label[i]);
		task->member[c][label[i]] = 1;
	}
	snprintf(task->name[c], SM_TASK_NAME, "%s", name);
	task->channels++;
	return SM_OK;
}

enum sm_status sm_task_check(struct sm_task *task, struct sm_err *err)
{
	bool covered[256] = {false};
	if (!task->channels)
		return SM_FAIL(err, SM_USAGE, "regions: found none, needed is at least one");
	for (int c = task->channels - 1; c >= 0; c--) {
		int paint = 0;
		for (int l = task->labels; l > 0; l--) {
			if (task->member[c][l] && !covered[l])
				paint = l;
			covered[l] |= task->member[c][l] != 0;
		}
		if (!paint)
			return SM_FAIL(err, SM_USAGE,
				       "regions[%d]: all labels of '%s' stand in later regions, "
				       "allowed is that larger regions come first",
				       c, task->name[c]);
		task->paint[c] = (uint8_t)paint;
	}
	return SM_OK;
}

int sm_task_first(const struct sm_task *task)
{
	return task->softmax ? 1 : 0;
}

void sm_task_target(const struct sm_task *task, const uint8_t *label, size_t n, float *dst)
{
	size_t k = (size_t)task->channels;
	for (size_t c = 0; c < k; c++) {
		const uint8_t *member = task->member[c];
		for (size_t i = 0; i < n; i++)
			dst[i * k + c] = (float)member[label[i]];
	}
}

void sm_task_labels(const struct sm_task *task, const float *p, size_t n, double threshold,
		    uint8_t *dst)
{
	size_t k = (size_t)task->channels;
	for (size_t i = 0; i < n; i++) {
		const float *v = p + i * k;
		double best = task->softmax ? (double)v[0] : threshold;
		dst[i] = task->softmax ? task->paint[0] : 0;
		for (size_t c = (size_t)sm_task_first(task); c < k; c++)
			if ((double)v[c] > best) {
				dst[i] = task->paint[c];
				best = task->regions ? best : (double)v[c];
			}
	}
}

json_t *sm_task_dump(const struct sm_task *task)
{
	json_t *list = json_array();
	for (int c = 0; c < task->channels; c++) {
		json_t *labels = json_array();
		for (int l = 0; l <= task->labels; l++)
			if (task->member[c][l])
				json_array_append_new(labels, json_integer(l));
		json_array_append_new(list, json_pack("{s:s, s:o}", "name", task->name[c], "labels",
						      labels));
	}
	const char *head = task->softmax ? "softmax" : "sigmoid";
	return json_pack("{s:s, s:b, s:i, s:o}", "head", head, "regions", (int)task->regions,
			 "labels", task->labels, "channels", list);
}

/* The same with the rules of the makers above, so that nothing else can come out of a file. */
bool sm_task_parse(const json_t *json, struct sm_task *task)
{
	const char *head = json_string_value(json_object_get(json, "head"));
	const json_t *list = json_object_get(json, "channels");
	json_int_t labels = json_integer_value(json_object_get(json, "labels"));
	bool regions = json_is_true(json_object_get(json, "regions"));
	size_t n = json_array_size(list);
	*task = (struct sm_task){0};
	if (!head || labels < 1 || labels > 255 || n < 1 || n > SM_TASK_CHANNELS)
		return false;
	bool softmax = strcmp(head, "softmax") == 0;
	if ((!softmax && strcmp(head, "sigmoid") != 0) || (softmax && regions))
		return false;
	if (!regions)
		return sm_task_classes(task, (int)labels, softmax, NULL) == SM_OK &&
		       (size_t)task->channels == n;
	sm_task_regions(task, (int)labels);
	for (size_t c = 0; c < n; c++) {
		const json_t *one = json_array_get(list, c), *set = json_object_get(one, "labels");
		const char *name = json_string_value(json_object_get(one, "name"));
		int64_t label[256];
		size_t count = json_array_size(set);
		for (size_t i = 0; i < count && count <= 256; i++)
			label[i] = json_integer_value(json_array_get(set, i));
		if (!name || count > 256 || sm_task_region(task, name, label, count, NULL) != SM_OK)
			return false;
	}
	return sm_task_check(task, NULL) == SM_OK;
}

bool sm_task_equal(const struct sm_task *a, const struct sm_task *b)
{
	return a->softmax == b->softmax && a->regions == b->regions &&
	       a->channels == b->channels && a->labels == b->labels &&
	       memcmp(a->member, b->member, sizeof a->member) == 0;
}
