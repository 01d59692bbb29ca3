#!/usr/bin/env python3
"""memory.py AYF DATA [--steps N]: the planned memory of the runs in configs/ beside their peak.

Each configuration is planned (--dry-run) and run for a few steps, with a checkpoint and a grid after each; the models
that it begins with are made in the same way first. DATA has mnist/ and cifar10/cifar10-train.zip. The peak is the
largest resident size (ru_maxrss). Prints a table in Markdown. Exit code 1: a peak is not 0.8 to 1.05 times the plan.
"""
import argparse
import os
import re
import sys
import tempfile

CONFIGS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "configs")
MNIST, CIFAR = "mnist", "cifar10/cifar10-train.zip"
# verb, configuration, data, models that it begins with, in the table
RUNS = [
    ("distill", "ring-student", None, {}, True),
    ("train", "shapes16-teacher", None, {}, True),
    ("train", "shapes16-weak", None, {}, False),
    ("distill", "shapes16-student", None, {"distill.teacher": "shapes16-teacher", "distill.weak": "shapes16-weak"}, True),
    ("train", "mnist16-teacher", MNIST, {}, False),
    ("distill", "mnist16-student", MNIST, {"distill.teacher": "mnist16-teacher"}, False),
    ("finetune", "mnist16-finetune", MNIST, {"finetune.student": "mnist16-student"}, True),
    ("train", "mnist32-teacher", MNIST, {}, False),
    ("train", "mnist32-weak", MNIST, {}, False),
    ("distill", "mnist32-student", MNIST, {"distill.teacher": "mnist32-teacher", "distill.weak": "mnist32-weak"}, True),
    ("train", "cifar10-teacher", CIFAR, {}, True),
]
UNITS = {"KiB": 1 / 1024, "MiB": 1, "GiB": 1024}


def spawn(command, log):
    """Runs a command; returns what it printed and its largest resident size in MiB."""
    with open(log, "w") as out:
        pid = os.posix_spawn(command[0], command, os.environ,
                             file_actions=[(os.POSIX_SPAWN_DUP2, out.fileno(), 1), (os.POSIX_SPAWN_DUP2, out.fileno(), 2)])
        _, status, usage = os.wait4(pid, 0)
    with open(log) as file:
        text = file.read()
    if status != 0:
        sys.exit(f"{' '.join(command)}\n{text}")
    return text, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ayf")
    parser.add_argument("data")
    parser.add_argument("--steps", type=int, default=2)
    args = parser.parse_args()
    missed = False
    with tempfile.TemporaryDirectory() as work:
        print("| configuration | plan, MiB | peak, MiB | peak / plan | parts of the plan |\n|---|---|---|---|---|")
        for verb, name, data, begins, shown in RUNS:
            command = [os.path.abspath(args.ayf), verb, os.path.join(work, name),
                       "--config", os.path.join(CONFIGS, name + ".yaml"), "--steps", str(args.steps),
                       "--set", "train.lr_warmup=0", "--set", "save.every=1", "--set", "save.grid_every=1"]
            if data:
                command += ["--set", "data.source=" + os.path.join(args.data, data)]
            for key, model in begins.items():
                command += ["--set", f"{key}={os.path.join(work, model)}"]
            log = os.path.join(work, "log")
            said = spawn(command + ["--dry-run"], log)[0] if shown else ""
            _, peak = spawn(command, log)
            if not shown:
                continue
            plan, unit, parts = re.search(r"^memory +([\d.]+) (\w+) \((.*?)\)", said, re.M).groups()
            ratio = peak / (float(plan) * UNITS[unit])
            missed |= not 0.8 <= ratio <= 1.05
            print(f"| {name} | {float(plan) * UNITS[unit]:.0f} | {peak:.0f} | {ratio:.2f} | {parts} |", flush=True)
    return missed


if __name__ == "__main__":
    sys.exit(main())
