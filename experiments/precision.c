/* What bfloat16 does to a trained student: F and its tangent dF along the teacher's velocity, in both precisions.
 *
 *     precision STUDENT.safetensors TEACHER.safetensors [batches]        default: 8 batches of 32
 *
 * The points x_t lie between noise and what the student makes of it in one step, at t from 0.02 to 0.98 and s
 * below t. For each tensor: |bf16 - f32| / |f32| and the cosine between both, over everything; then the same by
 * thirds of t. Classes are taken in turn. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ad/ad.h"
#include "backend/open.h"
#include "base/rng.h"
#include "flow/map.h"
#include "ir/build.h"
#include "model/file.h"

enum { BATCH = 32, THIRDS = 3 };

static ayf_context *ctx;

static void must(ayf_status status) {
    if (status == AYF_OK) return;
    fprintf(stderr, "precision: %s\n", ayf_error(ctx));
    exit(1);
}

static void *must_have(void *pointer) {
    if (!pointer) must(AYF_E_MEMORY);
    return pointer;
}

typedef struct leaves {
    ayf_id x, v, t, s, guidance, onehot;
} leaves;

static leaves make_leaves(ayf_graph *g, const ayf_model_spec *spec) {
    ayf_shape image = AYF_SHAPE(BATCH, spec->img_resolution, spec->img_resolution, spec->img_channels);
    return (leaves){
        ayf_leaf(g, AYF_STORE_INPUT, "x", image),
        ayf_leaf(g, AYF_STORE_INPUT, "v", image),
        ayf_leaf(g, AYF_STORE_INPUT, "t", AYF_SHAPE(BATCH)),
        ayf_leaf(g, AYF_STORE_INPUT, "s", AYF_SHAPE(BATCH)),
        ayf_leaf(g, AYF_STORE_INPUT, "guidance", AYF_SHAPE(BATCH)),
        spec->label_dim ? ayf_leaf(g, AYF_STORE_INPUT, "onehot", AYF_SHAPE(BATCH, spec->label_dim)) : 0};
}

static ayf_id network(ayf_graph *g, const ayf_weights *w, const char *scope, ayf_id x, ayf_condition c) {
    ayf_scope(g, "%s", scope);
    ayf_id F = ayf_flow_velocity(g, w->params, AYF_STORE_PARAM, x, c);
    ayf_scope(g, "%s", "");
    return F;
}

/* From noise x: x_t on the way from it to the student's sample, and the teacher's velocity there. */
static ayf_graph *points_graph(const ayf_weights *student, const ayf_weights *teacher) {
    ayf_graph *g = must_have(ayf_graph_new(ctx));
    leaves l = make_leaves(g, &student->spec);
    ayf_id one = ayf_const_like(g, l.t, 1), zero = ayf_const_like(g, l.t, 0);
    ayf_id x0 = ayf_sub(
        g, l.x, network(g, student, "student.", l.x, (ayf_condition){one, zero, l.guidance, l.onehot}));
    ayf_id t = ayf_per_sample(g, l.t, l.x);
    ayf_id x_t = ayf_add(g, x0, ayf_mul(g, t, ayf_sub(g, l.x, x0)));
    ayf_output(g, "x_t", x_t);
    ayf_output(g, "v", network(g, teacher, "teacher.", x_t, (ayf_condition){.t = l.t, .onehot = l.onehot}));
    return g;
}

static ayf_graph *student_graph(const ayf_weights *student) {
    ayf_graph *g = must_have(ayf_graph_new(ctx));
    leaves l = make_leaves(g, &student->spec);
    ayf_id dF, one = ayf_const_like(g, l.t, 1);
    ayf_id F = network(g, student, "student.", l.x, (ayf_condition){l.t, l.s, l.guidance, l.onehot});
    ayf_jvp(g, 2, (ayf_id[]){l.x, l.t}, (ayf_id[]){l.v, one}, 1, &F, &dF);
    ayf_output(g, "F", F);
    ayf_output(g, "dF", dF);
    return g;
}

typedef struct sums {
    double difference, product, full, half;
} sums;

static void add(sums *to, const float *full, const float *half, size_t count) {
    for (size_t i = 0; i < count; i++) {
        double a = (double)full[i], b = (double)half[i];
        to->difference += (a - b) * (a - b);
        to->product += a * b;
        to->full += a * a;
        to->half += b * b;
    }
}

static void print(const char *name, const char *where, const sums *s) {
    printf("%-3s %-16s relative rms error %.5f  cosine %.6f\n", name, where, sqrt(s->difference / s->full),
           s->product / sqrt(s->full * s->half));
}

static void set(ayf_program *p, const char *leaf, const float *values, size_t count) {
    if (ayf_program_has_leaf(p, leaf)) must(ayf_program_set(p, leaf, values, count));
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: precision STUDENT.safetensors TEACHER.safetensors [batches]\n");
        return 2;
    }
    int batches = argc > 3 ? atoi(argv[3]) : 8;
    ctx = ayf_open(NULL);
    ayf_backend *backend;
    ayf_weights *student, *teacher;
    ayf_model_card card;
    must(ayf_backend_open(ctx, &backend));
    must(ayf_model_read_flow(backend, argv[1], &student, &card));
    must(ayf_model_read_flow(backend, argv[2], &teacher, &card));
    const ayf_model_spec *spec = &student->spec;
    ayf_program *points, *program[2];
    must(ayf_compile(backend, points_graph(student, teacher), NULL, &points));
    must(ayf_weights_bind(student, points, "student."));
    must(ayf_weights_bind(teacher, points, "teacher."));
    for (int k = 0; k < 2; k++) {
        const ayf_compile_options options = {.precision = k ? AYF_PRECISION_BF16 : AYF_PRECISION_HIGHEST};
        must(ayf_compile(backend, student_graph(student), &options, &program[k]));
        must(ayf_weights_bind(student, program[k], "student."));
    }
    size_t pixels = (size_t)(spec->img_resolution * spec->img_resolution * spec->img_channels),
           count = BATCH * pixels, classes = (size_t)spec->label_dim;
    float *noise = must_have(ayf_alloc(ctx, count, sizeof *noise)),
          *x = must_have(ayf_alloc(ctx, count, sizeof *x)), *v = must_have(ayf_alloc(ctx, count, sizeof *v)),
          *result[2] = {must_have(ayf_alloc(ctx, count, sizeof(float))),
                        must_have(ayf_alloc(ctx, count, sizeof(float)))},
          *onehot = must_have(ayf_alloc(ctx, BATCH * classes, sizeof *onehot));
    static const char *const names[2] = {"F", "dF"};
    sums all[2] = {{0}}, third[2][THIRDS] = {{{0}}};
    for (int b = 0; b < batches; b++) {
        float t[BATCH], s[BATCH], guidance[BATCH];
        float uniform[2 * BATCH];
        ayf_rng_uniform((ayf_rng_key){1, AYF_RNG_NOISE, (uint64_t)b, 0}, uniform, 2 * BATCH);
        ayf_rng_normal((ayf_rng_key){2, AYF_RNG_NOISE, (uint64_t)b, 0}, noise, count);
        for (size_t i = 0; i < BATCH; i++) {
            t[i] = 0.02f + 0.96f * uniform[i];
            s[i] = t[i] * uniform[BATCH + i];
            guidance[i] = 1;
            for (size_t c = 0; c < classes; c++) onehot[i * classes + c] = c == i % classes ? 1 : 0;
        }
        set(points, "x", noise, count);
        set(points, "v", noise, count);
        set(points, "t", t, BATCH);
        set(points, "s", s, BATCH);
        set(points, "guidance", guidance, BATCH);
        set(points, "onehot", onehot, BATCH * classes);
        must(ayf_program_run(points));
        must(ayf_program_get(points, "x_t", x, count));
        must(ayf_program_get(points, "v", v, count));
        for (int k = 0; k < 2; k++) {
            set(program[k], "x", x, count);
            set(program[k], "v", v, count);
            set(program[k], "t", t, BATCH);
            set(program[k], "s", s, BATCH);
            set(program[k], "guidance", guidance, BATCH);
            set(program[k], "onehot", onehot, BATCH * classes);
            must(ayf_program_run(program[k]));
        }
        for (int n = 0; n < 2; n++) {
            for (int k = 0; k < 2; k++) must(ayf_program_get(program[k], names[n], result[k], count));
            for (size_t i = 0; i < BATCH; i++) {
                sums *where = &third[n][(int)((double)t[i] * THIRDS)];
                add(&all[n], result[0] + i * pixels, result[1] + i * pixels, pixels);
                add(where, result[0] + i * pixels, result[1] + i * pixels, pixels);
            }
        }
    }
    for (int n = 0; n < 2; n++) {
        static const char *const where[THIRDS] = {"t < 1/3", "1/3 <= t < 2/3", "2/3 <= t"};
        print(names[n], "everywhere", &all[n]);
        for (int i = 0; i < THIRDS; i++) print(names[n], where[i], &third[n][i]);
    }
    return 0;
}
