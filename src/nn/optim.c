#include "nn/optim.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ir/build.h"
#include "nn/layers.h"

ayf_optim_options ayf_optim_default(void) {
    return (ayf_optim_options){.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
}

static ayf_id state(ayf_graph *g, const char *prefix, const ayf_param *param) {
    char name[sizeof param->name + 16];
    snprintf(name, sizeof name, "%s%s", prefix, param->name);
    return ayf_leaf(g, AYF_STORE_STATE, name, param->shape);
}

static ayf_id input(ayf_graph *g, const char *name) {
    return ayf_leaf(g, AYF_STORE_INPUT, name, AYF_SHAPE(1));
}

const char *ayf_optim_power(int k) {
    static const char *const names[AYF_OPTIM_POWERS] = {"ema1.", "ema2.", "ema3.", "ema4.",
                                                        "ema5.", "ema6.", "ema7.", "ema8."};
    return names[k];
}

static bool ends_in(const char *leaf, size_t length, const char *name) {
    size_t tail = strlen(name);
    if (length < tail || strncmp(leaf + length - tail, name, tail) != 0) return false;
    return length == tail || leaf[length - tail - 1] == '.';
}

bool ayf_optim_is_input(const char *leaf) {
    static const char *const names[] = {AYF_OPTIM_STEP_SIZE, AYF_OPTIM_V_SCALE, AYF_OPTIM_EMA_DECAY,
                                        AYF_OPTIM_KEEP};
    size_t length = strlen(leaf);
    for (size_t i = 0; i < AYF_COUNT(names); i++)
        if (ends_in(leaf, length, names[i])) return true;
    bool numbered = length && leaf[length - 1] >= '1' && leaf[length - 1] <= '0' + AYF_OPTIM_POWERS;
    return numbered && ends_in(leaf, length - 1, AYF_OPTIM_POWER_DECAY);
}

/* sqrt of the sum of all squares, (1); 0 when there is no gradient at all. */
static ayf_id total_norm(ayf_graph *g, const ayf_params *params, const ayf_id *grad) {
    ayf_id sum = 0;
    for (int i = 0; i < params->count; i++) {
        if (!grad[i]) continue;
        ayf_id part = ayf_sum_all(g, ayf_square(g, grad[i]));
        sum = sum ? ayf_add(g, sum, part) : part;
    }
    return ayf_sqrt(g, sum);
}

/* ---- Parts and processes ---- */

static ayf_id ones_like(ayf_graph *g, ayf_id scalar, ayf_id like) {
    if (!scalar || !like) return 0;
    ayf_shape ones = {.rank = ayf_at(g, like)->rank};
    for (int i = 0; i < ones.rank; i++) ones.dim[i] = 1;
    return ayf_reshape(g, scalar, ones);
}

void ayf_optim_collect(ayf_graph *g, const ayf_params *params, const ayf_optim_options *options,
                       const char *prefix, ayf_id *grad) {
    if (!options->parts) return;
    ayf_id keep = input(g, AYF_OPTIM_KEEP);
    ayf_id share = ayf_leaf(g, AYF_STORE_LAST, AYF_OPTIM_SHARE, AYF_SHAPE(1));
    for (int i = 0; i < params->count; i++) {
        if (!grad[i]) continue;
        ayf_id sum = state(g, prefix, &params->at[i]);
        ayf_id next = ayf_add(g, ayf_mul(g, ones_like(g, keep, sum), sum), grad[i]);
        ayf_update(g, sum, next);
        grad[i] = ayf_mul(g, next, ones_like(g, share, sum));
    }
}

ayf_id ayf_optim_mean(ayf_graph *g, const ayf_optim_options *options, ayf_id value) {
    return options->ranks > 1 ? ayf_mulc(g, ayf_allreduce(g, value, options->ranks), 1.0 / options->ranks)
                              : value;
}

/* ---- Adam ---- */

static void emit_inputs(ayf_graph *g, const ayf_optim_options *options, ayf_optim_nodes *nodes) {
    *nodes = (ayf_optim_nodes){0};
    nodes->step_size = input(g, AYF_OPTIM_STEP_SIZE);
    nodes->v_scale = input(g, AYF_OPTIM_V_SCALE);
    if (options->ema) nodes->ema_decay = input(g, AYF_OPTIM_EMA_DECAY);
    for (int k = 0; k < options->powers; k++) {
        char name[sizeof AYF_OPTIM_POWER_DECAY + 1];
        snprintf(name, sizeof name, AYF_OPTIM_POWER_DECAY "%c", '1' + k);
        nodes->power_decay[k] = input(g, name);
    }
}

static void emit_average(ayf_graph *g, const char *prefix, const ayf_param *param, ayf_id next_w,
                         ayf_id decay) {
    ayf_id average = state(g, prefix, param);
    ayf_update(g, average, ayf_add(g, next_w, ayf_mul(g, ayf_sub(g, average, next_w), decay)));
}

static ayf_status emit_adam(ayf_graph *g, const ayf_params *params, const ayf_id *grad,
                            const ayf_optim_options *options, ayf_optim_nodes *nodes) {
    double beta1 = options->beta1, beta2 = options->beta2;
    emit_inputs(g, options, nodes);
    if (options->clip > 0 || options->report_norm) nodes->grad_norm = total_norm(g, params, grad);
    ayf_id limit = 0;
    if (options->clip > 0 && nodes->grad_norm) {
        ayf_id most = ayf_const(g, options->clip);
        limit = ayf_div(g, most, ayf_max(g, nodes->grad_norm, most));
    }
    for (int i = 0; i < params->count; i++) {
        const ayf_param *param = &params->at[i];
        if (!grad[i]) continue;
        ayf_id w = ayf_param_leaf(g, param, AYF_STORE_STATE);
        ayf_id m = state(g, AYF_OPTIM_MOMENT_1, param), v = state(g, AYF_OPTIM_MOMENT_2, param);
        ayf_id d = limit ? ayf_mul(g, grad[i], limit) : grad[i];
        ayf_id next_m = ayf_add(g, ayf_mulc(g, m, beta1), ayf_mulc(g, d, 1 - beta1));
        ayf_id next_v = ayf_add(g, ayf_mulc(g, v, beta2), ayf_mulc(g, ayf_square(g, d), 1 - beta2));
        ayf_id scale = ayf_addc(g, ayf_mul(g, ayf_sqrt(g, next_v), nodes->v_scale), options->eps);
        ayf_id next_w = ayf_sub(g, w, ayf_div(g, ayf_mul(g, next_m, nodes->step_size), scale));
        if (param->role == AYF_PARAM_WEIGHT && !options->free_weights)
            next_w = ayf_normalized(g, next_w, sqrt(param->shape.dim[1]));
        ayf_update(g, m, next_m);
        ayf_update(g, v, next_v);
        ayf_update(g, w, next_w);
        if (options->ema) emit_average(g, AYF_OPTIM_EMA, param, next_w, nodes->ema_decay);
        for (int k = 0; k < options->powers; k++)
            emit_average(g, ayf_optim_power(k), param, next_w, nodes->power_decay[k]);
    }
    return ayf_graph_check(g);
}

ayf_status ayf_optim_emit(ayf_graph *g, const ayf_params *params, const ayf_id *grad,
                          const ayf_optim_options *options, ayf_optim_nodes *nodes) {
    if (ayf_graph_check(g) != AYF_OK) return ayf_graph_check(g);
    ayf_id *mean = ayf_alloc(g->ctx, (size_t)params->count, sizeof *mean);
    if (!mean) return g->status = AYF_E_MEMORY;
    for (int i = 0; i < params->count; i++) mean[i] = params->at[i].role == AYF_PARAM_BUFFER ? 0 : grad[i];
    ayf_optim_collect(g, params, options, AYF_OPTIM_SUM, mean);
    for (int i = 0; i < params->count; i++) mean[i] = ayf_optim_mean(g, options, mean[i]);
    ayf_status status = emit_adam(g, params, mean, options, nodes);
    ayf_free(g->ctx, mean);
    return status;
}

void ayf_adam_scalars(double lr, double beta1, double beta2, uint64_t step, float *step_size,
                      float *v_scale) {
    double k = (double)step + 1;
    *step_size = (float)(lr / (1 - pow(beta1, k)));
    *v_scale = (float)(1 / sqrt(1 - pow(beta2, k)));
}

double ayf_lr_at(const ayf_lr_schedule *schedule, uint64_t step) {
    double rate = schedule->base;
    if (schedule->kind == AYF_LR_COSINE) {
        uint64_t begin = schedule->warmup;
        double length = schedule->total > begin ? (double)(schedule->total - begin) : 1;
        double done = step > begin ? fmin((double)(step - begin) / length, 1) : 0;
        rate *= schedule->final + (1 - schedule->final) * 0.5 * (1 + cos(acos(-1.0) * done));
    } else if (schedule->kind == AYF_LR_INVERSE_SQRT && schedule->decay_at > 0) {
        rate /= sqrt(fmax((double)step / (double)schedule->decay_at, 1));
    }
    if (step < schedule->warmup) rate *= (double)(step + 1) / (double)schedule->warmup;
    return rate;
}

double ayf_ema_decay(double decay, uint64_t step) {
    return fmin(decay, (1 + (double)step) / (10 + (double)step));
}

double ayf_ema_power(double gamma, uint64_t step) { return pow(1 - 1 / ((double)step + 1), gamma + 1); }

double ayf_ema_gamma(double width) {
    double low = 0, high = 1e6; /* the width falls with gamma */
    for (int i = 0; i < 200; i++) {
        double gamma = 0.5 * (low + high);
        double at = sqrt((gamma + 1) / ((gamma + 2) * (gamma + 2) * (gamma + 3)));
        if (at > width)
            low = gamma;
        else
            high = gamma;
    }
    return 0.5 * (low + high);
}
