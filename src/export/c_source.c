#include "export/export.h"

ayf_status ayf_export_c(const ayf_export_plan *plan) {
    return ayf_fail(plan->model->ctx, AYF_E_USAGE, "the format c is not there yet");
}
