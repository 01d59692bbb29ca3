#include "io/protobuf.h"

#include <string.h>

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

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

void ayf_pb_bytes(ayf_text *out, int field, const void *bytes, size_t size) {
    ayf_pb_bytes_header(out, field, size);
    ayf_text_put(out, bytes, size);
}

static void put_fixed(ayf_text *out, int field, int wire, uint64_t bits, size_t size) {
    unsigned char bytes[8];
    for (size_t i = 0; i < size; i++) bytes[i] = (unsigned char)(bits >> (8 * i));
    put_tag(out, field, wire);
    ayf_text_put(out, bytes, size);
}

void ayf_pb_double(ayf_text *out, int field, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_fixed(out, field, WIRE_64, bits, sizeof bits);
}

void ayf_pb_float(ayf_text *out, int field, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_fixed(out, field, WIRE_32, bits, sizeof bits);
}

void ayf_pb_string(ayf_text *out, int field, const char *string) {
    ayf_pb_bytes(out, field, string, strlen(string));
}

void ayf_pb_message(ayf_text *out, int field, ayf_text *message) {
    ayf_pb_bytes(out, field, message->data, message->size);
    out->failed = out->failed || message->failed;
    ayf_text_free(message);
}
