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
/* As many as it has names, or the largest label below AYF_MAX_CLASSES + 1. */
int ayf_data_classes(const ayf_opened_data *data);

/* Of data with a source; NULL: it has none. */
const char *ayf_data_class_name(const ayf_opened_data *data, int label);

#endif
