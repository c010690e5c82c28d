/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/select.h"

#include <math.h>

static void swap(double *a, double *b)
{
	const double t = *a;
	*a = *b;
	*b = t;
}

static double middle_of(double a, double b, double c)
{
	return a < b ? (b < c ? b : a < c ? c : a) : a < c ? a : b < c ? c : b;
}

/* Afterwards v[k] is what a sort would put there, smaller ones before and larger ones behind.
 * Quickselect with three parts, for distances repeat. */
static void select_at(double *v, size_t n, size_t k)
{
	size_t low = 0, high = n;
	while (high - low > 1) {
		const double pivot = middle_of(v[low], v[low + (high - low) / 2], v[high - 1]);
		size_t less = low, at = low, more = high;
		while (at < more) {
			if (v[at] < pivot)
				swap(&v[less++], &v[at++]);
			else if (v[at] > pivot)
				swap(&v[at], &v[--more]);
			else
				at++;
		}
		if (k < less)
			high = less;
		else if (k >= more)
			low = more;
		else
			return;
	}
}

double sm_quantile(const struct sm_counted *c, double q)
{
	uint64_t counted = 0, behind = 0;
	for (size_t i = 0; i < c->values; i++)
		counted += c->count[i];
	const uint64_t all = counted + c->n;
	const double place = (double)(all - 1) * q, part = place - floor(place);
	const uint64_t k = (uint64_t)place;
	double here = NAN, next = INFINITY;
	for (size_t i = c->values; i-- > 0; behind += c->count[i]) {
		/* Numbers counted - behind - count[i] and on, of a sort, are value[i]. */
		here = k < counted - behind ? c->value[i] : here;
		next = k + 1 < counted - behind ? c->value[i] : next;
	}
	if (k >= counted) {
		select_at(c->v, c->n, (size_t)(k - counted));
		here = c->v[k - counted];
	}
	if (k + 1 >= all || part == 0)
		return here;
	if (k + 1 >= counted)
		for (size_t i = (size_t)(k + 1 - counted); i < c->n; i++)
			next = c->v[i] < next ? c->v[i] : next;
	if (isinf(next))
		return next;
	/* From the nearer end, as numpy does. */
	return part < 0.5 ? here + (next - here) * part : next - (next - here) * (1 - part);
}

double sm_weighted_quantile(struct sm_weighted *v, size_t n, double q, double total)
{
	const double wanted = q * total;
	double before = 0;
	size_t low = 0, high = n;
	for (;;) {
		const double pivot =
			middle_of(v[low].value, v[low + (high - low) / 2].value, v[high - 1].value);
		size_t less = low, at = low, more = high;
		double below = 0, equal = 0;
		while (at < more) {
			const struct sm_weighted here = v[at];
			if (here.value < pivot) {
				below += here.weight;
				v[at++] = v[less];
				v[less++] = here;
			} else if (here.value > pivot) {
				v[at] = v[--more];
				v[more] = here;
			} else {
				equal += here.weight;
				at++;
			}
		}
		if (less > low && before + below >= wanted) {
			high = less;
		} else if (more == high || before + below + equal >= wanted) {
			return pivot;
		} else {
			before += below + equal;
			low = more;
		}
	}
}
