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

void ayf_task_begin(ayf_context *ctx, const char *what, uint64_t total) {
    ctx->task = what;
    ctx->task_done = 0;
    ctx->task_total = total;
}

ayf_status ayf_task_go_on(ayf_context *ctx) {
    const char *what = ctx->task ? ctx->task : "computing";
    if (!ctx->progress || ctx->undisturbed ||
        ctx->progress(ctx->progress_user, what, ctx->task_done, ctx->task_total))
        return AYF_OK;
    if (ctx->task_total)
        return ayf_fail(ctx, AYF_E_CANCELLED, "%s was cancelled after %llu of %llu", what,
                        (unsigned long long)ctx->task_done, (unsigned long long)ctx->task_total);
    return ayf_fail(ctx, AYF_E_CANCELLED, "%s was cancelled", what);
}

ayf_status ayf_task_add(ayf_context *ctx, uint64_t count) {
    ctx->task_done += count;
    return ayf_task_go_on(ctx);
}
