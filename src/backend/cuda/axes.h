/* The axes that a kernel walks, and where its arrays are along them. */
#ifndef AYF_BACKEND_CUDA_AXES_H
#define AYF_BACKEND_CUDA_AXES_H

#include "io/text.h"
#include "pass/steps.h"

/* One array: where it begins, and how far its elements lie apart. */
typedef struct ayf_cuda_walk {
    int64_t offset;
    int64_t stride[AYF_MAX_RANK];
} ayf_cuda_walk;

typedef struct ayf_cuda_axes {
    int rank;
    int split; /* axes before it are rows, the others lie along a row; rank where there are no rows */
    int64_t dim[AYF_MAX_RANK];
    ayf_cuda_walk *walk;
    uint32_t walks;
    bool wide; /* numbers of elements need 64 bits */
} ayf_cuda_axes;

/* The strides of a dense array with these sizes. */
void ayf_cuda_dense(const ayf_cuda_axes *axes, ayf_cuda_walk *walk);

/* Drops axes of size 1 and joins neighbours that every walk passes through alike. `rows`: rows stay rows. */
void ayf_cuda_collapse(ayf_cuda_axes *axes, bool rows);

/* Up to so many elements their numbers are ints, also that of the one after the last of a thread. */
enum { AYF_CUDA_NARROW = INT32_MAX / 2 - 1024 };

int64_t ayf_cuda_size(const ayf_cuda_axes *axes, int first, int end);

/* The type of numbers of elements. */
const char *ayf_cuda_index(const ayf_cuda_axes *axes);

/* "const int d0 = ..., d1 = ...;": the places along axes first ... end - 1 of element `flat` of them. */
void ayf_cuda_put_places(ayf_text *text, const ayf_cuda_axes *axes, int first, int end, const char *flat);

/* The address at these places, along axes before `end`. */
void ayf_cuda_put_address(ayf_text *text, const ayf_cuda_walk *walk, int end);

/* How many neighbours along the last axis a thread takes at once: AYF_CUDA_QUAD where the axis consists of so many,
 * else 1. */
enum { AYF_CUDA_QUAD = 4 };
int ayf_cuda_lanes(const ayf_cuda_axes *axes);

/* Whether these neighbours lie together in the array, and aligned like its beginning; a single one does. */
bool ayf_cuda_together(const ayf_cuda_axes *axes, const ayf_cuda_walk *walk);

/* The first power of two that is not below `count`. */
int ayf_cuda_power_of_two(int64_t count);

#endif
