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
#ifndef AYF_SPEC_H
#define AYF_SPEC_H

#include "base/base.h"

typedef enum ayf_model_kind {
    AYF_MODEL_UNET,
    AYF_MODEL_MLP,
    AYF_MODEL_DISCRIMINATOR, /* StyleGAN2's, residual */
    AYF_MODEL_FEATURES,      /* a small classifier whose features compare sets of images */
    AYF_MODEL_INCEPTION,     /* the Inception network of FID; its weights come from the user */
    AYF_MODEL_KINDS
} ayf_model_kind;
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

/* Sets of kinds as bit masks: every kind, those with images of a fixed size, the flow networks. */
#define AYF_KIND(NAME) (1u << AYF_MODEL_##NAME)
#define AYF_ANY_MODEL ((1u << AYF_MODEL_KINDS) - 1)
#define AYF_FLOW (AYF_KIND(UNET) | AYF_KIND(MLP))
#define AYF_SIZED (AYF_FLOW | AYF_KIND(DISCRIMINATOR) | AYF_KIND(FEATURES))

/* X(TYPE, kinds, field, default, lowest, highest, help): `kinds` is the set of kinds that have the field; the
 * limits hold for each element of a list. The names are those of EDM2 (arXiv 2312.02696) and of NVIDIA's
 * stylegan2-ada-pytorch where they have the option. Only the fields of its kind matter to a network, and only
 * these are in its file. */
#define AYF_MODEL_FIELDS(X)                                                                                  \
    X(KIND, AYF_ANY_MODEL, kind, "unet", 0, AYF_MODEL_KINDS - 1,                                             \
      "unet (images), mlp (points), discriminator, features or inception")                                   \
    X(PRECOND, AYF_FLOW, precond, "none", 0, 1, "F = a(t) x - U(x/q)/q: none (a = 0) or velocity")           \
    X(BOOL, AYF_FLOW, is_student, "false", 0, 1,                                                             \
      "true = a flow map, which sees the gap t - s and the guidance strength")                               \
    X(INT, AYF_SIZED, img_resolution, "32", 1, 4096, "height and width in pixels")                           \
    X(INT, AYF_SIZED, img_channels, "3", 1, 64, "channels of the image")                                     \
    X(INT, AYF_SIZED, label_dim, "0", 0, 100000, "number of classes; 0 = unconditional")                     \
    X(INT, AYF_FLOW, model_channels, "64", 1, 4096,                                                          \
      "channels at the highest resolution, before multiplication by channel_mult")                           \
    X(INTS, AYF_FLOW, channel_mult, "1,2,2", 1, 64,                                                          \
      "channel multiplier of each resolution; each resolution is half the one before")                       \
    X(INT, AYF_FLOW, channel_mult_noise, "0", 0, 64,                                                         \
      "channel multiplier of the Fourier features; 0 = channel_mult[0]")                                     \
    X(INT, AYF_FLOW, channel_mult_emb, "0", 0, 64,                                                           \
      "channel multiplier of the embedding; 0 = the largest channel_mult")                                   \
    X(INT, AYF_FLOW, num_blocks, "2", 1, 16, "residual blocks per resolution")                               \
    X(INTS, AYF_FLOW, attn_resolutions, "16,8", 1, 4096, "resolutions with self-attention")                  \
    X(INT, AYF_FLOW, channels_per_head, "64", 1, 4096,                                                       \
      "channels per attention head; a block with fewer channels has no attention")                           \
    X(REAL, AYF_FLOW, label_balance, "0.5", 0, 1, "balance of noise embedding (0) and class embedding (1)")  \
    X(REAL, AYF_FLOW, concat_balance, "0.5", 0, 1, "balance of main path (0) and skip connection (1)")       \
    X(REAL, AYF_FLOW, res_balance, "0.3", 0, 1, "balance of main branch (0) and residual branch (1)")        \
    X(REAL, AYF_FLOW, attn_balance, "0.3", 0, 1, "balance of main branch (0) and self-attention (1)")        \
    X(REAL, AYF_FLOW, clip_act, "256", 0, 1e30, "largest magnitude of the activations; 0 = no limit")        \
    X(REALS, AYF_FLOW, resample_filter, "1,1", -1e3, 1e3,                                                    \
      "low-pass filter of the resampling; 2, 4, 6 or 8 taps")                                                \
    X(REAL, AYF_FLOW, bandwidth_noise, "0.5", 0, 1e3, "spread of the Fourier features of t, in cycles")      \
    X(REAL, AYF_FLOW, bandwidth_gap, "0.5", 0, 1e3, "spread of the Fourier features of t - s, in cycles")    \
    X(REAL, AYF_FLOW, bandwidth_guidance, "0.25", 0, 1e3,                                                    \
      "spread of the Fourier features of the guidance strength, in cycles")                                  \
    X(INT, AYF_FLOW, mlp_dim, "2", 1, 4096, "mlp: coordinates of a point")                                   \
    X(INT, AYF_FLOW, mlp_hidden, "256", 1, 65536, "mlp: units per hidden layer")                             \
    X(INT, AYF_FLOW, mlp_layers, "4", 1, 64, "mlp: number of hidden layers")                                 \
    X(INT, AYF_FLOW, mlp_fourier, "64", 1, 4096, "mlp: Fourier features per embedding")                      \
    X(INT, AYF_KIND(DISCRIMINATOR), channel_base, "32768", 1, 1e8,                                           \
      "discriminator: channels times resolution, up to channel_max channels")                                \
    X(INT, AYF_KIND(DISCRIMINATOR), channel_max, "512", 1, 65536,                                            \
      "discriminator: largest number of channels at any resolution")                                         \
    X(INT, AYF_KIND(DISCRIMINATOR), cmap_dim, "0", 0, 65536,                                                 \
      "discriminator: size of the class embedding; 0 = the number of channels at 4x4")                       \
    X(INT, AYF_KIND(DISCRIMINATOR), mapping_layers, "8", 1, 64,                                              \
      "discriminator: layers that follow the class embedding")                                               \
    X(INT, AYF_KIND(DISCRIMINATOR), mbstd_group_size, "4", 0, 65536,                                         \
      "discriminator: samples per group of the minibatch deviation; 0 = the whole batch")                    \
    X(INT, AYF_KIND(DISCRIMINATOR), mbstd_num_channels, "1", 0, 64,                                          \
      "discriminator: channels of the minibatch deviation; 0 = no such channels")                            \
    X(INTS, AYF_KIND(FEATURES), feature_channels, "32,64,128", 1, 4096,                                      \
      "features: channels of each resolution; each resolution is half the one before")                       \
    X(INT, AYF_KIND(FEATURES), feature_dim, "64", 1, 65536, "features: number of features")

#define AYF_FIELD_KIND ayf_model_kind
#define AYF_FIELD_PRECOND ayf_precond
#define AYF_FIELD_BOOL bool
#define AYF_FIELD_INT int
#define AYF_FIELD_REAL double
#define AYF_FIELD_INTS ayf_ints
#define AYF_FIELD_REALS ayf_reals

typedef struct ayf_model_spec {
#define AYF_ROW(TYPE, kinds, field, text, low, high, help) AYF_FIELD_##TYPE field;
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
bool ayf_model_spec_has(const ayf_model_spec *spec, size_t index); /* is it a field of the spec's kind? */
void ayf_model_spec_get(const ayf_model_spec *spec, size_t index, char *text, size_t size);

/* Reads one value: whole numbers, reals, true/false, names, or lists "1,2,2" ("" = empty; spaces and
 * brackets around a list are ignored). AYF_E_CONFIG names the key, the value and what would be right; `spec`
 * is then unchanged. */
ayf_status ayf_model_spec_set(ayf_context *ctx, ayf_model_spec *spec, const char *key, const char *value);

/* AYF_OK when a network can be built from it; otherwise AYF_E_CONFIG names the key to change. */
ayf_status ayf_model_spec_check(ayf_context *ctx, const ayf_model_spec *spec);

/* Equal kinds, and equal values of the fields that the kind has. */
bool ayf_model_spec_equal(const ayf_model_spec *a, const ayf_model_spec *b);

const char *ayf_model_kind_name(ayf_model_kind kind); /* "unet", ... */
bool ayf_model_is_flow(const ayf_model_spec *spec);   /* a U-Net or an MLP: has a velocity */

#endif
