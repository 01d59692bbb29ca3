/* A data set for looking at: opened so that bad pictures and missing labels do not stand in the way. */
#ifndef AYF_INSPECT_DATA_OPEN_H
#define AYF_INSPECT_DATA_OPEN_H

#include "config/config.h"
#include "data/source.h"

typedef struct ayf_opened_data {
    ayf_context *ctx;
    ayf_config cfg;
    ayf_dataset_spec spec; /* labels: whether there are any */
    ayf_source *source;    /* NULL: points */
    ayf_dataset_info info; /* of points */
    char *no_classes;      /* why spec.labels is false; NULL when it is true or nobody wants labels */
} ayf_opened_data;

/* Close it also after a failure. */
ayf_status ayf_data_open(ayf_context *ctx, const ayf_data_options *options, ayf_opened_data *data);
void ayf_data_close(ayf_opened_data *data);

int ayf_data_label(const ayf_opened_data *data, size_t index); /* -1: none */
int ayf_data_classes(const ayf_opened_data *data);             /* the largest label + 1 */

/* A copy of `text` in which '?' stands for what could disturb a terminal. */
char *ayf_data_printable(ayf_context *ctx, const char *text);

#endif
