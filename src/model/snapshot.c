#include "model/snapshot.h"

#include <stdio.h>
#include <string.h>

#include "nn/optim.h"

#define WIDTHS "widths"

static const ayf_field_row widths_row = {
    .name = WIDTHS, .type = AYF_FIELD_REALS, .text = "[]", .low = 1e-6, .high = 0.28, .help = ""};

enum { NAME_SIZE = sizeof(((ayf_param *)0)->name) + 16 };

static void name_tensor(int k, const ayf_param *param, char name[NAME_SIZE]) {
    snprintf(name, NAME_SIZE, "%s%s", ayf_optim_power(k), param->name);
}

/* ---- Writing ---- */

ayf_status ayf_snapshot_write(const char *path, ayf_weights *const *averages, const ayf_reals *widths,
                              const ayf_model_card *card) {
    ayf_context *ctx = averages[0]->backend->ctx;
    ayf_weights_out out[AYF_LIST_MAX];
    char text[AYF_FIELD_SIZE];
    ayf_st_writer *writer;
    AYF_TRY(ayf_st_write_begin(ctx, &writer));
    ayf_field_print(&widths_row, widths, AYF_FIELD_PLAIN, text, sizeof text);
    float *room = ayf_alloc(ctx, ayf_params_largest(averages[0]->params), sizeof *room);
    ayf_status status = room ? AYF_OK : AYF_E_MEMORY;
    if (status == AYF_OK)
        status = ayf_model_card_put(ctx, writer, AYF_SNAPSHOT_FORMAT, &averages[0]->spec, card);
    if (status == AYF_OK) status = ayf_st_write_meta(writer, WIDTHS, text);
    for (int k = 0; status == AYF_OK && k < widths->count; k++) {
        out[k] = (ayf_weights_out){averages[k], path, room};
        status = ayf_weights_put(writer, &out[k], ayf_optim_power(k));
    }
    if (status == AYF_OK)
        status = ayf_st_write_end(writer, path);
    else
        ayf_st_write_cancel(writer);
    ayf_free(ctx, room);
    return status;
}

/* ---- Reading ---- */

static ayf_status read_widths(ayf_context *ctx, const ayf_st *st, ayf_reals *widths) {
    const char *format = ayf_st_meta(st, "format"), *text = ayf_st_meta(st, WIDTHS);
    if (!format || strcmp(format, AYF_SNAPSHOT_FORMAT) != 0 || !text)
        return ayf_fail(ctx, AYF_E_FORMAT,
                        "%s: is not a snapshot of averages (format '" AYF_SNAPSHOT_FORMAT "')",
                        ayf_st_path(st));
    if (ayf_field_set(ctx, &widths_row, text, widths) == AYF_OK) return AYF_OK;
    ayf_fail_prefix(ctx, "%s: metadata: ", ayf_st_path(st));
    return ctx->status = AYF_E_FORMAT;
}

ayf_status ayf_snapshot_read_card(ayf_context *ctx, const char *path, ayf_reals *widths, ayf_model_spec *spec,
                                  ayf_model_card *card) {
    ayf_st *st;
    memset(card, 0, sizeof *card);
    AYF_TRY(ayf_st_open_header(ctx, path, &st));
    ayf_status status = read_widths(ctx, st, widths);
    if (status == AYF_OK) status = ayf_model_card_beside(ctx, st, WIDTHS, spec, card);
    ayf_st_close(st);
    return status;
}

static ayf_status add_average(ayf_context *ctx, const ayf_st *st, int k, const ayf_params *params,
                              double factor, float *values, double *sum) {
    for (int i = 0; i < params->count; sum += params->at[i++].size) {
        const ayf_param *param = &params->at[i];
        char name[NAME_SIZE];
        name_tensor(k, param, name);
        const ayf_st_tensor *tensor = ayf_st_find(st, name);
        if (!tensor || !ayf_param_fits(param, tensor->rank, tensor->shape))
            return ayf_fail(ctx, AYF_E_FORMAT,
                            "%s: does not hold '%s' as the network of the newest snapshot has it",
                            ayf_st_path(st), name);
        AYF_TRY(ayf_st_read_finite(st, name, values, param->size));
        if (factor == 0) continue;
        if (param->role == AYF_PARAM_BUFFER) {
            for (size_t j = 0; j < param->size; j++) sum[j] = (double)values[j];
            continue;
        }
        for (size_t j = 0; j < param->size; j++) sum[j] += factor * (double)values[j];
    }
    return AYF_OK;
}

ayf_status ayf_snapshot_add(ayf_context *ctx, const char *path, const ayf_params *params,
                            const double *factors, int widths, double *sum) {
    ayf_st *st;
    AYF_TRY(ayf_st_open_values(ctx, path, &st));
    float *values = ayf_alloc(ctx, ayf_params_largest(params), sizeof *values);
    ayf_status status = values ? AYF_OK : AYF_E_MEMORY;
    for (int k = 0; status == AYF_OK && k < widths; k++)
        status = add_average(ctx, st, k, params, factors[k], values, sum);
    ayf_free(ctx, values);
    ayf_st_close(st);
    return status;
}
