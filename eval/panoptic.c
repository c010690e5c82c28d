/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "eval/match.h"

enum sm_status sm_panoptic_measure(const struct sm_overlap *o, double iou, struct sm_mem *mem,
				   struct sm_panoptic *out, struct sm_err *err)
{
	size_t pairs, *pair = sm_alloc(mem, o->n + 1, sizeof *pair, "pairs of components", err);
	double sum = 0;
	*out = (struct sm_panoptic){.rq = NAN, .sq = NAN, .pq = NAN};
	if (!pair)
		return SM_BUDGET;
	enum sm_status st = sm_match_pairs(o, iou, mem, pair, &pairs, err);
	if (st != SM_OK)
		goto out;
	for (size_t i = 0; i < pairs; i++) {
		const struct sm_shared *s = &o->shared[pair[i]];
		sum += (double)s->voxels / (double)(o->truth.size[s->truth] +
						    o->prediction.size[s->prediction] - s->voxels);
	}
	out->tp = (uint32_t)pairs;
	out->fn = (uint32_t)(o->truth.count - pairs);
	out->fp = (uint32_t)(o->prediction.count - pairs);
	if (o->truth.count + o->prediction.count) {
		out->rq = (double)pairs / ((double)pairs + 0.5 * out->fp + 0.5 * out->fn);
		out->sq = pairs ? sum / (double)pairs : 0;
		out->pq = out->rq * out->sq;
	}
out:
	sm_free(pair);
	return st;
}
