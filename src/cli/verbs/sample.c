#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "cli.h"

enum { SEEDS_MAX = 1 << 22, CLASSES_MAX = 1 << 16 };

typedef enum out_kind { OUT_GRID, OUT_FOLDER, OUT_CSV } out_kind;

typedef struct job {
    cli *c;
    const cli_args *args;
    ayf_model *model, *weak;
    ayf_model_facts facts;
    ayf_sample_options options;
    uint64_t *seeds, *class_list;
    size_t seed_count, class_count;
    int *classes; /* per image, when asked for; else NULL */
    double *times;
    size_t time_count;
    size_t values; /* of one image */
    int scale, columns;
    const char *out;
    out_kind kind;
} job;

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcasecmp(text + n - m, end) == 0;
}

static int choose_output(job *j) {
    struct stat info;
    bool points = j->facts.points;
    j->out = j->args->value[CLI_OPT_out] ? j->args->value[CLI_OPT_out] : "samples.png";
    bool exists = stat(j->out, &info) == 0, is_folder = exists && S_ISDIR(info.st_mode);
    if (!*j->out) return cli_error(j->c, AYF_E_USAGE, "--out: name a file or a folder");
    if (!points && !is_folder && ends_with(j->out, ".csv"))
        return cli_error(j->c, AYF_E_USAGE, "--out %s: %s draws images, and only points make a table", j->out,
                         j->args->positional[0]);
    if (!is_folder && (ends_with(j->out, ".jpg") || ends_with(j->out, ".jpeg")))
        return cli_error(j->c, AYF_E_USAGE, "--out %s: only PNG is written; name FILE.png or a folder",
                         j->out);
    j->kind = points && ends_with(j->out, ".csv")                   ? OUT_CSV
              : ends_with(j->out, ".png") || (exists && !is_folder) ? OUT_GRID
                                                                    : OUT_FOLDER;
    return 0;
}

static int read_options(job *j) {
    const cli_args *a = j->args;
    int code;
    j->scale = 1;
    if ((code = cli_get_list(a, CLI_OPT_seeds, UINT64_MAX - 1, SEEDS_MAX, &j->seeds, &j->seed_count)) ||
        (code = cli_get_list(a, CLI_OPT_class_, INT_MAX, CLASSES_MAX, &j->class_list, &j->class_count)) ||
        (code = cli_get_int(a, CLI_OPT_sample_steps, 1, AYF_STEPS_MOST, &j->options.steps)) ||
        (code = cli_get_reals(a, CLI_OPT_times, &j->times, &j->time_count)) ||
        (code = cli_get_real(a, CLI_OPT_gamma, 0, 1, &j->options.gamma)) ||
        (code = cli_get_real(a, CLI_OPT_guidance, 1e-6, 100, &j->options.guidance)) ||
        (code = cli_get_int(a, CLI_OPT_grid, 1, 16384, &j->columns)) ||
        (code = cli_get_int(a, CLI_OPT_scale, 1, 64, &j->scale)) ||
        (code = cli_get_solver(a, &j->options.solver)))
        return code;
    if (j->times) {
        if (j->time_count < 2)
            return cli_error(j->c, AYF_E_USAGE, "--times %s: give at least 1,0", a->value[CLI_OPT_times]);
        if (j->options.steps && j->options.steps != (int)j->time_count - 1)
            return cli_error(j->c, AYF_E_USAGE, "--times gives %zu steps, --steps %d; leave one out",
                             j->time_count - 1, j->options.steps);
        j->options.steps = (int)j->time_count - 1;
        j->options.times = j->times;
    }
    if (!j->seeds) {
        enum { DEFAULT_SEEDS = 16 };
        j->seed_count = DEFAULT_SEEDS;
        j->seeds = malloc(DEFAULT_SEEDS * sizeof *j->seeds);
        if (!j->seeds) return cli_error(j->c, AYF_E_MEMORY, "out of memory");
        for (size_t i = 0; i < DEFAULT_SEEDS; i++) j->seeds[i] = i;
    }
    return 0;
}

static int open_models(job *j) {
    const cli_args *a = j->args;
    int code = cli_open_model(j->c, a->positional[0], &j->model);
    if (code) return code;
    j->facts = ayf_model_describe(j->model);
    j->values = (size_t)j->facts.height * (size_t)j->facts.width * (size_t)j->facts.channels;
    if ((a->value[CLI_OPT_weak] || a->value[CLI_OPT_cfg]) && !a->value[CLI_OPT_guidance])
        return cli_error(j->c, AYF_E_USAGE,
                         "--%s changes nothing without --guidance; give for example --guidance 1.5",
                         a->value[CLI_OPT_cfg] ? "cfg" : "weak");
    return cli_guide(j->c, a, j->model, &j->weak);
}

static int spread_classes(job *j) {
    if (!j->class_list) return 0;
    if (!j->facts.classes)
        return cli_error(j->c, AYF_E_USAGE, "--class: %s was trained without classes; leave it out",
                         j->args->positional[0]);
    for (size_t i = 0; i < j->class_count; i++)
        if (j->class_list[i] >= (uint64_t)j->facts.classes)
            return cli_error(j->c, AYF_E_USAGE, "--class %llu: the classes of %s are 0 to %d",
                             (unsigned long long)j->class_list[i], j->args->positional[0],
                             j->facts.classes - 1);
    j->classes = malloc(j->seed_count * sizeof *j->classes);
    if (!j->classes) return cli_error(j->c, AYF_E_MEMORY, "out of memory");
    for (size_t i = 0; i < j->seed_count; i++) j->classes[i] = (int)j->class_list[i % j->class_count];
    return 0;
}

static bool in_32_bits(const job *j) { return j->facts.precision == AYF_PRECISION_HIGHEST; }

/* What the PNG says about itself. */
static void put_comment(const job *j, char *text, size_t size, const char *seeds, const char *classes) {
    const cli_args *a = j->args;
    char steps[16] = "";
    bool student = strcmp(j->facts.role, "student") == 0;
    if (!j->times && j->options.solver != AYF_SOLVER_REFERENCE)
        snprintf(steps, sizeof steps, "%d",
                 j->options.steps ? j->options.steps
                 : student        ? AYF_STUDENT_STEPS
                                  : AYF_TEACHER_STEPS);
    int used =
        snprintf(text, size, "ayf %s sample: model %s (%s of %s, step %llu), seeds %s", ayf_version(),
                 a->positional[0], j->facts.role, j->facts.data, (unsigned long long)j->facts.step, seeds);
    const struct {
        const char *name, *value;
    } options[] = {{"class", classes},
                   {"steps", *steps ? steps : NULL},
                   {"times", a->value[CLI_OPT_times]},
                   {"gamma", a->value[CLI_OPT_gamma]},
                   {"guidance", a->value[CLI_OPT_guidance]},
                   {"weak", a->value[CLI_OPT_weak]},
                   {"guided by", a->value[CLI_OPT_cfg] ? "the same without class" : NULL},
                   {"solver", a->value[CLI_OPT_solver]},
                   {"precision", in_32_bits(j) ? NULL : ayf_precision_name(j->facts.precision)}};
    for (size_t i = 0; i < sizeof options / sizeof *options && used > 0 && (size_t)used < size; i++)
        if (options[i].value)
            used += snprintf(text + used, size - (size_t)used, ", %s %s", options[i].name, options[i].value);
}

/* Images first .. first + count - 1 of the job. */
static int draw(job *j, size_t first, size_t count, float *images, int *classes) {
    ayf_sample_options options = j->options;
    options.seeds = j->seeds + first;
    options.classes = j->classes ? j->classes + first : NULL;
    return ayf_model_sample(j->model, &options, (int)count, images, classes) == AYF_OK ? 0 : cli_fail(j->c);
}

static int write_csv(job *j, const float *points, const int *classes) {
    FILE *file = fopen(j->out, "w");
    if (!file) return cli_error(j->c, AYF_E_IO, "%s: cannot write this file", j->out);
    fputs("seed,class,x,y\n", file);
    for (size_t i = 0; i < j->seed_count; i++)
        fprintf(file, "%llu,%d,%.9g,%.9g\n", (unsigned long long)j->seeds[i], classes[i], points[2 * i],
                points[2 * i + 1]);
    bool failed = ferror(file) != 0;
    failed |= fclose(file) != 0;
    return failed ? cli_error(j->c, AYF_E_IO, "%s: cannot write this file; is the disk full?", j->out) : 0;
}

static int write_together(job *j) {
    float *images = calloc(j->seed_count, j->values * sizeof *images);
    int *classes = calloc(j->seed_count, sizeof *classes);
    char comment[4096];
    put_comment(j, comment, sizeof comment,
                j->args->value[CLI_OPT_seeds] ? j->args->value[CLI_OPT_seeds] : "0-15",
                j->args->value[CLI_OPT_class_]);
    int columns = j->columns ? j->columns : (int)ceil(sqrt((double)j->seed_count));
    int code = images && classes
                   ? draw(j, 0, j->seed_count, images, classes)
                   : cli_error(j->c, AYF_E_MEMORY, "out of memory for %zu images", j->seed_count);
    if (!code && j->kind == OUT_CSV)
        code = write_csv(j, images, classes);
    else if (!code)
        code = cli_picture(j->c, j->out, images, (int)j->seed_count, columns, j->facts.height, j->facts.width,
                           j->facts.channels, j->scale, comment);
    free(classes);
    free(images);
    return code;
}

static int write_one(job *j, size_t index, const float *image, int class) {
    char seed[32], class_text[16], comment[4096];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)j->seeds[index]);
    snprintf(class_text, sizeof class_text, "%d", class);
    put_comment(j, comment, sizeof comment, seed, class >= 0 ? class_text : NULL);
    size_t size = strlen(j->out) + sizeof seed + sizeof "/000000.png";
    char *path = malloc(size);
    if (!path) return cli_error(j->c, AYF_E_MEMORY, "out of memory");
    snprintf(path, size, "%s/%06llu.png", j->out, (unsigned long long)j->seeds[index]);
    ayf_status status =
        ayf_image_write(j->c->ctx, path, image, j->facts.height, j->facts.width, j->facts.channels, comment);
    free(path);
    return status == AYF_OK ? 0 : cli_fail(j->c);
}

static int write_folder(job *j) {
    if (j->facts.points)
        return cli_error(j->c, AYF_E_USAGE, "%s draws points: --out FILE.png shows them, FILE.csv lists them",
                         j->args->positional[0]);
    int code = cli_make_folder(j->c, j->out);
    if (code) return code;
    size_t chunk = 256; /* drawn before they are written */
    if (chunk > j->seed_count) chunk = j->seed_count;
    float *images = calloc(chunk, j->values * sizeof *images);
    int *classes = calloc(chunk, sizeof *classes);
    if (!images || !classes) code = cli_error(j->c, AYF_E_MEMORY, "out of memory for %zu images", chunk);
    for (size_t first = 0; first < j->seed_count && !code; first += chunk) {
        size_t count = j->seed_count - first < chunk ? j->seed_count - first : chunk;
        code = draw(j, first, count, images, classes);
        for (size_t i = 0; i < count && !code; i++)
            code = write_one(j, first + i, images + i * j->values, classes[i]);
        if (!code && j->seed_count > chunk) cli_say(j->c, "%zu of %zu images", first + count, j->seed_count);
    }
    free(classes);
    free(images);
    return code;
}

int cli_sample(cli *c, const cli_args *args) {
    job j = {.c = c, .args = args};
    int code = read_options(&j);
    if (!code) code = open_models(&j);
    if (!code) code = spread_classes(&j);
    if (!code) code = choose_output(&j);
    if (!code && !in_32_bits(&j))
        cli_say(c, "%s: computes in %s", args->positional[0], ayf_precision_name(j.facts.precision));
    if (!code) code = j.kind == OUT_FOLDER ? write_folder(&j) : write_together(&j);
    if (!code) cli_print_line(NULL, j.out);
    ayf_model_close(j.model);
    ayf_model_close(j.weak);
    free(j.seeds);
    free(j.class_list);
    free(j.classes);
    free(j.times);
    return code;
}
