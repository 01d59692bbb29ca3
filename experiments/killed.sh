#!/bin/sh
# experiments/killed.sh [FOLDER [SEED]]      (about two minutes)
# A run of several processes outlives the death of any of them. Ten times, a run of two processes loses one by kill -9,
# at a random step, and is resumed. Printed: which process died in which step, the seconds until mpirun has ended,
# its exit code, and whether the resumed run made the bytes of one that was never disturbed. Exit status 1 when one did
# not, or took more than 10 seconds to end.
set -eu
folder=${1:-runs/killed}
seed=${2:-1}
ayf=$(realpath "${AYF:-build/ayf}")
steps=300
rm -rf "$folder"
mkdir -p "$folder"
cd "$folder"
: "${AYF_THREADS:=1}"
export AYF_THREADS OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1

together() { # FOLDER
    rm -f pid.0 pid.1
    # shellcheck disable=SC2016
    mpirun -n 2 sh -c 'echo $$ >pid.$OMPI_COMM_WORLD_RANK; exec "$@"' sh "$ayf" train "$1" --data builtin:shapes \
        --set data.resolution=8 --set model.channels=16 --batch 16 --steps $steps --set save.every=20 \
        --set save.log_every=1 --set save.grid_every=0 >>out 2>&1
}

lines() { if [ -f run/log.jsonl ]; then wc -l <run/log.jsonl; else echo 0; fi; }

together straight
failed=0
printf '%-8s %-6s %-8s %-5s %s\n' process step seconds exit resumed
for try in 1 2 3 4 5 6 7 8 9 10; do
    # shellcheck disable=SC2046
    set -- $(awk -v seed="$seed" -v try="$try" -v steps=$steps 'BEGIN { srand(100 * seed + try); rand();
        print int(2 * rand()), 1 + int((steps - 20) * rand()) }')
    rm -rf run
    together run &
    launcher=$!
    while [ "$(lines)" -lt "$2" ]; do sleep 0.02; done
    kill -9 "$(cat "pid.$1")"
    start=$(date +%s.%N) code=0
    wait $launcher || code=$?
    seconds=$(echo "$(date +%s.%N) $start" | awk '{ printf "%.1f", $1 - $2 }')
    together run
    bytes="the same bytes"
    for file in model.safetensors "checkpoints/$(printf 'step-%08d' $steps).safetensors"; do
        cmp -s "run/$file" "straight/$file" || bytes="other bytes"
    done
    printf '%-8s %-6s %-8s %-5s %s\n' "$1" "$2" "$seconds" $code "$bytes"
    [ "$bytes" = "the same bytes" ] && [ "${seconds%.*}" -lt 10 ] && [ $code -ne 0 ] || failed=1
done
exit $failed
