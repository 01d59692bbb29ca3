/* The parts of ayf_doctor(): the programs that it compares, and its checks. */
#ifndef AYF_DOCTOR_H
#define AYF_DOCTOR_H

#include "exec/program.h"
#include "model/weights.h"

/* What a derivative is taken of: an input of the network or a parameter tensor. */
typedef struct ayf_doctor_variable {
    const char *name; /* of its leaf */
    float *at, *direction;
    size_t size;
} ayf_doctor_variable;

/* A network with fixed random inputs, and what is computed of it:
 *   L = <c, F>            for a fixed random c
 *   R = |dL/dx|^2 / 2     so that a gradient of R is a double backward
 *   the tangent <c, dF> along a_v times the direction of every variable v
 *   the gradients of L and R with respect to every variable */
typedef struct ayf_doctor_subject {
    ayf_context *ctx;
    const ayf_params *params;
    int batch;
    ayf_doctor_variable
        *variable; /* x, t, (s, guidance,) and the parameters, those that are not trained last */
    int count;     /* of those that derivatives are taken of */
    int all;
    float *cotangent, *onehot; /* onehot: NULL without classes */
    size_t outputs;            /* values of F */
} ayf_doctor_subject;

typedef enum ayf_doctor_program {
    AYF_DOCTOR_VALUES,
    AYF_DOCTOR_TANGENT,
    AYF_DOCTOR_GRADIENTS
} ayf_doctor_program;

/* `weights` may be on any backend; the values are copied. Free it also after a failure. */
ayf_status ayf_doctor_subject_new(const ayf_weights *weights, int batch, ayf_doctor_subject *subject);
void ayf_doctor_subject_free(ayf_doctor_subject *subject);

/* Compiles one of the programs and sets its leaves to the subject's values; every a_v is 0. Outputs: "F", "L", "R",
 * "square" = sum (c F)^2; "dF", "dL"; "grad.<variable>" and "grad2.<variable>". */
ayf_status ayf_doctor_compile(const ayf_doctor_subject *subject, ayf_backend *backend,
                              ayf_doctor_program which, const ayf_compile_options *options,
                              ayf_program **out);

/* Sets a_v. */
ayf_status ayf_doctor_move(ayf_program *tangent, const ayf_doctor_variable *variable, float amount);

#endif
