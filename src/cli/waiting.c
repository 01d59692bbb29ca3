/* How many OpenMP threads the program has, and how they wait for each other. libgomp reads that from the
 * environment once, when it is loaded, so the program completes the environment and starts itself anew. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* Rounds that a thread spins before it sleeps, some 25 ns each. The kernels of a small network follow each
 * other faster than that; a time slice of the scheduler is thirty times as long. */
#define SPINS "5000"

enum { PLACE_CHARS = 8 /* of one processor: "{1023}," */, THREADS_MOST = 4096 };

/* A thread that has slept is woken beside the thread that wakes it, and the two then take turns on one
 * processor. Processor i of those allowed is therefore open to thread i % threads only: "{0,2},{1,3}". False:
 * there are fewer processors than threads. */
static bool write_places(const cpu_set_t *allowed, int threads, char *text) {
    int cpu[CPU_SETSIZE], count = 0;
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET((size_t)i, allowed)) cpu[count++] = i;
    for (int t = 0; t < threads; t++)
        for (int i = t; i < count; i += threads) {
            bool first = i == t, last = i + threads >= count;
            text += sprintf(text, "%s%d%s", !first ? "," : t ? ",{" : "{", cpu[i], last ? "}" : "");
        }
    return threads <= count;
}

/* Valgrind does not follow a program that starts itself anew unless it is asked to. */
static bool under_valgrind(void) {
    const char *preload = getenv("LD_PRELOAD");
    return preload && strstr(preload, "vgpreload");
}

int cli_get_threads(const cli_args *args, int *out) {
    const char *text = getenv("AYF_THREADS");
    *out = 0;
    if (args->value[CLI_OPT_threads]) return cli_get_int(args, CLI_OPT_threads, 1, THREADS_MOST, out);
    if (!text || !*text) return 0;
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (errno || *end || n < 1 || n > THREADS_MOST)
        return cli_error(NULL, AYF_E_USAGE, "AYF_THREADS=%s: must be a number of threads from 1 to %d", text,
                         THREADS_MOST);
    *out = (int)n;
    return 0;
}

void cli_choose_waiting(char **argv, int threads, bool alone) {
    static const char *const users[] = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_PROC_BIND", "OMP_PLACES",
                                        "GOMP_CPU_AFFINITY"};
    for (size_t i = 0; i < sizeof users / sizeof *users; i++)
        if (getenv(users[i])) return; /* the user has chosen, or this is the second start */
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) CPU_ZERO(&allowed);
    if (!threads) threads = CPU_COUNT(&allowed);
    if (threads == 1 || under_valgrind() || setenv("GOMP_SPINCOUNT", SPINS, 0) != 0) return;
    char places[PLACE_CHARS * CPU_SETSIZE], path[4096];
    if (alone && threads > 1 && threads <= CPU_SETSIZE && write_places(&allowed, threads, places) &&
        setenv("OMP_PLACES", places, 0) == 0)
        setenv("OMP_PROC_BIND", "true", 0);
    /* Not through the link, after which the process would be called "exe". */
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0) return;
    path[length] = 0;
    execv(path, argv); /* a failure leaves the usual way of waiting */
}
