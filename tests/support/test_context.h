/* A context whose memory can be made to run out, and which counts what is still held. */
#ifndef AYF_TEST_CONTEXT_H
#define AYF_TEST_CONTEXT_H

#include <stdlib.h>

#include "base/base.h"

typedef struct test_memory {
    long calls, fail_at; /* fail_at: this call and all later ones get nothing; 0 = never */
    bool once;           /* this call alone */
    long held;
} test_memory;

static inline void *test_alloc(void *user, void *pointer, size_t size) {
    test_memory *m = user;
    if (size == 0) {
        if (pointer) m->held--;
        free(pointer);
        return NULL;
    }
    m->calls++;
    if (m->fail_at && (m->once ? m->calls == m->fail_at : m->calls >= m->fail_at)) return NULL;
    void *fresh = aligned_alloc(64, (size + 63) / 64 * 64);
    if (fresh) m->held++;
    return fresh;
}

static inline ayf_context *test_open(test_memory *m) {
    return ayf_open(&(ayf_options){.alloc = test_alloc, .alloc_user = m});
}

#endif
