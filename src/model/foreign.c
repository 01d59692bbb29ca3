#include "model/foreign.h"

#include <stdio.h>
#include <string.h>

ayf_status ayf_foreign_check_origin(const ayf_foreign *file) {
    const char *format = ayf_st_meta(file->st, "format"), *producer = ayf_st_meta(file->st, "producer");
    if (format && strcmp(format, AYF_MODEL_FORMAT) == 0)
        return ayf_fail(file->ctx, AYF_E_FORMAT, "%s is a model of ayf already; use it as it is",
                        ayf_st_path(file->st));
    if (producer && strncmp(producer, "ayf ", 4) == 0)
        return ayf_fail(file->ctx, AYF_E_FORMAT,
                        "%s was written by ayf export for other programs; use the model that it was made of",
                        ayf_st_path(file->st));
    return AYF_OK;
}

bool ayf_foreign_find_prefix(ayf_foreign *file, const char *last) {
    size_t end = strlen(last);
    for (size_t i = 0; i < ayf_st_count(file->st); i++) {
        const char *name = ayf_st_at(file->st, i)->name;
        size_t length = strlen(name), own = length - end;
        if (length < end || strcmp(name + own, last) != 0 || own >= sizeof file->prefix) continue;
        snprintf(file->prefix, sizeof file->prefix, "%.*s", (int)own, name);
        return true;
    }
    return false;
}

const ayf_st_tensor *ayf_foreign_find(const ayf_foreign *file, int rank, const char *name) {
    char full[AYF_FOREIGN_NAME + 16];
    snprintf(full, sizeof full, "%s%s", file->prefix, name);
    const ayf_st_tensor *tensor = ayf_st_find(file->st, full);
    return tensor && tensor->rank == rank ? tensor : NULL;
}

int ayf_foreign_size(const ayf_st_tensor *tensor, int axis) {
    return tensor && tensor->shape[axis] > 0 && tensor->shape[axis] <= 1 << 20 ? (int)tensor->shape[axis] : 0;
}

static bool fits(const ayf_param *param, const ayf_st_tensor *tensor) {
    int rank = tensor->rank;
    while (param->file_rank > 0 && rank > param->file_rank && tensor->shape[rank - 1] == 1) rank--;
    return ayf_param_fits(param, rank, tensor->shape);
}

static ayf_status check_tensor(const ayf_foreign *file, const ayf_param *param) {
    char name[AYF_FOREIGN_NAME], want[96] = "[", got[192] = "[";
    file->name(file, param, name);
    const ayf_st_tensor *tensor = ayf_st_get(file->st, name);
    if (!tensor) return ayf_last_status(file->ctx);
    if (tensor->dtype == AYF_ST_I64 || tensor->dtype == AYF_ST_U8)
        return ayf_fail(file->ctx, AYF_E_FORMAT, "%s: tensor '%s' is of type %s; use F16, BF16, F32 or F64",
                        ayf_st_path(file->st), name, ayf_st_dtype_name(tensor->dtype));
    if (fits(param, tensor)) return ayf_st_check_finite(file->st, name);
    for (int i = 0; i < param->file_rank; i++)
        snprintf(want + strlen(want), sizeof want - strlen(want), i ? ",%lld" : "%lld",
                 (long long)param->file_shape[i]);
    for (int i = 0; i < tensor->rank; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), i ? ",%lld" : "%lld",
                 (long long)tensor->shape[i]);
    return ayf_fail(file->ctx, AYF_E_FORMAT,
                    "%s: tensor '%s' has the shape %s], but the network of the other tensors needs %s]",
                    ayf_st_path(file->st), name, got, want);
}

ayf_status ayf_foreign_check(const ayf_foreign *file, const ayf_params *params) {
    for (int i = 0; i < params->count; i++) AYF_TRY(check_tensor(file, &params->at[i]));
    return AYF_OK;
}

ayf_status ayf_foreign_write(const ayf_foreign *file, const ayf_params *params, const ayf_model_card *card,
                             const char *out) {
    ayf_st_writer *writer;
    AYF_TRY(ayf_st_write_begin(file->ctx, &writer));
    ayf_status status = ayf_model_card_put(file->ctx, writer, AYF_MODEL_FORMAT, &params->spec, card);
    for (int i = 0; status == AYF_OK && i < params->count; i++) {
        const ayf_param *param = &params->at[i];
        char name[AYF_FOREIGN_NAME];
        file->name(file, param, name);
        const ayf_st_tensor *tensor = ayf_st_find(file->st, name);
        status = ayf_st_write_tensor(writer, param->name, tensor->dtype, param->file_rank, param->file_shape,
                                     tensor->data);
    }
    if (status == AYF_OK) return ayf_st_write_end(writer, out);
    ayf_st_write_cancel(writer);
    return status;
}
