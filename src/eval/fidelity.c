#include <math.h>
#include <string.h>

#include "base/wait.h"
#include "flow/mixture.h"
#include "metrics/metrics.h"
#include "sample/model_api.h"

enum { IMAGES = 64 };

typedef struct comparison {
    ayf_context *ctx;
    const ayf_model *model; /* the student */
    ayf_data_shape shape;
    ayf_sampler *student, *teacher; /* teacher: NULL when there is none */
    ayf_sampler *closed_form;       /* what is to be freed */
    ayf_mixture mixture;
    ayf_velocity velocity; /* of the mixture */
    double guidance;
    size_t count, size, values; /* images; numbers in one and in all of them */
    uint64_t *seeds;
    int *labels;
    float *truth, *trial, *start; /* [values] */
} comparison;

/* ---- Opening ---- */

static ayf_status check_pair(const ayf_model *student, const ayf_model *teacher) {
    ayf_context *ctx = student->ctx;
    if (!ayf_model_is_student(student))
        return ayf_fail(ctx, AYF_E_USAGE, "%s is a teacher, but a student is needed: give the student first",
                        student->path);
    if (!teacher) return AYF_OK;
    if (teacher->ctx != ctx)
        return ayf_fail(ctx, AYF_E_USAGE, "%s was opened with another context than %s", teacher->path,
                        student->path);
    if (ayf_model_is_student(teacher))
        return ayf_fail(ctx, AYF_E_USAGE,
                        "%s is a student, but a teacher is needed: use a model trained with ayf train",
                        teacher->path);
    ayf_match_side a = ayf_model_side(student, "the student"), b = ayf_model_side(teacher, "the teacher");
    return ayf_models_match(ctx, AYF_E_USAGE, &a, &b, "give the teacher it was distilled from");
}

/* The closed form of the student's data when no teacher is given. Either is what a student is judged by, so its
 * own precision does not count. */
static ayf_status find_teacher(comparison *c, ayf_model *teacher) {
    if (teacher) return ayf_model_sampler(teacher, AYF_PRECISION_HIGHEST, &c->teacher);
    if (!ayf_mixture_of_data(c->model->card.data, &c->mixture)) return AYF_OK;
    c->velocity = ayf_velocity_mixture(&c->mixture);
    ayf_sampler_spec spec = {.backend = c->model->backend,
                             .batch = ayf_sampler_batch(&c->model->weights->spec),
                             .shape = c->shape,
                             .teacher = &c->velocity};
    AYF_TRY(ayf_sampler_new(&spec, &c->closed_form));
    c->teacher = c->closed_form;
    return AYF_OK;
}

static ayf_status allocate(comparison *c, uint64_t first_seed) {
    c->size = ayf_data_values(c->shape);
    c->values = c->count * c->size;
    c->seeds = ayf_alloc(c->ctx, c->count, sizeof *c->seeds);
    c->labels = ayf_alloc(c->ctx, c->count, sizeof *c->labels);
    c->truth = ayf_alloc(c->ctx, c->values, sizeof *c->truth);
    c->trial = ayf_alloc(c->ctx, c->values, sizeof *c->trial);
    c->start = ayf_alloc(c->ctx, c->values, sizeof *c->start);
    if (!c->seeds || !c->labels || !c->truth || !c->trial || !c->start) {
        ayf_fail_prefix(c->ctx, "%zu pairs at a time; fewer may fit (--pairs): ", c->count);
        return AYF_E_MEMORY;
    }
    for (size_t i = 0; i < c->count; i++) {
        c->seeds[i] = first_seed + i;
        c->labels[i] = ayf_latent_class(c->seeds[i], c->shape.classes, &c->model->card.classes, false);
    }
    return AYF_OK;
}

/* close_comparison() also after an error. */
static ayf_status open_comparison(comparison *c, ayf_model *student, ayf_model *teacher,
                                  const ayf_fidelity_options *options) {
    *c = (comparison){
        .ctx = student->ctx, .model = student, .shape = ayf_model_shape(&student->weights->spec)};
    if (options->images < 0)
        return ayf_fail(c->ctx, AYF_E_USAGE, "a comparison over %d images: at least 1 is needed",
                        options->images);
    c->count = (size_t)(options->images ? options->images : IMAGES);
    AYF_TRY(check_pair(student, teacher));
    AYF_TRY(ayf_model_guidance(student, options->guidance, &c->guidance));
    if (teacher) AYF_TRY(ayf_model_guidance(teacher, c->guidance, &c->guidance));
    if (teacher && teacher->weak) AYF_TRY(ayf_model_guide_until(teacher, student->card.guidance_t_max));
    AYF_TRY(ayf_model_sampler(student, student->precision, &c->student));
    AYF_TRY(find_teacher(c, teacher));
    return allocate(c, options->first_seed);
}

static void close_comparison(comparison *c) {
    ayf_sampler_free(c->closed_form);
    ayf_free(c->ctx, c->seeds);
    ayf_free(c->ctx, c->labels);
    ayf_free(c->ctx, c->truth);
    ayf_free(c->ctx, c->trial);
    ayf_free(c->ctx, c->start);
}

static double rms(const comparison *c, const float *a, const float *b) {
    double sum = 0;
    for (size_t i = 0; i < c->values; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sqrt(sum / (double)c->values);
}

/* ---- Distance to the teacher's solution ---- */

/* One image as it is written: [-1,1], clipped. */
static void show(const comparison *c, const float *x, float *out) {
    for (size_t i = 0; i < c->size; i++) out[i] = (float)fmin(fmax(x[i] * c->model->card.sigma_data, -1), 1);
}

/* Means of PSNR and SSIM over the images; NaN: there are none. */
static ayf_status likeness(comparison *c, double *psnr, double *ssim) {
    *psnr = *ssim = NAN;
    if (c->shape.points || ayf_model_draws_latents(&c->model->weights->spec)) return AYF_OK;
    float *want = ayf_alloc(c->ctx, c->size, sizeof *want), *got = ayf_alloc(c->ctx, c->size, sizeof *got);
    ayf_status status = want && got ? AYF_OK : AYF_E_MEMORY;
    double of_one, sum_psnr = 0, sum_ssim = 0;
    for (size_t i = 0; status == AYF_OK && i < c->count; i++) {
        show(c, c->truth + i * c->size, want);
        show(c, c->trial + i * c->size, got);
        status = ayf_ssim(c->ctx, want, got, c->shape.height, c->shape.width, c->shape.channels, &of_one);
        sum_ssim += of_one;
        sum_psnr += ayf_psnr(want, got, c->size);
    }
    *psnr = sum_psnr / (double)c->count;
    *ssim = sum_ssim / (double)c->count;
    ayf_free(c->ctx, want);
    ayf_free(c->ctx, got);
    return status;
}

/* In parts of whole batches, so that what takes minutes says how far it is and nothing else changes. */
static ayf_status draw(comparison *c, ayf_sampler *sampler, const ayf_solver_options *how, float *out) {
    size_t part = (size_t)ayf_sampler_describe(sampler)->batch;
    ayf_wait wait;
    ayf_wait_begin(&wait, c->ctx, sampler == c->student ? c->model->path : "teacher", "drew", c->count);
    ayf_task_begin(c->ctx, "drawing", c->count);
    for (size_t first = 0, n; first < c->count; first += n) {
        n = c->count - first < part ? c->count - first : part;
        AYF_TRY(
            ayf_sampler_images(sampler, how, n, c->seeds + first, c->labels + first, out + first * c->size));
        ayf_wait_add(&wait, n);
    }
    return AYF_OK;
}

static ayf_status distance(comparison *c, ayf_sampler *sampler, ayf_solver_options how, double *out) {
    how.guidance = c->guidance;
    AYF_TRY(draw(c, sampler, &how, c->trial));
    *out = rms(c, c->trial, c->truth);
    return AYF_OK;
}

static ayf_status measure(comparison *c, int n, double gamma, ayf_fidelity_row *row) {
    *row = (ayf_fidelity_row){.calls = n, .gamma = gamma, .euler = NAN, .heun = NAN};
    ayf_solver_options jumps = {.method = AYF_METHOD_FLOW_MAP, .steps = n, .gamma = gamma};
    AYF_TRY(distance(c, c->student, jumps, &row->student));
    AYF_TRY(likeness(c, &row->psnr, &row->ssim));
    if (gamma > 0) return AYF_OK;
    AYF_TRY(
        distance(c, c->teacher, (ayf_solver_options){.method = AYF_METHOD_EULER, .steps = n}, &row->euler));
    if (n < 2) return AYF_OK;
    ayf_solver_options heun = {.method = AYF_METHOD_HEUN, .steps = (n + 1) / 2, .euler_last = n % 2 == 1};
    return distance(c, c->teacher, heun, &row->heun);
}

static ayf_status compare(comparison *c, const ayf_fidelity_options *o, ayf_fidelity_row *rows) {
    if (!c->teacher)
        return ayf_fail(c->ctx, AYF_E_USAGE,
                        "%s was trained on '%s', which has no closed-form teacher: give its teacher",
                        c->model->path, c->model->card.data);
    ayf_solver_options reference = {
        .method = AYF_METHOD_REFERENCE, .tolerance = AYF_SOLVER_TOLERANCE, .guidance = c->guidance};
    AYF_TRY(draw(c, c->teacher, &reference, c->truth));
    for (int g = 0; g < (o->gammas ? o->gamma_count : 1); g++)
        for (int i = 0; i < o->call_count; i++)
            AYF_TRY(measure(c, o->calls[i], o->gammas ? o->gammas[g] : 0, rows++));
    return AYF_OK;
}

static ayf_status check_request(ayf_context *ctx, const ayf_fidelity_options *o) {
    if (!o || !o->calls || o->call_count < 1)
        return ayf_fail(ctx, AYF_E_USAGE, "say with how many network calls the student is to be compared");
    for (int i = 0; i < o->call_count; i++)
        if (o->calls[i] < 1 || o->calls[i] > AYF_STEPS_MOST)
            return ayf_fail(ctx, AYF_E_USAGE, "%d network calls cannot be made: give 1 to %d", o->calls[i],
                            AYF_STEPS_MOST);
    if (o->gamma_count < 0 || (o->gammas ? !o->gamma_count : o->gamma_count))
        return ayf_fail(ctx, AYF_E_USAGE, "%d values of gamma%s: give a list and how many they are",
                        o->gamma_count, o->gammas ? "" : " and no list of them");
    for (int i = 0; o->gammas && i < o->gamma_count; i++)
        if (!(o->gammas[i] >= 0 && o->gammas[i] <= 1))
            return ayf_fail(ctx, AYF_E_USAGE, "gamma is %g, but must be from 0 to 1", o->gammas[i]);
    return AYF_OK;
}

ayf_status ayf_fidelity(ayf_model *student, ayf_model *teacher, const ayf_fidelity_options *options,
                        ayf_fidelity_row *rows) {
    comparison c;
    AYF_TRY(check_request(student->ctx, options));
    ayf_status status = open_comparison(&c, student, teacher, options);
    if (status == AYF_OK) status = compare(&c, options, rows);
    close_comparison(&c);
    return status;
}

/* ---- Semigroup defect ---- */

/* Takes all of x[count][size] along `times`, a batch at a time; the last batch is filled up with its first
 * image. */
static ayf_status carry(comparison *c, ayf_sampler *sampler, ayf_solver_options how, float *x) {
    size_t batch = (size_t)ayf_sampler_describe(sampler)->batch;
    how.guidance = c->guidance;
    float *some = ayf_alloc(c->ctx, batch * c->size, sizeof *some);
    int *labels = ayf_alloc(c->ctx, batch, sizeof *labels);
    ayf_status status = some && labels ? AYF_OK : AYF_E_MEMORY;
    for (size_t first = 0; status == AYF_OK && first < c->count; first += batch) {
        size_t here = c->count - first < batch ? c->count - first : batch;
        for (size_t i = 0; i < batch; i++) {
            size_t from = first + (i < here ? i : 0);
            memcpy(some + i * c->size, x + from * c->size, c->size * sizeof *x);
            labels[i] = c->labels[from];
        }
        status = ayf_sampler_integrate(sampler, &how, some, labels);
        memcpy(x + first * c->size, some, here * c->size * sizeof *x);
    }
    ayf_free(c->ctx, some);
    ayf_free(c->ctx, labels);
    return status;
}

/* start = x at time t. */
static ayf_status place(comparison *c, double t) {
    ayf_solver_options how = {.method = c->teacher ? AYF_METHOD_REFERENCE : AYF_METHOD_FLOW_MAP,
                              .tolerance = AYF_SOLVER_TOLERANCE,
                              .times = (const double[]){1, t},
                              .steps = 1};
    for (size_t i = 0; i < c->count; i++) ayf_latent(c->seeds[i], c->start + i * c->size, c->size);
    return t < 1 ? carry(c, c->teacher ? c->teacher : c->student, how, c->start) : AYF_OK;
}

static ayf_status defect(comparison *c, ayf_semigroup_row *row) {
    ayf_solver_options direct = {.times = (const double[]){row->t, row->s}, .steps = 1};
    ayf_solver_options composed = {.times = (const double[]){row->t, row->m, row->s}, .steps = 2};
    AYF_TRY(place(c, row->t));
    memcpy(c->truth, c->start, c->values * sizeof *c->truth);
    memcpy(c->trial, c->start, c->values * sizeof *c->trial);
    AYF_TRY(carry(c, c->student, direct, c->truth));
    AYF_TRY(carry(c, c->student, composed, c->trial));
    row->defect = rms(c, c->trial, c->truth);
    return AYF_OK;
}

ayf_status ayf_semigroup_defect(ayf_model *student, ayf_model *teacher, const ayf_fidelity_options *options,
                                ayf_semigroup_row rows[AYF_SEMIGROUP_ROWS], double *mean) {
    static const ayf_semigroup_row times[AYF_SEMIGROUP_ROWS] = {
        {1, 0.5, 0, 0}, {1, 0.75, 0.5, 0}, {0.5, 0.25, 0, 0}};
    static const ayf_fidelity_options defaults;
    comparison c;
    ayf_status status = open_comparison(&c, student, teacher, options ? options : &defaults);
    *mean = 0;
    for (int i = 0; status == AYF_OK && i < AYF_SEMIGROUP_ROWS; i++) {
        if (i == 0) ayf_task_begin(c.ctx, "composing", AYF_SEMIGROUP_ROWS);
        rows[i] = times[i];
        status = defect(&c, &rows[i]);
        if (status == AYF_OK) status = ayf_task_add(c.ctx, 1);
        *mean += rows[i].defect / AYF_SEMIGROUP_ROWS;
    }
    close_comparison(&c);
    return status;
}
