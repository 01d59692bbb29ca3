#include "export/onnx_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "io/file.h"

/* Field numbers of onnx.proto. */
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP = 4, NODE_ATTRIBUTE = 5 };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_I = 3, ATTRIBUTE_S = 4, ATTRIBUTE_INTS = 8, ATTRIBUTE_TYPE = 20 };
enum { TYPE_INT = 2, TYPE_STRING = 3, TYPE_INTS = 7 };
enum { TENSOR_DIMS = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW = 9 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum {
    MODEL_IR_VERSION = 1,
    MODEL_PRODUCER = 2,
    MODEL_PRODUCER_VERSION = 3,
    MODEL_DOC = 6,
    MODEL_GRAPH = 7,
    MODEL_OPSET = 8,
    MODEL_METADATA = 14
};
enum { IR_VERSION = 8 }; /* the one that came with opset 17 */

void ayf_onnx_begin(ayf_onnx *f, ayf_context *ctx, ayf_export_dtype dtype) {
    *f = (ayf_onnx){.ctx = ctx, .dtype = dtype};
    ayf_text *const texts[] = {&f->nodes,   &f->initializers, &f->inputs,
                               &f->outputs, &f->metadata,     &f->attributes};
    for (size_t i = 0; i < AYF_COUNT(texts); i++) ayf_text_init(texts[i], ctx);
}

void ayf_onnx_end(ayf_onnx *f) {
    ayf_text *const texts[] = {&f->nodes,   &f->initializers, &f->inputs,
                               &f->outputs, &f->metadata,     &f->attributes};
    for (size_t i = 0; i < AYF_COUNT(texts); i++) ayf_text_free(texts[i]);
    ayf_free(f->ctx, f->known);
    f->known = NULL;
}

void ayf_onnx_fail(ayf_onnx *f, const char *what) {
    if (f->status == AYF_OK) f->status = ayf_fail(f->ctx, AYF_E_INTERNAL, "onnx: %s", what);
}

void ayf_onnx_fresh(ayf_onnx *f, const char *prefix, char name[AYF_ONNX_NAME]) {
    snprintf(name, AYF_ONNX_NAME, "%s_%u", prefix, ++f->fresh);
}

/* ---- Nodes ---- */

static void attribute_begin(ayf_text *message, ayf_onnx *f, const char *name, int type) {
    ayf_text_init(message, f->ctx);
    ayf_pb_string(message, ATTRIBUTE_NAME, name);
    ayf_pb_varint(message, ATTRIBUTE_TYPE, (uint64_t)type);
}

void ayf_onnx_int(ayf_onnx *f, const char *attribute, int64_t value) {
    ayf_text message;
    attribute_begin(&message, f, attribute, TYPE_INT);
    ayf_pb_varint(&message, ATTRIBUTE_I, (uint64_t)value);
    ayf_pb_message(&f->attributes, NODE_ATTRIBUTE, &message);
}

void ayf_onnx_ints(ayf_onnx *f, const char *attribute, const int64_t *values, int count) {
    ayf_text message;
    attribute_begin(&message, f, attribute, TYPE_INTS);
    for (int i = 0; i < count; i++) ayf_pb_varint(&message, ATTRIBUTE_INTS, (uint64_t)values[i]);
    ayf_pb_message(&f->attributes, NODE_ATTRIBUTE, &message);
}

void ayf_onnx_string(ayf_onnx *f, const char *attribute, const char *value) {
    ayf_text message;
    attribute_begin(&message, f, attribute, TYPE_STRING);
    ayf_pb_string(&message, ATTRIBUTE_S, value);
    ayf_pb_message(&f->attributes, NODE_ATTRIBUTE, &message);
}

void ayf_onnx_node(ayf_onnx *f, const char *op, const char *out, const char *a, const char *b,
                   const char *c) {
    const char *const inputs[] = {a, b, c};
    ayf_text node;
    ayf_text_init(&node, f->ctx);
    for (size_t i = 0; i < AYF_COUNT(inputs); i++)
        if (inputs[i]) ayf_pb_string(&node, NODE_INPUT, inputs[i]);
    ayf_pb_string(&node, NODE_OUTPUT, out);
    ayf_pb_string(&node, NODE_NAME, out);
    ayf_pb_string(&node, NODE_OP, op);
    ayf_text_put(&node, f->attributes.data, f->attributes.size);
    node.failed = node.failed || f->attributes.failed;
    ayf_text_free(&f->attributes);
    ayf_pb_message(&f->nodes, GRAPH_NODE, &node);
}

/* ---- Initializers ---- */

bool ayf_onnx_knows(const ayf_onnx *f, const char *name) {
    uint64_t hash = ayf_hash(AYF_HASH_START, name, strlen(name));
    for (size_t i = 0; i < f->known_count; i++)
        if (f->known[i] == hash) return true;
    return false;
}

static void tensor(ayf_onnx *f, const char *name, ayf_onnx_type type, const int64_t *dims, int rank,
                   const void *values, size_t bytes) {
    if (f->status == AYF_OK)
        f->status = ayf_reserve(f->ctx, &f->known, f->known_count, &f->known_capacity, sizeof *f->known);
    if (f->status != AYF_OK) return;
    f->known[f->known_count++] = ayf_hash(AYF_HASH_START, name, strlen(name));
    ayf_text head;
    ayf_text_init(&head, f->ctx);
    for (int i = 0; i < rank; i++) ayf_pb_varint(&head, TENSOR_DIMS, (uint64_t)dims[i]);
    ayf_pb_varint(&head, TENSOR_TYPE, (uint64_t)type);
    ayf_pb_string(&head, TENSOR_NAME, name);
    ayf_pb_bytes_header(&head, TENSOR_RAW, bytes);
    ayf_pb_bytes_header(&f->initializers, GRAPH_INITIALIZER, head.size + bytes);
    ayf_text_put(&f->initializers, head.data, head.size);
    ayf_text_put(&f->initializers, values, bytes);
    f->initializers.failed = f->initializers.failed || head.failed;
    ayf_text_free(&head);
}

/* Stored in 16 bits and widened by the runtime when it loads the model. */
static void narrow_weight(ayf_onnx *f, const char *name, const int64_t *dims, int rank, const float *values,
                          size_t count) {
    char stored[AYF_ONNX_NAME + 8];
    bool half = f->dtype == AYF_EXPORT_F16;
    uint16_t *bits = ayf_alloc(f->ctx, count, sizeof *bits);
    f->status = bits ? ayf_narrow(f->ctx, f->dtype, name, values, count, bits) : AYF_E_MEMORY;
    snprintf(stored, sizeof stored, "%s.%s", name, half ? "f16" : "bf16");
    if (f->status == AYF_OK) {
        tensor(f, stored, half ? AYF_ONNX_FLOAT16 : AYF_ONNX_BFLOAT16, dims, rank, bits,
               count * sizeof *bits);
        ayf_onnx_int(f, "to", AYF_ONNX_FLOAT);
        ayf_onnx_node(f, "Cast", name, stored, NULL, NULL);
    }
    ayf_free(f->ctx, bits);
}

void ayf_onnx_weight(ayf_onnx *f, const char *name, const int64_t *dims, int rank, const float *values) {
    enum { SMALL = 64 };
    size_t count = 1;
    for (int i = 0; i < rank; i++) count *= (size_t)dims[i];
    if (f->status != AYF_OK || ayf_onnx_knows(f, name)) return;
    if (f->dtype == AYF_EXPORT_F32 || count < SMALL) {
        tensor(f, name, AYF_ONNX_FLOAT, dims, rank, values, count * sizeof *values);
        return;
    }
    char known[AYF_ONNX_NAME + 8];
    snprintf(known, sizeof known, "%s.%s", name, f->dtype == AYF_EXPORT_F16 ? "f16" : "bf16");
    if (!ayf_onnx_knows(f, known)) narrow_weight(f, name, dims, rank, values, count);
}

void ayf_onnx_scalar(ayf_onnx *f, double value, char name[AYF_ONNX_NAME]) {
    char digits[AYF_REAL_SIZE];
    float narrow = (float)value;
    if (isfinite(value))
        ayf_print_real(digits, value);
    else
        snprintf(digits, sizeof digits, "%g", value);
    snprintf(name, AYF_ONNX_NAME, "const_%s", digits);
    if (!ayf_onnx_knows(f, name)) tensor(f, name, AYF_ONNX_FLOAT, NULL, 0, &narrow, sizeof narrow);
}

void ayf_onnx_i64(ayf_onnx *f, const int64_t *values, int count, char name[AYF_ONNX_NAME]) {
    size_t used = (size_t)snprintf(name, AYF_ONNX_NAME, "ints");
    for (int i = 0; i < count && used < AYF_ONNX_NAME; i++)
        used += (size_t)snprintf(name + used, AYF_ONNX_NAME - used, "_%lld", (long long)values[i]);
    int64_t length = count;
    if (!ayf_onnx_knows(f, name))
        tensor(f, name, AYF_ONNX_INT64, &length, 1, values, (size_t)count * sizeof *values);
}

/* ---- The model ---- */

/* ValueInfoProto { name = 1, type = 2 { tensor_type = 1 { elem_type = 1, shape = 2 { dim = 1 {
 * dim_value = 1 or dim_param = 2 } } } } } */
void ayf_onnx_port(ayf_onnx *f, bool output, const char *name, ayf_onnx_type type, const int64_t *dims,
                   int rank) {
    ayf_text shape, tensor_type, of, port, dim;
    ayf_text_init(&shape, f->ctx);
    ayf_text_init(&tensor_type, f->ctx);
    ayf_text_init(&of, f->ctx);
    ayf_text_init(&port, f->ctx);
    for (int i = 0; i < rank; i++) {
        ayf_text_init(&dim, f->ctx);
        if (dims[i] < 0)
            ayf_pb_string(&dim, 2, "N");
        else
            ayf_pb_varint(&dim, 1, (uint64_t)dims[i]);
        ayf_pb_message(&shape, 1, &dim);
    }
    ayf_pb_varint(&tensor_type, 1, (uint64_t)type);
    ayf_pb_message(&tensor_type, 2, &shape);
    ayf_pb_message(&of, 1, &tensor_type);
    ayf_pb_string(&port, 1, name);
    ayf_pb_message(&port, 2, &of);
    ayf_pb_message(output ? &f->outputs : &f->inputs, output ? GRAPH_OUTPUT : GRAPH_INPUT, &port);
}

void ayf_onnx_meta(ayf_onnx *f, const char *key, const char *value) {
    ayf_text entry;
    ayf_text_init(&entry, f->ctx);
    ayf_pb_string(&entry, 1, key);
    ayf_pb_string(&entry, 2, value);
    ayf_pb_message(&f->metadata, MODEL_METADATA, &entry);
}

static void put_head(ayf_text *head, size_t graph_size, const char *doc) {
    ayf_text opset;
    ayf_text_init(&opset, head->ctx);
    ayf_pb_varint(&opset, 2, AYF_ONNX_OPSET);
    ayf_pb_varint(head, MODEL_IR_VERSION, IR_VERSION);
    ayf_pb_string(head, MODEL_PRODUCER, "ayf");
    ayf_pb_string(head, MODEL_PRODUCER_VERSION, AYF_VERSION);
    ayf_pb_string(head, MODEL_DOC, doc);
    ayf_pb_message(head, MODEL_OPSET, &opset);
    ayf_pb_bytes_header(head, MODEL_GRAPH, graph_size);
}

static ayf_status put_file(const ayf_onnx *f, const char *path, const ayf_text *head, const ayf_text *name) {
    ayf_file_writer *file;
    AYF_TRY(ayf_file_begin(f->ctx, path, &file));
    const ayf_text *const parts[] = {head,       name,        &f->nodes,   &f->initializers,
                                     &f->inputs, &f->outputs, &f->metadata};
    for (size_t i = 0; i < AYF_COUNT(parts); i++) ayf_file_put(file, parts[i]->data, parts[i]->size);
    return ayf_file_commit(file);
}

ayf_status ayf_onnx_write(ayf_onnx *f, const char *path, const char *graph_name, const char *doc) {
    ayf_text head, name;
    ayf_text_init(&head, f->ctx);
    ayf_text_init(&name, f->ctx);
    ayf_pb_string(&name, GRAPH_NAME, graph_name);
    size_t size = name.size + f->nodes.size + f->initializers.size + f->inputs.size + f->outputs.size;
    put_head(&head, size, doc);
    ayf_status status = f->status;
    const ayf_text *const all[] = {&head,      &name,       &f->nodes,    &f->initializers,
                                   &f->inputs, &f->outputs, &f->metadata, &f->attributes};
    for (size_t i = 0; i < AYF_COUNT(all) && status == AYF_OK; i++)
        if (all[i]->failed) status = AYF_E_MEMORY;
    if (status == AYF_OK && size + head.size + f->metadata.size >= (size_t)INT32_MAX)
        status =
            ayf_fail(f->ctx, AYF_E_USAGE,
                     "%s: an ONNX file of %zu MiB cannot be written: the format ends at 2 GiB; store the "
                     "weights in 16 bits (--dtype f16)",
                     path, size >> 20);
    if (status == AYF_OK) status = put_file(f, path, &head, &name);
    ayf_text_free(&head);
    ayf_text_free(&name);
    return status;
}
