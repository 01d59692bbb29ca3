/* --dry-run of train, distill and finetune. */
#include <math.h>

#include "cli.h"

/* "2 d 3 h", "1 h 05 min", "3 min 20 s", "0.25 s" */
static const char *time_text(double seconds, char *text, size_t size) {
    const int minute = 60, hour = 60 * minute, day = 24 * hour;
    long whole = lround(fmin(seconds, 1e15));
    if (seconds < minute)
        snprintf(text, size, "%.3g s", seconds);
    else if (whole < hour)
        snprintf(text, size, "%ld min %02ld s", whole / minute, whole % minute);
    else if (whole < day)
        snprintf(text, size, "%ld h %02ld min", whole / hour, whole % hour / minute);
    else
        snprintf(text, size, "%ld d %ld h", whole / day, whole % day / hour);
    return text;
}

enum { TEXT = 32 };

static void print_network(const ayf_run_plan *p) {
    printf("network     %llu parameters", (unsigned long long)p->parameters);
    if (p->discriminator_parameters)
        printf(", discriminator %llu", (unsigned long long)p->discriminator_parameters);
    if (p->points)
        printf("; points of %d numbers", p->channels);
    else
        printf("; %d x %d x %d", p->height, p->width, p->channels);
    if (p->classes) printf(", %d classes", p->classes);
    printf("\nstep        batch %d", p->batch);
    if (p->parts > 1) printf(" in %d parts", p->parts);
    printf(", %s, %.4g GFLOP\n", ayf_precision_name(p->precision), p->step_gflop);
}

static void print_part(const char *name, uint64_t bytes, const char *before) {
    char size[AYF_BYTES_SIZE];
    if (bytes) printf("%s%s %s", before, name, ayf_bytes_text((double)bytes, size));
}

static void print_memory(const ayf_run_plan *p) {
    char all[AYF_BYTES_SIZE], room[AYF_BYTES_SIZE];
    const ayf_memory_parts *m = &p->memory;
    printf("memory      %s%s", p->on_device ? "of the GPU: " : "", ayf_bytes_text((double)p->bytes, all));
    print_part("step", m->step + m->batch, " (");
    print_part("data", m->data, ", ");
    print_part("trajectories", m->trajectories, ", ");
    print_part("grids", m->pictures, ", ");
    if (m->measuring > m->checkpoint)
        print_part("measuring", m->measuring, ", ");
    else
        print_part("checkpoint", m->checkpoint, ", ");
    print_part("the process itself", m->process, ", ");
    if (p->free_bytes != UINT64_MAX)
        printf(") of %s that it can have", ayf_bytes_text((double)p->free_bytes, room));
    else
        printf(")");
    printf("\n");
}

static void print_time(const ayf_run_plan *p) {
    char step[TEXT], all[TEXT];
    uint64_t done = p->done > p->midtrain_steps ? p->done : p->midtrain_steps;
    if (isnan(p->step_seconds)) {
        printf("time        none: the run has done its %llu steps\n", (unsigned long long)p->steps);
        return;
    }
    double left = p->steps > done ? (double)(p->steps - done) : 0;
    printf("time        %s per step (median of 3), %s for %.0f of %llu steps",
           time_text(p->step_seconds, step, TEXT), time_text(left * p->step_seconds, all, TEXT), left,
           (unsigned long long)p->steps);
    printf("%s\n", p->midtrain_steps > p->done ? "; mid-training and its trajectories are not counted" : "");
}

static void print_disk(const ayf_run_plan *p) {
    char all[AYF_BYTES_SIZE], checkpoint[AYF_BYTES_SIZE], model[AYF_BYTES_SIZE], room[AYF_BYTES_SIZE];
    printf("disk        %s", ayf_bytes_text((double)p->disk_bytes, all));
    if (p->disk_bytes)
        printf(" (checkpoints of %s, at most %llu at a time, models of %s)",
               ayf_bytes_text((double)p->checkpoint_bytes, checkpoint), (unsigned long long)p->checkpoints,
               ayf_bytes_text((double)p->model_bytes, model));
    if (!isnan(p->disk_free_bytes)) printf(" of %s that are free", ayf_bytes_text(p->disk_free_bytes, room));
    printf("; log and grids are not counted\n");
}

int cli_dry_run(cli *c, const ayf_run_options *options) {
    ayf_run_plan plan;
    if (ayf_run_try(c->ctx, options, &plan) != AYF_OK) return cli_fail(c);
    if (cli_silent) return 0;
    print_network(&plan);
    print_memory(&plan);
    print_time(&plan);
    print_disk(&plan);
    if ((double)plan.disk_bytes > plan.disk_free_bytes)
        return cli_error(c, AYF_E_IO,
                         "%s: the disk has too little room for this run; free some space or use "
                         "another folder",
                         options->folder);
    return 0;
}
