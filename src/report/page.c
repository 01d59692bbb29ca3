#include <stdio.h>
#include <string.h>

#include "io/file.h"
#include "report/page_parts.h"
#include "report/report.h"

/* The lines "section:" and "  key: value" of a configuration as {"section.key":"value"}. */
static ayf_status put_config(ayf_context *ctx, const char *config, ayf_text *json) {
    char *copy = ayf_strdup(ctx, config), *rest = copy, *line, section[64] = "";
    bool first = true;
    if (!copy) return AYF_E_MEMORY;
    ayf_text_print(json, "{");
    while ((line = strsep(&rest, "\n"))) {
        char *colon = strchr(line, ':'), key[160];
        if (!colon) continue;
        *colon = 0;
        char *value = colon + 1 + strspn(colon + 1, " ");
        if (line[0] != ' ') {
            snprintf(section, sizeof section, "%s", line);
            continue;
        }
        snprintf(key, sizeof key, "%s.%s", section, line + strspn(line, " "));
        ayf_text_print(json, "%s", first ? "" : ",\n");
        ayf_text_json(json, key);
        ayf_text_print(json, ":");
        ayf_text_json(json, value);
        first = false;
    }
    ayf_text_print(json, "}");
    ayf_free(ctx, copy);
    return AYF_OK;
}

/* A model that cannot be opened or drawn is a fact about the run; the page says so. */
static ayf_status put_drawn(ayf_context *ctx, const ayf_path_facts *facts, const ayf_report_options *options,
                            ayf_text *json) {
    ayf_text drawn;
    ayf_status status = AYF_OK;
    ayf_text_init(&drawn, ctx);
    if (facts->model_path && !options->without_drawing)
        status = ayf_drawn_json(ctx, facts->model_path, options->first_seed, &drawn);
    if (status == AYF_OK) {
        ayf_text_print(json, ",\n\"drawn\":%s", drawn.data ? drawn.data : "[]");
    } else if (status != AYF_E_MEMORY && status != AYF_E_CANCELLED) {
        ayf_text_print(json, ",\n\"drawn\":[],\"not_drawn\":");
        ayf_text_json(json, ayf_error(ctx));
        status = AYF_OK;
    }
    ayf_text_free(&drawn);
    return status;
}

static ayf_status put_run(ayf_context *ctx, const char *folder, const ayf_report_options *options,
                          ayf_text *json) {
    ayf_path_facts facts;
    ayf_path_kind kind;
    ayf_run_history history = {0};
    AYF_TRY(ayf_path_look(ctx, folder, &kind));
    if (kind != AYF_PATH_RUN)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: no run folder: there is no config.yaml in it", folder);
    ayf_status status = ayf_path_describe(ctx, folder, &facts);
    if (status == AYF_OK) status = ayf_history_read(ctx, folder, &history);
    ayf_text_print(json, "{\"folder\":");
    ayf_text_json(json, folder);
    ayf_text_print(json, ",\"step\":%llu,\"state\":\"%s\",\"advice\":", (unsigned long long)facts.step,
                   facts.running    ? "running"
                   : facts.diverged ? "diverged"
                   : facts.finished ? "finished"
                                    : "unfinished");
    if (status == AYF_OK) ayf_advice_json(json, &facts, &history);
    ayf_text_print(json, ",\n\"config\":");
    if (status == AYF_OK) status = put_config(ctx, facts.config, json);
    ayf_text_print(json, ",\n\"series\":");
    if (status == AYF_OK) ayf_history_json(json, &history);
    ayf_text_print(json, ",\n\"samples\":");
    if (status == AYF_OK) status = ayf_samples_json(ctx, folder, json);
    ayf_text_print(json, ",\n\"evaluations\":");
    if (status == AYF_OK) status = ayf_evaluations_json(ctx, folder, json);
    if (status == AYF_OK) status = put_drawn(ctx, &facts, options, json);
    ayf_text_print(json, "}");
    ayf_history_clear(ctx, &history);
    ayf_path_facts_free(ctx, &facts);
    return status;
}

/* JSON inside a script element: "</script>" and "<!--" in a string would end or change the element. */
static void put_embedded(ayf_text *page, const char *json, size_t size) {
    const char *end = json + size, *at;
    for (; (at = memchr(json, '<', (size_t)(end - json))); json = at + 1) {
        ayf_text_put(page, json, (size_t)(at - json));
        ayf_text_print(page, "\\u003c");
    }
    ayf_text_put(page, json, (size_t)(end - json));
}

static ayf_status write_page(ayf_context *ctx, const char *path, const ayf_text *json) {
    ayf_text page;
    ayf_text_init(&page, ctx);
    ayf_text_print(
        &page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width\">\n<title>ayf report</title>\n<style>\n");
    ayf_text_put(&page, page_css, strlen(page_css));
    ayf_text_print(&page,
                   "</style>\n</head>\n<body>\n<main></main>\n<noscript>This page draws its curves with "
                   "JavaScript, which is switched off here.</noscript>\n"
                   "<script type=\"application/json\" id=\"runs\">\n");
    put_embedded(&page, json->data, json->size);
    ayf_text_print(&page, "\n</script>\n<script>\n");
    ayf_text_put(&page, page_js, strlen(page_js));
    ayf_text_print(&page, "</script>\n</body>\n</html>\n");
    ayf_status status = page.failed ? AYF_E_MEMORY : ayf_file_write(ctx, path, page.data, page.size);
    ayf_text_free(&page);
    return status;
}

ayf_status ayf_report_write(ayf_context *ctx, const char *path, const ayf_report_options *options) {
    ayf_text json;
    if (!path || !*path) return ayf_fail(ctx, AYF_E_USAGE, "no path is named for the report");
    if (!options || !options->runs || options->run_count < 1 || options->run_count > AYF_REPORT_RUNS_MOST)
        return ayf_fail(ctx, AYF_E_USAGE, "a report shows 1 to %d runs", AYF_REPORT_RUNS_MOST);
    AYF_TRY(ayf_file_probe(ctx, path));
    ayf_text_init(&json, ctx);
    ayf_text_print(&json, "{\"version\":\"%s\",\"runs\":[", ayf_version());
    ayf_status status = AYF_OK;
    for (int i = 0; i < options->run_count && status == AYF_OK; i++) {
        ayf_text_print(&json, "%s", i ? ",\n" : "");
        status = options->runs[i] ? put_run(ctx, options->runs[i], options, &json)
                                  : ayf_fail(ctx, AYF_E_USAGE, "run %d of the report is not named", i);
    }
    ayf_text_print(&json, "]}");
    if (status == AYF_OK) status = json.failed ? AYF_E_MEMORY : write_page(ctx, path, &json);
    ayf_text_free(&json);
    return status;
}
