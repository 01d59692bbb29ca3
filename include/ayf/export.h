/* Models for other programs. Part of ayf.h, which has the rules that hold for all of it. */
#ifndef AYF_API_EXPORT_H
#define AYF_API_EXPORT_H

#include "ayf/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ayf_export_format {
    AYF_EXPORT_ONNX,        /* one call, or a whole sampler, for ONNX Runtime, OpenVINO and others */
    AYF_EXPORT_SAFETENSORS, /* the weights under EDM2's names, for PyTorch */
    AYF_EXPORT_C,           /* one C99 file that draws samples and needs nothing but libm */
} ayf_export_format;

/* How weights are stored. They are rounded to the nearest value, ties to even; ONNX and C programs compute in
 * 32 bits whatever it is. */
typedef enum ayf_export_dtype { AYF_EXPORT_F32, AYF_EXPORT_F16, AYF_EXPORT_BF16 } ayf_export_dtype;

/* "onnx", "f16" ...; NULL: there is no such format or type. */
AYF_API const char *ayf_export_format_name(ayf_export_format format);
AYF_API const char *ayf_export_dtype_name(ayf_export_dtype dtype);

enum { AYF_EXPORT_STEPS_MOST = 256 };
typedef struct ayf_export_options { /* all zero = defaults */
    ayf_export_format format;
    ayf_export_dtype dtype;
    /* ONNX: 0 = one call; else a whole sampler of this many steps, from noise to images. C: steps when the
     * program is not told otherwise, 0 = AYF_STUDENT_STEPS or AYF_TEACHER_STEPS. At most
     * AYF_EXPORT_STEPS_MOST. */
    int steps;
    const double *times; /* steps + 1 falling values from 1 to 0; NULL: uniform */
    double guidance;     /* strength; 0 = an input of one call, the default of a sampler */
    ayf_solver solver;   /* samplers of teachers: EULER or HEUN (default) */
    int batch;           /* ONNX: 0 = any number of samples per run, else exactly this many */
    const char *name;    /* C: prefix of what the file defines, an identifier; NULL: "ayf" */
} ayf_export_options;

/* Writes `model` to `path`, atomically; docs/export.md describes the files. AYF_E_USAGE: an option does not
 * suit the model or the format, or a file would be larger than its format allows. AYF_E_CONFIG: a weight is
 * too large for F16; the message names it. */
AYF_API AYF_CHECKED ayf_status ayf_model_export(ayf_model *model, const ayf_export_options *options,
                                                const char *path);

#ifdef __cplusplus
}
#endif

#endif
