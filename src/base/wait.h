/* Lines for people who wait for something long other than training: one every ten seconds to the context's
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

#endif
