/* ayf golden: comparison with reference numbers. */
#include "cli.h"

int cli_golden(cli *c, const cli_args *args) {
    return ayf_golden(c->ctx, args->positional[0], cli_print_line, NULL) == AYF_OK ? 0 : cli_fail(c);
}
