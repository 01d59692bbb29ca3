/* Makes an open backend fail where a test wants it. The table of the backend is replaced, so kernels, memory and
 * programs that are there already are concerned too:
 *
 *     faulty_begin(backend);
 *     faulty.fail_launch = faulty.launches + 3;   // the third launch from here fails
 *     ...
 *     faulty_end(backend);                        // before the backend is closed
 *
 * A launch that fails writes nothing and shows in sync, as on a device that works behind the caller's back; the launches
 * after it are made. One backend at a time. */
#ifndef AYF_TEST_FAULTY_H
#define AYF_TEST_FAULTY_H

#include "exec/backend.h"

static struct {
    const ayf_backend_ops *real;
    ayf_backend_ops ops;
    long launches, fail_launch; /* calls so far; the call that fails, counted from 1, 0 = none */
    ayf_status pending;
} faulty;

static void faulty_launch(ayf_backend *b, void *kernel, void *const *args, void *scratch) {
    if (++faulty.launches != faulty.fail_launch)
        faulty.real->launch(b, kernel, args, scratch);
    else
        faulty.pending = ayf_fail(b->ctx, AYF_E_INTERNAL, "launch %ld failed", faulty.launches);
}

static ayf_status faulty_sync(ayf_backend *b) {
    ayf_status status = faulty.pending;
    faulty.pending = AYF_OK;
    return status != AYF_OK ? status : faulty.real->sync(b);
}

static inline void faulty_begin(ayf_backend *b) {
    memset(&faulty, 0, sizeof faulty);
    faulty.real = b->ops;
    faulty.ops = *b->ops;
    faulty.ops.launch = faulty_launch;
    faulty.ops.sync = faulty_sync;
    b->ops = &faulty.ops;
}

static inline void faulty_end(ayf_backend *b) { b->ops = faulty.real; }

#endif
