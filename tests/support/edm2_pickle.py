"""Network snapshots of EDM2's form without torch and without NVIDIA's code, and pickles that mean harm.

usage: edm2_pickle.py KIND FILE [key=value ...]

KIND is "network", or one of the keys of HOSTILE or DAMAGED below. The keys of "network" are those of EDM2's UNet;
"weights", "dtype" (f16, f32) and "gain" are ours. The values of the tensors are a pure function of their name.
"""
import collections
import io
import math
import os
import pickle
import random
import struct
import sys
import types
import zlib

# ---- Stand-ins that pickle under the names of torch and of NVIDIA's code ----


def named(module, name, thing):
    parts = module.split(".")
    for i in range(1, len(parts) + 1):
        sys.modules.setdefault(".".join(parts[:i]), types.ModuleType(".".join(parts[:i])))
    thing.__module__, thing.__qualname__, thing.__name__ = module, name, name
    setattr(sys.modules[module], name, thing)
    return thing


class EasyDict(dict):
    pass


class ModuleDict:
    def __init__(self, state):
        self.state = state

    def __reduce__(self):
        return new_object, (ModuleDict,), self.state


def new_object(what):
    return what.__new__(what)


named("copyreg", "__newobj__", new_object)  # pickle turns it into the opcode NEWOBJ
named("dnnlib.util", "EasyDict", EasyDict)
named("torch.nn.modules.container", "ModuleDict", ModuleDict)
rebuild_object = named("torch_utils.persistence", "_reconstruct_persistent_obj", lambda meta: None)
rebuild_parameter = named("torch._utils", "_rebuild_parameter", lambda *a: None)
rebuild_tensor = named("torch._utils", "_rebuild_tensor_v2", lambda *a: None)
load_storage = named("torch.storage", "_load_from_bytes", lambda data: None)
STORAGES = {"f16": named("torch", "HalfStorage", type("HalfStorage", (), {})),
            "f32": named("torch", "FloatStorage", type("FloatStorage", (), {}))}
FORMS = {"f16": "e", "f32": "f"}


class Call:
    """Pickles as a call of `function`."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class StoragePickler(pickle.Pickler):
    def persistent_id(self, thing):
        return thing.id if isinstance(thing, StorageId) else None


class StorageId:
    def __init__(self, *parts):
        self.id = parts


def storage(values, dtype, promised=None):
    """As torch.save wrote it before it wrote zip files."""
    out = io.BytesIO()
    count = len(values) if promised is None else promised
    for part in (0x1950A86A20F9469CFC6C, 1001,
                 {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}},
                 StorageId("storage", STORAGES[dtype], "94", "cpu", count, None), ["94"]):
        StoragePickler(out, 2).dump(part)
    out.write(struct.pack("<q", len(values)) + struct.pack(f"<{len(values)}{FORMS[dtype]}", *values))
    return Call(load_storage, out.getvalue())


def tensor(values, shape, dtype, parameter=True):
    stride = [math.prod(shape[i + 1:]) for i in range(len(shape))]
    plain = Call(rebuild_tensor, storage(values, dtype), 0, tuple(shape), tuple(stride), False,
                 collections.OrderedDict())
    return Call(rebuild_parameter, plain, False, collections.OrderedDict()) if parameter else plain


def persistent(name, state):
    return Call(rebuild_object, {"type": "class", "version": 6, "module_src": "raise SystemExit('it ran')\n",
                                 "class_name": name, "state": state})


# ---- The network ----

UNET = dict(img_resolution=8, img_channels=3, label_dim=0, model_channels=16, channel_mult=[1, 2],
            channel_mult_noise=None, channel_mult_emb=None, num_blocks=1, attn_resolutions=[4], channels_per_head=16)


def block(shapes, name, n_in, n_out, emb, heads, decoder):
    shapes[name + ".emb_gain"] = ()
    shapes[name + ".conv_res0.weight"] = (n_out, n_in if decoder else n_out, 3, 3)
    shapes[name + ".emb_linear.weight"] = (n_out, emb)
    shapes[name + ".conv_res1.weight"] = (n_out, n_out, 3, 3)
    if n_in != n_out:
        shapes[name + ".conv_skip.weight"] = (n_out, n_in, 1, 1)
    if heads:
        shapes[name + ".attn_qkv.weight"] = (3 * n_out, n_out, 1, 1)
        shapes[name + ".attn_proj.weight"] = (n_out, n_out, 1, 1)


def shapes_of(net):
    """Names and shapes of EDM2's Precond (arXiv 2312.02696, config G)."""
    width = [net["model_channels"] * m for m in net["channel_mult"]]
    emb = net["model_channels"] * (net["channel_mult_emb"] or max(net["channel_mult"]))
    noise = net["model_channels"] * (net["channel_mult_noise"] or net["channel_mult"][0])
    shapes = {"unet.out_gain": (), "unet.emb_fourier.freqs": (noise,), "unet.emb_fourier.phases": (noise,),
              "unet.emb_noise.weight": (emb, noise)}
    if net["label_dim"]:
        shapes["unet.emb_label.weight"] = (emb, net["label_dim"])
    skips, last = [], len(width) - 1
    for level, n in enumerate(width):
        at = f"unet.enc.{net['img_resolution'] >> level}x{net['img_resolution'] >> level}_"
        attention = (net["img_resolution"] >> level) in net["attn_resolutions"]
        if level == 0:
            c = n
            shapes[at + "conv.weight"] = (n, net["img_channels"] + 1, 3, 3)
        else:
            block(shapes, at + "down", c, c, emb, 0, False)
        skips.append(c)
        for i in range(net["num_blocks"]):
            block(shapes, at + f"block{i}", c, n, emb, attention, False)
            c = n
            skips.append(c)
    for level in range(last, -1, -1):
        n, at = width[level], f"unet.dec.{net['img_resolution'] >> level}x{net['img_resolution'] >> level}_"
        attention = (net["img_resolution"] >> level) in net["attn_resolutions"]
        if level == last:
            block(shapes, at + "in0", c, c, emb, 1, True)
            block(shapes, at + "in1", c, c, emb, 0, True)
        else:
            block(shapes, at + "up", c, c, emb, 0, True)
        for i in range(net["num_blocks"] + 1):
            block(shapes, at + f"block{i}", c + skips.pop(), n, emb, attention, True)
            c = n
    shapes["unet.out_conv.weight"] = (net["img_channels"], c, 3, 3)
    shapes["logvar_fourier.freqs"] = shapes["logvar_fourier.phases"] = (128,)
    shapes["logvar_linear.weight"] = (1, 128)
    return shapes


def values_of(name, shape, gain, weights):
    draw = random.Random(zlib.crc32(f"{weights}{name}".encode()))  # random() is the same in every Python
    if name.endswith("gain"):
        return [gain]
    low, high = (0, 2 * math.pi) if name.endswith("phases") else (-1.75, 1.75)
    scale = 2 * math.pi if name.endswith("freqs") else 1
    return [scale * (low + (high - low) * draw.random()) for _ in range(math.prod(shape))]


def module(tensors, prefix, what):
    """The state of a torch module from the tensors behind `prefix`."""
    state = {"training": False, "_parameters": collections.OrderedDict(), "_buffers": collections.OrderedDict(),
             "_non_persistent_buffers_set": set(), "_backward_hooks": collections.OrderedDict(),
             "_modules": collections.OrderedDict()}
    inner = collections.OrderedDict()
    for name, value in tensors.items():
        head, dot, rest = name.partition(".")
        # The names of the stages hold no dot, so each dot is a module.
        if dot:
            inner.setdefault(head, collections.OrderedDict())[rest] = value
        else:
            state["_buffers" if name in ("freqs", "phases") else "_parameters"][name] = value
    for name, part in inner.items():
        state["_modules"][name] = module(part, name, "Block")
    return ModuleDict(state) if prefix in ("enc", "dec") else persistent(what, state)


def snapshot(net, dtype="f16", gain=0.7, weights=0, change=None):
    tensors = {}
    for name, shape in shapes_of(net).items():
        buffer = name.endswith(("freqs", "phases"))
        tensors[name] = tensor(values_of(name, shape, gain, weights), shape, dtype, not buffer)
    if change:
        change(tensors)
    ema = module(tensors, "", "Precond")
    state = ema.call[1][0]["state"]
    state.update(net, sigma_data=0.5, use_fp16=True)
    state["_init_args"], state["_init_kwargs"] = (), dict(net, use_fp16=True, sigma_data=0.5)
    encoder = persistent("StandardRGBEncoder", {"_init_args": (), "_init_kwargs": EasyDict()})
    if net["img_channels"] == 4:  # 0.5/std and -0.5 mean/std of the latents
        mean, std = (5.81, 3.25, 0.12, -2.15), (4.17, 4.62, 3.71, 3.28)
        encoder = persistent("StabilityVAEEncoder", {
            "_init_args": (), "_init_kwargs": EasyDict(vae_name="stabilityai/sd-vae-ft-mse"), "batch_size": 8,
            "scale": [0.5 / s for s in std], "bias": [-0.5 * m / s for m, s in zip(mean, std)], "_vae": None})
    return EasyDict(encoder=encoder, dataset_kwargs=EasyDict(class_name="training.dataset.ImageFolderDataset",
                                                             path="/somewhere/img64.zip", use_labels=True),
                    loss_fn=persistent("EDM2Loss", {"P_mean": -0.8, "P_std": 1.6, "sigma_data": 0.5}), ema=ema)


# ---- What must be refused ----


def short_storage(tensors):
    tensors["unet.out_conv.weight"] = Call(rebuild_tensor, storage([0.0] * 4, "f16", promised=400), 0, (400,), (1,),
                                           False, collections.OrderedDict())


def beyond_storage(tensors):
    tensors["unet.out_conv.weight"] = Call(rebuild_tensor, storage([0.0] * 4, "f16"), 2, (4,), (1,), False,
                                           collections.OrderedDict())


def expanded(tensors):
    tensors["unet.out_conv.weight"] = Call(rebuild_tensor, storage([0.0], "f16"), 0, (1 << 40, 1 << 40), (0, 0),
                                           False, collections.OrderedDict())


def global_call(module_name, name, argument):
    """A pickle that calls module.name(argument)."""
    return b"\x80\x04\x8c" + bytes([len(module_name)]) + module_name + b"\x8c" + bytes([len(name)]) + name + \
        b"\x93\x8c" + bytes([len(argument)]) + argument + b"\x85R."


def in_ema(payload):
    """A snapshot whose ema is what `payload` leaves on the stack."""
    return b"\x80\x04}\x8c\x03ema" + payload[2:-1] + b"s."


EASYDICT = b"\x8c\x0bdnnlib.util\x8c\x08EasyDict\x93"
HOSTILE = {
    "system": in_ema(global_call(b"os", b"system", b"touch HARM")),
    "posix": in_ema(global_call(b"posix", b"system", b"touch HARM")),
    "eval": in_ema(global_call(b"builtins", b"eval", b"open('HARM','w')")),
    "exec": in_ema(global_call(b"builtins", b"exec", b"open('HARM','w')")),
    "getattr": in_ema(global_call(b"builtins", b"getattr", b"x")),
    "dotted": in_ema(global_call(b"collections", b"OrderedDict.__init__.__globals__", b"x")),
    "subprocess": in_ema(global_call(b"subprocess", b"Popen", b"touch HARM")),
    "old-global": b"\x80\x02cos\nsystem\nX\x0a\x00\x00\x00touch HARM\x85R.",
    "inst": b"(S'touch HARM'\nios\nsystem\n.",
    "old-inst": b"\x80\x02(X\x0a\x00\x00\x00touch HARMios\nsystem\n.",
    "obj": b"\x80\x02(cos\nsystem\nX\x0a\x00\x00\x00touch HARMo.",
    "newobj-ex": b"\x80\x04" + EASYDICT + b")}\x92.",
    "extension": b"\x80\x02\x82\x01.",
    "build-class": b"\x80\x04" + EASYDICT + b"}\x8c\x08__init__Nsb.",
    "call-object": b"\x80\x04" + EASYDICT + b")\x81)R.",
    "call-with-text": b"\x80\x04" + EASYDICT + b"\x8c\x01xR.",
    "dict-of-text": b"\x80\x04" + EASYDICT + b"\x8c\x01x\x85R.",
    "load-in-storage": in_ema(b"\x80\x04\x8c\x0dtorch.storage\x8c\x10_load_from_bytes\x93C\x1e"
                              b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.  \x85R."),
}
DAMAGED = {
    "empty": b"",
    "only-protocol": b"\x80\x04",
    "protocol-9": b"\x80\x09N.",
    "huge-text": b"\x80\x04X\xff\xff\xff\xffabc.",
    "huge-bytes": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xff.",
    "huge-memo": b"\x80\x04Nr\xff\xff\xff\xffj\xfe\xff\xff\xff.",
    "no-memo": b"\x80\x04h\x07.",
    "no-mark": b"\x80\x04]e.",
    "empty-stack": b"\x80\x04R.",
    "mark-left": b"\x80\x04(.",
    "set-on-number": b"\x80\x04K\x01NNs.",
    "odd-items": b"\x80\x04}(Nu.",
    "deep-key": b"\x80\x04}" + b")" + b"\x85" * 100000 + b"Ns.",
    "deep": b"\x80\x04" + b"]" * 100000 + b"a" * 99999 + b".",
    "itself": b"\x80\x04}\x94\x8c\x03ema" + EASYDICT + b")\x81h\x00s.",
    "not-utf8": b"\x80\x04X\x02\x00\x00\x00\xff\xfe.",
    "text": b"this is no pickle\n",
    "number": b"\x80\x04K\x01.",
    "no-ema": b"\x80\x04}\x8c\x03abcK\x01s.",
    "ema-number": b"\x80\x04}\x8c\x03emaK\x01s.",
    "zip": b"PK\x03\x04" + bytes(30),
    "short-storage": lambda: dump(snapshot(UNET, change=short_storage)),
    "beyond-storage": lambda: dump(snapshot(UNET, change=beyond_storage)),
    "expanded": lambda: dump(snapshot(UNET, change=expanded)),
    "module-in-itself": b"\x80\x04}\x8c\x03ema\x8c\x1atorch.nn.modules.container\x8c\x0aModuleDict\x93)\x81\x94}"
                        b"\x8c\x08_modules}\x8c\x01xh\x00sssb.",
}


def dump(thing, protocol=4):
    return pickle.dumps(thing, protocol)


def setting(text):
    key, _, value = text.partition("=")
    if key == "dtype":
        return key, value
    values = [float(v) if "." in v else int(v) for v in value.split(",") if v]
    return key, values if key in ("channel_mult", "attn_resolutions") else values[0]


def main():
    kind, path = sys.argv[1:3]
    settings = dict(setting(text) for text in sys.argv[3:])
    if kind == "network":
        own = {key: settings.pop(key) for key in ("dtype", "gain", "weights") if key in settings}
        data = dump(snapshot({**UNET, **settings}, **own))
    elif kind == "list":
        print(*HOSTILE, sep="\n") if path == "hostile" else print(*DAMAGED, sep="\n")
        return
    else:
        data = {**HOSTILE, **DAMAGED}[kind]
        data = data() if callable(data) else data
    with open(path, "wb") as f:
        f.write(data)


if __name__ == "__main__":
    main()
