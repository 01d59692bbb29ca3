#include "backend/open.h"

#include <stdio.h>
#include <string.h>

#include "backend/cpu/cpu.h"
#include "backend/cuda/cuda.h"
#include "backend/ref/ref.h"
#include "exec/program.h"

/* The first one is the default. */
static const struct {
    const char *name;
    ayf_status (*open)(ayf_context *, ayf_backend **);
} devices[] = {
    {"cpu", ayf_cpu_open},
    {"cuda", ayf_cuda_open},
    {"ref", ayf_ref_open},
};

/* "cuda:1" is a cuda; the others have no numbers. */
static bool is_named(const char *device, const char *name) {
    size_t length = strlen(name);
    bool numbered = strcmp(name, "cuda") == 0 && device[length] == ':';
    return strncmp(device, name, length) == 0 && (device[length] == 0 || numbered);
}

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
    while (ctx->device && i < AYF_COUNT(devices) && !is_named(ctx->device, devices[i].name)) i++;
    if (i == AYF_COUNT(devices)) return unknown(ctx);
    AYF_TRY(devices[i].open(ctx, out));
    ctx->backend = *out;
    ctx->close_backend = close_backend;
    return AYF_OK;
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
    }
    ctx->device = chosen;
    return status == AYF_E_MEMORY ? status : AYF_OK;
}
