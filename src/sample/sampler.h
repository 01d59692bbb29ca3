/* Samples of a network: a student by its flow map, a teacher by an ODE solver (sample/solver.h). */
#ifndef AYF_SAMPLER_H
#define AYF_SAMPLER_H

#include "flow/teacher.h"
#include "io/classes.h"
#include "model/shape.h"
#include "model/weights.h"
#include "sample/solver.h"

/* A compiled network for batches of one size. */
typedef struct ayf_sampler ayf_sampler;

/* `student` for AYF_METHOD_FLOW_MAP; `teacher` (with `teacher_weights`, `weak_weights` bound to "teacher.",
 * "weak."; NULL for closed-form teachers) for the others. One of student and teacher is given.
 * All pointers must outlive the sampler. */
typedef struct ayf_sampler_spec {
    ayf_backend *backend;
    ayf_precision precision; /* HIGHEST or BF16 */
    int batch;
    ayf_data_shape shape;
    const ayf_weights *student;
    const ayf_velocity *teacher;
    const ayf_weights *teacher_weights, *weak_weights;
    bool guided; /* teacher takes a guidance input */
} ayf_sampler_spec;
ayf_status ayf_sampler_new(const ayf_sampler_spec *spec, ayf_sampler **out);
void ayf_sampler_free(ayf_sampler *s); /* NULL is fine */
/* The memory that it takes while it draws, in bytes, without the weights. */
uint64_t ayf_sampler_bytes(const ayf_sampler *s);
/* With the weights, of one like this whose weights are read from a file. */
uint64_t ayf_sampler_bytes_read(const ayf_sampler *s);
/* The same of one that is not made: of weights only the parameter table is looked at. */
ayf_status ayf_sampler_plan(const ayf_sampler_spec *spec, uint64_t *bytes);
/* The weights behind it changed. */
void ayf_sampler_refresh(ayf_sampler *s);

/* x [batch][h][w][c]: noise at t = 1 in, sample at t = 0 out (in units of the network: unit standard
 * deviation). labels[batch] (-1: none) or NULL; seeds[batch] key the re-noising (NULL is fine when gamma is
 * 0). `calls` (may be NULL): the network calls made, a guided call counting once. */
ayf_status ayf_sampler_run(ayf_sampler *s, const ayf_solver_options *how, float *x, const int *labels,
                           const uint64_t *seeds, int *calls);

/* Between arbitrary times, deterministic; the first and last of `times` are free (1 >= ... >= 0). */
ayf_status ayf_sampler_integrate(ayf_sampler *s, const ayf_solver_options *how, float *x, const int *labels);

/* Any number of samples from noise to data, out [count][h][w][c] in units of the network. labels[count] or
 * NULL. A sample is a pure function of its seed, label, `how`, the weights and the sampler's batch size, bit
 * by bit: what else is asked for along with it does not matter. Vendor kernels round the rows of a batch
 * differently, by where a row lies, so every seed has a fixed place in the batch (seed mod batch);
 * consecutive seeds fill batches. Counts the samples in the context's task (base/wait.h). */
ayf_status ayf_sampler_images(ayf_sampler *s, const ayf_solver_options *how, size_t count,
                              const uint64_t *seeds, const int *labels, float *out);

/* A batch size for ayf_sampler_images(), a function of the network alone: 1 for images, so that one costs no more than
 * its share of many, and no seed has to wait for a place. */
int ayf_sampler_batch(const ayf_model_spec *spec);

const ayf_sampler_spec *ayf_sampler_describe(const ayf_sampler *s);

/* The noise of an image: N(0,1), a pure function of its seed. */
void ayf_latent(uint64_t seed, float *out, size_t count);
/* Its class when none is asked for, a pure function of its seed: one of `classes`, chosen as ayf_classes_draw()
 * does by what is known of them (NULL: nothing); -1 when classes is 0. */
int ayf_latent_class(uint64_t seed, int classes, const ayf_classes *known, bool by_share);

#endif
