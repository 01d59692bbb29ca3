#include "backend/cuda/code.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void ayf_cuda_name(const ayf_cuda_function *function, char name[AYF_CUDA_NAME_SIZE]) {
    snprintf(name, AYF_CUDA_NAME_SIZE, "k%016" PRIx64, function->hash);
}

void ayf_cuda_code_free(ayf_cuda_code *code) {
    for (uint32_t i = 0; i < code->count; i++) ayf_free(code->ctx, code->function[i].text);
    ayf_free(code->ctx, code->function);
    *code = (ayf_cuda_code){.ctx = code->ctx};
}

void ayf_cuda_launches_free(ayf_context *ctx, ayf_cuda_launches *launches) {
    ayf_free(ctx, launches->launch);
    ayf_free(ctx, launches->pointer);
    *launches = (ayf_cuda_launches){0};
}

const char *ayf_cuda_element(ayf_element element) { return element == AYF_BF16 ? "bf16" : "float"; }

void ayf_cuda_begin(ayf_cuda_writer *w) {
    ayf_text_init(&w->body, w->code->ctx);
    w->first = w->launches->pointers;
    w->status = AYF_OK;
}

void ayf_cuda_take(ayf_cuda_writer *w, const char *name, ayf_element element, bool written,
                   ayf_cuda_pointer pointer) {
    ayf_cuda_launches *l = w->launches;
    if (w->status == AYF_OK)
        w->status =
            ayf_reserve(w->code->ctx, &l->pointer, l->pointers, &l->pointer_capacity, sizeof *l->pointer);
    if (w->status != AYF_OK) return;
    const char *type = ayf_cuda_element(element), *read_only = written ? "" : "const ";
    ayf_text_print(&w->body, "%s%s *const %s = (%s%s *)POINTER(%u);\n", read_only, type, name, read_only,
                   type, l->pointers - w->first);
    l->pointer[l->pointers++] = pointer;
}

/* The function with this text. */
static ayf_status intern(ayf_cuda_code *code, const ayf_text *body, uint32_t pointers, int threads,
                         uint32_t *index) {
    uint64_t hash = ayf_hash(AYF_HASH_START, &pointers, sizeof pointers);
    hash = ayf_hash(hash, &threads, sizeof threads);
    hash = ayf_hash(hash, body->data, body->size);
    for (uint32_t i = 0; i < code->count; i++) {
        *index = i;
        if (code->function[i].hash == hash) return AYF_OK;
    }
    AYF_TRY(ayf_reserve(code->ctx, &code->function, code->count, &code->capacity, sizeof *code->function));
    ayf_cuda_function *f = &code->function[code->count];
    char name[AYF_CUDA_NAME_SIZE];
    f->hash = hash;
    ayf_cuda_name(f, name);
    f->text = ayf_format(code->ctx, "KERNEL(%s, %u, %d) {\n%s}\n", name, pointers, threads, body->data);
    if (!f->text) return AYF_E_MEMORY;
    *index = code->count++;
    return AYF_OK;
}

ayf_status ayf_cuda_end(ayf_cuda_writer *w, ayf_cuda_grid grid) {
    ayf_cuda_launches *l = w->launches;
    uint32_t pointers = l->pointers - w->first, function = 0;
    ayf_status status = w->body.failed ? AYF_E_MEMORY : w->status;
    if (status == AYF_OK && pointers > AYF_CUDA_MAX_POINTERS)
        status = ayf_fail(w->code->ctx, AYF_E_INTERNAL, "a kernel takes %u tensors", pointers);
    if (status == AYF_OK && (grid.blocks < 1 || grid.blocks > INT32_MAX))
        status = ayf_fail(w->code->ctx, AYF_E_INTERNAL, "a kernel takes %lld blocks", (long long)grid.blocks);
    if (status == AYF_OK) status = intern(w->code, &w->body, pointers, grid.tx * grid.ty, &function);
    if (status == AYF_OK)
        status = ayf_reserve(w->code->ctx, &l->launch, l->count, &l->capacity, sizeof *l->launch);
    if (status == AYF_OK) l->launch[l->count++] = (ayf_cuda_launch){function, grid, w->first, pointers};
    ayf_text_free(&w->body);
    return status;
}

size_t ayf_cuda_reserve(ayf_cuda_writer *w, int64_t elements) {
    enum { ALIGN = 256 };
    size_t at = w->launches->scratch;
    w->launches->scratch += ((size_t)elements * sizeof(float) + ALIGN - 1) / ALIGN * ALIGN;
    return at;
}

ayf_cuda_grid ayf_cuda_put_loop(ayf_text *text, const char *index, const char *name, int64_t elements,
                                int lanes) {
    enum { THREADS = 256 };
    int64_t per_block = (int64_t)THREADS * lanes;
    ayf_text_print(text,
                   "enum { TX = THREADS(%d), L = %d };\n"
                   "for (%s %s = (BLOCK * (%s)TX + LANE) * L; %s < %" PRId64
                   "; %s += BLOCKS * (%s)TX * L) {\n",
                   THREADS, lanes, index, name, index, name, elements, name, index);
    return (ayf_cuda_grid){(elements + per_block - 1) / per_block, THREADS, 1};
}

void ayf_cuda_number(ayf_text *text, double value) {
    float number = (float)value;
    if (!isfinite(number)) {
        uint32_t bits;
        memcpy(&bits, &number, sizeof bits);
        ayf_text_print(text, "REAL(0x%08" PRIx32 "u)", bits);
        return;
    }
    /* Converted by the compiler of the text: exact, because a float is one of its doubles. */
    ayf_text_print(text, number < 0 ? "((float)(" : "((float)");
    ayf_text_real(text, (double)number);
    ayf_text_print(text, number < 0 ? "))" : ")");
}
