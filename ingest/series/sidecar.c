/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/series/sidecar_row.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/series/dcm_class.h"
#include "ingest/series/dcm_csa.h"
#include "ingest/series/dcm_head.h"

#define SHARED_GROUPS SM_TAG(0x5200, 0x9229)
#define FRAME_GROUPS SM_TAG(0x5200, 0x9230)
#define UNASSIGNED_FRAME SM_TAG(0x0020, 0x9171)

#define BODY_PARTS \
	"ABDOMEN|ABDOMENPELVIS|ADRENAL|ANKLE|AORTA|ARM|AXILLA|BACK|BLADDER|BODY|BRAIN|BREAST|" \
	"BRONCHUS|BUTTOCK|CALCANEUS|CALF|CAROTID|CEREBELLUM|CERVIX|CHEEK|CHEST|CHESTABDOMEN|" \
	"CHESTABDPELVIS|CIRCLEOFWILLIS|CLAVICLE|COCCYX|COLON|CORNEA|CORONARYARTERY|CSPINE|" \
	"CTSPINE|DUODENUM|EAR|ELBOW|ESOPHAGUS|EXTREMITY|EYE|EYELID|FACE|FEMUR|FINGER|FOOT|" \
	"FOREARM|GALLBLADDER|HAND|HEAD|HEADNECK|HEART|HIP|HUMERUS|IAC|ILEUM|ILIUM|JAW|" \
	"JEJUNUM|KIDNEY|KNEE|LARYNX|LEG|LIVER|LOWER LIMB|LSPINE|LSSPINE|LUNG|MAXILLA|" \
	"MEDIASTINUM|MOUTH|NECK|NECKCHEST|NECKCHESTABDOMEN|NECKCHESTABDPELV|NOSE|ORBIT|OVARY|" \
	"PANCREAS|PAROTID|PATELLA|PELVIS|PENIS|PHANTOM|PHARYNX|PITUITARY|PROSTATE|RECTUM|RIB|" \
	"SACRUM|SCALP|SCAPULA|SCLERA|SCROTUM|SELLA|SHOULDER|SKULL|SPINE|SPLEEN|SSPINE|" \
	"STERNUM|STOMACH|SUBMANDIBULAR|TESTIS|THIGH|THORAX|THUMB|THYMUS|THYROID|TIBIA|" \
	"TLSPINE|TMJ|TOE|TONGUE|TRACHEA|TSPINE|UPPER LIMB|URETER|URETHRA|UTERUS|VAGINA|VULVA|" \
	"WHOLE BODY|WHOLEBODY|WRIST|ZYGOMA"
#define IMAGE_TYPES \
	"ORIGINAL|DERIVED|PRIMARY|SECONDARY|AXIAL|LOCALIZER|OTHER|MIXED|NONE|UNSPECIFIED|" \
	"SYNTHETIC|COPIED|PROCESSED|CONVERTED|QUANTITY|VOLUME|REFORMATTED|RESAMPLED|" \
	"SUBTRACTION|ADDITION|" \
	"MULTIPLICATION|FILTERED|AVERAGE|NORMAL|ADD|M|P|R|I|ND|NORM|DIS2D|DIS3D|MOSAIC|ECHO|" \
	"FFE|M_FFE|P_FFE|R_FFE|I_FFE|SE|M_SE|P_SE|R_SE|I_SE|IR|M_IR|P_IR|R_IR|TSE|FIL|FM|FM2|" \
	"FM3|FM4|FM5|FM6|SH|MFSPLIT|DIFFUSION|TRACEW|TRACE|ADC|FA|EADC|COLFA|TENSOR|TENSOR_B0|" \
	"B0|B0 MAP|B1|PHASE|PHASE MAP|MAGNITUDE|REAL|IMAGINARY|VELOCITY|VELOCITY MAP|MPR|" \
	"CSA MPR|CSAPARALLEL|CSARADIAL|PROJECTION IMAGE|CSA MIP|MIP|MINIP|MAX_IP|MIN_IP|T1|T2|" \
	"T2_STAR|R2|R2_STAR|T1 MAP|T2 MAP|T2_STAR MAP|T2STAR|PROTON_DENSITY|FLUID_ATTENUATED|" \
	"STIR|WATER|FAT|IN_PHASE|OPP_PHASE|OUT_PHASE|W|F|IP|OP|UNI|INV1|INV2|UNI-DEN|SWI|MNIP|" \
	"MEAN|SUB|MOCO|FMRI|PERFUSION|ASL|RCBF|RCBV|CBF|CBV|MTT|TTP|PDG|TIME OF FLIGHT|TOF|" \
	"FLOW_ENCODED|STATIC|DYNAMIC|GATED|WHOLE BODY|EMISSION|TRANSMISSION|EPI|RETRO|" \
	"CT_SOM5 SPI|CT_SOM5 SEQ|CT_SOM5 TOP|CT_SOM7 SPI|CT_SOM7 SEQ|CT_SOM5 SPI DUAL|" \
	"CT_SOM7 SPI DUAL|VMI|DIXON|LABEL|CONTROL|HELIX|SPI|SEQ|VOL|00|01|02|03|ECHO_00|" \
	"ECHO_01|ECHO_02"
#define SCAN_OPTIONS \
	"PER|RG|CG|PPG|FC|PFF|PFP|SP|FS|CT|NONE|OTHER|WE|PAT|SAT|SAT1|SAT2|SAT3|SAT4|SAT5|IR|" \
	"IP|EDR_GEMS|FAST_GEMS|ACC_GEMS|PFF_GEMS|SAT_GEMS|FS_GEMS|VB_GEMS|TRF_GEMS|SS_GEMS|" \
	"MP_GEMS|NPW|TAGGING|MT|FLOW COMP|CORRECTED|HELICAL MODE|AXIAL MODE|CINE MODE|" \
	"SCOUT MODE|HELICAL|AXIAL|HELIX|SURVIEW|NORMAL_CT|VOLUMETRIC|SPIRAL|SEQUENCE|STEPPED|" \
	"CONSTANT_ANGLE"

/* Where an element stands: `group` 0 = main data set; else in that functional group, where enhanced
 * objects have it; or in the first item of that sequence of the main data set (RADIO). A field may
 * have several rows, one after the other: the first that is there counts, and the first row's kind
 * and codes hold for all. */
#define RADIO SM_TAG(0x0054, 0x0016)
#define PRIVATE 1                                 /* codes is the creator of the block */
#define CSA 2 /* codes is the name in the Siemens CSA image header */
/* Siemens XA: a private sequence inside the shared or a frame's groups. tag is the element's last
 * byte. */
#define XA_SHARED 3 /* element FE of "SIEMENS MR SDS 01" */
#define XA_FRAME 4  /* element FE of "SIEMENS MR SDI 02" */
static const struct sm_sidecar_row rows[] = {
#define ROW(name, tag, kind, by) {name, 0, SM_TAG tag, kind, by, NULL}
#define IN(name, group, tag, kind, by) {name, SM_TAG group, SM_TAG tag, kind, by, NULL}
#define WORD(name, tag, kind, codes) {name, 0, SM_TAG tag, kind, 0, codes}
#define WORD_IN(name, group, tag, kind, codes) {name, SM_TAG group, SM_TAG tag, kind, 0, codes}
	/* the machine */
	WORD("Modality", (0x0008, 0x0060), CODE, SM_MODALITY_CODES),
	ROW("Manufacturer", (0x0008, 0x0070), MAKER, 0),
	ROW("ManufacturersModelName", (0x0008, 0x1090), MAKER, 0),
	ROW("SoftwareVersions", (0x0018, 0x1020), MAKER, 0),
	ROW("MagneticFieldStrength", (0x0018, 0x0087), NUMBER, 1),
	ROW("ImagingFrequency", (0x0018, 0x0084), NUMBER, 1),
	IN("ImagingFrequency", (0x0018, 0x9006), (0x0018, 0x9098), NUMBER, 1),
	ROW("ReceiveCoilName", (0x0018, 0x1250), MAKER, 0),
	IN("ReceiveCoilName", (0x0018, 0x9042), (0x0018, 0x1250), MAKER, 0),
	/* the picture */
	WORD("ImageType", (0x0008, 0x0008), CODES, IMAGE_TYPES),
	WORD("BodyPartExamined", (0x0018, 0x0015), CODE, BODY_PARTS),
	WORD_IN("BodyPartExamined", (0x0020, 0x9071), (0x0018, 0x0015), CODE, BODY_PARTS),
	WORD("PatientPosition", (0x0018, 0x5100), CODE,
	     "HFS|HFP|HFDR|HFDL|FFS|FFP|FFDR|FFDL|LFP|LFS|RFP|RFS|AFDR|AFDL|PFDR|PFDL"),
	WORD("PhotometricInterpretation", (0x0028, 0x0004), CODE,
	     "MONOCHROME1|MONOCHROME2|PALETTE COLOR|RGB|YBR_FULL|YBR_FULL_422|YBR_ICT|YBR_RCT"),
	ROW("SliceThickness", (0x0018, 0x0050), NUMBER, 1),
	IN("SliceThickness", (0x0028, 0x9110), (0x0018, 0x0050), NUMBER, 1),
	ROW("SpacingBetweenSlices", (0x0018, 0x0088), NUMBER, 1),
	IN("SpacingBetweenSlices", (0x0028, 0x9110), (0x0018, 0x0088), NUMBER, 1),
	ROW("RescaleSlope", (0x0028, 0x1053), NUMBER, 1),
	ROW("RescaleIntercept", (0x0028, 0x1052), NUMBER, 1),
	WORD("RescaleType", (0x0028, 0x1054), CODE,
	     "HU|US|OD|MGML|Z_EFF|ED|EDW|HU_MOD|PCT|BQML|GML|CNTS|normalized"),
	ROW("PixelPaddingValue", (0x0028, 0x0120), NUMBER, 1),
	ROW("AcquisitionDuration", (0x0018, 0x9073), POSITIVE, 1),
	/* MR */
	WORD("ScanningSequence", (0x0018, 0x0020), CODES, "SE|IR|GR|EP|RM"),
	{"ScanningSequence", XA_SHARED, 0x5a, CODES, 0, NULL},
	WORD("SequenceVariant", (0x0018, 0x0021), CODES, "SK|MTC|SS|TRSS|SP|MP|OSP|TOF|NONE|OTHER"),
	{"SequenceVariant", XA_SHARED, 0x5b, CODES, 0, NULL},
	WORD("ScanOptions", (0x0018, 0x0022), CODES, SCAN_OPTIONS),
	{"ScanOptions", XA_SHARED, 0x5c, CODES, 0, NULL},
	ROW("SequenceName", (0x0018, 0x0024), MAKER, 0),
	ROW("PulseSequenceName", (0x0018, 0x9005), MAKER, 0),
	WORD("MRAcquisitionType", (0x0018, 0x0023), CODE, "2D|3D"),
	ROW("EchoTime", (0x0018, 0x0081), POSITIVE, 1e3),
	IN("EchoTime", (0x0018, 0x9114), (0x0018, 0x9082), POSITIVE, 1e3),
	ROW("RepetitionTime", (0x0018, 0x0080), POSITIVE, 1e3),
	IN("RepetitionTime", (0x0018, 0x9112), (0x0018, 0x0080), POSITIVE, 1e3),
	ROW("InversionTime", (0x0018, 0x0082), POSITIVE, 1e3),
	IN("InversionTime", (0x0018, 0x9115), (0x0018, 0x9079), POSITIVE, 1e3),
	ROW("FlipAngle", (0x0018, 0x1314), POSITIVE, 1),
	IN("FlipAngle", (0x0018, 0x9112), (0x0018, 0x1314), POSITIVE, 1),
	ROW("EchoTrainLength", (0x0018, 0x0091), POSITIVE, 1),
	IN("EchoTrainLength", (0x0018, 0x9112), (0x0018, 0x0091), POSITIVE, 1),
	ROW("NumberOfAverages", (0x0018, 0x0083), POSITIVE, 1),
	IN("NumberOfAverages", (0x0018, 0x9119), (0x0018, 0x0083), POSITIVE, 1),
	ROW("PixelBandwidth", (0x0018, 0x0095), POSITIVE, 1),
	IN("PixelBandwidth", (0x0018, 0x9006), (0x0018, 0x0095), POSITIVE, 1),
	ROW("PercentPhaseFOV", (0x0018, 0x0094), POSITIVE, 1),
	IN("PercentPhaseFOV", (0x0018, 0x9125), (0x0018, 0x0094), POSITIVE, 1),
	ROW("PercentSampling", (0x0018, 0x0093), POSITIVE, 1),
	IN("PercentSampling", (0x0018, 0x9125), (0x0018, 0x0093), POSITIVE, 1),
	ROW("PhaseEncodingSteps", (0x0018, 0x0089), POSITIVE, 1),
	IN("PhaseEncodingSteps", (0x0018, 0x9125), (0x0018, 0x9231), POSITIVE, 1),
	ROW("AcquisitionMatrixPE", (0x0018, 0x1310), PHASE, 1),
	WORD("InPlanePhaseEncodingDirectionDICOM", (0x0018, 0x1312), CODE, "ROW|COL|COLUMN"),
	WORD_IN("InPlanePhaseEncodingDirectionDICOM", (0x0018, 0x9125), (0x0018, 0x1312), CODE,
		"ROW|COL|COLUMN"),
	ROW("SAR", (0x0018, 0x1316), POSITIVE, 1),
	WORD_IN("ParallelAcquisitionTechnique", (0x0018, 0x9115), (0x0018, 0x9078), CODE,
		"SENSE|SMASH|PILS|GRAPPA|SMS|ARC|ASSET|CAIPI|SPEEDER|OTHER"),
	IN("ParallelReductionFactorInPlane", (0x0018, 0x9115), (0x0018, 0x9069), POSITIVE, 1),
	IN("ParallelReductionOutOfPlane", (0x0018, 0x9115), (0x0018, 0x9155), POSITIVE, 1),
	WORD_IN("PartialFourierDirection", (0x0018, 0x9115), (0x0018, 0x9036), CODE,
		"PHASE|FREQUENCY|SLICE_SELECT|COMBINATION"),
	WORD_IN("SpoilingType", (0x0018, 0x9115), (0x0018, 0x9016), CODE,
		"RF|GRADIENT|RF_AND_GRADIENT|NONE"),
	ROW("TemporalPositionIdentifier", (0x0020, 0x0100), POSITIVE, 1),
	IN("TemporalPositionIdentifier", (0x0020, 0x9111), (0x0020, 0x9128), POSITIVE, 1),
	ROW("TriggerTime", (0x0018, 0x1060), NUMBER, 1e3),
	IN("TriggerTime", (0x0018, 0x9118), (0x0020, 0x9153), NUMBER, 1e3),
	/* CT */
	ROW("KVP", (0x0018, 0x0060), POSITIVE, 1),
	IN("KVP", (0x0018, 0x9325), (0x0018, 0x0060), POSITIVE, 1),
	ROW("XRayTubeCurrent", (0x0018, 0x1151), POSITIVE, 1),
	IN("XRayTubeCurrent", (0x0018, 0x9321), (0x0018, 0x9330), POSITIVE, 1),
	ROW("ExposureTime", (0x0018, 0x1150), POSITIVE, 1e3),
	IN("ExposureTime", (0x0018, 0x9321), (0x0018, 0x9328), POSITIVE, 1e3),
	ROW("XRayExposure", (0x0018, 0x1152), POSITIVE, 1),
	IN("XRayExposure", (0x0018, 0x9321), (0x0018, 0x9332), POSITIVE, 1),
	ROW("ConvolutionKernel", (0x0018, 0x1210), MAKER, 0),
	IN("ConvolutionKernel", (0x0018, 0x9314), (0x0018, 0x1210), MAKER, 0),
	ROW("GantryDetectorTilt", (0x0018, 0x1120), NUMBER, 1),
	ROW("ReconstructionDiameter", (0x0018, 0x1100), POSITIVE, 1),
	IN("ReconstructionDiameter", (0x0018, 0x9314), (0x0018, 0x1100), POSITIVE, 1),
	/* PET: the rest is in pet.c */
	ROW("ReconMethodName", (0x0054, 0x1103), MAKER, 0),
	ROW("AttenuationCorrection", (0x0054, 0x1101), PART, 0),
	ROW("ScatterCorrectionMethod", (0x0054, 0x1105), MAKER, 0),
	WORD("RandomsCorrectionMethod", (0x0054, 0x1100), CODE, "NONE|DLYD|SING"),
	WORD("CorrectedImage", (0x0028, 0x0051), CODES,
	     "DECY|ATTN|SCAT|DTIM|MOTN|PMOT|CLN|RAN|RADL|DCAL|NORM|SLSENS|UNIF|COR|NCO|TRAN"),
	ROW("DoseCalibrationFactor", (0x0054, 0x1322), NUMBER, 1),
	{"RadionuclideHalfLife", RADIO, SM_TAG(0x0018, 0x1075), POSITIVE, 1, NULL},
	{"RadionuclidePositronFraction", RADIO, SM_TAG(0x0018, 0x1076), POSITIVE, 1, NULL},
	/* Makers' private elements; the element is found by its block's creator. */
	{"BandwidthPerPixelPhaseEncode", PRIVATE, SM_TAG(0x0019, 0x28), POSITIVE, 1,
	 "SIEMENS MR HEADER"},
	{"BandwidthPerPixelPhaseEncode", CSA, 0, POSITIVE, 1, "BandwidthPerPixelPhaseEncode"},
	{"BandwidthPerPixelPhaseEncode", XA_FRAME, 0x53, POSITIVE, 1, NULL},
	{"DwellTime", PRIVATE, SM_TAG(0x0019, 0x18), POSITIVE, 1e9, "SIEMENS MR HEADER"},
	{"DwellTime", CSA, 0, POSITIVE, 1e9, "RealDwellTime"},
	{"DwellTime", XA_FRAME, 0x42, POSITIVE, 1e9, NULL},
	{SM_SIDECAR_POLARITY, XA_FRAME, 0x1c, COUNT, 1, NULL},
};
#define ROWS (sizeof rows / sizeof *rows)

_Static_assert(ROWS <= SM_SIDECAR_FIELDS, "raise SM_SIDECAR_FIELDS");

const struct sm_sidecar_row *sm_sidecar_row(size_t i)
{
	return i < ROWS ? &rows[i] : NULL;
}

size_t sm_sidecar_field(size_t i)
{
	while (i && strcmp(rows[i].name, rows[i - 1].name) == 0)
		i--;
	return i;
}

static bool same(enum sm_sidecar_kind kind, const char *a, const char *b)
{
	if (strcmp(a, b) == 0)
		return true;
	if (kind > COUNT || !*a || !*b)
		return false;
	/* "3" and "3.0": DICOM's numbers only, held against a strict reader before (number_of). */
	char *end_a, *end_b;
	double x = strtod(a, &end_a), y = strtod(b, &end_b);
	return !*end_a && !*end_b && x == y;
}

/* Takes one text of row i; the texts of all calls must be the same for the field to have a value.
 */
static void take(struct sm_sidecar *s, size_t i, const char *text, bool too_long, bool first)
{
	size_t f = sm_sidecar_field(i);
	s->too_long[f] |= too_long;
	if (first)
		memcpy(s->value[f], text, strlen(text) + 1);
	else if (!same(rows[i].kind, s->value[f], text))
		s->varying[f] = true;
}

static const char *xa_creator(uint32_t group)
{
	return group == XA_SHARED ? "SIEMENS MR SDS 01" : "SIEMENS MR SDI 02";
}

/* The text of row i in a data set; false when there is none. */
static bool text_of(const struct sm_dataset *set, size_t i, char *text, bool *too_long)
{
	uint32_t tag = rows[i].tag;
	if (rows[i].group == PRIVATE)
		tag = sm_dataset_private(set, tag >> 16, rows[i].codes, tag & 0xff);
	if (rows[i].group == XA_SHARED || rows[i].group == XA_FRAME)
		tag = sm_dataset_private(set, 0x0021, xa_creator(rows[i].group), tag);
	if (rows[i].kind > POSITIVE && rows[i].kind != PHASE) {
		struct sm_element e;
		if (sm_dataset_text(set, tag, text, SM_SIDECAR_TEXT))
			return true;
		if (tag && sm_dataset_find(set, tag, &e) && e.n >= SM_SIDECAR_TEXT)
			*too_long = true;
		return false;
	}
	double v[4];
	int n = sm_dataset_numbers(set, tag, v, 4);
	if (rows[i].kind == PHASE) {
		if (n != 4 || !(v[2] > 0 || v[3] > 0))
			return false;
		v[0] = v[3] > 0 ? v[3] : v[2];
	} else if (n < 1 || (n == 1 && rows[i].kind == POSITIVE && !(v[0] > 0))) {
		return false;
	}
	/* As it stands in the file: "0.0029300" shall not become 0.00293000000001; several are no
	 * number. */
	if (rows[i].kind == PHASE || !sm_dataset_text(set, tag, text, SM_SIDECAR_TEXT))
		snprintf(text, SM_SIDECAR_TEXT,
			 n > 1 && rows[i].kind != PHASE ? "%.17g\\" : "%.17g", v[0]);
	return true;
}

static bool text_in_csa(const struct sm_csa *csa, size_t i, char *text)
{
	double v[2];
	int n = sm_csa_numbers(csa, rows[i].codes, v, 2);
	if (n < 1 || (n == 1 && !(v[0] > 0)))
		return false;
	snprintf(text, SM_SIDECAR_TEXT, n > 1 ? "%.17g\\" : "%.17g", v[0]);
	return true;
}

/* One item of functional groups, with the groups that were looked up. */
#define GROUPS 20
struct groups {
	struct sm_dataset set;
	struct {
		uint32_t tag;
		bool has;
		struct sm_dataset item;
	} seen[GROUPS];
	size_t n;
};

/* Row i in one item of functional groups. */
static bool text_in_groups(struct groups *g, size_t i, char *text, bool *too_long)
{
	size_t k = 0;
	while (k < g->n && g->seen[k].tag != rows[i].group)
		k++;
	if (k == GROUPS) /* more groups than the table has: never */
		return false;
	if (k == g->n) {
		g->seen[k].tag = rows[i].group;
		uint32_t tag = rows[i].group;
		if (tag == XA_SHARED || tag == XA_FRAME)
			tag = sm_dataset_private(&g->set, 0x0021, xa_creator(tag), 0xfe);
		g->seen[k].has = tag && sm_dataset_item(&g->set, tag, &g->seen[k].item);
		g->n++;
	}
	return g->seen[k].has && text_of(&g->seen[k].item, i, text, too_long);
}

/* What the main data set says of every row, or the shared groups; which rows were found. */
static void read_whole(struct sm_sidecar *one, const struct sm_dataset *main, bool *found)
{
	struct sm_dataset item;
	struct groups shared = {0};
	struct sm_csa csa;
	bool has_shared = sm_dataset_item(main, SHARED_GROUPS, &shared.set);
	bool has_csa = sm_csa_image(main, &csa);
	struct sm_dataset legacy = {0};
	sm_legacy_shared(main, &legacy);
	for (size_t i = 0; i < ROWS; i++) {
		char text[SM_SIDECAR_TEXT] = "";
		bool too_long = false;
		size_t f = sm_sidecar_field(i);
		if (found[f])
			continue;
		if (!rows[i].group || rows[i].group == PRIVATE)
			found[f] = text_of(main, i, text, &too_long) ||
				   (legacy.bytes && text_of(&legacy, i, text, &too_long));
		else if (rows[i].group == CSA)
			found[f] = has_csa && text_in_csa(&csa, i, text);
		else if (rows[i].group == RADIO)
			found[f] = (sm_dataset_item(main, RADIO, &item) ||
				    (legacy.bytes && sm_dataset_item(&legacy, RADIO, &item))) &&
				   text_of(&item, i, text, &too_long);
		else if (has_shared)
			found[f] = text_in_groups(&shared, i, text, &too_long);
		if (found[f] || too_long)
			take(one, i, text, too_long, true);
	}
}

/* Row i in the item of one frame; the classic elements stand there in legacy converted objects. */
static bool text_in_frame(struct groups *g, const struct sm_dataset *legacy, size_t i, char *text,
			  bool *too_long)
{
	if (!rows[i].group)
		return legacy->bytes && text_of(legacy, i, text, too_long);
	return rows[i].group > CSA && rows[i].group != RADIO &&
	       text_in_groups(g, i, text, too_long);
}

/* What one frame says of field f, whose rows end before `end`. */
static bool field_in_frame(struct groups *g, const struct sm_dataset *legacy, size_t f, size_t end,
			   char *text, bool *too_long)
{
	bool has = false;
	for (size_t i = f; i < end && !has; i++)
		has = text_in_frame(g, legacy, i, text, too_long);
	return has;
}

static size_t end_of(size_t f)
{
	size_t end = f;
	while (end < ROWS && sm_sidecar_field(end) == f)
		end++;
	return end;
}

/* The fields that each of the wanted frames must say alike. */
static void read_frames(struct sm_sidecar *one, const struct sm_dataset *main, const bool *found,
			const uint32_t *frames, size_t n)
{
	struct groups item = {0};
	size_t next = 0;
	bool first = true;
	struct sm_dicom_items it = sm_dataset_items(main, FRAME_GROUPS);
	for (uint32_t k = 0; sm_dicom_items_next(&it, &item.set); k++) {
		if (n && (next >= n || frames[next] != k))
			continue;
		next++;
		item.n = 0;
		struct sm_dataset legacy = {0};
		sm_dataset_item(&item.set, UNASSIGNED_FRAME, &legacy);
		for (size_t f = 0, end; f < ROWS; f = end) {
			char text[SM_SIDECAR_TEXT] = "";
			bool too_long = false;
			end = end_of(f);
			if (found[f] || one->varying[f])
				continue;
			field_in_frame(&item, &legacy, f, end, text, &too_long);
			take(one, f, text, too_long, first);
		}
		first = false;
	}
}

void sm_sidecar_read(struct sm_sidecar *into, const struct sm_dicom *dcm, const uint32_t *frames,
		     size_t n)
{
	struct sm_sidecar one = {.files = 1};
	struct sm_dataset main = sm_dicom_data(dcm);
	bool found[ROWS] = {false};
	read_whole(&one, &main, found);
	if (sm_dataset_has(&main, FRAME_GROUPS))
		read_frames(&one, &main, found, frames, n);
	sm_sidecar_join(into, &one);
}

void sm_sidecar_join(struct sm_sidecar *a, const struct sm_sidecar *b)
{
	if (!a->files || !b->files) {
		if (b->files)
			*a = *b;
		return;
	}
	a->files += b->files;
	for (size_t i = 0; i < ROWS; i++) {
		/* Of two spellings of one number the smaller text: joins in any order give the
		 * same. */
		a->varying[i] |= b->varying[i] || !same(rows[i].kind, a->value[i], b->value[i]);
		a->too_long[i] |= b->too_long[i];
		if (strcmp(b->value[i], a->value[i]) < 0)
			memcpy(a->value[i], b->value[i], sizeof a->value[i]);
	}
}

enum sm_status sm_sidecar_times_init(struct sm_sidecar_times *t, size_t times, struct sm_mem *mem,
				     struct sm_err *err)
{
	*t = (struct sm_sidecar_times){0};
	if (times < 2)
		return SM_OK;
	if (times > SIZE_MAX / ROWS)
		return SM_FAIL(err, SM_BUDGET, "sidecar: %zu time points are too many", times);
	t->value = sm_alloc(mem, times * ROWS, sizeof *t->value, "sidecar", err);
	if (!t->value)
		return SM_BUDGET;
	t->times = times;
	for (size_t i = 0; i < times * ROWS; i++)
		t->value[i] = NAN;
	return SM_OK;
}

void sm_sidecar_times_clear(struct sm_sidecar_times *t)
{
	sm_free(t->value);
	*t = (struct sm_sidecar_times){0};
}

/* Takes one text for field f of one time point. INFINITY: absent somewhere, or not all say the
 * same. */
static void take_time(struct sm_sidecar_times *t, size_t f, size_t time, const char *text)
{
	char *end;
	double v = strtod(text, &end), *slot = &t->value[f * t->times + time];
	if (!*text || *end || !isfinite(v))
		v = INFINITY;
	*slot = isnan(*slot) || *slot == v ? v : INFINITY;
}

void sm_sidecar_times_read(struct sm_sidecar_times *t, const struct sm_sidecar *one,
			   const struct sm_dicom *dcm, const uint32_t *frames, const uint32_t *time,
			   size_t n)
{
	bool varying = false;
	for (size_t f = 0; f < ROWS; f++) {
		if (sm_sidecar_field(f) != f || !sm_sidecar_is_number(&rows[f]))
			continue;
		varying = varying || one->varying[f];
		for (size_t i = 0; i < n && !one->varying[f]; i++)
			if (!i || time[i] != time[i - 1])
				take_time(t, f, time[i], one->value[f]);
	}
	if (!varying)
		return;
	struct sm_dataset main = sm_dicom_data(dcm);
	struct groups item = {0};
	struct sm_dicom_items it = sm_dataset_items(&main, FRAME_GROUPS);
	size_t next = 0;
	for (uint32_t k = 0; next < n && sm_dicom_items_next(&it, &item.set); k++) {
		if (frames[next] != k)
			continue;
		item.n = 0;
		struct sm_dataset legacy = {0};
		sm_dataset_item(&item.set, UNASSIGNED_FRAME, &legacy);
		for (size_t f = 0; f < ROWS; f = end_of(f)) {
			char text[SM_SIDECAR_TEXT] = "";
			bool too_long = false;
			if (!sm_sidecar_is_number(&rows[f]) || !one->varying[f])
				continue;
			field_in_frame(&item, &legacy, f, end_of(f), text, &too_long);
			take_time(t, f, time[next], text);
		}
		next++;
	}
}
