/* Configuration keys one by one. */
#include <string.h>

#include "config/table.h"
#include "train/kind.h"

static bool is_unused(const ayf_run_type *type, const char *name) {
    for (const ayf_unused_key *key = type->unused; key->name; key++) {
        size_t size = strlen(key->name);
        if (strncmp(key->name, name, size) == 0 && (key->name[size - 1] == '.' || !name[size])) return true;
    }
    return false;
}

static unsigned runs_of(const char *name) {
    static const ayf_run_type *const types[] = {
#define ROW(kind, type) [AYF_RUN_##kind] = &type,
        AYF_RUN_TYPES(ROW)
#undef ROW
    };
    unsigned runs = 0;
    for (size_t i = 0; i < AYF_COUNT(types); i++)
        if (!is_unused(types[i], name)) runs |= 1u << i;
    return runs;
}

ayf_status ayf_config_keys(ayf_context *ctx, ayf_config_key_fn *take, void *user) {
    ayf_config defaults;
    AYF_TRY(ayf_config_defaults(ctx, &defaults));
    ayf_status status = AYF_OK;
    for (int i = 0; i < ayf_config_rows() && status == AYF_OK; i++) {
        const ayf_field_row *row = ayf_config_row(i);
        char values[AYF_FIELD_SIZE], *value = ayf_config_value(ctx, &defaults, i);
        ayf_field_values(row, values, sizeof values);
        ayf_config_key key = {.name = row->name,
                              .about = ayf_config_about(row),
                              .value = value,
                              .values = values,
                              .help = row->help,
                              .runs = runs_of(row->name)};
        if (value)
            take(user, &key);
        else
            status = AYF_E_MEMORY;
        ayf_free(ctx, value);
    }
    ayf_config_free(ctx, &defaults);
    return status;
}
