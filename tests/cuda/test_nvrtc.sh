#!/bin/sh
# test_nvrtc.sh TEXTS NVRTC FAKE SOURCE_ROOT [all]
# The kernels of whole steps, compiled by NVIDIA's compiler for three generations of GPUs without any of them: no warning, no
# spilled register, at most 128 registers. "all": of every network of configs/, in both precisions, which takes minutes.
set -u
texts=$1 nvrtc=$2 fake=$3 root=$4 all=${5:-}
library=
for file in "${CUDA_HOME:-/usr/local/cuda}"/lib*/libnvrtc.so.1[23] /usr/lib/*/libnvrtc.so.1[23]; do
    [ -e "$file" ] && library=$file && break
done
if [ -z "$library" ]; then
    echo "NVRTC (libnvrtc.so.13) is not here, so the kernels are not compiled by NVIDIA's compiler"
    exit 77
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/ayf-nvrtc.XXXXXX")
trap 'rm -rf "$work"' EXIT
export AYF_THREADS=1
unset LD_LIBRARY_PATH # NVIDIA's library would find the fake driver there
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
    for network in emoji16-teacher emoji16-weak mnist16-teacher mnist16-weak mnist32-teacher mnist32-weak shapes16-teacher \
        shapes16-weak cifar10-teacher cifar10-weak; do
        check "$network" highest sm_80 sm_90 sm_120
        check "$network" bf16 sm_80 sm_90 sm_120
    done
else
    check emoji16-weak bf16 sm_80 sm_90 sm_120
    check emoji16-teacher highest sm_90
fi
exit $failed
