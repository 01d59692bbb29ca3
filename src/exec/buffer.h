/* A tensor in a backend's memory that several programs can share. */
#ifndef AYF_BUFFER_H
#define AYF_BUFFER_H

#include "exec/backend.h"

/* Writes all values of tensor `index` of `from`, the same each time. */
typedef ayf_status ayf_buffer_read(const void *from, int index, float *values);

typedef struct ayf_buffer {
    ayf_backend *backend;
    void *memory; /* NULL: the buffer is read, and nobody holds it */
    size_t elements;
    ayf_buffer_read *read; /* NULL: the memory is all there is of the values */
    const void *from;
    int index;
    int holders;
} ayf_buffer;

ayf_status ayf_buffer_new(ayf_backend *backend, size_t elements, ayf_buffer **out); /* zeroed */

/* Its values can be read again, so they are in memory while somebody holds the buffer. `from` must outlive it. */
ayf_status ayf_buffer_new_read(ayf_backend *backend, size_t elements, ayf_buffer_read *read, const void *from,
                               int index, ayf_buffer **out);
void ayf_buffer_free(ayf_buffer *buffer);

/* Until ayf_buffer_let_go() the values are in memory. */
ayf_status ayf_buffer_hold(ayf_buffer *buffer) AYF_MUST_CHECK;
void ayf_buffer_let_go(ayf_buffer *buffer);

/* All elements; after a failure what was to be written is undefined. A buffer that is read is not written. */
ayf_status ayf_buffer_set(ayf_buffer *buffer, const float *from) AYF_MUST_CHECK;
ayf_status ayf_buffer_get(const ayf_buffer *buffer, float *to) AYF_MUST_CHECK;
ayf_status ayf_buffer_copy(ayf_buffer *to, ayf_buffer *from) AYF_MUST_CHECK; /* equal sizes */

#endif
