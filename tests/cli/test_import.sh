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

# The pickle of PyTorch itself, where there is one: AYF_PEERS_PYTHON names a Python that has it.
python=${AYF_PEERS_PYTHON:-python3}
if "$python" -c "import torch" 2>/dev/null; then
    expect "what PyTorch pickles is read, too" 0 env OMP_NUM_THREADS=1 "$python" "$root/tests/support/edm2_torch.py" \
        "$root/scripts/convert_edm2.py"
    prints "tensors equal"
else
    echo "no PyTorch: its own pickles are not tried"
fi

# ---- The model ----

small="label_dim=3 channel_mult=1,2 attn_resolutions=4, channels_per_head=8"
make_pickle network net.pkl model_channels=8 $small
make_pickle network weak.pkl model_channels=4 $small weights=1
# tests/model/test_import.c compares the velocities of these very files with EDM2's formulas.
expect "a network becomes the bytes of the fixture" 0 convert net.pkl net.safetensors
same net.safetensors "$root/tests/fixtures/edm2/net.safetensors"
expect "a weak network, too" 0 convert weak.pkl weak.safetensors
same weak.safetensors "$root/tests/fixtures/edm2/weak.safetensors"

expect "a network becomes a teacher" 0 "$ayf" import net.safetensors --out teacher.safetensors
says "teacher: pictures of 8 x 8 x 3, 3 classes, 0.0456 million parameters, sigma_data 0.5"
prints "teacher.safetensors"
expect "and a weak one guides" 0 "$ayf" import weak.safetensors --role weak --out guide.safetensors
lines=many says "ayf sample TEACHER --weak guide.safetensors"
expect "ayf info describes it" 0 "$ayf" info teacher.safetensors
prints "img64.zip"
expect "it samples" 0 "$ayf" sample teacher.safetensors --seeds 0-3 --steps 4 --out a.png
exists a.png
expect "guided by a weak one of another width" 0 "$ayf" sample teacher.safetensors --weak guide.safetensors \
    --guidance 1.7 --seeds 0-3 --steps 4 --out b.png
other_pixels a.png b.png
expect "not by itself: it has always seen the class" 2 "$ayf" sample teacher.safetensors --cfg --guidance 1.7 --seeds 0 \
    --out c.png
says "always saw the class"
# Random pictures of three classes
python3 -c 'import io, random, struct, zipfile
def array(kind, shape, data):
    head = "{%r: %r, %r: False, %r: %r}" % ("descr", kind, "fortran_order", "shape", shape)
    head = head.ljust(118 - 1) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data
draw = random.Random(0)
with zipfile.ZipFile("data.npz", "w") as z:
    z.writestr("images.npy", array("|u1", (300, 8, 8, 3), bytes(draw.randrange(256) for _ in range(300 * 192))))
    z.writestr("labels.npy", array("<i8", (300,), struct.pack("<300q", *(k % 3 for k in range(300)))))'
"$ayf" eval --fit-features features.safetensors --data data.npz --set train.steps=20 \
    >fit.out 2>&1
expect "it is measured" 0 "$ayf" eval teacher.safetensors --data data.npz --features features.safetensors \
    --calls 2 --images 70 --reference 200
prints "2"
expect "it passes the checks of this machine" 0 "$ayf" doctor teacher.safetensors
expect "it is exported" 0 "$ayf" export teacher.safetensors --format c --out teacher.c
exists teacher.c
# It sees a softened time, so it first learns the velocity that its teacher has.
expect "a student learns from it" 0 "$ayf" distill run --teacher teacher.safetensors --weak guide.safetensors \
    --data data.npz --steps 40 --batch 16 --set distill.regress_steps=38 --set save.log_every=1 --set distill.guidance_max=2 \
    --set distill.guidance_t_max=1
exists run/model.safetensors
learns() {
    python3 -c 'import json
rows = [json.loads(line) for line in open("run/log.jsonl")]
errors = [row["error_rms"] for row in rows if "error_rms" in row]
print(errors)
assert len(errors) == 40 and sum(errors[33:38]) < 0.8 * sum(errors[:5])'
}
expect "in the steps before the derivative counts" 0 learns
expect "ayf info says what it sees of the time" 0 grep -a -c '"model.time_soft":"0.01"' run/model.safetensors
expect "another softness" 0 "$ayf" distill other --teacher teacher.safetensors --data data.npz --steps 1 --batch 4 \
    --set distill.guidance=none --set model.time_soft=0.02
expect "is kept" 0 grep -a -c '"model.time_soft":"0.02"' other/model.safetensors
expect "a softness of a network that sees t" 2 "$ayf" train plain --data data.npz --steps 1 --set model.time_soft=0.02
says "model.time_soft belongs to model.time_label = logsnr, and this run has model.time_label = t"
expect "the student draws" 0 "$ayf" sample run --steps 2 --seeds 0-3 --out d.png

expect "a pickle is named as such" 3 "$ayf" import net.pkl --out x.safetensors
says "scripts/convert_edm2.py FILE.pkl FILE.safetensors and then ayf import"
one_line
expect "so is a converted network in place of a model" 3 "$ayf" sample net.safetensors --out x.png
says "ayf import"
one_line
expect "and a model in place of a converted network" 3 "$ayf" import teacher.safetensors --out x.safetensors
says "is a model of ayf already"
one_line
"$ayf" export teacher.safetensors --format safetensors --out exported.safetensors >/dev/null 2>&1
expect "and what ayf export wrote" 3 "$ayf" import exported.safetensors --out x.safetensors
says "was written by ayf export"
head -c 20000 net.safetensors >cut.safetensors
expect "a truncated file is refused" 3 "$ayf" import cut.safetensors --out x.safetensors
says "truncated"
one_line
expect "a file that is not there" 1 "$ayf" import nowhere.safetensors --out x.safetensors
says "nowhere.safetensors"
expect "no name for the model" 2 "$ayf" import net.safetensors
says "name the file to be written: --out FILE"
expect "an unknown role" 2 "$ayf" import net.safetensors --role student --out x.safetensors
says "--role"
expect "a number of heads that cannot be" 2 "$ayf" import net.safetensors --channels-per-head 3 --out x.safetensors
says "attention heads"
absent x.safetensors

finish
