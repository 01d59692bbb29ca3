/* Checkpoints and the model file of a run. */
#ifndef AYF_RUN_CHECKPOINT_H
#define AYF_RUN_CHECKPOINT_H

#include "model/card.h"
#include "train/state.h"

/* Writes the model file and a checkpoint, then removes checkpoints beyond save.keep. Weights that are not
 * finite are AYF_E_DIVERGED, and then, or when they cannot be read, nothing is written. */
ayf_status ayf_run_checkpoint_write(ayf_run *run);
/* AYF_OK when the checkpoint of a step is one of this kind of run, whose identity it reads into run->past. */
ayf_status ayf_run_checkpoint_check(ayf_run *run, int64_t step);
/* Restores weights, average, moments and run->step from the checkpoint of a step. */
ayf_status ayf_run_checkpoint_read(ayf_run *run, int64_t step);
/* The card of the run's models as of now; the caller frees card->config and nothing else. */
ayf_status ayf_run_card(const ayf_run *run, ayf_model_card *card);
/* The average weights as a model file; `measured` is the card's, or NULL. */
ayf_status ayf_run_model_write(const ayf_run *run, const char *path, char *measured);
/* The name of the first parameter that holds a value that is not finite; NULL when there is none. */
ayf_status ayf_run_bad_parameter(const ayf_run *run, const char **name);

#endif
