/* Exported files: what is in them, and that they compute what the library does. With AYF_EXPORT_KEEP=FOLDER
 * the ONNX models and what they should compute are left there for tests/export/check_onnx.py. */
#include "export_cases.h"

#include "io/file.h"
#include "test_context.h"

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

/* ---- The ONNX file ---- */

typedef struct message {
    const unsigned char *at, *end;
} message;

typedef struct field {
    int number, wire;
    uint64_t value; /* varint */
    message bytes;
} field;

static uint64_t varint(message *m) {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
        assert_true(m->at < m->end && shift < 64);
        value |= (uint64_t)(*m->at & 127) << shift;
        if (!(*m->at++ & 128)) return value;
    }
}

static bool next(message *m, field *f) {
    if (m->at == m->end) return false;
    uint64_t tag = varint(m);
    *f = (field){.number = (int)(tag >> 3), .wire = (int)(tag & 7)};
    if (f->wire == 0) {
        f->value = varint(m);
    } else {
        assert_int_equal(f->wire, 2);
        uint64_t size = varint(m);
        assert_true(size <= (uint64_t)(m->end - m->at));
        f->bytes = (message){m->at, m->at + size};
        m->at += size;
    }
    return true;
}

static bool is_text(message m, const char *text) {
    return (size_t)(m.end - m.at) == strlen(text) && memcmp(m.at, text, strlen(text)) == 0;
}

static bool same_text(message a, message b) {
    return a.end - a.at == b.end - b.at && memcmp(a.at, b.at, (size_t)(a.end - a.at)) == 0;
}

/* The field of this number; the last when there are several. */
static bool find(message m, int number, field *out) {
    field f;
    bool found = false;
    while (next(&m, &f))
        if (f.number == number) *out = f, found = true;
    return found;
}

typedef struct names {
    message at[4096];
    int count;
} names;

static bool knows(const names *n, message name) {
    for (int i = 0; i < n->count; i++)
        if (same_text(n->at[i], name)) return true;
    return false;
}

static void define(names *n, message name) {
    assert_false(knows(n, name));
    assert_true(n->count < 4096);
    n->at[n->count++] = name;
}

static void check_initializer(names *defined, message tensor, int width) {
    field f, name = {0}, raw = {0};
    uint64_t count = 1, type = 0;
    assert_true(find(tensor, 8, &name) && find(tensor, 9, &raw));
    while (next(&tensor, &f)) {
        if (f.number == 1) count *= f.value;
        if (f.number == 2) type = f.value;
    }
    assert_true(type == 1 || type == 7 || type == 10 || type == 16);
    uint64_t bytes = type == 7 ? 8 : type == 1 ? 4 : 2;
    if (bytes == 2) assert_int_equal(width, 2);
    assert_int_equal(raw.bytes.end - raw.bytes.at, count * bytes);
    define(defined, name.bytes);
}

/* Every node reads what was defined before it, and every name is defined once. */
static int check_node(names *defined, message node, const char *counted) {
    field f, op = {0};
    message inputs = node;
    while (next(&inputs, &f))
        if (f.number == 1 && f.bytes.at != f.bytes.end && !knows(defined, f.bytes))
            fail_msg("input %.*s is not defined", (int)(f.bytes.end - f.bytes.at), f.bytes.at);
    assert_true(find(node, 4, &op));
    assert_true(find(node, 2, &f));
    define(defined, f.bytes);
    return is_text(op.bytes, counted);
}

/* The dimensions of an input or output as "N,3,16,16". */
static void port_text(message port, char text[64]) {
    field type = {0}, tensor = {0}, shape = {0}, dim, value;
    size_t used = 0;
    assert_true(find(port, 2, &type) && find(type.bytes, 1, &tensor) && find(tensor.bytes, 2, &shape));
    *text = 0;
    for (message m = shape.bytes; next(&m, &dim);) {
        if (find(dim.bytes, 2, &value))
            used += (size_t)snprintf(text + used, 64 - used, "%s%.*s", used ? "," : "",
                                     (int)(value.bytes.end - value.bytes.at), value.bytes.at);
        else if (find(dim.bytes, 1, &value))
            used += (size_t)snprintf(text + used, 64 - used, "%s%d", used ? "," : "", (int)value.value);
    }
}

typedef struct onnx_facts {
    int nodes, transposes;
    char ports[8][96]; /* "x=N,3,16,16" in the order of the file */
    int port_count;
} onnx_facts;

static onnx_facts read_onnx(const char *path, int width) {
    void *bytes;
    size_t size;
    static names defined;
    onnx_facts facts = {0};
    field f, graph = {0}, version = {0}, opset = {0}, name = {0};
    defined.count = 0;
    ok(ayf_file_read(ctx, path, 0, &bytes, &size));
    message model = {bytes, (unsigned char *)bytes + size};
    assert_true(find(model, 1, &version) && version.value == 8);
    assert_true(find(model, 2, &name) && is_text(name.bytes, "ayf"));
    assert_true(find(model, 8, &opset) && find(opset.bytes, 2, &version) && version.value == 17);
    assert_true(find(model, 7, &graph));
    for (int pass = 0; pass < 2; pass++)
        for (message m = graph.bytes; next(&m, &f);) {
            if (pass == 0 && f.number == 5) check_initializer(&defined, f.bytes, width);
            if (pass == 0 && (f.number == 11 || f.number == 12)) {
                char dims[64];
                assert_true(facts.port_count < 8 && find(f.bytes, 1, &name));
                if (f.number == 11) define(&defined, name.bytes);
                port_text(f.bytes, dims);
                snprintf(facts.ports[facts.port_count++], sizeof facts.ports[0], "%.*s=%s",
                         (int)(name.bytes.end - name.bytes.at), name.bytes.at, dims);
            }
            if (pass == 1 && f.number == 1) {
                facts.transposes += check_node(&defined, f.bytes, "Transpose");
                facts.nodes++;
            }
        }
    ayf_free(ctx, bytes);
    return facts;
}

static void expect_ports(const onnx_facts *facts, const char *const *ports) {
    int count = 0;
    while (ports[count]) count++;
    assert_int_equal(facts->port_count, count);
    for (int i = 0; i < count; i++) assert_string_equal(facts->ports[i], ports[i]);
}
#define PORTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void onnx_structure(void **state) {
    (void)state;
    for (int i = 0; i < EXPORT_CASES; i++) {
        ayf_model *model = export_model(&export_cases[i]);
        for (int steps = 0; steps <= 2; steps++)
            for (int dtype = AYF_EXPORT_F32; dtype <= AYF_EXPORT_BF16; dtype++) {
                ayf_export_options options = {.steps = steps, .dtype = (ayf_export_dtype)dtype};
                ok(ayf_model_export(model, &options, path_of("out.onnx")));
                onnx_facts facts = read_onnx(path_of("out.onnx"), dtype == AYF_EXPORT_F32 ? 4 : 2);
                assert_true(facts.nodes > 10);
                if (steps || dtype) continue;
                /* Images stay channels-first: only the keys of attention move, once per block. */
                int attention = i == 0 ? 4 : i == 1 ? 4 : 0;
                assert_int_equal(facts.transposes, attention);
            }
        ayf_model_close(model);
    }
}

static void onnx_ports(void **state) {
    (void)state;
    ayf_model *student = export_model(&export_cases[0]), *teacher = export_model(&export_cases[1]),
              *points = export_model(&export_cases[3]);
    const char *path = "out.onnx";
    onnx_facts facts;
    ok(ayf_model_export(student, NULL, path_of(path)));
    facts = read_onnx(path_of(path), 4);
    expect_ports(&facts, PORTS("x=N,1,12,12", "class=N", "guidance=N", "t=N", "s=N", "x_s=N,1,12,12"));
    ok(ayf_model_export(student, &(ayf_export_options){.guidance = 2, .batch = 4}, path_of(path)));
    facts = read_onnx(path_of(path), 4);
    expect_ports(&facts, PORTS("x=4,1,12,12", "class=4", "t=4", "s=4", "x_s=4,1,12,12"));
    ok(ayf_model_export(student, &(ayf_export_options){.steps = 1}, path_of(path)));
    facts = read_onnx(path_of(path), 4);
    expect_ports(&facts, PORTS("noise=N,1,12,12", "class=N", "images=N,1,12,12"));
    ok(ayf_model_export(teacher, NULL, path_of(path)));
    facts = read_onnx(path_of(path), 4);
    expect_ports(&facts, PORTS("x=N,3,16,16", "t=N", "velocity=N,3,16,16"));
    ok(ayf_model_export(points, &(ayf_export_options){.steps = 2}, path_of(path)));
    facts = read_onnx(path_of(path), 4);
    expect_ports(&facts, PORTS("noise=N,2", "class=N", "points=N,2"));
    ok(ayf_model_guide(teacher, NULL));
    ayf_model_close(student);
    ayf_model_close(teacher);
    ayf_model_close(points);
}

/* ---- Weights for PyTorch ---- */

/* The nearest value of 16 bits, by trying all of them. */
static float nearest(ayf_export_dtype dtype, float value) {
    float best = 0;
    double distance = INFINITY;
    for (unsigned bits = 0; bits < 65536; bits++) {
        int exponent = dtype == AYF_EXPORT_F16 ? bits >> 10 & 31 : bits >> 7 & 255;
        int mantissa = dtype == AYF_EXPORT_F16 ? bits & 1023 : bits & 127;
        int digits = dtype == AYF_EXPORT_F16 ? 10 : 7, bias = dtype == AYF_EXPORT_F16 ? 15 : 127;
        if (exponent == (dtype == AYF_EXPORT_F16 ? 31 : 255)) continue;
        double size = exponent ? ldexp((1 << digits) + mantissa, exponent - bias - digits)
                               : ldexp(mantissa, 1 - bias - digits);
        double candidate = bits >> 15 ? -size : size, d = fabs(candidate - (double)value);
        if (d > distance || (d == distance && (bits & 1))) continue;
        distance = d;
        best = (float)candidate;
    }
    return best;
}

static void rounding(void **state) {
    (void)state;
    static const float values[] = {
        0,           1,        -1,         0.1f,     1.00048828125f, 1.00146484375f, 65504,   65519,
        -65519,      6.1e-5f,  5.96e-8f,   2.98e-8f, 2.99e-8f,       8.94e-8f,       3.0e-5f, 1.00390625f,
        1.01171875f, -2.5e-7f, 1.9990234f, 2047.5f,  2048.5f,        0.333333343f,   1e-6f,   3.14159274f};
    for (int dtype = AYF_EXPORT_F16; dtype <= AYF_EXPORT_BF16; dtype++) {
        uint16_t bits[AYF_COUNT(values)];
        float back[AYF_COUNT(values)];
        ayf_st *st;
        ayf_st_writer *w;
        int64_t count = AYF_COUNT(values);
        ok(ayf_narrow(ctx, (ayf_export_dtype)dtype, "values", values, AYF_COUNT(values), bits));
        ok(ayf_st_write_begin(ctx, &w));
        ok(ayf_st_write_tensor(w, "v", dtype == AYF_EXPORT_F16 ? AYF_ST_F16 : AYF_ST_BF16, 1, &count, bits));
        ok(ayf_st_write_end(w, path_of("out.safetensors")));
        ok(ayf_st_open(ctx, path_of("out.safetensors"), &st));
        ok(ayf_st_read_f32(st, "v", back, AYF_COUNT(values)));
        ayf_st_close(st);
        for (size_t i = 0; i < AYF_COUNT(values); i++)
            assert_true(back[i] == nearest((ayf_export_dtype)dtype, values[i]));
    }
    uint16_t out;
    const float large = 65520, huge = 3.4e38f;
    assert_int_equal(ayf_narrow(ctx, AYF_EXPORT_F16, "unet.w", &large, 1, &out), AYF_E_CONFIG);
    expect_message("tensor 'unet.w': value 0 is 65520, which is too large for f16; use bf16 or f32");
    ok(ayf_narrow(ctx, AYF_EXPORT_BF16, "unet.w", &large, 1, &out));
    assert_int_equal(ayf_narrow(ctx, AYF_EXPORT_BF16, "unet.w", &huge, 1, &out), AYF_E_CONFIG);
}

/* Every tensor of the model under EDM2's name, in its shape and type, and nothing else. */
static void safetensors(void **state) {
    (void)state;
    static const ayf_st_dtype types[] = {AYF_ST_F32, AYF_ST_F16, AYF_ST_BF16};
    for (int dtype = AYF_EXPORT_F32; dtype <= AYF_EXPORT_BF16; dtype++) {
        ayf_model *model = export_model(&export_cases[1]);
        ayf_st *st, *source;
        ok(ayf_model_export(
            model, &(ayf_export_options){.format = AYF_EXPORT_SAFETENSORS, .dtype = (ayf_export_dtype)dtype},
            path_of("out.safetensors")));
        ok(ayf_st_open(ctx, path_of("out.safetensors"), &st));
        ok(ayf_st_open(ctx, path_of("teacher.safetensors"), &source));
        assert_int_equal(ayf_st_count(st), ayf_st_count(source));
        for (size_t i = 0; i < ayf_st_count(source); i++) {
            const ayf_st_tensor *want = ayf_st_at(source, i);
            assert_memory_equal(want->name, "unet.", 5);
            const ayf_st_tensor *got = ayf_st_get(st, want->name + 5);
            if (!got) fail_msg("%s", ayf_error(ctx));
            assert_int_equal(got->dtype, types[dtype]);
            assert_int_equal(got->rank, want->rank);
            assert_memory_equal(got->shape, want->shape, sizeof want->shape);
            float *a = malloc(2 * want->count * sizeof *a), *b = a + want->count;
            ok(ayf_st_read_f32(source, want->name, a, want->count));
            ok(ayf_st_read_f32(st, got->name, b, want->count));
            for (size_t k = 0; k < want->count; k++)
                expect_near(b[k], a[k], fabs(a[k]) * (dtype == AYF_EXPORT_F32 ? 0 : 1.0 / 256) + 1e-7);
            free(a);
        }
        assert_string_equal(ayf_st_meta(st, "format"), "pt");
        assert_string_equal(ayf_st_meta(st, "dtype"), ayf_export_dtype_name((ayf_export_dtype)dtype));
        assert_string_equal(ayf_st_meta(st, "sigma_data"), "0.5");
        assert_string_equal(ayf_st_meta(st, "model.model_channels"), "16");
        ayf_st_close(st);
        ayf_st_close(source);
        ayf_model_close(model);
    }
}

/* ---- C programs ---- */

/* The numbers that the command prints. False: it failed. */
static bool run(const char *command, float *out, size_t count) {
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t read = 0;
    while (read < count && fscanf(pipe, "%f%*1[,\n]", &out[read]) == 1) read++;
    return pclose(pipe) == 0 && read == count;
}

static void compile(const char *extra) {
    char command[1024];
    const char *cc = getenv("CC");
    snprintf(command, sizeof command, "%s -std=c99 -pedantic -Wall -Wextra -Werror -O2 %s -o %s %s -lm",
             cc && *cc ? cc : "cc", path_of("out.c"), path_of("a.out"), extra);
    if (system(command) != 0) fail_msg("%s", command);
}

static void compare_program(ayf_model *model, ayf_export_dtype dtype, ayf_solver solver, double tolerance) {
    size_t size = export_values(model);
    float *want = malloc(2 * size * sizeof *want), *got = want + size;
    char command[256];
    double guidance = ayf_model_describe(model).guidance_max > 1 ? 2.5 : 0;
    ok(ayf_model_export(
        model,
        &(ayf_export_options){
            .format = AYF_EXPORT_C, .dtype = dtype, .steps = 3, .solver = solver, .guidance = guidance},
        path_of("out.c")));
    compile("");
    for (int k = 0; k < 3; k++) {
        static const uint64_t seeds[] = {7, 0, 12345678901234567};
        int label = k == 1 && model->weights->spec.label_dim ? 2 : -1, steps = k == 1 ? 2 : 0;
        ayf_sample_options options = {.steps = steps ? steps : 3,
                                      .seeds = &seeds[k],
                                      .classes = label < 0 ? NULL : &label,
                                      .solver = solver,
                                      .guidance = guidance};
        ok(ayf_model_sample(model, &options, 1, want, NULL));
        snprintf(command, sizeof command, "%s %llu %d %d text", path_of("a.out"),
                 (unsigned long long)seeds[k], label, steps);
        assert_true(run(command, got, size));
        double error = 0, norm = 0;
        for (size_t i = 0; i < size; i++) {
            error += (got[i] - want[i]) * (got[i] - want[i]);
            norm += want[i] * want[i];
        }
        if (!(sqrt(error / norm) < tolerance)) fail_msg("relative error %g", sqrt(error / norm));
    }
    free(want);
}

static void c_programs(void **state) {
    (void)state;
    for (int i = 0; i < EXPORT_CASES; i++) {
        ayf_model *model = export_model(&export_cases[i]);
        compare_program(model, AYF_EXPORT_F32, AYF_SOLVER_DEFAULT, 1e-4);
        if (i == 0) compare_program(model, AYF_EXPORT_BF16, AYF_SOLVER_DEFAULT, 3e-2);
        if (i == 3) compare_program(model, AYF_EXPORT_F16, AYF_SOLVER_DEFAULT, 3e-3);
        if (i == 1) compare_program(model, AYF_EXPORT_F32, AYF_SOLVER_EULER, 1e-4);
        ayf_model_close(model);
    }
}

/* A model may be part of a program that has others. */
static void c_names(void **state) {
    (void)state;
    ayf_model *model = export_model(&export_cases[4]);
    float got[2], want[2];
    ok(ayf_model_export(model, &(ayf_export_options){.format = AYF_EXPORT_C, .name = "Rings2", .steps = 2},
                        path_of("out.c")));
    FILE *more = fopen(path_of("more.c"), "w");
    fputs(
        "#include <stdio.h>\nvoid Rings2_sample(unsigned long long seed, int label, int steps, float *out);\n"
        "int main(void) { float x[2]; Rings2_sample(9, -1, 0, x); printf(\"%g\\n%g\\n\", x[0], x[1]); return "
        "0; }\n",
        more);
    fclose(more);
    char extra[256];
    snprintf(extra, sizeof extra, "-DRINGS2_NO_MAIN %s", path_of("more.c"));
    compile(extra);
    ok(ayf_model_sample(model, &(ayf_sample_options){.steps = 2, .first_seed = 9}, 1, want, NULL));
    assert_true(run(path_of("a.out"), got, 2));
    expect_near(got[0], want[0], 1e-4);
    expect_near(got[1], want[1], 1e-4);
    ayf_model_close(model);
}

/* ---- Misuse ---- */

static void expect_refused(ayf_model *model, ayf_export_options options, const char *words) {
    assert_int_equal(ayf_model_export(model, &options, path_of("none")), AYF_E_USAGE);
    expect_message(words);
    assert_int_equal(access(path_of("none"), F_OK), -1);
}

static void misuse(void **state) {
    (void)state;
    ayf_model *student = export_model(&export_cases[0]), *teacher = export_model(&export_cases[1]);
    const double rising[] = {1, 1.5, 0}, late[] = {1, 0.5};
    expect_refused(student, (ayf_export_options){.steps = -1}, "steps is -1");
    expect_refused(student, (ayf_export_options){.steps = 257}, "1 to 256");
    expect_refused(student, (ayf_export_options){.steps = 2, .times = rising}, "time 2 is 1.5");
    expect_refused(student, (ayf_export_options){.steps = 1, .times = late}, "time 2 is 0.5");
    expect_refused(student, (ayf_export_options){.times = late}, "number of steps");
    expect_refused(student, (ayf_export_options){.guidance = 5}, "guidance 5 is outside");
    expect_refused(student, (ayf_export_options){.steps = 2, .solver = AYF_SOLVER_HEUN}, "is a student");
    expect_refused(teacher, (ayf_export_options){.steps = 2, .solver = AYF_SOLVER_REFERENCE},
                   "euler or heun");
    expect_refused(teacher, (ayf_export_options){.solver = AYF_SOLVER_HEUN}, "--steps");
    expect_refused(teacher, (ayf_export_options){.guidance = 2}, "--weak");
    expect_refused(student, (ayf_export_options){.format = AYF_EXPORT_SAFETENSORS, .steps = 2},
                   "safetensors takes no steps");
    expect_refused(student, (ayf_export_options){.format = AYF_EXPORT_C, .batch = 2}, "takes no batch");
    expect_refused(student, (ayf_export_options){.name = "a"}, "takes no name");
    expect_refused(student, (ayf_export_options){.format = AYF_EXPORT_C, .name = "2x"}, "no digit first");
    expect_refused(student, (ayf_export_options){.format = (ayf_export_format)9}, "no export format 9");
    assert_int_equal(ayf_model_export(student, NULL, ""), AYF_E_USAGE);
    assert_int_equal(ayf_model_export(student, NULL, path_of("no/such/folder")), AYF_E_IO);
    ayf_model_close(student);
    ayf_model_close(teacher);
}

/* Every allocation fails in turn: the failure is told, nothing stays behind. */
static void out_of_memory(void **state) {
    (void)state;
    ayf_model *model = make_model("small.safetensors",
                                  SPEC("is_student", "true", "img_resolution", "4", "model_channels", "4",
                                       "channel_mult", "1", "num_blocks", "1", "label_dim", "2"),
                                  AYF_MODEL_ROLE_STUDENT, 1, 1);
    ayf_model_close(model);
    test_memory memory = {0};
    ayf_context *poor = ayf_open(&(ayf_options){.alloc = test_alloc, .alloc_user = &memory, .threads = 1});
    ok(ayf_model_open(poor, path_of("small.safetensors"), &model));
    for (int format = AYF_EXPORT_ONNX; format <= AYF_EXPORT_C; format++) {
        ayf_export_options options = {.format = (ayf_export_format)format, .dtype = AYF_EXPORT_BF16};
        long held = memory.held, failures = 0;
        for (long n = 1;; n += 1 + n / 20) {
            memory.fail_at = memory.calls + n;
            ayf_status status = ayf_model_export(model, &options, path_of("none"));
            memory.fail_at = 0;
            assert_int_equal(memory.held, held);
            if (status == AYF_OK) break;
            assert_int_equal(status, AYF_E_MEMORY);
            assert_int_equal(access(path_of("none"), F_OK), -1);
            failures++;
        }
        assert_true(failures > 20);
        unlink(path_of("none"));
    }
    ayf_model_close(model);
    ayf_close(poor);
}

static int end(void **state) {
    (void)state;
    char name[EXPORT_CASES][64];
    const char *files[EXPORT_CASES + 6] = {"out.onnx", "out.safetensors", "out.c",
                                           "a.out",    "more.c",          "small.safetensors"};
    for (int i = 0; i < EXPORT_CASES; i++) {
        snprintf(name[i], sizeof name[i], "%s.safetensors", export_cases[i].name);
        files[i + 6] = name[i];
    }
    return end_of(files, AYF_COUNT(files));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(onnx_models_for_runtimes),
        cmocka_unit_test(onnx_structure),
        cmocka_unit_test(onnx_ports),
        cmocka_unit_test(rounding),
        cmocka_unit_test(safetensors),
        cmocka_unit_test(c_programs),
        cmocka_unit_test(c_names),
        cmocka_unit_test(misuse),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests_name("export", tests, begin, end);
}
