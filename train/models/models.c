/* SPDX-License-Identifier: Apache-2.0 */
#include "train/models/models.h"

#include <math.h>
#include <string.h>

#include "train/models/builders.h"

static const struct sm_model models[] = {
    {"unet3d", "3-D U-Net with 3 levels of pooling, ReLU, no norm", {8, 8, 8}, sm_build_unet3d},
};
#define MODELS (sizeof models / sizeof *models)

const struct sm_model *sm_model_at(size_t i)
{
	return i < MODELS ? &models[i] : NULL;
}

const struct sm_model *sm_model_find(const char *name)
{
	for (size_t i = 0; i < MODELS; i++)
		if (strcmp(models[i].name, name) == 0)
			return &models[i];
	return NULL;
}

struct sm_model_opt sm_model_default(void)
{
	return (struct sm_model_opt){
	    .batch = 1, .in_channels = 4, .classes = 3, .d = 16, .h = 160, .w = 160, .width = 1.0};
}

int sm_model_width(const struct sm_model_opt *opt, int channels)
{
	int c = (int)floor(channels * opt->width + 0.5);
	return c < 1 ? 1 : c;
}

static int check(const struct sm_model *m, const struct sm_model_opt *o, struct sm_graph *g)
{
	const int size[3] = {o->d, o->h, o->w};
	static const char axis[] = "DHW";
	if (!(o->width > 0 && o->width <= 16))
		return sm_graph_fail(g, "model %s: width %g, must be above 0 and at most 16",
				     m->name, o->width);
	if (o->batch < 1 || o->in_channels < 1 || o->classes < 1)
		return sm_graph_fail(
		    g, "model %s: batch %d, %d input channels, %d classes, must be >= 1", m->name,
		    o->batch, o->in_channels, o->classes);
	for (int i = 0; i < 3; i++)
		if (size[i] < 1 || size[i] % m->multiple[i] != 0)
			return sm_graph_fail(
			    g, "model %s: input size %c is %d, must be a multiple of %d", m->name,
			    axis[i], size[i], m->multiple[i]);
	return 0;
}

enum sm_status sm_model_build(const char *name, const struct sm_model_opt *opt, struct sm_graph *g,
			      struct sm_heads *heads, struct sm_err *err)
{
	const struct sm_model *m = sm_model_find(name);
	*heads = (struct sm_heads){-1, -1, -1};
	if (!m) {
		char known[256] = "";
		size_t at = 0;
		for (size_t i = 0; i < MODELS && at < sizeof known; i++)
			at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "",
					       models[i].name);
		sm_graph_fail(g, "model \"%s\" is unknown; known are %s", name, known);
	} else if (check(m, opt, g) == 0) {
		m->build(g, opt, heads);
	}
	return sm_graph_status(g, err);
}
