#include "model/weights.h"

#include <stdio.h>

#include "nn/network.h"

uint64_t ayf_weights_bytes(const ayf_weights *w) {
    uint64_t elements = 0;
    for (int i = 0; w && i < w->params->count; i++) elements += w->params->at[i].size;
    return w ? elements * w->backend->ops->element_size[AYF_F32] : 0;
}

ayf_status ayf_weights_check_memory(const ayf_weights *w, int copies) {
    char what[96], size[AYF_BYTES_SIZE];
    uint64_t bytes = ayf_weights_bytes(w);
    snprintf(what, sizeof what, "a network's values, %d x %s", copies, ayf_bytes_text((double)bytes, size));
    return ayf_backend_check_memory(w->backend, bytes * (uint64_t)copies, what,
                                    "use a smaller network or free some memory");
}

void ayf_weights_free(ayf_weights *w) {
    if (!w) return;
    ayf_context *ctx = w->backend->ctx;
    for (int i = 0; w->at && i < w->params->count; i++) ayf_buffer_free(w->at[i]);
    ayf_free(ctx, w->at);
    ayf_st_close(w->from);
    ayf_params_free(w->params);
    ayf_free(ctx, w);
}

/* Hands the weights out, or frees them. */
static ayf_status finish(ayf_weights *w, ayf_status status, ayf_weights **out) {
    *out = status == AYF_OK ? w : NULL;
    if (status != AYF_OK) ayf_weights_free(w);
    return status;
}

/* Without buffers. */
static ayf_status new_weights(ayf_backend *backend, const ayf_model_spec *spec, ayf_weights **out) {
    ayf_context *ctx = backend->ctx;
    *out = NULL;
    ayf_weights *w = ayf_alloc(ctx, 1, sizeof *w);
    if (!w) return AYF_E_MEMORY;
    w->backend = backend;
    w->spec = *spec;
    ayf_status status = ayf_params_new(ctx, spec, &w->params);
    if (status == AYF_OK) {
        w->at = ayf_alloc(ctx, (size_t)w->params->count, sizeof *w->at);
        status = w->at ? AYF_OK : AYF_E_MEMORY;
    }
    return finish(w, status, out);
}

ayf_status ayf_weights_new(ayf_backend *backend, const ayf_model_spec *spec, ayf_weights **out) {
    ayf_weights *w;
    AYF_TRY(new_weights(backend, spec, out));
    w = *out;
    ayf_status status = ayf_weights_check_memory(w, 1);
    for (int i = 0; status == AYF_OK && i < w->params->count; i++)
        status = ayf_buffer_new(backend, w->params->at[i].size, &w->at[i]);
    return finish(w, status, out);
}

ayf_status ayf_weights_new_read(ayf_backend *backend, const ayf_model_spec *spec, ayf_st *from,
                                ayf_buffer_read *read, ayf_weights **out) {
    ayf_weights *w;
    AYF_TRY(new_weights(backend, spec, out));
    w = *out;
    w->from = ayf_st_share(from);
    ayf_status status = AYF_OK;
    for (int i = 0; status == AYF_OK && i < w->params->count; i++)
        status = ayf_buffer_new_read(backend, w->params->at[i].size, read, w, i, &w->at[i]);
    return finish(w, status, out);
}

ayf_status ayf_weights_init(ayf_weights *w, uint64_t seed) {
    ayf_context *ctx = w->backend->ctx;
    for (int i = 0; i < w->params->count; i++) {
        float *values = ayf_alloc(ctx, w->params->at[i].size, sizeof *values);
        if (!values) return AYF_E_MEMORY;
        ayf_param_init(&w->params->at[i], seed, values);
        ayf_status status = ayf_buffer_set(w->at[i], values);
        ayf_free(ctx, values);
        AYF_TRY(status);
    }
    return AYF_OK;
}

ayf_status ayf_weights_copy(ayf_weights *to, const ayf_weights *from) {
    for (int i = 0; i < to->params->count; i++) {
        const ayf_param *param = &to->params->at[i], *source = ayf_params_find(from->params, param->name);
        if (source && ayf_param_fits(param, source->file_rank, source->file_shape))
            AYF_TRY(ayf_buffer_copy(to->at[i], from->at[source - from->params->at]));
    }
    return AYF_OK;
}

ayf_status ayf_weights_hash(const ayf_weights *w, uint64_t *hash) {
    ayf_context *ctx = w->backend->ctx;
    for (int i = 0; i < w->params->count; i++) {
        size_t count = w->params->at[i].size;
        float *values = ayf_alloc(ctx, count, sizeof *values);
        if (!values) return AYF_E_MEMORY;
        ayf_status status = ayf_buffer_get(w->at[i], values);
        if (status == AYF_OK) *hash = ayf_hash(*hash, values, count * sizeof *values);
        ayf_free(ctx, values);
        AYF_TRY(status);
    }
    return AYF_OK;
}

ayf_status ayf_weights_bind(const ayf_weights *w, ayf_program *program, const char *scope) {
    for (int i = 0; i < w->params->count; i++) {
        char name[sizeof w->params->at[i].name + 64];
        snprintf(name, sizeof name, "%s%s", scope, w->params->at[i].name);
        if (ayf_program_has_leaf(program, name)) AYF_TRY(ayf_program_bind(program, name, w->at[i]));
    }
    return AYF_OK;
}
