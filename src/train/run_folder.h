/* The folder of a run: config.yaml, log.jsonl, model.safetensors, checkpoints/, samples/ and snapshots/. */
#ifndef AYF_RUN_FOLDER_H
#define AYF_RUN_FOLDER_H

#include "io/file.h"

/* Files in the folder. */
#define AYF_RUN_CONFIG "config.yaml"
#define AYF_RUN_LOG "log.jsonl"
#define AYF_RUN_MODEL "model.safetensors"
#define AYF_RUN_BEST "model-best.safetensors" /* train/best.h */
#define AYF_RUN_DIVERGED "diverged.txt"       /* train/divergence.h */
#define AYF_RUN_TRAJECTORIES "trajectories.safetensors"

/* Metadata "format" of the safetensors files that only a run reads. */
#define AYF_CHECKPOINT_FORMAT "ayf-checkpoint-1"
#define AYF_TRAJECTORIES_FORMAT "ayf-trajectories-1"

/* Whether a run may be kept in `folder`: it is not there, is empty, has a run or its config.yaml, or holds nothing but
 * what people put beside a run (text, scripts, hidden files). AYF_E_IO for a file, AYF_E_USAGE for other things. A
 * folder that cannot be listed is left to ayf_run_begin(). */
ayf_status ayf_run_check_folder(ayf_context *ctx, const char *folder);

/* Whether `folder`, which need not be there, is `around` or lies in it; links are followed. False for an `around` that
 * is no folder. */
bool ayf_run_lies_in(const char *folder, const char *around);
/* Whether a run keeps a file or a folder of this name in its folder. */
bool ayf_run_keeps(const char *name);

/* Makes the folder, takes its lock (ayf_folder_unlock) and removes what interrupted
 * atomic writes left. `folder` may be a symbolic link; one inside it by a name that runs write is AYF_E_IO. */
ayf_status ayf_run_begin(ayf_context *ctx, const char *folder, ayf_folder_lock **lock);

/* Makes the folders of checkpoints and sample grids in a folder that is locked. */
ayf_status ayf_run_make_inside(ayf_context *ctx, const char *folder);

/* Takes back what ayf_run_begin() made in a folder in which no run was begun after all: the lock's file and
 * the folders that are empty, the outer one only if it is `ours`. The lock is held; what cannot be removed
 * stays. */
void ayf_run_abandon(ayf_context *ctx, const char *folder, bool ours);

/* The model file behind a path: a run folder means the model in it. NULL when there is no memory; owned by
 * the caller. */
char *ayf_run_model_file(ayf_context *ctx, const char *path);

/* "<folder>/checkpoints/step-00001000.safetensors"; step >= 0. NULL when there is no memory; owned by the
 * caller.
 */
char *ayf_run_checkpoint_path(ayf_context *ctx, const char *folder, int64_t step);

/* "<folder>/samples/step-00001000.png". */
char *ayf_run_samples_path(ayf_context *ctx, const char *folder, int64_t step);

/* Makes the folder of the snapshots. */
ayf_status ayf_run_make_snapshots(ayf_context *ctx, const char *folder);

/* "<folder>/snapshots/step-00001000.safetensors". */
char *ayf_run_snapshot_path(ayf_context *ctx, const char *folder, int64_t step);

/* The steps that have a snapshot, highest first; none without such a folder. *steps is the caller's, also after a
 * failure. */
ayf_status ayf_run_snapshots(ayf_context *ctx, const char *folder, int64_t **steps, size_t *count);

/* The same of those that have a sample grid. */
ayf_status ayf_run_pictures(ayf_context *ctx, const char *folder, int64_t **steps, size_t *count);

/* Removes the snapshots of `step` and of later ones. */
ayf_status ayf_run_drop_snapshots(ayf_context *ctx, const char *folder, uint64_t step);

/* The highest step that has a checkpoint, -1 when none has. AYF_E_IO when there is no such folder. Needs
 * no lock. */
ayf_status ayf_run_latest(ayf_context *ctx, const char *folder, int64_t *step);

/* The same among the steps that are multiples of `every`; of all of them when none is, or when it is 0. */
ayf_status ayf_run_latest_due(ayf_context *ctx, const char *folder, int64_t every, int64_t *step);

/* Removes all checkpoints but the `keep` newest; keep == 0 removes none. */
ayf_status ayf_run_prune(ayf_context *ctx, const char *folder, int keep);

/* Renames the checkpoints of `step` and of later ones, from .safetensors to .diverged. */
ayf_status ayf_run_set_apart(ayf_context *ctx, const char *folder, uint64_t step);

#endif
