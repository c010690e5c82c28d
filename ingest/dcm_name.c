/* SPDX-License-Identifier: Apache-2.0
 *
 * What tells the volumes of one series apart, as a short name (see dcm_series.h).
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ingest/dcm_stack.h"

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
	return sm_slice_verdict(heads, s->slice[0]) == SM_VERDICT_OK && !sm_series_is_flat(s, heads);
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

/* Rank (from 1) of one group's number among the numbers of all; 0 when all are the same. */
static unsigned rank_of(const struct sm_series *s, size_t n, size_t at,
			const struct sm_dcm_head *heads, number value)
{
	double own = value(frame_of(&s[at], heads));
	double below = -INFINITY;
	unsigned rank = 1;
	bool varies = false;
	if (isnan(own))
		return 0;
	for (;;) { /* walks up the distinct numbers below this one's */
		double next = INFINITY;
		for (size_t i = 0; i < n; i++) {
			double v = is_named(&s[i], heads) ? value(frame_of(&s[i], heads)) : NAN;
			varies = varies || fabs(v - own) >= 1e-3;
			if (v > below + 1e-3 && v < own - 1e-3 && v < next)
				next = v;
		}
		if (isinf(next))
			return varies ? rank : 0;
		below = next;
		rank++;
	}
}

static bool components_vary(const struct sm_series *s, size_t n, size_t at,
			    const struct sm_dcm_head *heads)
{
	const struct sm_dcm_frame *f = frame_of(&s[at], heads);
	for (size_t i = 0; i < n; i++)
		if (is_named(&s[i], heads) && frame_of(&s[i], heads)->component != f->component)
			return true;
	return false;
}

static void add(struct sm_series *s, const char *word)
{
	size_t n = strlen(s->name);
	if (n + strlen(word) + 2 <= sizeof s->name)
		snprintf(s->name + n, sizeof s->name - n, "%s%s", n ? "_" : "", word);
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
enum trait { COMPONENT, ECHO, INVERSION, TRAITS };

static void add_trait(struct sm_series *s, size_t n, size_t at, const struct sm_dcm_head *heads,
		      enum trait trait)
{
	const struct sm_dcm_frame *f = frame_of(&s[at], heads);
	char word[17];
	if (trait == COMPONENT) {
		if (components_vary(s, n, at, heads))
			add(&s[at], f->component == SM_DERIVED_MAP ? map_word(f, word)
								   : component_names[f->component]);
		return;
	}
	unsigned rank = rank_of(s, n, at, heads, trait == ECHO ? echo_of : inversion_of);
	if (!rank)
		return;
	snprintf(word, sizeof word, "%c%u", trait == ECHO ? 'e' : 'i', rank);
	add(&s[at], word);
}

static bool is_alone(const struct sm_series *s, size_t n, size_t at)
{
	for (size_t k = 0; k < n; k++)
		if (k != at && strcmp(s[at].name, s[k].name) == 0)
			return false;
	return *s[at].name != '\0';
}

/* Above this many groups no contrast is behind them: plain numbers. */
#define MOST_NAMED 64

void sm_series_name(struct sm_series *s, size_t n, const struct sm_dcm_head *heads)
{
	bool alone[MOST_NAMED] = {false};
	char word[17];
	bool named = n <= MOST_NAMED, done = false;
	if (n < 2)
		return;
	for (enum trait trait = 0; trait < TRAITS && named && !done; trait++) {
		for (size_t i = 0; i < n; i++)
			if (is_named(&s[i], heads))
				add_trait(s, n, i, heads, trait);
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
		add(&s[i], word);
	}
}
