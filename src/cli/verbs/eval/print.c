/* The tables and the JSON of ayf eval. */
#include <math.h>
#include <string.h>

#include "eval.h"

/* ---- Fidelity ---- */

static void put_number(double value, int decimals) {
    if (isfinite(value))
        printf(" %10.*f", decimals, value);
    else
        printf(" %10s", "-");
}

void cli_fidelity_table(const ayf_fidelity_row *rows, int count, int images) {
    bool pictures = count && !isnan(rows[0].ssim);
    printf("RMS distance to the teacher's accurate solution from the same noise, %d %s%s\n\n", images,
           pictures ? "images" : "samples",
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

static void semigroup_table(const cli_eval_job *j) {
    if (j->facts.precision != AYF_PRECISION_HIGHEST)
        printf("\nthe student computes in %s, the teacher in 32 bits\n",
               ayf_precision_name(j->facts.precision));
    printf("\nsemigroup defect, RMS of f(f(x,t,m),m,s) - f(x,t,s): mean %.4f\n", j->defect);
    for (size_t i = 0; i < AYF_SEMIGROUP_ROWS; i++) {
        const ayf_semigroup_row *row = &j->semigroup[i];
        printf("  %.4f from t = %g over m = %g to s = %g\n", row->defect, row->t, row->m, row->s);
    }
}

static void put_member(const char *key, double value) {
    printf(", \"%s\": ", key);
    cli_json_number(value);
}

static void fidelity_json(const cli_eval_job *j) {
    printf("\"fidelity\": {\"pairs\": %d, \"precision\": ", j->pairs);
    cli_json_string(ayf_precision_name(j->facts.precision));
    fputs(", \"rows\": [", stdout);
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

/* ---- Distance to data ---- */

static double number(const ayf_eval_row *row, const ayf_eval_figure *f) {
    return *(const double *)(const void *)((const char *)row + f->offset);
}

enum { NAME_CELL = 33, CELL = 10, COLUMNS = 8 };

static void print_block(const cli_eval_job *j, size_t first, size_t end) {
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
static void describe_drawing(const cli_eval_job *j, ayf_print_fn *print, void *user) {
    static const char *const solvers[] = {[AYF_SOLVER_DEFAULT] = ", solver heun",
                                          [AYF_SOLVER_EULER] = ", solver euler",
                                          [AYF_SOLVER_HEUN] = ", solver heun",
                                          [AYF_SOLVER_REFERENCE] = ", solver reference"};
    if (!j->model) return;
    const ayf_model_facts *f = &j->facts;
    const char *weak = cli_eval_value(j, CLI_OPT_weak), *free = cli_eval_value(j, CLI_OPT_cfg);
    char line[1024];
    const char *until = cli_eval_value(j, CLI_OPT_guidance_t_max);
    snprintf(line, sizeof line, "drawn      by a %s of step %llu, guidance %g%s%s%s%s%s%s", f->role,
             (unsigned long long)f->step, cli_eval_guidance(j), until ? " up to t = " : "",
             until ? until : "", weak ? ", weak teacher " : "", weak ? weak : "",
             free ? ", guided by itself without the class" : "", j->student ? "" : solvers[j->solver]);
    print(user, line);
}

static ayf_status distance_table(const cli_eval_job *j) {
    ayf_status status = ayf_eval_describe(j->eval, cli_print_line, NULL);
    if (status != AYF_OK) return status;
    describe_drawing(j, cli_print_line, NULL);
    for (size_t first = 0; first < j->row_count; first += COLUMNS)
        print_block(j, first, j->row_count - first < COLUMNS ? j->row_count : first + COLUMNS);
    return AYF_OK;
}

/* "name  text" as "name": "text". */
static void recipe_json(void *user, const char *line) {
    bool *any = user;
    size_t length = strcspn(line, " ");
    printf("%s\"%.*s\": ", *any ? ", " : "", (int)length, line);
    cli_json_string(line + length + strspn(line + length, " "));
    *any = true;
}

static ayf_status distance_json(const cli_eval_job *j) {
    size_t count;
    const ayf_eval_figure *figures = ayf_eval_figures(j->eval, &count);
    bool any = false;
    fputs("\"recipe\": {", stdout);
    ayf_status status = ayf_eval_describe(j->eval, recipe_json, &any);
    if (status != AYF_OK) return status;
    describe_drawing(j, recipe_json, &any);
    fputs("}, \"distance\": [", stdout);
    for (size_t i = 0; i < j->row_count; i++) {
        const cli_eval_measured *m = &j->rows[i];
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
    return AYF_OK;
}

/* ---- Both ---- */

ayf_status cli_eval_print(const cli_eval_job *j) {
    ayf_status status = AYF_OK;
    if (j->args->value[CLI_OPT_json]) {
        printf("{\"subject\": ");
        cli_json_string(j->subject);
        fputs(", ", stdout);
        if (j->fidelity) fidelity_json(j);
        if (j->fidelity && j->eval) fputs(", ", stdout);
        if (j->eval) status = distance_json(j);
        puts("}");
        return status;
    }
    if (j->fidelity) {
        cli_fidelity_table(j->fidelity, (int)(j->call_count * j->gamma_count), j->pairs);
        semigroup_table(j);
    }
    if (j->fidelity && j->eval) putchar('\n');
    if (j->eval) status = distance_table(j);
    return status;
}
