#include "data/shapes.h"
#include "base/rng.h"

#include <math.h>
#include <stdbool.h>

static const float pi = 3.14159265f;

const char *const ayf_shape_names[AYF_SHAPE_CLASSES] = {"disc",  "ring",     "square", "triangle", "star",
                                                        "cross", "crescent", "heart",  "stripes",  "checker"};

enum { DISC, RING, SQUARE, TRIANGLE, STAR, CROSS, CRESCENT, HEART, STRIPES, CHECKER };

typedef struct vec {
    float x, y;
} vec;

typedef struct rgb {
    float r, g, b;
} rgb;

/* ---- Signed distances, negative inside; the shape has radius about 1, y points down ---- */

static float length2(float x, float y) { return sqrtf(x * x + y * y); }
static float clampf(float x, float low, float high) { return x < low ? low : x > high ? high : x; }
static float mixf(float a, float b, float t) { return a + (b - a) * t; }

static float box(vec p, float half_width, float half_height) {
    float dx = fabsf(p.x) - half_width, dy = fabsf(p.y) - half_height;
    return length2(fmaxf(dx, 0), fmaxf(dy, 0)) + fminf(fmaxf(dx, dy), 0);
}

/* A polygon given by its corners, inside by the winding parity. */
static float polygon(vec p, const vec *corner, int count) {
    float nearest = 1e9f;
    bool inside = false;
    for (int i = 0, j = count - 1; i < count; j = i++) {
        float ex = corner[j].x - corner[i].x, ey = corner[j].y - corner[i].y;
        float wx = p.x - corner[i].x, wy = p.y - corner[i].y;
        float t = clampf((wx * ex + wy * ey) / (ex * ex + ey * ey), 0, 1);
        nearest = fminf(nearest, length2(wx - t * ex, wy - t * ey));
        bool above = corner[i].y > p.y, other = corner[j].y > p.y;
        if (above != other && p.x < ex * (p.y - corner[i].y) / ey + corner[i].x) inside = !inside;
    }
    return inside ? -nearest : nearest;
}

/* Ten corners, alternately at radius 1.12 and 0.46, the first on top. */
static float star(vec p) {
    static const vec corner[10] = {{0.000000f, -1.120000f}, {0.270381f, -0.372148f}, {1.065183f, -0.346099f},
                                   {0.437486f, 0.142148f},  {0.658319f, 0.906099f},  {0.000000f, 0.460000f},
                                   {-0.658319f, 0.906099f}, {-0.437486f, 0.142148f}, {-1.065183f, -0.346099f},
                                   {-0.270381f, -0.372148f}};
    return polygon(p, corner, 10);
}

static float triangle(vec p) {
    static const vec corner[3] = {{0, -1.08f}, {0.97f, 0.66f}, {-0.97f, 0.66f}};
    return polygon(p, corner, 3);
}

/* Two circles on a square standing on its corner. */
static float heart(vec p) {
    float x = fabsf(p.x) / 1.05f, y = (0.62f - p.y / 1.05f) * 0.62f;
    x *= 0.62f;
    float d;
    if (y + x > 1) {
        d = length2(x - 0.25f, y - 0.75f) - 0.35355339f;
    } else {
        float m = 0.5f * fmaxf(x + y, 0);
        float to_edge = length2(x - m, y - m), to_top = length2(x, y - 1);
        d = fminf(to_edge, to_top) * (x - y < 0 ? -1.0f : 1.0f);
    }
    return d * 1.05f / 0.62f;
}

static float distance_to(int shape, vec p) {
    switch (shape) {
    case RING:
        return fabsf(length2(p.x, p.y) - 0.74f) - 0.25f;
    case SQUARE:
        return box(p, 0.82f, 0.82f);
    case CHECKER:
        return box(p, 0.86f, 0.86f);
    case TRIANGLE:
        return triangle(p);
    case STAR:
        return star(p);
    case CROSS:
        return fminf(box(p, 1.0f, 0.31f), box(p, 0.31f, 1.0f));
    case CRESCENT:
        return fmaxf(length2(p.x, p.y) - 1.02f, 0.80f - length2(p.x - 0.50f, p.y));
    case HEART:
        return heart((vec){p.x, p.y - 0.06f});
    default:
        return length2(p.x, p.y) - 1;
    }
}

/* Distance to the part painted in the second colour. */
static float distance_to_pattern(int shape, vec p) {
    if (shape == CHECKER) return -fminf(fabsf(p.x), fabsf(p.y)) * (p.x * p.y > 0 ? 1.0f : -1.0f);
    if (shape != STRIPES) return 1;
    const float period = 0.8f;
    float phase = p.x / period;
    return (fabsf(phase - floorf(phase) - 0.5f) - 0.25f) * period;
}

/* ---- Colour ---- */

static float to_srgb(float linear) {
    linear = clampf(linear, 0, 1);
    return linear <= 0.0031308f ? 12.92f * linear : 1.055f * powf(linear, 1 / 2.4f) - 0.055f;
}

/* Lightness 0..1, chroma about 0..0.3, hue in turns, in the OKLCH space (equal steps look equal). */
static rgb oklch(float lightness, float chroma, float hue) {
    float a = chroma * cosf(2 * pi * hue), b = chroma * sinf(2 * pi * hue);
    float l = lightness + 0.3963377774f * a + 0.2158037573f * b;
    float m = lightness - 0.1055613458f * a - 0.0638541728f * b;
    float s = lightness - 0.0894841775f * a - 1.2914855480f * b;
    l = l * l * l;
    m = m * m * m;
    s = s * s * s;
    return (rgb){to_srgb(4.0767416621f * l - 3.3077115913f * m + 0.2309699292f * s),
                 to_srgb(-1.2684380046f * l + 2.6097574011f * m - 0.3413193965f * s),
                 to_srgb(-0.0041960863f * l - 0.7034186147f * m + 1.7076147010f * s)};
}

static rgb mix(rgb a, rgb b, float t) {
    return (rgb){mixf(a.r, b.r, t), mixf(a.g, b.g, t), mixf(a.b, b.b, t)};
}

/* ---- One picture ---- */

typedef struct picture {
    int shape;
    float x, y, radius; /* in units of the side */
    float cosine, sine;
    rgb front[2]; /* towards the light and away from it */
    rgb pattern;
    rgb back[2];
    bool radial;
    float back_x, back_y; /* direction of the gradient, or its centre */
} picture;

/* Largest turn either way that leaves the class recognisable. */
static float max_turn(int shape) {
    switch (shape) {
    case HEART:
        return 0.09f * 2 * pi;
    case SQUARE:
    case CHECKER:
    case CROSS:
        return 0.125f * 2 * pi;
    default:
        return pi;
    }
}

static picture compose(uint64_t seed, uint64_t index) {
    float u[20];
    ayf_rng_uniform((ayf_rng_key){.seed = seed, .purpose = AYF_RNG_DATA, .step = 0, .sample = index}, u, 20);
    picture p = {.shape = (int)(index % AYF_SHAPE_CLASSES)};
    p.radius = mixf(0.27f, 0.40f, u[0]);
    float room = fmaxf(0.46f - p.radius * 0.92f, 0);
    p.x = 0.5f + room * (2 * u[1] - 1);
    p.y = 0.5f + room * (2 * u[2] - 1);
    float turn = max_turn(p.shape) * (2 * u[3] - 1);
    p.cosine = cosf(turn);
    p.sine = sinf(turn);

    /* The background is dark, light or coloured mid-tone; the shape keeps its distance in lightness or in
     * hue. */
    float hue = u[4], back_hue = hue + mixf(0.22f, 0.78f, u[5]), back_light, back_chroma, light,
          pattern_light;
    if (u[6] < 0.4f) {
        back_light = mixf(0.22f, 0.38f, u[7]);
        back_chroma = mixf(0.02f, 0.10f, u[8]);
        light = mixf(0.66f, 0.86f, u[9]);
        pattern_light = light < 0.75f ? 0.95f : 0.52f;
    } else if (u[6] < 0.75f) {
        back_light = mixf(0.86f, 0.95f, u[7]);
        back_chroma = mixf(0.01f, 0.06f, u[8]);
        light = mixf(0.45f, 0.68f, u[9]);
        pattern_light = light < 0.56f ? 0.74f : 0.30f;
    } else {
        back_light = mixf(0.52f, 0.66f, u[7]);
        back_chroma = mixf(0.06f, 0.13f, u[8]);
        light = u[9] < 0.5f ? mixf(0.84f, 0.92f, 2 * u[9]) : mixf(0.28f, 0.38f, 2 * u[9] - 1);
        pattern_light = u[9] < 0.5f ? 0.30f : 0.92f;
    }
    float chroma = mixf(0.14f, 0.22f, u[10]);
    p.front[0] = oklch(light + 0.04f, chroma, hue + 0.02f);
    p.front[1] = oklch(light - 0.05f, chroma, hue - 0.02f);
    p.pattern = oklch(pattern_light, pattern_light > 0.9f ? 0.03f : 0.12f, hue + mixf(0.3f, 0.7f, u[11]));
    float step = mixf(-0.10f, 0.10f, u[12]), swing = mixf(-0.09f, 0.09f, u[13]);
    p.back[0] = oklch(clampf(back_light + step, 0.12f, 0.97f), back_chroma, back_hue + swing);
    p.back[1] = oklch(clampf(back_light - step, 0.12f, 0.97f), back_chroma, back_hue - swing);
    p.radial = u[14] < 0.3f;
    float angle = 2 * pi * u[15];
    p.back_x = p.radial ? u[16] : cosf(angle);
    p.back_y = p.radial ? u[17] : sinf(angle);
    return p;
}

static vec to_shape(const picture *p, float x, float y) {
    float dx = (x - p->x) / p->radius, dy = (y - p->y) / p->radius;
    return (vec){p->cosine * dx + p->sine * dy, -p->sine * dx + p->cosine * dy};
}

static rgb background(const picture *p, float x, float y) {
    float t = p->radial ? length2(x - p->back_x, y - p->back_y) / 1.1f
                        : 0.5f + ((x - 0.5f) * p->back_x + (y - 0.5f) * p->back_y) / 1.2f;
    rgb colour = mix(p->back[0], p->back[1], clampf(t, 0, 1));
    /* A soft shadow to the lower right lifts the shape off the ground. */
    float d = distance_to(p->shape, to_shape(p, x - 0.022f, y - 0.032f)) * p->radius;
    float shade = clampf(0.5f - d / 0.09f, 0, 1);
    return mix(colour, (rgb){0, 0, 0}, 0.22f * shade * shade * (3 - 2 * shade));
}

static uint8_t to_byte(float value) { return (uint8_t)(clampf(value, 0, 1) * 255 + 0.5f); }

/* How much of a pixel the shape covers, and how much of that (0..1) wears the pattern. Averaged over sub x
 * sub samples whose own edges are softened by their distance: thin parts keep their weight at 16 pixels a
 * side. */
static float coverage(const picture *p, int x, int y, float pixel, int sub, float *patterned) {
    float soft = p->radius / pixel * (float)sub, cover = 0, pattern = 0;
    *patterned = 0;
    float middle =
        distance_to(p->shape, to_shape(p, ((float)x + 0.5f) * pixel, ((float)y + 0.5f) * pixel)) * p->radius;
    /* No sample is further than 0.71 pixels from the middle, softened edge included. */
    if (middle > 0.75f * pixel) return 0;
    if (middle < -0.75f * pixel && p->shape != STRIPES && p->shape != CHECKER) return 1;
    for (int i = 0; i < sub * sub; i++) {
        float sx = ((float)x + ((float)(i % sub) + 0.5f) / (float)sub) * pixel;
        float sy = ((float)y + ((float)(i / sub) + 0.5f) / (float)sub) * pixel;
        vec q = to_shape(p, sx, sy);
        float inside = clampf(0.5f - distance_to(p->shape, q) * soft, 0, 1);
        cover += inside;
        if (inside > 0) pattern += inside * clampf(0.5f - distance_to_pattern(p->shape, q) * soft, 0, 1);
    }
    if (cover > 0) *patterned = pattern / cover;
    return cover / (float)(sub * sub);
}

void ayf_shape_draw(uint64_t seed, uint64_t index, int resolution, uint8_t *out) {
    picture p = compose(seed, index);
    int sub = resolution <= 16 ? 4 : resolution <= 32 ? 3 : 2;
    float pixel = 1 / (float)resolution;
    for (int y = 0; y < resolution; y++) {
        for (int x = 0; x < resolution; x++) {
            float cx = ((float)x + 0.5f) * pixel, cy = ((float)y + 0.5f) * pixel, patterned;
            float cover = coverage(&p, x, y, pixel, sub, &patterned);
            float lit = clampf(0.5f + ((cx - p.x) + (cy - p.y)) / (2.4f * p.radius), 0, 1);
            rgb front = mix(mix(p.front[0], p.front[1], lit), p.pattern, patterned);
            rgb colour = mix(background(&p, cx, cy), front, cover);
            *out++ = to_byte(colour.r);
            *out++ = to_byte(colour.g);
            *out++ = to_byte(colour.b);
        }
    }
}
