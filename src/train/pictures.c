#include "train/pictures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "image/image.h"
#include "train/kind.h"
#include "train/records.h"
#include "train/kinds/teachers.h"

/* Images: 16 from the seeds 0 to 15. A student's picture has one row per number of steps, the columns
 * starting from the same noise; a teacher's is 2 x 8. Points: one panel per number of steps, 1024 points
 * each. */
enum { IMAGES = AYF_PICTURE_IMAGES, TEACHER_ROWS = 2, POINTS = 1024, TEACHER_STEPS = 16, PANEL = 256 };
static const int student_steps[] = {1, 2, 4};
static const double panel_reach = 3.2; /* a panel shows [-reach, reach]^2, in standard deviations */

static bool is_student(const ayf_run *run) { return run->type->makes_student; }
static int panels(bool student) { return student ? (int)AYF_COUNT(student_steps) : 1; }
static int panels_of(const ayf_run *run) { return panels(is_student(run)); }

ayf_status ayf_run_picture_open(ayf_run *run) {
    if (run->sampler) return AYF_OK;
    const ayf_dataset_info *info = ayf_dataset_info_of(run->data);
    int batch = info->points ? POINTS : IMAGES;
    ayf_sampler_spec spec = {.backend = run->backend,
                             .precision = run->cfg.train.precision,
                             .batch = batch,
                             .shape = ayf_model_shape(&run->spec)};
    if (is_student(run)) {
        spec.student = run->learner[0].average;
    } else {
        run->trained = (ayf_network_teacher){.params = run->learner[0].average->params};
        run->trained_velocity = ayf_velocity_network(&run->trained);
        spec.teacher = &run->trained_velocity;
        spec.teacher_weights = run->learner[0].average;
    }
    if (!run->pictures)
        run->pictures = ayf_alloc(run->ctx, (size_t)panels_of(run) * (size_t)batch * run->batch.values,
                                  sizeof *run->pictures);
    return run->pictures ? ayf_sampler_new(&spec, &run->sampler) : AYF_E_MEMORY;
}

uint64_t ayf_picture_bytes(bool student, uint64_t sampler, int batch, uint64_t values) {
    enum { COPIES = 2 }; /* samples, and the picture that is made of them */
    return sampler + COPIES * (uint64_t)panels(student) * (uint64_t)batch * values * sizeof(float);
}

uint64_t ayf_run_picture_bytes(const ayf_run *run) {
    if (!run->sampler) return 0;
    return ayf_picture_bytes(is_student(run), ayf_sampler_bytes(run->sampler),
                             ayf_sampler_describe(run->sampler)->batch, run->batch.values);
}

/* The middle of what the student was trained for. */
static double guidance_of(const ayf_run *run) {
    double low, high;
    ayf_run_guidance_range(run, &low, &high);
    return 0.5 * (low + high);
}

/* One panel: `count` samples in data units. */
static ayf_status sample_panel(ayf_run *run, int panel, int count, float *out) {
    int labels[POINTS];
    uint64_t seeds[POINTS];
    size_t values = run->batch.values;
    const ayf_classes *known = &ayf_dataset_info_of(run->data)->known;
    for (int i = 0; i < count; i++) {
        seeds[i] = (uint64_t)i;
        labels[i] = run->spec.label_dim ? ayf_classes_nth(known, run->spec.label_dim, i) : -1;
        ayf_latent(seeds[i], out + (size_t)i * values, values);
    }
    ayf_solver_options how = {.method = is_student(run) ? AYF_METHOD_FLOW_MAP : AYF_METHOD_HEUN,
                              .steps = is_student(run) ? student_steps[panel] : TEACHER_STEPS,
                              .guidance = guidance_of(run)};
    AYF_TRY(ayf_sampler_run(run->sampler, &how, out, run->spec.label_dim ? labels : NULL, seeds, NULL));
    for (size_t i = 0; i < (size_t)count * values; i++) out[i] = (float)(out[i] * run->sigma_data);
    return AYF_OK;
}

/* Points as dots of 2 x 2 pixels, white turning dark; y points up. */
static void draw_points(const float *points, int count, float *panel) {
    for (int i = 0; i < PANEL * PANEL; i++) panel[i] = 1;
    for (int i = 0; i < count; i++) {
        double x = (points[2 * i] / panel_reach + 1) * 0.5 * PANEL,
               y = (1 - points[2 * i + 1] / panel_reach) * 0.5 * PANEL;
        if (!(x >= 0 && y >= 0 && x < PANEL - 1 && y < PANEL - 1)) continue;
        for (int k = 0; k < 4; k++) {
            float *pixel = &panel[((int)y + k / 2) * PANEL + (int)x + k % 2];
            *pixel = fmaxf(-1, *pixel - 0.8f);
        }
    }
}

static ayf_status points_picture(ayf_run *run, ayf_image *image) {
    int panels = panels_of(run);
    float *drawn = ayf_alloc(run->ctx, (size_t)panels * PANEL * PANEL, sizeof *drawn);
    if (!drawn) return AYF_E_MEMORY;
    for (int i = 0; i < panels; i++)
        draw_points(run->pictures + (size_t)i * POINTS * 2, POINTS, drawn + (size_t)i * PANEL * PANEL);
    ayf_status status =
        ayf_image_grid(run->ctx, drawn, (size_t)panels, 1, panels, PANEL, PANEL, 1, 2, 128, image);
    ayf_free(run->ctx, drawn);
    return status;
}

/* Latents are no pictures without a decoder. Their first three channels, as red, green and blue of what lies within
 * three deviations, show the outlines; with fewer channels, the first one is grey. In place. */
static int show_latents(const ayf_run *run, size_t count) {
    const ayf_dataset_info *info = ayf_dataset_info_of(run->data);
    size_t channels = (size_t)info->channels, shown = channels < 3 ? 1 : 3;
    size_t pixels = count * (size_t)info->height * (size_t)info->width;
    double reach = 3 * run->sigma_data;
    for (size_t p = 0; p < pixels; p++)
        for (size_t c = 0; c < shown; c++)
            run->pictures[p * shown + c] = (float)(run->pictures[p * channels + c] / reach);
    return (int)shown;
}

static ayf_status images_picture(ayf_run *run, ayf_image *image) {
    const ayf_dataset_info *info = ayf_dataset_info_of(run->data);
    int rows = is_student(run) ? panels_of(run) : TEACHER_ROWS, count = panels_of(run) * IMAGES;
    int channels = info->latents ? show_latents(run, (size_t)count) : info->channels;
    return ayf_image_grid(run->ctx, run->pictures, (size_t)count, rows, count / rows, info->height,
                          info->width, channels, 2, 128, image);
}

static ayf_status write_picture(ayf_run *run, const ayf_image *image) {
    char about[160];
    const ayf_dataset_info *info = ayf_dataset_info_of(run->data);
    snprintf(about, sizeof about, "training step %llu, seeds 0 to %d, %s, guidance %g%s",
             (unsigned long long)run->step, (info->points ? POINTS : IMAGES) - 1,
             is_student(run) ? "flow map in 1, 2 and 4 steps" : "Heun in 16 steps", guidance_of(run),
             info->latents ? ", channels of latents as colours" : "");
    char *path = ayf_run_samples_path(run->ctx, run->folder, (int64_t)run->step);
    unsigned char *png = NULL;
    size_t size;
    ayf_status status = path ? AYF_OK : AYF_E_MEMORY;
    if (status == AYF_OK)
        status =
            ayf_image_encode_png(run->ctx, image, &(ayf_image_text){"Description", about}, 1, &png, &size);
    if (status == AYF_OK) status = ayf_file_write(run->ctx, path, png, size);
    if (status == AYF_OK)
        status = ayf_run_record_picture(run, png, size, image->height, image->width, image->channels);
    ayf_free(run->ctx, png);
    ayf_free(run->ctx, path);
    return status;
}

ayf_status ayf_run_picture(ayf_run *run) {
    const bool points = ayf_dataset_info_of(run->data)->points;
    AYF_TRY(ayf_run_picture_open(run));
    ayf_sampler_refresh(run->sampler);
    int count = points ? POINTS : IMAGES;
    for (int i = 0; i < panels_of(run); i++)
        AYF_TRY(sample_panel(run, i, count, run->pictures + (size_t)i * (size_t)count * run->batch.values));
    ayf_image image = {0};
    ayf_status status = points ? points_picture(run, &image) : images_picture(run, &image);
    if (status == AYF_OK) status = write_picture(run, &image);
    ayf_image_clear(run->ctx, &image);
    return status;
}

void ayf_run_picture_close(ayf_run *run) {
    ayf_sampler_free(run->sampler);
    ayf_free(run->ctx, run->pictures);
    run->sampler = NULL;
    run->pictures = NULL;
}
