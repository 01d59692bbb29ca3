#include "image/codec.h"
#include "io/file.h"

#include <png.h>
#include <setjmp.h>
#include <string.h>

/* State shared by the reader and the writer. It lives in the caller of the function that calls setjmp, so
 * that longjmp leaves it as it is; that caller frees what it owns on every path. */
typedef struct codec {
    ayf_context *ctx;
    const char *name;
    png_structp png;
    png_infop info;
    ayf_status status;
    bool out_of_memory;
    const unsigned char *in; /* reader: what is left */
    size_t in_left;
    unsigned char *out; /* writer: what is done */
    size_t out_size, out_capacity;
    size_t alloc_most; /* bytes that libpng may take at once; 0: no limit */
    ayf_image_file *file;
    ayf_image *image;
    const char *key; /* text asked for, */
    char **value;    /* and where it goes */
    const ayf_image *source;
    const ayf_image_text *texts;
    size_t text_count;
} codec;

static png_voidp on_alloc(png_structp png, png_alloc_size_t size) {
    codec *c = png_get_mem_ptr(png);
    /* A chunk that says it is longer than the file: libpng asks for its memory first and only warns. */
    if (c->alloc_most && size > c->alloc_most) return NULL;
    void *pointer = ayf_alloc(c->ctx, size, 1);
    if (!pointer) c->out_of_memory = true;
    return pointer;
}

static void on_free(png_structp png, png_voidp pointer) {
    codec *c = png_get_mem_ptr(png);
    ayf_free(c->ctx, pointer);
}

static void on_error(png_structp png, png_const_charp text) {
    codec *c = png_get_error_ptr(png);
    if (c->status == AYF_OK) {
        if (c->out_of_memory)
            c->status = ayf_fail(c->ctx, AYF_E_MEMORY, "%s: out of memory in the PNG library", c->name);
        else
            c->status = ayf_fail(c->ctx, AYF_E_FORMAT, "%s: not a usable PNG (%s)", c->name, text);
    }
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

/* Runs `work` and returns when it is done or has failed. */
static void guarded(codec *c, void (*work)(codec *c)) {
    if (setjmp(png_jmpbuf(c->png)) == 0) work(c);
}

static void stop(codec *c, ayf_status status) {
    c->status = status;
    png_longjmp(c->png, 1);
}

static void refuse(codec *c, const char *reason) {
    stop(c, ayf_fail(c->ctx, AYF_E_FORMAT, "%s: %s", c->name, reason));
}

/* ---- Reading ---- */

static void on_read(png_structp png, png_bytep to, size_t size) {
    codec *c = png_get_io_ptr(png);
    if (size > c->in_left) {
        /* Without memory libpng may leave a chunk out with a warning and lose its place in the file. */
        if (c->out_of_memory) png_error(png, "truncated PNG");
        refuse(c, "truncated PNG");
    }
    memcpy(to, c->in, size);
    c->in += size;
    c->in_left -= size;
}

static bool open_reader(codec *c) {
    enum { MAX_CHUNK = 8 << 20, MAX_ANCILLARY = 1000 };
    c->alloc_most = MAX_CHUNK + c->in_left;
    c->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, c, on_error, on_warning, c, on_alloc, on_free);
    if (!c->png) return false;
    c->info = png_create_info_struct(c->png);
    if (!c->info) return false;
    png_set_read_fn(c->png, c, on_read);
    png_set_user_limits(c->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* read_header() has ours, and says so */
    png_set_chunk_malloc_max(c->png, MAX_CHUNK);
    png_set_chunk_cache_max(c->png, MAX_ANCILLARY);
    return true;
}

/* Of the eXIf chunk, which may stand before or behind the pixels. */
static int orientation_of(const ayf_image_file *file) {
    enum { SIGNATURE = 8, FRAME = 12 };
    for (size_t at = SIGNATURE; at < file->size && file->size - at >= FRAME;) {
        const unsigned char *chunk = file->bytes + at;
        size_t length = (size_t)chunk[0] << 24 | (size_t)chunk[1] << 16 | (size_t)chunk[2] << 8 | chunk[3];
        if (length > file->size - at - FRAME) break;
        if (memcmp(chunk + 4, "eXIf", 4) == 0) return ayf_exif_orientation(chunk + 8, length);
        at += FRAME + length;
    }
    return 1;
}

/* Checks the header and sets the conversions; leaves what it says in c->image, whose channels include alpha.
 */
static void read_header(codec *c) {
    /* deflate cannot reach more than 1032:1, and a pixel takes at least one bit. */
    enum { PIXELS_PER_BYTE = 1032 * 8 };
    png_read_info(c->png, c->info);
    png_uint_32 width, height;
    int depth, type;
    png_get_IHDR(c->png, c->info, &width, &height, &depth, &type, NULL, NULL, NULL);
    bool palette = type == PNG_COLOR_TYPE_PALETTE;
    bool alpha = (type & PNG_COLOR_MASK_ALPHA) || png_get_valid(c->png, c->info, PNG_INFO_tRNS);
    ayf_status status =
        ayf_image_check_size(c->ctx, c->name, height, width, c->file->size,
                             PIXELS_PER_BYTE / ((unsigned)depth * png_get_channels(c->png, c->info)));
    if (status != AYF_OK) stop(c, status);
    if (palette && !png_get_valid(c->png, c->info, PNG_INFO_PLTE)) refuse(c, "has no palette");
    png_set_expand(c->png);
    png_set_strip_16(c->png);
    c->file->orientation = orientation_of(c->file);
    *c->image = (ayf_image){.height = (int)height,
                            .width = (int)width,
                            .channels = (type & PNG_COLOR_MASK_COLOR ? 3 : 1) + alpha,
                            .format = AYF_IMAGE_PNG,
                            .traits = (palette ? AYF_IMAGE_PALETTE : 0u) | (alpha ? AYF_IMAGE_ALPHA : 0u) |
                                      (depth == 16 ? AYF_IMAGE_DEEP : 0u)};
}

static void read_rows(codec *c) {
    int passes = png_set_interlace_handling(c->png);
    png_read_update_info(c->png, c->info);
    size_t stride = (size_t)c->image->width * (size_t)c->image->channels;
    if (png_get_rowbytes(c->png, c->info) != stride) refuse(c, "has an unexpected pixel layout");
    c->image->pixels = ayf_alloc(c->ctx, ayf_image_bytes(c->image), 1);
    if (!c->image->pixels) stop(c, AYF_E_MEMORY);
    for (int pass = 0; pass < passes; pass++)
        for (int y = 0; y < c->image->height; y++)
            png_read_row(c->png, c->image->pixels + (size_t)y * stride, NULL);
    png_read_end(c->png, NULL);
}

static void read_image(codec *c) {
    read_header(c);
    if (!c->file->header_only) read_rows(c);
    if (!(c->image->traits & AYF_IMAGE_ALPHA)) return;
    if (c->image->pixels)
        ayf_image_flatten(c->image, c->file->background);
    else
        c->image->channels--;
}

ayf_status ayf_png_decode(ayf_context *ctx, ayf_image_file *file, ayf_image *image) {
    codec c = {.ctx = ctx,
               .name = file->name,
               .in = file->bytes,
               .in_left = file->size,
               .file = file,
               .image = image};
    *image = (ayf_image){0};
    if (!open_reader(&c)) {
        c.status = ayf_fail(ctx, AYF_E_MEMORY, "%s: out of memory in the PNG library", file->name);
    } else {
        guarded(&c, read_image);
    }
    png_destroy_read_struct(&c.png, &c.info, NULL);
    if (c.status != AYF_OK) ayf_image_clear(ctx, image);
    return c.status;
}

static void find_text(codec *c) {
    png_textp texts = NULL;
    int count = 0;
    png_read_info(c->png, c->info);
    png_get_text(c->png, c->info, &texts, &count);
    for (int i = 0; i < count; i++) {
        if (strcmp(texts[i].key, c->key) != 0) continue;
        *c->value = ayf_strdup(c->ctx, texts[i].text ? texts[i].text : "");
        if (!*c->value) stop(c, AYF_E_MEMORY);
        return;
    }
}

ayf_status ayf_image_read_text(ayf_context *ctx, const char *path, const char *key, char **value) {
    *value = NULL;
    void *bytes = NULL;
    size_t size;
    AYF_TRY(ayf_file_read(ctx, path, (size_t)1 << 30, &bytes, &size));
    codec c = {.ctx = ctx, .name = path, .in = bytes, .in_left = size, .key = key, .value = value};
    if (!open_reader(&c)) {
        c.status = ayf_fail(ctx, AYF_E_MEMORY, "%s: out of memory in the PNG library", path);
    } else {
        guarded(&c, find_text);
    }
    png_destroy_read_struct(&c.png, &c.info, NULL);
    ayf_free(ctx, bytes);
    return c.status;
}

/* ---- Writing ---- */

static void on_write(png_structp png, png_bytep from, size_t size) {
    codec *c = png_get_io_ptr(png);
    if (size > c->out_capacity - c->out_size) {
        size_t capacity = (c->out_size + size) * 2;
        unsigned char *grown = ayf_grow(c->ctx, c->out, c->out_size, capacity, 1);
        if (!grown) stop(c, AYF_E_MEMORY);
        c->out = grown;
        c->out_capacity = capacity;
    }
    memcpy(c->out + c->out_size, from, size);
    c->out_size += size;
}

static void on_flush(png_structp png) { (void)png; }

static bool is_ascii(const char *text) {
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80) return false;
    return true;
}

static void write_image(codec *c) {
    const ayf_image *image = c->source;
    const ayf_image_text *texts = c->texts;
    png_set_write_fn(c->png, c, on_write, on_flush);
    png_set_IHDR(c->png, c->info, (png_uint_32)image->width, (png_uint_32)image->height, 8,
                 image->channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    for (size_t i = 0; i < c->text_count; i++) {
        bool ascii = is_ascii(texts[i].value);
        png_text text = {.compression = ascii ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE,
                         .key = (png_charp)(uintptr_t)texts[i].key,
                         .text = (png_charp)(uintptr_t)texts[i].value,
                         .lang = (png_charp)(uintptr_t) "",
                         .lang_key = (png_charp)(uintptr_t) ""};
        if (ascii)
            text.text_length = strlen(texts[i].value);
        else
            text.itxt_length = strlen(texts[i].value);
        png_set_text(c->png, c->info, &text, 1);
    }
    png_write_info(c->png, c->info);
    size_t stride = (size_t)image->width * (size_t)image->channels;
    for (int y = 0; y < image->height; y++) png_write_row(c->png, image->pixels + (size_t)y * stride);
    png_write_end(c->png, c->info);
}

ayf_status ayf_image_encode_png(ayf_context *ctx, const ayf_image *image, const ayf_image_text *texts,
                                size_t text_count, unsigned char **bytes, size_t *size) {
    *bytes = NULL;
    *size = 0;
    if (!image->pixels || image->height < 1 || image->width < 1 ||
        (image->channels != 1 && image->channels != 3))
        return ayf_fail(ctx, AYF_E_USAGE,
                        "a PNG needs 1 or 3 channels and at least one pixel, not %d x %d x %d", image->height,
                        image->width, image->channels);
    codec c = {.ctx = ctx, .name = "PNG", .source = image, .texts = texts, .text_count = text_count};
    c.png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, &c, on_error, on_warning, &c, on_alloc, on_free);
    c.info = c.png ? png_create_info_struct(c.png) : NULL;
    if (!c.info) {
        c.status = ayf_fail(ctx, AYF_E_MEMORY, "out of memory in the PNG library");
    } else {
        guarded(&c, write_image);
    }
    png_destroy_write_struct(&c.png, &c.info);
    if (c.status != AYF_OK) {
        ayf_free(ctx, c.out);
        return c.status;
    }
    *bytes = c.out;
    *size = c.out_size;
    return AYF_OK;
}

ayf_status ayf_image_write_png(ayf_context *ctx, const char *path, const ayf_image *image,
                               const ayf_image_text *texts, size_t text_count) {
    unsigned char *bytes = NULL;
    size_t size;
    ayf_status status = ayf_image_encode_png(ctx, image, texts, text_count, &bytes, &size);
    if (status != AYF_OK) {
        ayf_fail_prefix(ctx, "%s: ", path);
        return status;
    }
    status = ayf_file_write(ctx, path, bytes, size);
    ayf_free(ctx, bytes);
    return status;
}
