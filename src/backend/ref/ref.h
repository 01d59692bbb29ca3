/* The reference backend: plain loops in double precision, one node at a time. The oracle that every other
 * backend is compared with. */
#ifndef AYF_REF_H
#define AYF_REF_H

#include "exec/backend.h"

ayf_status ayf_ref_open(ayf_context *ctx, ayf_backend **out);

#endif
