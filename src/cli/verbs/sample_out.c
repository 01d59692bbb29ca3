/* ayf sample: a grid, a folder, a table or a batch. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sample.h"

typedef cli_sample_job job;

enum { LABELLED_SCALE_MOST = 16, LABEL_HEIGHT = 20 }; /* of ayf_grid; of a line of words at most */

enum {
    CHUNK = 256,        /* drawn between two looks at the progress */
    DECODED_CHUNK = 16, /* the same with a decoder, whose pictures are large */
    SEED_SIZE = 32,
    CLASS_SIZE = 96,
    LABEL_SIZE = 64
};

/* ---- Where to ---- */

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcasecmp(text + n - m, end) == 0;
}

/* A name that promises a kind of file which is not written. */
static bool is_foreign(const char *path) {
    static const char *const ends[] = {".jpg",  ".jpeg", ".webp", ".gif", ".bmp",        ".tif",
                                       ".tiff", ".npy",  ".zip",  ".tar", ".pt",         ".pkl",
                                       ".json", ".txt",  ".html", ".mp4", ".safetensors"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_with(path, ends[i])) return true;
    return false;
}

static int choose_kind(job *j) {
    static const cli_sample_kind kinds[] = {CLI_SAMPLE_GRID, CLI_SAMPLE_NPZ, CLI_SAMPLE_CSV};
    static const char *const names[] = {"png", "npz", "csv"}, *const ends[] = {".png", ".npz", ".csv"},
                             *const files[] = {"samples.png", "samples.npz", "samples.csv"};
    const char *out = j->args->value[CLI_OPT_out];
    struct stat info;
    int format = -1, named = -1, code = cli_get_choice(j->args, CLI_OPT_sample_format, names, 3, &format);
    if (code) return code;
    j->to_stdout = out && (strcmp(out, "-") == 0 || strcmp(out, "/dev/stdout") == 0);
    j->out = j->to_stdout ? "/dev/stdout" : out ? out : files[format < 0 ? 0 : format];
    if (!*j->out) return cli_error(j->c, AYF_E_USAGE, "--out: name a file or a folder");
    bool exists = stat(j->out, &info) == 0, is_folder = exists && S_ISDIR(info.st_mode);
    for (int i = 0; i < 3 && !is_folder; i++)
        if (ends_with(j->out, ends[i])) named = i;
    if (format >= 0 && named >= 0 && format != named)
        return cli_error(j->c, AYF_E_USAGE, "--format %s and --out %s are two formats; leave out --format",
                         j->args->value[CLI_OPT_sample_format], j->out);
    if (format < 0) format = named;
    if (!exists && format < 0 && is_foreign(j->out))
        return cli_error(
            j->c, AYF_E_USAGE,
            "--out %s: this format is not written; name FILE.png, FILE.npz, FILE.csv (points) or a folder",
            j->out);
    bool stream = j->to_stdout || strncmp(j->out, "/dev/", strlen("/dev/")) == 0;
    if (format < 0 && !stream && exists && S_ISREG(info.st_mode))
        return cli_error(
            j->c, AYF_E_USAGE,
            "--out %s: is a file, and its name does not say which format to write; name FILE.png, "
            "FILE.npz, FILE.csv (points) or a folder, or give --format",
            j->out);
    bool one_file = j->to_stdout || (exists && !is_folder);
    j->kind = format > 0 || (format == 0 && !is_folder) ? kinds[format]
              : one_file                                ? CLI_SAMPLE_GRID
                                                        : CLI_SAMPLE_FOLDER;
    if (is_folder && j->kind != CLI_SAMPLE_FOLDER)
        return cli_error(j->c, AYF_E_USAGE, "--out %s: is a folder; name a file for --format %s", j->out,
                         j->args->value[CLI_OPT_sample_format]);
    return 0;
}

/* Options and data that do not suit the kind of output. */
static int check_kind(const job *j) {
    const char *model = j->args->positional[0];
    const bool grid = j->kind == CLI_SAMPLE_GRID && !j->facts.points;
    if (j->kind == CLI_SAMPLE_CSV && !j->facts.points)
        return cli_error(j->c, AYF_E_USAGE, "--out %s: %s draws images, and only points make a table", j->out,
                         model);
    if (j->kind == CLI_SAMPLE_FOLDER && j->facts.points)
        return cli_error(j->c, AYF_E_USAGE,
                         "%s draws points: --out FILE.png shows them, FILE.csv and FILE.npz list them",
                         model);
    if (j->facts.latents && j->kind != CLI_SAMPLE_NPZ)
        return cli_error(
            j->c, AYF_E_USAGE,
            "--out %s: %s draws latents of %d x %d x %d; --decoder FILE makes pictures of them (ayf import "
            "--role decoder makes it of a VAE), and --out FILE.npz takes them as they are",
            j->out, model, j->facts.height, j->facts.width, j->facts.channels);
    static const cli_option of_grids[] = {CLI_OPT_grid, CLI_OPT_scale, CLI_OPT_label};
    for (int i = 0; i < 3 && !grid; i++)
        if (j->args->value[of_grids[i]])
            return cli_error(j->c, AYF_E_USAGE,
                             "--%s is for one grid of images (--out FILE.png); leave it out",
                             cli_options[of_grids[i]].name);
    if (j->args->value[CLI_OPT_label] && j->scale > LABELLED_SCALE_MOST)
        return cli_error(j->c, AYF_E_USAGE, "--scale %d: at most %d with --label", j->scale,
                         LABELLED_SCALE_MOST);
    return 0;
}

/* What the output will take on the disk at most. Pictures rarely become smaller by more than half. */
static uint64_t bytes_needed(const job *j) {
    enum { BLOCK = 4096, COMMENT = 1024, CSV_LINE = 64 };
    uint64_t count = j->seed_count, one = j->values, scale = (uint64_t)j->scale;
    switch (j->kind) {
    case CLI_SAMPLE_GRID:
        return j->facts.points ? BLOCK : count * one * (scale * scale > 2 ? 2 : scale * scale) + COMMENT;
    case CLI_SAMPLE_FOLDER:
        return count * ((one + COMMENT + BLOCK - 1) / BLOCK * BLOCK);
    case CLI_SAMPLE_CSV:
        return count * CSV_LINE;
    case CLI_SAMPLE_NPZ:
        return count * (one * (j->facts.points || j->facts.latents ? sizeof(float) : 1) +
                        (j->facts.classes ? sizeof(int64_t) : 0)) +
               COMMENT;
    }
    return 0;
}

static int check_size(const job *j) {
    int height = j->facts.height, width = j->facts.width, scale = j->scale;
    if (j->args->value[CLI_OPT_label]) {
        height = height * scale + LABEL_HEIGHT;
        width = width * scale + 2;
        scale = 1;
    }
    return cli_check_picture(j->c, j->out, j->seed_count, j->columns, height, width, scale);
}

int cli_sample_choose_output(job *j) {
    int code = choose_kind(j);
    if (!code) code = check_kind(j);
    if (!j->columns) j->columns = (int)ceil(sqrt((double)j->seed_count));
    if (!code && j->to_stdout && isatty(STDOUT_FILENO) && j->kind != CLI_SAMPLE_CSV)
        code = cli_error(j->c, AYF_E_USAGE,
                         "--out -: a picture is nothing for a terminal; send it to a file or a pipe");
    if (!code && j->kind == CLI_SAMPLE_GRID && !j->facts.points) code = check_size(j);
    if (code) return code;
    return cli_check_output(j->c, j->out, j->kind == CLI_SAMPLE_FOLDER, bytes_needed(j));
}

/* ---- What the picture says ---- */

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
                   {"guidance up to t =", a->value[CLI_OPT_guidance_t_max]},
                   {"weak", a->value[CLI_OPT_weak]},
                   {"decoder", a->value[CLI_OPT_decoder]},
                   {"guided by", a->value[CLI_OPT_cfg] ? "the same without class" : NULL},
                   {"solver", a->value[CLI_OPT_solver]},
                   {"precision", cli_sample_in_32_bits(j) ? NULL : ayf_precision_name(j->facts.precision)}};
    for (size_t i = 0; i < sizeof options / sizeof *options && used > 0 && (size_t)used < size; i++)
        if (options[i].value)
            used += snprintf(text + used, size - (size_t)used, ", %s %s", options[i].name, options[i].value);
}

/* ---- One file ---- */

/* Receives the next `count` samples of the job. */
typedef int take_function(job *j, void *to, size_t first, size_t count, const float *images,
                          const int *classes);

static int draw_all(job *j, take_function *take, void *to) {
    size_t most = j->decoder ? DECODED_CHUNK : CHUNK, chunk = j->seed_count < most ? j->seed_count : most;
    float *images = calloc(chunk, j->values * sizeof *images);
    int *classes = calloc(chunk, sizeof *classes), code = 0;
    if (!images || !classes) code = cli_error(j->c, AYF_E_MEMORY, "out of memory for %zu images", chunk);
    for (size_t first = 0, count; first < j->seed_count && !code; first += count) {
        count = j->seed_count - first < chunk ? j->seed_count - first : chunk;
        code = cli_sample_draw(j, first, count, images, classes);
        if (!code) code = take(j, to, first, count, images, classes);
        if (!code && j->seed_count > chunk) cli_say(j->c, "%zu of %zu images", first + count, j->seed_count);
    }
    free(classes);
    free(images);
    return code;
}

typedef struct all {
    float *images;   /* grid, points, latents */
    uint8_t *pixels; /* of a batch of images */
    int *classes;
} all;

static int keep(job *j, void *to, size_t first, size_t count, const float *images, const int *classes) {
    all *a = to;
    memcpy(a->classes + first, classes, count * sizeof *classes);
    if (a->images) memcpy(a->images + first * j->values, images, count * j->values * sizeof *images);
    if (a->pixels) ayf_image_quantise(images, a->pixels + first * j->values, count * j->values);
    return 0;
}

static int write_csv(const job *j, const all *a) {
    char *text = NULL;
    size_t size = 0;
    FILE *lines = open_memstream(&text, &size);
    if (!lines) return cli_error(j->c, AYF_E_MEMORY, "out of memory");
    fputs("seed,class,x,y\n", lines);
    for (size_t i = 0; i < j->seed_count; i++)
        fprintf(lines, "%llu,%d,%.9g,%.9g\n", (unsigned long long)j->seeds[i], a->classes[i],
                (double)a->images[2 * i], (double)a->images[2 * i + 1]);
    bool failed = ferror(lines) != 0;
    int code = 0;
    if (fclose(lines) != 0 || failed)
        code = cli_error(j->c, AYF_E_MEMORY, "out of memory for the table");
    else if (ayf_output_write(j->c->ctx, j->out, text, size) != AYF_OK)
        code = cli_fail(j->c);
    free(text);
    return code;
}

static int write_npz(const job *j, const all *a) {
    ayf_batch batch = {.count = (int)j->seed_count,
                       .height = j->facts.height,
                       .width = j->facts.width,
                       .channels = j->facts.channels,
                       .pixels = a->pixels,
                       .points = j->facts.points ? a->images : NULL,
                       .latents = j->facts.latents ? a->images : NULL,
                       .classes = j->facts.classes ? a->classes : NULL};
    return ayf_batch_write(j->c->ctx, j->out, &batch) == AYF_OK ? 0 : cli_fail(j->c);
}

/* Under each image the name of its class, or its seed. */
static int write_labelled(const job *j, const all *a, const char *comment) {
    size_t count = j->seed_count;
    char(*labels)[LABEL_SIZE] = calloc(count, sizeof *labels);
    const char **under = calloc(count, sizeof *under);
    int code = labels && under ? 0 : cli_error(j->c, AYF_E_MEMORY, "out of memory");
    for (size_t i = 0; i < count && !code; i++) {
        int class = j->facts.classes ? a->classes[i] : -1;
        if (class >= 0 && j->facts.class_names)
            snprintf(labels[i], LABEL_SIZE, "%s", j->facts.class_names[class]);
        else if (class >= 0)
            snprintf(labels[i], LABEL_SIZE, "class %d", class);
        else
            snprintf(labels[i], LABEL_SIZE, "%llu", (unsigned long long)j->seeds[i]);
        under[i] = labels[i];
    }
    ayf_grid grid = {.images = a->images,
                     .count = (int)count,
                     .columns = (size_t)j->columns < count ? j->columns : (int)count,
                     .height = j->facts.height,
                     .width = j->facts.width,
                     .channels = j->facts.channels,
                     .scale = j->args->value[CLI_OPT_scale] ? j->scale : 0,
                     .under = under,
                     .comment = comment};
    if (!code && ayf_grid_write_labelled(j->c->ctx, j->out, &grid) != AYF_OK) code = cli_fail(j->c);
    free(under);
    free(labels);
    return code;
}

static int write_grid(const job *j, const all *a) {
    char comment[4096];
    const char *seeds = j->args->value[CLI_OPT_seeds];
    put_comment(j, comment, sizeof comment, seeds ? seeds : "0-15", j->args->value[CLI_OPT_class_]);
    if (j->args->value[CLI_OPT_label]) return write_labelled(j, a, comment);
    return cli_picture(j->c, j->out, a->images, (int)j->seed_count, j->columns, j->facts.height,
                       j->facts.width, j->facts.channels, j->scale, comment);
}

static int write_file(job *j) {
    bool bytes = j->kind == CLI_SAMPLE_NPZ && !j->facts.points && !j->facts.latents;
    size_t count = j->seed_count;
    all a = {.classes = calloc(count, sizeof *a.classes)};
    if (bytes)
        a.pixels = calloc(count, j->values);
    else
        a.images = calloc(count, j->values * sizeof *a.images);
    int code = a.classes && (a.pixels || a.images)
                   ? draw_all(j, keep, &a)
                   : cli_error(j->c, AYF_E_MEMORY, "out of memory for %zu images", count);
    if (!code)
        code = j->kind == CLI_SAMPLE_CSV   ? write_csv(j, &a)
               : j->kind == CLI_SAMPLE_NPZ ? write_npz(j, &a)
                                           : write_grid(j, &a);
    free(a.classes);
    free(a.pixels);
    free(a.images);
    return code;
}

/* ---- A folder ---- */

/* Bytes of the character at `text` that a file may have in its name on any system and a terminal may show; 0: it may
 * not. */
static size_t allowed(const unsigned char *text) {
    if (*text < 0x20 || *text == 0x7F || strchr("/\\:*?\"<>|", *text)) return 0;
    if (*text == 0xC2 && text[1] < 0xA0) return 0; /* control characters of Latin-1 */
    size_t size = *text < 0x80 ? 1 : *text >= 0xF0 ? 4 : *text >= 0xE0 ? 3 : *text >= 0xC0 ? 2 : 0;
    for (size_t i = 1; i < size; i++)
        if ((text[i] & 0xC0) != 0x80) return 0;
    return size;
}

/* "_class3_cat", "_class3" where classes have no names, nothing for a model without classes. What a name of a
 * file must not hold becomes "_". */
static void class_suffix(const job *j, int class, char text[CLASS_SIZE]) {
    text[0] = 0;
    if (class < 0 || !j->facts.classes) return;
    size_t used = (size_t)snprintf(text, CLASS_SIZE, "_class%d", class);
    const char *name = j->facts.class_names ? j->facts.class_names[class] : "";
    if (*name) text[used++] = '_';
    while (*name) {
        size_t size = allowed((const unsigned char *)name);
        if (used + (size ? size : 1) >= CLASS_SIZE) break;
        if (size)
            memcpy(text + used, name, size);
        else
            text[used] = '_';
        used += size ? size : 1;
        name += size ? size : 1;
    }
    text[used] = 0;
}

static int write_one(const job *j, size_t index, const float *image, int class) {
    char seed[SEED_SIZE], class_text[16], suffix[CLASS_SIZE], comment[4096];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)j->seeds[index]);
    snprintf(class_text, sizeof class_text, "%d", class);
    put_comment(j, comment, sizeof comment, seed, class >= 0 ? class_text : NULL);
    class_suffix(j, class, suffix);
    size_t size = strlen(j->out) + sizeof seed + sizeof suffix + sizeof "/000000.png";
    char *path = malloc(size);
    if (!path) return cli_error(j->c, AYF_E_MEMORY, "out of memory");
    snprintf(path, size, "%s/%06llu%s.png", j->out, (unsigned long long)j->seeds[index], suffix);
    ayf_status status =
        ayf_image_write(j->c->ctx, path, image, j->facts.height, j->facts.width, j->facts.channels, comment);
    free(path);
    return status == AYF_OK ? 0 : cli_fail(j->c);
}

static int write_some(job *j, void *to, size_t first, size_t count, const float *images, const int *classes) {
    int code = 0;
    (void)to;
    for (size_t i = 0; i < count && !code; i++)
        code = write_one(j, first + i, images + i * j->values, classes[i]);
    return code;
}

int cli_sample_write(job *j) {
    int code = 0;
    if (j->kind == CLI_SAMPLE_FOLDER) {
        code = cli_make_folder(j->c, j->out);
        if (!code) code = draw_all(j, write_some, NULL);
    } else {
        code = write_file(j);
    }
    if (!code && !j->to_stdout) cli_print_line(NULL, j->out);
    return code;
}
