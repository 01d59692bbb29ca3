#include "io/protobuf.h"

#include <string.h>

enum { WIRE_VARINT = 0, WIRE_BYTES = 2 };

static void put_varint(ayf_text *out, uint64_t value) {
    unsigned char bytes[10];
    size_t count = 0;
    do {
        bytes[count] = (unsigned char)((value & 0x7F) | (value > 0x7F ? 0x80 : 0));
        value >>= 7;
        count++;
    } while (value);
    ayf_text_put(out, bytes, count);
}

static void put_tag(ayf_text *out, int field, int wire) {
    put_varint(out, (uint64_t)field << 3 | (uint64_t)wire);
}

void ayf_pb_varint(ayf_text *out, int field, uint64_t value) {
    put_tag(out, field, WIRE_VARINT);
    put_varint(out, value);
}

void ayf_pb_bytes_header(ayf_text *out, int field, size_t size) {
    put_tag(out, field, WIRE_BYTES);
    put_varint(out, size);
}

static void put_bytes(ayf_text *out, int field, const void *bytes, size_t size) {
    ayf_pb_bytes_header(out, field, size);
    ayf_text_put(out, bytes, size);
}

void ayf_pb_string(ayf_text *out, int field, const char *string) {
    put_bytes(out, field, string, strlen(string));
}

void ayf_pb_message(ayf_text *out, int field, ayf_text *message) {
    put_bytes(out, field, message->data, message->size);
    out->failed = out->failed || message->failed;
    ayf_text_free(message);
}
