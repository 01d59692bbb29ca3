#!/bin/sh
# test_import.sh AYF SOURCE_ROOT: networks of EDM2 as users bring them, through scripts/convert_edm2.py and `ayf import`.
set -u
ayf=$1
root=$2
. "$root/tests/support/cases.sh"
AYF_THREADS=1
export AYF_THREADS
cd "$work" || exit 1

make_pickle() { python3 "$root/tests/support/edm2_pickle.py" "$@"; }
convert() { python3 "$root/scripts/convert_edm2.py" "$@"; }
# FILE KEY: what the metadata of a safetensors file say, or with "shape NAME" the type and shape of a tensor
header() {
    python3 -c 'import json, struct, sys
data = open(sys.argv[1], "rb").read()
header = json.loads(data[8:8 + struct.unpack("<Q", data[:8])[0]])
if sys.argv[2] == "shape": print(header[sys.argv[3]]["dtype"], header[sys.argv[3]]["shape"])
else: print(header["__metadata__"].get(sys.argv[2], "(none)"))' "$@"
}

# ---- The pickle ----

make_pickle network net.pkl label_dim=3
expect "a network snapshot becomes safetensors" 0 convert net.pkl net.safetensors
prints "of Precond"
expect "its weights stay in half precision" 0 header net.safetensors shape unet.out_conv.weight
prints "F16 [3, 16, 3, 3]"
expect "its scalars stay scalars" 0 header net.safetensors shape unet.out_gain
prints "F16 []"
expect "what it says of itself is kept" 0 header net.safetensors edm2.channel_mult
prints "1,2"
expect "the name of its data is kept, without the folder" 0 header net.safetensors dataset
prints "img64.zip"

for kind in $(make_pickle list hostile); do
    make_pickle "$kind" hostile.pkl
    expect "a hostile pickle ($kind) is refused" 3 convert hostile.pkl hostile.safetensors
    says "hostile.pkl is refused: "
    one_line
    absent HARM
    absent hostile.safetensors
done
for kind in $(make_pickle list damaged); do
    make_pickle "$kind" damaged.pkl
    expect "a damaged pickle ($kind) is refused" 3 convert damaged.pkl damaged.safetensors
    says "damaged.pkl is refused: "
    one_line
    absent damaged.safetensors
done
make_pickle system hostile.pkl
expect "the message names what a pickle asks for" 3 convert hostile.pkl hostile.safetensors
says "it asks for 'os' 'system', which no network of EDM2 needs; nothing of it was run"

cut_short() {
    size=$(wc -c <net.pkl)
    for part in 1 2 3 5 8 13 21 34 55 89 97 99; do
        head -c $((size * part / 100)) net.pkl >cut.pkl
        convert cut.pkl cut.safetensors 2>cut.err
        [ $? -eq 3 ] && [ "$(wc -l <cut.err)" -eq 1 ] && [ ! -e cut.safetensors ] || return 1
    done
}
expect "a snapshot that was cut short is refused wherever it ends" 0 cut_short
# Any byte may be wrong. What comes out is a file or a message, never a traceback, and nothing is run.
changed() {
    python3 - "$root" <<'PROGRAM'
import importlib.util, random, sys
spec = importlib.util.spec_from_file_location("convert", sys.argv[1] + "/scripts/convert_edm2.py")
convert = importlib.util.module_from_spec(spec)
spec.loader.exec_module(convert)
whole, draw = open("net.pkl", "rb").read(), random.Random(1)
starts = [i for i in range(len(whole)) if whole[i:i + 1] in (b"R", b"b", b"u", b"h", b"\x94", b"\x93", b"t")]
refused = 0
for _ in range(400):
    data = bytearray(whole)
    for _ in range(draw.randint(1, 3)):
        data[draw.choice(starts)] = draw.randrange(256)
    open("changed.pkl", "wb").write(data)
    try:
        convert.read("changed.pkl")
    except convert.Refused:
        refused += 1
    except (ValueError, TypeError, LookupError, convert.struct.error, RecursionError, OverflowError):
        refused += 1
print(refused > 100)
PROGRAM
}
expect "changed bytes give a network or a message" 0 changed
prints "True"
expect "a file that does not exist" 1 convert nowhere.pkl x.safetensors
says "nowhere.pkl: No such file or directory"
expect "a folder in place of a file" 1 convert . x.safetensors
expect "a place that cannot be written" 1 convert net.pkl nowhere/x.safetensors
says "nowhere/x.safetensors: No such file or directory"
expect "one name is not enough" 2 convert net.pkl
expect "a converted file is named as such" 3 convert net.safetensors x.safetensors
says "it is a safetensors file already"

finish
