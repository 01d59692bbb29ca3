#include "exec/buffer.h"

static ayf_status allocate(ayf_buffer *b) {
    return b->backend->ops->alloc(b->backend, b->elements * b->backend->ops->element_size[AYF_F32],
                                  &b->memory);
}

static void release(ayf_buffer *b) {
    if (b->memory) b->backend->ops->release(b->backend, b->memory);
    b->memory = NULL;
}

ayf_status ayf_buffer_new_read(ayf_backend *backend, size_t elements, ayf_buffer_read *read, const void *from,
                               int index, ayf_buffer **out) {
    ayf_buffer *b = ayf_alloc(backend->ctx, 1, sizeof *b);
    if (!b) return AYF_E_MEMORY;
    *b = (ayf_buffer){.backend = backend, .elements = elements, .read = read, .from = from, .index = index};
    *out = b;
    return AYF_OK;
}

ayf_status ayf_buffer_new(ayf_backend *backend, size_t elements, ayf_buffer **out) {
    ayf_buffer *b;
    AYF_TRY(ayf_buffer_new_read(backend, elements, NULL, NULL, 0, &b));
    ayf_status status = allocate(b);
    if (status != AYF_OK) {
        ayf_free(backend->ctx, b);
        return status;
    }
    *out = b;
    return AYF_OK;
}

void ayf_buffer_free(ayf_buffer *b) {
    if (!b) return;
    release(b);
    ayf_free(b->backend->ctx, b);
}

static ayf_status read_in(ayf_buffer *b) {
    float *values = ayf_alloc(b->backend->ctx, b->elements, sizeof *values);
    ayf_status status = values ? b->read(b->from, b->index, values) : AYF_E_MEMORY;
    if (status == AYF_OK) status = allocate(b);
    if (status == AYF_OK) status = b->backend->ops->upload(b->backend, b->memory, values, b->elements, false);
    ayf_free(b->backend->ctx, values);
    if (status != AYF_OK) release(b);
    return status;
}

ayf_status ayf_buffer_hold(ayf_buffer *b) {
    if (!b->memory) AYF_TRY(read_in(b));
    b->holders++;
    return AYF_OK;
}

void ayf_buffer_let_go(ayf_buffer *b) {
    if (--b->holders == 0 && b->read) release(b);
}

ayf_status ayf_buffer_set(ayf_buffer *b, const float *from) {
    if (b->read) return ayf_fail(b->backend->ctx, AYF_E_INTERNAL, "a buffer that is read cannot be written");
    return b->backend->ops->upload(b->backend, b->memory, from, b->elements, false);
}

ayf_status ayf_buffer_get(const ayf_buffer *b, float *to) {
    if (!b->memory) return b->read(b->from, b->index, to);
    return b->backend->ops->fetch(b->backend, to, b->memory, b->elements, false);
}

ayf_status ayf_buffer_copy(ayf_buffer *to, ayf_buffer *from) {
    AYF_TRY(ayf_buffer_hold(from));
    ayf_status status = to->backend->ops->copy(to->backend, to->memory, from->memory, to->elements);
    ayf_buffer_let_go(from);
    return status;
}
