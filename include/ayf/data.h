/* Data sets: what is in them. Part of ayf.h, which has the rules that hold for all of it. */
#ifndef AYF_API_DATA_H
#define AYF_API_DATA_H

#include "ayf/context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Checking ---- */

enum { AYF_DATA_LISTED = 20 }; /* pairs and flat pictures that are named at most */

typedef struct ayf_data_options { /* all zero = defaults; source is required */
    const char *source;           /* as data.source */
    const char *const *settings;  /* "data.resolution=32": keys of the data section but data.source */
    int setting_count;
} ayf_data_options;

typedef struct ayf_data_pair { /* two pictures with the same pixels */
    char *first, *second;
    bool other_class; /* and different labels */
} ayf_data_pair;

typedef struct ayf_data_size {
    int height, width;
    uint64_t count; /* pictures of this size */
} ayf_data_size;

/* What a data set holds. Strings are owned by the report. Names of files and of classes are as they were found:
 * ayf_plain_text() makes them safe for a terminal. */
typedef struct ayf_data_report {
    uint64_t count; /* samples, those that cannot be read included */
    char *note;     /* what of the source was taken; NULL: all of it */
    bool points;    /* points in the plane */
    bool drawn;     /* drawn when they are asked for; nothing of them is counted below but the classes */

    uint64_t bad_count; /* pictures that cannot be used, by themselves or for their label; */
    char **bad;         /* [bad_count] "name: reason" of each */

    int classes;            /* 0 = without */
    uint64_t *class_counts; /* [classes], usable samples */
    char **class_names;     /* [classes]; NULL: they have numbers only */
    char *no_classes;       /* the reason */

    uint64_t png, jpeg, webp, raw;               /* by format; raw: IDX, CIFAR-10 ... */
    uint64_t alpha, deep, palette, cmyk, turned; /* converted: transparency, 16 bits ... */
    uint64_t grey, colour;                       /* by channels */
    uint64_t size_count;                         /* different sizes */
    ayf_data_size usual, smallest, largest;      /* the most frequent one, and by the number of pixels */
    uint64_t not_square, enlarged;               /* cropped; smaller than the resolution */

    uint64_t duplicate_count, other_class_count; /* pictures that repeat an earlier one; with another label */
    uint64_t pair_count;                         /* at most AYF_DATA_LISTED, other labels first */
    ayf_data_pair *pairs;
    uint64_t flat_count; /* pictures whose values hardly differ (standard deviation below 2 of 255); */
    char **flat;         /* the first AYF_DATA_LISTED */

    int height, width, channels; /* of what a network is trained on; 0: the pictures do not agree */
    uint64_t bytes;              /* of all samples in that shape; 0: see above */
    bool fits;                   /* kept in memory; else decoded whenever they are used */

    bool latents; /* of a VAE, not pictures: formats, grey and colour are not counted */
    bool spread;  /* means and deviations, about which every visit draws a sample */
    double channel_mean[8], channel_deviation[8]; /* of latents, as they are stored, the spread included */
} ayf_data_report;

/* Reads every picture once. Bad pictures are no failure but a part of the report. AYF_E_FORMAT: none can be used;
 * the report is filled all the same. Release it with ayf_data_report_free(), also after a failure. */
AYF_API AYF_CHECKED ayf_status ayf_data_check(ayf_context *ctx, const ayf_data_options *options,
                                              ayf_data_report *report);
AYF_API void ayf_data_report_free(ayf_context *ctx, ayf_data_report *report);

/* Writes a PNG of what a network sees: some pictures of each class, after crop, resizing and conversion, with the
 * names of the classes. `shown` (may be NULL) receives the number of classes on the sheet. Pictures that do not
 * agree in size or channels are shown at 64 pixels, in colour. AYF_E_USAGE for points and latents. */
AYF_API AYF_CHECKED ayf_status ayf_data_sheet(ayf_context *ctx, const ayf_data_options *options,
                                              const char *path, int *shown);

#ifdef __cplusplus
}
#endif

#endif
