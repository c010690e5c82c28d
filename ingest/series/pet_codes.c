/* SPDX-License-Identifier: Apache-2.0
 *
 * The coded words of PET headers and their names in PET-BIDS.
 */
#include "ingest/series/pet_codes.h"

#include <string.h>
#include <strings.h>

/* PS3.3 C.8.9.1.1.3 */
static const struct {
	const char *dicom, *bids;
} units[] = {
	{"CNTS", "counts"},
	{"NONE", "unitless"},
	{"CM2", "cm2"},
	{"CM2ML", "cm2/mL"},
	{"PCNT", "percent"},
	{"CPS", "counts/s"},
	{"BQML", "Bq/mL"},
	{"MGMINML", "mg/(min*mL)"},
	{"UMOLMINML", "umol/(min*mL)"},
	{"MLMING", "mL/(min*g)"},
	{"MLG", "mL/g"},
	{"1CM", "1/cm"},
	{"UMOLML", "umol/mL"},
	{"PROPCNTS", "proportional to counts"},
	{"PROPCPS", "proportional to counts/s"},
	{"MLMINML", "mL/(min*mL)"},
	{"MLML", "mL/mL"},
	{"GML", "g/mL"},
	{"STDDEV", "standard deviations"},
};

const char *sm_pet_units(const char *dicom_units)
{
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (strcmp(units[i].dicom, dicom_units) == 0)
			return units[i].bids;
	return NULL;
}

/* PS3.16 CID 4020; codes of SNOMED CT, of SNOMED RT (also as SNM3 and 99SDM), of DCM. */
static const struct {
	const char *name, *sct, *srt;
} nuclides[] = {
	{"C11", "40565003", "C-105A1"},  {"N13", "21576001", "C-107A1"},
	{"O14", "424875009", "C-1018C"}, {"O15", "129504001", "C-B1038"},
	{"F18", "77004003", "C-111A1"},  {"Na22", "71633006", "C-155A1"},
	{"K38", "423764008", "C-135A4"}, {"Sc43", "126605", ""},
	{"Sc44", "126600", ""},          {"Ti45", "75696008", "C-166A2"},
	{"Mn51", "126601", ""},          {"Mn52", "37225000", "C-149A1"},
	{"Fe52", "69089000", "C-130A1"}, {"Cu60", "425364008", "C-127A4"},
	{"Cu61", "71425003", "C-127A1"}, {"Cu62", "422934004", "C-127A5"},
	{"Cu64", "3932008", "C-127A2"},  {"Zn62", "65054007", "C-141A1"},
	{"Ga66", "79477007", "C-131A1"}, {"Ga68", "35337001", "C-131A3"},
	{"Ge68", "53315004", "C-128A2"}, {"As72", "2705002", "C-115A2"},
	{"Se73", "87437000", "C-116A2"}, {"Br75", "17910003", "C-113A1"},
	{"Br76", "79523006", "C-113A2"}, {"Br77", "86521004", "C-113A3"},
	{"Rb82", "79197006", "C-159A2"}, {"Y86", "10738001", "C-162A3"},
	{"Y90", "14691008", "C-162A7"},  {"Zr89", "63360001", "C-168A4"},
	{"Nb90", "126603", ""},          {"Tc94m", "424079002", "C-163AA"},
	{"I124", "40937006", "C-114A5"}, {"Tb152", "126606", ""},
};

const char *sm_pet_nuclide(const char *code)
{
	for (size_t i = 0; i < sizeof nuclides / sizeof *nuclides; i++)
		if (*code &&
		    (strcmp(code, nuclides[i].sct) == 0 || strcmp(code, nuclides[i].srt) == 0))
			return nuclides[i].name;
	return NULL;
}

/* PS3.16 CID 4021 as far as a short name is usual; `words`: spellings in free text, in lower case,
 * between '|'. The name written is ours, never the text found. */
static const struct {
	const char *name, *sct, *srt, *words;
} tracers[] = {
	{"FDG", "35321007", "C-B1031", "fdg|fluorodeoxyglucose|fludeoxyglucose|deoxyglucose"},
	{"FLT", "129502002", "C-B1036", "flt|fluorothymidine"},
	{"NaF", "129501009", "C-B1032", "naf"},
	{"FET", "424708001", "C-B07E0",
	 "fet|fluoroethyltyrosine|fluorethyltyrosin|fluorethyltyrosine"},
	{"FDOPA", "129500005", "C-B1034", "fdopa"},
	{"FMISO", "422598008", "C-B07E1", "fmiso|fluoromisonidazole"},
	{"FES", "C1831937", "", "fes|fluoroestradiol"},
	{"fluorocholine", "456992002", "C-E0273", "fch|fluorocholine"},
	{"choline", "126703", "", "choline"},
	{"florbetapir", "456995000", "C-E0269", "florbetapir|amyvid"},
	{"florbetaben", "712736002", "C-D6858", "florbetaben|neuraceq"},
	{"flutemetamol", "456997008", "C-E0267", "flutemetamol|vizamyl"},
	{"fluciclovine", "457000009", "C-E026A", "fluciclovine|axumin"},
	{"flortaucipir", "C4547429", "", "flortaucipir|tauvid"},
	{"MK-6240", "C4506764", "", "mk6240"},
	{"UCB-J", "C4506788", "", "ucbj"},
	{"PIB", "126500", "", "pib"},
	{"raclopride", "129512009", "C-B1042", "raclopride"},
	{"methionine", "129510001", "C-B103E", "methionine"},
	{"acetate", "129513004", "C-B1043", "acetate"},
	{"carfentanil", "129511002", "C-B103F", "carfentanil"},
	{"water", "129505000", "C-B1039", "water"},
	{"ammonia", "129508003", "C-B103C", "ammonia"},
	{"rubidium chloride", "129503007", "C-B1037", ""},
	{"PSMA-1007", "126758", "", "psma1007"},
	{"PSMA-11", "C118961", "", "psma11"},
	{"DCFPyL", "C116352", "", "dcfpyl|pylarify"},
	{"DOTATATE", "C1742831", "", "dotatate"},
	{"DOTATOC", "C2713594", "", "dotatoc|edotreotide"},
	{"DOTANOC", "", "", "dotanoc"},
	{"FAPI", "", "", "fapi|fapi04|fapi46"},
	{"PBR28", "", "", "pbr28"},
	{"DASB", "", "", "dasb"},
};

const char *sm_pet_tracer(const char *code)
{
	for (size_t i = 0; i < sizeof tracers / sizeof *tracers; i++)
		if (*code &&
		    (strcmp(code, tracers[i].sct) == 0 || strcmp(code, tracers[i].srt) == 0))
			return tracers[i].name;
	return NULL;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool among(const char *words, const char *text, size_t n)
{
	while (*words) {
		size_t len = strcspn(words, "|");
		if (len == n && strncasecmp(words, text, n) == 0)
			return true;
		words += len + (words[len] == '|');
	}
	return false;
}

const char *sm_pet_tracer_text(const char *text)
{
	const char *found = NULL;
	while (*text) {
		size_t n = 0;
		while (is_word(text[n]))
			n++;
		for (size_t i = 0; n && i < sizeof tracers / sizeof *tracers; i++)
			if (among(tracers[i].words, text, n)) {
				if (found && found != tracers[i].name)
					return NULL;
				found = tracers[i].name;
			}
		text += n + !n;
	}
	return found;
}
