/* Reads a model into memory, draws eight images from there and writes their values: 32-bit floats, channels last.
 * Ctrl-C is heard between two calls of the network.
 *
 *     cc embedded.c -o embedded $(pkg-config --cflags --libs ayf_sample)
 *     ./embedded runs/student/model.safetensors images.f32
 */
#include <ayf/context.h>
#include <ayf/model.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 8 };
static volatile sig_atomic_t stopped;
static void stop(int number) { stopped = number; }

static bool go_on(void *user, const char *what, uint64_t done, uint64_t total) {
    (void)user, (void)what, (void)done, (void)total;
    return !stopped;
}

/* NULL when it cannot be read. */
static void *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    void *bytes = NULL;
    if (file && fseek(file, 0, SEEK_END) == 0) {
        *size = (size_t)ftell(file);
        rewind(file);
        bytes = malloc(*size + 1);
        if (bytes && fread(bytes, 1, *size, file) != *size) {
            free(bytes);
            bytes = NULL;
        }
    }
    if (file) fclose(file);
    return bytes;
}

static ayf_status draw(ayf_model *model, const char *path) {
    ayf_model_facts facts = ayf_model_describe(model);
    size_t values = COUNT * (size_t)facts.height * (size_t)facts.width * (size_t)facts.channels;
    float *images = malloc(values * sizeof *images);
    if (!images) return AYF_E_MEMORY;
    ayf_status status = ayf_model_sample(model, &(ayf_sample_options){.steps = 2}, COUNT, images, NULL);
    FILE *file = status == AYF_OK ? fopen(path, "wb") : NULL;
    if (status == AYF_OK && (!file || fwrite(images, sizeof *images, values, file) != values))
        status = AYF_E_IO;
    if (file && fclose(file) != 0) status = AYF_E_IO;
    if (status == AYF_E_IO) fprintf(stderr, "%s: cannot be written\n", path);
    free(images);
    return status;
}

int main(int argc, char **argv) {
    size_t size;
    void *bytes = argc == 3 ? read_file(argv[1], &size) : NULL;
    if (!bytes) {
        fprintf(stderr, "usage: %s MODEL IMAGES.f32\n", argv[0]);
        return 2;
    }
    signal(SIGINT, stop);
    ayf_context *ctx = ayf_open(&(ayf_options){.threads = 1, .progress = go_on});
    ayf_model *model = NULL;
    ayf_status status = ctx ? ayf_model_open_memory(ctx, bytes, size, &model) : AYF_E_MEMORY;
    free(bytes);
    if (status == AYF_OK) status = draw(model, argv[2]);
    const char *reason = ctx ? ayf_error(ctx) : "";
    if (status != AYF_OK) fprintf(stderr, "%s%s%s\n", ayf_status_text(status), *reason ? ": " : "", reason);
    ayf_model_close(model);
    ayf_close(ctx);
    return ayf_exit_code(status);
}
