/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/series/image_words.h"

#include <string.h>

/* clang-format off */
#define SHOWS(w, c) {.word = w, .shows = "", .component = c}
#define PHILIPS(w, c) {.word = w, .shows = "", .component = c, .philips_only = true}
#define MAP(w, name) {.word = w, .shows = name, .component = SM_DERIVED_MAP}
#define PART(w, name) {.word = w, .shows = name, .component = -1}
#define WEAK(w, name) {.word = w, .shows = name, .component = -1, .weak = true}
#define PLAIN(w) {.word = w, .shows = "", .component = -1}

static const struct sm_image_word words[] = {
	SHOWS("M", SM_MAGNITUDE), SHOWS("MAGNITUDE", SM_MAGNITUDE), SHOWS("M_FFE", SM_MAGNITUDE),
	SHOWS("M_SE", SM_MAGNITUDE), SHOWS("M_IR", SM_MAGNITUDE),
	SHOWS("P", SM_PHASE), SHOWS("PHASE", SM_PHASE), SHOWS("PHASE MAP", SM_PHASE),
	SHOWS("PHASE_MAP", SM_PHASE), SHOWS("P_FFE", SM_PHASE), SHOWS("P_SE", SM_PHASE),
	SHOWS("P_IR", SM_PHASE),
	SHOWS("R", SM_REAL), SHOWS("REAL", SM_REAL), SHOWS("R_FFE", SM_REAL),
	SHOWS("R_SE", SM_REAL), SHOWS("R_IR", SM_REAL),
	SHOWS("I", SM_IMAGINARY), SHOWS("IMAGINARY", SM_IMAGINARY), SHOWS("I_FFE", SM_IMAGINARY),
	SHOWS("I_SE", SM_IMAGINARY), SHOWS("I_IR", SM_IMAGINARY),
	SHOWS("B0", SM_FIELD_MAP), SHOWS("B0 MAP", SM_FIELD_MAP), SHOWS("FIELD_MAP", SM_FIELD_MAP),
	SHOWS("VELOCITY MAP", SM_VELOCITY), SHOWS("VELOCITY_MAP", SM_VELOCITY),
	/* Maps: a plain word is its own name. */
	MAP("ADC", ""), MAP("EADC", ""), MAP("EXP", ""), MAP("FA", ""), MAP("TRACEW", ""),
	MAP("TRACE", ""), MAP("TENSOR", ""), MAP("CBF", ""), MAP("CBV", ""), MAP("MTT", ""),
	MAP("TTP", ""), MAP("RCBF", ""), MAP("RCBV", ""), MAP("RMTT", ""), MAP("RTTP", ""),
	MAP("B1", ""), MAP("DIFFUSION MAP", ""), MAP("DENSITY MAP", "pdmap"),
	MAP("T1_MAP", "t1map"), MAP("T1 MAP", "t1map"), MAP("T2_MAP", "t2map"),
	MAP("T2 MAP", "t2map"), MAP("T2_STAR_MAP", "t2smap"), MAP("T2_STAR MAP", "t2smap"),
	MAP("R2_MAP", "r2map"), MAP("R2_STAR_MAP", "r2smap"), MAP("FAT_FRACTION", "fatfraction"),
	MAP("FATFRACTION", "fatfraction"), MAP("FF", "fatfraction"),
	PHILIPS("T1", SM_DERIVED_MAP), PHILIPS("T2", SM_DERIVED_MAP), PHILIPS("R2", SM_DERIVED_MAP),
	PHILIPS("R2_STAR", SM_DERIVED_MAP), PHILIPS("T2_STAR", SM_DERIVED_MAP),
	/* Dixon. */
	PART("WATER", "water"), PART("W", "water"), PART("FAT", "fat"), PART("F", "fat"),
	PART("IN_PHASE", "inphase"), PART("IN PHASE", "inphase"), PART("INPHASE", "inphase"),
	PART("IP", "inphase"), PART("OUT_PHASE", "outphase"), PART("OUT PHASE", "outphase"),
	PART("OUTPHASE", "outphase"), PART("OPP_PHASE", "outphase"), PART("OPP PHASE", "outphase"),
	PART("OPPOSED_PHASE", "outphase"), PART("OP", "outphase"),
	/* Spin labelling. */
	PART("LABEL", "label"), PART("TAG", "label"), PART("CONTROL", "control"), PART("M0", "m0"),
	PART("MZERO", "m0"), PART("DELTAM", "deltam"), PART("PERFUSION_WEIGHTED", "deltam"),
	PART("SUBTRACTION", "sub"), PART("SUB", "sub"),
	/* Two inversions, susceptibility, projections. */
	PART("UNI", "uni"), PART("UNI-DEN", "uniden"), PART("INV1", "inv1"), PART("INV2", "inv2"),
	PART("SWI", "swi"), PART("MNIP", "minip"), PART("MINIP", "minip"), PART("MIN_IP", "minip"),
	PART("MIP", "mip"), PART("MAX_IP", "mip"), PART("CSA MIP", "mip"), PART("MEAN", "mean"),
	WEAK("ND", "nd"), WEAK("DIS2D", "dis2d"), WEAK("DIS3D", "dis3d"), WEAK("NORM", "norm"),
	WEAK("MOCO", "moco"), WEAK("MPR", "mpr"), WEAK("CSA MPR", "mpr"),
	/* May stand in records, and say nothing more. */
	PLAIN("DIFFUSION"), PLAIN("PERFUSION"), PLAIN("AXIAL"), PLAIN("LOCALIZER"), PLAIN("SCOUT"),
	PLAIN("OTHER"), PLAIN("NONE"), PLAIN("VOLUME"), PLAIN("FMRI"), PLAIN("WHOLE BODY"),
	PLAIN("STATIC"), PLAIN("DYNAMIC"), PLAIN("PROPELLER"), PLAIN("UNSPECIFIED"),
	PLAIN("PROTON_DENSITY"), PLAIN("MIXED"), PLAIN("PERFUSION_MAP"), PLAIN("DERIVED"),
	PLAIN("PROJECTION IMAGE"), PLAIN("DIXON"), PLAIN("VMI"), PLAIN("CT_SOM5 SPI DUAL"),
	PLAIN("CT_SOM7 SPI DUAL"),
};
/* clang-format on */

const struct sm_image_word *sm_image_word_find(const char *word)
{
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(words[i].word, word) == 0)
			return &words[i];
	return NULL;
}
