/* The only C++ of the library: oneDNN's C functions let exceptions out when there is no memory, and one that
 * nobody catches ends the process. */
#ifndef AYF_BACKEND_CPU_CATCH_H
#define AYF_BACKEND_CPU_CATCH_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ayf_caught { AYF_CAUGHT_NOTHING, AYF_CAUGHT_NO_MEMORY, AYF_CAUGHT_OTHER } ayf_caught;

typedef void ayf_caught_call(void *user);

/* Calls call(user). An exception leaves the functions in between at once, so what they hold in their local
 * variables only is lost. */
ayf_caught ayf_catch(ayf_caught_call *call, void *user);

#ifdef __cplusplus
}
#endif

#endif
