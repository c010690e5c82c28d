/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "ingest/cases/cases.h"

#define NAME_SIZE sizeof((struct sm_names *)0)->name

static const char *const words[] = {"{case}", "{patient}"};
#define WORDS (sizeof words / sizeof *words)

static bool match(const char *p, const char *end, const char *s, char *const names[WORDS]);

/* p stands behind a placeholder whose text begins at s; name is what it stood for before, if it
 * did. */
static bool match_word(const char *p, const char *end, const char *s, size_t word,
		       char *const names[WORDS])
{
	char *name = names[word];
	size_t got = strlen(name);
	if (got)
		return strncmp(s, name, got) == 0 && match(p, end, s + got, names);
	for (size_t k = 1; k < NAME_SIZE && s[k - 1] && s[k - 1] != '/'; k++) {
		memcpy(name, s, k);
		name[k] = '\0';
		if (match(p, end, s + k, names))
			return true;
	}
	name[0] = '\0';
	return false;
}

static bool match(const char *p, const char *end, const char *s, char *const names[WORDS])
{
	for (; p < end; p++, s++) {
		if (*p == '*') {
			for (;; s++) {
				if (match(p + 1, end, s, names))
					return true;
				if (!*s || *s == '/')
					return false;
			}
		}
		for (size_t w = 0; w < WORDS; w++) {
			size_t n = strlen(words[w]);
			if ((size_t)(end - p) >= n && memcmp(p, words[w], n) == 0)
				return match_word(p + n, end, s, w, names);
		}
		if (*p != *s)
			return false;
	}
	return *s == '\0';
}

bool sm_pattern_match(const char *pattern, const char *path, struct sm_names *out)
{
	char *const names[WORDS] = {out->name, out->patient};
	*out = (struct sm_names){0};
	return match(pattern, pattern + strlen(pattern), path, names);
}

const char *sm_pattern_part(const char **rest, size_t *n)
{
	const char *p = *rest;
	if (!p)
		return NULL;
	size_t all = strcspn(p, "|");
	*rest = p[all] ? p + all + 1 : NULL;
	while (all && *p == ' ') {
		p++;
		all--;
	}
	while (all && p[all - 1] == ' ')
		all--;
	*n = all;
	return p;
}

bool sm_pattern_has(const char *part, size_t n, const char *word)
{
	size_t len = strlen(word);
	for (size_t i = 0; i + len <= n; i++)
		if (memcmp(part + i, word, len) == 0)
			return true;
	return false;
}

int sm_pattern_which(const char *pattern, const char *path, struct sm_names *out)
{
	char *const names[WORDS] = {out->name, out->patient};
	const char *part;
	size_t n;
	for (int k = 0; (part = sm_pattern_part(&pattern, &n)); k++) {
		*out = (struct sm_names){0};
		if (match(part, part + n, path, names))
			return k;
	}
	return -1;
}
