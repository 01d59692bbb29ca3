/* ayf.h - train, distil and sample flow maps ("Align Your Flow", arXiv 2506.14603).
 *
 *     ayf_context *ctx = ayf_open(NULL);
 *     ayf_model *model;
 *     if (!ctx) return puts("out of memory"), 1;
 *     if (ayf_model_open(ctx, "student.safetensors", &model) != AYF_OK) return puts(ayf_error(ctx)), 1;
 *     ayf_model_facts facts = ayf_model_describe(model);
 *     float *images = malloc(sizeof *images * 16 * (size_t)(facts.height * facts.width * facts.channels));
 *     if (!images || ayf_model_sample(model, &(ayf_sample_options){.steps = 2}, 16, images, NULL) != AYF_OK ||
 *         ayf_grid_write(ctx, "grid.png", images, 16, 4, facts.height, facts.width, facts.channels) != AYF_OK)
 *         puts(images ? ayf_error(ctx) : "out of memory");
 *     free(images);
 *     ayf_model_close(model);
 *     ayf_close(ctx);
 *
 * Every function that can fail returns an ayf_status. After a failure ayf_error() says what was wrong with
 * which file, key or value, and how to fix it. Messages use the words of the program: "--images" stands for
 * the member of the options struct that `ayf help` describes under that name. The library never aborts, exits
 * or prints, and it does not read the environment. A pointer may be NULL only where its comment says so.
 *
 * Options structs: zero-initialise and set what you need. A field left at 0 or NULL takes its default;
 * passing NULL for the struct uses all defaults. A required field that is missing gives AYF_E_USAGE. Before
 * 1.0 we keep source compatibility, not ABI compatibility: new fields may be added, and 0 always means the
 * old behaviour, so recompile but do not rewrite. */
#ifndef AYF_H
#define AYF_H

#include "ayf/context.h"
#include "ayf/data.h"
#include "ayf/eval.h"
#include "ayf/export.h"
#include "ayf/image.h"
#include "ayf/inspect.h"
#include "ayf/latents.h"
#include "ayf/model.h"
#include "ayf/report.h"
#include "ayf/run.h"

#endif
