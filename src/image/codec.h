/* The two readers behind ayf_image_decode(); header_only leaves pixels NULL. */
#ifndef AYF_IMAGE_CODEC_H
#define AYF_IMAGE_CODEC_H

#include "image/image.h"

ayf_status ayf_png_decode(ayf_context *ctx, const char *name, const unsigned char *bytes, size_t size,
                          bool header_only, ayf_image *image);
ayf_status ayf_jpeg_decode(ayf_context *ctx, const char *name, const unsigned char *bytes, size_t size,
                           bool header_only, ayf_image *image);

#endif
