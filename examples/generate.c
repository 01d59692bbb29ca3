/* Loads a model and writes an image of what it draws.
 *
 *     cc generate.c -o generate $(pkg-config --cflags --libs ayf)
 *     ./generate runs/student/model.safetensors images.png 2
 */
#include <ayf.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 16, COLUMNS = 4 };

/* Draws COUNT images in `steps` network calls (0 = the model's usual number) and writes them as one picture. */
static ayf_status generate(ayf_context *ctx, ayf_model *model, int steps, const char *path) {
    ayf_model_facts facts = ayf_model_describe(model);
    size_t values = (size_t)facts.height * (size_t)facts.width * (size_t)facts.channels;
    float *images = malloc(COUNT * values * sizeof *images);
    if (!images) return AYF_E_MEMORY;
    ayf_sample_options options = {.steps = steps, .first_seed = 1};
    ayf_status status = ayf_model_sample(model, &options, COUNT, images, NULL);
    if (status == AYF_OK)
        status = ayf_grid_write(ctx, path, images, COUNT, COLUMNS, facts.height, facts.width, facts.channels);
    free(images);
    return status;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: %s MODEL IMAGE.png [STEPS]\n", argv[0]);
        return 2;
    }
    ayf_context *ctx = ayf_open(NULL);
    if (!ctx) return 1;
    ayf_model *model = NULL;
    ayf_status status = ayf_model_open(ctx, argv[1], &model);
    if (status == AYF_OK) status = generate(ctx, model, argc > 3 ? atoi(argv[3]) : 0, argv[2]);
    if (status != AYF_OK) fprintf(stderr, "%s: %s\n", ayf_status_text(status), ayf_error(ctx));
    ayf_model_close(model);
    ayf_close(ctx);
    return ayf_exit_code(status);
}
