/* A context and a fresh folder for every test. */
#ifndef AYF_FOLDER_FIXTURE_H
#define AYF_FOLDER_FIXTURE_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"

static ayf_context *ctx;
static char folder[64];

static int open_all(void **state) {
    (void)state;
    ctx = ayf_open(NULL);
    strcpy(folder, "/tmp/ayf-test-XXXXXX");
    return ctx && mkdtemp(folder) ? 0 : 1;
}

static int close_all(void **state) {
    (void)state;
    char command[200];
    snprintf(command, sizeof command, "chmod -R u+w %s && rm -rf %s", folder, folder);
    ayf_close(ctx);
    return system(command);
}

static char *in_folder(const char *name) {
    static char path[4][160];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static int entries(const char *path) {
    int count = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
    closedir(dir);
    return count;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)

#endif
