#include "export/c_text.h"

const char *const ayf_c_layers =
    "/* ---- Layers. Images are (height, width, channels). ---- */\n"
    "\n"
    "#define M_EXP expf\n"
    "#define M_LOG logf\n"
    "#define M_SQRT sqrtf\n"
    "#define M_SIGMOID(a) (1 / (1 + expf(-(a))))\n"
    "#define M_TANH tanhf\n"
    "#define M_SIN sinf\n"
    "#define M_COS cosf\n"
    "#define M_SOFTPLUS(a) (((a) > 0 ? (a) : 0) + log1pf(expf((a) > 0 ? -(a) : (a))))\n"
    "\n";

const ayf_c_function ayf_c_functions[] = {
    {"multiply(",
     "/* out (m,n) = a (m,k) b (k,n), or the transposes of a and b where ta and tb say so, `count` times. "
     "*/\n"
     "static void multiply(float *out, const float *a, const float *b, int count, int m, int n, int k, int "
     "ta,\n"
     "                     int tb) {\n"
     "    for (; count > 0; count--, out += m * n, a += m * k, b += k * n)\n"
     "        for (int i = 0; i < m; i++) {\n"
     "            float *row = out + i * n;\n"
     "            for (int j = 0; j < n; j++) row[j] = 0;\n"
     "            for (int l = 0; l < k; l++) {\n"
     "                const float factor = ta ? a[l * m + i] : a[i * k + l];\n"
     "                const float *from = tb ? b + l : b + l * n;\n"
     "                if (tb)\n"
     "                    for (int j = 0; j < n; j++) row[j] += factor * from[j * k];\n"
     "                else\n"
     "                    for (int j = 0; j < n; j++) row[j] += factor * from[j];\n"
     "            }\n"
     "        }\n"
     "}\n"
     "\n"},
    {"convolve(",
     "/* x (h,w,c) with weights (size,size,c,o) -> out (oh,ow,o); x is 0 outside. */\n"
     "static void convolve(float *out, const float *x, const float *weight, int h, int w, int c, int oh, int "
     "ow,\n"
     "                     int o, int size, int stride, int pad) {\n"
     "    for (int i = 0; i < oh; i++)\n"
     "        for (int j = 0; j < ow; j++, out += o) {\n"
     "            for (int k = 0; k < o; k++) out[k] = 0;\n"
     "            for (int p = 0; p < size; p++)\n"
     "                for (int q = 0; q < size; q++) {\n"
     "                    const int y = i * stride + p - pad, z = j * stride + q - pad;\n"
     "                    const float *from = x + (y * w + z) * c, *tap = weight + (p * size + q) * c * o;\n"
     "                    if (y < 0 || y >= h || z < 0 || z >= w) continue;\n"
     "                    for (int l = 0; l < c; l++, tap += o)\n"
     "                        for (int k = 0; k < o; k++) out[k] += from[l] * tap[k];\n"
     "                }\n"
     "        }\n"
     "}\n"
     "\n"},
    {"resample(",
     "/* Zeros between pixels (up), a filter along both axes, every down-th pixel. */\n"
     "static void resample(float *out, const float *x, int h, int w, int c, int oh, int ow, int up, int "
     "down,\n"
     "                     int pad, int taps, const float *filter) {\n"
     "    for (int i = 0; i < oh; i++)\n"
     "        for (int j = 0; j < ow; j++, out += c) {\n"
     "            for (int k = 0; k < c; k++) out[k] = 0;\n"
     "            for (int p = 0; p < taps; p++)\n"
     "                for (int q = 0; q < taps; q++) {\n"
     "                    const int y = i * down + p - pad, z = j * down + q - pad;\n"
     "                    const float *from = x + (y / up * w + z / up) * c;\n"
     "                    if (y < 0 || y >= h * up || y % up || z < 0 || z >= w * up || z % up) continue;\n"
     "                    for (int k = 0; k < c; k++) out[k] += filter[p] * filter[q] * from[k];\n"
     "                }\n"
     "        }\n"
     "}\n"
     "\n"},
    {"add_up(",
     "/* out[o] += in[i] for all places of a block of 5 sizes, o and i by their strides. */\n"
     "static void add_up(float *out, const float *in, const int *size, const int *to, const int *from) {\n"
     "    for (int a = 0; a < size[0]; a++)\n"
     "        for (int b = 0; b < size[1]; b++)\n"
     "            for (int c = 0; c < size[2]; c++)\n"
     "                for (int d = 0; d < size[3]; d++) {\n"
     "                    float *o = out + a * to[0] + b * to[1] + c * to[2] + d * to[3];\n"
     "                    const float *i = in + a * from[0] + b * from[1] + c * from[2] + d * from[3];\n"
     "                    if (to[4] == 0) {\n"
     "                        double sum = 0;\n"
     "                        for (int e = 0; e < size[4]; e++) sum += i[e * from[4]];\n"
     "                        *o += (float)sum;\n"
     "                    } else {\n"
     "                        for (int e = 0; e < size[4]; e++) o[e * to[4]] += i[e * from[4]];\n"
     "                    }\n"
     "                }\n"
     "}\n"
     "\n"},
    {"clear(", "static void clear(float *out, int count) {\n"
               "    for (int i = 0; i < count; i++) out[i] = 0;\n"
               "}\n"
               "\n"},
};
const size_t ayf_c_function_count = sizeof ayf_c_functions / sizeof *ayf_c_functions;

const char *const ayf_c_noise =
    "/* ---- Noise: Philox 4x32-10 (Salmon et al., 2011), the same numbers as in ayf ---- */\n"
    "\n"
    "static void philox(uint64_t seed, uint32_t purpose, uint32_t index, uint32_t out[4]) {\n"
    "    const uint64_t high = (seed >> 32) * UINT64_C(0x9e3779b97f4a7c15);\n"
    "    uint32_t c[4] = {index, (uint32_t)seed, (uint32_t)high, (uint32_t)(high >> 32)};\n"
    "    uint32_t k0 = 0, k1 = purpose * UINT32_C(0xc2b2ae35);\n"
    "    for (int round = 0; round < 10; round++) {\n"
    "        const uint64_t a = (uint64_t)UINT32_C(0xd2511f53) * c[0];\n"
    "        const uint64_t b = (uint64_t)UINT32_C(0xcd9e8d57) * c[2];\n"
    "        const uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ k0, (uint32_t)b,\n"
    "                                  (uint32_t)(a >> 32) ^ c[3] ^ k1, (uint32_t)a};\n"
    "        memcpy(c, next, sizeof next);\n"
    "        k0 += UINT32_C(0x9e3779b9);\n"
    "        k1 += UINT32_C(0xbb67ae85);\n"
    "    }\n"
    "    memcpy(out, c, sizeof c);\n"
    "}\n"
    "\n"
    "static double unit(uint32_t bits) { return (bits + 0.5) / 4294967296.0; }\n"
    "\n"
    "/* N(0,1) by Box and Muller. */\n"
    "static void make_noise(uint64_t seed, float *out, int count) {\n"
    "    for (int i = 0; i < count; i += 4) {\n"
    "        uint32_t r[4];\n"
    "        philox(seed, 7, (uint32_t)(i / 4), r);\n"
    "        for (int j = 0; j < 4 && i + j < count; j += 2) {\n"
    "            const double radius = sqrt(-2 * log(unit(r[j]))), angle = 6.283185307179586 * unit(r[j + "
    "1]);\n"
    "            out[i + j] = (float)(radius * cos(angle));\n"
    "            if (i + j + 1 < count) out[i + j + 1] = (float)(radius * sin(angle));\n"
    "        }\n"
    "    }\n"
    "}\n"
    "\n";

const char *const ayf_c_decode_start =
    "/* ---- Weights: base 64 of little-endian numbers ---- */\n"
    "\n"
    "static int digit(int c) {\n"
    "    static const char digits[] = \"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/\";\n"
    "    const char *at = strchr(digits, c);\n"
    "    return at ? (int)(at - digits) : 0;\n"
    "}\n"
    "\n";

const char *const ayf_c_decode_f32 =
    "static float number(const unsigned char *b) {\n"
    "    const uint32_t bits = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |\n"
    "                          (uint32_t)b[3] << 24;\n"
    "    float value;\n"
    "    memcpy(&value, &bits, sizeof value);\n"
    "    return value;\n"
    "}\n\n";

const char *const ayf_c_decode_bf16 =
    "static float number(const unsigned char *b) {\n"
    "    const uint32_t bits = (uint32_t)b[0] << 16 | (uint32_t)b[1] << 24;\n"
    "    float value;\n"
    "    memcpy(&value, &bits, sizeof value);\n"
    "    return value;\n"
    "}\n\n";

const char *const ayf_c_decode_f16 =
    "static float number(const unsigned char *b) {\n"
    "    const int exponent = b[1] >> 2 & 31, mantissa = (b[1] & 3) << 8 | b[0];\n"
    "    const double size = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);\n"
    "    return (float)(b[1] & 128 ? -size : size);\n"
    "}\n\n";

const char *const ayf_c_decode_end =
    "/* Every line of the text holds whole numbers: 12 bytes are 16 digits. */\n"
    "static void read_weights(void) {\n"
    "    static int done;\n"
    "    float *to = weights;\n"
    "    if (done) return;\n"
    "    for (size_t line = 0; line < sizeof text / sizeof *text; line++) {\n"
    "        const char *p = text[line];\n"
    "        while (*p) {\n"
    "            unsigned char bytes[12];\n"
    "            for (int i = 0; i < 12; i += 3, p += 4) {\n"
    "                const int four = digit(p[0]) << 18 | digit(p[1]) << 12 | digit(p[2]) << 6 | "
    "digit(p[3]);\n"
    "                bytes[i] = (unsigned char)(four >> 16);\n"
    "                bytes[i + 1] = (unsigned char)(four >> 8 & 255);\n"
    "                bytes[i + 2] = (unsigned char)(four & 255);\n"
    "            }\n"
    "            for (int i = 0; i < 12 && to < weights + COUNT; i += WIDTH) *to++ = number(bytes + i);\n"
    "        }\n"
    "    }\n"
    "    done = 1;\n"
    "}\n"
    "\n";

#define MAIN_START                                                                                           \
    "#ifndef %_NO_MAIN\n"                                                                                    \
    "#include <ctype.h>\n"                                                                                   \
    "#include <errno.h>\n"                                                                                   \
    "#include <stdio.h>\n"                                                                                   \
    "#include <stdlib.h>\n"                                                                                  \
    "\n"                                                                                                     \
    "static int usage(const char *wrong) {\n"                                                                \
    "    fprintf(stderr, \"%s: not one of the arguments [SEED [CLASS [STEPS [text]]]]\\n\"\n"                \
    "                    \"SEED: from 0; CLASS: -1 (drawn from the seed) to %d; STEPS: 0 (the usual \"\n"    \
    "                    \"number) to %d\\n\", wrong, %_CLASSES - 1, 1000000);\n"                            \
    "    return 2;\n"                                                                                        \
    "}\n"                                                                                                    \
    "\n"                                                                                                     \
    "static int read_number(const char *word, long least, long most, int *out) {\n"                          \
    "    char *end;\n"                                                                                       \
    "    long value;\n"                                                                                      \
    "    errno = 0;\n"                                                                                       \
    "    value = strtol(word, &end, 10);\n"                                                                  \
    "    *out = (int)value;\n"                                                                               \
    "    return !errno && end != word && !*end && value >= least && value <= most;\n"                        \
    "}\n"                                                                                                    \
    "\n"                                                                                                     \
    "static int read_seed(const char *word, unsigned long long *out) {\n"                                    \
    "    char *end;\n"                                                                                       \
    "    errno = 0;\n"                                                                                       \
    "    *out = strtoull(word, &end, 10);\n"                                                                 \
    "    return !errno && isdigit((unsigned char)*word) && !*end;\n"                                         \
    "}\n"                                                                                                    \
    "\n"                                                                                                     \
    "static int finish(void) {\n"                                                                            \
    "    if (fflush(stdout) == 0 && !ferror(stdout)) return 0;\n"                                            \
    "    perror(\"cannot write to stdout\");\n"                                                              \
    "    return 1;\n"                                                                                        \
    "}\n"                                                                                                    \
    "\n"                                                                                                     \
    "int main(int argc, char **argv) {\n"                                                                    \
    "    static float out[%_VALUES];\n"                                                                      \
    "    unsigned long long seed = 0;\n"                                                                     \
    "    int label = -1, steps = 0;\n"                                                                       \
    "    if (argc > 1 && !read_seed(argv[1], &seed)) return usage(argv[1]);\n"                               \
    "    if (argc > 2 && !read_number(argv[2], -1, %_CLASSES - 1, &label)) return usage(argv[2]);\n"         \
    "    if (argc > 3 && !read_number(argv[3], 0, 1000000, &steps)) return usage(argv[3]);\n"                \
    "    if (argc > 4 && strcmp(argv[4], \"text\") != 0) return usage(argv[4]);\n"                         \
    "    if (argc > 5) return usage(argv[5]);\n"

const char *const ayf_c_main_images =
    "/* a.out [SEED [CLASS [STEPS [text]]]]: an image on stdout, as PGM or PPM; text: its numbers. The exit\n"
    " * code is 1 when stdout cannot be written, 2 for other arguments. */\n" MAIN_START
    "    const int c = %_CHANNELS;\n"
    "    @_sample(seed, label, steps, out);\n"
    "    if (argc > 4 || (c != 1 && c != 3)) {\n"
    "        for (int i = 0; i < %_VALUES; i++) printf(\"%.9g\\n\", (double)out[i]);\n"
    "        return finish();\n"
    "    }\n"
    "    printf(\"P%d\\n%d %d\\n255\\n\", c == 1 ? 5 : 6, %_WIDTH, %_HEIGHT);\n"
    "    for (int i = 0; i < %_VALUES; i++) putchar((int)fminf((out[i] + 1) * 127.5f + 0.5f, 255));\n"
    "    return finish();\n"
    "}\n"
    "#endif\n";

const char *const ayf_c_main_points =
    "/* a.out [SEED [CLASS [STEPS [text]]]]: a point on stdout, always as text. The exit code is 1 when "
    "stdout\n"
    " * cannot be written, 2 for other arguments. */\n" MAIN_START "    @_sample(seed, label, steps, out);\n"
    "    for (int i = 0; i < %_VALUES; i++)\n"
    "        printf(\"%.9g%c\", (double)out[i], i + 1 < %_VALUES ? ',' : '\\n');\n"
    "    return finish();\n"
    "}\n"
    "#endif\n";
