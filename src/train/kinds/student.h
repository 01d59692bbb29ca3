/* The student that fine-tuning begins with. */
#ifndef AYF_RUN_STUDENT_H
#define AYF_RUN_STUDENT_H

#include "model/card.h"
#include "train/state.h"

typedef struct ayf_run_student {
    ayf_weights *weights; /* NULL: not read yet */
    ayf_model_card card;
} ayf_run_student;

/* Reads the student that `path` names, a model file or a run's folder: its weights and its card, once. */
ayf_status ayf_run_student_read(ayf_run *run, ayf_run_student *student, const char *path);
void ayf_run_student_clear(ayf_run *run, ayf_run_student *student); /* all zero is fine */

/* Puts what the student was made with under run->cfg, which holds the defaults: data, network, distillation
 * and batch. How long and how fast it was trained, and what its run kept, is not inherited. */
ayf_status ayf_run_student_inherit(ayf_run *run, const ayf_run_student *student, const char *path);

/* AYF_E_CONFIG when the run asks for guidance that the student has not learned. */
ayf_status ayf_run_student_check(const ayf_run *run, const ayf_run_student *student);

#endif
