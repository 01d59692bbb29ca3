/* Choices that a configuration names and a room below it carries out: one list each, of which the enum and
 * the names are made. X(constant, name in a configuration). Files hold the names, so the order is free. A
 * loss `name` also needs a function name_term() in flow/step.c. */
#ifndef AYF_BASE_CHOICES_H
#define AYF_BASE_CHOICES_H

#define AYF_LOSSES(X) X(AYF_LOSS_EMD, emd) X(AYF_LOSS_LMD, lmd)
#define AYF_TARGETS(X) X(AYF_TARGET_TEACHER, teacher) X(AYF_TARGET_DATA, data)
#define AYF_NORMS(X) X(AYF_NORM_RMS, rms) X(AYF_NORM_L2, l2) X(AYF_NORM_NONE, none)

/* The enum is ayf.h's. */
#define AYF_PRECISIONS(X)                                                                                    \
    X(AYF_PRECISION_HIGHEST, highest) X(AYF_PRECISION_BF16, bf16) X(AYF_PRECISION_AUTO, auto)

#define AYF_RECOMPUTES(X)                                                                                    \
    X(AYF_RECOMPUTE_NONE, none) X(AYF_RECOMPUTE_CHEAP, cheap) X(AYF_RECOMPUTE_BLOCKS, blocks)

#define AYF_RESIZES(X) X(AYF_RESIZE_LANCZOS, lanczos) X(AYF_RESIZE_DHARIWAL, dhariwal) X(AYF_RESIZE_BOX, box)
#define AYF_BACKGROUNDS(X) X(AYF_BACKGROUND_WHITE, white) X(AYF_BACKGROUND_BLACK, black)

#define AYF_CHOICE_CONSTANT(constant, name) constant,
#define AYF_CHOICE_NAME(constant, name) [constant] = #name,

/* What a flow map is distilled with (flow/step.h). */
typedef enum ayf_loss { AYF_LOSSES(AYF_CHOICE_CONSTANT) } ayf_loss;

/* Where the velocity comes from. GIVEN (mid-training): x_t and v are inputs themselves; no configuration
 * names it. */
typedef enum ayf_target { AYF_TARGETS(AYF_CHOICE_CONSTANT) AYF_TARGET_GIVEN } ayf_target;

/* How the tangent is normalised. */
typedef enum ayf_norm { AYF_NORMS(AYF_CHOICE_CONSTANT) } ayf_norm;

/* What is computed again instead of being kept (pass/recompute.h): nothing, everything but convolutions and matrix
 * products, everything within a block of a network. */
typedef enum ayf_recompute { AYF_RECOMPUTES(AYF_CHOICE_CONSTANT) } ayf_recompute;

/* How pictures get smaller or larger (image/image.h). */
typedef enum ayf_resize { AYF_RESIZES(AYF_CHOICE_CONSTANT) } ayf_resize;

/* What is under the transparent parts of a picture. */
typedef enum ayf_background { AYF_BACKGROUNDS(AYF_CHOICE_CONSTANT) } ayf_background;

#endif
