#include "image/codec.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

/* libjpeg gets its memory from malloc: it offers no hook. Everything lives in one struct in the caller of the
 * function that calls setjmp, so that longjmp leaves it as it is and one destroy frees it. */
typedef struct reader {
    struct jpeg_decompress_struct jpeg; /* its client_data points back here */
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    ayf_context *ctx;
    ayf_image_file *file;
    ayf_image *image;
    uint8_t *ink; /* one row of CMYK */
    ayf_status status;
} reader;

/* A progressive file may repeat its scans without end; real encoders use about ten. */
enum { MAX_SCANS = 100 };

static void fail(reader *r, const char *reason) {
    r->status = ayf_fail(r->ctx, AYF_E_FORMAT, "%s: %s", r->file->name, reason);
    longjmp(r->escape, 1);
}

static void on_error(j_common_ptr jpeg) {
    reader *r = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    if (jpeg->err->msg_code == JERR_OUT_OF_MEMORY) {
        r->status = ayf_fail(r->ctx, AYF_E_MEMORY, "%s: out of memory while reading the JPEG", r->file->name);
    } else {
        r->status = ayf_fail(r->ctx, AYF_E_FORMAT, "%s: not a usable JPEG (%s)", r->file->name, text);
    }
    longjmp(r->escape, 1);
}

static void on_message(j_common_ptr jpeg, int level) {
    if (level >= 0) return;
    int code = jpeg->err->msg_code;
    if (code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR) return;
    char text[JMSG_LENGTH_MAX], reason[JMSG_LENGTH_MAX + 40];
    jpeg->err->format_message(jpeg, text);
    snprintf(reason, sizeof reason, "truncated or damaged JPEG (%s)", text);
    fail(jpeg->client_data, reason);
}

static void on_output(j_common_ptr jpeg) { (void)jpeg; }

static void on_progress(j_common_ptr jpeg) {
    reader *r = jpeg->client_data;
    if (r->jpeg.input_scan_number > MAX_SCANS) fail(r, "a JPEG with more than 100 scans is refused");
}

/* The EXIF data of the first marker that has any. */
static int orientation_of(j_decompress_ptr jpeg) {
    enum { PREFIX = 6 };
    for (jpeg_saved_marker_ptr m = jpeg->marker_list; m; m = m->next)
        if (m->marker == JPEG_APP0 + 1 && m->data_length > PREFIX &&
            memcmp(m->data, "Exif\0", PREFIX - 1) == 0)
            return ayf_exif_orientation(m->data + PREFIX, m->data_length - PREFIX);
    return 1;
}

static void choose_colours(reader *r) {
    j_decompress_ptr jpeg = &r->jpeg;
    switch (jpeg->jpeg_color_space) {
    case JCS_GRAYSCALE:
        jpeg->out_color_space = JCS_GRAYSCALE;
        break;
    case JCS_YCbCr:
    case JCS_RGB:
        jpeg->out_color_space = JCS_RGB;
        break;
    case JCS_CMYK:
    case JCS_YCCK:
        jpeg->out_color_space = JCS_CMYK;
        break;
    default:
        fail(r, "is a JPEG of unknown colours; convert it to RGB");
    }
}

static void read_header(reader *r) {
    /* A block of 64 pixels takes at least one bit, unless it is coded arithmetically. */
    enum { PIXELS_PER_BYTE = 8 * 64, APP1_MOST = 0xffff };
    j_decompress_ptr jpeg = &r->jpeg;
    jpeg_save_markers(jpeg, JPEG_APP0 + 1, APP1_MOST);
    jpeg_read_header(jpeg, TRUE);
    choose_colours(r);
    bool cmyk = jpeg->out_color_space == JCS_CMYK;
    int channels = jpeg->out_color_space == JCS_GRAYSCALE ? 1 : 3;
    int height = (int)jpeg->image_height, width = (int)jpeg->image_width;
    r->status =
        ayf_image_check_size(r->ctx, r->file->name, jpeg->image_height, jpeg->image_width, r->file->size,
                             jpeg->arith_code ? AYF_IMAGE_MAX_PIXELS : PIXELS_PER_BYTE);
    if (r->status != AYF_OK) longjmp(r->escape, 1);
    r->file->orientation = orientation_of(jpeg);
    *r->image = (ayf_image){.height = height,
                            .width = width,
                            .channels = channels,
                            .format = AYF_IMAGE_JPEG,
                            .traits = cmyk ? AYF_IMAGE_CMYK : 0};
    if (r->file->header_only) return;
    r->image->pixels = ayf_alloc(r->ctx, ayf_image_bytes(r->image), 1);
    if (cmyk) r->ink = ayf_alloc(r->ctx, (size_t)width, 4);
    if (r->image->pixels && (r->ink || !cmyk)) return;
    r->status = AYF_E_MEMORY;
    longjmp(r->escape, 1);
}

/* As stored by Adobe's programs, and after them by others: 255 is no ink. */
static void ink_to_rgb(const uint8_t *ink, uint8_t *rgb, size_t count) {
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < 3; k++)
            rgb[3 * i + k] = (uint8_t)(((unsigned)ink[4 * i + k] * ink[4 * i + 3] + 127) / 255);
}

static void read_rows(reader *r) {
    j_decompress_ptr jpeg = &r->jpeg;
    size_t width = (size_t)r->image->width, stride = width * (size_t)r->image->channels;
    jpeg->dct_method = JDCT_ISLOW;
    jpeg_start_decompress(jpeg);
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *to = r->image->pixels + (size_t)jpeg->output_scanline * stride;
        JSAMPROW row = r->ink ? r->ink : to;
        jpeg_read_scanlines(jpeg, &row, 1);
        if (r->ink) ink_to_rgb(r->ink, to, width);
    }
    jpeg_finish_decompress(jpeg);
}

/* The only caller of setjmp: it changes no local of its own. */
static void guarded_read(reader *r) {
    if (setjmp(r->escape) != 0) return;
    jpeg_create_decompress(&r->jpeg);
    r->progress.progress_monitor = on_progress;
    r->jpeg.progress = &r->progress;
    jpeg_mem_src(&r->jpeg, r->file->bytes, (unsigned long)r->file->size);
    read_header(r);
    if (!r->file->header_only) read_rows(r);
}

ayf_status ayf_jpeg_decode(ayf_context *ctx, ayf_image_file *file, ayf_image *image) {
    reader r = {.ctx = ctx, .file = file, .image = image};
    r.jpeg.err = jpeg_std_error(&r.errors);
    r.errors.error_exit = on_error;
    r.errors.emit_message = on_message;
    r.errors.output_message = on_output;
    r.jpeg.client_data = &r;
    guarded_read(&r);
    jpeg_destroy_decompress(&r.jpeg);
    ayf_free(ctx, r.ink);
    if (r.status != AYF_OK) ayf_image_clear(ctx, image);
    return r.status;
}
