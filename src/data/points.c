#include "data/points.h"
#include "base/base.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

static const struct {
    const char *name;
    int classes;
} kinds[] = {
    [AYF_POINTS_NONE] = {"", 0},
    [AYF_POINTS_RING] = {"ring", AYF_RING_COMPONENTS},
    [AYF_POINTS_CHECKERBOARD] = {"checkerboard", 8},
    [AYF_POINTS_MOONS] = {"moons", 2},
    [AYF_POINTS_SPIRALS] = {"spirals", 2},
    [AYF_POINTS_GAUSSIAN] = {"gaussian", 0},
};

ayf_points ayf_points_by_name(const char *name) {
    for (size_t i = 1; i < AYF_COUNT(kinds); i++)
        if (strcmp(kinds[i].name, name) == 0) return (ayf_points)i;
    return AYF_POINTS_NONE;
}

int ayf_points_classes(ayf_points kind) { return kinds[kind].classes; }

/* Every function gets two uniform and two normal numbers and returns the label. */
static int ring(const float u[2], const float n[2], double p[2]) {
    int k = (int)(u[0] * AYF_RING_COMPONENTS);
    p[0] = AYF_RING_RADIUS * cos(2 * pi * k / AYF_RING_COMPONENTS) + AYF_RING_SIGMA * n[0];
    p[1] = AYF_RING_RADIUS * sin(2 * pi * k / AYF_RING_COMPONENTS) + AYF_RING_SIGMA * n[1];
    return k;
}

/* Each coordinate is uniform on [-sqrt(3), sqrt(3)], which has variance 1. u[0] also says where in the field.
 */
static int checkerboard(const float u[2], const float n[2], double p[2]) {
    (void)n;
    double side = sqrt(3.0) / 2, scaled = u[0] * 8.0;
    int field = (int)scaled, row = field / 2, column = field % 2 * 2 + row % 2;
    p[0] = (column - 2 + (scaled - field)) * side;
    p[1] = (row - 2 + (double)u[1]) * side;
    return field;
}

/* Before centring and scaling: x has mean 1/2 and variance 3/4, y mean 1/4 and variance 9/16 - 1/pi. */
static int moons(const float u[2], const float n[2], double p[2]) {
    const double noise = 0.06;
    double variance = (0.75 + 9.0 / 16 - 1 / pi) / 2 + noise * noise;
    int lower = u[0] >= 0.5f;
    double angle = pi * (double)u[1];
    double x = lower ? 1 - cos(angle) : cos(angle), y = lower ? 0.5 - sin(angle) : sin(angle);
    p[0] = (x + noise * n[0] - 0.5) / sqrt(variance);
    p[1] = (y + noise * n[1] - 0.25) / sqrt(variance);
    return lower;
}

/* Radius sqrt(u) and angle proportional to it: equal density along the arm; E r^2 = 1/2, shared by x and y.
 */
static int spirals(const float u[2], const float n[2], double p[2]) {
    const double noise = 0.02, turns = 1.5;
    double scale = 1 / sqrt(0.25 + noise * noise);
    int arm = u[0] >= 0.5f;
    double radius = sqrt((double)u[1]), angle = 2 * pi * turns * radius + pi * arm;
    p[0] = (radius * cos(angle) + noise * n[0]) * scale;
    p[1] = (radius * sin(angle) + noise * n[1]) * scale;
    return arm;
}

void ayf_points_sample(ayf_points kind, uint64_t seed, uint64_t index, float out[2], int *label) {
    ayf_rng_key key = {.seed = seed, .purpose = AYF_RNG_DATA, .step = 0, .sample = index};
    float u[2], n[2];
    ayf_rng_uniform(key, u, 2);
    /* The same key would give normals made of the same bits as the uniforms. */
    key.step = 1;
    ayf_rng_normal(key, n, 2);
    double p[2] = {0, 0};
    int found = -1;
    switch (kind) {
    case AYF_POINTS_RING:
        found = ring(u, n, p);
        break;
    case AYF_POINTS_CHECKERBOARD:
        found = checkerboard(u, n, p);
        break;
    case AYF_POINTS_MOONS:
        found = moons(u, n, p);
        break;
    case AYF_POINTS_SPIRALS:
        found = spirals(u, n, p);
        break;
    case AYF_POINTS_GAUSSIAN:
        p[0] = AYF_GAUSSIAN_SIGMA * n[0];
        p[1] = AYF_GAUSSIAN_SIGMA * n[1];
        break;
    case AYF_POINTS_NONE:
        break;
    }
    out[0] = (float)p[0];
    out[1] = (float)p[1];
    *label = found;
}
