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
#include "io/protobuf.h"

struct ayf_events {
    ayf_context *ctx;
    char *path;
    int fd;
    ayf_text summary, event; /* the Summary of the next event; a buffer */
    uint32_t table[256];     /* of CRC-32C */
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

/* ---- Messages ---- */

static void clear(ayf_text *text) {
    text->size = 0;
    text->failed = false;
}

/* Event: 1 wall_time, 2 step, 3 file_version, 5 summary, 7 session_log. */
static void begin_event(ayf_events *events, int64_t step) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    clear(&events->event);
    ayf_pb_double(&events->event, 1, (double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
    if (step) ayf_pb_varint(&events->event, 2, (uint64_t)step);
}

/* Summary: 1 value; Value: 1 tag, 2 simple_value, 4 image. */
void ayf_events_scalar(ayf_events *events, const char *tag, double value) {
    ayf_text message;
    if (!isfinite((float)value)) return;
    ayf_text_init(&message, events->ctx);
    ayf_pb_string(&message, 1, tag);
    ayf_pb_float(&message, 2, (float)value);
    ayf_pb_message(&events->summary, 1, &message);
}

/* Image: 1 height, 2 width, 3 colorspace, 4 encoded_image_string. */
void ayf_events_image(ayf_events *events, const char *tag, const void *png, size_t size, int height,
                      int width, int channels) {
    ayf_text image, message;
    ayf_text_init(&image, events->ctx);
    ayf_text_init(&message, events->ctx);
    ayf_pb_varint(&image, 1, (uint64_t)height);
    ayf_pb_varint(&image, 2, (uint64_t)width);
    ayf_pb_varint(&image, 3, (uint64_t)channels);
    ayf_pb_bytes(&image, 4, png, size);
    ayf_pb_string(&message, 1, tag);
    ayf_pb_message(&message, 4, &image);
    ayf_pb_message(&events->summary, 1, &message);
}

ayf_status ayf_events_end(ayf_events *events, int64_t step) {
    ayf_status status = events->summary.failed ? AYF_E_MEMORY : AYF_OK;
    if (status == AYF_OK && events->summary.size) {
        begin_event(events, step);
        ayf_pb_bytes(&events->event, 5, events->summary.data, events->summary.size);
        status = write_record(events);
    }
    clear(&events->summary);
    return status;
}

/* SessionLog: 1 status; START is 1. */
ayf_status ayf_events_purge(ayf_events *events, int64_t step) {
    ayf_text start;
    ayf_text_init(&start, events->ctx);
    ayf_pb_varint(&start, 1, 1);
    begin_event(events, step);
    ayf_pb_message(&events->event, 7, &start);
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
    fill_table(events->table);
    ayf_status status = make_file(events, folder);
    if (status == AYF_OK) {
        begin_event(events, 0);
        ayf_pb_string(&events->event, 3, "brain.Event:2");
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
    ayf_free(events->ctx, events->path);
    ayf_free(events->ctx, events);
}
