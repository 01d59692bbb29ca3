#!/bin/sh
# tests/cli/test_reading.sh AYF
# How pictures are read is the same where things are compared, and what cannot be read is counted.
set -u
ayf=$1
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
: >out && : >err
export AYF_THREADS=1
net="--set model.channels=8 --set model.multipliers=1 --set model.blocks=1 --set train.lr_warmup=0 --set data.resolution=8
     --batch 4 --steps 1"
fit="--set data.resolution=8 --set train.steps=3 --set train.batch=4"

# 160 pictures of 24 x 24 in two classes: fine stripes, by which filters differ.
python3 - <<'PY'
import os, struct, zlib
def png(path, side, seed):
    rows = b"".join(b"\0" + bytes(255 * (x * (seed % 5 + 1) + y * (seed % 7) + seed // 35 & 1) for x in range(side))
                    for y in range(side))
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    open(path, "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)) +
                           chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
for name in "cat", "dog":
    os.makedirs("data/" + name)
    for i in range(80): png("data/%s/%02d.png" % (name, i), 24, i * 2 + (name == "dog"))
PY
cp -r data broken
: >broken/cat/empty.png
printf 'GIF89a\001\000\001\000' >broken/dog/gif.png
printf '<!DOCTYPE html>' >broken/dog/page.png

# ---- Left out ----
expect "features without broken pictures" 3 "$ayf" eval --fit-features f.safetensors --data broken $fit
says "3 of 163 pictures"
expect "features of the others" 0 "$ayf" eval --fit-features f.safetensors --data broken --skip-bad 3 $fit
says "3 of 163 pictures left out"
expect "a teacher of the others" 0 "$ayf" train teacher --data broken --skip-bad 4 --set data.resize=box $net
grep -q '"left_out": *3' teacher/log.jsonl || bad "log.jsonl does not say how many are left out"
expect "a teacher of all" 0 "$ayf" train whole --data data $net
! grep -q left_out whole/log.jsonl || bad "log.jsonl says that something is left out"
draw="--features f.safetensors --images 80 --calls 1 --solver euler"
expect "too few are left out" 3 "$ayf" eval teacher --data broken --skip-bad 2 $draw
says "3 of 163 pictures" && says "is too few"
expect "data with broken pictures" 0 "$ayf" eval teacher --data broken --skip-bad 3 $draw
prints "160 images of 8 x 8 x 1" && prints "; 3 that cannot be read are left out"
cp -r data more && : >more/cat/empty.png
expect "all sources" 0 "$ayf" eval broken --data data --heldout more --skip-bad 3 --features f.safetensors --images 100
grep -q "^samples .*; 3 that cannot be read are left out" out || bad "not of the samples"
grep -q "^floor .*; 1 that cannot be read is left out" out || bad "not of the held-out samples"
grep "^reference" out | grep -q "left out" && bad "of the reference too"
expect "JSON says it" 0 "$ayf" eval broken --data data --skip-bad 3 --features f.safetensors --images 100 --json
prints "3 that cannot be read are left out"
expect "statistics" 0 "$ayf" eval --data broken --skip-bad 3 --features f.safetensors --save-stats s.npz
expect "no number" 2 "$ayf" eval teacher --data broken --skip-bad some $draw
says "--skip-bad" && one_line
expect "nothing to leave out" 2 "$ayf" eval teacher --teacher teacher --skip-bad 3
one_line

# ---- Filters ----
expect "by features of Lanczos" 0 "$ayf" eval teacher --data data $draw
prints "(centre crop, Lanczos, as the features were fitted)"
says "learned pictures that were resized by box"
expect "features of box" 0 "$ayf" eval --fit-features box.safetensors --data data --set data.resize=box \
    --set data.background=black --set data.upright=false $fit
expect "by features of box" 0 "$ayf" eval teacher --data data --features box.safetensors --images 80 --calls 1 --solver euler
prints "(centre crop, box, over black, not turned by EXIF, as the features were fitted)" && says_not "learned pictures"
by_box=$(grep "sliced W2" out)
# What fitted features said before there were filters: nothing, and all of it was box.
python3 - <<'PY'
import json, struct, zlib
data = open("f.safetensors", "rb").read()
size = struct.unpack("<Q", data[:8])[0]
head = json.loads(data[8:8 + size])
meta = head["__metadata__"]
meta["config"] = "".join(line for line in meta["config"].splitlines(True)
                         if not any(key in line for key in ("resize:", "background:", "upright:", "skip_bad:")))
for key in [k for k in meta if k.startswith("crc32")]: del meta[key]
text = json.dumps(head).encode()
text += b" " * (-len(text) % 8)
open("older.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + data[8 + size:])
PY
expect "by older features" 0 "$ayf" eval teacher --data data --features older.safetensors --images 80 --calls 1 --solver euler
prints "(centre crop, box, not turned by EXIF, as the features were fitted)"
[ "$(grep "sliced W2" out)" = "$by_box" ] || bad "other pictures than by features of box"

# ---- Students ----
student="--set data.resolution=8 --batch 4 --steps 1 --set train.lr_warmup=0 --set distill.guidance=none"
reads() { grep -q "^  $2\$" "$1/config.yaml" || bad "$1 does not read with $2"; }
expect "a student reads as its teacher" 0 "$ayf" distill student --data data --teacher teacher $student
says "data.resize = box, as the teacher teacher has seen its data" && says_not "data.upright"
reads student "resize: box" && reads student "upright: true"
expect "a student that is told otherwise" 0 "$ayf" distill other --data data --teacher teacher $student --set data.resize=dhariwal
says_not "data.resize ="
reads other "resize: dhariwal"
expect "a student of a usual teacher" 0 "$ayf" distill usual --data data --teacher whole $student
says_not "data.resize ="
reads usual "resize: lanczos"
expect "fine-tuning reads as the student" 0 "$ayf" finetune tuned --data data --student student --batch 4 --steps 1 \
    --set finetune.channel_base=64
reads tuned "resize: box"

# ---- The check of data ----
expect "class names in the check" 0 "$ayf" data check data --json
python3 -c 'import json
assert [(c["name"], c["count"]) for c in json.load(open("out"))["classes"]] == [("cat", 80), ("dog", 80)]' || bad "other classes"
expect "points are counted" 0 "$ayf" data check builtin:gaussian --json
python3 -c 'import json
d = json.load(open("out"))
assert not d["classes"] or sum(c["count"] for c in d["classes"]) == d["samples"]' || bad "other numbers"
for set in ring moons; do
    expect "points of $set are counted" 0 "$ayf" data check builtin:$set --json
    python3 -c 'import json
d = json.load(open("out"))
counts = [c["count"] for c in d["classes"]]
assert len(counts) > 1 and sum(counts) == d["samples"] and len(set(counts)) > 1' || bad "not counted"
done

# ---- What else lies in folders ----
python3 - <<'PY'
import os, struct, zlib
def put(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "wb").write(data)
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
put("torch/MNIST/raw/train-images-idx3-ubyte", struct.pack(">IIII", 0x803, 1, 4, 4) + bytes(16))
put("cifar/cifar-10-batches-bin/data_batch_1.bin", bytes(3073))
put("huge/0.png", b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 20000, 2000, 1, 0, 0, 0, 0)) +
    chunk(b"IDAT", zlib.compress(bytes(2501 * 2000))) + chunk(b"IEND", b""))
PY
expect "torchvision's folder" 3 "$ayf" info torch
says "name its folder, torch/MNIST/raw" && one_line
expect "CIFAR's folder" 3 "$ayf" info cifar
says "name its folder, cifar/cifar-10-batches-bin" && one_line
expect "a PNG of 20000 pixels" 3 "$ayf" info huge
says "20000 pixels are more than are read (16384 a side"

finish
