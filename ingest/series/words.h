/* SPDX-License-Identifier: Apache-2.0
 *
 * May a text leave the DICOM file? Names stand in any text element of careless files, so a text is
 * kept only when every piece of it is known not to be one.
 */
#ifndef SM_INGEST_SERIES_WORDS_H
#define SM_INGEST_SERIES_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* How the values of an element are held against a vocabulary. */
enum sm_words {
	/* One of the codes of a list, exactly. */
	SM_WORDS_CODES,
	/* A text of makers (model, version, kernel, coil, ...). It is kept when
	 *  - it has at most 40 characters, all of them letters, digits, blanks or one of - _ . + *
	 * / ( ) & % : ; #
	 *  - every run of letters is in the list of makers' words, whatever the case, or has at
	 * most two letters and touches a digit, or is a single letter;
	 *  - no run of digits is longer than 4, all together have at most 12, and none of it looks
	 * like a date (three numbers joined by . - / or :, one of them a year, or all with two
	 * digits). */
	SM_WORDS_MAKER,
};

/* Is value[0..n) allowed? codes: words separated by '|', for SM_WORDS_CODES. */
bool sm_words_allow(enum sm_words kind, const char *codes, const char *value, size_t n);

#endif
