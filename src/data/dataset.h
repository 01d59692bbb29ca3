/* Training data: images or points, addressed by index, in an order that is a pure function of a seed.
 *
 *     ayf_dataset *data;
 *     ayf_dataset_spec spec = {.source = "cifar10-train.zip", .labels = true};
 *     AYF_TRY(ayf_dataset_open(ctx, &spec, &data));
 *     const ayf_dataset_info *info = ayf_dataset_info_of(data);
 *     AYF_TRY(ayf_dataset_batch(data, seed, step * batch, batch, images, labels));
 *
 * source is one of
 *
 *   a ZIP or a folder   of PNG/JPEG/WebP, searched deeply, sorted bytewise by name; hidden files and what file
 *                     managers leave (__MACOSX, Thumbs.db) are passed over. Labels from dataset.json
 *                     (data/labels.h), at the top or in a folder, else from the folders (data/folders.h): one
 *                     class each, numbered in the order of their names, unless they are storage (00000) or the
 *                     parts of a split (train/, test/), of which one is taken
 *   an IDX file       of bytes (N, H, W) or (N, H, W, channels), or a folder that holds one (training before
 *                     test); .gz or not. The labels are in the file beside it that is called labels instead of
 *                     images and idx1 (or idx2-int: the class is the first column) instead of idx3. 28 x 28
 *                     pictures are padded to 32 x 32 with black before they are brought to a resolution (other
 *                     than 28): 32 is a plain pad
 *   CIFAR binary      a .bin file of CIFAR-10 or CIFAR-100 (fine labels), or a folder of data_batch_<n>.bin or
 *                     train.bin; the names of the classes are in batches.meta.txt or fine_label_names.txt
 *   an .npz file      of bytes (N, H, W) or (N, H, W, channels) called arr_0, as ADM's and consistency models' sample
 *                     batches, images, x_train (Keras) or train_images (MedMNIST); labels, whole numbers (N) or
 *                     (N, 1), are called arr_1, labels, y_train or train_labels. 28 x 28 as in IDX
 *   latents           floats (N, H, W, C) or (N, C, H, W) in an .npz file (ayf sample writes such, in arr_0), or a ZIP
 *                     or a folder of .npy files, as EDM2's dataset_tool.py encodes pictures (data/latents.h). They are
 *                     neither resized nor mirrored, and their channels stay
 *   a colour font     whose CBDT table holds PNG pictures (data/font.h), as NotoColorEmoji.ttf: six classes, bordered
 *                     to squares
 *   builtin:emoji     the same of the installed NotoColorEmoji.ttf
 *   builtin:shapes    65536 drawn pictures, 10 classes (ayf_shape_names), any resolution from 8 (0 = 32)
 *   builtin:ring, builtin:checkerboard, builtin:moons, builtin:spirals
 *                     2^20 points in the plane, overall mean 0 and standard deviation 1; shown as 1 x 1 x 2
 *   builtin:gaussian  the same, standard deviation 0.5
 *
 * What is unpacked is bounded: a picture in a ZIP by 1 MiB and 64 times its compressed size, at most 256 MiB; a
 * dataset.json by 64 MiB and 8 KiB per picture, at most 256 MiB; an IDX file by 1 MiB and 256 times its
 * compressed size. Pipes and devices are refused.
 *
 * Everything is checked when the set is opened. All problems are reported at once: the error message names
 * the first few files, and each problem gets its own log line.
 *
 * Pictures are kept as bytes when all of them fit in the memory allowed, and decoded when asked for
 * otherwise; then a damaged picture is found when it is used. One thread at a time. */
#ifndef AYF_DATASET_H
#define AYF_DATASET_H

#include "base/base.h"
#include "base/choices.h"
#include "base/fields.h"
#include "io/classes.h"

typedef struct ayf_dataset ayf_dataset;

#define AYF_DATASET_MEMORY ((size_t)2 << 30) /* bytes that may be kept unless a spec says otherwise */

typedef struct ayf_dataset_spec { /* all zero but source = as it is, without labels */
    const char *source;
    int resolution;    /* centre crop to a square, then this many pixels a side; 0 = native, all must agree */
    ayf_resize resize; /* how it gets there */
    ayf_background background;
    bool as_stored; /* not turned as EXIF says */
    int channels;   /* 1 = luma, 3 = grey repeated; 0 = native, all must agree */
    int latents; /* channels of the latents that a network sees; 0 = it sees pictures, or that is not known */
    int latent_classes; /* of latents, in place of `classes`, unless theirs have names: how many there are */
    bool pictures;      /* are needed: latents are refused */
    bool mirror;        /* batches flip every other picture, at random, left to right */
    bool labels;        /* wanted: a picture without one is an error */
    bool *
        unlabelled; /* set when labels are wanted and there are none, as against bad ones; NULL: nobody asks */
    bool quiet;     /* no lines to the log: to try whether a set can be read in this way */
    int classes;    /* labels must be below this; 0 = the largest label + 1 */
    size_t skip_bad; /* so many pictures that cannot be read are left out */
    size_t limit;    /* use the first so many only; 0 = all */
    size_t memory;   /* bytes for decoded pictures and unpacked files; 0 = 2 GiB */
    uint64_t seed;   /* which builtin set is drawn */
} ayf_dataset_spec;

typedef struct ayf_dataset_info {
    const char *name;            /* the source */
    size_t count;                /* >= 1 */
    int classes;                 /* 0 = without labels */
    ayf_classes known;           /* their names and numbers of pictures, as far as they are known */
    const char *note;            /* what of the source was taken, for people; NULL: all of it */
    int height, width, channels; /* 1, 1, 2 for points */
    size_t left_out;             /* pictures that cannot be read, which spec.skip_bad allows */
    size_t reshaped; /* of stored pictures, those that have another size or kind and are brought to this */
    bool points;
    bool latents; /* of a VAE: floats without limits, as stored until ayf_dataset_scale() */
    bool spread;  /* latents with deviations, about whose means every visit draws a sample */
} ayf_dataset_info;

size_t ayf_dataset_values(const ayf_dataset_info *info); /* numbers in one sample */

/* On success *out is owned by the caller (ayf_dataset_close). AYF_E_FORMAT: bad data; AYF_E_IO: unreadable;
 * AYF_E_USAGE: a bad spec. */
ayf_status ayf_dataset_open(ayf_context *ctx, const ayf_dataset_spec *spec, ayf_dataset **out);
void ayf_dataset_close(ayf_dataset *data); /* NULL is fine */

const ayf_dataset_info *ayf_dataset_info_of(const ayf_dataset *data);
ayf_context *ayf_dataset_context(const ayf_dataset *data); /* with which it was opened */

/* What it keeps in memory, all of it allocated when it is opened. */
uint64_t ayf_dataset_bytes(const ayf_dataset *data);

/* From here on latents are given as (stored - mean) / scale, per channel. AYF_E_USAGE when the channels are of another
 * number or a scale is not above 0. Of latents only. */
ayf_status ayf_dataset_scale(ayf_dataset *data, const ayf_reals *mean, const ayf_reals *scale);

/* Mean and standard deviation of each channel of latents as they are stored, over at most 2048 of them spread evenly
 * over the set, their spread included. */
ayf_status ayf_dataset_channels(ayf_dataset *data, ayf_reals *mean, ayf_reals *deviation);

/* Latent `index` < count as it is stored: means [height][width][channels], and with a spread the deviations after them;
 * *count floats, valid until the next call. */
ayf_status ayf_dataset_stored(ayf_dataset *data, size_t index, const float **values, size_t *count);

/* Class of sample `index` < count, without reading the sample; -1 without labels. */
int ayf_dataset_label(const ayf_dataset *data, size_t index);

/* Standard deviation of the values (of latents: scaled, with their spread) about their common mean, over at most 2048
 * samples spread evenly over the set: the sigma_data that scales a model. 1 for points, which are made so. */
ayf_status ayf_dataset_sigma(ayf_dataset *data, double *sigma);
ayf_status ayf_dataset_mean(ayf_dataset *data, double *mean); /* their common mean; 0 for points */

/* Sample `index` < count: out[height][width][channels], pictures in [-1,1], flipped left to right if `flip`
 * (only pictures are); of latents with a spread, the means; *label in [0, classes), -1 without labels. `label` may be
 * NULL. */
ayf_status ayf_dataset_get(ayf_dataset *data, size_t index, bool flip, float *out, int *label);

/* Training samples first .. first + count - 1 into out[count][height][width][channels] and labels[count]
 * (NULL if not wanted). Sample k belongs to epoch k / count of the data set. Every epoch visits each index
 * once, in an order keyed by (seed, AYF_RNG_ORDER, epoch). Sample k is flipped when the spec says mirror and
 * bit 0 of word 0 of (seed, AYF_RNG_AUGMENT, step 0, sample k) is set. Latents with a spread are means + deviations
 * times the normal numbers of (seed, AYF_RNG_POSTERIOR, step 0, sample k). */
ayf_status ayf_dataset_batch(ayf_dataset *data, uint64_t seed, uint64_t first, size_t count, float *out,
                             int *labels);

#endif
