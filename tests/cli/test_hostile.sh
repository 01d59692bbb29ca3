#!/bin/bash
# tests/cli/test_hostile.sh AYF FAIL_ALLOC SANITIZERS
# Systems that fail and files that mean harm: no memory, damaged files, control characters, pipes and devices.
set -u
ayf=$1
fail_alloc=$2
sanitizers=${3:-none}
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
: >out && : >err
export AYF_THREADS=1
small="--data builtin:shapes --batch 2 --set data.resolution=8 --set data.channels=1 --set model.channels=4
    --set model.multipliers=1 --set model.blocks=1 --set model.attention=8 --set model.channels_per_head=4
    --set train.lr_warmup=0"

# shellcheck disable=SC2086
expect "a model to work with" 0 "$ayf" train run $small --steps 2
model=model.safetensors

# ---- Damaged files ----

# damaged FILE COUNT COMMAND ...: FILE with one bit turned at COUNT places, one after the other, ends COMMAND with 3
# and a message that names the file.
damaged() {
    local file=$1 count=$2 i code
    shift 2
    cp "$file" whole
    i=0
    while [ $i -lt "$count" ]; do
        python3 -c 'import sys
data, i, count = bytearray(open("whole", "rb").read()), int(sys.argv[2]), int(sys.argv[3])
at = (len(data) - 1) * i // (count - 1)
data[at] ^= 1 << (i * 5 % 8)
open(sys.argv[1], "wb").write(data)' "$file" $i "$count"
        code=0
        "$@" >damaged.out 2>damaged.err || code=$?
        if [ $code -ne 3 ] || ! grep -qF "$file" damaged.err; then
            echo "place $i of $count: ends with $code: $(cat damaged.err)" >&2
            return 1
        fi
        i=$((i + 1))
    done
    cp whole "$file"
}

# shellcheck disable=SC2086
expect "damaged checkpoints" 0 damaged run/checkpoints/step-00000002.safetensors 40 "$ayf" train run $small --steps 2
expect "damaged models" 0 damaged run/$model 40 "$ayf" sample run --steps 1 --seeds 0 --out damaged.png
# shellcheck disable=SC2086
expect "features to work with" 0 "$ayf" eval --fit-features features.safetensors --data builtin:shapes \
    --set train.steps=2 --set train.batch=4 --set data.resolution=8 --set data.channels=1
expect "damaged features" 0 damaged features.safetensors 20 "$ayf" eval run --data builtin:shapes --images 65 \
    --reference 130 --features features.safetensors
turn_last() { python3 -c 'import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[-3] ^= 4
open(sys.argv[1], "wb").write(data)' "$1"; }
cp run/$model whole
turn_last run/$model
# shellcheck disable=SC2086
expect "a damaged model is made again by its run" 0 "$ayf" train run $small --steps 2
same whole run/$model

# ---- Memory ----

# Every limit on the address space between FIRST and LAST KiB: success, or "out of memory" and 1. 127 and signals
# before main() are the dynamic loader's: below the first limit at which the program can say something.
limits() {
    local last=$2 step=$3 limit=$1 code
    shift 3
    while [ "$limit" -le "$last" ]; do
        code=0
        rm -rf limited
        (ulimit -v "$limit" && exec "$@") >limited.out 2>limited.err || code=$?
        case $code in
        0) ;;
        1) grep -q 'memory' limited.err || { echo "$limit KiB: $(cat limited.err)" >&2 && return 1; } ;;
        *) echo "$limit KiB: ends with $code: $(cat limited.err)" >&2 && return 1 ;;
        esac
        limit=$((limit + step))
    done
}

# The smallest limit, in steps of 1 MiB, with which the program starts.
least() {
    local limit=16384
    while ! (ulimit -v "$limit" && exec "$ayf" --version) >/dev/null 2>&1; do
        limit=$((limit + 1024))
        [ "$limit" -lt 4194304 ] || return 1
    done
    echo $((limit + 1024))
}

# Every n-th request for memory failing in turn: 0, or 1 and a word about memory.
each_request() {
    rm -f requests
    env FAIL_ALLOC=1-100000 FAIL_ALLOC_LOG=requests LD_PRELOAD="$fail_alloc" "$@" >requests.out 2>requests.err
    [ -s requests ] || { echo "nothing was tried" >&2 && return 1; }
    awk '$2 > 1 { print "request " $1 " ends with " $2 > "/dev/stderr"; bad = 1 } END { exit bad }' requests &&
        ! grep -v -e memory -e '^$' requests.err >&2
}

if [ "$sanitizers" = none ]; then
    start=$(least)
    expect "little memory while drawing" 0 limits "$start" $((start + 64000)) 1009 \
        "$ayf" sample run --steps 2 --seeds 0-1 --out limited.png
    # shellcheck disable=SC2086
    expect "little memory while training" 0 limits "$start" $((start + 64000)) 1009 "$ayf" train limited $small --steps 1
    expect "each request for memory fails: a run" 0 each_request "$ayf" info run
    expect "each request for memory fails: a checkpoint" 0 each_request \
        "$ayf" info run/checkpoints/step-00000002.safetensors
fi

# ---- OpenMP ----

# shellcheck disable=SC2086
train_with() {
    folder=$1
    shift
    env AYF_THREADS=2 "$@" "$ayf" train "$folder" $small --set model.channels=16 --steps 2
}
expect "two threads" 0 train_with two
expect "OMP_DYNAMIC does not change a run" 0 train_with dynamic OMP_DYNAMIC=true
same two/$model dynamic/$model
one_thread() { AYF_THREADS=1 "$ayf" train one $small --set model.channels=16 --steps 2; }
expect "one thread" 0 one_thread
for setting in OMP_THREAD_LIMIT=1 OMP_MAX_ACTIVE_LEVELS=0; do
    expect "$setting leaves one thread" 0 train_with "$setting" $setting
    says "1 of 2 threads"
    same one/$model "$setting/$model"
done
finish
