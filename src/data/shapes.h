/* builtin:shapes - anti-aliased drawings of one shape each, class-labelled, on varied backgrounds. */
#ifndef AYF_SHAPES_H
#define AYF_SHAPES_H

#include <stddef.h>
#include <stdint.h>

enum { AYF_SHAPE_CLASSES = 10, AYF_SHAPES_COUNT = 65536 };

/* disc, ring, square, triangle, star, cross, crescent, heart, stripes, checker: index = class */
extern const char *const ayf_shape_names[AYF_SHAPE_CLASSES];

/* Draws picture `index` of set `seed` into rgb[resolution][resolution][3]; its class is index %
 * AYF_SHAPE_CLASSES. Position, size, rotation and colours depend on (seed, index) alone, so that the same
 * picture can be had at any resolution. */
void ayf_shape_draw(uint64_t seed, uint64_t index, int resolution, uint8_t *rgb);

#endif
