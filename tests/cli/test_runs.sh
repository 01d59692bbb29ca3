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

    mkfifo pipe.yaml
    for pair in INT:75 TERM:75; do
        $usual "$ayf" train waits --config pipe.yaml 2>waits.err &
        pid=$!
        name=waits
        sleep 0.3
        kill "-${pair%%:*}" "$pid"
        expect "SIG${pair%%:*} while a pipe is waited for" 75 await
        says "stopped before the first step"
        absent waits/config.yaml
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
    expect "a limit too short for a step still makes one" 75 "$ayf" train slow $tiny --steps 100000000 --max-time 0.000001s
    says "stopped at step 1 of"
    expect "and the next time another" 75 "$ayf" train slow $tiny --steps 100000000 --max-time 0.000001s
    says "stopped at step 2 of"
    expect "a limit that is far away" 0 "$ayf" train inside $tiny --steps 30 --max-time 1h30m
    same inside/model.safetensors open/model.safetensors
}
finish
