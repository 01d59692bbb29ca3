#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const cli_verb_row cli_verbs[CLI_VERB_COUNT] = {
#define CLI_ROW(id, positional, least, most, line, more) {#id, positional, least, most, line, more},
    CLI_VERBS(CLI_ROW)
#undef CLI_ROW
};

const cli_option_row cli_options[CLI_OPT_COUNT] = {
#define CLI_ROW(id, name, value, verbs, setting, help) {name, value, verbs, setting, help},
    CLI_OPTIONS(CLI_ROW)
#undef CLI_ROW
};

enum { USAGE = 2 };

__attribute__((format(printf, 1, 2))) static int usage_error(const char *format, ...) {
    va_list list;
    if (cli_silent) return USAGE;
    fputs("ayf: ", stderr);
    va_start(list, format);
    cli_vput(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    return USAGE;
}

static int no_memory(void) {
    usage_error("out of memory");
    return ayf_exit_code(AYF_E_MEMORY);
}

/* ---- Nearest name ---- */

enum { NAME_SIZE = 64 };

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* Edit distance; names longer than NAME_SIZE are far from everything. */
static size_t distance(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b), row[NAME_SIZE + 1];
    if (n > NAME_SIZE || m > NAME_SIZE) return NAME_SIZE;
    for (size_t j = 0; j <= m; j++) row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = smaller(change, smaller(row[j], row[j - 1]) + 1);
        }
    }
    return row[m];
}

static void consider(const char *word, const char *candidate, const char **best, size_t *best_distance) {
    size_t d = distance(word, candidate);
    if (strlen(word) >= 3 && strncmp(word, candidate, strlen(word)) == 0) d = 1;
    if (d >= *best_distance || d > 1 + strlen(candidate) / 3) return;
    *best = candidate;
    *best_distance = d;
}

const char *cli_nearest(const char *word, const char *const *candidates, int count) {
    const char *best = NULL;
    size_t best_distance = NAME_SIZE;
    for (int i = 0; i < count; i++) {
        if (strcasecmp(word, candidates[i]) == 0) return candidates[i];
        consider(word, candidates[i], &best, &best_distance);
    }
    return best;
}

int cli_find_verb(const char *name) {
    const char *best = NULL;
    size_t best_distance = NAME_SIZE;
    for (int i = 0; i < CLI_VERB_COUNT; i++) {
        if (strcmp(cli_verbs[i].name, name) == 0) return i;
        consider(name, cli_verbs[i].name, &best, &best_distance);
    }
    if (best)
        usage_error("there is no verb '%s'; did you mean '%s'?", name, best);
    else
        usage_error("there is no verb '%s'; ayf help lists them", name);
    return -1;
}

bool cli_verb_has(cli_verb verb, cli_option option) { return cli_options[option].verbs >> verb & 1u; }

static int find_option(cli_verb verb, const char *name) {
    const char *best = NULL;
    size_t best_distance = NAME_SIZE;
    for (int i = 0; i < CLI_OPT_COUNT; i++) {
        if (!cli_verb_has(verb, (cli_option)i)) continue;
        if (strcmp(cli_options[i].name, name) == 0) return i;
        consider(name, cli_options[i].name, &best, &best_distance);
    }
    if (best)
        usage_error("ayf %s has no option --%s; did you mean --%s?", cli_verbs[verb].name, name, best);
    else
        usage_error("ayf %s has no option --%s; ayf help %s lists them", cli_verbs[verb].name, name,
                    cli_verbs[verb].name);
    return -1;
}

/* ---- The command line ---- */

static int take_option(cli_args *args, cli_option option, const char *value) {
    const cli_option_row *row = &cli_options[option];
    if (option == CLI_OPT_set) {
        args->settings[args->setting_count++] = value;
        return 0;
    }
    if (args->value[option]) return usage_error("--%s is given twice", row->name);
    args->value[option] = value;
    if (!row->setting) return 0;
    if (!row->value) {
        args->settings[args->setting_count++] = row->setting;
        return 0;
    }
    size_t size = strlen(row->setting) + strlen(value) + 2;
    char *text = malloc(size);
    if (!text) return no_memory();
    snprintf(text, size, "%s=%s", row->setting, value);
    args->owned[args->owned_count++] = text;
    args->settings[args->setting_count++] = text;
    return 0;
}

/* The option at argv[*at]; moves on over its value. */
static int parse_option(int argc, char **argv, int *at, cli_args *args) {
    const char *word = argv[*at];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        args->want_help = true;
        return 0;
    }
    if (word[1] != '-') return usage_error("options begin with two dashes; what is %s?", word);
    const char *name = word + 2, *equals = strchr(name, '=');
    char buffer[64];
    snprintf(buffer, sizeof buffer, "%.*s", (int)(equals ? equals - name : (long)strlen(name)), name);
    int option = find_option(args->verb, buffer);
    if (option < 0) return USAGE;
    if (!cli_options[option].value)
        return equals ? usage_error("--%s takes no value", buffer)
                      : take_option(args, (cli_option)option, "");
    if (equals) return take_option(args, (cli_option)option, equals + 1);
    if (*at + 1 >= argc)
        return usage_error("--%s needs a value: --%s %s", buffer, buffer, cli_options[option].value);
    return take_option(args, (cli_option)option, argv[++*at]);
}

/* `ayf help --gamma` asks about an option that is another verb's. */
static bool is_explained(cli_verb verb, const char *word) {
    if (verb != CLI_VERB_help || strncmp(word, "--", 2) != 0 || strcmp(word, "--help") == 0) return false;
    size_t size = strcspn(word + 2, "=");
    for (int i = 0; i < CLI_OPT_COUNT; i++)
        if (cli_verb_has(verb, (cli_option)i) && strncmp(cli_options[i].name, word + 2, size) == 0 &&
            !cli_options[i].name[size])
            return false;
    return true;
}

static int parse_words(int argc, char **argv, cli_args *args) {
    const cli_verb_row *verb = &cli_verbs[args->verb];
    bool only_positional = false;
    for (int i = 2; i < argc; i++) {
        const char *word = argv[i];
        if (!only_positional && strcmp(word, "--") == 0) {
            only_positional = true;
        } else if (!only_positional && word[0] == '-' && word[1] && !is_explained(args->verb, word)) {
            int code = parse_option(argc, argv, &i, args);
            if (code) return code;
        } else if (args->positional_count == verb->most) {
            return usage_error("unexpected argument '%s'; usage: ayf %s %s [options]", word, verb->name,
                               verb->positional);
        } else {
            args->positional[args->positional_count++] = word;
        }
    }
    if (!args->want_help && args->positional_count < verb->least)
        return usage_error("usage: ayf %s %s [options]; ayf help %s explains", verb->name, verb->positional,
                           verb->name);
    return 0;
}

int cli_parse(int argc, char **argv, cli_args *args) {
    *args = (cli_args){.verb = CLI_VERB_help};
    if (argc < 2) return usage_error("what to do? ayf help lists the verbs");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) return 0;
    if (argv[1][0] == '-') return usage_error("usage: ayf VERB [options]; ayf help lists the verbs");
    int verb = cli_find_verb(argv[1]);
    if (verb < 0) return USAGE;
    args->verb = (cli_verb)verb;
    args->settings = calloc((size_t)argc, sizeof *args->settings);
    args->owned = calloc((size_t)argc, sizeof *args->owned);
    if (!args->settings || !args->owned) return no_memory();
    return parse_words(argc, argv, args);
}

void cli_args_free(cli_args *args) {
    for (int i = 0; i < args->owned_count; i++) free(args->owned[i]);
    free(args->owned);
    free(args->settings);
}

/* ---- Values ---- */

/* Digits only, so that "-1", " 1" and "1x" are refused. */
static bool read_u64(const char *text, const char **end, uint64_t *out) {
    if (*text < '0' || *text > '9') return false;
    char *stop;
    errno = 0;
    unsigned long long value = strtoull(text, &stop, 10);
    if (errno) return false;
    *out = value;
    *end = stop;
    return true;
}

int cli_get_u64(const cli_args *args, cli_option option, uint64_t *out) {
    const char *text = args->value[option], *end;
    if (!text) return 0;
    if (read_u64(text, &end, out) && !*end) return 0;
    if (*text && !text[strspn(text, "0123456789")])
        return usage_error("--%s %s: too large; at most %" PRIu64, cli_options[option].name, text,
                           UINT64_MAX);
    return usage_error("--%s %s: not a whole number", cli_options[option].name, text);
}

int cli_get_int(const cli_args *args, cli_option option, int least, int most, int *out) {
    const char *text = args->value[option], *end;
    uint64_t value;
    if (!text) return 0;
    if (!read_u64(text, &end, &value) || *end || value < (uint64_t)least || value > (uint64_t)most)
        return usage_error("--%s %s: not a whole number from %d to %d", cli_options[option].name, text, least,
                           most);
    *out = (int)value;
    return 0;
}

/* A decimal number; no hexadecimal, no NaN, no infinity. */
static bool read_real(const char *text, const char **end, double *out) {
    size_t length = strspn(text, "+-.0123456789eE");
    char *stop;
    errno = 0;
    double value = strtod(text, &stop);
    if (stop == text || stop > text + length || errno == ERANGE || !isfinite(value)) return false;
    *out = value;
    *end = stop;
    return true;
}

int cli_get_real(const cli_args *args, cli_option option, double least, double most, double *out) {
    const char *text = args->value[option], *end;
    double value;
    if (!text) return 0;
    if (!read_real(text, &end, &value) || *end || value < least || value > most)
        return usage_error("--%s %s: not a number from %g to %g", cli_options[option].name, text, least,
                           most);
    *out = value;
    return 0;
}

/* Days, hours, minutes, seconds, each at most once and in this order. */
static bool read_duration(const char *text, double *out) {
    static const struct {
        char unit;
        double seconds;
    } units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
    double total = 0, value;
    for (size_t next = 0; *text; next++, text++) {
        if (*text < '0' || *text > '9' || !read_real(text, &text, &value)) return false;
        while (next < sizeof units / sizeof *units && units[next].unit != *text) next++;
        if (next == sizeof units / sizeof *units) return false;
        total += value * units[next].seconds;
    }
    *out = total;
    return total > 0 && isfinite(total);
}

int cli_get_duration(const cli_args *args, cli_option option, double *out) {
    const char *text = args->value[option];
    if (!text || read_duration(text, out)) return 0;
    return usage_error("--%s %s: must be a time with its units, like 90s, 55m or 1h30m",
                       cli_options[option].name, text);
}

/* A range that falls is told as that. */
static int not_a_list(const char *option, const char *text) {
    uint64_t first, last;
    for (const char *at = text; read_u64(at, &at, &first); at++) {
        if (*at == '-' && read_u64(at + 1, &at, &last) && last < first)
            return usage_error("--%s %s: %" PRIu64 "-%" PRIu64 " falls; a range rises: %" PRIu64 "-%" PRIu64,
                               option, text, first, last, last, first);
        if (*at != ',') break;
    }
    return usage_error("--%s %s: must be a list like 0-63 or 1,5,9-12", option, text);
}

/* "a" or "a-b" at *text; moves on over it. */
static bool read_range(const char **text, uint64_t most, uint64_t *first, uint64_t *last) {
    if (!read_u64(*text, text, first)) return false;
    *last = *first;
    if (**text == '-' && !read_u64(*text + 1, text, last)) return false;
    return *first <= *last && *last <= most;
}

int cli_get_list(const cli_args *args, cli_option option, uint64_t most, size_t limit, uint64_t **out,
                 size_t *count) {
    const char *name = cli_options[option].name, *text = args->value[option];
    if (!text) return 0;
    /* Twice over the text: to count, then to fill. */
    uint64_t *list = NULL;
    for (int pass = 0; pass < 2; pass++) {
        const char *at = text;
        size_t n = 0;
        do {
            uint64_t first, last;
            at += *at == ',' && at > text;
            if (!read_range(&at, most, &first, &last) || (*at && *at != ',')) return not_a_list(name, text);
            if (last - first >= limit - n)
                return usage_error("--%s %s: more than %zu values", name, text, limit);
            for (uint64_t v = first;; v++) {
                if (list) list[n] = v;
                n++;
                if (v == last) break;
            }
        } while (*at);
        if (pass == 0) list = malloc(n * sizeof *list);
        if (!list) return no_memory();
        *count = n;
    }
    *out = list;
    return 0;
}

int cli_get_reals(const cli_args *args, cli_option option, double **out, size_t *count) {
    const char *text = args->value[option];
    if (!text) return 0;
    size_t n = 1;
    for (const char *p = text; *p; p++) n += *p == ',';
    double *list = malloc(n * sizeof *list);
    if (!list) return no_memory();
    const char *at = text;
    for (size_t i = 0; i < n; i++) {
        if (!read_real(at, &at, &list[i]) || *at != (i + 1 < n ? ',' : '\0')) {
            free(list);
            return usage_error("--%s %s: must be a list of numbers like 1,0.5,0", cli_options[option].name,
                               text);
        }
        at++;
    }
    *out = list;
    *count = n;
    return 0;
}

int cli_get_choice(const cli_args *args, cli_option option, const char *const *names, int count, int *out) {
    const char *text = args->value[option], *best = NULL;
    size_t best_distance = NAME_SIZE, used = 0;
    char list[128] = "";
    if (!text) return 0;
    for (int i = 0; i < count; i++) {
        if (strcmp(names[i], text) == 0) {
            *out = i;
            return 0;
        }
        consider(text, names[i], &best, &best_distance);
        const char *before = i == 0 ? "" : i + 1 == count ? " or " : ", ";
        if (used < sizeof list)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", before, names[i]);
    }
    return usage_error("--%s %s: must be %s%s%s%s", cli_options[option].name, text, list,
                       best ? "; did you mean " : "", best ? best : "", best ? "?" : "");
}
