#include "train/plan/parts.h"

/* Measured on x86-64 with oneDNN 2.6: docs/performance.md. */
enum { LIBRARIES = 17 << 20, RESERVE = 4 << 20, KERNEL = 14 << 10 };

uint64_t ayf_memory_process(uint64_t kernels) { return LIBRARIES + RESERVE + kernels * KERNEL; }

uint64_t ayf_memory_reserve(void) { return RESERVE; }

uint64_t ayf_memory_program(const ayf_program_facts *facts, bool first) {
    return facts->arena_bytes + facts->scratch_bytes + (first ? facts->leaf_bytes : facts->own_bytes);
}

uint64_t ayf_memory_batch(int count, ayf_data_shape shape) {
    enum { SETS = 3, EACH = 8 }; /* data, noise and fakes; times, strengths and figures */
    return (uint64_t)count * (SETS * ayf_data_values(shape) + (uint64_t)shape.classes + EACH) * sizeof(float);
}

uint64_t ayf_memory_copy(const ayf_params *params, bool trained_only) {
    uint64_t elements = 0;
    for (int i = 0; i < params->count; i++)
        if (!trained_only || params->at[i].role != AYF_PARAM_BUFFER) elements += params->at[i].size;
    return elements * sizeof(float);
}

uint64_t ayf_memory_writing(const ayf_params *params) {
    return 2 * ayf_params_largest(params) * sizeof(float);
}

ayf_memory_parts ayf_memory_computing(const ayf_backend *backend, const ayf_memory_parts *p) {
    if (!ayf_backend_has_memory(backend)) return *p;
    return (ayf_memory_parts){.step = p->step, .pictures = p->pictures, .measuring = p->measuring};
}

uint64_t ayf_memory_passing(const ayf_memory_parts *p) {
    return p->checkpoint > p->measuring ? p->checkpoint : p->measuring;
}

uint64_t ayf_memory_total(const ayf_memory_parts *p) {
    return p->step + p->batch + p->data + p->trajectories + p->pictures + ayf_memory_passing(p) + p->process;
}
