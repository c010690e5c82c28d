/* SPDX-License-Identifier: Apache-2.0
 *
 * The coded words of PET headers and their names in PET-BIDS. All results are static texts.
 */
#ifndef SM_INGEST_SERIES_PET_CODES_H
#define SM_INGEST_SERIES_PET_CODES_H

#include <stdbool.h>
#include <stddef.h>

/* The unit as PET-BIDS writes it ("BQML" -> "Bq/mL"); NULL for a word that is not in DICOM's list.
 */
const char *sm_pet_units(const char *dicom_units);

/* Name of a radionuclide ("F18") by its code value, NULL when unknown. */
const char *sm_pet_nuclide(const char *code);

/* Name of a radiopharmaceutical ("FDG") by its code value, NULL when unknown. */
const char *sm_pet_tracer(const char *code);

/* The same from free text: the one tracer that its words name; NULL for none or several. */
const char *sm_pet_tracer_text(const char *text);

#endif
