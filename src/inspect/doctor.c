/* Whether this machine computes a network and its derivatives as it should. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backend/open.h"
#include "backend/ref/ref.h"
#include "base/rng.h"
#include "inspect/doctor.h"
#include "sample/model_api.h"

/* Relative differences that are still fine. Finite differences of single precision are that coarse; backends differ
 * by rounding only, and bfloat16 keeps 8 bits. */
static const double difference_most = 0.03, backend_most = 1e-4, backend2_most = 1e-3, bf16_most = 0.05;
/* A part of each variable; below, rounding counts more, above, the curvature. */
static const double step = 0.01;

typedef struct doctor {
    ayf_context *ctx;
    ayf_print_fn *print;
    void *user;
    ayf_backend *backend, *ref;
    ayf_doctor_subject subject;
    ayf_program *values, *tangent, *gradients; /* on `backend` */
    ayf_program *ref_gradients, *ref_tangent;
    double noise[2];  /* of the finite differences of L and R by rounding */
    float *buffer[2]; /* of the largest output */
    int checks, failed;
} doctor;

static void say(const doctor *d, const char *format, ...) AYF_PRINTF(2, 3);
static void say(const doctor *d, const char *format, ...) {
    char line[256];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    d->print(d->user, line);
}

/* Counts a check. Returns what marks it in the table. */
static const char *mark(doctor *d, bool good) {
    d->checks++;
    d->failed += !good;
    return good ? "" : "  FAILED";
}

static double get_one(ayf_program *p, const char *name, ayf_status *status) {
    float value = NAN;
    if (*status == AYF_OK) *status = ayf_program_get(p, name, &value, 1);
    return value;
}

/* ---- Finite differences ---- */

/* L and R with the variable moved by `by` steps of its direction. */
static ayf_status values_at(doctor *d, const ayf_doctor_variable *v, double by, double *L, double *R) {
    for (size_t i = 0; i < v->size; i++)
        d->buffer[0][i] = (float)((double)v->at[i] + by * step * (double)v->direction[i]);
    AYF_TRY(ayf_program_set(d->values, v->name, d->buffer[0], v->size));
    ayf_status status = ayf_program_run(d->values);
    *L = get_one(d->values, "L", &status);
    *R = get_one(d->values, "R", &status);
    return status;
}

/* What single precision leaves open in a difference of L and of R. */
static ayf_status measure_noise(doctor *d) {
    const double rounding = 64 * 0x1p-24;
    AYF_TRY(ayf_program_run(d->values));
    ayf_status status = AYF_OK;
    d->noise[0] = rounding / step * sqrt(get_one(d->values, "square", &status));
    d->noise[1] = rounding / step * get_one(d->values, "R", &status);
    return status;
}

static double dot_direction(const ayf_doctor_variable *v, const float *gradient) {
    double sum = 0;
    for (size_t i = 0; i < v->size; i++) sum += (double)gradient[i] * (double)v->direction[i];
    return sum;
}

static ayf_status gradient_of(ayf_program *p, const char *kind, const ayf_doctor_variable *v, float *out) {
    char name[128];
    snprintf(name, sizeof name, "%s.%s", kind, v->name);
    if (ayf_program_has_output(p, name)) return ayf_program_get(p, name, out, v->size);
    memset(out, 0, v->size * sizeof *out);
    return AYF_OK;
}

typedef struct comparison {
    char text[16];
    bool good;
} comparison;

/* A derivative against a finite difference, with its sign. */
static comparison compare(double derivative, double difference, double noise) {
    double size = fmax(fabs(derivative), fabs(difference)), error = fabs(derivative - difference);
    comparison c = {.good = error <= difference_most * size + noise};
    if (size <= noise)
        snprintf(c.text, sizeof c.text, "tiny");
    else
        snprintf(c.text, sizeof c.text, "%.1e", error / size);
    return c;
}

static double relative_difference(const float *a, const float *b, size_t count) {
    double square = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        square += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        size += (double)b[i] * (double)b[i];
    }
    return square == 0 ? 0 : sqrt(square / size);
}

/* A gradient of the backend against the reference's. What is left of terms that cancel may differ by their rounding. */
static ayf_status compare_backends(doctor *d, const char *kind, const ayf_doctor_variable *v, double most,
                                   double noise, comparison *c) {
    float *ours = d->buffer[0], *right = d->buffer[1];
    AYF_TRY(gradient_of(d->gradients, kind, v, ours));
    AYF_TRY(gradient_of(d->ref_gradients, kind, v, right));
    double error = relative_difference(ours, right, v->size);
    bool rounding = fabs(dot_direction(v, ours) - dot_direction(v, right)) <= noise * step;
    c->good = error <= most || rounding;
    snprintf(c->text, sizeof c->text, rounding && error > most ? "tiny" : "%.1e", error);
    return AYF_OK;
}

/* One row of the table: the derivatives of one variable. */
static ayf_status check_variable(doctor *d, const ayf_doctor_variable *v) {
    double L[2], R[2], slope[3];
    ayf_status status = AYF_OK;
    for (int side = 0; side < 2; side++) AYF_TRY(values_at(d, v, side ? 1 : -1, &L[side], &R[side]));
    AYF_TRY(ayf_program_set(d->values, v->name, v->at, v->size));
    AYF_TRY(ayf_doctor_move(d->tangent, v, 1));
    AYF_TRY(ayf_program_run(d->tangent));
    slope[0] = get_one(d->tangent, "dL", &status);
    if (status != AYF_OK) return status;
    AYF_TRY(ayf_doctor_move(d->tangent, v, 0));
    AYF_TRY(gradient_of(d->gradients, "grad", v, d->buffer[0]));
    slope[1] = dot_direction(v, d->buffer[0]);
    AYF_TRY(gradient_of(d->gradients, "grad2", v, d->buffer[0]));
    slope[2] = dot_direction(v, d->buffer[0]);
    comparison c[5];
    for (int i = 0; i < 2; i++) c[i] = compare(slope[i], (L[1] - L[0]) / (2 * step), d->noise[0]);
    c[2] = compare(slope[2], (R[1] - R[0]) / (2 * step), d->noise[1]);
    AYF_TRY(compare_backends(d, "grad", v, backend_most, d->noise[0], &c[3]));
    AYF_TRY(compare_backends(d, "grad2", v, backend2_most, d->noise[1], &c[4]));
    const char *marked = "";
    for (int i = 0; i < 5; i++) {
        const char *one = mark(d, c[i].good);
        if (*one) marked = one;
    }
    say(d, "%-38s %8s %8s %8s %10s %8s%s", v->name, c[0].text, c[1].text, c[2].text, c[3].text, c[4].text,
        marked);
    return AYF_OK;
}

static ayf_status check_derivatives(doctor *d) {
    const ayf_doctor_subject *s = &d->subject;
    AYF_TRY(measure_noise(d));
    AYF_TRY(ayf_program_run(d->gradients));
    AYF_TRY(ayf_program_run(d->ref_gradients));
    say(d, "relative error of derivatives against signed finite differences (tiny: too small for 32 bits) "
           "and ref:");
    say(d, "%-38s %8s %8s %8s %10s %8s", "", "JVP", "VJP", "double", "VJP : ref", "double");
    for (int i = 0; i < s->count; i++) AYF_TRY(check_variable(d, &s->variable[i]));
    return AYF_OK;
}

/* ---- Values, bytes, precision ---- */

static ayf_status compare_outputs(doctor *d, ayf_program *a, ayf_program *b, const char *name,
                                  const char *title, double most) {
    const size_t count = d->subject.outputs;
    AYF_TRY(ayf_program_get(a, name, d->buffer[0], count));
    AYF_TRY(ayf_program_get(b, name, d->buffer[1], count));
    double error = relative_difference(d->buffer[0], d->buffer[1], count);
    say(d, "%-38s %8.1e%s", title, error, mark(d, error <= most));
    return AYF_OK;
}

static ayf_status check_values(doctor *d) {
    const ayf_doctor_subject *s = &d->subject;
    for (int i = 0; i < s->count; i++) {
        AYF_TRY(ayf_doctor_move(d->tangent, &s->variable[i], 1));
        AYF_TRY(ayf_doctor_move(d->ref_tangent, &s->variable[i], 1));
    }
    AYF_TRY(ayf_program_run(d->tangent));
    AYF_TRY(ayf_program_run(d->ref_tangent));
    AYF_TRY(compare_outputs(d, d->gradients, d->ref_gradients, "F", "F against ref", backend_most));
    return compare_outputs(d, d->tangent, d->ref_tangent, "dF", "tangent of F against ref", backend_most);
}

static ayf_status check_bf16(doctor *d) {
    ayf_program *p;
    if (ayf_backend_precision(d->backend, AYF_PRECISION_AUTO) != AYF_PRECISION_BF16) {
        say(d, "bf16: not faster than 32 bits on this machine, not checked");
        return AYF_OK;
    }
    AYF_TRY(ayf_doctor_compile(&d->subject, d->backend, AYF_DOCTOR_VALUES,
                               &(ayf_compile_options){.precision = AYF_PRECISION_BF16}, &p));
    ayf_status status = ayf_program_run(p);
    if (status == AYF_OK)
        status = compare_outputs(d, p, d->ref_gradients, "F", "F in bf16 against ref in 64 bits", bf16_most);
    ayf_program_free(p);
    return status;
}

/* Whether two programs have the same bytes in every gradient and in F. */
static ayf_status same_bytes(doctor *d, ayf_program *a, ayf_program *b, float *kept, bool *same) {
    const ayf_doctor_subject *s = &d->subject;
    *same = true;
    for (int i = -1; i < s->count; i++) {
        size_t count = i < 0 ? s->outputs : s->variable[i].size;
        for (int side = 0; side < 2; side++) {
            float *out = side ? kept : d->buffer[0];
            AYF_TRY(i < 0 ? ayf_program_get(side ? b : a, "F", out, count)
                          : gradient_of(side ? b : a, "grad2", &s->variable[i], out));
        }
        *same &= memcmp(d->buffer[0], kept, count * sizeof *kept) == 0;
    }
    return AYF_OK;
}

static ayf_status check_determinism(doctor *d) {
    static const struct {
        ayf_plan_mode plan;
        const char *title;
    } kinds[] = {{AYF_PLAN_REUSE, "the same bytes from a second program"},
                 {AYF_PLAN_NONE, "the same bytes without reuse of memory"},
                 {AYF_PLAN_POISON, "the same bytes with dead memory poisoned"}};
    for (size_t i = 0; i < AYF_COUNT(kinds); i++) {
        ayf_program *p;
        bool same = false;
        AYF_TRY(ayf_doctor_compile(&d->subject, d->backend, AYF_DOCTOR_GRADIENTS,
                                   &(ayf_compile_options){.plan = kinds[i].plan}, &p));
        ayf_status status = ayf_program_run(p);
        if (status == AYF_OK) status = same_bytes(d, d->gradients, p, d->buffer[1], &same);
        ayf_program_free(p);
        if (status != AYF_OK) return status;
        say(d, "%-40s %6s%s", kinds[i].title, same ? "yes" : "no", mark(d, same));
    }
    return AYF_OK;
}

static ayf_status check_semigroup(doctor *d, ayf_model *model) {
    ayf_semigroup_row rows[AYF_SEMIGROUP_ROWS];
    double mean;
    if (!model || !ayf_model_is_student(model)) return AYF_OK;
    AYF_TRY(ayf_semigroup_defect(model, NULL, &(ayf_fidelity_options){.images = 16}, rows, &mean));
    say(d, "%-38s %8.4f%s", "semigroup defect of the student, mean", mean, mark(d, isfinite(mean)));
    return AYF_OK;
}

/* ---- The whole ---- */

/* A network with everything that can go wrong in one: attention, two levels, classes, guidance, and no parameter
 * that is 0, so that every derivative is something. */
static ayf_status small_network(ayf_backend *backend, ayf_weights **out) {
    ayf_model_spec spec = ayf_model_spec_default();
    spec.is_student = true;
    spec.img_resolution = 8;
    spec.img_channels = 3;
    spec.model_channels = spec.channels_per_head = 16;
    spec.label_dim = 3;
    spec.num_blocks = 1;
    spec.channel_mult = (ayf_ints){2, {1, 2}};
    spec.attn_resolutions = (ayf_ints){1, {4}};
    AYF_TRY(ayf_weights_new(backend, &spec, out));
    AYF_TRY(ayf_weights_init(*out, 1));
    for (int i = 0; i < (*out)->params->count; i++) {
        const ayf_param *p = &(*out)->params->at[i];
        if (p->role == AYF_PARAM_WEIGHT || p->role == AYF_PARAM_BUFFER) continue;
        float *values = ayf_alloc(backend->ctx, p->size, sizeof *values);
        if (!values) return AYF_E_MEMORY;
        ayf_rng_normal((ayf_rng_key){.purpose = AYF_RNG_TEST, .step = 3, .sample = (uint64_t)i}, values,
                       p->size);
        for (size_t k = 0; k < p->size; k++) values[k] = 0.7f + 0.1f * values[k];
        ayf_status status = ayf_buffer_set((*out)->at[i], values);
        ayf_free(backend->ctx, values);
        if (status != AYF_OK) return status;
    }
    return AYF_OK;
}

static ayf_status compile_all(doctor *d) {
    const ayf_doctor_subject *s = &d->subject;
    size_t most = s->outputs;
    for (int i = 0; i < s->count; i++)
        if (s->variable[i].size > most) most = s->variable[i].size;
    for (int i = 0; i < 2; i++)
        if (!(d->buffer[i] = ayf_alloc(d->ctx, most, sizeof *d->buffer[i]))) return AYF_E_MEMORY;
    AYF_TRY(ayf_doctor_compile(s, d->backend, AYF_DOCTOR_VALUES, NULL, &d->values));
    AYF_TRY(ayf_doctor_compile(s, d->backend, AYF_DOCTOR_TANGENT, NULL, &d->tangent));
    AYF_TRY(ayf_doctor_compile(s, d->backend, AYF_DOCTOR_GRADIENTS, NULL, &d->gradients));
    AYF_TRY(ayf_doctor_compile(s, d->ref, AYF_DOCTOR_TANGENT, NULL, &d->ref_tangent));
    return ayf_doctor_compile(s, d->ref, AYF_DOCTOR_GRADIENTS, NULL, &d->ref_gradients);
}

static ayf_status examine(doctor *d, ayf_model *model, const ayf_weights *weights) {
    AYF_TRY(ayf_doctor_subject_new(weights, model ? 1 : 2, &d->subject));
    say(d, "%s, %d variables, batch %d, on %s", model ? model->path : "a small student with attention",
        d->subject.count, d->subject.batch, d->backend->ops->name);
    AYF_TRY(compile_all(d));
    AYF_TRY(check_derivatives(d));
    AYF_TRY(check_values(d));
    AYF_TRY(check_bf16(d));
    AYF_TRY(check_determinism(d));
    AYF_TRY(check_semigroup(d, model));
    say(d, "%d of %d checks passed", d->checks - d->failed, d->checks);
    if (!d->failed) return AYF_OK;
    return ayf_fail(
        d->ctx, AYF_E_CHECK,
        "%d of %d checks failed: this machine or this build does not compute what it should; please report "
        "the table with the output of lscpu",
        d->failed, d->checks);
}

static void clear(doctor *d) {
    ayf_program *const programs[] = {d->values, d->tangent, d->gradients, d->ref_gradients, d->ref_tangent};
    for (size_t i = 0; i < AYF_COUNT(programs); i++) ayf_program_free(programs[i]);
    ayf_doctor_subject_free(&d->subject);
    for (int i = 0; i < 2; i++) ayf_free(d->ctx, d->buffer[i]);
    if (d->ref) ayf_backend_close(d->ref);
}

ayf_status ayf_doctor(ayf_context *ctx, ayf_model *model, ayf_print_fn *print, void *user) {
    doctor d = {.ctx = ctx, .print = print, .user = user};
    ayf_weights *own = NULL;
    ayf_status status = ayf_backend_open(ctx, &d.backend);
    if (status == AYF_OK) status = ayf_ref_open(ctx, &d.ref);
    if (status == AYF_OK && !model) status = small_network(d.backend, &own);
    if (status == AYF_OK) status = examine(&d, model, model ? model->weights : own);
    clear(&d);
    ayf_weights_free(own);
    return status;
}
