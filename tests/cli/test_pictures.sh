#!/bin/sh
# tests/cli/test_pictures.sh AYF
# Pictures as people have them: ayf data check, and what cannot be read.
set -u
ayf=$1
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
: >out && : >err
export AYF_THREADS=1

# png FILE WIDTH HEIGHT KIND SEED: KIND is flat, noise, grey, rgba, deep or cut (in the middle)
png() {
    python3 - "$@" <<'END'
import random, struct, sys, zlib
path, width, height, kind, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
random.seed(seed)
depth, colours, channels = 16 if kind == "deep" else 8, 2, 3
if kind == "grey": colours, channels = 0, 1
if kind == "rgba": colours, channels = 6, 4
row = channels * width * depth // 8
pixels = [bytes([seed % 256] * row) if kind == "flat" else bytes(random.randrange(256) for _ in range(row)) for _ in range(height)]
def chunk(name, data): return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
data = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)) +
        chunk(b"IDAT", zlib.compress(b"".join(b"\0" + r for r in pixels))) + chunk(b"IEND", b""))
open(path, "wb").write(data[:len(data) // 2] if kind == "cut" else data)
END
}

# json TEST: what the last command printed is JSON for which the Python expression over d holds
json() { python3 -c "import json, sys; d = json.load(open('$work/out')); sys.exit(not ($1))" || bad "JSON: not $1"; }
# size FILE: "width x height" of a PNG
size() { python3 -c 'import struct, sys; print("%d x %d" % struct.unpack(">II", open(sys.argv[1], "rb").read()[16:24]))' "$1"; }

# ---- A clean set ----
mkdir -p clean/cat clean/dog
for i in 1 2 3; do png clean/cat/$i.png 12 10 noise $i; done
png clean/dog/1.png 10 12 rgba 4
png "clean/dog/schöner Hund.PNG" 16 16 deep 5
expect "a clean set" 0 "$ayf" data check clean --set data.resolution=8 --sheet sheet.png
prints "samples      5" && prints "classes      2, of 2 to 3 samples each" && prints "cat: 3" && prints "dog: 2"
prints "formats      5 PNG" && prints "converted    1 with transparency, 1 of 16 bits"
prints "sizes        3, from 10 x 12 to 16 x 16"
prints "4 pictures not square" && prints "repeated     0 pictures" && prints "flat         0 pictures"
prints "trained on   8 x 8, 3 channels; 0.0 MiB, kept in memory"
exists sheet.png
expect "the same as JSON" 0 "$ayf" data check clean --json --set data.resolution=8
json 'd["samples"] == 5 and d["bad"] == [] and [(c["name"], c["count"]) for c in d["classes"]] == [("cat", 3), ("dog", 2)]'
json 'd["png"] == 5 and d["alpha"] == 1 and d["deep"] == 1 and d["bytes"] == 5 * 8 * 8 * 3 and d["fits_in_memory"]'
expect "sizes that differ" 0 "$ayf" data check clean
prints "set data.resolution" && prints "trained on   nothing yet"
expect "few pixels are enlarged" 0 "$ayf" data check clean --set data.resolution=64
prints "5 pictures smaller than 64 pixels"

# ---- What is suspicious ----
cp -r clean odd
cp odd/cat/1.png odd/cat/again.png
cp odd/cat/2.png odd/dog/same.png
png odd/dog/flat.png 9 9 flat 77
expect "repeated and flat pictures" 0 "$ayf" data check odd --set data.resolution=8
prints "repeated     2 pictures, 1 of them in another class"
prints "cat/2.png = dog/same.png (another class)" && prints "cat/1.png = cat/again.png"
prints "flat         1 picture of hardly more than one colour" && prints "dog/flat.png"
cp -r clean mixed
png mixed/cat/grey.png 12 10 grey 9
expect "grey and colour differ" 0 "$ayf" data check mixed --set data.resolution=8
prints "5 colour, 1 grey; set data.channels"

# ---- Bad pictures: each is named ----
cp -r clean broken
png broken/cat/cut.png 30 30 cut 1
: >broken/cat/empty.png
printf 'GIF89a\001\000\001\000' >broken/dog/gif.png
printf '<!DOCTYPE html><html>404</html>' >broken/dog/page.jpg
printf 'II*\000\010\000\000\000' >broken/dog/scan.tif
expect "bad pictures are all named" 5 "$ayf" data check broken --set data.resolution=8 --sheet broken.png
prints "samples      10" && prints "unusable     5"
prints "cat/cut.png: truncated PNG" && prints "cat/empty.png: is empty (0 bytes)"
prints "dog/gif.png: is a GIF" && prints "dog/page.jpg: is a web page" && prints "dog/scan.tif: is a TIFF"
says "5 of 10 pictures cannot be used"
exists broken.png
expect "bad pictures as JSON" 5 "$ayf" data check broken --json
json 'len(d["bad"]) == 5 and d["samples"] == 10'
mkdir none && cp broken/dog/gif.png broken/dog/page.jpg none
expect "nothing that can be read" 3 "$ayf" data check none
prints "gif.png: is a GIF" && says "none of its 2 pictures can be used" && one_line

# ---- Left out ----
tiny="--set data.resolution=8 --set data.channels=3 --batch 2 --steps 1 --set model.channels=8
      --set model.multipliers=1 --set model.blocks=1 --set model.attention=4 --set model.channels_per_head=8"
expect "too few are left out" 3 "$ayf" train few --data broken --skip-bad 4 $tiny
says "5 of 10 pictures" && says "ayf data check"
expect "bad pictures are left out" 0 "$ayf" train left --data broken --skip-bad 5 $tiny
says "5 of 10 pictures left out" && says "dog/gif.png: is a GIF"
grep -q "skip_bad: 5" left/config.yaml || bad "config.yaml does not say it"

# ---- Sheets ----
expect "a sheet of drawn pictures" 0 "$ayf" data check builtin:shapes --set data.resolution=16 --sheet shapes.png
prints "classes      10"
[ "$(size shapes.png)" = "$((8 * 6 + 4 + 8 * 36)) x $((4 + 10 * 36))" ] || bad "a sheet of $(size shapes.png)"
expect "a sheet without classes" 0 "$ayf" data check clean --set data.labels=false --set data.resolution=8 --sheet plain.png
[ "$(size plain.png)" = "$((4 + 8 * 20)) x $((4 + 20))" ] || bad "a sheet of $(size plain.png)"
expect "a sheet that cannot be written" 1 "$ayf" data check clean --set data.resolution=8 --sheet missing/a.png
says "missing/a.png" && one_line

# ---- Points and mistakes ----
expect "points" 0 "$ayf" data check builtin:ring
prints "points in the plane"
expect "points have no sheet" 2 "$ayf" data check builtin:ring --sheet ring.png
says "points"
expect "no such data" 1 "$ayf" data check nowhere
says "nowhere" && one_line
expect "another verb" 2 "$ayf" data chek clean
says "ayf data check" && one_line
expect "other keys" 2 "$ayf" data check clean --set train.lr=1
says "train.lr" && one_line

finish
