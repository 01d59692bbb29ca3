/* A page that shows runs (include/ayf/report.h): what is gathered of a run, and the parts that gather it. The
 * page itself is drawn by page.css and page.js, which receive everything as one piece of JSON. */
#ifndef AYF_REPORT_H
#define AYF_REPORT_H

#include "base/base.h"
#include "io/text.h"

/* A figure of the log over steps; an array of the log is one series per element. Values may be NaN. */
typedef struct ayf_series {
    char *name;  /* "loss"; of an array "tangent_rms_by_t" */
    int element; /* of the array; -1: a number by itself */
    double *steps, *values;
    size_t count, capacity;
} ayf_series;

/* What log.jsonl says. */
typedef struct ayf_run_history {
    ayf_series *series; /* in the order in which the log brings them up */
    size_t count, capacity;
    size_t lines, damaged; /* of the log; those that are no JSON object with a step */
} ayf_run_history;

/* A log that is not there gives an empty history. */
ayf_status ayf_history_read(ayf_context *ctx, const char *folder, ayf_run_history *history);
void ayf_history_clear(ayf_context *ctx, ayf_run_history *history);
/* NULL: there is none. */
const ayf_series *ayf_history_find(const ayf_run_history *history, const char *name);
/* [{"name":"loss","element":-1,"steps":[...],"values":[...]}, ...]; long series are thinned to means. */
void ayf_history_json(ayf_text *json, const ayf_run_history *history);

/* What is suspicious, in words: ["...", ...]. `facts` are those of the run folder. */
void ayf_advice_json(ayf_text *json, const ayf_path_facts *facts, const ayf_run_history *history);

/* The pictures in the run's samples folder, at most twelve, evenly spread and with the last one:
 * [{"label":"step 100","png":"<base64>"}, ...]. */
ayf_status ayf_samples_json(ayf_context *ctx, const char *run, ayf_text *json);

/* Rows of images that the model draws from eight seeds, one for each number of steps and gamma; none of points:
 * [{"label":"1 call","png":"<base64>"}, ...]. */
ayf_status ayf_drawn_json(ayf_context *ctx, const char *model, uint64_t first_seed, ayf_text *json);

/* The files eval*.json of the folder, at most 64 of at most 1 MiB; what cannot be read is null:
 * [{"name":"eval.json","value":{...}}, ...]. */
ayf_status ayf_evaluations_json(ayf_context *ctx, const char *folder, ayf_text *json);

#endif
