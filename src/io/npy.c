#include "io/npy.h"

#include <stdio.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "arrays are read and written as they lie in memory: this needs a little-endian machine"
#endif

static const char magic[] = "\x93NUMPY";
enum { MAGIC = 6, VERSION_END = 8, TEXT_1 = 10, TEXT_2 = 12, ALIGN = 64 };

static const struct {
    const char *name, *numpy;
    size_t size;
} types[] = {[AYF_NPY_F32] = {"<f4", "float32", 4},
             [AYF_NPY_F64] = {"<f8", "float64", 8},
             [AYF_NPY_U8] = {"|u1", "uint8", 1},
             [AYF_NPY_I32] = {"<i4", "int32", 4},
             [AYF_NPY_I64] = {"<i8", "int64", 8}};

void ayf_npy_describe(const ayf_npy *a, char *text, size_t size) {
    size_t used = (size_t)snprintf(text, size, "%s (", types[a->type].name);
    for (int i = 0; i < a->rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%zu", i ? ", " : "", a->shape[i]);
    if (used < size) snprintf(text + used, size - used, ")");
}

void ayf_npy_clear(ayf_context *ctx, ayf_npy *array) {
    ayf_free(ctx, array->data);
    *array = (ayf_npy){0};
}

double ayf_npy_number(const ayf_npy *array, size_t i) {
    const char *at = (const char *)array->data + i * types[array->type].size;
    float f32;
    double f64;
    int32_t i32;
    int64_t i64;
    switch (array->type) {
    case AYF_NPY_F32:
        memcpy(&f32, at, sizeof f32);
        return (double)f32;
    case AYF_NPY_F64:
        memcpy(&f64, at, sizeof f64);
        return f64;
    case AYF_NPY_U8:
        return (double)*(const uint8_t *)at;
    case AYF_NPY_I32:
        memcpy(&i32, at, sizeof i32);
        return (double)i32;
    case AYF_NPY_I64:
        memcpy(&i64, at, sizeof i64);
        return (double)i64;
    }
    return 0;
}

static bool measure(ayf_npy *array) {
    array->count = 1;
    for (int i = 0; i < array->rank; i++)
        if (__builtin_mul_overflow(array->count, array->shape[i], &array->count)) return false;
    return !__builtin_mul_overflow(array->count, types[array->type].size, &array->bytes) &&
           array->bytes <= SIZE_MAX / 4;
}

/* ---- Reading: the header is a Python dict {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } ---- */

typedef struct scanner {
    ayf_context *ctx;
    const char *name;
    const char *at, *end;
} scanner;

static ayf_status damaged(const scanner *s) {
    return ayf_fail(s->ctx, AYF_E_FORMAT, "%s: its NumPy header is damaged; save the array again", s->name);
}

static void skip_space(scanner *s) {
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\t')) s->at++;
}

static bool eat(scanner *s, char c) {
    skip_space(s);
    if (s->at == s->end || *s->at != c) return false;
    s->at++;
    return true;
}

static bool eat_word(scanner *s, const char *word) {
    size_t length = strlen(word);
    skip_space(s);
    if ((size_t)(s->end - s->at) < length || memcmp(s->at, word, length) != 0) return false;
    s->at += length;
    return true;
}

/* 'text' or "text" of printable characters. */
static bool eat_string(scanner *s, char *out, size_t size) {
    skip_space(s);
    if (s->at == s->end || (*s->at != '\'' && *s->at != '"')) return false;
    char quote = *s->at++;
    for (size_t n = 0; s->at < s->end && n < size; n++) {
        char c = *s->at++;
        if (c == quote) {
            out[n] = 0;
            return true;
        }
        if (c < ' ' || c > '~') return false;
        out[n] = c;
    }
    return false;
}

static ayf_status read_type(scanner *s, ayf_npy *array) {
    char text[16];
    skip_space(s);
    if (s->at < s->end && *s->at == '[')
        return ayf_fail(
            s->ctx, AYF_E_FORMAT,
            "%s: is a NumPy array of records, which is not read; save each field as an array of its own",
            s->name);
    if (!eat_string(s, text, sizeof text)) return damaged(s);
    for (size_t i = 0; i < AYF_COUNT(types); i++)
        if (strcmp(text, types[i].name) == 0) {
            array->type = (ayf_npy_type)i;
            return AYF_OK;
        }
    if (strchr(text, 'O'))
        return ayf_fail(
            s->ctx, AYF_E_FORMAT,
            "%s: holds pickled Python objects (NumPy type '%s'), which are never read; save plain numbers, "
            "for example array.astype('float64')",
            s->name, text);
    return ayf_fail(
        s->ctx, AYF_E_FORMAT,
        "%s: has the NumPy type '%s', which is not read; save it as float32, float64, uint8, int32 or "
        "int64, for example array.astype('float32')",
        s->name, text);
}

static ayf_status read_shape(scanner *s, ayf_npy *array) {
    if (!eat(s, '(')) return damaged(s);
    for (array->rank = 0; !eat(s, ')'); array->rank++) {
        size_t value = 0;
        if (array->rank == AYF_NPY_MAX_RANK)
            return ayf_fail(s->ctx, AYF_E_FORMAT, "%s: has more than the %d dimensions that are read",
                            s->name, AYF_NPY_MAX_RANK);
        skip_space(s);
        if (s->at == s->end || *s->at < '0' || *s->at > '9') return damaged(s);
        for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++)
            if (__builtin_mul_overflow(value, (size_t)10, &value) ||
                __builtin_add_overflow(value, (size_t)(*s->at - '0'), &value))
                return damaged(s);
        array->shape[array->rank] = value;
        if (!eat(s, ',')) {
            array->rank++;
            if (!eat(s, ')')) return damaged(s);
            break;
        }
    }
    if (measure(array)) return AYF_OK;
    return ayf_fail(s->ctx, AYF_E_FORMAT, "%s: says it has more elements than memory can hold", s->name);
}

static ayf_status read_order(scanner *s) {
    if (eat_word(s, "False")) return AYF_OK;
    if (!eat_word(s, "True")) return damaged(s);
    return ayf_fail(s->ctx, AYF_E_FORMAT,
                    "%s: lies in Fortran order, which is not read; save numpy.ascontiguousarray(array)",
                    s->name);
}

static ayf_status read_dict(scanner *s, ayf_npy *array) {
    enum { TYPE = 1, ORDER = 2, SHAPE = 4, ALL = 7 };
    int seen = 0, key;
    scanner shape = *s; /* the sizes count in elements of a type that may come later */
    if (!eat(s, '{')) return damaged(s);
    while (!eat(s, '}')) {
        char word[16];
        if (!eat_string(s, word, sizeof word) || !eat(s, ':')) return damaged(s);
        key = strcmp(word, "descr") == 0 ? TYPE : strcmp(word, "fortran_order") == 0 ? ORDER : SHAPE;
        if ((seen & key) || (key == SHAPE && strcmp(word, "shape") != 0)) return damaged(s);
        seen |= key;
        if (key == SHAPE) shape = *s;
        AYF_TRY(key == TYPE ? read_type(s, array) : key == ORDER ? read_order(s) : read_shape(s, array));
        if (eat(s, ',')) continue;
        if (eat(s, '}')) break;
        return damaged(s);
    }
    skip_space(s);
    if (seen != ALL || s->at != s->end) return damaged(s);
    return read_shape(&shape, array);
}

ayf_status ayf_npy_header(ayf_context *ctx, const char *name, const void *bytes, size_t size, ayf_npy *array,
                          size_t *header) {
    const unsigned char *b = bytes;
    *array = (ayf_npy){0};
    *header = 0;
    if (size < TEXT_2 || memcmp(b, magic, MAGIC) != 0)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: is not a NumPy array", name);
    int version = b[MAGIC];
    if (version < 1 || version > 3)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: NumPy format version %d is not read, only 1 to 3 are", name,
                        version);
    size_t start = version == 1 ? TEXT_1 : TEXT_2;
    size_t length = (size_t)b[VERSION_END] | (size_t)b[VERSION_END + 1] << 8;
    if (version > 1) length |= (size_t)b[TEXT_1] << 16 | (size_t)b[TEXT_1 + 1] << 24;
    if (length > AYF_NPY_HEADER_MOST)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: says its NumPy header has %zu bytes; at most %d are read",
                        name, length, AYF_NPY_HEADER_MOST);
    scanner s = {ctx, name, (const char *)bytes + start, (const char *)bytes + start + length};
    if (length > size - start) return damaged(&s);
    *header = start + length;
    return read_dict(&s, array);
}

/* ---- Writing ---- */

size_t ayf_npy_write_header(ayf_npy *array, char out[AYF_NPY_WRITTEN_MOST]) {
    char shape[AYF_NPY_MAX_RANK * 24] = "";
    size_t used = 0;
    if (!measure(array)) return 0;
    for (int i = 0; i < array->rank; i++)
        used += (size_t)snprintf(shape + used, sizeof shape - used, "%s%zu", i ? ", " : "", array->shape[i]);
    memcpy(out, magic, MAGIC);
    out[MAGIC] = 1;
    out[MAGIC + 1] = 0;
    int text = snprintf(out + TEXT_1, AYF_NPY_WRITTEN_MOST - TEXT_1,
                        "{'descr': '%s', 'fortran_order': False, 'shape': (%s%s), }", types[array->type].name,
                        shape, array->rank == 1 ? "," : "");
    size_t length = TEXT_1 + (size_t)text, total = (length + ALIGN) / ALIGN * ALIGN;
    memset(out + length, ' ', total - length);
    out[total - 1] = '\n';
    out[VERSION_END] = (char)((total - TEXT_1) & 0xFF);
    out[VERSION_END + 1] = (char)((total - TEXT_1) >> 8);
    return total;
}
