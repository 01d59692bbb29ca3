/* What makes a run the same run when it is resumed: its settings, data and teachers, whatever they are called
 * and wherever they lie. Checkpoints hold all of it, and the history of what was changed on purpose. */
#ifndef AYF_RUN_IDENTITY_H
#define AYF_RUN_IDENTITY_H

#include "io/safetensors.h"
#include "train/state.h"

/* Reads what the checkpoint says into run->past; earlier versions wrote less. */
ayf_status ayf_run_identity_read(ayf_run *run, const ayf_st *st);
void ayf_run_identity_clear(ayf_run *run);

/* The metadata of a checkpoint of this run: config, data, teachers_hash, machine, changes. */
ayf_status ayf_run_identity_put(const ayf_run *run, ayf_st_writer *writer);

/* Fingerprint of the data and description of what computes; after the data is open. */
ayf_status ayf_run_identity_find(ayf_run *run);

/* Compares with run->past, after ayf_run_identity_find(), for a run that goes on after `step`. AYF_E_CONFIG
 * names the first thing that differs and may not; what may, or is allowed on purpose (run->allow_change), is
 * noted in the history. */
ayf_status ayf_run_identity_compare(ayf_run *run, uint64_t step);

/* Says what was noted. To be called when nothing can be refused any more: a refusal is one message. */
void ayf_run_identity_say(const ayf_run *run);

/* The data, teachers and models that a configuration names, by their absolute paths, so that they are found
 * from other folders. */
ayf_status ayf_run_identity_locate(ayf_run *run);

#endif
