/* Protocol buffers, the writing half: fields are appended to a text. A message within a message is built in a
 * text of its own first.
 *
 *     ayf_text inner, outer;
 *     ...
 *     ayf_pb_string(&inner, 1, "N");
 *     ayf_pb_message(&outer, 7, &inner);   // frees `inner`
 *
 * Failures stick to the text (io/text.h). Format: https://protobuf.dev/programming-guides/encoding. */
#ifndef AYF_IO_PROTOBUF_H
#define AYF_IO_PROTOBUF_H

#include "io/text.h"

void ayf_pb_varint(ayf_text *out, int field, uint64_t value); /* int32, int64, bool, enum: two's complement */
void ayf_pb_double(ayf_text *out, int field, double value);
void ayf_pb_float(ayf_text *out, int field, float value);
void ayf_pb_bytes(ayf_text *out, int field, const void *bytes, size_t size);
void ayf_pb_string(ayf_text *out, int field, const char *string);

/* Appends a finished message as a field and frees it. A failure of `message` becomes one of `out`. */
void ayf_pb_message(ayf_text *out, int field, ayf_text *message);

/* What stands before the bytes of a field: for a field that is too large to be copied. */
void ayf_pb_bytes_header(ayf_text *out, int field, size_t size);

#endif
