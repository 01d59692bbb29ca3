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
    const char *name;
    ayf_image *image;
    ayf_status status;
} reader;

/* A progressive file may repeat its scans without end; real encoders use about ten. */
enum { MAX_SCANS = 100 };

static void fail(reader *r, const char *reason) {
    r->status = ayf_fail(r->ctx, AYF_E_FORMAT, "%s: %s", r->name, reason);
    longjmp(r->escape, 1);
}

static void on_error(j_common_ptr jpeg) {
    reader *r = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    if (jpeg->err->msg_code == JERR_OUT_OF_MEMORY) {
        r->status = ayf_fail(r->ctx, AYF_E_MEMORY, "%s: out of memory while reading the JPEG", r->name);
    } else {
        r->status = ayf_fail(r->ctx, AYF_E_FORMAT, "%s: not a usable JPEG (%s)", r->name, text);
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

static void read_header(reader *r, size_t size, bool header_only) {
    /* A block of 64 pixels takes at least one bit. */
    enum { PIXELS_PER_BYTE = 8 * 64 };
    j_decompress_ptr jpeg = &r->jpeg;
    jpeg_read_header(jpeg, TRUE);
    if (jpeg->arith_code) fail(r, "arithmetic-coded JPEG is not read; save it as a baseline JPEG or PNG");
    if (jpeg->jpeg_color_space == JCS_GRAYSCALE) {
        jpeg->out_color_space = JCS_GRAYSCALE;
    } else if (jpeg->jpeg_color_space == JCS_YCbCr || jpeg->jpeg_color_space == JCS_RGB) {
        jpeg->out_color_space = JCS_RGB;
    } else {
        fail(r, "a CMYK or unknown-colour JPEG is not read; convert it to RGB");
    }
    int channels = jpeg->out_color_space == JCS_RGB ? 3 : 1;
    int height = (int)jpeg->image_height, width = (int)jpeg->image_width;
    r->status =
        ayf_image_check_size(r->ctx, r->name, jpeg->image_height, jpeg->image_width, size, PIXELS_PER_BYTE);
    if (r->status != AYF_OK) longjmp(r->escape, 1);
    if (header_only) {
        *r->image = (ayf_image){.height = height, .width = width, .channels = channels};
        return;
    }
    r->status = ayf_image_init(r->ctx, r->image, height, width, channels);
    if (r->status != AYF_OK) longjmp(r->escape, 1);
}

static void read_rows(reader *r) {
    j_decompress_ptr jpeg = &r->jpeg;
    size_t stride = (size_t)r->image->width * (size_t)r->image->channels;
    jpeg->dct_method = JDCT_ISLOW;
    jpeg_start_decompress(jpeg);
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW row = r->image->pixels + (size_t)jpeg->output_scanline * stride;
        jpeg_read_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_decompress(jpeg);
}

/* The only caller of setjmp: it changes no local of its own. */
static void guarded_read(reader *r, const unsigned char *bytes, size_t size, bool header_only) {
    if (setjmp(r->escape) != 0) return;
    jpeg_create_decompress(&r->jpeg);
    r->progress.progress_monitor = on_progress;
    r->jpeg.progress = &r->progress;
    jpeg_mem_src(&r->jpeg, bytes, (unsigned long)size);
    read_header(r, size, header_only);
    if (!header_only) read_rows(r);
}

ayf_status ayf_jpeg_decode(ayf_context *ctx, const char *name, const unsigned char *bytes, size_t size,
                           bool header_only, ayf_image *image) {
    reader r = {.ctx = ctx, .name = name, .image = image};
    r.jpeg.err = jpeg_std_error(&r.errors);
    r.errors.error_exit = on_error;
    r.errors.emit_message = on_message;
    r.errors.output_message = on_output;
    r.jpeg.client_data = &r;
    guarded_read(&r, bytes, size, header_only);
    jpeg_destroy_decompress(&r.jpeg);
    if (r.status != AYF_OK) ayf_image_clear(ctx, image);
    return r.status;
}
