"""Pickles a network with PyTorch itself, as NVIDIA's training does, converts it and compares every tensor.

usage: edm2_torch.py CONVERTER          (torch; ends with 77 where there is none)

The modules reduce to `torch_utils.persistence._reconstruct_persistent_obj` as those of NVIDIA's persistent classes do, so
the tensors, storages and containers of the pickle are in the words of the PyTorch at hand.
"""
import json
import os
import pickle
import struct
import subprocess
import sys
import tempfile
import types

try:
    import torch
except ImportError:
    sys.exit(77)
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts", "peers"))
import unet  # noqa: E402


def named(module, thing, name):
    parts = module.split(".")
    for i in range(1, len(parts) + 1):
        sys.modules.setdefault(".".join(parts[:i]), types.ModuleType(".".join(parts[:i])))
    thing.__module__, thing.__qualname__, thing.__name__ = module, name, name
    setattr(sys.modules[module], name, thing)
    return thing


EasyDict = named("dnnlib.util", type("EasyDict", (dict,), {}), "EasyDict")
rebuild = named("torch_utils.persistence", lambda meta: None, "_reconstruct_persistent_obj")


def persistent(self):
    state = dict(self.__dict__, _init_args=(), _init_kwargs=EasyDict())
    return rebuild, (dict(type="class", version=6, module_src="raise SystemExit", class_name=type(self).__name__,
                          state=state),)


class Precond(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.unet, self.sigma_data = net, 0.5
        self.logvar_fourier, self.logvar_linear = unet.Fourier(128), unet.Layer(128, 1)


for kind in (Precond, unet.UNet, unet.Block, unet.Layer, unet.Fourier):
    kind.__reduce__ = persistent
net = Precond(unet.UNet(16, 3, label_dim=5, model_channels=16, channel_mult=(1, 2), num_blocks=1, channels_per_head=16))
ema = net.eval().requires_grad_(False).to(torch.float16)
with tempfile.TemporaryDirectory() as work:
    source, target = os.path.join(work, "net.pkl"), os.path.join(work, "net.safetensors")
    with open(source, "wb") as f:
        pickle.dump(EasyDict(encoder=None, dataset_kwargs=EasyDict(path="x/data.zip"), loss_fn=None, ema=ema), f)
    subprocess.run([sys.executable, sys.argv[1], source, target], check=True)
    data = open(target, "rb").read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__")
    state = ema.state_dict()
    assert set(header) == set(state), set(header) ^ set(state)
    for name, value in state.items():
        first, last = header[name]["data_offsets"]
        assert header[name]["shape"] == list(value.shape) and header[name]["dtype"] == "F16", name
        assert data[8 + length + first:8 + length + last] == value.contiguous().numpy().tobytes(), name
    print(f"{len(state)} tensors equal, PyTorch {torch.__version__}")
