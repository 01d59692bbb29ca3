/* ayf demo: from nothing to a student that draws in one call. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* Two cores, about six minutes in all. Teacher and weak teacher see the same data at the same scale. */
static const char *const common[] = {"data.source=builtin:shapes",
                                     "data.resolution=16",
                                     "data.sigma_data=0.5",
                                     "train.batch=32",
                                     "save.every=500",
                                     "save.grid_every=0"};
static const char *const teacher[] = {"model.channels=16", "model.multipliers=1,2,3", "model.blocks=1",
                                      "model.attention=",  "train.steps=2600",        "train.lr=0.01"};
static const char *const weak[] = {"model.channels=16", "model.multipliers=1,1", "model.blocks=1",
                                   "model.attention=",  "train.steps=400",       "train.lr=0.01"};
static const char *const student[] = {"train.steps=2800", "train.lr=0.005", "distill.guidance_min=1",
                                      "distill.guidance_max=2"};
static const double guidance = 1.5;

enum { COLUMNS = 16, TEACHER_STEPS = 32, IMAGES = 128, SCALE = 3 };
static const int student_steps[] = {1, 2, 4};
static const int calls[] = {1, 2, 4, 8};

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))
enum { SETTINGS_MAX = 24 };

typedef struct demo {
    cli *c;
    const char *folder;
    char *again;
    char *teacher_path, *weak_path, *student_path;
    ayf_model *teacher, *weak, *student;
} demo;

static char *join(const char *a, const char *b) {
    char *text = malloc(strlen(a) + strlen(b) + 1);
    if (text) strcat(strcpy(text, a), b);
    return text;
}

/* `extra` (NULL-terminated) comes last. */
static int train(demo *d, ayf_run_kind kind, const char *name, const char *const *own, int own_count,
                 const char *const *extra, char **model_path) {
    const char *settings[SETTINGS_MAX];
    int count = 0;
    for (int i = 0; i < COUNT(common); i++) settings[count++] = common[i];
    for (int i = 0; i < own_count; i++) settings[count++] = own[i];
    while (*extra) settings[count++] = *extra++;
    char subfolder[32];
    snprintf(subfolder, sizeof subfolder, "/%s", name);
    char *folder = join(d->folder, subfolder);
    if (!folder) return cli_error(d->c, AYF_E_MEMORY, "out of memory");
    ayf_run_options options = {.kind = kind, .folder = folder, .settings = settings, .setting_count = count};
    int code = cli_run(d->c, name, &options, d->again, model_path);
    free(folder);
    return code;
}

static int train_all(demo *d) {
    static const char *const nothing[] = {NULL};
    int code = train(d, AYF_RUN_TRAIN, "teacher", teacher, COUNT(teacher), nothing, &d->teacher_path);
    if (!code) code = train(d, AYF_RUN_TRAIN, "weak", weak, COUNT(weak), nothing, &d->weak_path);
    if (code) return code;
    char *teacher_key = join("distill.teacher=", d->teacher_path),
         *weak_key = join("distill.weak=", d->weak_path);
    const char *extra[] = {teacher_key, weak_key, NULL};
    code = teacher_key && weak_key
               ? train(d, AYF_RUN_DISTILL, "student", student, COUNT(student), extra, &d->student_path)
               : cli_error(d->c, AYF_E_MEMORY, "out of memory");
    free(teacher_key);
    free(weak_key);
    return code;
}

static int draw_picture(demo *d, const char *path) {
    ayf_model_facts facts = ayf_model_describe(d->student);
    size_t row = (size_t)COLUMNS * (size_t)facts.height * (size_t)facts.width * (size_t)facts.channels;
    enum { ROWS = COUNT(student_steps) + 1 };
    float *images = calloc(ROWS * row, sizeof *images);
    if (!images) return cli_error(d->c, AYF_E_MEMORY, "out of memory");
    int classes[COLUMNS];
    for (int i = 0; i < COLUMNS; i++) classes[i] = facts.classes ? i % facts.classes : 0;
    ayf_sample_options options = {
        .guidance = guidance, .steps = TEACHER_STEPS, .classes = facts.classes ? classes : NULL};
    ayf_status status = ayf_model_sample(d->teacher, &options, COLUMNS, images, NULL);
    for (int i = 0; i < COUNT(student_steps) && status == AYF_OK; i++) {
        options.steps = student_steps[i];
        status = ayf_model_sample(d->student, &options, COLUMNS, images + (size_t)(i + 1) * row, NULL);
    }
    int code = status == AYF_OK
                   ? cli_picture(d->c, path, images, ROWS * COLUMNS, COLUMNS, facts.height, facts.width,
                                 facts.channels, SCALE,
                                 "ayf " AYF_VERSION
                                 " demo: rows are the teacher with 32 Heun steps, the student with 1, "
                                 "2 and 4 calls; columns are seeds 0 to 15")
                   : cli_fail(d->c);
    free(images);
    return code;
}

static int show(demo *d) {
    char *path = join(d->folder, "/demo.png");
    if (!path) return cli_error(d->c, AYF_E_MEMORY, "out of memory");
    int code;
    ayf_fidelity_row rows[COUNT(calls)];
    if (!(code = cli_open_model(d->c, d->teacher_path, &d->teacher)) &&
        !(code = cli_open_model(d->c, d->weak_path, &d->weak)) &&
        !(code = cli_open_model(d->c, d->student_path, &d->student)) &&
        !(code = ayf_model_guide(d->teacher, d->weak) == AYF_OK ? 0 : cli_fail(d->c)) &&
        !(code = draw_picture(d, path))) {
        ayf_fidelity_options options = {
            .calls = calls, .call_count = COUNT(calls), .guidance = guidance, .images = IMAGES};
        if (ayf_fidelity(d->student, d->teacher, &options, rows) == AYF_OK)
            cli_fidelity_table(rows, COUNT(calls), IMAGES);
        else
            code = cli_fail(d->c);
    }
    if (!code)
        printf(
            "\n%s: rows are the teacher with %d Heun steps, then the student with 1, 2 and 4 network calls,\n"
            "from the same noise\n",
            path, TEACHER_STEPS);
    free(path);
    return code;
}

int cli_demo(cli *c, const cli_args *args) {
    demo d = {.c = c,
              .folder = args->positional_count ? args->positional[0] : "ayf-demo",
              .again = cli_command_line(c)};
    int code = d.again ? train_all(&d) : cli_error(c, AYF_E_MEMORY, "out of memory");
    if (!code) code = show(&d);
    ayf_model_close(d.student);
    ayf_model_close(d.teacher);
    ayf_model_close(d.weak);
    free(d.teacher_path);
    free(d.weak_path);
    free(d.student_path);
    free(d.again);
    return code;
}
