/* The one sum of what a run takes in memory: what is printed before a run and what is compared with what is free. */
#ifndef AYF_TRAIN_PLAN_PARTS_H
#define AYF_TRAIN_PLAN_PARTS_H

#include "exec/program.h"
#include "model/shape.h"
#include "nn/params.h"

/* Bytes that a process takes besides what is counted, which cannot be known: libraries, their tables, and what the heap
 * keeps. `kernels`: of all its programs. */
uint64_t ayf_memory_process(uint64_t kernels);

/* Of that, what comes after a run has been planned. */
uint64_t ayf_memory_reserve(void);

/* As far as they lie in the memory that the backend computes in. That of a device holds the programs, also those of
 * pictures and measurements, whose parts count what lies beside them in the machine's memory as well. */
ayf_memory_parts ayf_memory_computing(const ayf_backend *backend, const ayf_memory_parts *parts);

/* Of what is taken for a while only, one after the other: the larger one. */
uint64_t ayf_memory_passing(const ayf_memory_parts *parts);

/* Of one program of a run. Leaves count with the first. */
uint64_t ayf_memory_program(const ayf_program_facts *facts, bool first);

/* What a batch of `count` samples takes outside of the program. */
uint64_t ayf_memory_batch(int count, ayf_data_shape shape);

/* One copy of the parameters in a file; moments are of those that are trained. */
uint64_t ayf_memory_copy(const ayf_params *params, bool trained_only);
/* What writing that takes: tensor by tensor. */
uint64_t ayf_memory_writing(const ayf_params *params);

#endif
