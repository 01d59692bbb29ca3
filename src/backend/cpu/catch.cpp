#include "backend/cpu/catch.h"

#include <new>

extern "C" ayf_caught ayf_catch(ayf_caught_call *call, void *user) {
    try {
        call(user);
        return AYF_CAUGHT_NOTHING;
    } catch (const std::bad_alloc &) {
        return AYF_CAUGHT_NO_MEMORY;
    } catch (...) {
        return AYF_CAUGHT_OTHER;
    }
}
