#!/bin/sh
# tests/cli/test_export.sh AYF TEST_EXPORT SOURCE
# ayf export as a user runs it, and what it writes in the hands of ONNX Runtime, OpenVINO and PyTorch. Those cases skip
# where the modules are missing; AYF_PEERS_PYTHON names a Python that has them (docs/export.md).
set -u
ayf=$1
test_export=$2
source=$3
. "$source/tests/support/cases.sh"
cd "$work" || exit 1
: >out && : >err
export AYF_THREADS=1
python=${AYF_PEERS_PYTHON:-python3}
has() { "$python" -c "import $1" 2>/dev/null; }

tiny="--data builtin:shapes --batch 4 --steps 2 --set data.resolution=8 --set model.channels=8 --set model.multipliers=1,2
      --set model.blocks=1 --set model.attention=4 --set model.channels_per_head=16 --set train.lr_warmup=0
      --set train.label_dropout=0.1"
expect "a teacher" 0 "$ayf" train teacher $tiny
expect "a student" 0 "$ayf" distill student --teacher teacher --cfg --data builtin:shapes --batch 4 --steps 2

# ---- Files ----
expect "one call" 0 "$ayf" export student --format onnx --out call.onnx
prints "call.onnx" && exists call.onnx
expect "a sampler" 0 "$ayf" export student --format onnx --times 1,0.4,0 --guidance 1.5 --out sampler.onnx
exists sampler.onnx
expect "a guided teacher" 0 "$ayf" export teacher --format onnx --cfg --guidance 2 --steps 4 --solver euler --out t.onnx
expect "a file of its own size" 0 "$ayf" export student --format onnx --dtype f16 --out half.onnx
[ "$(wc -c <half.onnx)" -lt "$(($(wc -c <call.onnx) * 3 / 4))" ] || bad "f16 is not smaller"
expect "the same bytes again" 0 "$ayf" export student --format onnx --out again.onnx
same call.onnx again.onnx
expect "weights" 0 "$ayf" export teacher --format safetensors --dtype bf16 --out weights.safetensors
expect "a C program" 0 "$ayf" export student --format c --steps 2 --out student.c
expect "it compiles" 0 ${CC:-cc} -std=c99 -pedantic -Wall -Wextra -Werror -O2 student.c -o student.bin -lm
expect "it draws what ayf draws" 0 sh -c "./student.bin 7 >seven.ppm && head -c 2 seven.ppm"
prints "P6"
expect "a full disk" 1 sh -c "./student.bin 7 >/dev/full"
says "cannot write"
while read -r arguments; do
    # shellcheck disable=SC2086
    expect "./student.bin $arguments" 2 ./student.bin $arguments
    says "CLASS"
done <<'END'
abc
-1
7x
99999999999999999999
7 99
7 -2
7 cat
7 1 -1
7 1 two
7 1 2 picture
7 1 2 text more
END
expect "a class, steps, text" 0 ./student.bin 7 3 1 text
expect "ayf's picture" 0 "$ayf" sample student --seeds 7 --steps 2 --out seven/
if has "numpy, PIL"; then
    expect "the same pixels" 0 "$python" -c 'import sys, glob, numpy as np
from PIL import Image
a, b = (np.asarray(Image.open(name).convert("RGB")).astype(int) for name in ("seven.ppm", glob.glob("seven/*.png")[0]))
sys.exit(a.shape != b.shape or abs(a - b).max() > 1)'
fi

# ---- Misuse ----
expect "no format" 2 "$ayf" export student --out x
says "--format onnx, safetensors or c" && one_line
expect "an unknown format" 2 "$ayf" export student --format onx --out x
says "must be onnx, safetensors or c" && says "did you mean onnx" && one_line
expect "diffusers" 2 "$ayf" export student --format diffusers --out x
says "docs/export.md" && one_line
expect "the reference solver" 2 "$ayf" export teacher --format c --solver reference --out x
says "must be euler or heun" && one_line
expect "what export takes" 0 "$ayf" help export
prints "euler|heun" && prints "onnx|safetensors|c"
! grep -q "reference\|diffusers" out || bad "help offers what is refused"
expect "no file" 2 "$ayf" export student --format onnx
says "--out FILE" && one_line
expect "an unknown type" 2 "$ayf" export student --format onnx --dtype f8 --out x
says "--dtype f8" && one_line
expect "steps for weights" 2 "$ayf" export student --format safetensors --steps 2 --out x
says "takes no steps (--steps)" && one_line
expect "no model" 1 "$ayf" export none --format onnx --out x
says "none" && one_line
expect "no place" 1 "$ayf" export student --format onnx --out no/such/x
says "no/such/x" && one_line
expect "steps against times" 2 "$ayf" export student --format onnx --steps 3 --times 1,0.5,0 --out x
says "leave one out" && one_line
close_case
[ ! -e x ] || { case_name="nothing is written"; case_bad="    x exists"; close_case; }

# ---- Other programs ----
if has "onnx, onnxruntime, safetensors, numpy"; then
    mkdir keep
    expect "models for runtimes" 0 env AYF_EXPORT_KEEP="$work/keep" "$test_export"
    expect "runtimes compute what the library does" 0 "$python" "$source/tests/export/check_onnx.py" keep
    expect "the program's files pass the checker" 0 "$python" -c 'import onnx
for name in ("call", "sampler", "t", "half"): onnx.checker.check_model(name + ".onnx", full_check=True)'
else
    echo "no onnx, onnxruntime and safetensors in $python: what needs them is skipped"
fi
if has "torch, safetensors"; then
    expect "PyTorch loads the weights strictly" 0 "$python" "$source/scripts/peers/load.py" weights.safetensors
    expect "a student's too" 0 "$ayf" export student --format safetensors --out student.safetensors
    expect "PyTorch loads a student" 0 "$python" "$source/scripts/peers/load.py" student.safetensors
else
    echo "no torch and safetensors in $python: what needs them is skipped"
fi
finish
