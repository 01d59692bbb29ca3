/* Makes an open backend fail where a test wants it. The table of the backend is replaced, so kernels, memory
 * and programs that are there already are concerned too:
 *
 *     faulty_begin(backend);
 *     faulty.fail_launch = faulty.launches + 3;   // the third launch from here fails
 *     ...
 *     faulty_end(backend);                        // before the backend is closed
 *
 * A launch that fails writes nothing and shows in sync, as on a device that works behind the caller's back;
 * the launches after it are made. An upload, fetch, copy or poison that fails writes nothing and returns it.
 * One backend at a time. */
#ifndef AYF_TEST_FAULTY_H
#define AYF_TEST_FAULTY_H

#include "exec/backend.h"

static struct {
    const ayf_backend_ops *real;
    ayf_backend_ops ops;
    /* Calls so far; the call that fails, counted from 1, 0 = none. */
    long launches, fail_launch, uploads, fail_upload, fetches, fail_fetch, copies, fail_copy, poisons,
        fail_poison;
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

static ayf_status faulty_upload(ayf_backend *b, void *to, const void *from, size_t count, bool from_f64) {
    if (++faulty.uploads != faulty.fail_upload) return faulty.real->upload(b, to, from, count, from_f64);
    return ayf_fail(b->ctx, AYF_E_INTERNAL, "upload %ld failed", faulty.uploads);
}

static ayf_status faulty_fetch(ayf_backend *b, void *to, const void *from, size_t count, bool to_f64) {
    if (++faulty.fetches != faulty.fail_fetch) return faulty.real->fetch(b, to, from, count, to_f64);
    return ayf_fail(b->ctx, AYF_E_INTERNAL, "fetch %ld failed", faulty.fetches);
}

static ayf_status faulty_copy(ayf_backend *b, void *to, const void *from, size_t count) {
    if (++faulty.copies != faulty.fail_copy) return faulty.real->copy(b, to, from, count);
    return ayf_fail(b->ctx, AYF_E_INTERNAL, "copy %ld failed", faulty.copies);
}

static ayf_status faulty_poison(ayf_backend *b, void *memory, size_t count) {
    if (++faulty.poisons != faulty.fail_poison) return faulty.real->poison(b, memory, count);
    return ayf_fail(b->ctx, AYF_E_INTERNAL, "poison %ld failed", faulty.poisons);
}

static inline void faulty_begin(ayf_backend *b) {
    memset(&faulty, 0, sizeof faulty);
    faulty.real = b->ops;
    faulty.ops = *b->ops;
    faulty.ops.launch = faulty_launch;
    faulty.ops.sync = faulty_sync;
    faulty.ops.upload = faulty_upload;
    faulty.ops.fetch = faulty_fetch;
    faulty.ops.copy = faulty_copy;
    faulty.ops.poison = faulty_poison;
    b->ops = &faulty.ops;
}

static inline void faulty_end(ayf_backend *b) { b->ops = faulty.real; }

#endif
