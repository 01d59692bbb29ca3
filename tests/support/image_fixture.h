/* Small image files made on the fly for the tests of the readers. Everything is malloc'ed. */
#ifndef AYF_TEST_IMAGE_FIXTURE_H
#define AYF_TEST_IMAGE_FIXTURE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>
#include <zlib.h>

typedef struct blob {
    unsigned char *bytes;
    size_t size;
} blob;

static inline void blob_append(png_structp png, png_bytep from, size_t size) {
    blob *b = png_get_io_ptr(png);
    b->bytes = realloc(b->bytes, b->size + size);
    memcpy(b->bytes + b->size, from, size);
    b->size += size;
}

static inline void blob_flush(png_structp png) { (void)png; }

/* A PNG of any colour type and depth; `rows` are its packed rows. A palette image gets the colours
 * (i, 255 - i, 7 i); transparent adds a tRNS chunk. */
static inline blob make_png(int width, int height, int type, int depth, int interlaced, int transparent,
                            const unsigned char *rows) {
    blob b = {NULL, 0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(png, &b, blob_append, blob_flush);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, depth, type,
                 interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    if (type == PNG_COLOR_TYPE_PALETTE) {
        png_color palette[256];
        int colours = 1 << depth;
        for (int i = 0; i < colours; i++)
            palette[i] = (png_color){(png_byte)i, (png_byte)(255 - i), (png_byte)(7 * i)};
        png_set_PLTE(png, info, palette, colours);
    }
    png_byte alpha = 9;
    png_color_16 key = {0, 1, 2, 3, 4};
    if (transparent) png_set_tRNS(png, info, &alpha, 1, &key);
    png_write_info(png, info);
    int passes = png_set_interlace_handling(png);
    size_t stride = png_get_rowbytes(png, info);
    for (int pass = 0; pass < passes; pass++)
        for (int y = 0; y < height; y++) png_write_row(png, rows + (size_t)y * stride);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return b;
}

/* A JPEG with 1, 3 or 4 (CMYK) channels. */
static inline blob make_jpeg(int width, int height, int channels, int progressive,
                             const unsigned char *pixels) {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    unsigned char *bytes = NULL;
    unsigned long size = 0;
    jpeg_mem_dest(&jpeg, &bytes, &size);
    jpeg.image_width = (JDIMENSION)width;
    jpeg.image_height = (JDIMENSION)height;
    jpeg.input_components = channels;
    jpeg.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 95, TRUE);
    if (progressive) jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < jpeg.image_height) {
        JSAMPROW row =
            (JSAMPROW)(uintptr_t)(pixels + (size_t)jpeg.next_scanline * (size_t)(width * channels));
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return (blob){bytes, size};
}

/* A smooth picture: value 20 .. 235, different in each channel. */
static inline unsigned char *make_pixels(int width, int height, int channels) {
    unsigned char *p = malloc((size_t)(width * height * channels));
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < channels; c++)
                p[(y * width + x) * channels + c] =
                    (unsigned char)(20 + (x * 200 / width + y * 90 / height + c * 40) % 216);
    return p;
}

#endif
