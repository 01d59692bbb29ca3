#include "sample/solver.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"

enum { STAGES = 7 };

typedef struct walk {
    ayf_context *ctx;
    const ayf_field *field;
    const ayf_solver_options *how;
    int batch, calls;
    size_t size, total; /* per sample; of the batch */
    double *x;          /* [batch][size], the caller's */
    double *t, *s;      /* [batch], what the field is given */
    double *stage;      /* STAGES x [batch][size] */
    double *trial;      /* [batch][size] */
    float *noise;       /* [size] */
} walk;

static double *stage_of(const walk *w, int i) { return w->stage + (size_t)i * w->total; }

static ayf_status evaluate(walk *w, const double *x, double *out) {
    w->calls++;
    return w->field->at(w->field->self, x, w->t, w->s, out);
}

static ayf_status evaluate_at(walk *w, const double *x, double t, double s, double *out) {
    for (int i = 0; i < w->batch; i++) w->t[i] = t, w->s[i] = s;
    return evaluate(w, x, out);
}

/* ---- One step from t to u ---- */

static void add_noise(walk *w, double keep, double amount, int step, const uint64_t *seeds) {
    for (int i = 0; i < w->batch; i++) {
        double *x = w->x + (size_t)i * w->size;
        ayf_rng_normal((ayf_rng_key){.purpose = AYF_RNG_RENOISE, .step = (uint64_t)step, .sample = seeds[i]},
                       w->noise, w->size);
        for (size_t k = 0; k < w->size; k++) x[k] = keep * x[k] + amount * w->noise[k];
    }
}

static ayf_status jump(walk *w, double t, double u, int step, const uint64_t *seeds) {
    double gamma = w->how->gamma, k = sqrt(1 - gamma * gamma), keep = 1 - (1 - k) * u;
    double s = gamma > 0 ? (u > 0 ? k * u / keep : 0) : u;
    AYF_TRY(evaluate_at(w, w->x, t, s, w->stage));
    for (size_t i = 0; i < w->total; i++) w->x[i] += (s - t) * w->stage[i];
    if (gamma > 0 && u > 0) add_noise(w, keep, gamma * u, step, seeds);
    return AYF_OK;
}

static ayf_status euler(walk *w, double t, double u) {
    AYF_TRY(evaluate_at(w, w->x, t, t, w->stage));
    for (size_t i = 0; i < w->total; i++) w->x[i] += (u - t) * w->stage[i];
    return AYF_OK;
}

static ayf_status heun(walk *w, double t, double u) {
    double *first = stage_of(w, 0), *second = stage_of(w, 1);
    AYF_TRY(evaluate_at(w, w->x, t, t, first));
    for (size_t i = 0; i < w->total; i++) w->trial[i] = w->x[i] + (u - t) * first[i];
    AYF_TRY(evaluate_at(w, w->trial, u, u, second));
    for (size_t i = 0; i < w->total; i++) w->x[i] += (u - t) / 2 * (first[i] + second[i]);
    return AYF_OK;
}

/* ---- Dormand and Prince, "A family of embedded Runge-Kutta formulae", 1980: RK5(4)7M ---- */

static const double node[STAGES] = {0, 1.0 / 5, 3.0 / 10, 4.0 / 5, 8.0 / 9, 1, 1};
static const double weight[STAGES][STAGES - 1] = {
    {0},
    {1.0 / 5},
    {3.0 / 40, 9.0 / 40},
    {44.0 / 45, -56.0 / 15, 32.0 / 9},
    {19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729},
    {9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656},
    {35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84},
};
static const double error_weight[STAGES] = {71.0 / 57600,      0,          -71.0 / 16695, 71.0 / 1920,
                                            -17253.0 / 339200, 22.0 / 525, -1.0 / 40};

/* Stages 1 ... 6 of steps h[i] (negative) from t[i]; stage 0 is there. Afterwards `trial` is the new state,
 * whose derivative is stage 6. */
static ayf_status dormand_prince(walk *w, const double *t, const double *h) {
    for (int k = 1; k < STAGES; k++) {
        for (int i = 0; i < w->batch; i++) {
            w->t[i] = w->s[i] = fmin(fmax(t[i] + node[k] * h[i], 0), 1);
            for (size_t at = (size_t)i * w->size; at < (size_t)(i + 1) * w->size; at++) {
                double sum = 0;
                for (int j = 0; j < k; j++) sum += weight[k][j] * stage_of(w, j)[at];
                w->trial[at] = w->x[at] + h[i] * sum;
            }
        }
        AYF_TRY(evaluate(w, w->trial, stage_of(w, k)));
    }
    return AYF_OK;
}

/* RMS of the estimated error of sample i in units of the tolerance. */
static double error_of(const walk *w, int i, double h, double tolerance) {
    double sum = 0;
    for (size_t at = (size_t)i * w->size; at < (size_t)(i + 1) * w->size; at++) {
        double e = 0;
        for (int k = 0; k < STAGES; k++) e += error_weight[k] * stage_of(w, k)[at];
        double scale = tolerance * (1 + fmax(fabs(w->x[at]), fabs(w->trial[at])));
        sum += h * e / scale * (h * e / scale);
    }
    return sqrt(sum / (double)w->size);
}

static void accept(walk *w, int i) {
    size_t first = (size_t)i * w->size, bytes = w->size * sizeof *w->x;
    memcpy(w->x + first, w->trial + first, bytes);
    memcpy(stage_of(w, 0) + first, stage_of(w, STAGES - 1) + first, bytes);
}

/* Step control (Hairer, Norsett, Wanner, "Solving ODEs I", II.4) for each sample on its own: its steps, and
 * so its result, do not depend on the others. Samples that have arrived take steps of length 0. */
static ayf_status adaptive(walk *w, double start, double end, double *t, double *h) {
    double tolerance = w->how->tolerance, shortest = 1e-6;
    for (int i = 0; i < w->batch; i++) t[i] = start, h[i] = fmax(-0.05, end - start);
    AYF_TRY(evaluate_at(w, w->x, start, start, w->stage));
    for (bool busy = start > end; busy;) {
        AYF_TRY(dormand_prince(w, t, h));
        busy = false;
        for (int i = 0; i < w->batch; i++) {
            if (h[i] == 0) continue;
            double error = error_of(w, i, h[i], tolerance);
            if (!isfinite(error))
                return ayf_fail(w->ctx, AYF_E_DIVERGED,
                                "the network gave values that are not finite near t = %g", t[i]);
            double factor = fmin(5, fmax(0.2, 0.9 * pow(fmax(error, 1e-12), -0.2)));
            if (error <= 1 || -h[i] <= shortest) {
                accept(w, i);
                t[i] = t[i] + h[i] <= end ? end : t[i] + h[i];
            }
            h[i] = fmax(fmin(h[i] * factor, -shortest), end - t[i]);
            busy = busy || h[i] < 0;
        }
    }
    return AYF_OK;
}

static ayf_status dormand_prince_step(walk *w, double from, double to, double *t, double *h) {
    for (int i = 0; i < w->batch; i++) t[i] = from, h[i] = to - from;
    AYF_TRY(evaluate_at(w, w->x, from, from, w->stage));
    AYF_TRY(dormand_prince(w, t, h));
    memcpy(w->x, w->trial, w->total * sizeof *w->x);
    return AYF_OK;
}

/* ---- From the first time to the last ---- */

static double time_at(const ayf_solver_options *how, int i) {
    return how->times ? how->times[i] : 1 - (double)i / how->steps;
}

static ayf_status check(ayf_context *ctx, const ayf_solver_options *how, const uint64_t *seeds) {
    if (how->method == AYF_METHOD_REFERENCE && !(how->tolerance > 0))
        return ayf_fail(ctx, AYF_E_USAGE, "tolerance is %g, but must be above 0", how->tolerance);
    if (how->method == AYF_METHOD_REFERENCE && !how->times) return AYF_OK;
    if (how->steps < 1 || how->steps > AYF_STEPS_MOST)
        return ayf_fail(ctx, AYF_E_USAGE, "steps is %d, but must be from 1 to %d", how->steps,
                        AYF_STEPS_MOST);
    if (!(how->gamma >= 0 && how->gamma <= 1))
        return ayf_fail(ctx, AYF_E_USAGE, "gamma is %g, but must be from 0 to 1", how->gamma);
    if (how->gamma > 0 && !seeds) return ayf_fail(ctx, AYF_E_INTERNAL, "re-noising needs seeds");
    for (int i = 0; i <= how->steps; i++) {
        double t = time_at(how, i);
        if (!(t >= 0 && t <= 1))
            return ayf_fail(ctx, AYF_E_USAGE, "time %d is %g, but times go from 1 down to 0", i + 1, t);
        if (i && !(t < time_at(how, i - 1)))
            return ayf_fail(ctx, AYF_E_USAGE,
                            "time %d (%g) is not below the one before it (%g): times must fall", i + 1, t,
                            time_at(how, i - 1));
    }
    return AYF_OK;
}

static void record(const walk *w, double *to, int step, const double *values) {
    if (to) memcpy(to + (size_t)step * w->total, values, w->total * sizeof *to);
}

static ayf_status follow(walk *w, const uint64_t *seeds, double *t, double *h) {
    const ayf_solver_options *how = w->how;
    if (how->method == AYF_METHOD_REFERENCE)
        return adaptive(w, how->times ? how->times[0] : 1, how->times ? how->times[how->steps] : 0, t, h);
    for (int i = 0; i < how->steps; i++) {
        double from = time_at(how, i), to = time_at(how, i + 1);
        bool last = i + 1 == how->steps;
        record(w, how->states, i, w->x);
        switch (how->method) {
        case AYF_METHOD_FLOW_MAP:
            AYF_TRY(jump(w, from, to, i, seeds));
            break;
        case AYF_METHOD_EULER:
            AYF_TRY(euler(w, from, to));
            break;
        case AYF_METHOD_HEUN:
            AYF_TRY(last && how->euler_last ? euler(w, from, to) : heun(w, from, to));
            break;
        case AYF_METHOD_DORMAND_PRINCE:
            AYF_TRY(dormand_prince_step(w, from, to, t, h));
            break;
        case AYF_METHOD_REFERENCE: /* not on a grid */
            break;
        }
        record(w, how->velocities, i, w->stage);
    }
    record(w, how->states, how->steps, w->x);
    return AYF_OK;
}

static size_t stages_of(ayf_method method) {
    switch (method) {
    case AYF_METHOD_FLOW_MAP:
    case AYF_METHOD_EULER:
        return 1;
    case AYF_METHOD_HEUN:
        return 2;
    case AYF_METHOD_DORMAND_PRINCE:
    case AYF_METHOD_REFERENCE:
        break;
    }
    return STAGES;
}

ayf_status ayf_solver_run(ayf_context *ctx, const ayf_field *field, const ayf_solver_options *how, double *x,
                          const uint64_t *seeds, int *calls) {
    AYF_TRY(check(ctx, how, seeds));
    size_t batch = (size_t)field->batch, total = batch * field->size;
    size_t stages = stages_of(how->method);
    /* One block: stages, trial state, four times per sample. */
    double *block = ayf_alloc(ctx, (stages + 1) * total + 4 * batch, sizeof *block);
    float *noise = ayf_alloc(ctx, field->size, sizeof *noise);
    ayf_status status = block && noise ? AYF_OK : AYF_E_MEMORY;
    if (status == AYF_OK) {
        double *times = block + (stages + 1) * total;
        walk w = {.ctx = ctx,
                  .field = field,
                  .how = how,
                  .batch = field->batch,
                  .size = field->size,
                  .total = total,
                  .x = x,
                  .t = times,
                  .s = times + batch,
                  .stage = block,
                  .trial = block + stages * total,
                  .noise = noise};
        status = follow(&w, seeds, times + 2 * batch, times + 3 * batch);
        if (calls) *calls = w.calls;
    }
    for (size_t i = 0; status == AYF_OK && i < total; i++)
        if (!isfinite(x[i]))
            status = ayf_fail(ctx, AYF_E_DIVERGED, "the network gave values that are not finite");
    ayf_free(ctx, block);
    ayf_free(ctx, noise);
    return status;
}
