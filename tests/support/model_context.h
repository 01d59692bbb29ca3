/* What the tests of models and samplers share: one context, both backends and a folder for files, and the
 * assertions that speak of them. One program includes it once: begin() and end_of() are for its cmocka group.
 */
#ifndef AYF_MODEL_CONTEXT_H
#define AYF_MODEL_CONTEXT_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/cpu/cpu.h"
#include "backend/ref/ref.h"
#include "exec/program.h"
#include "nn/spec.h"

static ayf_context *ctx;
static ayf_backend *ref, *cpu;
static char folder[] = "/tmp/ayf-test-XXXXXX";

static inline void ok(ayf_status status) {
    if (status != AYF_OK) fail_msg("%s", ayf_error(ctx));
}

static inline void expect_message(const char *part) {
    if (!strstr(ayf_error(ctx), part)) fail_msg("message \"%s\" does not hold \"%s\"", ayf_error(ctx), part);
}

static inline void expect_near(double got, double want, double tolerance) {
    if (!(fabs(got - want) <= tolerance)) fail_msg("%.17g is not %.17g to %g", got, want, tolerance);
}

/* SPEC("kind", "mlp", ...): the default network with these keys set. */
static inline ayf_model_spec spec_of(const char *const *settings) {
    ayf_model_spec spec = ayf_model_spec_default();
    for (; *settings; settings += 2) ok(ayf_model_spec_set(ctx, &spec, settings[0], settings[1]));
    return spec;
}
#define SPEC(...) spec_of((const char *const[]){__VA_ARGS__, NULL})

/* A file in the folder; the text is valid for three more calls. */
static inline char *path_of(const char *name) {
    static char path[4][128];
    static int next;
    next = (next + 1) % 4;
    snprintf(path[next], sizeof path[next], "%s/%s", folder, name);
    return path[next];
}

static int begin(void **state) {
    (void)state;
    ctx = ayf_open(&(ayf_options){.threads = 1});
    return ctx && mkdtemp(folder) && ayf_ref_open(ctx, &ref) == AYF_OK && ayf_cpu_open(ctx, &cpu) == AYF_OK
               ? 0
               : -1;
}

/* Removes the files named and closes everything. */
static int end_of(const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) unlink(path_of(names[i]));
    rmdir(folder);
    ayf_backend_close(ref);
    ayf_backend_close(cpu);
    ayf_close(ctx);
    return 0;
}

#endif
