#!/bin/sh
# tests/cli/test_cancel.sh AYF
# Ctrl-C and SIGTERM in verbs that are no runs: the end is clean, and a second signal is not needed.
set -u
ayf=$1
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
: >out && : >err
export AYF_THREADS=1

# after SIGNAL COMMAND ...: sends the signal as soon as the program catches it, and exits as a shell would.
cat >after.py <<'END2'
import os, signal, subprocess, sys
number = getattr(signal, sys.argv[1])
signal.signal(number, signal.SIG_DFL)
child = subprocess.Popen(sys.argv[2:])
def catches():
    for line in open("/proc/%d/status" % child.pid):
        if line.startswith("SigCgt:"): return int(line.split()[1], 16) >> (number - 1) & 1
while child.poll() is None and not catches(): pass
child.send_signal(number)
code = child.wait()
sys.exit(128 - code if code < 0 else code)
END2
after() { python3 after.py "$@"; }
left() { find . -name '*.tmp*' -o -name '.*.tmp*' | grep . && bad "temporary files are left"; }

expect "a teacher" 0 "$ayf" train teacher --data builtin:shapes --set data.resolution=8 --set model.channels=8 --set model.multipliers=1 \
    --set model.blocks=1 --batch 4 --steps 1
expect "features" 0 "$ayf" eval --fit-features f.safetensors --data builtin:shapes --set data.resolution=8 --set train.steps=2
many="--seeds 0-100000 --steps 1000"
expect "Ctrl-C while drawing a grid" 130 after SIGINT "$ayf" sample teacher $many --grid 400 --out grid.png
says "cancelled" && one_line && absent grid.png && left
expect "SIGTERM while drawing an archive" 143 after SIGTERM "$ayf" sample teacher $many --out many.npz
says "cancelled" && one_line && absent many.npz && left
expect "Ctrl-C while measuring" 130 after SIGINT "$ayf" eval teacher --data builtin:shapes --features f.safetensors \
    --images 100000 --calls 1000 --save-stats s.npz
says "cancelled" && left
[ ! -s out ] || bad "half a result is printed"
expect "SIGTERM while comparing with a teacher" 143 after SIGTERM "$ayf" eval teacher --data builtin:shapes --features f.safetensors \
    --images 100000 --calls 1000 --json
says "cancelled"
[ ! -s out ] || bad "half a result is printed"
expect "Ctrl-C while drawing for a report" 130 after SIGINT "$ayf" report teacher --out page.html
says "cancelled" && one_line && absent page.html && left
mkdir many && python3 -c 'import struct
open("many/train-images-idx3-ubyte", "wb").write(struct.pack(">IIII", 0x803, 1000000, 5, 5) + bytes(25000000))'
expect "Ctrl-C while checking data" 130 after SIGINT "$ayf" data check many --set data.labels=false --json
says "cancelled" && one_line
[ ! -s out ] || bad "half a result is printed"
rm -r many
expect "Ctrl-C while checking the machine" 130 after SIGINT "$ayf" doctor
says "cancelled"
expect "Ctrl-C while timing" 130 after SIGINT "$ayf" bench call --batch 64 --repeats 100
says "cancelled"
expect "SIGHUP that is ignored" 0 python3 -c 'import signal, subprocess, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
child = subprocess.Popen(sys.argv[1:])
child.send_signal(signal.SIGHUP)
sys.exit(child.wait())' "$ayf" sample teacher --seeds 0-3 --steps 4 --out kept.png
exists kept.png

finish
