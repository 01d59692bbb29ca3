#!/usr/bin/env python3
"""load.py FILE: the network of a file of `ayf export --format safetensors` in PyTorch, by a strict load_state_dict().
Prints its number of parameters. As a module: net = load(path). Needs torch and safetensors."""
import sys

from safetensors import safe_open

from unet import UNet


def load(path):
    with safe_open(path, "pt") as file:
        meta = {key[len("model."):]: value for key, value in file.metadata().items() if key.startswith("model.")}
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    ints = lambda key: [int(x) for x in meta[key].split(",") if x]
    if meta["kind"] != "unet" or meta["resample_filter"] != "1,1":
        raise ValueError(f"{path}: only a U-Net with the filter 1,1 is written down in unet.py")
    if meta.get("time_split") == "true":
        raise ValueError(f"{path}: a student with model.time_split is not written down in unet.py")
    net = UNet(img_resolution=int(meta["img_resolution"]), img_channels=int(meta["img_channels"]),
               label_dim=int(meta["label_dim"]), model_channels=int(meta["model_channels"]),
               channel_mult=ints("channel_mult"), num_blocks=int(meta["num_blocks"]),
               attn_resolutions=ints("attn_resolutions"), channels_per_head=int(meta["channels_per_head"]),
               clip_act=float(meta["clip_act"]) or None, student=meta["is_student"] == "true")
    net.load_state_dict(tensors, strict=True)
    return net


if __name__ == "__main__":
    print(sum(p.numel() for p in load(sys.argv[1]).parameters()), "parameters")
