#include "io/events.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "io/file.h"
#include "io/text.h"

struct ayf_events {
    ayf_context *ctx;
    char *path;
    int fd;
    ayf_text summary, event, value; /* the Summary of the next event; buffers */
    uint32_t table[256];            /* of CRC-32C */
};

/* ---- Records ---- */

static void fill_table(uint32_t table[256]) {
    const uint32_t castagnoli = 0x82f63b78; /* reflected */
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) c = c & 1 ? c >> 1 ^ castagnoli : c >> 1;
        table[i] = c;
    }
}

static uint32_t masked_crc(const ayf_events *events, const void *bytes, size_t size) {
    const unsigned char *at = bytes;
    uint32_t crc = ~0u;
    for (size_t i = 0; i < size; i++) crc = events->table[(crc ^ at[i]) & 255] ^ crc >> 8;
    crc = ~crc;
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static void put_little_endian(unsigned char *to, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) to[i] = (unsigned char)(value >> (8 * i));
}

/* `event` becomes a record. */
static ayf_status write_record(ayf_events *events) {
    enum { HEAD = 12, TAIL = 4 };
    const ayf_text *event = &events->event;
    if (event->failed) return AYF_E_MEMORY;
    unsigned char *record = ayf_alloc(events->ctx, HEAD + event->size + TAIL, 1);
    if (!record) return AYF_E_MEMORY;
    put_little_endian(record, event->size, 8);
    put_little_endian(record + 8, masked_crc(events, record, 8), 4);
    memcpy(record + HEAD, event->data, event->size);
    put_little_endian(record + HEAD + event->size, masked_crc(events, event->data, event->size), TAIL);
    ayf_status status =
        ayf_file_append(events->ctx, events->fd, events->path, record, HEAD + event->size + TAIL);
    ayf_free(events->ctx, record);
    return status;
}

/* ---- Protocol buffers ---- */

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static void clear(ayf_text *text) {
    text->size = 0;
    text->failed = false;
}

static void put_varint(ayf_text *to, uint64_t value) {
    unsigned char bytes[10];
    size_t size = 0;
    do {
        bytes[size++] = (unsigned char)(value & 127) | (value > 127 ? 128 : 0);
        value >>= 7;
    } while (value);
    ayf_text_put(to, bytes, size);
}

static void put_key(ayf_text *to, unsigned field, unsigned type) { put_varint(to, field << 3 | type); }

static void put_int(ayf_text *to, unsigned field, uint64_t value) {
    put_key(to, field, VARINT);
    put_varint(to, value);
}

static void put_bytes(ayf_text *to, unsigned field, const void *bytes, size_t size) {
    put_key(to, field, BYTES);
    put_varint(to, size);
    if (size) ayf_text_put(to, bytes, size);
}

static void put_text(ayf_text *to, unsigned field, const char *text) {
    put_bytes(to, field, text, strlen(text));
}

static void put_double(ayf_text *to, unsigned field, double value) {
    uint64_t bits;
    unsigned char bytes[8];
    memcpy(&bits, &value, sizeof bits);
    put_little_endian(bytes, bits, 8);
    put_key(to, field, FIXED64);
    ayf_text_put(to, bytes, sizeof bytes);
}

static void put_float(ayf_text *to, unsigned field, float value) {
    uint32_t bits;
    unsigned char bytes[4];
    memcpy(&bits, &value, sizeof bits);
    put_little_endian(bytes, bits, 4);
    put_key(to, field, FIXED32);
    ayf_text_put(to, bytes, sizeof bytes);
}

/* Event: 1 wall_time, 2 step, 3 file_version, 5 summary, 7 session_log. */
static void begin_event(ayf_events *events, int64_t step) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    clear(&events->event);
    put_double(&events->event, 1, (double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
    if (step) put_int(&events->event, 2, (uint64_t)step);
}

/* Summary: 1 value; Value: 1 tag, 2 simple_value, 4 image. */
static void put_value(ayf_events *events) {
    if (events->value.failed) events->summary.failed = true;
    if (!events->summary.failed) put_bytes(&events->summary, 1, events->value.data, events->value.size);
}

void ayf_events_scalar(ayf_events *events, const char *tag, double value) {
    if (!isfinite(value)) return;
    clear(&events->value);
    put_text(&events->value, 1, tag);
    put_float(&events->value, 2, (float)value);
    put_value(events);
}

/* Image: 1 height, 2 width, 3 colorspace, 4 encoded_image_string. */
void ayf_events_image(ayf_events *events, const char *tag, const void *png, size_t size, int height,
                      int width, int channels) {
    ayf_text image;
    ayf_text_init(&image, events->ctx);
    put_int(&image, 1, (uint64_t)height);
    put_int(&image, 2, (uint64_t)width);
    put_int(&image, 3, (uint64_t)channels);
    put_bytes(&image, 4, png, size);
    clear(&events->value);
    put_text(&events->value, 1, tag);
    if (image.failed)
        events->value.failed = true;
    else
        put_bytes(&events->value, 4, image.data, image.size);
    ayf_text_free(&image);
    put_value(events);
}

ayf_status ayf_events_end(ayf_events *events, int64_t step) {
    ayf_status status = events->summary.failed ? AYF_E_MEMORY : AYF_OK;
    if (status == AYF_OK && events->summary.size) {
        begin_event(events, step);
        put_bytes(&events->event, 5, events->summary.data, events->summary.size);
        status = write_record(events);
    }
    clear(&events->summary);
    return status;
}

/* SessionLog: 1 status; START is 1. */
ayf_status ayf_events_purge(ayf_events *events, int64_t step) {
    static const unsigned char start[] = {1 << 3 | VARINT, 1};
    begin_event(events, step);
    put_bytes(&events->event, 7, start, sizeof start);
    return write_record(events);
}

/* ---- Files ---- */

/* One more than the highest time in the names of the files that are there, and at least now. */
static ayf_status find_time(ayf_context *ctx, const char *folder, int64_t *out) {
    DIR *dir = opendir(folder);
    *out = (int64_t)time(NULL);
    if (!dir) return ayf_fail_errno(ctx, errno, "open this folder", folder);
    errno = 0;
    for (struct dirent *entry; (entry = readdir(dir)); errno = 0) {
        if (strncmp(entry->d_name, AYF_EVENTS_PREFIX, strlen(AYF_EVENTS_PREFIX)) != 0) continue;
        long long at = strtoll(entry->d_name + strlen(AYF_EVENTS_PREFIX), NULL, 10);
        if (at >= *out && at < 9999999999) *out = at + 1;
    }
    int error = errno;
    closedir(dir);
    return error ? ayf_fail_errno(ctx, error, "read this folder", folder) : AYF_OK;
}

static ayf_status make_file(ayf_events *events, const char *folder) {
    char host[128] = "", name[224];
    int64_t at;
    AYF_TRY(find_time(events->ctx, folder, &at));
    if (gethostname(host, sizeof host - 1) != 0 || !*host) strcpy(host, "localhost");
    for (char *c = host; *c; c++)
        if (*c == '/' || *c < ' ' || *c > '~') *c = '-';
    snprintf(name, sizeof name, AYF_EVENTS_PREFIX "%010" PRId64 ".%s.%ld.0", at, host, (long)getpid());
    events->path = ayf_path_join(events->ctx, folder, name);
    if (!events->path) return AYF_E_MEMORY;
    events->fd = open(events->path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    return events->fd < 0 ? ayf_fail_errno(events->ctx, errno, "write", events->path) : AYF_OK;
}

ayf_status ayf_events_open(ayf_context *ctx, const char *folder, int64_t purge_step, ayf_events **out) {
    ayf_events *events = *out = ayf_alloc(ctx, 1, sizeof *events);
    if (!events) return AYF_E_MEMORY;
    events->ctx = ctx;
    events->fd = -1;
    ayf_text_init(&events->summary, ctx);
    ayf_text_init(&events->event, ctx);
    ayf_text_init(&events->value, ctx);
    fill_table(events->table);
    ayf_status status = make_file(events, folder);
    if (status == AYF_OK) {
        begin_event(events, 0);
        put_text(&events->event, 3, "brain.Event:2");
        status = write_record(events);
    }
    if (status == AYF_OK && purge_step >= 0) status = ayf_events_purge(events, purge_step);
    if (status == AYF_OK) return AYF_OK;
    ayf_events_close(events);
    *out = NULL;
    return status;
}

void ayf_events_close(ayf_events *events) {
    if (!events) return;
    if (events->fd >= 0) close(events->fd);
    ayf_text_free(&events->summary);
    ayf_text_free(&events->event);
    ayf_text_free(&events->value);
    ayf_free(events->ctx, events->path);
    ayf_free(events->ctx, events);
}
