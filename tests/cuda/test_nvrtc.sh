#!/bin/sh
# test_nvrtc.sh TEXTS NVRTC FAKE SOURCE_ROOT [all]
# The kernels of whole steps, compiled by NVIDIA's compiler for three generations of GPUs without any of them: no warning, no
# spilled register, at most 128 registers. "all": of every network of configs/, in both precisions, which takes minutes.
set -u
texts=$1 nvrtc=$2 fake=$3 root=$4 all=${5:-}
. "$(dirname "$0")/nvidia.sh"
find_library "libnvrtc.so.1[23]" "the kernels are not compiled by NVIDIA's compiler"
work=$(mktemp -d "${TMPDIR:-/tmp}/ayf-nvrtc.XXXXXX")
trap 'rm -rf "$work"' EXIT
failed=0
check() { # CONFIGURATION PRECISION ARCHITECTURE ...
    config=$root/configs/$1.yaml precision=$2
    shift 2
    rm -f "$work"/*
    "$texts" "$fake" "$work" 32 "$precision" "$config" || failed=1
    for architecture in "$@"; do
        echo "== $config, $precision, $architecture"
        "$nvrtc" "$library" "$architecture" "$work"/* || failed=1
    done
}
if [ "$all" = all ]; then
    for network in $networks; do
        check "$network" highest sm_80 sm_90 sm_120
        check "$network" bf16 sm_80 sm_90 sm_120
    done
else
    check emoji16-weak bf16 sm_80 sm_90 sm_120
    check emoji16-teacher highest sm_90
fi
exit $failed
