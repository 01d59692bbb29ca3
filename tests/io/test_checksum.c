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

/* ---- Values that stay in the file ---- */

static void write_types(const char *path) {
    static const uint16_t half[] = {0x3c00, 0xc100, 0x0001}, brain[] = {0x3f80, 0xc020, 0x0001};
    static const double real[] = {1, -0.1, 1e-3};
    static const float single[] = {1, -0.1f, 1e-3f};
    static const int64_t whole[] = {1, -2, 3};
    const int64_t shape[] = {3};
    ayf_st_writer *w;
    assert_int_equal(ayf_st_write_begin(ctx, &w), AYF_OK);
    assert_int_equal(ayf_st_write_tensor(w, "half", AYF_ST_F16, 1, shape, half), AYF_OK);
    assert_int_equal(ayf_st_write_tensor(w, "brain", AYF_ST_BF16, 1, shape, brain), AYF_OK);
    assert_int_equal(ayf_st_write_tensor(w, "real", AYF_ST_F64, 1, shape, real), AYF_OK);
    assert_int_equal(ayf_st_write_tensor(w, "single", AYF_ST_F32, 1, shape, single), AYF_OK);
    assert_int_equal(ayf_st_write_tensor(w, "whole", AYF_ST_I64, 1, shape, whole), AYF_OK);
    assert_int_equal(ayf_st_write_end(w, path), AYF_OK);
}

/* They are the same as those in memory, in any order, and the file may be removed. */
static void test_read_anew(void **state) {
    (void)state;
    char path[] = "/tmp/ayf-test-XXXXXX";
    close(mkstemp(path));
    write_types(path);
    ayf_st *kept, *left;
    assert_int_equal(ayf_st_open(ctx, path, &kept), AYF_OK);
    assert_int_equal(ayf_st_open_values(ctx, path, &left), AYF_OK);
    assert_true(ayf_st_reads_anew(left) && !ayf_st_reads_anew(kept));
    unlink(path);
    assert_ptr_equal(ayf_st_share(left), left);
    ayf_st_close(left);
    for (size_t i = 2 * ayf_st_count(kept); i-- > 0;) {
        const ayf_st_tensor *t = ayf_st_at(kept, i % ayf_st_count(kept));
        float want[3], got[3];
        int64_t want_whole[3], got_whole[3];
        assert_null(ayf_st_get(left, t->name)->data);
        if (t->dtype == AYF_ST_I64) {
            assert_int_equal(ayf_st_read_i64(kept, t->name, want_whole, 3), AYF_OK);
            assert_int_equal(ayf_st_read_i64(left, t->name, got_whole, 3), AYF_OK);
            assert_memory_equal(got_whole, want_whole, sizeof want_whole);
            assert_int_equal(ayf_st_read_f32(left, t->name, got, 3), AYF_E_FORMAT);
            continue;
        }
        assert_int_equal(ayf_st_read_f32(kept, t->name, want, 3), AYF_OK);
        assert_int_equal(ayf_st_read_f32(left, t->name, got, 3), AYF_OK);
        assert_memory_equal(got, want, sizeof want);
        assert_int_equal(ayf_st_check_finite(left, t->name), AYF_OK);
        assert_int_equal(ayf_st_read_f32(left, t->name, got, 2), AYF_E_FORMAT);
    }
    ayf_st_close(left);
    ayf_st_close(kept);
}

/* Damage shows when the tensor is read, in the words of ayf_st_open(). */
static void test_damage_read_anew(void **state) {
    (void)state;
    char path[] = "/tmp/ayf-test-XXXXXX", said[512];
    float values[6];
    close(mkstemp(path));
    size_t size;
    char *bytes = written(&size);
    bytes[size - 1] ^= 1;
    assert_int_equal(ayf_file_write(ctx, path, bytes, size), AYF_OK);
    ayf_st *st;
    assert_int_equal(ayf_st_open(ctx, path, &st), AYF_E_FORMAT);
    snprintf(said, sizeof said, "%s", ayf_error(ctx));
    assert_int_equal(ayf_st_open_values(ctx, path, &st), AYF_OK);
    assert_int_equal(ayf_st_read_f32(st, "weights", values, 6), AYF_E_FORMAT);
    assert_string_equal(ayf_error(ctx), said);
    ayf_st_close(st);
    ayf_free(ctx, bytes);
    unlink(path);
}

/* Written over while it is open: no value of the new file is taken for one of the old. A file that takes its place is
 * not seen. */
static void test_changed(void **state) {
    (void)state;
    for (int sums = 0; sums < 2; sums++) {
        char path[] = "/tmp/ayf-test-XXXXXX";
        float first[6], again[6];
        close(mkstemp(path));
        size_t size;
        char *bytes = written(&size);
        for (int i = 0; i < 2 && !sums; i++) memcpy(memmem(bytes, size, "crc32", 5), "other", 5);
        assert_int_equal(ayf_file_write(ctx, path, bytes, size), AYF_OK);
        ayf_st *st;
        assert_int_equal(ayf_st_open_values(ctx, path, &st), AYF_OK);
        assert_int_equal(ayf_st_read_f32(st, "weights", first, 6), AYF_OK);
        bytes[size - 1] ^= 1;
        assert_int_equal(ayf_file_write(ctx, path, bytes, size), AYF_OK); /* in its place */
        assert_int_equal(ayf_st_read_f32(st, "weights", again, 6), AYF_OK);
        assert_memory_equal(again, first, sizeof first);
        ayf_st_close(st);

        bytes[size - 1] ^= 1;
        assert_int_equal(ayf_file_write(ctx, path, bytes, size), AYF_OK);
        assert_int_equal(ayf_st_open_values(ctx, path, &st), AYF_OK);
        assert_int_equal(ayf_st_read_f32(st, "weights", first, 6), AYF_OK);
        FILE *over = fopen(path, "r+b");
        bytes[size - 1] ^= 1;
        assert_int_equal(fwrite(bytes, 1, size, over), size);
        fclose(over);
        assert_int_equal(ayf_st_read_f32(st, "weights", again, 6), AYF_E_FORMAT);
        assert_non_null(
            strstr(ayf_error(ctx), "tensor \"weights\": the file was changed while it was in use"));
        assert_int_equal(truncate(path, (off_t)size - 1), 0);
        assert_int_equal(ayf_st_read_f32(st, "weights", again, 6), AYF_E_FORMAT);
        assert_non_null(strstr(ayf_error(ctx), "became shorter"));
        ayf_st_close(st);
        ayf_free(ctx, bytes);
        unlink(path);
    }
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
        cmocka_unit_test(test_every_bit),   cmocka_unit_test(test_stretches),
        cmocka_unit_test(test_header_only), cmocka_unit_test(test_without),
        cmocka_unit_test(test_read_anew),   cmocka_unit_test(test_damage_read_anew),
        cmocka_unit_test(test_changed)};
    return cmocka_run_group_tests(tests, open_ctx, close_ctx);
}
