#!/bin/sh
# scripts/check_layers.sh
# Each layer includes only what it may stand on, the program only the public header; no source is too long.
# One line per layer in the form of the tests; exit status 1 when something is wrong.
set -eu
cd "$(dirname "$0")/.."
status=0

# layer, what it may include besides itself and ayf.h
check() {
    layer=$1
    shift
    allowed=$(printf '%s|' "$layer" "$@")
    # Headers without a folder stand beside the source; only the program and ayf.h are like that.
    bad=$(grep -rnE '^ *# *include +"' "src/$layer" | grep -vE "\"(${allowed%|})/|\"ayf\.h\"" || true)
    [ "$layer" != cli ] || bad=$(echo "$bad" | grep -vE '"(cli|args)\.h"' || true)
    result "layer $layer" "$bad"
}

result() {
    echo "[ RUN      ] $1"
    if [ -z "$2" ]; then
        echo "[       OK ] $1"
    else
        echo "$2"
        echo "[  FAILED  ] $1"
        status=1
    fi
}

check base
check ir base
check ad base ir
check pass base ir
check exec base ir ad pass
check backend base ir ad pass exec
check nn base ir
check io base
check algo base ir ad pass exec backend nn io
check cli
result "every layer is known" "$(ls src | grep -vxE 'base|ir|ad|pass|exec|backend|nn|io|algo|cli' || true)"
result "no source above 800 lines" "$(find src include tests examples -name '*.[ch]' -exec wc -l {} + |
    awk '$2 != "total" && $1 > 800 { print $2 ": " $1 " lines" }')"
exit $status
