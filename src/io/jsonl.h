/* log.jsonl: one JSON object per line, appended and never rewritten while a run goes on.
 *
 *   ayf_jsonl *log;
 *   AYF_TRY(ayf_jsonl_open(ctx, "runs/a/log.jsonl", resumed_step, &log));
 *   ayf_jsonl_int(log, "step", step);
 *   ayf_jsonl_real(log, "lr", lr);
 *   AYF_TRY(ayf_jsonl_end(log));      // {"step":12,"lr":0.003}
 *   ayf_jsonl_close(log);
 */
#ifndef AYF_IO_JSONL_H
#define AYF_IO_JSONL_H

#include "base/base.h"

typedef struct ayf_jsonl ayf_jsonl;

/* Opens `path` for appending, making it when absent. Lines of an earlier run whose "step" is above
 * `last_step` are removed first, and so are an unfinished last line and lines that are not JSON objects, which are
 * said; last_step < 0 removes all. A pipe and a
 * symbolic link are refused. */
ayf_status ayf_jsonl_open(ayf_context *ctx, const char *path, int64_t last_step, ayf_jsonl **log);

/* Fields of the current line, in order. Reals have the digits needed to read back the same double; NaN and
 * infinities are null. Failures stick until ayf_jsonl_end(). */
void ayf_jsonl_int(ayf_jsonl *log, const char *key, int64_t value);
void ayf_jsonl_text(ayf_jsonl *log, const char *key, const char *value);
void ayf_jsonl_real(ayf_jsonl *log, const char *key, double value);
void ayf_jsonl_reals(ayf_jsonl *log, const char *key, const double *values, size_t count);

/* Ends the line and hands it to the system in one write. On failure (a full disk) nothing of the line stays
 * in the file, and the next line starts afresh. */
ayf_status ayf_jsonl_end(ayf_jsonl *log);

void ayf_jsonl_close(ayf_jsonl *log); /* NULL is fine; an unended line is dropped */

#endif
