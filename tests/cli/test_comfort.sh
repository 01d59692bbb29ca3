#!/bin/sh
# tests/cli/test_comfort.sh AYF
# --threads, ayf help KEY, manual pages, completions, and what comes with them.
set -u
ayf=$1
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
: >out && : >err
export AYF_THREADS=1
tiny="--data builtin:shapes --batch 2 --set data.resolution=8 --set model.channels=8 --set model.multipliers=1
      --set model.blocks=1 --set train.lr_warmup=0"

# ---- --threads ----
expect "two threads" 0 "$ayf" train pair $tiny --steps 1 --threads 2
# A resume says that another number of threads gives other bytes, so a run knows how many it had.
expect "--threads counts, not the environment" 0 env AYF_THREADS=1 "$ayf" train pair $tiny --steps 2 --threads=2
says_not "thread"
expect "and without it the environment" 0 env AYF_THREADS=1 "$ayf" train pair $tiny --steps 3
says "thread"
for number in 0 -1 1x 4097 many ''; do
    expect "--threads '$number'" 2 env -u AYF_THREADS "$ayf" sample pair "--threads=$number"
    says "--threads $number: not a whole number from 1 to 4096" && one_line
done
expect "--threads without a number" 2 "$ayf" info pair --threads
says "--threads needs a value" && one_line
expect "--threads twice" 2 "$ayf" info pair --threads 1 --threads 2
says "given twice" && one_line
expect "what the environment says is not asked then" 0 env AYF_THREADS=many "$ayf" info pair --threads 1
for verb in train distill finetune sample eval export bench data info golden doctor report demo; do
    expect "$verb has --threads" 0 "$ayf" help $verb
    prints "--threads N"
done

# ---- ayf help KEY ----
expect "a key" 0 "$ayf" help train.lr_schedule
prints "train.lr_schedule = " && prints "constant | cosine | invsqrt" && prints "in ayf train, ayf distill and ayf finetune"
expect "a key without its section" 0 "$ayf" help lr_schedule
prints "train.lr_schedule = "
expect "a key of two sections: both" 0 "$ayf" help lr
prints "train.lr = " && prints "finetune.lr = " && prints "in ayf train and ayf distill" && prints "in ayf finetune"
expect "a key with a value" 0 "$ayf" help train.steps=5
prints "train.steps = 10000" && prints "--steps N sets it"
expect "a section" 0 "$ayf" help save
prints "save.every = " && prints "save.keep = "
expect "a section that is called like a verb" 0 "$ayf" help data.
prints "data.source = " && prints "data.resolution = "
expect "the verb names it" 0 "$ayf" help data
prints "usage: ayf data" && prints "ayf help data."
expect "an option" 0 "$ayf" help --gamma
prints "--gamma G   (ayf sample)" && prints "--gamma LIST   (ayf eval)"
expect "an option without dashes" 0 "$ayf" help guidance
prints "--guidance L   (ayf sample, " && prints "distill.guidance = "
expect "an option that sets a key" 0 "$ayf" help --cfg
prints "sets distill.guidance=cfg" && prints "distill.guidance = "
expect "help config stays" 0 "$ayf" help config
prints "train.lr = "
for word in train.lrr:train.lr trian:train --gama:--gamma lr_shedule:lr_schedule; do
    expect "nearest to ${word%:*}" 2 "$ayf" help "${word%:*}"
    says "'${word%:*}'; did you mean '${word#*:}'?" && one_line
done
expect "nothing is near" 2 "$ayf" help qqqqqqqq
says "ayf help lists the verbs" && one_line
expect "an odd word" 2 "$ayf" help "$(printf 'a\033[31m')"
one_line
! grep -q "$(printf '\033')" err || bad "an escape reaches the terminal"
expect "two words" 2 "$ayf" help train lr
one_line

# ---- Manual pages ----
verbs=$("$ayf" help | sed -n 's/^  \([a-z][a-z]*\)  *[a-z].*/\1/p')
[ "$(echo "$verbs" | wc -w)" -ge 14 ] || bad "the verbs are not found: $verbs"
lint() { # PAGE: what can check it says nothing of it
    { ! command -v man || LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l -Tutf8 -Z "$1"; } 2>lint >/dev/null
    { ! command -v groff || groff -man -ww -Tutf8 -z "$1"; } 2>>lint >/dev/null
    { ! command -v mandoc || mandoc -Tlint -W error "$1"; } 2>>lint >>lint
    grep -v '^/' lint && bad "$1 has warnings"
}
for page in ayf ayf-config $(for verb in $verbs; do echo "ayf-$verb"; done); do
    expect "the page $page" 0 "$ayf" help --man $page
    cp out $page
    prints ".TH " && prints ".SH NAME" && lint $page
done
expect "no page of this name" 2 "$ayf" help --man ayf-nothing
one_line
if command -v man >/dev/null; then
    expect "what is shown is what was written" 0 env MANWIDTH=200 LC_ALL=C man -l ayf-sample
    prints "--gamma G" && prints "ayf sample runs/student --seeds 7 --out - | display"
fi

# ---- Completions ----
expect "bash" 0 "$ayf" help --completions bash
cp out complete.bash
cat >ask.bash <<'EOF'
# ask.bash WORD ...: what the last word, as far as it goes, is completed to
source complete.bash
COMP_WORDS=(ayf "$@")
COMP_CWORD=$#
_ayf
printf '%s\n' "${COMPREPLY[@]}"
EOF
offers() { grep -qxF -- "$1" out || bad "$1 is not offered"; }
only() { printf '%s\n' "$@" | cmp -s - out || bad "not offered: $*"; }
if command -v bash >/dev/null; then
    mkdir folder && : >'folder/a file'
    expect "verbs" 0 bash ask.bash tr
    only train
    expect "all verbs" 0 bash ask.bash ''
    for verb in $verbs; do offers $verb; done
    expect "options of the verb" 0 bash ask.bash sample --s
    only --seeds --steps --solver --scale
    expect "and of no other" 0 bash ask.bash sample --pairs
    only ''
    expect "choices" 0 bash ask.bash sample --solver ''
    only euler heun reference
    expect "choices after =" 0 bash ask.bash sample --precision = b
    only bf16
    expect "formats are those of the verb" 0 bash ask.bash export --format ''
    only onnx safetensors c
    expect "of sample too" 0 bash ask.bash sample --format ''
    only png npz csv
    expect "keys" 0 bash ask.bash train --set train.lr_s
    only train.lr_schedule=
    expect "keys after =" 0 bash ask.bash train --set = train.lr_s
    only train.lr_schedule=
    expect "what a key may be" 0 bash ask.bash train --set train.lr_schedule = c
    only constant cosine
    expect "files" 0 bash ask.bash info fol
    only folder
    expect "files of an option" 0 bash ask.bash sample model --out folder/
    only 'folder/a file'
    expect "words of a verb" 0 bash ask.bash bench ''
    only step call discriminator
    expect "what help explains" 0 bash ask.bash help train.lr_s
    only train.lr_schedule
    expect "nothing for a number" 0 bash ask.bash train run --steps ''
    only ''
    # Every choice that is offered is one that the program knows.
    for option in "sample --solver" "sample --precision" "sample --format" "export --dtype" "export --format" \
        "eval --classes" "eval --precision"; do
        expect "choices of $option" 0 bash ask.bash $option ''
        cp out choices
        [ "$(wc -w <choices)" -ge 2 ] || bad "fewer than two"
        for choice in $(cat choices); do
            "$ayf" $option $choice nowhere >out 2>err && bad "there is no model"
            says_not "must be"
        done
    done
else
    echo "skipped: there is no bash"
fi
for shell in zsh fish; do
    expect "$shell" 0 "$ayf" help --completions $shell
    cp out complete.$shell
    prints "sample" && prints "euler heun reference" && prints "train.lr_schedule"
    if command -v $shell >/dev/null; then
        expect "$shell reads it" 0 $shell -n complete.$shell
    else
        echo "skipped: there is no $shell"
    fi
done
expect "another shell" 2 "$ayf" help --completions tcsh
says "bash, zsh or fish" && one_line

# ---- ayf info of labels that cannot be used ----
if command -v python3 >/dev/null; then
    expect "pictures" 0 "$ayf" sample pair --seeds 0-3 --out pictures
    label() { # FILE TEXT: the pictures in a ZIP with this dataset.json, or without one
        python3 -c 'import glob, os, sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as archive:
    for i, path in enumerate(sorted(glob.glob("pictures/*.png"))): archive.write(path, "%d.png" % i)
    if len(sys.argv) > 2: archive.writestr("dataset.json", sys.argv[2])' "$@"
    }
    good='["0.png", 0], ["1.png", 1], ["2.png", 0], ["3.png", 1]'
    label good.zip "{\"labels\": [$good]}"
    expect "good labels" 0 "$ayf" info good.zip
    prints "classes      2"
    label none.zip && label null.zip '{"labels": null}'
    for file in none null; do
        expect "no labels: $file" 0 "$ayf" info $file.zip
        prints "classes      none: $file.zip: has no labels"
    done
    label cut.zip "{\"labels\": [$good"
    label comma.zip "{\"labels\": [$good,]}"
    label text.zip "labels"
    label fraction.zip '{"labels": [["0.png", 0.5], ["1.png", 1], ["2.png", 0], ["3.png", 1]]}'
    label missing.zip '{"labels": [["0.png", 0]]}'
    label negative.zip '{"labels": [["0.png", -1], ["1.png", 1], ["2.png", 0], ["3.png", 1]]}'
    for file in cut comma text fraction missing negative; do
        expect "bad labels: $file" 3 "$ayf" info $file.zip
        says "ayf: $file.zip: " && one_line && prints "samples      4" && prints "its labels cannot be used"
    done
    python3 -c 'import struct
open("train-images-idx3-ubyte", "wb").write(struct.pack(">4I", 2051, 3, 4, 4) + bytes(range(48)))'
    expect "IDX without labels" 0 "$ayf" info train-images-idx3-ubyte
    prints "has no labels"
    python3 -c 'import struct
open("train-labels-idx1-ubyte", "wb").write(struct.pack(">2I", 2049, 2) + bytes(2))'
    expect "IDX with too few" 3 "$ayf" info train-images-idx3-ubyte
    says "2 labels" && one_line
else
    echo "skipped: there is no python3"
fi

# ---- Names of classes ----
if command -v python3 >/dev/null; then
    long=$(printf 'x%.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 | sed 's/x/0123456789/g')
    python3 -c 'import glob, json, sys, zipfile
names = ["cat", "a/b\x1b[31m\u0085c", "\u00e9" * 200, sys.argv[1]]
with zipfile.ZipFile("named.zip", "w") as archive:
    paths = sorted(glob.glob("pictures/*.png"))
    for i, path in enumerate(paths): archive.write(path, "%d.png" % i)
    archive.writestr("dataset.json", json.dumps({"labels": [["%d.png" % i, i] for i in range(4)], "classes": names}))' "$long"
    named="--data named.zip --batch 2 --set model.channels=8 --set model.multipliers=1 --set model.blocks=1
           --set train.lr_warmup=0"
    expect "classes with odd names" 0 "$ayf" train named --steps 1 $named
    expect "files are called by class" 0 "$ayf" sample named --seeds 7 --class cat --out cats
    exists cats/000007_class0_cat.png
    expect "and by no part of a path, no control character, not endlessly" 0 "$ayf" sample named --steps 1 --seeds 5,5,5,5 \
        --class 0-3 --out odd
    [ "$(find odd -type f | wc -l)" -eq 4 ] || bad "not four files"
    exists 'odd/000005_class1_a_b_[31m__c.png'
    ls odd | python3 -c 'import sys
for name in sys.stdin.buffer.read().splitlines():
    name.decode("utf-8")
    assert len(name) < 130 and min(name) >= 32, name'  || bad "a name that is cut or odd"
    expect "labels under the images" 0 "$ayf" sample named --steps 1 --seeds 0-3 --class 0-3 --label --out labelled.png
    expect "make the picture higher" 0 "$ayf" info labelled.png
    high=$(sed -n 's/^size .* x \([0-9]*\),.*/\1/p' out)
    expect "than without" 0 "$ayf" sample named --steps 1 --seeds 0-3 --class 0-3 --out bare.png
    "$ayf" info bare.png >out
    [ "$high" -gt "$(sed -n 's/^size .* x \([0-9]*\),.*/\1/p' out)" ] || bad "no higher"
    expect "the label is the class" 0 "$ayf" sample named --steps 1 --seeds 9 --class 0 --label --scale 8 --out one.png
    expect "and not the seed" 0 "$ayf" sample named --steps 1 --seeds 9 --class cat --label --scale 8 --out two.png
    same_pixels one.png two.png
fi
expect "seeds are the labels without classes" 0 "$ayf" train plain $tiny --set data.labels=false --steps 1
expect "drawn" 0 "$ayf" sample plain --steps 1 --seeds 3,3 --label --scale 8 --out seeds.png
exists seeds.png
expect "more columns than images" 0 "$ayf" sample plain --steps 1 --seeds 3 --grid 5 --label --out seed.png
expect "labels in a folder" 2 "$ayf" sample plain --seeds 3 --label --out folder
says "--label is for one grid" && one_line
expect "labels of large pixels" 2 "$ayf" sample plain --seeds 3 --label --scale 17 --out seed17.png
says "at most 16" && one_line && absent seed17.png
expect "too large a sheet is refused before it is drawn" 2 "$ayf" sample plain --seeds 0-2999 --grid 1 --label --out long.png
says "more than 16384 a side" && one_line && absent long.png

# ---- What cannot be written is said before the work ----
: >file
expect "a report into no folder" 1 "$ayf" report pair nowhere --out no/report.html
says "no/report.html" && one_line
expect "an export into no folder" 1 "$ayf" export nowhere --format c --out no/model.c
says "no/model.c" && one_line
expect "a demo in a file" 1 "$ayf" demo file
says "file" && one_line
expect "a demo below a file" 1 "$ayf" demo file/demo
says "file" && one_line
finish
