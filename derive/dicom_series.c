/* SPDX-License-Identifier: Apache-2.0
 *
 * What all slices of a series share: UIDs, geometry, scaling.
 */
#include "derive/dicom_series.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/ledger.h"
#include "derive/interleave.h"
#include "ingest/dicom/dicom_write.h"

/* ---- checks ---------------------------------------------------------------------------------- */

static bool plain(const char *text, const char *more, size_t most)
{
	size_t n = 0;
	for (; text && text[n]; n++) {
		char c = text[n];
		bool word =
			(c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (!word && !strchr(more, c))
			return false;
	}
	return n && n <= most;
}

static enum sm_status check(const struct sm_vol *vol, const struct sm_series_about *about,
			    const char *name, struct sm_err *err)
{
	struct sm_planes p = sm_planes_of(vol, about->axis);
	double low, high;
	size_t odd;
	if (vol->dim[3] != 1)
		return SM_FAIL(
			err, SM_INPUT,
			"%s: has a fourth axis of %lld volumes, allowed is one volume a series",
			name, (long long)vol->dim[3]);
	if (p.width > 65535 || p.height > 65535 || p.count > 99999)
		return SM_FAIL(err, SM_INPUT,
			       "%s: is %lld x %lld x %lld, allowed are 65535 columns and rows and "
			       "99999 slices",
			       name, (long long)p.width, (long long)p.height, (long long)p.count);
	sm_vol_range(vol, &low, &high, &odd);
	if (odd)
		return SM_FAIL(err, SM_INPUT,
			       "%s: holds %zu values that are NaN or infinite, which DICOM pixels "
			       "cannot be",
			       name, odd);
	if (!plain(about->patient_id, "_.-", 64))
		return SM_FAIL(err, SM_INPUT,
			       "%s: its patient key is no text of up to 64 letters, digits, _ . -",
			       name);
	if (!plain(about->derivation, " _.,:;()<>=/+-", 900))
		return SM_FAIL(err, SM_INPUT,
			       "%s: its derivation is no plain text of up to 900 characters", name);
	return SM_OK;
}

/* ---- geometry -------------------------------------------------------------------------------- */

/* The shortest decimal that float32 reads back as the same number; others stay. */
static double decimal(double v)
{
	char text[40];
	float narrow = (float)v;
	if ((double)narrow != v)
		return v + 0.0;
	for (int digits = 1; digits <= 9; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, v);
		double back = strtod(text, NULL);
		if ((float)back == narrow)
			return back + 0.0;
	}
	return v + 0.0;
}

static double dot(const double a[3], const double b[3])
{
	return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* A column of the affine in LPS; its length in mm. */
static double column(const struct sm_vol *vol, int axis, double out[3])
{
	for (int i = 0; i < 3; i++)
		out[i] = decimal(vol->affine[i][axis]) * (i < 2 ? -1 : 1) + 0.0;
	return sqrt(dot(out, out));
}

static enum sm_status place(const struct sm_vol *vol, const char *name, struct sm_dicom_series *s,
			    struct sm_err *err)
{
	int axis = s->about.axis, x = axis == 0 ? 1 : 0, y = axis == 2 ? 1 : 2;
	double *a = s->across, *d = s->down, *n = s->normal;
	s->pixel[1] = column(vol, x, a);
	s->pixel[0] = column(vol, y, d);
	column(vol, axis, s->step);
	column(vol, 3, s->first);
	for (int i = 0; i < 3; i++) {
		a[i] = a[i] / s->pixel[1] + 0.0;
		d[i] = d[i] / s->pixel[0] + 0.0;
	}
	/* Written so that a NaN fails, too. */
	if (!(s->pixel[0] > 0) || !(s->pixel[1] > 0) || !(fabs(dot(a, d)) <= SM_NOT_SQUARE))
		return SM_FAIL(err, SM_INPUT,
			       "%s: its rows and columns are not perpendicular (cosine %.3g, "
			       "allowed is %g): DICOM has no "
			       "words for that, preprocess: resample makes a square grid",
			       name, dot(a, d), SM_NOT_SQUARE);
	for (int i = 0; i < 3; i++)
		n[i] = a[(i + 1) % 3] * d[(i + 2) % 3] - a[(i + 2) % 3] * d[(i + 1) % 3];
	double length = sqrt(dot(n, n));
	for (int i = 0; i < 3; i++)
		n[i] = n[i] / length + 0.0;
	double along = dot(s->step, n);
	s->apart = fabs(along);
	s->reversed = along < 0;
	if (!(s->apart > 1e-6))
		return SM_FAIL(err, SM_INPUT,
			       "%s: its slices follow each other within their own plane", name);
	return SM_OK;
}

/* ---- scaling --------------------------------------------------------------------------------- */

/* The number that a DS element of up to 16 characters says. */
static double as_text(double v)
{
	char text[40];
	for (int digits = 10; digits > 1; digits--) {
		snprintf(text, sizeof text, "%.*g", digits, v);
		if (strlen(text) <= 16)
			break;
	}
	return strtod(text, NULL);
}

/* Are all stored values whole and within 16 bits? *low: smallest one. */
static bool whole(const struct sm_vol *vol, double *low)
{
	double least = INFINITY, most = -INFINITY;
	size_t n = sm_vol_count(vol);
	struct sm_vol raw = *vol;
	raw.slope = 1;
	raw.inter = 0;
	for (size_t i = 0; i < n; i++) {
		double v = sm_vol_at(&raw, i);
		if (v != floor(v))
			return false;
		least = v < least ? v : least;
		most = v > most ? v : most;
	}
	*low = least;
	return (least >= INT16_MIN && most <= INT16_MAX) || (least >= 0 && most <= UINT16_MAX);
}

static void quantise(struct sm_dicom_series *s, double low, double high)
{
	s->stored = false;
	if (s->about.kind == SM_DICOM_PT) {
		double most = low < 0 && -low > high ? -low : high;
		s->is_signed = low < 0;
		s->inter = 0;
		s->slope = most > 0 ? as_text(most / (s->is_signed ? INT16_MAX : UINT16_MAX)) : 1;
		return;
	}
	s->is_signed = false;
	s->inter = as_text(low);
	s->slope = high > s->inter ? as_text((high - s->inter) / UINT16_MAX) : 1;
}

static void scale(const struct sm_vol *vol, struct sm_dicom_series *s)
{
	double low, high, least = 0;
	size_t odd;
	sm_vol_range(vol, &low, &high, &odd);
	s->center = as_text((low + high) / 2);
	s->width = high > low ? as_text(high - low) : 1;
	s->slope = as_text(vol->slope);
	s->inter = as_text(vol->inter);
	bool exact = fabs(s->slope - vol->slope) <= 1e-9 * fabs(vol->slope) &&
		     fabs(s->inter - vol->inter) <= 1e-9 * fabs(vol->inter) && s->slope != 0 &&
		     (s->about.kind != SM_DICOM_PT || (s->inter == 0 && s->slope > 0));
	if (exact && whole(vol, &least)) {
		bool was_signed = vol->dtype == SM_I8 || vol->dtype == SM_I16;
		s->stored = true;
		s->is_signed = least < 0 || was_signed;
		return;
	}
	quantise(s, low, high);
}

/* ---- identity -------------------------------------------------------------------------------- */

static void add_text(struct sm_sha256 *h, const char *text)
{
	sm_sha256_add(h, text ? text : "", (text ? strlen(text) : 0) + 1);
}

static enum sm_status identify(const struct sm_vol *vol, struct sm_dicom_series *s,
			       struct sm_err *err)
{
	const struct sm_series_about *about = &s->about;
	struct sm_sha256 h;
	char hex[65], name[128];
	char *facts =
		about->sidecar ? json_dumps(about->sidecar, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
	if (about->sidecar && !facts)
		return SM_FAIL(err, SM_BUDGET, "out of memory");
	const int64_t words[] = {vol->dtype,  vol->meaning,     about->kind,
				 about->axis, about->synthetic, about->burned_in};
	const double numbers[] = {vol->slope, vol->inter};
	sm_sha256_init(&h);
	add_text(&h, "scanmill dicom series 1");
	sm_sha256_add(&h, vol->dim, sizeof vol->dim);
	sm_sha256_add(&h, vol->affine, sizeof vol->affine);
	sm_sha256_add(&h, words, sizeof words);
	sm_sha256_add(&h, numbers, sizeof numbers);
	sm_sha256_add(&h, vol->data, sm_vol_count(vol) * sm_dtype_size(vol->dtype));
	for (int64_t k = 0; k < s->slices; k++)
		add_text(&h, about->none && about->none[k]             ? "n"
			     : about->predicted && about->predicted[k] ? "p"
			     : about->processed && about->processed[k] ? "c"
								       : "");
	add_text(&h, about->patient_id);
	add_text(&h, about->study);
	add_text(&h, about->frame);
	add_text(&h, about->derivation);
	add_text(&h, facts);
	free(facts);
	sm_sha256_final(&h, hex);
	snprintf(name, sizeof name, "series %s", hex);
	sm_dcm_uid(name, s->uid);
	snprintf(name, sizeof name, "study %.80s", about->study ? about->study : hex);
	sm_dcm_uid(name, s->study);
	snprintf(name, sizeof name, "frame of reference %.80s", about->frame ? about->frame : hex);
	sm_dcm_uid(name, s->frame);
	return SM_OK;
}

enum sm_status sm_dicom_series_make(const struct sm_vol *vol, const struct sm_series_about *about,
				    const char *name, struct sm_mem *mem,
				    struct sm_dicom_series *out, struct sm_err *err)
{
	*out = (struct sm_dicom_series){
		.about = *about, .vol = vol, .mem = mem, .slices = vol->dim[about->axis]};
	for (int64_t k = 0; k < out->slices; k++)
		out->written += !(about->none && about->none[k]);
	SM_TRY(check(vol, about, name, err));
	SM_TRY(place(vol, name, out, err));
	scale(vol, out);
	return identify(vol, out, err);
}

int64_t sm_dicom_series_slice(const struct sm_dicom_series *s, int64_t number)
{
	return s->reversed ? s->slices - number : number - 1;
}
