/* SPDX-License-Identifier: Apache-2.0 */
#include "train/training_plan.h"

#include <inttypes.h>

#include "train/mpi.h"
#include "train/network.h"

/* Pages of the program and its libraries, plans and buffers, without what oneDNN brings along when
 * it runs a part of the network (forecast.library): 15 to 18 MiB, measured. The pages of a run hang
 * on what the system has read already, so a figure of its own for each would refuse today what
 * fitted yesterday. */
#define PROGRAM ((size_t)16 << 20)

/* Numbers of samples up to this are all tried when one is looked for that fits. */
#define FEW 16

/* A step that comes in one part needs no array of all gradients, but for these. */
static bool can_fuse(const struct sm_training *t)
{
	const struct sm_train_section *s = t->s;
	return !t->loader.by_case && sm_mpi_size() == 1 && !(s->clip_norm > 0) && !(s->ema > 0);
}

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
	const struct sm_network_opt network = {.batch = micro,
					       .fused = micro >= batch && can_fuse(t),
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

/* Bytes that training takes with so many samples at once: the forecast, and what is held against
 * the budget. */
static size_t needs(const struct sm_training *t, const struct sm_net *net, int micro)
{
	struct sm_loader_opt loader = t->loader;
	struct sm_forecast f = sm_net_forecast(net);
	loader.micro = micro;
	/* The engine's own figure for code is part of the program, but for what hangs on the
	 * network. */
	return sm_loader_bytes(&loader) + f.total - f.code + f.library + t->volume_bytes +
	       t->program;
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

/* Numbers of samples that would fit, or that none does. */
static void what_fits(const struct sm_training *t, size_t room, char *out, size_t out_room)
{
	int fits = most_that_fit(t, t->loader.micro, false, room);
	/* Parts of a step need an array of all gradients, a step in one part does not. */
	int whole = can_fuse(t) ? most_that_fit(t, t->loader.batch + 1, true, room) : 0;
	int n = 0;
	if (!fits && !whole)
		snprintf(out, out_room,
			 ", and not even one sample fits: smaller tiles or a smaller train.width");
	if (fits)
		n = snprintf(out, out_room,
			     "; the largest train.micro_batch that fits is %d (same gradients, but "
			     "for rounding, batch norm, batch_dice and unequal class_weight)",
			     fits);
	if (whole && whole != fits)
		snprintf(out + n, out_room - (size_t)n,
			 "; the largest train.batch that fits is %d, in one part (without "
			 "micro_batch)",
			 whole);
}

static enum sm_status check_memory(const struct sm_training *t, struct sm_err *err)
{
	const struct sm_mem *mem = &t->run->mem;
	size_t used = atomic_load(&mem->used), room = mem->limit > used ? mem->limit - used : 0;
	size_t need = needs(t, t->fit.net, t->loader.micro);
	char fits[300];
	if (need <= room)
		return SM_OK;
	what_fits(t, room, fits, sizeof fits);
	return SM_FAIL(err, SM_BUDGET,
		       "train: %d samples at once: needs %zu MiB, %zu MiB are allowed%s",
		       t->loader.micro, sm_mib_up(need), room >> 20, fits);
}

size_t sm_training_program(void)
{
	return PROGRAM + (sm_mib_up(sm_mem_heap()) << 20);
}

/* A part of the forecast in whole MiB: what it adds to the parts before it, so that the figures of
 * the sentence add up to that of all. */
static size_t part(size_t *sum, size_t bytes)
{
	const size_t before = sm_mib_up(*sum);
	*sum += bytes;
	return sm_mib_up(*sum) - before;
}

static void tell_forecast(const struct sm_training *t, size_t bytes)
{
	const struct sm_forecast f = sm_net_forecast(t->fit.net);
	const double before = t->source ? sm_tile_source_peak(t->source) : 0;
	char volumes[60] = "", taken[80] = "";
	size_t sum = 0;
	const size_t program = part(&sum, t->program + f.library),
		     arena = part(&sum, f.arena),
		     weights = part(&sum, f.total - f.code - f.arena),
		     batches = part(&sum, sm_loader_bytes(&t->loader)),
		     whole = part(&sum, t->volume_bytes);
	if (t->volume_bytes)
		snprintf(volumes, sizeof volumes, ", validation volumes %zu", whole);
	if (before > t->forecast)
		snprintf(taken, sizeof taken, "; reading the cases has taken %.0f MiB", before);
	sm_info(&t->run->log, NULL,
		"%s: %" PRId64 " parameters; memory forecast %zu MiB%s: activations %zu (%zu "
		"without reuse), weights, gradients and optimiser %zu, batches %zu%s, the program "
		"%zu%s",
		t->fit.state.model, t->fit.state.parameters, sm_mib_up(bytes),
		sm_mpi_size() > 1 ? " a rank" : "", arena, f.unplanned >> 20, weights, batches,
		volumes, program, taken);
}

enum sm_status sm_training_plan(struct sm_training *t, struct sm_err *err)
{
	SM_TRY(plan_net(t, t->loader.micro, t->loader.batch, &t->fit.net, err));
	t->fit.state.parameters = (int64_t)sm_net_weight_count(t->fit.net);
	const size_t bytes = needs(t, t->fit.net, t->loader.micro);
	t->forecast = (double)bytes / 1048576;
	tell_forecast(t, bytes);
	/* Volumes that were unpacked before (train/tile_source.h) may have needed more. */
	const double before = t->source ? sm_tile_source_peak(t->source) : 0;
	t->forecast = t->forecast > before ? t->forecast : before;
	if (!t->told)
		sm_network_tell(t->fit.net, &t->run->log);
	return check_memory(t, err);
}
