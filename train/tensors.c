/* SPDX-License-Identifier: Apache-2.0 */
#include "train/tensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/h5base.h"

#define OPTIM_ARRAYS 4 /* more than any optimiser has */

/* A flat array of the network and the folder that it stands in. */
struct group {
	char path[64];
	const struct sm_param *entry;
	size_t count;
	float *flat;
};

/* Parameters, running statistics, then the optimiser's arrays; returns how many. */
static size_t groups_of(struct sm_net *net, bool training, struct group out[2 + OPTIM_ARRAYS])
{
	size_t n = 0, params, states;
	const struct sm_param *param = sm_net_params(net, &params),
			      *state = sm_net_states(net, &states);
	out[n++] = (struct group){"parameters", param, params, sm_net_weights(net)};
	if (states)
		out[n++] = (struct group){"state", state, states, sm_net_state_values(net)};
	for (int i = 0; training && i < OPTIM_ARRAYS; i++) {
		const char *name = NULL;
		float *flat = sm_net_optim_array(net, i, &name);
		if (!flat)
			break;
		out[n] = (struct group){"", param, params, flat};
		if (snprintf(out[n].path, sizeof out[n].path, "optimiser/%s", name) > 0)
			n++;
	}
	return n;
}

static void shape_text(int rank, const hsize_t *dims, char *out, size_t room)
{
	size_t at = (size_t)snprintf(out, room, "(");
	for (int i = 0; i < rank && at < room; i++)
		at += (size_t)snprintf(out + at, room - at, "%s%llu", i ? "," : "",
				       (unsigned long long)dims[i]);
	if (at < room)
		snprintf(out + at, room - at, ")");
}

/* "optimiser/adam.m/enc0.conv1.weight". */
static enum sm_status entry_path(const struct group *g, const struct sm_param *p, char out[256],
				 struct sm_err *err)
{
	if (snprintf(out, 256, "%s/%s", g->path, p->name) >= 256)
		return SM_FAIL(err, SM_INTERNAL, "parameter name %s is too long", p->name);
	return SM_OK;
}

static int dims_of(const struct sm_param *p, hsize_t dims[5])
{
	for (int i = 0; i < p->rank; i++)
		dims[i] = (hsize_t)p->shape[i];
	return p->rank;
}

/* ---- writing -------------------------------------------------------------------------------- */

static bool make_group(hid_t file, const char *path)
{
	hid_t group = -1, list = H5Pcreate(H5P_GROUP_CREATE);
	if (list >= 0 && H5Pset_obj_track_times(list, false) >= 0)
		group = H5Gcreate2(file, path, H5P_DEFAULT, list, H5P_DEFAULT);
	if (list >= 0)
		H5Pclose(list);
	return group >= 0 && H5Gclose(group) >= 0;
}

static enum sm_status put_tensor(hid_t file, const char *name, const struct group *g,
				 const struct sm_param *p, struct sm_err *err)
{
	char path[256];
	hsize_t dims[5];
	int rank = dims_of(p, dims);
	SM_TRY(entry_path(g, p, path, err));
	bool good = sm_h5_put_stored(file, path, H5T_IEEE_F32LE, rank, dims, g->flat + p->offset);
	return good ? SM_OK : SM_FAIL(err, SM_IO, "%s: HDF5 cannot write %s", name, path);
}

static bool put_steps(hid_t file, uint64_t steps)
{
	char text[32];
	snprintf(text, sizeof text, "%" PRIu64, steps);
	hid_t group = H5Gopen2(file, "optimiser", H5P_DEFAULT);
	bool good = group >= 0 && sm_h5_put_text(group, "steps", text);
	if (group >= 0)
		H5Gclose(group);
	return good;
}

enum sm_status sm_tensors_write(hid_t file, const char *name, struct sm_net *net,
				struct sm_err *err)
{
	struct group g[2 + OPTIM_ARRAYS];
	size_t n = groups_of(net, true, g);
	if (!make_group(file, "optimiser") || !put_steps(file, *sm_net_optim_steps(net)))
		return SM_FAIL(err, SM_IO, "%s: HDF5 cannot write the optimiser", name);
	for (size_t i = 0; i < n; i++) {
		if (!make_group(file, g[i].path))
			return SM_FAIL(err, SM_IO, "%s: HDF5 cannot make group %s", name,
				       g[i].path);
		for (size_t k = 0; k < g[i].count; k++)
			SM_TRY(put_tensor(file, name, &g[i], &g[i].entry[k], err));
	}
	return SM_OK;
}

/* ---- reading -------------------------------------------------------------------------------- */

static enum sm_status check_tensor(hid_t set, const char *name, const char *path,
				   const struct sm_param *p, struct sm_err *err)
{
	hsize_t dims[H5S_MAX_RANK] = {0}, want[5];
	char found[160], needed[160];
	hid_t space = H5Dget_space(set), type = H5Dget_type(set);
	int rank = space < 0 ? -1 : H5Sget_simple_extent_dims(space, dims, NULL),
	    need = dims_of(p, want);
	bool number = type >= 0 && H5Tequal(type, H5T_IEEE_F32LE) > 0;
	if (type >= 0)
		H5Tclose(type);
	if (space >= 0)
		H5Sclose(space);
	if (!number)
		return SM_FAIL(err, SM_INPUT, "%s: %s is not float32", name, path);
	if (rank == need && memcmp(dims, want, (size_t)rank * sizeof *dims) == 0)
		return SM_OK;
	shape_text(rank < 0 ? 0 : rank, dims, found, sizeof found);
	shape_text(need, want, needed, sizeof needed);
	return SM_FAIL(err, SM_INPUT,
		       "%s: %s has shape %s, the network needs %s: is of another network", name,
		       path, found, needed);
}

/* Where the next piece of a tensor goes. */
struct copy {
	unsigned char *to;
};

static void copy_piece(void *ctx, const void *piece, size_t n)
{
	struct copy *copy = ctx;
	memcpy(copy->to, piece, n);
	copy->to += n;
}

static enum sm_status get_tensor(hid_t file, const char *name, const struct group *g,
				 const struct sm_param *p, struct sm_err *err)
{
	char path[256];
	SM_TRY(entry_path(g, p, path, err));
	hid_t set = H5Lexists(file, path, H5P_DEFAULT) > 0 ? H5Dopen2(file, path, H5P_DEFAULT) : -1;
	if (set < 0)
		return SM_FAIL(err, SM_INPUT,
			       "%s: has no %s, which the network needs: is of another network",
			       name, path);
	struct copy copy = {(unsigned char *)(g->flat + p->offset)};
	enum sm_status st = check_tensor(set, name, path, p, err);
	if (st == SM_OK && !sm_h5_read_stored(set, H5T_NATIVE_FLOAT, copy_piece, &copy) &&
	    !sm_h5_read_all(set, H5T_NATIVE_FLOAT, g->flat + p->offset))
		st = SM_FAIL(err, SM_INPUT, "%s: %s is damaged or cut off", name, path);
	H5Dclose(set);
	return st;
}

static bool has_entry(const struct group *g, const char *name)
{
	for (size_t k = 0; k < g->count; k++)
		if (strcmp(g->entry[k].name, name) == 0)
			return true;
	return false;
}

/* A tensor in the file that the network lacks is as wrong as the opposite. */
static enum sm_status check_extra(hid_t file, const char *name, const struct group *g,
				  struct sm_err *err)
{
	H5G_info_t info;
	char entry[160];
	hid_t group = H5Gopen2(file, g->path, H5P_DEFAULT);
	enum sm_status st = SM_OK;
	if (group < 0 || H5Gget_info(group, &info) < 0)
		st = SM_FAIL(err, SM_INPUT, "%s: group %s is damaged", name, g->path);
	for (hsize_t i = 0; st == SM_OK && info.nlinks != g->count && i < info.nlinks; i++) {
		if (H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, entry,
				       sizeof entry, H5P_DEFAULT) < 0)
			st = SM_FAIL(err, SM_INPUT, "%s: group %s is damaged", name, g->path);
		else if (!has_entry(g, entry))
			st = SM_FAIL(err, SM_INPUT,
				     "%s: %s/%s is not in the network: is of another network", name,
				     g->path, entry);
	}
	if (group >= 0)
		H5Gclose(group);
	return st;
}

static enum sm_status get_steps(hid_t file, const char *name, uint64_t *steps, struct sm_err *err)
{
	char text[32] = "", *end = text;
	hid_t group = H5Gopen2(file, "optimiser", H5P_DEFAULT);
	if (group >= 0 && sm_h5_get_text(group, "steps", text, sizeof text))
		*steps = strtoull(text, &end, 10);
	if (group >= 0)
		H5Gclose(group);
	if (!text[0] || *end)
		return SM_FAIL(
			err, SM_INPUT,
			"%s: attribute steps of optimiser is '%s', allowed is a whole number", name,
			text);
	return SM_OK;
}

enum sm_status sm_tensors_read(hid_t file, const char *name, struct sm_net *net, bool training,
			       struct sm_err *err)
{
	struct group g[2 + OPTIM_ARRAYS];
	size_t n = groups_of(net, training, g);
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < g[i].count; k++)
			SM_TRY(get_tensor(file, name, &g[i], &g[i].entry[k], err));
		SM_TRY(check_extra(file, name, &g[i], err));
	}
	return training ? get_steps(file, name, sm_net_optim_steps(net), err) : SM_OK;
}

enum sm_status sm_tensors_read_part(hid_t file, const char *name, struct sm_net *net,
				    struct sm_err *err)
{
	struct group g[2 + OPTIM_ARRAYS];
	size_t n = groups_of(net, false, g);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < g[i].count; k++)
			SM_TRY(get_tensor(file, name, &g[i], &g[i].entry[k], err));
	return SM_OK;
}
