/* SPDX-License-Identifier: Apache-2.0
 *
 * The network engine: a static graph of operators is described once, planned (shapes, kernels,
 * memory), allocated in one piece and then run many times. float32, channels-last: every
 * activation is (N,D,H,W,C) with C fastest; 2-D networks have D = 1. Weights keep PyTorch's order.
 */
#ifndef SM_TRAIN_NN_H
#define SM_TRAIN_NN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/err.h"
#include "core/mem.h"

/* To be called first in main() of a program that runs networks, before any thread exists: when
 * neither OMP_WAIT_POLICY nor GOMP_SPINCOUNT is set it sets both to bounded spinning and executes
 * the program again with the same argv (libgomp reads them before main; endless spinning makes a
 * step 3-7 times slower on a shared machine). Returns when nothing is to be done or exec failed. */
void sm_nn_prepare_process(char **argv);

/* ---- the graph ------------------------------------------------------------------------------ */

struct sm_shape {
	int n, d, h, w, c;
};

/* Number of elements, or 0 when a side is not positive or the product overflows. */
size_t sm_shape_count(struct sm_shape shape);

/* A graph under construction. The sm_g_* functions append one operator and return the number of
 * its output tensor (>= 0). The first mistake (shapes that do not fit, a bad option, no memory) is
 * kept in the graph, that call and all later ones return -1, and sm_net_plan reports it: a model
 * reads like its figure, without a check a line. Not thread-safe. */
struct sm_graph;

struct sm_graph *sm_graph_create(void); /* NULL when out of memory */
void sm_graph_free(struct sm_graph *g); /* NULL is fine */
enum sm_status sm_graph_status(const struct sm_graph *g, struct sm_err *err);
/* Records a mistake found by a model builder. Always returns -1. */
int sm_graph_fail(struct sm_graph *g, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Shape of tensor x; all zeros when x is not a tensor of the graph. */
struct sm_shape sm_graph_shape(const struct sm_graph *g, int x);

/* Parameters named prefix.* that are declared from now on are not trained in this graph: no
 * gradient is computed for them, though gradients go through their layers. They are another net's
 * (sm_net_opt.lender), or fixed ones to be filled by sm_net_fixed. Up to 8 prefixes. */
void sm_graph_freeze(struct sm_graph *g, const char *prefix);

/* What is added between the two calls is a stage, of which SM_RECOMPUTE_STAGES keeps for backward
 * only what others read: one after the other, not one in the other. */
void sm_graph_stage_begin(struct sm_graph *g);
void sm_graph_stage_end(struct sm_graph *g);

enum sm_pad {
	SM_PAD_SAME = 0, /* out = ceil(in / stride); the odd zero goes behind, as TensorFlow and
			    ONNX SAME_UPPER */
	SM_PAD_EXPLICIT, /* pad_lo / pad_hi zeros before / behind */
};

enum sm_fuse {
	SM_FUSE_NONE = 0,
	SM_FUSE_RELU,
	SM_FUSE_LEAKY_RELU, /* of norms only */
};

/* Convolution; zeroed fields have the stated defaults. {out, .k = {3,3,3}} is the usual one. */
struct sm_conv {
	int out;         /* output channels */
	int k[3];        /* kernel over D,H,W; 0 = 1 */
	int stride[3];   /* 0 = 1 */
	enum sm_pad pad; /* transposed: SAME means out = in * stride */
	int pad_lo[3], pad_hi[3];
	bool no_bias;
	enum sm_fuse fuse; /* activation applied to the output in place */
	const char *init;  /* row of the initialisers' table; NULL = "he_normal" */
};

/* Tensors filled by the caller before each run. name is how sm_net_buffer finds it. */
int sm_g_input(struct sm_graph *g, const char *name, struct sm_shape shape);
/* Names x as a result that stays readable after a run. Returns x. */
int sm_g_output(struct sm_graph *g, int x, const char *name);

/* Operators with parameters. `name` is the parameters' prefix: name.weight, name.bias (PyTorch
 * shapes: convolution (O,I,kD,kH,kW), transposed (I,O,kD,kH,kW), norm (C)). A name used before
 * with the same shape shares the parameters; with another shape it is a mistake. */
int sm_g_conv(struct sm_graph *g, int x, const char *name, struct sm_conv conv);
int sm_g_conv_transposed(struct sm_graph *g, int x, const char *name, struct sm_conv conv);
/* Batch norm over (N,D,H,W): batch statistics while training, name.running_mean and
 * name.running_var (unbiased, as PyTorch) in inference; momentum is the weight of the new value. */
int sm_g_batch_norm(struct sm_graph *g, int x, const char *name, float eps, float momentum);
/* Instance norm over (D,H,W) of each sample, with scale and shift. */
int sm_g_instance_norm(struct sm_graph *g, int x, const char *name, float eps);

/* Either norm and the activation behind it in one pass over memory; the usual one is
 * {.eps = 1e-5f, .fuse = SM_FUSE_RELU}. */
struct sm_norm {
	bool batch;        /* batch norm; false: instance norm */
	float eps;         /* must be > 0 */
	float momentum;    /* batch norm: weight of the new value */
	enum sm_fuse fuse; /* activation */
	float slope;       /* of leaky ReLU, in [0, 1] */
};
int sm_g_norm(struct sm_graph *g, int x, const char *name, struct sm_norm norm);
/* Batch norm whose statistics and parameters (D) belong to the depth index: Keras' norm of the last
 * axis of channels-first volumes, only to reproduce results obtained with that mistake. */
int sm_g_depth_norm(struct sm_graph *g, int x, const char *name, float eps, float momentum);

/* Operators without parameters. */
int sm_g_max_pool(struct sm_graph *g, int x, int kd, int kh,
		  int kw); /* stride = kernel, no padding */
int sm_g_upsample(struct sm_graph *g, int x, int fd, int fh,
		  int fw);                                    /* nearest, by these factors */
int sm_g_concat(struct sm_graph *g, const int *x, int count); /* over channels, 2..8 tensors */
int sm_g_add(struct sm_graph *g, int a, int b);
int sm_g_relu(struct sm_graph *g, int x);
int sm_g_leaky_relu(struct sm_graph *g, int x, float slope);
int sm_g_sigmoid(struct sm_graph *g, int x);
int sm_g_softmax(struct sm_graph *g, int x); /* over channels */
/* Zeroes with probability rate and scales the rest by 1/(1-rate) while training. */
int sm_g_dropout(struct sm_graph *g, int x, float rate);
int sm_g_detach(struct sm_graph *g, int x); /* no gradient goes back through it */

/* PReLU: x > 0 ? x : w x, w = name.weight (C), 0.25 at first as in PyTorch. */
int sm_g_prelu(struct sm_graph *g, int x, const char *name);
/* x at the nearest voxel of a grid of d x h x w (that behind the centre when two are as near:
 * index floor((i + 1/2) in / out), PyTorch's "nearest-exact"). No gradient: for targets. */
int sm_g_sample(struct sm_graph *g, int x, int d, int h, int w);
int sm_g_tanh(struct sm_graph *g, int x);
/* Rows above and below, columns left and right, mirrored at the border, which is not repeated
 * (PyTorch's ReflectionPad2d); both must be below the image's size. */
int sm_g_reflect_pad(struct sm_graph *g, int x, int rows, int columns);
/* (N,D,H,W,C) to (N,1,1,C,C): the mean over voxels of the products of channels (Gatys et al. 2016).
 */
int sm_g_gram(struct sm_graph *g, int x);

/* ---- losses --------------------------------------------------------------------------------- */

/* One value a sample; the net's loss is the sum over loss nodes of weight * mean over the samples
 * that count (sm_net_set_valid). The simplest is binary cross-entropy of logits, as row bce below
 * says. */
int sm_g_loss_bce(struct sm_graph *g, int logits, int target, float weight);

/* How values are compared: |x - t|, (x - t)^2, or cross-entropy of logits x. */
enum sm_distance { SM_DISTANCE_L1, SM_DISTANCE_L2, SM_DISTANCE_BCE };

/* Mean over all values of a sample of the distance (L1, L2) of x from target, to which no gradient
 * goes. Its value alone, without the weight, is sm_net_loss_value(net, name). */
int sm_g_loss_distance(struct sm_graph *g, const char *name, int x, int target,
		       enum sm_distance by, float weight);
/* The same of a discriminator's map x against the label 1 (real) or 0: BCE (Goodfellow et al. 2014)
 * or L2 (LSGAN, Mao et al. 2017). */
int sm_g_loss_adversarial(struct sm_graph *g, const char *name, int x, bool real,
			  enum sm_distance by, float weight);

#define SM_HEADS 5
#define SM_LOSS_CHANNELS 64 /* the most channels that a loss can have */

/* What a model leaves for the loss: tensor numbers in the graph. logits[0] has full resolution;
 * further ones are deep-supervision heads, each coarser than the one before. */
struct sm_heads {
	int input, logits[SM_HEADS], count, prob;
};

/* What to compare outputs p (softmax or sigmoid of logits z) and target t by. Sums go over the
 * voxels of one sample; e = smooth; means over the channels c are weighted by class_weight.
 * I = sum t p.
 *   soft_dice (= dice)  1 - mean (2 I + e) / (sum t^2 + sum p^2 + e)
 *   generalised_dice    1 - (2 sum w I + e) / (sum w (sum t + sum p) + e), w = 1 / (sum t)^2 as
 *                       Sudre et al. 2017, scaled so that the largest is 1; a channel with an
 *                       empty target has the largest weight of the others
 *   tversky             1 - mean (I + e) / (I + alpha (sum p - I) + beta (sum t - I) + e)
 *   ce                  softmax: - sum w t log p / sum w t, w = class weight, both sums over the
 *                       samples that count: PyTorch's weighted mean (MONAI and nnU-Net use it);
 *                       voxels without a target do not count
 *   bce                 sigmoid: mean over voxels and channels of -t log p - (1-t) log(1-p)
 *   dice_ce, dice_bce   1 - mean (2 I + e) / (sum t + sum p + e), plus ce or bce: nnU-Net's;
 *                       dice_ce is with sigmoid outputs the same as dice_bce
 *   dice_focal          the same Dice, plus the focal loss (Lin et al. 2017): ce or bce with each
 *                       term - log q weighted by (1 - q)^gamma, divided as they are */
struct sm_loss_opt { /* sm_loss_default() first, then the fields that differ */
	const char *name;
	bool softmax;              /* outputs are a softmax; else independent sigmoids */
	const float *class_weight; /* one a channel, copied; NULL = all 1 */
	float alpha, beta;         /* tversky: of false positives, of misses; each >= 0 */
	float gamma;               /* focal; 0 is cross-entropy */
	bool background;           /* softmax: channel 0 counts in soft_dice, tversky and the Dice
				      part too (generalised_dice always takes it) */
	bool batch_dice;           /* sums of Dice and Tversky over all samples that count, not of
				      each: steadier for small structures, but a batch cut up for
				      accumulation is then another loss */
	float smooth;              /* e; 0 = 1e-5 */
};

/* alpha 0.3, beta 0.7, gamma 2, smooth 1e-5, sigmoid outputs of equal weight; name is borrowed. */
struct sm_loss_opt sm_loss_default(const char *name);

/* Name of row i of the losses' table, NULL behind the last. */
const char *sm_loss_name(size_t i);

/* Which outputs row i is made for. */
enum sm_loss_outputs { SM_LOSS_EITHER, SM_LOSS_SOFTMAX, SM_LOSS_SIGMOID };
enum sm_loss_outputs sm_loss_outputs(size_t i);
/* Whether a softmax's background has a part in row i: in its cross-entropy, or in all of it. */
bool sm_loss_weighs_background(size_t i);

/* Adds the loss between a model's heads and a target input of the shape of logits[0], which it
 * creates under the name "target" (one-hot or multi-hot). Coarser heads are compared with the
 * target sampled to their grid; the heads weigh 1, 1/2, 1/4.. scaled to sum 1, and with more than
 * two heads the coarsest is left out (nnU-Net). Returns the tensor of the first head's loss. An
 * unknown name is a mistake that lists the known ones; so is a loss that does not go with softmax
 * or sigmoid. */
int sm_g_loss(struct sm_graph *g, const struct sm_loss_opt *opt, const struct sm_heads *heads);

/* ---- optimisers ----------------------------------------------------------------------------- */

/* Settings of a row of the optimisers' table ("adam", "adamw", "sgd"), each as in PyTorch. */
struct sm_optim {
	const char *name;
	double beta1, beta2, eps; /* adam, adamw: 0.9, 0.999, 1e-8 (eps beside the root) */
	double momentum;          /* sgd */
	bool nesterov;            /* sgd */
	double weight_decay;      /* adam, sgd: added to the gradient (L2); adamw: decoupled */
	bool decay_norm; /* decay of scales, shifts, biases and PReLU slopes too (PyTorch: true) */
	double clip_norm; /* gradient is scaled down to this L2 norm; 0 = off */
	double ema_decay; /* moving average of the weights kept beside them; 0 = none. Update t
			     (from 1) uses min(ema_decay, (1 + t) / (10 + t)) */
};
/* Defaults as above, momentum 0.9, no decay, no clipping, no average. */
struct sm_optim sm_optim_default(const char *name);
/* Name of row i of the optimisers' table, NULL behind the last. */
const char *sm_optim_name(size_t i);

/* ---- the net -------------------------------------------------------------------------------- */

struct sm_net;

/* What backward makes again instead of keeping it since forward; the bits are the same. */
enum sm_recompute {
	SM_RECOMPUTE_NOTHING = 0,
	SM_RECOMPUTE_CHEAP, /* outputs of norms and what costs as little, where that saves memory:
			       about 2 % more time */
	SM_RECOMPUTE_STAGES /* the graph's stages, each when backward comes to it, but for the last
			       one, where that saves memory: for chains of networks and passes
			       through several. Forward runs nearly twice (Chen et al. 2016,
			       arXiv:1604.06174) */
};

struct sm_net_opt {
	bool train;                   /* keep what backward needs; false = inference, smaller */
	int threads;                  /* >= 1 */
	uint64_t seed;                /* of dropout */
	const struct sm_optim *optim; /* NULL: none (inference) */
	const char *kernel; /* NULL: by rule; else only this row of the convolution kernels */
	bool profile;       /* keep per-layer times */
	bool fused; /* training: each parameter is updated as soon as its gradient is complete, and
		       no array of all gradients is kept: sm_net_train alone trains. Not with
		       clip_norm or ema_decay */
	/* Nets whose parameters and running statistics of the same names stand for the frozen ones
	 * of this graph; they must be planned, be allocated before this net, and live (and the
	 * array of them too) as long as it does. */
	struct sm_net *const *lender;
	int lenders;
	bool live_norm;    /* inference: batch norm by the batch's own statistics, as in training */
	bool live_dropout; /* inference: drop-out on, keyed by the number of the forward runs so far
			    */
	bool bf16;      /* what stands between the operators, values and gradients, is stored as
			   bfloat16 and convolutions multiply such; weights, their gradients,
			   statistics, sums, inputs, outputs, logits and losses stay float32 */
	enum sm_recompute recompute;
};

/* What a net needs, in bytes; known after sm_net_plan, before anything big is allocated. */
struct sm_forecast {
	size_t params, grads, optim, state; /* flat arrays; state = running statistics */
	size_t fixed;  /* frozen weights that no lender has */
	size_t arena;  /* activations, their gradients, saved data, workspaces */
	size_t packed; /* weights in the kernels' own order kept between runs */
	size_t code;   /* generated machine code and descriptors (estimate) */
	size_t library; /* what oneDNN brings along for the convolutions that it runs here
			   (estimate): a part of code, for callers who know the rest of their
			   program */
	size_t total;
	size_t unplanned; /* what the arena would be if no block was reused */
};

/* Plans: shapes, kernel choice, memory. Takes g (freed with the net, and on failure too). */
enum sm_status sm_net_plan(struct sm_graph *g, const struct sm_net_opt *opt, struct sm_net **net,
			   struct sm_err *err);
struct sm_forecast sm_net_forecast(const struct sm_net *net);

/* Allocates all that the plan asks for; refuses beforehand with SM_BUDGET when it does not fit in
 * mem, naming the largest batch that would. mem may be NULL (no budget). */
enum sm_status sm_net_alloc(struct sm_net *net, struct sm_mem *mem, struct sm_err *err);

/* The same for several nets of which one runs at a time: their activations share one piece of
 * memory, as large as the largest needs. Inputs must then be filled anew, and outputs be read,
 * before another of them runs. It belongs to the first, which must be freed last. */
enum sm_status sm_net_alloc_together(struct sm_net *const *nets, int count, struct sm_mem *mem,
				     struct sm_err *err);

void sm_net_free(struct sm_net *net); /* NULL is fine */

/* Fills all weights from the initialisers, keyed by (seed, parameter name): the order of layers
 * does not matter. Running statistics become mean 0, variance 1; optimiser state and step 0. */
void sm_net_init(struct sm_net *net, uint64_t seed);

/* The buffer of an input or output by name, NULL when there is none; shape may be NULL. Owned by
 * the net. Inputs keep their contents over a run; outputs are valid until the next run. */
float *sm_net_buffer(struct sm_net *net, const char *name, struct sm_shape *shape);

/* From now on only the first n samples of the batch count in loss and gradient (a last, partial
 * batch); n = batch at the start. */
void sm_net_set_valid(struct sm_net *net, int n);

/* Of the last step or eval: the mean over the samples that count of the loss node of that name,
 * without its weight; NaN when there is none. */
double sm_net_loss_value(const struct sm_net *net, const char *name);
bool sm_net_has_loss(const struct sm_net *net, const char *name);

/* Runs of a net use opt.threads OpenMP threads; one run of a net at a time.
 * forward: inference, outputs only (dropout off, running statistics). eval: the same and the loss.
 * step: training forward, loss, backward: fills the gradients (of this step only; not yet applied).
 * step number keys dropout; number the steps from 0 over the whole training.
 * accumulate: a step whose gradients are averaged with those that are there: sm_net_step and k - 1
 * times sm_net_accumulate leave the mean over all their samples that count, that of one batch of
 * them all to rounding (not with batch norm, batch_dice or a softmax's cross-entropy of unequal
 * class weights, whose values hang on the whole batch).
 * Number micro-batches, not updates. */
enum sm_status sm_net_forward(struct sm_net *net, struct sm_err *err);
/* The number of the next forward run, which keys its live drop-out (0 at the start). */
void sm_net_number_forward(struct sm_net *net, uint64_t number);
enum sm_status sm_net_eval(struct sm_net *net, double *loss, struct sm_err *err);
enum sm_status sm_net_step(struct sm_net *net, uint64_t step, double *loss, struct sm_err *err);
enum sm_status sm_net_accumulate(struct sm_net *net, uint64_t step, double *loss,
				 struct sm_err *err);
/* For processes that share a step: as sm_net_step, but each sample weighs 1 / (before + own), as in
 * a micro-batch behind `before` samples. sm_net_accumulate goes on from it. */
enum sm_status sm_net_step_behind(struct sm_net *net, uint64_t step, size_t before, double *loss,
				  struct sm_err *err);
/* Running statistics of all processes after a step that they began with those of `start`: states is
 * one flat array a process, parts the micro-batches that each took. The net gets what one process
 * has after all of them one after the other, to rounding. */
void sm_net_merge_states(struct sm_net *net, const float *start, const double *states,
			 const int *parts, int processes);
/* Samples that the gradients are the mean of. */
size_t sm_net_grad_samples(const struct sm_net *net);

/* Clips and applies the gradients by the optimiser with learning rate lr. Returns the L2 norm of
 * the gradient before clipping through norm (may be NULL). */
enum sm_status sm_net_update(struct sm_net *net, double lr, double *norm, struct sm_err *err);

/* sm_net_step and sm_net_update in one, with the same bits; of a fused net the only way. A loss
 * that is not finite moves no weight of a fused net (of another the update refuses). SM_INPUT when
 * a gradient is not finite; the weights of a fused net behind that layer have moved then: what it
 * has learnt is lost. */
enum sm_status sm_net_train(struct sm_net *net, uint64_t step, double lr, double *loss,
			    struct sm_err *err);
bool sm_net_is_fused(const struct sm_net *net);
/* Of a fused net's last sm_net_train: the parameter whose gradient was not finite, or NULL. */
const char *sm_net_bad_gradient(const struct sm_net *net);

/* Exchanges weights and their moving average (optim.ema_decay > 0; nothing happens without): call
 * before and after an evaluation of the average. Between the two calls steps and updates are
 * refused. Running statistics of batch norm are not averaged. */
void sm_net_ema_swap(struct sm_net *net);

#define SM_NET_WHAT 160
/* After a step whose loss, or an update whose gradient, was not finite: runs the same step again
 * with a look at every value, and says in what[] the first that is not finite, in the order input,
 * weights, outputs, gradients: "output of enc0.conv2 (conv)". Empty when all is finite. Running
 * statistics stay as they were; gradients are overwritten. With training false the same of
 * sm_net_eval, also while the weights are their moving average. */
enum sm_status sm_net_find_nonfinite(struct sm_net *net, bool training, char what[SM_NET_WHAT],
				     struct sm_err *err);

/* ---- parameters and state, for checkpoints and export ---------------------------------------- */

struct sm_param {
	const char *name;
	int rank;      /* 1 or 5 */
	int shape[5];  /* PyTorch order */
	size_t offset; /* first element in the flat array */
	size_t count;
};

/* Trainable parameters in order of first use; they fill weights[0..total). */
const struct sm_param *sm_net_params(const struct sm_net *net, size_t *count);
size_t sm_net_weight_count(const struct sm_net *net);
/* Flat arrays. After writing to weights call sm_net_touch (kernels keep packed copies). NULL before
 * sm_net_alloc; gradients NULL for inference and of a fused net. */
float *sm_net_weights(struct sm_net *net);
float *sm_net_gradients(struct sm_net *net); /* may be changed before sm_net_update */
/* Frozen parameters that no lender has, and the array that they lie in. */
const struct sm_param *sm_net_fixed(struct sm_net *net, size_t *count, float **values);
void sm_net_touch(struct sm_net *net);
/* Running statistics that no lender has: named entries of another flat array; count 0 when there
 * are none. */
const struct sm_param *sm_net_states(const struct sm_net *net, size_t *count);
float *sm_net_state_values(struct sm_net *net);
/* Optimiser: its arrays have sm_net_weight_count elements each; names are like "adam.m"; the last
 * is "ema" when the net keeps a moving average of its weights. *steps is the number of updates
 * done, to be saved and restored with the arrays. NULL when i is too large. */
float *sm_net_optim_array(struct sm_net *net, int i, const char **name);
uint64_t *sm_net_optim_steps(struct sm_net *net);

/* ---- report --------------------------------------------------------------------------------- */

/* Table of layers: name, operator, output shape, parameters, and for convolutions the kernel chosen
 * for each pass with the library's implementation name. */
void sm_net_print(const struct sm_net *net, FILE *out);
/* Calls tell with a line for each pass of each convolution, in the layers' order: its shape, the
 * kernel that the rule chose, and why those before it in the table were passed over. The line lives
 * during the call. */
void sm_net_tell_kernels(const struct sm_net *net, void (*tell)(void *ctx, const char *line),
			 void *ctx);
/* The share, 0 to 1, of the network's multiplications that run by plain loops, many times slower,
 * because no kernel is made for the shape and oneDNN has its reference code alone; the largest of
 * those passes by layer, pass and shape into text ("" when there is none). */
double sm_net_slow(const struct sm_net *net, char *text, size_t room);
/* The moment at which most of the arena is in use, and what lives then: values, gradients, saved
 * data and workspaces with the operators that they belong to and their lives. Operators that write
 * in place share one block, which is told for each. */
void sm_net_print_memory(const struct sm_net *net, FILE *out);

enum sm_pass { SM_FORWARD = 0, SM_BACKWARD_DATA, SM_BACKWARD_WEIGHTS, SM_PASSES };

/* One layer of a net planned with opt.profile; times are seconds summed over runs since the last
 * sm_net_profile_reset. For layers that are not convolutions, all of backward is in BACKWARD_DATA.
 */
struct sm_layer_time {
	const char *name, *op;
	const char *kernel[SM_PASSES]; /* "" when the pass does not run */
	double seconds[SM_PASSES];
	double
	    flops[SM_PASSES]; /* of one run, taps in the padding not counted; 0 for cheap layers */
	uint64_t runs[SM_PASSES];
};
size_t sm_net_layers(const struct sm_net *net);
struct sm_layer_time sm_net_profile(const struct sm_net *net, size_t layer);
void sm_net_profile_reset(struct sm_net *net);

/* ---- layout helpers for loaders ----------------------------------------------------------------
 */

/* (C,D,H,W) -> (D,H,W,C) of one sample of n voxels. */
void sm_to_channels_last(const float *src, int c, size_t n, float *dst);

#endif
