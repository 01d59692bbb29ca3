/* Data sets: order of samples, flips, built-in sets. */
#include "dataset_test.h"

#include "base/rng.h"
#include "data/points.h"
#include "data/shapes.h"

static void epochs_visit_everything_once(void **state) {
    (void)state;
    for (int i = 0; i < 13; i++) {
        char name[32];
        snprintf(name, sizeof name, "%02d.png", i);
        put_png(name, 2, 2, 1, i * 10);
    }
    ayf_dataset *data = open_spec((ayf_dataset_spec){.source = fixture_folder});
    float batch[13 * 4], part[6 * 4];
    int different = 0, first[13];
    for (uint64_t epoch = 0; epoch < 3; epoch++) {
        int seen[13] = {0};
        assert_int_equal(ayf_dataset_batch(data, 5, epoch * 13, 13, batch, NULL), AYF_OK);
        for (int k = 0; k < 13; k++) {
            int index = (int)lround((batch[4 * k] + 1) * 127.5 / 10);
            assert_in_range(index, 0, 12);
            assert_value(batch[4 * k], index * 10);
            seen[index]++;
            if (epoch == 0) first[k] = index;
            different += index != first[k];
        }
        for (int k = 0; k < 13; k++) assert_int_equal(seen[k], 1);
    }
    assert_true(different > 13);
    /* Whatever the batch a sample comes in, across epochs too. */
    assert_int_equal(ayf_dataset_batch(data, 5, 2 * 13 + 7, 6, part, NULL), AYF_OK);
    assert_memory_equal(part, batch + 7 * 4, sizeof part);
    ayf_dataset_close(data);
}

static void flips_are_fair_and_repeatable(void **state) {
    (void)state;
    unsigned char pixels[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    blob b = make_png(4, 2, PNG_COLOR_TYPE_GRAY, 8, 0, 0, pixels);
    put_file("a.png", b.bytes, b.size);
    free(b.bytes);
    ayf_dataset *data = open_spec((ayf_dataset_spec){.source = fixture_folder, .mirror = true});
    enum { N = 4000 };
    float *batch = malloc(sizeof(float) * N * 8);
    assert_int_equal(ayf_dataset_batch(data, 1, 0, N, batch, NULL), AYF_OK);
    int flipped = 0;
    for (uint64_t k = 0; k < N; k++) {
        uint32_t word;
        ayf_rng_bits((ayf_rng_key){.seed = 1, .purpose = AYF_RNG_AUGMENT, .sample = k}, &word, 1);
        for (int i = 0; i < 8; i++)
            assert_value(batch[8 * k + (uint64_t)i], word & 1 ? i / 4 * 4 + 3 - i % 4 : i);
        flipped += (int)(word & 1);
    }
    assert_in_range(flipped, N / 2 - 160, N / 2 + 160); /* 5 standard deviations */
    free(batch);
    ayf_dataset_close(data);
}

static void points_have_unit_deviation(void **state) {
    (void)state;
    const char *names[] = {"builtin:ring", "builtin:checkerboard", "builtin:moons", "builtin:spirals"};
    const int classes[] = {8, 8, 2, 2};
    enum { N = 200000 };
    for (int k = 0; k < 4; k++) {
        ayf_dataset *data = open_spec((ayf_dataset_spec){.source = names[k], .labels = true, .seed = 3});
        const ayf_dataset_info *info = ayf_dataset_info_of(data);
        assert_int_equal(info->classes, classes[k]);
        assert_int_equal(info->count, 1 << 20);
        assert_true(info->points && info->height == 1 && info->width == 1 && info->channels == 2);
        double sum[2] = {0}, squares[2] = {0}, cross = 0;
        int votes[8] = {0};
        for (size_t i = 0; i < N; i++) {
            float p[2], again[2];
            int label;
            assert_int_equal(ayf_dataset_get(data, i, true, p, &label), AYF_OK);
            if (i % 1000 == 0) {
                ayf_dataset_get(data, i, false, again, NULL);
                assert_memory_equal(p, again, sizeof p);
            }
            for (int c = 0; c < 2; c++) sum[c] += p[c], squares[c] += p[c] * p[c];
            cross += p[0] * p[1];
            votes[label]++;
        }
        assert_true(fabs(sum[0] / N) < 0.012 && fabs(sum[1] / N) < 0.012);
        assert_true(fabs((squares[0] + squares[1]) / (2 * N) - 1) < 0.012);
        for (int c = 0; c < classes[k]; c++) assert_true(fabs(votes[c] * (double)classes[k] / N - 1) < 0.05);
        if (k == 0) assert_true(fabs(cross / N) < 0.012);
        if (k == 1) assert_true(fabs(cross / N - 0.1875) < 0.012); /* the dark diagonal */
        double sigma;
        assert_int_equal(ayf_dataset_sigma(data, &sigma), AYF_OK);
        assert_true(sigma == 1);
        ayf_dataset_close(data);
    }
}

static void ring_is_eight_gaussians(void **state) {
    (void)state;
    double squares = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        float p[2];
        int k;
        ayf_points_sample(AYF_POINTS_RING, 0, i, p, &k);
        double dx = p[0] - 1.3982131454 * cos(k * M_PI / 4), dy = p[1] - 1.3982131454 * sin(k * M_PI / 4);
        squares += dx * dx + dy * dy;
    }
    assert_true(fabs(sqrt(squares / 200000) - 0.15) < 0.001);
}

static void checkerboard_leaves_fields_empty(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 20000; i++) {
        float p[2];
        int label;
        ayf_points_sample(AYF_POINTS_CHECKERBOARD, 1, i, p, &label);
        int column = (int)floor(p[0] * 2 / sqrt(3.0)) + 2, row = (int)floor(p[1] * 2 / sqrt(3.0)) + 2;
        assert_in_range(column, 0, 3);
        assert_in_range(row, 0, 3);
        assert_int_equal((column + row) % 2, 0);
    }
}

static void shapes_are_the_same_at_every_size(void **state) {
    (void)state;
    ayf_dataset *small =
        open_spec((ayf_dataset_spec){.source = "builtin:shapes", .resolution = 16, .labels = true});
    ayf_dataset *large =
        open_spec((ayf_dataset_spec){.source = "builtin:shapes", .resolution = 64, .memory = 1});
    assert_int_equal(ayf_dataset_info_of(small)->classes, AYF_SHAPE_CLASSES);
    assert_int_equal(ayf_dataset_info_of(small)->count, 65536);
    assert_int_equal(ayf_dataset_info_of(large)->classes, 0);
    float a[16 * 16 * 3], again[16 * 16 * 3], b[64 * 64 * 3];
    double total = 0;
    for (size_t i = 0; i < 200; i++) {
        int label;
        assert_int_equal(ayf_dataset_get(small, 300 + i, false, a, &label), AYF_OK);
        assert_int_equal(label, (300 + i) % AYF_SHAPE_CLASSES);
        assert_int_equal(ayf_dataset_get(small, 300 + i, false, again, NULL), AYF_OK);
        assert_memory_equal(a, again, sizeof a);
        assert_int_equal(ayf_dataset_get(large, 300 + i, false, b, NULL), AYF_OK);
        for (int y = 0; y < 16; y++)
            for (int x = 0; x < 16; x++)
                for (int c = 0; c < 3; c++) {
                    double mean = 0;
                    for (int k = 0; k < 16; k++)
                        mean += b[((y * 4 + k / 4) * 64 + x * 4 + k % 4) * 3 + c] / 16;
                    total += (mean - a[(y * 16 + x) * 3 + c]) * (mean - a[(y * 16 + x) * 3 + c]);
                }
    }
    assert_true(sqrt(total / (200 * 768)) < 0.02);
    double sigma;
    assert_int_equal(ayf_dataset_sigma(small, &sigma), AYF_OK);
    assert_true(sigma > 0.4 && sigma < 0.8);
    ayf_dataset_close(small);
    ayf_dataset_close(large);
}

static void sigma_is_the_deviation(void **state) {
    (void)state;
    put_png("0.png", 4, 4, 1, 0);
    ayf_dataset *flat = open_spec((ayf_dataset_spec){.source = fixture_folder});
    double sigma;
    assert_int_equal(ayf_dataset_sigma(flat, &sigma), AYF_E_FORMAT);
    ayf_dataset_close(flat);
    put_png("1.png", 4, 4, 1, 255);
    put_png("2.png", 4, 4, 1, 255);
    ayf_dataset *data = open_spec((ayf_dataset_spec){.source = fixture_folder});
    assert_int_equal(ayf_dataset_sigma(data, &sigma), AYF_OK);
    assert_true(fabs(sigma - sqrt(8.0 / 9)) < 1e-9); /* values -1, 1, 1 */
    ayf_dataset_close(data);
}

/* A sorted set: what lies behind the first 2048 counts, too. 2048 of 3000 are looked at. */
static void sigma_is_of_the_whole_set(void **state) {
    (void)state;
    enum { COUNT = 3000, DARK = 2048 };
    blob b = make_idx(0x803, COUNT, 1, 1);
    for (int i = 0; i < COUNT; i++) b.bytes[16 + i] = i < DARK ? 0 : 255;
    put_file("x-images-idx3-ubyte", b.bytes, b.size);
    free(b.bytes);
    ayf_dataset *data = open_spec((ayf_dataset_spec){.source = in_folder("x-images-idx3-ubyte")});
    double sigma, share = (double)DARK / COUNT;
    assert_int_equal(ayf_dataset_sigma(data, &sigma), AYF_OK);
    assert_true(fabs(sigma - 2 * sqrt(share * (1 - share))) < 1e-3);
    double mean;
    assert_int_equal(ayf_dataset_mean(data, &mean), AYF_OK);
    assert_true(fabs(mean - (1 - 2 * share)) < 1e-3);
    ayf_dataset_close(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ROW(epochs_visit_everything_once),     ROW(flips_are_fair_and_repeatable),
        ROW(points_have_unit_deviation),       ROW(ring_is_eight_gaussians),
        ROW(checkerboard_leaves_fields_empty), ROW(shapes_are_the_same_at_every_size),
        ROW(sigma_is_the_deviation),           ROW(sigma_is_of_the_whole_set),
    };
    return cmocka_run_group_tests_name("dataset", tests, NULL, NULL);
}
