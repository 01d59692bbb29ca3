/* nvrtc LIBRARY ARCHITECTURE FILE ...: compiles the text of kernels with NVIDIA's own compiler, as compile.c asks for it, to
 * machine code. Fails when it warns, when a kernel keeps registers in memory (spills), or takes more than 128 of them. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cuda/api.h"

enum { REGISTERS = 128 };

static struct {
    ayf_nvrtc_result (*create)(ayf_nvrtc_program *, const char *, const char *, int, const char *const *,
                               const char *const *);
    ayf_nvrtc_result (*compile)(ayf_nvrtc_program, int, const char *const *);
    ayf_nvrtc_result (*log_size)(ayf_nvrtc_program, size_t *);
    ayf_nvrtc_result (*log)(ayf_nvrtc_program, char *);
    ayf_nvrtc_result (*destroy)(ayf_nvrtc_program *);
} nvrtc;

static int find(void *library, const char *name, void *to) {
    void *function = dlsym(library, name);
    memcpy(to, &function, sizeof function);
    return function != NULL;
}

static char *read_text(const char *path) {
    FILE *file = fopen(path, "r");
    char *text = NULL;
    long size = file && fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    if (size >= 0 && (text = calloc((size_t)size + 1, 1))) {
        rewind(file);
        if (fread(text, 1, (size_t)size, file) != (size_t)size) *text = 0;
    }
    if (file) fclose(file);
    return text;
}

/* "ptxas info: Used 40 registers, ...", "0 bytes spill stores" */
static int judge(const char *path, const char *log) {
    int kernels = 0, most = 0, bad = 0;
    for (const char *line = log; line && *line; line = strchr(line, '\n')) {
        char text[512];
        int used = 0, stores = 0, loads = 0, stack = 0;
        line += *line == '\n';
        snprintf(text, sizeof text, "%.*s", (int)strcspn(line, "\n"), line);
        const char *registers = strstr(text, "Used ");
        if (registers && sscanf(registers, "Used %d registers", &used) == 1) kernels++;
        if (used > most) most = used;
        if (strstr(text, "spill") &&
            sscanf(text + strspn(text, " "),
                   "%d bytes stack frame, %d bytes spill stores, %d bytes spill loads", &stack, &stores,
                   &loads) == 3)
            bad += stores + loads > 0;
        if (strstr(text, "warning")) {
            printf("%s: %s\n", path, text);
            bad++;
        }
    }
    printf("%s: %d kernels, %d registers at most, %d spill or warn\n", path, kernels, most, bad);
    return kernels == 0 || bad > 0 || most > REGISTERS;
}

static int compile(const char *path, const char *architecture) {
    const char *const options[] = {architecture, "--fmad=false", "--std=c++17", "--diag-suppress=177",
                                   "--ptxas-options=-v"};
    char *text = read_text(path), *log = NULL;
    ayf_nvrtc_program program = NULL;
    size_t size = 0;
    int failed = !text || nvrtc.create(&program, text, path, 0, NULL, NULL) != NVRTC_SUCCESS;
    if (!failed) failed = nvrtc.compile(program, 5, options) != NVRTC_SUCCESS;
    if (program && nvrtc.log_size(program, &size) == NVRTC_SUCCESS && (log = calloc(size + 1, 1)))
        nvrtc.log(program, log);
    if (failed)
        printf("%s: does not compile\n%s\n", path, log ? log : "");
    else
        failed = judge(path, log);
    if (program) nvrtc.destroy(&program);
    free(log);
    free(text);
    return failed;
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    char architecture[64];
    int failed = 0;
    snprintf(architecture, sizeof architecture, "--gpu-architecture=%s", argv[2]);
    if (!library || !find(library, "nvrtcCreateProgram", &nvrtc.create) ||
        !find(library, "nvrtcCompileProgram", &nvrtc.compile) ||
        !find(library, "nvrtcGetProgramLogSize", &nvrtc.log_size) ||
        !find(library, "nvrtcGetProgramLog", &nvrtc.log) ||
        !find(library, "nvrtcDestroyProgram", &nvrtc.destroy)) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    for (int i = 3; i < argc; i++) failed |= compile(argv[i], architecture);
    return failed;
}
