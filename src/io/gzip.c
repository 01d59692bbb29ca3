#include "io/gzip.h"

#include <zlib.h>

static void *on_alloc(void *ctx, unsigned count, unsigned size) { return ayf_alloc(ctx, count, size); }
static void on_free(void *ctx, void *pointer) { ayf_free(ctx, pointer); }

/* The size that the last member says it unpacks to, which is that of most files: doubling would touch three times as
 * much. What it says counts while it is likely; `usual` otherwise. */
static size_t expected(const unsigned char *bytes, size_t size, size_t usual) {
    enum { TRAILER = 4, LIKELY = 64 };
    size_t said = 0;
    for (size_t i = 0; size >= TRAILER && i < TRAILER; i++)
        said |= (size_t)bytes[size - TRAILER + i] << (8 * i);
    return said > size && said / LIKELY <= size ? said : usual;
}

/* Inflates members until the input ends, the output exceeds `limit` or the data are bad. *code is the last
 * answer of zlib. */
static ayf_status inflate_all(ayf_context *ctx, z_stream *stream, const unsigned char *bytes, size_t size,
                              size_t limit, unsigned char **buffer, size_t *done, int *code) {
    const size_t chunk = (size_t)1 << 30;
    size_t usual = size < limit / 4 ? size * 4 : limit, said = expected(bytes, size, usual);
    size_t capacity = said < limit ? said : limit, used = 0;
    *buffer = ayf_alloc(ctx, capacity + 1, 1);
    if (!*buffer) return AYF_E_MEMORY;
    for (;;) {
        /* One byte more than the limit tells "too large" from "fits exactly". */
        if (*done == capacity) {
            size_t larger = capacity > limit / 2 ? limit + 1 : capacity * 2 + 1;
            unsigned char *grown = ayf_grow(ctx, *buffer, *done, larger + 1, 1);
            if (!grown) return AYF_E_MEMORY;
            *buffer = grown;
            capacity = larger;
        }
        size_t in = size - used < chunk ? size - used : chunk;
        size_t space = capacity - *done < chunk ? capacity - *done : chunk;
        stream->next_in = (unsigned char *)(uintptr_t)(bytes + used);
        stream->avail_in = (unsigned)in;
        stream->next_out = *buffer + *done;
        stream->avail_out = (unsigned)space;
        *code = inflate(stream, Z_NO_FLUSH);
        used += in - stream->avail_in;
        *done += space - stream->avail_out;
        if (*done > limit) return AYF_OK;
        if (*code == Z_STREAM_END) {
            if (used == size || inflateReset(stream) != Z_OK) return AYF_OK;
        } else if (*code != Z_OK) {
            return AYF_OK;
        }
    }
}

ayf_status ayf_gunzip(ayf_context *ctx, const char *name, const unsigned char *bytes, size_t size,
                      size_t limit, unsigned char **out, size_t *out_size) {
    enum { GZIP_ONLY = 16 };
    *out = NULL;
    *out_size = 0;
    z_stream stream = {.zalloc = on_alloc, .zfree = on_free, .opaque = ctx};
    if (inflateInit2(&stream, MAX_WBITS + GZIP_ONLY) != Z_OK)
        return ayf_fail(ctx, AYF_E_MEMORY, "%s: out of memory while unpacking", name);
    if (limit > SIZE_MAX / 4) limit = SIZE_MAX / 4;
    unsigned char *buffer = NULL;
    size_t done = 0;
    int code = Z_OK;
    ayf_status status = inflate_all(ctx, &stream, bytes, size, limit, &buffer, &done, &code);
    inflateEnd(&stream);
    if (status == AYF_OK && done > limit)
        status =
            ayf_fail(ctx, AYF_E_FORMAT, "%s: unpacks to more than the %zu bytes that are read", name, limit);
    else if (status == AYF_OK && code == Z_MEM_ERROR)
        status = ayf_fail(ctx, AYF_E_MEMORY, "%s: out of memory while unpacking", name);
    else if (status == AYF_OK && code != Z_STREAM_END)
        status = ayf_fail(ctx, AYF_E_FORMAT, "%s: the gzip data are %s; fetch the file again", name,
                          code == Z_BUF_ERROR ? "truncated" : "damaged");
    if (status != AYF_OK) {
        ayf_free(ctx, buffer);
        return status;
    }
    buffer[done] = 0;
    *out = buffer;
    *out_size = done;
    return AYF_OK;
}
