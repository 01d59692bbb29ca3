/* ayf eval: distance of samples to data, fidelity of a student to its teacher, and the features that the first needs. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
enum { CALLS_MOST = 4096, LIST_MOST = 64, NAME_SIZE = 96 };

typedef struct measured {
    char name[NAME_SIZE];
    int calls;    /* 0: does not apply */
    double gamma; /* NaN: does not apply */
    ayf_eval_row row;
} measured;

typedef struct job {
    cli *c;
    const cli_args *args;
    const char *subject;
    ayf_model *model, *teacher, *weak; /* model: NULL when the subject is data */
    ayf_model_facts facts;
    bool student, analytic;
    int *calls;
    size_t call_count;
    double *gammas;
    size_t gamma_count;
    ayf_solver solver;
    double guidance;
    int images, pairs, reference;
    uint64_t seed;
    /* Results. */
    ayf_fidelity_row *fidelity;
    ayf_semigroup_row semigroup[AYF_SEMIGROUP_ROWS];
    double defect;
    ayf_eval *eval;
    measured *rows;
    size_t row_count;
} job;

static const char *value_of(const job *j, cli_option option) { return j->args->value[option]; }

/* ---- Fitting features ---- */

static int fit_features(cli *c, const cli_args *args) {
    static const cli_option others[] = {
        CLI_OPT_features, CLI_OPT_inception, CLI_OPT_eval_teacher, CLI_OPT_calls,     CLI_OPT_gammas,
        CLI_OPT_images,   CLI_OPT_pairs,     CLI_OPT_weak,         CLI_OPT_solver,    CLI_OPT_guidance,
        CLI_OPT_json,     CLI_OPT_cfg,       CLI_OPT_reference,    CLI_OPT_first_seed};
    const char *path = args->value[CLI_OPT_fit_features];
    if (args->positional_count)
        return cli_error(c, AYF_E_USAGE,
                         "--fit-features makes the features that ayf eval %s needs: run it first, by itself",
                         args->positional[0]);
    for (size_t i = 0; i < COUNT(others); i++)
        if (args->value[others[i]])
            return cli_error(
                c, AYF_E_USAGE,
                "--fit-features takes --data, --heldout and --set only (--set train.seed=1 for a seed)");
    ayf_features_options options = {.data = args->value[CLI_OPT_eval_data],
                                    .heldout = args->value[CLI_OPT_heldout],
                                    .settings = args->settings,
                                    .setting_count = args->setting_count};
    ayf_features_report report;
    if (ayf_features_fit(c->ctx, path, &options, &report) != AYF_OK) return cli_fail(c);
    if (isfinite(report.accuracy))
        cli_say(c,
                "features: fitted to %llu samples, %.2f %% of %llu held-out samples are classified rightly",
                (unsigned long long)report.fitted, 100 * report.accuracy, (unsigned long long)report.heldout);
    puts(path);
    return 0;
}

/* ---- Reading the command line ---- */

static int read_calls(job *j) {
    static const uint64_t usual[] = {1, 2, 4}, usual_teacher[] = {AYF_TEACHER_STEPS};
    uint64_t *list = NULL;
    int code = cli_get_list(j->args, CLI_OPT_calls, CALLS_MOST, LIST_MOST, &list, &j->call_count);
    if (code) return code;
    bool teacher = j->model && !j->student;
    const uint64_t *from = list ? list : teacher ? usual_teacher : usual;
    if (!list) j->call_count = teacher ? COUNT(usual_teacher) : COUNT(usual);
    j->calls = calloc(j->call_count, sizeof *j->calls);
    if (!j->calls) code = cli_error(j->c, AYF_E_MEMORY, "out of memory");
    for (size_t i = 0; i < j->call_count && !code; i++) {
        j->calls[i] = (int)from[i];
        if (!from[i])
            code = cli_error(j->c, AYF_E_USAGE, "--calls: 0 calls draw nothing; at least 1 is meant");
    }
    free(list);
    return code;
}

static int read_gammas(job *j) {
    int code = cli_get_reals(j->args, CLI_OPT_gammas, &j->gammas, &j->gamma_count);
    if (code) return code;
    if (!j->gammas) {
        j->gamma_count = 1;
        j->gammas = calloc(1, sizeof *j->gammas);
        return j->gammas ? 0 : cli_error(j->c, AYF_E_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < j->gamma_count; i++)
        if (!(j->gammas[i] >= 0 && j->gammas[i] <= 1))
            return cli_error(j->c, AYF_E_USAGE, "--gamma %g: a number from 0 to 1 is meant", j->gammas[i]);
    return j->gamma_count <= LIST_MOST
               ? 0
               : cli_error(j->c, AYF_E_USAGE, "--gamma: more than %d values", LIST_MOST);
}

static int read_numbers(job *j) {
    enum { MOST = 10000000 };
    int code;
    j->pairs = 64;
    if ((code = cli_get_int(j->args, CLI_OPT_images, 2, MOST, &j->images)) ||
        (code = cli_get_int(j->args, CLI_OPT_pairs, 1, MOST, &j->pairs)) ||
        (code = cli_get_int(j->args, CLI_OPT_reference, 2, INT_MAX, &j->reference)) ||
        (code = cli_get_u64(j->args, CLI_OPT_first_seed, &j->seed)) ||
        (code = cli_get_real(j->args, CLI_OPT_guidance, 1e-6, 100, &j->guidance)) ||
        (code = cli_get_solver(j->c, j->args, &j->solver)))
        return code;
    return 0;
}

/* Options that would be ignored are refused. */
static int check_options(const job *j) {
    const bool data = value_of(j, CLI_OPT_eval_data) != NULL,
               teacher = value_of(j, CLI_OPT_eval_teacher) != NULL;
    const struct {
        cli_option option;
        const char *name, *needs;
        bool useful;
    } rules[] = {{CLI_OPT_features, "features", "--data", data},
                 {CLI_OPT_inception, "inception", "--data", data},
                 {CLI_OPT_heldout, "heldout", "--data", data},
                 {CLI_OPT_images, "images", "--data", data},
                 {CLI_OPT_reference, "reference", "--data", data},
                 {CLI_OPT_pairs, "pairs", "--teacher", teacher},
                 {CLI_OPT_calls, "calls", "a model as SUBJECT", j->model != NULL},
                 {CLI_OPT_gammas, "gamma", "a student as SUBJECT", j->student},
                 {CLI_OPT_guidance, "guidance", "a model as SUBJECT", j->model != NULL},
                 {CLI_OPT_solver, "solver", "a teacher as SUBJECT", j->model && !j->student}};
    if (j->args->setting_count)
        return cli_error(j->c, AYF_E_USAGE,
                         "--set is for --fit-features: how images are read is decided by the features");
    for (size_t i = 0; i < COUNT(rules); i++) {
        if (!value_of(j, rules[i].option) || rules[i].useful) continue;
        if (rules[i].needs[0] == '-')
            return cli_error(j->c, AYF_E_USAGE, "--%s needs %s", rules[i].name, rules[i].needs);
        return cli_error(j->c, AYF_E_USAGE, "--%s needs %s, and %s is none", rules[i].name, rules[i].needs,
                         j->subject);
    }
    if (!data && !teacher)
        return cli_error(
            j->c, AYF_E_USAGE,
            "compare %s with what? --data SOURCE: with real samples; --teacher MODEL: with its teacher",
            j->subject);
    if (teacher && !j->student)
        return cli_error(j->c, AYF_E_USAGE,
                         "--teacher: %s is no student, and only a student is compared with a teacher",
                         j->subject);
    return 0;
}

static int open_models(job *j) {
    const char *teacher = value_of(j, CLI_OPT_eval_teacher);
    bool guided = value_of(j, CLI_OPT_weak) || value_of(j, CLI_OPT_cfg);
    int code = 0;
    ayf_path_kind kind;
    if (ayf_path_look(j->c->ctx, j->subject, &kind) != AYF_OK) return cli_fail(j->c);
    if (kind == AYF_PATH_MODEL || kind == AYF_PATH_RUN) {
        if ((code = cli_open_model(j->c, j->subject, &j->model))) return code;
        j->facts = ayf_model_describe(j->model);
        j->student = strcmp(j->facts.role, "student") == 0;
    } else if (kind != AYF_PATH_DATA) {
        return cli_error(j->c, AYF_E_USAGE, "%s is neither a model nor a set of samples", j->subject);
    }
    if ((code = check_options(j))) return code;
    j->analytic = teacher && strcmp(teacher, "analytic") == 0;
    if (teacher && !j->analytic && (code = cli_open_model(j->c, teacher, &j->teacher))) return code;
    ayf_model *led = j->teacher ? j->teacher : j->model;
    if (!guided) return 0;
    if (!led || (j->student && !j->teacher))
        return cli_error(j->c, AYF_E_USAGE,
                         "--weak and --cfg guide a teacher: name the teacher too (--teacher)");
    return cli_guide(j->c, j->args, led, &j->weak);
}

/* ---- Fidelity ---- */

/* The strength the model draws with when none is asked for is the one nearest to 1. */
static double guidance_of(const job *j) {
    return j->guidance > 0 ? j->guidance : fmin(fmax(1, j->facts.guidance_min), j->facts.guidance_max);
}

static int check_guidance(const job *j) {
    double guidance = guidance_of(j), low = j->facts.guidance_min, high = j->facts.guidance_max;
    bool guided = value_of(j, CLI_OPT_weak) || value_of(j, CLI_OPT_cfg);
    if (!j->teacher || guided || guidance == 1 || guidance < low || guidance > high) return 0;
    return cli_error(j->c, AYF_E_USAGE,
                     "%s draws with guidance %g, so its teacher %s has to be guided too: give what the "
                     "distillation steered away from (--weak MODEL, or --cfg)%s",
                     j->subject, guidance, value_of(j, CLI_OPT_eval_teacher),
                     low <= 1 && high >= 1 ? ", or leave out --guidance" : "");
}

static int measure_fidelity(job *j) {
    int code = check_guidance(j);
    if (code) return code;
    j->fidelity = calloc(j->call_count * j->gamma_count, sizeof *j->fidelity);
    if (!j->fidelity) return cli_error(j->c, AYF_E_MEMORY, "out of memory");
    ayf_fidelity_options options = {.calls = j->calls,
                                    .call_count = (int)j->call_count,
                                    .gammas = j->gammas,
                                    .gamma_count = (int)j->gamma_count,
                                    .guidance = j->guidance,
                                    .images = j->pairs,
                                    .first_seed = j->seed};
    if (ayf_fidelity(j->model, j->teacher, &options, j->fidelity) != AYF_OK ||
        ayf_semigroup_defect(j->model, j->teacher, &options, j->semigroup, &j->defect) != AYF_OK)
        return cli_fail(j->c);
    return 0;
}

static void put_number(double value, int decimals) {
    if (isfinite(value))
        printf(" %10.*f", decimals, value);
    else
        printf(" %10s", "-");
}

void cli_fidelity_table(const ayf_fidelity_row *rows, int count, int images) {
    bool pictures = count && !isnan(rows[0].ssim);
    printf("RMS distance to the teacher's accurate solution from the same noise, %d %s%s\n\n", images,
           pictures ? "images" : "points",
           pictures ? "; PSNR in dB and SSIM of the student's images against the teacher's" : "");
    printf("%-6s %6s %10s", "calls", "gamma", "student");
    if (pictures) printf(" %10s %10s", "PSNR", "SSIM");
    printf(" %10s %10s\n", "Euler", "Heun");
    for (int i = 0; i < count; i++) {
        printf("%-6d %6g", rows[i].calls, rows[i].gamma);
        put_number(rows[i].student, 4);
        if (pictures) {
            put_number(rows[i].psnr, 2);
            put_number(rows[i].ssim, 4);
        }
        put_number(rows[i].euler, 4);
        put_number(rows[i].heun, 4);
        putchar('\n');
    }
}

static void semigroup_table(const job *j) {
    printf("\nsemigroup defect, RMS of f(f(x,t,m),m,s) - f(x,t,s): %.4f in the mean of\n", j->defect);
    for (size_t i = 0; i < AYF_SEMIGROUP_ROWS; i++) {
        const ayf_semigroup_row *row = &j->semigroup[i];
        printf("  %.4f from t = %g over m = %g to s = %g\n", row->defect, row->t, row->m, row->s);
    }
}

static void put_member(const char *key, double value) {
    printf(", \"%s\": ", key);
    cli_json_number(value);
}

static void fidelity_json(const job *j) {
    printf("\"fidelity\": {\"pairs\": %d, \"rows\": [", j->pairs);
    for (size_t i = 0; i < j->call_count * j->gamma_count; i++) {
        const ayf_fidelity_row *row = &j->fidelity[i];
        printf("%s{\"calls\": %d", i ? ", " : "", row->calls);
        put_member("gamma", row->gamma);
        put_member("student", row->student);
        put_member("psnr", row->psnr);
        put_member("ssim", row->ssim);
        put_member("euler", row->euler);
        put_member("heun", row->heun);
        putchar('}');
    }
    fputs("]", stdout);
    put_member("semigroup_defect", j->defect);
    putchar('}');
}

/* ---- Distance to data: results ---- */

static double number(const ayf_eval_row *row, const ayf_eval_figure *f) {
    return *(const double *)(const void *)((const char *)row + f->offset);
}

enum { NAME_CELL = 33, CELL = 10, COLUMNS = 8 };

static void print_block(const job *j, size_t first, size_t end) {
    size_t count;
    bool gammas = false;
    const ayf_eval_figure *figures = ayf_eval_figures(j->eval, &count);
    printf("\n%-*s", NAME_CELL, "");
    for (size_t i = first; i < end; i++) printf(" %*s", CELL, j->rows[i].name);
    for (size_t i = first; i < end; i++) gammas |= isfinite(j->rows[i].gamma);
    if (gammas) printf("\n%-*s", NAME_CELL, "");
    for (size_t i = first; gammas && i < end; i++) {
        char gamma[32] = "";
        if (isfinite(j->rows[i].gamma)) snprintf(gamma, sizeof gamma, "gamma %g", j->rows[i].gamma);
        printf(" %*s", CELL, gamma);
    }
    for (size_t k = 0; k < count; k++) {
        printf("\n%-*s", NAME_CELL, figures[k].title);
        for (size_t i = first; i < end; i++) {
            double value = number(&j->rows[i].row, &figures[k]);
            if (isfinite(value))
                printf(" %*.*f", CELL, figures[k].decimals, value);
            else
                printf(" %*s", CELL, "-");
        }
    }
    putchar('\n');
}

/* How the model draws, a line as those of ayf_eval_describe(). */
static void describe_drawing(const job *j, ayf_print_fn *print, void *user) {
    static const char *const solvers[] = {[AYF_SOLVER_DEFAULT] = ", solver heun",
                                          [AYF_SOLVER_EULER] = ", solver euler",
                                          [AYF_SOLVER_HEUN] = ", solver heun",
                                          [AYF_SOLVER_REFERENCE] = ", solver reference"};
    if (!j->model) return;
    const ayf_model_facts *f = &j->facts;
    const char *weak = value_of(j, CLI_OPT_weak), *free = value_of(j, CLI_OPT_cfg);
    char line[1024];
    snprintf(line, sizeof line, "drawn      by a %s of step %llu, guidance %g%s%s%s%s", f->role,
             (unsigned long long)f->step, guidance_of(j), weak ? ", weak teacher " : "", weak ? weak : "",
             free ? ", guided by itself without the class" : "", j->student ? "" : solvers[j->solver]);
    print(user, line);
}

static void distance_table(const job *j) {
    ayf_eval_describe(j->eval, cli_print_line, NULL);
    describe_drawing(j, cli_print_line, NULL);
    for (size_t first = 0; first < j->row_count; first += COLUMNS)
        print_block(j, first, j->row_count - first < COLUMNS ? j->row_count : first + COLUMNS);
}

/* "name  text" as "name": "text". */
static void recipe_json(void *user, const char *line) {
    bool *any = user;
    size_t length = strcspn(line, " ");
    printf("%s\"%.*s\": ", *any ? ", " : "", (int)length, line);
    cli_json_string(line + length + strspn(line + length, " "));
    *any = true;
}

static void distance_json(const job *j) {
    size_t count;
    const ayf_eval_figure *figures = ayf_eval_figures(j->eval, &count);
    bool any = false;
    fputs("\"recipe\": {", stdout);
    ayf_eval_describe(j->eval, recipe_json, &any);
    describe_drawing(j, recipe_json, &any);
    fputs("}, \"distance\": [", stdout);
    for (size_t i = 0; i < j->row_count; i++) {
        const measured *m = &j->rows[i];
        printf("%s{\"samples\": ", i ? ", " : "");
        cli_json_string(m->name);
        if (m->calls) printf(", \"%s\": %d", j->student ? "calls" : "steps", m->calls);
        if (isfinite(m->gamma)) put_member("gamma", m->gamma);
        printf(", \"count\": %llu, \"reference\": %llu, \"paired\": %llu", (unsigned long long)m->row.count,
               (unsigned long long)m->row.reference, (unsigned long long)m->row.paired);
        for (size_t k = 0; k < count; k++) put_member(figures[k].name, number(&m->row, &figures[k]));
        putchar('}');
    }
    putchar(']');
}

/* ---- Distance to data: measuring ---- */

static ayf_sample_options way_to_draw(const job *j, int calls, double gamma) {
    bool reference = j->solver == AYF_SOLVER_REFERENCE;
    return (ayf_sample_options){
        .steps = reference ? 0 : calls, .gamma = gamma, .guidance = j->guidance, .solver = j->solver};
}

/* Two built-in sets are two sets; of files only their owner knows. */
static void warn_of_other_data(const job *j) {
    static const char builtin[] = "builtin:";
    const char *made = j->model ? j->facts.data : j->subject, *data = value_of(j, CLI_OPT_eval_data);
    if (strncmp(made, builtin, strlen(builtin)) == 0 && strncmp(data, builtin, strlen(builtin)) == 0 &&
        strcmp(made, data) != 0)
        cli_say(j->c, "%s %s %s and is compared with %s", j->subject, j->model ? "was made with" : "is", made,
                data);
}

/* One sample before the reference is read, which may take hours: what a model cannot do is said now. */
static int rehearse(const job *j) {
    if (!j->model) return 0;
    if (j->facts.points && (value_of(j, CLI_OPT_features) || value_of(j, CLI_OPT_inception)))
        return cli_error(j->c, AYF_E_USAGE,
                         "%s draws points, which are compared by their coordinates: leave out --features and "
                         "--inception",
                         j->subject);
    ayf_sample_options how = way_to_draw(j, j->calls[0], j->gammas[0]);
    size_t values = (size_t)j->facts.height * (size_t)j->facts.width * (size_t)j->facts.channels;
    float *image = calloc(values, sizeof *image);
    if (!image) return cli_error(j->c, AYF_E_MEMORY, "out of memory");
    ayf_status status = ayf_model_sample(j->model, &how, 1, image, NULL);
    free(image);
    return status == AYF_OK ? 0 : cli_fail(j->c);
}

static int measure_model(job *j, int calls, double gamma) {
    measured *m = &j->rows[j->row_count++];
    bool reference = j->solver == AYF_SOLVER_REFERENCE;
    ayf_sample_options how = way_to_draw(j, calls, gamma);
    m->calls = how.steps;
    m->gamma = j->student && calls > 1 ? gamma : (double)NAN;
    if (reference)
        snprintf(m->name, sizeof m->name, "reference");
    else
        snprintf(m->name, sizeof m->name, "%d %s%s", calls, j->student ? "call" : "step",
                 calls == 1 ? "" : "s");
    if (ayf_eval_model(j->eval, j->model, &how, &m->row) != AYF_OK) return cli_fail(j->c);
    cli_say(j->c, "%s, %s: %llu samples in %.1f s", j->subject, m->name, (unsigned long long)m->row.count,
            m->row.seconds);
    return 0;
}

/* With one call no noise is added, whatever gamma is. */
static int measure_models(job *j) {
    int code = 0;
    for (size_t g = 0; g < j->gamma_count; g++)
        for (size_t i = 0; i < j->call_count && !code; i++)
            if (g == 0 || j->calls[i] > 1) code = measure_model(j, j->calls[i], j->gammas[g]);
    return code;
}

static int measure_data(job *j) {
    measured *m = &j->rows[j->row_count++];
    m->gamma = (double)NAN;
    snprintf(m->name, sizeof m->name, "samples");
    return ayf_eval_data(j->eval, j->subject, &m->row) == AYF_OK ? 0 : cli_fail(j->c);
}

static int measure_distance(job *j) {
    bool images = j->model && !j->facts.points;
    ayf_eval_options options = {.data = value_of(j, CLI_OPT_eval_data),
                                .heldout = value_of(j, CLI_OPT_heldout),
                                .features = value_of(j, CLI_OPT_features),
                                .inception = value_of(j, CLI_OPT_inception),
                                .resolution = images ? j->facts.height : 0,
                                .channels = images ? j->facts.channels : 0,
                                .count = j->images,
                                .seed = j->seed,
                                .samples = j->model ? NULL : j->subject,
                                .reference = j->reference};
    int code = rehearse(j);
    if (code) return code;
    j->rows = calloc(1 + j->call_count * j->gamma_count, sizeof *j->rows);
    if (!j->rows) return cli_error(j->c, AYF_E_MEMORY, "out of memory");
    if (ayf_eval_open(j->c->ctx, &options, &j->eval) != AYF_OK) return cli_fail(j->c);
    warn_of_other_data(j);
    measured *floor = &j->rows[j->row_count++];
    floor->gamma = (double)NAN;
    snprintf(floor->name, sizeof floor->name, "floor");
    if (ayf_eval_floor(j->eval, &floor->row) != AYF_OK) return cli_fail(j->c);
    return j->model ? measure_models(j) : measure_data(j);
}

/* ---- The verb ---- */

static void print_results(const job *j) {
    if (j->args->value[CLI_OPT_json]) {
        printf("{\"subject\": ");
        cli_json_string(j->subject);
        fputs(", ", stdout);
        if (j->fidelity) fidelity_json(j);
        if (j->fidelity && j->eval) fputs(", ", stdout);
        if (j->eval) distance_json(j);
        puts("}");
        return;
    }
    if (j->fidelity) {
        cli_fidelity_table(j->fidelity, (int)(j->call_count * j->gamma_count), j->pairs);
        semigroup_table(j);
    }
    if (j->fidelity && j->eval) putchar('\n');
    if (j->eval) distance_table(j);
}

static int evaluate(job *j) {
    int code;
    if ((code = read_numbers(j)) || (code = open_models(j)) || (code = read_calls(j)) ||
        (code = read_gammas(j)))
        return code;
    if (value_of(j, CLI_OPT_eval_teacher)) code = measure_fidelity(j);
    if (!code && value_of(j, CLI_OPT_eval_data)) code = measure_distance(j);
    if (!code) print_results(j);
    return code;
}

int cli_eval(cli *c, const cli_args *args) {
    if (args->value[CLI_OPT_fit_features]) return fit_features(c, args);
    if (!args->positional_count)
        return cli_error(c, AYF_E_USAGE,
                         "measure what? usage: ayf eval SUBJECT [options]; ayf help eval explains");
    job j = {.c = c, .args = args, .subject = args->positional[0]};
    int code = evaluate(&j);
    ayf_eval_close(j.eval);
    ayf_model_close(j.model);
    ayf_model_close(j.teacher);
    ayf_model_close(j.weak);
    free(j.calls);
    free(j.gammas);
    free(j.fidelity);
    free(j.rows);
    return code;
}
