/* A C99 file that draws samples: weights as text, working memory, the network as one statement per node of the
 * graph, noise, the sampler, main(). */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "export/c_body.h"
#include "export/c_text.h"
#include "flow/inputs.h"
#include "io/file.h"

typedef struct source {
    const ayf_export_plan *plan;
    const ayf_c_body *body;
    char capitals[48]; /* the prefix in capitals */
    ayf_text text;
} source;

/* "@": the prefix, "%_": the prefix in capitals with its underscore. */
static void put_named(source *s, const char *text) {
    for (const char *p = text; *p; p++) {
        if (*p == '@')
            ayf_text_print(&s->text, "%s", s->plan->options.name);
        else if (p[0] == '%' && p[1] == '_')
            ayf_text_print(&s->text, "%s", s->capitals), p++;
        else
            ayf_text_put(&s->text, p, 1);
    }
}

/* ---- Weights ---- */

static void put_base64(source *s, const unsigned char *bytes, size_t size) {
    enum { PIECE = 80, LINE = 50 * PIECE };
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t groups = (size + 11) / 12 * 4, column = 0; /* whole groups of 12 bytes, filled with zeros */
    for (size_t i = 0; i < groups; i++) {
        unsigned char b[3] = {0};
        for (size_t k = 0; k < 3 && 3 * i + k < size; k++) b[k] = bytes[3 * i + k];
        const char four[] = {digits[b[0] >> 2], digits[(b[0] & 3) << 4 | b[1] >> 4],
                             digits[(b[1] & 15) << 2 | b[2] >> 6], digits[b[2] & 63]};
        if (column == LINE) ayf_text_print(&s->text, "\",\n");
        if (column == LINE) column = 0;
        if (column % PIECE == 0) ayf_text_print(&s->text, column ? "\"\n    \"" : "    \"");
        ayf_text_put(&s->text, four, 4);
        column += 4;
    }
    ayf_text_print(&s->text, "\",\n");
}

/* All weights one behind the other, as bytes of the type that is asked for. */
static ayf_status collect(const source *s, unsigned char **bytes, size_t *size) {
    const ayf_c_body *b = s->body;
    ayf_context *ctx = b->ctx;
    ayf_export_dtype dtype = s->plan->options.dtype;
    size_t width = ayf_st_dtype_size(ayf_export_st_dtype(dtype)), at = 0;
    float *values = ayf_alloc(ctx, b->weight_numbers, sizeof *values);
    uint16_t *narrow = dtype == AYF_EXPORT_F32 ? NULL : ayf_alloc(ctx, b->weight_numbers, sizeof *narrow);
    *size = b->weight_numbers * width;
    *bytes = NULL;
    ayf_status status = values && (narrow || dtype == AYF_EXPORT_F32) ? AYF_OK : AYF_E_MEMORY;
    for (size_t i = 0; status == AYF_OK && i < b->weight_count; i++) {
        size_t count = ayf_c_weight_values(b, i, values + at);
        if (narrow)
            status = ayf_narrow(ctx, dtype, ayf_folded_name(b->g, b->weight[i].id), values + at, count,
                                narrow + at);
        at += count;
    }
    ayf_free(ctx, status == AYF_OK && !narrow ? NULL : values);
    if (status == AYF_OK)
        *bytes = narrow ? (unsigned char *)narrow : (unsigned char *)values;
    else
        ayf_free(ctx, narrow);
    return status;
}

static ayf_status put_weights(source *s) {
    static const char *const numbers[] = {
        [AYF_EXPORT_F32] = "f32", [AYF_EXPORT_F16] = "f16", [AYF_EXPORT_BF16] = "bf16"};
    ayf_export_dtype dtype = s->plan->options.dtype;
    unsigned char *bytes;
    size_t size, width = ayf_st_dtype_size(ayf_export_st_dtype(dtype));
    AYF_TRY(collect(s, &bytes, &size));
    ayf_text_print(&s->text, "%s", ayf_c_decode_start);
    ayf_text_print(&s->text, "enum { COUNT = %zu, WIDTH = %zu };\nstatic float weights[COUNT];\n\n",
                   s->body->weight_numbers, width);
    ayf_text_print(&s->text, "%s",
                   dtype == AYF_EXPORT_F32   ? ayf_c_decode_f32
                   : dtype == AYF_EXPORT_F16 ? ayf_c_decode_f16
                                             : ayf_c_decode_bf16);
    ayf_text_print(&s->text, "/* Weights as they are used, in %s. */\nstatic const char *const text[] = {\n",
                   numbers[dtype]);
    put_base64(s, bytes, size);
    ayf_text_print(&s->text, "};\n\n%s", ayf_c_decode_end);
    ayf_free(s->body->ctx, bytes);
    return AYF_OK;
}

/* ---- The program ---- */

static void put_head(source *s) {
    const ayf_export_plan *plan = s->plan;
    ayf_data_shape d = plan->shape;
    put_named(
        s,
        "/* Draws samples of a model that was trained with ayf. Written by ayf export.\n *\n"
        " *     cc -std=c99 -O3 FILE.c -lm\n"
        " *     ./a.out SEED [CLASS [STEPS]]\n *\n"
        " * A seed gives the sample that `ayf sample --seeds SEED` gives. Other programs define\n"
        " * %_NO_MAIN and declare\n *\n"
        " *     void @_sample(unsigned long long seed, int label, int steps, float *out);\n"
        " *     void @_sample_from(const float *noise, int label, int steps, float *out);\n *\n"
        " * noise: N(0,1). label: from 0; -1 draws it from the seed, in @_sample_from() it is \"no class\".\n"
        " * steps: ");
    ayf_text_print(&s->text,
                   "%s; below 1: %d. out: (%d,%d,%d)%s.\n * Not for several threads at once: memory and "
                   "weights are static. */\n"
                   "#include <math.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <string.h>\n\n",
                   plan->student                              ? "calls of the network"
                   : plan->options.solver == AYF_SOLVER_EULER ? "steps of Euler's method, a call each"
                                                              : "steps of Heun's method, two calls each",
                   plan->options.steps, d.height, d.width, d.channels,
                   d.points ? ", in units of the data" : " in [-1,1]");
    ayf_text_print(
        &s->text,
        "enum {\n    %sHEIGHT = %d,\n    %sWIDTH = %d,\n    %sCHANNELS = %d,\n    %sCLASSES = %d,\n"
        "    %sVALUES = %zu\n};\n\n",
        s->capitals, d.height, s->capitals, d.width, s->capitals, d.channels, s->capitals, d.classes,
        s->capitals, ayf_data_values(d));
    put_named(s, "void @_sample(unsigned long long seed, int label, int steps, float *out);\n"
                 "void @_sample_from(const float *noise, int label, int steps, float *out);\n\n");
}

/* The offset of an input in the working memory; false: the graph has none of this name. */
static bool input_at(const source *s, ayf_step_input input, size_t *offset) {
    int leaf = ayf_leaf_find(s->body->g, ayf_step_input_name(input));
    if (leaf < 0) return false;
    *offset = s->body->offset[s->body->g->leaf[leaf].id];
    return true;
}

static ayf_id output_holder(const ayf_graph *g) {
    ayf_id id = g->output[0].id;
    while (ayf_at(g, id)->op == AYF_OP_RESHAPE || ayf_at(g, id)->op == AYF_OP_STOP) id = ayf_at(g, id)->in[0];
    return id;
}

static void put_network(source *s) {
    size_t at;
    ayf_text_print(&s->text,
                   "/* ---- The network ---- */\n\n"
                   "static float memory[%zu];\n\n"
                   "/* %s. Returns it in the working memory. */\n"
                   "static const float *network(const float *x, float t, float s, int label) {\n",
                   s->body->memory,
                   s->plan->student ? "x at time t -> x at time s" : "x at time t -> its velocity dx/dt");
    if (input_at(s, AYF_STEP_X, &at)) {
        ayf_text_print(&s->text, "    memcpy(memory + %zu, x, ", at);
        put_named(s, "%_VALUES * sizeof *x);\n");
    }
    if (input_at(s, AYF_STEP_T, &at)) ayf_text_print(&s->text, "    memory[%zu] = t;\n", at);
    if (input_at(s, AYF_STEP_S, &at))
        ayf_text_print(&s->text, "    memory[%zu] = s;\n", at);
    else
        ayf_text_print(&s->text, "    (void)s;\n");
    if (input_at(s, AYF_STEP_ONEHOT, &at)) {
        int classes = s->plan->shape.classes;
        ayf_text_print(
            &s->text,
            "    clear(memory + %zu, %d);\n    if (label >= 0 && label < %d) memory[%zu + label] = 1;\n", at,
            classes, classes, at);
    } else {
        ayf_text_print(&s->text, "    (void)label;\n");
    }
    ayf_text_put(&s->text, s->body->text.data, s->body->text.size);
    ayf_text_print(&s->text, "    return memory + %zu;\n}\n\n", s->body->offset[output_holder(s->body->g)]);
}

static void put_step(source *s) {
    if (s->plan->student) {
        put_named(s, "        memcpy(x, network(x, t, u, label), sizeof x);\n");
    } else if (s->plan->options.solver == AYF_SOLVER_EULER) {
        put_named(s, "        const float *v = network(x, t, t, label);\n"
                     "        for (int k = 0; k < %_VALUES; k++) x[k] += (u - t) * v[k];\n");
    } else {
        put_named(
            s, "        static float first[%_VALUES], end[%_VALUES];\n"
               "        memcpy(first, network(x, t, t, label), sizeof first);\n"
               "        for (int k = 0; k < %_VALUES; k++) end[k] = x[k] + (u - t) * first[k];\n"
               "        const float *second = network(end, u, u, label);\n"
               "        for (int k = 0; k < %_VALUES; k++) x[k] += (u - t) / 2 * (first[k] + second[k]);\n");
    }
}

static void put_sampler(source *s) {
    char sigma[AYF_REAL_SIZE];
    ayf_print_typed_real(sigma, s->plan->model->card.sigma_data);
    put_named(s, "/* ---- The sampler ---- */\n\n"
                 "void @_sample_from(const float *noise, int label, int steps, float *out) {\n"
                 "    static float x[%_VALUES];\n"
                 "    read_weights();\n");
    ayf_text_print(&s->text, "    if (steps < 1) steps = %d;\n", s->plan->options.steps);
    put_named(s, "    memcpy(x, noise, sizeof x);\n"
                 "    for (int i = 0; i < steps; i++) {\n"
                 "        const float t = (float)(1 - (double)i / steps), u = (float)(1 - (double)(i + 1) / "
                 "steps);\n");
    put_step(s);
    put_named(s, "    }\n    for (int k = 0; k < %_VALUES; k++) ");
    ayf_text_print(&s->text,
                   s->plan->shape.points ? "out[k] = x[k] * %sf;\n}\n\n"
                                         : "out[k] = fminf(fmaxf(x[k] * %sf, -1), 1);\n}\n\n",
                   sigma);
    put_named(s, "void @_sample(unsigned long long seed, int label, int steps, float *out) {\n"
                 "    static float noise[%_VALUES];\n"
                 "    uint32_t bits[4];\n"
                 "    philox(seed, 10, 0, bits);\n"
                 "    if (label < 0) label = (int)((uint64_t)bits[0] * %_CLASSES >> 32);\n"
                 "    make_noise(seed, noise, %_VALUES);\n"
                 "    @_sample_from(noise, label, steps, out);\n"
                 "}\n\n");
    put_named(s, s->plan->shape.points ? ayf_c_main_points : ayf_c_main_images);
}

static void put_program(source *s) {
    source network = {.plan = s->plan, .body = s->body};
    memcpy(network.capitals, s->capitals, sizeof network.capitals);
    ayf_text_init(&network.text, s->text.ctx);
    put_network(&network);
    ayf_text_print(&s->text, "%s", ayf_c_layers);
    for (size_t i = 0; i < ayf_c_function_count && network.text.data; i++)
        if (strstr(network.text.data, ayf_c_functions[i].call))
            ayf_text_print(&s->text, "%s", ayf_c_functions[i].text);
    ayf_text_put(&s->text, network.text.data, network.text.size);
    s->text.failed = s->text.failed || network.text.failed;
    ayf_text_free(&network.text);
    ayf_text_print(&s->text, "%s", ayf_c_noise);
    put_sampler(s);
}

static ayf_status write(const ayf_export_plan *plan, const ayf_c_body *body) {
    source s = {.plan = plan, .body = body};
    int length = snprintf(s.capitals, sizeof s.capitals, "%s_", plan->options.name);
    for (int i = 0; i < length && s.capitals[i]; i++)
        s.capitals[i] = (char)toupper((unsigned char)s.capitals[i]);
    ayf_text_init(&s.text, body->ctx);
    put_head(&s);
    ayf_status status = put_weights(&s);
    if (status == AYF_OK) {
        put_program(&s);
        status =
            s.text.failed ? AYF_E_MEMORY : ayf_file_write(body->ctx, plan->path, s.text.data, s.text.size);
    }
    ayf_text_free(&s.text);
    return status;
}

ayf_status ayf_export_c(const ayf_export_plan *plan) {
    ayf_context *ctx = plan->model->ctx;
    ayf_graph *g = ayf_export_call(plan, 1), *again = ayf_export_call(plan, 1);
    ayf_status status = g && again ? ayf_graph_check(g) : AYF_E_MEMORY;
    ayf_folded folded;
    if (status != AYF_OK) {
        ayf_graph_free(g);
        ayf_graph_free(again);
        return status;
    }
    status = ayf_folded_make(plan, g, again, &folded);
    if (status == AYF_OK) {
        ayf_c_body body;
        status = ayf_c_body_make(&body, ctx, g, &folded);
        if (status == AYF_OK) status = write(plan, &body);
        ayf_c_body_free(&body);
        ayf_folded_free(&folded);
    }
    ayf_graph_free(g);
    return status;
}
