/* io/npy.h and io/npz.h against files that NumPy wrote (tests/fixtures/npz.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "folder_fixture.h"
#include "io/file.h"
#include "io/npz.h"
#include "test_context.h"

static const char *fixture(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/tests/fixtures/npz/%s", getenv("AYF_SOURCE_ROOT"), name);
    return path;
}

static void expect_message(const char *part) {
    if (!strstr(ayf_error(ctx), part)) fail_msg("message \"%s\" does not hold \"%s\"", ayf_error(ctx), part);
}

static void expect_numbers(ayf_npz *file, const char *key, ayf_npy_type type, int rank, const size_t *shape,
                           const double *values) {
    ayf_npy array, look;
    assert_int_equal(ayf_npz_look(file, key, &look), AYF_OK);
    assert_int_equal(ayf_npz_read(file, key, 1 << 20, &array), AYF_OK);
    assert_int_equal(array.type, type);
    assert_int_equal(array.rank, rank);
    assert_null(look.data);
    size_t count = 1;
    for (int i = 0; i < rank; i++) {
        assert_int_equal(array.shape[i], shape[i]);
        assert_int_equal(look.shape[i], shape[i]);
        count *= shape[i];
    }
    assert_int_equal(array.count, count);
    for (size_t i = 0; i < count; i++)
        if (ayf_npy_number(&array, i) != values[i])
            fail_msg("%s[%zu] = %.17g, not %.17g", key, i, ayf_npy_number(&array, i), values[i]);
    ayf_npy_clear(ctx, &array);
}

static void expect_good(const char *path) {
    const double mu[] = {1.5, -2.25, 1e-300}, sigma[] = {2, 0.5, 0, 0.5, 1, 0, 0, 0, 0.25};
    const double labels[] = {3, 1099511627776.0}, single = (double)0.1f, small[] = {-7, 8};
    double pixels[24];
    for (int i = 0; i < 24; i++) pixels[i] = i;
    ayf_npz *file;
    assert_int_equal(ayf_npz_open(ctx, path, &file), AYF_OK);
    expect_numbers(file, "mu", AYF_NPY_F64, 1, (size_t[]){3}, mu);
    expect_numbers(file, "sigma", AYF_NPY_F64, 2, (size_t[]){3, 3}, sigma);
    expect_numbers(file, "arr_0", AYF_NPY_U8, 4, (size_t[]){2, 2, 2, 3}, pixels);
    expect_numbers(file, "arr_1", AYF_NPY_I64, 1, (size_t[]){2}, labels);
    expect_numbers(file, "single", AYF_NPY_F32, 0, NULL, &single);
    expect_numbers(file, "small", AYF_NPY_I32, 2, (size_t[]){1, 2}, small);
    expect_numbers(file, "empty", AYF_NPY_F32, 2, (size_t[]){0, 4}, NULL);
    assert_true(ayf_npz_has(file, "mu"));
    assert_false(ayf_npz_has(file, "mean"));
    ayf_npz_close(file);
}

static void test_what_numpy_writes(void **state) {
    (void)state;
    expect_good(fixture("stored.npz"));
    expect_good(fixture("packed.npz"));
}

static void test_the_longer_header(void **state) {
    (void)state;
    void *bytes;
    size_t size, header;
    ayf_npy array;
    assert_int_equal(ayf_file_read(ctx, fixture("second.npy"), 0, &bytes, &size), AYF_OK);
    assert_int_equal(ayf_npy_header(ctx, "second.npy", bytes, size, &array, &header), AYF_OK);
    assert_int_equal(array.type, AYF_NPY_F64);
    assert_int_equal(array.bytes, size - header);
    ayf_free(ctx, bytes);
}

static void test_refused_types(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"fortran", "'fortran': lies in Fortran order, which is not read; save numpy.ascontiguousarray"},
        {"objects", "'objects': holds pickled Python objects (NumPy type '|O'), which are never read"},
        {"half", "'half': has the NumPy type '<f2'"},
        {"big", "'big': has the NumPy type '>f8'"},
        {"flags", "'flags': has the NumPy type '|b1'"},
        {"text", "'text': has the NumPy type '<U3'"},
        {"record", "'record': is a NumPy array of records"},
        {"deep", "'deep': has more than the 8 dimensions"},
        {"none", "has no array 'none'; it holds fortran, objects, half"}};
    ayf_npz *file;
    ayf_npy array;
    assert_int_equal(ayf_npz_open(ctx, fixture("refused.npz"), &file), AYF_OK);
    for (size_t i = 0; i < AYF_COUNT(cases); i++) {
        assert_int_equal(ayf_npz_read(file, cases[i][0], 1 << 20, &array), AYF_E_FORMAT);
        assert_null(array.data);
        expect_message(cases[i][1]);
        expect_message("refused.npz");
    }
    ayf_npz_close(file);
}

static void test_other_files(void **state) {
    (void)state;
    ayf_npz *file;
    ayf_npy array;
    assert_int_equal(ayf_npz_open(ctx, fixture("dict.npy"), &file), AYF_E_FORMAT);
    expect_message("cannot be read as a NumPy archive");
    assert_int_equal(ayf_npz_open(ctx, in_folder("none.npz"), &file), AYF_E_IO);
    assert_int_equal(ayf_npz_open(ctx, folder, &file), AYF_E_IO);
    expect_message("is a folder");
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    assert_int_equal(ayf_npz_open(ctx, in_folder("pipe"), &file), AYF_E_FORMAT);
    expect_message("is a pipe, not a file");
    assert_int_equal(ayf_npz_open(ctx, fixture("text.npz"), &file), AYF_OK);
    assert_int_equal(ayf_npz_read(file, "mu", 1 << 20, &array), AYF_E_FORMAT);
    expect_message("'mu': is not a NumPy array");
    ayf_npz_close(file);
}

static void test_limit(void **state) {
    (void)state;
    ayf_npz *file;
    ayf_npy array;
    assert_int_equal(ayf_npz_open(ctx, fixture("stored.npz"), &file), AYF_OK);
    assert_int_equal(ayf_npz_read(file, "sigma", 71, &array), AYF_E_FORMAT);
    expect_message("'sigma': has 72 bytes, which is too large: at most 71");
    assert_int_equal(ayf_npz_read(file, "sigma", 72, &array), AYF_OK);
    ayf_npy_clear(ctx, &array);
    ayf_npz_close(file);
}

/* Headers that NumPy does not write. */
static void test_hostile_headers(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "{",
        "{}",
        "{'descr': '<f4'}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'shape': (4,)}",
        "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (3,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} more",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2305843009213693952,)}",
        "{'shape': (4611686018427387904,), 'descr': '<f8', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '\033[31m', 'fortran_order': False, 'shape': (1,)}",
        "{'other': 1, 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}"};
    char bytes[256] = "\x93NUMPY\x01";
    ayf_npy array;
    size_t header;
    for (size_t i = 0; i < AYF_COUNT(texts); i++) {
        size_t length = strlen(texts[i]);
        bytes[7] = 0, bytes[8] = (char)length, bytes[9] = 0;
        memcpy(bytes + 10, texts[i], length);
        assert_int_equal(ayf_npy_header(ctx, "x", bytes, sizeof bytes, &array, &header), AYF_E_FORMAT);
        expect_message("x: ");
        assert_null(strchr(ayf_error(ctx), '\033'));
    }
    const char *good = "{\"shape\":(2,3),\"fortran_order\":False,\"descr\":\"<i4\"}";
    bytes[8] = (char)strlen(good);
    memcpy(bytes + 10, good, strlen(good));
    assert_int_equal(ayf_npy_header(ctx, "x", bytes, sizeof bytes, &array, &header), AYF_OK);
    assert_int_equal(array.bytes, 24);
    assert_int_equal(ayf_npy_header(ctx, "x", bytes, header - 1, &array, &header), AYF_E_FORMAT);
    bytes[6] = 2, bytes[10] = 127, bytes[11] = 127;
    assert_int_equal(ayf_npy_header(ctx, "x", bytes, sizeof bytes, &array, &header), AYF_E_FORMAT);
    expect_message("at most 65536 are read");
    bytes[6] = 4;
    assert_int_equal(ayf_npy_header(ctx, "x", bytes, sizeof bytes, &array, &header), AYF_E_FORMAT);
    expect_message("version 4");
}

static void test_damage(void **state) {
    (void)state;
    unsigned char *bytes;
    size_t size;
    assert_int_equal(ayf_file_read(ctx, fixture("stored.npz"), 0, (void **)&bytes, &size), AYF_OK);
    /* The first value of mu lies behind a local header of 30 bytes, its name, an extra field and 128 bytes. */
    for (size_t at = 30; at < size; at++)
        if (memcmp(bytes + at, &(double){1.5}, sizeof(double)) == 0) {
            bytes[at] ^= 1;
            break;
        }
    assert_int_equal(ayf_file_write(ctx, in_folder("damaged.npz"), bytes, size), AYF_OK);
    ayf_npz *file;
    ayf_npy array;
    assert_int_equal(ayf_npz_open(ctx, in_folder("damaged.npz"), &file), AYF_OK);
    assert_int_equal(ayf_npz_read(file, "mu", 1 << 20, &array), AYF_E_FORMAT);
    expect_message("'mu': damaged in the ZIP");
    ayf_npz_close(file);
    ayf_free(ctx, bytes);
}

/* Every prefix of a file is refused or read, and nothing else happens. */
static void test_cut_off(void **state) {
    (void)state;
    void *bytes;
    size_t size;
    assert_int_equal(ayf_file_read(ctx, fixture("packed.npz"), 0, &bytes, &size), AYF_OK);
    for (size_t length = 0; length < size; length += 13) {
        ayf_npz *file;
        assert_int_equal(ayf_file_write(ctx, in_folder("cut.npz"), bytes, length), AYF_OK);
        assert_int_equal(ayf_npz_open(ctx, in_folder("cut.npz"), &file), AYF_E_FORMAT);
    }
    ayf_free(ctx, bytes);
}

static void write_some(const char *path) {
    static const double mu[] = {1.5, -2.25, 1e-300}, sigma[] = {2, 0.5, 0, 0.5, 1, 0, 0, 0, 0.25};
    static const int64_t labels[] = {3, 1099511627776};
    static const float single = 0.1f;
    static const int32_t small[] = {-7, 8};
    static uint8_t pixels[24];
    for (int i = 0; i < 24; i++) pixels[i] = (uint8_t)i;
    const ayf_npz_member members[] = {
        {"mu", {.type = AYF_NPY_F64, .rank = 1, .shape = {3}, .data = (void *)(uintptr_t)mu}},
        {"sigma", {.type = AYF_NPY_F64, .rank = 2, .shape = {3, 3}, .data = (void *)(uintptr_t)sigma}},
        {"arr_0", {.type = AYF_NPY_U8, .rank = 4, .shape = {2, 2, 2, 3}, .data = pixels}},
        {"arr_1", {.type = AYF_NPY_I64, .rank = 1, .shape = {2}, .data = (void *)(uintptr_t)labels}},
        {"single", {.type = AYF_NPY_F32, .data = (void *)(uintptr_t)&single}},
        {"small", {.type = AYF_NPY_I32, .rank = 2, .shape = {1, 2}, .data = (void *)(uintptr_t)small}},
        {"empty", {.type = AYF_NPY_F32, .rank = 2, .shape = {0, 4}}}};
    assert_int_equal(ayf_npz_write(ctx, path, members, AYF_COUNT(members)), AYF_OK);
}

/* The members that NumPy wrote, byte by byte, and the same file twice. */
static void test_writing(void **state) {
    (void)state;
    write_some(in_folder("a.npz"));
    expect_good(in_folder("a.npz"));
    write_some(in_folder("b.npz"));
    void *a, *b;
    size_t a_size, b_size;
    assert_int_equal(ayf_file_read(ctx, in_folder("a.npz"), 0, &a, &a_size), AYF_OK);
    assert_int_equal(ayf_file_read(ctx, in_folder("b.npz"), 0, &b, &b_size), AYF_OK);
    assert_int_equal(a_size, b_size);
    assert_memory_equal(a, b, a_size);
    ayf_free(ctx, b);
    unsigned char *numpy;
    size_t header = 128;
    assert_int_equal(ayf_file_read(ctx, fixture("second.npy"), 0, (void **)&numpy, &b_size), AYF_OK);
    char written[AYF_NPY_WRITTEN_MOST];
    ayf_npy mu = {.type = AYF_NPY_F64, .rank = 1, .shape = {3}};
    assert_int_equal(ayf_npy_write_header(&mu, written), header);
    /* second.npy has the same text behind a length of four bytes. */
    assert_memory_equal(written + 10, numpy + 12, 58);
    ayf_free(ctx, numpy);
    ayf_free(ctx, a);
    assert_int_equal(entries(folder), 2);
}

static void test_writing_fails(void **state) {
    (void)state;
    double one = 1;
    ayf_npz_member member = {"x", {.type = AYF_NPY_F64, .rank = 1, .shape = {1}, .data = &one}};
    assert_int_equal(ayf_npz_write(ctx, in_folder("none/x.npz"), &member, 1), AYF_E_IO);
    expect_message("none/x.npz");
    member.array.rank = 2;
    member.array.shape[0] = member.array.shape[1] = SIZE_MAX / 2;
    assert_int_equal(ayf_npz_write(ctx, in_folder("x.npz"), &member, 1), AYF_E_MEMORY);
    assert_int_equal(entries(folder), 0);
}

static void test_no_memory(void **state) {
    (void)state;
    for (long n = 1;; n++) {
        test_memory memory = {.fail_at = n};
        ayf_context *poor = test_open(&memory);
        if (!poor) continue;
        ayf_npz *file;
        ayf_npy array = {0};
        ayf_status status = ayf_npz_open(poor, fixture("stored.npz"), &file);
        if (status == AYF_OK) {
            status = ayf_npz_read(file, "sigma", 1 << 20, &array);
            ayf_npz_close(file);
        }
        ayf_npz_member member = {"sigma", array};
        if (status == AYF_OK) status = ayf_npz_write(poor, in_folder("y.npz"), &member, 1);
        ayf_npy_clear(poor, &array);
        ayf_close(poor);
        assert_int_equal(memory.held, 0);
        if (status == AYF_OK) break;
        assert_int_equal(status, AYF_E_MEMORY);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_what_numpy_writes),
                                       TEST(test_the_longer_header),
                                       TEST(test_refused_types),
                                       TEST(test_other_files),
                                       TEST(test_limit),
                                       TEST(test_hostile_headers),
                                       TEST(test_damage),
                                       TEST(test_cut_off),
                                       TEST(test_writing),
                                       TEST(test_writing_fails),
                                       TEST(test_no_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
