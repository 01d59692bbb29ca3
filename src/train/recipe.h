/* From a configuration (config/config.h) to what networks, optimiser and samplers take. */
#ifndef AYF_TRAIN_RECIPE_H
#define AYF_TRAIN_RECIPE_H

#include "flow/adversarial.h"
#include "flow/step.h"
#include "flow/times.h"
#include "config/config.h"
#include "data/dataset.h"

/* The network of the model section for data of this shape, which decide its resolution, channels and classes:
 * a teacher; set is_student for a flow map. AYF_E_CONFIG when the two do not match. */
ayf_status ayf_spec_from_config(ayf_context *ctx, const ayf_config *cfg, const ayf_dataset_info *data,
                                ayf_model_spec *spec);

/* What the data section says of how data.source is read. */
ayf_dataset_spec ayf_data_from_config(const ayf_config *cfg);

/* Whether the discriminator is told the strength of guidance (ayf_finetune_step.guidance_low). */
bool ayf_disc_sees_guidance(const ayf_config *cfg);
/* The discriminator of the finetune section for what `network` draws; ayf_network_check() has not been asked.
 */
ayf_model_spec ayf_discriminator_from_config(const ayf_config *cfg, const ayf_model_spec *network);

ayf_optim_options ayf_optim_from_config(const ayf_config *cfg);

/* Of step k (the first is 0). */
double ayf_rate_from_config(const ayf_config *cfg, uint64_t step); /* train.lr at its highest */
double ayf_rate_below(const ayf_config *cfg, double highest, uint64_t step);

/* Steps of fine-tuning before the first in which the student learns from the discriminator. */
uint64_t ayf_disc_first_from_config(const ayf_config *cfg);
double ayf_ema_from_config(const ayf_config *cfg, uint64_t step);            /* decay; 0 without an average */
double ayf_tangent_weight_from_config(const ayf_config *cfg, uint64_t step); /* r of the derivative term */

ayf_time_sampler ayf_times_from_config(const ayf_config *cfg);

/* Everything of a distillation step but student and teacher. */
ayf_distill_step ayf_distill_from_config(const ayf_config *cfg);

#endif
