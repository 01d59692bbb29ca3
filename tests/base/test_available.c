/* The memory that is free, read from trees of files that look like machines, containers and batch jobs. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/available.h"

#define MIB (1ULL << 20)
#define V1 "/sys/fs/cgroup/memory"
#define V2 "/sys/fs/cgroup"
enum { PATH = 512 };
static const char meminfo[] =
    "MemTotal:       16384000 kB\nMemFree:          100000 kB\nMemAvailable:    8388608 kB\n";
static const char of_machine[] = "MemAvailable", of_v1[] = "memory.limit_in_bytes of its cgroup",
                  of_v2[] = "memory.max of its cgroup";

/* ---- A tree ---- */

static int begin(void **state) {
    char *root = strdup("/tmp/ayf-available-XXXXXX");
    *state = root;
    return root && mkdtemp(root) ? 0 : -1;
}

static int end(void **state) {
    char command[PATH];
    snprintf(command, sizeof command, "rm -rf '%s'", (char *)*state);
    int failed = system(command);
    free(*state);
    return failed;
}

/* Writes a file and the folders above it. */
static void put(const char *root, const char *path, const char *text) {
    char name[PATH];
    snprintf(name, sizeof name, "%s%s", root, path);
    for (char *slash = name + strlen(root) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = 0;
        mkdir(name, 0777);
    }
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void put_v2(const char *root, const char *group, const char *limit, const char *used,
                   const char *stat) {
    char path[PATH];
    snprintf(path, sizeof path, V2 "%s/memory.max", group);
    put(root, path, limit);
    snprintf(path, sizeof path, V2 "%s/memory.current", group);
    put(root, path, used);
    snprintf(path, sizeof path, V2 "%s/memory.stat", group);
    put(root, path, stat);
}

static void put_v1(const char *root, const char *group, const char *limit, const char *used,
                   const char *stat) {
    char path[PATH];
    snprintf(path, sizeof path, V1 "%s/memory.limit_in_bytes", group);
    put(root, path, limit);
    snprintf(path, sizeof path, V1 "%s/memory.usage_in_bytes", group);
    put(root, path, used);
    snprintf(path, sizeof path, V1 "%s/memory.stat", group);
    put(root, path, stat);
}

static void expect(const char *root, uint64_t mib, const char *limit) {
    ayf_available have = ayf_available_memory(root);
    assert_string_equal(have.limit, limit);
    assert_int_equal(have.bytes, mib * MIB);
}

/* ---- Machines ---- */

static void test_machine(void **state) {
    const char *root = *state;
    assert_true(ayf_available_memory(root).bytes == UINT64_MAX); /* nothing is known */
    put(root, "/proc/meminfo", meminfo);
    expect(root, 8192, of_machine);
    put(root, "/proc/self/cgroup", "0::/\n"); /* of version 2, without limits */
    expect(root, 8192, of_machine);
}

/* 2 GiB, of which 512 MiB are used and 128 MiB of these are cache. */
static void test_version_2(void **state) {
    const char *root = *state;
    put(root, "/proc/meminfo", meminfo);
    put(root, "/proc/self/cgroup", "0::/user.slice/run.scope\n");
    put_v2(root, "/user.slice/run.scope", "2147483648\n", "536870912\n",
           "anon 402653184\nfile 134217728\nactive_file 0\ninactive_file 134217728\n");
    expect(root, 2048 - 384, of_v2);
    put_v2(root, "/user.slice/run.scope", "max\n", "536870912\n", "inactive_file 0\n");
    expect(root, 8192, of_machine);
}

static void test_narrowest_of_nested_groups(void **state) {
    const char *root = *state;
    put(root, "/proc/meminfo", meminfo);
    put(root, "/proc/self/cgroup", "0::/a/b/c\n");
    put_v2(root, "/a/b/c", "max\n", "104857600\n", "inactive_file 0\n");
    put_v2(root, "/a/b", "4294967296\n", "1073741824\n", "inactive_file 0\n");
    put_v2(root, "/a", "3221225472\n", "1073741824\n", "inactive_file 0\n");
    expect(root, 2048, of_v2);
    put_v2(root, "/a", "max\n", "1073741824\n", "inactive_file 0\n");
    expect(root, 3072, of_v2);
    put_v2(root, "/a/b", "1073741824\n", "1073741824\n", "inactive_file 0\n");
    expect(root, 0, of_v2); /* full */
}

/* A container that sees its own group as the root of its mount. */
static void test_container(void **state) {
    const char *root = *state;
    put(root, "/proc/meminfo", meminfo);
    put(root, "/proc/self/cgroup", "0::/docker/0123456789abcdef\n");
    put_v2(root, "", "1073741824\n", "268435456\n", "inactive_file 67108864\n");
    expect(root, 1024 - 192, of_v2);
}

/* Memory of version 1 beside an empty version 2, as on older machines; no limit is a very large number there. */
static void test_version_1(void **state) {
    const char *root = *state;
    put(root, "/proc/meminfo", meminfo);
    put(root, "/proc/self/cgroup",
        "12:cpu,cpuacct:/\n5:memory:/docker/abc\n1:name=systemd:/docker/abc\n0::/\n");
    put_v1(root, "/docker/abc", "1073741824\n", "536870912\n",
           "cache 1\ninactive_file 4096\ntotal_inactive_file 134217728\n");
    expect(root, 1024 - 384, of_v1);
    put_v1(root, "/docker/abc", "9223372036854771712\n", "536870912\n", "total_inactive_file 0\n");
    expect(root, 8192, of_machine);
    put(root, "/proc/self/cgroup", "5:cpu,memory:/docker/abc\n"); /* together with another controller */
    put_v1(root, "/docker/abc", "1073741824\n", "1048576\n", "total_inactive_file 0\n");
    expect(root, 1023, of_v1);
    put(root, "/proc/self/cgroup", "5:memoryless:/docker/abc\n");
    expect(root, 8192, of_machine);
}

/* Slurm bounds the job and leaves the step and the task below it without a limit of their own. */
static void test_slurm(void **state) {
    const char *root = *state;
    put(root, "/proc/meminfo", meminfo);
    put(root, "/proc/self/cgroup", "8:memory:/slurm/uid_1000/job_42/step_0/task_0\n");
    put_v1(root, "/slurm/uid_1000/job_42/step_0/task_0", "9223372036854771712\n", "1048576\n", "");
    put_v1(root, "/slurm/uid_1000/job_42/step_0", "2147483648\n", "1048576\n", "");
    put_v1(root, "/slurm/uid_1000/job_42", "2147483648\n", "1073741824\n", "total_inactive_file 0\n");
    expect(root, 1024, of_v1);
    put(root, "/proc/self/cgroup", "0::/system.slice/slurmstepd.scope/job_42/step_0/user/task_0\n");
    put_v2(root, "/system.slice/slurmstepd.scope/job_42/step_0/user/task_0", "max\n", "0\n", "");
    put_v2(root, "/system.slice/slurmstepd.scope/job_42", "1610612736\n", "536870912\n", "");
    expect(root, 1024, of_v2);
}

/* What cannot be understood is no limit. */
static void test_damaged_files(void **state) {
    const char *root = *state;
    put(root, "/proc/meminfo", meminfo);
    put(root, "/proc/self/cgroup", "\nnonsense\n0:\n0::\n0::relative\n");
    put_v2(root, "", "\n", "x\n", "inactive_file\n");
    expect(root, 8192, of_machine);
}

/* A limit of addresses less those in use: 256 pages here. */
static void test_address_space(void **state) {
    const char *root = *state;
    struct rlimit before, lower;
    char pages[64];
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    lower = before;
    lower.rlim_cur = (rlim_t)(1ULL << 42);
#if defined(__SANITIZE_ADDRESS__)
    skip(); /* its shadow takes more */
#endif
    if (before.rlim_cur != RLIM_INFINITY) skip();
    put(root, "/proc/meminfo", "MemAvailable:    9007199254740992 kB\n");
    snprintf(pages, sizeof pages, "256 100 50 1 0 200 0\n");
    put(root, "/proc/self/statm", pages);
    assert_int_equal(setrlimit(RLIMIT_AS, &lower), 0);
    ayf_available have = ayf_available_memory(root);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_string_equal(have.limit, "ulimit -v");
    assert_true(have.bytes == (1ULL << 42) - 256 * (uint64_t)sysconf(_SC_PAGESIZE));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_machine, begin, end),
        cmocka_unit_test_setup_teardown(test_version_2, begin, end),
        cmocka_unit_test_setup_teardown(test_narrowest_of_nested_groups, begin, end),
        cmocka_unit_test_setup_teardown(test_container, begin, end),
        cmocka_unit_test_setup_teardown(test_version_1, begin, end),
        cmocka_unit_test_setup_teardown(test_slurm, begin, end),
        cmocka_unit_test_setup_teardown(test_damaged_files, begin, end),
        cmocka_unit_test_setup_teardown(test_address_space, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
