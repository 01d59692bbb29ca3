#!/bin/sh
# tests/cli/test_report.sh AYF SOURCE_ROOT
# The page of `ayf report`, and what a browser makes of it.
set -u
ayf=$1
root=$2
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
: >out && : >err
export AYF_THREADS=1
tiny="--data builtin:shapes --batch 4 --set data.resolution=8 --set model.channels=8 --set model.multipliers=1
      --set model.blocks=1 --set train.lr_warmup=0 --set save.log_every=1 --set save.grid_every=2"

# The JSON in the page; fails when it is none.
data_of() {
    python3 -c 'import json, re, sys
text = open(sys.argv[1], encoding="utf-8").read()
found = re.search(r"<script type=\"application/json\" id=\"runs\">(.*?)</script>", text, re.S)
runs = json.loads(found.group(1))["runs"]
print(eval("(" + sys.argv[2] + ")", {"runs": runs, "names": lambda run: [s["name"] for s in run["series"]]}))' "$@"
}

# shellcheck disable=SC2086
expect "a teacher" 0 "$ayf" train teacher $tiny --steps 6
# shellcheck disable=SC2086
expect "a student" 0 "$ayf" distill student --teacher teacher $tiny --steps 4 --set distill.guidance=none
"$ayf" eval student --teacher teacher --pairs 2 --calls 1,2 --json >student/eval.json 2>err
expect "a report of two runs" 0 "$ayf" report teacher student --out page.html
prints "page.html" && exists page.html
expect "no tag loads anything" 1 grep -E '(src|href)="?(http|//)' page.html
expect "curves" 0 data_of page.html 'sorted(set(names(runs[1])) & {"loss", "lr", "tangent_rms", "tangent_rms_by_t"})
    + [len(s["values"]) for s in runs[0]["series"] if s["name"] == "loss"]'
prints "['loss', 'lr', 'tangent_rms', 'tangent_rms_by_t', 6]"
expect "sample grids over time" 0 data_of page.html '[p["label"] for p in runs[0]["samples"]]'
prints "['step 2', 'step 4', 'step 6']"
expect "grids over steps and gamma" 0 data_of page.html '[p["label"] for p in runs[1]["drawn"]]'
prints "'1 call, gamma 0'" && prints "'8 calls, gamma 1'"
expect "every picture is a PNG" 0 data_of page.html 'set(p["png"][:11] for r in runs for p in r["drawn"] + r["samples"])'
prints "{'iVBORw0KGgo'}"
expect "distances" 0 data_of page.html 'runs[1]["evaluations"][0]["value"]["fidelity"]["rows"][1]["calls"]'
prints "2"
expect "configurations" 0 data_of page.html '[r["config"]["distill.teacher"] for r in runs]'
prints '/teacher"'
expect "without drawing" 0 "$ayf" report student --no-drawing --out plain.html
expect "nothing is drawn" 0 data_of plain.html 'runs[0]["drawn"]'
prints "[]"

# ---- Runs that are not as they should be ----
cp -r teacher 'a<!--<script>&"'
printf 'no json\n{"step":7,"loss":null}\n{"step":8,"loss":' >>'a<!--<script>&"/log.jsonl'
echo '<script>' >'a<!--<script>&"/eval-x.json'
sed -i 's|source: .*|source: "</script><b>"|' 'a<!--<script>&"/config.yaml'
rm 'a<!--<script>&"/model.safetensors'
expect "a run that is damaged, with a name of markup" 0 "$ayf" report 'a<!--<script>&"' --out odd.html
expect "its name is whole" 0 data_of odd.html 'runs[0]["folder"]'
prints 'a<!--<script>&"'
expect "a value with markup is whole" 0 data_of odd.html 'runs[0]["config"]["data.source"]'
prints '</script><b>'
expect "its damage is said" 0 data_of odd.html 'runs[0]["advice"]'
prints "has no model yet" && prints "1 of 8 lines" && prints "1 of 7 values of loss"
expect "a file that is no JSON is null" 0 data_of odd.html 'runs[0]["evaluations"]'
prints "'value': None"
python3 -c 'print("\n{\"step\":9,\"many\":[" + ",".join("1" * 40000) + "]," + ",".join("\"k%d\":1" % i for i in range(3000)) + "}")' \
    >>'a<!--<script>&"/log.jsonl'
for i in $(seq 10 90); do echo "{\"n\":$i}" >"a<!--<script>&\"/eval$i.json"; done
expect "a log and evaluations without end" 0 "$ayf" report 'a<!--<script>&"' --out odd.html
expect "have one in the page" 0 data_of odd.html '[len(runs[0]["series"]), [len(runs[0]["evaluations"]),
    runs[0]["evaluations"][0], runs[0]["evaluations"][-1]["name"]]]'
prints "[1000, [64, {'name': 'eval-x.json', 'value': None}, 'eval72.json']]"
printf 'damaged' >'a<!--<script>&"/model.safetensors'
expect "a damaged model does not cost the page" 0 "$ayf" report 'a<!--<script>&"' --out odd.html
expect "the page says why" 0 data_of odd.html 'runs[0]["not_drawn"]'
prints "model.safetensors"
# shellcheck disable=SC2086
"$ayf" train wild $tiny --steps 20 --set train.lr=10 >out 2>err
expect "a run that diverged" 0 "$ayf" report wild --out wild.html
expect "its state and the reason" 0 data_of wild.html '[runs[0]["state"]] + runs[0]["advice"]'
prints "['diverged'" && prints "The run has diverged (step "
# shellcheck disable=SC2086
"$ayf" train back $tiny --steps 20 --set train.lr=10 --set train.on_divergence=rollback >out 2>err
expect "a run that went back" 0 "$ayf" report back --out back.html --no-drawing
expect "it says so" 0 data_of back.html 'runs[0]["advice"]'
prints "went back to an earlier checkpoint"
expect "no run" 2 "$ayf" report
expect "a folder that is none" 1 "$ayf" report nowhere --out page2.html
says "nowhere" && one_line && absent page2.html
mkdir empty
expect "a folder without a run" 3 "$ayf" report empty --out page2.html
says "no run folder" && one_line && absent page2.html
expect "a page that cannot be written" 1 "$ayf" report teacher --out nowhere/page.html
says "nowhere" && one_line

# ---- In a browser ----
"$root/scripts/check_report.sh" page.html shot.png >out 2>err
if [ $? -eq 77 ]; then
    echo "no browser here: the page was not opened"
else
    expect "the page runs in a browser" 0 "$root/scripts/check_report.sh" page.html shot.png
    exists shot.png
    expect "so does the page of the damaged run" 0 "$root/scripts/check_report.sh" odd.html odd.png
    sed 's/^  summary();/  summary(); nothing();/' page.html >broken.html
    expect "the check sees a script that fails" 1 "$root/scripts/check_report.sh" broken.html broken.png
    says "nothing is not defined"
fi
finish
