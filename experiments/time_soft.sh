#!/bin/sh
# experiments/time_soft.sh DATA [FOLDER]      (about an hour of one core; the same command resumes)
# What a student of a teacher that sees ln(sigma)/4, as EDM2's do, should see of the time: ln((t+d)/(1-t+d)), for some d
# (model.time_soft; 0 = the teacher's own label, constant beyond sigma = 0.002 and 80). MNIST at 16 x 16. Prints, for each
# d, RMS |F - v| when the student begins, after 100 steps, and when it has regressed the velocity (distill.regress_steps),
# and the distance to the teacher's accurate solution after all. DATA is the folder with MNIST's four files.
set -eu
data=${1:?usage: experiments/time_soft.sh DATA [FOLDER]}
folder=${2:-runs/time_soft}
ayf=${AYF:-build/ayf}
configs=$(dirname "$0")/../configs
channels=${CHANNELS:-8} teacher_steps=${TEACHER_STEPS:-1500} steps=${STUDENT_STEPS:-1200} regress=${REGRESS:-300}
mkdir -p "$folder"
[ -f "$folder/teacher.done" ] || {
    "$ayf" train "$folder/teacher" --config "$configs/mnist16-teacher.yaml" --data "$data" --steps "$teacher_steps" \
        --set model.channels="$channels" --set model.precond=velocity --set model.time_label=logsnr \
        --set model.bandwidth_noise=1 --set save.grid_every=0 >&2
    touch "$folder/teacher.done"
}
# "d regress_steps"
for pair in ${PAIRS:-0:$regress 0.001:$regress 0.002:$regress 0.005:$regress 0.01:$regress 0.02:$regress 0.005:0}; do
    d=${pair%%:*} first=${pair##*:}
    run=$folder/student-$d-$first
    [ -f "$run.json" ] || {
        "$ayf" distill "$run" --config "$configs/mnist16-student.yaml" --data "$data" --teacher "$folder/teacher" \
            --set distill.guidance=none --steps "$steps" --set model.time_soft="$d" --set distill.regress_steps="$first" \
            --set save.log_every=1 --set save.grid_every=0 >&2
        "$ayf" eval "$run" --teacher "$folder/teacher" --pairs 128 --calls 1,2,4,8 --json >"$run.json.new"
        mv "$run.json.new" "$run.json"
    }
    python3 - "$run" "$d" "$first" <<'PROGRAM'
import json, sys
run, d, first = sys.argv[1:]
log = [json.loads(line) for line in open(run + "/log.jsonl")]
error = [row["error_rms"] for row in log if "error_rms" in row]
def mean(at): return sum(error[at:at + 10]) / 10
rows = json.load(open(run + ".json"))
print(d, first, "begins %.4f" % error[0], "100: %.4f" % mean(95), "%s: %.4f" % (first, mean(max(int(first) - 10, 0))),
      json.dumps(rows.get("fidelity", rows))[:600])
PROGRAM
done
