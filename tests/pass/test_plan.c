/* Memory plans and programs: plan modes agree to the bit, tensors alive together do not overlap, facts are
 * true, programs do not disturb each other, and every allocation may fail. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ad/ad.h"
#include "faulty.h"
#include "pass/precision.h"
#include "random_graph.h"
#include "unet_graph.h"

/* ---- Modes ---- */

typedef ayf_graph *maker(ayf_context *ctx, uint64_t seed, int kind);

static ayf_graph *make_random(ayf_context *ctx, uint64_t seed, int kind) {
    return random_graph(ctx, seed, (random_kind)kind);
}

static ayf_graph *make_unet(ayf_context *ctx, uint64_t seed, int kind) {
    (void)seed, (void)kind;
    return unet_graph(ctx, 8);
}

static void modes_agree(maker *make, uint64_t seeds, int kinds, int runs) {
    for (size_t b = 0; b < test_backend_count; b++)
        for (uint64_t seed = 1; seed <= seeds; seed++)
            for (int kind = 0; kind < kinds; kind++) {
                if ((kind == RANDOM_LARGE && seed > 3) || test_left_out(b, seeds > 1 ? seed : 0)) continue;
                test_result want = {0};
                const ayf_plan_mode modes[] = {AYF_PLAN_NONE, AYF_PLAN_REUSE, AYF_PLAN_POISON};
                for (size_t m = 0; m < AYF_COUNT(modes); m++) {
                    ayf_context *ctx = test_open(NULL);
                    test_result got = {0};
                    char what[96];
                    snprintf(what, sizeof what, "%s, graph %lu of kind %d, plan mode %d",
                             test_backends[b].name, (unsigned long)seed, kind, (int)modes[m]);
                    test_run(ctx, &test_backends[b], make(ctx, seed, kind), seed,
                             &(test_run_options){.plan = modes[m], .runs = runs}, &got);
                    ayf_close(ctx);
                    if (m == 0)
                        want = got;
                    else
                        test_compare(what, &want, &got, 0);
                    if (m > 0) test_result_free(&got);
                }
                test_result_free(&want);
            }
}

static void test_modes_on_random_graphs(void **state) {
    (void)state;
    modes_agree(make_random, 25, RANDOM_KINDS, 3);
}

static void test_modes_on_unet(void **state) {
    (void)state;
    modes_agree(make_unet, 1, 1, 3);
}

static void test_unet_on_every_backend(void **state) {
    (void)state;
    test_result want = {0};
    for (size_t b = 0; b < test_backend_count; b++) {
        ayf_context *ctx = test_open(NULL);
        test_result got = {0};
        test_run(ctx, &test_backends[b], make_unet(ctx, 0, 0), 3, &(test_run_options){.runs = 2}, &got);
        ayf_close(ctx);
        if (b == 0) {
            want = got;
            for (int i = 0; i < 3; i++)
                assert_true(test_largest(want.value + want.start[i], want.start[i + 1] - want.start[i]) >
                            1e-3);
            continue;
        }
        test_compare(test_backends[b].name, &want, &got, test_backends[b].tolerance);
        test_result_free(&got);
    }
    test_result_free(&want);
}

/* Convolutions with weights that are made once, the first of them for two convolutions. */
enum { LAYERS = 4, WIDTH = 128 };

static ayf_graph *make_frozen(ayf_context *ctx, uint64_t seed, int kind) {
    (void)seed, (void)kind;
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(1, 16, 16, WIDTH)), shared = 0;
    for (int i = 0; i < LAYERS; i++) {
        char name[8];
        snprintf(name, sizeof name, "w%d", i);
        ayf_id w = ayf_leaf(g, AYF_STORE_PARAM, name, AYF_SHAPE(WIDTH, 3, 3, WIDTH));
        w = ayf_mulc(g, ayf_tanh(g, w), 0.1);
        if (i == 0) shared = w;
        x = ayf_silu(g, ayf_conv(g, x, w, 1, 1));
    }
    ayf_output(g, "y", ayf_conv(g, x, shared, 1, 1));
    ayf_output(g, "w", ayf_leaf(g, AYF_STORE_PARAM, "w1", AYF_SHAPE(WIDTH, 3, 3, WIDTH)));
    return g;
}

/* What kernels keep in a form of their own does not stay besides. */
static void test_kept_once(void **state) {
    (void)state;
    static const size_t element_size[AYF_ELEMENTS] = {[AYF_F32] = 4, [AYF_BF16] = 2};
    const size_t weight = (size_t)WIDTH * 9 * WIDTH * sizeof(float);
    modes_agree(make_frozen, 1, 1, 3);
    ayf_context *ctx = test_open(NULL);
    ayf_graph *g = make_frozen(ctx, 0, 0);
    ayf_schedule *s = ayf_schedule_fused(g);
    bool *passing = calloc(g->count, sizeof *passing);
    assert_true(s && passing);
    for (uint32_t i = 0; i < s->count; i++)
        for (uint32_t k = 0; s->step[i].frozen && k < s->step[i].out_count; k++)
            passing[s->step[i].out[k]] = true;
    ayf_plan *all = ayf_plan_make(g, s, element_size, NULL, AYF_PLAN_REUSE),
             *once = ayf_plan_make(g, s, element_size, passing, AYF_PLAN_REUSE);
    assert_true(all && once);
    assert_in_range(all->bytes, LAYERS * weight, (LAYERS + 1) * weight);
    assert_in_range(once->bytes, weight, 2 * weight);
    free(passing);
    ayf_plan_free(all);
    ayf_plan_free(once);
    ayf_schedule_free(s);
    ayf_graph_free(g);
    ayf_close(ctx);
}

/* ---- The plan itself ---- */

static void check_plan(const ayf_graph *g, const ayf_schedule *s, ayf_plan_mode mode) {
    static const size_t element_size[AYF_ELEMENTS] = {[AYF_F32] = 4, [AYF_BF16] = 2};
    ayf_plan *plan = ayf_plan_make(g, s, element_size, NULL, mode);
    assert_non_null(plan);
    struct span {
        size_t at, end;
        uint32_t first, last;
    } *span = calloc(g->count, sizeof *span);
    size_t count = 0;
    assert_non_null(span);
    for (uint32_t i = 0; i < s->count; i++)
        for (uint32_t k = 0; k < s->step[i].out_count; k++) {
            ayf_id id = s->step[i].out[k];
            if (plan->in_leaf[id]) {
                assert_int_equal(plan->offset[id], AYF_NOWHERE);
                continue;
            }
            uint32_t last = i;
            for (uint32_t j = i; j < s->count; j++)
                for (uint32_t n = 0; n < s->step[j].in_count; n++)
                    if (s->step[j].in[n] == id) last = j;
            bool lasting = s->step[i].frozen; /* outputs and updates are read after the run */
            for (uint32_t n = 0; n < g->output_count; n++)
                lasting = lasting || ayf_stored_as(g, g->output[n].id) == id;
            for (uint32_t n = 0; n < g->leaf_count; n++)
                lasting = lasting || (g->leaf[n].update && ayf_stored_as(g, g->leaf[n].update) == id);
            assert_true(plan->offset[id] != AYF_NOWHERE && plan->offset[id] % AYF_PLAN_ALIGN == 0);
            size_t size = ayf_elements(g, id) * element_size[ayf_out_element(&s->step[i], k)];
            span[count++] = (struct span){plan->offset[id], plan->offset[id] + size,
                                          s->step[i].frozen ? 0 : i, lasting ? UINT32_MAX : last};
            assert_true(span[count - 1].end <= plan->bytes);
        }
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++) {
            bool memory = span[i].at < span[j].end && span[j].at < span[i].end;
            bool time = span[i].first <= span[j].last && span[j].first <= span[i].last;
            if (memory && (time || mode == AYF_PLAN_NONE))
                fail_msg("two tensors alive at step %u share memory", span[i].first);
        }
    free(span);
    ayf_plan_free(plan);
}

static void test_nothing_alive_overlaps(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++)
        for (int kind = 0; kind <= RANDOM_KINDS; kind++) {
            if (kind == RANDOM_KINDS && seed > 1) continue;
            ayf_context *ctx = test_open(NULL);
            ayf_graph *g = kind == RANDOM_KINDS ? make_unet(ctx, 0, 0) : make_random(ctx, seed, kind);
            ayf_schedule *schedules[3] = {ayf_schedule_nodes(g), ayf_schedule_fused(g),
                                          ayf_schedule_fused(g)};
            for (int i = 0; i < 3; i++) {
                assert_non_null(schedules[i]);
                if (i == 2) test_ok(ctx, ayf_precision_lower(g, schedules[i], schedules[i], false));
                for (int mode = 0; mode < 3; mode++) check_plan(g, schedules[i], (ayf_plan_mode)mode);
                ayf_schedule_free(schedules[i]);
            }
            ayf_graph_free(g);
            ayf_close(ctx);
        }
}

/* A schedule computes every tensor before it is read and none twice, and all that outputs need. */
static void test_schedules_are_in_order(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++)
        for (int kind = 0; kind < RANDOM_KINDS; kind++) {
            ayf_context *ctx = test_open(NULL);
            ayf_graph *g = make_random(ctx, seed, kind);
            ayf_schedule *s = ayf_schedule_fused(g);
            assert_non_null(s);
            bool *made = calloc(g->count, sizeof *made), warm = false;
            assert_non_null(made);
            for (uint32_t i = 0; i < g->leaf_count; i++) made[g->leaf[i].id] = true;
            for (uint32_t i = 0; i < s->count; i++) {
                const ayf_step *step = &s->step[i];
                assert_true((step->node != 0) != (step->group != NULL));
                assert_false(step->frozen && warm); /* what runs once comes first */
                warm = warm || !step->frozen;
                assert_true(step->out_count > 0);
                for (uint32_t k = 0; k < step->in_count; k++) assert_true(made[step->in[k]]);
                for (uint32_t k = 0; k < step->out_count; k++) {
                    assert_false(made[step->out[k]]);
                    made[step->out[k]] = true;
                }
            }
            for (uint32_t i = 0; i < g->output_count; i++)
                assert_true(made[ayf_stored_as(g, g->output[i].id)]);
            free(made);
            ayf_schedule_free(s);
            ayf_graph_free(g);
            ayf_close(ctx);
        }
}

/* ---- Facts ---- */

/* y = silu(x w1) w2, all 16 wide: x 8x16. */
static ayf_graph *two_layers(ayf_context *ctx, ayf_storage storage) {
    ayf_graph *g = ayf_graph_new(ctx);
    if (!g) return NULL;
    ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(8, 16));
    ayf_id w1 = ayf_leaf(g, storage, "w1", AYF_SHAPE(16, 16)),
           w2 = ayf_leaf(g, storage, "w2", AYF_SHAPE(16, 16));
    ayf_output(g, "y", ayf_gemm(g, ayf_silu(g, ayf_gemm(g, x, w1, false, false)), w2, false, false));
    return g;
}

static void test_facts(void **state) {
    (void)state;
    for (size_t b = 0; b < test_backend_count; b++) {
        size_t arena[3];
        for (int mode = 0; mode < 3; mode++) {
            ayf_context *ctx = test_open(NULL);
            ayf_backend *backend;
            ayf_program *p;
            test_ok(ctx, test_backends[b].open(ctx, &backend));
            ayf_graph *g = two_layers(ctx, AYF_STORE_STATE);
            uint32_t nodes = g->count;
            test_ok(ctx, ayf_compile(backend, g, &(ayf_compile_options){.plan = (ayf_plan_mode)mode}, &p));
            ayf_program_facts facts = ayf_program_describe(p);
            size_t element = backend->ops->element_size[AYF_F32];
            assert_int_equal(facts.leaf_bytes, (8 * 16 + 2 * 16 * 16) * element);
            assert_true(facts.flops == 2 * 2.0 * 8 * 16 * 16);
            assert_int_equal(facts.nodes, nodes);
            assert_int_equal(facts.steps, backend->ops->fuses ? 3 : 4);
            arena[mode] = facts.arena_bytes;
            size_t tensors = backend->ops->fuses ? 3 : 4;
            if (mode == AYF_PLAN_NONE) assert_int_equal(facts.arena_bytes, tensors * 8 * 16 * element);
            ayf_program_free(p);
            ayf_backend_close(backend);
            ayf_close(ctx);
        }
        assert_int_equal(arena[AYF_PLAN_REUSE], arena[AYF_PLAN_POISON]);
        assert_true(arena[AYF_PLAN_REUSE] < arena[AYF_PLAN_NONE]);
    }
}

/* Steps that run once are not counted among those of a run. */
static void test_frozen_facts(void **state) {
    (void)state;
    ayf_context *ctx = test_open(NULL);
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_id w = ayf_leaf(g, AYF_STORE_PARAM, "w", AYF_SHAPE(4, 4)),
           x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(4, 4));
    ayf_output(g, "y", ayf_gemm(g, x, ayf_gemm(g, w, w, false, true), false, false));
    ayf_backend *backend;
    ayf_program *p;
    test_ok(ctx, test_backends[0].open(ctx, &backend));
    test_ok(ctx, ayf_compile(backend, g, NULL, &p));
    assert_int_equal(ayf_program_describe(p).steps, 1);
    assert_true(ayf_program_describe(p).flops == 2.0 * 64);
    ayf_program_free(p);
    ayf_backend_close(backend);
    ayf_close(ctx);
}

static void test_running_does_not_allocate(void **state) {
    (void)state;
    for (size_t b = 0; b < test_backend_count; b++) {
        test_memory memory = {0};
        ayf_context *ctx = test_open(&memory);
        ayf_backend *backend;
        ayf_program *p;
        test_ok(ctx, test_backends[b].open(ctx, &backend));
        ayf_graph *g = make_unet(ctx, 0, 0);
        test_ok(ctx, ayf_compile(backend, g, NULL, &p));
        test_program_fill(p, g, 1, false);
        test_ok(ctx, ayf_program_run(p));
        long calls = memory.calls;
        for (int i = 0; i < 3; i++) {
            test_program_fill(p, g, 2, true);
            test_ok(ctx, ayf_program_run(p));
        }
        assert_int_equal(memory.calls, calls);
        ayf_program_free(p);
        ayf_backend_close(backend);
        ayf_close(ctx);
        assert_int_equal(memory.live, 0);
    }
}

/* ---- Programs beside each other ---- */

static void run_two_layers(ayf_context *ctx, ayf_program *p, float scale, float *y) {
    float x[8 * 16];
    for (int i = 0; i < 8 * 16; i++) x[i] = scale * (float)(i % 7 - 3) / 4;
    test_ok(ctx, ayf_program_set(p, "x", x, 8 * 16));
    test_ok(ctx, ayf_program_run(p));
    test_ok(ctx, ayf_program_get(p, "y", y, 8 * 16));
}

static void test_interleaved_contexts(void **state) {
    (void)state;
    for (size_t b = 0; b < test_backend_count; b++) {
        enum { PROGRAMS = 3 };
        ayf_context *ctx[PROGRAMS];
        ayf_backend *backend[PROGRAMS];
        ayf_program *p[PROGRAMS];
        float weights[16 * 16], alone[PROGRAMS][2][8 * 16], y[8 * 16];
        for (int round = 0; round < 2; round++) {
            for (int i = 0; i < PROGRAMS; i++) {
                ctx[i] = test_open(NULL);
                test_ok(ctx[i], test_backends[b].open(ctx[i], &backend[i]));
                test_ok(ctx[i],
                        ayf_compile(backend[i], two_layers(ctx[i], i ? AYF_STORE_STATE : AYF_STORE_PARAM),
                                    NULL, &p[i]));
                for (int k = 0; k < 16 * 16; k++) weights[k] = (float)((k * (i + 3)) % 11 - 5) / 8;
                test_ok(ctx[i], ayf_program_set(p[i], "w1", weights, 16 * 16));
                test_ok(ctx[i], ayf_program_set(p[i], "w2", weights, 16 * 16));
                if (round == 0) /* one after the other */
                    for (int k = 0; k < 2; k++) run_two_layers(ctx[i], p[i], (float)(k + 1), alone[i][k]);
            }
            if (round == 1) { /* in turn, with an error in one of them */
                for (int k = 0; k < 2; k++)
                    for (int i = PROGRAMS; i-- > 0;) {
                        assert_int_equal(ayf_program_set(p[1], "nonsense", weights, 1), AYF_E_INTERNAL);
                        assert_int_equal(ayf_last_status(ctx[0]), AYF_OK);
                        run_two_layers(ctx[i], p[i], (float)(k + 1), y);
                        assert_memory_equal(y, alone[i][k], sizeof y);
                    }
            }
            for (int i = 0; i < PROGRAMS; i++) {
                ayf_program_free(p[i]);
                ayf_backend_close(backend[i]);
                ayf_close(ctx[i]);
            }
        }
    }
}

/* One program trains a weight that another reads through a shared buffer. */
static void test_shared_buffer(void **state) {
    (void)state;
    for (size_t b = 0; b < test_backend_count; b++) {
        ayf_context *ctx = test_open(NULL);
        ayf_backend *backend;
        ayf_program *trainer, *reader;
        ayf_buffer *w;
        test_ok(ctx, test_backends[b].open(ctx, &backend));
        test_ok(ctx, ayf_buffer_new(backend, 3, &w));
        ayf_graph *g = ayf_graph_new(ctx);
        ayf_id s = ayf_leaf(g, AYF_STORE_STATE, "w", AYF_SHAPE(3));
        ayf_update(g, s, ayf_addc(g, ayf_mulc(g, s, 0.5), 1));
        test_ok(ctx, ayf_compile(backend, g, NULL, &trainer));
        g = ayf_graph_new(ctx);
        ayf_output(g, "y", ayf_mulc(g, ayf_leaf(g, AYF_STORE_PARAM, "w", AYF_SHAPE(3)), 2));
        test_ok(ctx, ayf_compile(backend, g, NULL, &reader));
        test_ok(ctx, ayf_program_bind(trainer, "w", w));
        test_ok(ctx, ayf_program_bind(reader, "w", w));
        test_ok(ctx, ayf_buffer_set(w, (float[]){0, 2, 4}));
        const float want[2][3] = {{2, 4, 6}, {3, 4, 5}};
        for (int run = 0; run < 2; run++) {
            float y[3];
            test_ok(ctx, ayf_program_run(trainer));
            ayf_program_refresh(reader);
            test_ok(ctx, ayf_program_run(reader));
            test_ok(ctx, ayf_program_get(reader, "y", y, 3));
            for (int i = 0; i < 3; i++) assert_true(fabsf(y[i] - want[run][i]) < 1e-6f);
        }
        ayf_program_free(trainer);
        ayf_program_free(reader);
        ayf_buffer_free(w);
        ayf_backend_close(backend);
        ayf_close(ctx);
    }
}

static void test_program_errors(void **state) {
    (void)state;
    ayf_context *ctx = test_open(NULL);
    ayf_backend *backend;
    ayf_program *p = NULL;
    ayf_buffer *buffer;
    float values[8 * 16] = {0};
    test_ok(ctx, test_backends[0].open(ctx, &backend));
    test_ok(ctx, ayf_compile(backend, two_layers(ctx, AYF_STORE_STATE), NULL, &p));
    assert_true(ayf_program_has_leaf(p, "x") && !ayf_program_has_leaf(p, "y"));
    assert_true(ayf_program_has_output(p, "y") && !ayf_program_has_output(p, "x"));
    assert_int_equal(ayf_program_set(p, "nonsense", values, 1), AYF_E_INTERNAL);
    assert_non_null(strstr(ayf_error(ctx), "nonsense"));
    assert_int_equal(ayf_program_set(p, "x", values, 5), AYF_E_INTERNAL);
    assert_non_null(strstr(ayf_error(ctx), "128"));
    assert_int_equal(ayf_program_get(p, "y", values, 8 * 16), AYF_E_INTERNAL);
    assert_non_null(strstr(ayf_error(ctx), "before a run"));
    assert_int_equal(ayf_program_get(p, "x", values, 8 * 16), AYF_E_INTERNAL);
    test_ok(ctx, ayf_buffer_new(backend, 5, &buffer));
    assert_int_equal(ayf_program_bind(p, "w1", buffer), AYF_E_INTERNAL);
    assert_non_null(strstr(ayf_error(ctx), "w1"));
    test_ok(ctx, ayf_program_set(p, "x", values, 8 * 16));
    test_ok(ctx, ayf_program_run(p));
    assert_int_equal(ayf_program_get(p, "y", values, 3), AYF_E_INTERNAL);
    test_ok(ctx, ayf_program_get(p, "y", values, 8 * 16));
    ayf_buffer_free(buffer);
    ayf_program_free(p);
    ayf_graph *g = ayf_graph_new(ctx); /* a graph that failed: its own message comes out */
    ayf_output(g, "y", ayf_reshape(g, ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(6)), AYF_SHAPE(7)));
    assert_int_equal(ayf_compile(backend, g, NULL, &p), AYF_E_INTERNAL);
    assert_null(p);
    assert_non_null(strstr(ayf_error(ctx), "RESHAPE"));
    ayf_program_free(NULL);
    ayf_buffer_free(NULL);
    ayf_backend_close(backend);
    ayf_close(ctx);
}

static void expect_unset(ayf_context *ctx, ayf_program *p, const char *name) {
    char message[64];
    snprintf(message, sizeof message, "input '%s' was never set", name);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(i ? ayf_program_run(p) : ayf_program_ready(p), AYF_E_INTERNAL);
        if (!strstr(ayf_error(ctx), message)) fail_msg("%s", ayf_error(ctx));
    }
}

/* An input that nobody fills is an error, not zeros; weights and state begin as zeros. */
static void test_unset_inputs(void **state) {
    (void)state;
    const float one[2] = {1, 2};
    float y[2], kept[2];
    for (size_t b = 0; b < test_backend_count; b++) {
        ayf_context *ctx = test_open(NULL);
        ayf_backend *backend;
        ayf_program *p;
        ayf_buffer *bound;
        ayf_graph *g = ayf_graph_new(ctx);
        ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(2)),
               z = ayf_leaf(g, AYF_STORE_INPUT, "z", AYF_SHAPE(2)),
               w = ayf_leaf(g, AYF_STORE_PARAM, "w", AYF_SHAPE(2)),
               s = ayf_leaf(g, AYF_STORE_STATE, "s", AYF_SHAPE(2));
        ayf_leaf(g, AYF_STORE_INPUT, "unused", AYF_SHAPE(2));
        ayf_output(g, "y", ayf_add(g, ayf_add(g, x, z), ayf_add(g, w, s)));
        ayf_update(g, s, ayf_add(g, s, x));
        test_ok(ctx, test_backends[b].open(ctx, &backend));
        test_ok(ctx, ayf_compile(backend, g, NULL, &p));
        test_ok(ctx, ayf_buffer_new(backend, 2, &bound));
        expect_unset(ctx, p, "x");
        faulty_begin(backend);
        faulty.fail_upload = 1;
        assert_int_equal(ayf_program_set(p, "x", one, 2), AYF_E_INTERNAL);
        faulty_end(backend);
        expect_unset(ctx, p, "x");
        test_ok(ctx, ayf_program_set(p, "x", one, 2));
        expect_unset(ctx, p, "z");
        test_ok(ctx, ayf_program_bind(p, "z", bound));
        expect_unset(ctx, p, "unused");
        test_ok(ctx, ayf_program_set(p, "unused", one, 2));
        test_ok(ctx, ayf_program_ready(p));
        for (int run = 1; run <= 3; run++) { /* set once is enough, and binding anew forgets nothing */
            test_ok(ctx, ayf_program_run(p));
            test_ok(ctx, ayf_program_get(p, "y", y, 2));
            for (int i = 0; i < 2; i++) assert_true(y[i] == (float)run * one[i]);
            test_ok(ctx, ayf_program_bind(p, "z", bound));
        }
        test_ok(ctx, ayf_buffer_get(bound, kept));
        assert_true(kept[0] == 0 && kept[1] == 0);
        ayf_program_free(p);
        ayf_buffer_free(bound);
        ayf_backend_close(backend);
        ayf_close(ctx);
    }
}

/* ---- Kernels that fail ---- */

/* `a` is read by the matrix product that replaces it, so its update is copied and not made in place. */
static ayf_graph *recurrence(ayf_context *ctx) {
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(4, 4)),
           a = ayf_leaf(g, AYF_STORE_STATE, "a", AYF_SHAPE(4, 4)),
           w = ayf_leaf(g, AYF_STORE_PARAM, "w", AYF_SHAPE(4, 4));
    ayf_id h = ayf_sin(g, ayf_gemm(g, a, ayf_gemm(g, w, w, false, true), false, false)); /* w w' runs once */
    ayf_update(g, a, ayf_gemm(g, a, x, false, false));
    ayf_output(g, "y", ayf_gemm(g, h, x, false, false));
    return g;
}

static void run_recurrence(ayf_context *ctx, ayf_program *p, ayf_buffer *a, float after[2][16]) {
    test_ok(ctx, ayf_program_run(p));
    test_ok(ctx, ayf_program_get(p, "y", after[0], 16));
    test_ok(ctx, ayf_buffer_get(a, after[1]));
}

static void test_failing_kernel(void **state) {
    (void)state;
    float start[16], want[2][16], got[2][16];
    for (int i = 0; i < 16; i++) start[i] = (float)(i % 5 - 2) / 4;
    for (size_t b = 0; b < test_backend_count; b++)
        for (int trace = 0; trace < 2; trace++) {
            ayf_context *ctx = test_open(NULL);
            ayf_backend *backend;
            ayf_program *p;
            ayf_buffer *a;
            ctx->trace = trace;
            test_ok(ctx, test_backends[b].open(ctx, &backend));
            test_ok(ctx, ayf_buffer_new(backend, 16, &a));
            test_ok(ctx, ayf_compile(backend, recurrence(ctx), NULL, &p));
            test_ok(ctx, ayf_program_bind(p, "a", a));
            test_ok(ctx, ayf_program_set(p, "x", start, 16));
            test_ok(ctx, ayf_program_set(p, "w", start, 16));
            faulty_begin(backend);
            test_ok(ctx, ayf_buffer_set(a, start));
            run_recurrence(ctx, p, a, want);
            long launches = faulty.launches;
            assert_true(launches >= 5);
            for (long n = 1; n <= launches; n++) {
                ayf_program_refresh(p); /* the step that runs once may be the one that fails */
                test_ok(ctx, ayf_buffer_set(a, start));
                faulty.fail_launch = faulty.launches + n;
                assert_int_equal(ayf_program_run(p), AYF_E_INTERNAL);
                assert_non_null(strstr(ayf_error(ctx), "failed"));
                test_ok(ctx, ayf_buffer_get(a, got[1]));
                assert_memory_equal(got[1], start, sizeof start);
                run_recurrence(ctx, p, a, got);
                assert_memory_equal(got, want, sizeof want);
            }
            faulty_end(backend);
            ayf_program_free(p);
            ayf_buffer_free(a);
            ayf_backend_close(backend);
            ayf_close(ctx);
        }
}

/* Each way in which memory of the backend is used returns its failure, and the run after it has none. */
static void test_failing_memory(void **state) {
    (void)state;
    const float one[16] = {1, 2, 3};
    float got[16];
    for (size_t b = 0; b < test_backend_count; b++) {
        ayf_context *ctx = test_open(NULL);
        ayf_backend *backend;
        ayf_program *p;
        ayf_buffer *a;
        test_ok(ctx, test_backends[b].open(ctx, &backend));
        test_ok(ctx, ayf_buffer_new(backend, 16, &a));
        test_ok(ctx,
                ayf_compile(backend, recurrence(ctx), &(ayf_compile_options){.plan = AYF_PLAN_POISON}, &p));
        test_ok(ctx, ayf_program_bind(p, "a", a));
        faulty_begin(backend);
        faulty.fail_upload = 1;
        assert_int_equal(ayf_program_set(p, "x", one, 16), AYF_E_INTERNAL);
        test_ok(ctx, ayf_program_set(p, "x", one, 16));
        test_ok(ctx, ayf_program_set(p, "w", one, 16));
        faulty.fail_upload = faulty.uploads + 1;
        assert_int_equal(ayf_buffer_set(a, one), AYF_E_INTERNAL);
        test_ok(ctx, ayf_buffer_set(a, one));
        faulty.fail_poison = faulty.fail_copy = 1;
        assert_int_equal(ayf_program_run(p), AYF_E_INTERNAL);
        assert_non_null(strstr(ayf_error(ctx), "poison 1"));
        assert_int_equal(ayf_program_run(p), AYF_E_INTERNAL);
        assert_non_null(strstr(ayf_error(ctx), "copy 1"));
        test_ok(ctx, ayf_program_run(p));
        faulty.fail_fetch = 1;
        assert_int_equal(ayf_program_get(p, "y", got, 16), AYF_E_INTERNAL);
        test_ok(ctx, ayf_program_get(p, "y", got, 16));
        faulty.fail_fetch = faulty.fetches + 1;
        assert_int_equal(ayf_buffer_get(a, got), AYF_E_INTERNAL);
        faulty.fail_copy = faulty.copies + 1;
        assert_int_equal(ayf_buffer_copy(a, a), AYF_E_INTERNAL);
        faulty_end(backend);
        ayf_program_free(p);
        ayf_buffer_free(a);
        ayf_backend_close(backend);
        ayf_close(ctx);
    }
}

/* ---- The n-th allocation fails ---- */

/* Ops of every class, with a jvp, a vjp and updates. */
static ayf_graph *everything(ayf_context *ctx) {
    ayf_graph *g = ayf_graph_new(ctx);
    if (!g) return NULL;
    const ayf_filter box = {2, {0.5f, 0.5f}};
    ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(1, 4, 4, 3)),
           k = ayf_leaf(g, AYF_STORE_STATE, "k", AYF_SHAPE(4, 3, 3, 3));
    ayf_id w = ayf_leaf(g, AYF_STORE_PARAM, "w", AYF_SHAPE(4, 5));
    ayf_id h = ayf_silu(g, ayf_conv(g, ayf_concat(g, x, ayf_permute(g, x, (int[]){0, 2, 1, 3}), 1), k, 1, 1));
    h = ayf_upfirdn(g, h, 1, 2, 0, 4, 2, &box);
    h = ayf_gemm(g, ayf_reshape(g, h, AYF_SHAPE(8, 4)),
                 ayf_div(g, w, ayf_sqrt(g, ayf_sum(g, ayf_square(g, w), 1))), false, false);
    ayf_id y = ayf_softmax(g, ayf_pad(g, h, 1, 1, 0)), loss = ayf_mean_all(g, ayf_square(g, y)), dy,
           one = ayf_const(g, 1), grad;
    ayf_jvp(g, 1, &x, &(ayf_id){ayf_stop(g, x)}, 1, &y, &dy);
    ayf_vjp(g, 1, &loss, &one, 1, &k, &grad);
    ayf_update(g, k, ayf_sub(g, k, ayf_mulc(g, grad, 0.1)));
    for (int i = 0; i < 150; i++) h = ayf_sin(g, ayf_addc(g, h, i)); /* so many that tables grow */
    ayf_output(g, "y", y);
    ayf_output(g, "dy", dy);
    ayf_output(g, "h", h);
    return g;
}

static ayf_status everything_runs(ayf_context *ctx, const test_backend *how) {
    ayf_backend *backend = NULL;
    ayf_program *p = NULL;
    ayf_buffer *buffer = NULL;
    float values[108] = {0.5f, -1, 2};
    ayf_status status = how->open(ctx, &backend);
    if (status == AYF_OK) status = ayf_compile(backend, everything(ctx), NULL, &p);
    if (status == AYF_OK) status = ayf_buffer_new(backend, 108, &buffer);
    if (status == AYF_OK) {
        status = ayf_buffer_set(buffer, values);
        if (status == AYF_OK) status = ayf_program_bind(p, "k", buffer);
    }
    if (status == AYF_OK) status = ayf_program_set(p, "x", values, 48);
    if (status == AYF_OK) status = ayf_program_set(p, "w", values, 20);
    if (status == AYF_OK) status = ayf_program_run(p);
    if (status == AYF_OK) status = ayf_program_get(p, "dy", values, 48);
    ayf_program_free(p);
    ayf_buffer_free(buffer);
    if (backend) ayf_backend_close(backend);
    return status;
}

static void test_every_allocation_may_fail(void **state) {
    (void)state;
    for (size_t b = 0; b < test_backend_count; b++) {
        bool done = false;
        for (long k = 1; !done; k += test_backends[b].every > 1 ? 1 + k / 8 : 1) {
            test_memory memory = {.fail_at = k};
            ayf_context *ctx = test_open(&memory);
            if (!ctx) {
                assert_int_equal(k, 1);
                continue;
            }
            ayf_status status = everything_runs(ctx, &test_backends[b]);
            done = memory.calls < k;
            if (status != (done ? AYF_OK : AYF_E_MEMORY))
                fail_msg("%s: allocation %ld of %ld fails: '%s' (%s)", test_backends[b].name, k, memory.calls,
                         ayf_status_text(status), ayf_error(ctx));
            if (!done && (ayf_last_status(ctx) != AYF_E_MEMORY || !strstr(ayf_error(ctx), "memory")))
                fail_msg("%s: allocation %ld fails with the message '%s'", test_backends[b].name, k,
                         ayf_error(ctx));
            ayf_close(ctx);
            if (memory.live != 0)
                fail_msg("%s: allocation %ld fails: %ld blocks leak", test_backends[b].name, k, memory.live);
            assert_true(k < 20000);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {

        cmocka_unit_test(test_kept_once),
        cmocka_unit_test(test_modes_on_random_graphs),
        cmocka_unit_test(test_modes_on_unet),
        cmocka_unit_test(test_unet_on_every_backend),
        cmocka_unit_test(test_nothing_alive_overlaps),
        cmocka_unit_test(test_schedules_are_in_order),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_frozen_facts),
        cmocka_unit_test(test_running_does_not_allocate),
        cmocka_unit_test(test_interleaved_contexts),
        cmocka_unit_test(test_shared_buffer),
        cmocka_unit_test(test_program_errors),
        cmocka_unit_test(test_unset_inputs),
        cmocka_unit_test(test_failing_kernel),
        cmocka_unit_test(test_failing_memory),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
