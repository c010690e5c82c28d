#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each network, narrow: the number of threads changes no byte. Which kernels run hangs on widths, and
# oneDNN's own sums of weight gradients would hang on the threads.
. "$(dirname "$0")/../lib.sh"
needs train
. "$SM_ROOT/tests/stage/tiny.sh"

edit 's/size: \[16, 16, 8\], per_case: 8/size: [32, 32, 16], per_case: 2/; s/epochs: 4/epochs: 1/; s/batch: 3/batch: 2/
	s/checkpoint_every: 2/checkpoint_every: 0/; s/loss: dice_bce/loss: dice/' "$T/base.yaml"
run sm tile --manifest "$T/base.yaml" --in "$T/preprocess" --out "$T/whole"
for model in unet3d resunet3d vnet vnet_paper nnunet3d basic_unet3d; do
	width=0.125
	[ $model = vnet_paper ] && width=0.25
	sed "s/^train:/&\n  model: $model/; s/width: .*/width: $width/" "$T/base.yaml" >"$T/$model.yaml"
	for jobs in 1 2 3; do
		rm -rf "$T/of$jobs"
		exits "$model, $jobs threads" 0 training "$T/of$jobs" --manifest "$T/$model.yaml" --in "$T/whole" --jobs $jobs
	done
	same_tree "$model: 2 threads give the bytes of 1" "$T/of1" "$T/of2"
	same_tree "$model: so do 3" "$T/of1" "$T/of3"
done
done_testing
