#!/bin/sh
# tests/cli/test_data.sh AYF
# Data sets and their classes as a user meets them.
set -u
ayf=$1
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
: >out && : >err
export AYF_THREADS=1
tiny="--batch 4 --set model.channels=8 --set model.multipliers=1,2 --set model.blocks=1 --set model.attention=4
      --set model.channels_per_head=16 --set train.lr_warmup=0"

# set NAME.zip LABELS [PATH ...]: pictures of 8 x 8, whose colour says which class they are of. LABELS is the text
# of dataset.json or "-"; each PATH is NAME, or NAME*N for N pictures NAME0.png, NAME1.png ...
cat >set.py <<'END'
import json, struct, sys, zipfile, zlib

def png(colour, index):
    rows = b"".join(b"\0" + bytes((colour * 40 + 7 * x * y + index * 3 + c * 50) % 256 for x in range(8) for c in range(3))
                    for y in range(8))
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))

with zipfile.ZipFile(sys.argv[1], "w") as out:
    for colour, path in enumerate(sys.argv[3:]):
        name, _, count = path.partition("*")
        for i in range(int(count or 1)):
            out.writestr("%s%03d.png" % (name, i), png(colour, i))
    if sys.argv[2] != "-":
        out.writestr("dataset.json", sys.argv[2])
END
make_set() { python3 set.py "$@"; }

# ---- info ----
make_set pets.zip - "cat/*40" "dog/*4" "great-white, shark/*4"
expect "info names the classes" 0 "$ayf" info pets.zip
prints "classes      3"
prints "  0          cat, 40 pictures"
prints "  2          great-white, shark, 4 pictures"
make_set sparse.zip '{"labels": {"a000.png": 1, "b000.png": 4}, "class_names": ["u", "v", "w", "x", "y", "z"]}' a b
expect "info names classes without pictures" 0 "$ayf" info sparse.zip
prints "classes      6, of which 4 have no picture" && prints "  no picture 0, 2-3, 5" && prints "  0          u, no picture" && prints "  4          y, 1 picture"
make_set split.zip - "train/cat/*3" "train/dog/*2" "test/cat/*2" "test/dog/*2"
expect "info says what was taken" 0 "$ayf" info split.zip
prints "samples      5" && prints "takes train/" && prints "test/"
make_set storage.zip - "00000/a" "00001/b"
expect "storage is no class" 0 "$ayf" info storage.zip
prints "classes      none" && prints "storage"
mkdir mnist
python3 -c '
import struct
for name, count in ("train", 3), ("t10k", 2):
    open("mnist/%s-images-idx3-ubyte" % name, "wb").write(struct.pack(">IIII", 0x803, count, 4, 4) + bytes(range(16 * count)))
    open("mnist/%s-labels-idx1-ubyte" % name, "wb").write(struct.pack(">II", 0x801, count) + bytes(range(count)))'
expect "info says which IDX file was taken" 0 "$ayf" info mnist
prints "samples      3" && prints "takes train-images-idx3-ubyte" && prints "t10k-images-idx3-ubyte is left out"

# ---- data check ----
python3 -c '
import struct
open("far-images-idx3-ubyte", "wb").write(struct.pack(">IIII", 0x803, 3, 4, 4) + bytes(range(48)))
open("far-labels-idx1-int", "wb").write(struct.pack(">IIiii", 0xC01, 3, 1, 0x7fffffff, -5))'
expect "labels that no class has" 5 "$ayf" data check far-images-idx3-ubyte
prints "picture 1: label 2147483647 is out of the range 0 to 65535" && prints "picture 2: has no label"
prints "classes      2, of 0 to 1 samples each; 1 without any"
expect "they are not on the sheet" 5 "$ayf" data check far-images-idx3-ubyte --sheet far.png
exists far.png
expect "training refuses them" 3 "$ayf" train far --data far-images-idx3-ubyte
says "label 2147483647 is out of the range 0 to 65535"
make_set wrap.zip '{"labels": {"a000.png": "u", "b000.png": "v"}, "classes": {"v": 4294967296, "u": 4294967297}}' a b
expect "places of classes beyond an int are none" 0 "$ayf" info wrap.zip
prints "  0          u, 1 picture"
mkdir thin && python3 -c '
import struct, zlib
def chunk(kind, data): return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
open("thin/t.png", "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 16384, 8, 0, 0, 0, 0)) +
    chunk(b"IDAT", zlib.compress(b"\0\1" * 16384)) + chunk(b"IEND", b""))'
expect "a picture that is enlarged beyond memory" 3 "$ayf" train thin-run --data thin --set data.labels=false \
    --set data.resolution=1024 --set data.resize=dhariwal
says "t.png: 16384 x 1 pixels would become 16777216 x 1024 before the crop"
name=$(printf 'n\033\377.png')
mkdir names && python3 -c 'import zipfile; open("names/a.png", "wb").write(zipfile.ZipFile("pets.zip").read("cat/000.png"))'
cp names/a.png "names/$name"
expect "JSON has the names of files as they are" 0 "$ayf" data check names --json
python3 -c 'import json, os, sys
pair, = json.load(open("out"))["duplicate_pairs"]
sys.exit(not all(os.path.exists(os.fsencode("names/") + n.encode("utf-8", "surrogateescape")) for n in pair))' || bad "not a name of a file"

# ---- What training refuses, data check does not pass ----
make_set comma.zip '{"labels": [["a000.png", 0], ["b000.png", 1],]}' a b
make_set vector.zip '{"labels": [["a000.png", [0.3, 0.7]], ["b000.png", 1]]}' a b
make_set twice.zip '{"labels": [["a000.png", 0], ["a000.png", 1], ["b000.png", 1]]}' a b
make_set stranger.zip '{"labels": [["c.png", 0]]}' a b
mkdir wrong && cp mnist/train-images-idx3-ubyte wrong/
python3 -c '
import struct
open("wrong/train-labels-idx1-ubyte", "wb").write(struct.pack(">II", 0x801, 2) + bytes(2))'
while read -r set words; do
    expect "info of $set" 3 "$ayf" info "$set"
    says "$words"
    expect "data check of $set" 3 "$ayf" data check "$set"
    says "$words" && one_line
    expect "training on $set" 3 "$ayf" train no-run --data "$set" $tiny --steps 1
    says "$words" && one_line
    expect "its pictures without them" 0 "$ayf" data check "$set" --set data.labels=false
done <<'END'
comma.zip dataset.json
vector.zip the label of a000.png is not a whole number
twice.zip is labelled twice
stranger.zip names no picture of this set
wrong has 2 labels for the 3 pictures
END
expect "the way out of labels for others" 3 "$ayf" data check wrong
says "data.labels=false"
make_set none.zip - a
expect "data without classes are good" 0 "$ayf" data check none.zip
prints "classes      none: "

# ---- Folders ----
mkdir alone && cp pets.zip alone/
expect "a ZIP alone in a folder" 3 "$ayf" info alone
says "pets.zip, which is a ZIP archive: name the file itself, alone/pets.zip" && one_line && says_not "unpack"
mkdir hollow
expect "an empty folder" 3 "$ayf" info hollow
says "hollow: holds no pictures" && says "name a folder or a ZIP" && one_line
mkdir linked && cp names/a.png linked/
ln -s nowhere linked/notes.txt && ln -s loop linked/loop
expect "broken links that are no pictures" 0 "$ayf" info linked
prints "samples      1"
ln -s nowhere linked/x.png
expect "one that is" 5 "$ayf" data check linked
prints "x.png: is a broken link"
expect "training names it" 3 "$ayf" train no-run --data linked --set data.labels=false $tiny --steps 1
says "x.png: is a broken link" && one_line
expect "and can leave it out" 0 "$ayf" train some --data linked --skip-bad 1 --set data.labels=false $tiny --steps 1
says "x.png: is a broken link"
cp mnist/train-images-idx3-ubyte emnist-letters-train-images-idx3-ubyte
expect "EMNIST's file" 0 "$ayf" info emnist-letters-train-images-idx3-ubyte
prints "EMNIST's pictures are transposed"

# ---- Many bad pictures are listed once ----
mkdir bad && cp names/a.png bad/
for i in $(seq 10 49); do echo no >bad/$i.png; done
expect "each is named once" 3 "$ayf" train no-run --data bad --set data.labels=false $tiny --steps 1
for i in 10 30 49; do [ "$(grep -o "$i.png: " err | wc -l)" -eq 1 ] || bad "$i.png is not named once"; done
says "40 of 41 pictures cannot be used" && says "more, listed above"

# ---- Files of other kinds as models ----
python3 - <<'END'
import zipfile
with zipfile.ZipFile("weights.pt", "w") as out:
    out.writestr("archive/data.pkl", b"\x80\2}.")
open("weights.pkl", "wb").write(b"\x80\4\x95\0\0\0\0\0\0\0\0}.")
open("model.safetensors", "w").write("version https://git-lfs.github.com/spec/v1\noid sha256:1234\nsize 5\n")
open("page.safetensors", "w").write("<!DOCTYPE html><html>404")
open("model.safetensors.index.json", "w").write('{"metadata": {}, "weight_map": {"a": "model-1.safetensors"}}')
END
while read -r file words; do
    expect "sample $file" 3 "$ayf" sample "$file"
    says "$words" && one_line
done <<'END'
weights.pt is a PyTorch file
weights.pkl is a Python pickle
model.safetensors git lfs pull
page.safetensors is a web page
model.safetensors.index.json is the index of a model in several files
pets.zip is a ZIP archive, not a model
mnist/train-images-idx3-ubyte is an IDX file
END
expect "doctor of data" 3 "$ayf" doctor pets.zip
says "is a ZIP archive, not a model" && one_line
expect "info of a PyTorch file" 3 "$ayf" info weights.pt
says "PyTorch file" && one_line

# ---- A model knows the classes of its data ----
expect "train says which classes are empty" 0 "$ayf" train sparse --data sparse.zip $tiny --steps 2
says "sparse.zip: 4 of its 6 classes have no picture and are neither drawn nor judged: 0, 2, 3, 5"
rm sparse.zip
expect "the model knows them without the data" 0 "$ayf" info sparse/model.safetensors
prints "6, of which 4 have no picture" && prints "  4          y, 1 picture"
expect "empty classes are not drawn" 0 "$ayf" sample sparse --seeds 0-3 --steps 1 --out drawn.png
says_not "although"
expect "an empty class is drawn with a warning" 0 "$ayf" sample sparse --seeds 0 --class w --steps 1 --out w.png
says "class 2 (w) is drawn although there was no picture of it"
expect "train on named classes" 0 "$ayf" train pets --data pets.zip $tiny --steps 40 --set train.lr=0.05
expect "a class by its name" 0 "$ayf" sample pets --seeds 0 --class dog --steps 1 --out dog.png
expect "the same by its number" 0 "$ayf" sample pets --seeds 0 --class 1 --steps 1 --out one.png
same_pixels dog.png one.png
expect "another class" 0 "$ayf" sample pets --seeds 0 --class cat --steps 1 --out cat.png
other_pixels dog.png cat.png
expect "names, numbers and ranges" 0 "$ayf" sample pets --seeds 0-3 --class "dog,great-white, shark,0-1" --steps 1 --out many.png
expect "the same as numbers" 0 "$ayf" sample pets --seeds 0-3 --class 1,2,0,1 --steps 1 --out numbers.png
same_pixels many.png numbers.png
expect "an unknown name" 2 "$ayf" sample pets --class dgo
says "has no class of this name; did you mean 'dog'?" && one_line
expect "a number that is none" 2 "$ayf" sample pets --class 3
says "the classes of pets are 0 to 2" && one_line
expect "a range that is none" 2 "$ayf" sample pets --class 2-1
one_line
expect "an empty list" 2 "$ayf" sample pets --class ""
one_line

# ---- Files of earlier versions do not say anything of their classes ----
cat >edit.py <<'END'
import json, struct, sys
data = open(sys.argv[1], "rb").read()
size, = struct.unpack("<Q", data[:8])
header = json.loads(data[8:8 + size])
for key in "crc32", "crc32.header": header["__metadata__"].pop(key, None)
if len(sys.argv) == 3: del header["__metadata__"]["classes"]
else: header["__metadata__"]["classes"] = sys.argv[3]
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
open(sys.argv[2], "wb").write(struct.pack("<Q", len(text)) + text + data[8 + size:])
END
python3 edit.py pets/model.safetensors old.safetensors
expect "info of an older file" 0 "$ayf" info old.safetensors
prints "classes      3"
expect "an older file draws the same" 0 "$ayf" sample old.safetensors --seeds 0-7 --steps 1 --out old.png
expect "as the new one does" 0 "$ayf" sample pets --seeds 0-7 --steps 1 --out new.png
same_pixels old.png new.png
expect "names are not known" 2 "$ayf" sample old.safetensors --class dog
says "knows its classes by number only: 0 to 2" && one_line
python3 edit.py pets/model.safetensors bad.safetensors '{"count": 7}'
expect "classes that are not those of the network" 3 "$ayf" info bad.safetensors
says "bad.safetensors: metadata 'classes': they are 7, but the network has 3" && one_line

# ---- eval draws the classes of the data ----
make_set many.zip - "cat/*140" "dog/*20"
expect "fit features" 0 "$ayf" eval --fit-features f.safetensors --data many.zip --set train.steps=2 --set train.batch=8 \
    --set model.channels=8
expect "train on uneven classes" 0 "$ayf" train uneven --data many.zip $tiny --steps 40 --set train.lr=0.05
expect "classes as in the reference" 0 "$ayf" eval uneven --data many.zip --features f.safetensors --images 80 --calls 1
prints "classes    of a model: as often as in the reference"
numbers() { grep -v "^classes\|^seconds" out >"$1"; }
numbers data.txt
expect "that is the default" 0 "$ayf" eval uneven --data many.zip --features f.safetensors --images 80 --calls 1 --classes data
numbers again.txt
same again.txt data.txt
expect "classes evenly" 0 "$ayf" eval uneven --data many.zip --features f.safetensors --images 80 --calls 1 --classes even
prints "classes    of a model: all equally often"
numbers even.txt
! cmp -s even.txt data.txt || bad "drawn evenly and as in the data alike"
make_set renamed.zip - "cat/*140" "eel/*20"
expect "other names are told" 0 "$ayf" eval uneven --data renamed.zip --features f.safetensors --images 80 --calls 1
says "class 1 is 'dog' for the model and 'eel' in the data"
expect "no such way" 2 "$ayf" eval uneven --data many.zip --features f.safetensors --classes evne
says "did you mean even?" && one_line
expect "ways need a model" 2 "$ayf" eval many.zip --data many.zip --features f.safetensors --classes even
says "--classes needs a model" && one_line

finish
