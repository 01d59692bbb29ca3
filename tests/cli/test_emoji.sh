#!/bin/sh
# tests/cli/test_emoji.sh AYF SOURCE
# Colour fonts as data, and the demo that learns one.
set -u
ayf=$1
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
: >out && : >err
export AYF_THREADS=1
tiny="--batch 4 --set data.resolution=8 --set model.channels=8 --set model.multipliers=1,2 --set model.blocks=1
      --set model.attention= --set train.lr_warmup=0"

# A font of 12 pictures of 6 x 4: faces from U+1F600, and flags that are ligatures of two letters.
cat >font.py <<'END'
import struct, sys, zlib
def shorts(*values): return struct.pack(">%dH" % len(values), *values)
def png(shade):
    rows = b"".join(b"\0" + bytes(((shade * 20 + 9 * x * y) % 256, 200 - shade, 60, 255 * (x > 0))[c] for x in range(6) for c in range(4)) for y in range(4))
    def chunk(kind, data): return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 6, 4, 8, 6, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
faces, flags = 8, 4
glyphs = range(1, faces + flags + 1)               # then two letters without pictures
pictures, offsets = shorts(3, 0), [0]
for glyph in glyphs:
    data = png(glyph)
    pictures += bytes(5) + struct.pack(">I", len(data)) + data
    offsets.append(len(pictures) - 4)
where = (shorts(3, 0, 0, 1) + struct.pack(">IIII", 56, 0, 1, 0) + bytes(24) + shorts(1, len(glyphs)) + bytes((109, 109, 32, 1)) +
         shorts(1, len(glyphs), 0, 8) + shorts(1, 17) + struct.pack(">I", 4) + struct.pack(">%dI" % len(offsets), *offsets))
letter = len(glyphs) + 1
cmap = shorts(0, 1, 3, 10, 0, 12, 12, 0) + struct.pack(">III", 40, 0, 2)
cmap += struct.pack(">III", 0x1F1E6, 0x1F1E7, letter) + struct.pack(">III", 0x1F600, 0x1F600 + faces - 1, 1)
subst = shorts(1, 0, 0, 0, 10, 1, 4, 4, 0, 1, 8, 1, 8, 1, 14, 1, 1, letter, flags)
subst += shorts(*(2 + 2 * flags + 8 * i for i in range(flags)))
subst += b"".join(shorts(faces + 1 + i, 3, letter + 1, letter + i % 2) for i in range(flags))
tables = {b"CBDT": pictures, b"CBLC": where, b"GSUB": subst, b"cmap": cmap}
if len(sys.argv) > 2: tables = {b"cmap": cmap}
at, directory, data = 12 + 16 * len(tables), b"", b""
for tag, bytes_ in sorted(tables.items()):
    directory += tag + struct.pack(">III", 0, at + len(data), len(bytes_))
    data += bytes_
open(sys.argv[1], "wb").write(shorts(1, 0, len(tables), 0, 0, 0) + directory + data)
END
python3 font.py small.ttf
python3 font.py plain.ttf outlines

expect "a colour font is checked" 0 "$ayf" data check small.ttf --set data.resolution=8 --sheet sheet.png
prints "samples      12" && prints "sizes        6 x 6" && prints "flags: 4" && prints "faces: 8" && exists sheet.png
expect "info of a colour font" 0 "$ayf" info small.ttf
prints "classes      6, of which 4 have no picture" && prints "  0          faces, 8 pictures" && prints "  1          flags, 4 pictures"
expect "train on a colour font" 0 "$ayf" train run --data small.ttf $tiny --steps 2
expect "draw a class by name" 0 "$ayf" sample run --class flags --seeds 0-3 --steps 2 --out flags.png

# ---- data.center ----
# has KEY VALUE FILE: config.yaml has it.
has() { grep -q "^  $1: $2" "$3" || bad "$3 has no $1: $2"; }
expect "a teacher of centred data" 0 "$ayf" train centred --data small.ttf $tiny --set data.center=true --steps 2
has center true centred/config.yaml && has data_mean "0\.[0-9]" centred/config.yaml
expect "it goes on with the mean that it measured" 0 "$ayf" train centred --steps 3
expect "another mean is refused" 2 "$ayf" train centred --steps 4 --set model.data_mean=0.25
says "data_mean"
expect "a student has its teacher's mean" 0 "$ayf" distill student --data small.ttf --teacher centred --batch 4 \
    --set data.resolution=8 --set distill.guidance=none --set train.lr_warmup=0 --steps 2
has center true student/config.yaml && grep data_mean centred/config.yaml >a && grep data_mean student/config.yaml >b && same a b
expect "a network without a mean gets none" 0 "$ayf" distill plain --data small.ttf --teacher run --batch 4 --set data.center=true \
    --set data.resolution=8 --set distill.guidance=none --set train.lr_warmup=0 --steps 1
lines=1
says "data.center is not used" && has center false plain/config.yaml
expect "drawing with it" 0 "$ayf" sample student --seeds 0-3 --steps 2 --out centred.png

# ---- Models of half the size ----
narrow=$2/scripts/narrow_model.py
expect "a model is narrowed" 0 python3 "$narrow" student/model.safetensors narrow.safetensors
[ "$(wc -c <narrow.safetensors)" -lt $(($(wc -c <student/model.safetensors) * 3 / 4)) ] || bad "it is as large as before"
! grep -aq "$work" narrow.safetensors && grep -aq "/centred" narrow.safetensors || bad "it names the folders of this machine"
expect "it draws the same but for rounding" 0 "$ayf" sample narrow.safetensors --seeds 0-3 --steps 2 --out narrow.npz
"$ayf" sample student --seeds 0-3 --steps 2 --out wide.npz >/dev/null 2>&1
python3 -c '
import zipfile
a, b = (zipfile.ZipFile(name + ".npz").read("arr_0.npy") for name in ("narrow", "wide"))
assert len(a) == len(b) and a != b and max(abs(x - y) for x, y in zip(a, b)) < 12' 2>/dev/null || bad "the pictures differ"
expect "the model of the repository draws" 0 "$ayf" sample "$2/models/emoji.safetensors" --class faces,flags --seeds 0-3 --steps 1 --out ready.png
exists ready.png
expect "what is no model is not narrowed" 1 python3 "$narrow" small.ttf x.safetensors
says "is not a model file of ayf" && absent x.safetensors

expect "a font without pictures" 3 "$ayf" info plain.ttf
says "plain.ttf: is a font without finished colour pictures" && says "fonts-noto-color-emoji" && one_line
head -c 300 small.ttf >cut.ttf
expect "half a font" 3 "$ayf" info cut.ttf
says "cut.ttf: is truncated or damaged" && one_line

if "$ayf" info builtin:emoji >/dev/null 2>&1; then
    expect "the installed font" 0 "$ayf" info builtin:emoji
    prints "classes      6" && prints "images of 136 x 136"
else
    expect "no font is installed" 1 "$ayf" info builtin:emoji
    says "apt install fonts-noto-color-emoji" && says "--data PATH/NotoColorEmoji.ttf" && one_line
    expect "a demo without the font" 1 "$ayf" demo new
    says "apt install fonts-noto-color-emoji" && absent new/teacher/model.safetensors
fi
expect "a demo of data that are not there" 1 "$ayf" demo new --data missing.ttf
says "missing.ttf" && one_line
expect "a demo of points" 2 "$ayf" demo new --data builtin:ring
says "builtin:ring"
expect "a built-in set that is not there" 2 "$ayf" info builtin:emojis
says "did you mean builtin:emoji?"

finish
