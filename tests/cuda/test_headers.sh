#!/bin/sh
# test_headers.sh SOURCE_ROOT COMPILER ...
# What ayf says of NVIDIA's libraries (backend/cuda/api.h) against NVIDIA's headers, where these are installed: in
# $CUDA_HOME/include, /usr/local/cuda/include, or where the compiler looks.
set -u
root=$1
shift
for folder in "${CUDA_HOME:-/usr/local/cuda}/include" /usr/include; do
    [ -e "$folder/cuda.h" ] && [ -e "$folder/cudnn.h" ] && [ -e "$folder/nccl.h" ] || continue
    echo "headers of $folder"
    exec "$@" -std=gnu11 -fsyntax-only -isystem "$folder" -I"$root/src" "$root/tests/cuda/headers.c"
done
echo "NVIDIA's headers (cuda.h, cudnn.h, nccl.h) are not here, so ayf's own declarations are not compared with them"
exit 77
