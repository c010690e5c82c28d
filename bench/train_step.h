/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of bench_train_step share. */
#ifndef SM_BENCH_TRAIN_STEP_H
#define SM_BENCH_TRAIN_STEP_H

#include "train/models/models.h"

#define MAX_STEPS 100

struct settings {
	struct sm_model_opt model;
	const char *name, *loss, *kernel;
	int threads, steps, softmax, recompute, fused, layers, bf16, plan, turns;
};

/* A network for training with Adam as the settings say; NULL: why is in err. */
struct sm_net *bench_net(const struct settings *s, struct sm_err *err);
/* Values that no kernel can take short cuts on; one target channel in each voxel. */
void bench_fill(struct sm_net *net, bool softmax);
/* Seconds of all threads of the process so far. */
double bench_processor_time(void);
/* Of doubles, for qsort. */
int bench_ascending(const void *x, const void *y);

/* One thread against s->threads, a step each in turn; prints a line that begins with "turns". */
enum sm_status bench_turns(const struct settings *s, struct sm_err *err);

#endif
