#!/bin/sh
# test_mpi.sh PROGRAM HAS_MPI FAKE
# Runs of two processes, started by mpirun: the losses of one process, one voice, stopping, and a process that dies.
set -u
program=$1
has_mpi=$2
fake=$3 # the folder of a GPU for tests
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
export AYF_THREADS=1

if [ "$has_mpi" != true ]; then
    expect "a build without MPI says so" 2 env OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=0 "$program" train run
    says "this build of ayf does not have"
    absent run
    finish
fi
if ! command -v mpirun >/dev/null; then
    echo "there is no mpirun here, so runs of several processes are not tested"
    exit 77
fi
# Open MPI asks for this of root, and for more processes than processors.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none

# What MPI's modules keep is in libraries that are gone at the end, so no suppression knows it.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"

# together VERB FOLDER ...: two processes, whose numbers are left in pid.0 and pid.1
together() {
    rm -f pid.0 pid.1
    # shellcheck disable=SC2016
    mpirun -n 2 sh -c 'echo $$ >pid.$OMPI_COMM_WORLD_RANK; exec "$@"' sh "$program" "$@"
}

# losses FOLDER FOLDER TOLERANCE: the logs have the same steps and, to rounding, the same losses and norms
losses() {
    python3 - "$@" <<'PYTHON' >>"$work/out" || bad "the losses of $1 and $2 differ"
import json, sys
a, b = ([json.loads(line) for line in open(folder + "/log.jsonl")] for folder in sys.argv[1:3])
worst = max(abs(x[k] - y[k]) / max(1e-6, abs(x[k])) for x, y in zip(a, b) for k in ("loss", "grad_norm"))
print("largest difference", worst, "in", len(a), "lines")
sys.exit(not (len(a) == len(b) > 1 and [x["step"] for x in a] == [x["step"] for x in b] and worst < float(sys.argv[3])))
PYTHON
}

one_voice() { [ "$(grep -c "$1" "$work/err")" -eq 1 ] || bad "not said once: $1"; }

# stop_at LINES SIGNAL RANK: as soon as the log has so many lines
stop_at() {
    while [ ! -s run/log.jsonl ] || [ "$(wc -l <run/log.jsonl)" -lt "$1" ]; do sleep 0.05; done
    kill "-$2" "$(cat "pid.$3")"
}

# stopped_together LINES SIGNAL RANK VERB ...: of the run in the folder "run"
stopped_together() {
    stop_at "$1" "$2" "$3" &
    shift 3
    together "$@"
    code=$?
    wait
    return $code
}

whole_files() { [ "$(ls run/checkpoints | grep -vc '^step-.*[0-9].safetensors$')" -eq 0 ] || bad "half a file is left"; }

unet="--data builtin:shapes --set data.resolution=8 --set model.channels=8 --set model.multipliers=1,2
    --set model.blocks=1 --set save.log_every=1 --set train.lr=0.01 --batch 16 --set train.precision=highest"
mlp="--data builtin:ring --set data.labels=false --set model.kind=mlp --set model.hidden=16 --set model.layers=2
    --set save.log_every=1 --set train.lr=0.002 --batch 32 --set train.precision=highest --set distill.guidance=none"

# shellcheck disable=SC2086
{
    expect "a teacher by one process" 0 "$program" train one $unet --steps 200
    expect "a teacher by two" 0 together train two $unet --steps 200
    prints "two/model.safetensors"
    [ "$(wc -l <"$work/out")" -eq 1 ] || bad "not one line on stdout"
    one_voice "train: finished"
    one_voice "planned for a step of each process"
    losses one two 1e-4

    expect "a student of points by one process" 0 "$program" distill s1 $mlp --steps 200 --teacher analytic \
        --set distill.student_init=scratch
    expect "a student of points by two, in parts" 0 together distill s2 $mlp --steps 200 --teacher analytic \
        --set distill.student_init=scratch --set train.accumulate=2
    losses s1 s2 1e-4

    expect "a student of images" 0 "$program" distill student $unet --steps 5 --teacher one \
        --set distill.guidance=none
    tune="--student student --steps 8 --set train.precision=highest --set save.log_every=1 --set finetune.channel_base=64
        --set finetune.channel_max=8 --set finetune.penalty_every=2 --set finetune.disc_first=2"
    expect "fine-tuning by one process" 0 "$program" finetune f1 $tune
    expect "fine-tuning by two" 0 together finetune f2 $tune
    losses f1 f2 1e-4

    # Two GPUs, one for each process.
    export AYF_CUDA_PATH="$fake" AYF_CACHE="$work/cache" AYF_FAKE_GPUS=2
    expect "a teacher by one GPU" 0 "$program" train g1 $unet --steps 20 --device cuda
    expect "a teacher by two" 0 together train g2 $unet --steps 20 --device cuda
    losses g1 g2 1e-4
    expect "a student by two GPUs, in parts" 0 together distill g3 $mlp --steps 20 --teacher analytic \
        --set distill.student_init=scratch --set train.accumulate=2 --device cuda
    # The fake sums without a process that failed as little as NCCL does.
    expect "a GPU that fails" 1 timeout 100 mpirun -n 1 "$program" train g5 $unet --steps 200 --set save.every=5 --device cuda : \
        -n 1 env AYF_FAKE_FAIL=replay:20 "$program" train g5 $unet --steps 200 --set save.every=5 --device cuda
    one_voice "process 2 of 2: fake GPU (cuda:1) failed while "
    rm -f /dev/shm/ayf-nccl-* # what the process that was killed did not remove
    expect "leaves a checkpoint that one GPU goes on from" 0 "$program" train g5 --steps 21 --device cuda
    one_voice "resuming after step"
    AYF_FAKE_GPUS=1
    expect "two processes, one GPU" 2 together train g4 $unet --steps 20 --device cuda
    one_voice "each needs a GPU of its own"
    unset AYF_CUDA_PATH AYF_CACHE AYF_FAKE_GPUS

    expect "a batch that cannot be shared" 2 together train odd $unet --set train.batch=15
    one_voice "train.batch = 15 cannot be shared evenly by 2 processes"
    absent odd/config.yaml
    expect "a setting that is not there" 2 together train odd $unet --set train.batsch=3
    one_voice "did you mean"
    expect "an option that is not there" 2 together train odd --stepz 3
    one_voice "did you mean"
    expect "a verb of one process" 2 together sample one
    one_voice "start it without mpirun"
    expect "data that are not there" 1 together train odd --data nowhere
    one_voice "ayf: nowhere"

    again="train run $unet --steps 200 --set save.every=10"
    expect "straight through" 0 together $again
    mv run straight
    for how in "TERM 1 12 75" "USR1 0 25 75" "KILL 1 17 137" "KILL 0 33 137"; do
        set -- $how
        rm -rf run
        expect "SIG$1 to process $2" "$4" stopped_together "$3" "$1" "$2" $again
        [ "$4" -ne 75 ] || says "  mpirun -n 2 sh -c 'echo"
        [ "$1" = KILL ] || whole_files # which may come while one is written
        expect "resumed after SIG$1 to process $2" 0 together $again
        whole_files
        same run/model.safetensors straight/model.safetensors
        same run/checkpoints/step-00000200.safetensors straight/checkpoints/step-00000200.safetensors
    done
    expect "one process goes on" 0 "$program" train run --steps 210
}
finish
