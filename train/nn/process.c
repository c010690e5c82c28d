/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <unistd.h>

#include "train/nn/nn.h"

void sm_nn_prepare_process(char **argv)
{
	if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT"))
		return;
	/* Both must stand before exec: the second call then returns at once and cannot loop. */
	if (setenv("OMP_WAIT_POLICY", "passive", 1) != 0 ||
	    setenv("GOMP_SPINCOUNT", "10000", 1) != 0)
		return;
	execv("/proc/self/exe", argv);
}
