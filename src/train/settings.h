/* The configuration of a run: where it comes from, and what a resumed run may change. */
#ifndef AYF_RUN_SETTINGS_H
#define AYF_RUN_SETTINGS_H

#include "train/state.h"

/* Reads what the folder has saved, if anything, into run->saved_config. */
ayf_status ayf_run_settings_read(ayf_run *run);

/* Gives a context without a device that of the configuration (train.device), if it has not computed yet. Needs what the
 * folder has saved. */
ayf_status ayf_run_settings_device(ayf_run *run, const ayf_run_options *options);

/* Fills run->cfg, in this order: the defaults, or for a kind with a base that; the file that is named, or
 * else what the folder has saved, when `resumes` says that this counts; the settings. A saved configuration
 * is complete and needs no base. Checked for the kind of run. train.precision = auto is settled: as the
 * folder has it when the run `resumes`, else as run->faster. train.device is what computes. */
ayf_status ayf_run_settings_load(ayf_run *run, const ayf_run_options *options, bool resumes);

/* AYF_E_CONFIG for a key of run->given that has no effect beside the others, as a width of hidden layers has none on
 * a U-Net. Not for what a run wrote itself, for defaults in a file, for what a setting makes void in a file, and for
 * what is turned off by an explicit 0. Asked once it is known what the network begins as. */
ayf_status ayf_run_settings_check(const ayf_run *run);

/* The configuration that the checkpoint went by: its own, or of earlier versions that of the folder.
 * ayf_config_free() it. */
ayf_status ayf_run_settings_then(const ayf_run *run, ayf_config *then);

/* Whether run->cfg differs from `then` in this row; if so `change` says how, for the history. AYF_E_CONFIG
 * for a difference that may not be: train.steps, train.accumulate, eval.*, save.*, what to do about a divergence and
 * paths may differ, the shape of networks may not, and the rest may when run->allow_change. */
ayf_status ayf_run_settings_differ(const ayf_run *run, const ayf_config *then, int row, uint64_t step,
                                   char *change, size_t size, bool *differs);

/* Always AYF_E_CONFIG, or without memory AYF_E_MEMORY: the message that refuses the change of `key`. */
ayf_status ayf_run_settings_refuse(const ayf_run *run, const ayf_config *then, const char *key,
                                   uint64_t step);

/* Writes run->cfg into the folder unless that is what it has. */
ayf_status ayf_run_settings_save(const ayf_run *run);

/* Takes over the model section of `taken`, the network that the student begins as. AYF_E_CONFIG when run->cfg
 * says something else about the network there that is not the default. */
ayf_status ayf_run_settings_take_model(ayf_run *run, const ayf_config *taken);

/* Of everything but what may change and keys that say what runs did before there were
 * such keys, so that checkpoints of earlier versions keep theirs; 0 on failure. */
uint64_t ayf_run_settings_hash(ayf_context *ctx, const ayf_config *cfg);

#endif
