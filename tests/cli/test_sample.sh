#!/bin/sh
# tests/cli/test_sample.sh AYF
# What ayf sample writes, and that it refuses what cannot be written before it draws.
set -u
ayf=$1
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
: >out && : >err
export AYF_THREADS=1

tiny="--data builtin:shapes --batch 4 --set data.resolution=8 --set model.channels=8 --set model.multipliers=1
      --set model.blocks=1 --set train.lr_warmup=0"
expect "a teacher" 0 "$ayf" train teacher $tiny --steps 1
expect "a student" 0 "$ayf" distill student --data builtin:shapes --batch 4 --teacher teacher --set distill.guidance=none --steps 1
expect "without classes" 0 "$ayf" train plain $tiny --set data.labels=false --steps 1
expect "points" 0 "$ayf" train ring --data builtin:ring --batch 8 --steps 1 --set model.kind=mlp

# arrays FILE: name, type and shape of what is in an .npz, and that the bytes are as many
arrays() {
    python3 -c 'import sys, zipfile
from math import prod
with zipfile.ZipFile(sys.argv[1]) as archive:
    assert archive.testzip() is None
    for name in archive.namelist():
        data = archive.read(name)
        assert data[:8] == b"\x93NUMPY\x01\x00"
        length = int.from_bytes(data[8:10], "little")
        head = eval(data[10:10 + length].decode())
        assert not head["fortran_order"] and (10 + length) % 64 == 0
        size = int(head["descr"][2:])
        assert len(data) == 10 + length + size * prod(head["shape"]), name
        print(name, head["descr"], head["shape"], list(data[10 + length:][:size * 2]))' "$1"
}

# ---- One image by itself ----
expect "the same in every batch" 0 "$ayf" sample student --seeds 0,8,16,3,3 --class 1 --out some
expect "and alone" 0 "$ayf" sample student --seeds 16 --class 1 --out alone
same_pixels some/000016_class1_ring.png alone/000016_class1_ring.png
expect "no image is computed for nothing" 0 env AYF_TRACE=1 "$ayf" sample student --steps 1 --seeds 3 --out one.png
grep -q "CONV_FPROP(.*) 1x8x8x8 " err && ! grep "CONV_FPROP(" err | grep -qv ") 1x8x8x" || bad "not one image at a time"

# ---- Names in a folder ----
expect "classes that fall" 2 "$ayf" sample student --class 3-1 --out no.png
says "--class 3-1 falls; a range rises: 1-3" && one_line && absent no.png
expect "classes in the names" 0 "$ayf" sample student --seeds 5,5,7 --class 2,3 --out named
exists named/000005_class2_square.png && exists named/000005_class3_triangle.png && exists named/000007_class2_square.png
expect "without classes" 0 "$ayf" sample plain --steps 1 --solver euler --seeds 5 --out unnamed
exists unnamed/000005.png

# ---- Idle options are said ----
expect "gamma with one step" 0 "$ayf" sample student --steps 1 --gamma 1 --seeds 0 --out idle.png
says "--gamma 1 has no effect with one step" && one_line
expect "gamma with the times of one step" 0 "$ayf" sample student --times 1,0 --gamma 0.5 --seeds 0 --out idle.png
says "--gamma 0.5 has no effect with one step"
expect "gamma with two steps" 0 "$ayf" sample student --steps 2 --gamma 1 --seeds 0 --out idle.png
says_not "no effect"
expect "guidance of 1" 0 "$ayf" sample teacher --weak teacher --guidance 1 --steps 1 --solver euler --seeds 0 --out idle.png
says "--weak has no effect"

# ---- The standard output ----
expect "a grid to stdout" 0 sh -c '"$1" sample student --seeds 0-3 --class 1 --out - >piped.png' sh "$ayf"
expect "the same as a file" 0 "$ayf" sample student --seeds 0-3 --class 1 --out filed.png
same piped.png filed.png
expect "through a pipe" 0 sh -c '"$1" sample student --seeds 0-3 --class 1 --out - | cat >piped.png' sh "$ayf"
same piped.png filed.png
expect "behind what is there" 0 sh -c '(printf before; "$1" sample student --seeds 0-3 --class 1 --out -) >piped' sh "$ayf"
printf before | cat - filed.png >wanted && same piped wanted
expect "a batch to stdout" 0 sh -c '"$1" sample student --seeds 0-3 --out - --format npz >piped.npz' sh "$ayf"
expect "the same as a file" 0 "$ayf" sample student --seeds 0-3 --out filed.npz
same piped.npz filed.npz
expect "a table to stdout" 0 "$ayf" sample ring --seeds 0-2 --steps 2 --out - --format csv
prints "seed,class,x,y" && [ "$(wc -l <out)" -eq 4 ] || bad "not four lines"
cp out dash.csv
to_file() { "$ayf" sample ring --seeds 0-2 --steps 2 --out /dev/stdout --format csv >file.csv; }
expect "a table to /dev/stdout, which is a file" 0 to_file
same file.csv dash.csv
echo old >real.csv && ln -s real.csv link.csv
expect "a table through a link" 0 "$ayf" sample ring --seeds 0-2 --steps 2 --out link.csv
same real.csv dash.csv
[ -L link.csv ] || bad "the link is gone"
expect "a full stdout" 1 sh -c '"$1" sample student --seeds 0 --out - >/dev/full' sh "$ayf"
says "No space left" && one_line
expect "a closed stdout" 1 sh -c '"$1" sample student --seeds 0 --out - >&-' sh "$ayf"
one_line

# ---- A batch ----
expect "a batch of classes" 0 "$ayf" sample student --seeds 0-9 --class 4,2 --out batch.npz
prints "batch.npz"
expect "its arrays" 0 arrays batch.npz
prints "arr_0.npy |u1 (10, 8, 8, 3)" && prints "arr_1.npy <i8 (10,) [4, 0, 0, 0, 0, 0, 0, 0, 2, 0"
expect "a batch without classes" 0 "$ayf" sample plain --steps 1 --solver euler --seeds 0-2 --out plain.npz
expect "its arrays" 0 arrays plain.npz
prints "arr_0.npy |u1 (3, 8, 8, 3)"
[ "$(wc -l <out)" -eq 1 ] || bad "arr_1 without classes"
expect "a batch of points" 0 "$ayf" sample ring --steps 2 --seeds 0-299 --out ring.npz
expect "its arrays" 0 arrays ring.npz
prints "arr_0.npy <f4 (300, 2)"
expect "a table of points" 0 "$ayf" sample ring --steps 2 --seeds 0-299 --out ring.csv
[ "$(wc -l <ring.csv)" -eq 301 ] || bad "not 301 lines"
expect "a format without a name" 0 "$ayf" sample student --seeds 0 --format npz
prints "samples.npz" && exists samples.npz

# ---- Refused before anything is drawn: 100000 steps of 4096 images would take hours ----
long="--seeds 0-4095 --steps 100000"
refused() {
    expect "refused: $1" "$2" timeout 60 "$ayf" sample student $long $3
    says "$4" && one_line
}
refused "a missing folder" 1 "--out nowhere/grid.png" "nowhere/grid.png: cannot write"
refused "a missing folder of a batch" 1 "--out nowhere/batch.npz" "nowhere/batch.npz: cannot write"
refused "a grid that is too large" 2 "--out large.png --scale 64" "16384"
refused "one long row" 2 "--out large.png --grid 4096" "16384"
refused "too large for stdout as well" 2 "--out - --scale 64" "16384"
refused "a folder under a file" 1 "--out one.png/images" "one.png is a file where a folder is needed"
refused "a folder that cannot be made" 1 "--out /proc/images" "/proc"
refused "a table of images" 2 "--out images.csv" "only points make a table"
refused "another format" 2 "--out images.webp" "this format is not written"
echo notes >notes || exit 1
refused "a file whose name says nothing" 2 "--out notes" "notes: is a file, and its name does not say"
[ "$(cat notes)" = notes ] || bad "it was written over"
refused "two formats" 2 "--out images.png --format npz" "two formats"
refused "a folder as a batch" 2 "--out some --format npz" "is a folder"
refused "an unknown format" 2 "--format nzp" "did you mean npz"
refused "columns of a folder" 2 "--out images --grid 4" "--grid is for one grid"
refused "enlarged in a batch" 2 "--out batch.npz --scale 4" "--scale is for one grid"
absent nowhere && absent large.png && absent images
expect "refused: points in a folder" 2 "$ayf" sample ring --seeds 0-3 --out images
says "--out FILE.png shows them"
# A small file system, where one may be mounted.
mkdir small
if mount -t tmpfs -o size=256k tmpfs small 2>/dev/null; then
    refused "a full disk" 1 "--out small/batch.npz" "small/batch.npz: needs up to 0.8202 MB, but 0.2621 MB are free"
    refused "a full disk for a folder" 1 "--out small/images" "are free there"
    umount small
fi
chmod 500 small
if ! touch small/x 2>/dev/null; then
    refused "a folder of others" 1 "--out small/grid.png" "small/grid.png: cannot write"
    refused "a folder in a folder of others" 1 "--out small/images" "cannot write"
fi

finish
