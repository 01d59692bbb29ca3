#!/bin/sh
# test_folders.sh AYF: folders of classes that hold no picture.
set -u
ayf=$1
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
export AYF_THREADS=1

# cat/, dog/ and zebra/ have pictures; bird/ and fox/ have none, and fox/ has another file.
python3 - <<'END'
import os, struct, zipfile, zlib

def png(colour, index):
    rows = b"".join(b"\0" + bytes((colour * 40 + 7 * x * y + index * 3 + c * 50) % 256 for x in range(8) for c in range(3))
                    for y in range(8))
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))

with zipfile.ZipFile("pets.zip", "w") as out:
    for folder in "bird", "cat", "dog", "fox", "zebra":
        out.writestr(folder + "/", "")
        os.makedirs("pets/" + folder)
    for colour, folder in enumerate(("cat", "dog", "zebra")):
        for i in range(4):
            name, bytes_ = "%s/%d.png" % (folder, i), png(colour, i)
            out.writestr(name, bytes_)
            open("pets/" + name, "wb").write(bytes_)
open("pets/fox/notes.txt", "w").write("no picture yet\n")
END
for set in pets pets.zip; do
    expect "$set: info counts them" 0 "$ayf" info $set
    prints "classes      5, of which 2 have no picture" && prints "no picture 0, 3" && prints "0          bird, no picture"
    prints "1          cat, 4 pictures" && prints "4          zebra, 4 pictures"
    expect "$set: so does a check" 0 "$ayf" data check $set
    prints "bird" && prints "fox"
done
tiny="--batch 4 --set model.channels=8 --set model.multipliers=1 --set model.blocks=1 --set model.attention= --steps 1
      --set train.lr_warmup=0 --set save.grid_every=0"
# shellcheck disable=SC2086
expect "a run names them" 0 "$ayf" train run --data pets $tiny
says "2 of its 5 classes have no picture and are neither drawn nor judged: 0, 3"
expect "the model knows them" 0 "$ayf" info run/model.safetensors
prints "5, of which 2 have no picture"
expect "an empty one is drawn with a warning" 0 "$ayf" sample run --seeds 0 --class fox --steps 1 --out fox.png
says "class 3 (fox) is drawn although there was no picture of it"
expect "a check of the machine takes a model" 0 "$ayf" doctor run
prints "checks passed"
expect "and no data" 3 "$ayf" doctor pets
says "neither a model file nor the folder of a run" && one_line

finish
