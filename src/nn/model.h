/* What a network is: a plain struct that can be copied, compared and written as key=value text.
 *
 *     ayf_model_spec spec = ayf_model_spec_default();
 *     AYF_TRY(ayf_model_spec_set(ctx, &spec, "channel_mult", "1,2,2"));
 *     AYF_TRY(ayf_model_spec_check(ctx, &spec));
 *     for (size_t i = 0; i < ayf_model_spec_keys(); i++) {
 *         ayf_model_spec_get(&spec, i, text, sizeof text);
 *         printf("%s=%s\n", ayf_model_spec_key(i), text);
 *     }
 */
#ifndef AYF_NN_MODEL_H
#define AYF_NN_MODEL_H

#include "base/base.h"

typedef enum ayf_model_kind { AYF_MODEL_UNET, AYF_MODEL_MLP } ayf_model_kind;
typedef enum ayf_precond { AYF_PRECOND_NONE, AYF_PRECOND_VELOCITY } ayf_precond;

enum { AYF_LIST_MAX = 8, AYF_SPEC_TEXT_SIZE = 224 };
typedef struct ayf_ints {
    int count;
    int at[AYF_LIST_MAX];
} ayf_ints;
typedef struct ayf_reals {
    int count;
    double at[AYF_LIST_MAX];
} ayf_reals;

/* X(TYPE, field, default, lowest, highest, help); the limits hold for each element of a list. The names are
 * those of EDM2 (arXiv 2312.02696) where it has the option. */
#define AYF_MODEL_FIELDS(X)                                                                                  \
    X(KIND, kind, "unet", 0, 1, "unet (images) or mlp (points)")                                             \
    X(PRECOND, precond, "none", 0, 1, "F = a(t) x - U(x/q)/q: none (a = 0) or velocity")                     \
    X(BOOL, is_student, "false", 0, 1, "a flow map: sees the gap t-s and the guidance strength")             \
    X(INT, img_resolution, "32", 1, 4096, "height and width in pixels")                                      \
    X(INT, img_channels, "3", 1, 64, "channels of the image")                                                \
    X(INT, label_dim, "0", 0, 100000, "number of classes, 0 = unconditional")                                \
    X(INT, model_channels, "64", 1, 4096, "channels at the highest resolution, times channel_mult")          \
    X(INTS, channel_mult, "1,2,2", 1, 64, "channel multiplier per resolution, each half the one before")     \
    X(INT, channel_mult_noise, "0", 0, 64, "multiplier of the Fourier features, 0 = channel_mult[0]")        \
    X(INT, channel_mult_emb, "0", 0, 64, "multiplier of the embedding, 0 = largest channel_mult")            \
    X(INT, num_blocks, "2", 1, 16, "residual blocks per resolution")                                         \
    X(INTS, attn_resolutions, "16,8", 1, 4096, "resolutions with self-attention")                            \
    X(INT, channels_per_head, "64", 1, 4096, "a block with fewer channels has no attention")                 \
    X(REAL, label_balance, "0.5", 0, 1, "noise embedding (0) against class embedding (1)")                   \
    X(REAL, concat_balance, "0.5", 0, 1, "main path (0) against skip connection (1)")                        \
    X(REAL, res_balance, "0.3", 0, 1, "main branch (0) against residual branch (1)")                         \
    X(REAL, attn_balance, "0.3", 0, 1, "main branch (0) against self-attention (1)")                         \
    X(REAL, clip_act, "256", 0, 1e30, "limit of the activations, 0 = none")                                  \
    X(REALS, resample_filter, "1,1", -1e3, 1e3, "low-pass filter, an even number of taps")                   \
    X(REAL, bandwidth_noise, "0.5", 0, 1e3, "spread in cycles of the Fourier features of t")                 \
    X(REAL, bandwidth_gap, "0.5", 0, 1e3, "the same for t - s")                                              \
    X(REAL, bandwidth_guidance, "0.25", 0, 1e3, "the same for the guidance strength")                        \
    X(INT, mlp_dim, "2", 1, 4096, "mlp: size of a point")                                                    \
    X(INT, mlp_hidden, "256", 1, 65536, "mlp: units of a hidden layer")                                      \
    X(INT, mlp_layers, "4", 1, 64, "mlp: hidden layers")                                                     \
    X(INT, mlp_fourier, "64", 1, 4096, "mlp: Fourier features per embedding")

#define AYF_FIELD_KIND ayf_model_kind
#define AYF_FIELD_PRECOND ayf_precond
#define AYF_FIELD_BOOL bool
#define AYF_FIELD_INT int
#define AYF_FIELD_REAL double
#define AYF_FIELD_INTS ayf_ints
#define AYF_FIELD_REALS ayf_reals

typedef struct ayf_model_spec {
#define AYF_ROW(TYPE, field, text, low, high, help) AYF_FIELD_##TYPE field;
    AYF_MODEL_FIELDS(AYF_ROW)
#undef AYF_ROW
} ayf_model_spec;

/* The defaults of the table: the 7.1 M-parameter U-Net for 32x32 colour images. */
ayf_model_spec ayf_model_spec_default(void);

/* The fields by index, in the order of the table. `size` bytes at `text` take the value as
 * ayf_model_spec_set() reads it back without loss; AYF_SPEC_TEXT_SIZE is always enough. */
size_t ayf_model_spec_keys(void);
const char *ayf_model_spec_key(size_t index);
const char *ayf_model_spec_help(size_t index);
void ayf_model_spec_get(const ayf_model_spec *spec, size_t index, char *text, size_t size);

/* Reads one value: whole numbers, reals, true/false, names, or lists "1,2,2" ("" = empty; spaces and
 * brackets around a list are ignored). AYF_E_CONFIG names the key, the value and what would be right; `spec`
 * is then unchanged. */
ayf_status ayf_model_spec_set(ayf_context *ctx, ayf_model_spec *spec, const char *key, const char *value);

/* AYF_OK when a network can be built from it; otherwise AYF_E_CONFIG names the key to change. */
ayf_status ayf_model_spec_check(ayf_context *ctx, const ayf_model_spec *spec);

bool ayf_model_spec_equal(const ayf_model_spec *a, const ayf_model_spec *b);

#endif
