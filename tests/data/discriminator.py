"""Writes discriminator/*.safetensors: reference numbers of StyleGAN2's residual discriminator, for test_discriminator.c.

    python3 discriminator.py discriminator        (needs PyTorch and NumPy)

The network is written from its description (stylegan2-ada-pytorch, resnet architecture), apart from the C code.
"""
import json, struct, sys
import numpy as np, torch
import torch.nn.functional as F

FILTER = torch.outer(*[torch.tensor([1.0, 3, 3, 1])] * 2) / 64


def blur(x, pad, down):
    weight = FILTER.to(x)[None, None].repeat(x.shape[1], 1, 1, 1)
    return F.conv2d(F.pad(x, [pad] * 4), weight, groups=x.shape[1])[:, :, ::down, ::down]


def lrelu(x):
    return F.leaky_relu(x, 0.2) * 2 ** 0.5


class Discriminator:
    def __init__(self, c_dim, img_resolution, img_channels, channel_base, channel_max, cmap_dim=0, epilogue_kwargs={}):
        self.size, self.group = img_resolution, epilogue_kwargs.get("mbstd_group_size", 4)
        self.parts = epilogue_kwargs.get("mbstd_num_channels", 1)
        channels = lambda size: min(channel_base // size, channel_max)
        self.c_dim, self.cmap = c_dim, (cmap_dim or channels(4)) if c_dim else 0
        self.p, self.b = {}, {}
        for size in [2 ** i for i in range(int(np.log2(self.size)), 2, -1)]:
            n, m = channels(size), channels(size // 2)
            self.b[f"b{size}.resample_filter"] = FILTER
            if size == self.size: self.conv(f"b{size}.fromrgb", n, img_channels, 1)
            self.conv(f"b{size}.conv0", n, n, 3)
            self.conv(f"b{size}.conv1", m, n, 3)
            self.conv(f"b{size}.skip", m, n, 1, bias=False)
        n = channels(4)
        if self.size == 4: self.conv("b4.fromrgb", n, img_channels, 1)
        self.conv("b4.conv", n, n + self.parts, 3)
        self.full("b4.fc", n, 16 * n)
        self.full("b4.out", self.cmap or 1, n)
        if c_dim:
            self.full("mapping.embed", self.cmap, c_dim)
            for i in range(8): self.full(f"mapping.fc{i}", self.cmap, self.cmap, 0.01)

    def conv(self, name, out, inp, k, bias=True):
        self.p[name + ".weight"] = torch.randn(out, inp, k, k)
        if bias: self.p[name + ".bias"] = torch.randn(out) * 0.3
        self.b[name + ".resample_filter"] = FILTER

    def full(self, name, out, inp, rate=1):
        self.p[name + ".weight"] = torch.randn(out, inp) / rate
        self.p[name + ".bias"] = torch.randn(out) * 0.1 / rate

    def weight(self, name, rate=1):
        w = self.p[name + ".weight"]
        return w * rate / w[0].numel() ** 0.5

    def bias(self, x, name):
        return x + self.p[name + ".bias"][None, :, None, None]

    def linear(self, x, name, rate=1):
        return x @ self.weight(name, rate).t() + self.p[name + ".bias"] * rate

    def block(self, x, name):
        skip = F.conv2d(blur(x, 1, 2), self.weight(name + ".skip")) * 0.5 ** 0.5
        x = lrelu(self.bias(F.conv2d(x, self.weight(name + ".conv0"), padding=1), name + ".conv0"))
        x = F.conv2d(blur(x, 2, 1), self.weight(name + ".conv1"), stride=2)
        return skip + lrelu(self.bias(x, name + ".conv1")) * 0.5 ** 0.5

    def deviation(self, x):
        n, c, h, w = x.shape
        g = min(self.group, n)
        y = x.reshape(g, n // g, self.parts, c // self.parts, h, w)
        y = ((y - y.mean(0)).square().mean(0) + 1e-8).sqrt().mean([2, 3, 4])
        return torch.cat([x, y[:, :, None, None].repeat(g, 1, h, w)], 1)

    def mapping(self, label):
        y = self.linear(F.one_hot(label, self.c_dim).to(self.p["mapping.embed.weight"]), "mapping.embed")
        y = y / (y.square().mean(1, keepdim=True) + 1e-8).sqrt()
        for i in range(8): y = lrelu(self.linear(y, f"mapping.fc{i}", 0.01))
        return y

    def __call__(self, x, label):
        name = f"b{self.size}.fromrgb"
        x = lrelu(self.bias(F.conv2d(x, self.weight(name)), name))
        size = self.size
        while size > 4:
            x, size = self.block(x, f"b{size}"), size // 2
        x = lrelu(self.bias(F.conv2d(self.deviation(x), self.weight("b4.conv"), padding=1), "b4.conv"))
        x = self.linear(lrelu(self.linear(x.flatten(1), "b4.fc")), "b4.out")
        return (x * self.mapping(label)).sum(1, keepdim=True) / self.cmap ** 0.5 if self.c_dim else x


def tensors(config, batch):
    d = Discriminator(**config)
    x = torch.randn(batch, config["img_channels"], d.size, d.size)
    label = torch.randint(0, max(config["c_dim"], 1), (batch,))
    out = {"param." + k: v for k, v in {**d.p, **d.b}.items()} | {"in.x": x}
    if config["c_dim"]: out["in.label"] = label
    d.p = {k: v.double().requires_grad_() for k, v in d.p.items()}
    x = x.double().requires_grad_()
    logits = d(x, label)
    wrt = [x, *d.p.values()]
    grads = torch.autograd.grad(logits.sum(), wrt, create_graph=True)
    r1 = grads[0].square().sum([1, 2, 3])
    second = torch.autograd.grad(r1.mean() / 2, wrt[1:], allow_unused=True)
    out |= {"out.logits": logits, "out.r1": r1, "out.grad.x": grads[0]}
    for name, first, again in zip(d.p, grads[1:], second):
        out["out.grad." + name] = first
        out["out.r1_grad." + name] = torch.zeros_like(first) if again is None else again
    return {k: v if v.dtype == torch.int64 else v.detach().float() for k, v in out.items()}


def write(path, config, values):
    header = {"__metadata__": {"kind": "sg2_discriminator", "config": json.dumps(config)}}
    data = b""
    for name in sorted(values, key=lambda k: (values[k].dtype != torch.int64, k)):
        a = values[name].contiguous().numpy()
        header[name] = {"dtype": "I64" if a.dtype == np.int64 else "F32", "shape": list(a.shape),
                        "data_offsets": [len(data), len(data) + a.nbytes]}
        data += a.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data)


for name, batch, config in [
    ("classes_8", 8, dict(c_dim=3, img_resolution=8, img_channels=2, channel_base=40, channel_max=6, cmap_dim=7,
                          epilogue_kwargs=dict(mbstd_group_size=4, mbstd_num_channels=2))),
    ("plain_16", 3, dict(c_dim=0, img_resolution=16, img_channels=1, channel_base=48, channel_max=7)),
    ("plain_4", 6, dict(c_dim=0, img_resolution=4, img_channels=3, channel_base=20, channel_max=64,
                        epilogue_kwargs=dict(mbstd_group_size=3))),
]:
    torch.manual_seed(6)
    write(f"{sys.argv[1]}/{name}.safetensors", config, tensors(config, batch))
