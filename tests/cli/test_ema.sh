#!/bin/sh
# tests/cli/test_ema.sh AYF
# Averages of several widths that a run keeps (train.ema_widths), their snapshots, and ayf ema, which makes others.
set -u
ayf=$1
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
: >out && : >err
export AYF_THREADS=1
tiny="--data builtin:ring --set data.labels=false --set model.kind=mlp --set model.hidden=8 --set model.layers=2
      --batch 8 --set train.lr_warmup=0 --set save.grid_every=0 --set save.every=20 --set save.keep=0
      --set save.snapshots=10"
long="$tiny --steps 60"
widths="--set train.ema_widths=0.05,0.1"

cat >compare.py <<'E'
# compare.py A B [PREFIX]: the largest difference of the tensors of A and those named PREFIX + name in B, as a share of
# the largest value of the tensor.
import json, struct, sys
def tensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    header.pop("__metadata__")
    return {name: struct.unpack("<%df" % ((t["data_offsets"][1] - t["data_offsets"][0]) // 4),
                                data[t["data_offsets"][0]:t["data_offsets"][1]])
            for name, t in header.items() if t["dtype"] == "F32"}
a, b = tensors(sys.argv[1]), tensors(sys.argv[2])
prefix = sys.argv[3] if len(sys.argv) > 3 else ""
print("%.2e" % max(max(abs(x - y) for x, y in zip(a[n], b[prefix + n])) / max(1e-3, max(map(abs, a[n]))) for n in a))
E
is() { # is "< 1e-5": of the number on stdout
    python3 -c 'import sys; sys.exit(not eval(open(sys.argv[1]).read().split()[0] + sys.argv[2]))' "$work/out" "$1" ||
        bad "$(cat "$work/out") is not $1"
}

# ---- A run that keeps averages ----
# shellcheck disable=SC2086
{
    expect "a run" 0 "$ayf" train run $long $widths
    exists run/snapshots/step-00000010.safetensors && exists run/snapshots/step-00000060.safetensors
    [ "$(ls run/snapshots | wc -l)" -eq 6 ] || bad "not 6 snapshots"
    expect "a run that keeps none" 0 "$ayf" train plain $long
    absent plain/snapshots
}
expect "the averages change nothing else" 0 python3 compare.py run/model.safetensors plain/model.safetensors
is "== 0"
expect "the metadata say the widths" 0 grep -c '"widths":"0.05,0.1"' run/snapshots/step-00000060.safetensors

expect "a snapshot is described" 0 "$ayf" info run/snapshots/step-00000060.safetensors
prints "0.05,0.1" && prints "ayf ema"

# ---- Reconstruction ----
expect "a width that was kept" 0 "$ayf" ema run --width 0.05 --out kept.safetensors
says "width 0.05 at step 60, from 12 averages in 6 snapshots" && prints "kept.safetensors"
expect "is the average that was kept" 0 python3 compare.py kept.safetensors run/snapshots/step-00000060.safetensors ema1.
is "< 1e-5"
expect "and not the other one" 0 python3 compare.py kept.safetensors run/snapshots/step-00000060.safetensors ema2.
is "> 1e-2"
expect "the other one, at an earlier step" 0 "$ayf" ema run --width 0.1 --step 40 --out early.safetensors
says "at step 40, from 8 averages in 4 snapshots"
expect "is the one that was kept then" 0 python3 compare.py early.safetensors run/snapshots/step-00000040.safetensors ema2.
is "< 1e-5"
# The yardstick: the model of this run is the average of width 0.08, trained along. The difference is 2.3e-4 with
# snapshots every 5 steps, 6e-6 with every 2.
# shellcheck disable=SC2086
expect "a run with more snapshots" 0 "$ayf" train fine $long $widths --set train.ema_std=0.08 --set save.snapshots=5
expect "a width between" 0 "$ayf" ema fine --width 0.08 --out between.safetensors
says "profile error 0.52 %" && says_not "only near"
expect "is the average that was trained along" 0 python3 compare.py between.safetensors fine/model.safetensors
is "< 5e-4"
for k in 1 2; do
    expect "which is not kept average $k" 0 python3 compare.py fine/model.safetensors \
        fine/snapshots/step-00000060.safetensors ema$k.
    is "> 5e-3"
done
expect "samples of it" 0 "$ayf" sample between.safetensors --seeds 0-3 --out samples.csv
exists samples.csv
expect "its card" 0 "$ayf" info between.safetensors
prints "ema_std: 0.08" && prints "60"
expect "the same bytes again" 0 "$ayf" ema fine --width 0.08 --out again.safetensors
same between.safetensors again.safetensors
expect "a narrow width is only near" 0 "$ayf" ema run --width 0.005 --out narrow.safetensors
says "only near"

# ---- A student ----
# shellcheck disable=SC2086
expect "a student, in parts" 0 "$ayf" distill student --teacher run $tiny $widths --steps 20 \
    --set distill.guidance=none --set train.accumulate=2 --set train.ema=none
expect "its average" 0 "$ayf" ema student --width 0.1 --out student.safetensors
expect "is the one that was kept" 0 python3 compare.py student.safetensors student/snapshots/step-00000020.safetensors ema2.
is "< 1e-5"
expect "draws" 0 "$ayf" sample student.safetensors --seeds 0-3 --steps 1 --out student.csv

# ---- Fine-tuning, which has a second network ----
small="--data builtin:shapes --batch 4 --set data.resolution=8 --set model.channels=8 --set model.blocks=1
       --set model.multipliers=1 --set train.lr_warmup=0"
# shellcheck disable=SC2086
{
    expect "a teacher of pictures" 0 "$ayf" train t $small --steps 2
    expect "its student" 0 "$ayf" distill s --teacher t $small --steps 2 --set distill.guidance=none
    expect "fine-tuned" 0 "$ayf" finetune f --student s --steps 2 $widths
}
expect "its average" 0 "$ayf" ema f --width 0.05 --out f.safetensors
expect "is the one that was kept" 0 python3 compare.py f.safetensors f/snapshots/step-00000002.safetensors ema1.
is "< 1e-5"

# ---- Divergence ----
# A rate that the network does not stand, after a good beginning.
# shellcheck disable=SC2086
expect "a run that diverges" 4 "$ayf" train wild $small $widths --steps 100 --set train.lr=10 --set train.lr_warmup=100 \
    --set train.lr_schedule=constant --set train.weight_norm=false --set model.clip_act=0 --set save.every=4 --set save.snapshots=2 \
    --set save.keep=0
good=$(sed -n 's/.*the checkpoint of step \([0-9]*\) and.*/\1/p' err)
for snapshot in wild/snapshots/*; do
    step=$(basename "$snapshot" .safetensors | sed 's/step-0*//')
    [ "$step" -lt 100 ] && [ "$step" -le $((${good:-0} + 4)) ] || bad "$snapshot is newer than step ${good:-?}"
done
expect "goes back" 0 "$ayf" train wild --set train.on_divergence=rollback --set train.rollback_rate=0.01
expect "has one past" 0 "$ayf" ema wild --width 0.1 --out wild.safetensors
# A snapshot waits while the loss looks as if it were to diverge, and two may become one: how often depends on rounding.
kept=$(ls wild/snapshots | wc -l)
[ "$kept" -ge 45 ] && [ "$kept" -le 50 ] || bad "$kept snapshots, where one run of 100 steps has a snapshot every 2"
says "in $kept snapshots"
expect "which is whole" 0 python3 compare.py wild.safetensors wild/snapshots/step-00000100.safetensors ema2.
is "< 1e-5"

# ---- Stopped and resumed ----
# shellcheck disable=SC2086
expect "a run to interrupt" 0 "$ayf" train resumed $long $widths
cp -r resumed whole
rm resumed/checkpoints/step-00000040.safetensors resumed/checkpoints/step-00000060.safetensors
echo x >resumed/snapshots/step-00000050.safetensors # of a kill: newer than the checkpoint
echo x >resumed/snapshots/step-00000055.safetensors
expect "goes on from its checkpoint" 0 "$ayf" train resumed
for step in 10 20 30 40 50 60; do
    same "whole/snapshots/step-000000$step.safetensors" "resumed/snapshots/step-000000$step.safetensors"
done
absent resumed/snapshots/step-00000055.safetensors
same whole/checkpoints/step-00000060.safetensors resumed/checkpoints/step-00000060.safetensors
same whole/model.safetensors resumed/model.safetensors
expect "other widths do not fit the checkpoint" 2 "$ayf" train resumed --steps 80 --set train.ema_widths=0.05 \
    --allow-change
says "train.ema_widths" && one_line

# ---- Misuse ----
expect "no snapshots" 2 "$ayf" ema plain --width 0.08 --out x
says "train.ema_widths=0.05,0.1" && one_line && absent x
expect "no run" 3 "$ayf" ema run/snapshots --width 0.08 --out x
says "no run folder" && one_line
expect "nothing there" 1 "$ayf" ema nowhere --width 0.08 --out x
says "nowhere" && one_line
expect "no width" 2 "$ayf" ema run --out x
says "--width 0.08" && one_line
for width in 0 0.3 -1 nan wide; do
    expect "width $width" 2 "$ayf" ema run --width $width --out x
    says "width" && one_line && absent x
done
expect "no file" 2 "$ayf" ema run --width 0.08
says "--out FILE" && one_line
expect "a step without a snapshot" 2 "$ayf" ema run --width 0.08 --step 15 --out x
says "10, 20, 30, 40, 50, 60" && one_line && absent x
expect "no place" 1 "$ayf" ema run --width 0.08 --out no/such/x
says "no/such/x" && one_line
expect "a width twice" 2 "$ayf" train twice --data builtin:ring --set train.ema_widths=0.05,0.05
says "train.ema_widths" && one_line && absent twice
expect "a width out of range" 2 "$ayf" train wide --data builtin:ring --set train.ema_widths=0.05,0.5
says "train.ema_widths" && one_line && absent wide
cp -r run damaged
python3 -c 'import sys
path = "damaged/snapshots/step-00000030.safetensors"
data = bytearray(open(path, "rb").read())
data[-5] ^= 16
open(path, "wb").write(data)'
expect "a damaged snapshot" 3 "$ayf" ema damaged --width 0.08 --out x
says "step-00000030.safetensors" && one_line && absent x
rm damaged/snapshots/step-00000030.safetensors
expect "the others do without it" 0 "$ayf" ema damaged --width 0.08 --out without.safetensors
says "from 10 averages in 5 snapshots"
head -c 100 run/snapshots/step-00000060.safetensors >damaged/snapshots/step-00000060.safetensors
expect "half a snapshot" 3 "$ayf" ema damaged --width 0.08 --out x
says "step-00000060.safetensors" && one_line && absent x
cp run/model.safetensors damaged/snapshots/step-00000060.safetensors
expect "a model in its place" 3 "$ayf" ema damaged --width 0.08 --out x
says "not a snapshot" && one_line && absent x
finish
