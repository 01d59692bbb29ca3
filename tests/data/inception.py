#!/usr/bin/env python3
"""Writes inception.safetensors: what torchvision's Inception network says about two images.

usage: inception.py [OUTPUT]          (torch 2.4, torchvision 0.19, numpy)

Weights and images are made from formulas that tests/test_inception.c has too, so that only the results need
storing. The network is torchvision's with the three changes of the FID network (github.com/mseitzer/pytorch-fid):
1008 outputs and narrower pools in front of them, average pools that leave the padding out, and the maximum in the
last block. Images are resized by two dense
matrices. Everything is summed in double precision.
"""
import json
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from torchvision.models import inception as tv


def uniform(name, count):
    """splitmix64 of FNV-1a(name) + i: numbers in [-1, 1), multiples of 2^-23."""
    h = 14695981039346656037
    for byte in name.encode():
        h = (h ^ byte) * 1099511628211 % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(h) + (np.arange(count, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2**23 - 1


def weights(name, shape):
    u = uniform(name, int(np.prod(shape)))
    if name.endswith("conv.weight"):
        u = u * np.sqrt(6.0 / np.prod(shape[1:]))
    elif name == "fc.weight":
        u = u * np.sqrt(3.0 / shape[1])
    elif name.endswith(("bn.weight", "running_var")):
        u = 1 + u / 2
    else:  # bn.bias, bn.running_mean, fc.bias
        u = u / 4
    return torch.from_numpy(u.astype(np.float32).reshape(shape))


def image(name, height, width, channels):
    return np.floor((uniform(name, height * width * channels) + 1) * 128).reshape(height, width, channels)


class Pools:
    """torch.nn.functional with TensorFlow's average pool."""

    def __getattr__(self, name):
        return getattr(F, name)

    @staticmethod
    def avg_pool2d(x, **options):
        return F.avg_pool2d(x, count_include_pad=False, **options)


class MaxPools(Pools):
    @staticmethod
    def avg_pool2d(x, **options):
        return F.max_pool2d(x, **options)


class LastBlock(tv.InceptionE):
    def forward(self, x):
        tv.F = MaxPools()
        out = super().forward(x)
        tv.F = Pools()
        return out


def network():
    tv.F = Pools()
    net = torchvision.models.inception_v3(num_classes=1008, aux_logits=False, weights=None, init_weights=False)
    net.Mixed_7c = LastBlock(2048)
    state = net.state_dict()
    net.load_state_dict({k: v if k.endswith("num_batches_tracked") else weights(k, tuple(v.shape))
                         for k, v in state.items()})
    return net.eval()


def matrix(inside, outside):
    """Row i has the weights of output i: positions i inside/outside in single precision as in TensorFlow, no half
    pixels, the last pixel repeated."""
    m = np.zeros((outside, inside))
    scale = np.float32(inside) / np.float32(outside)
    for i in range(outside):
        at = float(np.float32(i) * scale)
        low = int(at)
        m[i, low] += 1 - (at - low)
        m[i, min(low + 1, inside - 1)] += at - low
    return m


def resize(pixels):
    height, width, _ = pixels.shape
    out = np.einsum("yi,ijc,xj->yxc", matrix(height, 299), pixels, matrix(width, 299), optimize=True)
    return (np.repeat(out, 3, 2) if out.shape[2] == 1 else out) / 128 - 1


def run(net, pixels):
    """Features and logits without the bias, in double precision."""
    seen = {}
    hook = net.fc.register_forward_hook(lambda module, inputs, out: seen.update(features=inputs[0]))
    with torch.no_grad():
        logits = net(torch.from_numpy(resize(pixels)).permute(2, 0, 1)[None])[0] - net.fc.bias
    hook.remove()
    return seen["features"][0].numpy(), logits.numpy()


def kernel_distance(a, b):
    """Unbiased MMD^2 with the kernel (x.y / dim + 1)^3."""
    k = lambda x, y: (x @ y.T / x.shape[1] + 1) ** 3
    n = len(a)
    off = lambda m: (m.sum() - np.trace(m)) / (n * (n - 1))
    return off(k(a, a)) + off(k(b, b)) - 2 * k(a, b).mean()


def inception_score(logits):
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return np.exp((p * (np.log(p) - np.log(p.mean(0)))).sum(1).mean())


def frechet_distance(a, b):
    ca, cb = np.cov(a.T), np.cov(b.T)
    root = np.sqrt(np.linalg.eigvals(ca @ cb).astype(complex)).real.sum()
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca) + np.trace(cb) - 2 * root


def compare(net):
    """KID, Inception score and, by the first three features, the Frechet distance of two sets of six images."""
    a = [run(net, image(f"a{i}", 16, 16, 3)) for i in range(6)]
    b = [run(net, image(f"b{i}", 4, 4, 1)) for i in range(6)]
    fa, fb = np.stack([x[0] for x in a]), np.stack([x[0] for x in b])
    return np.array([kernel_distance(fa, fb), inception_score(np.stack([x[1] for x in a])),
                     frechet_distance(fa[:, :3], fb[:, :3])])


def write(path, tensors):
    header, data = {}, b""
    for name in sorted(tensors):
        values = np.ascontiguousarray(tensors[name], dtype="<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensors[name].shape),
                        "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def main():
    net = network().double()
    tensors = {}
    for name, shape in {"colour": (37, 23, 3), "grey": (28, 28, 1)}.items():
        features, logits = run(net, image(name, *shape))
        tensors[name + ".features"], tensors[name + ".logits"] = features, logits
    tensors["distances"] = compare(net)
    print(tensors["distances"])
    for height, width, channels in [(5, 7, 3), (299, 299, 1), (640, 333, 3), (1, 1, 3)]:
        name = f"resize.{height}.{width}.{channels}"
        out = resize(image(name, height, width, channels)).reshape(-1)
        tensors[name] = out[::997]
    write(sys.argv[1] if len(sys.argv) > 1 else "inception.safetensors", tensors)


if __name__ == "__main__":
    main()
