#include "sample/model_api.h"

#include <math.h>
#include <string.h>

#include "backend/open.h"
#include "base/wait.h"

/* ---- Opening ---- */

ayf_status ayf_models_precision(ayf_context *ctx, ayf_precision *precision) {
    ayf_backend *backend;
    *precision = AYF_PRECISION_HIGHEST;
    if (!ayf_precision_name(ctx->precision))
        return ayf_fail(ctx, AYF_E_USAGE, "there is no precision %d", (int)ctx->precision);
    AYF_TRY(ayf_backend_open(ctx, &backend));
    *precision = ayf_backend_precision(backend, ctx->precision);
    return AYF_OK;
}

static void free_samplers(ayf_model *model) {
    for (size_t i = 0; i < AYF_COUNT(model->samplers); i++) {
        ayf_sampler_free(model->samplers[i]);
        model->samplers[i] = NULL;
    }
}

/* Of the file `path`, or of `st`, which is open. */
static ayf_status open_model(ayf_context *ctx, const char *path, ayf_st *st, ayf_model **out) {
    *out = NULL;
    ayf_model *model = ayf_alloc(ctx, 1, sizeof *model);
    if (!model) return AYF_E_MEMORY;
    model->ctx = ctx;
    model->path = ayf_strdup(ctx, path);
    ayf_status status = model->path ? ayf_backend_open(ctx, &model->backend) : AYF_E_MEMORY;
    if (status == AYF_OK) status = ayf_models_precision(ctx, &model->precision);
    if (status == AYF_OK)
        status = st ? ayf_model_flow_of(model->backend, st, &model->weights, &model->card)
                    : ayf_model_read_flow(model->backend, path, &model->weights, &model->card);
    if (status != AYF_OK) {
        ayf_model_close(model);
        return status;
    }
    model->network.params = model->weights->params;
    model->velocity = ayf_velocity_network(&model->network);
    *out = model;
    return AYF_OK;
}

ayf_status ayf_model_open(ayf_context *ctx, const char *path, ayf_model **out) {
    *out = NULL;
    if (!path || !*path) return ayf_fail(ctx, AYF_E_USAGE, "no model file is named");
    return open_model(ctx, path, NULL, out);
}

ayf_status ayf_model_open_memory(ayf_context *ctx, const void *bytes, size_t size, ayf_model **out) {
    *out = NULL;
    if (!bytes) return ayf_fail(ctx, AYF_E_USAGE, "no bytes of a model are given");
    ayf_st *st;
    AYF_TRY(ayf_st_parse(ctx, "model in memory", bytes, size, &st));
    ayf_status status = open_model(ctx, ayf_st_path(st), st, out);
    ayf_st_close(st);
    return status;
}

void ayf_model_close(ayf_model *model) {
    if (!model) return;
    ayf_context *ctx = model->ctx;
    free_samplers(model);
    ayf_weights_free(model->weights);
    ayf_model_card_free(ctx, &model->card);
    ayf_free(ctx, model->path);
    ayf_free(ctx, model);
}

bool ayf_model_is_student(const ayf_model *model) { return model->weights->spec.is_student; }

ayf_match_side ayf_model_side(const ayf_model *model, const char *what) {
    return (ayf_match_side){.what = what,
                            .path = model->path,
                            .spec = &model->weights->spec,
                            .sigma_data = model->card.sigma_data};
}

enum { GUIDANCE_LIMIT = 100 };

ayf_model_facts ayf_model_describe(const ayf_model *model) {
    ayf_data_shape shape = ayf_model_shape(&model->weights->spec);
    bool student = ayf_model_is_student(model);
    return (ayf_model_facts){.role = ayf_model_role_name(model->card.role),
                             .data = model->card.data,
                             .config = model->card.config,
                             .height = shape.height,
                             .width = shape.width,
                             .channels = shape.channels,
                             .points = shape.points,
                             .latents = ayf_model_draws_latents(&model->weights->spec),
                             .classes = shape.classes,
                             .class_names = (const char *const *)model->card.classes.names,
                             .class_pictures = model->card.classes.pictures,
                             .parameters = ayf_params_trained(model->weights->params),
                             .step = model->card.step,
                             .guidance_min = student       ? model->card.guidance_min
                                             : model->weak ? 0
                                                           : 1,
                             .guidance_max = student       ? model->card.guidance_max
                                             : model->weak ? GUIDANCE_LIMIT
                                                           : 1,
                             .guidance_t_max = student       ? model->card.guidance_t_max
                                               : model->weak ? model->network.guidance_t_max
                                                             : 1,
                             .sigma_data = model->card.sigma_data,
                             .precision = model->precision};
}

/* ---- Guidance ---- */

ayf_status ayf_model_guide(ayf_model *teacher, const ayf_model *weak) {
    ayf_context *ctx = teacher->ctx;
    if (ayf_model_is_student(teacher))
        return ayf_fail(ctx, AYF_E_USAGE,
                        "%s is a student: its guidance was learned and needs no weak teacher", teacher->path);
    if (weak == teacher)
        AYF_TRY(ayf_check_classifier_free(ctx, teacher->path, &teacher->weights->spec, teacher->card.config));
    if (weak && weak->ctx != ctx)
        return ayf_fail(ctx, AYF_E_USAGE, "%s was opened with another context than %s", weak->path,
                        teacher->path);
    if (weak && ayf_model_is_student(weak))
        return ayf_fail(ctx, AYF_E_USAGE, "%s is a student: a weak teacher comes from ayf train", weak->path);
    if (weak) {
        ayf_match_side strong = ayf_model_side(teacher, "the teacher"),
                       guide = ayf_model_side(weak, "the weak teacher");
        guide.needs_no_classes = true;
        AYF_TRY(ayf_models_match(ctx, AYF_E_USAGE, &guide, &strong, "train both on the same data"));
    }
    free_samplers(teacher);
    teacher->weak = weak;
    teacher->network.guided = weak != NULL;
    teacher->network.classifier_free = weak == teacher;
    teacher->network.guidance_t_max = 1;
    if (weak) teacher->network.weak = weak->weights->params;
    return AYF_OK;
}

ayf_status ayf_model_guide_until(ayf_model *teacher, double t_max) {
    if (ayf_model_is_student(teacher))
        return ayf_fail(
            teacher->ctx, AYF_E_USAGE,
            "%s is a student: up to which time its teacher was guided was decided when it was distilled "
            "(distill.guidance_t_max)",
            teacher->path);
    if (!teacher->weak)
        return ayf_fail(teacher->ctx, AYF_E_USAGE, "%s is not guided, so its guidance cannot end at t = %g",
                        teacher->path, t_max);
    if (!(t_max > 0 && t_max <= 1))
        return ayf_fail(teacher->ctx, AYF_E_USAGE, "guidance up to t = %g: give a time above 0 and up to 1",
                        t_max);
    if (teacher->network.guidance_t_max == t_max) return AYF_OK;
    free_samplers(teacher);
    teacher->network.guidance_t_max = t_max;
    return AYF_OK;
}

ayf_status ayf_model_guidance(const ayf_model *model, double wanted, double *guidance) {
    ayf_context *ctx = model->ctx;
    ayf_model_facts facts = ayf_model_describe(model);
    double low = facts.guidance_min, high = facts.guidance_max;
    *guidance = wanted != 0 ? wanted : fmin(fmax(1, low), high);
    if (*guidance >= low && *guidance <= high) return AYF_OK;
    if (ayf_model_is_student(model) && low == high)
        return ayf_fail(
            ctx, AYF_E_USAGE,
            "guidance %g is not available: %s was distilled %s; leave the guidance out, or distil with "
            "distill.guidance = autoguidance or cfg over a range that holds it",
            wanted, model->path, low == 1 ? "without guidance" : "for a single strength");
    if (ayf_model_is_student(model))
        return ayf_fail(ctx, AYF_E_USAGE, "guidance %g is outside what %s was trained for: %g to %g", wanted,
                        model->path, low, high);
    if (!model->weak)
        return ayf_fail(
            ctx, AYF_E_USAGE,
            "guidance %g needs a weak teacher beside %s: give one (--weak; in C ayf_model_guide), let "
            "it be guided by itself without the class (--cfg), or leave the guidance at 1",
            wanted, model->path);
    return ayf_fail(ctx, AYF_E_USAGE, "guidance is %g, but must be from %g to %g", wanted, low, high);
}

/* ---- Sampling ---- */

ayf_status ayf_model_sampler(ayf_model *model, ayf_precision precision, ayf_sampler **sampler) {
    bool student = ayf_model_is_student(model);
    if (!model->samplers[precision]) {
        ayf_sampler_spec spec = {.backend = model->backend,
                                 .precision = precision,
                                 .shape = ayf_model_shape(&model->weights->spec)};
        spec.batch = ayf_sampler_batch(&model->weights->spec);
        spec.student = student ? model->weights : NULL;
        spec.teacher = student ? NULL : &model->velocity;
        spec.teacher_weights = student ? NULL : model->weights;
        spec.weak_weights = model->weak ? model->weak->weights : NULL;
        spec.guided = model->network.guided;
        AYF_TRY(ayf_sampler_new(&spec, &model->samplers[precision]));
    }
    *sampler = model->samplers[precision];
    return AYF_OK;
}

static ayf_status plan(const ayf_model *model, const ayf_sample_options *o, ayf_solver_options *how) {
    ayf_context *ctx = model->ctx;
    bool student = ayf_model_is_student(model);
    if (o->steps < 0 || o->steps > AYF_STEPS_MOST)
        return ayf_fail(ctx, AYF_E_USAGE, "steps is %d, but must be from 1 to %d", o->steps, AYF_STEPS_MOST);
    if (o->times && o->steps == 0)
        return ayf_fail(ctx, AYF_E_USAGE, "times need their number of steps: one less than there are times");
    if (student && o->solver != AYF_SOLVER_DEFAULT)
        return ayf_fail(ctx, AYF_E_USAGE, "%s is a student, which jumps: ODE solvers are for teachers",
                        model->path);
    if (!student && o->gamma != 0)
        return ayf_fail(ctx, AYF_E_USAGE, "%s is a teacher: gamma is for students; leave it at 0",
                        model->path);
    if (o->solver == AYF_SOLVER_REFERENCE && (o->times || o->steps))
        return ayf_fail(ctx, AYF_E_USAGE,
                        "the reference solver chooses its own steps: leave out steps and times");
    *how = (ayf_solver_options){.times = o->times,
                                .steps = o->steps  ? o->steps
                                         : student ? AYF_STUDENT_STEPS
                                                   : AYF_TEACHER_STEPS,
                                .gamma = o->gamma,
                                .tolerance = AYF_SOLVER_TOLERANCE};
    switch (o->solver) {
    case AYF_SOLVER_DEFAULT:
        how->method = student ? AYF_METHOD_FLOW_MAP : AYF_METHOD_HEUN;
        break;
    case AYF_SOLVER_EULER:
        how->method = AYF_METHOD_EULER;
        break;
    case AYF_SOLVER_HEUN:
        how->method = AYF_METHOD_HEUN;
        break;
    case AYF_SOLVER_REFERENCE:
        how->method = AYF_METHOD_REFERENCE;
        break;
    default:
        return ayf_fail(ctx, AYF_E_USAGE, "there is no solver %d", (int)o->solver);
    }
    return ayf_model_guidance(model, o->guidance, &how->guidance);
}

/* A class that the network never saw is drawn when it is asked for, with a word about it. */
static void warn_of_empty_class(const ayf_model *model, const ayf_sample_options *o, int count) {
    const ayf_classes *known = &model->card.classes;
    for (int i = 0; o->classes && i < count; i++) {
        if (!known->count || ayf_classes_present(known, o->classes[i])) continue;
        ayf_say(model->ctx,
                "%s: class %d%s%s%s is drawn although there was no picture of it in the training data",
                model->path, o->classes[i], known->names ? " (" : "",
                known->names ? known->names[o->classes[i]] : "", known->names ? ")" : "");
        return;
    }
}

static ayf_status choose(const ayf_model *model, const ayf_sample_options *o, int count, uint64_t *seeds,
                         int *labels) {
    int classes = model->weights->spec.label_dim;
    const ayf_classes *known = &model->card.classes;
    if (o->classes && !classes)
        return ayf_fail(model->ctx, AYF_E_USAGE, "%s was trained without classes: leave out the class",
                        model->path);
    for (int i = 0; i < count; i++) {
        seeds[i] = o->seeds ? o->seeds[i] : o->first_seed + (uint64_t)i;
        labels[i] = o->classes ? o->classes[i] : ayf_latent_class(seeds[i], classes, known, false);
        if (classes && (labels[i] < 0 || labels[i] >= classes))
            return ayf_fail(model->ctx, AYF_E_USAGE, "%s has no class %d: its classes are 0 to %d",
                            model->path, labels[i], classes - 1);
    }
    warn_of_empty_class(model, o, count);
    return AYF_OK;
}

/* From units of sigma_data to those of the VAE. */
static void scale_latents(const ayf_model *model, float *latents, size_t values) {
    const ayf_model_spec *spec = &model->weights->spec;
    for (size_t i = 0; i < values; i++) {
        int channel = (int)(i % (size_t)spec->img_channels);
        double value = latents[i] * model->card.sigma_data;
        latents[i] = (float)(spec->latent_mean.at[channel] + spec->latent_scale.at[channel] * value);
    }
}

/* Pixels beyond [-1,1] cannot be shown; points and latents have no limits. */
static void scale(const ayf_model *model, float *samples, size_t count) {
    ayf_data_shape shape = ayf_model_shape(&model->weights->spec);
    if (ayf_model_draws_latents(&model->weights->spec)) {
        scale_latents(model, samples, count * ayf_data_values(shape));
        return;
    }
    for (size_t i = 0; i < count * ayf_data_values(shape); i++) {
        double value = samples[i] * model->card.sigma_data;
        samples[i] = (float)(shape.points ? value : fmin(fmax(value, -1), 1));
    }
}

ayf_status ayf_model_draw(ayf_model *model, const ayf_sample_options *options, int count, float *images,
                          int *classes) {
    static const ayf_sample_options defaults;
    ayf_context *ctx = model->ctx;
    ayf_solver_options how;
    ayf_sampler *sampler;
    if (!options) options = &defaults;
    if (count < 0) return ayf_fail(ctx, AYF_E_USAGE, "%d images were asked for", count);
    AYF_TRY(plan(model, options, &how));
    uint64_t *seeds = ayf_alloc(ctx, (size_t)count, sizeof *seeds);
    int *labels = ayf_alloc(ctx, (size_t)count, sizeof *labels);
    ayf_status status = seeds && labels ? choose(model, options, count, seeds, labels) : AYF_E_MEMORY;
    if (status == AYF_OK) status = ayf_model_sampler(model, model->precision, &sampler);
    if (status == AYF_OK) status = ayf_sampler_images(sampler, &how, (size_t)count, seeds, labels, images);
    if (status == AYF_OK) {
        scale(model, images, (size_t)count);
        if (classes) memcpy(classes, labels, (size_t)count * sizeof *classes);
    }
    ayf_free(ctx, seeds);
    ayf_free(ctx, labels);
    return status;
}

ayf_status ayf_model_sample(ayf_model *model, const ayf_sample_options *options, int count, float *images,
                            int *classes) {
    ayf_task_begin(model->ctx, "drawing", count > 0 ? (uint64_t)count : 0);
    return ayf_model_draw(model, options, count, images, classes);
}
