/* The communicator of MPI_COMM_WORLD. */
#ifndef AYF_COMM_WORLD_H
#define AYF_COMM_WORLD_H

#include "comm/comm.h"

/* Starts MPI unless the caller of the library has; then its end is the caller's as well. AYF_E_USAGE in a
 * build without MPI and when MPI has been ended in this process. */
ayf_status ayf_comm_open_mpi(ayf_context *ctx, ayf_comm **out);

#endif
