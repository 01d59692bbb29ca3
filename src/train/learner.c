#include "train/learner.h"

#include <stdio.h>

enum { NAME_SIZE = 64 };

static const char *in_scope(const ayf_learner *l, const char *name, char text[NAME_SIZE]) {
    snprintf(text, NAME_SIZE, "%s%s", l->scope, name);
    return text;
}

ayf_status ayf_learner_new(ayf_learner *l, ayf_backend *backend, const ayf_model_spec *spec,
                           const char *scope, const char *part, const ayf_optim_options *optim) {
    *l = (ayf_learner){.scope = scope, .part = part, .optim = *optim};
    AYF_TRY(ayf_weights_new(backend, spec, &l->weights));
    l->average = l->weights;
    AYF_TRY(ayf_weights_check_memory(l->weights, optim->ema ? 4 : 3)); /* they are zeros: not yet in memory */
    AYF_TRY(ayf_weights_new(backend, spec, &l->adam_m));
    AYF_TRY(ayf_weights_new(backend, spec, &l->adam_v));
    for (int k = 0; k < optim->powers; k++) AYF_TRY(ayf_weights_new(backend, spec, &l->power[k]));
    if (!optim->ema) return AYF_OK;
    ayf_weights *average;
    AYF_TRY(ayf_weights_new(backend, spec, &average));
    l->average = average;
    return AYF_OK;
}

void ayf_learner_clear(ayf_learner *l) {
    if (l->average != l->weights) ayf_weights_free(l->average);
    for (int k = 0; k < l->optim.powers; k++) ayf_weights_free(l->power[k]);
    ayf_weights_free(l->weights);
    ayf_weights_free(l->adam_m);
    ayf_weights_free(l->adam_v);
    *l = (ayf_learner){0};
}

ayf_status ayf_learner_begin(ayf_learner *l, uint64_t seed, const ayf_weights *from) {
    AYF_TRY(ayf_weights_init(l->weights, seed));
    if (from) AYF_TRY(ayf_weights_copy(l->weights, from));
    for (int k = 0; k < l->optim.powers; k++) AYF_TRY(ayf_weights_copy(l->power[k], l->weights));
    return l->average == l->weights ? AYF_OK : ayf_weights_copy(l->average, l->weights);
}

static ayf_status set_zero(ayf_weights *weights) {
    ayf_context *ctx = weights->backend->ctx;
    for (int i = 0; i < weights->params->count; i++) {
        float *zeros = ayf_alloc(ctx, weights->params->at[i].size, sizeof *zeros);
        ayf_status status = zeros ? ayf_buffer_set(weights->at[i], zeros) : AYF_E_MEMORY;
        ayf_free(ctx, zeros);
        AYF_TRY(status);
    }
    return AYF_OK;
}

ayf_status ayf_learner_restart(ayf_learner *l, uint64_t seed, const ayf_weights *from) {
    AYF_TRY(set_zero(l->adam_m));
    AYF_TRY(set_zero(l->adam_v));
    return ayf_learner_begin(l, seed, from);
}

ayf_status ayf_learner_bind(const ayf_learner *l, ayf_program *program) {
    char name[NAME_SIZE];
    AYF_TRY(ayf_weights_bind(l->weights, program, l->scope));
    AYF_TRY(ayf_weights_bind(l->adam_m, program, in_scope(l, AYF_OPTIM_MOMENT_1, name)));
    AYF_TRY(ayf_weights_bind(l->adam_v, program, in_scope(l, AYF_OPTIM_MOMENT_2, name)));
    for (int k = 0; k < l->optim.powers; k++)
        AYF_TRY(ayf_weights_bind(l->power[k], program, in_scope(l, ayf_optim_power(k), name)));
    if (l->average == l->weights) return AYF_OK;
    return ayf_weights_bind(l->average, program, in_scope(l, AYF_OPTIM_EMA, name));
}

ayf_status ayf_learner_set_rates(const ayf_learner *l, ayf_program *program, uint64_t step, double rate,
                                 double decay) {
    char name[NAME_SIZE];
    float step_size, v_scale, ema_decay = (float)decay;
    ayf_adam_scalars(rate, l->optim.beta1, l->optim.beta2, step, &step_size, &v_scale);
    AYF_TRY(ayf_program_set(program, in_scope(l, AYF_OPTIM_STEP_SIZE, name), &step_size, 1));
    AYF_TRY(ayf_program_set(program, in_scope(l, AYF_OPTIM_V_SCALE, name), &v_scale, 1));
    for (int k = 0; k < l->optim.powers; k++) {
        char leaf[sizeof AYF_OPTIM_POWER_DECAY + 1];
        float power_decay = (float)ayf_ema_power(l->optim.gamma[k], step);
        snprintf(leaf, sizeof leaf, AYF_OPTIM_POWER_DECAY "%c", '1' + k);
        AYF_TRY(ayf_program_set(program, in_scope(l, leaf, name), &power_decay, 1));
    }
    if (!l->optim.ema) return AYF_OK;
    return ayf_program_set(program, in_scope(l, AYF_OPTIM_EMA_DECAY, name), &ema_decay, 1);
}

ayf_status ayf_learner_set_part(const ayf_learner *l, ayf_program *program, int part, int parts) {
    char name[NAME_SIZE];
    float keep = part > 0, share = (float)(1.0 / parts);
    if (!l->optim.parts) return AYF_OK;
    AYF_TRY(ayf_program_set(program, in_scope(l, AYF_OPTIM_KEEP, name), &keep, 1));
    return ayf_program_set(program, in_scope(l, AYF_OPTIM_SHARE, name), &share, 1);
}

int ayf_learner_copies(const ayf_learner *l, ayf_learner_copy copies[AYF_LEARNER_COPIES]) {
    int count = 0;
    copies[count++] = (ayf_learner_copy){"weights.", l->weights, false};
    if (l->average != l->weights) copies[count++] = (ayf_learner_copy){AYF_OPTIM_EMA, l->average, false};
    for (int k = 0; k < l->optim.powers; k++)
        copies[count++] = (ayf_learner_copy){ayf_optim_power(k), l->power[k], false};
    copies[count++] = (ayf_learner_copy){AYF_OPTIM_MOMENT_1, l->adam_m, true};
    copies[count++] = (ayf_learner_copy){AYF_OPTIM_MOMENT_2, l->adam_v, true};
    return count;
}
