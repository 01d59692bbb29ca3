/* Text of unknown origin (names of files, labels, metadata, comments) on its way to a person. */
#ifndef AYF_BASE_PLAIN_H
#define AYF_BASE_PLAIN_H

#include "base/base.h"

/* Size in bytes of the valid UTF-8 character at `bytes` (size >= 1), its code point in *code; 0 when invalid
 * (overlong forms, surrogates and values above U+10FFFF included). */
size_t ayf_utf8_decode(const char *bytes, size_t size, uint32_t *code);

/* Whether a terminal may obey the character instead of showing it: controls (C0, DEL, C1), what turns the
 * direction of writing, and what ends lines and paragraphs. */
bool ayf_is_control(uint32_t code);

#endif
