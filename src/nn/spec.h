/* What a network is: a plain struct that can be copied and written as key=value text.
 *
 *     ayf_model_spec spec = ayf_model_spec_default();
 *     AYF_TRY(ayf_model_spec_set(ctx, &spec, "channel_mult", "1,2,2"));
 *     AYF_TRY(ayf_network_check(ctx, &spec));
 *     for (size_t i = 0; i < ayf_model_spec_keys(); i++) {
 *         ayf_model_spec_get(&spec, i, text, sizeof text);
 *         printf("%s=%s\n", ayf_model_spec_key(i), text);
 *     }
 */
#ifndef AYF_SPEC_H
#define AYF_SPEC_H

#include "base/fields.h"

typedef enum ayf_model_kind {
#define KIND(constant, name, flow, points) AYF_MODEL_##constant,
#include "nn/spec.def"
    AYF_MODEL_KINDS
} ayf_model_kind;

typedef enum ayf_precond {
#define PRECOND(constant, name) AYF_PRECOND_##constant,
#include "nn/spec.def"
} ayf_precond;

typedef enum ayf_time_label {
#define TIME(constant, name) AYF_TIME_##constant,
#include "nn/spec.def"
} ayf_time_label;

#define AYF_SPEC_TIME ayf_time_label
#define AYF_SPEC_KIND ayf_model_kind
#define AYF_SPEC_PRECOND ayf_precond
#define AYF_SPEC_BOOL bool
#define AYF_SPEC_INT int
#define AYF_SPEC_REAL double
#define AYF_SPEC_INTS ayf_ints
#define AYF_SPEC_REALS ayf_reals

/* The members are in spec.def. Only the fields of its kind matter to a network. */
typedef struct ayf_model_spec {
#define KEY(type, kinds, users, field, text, low, high, name, help) AYF_SPEC_##type field;
#define FIELD(type, kinds, field, text, low, high, help) AYF_SPEC_##type field;
#include "nn/spec.def"
} ayf_model_spec;

/* The defaults of the table: the 7.1 M-parameter U-Net for 32x32 colour images. */
ayf_model_spec ayf_model_spec_default(void);

/* The fields by index, in the order of the table. `size` bytes at `text` take the value as
 * ayf_model_spec_set() reads it back without loss; AYF_FIELD_SIZE is always enough. */
size_t ayf_model_spec_keys(void);
const char *ayf_model_spec_key(size_t index);
bool ayf_model_spec_has(const ayf_model_spec *spec, size_t index); /* is it a field of the spec's kind? */
bool ayf_model_spec_added(const char *key); /* files of earlier versions lack it, and mean its default */
bool ayf_model_kind_uses(ayf_model_kind kind, size_t index); /* of a KEY row: does the network look at it? */
void ayf_model_spec_get(const ayf_model_spec *spec, size_t index, char *text, size_t size);

/* Reads one value as ayf_field_set() does. AYF_E_CONFIG names the key, the value and what would be right;
 * `spec` is then unchanged. */
ayf_status ayf_model_spec_set(ayf_context *ctx, ayf_model_spec *spec, const char *key, const char *value);

/* AYF_OK when every field is within its limits; otherwise AYF_E_CONFIG names the key. ayf_network_check()
 * (nn/network.h) also says whether a network can be built from it. */
ayf_status ayf_model_spec_in_range(ayf_context *ctx, const ayf_model_spec *spec);

const char *ayf_model_kind_name(ayf_model_kind kind);    /* "unet", ... */
bool ayf_model_is_flow(const ayf_model_spec *spec);      /* has a velocity: a teacher or a student */
bool ayf_model_makes_points(const ayf_model_spec *spec); /* makes points, not images */

bool ayf_model_draws_latents(const ayf_model_spec *spec); /* of a VAE, not pictures or points */

/* The flow network for points or for images that a message can name. */
ayf_model_kind ayf_model_kind_for(bool points);

#endif
