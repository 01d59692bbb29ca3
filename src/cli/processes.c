/* Several processes, started together by an MPI launcher (mpirun). */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* The words of the process that started this one; *count is 0 when they cannot be read. free() both. */
static char *words_of_parent(char ***words, int *count) {
    enum { MOST = 1 << 20 };
    char path[64], *text = malloc(MOST);
    *words = NULL;
    *count = 0;
    snprintf(path, sizeof path, "/proc/%ld/cmdline", (long)getppid());
    FILE *file = text ? fopen(path, "re") : NULL;
    if (!file) return text;
    size_t size = fread(text, 1, MOST - 1, file);
    fclose(file);
    text[size] = 0;
    *words = calloc(size + 1, sizeof **words);
    for (char *word = text; *words && word < text + size; word += strlen(word) + 1)
        (*words)[(*count)++] = word;
    return text;
}

static bool is_launcher(const char *word) {
    static const char *const names[] = {"mpirun",        "mpiexec",        "orterun",
                                        "prterun",       "mpirun.openmpi", "mpiexec.openmpi",
                                        "mpiexec.hydra", "mpirun.mpich",   "mpiexec.mpich"};
    const char *slash = strrchr(word, '/'), *name = slash ? slash + 1 : word;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

char *cli_launch_line(const cli *c, const char *own) {
    char **words, *line;
    int count;
    if (c->processes == 1) return strdup(own);
    char *text = words_of_parent(&words, &count);
    if (count && is_launcher(words[0])) {
        line = cli_quote(count, words);
    } else {
        size_t size = strlen(own) + 64;
        line = malloc(size);
        if (line) snprintf(line, size, "mpirun -n %d %s", c->processes, own);
    }
    free(words);
    free(text);
    return line;
}
