/* The choice of a backend: the only place that knows which backends there are. */
#ifndef AYF_BACKEND_OPEN_H
#define AYF_BACKEND_OPEN_H

#include "exec/backend.h"

/* The backend that ayf_options.device names. The first call opens it, and everything made with the context
 * shares it. The context owns it: ayf_close() closes it, and nobody else does. After a failure *out is NULL,
 * and the next call tries again. AYF_E_USAGE: the device is unknown, or the number of threads is out of
 * range. */
ayf_status ayf_backend_open(ayf_context *ctx, ayf_backend **out);

/* Gives a context that has no device, and has not computed yet, the one that a configuration names. NULL or "": none. */
ayf_status ayf_backend_choose(ayf_context *ctx, const char *device);

/* What computes, in one line: "cpu avx512bf16", "cuda NVIDIA H100, driver 13.0, ..."; *threads is their number. */
void ayf_backend_name(const ayf_backend *backend, char text[AYF_DEVICE_SIZE], int *threads);

/* Every device and what there is to say of it. What is missing for one is no failure. */
ayf_status ayf_backend_tell_all(ayf_context *ctx, ayf_print_fn *print, void *user);

#endif
