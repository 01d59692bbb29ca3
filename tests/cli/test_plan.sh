#!/bin/sh
# test_plan.sh AYF [SANITIZERS]
# What a run takes, known before it is begun: memory, disk, time.
set -u
ayf=$1
sanitizers=${2:-none}
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
export AYF_THREADS=1
tiny="--data builtin:ring --set data.labels=false --set model.kind=mlp --set model.hidden=8 --set model.layers=2
      --batch 8 --set train.lr_warmup=0 --set save.grid_every=0"
images="--set data.resolution=8 --set model.channels=8 --set model.multipliers=1 --set model.blocks=1
        --set model.attention=[] --batch 4 --set train.lr_warmup=0 --set save.grid_every=0"
# 1024 x 1024 points: what a step takes is beyond the limit that is set, and its half is not.
wide="--data builtin:ring --set data.labels=false --set model.kind=mlp --set model.hidden=64 --set model.layers=2
      --set train.precision=highest --steps 1"

# limited KIB COMMAND ...: with an address space of so many KiB
limited() {
    limit=$1
    shift
    (ulimit -v "$limit" && exec "$@")
}

# shellcheck disable=SC2086
{
    expect "a dry run says what the run takes" 0 "$ayf" train dry $tiny --steps 20 --dry-run
    prints "626 parameters" && prints "per step (median of 3)" && prints "20 of 20 steps" && prints "checkpoints of"
    prints "memory " && prints "(step " && prints ", the process itself " && absent dry
    ! grep -q ", grids " out || bad "grids are counted that are not drawn"
    expect "a dry run of a run that draws" 0 "$ayf" train dry $tiny --steps 20 --set save.grid_every=20 --dry-run
    prints ", grids " && absent dry
    expect "the plan of a run that draws" 0 "$ayf" plan --set data.resolution=8 --set model.channels=8
    drawn=$(awk '$1 == "highest" { print $3; exit }' out)
    expect "the plan of a run that does not" 0 "$ayf" plan --set data.resolution=8 --set model.channels=8 --set save.grid_every=0
    plain=$(awk '$1 == "highest" { print $3; exit }' out)
    awk "BEGIN { exit !($plain < $drawn) }" || bad "$plain MiB without grids, $drawn with"

    expect "a run to look at" 0 "$ayf" train teacher $tiny --steps 6 --set save.every=3
    find teacher -type f -exec cksum {} + | sort >before
    expect "a dry run of a run that is resumed" 0 "$ayf" train teacher --steps 16 --dry-run
    prints "10 of 16 steps"
    find teacher -type f -exec cksum {} + | sort >after
    same before after
    rm teacher/model.safetensors
    expect "a dry run does not make the model again" 0 "$ayf" train teacher --steps 16 --dry-run
    absent teacher/model.safetensors
    expect "the run does" 0 "$ayf" train teacher
    exists teacher/model.safetensors
    expect "a dry run of a run that is finished" 0 "$ayf" train teacher --dry-run
    prints "the run has done its 6 steps"

    expect "a dry run of a distillation with mid-training" 0 "$ayf" distill student --teacher teacher $tiny --steps 9 \
        --set distill.guidance=none --set distill.midtrain_steps=4 --set distill.midtrain_trajectories=8 --dry-run
    prints "5 of 9 steps" && prints "mid-training and its trajectories are not counted" && absent student
    expect "a dry run where no folder can be made" 1 "$ayf" train /proc/dry $tiny --steps 4 --dry-run
    says "/proc/dry: cannot write" && one_line
    expect "a dry run refuses what the run refuses" 2 "$ayf" train dry $tiny --set data.source=builtin:nothing --dry-run
    absent dry

    expect "data that are kept in memory count" 0 "$ayf" train dry --data builtin:shapes $images --steps 4 --dry-run
    prints ", data 12.3 MiB" && absent dry
    expect "so do measurements, which may be the larger part" 0 "$ayf" distill student --teacher teacher $tiny --steps 9 \
        --set distill.guidance=none --set eval.every=3 --set eval.images=50000 --dry-run
    prints ", measuring " && absent student
    expect "a dry run refuses what cannot be measured" 2 "$ayf" train dry $tiny --steps 4 --set eval.every=2 \
        --set eval.metric=fidelity --dry-run
    says "eval.metric = fidelity" && one_line && absent dry

    # Fine-tuning: two learners, and two programs unless every step has the penalties.
    expect "a teacher of pictures" 0 "$ayf" train pictures --data builtin:shapes $images --steps 1
    expect "a student of pictures" 0 "$ayf" distill small-student --teacher pictures --data builtin:shapes \
        --set data.resolution=8 --batch 4 --steps 1 --set train.lr_warmup=0 --set distill.guidance=none
    tune="--set finetune.student=small-student --set finetune.channel_base=64 --set finetune.channel_max=8"
    for every in 1 3; do
        expect "a dry run of a fine-tuning, penalties every $every" 0 "$ayf" finetune tuned $tune --batch 4 --steps 6 \
            --set "finetune.penalty_every=$every" --dry-run
        prints ", discriminator " && prints "8 x 8 x 3" && prints "6 of 6 steps" && prints "per step (median of 3)"
        prints ", checkpoint " && absent tuned
    done
    expect "a fine-tuning to go on with" 0 "$ayf" finetune tuned $tune --batch 4 --steps 2 --set train.lr_warmup=0
    find tuned -type f -exec cksum {} + | sort >before
    expect "a dry run of a fine-tuning that is resumed" 0 "$ayf" finetune tuned --steps 5 --dry-run
    prints "3 of 5 steps"
    find tuned -type f -exec cksum {} + | sort >after
    same before after
    expect "a dry run of a fine-tuning without its student" 1 "$ayf" finetune other \
        --set finetune.student=nowhere --steps 6 --dry-run
    says "nowhere" && one_line && absent other
    if [ "$sanitizers" = none ]; then
        expect "a fine-tuning that needs too much names what fits" 1 limited 900000 "$ayf" finetune other $tune \
            --batch 8192 --steps 6 --dry-run
        says "8 x 8, batch 8192 needs" && says "are free here (ulimit -v): batch" && one_line && absent other
    fi

    # Sanitizers need more addresses than this limit leaves.
    if [ "$sanitizers" = none ]; then
        expect "memory is compared before it is allocated" 1 limited 1500000 "$ayf" train much $wide --batch 1048576
        says "points, batch 1048576 needs" && says "are free here (ulimit -v): batch" && says "train.accumulate = " && one_line
        absent much
        fits=$(sed -n 's/.*train\.batch = \([0-9]*\)).*/\1/p' "$work/err")
        parts=$(sed -n 's/.*train\.accumulate = \([0-9]*\)).*/\1/p' "$work/err")
        expect "the batch that is named fits" 0 limited 1500000 "$ayf" train less $wide --batch "${fits:-0}"
        expect "and so does the number of parts" 0 limited 1500000 "$ayf" train parts $wide --batch 1048576 \
            --set "train.accumulate=${parts:-0}"
        expect "a network that is too large" 1 limited 1500000 "$ayf" train large $tiny --set model.hidden=20000
        says "a network's values" && says "are free here (ulimit -v)" && one_line
        absent large
    fi
}

# The peak of a run beside its plan, once with the parts that are larger than the step. Sanitizers keep what is freed.
# near NAME VERB WORDS: a dry run and a run of these words in folder NAME
# shellcheck disable=SC2086
near() {
    plan=$("$ayf" "$2" "$1" $3 --dry-run | sed -n 's/^memory *\([0-9.]*\) MiB.*/\1/p')
    python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[2:], check=True, capture_output=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(f"plan {sys.argv[1]} MiB, peak {peak:.1f} MiB")
sys.exit(not 0.7 <= peak / float(sys.argv[1]) <= 1.1)' "${plan:-0.1}" "$ayf" "$2" "$1" $3
}
if [ "$sanitizers" = none ]; then
    more="--set data.resolution=16 --set model.channels=16 --batch 32 --steps 2 --set train.lr_warmup=0 --set save.every=1
          --set save.grid_every=1"
    expect "the peak of a training lies near the plan" 0 near near-teacher train "--data builtin:shapes $more"
    expect "that of a distillation with mid-training and measurements" 0 near near-student distill \
        "--teacher near-teacher $more --set distill.guidance=none --set eval.every=1 --set eval.images=4
         --set distill.midtrain_steps=1 --set distill.midtrain_trajectories=2000 --set distill.midtrain_solver_steps=2"
fi

# A full disk, where one can be made.
mkdir small
if mount -t tmpfs -o size=2m tmpfs small 2>/dev/null; then
    trap 'umount "$work/small"; rm -rf "$work"' EXIT
    # shellcheck disable=SC2086
    {
        expect "the disk is asked before the first step" 1 "$ayf" train small/run $tiny --set model.hidden=512 --steps 3
        says "needs up to" && one_line
        absent small/run
        expect "a dry run asks it, too" 1 "$ayf" train small/run $tiny --set model.hidden=512 --steps 3 --dry-run
        prints "disk " && absent small/run
    }
else
    echo "no file system can be mounted here: the full disk is not tried"
fi

# ---- ayf plan ----
printf 'data:\n  resolution: 8\n  channels: 3\nmodel:\n  channels: 8\n  multipliers: [1]\n  blocks: 1\n' >small.yaml
expect "a plan of a configuration" 0 "$ayf" plan small.yaml
prints "8 x 8, 3 channels" && prints "bf16"
cp out table
expect "memory grows with the batch, and bf16 does not make it larger" 0 awk '
    $1 == "highest" || $1 == "bf16" { rows++; if ($2 > 1 && $5 <= last) bad = 1; last = $5; at[$1, $2] = $5 }
    END { exit bad || rows != 8 || at["bf16", 128] > at["highest", 128] }' table
"$ayf" plan >wide 2>err
expect "a setting over the usual network" 0 "$ayf" plan --set data.resolution=64
prints "64 x 64" && ! cmp -s out wide || bad "the setting changes nothing"
expect "a configuration that is not there" 1 "$ayf" plan nowhere.yaml
says "nowhere.yaml" && one_line
expect "points have no such plan" 2 "$ayf" plan --set model.kind=mlp
says "model.kind" && one_line
finish
