/* Scripts that complete command lines of ayf in bash, zsh and fish. */
#include <ctype.h>
#include <string.h>

#include "pages.h"

/* ---- What is completed ---- */

/* A word of the table in capitals stands for something: files, unless it is one of these. */
static bool names_files(const char *value) {
    static const char *const files[] = {"FILE",   "PATH",       "SOURCE",  "MODEL",
                                        "FOLDER", "RUN_FOLDER", "SUBJECT", "RUN"};
    size_t size = strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (strlen(files[i]) == size && strncmp(value, files[i], size) == 0) return true;
    return false;
}

static bool is_choice(const char *value) { return islower((unsigned char)*value); }

static bool is_setting(const cli_option_row *o) { return o->value && strcmp(o->value, "KEY=VALUE") == 0; }

/* Words divided by "|" or blanks in the table, by blanks here. */
static void put_words(const char *words) {
    for (; *words; words++) {
        if (strncmp(words, " | ", 3) == 0) words += 2;
        putchar(*words == '|' ? ' ' : *words);
    }
}

/* The words in small letters of what a verb is followed by: "check SOURCE", "[step | call]". */
static void put_literals(const char *positional) {
    while (*positional) {
        size_t blanks = strspn(positional, " []|.");
        positional += blanks;
        size_t size = strcspn(positional, " []|");
        if (size && islower((unsigned char)*positional)) printf("%.*s ", (int)size, positional);
        positional += size;
    }
}

static bool takes_files(const char *positional) {
    for (; *positional; positional++)
        if (isupper((unsigned char)*positional)) {
            if (names_files(positional)) return true;
            positional += strspn(positional, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") - 1;
        }
    return false;
}

/* Between single quotes: what a shell would see in it is written as `quote` has it. */
static void put_quoted(const char *text, const char *escaped, const char *quote) {
    for (; *text; text++) {
        if (*text == '\'')
            fputs(quote, stdout);
        else if (strchr(escaped, *text))
            printf("\\%c", *text);
        else
            putchar(*text);
    }
}

static void put_key_name(void *user, const ayf_config_key *key) {
    (void)user;
    printf("%s ", key->name);
}

static bool has_choices(const ayf_config_key *key) {
    return strstr(key->values, " | ") || strcmp(key->values, "true or false") == 0;
}

static void put_key_choices(const ayf_config_key *key) {
    if (strstr(key->values, " | "))
        put_words(key->values);
    else
        fputs("true false", stdout);
}

/* ---- bash ---- */

static const char bash_head[] =
    "# Completion of ayf for bash. Made by: ayf help --completions bash\n"
    "_ayf_words() { mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$cur\"); }\n"
    "_ayf_files() {\n"
    "    compopt -o filenames 2>/dev/null\n"
    "    mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
    "}\n"
    "_ayf_keys() {\n"
    "    compopt -o nospace 2>/dev/null\n"
    "    mapfile -t COMPREPLY < <(compgen -S = -W \"$_ayf_key_names\" -- \"$cur\")\n"
    "}\n";

static const char bash_begin[] =
    "_ayf() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]} options= "
    "words= "
    "files=\n"
    "    COMPREPLY=()\n"
    "    # bash divides words at \"=\" as well.\n"
    "    if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
    "    if [[ $COMP_CWORD -eq 1 ]]; then\n"
    "        _ayf_words \"$_ayf_verbs --help --version\"\n"
    "        return\n"
    "    fi\n"
    "    case \"$verb $prev\" in\n";

static const char bash_end[] = "    esac\n"
                               "    if [[ $cur == -* ]]; then\n"
                               "        _ayf_words \"$options --help\"\n"
                               "        return\n"
                               "    fi\n"
                               "    [[ $files ]] && _ayf_files\n"
                               "    local found=(\"${COMPREPLY[@]}\")\n"
                               "    [[ $words ]] && _ayf_words \"$words\" && COMPREPLY+=(\"${found[@]}\")\n"
                               "    return 0\n"
                               "}\n"
                               "complete -F _ayf ayf\n";

static void bash_key(void *user, const ayf_config_key *key) {
    (void)user;
    if (!has_choices(key)) return;
    printf("        *\" %s\") _ayf_words \"", key->name);
    put_key_choices(key);
    puts("\"; return ;;");
}

static void bash_value(cli_verb verb, const cli_option_row *o) {
    printf("        \"%s --%s\") ", cli_verbs[verb].name, o->name);
    if (is_setting(o)) {
        fputs("_ayf_keys; ", stdout);
    } else if (is_choice(o->value)) {
        fputs("_ayf_words \"", stdout);
        put_words(o->value);
        fputs("\"; ", stdout);
    } else if (names_files(o->value)) {
        fputs("_ayf_files; ", stdout);
    }
    puts("return ;;");
}

/* Those that the verb has; ayf help explains those of all. */
static void put_options(cli_verb verb) {
    for (int i = 0; i < CLI_OPT_COUNT; i++)
        if (verb == CLI_VERB_help || cli_verb_has(verb, (cli_option)i)) printf("--%s ", cli_options[i].name);
}

static void bash_verb(cli_verb verb) {
    const cli_verb_row *v = &cli_verbs[verb];
    printf("        %s)\n            options=\"", v->name);
    put_options(verb);
    fputs("\"\n            words=\"", stdout);
    if (verb == CLI_VERB_help)
        fputs("$_ayf_verbs $_ayf_key_names config", stdout);
    else
        put_literals(v->positional);
    printf("\"\n            files=%s\n            ;;\n", takes_files(v->positional) ? "yes" : "");
}

static void put_verbs(void) {
    for (int i = 0; i < CLI_VERB_COUNT; i++) printf("%s ", cli_verbs[i].name);
}

static ayf_status bash_script(ayf_context *ctx) {
    fputs(bash_head, stdout);
    fputs("_ayf_verbs=\"", stdout);
    put_verbs();
    fputs("\"\n_ayf_key_names=\"", stdout);
    if (ayf_config_keys(ctx, put_key_name, NULL) != AYF_OK) return ayf_last_status(ctx);
    puts("\"");
    fputs(bash_begin, stdout);
    for (int v = 0; v < CLI_VERB_COUNT; v++)
        for (int i = 0; i < CLI_OPT_COUNT; i++)
            if (cli_verb_has((cli_verb)v, (cli_option)i) && cli_options[i].value)
                bash_value((cli_verb)v, &cli_options[i]);
    if (ayf_config_keys(ctx, bash_key, NULL) != AYF_OK) return ayf_last_status(ctx);
    fputs("    esac\n    case $verb in\n", stdout);
    for (int v = 0; v < CLI_VERB_COUNT; v++) bash_verb((cli_verb)v);
    fputs(bash_end, stdout);
    return AYF_OK;
}

/* ---- zsh ---- */

static void zsh_option(const cli_option_row *o) {
    printf(" \\\n            '%s--%s%s[", is_setting(o) ? "*" : "", o->name, o->value ? "=" : "");
    put_quoted(o->help, "[]\\", "'\\''");
    putchar(']');
    if (o->value) {
        putchar(':');
        put_quoted(is_choice(o->value) ? "choice" : o->value, ":\\", "");
        putchar(':');
        if (is_setting(o)) {
            fputs("_ayf_keys", stdout);
        } else if (is_choice(o->value)) {
            putchar('(');
            put_words(o->value);
            putchar(')');
        } else {
            fputs(names_files(o->value) ? "_files" : " ", stdout);
        }
    }
    putchar('\'');
}

static void zsh_verb(cli_verb verb) {
    const cli_verb_row *v = &cli_verbs[verb];
    printf("    %s)\n        _arguments '--help[explain the verb]'", v->name);
    for (int i = 0; i < CLI_OPT_COUNT; i++)
        if (cli_verb_has(verb, (cli_option)i)) zsh_option(&cli_options[i]);
    fputs(" \\\n            '*: : _ayf_arguments \"", stdout);
    if (verb == CLI_VERB_help)
        fputs("$_ayf_help", stdout);
    else
        put_literals(v->positional);
    printf("\" %s'\n        ;;\n", takes_files(v->positional) ? "files" : "");
}

static void zsh_key(void *user, const ayf_config_key *key) {
    (void)user;
    if (!has_choices(key)) return;
    printf("    %s) compadd -- ", key->name);
    put_key_choices(key);
    puts(" ;;");
}

static ayf_status zsh_script(ayf_context *ctx) {
    fputs("#compdef ayf\n# Completion of ayf for zsh. Made by: ayf help --completions zsh\n"
          "local _ayf_key_names=\"",
          stdout);
    if (ayf_config_keys(ctx, put_key_name, NULL) != AYF_OK) return ayf_last_status(ctx);
    fputs("\"\nlocal _ayf_help=\"config ", stdout);
    put_verbs();
    put_options(CLI_VERB_help);
    fputs("$_ayf_key_names\"\n\n"
          "_ayf_keys() {\n"
          "    if ! compset -P '*='; then\n"
          "        compadd -S = -- ${=_ayf_key_names}\n"
          "        return\n"
          "    fi\n"
          "    case ${${IPREFIX%=}##*=} in\n",
          stdout);
    if (ayf_config_keys(ctx, zsh_key, NULL) != AYF_OK) return ayf_last_status(ctx);
    fputs("    esac\n}\n\n"
          "_ayf_arguments() {\n"
          "    compadd -- ${=1}\n"
          "    [[ -n $2 ]] && _files\n"
          "    return 0\n"
          "}\n\n"
          "if (( CURRENT == 2 )); then\n    local -a verbs\n    verbs=(\n",
          stdout);
    for (int i = 0; i < CLI_VERB_COUNT; i++) {
        printf("        '%s:", cli_verbs[i].name);
        put_quoted(cli_verbs[i].line, ":\\", "'\\''");
        puts("'");
    }
    fputs(
        "    )\n    _describe verb verbs\n    return\nfi\nshift words\n(( CURRENT-- ))\ncase $words[1] in\n",
        stdout);
    for (int v = 0; v < CLI_VERB_COUNT; v++) zsh_verb((cli_verb)v);
    puts("esac");
    return AYF_OK;
}

/* ---- fish ---- */

static void fish_option(cli_verb verb, const cli_option_row *o) {
    printf("complete -c ayf -n '__ayf_verb %s' -l %s", cli_verbs[verb].name, o->name);
    if (is_setting(o)) {
        fputs(" -x -a '(__ayf_keys)'", stdout);
    } else if (o->value && is_choice(o->value)) {
        fputs(" -x -a '", stdout);
        put_words(o->value);
        putchar('\'');
    } else if (o->value) {
        fputs(names_files(o->value) ? " -r -F" : " -x", stdout);
    }
    fputs(" -d '", stdout);
    put_quoted(o->help, "\\", "\\'");
    puts("'");
}

static void fish_verb(cli_verb verb) {
    const cli_verb_row *v = &cli_verbs[verb];
    printf("complete -c ayf -n __ayf_first -f -a %s -d '", v->name);
    put_quoted(v->line, "\\", "\\'");
    printf("'\ncomplete -c ayf -n '__ayf_verb %s' %s -a '", v->name,
           takes_files(v->positional) ? "-F" : "-f");
    if (verb == CLI_VERB_help) {
        fputs("config ", stdout);
        put_verbs();
        fputs("(__ayf_keys)", stdout);
    } else {
        put_literals(v->positional);
    }
    puts("'");
    for (int i = 0; i < CLI_OPT_COUNT; i++)
        if (cli_verb_has(verb, (cli_option)i)) fish_option(verb, &cli_options[i]);
}

/* What is before "=" is part of the word. */
static void fish_key(void *user, const ayf_config_key *key) {
    (void)user;
    printf("    echo %s=\n", key->name);
    if (!has_choices(key)) return;
    printf("    for value in ");
    put_key_choices(key);
    printf("; echo %s=$value; end\n", key->name);
}

static ayf_status fish_script(ayf_context *ctx) {
    fputs("# Completion of ayf for fish. Made by: ayf help --completions fish\n"
          "function __ayf_first\n    test (count (commandline -opc)) -eq 1\nend\n"
          "function __ayf_verb\n    set -l words (commandline -opc)\n"
          "    test (count $words) -ge 2; and test \"$words[2]\" = $argv[1]\nend\n"
          "function __ayf_keys\n",
          stdout);
    if (ayf_config_keys(ctx, fish_key, NULL) != AYF_OK) return ayf_last_status(ctx);
    puts("end\ncomplete -c ayf -n __ayf_first -l help -d 'list the verbs'\n"
         "complete -c ayf -n __ayf_first -l version -d 'print the version'");
    for (int v = 0; v < CLI_VERB_COUNT; v++) fish_verb((cli_verb)v);
    return AYF_OK;
}

int cli_completion_script(cli *c, const char *shell) {
    ayf_status status;
    if (strcmp(shell, "bash") == 0)
        status = bash_script(c->ctx);
    else if (strcmp(shell, "zsh") == 0)
        status = zsh_script(c->ctx);
    else if (strcmp(shell, "fish") == 0)
        status = fish_script(c->ctx);
    else
        return cli_error(c, AYF_E_USAGE, "--completions %s: must be bash, zsh or fish", shell);
    return status == AYF_OK ? 0 : cli_fail(c);
}
