#!/bin/sh
# experiments/theorem31.sh [FOLDER]      (a few minutes on two cores)
# Theorem 3.1 of Align Your Flow in miniature. Data are N(0, 0.5^2 I) in the plane, the teacher is its exact velocity.
# A consistency model (trained with s = 0 only) is sampled as such: jump to the data, add noise again, jump
# (gamma = 1). A flow map jumps from time to time (gamma = 0). Both are small and trained briefly, so that both
# have errors to add up. Printed: the 2-Wasserstein distance between the samples and the data under the Gaussian
# form, |std - 0.5|, in thousandths: mean over three seeds and, in brackets, the smallest and the largest. The
# sampling error of one figure is about 0.8.
set -eu
folder=${1:-runs/theorem31}
ayf=${AYF:-build/ayf}
count=100000
common="--data builtin:gaussian --steps 3000 --batch 512 --set train.lr=0.001 --set model.kind=mlp --set model.hidden=64
    --set model.layers=2 --set data.labels=false --set distill.teacher=analytic --set distill.guidance=none
    --set distill.student_init=scratch --set distill.norm=rms --set distill.norm_c=1 --set save.grid_every=0"
mkdir -p "$folder"

for seed in 0 1 2; do
    # shellcheck disable=SC2086
    [ -f "$folder/consistency-$seed/model.safetensors" ] ||
        "$ayf" distill "$folder/consistency-$seed" $common --seed $seed --set distill.s_zero_only=true >&2
    # shellcheck disable=SC2086
    [ -f "$folder/flowmap-$seed/model.safetensors" ] ||
        "$ayf" distill "$folder/flowmap-$seed" $common --seed $seed --set distill.p_st=0.3 --set distill.p_s0=0.2 >&2
done

distance() { # MODEL STEPS GAMMA
    "$ayf" sample "$1" --steps "$2" --gamma "$3" --seeds 0-$((count - 1)) --out "$folder/points.csv" >&2
    awk -F, 'NR > 1 { n += 2; s += $3 + $4; q += $3 * $3 + $4 * $4 }
             END { m = s / n; e = (sqrt(q / n - m * m) - 0.5) * 1000; print e < 0 ? -e : e }' "$folder/points.csv"
}

over_seeds() { # NAME STEPS GAMMA
    for seed in 0 1 2; do distance "$folder/$1-$seed/model.safetensors" "$2" "$3"; done |
        awk 'NR == 1 { low = high = $1 } { s += $1; if ($1 < low) low = $1; if ($1 > high) high = $1 }
             END { printf "%5.1f [%4.1f, %4.1f]", s / NR, low, high }'
}

printf '%-6s %-24s %s\n' steps "consistency model" "flow map"
for steps in 1 2 4 8 16; do
    printf '%-6s %-24s %s\n' $steps "$(over_seeds consistency $steps 1)" "$(over_seeds flowmap $steps 0)"
done
