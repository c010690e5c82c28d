/* SPDX-License-Identifier: Apache-2.0 */
#include "train/training_plan.h"

#include <inttypes.h>

#include "train/mpi.h"
#include "train/network.h"

/* Machine code that is generated for the kernels and buffers of the libraries, measured, MiB. The
 * engine's own figure for it counts the program too, which is here already. */
#define GENERATED 10.0

/* Numbers of samples up to this are all tried when one is looked for that fits. */
#define FEW 16

/* For `micro` samples at once of steps of `batch`. */
static enum sm_status plan_net(const struct sm_training *t, int micro, int batch,
			       struct sm_net **net, struct sm_err *err)
{
	const struct sm_train_section *s = t->s;
	const struct sm_checkpoint *c = &t->fit.state;
	struct sm_optim optim = sm_optim_default(c->optimiser);
	float weight[SM_TASK_CHANNELS];
	for (size_t i = 0; i < s->class_weight.n; i++)
		weight[i] = (float)s->class_weight.v[i];
	const struct sm_loss_opt loss = {.name = sm_loss_name((size_t)s->loss),
					 .softmax = c->task.softmax,
					 .class_weight = s->class_weight.n ? weight : NULL,
					 .alpha = (float)s->tversky_alpha,
					 .beta = (float)s->tversky_beta,
					 .gamma = (float)s->focal_gamma,
					 .background = s->background,
					 .batch_dice = s->batch_dice,
					 .smooth = (float)s->smooth};
	/* A step that comes in one part needs no array of all gradients. */
	bool fused = micro >= batch && !t->loader.by_case && sm_mpi_size() == 1 &&
		     !(s->clip_norm > 0) && !(s->ema > 0);
	const struct sm_network_opt network = {.batch = micro,
					       .fused = fused,
					       .threads = t->run->jobs,
					       .loss = &loss,
					       .optim = &optim,
					       .seed = t->seed,
					       .bf16 = s->precision == SM_BF16};
	optim.beta1 = optim.momentum = s->momentum;
	optim.nesterov = s->nesterov;
	optim.weight_decay = s->weight_decay;
	optim.decay_norm = s->decay_norm;
	optim.clip_norm = s->clip_norm;
	optim.ema_decay = s->ema;
	return sm_network_plan(c, &network, net, err);
}

/* Bytes of the budget that training takes with so many samples at once. */
static size_t needs(const struct sm_training *t, const struct sm_net *net, int micro)
{
	struct sm_loader_opt loader = t->loader;
	struct sm_forecast f = sm_net_forecast(net);
	loader.micro = micro;
	return sm_loader_bytes(&loader) + f.total + t->volume_bytes;
}

static bool fits_into(const struct sm_training *t, int micro, bool whole, size_t room)
{
	struct sm_net *net = NULL;
	int batch = whole ? micro : t->loader.batch;
	bool fits = plan_net(t, micro, batch, &net, NULL) == SM_OK && needs(t, net, micro) <= room;
	sm_net_free(net);
	return fits;
}

/* The most samples at once, below `micro`, that fit into `room` bytes, as parts of a step or
 * (whole) as a step; 0 = none. */
static int most_that_fit(const struct sm_training *t, int micro, bool whole, size_t room)
{
	int low = 0, high = micro;
	while (high - low > 1) {
		int middle = low + (high - low) / 2;
		if (fits_into(t, middle, whole, room))
			low = middle;
		else
			high = middle;
	}
	/* A few samples may need less than fewer, for which other kernels are chosen. */
	for (int n = micro - 1 < FEW ? micro - 1 : FEW; n > low; n--)
		if (fits_into(t, n, whole, room))
			return n;
	return low;
}

static enum sm_status check_memory(const struct sm_training *t, struct sm_err *err)
{
	const struct sm_mem *mem = &t->run->mem;
	size_t used = atomic_load(&mem->used), room = mem->limit > used ? mem->limit - used : 0;
	int micro = t->loader.micro;
	size_t need = needs(t, t->fit.net, micro);
	if (need <= room)
		return SM_OK;
	int fits = most_that_fit(t, micro, false, room);
	/* Parts of a step need an array of all gradients, a step in one part does not. */
	int whole = fits ? 0 : most_that_fit(t, t->loader.batch + 1, true, room);
	if (whole)
		return SM_FAIL(err, SM_BUDGET,
			       "train: %d samples at once: needs %zu MiB, %zu MiB are allowed; the "
			       "largest train.batch that fits is %d, in one part (without "
			       "micro_batch)",
			       micro, need >> 20, room >> 20, whole);
	if (fits)
		return SM_FAIL(err, SM_BUDGET,
			       "train: %d samples at once: needs %zu MiB, %zu MiB are allowed; the "
			       "largest train.micro_batch that fits is %d (same gradients, but for "
			       "rounding, batch norm, batch_dice and unequal class_weight)",
			       micro, need >> 20, room >> 20, fits);
	return SM_FAIL(
		err, SM_BUDGET,
		"train: %d samples at once: needs %zu MiB, %zu MiB are allowed, and not even "
		"one sample fits: smaller tiles or a smaller train.width",
		micro, need >> 20, room >> 20);
}

enum sm_status sm_training_plan(struct sm_training *t, struct sm_err *err)
{
	SM_TRY(plan_net(t, t->loader.micro, t->loader.batch, &t->fit.net, err));
	t->fit.state.parameters = (int64_t)sm_net_weight_count(t->fit.net);
	struct sm_forecast f = sm_net_forecast(t->fit.net);
	size_t weights = f.params + f.grads + f.optim + f.state + f.packed;
	if (!(*t->program > 0))
		*t->program = sm_peak_mib() + GENERATED;
	double rest = *t->program;
	size_t bytes = sm_loader_bytes(&t->loader) + weights + f.arena + t->volume_bytes;
	t->forecast = rest + (double)bytes / 1048576;
	sm_info(&t->run->log, NULL,
		"%s: %" PRId64 " parameters; memory forecast %.0f MiB%s: activations %zu (%zu "
		"without reuse), weights, "
		"gradients and optimiser %zu, batches %zu, the program %.0f",
		t->fit.state.model, t->fit.state.parameters, t->forecast,
		sm_mpi_size() > 1 ? " a rank" : "", f.arena >> 20,
		f.unplanned >> 20, weights >> 20, sm_loader_bytes(&t->loader) >> 20, rest);
	return check_memory(t, err);
}
