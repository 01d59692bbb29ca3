#!/bin/sh
# tests/fuzz/run.sh [executions [target ...]]
# Builds the targets of this folder with clang (libFuzzer, address and undefined-behaviour sanitizers) in build-fuzz/
# and runs them on fresh copies of their seeds: 200000 executions each unless told. Prints one line per target and
# ends with status 0 only if all of them did all their executions. What breaks a reader is kept in
# build-fuzz/found/; once mended it belongs into seeds/<target>/ here, where every test run tries it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${AYF_FUZZ_DIR:-$root/build-fuzz}
runs=${1:-200000}
[ $# -gt 0 ] && shift
export ASAN_OPTIONS="${ASAN_OPTIONS:-halt_on_error=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1}"
export LSAN_OPTIONS="${LSAN_OPTIONS:-suppressions=$root/tests/support/leaks.supp:print_suppressions=0}"

# -O1 is what the manual of libFuzzer proposes. Warnings are those of another compiler than ours.
[ -f "$build/build.ninja" ] || CC="${CC:-clang}" CXX="${CXX:-clang++}" meson setup "$build" "$root" \
    --buildtype=debugoptimized -Doptimization=1 -Db_sanitize=address,undefined -Db_lundef=false -Dwerror=false -Dmpi=disabled \
    -Dfuzz=true >"$build.log" 2>&1 || {
    cat "$build.log" >&2
    exit 1
}
rm -f "$build.log"
ninja -C "$build" fuzzers >"$build/build.log" 2>&1 || {
    tail -40 "$build/build.log" >&2
    exit 1
}
mkdir -p "$build/found"
rm -rf "$build/seeds"
targets=$("$build/tests/fuzz" --seeds "$build/seeds")

# shellcheck disable=SC2086
[ $# -gt 0 ] || set -- $targets
failed=0
for target in "$@"; do
    corpus="$build/corpus/$target"
    rm -rf "$corpus" && mkdir -p "$corpus"
    cp "$build/seeds/$target"/* "$corpus"
    [ -d "$here/seeds/$target" ] && cp "$here/seeds/$target"/* "$corpus"
    log="$build/$target.log"
    status=0
    "$build/tests/fuzz_$target" -runs="$runs" -rss_limit_mb=2048 -timeout=20 -print_final_stats=1 -verbosity=1 \
        -artifact_prefix="$build/found/$target-" "$corpus" >"$log" 2>&1 || status=$?
    done_runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    echo "fuzz $target: ${done_runs:-0} executions, $([ $status -eq 0 ] && echo 'no failure' || echo "FAILED, see $log")"
    [ $status -eq 0 ] || failed=1
done
exit $failed
