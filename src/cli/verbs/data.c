#include <string.h>

#include "cli.h"

/* ---- For people ---- */

static void print_item(const char *text) {
    cli_put(stdout, "             %s", text);
    putchar('\n');
}

static void title(const char *name) { printf("%-12s ", name); }

static void plural(uint64_t count, const char *one) {
    printf("%llu %s%s", (unsigned long long)count, one, count == 1 ? "" : "s");
}

/* "12 JPEG, 3 PNG": what there is none of is left out. */
typedef struct part {
    uint64_t count;
    const char *name;
} part;

static uint64_t parts(const part *list, size_t count) {
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (list[i].count)
            printf("%s%llu %s", sum ? ", " : "", (unsigned long long)list[i].count, list[i].name);
        sum += list[i].count;
    }
    return sum;
}

static void print_bad(const ayf_data_report *r) {
    title("unusable");
    printf("%llu\n", (unsigned long long)r->bad_count);
    for (uint64_t i = 0; i < r->bad_count; i++) print_item(r->bad[i]);
}

static void print_class(const ayf_data_report *r, int k) {
    printf("             ");
    if (r->class_names)
        cli_put(stdout, "%s", r->class_names[k]);
    else
        printf("class %d", k);
    printf(": %llu\n", (unsigned long long)r->class_counts[k]);
}

static void print_classes(const ayf_data_report *r) {
    enum { ALL = 50, SOME = 20 };
    title("classes");
    if (!r->classes) {
        cli_put(stdout, "none%s%s", r->no_classes ? ": " : "", r->no_classes ? r->no_classes : "");
        putchar('\n');
        return;
    }
    uint64_t least = r->class_counts[0], most = least;
    int empty = 0;
    for (int k = 0; k < r->classes; k++) {
        if (r->class_counts[k] < least) least = r->class_counts[k];
        if (r->class_counts[k] > most) most = r->class_counts[k];
        empty += r->class_counts[k] == 0;
    }
    printf("%d, of %llu to %llu samples each", r->classes, (unsigned long long)least,
           (unsigned long long)most);
    if (empty) printf("; %d without any", empty);
    putchar('\n');
    int shown = r->classes <= ALL ? r->classes : SOME;
    for (int k = 0; k < shown; k++) print_class(r, k);
    if (shown < r->classes) printf("             and %d more (--json lists all)\n", r->classes - shown);
}

static void print_formats(const ayf_data_report *r) {
    const part formats[] = {{r->png, "PNG"}, {r->jpeg, "JPEG"}, {r->webp, "WebP"}, {r->raw, "raw"}};
    const part converted[] = {{r->alpha, "with transparency"},
                              {r->deep, "of 16 bits"},
                              {r->palette, "with a palette"},
                              {r->cmyk, "in CMYK"},
                              {r->turned, "turned by EXIF"}};
    const part channels[] = {{r->colour, "colour"}, {r->grey, "grey"}};
    title("formats");
    parts(formats, sizeof formats / sizeof *formats);
    if (r->alpha + r->deep + r->palette + r->cmyk + r->turned) {
        putchar('\n');
        title("converted");
        parts(converted, sizeof converted / sizeof *converted);
    }
    putchar('\n');
    title("channels");
    parts(channels, sizeof channels / sizeof *channels);
    puts(r->channels ? "" : "; set data.channels to 1 or 3 to bring them to one");
}

static void print_sizes(const ayf_data_report *r) {
    title("sizes");
    if (r->size_count == 1) {
        printf("%d x %d", r->usual.width, r->usual.height);
    } else {
        printf("%llu, from %d x %d to %d x %d; %llu of %d x %d", (unsigned long long)r->size_count,
               r->smallest.width, r->smallest.height, r->largest.width, r->largest.height,
               (unsigned long long)r->usual.count, r->usual.width, r->usual.height);
    }
    puts(r->height ? "" : "; set data.resolution to bring them to one");
    if (r->height == r->width && r->height && r->not_square) {
        printf("             ");
        plural(r->not_square, "picture");
        puts(" not square, whose centre is used");
    }
    if (r->enlarged) {
        printf("             ");
        plural(r->enlarged, "picture");
        printf(" smaller than %d pixels, which will be enlarged\n", r->height);
    }
}

static const char *noun(const ayf_data_report *r) { return r->latents ? "latent" : "picture"; }

static void print_latents(const ayf_data_report *r) {
    title("kind");
    printf("latents of %d x %d, %d channels%s\n", r->width, r->height, r->channels,
           r->spread ? ", each means and deviations" : "");
    title("channels");
    for (int k = 0; k < r->channels; k++)
        printf("%s%.3g +- %.3g", k ? ", " : "", r->channel_mean[k], r->channel_deviation[k]);
    putchar('\n');
}

static void print_suspicious(const ayf_data_report *r) {
    title("repeated");
    plural(r->duplicate_count, noun(r));
    if (r->other_class_count)
        printf(", %llu of them in another class than the first", (unsigned long long)r->other_class_count);
    putchar('\n');
    for (uint64_t i = 0; i < r->pair_count; i++) {
        const ayf_data_pair *pair = &r->pairs[i];
        cli_put(stdout, "             %s = %s%s", pair->first, pair->second,
                pair->other_class ? " (another class)" : "");
        putchar('\n');
    }
    if (r->duplicate_count > r->pair_count)
        printf("             and %llu more\n", (unsigned long long)(r->duplicate_count - r->pair_count));
    title("flat");
    plural(r->flat_count, noun(r));
    puts(r->flat_count ? r->latents ? " whose values hardly differ" : " of hardly more than one colour" : "");
    uint64_t listed = r->flat_count < AYF_DATA_LISTED ? r->flat_count : AYF_DATA_LISTED;
    for (uint64_t i = 0; i < listed; i++) print_item(r->flat[i]);
    if (r->flat_count > listed)
        printf("             and %llu more\n", (unsigned long long)(r->flat_count - listed));
}

static void print_trained(const ayf_data_report *r) {
    title("trained on");
    if (r->points) {
        puts("points in the plane");
    } else if (r->bytes) {
        printf("%d x %d, %d channel%s; %.1f MiB, ", r->width, r->height, r->channels,
               r->channels == 1 ? "" : "s", (double)r->bytes / (1 << 20));
        puts(r->fits ? "kept in memory" : "too much to be kept in memory: decoded whenever they are used");
    } else {
        puts("nothing yet: pictures of one size and one number of channels are needed, see above");
    }
}

static void print_report(const char *source, const ayf_data_report *r) {
    title("data");
    cli_print_line(NULL, source);
    if (r->note) {
        title("taken");
        cli_print_line(NULL, r->note);
    }
    title("samples");
    printf("%llu\n", (unsigned long long)r->count);
    if (!r->drawn && r->bad_count) print_bad(r);
    print_classes(r);
    if (!r->drawn && r->count > r->bad_count) {
        if (r->latents) {
            print_latents(r);
        } else {
            print_formats(r);
            print_sizes(r);
        }
        print_suspicious(r);
    }
    if (r->count > r->bad_count) print_trained(r);
}

/* ---- For programs ---- */

static void put_count(const char *name, uint64_t value) {
    printf(", \"%s\": %llu", name, (unsigned long long)value);
}

static void put_texts(const char *name, char *const *texts, uint64_t count) {
    printf(", \"%s\": [", name);
    for (uint64_t i = 0; texts && i < count; i++) {
        if (i) printf(", ");
        cli_json_string(texts[i]);
    }
    putchar(']');
}

static void put_size(const char *name, const ayf_data_size *size) {
    printf(", \"%s\": {\"width\": %d, \"height\": %d, \"count\": %llu}", name, size->width, size->height,
           (unsigned long long)size->count);
}

static void put_classes(const ayf_data_report *r) {
    printf(", \"classes\": [");
    for (int k = 0; k < r->classes; k++) {
        printf("%s{\"name\": ", k ? ", " : "");
        cli_json_string(r->class_names ? r->class_names[k] : NULL);
        printf(", \"count\": %llu}", (unsigned long long)r->class_counts[k]);
    }
    printf("], \"no_classes\": ");
    cli_json_string(r->no_classes);
}

static void put_channels(const char *name, const ayf_data_report *r, const double *values) {
    printf(", \"%s\": [", name);
    for (int k = 0; r->latents && k < r->channels; k++) printf("%s%.9g", k ? ", " : "", values[k]);
    putchar(']');
}

static void put_report(const char *source, const ayf_data_report *r) {
    printf("{\"data\": ");
    cli_json_string(source);
    printf(", \"note\": ");
    cli_json_string(r->note);
    put_count("samples", r->count);
    printf(", \"points\": %s, \"drawn\": %s", r->points ? "true" : "false", r->drawn ? "true" : "false");
    put_texts("bad", r->bad, r->bad_count);
    put_classes(r);
    const part counts[] = {{r->png, "png"},
                           {r->jpeg, "jpeg"},
                           {r->webp, "webp"},
                           {r->raw, "raw"},
                           {r->alpha, "alpha"},
                           {r->deep, "deep"},
                           {r->palette, "palette"},
                           {r->cmyk, "cmyk"},
                           {r->turned, "turned"},
                           {r->grey, "grey"},
                           {r->colour, "colour"},
                           {r->size_count, "sizes"},
                           {r->not_square, "not_square"},
                           {r->enlarged, "enlarged"},
                           {r->duplicate_count, "duplicates"},
                           {r->other_class_count, "duplicates_in_other_classes"},
                           {r->flat_count, "flat"},
                           {r->bytes, "bytes"}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) put_count(counts[i].name, counts[i].count);
    put_size("usual", &r->usual);
    put_size("smallest", &r->smallest);
    put_size("largest", &r->largest);
    printf(", \"duplicate_pairs\": [");
    for (uint64_t i = 0; i < r->pair_count; i++) {
        printf("%s[", i ? ", " : "");
        cli_json_string(r->pairs[i].first);
        printf(", ");
        cli_json_string(r->pairs[i].second);
        putchar(']');
    }
    putchar(']');
    put_texts("flat_names", r->flat, r->flat_count < AYF_DATA_LISTED ? r->flat_count : AYF_DATA_LISTED);
    printf(", \"width\": %d, \"height\": %d, \"channels\": %d, \"fits_in_memory\": %s", r->width, r->height,
           r->channels, r->fits ? "true" : "false");
    printf(", \"latents\": %s, \"spread\": %s", r->latents ? "true" : "false", r->spread ? "true" : "false");
    put_channels("channel_mean", r, r->channel_mean);
    put_channels("channel_deviation", r, r->channel_deviation);
    puts("}");
}

/* ---- The verb ---- */

static int write_sheet(cli *c, const cli_args *args, const ayf_data_options *options,
                       const ayf_data_report *r) {
    const char *path = args->value[CLI_OPT_sheet];
    int shown;
    if (!path || r->bad_count == r->count) return 0;
    if (ayf_data_sheet(c->ctx, options, path, &shown) != AYF_OK) return cli_fail(c);
    if (shown && shown < r->classes)
        cli_say(c, "%s: %d of the %d classes", path, shown, r->classes);
    else
        cli_say(c, "%s: what a network sees", path);
    return 0;
}

static int judge(cli *c, const char *source, const ayf_data_report *r) {
    if (!r->bad_count) return 0;
    return cli_error(c, AYF_E_CHECK,
                     "%s: %llu of %llu %ss cannot be used (listed above): repair, convert or remove them",
                     source, (unsigned long long)r->bad_count, (unsigned long long)r->count, noun(r));
}

int cli_data(cli *c, const cli_args *args) {
    const char *source = args->positional[1];
    if (strcmp(args->positional[0], "check") != 0)
        return cli_error(c, AYF_E_USAGE, "ayf data %s: there is only ayf data check", args->positional[0]);
    const char *sheet = args->value[CLI_OPT_sheet];
    int code = sheet ? cli_check_png(c, "sheet", sheet) : 0;
    if (sheet && !code) code = cli_check_output(c, sheet, false, 0);
    if (code) return code;
    ayf_data_options options = {
        .source = source, .settings = args->settings, .setting_count = args->setting_count};
    ayf_data_report report;
    code = ayf_data_check(c->ctx, &options, &report) == AYF_OK ? 0 : cli_fail(c);
    if (!code || report.bad_count) {
        if (args->value[CLI_OPT_json])
            put_report(source, &report);
        else
            print_report(source, &report);
    }
    if (!code) code = write_sheet(c, args, &options, &report);
    if (!code) code = judge(c, source, &report);
    ayf_data_report_free(c->ctx, &report);
    return code;
}
