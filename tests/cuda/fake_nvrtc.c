/* NVRTC: the text goes to cc. What it makes is the path of a shared library. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake.h"

typedef struct program {
    char *text;
    char path[256]; /* of the library */
    char log[4096];
} program;

enum { MADE = 1 << 14 };
static char made[MADE][256]; /* removed at the end */
static long made_count;

__attribute__((destructor)) static void remove_made(void) {
    for (long i = 0; i < made_count && i < MADE && !fake.folder; i++) unlink(made[i]);
}

const char *nvrtcGetErrorString(ayf_nvrtc_result result) {
    return result ? "an error of the fake" : "success";
}

ayf_nvrtc_result nvrtcVersion(int *major, int *minor) {
    *major = fake.driver / 1000;
    *minor = 0;
    return NVRTC_SUCCESS;
}

ayf_nvrtc_result nvrtcGetNumSupportedArchs(int *count) {
    *count = 2;
    if (fake.architecture > fake.oldest && fake.architecture < fake.newest) *count = 3;
    return fake_fails() ? 1 : NVRTC_SUCCESS;
}

ayf_nvrtc_result nvrtcGetSupportedArchs(int *list) {
    bool known = fake.architecture > fake.oldest && fake.architecture < fake.newest;
    *list++ = fake.oldest;
    if (known) *list++ = fake.architecture;
    *list = fake.newest;
    return fake_fails() ? 1 : NVRTC_SUCCESS;
}

ayf_nvrtc_result nvrtcCreateProgram(ayf_nvrtc_program *out, const char *text, const char *name, int headers,
                                    const char *const *header, const char *const *header_name) {
    FAKE_REQUIRE(name && headers == 0 && !header && !header_name);
    if (fake_fails()) return 1;
    program *p = calloc(1, sizeof *p);
    FAKE_REQUIRE(p && (p->text = strdup(text)));
    fake_count(&fake.objects, 1);
    *out = p;
    return NVRTC_SUCCESS;
}

ayf_nvrtc_result nvrtcDestroyProgram(ayf_nvrtc_program *gone) {
    program *p = *gone;
    free(p->text);
    free(p);
    *gone = NULL;
    fake_count(&fake.objects, -1);
    return NVRTC_SUCCESS;
}

static void check_options(int count, const char *const *options) {
    int sm = 0, compute = 0, fmad = 0;
    for (int i = 0; i < count; i++) {
        sm += sscanf(options[i], "--gpu-architecture=sm_%d", &(int){0}) == 1;
        compute += sscanf(options[i], "--gpu-architecture=compute_%d", &(int){0}) == 1;
        fmad += strcmp(options[i], "--fmad=false") == 0;
    }
    FAKE_REQUIRE(sm + compute == 1 && fmad == 1);
    FAKE_REQUIRE((fake.architecture <= fake.newest) == (sm == 1));
}

ayf_nvrtc_result nvrtcCompileProgram(ayf_nvrtc_program which, int count, const char *const *options) {
    program *p = which;
    char source[300], command[1500];
    const char *folder = fake.folder ? fake.folder : "/tmp";
    check_options(count, options);
    if (fake_fails()) return 1;
    snprintf(p->path, sizeof p->path, "%s/ayf-kernels-XXXXXX", folder);
    int fd = mkstemp(p->path);
    FAKE_REQUIRE(fd >= 0);
    close(fd);
    snprintf(source, sizeof source, "%s.c", p->path);
    FILE *file = fopen(source, "w");
    FAKE_REQUIRE(file && fputs(p->text, file) >= 0 && fclose(file) == 0);
    /* For NVIDIA's own compiler (test_nvrtc.sh): nothing is run. */
    if (getenv("AYF_FAKE_TEXTS")) {
        snprintf(command, sizeof command, "mv %s \"$AYF_FAKE_TEXTS\" && rm %s", source, p->path);
        FAKE_REQUIRE(system(command) == 0);
        return NVRTC_SUCCESS;
    }
    /* A mistake on purpose (mutation.sh). */
    if (getenv("AYF_FAKE_SED")) {
        snprintf(command, sizeof command, "sed -i -e \"$AYF_FAKE_SED\" %s", source);
        FAKE_REQUIRE(system(command) == 0);
    }
    snprintf(command, sizeof command,
             "cc -std=gnu11 -O0 -w -fno-strict-aliasing -ffp-contract=off %s -include %s -shared -fPIC -o %s %s "
             "-lm 2>%s.log",
             getenv("AYF_FIBERS") ? "-DAYF_FIBERS" : "", AYF_SHIM, p->path, source, p->path);
    int failed = system(command);
    snprintf(command, sizeof command, "%s.log", p->path);
    if (failed) {
        file = fopen(command, "r");
        if (file) p->log[fread(p->log, 1, sizeof p->log - 1, file)] = 0;
        if (file) fclose(file);
    }
    unlink(command);
    unlink(source);
    fake_count(&fake.compilations, 1);
    long index = fake_count(&made_count, 1) - 1;
    if (index < MADE) memcpy(made[index], p->path, sizeof p->path);
    return failed ? NVRTC_ERROR_COMPILATION : NVRTC_SUCCESS;
}

ayf_nvrtc_result nvrtcGetProgramLogSize(ayf_nvrtc_program which, size_t *size) {
    *size = strlen(((program *)which)->log) + 1;
    return NVRTC_SUCCESS;
}

ayf_nvrtc_result nvrtcGetProgramLog(ayf_nvrtc_program which, char *log) {
    strcpy(log, ((program *)which)->log);
    return NVRTC_SUCCESS;
}

static ayf_nvrtc_result get(ayf_nvrtc_program which, char *image) {
    if (fake_fails()) return 1;
    strcpy(image, ((program *)which)->path);
    return NVRTC_SUCCESS;
}

static ayf_nvrtc_result get_size(ayf_nvrtc_program which, size_t *size) {
    *size = strlen(((program *)which)->path) + 1;
    return fake_fails() ? 1 : NVRTC_SUCCESS;
}

ayf_nvrtc_result nvrtcGetCUBINSize(ayf_nvrtc_program p, size_t *size) { return get_size(p, size); }
ayf_nvrtc_result nvrtcGetCUBIN(ayf_nvrtc_program p, char *image) { return get(p, image); }
ayf_nvrtc_result nvrtcGetPTXSize(ayf_nvrtc_program p, size_t *size) { return get_size(p, size); }
ayf_nvrtc_result nvrtcGetPTX(ayf_nvrtc_program p, char *image) { return get(p, image); }
