/* SPDX-License-Identifier: Apache-2.0
 *
 * A trained generator at work: slices in, slices out, one at a time, for any size that the network
 * takes. What stages predict and interpolate share.
 */
#ifndef SM_TRANSLATE_TRANSLATOR_H
#define SM_TRANSLATE_TRANSLATOR_H

#include "core/stage.h"
#include "train/translate/save.h"

struct sm_translator_opt {
	int threads;
	uint64_t seed;     /* of drop-out */
	bool back;         /* cyclegan: b to a */
	bool dropout;      /* stays on */
	bool running_norm; /* batch norm by the training's statistics, not by the image's own */
	bool bf16;
};

struct sm_translator {
	struct sm_translation about;
	struct sm_translator_opt opt;
	int from, to;      /* sides: 0 = a, 1 = b */
	char *path;        /* of the checkpoint */
	char sha256[65];   /* its identity */
	struct sm_mem *mem;
	struct sm_net *net;
	int height, width; /* that net is planned for; 0 = none yet */
};

/* Opens the checkpoint: a file, or last.hdf5 of a folder of stage train, whose ledger then is a
 * parent of the run and must name it with this content. No network is made yet. SM_INPUT: no
 * checkpoint of translation; SM_USAGE: back with pix2pix. *t must stay where it is; the caller
 * closes it, after a failure too. */
enum sm_status sm_translator_open(struct sm_translator *t, struct sm_run *run, const char *model,
				  const struct sm_translator_opt *opt, struct sm_err *err);
void sm_translator_close(struct sm_translator *t); /* a zeroed one is fine */

/* SM_INPUT with the sizes that would do, name before the sentence, when the network does not take
 * images of this size. */
enum sm_status sm_translator_fits(const struct sm_translator *t, int64_t width, int64_t height,
				  const char *name, struct sm_err *err);

/* The smallest sizes not below these that the network takes; SM_INPUT, with the side that is too
 * small, when there is none of at most twice a side: what the network sees would be padding for the
 * most part. */
enum sm_status sm_translator_pads(const struct sm_translator *t, int64_t width, int64_t height,
				  const char *name, int64_t *padded_width, int64_t *padded_height,
				  struct sm_err *err);

/* Makes the network for a size, or leaves it when it is that already; weights are read once.
 * SM_BUDGET when it does not fit. */
enum sm_status sm_translator_size(struct sm_translator *t, int64_t width, int64_t height,
				  struct sm_err *err);

/* One image in [-1, 1], planes (channel, row, column) of about.channels[from], into another of
 * about.channels[to]. `draw` keys drop-out: the same number gives the same image. Bits do not
 * depend on threads. One at a time. SM_INPUT: a value of the network that is not finite. */
enum sm_status sm_translator_run(struct sm_translator *t, uint64_t draw, const float *in,
				 float *out, struct sm_err *err);

/* True when the network's numbers have a unit of their own (HU, SUV, grey). */
bool sm_translator_has_unit(const struct sm_translator *t, int side);
/* n values of a volume in its own unit to [-1, 1], those beyond low and high cut; and back. Without
 * a unit both leave them as they are. */
void sm_translator_in(const struct sm_translator *t, int side, float *v, size_t n);
void sm_translator_out(const struct sm_translator *t, int side, float *v, size_t n);

/* A number for `draw` from a case's key and a slice: it does not depend on what was done before. */
uint64_t sm_translator_draw(const char *key, int64_t slice);

#endif
