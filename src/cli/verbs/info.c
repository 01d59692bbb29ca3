#include <stdarg.h>
#include <string.h>

#include "cli.h"

static void row(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void row(const char *name, const char *format, ...) {
    va_list list;
    printf("%-12s ", name);
    va_start(list, format);
    cli_vput(stdout, format, list);
    va_end(list);
    putchar('\n');
}

static void config_lines(const char *title, const char *config) {
    if (!*config) return;
    printf("\n%s:\n", title);
    cli_put_lines(stdout, config);
}

/* "0, 5-7": the classes without a picture; cut when it becomes long. */
static void empty_row(int classes, const uint64_t *pictures) {
    enum { MOST = 20 };
    int shown = 0;
    printf("%-12s ", "  no picture");
    for (int i = 0; i < classes; i++) {
        int last = i;
        if (pictures[i]) continue;
        while (last + 1 < classes && !pictures[last + 1]) last++;
        if (shown == MOST) {
            fputs(", ...", stdout);
            break;
        }
        printf(last > i ? "%s%d-%d" : "%s%d", shown++ ? ", " : "", i, last);
        i = last;
    }
    putchar('\n');
}

/* Line by line up to 100 classes; of more the first 20 that have pictures. */
static void classes_rows(int classes, const char *const *names, const uint64_t *pictures) {
    enum { ALL = 100, SOME = 20 };
    int empty = 0, shown = 0, most = classes <= ALL ? classes : SOME;
    for (int i = 0; pictures && i < classes; i++) empty += pictures[i] == 0;
    if (!classes)
        row("classes", "none");
    else if (empty)
        row("classes", "%d, of which %d ha%s no picture: not drawn unless asked for", classes, empty,
            empty == 1 ? "s" : "ve");
    else
        row("classes", "%d", classes);
    for (int i = 0; (names || pictures) && i < classes && shown < most; i++) {
        char number[24], count[48] = "";
        if (pictures && !pictures[i] && (!names || classes > ALL)) continue;
        snprintf(number, sizeof number, "  %d", i);
        if (pictures && pictures[i])
            snprintf(count, sizeof count, "%llu picture%s", (unsigned long long)pictures[i],
                     pictures[i] == 1 ? "" : "s");
        else if (pictures)
            snprintf(count, sizeof count, "no picture");
        row(number, "%s%s%s", names ? names[i] : "", names && pictures ? ", " : "", count);
        shown++;
    }
    if (shown == SOME && classes > ALL) row("  ...", "and others");
    if (empty) empty_row(classes, pictures);
}

/* Networks that draw nothing by themselves: discriminators, features, decoders. */
static int judge_info(const char *path, const ayf_path_facts *f) {
    row("model", "%s", path);
    row("role", "%s", f->role);
    if (f->height)
        row("takes", "images of %d x %d, %d channel%s", f->width, f->height, f->channels,
            f->channels == 1 ? "" : "s");
    else
        row("takes", "latents of %d channels", f->channels);
    if (f->height) classes_rows(f->classes, NULL, NULL);
    row("parameters", "%llu", (unsigned long long)f->parameters);
    row("step", "%llu", (unsigned long long)f->step);
    row("data", "%s", *f->data ? f->data : "unknown");
    if (f->comment) row("accuracy", "%s", f->comment);
    config_lines("trained with", f->config);
    return 0;
}

static int model_info(cli *c, const char *path, const ayf_path_facts *facts) {
    ayf_model *model;
    if (ayf_model_open(c->ctx, path, &model) != AYF_OK) return cli_fail(c);
    ayf_model_facts f = ayf_model_describe(model);
    row("model", "%s", path);
    row("role", "%s", f.role);
    if (f.points)
        row("draws", "points");
    else
        row("draws", "%s of %d x %d, %d channel%s", f.latents ? "latents" : "images", f.width, f.height,
            f.channels, f.channels == 1 ? "" : "s");
    classes_rows(f.classes, f.class_names, f.class_pictures);
    row("parameters", "%llu", (unsigned long long)f.parameters);
    row("step", "%llu", (unsigned long long)f.step);
    row("data", "%s", *f.data ? f.data : "unknown");
    row("sigma_data", "%g", f.sigma_data);
    if (f.guidance_min < f.guidance_max)
        row("guidance", "%g to %g", f.guidance_min, f.guidance_max);
    else if (strcmp(f.role, "student") == 0)
        row("guidance", "%g", f.guidance_min);
    if (f.guidance_t_max < 1) row("guided until", "t = %g", f.guidance_t_max);
    row("precision", "%s", ayf_precision_name(facts->precision));
    if (facts->device) row("computed on", "%s", facts->device);
    if (facts->measured) row("measured", "%s", facts->measured);
    config_lines("trained with", f.config);
    ayf_model_close(model);
    return 0;
}

static void data_info(const ayf_path_facts *f) {
    char size[64] = "several sizes (set data.resolution to resize them)";
    char channels[64] = "grey and colour (data.channels brings them to one)";
    if (f->height) snprintf(size, sizeof size, "%d x %d", f->width, f->height);
    if (f->channels)
        snprintf(channels, sizeof channels, "%d channel%s", f->channels, f->channels == 1 ? "" : "s");
    if (f->points)
        row("kind", "points");
    else
        row("kind", "%s of %s, %s", f->latents ? "latents" : "images", size, channels);
    if (f->taken) row("note", "%s", f->taken);
    if (f->classes)
        classes_rows(f->classes, (const char *const *)f->class_names, f->class_pictures);
    else
        row("classes", "none: %s",
            f->bad_labels   ? "its labels cannot be used"
            : f->no_classes ? f->no_classes
                            : "it has no labels");
    if (f->height) row(f->latents ? "deviation" : "sigma_data", "%.4f", f->sigma);
    if (f->fingerprint) row("fingerprint", "%s", f->fingerprint);
}

/* One that is named has to be there. */
static int devices_info(cli *c, const char *named) {
    char device[AYF_DEVICE_SIZE];
    if (named && ayf_device(c->ctx, device) != AYF_OK) return cli_fail(c);
    return ayf_devices(c->ctx, cli_print_line, c) == AYF_OK ? 0 : cli_fail(c);
}

int cli_info(cli *c, const cli_args *args) {
    const char *path = args->positional[0];
    ayf_path_facts f;
    int code = 0;
    if (!path) return devices_info(c, args->value[CLI_OPT_device]);
    if (ayf_path_describe(c->ctx, path, &f) != AYF_OK) {
        code = cli_fail(c);
    } else if (f.kind == AYF_PATH_MODEL) {
        code = f.draws ? model_info(c, path, &f) : judge_info(path, &f);
    } else if (f.kind == AYF_PATH_CHECKPOINT) {
        row("checkpoint", "%s", path);
        row("step", "%llu", (unsigned long long)f.step);
        if (f.device) row("computed on", "%s", f.device);
        row("use", "%s",
            "the run it belongs to resumes from it; the model to use is model.safetensors of the run");
    } else if (f.kind == AYF_PATH_SNAPSHOT) {
        row("snapshot", "%s", path);
        row("step", "%llu", (unsigned long long)f.step);
        row("widths", "%s", f.comment);
        row("use", "%s", "ayf ema makes models of the snapshots of a run");
    } else if (f.kind == AYF_PATH_TRAJECTORIES) {
        row("trajectories", "%s", path);
        row("count", "%llu", (unsigned long long)f.count);
        row("made with", "%s", f.comment);
        row("use", "%s",
            "trajectories of a teacher for the mid-training of their run, which makes the file again when it "
            "is missing");
    } else if (f.kind == AYF_PATH_RUN) {
        row("run", "%s", path);
        if (f.running)
            row("state", "running");
        else if (f.diverged)
            row("state", "diverged in %s", f.diverged);
        else
            row("state", "%s", f.finished ? "finished" : "unfinished; the same command resumes it");
        row("step", "%llu", (unsigned long long)f.step);
        row("model", "%s", f.model_path ? f.model_path : "none yet");
        if (f.measured) row("best", "model-best.safetensors: %s", f.measured);
        row("precision", "%s", ayf_precision_name(f.precision));
        if (f.last_log) row("last log", "%s", f.last_log);
        if (f.config) config_lines("configuration", f.config);
    } else if (f.kind == AYF_PATH_IMAGE) {
        row("image", "%s", path);
        row("size", "%d x %d, %d channel%s", f.width, f.height, f.channels, f.channels == 1 ? "" : "s");
        row("made by", "%s", f.comment ? f.comment : "it does not say");
    } else {
        row("data", "%s", path);
        row("samples", "%llu", (unsigned long long)f.count);
        data_info(&f);
        if (f.bad_labels) code = cli_error(c, AYF_E_FORMAT, "%s", f.no_classes);
    }
    ayf_path_facts_free(c->ctx, &f);
    return code;
}
