#include "comm/comm.h"

ayf_status ayf_ranks(ayf_context *ctx, int *rank, int *ranks) {
    ayf_comm *comm;
    *rank = 0;
    *ranks = 1;
    AYF_TRY(ayf_comm_open(ctx, &comm));
    *rank = comm->rank;
    *ranks = comm->ranks;
    return AYF_OK;
}

ayf_status ayf_any_rank(ayf_context *ctx, bool here, bool *anywhere) {
    ayf_comm *comm;
    double count = here;
    *anywhere = here;
    AYF_TRY(ayf_comm_open(ctx, &comm));
    AYF_TRY(ayf_comm_sum_f64(comm, &count, 1));
    *anywhere = count > 0;
    return AYF_OK;
}
