#!/bin/sh
# test_latent_data.sh AYF SOURCE_ROOT: data sets of latents, and what is trained on them.
set -u
ayf=$1
root=$2
. "$root/tests/support/cases.sh"
AYF_THREADS=1
export AYF_THREADS
cd "$work" || exit 1

small="label_dim=3 channel_mult=1,2 attn_resolutions=4, channels_per_head=8"
# NAME [key=value ...]: NAME.safetensors, a converted network of EDM2
network() {
    name=$1
    shift
    python3 "$root/tests/support/edm2_pickle.py" network "$name.pkl" $small "$@"
    python3 "$root/scripts/convert_edm2.py" "$name.pkl" "$name.safetensors" >/dev/null
}
network net model_channels=8 img_channels=4
network weak-net model_channels=4 img_channels=4 weights=1
network pictures-net model_channels=8
"$ayf" import net.safetensors --out teacher.safetensors >/dev/null 2>&1
"$ayf" import weak-net.safetensors --role weak --out weak.safetensors >/dev/null 2>&1
"$ayf" import pictures-net.safetensors --out pictures.safetensors >/dev/null 2>&1
"$ayf" import "$root/tests/fixtures/vae/net.safetensors" --role decoder --norm-groups 4 --out decoder.safetensors \
    >/dev/null 2>&1
"$ayf" sample teacher.safetensors --seeds 0-39 --steps 4 --out latents.npz >/dev/null 2>&1

# OUT FORM [KEY=VALUE ...]: another form of latents.npz. nchw, hwc or f8: an .npz. zip, folder: .npy files of EDM2, whose
# deviations are `spread` at every place. type: of the array; key: its name; scale: every value times it.
reshape() {
    python3 - "$@" <<'PROGRAM'
import ast, json, os, struct, sys, zipfile

def load(data):
    size = struct.unpack("<H", data[8:10])[0]
    head = ast.literal_eval(data[10:10 + size].decode())
    count = 1
    for n in head["shape"]:
        count *= n
    return head["shape"], struct.unpack("<%d%s" % (count, {"<f4": "f", "<i8": "q"}[head["descr"]]), data[10 + size:])

def save(kind, shape, values):
    head = "{'descr': '%s', 'fortran_order': False, 'shape': %r, }" % (kind, tuple(shape))
    head += " " * (-(len(head) + 11) % 64) + "\n"
    code = {"<f4": "f", "<f8": "d", "<f2": "e", "<i8": "q"}[kind]
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head.encode() + struct.pack("<%d%s" % (len(values), code), *values)

out, form = sys.argv[1:3]
options = dict(o.split("=") for o in sys.argv[3:])
source = zipfile.ZipFile("latents.npz")
(n, side, _, c), values = load(source.read("arr_0.npy"))
_, labels = load(source.read("arr_1.npy"))
factor = float(options.get("scale", 1))
values = [factor * v for v in values]
one = side * side * c
planes = lambda i: [values[i * one + p * c + k] for k in range(c) for p in range(side * side)]
kind = options.get("type", "<f4")
files = {}
if form in ("nchw", "nhwc"):
    key = options.get("key", "arr_0")
    data = sum((planes(i) for i in range(n)), []) if form == "nchw" else values
    shape = (n, c, side, side) if form == "nchw" else (n, side, side, c)
    files = {key + ".npy": save(kind, shape, data),
             ("arr_1" if key == "arr_0" else "labels") + ".npy": save("<i8", (n,), labels)}
else:
    spread = [float(options.get("spread", 0))] * one
    names = ["%05d/%s%08d.npy" % (i // 16, options.get("name", "img-mean-std-"), i) for i in range(n)]
    for i, name in enumerate(names):
        files[name] = save(kind, (2 * c, side, side), planes(i) + spread)
    bad = options.get("bad")
    if bad == "nan": files[names[3]] = save(kind, (2 * c, side, side), [float("nan")] + planes(3)[1:] + spread)
    if bad == "cut": files[names[3]] = files[names[3]][:-8]
    if bad == "size": files[names[3]] = save(kind, (2 * c, 4, 4), [0.0] * (2 * c * 16))
    if bad == "negative": files[names[3]] = save(kind, (2 * c, side, side), planes(3) + [-1.0] * one)
    if bad == "rank": files[names[3]] = save(kind, (5,), [0.0] * 5)
    if bad == "first": files[names[0]] = b"no array"
    files["dataset.json"] = json.dumps({"labels": [[n, l] for n, l in zip(names, labels)]}).encode()
if form == "folder":
    for name, data in files.items():
        os.makedirs(os.path.dirname(os.path.join(out, name)), exist_ok=True)
        open(os.path.join(out, name), "wb").write(data)
else:
    with zipfile.ZipFile(out, "w") as z:
        for name, data in files.items():
            z.writestr(name, data)
PROGRAM
}
reshape nchw.npz nchw
reshape double.npz nhwc "type=<f8" key=latents
reshape half.npz nhwc "type=<f2"
reshape sharp.zip zip
reshape sharp folder
reshape wide.zip zip spread=1
reshape unnamed.zip zip name=img
reshape scaled.npz nhwc scale=0.18215

# RUN DATA [OPTION ...]: a student of the guided teacher
student() {
    run=$1
    data=$2
    shift 2
    "$ayf" distill "$run" --teacher teacher.safetensors --weak weak.safetensors --data "$data" --batch 4 \
        --set train.precision=highest --set save.grid_every=0 "$@"
}
# RUN: what its model draws, in RUN.npz
drawn() { "$ayf" sample "$1" --seeds 0-3 --guidance 2 --out "$1.npz"; }
# MODEL KEY VALUE: what the header of a model file says
knows() { grep -a -q "\"$2\":\"$3" "$1" || bad "$1 does not say $2 = $3"; }

# ---- Students ----

expect "latents of ayf sample are data" 0 student plain latents.npz --steps 6
lines=many says "latents.npz: latents, read as (height, width, channels) with 4 channels"
says_not "as the teacher"
knows plain/model.safetensors model.latent_scale "8.3[34][0-9]*,9.2"
knows plain/model.safetensors model.latent_mean "5.8"
knows plain/model.safetensors model.latent_black 0
knows plain/model.safetensors sigma_data 0.5
expect "the student draws latents" 0 "$ayf" info plain/model.safetensors
prints "latents of 8 x 8, 4 channels"
expect "and its decoder pictures" 0 "$ayf" sample plain --seeds 0-3 --guidance 2 --decoder decoder.safetensors --out a.png
exists a.png
expect "its own samples" 0 drawn plain
expect "the same latents by planes" 0 student planes nchw.npz --steps 6
lines=many says "read as (channels, height, width) with 4 channels"
expect "draw" 0 drawn planes
expect "make the same student" 0 cmp plain.npz planes.npz
expect "in 64 bits under another name" 0 student double double.npz --steps 6
expect "draw" 0 drawn double
expect "they do, too" 0 cmp plain.npz double.npz
expect "EDM2's ZIP" 0 student zip sharp.zip --steps 6
lines=many says "these are means and deviations of 4 channels, about which every visit draws a sample"
expect "draws" 0 drawn zip
expect "where nothing is drawn about the means" 0 cmp plain.npz zip.npz
expect "EDM2's folder" 0 student folder sharp --steps 6
expect "draws" 0 drawn folder
expect "is its ZIP" 0 cmp plain.npz folder.npz
expect "8 channels are 4 with deviations, whatever they are called" 0 student unnamed unnamed.zip --steps 6
expect "draw" 0 drawn unnamed
expect "and make the same student" 0 cmp plain.npz unnamed.npz
expect "deviations" 0 student wide wide.zip --steps 6
expect "draw" 0 drawn wide
expect "make another student" 1 cmp -s plain.npz wide.npz
expect "half of a run" 0 student again wide.zip --steps 3 --set train.lr_warmup=1 --set train.lr_schedule=constant
expect "and gone on with" 0 "$ayf" distill again --steps 6
expect "is" 0 student whole wide.zip --steps 6 --set train.lr_warmup=1 --set train.lr_schedule=constant
expect "draws" 0 drawn again
expect "draws" 0 drawn whole
expect "the run that was not stopped" 0 cmp again.npz whole.npz
expect "a grid shows channels as colours" 0 student grid latents.npz --steps 2 --set save.grid_every=2
exists grid/samples/step-00000002.png
expect "the picture says so" 0 "$ayf" info grid/samples/step-00000002.png
prints "channels of latents as colours"
expect "a run can be tried first" 0 student tried latents.npz --steps 6 --dry-run
prints "8 x 8 x 4, 3 classes"
absent tried
expect "latents in another scale are told" 0 student faint scaled.npz --steps 1
lines=many says "are they in the units of its VAE, without a scaling_factor?"
expect "mid-training" 0 student midtrained latents.npz --steps 4 --set distill.midtrain_steps=2 \
    --set distill.midtrain_trajectories=8 --set distill.midtrain_solver_steps=4
scratch="--set distill.student_init=scratch --set model.channels=8 --set model.multipliers=1,2 --set model.blocks=1
    --set model.attention="
# shellcheck disable=SC2086
expect "a student from nothing" 0 student scratch latents.npz --steps 3 $scratch
knows scratch/model.safetensors model.latent_scale "8.3[34][0-9]*,9.2"
knows scratch/model.safetensors model.latent_black 0
expect "goes on" 0 "$ayf" distill scratch --steps 4
# shellcheck disable=SC2086
expect "has its teacher's scale" 2 student refused latents.npz --steps 3 $scratch --set model.latent_mean=1,2,3,4 \
    --set model.latent_scale=1,1,1,1
lines=many says "are not those of" && absent refused
# shellcheck disable=SC2086
expect "a student of the data alone" 0 "$ayf" distill alone --data latents.npz --steps 3 --batch 4 $scratch \
    --set distill.target=data --set distill.guidance=none
knows alone/model.safetensors model.latent_black -1
expect "fine-tuning" 0 "$ayf" finetune tuned --student plain --steps 2 --batch 4 --set finetune.deviation_group=4
knows tuned/model.safetensors model.latent_scale "8.3[34][0-9]*,9.2"
expect "a student is compared with its teacher" 0 "$ayf" eval plain --teacher teacher.safetensors --weak weak.safetensors \
    --guidance 2 --pairs 8
prints "solution from the same noise, 8 samples"
! grep -q "PSNR\|SSIM" out || bad "latents are compared like images"
expect "also while it is trained" 0 student measured latents.npz --steps 2 --set eval.every=1 --set eval.images=8
exists measured/model-best.safetensors

# ---- Teachers ----

expect "a teacher of latents" 0 "$ayf" train own --data latents.npz --steps 4 --batch 4 --set model.channels=8 \
    --set model.multipliers=1,2 --set model.blocks=1 --set model.attention=
knows own/model.safetensors sigma_data 0.5
expect "its scale is measured and kept" 0 grep -c "latent_scale: \[[0-9]" own/config.yaml
cp own/config.yaml before.yaml
expect "it goes on" 0 "$ayf" train own --steps 6
grep latent_ before.yaml >a && grep latent_ own/config.yaml >b && same a b
expect "it draws latents" 0 "$ayf" sample own --seeds 0-1 --steps 2 --out own.npz
expect "which have their deviation" 0 "$ayf" data check own.npz
prints "latents of 8 x 8, 4 channels"
expect "and another begins with it" 0 "$ayf" train second --data latents.npz --steps 2 --batch 4 --set train.init=own
grep latent_ second/config.yaml >b && same a b

# ---- What does not go together ----

refused() {
    expect "$1" 2 "$ayf" distill refused --teacher "$2" --set distill.guidance=none --steps 2 --data "$3" $4
    says "$5" && [ "$(grep -c ": distill\|ayf: " "$work/err")" -eq 1 ] || bad "more than one message"
    absent refused
}
python3 -c 'import struct, zlib, os
os.makedirs("png")
row = b"\0" + bytes(range(24))
def part(kind, data): return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
for i in range(4):
    open("png/%d.png" % i, "wb").write(b"\x89PNG\r\n\x1a\n" + part(b"IHDR", struct.pack(">2I5B", 8, 8, 8, 2, 0, 0, 0)) +
        part(b"IDAT", zlib.compress(row * 8)) + part(b"IEND", b""))'
unlabelled="--set data.labels=false"
refused "pictures for a network of latents" teacher.safetensors png "$unlabelled" "/png are images; name latents: an .npz of ayf sample"
refused "latents for a network of pictures" pictures.safetensors latents.npz "" "latents.npz holds latents, and pictures are needed here"
refused "points for a network of latents" teacher.safetensors builtin:ring "" "are points"
network large-net model_channels=8 img_channels=4 img_resolution=16
"$ayf" import large-net.safetensors --out large.safetensors >/dev/null 2>&1
refused "latents of another size" large.safetensors latents.npz "" \
    "latents.npz has latents of 8 x 8 x 4; use latents of the VAE"
refused "mirrored latents" teacher.safetensors latents.npz "--set data.mirror=true" "latents.npz holds latents, and a latent turned"
refused "resized latents" teacher.safetensors latents.npz "--set data.resolution=4" "latents.npz holds latents of 8 x 8, which are not resized"
refused "latents of other channels" teacher.safetensors latents.npz "--set data.channels=3" "latents.npz holds latents of 4 channels, which have no colours"
refused "centred latents" teacher.safetensors latents.npz "--set data.center=true" "data.center = true: every channel of latents"
refused "another deviation" teacher.safetensors latents.npz "--set data.sigma_data=1" "data.sigma_data = 1, but"
refused "another scale" teacher.safetensors latents.npz "--set model.latent_mean=1,2,3,4 --set model.latent_scale=1,1,1,1" \
    "model.latent_mean = [1"
expect "a scale of pictures" 2 "$ayf" train refused --data builtin:shapes --set model.latent_mean=1,2,3 \
    --set model.latent_scale=1,1,1
says "model.latent_mean" && absent refused
expect "half precision" 3 student refused half.npz --steps 2
lines=many says "astype('float32')" && absent refused
expect "the distance to latents is not measured" 2 "$ayf" eval plain --data latents.npz
says "draws latents"
expect "nor that of pictures" 2 "$ayf" eval png --data latents.npz --features decoder.safetensors
expect "no features are fitted to latents" 2 "$ayf" eval --fit-features f.safetensors --data latents.npz
lines=many says "latents.npz holds latents, and pictures are needed here" && absent f.safetensors
expect "eval.every knows" 2 "$ayf" train refused --data latents.npz --set eval.every=1 --set model.channels=8
lines=many says "latents.npz holds latents" && absent refused

# FILE FACTOR OUT: a converted network whose latents have another scale
rescale() {
    python3 -c 'import json, struct, sys
data = open(sys.argv[1], "rb").read()
size = struct.unpack("<Q", data[:8])[0]
head = json.loads(data[8:8 + size])
meta = head["__metadata__"]
meta["encoder.scale"] = ",".join(str(float(sys.argv[2]) * float(v)) for v in meta["encoder.scale"].strip("[]").split(","))
text = json.dumps(head).encode()
text += b" " * (-len(text) % 8)
open(sys.argv[3], "wb").write(struct.pack("<Q", len(text)) + text + data[8 + size:])' "$1" "$2" "$3"
}
rescale weak-net.safetensors 1.5 other-net.safetensors
rescale net.safetensors 1.5 strange-net.safetensors
"$ayf" import other-net.safetensors --role weak --out other.safetensors >/dev/null 2>&1
"$ayf" import strange-net.safetensors --out strange.safetensors >/dev/null 2>&1
expect "a weak teacher of another scale guides nothing" 2 "$ayf" sample teacher.safetensors --weak other.safetensors \
    --guidance 2 --out no.npz
says "the weak teacher other.safetensors has latents of mean" && one_line && absent no.npz
expect "and no student" 2 "$ayf" distill refused --teacher teacher.safetensors --weak other.safetensors --data latents.npz
lines=many says "other.safetensors has latents of mean" && absent refused
expect "a weak teacher of pictures" 2 "$ayf" sample teacher.safetensors --weak pictures.safetensors --guidance 2 --out no.npz
one_line && absent no.npz
expect "a student of another scale" 2 "$ayf" finetune refused --student plain --teacher strange.safetensors \
    --weak strange.safetensors
lines=many says "/plain has latents of mean" && says "latents of one VAE in one scale" && absent refused
expect "EDM2's networks do not guide themselves" 2 "$ayf" sample teacher.safetensors --cfg --guidance 2 --out no.npz
says "(--weak: autoguidance, also by a network without classes)" && one_line

# ---- Looking at them ----

expect "ayf info" 0 "$ayf" info wide.zip
prints "latents of 8 x 8, 4 channels"
prints "means and deviations of 4 channels"
expect "ayf data check" 0 "$ayf" data check wide.zip
prints "each means and deviations"
prints "kept in memory"
expect "for programs" 0 "$ayf" data check sharp --json
prints '"latents": true, "spread": true, "channel_mean": ['
expect "latents are not on a sheet" 2 "$ayf" data check latents.npz --sheet sheet.png
says "latents cannot be shown" && absent sheet.png
for bad in nan:"not finite" cut:"copy it again" size:"is a latent of 4 x 4 x 8 where the first is one of 8 x 8 x 8" \
    negative:"negative deviations" rank:"is <f4 (5)" first:"is not a NumPy array"; do
    rm -f bad.zip
    reshape bad.zip zip "bad=${bad%%:*}"
    expect "a bad file (${bad%%:*}) is listed" 5 "$ayf" data check bad.zip
    prints "${bad#*:}"
    expect "and refused" 3 student refused bad.zip --steps 2
    lines=many says "${bad#*:}" && absent refused
    expect "or left out" 0 student "without-${bad%%:*}" bad.zip --steps 1 --skip-bad 1
    lines=many says "1 of 40 latents left out"
done
python3 -c 'import struct, zipfile
head = "{\x27descr\x27: \x27<f4\x27, \x27fortran_order\x27: False, \x27shape\x27: (2, 8, 8, 3), }"
head += " " * (-(len(head) + 11) % 64) + "\n"
data = b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head.encode() + bytes(4 * 2 * 8 * 8 * 3)
zipfile.ZipFile("floats.npz", "w").writestr("arr_0.npy", data)'
expect "floats of 3 channels may be pictures" 3 "$ayf" data check floats.npz
says "which may be pictures (save them as |u1, uint8 from 0 to 255)" && one_line

finish
