/* A folder that cannot be listed to its end is an error, and not a smaller set. */
#include <dirent.h>
#include <errno.h>

#include "dataset_test.h"

static int entries_before_failure; /* < 0: never */

struct dirent *__real_readdir64(DIR *folder);
struct dirent *__wrap_readdir64(DIR *folder);

struct dirent *__wrap_readdir64(DIR *folder) {
    if (entries_before_failure == 0) {
        errno = EIO;
        return NULL;
    }
    if (entries_before_failure > 0) entries_before_failure--;
    return __real_readdir64(folder);
}

static void a_failing_list_is_an_error(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d.png", i);
        put_png(name, 4, 4, 1, i);
    }
    const int all = 4 + 2;              /* and the folder itself and its parent */
    for (int i = 0; i < 3 * all; i++) { /* pictures are looked for after two other kinds */
        entries_before_failure = i;
        expect_failure((ayf_dataset_spec){.source = fixture_folder}, AYF_E_IO, fixture_folder, "list", NULL);
    }
    entries_before_failure = -1;
    ayf_dataset_close(open_spec((ayf_dataset_spec){.source = fixture_folder}));
}

int main(void) {
    const struct CMUnitTest tests[] = {ROW(a_failing_list_is_an_error)};
    return cmocka_run_group_tests_name("listing", tests, NULL, NULL);
}
