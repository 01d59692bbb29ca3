#!/bin/sh
# test_runs.sh AYF
# Runs that are left alone: signals, descriptors, time limits.
set -u
ayf=$1
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
export AYF_THREADS=1
tiny="--data builtin:ring --set data.labels=false --set model.kind=mlp --set model.hidden=8 --set model.layers=2
      --batch 8 --set train.lr_warmup=0 --set save.log_every=1 --set save.grid_every=0"

# begin FOLDER COMMAND ...: in the background and past its first step. A shell ignores SIGINT for what it puts
# there, so the signals are set as a terminal has them.
begin() {
    name=$1
    shift
    "$@" >"$name.out" 2>"$name.err" &
    pid=$!
    tries=0
    until [ -s "$name/log.jsonl" ] || [ $tries -ge 600 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
}
await() {
    await_code=0
    wait "$pid" || await_code=$?
    cat "$name.err" >&2
    return $await_code
}
usual="env --default-signal=INT,TERM,HUP,USR1,USR2,XCPU,PIPE"

# ---- Signals ----
# shellcheck disable=SC2086
{
    begin_long() { folder=$1 && shift && begin "$folder" "$@" "$ayf" train "$folder" $tiny --steps 100000000; }
    for pair in "INT:Ctrl-C again" "TERM:asked to end" "HUP:the terminal was closed" "USR1:Slurm" "USR2:batch system" \
        "XCPU:processor time"; do
        signal=${pair%%:*}
        begin_long "$signal" $usual
        kill "-$signal" "$pid"
        expect "SIG$signal saves" 75 await
        says "${pair#*:}" && says "finishing this step and saving"
        says "a checkpoint is saved" && says "train $signal --data builtin:ring" && exists "$signal/model.safetensors"
        at=$(sed -n 's/^stopped at step \([0-9]*\) of.*/\1/p' "$signal.err")
        [ "$(wc -l <"$signal/log.jsonl")" -eq "${at:-0}" ] || bad "the log has not a line for each of ${at:-?} steps"
    done

    begin_long twice $usual
    kill -TERM "$pid"
    kill -HUP "$pid"
    kill -TERM "$pid"
    expect "several other signals still save" 75 await
    says "a checkpoint is saved"

    # What is ignored stays ignored; the second signal shows that the run was still there.
    for signal in HUP INT TERM; do
        begin_long ignored env --default-signal=USR1 --ignore-signal=$signal
        kill "-$signal" "$pid"
        steps=$(wc -l <ignored/log.jsonl)
        tries=0
        until [ "$(wc -l <ignored/log.jsonl)" -gt $((steps + 20)) ] || [ $tries -ge 200 ]; do
            sleep 0.05
            tries=$((tries + 1))
        done
        kill -USR1 "$pid"
        expect "SIG$signal that was ignored stays ignored" 75 await
        says "Slurm" && says_not "(SIG$signal)"
        rm -rf ignored
    done

    # Slow to read: large pictures of nothing.
    mkdir slow
    python3 -c 'import struct, zlib
def chunk(kind, data): return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
side = 8192
open("slow/0.png", "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)) +
    chunk(b"IDAT", zlib.compress(bytes(side * (side + 1)))) + chunk(b"IEND", b""))'
    for i in $(seq 60); do cp slow/0.png "slow/$i.png"; done
    for pair in INT:75 TERM:75; do
        $usual "$ayf" train waits --data slow --set data.resolution=16 --set data.labels=false 2>waits.err &
        pid=$!
        name=waits
        sleep 0.3
        kill "-${pair%%:*}" "$pid"
        expect "SIG${pair%%:*} while data is read" 75 await
        says "stopped before the first step"
        absent waits/config.yaml && absent waits/checkpoints && absent waits/samples
    done

    $usual "$ayf" eval --fit-features features.safetensors --data builtin:shapes --set data.resolution=16 \
        --set train.steps=1000000000 2>fit.err &
    pid=$!
    name=fit
    sleep 0.3
    kill -INT "$pid"
    expect "SIGINT ends a fit" 130 await
    absent features.safetensors
}

# ---- Descriptors ----
# shellcheck disable=SC2086
{
    expect "nothing is open" 0 sh -c "exec \"\$@\" <&- >&- 2>&-" sh "$ayf" train closed $tiny --steps 30
    [ "$(python3 -c 'import json; print(sum("step" in json.loads(line) for line in open("closed/log.jsonl")))')" -eq 30 ] ||
        bad "not every line of the log is JSON"
    expect "the same with descriptors" 0 "$ayf" train open $tiny --steps 30
    same open/model.safetensors closed/model.safetensors
    expect "stderr is a pipe that nobody reads" 0 sh -c "{ \"\$@\" 2>&1; echo \$? >code; } | true
        exit \$(cat code)" sh "$ayf" train piped $tiny --steps 30
    same open/model.safetensors piped/model.safetensors
    expect "SIGPIPE" 0 sh -c "{ $usual \"\$@\" 2>&1 >/dev/null; echo \$? >code; } | head -1 >/dev/null
        exit \$(cat code)" sh "$ayf" train headed $tiny --steps 30
    same open/model.safetensors headed/model.safetensors
}

# ---- Time ----
# shellcheck disable=SC2086
{
    for time in 55 m 1m2h 0s -5m 5x 1h30 "" 1e999h; do
        expect "--max-time '$time'" 2 "$ayf" train timed $tiny --max-time "$time"
        says "like 90s, 55m or 1h30m" && one_line && absent timed
    done
    expect "time that is over saves" 75 "$ayf" train timed $tiny --steps 100000000 --max-time 0.2s
    says "a checkpoint is saved" && says "--max-time" && exists timed/model.safetensors
    expect "a limit too short for a step still makes one" 75 "$ayf" train short $tiny --steps 100000000 --max-time 0.000001s
    says "stopped at step 1 of"
    expect "and the next time another" 75 "$ayf" train short $tiny --steps 100000000 --max-time 0.000001s
    says "stopped at step 2 of"
    expect "a limit that is far away" 0 "$ayf" train inside $tiny --steps 30 --max-time 1h30m
    same inside/model.safetensors open/model.safetensors
}
# ---- Identity ----
net="--set model.channels=8 --set model.multipliers=1 --set model.blocks=1 --batch 4 --set save.grid_every=0"
python3 - <<'PYTHON'
# Pictures in two classes, and the same but for one pixel.
import os, struct, zlib
def png(path, pixels):
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes(pixels[16 * y:16 * y + 16]) for y in range(16))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 0, 0, 0, 0)) +
                   chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
for folder, change in ("data/set", 0), ("data/other", 9):
    for i in range(8):
        os.makedirs(f"{folder}/{'cats' if i % 2 else 'dogs'}", exist_ok=True)
        png(f"{folder}/{'cats' if i % 2 else 'dogs'}/{i}.png",
            [(17 * i + x * (i + 1) + change * (i == 7 and x == 3)) % 256 for x in range(256)])
PYTHON
# shellcheck disable=SC2086
{
    expect "a run" 0 "$ayf" train moved --data data/set $net --steps 5
    expect "undisturbed" 0 "$ayf" train still --data data/set $net --steps 9 --set train.lr_schedule=constant --set train.lr_warmup=0
    mkdir elsewhere
    expect "the data under other names" 0 "$ayf" train moved --data ./data/../data/set --steps 6
    says "the data are the same"
    expect "from another folder" 0 sh -c "cd elsewhere && exec \"\$@\"" sh "$ayf" train ../moved --steps 7
    mv data/set data/renamed
    expect "data that are gone" 1 "$ayf" train moved --steps 8
    says "--data PATH" && one_line
    expect "moved data" 0 "$ayf" train moved --data data/renamed --steps 8
    says "the data are the same, now at $work/data/renamed"
    expect "other data" 2 "$ayf" train moved --data data/other --steps 9
    says "are not the data that this run was begun with" && says "the pictures differ" && one_line
    expect "other data on purpose" 0 "$ayf" train moved --data data/other --steps 9 --allow-change
    says "the data are others from here on"
    grep -q "the data are others" moved/log.jsonl || bad "the log does not say it"
    expect "from then on those count" 2 "$ayf" train moved --data data/renamed --steps 10
    mv data/renamed data/set

    # A constant rate, so that more steps change nothing.
    constant="--set train.lr_schedule=constant --set train.lr_warmup=0"
    expect "half of it" 0 "$ayf" train half --data data/set $net $constant --steps 4
    expect "the rest elsewhere" 0 sh -c "cd elsewhere && exec \"\$@\"" sh "$ayf" train ../half --data ../data/set --steps 9
    says_not "becomes"
    python3 - <<'PYTHON' || bad "the weights are not those of the undisturbed run"
import json, struct
def tensors(path):
    data = open(path, "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    return {k: data[8 + size:][slice(*v["data_offsets"])] for k, v in json.loads(data[8:8 + size]).items() if k != "__metadata__"}
assert tensors("half/model.safetensors") == tensors("still/model.safetensors")
PYTHON

    expect "another rate" 2 "$ayf" train half --set train.lr=0.001 --steps 12
    says "train.lr = 0.005" && says "0.001" && says "--allow-change" && one_line
    expect "another rate on purpose" 0 "$ayf" train half --set train.lr=0.001 --steps 12 --allow-change
    says "train.lr = 0.001 from here on, 0.005 before" && says "becomes 0.001, where it would have been 0.005"
    expect "the new rate stays" 0 "$ayf" train half --steps 13
    expect "the old one is a change now" 2 "$ayf" train half --set train.lr=0.005 --steps 14
    expect "another network" 2 "$ayf" train half --set model.channels=16 --steps 14 --allow-change
    says "which its weights depend on" && one_line
    expect "a configuration changed by hand" 2 sh -c "sed -i s/beta1:.*/beta1:\ 0.8/ half/config.yaml && exec \"\$@\"" \
        sh "$ayf" train half --steps 14
    says "train.beta1 = 0.9"
    expect "and on purpose" 0 "$ayf" train half --steps 14 --allow-change
    says "train.beta1 = 0.8 from here on"
    expect "more steps, another rate" 0 "$ayf" train moved --steps 20
    says "becomes"
    expect "another number of threads" 0 env AYF_THREADS=2 "$ayf" train moved --steps 21
    says "2 threads" && says "its bytes will differ"
    grep -q "2 threads" moved/log.jsonl || bad "the log does not say it"

    # Teachers.
    tiny_student="--data data/set --batch 4 --set distill.guidance=none --set save.grid_every=0"
    expect "a student" 0 "$ayf" distill student --teacher moved $tiny_student --steps 2
    mv moved teacher
    expect "its teacher is gone" 1 "$ayf" distill student --steps 3
    says "if it was moved" && one_line
    expect "its teacher was moved" 0 "$ayf" distill student --teacher teacher --steps 3
    expect "from another folder" 0 sh -c "cd elsewhere && exec \"\$@\"" sh "$ayf" distill ../student --steps 4
    expect "another teacher" 2 "$ayf" distill student --teacher still --steps 5
    says "their weights differ" && one_line
    expect "another teacher on purpose" 0 "$ayf" distill student --teacher still --steps 5 --allow-change

    expect "a teacher from a teacher" 0 "$ayf" train heir --init teacher --data data/set --batch 4 --steps 1 \
        --set train.lr=0 --set train.ema=none
    mv teacher gone
    expect "which is not needed any more" 0 "$ayf" train heir --steps 2
    expect "a teacher from a student" 2 "$ayf" train no --init student --data data/set --steps 1
    says "is a student" && one_line && absent no
    expect "a network of another shape" 2 "$ayf" train no --init gone --data data/set --set model.channels=16 --steps 1
    says "model.channels" && one_line && absent no
    expect "a student from a model" 2 "$ayf" distill no --set train.init=gone --teacher gone
    says "distill.student_init" && one_line

    # Before the first checkpoint.
    begin killed $usual "$ayf" train killed $tiny --set model.hidden=24 --steps 100000000
    kill -KILL "$pid"
    wait "$pid" 2>/dev/null
    expect "fewer words before the first checkpoint" 0 "$ayf" train killed --steps 3
    says "there is no checkpoint yet" && grep -q "hidden: 24" killed/config.yaml || bad "it trains something else"
    mkdir hand && printf 'model:\n  kind: mlp\n  hidden: 12\ndata:\n  source: builtin:ring\n  labels: false\n' >hand/config.yaml
    expect "a configuration written by hand" 0 "$ayf" train hand --batch 8 --steps 3
    grep -q "hidden: 12" hand/config.yaml || bad "it was not used"
    if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
        chmod 700 hand . && chmod 711 .
        expect "a folder that may not be used" 1 setpriv --reuid=65534 --regid=65534 --clear-groups "$ayf" distill hand
        says "hand" && says "ermission denied" && one_line
    fi
}
finish
