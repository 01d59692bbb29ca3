#include "backend/open.h"

#include <stdio.h>
#include <string.h>

#include "backend/cpu/cpu.h"
#include "backend/ref/ref.h"
#include "exec/program.h"

/* The first one is the default. */
static const struct {
    const char *name;
    ayf_status (*open)(ayf_context *, ayf_backend **);
} devices[] = {
    {"cpu", ayf_cpu_open},
    {"ref", ayf_ref_open},
};

static ayf_status unknown(ayf_context *ctx) {
    char names[256] = "";
    int used = 0;
    for (size_t i = 0; i < AYF_COUNT(devices); i++)
        used += snprintf(names + used, sizeof names - (size_t)used, "%s%s", i ? ", " : "", devices[i].name);
    return ayf_fail(ctx, AYF_E_USAGE, "there is no device '%s': the devices are %s", ctx->device, names);
}

static void close_backend(void *backend) { ayf_backend_close(backend); }

ayf_status ayf_backend_open(ayf_context *ctx, ayf_backend **out) {
    size_t i = 0;
    *out = ctx->backend;
    if (*out) return AYF_OK;
    while (ctx->device && i < AYF_COUNT(devices) && strcmp(devices[i].name, ctx->device) != 0) i++;
    if (i == AYF_COUNT(devices)) return unknown(ctx);
    AYF_TRY(devices[i].open(ctx, out));
    ctx->backend = *out;
    ctx->close_backend = close_backend;
    return AYF_OK;
}
