/* ayf_doctor() passes what is right and finds what is wrong. The test is linked with ayf_jvp, ayf_vjp and
 * ayf_flow_velocity wrapped, so that they can be made wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "ad/ad.h"
#include "ayf.h"
#include "flow/map.h"
#include "ir/build.h"

static double jvp_factor, vjp_factor, velocity_factor;
static int velocity_from, velocity_calls; /* the first call whose result gets velocity_factor */

void __real_ayf_jvp(ayf_graph *g, size_t wrt_count, const ayf_id *wrt, const ayf_id *tangents,
                    size_t out_count, const ayf_id *outs, ayf_id *out_tangents);
void __wrap_ayf_jvp(ayf_graph *g, size_t wrt_count, const ayf_id *wrt, const ayf_id *tangents,
                    size_t out_count, const ayf_id *outs, ayf_id *out_tangents);
void __wrap_ayf_jvp(ayf_graph *g, size_t wrt_count, const ayf_id *wrt, const ayf_id *tangents,
                    size_t out_count, const ayf_id *outs, ayf_id *out_tangents) {
    __real_ayf_jvp(g, wrt_count, wrt, tangents, out_count, outs, out_tangents);
    for (size_t i = 0; i < out_count; i++) out_tangents[i] = ayf_mulc(g, out_tangents[i], jvp_factor);
}

void __real_ayf_vjp(ayf_graph *g, size_t out_count, const ayf_id *outs, const ayf_id *cotangents,
                    size_t wrt_count, const ayf_id *wrt, ayf_id *grads);
void __wrap_ayf_vjp(ayf_graph *g, size_t out_count, const ayf_id *outs, const ayf_id *cotangents,
                    size_t wrt_count, const ayf_id *wrt, ayf_id *grads);
void __wrap_ayf_vjp(ayf_graph *g, size_t out_count, const ayf_id *outs, const ayf_id *cotangents,
                    size_t wrt_count, const ayf_id *wrt, ayf_id *grads) {
    __real_ayf_vjp(g, out_count, outs, cotangents, wrt_count, wrt, grads);
    for (size_t i = 0; i < wrt_count; i++) grads[i] = ayf_mulc(g, grads[i], vjp_factor);
}

ayf_id __real_ayf_flow_velocity(ayf_graph *g, const ayf_params *network, ayf_storage storage, ayf_id x,
                                ayf_condition condition);
ayf_id __wrap_ayf_flow_velocity(ayf_graph *g, const ayf_params *network, ayf_storage storage, ayf_id x,
                                ayf_condition condition);
ayf_id __wrap_ayf_flow_velocity(ayf_graph *g, const ayf_params *network, ayf_storage storage, ayf_id x,
                                ayf_condition condition) {
    ayf_id F = __real_ayf_flow_velocity(g, network, storage, x, condition);
    return ++velocity_calls >= velocity_from ? ayf_mulc(g, F, velocity_factor) : F;
}

typedef struct findings {
    int lines, failed;
    bool jvp, bytes, ref; /* a line with a failure that tells of this */
} findings;

static void collect(void *user, const char *line) {
    findings *f = user;
    f->lines++;
    if (!strstr(line, "FAILED")) return;
    f->failed++;
    f->jvp |= strncmp(line, "unet.", 5) == 0;
    f->bytes |= strstr(line, "the same bytes") != NULL;
    f->ref |= strstr(line, "against ref") != NULL;
}

static findings examine(ayf_status wanted) {
    findings f = {0};
    ayf_context *ctx = ayf_open(&(ayf_options){.threads = 1});
    velocity_calls = 0;
    ayf_status status = ayf_doctor(ctx, NULL, collect, &f);
    if (status != wanted) fail_msg("status %d: %s", (int)status, ayf_error(ctx));
    ayf_close(ctx);
    return f;
}

static void begin(void) {
    jvp_factor = vjp_factor = velocity_factor = 1;
    velocity_from = 1 << 30;
}

static void test_healthy(void **state) {
    (void)state;
    begin();
    findings f = examine(AYF_OK);
    assert_true(f.lines > 60);
    assert_int_equal(f.failed, 0);
}

static void test_sign_of_jvp(void **state) {
    (void)state;
    begin();
    jvp_factor = -1;
    findings f = examine(AYF_E_CHECK);
    assert_true(f.jvp && !f.bytes && !f.ref);
}

static void test_size_of_vjp(void **state) {
    (void)state;
    begin();
    vjp_factor = 1.1;
    findings f = examine(AYF_E_CHECK);
    assert_true(f.failed > 30 && !f.bytes && !f.ref);
}

/* The networks of the reference are the fourth and the fifth. */
static void test_other_backend(void **state) {
    (void)state;
    begin();
    velocity_from = 4;
    velocity_factor = 1.001;
    findings f = examine(AYF_E_CHECK);
    assert_true(f.ref);
}

static void test_other_bytes(void **state) {
    (void)state;
    begin();
    velocity_from =
        7; /* behind the network in bfloat16, if this machine has it; else the second of the three */
    velocity_factor = 1 + 0x1p-20;
    findings f = examine(AYF_E_CHECK);
    assert_true(f.bytes && !f.ref && !f.jvp);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_healthy), cmocka_unit_test(test_sign_of_jvp),
                                       cmocka_unit_test(test_size_of_vjp),
                                       cmocka_unit_test(test_other_backend),
                                       cmocka_unit_test(test_other_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
