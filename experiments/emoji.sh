#!/bin/sh
# experiments/emoji.sh [FOLDER]      (about an hour on two cores with AVX512-BF16; the same command resumes)
# Emoji at 16 x 16 with the networks of configs/emoji16-*.yaml: for every seed a teacher, a weak teacher, an autoguided student
# and its fine-tuning. Prints the distance of each to the pictures, as mean [smallest, largest] over the seeds, and as a
# multiple of the same teacher's with 16 steps of Heun. Sizes are environment variables; others need another folder.
set -eu
folder=${1:-runs/emoji}
ayf=${AYF:-build/ayf}
configs=$(dirname "$0")/../configs
SEEDS=${SEEDS:-0 1 2}
TEACHER_STEPS=${TEACHER_STEPS:-2000}
WEAK_STEPS=${WEAK_STEPS:-300}
STUDENT_STEPS=${STUDENT_STEPS:-3000}
FINETUNE_STEPS=${FINETUNE_STEPS:-300}
GUIDANCE=${GUIDANCE:-1.5}
IMAGES=${IMAGES:-1963} # half of the pictures, so that the floor (two halves) has as many
mkdir -p "$folder"

every_run="--set save.grid_every=0"
. "$(dirname "$0")/stage.sh"
measured() { # MODEL OPTIONS ...: the file with its figures
    json=$folder/$1-at-$GUIDANCE.json model=$folder/$1
    shift
    [ -f "$json" ] || {
        "$ayf" eval "$model" --data builtin:emoji --features "$folder/features.safetensors" --images "$IMAGES" \
            --reference 3926 --guidance "$GUIDANCE" --json "$@" >"$json.part"
        mv "$json.part" "$json"
    }
}
[ -f "$folder/features.safetensors" ] ||
    "$ayf" eval --fit-features "$folder/features.safetensors" --data builtin:emoji --set data.resolution=16 \
        --set train.steps=1000 >&2
for seed in $SEEDS; do
    stage "teacher-$seed" train --config "$configs/emoji16-teacher.yaml" --steps "$TEACHER_STEPS" --seed "$seed"
    stage "weak-$seed" train --config "$configs/emoji16-weak.yaml" --steps "$WEAK_STEPS" --seed "$seed"
    stage "student-$seed" distill --config "$configs/emoji16-student.yaml" --steps "$STUDENT_STEPS" --seed "$seed" \
        --teacher "$folder/teacher-$seed" --weak "$folder/weak-$seed"
    # At one strength: fine-tuning at all of them moves the best one up.
    stage "tuned-$seed" finetune --student "$folder/student-$seed" --steps "$FINETUNE_STEPS" --seed "$seed" \
        --set finetune.channel_base=512 --set "distill.guidance_min=$GUIDANCE" --set "distill.guidance_max=$GUIDANCE"
    measured "teacher-$seed" --weak "$folder/weak-$seed" --guidance-t-max 0.7 --calls 16 # as the student's was guided
    for name in student tuned; do measured "$name-$seed" --calls 1,2,4; done
done
for name in student tuned; do
    for steps in 1 2 4; do
        [ -f "$folder/$name-$steps.png" ] || "$ayf" sample "$folder/$name-${SEEDS%% *}" --steps $steps --guidance "$GUIDANCE" \
            --seeds 0-17 --class 0-5 --grid 18 --scale 3 --out "$folder/$name-$steps.png" >&2
    done
done

# shellcheck disable=SC2086
python3 - "$folder" "$GUIDANCE" $SEEDS <<'PY'
import json, sys

folder, guidance, seeds = sys.argv[1], sys.argv[2], sys.argv[3:]


def rows(name, seed):
    with open(f"{folder}/{name}-{seed}-at-{guidance}.json") as file:
        return {row["samples"]: row for row in json.load(file)["distance"]}


def spread(values):
    values = list(values)
    return f"{sum(values) / len(values):.2f} [{min(values):.2f}, {max(values):.2f}]"


def figures(name, samples):
    found = [rows(name, seed)[samples] for seed in seeds]
    ratios = (row["fd_our_features"] / teacher[seed] for row, seed in zip(found, seeds))
    cells = [spread(row["fd_our_features"] for row in found), spread(ratios)]
    return cells + [spread(row[f"{key}_our_features"] for row in found) for key in ("precision", "recall")]


drawn = next(samples for samples in rows("teacher", seeds[0]) if samples.startswith("16"))
teacher = {seed: rows("teacher", seed)[drawn]["fd_our_features"] for seed in seeds}
table = [("real pictures", "teacher", "floor"), (f"teacher, {drawn}", "teacher", drawn)]
for name, label in ("student", "student"), ("tuned", "fine-tuned student"):
    table += [(f"{label}, {calls}", name, calls) for calls in ("1 call", "2 calls", "4 calls")]
print("| | FD (our features) | times the teacher's | precision | recall |\n|---|---|---|---|---|")
for label, name, samples in table:
    print("| " + " | ".join([label] + figures(name, samples)) + " |")
PY
