#!/bin/sh
# test_keys.sh AYF: keys that have no effect beside others are refused by name.
set -u
ayf=$1
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
export AYF_THREADS=1
quick="--batch 4 --steps 1 --set train.lr_warmup=0 --set save.grid_every=0"
ring="--data builtin:ring --set data.labels=false --set model.kind=mlp $quick"
shapes="--data builtin:shapes --set data.labels=false --set data.resolution=8 --set model.channels=8
        --set model.multipliers=1 --set model.blocks=1 $quick"

# refused NAME TEXT COMMAND ...: with exit code 2, in one line that has the text, and nothing is made
refused() {
    text=$2
    expect "$1" 2 shift_2 "$@"
    says "$text" && one_line && absent run
}
shift_2() { shift 2 && "$@"; }

# shellcheck disable=SC2086
{
    # ---- Keys of the other network ----
    refused "a width of hidden layers on a U-Net" "model.hidden belongs to model.kind = mlp, and this run has model.kind = unet" \
        "$ayf" train run $shapes --set model.hidden=8
    says "leave it out"
    refused "the default, by name" "model.layers belongs to model.kind = mlp" "$ayf" train run $shapes --set model.layers=4
    refused "channels of points" "model.channels belongs to model.kind = unet, and this run has model.kind = mlp" \
        "$ayf" train run $ring --set model.channels=8
    refused "a balance of points" "model.res_balance belongs to" "$ayf" train run $ring --set model.res_balance=0.5
    printf 'model:\n  fourier: 8\n' >unet.yaml
    refused "in a file" "model.fourier belongs to" "$ayf" train run --config unet.yaml $shapes
    printf 'model:\n  kind: mlp\n  blocks: 3\n  channels: 64\n' >mlp.yaml
    refused "in a file, and a default beside it" "model.blocks belongs to" "$ayf" train run --config mlp.yaml --data builtin:ring $quick
    printf 'model:\n  kind: mlp\n  channels: 64\n' >mlp.yaml
    expect "a default in a file is nothing that somebody meant" 0 "$ayf" train yaml --config mlp.yaml --data builtin:ring $quick
    printf 'model:\n  kind: mlp\n  hidden: 8\n' >mlp.yaml
    expect "what a setting makes void in a file" 0 "$ayf" train void --config mlp.yaml $shapes --set model.kind=unet
    expect "a teacher of points" 0 "$ayf" train points $ring --set model.hidden=8
    refused "a student of points has its network" "model.blocks belongs to model.kind = unet, and this run has model.kind = mlp, as has " \
        "$ayf" distill run --data builtin:ring --set data.labels=false --teacher points --set distill.guidance=none $quick --set model.blocks=3
    expect "whose keys may be said again" 0 "$ayf" distill student --data builtin:ring --set data.labels=false --teacher points \
        --set distill.guidance=none $quick --set model.hidden=8
    expect "the file of a run has every key" 0 "$ayf" train again --config points/config.yaml --steps 2
    expect "a run goes on" 0 "$ayf" train points --steps 2

    refused "a plan" "model.hidden belongs to model.kind = mlp" "$ayf" plan --set model.hidden=8

    # ---- Keys of pictures ----
    for key in resize=box background=black upright=false skip_bad=1 mirror=true; do
        refused "points: data.$key" "data.${key%=*} belongs to networks of images" "$ayf" train run $ring --set "data.$key"
    done
    refused "points: weight_norm" "train.weight_norm belongs to networks of images" "$ayf" train run $ring --set train.weight_norm=false

    # ---- Keys beside others ----
    refused "ema_std without power" "train.ema_std belongs to train.ema = power, and this run has train.ema = none" \
        "$ayf" train run $ring --set train.ema=none --set train.ema_std=0.05
    refused "halflife" "train.ema_halflife belongs to train.ema = halflife" "$ayf" train run $ring --set train.ema_halflife=9
    refused "decay of a constant rate" "train.lr_decay_start belongs to train.lr_schedule = cosine or invsqrt" \
        "$ayf" train run $ring --set train.lr_schedule=constant --set train.lr_decay_start=1
    refused "rollbacks" "train.rollbacks belongs to train.on_divergence = rollback" "$ayf" train run $ring --set train.rollbacks=9
    refused "hidden classes without classes" "train.label_dropout belongs to data.labels = true" "$ayf" train run $ring --set train.label_dropout=0.1
    refused "what is measured never" "eval.images belongs to eval.every above 0" "$ayf" train run $ring --set eval.images=9
    expect "what is turned off by name" 0 "$ayf" train off $ring --set eval.images=9 --set eval.every=0
    distill="distill run --data builtin:ring --set data.labels=false --teacher points $quick"
    refused "guidance" "distill.guidance_max belongs to distill.guidance = autoguidance or cfg, and this run has distill.guidance = none" \
        "$ayf" $distill --set distill.guidance=none --set distill.guidance_max=3
    refused "norm" "distill.norm_c belongs to distill.norm = rms or l2" \
        "$ayf" $distill --set distill.guidance=none --set distill.norm=none --set distill.norm_c=1
    refused "anchors" "distill.p_s0 belongs to distill.s_zero_only = false" \
        "$ayf" $distill --set distill.guidance=none --set distill.s_zero_only=true --set distill.p_s0=0.5
    refused "mid-training" "distill.midtrain_trajectories belongs to distill.midtrain_steps above 0" \
        "$ayf" $distill --set distill.guidance=none --set distill.midtrain_trajectories=8
    printf 'distill:\n  guidance_max: 3\n  midtrain_trajectories: 8\n' >both.yaml
    expect "a file serves all kinds of runs" 0 "$ayf" train both $ring --config both.yaml
}

finish
