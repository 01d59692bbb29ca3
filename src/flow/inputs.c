#include "flow/inputs.h"

#include <string.h>

#include "nn/optim.h"

static const char *const names[AYF_STEP_INPUTS] = {
#define X(NAME, leaf) [AYF_STEP_##NAME] = #leaf,
#include "flow/inputs.def"
#undef X
};

const char *ayf_step_input_name(ayf_step_input input) { return names[input]; }

ayf_id ayf_step_leaf(ayf_graph *g, ayf_step_input input, ayf_shape shape) {
    return ayf_leaf(g, AYF_STORE_INPUT, names[input], shape);
}

static ayf_status feed_leaf(ayf_program *program, const ayf_program_leaf *leaf,
                            const float *const values[AYF_STEP_INPUTS]) {
    ayf_context *ctx = ayf_program_backend(program)->ctx;
    for (int i = 0; i < AYF_STEP_INPUTS; i++) {
        if (strcmp(leaf->name, names[i]) != 0) continue;
        if (!values[i]) return ayf_fail(ctx, AYF_E_INTERNAL, "the step's input '%s' has no values", names[i]);
        return ayf_program_set(program, names[i], values[i], leaf->elements);
    }
    if (ayf_optim_is_input(leaf->name)) return AYF_OK;
    return ayf_fail(ctx, AYF_E_INTERNAL, "the step has an input '%s' that nobody fills", leaf->name);
}

ayf_status ayf_step_feed(ayf_program *program, const ayf_step_inputs *inputs) {
    const float *const values[AYF_STEP_INPUTS] = {
#define X(NAME, leaf) [AYF_STEP_##NAME] = inputs->leaf,
#include "flow/inputs.def"
#undef X
    };
    for (uint32_t i = 0; i < ayf_program_leaf_count(program); i++) {
        ayf_program_leaf leaf = ayf_program_leaf_at(program, i);
        if (leaf.storage == AYF_STORE_INPUT) AYF_TRY(feed_leaf(program, &leaf, values));
    }
    return AYF_OK;
}
