/* SPDX-License-Identifier: Apache-2.0
 *
 * What tells the volumes of one series apart, as a short name (see dcm_series.h).
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/series/dcm_stack.h"

static const char *const component_names[] = {
	[SM_MAGNITUDE] = "mag",   [SM_PHASE] = "ph",           [SM_REAL] = "real",
	[SM_IMAGINARY] = "imag",  [SM_FIELD_MAP] = "fieldmap", [SM_VELOCITY] = "velocity",
	[SM_DERIVED_MAP] = "map",
};

static const struct sm_dcm_frame *frame_of(const struct sm_series *s,
					   const struct sm_dcm_head *heads)
{
	return sm_slice_frame(heads, s->slice[0]);
}

/* Only groups that could be volumes have something to be named by. */
static bool is_named(const struct sm_series *s, const struct sm_dcm_head *heads)
{
	return sm_slice_verdict(heads, s->slice[0]) == SM_VERDICT_OK &&
	       !sm_series_is_flat(s, heads);
}

typedef double (*number)(const struct sm_dcm_frame *f);
static double echo_of(const struct sm_dcm_frame *f)
{
	return f->echo_time;
}
static double inversion_of(const struct sm_dcm_frame *f)
{
	return f->inversion_time;
}

/* Above this many groups no contrast is behind them: plain numbers. */
#define MOST_NAMED 64

static int by_number(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Rank (from 1) of one group's number among the numbers of all; 0 when all are the same. */
static unsigned rank_of(const struct sm_series *s, size_t n, size_t at,
			const struct sm_dcm_head *heads, number value)
{
	double own = value(frame_of(&s[at], heads)), all[MOST_NAMED];
	size_t count = 0;
	unsigned rank = 1, own_rank = 1;
	bool absent = false;
	if (isnan(own))
		return 0;
	for (size_t i = 0; i < n && count < MOST_NAMED; i++) {
		double v = is_named(&s[i], heads) ? value(frame_of(&s[i], heads)) : NAN;
		absent = absent || (is_named(&s[i], heads) && isnan(v));
		if (!isnan(v))
			all[count++] = v;
	}
	qsort(all, count, sizeof *all, by_number);
	for (size_t i = 1; i < count; i++) {
		rank += all[i] - all[i - 1] > fmax(SM_SAME_MS, SM_SAME_TIME * fabs(all[i]));
		own_rank = all[i] <= own ? rank : own_rank;
	}
	return rank > 1 || absent ? own_rank : 0;
}

/* Rank of a group's kernel: by the number in its name, of equals by the order of groups, which does
 * not depend on the salt as the kernels' hashes do. 0 when all are the same. */
static unsigned kernel_rank(const struct sm_series *s, size_t n, size_t at,
			    const struct sm_dcm_head *heads)
{
	const struct sm_dcm_frame *own = frame_of(&s[at], heads);
	size_t home = at; /* the first group of the same kernel */
	bool varies = false;
	unsigned rank = 1;
	for (size_t i = at; i-- > 0;)
		if (is_named(&s[i], heads) &&
		    strcmp(frame_of(&s[i], heads)->kernel, own->kernel) == 0)
			home = i;
	for (size_t i = 0; i < n; i++) {
		const struct sm_dcm_frame *f =
			is_named(&s[i], heads) ? frame_of(&s[i], heads) : NULL;
		bool first = f != NULL;
		for (size_t k = 0; k < i && first; k++)
			first = !is_named(&s[k], heads) ||
				strcmp(frame_of(&s[k], heads)->kernel, f->kernel) != 0;
		if (!first || i == home)
			continue;
		varies = true;
		double x = isnan(f->kernel_number) ? INFINITY : f->kernel_number;
		double y = isnan(own->kernel_number) ? INFINITY : own->kernel_number;
		rank += x < y || (x == y && i < home);
	}
	return varies && *own->kernel ? rank : 0;
}

static bool components_vary(const struct sm_series *s, size_t n, size_t at,
			    const struct sm_dcm_head *heads)
{
	const struct sm_dcm_frame *f = frame_of(&s[at], heads);
	for (size_t i = 0; i < n; i++)
		if (is_named(&s[i], heads) && (frame_of(&s[i], heads)->component != f->component ||
					       s[i].trace != s[at].trace))
			return true;
	return false;
}

static bool voltages_vary(const struct sm_series *s, size_t n, size_t at,
			  const struct sm_dcm_head *heads)
{
	const struct sm_dcm_frame *f = frame_of(&s[at], heads);
	bool ct = strcmp(heads[s[at].slice[0].head].modality, "CT") == 0;
	for (size_t i = 0; i < n && ct && f->kvp >= 1 && f->kvp < 1e4; i++)
		if (is_named(&s[i], heads) &&
		    !(fabs(frame_of(&s[i], heads)->kvp - f->kvp) <= SM_SAME_TIME * f->kvp))
			return true;
	return false;
}

static bool parts_vary(const struct sm_series *s, size_t n, size_t at,
		       const struct sm_dcm_head *heads)
{
	const struct sm_dcm_frame *f = frame_of(&s[at], heads);
	for (size_t i = 0; i < n; i++)
		if (is_named(&s[i], heads) && strcmp(frame_of(&s[i], heads)->shows, f->shows) != 0)
			return true;
	return false;
}

/* False when there is no room left. */
static bool add(struct sm_series *s, const char *word)
{
	size_t n = strlen(s->name);
	if (n + strlen(word) + 2 > sizeof s->name)
		return false;
	snprintf(s->name + n, sizeof s->name - n, "%s%s", n ? "_" : "", word);
	return true;
}

/* A maker's word for a map ("ADC"), when it is safe in a file name; else "map". */
static const char *map_word(const struct sm_dcm_frame *f, char out[17])
{
	size_t n = 0;
	for (; f->image_kind[n] && n < 8; n++) {
		if (!isalnum((unsigned char)f->image_kind[n]))
			return component_names[SM_DERIVED_MAP];
		out[n] = (char)tolower((unsigned char)f->image_kind[n]);
	}
	out[n] = '\0';
	return n ? out : component_names[SM_DERIVED_MAP];
}

/* What groups differ in, the plainest first. */
enum trait { COMPONENT, PART, VOLTAGE, ECHO, INVERSION, KERNEL, TRAITS };

/* "" when the groups do not differ in it. */
static void trait_word(const struct sm_series *s, size_t n, size_t at,
		       const struct sm_dcm_head *heads, enum trait trait, char word[17])
{
	const struct sm_dcm_frame *f = frame_of(&s[at], heads);
	bool map = f->component == SM_DERIVED_MAP;
	char own[17];
	unsigned rank = 0;
	*word = '\0';
	switch (trait) {
	case COMPONENT:
		if (components_vary(s, n, at, heads) && !(map && *f->shows))
			snprintf(word, 17, "%s",
				 s[at].trace ? "trace"
				 : map       ? map_word(f, own)
					     : component_names[f->component]);
		return;
	case PART:
		if (parts_vary(s, n, at, heads) || (map && components_vary(s, n, at, heads)))
			snprintf(word, 17, "%s", f->shows);
		return;
	case VOLTAGE:
		if (voltages_vary(s, n, at, heads))
			snprintf(word, 17, "%ldkv", lround(f->kvp));
		return;
	case ECHO:
		rank = rank_of(s, n, at, heads, echo_of);
		break;
	case INVERSION:
		rank = rank_of(s, n, at, heads, inversion_of);
		break;
	default:
		rank = kernel_rank(s, n, at, heads);
		break;
	}
	if (rank)
		snprintf(word, 17, "%c%u", "eik"[trait - ECHO], rank);
}

static bool is_alone(const struct sm_series *s, size_t n, size_t at)
{
	for (size_t k = 0; k < n; k++)
		if (k != at && strcmp(s[at].name, s[k].name) == 0)
			return false;
	return *s[at].name != '\0';
}

void sm_series_name(struct sm_series *s, size_t n, const struct sm_dcm_head *heads)
{
	bool alone[MOST_NAMED] = {false};
	char word[17];
	bool named = n <= MOST_NAMED, done = false;
	if (n < 2)
		return;
	for (enum trait trait = 0; trait < TRAITS && named && !done; trait++) {
		for (size_t i = 0; i < n; i++)
			if (is_named(&s[i], heads)) {
				trait_word(s, n, i, heads, trait, word);
				if (*word)
					add(&s[i], word);
			}
		done = true;
		for (size_t i = 0; i < n; i++)
			done = done && (is_alone(s, n, i) || !is_named(&s[i], heads));
	}
	for (size_t i = 0; i < n && named; i++)
		alone[i] = is_alone(s, n, i);
	for (size_t i = 0; i < n; i++) {
		if (named && alone[i])
			continue;
		snprintf(word, sizeof word, "%u", s[i].part);
		if (!add(&s[i], word)) /* the number alone tells, too: no trait is one */
			snprintf(s[i].name, sizeof s[i].name, "%s", word);
	}
}
