#!/bin/sh
# tests/cli/test_begin.sh AYF
# What a run begins with: its model, its data, its folder; and what it says of them.
set -u
ayf=$1
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
: >out && : >err
export AYF_THREADS=1
points="--data builtin:ring --set data.labels=false --set model.kind=mlp --set model.hidden=8 --set model.layers=2
        --batch 8 --set save.grid_every=0"

# ---- The model it begins with ----
# shellcheck disable=SC2086
{
    expect "a teacher" 0 "$ayf" train first $points --steps 2
    expect "another" 0 "$ayf" train second $points --steps 2 --set train.seed=3
    expect "one that begins as the first" 0 "$ayf" train heir $points --init first --steps 2
    for other in second gone ""; do
        expect "resumed with --init '$other'" 2 "$ayf" train heir --init "$other" --steps 3 --allow-change
        says "begun with train.init" && says "/first" && says_not "--allow-change" && one_line
    done
    cp -r first copy
    expect "with the same model elsewhere" 0 "$ayf" train heir --init copy --steps 3
    mv first hidden
    expect "the model is not needed" 0 "$ayf" train heir --steps 4
    mv hidden first
    expect "and still another is refused" 2 "$ayf" train heir --init second --steps 5
    one_line
    expect "a model where none was" 2 "$ayf" train second --init first --steps 3
    says 'begun with train.init = ""' && one_line
    grep -q 'init: ""' second/config.yaml || bad "the record says that it began with a model"

    student="--data builtin:ring --set data.labels=false --batch 8 --set save.grid_every=0 --set distill.guidance=none"
    expect "a student" 0 "$ayf" distill student --teacher first $student --steps 2
    expect "another beginning" 2 "$ayf" distill student --set distill.student_init=scratch --steps 3 --allow-change
    says "begun with distill.student_init = teacher" && says_not "--allow-change" && one_line
    expect "a student without a teacher" 0 "$ayf" distill alone $points --set distill.target=data \
        --set distill.guidance=none --set distill.student_init=scratch --steps 2
    expect "and then with one that says nothing" 2 "$ayf" distill alone --teacher first --steps 3
    says 'begun with distill.teacher = ""'
    grep -q "teacher: .*first" alone/config.yaml && bad "the record names a teacher"
}

finish
