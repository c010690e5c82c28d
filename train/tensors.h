/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of a checkpoint: the tensors of a network as datasets of an open HDF5 file.
 */
#ifndef SM_TRAIN_TENSORS_H
#define SM_TRAIN_TENSORS_H

#include <hdf5.h>
#include <stdbool.h>

#include "core/err.h"
#include "train/nn/nn.h"

/* Writes parameters/, state/ and optimiser/ of net, and the optimiser's number of updates as its
 * attribute `steps`. name stands in sentences. */
enum sm_status sm_tensors_write(hid_t file, const char *name, struct sm_net *net,
				struct sm_err *err);

/* Reads them into net (sm_checkpoint_load tells the rules). */
enum sm_status sm_tensors_read(hid_t file, const char *name, struct sm_net *net, bool training,
			       struct sm_err *err);

/* Reads the weights and running statistics that net has; the file may hold those of others too. */
enum sm_status sm_tensors_read_part(hid_t file, const char *name, struct sm_net *net,
				    struct sm_err *err);

#endif
