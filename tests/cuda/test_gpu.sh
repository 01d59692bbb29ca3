#!/bin/sh
# test_gpu.sh PROGRAM TEST_BACKENDS TEST_PRECISION
# On a machine with an NVIDIA GPU: every op, random graphs, derivatives and training steps on it against the reference.
set -u
# Without the folders of the GPU for tests.
LD_LIBRARY_PATH=$(echo "${LD_LIBRARY_PATH:-}" | tr ':' '\n' | while read -r folder; do
    [ -e "$folder/libayf_fake_cuda.so" ] || echo "$folder"
done | paste -sd:)
export LD_LIBRARY_PATH ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}protect_shadow_gap=0" # or the driver has no memory
if ! "$1" info | grep -q '^cuda:0'; then
    "$1" info | grep '^cuda'
    echo "so the tests of the CUDA backend run on a GPU for tests only"
    exit 77
fi
export AYF_TEST_GPU=1 AYF_TEST_BACKEND=cuda
"$2" && "$3"
