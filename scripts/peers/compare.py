#!/usr/bin/env python3
"""ayf beside PyTorch, ONNX Runtime and OpenVINO: the step and one call, in turns on the same machine.

usage: compare.py AYF [--rounds N] [--repeats N] [--batch N] [--threads N] [--only step|call] [--compile]
                      [--device cpu|cuda] [--models FOLDER] [--json FILE]

Each round runs ayf and then the peers, each in a process of its own with as many threads. A ratio is the peer's time
by ayf's of the same round and precision: above 1, ayf is faster. Prints the median of the rounds and, in brackets, the
least and the largest. --compile also times torch.compile, which takes minutes. On a GPU only the step is compared.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
STEP = ("forward_s", "forward_backward_s", "forward_tangent_s", "step_s")
CALL = ("call_1_s", "call_4_s", "call_32_s")


def run(command, environment=None):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment)
    if done.returncode:
        sys.exit(f"compare.py: {' '.join(command)} ended with {done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def repeats(options, what):
    return str(options.repeats or {"step": 3, "call": 20}[what])


def run_ayf(options, what, precision):
    command = [options.ayf, "bench", what, "--json", "--precision", precision]
    if what == "step":  # calls are of 1, 4 and 32 samples
        command += ["--batch", str(options.batch)]
    command += ["--repeats", repeats(options, what), "--device", options.device]
    return run(command, {**os.environ, "AYF_THREADS": str(options.threads)})[0]["precisions"][precision]


def run_peers(options, what):
    command = [sys.executable, os.path.join(HERE, what + ".py"), "--threads", str(options.threads),
               "--repeats", repeats(options, what)]
    if what == "call":
        return run(command + ["--models", options.models, "1", "4", "32"])
    modes = ["eager", "eager-bf16"] + (["compile", "compile-bf16"] if options.compile else [])
    return run(command + ["--batch", str(options.batch), "--device", options.device] + modes)


def spread(values, digits):
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}, {max(values):.{digits}f}]"


def show(rounds, keys):
    """rounds: per round a pair of ayf's times by precision and the rows of the peers."""
    for index, peer in enumerate(rounds[0][1]):
        precision = peer["precision"]
        print(f"\n{peer['peer']}, {precision}")
        print(f"{'seconds':20s} {'ayf':>24s} {'peer':>24s} {'peer / ayf':>20s}")
        for key in keys:
            ours = [ayf[precision][key] for ayf, _ in rounds]
            theirs = [peers[index][key] for _, peers in rounds]
            ratios = [b / a for a, b in zip(ours, theirs)]
            print(f"{key[:-2]:20s} {spread(ours, 4):>24s} {spread(theirs, 4):>24s} {spread(ratios, 2):>20s}")


parser = argparse.ArgumentParser()
parser.add_argument("ayf")
parser.add_argument("--only", choices=("step", "call"))
parser.add_argument("--rounds", type=int, choices=range(1, 101), metavar="N", default=3)
parser.add_argument("--repeats", type=int, help="within a round; the fastest counts. Default: 3, call 20")
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
parser.add_argument("--compile", action="store_true")
parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
parser.add_argument("--models", default="peers-models")
parser.add_argument("--json", help="file for all numbers of all rounds")
options = parser.parse_args()
if options.device == "cuda":
    options.only = "step"
everything = {}
for what in [options.only] if options.only else ["step", "call"]:
    rounds = everything[what] = []
    for _ in range(options.rounds):
        ours = {precision: run_ayf(options, what, precision) for precision in ("highest", "bf16")}
        rounds.append((ours, run_peers(options, what)))
    print(f"\n== {what}: {options.threads} threads, {options.rounds} rounds"
          + (f", batch {options.batch}" if what == "step" else ""), end="")
    show(rounds, STEP if what == "step" else CALL)
if options.json:
    with open(options.json, "w") as file:
        json.dump(everything, file, indent=1)
