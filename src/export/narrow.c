#include "base/bf16.h"
#include "export/export.h"

ayf_st_dtype ayf_export_st_dtype(ayf_export_dtype dtype) {
    return dtype == AYF_EXPORT_F16 ? AYF_ST_F16 : dtype == AYF_EXPORT_BF16 ? AYF_ST_BF16 : AYF_ST_F32;
}

/* IEEE 754 binary16. */
static uint16_t half_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000u, size = bits & 0x7FFFFFFFu;
    if (size >= 0x7F800000u) return (uint16_t)(sign | (size > 0x7F800000u ? 0x7E00u : 0x7C00u));
    if (size < 0x33000000u) return (uint16_t)sign; /* below half of the smallest subnormal, 2^-25 */
    if (size >= 0x38800000u) {                     /* normal: from 2^-14 on */
        uint32_t rounded = size - 0x38000000u + 0x0FFFu + (size >> 13 & 1u);
        return (uint16_t)(sign | (rounded >= 0x0F800000u ? 0x7C00u : rounded >> 13));
    }
    uint32_t shift = 126 - (size >> 23), mantissa = (size & 0x007FFFFFu) | 0x00800000u;
    uint32_t result = mantissa >> shift, rest = mantissa & ((1u << shift) - 1), half = 1u << (shift - 1);
    result += rest > half || (rest == half && (result & 1u));
    return (uint16_t)(sign | result);
}

ayf_status ayf_narrow(ayf_context *ctx, ayf_export_dtype dtype, const char *name, const float *values,
                      size_t count, uint16_t *out) {
    for (size_t i = 0; i < count; i++) {
        bool half = dtype == AYF_EXPORT_F16;
        out[i] = half ? half_of(values[i]) : ayf_bf16_from_float(values[i]);
        uint16_t exponent = half ? 0x7C00u : 0x7F80u;
        if ((out[i] & exponent) != exponent) continue;
        return ayf_fail(ctx, AYF_E_CONFIG, "tensor '%s': value %zu is %g, which is too large for %s; use %s",
                        name, i, (double)values[i], ayf_export_dtype_name(dtype),
                        half ? "bf16 or f32" : "f32");
    }
    return AYF_OK;
}
