/* Pictures of what a run has learned, in its folder. */
#ifndef AYF_RUN_PICTURES_H
#define AYF_RUN_PICTURES_H

#include "train/state.h"

enum { AYF_PICTURE_IMAGES = 16 }; /* that are drawn at a time */
/* What a picture takes in memory when its sampler, for `batch` samples of `values` numbers, takes `sampler` bytes. */
uint64_t ayf_picture_bytes(bool student, uint64_t sampler, int batch, uint64_t values);

/* Makes what draws them, unless it is there. Pictures begin with it, so a caller needs it only to know their memory
 * before. */
ayf_status ayf_run_picture_open(ayf_run *run);
uint64_t ayf_run_picture_bytes(const ayf_run *run); /* 0 before it is made */
ayf_status ayf_run_picture(ayf_run *run);           /* of the present step */
void ayf_run_picture_close(ayf_run *run);

#endif
