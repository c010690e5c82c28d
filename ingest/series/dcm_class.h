/* SPDX-License-Identifier: Apache-2.0
 *
 * What modalities and SOP classes are: one table each (PS3.3 C.7.3.1.1.1, PS3.4 B.5). Which
 * modality is a projection, which holds no picture, and which classes are no images whatever
 * modality they
 * name. */
#ifndef SM_INGEST_SERIES_DCM_CLASS_H
#define SM_INGEST_SERIES_DCM_CLASS_H

#include <stdbool.h>

enum {
	SM_MODALITY_KNOWN = 1,    /* a word of the standard */
	SM_MODALITY_FLAT = 2,     /* projections, photographs, sections without a place */
	SM_MODALITY_NO_IMAGE = 4, /* no picture */
};

/* X(word, flags beside SM_MODALITY_KNOWN) */
#define SM_MODALITIES(X)                                                                           \
	X(AU, SM_MODALITY_NO_IMAGE)                                                                \
	X(BI, SM_MODALITY_FLAT)                                                                    \
	X(CR, SM_MODALITY_FLAT)                                                                    \
	X(CT, 0)                                                                                   \
	X(DOC, SM_MODALITY_NO_IMAGE)                                                               \
	X(DX, SM_MODALITY_FLAT)                                                                    \
	X(ECG, SM_MODALITY_NO_IMAGE)                                                               \
	X(EPS, SM_MODALITY_NO_IMAGE)                                                               \
	X(ES, SM_MODALITY_FLAT)                                                                    \
	X(GM, SM_MODALITY_FLAT)                                                                    \
	X(HD, SM_MODALITY_NO_IMAGE)                                                                \
	X(IO, SM_MODALITY_FLAT)                                                                    \
	X(IVUS, SM_MODALITY_FLAT)                                                                  \
	X(KO, SM_MODALITY_NO_IMAGE)                                                                \
	X(LS, SM_MODALITY_FLAT)                                                                    \
	X(M3D, 0)                                                                                  \
	X(MG, SM_MODALITY_FLAT)                                                                    \
	X(MR, 0)                                                                                   \
	X(NM, SM_MODALITY_FLAT)                                                                    \
	X(OAM, SM_MODALITY_FLAT)                                                                   \
	X(OCT, SM_MODALITY_FLAT)                                                                   \
	X(OP, SM_MODALITY_FLAT)                                                                    \
	X(OT, SM_MODALITY_FLAT)                                                                    \
	X(PR, SM_MODALITY_NO_IMAGE)                                                                \
	X(PT, 0)                                                                                   \
	X(PX, SM_MODALITY_FLAT)                                                                    \
	X(REG, SM_MODALITY_NO_IMAGE)                                                               \
	X(RF, SM_MODALITY_FLAT)                                                                    \
	X(RG, SM_MODALITY_FLAT)                                                                    \
	X(RTDOSE, 0)                                                                               \
	X(RTIMAGE, SM_MODALITY_FLAT)                                                               \
	X(RTPLAN, SM_MODALITY_NO_IMAGE)                                                            \
	X(RTRECORD, SM_MODALITY_NO_IMAGE)                                                          \
	X(RTSTRUCT, SM_MODALITY_NO_IMAGE)                                                          \
	X(RWV, SM_MODALITY_NO_IMAGE)                                                               \
	X(SC, SM_MODALITY_FLAT)                                                                    \
	X(SEG, 0)                                                                                  \
	X(SM, SM_MODALITY_FLAT)                                                                    \
	X(SR, SM_MODALITY_NO_IMAGE)                                                                \
	X(TG, SM_MODALITY_FLAT)                                                                    \
	X(US, SM_MODALITY_FLAT)                                                                    \
	X(XA, SM_MODALITY_FLAT)                                                                    \
	X(XC, SM_MODALITY_FLAT)

/* The words joined by '|', each behind one: a vocabulary for sm_words_allow. */
#define SM_MODALITY_CODE(word, flags) "|" #word
#define SM_MODALITY_CODES SM_MODALITIES(SM_MODALITY_CODE)

/* The flags of a word; 0 when the standard has no such modality. */
unsigned sm_modality_flags(const char *word);

/* What a SOP class is when it holds no picture ("Raw Data Storage"); NULL when it holds one or is
 * not in the table. */
const char *sm_class_no_image(const char *sop_class);

/* True when the class is `name` or one of its kind (name and a point behind). */
bool sm_class_is(const char *sop_class, const char *name);

#endif
