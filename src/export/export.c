#include "export/export.h"

ayf_status ayf_model_export(ayf_model *model, const ayf_export_options *options, const char *path) {
    ayf_export_plan plan;
    AYF_TRY(ayf_export_plan_make(model, options, path, &plan));
    switch (plan.options.format) {
    case AYF_EXPORT_ONNX:
        return ayf_export_onnx(&plan);
    case AYF_EXPORT_SAFETENSORS:
        return ayf_export_safetensors(&plan);
    case AYF_EXPORT_C:
        break;
    }
    return ayf_export_c(&plan);
}
