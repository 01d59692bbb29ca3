#!/bin/sh
# test_cuda.sh PROGRAM FAKE SANITIZER
# The program on a GPU for tests, whose libraries lie in the folder FAKE (tests/cuda/fake.h): whole runs of every kind
# beside those of the CPU, what records the device, resuming on another one, too little memory, what is missing.
set -u
ayf=$1
fake=$2
sanitizer=$3
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
unset LD_LIBRARY_PATH
export AYF_THREADS=1 AYF_CUDA_PATH="$fake" AYF_CACHE="$work/cache"
# Libraries of kernels are gone when leaks are looked for.
[ "$sanitizer" = none ] || export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
unet="--data builtin:shapes --set data.resolution=8 --set model.channels=8 --set model.multipliers=1,2
      --set model.blocks=1 --set model.attention=4 --set model.channels_per_head=8"
each="--batch 4 --set save.grid_every=0 --set save.log_every=10 --set train.precision=highest"
steps=50

# losses A B: the logs of two runs have the same steps and, to rounding, the same losses and norms
losses() {
    python3 - "$1" "$2" <<'PYTHON' >>"$work/out" || bad "the losses of $1 and $2 differ: $(tail -1 "$work/out")"
import json, sys

a, b = ([json.loads(line) for line in open(folder + "/log.jsonl")] for folder in sys.argv[1:])
worst = max(abs(x[k] - y[k]) / max(1e-3, abs(x[k])) for x, y in zip(a, b) for k in ("loss", "grad_norm"))
print("largest difference", worst, "in", len(a), "lines")
sys.exit(not (len(a) == len(b) > 1 and [x["step"] for x in a] == [x["step"] for x in b] and worst < 2e-3))
PYTHON
}
# both NAME VERB OPTIONS ...: the run NAME on either device
both() {
    name=$1 verb=$2
    shift 2
    expect "$verb on the CPU: $name" 0 "$ayf" "$verb" "cpu-$name" "$@" $each --steps $steps
    expect "$verb on the GPU: $name" 0 "$ayf" "$verb" "cuda-$name" "$@" $each --steps $steps --device cuda
    losses "cpu-$name" "cuda-$name"
}

# shellcheck disable=SC2086
{
    both teacher train $unet
    expect "a weak teacher" 0 "$ayf" train weak $unet $each --steps 5
    both student distill --teacher cpu-teacher --weak weak --set distill.regress_steps=2
    both lmd distill --teacher cpu-teacher --set distill.loss=lmd --set distill.guidance=none
    both meanflow distill $unet --set distill.target=data --set distill.guidance=none --set distill.student_init=scratch
    both midtrained distill --teacher cpu-teacher --set distill.guidance=none --set distill.midtrain_steps=25 \
        --set distill.midtrain_trajectories=8
    both tuned finetune --student cpu-student --set finetune.channel_base=64 --set finetune.channel_max=32
    both points train --data builtin:ring --set model.kind=mlp --set model.hidden=16 --set model.layers=2

    expect "the log has the device" 0 head -1 cuda-teacher/log.jsonl
    prints '"machine":"cuda fake GPU, driver 13.0, NVRTC 13.0, cuBLASLt 13.1.0, cuDNN 9.19.0, ' && prints '"precision":"highest"'
    expect "the configuration has the device" 0 grep -c 'device: "cuda"' cuda-teacher/config.yaml
    expect "the model has the device" 0 "$ayf" info cuda-teacher/model.safetensors
    prints "computed on  cuda fake GPU"
    expect "a checkpoint has the device" 0 "$ayf" info cuda-teacher/checkpoints/step-000000${steps}.safetensors
    prints "computed on  cuda fake GPU"
    expect "a model of the CPU has none" 0 "$ayf" info cpu-teacher/model.safetensors
    ! grep -q "computed on" out || bad "it has one"

    expect "a run of the GPU goes on on the CPU" 0 "$ayf" train cuda-teacher --device cpu --steps 52
    says "goes on with cpu" && says "it was computed with cuda fake GPU"
    expect "the run that is resumed keeps its device" 0 "$ayf" train cpu-teacher --set train.device=cuda --steps 51
    expect "without being told again" 0 "$ayf" train cpu-teacher --steps 52
    expect "its device" 0 tail -1 cpu-teacher/log.jsonl
    prints '"machine":"cuda fake GPU'

    expect "samples of the CPU" 0 "$ayf" sample cpu-student --seeds 0-3 --steps 2 --out cpu.png
    expect "samples of the GPU" 0 "$ayf" sample cpu-student --seeds 0-3 --steps 2 --out cuda.png --device cuda
    exists cuda.png
    expect "an evaluation" 0 "$ayf" eval cpu-student --device cuda --teacher cpu-teacher --pairs 8 --calls 1
    prints "student"
    expect "a distance with its recipe" 0 "$ayf" eval cpu-points --data builtin:ring --images 200 --calls 2 --device cuda
    prints "device     cuda fake GPU"
    expect "in bfloat16" 0 "$ayf" train narrow $unet --batch 4 --set model.channels=16 --set save.grid_every=0 --steps 3 \
        --set train.precision=bf16 --device cuda

    expect "what this machine has" 0 "$ayf" info
    prints "cuda:0     fake GPU, compute capability 9.0, 1 GiB" && prints "  cuDNN    $fake"
    expect "a GPU that it has not" 2 "$ayf" info --device cuda:7
    says "this machine has 1 of them" && one_line
    expect "two contexts of one process" 0 "$ayf" train traced $unet $each --steps 2 --device cuda:0
    expect "a trace" 0 env AYF_TRACE=1 "$ayf" train traced --steps 3
    lines=1 says "cuDNN" && says "cuBLASLt" && says " cuda"

    expect "the plan of a step on the GPU" 0 "$ayf" plan --set data.resolution=8 --set model.channels=8 --device cuda
    prints "memory that a run takes of the GPU at its peak"
    expect "a plan for the device of a configuration" 0 env AYF_CACHE=none "$ayf" plan --set data.resolution=8 \
        --set model.channels=8 --set train.device=cuda
    prints "memory that a run takes of the GPU at its peak" && absent none
    expect "features on a GPU that it has not" 2 "$ayf" eval --fit-features features --data builtin:shapes --device cuda:7
    says "this machine has 1 of them" && one_line && absent features
    expect "a dry run on the GPU" 0 "$ayf" train dry $unet --batch 64 --steps 1 --device cuda --dry-run
    prints "memory      of the GPU: " && prints "(step " && prints "of 992 MiB that it can have" && absent dry
    ! grep -q "data\|checkpoint \|the process" out || bad "the machine's memory is counted as the GPU's"
    expect "too little memory for this batch" 1 env AYF_FAKE_MEMORY=2000000 "$ayf" train small $unet --batch 64 --steps 1 \
        --device cuda --set save.grid_every=0
    says "(memory of the device): batch" && says "train.accumulate" && one_line && absent small

    expect "another GPU" 2 "$ayf" train run $unet $each --steps 1 --device cuda:7
    says "this machine has 1 of them" && one_line && absent run
    expect "a device that there is not" 2 "$ayf" train run $unet $each --steps 1 --device tpu
    says "the devices are cpu, cuda, cuda:N, ref" && one_line && absent run
    expect "what a run fails with is not saved" 1 env AYF_FAKE_FAIL=replay:25 "$ayf" train failing $unet $each --steps 50 \
        --set save.every=10 --device cuda
    says "fake GPU (cuda:0) failed while" && says "unspecified launch failure"
    expect "and it goes on from its last checkpoint" 0 "$ayf" train failing --steps 50
    says "resuming after step 20"
}
expect "libraries in a folder that there is not" 2 env AYF_CUDA_PATH="$fake:nowhere" "$ayf" doctor --device cuda
says "AYF_CUDA_PATH names nowhere, which is not a folder" && one_line
mkdir broken && echo nothing >broken/libcuda.so.1 || exit 1
expect "a library that does not load" 2 env AYF_CUDA_PATH=broken "$ayf" doctor --device cuda
says "NVIDIA's driver does not load: broken/libcuda.so.1: " && one_line
unset AYF_CUDA_PATH
if "$ayf" info | grep -q "there is no NVIDIA driver here"; then
    expect "no driver" 2 "$ayf" train run --device cuda --data builtin:ring --steps 1
    says "there is no NVIDIA driver here (libcuda.so.1 is not found)" && says "use the CPU (--device cpu)" && one_line && absent run
fi
finish
