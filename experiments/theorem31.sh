#!/bin/sh
# experiments/theorem31.sh [FOLDER]      (about ten minutes on two cores)
# Theorem 3.1 of Align Your Flow in miniature. Data are N(0, 0.5^2 I) in the plane, the teacher is its exact velocity.
# A consistency model (trained with s = 0 only) is sampled as such: jump to the data, add noise again, jump. A flow
# map is sampled by jumping from time to time. The table shows the standard deviation of the samples, which should
# be 0.5, and the 2-Wasserstein distance to the data under the Gaussian form, |std - 0.5|, in thousandths. The
# sampling error of the deviation is below 0.001.
set -eu
folder=${1:-runs/theorem31}
ayf=${AYF:-build/ayf}
count=100000
common="--data builtin:gaussian --steps 3000 --batch 512 --set train.lr=0.001 --set model.kind=mlp --set model.hidden=64
    --set model.layers=2 --set data.labels=false --set distill.teacher=analytic --set distill.guidance=none
    --set distill.student_init=scratch --set distill.norm=rms --set distill.norm_c=1 --set save.grid_every=0"
mkdir -p "$folder"

# shellcheck disable=SC2086
[ -f "$folder/consistency.done" ] || {
    "$ayf" distill "$folder/consistency" $common --set distill.s_zero_only=true >&2
    touch "$folder/consistency.done"
}
# shellcheck disable=SC2086
[ -f "$folder/flowmap.done" ] || {
    "$ayf" distill "$folder/flowmap" $common --set distill.p_st=0.3 --set distill.p_s0=0.2 >&2
    touch "$folder/flowmap.done"
}

deviation() { # MODEL STEPS GAMMA
    "$ayf" sample "$1" --steps "$2" --gamma "$3" --seeds 0-$((count - 1)) --out "$folder/points.csv" >&2
    awk -F, 'NR > 1 { n += 2; s += $3 + $4; q += $3 * $3 + $4 * $4 }
             END { m = s / n; d = sqrt(q / n - m * m); e = (d - 0.5) * 1000; printf "%.4f  %6.1f", d, e < 0 ? -e : e }' \
        "$folder/points.csv"
}

echo "steps   consistency model (gamma 1)   flow map (gamma 0)   flow map (gamma 1)"
echo "        std       W2 x 1000           std       W2 x 1000  std       W2 x 1000"
for steps in 1 2 4 8 16; do
    printf '%-7s %s              %s     %s\n' "$steps" "$(deviation "$folder/consistency/model.safetensors" "$steps" 1)" \
        "$(deviation "$folder/flowmap/model.safetensors" "$steps" 0)" \
        "$(deviation "$folder/flowmap/model.safetensors" "$steps" 1)"
done
