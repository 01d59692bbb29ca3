#include "data/source.h"

#include <stdio.h>
#include <string.h>

/* ---- Problems ---- */

bool ayf_problems_add(ayf_problems *p) {
    enum { LONGEST = 200, MAX_LOGGED = 1000 };
    if (p->ctx->status == AYF_E_MEMORY) return false;
    char line[LONGEST];
    ayf_plain_text(p->ctx->message, line, sizeof line); /* cuts it between characters */
    size_t length = strlen(line);
    if (p->count++ == 0) p->status = p->ctx->status;
    bool fits = p->shown + 1 == p->count && p->used + length + 3 <= sizeof p->text;
    if ((!fits || p->all) && p->count <= MAX_LOGGED && !p->quiet) ayf_say(p->ctx, "%s", line);
    if (fits) {
        p->used +=
            (size_t)snprintf(p->text + p->used, sizeof p->text - p->used, "%s%s", p->used ? "; " : "", line);
        p->shown++;
    }
    return true;
}

ayf_status ayf_problems_report(ayf_problems *p, const char *name, size_t total, const char *what) {
    if (p->count == 0) return AYF_OK;
    char more[64] = "";
    if (p->shown < p->count)
        snprintf(more, sizeof more, "; and %zu more%s", p->count - p->shown,
                 p->quiet ? "" : ", listed above");
    return ayf_fail(p->ctx, p->status,
                    "%s: %zu of %zu %s cannot be used (repair, convert or remove them): %s%s", name, p->count,
                    total, what, p->text, more);
}

/* ---- Sources ---- */

const char *ayf_plain_name(const char *name) {
    for (;;) {
        if (name[0] == '/' || name[0] == '\\')
            name++;
        else if (name[0] == '.' && (name[1] == '/' || name[1] == '\\'))
            name += 2;
        else
            return name;
    }
}

ayf_status ayf_note(ayf_context *ctx, char **note, const char *format, ...) {
    enum { LONGEST = 512 };
    char part[LONGEST], printable[LONGEST];
    va_list args;
    va_start(args, format);
    vsnprintf(part, sizeof part, format, args);
    va_end(args);
    ayf_plain_text(part, printable, sizeof printable);
    char *longer = ayf_format(ctx, "%s%s%s", *note ? *note : "", *note ? "; " : "", printable);
    if (!longer) return AYF_E_MEMORY;
    ayf_free(ctx, *note);
    *note = longer;
    return AYF_OK;
}

void ayf_source_close(ayf_source *source) {
    if (!source) return;
    if (source->close) source->close(source);
    ayf_free(source->ctx, source->labels);
    ayf_free(source->ctx, source->note);
    ayf_classes_clear(source->ctx, &source->classes);
    ayf_free(source->ctx, source);
}
