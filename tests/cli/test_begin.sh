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

python3 - <<'PYTHON'
# Folders of pictures in classes: 16 x 16, 12 x 12, and of many sizes.
import os, random, struct, zlib
def png(path, width, height):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    draw = random.Random(path)
    rows = b"".join(b"\0" + bytes(draw.randrange(256) for _ in range(width)) for _ in range(height))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) +
                   chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
for i in range(8):
    png(f"pets/{'cats' if i % 2 else 'dogs'}/{i}.png", 16, 16)
for i in range(9):
    png(f"three/{'abc'[i % 3]}/{i}.png", 16, 16)
    png(f"flat/{i}.png", 16, 16)
for i in range(40):
    png(f"mixed/{i}.png", 16 + i, 20 + i // 2)
PYTHON

# ---- Its data ----
net="--batch 4 --set model.channels=8 --set model.multipliers=1 --set model.blocks=1 --set save.grid_every=0
     --set train.precision=highest"
small="--batch 4 --set save.grid_every=0 --set distill.guidance=none --steps 1"
# shellcheck disable=SC2086
{
    expect "nothing says which data" 0 "$ayf" train shapes $net --set data.resolution=8 --steps 1
    says "shapes: trains on builtin:shapes, as no data are given (--data)"
    expect "said when it is begun" 0 "$ayf" train shapes --steps 2
    says_not "trains on"
    expect "a teacher of pictures" 0 "$ayf" train painter --data pets $net --set data.resolution=8 --set data.resize=box --steps 1
    says_not "trains on"
    expect "a dry run of a student" 0 "$ayf" distill no --teacher painter $small --dry-run
    says "trains on the data of its teacher, $work/pets" && prints "8 x 8 x 1, 2 classes" && absent no
    expect "a student takes the data of its teacher" 0 "$ayf" distill taught --teacher painter $small
    says "taught: trains on the data of its teacher, $work/pets (--data gives others)"
    for line in "source: \"$work/pets\"" "resolution: 8" "resize: box"; do
        grep -qF "$line" taught/config.yaml || bad "config.yaml does not say: $line"
    done
    expect "and resumes with them" 0 "$ayf" distill taught --steps 2
    says_not "trains on"
    expect "a key that is given counts" 0 "$ayf" distill mirrored --teacher painter $small --set data.mirror=true
    grep -q "mirror: true" mirrored/config.yaml || bad "it was not used"
    expect "data that are given count" 0 "$ayf" distill other --teacher painter --data pets/../pets $small
    says_not "trains on"
    printf 'data:\n  source: %s\n  resolution: 8\n' "$work/pets" >data.yaml
    expect "data of a file count" 0 "$ayf" distill filed --teacher painter --config data.yaml $small
    says_not "trains on"
    expect "fine-tuning takes the data of its student" 0 "$ayf" finetune tuned --student taught --steps 1 --batch 4 \
        --set finetune.deviation_group=2 --set save.grid_every=0 --dry-run
    says "trains on the data of its student, $work/pets"
    mv pets moved
    expect "the data of the teacher are gone" 1 "$ayf" distill no --teacher painter $small
    says "the data of the teacher" && says "give --data" && says "$work/pets" && one_line && absent no
    expect "named where they are" 0 "$ayf" distill found --teacher painter --data moved $small --set data.resolution=8
    mv moved pets
    python3 - <<'PYTHON'
# The model without its configuration, as of a network that was trained elsewhere.
import json, struct
data = open("painter/model.safetensors", "rb").read()
size = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + size])
header["__metadata__"]["config"] = ""
for key in "crc32", "crc32.header": header["__metadata__"].pop(key, None)
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
open("silent.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + data[8 + size:])
PYTHON
    expect "a teacher that does not say its data" 2 "$ayf" distill no --teacher silent.safetensors $small
    says "silent.safetensors does not say on which data it was trained; give --data" && one_line && absent no
}

# ---- Its folder ----
# shellcheck disable=SC2086
{
    for way in "" --dry-run; do
        for at in pets/run pets/a/b ./pets/../pets/run; do
            expect "$at in the data $way" 2 "$ayf" train $at --data pets $net --steps 1 $way
            says "lies in the data (data.source = " && says "name a run folder outside of them" && one_line && absent pets/run && absent pets/a
        done
        expect "a student in the data $way" 2 "$ayf" distill pets/run --teacher painter $small $way
        says "lies in the data" && one_line && absent pets/run
        expect "a folder of pictures $way" 2 "$ayf" train flat --data pets $net --steps 1 $way
        says "flat: holds other things than a run (0.png)" && one_line && absent flat/checkpoints
        expect "the data themselves $way" 2 "$ayf" train pets --data pets $net --steps 1 $way
        says "pets: holds other things than a run" && one_line && absent pets/checkpoints
        expect "a file $way" 1 "$ayf" train data.yaml --data pets $net --steps 1 $way
        says "data.yaml: is a file" && one_line
        expect "a folder in a file $way" 1 "$ayf" train data.yaml/a/b --data pets $net --steps 1 $way
        says "data.yaml: is a file" && one_line
    done
    ln -s pets link
    expect "in the data through a link" 2 "$ayf" train link/run --data pets $net --steps 1
    says "lies in the data" && one_line
    expect "data around it" 2 sh -c 'cd pets && exec "$@"' sh "$ayf" train run --data . $net --steps 1
    says "lies in the data" && absent pets/run
    expect "measured by the data around it" 2 "$ayf" train flat/run --data pets $net --steps 1 --set eval.every=1 \
        --set eval.metric=fd --set eval.features=features.safetensors --set eval.reference=flat
    says "lies in the data (eval.reference = " && one_line && absent flat/run
    mkdir beside && echo begun >beside/slurm-1.out && echo "# why" >beside/notes.md
    expect "beside text" 0 "$ayf" train beside --data pets $net --steps 1
    mkdir hand && printf 'data:\n  source: %s\n' "$work/pets" >hand/config.yaml && cp flat/0.png hand
    expect "a configuration written by hand" 0 "$ayf" train hand $net --steps 1
    ln -s "$work/hand" pets-run
    expect "a link to a run" 0 "$ayf" train pets-run --steps 2
}

# ---- What it says ----
# shellcheck disable=SC2086
{
    expect "a run of four steps" 0 "$ayf" train four $points --steps 4 --set save.log_every=1
    expect "fewer steps than are done" 2 "$ayf" train four --steps 2
    says "has done 4 steps, more than train.steps = 2" && one_line
    expect "fewer, another rate and other threads" 2 env AYF_THREADS=2 "$ayf" train four --steps 2 --set save.every=3
    says "has done 4 steps" && one_line
    expect "a refusal after changes that are allowed" 2 "$ayf" train four --steps 9 --set data.source=builtin:moons
    says "are not the data" && one_line
    sed 's/"step":1/"step" 1/' four/log.jsonl >was && cp was four/log.jsonl
    expect "a finished run with other threads" 0 env AYF_THREADS=2 "$ayf" train four
    says_not "differ" && says "log.jsonl: 1 line was not JSON and left out"
    [ "$(wc -l <four/log.jsonl)" -eq 3 ] || bad "the line is still there"
    printf 'garbage\n\n[1]\n{"step":3' >>four/log.jsonl
    expect "lines that are not JSON, and a torn one" 0 "$ayf" train four --steps 5 --set train.lr_schedule=constant --allow-change
    says "log.jsonl: 3 lines were not JSON and left out"
    python3 -c 'import json
steps = [json.loads(line)["step"] for line in open("four/log.jsonl")]
assert steps[0] == 2 and steps[-1] == 5, steps' || bad "not every line of the log is JSON"
    expect "said once" 0 "$ayf" train four --steps 6
    says_not "JSON"
    expect "more steps with other threads" 0 env AYF_THREADS=2 "$ayf" train four --steps 7
    says "its bytes will differ"
}

# ---- What cannot be changed on purpose either ----
# shellcheck disable=SC2086
for way in "" --allow-change; do
    expect "other classes $way" 2 "$ayf" train painter --data three --steps 2 $way
    says "3 classes instead of 2, which its weights depend on" && says_not "allow-change" && one_line
    expect "other sizes $way" 2 "$ayf" train painter --set data.resolution=16 --steps 2 $way
    says "data.resolution = 8" && says_not "allow-change" && one_line
    expect "other points $way" 2 "$ayf" train second --data builtin:ring --set data.labels=true --steps 5 $way
    says "data.labels = false" && says_not "allow-change" && one_line
done

# ---- What others say of it ----
state() { # of the report of a run
    "$ayf" report "$1" --no-drawing --out page.html >"$work/out" 2>"$work/err"
    grep -qF -- "$2" page.html || bad "the report does not say: $2"
    ! grep -qF -- "$3" page.html || bad "the report says: $3"
}
# shellcheck disable=SC2086
{
    "$ayf" train alive $points --steps 100000000 --set save.log_every=1 >alive.out 2>alive.err &
    pid=$!
    tries=0
    until [ -s alive/log.jsonl ] || [ $tries -ge 600 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
    expect "a run that is going on" 0 "$ayf" info alive
    grep -q "^state *running$" out || bad "it is not called running"
    state alive '"state":"running"' "resumes it"
    kill -KILL "$pid"
    wait "$pid" 2>/dev/null
    expect "a run that was killed" 0 "$ayf" info alive
    prints "unfinished; the same command resumes it"
    state alive '"state":"unfinished"' "is going on"
    expect "a run that diverged at once" 4 "$ayf" train wild --data builtin:shapes --set data.resolution=8 $net --steps 200 \
        --set train.lr=10 --set train.lr_warmup=0 --set train.weight_norm=false --set model.clip_act=0
    state wild "no model: it diverged before its first checkpoint" "gets one with"
}

# ---- Pictures that differ ----
# shellcheck disable=SC2086
{
    expect "pictures of many sizes" 3 "$ayf" train no --data mixed $net --set data.labels=false --steps 1
    says "mixed: the pictures have 40 different sizes, from 16 x 20 to 55 x 39: --set data.resolution=32"
    one_line && absent no
    expect "brought to one" 0 "$ayf" train brought --data mixed $net --set data.labels=false --set data.resolution=8 --steps 1
    expect "one that differs is named" 3 sh -c 'cp mixed/3.png flat && exec "$@"' sh "$ayf" train nothing --data flat $net \
        --set data.labels=false --steps 1
    says "3.png: is 19 x 21 where most are 16 x 16" && absent nothing
}

# ---- Where its words go ----
# shellcheck disable=SC2086
if [ -w /dev/full ]; then
    for way in "" --dry-run; do
        expect "a full disk behind stdout $way" 1 sh -c 'exec "$@" >/dev/full' sh "$ayf" train full $points --steps 3 $way
        says "cannot write the results to stdout: No space left on device"
    done
    expect "no step was lost" 0 "$ayf" info full
    prints "finished"
    expect "a reader that went away" 0 sh -c '{ "$@"; echo $? >code; } | true; exit $(cat code)' sh "$ayf" train four
fi

finish
