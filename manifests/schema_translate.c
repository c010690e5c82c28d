/* SPDX-License-Identifier: Apache-2.0 */
/* The section translate: generators of images and their training. */
#include "manifests/schema_rows.h"

static enum sm_status check_translate(const void *base, struct sm_err *err)
{
	const struct sm_translate_section *s = base;
	if (s->linear_from && s->linear_from >= s->epochs)
		return SM_FAIL(err, SM_USAGE,
			       "linear_from: found %lld, allowed is less than epochs (%lld)",
			       (long long)s->linear_from, (long long)s->epochs);
	return SM_OK;
}

/* clang-format off: a row is a line or two */
#define PAIRED "system pix2pix"
#define UNPAIRED "system cyclegan"

static const struct sm_field translate[] = {
	/* The choices are rows of train/models/translate.h; test_schema compares them. */
	ONEOF(sm_translate_section, system, "pix2pix", "pix2pix|cyclegan",
	      "pix2pix: pairs or triplets of images; cyclegan: two domains without pairs, both "
	      "ways"),
	ONEOF(sm_translate_section, generator, "pix2pix", "pix2pix|casnet|resnet",
	      "network that makes images"),
	ONEOF(sm_translate_section, discriminator, "patch94", "patch94|patch70|judge3",
	      "network that judges them: PatchGAN with a receptive field of 94 or 70, or three "
	      "layers (11)"),
	REAL(sm_translate_section, width, "1", 1.0 / 64, 8,
	     "factor on every width of the generator"),
	REAL(sm_translate_section, discriminator_width, "1", 1.0 / 64, 8,
	     "factor on every width of the discriminator"),
	ONEOF(sm_translate_section, norm, "auto", "auto|none|batch|instance",
	      "of both; auto = each network's own"),
	WHOLE(sm_translate_section, levels, "0", 0, 12,
	      "halvings in the U-nets of pix2pix and casnet; sides are multiples of 2 to this; 0 = "
	      "8"),
	WHOLE(sm_translate_section, chain, "0", 0, 12,
	      "casnet: U-nets one behind the other; 0 = 3 (MedGAN has 6)"),
	WHOLE(sm_translate_section, blocks, "0", 0, 64, "resnet: residual blocks; 0 = 9"),
	ONEOF(sm_translate_section, upsampling, "transposed", "transposed|resize",
	      "transposed convolutions, or nearest up-sampling and a 3x3 convolution: no "
	      "checkerboards"),
	REAL(sm_translate_section, slope, "-1", -1, 1,
	     "of the generator's leaky ReLU, 0 = ReLU; -1 = its own (pix2pix 0, casnet 0.3)"),
	REAL(sm_translate_section, dropout, "-1", -1, 0.95,
	     "of pix2pix's decoder; -1 = its own (0.5)"),
	ONEOF(sm_translate_section, adversarial, "bce", "bce|lsgan",
	      "adversarial loss: cross-entropy of logits, or least squares"),
	REAL(sm_translate_section, adversarial_weight, "1", 0, 1e6,
	     "of the generators' adversarial loss"),
	REAL(sm_translate_section, discriminator_weight, "1", 0, 1e6,
	     "of the discriminators' losses; 0.5 = halved"),
	REAL_IF(sm_translate_section, l1, PAIRED, "100", 0, 1e6, "mean distance from the target"),
	REAL_IF(sm_translate_section, perceptual, PAIRED, "0", 0, 1e6,
		"distance in the discriminator's hidden layers (MedGAN)"),
	REAL_IF(sm_translate_section, content, PAIRED, "0", 0, 1e6,
		"squared distance in VGG-19's block4_conv2 (train --vgg)"),
	REAL_IF(sm_translate_section, style, PAIRED, "0", 0, 1e6,
		"squared distance of Gram matrices in VGG-19's first layers (train --vgg)"),
	REAL_IF(sm_translate_section, cycle, UNPAIRED, "10", 0, 1e6,
		"distance of an image from itself there and back"),
	REAL_IF(sm_translate_section, identity, UNPAIRED, "5", 0, 1e6,
		"distance of an image of the target domain from itself"),
	WHOLE(sm_translate_section, pool, "0", 0, 1000,
	      "generated images kept for the discriminators (CycleGAN: 50), of pix2pix with the input "
	      "that each was made of"),
	WHOLE(sm_translate_section, generator_steps, "1", 1, 100,
	      "generator updates for each of the discriminators, at most the steps of the training"),
	REAL(sm_translate_section, learning_rate, "2e-4", 0, 1, "of all networks' Adam"),
	REAL(sm_translate_section, beta1, "0.5", 0, 0.9999, "of Adam"),
	WHOLE(sm_translate_section, linear_from, "0", 0, 1e6,
	      "epochs of constant rate, behind which it falls to 0 at the end; 0 = constant "
	      "throughout"),
	WHOLE(sm_translate_section, jitter, "30", 0, 1024,
	      "pixels by which a training image is enlarged before it is cut to its size at "
	      "random; 0 = none"),
	{"mirror", SM_F_BOOL, AT(sm_translate_section, mirror), "true",
	 .doc = "each training image mirrored or not, at random"},
	WHOLE(sm_translate_section, batch, "1", 1, 256, "images a step"),
	WHOLE(sm_translate_section, epochs, "200", 1, 1e6, "epochs in all"),
	WHOLE(sm_translate_section, steps_per_epoch, "0", 0, 1e9,
	      "steps an epoch; 0 = every image once"),
	WHOLE(sm_translate_section, checkpoint_every, "20", 0, 1e6,
	      "numbered checkpoint each n epochs; 0 = only the last"),
	WHOLE(sm_translate_section, sample_images, "5", 0, 64,
	      "held-out images in each picture of progress"),
	WHOLE(sm_translate_section, sample_every, "1", 0, 1e6,
	      "such a picture each n epochs; 0 = none"),
	REAL(sm_translate_section, time_budget, "0", 0, 1e6,
	     "minutes of one run after which it stops behind the epoch at work, to be gone on with "
	     "by --resume; 0 = none"),
	ONEOF(sm_translate_section, precision, "float32", "float32|bf16",
	      "of what stands between the operators while training"),
	ONEOF(sm_translate_section, memory, "low", "low|fast",
	      "of several passes through generators (cyclegan, casnet): low = what backward needs "
	      "of one is made again when it comes to it; fast = all is kept; same bits"),
	SEED(sm_translate_section),
};
/* clang-format on */
const struct sm_fieldset sm_translate_fieldset =
	SM_FIELDSET_CHECKED(check_translate, "translate", struct sm_translate_section, translate,
			    "generators of images and their training (dataset: pair)");
