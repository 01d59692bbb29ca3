#include "model/match.h"

#include <math.h>
#include <stdio.h>

enum { TEXT_SIZE = 64 };

bool ayf_sigma_matches(double a, double b) { return fabs(a - b) <= AYF_SIGMA_TOLERANCE * fmax(a, b); }

static bool same_shape(const ayf_model_spec *a, const ayf_model_spec *b) {
    if (ayf_model_makes_points(a) != ayf_model_makes_points(b)) return false;
    if (ayf_model_makes_points(a)) return a->mlp_dim == b->mlp_dim;
    return a->img_resolution == b->img_resolution && a->img_channels == b->img_channels;
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
        snprintf(text, TEXT_SIZE, "makes %dx%dx%d images", s->img_resolution, s->img_resolution,
                 s->img_channels);
}

static void print_classes(const ayf_match_side *side, char *text) {
    if (side->spec->label_dim)
        snprintf(text, TEXT_SIZE, "knows %d classes", side->spec->label_dim);
    else
        snprintf(text, TEXT_SIZE, "knows no classes");
}

static void print_sigma(const ayf_match_side *side, char *text) {
    snprintf(text, TEXT_SIZE, "has sigma_data %g", side->sigma_data);
}

ayf_status ayf_models_match(ayf_context *ctx, ayf_status refusal, const ayf_match_side *a,
                            const ayf_match_side *b, const char *way_out) {
    void (*print)(const ayf_match_side *, char *) = NULL;
    if (!ayf_sigma_matches(a->sigma_data, b->sigma_data)) print = print_sigma;
    if (!same_classes(a, b)) print = print_classes;
    if (!same_shape(a->spec, b->spec)) print = print_shape;
    if (!print) return AYF_OK;
    char of_a[TEXT_SIZE], of_b[TEXT_SIZE];
    print(a, of_a);
    print(b, of_b);
    return ayf_fail(ctx, refusal, "%s %s %s, but %s %s %s: %s", a->what, a->path, of_a, b->what, b->path,
                    of_b, way_out);
}
