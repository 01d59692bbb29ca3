/* The weights for PyTorch: EDM2's names and layouts. The prefix "unet." is left out, so that a module of the
 * network takes the tensors as its state_dict. */
#include <stdio.h>
#include <string.h>

#include "export/export.h"
#include "base/number.h"

/* One tensor in file layout, rounded to the type that is asked for. */
static ayf_status tensor(const ayf_export_plan *plan, int at, void **out) {
    const ayf_weights *w = plan->model->weights;
    ayf_context *ctx = plan->model->ctx;
    const ayf_param *param = &w->params->at[at];
    float *graph = ayf_alloc(ctx, param->size, sizeof *graph),
          *file = ayf_alloc(ctx, param->size, sizeof *file);
    uint16_t *narrow = NULL;
    ayf_status status = graph && file ? ayf_buffer_get(w->at[at], graph) : AYF_E_MEMORY;
    if (status == AYF_OK) ayf_param_export(param, graph, file);
    if (status == AYF_OK && plan->options.dtype != AYF_EXPORT_F32) {
        narrow = ayf_alloc(ctx, param->size, sizeof *narrow);
        status = narrow ? ayf_narrow(ctx, plan->options.dtype, param->name, file, param->size, narrow)
                        : AYF_E_MEMORY;
        ayf_free(ctx, file);
        file = NULL;
    }
    ayf_free(ctx, graph);
    *out = narrow ? (void *)narrow : (void *)file;
    return status;
}

static ayf_status write_meta(const ayf_export_plan *plan, ayf_st_writer *writer) {
    const ayf_model *model = plan->model;
    const ayf_model_spec *spec = &model->weights->spec;
    char key[64], text[AYF_FIELD_SIZE];
    AYF_TRY(ayf_st_write_meta(writer, "format", "pt"));
    AYF_TRY(ayf_st_write_meta(writer, "producer", "ayf " AYF_VERSION));
    AYF_TRY(ayf_st_write_meta(writer, "role", ayf_model_role_name(model->card.role)));
    AYF_TRY(ayf_st_write_meta(writer, "dtype", ayf_export_dtype_name(plan->options.dtype)));
    snprintf(text, sizeof text, "%llu", (unsigned long long)model->card.step);
    AYF_TRY(ayf_st_write_meta(writer, "step", text));
    ayf_print_real(text, model->card.sigma_data);
    AYF_TRY(ayf_st_write_meta(writer, "sigma_data", text));
    for (size_t i = 0; i < ayf_model_spec_keys(); i++) {
        if (!ayf_model_spec_has(spec, i)) continue;
        snprintf(key, sizeof key, "model.%s", ayf_model_spec_key(i));
        ayf_model_spec_get(spec, i, text, sizeof text);
        AYF_TRY(ayf_st_write_meta(writer, key, text));
    }
    return AYF_OK;
}

static const char *name_of(const ayf_param *param) {
    static const char prefix[] = "unet.";
    size_t size = sizeof prefix - 1;
    return strncmp(param->name, prefix, size) == 0 ? param->name + size : param->name;
}

ayf_status ayf_export_safetensors(const ayf_export_plan *plan) {
    ayf_context *ctx = plan->model->ctx;
    const ayf_params *params = plan->model->weights->params;
    ayf_st_writer *writer;
    void **values = ayf_alloc(ctx, (size_t)params->count, sizeof *values);
    ayf_status status = values ? ayf_st_write_begin(ctx, &writer) : AYF_E_MEMORY;
    if (status != AYF_OK) {
        ayf_free(ctx, values);
        return status;
    }
    status = write_meta(plan, writer);
    for (int i = 0; status == AYF_OK && i < params->count; i++) {
        const ayf_param *param = &params->at[i];
        status = tensor(plan, i, &values[i]);
        if (status == AYF_OK)
            status = ayf_st_write_tensor(writer, name_of(param), ayf_export_st_dtype(plan->options.dtype),
                                         param->file_rank, param->file_shape, values[i]);
    }
    if (status == AYF_OK)
        status = ayf_st_write_end(writer, plan->path);
    else
        ayf_st_write_cancel(writer);
    for (int i = 0; i < params->count; i++) ayf_free(ctx, values[i]);
    ayf_free(ctx, values);
    return status;
}
