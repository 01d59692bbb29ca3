/* The text of kernels and how they are launched: what the emitters write and the backend compiles.
 *
 *     ayf_cuda_begin(writer);                                        // one function
 *     ayf_cuda_take(writer, "p0", AYF_F32, false, (ayf_cuda_pointer){0, 0});
 *     ayf_text_print(&writer->body, "...");
 *     AYF_TRY(ayf_cuda_end(writer, (ayf_cuda_grid){blocks, 32, 8}));
 *
 * The text is C with the words of prelude.h: CUDA for NVRTC, and plain C for tests. All sizes and strides are
 * constants in it. Equal texts are one function.
 */
#ifndef AYF_BACKEND_CUDA_CODE_H
#define AYF_BACKEND_CUDA_CODE_H

#include "io/text.h"
#include "pass/element.h"

typedef struct ayf_cuda_function {
    char *text;    /* "KERNEL(<name>, <pointers>, <threads>) { ... }" */
    uint64_t hash; /* of the text behind the name; the name is made of it */
    void *handle;  /* of the driver; NULL: not compiled yet */
} ayf_cuda_function;

/* All functions of a backend. They stay as long as it does. */
typedef struct ayf_cuda_code {
    ayf_context *ctx;
    ayf_cuda_function *function;
    uint32_t count;
    size_t capacity;
} ayf_cuda_code;

enum { AYF_CUDA_NAME_SIZE = 24 };
/* The name of a function in the text that is compiled. */
void ayf_cuda_name(const ayf_cuda_function *function, char name[AYF_CUDA_NAME_SIZE]);
void ayf_cuda_code_free(ayf_cuda_code *code);

/* What a launch hands to its function: an argument of the step, or a place in its scratch memory. */
enum { AYF_CUDA_SCRATCH = -1 };
typedef struct ayf_cuda_pointer {
    int argument;  /* of the step's inputs, then outputs; AYF_CUDA_SCRATCH */
    size_t offset; /* in the scratch memory, in bytes */
} ayf_cuda_pointer;

typedef struct ayf_cuda_grid {
    int64_t blocks;
    int tx, ty; /* threads of a block */
} ayf_cuda_grid;

typedef struct ayf_cuda_launch {
    uint32_t function; /* in the code */
    ayf_cuda_grid grid;
    uint32_t first, count; /* pointers */
} ayf_cuda_launch;

/* The launches of a step, in order. */
typedef struct ayf_cuda_launches {
    ayf_cuda_launch *launch;
    uint32_t count;
    size_t capacity;
    ayf_cuda_pointer *pointer;
    uint32_t pointers;
    size_t pointer_capacity;
    size_t scratch; /* bytes */
} ayf_cuda_launches;
void ayf_cuda_launches_free(ayf_context *ctx, ayf_cuda_launches *launches);

typedef struct ayf_cuda_writer {
    ayf_cuda_code *code;
    ayf_cuda_launches *launches; /* of the step that is written */
    ayf_text body;
    uint32_t first; /* pointer of the function that is written */
    ayf_status status;
} ayf_cuda_writer;

/* What does not fit into a kernel's parameters (4096 bytes) is AYF_E_INTERNAL in ayf_cuda_end(). */
enum { AYF_CUDA_MAX_POINTERS = 500 };

enum { AYF_CUDA_WARP = 32 }; /* threads that shuffle: WARP in the text */

/* The type of an array's elements in the text; also in the names of the words that load and store them. */
const char *ayf_cuda_element(ayf_element element);

void ayf_cuda_begin(ayf_cuda_writer *writer);
/* Declares `name` as a pointer of the function. */
void ayf_cuda_take(ayf_cuda_writer *writer, const char *name, ayf_element element, bool written,
                   ayf_cuda_pointer pointer);
ayf_status ayf_cuda_end(ayf_cuda_writer *writer, ayf_cuda_grid grid);

/* Reserves scratch memory for `elements` floats; returns its offset in bytes. */
size_t ayf_cuda_reserve(ayf_cuda_writer *writer, int64_t elements);

/* The beginning of a loop in which the threads of all blocks share `elements` elements, `lanes` of them at a time, the
 * first called `name` and counted by an `index` ("int", "long"); its text ends with "}\n". `elements` is a multiple of
 * `lanes`, which is L in the text. The grid is that of the function. */
ayf_cuda_grid ayf_cuda_put_loop(ayf_text *text, const char *index, const char *name, int64_t elements,
                                int lanes);

/* A number as the text of a float. */
void ayf_cuda_number(ayf_text *text, double value);

#endif
