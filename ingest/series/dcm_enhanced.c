/* SPDX-License-Identifier: Apache-2.0
 *
 * Enhanced multi-frame objects (PS3.3 C.7.6.16): what holds for all frames stands in the item of
 * SharedFunctionalGroupsSequence, the rest in one item a frame.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/series/dcm_head_in.h"

#define SHARED SM_TAG(0x5200, 0x9229)
#define PER_FRAME SM_TAG(0x5200, 0x9230)
#define PLANE_POSITION SM_TAG(0x0020, 0x9113)
#define PLANE_ORIENTATION SM_TAG(0x0020, 0x9116)
#define PIXEL_MEASURES SM_TAG(0x0028, 0x9110)
#define VALUE_TRANSFORMATION SM_TAG(0x0028, 0x9145)
#define FRAME_CONTENT SM_TAG(0x0020, 0x9111)
#define MR_TIMING SM_TAG(0x0018, 0x9112)
#define MR_VELOCITY SM_TAG(0x0018, 0x9197)
#define MR_ECHO SM_TAG(0x0018, 0x9114)
#define MR_MODIFIER SM_TAG(0x0018, 0x9115)
#define MR_DIFFUSION SM_TAG(0x0018, 0x9117)
#define CARDIAC SM_TAG(0x0018, 0x9118)
#define MR_FRAME_TYPE SM_TAG(0x0018, 0x9226)
#define CT_FRAME_TYPE SM_TAG(0x0018, 0x9329)
#define CT_X_RAY SM_TAG(0x0018, 0x9325)
#define CT_RECONSTRUCTION SM_TAG(0x0018, 0x9314)
#define PET_FRAME_TYPE SM_TAG(0x0018, 0x9751)
#define PET_CORRECTIONS SM_TAG(0x0018, 0x9736)
#define TEMPORAL_POSITION SM_TAG(0x0020, 0x9310)
#define UNASSIGNED_SHARED SM_TAG(0x0020, 0x9170)
#define UNASSIGNED_FRAME SM_TAG(0x0020, 0x9171)
#define REAL_WORLD SM_TAG(0x0040, 0x9096)

#define SPACING SM_TAG(0x0028, 0x0030)
#define FRAME_TYPE SM_TAG(0x0008, 0x9007)
#define EFFECTIVE_ECHO SM_TAG(0x0018, 0x9082)
#define INVERSION_TIMES SM_TAG(0x0018, 0x9079)
#define TRIGGER_DELAY SM_TAG(0x0020, 0x9153)
#define TIME_OFFSET SM_TAG(0x0020, 0x930d)
#define STACK SM_TAG(0x0020, 0x9056)
#define TEMPORAL_INDEX SM_TAG(0x0020, 0x9128)
#define FRAME_ACQUISITION SM_TAG(0x0020, 0x9156)
#define FRAME_TIME SM_TAG(0x0018, 0x9074)
#define FRAME_REFERENCE SM_TAG(0x0018, 0x9151)
#define DECAY_CORRECTED_TO SM_TAG(0x0018, 0x9701)
#define VELOCITY_DIRECTION SM_TAG(0x0018, 0x9090)
#define DIMENSION_SEQUENCE SM_TAG(0x0020, 0x9222)
#define DIMENSION_POINTER SM_TAG(0x0020, 0x9165)
#define IN_STACK_POSITION SM_TAG(0x0020, 0x9057)
#define POSITION SM_TAG(0x0020, 0x0032)
#define POSITION_VOLUME SM_TAG(0x0020, 0x9301)
#define DIMENSIONS SM_TAG(0x0020, 0x9157)
#define DIRECTIONALITY SM_TAG(0x0018, 0x9075)
#define FRAME_DURATION SM_TAG(0x0018, 0x9220)
#define DECAY_FACTOR SM_TAG(0x0054, 0x1321)
#define UNITS_CODE SM_TAG(0x0040, 0x08ea)
#define CODE_VALUE SM_TAG(0x0008, 0x0100)
#define RESCALE_TYPE SM_TAG(0x0028, 0x1054)

/* Items may be empty, frames in memory are not: a bound on what a file makes us allocate. */
#define MOST_FRAMES 262144

/* The groups that are read. The first ones must be there, in one place only. */
enum group {
	GROUP_POSITION,
	GROUP_ORIENTATION,
	GROUP_MEASURES,
	GROUP_TRANSFORMATION,
	GROUP_STRICT, /* how many those are */
	GROUP_CONTENT = GROUP_STRICT,
	GROUP_TIMING,
	GROUP_VELOCITY,
	GROUP_ECHO,
	GROUP_MODIFIER,
	GROUP_DIFFUSION,
	GROUP_CARDIAC,
	GROUP_MR_TYPE,
	GROUP_CT_TYPE,
	GROUP_PET_TYPE,
	GROUP_X_RAY,
	GROUP_RECONSTRUCTION,
	GROUP_CORRECTIONS,
	GROUP_TEMPORAL,
	GROUP_UNASSIGNED_SHARED,
	GROUP_UNASSIGNED_FRAME,
	GROUP_REAL_WORLD,
	GROUP_COUNT
};
static const uint32_t tags[GROUP_COUNT] = {
	[GROUP_POSITION] = PLANE_POSITION,
	[GROUP_ORIENTATION] = PLANE_ORIENTATION,
	[GROUP_MEASURES] = PIXEL_MEASURES,
	[GROUP_TRANSFORMATION] = VALUE_TRANSFORMATION,
	[GROUP_CONTENT] = FRAME_CONTENT,
	[GROUP_TIMING] = MR_TIMING,
	[GROUP_VELOCITY] = MR_VELOCITY,
	[GROUP_ECHO] = MR_ECHO,
	[GROUP_MODIFIER] = MR_MODIFIER,
	[GROUP_DIFFUSION] = MR_DIFFUSION,
	[GROUP_CARDIAC] = CARDIAC,
	[GROUP_MR_TYPE] = MR_FRAME_TYPE,
	[GROUP_CT_TYPE] = CT_FRAME_TYPE,
	[GROUP_PET_TYPE] = PET_FRAME_TYPE,
	[GROUP_X_RAY] = CT_X_RAY,
	[GROUP_RECONSTRUCTION] = CT_RECONSTRUCTION,
	[GROUP_CORRECTIONS] = PET_CORRECTIONS,
	[GROUP_TEMPORAL] = TEMPORAL_POSITION,
	[GROUP_UNASSIGNED_SHARED] = UNASSIGNED_SHARED,
	[GROUP_UNASSIGNED_FRAME] = UNASSIGNED_FRAME,
	[GROUP_REAL_WORLD] = REAL_WORLD,
};
static const char *const strict_names[GROUP_STRICT] = {
	"PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence",
	"PixelValueTransformationSequence"};

/* The first item of each group; bytes NULL = absent. */
struct groups {
	struct sm_dataset item[GROUP_COUNT];
};

static const struct sm_dataset *group(const struct groups *g, enum group which)
{
	return g->item[which].bytes ? &g->item[which] : NULL;
}

static void read_place(const struct groups *g, struct sm_dcm_frame *f)
{
	const struct sm_dataset *item;
	if ((item = group(g, GROUP_POSITION)))
		sm_place_position(item, f);
	if ((item = group(g, GROUP_ORIENTATION)))
		sm_place_orientation(item, f);
	if ((item = group(g, GROUP_MEASURES))) {
		sm_place_spacing(item, SPACING, f);
		sm_place_thickness(item, f);
	}
}

bool sm_legacy_shared(const struct sm_dataset *main, struct sm_dataset *item)
{
	struct sm_dataset shared;
	return sm_dataset_item(main, SHARED, &shared) &&
	       sm_dataset_item(&shared, UNASSIGNED_SHARED, item);
}

/* PET: FrameReferenceDateTime is FrameReferenceTime's successor; that counts from the moment that
 * values are decay-corrected to. */
static void read_reference(struct sm_head_job *job, const struct sm_dataset *item,
			   struct sm_dcm_frame *f)
{
	char text[64], zero[64];
	if (sm_dataset_text(item, FRAME_REFERENCE, text, sizeof text) &&
	    sm_dataset_text(&job->set, DECAY_CORRECTED_TO, zero, sizeof zero)) {
		double ms = 1000 * (sm_keys_moment(job, text) - sm_keys_moment(job, zero));
		f->reference = fabs(ms) < 1e9 ? ms : f->reference;
	}
}

static void read_content(struct sm_head_job *job, const struct sm_dataset *item,
			 struct sm_dcm_frame *f)
{
	char text[64];
	/* A stack's name is free text; numbers in front keep their value, so that order is kept. */
	if (sm_dataset_text(item, STACK, text, sizeof text)) {
		char *end;
		long n = strtol(text, &end, 10);
		if (*end || n < 1 || n > 1000000) {
			char hex[65];
			sm_salt_hash(job->salt, text, hex);
			hex[7] = '\0';
			n = 1000000 + strtol(hex, NULL, 16);
		}
		f->stack = n;
	}
	f->temporal = sm_head_whole(item, TEMPORAL_INDEX, f->temporal);
	f->acquisition = sm_head_whole(item, FRAME_ACQUISITION, f->acquisition);
	f->duration = sm_dataset_number_or(item, FRAME_DURATION, f->duration);
	if (sm_dataset_text(item, FRAME_TIME, text, sizeof text)) {
		double at = sm_keys_moment(job, text);
		if (!isnan(at)) {
			f->time = at;
			f->dated = true;
		}
	}
	read_reference(job, item, f);
}

static void read_type(struct sm_head_job *job, const struct groups *g, struct sm_dcm_frame *f)
{
	static const enum group types[] = {GROUP_MR_TYPE, GROUP_CT_TYPE, GROUP_PET_TYPE};
	char text[512];
	for (int i = 0; i < 3; i++) {
		const struct sm_dataset *item = group(g, types[i]);
		if (!item)
			continue;
		if (sm_dataset_text(item, FRAME_TYPE, text, sizeof text)) {
			f->component = SM_MAGNITUDE;
			sm_keys_image_type(job, text, f);
		}
		sm_keys_component(job, item, f);
	}
}

/* MeasurementUnitsCodeSequence of the real world mapping. */
static bool read_units(const struct groups *g, char *text, size_t n)
{
	const struct sm_dataset *mapping = group(g, GROUP_REAL_WORLD);
	struct sm_dataset code;
	return mapping && sm_dataset_item(mapping, UNITS_CODE, &code) &&
	       sm_dataset_text(&code, CODE_VALUE, text, n);
}

static bool near(double a, double b)
{
	return fabs(a - b) <= 1e-5 * fabs(b);
}

/* The unit of a frame's numbers under the names of dcm_head.h, "" when nothing tells. A PET map's
 * unit is that of the map's line only: rescaled numbers have it when both lines are the same. */
static const char *unit_of(const struct sm_head_job *job, const struct groups *shared,
			   const struct groups *own, const struct sm_factors *factors,
			   const struct sm_dcm_frame *f)
{
	static const struct {
		const char *text, *unit;
	} units[] = {{"Bq/ml", "BQML"}, {"Bq/mL", "BQML"}, {"{SUVbw}g/ml", "GML"},
		     {"HU", "HU"},	{"HU_MOD", "HU_MOD"}, {"US", "US"},
		     {"MGML", "MGML"},	{"Z_EFF", "Z_EFF"}, {"ED", "ED"},
		     {"EDW", "EDW"},	{"PCT", "PCT"}};
	bool pet = strcmp(job->head->modality, "PT") == 0;
	const struct groups *g = group(own, GROUP_TRANSFORMATION) ? own : shared;
	const struct groups *map = group(own, GROUP_REAL_WORLD) ? own : shared;
	const struct sm_dataset *scale = group(g, GROUP_TRANSFORMATION);
	char text[32];
	if (pet ? !read_units(map, text, sizeof text) || factors->real_worlds != 1 ||
			  !near(f->slope, factors->real_slope) ||
			  !near(f->intercept, factors->real_intercept)
		: !scale || !sm_dataset_text(scale, RESCALE_TYPE, text, sizeof text))
		return "";
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (strcmp(units[i].text, text) == 0)
			return units[i].unit;
	return "?";
}

/* Flow along another direction is another volume. */
static void read_velocity(const struct sm_dataset *item, struct sm_dcm_frame *f)
{
	double v[3];
	if (sm_dataset_exactly(item, VELOCITY_DIRECTION, v, 3) && sm_dot3(v, v) > 0.5 &&
	    sm_dot3(v, v) < 2)
		snprintf(f->image_kind, sizeof f->image_kind, "V%+04d%+04d%+04d",
			 (int)round(100 * v[0]), (int)round(100 * v[1]), (int)round(100 * v[2]));
}

static void read_keys(struct sm_head_job *job, const struct groups *g, struct sm_dcm_frame *f)
{
	const struct sm_dataset *item;
	double v;
	if ((item = group(g, GROUP_CONTENT)))
		read_content(job, item, f);
	if ((item = group(g, GROUP_ECHO)))
		f->echo_time = sm_dataset_number_or(item, EFFECTIVE_ECHO, f->echo_time);
	if ((item = group(g, GROUP_MODIFIER)) &&
	    sm_dataset_numbers(item, INVERSION_TIMES, &v, 1) > 0)
		f->inversion_time = v;
	if ((item = group(g, GROUP_DIFFUSION)))
		sm_diffusion_standard(item, f);
	if ((item = group(g, GROUP_CARDIAC)))
		f->trigger = sm_dataset_number_or(item, TRIGGER_DELAY, f->trigger);
	if ((item = group(g, GROUP_TEMPORAL)) && sm_dataset_exactly(item, TIME_OFFSET, &v, 1))
		f->reference = 1000 * v;
	if ((item = group(g, GROUP_CORRECTIONS)))
		f->decay_factor = sm_dataset_number_or(item, DECAY_FACTOR, f->decay_factor);
	for (enum group ct = GROUP_X_RAY; ct <= GROUP_RECONSTRUCTION; ct++)
		if ((item = group(g, ct)))
			sm_keys_ct(job, item, f);
	if ((item = group(g, GROUP_TIMING)))
		f->repetition = sm_keys_repetition(job, item, f->repetition);
	read_type(job, g, f);
	if ((item = group(g, GROUP_VELOCITY)))
		read_velocity(item, f);
	char text[32];
	if (read_units(g, text, sizeof text) && strcmp(text, "Hz") == 0)
		f->component = SM_FIELD_MAP;
}

/* Philips keeps a whole classic header of each frame in a private sequence; its place is not always
 * that of the standard's groups, so only what has no standard element is taken from it. */
static void read_philips(struct sm_head_job *job, const struct sm_dataset *set,
			 struct sm_dcm_frame *f, struct sm_factors *factors)
{
	struct sm_dataset found[2];
	uint32_t first = sm_dataset_private(set, 0x2005, "Philips MR Imaging DD 005", 0x0e);
	if (!first)
		return;
	const uint32_t sequences[2] = {first, first + 1}; /* shared, each frame */
	sm_dataset_first_items(set, sequences, 2, found);
	for (int i = 0; i < 2; i++) {
		const struct sm_dataset *item = &found[i];
		if (!item->bytes)
			continue;
		sm_scale_philips(item, factors);
		sm_diffusion_private(job, item, f);
		enum sm_component before = f->component;
		sm_keys_component(job, item, f);
		if (f->component == SM_MAGNITUDE)
			f->component = before;
		if (isnan(f->trigger))
			f->trigger = sm_dataset_number_or(item, SM_TAG(0x0018, 0x1060), NAN);
	}
}

static void read_groups(struct sm_head_job *job, const struct sm_dataset *set,
			struct sm_dcm_frame *f, struct sm_factors *factors, struct groups *g)
{
	static const enum group unassigned[] = {GROUP_UNASSIGNED_SHARED, GROUP_UNASSIGNED_FRAME};
	const struct sm_dataset *item;
	sm_dataset_first_items(set, tags, GROUP_COUNT, g->item);
	for (int i = 0; i < 2; i++)
		if ((item = group(g, unassigned[i]))) {
			sm_keys_classic(job, item, f);
			sm_keys_component(job, item, f);
		}
	read_place(g, f);
	if ((item = group(g, GROUP_TRANSFORMATION)))
		sm_scale_rescale(item, factors);
	if (group(g, GROUP_REAL_WORLD))
		sm_scale_real_world(set, factors);
	read_keys(job, g, f);
	if (strcmp(job->head->modality, "MR") == 0)
		read_philips(job, set, f, factors);
}

/* Groups that stand in both places must agree. */
static void judge_both(struct sm_head_job *job, const struct groups *shared,
		       const struct groups *own, const struct sm_dcm_frame *base,
		       const struct sm_factors *base_factors, struct sm_dcm_frame *f,
		       const struct sm_factors *factors)
{
	bool differs[GROUP_STRICT] = {
		[GROUP_POSITION] = memcmp(base->position, f->position, sizeof f->position) != 0,
		[GROUP_ORIENTATION] = memcmp(base->across, f->across, sizeof f->across) != 0 ||
				      memcmp(base->down, f->down, sizeof f->down) != 0,
		[GROUP_MEASURES] = memcmp(base->spacing, f->spacing, sizeof f->spacing) != 0,
		[GROUP_TRANSFORMATION] = base_factors->slope != factors->slope ||
					 base_factors->intercept != factors->intercept,
	};
	for (int g = 0; g < GROUP_STRICT; g++)
		if (group(shared, g) && group(own, g) && differs[g])
			sm_frame_judge(
				job->head, f, SM_VERDICT_BAD_FRAMES,
				"%s stands in the shared groups and in the frame's, and they "
				"differ",
				strict_names[g]);
}

static void judge_missing(struct sm_head_job *job, const struct groups *shared,
			  const struct groups *own, struct sm_dcm_frame *f)
{
	const bool has[] = {f->has_position, f->has_orientation, f->has_spacing};
	for (int g = 0; g < GROUP_TRANSFORMATION; g++)
		if (!group(shared, g) && !group(own, g) && !has[g])
			sm_frame_judge(job->head, f, SM_VERDICT_BAD_FRAMES,
				       "%s is missing in the shared groups and in the frame's",
				       strict_names[g]);
	const struct sm_dataset *set[3];
	for (int g = 0; g < 3; g++)
		set[g] = group(own, g)      ? group(own, g)
			 : group(shared, g) ? group(shared, g)
					    : &job->set;
	sm_place_judge(job->head, set, f);
}

/* The unit of all frames, unless the main data set told it. */
static void note_unit(struct sm_dcm_head *h, size_t i, const char *unit)
{
	if (i == 0)
		snprintf(h->units, sizeof h->units, "%s", unit);
	else if (strcmp(h->units, unit) != 0)
		memcpy(h->units, "?", 2);
}

/* A frame's DimensionIndexValues: the file's own order of its frames. */
#define MOST_DIMENSIONS 8
struct ranked {
	double index[MOST_DIMENSIONS];
	int n;
	unsigned places; /* bit i: index[i] counts places, not what is shown there */
	bool isotropic;
	size_t frame;
};

static int by_dimensions(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	for (int i = 0; i < x->n && i < y->n; i++)
		if (x->index[i] != y->index[i])
			return x->index[i] < y->index[i] ? -1 : 1;
	return (x->frame > y->frame) - (x->frame < y->frame);
}

/* The same without the dimensions that count places; 0: both show the same. */
static int by_content(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	for (int i = 0; i < x->n; i++)
		if (!(x->places >> i & 1) && x->index[i] != y->index[i])
			return x->index[i] < y->index[i] ? -1 : 1;
	return 0;
}

/* The element that a dimension counts. */
static uint32_t pointer_of(const struct sm_dataset *item)
{
	struct sm_element e;
	if (!sm_dataset_find(item, DIMENSION_POINTER, &e) || e.n != 4)
		return 0;
	const unsigned char *b = e.bytes;
	return item->big_endian ? SM_TAG(b[0] << 8 | b[1], b[2] << 8 | b[3])
				: SM_TAG(b[1] << 8 | b[0], b[3] << 8 | b[2]);
}

/* Which dimensions count places; ~0 when the file does not tell what its dimensions are. */
static unsigned place_dimensions(const struct sm_dataset *main, int n)
{
	static const uint32_t places[] = {STACK, IN_STACK_POSITION, POSITION, POSITION_VOLUME};
	struct sm_dataset item;
	struct sm_dicom_items it = sm_dataset_items(main, DIMENSION_SEQUENCE);
	unsigned bits = 0;
	int count = 0;
	for (; count <= n && sm_dicom_items_next(&it, &item); count++) {
		uint32_t pointer = pointer_of(&item);
		for (size_t i = 0; i < sizeof places / sizeof *places; i++)
			bits |= (unsigned)(pointer == places[i]) << count;
	}
	return count == n ? bits : ~0u;
}

/* Numbers frames by their indices when all have as many. */
static void rank_frames(struct sm_head_job *job, struct ranked *r, long earlier)
{
	struct sm_dcm_head *h = job->head;
	unsigned places = place_dimensions(&job->set, r[0].n);
	for (size_t i = 0; i < h->frame_count; i++) {
		r[i].frame = i;
		r[i].places = places;
		if (r[i].n < 1 || r[i].n > MOST_DIMENSIONS || r[i].n != r[0].n)
			return;
	}
	qsort(r, h->frame_count, sizeof *r, by_dimensions);
	for (size_t i = 0; i < h->frame_count; i++)
		h->frame[r[i].frame].instance = earlier + (long)i + 1;
	if (places == ~0u)
		return;
	qsort(r, h->frame_count, sizeof *r, by_content);
	long content = 1;
	for (size_t i = 0; i < h->frame_count; i++) {
		content += i && by_content(&r[i], &r[i - 1]) != 0;
		h->frame[r[i].frame].dimension = content;
	}
}

static bool is_isotropic(const struct groups *own)
{
	char text[32];
	return group(own, GROUP_DIFFUSION) &&
	       sm_dataset_text(group(own, GROUP_DIFFUSION), DIRECTIONALITY, text, sizeof text) &&
	       strcmp(text, "ISOTROPIC") == 0;
}

/* Beside directions of diffusion, the mean over all of them is a picture derived from those, not
 * one more direction. */
static void part_traces(struct sm_dcm_head *h, const struct ranked *r)
{
	bool directions = false;
	for (size_t i = 0; i < h->frame_count; i++)
		directions = directions || sm_dot3(h->frame[i].b_vector, h->frame[i].b_vector) > 0;
	for (size_t i = 0; i < h->frame_count && directions; i++)
		if (r[i].isotropic && h->frame[i].component == SM_MAGNITUDE) {
			h->frame[i].component = SM_DERIVED_MAP;
			memcpy(h->frame[i].image_kind, "TRACE", sizeof "TRACE");
		}
}

static size_t count_items(const struct sm_dataset *set, size_t most)
{
	struct sm_dataset item;
	struct sm_dicom_items it = sm_dataset_items(set, PER_FRAME);
	size_t n = 0;
	while (n < most && sm_dicom_items_next(&it, &item))
		n++;
	return n;
}

enum sm_status sm_enhanced_frames(struct sm_head_job *job, const struct sm_dcm_frame *top,
				  const struct sm_factors *top_factors, long claimed,
				  struct sm_err *err)
{
	struct sm_dcm_head *h = job->head;
	struct sm_dcm_frame base = *top;
	struct sm_factors factors = *top_factors;
	struct groups shared = {0};
	struct sm_dataset item;
	size_t items = count_items(&job->set, (size_t)claimed + 1);
	if (claimed > MOST_FRAMES)
		sm_head_judge(h, SM_VERDICT_BAD_FRAMES, "NumberOfFrames %ld, allowed 1..%d",
			      claimed, MOST_FRAMES);
	if (items == 0)
		sm_head_judge(
			h, SM_VERDICT_BAD_FRAMES,
			"NumberOfFrames is %ld and PerFrameFunctionalGroupsSequence, which says "
			"where frames lie, is missing or empty",
			claimed);
	else if (items != (size_t)claimed)
		sm_head_judge(
			h, SM_VERDICT_BAD_FRAMES,
			"NumberOfFrames is %ld and PerFrameFunctionalGroupsSequence has %s%zu "
			"items",
			claimed, items > (size_t)claimed ? "more than " : "",
			items > (size_t)claimed ? (size_t)claimed : items);
	if (items > MOST_FRAMES || items == 0 || items != (size_t)claimed) {
		sm_scale_apply(job, &factors, &base);
		return sm_head_frames(h, 1, &base, err);
	}
	if (sm_dataset_item(&job->set, SHARED, &item))
		read_groups(job, &item, &base, &factors, &shared);
	SM_TRY(sm_head_frames(h, items, &base, err));
	bool told = *h->units;
	/* Objects of one series follow each other by InstanceNumber. */
	long earlier = top->instance > 1 ? (top->instance - 1) * MOST_FRAMES : 0;
	struct ranked *ranked = calloc(items, sizeof *ranked);
	if (!ranked)
		return SM_FAIL(err, SM_BUDGET, "no memory for %zu frames", items);
	struct sm_dicom_items it = sm_dataset_items(&job->set, PER_FRAME);
	for (size_t i = 0; i < items && sm_dicom_items_next(&it, &item); i++) {
		struct sm_dcm_frame *f = &h->frame[i];
		struct sm_factors own_factors = factors;
		struct groups own;
		f->instance = earlier + (long)i + 1;
		read_groups(job, &item, f, &own_factors, &own);
		judge_both(job, &shared, &own, &base, &factors, f, &own_factors);
		judge_missing(job, &shared, &own, f);
		sm_scale_apply(job, &own_factors, f);
		sm_head_spacing_from(h, f);
		if (!told)
			note_unit(h, i, unit_of(job, &shared, &own, &own_factors, f));
		ranked[i].isotropic = is_isotropic(&own);
		if (group(&own, GROUP_CONTENT))
			ranked[i].n = sm_dataset_numbers(group(&own, GROUP_CONTENT), DIMENSIONS,
							 ranked[i].index, MOST_DIMENSIONS);
	}
	part_traces(h, ranked);
	rank_frames(job, ranked, earlier);
	free(ranked);
	return SM_OK;
}
