/* What a run is given besides teachers: data, their scale, and the network that is trained. */
#ifndef AYF_RUN_INPUTS_H
#define AYF_RUN_INPUTS_H

#include "train/state.h"

/* Opens the data after run->type->open(), checks that it fits the models that were opened, finds
 * run->sigma_data and run->spec, and writes what was measured or taken from a model into run->cfg. */
ayf_status ayf_run_open_data(ayf_run *run);

#endif
