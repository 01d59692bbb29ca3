/* Arrays: .npz, .npy, reference statistics, safetensors, and the models in them. */
#include "fuzz.h"

#include <math.h>
#include <string.h>

#include "ayf/model.h"
#include "backend/ref/ref.h"
#include "data/latents.h"
#include "data/source.h"
#include "eval/features_fitted.h"
#include "eval/statistics.h"
#include "io/file.h"
#include "io/npz.h"
#include "io/safetensors.h"
#include "model/file.h"
#include "nn/network.h"

/* ---- .npz: an error, or arrays of the length that their shapes say ---- */

enum { MOST = 4 << 20 };

static void use_array(ayf_npz *file, ayf_context *ctx, const char *key) {
    ayf_npy look, array;
    ayf_status looked = ayf_npz_look(file, key, &look), read = ayf_npz_read(file, key, MOST, &array);
    if (read != AYF_OK) return;
    FUZZ_CHECK(looked == AYF_OK && look.type == array.type && look.count == array.count &&
               array.bytes <= MOST);
    double sum = 0;
    for (size_t i = 0; i < array.count; i++) sum += ayf_npy_number(&array, i);
    FUZZ_CHECK(sum <= 0 || sum > 0 || sum != sum);
    ayf_npy_clear(ctx, &array);
}

void fuzz_npz(const uint8_t *bytes, size_t size) {
    ayf_context *ctx = fuzz_open(size);
    const char *path = fuzz_file("arrays.npz", bytes, size);
    ayf_npz *file;
    if (ayf_npz_open(ctx, path, &file) == AYF_OK) {
        FUZZ_CHECK(strlen(ayf_npz_keys(file)) <= 256);
        use_array(file, ctx, "arr_0");
        use_array(file, ctx, "arr_1");
        use_array(file, ctx, "mu");
        ayf_npz_close(file);
    }
    /* As a data set. */
    const ayf_dataset_spec spec = {.source = path, .labels = true, .memory = MOST};
    ayf_source *source;
    ayf_dataset *data;
    if (ayf_source_open_npz(ctx, path, &spec, &source) == AYF_OK &&
        ayf_dataset_from_source(ctx, &spec, source, &data) == AYF_OK)
        ayf_dataset_close(data);
    fuzz_close(ctx);
}

static void seed_npz(ayf_context *ctx, const char *name, const ayf_npz_member *members, size_t count) {
    FUZZ_CHECK(ayf_npz_write(ctx, fuzz_path(name), members, count) == AYF_OK);
    fuzz_seed_file(name, fuzz_path(name));
}

void fuzz_npz_seeds(void) {
    ayf_context *ctx = fuzz_open(0);
    uint8_t pixels[2 * 4 * 4 * 3] = {1, 2, 3};
    int64_t labels[] = {0, 1};
    float mu[] = {1, 2, 3};
    const ayf_npz_member pictures[] = {
        {"arr_0", {.type = AYF_NPY_U8, .rank = 4, .shape = {2, 4, 4, 3}, .data = pixels}},
        {"arr_1", {.type = AYF_NPY_I64, .rank = 1, .shape = {2}, .data = labels}}};
    const ayf_npz_member grey[] = {
        {"x_train", {.type = AYF_NPY_U8, .rank = 3, .shape = {6, 4, 4}, .data = pixels}},
        {"mu", {.type = AYF_NPY_F32, .rank = 1, .shape = {3}, .data = mu}}};
    seed_npz(ctx, "pictures.npz", pictures, AYF_COUNT(pictures));
    seed_npz(ctx, "grey.npz", grey, AYF_COUNT(grey));
    float values[2 * 4 * 3 * 3] = {1, 2, 3};
    const ayf_npz_member latents[] = {
        {"arr_0", {.type = AYF_NPY_F32, .rank = 4, .shape = {2, 4, 3, 3}, .data = values}},
        {"arr_1", {.type = AYF_NPY_I64, .rank = 1, .shape = {2}, .data = labels}}};
    seed_npz(ctx, "latents.npz", latents, AYF_COUNT(latents));
    fuzz_close(ctx);
}

/* ---- The header of a .npy ---- */

void fuzz_npy(const uint8_t *bytes, size_t size) {
    ayf_context *ctx = fuzz_open(size);
    ayf_npy array;
    size_t header;
    if (ayf_npy_header(ctx, "input", bytes, size, &array, &header) == AYF_OK) {
        char written[AYF_NPY_WRITTEN_MOST];
        ayf_npy again = array, back;
        size_t length = ayf_npy_write_header(&again, written), read;
        FUZZ_CHECK(header <= size && array.rank <= AYF_NPY_MAX_RANK && !array.data);
        FUZZ_CHECK(length > 0 && again.count == array.count && again.bytes == array.bytes);
        FUZZ_CHECK(ayf_npy_header(ctx, "written", written, length, &back, &read) == AYF_OK);
        FUZZ_CHECK(read == length && back.type == array.type && back.rank == array.rank);
    }
    fuzz_close(ctx);
}

void fuzz_npy_seeds(void) {
    char text[AYF_NPY_WRITTEN_MOST];
    const ayf_npy arrays[] = {{.type = AYF_NPY_F64, .rank = 2, .shape = {3, 3}},
                              {.type = AYF_NPY_I64},
                              {.type = AYF_NPY_U8, .rank = 4, .shape = {10, 32, 32, 3}}};
    for (size_t i = 0; i < AYF_COUNT(arrays); i++) {
        char name[16];
        ayf_npy array = arrays[i];
        snprintf(name, sizeof name, "%zu.npy", i);
        fuzz_seed(name, text, ayf_npy_write_header(&array, text));
    }
    static const char old[] =
        "\x93NUMPY\x02\x00\x46\x00\x00\x00{'shape':(2,),\"fortran_order\":False, 'descr': '<f4'}  "
        "                         \n";
    fuzz_seed("version2.npy", old, sizeof old - 1);
}

/* ---- A .npy of a latent: an error, or finite values and deviations that are not negative ---- */

void fuzz_latents(const uint8_t *bytes, size_t size) {
    ayf_context *ctx = fuzz_open(size);
    ayf_latent_form form = {0};
    if (ayf_latent_parse(ctx, "img-mean-std-1.npy", bytes, size, 0, &form, NULL) == AYF_OK) {
        size_t count = ayf_latent_stored(&form);
        float *values = ayf_alloc(ctx, count, sizeof *values);
        FUZZ_CHECK(values && form.height == form.width && form.channels >= 1 && form.spread);
        bool read = ayf_latent_parse(ctx, "img-mean-std-1.npy", bytes, size, 0, &form, values) == AYF_OK;
        for (size_t i = 0; read && i < count; i++)
            FUZZ_CHECK(isfinite(values[i]) && (i < count / 2 || values[i] >= 0));
        ayf_free(ctx, values);
    }
    fuzz_close(ctx);
}

void fuzz_latents_seeds(void) {
    static const size_t shapes[][4] = {{8, 3, 3}, {3, 3, 4}, {1, 8, 2, 2}};
    for (size_t i = 0; i < AYF_COUNT(shapes); i++) {
        char name[16], file[AYF_NPY_WRITTEN_MOST + 2 * 72 * sizeof(double)] = {0};
        bool doubles = i == 1;
        ayf_npy array = {.type = doubles ? AYF_NPY_F64 : AYF_NPY_F32, .rank = i < 2 ? 3 : 4};
        memcpy(array.shape, shapes[i], (size_t)array.rank * sizeof *array.shape);
        size_t header = ayf_npy_write_header(&array, file);
        for (size_t k = 0; k < array.count; k++) {
            float single = 0.5f * (float)k;
            double wide = (double)single;
            memcpy(file + header + k * (doubles ? sizeof wide : sizeof single),
                   doubles ? (void *)&wide : (void *)&single, doubles ? sizeof wide : sizeof single);
        }
        snprintf(name, sizeof name, "%zu.npy", i);
        fuzz_seed(name, file, header + array.bytes);
    }
}

/* ---- Reference statistics ---- */

void fuzz_statistics(const uint8_t *bytes, size_t size) {
    ayf_context *ctx = fuzz_open(size);
    const char *path = fuzz_file("statistics.npz", bytes, size);
    ayf_moments *moments;
    size_t count;
    ayf_is_statistics(ctx, path);
    if (ayf_statistics_read(ctx, path, NULL, 2, &moments, &count) == AYF_OK) {
        double distance;
        FUZZ_CHECK(moments->dim == 2 && moments->count > 0);
        if (ayf_frechet_of_moments(moments, moments, &distance) == AYF_OK) FUZZ_CHECK(distance >= 0);
        ayf_moments_free(moments);
    }
    fuzz_close(ctx);
}

void fuzz_statistics_seeds(void) {
    ayf_context *ctx = fuzz_open(0);
    ayf_moments *moments;
    const float points[] = {0, 1, 2, 5, -1, 3, 4, 4};
    FUZZ_CHECK(ayf_moments_new(ctx, 2, &moments) == AYF_OK && ayf_moments_add(moments, points, 4) == AYF_OK);
    FUZZ_CHECK(ayf_statistics_write(moments, NULL, fuzz_path("own.npz")) == AYF_OK);
    fuzz_seed_file("own.npz", fuzz_path("own.npz"));
    ayf_moments_free(moments);
    double mu[] = {1, -1}, sigma[] = {2, 0.5, 0.5, 1};
    const ayf_npz_member members[] = {
        {"mu", {.type = AYF_NPY_F64, .rank = 1, .shape = {2}, .data = mu}},
        {"sigma", {.type = AYF_NPY_F64, .rank = 2, .shape = {2, 2}, .data = sigma}}};
    seed_npz(ctx, "fid.npz", members, AYF_COUNT(members));
    fuzz_close(ctx);
}

/* ---- safetensors: an error, or a file whose every tensor can be read ---- */

static void use_tensors(ayf_context *ctx, const ayf_st *st, size_t size) {
    size_t total = 0;
    for (size_t i = 0; i < ayf_st_count(st); i++) {
        const ayf_st_tensor *tensor = ayf_st_at(st, i);
        FUZZ_CHECK(ayf_st_find(st, tensor->name) == tensor);
        total += tensor->count * ayf_st_dtype_size(tensor->dtype);
        FUZZ_CHECK(total <= size);
        ayf_st_check_finite(st, tensor->name);
        float *values = ayf_alloc(ctx, tensor->count ? tensor->count : 1, sizeof *values);
        FUZZ_CHECK(values != NULL);
        ayf_st_read_f32(st, tensor->name, values, tensor->count);
        ayf_free(ctx, values);
    }
    for (size_t i = 0; i < ayf_st_meta_count(st); i++) {
        const char *key, *value;
        ayf_st_meta_at(st, i, &key, &value);
        FUZZ_CHECK(ayf_st_meta(st, key) == value);
    }
}

void fuzz_safetensors(const uint8_t *bytes, size_t size) {
    ayf_context *ctx = fuzz_open(size);
    ayf_st *st, *header;
    ayf_status parsed = ayf_st_parse(ctx, "input", bytes, size, &st);
    if (parsed == AYF_OK) {
        use_tensors(ctx, st, size);
        ayf_st_close(st);
    }
    ayf_status looked = ayf_st_open_header(ctx, fuzz_file("tensors", bytes, size), &header);
    FUZZ_CHECK(parsed != AYF_OK || looked == AYF_OK);
    if (looked == AYF_OK) ayf_st_close(header);
    fuzz_close(ctx);
}

void fuzz_safetensors_seeds(void) {
    ayf_context *ctx = fuzz_open(0);
    const double values[] = {1, 2.5, -1};
    const int64_t three = 3, shape[] = {1, 2, 2, 0}, numbers[] = {5, -1, 1};
    const unsigned char bytes[] = {1, 2, 3};
    ayf_st_writer *w;
    FUZZ_CHECK(ayf_st_write_begin(ctx, &w) == AYF_OK);
    ayf_st_write_meta(w, "format", "test \"quoted\" \xc3\xb6");
    ayf_st_write_meta(w, "step", "12");
    ayf_st_write_tensor(w, "double", AYF_ST_F64, 1, &three, values);
    ayf_st_write_tensor(w, "single", AYF_ST_F32, 0, NULL, values);
    ayf_st_write_tensor(w, "half", AYF_ST_BF16, 1, &three, values);
    ayf_st_write_tensor(w, "empty", AYF_ST_F16, 4, shape, values);
    ayf_st_write_tensor(w, "whole", AYF_ST_I64, 1, &three, numbers);
    ayf_st_write_tensor(w, "bytes", AYF_ST_U8, 1, &three, bytes);
    FUZZ_CHECK(ayf_st_write_end(w, fuzz_path("all")) == AYF_OK);
    fuzz_seed_file("all", fuzz_path("all"));
    FUZZ_CHECK(ayf_st_write_begin(ctx, &w) == AYF_OK && ayf_st_write_end(w, fuzz_path("none")) == AYF_OK);
    fuzz_seed_file("none", fuzz_path("none"));
    fuzz_close(ctx);
}

/* ---- A model file: an error, or a network of the kind in its metadata, all of it finite ---- */

static void check_model(const ayf_weights *w, const ayf_model_card *card) {
    ayf_context *ctx = w->backend->ctx;
    FUZZ_CHECK(ayf_network_check(ctx, &w->spec) == AYF_OK && card->data && card->config);
    for (int i = 0; i < w->params->count; i++) {
        size_t count = w->params->at[i].size, index;
        float *values = ayf_alloc(ctx, count, sizeof *values);
        FUZZ_CHECK(values && ayf_buffer_get(w->at[i], values) == AYF_OK);
        FUZZ_CHECK(!ayf_first_not_finite(values, count, &index));
        ayf_free(ctx, values);
    }
}

void fuzz_model(const uint8_t *bytes, size_t size) {
    const char *path = fuzz_file("model.safetensors", bytes, size);
    ayf_context *ctx = fuzz_open(size);
    ayf_backend *backend;
    ayf_weights *weights;
    ayf_model_card card, alone;
    FUZZ_CHECK(ayf_ref_open(ctx, &backend) == AYF_OK);
    ayf_status read = ayf_model_read(backend, path, &weights, &card);
    ayf_status card_read = ayf_model_read_card(ctx, path, NULL, &alone);
    if (card_read == AYF_OK) ayf_model_card_free(ctx, &alone);
    if (read == AYF_OK) {
        FUZZ_CHECK(card_read == AYF_OK);
        check_model(weights, &card);
        ayf_weights_free(weights);
        ayf_model_card_free(ctx, &card);
    } else {
        FUZZ_CHECK(!weights && !card.data && !card.config);
    }
    ayf_backend_close(backend);
    fuzz_close(ctx);
}

typedef struct setting {
    const char *key, *value;
} setting;

static const setting unet[] = {{"kind", "unet"},         {"img_resolution", "4"},    {"img_channels", "1"},
                               {"model_channels", "4"},  {"channel_mult", "1"},      {"num_blocks", "1"},
                               {"attn_resolutions", ""}, {"channels_per_head", "4"}, {NULL, NULL}};
static const setting mlp[] = {
    {"kind", "mlp"}, {"mlp_hidden", "4"}, {"mlp_layers", "1"}, {"mlp_fourier", "2"}, {NULL, NULL}};
static const setting discriminator[] = {{"kind", "discriminator"}, {"img_resolution", "4"},
                                        {"img_channels", "1"},     {"channel_base", "16"},
                                        {"channel_max", "4"},      {NULL, NULL}};
static const setting fitted[] = {
    {"kind", "features"}, {"img_resolution", "4"}, {"img_channels", "1"}, {"feature_channels", "2"},
    {"feature_dim", "2"}, {"label_dim", "2"},      {NULL, NULL}};

static void seed_model(const char *name, ayf_model_role role, const setting *settings) {
    ayf_context *ctx = fuzz_open(0);
    ayf_backend *backend;
    ayf_weights *w;
    ayf_model_spec spec = ayf_model_spec_default();
    ayf_model_card card = {.role = role,
                           .sigma_data = 0.5,
                           .guidance_min = 1,
                           .guidance_max = 1,
                           .data = (char[]){"data"},
                           .config = (char[]){"a: 1\n"}};
    FUZZ_CHECK(ayf_ref_open(ctx, &backend) == AYF_OK);
    for (const setting *s = settings; s->key; s++)
        FUZZ_CHECK(ayf_model_spec_set(ctx, &spec, s->key, s->value) == AYF_OK);
    FUZZ_CHECK(ayf_network_check(ctx, &spec) == AYF_OK && ayf_weights_new(backend, &spec, &w) == AYF_OK);
    FUZZ_CHECK(ayf_weights_init(w, 1) == AYF_OK);
    FUZZ_CHECK(ayf_model_write(fuzz_path(name), w, &card) == AYF_OK);
    fuzz_seed_file(name, fuzz_path(name));
    ayf_weights_free(w);
    ayf_backend_close(backend);
    fuzz_close(ctx);
}

void fuzz_model_seeds(void) {
    seed_model("unet", AYF_MODEL_ROLE_TEACHER, unet);
    seed_model("mlp", AYF_MODEL_ROLE_TEACHER, mlp);
    seed_model("discriminator", AYF_MODEL_ROLE_DISCRIMINATOR, discriminator);
    seed_model("features", AYF_MODEL_ROLE_FEATURES, fitted);
}

/* ---- A network of EDM2: an error, or a model that is read ---- */

void fuzz_import(const uint8_t *bytes, size_t size) {
    const char *path = fuzz_file("edm2.safetensors", bytes, size), *out = fuzz_path("imported.safetensors");
    ayf_context *ctx = fuzz_open(size);
    ayf_import_facts facts;
    remove(out);
    if (ayf_model_import(ctx, path, NULL, out, &facts) == AYF_OK) {
        ayf_model_spec spec;
        ayf_model_card card;
        FUZZ_CHECK(ayf_model_read_card(ctx, out, &spec, &card) == AYF_OK);
        FUZZ_CHECK(spec.img_resolution == facts.height && card.sigma_data == facts.sigma_data);
        ayf_model_card_free(ctx, &card);
    } else {
        FUZZ_CHECK(*ayf_error(ctx) && !ayf_path_exists(out));
    }
    fuzz_close(ctx);
}

void fuzz_import_seeds(void) {
    static const setting network[] = {
        {"img_resolution", "4"},   {"img_channels", "1"},      {"label_dim", "2"},
        {"model_channels", "2"},   {"num_blocks", "1"},        {"channel_mult", "1,2"},
        {"attn_resolutions", "2"}, {"channels_per_head", "2"}, {NULL, NULL}};
    ayf_context *ctx = fuzz_open(1 << 16);
    ayf_model_spec spec = ayf_model_spec_default();
    ayf_params *params;
    for (const setting *s = network; s->key; s++)
        FUZZ_CHECK(ayf_model_spec_set(ctx, &spec, s->key, s->value) == AYF_OK);
    FUZZ_CHECK(ayf_params_new(ctx, &spec, &params) == AYF_OK);
    static const uint16_t values[4096];
    for (int bare = 0; bare < 2; bare++) {
        ayf_st_writer *w;
        FUZZ_CHECK(ayf_st_write_begin(ctx, &w) == AYF_OK);
        FUZZ_CHECK(ayf_st_write_meta(w, "edm2.channels_per_head", "2") == AYF_OK);
        FUZZ_CHECK(ayf_st_write_meta(w, "edm2.sigma_data", "0.5") == AYF_OK);
        for (int i = 0; i < params->count; i++) {
            const ayf_param *p = &params->at[i];
            FUZZ_CHECK(p->size <= AYF_COUNT(values));
            FUZZ_CHECK(ayf_st_write_tensor(w, bare ? p->name + 5 : p->name, AYF_ST_F16, p->file_rank,
                                           p->file_shape, values) == AYF_OK);
        }
        const char *name = bare ? "bare" : "whole";
        FUZZ_CHECK(ayf_st_write_end(w, fuzz_path(name)) == AYF_OK);
        FUZZ_CHECK(ayf_model_import(ctx, fuzz_path(name), NULL, fuzz_path("imported.safetensors"), NULL) ==
                   AYF_OK);
        fuzz_seed_file(name, fuzz_path(name));
    }
    ayf_params_free(params);
    fuzz_close(ctx);
}

/* ---- Features: an error, or a network that gives features of a picture ---- */

void fuzz_features(const uint8_t *bytes, size_t size) {
    const char *path = fuzz_file("features.safetensors", bytes, size);
    ayf_context *ctx = fuzz_open(size);
    ayf_extractor *net;
    if (ayf_features_open(ctx, path, &net) == AYF_OK) {
        size_t values = (size_t)net->shape.height * (size_t)net->shape.width * (size_t)net->shape.channels;
        FUZZ_CHECK(net->dim > 0 && values > 0 && net->recipe);
        float *image = ayf_alloc(ctx, values + (size_t)net->dim, sizeof *image);
        FUZZ_CHECK(image != NULL);
        memset(image, 0, values * sizeof *image);
        ayf_extract(net, image, 1, net->shape, image + values, NULL);
        ayf_free(ctx, image);
        ayf_extractor_close(net);
    }
    fuzz_close(ctx);
}

void fuzz_features_seeds(void) { seed_model("features", AYF_MODEL_ROLE_FEATURES, fitted); }
