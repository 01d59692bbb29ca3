/* How the elements of a stored tensor lie in memory: the graph does not know, pass/precision.h decides. */
#ifndef AYF_PASS_ELEMENT_H
#define AYF_PASS_ELEMENT_H

typedef enum ayf_element {
    AYF_F32,  /* full precision; the reference backend computes and stores it as double */
    AYF_BF16, /* rounded to bfloat16 when it is computed, whoever reads it */
    AYF_ELEMENTS
} ayf_element;

#endif
