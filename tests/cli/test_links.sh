#!/bin/sh
# test_links.sh AYF
# What is no file where one is needed, and what leads out of a run's folder.
set -u
ayf=$1
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
export AYF_THREADS=1
tiny="--data builtin:ring --set data.labels=false --set model.kind=mlp --set model.hidden=8 --set model.layers=2
      --batch 8 --set train.lr_warmup=0 --set save.grid_every=0"

# A command that waits for a pipe ends with 124.
at_once() { timeout 20 "$@"; }

# shellcheck disable=SC2086
{
    expect "a run to work with" 0 "$ayf" train run $tiny --steps 2
    expect "one that draws pictures" 0 "$ayf" train drawn --data builtin:shapes --batch 2 --set data.resolution=8 \
        --set data.channels=1 --set model.channels=4 --set model.multipliers=1 --set model.blocks=1 \
        --set model.attention=8 --set model.channels_per_head=4 --set train.lr_warmup=0 --steps 1
    mkfifo pipe
    mkdir folder
    truncate -s 1T endless
    # place CODE_OF_FOLDER COMMAND ...: with @ for what is no file.
    place() {
        folder_code=$1
        shift
        for what in pipe /dev/zero folder; do
            code=3
            [ $what != folder ] || code=$folder_code
            words=$(echo "$*" | sed "s,@,$what,g")
            expect "ayf $words" "$code" at_once "$ayf" $words
            says "$what" && one_line
        done
    }
    place 1 train other --config @ --steps 1
    place 1 train other $tiny --init @ --steps 1
    place 1 distill other $tiny --teacher @ --set distill.guidance=none --steps 1
    place 1 distill other $tiny --teacher run --weak @ --steps 1
    place 1 finetune other $tiny --student @ --teacher run --set distill.guidance=none --steps 1
    place 3 sample @ --seeds 0
    place 3 sample run --weak @ --guidance 1.5 --seeds 0
    place 3 eval @ --data builtin:ring
    place 3 eval run --data @
    place 1 eval drawn --data builtin:shapes --features @ --images 65 --reference 130
    place 1 eval drawn --data builtin:shapes --inception @ --images 65 --reference 130
    place 3 export @ --format onnx --out x.onnx
    place 3 info @
    place 3 data check @
    expect "an endless configuration" 3 at_once "$ayf" train other --config endless --steps 1
    says "too large" && one_line
    expect "an endless model" 3 at_once "$ayf" sample endless --seeds 0
    says "endless" && one_line
    absent other
    mkdir held && mkfifo held/config.yaml
    expect "a run folder with a pipe as its configuration" 3 at_once "$ayf" train held $tiny --steps 1
    says "held/config.yaml" && one_line
    expect "its facts" 3 at_once "$ayf" info held
    says "held/config.yaml" && one_line
    expect "its report" 3 at_once "$ayf" report held --out page.html
    says "held/config.yaml"
    absent page.html
    cp -r run piped
    rm piped/log.jsonl && mkfifo piped/log.jsonl
    expect "a pipe as the log" 3 at_once "$ayf" train piped $tiny --steps 3
    says "piped/log.jsonl"

    # ---- Links ----
    mkdir other && echo precious >other/file
    for name in config.yaml log.jsonl model.safetensors checkpoints samples .lock; do
        rm -rf linked
        cp -r run linked
        rm -rf "linked/$name" && ln -s ../other/file "linked/$name"
        expect "a link as $name" 1 at_once "$ayf" train linked $tiny --steps 3
        says "linked/$name: " && says "symbolic link"
        [ "$(cat other/file)" = precious ] || bad "the link was followed"
    done
    rm -rf linked
    cp -r run linked
    mv linked/checkpoints away && ln -s ../away linked/checkpoints
    expect "checkpoints elsewhere" 1 "$ayf" train linked $tiny --steps 3
    [ "$(ls away)" = step-00000002.safetensors ] || bad "the link was followed"
    ln -s run whole
    expect "the folder itself is a link" 0 "$ayf" train whole $tiny --steps 3 --allow-change
    exists run/checkpoints/step-00000003.safetensors

    # ---- After a kill ----
    for name in model.safetensors model-best.safetensors config.yaml diverged.txt trajectories.safetensors \
        checkpoints/step-00000003.safetensors samples/step-00000003.png; do
        : >"run/$name.4711-0.tmp"
    done
    cp run/checkpoints/step-00000003.safetensors run/checkpoints/step-00000001.safetensors
    expect "what a kill left" 0 "$ayf" train run $tiny --steps 3 --allow-change --set save.keep=1
    [ -z "$(find run -name '*.tmp')" ] || bad "a temporary file is there"
    [ "$(ls run/checkpoints)" = step-00000003.safetensors ] || bad "a checkpoint too many is there"
}
finish
