#include "io/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "io/kind.h"
#include "io/json.h"
#include "io/safetensors_sum.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors data is little-endian; this reader copies it as it is"
#endif

enum { MAX_HEADER = 100000000, LENGTH_SIZE = 8 };

typedef struct meta_entry {
    const char *key, *value;
} meta_entry;

struct ayf_st {
    ayf_context *ctx;
    char *path;
    int owners;
    void *file;             /* the data, or the whole file; NULL: not in memory */
    ayf_file_reader reader; /* of ayf_st_open_values(); path NULL: not open */
    size_t data_at;         /* where the data begins in the file */
    json_t *json;           /* owns every name, key and value */
    ayf_st_tensor *tensors;
    const ayf_st_tensor **by_name;
    size_t count;
    meta_entry *meta;
    size_t meta_count;
    const char *sums; /* of the tensors, as in the metadata; NULL: the file has none */
    bool *seen;       /* per tensor: read before, with the checksum in `sum`; of ayf_st_open_values() */
    uint32_t *sum;
};

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
#define AYF_ROW(name, size) {#name, size},
    AYF_ST_DTYPES(AYF_ROW)
#undef AYF_ROW
};

size_t ayf_st_dtype_size(ayf_st_dtype dtype) { return dtypes[dtype].size; }
const char *ayf_st_dtype_name(ayf_st_dtype dtype) { return dtypes[dtype].name; }

/* An entry while the header is read: `data` of the view is set once the offsets are known to be sound. */
typedef struct span {
    ayf_st_tensor tensor;
    size_t begin, end;
} span;

static int compare_spans(const void *a, const void *b) {
    const span *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return strcmp(x->tensor.name, y->tensor.name);
}

static int compare_names(const void *a, const void *b) {
    return strcmp((*(const ayf_st_tensor *const *)a)->name, (*(const ayf_st_tensor *const *)b)->name);
}

static int compare_keys(const void *a, const void *b) {
    return strcmp(((const meta_entry *)a)->key, ((const meta_entry *)b)->key);
}

/* Long names are cut in messages so that the rule still fits. */
#define BAD_FILE(st, ...) ayf_fail((st)->ctx, AYF_E_FORMAT, __VA_ARGS__)
#define BAD_TENSOR(st, name, rule, ...)                                                                      \
    ayf_fail((st)->ctx, AYF_E_FORMAT, "%s: tensor \"%.200s\": " rule, (st)->path, name, __VA_ARGS__)

static ayf_status read_size(ayf_st *st, const char *name, const char *what, json_t *value, size_t *out) {
    if (!json_is_integer(value)) return BAD_TENSOR(st, name, "%s must hold integers only", what);
    json_int_t number = json_integer_value(value);
    if (number < 0) return BAD_TENSOR(st, name, "%s holds the negative number %lld", what, (long long)number);
    *out = (size_t)number;
    return AYF_OK;
}

static ayf_status read_dtype(ayf_st *st, const char *name, json_t *value, ayf_st_dtype *out) {
    const char *text = json_string_value(value);
    if (!text) return BAD_TENSOR(st, name, "%s", "has no dtype (a string is needed)");
    for (size_t i = 0; i < AYF_COUNT(dtypes); i++) {
        if (strcmp(text, dtypes[i].name) == 0) {
            *out = (ayf_st_dtype)i;
            return AYF_OK;
        }
    }
    return BAD_TENSOR(st, name,
                      "dtype \"%.40s\" is not supported; convert it to one of F32, F16, BF16, F64, I64, U8",
                      text);
}

static ayf_status read_entry(ayf_st *st, const char *name, json_t *value, span *out) {
    ayf_st_tensor *tensor = &out->tensor;
    tensor->name = name;
    if (!json_is_object(value)) return BAD_TENSOR(st, name, "%s", "its entry is not a JSON object");
    AYF_TRY(read_dtype(st, name, json_object_get(value, "dtype"), &tensor->dtype));

    json_t *shape = json_object_get(value, "shape");
    if (!json_is_array(shape)) return BAD_TENSOR(st, name, "%s", "has no shape (an array is needed)");
    if (json_array_size(shape) > AYF_ST_MAX_RANK)
        return BAD_TENSOR(st, name, "has %zu dimensions; at most %d are supported", json_array_size(shape),
                          AYF_ST_MAX_RANK);
    tensor->rank = (int)json_array_size(shape);
    tensor->count = 1;
    size_t bytes;
    for (int i = 0; i < tensor->rank; i++) {
        size_t size = 0;
        AYF_TRY(read_size(st, name, "shape", json_array_get(shape, (size_t)i), &size));
        tensor->shape[i] = (int64_t)size;
        if (__builtin_mul_overflow(tensor->count, size, &tensor->count))
            return BAD_TENSOR(st, name, "%s", "the product of its shape overflows");
    }
    if (__builtin_mul_overflow(tensor->count, dtypes[tensor->dtype].size, &bytes))
        return BAD_TENSOR(st, name, "%s", "the product of its shape and element size overflows");

    json_t *offsets = json_object_get(value, "data_offsets");
    if (!json_is_array(offsets) || json_array_size(offsets) != 2)
        return BAD_TENSOR(st, name, "%s", "has no data_offsets (an array of two integers is needed)");
    AYF_TRY(read_size(st, name, "data_offsets", json_array_get(offsets, 0), &out->begin));
    AYF_TRY(read_size(st, name, "data_offsets", json_array_get(offsets, 1), &out->end));
    if (out->end < out->begin)
        return BAD_TENSOR(st, name, "data_offsets [%zu, %zu] end before they begin", out->begin, out->end);
    if (out->end - out->begin != bytes)
        return BAD_TENSOR(st, name,
                          "data_offsets [%zu, %zu] hold %zu bytes, but its shape and dtype need %zu",
                          out->begin, out->end, out->end - out->begin, bytes);
    return AYF_OK;
}

/* Sums are of the file, not of what it says: nobody else sees them. */
static ayf_status read_sums(ayf_st *st, const json_t *meta, const char *header, size_t size) {
    const char *sum = json_string_value(json_object_get(meta, AYF_ST_HEADER_SUM));
    char digits[AYF_ST_DIGITS + 1];
    st->sums = json_string_value(json_object_get(meta, AYF_ST_SUMS));
    if (!sum && !st->sums) return AYF_OK;
    size_t at = ayf_st_header_sum_at(header, size);
    if (at < size) ayf_st_sum_text(ayf_st_header_sum(header, size, at), digits);
    if (sum && st->sums && at < size && strcmp(sum, digits) == 0) return AYF_OK;
    return BAD_FILE(
        st,
        "%s: is damaged: its header is not the one that was written; use another copy of the file "
        "(a program that changes such a file must leave out the metadata \"" AYF_ST_SUMS
        "\" and \"" AYF_ST_HEADER_SUM "\")",
        st->path);
}

static bool is_sum(const char *key) {
    return strcmp(key, AYF_ST_SUMS) == 0 || strcmp(key, AYF_ST_HEADER_SUM) == 0;
}

static ayf_status check_sum_count(const ayf_st *st) {
    if (!st->sums || strlen(st->sums) == st->count * AYF_ST_DIGITS) return AYF_OK;
    return BAD_FILE(st, "%s: is damaged: it has checksums of other tensors; use another copy of the file",
                    st->path);
}

static size_t size_of(const ayf_st_tensor *tensor) { return tensor->count * dtypes[tensor->dtype].size; }

/* `sum` is of the bytes of the tensor. */
static ayf_status check_sum(const ayf_st *st, const ayf_st_tensor *tensor, uint32_t sum) {
    char digits[AYF_ST_DIGITS + 1];
    if (!st->sums) return AYF_OK;
    ayf_st_sum_text(sum, digits);
    if (memcmp(digits, st->sums + (size_t)(tensor - st->tensors) * AYF_ST_DIGITS, AYF_ST_DIGITS) == 0)
        return AYF_OK;
    return BAD_TENSOR(
        st, tensor->name, "%s",
        "the file is damaged: these are not the bytes that were written; use another copy of it");
}

static ayf_status check_sums(const ayf_st *st) {
    AYF_TRY(check_sum_count(st));
    for (size_t i = 0; st->sums && i < st->count; i++)
        AYF_TRY(check_sum(st, &st->tensors[i], ayf_st_sum(st->tensors[i].data, size_of(&st->tensors[i]))));
    return AYF_OK;
}

static ayf_status read_meta(ayf_st *st, json_t *meta) {
    if (!meta) return AYF_OK;
    if (!json_is_object(meta)) return BAD_FILE(st, "%s: __metadata__ is not a JSON object", st->path);
    st->meta = ayf_alloc(st->ctx, json_object_size(meta), sizeof *st->meta);
    if (!st->meta) return AYF_E_MEMORY;
    const char *key;
    json_t *value;
    json_object_foreach(meta, key, value) {
        if (!json_is_string(value))
            return BAD_FILE(st, "%s: the value of \"%.200s\" in __metadata__ is not a string", st->path, key);
        if (!is_sum(key)) st->meta[st->meta_count++] = (meta_entry){key, json_string_value(value)};
    }
    qsort(st->meta, st->meta_count, sizeof *st->meta, compare_keys);
    return AYF_OK;
}

/* Sorted by offset the tensors must tile the buffer: no hole, no overlap, nothing left. */
static ayf_status check_tiling(ayf_st *st, const span *spans, size_t buffer_size) {
    size_t position = 0;
    for (size_t i = 0; i < st->count; i++) {
        const span *s = &spans[i];
        const char *name = s->tensor.name;
        if (s->end > buffer_size)
            return BAD_TENSOR(
                st, name,
                "data_offsets [%zu, %zu] reach past the end of the data (%zu bytes); the file is "
                "truncated or its header is wrong",
                s->begin, s->end, buffer_size);
        if (s->begin < position)
            return BAD_TENSOR(st, name,
                              "data_offsets [%zu, %zu] overlap tensor \"%.200s\", which ends at %zu",
                              s->begin, s->end, spans[i - 1].tensor.name, position);
        if (s->begin > position)
            return BAD_TENSOR(st, name, "data_offsets [%zu, %zu] leave a hole of %zu bytes before them",
                              s->begin, s->end, s->begin - position);
        position = s->end;
    }
    if (position != buffer_size)
        return BAD_FILE(st, "%s: %zu extra bytes after the last tensor", st->path, buffer_size - position);
    return AYF_OK;
}

static ayf_status index_tensors(ayf_st *st, span *spans, size_t data_size) {
    qsort(spans, st->count, sizeof *spans, compare_spans);
    AYF_TRY(check_tiling(st, spans, data_size));
    st->tensors = ayf_alloc(st->ctx, st->count, sizeof *st->tensors);
    st->by_name = ayf_alloc(st->ctx, st->count, sizeof *st->by_name);
    if (!st->tensors || !st->by_name) return AYF_E_MEMORY;
    for (size_t i = 0; i < st->count; i++) {
        st->tensors[i] = spans[i].tensor;
        st->by_name[i] = &st->tensors[i];
    }
    qsort(st->by_name, st->count, sizeof *st->by_name, compare_names);
    return AYF_OK;
}

static ayf_status read_header(ayf_st *st, const char *header, size_t size) {
    json_error_t error;
    if (size == 0 || header[0] != '{')
        return BAD_FILE(st, "%s: the header does not begin with '{'; this is not a safetensors file",
                        st->path);
    ayf_status status =
        ayf_json_parse(st->ctx, st->path, header, size, JSON_REJECT_DUPLICATES, &st->json, &error);
    if (status != AYF_E_FORMAT) return status;
    if (json_error_code(&error) == json_error_duplicate_key)
        return BAD_FILE(st, "%s: a name stands twice in the header (%.200s, byte %d)", st->path, error.text,
                        error.position);
    return BAD_FILE(st, "%s: the header is not valid JSON: %.200s (byte %d)", st->path, error.text,
                    error.position);
}

/* Of a file of `size` bytes that begins with `length`, if it has as many. */
static ayf_status check_length(ayf_st *st, const char length[LENGTH_SIZE], size_t size, size_t *header_size) {
    if (size < LENGTH_SIZE)
        return BAD_FILE(st, "%s: has %zu bytes; a safetensors file has at least 8", st->path, size);
    uint64_t value;
    memcpy(&value, length, LENGTH_SIZE);
    if (value > MAX_HEADER)
        return BAD_FILE(
            st, "%s: the header length %llu is above the limit of 100000000; this is not a safetensors file",
            st->path, (unsigned long long)value);
    if (value > size - LENGTH_SIZE)
        return BAD_FILE(
            st, "%s: the header length %llu is more than the file holds (%zu bytes); the file is truncated",
            st->path, (unsigned long long)value, size);
    *header_size = (size_t)value;
    return AYF_OK;
}

/* Of a file with `data_size` bytes behind its header. */
static ayf_status parse(ayf_st *st, const char *header, size_t header_size, size_t data_size) {
    AYF_TRY(read_header(st, header, header_size));
    json_t *meta = json_object_get(st->json, "__metadata__");
    AYF_TRY(read_sums(st, meta, header, header_size));
    AYF_TRY(read_meta(st, meta));

    span *spans = ayf_alloc(st->ctx, json_object_size(st->json), sizeof *spans);
    if (!spans) return AYF_E_MEMORY;
    ayf_status status = AYF_OK;
    const char *name;
    json_t *value;
    json_object_foreach(st->json, name, value) {
        if (value == meta) continue;
        status = read_entry(st, name, value, &spans[st->count]);
        if (status != AYF_OK) break;
        st->count++;
    }
    if (status == AYF_OK) status = index_tensors(st, spans, data_size);
    ayf_free(st->ctx, spans);
    return status;
}

/* The tensors follow each other without a gap. */
static ayf_status take_data(ayf_st *st, const char *data) {
    for (size_t i = 0; i < st->count; i++) {
        st->tensors[i].data = data;
        data += size_of(&st->tensors[i]);
    }
    return check_sums(st);
}

static ayf_status parse_whole(ayf_st *st, const char *bytes, size_t size) {
    size_t header_size = 0;
    AYF_TRY(check_length(st, bytes, size, &header_size));
    const char *header = bytes + LENGTH_SIZE;
    AYF_TRY(parse(st, header, header_size, size - LENGTH_SIZE - header_size));
    return take_data(st, header + header_size);
}

static ayf_status parse_front(ayf_st *st, ayf_file_reader *reader, size_t *data_size) {
    char length[LENGTH_SIZE] = {0};
    size_t size = reader->size, header_size = 0;
    if (size >= LENGTH_SIZE) AYF_TRY(ayf_file_reader_next(reader, length, LENGTH_SIZE));
    AYF_TRY(check_length(st, length, size, &header_size));
    char *header = ayf_alloc(st->ctx, header_size, 1);
    if (!header) return AYF_E_MEMORY;
    ayf_status status = ayf_file_reader_next(reader, header, header_size);
    st->data_at = LENGTH_SIZE + header_size;
    *data_size = size - st->data_at;
    if (status == AYF_OK) status = parse(st, header, header_size, *data_size);
    ayf_free(st->ctx, header);
    return status;
}

/* Takes over `file` (ayf_alloc'd bytes, or NULL). */
static ayf_st *new_st(ayf_context *ctx, const char *name, void *file) {
    ayf_st *st = ayf_alloc(ctx, 1, sizeof *st);
    char *path = ayf_strdup(ctx, name);
    if (st && path) {
        *st = (ayf_st){.ctx = ctx, .path = path, .file = file, .owners = 1};
        return st;
    }
    ayf_free(ctx, st);
    ayf_free(ctx, path);
    ayf_free(ctx, file);
    return NULL;
}

/* Hands out what was parsed, or closes it. */
static ayf_status finish(ayf_st *st, ayf_status status, ayf_st **out) {
    if (status == AYF_OK)
        *out = st;
    else
        ayf_st_close(st);
    return status;
}

/* What cannot be read because it is another kind of file is called by its name. */
static ayf_status name_others(ayf_context *ctx, const char *path, ayf_status status) {
    const ayf_kind *kind = status == AYF_E_FORMAT ? ayf_kind_of_file(path) : NULL;
    return kind ? ayf_fail_kind_model(ctx, path, kind) : status;
}

/* What is done with the values of a file. */
typedef enum values { VALUES_READ, VALUES_LEFT, VALUES_IGNORED } values;

static ayf_status leave_values(ayf_st *st, ayf_file_reader *reader) {
    AYF_TRY(check_sum_count(st));
    st->seen = ayf_alloc(st->ctx, st->count, sizeof *st->seen);
    st->sum = ayf_alloc(st->ctx, st->count, sizeof *st->sum);
    if (!st->seen || !st->sum) return AYF_E_MEMORY;
    st->reader = *reader;
    st->reader.path = st->path;
    return AYF_OK;
}

/* The header says how long the file is, so what is no such file, or has no end, is refused before it is read. */
static ayf_status read_file(ayf_st *st, ayf_file_reader *reader, values wanted) {
    size_t data_size;
    AYF_TRY(parse_front(st, reader, &data_size));
    if (wanted == VALUES_IGNORED) return AYF_OK;
    if (wanted == VALUES_LEFT) return leave_values(st, reader);
    st->file = ayf_alloc(st->ctx, data_size, 1);
    if (!st->file) return AYF_E_MEMORY;
    AYF_TRY(ayf_file_reader_next(reader, st->file, data_size));
    return take_data(st, st->file);
}

static ayf_status open_file(ayf_context *ctx, const char *path, values wanted, ayf_st **out) {
    ayf_file_reader reader;
    *out = NULL;
    AYF_TRY(ayf_file_reader_open(ctx, path, &reader));
    ayf_st *st = new_st(ctx, path, NULL);
    ayf_status status = st ? read_file(st, &reader, wanted) : AYF_E_MEMORY;
    if (status != AYF_OK || wanted != VALUES_LEFT) ayf_file_reader_close(&reader);
    if (st) status = finish(st, status, out);
    return name_others(ctx, path, status);
}

ayf_status ayf_st_open(ayf_context *ctx, const char *path, ayf_st **st) {
    return open_file(ctx, path, VALUES_READ, st);
}

ayf_status ayf_st_open_header(ayf_context *ctx, const char *path, ayf_st **st) {
    return open_file(ctx, path, VALUES_IGNORED, st);
}

ayf_status ayf_st_open_values(ayf_context *ctx, const char *path, ayf_st **st) {
    return open_file(ctx, path, VALUES_LEFT, st);
}

bool ayf_st_reads_anew(const ayf_st *st) { return st->reader.path != NULL; }

ayf_st *ayf_st_share(ayf_st *st) {
    st->owners++;
    return st;
}

ayf_status ayf_st_parse(ayf_context *ctx, const char *name, const void *bytes, size_t size, ayf_st **st) {
    *st = NULL;
    void *copy = ayf_alloc(ctx, size, 1);
    if (!copy) return AYF_E_MEMORY;
    if (size) memcpy(copy, bytes, size);
    ayf_st *parsed = new_st(ctx, name, copy);
    return parsed ? finish(parsed, parse_whole(parsed, copy, size), st) : AYF_E_MEMORY;
}

void ayf_st_close(ayf_st *st) {
    if (!st || --st->owners > 0) return;
    if (ayf_st_reads_anew(st)) ayf_file_reader_close(&st->reader);
    ayf_free(st->ctx, st->seen);
    ayf_free(st->ctx, st->sum);
    json_decref(st->json);
    ayf_free(st->ctx, st->file);
    ayf_free(st->ctx, st->path);
    ayf_free(st->ctx, st->tensors);
    ayf_free(st->ctx, st->by_name);
    ayf_free(st->ctx, st->meta);
    ayf_free(st->ctx, st);
}

const char *ayf_st_path(const ayf_st *st) { return st->path; }
size_t ayf_st_count(const ayf_st *st) { return st->count; }
const ayf_st_tensor *ayf_st_at(const ayf_st *st, size_t index) { return &st->tensors[index]; }

const ayf_st_tensor *ayf_st_find(const ayf_st *st, const char *name) {
    if (st->count == 0) return NULL;
    ayf_st_tensor probe = {.name = name};
    const ayf_st_tensor *key = &probe;
    const ayf_st_tensor *const *found =
        bsearch(&key, st->by_name, st->count, sizeof *st->by_name, compare_names);
    return found ? *found : NULL;
}

const ayf_st_tensor *ayf_st_get(const ayf_st *st, const char *name) {
    const ayf_st_tensor *tensor = ayf_st_find(st, name);
    if (tensor) return tensor;
    const char *near = NULL;
    const char **names = ayf_alloc(st->ctx, st->count, sizeof *names);
    if (names) {
        for (size_t i = 0; i < st->count; i++) names[i] = st->tensors[i].name;
        near = ayf_nearest(name, names, st->count);
        ayf_free(st->ctx, names);
    }
    if (near)
        BAD_FILE(st, "%s: has no tensor \"%.200s\" (the nearest is \"%.200s\")", st->path, name, near);
    else
        BAD_FILE(st, "%s: has no tensor \"%.200s\"", st->path, name);
    return NULL;
}

const char *ayf_st_meta(const ayf_st *st, const char *key) {
    if (st->meta_count == 0) return NULL;
    meta_entry probe = {key, NULL};
    const meta_entry *found = bsearch(&probe, st->meta, st->meta_count, sizeof *st->meta, compare_keys);
    return found ? found->value : NULL;
}

size_t ayf_st_meta_count(const ayf_st *st) { return st->meta_count; }

void ayf_st_meta_at(const ayf_st *st, size_t index, const char **key, const char **value) {
    *key = st->meta[index].key;
    *value = st->meta[index].value;
}

static float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float half_to_float(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = half >> 10 & 31u, fraction = half & 1023u;
    if (exponent == 31) return from_bits(sign | 0x7F800000u | fraction << 13);
    if (exponent > 0) return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
    float value = ldexpf((float)fraction, -24); /* subnormal: fraction * 2^-24, exact in float */
    return sign ? -value : value;
}

/* Element `index` of a tensor of reals, whose bytes are given. */
static double real_at(ayf_st_dtype dtype, const void *bytes, size_t index) {
    const char *p = (const char *)bytes + index * dtypes[dtype].size;
    uint16_t half;
    float single;
    double real;
    switch (dtype) {
    case AYF_ST_F16:
        memcpy(&half, p, sizeof half);
        return (double)half_to_float(half);
    case AYF_ST_BF16:
        memcpy(&half, p, sizeof half);
        return (double)from_bits((uint32_t)half << 16);
    case AYF_ST_F64:
        memcpy(&real, p, sizeof real);
        return real;
    default:
        memcpy(&single, p, sizeof single);
        return (double)single;
    }
}

static bool is_real(ayf_st_dtype dtype) { return dtype != AYF_ST_I64 && dtype != AYF_ST_U8; }

/* ---- Values ---- */

/* The bytes of a tensor, in `room` when they are read anew. */
static ayf_status read_bytes(const ayf_st *st, const ayf_st_tensor *tensor, void *room) {
    ayf_file_reader reader = st->reader;
    size_t index = (size_t)(tensor - st->tensors), at = st->data_at;
    for (size_t i = 0; i < index; i++) at += size_of(&st->tensors[i]);
    AYF_TRY(ayf_file_reader_seek(&reader, at));
    AYF_TRY(ayf_file_reader_next(&reader, room, size_of(tensor)));
    uint32_t sum = ayf_st_sum(room, size_of(tensor));
    if (st->seen[index] && sum != st->sum[index])
        return BAD_TENSOR(
            st, tensor->name, "%s",
            "the file was changed while it was in use; begin again with the file as it is to be");
    st->seen[index] = true;
    st->sum[index] = sum;
    return check_sum(st, tensor, sum);
}

/* *room is the caller's (ayf_free). */
static ayf_status get_bytes(const ayf_st *st, const ayf_st_tensor *tensor, const void **bytes, void **room) {
    *room = NULL;
    *bytes = tensor->data;
    if (st->file) return AYF_OK;
    if (!ayf_st_reads_anew(st))
        return ayf_fail(st->ctx, AYF_E_INTERNAL,
                        "%s: tensor \"%.200s\": only the header of the file was read", st->path,
                        tensor->name);
    *bytes = *room = ayf_alloc(st->ctx, size_of(tensor), 1);
    return *room ? read_bytes(st, tensor, *room) : AYF_E_MEMORY;
}

static const ayf_st_tensor *get_counted(const ayf_st *st, const char *name, size_t count) {
    const ayf_st_tensor *tensor = ayf_st_get(st, name);
    if (tensor && tensor->count != count) {
        BAD_TENSOR(st, name, "has %zu elements where %zu are needed; the file is of another architecture",
                   tensor->count, count);
        return NULL;
    }
    return tensor;
}

ayf_status ayf_st_read_f32(const ayf_st *st, const char *name, float *out, size_t count) {
    const ayf_st_tensor *tensor = get_counted(st, name, count);
    const void *bytes;
    void *room;
    if (!tensor) return ayf_last_status(st->ctx);
    if (!is_real(tensor->dtype))
        return BAD_TENSOR(st, name, "holds %s where real numbers are needed", dtypes[tensor->dtype].name);
    if (tensor->dtype == AYF_ST_F32 && ayf_st_reads_anew(st)) return read_bytes(st, tensor, out);
    ayf_status status = get_bytes(st, tensor, &bytes, &room);
    if (status == AYF_OK && tensor->dtype == AYF_ST_F32) {
        if (count) memcpy(out, bytes, count * sizeof *out);
    } else if (status == AYF_OK) {
        for (size_t i = 0; i < count; i++) out[i] = (float)real_at(tensor->dtype, bytes, i);
    }
    ayf_free(st->ctx, room);
    return status;
}

ayf_status ayf_st_read_i64(const ayf_st *st, const char *name, int64_t *out, size_t count) {
    const ayf_st_tensor *tensor = get_counted(st, name, count);
    const void *bytes;
    void *room;
    if (!tensor) return ayf_last_status(st->ctx);
    if (tensor->dtype != AYF_ST_I64)
        return BAD_TENSOR(st, name, "holds %s where I64 is needed", dtypes[tensor->dtype].name);
    ayf_status status = get_bytes(st, tensor, &bytes, &room);
    if (status == AYF_OK && count) memcpy(out, bytes, count * sizeof *out);
    ayf_free(st->ctx, room);
    return status;
}

static ayf_status check_finite(const ayf_st *st, const ayf_st_tensor *tensor, const void *bytes) {
    for (size_t i = 0; i < tensor->count; i++) {
        double value = real_at(tensor->dtype, bytes, i);
        if (!isfinite(value))
            return BAD_TENSOR(st, tensor->name,
                              "element %zu is %s; use a file saved before training went wrong", i,
                              isnan(value) ? "NaN" : "infinite");
    }
    return AYF_OK;
}

ayf_status ayf_st_check_finite(const ayf_st *st, const char *name) {
    const ayf_st_tensor *tensor = ayf_st_get(st, name);
    const void *bytes;
    void *room;
    if (!tensor) return ayf_last_status(st->ctx);
    if (!is_real(tensor->dtype)) return AYF_OK;
    ayf_status status = get_bytes(st, tensor, &bytes, &room);
    if (status == AYF_OK) status = check_finite(st, tensor, bytes);
    ayf_free(st->ctx, room);
    return status;
}
