/* The Inception network and its extractor against torchvision's (tests/fixtures/inception.py). */
#include "model_context.h"

#include "backend/open.h"
#include "eval/features_inception.h"
#include "metrics/metrics.h"
#include "io/safetensors.h"
#include "nn/inception.h"
#include "nn/network.h"
#include "nn/params.h"
#include "frechet.h"
#include "test_context.h"

/* The network takes seconds per image when every access is checked. */
#if defined(__SANITIZE_ADDRESS__)
#define NEEDS_SPEED()                                                                                        \
    do {                                                                                                     \
        print_message("the network is not run under a sanitizer\n");                                         \
        skip();                                                                                              \
    } while (0)
#else
#define NEEDS_SPEED() ((void)0)
#endif

enum { DIM = AYF_INCEPTION_FEATURES, CLASSES = AYF_INCEPTION_CLASSES };

static ayf_params *params;
static ayf_st *fixture;
static float *weights; /* all parameters in file layout */
static char weights_path[128];
static ayf_extractor *net; /* of the file there */

/* ---- The formulas of tests/fixtures/inception.py ---- */

static double uniform(uint64_t h, size_t i) {
    uint64_t z = h + (i + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return (double)(z >> 40) / 8388608 - 1;
}

static uint64_t name_hash(const char *name) {
    uint64_t h = 14695981039346656037u;
    for (; *name; name++) h = (h ^ (unsigned char)*name) * 1099511628211u;
    return h;
}

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static void make_weights(const ayf_param *param, float *out) {
    uint64_t h = name_hash(param->name);
    double offset = 0, scale = 0.25;
    double fan_in = 1;
    for (int i = 1; i < param->file_rank; i++) fan_in *= (double)param->file_shape[i];
    if (ends_with(param->name, "conv.weight")) scale = sqrt(6 / fan_in);
    if (strcmp(param->name, "fc.weight") == 0) scale = sqrt(3 / fan_in);
    if (ends_with(param->name, "bn.weight") || ends_with(param->name, "running_var")) offset = 1, scale = 0.5;
    for (size_t i = 0; i < param->size; i++) out[i] = (float)(offset + scale * uniform(h, i));
}

static void make_bytes(const char *name, uint8_t *out, size_t count) {
    for (size_t i = 0; i < count; i++) out[i] = (uint8_t)((uniform(name_hash(name), i) + 1) * 128);
}

static void make_image(const char *name, float *out, size_t count) {
    for (size_t i = 0; i < count; i++)
        out[i] = (float)((uint8_t)((uniform(name_hash(name), i) + 1) * 128) / 127.5 - 1);
}

/* ---- Setting up ---- */

/* Without one tensor (NULL: complete), and with so many classes. */
static ayf_status write_weights(const char *path, const char *without, int64_t classes) {
    ayf_st_writer *writer;
    AYF_TRY(ayf_st_write_begin(ctx, &writer));
    int64_t steps = 0;
    float bias[2] = {0, 0};
    ok(ayf_st_write_tensor(writer, "Conv2d_1a_3x3.bn.num_batches_tracked", AYF_ST_I64, 0, NULL, &steps));
    ok(ayf_st_write_tensor(writer, "AuxLogits.fc.bias", AYF_ST_F32, 1, (const int64_t[]){2}, bias));
    const float *at = weights;
    for (int i = 0; i < params->count; at += params->at[i++].size) {
        const ayf_param *p = &params->at[i];
        if (without && strcmp(p->name, without) == 0) continue;
        int64_t shape[4];
        memcpy(shape, p->file_shape, sizeof shape);
        if (strcmp(p->name, "fc.weight") == 0) shape[0] = classes;
        ok(ayf_st_write_tensor(writer, p->name, AYF_ST_F32, p->file_rank, shape, at));
    }
    return ayf_st_write_end(writer, path);
}

static int begin_all(void **state) {
    if (begin(state) != 0) return -1;
    ayf_model_spec spec = SPEC("kind", "inception");
    ok(ayf_params_new(ctx, &spec, &params));
    size_t total = 0;
    for (int i = 0; i < params->count; i++) total += params->at[i].size;
    weights = ayf_alloc(ctx, total, sizeof *weights);
    assert_non_null(weights);
    float *at = weights;
    for (int i = 0; i < params->count; at += params->at[i++].size) make_weights(&params->at[i], at);
    snprintf(weights_path, sizeof weights_path, "%s", path_of("weights"));
    ok(write_weights(weights_path, NULL, CLASSES));
    char path[512];
    snprintf(path, sizeof path, "%s/tests/fixtures/inception.safetensors", getenv("AYF_SOURCE_ROOT"));
    ok(ayf_st_open(ctx, path, &fixture));
    ok(ayf_inception_open(ctx, weights_path, &net));
    return 0;
}

static int end_all(void **state) {
    (void)state;
    ayf_extractor_close(net);
    ayf_params_free(params);
    ayf_free(ctx, weights);
    ayf_st_close(fixture);
    return end_of((const char *const[]){"weights", "bad", "real", "drawn", "heldout"}, 5);
}

static void expect_close(const float *got, const char *name, size_t count, double tolerance) {
    float *want = ayf_alloc(ctx, count, sizeof *want);
    ok(ayf_st_read_f32(fixture, name, want, count));
    double difference = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        difference += ((double)got[i] - want[i]) * ((double)got[i] - want[i]);
        norm += (double)want[i] * want[i];
    }
    ayf_free(ctx, want);
    double error = sqrt(difference / norm);
    if (!(error <= tolerance)) fail_msg("%s: relative error %g above %g", name, error, tolerance);
}

/* ---- Cases ---- */

static void the_table_is_torchvisions(void **state) {
    (void)state;
    size_t total = 0;
    for (int i = 0; i < params->count; i++) total += params->at[i].size;
    /* 94 convolutions with 4 tensors of their normalisation, and the last layer. */
    assert_int_equal(params->count, 94 * 5 + 1);
    /* torchvision's state_dict has 23885486 values, 94 of them num_batches_tracked and 1008 in fc.bias. */
    assert_int_equal(total, 23885486 - 94 - 1008);
}

static void resizing_is_tensorflows(void **state) {
    (void)state;
    static const int shapes[][3] = {{5, 7, 3}, {299, 299, 1}, {640, 333, 3}, {1, 1, 3}};
    enum { ALL = 299 * 299 * 3, EVERY = 997 };
    float *out = ayf_alloc(ctx, ALL, sizeof *out);
    uint8_t *bytes = ayf_alloc(ctx, 640 * 333 * 3, 1);
    for (size_t i = 0; i < AYF_COUNT(shapes); i++) {
        char name[48];
        int h = shapes[i][0], w = shapes[i][1], c = shapes[i][2];
        snprintf(name, sizeof name, "resize.%d.%d.%d", h, w, c);
        make_bytes(name, bytes, (size_t)(h * w * c));
        ayf_inception_resize(bytes, h, w, c, out);
        float chosen[(ALL + EVERY - 1) / EVERY];
        for (size_t k = 0; k < AYF_COUNT(chosen); k++) chosen[k] = out[k * EVERY];
        expect_close(chosen, name, AYF_COUNT(chosen), 1e-6);
    }
    ayf_free(ctx, out);
    ayf_free(ctx, bytes);
}

static void features_are_torchvisions(void **state) {
    (void)state;
    NEEDS_SPEED();
    float colour[37 * 23 * 3], grey[28 * 28], *features = ayf_alloc(ctx, DIM, sizeof *features),
                                              *logits = ayf_alloc(ctx, CLASSES, sizeof *logits);
    assert_int_equal(net->dim, DIM);
    assert_int_equal(net->classes, CLASSES);
    make_image("colour", colour, AYF_COUNT(colour));
    ok(ayf_extract(net, colour, 1, ayf_image_shape(37, 23, 3), features, logits));
    expect_close(features, "colour.features", DIM, 1e-5);
    expect_close(logits, "colour.logits", CLASSES, 1e-5);
    make_image("grey", grey, AYF_COUNT(grey));
    ok(ayf_extract(net, grey, 1, ayf_image_shape(28, 28, 1), features, logits));
    expect_close(features, "grey.features", DIM, 1e-5);
    expect_close(logits, "grey.logits", CLASSES, 1e-5);
    ayf_free(ctx, features);
    ayf_free(ctx, logits);
}

static void expect_refusal(const char *path, const char *part) {
    ayf_extractor *none;
    assert_int_equal(ayf_inception_open(ctx, path, &none), AYF_E_FORMAT);
    assert_null(none);
    expect_message(part);
    expect_message(path);
    expect_message("scripts/convert_inception.py");
}

/* From the file of weights to what is printed. */
static void distances_are_as_computed_apart(void **state) {
    (void)state;
    NEEDS_SPEED();
    enum { COUNT = 6, FEW = 3 };
    float want[3], a[COUNT][16 * 16 * 3], b[COUNT][4 * 4], few[2][COUNT][FEW];
    float *features = ayf_alloc(ctx, 2 * COUNT * DIM, sizeof *features),
          *logits = ayf_alloc(ctx, COUNT * CLASSES, sizeof *logits);
    for (int i = 0; i < COUNT; i++) {
        make_image((char[]){'a', (char)('0' + i), 0}, a[i], AYF_COUNT(a[i]));
        make_image((char[]){'b', (char)('0' + i), 0}, b[i], AYF_COUNT(b[i]));
    }
    ok(ayf_extract(net, a[0], COUNT, ayf_image_shape(16, 16, 3), features, logits));
    ok(ayf_extract(net, b[0], COUNT, ayf_image_shape(4, 4, 1), features + COUNT * DIM, NULL));
    for (int i = 0; i < 2 * COUNT; i++)
        memcpy(few[i / COUNT][i % COUNT], features + i * DIM, sizeof few[0][0]);

    ayf_kid_options usual = ayf_kid_default(COUNT, COUNT);
    ayf_kid_result kid;
    double score, deviation, distance;
    ok(ayf_st_read_f32(fixture, "distances", want, 3));
    ok(ayf_kid(ctx, features, COUNT, features + COUNT * DIM, COUNT, DIM, &usual, &kid));
    ok(ayf_inception_score(ctx, logits, COUNT, CLASSES, true, 1, &score, &deviation));
    ok(frechet_of_sets(ctx, few[0][0], COUNT, few[1][0], COUNT, FEW, &distance));
    expect_near(kid.mean / want[0], 1, 1e-4);
    expect_near((score - 1) / (want[1] - 1), 1, 1e-3);
    expect_near(distance / want[2], 1, 1e-4);
    ayf_free(ctx, features);
    ayf_free(ctx, logits);
}

/* The place in the file of one value. */
static long place_of(const char *name, size_t index) {
    unsigned char length[8];
    ayf_st *st;
    FILE *f = fopen(weights_path, "rb");
    assert_true(f && fread(length, 1, 8, f) == 8);
    fclose(f);
    ok(ayf_st_open(ctx, weights_path, &st));
    const char *first = ayf_st_at(st, 0)->data, *data = ayf_st_find(st, name)->data;
    long header = length[0] + 256L * length[1] + 65536L * length[2];
    long place = 8 + header + (long)(data - first) + (long)(index * sizeof(float));
    ayf_st_close(st);
    return place;
}

static void replace(long place, const void *value) {
    FILE *f = fopen(weights_path, "r+b");
    assert_non_null(f);
    fseek(f, place, SEEK_SET);
    assert_int_equal(fwrite(value, sizeof(float), 1, f), 1);
    fclose(f);
}

/* The file becomes one without checksums, so that its values are judged. */
static void forget_sums(void) {
    static const char *const keys[] = {"\"crc32\"", "\"crc32.header\""};
    static char head[1 << 20];
    FILE *f = fopen(weights_path, "r+b");
    assert_non_null(f);
    size_t got = fread(head, 1, sizeof head, f);
    for (size_t i = 0; i < AYF_COUNT(keys); i++) {
        const char *at = memmem(head, got, keys[i], strlen(keys[i]));
        assert_non_null(at);
        fseek(f, at - head + 1, SEEK_SET);
        fputc('x', f);
    }
    fclose(f);
}

static void wrong_values_are_refused(void **state) {
    (void)state;
    forget_sums();
    static const char name[] = "Mixed_6b.branch7x7_2.bn.running_var";
    static const float wrong[] = {NAN, -INFINITY, -1};
    static const char *const message[] = {"value 5 is NaN", "value 5 is infinite", "value 5 is -1"};
    long place = place_of(name, 5);
    for (size_t i = 0; i < AYF_COUNT(wrong); i++) {
        replace(place, &wrong[i]);
        expect_refusal(weights_path, message[i]);
        expect_message(name);
    }
    float value = (float)(1 + 0.5 * uniform(name_hash(name), 5));
    replace(place, &value);
}

static void wrong_files_are_refused(void **state) {
    (void)state;
    const char *path = path_of("bad");
    ok(write_weights(path, "Mixed_7c.branch_pool.bn.bias", CLASSES));
    expect_refusal(path, "Mixed_7c.branch_pool.bn.bias");
    /* torchvision's own network has 1000 classes. */
    ok(write_weights(path, NULL, 1000));
    expect_refusal(
        path, "'fc.weight' has the shape [1000,2048], but the Inception network of FID needs [1008,2048]");
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs("PK\003\004 what torch.save() writes", f);
    fclose(f);
    expect_refusal(path, "safetensors");
}

static void wrong_images_are_refused(void **state) {
    (void)state;
    float images[2 * 2 * 2 * 3] = {0}, *features = ayf_alloc(ctx, 2 * DIM, sizeof *features);
    assert_int_equal(ayf_extract(net, images, 1, ayf_image_shape(2, 2, 2), features, NULL), AYF_E_USAGE);
    expect_message("1 or 3 channels");
    images[13] = NAN;
    assert_int_equal(ayf_extract(net, images, 2, ayf_image_shape(2, 2, 3), features, NULL), AYF_E_DIVERGED);
    expect_message("image 1 holds a value that is NaN");
    ayf_free(ctx, features);
}

static const char *write_grey(const char *name, unsigned count, unsigned side) {
    char *path = path_of(name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    const unsigned header[] = {0x803, count, side, side};
    for (size_t i = 0; i < AYF_COUNT(header); i++)
        for (int shift = 24; shift >= 0; shift -= 8) fputc((int)(header[i] >> shift & 255), f);
    for (size_t i = 0; i < (size_t)count * side * side; i++) fputc(0, f);
    fclose(f);
    return path;
}

/* The last check before the images go through the network is of the number that is held out. */
static void the_reference_is_brought_to_the_samples(void **state) {
    (void)state;
    ayf_eval_options options = {.inception = weights_path, .count = DIM + 1};
    options.data = write_grey("real", 2 * DIM + 2, 6);
    options.samples = write_grey("drawn", DIM + 1, 3);
    options.heldout = write_grey("heldout", 2, 6);
    ayf_eval *eval;
    assert_int_equal(ayf_eval_open(ctx, &options, &eval), AYF_E_USAGE);
    expect_message("heldout: 2 samples are too few");
    options.channels = 1;
    assert_int_equal(ayf_eval_open(ctx, &options, &eval), AYF_E_USAGE);
    expect_message("cannot be compared");
}

static void memory_can_run_out(void **state) {
    (void)state;
    test_memory memory = {0};
    float image[3] = {0}, *features = ayf_alloc(ctx, DIM, sizeof *features);
    ayf_context *poor = test_open(&memory);
    ayf_extractor *other;
    ayf_backend *backend; /* stays open with the context */
    ok(ayf_backend_open(poor, &backend));
    long before = memory.calls, held = memory.held;
    ok(ayf_inception_open(poor, weights_path, &other));
    long calls = memory.calls - before;
    memory.fail_at = memory.calls + 1;
    assert_int_equal(ayf_extract(other, image, 1, ayf_image_shape(1, 1, 3), features, NULL), AYF_E_MEMORY);
    ayf_extractor_close(other);
    assert_int_equal(memory.held, held);
    const long places[] = {1, 2, 5, calls / 2, calls - 1, calls};
    for (size_t i = 0; i < AYF_COUNT(places); i++) {
        memory.fail_at = memory.calls + places[i];
        assert_int_equal(ayf_inception_open(poor, weights_path, &other), AYF_E_MEMORY);
        assert_null(other);
        assert_int_equal(memory.held, held);
    }
    ayf_close(poor);
    ayf_free(ctx, features);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_torchvisions),
        cmocka_unit_test(resizing_is_tensorflows),
        cmocka_unit_test(features_are_torchvisions),
        cmocka_unit_test(distances_are_as_computed_apart),
        cmocka_unit_test(wrong_values_are_refused),
        cmocka_unit_test(wrong_files_are_refused),
        cmocka_unit_test(wrong_images_are_refused),
        cmocka_unit_test(memory_can_run_out),
        cmocka_unit_test(the_reference_is_brought_to_the_samples),
    };
    return cmocka_run_group_tests_name("inception", tests, begin_all, end_all);
}
