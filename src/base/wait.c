#include "base/wait.h"

void ayf_wait_begin(ayf_wait *wait, ayf_context *ctx, const char *name, const char *what, size_t total) {
    *wait = (ayf_wait){.ctx = ctx, .name = name, .what = what, .total = total, .said = ayf_seconds()};
}

void ayf_wait_add(ayf_wait *wait, size_t count) {
    const double quiet = 10;
    wait->done += count;
    double now = ayf_seconds();
    if (now - wait->said < quiet || wait->done >= wait->total) return;
    wait->said = now;
    ayf_say(wait->ctx, "%s: %s %zu of %zu samples", wait->name, wait->what, wait->done, wait->total);
}
