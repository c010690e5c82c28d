/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/viewer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/nii.h"
#include "eval/page_script.h"

/* A library of twice this length is another one. */
#define VIEWER_MOST ((size_t)8 << 20)

static const char *const volume_ids[SM_VIEWER_VOLUMES] = {"scan", "truth", "prediction",
							  "difference"};

/* Malloc memory; NULL when it cannot be told. */
static char *beside_program(void)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self);
	if (n <= 0 || (size_t)n >= sizeof self)
		return NULL;
	while (n > 0 && self[n - 1] != '/')
		n--;
	return sm_strf("%.*s%s", (int)n, self, SM_VIEWER_FILE);
}

static bool wanted(const struct sm_report *report)
{
	return report->settings->viewer && report->settings->viewer_cases &&
	       sm_scene_possible(report);
}

enum sm_status sm_viewer_find(struct sm_report *report, const char *given, struct sm_item *item,
			      struct sm_err *err)
{
	char hex[65], *path = NULL;
	enum sm_status st = SM_OK;
	if (!wanted(report))
		return SM_OK;
	path = given ? sm_strf("%s", given) : beside_program();
	if (!given && (!path || sm_file_absent(path))) {
		report->viewer_missing = "The page was made without the interactive viewer, whose "
					 "library was not there (make viewer fetches it).";
		goto out;
	}
	if (!path)
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "%s: out of memory", SM_VIEWER_FILE));
	SM_GOTO(st, sm_file_read(path, VIEWER_MOST, &report->run->mem, &report->viewer,
				 &report->viewer_n, err));
	sm_sha256_bytes(report->viewer, report->viewer_n, hex);
	if (strcmp(hex, SM_VIEWER_SHA256) != 0)
		SM_GOTO(st, SM_FAIL(err, SM_INPUT,
				    "%s: has hash %.12s, needed is NiiVue %s with hash %.12s: "
				    "run make viewer",
				    path, hex, SM_VIEWER_VERSION, SM_VIEWER_SHA256));
	st = sm_item_input(item, "viewer", SM_VIEWER_FILE, hex, err);
out:
	free(path);
	if (st != SM_OK)
		sm_viewer_clear(report);
	return st;
}

void sm_viewer_clear(struct sm_report *report)
{
	sm_free(report->viewer);
	report->viewer = NULL;
	report->viewer_n = 0;
}

struct box {
	int64_t low[3], high[3]; /* high < low: empty */
};

static void widen(struct box *b, int64_t x, int64_t y, int64_t z)
{
	int64_t at[3] = {x, y, z};
	for (int a = 0; a < 3; a++) {
		b->low[a] = at[a] < b->low[a] ? at[a] : b->low[a];
		b->high[a] = at[a] > b->high[a] ? at[a] : b->high[a];
	}
}

static void find_boxes(const struct sm_scene *s, struct box *all, struct box *labelled)
{
	const int64_t *dim = s->image.dim;
	const float *image = s->image.data;
	const uint8_t *truth = s->truth.data, *prediction = s->prediction.data;
	size_t i = 0;
	*all = *labelled = (struct box){{dim[0], dim[1], dim[2]}, {-1, -1, -1}};
	for (int64_t z = 0; z < dim[2]; z++)
		for (int64_t y = 0; y < dim[1]; y++)
			for (int64_t x = 0; x < dim[0]; x++, i++) {
				bool label = truth[i] || prediction[i];
				if (label)
					widen(labelled, x, y, z);
				if (label || image[i] < 0 || image[i] > 0)
					widen(all, x, y, z);
			}
}

/* The box with a margin, within the grid; an empty one is the whole grid. */
static struct sm_viewer_part part_of(const struct box *b, const int64_t margin[3],
				     const int64_t dim[4])
{
	struct sm_viewer_part part = {.step = 1};
	for (int a = 0; a < 3; a++) {
		bool empty = b->high[a] < b->low[a];
		int64_t low = empty ? 0 : b->low[a] - margin[a];
		int64_t high = empty ? dim[a] - 1 : b->high[a] + margin[a];
		part.low[a] = low > 0 ? low : 0;
		part.n[a] = (high < dim[a] ? high + 1 : dim[a]) - part.low[a];
	}
	return part;
}

static bool fits(const struct sm_viewer_part *part, size_t most)
{
	double n = (double)part->n[0] * (double)part->n[1] * (double)part->n[2];
	return n <= (double)most;
}

struct sm_viewer_part sm_viewer_choose_part(const struct sm_scene *scene, size_t most)
{
	struct box all, labelled;
	double spacing[3];
	int64_t few[3] = {2, 2, 2}, around[3];
	find_boxes(scene, &all, &labelled);
	struct sm_viewer_part part = part_of(&all, few, scene->image.dim);
	if (fits(&part, most))
		return part;
	sm_vol_spacing(&scene->image, spacing);
	for (int a = 0; a < 3; a++)
		around[a] = (int64_t)(25 / spacing[a]) + 1;
	if (labelled.high[0] >= 0)
		part = part_of(&labelled, around, scene->image.dim);
	struct sm_viewer_part whole = part;
	while (!fits(&part, most)) {
		part.step++;
		for (int a = 0; a < 3; a++)
			part.n[a] = (whole.n[a] + part.step - 1) / part.step;
	}
	return part;
}

/* Mean gray of a block. */
static uint8_t gray_of(const struct sm_scene *s, const int64_t at[3], int step)
{
	const int64_t *dim = s->image.dim;
	const float *image = s->image.data;
	double sum = 0, n = 0;
	for (int64_t z = at[2]; z < at[2] + step && z < dim[2]; z++)
		for (int64_t y = at[1]; y < at[1] + step && y < dim[1]; y++)
			for (int64_t x = at[0]; x < at[0] + step && x < dim[0]; x++, n++)
				sum += sm_scene_gray(s, image[x + dim[0] * (y + dim[1] * z)]);
	return (uint8_t)(sum / n + 0.5);
}

static uint8_t difference(uint8_t truth, uint8_t prediction)
{
	if (truth && prediction)
		return truth == prediction ? 1 : 2;
	return prediction ? 3 : truth ? 4 : 0;
}

/* The grid of a part: blocks of the scan are averaged, so that their voxel's place is the middle of
 * the block's. */
static void place(struct sm_vol *out, const struct sm_scene *s, const struct sm_viewer_part *part)
{
	double half = (part->step - 1) / 2.0;
	for (int r = 0; r < 3; r++) {
		out->affine[r][3] = s->image.affine[r][3];
		for (int c = 0; c < 3; c++) {
			out->affine[r][c] = s->image.affine[r][c] * part->step;
			out->affine[r][3] += s->image.affine[r][c] * ((double)part->low[c] + half);
		}
	}
	out->form_code = s->image.form_code;
}

enum sm_status sm_viewer_cut(const struct sm_scene *s, const struct sm_viewer_part *part,
			     struct sm_mem *mem, struct sm_vol out[SM_VIEWER_VOLUMES],
			     struct sm_err *err)
{
	const int64_t dim[4] = {part->n[0], part->n[1], part->n[2], 1}, *from = s->image.dim;
	const uint8_t *truth = s->truth.data, *prediction = s->prediction.data;
	uint8_t *to[SM_VIEWER_VOLUMES];
	size_t i = 0;
	memset(out, 0, SM_VIEWER_VOLUMES * sizeof *out);
	for (int v = 0; v < SM_VIEWER_VOLUMES; v++) {
		SM_TRY(sm_vol_init(&out[v], dim, SM_U8, mem, "volume of the viewer", err));
		place(&out[v], s, part);
		out[v].meaning = v ? SM_MEANING_LABEL : SM_MEANING_ARBITRARY;
		to[v] = out[v].data;
	}
	for (int64_t z = 0; z < dim[2]; z++)
		for (int64_t y = 0; y < dim[1]; y++)
			for (int64_t x = 0; x < dim[0]; x++, i++) {
				int64_t at[3] = {part->low[0] + x * part->step,
						 part->low[1] + y * part->step,
						 part->low[2] + z * part->step};
				int64_t k = at[0] + from[0] * (at[1] + from[1] * at[2]);
				to[SM_VIEWER_SCAN][i] = gray_of(s, at, part->step);
				to[SM_VIEWER_TRUTH][i] = truth[k];
				to[SM_VIEWER_PREDICTION][i] = prediction[k];
				to[SM_VIEWER_DIFFERENCE][i] = difference(truth[k], prediction[k]);
			}
	return SM_OK;
}

/* Centre of what is labelled (else of the part), as shares of the axes in the order RAS. */
static void find_centre(const struct sm_vol volume[SM_VIEWER_VOLUMES], double centre[3])
{
	const struct sm_vol *d = &volume[SM_VIEWER_DIFFERENCE];
	const uint8_t *label = d->data;
	double sum[3] = {0}, n = 0;
	char letters[4];
	size_t i = 0;
	for (int64_t z = 0; z < d->dim[2]; z++)
		for (int64_t y = 0; y < d->dim[1]; y++)
			for (int64_t x = 0; x < d->dim[0]; x++, i++)
				if (label[i]) {
					sum[0] += (double)x;
					sum[1] += (double)y;
					sum[2] += (double)z;
					n++;
				}
	sm_vol_axes(d, letters);
	for (int k = 0; k < 3; k++)
		centre[k] = 0.5;
	for (int a = 0; a < 3 && n > 0; a++) {
		static const char axes[3][3] = {"RL", "AP", "SI"};
		for (int k = 0; k < 3; k++)
			if (letters[a] && strchr(axes[k], letters[a])) {
				double at = (sum[a] / n + 0.5) / (double)d->dim[a];
				centre[k] = letters[a] == axes[k][0] ? at : 1 - at;
			}
	}
}

static enum sm_status add_volume(const struct sm_vol *v, const char *id, size_t k, int jobs,
				 struct sm_text *out, struct sm_err *err)
{
	unsigned char *bytes;
	size_t n;
	SM_TRY(sm_nii_encode(v, "volume of the viewer", 9, jobs, &bytes, &n, err));
	sm_text_f(out, "<script type=\"text/plain\" id=\"%s%zu\">", id, k);
	sm_text_base64(out, bytes, n);
	sm_text_str(out, "</script>\n");
	free(bytes);
	return SM_OK;
}

/* What is known of a case in the list of cases. */
struct shown {
	const char *key, *role;
	double centre[3];
	int step;
};

static enum sm_status add_case(const struct sm_report *report, size_t k, const char *key,
			       struct shown *shown, struct sm_text *out, struct sm_err *err)
{
	struct sm_run *run = report->run;
	struct sm_vol volume[SM_VIEWER_VOLUMES] = {0};
	struct sm_scene scene;
	enum sm_status st;
	SM_GOTO(st, sm_scene_load(report, key, &scene, err));
	struct sm_viewer_part part = sm_viewer_choose_part(&scene, SM_VIEWER_VOXELS);
	SM_GOTO(st, sm_viewer_cut(&scene, &part, &run->mem, volume, err));
	*shown = (struct shown){.key = key, .role = scene.role, .step = part.step};
	find_centre(volume, shown->centre);
	for (int v = 0; v < SM_VIEWER_VOLUMES && st == SM_OK; v++)
		st = add_volume(&volume[v], volume_ids[v], k, run->jobs, out, err);
out:
	for (int v = 0; v < SM_VIEWER_VOLUMES; v++)
		sm_vol_clear(&volume[v]);
	sm_scene_clear(&scene);
	return st;
}

static json_t *label_entry(int value, const char *name, const char *colour)
{
	return json_pack("{s:i,s:s,s:s}", "value", value, "name", name, "colour", colour);
}

/* The row that is this class alone, else the first that has it: its colour and name. */
static size_t row_of(const struct sm_label_map *map, size_t c)
{
	uint64_t bit = (uint64_t)1 << c;
	for (size_t r = map->n; r-- > 0;)
		if (map->row[r].members == bit)
			return r;
	for (size_t r = 0; r < map->n; r++)
		if (map->row[r].members & bit)
			return r;
	return map->n;
}

/* What the script has to know, as JSON; '<' stands as \u003c, so that no text ends the element. */
static void add_set(const struct sm_report *report, const struct shown *shown, size_t n,
		    struct sm_text *out)
{
	const struct {
		const char *name, *colour;
	} kinds[] = {{"same label", SM_GREY_COLOUR},
		     {"another label", sm_okabe_ito[SM_ORANGE]},
		     {"in the prediction alone", sm_okabe_ito[SM_VERMILION]},
		     {"in the truth alone", sm_okabe_ito[SM_BLUE]}};
	json_t *labels = json_array(), *differences = json_array(), *cases = json_array();
	for (size_t c = 1; c < report->map.classes; c++) {
		size_t r = row_of(&report->map, c);
		struct sm_text name = {0};
		if (r < report->map.n)
			sm_text_str(&name, report->map.row[r].name);
		else
			sm_text_f(&name, "label %d", report->map.value[c]);
		json_array_append_new(
			labels, label_entry(report->map.value[c], name.data ? name.data : "",
					    r < report->map.n ? sm_region_colour(&report->map, r)
							      : sm_okabe_ito[c % SM_COLOURS]));
		sm_text_clear(&name);
	}
	for (size_t k = 0; k < SM_COUNT(kinds); k++)
		json_array_append_new(differences, label_entry((int)k + 1, kinds[k].name,
							       kinds[k].colour));
	for (size_t k = 0; k < n; k++)
		json_array_append_new(cases, json_pack("{s:i,s:o}", "id", (int)k, "centre",
						       sm_json_floats(shown[k].centre, 3)));
	json_t *set = json_pack("{s:o,s:o,s:o}", "labels", labels, "differences", differences,
				"cases", cases);
	char *text = set ? json_dumps(set, JSON_SORT_KEYS | JSON_COMPACT | JSON_REAL_PRECISION(4))
			 : NULL;
	sm_text_str(out, "<script type=\"application/json\" id=\"viewer-set\">");
	for (const char *p = text; p && *p; p++)
		if (*p == '<')
			sm_text_str(out, "\\u003c");
		else
			sm_text_add(out, p, 1);
	sm_text_str(out, "</script>\n");
	out->failed |= !text;
	free(text);
	json_decref(set);
}

/* Stands in the page whether or not a script runs; the script shows the frame. */
static void add_controls(const struct shown *shown, size_t n, struct sm_text *out)
{
	sm_text_str(out,
		    "<p id=\"viewer-note\">The viewer needs JavaScript; the pictures above "
		    "show the cases without it.</p>\n<div id=\"viewer-frame\" hidden=\"hidden\">\n"
		    "<p class=\"controls\"><label>Case <select id=\"viewer-case\">");
	for (size_t k = 0; k < n; k++) {
		sm_text_f(out, "<option value=\"%zu\">", k);
		sm_text_html(out, shown[k].key);
		sm_text_f(out, " (%s", shown[k].role);
		if (shown[k].step > 1)
			sm_text_f(out, ", every %d. voxel", shown[k].step);
		sm_text_str(out, ")</option>");
	}
	sm_text_str(
		out,
		"</select></label> <label>Over the scan <select id=\"viewer-layer\">"
		"<option value=\"truth\">truth</option>"
		"<option value=\"prediction\" selected=\"selected\">prediction</option>"
		"<option value=\"difference\">where they differ</option>"
		"<option value=\"none\">nothing</option></select></label> "
		"<label>Strength <input id=\"viewer-strength\" type=\"range\" min=\"0\" max=\"1\" "
		"step=\"0.05\" value=\"0.5\"/></label> <label>View <select id=\"viewer-cut\">"
		"<option value=\"3\" selected=\"selected\">three slices</option>"
		"<option value=\"all\">slices and 3-D</option>"
		"<option value=\"0\">axial</option><option value=\"1\">coronal</option>"
		"<option value=\"2\">sagittal</option><option value=\"4\">3-D</option>"
		"</select></label></p>\n"
		"<div class=\"stage\"><canvas id=\"viewer-canvas\" tabindex=\"0\" "
		"aria-label=\"Slices of the chosen case\"></canvas></div>\n"
		"<p id=\"viewer-keys\" class=\"legend\"></p>\n"
		"<p class=\"quiet\">Click or drag in a slice to move the cross; drag with the "
		"right "
		"button to change the contrast; after a click the wheel moves through the slices. "
		"The "
		"patient's right is on the left. Values are 8-bit grays of the "
		"pictures' window; the files behind them are named in the ledgers.</p>\n</div>\n");
}

enum sm_status sm_report_viewer(const struct sm_report *report, struct sm_text *out,
				struct sm_err *err)
{
	const struct sm_report_section *s = report->settings;
	const struct sm_scorebook *book = report->models.v[report->models.main].book;
	struct sm_chosen chosen;
	struct sm_text volumes = {0};
	struct shown shown[SM_CHOSEN_MAX];
	enum sm_status st = SM_OK;
	if (!wanted(report))
		return SM_OK;
	sm_text_str(out, "<section id=\"viewer\">\n<h2>Viewer</h2>\n");
	if (report->viewer)
		SM_TRY(sm_report_choose(report, (size_t)s->worst, (size_t)s->median,
					(size_t)s->viewer_cases, &chosen, err));
	if (!report->viewer || !chosen.n) {
		const char *why = report->viewer ? "No case has a value to choose it by."
						 : report->viewer_missing;
		sm_text_f(out, "<p class=\"quiet\">%s</p>\n</section>\n", why ? why : "");
		return SM_OK;
	}
	for (size_t k = 0; st == SM_OK && k < chosen.n; k++)
		st = add_case(report, k, sm_scorebook_key(book, chosen.at[k].index), &shown[k],
			      &volumes, err);
	if (st == SM_OK) {
		add_controls(shown, chosen.n, out);
		add_set(report, shown, chosen.n, out);
		sm_text_add(out, volumes.data, volumes.n);
		out->failed |= volumes.failed;
	}
	sm_text_clear(&volumes);
	sm_text_str(out, "</section>\n");
	return st;
}

void sm_viewer_notice(struct sm_text *out)
{
	sm_text_f(out, "<details><summary>The viewer is NiiVue %s (licence)</summary><pre>",
		  SM_VIEWER_VERSION);
	sm_text_html(out, sm_viewer_licence);
	sm_text_str(out, "</pre></details>\n");
}

void sm_viewer_script(const struct sm_report *report, struct sm_text *out)
{
	if (!report->viewer)
		return;
	const char *p = (const char *)report->viewer, *end = p + report->viewer_n;
	sm_text_str(out, "<script>");
	/* In a script "<\/" is "</", which would end the element. */
	for (const char *at; (at = memmem(p, (size_t)(end - p), "</script", 8)); p = at + 2) {
		sm_text_add(out, p, (size_t)(at - p));
		sm_text_str(out, "<\\/");
	}
	sm_text_add(out, p, (size_t)(end - p));
	sm_text_str(out, "</script>\n");
	sm_text_str(out, sm_page_viewer_script);
}
