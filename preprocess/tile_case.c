/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/tile_case.h"

#include "preprocess/constant.h"

struct sm_tile_rule sm_tile_rule_of(const struct sm_run *run)
{
	const struct sm_tile_section *s = ((const struct sm_manifest_root *)run->manifest)->tile;
	return (struct sm_tile_rule){
		.size = {s->size.v[0], s->size.v[1], s->size.v[2]},
		.choice = s->rule,
		.overlap = s->overlap,
		.skip_background = s->skip_background,
		.class_shares = s->class_shares.v,
		.classes = s->class_shares.n,
		.per_case = s->per_case,
		.max_background = s->max_background,
		.tries = s->tries,
		.tumour_share = s->tumour_share,
		.seed = sm_run_given(run, "seed") ? run->seed : (uint64_t)s->seed,
	};
}

enum sm_status sm_tile_make_ready(struct sm_case *c, const struct sm_tile_section *s,
				  int32_t pad[3], struct sm_err *err)
{
	int64_t dim[3], shift[3];
	bool small = false;
	if ((c->count != 1 && !c->apart) || (!c->stacked && c->vols[0].vol.dim[3] != 1))
		return SM_FAIL(
			err, SM_INPUT,
			"%s: has %zu volumes that are not stacked: preprocess.steps needs a stack",
			c->key, c->count);
	if (!c->label.data)
		return SM_FAIL(err, SM_INPUT, "%s: has no label volume, so tiles have no y",
			       c->key);
	SM_TRY(sm_case_one_size(c, err));
	for (int a = 0; a < 3; a++) {
		int64_t have = c->vols[0].vol.dim[a], want = s->size.v[a];
		dim[a] = have < want ? want : have;
		shift[a] = (dim[a] - have) / 2;
		pad[a] = (int32_t)shift[a];
		small = small || have < want;
	}
	for (size_t i = 0; i < c->count; i++)
		SM_TRY(sm_case_shows(c, &c->vols[i].vol, 0, c->vols[i].vol.dim[3], c->vols[i].role,
				     err));
	if (small && s->small == SM_SMALL_PAD)
		SM_TRY(sm_case_regrid(c, dim, shift, 0, err));
	for (size_t i = 0; i < c->count; i++)
		if (sm_vol_fits_f32(&c->vols[i].vol, err) != SM_OK)
			return sm_err_prefix(err, "%s: %s", c->key, c->vols[i].role);
	return SM_OK;
}

const char *sm_tile_channel(const struct sm_case *c, int64_t i)
{
	return c->stacked ? c->channels[i] : c->vols[0].role;
}

enum sm_status sm_tile_check_count(const struct sm_tile_starts *at, const struct sm_tile_rule *rule,
				   const char *key, struct sm_err *err)
{
	if (at->count)
		return SM_OK;
	return SM_FAIL(err, SM_INPUT,
		       "%s: none of %lld positions has a background share below %g "
		       "(smallest found %.4f)",
		       key, (long long)at->tries, rule->max_background, at->least_background);
}
