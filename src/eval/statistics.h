/* Mean and covariance of a reference set in a file, as pytorch-fid writes and reads them: an .npz with mu
 * [dim] and sigma [dim][dim], float64. Ours hold also count, the number of samples, and features, the hash of
 * the network; both are int64, and other programs ignore them. */
#ifndef AYF_STATISTICS_H
#define AYF_STATISTICS_H

#include "eval/extractor.h"
#include "metrics/metrics.h"

/* Whether `path` is such a file: an .npz with mu and sigma and without arr_0, the samples. False for what is not there
 * or not readable: whoever opens it as data says why. */
bool ayf_is_statistics(ayf_context *ctx, const char *path);

/* Reads the moments of `dim` features of `net` (NULL: coordinates). *count: the number of samples, 0 = unknown. The
 * moments then have a count of their own, from which sigma comes out again. AYF_E_USAGE: another number of features, or
 * features of another network; AYF_E_FORMAT: not a mean and a covariance. */
ayf_status ayf_statistics_read(ayf_context *ctx, const char *path, const ayf_extractor *net, size_t dim,
                               ayf_moments **moments, size_t *count);

/* Writes them, atomically. */
ayf_status ayf_statistics_write(const ayf_moments *moments, const ayf_extractor *net, const char *path);

#endif
