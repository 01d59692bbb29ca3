#include "backend/open.h"

#include <stdio.h>
#include <string.h>

#include "backend/cpu/cpu.h"
#include "backend/cuda/cuda.h"
#include "backend/ref/ref.h"
#include "exec/program.h"

/* The first one is the default. */
static const struct {
    const char *name, *numbered;
    ayf_status (*open)(ayf_context *, ayf_backend **);
    void (*look)(ayf_context *, ayf_print_fn *, void *user); /* NULL: there is nothing to look for */
} devices[] = {
    {"cpu", NULL, ayf_cpu_open, NULL},
    {"cuda", "cuda:N", ayf_cuda_open, ayf_cuda_look},
    {"ref", NULL, ayf_ref_open, NULL},
};

static bool is_named(const char *device, size_t i) {
    size_t length = strlen(devices[i].name);
    bool ends = device[length] == 0 || (devices[i].numbered && device[length] == ':');
    return strncmp(device, devices[i].name, length) == 0 && ends;
}

static ayf_status unknown(ayf_context *ctx) {
    char names[256] = "";
    int used = 0;
    for (size_t i = 0; i < AYF_COUNT(devices); i++) {
        const char *numbered = devices[i].numbered;
        used += snprintf(names + used, sizeof names - (size_t)used, "%s%s%s%s", i ? ", " : "",
                         devices[i].name, numbered ? ", " : "", numbered ? numbered : "");
    }
    return ayf_fail(ctx, AYF_E_USAGE, "there is no device '%s': the devices are %s", ctx->device, names);
}

static void close_backend(void *backend) { ayf_backend_close(backend); }

ayf_status ayf_backend_open(ayf_context *ctx, ayf_backend **out) {
    size_t i = 0;
    *out = ctx->backend;
    if (*out) return AYF_OK;
    while (ctx->device && i < AYF_COUNT(devices) && !is_named(ctx->device, i)) i++;
    if (i == AYF_COUNT(devices)) return unknown(ctx);
    AYF_TRY(devices[i].open(ctx, out));
    ctx->backend = *out;
    ctx->close_backend = close_backend;
    return AYF_OK;
}

ayf_status ayf_backend_choose(ayf_context *ctx, const char *device) {
    if (ctx->device || ctx->backend || !device || !*device) return AYF_OK;
    ctx->device = ayf_strdup(ctx, device);
    return ctx->device ? AYF_OK : AYF_E_MEMORY;
}

void ayf_backend_name(const ayf_backend *backend, char text[AYF_DEVICE_SIZE], int *threads) {
    const char *sets = "";
    *threads = 1;
    if (backend->ops->uses) backend->ops->uses(backend, &sets, threads);
    snprintf(text, AYF_DEVICE_SIZE, "%s%s%s", backend->ops->name, *sets ? " " : "", sets);
}

static ayf_status tell(ayf_backend *backend, ayf_print_fn *print, void *user) {
    const char *sets = "plain loops in double precision, by which the others are judged";
    char line[320], number[32] = "";
    int threads = 0;
    if (backend->ops->tell) return backend->ops->tell(backend, print, user);
    if (backend->ops->uses) backend->ops->uses(backend, &sets, &threads);
    if (threads) snprintf(number, sizeof number, ", %d thread%s", threads, threads == 1 ? "" : "s");
    snprintf(line, sizeof line, "%-10s %s%s", backend->ops->name, sets, number);
    print(user, line);
    return AYF_OK;
}

ayf_status ayf_backend_tell_all(ayf_context *ctx, ayf_print_fn *print, void *user) {
    char *chosen = ctx->device;
    ayf_status status = AYF_OK;
    for (size_t i = 0; i < AYF_COUNT(devices) && status != AYF_E_MEMORY; i++) {
        ayf_backend *backend = NULL;
        char line[AYF_MESSAGE_SIZE + 16];
        ctx->device = (char *)(uintptr_t)devices[i].name;
        status = devices[i].open(ctx, &backend);
        if (status == AYF_OK) status = tell(backend, print, user);
        ayf_backend_close(backend);
        if (status == AYF_OK || status == AYF_E_MEMORY) continue;
        snprintf(line, sizeof line, "%-10s not here: %s", devices[i].name, ayf_error(ctx));
        print(user, line);
        if (devices[i].look) devices[i].look(ctx, print, user);
    }
    ctx->device = chosen;
    return status == AYF_E_MEMORY ? status : AYF_OK;
}
