/* gzip data in memory. */
#ifndef AYF_IO_GZIP_H
#define AYF_IO_GZIP_H

#include "base/base.h"

/* Inflates gzip data (one or more members) into fresh memory: *out, owned by the caller (ayf_free), followed
 * by one zero byte that is not counted. More than `limit` bytes of output, a bad checksum, a truncated or a
 * trailing part is AYF_E_FORMAT. `name` is for messages. */
ayf_status ayf_gunzip(ayf_context *ctx, const char *name, const unsigned char *bytes, size_t size,
                      size_t limit, unsigned char **out, size_t *out_size);

#endif
