#!/bin/sh
# tests/fuzz/run.sh [executions [target ...]]
# Builds every fuzz_<target>.c of this folder with clang (libFuzzer, address and undefined-behaviour sanitizers)
# and runs it on fresh copies of its seeds: 200000 executions each unless told. Prints one line per target and
# ends with status 0 only if all of them did all their executions. What breaks a reader is kept in build-fuzz/.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=${AYF_FUZZ_DIR:-$root/build-fuzz}
runs=${1:-200000}
[ $# -gt 0 ] && shift
: "${CC:=clang}"
flags="-std=c11 -D_GNU_SOURCE -g -O1 -fno-omit-frame-pointer -I$root/include -I$root/src"
checks="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
packages="libpng libjpeg libwebp libzip jansson zlib yaml-0.1"
libs="$(pkg-config --libs $packages) -lm"

rm -rf "$work/objects" && mkdir -p "$work/objects"
for source in "$root"/src/base/*.c "$root"/src/comm/*.c "$root"/src/io/*.c "$root"/src/image/*.c "$root"/src/data/*.c "$root"/src/config/*.c \
    "$root"/src/ir/*.c "$root"/src/nn/*.c "$root"/src/pass/*.c "$root"/src/exec/*.c "$root"/src/backend/ref/*.c "$root"/src/backend/exchange.c \
    "$root"/src/model/*.c; do
    # Files of one name in two folders.
    room=$(basename "$(dirname "$source")")
    object="$work/objects/$room-$(basename "$source" .c).o"
    # shellcheck disable=SC2086
    "$CC" $flags $checks -fsanitize=fuzzer-no-link $(pkg-config --cflags $packages) -c "$source" -o "$object"
done
# shellcheck disable=SC2086
"$CC" $flags "$here/make_seeds.c" -o "$work/make_seeds" $libs
# shellcheck disable=SC2086
"$CC" $flags $checks -fsanitize=fuzzer-no-link "$here/make_models.c" "$work"/objects/*.o -o "$work/make_models" $libs
rm -rf "$work/seeds" && mkdir "$work/seeds"
(cd "$work" && ./make_seeds seeds && mkdir -p seeds/model && ./make_models seeds/model)

[ $# -gt 0 ] || set -- $(cd "$here" && ls fuzz_*.c | sed 's/^fuzz_//; s/\.c$//')
failed=0
for target in "$@"; do
    # shellcheck disable=SC2086
    "$CC" $flags $checks -fsanitize=fuzzer "$here/fuzz_$target.c" "$work"/objects/*.o -o "$work/fuzz_$target" $libs
    corpus="$work/corpus_$target"
    rm -rf "$corpus" && mkdir "$corpus"
    [ -d "$work/seeds/$target" ] && cp "$work/seeds/$target"/* "$corpus"
    [ -d "$here/seeds/$target" ] && cp "$here/seeds/$target"/* "$corpus"
    log="$work/$target.log"
    status=0
    "$work/fuzz_$target" -runs="$runs" -rss_limit_mb=2048 -timeout=20 -print_final_stats=1 -verbosity=1 \
        -artifact_prefix="$work/$target-" "$corpus" >"$log" 2>&1 || status=$?
    done_runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    echo "fuzz $target: ${done_runs:-0} executions, $([ $status -eq 0 ] && echo 'no failure' || echo "FAILED, see $log")"
    [ $status -eq 0 ] || failed=1
done
exit $failed
