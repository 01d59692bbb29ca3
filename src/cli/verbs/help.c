/* ayf help: everything, a verb, a key, an option. */
#include <string.h>

#include "cli.h"
#include "pages.h"

enum { NAME_SIZE = 64 };

/* What is looked for, and what was found. */
typedef struct quest {
    const char *as_given;
    char word[NAME_SIZE];
    bool option;          /* it began with two dashes: an option and nothing else */
    char near[NAME_SIZE]; /* "" = nothing is near so far */
    int found;
} quest;

/* Lines of at most 100 columns, indented by six. */
static void put_wrapped(const char *text) {
    enum { WIDTH = 94 };
    while (*text) {
        size_t length = strlen(text);
        if (length > WIDTH) {
            length = WIDTH;
            while (length > 1 && text[length] != ' ') length--;
        }
        printf("      %.*s\n", (int)length, text);
        text += length;
        text += strspn(text, " ");
    }
}

static void consider(quest *q, const char *candidate) {
    const char *both[] = {q->near, candidate};
    const char *near = *q->near ? cli_nearest(q->word, both, 2) : cli_nearest(q->word, &candidate, 1);
    if (near == candidate) snprintf(q->near, sizeof q->near, "%s", candidate);
}

/* ---- Options ---- */

static bool is_asked_for(const quest *q, const cli_option_row *o) { return strcmp(o->name, q->word) == 0; }

static void explain_option(const cli_option_row *o) {
    printf("--%s%s%s   (", o->name, o->value ? " " : "", o->value ? o->value : "");
    cli_put_verbs(o->verbs, "ayf ");
    puts(")");
    put_wrapped(o->help);
    if (o->setting) printf("      sets %s\n", o->setting);
}

static void explain_options(quest *q) {
    for (int i = 0; i < CLI_OPT_COUNT; i++) {
        const cli_option_row *o = &cli_options[i];
        if (is_asked_for(q, o)) {
            explain_option(o);
            q->found++;
        }
    }
}

/* ---- Keys ---- */

static bool sets(const cli_option_row *o, const char *key) {
    size_t size = strlen(key);
    return o->setting && strncmp(o->setting, key, size) == 0 &&
           (!o->setting[size] || o->setting[size] == '=');
}

/* The section as a whole, the key with or without it, or what an option that was asked for sets. */
static bool is_meant(const quest *q, const char *key) {
    size_t section = strcspn(key, "."), size = strlen(q->word);
    for (int i = 0; i < CLI_OPT_COUNT; i++)
        if (is_asked_for(q, &cli_options[i]) && sets(&cli_options[i], key)) return true;
    if (q->option) return false;
    if (strcmp(key, q->word) == 0 || strcmp(key + section + 1, q->word) == 0) return true;
    return strncmp(key, q->word, section) == 0 &&
           (size == section || strcmp(q->word + section, ".") == 0 || strcmp(q->word + section, ".*") == 0);
}

static void explain_key(void *user, const ayf_config_key *key) {
    static const cli_verb verbs[] = {
#define ROW(verb, kind) [kind] = CLI_VERB_##verb,
        CLI_RUN_VERBS(ROW)
#undef ROW
    };
    quest *q = user;
    unsigned takers = 0;
    if (!is_meant(q, key->name)) return;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (key->runs >> i & 1u) takers |= 1u << verbs[i];
    printf("%s = %s   (%s)\n", key->name, key->value, key->values);
    put_wrapped(key->help);
    fputs("      in ", stdout);
    cli_put_verbs(takers, "ayf ");
    for (int i = 0; i < CLI_OPT_COUNT; i++)
        if (sets(&cli_options[i], key->name))
            printf("; --%s%s%s sets it", cli_options[i].name, cli_options[i].value ? " " : "",
                   cli_options[i].value ? cli_options[i].value : "");
    putchar('\n');
    q->found++;
}

static void consider_key(void *user, const ayf_config_key *key) {
    char section[NAME_SIZE];
    size_t size = strcspn(key->name, ".");
    snprintf(section, sizeof section, "%.*s.", (int)size, key->name);
    consider(user, key->name);
    consider(user, key->name + size + 1);
    consider(user, section);
}

/* ---- The verb ---- */

static int refuse(cli *c, quest *q) {
    for (int i = 0; i < CLI_VERB_COUNT && !q->option; i++) consider(q, cli_verbs[i].name);
    if (!q->option && ayf_config_keys(c->ctx, consider_key, q) != AYF_OK) return cli_fail(c);
    for (int i = 0; i < CLI_OPT_COUNT; i++) consider(q, cli_options[i].name);
    bool dashes = q->option && *q->near;
    return cli_error(c, AYF_E_USAGE, "there is no %s '%s'; %s%s%s%s",
                     q->option ? "option" : "verb, key or option", q->as_given,
                     *q->near ? "did you mean '" : "ayf help lists the verbs, ayf help config the keys",
                     dashes ? "--" : "", q->near, *q->near ? "'?" : "");
}

static int explain(cli *c, const char *word) {
    quest q = {.as_given = word, .option = strncmp(word, "--", 2) == 0};
    word += q.option ? 2 : 0;
    snprintf(q.word, sizeof q.word, "%.*s", (int)strcspn(word, "="), word);
    explain_options(&q);
    if (ayf_config_keys(c->ctx, explain_key, &q) != AYF_OK) return cli_fail(c);
    return q.found ? 0 : refuse(c, &q);
}

/* A section that is called like a verb, and options. */
static void name_others(void *user, const ayf_config_key *key) {
    quest *q = user;
    size_t size = strlen(q->word);
    if (strncmp(key->name, q->word, size) == 0 && key->name[size] == '.' && !q->found++)
        printf("\n\"ayf help %s.\" explains the keys %s.* of the configuration.\n", q->word, q->word);
}

int cli_help(cli *c, const cli_args *args) {
    const char *word = args->positional_count ? args->positional[0] : NULL;
    const char *man = args->value[CLI_OPT_man], *shell = args->value[CLI_OPT_completions];
    if (!!word + !!man + !!shell > 1) return cli_error(c, AYF_E_USAGE, "ask for one thing at a time");
    if (man) return cli_man_page(c, man);
    if (shell) return cli_completion_script(c, shell);
    if (!word) {
        cli_help_all();
        return 0;
    }
    if (strcmp(word, "config") == 0)
        return ayf_config_explain(c->ctx, cli_print_line, NULL) == AYF_OK ? 0 : cli_fail(c);
    if (strcmp(word, "exit") == 0) {
        cli_help_exits();
        return 0;
    }
    for (int i = 0; i < CLI_VERB_COUNT; i++) {
        if (strcmp(cli_verbs[i].name, word) != 0) continue;
        quest q = {.found = 0};
        snprintf(q.word, sizeof q.word, "%s", word);
        cli_help_verb((cli_verb)i);
        return ayf_config_keys(c->ctx, name_others, &q) == AYF_OK ? 0 : cli_fail(c);
    }
    return explain(c, word);
}
