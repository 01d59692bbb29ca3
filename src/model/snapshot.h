/* Snapshots of the power-function averages of a run (train.ema_widths): safetensors files with the tensors
 * "ema1.<parameter>", "ema2.<parameter>" ... in 32 bits, and in the metadata a card (model/file.h), whose step is that
 * of the snapshot, and "widths". */
#ifndef AYF_MODEL_SNAPSHOT_H
#define AYF_MODEL_SNAPSHOT_H

#include "base/fields.h"
#include "model/file.h"

#define AYF_SNAPSHOT_FORMAT "ayf-snapshot-1" /* metadata "format" */

/* `averages` are as many as the widths, of one network. Atomic; equal contents give equal bytes. AYF_E_DIVERGED for
 * values that are not finite. */
ayf_status ayf_snapshot_write(const char *path, ayf_weights *const *averages, const ayf_reals *widths,
                              const ayf_model_card *card);

/* The card, the network and the widths; the averages stay on the disk. The caller owns the card's strings. */
ayf_status ayf_snapshot_read_card(ayf_context *ctx, const char *path, ayf_reals *widths, ayf_model_spec *spec,
                                  ayf_model_card *card);

/* sum += factors[0] x the first average + factors[1] x the second ..., over the values of all parameters in file
 * layout, those of one behind those of another; `factors` are as many as the widths. Parameters that are never trained
 * are copied. Reads and checks the whole file:
 * AYF_E_FORMAT when it is damaged or holds other parameters than `params`. */
ayf_status ayf_snapshot_add(ayf_context *ctx, const char *path, const ayf_params *params,
                            const double *factors, int widths, double *sum);

#endif
