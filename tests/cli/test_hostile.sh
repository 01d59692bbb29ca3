#!/bin/bash
# tests/cli/test_hostile.sh AYF FAIL_ALLOC SANITIZERS
# Systems that fail and files that mean harm: no memory, damaged files, control characters, pipes and devices.
set -u
ayf=$1
fail_alloc=$2
sanitizers=${3:-none}
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
: >out && : >err
export AYF_THREADS=1
net="--batch 2 --set data.resolution=8 --set data.channels=1 --set model.channels=4
    --set model.multipliers=1 --set model.blocks=1 --set model.attention=8 --set model.channels_per_head=4
    --set train.lr_warmup=0"
small="--data builtin:shapes $net"

# shellcheck disable=SC2086
expect "a model to work with" 0 "$ayf" train run $small --steps 2
model=model.safetensors

# ---- Damaged files ----

# damaged FILE COUNT COMMAND ...: FILE with one bit turned at COUNT places, one after the other, ends COMMAND with 3
# and a message that names the file.
damaged() {
    local file=$1 count=$2 i code
    shift 2
    cp "$file" whole
    i=0
    while [ $i -lt "$count" ]; do
        python3 -c 'import sys
data, i, count = bytearray(open("whole", "rb").read()), int(sys.argv[2]), int(sys.argv[3])
at = (len(data) - 1) * i // (count - 1)
data[at] ^= 1 << (i * 5 % 8)
open(sys.argv[1], "wb").write(data)' "$file" $i "$count"
        code=0
        "$@" >damaged.out 2>damaged.err || code=$?
        if [ $code -ne 3 ] || ! grep -qF "$file" damaged.err; then
            echo "place $i of $count: ends with $code: $(cat damaged.err)" >&2
            return 1
        fi
        i=$((i + 1))
    done
    cp whole "$file"
}

# shellcheck disable=SC2086
expect "damaged checkpoints" 0 damaged run/checkpoints/step-00000002.safetensors 40 "$ayf" train run $small --steps 2
expect "damaged models" 0 damaged run/$model 40 "$ayf" sample run --steps 1 --seeds 0 --out damaged.png
# shellcheck disable=SC2086
expect "features to work with" 0 "$ayf" eval --fit-features features.safetensors --data builtin:shapes \
    --set train.steps=2 --set train.batch=4 --set data.resolution=8 --set data.channels=1
expect "damaged features" 0 damaged features.safetensors 20 "$ayf" eval run --data builtin:shapes --images 65 \
    --reference 130 --features features.safetensors
turn_last() { python3 -c 'import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[-3] ^= 4
open(sys.argv[1], "wb").write(data)' "$1"; }
cp run/$model whole
turn_last run/$model
# shellcheck disable=SC2086
expect "a damaged model is made again by its run" 0 "$ayf" train run $small --steps 2
same whole run/$model

# ---- Memory ----

# Every limit on the address space between FIRST and LAST KiB: success, or "out of memory" and 1. 127 and signals
# before main() are the dynamic loader's: below the first limit at which the program can say something.
limits() {
    local last=$2 step=$3 limit=$1 code
    shift 3
    while [ "$limit" -le "$last" ]; do
        code=0
        rm -rf limited
        (ulimit -v "$limit" && exec "$@") >limited.out 2>limited.err || code=$?
        case $code in
        0) ;;
        1) grep -q 'memory' limited.err || { echo "$limit KiB: $(cat limited.err)" >&2 && return 1; } ;;
        *) echo "$limit KiB: ends with $code: $(cat limited.err)" >&2 && return 1 ;;
        esac
        limit=$((limit + step))
    done
}

# The smallest limit, in steps of 1 MiB, with which the program starts.
least() {
    local limit=16384
    while ! (ulimit -v "$limit" && exec "$ayf" --version) >/dev/null 2>&1; do
        limit=$((limit + 1024))
        [ "$limit" -lt 4194304 ] || return 1
    done
    echo $((limit + 1024))
}

# Every n-th request for memory failing in turn: 0, or 1 and a word about memory.
each_request() {
    rm -f requests
    env FAIL_ALLOC=1-100000 FAIL_ALLOC_LOG=requests LD_PRELOAD="$fail_alloc" "$@" >requests.out 2>requests.err
    [ -s requests ] || { echo "nothing was tried" >&2 && return 1; }
    awk '$2 > 1 { print "request " $1 " ends with " $2 > "/dev/stderr"; bad = 1 } END { exit bad }' requests &&
        ! grep -v -e memory -e '^$' requests.err >&2 &&
        [ "$(awk '$2 == 1' requests | wc -l)" -ge "$(grep -c '(out of memory)' requests.out)" ]
}

if [ "$sanitizers" = none ]; then
    start=$(least)
    expect "little memory while drawing" 0 limits "$start" $((start + 64000)) 1009 \
        "$ayf" sample run --steps 2 --seeds 0-1 --out limited.png
    # shellcheck disable=SC2086
    expect "little memory while training" 0 limits "$start" $((start + 64000)) 1009 "$ayf" train limited $small --steps 1
    expect "each request for memory fails: a run" 0 each_request "$ayf" info run
fi

# ---- Control characters ----

# Neither stream of the last command holds anything that a terminal would obey.
harmless() {
    python3 -c 'import sys, unicodedata
for name in sys.argv[1:]:
    text = open(name, "rb").read().decode("utf-8")
    bad = [c for c in text if c != "\n" and (unicodedata.category(c) == "Cc" or c in
           "\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")]
    if bad: sys.exit(f"{name} holds {bad}")' out err 2>harm || bad "$(tail -1 harm)"
}

evil=$(printf 'e\033[2Jv\007\302\233i\342\200\256l\377\001\177')
mkdir "$evil" "$evil/1$evil" "$evil/0"
cat >evil.py <<'EOP'
import struct, sys, zlib
def chunk(kind, data): return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
evil = sys.argv[1].encode("utf-8", "surrogateescape")
for n, path in enumerate(sys.argv[2:]):
    rows = b"".join(b"\0" + bytes((8 * y + n * (3 * x + 1)) % 256 for x in range(24)) for y in range(8))
    open(path, "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)) +
                           chunk(b"tEXt", b"Software\0" + evil) + chunk(b"tEXt", b"Comment\0" + evil) +
                           chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
EOP
python3 evil.py "$evil" "$evil/1$evil/$evil.png" "$evil/0/a.png"
expect "a picture with an evil comment" 0 "$ayf" info "$evil/0/a.png"
harmless
expect "a picture with an evil name" 0 "$ayf" info "$evil/1$evil/$evil.png"
harmless
expect "a folder with evil names" 0 "$ayf" info "$evil"
harmless
printf 'not a picture' >"$evil/0/b$evil.png"
expect "a bad file with an evil name" 3 "$ayf" info "$evil"
harmless
rm "$evil/0/b$evil.png"
for place in "train run --$evil" "$evil" "info $evil.nowhere" "help $evil" "train run --set $evil=1" \
    "train run --set train.lr=$evil" "train run --set model.kind=$evil" "train run --config $evil.yaml" \
    "sample run --solver $evil" "sample run --seeds $evil" "eval $evil.none --data $evil" "distill d --set distill.teacher=$evil"; do
    # shellcheck disable=SC2086
    "$ayf" $place >out 2>err
    expect "an evil word: ayf ${place%%"$evil"*}..." $? "$ayf" $place
    [ -s err ] || bad "no message"
    harmless
done
good=$(printf 'g\033[2Jo\342\200\256d')
mkdir "$good" && cp "$evil/0/a.png" "$good/a.png" && cp "$evil/0/a.png" "$good/b.png"
# shellcheck disable=SC2086
expect "a run with an evil folder and data" 0 "$ayf" train "$good-run" $net --set data.labels=false --data "$good" --steps 1
harmless
expect "its model" 0 "$ayf" info "$good-run/model.safetensors"
harmless
expect "its run" 0 "$ayf" info "$good-run"
harmless
cp "$good-run/log.jsonl" out
harmless
named="1$good"
mkdir "$good-data" "$good-data/0" "$good-data/$named"
for i in $(seq 65); do echo "$good-data/0/$i.png" && echo "$good-data/$named/$i.png"; done | xargs -d '\n' python3 evil.py "$evil"
cp "$good-data/0/1.png" "$good-data/$named/same.png"
expect "evil classes: data check" 0 "$ayf" data check "$good-data"
harmless
prints "flat " && ! grep -qF '\n' out || bad "a line end is written out"
expect "evil classes: data check --json" 0 "$ayf" data check "$good-data" --json
harmless
# shellcheck disable=SC2086
expect "a run with evil classes" 0 "$ayf" train "$good-classes" $net --data "$good-data" --steps 1
harmless
expect "evil classes: the model" 0 "$ayf" info "$good-classes/model.safetensors"
prints '1g?[2Jo\u202ed'
harmless
expect "evil classes: a sample" 0 "$ayf" sample "$good-classes" --class "$(echo "$named" | tr "\033" "?")" --seeds 0 --steps 1 --out "$good.png"
harmless
expect "evil classes: no such class" 2 "$ayf" sample "$good-classes" --class "2$evil" --seeds 0 --steps 1 --out no.png
harmless
expect "evil classes: measured" 0 "$ayf" eval "$good-classes" --data "$good-data" --features features.safetensors \
    --images 65 --reference 130
harmless
expect "evil classes: the report" 0 "$ayf" report "$good-classes" --out "$good.html"
harmless
! tr -d '\n\t' <"$good.html" | LC_ALL=C grep -q "$(printf '[\001-\010\033\177]')" || bad "the page holds control characters"
expect "an evil key in a configuration" 2 sh -c 'printf "train:\n  \"l\\x1br\": 1\n" >evil.yaml && "$1" train other --config evil.yaml' \
    - "$ayf"
harmless
expect "evil metadata" 3 python3 -c 'import struct, subprocess, sys
header = b"{\"__metadata__\":{\"format\":\"\\u001b[2J\\u202e\"},\"a\\u009b\":{\"dtype\":\"\\u0007\",\"shape\":[],\"data_offsets\":[0,4]}}"
open("evil.safetensors", "wb").write(struct.pack("<Q", len(header)) + header + b"1234")
sys.exit(subprocess.run([sys.argv[1], "info", "evil.safetensors"]).returncode)' "$ayf"
harmless
# The hint is for a shell, and leads to the same folder.
stop() {
    # shellcheck disable=SC2086
    "$ayf" train "$good-long" $net --set data.labels=false --data "$good" --steps 1000000 &
    until [ -s "$good-long/log.jsonl" ] || ! kill -0 $! 2>/dev/null; do sleep 0.1; done
    kill -TERM $!
    wait $!
}
expect "a hint with evil words" 75 stop
harmless
hint=$(sed -n 's/.*\(train .*--steps 1000000\).*/\1/p' err | tail -1)
expect "the hint can be copied" 0 bash -c "words() { [ \"\$2\" = \"\$folder\" ]; }; folder=\$1; words $hint" - "$good-long"

# ---- OpenMP ----

# shellcheck disable=SC2086
train_with() {
    folder=$1
    shift
    env AYF_THREADS=2 "$@" "$ayf" train "$folder" $small --set model.channels=16 --steps 2
}
expect "two threads" 0 train_with two
expect "OMP_DYNAMIC does not change a run" 0 train_with dynamic OMP_DYNAMIC=true
same two/$model dynamic/$model
one_thread() { AYF_THREADS=1 "$ayf" train one $small --set model.channels=16 --steps 2; }
expect "one thread" 0 one_thread
for setting in OMP_THREAD_LIMIT=1 OMP_MAX_ACTIVE_LEVELS=0; do
    expect "$setting leaves one thread" 0 train_with "$setting" $setting
    says "1 of 2 threads"
    same one/$model "$setting/$model"
done
finish
