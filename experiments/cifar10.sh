#!/bin/sh
# experiments/cifar10.sh DATA.zip [TEST.zip] [FOLDER]      (the same command resumes)
# The whole pipeline on CIFAR-10: teacher, weak teacher, autoguided student, adversarial fine-tuning, pictures, tables.
# DATA.zip and TEST.zip are the training and test pictures as EDM's dataset tool writes them; without TEST.zip (or "") the
# floor compares two halves of the training pictures.
#   whole          57 PFLOP: 3 M pictures for a teacher of 7.1 M parameters. About ten hours on two cores with AMX (1.5
#                  TFLOP/s, computed), four times as long on two cores with AVX2
#   SHORT=1        5 PFLOP: four classes (airplane, automobile, horse, ship: 20,000 pictures), 5.0 M parameters. About four
#                  hours on two cores with AVX512-BF16
# Sizes are environment variables. What is in the folder is not made again, so that other sizes need another folder.
set -eu
data=${1:?usage: [SHORT=1] experiments/cifar10.sh DATA.zip [TEST.zip] [FOLDER]}
held=${2:-}
ayf=${AYF:-build/ayf}
here=$(dirname "$0")
configs=$here/../configs
if [ "${SHORT:-0}" = 1 ]; then
    folder=${3:-runs/cifar10-short}
    TEACHER_STEPS=${TEACHER_STEPS:-10000} WEAK_STEPS=${WEAK_STEPS:-1000} STUDENT_STEPS=${STUDENT_STEPS:-4000}
    FINETUNE_STEPS=${FINETUNE_STEPS:-500} blocks=1 classes=0-3
    teacher_batch="--set train.batch=32 --set train.lr=0.007" # more steps from as many pictures
    chosen="airplane=0 automobile=1 horse=7 ship=8"
    mkdir -p "$folder"
    # shellcheck disable=SC2086
    [ -f "$folder/train.zip" ] || python3 "$here/classes.py" "$data" "$folder/train.zip" $chosen
    # shellcheck disable=SC2086
    [ -z "$held" ] || [ -f "$folder/test.zip" ] || python3 "$here/classes.py" "$held" "$folder/test.zip" $chosen
    data=$folder/train.zip
    [ -z "$held" ] || held=$folder/test.zip
else
    folder=${3:-runs/cifar10}
    TEACHER_STEPS=${TEACHER_STEPS:-47000} WEAK_STEPS=${WEAK_STEPS:-3000} STUDENT_STEPS=${STUDENT_STEPS:-31000}
    FINETUNE_STEPS=${FINETUNE_STEPS:-3000} blocks=2 classes=0-9 teacher_batch=
fi
IMAGES=${IMAGES:-4000}      # drawn for every distance to the data
GUIDANCE=${GUIDANCE:-2}     # of the pictures and of the tables
until="--guidance-t-max 0.7" # as the students' teacher is guided

every_run="--set save.grid_every=2500" # a grid takes as long as some ten steps
. "$here/stage.sh"
# shellcheck disable=SC2086
stage teacher train --config "$configs/cifar10-teacher.yaml" --data "$data" --steps "$TEACHER_STEPS" \
    --set "model.blocks=$blocks" --set "train.lr_decay_start=$((TEACHER_STEPS / 3))" $teacher_batch
stage weak train --config "$configs/cifar10-weak.yaml" --data "$data" --steps "$WEAK_STEPS"
stage student distill --config "$configs/cifar10-student.yaml" --data "$data" --steps "$STUDENT_STEPS" \
    --teacher "$folder/teacher" --weak "$folder/weak"
stage tuned finetune --student "$folder/student" --steps "$FINETUNE_STEPS"

# ---- Pictures: the classes in turn, the same noise in each ----
picture() { # FILE MODEL OPTIONS ...
    file=$folder/$1.png model=$folder/$2
    shift 2
    [ -f "$file" ] || "$ayf" sample "$model" --seeds 0-63 --class "$classes" --grid 16 --scale 2 --guidance "$GUIDANCE" "$@" \
        --out "$file" >&2
}
# shellcheck disable=SC2086
picture teacher teacher --weak "$folder/weak" $until --steps 16
# Guided at all noise levels, objects are plainer and colours are further from the data's.
picture teacher-all-levels teacher --weak "$folder/weak" --guidance-t-max 1 --steps 16
for steps in 1 2 4; do
    # shellcheck disable=SC2086
    picture "euler-$steps" teacher --weak "$folder/weak" $until --solver euler --steps $steps
    picture "student-$steps" student --steps $steps
    picture "tuned-$steps" tuned --steps $steps
done

# ---- Tables ----
compared() { # COMMAND ...: the command with the data that it compares samples with
    if [ -n "$held" ]; then "$@" --data "$data" --heldout "$held"; else "$@" --data "$data"; fi
}
[ -f "$folder/features.safetensors" ] ||
    compared "$ayf" eval --fit-features "$folder/features.safetensors" --set data.mirror=true >&2
measured() { # MODEL OPTIONS ...
    model=$folder/$1
    shift
    compared "$ayf" eval "$model" --features "$folder/features.safetensors" --images "$IMAGES" --guidance "$GUIDANCE" "$@"
}
# shellcheck disable=SC2086
measured teacher --weak "$folder/weak" $until --calls 16
for name in student tuned; do
    measured "$name" --teacher "$folder/teacher" --weak "$folder/weak" --calls 1,2,4
done
