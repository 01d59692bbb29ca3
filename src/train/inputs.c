#include "train/inputs.h"

#include <math.h>

#include "base/wait.h"
#include "model/match.h"
#include "model/shape.h"
#include "nn/network.h"
#include "train/kind.h"
#include "train/recipe.h"
#include "train/settings.h"

/* ---- Data ---- */

static ayf_status open_data(ayf_run *run) {
    const ayf_config *cfg = &run->cfg;
    ayf_dataset_spec spec = ayf_data_from_config(cfg);
    const ayf_weights *seen_by = run->begins_as ? run->begins_as : run->teachers.teacher;
    const ayf_model_spec *network = seen_by ? &seen_by->spec : &cfg->model;
    if (ayf_model_draws_latents(network)) {
        spec.latents = network->latent_mean.count;
        /* Numbers of classes are the network's, also where not all of them are there. */
        if (seen_by && spec.labels) spec.latent_classes = network->label_dim;
    } else if (seen_by && !ayf_model_shape(network).points) {
        spec.pictures = true;
        /* "As stored" means as the teacher has seen it. */
        if (spec.resolution == 0) spec.resolution = network->img_resolution;
        if (spec.channels == 0) spec.channels = network->img_channels;
    }
    return ayf_dataset_open(run->ctx, &spec, &run->data);
}

static const char *kind_of_data(const ayf_dataset_info *data) {
    return data->points ? "points" : data->latents ? "latents" : "images";
}

static const char *kind_of_network(const ayf_model_spec *spec) {
    return ayf_model_makes_points(spec) ? "points" : ayf_model_draws_latents(spec) ? "latents" : "images";
}

static ayf_status check_latents(const ayf_run *run, const char *key, const char *path,
                                const ayf_model_spec *spec) {
    const ayf_dataset_info *data = ayf_dataset_info_of(run->data);
    int side = spec->img_resolution;
    if (data->height == side && data->width == side && data->channels == spec->img_channels) return AYF_OK;
    return ayf_fail(run->ctx, AYF_E_CONFIG,
                    "%s: %s makes latents of %d x %d x %d and data.source = %s has latents of %d x %d x %d; "
                    "use latents of the VAE and the size that it was trained on",
                    key, path, side, side, spec->img_channels, data->name, data->height, data->width,
                    data->channels);
}

/* `key` names a model, `path`, that must go with the data. */
static ayf_status check_shapes(const ayf_run *run, const char *key, const char *path,
                               const ayf_model_spec *spec) {
    const ayf_dataset_info *data = ayf_dataset_info_of(run->data);
    bool points = ayf_model_makes_points(spec), latents = ayf_model_draws_latents(spec);
    if (points != data->points || latents != data->latents)
        return ayf_fail(
            run->ctx, AYF_E_CONFIG, "%s: %s makes %s and data.source = %s are %s%s", key, path,
            kind_of_network(spec), data->name, kind_of_data(data),
            latents ? "; name latents: an .npz of ayf sample, or what EDM2's dataset_tool.py encodes" : "");
    if (latents) AYF_TRY(check_latents(run, key, path, spec));
    if (points && data->channels != ayf_model_shape(spec).channels)
        return ayf_fail(run->ctx, AYF_E_CONFIG,
                        "%s: %s makes points of %d numbers and data.source = %s has points of %d", key, path,
                        ayf_model_shape(spec).channels, data->name, data->channels);
    if (!points && !latents && (data->height != spec->img_resolution || data->width != spec->img_resolution))
        return ayf_fail(run->ctx, AYF_E_CONFIG,
                        "%s: %s makes images of %d x %d pixels and the data have %d x %d; set "
                        "data.resolution = %d",
                        key, path, spec->img_resolution, spec->img_resolution, data->height, data->width,
                        spec->img_resolution);
    if (!points && !latents && data->channels != spec->img_channels)
        return ayf_fail(run->ctx, AYF_E_CONFIG,
                        "%s: %s makes images of %d channels and the data have %d; set data.channels = %d",
                        key, path, spec->img_channels, data->channels, spec->img_channels);
    if (data->classes != spec->label_dim)
        return ayf_fail(run->ctx, AYF_E_CONFIG, "%s: %s knows %d classes and the data have %d; %s", key, path,
                        spec->label_dim, data->classes,
                        spec->label_dim == 0 ? "set data.labels = false" : "use the data it was trained on");
    return AYF_OK;
}

static ayf_status find_sigma(ayf_run *run) {
    double given = run->cfg.data.sigma_data;
    bool fixed = run->sigma_data > 0;
    if (!fixed && given > 0) run->sigma_data = given;
    if (!fixed && given <= 0) AYF_TRY(ayf_dataset_sigma(run->data, &run->sigma_data));
    if (fixed && given > 0 && !ayf_sigma_matches(given, run->sigma_data))
        return ayf_fail(
            run->ctx, AYF_E_CONFIG,
            "data.sigma_data = %g, but %s was trained with %g; leave the key out to use that value", given,
            run->begins_as ? run->begins_path : run->cfg.distill.teacher, run->sigma_data);
    if (!(run->sigma_data > 0) || !isfinite(run->sigma_data))
        return ayf_fail(
            run->ctx, AYF_E_CONFIG,
            "%s: every value is the same (standard deviation %g), so there is nothing to learn; check the "
            "data or set data.sigma_data",
            run->cfg.data.source, run->sigma_data);
    run->cfg.data.sigma_data = run->sigma_data;
    return AYF_OK;
}

/* ---- Latents ---- */

#define LATENT_SIGMA 0.5 /* as EDM2 has it */

/* A network of latents that begins with nothing: each channel is brought to mean 0 and one deviation. Measured once: the
 * configuration of a run keeps it. */
static ayf_status measure_scale(ayf_run *run) {
    ayf_model_spec *own = &run->cfg.model;
    ayf_reals mean, deviation;
    double sigma = run->cfg.data.sigma_data > 0 ? run->cfg.data.sigma_data : LATENT_SIGMA;
    AYF_TRY(ayf_dataset_channels(run->data, &mean, &deviation));
    for (int c = 0; c < deviation.count; c++) {
        if (!(deviation.at[c] > 0))
            return ayf_fail(run->ctx, AYF_E_CONFIG, "%s: channel %d of its latents has one value everywhere",
                            run->cfg.data.source, c);
        deviation.at[c] /= sigma;
    }
    own->latent_mean = mean;
    own->latent_scale = deviation;
    run->cfg.data.sigma_data = sigma;
    return AYF_OK;
}

/* Latents that were multiplied by a factor of their own, or are of another VAE, teach nothing that is wanted. */
static ayf_status judge_scale(ayf_run *run, const ayf_model_spec *network, double wanted) {
    const double far = 1.25; /* deviations that a mean is off */
    ayf_reals mean, deviation;
    double squares = 0, farthest = 0;
    AYF_TRY(ayf_dataset_channels(run->data, &mean, &deviation));
    for (int c = 0; c < mean.count; c++) {
        double scale = network->latent_scale.at[c], s = deviation.at[c] / scale;
        farthest = fmax(farthest, fabs(mean.at[c] - network->latent_mean.at[c]) / scale);
        squares += s * s / mean.count;
    }
    double found = sqrt(squares);
    if (found < 2 * wanted && found > 0.5 * wanted && farthest < far * wanted) return AYF_OK;
    ayf_say(run->ctx,
            "%s: in the scale of the network its latents have means up to %.3g and the deviation %.3g, where "
            "0 and %g are meant: are they in the units of its VAE, without a scaling_factor?",
            run->cfg.data.source, farthest, found, wanted);
    return AYF_OK;
}

/* A student that begins with nothing has the scale of its teacher. */
static ayf_status take_scale(ayf_run *run, const ayf_model_spec *teacher) {
    ayf_model_spec *own = &run->cfg.model;
    bool given = ayf_model_draws_latents(own);
    if (given && !ayf_latent_scales_match(own, teacher))
        return ayf_fail(
            run->ctx, AYF_E_CONFIG,
            "model.latent_mean and model.latent_scale are not those of %s, which teaches; leave the keys out",
            run->cfg.distill.teacher);
    own->latent_mean = teacher->latent_mean;
    own->latent_scale = teacher->latent_scale;
    own->latent_black = teacher->latent_black;
    return AYF_OK;
}

/* The latents are seen in the scale of the network. */
static ayf_status scale_latents(ayf_run *run) {
    const ayf_weights *seen_by = run->begins_as ? run->begins_as : run->teachers.teacher;
    const ayf_model_spec *network = seen_by ? &seen_by->spec : &run->cfg.model;
    if (!ayf_dataset_info_of(run->data)->latents) return AYF_OK;
    if (run->cfg.data.center)
        return ayf_fail(
            run->ctx, AYF_E_CONFIG,
            "data.center = true: every channel of latents has the mean 0 already (model.latent_mean); leave "
            "the key out");
    if (!ayf_model_draws_latents(network)) AYF_TRY(measure_scale(run));
    if (seen_by && !run->begins_as) AYF_TRY(take_scale(run, network));
    if (ayf_dataset_scale(run->data, &network->latent_mean, &network->latent_scale) != AYF_OK) {
        ayf_fail_prefix(run->ctx, "model.latent_scale: ");
        return run->ctx->status = AYF_E_CONFIG;
    }
    double known = run->sigma_data > 0 ? run->sigma_data : run->cfg.data.sigma_data;
    return judge_scale(run, network, known > 0 ? known : LATENT_SIGMA);
}

/* ---- The network that is trained ---- */

/* A student that starts from another network has that network. */
static ayf_status take_network(ayf_run *run, const ayf_model_spec *from) {
    if (run->cfg.data.center && from->data_mean == 0)
        ayf_say(run->ctx, "data.center is not used: the network that this run begins with does without");
    run->cfg.data.center = from->data_mean != 0;
    ayf_config taken = run->cfg; /* strings stay run->cfg's */
    run->spec = *from;
    if (run->type->makes_student && !from->is_student) {
        run->spec.is_student = true;
        run->spec.time_split = run->cfg.model.time_split;
        run->spec.bandwidth_gap = run->cfg.model.bandwidth_gap;
        run->spec.bandwidth_guidance = run->cfg.model.bandwidth_guidance;
        run->spec.time_soft = run->cfg.model.time_soft;
    }
    taken.model = run->spec;
    AYF_TRY(ayf_run_settings_take_model(run, &taken));
    return ayf_network_check(run->ctx, &run->spec);
}

/* Measured once: the configuration of a run keeps it. */
static ayf_status find_mean(ayf_run *run) {
    double mean, *own = &run->cfg.model.data_mean;
    if (!run->cfg.data.center || *own != 0) return AYF_OK;
    AYF_TRY(ayf_dataset_mean(run->data, &mean));
    *own = mean / run->sigma_data;
    return AYF_OK;
}

static ayf_status find_network(ayf_run *run) {
    if (run->begins_as) {
        AYF_TRY(ayf_run_settings_check(run));
        return take_network(run, &run->begins_as->spec);
    }
    AYF_TRY(find_mean(run));
    AYF_TRY(ayf_spec_from_config(run->ctx, &run->cfg, ayf_dataset_info_of(run->data), &run->spec));
    run->spec.is_student = run->type->makes_student;
    return ayf_run_settings_check(run); /* after what says that the network does not go with the data */
}

static ayf_status open_failed(ayf_run *run) {
    if (run->data_of)
        return ayf_fail_prefix(
            run->ctx,
            "the data of the %s (if they were moved, or for others, give --data PATH): ", run->data_of);
    if (!run->resumes || !*run->cfg.data.source) return run->ctx->status;
    return ayf_fail_prefix(run->ctx,
                           "the data of this run (if they were moved, say where they are: --data PATH): ");
}

ayf_status ayf_run_open_data(ayf_run *run) {
    const ayf_weights *teacher = run->teachers.teacher, *begins_as = run->begins_as;
    if (open_data(run) != AYF_OK) return open_failed(run);
    ayf_task_begin(run->ctx, "measuring the data", 0);
    if (teacher) AYF_TRY(check_shapes(run, "distill.teacher", run->cfg.distill.teacher, &teacher->spec));
    if (begins_as && begins_as != teacher)
        AYF_TRY(check_shapes(run, run->begins_key, run->begins_path, &begins_as->spec));
    AYF_TRY(scale_latents(run));
    AYF_TRY(find_sigma(run));
    AYF_TRY(find_network(run));
    const ayf_dataset_info *info = ayf_dataset_info_of(run->data);
    if (!info->points) {
        run->cfg.data.resolution = info->height == info->width ? info->height : 0;
        run->cfg.data.channels = info->latents ? 0 : info->channels;
    }
    return AYF_OK;
}
