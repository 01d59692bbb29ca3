#include "model/match.h"

#include <math.h>
#include <stdio.h>

enum { TEXT_SIZE = 256 };

bool ayf_sigma_matches(double a, double b) { return fabs(a - b) <= AYF_SIGMA_TOLERANCE * fmax(a, b); }

static bool same_shape(const ayf_model_spec *a, const ayf_model_spec *b) {
    if (ayf_model_makes_points(a) != ayf_model_makes_points(b)) return false;
    if (ayf_model_makes_points(a)) return a->mlp_dim == b->mlp_dim;
    return a->img_resolution == b->img_resolution && a->img_channels == b->img_channels;
}

static bool same_list(const ayf_reals *a, const ayf_reals *b) {
    bool same = a->count == b->count;
    for (int i = 0; same && i < a->count; i++)
        same =
            fabs(a->at[i] - b->at[i]) <= AYF_SIGMA_TOLERANCE * fmax(1, fmax(fabs(a->at[i]), fabs(b->at[i])));
    return same;
}

bool ayf_latent_scales_match(const ayf_model_spec *a, const ayf_model_spec *b) {
    return same_list(&a->latent_mean, &b->latent_mean) && same_list(&a->latent_scale, &b->latent_scale);
}

static bool same_kind(const ayf_model_spec *a, const ayf_model_spec *b) {
    return ayf_model_draws_latents(a) == ayf_model_draws_latents(b);
}

static bool same_classes(const ayf_match_side *a, const ayf_match_side *b) {
    int of_a = a->spec->label_dim, of_b = b->spec->label_dim;
    return of_a == of_b || (of_a == 0 && a->needs_no_classes) || (of_b == 0 && b->needs_no_classes);
}

static void print_shape(const ayf_match_side *side, char *text) {
    const ayf_model_spec *s = side->spec;
    if (ayf_model_makes_points(s))
        snprintf(text, TEXT_SIZE, "makes points of %d numbers", s->mlp_dim);
    else
        snprintf(text, TEXT_SIZE, "makes %dx%dx%d %s", s->img_resolution, s->img_resolution, s->img_channels,
                 ayf_model_draws_latents(s) ? "latents" : "images");
}

static void print_classes(const ayf_match_side *side, char *text) {
    if (side->spec->label_dim)
        snprintf(text, TEXT_SIZE, "knows %d classes", side->spec->label_dim);
    else
        snprintf(text, TEXT_SIZE, "knows no classes");
}

static void print_kind(const ayf_match_side *side, char *text) {
    snprintf(text, TEXT_SIZE, "makes %s", ayf_model_draws_latents(side->spec) ? "latents" : "pictures");
}

static size_t print_list(char *text, size_t used, const ayf_reals *list) {
    for (int i = 0; i < list->count && used < TEXT_SIZE; i++)
        used += (size_t)snprintf(text + used, TEXT_SIZE - used, "%s%.4g", i ? "," : "", list->at[i]);
    return used;
}

static void print_scale(const ayf_match_side *side, char *text) {
    size_t used = (size_t)snprintf(text, TEXT_SIZE, "has latents of mean ");
    used = print_list(text, used, &side->spec->latent_mean);
    if (used < TEXT_SIZE) used += (size_t)snprintf(text + used, TEXT_SIZE - used, " and scale ");
    print_list(text, used, &side->spec->latent_scale);
}

static void print_sigma(const ayf_match_side *side, char *text) {
    snprintf(text, TEXT_SIZE, "has sigma_data %g", side->sigma_data);
}

ayf_status ayf_models_match(ayf_context *ctx, ayf_status refusal, const ayf_match_side *a,
                            const ayf_match_side *b, const char *way_out) {
    void (*print)(const ayf_match_side *, char *) = NULL;
    if (!ayf_sigma_matches(a->sigma_data, b->sigma_data)) print = print_sigma;
    if (!ayf_latent_scales_match(a->spec, b->spec)) print = print_scale;
    if (!same_classes(a, b)) print = print_classes;
    if (!same_kind(a->spec, b->spec)) print = print_kind;
    if (!same_shape(a->spec, b->spec)) print = print_shape;
    if (!print) return AYF_OK;
    if (print == print_scale) way_out = "both must draw latents of one VAE in one scale";
    char of_a[TEXT_SIZE], of_b[TEXT_SIZE];
    print(a, of_a);
    print(b, of_b);
    return ayf_fail(ctx, refusal, "%s %s %s, but %s %s %s: %s", a->what, a->path, of_a, b->what, b->path,
                    of_b, way_out);
}
