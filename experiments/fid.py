#!/usr/bin/env python3
"""The whole of `ayf eval --inception` against PyTorch: FID of 2100 pictures from their files to the number.

usage: experiments/fid.py FOLDER      (torch, torchvision, numpy; half an hour on two cores; AYF=build/ayf)

The network has the made-up weights of tests/fixtures/inception.py, so nothing is downloaded; what real weights would say
of these pictures does not matter here. Prints FID (and that of the floor) by ayf and by PyTorch and ends with 1 when
they differ by more than 1e-4 of themselves.
"""
import json
import os
import subprocess
import sys

import numpy as np
import torch
import torchvision

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "data"))
import inception  # noqa: E402

COUNT, SIDE, BATCH = 2100, 16, 25


def pictures(seed, noise):
    """Slopes of random colours with noise on them, as bytes."""
    rng = np.random.default_rng(seed)
    at = np.linspace(-1, 1, SIDE)
    slope = rng.normal(size=(COUNT, 2, 3)) * 60
    plane = slope[:, 0, None, None] * at[:, None, None] + slope[:, 1, None, None] * at[:, None]
    values = 128 + rng.normal(size=(COUNT, 1, 1, 3)) * 40 + plane + rng.normal(size=(COUNT, SIDE, SIDE, 3)) * noise
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def write(folder, images):
    os.makedirs(folder, exist_ok=True)
    for i, image in enumerate(images):
        torchvision.io.write_png(torch.from_numpy(image).permute(2, 0, 1), os.path.join(folder, f"{i:04}.png"))


def features(net, images):
    found = []
    hook = net.fc.register_forward_hook(lambda module, inputs, out: found.append(inputs[0].double().numpy()))
    with torch.no_grad():
        for first in range(0, COUNT, BATCH):
            resized = np.stack([inception.resize(image.astype(np.float64)) for image in images[first:first + BATCH]])
            net(torch.from_numpy(resized.astype(np.float32)).permute(0, 3, 1, 2))
            print(f"{first + BATCH} of {COUNT}", file=sys.stderr)
    hook.remove()
    return np.concatenate(found)


def frechet_distance(a, b):
    """tr sqrt(A B) as tr sqrt(sqrt(A) B sqrt(A))."""
    ca, cb = np.cov(a.T), np.cov(b.T)
    values, vectors = np.linalg.eigh(ca)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ cb @ root), 0)).sum()
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca) + np.trace(cb) - 2 * cross


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = sys.argv[1]
    sets = {"real": pictures(1, 20), "heldout": pictures(2, 20), "drawn": pictures(3, 12)}
    path = {name: os.path.join(folder, name) for name in sets}
    for name, images in sets.items():
        write(path[name], images)
    weights = os.path.join(folder, "inception.safetensors")
    net = inception.network()
    inception.write(weights, {name: value.numpy() for name, value in net.state_dict().items()
                              if not name.endswith("num_batches_tracked")})
    said = json.loads(subprocess.run(
        [os.environ.get("AYF", "build/ayf"), "eval", path["drawn"], "--data", path["real"], "--heldout", path["heldout"],
         "--inception", weights, "--images", str(COUNT), "--json"], check=True, stdout=subprocess.PIPE).stdout)
    ours = {row["samples"]: row["fid"] for row in said["distance"]}
    found = {name: features(net, images) for name, images in sets.items()}
    theirs = {"floor": frechet_distance(found["real"], found["heldout"]),
              "samples": frechet_distance(found["real"], found["drawn"])}
    worst = 0
    for name, value in theirs.items():
        error = abs(ours[name] - value) / value
        worst = max(worst, error)
        print(f"{name:8} FID  ayf {ours[name]:.6f}  PyTorch {value:.6f}  relative difference {error:.1e}")
    return int(not worst <= 1e-4)


if __name__ == "__main__":
    sys.exit(main())
