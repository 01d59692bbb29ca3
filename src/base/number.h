/* Numbers as text in files and settings: with a point whatever the locale of the program is. */
#ifndef AYF_BASE_NUMBER_H
#define AYF_BASE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

/* Reads a whole string as a decimal real ("-1.5e-3"); false for anything else: empty, trailing text,
 * hexadecimal, NaN, infinity or a value that overflows. */
bool ayf_parse_real(const char *string, double *value);

enum { AYF_REAL_SIZE = 32 };
/* The shortest of 15 to 17 significant digits that reads back to the same double; returns the length. Not for
 * NaN and infinities. */
int ayf_print_real(char text[AYF_REAL_SIZE], double value);

/* The same, but whole values keep a point ("1.0"), so that a typed reader sees a real. */
int ayf_print_typed_real(char text[AYF_REAL_SIZE], double value);

/* Sorts finite numbers, rising. */
void ayf_sort_reals(double *values, size_t count);

#endif
