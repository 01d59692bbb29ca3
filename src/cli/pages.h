/* What is made of the tables in args.h for people and for shells. All of it goes to stdout. */
#ifndef AYF_CLI_PAGES_H
#define AYF_CLI_PAGES_H

#include "cli.h"

/* For a terminal: the program, a verb, the exit codes. */
void cli_help_all(void);
void cli_help_verb(cli_verb verb);
void cli_help_exits(void);

/* A line "train, distill and finetune" of those verbs whose bit is set, each after `before`. */
void cli_put_verbs(unsigned verbs, const char *before);

/* A manual page in roff: "ayf", "ayf-VERB" (both section 1) or "ayf-config" (section 5). Returns an exit code. */
int cli_man_page(cli *c, const char *name);

/* The completion script of a shell: "bash", "zsh" or "fish". Returns an exit code. */
int cli_completion_script(cli *c, const char *shell);

#endif
