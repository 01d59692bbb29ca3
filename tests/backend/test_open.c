/* Each context has one backend: chosen by name, opened at its first use, closed with the context. */
#include "model_fixture.h"

#include "backend/open.h"
#include "test_context.h"

static ayf_context *open_device(const char *device, int threads) {
    ayf_context *fresh = ayf_open(&(ayf_options){.device = device, .threads = threads});
    assert_non_null(fresh);
    return fresh;
}

static ayf_backend *backend_of(ayf_context *context) {
    ayf_backend *backend;
    if (ayf_backend_open(context, &backend) != AYF_OK) fail_msg("%s", ayf_error(context));
    return backend;
}

static void test_devices(void **state) {
    (void)state;
    static const struct {
        const char *device, *name;
    } cases[] = {{NULL, "cpu"}, {"cpu", "cpu"}, {"ref", "ref"}};
    for (size_t i = 0; i < AYF_COUNT(cases); i++) {
        char device[16] = "";
        if (cases[i].device) snprintf(device, sizeof device, "%s", cases[i].device);
        ayf_context *fresh = open_device(cases[i].device ? device : NULL, 1);
        memset(device, '?', sizeof device - 1); /* the context has its own copy */
        ayf_backend *backend = backend_of(fresh);
        assert_string_equal(backend->ops->name, cases[i].name);
        assert_ptr_equal(backend->ctx, fresh);
        assert_ptr_equal(backend_of(fresh), backend);
        ayf_close(fresh);
    }
}

/* A context can be had with any device; the first function that computes refuses it, and so does the next. */
static void test_unknown_device(void **state) {
    (void)state;
    ayf_context *fresh = open_device("cpu:0", 1);
    for (int i = 0; i < 2; i++) {
        ayf_model *model;
        assert_int_equal(ayf_model_open(fresh, path_of("s"), &model), AYF_E_USAGE);
        assert_null(model);
        assert_non_null(strstr(ayf_error(fresh), "'cpu:0'"));
        assert_non_null(strstr(ayf_error(fresh), "cpu, cuda, cuda:N, ref"));
    }
    ayf_close(fresh);
    ayf_context *empty = open_device("", 1);
    ayf_backend *backend;
    assert_int_equal(ayf_backend_open(empty, &backend), AYF_E_USAGE);
    assert_null(backend);
    ayf_close(empty);
}

static void test_threads(void **state) {
    (void)state;
    static const int bad[] = {-1, 4097};
    ayf_context *one = open_device("cpu", 1), *two = open_device("cpu", 2);
    ayf_backend_facts facts;
    ayf_backend *of_one = backend_of(one), *of_two = backend_of(two);
    assert_ptr_not_equal(of_one, of_two);
    ok(of_two->ops->facts(of_two, &facts));
    assert_int_equal(facts.threads, 2);
    ayf_close(two); /* the other context goes on */
    ok(of_one->ops->facts(of_one, &facts));
    assert_int_equal(facts.threads, 1);
    assert_true(facts.conv_peak_gflops > 0);
    ayf_close(one);
    for (size_t i = 0; i < AYF_COUNT(bad); i++) {
        ayf_context *fresh = open_device(NULL, bad[i]);
        ayf_backend *backend;
        assert_int_equal(ayf_backend_open(fresh, &backend), AYF_E_USAGE);
        assert_non_null(strstr(ayf_error(fresh), "threads: give 1 to 4096"));
        ayf_close(fresh);
    }
    ayf_context *plain = open_device("ref", 1);
    ok(backend_of(plain)->ops->facts(backend_of(plain), &facts));
    assert_true(facts.threads == 1 && isnan(facts.conv_peak_gflops));
    ayf_close(plain);
}

static void test_sharing(void **state) {
    (void)state;
    ayf_context *fresh = open_device(NULL, 1);
    ayf_model *first, *second;
    assert_int_equal(ayf_model_open(fresh, path_of("s"), &first), AYF_OK);
    assert_int_equal(ayf_model_open(fresh, path_of("s"), &second), AYF_OK);
    assert_ptr_equal(first->backend, second->backend);
    ayf_model_close(first);
    float image[16 * 16 * 3];
    assert_int_equal(ayf_model_sample(second, NULL, 1, image, NULL), AYF_OK);
    ayf_model_close(second);
    ayf_close(fresh);
}

static void draw(const char *device, float *images, int count) {
    ayf_context *fresh = open_device(device, 1);
    ayf_model *model;
    assert_int_equal(ayf_model_open(fresh, path_of("s"), &model), AYF_OK);
    assert_string_equal(model->backend->ops->name, device);
    assert_int_equal(ayf_model_sample(model, &(ayf_sample_options){.steps = 2}, count, images, NULL), AYF_OK);
    ayf_model_close(model);
    ayf_close(fresh);
}

static void test_same_image(void **state) {
    (void)state;
    enum { COUNT = 2, VALUES = COUNT * 16 * 16 * 3 };
    float of_cpu[VALUES], of_ref[VALUES];
    double apart = 0, size = 0;
    draw("cpu", of_cpu, COUNT);
    draw("ref", of_ref, COUNT);
    for (int i = 0; i < VALUES; i++) {
        apart = fmax(apart, fabs(of_cpu[i] - of_ref[i]));
        size = fmax(size, fabs(of_ref[i]));
    }
    if (apart > 1e-4 || size < 0.1) fail_msg("pixels differ by %g, the largest is %g", apart, size);
    assert_true(apart > 0); /* double precision rounds differently */
}

/* Every allocation of opening a context and its backend fails once; the failure is not remembered. */
static void test_out_of_memory(void **state) {
    (void)state;
    static const char *const devices[] = {"cpu", "ref"};
    for (size_t i = 0; i < AYF_COUNT(devices); i++)
        for (long at = 1;; at++) {
            test_memory memory = {.fail_at = at, .once = true};
            ayf_backend *backend;
            ayf_context *poor =
                ayf_open(&(ayf_options){.alloc = test_alloc, .alloc_user = &memory, .device = devices[i]});
            if (!poor) {
                assert_int_equal(memory.held, 0);
                continue;
            }
            ayf_status status = ayf_backend_open(poor, &backend);
            bool failed = memory.calls >= at;
            assert_int_equal(status, failed && memory.calls == at ? AYF_E_MEMORY : AYF_OK);
            assert_int_equal(ayf_backend_open(poor, &backend), AYF_OK);
            ayf_close(poor);
            assert_int_equal(memory.held, 0);
            if (!failed) break;
        }
}

/* ---- Setting up ---- */

static int begin_with_model(void **state) {
    if (begin(state) != 0) return -1;
    ayf_model_close(make_model("s", SPEC(UNET, "is_student", "true"), AYF_MODEL_ROLE_STUDENT, 1, 1));
    return 0;
}

static int end(void **state) {
    (void)state;
    return end_of((const char *const[]){"s"}, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_devices),    cmocka_unit_test(test_unknown_device),
        cmocka_unit_test(test_threads),    cmocka_unit_test(test_sharing),
        cmocka_unit_test(test_same_image), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, begin_with_model, end);
}
