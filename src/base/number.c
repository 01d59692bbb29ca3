#include "base/number.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* NULL only when there is no memory; the caller then works in the current locale. */
static locale_t plain_locale(void) { return newlocale(LC_NUMERIC_MASK, "C", (locale_t)0); }

bool ayf_parse_real(const char *string, double *value) {
    const char *p = string;
    if (*p == '+' || *p == '-') p++;
    size_t digits = strspn(p, "0123456789");
    p += digits;
    if (*p == '.') {
        size_t fraction = strspn(++p, "0123456789");
        p += fraction;
        digits += fraction;
    }
    if (digits == 0) return false;
    if (*p == 'e' || *p == 'E') {
        p++;
        if (*p == '+' || *p == '-') p++;
        size_t exponent = strspn(p, "0123456789");
        if (exponent == 0) return false;
        p += exponent;
    }
    if (*p) return false;
    locale_t plain = plain_locale();
    char *end;
    double number = plain ? strtod_l(string, &end, plain) : strtod(string, &end);
    if (plain) freelocale(plain);
    if (*end || !isfinite(number)) return false;
    *value = number;
    return true;
}

int ayf_print_real(char text[AYF_REAL_SIZE], double value) {
    locale_t plain = plain_locale();
    locale_t before = plain ? uselocale(plain) : (locale_t)0;
    int length = 0;
    for (int precision = 15; precision <= 17; precision++) {
        length = snprintf(text, AYF_REAL_SIZE, "%.*g", precision, value);
        if (strtod(text, NULL) == value) break;
    }
    if (plain) {
        uselocale(before);
        freelocale(plain);
    }
    return length;
}

int ayf_print_typed_real(char text[AYF_REAL_SIZE], double value) {
    int length = ayf_print_real(text, value);
    if (!strpbrk(text, ".en")) length += snprintf(text + length, AYF_REAL_SIZE - (size_t)length, ".0");
    return length;
}

static int rising(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void ayf_sort_reals(double *values, size_t count) { qsort(values, count, sizeof *values, rising); }
