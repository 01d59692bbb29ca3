/* 2-D sets with overall mean 0 and variance 1 (the mean of the two coordinates' variances), exactly, by
 * construction; only the Gaussian is narrower. Sample `index` of set `seed` is a pure function of both. */
#ifndef AYF_POINTS_H
#define AYF_POINTS_H

#include <stdint.h>

/* Ring: AYF_RING_COMPONENTS Gaussians of standard deviation AYF_RING_SIGMA at angles 2 pi k / 8 on a circle
 * of radius AYF_RING_RADIUS = sqrt(2 (1 - sigma^2)), equally likely; label = k. */
enum { AYF_RING_COMPONENTS = 8, AYF_POINTS_COUNT = 1 << 20 };
#define AYF_RING_SIGMA 0.15
#define AYF_GAUSSIAN_SIGMA 0.5
#define AYF_RING_RADIUS 1.3982131454109563

typedef enum ayf_points {
    AYF_POINTS_NONE,
    AYF_POINTS_RING,         /* 8 classes: the component */
    AYF_POINTS_CHECKERBOARD, /* 8 dark fields of a 4 x 4 board of side 2 sqrt(3); 8 classes: the field */
    AYF_POINTS_MOONS,        /* two half circles with noise; 2 classes */
    AYF_POINTS_SPIRALS,      /* two arms of 1.5 turns with noise; 2 classes */
    AYF_POINTS_GAUSSIAN,     /* N(0, AYF_GAUSSIAN_SIGMA^2 I); without classes */
} ayf_points;

ayf_points ayf_points_by_name(const char *name); /* AYF_POINTS_NONE when unknown */
int ayf_points_classes(ayf_points kind);
void ayf_points_sample(ayf_points kind, uint64_t seed, uint64_t index, float out[2], int *label);

#endif
