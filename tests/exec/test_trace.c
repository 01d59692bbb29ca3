/* The lines of a traced program: one per launch, and totals that add up to them. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES = 400, RUNS = 2, N = 4, SIZE = 8, CHANNELS = 16, KERNEL = 3 };

typedef struct log_lines {
    char text[LINES][256];
    int count;
} log_lines;

static void take_line(void *user, const char *line) {
    log_lines *log = user;
    if (strncmp(line, "compiling ", strlen("compiling ")) == 0) return; /* of a GPU */
    assert_true(log->count < LINES);
    snprintf(log->text[log->count++], sizeof *log->text, "%s", line);
}

/* Convolutions, a product that runs once, copies and pointwise work. */
static ayf_graph *mixed(ayf_context *ctx) {
    ayf_graph *g = ayf_graph_new(ctx);
    ayf_id x = ayf_leaf(g, AYF_STORE_INPUT, "x", AYF_SHAPE(N, SIZE, SIZE, CHANNELS)),
           w = ayf_leaf(g, AYF_STORE_STATE, "w", AYF_SHAPE(CHANNELS, KERNEL, KERNEL, CHANNELS)),
           a = ayf_leaf(g, AYF_STORE_PARAM, "a", AYF_SHAPE(SIZE, SIZE));
    ayf_id y = ayf_conv(g, ayf_sin(g, ayf_conv(g, x, w, 1, 1)), w, 1, 1);
    ayf_output(g, "y", ayf_concat(g, y, ayf_sin(g, x), 3));
    ayf_output(g, "once", ayf_gemm(g, a, a, false, true));
    return g;
}

typedef struct sums {
    double seconds, flops;
    long launches;
} sums;

/* "cpu total   name | 90 launches | 0.400208 s | 47.6 % | 352.0 GFLOP/s": the flops are 0 without a rate. */
static sums read_total(const char *line, double *rounding) {
    const char *bar = strchr(line, '|');
    sums s = {0};
    double share, rate = 0;
    assert_non_null(bar);
    int fields = sscanf(bar, "| %ld launches | %lf s | %lf %% | %lf", &s.launches, &s.seconds, &share, &rate);
    assert_true(fields >= 3);
    s.flops = 1e9 * rate * s.seconds;
    *rounding = 0.05e9 * s.seconds + 1e9 * rate * 0.5e-6;
    return s;
}

static void check_totals(const log_lines *log, const char *name) {
    sums lines = {0}, kinds = {0}, implementations = {0}, all = {0};
    char start[32], inside[40], first[48];
    const double conv_flops = 2.0 * N * SIZE * SIZE * CHANNELS * KERNEL * KERNEL * CHANNELS;
    long convolutions = 0, products = 0;
    snprintf(start, sizeof start, "%s total ", name);
    snprintf(inside, sizeof inside, "%s total   ", name);
    snprintf(first, sizeof first, "%s total of ", name);
    for (int i = 0; i < log->count; i++) {
        const char *line = log->text[i], *last = strrchr(line, '|');
        double rounding;
        if (strncmp(line, first, strlen(first)) == 0) {
            assert_int_equal(
                sscanf(line + strlen(first), "%ld launches in %lf s", &all.launches, &all.seconds), 2);
        } else if (strncmp(line, start, strlen(start)) != 0) {
            assert_int_equal(all.launches, 0); /* the totals come last */
            lines.launches++;
            lines.seconds += 1e-6 * atof(last + 1);
        } else {
            sums s = read_total(line, &rounding), *to = &kinds;
            if (strncmp(line, inside, strlen(inside)) == 0) to = &implementations;
            to->seconds += s.seconds;
            to->launches += s.launches;
            if (to == &kinds && strstr(line, "total CONV_FPROP ")) {
                convolutions = s.launches;
                assert_true(fabs(s.flops - (double)s.launches * conv_flops) <= rounding);
            }
            if (to == &kinds && strstr(line, "total GEMM ")) products = s.launches;
        }
    }
    assert_int_equal(convolutions, 2 * RUNS);
    assert_int_equal(products, 1);
    assert_true(lines.launches > convolutions + products);
    assert_int_equal(all.launches, lines.launches);
    assert_int_equal(kinds.launches, lines.launches);
    assert_int_equal(implementations.launches, lines.launches);
    double rounding = 0.05e-6 * (double)lines.launches + 0.5e-6 * LINES;
    assert_true(lines.seconds > 0);
    assert_true(fabs(all.seconds - lines.seconds) <= rounding);
    assert_true(fabs(kinds.seconds - lines.seconds) <= rounding);
    assert_true(fabs(implementations.seconds - lines.seconds) <= rounding);
}

static void run_mixed(bool trace, size_t backend_index, log_lines *log) {
    ayf_context *ctx = ayf_open(&(ayf_options){.log = take_line, .log_user = log, .trace = trace});
    ayf_backend *backend;
    ayf_program *p;
    assert_non_null(ctx);
    float *x = calloc(N * SIZE * SIZE * CHANNELS, sizeof *x);
    assert_non_null(x);
    log->count = 0;
    test_ok(ctx, test_backends[backend_index].open(ctx, &backend));
    test_ok(ctx, ayf_compile(backend, mixed(ctx), NULL, &p));
    test_ok(ctx, ayf_program_set(p, "x", x, N * SIZE * SIZE * CHANNELS));
    for (int i = 0; i < RUNS; i++) test_ok(ctx, ayf_program_run(p));
    ayf_program_free(p);
    if (trace) check_totals(log, backend->ops->name);
    ayf_backend_close(backend);
    ayf_close(ctx);
    free(x);
}

static void test_totals(void **state) {
    (void)state;
    static log_lines log;
    for (size_t b = 0; b < test_backend_count; b++) {
        run_mixed(true, b, &log);
        run_mixed(false, b, &log);
        assert_int_equal(log.count, 0);
    }
}

/* A program that never ran has nothing to say. */
static void test_nothing(void **state) {
    (void)state;
    static log_lines log;
    ayf_context *ctx = ayf_open(&(ayf_options){.log = take_line, .log_user = &log, .trace = true});
    ayf_backend *backend;
    ayf_program *p;
    test_ok(ctx, test_backends[0].open(ctx, &backend));
    test_ok(ctx, ayf_compile(backend, mixed(ctx), NULL, &p));
    ayf_program_free(p);
    assert_int_equal(log.count, 0);
    ayf_backend_close(backend);
    ayf_close(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_totals), cmocka_unit_test(test_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
