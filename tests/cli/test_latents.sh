#!/bin/sh
# test_latents.sh AYF SOURCE_ROOT: networks that draw latents, and the decoder that makes pictures of them.
set -u
ayf=$1
root=$2
. "$root/tests/support/cases.sh"
AYF_THREADS=1
export AYF_THREADS
cd "$work" || exit 1

vae=$root/tests/fixtures/vae/net.safetensors
make_pickle() { python3 "$root/tests/support/edm2_pickle.py" "$@"; }
convert() { python3 "$root/scripts/convert_edm2.py" "$@"; }
small="label_dim=3 channel_mult=1,2 attn_resolutions=4, channels_per_head=8 img_channels=4"
make_pickle network net.pkl model_channels=8 $small
make_pickle network weak.pkl model_channels=4 $small weights=1
convert net.pkl net.safetensors >/dev/null
convert weak.pkl weak.safetensors >/dev/null

expect "a network of latents becomes a teacher" 0 "$ayf" import net.safetensors --out teacher.safetensors
says "teacher: latents of 8 x 8 x 4, 3 classes"
expect "which knows their scale" 0 grep -a -c '"model.latent_scale":"8.3[34][0-9]*,9.2' teacher.safetensors
expect "a weak one, too" 0 "$ayf" import weak.safetensors --role weak --out weak-model.safetensors
expect "a VAE gives its decoder" 0 "$ayf" import "$vae" --role decoder --norm-groups 4 --out decoder.safetensors
lines=many says "decoder: pictures of latents of 4 channels" 
lines=many says "ayf sample MODEL --decoder decoder.safetensors"
prints "decoder.safetensors"
python3 - <<'PYTHON'
import json

names = ["conv_in.weight", "mid.block_1.conv1.weight", "up.1.block.0.conv1.weight"]
for prefix in ("", "first_stage_model."):
    header = {prefix + "decoder." + name: {"dtype": "F32", "shape": [1, 1, 1, 1], "data_offsets": [4 * i, 4 * i + 4]}
              for i, name in enumerate(names)}
    text = json.dumps(header).encode()
    with open((prefix or "plain.") + "safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + bytes(4 * len(names)))
PYTHON
for original in plain first_stage_model; do
    expect "a VAE with the names of the original: $original" 3 "$ayf" import $original.safetensors --role decoder --out no.safetensors
    says "its names are those of the original Stable Diffusion" && one_line && absent no.safetensors
done
expect "again, over the old file" 0 "$ayf" import "$vae" --role decoder --norm-groups 4 --out decoder.safetensors
expect "ayf info describes the model" 0 "$ayf" info teacher.safetensors
prints "latents of 8 x 8, 4 channels"
expect "and the decoder" 0 "$ayf" info decoder.safetensors
prints "latents of 4 channels"

# NAME: type and shape of the member arr_0, and whether some of its values lie beyond [-1,1]
array() {
    python3 -c 'import ast, struct, sys, zipfile
data = zipfile.ZipFile(sys.argv[1]).read("arr_0.npy")
size = struct.unpack("<H", data[8:10])[0]
head = ast.literal_eval(data[10:10 + size].decode())
values = data[10 + size:]
beyond = head["descr"] == "<f4" and any(abs(v) > 1 for v in struct.unpack("<%df" % (len(values) // 4), values))
print(head["descr"], head["shape"], beyond)' "$1"
}
draw="$ayf sample teacher.safetensors --seeds 0-2 --steps 4"
expect "latents go into an .npz" 0 $draw --out latents.npz
expect "as they are" 0 array latents.npz
prints "<f4 (3, 8, 8, 4) True"
expect "a PNG needs a decoder" 2 $draw --out a.png
says "--out a.png: teacher.safetensors draws latents of 8 x 8 x 4; --decoder FILE makes pictures of them"
one_line
absent a.png
expect "so does a folder" 2 $draw --out folder/
says "draws latents"
absent folder
expect "and what is drawn without a name" 2 $draw
says "--decoder FILE"
expect "with a decoder they are pictures" 0 $draw --decoder decoder.safetensors --out a.png
exists a.png
expect "twice as large" 0 $draw --decoder decoder.safetensors --out pictures.npz
expect "in bytes" 0 array pictures.npz
prints "|u1 (3, 16, 16, 3) False"
expect "the picture says how it was made" 0 "$ayf" info a.png
prints "decoder decoder.safetensors"
expect "guided" 0 $draw --weak weak-model.safetensors --guidance 1.7 --decoder decoder.safetensors --out b.png
other_pixels a.png b.png
expect "a folder of pictures" 0 $draw --decoder decoder.safetensors --out folder/
exists folder/000002_class*.png

expect "another model in place of a decoder" 2 $draw --decoder weak-model.safetensors --out x.png
says "makes no pictures of latents" && one_line
expect "a VAE that was not imported" 3 $draw --decoder "$vae" --out x.png
says "ayf import" && one_line
expect "a decoder that is not there" 1 $draw --decoder nowhere.safetensors --out x.png
says "nowhere.safetensors" && one_line
expect "the decoder as output" 2 $draw --decoder decoder.safetensors --out decoder.safetensors
expect "a decoder draws nothing" 2 "$ayf" sample decoder.safetensors --out x.png
says "kind 'decoder'" && one_line
"$ayf" import "$root/tests/fixtures/edm2/net.safetensors" --out pictures.safetensors >/dev/null 2>&1
expect "pictures need no decoder" 2 "$ayf" sample pictures.safetensors --decoder decoder.safetensors --out x.png
says "pictures.safetensors draws no latents" && one_line
expect "a sampler of latents is not exported" 2 "$ayf" export teacher.safetensors --format c --out x.c
says "draws latents" && one_line
expect "the network is" 0 "$ayf" export teacher.safetensors --format onnx --out x.onnx
expect "latents are not compared with pictures" 2 "$ayf" eval teacher.safetensors --data builtin:shapes --images 70
says "teacher.safetensors draws latents" && one_line
expect "a network is no VAE" 3 "$ayf" import net.safetensors --role decoder --out x.safetensors
says "decoder.conv_in.weight" && one_line
expect "a VAE is no network" 3 "$ayf" import "$vae" --out x.safetensors
says "(--role decoder)" && one_line
expect "groups that cannot be" 3 "$ayf" import "$vae" --role decoder --out x.safetensors
says "--norm-groups" && one_line
expect "an option of networks" 2 "$ayf" import "$vae" --role decoder --sigma-data 1 --out x.safetensors
says "--sigma-data is for networks of EDM2" && one_line
expect "an option of decoders" 2 "$ayf" import net.safetensors --norm-groups 4 --out x.safetensors
says "--norm-groups is for --role decoder" && one_line
absent x.safetensors

finish
