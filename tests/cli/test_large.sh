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
# planned SETTING FILE COLUMN: a column of the plan at batch 32, times 1024
planned() {
    "$ayf" plan --set data.resolution=32 --set model.channels=32 --set "$1" |
        awk -v column="$3" '$1 == "highest" && $2 == 32 { printf "%d\n", $column * 1024 }' >"$2"
}

# shellcheck disable=SC2086
{
    expect "a choice that there is not" 2 "$ayf" train run $unet --steps 2 --set train.recompute=all
    says "train.recompute" && says "must be one of none, cheap, blocks" && one_line && absent run
    expect "the plan without recomputation" 0 planned train.recompute=none none.kib 3
    expect "the plan with what is cheap" 0 planned train.recompute=cheap cheap.kib 3
    expect "the plan with blocks" 0 planned train.recompute=blocks blocks.kib 3
    expect "cheap takes less than none" 0 below cheap.kib none.kib
    expect "blocks take less than cheap" 0 below blocks.kib cheap.kib

    for guidance in autoguidance cfg none; do
        expect "the memory of guidance $guidance" 0 planned "distill.guidance=$guidance" "$guidance.kib" 5
        expect "the work of guidance $guidance" 0 planned "distill.guidance=$guidance" "$guidance.work" 6
    done
    expect "a teacher that guides itself has one set of weights" 0 below cfg.kib autoguidance.kib
    expect "no guidance has none of its memory" 0 below none.kib cfg.kib
    expect "and none of its work" 0 below none.work cfg.work

    expect "a run that keeps everything" 0 "$ayf" train run $unet --steps 4
    expect "goes on with recomputation" 0 "$ayf" train run --steps 6 --set train.recompute=blocks
    expect "and without" 0 "$ayf" train run --steps 7 --set train.recompute=none
}
finish
