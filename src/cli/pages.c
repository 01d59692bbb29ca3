/* Help for a terminal, and manual pages in roff. */
#include "pages.h"

#include <string.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

typedef struct row {
    const char *name, *text;
} row;

static const row environment[] = {
    {"AYF_THREADS=N", "number of threads where --threads does not give it; one per processor unless set"},
    {"AYF_TRACE=1",
     "one line per kernel on stderr: op, shape, implementation, bytes, microseconds; totals at the end"},
    {"AYF_CUDA_PATH=FOLDERS",
     "where NVIDIA's libraries are, with ':' between: a toolkit, or pip's .../site-packages/nvidia"},
    {"AYF_CACHE=FOLDER",
     "where kernels that were compiled for a GPU are kept; ~/.cache/ayf unless set, empty: nowhere"},
    {"GOMP_SPINCOUNT, OMP_PLACES ...", "how threads wait and where they run, as OpenMP has it"},
};

static const row exits[] = {
    {"0", "done"},
    {"1", "run-time failure"},
    {"2", "usage or configuration"},
    {"3", "bad input file"},
    {"4", "training diverged"},
    {"5", "a check failed"},
    {"75", "stopped on request with a checkpoint"},
    {"130, 143",
     "killed by Ctrl-C or SIGTERM (a training run: 130 by the second Ctrl-C, other signals save)"},
};

static const char about[] = "train, distil and sample flow maps";
static const char processes[] =
    "mpirun -n N ayf train|distill|finetune ... shares a run among N processes, in a build with MPI.";

static bool has_options(cli_verb verb) {
    for (int i = 0; i < CLI_OPT_COUNT; i++)
        if (cli_verb_has(verb, (cli_option)i)) return true;
    return false;
}

/* ---- For a terminal ---- */

static void print_rows(const char *title, const row *rows, int count) {
    printf("\n%s:\n", title);
    for (int i = 0; i < count; i++) printf("  %-9s %s\n", rows[i].name, rows[i].text);
}

void cli_help_exits(void) { print_rows("exit codes", exits, COUNT(exits)); }

void cli_help_all(void) {
    printf("ayf - %s (Align Your Flow, arXiv 2506.14603)\n\nusage: ayf VERB [arguments] [options]\n\n",
           about);
    for (int i = 0; i < CLI_VERB_COUNT; i++) printf("  %-9s %s\n", cli_verbs[i].name, cli_verbs[i].line);
    printf(
        "\nayf help VERB explains a verb, ayf help config the configuration, ayf help train.lr a key of "
        "it and\n"
        "ayf help --gamma an option, ayf help exit the exit codes. ayf --version prints the version.\n\n%s\n",
        processes);
    print_rows("environment", environment, COUNT(environment));
    cli_help_exits();
}

void cli_help_verb(cli_verb verb) {
    const cli_verb_row *v = &cli_verbs[verb];
    bool first = true;
    printf("usage: ayf %s %s%s\n\n%s\n", v->name, v->positional, has_options(verb) ? " [options]" : "",
           v->more);
    for (int i = 0; i < CLI_OPT_COUNT; i++) {
        const cli_option_row *o = &cli_options[i];
        if (!cli_verb_has(verb, (cli_option)i)) continue;
        char left[48];
        snprintf(left, sizeof left, "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
        if (first) putchar('\n');
        first = false;
        printf("  %-19s %s", left, o->help);
        if (o->setting) printf(" (%s)", o->setting);
        putchar('\n');
    }
}

void cli_put_verbs(unsigned verbs, const char *before) {
    bool any = false;
    for (int i = 0; i < CLI_VERB_COUNT; i++) {
        if (!(verbs >> i & 1u)) continue;
        verbs &= ~(1u << i);
        printf("%s%s%s", !any ? "" : verbs ? ", " : " and ", before, cli_verbs[i].name);
        any = true;
    }
}

/* ---- For man ---- */

/* Text in roff. A dash is one that can be copied, and no line is taken for a request. */
static void put(const char *text) {
    bool line_begins = true;
    for (; *text; text++) {
        if (line_begins && (*text == '.' || *text == '\'')) fputs("\\&", stdout);
        line_begins = *text == '\n';
        switch (*text) {
        case '\\':
            fputs("\\e", stdout);
            break;
        case '-':
            fputs("\\-", stdout);
            break;
        case '\'':
            fputs("\\(aq", stdout);
            break;
        case '`':
            fputs("\\(ga", stdout);
            break;
        case '^':
            fputs("\\(ha", stdout);
            break;
        case '~':
            fputs("\\(ti", stdout);
            break;
        default:
            putchar(*text);
        }
    }
}

static void put_bold(const char *text) {
    fputs("\\fB", stdout);
    put(text);
    fputs("\\fR", stdout);
}

static void head(const char *name, char section, const char *line) {
    fputs(".TH ", stdout);
    for (const char *p = name; *p; p++)
        if (*p == '-')
            fputs("\\-", stdout);
        else
            putchar(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
    printf(" %c \"\" \"ayf %s\" \"ayf\"\n.SH NAME\n", section, ayf_version());
    put(name);
    fputs(" \\- ", stdout);
    put(line);
    putchar('\n');
}

/* What is indented by four is an example, and an empty line ends a paragraph. */
static void put_paragraphs(const char *text) {
    bool example = false;
    while (*text) {
        char line[256];
        size_t length = strcspn(text, "\n");
        bool indented = strncmp(text, "    ", 4) == 0;
        snprintf(line, sizeof line, "%.*s", (int)length, text);
        if (indented != example) fputs(indented ? ".PP\n.RS 4\n.nf\n" : ".fi\n.RE\n.PP\n", stdout);
        example = indented;
        if (length) {
            put(line + (indented ? 4 : 0));
            putchar('\n');
        } else if (text[1] && strncmp(text + 1, "    ", 4) != 0) {
            fputs(".PP\n", stdout);
        }
        text += length + (text[length] == '\n');
    }
    if (example) fputs(".fi\n.RE\n", stdout);
}

static void put_rows(const char *title, const row *rows, int count) {
    printf(".SH %s\n", title);
    for (int i = 0; i < count; i++) {
        fputs(".TP\n", stdout);
        put_bold(rows[i].name);
        putchar('\n');
        put(rows[i].text);
        putchar('\n');
    }
}

static void put_option(const cli_option_row *o) {
    fputs(".TP\n\\fB\\-\\-", stdout);
    put(o->name);
    fputs("\\fR", stdout);
    if (o->value) {
        fputs(" \\fI", stdout);
        put(o->value);
        fputs("\\fR", stdout);
    }
    putchar('\n');
    put(o->help);
    if (o->setting) {
        fputs(" (", stdout);
        put(o->setting);
        putchar(')');
    }
    putchar('\n');
}

static void see_also(int but) {
    fputs(".SH SEE ALSO\n", stdout);
    if (but >= 0) fputs("\\fBayf\\fR(1), ", stdout);
    for (int i = 0; i < CLI_VERB_COUNT; i++)
        if (i != but) printf("\\fBayf\\-%s\\fR(1), ", cli_verbs[i].name);
    fputs("\\fBayf\\-config\\fR(5)\n", stdout);
}

static int program_page(void) {
    head("ayf", '1', about);
    fputs(".SH SYNOPSIS\n\\fBayf\\fR \\fIVERB\\fR [\\fIarguments\\fR] [\\fIoptions\\fR]\n.SH DESCRIPTION\n",
          stdout);
    put("Trains teachers by flow matching, distils them into flow maps that draw an image in one to four "
        "calls "
        "of a network (Align Your Flow, arXiv 2506.14603), draws samples and measures them.\n");
    for (int i = 0; i < CLI_VERB_COUNT; i++) {
        printf(".TP\n\\fBayf %s\\fR\n", cli_verbs[i].name);
        put(cli_verbs[i].line);
        putchar('\n');
    }
    fputs(".PP\n", stdout);
    put(processes);
    putchar('\n');
    put_rows("ENVIRONMENT", environment, COUNT(environment));
    put_rows("EXIT STATUS", exits, COUNT(exits));
    see_also(-1);
    return 0;
}

static int verb_page(cli_verb verb) {
    const cli_verb_row *v = &cli_verbs[verb];
    char name[32];
    snprintf(name, sizeof name, "ayf-%s", v->name);
    head(name, '1', v->line);
    printf(".SH SYNOPSIS\n\\fBayf %s\\fR ", v->name);
    put(v->positional);
    fputs(has_options(verb) ? " [\\fIoptions\\fR]\n" : "\n", stdout);
    fputs(".SH DESCRIPTION\n", stdout);
    put_paragraphs(v->more);
    if (has_options(verb)) fputs(".SH OPTIONS\n", stdout);
    for (int i = 0; i < CLI_OPT_COUNT; i++)
        if (cli_verb_has(verb, (cli_option)i)) put_option(&cli_options[i]);
    fputs(".SH EXIT STATUS\nAs \\fBayf\\fR(1) lists them.\n", stdout);
    see_also((int)verb);
    return 0;
}

static void put_key(void *user, const ayf_config_key *key) {
    char *section = user;
    size_t size = strcspn(key->name, ".");
    if (strncmp(section, key->name, size + 1) != 0) {
        snprintf(section, 64, "%.*s.", (int)size, key->name);
        printf(".SS %.*s\n", (int)size, key->name);
        put(key->about);
        fputs(".\n", stdout);
    }
    fputs(".TP\n", stdout);
    put_bold(key->name);
    fputs(" = ", stdout);
    put(key->value);
    fputs("  (", stdout);
    put(key->values);
    fputs(")\n", stdout);
    put(key->help);
    putchar('\n');
}

static int config_page(cli *c) {
    char section[64] = "";
    head("ayf-config", '5', "configuration of a training run");
    fputs(".SH DESCRIPTION\n", stdout);
    put("A configuration is a YAML file of sections and keys; what it leaves out keeps its default. Every "
        "key can "
        "be overridden on the command line: --set train.lr=0.01 --set model.multipliers=1,2,2. Whole numbers "
        "may "
        "end in k, M, G (thousands) or Ki, Mi, Gi (1024s).\n");
    fputs(".SH KEYS\nEach with its default and what it may be.\n", stdout);
    if (ayf_config_keys(c->ctx, put_key, section) != AYF_OK) return cli_fail(c);
    see_also(-1);
    return 0;
}

int cli_man_page(cli *c, const char *name) {
    if (strcmp(name, "ayf") == 0) return program_page();
    const char *verb = strncmp(name, "ayf-", 4) == 0 ? name + 4 : name;
    if (strcmp(verb, "config") == 0) return config_page(c);
    int found = cli_find_verb(verb);
    return found < 0 ? ayf_exit_code(AYF_E_USAGE) : verb_page((cli_verb)found);
}
