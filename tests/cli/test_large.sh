#!/bin/sh
# test_large.sh AYF
# Large networks in small memory: train.recompute.
set -u
ayf=$1
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
export AYF_THREADS=1
unet="--data builtin:shapes --set data.resolution=16 --set model.channels=16 --set model.multipliers=1,2
      --set model.blocks=1 --set model.attention=8 --set model.channels_per_head=16 --batch 4
      --set train.lr_warmup=0 --set save.grid_every=0 --set train.precision=highest"

# below A B: the number in file A is below that in file B
below() { [ "$(cat "$1")" -lt "$(cat "$2")" ]; }
# planned WAY FILE: KiB of a training step
planned() {
    "$ayf" plan --set data.resolution=32 --set model.channels=32 --set "train.recompute=$1" |
        awk '$1 == "highest" && $2 == 32 { printf "%d\n", $3 * 1024 }' >"$2"
}

# shellcheck disable=SC2086
{
    expect "a choice that there is not" 2 "$ayf" train run $unet --steps 2 --set train.recompute=all
    says "train.recompute" && says "must be one of none, cheap, blocks" && one_line && absent run
    expect "the plan without recomputation" 0 planned none none.kib
    expect "the plan with what is cheap" 0 planned cheap cheap.kib
    expect "the plan with blocks" 0 planned blocks blocks.kib
    expect "cheap takes less than none" 0 below cheap.kib none.kib
    expect "blocks take less than cheap" 0 below blocks.kib cheap.kib

    expect "a run that keeps everything" 0 "$ayf" train run $unet --steps 4
    expect "goes on with recomputation" 0 "$ayf" train run --steps 6 --set train.recompute=blocks
    expect "and without" 0 "$ayf" train run --steps 7 --set train.recompute=none
}
finish
