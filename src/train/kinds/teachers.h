/* The teachers of a run: networks, or the exact velocity of a built-in set. */
#ifndef AYF_RUN_TEACHERS_H
#define AYF_RUN_TEACHERS_H

#include "config/assignments.h"
#include "model/card.h"
#include "model/match.h"
#include "train/state.h"

/* Puts the data of the teacher that is given into the configuration (run->data_of), or, when data.source is given, of
 * its data section what decides how pictures are read: data.resize, data.background and data.upright. AYF_E_CONFIG
 * when neither the teacher nor `given` names data. */
ayf_status ayf_run_read_as_teacher(ayf_run *run, const ayf_assignments *given);

/* AYF_E_CONFIG when `given` names no data and neither does the configuration of the model `path`, which `key` names
 * and whose card is `card`. */
ayf_status ayf_run_check_data_known(const ayf_run *run, const ayf_assignments *given, const char *key,
                                    const char *path, const ayf_model_card *card);

/* Opens what distill.teacher and, with autoguidance, distill.weak name; fills run->teachers and
 * run->sigma_data. Opens nothing when the velocity comes from the data, unless the network is needed all the
 * same. `hint` goes into messages behind the key: where its value comes from, or "". */
ayf_status ayf_run_open_teachers(ayf_run *run, bool needs_network, const char *hint);
void ayf_run_close_teachers(ayf_run *run);

/* For ayf_models_match(); only with a teacher network. */
ayf_match_side ayf_run_teacher_side(const ayf_run *run);

/* The range from which strengths of guidance are drawn: 1 to 1 without guidance. */
void ayf_run_guidance_range(const ayf_run *run, double *low, double *high);

#endif
