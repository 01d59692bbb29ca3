/* Distance of samples to data: the classifier against a computation of its own, its fit, and the numbers
 * against the metrics of features that were extracted here. */
#include "model_context.h"

#include "eval/features_fitted.h"
#include "metrics/metrics.h"
#include "model/file.h"
#include "base/rng.h"
#include "data/dataset.h"
#include "ir/build.h"
#include "frechet.h"
#include "test_context.h"

enum { SIDE = 8, PIXELS = SIDE * SIDE, REAL = 600, FEW = 100, DIM = 64, CLASSES = 10 };

/* ---- Data: IDX files of grey shapes and of noise ---- */

static void put_idx(const char *name, uint32_t magic, uint32_t count, const unsigned char *bytes,
                    size_t size) {
    const uint32_t head[] = {magic, count, SIDE, SIDE};
    FILE *file = fopen(path_of(name), "wb");
    assert_non_null(file);
    for (int i = 0; i < (magic == 0x803 ? 4 : 2); i++)
        for (int shift = 24; shift >= 0; shift -= 8) fputc((int)(head[i] >> shift & 255), file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void make_data(const char *images, const char *labels, size_t first, size_t count, bool noise) {
    ayf_dataset *shapes;
    ayf_dataset_spec spec = {.source = "builtin:shapes", .resolution = SIDE, .channels = 1, .labels = true};
    unsigned char *pixels = malloc(count * PIXELS), classes[REAL];
    ok(ayf_dataset_open(ctx, &spec, &shapes));
    for (size_t i = 0; i < count; i++) {
        float image[PIXELS];
        int label;
        ok(ayf_dataset_get(shapes, first + i, false, image, &label));
        if (noise) ayf_rng_normal((ayf_rng_key){1, AYF_RNG_TEST, 0, i}, image, PIXELS);
        for (int k = 0; k < PIXELS; k++)
            pixels[i * PIXELS + (size_t)k] =
                (unsigned char)lround(fmin(fmax(127.5 * (image[k] + 1), 0), 255));
        classes[i] = (unsigned char)label;
    }
    put_idx(images, 0x803, (uint32_t)count, pixels, count * PIXELS);
    if (labels) put_idx(labels, 0x801, (uint32_t)count, classes, count);
    free(pixels);
    ayf_dataset_close(shapes);
}

static const char *const files[] = {"real-images-idx3-ubyte",
                                    "real-labels-idx1-ubyte",
                                    "held-images-idx3-ubyte",
                                    "held-labels-idx1-ubyte",
                                    "noise-images-idx3-ubyte",
                                    "features",
                                    "again",
                                    "other",
                                    "model",
                                    "wild",
                                    "few-images-idx3-ubyte"};
static char real_path[128], held_path[128], noise_path[128], features_path[128];

static ayf_status fit(const char *path, const char *const *settings, int count, ayf_features_report *report) {
    ayf_features_options options = {.data = real_path, .settings = settings, .setting_count = count};
    return ayf_features_fit(ctx, path, &options, report);
}

static int begin_all(void **state) {
    if (begin(state) != 0) return -1;
    make_data(files[0], files[1], 0, REAL, false);
    make_data(files[2], files[3], REAL, FEW, false);
    make_data(files[4], NULL, 0, FEW, true);
    snprintf(real_path, sizeof real_path, "%s", path_of(files[0]));
    snprintf(held_path, sizeof held_path, "%s", path_of(files[2]));
    snprintf(noise_path, sizeof noise_path, "%s", path_of(files[4]));
    snprintf(features_path, sizeof features_path, "%s", path_of("features"));
    static const char *const settings[] = {"train.steps=200", "train.batch=16", "model.channels=8",
                                           "model.multipliers=1,2"};
    ayf_features_options options = {
        .data = real_path, .heldout = held_path, .settings = settings, .setting_count = AYF_COUNT(settings)};
    ayf_features_report report;
    ok(ayf_features_fit(ctx, features_path, &options, &report));
    assert_int_equal(report.fitted, REAL);
    assert_int_equal(report.heldout, FEW);
    if (!(report.loss < 2.2 && report.accuracy > 0.15))
        fail_msg("loss %g, accuracy %g", report.loss, report.accuracy);
    return 0;
}

static int end_all(void **state) {
    (void)state;
    return end_of(files, AYF_COUNT(files));
}

/* ---- The network ---- */

static double leaky(double x) { return x > 0 ? x : 0.1 * x; }

/* values[height][width][in] -> out[height][width][out], weights in file order (O,I,3,3). */
static void conv(const double *x, int size, int in, const float *w, const float *b, int out, double *y) {
    for (int r = 0; r < size; r++)
        for (int c = 0; c < size; c++)
            for (int o = 0; o < out; o++) {
                double sum = (double)b[o];
                for (int i = 0; i < in; i++)
                    for (int tap = 0; tap < 9; tap++) {
                        int u = r + tap / 3 - 1, v = c + tap % 3 - 1;
                        if (u < 0 || v < 0 || u >= size || v >= size) continue;
                        sum += (double)w[(o * in + i) * 9 + tap] * x[(u * size + v) * in + i];
                    }
                y[(r * size + c) * out + o] = leaky(sum);
            }
}

static void linear(const double *x, int in, const float *w, const float *b, int out, double *y) {
    for (int o = 0; o < out; o++) {
        y[o] = (double)b[o];
        for (int i = 0; i < in; i++) y[o] += (double)w[o * in + i] * x[i];
    }
}

/* 5 x 5 is halved to 2 x 2: the last row and column are left out. */
static void network_is_as_described(void **state) {
    (void)state;
    enum { SIZE = 5, IN = 2, ONE = 3, TWO = 4, FEATURES = 6, LOGITS = 3 };
    ayf_model_spec spec = SPEC("kind", "features", "img_resolution", "5", "img_channels", "2",
                               "feature_channels", "3,4", "feature_dim", "6", "label_dim", "3");
    ayf_weights *weights;
    ok(ayf_weights_new(cpu, &spec, &weights));
    ok(ayf_weights_init(weights, 3));
    float file[12][256], values[256], image[SIZE * SIZE * IN], features[FEATURES], logits[LOGITS];
    assert_int_equal(weights->params->count, 12);
    for (int i = 0; i < 12; i++) { /* biases too are to be seen */
        const ayf_param *p = &weights->params->at[i];
        ayf_rng_normal((ayf_rng_key){2, AYF_RNG_TEST, 0, (uint64_t)i}, values, p->size);
        for (size_t k = 0; k < p->size; k++) values[k] *= 0.4f;
        ok(ayf_buffer_set(weights->at[i], values));
        ayf_param_export(p, values, file[i]);
    }
    ayf_rng_normal((ayf_rng_key){2, AYF_RNG_TEST, 1, 0}, image, AYF_COUNT(image));

    double x[SIZE * SIZE * IN], y[SIZE * SIZE * TWO], z[SIZE * SIZE * TWO], half[4 * ONE], mean[TWO] = {0},
                                                                                           want[LOGITS];
    for (size_t i = 0; i < AYF_COUNT(image); i++) x[i] = (double)image[i];
    conv(x, SIZE, IN, file[0], file[1], ONE, y);
    conv(y, SIZE, ONE, file[2], file[3], ONE, z);
    for (int i = 0; i < 4 * ONE; i++) {
        int r = i / ONE / 2, c = i / ONE % 2, k = i % ONE;
        half[i] = 0;
        for (int p = 0; p < 4; p++) half[i] += 0.25 * z[((2 * r + p / 2) * SIZE + 2 * c + p % 2) * ONE + k];
    }
    conv(half, 2, ONE, file[4], file[5], TWO, y);
    conv(y, 2, TWO, file[6], file[7], TWO, z);
    for (int i = 0; i < 4 * TWO; i++) mean[i % TWO] += 0.25 * z[i];
    linear(mean, TWO, file[8], file[9], FEATURES, y);
    for (int i = 0; i < FEATURES; i++) y[i] = leaky(y[i]);
    linear(y, FEATURES, file[10], file[11], LOGITS, want);

    ayf_extractor *net;
    ok(ayf_features_of(weights, &net));
    ok(ayf_extract(net, image, 1, ayf_image_shape(SIZE, SIZE, IN), features, logits));
    for (int i = 0; i < FEATURES; i++) expect_near((double)features[i], y[i], 1e-4);
    for (int i = 0; i < LOGITS; i++) expect_near((double)logits[i], want[i], 1e-4);
    ayf_extractor_close(net);
    ayf_weights_free(weights);
}

/* ---- Fitting ---- */

static void *read_all(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *bytes = malloc(1 << 20);
    *size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

static void the_same_seed_gives_the_same_bytes(void **state) {
    (void)state;
    const char *settings[] = {"train.steps=3", "train.batch=4", "train.seed=5"};
    size_t size[3];
    void *bytes[3];
    for (int i = 0; i < 3; i++) {
        if (i == 2) settings[2] = "train.seed=6";
        ok(fit(path_of("again"), settings, 3, NULL));
        bytes[i] = read_all(path_of("again"), &size[i]);
    }
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(bytes[0], bytes[1], size[0]);
    assert_true(size[0] != size[2] || memcmp(bytes[0], bytes[2], size[0]) != 0);
    for (int i = 0; i < 3; i++) free(bytes[i]);
}

/* What was fitted, in chunks of another size than the network's batch. */
static float *features_of(const char *source, size_t count, double *accuracy) {
    ayf_extractor *net;
    ayf_dataset *data;
    float *images = malloc(count * PIXELS * sizeof *images),
          *features = malloc(count * DIM * sizeof *features);
    float *logits = malloc(count * CLASSES * sizeof *logits);
    size_t right = 0;
    ok(ayf_features_open(ctx, features_path, &net));
    ok(ayf_dataset_open(ctx, &(ayf_dataset_spec){.source = source, .labels = accuracy != NULL}, &data));
    int *labels = malloc(count * sizeof *labels);
    for (size_t i = 0; i < count; i++) ok(ayf_dataset_get(data, i, false, images + i * PIXELS, &labels[i]));
    ok(ayf_extract(net, images, count, ayf_image_shape(SIDE, SIDE, 1), features, logits));
    for (size_t i = 0; i < count; i++) {
        int best = 0;
        for (int k = 1; k < CLASSES; k++)
            if (logits[i * CLASSES + (size_t)k] > logits[i * CLASSES + (size_t)best]) best = k;
        right += best == labels[i];
    }
    if (accuracy) *accuracy = (double)right / (double)count;
    ayf_extractor_close(net);
    ayf_dataset_close(data);
    free(images);
    free(logits);
    free(labels);
    return features;
}

static void features_have_unit_mean_square(void **state) {
    (void)state;
    float *features = features_of(real_path, REAL, NULL);
    double sum = 0;
    for (size_t i = 0; i < REAL * DIM; i++) sum += (double)features[i] * features[i];
    expect_near(sum / (REAL * DIM), 1, 1e-3);
    free(features);
}

static void a_divergence_writes_nothing(void **state) {
    (void)state;
    static const char *const settings[] = {"train.steps=60", "train.batch=4", "train.lr=10",
                                           "model.multipliers=1,1,1,1"};
    assert_int_equal(fit(path_of("wild"), settings, 4, NULL), AYF_E_DIVERGED);
    expect_message("train.lr");
    assert_int_equal(access(path_of("wild"), F_OK), -1);
}

static void expect_no_fit(const char *data, const char *setting, ayf_status want, const char *part) {
    ayf_features_options options = {.data = data, .settings = &setting, .setting_count = setting ? 1 : 0};
    assert_int_equal(ayf_features_fit(ctx, path_of("wild"), &options, NULL), want);
    expect_message(part);
    assert_int_equal(access(path_of("wild"), F_OK), -1);
}

static void what_cannot_be_fitted_is_refused(void **state) {
    (void)state;
    expect_no_fit(noise_path, NULL, AYF_E_FORMAT, "telling classes apart");
    expect_no_fit("builtin:ring", NULL, AYF_E_USAGE, "coordinates");
    expect_no_fit(NULL, NULL, AYF_E_USAGE, "--data");
    assert_int_equal(ayf_features_fit(ctx, path_of("wild"), NULL, NULL), AYF_E_USAGE);
    expect_no_fit(real_path, "distill.loss=lmd", AYF_E_CONFIG, "data.resolution");
    expect_no_fit(
        real_path, "\tdistill.loss =lmd", AYF_E_CONFIG,
        "fitting features takes data.resolution, data.resize, data.background, data.upright, data.channels, "
        "data.skip_bad, data.mirror, model.channels, "
        "model.multipliers, train.steps, train.batch, train.seed and train.lr only");
    expect_no_fit(real_path, "model.multipliers=1,1,1,1,1,1", AYF_E_CONFIG, "halved");
    expect_no_fit(real_path, " model.multipliers\t= 1,1,1,1,1,1", AYF_E_CONFIG, "halved");
}

/* ---- Measuring ---- */

static ayf_eval *open_eval(const char *heldout, int count) {
    ayf_eval *eval;
    ayf_eval_options options = {
        .data = real_path, .heldout = heldout, .features = features_path, .count = count, .seed = 7};
    ok(ayf_eval_open(ctx, &options, &eval));
    return eval;
}

/* The whole of two sets, so that no choice of samples matters. */
static void numbers_are_those_of_the_features(void **state) {
    (void)state;
    ayf_eval_row floor, noise;
    ayf_eval *eval = open_eval(held_path, FEW);
    ok(ayf_eval_floor(eval, &floor));
    ok(ayf_eval_data(eval, noise_path, &noise));
    size_t figures;
    assert_string_equal(ayf_eval_figures(eval, &figures)[0].name, "fd_our_features");
    assert_int_equal(figures, 12);
    ayf_eval_close(eval);
    double fd, accuracy;
    float *real = features_of(real_path, REAL, NULL), *held = features_of(held_path, FEW, &accuracy),
          *other = features_of(noise_path, FEW, NULL);
    ok(frechet_of_sets(ctx, real, REAL, held, FEW, DIM, &fd));
    expect_near(floor.fd, fd, 1e-3 * fd);
    expect_near(floor.class_accuracy, accuracy, 1e-12);
    ok(frechet_of_sets(ctx, real, REAL, other, FEW, DIM, &fd));
    expect_near(noise.fd, fd, 1e-3 * fd);
    assert_true(isnan(noise.class_accuracy)); /* it has no classes */
    assert_int_equal(noise.count, FEW);
    assert_int_equal(noise.reference, REAL);
    assert_int_equal(noise.paired, FEW);
    assert_true(noise.nearest > floor.nearest && noise.nearest_real == floor.nearest_real);
    if (!(noise.fd > 10 * floor.fd && noise.kid > 10 * fabs(floor.kid) && noise.recall < floor.recall &&
          noise.sliced_wasserstein > 2 * floor.sliced_wasserstein && noise.coverage < 0.5 * floor.coverage))
        fail_msg("noise is not told from shapes: FD %g and %g, KID %g and %g", noise.fd, floor.fd, noise.kid,
                 floor.kid);
    free(real);
    free(held);
    free(other);
}

static void halves_of_the_reference_are_a_floor(void **state) {
    (void)state;
    ayf_eval_row floor, again, held;
    ayf_eval *eval = open_eval(NULL, FEW);
    ok(ayf_eval_floor(eval, &floor));
    ok(ayf_eval_floor(eval, &again));
    ok(ayf_eval_data(eval, held_path, &held));
    ayf_eval_close(eval);
    assert_int_equal(floor.count, FEW);
    assert_int_equal(floor.reference, REAL / 2);
    assert_true(floor.fd == again.fd && floor.kid == again.kid && floor.density == again.density);
    assert_true(floor.fd < 2 * held.fd && held.fd < 2 * floor.fd);
    assert_true(floor.precision > 0.8 && floor.recall > 0.8 && floor.coverage > 0.8);
}

static void gather(void *user, const char *line) {
    char *text = user;
    strcat(strcat(text, line), "\n");
}

static void the_recipe_is_told(void **state) {
    (void)state;
    char text[4096] = "", hash[32];
    ayf_extractor *net;
    ayf_eval *eval = open_eval(NULL, FEW);
    ok(ayf_eval_describe(eval, gather, text));
    ayf_eval_close(eval);
    ok(ayf_features_open(ctx, features_path, &net));
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)net->hash);
    ayf_extractor_close(net);
    const char *const parts[] = {
        hash,
        real_path,
        "600 images of 8 x 8 x 1",
        "seeds 7 to 106",
        "right on",
        "64 features",
        "(subsets of 100) against 100 of it at random",
        "(512 directions) of 100 of the samples and as many of the reference",
        "Lanczos",
        "100 samples of one random half of the reference against its other half of 300"};
    for (size_t i = 0; i < AYF_COUNT(parts); i++)
        if (!strstr(text, parts[i])) fail_msg("the recipe does not say '%s':\n%s", parts[i], text);
}

static void expect_floor(ayf_eval_options options, uint64_t count, const char *part) {
    char text[4096] = "";
    ayf_eval *eval;
    ayf_eval_row floor;
    options.features = features_path;
    options.data = real_path;
    ok(ayf_eval_open(ctx, &options, &eval));
    ok(ayf_eval_describe(eval, gather, text));
    ok(ayf_eval_floor(eval, &floor));
    ayf_eval_close(eval);
    assert_int_equal(floor.count, count);
    if (!strstr(text, part)) fail_msg("the recipe does not say '%s':\n%s", part, text);
}

static void a_floor_of_fewer_samples_says_so(void **state) {
    (void)state;
    expect_floor((ayf_eval_options){.count = 301}, 300,
                 "300 samples of one random half of the reference against its other half of 300; NOT AT THE "
                 "SAME NUMBER: only 300 are available for the 301 measured (more: --heldout)\n");
    expect_floor((ayf_eval_options){.count = 300}, 300, "its other half of 300\n");
    expect_floor(
        (ayf_eval_options){.count = FEW + 1, .heldout = held_path}, FEW,
        "against the reference; NOT AT THE SAME NUMBER: only 100 are available for the 101 measured\n");
    expect_floor((ayf_eval_options){.count = FEW, .heldout = held_path}, FEW, "against the reference\n");
}

/* Pairs are compared among 10000 samples at most, Frechet distances and floors among all. */
static void a_floor_has_as_many_samples_as_a_measurement(void **state) {
    (void)state;
    enum { MANY = 12000 };
    ayf_eval *eval;
    ayf_eval_row floor;
    ayf_eval_options options = {.data = "builtin:ring", .count = MANY, .reference = 3 * MANY};
    char text[4096] = "";
    ok(ayf_eval_open(ctx, &options, &eval));
    ok(ayf_eval_describe(eval, gather, text));
    ok(ayf_eval_floor(eval, &floor));
    ayf_eval_close(eval);
    assert_int_equal(floor.count, MANY);
    assert_int_equal(floor.reference, 3 * MANY / 2);
    assert_int_equal(floor.paired, 10000);
    if (!strstr(text, "of 10000 of the samples and as many of the reference")) fail_msg("%s", text);
}

static void write_model(const char *name, const ayf_model_spec *spec, float gain) {
    ayf_weights *w;
    ok(ayf_weights_new(cpu, spec, &w));
    ok(ayf_weights_init(w, 4));
    for (int i = 0; i < w->params->count; i++)
        if (strcmp(w->params->at[i].name, "unet.out_gain") == 0) ok(ayf_buffer_set(w->at[i], &gain));
    ayf_model_card card = {.role = spec->is_student ? AYF_MODEL_ROLE_STUDENT : AYF_MODEL_ROLE_TEACHER,
                           .sigma_data = 0.5,
                           .guidance_min = 1,
                           .guidance_max = 1};
    ok(ayf_model_write(path_of(name), w, &card));
    ayf_weights_free(w);
}

#define UNET(...)                                                                                            \
    SPEC("is_student", "true", "img_resolution", "8", "img_channels", "1", "label_dim", "10",                \
         "model_channels", "8", "channel_mult", "1", "num_blocks", "1", "attn_resolutions", "",              \
         "channels_per_head", "64", __VA_ARGS__)

static void samples_of_a_model_come_from_the_seeds(void **state) {
    (void)state;
    ayf_model_spec spec = UNET("kind", "unet");
    ayf_model *model;
    ayf_eval_row row, again;
    write_model("model", &spec, 0.5f);
    ok(ayf_model_open(ctx, path_of("model"), &model));
    ayf_eval *eval = open_eval(held_path, FEW);
    ok(ayf_eval_model(eval, model, &(ayf_sample_options){.steps = 2, .gamma = 0.5}, &row));
    ok(ayf_eval_model(eval, model, &(ayf_sample_options){.steps = 2, .gamma = 0.5, .first_seed = 99},
                      &again));
    assert_true(row.fd == again.fd && row.class_accuracy == again.class_accuracy);

    float *images = malloc(FEW * PIXELS * sizeof *images), *features = malloc(FEW * DIM * sizeof *features);
    float *logits = malloc(FEW * CLASSES * sizeof *logits), *real = features_of(real_path, REAL, NULL);
    int classes[FEW], right = 0;
    ayf_extractor *net;
    double fd;
    ok(ayf_model_sample(model, &(ayf_sample_options){.steps = 2, .gamma = 0.5, .first_seed = 7}, FEW, images,
                        classes));
    ok(ayf_features_open(ctx, features_path, &net));
    ok(ayf_extract(net, images, FEW, ayf_image_shape(SIDE, SIDE, 1), features, logits));
    ayf_extractor_close(net);
    for (int i = 0; i < FEW; i++) {
        int best = 0;
        for (int k = 1; k < CLASSES; k++)
            if (logits[i * CLASSES + k] > logits[i * CLASSES + best]) best = k;
        right += best == classes[i];
    }
    ok(frechet_of_sets(ctx, real, REAL, features, FEW, DIM, &fd));
    expect_near(row.fd, fd, 1e-3 * fd);
    expect_near(row.class_accuracy, right / (double)FEW, 1e-12);
    free(images);
    free(features);
    free(logits);
    free(real);

    assert_int_equal(ayf_eval_model(eval, model, &(ayf_sample_options){.guidance = 2}, &row), AYF_E_USAGE);
    expect_message("guidance");
    ayf_model_close(model);
    write_model("model", &spec, 3e38f);
    ok(ayf_model_open(ctx, path_of("model"), &model));
    assert_int_equal(ayf_eval_model(eval, model, NULL, &row), AYF_E_DIVERGED);
    ayf_model_close(model);
    ayf_eval_close(eval);
}

/* Of the ring's moments (mean 0, variance 1 in each coordinate) against N(0, 0.5^2): 2 (1 - 0.5)^2. */
static void points_are_compared_by_coordinates(void **state) {
    (void)state;
    ayf_eval *eval;
    ayf_eval_row floor, row;
    ayf_eval_options options = {.data = "builtin:ring", .count = 20000, .reference = 20000};
    ok(ayf_eval_open(ctx, &options, &eval));
    ok(ayf_eval_floor(eval, &floor));
    ok(ayf_eval_data(eval, "builtin:gaussian", &row));
    ayf_eval_close(eval);
    expect_near(row.fd, 0.5, 0.02);
    assert_true(floor.fd < 0.002 && isnan(row.kid) && isnan(row.class_accuracy));
    assert_true(row.sliced_wasserstein > 10 * floor.sliced_wasserstein);
}

static void expect_no_eval(ayf_eval_options options, const char *part) {
    ayf_eval *eval;
    if (!options.data) options.data = real_path;
    assert_int_equal(ayf_eval_open(ctx, &options, &eval), AYF_E_USAGE);
    assert_null(eval);
    expect_message(part);
}

static void what_cannot_be_compared_is_refused(void **state) {
    (void)state;
    static const char *const settings[] = {"train.steps=1", "train.batch=2", "data.channels=3"};
    ayf_model_spec spec = UNET("img_channels", "3");
    ayf_model *model;
    ayf_eval_row row;
    ok(fit(path_of("other"), settings, 3, NULL));
    write_model("model", &spec, 0.5f);
    expect_no_eval((ayf_eval_options){.data = ""}, "--data");
    expect_no_eval((ayf_eval_options){.features = NULL}, "--fit-features");
    expect_no_eval((ayf_eval_options){.features = path_of("model")}, "is not a features model but a unet");
    expect_no_eval((ayf_eval_options){.features = features_path, .count = 1}, "at least 2");
    expect_no_eval((ayf_eval_options){.features = features_path, .count = DIM}, "at least 65");
    expect_no_eval((ayf_eval_options){.features = features_path, .count = FEW, .reference = 129},
                   "at least 130");
    expect_no_eval((ayf_eval_options){.features = features_path, .heldout = held_path, .reference = DIM},
                   "at least 65");
    expect_no_eval((ayf_eval_options){.features = path_of("other"), .resolution = SIDE, .channels = 1},
                   "8 x 8 x 3");
    expect_no_eval((ayf_eval_options){.features = features_path, .data = "builtin:ring"}, "points");
    expect_no_eval((ayf_eval_options){.features = features_path, .count = FEW + 1, .samples = noise_path},
                   "--images 100");
    make_data(files[10], NULL, 0, DIM, false);
    expect_no_eval((ayf_eval_options){.features = features_path, .heldout = path_of(files[10])}, "--heldout");
    expect_no_eval((ayf_eval_options){.features = features_path, .heldout = "builtin:ring"}, "8 x 8 x 1");
    ayf_eval *eval = open_eval(held_path, FEW);
    ok(ayf_model_open(ctx, path_of("model"), &model));
    assert_int_equal(ayf_eval_model(eval, model, NULL, &row), AYF_E_USAGE);
    expect_message("8 x 8 x 3");
    ayf_model_close(model);
    ayf_context *elsewhere = ayf_open(NULL);
    ok(ayf_model_open(elsewhere, path_of("model"), &model));
    assert_int_equal(ayf_eval_model(eval, model, NULL, &row), AYF_E_USAGE);
    expect_message("another context");
    ayf_model_close(model);
    ayf_close(elsewhere);
    ayf_eval_close(eval);
    assert_int_equal(ayf_eval_open(ctx, NULL, &eval), AYF_E_USAGE);
    expect_message("--data");
    eval = open_eval(NULL, 2 * FEW);
    assert_int_equal(ayf_eval_data(eval, noise_path, &row), AYF_E_USAGE);
    expect_message("--images 100");
    ayf_eval_close(eval);
}

/* The fitted features with every value of a tensor multiplied. */
static void write_damaged(const char *tensor, float factor) {
    ayf_weights *w, *read;
    ayf_model_card card;
    ok(ayf_model_read(cpu, features_path, &read, &card));
    ok(ayf_weights_new(cpu, &read->spec, &w));
    ok(ayf_weights_copy(w, read));
    const ayf_param *p = ayf_params_find(w->params, tensor);
    assert_non_null(p);
    float *values = malloc(p->size * sizeof *values);
    ok(ayf_buffer_get(w->at[p - w->params->at], values));
    for (size_t i = 0; i < p->size; i++) values[i] *= factor;
    ok(ayf_buffer_set(w->at[p - w->params->at], values));
    ok(ayf_model_write(path_of("other"), w, &card));
    free(values);
    ayf_weights_free(read);
    ayf_weights_free(w);
    ayf_model_card_free(ctx, &card);
}

static void features_that_tell_nothing_are_refused(void **state) {
    (void)state;
    ayf_eval *eval;
    ayf_eval_options options = {.data = real_path, .features = path_of("other"), .count = FEW};
    write_damaged("features.hidden.weight", 0);
    assert_int_equal(ayf_eval_open(ctx, &options, &eval), AYF_E_FORMAT);
    expect_message("other: gives every picture of the reference the same features");
    write_damaged("features.hidden.weight", 1e38f);
    assert_int_equal(ayf_eval_open(ctx, &options, &eval), AYF_E_FORMAT);
    expect_message("other: gives features that are not finite");
}

/* ---- Memory ---- */

static ayf_status fit_and_measure(ayf_context *c) {
    static const char *const settings[] = {"train.steps=1", "train.batch=2", "model.channels=2",
                                           "model.multipliers=1"};
    ayf_features_options fitting = {
        .data = held_path, .settings = settings, .setting_count = AYF_COUNT(settings)};
    ayf_eval_options options = {.data = real_path, .features = features_path, .count = FEW};
    ayf_eval *eval;
    ayf_eval_row row;
    char text[4096] = "";
    AYF_TRY(ayf_features_fit(c, path_of("again"), &fitting, NULL));
    AYF_TRY(ayf_eval_open(c, &options, &eval));
    ayf_status status = ayf_eval_floor(eval, &row);
    if (status == AYF_OK) status = ayf_eval_data(eval, held_path, &row);
    if (status == AYF_OK) status = ayf_eval_describe(eval, gather, text);
    ayf_eval_close(eval);
    return status;
}

static void a_lack_of_memory_is_survived(void **state) {
    (void)state;
    test_memory memory = {0};
    for (long fail_at = 1; fail_at == 1 || memory.calls >= memory.fail_at; fail_at += 1 + fail_at / 6) {
        memory = (test_memory){.fail_at = fail_at};
        ayf_context *poor = test_open(&memory);
        if (poor) {
            ayf_status status = fit_and_measure(poor);
            if (memory.calls >= fail_at)
                assert_int_equal(status, AYF_E_MEMORY);
            else if (status != AYF_OK)
                fail_msg("%s", ayf_error(poor));
            ayf_close(poor);
        }
        assert_int_equal(memory.held, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(network_is_as_described),
        cmocka_unit_test(the_same_seed_gives_the_same_bytes),
        cmocka_unit_test(features_have_unit_mean_square),
        cmocka_unit_test(a_divergence_writes_nothing),
        cmocka_unit_test(what_cannot_be_fitted_is_refused),
        cmocka_unit_test(numbers_are_those_of_the_features),
        cmocka_unit_test(halves_of_the_reference_are_a_floor),
        cmocka_unit_test(the_recipe_is_told),
        cmocka_unit_test(a_floor_of_fewer_samples_says_so),
        cmocka_unit_test(a_floor_has_as_many_samples_as_a_measurement),
        cmocka_unit_test(samples_of_a_model_come_from_the_seeds),
        cmocka_unit_test(points_are_compared_by_coordinates),
        cmocka_unit_test(what_cannot_be_compared_is_refused),
        cmocka_unit_test(features_that_tell_nothing_are_refused),
        cmocka_unit_test(a_lack_of_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, begin_all, end_all);
}
