/* ayf sample: what to draw. Where it goes is in sample_out.c. */
#include <stdlib.h>
#include <string.h>

#include "sample.h"

enum { SEEDS_MAX = 1 << 22 };

typedef cli_sample_job job;

static int read_options(job *j) {
    const cli_args *a = j->args;
    size_t time_count = 0;
    int code;
    j->scale = 1;
    if ((code = cli_get_list(a, CLI_OPT_seeds, UINT64_MAX - 1, SEEDS_MAX, &j->seeds, &j->seed_count)) ||
        (code = cli_get_int(a, CLI_OPT_sample_steps, 1, AYF_STEPS_MOST, &j->options.steps)) ||
        (code = cli_get_reals(a, CLI_OPT_times, &j->times, &time_count)) ||
        (code = cli_get_real(a, CLI_OPT_gamma, 0, 1, &j->options.gamma)) ||
        (code = cli_get_real(a, CLI_OPT_guidance, 1e-6, 100, &j->options.guidance)) ||
        (code = cli_get_int(a, CLI_OPT_grid, 1, 16384, &j->columns)) ||
        (code = cli_get_int(a, CLI_OPT_scale, 1, 64, &j->scale)) ||
        (code = cli_get_solver(a, &j->options.solver)))
        return code;
    if ((code = cli_check_times(j->c, a, time_count, &j->options.steps))) return code;
    j->options.times = j->times;
    if (!j->seeds) {
        enum { DEFAULT_SEEDS = 16 };
        j->seed_count = DEFAULT_SEEDS;
        j->seeds = malloc(DEFAULT_SEEDS * sizeof *j->seeds);
        if (!j->seeds) return cli_error(j->c, AYF_E_MEMORY, "out of memory");
        for (size_t i = 0; i < DEFAULT_SEEDS; i++) j->seeds[i] = i;
    }
    return 0;
}

static size_t values_of(const job *j) {
    return (size_t)j->facts.height * (size_t)j->facts.width * (size_t)j->facts.channels;
}

static int open_decoder(job *j) {
    const char *path = j->args->value[CLI_OPT_decoder];
    if (!path) return 0;
    ayf_status status = ayf_decoder_open(j->c->ctx, path, &j->decoder);
    if (status == AYF_OK)
        status =
            ayf_decoder_size(j->decoder, j->model, &j->facts.height, &j->facts.width, &j->facts.channels);
    if (status != AYF_OK) return cli_fail(j->c);
    j->facts.latents = false;
    j->values = values_of(j);
    return 0;
}

static int open_models(job *j) {
    const cli_args *a = j->args;
    int code = cli_open_model(j->c, a->positional[0], &j->model);
    if (code) return code;
    j->facts = ayf_model_describe(j->model);
    j->values = j->drawn = values_of(j);
    if ((code = open_decoder(j))) return code;
    if ((code = cli_guide(j->c, a, j->model, &j->weak))) return code;
    if ((a->value[CLI_OPT_weak] || a->value[CLI_OPT_cfg]) && !a->value[CLI_OPT_guidance])
        return cli_error(j->c, AYF_E_USAGE,
                         "--%s changes nothing without --guidance; give for example --guidance 1.5",
                         a->value[CLI_OPT_cfg] ? "cfg" : "weak");
    return 0;
}

static int spread_classes(job *j) {
    int code = cli_get_classes(j->c, j->args, &j->facts, &j->class_list, &j->class_count);
    if (code || !j->class_list) return code;
    j->classes = malloc(j->seed_count * sizeof *j->classes);
    if (!j->classes) return cli_error(j->c, AYF_E_MEMORY, "out of memory");
    for (size_t i = 0; i < j->seed_count; i++) j->classes[i] = j->class_list[i % j->class_count];
    return 0;
}

/* What is asked for and does nothing is said. */
static void say_what_is_idle(const job *j) {
    bool student = strcmp(j->facts.role, "student") == 0;
    int steps = j->options.steps ? j->options.steps : AYF_STUDENT_STEPS;
    if (student && j->options.gamma > 0 && steps == 1)
        cli_say(
            j->c,
            "--gamma %g has no effect with one step: noise is added between two jumps, and there is only one",
            j->options.gamma);
    if (j->options.guidance == 1 && (j->weak || j->args->value[CLI_OPT_cfg]))
        cli_say(j->c, "--guidance 1 is the teacher alone: --%s has no effect", j->weak ? "weak" : "cfg");
    if (!cli_sample_in_32_bits(j))
        cli_say(j->c, "%s: computes in %s", j->args->positional[0], ayf_precision_name(j->facts.precision));
}

int cli_sample_draw(job *j, size_t first, size_t count, float *images, int *classes) {
    ayf_sample_options options = j->options;
    options.seeds = j->seeds + first;
    options.classes = j->classes ? j->classes + first : NULL;
    float *latents = j->decoder ? calloc(count, j->drawn * sizeof *latents) : NULL;
    if (j->decoder && !latents) return cli_error(j->c, AYF_E_MEMORY, "out of memory for %zu latents", count);
    ayf_status status = ayf_model_sample(j->model, &options, (int)count, latents ? latents : images, classes);
    if (status == AYF_OK && latents)
        status = ayf_decoder_pictures(j->decoder, j->model, (int)count, latents, images);
    free(latents);
    if (status == AYF_E_CANCELLED && j->seed_count > count) /* the library knows of these `count` alone */
        return cli_error(j->c, status, "drawing was cancelled after %zu of %zu images", first, j->seed_count);
    return status == AYF_OK ? 0 : cli_fail(j->c);
}

int cli_sample(cli *c, const cli_args *args) {
    job j = {.c = c, .args = args};
    int code = read_options(&j);
    if (!code) code = open_models(&j);
    if (!code) code = spread_classes(&j);
    if (!code) code = cli_sample_choose_output(&j);
    if (!code) say_what_is_idle(&j);
    if (!code) code = cli_sample_write(&j);
    ayf_decoder_close(j.decoder);
    ayf_model_close(j.model);
    ayf_model_close(j.weak);
    free(j.seeds);
    free(j.class_list);
    free(j.classes);
    free(j.times);
    return code;
}
