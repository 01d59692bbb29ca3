/* The choice of a backend: the only place that knows which backends there are. */
#ifndef AYF_BACKEND_OPEN_H
#define AYF_BACKEND_OPEN_H

#include "exec/backend.h"

/* The backend of a context, which ayf_options.device names. It is opened by the first call and shared by everything made
 * with the context; ayf_close() closes it, nobody else does. A failure is not remembered: the next call tries again.
 * AYF_E_USAGE: there is no such device, or it cannot have the context's number of threads. */
ayf_status ayf_backend_open(ayf_context *ctx, ayf_backend **out);

#endif
