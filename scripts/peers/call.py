#!/usr/bin/env python3
"""ONNX Runtime and OpenVINO on the call that `ayf bench call` times.

usage: call.py [--threads N] [--repeats N] --models FOLDER BATCH ...

Exported models stay in FOLDER for the next time. Prints one JSON object per peer: seconds per batch, and the error
relative to PyTorch's result. Needs torch, onnx, onnxscript, onnxruntime, openvino.
"""
import argparse
import json
import logging
import os
import warnings

import numpy as np
import onnxruntime
import openvino
import torch

import timing
import unet


class Call(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x, t, s):
        return self.net(x, t, s=s)


def prepare(folder, batch):
    """The path of the exported model, its inputs, and PyTorch's result."""
    call = Call(unet.example(0)).requires_grad_(False)
    torch.manual_seed(1)
    feed = {"x": torch.randn(batch, 3, 32, 32), "t": torch.rand(batch) * 0.5 + 0.5}
    feed["s"] = feed["t"] * 0.3
    path = os.path.join(folder, f"call-{batch}.onnx")
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        model = torch.onnx.export(call, tuple(feed.values()), input_names=list(feed), dynamo=True, verbose=False)
        model.save(path + ".part", external_data=False)
        os.rename(path + ".part", path)
    return path, {name: value.numpy() for name, value in feed.items()}, call(**feed).numpy()


def onnxruntime_run(path, feed, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, feed)[0]


def openvino_run(precision):
    def make(path, feed, threads):
        core = openvino.Core()
        model = core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": precision,
                                                                  "INFERENCE_NUM_THREADS": threads})
        return lambda: model(feed)[0]
    return make


parser = argparse.ArgumentParser()
parser.add_argument("batches", nargs="+", type=int)
parser.add_argument("--models", required=True)
parser.add_argument("--threads", type=int, default=torch.get_num_threads())
parser.add_argument("--repeats", type=int, default=20)
options = parser.parse_args()
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
torch.set_num_threads(options.threads)
prepared = {batch: prepare(options.models, batch) for batch in options.batches}
for peer, precision, make in (("ONNX Runtime", "highest", onnxruntime_run),
                              ("OpenVINO", "highest", openvino_run("f32")),
                              ("OpenVINO", "bf16", openvino_run("bf16"))):
    row = {"peer": peer, "precision": precision}
    for batch, (path, feed, want) in prepared.items():
        run = make(path, feed, options.threads)
        got = run()
        row[f"call_{batch}_s"] = timing.best(run, options.repeats)
        row[f"call_{batch}_error"] = float(np.sqrt(np.square(got - want).mean() / np.square(want).mean()))
    print(json.dumps(row), flush=True)
