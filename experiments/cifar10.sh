#!/bin/sh
# experiments/cifar10.sh DATA.zip [FOLDER]      (about twenty minutes on two cores; the same command resumes)
# The whole pipeline on CIFAR-10 with a short budget: teacher, weak teacher, autoguided student, adversarial fine-tuning,
# pictures, tables. It shows that everything runs on real colour images; for quality use configs/cifar10-*.yaml.
set -eu
data=${1:?usage: experiments/cifar10.sh DATA.zip [FOLDER]}
folder=${2:-runs/cifar10-short}
ayf=${AYF:-build/ayf}
common="--data $data --batch 32 --set model.channels=32 --set model.multipliers=1,2 --set model.blocks=1
    --set model.attention=16 --set model.channels_per_head=32 --set data.mirror=true --set train.lr=0.01"
stage() { # NAME VERB OPTIONS ...
    name=$1 verb=$2
    shift 2
    [ -f "$folder/$name.done" ] || {
        "$ayf" "$verb" "$folder/$name" "$@" >&2
        touch "$folder/$name.done"
    }
}
# shellcheck disable=SC2086
stage teacher train $common --steps 300
# shellcheck disable=SC2086
stage weak train $common --set model.channels=16 --set model.channels_per_head=16 --steps 80
stage student distill --data "$data" --batch 32 --set data.mirror=true --set train.lr=0.005 --teacher "$folder/teacher" \
    --weak "$folder/weak" --set distill.guidance_max=2 --steps 200
stage tuned finetune --student "$folder/student" --steps 200
[ -f "$folder/features.safetensors" ] ||
    "$ayf" eval --fit-features "$folder/features.safetensors" --data "$data" --set data.mirror=true >&2
for name in student tuned; do
    for steps in 1 4; do
        "$ayf" sample "$folder/$name" --steps $steps --guidance 1.5 --seeds 0-39 --class 0-9 --grid 20 --scale 2 \
            --out "$folder/$name-$steps.png" >&2
    done
    "$ayf" eval "$folder/$name" --teacher "$folder/teacher" --weak "$folder/weak" --guidance 1.5 --calls 1,2,4 \
        --data "$data" --features "$folder/features.safetensors" --classes even # as in docs/results.md
done
