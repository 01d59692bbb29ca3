#!/bin/sh
# tests/cli/test_outputs.sh AYF
# What is written never takes away what is read, or what a run keeps.
set -u
ayf=$1
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
: >out && : >err
export AYF_THREADS=1
tiny="--data builtin:ring --set data.labels=false --set model.kind=mlp --set model.hidden=8 --set model.layers=2
      --batch 8 --set train.lr_warmup=0 --set save.snapshots=10"
fit="--set data.resolution=8 --set train.steps=2 --set train.batch=8 --set model.channels=8"

# kept NAME FILE OPTION ...: refused with 2 and one message that names FILE, which stays as it is.
kept() {
    name=$1
    file=$2
    shift 2
    cp "$file" before
    expect "$name" 2 "$ayf" "$@"
    says "$file" && one_line
    same "$file" before
}
# none NAME FILE OPTION ...: the same where there is no such file.
none() {
    name=$1
    file=$2
    shift 2
    expect "$name" 2 "$ayf" "$@"
    says "$file" && one_line
    absent "$file"
}

python3 - <<'END_OF_PYTHON'
import os, struct, zipfile, zlib
def chunk(kind, data): return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
def png(k):
    rows = b"".join(b"\0" + bytes((k * 40 + x * y * 7) % 256 for x in range(8)) for y in range(8))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
os.makedirs("sq/a"); os.makedirs("sq/b")
with zipfile.ZipFile("p.zip", "w") as out:
    for k in range(6):
        name = "%s/%d.png" % ("ab"[k % 2], k)
        open("sq/" + name, "wb").write(png(k))
        out.writestr(name, png(k))
END_OF_PYTHON
ln -s p.zip link.zip
ln p.zip hard.zip
ln -s sq linked
expect "a run" 0 "$ayf" train R $tiny --steps 20 --set save.every=10 --set train.ema_widths=0.05
ln -s R RR
ln -s R/model.safetensors to-model

# ---- What is read ----
kept "features over their data" p.zip eval --fit-features p.zip --data p.zip $fit
kept "features over a link to it" link.zip eval --fit-features link.zip --data p.zip $fit
kept "features over its other name" hard.zip eval --fit-features hard.zip --data p.zip $fit
kept "features over the held-out data" hard.zip eval --fit-features hard.zip --data sq --heldout p.zip $fit
kept "statistics over the data" p.zip eval --data p.zip --save-stats p.zip
kept "statistics over the features" to-model eval --data p.zip --features R/model.safetensors --save-stats to-model
cp R/model.safetensors m.png
kept "samples over the model" m.png sample m.png --seeds 0-3 --out m.png
kept "an export over the model" m.png export m.png --format c --out m.png
kept "a picture by a sheet" sq/a/0.png data check sq --sheet sq/a/0.png
none "a sheet inside the data" sq/sheet.png data check sq --sheet sq/sheet.png
none "a sheet inside the data, by a link" linked/b/s.png data check sq --sheet linked/b/s.png
none "statistics inside the data" sq/s.npz eval --data sq --save-stats sq/s.npz
none "a run inside its data" sq/run train sq/run --data sq $fit
expect "a run in the place of its data" 2 "$ayf" train sq --data sq $fit
says "sq: holds other things than a run" && one_line
absent sq/config.yaml
expect "a sheet beside the data" 0 "$ayf" data check sq --sheet sheet.png
exists sheet.png

# ---- What a run keeps ----
for own in config.yaml log.jsonl model.safetensors; do
    kept "an export over $own" R/$own export R --format safetensors --out R/$own
    kept "a report over $own" RR/$own report R --out RR/$own
    kept "an average over $own" R/$own ema R --width 0.08 --out R/$own
done
last=R/snapshots/step-00000020.safetensors
kept "an average over a snapshot" $last ema R --width 0.08 --out $last
none "an average among the snapshots" R/snapshots/mine.safetensors ema R --width 0.08 --out R/snapshots/mine.safetensors
kept "an average over a checkpoint" R/checkpoints/step-00000020.safetensors \
    ema R --width 0.08 --out R/checkpoints/step-00000020.safetensors
kept "a page over another run's model, by a link" to-model report m.png --out to-model
none "samples among a run's" R/samples/x.csv sample R --out R/samples/x.csv
none "a name that the run will use" R/model-best.safetensors ema R --width 0.08 --out R/model-best.safetensors
expect "from inside the run" 2 env -C R "$ayf" report . --out log.jsonl
says "log.jsonl: is among the files that a run keeps"
expect "another name in the run's folder" 0 "$ayf" ema R --width 0.08 --out R/mine.safetensors
exists R/mine.safetensors
expect "and over it again" 0 "$ayf" ema R --width 0.08 --out R/mine.safetensors
expect "a page in the run's folder" 0 "$ayf" report R --no-drawing --out R/report.html
expect "the run is as it was" 0 "$ayf" sample R --seeds 0-3 --out after.csv

# ---- "-" ----
for line in "export R --format c" "report R" "ema R --width 0.08" "data check sq"; do
    option=--out
    [ "$line" = "data check sq" ] && option=--sheet
    # shellcheck disable=SC2086
    expect "- in ${line%% *}" 2 "$ayf" $line $option -
    one_line
    absent ./-
done
expect "- as features" 2 "$ayf" eval --fit-features - --data p.zip $fit
says "standard output" && one_line
expect "- as statistics" 2 "$ayf" eval --data p.zip --save-stats -
says "standard output" && one_line

# ---- A format that is not written ----
none "a sheet as JPEG" s.jpg data check sq --sheet s.jpg
says "FILE.png"

finish
