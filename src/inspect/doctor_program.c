#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ad/ad.h"
#include "base/rng.h"
#include "flow/map.h"
#include "flow/step.h"
#include "inspect/doctor.h"
#include "ir/build.h"

enum { NAME_SIZE = 128 };

/* ---- Values ---- */

static ayf_rng_key key_of(int number, uint64_t what) {
    return (ayf_rng_key){.purpose = AYF_RNG_TEST, .step = what, .sample = (uint64_t)number};
}

/* A direction of the variable's own size, so that a small step changes it by a small part of itself. */
static void choose_direction(ayf_doctor_variable *v, int number) {
    double square = 0;
    for (size_t i = 0; i < v->size; i++) square += (double)v->at[i] * (double)v->at[i];
    double scale = square > 0 ? sqrt(square / (double)v->size) : 0.5;
    ayf_rng_normal(key_of(number, 1), v->direction, v->size);
    for (size_t i = 0; i < v->size; i++) v->direction[i] *= (float)scale;
}

static ayf_status add(ayf_doctor_subject *s, const char *name, size_t size, ayf_doctor_variable **out) {
    ayf_doctor_variable *v = *out = &s->variable[s->all];
    v->name = name;
    v->size = size;
    v->at = ayf_alloc(s->ctx, size, sizeof *v->at);
    v->direction = ayf_alloc(s->ctx, size, sizeof *v->direction);
    s->all++;
    return v->at && v->direction ? AYF_OK : AYF_E_MEMORY;
}

static ayf_status add_time(ayf_doctor_subject *s, const char *name, float value) {
    ayf_doctor_variable *v;
    AYF_TRY(add(s, name, (size_t)s->batch, &v));
    for (int i = 0; i < s->batch; i++) v->at[i] = value - 0.05f * (float)i;
    return AYF_OK;
}

static ayf_status add_inputs(ayf_doctor_subject *s) {
    const ayf_model_spec *spec = &s->params->spec;
    ayf_doctor_variable *x;
    size_t classes = (size_t)spec->label_dim, n = (size_t)s->batch;
    AYF_TRY(add(s, "x", s->outputs, &x));
    ayf_rng_normal(key_of(0, 0), x->at, x->size);
    AYF_TRY(add_time(s, "t", 0.7f));
    if (spec->is_student) {
        AYF_TRY(add_time(s, "s", 0.3f));
        AYF_TRY(add_time(s, "guidance", 1.5f));
    }
    s->cotangent = ayf_alloc(s->ctx, s->outputs, sizeof *s->cotangent);
    s->onehot = classes ? ayf_alloc(s->ctx, n * classes, sizeof *s->onehot) : NULL;
    if (!s->cotangent || (classes && !s->onehot)) return AYF_E_MEMORY;
    ayf_rng_normal(key_of(0, 2), s->cotangent, s->outputs);
    for (size_t i = 0; i < n && classes; i++) s->onehot[i * classes + i % classes] = 1;
    return AYF_OK;
}

static ayf_status add_parameters(ayf_doctor_subject *s, const ayf_weights *weights, bool buffers) {
    const ayf_params *params = s->params;
    for (int i = 0; i < params->count; i++) {
        ayf_doctor_variable *v;
        if ((params->at[i].role == AYF_PARAM_BUFFER) != buffers) continue;
        AYF_TRY(add(s, params->at[i].name, params->at[i].size, &v));
        AYF_TRY(ayf_buffer_get(weights->at[i], v->at));
    }
    return AYF_OK;
}

ayf_status ayf_doctor_subject_new(const ayf_weights *weights, int batch, ayf_doctor_subject *s) {
    enum { INPUTS_MOST = 4 };
    ayf_context *ctx = weights->backend->ctx;
    const ayf_params *params = weights->params;
    const ayf_shape shape = ayf_sample_shape(&params->spec, batch);
    *s = (ayf_doctor_subject){.ctx = ctx, .params = params, .batch = batch};
    s->outputs = (size_t)shape.dim[0] * (size_t)shape.dim[1] * (size_t)shape.dim[2] * (size_t)shape.dim[3];
    s->variable = ayf_alloc(ctx, (size_t)params->count + INPUTS_MOST, sizeof *s->variable);
    if (!s->variable) return AYF_E_MEMORY;
    AYF_TRY(add_inputs(s));
    AYF_TRY(add_parameters(s, weights, false));
    for (int i = 0; i < s->all; i++) choose_direction(&s->variable[i], i);
    s->count = s->all;
    return add_parameters(s, weights, true);
}

void ayf_doctor_subject_free(ayf_doctor_subject *s) {
    for (int i = 0; i < s->all; i++) {
        ayf_free(s->ctx, s->variable[i].at);
        ayf_free(s->ctx, s->variable[i].direction);
    }
    ayf_free(s->ctx, s->variable);
    ayf_free(s->ctx, s->cotangent);
    ayf_free(s->ctx, s->onehot);
}

/* ---- Graphs ---- */

typedef struct emitter {
    ayf_graph *g;
    const ayf_doctor_subject *s;
    ayf_id *leaf; /* of the variables */
    ayf_id F, L, R, c;
} emitter;

static ayf_id named_leaf(ayf_graph *g, const char *prefix, const char *name, ayf_shape shape) {
    char text[NAME_SIZE];
    snprintf(text, sizeof text, "%s%s", prefix, name);
    return ayf_leaf(g, AYF_STORE_INPUT, text, shape);
}

static void emit_network(emitter *e) {
    ayf_graph *g = e->g;
    const ayf_params *params = e->s->params;
    const ayf_shape n = AYF_SHAPE(e->s->batch), shape = ayf_sample_shape(&params->spec, e->s->batch);
    const bool student = params->spec.is_student;
    int at = 0;
    ayf_id x = e->leaf[at++] = ayf_leaf(g, AYF_STORE_INPUT, "x", shape);
    ayf_condition condition = {.t = e->leaf[at++] = ayf_leaf(g, AYF_STORE_INPUT, "t", n)};
    if (student) {
        condition.s = e->leaf[at++] = ayf_leaf(g, AYF_STORE_INPUT, "s", n);
        condition.guidance = e->leaf[at++] = ayf_leaf(g, AYF_STORE_INPUT, "guidance", n);
    }
    if (params->spec.label_dim)
        condition.onehot =
            ayf_leaf(g, AYF_STORE_INPUT, "onehot", AYF_SHAPE(e->s->batch, params->spec.label_dim));
    e->c = ayf_leaf(g, AYF_STORE_INPUT, "c", shape);
    e->F = ayf_flow_velocity(g, params, AYF_STORE_STATE, x, condition);
    for (int i = 0; i < params->count; i++)
        if (params->at[i].role != AYF_PARAM_BUFFER)
            e->leaf[at++] = ayf_param_leaf(g, &params->at[i], AYF_STORE_STATE);
    ayf_id product = ayf_mul(g, e->c, e->F), slope, one = ayf_const(g, 1);
    e->L = ayf_sum_all(g, product);
    ayf_vjp(g, 1, &e->L, &one, 1, &x, &slope);
    e->R = ayf_mulc(g, ayf_sum_all(g, ayf_square(g, slope)), 0.5);
    ayf_output(g, "F", e->F);
}

static void emit_values(emitter *e) {
    ayf_graph *g = e->g;
    ayf_output(g, "L", e->L);
    ayf_output(g, "R", e->R);
    ayf_output(g, "square", ayf_sum_all(g, ayf_square(g, ayf_mul(g, e->c, e->F))));
}

static ayf_status emit_tangent(emitter *e) {
    ayf_graph *g = e->g;
    const int count = e->s->count;
    ayf_id *tangent = ayf_alloc(e->s->ctx, (size_t)count, sizeof *tangent), dF;
    if (!tangent) return AYF_E_MEMORY;
    for (int i = 0; i < count && e->leaf[i]; i++) {
        const char *name = e->s->variable[i].name;
        const ayf_node *node = ayf_at(g, e->leaf[i]);
        ayf_shape shape = {.rank = node->rank};
        memcpy(shape.dim, node->dim, sizeof shape.dim);
        ayf_id amount = named_leaf(g, "amount.", name, AYF_SHAPE(1)),
               direction = named_leaf(g, "direction.", name, shape);
        tangent[i] = ayf_mul(g, direction, amount);
    }
    ayf_jvp(g, (size_t)count, e->leaf, tangent, 1, &e->F, &dF);
    ayf_output(g, "dF", dF);
    ayf_output(g, "dL", ayf_sum_all(g, ayf_mul(g, e->c, dF)));
    ayf_free(e->s->ctx, tangent);
    return AYF_OK;
}

static ayf_status emit_gradients(emitter *e) {
    ayf_graph *g = e->g;
    const int count = e->s->count;
    ayf_id *grad = ayf_alloc(e->s->ctx, (size_t)count, sizeof *grad), one = ayf_const(g, 1);
    if (!grad) return AYF_E_MEMORY;
    for (int second = 0; second < 2; second++) {
        ayf_vjp(g, 1, second ? &e->R : &e->L, &one, (size_t)count, e->leaf, grad);
        for (int i = 0; i < count; i++) {
            char name[NAME_SIZE];
            snprintf(name, sizeof name, "grad%s.%s", second ? "2" : "", e->s->variable[i].name);
            ayf_output(g, name, grad[i]);
        }
    }
    ayf_free(e->s->ctx, grad);
    return AYF_OK;
}

static ayf_status set_leaves(const ayf_doctor_subject *s, ayf_program *p, bool tangent) {
    const float none = 0;
    for (int i = 0; i < s->all; i++) {
        const ayf_doctor_variable *v = &s->variable[i];
        char name[NAME_SIZE];
        if (ayf_program_has_leaf(p, v->name)) AYF_TRY(ayf_program_set(p, v->name, v->at, v->size));
        if (!tangent || i >= s->count) continue;
        snprintf(name, sizeof name, "direction.%s", v->name);
        if (ayf_program_has_leaf(p, name)) AYF_TRY(ayf_program_set(p, name, v->direction, v->size));
        snprintf(name, sizeof name, "amount.%s", v->name);
        if (ayf_program_has_leaf(p, name)) AYF_TRY(ayf_program_set(p, name, &none, 1));
    }
    AYF_TRY(ayf_program_set(p, "c", s->cotangent, s->outputs));
    if (!s->onehot) return AYF_OK;
    return ayf_program_set(p, "onehot", s->onehot, (size_t)s->batch * (size_t)s->params->spec.label_dim);
}

ayf_status ayf_doctor_move(ayf_program *tangent, const ayf_doctor_variable *v, float amount) {
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "amount.%s", v->name);
    return ayf_program_has_leaf(tangent, name) ? ayf_program_set(tangent, name, &amount, 1) : AYF_OK;
}

ayf_status ayf_doctor_compile(const ayf_doctor_subject *s, ayf_backend *backend, ayf_doctor_program which,
                              const ayf_compile_options *options, ayf_program **out) {
    emitter e = {.g = ayf_graph_new(s->ctx), .s = s};
    *out = NULL;
    e.leaf = ayf_alloc(s->ctx, (size_t)s->count, sizeof *e.leaf);
    ayf_status status = e.g && e.leaf ? AYF_OK : AYF_E_MEMORY;
    if (status == AYF_OK) {
        emit_network(&e);
        if (which == AYF_DOCTOR_VALUES) emit_values(&e);
        if (which == AYF_DOCTOR_TANGENT) status = emit_tangent(&e);
        if (which == AYF_DOCTOR_GRADIENTS) status = emit_gradients(&e);
    }
    ayf_free(s->ctx, e.leaf);
    if (status == AYF_OK)
        status = ayf_compile(backend, e.g, options, out);
    else
        ayf_graph_free(e.g);
    if (status != AYF_OK) return status;
    status = set_leaves(s, *out, which == AYF_DOCTOR_TANGENT);
    if (status != AYF_OK) {
        ayf_program_free(*out);
        *out = NULL;
    }
    return status;
}
