/* texts FAKE FOLDER BATCH highest|bf16 CONFIG: leaves the text of the kernels of a teacher's step, of a student's and of
 * drawing pictures in FOLDER, for the network of CONFIG. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ayf.h"
#include "exec/backend.h"

int main(int argc, char **argv) {
    if (argc != 6 || setenv("AYF_FAKE_TEXTS", argv[2], 1) != 0) return 2;
    ayf_context *ctx = ayf_open(&(ayf_options){.device = "cuda", .cuda_path = argv[1]});
    ayf_plan_row row = {.batch = atoi(argv[3]),
                        .precision =
                            strcmp(argv[4], "bf16") == 0 ? AYF_PRECISION_BF16 : AYF_PRECISION_HIGHEST};
    ayf_plan_facts facts;
    ayf_status status = ayf_plan_steps(ctx, &(ayf_bench_options){.config_path = argv[5]}, &row, 1, &facts);
    /* What is planned is not compiled, so it is asked for. */
    ayf_backend *backend = ctx->backend;
    if (status == AYF_OK) status = backend->ops->ready(backend);
    if (status != AYF_OK) fprintf(stderr, "%s\n", ayf_error(ctx));
    ayf_close(ctx);
    return status != AYF_OK;
}
