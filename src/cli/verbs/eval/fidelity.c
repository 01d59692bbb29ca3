/* ayf eval --teacher: a student against its teacher. */
#include <math.h>
#include <stdlib.h>

#include "eval.h"

double cli_eval_guidance(const cli_eval_job *j) {
    return j->guidance > 0 ? j->guidance : fmin(fmax(1, j->facts.guidance_min), j->facts.guidance_max);
}

static int check_guidance(const cli_eval_job *j) {
    double guidance = cli_eval_guidance(j), low = j->facts.guidance_min, high = j->facts.guidance_max;
    bool guided = cli_eval_value(j, CLI_OPT_weak) || cli_eval_value(j, CLI_OPT_cfg);
    if (!j->teacher || guided || guidance == 1 || guidance < low || guidance > high) return 0;
    return cli_error(j->c, AYF_E_USAGE,
                     "%s draws with guidance %g, so its teacher %s has to be guided too: give what the "
                     "distillation steered away from (--weak MODEL, or --cfg)%s",
                     j->subject, guidance, cli_eval_value(j, CLI_OPT_eval_teacher),
                     low <= 1 && high >= 1 ? ", or leave out --guidance" : "");
}

int cli_eval_fidelity(cli_eval_job *j) {
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
