#!/bin/sh
# tests/cli/test_statistics.sh AYF
# FID's reference statistics: mean and covariance in a file.
set -u
ayf=$1
root=${AYF_SOURCE_ROOT:-$(dirname "$0")/../..}
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
: >out && : >err
export AYF_THREADS=1

expect "a model" 0 "$ayf" train teacher --data builtin:shapes --batch 4 --set data.resolution=8 --set model.channels=8 \
    --set model.multipliers=1 --set model.blocks=1 --set train.lr_warmup=0 --steps 1
expect "features" 0 "$ayf" eval --fit-features f.safetensors --data builtin:shapes --set data.resolution=8 --set train.steps=5
expect "other features" 0 "$ayf" eval --fit-features g.safetensors --data builtin:shapes --set data.resolution=8 \
    --set train.steps=5 --set train.seed=2
draw="--images 80 --calls 1 --solver euler"
expect "statistics of a reference" 0 "$ayf" eval --data builtin:shapes --reference 300 --features f.safetensors --save-stats shapes.npz
prints "shapes.npz" && exists shapes.npz
expect "what they hold" 0 python3 -c 'import zipfile
print([archive.read(name)[:100].split(b"}")[0][10:] for archive in [zipfile.ZipFile("shapes.npz")] for name in ("mu.npy", "sigma.npy")])'
prints "'<f8', 'fortran_order': False, 'shape': (64,)" && prints "'<f8', 'fortran_order': False, 'shape': (64, 64)"
# fd: the Frechet distance of the last column
fd() { grep "FD (our features)" out | awk '{ print $NF }'; }
expect "by the samples, saved again" 0 "$ayf" eval teacher --data builtin:shapes --reference 300 --features f.safetensors $draw --save-stats again.npz
same shapes.npz again.npz
by_samples=$(fd)
expect "by the statistics" 0 "$ayf" eval teacher --data shapes.npz --features f.safetensors $draw
[ "$(fd)" = "$by_samples" ] || bad "FD $(fd) by statistics, $by_samples by samples"
prints "shapes.npz: mean and covariance of 64 features of 300 samples" && prints "statistics hold none" && prints "floor      none"
! grep -q " floor\|floor " out || grep -q "^floor      none" out || bad "a floor"
grep -q "KID (our features) *-$" out || bad "a KID without samples"
grep -qE "class accuracy .* [01]\.[0-9]+$" out || bad "no class accuracy"
expect "JSON" 0 "$ayf" eval teacher --data shapes.npz --features f.safetensors $draw --json
prints '"kid_our_features": null' && prints '"reference": 300' && python3 -m json.tool <out >/dev/null || bad "not JSON"
odd=$(printf 'm\377\303\251"\\.safetensors')
cp teacher/model.safetensors "$odd"
expect "JSON for any path" 0 "$ayf" eval "$odd" --data shapes.npz --features f.safetensors $draw --json
python3 -c 'import json, os, sys
assert os.fsencode(json.load(open("out"))["subject"]) == b"m\xff\xc3\xa9\"\\.safetensors"' || bad "another path"
expect "a baseline" 0 "$ayf" eval teacher --data shapes.npz --features f.safetensors $draw --heldout builtin:shapes
prints " floor"
expect "samples of a folder" 0 "$ayf" sample teacher --seeds 0-79 --steps 1 --solver euler --out many
expect "against statistics" 0 "$ayf" eval many --data shapes.npz --features f.safetensors --images 80
prints "FD (our features)"

# ---- As pytorch-fid writes them: mu and sigma alone, deflated ----
expect "statistics of others" 0 python3 - <<'PY'
import io, struct, zipfile
def npy(values, shape, kind="d", descr="<f8"):
    head = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (descr, shape)
    head += " " * (63 - (10 + len(head)) % 64) + "\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head.encode() + struct.pack("<%d%s" % (len(values), kind), *values)
def save(name, n, sigma=None, **others):
    with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mu.npy", npy([0.5] * n, (n,)))
        archive.writestr("sigma.npy", npy(sigma or [float(i % (n + 1) == 0) for i in range(n * n)], (n, n)))
        for key, value in others.items(): archive.writestr(key + ".npy", value)
save("theirs.npz", 64)
save("inception.npz", 2048)
save("negative.npz", 64, [-1.0] * 4096)
save("nan.npz", 64, [float("nan")] * 4096)
save("points.npz", 2)
with zipfile.ZipFile("crooked.npz", "w") as archive:
    archive.writestr("mu.npy", npy([0.0] * 64, (64,)))
    archive.writestr("sigma.npy", npy([0.0] * 64, (8, 8)))
with zipfile.ZipFile("objects.npz", "w") as archive:
    archive.writestr("mu.npy", npy([0.0], "()", descr="|O"))
    archive.writestr("sigma.npy", npy([0.0], "()", descr="|O"))
PY
expect "are read" 0 "$ayf" eval teacher --data theirs.npz --features f.safetensors $draw
prints "theirs.npz: mean and covariance of 64 features" && grep -qE "FD \(our features\) +[0-9]" out || bad "no FD"
expect "of points" 0 "$ayf" train ring --data builtin:ring --batch 8 --steps 1 --set model.kind=mlp
expect "are read too" 0 "$ayf" eval ring --data points.npz --images 200 --calls 1 --solver euler
prints "2 coordinates" && prints "FD (coordinates)"

# ---- What does not fit ----
expect "the number of features" 2 "$ayf" eval teacher --data inception.npz --features f.safetensors $draw
says "inception.npz: holds the mean of 2048 features, but samples are compared by 64 of f.safetensors" && says "--inception" && one_line
expect "other features" 2 "$ayf" eval teacher --data shapes.npz --features g.safetensors $draw
says "was made with features of hash" && one_line
expect "no features" 2 "$ayf" eval teacher --data shapes.npz $draw
says "shapes.npz" && says "--features FILE" && one_line
for file in negative nan; do
    expect "no covariance: $file" 3 "$ayf" eval teacher --data $file.npz --features f.safetensors $draw
    says "$file.npz: sigma is no covariance" && one_line
done
expect "crooked" 3 "$ayf" eval teacher --data crooked.npz --features f.safetensors $draw
says "crooked.npz: mu and sigma are no mean and covariance" && one_line
expect "pickled" 3 "$ayf" eval teacher --data objects.npz --features f.safetensors $draw
says "objects.npz: 'mu': holds pickled Python objects" && one_line
expect "a part of statistics" 2 "$ayf" eval teacher --data shapes.npz --features f.safetensors --reference 200 $draw
says "--reference" && one_line
expect "statistics of statistics" 2 "$ayf" eval teacher --data shapes.npz --features f.safetensors $draw --save-stats x.npz
says "statistics already" && absent x.npz
expect "a missing folder" 1 "$ayf" eval --data builtin:shapes --features f.safetensors --save-stats nowhere/x.npz
says "nowhere/x.npz: cannot write" && one_line
expect "without data" 2 "$ayf" eval --save-stats x.npz
says "--data" && one_line
expect "with what it does not need" 2 "$ayf" eval --data builtin:shapes --features f.safetensors --save-stats x.npz --images 80
says "--images: --save-stats without a SUBJECT" && one_line
for option in "--classes even" "--classes data" "--calls 1" "--pairs 2" "--guidance 2" "--heldout builtin:shapes"; do
    expect "with $option" 2 "$ayf" eval --data builtin:shapes --features f.safetensors --save-stats x.npz $option
    says "${option% *}: --save-stats without a SUBJECT" && one_line
done
absent x.npz

finish
