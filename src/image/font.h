/* A font of 5 x 7 pixels in cells of AYF_FONT_WIDE x AYF_FONT_HIGH, for the labels of sheets. ASCII is drawn as
 * it is, letters of Latin-1 without their accents, and every other character as a box. */
#ifndef AYF_IMAGE_FONT_H
#define AYF_IMAGE_FONT_H

#include "image/image.h"

enum { AYF_FONT_WIDE = 6, AYF_FONT_HIGH = 9 };

size_t ayf_font_length(const char *text); /* characters of UTF-8 */

/* One line in a grey value, from the top left corner, which lies within the image. What does not fit in
 * `width` pixels is cut off, and the last two characters become dots. */
void ayf_font_draw(ayf_image *image, int top, int left, int width, const char *text, uint8_t grey);

#endif
