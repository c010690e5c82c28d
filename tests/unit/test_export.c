/* SPDX-License-Identifier: Apache-2.0 */
/* Exported files read back byte by byte: safetensors' header and values, the ONNX graph with every
 * operator of the engine, and the names of all networks' tensors. */
#include "tests/unit/tap.h"
#include "tests/unit/folder.h"

#include <jansson.h>
#include <string.h>

#include "core/hash.h"
#include "train/export_names.h"
#include "train/models/models.h"
#include "train/nn/net.h"
#include "train/onnx.h"
#include "train/onnx_proto.h"
#include "train/safetensors.h"

/* Of the graph of make(). When it changes on purpose: scripts/check_export.py first, then this. */
#define GRAPH_SHA256 "77ee136b382e315ea4d3c5358415ecd7eff42294795d642e218f0ad2a4b25197"

static struct sm_err err;

/* ---- protobuf ------------------------------------------------------------------------------- */

struct field {
	int number, type;
	uint64_t value;           /* varint; 32 bits */
	const unsigned char *v;   /* bytes */
	size_t n;
};

static uint64_t varint(const unsigned char **p, const unsigned char *end)
{
	uint64_t v = 0;
	for (int shift = 0;; shift += 7) {
		assert_true(*p < end && shift < 70);
		v |= (uint64_t)(**p & 0x7f) << shift;
		if (!(*(*p)++ & 0x80))
			return v;
	}
}

/* The next field of a message; false at its end. */
static bool next(const unsigned char **p, const unsigned char *end, struct field *f)
{
	if (*p == end)
		return false;
	uint64_t tag = varint(p, end);
	*f = (struct field){.number = (int)(tag >> 3), .type = (int)(tag & 7)};
	if (f->type == 0) {
		f->value = varint(p, end);
		return true;
	}
	assert_true(f->type == 2 || f->type == 5);
	f->n = f->type == 5 ? 4 : varint(p, end);
	assert_true(f->n <= (size_t)(end - *p));
	f->v = *p;
	*p += f->n;
	return true;
}

/* The count of fields `number` of a message; *last is the last one. */
static int find(const unsigned char *v, size_t n, int number, struct field *last)
{
	struct field f;
	int count = 0;
	for (const unsigned char *p = v; next(&p, v + n, &f);)
		if (f.number == number) {
			*last = f;
			count++;
		}
	return count;
}

static bool is(const struct field *f, const char *text)
{
	return f->n == strlen(text) && memcmp(f->v, text, f->n) == 0;
}

static void test_proto(void **state)
{
	(void)state;
	struct sm_proto m = {0}, part = {0};
	static const unsigned char want[] = {8, 0xac, 2, 0x12, 2, 'a', 'b', 0x1d, 0, 0, 0x80, 0x3f,
					     0x22, 11, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					     0xff, 0xff, 1};
	sm_proto_int(&m, 1, 300);
	sm_proto_text(&m, 2, "ab");
	sm_proto_float(&m, 3, 1.0f);
	sm_proto_int(&part, 1, -1);
	sm_proto_message(&m, 4, &part);
	assert_false(m.failed);
	assert_int_equal(m.n, sizeof want);
	assert_memory_equal(m.v, want, sizeof want);
	sm_proto_clear(&m);
}

/* ---- ONNX ----------------------------------------------------------------------------------- */

/* A network with every operator that has a form in ONNX; weights without rounding. */
static struct sm_net *make(void)
{
	struct sm_graph *g = sm_graph_create();
	const struct sm_net_opt opt = {.threads = 1};
	struct sm_net *net = NULL;
	int x = sm_g_input(g, "x", (struct sm_shape){1, 4, 6, 8, 2}), y;
	x = sm_g_conv(g, x, "c1",
		      (struct sm_conv){
			      .out = 3, .k = {3, 2, 3}, .stride = {1, 1, 2}, .fuse = SM_FUSE_RELU});
	y = sm_g_norm(
		g, x, "n1",
		(struct sm_norm){
			.batch = true, .eps = 1e-3f, .fuse = SM_FUSE_LEAKY_RELU, .slope = 0.25f});
	y = sm_g_prelu(g, sm_g_instance_norm(g, y, "n2", 1e-5f), "a1");
	y = sm_g_leaky_relu(g, sm_g_depth_norm(g, y, "n3", 1e-3f, 0.1f), 0.125f);
	y = sm_g_dropout(g, sm_g_add(g, sm_g_relu(g, x), sm_g_detach(g, y)), 0.5f);
	y = sm_g_upsample(g, sm_g_max_pool(g, y, 2, 2, 2), 1, 2, 1);
	y = sm_g_conv_transposed(g, y, "u1",
				 (struct sm_conv){.out = 2, .k = {2, 1, 2}, .stride = {2, 1, 2}});
	y = sm_g_concat(g, (int[]){x, y}, 2);
	sm_g_conv(g, y, "unused", (struct sm_conv){.out = 5, .k = {1, 1, 1}});
	y = sm_g_conv(g, y, "head", (struct sm_conv){.out = 3, .k = {1, 1, 1}, .no_bias = true});
	sm_g_output(g, sm_g_softmax(g, y), "p");
	assert_good(sm_net_plan(g, &opt, &net, &err), err);
	assert_good(sm_net_alloc(net, NULL, &err), err);
	for (size_t i = 0; i < sm_net_weight_count(net); i++)
		sm_net_weights(net)[i] = (float)(i % 17) / 16 - 0.5f;
	return net;
}

static void read_file(const char *path, unsigned char **data, size_t *n)
{
	assert_good(sm_file_read(path, 0, NULL, data, n, &err), err);
}

/* Every input of a node is an input of the graph, a constant or the output of a node before it. */
static void check_order(const struct field *graph)
{
	struct field f, name, known[256];
	int n = 0, nodes = 0;
	for (int pass = 0; pass < 2; pass++)
		for (const unsigned char *p = graph->v; next(&p, graph->v + graph->n, &f);) {
			if (pass == 0 && f.number == 11) /* input: its name */
				find(f.v, f.n, 1, &known[n++]);
			if (pass == 0 && f.number == 5) /* constant: its name */
				find(f.v, f.n, 8, &known[n++]);
			if (pass == 0 || f.number != 1)
				continue;
			nodes++;
			for (const unsigned char *q = f.v; next(&q, f.v + f.n, &name);) {
				bool found = name.n == 0;
				if (name.number != 1 && name.number != 2)
					continue;
				for (int i = 0; i < n; i++)
					found |= known[i].n == name.n &&
						 memcmp(known[i].v, name.v, name.n) == 0;
				assert_int_equal(found, name.number == 1);
				if (name.number == 2)
					known[n++] = name;
			}
		}
	assert_true(nodes > 20);
}

/* Constant `name` has these dims and the bytes of values. */
static void check_constant(const struct field *graph, const char *name, int rank, const int *dims,
			   const float *values)
{
	struct field f, own, dim;
	int found = 0;
	for (const unsigned char *p = graph->v; next(&p, graph->v + graph->n, &f);) {
		if (f.number != 5 || find(f.v, f.n, 8, &own) != 1 || !is(&own, name))
			continue;
		int at = 0;
		size_t count = 1;
		for (const unsigned char *q = f.v; next(&q, f.v + f.n, &dim);)
			if (dim.number == 1) {
				assert_true(at < rank && dim.value == (uint64_t)dims[at]);
				count *= dim.value;
				at++;
			}
		assert_int_equal(at, rank);
		assert_int_equal(find(f.v, f.n, 9, &own), 1);
		assert_int_equal(own.n, count * sizeof(float));
		assert_memory_equal(own.v, values, own.n);
		found++;
	}
	assert_int_equal(found, 1);
}

static void test_onnx(void **state)
{
	(void)state;
	struct sm_net *net = make();
	json_t *meta = json_pack("{s:s, s:s}", "b", "2", "a", "1");
	const struct sm_onnx_about about = {"all", "every operator", meta};
	unsigned char *data;
	size_t n, params;
	struct field f = {0}, graph = {0};
	char hex[65];
	assert_false(sm_onnx_flat(net));
	assert_good(sm_onnx_write(at("a.onnx"), net, &about, &err), err);
	read_file(at("a.onnx"), &data, &n);
	assert_int_equal(find(data, n, 1, &f), 1);
	assert_int_equal(f.value, SM_ONNX_IR);
	assert_int_equal(find(data, n, 14, &f), 2);
	assert_int_equal(find(f.v, f.n, 1, &f), 1);
	assert_true(is(&f, "b")); /* sorted */
	assert_int_equal(find(data, n, 7, &graph), 1);
	check_order(&graph);
	assert_int_equal(find(graph.v, graph.n, 11, &f), 1);
	assert_int_equal(find(graph.v, graph.n, 12, &f), 2);
	const struct sm_param *p = sm_net_params(net, &params);
	for (size_t i = 0; i < params; i++) {
		if (strncmp(p[i].name, "unused", 6) == 0)
			continue; /* does not lead to p: left out */
		bool slope = strcmp(p[i].name, "a1.weight") == 0,
		     depth = strncmp(p[i].name, "n3", 2) == 0;
		int dims[5] = {p[i].shape[0], 1, 1, 1, 1};
		check_constant(&graph, p[i].name,
			       slope   ? 4
			       : depth ? 3
				       : p[i].rank,
			       p[i].rank == 5 ? p[i].shape : dims,
			       sm_net_weights(net) + p[i].offset);
	}
	sm_sha256_bytes(graph.v, graph.n, hex);
	assert_string_equal(hex, GRAPH_SHA256);
	sm_free(data);
	json_decref(meta);
	sm_net_free(net);
}

static void test_onnx_has_all_operators(void **state)
{
	(void)state;
	for (int k = 0; k < OP_KINDS; k++)
		if (op_row((enum op_kind)k)->onnx[0] && !sm_onnx_knows(k))
			fail_msg("operator %s is called %s in ONNX, but cannot be written",
				 op_row((enum op_kind)k)->name, op_row((enum op_kind)k)->onnx);
}

/* ---- safetensors ---------------------------------------------------------------------------- */

static void test_safetensors(void **state)
{
	(void)state;
	static const float b[6] = {1, 2, 3, 4, 5, 6}, a[2] = {-1, 0.5f};
	struct sm_safetensor t[2] = {
		{.name = "b", .dims = {2, 3}, .rank = 2, .count = 6, .data = b},
		{.name = "a", .dims = {2}, .rank = 1, .count = 2, .data = a}};
	json_t *meta = json_pack("{s:s}", "model", "m");
	unsigned char *data;
	size_t n;
	assert_good(sm_safetensors_write(at("a.st"), t, 2, meta, &err), err);
	read_file(at("a.st"), &data, &n);
	static const char header[] =
		"{\"__metadata__\":{\"model\":\"m\"},"
		"\"a\":{\"data_offsets\":[0,8],\"dtype\":\"F32\",\"shape\":[2]},"
		"\"b\":{\"data_offsets\":[8,32],\"dtype\":\"F32\",\"shape\":[2,3]}}";
	size_t length = data[0] | (size_t)data[1] << 8;
	assert_int_equal(length % 8, 0);
	assert_true(length >= sizeof header - 1 && length < sizeof header + 7);
	assert_int_equal(n, 8 + length + 32);
	assert_memory_equal(data + 8, header, sizeof header - 1);
	assert_memory_equal(data + 8 + length, a, sizeof a);
	assert_memory_equal(data + 8 + length + 8, b, sizeof b);
	sm_free(data);
	snprintf(t[1].name, sizeof t[1].name, "a");
	snprintf(t[0].name, sizeof t[0].name, "a");
	assert_refused(sm_safetensors_write(at("b.st"), t, 2, meta, &err), SM_INTERNAL, err,
		       "called a");
	assert_false(sm_file_exists(at("b.st")));
	json_decref(meta);
}

/* ---- names ---------------------------------------------------------------------------------- */

static void check_names(const struct sm_model *m, const char *norm, const char *act)
{
	struct sm_model_opt o = sm_model_default();
	struct sm_graph *g = sm_graph_create();
	struct sm_heads heads;
	o.width = 0.0625;
	o.norm = norm;
	o.activation = act;
	if (m->multiple[0] == 1) { /* both ends of what is halved */
		o.d = 32;
		o.h = o.w = 64;
	}
	if (strcmp(m->name, "vnet_paper") == 0)
		o.in_channels = 1;
	assert_good(sm_model_build(m->name, &o, g, &heads, &err), err);
	json_t *seen = json_object();
	int deepest = 0, level, total = g->params + g->states;
	for (int i = 0; i < g->params; i++)
		if (sscanf(g->param[i].name, "enc%d.", &level) == 1 && level > deepest)
			deepest = level;
	for (int i = 0; i < total; i++) {
		const char *own = i < g->params ? g->param[i].name : g->state[i - g->params].name;
		char name[160];
		bool ruled = sm_export_name(m->name, own, deepest, name, sizeof name);
		if (ruled != (sm_export_like(m->name) != NULL))
			fail_msg("%s: %s has no rule", m->name, own);
		if (json_object_get(seen, name))
			fail_msg("%s: two tensors are called %s", m->name, name);
		json_object_set_new(seen, name, json_true());
	}
	json_decref(seen);
	sm_graph_free(g);
}

static void test_names(void **state)
{
	(void)state;
	char name[160];
	for (size_t i = 0; sm_model_at(i); i++) {
		check_names(sm_model_at(i), "auto", "auto");
		check_names(sm_model_at(i), "batch", "prelu");
	}
	sm_export_name("nnunet3d", "enc4.conv2.weight", 4, name, sizeof name);
	assert_string_equal(name, "bottleneck.conv2.conv.weight");
	sm_export_name("nnunet3d", "up0.bias", 4, name, sizeof name);
	assert_string_equal(name, "upsamples.3.transp_conv.conv.bias");
	sm_export_name("vnet", "dec3.norm1.running_mean", 3, name, sizeof name);
	assert_string_equal(name, "up_tr256.ops.0.conv_block.adn.N.running_mean");
	sm_export_name("unet3d", "bottom.conv1.weight", 2, name, sizeof name);
	assert_string_equal(name, "down_3.convs.conv_0.conv.weight");
	sm_export_name("resunet3d", "stem.shortcut.weight", 2, name, sizeof name);
	assert_string_equal(name, "stem.shortcut.weight");
	assert_false(sm_export_name("unet3d", "strange.weight", 2, name, 8));
	assert_string_equal(name, "strange");
}

static int setup(void **state)
{
	(void)state;
	return folder_make();
}

static int teardown(void **state)
{
	(void)state;
	return folder_remove();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_proto),
		cmocka_unit_test(test_onnx),
		cmocka_unit_test(test_onnx_has_all_operators),
		cmocka_unit_test(test_safetensors),
		cmocka_unit_test(test_names),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name(__FILE__, tests, setup, teardown);
}
