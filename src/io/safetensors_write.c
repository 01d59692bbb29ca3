#include "io/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "io/safetensors_sum.h"
#include "io/text.h"

typedef struct out_tensor {
    char *name;
    ayf_st_dtype dtype;
    int rank;
    int64_t shape[AYF_ST_MAX_RANK];
    const void *data; /* of `make`, if there is one; else the bytes */
    ayf_st_make *make;
    int index;
    size_t bytes;
} out_tensor;

typedef struct out_meta {
    char *key, *value;
} out_meta;

struct ayf_st_writer {
    ayf_context *ctx;
    out_tensor *tensors;
    size_t count, capacity;
    out_meta *meta;
    size_t meta_count, meta_capacity;
    ayf_status status;              /* the first failure */
    char message[AYF_MESSAGE_SIZE]; /* and its text, since other calls may fail before the end */
};

static ayf_status stick(ayf_st_writer *writer, ayf_status status) {
    if (writer->status == AYF_OK && status != AYF_OK) {
        writer->status = status;
        memcpy(writer->message, writer->ctx->message, sizeof writer->message);
    }
    return status;
}

ayf_status ayf_st_write_begin(ayf_context *ctx, ayf_st_writer **writer) {
    *writer = ayf_alloc(ctx, 1, sizeof **writer);
    if (!*writer) return AYF_E_MEMORY;
    (*writer)->ctx = ctx;
    return AYF_OK;
}

void ayf_st_write_cancel(ayf_st_writer *writer) {
    if (!writer) return;
    for (size_t i = 0; i < writer->count; i++) ayf_free(writer->ctx, writer->tensors[i].name);
    for (size_t i = 0; i < writer->meta_count; i++) {
        ayf_free(writer->ctx, writer->meta[i].key);
        ayf_free(writer->ctx, writer->meta[i].value);
    }
    ayf_free(writer->ctx, writer->tensors);
    ayf_free(writer->ctx, writer->meta);
    ayf_free(writer->ctx, writer);
}

ayf_status ayf_st_write_meta(ayf_st_writer *writer, const char *key, const char *value) {
    if (writer->status != AYF_OK) return writer->status;
    ayf_context *ctx = writer->ctx;
    if (!ayf_utf8_valid(key) || !ayf_utf8_valid(value))
        return stick(writer, ayf_fail(ctx, AYF_E_USAGE, "the metadata \"%.200s\" is not UTF-8", key));
    if (ayf_reserve(ctx, &writer->meta, writer->meta_count, &writer->meta_capacity, sizeof *writer->meta) !=
        AYF_OK)
        return stick(writer, AYF_E_MEMORY);
    out_meta entry = {ayf_strdup(ctx, key), ayf_strdup(ctx, value)};
    if (!entry.key || !entry.value) {
        ayf_free(ctx, entry.key);
        ayf_free(ctx, entry.value);
        return stick(writer, AYF_E_MEMORY);
    }
    writer->meta[writer->meta_count++] = entry;
    return AYF_OK;
}

static ayf_status add_tensor(ayf_st_writer *writer, const char *name, int rank, const int64_t *shape,
                             out_tensor tensor) {
    ayf_context *ctx = writer->ctx;
    if (!ayf_utf8_valid(name) || strcmp(name, "__metadata__") == 0)
        return ayf_fail(ctx, AYF_E_USAGE, "\"%.200s\" cannot be the name of a tensor", name);
    if (rank < 0 || rank > AYF_ST_MAX_RANK)
        return ayf_fail(ctx, AYF_E_USAGE, "tensor \"%.200s\": has %d dimensions; at most %d can be written",
                        name, rank, AYF_ST_MAX_RANK);
    tensor.rank = rank;
    tensor.bytes = ayf_st_dtype_size(tensor.dtype);
    for (int i = 0; i < rank; i++) {
        tensor.shape[i] = shape[i];
        if (shape[i] < 0 || __builtin_mul_overflow(tensor.bytes, (size_t)shape[i], &tensor.bytes))
            return ayf_fail(ctx, AYF_E_USAGE, "tensor \"%.200s\": its shape is negative or overflows", name);
    }
    AYF_TRY(ayf_reserve(ctx, &writer->tensors, writer->count, &writer->capacity, sizeof tensor));
    tensor.name = ayf_strdup(ctx, name);
    if (!tensor.name) return AYF_E_MEMORY;
    writer->tensors[writer->count++] = tensor;
    return AYF_OK;
}

ayf_status ayf_st_write_tensor(ayf_st_writer *writer, const char *name, ayf_st_dtype dtype, int rank,
                               const int64_t *shape, const void *data) {
    if (writer->status != AYF_OK) return writer->status;
    return stick(writer, add_tensor(writer, name, rank, shape, (out_tensor){.dtype = dtype, .data = data}));
}

ayf_status ayf_st_write_made(ayf_st_writer *writer, const char *name, ayf_st_dtype dtype, int rank,
                             const int64_t *shape, ayf_st_make *make, const void *from, int index) {
    out_tensor tensor = {.dtype = dtype, .data = from, .make = make, .index = index};
    if (writer->status != AYF_OK) return writer->status;
    return stick(writer, add_tensor(writer, name, rank, shape, tensor));
}

static int by_key(const void *a, const void *b) {
    return strcmp(((const out_meta *)a)->key, ((const out_meta *)b)->key);
}

static int by_tensor_name(const void *a, const void *b) {
    return strcmp(((const out_tensor *)a)->name, ((const out_tensor *)b)->name);
}

/* Falling alignment first keeps every tensor aligned without padding, which the format forbids. */
static int by_alignment(const void *a, const void *b) {
    const out_tensor *x = a, *y = b;
    size_t p = ayf_st_dtype_size(x->dtype), q = ayf_st_dtype_size(y->dtype);
    return p != q ? (p > q ? -1 : 1) : strcmp(x->name, y->name);
}

static ayf_status sort_meta(ayf_st_writer *writer) {
    ayf_context *ctx = writer->ctx;
    if (writer->meta_count) qsort(writer->meta, writer->meta_count, sizeof *writer->meta, by_key);
    for (size_t i = 1; i < writer->meta_count; i++)
        if (by_key(&writer->meta[i - 1], &writer->meta[i]) == 0)
            return ayf_fail(ctx, AYF_E_USAGE, "the metadata \"%.200s\" is set twice", writer->meta[i].key);
    return AYF_OK;
}

static ayf_status sort_tensors(ayf_st_writer *writer) {
    ayf_context *ctx = writer->ctx;
    if (writer->count == 0) return AYF_OK;
    qsort(writer->tensors, writer->count, sizeof *writer->tensors, by_tensor_name);
    for (size_t i = 1; i < writer->count; i++)
        if (by_tensor_name(&writer->tensors[i - 1], &writer->tensors[i]) == 0)
            return ayf_fail(ctx, AYF_E_USAGE, "tensor \"%.200s\" is added twice", writer->tensors[i].name);
    qsort(writer->tensors, writer->count, sizeof *writer->tensors, by_alignment);
    return AYF_OK;
}

/* `room` has place for the largest tensor that is made. */
static ayf_status bytes_of(const out_tensor *tensor, void *room, const void **bytes) {
    *bytes = tensor->make ? room : tensor->data;
    return tensor->make ? tensor->make(tensor->data, tensor->index, room) : AYF_OK;
}

/* As if the caller had set them; of the header there are only zeros yet. */
static ayf_status add_sums(ayf_st_writer *writer, void *room) {
    char *digits = ayf_alloc(writer->ctx, writer->count * AYF_ST_DIGITS + 1, 1);
    ayf_status status = digits ? AYF_OK : AYF_E_MEMORY;
    for (size_t i = 0; status == AYF_OK && i < writer->count; i++) {
        const void *bytes;
        status = bytes_of(&writer->tensors[i], room, &bytes);
        if (status == AYF_OK)
            ayf_st_sum_text(ayf_st_sum(bytes, writer->tensors[i].bytes), digits + i * AYF_ST_DIGITS);
    }
    if (status == AYF_OK) status = ayf_st_write_meta(writer, AYF_ST_SUMS, digits);
    if (status == AYF_OK) status = ayf_st_write_meta(writer, AYF_ST_HEADER_SUM, "00000000");
    ayf_free(writer->ctx, digits);
    return status;
}

static void sign_header(ayf_text *text) {
    size_t at = ayf_st_header_sum_at(text->data, text->size);
    char digits[AYF_ST_DIGITS + 1];
    ayf_st_sum_text(ayf_st_header_sum(text->data, text->size, at), digits);
    memcpy(text->data + at, digits, AYF_ST_DIGITS);
}

static ayf_status make_header(const ayf_st_writer *writer, ayf_text *text) {
    const char *comma = "";
    size_t offset = 0;
    ayf_text_print(text, "{");
    if (writer->meta_count) {
        ayf_text_print(text, "\"__metadata__\":{");
        for (size_t i = 0; i < writer->meta_count; i++) {
            if (i) ayf_text_print(text, ",");
            ayf_text_json(text, writer->meta[i].key);
            ayf_text_print(text, ":");
            ayf_text_json(text, writer->meta[i].value);
        }
        ayf_text_print(text, "}");
        comma = ",";
    }
    for (size_t i = 0; i < writer->count; i++) {
        const out_tensor *tensor = &writer->tensors[i];
        size_t end;
        if (__builtin_add_overflow(offset, tensor->bytes, &end))
            return ayf_fail(writer->ctx, AYF_E_USAGE, "tensor \"%.200s\": the file would be too large",
                            tensor->name);
        ayf_text_print(text, "%s", comma);
        ayf_text_json(text, tensor->name);
        ayf_text_print(text, ":{\"dtype\":\"%s\",\"shape\":[", ayf_st_dtype_name(tensor->dtype));
        for (int k = 0; k < tensor->rank; k++)
            ayf_text_print(text, "%s%lld", k ? "," : "", (long long)tensor->shape[k]);
        ayf_text_print(text, "],\"data_offsets\":[%zu,%zu]}", offset, end);
        offset = end;
        comma = ",";
    }
    ayf_text_print(text, "}");
    ayf_text_put(text, "       ", (8 - text->size % 8) % 8);
    return text->failed ? AYF_E_MEMORY : AYF_OK;
}

static ayf_status write_file(const ayf_st_writer *writer, const ayf_text *header, const char *path,
                             void *room) {
    ayf_file_writer *file;
    AYF_TRY(ayf_file_begin(writer->ctx, path, &file));
    uint64_t length = header->size;
    ayf_file_put(file, &length, sizeof length);
    ayf_file_put(file, header->data, header->size);
    for (size_t i = 0; i < writer->count; i++) {
        const void *bytes;
        ayf_status status = bytes_of(&writer->tensors[i], room, &bytes);
        if (status != AYF_OK) {
            ayf_file_cancel(file);
            return status;
        }
        ayf_file_put(file, bytes, writer->tensors[i].bytes);
    }
    return ayf_file_commit(file);
}

static size_t largest_made(const ayf_st_writer *writer) {
    size_t most = 0;
    for (size_t i = 0; i < writer->count; i++)
        if (writer->tensors[i].make && writer->tensors[i].bytes > most) most = writer->tensors[i].bytes;
    return most;
}

static ayf_status write_all(ayf_st_writer *writer, ayf_text *header, const char *path) {
    ayf_context *ctx = writer->ctx;
    size_t most = largest_made(writer);
    void *room = most ? ayf_alloc(ctx, most, 1) : NULL;
    ayf_status status = room || !most ? sort_tensors(writer) : AYF_E_MEMORY;
    if (status == AYF_OK) status = add_sums(writer, room);
    if (status == AYF_OK) status = sort_meta(writer);
    if (status == AYF_OK) status = make_header(writer, header);
    if (status == AYF_OK) sign_header(header);
    if (status == AYF_OK) status = write_file(writer, header, path, room);
    ayf_free(ctx, room);
    return status;
}

ayf_status ayf_st_write_end(ayf_st_writer *writer, const char *path) {
    ayf_context *ctx = writer->ctx;
    ayf_status status = writer->status;
    if (status != AYF_OK) {
        ayf_fail(ctx, status, "%s: cannot be written: %.900s", path, writer->message);
    } else {
        ayf_text header;
        ayf_text_init(&header, ctx);
        status = write_all(writer, &header, path);
        ayf_text_free(&header);
    }
    ayf_st_write_cancel(writer);
    return status;
}
