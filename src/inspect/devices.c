#include "backend/open.h"

ayf_status ayf_device(ayf_context *ctx, char text[AYF_DEVICE_SIZE]) {
    ayf_backend *backend;
    int threads;
    AYF_TRY(ayf_backend_open(ctx, &backend));
    ayf_backend_name(backend, text, &threads);
    return AYF_OK;
}

ayf_status ayf_devices(ayf_context *ctx, ayf_print_fn *print, void *user) {
    return ayf_backend_tell_all(ctx, print, user);
}
