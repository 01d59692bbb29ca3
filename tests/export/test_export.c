/* Exported files: what is in them, and that they compute what the library does. With AYF_EXPORT_KEEP=FOLDER
 * the ONNX models and what they should compute are left there for tests/export/check_onnx.py. */
#include "export_cases.h"

/* ---- What other programs should compute ---- */

enum { BATCH = 3, STEPS = 2 };

static void write_tensor(ayf_st_writer *w, const char *name, int rank, const int64_t *shape,
                         const float *values) {
    ok(ayf_st_write_tensor(w, name, AYF_ST_F32, rank, shape, values));
}

/* name.call.onnx and name.call.safetensors in the folder. */
static void keep_call(ayf_model *model, const export_case *c, const char *into) {
    ayf_export_plan plan;
    ayf_data_shape shape = ayf_model_shape(&model->weights->spec);
    char path[512], expected[512];
    snprintf(path, sizeof path, "%s/%s.call.onnx", into, c->name);
    snprintf(expected, sizeof expected, "%s/%s.call.safetensors", into, c->name);
    ayf_export_options options = {.format = AYF_EXPORT_ONNX};
    ok(ayf_model_export(model, &options, path));
    ok(ayf_export_plan_make(model, &options, path, &plan));
    size_t count = BATCH * export_values(model);
    float *x = malloc(4 * count * sizeof *x), *out = x + count, *planes = x + 2 * count,
          *wanted = x + 3 * count;
    const float t[] = {1, 0.75f, 0.3f}, s[] = {0, 0.5f, 0.3f}, guidance[] = {1, 2.5f, 3};
    const int classes[] = {0, 3, -1};
    const float class_values[] = {0, 3, -1};
    export_random(1, x, count);
    export_call(model, &plan, BATCH, x, t, s, guidance, classes, out);
    export_planes(shape, BATCH, x, planes);
    export_planes(shape, BATCH, out, wanted);
    ayf_st_writer *w;
    int64_t images[] = {BATCH, shape.channels, shape.height, shape.width}, n = BATCH;
    int rank = shape.points ? 2 : 4;
    ok(ayf_st_write_begin(ctx, &w));
    write_tensor(w, "x", rank, images, planes);
    write_tensor(w, "out", rank, images, wanted);
    write_tensor(w, "t", 1, &n, t);
    if (plan.student) write_tensor(w, "s", 1, &n, s);
    if (plan.takes_guidance) write_tensor(w, "guidance", 1, &n, guidance);
    if (shape.classes) write_tensor(w, "class", 1, &n, class_values);
    ok(ayf_st_write_end(w, expected));
    free(x);
}

static void keep_sampler(ayf_model *model, const export_case *c, const char *into) {
    ayf_data_shape shape = ayf_model_shape(&model->weights->spec);
    char path[512], expected[512];
    snprintf(path, sizeof path, "%s/%s.sampler.onnx", into, c->name);
    snprintf(expected, sizeof expected, "%s/%s.sampler.safetensors", into, c->name);
    double guidance = c->high > 1 ? 2.5 : 0;
    ok(ayf_model_export(model, &(ayf_export_options){.steps = STEPS, .guidance = guidance}, path));
    size_t size = export_values(model), count = BATCH * size;
    float *noise = malloc(4 * count * sizeof *noise), *out = noise + count, *planes = noise + 2 * count,
          *wanted = noise + 3 * count;
    const uint64_t seeds[] = {7, 8, 9};
    int classes[BATCH];
    float class_values[BATCH];
    for (size_t i = 0; i < BATCH; i++) ayf_latent(seeds[i], noise + i * size, size);
    ok(ayf_model_sample(model, &(ayf_sample_options){.steps = STEPS, .guidance = guidance, .seeds = seeds},
                        BATCH, out, classes));
    for (int i = 0; i < BATCH; i++) class_values[i] = (float)classes[i];
    export_planes(shape, BATCH, noise, planes);
    export_planes(shape, BATCH, out, wanted);
    ayf_st_writer *w;
    int64_t images[] = {BATCH, shape.channels, shape.height, shape.width}, n = BATCH;
    int rank = shape.points ? 2 : 4;
    ok(ayf_st_write_begin(ctx, &w));
    write_tensor(w, "noise", rank, images, planes);
    write_tensor(w, "out", rank, images, wanted);
    if (shape.classes) write_tensor(w, "class", 1, &n, class_values);
    ok(ayf_st_write_end(w, expected));
    free(noise);
}

static void onnx_models_for_runtimes(void **state) {
    (void)state;
    const char *into = getenv("AYF_EXPORT_KEEP");
    if (!into) skip();
    for (int i = 0; i < EXPORT_CASES; i++) {
        ayf_model *model = export_model(&export_cases[i]);
        keep_call(model, &export_cases[i], into);
        keep_sampler(model, &export_cases[i], into);
        ayf_model_close(model);
    }
}

static int end(void **state) {
    (void)state;
    char name[EXPORT_CASES][64];
    const char *files[EXPORT_CASES + 2] = {"out.onnx", "out.safetensors"};
    for (int i = 0; i < EXPORT_CASES; i++) {
        snprintf(name[i], sizeof name[i], "%s.safetensors", export_cases[i].name);
        files[i + 2] = name[i];
    }
    return end_of(files, AYF_COUNT(files));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(onnx_models_for_runtimes),
    };
    return cmocka_run_group_tests_name("export", tests, begin, end);
}
