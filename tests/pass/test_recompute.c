/* Recomputation: the same bits from less memory. */
#include "support.h"

#include <stdio.h>

#include "random_graph.h"
#include "unet_graph.h"

typedef ayf_graph *maker(ayf_context *ctx, uint64_t seed, int kind);

static ayf_graph *make_random(ayf_context *ctx, uint64_t seed, int kind) {
    return random_graph(ctx, seed, (random_kind)kind);
}

static ayf_graph *make_unet(ayf_context *ctx, uint64_t seed, int kind) {
    (void)seed, (void)kind;
    return unet_graph(ctx, 8);
}

static const ayf_recompute_options recomputations[] = {
    {AYF_RECOMPUTE_CHEAP, 0, 1},  {AYF_RECOMPUTE_CHEAP, 4, 1},    {AYF_RECOMPUTE_BLOCKS, 0, 1},
    {AYF_RECOMPUTE_BLOCKS, 2, 1}, {AYF_RECOMPUTE_BLOCKS, 16, 64},
};

/* The same bits whatever is computed again, also where dead memory is overwritten, on all backends. */
static void recomputation_agrees(maker *make, uint64_t seeds, int kinds, ayf_precision precision) {
    for (size_t b = 0; b < test_backend_count; b++)
        for (uint64_t seed = 1; seed <= seeds; seed++)
            for (int kind = 0; kind < kinds; kind++) {
                if (kind == RANDOM_LARGE) continue; /* slow on ref */
                if (test_left_out(b, seeds > 1 ? seed : 0)) continue;
                test_result want = {0};
                for (size_t m = 0; m <= AYF_COUNT(recomputations); m++) {
                    ayf_context *ctx = test_open(NULL);
                    test_result got = {0};
                    test_run_options options = {.runs = 2, .precision = precision};
                    char what[96];
                    if (m > 0) options.recompute = recomputations[m - 1];
                    if (m > 0) options.plan = AYF_PLAN_POISON;
                    snprintf(what, sizeof what, "%s, graph %lu of kind %d, recomputation %zu",
                             test_backends[b].name, (unsigned long)seed, kind, m);
                    test_run(ctx, &test_backends[b], make(ctx, seed, kind), seed, &options, &got);
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

static void test_recomputation(void **state) {
    (void)state;
    for (int precision = 0; precision < AYF_PRECISION_AUTO; precision++) {
        recomputation_agrees(make_random, 4, RANDOM_KINDS, (ayf_precision)precision);
        recomputation_agrees(make_unet, 1, 1, (ayf_precision)precision);
    }
}

/* The arena shrinks, and products are repeated only where blocks are. */
static void test_recomputation_saves(void **state) {
    (void)state;
    const ayf_recompute what[] = {AYF_RECOMPUTE_NONE, AYF_RECOMPUTE_CHEAP, AYF_RECOMPUTE_BLOCKS};
    ayf_program_facts facts[AYF_COUNT(what)];
    for (size_t i = 0; i < AYF_COUNT(what); i++) {
        ayf_context *ctx = test_open(NULL);
        ayf_backend *backend;
        ayf_program *p;
        test_ok(ctx, test_backends[0].open(ctx, &backend));
        ayf_compile_options options = {.recompute = ayf_recompute_default(what[i])};
        options.recompute.window = 24; /* the network is small */
        test_ok(ctx, ayf_compile(backend, unet_graph(ctx, 32), &options, &p));
        facts[i] = ayf_program_describe(p);
        ayf_program_free(p);
        ayf_backend_close(backend);
        ayf_close(ctx);
    }
    assert_true(5 * facts[1].arena_bytes < 4 * facts[0].arena_bytes);
    assert_true(5 * facts[2].arena_bytes < 4 * facts[0].arena_bytes);
    assert_true(facts[0].steps < facts[1].steps && facts[1].steps < facts[2].steps);
    assert_true(facts[1].flops == facts[0].flops && facts[2].flops > facts[0].flops);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_recomputation),
                                       cmocka_unit_test(test_recomputation_saves)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
