/* SPDX-License-Identifier: Apache-2.0 */
#include "train/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/field.h"
#include "core/hash.h"
#include "core/ledger.h"
#include "train/checkpoint.h"

enum sm_status sm_settings_text(const json_t *header, const char *section, const char *const *skip,
				size_t skips, json_t *more, char **text, char fingerprint[65],
				struct sm_err *err)
{
	static const char *const keys[] = {"stage", "version", "settings", "parents"};
	json_t *all = json_object();
	for (size_t i = 0; i < SM_COUNT(keys); i++)
		json_object_set_new(all, keys[i], json_deep_copy(json_object_get(header, keys[i])));
	json_t *settings = json_object_get(all, "settings");
	json_t *own = json_object_get(json_object_get(settings, "manifest"), section);
	for (size_t i = 0; i < skips; i++)
		json_object_del(own, skip[i]);
	if (more)
		json_object_set_new(all, "training", more);
	*text = sm_json_line(all);
	json_decref(all);
	if (!*text)
		return SM_FAIL(err, SM_BUDGET, "train: out of memory");
	size_t n = strlen(*text);
	if (n >= SM_CHECKPOINT_SETTINGS)
		return SM_FAIL(
			err, SM_USAGE,
			"train: its settings are %zu characters long, allowed are less than %d", n,
			SM_CHECKPOINT_SETTINGS);
	sm_sha256_bytes(*text, n, fingerprint);
	return SM_OK;
}

/* A place in settings as a person would write it: train.seed, --fold. */
static void say_place(const char *path, char out[128])
{
	static const struct {
		const char *head, *say;
	} names[] = {{"settings.manifest.", ""},
		     {"settings.options.", "--"},
		     {"settings.seed", "--seed"},
		     {"parents.", "the ledger of "},
		     {"version", "the version of stage train"}};
	for (size_t i = 0; i < SM_COUNT(names); i++) {
		size_t n = strlen(names[i].head);
		if (strncmp(path, names[i].head, n) == 0) {
			snprintf(out, 128, "%s%s", names[i].say, path + n);
			return;
		}
	}
	snprintf(out, 128, "%s", path);
}

#define VALUE sizeof((struct sm_setting *)0)->found

/* Cuts a text that is too long so that it still ends as it began: "abc...", [1,2,...]. Lists end
 * behind a whole member, texts behind a whole character. */
static void shorten(char out[VALUE])
{
	const bool list = out[0] == '[' || out[0] == '{';
	const char *close = out[0] == '[' ? "]" : out[0] == '{' ? "}" : out[0] == '"' ? "\"" : "";
	size_t n = VALUE - 1 - strlen("...") - strlen(close);
	while (list && n > 1 && out[n - 1] != ',')
		n--;
	while (!list && n > 1 && ((unsigned char)out[n] & 0xc0) == 0x80)
		n--;
	snprintf(out + n, VALUE - n, "...%s", close);
}

static void say_value(const json_t *v, char out[VALUE])
{
	char *text =
		v ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
	snprintf(out, VALUE, "%s", v && text ? text : "nothing");
	if (text && strlen(text) >= VALUE)
		shorten(out);
	free(text);
}

/* The first value of objects or arrays a and b that differs, "" when none does; path holds the
 * place of the two. */
static bool differ(const json_t *a, const json_t *b, char path[128], const json_t **x,
		   const json_t **y)
{
	const char *key;
	const json_t *v;
	if (json_equal((json_t *)a, (json_t *)b))
		return false;
	size_t n = strlen(path);
	*x = a;
	*y = b;
	if (!json_is_object(a) || !json_is_object(b))
		return true;
	for (int turn = 0; turn < 2; turn++) {
		const json_t *one = turn ? b : a, *other = turn ? a : b;
		json_object_foreach((json_t *)one, key, v)
		{
			const json_t *w = json_object_get(other, key);
			snprintf(path + n, 128 - n, "%s%s", n ? "." : "", key);
			if (differ(turn ? w : v, turn ? v : w, path, x, y))
				return true;
		}
	}
	return true;
}

bool sm_settings_differ(const char *now, const char *then, struct sm_setting *out)
{
	json_t *a = now ? json_loads(now, 0, NULL) : NULL,
	       *b = then ? json_loads(then, 0, NULL) : NULL;
	const json_t *x = NULL, *y = NULL;
	char path[128] = "";
	bool found = a && b && differ(a, b, path, &x, &y);
	if (found) {
		say_place(path, out->place);
		say_value(x, out->found);
		say_value(y, out->had);
	}
	json_decref(a);
	json_decref(b);
	return found;
}
