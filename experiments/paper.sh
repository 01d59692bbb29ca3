#!/bin/sh
# DATA=folder-of-mnist|builtin:emoji experiments/paper.sh PART [FOLDER]
# PART: consistency, losses, guidance, adversarial, ablations, switches, told, or all      (hours; the same command resumes)
# The comparisons of Align Your Flow, small: MNIST or emoji at 16 x 16, points in the plane. Prints tables in Markdown; a cell is
# the mean over the seeds and, in brackets, the smallest and the largest. A seed is a student's (initialisation of
# what is new, data order, noise) and decides its teacher: seed N learns from teacher number N modulo TEACHERS, so that the
# spread is one of teachers too. docs/experiments.md holds what was measured and with which of the sizes below; every size is
# an environment variable.
# shellcheck disable=SC2086  # options and numbers without spaces are split
set -eu
part=${1:?usage: DATA=folder-of-mnist|builtin:emoji experiments/paper.sh consistency|losses|guidance|adversarial|ablations|switches|told|all [FOLDER]}
folder=${2:-runs/paper}
data=${DATA:-data/mnist}
ayf=${AYF:-build/ayf}

# ---- Sizes ----
SEEDS=${SEEDS:-0 1 2}
TEACHERS=${TEACHERS:-2}                  # of each kind
CHANNELS=${CHANNELS:-16}                # width of every teacher and student of images
BATCH=${BATCH:-64}
TEACHER_STEPS=${TEACHER_STEPS:-10000}
WEAK_STEPS=${WEAK_STEPS:-1000}
STUDENT_STEPS=${STUDENT_STEPS:-10000}
FINETUNE_STEPS=${FINETUNE_STEPS:-1000}
FEATURE_STEPS=${FEATURE_STEPS:-3000}    # of the classifier whose features compare sets of images
RING_STEPS=${RING_STEPS:-6000}
IMAGES=${IMAGES:-5000}                  # drawn for every distance to the data
REFERENCE=${REFERENCE:-60000}           # real images they are compared with
PAIRS=${PAIRS:-256}                     # drawn for every distance to the teacher's own solution
POINTS=${POINTS:-20000}                 # drawn for every distance between sets of points, of which 10000 are compared
STRENGTHS=${STRENGTHS:-1 1.25 1.5 2 2.5 3}   # of guidance, tried at sampling

die() {
    echo "paper.sh: $1" >&2
    exit 1
}

# What is in the folder is not made again, so that other sizes need another folder. SEEDS, IMAGES, POINTS and STRENGTHS are
# part of the names of what they decide about and may change.
sizes="TEACHERS=$TEACHERS CHANNELS=$CHANNELS BATCH=$BATCH TEACHER_STEPS=$TEACHER_STEPS WEAK_STEPS=$WEAK_STEPS STUDENT_STEPS=$STUDENT_STEPS
FINETUNE_STEPS=$FINETUNE_STEPS FEATURE_STEPS=$FEATURE_STEPS RING_STEPS=$RING_STEPS REFERENCE=$REFERENCE PAIRS=$PAIRS"
mkdir -p "$folder/measured" "$folder/pictures"
[ -f "$folder/sizes" ] || printf '%s\n' "$sizes" >"$folder/sizes"
[ "$(cat "$folder/sizes")" = "$sizes" ] || die "$folder holds runs of other sizes. Give these, or another folder:
$(cat "$folder/sizes")"

# ---- Data ----
# resized: what teachers and the classifier take; learnt: what teachers and students take, classes: how samples are drawn.
# Those of MNIST are the ones of the figures in docs/experiments.md.
case $data in
builtin:emoji)
    resized="--set data.resolution=16" learnt="--set data.mirror=true" centered="--set data.center=true"
    classes="" shown="--class 0-5 --seeds 0-17 --grid 18"
    ;;
*)
    resized="--set data.resolution=16 --set data.resize=box" learnt="" centered=""
    classes="--classes even" shown="--class 0-9 --seeds 0-19 --grid 20"
    ;;
esac

# compared COMMAND ...: the command with the data that it compares samples with
compared() {
    case $data in
    builtin:emoji) "$@" --data "$data" ;; # the floor compares two halves
    *) "$@" --data "$data" --heldout "$data/t10k-images-idx3-ubyte.gz" ;;
    esac
}

# ---- Runs ----
every_run="--set save.grid_every=0"
. "$(dirname "$0")/stage.sh"

warmup() { echo $(($1 < 100 ? $1 : 100)); } # STEPS

of() { echo $(($1 % TEACHERS)); } # SEED: the number of its teacher

teacher() { # NAME SEED STEPS OPTIONS ...: NAME-NUMBER; classes are hidden from a tenth of the samples, for cfg
    name=$1-$(of "$2") number=$(of "$2") steps=$3
    shift 3
    stage "$name" train --seed "$number" --data "$data" $resized $learnt $centered --batch "$BATCH" --steps "$steps" \
        --set "model.channels=$CHANNELS" --set model.multipliers=1,2,3 --set model.blocks=1 --set 'model.attention=[]' \
        --set train.lr=0.01 --set "train.lr_warmup=$(warmup "$steps")" --set train.label_dropout=0.1 "$@"
}

anchored() { # OPTIONS ...: they decide about the share of s = 0
    case "$*" in *distill.p_s0=* | *distill.s_zero_only=true*) ;; *) return 1 ;; esac
}

student() { # NAME SEED OPTIONS ...: NAME-SEED, with anchors at s = 0 unless the options say otherwise
    name=$1 seed=$2
    shift 2
    anchored "$@" || set -- --set distill.p_s0=0.2 "$@"
    stage "$name-$seed" distill --data "$data" $learnt --batch "$BATCH" --steps "$STUDENT_STEPS" --set train.lr=0.005 \
        --set "train.lr_warmup=$(warmup "$STUDENT_STEPS")" --seed "$seed" "$@"
}

plain() { # NAME SEED OPTIONS ...: a student of the teacher as it is
    teacher teacher "$2" "$TEACHER_STEPS"
    name=$1 seed=$2
    shift 2
    student "$name" "$seed" --teacher "$folder/teacher-$(of "$seed")" --set distill.guidance=none "$@"
}

guided() { # NAME SEED OPTIONS ...: a student of the teacher guided by a weak one, for strengths from 1 to 3, at all times
    teacher teacher "$2" "$TEACHER_STEPS"
    teacher weak "$2" "$WEAK_STEPS" --set model.multipliers=1,1
    name=$1 seed=$2
    shift 2
    student "$name" "$seed" --teacher "$folder/teacher-$(of "$seed")" --weak "$folder/weak-$(of "$seed")" \
        --set distill.guidance_max=3 --set distill.guidance_t_max=1 "$@"
}

ring() { # NAME SEED OPTIONS ...: RING-NAME-SEED, a flow map of a ring of 8 Gaussians, anchored as above
    name=$1 seed=$2
    shift 2
    anchored "$@" || set -- --set distill.p_s0=0.2 "$@"
    stage "ring-$name-$seed" distill --data builtin:ring --batch 512 --steps "$RING_STEPS" --seed "$seed" \
        --set data.labels=false --set model.kind=mlp --set model.hidden=128 --set model.layers=4 --set model.fourier=64 \
        --set train.lr=0.001 --set distill.student_init=scratch --set distill.guidance=none --set distill.norm=rms \
        --set distill.norm_c=1 "$@"
}

# ---- Measurements ----
# once FILE COMMAND ...: what the command prints, kept in FILE
once() {
    kept=$folder/measured/$1
    shift
    [ -f "$kept" ] || { "$@" >"$kept.part" && mv "$kept.part" "$kept"; }
}

# spread FORMAT MEASURE NAME ARGUMENT ...: over the seeds, what "MEASURE NAME-SEED ARGUMENT ..." prints, as
# mean [smallest, largest]; "-" when it prints nothing
spread() {
    format=$1 measure=$2 runs=$3 numbers=
    shift 3
    for seed in $SEEDS; do
        number=$($measure "$runs-$seed" "$@") || die "no $measure of $runs-$seed ($*)"
        numbers="$numbers$number
"
    done
    printf '%s' "$numbers" | awk -v f="$format" '
        NF { if (!n || $1 < low) low = $1; if (!n || $1 > high) high = $1; s += $1; n++ }
        END { if (n > 1) printf f " [" f ", " f "]", s / n, low, high; else if (n) printf f, s; else printf "-" }'
}

# cell FORMAT MEASURE NAME ARGUMENT ...: the same as a cell of a row
cell() {
    text=$(spread "$@") || exit 1
    printf ' %s |' "$text"
}

heading() { # CELL ...: a row of Markdown and the line below it
    line="|" rule="|"
    for cell; do
        line="$line $cell |"
        rule="$rule---|"
    done
    printf '%s\n%s\n' "$line" "$rule"
}

# row LABEL NAME FORMAT MEASURE STEPS ...: one cell per number of steps
row() {
    label=$1 students=$2 digits=$3 measure=$4
    shift 4
    printf '| %s |' "$label"
    for steps; do cell "$digits" "$measure" "$students" "$steps"; done
    echo
}

# pick FILE KEY TEXT ...: the number KEY of the first object in JSON from `ayf eval` that holds every TEXT
pick() {
    from=$folder/measured/$1 key=$2
    shift 2
    awk -v RS='{' -v key="\"$key\": " -v needs="$(printf '%s|' "$@")" '
        index($0, key) {
            count = split(needs, need, "|")
            for (i = 1; i < count; i++) if (!index($0, need[i])) next
            split(substr($0, index($0, key) + length(key)), value, /[,}]/)
            print value[1]
            found = 1
            exit
        }
        END { exit !found }' "$from" || { echo "paper.sh: $from does not say $key of $*" >&2 && exit 1; }
}

features() {
    [ -f "$folder/features.safetensors" ] ||
        compared "$ayf" eval --fit-features "$folder/features.safetensors" $resized --set "train.steps=$FEATURE_STEPS" >&2
}

# against_data FILE MODEL OPTIONS ...: distance of a model's samples to the data
against_data() {
    file=$1 model=$2
    shift 2
    features || return
    once "$file" compared "$ayf" eval "$folder/$model" --features "$folder/features.safetensors" --images "$IMAGES" \
        --reference "$REFERENCE" $classes --json "$@"
}

at() { # CALLS GAMMA: texts that an object of that row holds
    printf '"calls": %s,' "$1"
    [ "$1" = 1 ] || printf '|"gamma": %s,' "$2"
}

# figure MODEL-SEED CALLS GAMMA KEY: of a student without guidance, against the data and against its teacher. Many calls and
# re-noised samples take long and are measured where they are asked for
figure() {
    kind=teacher many=
    case $1 in
    precond-velocity-*) kind=teacher-velocity ;;
    coupled-*) kind=teacher-coupled ;;
    esac
    [ "$2" -le 4 ] && [ "$3" = 0 ] || many=-many
    against_data "$1$many-$IMAGES.json" "$1" --teacher "$folder/$kind-$(of "${1##*-}")" --pairs "$PAIRS" \
        --calls "1,2,4${many:+,8,16}" --gamma "0${many:+,1}" && pick "$1$many-$IMAGES.json" "$4" "$(at "$2" "$3")"
}
fd() { figure "$1" "$2" 0 fd_our_features; }
fd_renoised() { figure "$1" "$2" 1 fd_our_features; }
recall() { figure "$1" "$2" 0 recall_our_features; }
recall_renoised() { figure "$1" "$2" 1 recall_our_features; }
rms() { figure "$1" "$2" 0 student; }
rms_one() { if [ "$2" = 1 ]; then rms "$@"; fi; }

ring_measure() { # MODEL-SEED
    gamma=0
    case $1 in ring-consistency-*) gamma=1 ;; esac
    once "$1-$POINTS.json" "$ayf" eval "$folder/$1" --data builtin:ring --images "$POINTS" --teacher analytic --pairs 4096 \
        --calls 1,2,4,8,16 --gamma "$gamma" --json
}
ring_rms() { ring_measure "$1" && pick "$1-$POINTS.json" student "$(at "$2" 0)"; }
ring_rms_one() { if [ "$2" = 1 ]; then ring_rms "$@"; fi; }
ring_sw() { ring_measure "$1" && pick "$1-$POINTS.json" sliced_wasserstein_coordinates "$(at "$2" 0)"; }
ring_sw_renoised() { ring_measure "$1" && pick "$1-$POINTS.json" sliced_wasserstein_coordinates "$(at "$2" 1)"; }

# picture FILE MODEL OPTIONS ...: a row of images, the classes in turn
picture() {
    file=$1 model=$2
    shift 2
    [ -f "$folder/pictures/$file.png" ] || "$ayf" sample "$folder/$model" $shown --scale 2 "$@" \
        --out "$folder/pictures/$file.png" >&2
}

# yardstick NAME: FD and recall of a kind of teachers with 16 steps of Heun, and the floor, a line each
yardstick() {
    for number in $(seq 0 $((TEACHERS - 1))); do
        name=$1-$number
        against_data "$name-$IMAGES.json" "$name" --calls 16
        figures=
        for samples in '"steps": 16,' '"samples": "floor"'; do
            for key in fd_our_features recall_our_features; do
                found=$(pick "$name-$IMAGES.json" $key "$samples") || exit 1
                figures="$figures $found"
            done
        done
        printf 'FD and recall with %s images: %s %.3f and %.3f; the floor (real images against others) %.3f and %.3f.\n\n' \
            "$IMAGES" "$name" $figures
    done
}

# ---- (i) Consistency models against flow maps ----
consistency() {
    for seed in $SEEDS; do
        plain emd "$seed"
        plain consistency "$seed" --set distill.s_zero_only=true
    done
    printf '\n## (i) Gaussian data: W2 to the data x 1000\n\n'
    once theorem31.txt env "AYF=$ayf" "$(dirname "$0")/theorem31.sh" "$folder/theorem31"
    cat "$folder/measured/theorem31.txt"
    printf '\n## (i) Images: FD (our features)\n\n'
    heading steps 1 2 4 8 16
    row "consistency model, re-noised (gamma 1)" consistency %.3f fd_renoised 1 2 4 8 16
    row "flow map (gamma 0)" emd %.3f fd 1 2 4 8 16
    row "flow map, re-noised (gamma 1)" emd %.3f fd_renoised 1 2 4 8 16
    printf '\n## (i) Images: recall (our features)\n\n'
    heading steps 1 2 4 8 16
    row "consistency model, re-noised (gamma 1)" consistency %.3f recall_renoised 1 2 4 8 16
    row "flow map (gamma 0)" emd %.3f recall 1 2 4 8 16
    row "flow map, re-noised (gamma 1)" emd %.3f recall_renoised 1 2 4 8 16
    echo
    yardstick teacher
    for steps in 1 4 16; do
        picture "consistency-$steps" "consistency-${SEEDS%% *}" --steps $steps --gamma 1
        picture "flow-map-$steps" "emd-${SEEDS%% *}" --steps $steps
    done
}

# ---- (ii) Losses ----
losses() {
    for seed in $SEEDS; do
        ring emd "$seed" --set distill.teacher=analytic
        ring lmd "$seed" --set distill.teacher=analytic --set distill.loss=lmd
        ring consistency "$seed" --set distill.teacher=analytic --set distill.s_zero_only=true
        ring meanflow "$seed" --set distill.target=data --set distill.pairs=sorted --set distill.p_s0=0 \
            --set distill.p_st=0.75
    done
    printf '\n## (ii) Ring of 8 Gaussians: RMS distance to the exact map\n\n'
    heading steps 1 2 4 8 16
    row EMD ring-emd %.3f ring_rms 1 2 4 8 16
    row LMD ring-lmd %.3f ring_rms 1 2 4 8 16
    row "s = 0 only" ring-consistency %.3f ring_rms_one 1 2 4 8 16
    row MeanFlow ring-meanflow %.3f ring_rms 1 2 4 8 16
    printf '\n## (ii) Ring of 8 Gaussians: sliced Wasserstein distance to the data\n\n'
    heading steps 1 2 4 8 16
    row EMD ring-emd %.4f ring_sw 1 2 4 8 16
    row LMD ring-lmd %.4f ring_sw 1 2 4 8 16
    row "s = 0 only, re-noised" ring-consistency %.4f ring_sw_renoised 1 2 4 8 16
    row MeanFlow ring-meanflow %.4f ring_sw 1 2 4 8 16

    for seed in $SEEDS; do
        plain emd "$seed"
        plain lmd "$seed" --set distill.loss=lmd
        plain consistency "$seed" --set distill.s_zero_only=true
        plain meanflow "$seed" --set distill.target=data --set distill.pairs=sorted --set distill.p_s0=0 \
            --set distill.p_st=0.75
    done
    for what in fd recall rms; do
        case $what in
        fd) printf '\n## (ii) Images: FD (our features)\n\n' ;;
        recall) printf '\n## (ii) Images: recall (our features)\n\n' ;;
        rms) printf '\n## (ii) Images: RMS distance to the solution of the teacher\n\n' ;;
        esac
        heading steps 1 2 4
        row EMD emd %.3f $what 1 2 4
        row LMD lmd %.3f $what 1 2 4
        if [ $what = rms ]; then
            row "s = 0 only" consistency %.3f rms_one 1 2 4
        else
            row "s = 0 only, re-noised" consistency %.3f ${what}_renoised 1 2 4
        fi
        row MeanFlow meanflow %.3f $what 1 2 4
    done
    echo
    yardstick teacher
    for name in emd lmd consistency meanflow; do
        picture "loss-$name-1" "$name-${SEEDS%% *}" --steps 1
    done
    picture teacher teacher-0 --solver reference
}

# ---- (iii) Guidance ----
strongly() { # MODEL-SEED STEPS STRENGTH KEY: a student that was trained for a range of strengths
    against_data "$1-at-$3-$IMAGES.json" "$1" --calls 1,2,4 --guidance "$3" &&
        pick "$1-at-$3-$IMAGES.json" "$4" "$(at "$2" 0)"
}
guided_fd() { strongly "$1" "$2" "$strength" fd_our_features; }
guided_recall() { strongly "$1" "$2" "$strength" recall_our_features; }
by_strength() { # LABEL NAME: a row per strength
    for strength in $STRENGTHS; do
        printf '| %s %s |' "$1" "$strength"
        for steps in 1 2 4; do cell %.3f guided_fd "$2" $steps; done
        echo
    done
}
best() { # NAME STEPS: sets `strength` to the one with the smallest mean FD
    means=
    for strength in $STRENGTHS; do
        mean=$(spread %.6f guided_fd "$1" "$2") || exit 1
        means="$means$mean $strength
"
    done
    strength=$(printf '%s' "$means" | sort -g | awk 'NR == 1 { print $NF }')
}

guidance() {
    for seed in $SEEDS; do
        plain emd "$seed"
        student cfg "$seed" --teacher "$folder/teacher-$(of "$seed")" --set distill.guidance=cfg \
            --set distill.guidance_max=3 --set distill.guidance_t_max=1
        guided autoguidance "$seed"
    done
    printf '\n## (iii) FD and recall (our features), each at its best strength lambda\n\n'
    heading guidance "1 step" "2 steps" "4 steps" "recall, 1 step" "2 steps" "4 steps"
    printf '| none |'
    for what in fd recall; do
        for steps in 1 2 4; do cell %.3f $what emd $steps; done
    done
    echo
    for guide in cfg autoguidance; do
        printf '| %s |' $guide
        for steps in 1 2 4; do
            best $guide $steps
            text=$(spread %.3f guided_fd $guide $steps) || exit 1
            printf ' %s, lambda %s |' "$text" "$strength"
        done
        for steps in 1 2 4; do
            best $guide $steps
            cell %.3f guided_recall $guide $steps
        done
        echo
    done
    printf '\n## (iii) FD by lambda\n\n'
    heading "guidance, lambda" "1 step" "2 steps" "4 steps"
    for guide in cfg autoguidance; do by_strength $guide $guide; done
    for strength in 1 2 3; do
        picture "cfg-$strength" "cfg-${SEEDS%% *}" --steps 2 --guidance $strength
        picture "autoguidance-$strength" "autoguidance-${SEEDS%% *}" --steps 2 --guidance $strength
    done
}

# ---- (iv) Adversarial fine-tuning ----
tuned_measure() { against_data "$1-$IMAGES.json" "$1" --calls 1,2,4; }
untuned() { tuned "long-student-$(of "${1##*-}")" "$2" "$3"; }
tuned() { tuned_measure "$1" && pick "$1-$IMAGES.json" "$3" "$(at "$2" 0)"; }

adversarial() {
    [ "$data" != builtin:emoji ] || die "the part 'adversarial' has the networks of MNIST: --config configs/mnist16-*.yaml"
    configs=$(dirname "$0")/../configs
    for seed in $SEEDS; do
        number=$(of "$seed")
        stage "long-teacher-$number" train --config "$configs/mnist16-teacher.yaml" --data "$data" --seed "$number"
        stage "long-student-$number" distill --config "$configs/mnist16-student.yaml" --data "$data" --seed "$number" \
            --teacher "$folder/long-teacher-$number"
        stage "tuned-$seed" finetune --student "$folder/long-student-$number" --steps "$FINETUNE_STEPS" --seed "$seed" \
            --set finetune.channel_base=512
    done
    printf '\n## (iv) Before and after adversarial fine-tuning\n\n'
    heading "" "FD, 1 step" "2 steps" "4 steps" "recall, 1 step" "2 steps" "4 steps"
    printf '| before |'
    for key in fd_our_features recall_our_features; do
        for steps in 1 2 4; do cell %.3f untuned tuned $steps $key; done
    done
    printf '\n| after |'
    for key in fd_our_features recall_our_features; do
        for steps in 1 2 4; do cell %.3f tuned tuned $steps $key; done
    done
    printf '\n\n'
    yardstick long-teacher
    picture long-teacher long-teacher-0 --solver reference
    for steps in 1 2 4; do
        picture "before-$steps" long-student-0 --steps $steps
        picture "after-$steps" "tuned-${SEEDS%% *}" --steps $steps
    done
}

# ---- (v) Ablations ----
ablations() {
    for seed in $SEEDS; do
        teacher teacher-velocity "$seed" "$TEACHER_STEPS" --set model.precond=velocity
        plain emd "$seed"
        plain norm-l2 "$seed" --set distill.norm=l2
        plain norm-none "$seed" --set distill.norm=none
        student precond-velocity "$seed" --teacher "$folder/teacher-velocity-$(of "$seed")" --set distill.guidance=none
        plain no-warmup "$seed" --set distill.warmup_steps=0
        plain no-anchors "$seed" --set distill.p_s0=0 --set distill.p_st=0
        plain midtrain "$seed" --set "distill.midtrain_steps=$((STUDENT_STEPS / 4))"
    done
    for what in fd recall rms; do
        case $what in
        fd) printf '\n## (v) Ablations: FD (our features)\n\n' ;;
        recall) printf '\n## (v) Ablations: recall (our features)\n\n' ;;
        rms) printf '\n## (v) Ablations: RMS distance to the solution of the teacher\n\n' ;;
        esac
        heading "" "1 step" "2 steps" "4 steps"
        row "defaults: rms, no preconditioning, warm-up, anchors" emd %.3f $what 1 2 4
        row "normalisation l2" norm-l2 %.3f $what 1 2 4
        row "no normalisation" norm-none %.3f $what 1 2 4
        row "preconditioning velocity" precond-velocity %.3f $what 1 2 4
        row "no warm-up of r" no-warmup %.3f $what 1 2 4
        row "no anchors (p_s0 = p_st = 0)" no-anchors %.3f $what 1 2 4
        row "mid-training for a quarter of the steps" midtrain %.3f $what 1 2 4
    done
    echo
    yardstick teacher
    yardstick teacher-velocity
}

# ---- (vii) Switches that the literature suggests ----
switches() {
    for seed in $SEEDS; do
        plain emd "$seed"
        plain no-zero "$seed" --set distill.p_s0=0
        plain sorted "$seed" --set distill.pairs=sorted --set distill.p_s0=0 --set distill.p_st=0.75
        plain split "$seed" --set model.time_split=true
        plain power-75 "$seed" --set distill.norm_p=0.75
        plain power-0 "$seed" --set distill.norm_p=0
        teacher teacher-coupled "$seed" "$TEACHER_STEPS" --set "train.coupling=$BATCH"
        student coupled "$seed" --teacher "$folder/teacher-coupled-$(of "$seed")" --set distill.guidance=none
        guided autoguidance "$seed"
        guided until-70 "$seed" --set distill.guidance_t_max=0.7
    done
    for what in fd rms; do
        case $what in
        fd) printf '\n## (vii) Switches without guidance: FD (our features)\n\n' ;;
        rms) printf '\n## (vii) Switches without guidance: RMS distance to the solution of the teacher\n\n' ;;
        esac
        heading "" "1 step" "2 steps" "4 steps"
        row "p_s0 = 0.2 and the other defaults" emd %.3f $what 1 2 4
        row "p_s0 = 0" no-zero %.3f $what 1 2 4
        row "MeanFlow's time pairs" sorted %.3f $what 1 2 4
        row "time_split" split %.3f $what 1 2 4
        row "norm_p = 0.75" power-75 %.3f $what 1 2 4
        row "norm_p = 0" power-0 %.3f $what 1 2 4
        row "a teacher with train.coupling = $BATCH" coupled %.3f $what 1 2 4
    done
    printf '\n## (vii) Autoguidance up to a time: FD by lambda\n\n'
    heading "guided, lambda" "1 step" "2 steps" "4 steps"
    for guide in autoguidance until-70; do by_strength $guide $guide; done
    echo
    yardstick teacher
    yardstick teacher-coupled
}

# Students for a range of strengths, fine-tuned with a discriminator that is told the strength, or is not.
told() {
    for seed in $SEEDS; do
        guided until-70 "$seed" --set distill.guidance_t_max=0.7
        for known in false true; do
            stage "told-$known-$seed" finetune --student "$folder/until-70-$seed" --steps "$FINETUNE_STEPS" \
                --seed "$seed" --set finetune.channel_base=512 --set "finetune.disc_guidance=$known"
        done
    done
    printf '\n## (vii) Fine-tuning for a range of strengths: FD by lambda\n\n'
    heading "the discriminator knows lambda, lambda" "1 step" "2 steps" "4 steps"
    for known in false true; do by_strength $known told-$known; done
}

case $part in
consistency | losses | guidance | adversarial | ablations | switches | told) $part ;;
all) for each in consistency losses guidance adversarial ablations switches told; do $each; done ;;
*) echo "paper.sh: no part '$part': consistency, losses, guidance, adversarial, ablations, switches, told or all" >&2 && exit 2 ;;
esac
