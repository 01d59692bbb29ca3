#include <stdio.h>
#include <string.h>

#include "model/weights.h"
#include "nn/network.h"

static void print_shape(char *text, size_t size, int rank, const int64_t *shape) {
    size_t used = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, i ? ",%lld" : "%lld", (long long)shape[i]);
    if (used < size) snprintf(text + used, size - used, "]");
}

static ayf_status check_tensor(ayf_context *ctx, const ayf_st *st, const ayf_param *param,
                               const char *whose) {
    const ayf_st_tensor *tensor = ayf_st_get(st, param->name);
    if (!tensor) return ayf_last_status(ctx);
    if (ayf_param_fits(param, tensor->rank, tensor->shape)) return AYF_OK;
    char want[96], got[192];
    print_shape(want, sizeof want, param->file_rank, param->file_shape);
    print_shape(got, sizeof got, tensor->rank, tensor->shape);
    return ayf_fail(ctx, AYF_E_FORMAT, "%s: tensor '%s' has the shape %s, but %s needs %s", ayf_st_path(st),
                    param->name, got, whose, want);
}

static ayf_status check_tensors(ayf_context *ctx, const ayf_st *st, const ayf_model_spec *spec,
                                const char *whose) {
    ayf_params *params;
    AYF_TRY(ayf_params_new(ctx, spec, &params));
    ayf_status status = AYF_OK;
    for (int i = 0; status == AYF_OK && i < params->count; i++)
        status = check_tensor(ctx, st, &params->at[i], whose);
    ayf_params_free(params);
    return status;
}

/* The values of a parameter in the graph's layout. */
static ayf_status read_tensor(ayf_context *ctx, const ayf_st *st, const ayf_param *param, float *graph) {
    float *file = ayf_alloc(ctx, param->size, sizeof *file);
    ayf_status status = file ? ayf_st_read_f32(st, param->name, file, param->size) : AYF_E_MEMORY;
    if (status == AYF_OK) {
        size_t index;
        const char *bad = ayf_first_not_finite(file, param->size, &index);
        if (bad)
            status = ayf_fail(ctx, AYF_E_FORMAT, "%s: tensor '%s': value %zu is %s", ayf_st_path(st),
                              param->name, index, bad);
    }
    if (status == AYF_OK && param->init == AYF_INIT_FIR) {
        ayf_param_init(param, 0, graph);
        if (memcmp(file, graph, param->size * sizeof *file) != 0)
            status = ayf_fail(ctx, AYF_E_FORMAT,
                              "%s: tensor '%s' is not the filter [1,3,3,1]; no other is supported",
                              ayf_st_path(st), param->name);
    }
    if (status == AYF_OK) ayf_param_import(param, file, graph);
    ayf_free(ctx, file);
    return status;
}

static ayf_status read_from(const void *from, int index, float *values) {
    const ayf_weights *w = from;
    return read_tensor(w->backend->ctx, w->from, &w->params->at[index], values);
}

/* Every tensor, to be kept or only to be checked. */
static ayf_status read_all(const ayf_weights *w, const ayf_st *st) {
    ayf_context *ctx = w->backend->ctx;
    float *values = ayf_alloc(ctx, ayf_params_largest(w->params), sizeof *values);
    ayf_status status = values ? AYF_OK : AYF_E_MEMORY;
    for (int i = 0; status == AYF_OK && i < w->params->count; i++) {
        status = read_tensor(ctx, st, &w->params->at[i], values);
        if (status == AYF_OK && !w->from) status = ayf_buffer_set(w->at[i], values);
    }
    ayf_free(ctx, values);
    return status;
}

ayf_status ayf_weights_read(ayf_backend *backend, ayf_st *st, const ayf_model_spec *spec, const char *whose,
                            ayf_weights **out) {
    *out = NULL;
    AYF_TRY(check_tensors(backend->ctx, st, spec, whose));
    AYF_TRY(ayf_st_reads_anew(st) ? ayf_weights_new_read(backend, spec, st, read_from, out)
                                  : ayf_weights_new(backend, spec, out));
    ayf_status status = read_all(*out, st);
    if (status == AYF_OK) return AYF_OK;
    ayf_weights_free(*out);
    *out = NULL;
    return status;
}
