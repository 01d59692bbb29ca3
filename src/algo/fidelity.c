#include <math.h>
#include <string.h>

#include "algo/model_api.h"

typedef struct comparison {
    ayf_context *ctx;
    ayf_sampler *student, *teacher;
    double guidance;
    size_t count, values; /* images; numbers in all of them */
    uint64_t *seeds;
    int *labels;
    float *truth, *trial;
} comparison;

static ayf_status distance(comparison *c, ayf_sampler *sampler, ayf_trajectory how, double *rms) {
    how.guidance = c->guidance;
    AYF_TRY(ayf_sampler_images(sampler, &how, c->count, c->seeds, c->labels, c->trial));
    double sum = 0;
    for (size_t i = 0; i < c->values; i++) {
        double d = (double)c->trial[i] - c->truth[i];
        sum += d * d;
    }
    *rms = sqrt(sum / (double)c->values);
    return AYF_OK;
}

static ayf_status compare(comparison *c, const int *calls, int row_count, ayf_fidelity_row *rows) {
    ayf_trajectory reference = {.method = AYF_METHOD_REFERENCE, .guidance = c->guidance};
    AYF_TRY(ayf_sampler_images(c->teacher, &reference, c->count, c->seeds, c->labels, c->truth));
    for (int i = 0; i < row_count; i++) {
        int n = calls[i];
        ayf_fidelity_row *row = &rows[i];
        *row = (ayf_fidelity_row){.calls = n, .heun = NAN};
        AYF_TRY(distance(c, c->student, (ayf_trajectory){.method = AYF_METHOD_FLOW_MAP, .steps = n},
                         &row->student));
        AYF_TRY(
            distance(c, c->teacher, (ayf_trajectory){.method = AYF_METHOD_EULER, .steps = n}, &row->euler));
        if (n < 2) continue;
        ayf_trajectory heun = {.method = AYF_METHOD_HEUN, .steps = (n + 1) / 2, .euler_last = n % 2 == 1};
        AYF_TRY(distance(c, c->teacher, heun, &row->heun));
    }
    return AYF_OK;
}

static ayf_status check_pair(const ayf_model *student, const ayf_model *teacher) {
    ayf_context *ctx = student->ctx;
    if (!ayf_model_is_student(student))
        return ayf_fail(ctx, AYF_E_USAGE, "%s is a teacher, but a student is needed: give the student first",
                        student->path);
    if (!teacher) {
        ayf_mixture known;
        if (ayf_mixture_of_data(student->card.data, &known)) return AYF_OK;
        return ayf_fail(ctx, AYF_E_USAGE,
                        "%s was trained on '%s', which has no closed-form teacher: give its teacher",
                        student->path, student->card.data);
    }
    if (ayf_model_is_student(teacher))
        return ayf_fail(ctx, AYF_E_USAGE,
                        "%s is a student, but a teacher is needed: use a model trained with ayf train",
                        teacher->path);
    ayf_sampler_spec a = ayf_model_shape(&student->weights->spec),
                     b = ayf_model_shape(&teacher->weights->spec);
    if (a.height != b.height || a.channels != b.channels || a.classes != b.classes)
        return ayf_fail(ctx, AYF_E_USAGE,
                        "the student %s makes %dx%dx%d data of %d classes, but %s %dx%dx%d of %d: give the "
                        "teacher it was "
                        "distilled from",
                        student->path, a.height, a.width, a.channels, a.classes, teacher->path, b.height,
                        b.width, b.channels, b.classes);
    if (fabs(student->card.sigma_data / teacher->card.sigma_data - 1) > 1e-3)
        return ayf_fail(
            ctx, AYF_E_USAGE,
            "the student %s has sigma_data %g, but %s has %g: give the teacher it was distilled from",
            student->path, student->card.sigma_data, teacher->path, teacher->card.sigma_data);
    return AYF_OK;
}

static ayf_status check_request(ayf_context *ctx, int count, const int *calls, int row_count) {
    if (count < 1)
        return ayf_fail(ctx, AYF_E_USAGE, "a comparison over %d images: at least 1 is needed", count);
    for (int i = 0; i < row_count; i++)
        if (calls[i] < 1)
            return ayf_fail(ctx, AYF_E_USAGE, "%d network calls draw nothing: at least 1 is needed",
                            calls[i]);
    return AYF_OK;
}

static ayf_status closed_form_sampler(const ayf_model *student, const ayf_velocity *velocity, ayf_sampler **out) {
    ayf_sampler_spec spec = ayf_model_shape(&student->weights->spec);
    spec.backend = student->backend;
    spec.batch = ayf_sampler_batch(&student->weights->spec);
    spec.teacher = velocity;
    return ayf_sampler_new(&spec, out);
}

ayf_status ayf_fidelity(ayf_model *student, ayf_model *teacher, double guidance, uint64_t first_seed,
                        int count, const int *calls, int row_count, ayf_fidelity_row *rows) {
    ayf_context *ctx = student->ctx;
    ayf_mixture mixture = {0};
    ayf_velocity closed_form = ayf_velocity_mixture(&mixture);
    ayf_sampler *own = NULL;
    comparison c = {.ctx = ctx, .count = (size_t)(count > 0 ? count : 0)};
    AYF_TRY(check_request(ctx, count, calls, row_count));
    AYF_TRY(check_pair(student, teacher));
    AYF_TRY(ayf_model_guidance(student, guidance, &c.guidance));
    if (teacher) AYF_TRY(ayf_model_guidance(teacher, c.guidance, &c.guidance));
    AYF_TRY(ayf_model_sampler(student, &c.student));
    if (teacher) {
        AYF_TRY(ayf_model_sampler(teacher, &c.teacher));
    } else {
        (void)ayf_mixture_of_data(student->card.data, &mixture);
        AYF_TRY(closed_form_sampler(student, &closed_form, &own));
        c.teacher = own;
    }
    ayf_sampler_spec shape = ayf_model_shape(&student->weights->spec);
    c.values = c.count * (size_t)shape.height * (size_t)shape.width * (size_t)shape.channels;
    c.seeds = ayf_alloc(ctx, c.count, sizeof *c.seeds);
    c.labels = ayf_alloc(ctx, c.count, sizeof *c.labels);
    c.truth = ayf_alloc(ctx, c.values, sizeof *c.truth);
    c.trial = ayf_alloc(ctx, c.values, sizeof *c.trial);
    ayf_status status = c.seeds && c.labels && c.truth && c.trial ? AYF_OK : AYF_E_MEMORY;
    for (size_t i = 0; status == AYF_OK && i < c.count; i++) {
        c.seeds[i] = first_seed + i;
        c.labels[i] = ayf_latent_class(c.seeds[i], shape.classes);
    }
    if (status == AYF_OK) status = compare(&c, calls, row_count, rows);
    ayf_free(ctx, c.seeds);
    ayf_free(ctx, c.labels);
    ayf_free(ctx, c.truth);
    ayf_free(ctx, c.trial);
    ayf_sampler_free(own);
    return status;
}
