#include "train/kinds/student.h"

#include <string.h>

#include "model/file.h"
#include "model/shape.h"
#include "train/kinds/teachers.h"

static ayf_status check_role(const ayf_run *run, const ayf_run_student *student, const char *file) {
    bool maps = student->card.role == AYF_MODEL_ROLE_STUDENT;
    if (maps && !ayf_model_shape(&student->weights->spec).points) return AYF_OK;
    return ayf_fail(
        run->ctx, AYF_E_CONFIG, "finetune.student: %s %s; name a student of images made by ayf distill", file,
        maps ? "makes points, and the discriminator judges images" : "is not a student (a flow map)");
}

ayf_status ayf_run_student_read(ayf_run *run, ayf_run_student *student, const char *path) {
    if (student->weights) return AYF_OK;
    char *file = ayf_run_model_file(run->ctx, path);
    if (!file) return AYF_E_MEMORY;
    ayf_status status = ayf_model_read_flow(run->backend, file, &student->weights, &student->card);
    if (status != AYF_OK)
        ayf_fail_prefix(run->ctx, "finetune.student: ");
    else
        status = check_role(run, student, file);
    ayf_free(run->ctx, file);
    return status;
}

void ayf_run_student_clear(ayf_run *run, ayf_run_student *student) {
    ayf_weights_free(student->weights);
    ayf_model_card_free(run->ctx, &student->card);
    *student = (ayf_run_student){0};
}

ayf_status ayf_run_student_inherit(ayf_run *run, const ayf_run_student *student, const char *path) {
    ayf_context *ctx = run->ctx;
    ayf_config inherited, fresh = run->cfg; /* strings stay run->cfg's */
    AYF_TRY(ayf_config_defaults_of_file(ctx, &inherited));
    ayf_status status =
        ayf_config_parse(ctx, path, student->card.config, strlen(student->card.config), &inherited);
    if (status != AYF_OK) {
        ayf_config_free(ctx, &inherited);
        return status;
    }
    run->cfg.data = inherited.data;
    run->cfg.model = inherited.model;
    run->cfg.distill = inherited.distill;
    run->cfg.distill.midtrain_steps = 0;
    run->cfg.train.batch = inherited.train.batch;
    inherited.data = fresh.data;
    inherited.distill = fresh.distill;
    ayf_config_free(ctx, &inherited);
    return AYF_OK;
}

ayf_status ayf_run_student_check(const ayf_run *run, const ayf_run_student *student) {
    const ayf_model_card *card = &student->card;
    double low, high;
    ayf_run_guidance_range(run, &low, &high);
    if (low >= card->guidance_min && high <= card->guidance_max) return AYF_OK;
    return ayf_fail(
        run->ctx, AYF_E_CONFIG,
        "finetune.student: %s was trained for guidance from %g to %g and this run asks for %g to %g; leave "
        "the distill.guidance keys as the student has them",
        run->begins_path, card->guidance_min, card->guidance_max, low, high);
}
