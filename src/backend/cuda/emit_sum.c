#include <inttypes.h>

#include "backend/cuda/axes.h"
#include "backend/cuda/emit.h"

enum { THREADS = 256, PER_THREAD = 32 };

/* A sum over the middle one of three axes. */
typedef struct sum {
    int64_t outer, summed, inner;
} sum;

/* The terminal's axes as [kept][summed][kept]; false: they are not of that form. */
static bool is_regular(const ayf_group *q, const ayf_terminal *t, int rank, sum *s) {
    int64_t part[3] = {1, 1, 1};
    int at = 0;
    for (int d = 0; d < rank; d++) {
        if (q->dim[d] == 1) continue;
        bool kept = t->stride[d] != 0;
        if (at == 0 && !kept) at = 1;
        if (at == 1 && kept) at = 2;
        if (at == 2 && !kept) return false;
        part[at] *= q->dim[d];
    }
    *s = (sum){part[0], part[1], part[2]};
    return true;
}

/* Threads of a block along the inner axis. */
static int threads_along(sum s) {
    return s.inner >= AYF_CUDA_WARP ? AYF_CUDA_WARP : ayf_cuda_power_of_two(s.inner);
}

/* One stage: chunks of the middle axis, a block for each and for every tile of the inner one. */
static ayf_status emit_stage(ayf_cuda_writer *w, sum s, int64_t per_chunk, ayf_cuda_pointer from,
                             ayf_cuda_pointer to, ayf_element element) {
    int tx = threads_along(s), ty = THREADS / tx;
    int64_t chunks = (s.summed + per_chunk - 1) / per_chunk, tiles = (s.inner + tx - 1) / tx;
    ayf_cuda_begin(w);
    ayf_cuda_take(w, "from", AYF_F32, false, from);
    ayf_cuda_take(w, "to", element, true, to);
    ayf_text *t = &w->body;
    ayf_text_print(t, "enum { TILE = %d, TX = THREADS(%d), TY = THREADS(%d) };\n", tx, tx, ty);
    ayf_text_print(t, "SHARED double shared[TX * TY];\n");
    ayf_text_print(t, "const int tile = BLOCK %% %" PRId64 ";\n", tiles);
    ayf_text_print(t, "const long chunk = BLOCK / %" PRId64 " %% %" PRId64 ", outer = BLOCK / %" PRId64 ";\n",
                   tiles, chunks, tiles * chunks);
    ayf_text_print(t, "const long first = chunk * %" PRId64 ", next = first + %" PRId64 ";\n", per_chunk,
                   per_chunk);
    ayf_text_print(t, "const long end = next < %" PRId64 " ? next : %" PRId64 ";\n", s.summed, s.summed);
    ayf_text_print(t, "for (int lane = LANE; lane < TILE; lane += TX) {\n"
                      "const long i = tile * TILE + lane;\ndouble sum = 0;\n");
    ayf_text_print(t,
                   "if (i < %" PRId64 ") for (long m = first + LINE; m < end; m += TY) "
                   "sum += from[(outer * %" PRId64 " + m) * %" PRId64 " + i];\n",
                   s.inner, s.summed, s.inner);
    ayf_text_print(t, "sum = column_sum(sum, shared, TX, TY);\n");
    ayf_text_print(t,
                   "if (LINE == 0 && i < %" PRId64 ") to[(outer * %" PRId64 " + chunk) * %" PRId64 " + i] = ",
                   s.inner, chunks, s.inner);
    ayf_text_print(t, "%s(float)sum);\n}\n", ayf_cuda_narrow(element));
    return ayf_cuda_end(w, (ayf_cuda_grid){s.outer * chunks * tiles, tx, ty});
}

static ayf_status emit_regular(ayf_cuda_writer *w, sum s, size_t summands, ayf_cuda_pointer result,
                               ayf_element element) {
    ayf_cuda_pointer from = {AYF_CUDA_SCRATCH, summands};
    int64_t per_chunk = (int64_t)(THREADS / threads_along(s)) * PER_THREAD;
    while (s.summed > per_chunk) {
        int64_t chunks = (s.summed + per_chunk - 1) / per_chunk;
        ayf_cuda_pointer to = {AYF_CUDA_SCRATCH, ayf_cuda_reserve(w, s.outer * chunks * s.inner)};
        AYF_TRY(emit_stage(w, s, per_chunk, from, to, AYF_F32));
        from = to;
        s.summed = chunks;
    }
    return emit_stage(w, s, per_chunk, from, result, element);
}

/* Kept axes between summed ones: one thread per result. */
static ayf_status emit_irregular(ayf_cuda_writer *w, const ayf_group *q, const ayf_terminal *terminal,
                                 int rank, size_t summands, ayf_cuda_pointer result, ayf_element element) {
    int64_t results = 1, dense = 1, stride[AYF_MAX_RANK];
    for (int d = rank; d-- > 0; dense *= q->dim[d]) {
        stride[d] = dense;
        if (terminal->stride[d] != 0) results *= q->dim[d];
    }
    ayf_cuda_begin(w);
    ayf_cuda_take(w, "from", AYF_F32, false, (ayf_cuda_pointer){AYF_CUDA_SCRATCH, summands});
    ayf_cuda_take(w, "to", element, true, result);
    ayf_text *t = &w->body;
    ayf_cuda_grid grid = ayf_cuda_put_loop(t, "long", "o", results, 1);
    ayf_text_print(t, "double sum = 0;\nconst long base = 0");
    for (int d = 0; d < rank; d++)
        if (terminal->stride[d] != 0)
            ayf_text_print(t, " + o / %" PRId64 " %% %d * %" PRId64, terminal->stride[d], q->dim[d],
                           stride[d]);
    ayf_text_print(t, ";\n");
    for (int d = 0; d < rank; d++)
        if (terminal->stride[d] == 0 && q->dim[d] > 1)
            ayf_text_print(t, "for (long s%d = 0; s%d < %d; s%d++) ", d, d, q->dim[d], d);
    ayf_text_print(t, "sum += from[base");
    for (int d = 0; d < rank; d++)
        if (terminal->stride[d] == 0 && q->dim[d] > 1) ayf_text_print(t, " + s%d * %" PRId64, d, stride[d]);
    ayf_text_print(t, "];\nto[o] = %s(float)sum);\n}\n", ayf_cuda_narrow(element));
    return ayf_cuda_end(w, grid);
}

ayf_status ayf_cuda_emit_terminal(ayf_cuda_writer *w, const ayf_step *step, uint32_t index, int rank,
                                  size_t summands) {
    const ayf_terminal *terminal = &step->group->terminal[index];
    ayf_cuda_pointer result = {(int)step->in_count + terminal->store, 0};
    ayf_element element = ayf_out_element(step, (uint32_t)terminal->store);
    sum s;
    if (is_regular(step->group, terminal, rank, &s)) return emit_regular(w, s, summands, result, element);
    return emit_irregular(w, step->group, terminal, rank, summands, result, element);
}
