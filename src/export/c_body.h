/* The network of an exported C program: its weights, and one statement per node of the graph. */
#ifndef AYF_EXPORT_C_BODY_H
#define AYF_EXPORT_C_BODY_H

#include "export/export.h"
#include "io/text.h"

typedef struct ayf_c_weight {
    ayf_id id;
    bool turned; /* as matrix (k,n), as convolution (size,size,in,out) */
    size_t at;   /* index of its first number */
} ayf_c_weight;

typedef struct ayf_c_body {
    const ayf_graph *g; /* for one sample */
    const ayf_folded *folded;
    ayf_context *ctx;
    ayf_text text;  /* the statements */
    size_t *offset; /* by node: index in the working memory */
    size_t *last;   /* by node: the last node that reads its memory */
    size_t memory;  /* numbers of working memory */
    ayf_c_weight *weight;
    size_t weight_count, weight_capacity, weight_numbers;
    ayf_status status;
} ayf_c_body;

/* Writes the statements. The text and the lists belong to the body; ayf_c_body_free() in any case. */
ayf_status ayf_c_body_make(ayf_c_body *body, ayf_context *ctx, const ayf_graph *g, const ayf_folded *folded);
void ayf_c_body_free(ayf_c_body *body);

/* Copies the numbers of weight `index` to `out`, in the order in which the statements read them. Returns their
 * count; `out` may be NULL. */
size_t ayf_c_weight_values(const ayf_c_body *body, size_t index, float *out);

#endif
