#!/usr/bin/env python3
"""check_onnx.py FOLDER: every NAME.onnx in the folder gives the outputs of NAME.safetensors, in ONNX Runtime and, where
it is installed, in OpenVINO. Prints the error of each; the exit code is 1 when one is above 1e-4, 77 without the modules."""
import glob
import os
import sys

try:
    import numpy as np
    import onnx
    import onnxruntime
    from safetensors.numpy import load_file
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)
try:
    import openvino
except ImportError:
    openvino = None


def run_onnxruntime(path, feed):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, feed)[0]


def run_openvino(path, feed):
    core = openvino.Core()
    return core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(feed)[0]


bad = 0
paths = sorted(glob.glob(os.path.join(sys.argv[1], "*.onnx")))
for path in paths:
    onnx.checker.check_model(path, full_check=True)
    feed = load_file(path[:-len("onnx")] + "safetensors")
    want = feed.pop("out")
    if "class" in feed:
        feed["class"] = feed["class"].astype(np.int64)
    for runtime, run in (("ONNX Runtime", run_onnxruntime), ("OpenVINO", openvino and run_openvino)):
        if not run:
            continue
        for count in (len(want), 1):  # any batch will do
            got = run(path, {name: value[:count] for name, value in feed.items()})
            error = np.sqrt(np.square(got - want[:count]).mean() / np.square(want[:count]).mean())
            bad += not error < 1e-4
            print(f"{os.path.basename(path):24s} {runtime:13s} batch {count}: {error:.1e}")
sys.exit(1 if bad or not paths else 0)
