/* A page that shows runs. Part of ayf.h, which has the rules that hold for all of it. */
#ifndef AYF_API_REPORT_H
#define AYF_API_REPORT_H

#include "ayf/context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Report ---- */

enum { AYF_REPORT_RUNS_MOST = 32 };

typedef struct ayf_report_options { /* all zero = defaults; runs are required */
    const char *const *runs;        /* run folders, in the order of the page */
    int run_count;                  /* 1 ... AYF_REPORT_RUNS_MOST */
    bool without_drawing;           /* leave out the grids over steps and gamma, which open the models */
    uint64_t first_seed;            /* of these grids, whose images are made from eight seeds */
} ayf_report_options;

/* Writes one HTML page that needs nothing else, atomically: the curves of the runs, each over the others; their
 * sample grids over time; grids of their models over steps and gamma; distances (figures of the log, and the
 * files eval*.json in the run folders, which `ayf eval --json` prints); the configurations and their
 * differences; and what is suspicious, in words. It only reads the runs, which may be going on. A run without
 * a log or a model yet is shown as that. AYF_E_USAGE: no run is named, or too many. AYF_E_FORMAT: a path is no
 * run folder. */
AYF_API AYF_CHECKED ayf_status ayf_report_write(ayf_context *ctx, const char *path,
                                                const ayf_report_options *options);

#ifdef __cplusplus
}
#endif

#endif
