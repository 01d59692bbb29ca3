/* What computes: --device, and what the environment says of NVIDIA's libraries. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* XDG_CACHE_HOME/ayf, or ~/.cache/ayf; AYF_CACHE is another folder, and "" none. NULL: none. Freed by the caller. */
static char *find_cache(void) {
    const char *own = getenv("AYF_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    bool has_xdg = xdg && *xdg == '/';
    const char *base = own ? own : has_xdg ? xdg : home, *rest = own ? "" : has_xdg ? "/ayf" : "/.cache/ayf";
    if (!base || !*base) return NULL;
    char *path = malloc(strlen(base) + strlen(rest) + 1);
    if (path) sprintf(path, "%s%s", base, rest);
    return path;
}

void cli_get_device(const cli_args *args, ayf_options *options, char **cache) {
    const char *cuda_path = getenv("AYF_CUDA_PATH");
    options->device = args->value[CLI_OPT_device];
    options->cuda_path = cuda_path && *cuda_path ? cuda_path : NULL;
    options->cache = *cache = find_cache();
    /* Where NCCL may register the memory of a recorded step it sums in another order, so a run that goes on, whose first step
     * is not recorded, would differ from one that was not interrupted. */
    if (options->mpi) setenv("NCCL_GRAPH_REGISTER", "0", 0);
}
