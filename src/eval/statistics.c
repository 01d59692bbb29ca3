#include "eval/statistics.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "io/npz.h"

bool ayf_is_statistics(ayf_context *ctx, const char *path) {
    size_t length = strlen(path);
    if (length < 4 || strcasecmp(path + length - 4, ".npz") != 0) return false;
    ayf_npz *file;
    if (ayf_npz_open(ctx, path, &file) != AYF_OK) return false;
    bool is = ayf_npz_has(file, "mu") && ayf_npz_has(file, "sigma") && !ayf_npz_has(file, "arr_0");
    ayf_npz_close(file);
    return is;
}

static ayf_status check_shapes(ayf_context *ctx, const char *path, const ayf_extractor *net, size_t dim,
                               const ayf_npy *mu, const ayf_npy *sigma) {
    if (mu->rank != 1 || sigma->rank != 2 || sigma->shape[0] != mu->shape[0] ||
        sigma->shape[1] != mu->shape[0])
        return ayf_fail(
            ctx, AYF_E_FORMAT,
            "%s: mu and sigma are no mean and covariance of the same features: shapes [n] and [n][n] are "
            "needed",
            path);
    if (mu->shape[0] == dim) return AYF_OK;
    return ayf_fail(
        ctx, AYF_E_USAGE,
        "%s: holds the mean of %zu features, but samples are compared by %zu%s%s here: use the features "
        "that the file was made with%s",
        path, mu->shape[0], dim, net ? " of " : " coordinates", net ? net->path : "",
        mu->shape[0] == 2048 ? " (2048: --inception)" : "");
}

/* What only our files tell: 0 where there is none. */
static ayf_status read_number(ayf_context *ctx, ayf_npz *file, const char *key, uint64_t *out) {
    ayf_npy array;
    *out = 0;
    if (!ayf_npz_has(file, key)) return AYF_OK;
    AYF_TRY(ayf_npz_look(file, key, &array));
    if (array.type != AYF_NPY_I64 || array.count != 1) return AYF_OK;
    AYF_TRY(ayf_npz_read(file, key, sizeof *out, &array));
    memcpy(out, array.data, sizeof *out);
    ayf_free(ctx, array.data);
    return AYF_OK;
}

static ayf_status check_network(ayf_context *ctx, const char *path, const ayf_extractor *net, uint64_t hash) {
    if (!hash || !net || hash == net->hash) return AYF_OK;
    return ayf_fail(ctx, AYF_E_USAGE,
                    "%s: was made with features of hash %016" PRIx64 ", but %s has hash %016" PRIx64
                    ": use the file that it was made with, or save the statistics again (--save-stats)",
                    path, hash, net->path, net->hash);
}

static ayf_status fill(ayf_moments *m, const char *path, const ayf_npy *mu, const ayf_npy *sigma) {
    const double near = 1e-6;
    size_t dim = m->dim;
    double freedom = (double)(m->count - 1);
    for (size_t i = 0; i < dim; i++) {
        m->mean[i] = ayf_npy_number(mu, i);
        if (!isfinite(m->mean[i]))
            return ayf_fail(m->ctx, AYF_E_FORMAT, "%s: value %zu of mu is not finite", path, i);
        for (size_t j = i; j < dim; j++) {
            double upper = ayf_npy_number(sigma, i * dim + j), lower = ayf_npy_number(sigma, j * dim + i);
            if (!isfinite(upper) || (i == j && upper < 0) ||
                !(fabs(upper - lower) <= near * (fabs(upper) + fabs(lower)) + near))
                return ayf_fail(m->ctx, AYF_E_FORMAT,
                                "%s: sigma is no covariance: its values %zu, %zu are %g and %g", path, i, j,
                                upper, lower);
            m->scatter[i * dim + j] = (upper + lower) / 2 * freedom;
        }
    }
    return AYF_OK;
}

static ayf_status read_arrays(ayf_npz *file, const char *path, const ayf_extractor *net, ayf_moments *m,
                              ayf_npy *mu, ayf_npy *sigma, size_t *count) {
    ayf_context *ctx = m->ctx;
    uint64_t stated, hash;
    AYF_TRY(ayf_npz_look(file, "mu", mu));
    AYF_TRY(ayf_npz_look(file, "sigma", sigma));
    AYF_TRY(check_shapes(ctx, path, net, m->dim, mu, sigma));
    AYF_TRY(read_number(ctx, file, "features", &hash));
    AYF_TRY(check_network(ctx, path, net, hash));
    AYF_TRY(read_number(ctx, file, "count", &stated));
    *count = stated > m->dim && stated < SIZE_MAX / 2 ? (size_t)stated : 0;
    m->count = *count ? *count : m->dim + 2;
    AYF_TRY(ayf_npz_read(file, "mu", mu->bytes, mu));
    AYF_TRY(ayf_npz_read(file, "sigma", sigma->bytes, sigma));
    return fill(m, path, mu, sigma);
}

ayf_status ayf_statistics_read(ayf_context *ctx, const char *path, const ayf_extractor *net, size_t dim,
                               ayf_moments **moments, size_t *count) {
    ayf_npz *file;
    ayf_npy mu = {0}, sigma = {0};
    *moments = NULL;
    AYF_TRY(ayf_npz_open(ctx, path, &file));
    ayf_status status = ayf_moments_new(ctx, dim, moments);
    if (status == AYF_OK) status = read_arrays(file, path, net, *moments, &mu, &sigma, count);
    if (status != AYF_OK) {
        ayf_moments_free(*moments);
        *moments = NULL;
    }
    ayf_npy_clear(ctx, &mu);
    ayf_npy_clear(ctx, &sigma);
    ayf_npz_close(file);
    return status;
}

ayf_status ayf_statistics_write(const ayf_moments *m, const ayf_extractor *net, const char *path) {
    ayf_context *ctx = m->ctx;
    size_t dim = m->dim;
    double *sigma = ayf_alloc(ctx, dim, dim * sizeof *sigma);
    if (!sigma) return AYF_E_MEMORY;
    for (size_t i = 0; i < dim; i++)
        for (size_t j = i; j < dim; j++)
            sigma[i * dim + j] = sigma[j * dim + i] = m->scatter[i * dim + j] / (double)(m->count - 1);
    int64_t count = (int64_t)m->count, hash = 0;
    if (net) memcpy(&hash, &net->hash, sizeof hash);
    const ayf_npz_member members[] = {
        {"mu", {.type = AYF_NPY_F64, .rank = 1, .shape = {dim}, .data = m->mean}},
        {"sigma", {.type = AYF_NPY_F64, .rank = 2, .shape = {dim, dim}, .data = sigma}},
        {"count", {.type = AYF_NPY_I64, .data = &count}},
        {"features", {.type = AYF_NPY_I64, .data = &hash}}};
    ayf_status status = ayf_npz_write(ctx, path, members, AYF_COUNT(members));
    ayf_free(ctx, sigma);
    return status;
}
