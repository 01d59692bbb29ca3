#include "flow/map.h"

#include "ir/build.h"
#include "nn/network.h"

ayf_id ayf_per_sample(ayf_graph *g, ayf_id values, ayf_id x) {
    if (!values || !x) return 0;
    ayf_shape shape = {.rank = ayf_at(g, x)->rank, .dim = {ayf_at(g, values)->dim[0], 1, 1, 1, 1}};
    for (int i = shape.rank; i < AYF_MAX_RANK; i++) shape.dim[i] = 0;
    return ayf_reshape(g, values, shape);
}

static ayf_id centred_velocity(ayf_graph *g, const ayf_params *network, ayf_storage storage, ayf_id x,
                               ayf_condition condition) {
    ayf_id t = condition.t;
    if (!network->spec.is_student) condition.s = condition.guidance = 0;
    ayf_id q2 = ayf_add(g, ayf_square(g, t), ayf_square(g, ayf_addc(g, ayf_neg(g, t), 1)));
    ayf_id scale = ayf_sqrt(g, q2);
    scale = scale ? ayf_div(g, ayf_const_like(g, scale, 1), scale) : 0;
    ayf_id per_image = ayf_per_sample(g, scale, x);
    ayf_id u = ayf_network(g, network, storage, ayf_mul(g, x, per_image), condition);
    ayf_id f = ayf_mul(g, u, ayf_neg(g, per_image));
    if (network->spec.precond == AYF_PRECOND_NONE) return f;
    ayf_id a = ayf_div(g, ayf_addc(g, ayf_mulc(g, t, 2), -1), q2);
    return ayf_add(g, f, ayf_mul(g, x, ayf_per_sample(g, a, x)));
}

ayf_id ayf_flow_velocity(ayf_graph *g, const ayf_params *network, ayf_storage storage, ayf_id x,
                         ayf_condition condition) {
    double mean = network->spec.data_mean;
    if (mean == 0) return centred_velocity(g, network, storage, x, condition);
    ayf_id shift = ayf_mulc(g, ayf_addc(g, condition.t, -1), mean);
    ayf_id centred = ayf_add(g, x, ayf_per_sample(g, shift, x));
    return ayf_addc(g, centred_velocity(g, network, storage, centred, condition), -mean);
}
