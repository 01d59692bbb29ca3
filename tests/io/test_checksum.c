/* The checksums of safetensors files: no damaged bit passes, and files without checksums are read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/file.h"
#include "io/safetensors.h"

static ayf_context *ctx;

/* A file of three tensors, one of them empty, as ayf writes it. */
static char *written(size_t *size) {
    static const float values[] = {1, -2, 0.5f, 3e8f, 0, 7};
    static const int64_t whole[] = {-1, 42};
    char path[] = "/tmp/ayf-test-XXXXXX";
    close(mkstemp(path));
    ayf_st_writer *w;
    assert_int_equal(ayf_st_write_begin(ctx, &w), AYF_OK);
    assert_int_equal(ayf_st_write_tensor(w, "weights", AYF_ST_F32, 2, (int64_t[]){2, 3}, values), AYF_OK);
    assert_int_equal(ayf_st_write_tensor(w, "step", AYF_ST_I64, 1, (int64_t[]){2}, whole), AYF_OK);
    assert_int_equal(ayf_st_write_tensor(w, "none", AYF_ST_F32, 1, (int64_t[]){0}, values), AYF_OK);
    assert_int_equal(ayf_st_write_meta(w, "role", "teacher"), AYF_OK);
    assert_int_equal(ayf_st_write_end(w, path), AYF_OK);
    void *bytes;
    assert_int_equal(ayf_file_read(ctx, path, 0, &bytes, size), AYF_OK);
    unlink(path);
    return bytes;
}

static ayf_status parse(const char *bytes, size_t size) {
    ayf_st *st;
    ayf_status status = ayf_st_parse(ctx, "f.st", bytes, size, &st);
    ayf_st_close(st);
    return status;
}

static void test_every_bit(void **state) {
    (void)state;
    size_t size;
    char *bytes = written(&size);
    assert_int_equal(parse(bytes, size), AYF_OK);
    for (size_t at = 0; at < size; at++)
        for (int bit = 0; bit < 8; bit++) {
            bytes[at] = (char)(bytes[at] ^ 1 << bit);
            if (parse(bytes, size) != AYF_E_FORMAT) fail_msg("bit %d of byte %zu is not missed", bit, at);
            bytes[at] = (char)(bytes[at] ^ 1 << bit);
        }
    ayf_free(ctx, bytes);
}

/* Stretches of zeros, as of blocks that a file system has lost. */
static void test_stretches(void **state) {
    (void)state;
    size_t size;
    char *bytes = written(&size), *copy = malloc(size);
    for (size_t length = 2; length < size; length = length * 3 / 2)
        for (size_t at = 0; at + length <= size; at += 1 + length / 2) {
            memcpy(copy, bytes, size);
            memset(copy + at, 0, length);
            if (memcmp(copy, bytes, size) != 0) assert_int_equal(parse(copy, size), AYF_E_FORMAT);
        }
    free(copy);
    ayf_free(ctx, bytes);
}

/* The header alone is compared when it is read alone. */
static void test_header_only(void **state) {
    (void)state;
    char path[] = "/tmp/ayf-test-XXXXXX";
    close(mkstemp(path));
    size_t size;
    char *bytes = written(&size), *role = memmem(bytes, size, "teacher", 7);
    ayf_st *st;
    bytes[size - 1] ^= 1;
    assert_int_equal(ayf_file_write(ctx, path, bytes, size), AYF_OK);
    assert_int_equal(ayf_st_open_header(ctx, path, &st), AYF_OK);
    ayf_st_close(st);
    *role = 'r';
    assert_int_equal(ayf_file_write(ctx, path, bytes, size), AYF_OK);
    assert_int_equal(ayf_st_open_header(ctx, path, &st), AYF_E_FORMAT);
    assert_non_null(strstr(ayf_error(ctx), "is damaged"));
    ayf_free(ctx, bytes);
    unlink(path);
}

/* Other programs and earlier versions write none. */
static void test_without(void **state) {
    (void)state;
    size_t size;
    char *bytes = written(&size);
    memcpy(memmem(bytes, size, "crc32", 5), "other", 5);
    assert_int_equal(parse(bytes, size), AYF_E_FORMAT); /* half of it is damage */
    memcpy(memmem(bytes, size, "crc32", 5), "other", 5);
    bytes[size - 1] ^= 1;
    assert_int_equal(parse(bytes, size), AYF_OK);
    ayf_free(ctx, bytes);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_bit), cmocka_unit_test(test_stretches),
                                       cmocka_unit_test(test_header_only), cmocka_unit_test(test_without)};
    return cmocka_run_group_tests(tests, open_ctx, close_ctx);
}
