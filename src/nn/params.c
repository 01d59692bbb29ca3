#include "nn/params.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"

static const double two_pi = 6.283185307179586;

/* ---- Building the table ---- */

ayf_param *ayf_params_add(ayf_params *p, ayf_param_role role, const char *name, int rank,
                          const int *file_shape) {
    if (ayf_reserve(p->ctx, &p->at, (size_t)p->count, &p->capacity, sizeof *p->at) != AYF_OK) return NULL;
    ayf_param *w = &p->at[p->count++];
    snprintf(w->name, sizeof w->name, "%s", name);
    w->role = role;
    w->file_rank = rank;
    w->shape.rank = rank;
    w->size = 1;
    if (rank == 0) w->shape = AYF_SHAPE(1);
    for (int i = 0; i < rank; i++) {
        w->file_shape[i] = w->shape.dim[i] = file_shape[i];
        w->size *= (size_t)file_shape[i];
    }
    return w;
}

ayf_param *ayf_params_add_matrix(ayf_params *p, ayf_param_role role, const char *name, int out, int in,
                                 double scale) {
    ayf_param *w = ayf_params_add(p, role, name, in ? 2 : 1, (const int[]){out, in});
    if (!w) return NULL;
    w->init = scale > 0 ? AYF_INIT_NORMAL : AYF_INIT_ZERO;
    w->scale = scale;
    return w;
}

ayf_param *ayf_params_add_conv(ayf_params *p, ayf_param_role role, const char *name, int out, int in,
                               int kernel, double scale) {
    ayf_param *w = ayf_params_add(p, role, name, 4, (const int[]){out, in, kernel, kernel});
    if (!w) return NULL;
    w->init = AYF_INIT_NORMAL;
    w->scale = scale;
    w->layout = kernel > 1 ? AYF_LAYOUT_CONV : AYF_LAYOUT_SAME;
    w->window = kernel * kernel;
    w->shape = AYF_SHAPE(out, kernel * kernel * in);
    return w;
}

bool ayf_params_add_fourier(ayf_params *p, const char *prefix, int count, double bandwidth) {
    char name[sizeof p->at->name];
    snprintf(name, sizeof name, "%s.freqs", prefix);
    ayf_param *freqs = ayf_params_add(p, AYF_PARAM_BUFFER, name, 1, &count);
    if (!freqs) return false;
    freqs->init = AYF_INIT_NORMAL;
    freqs->scale = two_pi * bandwidth;
    snprintf(name, sizeof name, "%s.phases", prefix);
    ayf_param *phases = ayf_params_add(p, AYF_PARAM_BUFFER, name, 1, &count);
    if (!phases) return false;
    phases->init = AYF_INIT_PHASE;
    return true;
}

void ayf_params_free(ayf_params *params) {
    if (!params) return;
    ayf_free(params->ctx, params->at);
    ayf_free(params->ctx, params);
}

/* ---- Using it ---- */

const ayf_param *ayf_params_find(const ayf_params *params, const char *name) {
    for (int i = 0; i < params->count; i++)
        if (strcmp(params->at[i].name, name) == 0) return &params->at[i];
    return NULL;
}

bool ayf_param_fits(const ayf_param *param, int rank, const int64_t *shape) {
    if (param->file_rank == 0 && rank == 1) return shape[0] == 1;
    bool same = rank == param->file_rank;
    for (int i = 0; same && i < rank; i++) same = shape[i] == param->file_shape[i];
    return same;
}

size_t ayf_params_trained(const ayf_params *params) {
    size_t total = 0;
    for (int i = 0; i < params->count; i++)
        if (params->at[i].role != AYF_PARAM_BUFFER) total += params->at[i].size;
    return total;
}

size_t ayf_params_largest(const ayf_params *params) {
    size_t most = 1;
    for (int i = 0; i < params->count; i++) most = params->at[i].size > most ? params->at[i].size : most;
    return most;
}

ayf_id ayf_param_leaf(ayf_graph *g, const ayf_param *param, ayf_storage storage) {
    return ayf_leaf(g, param->role == AYF_PARAM_BUFFER ? AYF_STORE_PARAM : storage, param->name,
                    param->shape);
}

static const double fir[] = {1, 3, 3, 1};

/* Every row to unit RMS, w / (1e-4 + ||w||/sqrt(n)) (arXiv 2312.02696, Eq. 66); other roles stay as they are.
 */
static void normalise(const ayf_param *param, float *graph) {
    if (param->role != AYF_PARAM_WEIGHT) return;
    size_t columns = (size_t)param->shape.dim[1];
    for (float *row = graph; row < graph + param->size; row += columns) {
        double sum = 0;
        for (size_t i = 0; i < columns; i++) sum += (double)row[i] * row[i];
        double factor = 1 / (1e-4 + sqrt(sum / (double)columns));
        for (size_t i = 0; i < columns; i++) row[i] = (float)(row[i] * factor);
    }
}

void ayf_param_init(const ayf_param *param, uint64_t seed, float *out) {
    ayf_rng_key key = {seed, AYF_RNG_INIT, ayf_hash(AYF_HASH_START, param->name, strlen(param->name)), 0};
    double scale = param->scale;
    if (param->init == AYF_INIT_ZERO) {
        memset(out, 0, param->size * sizeof *out);
        return;
    }
    if (param->init == AYF_INIT_FIR) {
        for (size_t i = 0; i < param->size; i++) out[i] = (float)(fir[i / 4] * fir[i % 4] / 64);
        return;
    }
    if (param->init == AYF_INIT_NORMAL) {
        ayf_rng_normal(key, out, param->size);
    } else {
        ayf_rng_uniform(key, out, param->size);
        scale = two_pi;
    }
    for (size_t i = 0; i < param->size; i++) out[i] = (float)(out[i] * scale);
    normalise(param, out);
}

/* For each element in the graph's order, where it is in the file. */
static size_t file_index(const ayf_param *w, size_t i) {
    size_t columns = (size_t)w->shape.dim[w->shape.rank - 1], row = i / columns, column = i % columns;
    if (w->layout == AYF_LAYOUT_CONV || w->layout == AYF_LAYOUT_FLAT) {
        size_t window = (size_t)w->window, in = columns / window;
        size_t tap = column / in, channel = column % in;
        return (row * in + channel) * window + tap;
    }
    if (w->layout == AYF_LAYOUT_QKV) {
        size_t third = (size_t)w->shape.dim[0] / 3, which = row / third, channel = row % third;
        return (channel * 3 + which) * columns + column;
    }
    return i;
}

void ayf_param_import(const ayf_param *param, const float *file, float *graph) {
    for (size_t i = 0; i < param->size; i++) graph[i] = file[file_index(param, i)];
}

void ayf_param_export(const ayf_param *param, const float *graph, float *file) {
    for (size_t i = 0; i < param->size; i++) file[file_index(param, i)] = graph[i];
}
