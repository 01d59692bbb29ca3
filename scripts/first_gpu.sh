#!/bin/sh
# scripts/first_gpu.sh [FOLDER]      (under ten minutes on an H100; FOLDER: results/gpu)
# All that is to be known of a GPU that ayf has not met yet, as one command after a build with tests (make test, or ninja -C
# build): what is installed, whether it computes what the CPU computes, how fast, the demo. Every part leaves a file in
# FOLDER, and a part that fails does not stop the others: the exit code is 1 then. AYF_CUDA_PATH names folders of
# NVIDIA's libraries.
#   SIZES   batch sizes of the timed step; default "32 128 512"
#   NETWORK settings of the timed network; default none: 7.1 M parameters, 32 x 32
#   PEERS   a Python with PyTorch for the same GPU; default python3, left out where it has none
set -u
folder=${1:-results/gpu}
build=${BUILD:-build}
ayf=$build/ayf
SIZES=${SIZES:-32 128 512}
NETWORK=${NETWORK:-}
PEERS=${PEERS:-python3}
SEEDS=${SEEDS:-30}
failed=0
for program in ayf tests/test_backends tests/test_precision; do
    if [ ! -x "$build/$program" ]; then
        echo "$build/$program is not there: build ayf with its tests first (make test, or ninja -C $build)"
        exit 2
    fi
done
mkdir -p "$folder" || exit 1
: >"$folder/summary.txt"

part() { # NAME SECONDS COMMAND ...: output in FOLDER/NAME.txt
    name=$1 limit=$2
    shift 2
    begun=$(date +%s)
    timeout "$limit" "$@" >"$folder/$name.txt" 2>&1
    code=$?
    [ $code = 0 ] || failed=1
    line="$name: exit code $code, $(($(date +%s) - begun)) s"
    echo "$line" >>"$folder/summary.txt"
    echo "$line"
}

# 1. What is there.
part devices 60 "$ayf" info
if ! grep -q '^cuda:0' "$folder/devices.txt"; then
    cat "$folder/devices.txt"
    exit 2
fi
command -v nvidia-smi >/dev/null && part nvidia-smi 60 nvidia-smi

# 2. Whether it computes what it should.
part backends 240 env AYF_TEST_GPU=1 AYF_TEST_BACKEND=cuda AYF_TEST_SEEDS="$SEEDS" "$build/tests/test_backends"
part precision 240 env AYF_TEST_GPU=1 AYF_TEST_BACKEND=cuda "$build/tests/test_precision"
part doctor 120 "$ayf" doctor --device cuda
[ -z "${GOLDEN:-}" ] || part golden 120 "$ayf" golden "$GOLDEN" --device cuda
if command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck; do
        part "$tool" 180 env AYF_TEST_GPU=1 AYF_TEST_BACKEND=cuda AYF_TEST_SEEDS=10 \
            compute-sanitizer --tool "$tool" --error-exitcode 9 "$build/tests/test_backends"
    done
fi

# 3. How fast it is.
for size in $SIZES; do
    # shellcheck disable=SC2086
    part "step-$size" 120 "$ayf" bench step --device cuda --batch "$size" --repeats 10 $NETWORK
done
# shellcheck disable=SC2086
part trace 120 env AYF_TRACE=1 "$ayf" bench step --device cuda --batch "${SIZES%% *}" --repeats 1 --precision bf16 $NETWORK
# shellcheck disable=SC2086
part call 120 "$ayf" bench call --device cuda $NETWORK
if "$PEERS" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    part peers 300 "$PEERS" "$(dirname "$0")/peers/compare.py" "$ayf" --device cuda --batch "${SIZES%% *}" --rounds 3 \
        --repeats 10 --compile --json "$folder/peers.json"
fi

# 4. What a new user does.
if [ "${DEMO:-1}" = 1 ]; then part demo 300 "$ayf" demo "$folder/demo" --device cuda; fi
cat "$folder/summary.txt"
exit $failed
