#!/bin/sh
# scripts/check_exports.sh BUILD_FOLDER
# The shared library exports the functions of ayf.h and nothing else, the static one defines no other global names
# than ayf_* (and what C++ needs to find its own exceptions), and the header compiles as C and as C++. Output and exit status as in check_layers.sh.
set -eu
. "$(dirname "$0")/result.sh"
build=$1
root=$(cd "$(dirname "$0")/.." && pwd)

exported=$(nm -D --defined-only "$build/libayf.so" | awk '{ print $3 }' | sort)
declared=$(sed -n 's/^AYF_API .*[ *]\(ayf_[a-z0-9_]*\)(.*/\1/p' "$root"/include/ayf/*.h | sort)
result "the library exports what ayf.h declares" "$(printf '%s\n%s\n' "$exported" "$declared" | sort | uniq -u)"
result "global names begin ayf_" "$(nm --defined-only --extern-only "$build/libayf.a" 2>/dev/null |
    awk 'NF == 3 && $3 !~ /^ayf_/ && $3 !~ /^DW\.ref\./ { print $3 }')"
compile() { "$@" -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I "$root/include" "$root/include/ayf.h" 2>&1 || echo "failed"; }
result "ayf.h compiles as C" "$(compile "${CC:-cc}" -std=c11 -x c)"
result "ayf.h compiles as C++" "$(compile "${CXX:-c++}" -std=c++11 -x c++)"
ignored='#include <ayf.h>
void f(ayf_run *run); void f(ayf_run *run) { ayf_run_save(run); }'
result "an ignored status is a warning" "$(echo "$ignored" | ${CC:-cc} -std=c11 -x c -Wall -Werror -S -o /dev/null \
    -I "$root/include" - 2>/dev/null && echo "it is not")"
exit $status
