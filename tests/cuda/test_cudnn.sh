#!/bin/sh
# test_cudnn.sh PROGRAM FAKE DEVICELESS SOURCE_ROOT [all]
# The convolutions of whole steps, planned by NVIDIA's cuDNN for three generations of GPUs without any of them: cuDNN has an
# engine for every one: with tensor cores in bf16 from 0.2 GFLOP on, without them in 32 bits. "all": of every network of
# configs/.
set -u
ayf=$1 fake=$2 deviceless=$3 root=$4 all=${5:-}
. "$(dirname "$0")/nvidia.sh"
find_library libcudnn.so.9 "cuDNN does not plan the convolutions"
work=$(mktemp -d "${TMPDIR:-/tmp}/ayf-cudnn.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/libraries" || exit 1
for name in libcuda.so.1 libnvrtc.so.13 libcublasLt.so.13; do ln -s "$fake/$name" "$work/libraries" || exit 1; done
ln -s "$deviceless" "$work/libraries/libcudnn.so.9" || exit 1
export AYF_CUDA_PATH="$work/libraries" AYF_CACHE="$work/cache" AYF_FAKE_MEMORY=80000000000
export AYF_TEST_CUDNN="$library" AYF_TEST_PLANS="$work/plans"
failed=0

fail() {
    echo "FAILED: $*"
    failed=1
}

# planned GPU WHAT COMMAND ...: the command on that GPU, and what is to be true of the plans that it made
planned() {
    gpu=$1 what=$2
    shift 2
    rm -f "$work/plans"
    AYF_TEST_GPU="$root/tests/cuda/gpus/$gpu.json" "$@" --device cuda >"$work/out" 2>"$work/err"
    code=$?
    if [ $code -eq 77 ]; then
        cat "$work/err"
        exit 77
    fi
    if [ $code -ne 0 ] || [ ! -s "$work/plans" ]; then
        fail "$what on $gpu: exit code $code: $(cat "$work/err")"
        return
    fi
    echo "$what on $gpu: $(wc -l <"$work/plans") plans; engine, convolutions of different sizes:"
    sort -u "$work/plans" | awk '{ n[$4 " " $1]++ } END { for (e in n) printf "  %s: %d", e, n[e]; print "" }'
    # Of the smallest cuDNN itself takes others to be faster.
    awk '$4 == "bf16" && $2 != "tensor" {
        split($7, w, "x")
        split($9, y, "x")
        if (2 * w[1] * w[2] * w[3] * w[4] * y[1] * y[3] * y[4] >= 2e8) print
    }' "$work/plans" >"$work/slow"
    [ ! -s "$work/slow" ] || fail "bf16 without tensor cores: $(head -1 "$work/slow")"
    awk '$4 == "f32" && $2 != "plain"' "$work/plans" >"$work/rounded"
    [ ! -s "$work/rounded" ] || fail "32 bits on tensor cores: $(head -1 "$work/rounded")"
}

[ "$all" = all ] || networks=emoji16-teacher
for gpu in a100 h100 rtx5090; do
    for config in $networks; do planned "$gpu" "$config" "$ayf" plan "$root/configs/$config.yaml"; done
done

# What the plans compute does not matter to a dry run.
tiny="--data builtin:shapes --set data.resolution=16 --set train.lr_warmup=0 --set save.grid_every=0 --batch 8 --steps 1"
# shellcheck disable=SC2086
{
    "$ayf" train "$work/teacher" $tiny --set model.channels=16 --device cpu >"$work/out" 2>&1 ||
        fail "a teacher: $(tail -1 "$work/out")"
    "$ayf" distill "$work/student" $tiny --teacher "$work/teacher" --set distill.guidance=none --device cpu \
        >"$work/out" 2>&1 || fail "a student: $(tail -1 "$work/out")"
    for precision in highest bf16; do
        planned h100 "fine-tuning in $precision" "$ayf" finetune "$work/tuned" --student "$work/student" $tiny \
            --set train.precision=$precision --dry-run
    done
}
exit $failed
