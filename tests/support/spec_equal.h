/* Whether two specs describe the same network: equal kinds, and equal values of the fields that the kind has.
 */
#ifndef AYF_SPEC_EQUAL_H
#define AYF_SPEC_EQUAL_H

#include <string.h>

#include "base/fields.h"
#include "nn/spec.h"

static inline bool spec_equal(const ayf_model_spec *a, const ayf_model_spec *b) {
    char left[AYF_FIELD_SIZE], right[AYF_FIELD_SIZE];
    if (a->kind != b->kind) return false;
    for (size_t i = 0; i < ayf_model_spec_keys(); i++) {
        if (!ayf_model_spec_has(a, i)) continue;
        ayf_model_spec_get(a, i, left, sizeof left);
        ayf_model_spec_get(b, i, right, sizeof right);
        if (strcmp(left, right) != 0) return false;
    }
    return true;
}

#endif
