/* Pictures of what a run has learned, in its folder. */
#ifndef AYF_RUN_PICTURES_H
#define AYF_RUN_PICTURES_H

#include "train/state.h"

ayf_status ayf_run_picture(ayf_run *run); /* of the present step */
void ayf_run_picture_close(ayf_run *run);

#endif
