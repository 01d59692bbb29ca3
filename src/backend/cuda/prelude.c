#include "backend/cuda/prelude.h"

#include "backend/cuda/code.h"
#include "ir/ir.h"

static const char cuda_words[] =
    "#ifndef KERNEL\n"
    "#define KERNEL(name, n, threads) struct name##_pointers { void *at[n]; }; \\\n"
    "    extern \"C\" __global__ void __launch_bounds__(threads) name(const name##_pointers pointers)\n"
    "#define POINTER(i) pointers.at[i]\n"
    "#define BLOCK ((int)blockIdx.x)\n"
    "#define BLOCKS ((int)gridDim.x)\n"
    "#define LANE ((int)threadIdx.x)\n"
    "#define LINE ((int)threadIdx.y)\n"
    "#define THREADS(n) n\n"
    "#define SHARED __shared__\n"
    "#define SYNC() __syncthreads()\n"
    "#define SHUFFLE(value, away) __shfl_xor_sync(0xFFFFFFFFu, value, away)\n"
    "#define ALIGN(bytes) __align__(bytes)\n"
    "#define ALIGNED(pointer, bytes) (pointer)\n"
    "#define INLINE static __device__ __forceinline__\n"
    "#define UNROLL _Pragma(\"unroll\")\n"
    "#define BITS(x) __float_as_uint(x)\n"
    "#define REAL(x) __uint_as_float(x)\n"
    "#endif\n"
    "typedef unsigned short bf16;\n";

/* As base/bf16.h. */
static const char bf16_functions[] =
    "INLINE float load_bf16(bf16 value) { return REAL((unsigned)value << 16); }\n"
    "INLINE bf16 store_bf16(float value) {\n"
    "    const unsigned bits = BITS(value), size = bits & 0x7FFFFFFFu;\n"
    "    const unsigned rounded = (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;\n"
    "    return (bf16)(size > 0x7F800000u ? bits >> 16 | 0x40u : size < 0x00800000u ? bits >> 16 & 0x8000u : "
    "rounded);\n"
    "}\n"
    "INLINE float round_bf16(float value) { return load_bf16(store_bf16(value)); }\n";

/* Numbers that lie together: one access to memory for four. */
static const char lanes[] =
    "typedef struct { float at[1]; } lanes_1;\n"
    "typedef struct ALIGN(16) { float at[4]; } lanes_4;\n"
    "typedef struct ALIGN(8) { bf16 at[4]; } bf16_lanes_4;\n"
    "INLINE lanes_1 load_float_1(const float *from) { lanes_1 x; x.at[0] = *from; return x; }\n"
    "INLINE lanes_1 load_bf16_1(const bf16 *from) { lanes_1 x; x.at[0] = load_bf16(*from); return x; }\n"
    "INLINE lanes_4 load_float_4(const float *from) { return *(const lanes_4 *)ALIGNED(from, 16); }\n"
    "INLINE lanes_4 load_bf16_4(const bf16 *from) {\n"
    "    const bf16_lanes_4 stored = *(const bf16_lanes_4 *)ALIGNED(from, 8);\n"
    "    lanes_4 x;\n"
    "    UNROLL\n"
    "    for (int k = 0; k < 4; k++) x.at[k] = load_bf16(stored.at[k]);\n"
    "    return x;\n"
    "}\n"
    "INLINE void store_float_1(float *to, lanes_1 x) { *to = x.at[0]; }\n"
    "INLINE void store_bf16_1(bf16 *to, lanes_1 x) { *to = store_bf16(x.at[0]); }\n"
    "INLINE void store_float_4(float *to, lanes_4 x) { *(lanes_4 *)ALIGNED(to, 16) = x; }\n"
    "INLINE void store_bf16_4(bf16 *to, lanes_4 x) {\n"
    "    bf16_lanes_4 stored;\n"
    "    UNROLL\n"
    "    for (int k = 0; k < 4; k++) stored.at[k] = store_bf16(x.at[k]);\n"
    "    *(bf16_lanes_4 *)ALIGNED(to, 8) = stored;\n"
    "}\n";

/* Sigmoid and softplus keep their accuracy far out, and NaN. */
static const char math_functions[] =
    "#define M_EXP expf\n"
    "#define M_LOG logf\n"
    "#define M_SQRT sqrtf\n"
    "#define M_TANH tanhf\n"
    "#define M_SIN sinf\n"
    "#define M_COS cosf\n"
    "INLINE float sigmoid_of(float a) {\n"
    "    const float e = expf(-fabsf(a)), s = 1 / (1 + e);\n"
    "    return a >= 0 ? s : a != a ? a : e * s;\n"
    "}\n"
    "INLINE float softplus_of(float a) { return (a > 0 ? a : a != a ? a : 0) + log1pf(expf(-fabsf(a))); }\n"
    "#define M_SIGMOID sigmoid_of\n"
    "#define M_SOFTPLUS softplus_of\n"
    "INLINE float max_of(float a, float b) { return b > a || b != b ? b : a; }\n";

/* Trees over the threads of a block in a fixed order, so that the same numbers give the same bytes. All threads
 * call them, and all get the result. Threads of a row are neighbours in its warps. */
static const char reductions[] =
    "#define ROW_REDUCTION(name, combine) \\\n"
    "INLINE float name(float value, float *shared, int threads) { \\\n"
    "    UNROLL \\\n"
    "    for (int away = (threads < WARP ? threads : WARP) / 2; away > 0; away /= 2) \\\n"
    "        value = combine(value, SHUFFLE(value, away)); \\\n"
    "    if (threads <= WARP) return value; \\\n"
    "    const int warps = threads / WARP; \\\n"
    "    float *const of_row = shared + LINE * warps; \\\n"
    "    if (LANE % WARP == 0) of_row[LANE / WARP] = value; \\\n"
    "    SYNC(); \\\n"
    "    value = of_row[LANE % warps]; \\\n"
    "    UNROLL \\\n"
    "    for (int away = warps / 2; away > 0; away /= 2) value = combine(value, SHUFFLE(value, away)); \\\n"
    "    SYNC(); /* before the memory is used again */ \\\n"
    "    return value; \\\n"
    "}\n"
    "INLINE float sum_of(float a, float b) { return a + b; }\n"
    "ROW_REDUCTION(row_sum, sum_of)\n"
    "ROW_REDUCTION(row_max, max_of)\n"
    "INLINE double column_sum(double value, double *shared, int threads, int lines) {\n"
    "    double *const mine = shared + LANE;\n"
    "    mine[LINE * threads] = value;\n"
    "    SYNC();\n"
    "    for (int half = lines / 2; half > 0; half /= 2) {\n"
    "        if (LINE < half) mine[LINE * threads] += mine[(LINE + half) * threads];\n"
    "        SYNC();\n"
    "    }\n"
    "    value = mine[0];\n"
    "    SYNC();\n"
    "    return value;\n"
    "}\n";

static const char *const op_text[AYF_OP_COUNT] = {
#define AYF_POINTWISE(NAME, name, inputs, kind, cost, text) [AYF_OP_##NAME] = #text,
#include "ir/ops.def"
};

void ayf_cuda_prelude(ayf_text *text) {
    ayf_text_print(text, "%senum { WARP = %d };\n%s%s%s", cuda_words, AYF_CUDA_WARP, bf16_functions, lanes,
                   math_functions);
    for (int op = 1; op < AYF_OP_COUNT; op++)
        if (op_text[op])
            ayf_text_print(text, "INLINE float op_%s(float a%s) { return %s; }\n", ayf_op_table[op].name,
                           ayf_op_table[op].inputs == 2 ? ", float b" : "", op_text[op]);
    ayf_text_print(text, "%s", reductions);
}
