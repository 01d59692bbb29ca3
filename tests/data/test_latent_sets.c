/* Data sets of latents: where each value goes, what is drawn about the means, and what is measured. */
#include "dataset_test.h"

#include "base/rng.h"
#include "data/fingerprint.h"
#include "io/npz.h"

enum { COUNT = 5, SIDE = 6, CHANNELS = 2, VALUES = SIDE * SIDE * CHANNELS };

/* Value of a latent: another one at every place. */
static float value_at(size_t index, size_t y, size_t x, size_t c) {
    return (float)index + 0.5f * (float)c + 0.01f * (float)(y * SIDE + x);
}

static float deviation_at(size_t index, size_t c) { return 0.25f * (float)(1 + c) + 0.1f * (float)index; }

static void fill(size_t index, bool planes, bool deviations, float *out) {
    for (size_t y = 0; y < SIDE; y++)
        for (size_t x = 0; x < SIDE; x++)
            for (size_t c = 0; c < CHANNELS; c++) {
                size_t pixel = y * SIDE + x;
                out[planes ? c * SIDE * SIDE + pixel : pixel * CHANNELS + c] =
                    deviations ? deviation_at(index, c) : value_at(index, y, x, c);
            }
}

static void put_npz(const char *name, bool planes) {
    static float values[COUNT * VALUES];
    int64_t labels[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        fill(i, planes, false, values + i * VALUES);
        labels[i] = (int64_t)(i % 3);
    }
    ayf_npz_member members[2] = {
        {.key = "arr_0",
         .array = {.type = AYF_NPY_F32, .rank = 4, .shape = {COUNT, SIDE, SIDE, CHANNELS}, .data = values}},
        {.key = "arr_1", .array = {.type = AYF_NPY_I64, .rank = 1, .shape = {COUNT}, .data = labels}}};
    if (planes) memcpy(members[0].array.shape, (size_t[]){COUNT, CHANNELS, SIDE, SIDE}, 4 * sizeof(size_t));
    assert_int_equal(ayf_npz_write(ctx, in_folder(name), members, 2), AYF_OK);
}

/* As EDM2's dataset_tool.py: means, then deviations. */
static void put_encoded(const char *folder) {
    char header[AYF_NPY_WRITTEN_MOST], bytes[sizeof header + 2 * VALUES * sizeof(float)], name[64];
    mkdir(in_folder(folder), 0700);
    for (size_t i = 0; i < COUNT; i++) {
        float values[2 * VALUES];
        ayf_npy array = {.type = AYF_NPY_F32, .rank = 3, .shape = {2 * CHANNELS, SIDE, SIDE}};
        size_t length = ayf_npy_write_header(&array, header);
        fill(i, true, false, values);
        fill(i, true, true, values + VALUES);
        memcpy(bytes, header, length);
        memcpy(bytes + length, values, sizeof values);
        snprintf(name, sizeof name, "%s/img-mean-std-%08zu.npy", folder, i);
        put_file(name, bytes, length + sizeof values);
    }
}

static void expect_means(ayf_dataset *data, size_t index, double scale[CHANNELS], double mean[CHANNELS]) {
    float got[VALUES];
    assert_int_equal(ayf_dataset_get(data, index, true, got, NULL), AYF_OK);
    for (size_t i = 0; i < VALUES; i++) {
        size_t c = i % CHANNELS, pixel = i / CHANNELS;
        double wanted = ((double)value_at(index, pixel / SIDE, pixel % SIDE, c) - mean[c]) / scale[c];
        assert_true(fabs((double)got[i] - wanted) < 1e-6);
    }
}

static void values_are_where_they_belong(void **state) {
    (void)state;
    put_npz("last.npz", false);
    put_npz("first.npz", true);
    put_encoded("encoded");
    static const char *const names[] = {"last.npz", "first.npz", "encoded"};
    for (size_t k = 0; k < 3; k++) {
        bool npz = k < 2;
        ayf_dataset *data = open_spec((ayf_dataset_spec){.source = in_folder(names[k]), .labels = npz});
        const ayf_dataset_info *info = ayf_dataset_info_of(data);
        assert_int_equal(info->count, COUNT);
        assert_int_equal(info->height, SIDE);
        assert_int_equal(info->channels, CHANNELS);
        assert_int_equal(info->classes, npz ? 3 : 0);
        assert_true(info->latents);
        assert_int_equal(info->spread, !npz);
        for (size_t i = 0; i < COUNT; i++) expect_means(data, i, (double[]){1, 1}, (double[]){0, 0});
        ayf_reals mean = {2, {0.5, -1}}, scale = {2, {4, 0.5}};
        assert_int_equal(ayf_dataset_scale(data, &mean, &scale), AYF_OK);
        for (size_t i = 0; i < COUNT; i++) expect_means(data, i, scale.at, mean.at);
        scale.at[1] = 0;
        assert_int_equal(ayf_dataset_scale(data, &mean, &scale), AYF_E_USAGE);
        scale.count = 1;
        assert_int_equal(ayf_dataset_scale(data, &mean, &scale), AYF_E_USAGE);
        ayf_dataset_close(data);
    }
}

/* By their formulas, over all values and both parts of the variance. */
static void what_is_measured(void **state) {
    (void)state;
    put_encoded("encoded");
    ayf_dataset *data = open_spec((ayf_dataset_spec){.source = in_folder("encoded")});
    ayf_reals mean, deviation, scale = {2, {2, 3}};
    double wanted[CHANNELS] = {0}, squares[CHANNELS] = {0}, n = COUNT * SIDE * SIDE, sigma, common;
    for (size_t i = 0; i < COUNT; i++)
        for (size_t p = 0; p < SIDE * SIDE; p++)
            for (size_t c = 0; c < CHANNELS; c++) {
                double v = (double)value_at(i, p / SIDE, p % SIDE, c), s = (double)deviation_at(i, c);
                wanted[c] += v / n;
                squares[c] += (v * v + s * s) / n;
            }
    assert_int_equal(ayf_dataset_channels(data, &mean, &deviation), AYF_OK);
    double variance[CHANNELS], all = 0;
    for (size_t c = 0; c < CHANNELS; c++) {
        variance[c] = squares[c] - wanted[c] * wanted[c];
        assert_true(fabs(mean.at[c] - wanted[c]) < 1e-6);
        assert_true(fabs(deviation.at[c] - sqrt(variance[c])) < 1e-6);
        all += variance[c] / (scale.at[c] * scale.at[c]) / CHANNELS;
    }
    /* About the right means, nothing but the variances of the channels is left. */
    assert_int_equal(ayf_dataset_scale(data, &mean, &scale), AYF_OK);
    assert_int_equal(ayf_dataset_sigma(data, &sigma), AYF_OK);
    assert_int_equal(ayf_dataset_mean(data, &common), AYF_OK);
    assert_true(fabs(sigma - sqrt(all)) < 1e-6);
    assert_true(fabs(common) < 1e-6);
    ayf_dataset_close(data);
}

/* Every visit draws from the normal distribution of a latent, by numbers of its own. */
static void visits_draw_about_the_means(void **state) {
    (void)state;
    enum { VISITS = 400 };
    put_encoded("encoded");
    ayf_dataset *data = open_spec((ayf_dataset_spec){.source = in_folder("encoded")});
    double sum[CHANNELS] = {0}, squares[CHANNELS] = {0}, n = (double)VISITS * COUNT * SIDE * SIDE;
    for (uint64_t first = 0; first < (uint64_t)VISITS * COUNT; first += COUNT) {
        float got[COUNT * VALUES], again[VALUES];
        assert_int_equal(ayf_dataset_batch(data, 7, first, COUNT, got, NULL), AYF_OK);
        assert_int_equal(ayf_dataset_batch(data, 7, first + 2, 1, again, NULL), AYF_OK);
        assert_memory_equal(again, got + 2 * VALUES, sizeof again); /* in whatever batch it is drawn */
        for (size_t k = 0; k < COUNT; k++) {
            ayf_rng_key order = {.seed = 7, .purpose = AYF_RNG_ORDER, .step = first / COUNT};
            size_t index = (size_t)ayf_rng_permute(order, k, COUNT);
            for (size_t i = 0; i < VALUES; i++) {
                size_t c = i % CHANNELS, p = i / CHANNELS;
                double z = ((double)got[k * VALUES + i] - (double)value_at(index, p / SIDE, p % SIDE, c)) /
                           (double)deviation_at(index, c);
                sum[c] += z / n;
                squares[c] += z * z / n;
            }
        }
    }
    for (size_t c = 0; c < CHANNELS; c++) {
        assert_true(fabs(sum[c]) < 5 / sqrt(n));
        assert_true(fabs(squares[c] - 1) < 5 * sqrt(2 / n));
    }
    float a[VALUES], b[VALUES];
    assert_int_equal(ayf_dataset_batch(data, 7, 0, 1, a, NULL), AYF_OK);
    assert_int_equal(ayf_dataset_batch(data, 8, 0, 1, b, NULL), AYF_OK);
    assert_memory_not_equal(a, b, sizeof a);
    ayf_dataset_close(data);
}

/* What does not fit in memory is read when it is used, and is the same. */
static void kept_or_not(void **state) {
    (void)state;
    put_encoded("encoded");
    ayf_dataset *kept = open_spec((ayf_dataset_spec){.source = in_folder("encoded")});
    ayf_dataset *read = open_spec((ayf_dataset_spec){.source = in_folder("encoded"), .memory = 100});
    float a[COUNT * VALUES], b[COUNT * VALUES];
    ayf_fingerprint of_kept, of_read;
    assert_int_equal(ayf_dataset_bytes(kept), COUNT * 2 * VALUES * sizeof(float));
    assert_true(ayf_dataset_bytes(read) < 100);
    assert_int_equal(ayf_dataset_batch(kept, 3, 2, COUNT, a, NULL), AYF_OK);
    assert_int_equal(ayf_dataset_batch(read, 3, 2, COUNT, b, NULL), AYF_OK);
    assert_memory_equal(a, b, sizeof a);
    assert_int_equal(ayf_dataset_fingerprint(kept, &of_kept), AYF_OK);
    ayf_reals mean = {2, {1, 1}}, scale = {2, {3, 3}};
    assert_int_equal(ayf_dataset_scale(read, &mean, &scale), AYF_OK); /* says nothing about the data */
    assert_int_equal(ayf_dataset_fingerprint(read, &of_read), AYF_OK);
    assert_int_equal(of_kept.content, of_read.content);
    ayf_dataset_close(kept);
    ayf_dataset_close(read);
}

static void classes_of_the_network(void **state) {
    (void)state;
    put_npz("some.npz", false);
    ayf_dataset_spec spec = {
        .source = in_folder("some.npz"), .labels = true, .latents = 2, .latent_classes = 10};
    ayf_dataset *data = open_spec(spec);
    assert_int_equal(ayf_dataset_info_of(data)->classes, 10);
    ayf_dataset_close(data);
    spec.latent_classes = 2;
    expect_failure(spec, AYF_E_FORMAT, "label 2 is out of the range 0 to 1", NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ROW(values_are_where_they_belong), ROW(what_is_measured),
        ROW(visits_draw_about_the_means),  ROW(kept_or_not),
        ROW(classes_of_the_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
