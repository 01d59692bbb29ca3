#!/usr/bin/env python3
"""Turns the Inception weights of FID from PyTorch's format into the safetensors file that `ayf eval --inception` reads.

usage: convert_inception.py INPUT.pth OUTPUT.safetensors

INPUT is pt_inception-2015-12-05-6726825d.pth, TensorFlow's network of 2015-12-05 as ported by pytorch-fid
(https://github.com/mseitzer/pytorch-fid/releases/tag/fid_weights); torch-fidelity gives out the same file under the
name weights-inception-2015-12-05-6726825d.pth. Any state_dict with torchvision's names and 1008 classes will do, also
inside {"state_dict": ...} and with "module." or "inception." in front of the names. torchvision's own weights (1000
classes) are another network and are refused, and so are TorchScript and pickled modules (NVIDIA's
inception-2015-12-05.pt and inception-v3-2015-12-05.pkl), which cannot be read without running code that they hold.

Needs torch (1.13 or later) and numpy. Nothing in INPUT is executed: it is read with torch.load(weights_only=True).
"""
import json
import os
import struct
import sys

import torch

UNITS = 94  # convolutions, each with a weight and four tensors of its normalisation
SUFFIXES = (".conv.weight", ".bn.weight", ".bn.bias", ".bn.running_mean", ".bn.running_var")
PREFIXES = ("module.", "inception.")


def fail(message):
    sys.exit(f"convert_inception.py: {message}")


def load(path):
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        fail(f"{path}: {error.strerror}")
    except Exception as error:
        fail(f"{path} is not a plain state_dict, and nothing else is read ({type(error).__name__}); use "
             "pt_inception-2015-12-05-6726825d.pth of pytorch-fid")
    while isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        fail(f"{path} is not a state_dict (names and tensors)")
    return state


def bare(name):
    for prefix in PREFIXES:
        if name.startswith(prefix):
            return bare(name[len(prefix):])
    return name


def select(path, state):
    """The tensors of the network, in float32."""
    tensors = {bare(name): value for name, value in state.items()}
    wanted = {name: value for name, value in tensors.items()
              if (name.endswith(SUFFIXES) and not name.startswith("AuxLogits.")) or name in ("fc.weight", "fc.bias")}
    if "fc.weight" not in wanted:
        fail(f"{path} has no tensor fc.weight: it is not an Inception network with torchvision's names")
    shape = tuple(wanted["fc.weight"].shape)
    if shape != (1008, 2048):
        fail(f"{path}: fc.weight has the shape {shape}, but that of FID's network is (1008, 2048)"
             + ("; this is torchvision's own network" if shape == (1000, 2048) else ""))
    for suffix in SUFFIXES:
        found = sum(name.endswith(suffix) for name in wanted)
        if found != UNITS:
            fail(f"{path} has {found} tensors *{suffix} in place of {UNITS}: it is not FID's network")
    for name, value in wanted.items():
        if not torch.isfinite(value).all():
            fail(f"{path}: tensor {name} holds a value that is not finite")
    return {name: value.to(torch.float32).contiguous() for name, value in wanted.items()}


def write(path, tensors):
    header, offset = {}, 0
    for name in sorted(tensors):
        size = 4 * tensors[name].numel()
        header[name] = {"dtype": "F32", "shape": list(tensors[name].shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    partial = path + ".partial"
    with open(partial, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(tensors):
            f.write(tensors[name].numpy().astype("<f4", copy=False).tobytes())
    os.replace(partial, path)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    tensors = select(sys.argv[1], load(sys.argv[1]))
    write(sys.argv[2], tensors)
    print(f"{sys.argv[2]}: {len(tensors)} tensors")


if __name__ == "__main__":
    main()
