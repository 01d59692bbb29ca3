#!/usr/bin/env python3
"""PyTorch on the step that `ayf bench step` times: AYF-EMD with teacher, weak teacher and student.

usage: step.py [--batch N] [--threads N] [--repeats N] [--device cpu|cuda] MODE ...

MODE: eager, compile, eager-bf16, compile-bf16 (autocast). Memory is channels-last. Prints one JSON object per mode, in
seconds. PyTorch's step leaves out Adam and the weight average. Needs torch.
"""
import argparse
import json
import warnings

import torch
import torch._dynamo

import timing
import unet

MODES = ("eager", "compile", "eager-bf16", "compile-bf16")


def measure(mode, batch, repeats, device):
    student, teacher, weak = (unet.example(seed).to(device, memory_format=torch.channels_last) for seed in range(3))
    teacher.requires_grad_(False)
    weak.requires_grad_(False)
    x = torch.randn(batch, 3, 32, 32).to(device, memory_format=torch.channels_last)
    t = (torch.rand(batch) * 0.5 + 0.5).to(device)
    s = t * 0.3

    def cast():
        return torch.autocast(device, dtype=torch.bfloat16, enabled=mode.endswith("bf16"))

    def forward(x, t, s):
        with torch.no_grad(), cast():
            return student(x, t, s=s)

    def guided(x, t):
        with torch.no_grad(), cast():
            return 2 * teacher(x, t, s=t) - weak(x, t, s=t)

    def tangent(x, t, s, v):
        with torch.no_grad(), cast():
            return torch.func.jvp(lambda x, t: student(x, t, s=s), (x, t), (v, torch.ones_like(t)))

    def loss(x, t, s, target):
        with cast():
            return (student(x, t, s=s).float() - target).square().mean()

    if mode.startswith("compile"):
        torch._dynamo.reset()
        torch._dynamo.config.recompile_limit = 256
        forward, guided, tangent, loss = map(torch.compile, (forward, guided, tangent, loss))

    def backward(target):
        student.zero_grad()
        loss(x, t, s, target).backward()

    def step():
        v = guided(x, t).float()
        F, dF = (y.float() for y in tangent(x, t, s, v))
        g = F - v + 0.9 * (t - s)[:, None, None, None] * dF
        backward(F - g / (g.flatten(1).norm(dim=1)[:, None, None, None] + 0.1))

    def best(run):
        return timing.best(run, repeats, torch.cuda.synchronize if device == "cuda" else None)

    return {"forward_s": best(lambda: forward(x, t, s)),
            "forward_backward_s": best(lambda: backward(torch.zeros_like(x))),
            "forward_tangent_s": best(lambda: tangent(x, t, s, x)),
            "step_s": best(step)}


parser = argparse.ArgumentParser()
parser.add_argument("modes", nargs="+", choices=MODES)
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--threads", type=int, default=torch.get_num_threads())
parser.add_argument("--repeats", type=int, default=3)
parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
options = parser.parse_args()
warnings.filterwarnings("ignore")
torch.set_num_threads(options.threads)
for mode in options.modes:
    times = measure(mode, options.batch, options.repeats, options.device)
    print(json.dumps({"peer": "PyTorch " + mode.removesuffix("-bf16"),
                      "precision": "bf16" if mode.endswith("bf16") else "highest", **times}), flush=True)
