/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/nn_cases.h"

#include <stdlib.h>

#include "core/rng.h"

int nn_variable(struct sm_graph *g, const char *name, struct sm_shape s)
{
	int x = sm_g_input(g, name, s);
	if (x >= 0)
		g->node[g->tensor[x].producer].attr.value[0] = 1;
	return x;
}

void nn_fill_apart(float *x, size_t n, uint64_t seed, const char *what)
{
	struct sm_rng rng;
	size_t *order = malloc(n * sizeof *order);
	sm_rng_init(&rng, seed, "test", what, 0, 0);
	sm_rng_permutation(&rng, order, n);
	for (size_t i = 0; i < n; i++)
		x[i] = ((float)order[i] - (float)(n / 2) + 0.5f) *
		       (n < 130 ? 3.9f / (float)n : 0.03f);
	free(order);
}

double nn_loss_of(struct sm_net *net)
{
	double loss = 0;
	struct sm_err err = {0};
	sm_net_touch(net);
	if (sm_net_step(net, 9, &loss, &err) != SM_OK)
		fail_msg("%s", err.text);
	return loss;
}
