/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/dicom/j2k.h"

#include <openjpeg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "ingest/dicom/j2k_guard.h"
#include "ingest/dicom/j2k_head.h"

struct source {
	const unsigned char *bytes;
	size_t n, at;
};

static OPJ_SIZE_T take(void *to, OPJ_SIZE_T n, void *ctx)
{
	struct source *s = ctx;
	size_t left = s->n - s->at;
	if (!left)
		return (OPJ_SIZE_T)-1;
	n = n < left ? n : left;
	memcpy(to, s->bytes + s->at, n);
	s->at += n;
	return n;
}

static OPJ_OFF_T skip(OPJ_OFF_T n, void *ctx)
{
	struct source *s = ctx;
	if (n < 0 || (size_t)n > s->n - s->at)
		return -1;
	s->at += (size_t)n;
	return n;
}

static OPJ_BOOL seek(OPJ_OFF_T to, void *ctx)
{
	struct source *s = ctx;
	if (to < 0 || (size_t)to > s->n)
		return OPJ_FALSE;
	s->at = (size_t)to;
	return OPJ_TRUE;
}

static void silent(const char *text, void *ctx)
{
	(void)text, (void)ctx;
}

static enum sm_status check(const opj_image_t *image, const struct sm_pixel_format *f,
			    struct sm_err *err)
{
	if ((int64_t)image->numcomps != f->samples)
		return SM_FAIL(err, SM_INPUT,
			       "JPEG 2000 data have %u components, the header tells %d",
			       image->numcomps, f->samples);
	for (int s = 0; s < f->samples; s++) {
		const opj_image_comp_t *c = &image->comps[s];
		if ((int64_t)c->w != f->columns || (int64_t)c->h != f->rows)
			return SM_FAIL(
				err, SM_INPUT,
				"JPEG 2000 data have %u columns and %u rows, the header tells "
				"%d and %d",
				c->w, c->h, f->columns, f->rows);
		if (c->prec < 1 || (int64_t)c->prec > f->bits_allocated)
			return SM_FAIL(err, SM_INPUT,
				       "JPEG 2000 data have %u bits, allowed are 1..%d", c->prec,
				       f->bits_allocated);
	}
	return SM_OK;
}

static void put(const opj_image_comp_t *c, const struct sm_pixel_format *f, size_t sample,
		void *out)
{
	size_t n = (size_t)f->rows * (size_t)f->columns, step = (size_t)f->samples;
	const int32_t *from = c->data;
	if (f->bits_allocated <= 8)
		for (size_t i = 0; i < n; i++)
			((uint8_t *)out)[i * step + sample] = (uint8_t)from[i];
	else if (f->bits_allocated == 16)
		for (size_t i = 0; i < n; i++)
			((uint16_t *)out)[i * step + sample] = (uint16_t)from[i];
	else
		for (size_t i = 0; i < n; i++)
			((uint32_t *)out)[i * step + sample] = (uint32_t)from[i];
}

/* What the markers say against the header, before the decoder allocates. */
static enum sm_status check_head(const struct sm_j2k_head *h, const struct sm_pixel_format *f,
				 struct sm_err *err)
{
	if (h->components != f->samples)
		return SM_FAIL(err, SM_INPUT,
			       "JPEG 2000 data have %d components, the header tells %d",
			       h->components, f->samples);
	if ((int64_t)h->columns != f->columns || (int64_t)h->rows != f->rows)
		return SM_FAIL(err, SM_INPUT,
			       "JPEG 2000 data have %u columns and %u rows, the header tells "
			       "%d and %d",
			       h->columns, h->rows, f->columns, f->rows);
	if (h->precision > f->bits_allocated || h->precision > 31)
		return SM_FAIL(err, SM_INPUT, "JPEG 2000 data have %d bits, allowed are 1..%d",
			       h->precision, f->bits_allocated < 31 ? f->bits_allocated : 31);
	if (h->is_signed && !f->is_signed)
		return SM_FAIL(err, SM_INPUT,
			       "JPEG 2000 data are signed and PixelRepresentation is 0: which of "
			       "both holds is not known");
	return SM_OK;
}

static enum sm_status decode(opj_codec_t *codec, opj_stream_t *stream, opj_image_t **image,
			     const struct sm_pixel_format *f, void *out, struct sm_err *err)
{
	opj_dparameters_t how;
	opj_set_default_decoder_parameters(&how);
	/* Strict, so that a stream which ends early is an error and no half-filled picture. */
	/* No threads of its own, which the environment may ask for: the guard holds on this one. */
	if (!opj_setup_decoder(codec, &how) || !opj_codec_set_threads(codec, 0) ||
	    !opj_decoder_set_strict_mode(codec, OPJ_TRUE) || !opj_read_header(stream, codec, image))
		return SM_FAIL(err, SM_INPUT, "JPEG 2000 header cannot be read");
	SM_TRY(check(*image, f, err));
	if (!opj_decode(codec, stream, *image) || !opj_end_decompress(codec, stream))
		return SM_FAIL(err, SM_INPUT, "JPEG 2000 data are damaged or end early");
	SM_TRY(check(*image, f, err));
	for (int s = 0; s < f->samples; s++) {
		if (!(*image)->comps[s].data)
			return SM_FAIL(err, SM_INPUT, "JPEG 2000 data are damaged or end early");
		put(&(*image)->comps[s], f, (size_t)s, out);
	}
	return SM_OK;
}

struct job {
	opj_codec_t *codec;
	opj_stream_t *stream;
	opj_image_t *image;
	const struct sm_pixel_format *format;
	void *out;
	struct sm_err *err;
	enum sm_status st;
};

static void work(void *arg)
{
	struct job *j = arg;
	j->st = decode(j->codec, j->stream, &j->image, j->format, j->out, j->err);
}

static enum sm_status run(const unsigned char *bytes, size_t n,
			  const struct sm_pixel_format *format, void *out, struct sm_err *err)
{
	struct source source = {bytes, n, 0};
	/* A file with boxes instead of the bare code stream is against the standard and does occur.
	 */
	bool boxes = n >= 8 && memcmp(bytes + 4, "jP  ", 4) == 0;
	opj_codec_t *codec = opj_create_decompress(boxes ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K);
	opj_stream_t *stream = opj_stream_create(1 << 16, OPJ_TRUE);
	struct job job = {codec, stream, NULL, format, out, err, SM_OK};
	enum sm_status st = SM_FAIL(err, SM_BUDGET, "out of memory while decoding JPEG 2000");
	if (codec && stream) {
		opj_set_error_handler(codec, silent, NULL);
		opj_set_warning_handler(codec, silent, NULL);
		opj_set_info_handler(codec, silent, NULL);
		opj_stream_set_user_data(stream, &source, NULL);
		opj_stream_set_user_data_length(stream, n);
		opj_stream_set_read_function(stream, take);
		opj_stream_set_skip_function(stream, skip);
		opj_stream_set_seek_function(stream, seek);
		/* What a failed assertion leaves is in no state to be used or freed: it is lost on
		 * purpose, codec, stream and image. */
		if (!sm_assertions_hold(work, &job))
			return SM_FAIL(err, SM_INPUT,
				       "JPEG 2000 data are damaged: they break an assertion of "
				       "OpenJPEG");
		st = job.st;
	}
	opj_image_destroy(job.image);
	opj_stream_destroy(stream);
	opj_destroy_codec(codec);
	return st;
}

enum sm_status sm_j2k_decode(const unsigned char *bytes, size_t n, const struct sm_pixel_format *f,
			     struct sm_mem *mem, void *out, struct sm_stream *about,
			     struct sm_err *err)
{
	struct sm_j2k_head head;
	SM_TRY(sm_j2k_head_read(bytes, n, &head, err));
	SM_TRY(check_head(&head, f, err));
	/* The block is never touched: it stands for OpenJPEG's own memory in the budget. */
	void *stand_in = sm_alloc(mem, head.memory, 1, "a JPEG 2000 picture", err);
	if (!stand_in)
		return SM_BUDGET;
	enum sm_status st = run(bytes, n, f, out, err);
	sm_free(stand_in);
	*about = (struct sm_stream){.precision = head.precision,
				    .is_signed = head.is_signed,
				    .lossy = head.lossy,
				    .ht = head.ht,
				    .used = head.used};
	return st;
}
