#!/bin/sh
# test_gpu.sh PROGRAM TEST_BACKENDS TEST_PRECISION
# On a machine with an NVIDIA GPU: every op, random graphs, derivatives and training steps on it against the reference.
set -u
unset LD_LIBRARY_PATH # of the GPU for tests
if ! "$1" info | grep -q '^cuda:0'; then
    "$1" info | grep '^cuda'
    echo "so the tests of the CUDA backend run on a GPU for tests only"
    exit 77
fi
export AYF_TEST_GPU=1 AYF_TEST_BACKEND=cuda
"$2" && "$3"
