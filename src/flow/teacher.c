#include "flow/teacher.h"

#include <string.h>

#include "ir/build.h"
#include "flow/inputs.h"
#include "flow/map.h"

static ayf_id network_at(ayf_graph *g, const char *scope, const ayf_params *network, ayf_id x,
                         ayf_condition condition) {
    if (network->spec.is_student)
        return ayf_graph_fail(
            g, AYF_E_USAGE,
            "a student (is_student: true) cannot be used as a %steacher: its velocity depends on a "
            "guidance strength; use a model trained with ayf train",
            strcmp(scope, AYF_SCOPE_WEAK) == 0 ? "weak " : "");
    char outer[sizeof g->scope];
    memcpy(outer, g->scope, sizeof outer);
    ayf_scope(g, "%s", scope);
    if (!network->spec.label_dim) condition.onehot = 0;
    ayf_id v = ayf_flow_velocity(g, network, AYF_STORE_PARAM, x, condition);
    ayf_scope(g, "%s", outer);
    return v;
}

static ayf_id network_emit(ayf_graph *g, const ayf_velocity *self, ayf_id x, ayf_condition condition) {
    const ayf_network_teacher *teacher = self->data;
    ayf_id v = network_at(g, AYF_SCOPE_TEACHER, teacher->params, x, condition), weak;
    if (!teacher->guided || !condition.guidance) return v;
    if (teacher->classifier_free) {
        ayf_condition nameless = condition;
        if (nameless.onehot) nameless.onehot = ayf_const_like(g, nameless.onehot, 0);
        weak = network_at(g, AYF_SCOPE_TEACHER, teacher->params, x, nameless);
    } else {
        weak = network_at(g, AYF_SCOPE_WEAK, teacher->weak, x, condition);
    }
    /* v + (lambda - 1)(v - weak): exactly v for lambda = 1. */
    ayf_id beyond = ayf_addc(g, condition.guidance, -1), t = condition.t;
    if (t && teacher->guidance_t_max > 0 && teacher->guidance_t_max < 1) {
        ayf_id late = ayf_gt(g, t, ayf_const_like(g, t, teacher->guidance_t_max));
        beyond = ayf_mul(g, beyond, ayf_addc(g, ayf_neg(g, late), 1));
    }
    beyond = ayf_per_sample(g, beyond, x);
    return ayf_add(g, v, ayf_mul(g, beyond, ayf_sub(g, v, weak)));
}

ayf_velocity ayf_velocity_network(const ayf_network_teacher *teacher) {
    return (ayf_velocity){.emit = network_emit, .data = teacher};
}
