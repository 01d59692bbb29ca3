#!/bin/sh
# experiments/mnist.sh DATA [FOLDER]      (about 40 minutes on two cores; the same command resumes)
# MNIST at 16 x 16: a teacher, its student, the comparison picture and the table of distances to the teacher's accurate
# solution from the same noise. DATA is the folder with MNIST's four files.
set -eu
data=${1:?usage: experiments/mnist.sh DATA [FOLDER]}
folder=${2:-runs/mnist}
ayf=${AYF:-build/ayf}
configs=$(dirname "$0")/../configs
[ -f "$folder/teacher.done" ] || {
    "$ayf" train "$folder/teacher" --config "$configs/mnist16-teacher.yaml" --data "$data" >&2
    touch "$folder/teacher.done"
}
[ -f "$folder/student.done" ] || {
    # In two halves: the learning rate falls to nothing, then once more from the middle of a longer schedule.
    [ -f "$folder/student/model.safetensors" ] && [ -f "$folder/half.done" ] || {
        "$ayf" distill "$folder/student" --config "$configs/mnist16-student.yaml" --data "$data" \
            --teacher "$folder/teacher" --steps 6000 >&2
        touch "$folder/half.done"
    }
    "$ayf" distill "$folder/student" --set train.steps=12000 >&2
    touch "$folder/student.done"
}
# The ten classes in turn, from the seeds 0 to 19.
"$ayf" sample "$folder/teacher" --solver reference --seeds 0-19 --class 0-9 --grid 20 --scale 2 --out "$folder/teacher.png" >&2
"$ayf" sample "$folder/teacher" --solver euler --steps 4 --seeds 0-19 --class 0-9 --grid 20 --scale 2 --out "$folder/euler-4.png" >&2
for steps in 1 2 4; do
    "$ayf" sample "$folder/student" --steps $steps --seeds 0-19 --class 0-9 --grid 20 --scale 2 --out "$folder/student-$steps.png" >&2
done
"$ayf" eval "$folder/student" --teacher "$folder/teacher" --pairs 256 --calls 1,2,4,8,16
