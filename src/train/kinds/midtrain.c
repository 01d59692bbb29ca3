#include "train/kinds/midtrain.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/available.h"
#include "base/number.h"
#include "base/rng.h"
#include "io/safetensors.h"
#include "train/kinds/teachers.h"

/* trajectories.safetensors: "states" [made][steps + 1][values] and "velocities" [made][steps][values] in
 * units of the network, "guidance" [made], "labels" [made] (-1: none). Metadata: format, settings (what they
 * are a function of), teachers_hash. */

/* Seconds of work that a run killed while it makes trajectories may lose. */
static const double WRITE_EVERY = 60;

/* Trajectories that one process makes at a time. */
static size_t batch_of(const ayf_run *run) { return (size_t)run->batch.count; }

uint64_t ayf_paths_missing(const ayf_run *run) {
    const ayf_paths *p = run->own;
    return p->count - p->made;
}

/* ---- The file ---- */

static char *settings_text(const ayf_run *run) {
    const ayf_config *cfg = &run->cfg;
    double lowest, highest;
    char low[AYF_REAL_SIZE], high[AYF_REAL_SIZE];
    /* Left out: files of earlier versions do not say it. */
    bool in_32_bits = cfg->train.precision == AYF_PRECISION_HIGHEST;
    ayf_run_guidance_range(run, &lowest, &highest);
    ayf_print_real(low, lowest);
    ayf_print_real(high, highest);
    return ayf_format(
        run->ctx,
        "train.seed %" PRId64 ", train.batch %d, distill.midtrain_trajectories %d, "
        "distill.midtrain_solver_steps %d, data.source %s, classes %d, guidance %s to %s (%s)%s%s",
        cfg->train.seed, cfg->train.batch, cfg->distill.midtrain_trajectories,
        cfg->distill.midtrain_solver_steps, cfg->data.source, run->spec.label_dim, low, high,
        !run->teachers.network.guided           ? "none"
        : run->teachers.network.classifier_free ? "cfg"
                                                : "autoguidance",
        in_32_bits ? "" : ", train.precision ", in_32_bits ? "" : ayf_precision_name(cfg->train.precision));
}

static char *teachers_text(const ayf_run *run) {
    return ayf_format(run->ctx, "%016" PRIx64, run->teachers.hash);
}

static ayf_status put_all(const ayf_run *run, ayf_st_writer *writer, const char *settings,
                          const char *teachers) {
    const ayf_paths *p = run->own;
    int64_t made = (int64_t)p->made, steps = p->steps, values = (int64_t)run->batch.values;
    AYF_TRY(ayf_st_write_meta(writer, "format", AYF_TRAJECTORIES_FORMAT));
    AYF_TRY(ayf_st_write_meta(writer, "settings", settings));
    AYF_TRY(ayf_st_write_meta(writer, "teachers_hash", teachers));
    AYF_TRY(ayf_st_write_tensor(writer, "states", AYF_ST_F32, 3, (int64_t[]){made, steps + 1, values},
                                p->states));
    AYF_TRY(ayf_st_write_tensor(writer, "velocities", AYF_ST_F32, 3, (int64_t[]){made, steps, values},
                                p->velocities));
    AYF_TRY(ayf_st_write_tensor(writer, "guidance", AYF_ST_F32, 1, &made, p->guidance));
    return ayf_st_write_tensor(writer, "labels", AYF_ST_I64, 1, &made, p->labels);
}

ayf_status ayf_paths_write(ayf_run *run) {
    ayf_paths *p = run->own;
    if (p->made == p->saved) return AYF_OK;
    char *settings = settings_text(run), *teachers = teachers_text(run);
    ayf_st_writer *writer = NULL;
    ayf_status status = settings && teachers ? ayf_st_write_begin(run->ctx, &writer) : AYF_E_MEMORY;
    if (status == AYF_OK) status = put_all(run, writer, settings, teachers);
    if (status == AYF_OK)
        status = ayf_st_write_end(writer, p->path);
    else
        ayf_st_write_cancel(writer);
    if (status == AYF_OK) p->saved = p->made;
    p->written = ayf_seconds();
    ayf_free(run->ctx, settings);
    ayf_free(run->ctx, teachers);
    return status;
}

static ayf_status unusable(const ayf_run *run, const char *why, const char *detail) {
    return ayf_fail(run->ctx, AYF_E_FORMAT, "%s: %s%s; remove the file, and the trajectories are made again",
                    ((const ayf_paths *)run->own)->path, why, detail);
}

static ayf_status check_meta(const ayf_run *run, const ayf_st *st) {
    const char *format = ayf_st_meta(st, "format"), *settings = ayf_st_meta(st, "settings"),
               *teachers = ayf_st_meta(st, "teachers_hash");
    if (!format || strcmp(format, AYF_TRAJECTORIES_FORMAT) != 0 || !settings || !teachers)
        return unusable(run, "holds no trajectories of this program", "");
    char *own_settings = settings_text(run), *own_teachers = teachers_text(run);
    ayf_status status = own_settings && own_teachers ? AYF_OK : AYF_E_MEMORY;
    if (status == AYF_OK && strcmp(settings, own_settings) != 0)
        status = unusable(run, "was made under other settings than this run has: ", settings);
    else if (status == AYF_OK && strcmp(teachers, own_teachers) != 0)
        status = unusable(run, "was made by other teachers than this run has", "");
    ayf_free(run->ctx, own_settings);
    ayf_free(run->ctx, own_teachers);
    return status;
}

static bool has_shape(const ayf_st *st, const char *name, ayf_st_dtype dtype, int rank,
                      const int64_t *shape) {
    const ayf_st_tensor *tensor = ayf_st_find(st, name);
    bool same = tensor && tensor->dtype == dtype && tensor->rank == rank;
    for (int i = 0; same && i < rank; i++) same = tensor->shape[i] == shape[i];
    return same;
}

static ayf_status get_all(const ayf_run *run, const ayf_st *st) {
    ayf_paths *p = run->own;
    const ayf_st_tensor *guidance = ayf_st_find(st, "guidance");
    int64_t steps = p->steps, values = (int64_t)run->batch.values,
            made = guidance ? (int64_t)guidance->count : 0;
    bool fits = made > 0 && (size_t)made <= p->count && ayf_st_count(st) == 4 &&
                has_shape(st, "states", AYF_ST_F32, 3, (int64_t[]){made, steps + 1, values}) &&
                has_shape(st, "velocities", AYF_ST_F32, 3, (int64_t[]){made, steps, values}) &&
                has_shape(st, "guidance", AYF_ST_F32, 1, &made) &&
                has_shape(st, "labels", AYF_ST_I64, 1, &made);
    if (!fits) return unusable(run, "its tensors are not those of trajectories of this run", "");
    static const char *const names[] = {"states", "velocities", "guidance"};
    for (size_t i = 0; i < AYF_COUNT(names); i++)
        if (ayf_st_check_finite(st, names[i]) != AYF_OK)
            return unusable(run, "values that are not finite in ", names[i]);
    size_t n = (size_t)made, size = run->batch.values;
    AYF_TRY(ayf_st_read_f32(st, "states", p->states, n * (size_t)(steps + 1) * size));
    AYF_TRY(ayf_st_read_f32(st, "velocities", p->velocities, n * (size_t)steps * size));
    AYF_TRY(ayf_st_read_f32(st, "guidance", p->guidance, n));
    AYF_TRY(ayf_st_read_i64(st, "labels", p->labels, n));
    for (size_t i = 0; i < n; i++)
        if (p->labels[i] < -1 || p->labels[i] >= (run->spec.label_dim ? run->spec.label_dim : INT32_MAX))
            return unusable(run, "its labels are not classes of this run", "");
    p->made = p->saved = n;
    return AYF_OK;
}

static ayf_status read_file(ayf_run *run) {
    const ayf_paths *p = run->own;
    ayf_st *st;
    ayf_status status = ayf_st_open(run->ctx, p->path, &st);
    if (status == AYF_E_FORMAT) {
        char *why = ayf_strdup(run->ctx, run->ctx->message);
        if (why)
            ayf_fail(run->ctx, AYF_E_FORMAT, "%s; remove the file, and the trajectories are made again", why);
        ayf_free(run->ctx, why);
    }
    if (status != AYF_OK) return status;
    status = check_meta(run, st);
    if (status == AYF_OK) status = get_all(run, st);
    ayf_st_close(st);
    return status;
}

/* ---- Opening ---- */

uint64_t ayf_paths_bytes(const ayf_run *run) {
    uint64_t count = (uint64_t)run->cfg.distill.midtrain_trajectories,
             steps = (uint64_t)run->cfg.distill.midtrain_solver_steps;
    return count * (2 * steps + 1) * run->batch.values * sizeof(float);
}

ayf_status ayf_paths_check(const ayf_run *run) {
    return ayf_available_check(run->ctx, ayf_paths_bytes(run), "the teacher's trajectories",
                               "lower distill.midtrain_trajectories or distill.midtrain_solver_steps");
}

static ayf_status allocate(ayf_run *run) {
    ayf_context *ctx = run->ctx;
    ayf_paths *p = run->own;
    p->count = (size_t)run->cfg.distill.midtrain_trajectories;
    p->steps = run->cfg.distill.midtrain_solver_steps;
    p->written = ayf_seconds();
    size_t steps = (size_t)p->steps, bytes = run->batch.values * sizeof(float), n = batch_of(run);
    AYF_TRY(ayf_paths_check(run));
    p->path = ayf_path_join(ctx, run->folder, AYF_RUN_TRAJECTORIES);
    p->times = ayf_alloc(ctx, steps + 1, sizeof *p->times);
    p->states = ayf_alloc(ctx, p->count, (steps + 1) * bytes);
    p->velocities = ayf_alloc(ctx, p->count, steps * bytes);
    p->guidance = ayf_alloc(ctx, p->count, sizeof *p->guidance);
    p->labels = ayf_alloc(ctx, p->count, sizeof *p->labels);
    p->lambda = ayf_alloc(ctx, n, sizeof *p->lambda);
    p->start = ayf_alloc(ctx, n, bytes);
    p->x_t = ayf_alloc(ctx, n, bytes);
    p->v = ayf_alloc(ctx, n, bytes);
    if (!p->path || !p->times || !p->states || !p->velocities || !p->guidance || !p->labels || !p->lambda ||
        !p->start || !p->x_t || !p->v)
        return AYF_E_MEMORY;
    run->batch.in.x_t = p->x_t;
    run->batch.in.v = p->v;
    for (int i = 0; i <= p->steps; i++) p->times[i] = 1 - (double)i / p->steps;
    return AYF_OK;
}

ayf_status ayf_paths_open(ayf_run *run) {
    AYF_TRY(allocate(run));
    const ayf_paths *p = run->own;
    if (ayf_path_exists(p->path)) AYF_TRY(read_file(run));
    double mib = (double)ayf_paths_bytes(run) / (1024 * 1024);
    if (p->made == p->count)
        ayf_say(run->ctx, "mid-training: read %zu trajectories (%.1f MiB) from %s", p->count, mib, p->path);
    else
        ayf_say(run->ctx, "mid-training: making %zu trajectories of the teacher in %d Heun steps (%.1f MiB)",
                p->count - p->made, p->steps, mib);
    return AYF_OK;
}

static void free_workshop(ayf_paths *p, ayf_context *ctx) {
    ayf_sampler_free(p->sampler);
    ayf_free(ctx, p->state);
    ayf_free(ctx, p->velocity);
    p->sampler = NULL;
    p->state = p->velocity = NULL;
}

void ayf_paths_close(ayf_run *run) {
    ayf_paths *p = run->own;
    free_workshop(p, run->ctx);
    void *owned[] = {p->path,   p->times,  p->states, p->velocities, p->guidance,
                     p->labels, p->lambda, p->start,  p->x_t,        p->v};
    for (size_t i = 0; i < AYF_COUNT(owned); i++) ayf_free(run->ctx, owned[i]);
    *p = (ayf_paths){0};
    run->batch.in.x_t = run->batch.in.v = NULL;
}

/* ---- Making ---- */

static ayf_status open_workshop(ayf_run *run) {
    ayf_paths *p = run->own;
    if (p->sampler) return AYF_OK;
    size_t n = batch_of(run), steps = (size_t)p->steps, bytes = run->batch.values * sizeof(double);
    p->state = ayf_alloc(run->ctx, n * (steps + 1), bytes);
    p->velocity = ayf_alloc(run->ctx, n * steps, bytes);
    if (!p->state || !p->velocity) return AYF_E_MEMORY;
    return ayf_sampler_new(&(ayf_sampler_spec){.backend = run->backend,
                                               .precision = run->cfg.train.precision,
                                               .batch = run->batch.count,
                                               .shape = ayf_model_shape(&run->spec),
                                               .teacher = &run->teachers.velocity,
                                               .teacher_weights = run->teachers.teacher,
                                               .weak_weights = run->teachers.weak,
                                               .guided = run->teachers.network.guided},
                           &p->sampler);
}

/* Of trajectories first, first + 1, ...: noise in start, strengths in lambda; classes as often as in the data. */
static ayf_status draw_starts(ayf_run *run, size_t first) {
    ayf_paths *p = run->own;
    uint64_t seed = (uint64_t)run->cfg.train.seed;
    double low, high;
    ayf_run_guidance_range(run, &low, &high);
    AYF_TRY(ayf_dataset_batch(run->data, seed, first, batch_of(run), run->batch.x0, run->batch.labels));
    for (size_t i = 0; i < batch_of(run); i++) {
        ayf_rng_key key = {seed, AYF_RNG_TRAJECTORY, 0, first + i};
        float u;
        ayf_rng_normal(key, p->start + i * run->batch.values, run->batch.values);
        key.step = 1;
        ayf_rng_uniform(key, &u, 1);
        p->lambda[i] = low + (high - low) * (double)u;
    }
    return AYF_OK;
}

/* [step][place][value] of the sampler to [trajectory][step][value]. */
static void keep(float *to, const double *from, size_t places, size_t kept, size_t steps, size_t values) {
    for (size_t i = 0; i < kept; i++)
        for (size_t k = 0; k < steps; k++)
            for (size_t v = 0; v < values; v++)
                to[(i * steps + k) * values + v] = (float)from[(k * places + i) * values + v];
}

/* How many trajectories process `rank` makes now, and the first of them. */
static size_t share_of(const ayf_run *run, int rank, size_t *first) {
    const ayf_paths *p = run->own;
    size_t n = batch_of(run);
    *first = p->made + (size_t)rank * n;
    if (*first >= p->count) return 0;
    return p->count - *first < n ? p->count - *first : n;
}

static ayf_status make_share(ayf_run *run) {
    ayf_paths *p = run->own;
    size_t n = batch_of(run), values = run->batch.values, steps = (size_t)p->steps, first;
    size_t kept = share_of(run, run->comm->rank, &first);
    if (!kept) return AYF_OK;
    ayf_status status = open_workshop(run);
    if (status != AYF_OK) free_workshop(p, run->ctx);
    if (status == AYF_OK) status = draw_starts(run, first);
    AYF_TRY(status);
    ayf_solver_options how = {.method = AYF_METHOD_HEUN,
                              .times = p->times,
                              .steps = p->steps,
                              .guidances = p->lambda,
                              .states = p->state,
                              .velocities = p->velocity};
    AYF_TRY(ayf_sampler_run(p->sampler, &how, p->start, run->spec.label_dim ? run->batch.labels : NULL, NULL,
                            NULL));
    keep(p->states + first * (steps + 1) * values, p->state, n, kept, steps + 1, values);
    keep(p->velocities + first * steps * values, p->velocity, n, kept, steps, values);
    for (size_t i = 0; i < kept; i++) {
        p->guidance[first + i] = (float)p->lambda[i];
        p->labels[first + i] = run->batch.labels[i];
    }
    return AYF_OK;
}

/* Every process gets what the others have made. */
static ayf_status exchange(ayf_run *run) {
    ayf_paths *p = run->own;
    size_t size = run->batch.values * sizeof(float), steps = (size_t)p->steps, made = 0;
    for (int rank = 0; rank < run->comm->ranks; rank++) {
        size_t first, n = share_of(run, rank, &first);
        char *states = (char *)p->states + first * (steps + 1) * size;
        char *velocities = (char *)p->velocities + first * steps * size;
        if (!n) continue;
        AYF_TRY(ayf_comm_broadcast(run->comm, states, n * (steps + 1) * size, rank));
        AYF_TRY(ayf_comm_broadcast(run->comm, velocities, n * steps * size, rank));
        AYF_TRY(ayf_comm_broadcast(run->comm, p->guidance + first, n * sizeof *p->guidance, rank));
        AYF_TRY(ayf_comm_broadcast(run->comm, p->labels + first, n * sizeof *p->labels, rank));
        made += n;
    }
    p->made += made;
    return AYF_OK;
}

ayf_status ayf_paths_make(ayf_run *run, ayf_run_report *report) {
    ayf_paths *p = run->own;
    AYF_TRY(ayf_comm_agree(run->comm, make_share(run)));
    AYF_TRY(exchange(run));
    report->prepared = p->made;
    report->to_prepare = p->count;
    if (p->made == p->count) free_workshop(p, run->ctx);
    bool due = p->made == p->count || ayf_seconds() - p->written > WRITE_EVERY;
    return ayf_comm_agree(run->comm, due && ayf_run_leads(run) ? ayf_paths_write(run) : AYF_OK);
}

/* ---- Using ---- */

/* The place of the time of the grid that is nearest to `time`, from `first` to `last`. */
static int nearest(const ayf_paths *p, double time, int first, int last) {
    int best = first;
    for (int i = first + 1; i <= last; i++)
        if (fabs(p->times[i] - time) < fabs(p->times[best] - time)) best = i;
    return best;
}

void ayf_paths_draw(ayf_run *run, const ayf_time_sampler *pairs, size_t place, uint64_t sample) {
    const ayf_paths *p = run->own;
    ayf_run_batch *b = &run->batch;
    uint64_t seed = (uint64_t)run->cfg.train.seed;
    ayf_rng_key order = {seed, AYF_RNG_TRAJECTORY, 2 + sample / p->count, 0};
    size_t index = ayf_rng_permute(order, sample % p->count, p->count), steps = (size_t)p->steps;
    float t, s;
    ayf_time_pair(pairs, seed, run->step, sample, &t, &s);
    int from = nearest(p, (double)t, 0, p->steps - 1);
    int to = s < t ? nearest(p, (double)s, from + 1, p->steps) : from;
    const float *x = p->states + (index * (steps + 1) + (size_t)from) * b->values,
                *end = p->states + (index * (steps + 1) + (size_t)to) * b->values,
                *v = p->velocities + (index * steps + (size_t)from) * b->values;
    float *x_t = p->x_t + place * b->values, *target = p->v + place * b->values;
    double gap = p->times[to] - p->times[from];
    for (size_t i = 0; i < b->values; i++) {
        x_t[i] = x[i];
        target[i] = to > from ? (float)(((double)end[i] - (double)x[i]) / gap) : v[i];
    }
    b->t[place] = (float)p->times[from];
    b->s[place] = (float)p->times[to];
    b->guidance[place] = p->guidance[index];
    b->labels[place] = (int)p->labels[index];
}
