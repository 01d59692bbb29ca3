#!/bin/sh
# tests/cli/test_messages.sh AYF
# What a message says: the thing and the way out, once.
set -u
ayf=$1
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
: >out && : >err
export AYF_THREADS=1

# ---- Numbers ----
expect "a number beyond 64 bits" 2 "$ayf" train no --steps 9999999999999999999999
says "train.steps = 9999999999999999999999 is too large; at most 1000000000000" && one_line
expect "one beyond the limit" 2 "$ayf" train no --steps 5000000000000
says "is too large; at most 1000000000000" && one_line
expect "one that has a smaller limit" 2 "$ayf" train no --batch 99999999999999999999
says "train.batch = 99999999999999999999 is too large; at most" && one_line
expect "an option beyond 64 bits" 2 "$ayf" ema no --width 0.1 --step 99999999999999999999 --out x
says "too large; at most 18446744073709551615" && one_line
expect "a key is named once" 2 "$ayf" train no --set train.batch=0
says "train.batch = 0 is out of range" && one_line
[ "$(grep -o train.batch err | wc -l)" -eq 1 ] || bad "train.batch is not named once"
expect "an unknown key with what was given" 2 "$ayf" train no --set train.lrr=1
says "train.lrr=1: unknown key" && one_line
expect "seeds that fall" 2 "$ayf" sample no --seeds 0-2,7-5
says "7-5 falls; a range rises: 5-7" && one_line
expect "no list" 2 "$ayf" sample no --seeds 3-x
says "must be a list like" && one_line
expect "a network beyond all bounds" 2 "$ayf" plan --set model.channels=4096 --set data.resolution=1024
says "ayf: too large: " && one_line

# ---- Help ----
expect "the keys of a verb" 0 "$ayf" help train
prints '"ayf help train." explains the keys train.*'
expect "that command" 0 "$ayf" help train.
prints "train.batch = "
expect "the exit codes" 0 "$ayf" help exit
prints "stopped on request with a checkpoint"

# ---- Samples ----
tiny="--data builtin:ring --set data.labels=false --set model.kind=mlp --set model.hidden=8 --set model.layers=2
      --batch 8 --set train.lr_warmup=0 --set save.grid_every=0"
# shellcheck disable=SC2086
expect "points" 0 "$ayf" train points $tiny --steps 2
expect "a table" 0 "$ayf" sample points --out p.csv
expect "a batch" 0 "$ayf" sample points --out p.npz
for file in p.csv p.npz; do
    expect "$file in eval" 3 "$ayf" eval $file --data builtin:ring
    says "ayf eval draws them itself" && one_line
done
images="--data builtin:shapes --set data.resolution=8 --set model.channels=8 --set model.multipliers=1 --set model.blocks=1
        --set model.attention= --batch 4 --set train.lr_warmup=0 --set save.grid_every=0"
# shellcheck disable=SC2086
expect "images" 0 "$ayf" train images $images --steps 2
expect "a folder that cannot be made" 1 "$ayf" sample images --seeds 0-1 --out /proc/x/
says "/proc/x/: cannot" && says_not "probe" && one_line

# ---- Features ----
python3 - <<'END'
import os, struct, zipfile, zlib
def chunk(kind, data): return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
def png(k):
    rows = b"".join(b"\0" + bytes((k * 7 + (k % 2 * 3 + 1) * x * y) % 256 for x in range(8)) for y in range(8))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
with zipfile.ZipFile("p.zip", "w") as two, zipfile.ZipFile("one.zip", "w") as one:
    for k in range(200):
        two.writestr("%s/%d.png" % ("ab"[k % 2], k), png(k))
        one.writestr("%d.png" % k, png(k))
with zipfile.ZipFile("extra.zip", "w") as out:
    out.writestr("a.png", png(1))
    out.writestr("dataset.json", '{"labels": [["a.png", 0], ["b.png", 1], ["c.png", 1]]}')
END
fit="--set train.steps=2 --set train.batch=8 --set model.channels=8"
# shellcheck disable=SC2086
{
    expect "features without classes" 3 "$ayf" eval --fit-features f.safetensors --data one.zip $fit
    says "one.zip has no classes" && says "--inception" && says_not "data.labels" && one_line
    expect "features" 0 "$ayf" eval --fit-features f.safetensors --data p.zip $fit
}
expect "the same data by another name" 0 "$ayf" eval --data "$work/p.zip" --features f.safetensors --save-stats s.npz
says_not "were fitted to"
cp p.zip q.zip
expect "other data" 0 "$ayf" eval --data q.zip --features f.safetensors --save-stats s.npz
says "were fitted to p.zip and are used with q.zip"

# ---- Labels without pictures ----
for verb in info "data check"; do
    # shellcheck disable=SC2086
    expect "$verb tells them" 0 "$ayf" $verb extra.zip
    prints "2 labels of dataset.json are of pictures that are not there (b.png)"
done

finish
