/* ayf demo: from nothing to a student that draws in one call, and the same student fine-tuned. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* Two cores, ten minutes at most. Teacher and weak teacher see the same data, and so measure the same sigma_data. */
static const char usual_data[] = "builtin:emoji";
static const char *const common[] = {"data.resolution=16", "data.channels=3",
                                     "data.center=true",   "data.mirror=true",
                                     "save.every=500",     "save.grid_every=1000000"}; /* a grid at the end */
static const char *const teacher[] = {
    "model.channels=32",          "model.multipliers=1,2,3", "model.blocks=1", "model.attention=8",
    "model.channels_per_head=32", "train.steps=1000",        "train.batch=64", "train.lr=0.01"};
static const char *const weak[] = {"model.channels=16", "model.multipliers=1,1", "model.blocks=1",
                                   "model.attention=",  "train.steps=300",       "train.batch=64",
                                   "train.lr=0.01"};
static const char *const student[] = {"train.steps=600", "train.batch=48", "train.lr=0.005",
                                      "distill.guidance_min=1", "distill.guidance_max=2"};
static const char *const tuned[] = {"train.steps=150",           "train.batch=32",
                                    "finetune.channel_base=512", "finetune.channel_max=32",
                                    "distill.guidance_min=1.5",  "distill.guidance_max=1.5"};
static const char *const features[] = {"data.resolution=16", "data.channels=3", "train.steps=1000"};
static const double guidance = 1.5;

enum { COLUMNS = 18, IMAGES = 128, SCALE = 3, JUDGED = 1000, REFERENCE = 8192, JUDGED_TEACHER_STEPS = 8 };
static const int calls[] = {1, 2, 4, 8};

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))
enum { SETTINGS_MAX = 24 };

#define CHECKED(call)                                                                                        \
    do {                                                                                                     \
        ayf_status checked = (call);                                                                         \
        if (checked != AYF_OK) return checked;                                                               \
    } while (0)

typedef struct demo {
    cli *c;
    const char *folder, *data;
    char *data_setting; /* data.source=... */
    char *again;
    char *teacher_path, *weak_path, *student_path, *tuned_path, *features_path, *picture_path;
    ayf_model *teacher, *weak, *student, *tuned;
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
    settings[count++] = d->data_setting;
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
    if (code) return code;
    char *student_key = join("finetune.student=", d->student_path);
    const char *more[] = {student_key, NULL};
    code = student_key ? train(d, AYF_RUN_FINETUNE, "tuned", tuned, COUNT(tuned), more, &d->tuned_path)
                       : cli_error(d->c, AYF_E_MEMORY, "out of memory");
    free(student_key);
    return code;
}

static int open_all(demo *d) {
    int code = cli_open_model(d->c, d->teacher_path, &d->teacher);
    if (!code) code = cli_open_model(d->c, d->weak_path, &d->weak);
    if (!code) code = cli_open_model(d->c, d->student_path, &d->student);
    if (!code) code = cli_open_model(d->c, d->tuned_path, &d->tuned);
    if (code) return code;
    double t_max = ayf_model_describe(d->student).guidance_t_max;
    if (ayf_model_guide(d->teacher, d->weak) != AYF_OK || ayf_model_guide_until(d->teacher, t_max) != AYF_OK)
        return cli_fail(d->c);
    return 0;
}

/* Who is shown and judged, row by row. */
typedef struct exhibit {
    const char *name;
    ayf_model *model;
    int steps, judged_steps; /* the teacher's many steps would take too long for many images */
} exhibit;
enum { EXHIBITS = 5 };

static void name_exhibits(const demo *d, exhibit out[EXHIBITS]) {
    const exhibit all[EXHIBITS] = {{"teacher, Heun", d->teacher, AYF_TEACHER_STEPS, JUDGED_TEACHER_STEPS},
                                   {"student", d->student, 1, 1},
                                   {"student", d->student, 2, 2},
                                   {"student", d->student, 4, 4},
                                   {"fine-tuned", d->tuned, 1, 1}};
    memcpy(out, all, sizeof all);
}

static int draw_picture(demo *d) {
    ayf_model_facts facts = ayf_model_describe(d->student);
    size_t row = (size_t)COLUMNS * (size_t)facts.height * (size_t)facts.width * (size_t)facts.channels;
    float *images = calloc(EXHIBITS * row, sizeof *images);
    if (!images) return cli_error(d->c, AYF_E_MEMORY, "out of memory");
    exhibit all[EXHIBITS];
    int classes[COLUMNS];
    name_exhibits(d, all);
    for (int i = 0; i < COLUMNS; i++) classes[i] = facts.classes ? i % facts.classes : 0;
    ayf_status status = AYF_OK;
    for (int i = 0; i < EXHIBITS && status == AYF_OK; i++) {
        ayf_sample_options options = {
            .guidance = guidance, .steps = all[i].steps, .classes = facts.classes ? classes : NULL};
        status = ayf_model_sample(all[i].model, &options, COLUMNS, images + (size_t)i * row, NULL);
    }
    char comment[200];
    snprintf(comment, sizeof comment,
             "ayf %s demo: rows are the teacher with %d Heun steps, the student with 1, 2 and 4 calls, the "
             "fine-tuned student with 1; columns are seeds 0 to %d",
             ayf_version(), AYF_TEACHER_STEPS, COLUMNS - 1);
    int code = status == AYF_OK ? cli_picture(d->c, d->picture_path, images, EXHIBITS * COLUMNS, COLUMNS,
                                              facts.height, facts.width, facts.channels, SCALE, comment)
                                : cli_fail(d->c);
    free(images);
    return code;
}

static int print_fidelity(demo *d) {
    ayf_fidelity_row rows[COUNT(calls)];
    ayf_fidelity_options options = {
        .calls = calls, .call_count = COUNT(calls), .guidance = guidance, .images = IMAGES};
    if (ayf_fidelity(d->student, d->teacher, &options, rows) != AYF_OK) return cli_fail(d->c);
    cli_fidelity_table(rows, COUNT(calls), IMAGES);
    return 0;
}

static void print_row(const char *name, int network_calls, const ayf_eval_row *row) {
    char count[16] = "-";
    if (network_calls) snprintf(count, sizeof count, "%d", network_calls);
    printf("%-16s %6s %8.3f %10.3f %8.3f %8.3f\n", name, count, row->fd, row->precision, row->recall,
           row->nearest);
}

static ayf_status measure(demo *d, ayf_eval *eval) {
    exhibit all[EXHIBITS];
    ayf_eval_row row;
    name_exhibits(d, all);
    putchar('\n');
    CHECKED(ayf_eval_describe(eval, cli_print_line, NULL));
    printf("\n%-16s %6s %8s %10s %8s %8s\n", "", "calls", "FD", "precision", "recall", "nearest");
    CHECKED(ayf_eval_floor(eval, &row));
    print_row("real images", 0, &row);
    for (int i = 0; i < EXHIBITS; i++) {
        int per_step = all[i].model == d->teacher ? 2 : 1;
        ayf_sample_options how = {.guidance = guidance, .steps = all[i].judged_steps};
        CHECKED(ayf_eval_model(eval, all[i].model, &how, &row));
        print_row(all[i].name, per_step * all[i].judged_steps, &row);
    }
    printf(
        "\nnearest: RMS of the pixels, in [-1, 1], to the nearest picture of the data (median); pictures of "
        "the\n"
        "data have %.3f among themselves. Samples that are much nearer are copies: runs of many times this\n"
        "length may learn the pictures by heart.\n",
        row.nearest_real);
    return AYF_OK;
}

static int print_distance(demo *d) {
    ayf_features_options fit = {.data = d->data, .settings = features, .setting_count = COUNT(features)};
    ayf_eval_options options = {
        .data = d->data, .features = d->features_path, .count = JUDGED, .reference = REFERENCE};
    ayf_eval *eval = NULL;
    cli_say(d->c, "fitting features, drawing %d images of each to compare with the data", JUDGED);
    bool good = ayf_features_fit(d->c->ctx, d->features_path, &fit, NULL) == AYF_OK &&
                ayf_eval_open(d->c->ctx, &options, &eval) == AYF_OK && measure(d, eval) == AYF_OK;
    int code = good ? 0 : cli_fail(d->c);
    ayf_eval_close(eval);
    return code;
}

static int show(demo *d) {
    d->picture_path = join(d->folder, "/demo.png");
    d->features_path = join(d->folder, "/features.safetensors");
    if (!d->picture_path || !d->features_path) return cli_error(d->c, AYF_E_MEMORY, "out of memory");
    int code = open_all(d);
    if (!code) code = draw_picture(d);
    if (!code) code = print_fidelity(d);
    if (!code) code = print_distance(d);
    if (!code)
        printf("\n%s: rows are the teacher with %d Heun steps, the student with 1, 2 and 4 network calls and "
               "the\n"
               "fine-tuned student with 1, from the same noise\n",
               d->picture_path, AYF_TEACHER_STEPS);
    return code;
}

int cli_demo(cli *c, const cli_args *args) {
    demo d = {.c = c,
              .folder = args->positional_count ? args->positional[0] : "ayf-demo",
              .data = args->value[CLI_OPT_demo_data] ? args->value[CLI_OPT_demo_data] : usual_data,
              .again = cli_command_line(c)};
    d.data_setting = join("data.source=", d.data);
    int code = d.again && d.data_setting ? cli_check_output(c, d.folder, true, 0)
                                         : cli_error(c, AYF_E_MEMORY, "out of memory");
    if (!code) code = train_all(&d);
    if (!code) code = show(&d);
    ayf_model_close(d.tuned);
    ayf_model_close(d.student);
    ayf_model_close(d.teacher);
    ayf_model_close(d.weak);
    free(d.teacher_path);
    free(d.weak_path);
    free(d.student_path);
    free(d.tuned_path);
    free(d.features_path);
    free(d.picture_path);
    free(d.data_setting);
    free(d.again);
    return code;
}
