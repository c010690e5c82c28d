/* SPDX-License-Identifier: Apache-2.0
 *
 * The words of ImageType, FrameType and makers' image types, and what each of them says: one table.
 */
#ifndef SM_INGEST_SERIES_IMAGE_WORDS_H
#define SM_INGEST_SERIES_IMAGE_WORDS_H

#include "ingest/series/dcm_head.h"

struct sm_image_word {
	const char *word;
	const char *shows; /* what a volume of such pictures is called beside others of its series;
			    * "" = by its component, or not at all. Safe as a file name */
	int component;     /* enum sm_component; -1 = the word says nothing of it */
	bool philips_only; /* too short a word to mean the component outside Philips' own element */
	bool weak;         /* how it was reconstructed rather than what it shows */
};

/* The row of a word, NULL when it is in no table. */
const struct sm_image_word *sm_image_word_find(const char *word);

#endif
