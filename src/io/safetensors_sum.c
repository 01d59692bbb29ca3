#include "io/safetensors_sum.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

uint32_t ayf_st_sum(const void *bytes, size_t size) { return (uint32_t)crc32_z(0, bytes, size); }

void ayf_st_sum_text(uint32_t sum, char digits[AYF_ST_DIGITS + 1]) {
    snprintf(digits, AYF_ST_DIGITS + 1, "%08x", (unsigned)sum);
}

size_t ayf_st_header_sum_at(const char *header, size_t size) {
    /* Inside a string the quotes would have a backslash before them. */
    static const char key[] = "\"" AYF_ST_HEADER_SUM "\":\"";
    const char *found = memmem(header, size, key, sizeof key - 1);
    size_t at = found ? (size_t)(found - header) + sizeof key - 1 : size;
    return at + AYF_ST_DIGITS < size ? at : size;
}

uint32_t ayf_st_header_sum(const char *header, size_t size, size_t at) {
    static const unsigned char zeros[AYF_ST_DIGITS + 1] = "00000000";
    const unsigned char *bytes = (const unsigned char *)header;
    unsigned long sum = crc32_z(0, bytes, at);
    sum = crc32_z(sum, zeros, AYF_ST_DIGITS);
    return (uint32_t)crc32_z(sum, bytes + at + AYF_ST_DIGITS, size - at - AYF_ST_DIGITS);
}
