/* The checksums of the safetensors files that ayf writes, in their metadata:
 *
 *   "crc32"          the CRC-32 (zlib's) of the bytes of every tensor, eight hexadecimal digits each, in the order
 *                    of the data
 *   "crc32.header"   the CRC-32 of the header, with eight times '0' in place of its own digits
 *
 * Two keys, so that a file in which the name of one is damaged is not taken for a file without checksums. */
#ifndef AYF_IO_SAFETENSORS_SUM_H
#define AYF_IO_SAFETENSORS_SUM_H

#include "base/base.h"

#define AYF_ST_SUMS "crc32"
#define AYF_ST_HEADER_SUM "crc32.header"

enum { AYF_ST_DIGITS = 8 }; /* of one sum, without the NUL that ayf_st_sum_text() adds */

uint32_t ayf_st_sum(const void *bytes, size_t size);
void ayf_st_sum_text(uint32_t sum, char digits[AYF_ST_DIGITS + 1]);

/* Where the digits of AYF_ST_HEADER_SUM begin in the text of a header; `size` when they are not there. */
size_t ayf_st_header_sum_at(const char *header, size_t size);

/* The sum of a header whose digits begin at `at`. */
uint32_t ayf_st_header_sum(const char *header, size_t size, size_t at);

#endif
