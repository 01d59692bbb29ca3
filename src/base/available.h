/* The memory that this process can still get. Linux tells it in files of /proc and /sys, which are read here and
 * nowhere else: /proc/meminfo (MemAvailable), /proc/self/statm, /proc/self/cgroup, and the limits of the memory
 * cgroup (versions 1 and 2) and of all groups above it. */
#ifndef AYF_AVAILABLE_H
#define AYF_AVAILABLE_H

#include "base/base.h"

typedef struct ayf_available {
    uint64_t bytes;    /* UINT64_MAX: unknown */
    const char *limit; /* static: the file or limit that is the narrowest, e.g. "MemAvailable" */
} ayf_available;

/* The narrowest of MemAvailable, the cgroups' limits and RLIMIT_AS. Swap space does not count. `root` stands
 * before the names of the files: "" for this machine. */
ayf_available ayf_available_memory(const char *root);

/* AYF_E_MEMORY when `bytes` more are not there: "<what>: 3.1 GiB are needed, and 2 GiB are free here
 * (MemAvailable); <instead>". What is smaller than 16 MiB is not asked about. */
ayf_status ayf_available_check(ayf_context *ctx, uint64_t bytes, const char *what, const char *instead);

#endif
