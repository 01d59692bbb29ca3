#!/bin/sh
# tests/cli/test_cli.sh AYF
# The program as a user runs it.
set -u
ayf=$1
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
: >out && : >err
# Networks this small gain nothing from a second thread, and a busy machine makes two wait for each other.
export AYF_THREADS=1

# The smallest network that has everything: two levels, attention, classes.
tiny="--data builtin:shapes --batch 4 --set data.resolution=8 --set model.channels=8 --set model.multipliers=1,2
      --set model.blocks=1 --set model.attention=4 --set model.channels_per_head=16 --set train.lr_warmup=0"
student="--data builtin:shapes --batch 4 --set train.lr_warmup=0"

# ---- Help and usage ----
expect "help lists the verbs" 0 "$ayf" help
prints "distill" && prints "exit codes"
for verb in data train distill finetune sample info eval golden bench demo help; do
    expect "help $verb" 0 "$ayf" help $verb
    prints "usage: ayf $verb"
done
expect "help config" 0 "$ayf" help config
prints "train.lr"
expect "--help after a verb" 0 "$ayf" sample --help
prints "--seeds"
expect "--version" 0 "$ayf" --version
prints "ayf "
expect "no verb" 2 "$ayf"
says "ayf help" && one_line
expect "unknown verb" 2 "$ayf" smaple
says "did you mean 'sample'" && one_line
expect "unknown option" 2 "$ayf" train run --bacth 3
says "did you mean --batch" && one_line
expect "option without a value" 2 "$ayf" train run --steps
says "needs a value"
expect "option given twice" 2 "$ayf" train run --steps 3 --steps 4
says "twice"
expect "missing argument" 2 "$ayf" train
says "RUN_FOLDER"
expect "too many arguments" 2 "$ayf" info a b
says "unexpected argument 'b'"
expect "full stdout" 1 sh -c "'$ayf' help >/dev/full"
says "stdout"
expect "bad AYF_THREADS" 2 env AYF_THREADS=many "$ayf" help
says "AYF_THREADS"

# ---- How threads wait ----
# libgomp prints what it reads from the environment at each start.
shown="env -u GOMP_SPINCOUNT -u OMP_WAIT_POLICY -u OMP_PROC_BIND -u OMP_PLACES -u GOMP_CPU_AFFINITY
       OMP_DISPLAY_ENV=verbose"
expect "threads spin briefly" 0 $shown AYF_THREADS=2 "$ayf" info builtin:moons
says "GOMP_SPINCOUNT = '5000'" && prints "moons"
[ "$(nproc)" -lt 2 ] || says "OMP_PROC_BIND = 'TRUE'"
[ "$(grep -c GOMP_SPINCOUNT err)" -eq 2 ] || bad "the program did not start twice"
expect "more threads than processors share them all" 0 $shown AYF_THREADS=4000 "$ayf" info builtin:moons
says "GOMP_SPINCOUNT = '5000'" && says_not "OMP_PROC_BIND = 'TRUE'"
expect "fewer processors than threads" 0 $shown AYF_THREADS=2 taskset -c 0 "$ayf" info builtin:moons
says "GOMP_SPINCOUNT = '5000'" && says_not "OMP_PROC_BIND = 'TRUE'"
expect "one thread waits for nobody" 0 $shown AYF_THREADS=1 "$ayf" info builtin:moons
says_not "GOMP_SPINCOUNT = '5000'"
for choice in GOMP_SPINCOUNT=77 OMP_WAIT_POLICY=passive OMP_PROC_BIND=false OMP_PLACES=cores GOMP_CPU_AFFINITY=0; do
    expect "the user chooses: $choice" 0 $shown AYF_THREADS=2 "$choice" "$ayf" info builtin:moons
    says_not "GOMP_SPINCOUNT = '5000'"
    [ "$(grep -c GOMP_SPINCOUNT err)" -eq 1 ] || bad "the program started twice"
done

# ---- Configuration ----
expect "unknown key" 2 "$ayf" train run --set train.stepz=3
says "train.steps" && one_line
expect "wrong type" 2 "$ayf" train run --set train.steps=soon
says "train.steps"
expect "zero steps" 2 "$ayf" train run --steps 0
says "train.steps"
printf 'train:\n  steps: 3\n  lrr: 1\n' >bad.yaml
expect "configuration file with an unknown key" 2 "$ayf" train run --config bad.yaml
says "bad.yaml:3"
expect "missing configuration file" 1 "$ayf" train run --config none.yaml
says "none.yaml"
expect "missing data" 1 "$ayf" train run --data nowhere.zip
says "nowhere.zip"
expect "unknown built-in data" 2 "$ayf" train run --data builtin:shape
says "builtin:shapes"
expect "folder that cannot be made" 1 "$ayf" train /proc/run $tiny --steps 3
says "/proc/run"
: >file
expect "file in place of the folder" 1 "$ayf" train file $tiny --steps 3
says "file"

# ---- Training, distillation, resuming ----
expect "train a teacher" 0 "$ayf" train teacher $tiny --steps 3
prints "teacher/model.safetensors" && says "3/3" && exists teacher/log.jsonl && exists teacher/config.yaml
expect "a finished run has nothing to do" 0 "$ayf" train teacher $tiny --steps 3
says "finished"
cp teacher/model.safetensors kept.safetensors
rm teacher/model.safetensors
expect "a finished run without its model" 0 "$ayf" train teacher $tiny --steps 3
same teacher/model.safetensors kept.safetensors
head -c 1000 kept.safetensors >teacher/model.safetensors
expect "a finished run whose model is cut off" 0 "$ayf" train teacher $tiny --steps 3
same teacher/model.safetensors kept.safetensors
mkfifo pipe
expect "a pipe is not a model" 3 "$ayf" sample pipe
says "pipe"
expect "nor is it data" 3 "$ayf" info pipe
says "pipe"
expect "another setting is refused" 2 "$ayf" train teacher $tiny --steps 3 --set train.lr=0.02
says "train.lr"
expect "train in bf16" 0 "$ayf" train short $tiny --steps 2 --set train.precision=bf16
expect "info on a run in bf16" 0 "$ayf" info short
prints "precision    bf16"
expect "info on its model" 0 "$ayf" info short/model.safetensors
prints "precision    bf16"
expect "another precision is refused" 2 "$ayf" train short $tiny --steps 2 --set train.precision=highest
says "train.precision = bf16" && one_line
expect "a distillation is not a training run" 2 "$ayf" distill teacher $student --teacher teacher --weak teacher --steps 3
says "teacher"
expect "train a weak teacher" 0 "$ayf" train weak $tiny --steps 2
expect "distil" 0 "$ayf" distill student $student --teacher teacher --weak weak --steps 3
prints "student/model.safetensors" && says "rms(g)" && says "|F-v|"
expect "distil without a teacher" 2 "$ayf" distill other $student --steps 3
says "distill.teacher"
expect "distil without a weak teacher" 2 "$ayf" distill other $student --teacher teacher --steps 3
says "distill.weak"
expect "a student cannot teach" 2 "$ayf" distill other $student --teacher student --weak weak --steps 3
says "student" && absent other
mkdir mine
expect "a refused run in a folder of mine" 2 "$ayf" distill mine $student --teacher student --weak weak --steps 3
exists mine && absent mine/checkpoints && absent mine/.lock
tuned="--batch 4 --set train.lr_warmup=0 --set finetune.channel_base=64 --set finetune.channel_max=8"
expect "fine-tune" 0 "$ayf" finetune tuned --student student $tuned --steps 3
prints "tuned/model.safetensors" && says "D(real)-D(fake)"
printf 'train:\n  lr: 0.01\nfinetune:\n  student: student\n' >tuned.yaml
expect "a file with a key of other runs" 0 "$ayf" finetune filed --config tuned.yaml $tuned --steps 1
says "tuned.yaml: train.lr means nothing to ayf finetune"
expect "the complete file of a run" 0 "$ayf" finetune refiled --config tuned/config.yaml --steps 1
says_not "means nothing"
expect "a fine-tuned student is a student" 0 "$ayf" info tuned
prints "student"
expect "fine-tune nothing" 2 "$ayf" finetune other $tuned --steps 3
says "finetune.student"
expect "fine-tune a teacher" 2 "$ayf" finetune other --student teacher $tuned --steps 3
says "is not a student"
expect "a discriminator that wins" 4 "$ayf" finetune won --student student $tuned --steps 2000 --set save.every=10 \
    --set finetune.disc_first=1999 --set finetune.disc_lr=0.1 --set finetune.penalty=0 --set finetune.logit_limit=3
says "the discriminator wins" && says "finetune.penalty"
expect "no bytes are lost: 4 steps" 0 "$ayf" train whole $tiny --steps 4
expect "no bytes are lost: the same again" 0 "$ayf" train again $tiny --steps 4
same whole/model.safetensors again/model.safetensors

# A long run, stopped as soon as it has done a step.
start() {
    # A shell ignores SIGINT for what it starts in the background, and so would the run.
    env --default-signal=INT "$ayf" train "$1" $tiny --steps 1000000 >"$1.out" 2>"$1.err" &
    pid=$!
    tries=0
    until grep -q "1/1000000" "$1.err" 2>/dev/null || [ $tries -ge 600 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
}
# The exit code of the background run as that of this function.
await() {
    await_code=0
    wait "$pid" || await_code=$?
    cat "$1.err" >&2
    return $await_code
}
start long
expect "a second run in the same folder" 1 "$ayf" train long $tiny --steps 1000000
says "already running"
kill -INT "$pid"
expect "SIGINT saves and says how to go on" 75 await long
says "a checkpoint is saved" && says "train long --data builtin:shapes" && exists long/model.safetensors
stopped_at=$(sed -n 's/^stopped at step \([0-9]*\) of.*/\1/p' long.err)
expect "the same command resumes" 0 "$ayf" train long $tiny --steps $((${stopped_at:-0} + 2))
says "resuming after step ${stopped_at:-?}"
start term
kill -TERM "$pid"
expect "SIGTERM too" 75 await term
says "a checkpoint is saved"

# ---- Samples ----
expect "sample a student" 0 "$ayf" sample student --seeds 0-8 --steps 2 --out grid.png
prints "grid.png" && exists grid.png
expect "a picture says how it was made" 0 "$ayf" info grid.png
prints "seeds 0-8" && prints "steps 2" && prints "32 x 32"
expect "images in a folder" 0 "$ayf" sample student --seeds 0-3,7 --class 2,3 --out images
exists images/000000_class2_square.png && exists images/000007_class2_square.png
expect "one image by itself" 0 "$ayf" sample student --seeds 7 --class 2 --out alone
same_pixels images/000007_class2_square.png alone/000007_class2_square.png
expect "a class" 0 "$ayf" sample student --seeds 0-63 --class 2 --out two.png
expect "another class" 0 "$ayf" sample student --seeds 0-63 --class 3 --out three.png
other_pixels two.png three.png
expect "given times" 0 "$ayf" sample student --times 1,0.5,0 --seeds 1 --class 1 --out times
expect "even times are the same" 0 "$ayf" sample student --steps 2 --seeds 1 --class 1 --out even
same_pixels times/000001_class1_ring.png even/000001_class1_ring.png
expect "noise added again" 0 "$ayf" sample student --steps 2 --gamma 0.5 --seeds 1 --class 1 --out noisy
other_pixels noisy/000001_class1_ring.png even/000001_class1_ring.png
expect "guided student" 0 "$ayf" sample student --guidance 2 --seeds 1 --steps 2 --class 1 --out guided
exists guided/000001_class1_ring.png
expect "steps that were not given" 0 "$ayf" sample student --seeds 0 --class 0 --out four.png
expect "a picture says those too" 0 "$ayf" info four.png
prints "steps 4"
expect "teacher with Heun" 0 "$ayf" sample teacher --steps 2 --out heun.png
expect "teacher with Euler" 0 "$ayf" sample teacher/model.safetensors --solver euler --steps 2 --out euler.png
other_pixels heun.png euler.png
expect "a weak teacher without a strength" 2 "$ayf" sample teacher --weak weak --out unguided.png
says "give for example --guidance 1.5" && absent unguided.png
expect "a student with a weak teacher, without a strength" 2 "$ayf" sample student --weak weak --out no.png
says "is a student" && absent no.png
expect "a student guided up to a time" 2 "$ayf" sample student --guidance-t-max 0.7 --out no.png
says "a student learned up to which time" && absent no.png
expect "guided teacher" 0 "$ayf" sample teacher --weak weak --guidance 1.5 --steps 2 --out guided.png
expect "guidance outside the trained range" 2 "$ayf" sample student --guidance 50 --out no.png
says "50" && absent no.png
expect "guidance without a weak teacher" 2 "$ayf" sample teacher --guidance 2 --out no.png
says "weak"
expect "a teacher that always saw the class" 2 "$ayf" sample teacher --cfg --guidance 2 --out no.png
says "train.label_dropout" && absent no.png
expect "without a strength too" 2 "$ayf" sample teacher --cfg --out no.png
says "train.label_dropout" && absent no.png
expect "train with hidden classes" 0 "$ayf" train free $tiny --steps 1 --set train.label_dropout=0.2
expect "guided by itself" 0 "$ayf" sample free --cfg --guidance 2 --steps 2 --out free.png
expect "a picture says that" 0 "$ayf" info free.png
prints "guided by the same without class"
expect "guided twice" 2 "$ayf" sample free --cfg --weak weak --guidance 2 --out no.png
says "give one of them"
expect "distil with a teacher guided by itself" 0 "$ayf" distill free-student $student --teacher free --cfg --steps 1
expect "its range" 0 "$ayf" info free-student/model.safetensors
prints "guidance     1 to 3"
expect "fidelity to a teacher guided by itself" 0 "$ayf" eval free-student --teacher free --cfg --guidance 2 --pairs 2 --calls 1
expect "distil after mid-training" 0 "$ayf" distill mid-student $student --teacher free --cfg --steps 3 \
    --set distill.midtrain_steps=2 --set distill.midtrain_trajectories=8 --set distill.midtrain_solver_steps=2
says "making 8 trajectories" && says "trajectories 8/8" && says "distill 3/3" && exists mid-student/trajectories.safetensors
grep "trajectories 8/8" "$work/err" | grep -qE "lr|rms|nan" && bad "figures of a step beside the trajectories"
expect "without a teacher" 0 "$ayf" distill meanflow $student --steps 1 --set distill.target=data \
    --set distill.guidance=none --set distill.student_init=scratch --set data.resolution=8 --set model.channels=8
expect "distil without guidance" 0 "$ayf" distill plain-student $student --teacher free --set distill.guidance=none --steps 1
expect "a strength for a student without" 2 "$ayf" sample plain-student --guidance 2 --out no.png
says "without guidance" && absent no.png
expect "a solver for a student" 2 "$ayf" sample student --solver heun --out no.png
expect "unknown solver" 2 "$ayf" sample teacher --solver rk4 --out no.png
says "must be euler, heun or reference" && one_line
expect "a solver with a typing error" 2 "$ayf" sample teacher --solver eular --out no.png
says "did you mean euler?" && one_line
expect "32 bits" 0 "$ayf" sample student --seeds 7 --class 2 --precision highest --out exact
says_not "computes in" && same exact/000007_class2_square.png alone/000007_class2_square.png
expect "bf16" 0 "$ayf" sample student --seeds 7 --class 2 --precision bf16 --out short-images
says "student: computes in bf16"
expect "the picture says so" 0 "$ayf" info short-images/000007_class2_square.png
prints "precision bf16"
expect "what is faster here" 0 "$ayf" sample student --seeds 7 --class 2 --precision auto --out fast
expect "unknown precision" 2 "$ayf" sample student --precision hihgest --out no.png
says "--precision hihgest: must be highest, bf16 or auto; did you mean highest?" && one_line && absent no.png
expect "steps 0" 2 "$ayf" sample student --steps 0
says "--steps 0"
expect "times that do not fall" 2 "$ayf" sample student --times 1,0.5,0.6,0 --out no.png
says "0.6"
expect "times against steps" 2 "$ayf" sample student --times 1,0 --steps 3
says "leave one out"
expect "class out of range" 2 "$ayf" sample student --class 10
says "0 to 9"
expect "a bad list of seeds" 2 "$ayf" sample student --seeds 5-3
says "5-3"
expect "full disk" 1 "$ayf" sample student --seeds 0 --out /dev/full
says "/dev/full"
expect "folder that cannot be written" 1 "$ayf" sample student --seeds 0 --out /proc/images
says "/proc/images"

expect "train on points" 0 "$ayf" train ring --data builtin:ring --set model.kind=mlp --set train.lr_warmup=0 --steps 3
expect "points as a picture" 0 "$ayf" sample ring --seeds 0-99 --steps 2 --out ring.png
exists ring.png
expect "points as a table" 0 "$ayf" sample ring --seeds 0-9 --steps 2 --out ring.csv
[ "$(wc -l <ring.csv)" -eq 11 ] || bad "ring.csv has not 11 lines"
for out in "" table.csv photo.jpg; do
    expect "pictures are not written as '$out'" 2 "$ayf" sample student --seeds 0 --steps 1 --out "$out"
    says "--out" && one_line
    [ -z "$out" ] || absent "$out"
done
expect "points in a folder" 2 "$ayf" sample ring --seeds 0-9 --out ring-images
says "FILE.csv"

# ---- Info and bad files ----
expect "info on a student" 0 "$ayf" info student/model.safetensors
prints "role         student" && prints "guidance     1 to 3" && prints "images of 8 x 8"
expect "info on a run" 0 "$ayf" info teacher
prints "finished" && prints "steps: 3"
expect "info on built-in data" 0 "$ayf" info builtin:shapes
prints "classes      10"
expect "info on trajectories" 0 "$ayf" info mid-student/trajectories.safetensors
prints "trajectories mid-student" && prints "count        8" && prints "mid-training" && prints "distill.midtrain_trajectories 8"
python3 -c 'header = b"{\"__metadata__\":{\"format\":\"pt\"}}"
open("foreign.safetensors", "wb").write(len(header).to_bytes(8, "little") + header)'
expect "info on a foreign safetensors file" 3 "$ayf" info foreign.safetensors
says "was not made by ayf" && one_line
expect "info on nothing" 1 "$ayf" info nowhere
says "nowhere"
mkdir several && cp grid.png ring.png several/
expect "info on pictures of several sizes" 0 "$ayf" info several
prints "several sizes" && prints "data.resolution" && prints "grey and colour" && prints "classes      none: several:"
: >empty.zip
expect "info on an empty ZIP" 3 "$ayf" info empty.zip
says "0 bytes" && one_line
expect "eval on an empty file" 3 "$ayf" eval empty.zip --data builtin:shapes --features features.safetensors
says "empty.zip: is empty" && one_line
expect "info on something else" 3 "$ayf" info bad.yaml
says "not a data set that ayf can read" && one_line
head -c 1000 student/model.safetensors >short.safetensors
expect "truncated model" 3 "$ayf" sample short.safetensors
says "short.safetensors" && one_line
expect "not a model" 3 "$ayf" sample bad.yaml
says "bad.yaml"
expect "a picture is not a model" 3 "$ayf" sample grid.png
says "grid.png"
expect "missing model" 1 "$ayf" sample nowhere.safetensors
says "nowhere.safetensors"
expect "folder without a run" 3 "$ayf" sample images
says "neither a model file nor the folder of a run" && one_line

# ---- Evaluation ----
expect "eval: fidelity" 0 "$ayf" eval student --teacher teacher --weak weak --guidance 1.5 --pairs 4 --calls 1,2 --gamma 0,0.5
prints "Euler" && prints "SSIM" && prints "semigroup defect"
expect "eval: fidelity without what the teacher was led away from" 2 "$ayf" eval student --teacher teacher --guidance 1.5
says "--weak MODEL" && says "leave out --guidance" && one_line
expect "eval: roles the wrong way round" 2 "$ayf" eval teacher --teacher student --pairs 4
says "student" && one_line
expect "eval: fit features" 0 "$ayf" eval --fit-features features.safetensors --data builtin:shapes \
    --set data.resolution=8 --set train.steps=20 --set train.batch=8
prints "features.safetensors" && says "held-out samples" && exists features.safetensors
expect "eval: info on features" 0 "$ayf" info features.safetensors
prints "role         features" && prints "resolution: 8" && prints "accuracy     "
expect "eval: features draw nothing" 2 "$ayf" sample features.safetensors
says "makes no samples" && one_line
compare="--data builtin:shapes --reference 300 --features features.safetensors --images 80"
expect "eval: distance and fidelity" 0 "$ayf" eval student $compare --teacher teacher --pairs 2 --calls 1,2 --gamma 0,0.5
prints "FD (our features)" && prints "floor" && prints "gamma 0.5" && prints "hash" && prints "300 images at random of 65536"
! grep -q FID out || bad "our features are called FID"
expect "eval: the same as JSON" 0 "$ayf" eval student $compare --teacher teacher --pairs 2 --calls 2 --json
prints '"fd_our_features": ' && prints '"semigroup_defect": ' && prints '"recipe": {"reference": "' && prints '"drawn": "by a student of step'
prints '"precision": "highest"' && prints "seeds 0 to 79 (of a data set"
prints '"paired": 80' && prints "of 80 of the samples and as many of the reference"
python3 -m json.tool "$work/out" >/dev/null || bad "not JSON"
expect "eval: bf16" 0 "$ayf" eval student $compare --teacher teacher --pairs 2 --calls 2 --precision bf16
prints "seeds 0 to 79, computed in bf16" && prints "the student computes in bf16, the teacher in 32 bits"
expect "eval: unknown precision" 2 "$ayf" eval student $compare --precision f32
says "highest, bf16 or auto" && one_line
expect "eval: features are fitted in 32 bits" 2 "$ayf" eval --fit-features no.safetensors --data builtin:shapes --precision bf16
says "--precision: --fit-features takes" && one_line
expect "eval: a teacher" 0 "$ayf" eval teacher/model.safetensors $compare --calls 2 --solver euler
prints "2 steps" && prints "class accuracy"
expect "eval: draw a folder" 0 "$ayf" sample student --seeds 0-79 --steps 1 --out many
expect "eval: images in a folder" 0 "$ayf" eval many $compare
prints "samples    many: 80 at random (seed 0)" && prints "sliced Wasserstein (pixels)"
! grep -q resized "$work/out" || bad "pictures of the right size are said to be resized"
expect "eval: the precision of pictures" 2 "$ayf" eval many $compare --precision bf16
says "--precision needs a model as SUBJECT" && one_line
expect "eval: draw a reference" 0 "$ayf" sample teacher --seeds 1000-1199 --steps 1 --solver euler --out real
expect "eval: features of other data" 0 "$ayf" eval many --data real --features features.safetensors --images 80
says "were fitted to builtin:shapes and are used with real"
expect "eval: points" 0 "$ayf" eval ring --data builtin:ring --reference 2000 --images 200 --calls 2
prints "FD (coordinates)" && prints "2 steps"
expect "eval: points of another set" 0 "$ayf" eval ring --data builtin:moons --reference 2000 --images 200 --calls 1
says "ring was made with builtin:ring and is compared with builtin:moons"
expect "eval: too few in the folder" 2 "$ayf" eval images $compare
says "at least 65" && one_line
expect "eval: fewer in the folder than asked for" 2 "$ayf" eval many --data builtin:shapes --reference 300 --features features.safetensors --images 81
says "--images 80" && one_line
expect "eval: a small reference" 2 "$ayf" eval student $compare --reference 100
says "twice"
expect "eval: a reference below the number of features" 2 "$ayf" eval many --data builtin:shapes --reference 100 \
    --features features.safetensors --images 80
says "at least 130" && one_line
expect "eval: one image" 2 "$ayf" eval student --data builtin:shapes --features features.safetensors --images 1
says "--images 1"
expect "eval: no features" 2 "$ayf" eval student --data builtin:shapes
says "--fit-features"
expect "eval: a student is not a file of features" 2 "$ayf" eval student --data builtin:shapes --features student/model.safetensors
says "--fit-features FILE" && one_line
expect "eval: features of another shape" 0 "$ayf" eval --fit-features small.safetensors --data builtin:shapes \
    --set data.resolution=8 --set data.channels=1 --set train.steps=1 --set train.batch=4
says "hardly better than guessing one of 10 classes"
expect "eval: images of another kind" 0 "$ayf" eval many --data builtin:shapes --reference 300 --features small.safetensors --images 80
says "80 of its 80 pictures are not of 8 x 8 x 1" && prints "80 of its pictures resized to 8 x 8 x 1"
expect "eval: they do not fit the model" 2 "$ayf" eval student --data builtin:shapes --features small.safetensors
says "8 x 8 x 1" && says "8 x 8 x 3" && one_line
expect "eval: no Inception weights" 3 "$ayf" eval student --data builtin:shapes --inception features.safetensors
says "features.safetensors" && says "scripts/convert_inception.py" && one_line
expect "eval: two kinds of features" 2 "$ayf" eval student $compare --inception features.safetensors
says "--inception" && one_line
expect "eval: Inception without data" 2 "$ayf" eval student --teacher teacher --inception features.safetensors
says "--inception needs --data"
expect "eval: guidance of a student that has none" 2 "$ayf" eval student $compare --guidance 9
says "guidance 9"
expect "eval: compared with nothing" 2 "$ayf" eval student
says "--data SOURCE" && one_line
expect "eval: no subject" 2 "$ayf" eval
expect "eval: an option without its part" 2 "$ayf" eval student --teacher teacher --images 100
says "--images needs --data"
expect "eval: an option for models" 2 "$ayf" eval many $compare --calls 1
says "many is not one" && one_line
expect "eval: a picture" 2 "$ayf" eval grid.png $compare
says "neither a model nor a set of samples" && one_line
expect "eval: no such samples" 1 "$ayf" eval nowhere $compare --calls 1
says "nowhere" && says "check the path" && one_line
mkdir empty
expect "eval: no samples" 3 "$ayf" eval empty $compare
says "empty: holds no pictures" && one_line
expect "eval: no reference" 3 "$ayf" eval student --data empty --features features.safetensors
says "empty: holds no pictures" && one_line
expect "eval: a folder as features" 1 "$ayf" eval student --data builtin:shapes --features student
says "student: is a folder" && says "--fit-features FILE" && one_line
expect "eval: a folder as Inception weights" 1 "$ayf" eval student --data builtin:shapes --inception student
says "student: is a folder" && says "scripts/convert_inception.py" && one_line
expect "eval: features as a subject" 2 "$ayf" eval features.safetensors $compare
says "makes no samples" && one_line
expect "eval: features of points that are drawn" 2 "$ayf" eval ring --data builtin:ring --features features.safetensors
says "coordinates" && one_line
expect "eval: images against points" 2 "$ayf" eval student --data builtin:ring
says "images of 8 x 8 x 3" && one_line
expect "eval: a teacher of a teacher" 2 "$ayf" eval teacher --teacher teacher
says "is not a student" && one_line
expect "eval: no calls" 2 "$ayf" eval student $compare --calls 0
says "at least 1" && one_line
expect "eval: a gamma above 1" 2 "$ayf" eval student $compare --gamma 2
says "from 0 to 1" && one_line
expect "eval: more images than can be asked for" 2 "$ayf" eval student --data builtin:shapes --features features.safetensors \
    --images 1000000000
says "--images 1000000000" && one_line
expect "eval: a held-out set that is too small" 2 "$ayf" eval student $compare --heldout images
says "--heldout images" && one_line
expect "eval: fewer held-out samples than are measured" 0 "$ayf" eval student --data builtin:shapes --reference 300 \
    --features features.safetensors --images 90 --heldout many --calls 1
prints "80 held-out samples of many" && prints "NOT AT THE SAME NUMBER"
expect "eval: features of data without classes" 3 "$ayf" eval --fit-features no.safetensors --data many
says "classes" && absent no.safetensors
expect "eval: features of points" 2 "$ayf" eval --fit-features no.safetensors --data builtin:ring
says "coordinates" && absent no.safetensors
expect "eval: features that cannot be written" 1 "$ayf" eval --fit-features nowhere/f.safetensors --data builtin:shapes
says "nowhere/f.safetensors" && says "check the path" && one_line
expect "eval: a key that says nothing" 2 "$ayf" eval --fit-features no.safetensors --data builtin:shapes --set model.kind=mlp
says "data.resolution" && one_line

# ---- Measurements ----
# names NUMBER ...: of one JSON object on one line; each is there and is a number
names() {
    [ "$(wc -l <out)" -eq 1 ] || bad "not one line"
    for key in "$@"; do
        grep -qE "\"$key\": [0-9.e+-]+[,}]" out || bad "no number $key"
    done
}
small_bench="--repeats 1 --set data.resolution=8 --set model.channels=16"
expect "bench as JSON" 0 "$ayf" bench --json --batch 4 --precision highest $small_bench
for part in forward forward_backward forward_tangent step call_4 discriminator discriminator_penalised; do
    names ${part}_s ${part}_median_s ${part}_max_s ${part}_gflop ${part}_gflops ${part}_peak_share
done
names threads batch parameters discriminator_parameters peak_rss_bytes peak_gflops step_plan_bytes \
    discriminator_every_4th_s discriminator_every_16th_s
prints "\"version\": \"$("$ayf" --version | cut -d' ' -f2)\"" && prints '"processor": "' && prints '"highest": {'
# Keys, brackets and strings are balanced: nothing is left when they are taken away from the inside.
left=$(sed -E 's/"[^"]*"/S/g; s/S: (S|null|-?[0-9][0-9.e+-]*)/P/g; :a; s/\{P(, P)*\}/O/; s/S: O/P/; ta' out)
[ "$left" = O ] || bad "not one JSON object: $left"
expect "bench in bf16" 0 "$ayf" bench step --json --batch 2 --precision bf16 $small_bench
prints '"bf16": {' && names forward_s step_s
expect "bench where OpenMP may not make threads" 0 env AYF_THREADS=2 OMP_MAX_ACTIVE_LEVELS=0 "$ayf" bench step --json --batch 2 \
    --precision highest $small_bench
prints '"threads": 1'
expect "bench in bf16 where oneDNN may not use it" 0 env ONEDNN_MAX_CPU_ISA=AVX2 "$ayf" bench step --json --batch 2 \
    --precision bf16 $small_bench
expect "bench in what is faster" 0 "$ayf" bench call --json --precision auto $small_bench
names call_1_s call_4_s call_32_s
expect "bench of a call of a batch" 0 "$ayf" bench call --json --batch 3 --precision highest $small_bench
names batch call_3_s && ! grep -q "call_1_s" out || bad "other batches, too"
expect "bench of a call of a batch, as a table" 0 "$ayf" bench call --batch 3 --precision highest $small_bench
prints "one call, batch 3"
expect "bench as a table" 0 "$ayf" bench step --batch 2 $small_bench
prints "fastest" && prints "AYF-EMD step" && prints "batch 2"
expect "bench in an unknown precision" 2 "$ayf" bench step --precision fp16
says "--precision fp16: must be highest, bf16 or auto" && one_line
expect "bench of the discriminator" 0 "$ayf" bench discriminator --batch 4 --repeats 1 --set data.resolution=8
prints "every 4th step" && prints "8 x 8 x 3" && prints "with R1 and R2"
expect "bench with a batch that is not a multiple of the group" 2 "$ayf" bench discriminator --batch 6
says "a batch that is a multiple of 4"
expect "bench of something else" 2 "$ayf" bench everything
expect "golden without files" 3 "$ayf" golden images
expect "golden without a folder" 1 "$ayf" golden nowhere
says "nowhere"

finish
