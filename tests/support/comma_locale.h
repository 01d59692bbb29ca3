/* A locale that writes numbers with a comma: files and settings must not care. */
#ifndef AYF_COMMA_LOCALE_H
#define AYF_COMMA_LOCALE_H

#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Sets such a locale for numbers until end_comma_locale(): an installed one, or one that is made in `folder`
 * from the sources in Debian's package locales. False, after a message, when there is none to be had. */
static bool begin_comma_locale(const char *folder) {
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "es_ES.UTF-8"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (setlocale(LC_NUMERIC, names[i])) return true;
    char command[600];
    snprintf(command, sizeof command,
             "localedef --no-archive -i de_DE -f UTF-8 '%s/de_DE.UTF-8' >/dev/null 2>&1", folder);
    if (system(command) == 0 && setenv("LOCPATH", folder, 1) == 0 && setlocale(LC_NUMERIC, "de_DE.UTF-8"))
        return true;
    puts("no locale with a decimal comma is installed here, and none can be made (package locales)");
    return false;
}

static void end_comma_locale(void) {
    setlocale(LC_NUMERIC, "C");
    unsetenv("LOCPATH");
}

#endif
