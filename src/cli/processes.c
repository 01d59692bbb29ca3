/* Several processes, started together by an MPI launcher (mpirun). */
#include "cli.h"

#include <stdlib.h>

bool cli_silent;

static int number_of(const char *variable) {
    const char *text = getenv(variable);
    return text ? atoi(text) : 0;
}

int cli_find_processes(void) {
    /* Open MPI; MPICH and Intel MPI. */
    static const char *const names[][2] = {{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
                                           {"PMI_SIZE", "PMI_RANK"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int count = number_of(names[i][0]);
        if (count < 2) continue;
        cli_silent = number_of(names[i][1]) > 0;
        return count;
    }
    return 1;
}

int cli_check_processes(cli *c, cli_verb verb, const char *name) {
    if (c->processes == 1 || verb == CLI_VERB_help || (CLI_RUNS >> verb & 1u)) return 0;
    return cli_error(c, AYF_E_USAGE,
                     "ayf %s is one process, and the launcher has started %d; start it without mpirun", name,
                     c->processes);
}
