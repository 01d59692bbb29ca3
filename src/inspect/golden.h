/* What the kinds of reference files share: reading one, and comparing a program's outputs with it. A check of
 * a kind compiles a graph whose inputs and outputs have the names of the file's tensors, fills it from the
 * file, runs it and compares. */
#ifndef AYF_GOLDEN_H
#define AYF_GOLDEN_H

#include "exec/program.h"
#include "io/safetensors.h"
#include "nn/params.h"

typedef struct ayf_golden_check {
    ayf_context *ctx;
    ayf_backend *backend;
    ayf_st *st;
    ayf_program *program;
    double largest; /* norm of the largest gradient among those that are compared */
    /* NULL, or per parameter what single precision leaves open of its gradient (norm). */
    const double *unsure;
    double worst;
    char worst_name[128];
    int compared, failed, rounding;
    char failed_name[128];
} ayf_golden_check;

/* ---- Reading ---- */

const char *ayf_golden_meta(const ayf_golden_check *c, const char *key); /* NULL with the failure recorded */
bool ayf_golden_has(const ayf_golden_check *c, const char *prefix);      /* any tensor of such a name */

/* A tensor as floats, images (N,C,H,W) turned into (N,H,W,C). The caller frees it; NULL on failure. */
float *ayf_golden_tensor(const ayf_golden_check *c, const char *name, size_t *count);

/* The network that the JSON in the metadata `key` describes. */
ayf_status ayf_golden_spec(const ayf_golden_check *c, const char *key, bool student, ayf_model_spec *spec);

/* An input with the name and the shape of a tensor of rank 1 or 4 (an image, in the graph (N,H,W,C)). */
ayf_id ayf_golden_leaf(const ayf_golden_check *c, ayf_graph *g, const char *name);
/* The input "onehot" for a batch like x; 0 without classes. */
ayf_id ayf_golden_onehot(ayf_graph *g, const ayf_model_spec *spec, ayf_id x);

/* Fill the program: every input that has the name of a tensor; "onehot" from "in.label"; the leaves `scope` +
 * name from the tensors `prefix` + name, where `strip` leaves "unet." out of the latter. */
ayf_status ayf_golden_inputs(ayf_golden_check *c);
ayf_status ayf_golden_classes(ayf_golden_check *c, int batch, int classes);
ayf_status ayf_golden_parameters(ayf_golden_check *c, const ayf_params *params, const char *scope,
                                 const char *prefix, bool strip);

/* ---- Comparing ---- */

/* The program's `output` with the tensor `name`; `param` when it has that parameter's layout, else NULL. */
ayf_status ayf_golden_compare(ayf_golden_check *c, const char *name, const char *output,
                              const ayf_param *param, bool gradient);

/* d `out` / d parameters of the scope as the outputs `prefix` + name, and their comparison with the tensors
 * of these names (`strip` as above). */
void ayf_golden_emit_gradients(ayf_graph *g, const ayf_params *params, const char *scope, ayf_id out,
                               ayf_id cotangent, const char *prefix);
ayf_status ayf_golden_gradients(ayf_golden_check *c, const ayf_params *params, const char *prefix,
                                bool strip);

/* ---- Kinds in files of their own ---- */

ayf_status ayf_golden_sg2(ayf_golden_check *c);

#endif
