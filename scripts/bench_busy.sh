#!/bin/sh
# scripts/bench_busy.sh AYF [STEPS]
# How threads get on with others: seconds of a short training run of a small network alone, beside a busy loop, and
# two runs side by side; the fastest and the slowest of three. Reading data and compiling are included.
set -eu
ayf=$(realpath "${1:?usage: bench_busy.sh AYF [STEPS]}")
steps=${2:-40}
work=$(mktemp -d)
hog=""
trap '[ -z "$hog" ] || kill "$hog"; rm -rf "$work"' EXIT

# train NAME
train() {
    rm -rf "${work:?}/$1"
    "$ayf" train "$work/$1" --data builtin:shapes --steps "$steps" --batch 32 --set data.resolution=16 \
        --set data.channels=1 --set model.channels=16 --set model.multipliers=1,2,3 --set model.blocks=1 \
        --set model.attention= --set save.grid_every=0 >"$work/$1.log" 2>&1 || { cat "$work/$1.log" >&2; exit 1; }
}

both() {
    train first &
    train second
    wait $!
}

# report NAME COMMAND ...
report() {
    name=$1
    shift
    for _ in 1 2 3; do
        start=$(date +%s.%N)
        "$@"
        echo "$start $(date +%s.%N)"
    done | awk -v name="$name" '{ t = $2 - $1; if (NR == 1 || t < least) least = t; if (t > most) most = t }
        END { printf "%-24s %9.2f %9.2f\n", name, least, most }'
}

printf '\n%d training steps of a small network\n%-24s %9s %9s\n' "$steps" seconds fastest slowest
report "alone" train first
sh -c 'while :; do :; done' &
hog=$!
report "beside a busy processor" train first
kill "$hog"
hog=""
report "two runs side by side" both
