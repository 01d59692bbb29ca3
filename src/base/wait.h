/* What takes long: the context's progress function, which may cancel it, and lines in the log.
 *
 *     ayf_task_begin(ctx, "drawing", count);
 *     ... AYF_TRY(ayf_task_add(ctx, n));    // after every n of `count`
 *     ... AYF_TRY(ayf_task_go_on(ctx));     // before what takes some time and is not counted
 *
 * Both ask ayf_options.progress and give AYF_E_CANCELLED when it says no. ayf_program_run() asks by itself. The
 * innermost work counts, and the outermost begins the task: who draws on behalf of another one's task does not
 * begin its own.
 *
 * Lines for people who wait for something long other than training: one every ten seconds to the context's
 * log, none for what is done sooner.
 *
 *     ayf_wait wait;
 *     ayf_wait_begin(&wait, ctx, "photos.zip", "features of", count);
 *     ... ayf_wait_add(&wait, n);     // after every n of `count`
 *
 * says "photos.zip: features of 640 of 50000 samples".
 */
#ifndef AYF_WAIT_H
#define AYF_WAIT_H

#include "base/base.h"

typedef struct ayf_wait {
    ayf_context *ctx;
    const char *name, *what; /* not owned */
    size_t done, total;
    double said; /* ayf_seconds() of the last line, or of the beginning */
} ayf_wait;

void ayf_wait_begin(ayf_wait *wait, ayf_context *ctx, const char *name, const char *what, size_t total);
void ayf_wait_add(ayf_wait *wait, size_t count);

void ayf_task_begin(ayf_context *ctx, const char *what,
                    uint64_t total); /* `what` is static; total 0: unknown */
ayf_status ayf_task_add(ayf_context *ctx, uint64_t count) AYF_MUST_CHECK;
ayf_status ayf_task_go_on(ayf_context *ctx) AYF_MUST_CHECK;

#endif
