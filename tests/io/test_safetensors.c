/* io/safetensors.h: every rule of the format broken in turn, values converted, bytes that repeat. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/file.h"
#include "io/safetensors.h"
#include "test_context.h"

static ayf_context *ctx;

static void expect_message(const char *part) {
    if (!strstr(ayf_error(ctx), part)) fail_msg("message \"%s\" does not hold \"%s\"", ayf_error(ctx), part);
}

/* What ayf_st_open() and ayf_st_open_header() answer to a file of these bytes: the same. Leaves the second. */
static ayf_status open_both(const char *path, const void *bytes, size_t size, ayf_st **header_only) {
    char message[1024];
    ayf_st *whole;
    assert_int_equal(ayf_file_write(ctx, path, bytes, size), AYF_OK);
    ayf_status status = ayf_st_open(ctx, path, &whole);
    snprintf(message, sizeof message, "%s", status == AYF_OK ? "" : ayf_error(ctx));
    assert_int_equal(ayf_st_open_header(ctx, path, header_only), status);
    if (status != AYF_OK) {
        assert_string_equal(ayf_error(ctx), message);
        assert_null(*header_only);
    }
    ayf_st_close(whole);
    return status;
}

/* A file of this header and `data_size` bytes of data, through the parser. */
static ayf_status parse(const char *header, size_t data_size, ayf_st **st) {
    uint64_t length = strlen(header);
    size_t size = 8 + length + data_size;
    char *bytes = calloc(size, 1);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, length);
    ayf_status status = ayf_st_parse(ctx, "f.st", bytes, size, st);
    free(bytes);
    return status;
}

#define ENTRY(dtype, shape, begin, end)                                                                      \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

static void test_rules(void **state) {
    (void)state;
    static const struct {
        const char *header;
        size_t data_size;
        const char *message; /* NULL: a good file */
    } cases[] = {
        {"{}", 0, NULL},
        {"{}      ", 0, NULL},
        {"{\"a\":" ENTRY("F32", "[2,3]", 0, 24) "}", 24, NULL},
        {"{\"a\":" ENTRY("F32", "[]", 0, 4) "}", 4, NULL},
        {"{\"a\":" ENTRY("F32", "[0,3]", 0, 0) "}", 0, NULL},
        {"{\"b\":" ENTRY("U8", "[1]", 8, 9) ",\"z\":" ENTRY("F16", "[0]", 8, 8) ",\"a\":" ENTRY("I64", "[1]",
                                                                                                0, 8) "}",
         9, NULL},
        {"", 0, "f.st: the header does not begin with '{'"},
        {" {}", 0, "f.st: the header does not begin with '{'"},
        {"[]", 0, "f.st: the header does not begin with '{'"},
        {"{\"a\":", 0, "f.st: the header is not valid JSON"},
        {"{} x", 0, "f.st: the header is not valid JSON"},
        {"{\"\xFF\":1}", 0, "f.st: the header is not valid JSON"},
        {"{\"a\":1}", 0, "tensor \"a\": its entry is not a JSON object"},
        {"{\"a\":" ENTRY("F32", "[1]", 0, 4) ",\"a\":" ENTRY("F32", "[1]", 4, 8) "}", 8, "stands twice"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
         "stands twice"},
        {"{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, "stands twice"},
        {"{\"__metadata__\":{\"k\":1}}", 0, "\"k\" in __metadata__ is not a string"},
        {"{\"__metadata__\":[]}", 0, "__metadata__ is not a JSON object"},
        {"{\"a\":" ENTRY("F8_E4M3", "[1]", 0, 1) "}", 1, "tensor \"a\": dtype \"F8_E4M3\" is not supported"},
        {"{\"a\":" ENTRY("f32", "[1]", 0, 4) "}", 4, "tensor \"a\": dtype \"f32\" is not supported"},
        {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "tensor \"a\": has no dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "tensor \"a\": has no shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "tensor \"a\": has no data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4,
         "tensor \"a\": has no data_offsets"},
        {"{\"a\":" ENTRY("F32", "[-1]", 0, 4) "}", 4, "tensor \"a\": shape holds the negative number -1"},
        {"{\"a\":" ENTRY("F32", "[1.0]", 0, 4) "}", 4, "tensor \"a\": shape must hold integers"},
        {"{\"a\":" ENTRY("F32", "[\"1\"]", 0, 4) "}", 4, "tensor \"a\": shape must hold integers"},
        {"{\"a\":" ENTRY("F32", "[99999999999999999999]", 0, 4) "}", 4, "not valid JSON"},
        {"{\"a\":" ENTRY("F32", "[1,1,1,1,1,1,1,1,1]", 0, 4) "}", 4, "tensor \"a\": has 9 dimensions"},
        {"{\"a\":" ENTRY("F32", "[4294967296,4294967296]", 0, 0) "}", 0,
         "tensor \"a\": the product of its shape overflows"},
        {"{\"a\":" ENTRY("F32", "[4611686018427387904]", 0, 0) "}", 0,
         "tensor \"a\": the product of its shape and element size overflows"},
        {"{\"a\":" ENTRY("F32", "[2]", -8, 0) "}", 8,
         "tensor \"a\": data_offsets holds the negative number -8"},
        {"{\"a\":" ENTRY("F32", "[2]", 8, 0) "}", 8,
         "tensor \"a\": data_offsets [8, 0] end before they begin"},
        {"{\"a\":" ENTRY("F32", "[2]", 0, 4) "}", 4,
         "tensor \"a\": data_offsets [0, 4] hold 4 bytes, but its shape and "
         "dtype need 8"},
        {"{\"a\":" ENTRY("F32", "[2]", 0, 8) "}", 7,
         "tensor \"a\": data_offsets [0, 8] reach past the end of the data"},
        {"{\"a\":" ENTRY("F32", "[2]", 0, 8) "}", 9, "1 extra bytes after the last tensor"},
        {"{}", 1, "1 extra bytes after the last tensor"},
        {"{\"a\":" ENTRY("F32", "[1]", 4, 8) "}", 8,
         "tensor \"a\": data_offsets [4, 8] leave a hole of 4 bytes"},
        {"{\"a\":" ENTRY("F32", "[1]", 0, 4) ",\"b\":" ENTRY("F32", "[1]", 8, 12) "}", 12,
         "tensor \"b\": data_offsets [8, 12] "
         "leave a hole of 4"},
        {"{\"a\":" ENTRY("F32", "[2]", 0, 8) ",\"b\":" ENTRY("F32", "[1]", 4, 8) "}", 8,
         "tensor \"b\": data_offsets [4, 8] overlap tensor \"a\", which ends at 8"},
        {"{\"a\":" ENTRY("F32", "[1]", 0, 4) ",\"b\":" ENTRY("F32", "[1]", 0, 4) "}", 4,
         "overlap tensor \"a\""},
    };
    for (size_t i = 0; i < AYF_COUNT(cases); i++) {
        ayf_st *st;
        ayf_status status = parse(cases[i].header, cases[i].data_size, &st);
        if (!cases[i].message) {
            if (status != AYF_OK) fail_msg("%s: %s", cases[i].header, ayf_error(ctx));
            ayf_st_close(st);
            continue;
        }
        if (status != AYF_E_FORMAT) fail_msg("accepted: %s", cases[i].header);
        assert_null(st);
        expect_message("f.st: ");
        expect_message(cases[i].message);
    }
}

static void test_lengths(void **state) {
    (void)state;
    ayf_st *st;
    char bytes[16] = {0};
    for (size_t size = 0; size < 8; size++) {
        assert_int_equal(ayf_st_parse(ctx, "f", bytes, size, &st), AYF_E_FORMAT);
        expect_message("has at least 8");
    }
    static const uint64_t lengths[] = {9, 100000000, 100000001, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < AYF_COUNT(lengths); i++) {
        memcpy(bytes, &lengths[i], 8);
        memcpy(bytes + 8, "{}      ", 8);
        assert_int_equal(ayf_st_parse(ctx, "f", bytes, sizeof bytes, &st), AYF_E_FORMAT);
        expect_message(lengths[i] > 100000000 ? "above the limit" : "the file is truncated");
    }
    assert_int_equal(ayf_st_open(ctx, "/nonexistent/model", &st), AYF_E_IO);
    expect_message("/nonexistent/model: cannot open: No such file");
}

static void test_values(void **state) {
    (void)state;
    /* half: 1, -2, largest 65504, smallest 2^-24, subnormal 3*2^-24 negative, inf, nan; by IEEE 754 tables */
    static const uint16_t half[] = {0x3C00, 0xC000, 0x7BFF, 0x0001, 0x8003, 0x3555, 0x7C00, 0x7E00};
    static const float half_values[] = {1, -2, 65504, 0x1p-24f, -0x3p-24f, 0.333251953125f, INFINITY};
    static const uint16_t brain[] = {0x3F80, 0xC000, 0x4049};
    static const float brain_values[] = {1, -2, 3.140625f};
    static const double doubles[] = {0.1, -1e-50};
    static const int64_t labels[] = {3, -1};
    static const float singles[] = {1.5f, -0.0f, NAN};
    char path[] = "/tmp/ayf-test-XXXXXX";
    close(mkstemp(path));
    ayf_st_writer *w;
    assert_int_equal(ayf_st_write_begin(ctx, &w), AYF_OK);
    assert_int_equal(ayf_st_write_tensor(w, "half", AYF_ST_F16, 1, (int64_t[]){8}, half), AYF_OK);
    assert_int_equal(ayf_st_write_tensor(w, "brain", AYF_ST_BF16, 2, (int64_t[]){1, 3}, brain), AYF_OK);
    assert_int_equal(ayf_st_write_tensor(w, "double", AYF_ST_F64, 1, (int64_t[]){2}, doubles), AYF_OK);
    assert_int_equal(ayf_st_write_tensor(w, "label", AYF_ST_I64, 1, (int64_t[]){2}, labels), AYF_OK);
    assert_int_equal(ayf_st_write_tensor(w, "single", AYF_ST_F32, 1, (int64_t[]){3}, singles), AYF_OK);
    assert_int_equal(ayf_st_write_end(w, path), AYF_OK);
    ayf_st *st;
    assert_int_equal(ayf_st_open(ctx, path, &st), AYF_OK);
    assert_int_equal(ayf_st_count(st), 5);

    float out[8];
    assert_int_equal(ayf_st_read_f32(st, "half", out, 8), AYF_OK);
    for (int i = 0; i < 7; i++) assert_true(out[i] == half_values[i]);
    assert_true(isnan(out[7]));
    assert_int_equal(ayf_st_read_f32(st, "brain", out, 3), AYF_OK);
    for (int i = 0; i < 3; i++) assert_true(out[i] == brain_values[i]);
    assert_int_equal(ayf_st_read_f32(st, "double", out, 2), AYF_OK);
    assert_true(out[0] == 0.1f && out[1] == 0);
    assert_int_equal(ayf_st_read_f32(st, "single", out, 3), AYF_OK);
    assert_memory_equal(out, singles, sizeof singles);
    int64_t whole[2];
    assert_int_equal(ayf_st_read_i64(st, "label", whole, 2), AYF_OK);
    assert_memory_equal(whole, labels, sizeof labels);

    assert_int_equal(ayf_st_read_f32(st, "label", out, 2), AYF_E_FORMAT);
    expect_message("tensor \"label\": holds I64 where real numbers are needed");
    assert_int_equal(ayf_st_read_i64(st, "single", whole, 3), AYF_E_FORMAT);
    assert_int_equal(ayf_st_read_f32(st, "brain", out, 4), AYF_E_FORMAT);
    expect_message("tensor \"brain\": has 3 elements where 4 are needed");
    assert_int_equal(ayf_st_read_f32(st, "brian", out, 3), AYF_E_FORMAT);
    expect_message("has no tensor \"brian\" (the nearest is \"brain\")");

    assert_int_equal(ayf_st_check_finite(st, "brain"), AYF_OK);
    assert_int_equal(ayf_st_check_finite(st, "double"), AYF_OK);
    assert_int_equal(ayf_st_check_finite(st, "label"), AYF_OK);
    assert_int_equal(ayf_st_check_finite(st, "half"), AYF_E_FORMAT);
    expect_message("tensor \"half\": element 6 is infinite");
    assert_int_equal(ayf_st_check_finite(st, "single"), AYF_E_FORMAT);
    expect_message("tensor \"single\": element 2 is NaN");
    ayf_st_close(st);
    unlink(path);
}

/* The bytes of a file that holds `count` tensors and three metadata entries added in the order `turn`. */
static char *write_turned(const char *path, int turn, size_t *size) {
    static const char *const names[] = {"b.weight", "a.weight", "step", "m\"q\n\xC3\xA9"};
    static const ayf_st_dtype types[] = {AYF_ST_F32, AYF_ST_F32, AYF_ST_I64, AYF_ST_U8};
    static const char *const keys[] = {"role", "architecture", "config"};
    static const float zeros[6] = {1, 2, 3, 4, 5, 6};
    ayf_st_writer *w;
    assert_int_equal(ayf_st_write_begin(ctx, &w), AYF_OK);
    for (int i = 0; i < 4; i++) {
        int k = (i + turn) % 4;
        assert_int_equal(ayf_st_write_tensor(w, names[k], types[k], 2, (int64_t[]){1, k == 3 ? 3 : 2}, zeros),
                         AYF_OK);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(ayf_st_write_meta(w, keys[(i + turn) % 3], "{\"x\": 1}"), AYF_OK);
    assert_int_equal(ayf_st_write_end(w, path), AYF_OK);
    void *bytes;
    assert_int_equal(ayf_file_read(ctx, path, 0, &bytes, size), AYF_OK);
    return bytes;
}

static void test_writer(void **state) {
    (void)state;
    char path[] = "/tmp/ayf-test-XXXXXX";
    close(mkstemp(path));
    size_t size, other_size;
    char *bytes = write_turned(path, 0, &size);
    static const char header[] =
        "{\"__metadata__\":{\"architecture\":\"{\\\"x\\\": 1}\",\"config\":\"{\\\"x\\\": "
        "1}\",\"crc32\":\"8ba714542e3fa5762e3fa57612f95a32\",\"crc32.header\":\"3a1dc1bc\",\"role\":\"{"
        "\\\"x\\\": 1}\"},"
        "\"step\":{\"dtype\":\"I64\",\"shape\":[1,2],\"data_offsets\":[0,16]},"
        "\"a.weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[16,24]},"
        "\"b.weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[24,32]},"
        "\"m\\\"q\\u000a\xC3\xA9\":{\"dtype\":\"U8\",\"shape\":[1,3],\"data_offsets\":[32,35]}}";
    uint64_t length;
    memcpy(&length, bytes, 8);
    assert_int_equal(length % 8, 0);
    assert_int_equal(length, (sizeof header - 1 + 7) / 8 * 8);
    assert_int_equal(size, 8 + length + 35);
    assert_memory_equal(bytes + 8, header, sizeof header - 1);
    for (size_t i = sizeof header - 1; i < length; i++) assert_int_equal(bytes[8 + i], ' ');
    for (int turn = 1; turn < 12; turn++) {
        char *other = write_turned(path, turn, &other_size);
        assert_int_equal(other_size, size);
        assert_memory_equal(other, bytes, size);
        ayf_free(ctx, other);
    }
    ayf_st *st;
    assert_int_equal(ayf_st_open(ctx, path, &st), AYF_OK);
    assert_string_equal(ayf_st_meta(st, "role"), "{\"x\": 1}");
    assert_null(ayf_st_meta(st, "absent"));
    assert_int_equal(ayf_st_meta_count(st), 3);
    const char *key, *value;
    ayf_st_meta_at(st, 0, &key, &value);
    assert_string_equal(key, "architecture");
    assert_string_equal(ayf_st_at(st, 0)->name, "step");
    assert_int_equal(ayf_st_find(st, "m\"q\n\xC3\xA9")->count, 3);
    ayf_st_close(st);
    ayf_free(ctx, bytes);
    unlink(path);
}

/* Tensors that are made when the file is written: the bytes of those that are held, one buffer for all, and a
 * failure in either of the two times that each is made leaves what is there. */
typedef struct maker {
    int calls, fail_at;
} maker;

static ayf_status make(const void *from, int index, void *out) {
    maker *m = *(maker *const *)from;
    if (++m->calls == m->fail_at) return ayf_fail(ctx, AYF_E_DIVERGED, "tensor %d is bad", index);
    for (int i = 0; i < 1000 + index; i++) ((float *)out)[i] = (float)(index * i);
    return AYF_OK;
}

static ayf_status write_made(const char *path, maker *m) {
    enum { TENSORS = 5 };
    static float held[TENSORS][1000 + TENSORS];
    ayf_st_writer *w;
    assert_int_equal(ayf_st_write_begin(ctx, &w), AYF_OK);
    for (int i = TENSORS; i-- > 0;) {
        char name[8];
        snprintf(name, sizeof name, "t%d", i);
        const int64_t shape[] = {1000 + i};
        for (int k = 0; k < 1000 + i; k++) held[i][k] = (float)(i * k);
        ayf_status status = m && i != 2 ? ayf_st_write_made(w, name, AYF_ST_F32, 1, shape, make, &m, i)
                                        : ayf_st_write_tensor(w, name, AYF_ST_F32, 1, shape, held[i]);
        assert_int_equal(status, AYF_OK);
    }
    return ayf_st_write_end(w, path);
}

static void test_made(void **state) {
    (void)state;
    char path[] = "/tmp/ayf-test-XXXXXX";
    close(mkstemp(path));
    void *bytes, *other;
    size_t size, other_size;
    assert_int_equal(write_made(path, NULL), AYF_OK);
    assert_int_equal(ayf_file_read(ctx, path, 0, &bytes, &size), AYF_OK);
    assert_int_equal(ayf_file_write(ctx, path, "old", 3), AYF_OK);
    for (int at = 1; at <= 8; at++) {
        assert_int_equal(write_made(path, &(maker){.fail_at = at}), AYF_E_DIVERGED);
        expect_message("is bad");
        assert_int_equal(ayf_file_read(ctx, path, 0, &other, &other_size), AYF_OK);
        assert_int_equal(other_size, 3);
        ayf_free(ctx, other);
    }
    assert_int_equal(write_made(path, &(maker){0}), AYF_OK);
    assert_int_equal(ayf_file_read(ctx, path, 0, &other, &other_size), AYF_OK);
    assert_int_equal(other_size, size);
    assert_memory_equal(other, bytes, size);
    ayf_free(ctx, other);
    ayf_free(ctx, bytes);
    unlink(path);
}

static void test_writer_refuses(void **state) {
    (void)state;
    const char *path = "/tmp/ayf-test-never-written";
    ayf_st_writer *w;
    float x = 0;
    assert_int_equal(ayf_st_write_begin(ctx, &w), AYF_OK);
    ayf_st_write_tensor(w, "a", AYF_ST_F32, 0, NULL, &x);
    ayf_st_write_tensor(w, "a", AYF_ST_U8, 0, NULL, &x);
    assert_int_equal(ayf_st_write_end(w, path), AYF_E_USAGE);
    expect_message("tensor \"a\" is added twice");
    assert_int_equal(ayf_st_write_begin(ctx, &w), AYF_OK);
    ayf_st_write_meta(w, "k", "1");
    ayf_st_write_meta(w, "k", "1");
    assert_int_equal(ayf_st_write_end(w, path), AYF_E_USAGE);
    expect_message("\"k\" is set twice");
    assert_int_equal(ayf_st_write_begin(ctx, &w), AYF_OK);
    assert_int_equal(ayf_st_write_tensor(w, "\xFF", AYF_ST_F32, 0, NULL, &x), AYF_E_USAGE);
    ayf_fail(ctx, AYF_E_IO, "another message");
    assert_int_equal(ayf_st_write_end(w, path), AYF_E_USAGE); /* what failed first is reported again */
    expect_message("cannot be the name of a tensor");
    assert_int_equal(ayf_st_write_begin(ctx, &w), AYF_OK);
    assert_int_equal(ayf_st_write_tensor(w, "__metadata__", AYF_ST_F32, 0, NULL, &x), AYF_E_USAGE);
    ayf_st_write_cancel(w);
    assert_int_equal(ayf_st_write_begin(ctx, &w), AYF_OK);
    assert_int_equal(ayf_st_write_tensor(w, "big", AYF_ST_F64, 2, (int64_t[]){INT64_MAX, 2}, &x),
                     AYF_E_USAGE);
    ayf_st_write_cancel(w);
    assert_false(ayf_path_exists(path));
    assert_int_equal(ayf_st_write_begin(ctx, &w), AYF_OK);
    ayf_st_write_tensor(w, "a", AYF_ST_F32, 0, NULL, &x);
    assert_int_equal(ayf_st_write_end(w, "/dev/full"), AYF_E_IO);
    expect_message("/dev/full: cannot write: No space left");
}

static void test_golden(void **state) {
    (void)state;
    static const struct {
        const char *name, *kind;
        size_t count;
    } files[] = {{"edm2_class_32", "edm2_unet", 254},
                 {"ayf_emd_class_16", "ayf_emd", 262},
                 {"sg2_uncond_16", "sg2_discriminator", 68}};
    const char *root = getenv("AYF_SOURCE_ROOT");
    for (size_t i = 0; i < AYF_COUNT(files); i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/../shared/golden/%s.safetensors", root ? root : ".", files[i].name);
        if (!ayf_path_exists(path)) {
            print_message("%s is not here\n", path);
            skip();
        }
        ayf_st *st;
        if (ayf_st_open(ctx, path, &st) != AYF_OK) fail_msg("%s", ayf_error(ctx));
        assert_string_equal(ayf_st_meta(st, "kind"), files[i].kind);
        assert_int_equal(ayf_st_count(st), files[i].count);
        for (size_t k = 0; k < ayf_st_count(st); k++)
            assert_int_equal(ayf_st_check_finite(st, ayf_st_at(st, k)->name), AYF_OK);
        ayf_st_close(st);
    }
}

static void test_header_only(void **state) {
    (void)state;
    static const char header[] = "{\"__metadata__\":{\"k\":\"v\"},\"a\":" ENTRY(
        "F32", "[2,3]", 8, 32) ",\"i\":" ENTRY("I64", "[1]", 0, 8) "}";
    enum { LENGTH = sizeof header - 1, SIZE = 8 + LENGTH + 32 };
    char path[] = "/tmp/ayf-test-XXXXXX", bytes[SIZE + 1] = {0};
    uint64_t length = LENGTH;
    close(mkstemp(path));
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, LENGTH);
    ayf_st *st;
    assert_int_equal(open_both(path, bytes, SIZE, &st), AYF_OK);
    assert_string_equal(ayf_st_meta(st, "k"), "v");
    assert_int_equal(ayf_st_count(st), 2);
    assert_int_equal(ayf_st_get(st, "a")->shape[1], 3);
    assert_null(ayf_st_get(st, "a")->data);
    float values[6];
    int64_t whole;
    assert_int_equal(ayf_st_read_f32(st, "a", values, 6), AYF_E_INTERNAL);
    expect_message("tensor \"a\": only the header of the file was read");
    assert_int_equal(ayf_st_read_i64(st, "i", &whole, 1), AYF_E_INTERNAL);
    assert_int_equal(ayf_st_check_finite(st, "a"), AYF_E_INTERNAL);
    assert_int_equal(ayf_st_read_f32(st, "b", values, 6), AYF_E_FORMAT);
    ayf_st_close(st);
    for (size_t size = 0; size <= SIZE + 1; size++) /* truncated anywhere, or with a byte too many */
        if (size != SIZE) assert_int_equal(open_both(path, bytes, size, &st), AYF_E_FORMAT);
    memset(bytes, 0xff, 8);
    assert_int_equal(open_both(path, bytes, SIZE, &st), AYF_E_FORMAT);
    unlink(path);
    assert_int_equal(ayf_st_open_header(ctx, path, &st), AYF_E_IO);
    expect_message("cannot open: No such file");
    assert_int_equal(ayf_st_open_header(ctx, "/tmp", &st), AYF_E_IO);
    expect_message("is a folder");
    assert_int_equal(ayf_st_open_header(ctx, "/dev/null", &st), AYF_E_FORMAT);
    expect_message("is a device, not a file");
}

static ayf_status round_trip(ayf_context *c, const char *path) {
    float x[2] = {1, 2};
    ayf_st_writer *w;
    AYF_TRY(ayf_st_write_begin(c, &w));
    ayf_st_write_meta(w, "key", "value");
    ayf_st_write_tensor(w, "x", AYF_ST_F32, 1, (int64_t[]){2}, x);
    AYF_TRY(ayf_st_write_end(w, path));
    ayf_st *st;
    AYF_TRY(ayf_st_open_header(c, path, &st));
    ayf_st_close(st);
    AYF_TRY(ayf_st_open(c, path, &st));
    ayf_status status = ayf_st_read_f32(st, "x", x, 2);
    ayf_st_close(st);
    return status;
}

/* Every allocation fails in turn: an error each time, nothing leaked (the sanitizers' build sees leaks). */
static void test_allocations(void **state) {
    (void)state;
    char path[] = "/tmp/ayf-test-XXXXXX";
    close(mkstemp(path));
    for (long n = 1;; n++) {
        test_memory memory = {.once = true};
        ayf_context *own = test_open(&memory);
        memory.fail_at = memory.calls + n;
        ayf_status status = round_trip(own, path);
        bool failed = memory.calls >= memory.fail_at;
        assert_int_equal(status, failed ? AYF_E_MEMORY : AYF_OK);
        ayf_close(own);
        assert_int_equal(memory.held, 0);
        if (!failed) break;
        assert_true(n < 1000);
    }
    unlink(path);
}

static int open_ctx(void **state) {
    (void)state;
    ctx = ayf_open(NULL);
    return ctx ? 0 : 1;
}

static int close_ctx(void **state) {
    (void)state;
    ayf_close(ctx);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),          cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_values),         cmocka_unit_test(test_writer),
        cmocka_unit_test(test_writer_refuses), cmocka_unit_test(test_golden),
        cmocka_unit_test(test_made),           cmocka_unit_test(test_header_only),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, open_ctx, close_ctx);
}
