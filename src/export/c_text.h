/* The parts of an exported C program that do not depend on the model. */
#ifndef AYF_EXPORT_C_TEXT_H
#define AYF_EXPORT_C_TEXT_H

#include <stddef.h>

/* The functions of numbers in ir/ops.def. */
extern const char *const ayf_c_layers;

/* Functions that the network calls, each with how a call begins. What is not called is left out: compilers warn
 * of it. */
typedef struct ayf_c_function {
    const char *call, *text;
} ayf_c_function;
extern const ayf_c_function ayf_c_functions[];
extern const size_t ayf_c_function_count;

/* The library's noise: Philox 4x32-10 as in base/rng.c. */
extern const char *const ayf_c_noise;

/* How weights are read from text: base 64 of little-endian values of 4 bytes, or 2 (f16, bf16). */
extern const char *const ayf_c_decode_start;
extern const char *const ayf_c_decode_f32;
extern const char *const ayf_c_decode_f16;
extern const char *const ayf_c_decode_bf16;
extern const char *const ayf_c_decode_end;

/* main() of images, of points. "@" stands for the prefix of the file's names, "%" for it in capitals. */
extern const char *const ayf_c_main_images;
extern const char *const ayf_c_main_points;

#endif
