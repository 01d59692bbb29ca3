#!/usr/bin/env python3
"""Turns a network of EDM2 (arXiv 2312.02696) from NVIDIA's pickle into the safetensors file that `ayf import` reads.

usage: convert_edm2.py INPUT.pkl OUTPUT.safetensors

INPUT is a network snapshot such as edm2-img64-s-1073741-0.045.pkl, or one that EDM2's training or its
reconstruct_phema.py wrote. Its `ema` is taken: names, shapes, values and types of the tensors stay as they are, and
what the network says of itself (resolution, classes, sigma_data ...) goes to the metadata.

A pickle is a program. This script does not run it with Python's pickle: it has an interpreter of its own, which knows
tensors and plain containers only. A pickle that names anything else is refused, and the source text of the network
inside it is never looked at. Needs nothing but Python 3.8. Exit status: 1 the disk, 2 usage, 3 INPUT is not right.
"""
import json
import mmap
import os
import struct
import sys

# Names of a pickle, and what they stand for here. Nothing is imported.
SNAPSHOT_NAMES = {
    ("dnnlib.util", "EasyDict"): "dict",
    ("collections", "OrderedDict"): "dict",
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): "persistent",
    ("torch.nn.modules.container", "ModuleDict"): "object",
    ("torch._utils", "_rebuild_parameter"): "parameter",
    ("torch._utils", "_rebuild_tensor_v2"): "tensor",
    ("torch.storage", "_load_from_bytes"): "storage",
    ("numpy", "ndarray"): "numpy.ndarray",
    ("numpy", "dtype"): "numpy.dtype",
    ("numpy.core.multiarray", "_reconstruct"): "numpy.array",
    ("numpy._core.multiarray", "_reconstruct"): "numpy.array",
    ("numpy.core.multiarray", "scalar"): "numpy.scalar",
    ("numpy._core.multiarray", "scalar"): "numpy.scalar",
}
STORAGE_NAMES = {  # also: name in safetensors and bytes per element
    ("torch", "HalfStorage"): ("F16", 2),
    ("torch", "FloatStorage"): ("F32", 4),
    ("torch", "DoubleStorage"): ("F64", 8),
    ("torch", "BFloat16Storage"): ("BF16", 2),
    ("torch", "LongStorage"): ("I64", 8),
    ("torch", "ByteStorage"): ("U8", 1),
}
STORAGE_MAGIC = 0x1950A86A20F9469CFC6C  # of torch.save before it wrote zip files
MOST_MODULES = 100000
MOST_DIMENSIONS = 8
DEEPEST = 64


class Refused(Exception):
    pass


class Name:
    """A global: what it stands for."""

    def __init__(self, role):
        self.role = role


class Object:
    """Something that has a class and a state."""

    def __init__(self, what, state=None):
        self.what, self.state = what, state


class Tensor:
    def __init__(self, dtype, size, shape, data):
        self.dtype, self.size, self.shape, self.data = dtype, size, shape, data


class Mark:
    pass


class Interpreter:
    """Runs the opcodes of one pickle from `at` on. Containers are Python's own, everything else is one of the classes
    above, and a call is one of the functions below."""

    def __init__(self, data, at, names):
        self.data, self.at, self.names = data, at, names
        self.stack, self.memo = [], {}

    def take(self, size):
        if size < 0 or size > len(self.data) - self.at:
            raise Refused(f"it ends in the middle: {size} bytes are wanted at byte {self.at} of {len(self.data)}")
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self, size):
        return str(self.take(size), "utf-8")

    def line(self):
        for end in range(self.at, min(len(self.data), self.at + 256)):
            if self.data[end] == 10:
                text = self.text(end - self.at)
                self.at = end + 1
                return text
        raise Refused(f"the name at byte {self.at} does not end")

    def pop(self):
        if not self.stack or isinstance(self.stack[-1], Mark):
            raise Refused(f"byte {self.at - 1}: nothing is left on the stack")
        return self.stack.pop()

    def top(self, kind):
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise Refused(f"byte {self.at - 1}: a value is put into something that is no {kind.__name__}")
        return self.stack[-1]

    def to_mark(self):
        for start in range(len(self.stack) - 1, -1, -1):
            if isinstance(self.stack[start], Mark):
                values = self.stack[start + 1:]
                del self.stack[start:]
                return values
        raise Refused(f"byte {self.at - 1}: there is no mark on the stack")

    def push_name(self, module, name):
        if not isinstance(module, str) or not isinstance(name, str):
            raise Refused(f"byte {self.at - 1}: the name of a global is no text")
        role = self.names.get((module, name))
        if role is None:
            raise Refused(f"it asks for {module[:64]!r} {name[:64]!r}, which no network of EDM2 needs; nothing of it "
                          "was run")
        self.stack.append(Name(role))

    def fill(self, values):
        if len(values) % 2:
            raise Refused(f"byte {self.at - 1}: a key has no value")
        target = self.top(dict)
        for key, value in zip(values[::2], values[1::2]):
            target[self.key(key)] = value

    def key(self, key):
        # Hashing a deep tuple would take the stack of Python itself.
        if key is not None and not isinstance(key, (str, int, float)):
            raise Refused(f"byte {self.at - 1}: a key is neither text nor a number")
        return key

    def remember(self, index):
        if not self.stack:
            raise Refused(f"byte {self.at - 1}: nothing is left on the stack")
        self.memo[index] = self.stack[-1]

    def recall(self, index):
        if index not in self.memo:
            raise Refused(f"byte {self.at - 1}: value {index} was never stored")
        self.stack.append(self.memo[index])

    def call(self, function, arguments):
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise Refused(f"byte {self.at - 1}: it calls something that is no function")
        if isinstance(function.role, str) and function.role in CALLS:
            return CALLS[function.role](*arguments)
        raise Refused(f"byte {self.at - 1}: it calls something that is no function")

    def step(self, op):
        push = self.stack.append
        if op in SIMPLE:
            SIMPLE[op](self)
        elif op == 0x80:  # PROTO
            if self.number("<B") > 5:
                raise Refused("its protocol is newer than 5")
        elif op == 0x95:  # FRAME
            self.number("<Q")
        elif op == 0x28:  # MARK
            push(Mark())
        elif op in NUMBERS:
            push(self.number(NUMBERS[op]))
        elif op in TEXTS:
            push(self.text(self.number(TEXTS[op])))
        elif op in BYTES:
            push(self.take(self.number(BYTES[op])))
        elif op == 0x8A:  # LONG1
            push(int.from_bytes(self.take(self.number("<B")), "little", signed=True))
        elif op in (0x71, 0x72):  # BINPUT, LONG_BINPUT
            self.remember(self.number("<B" if op == 0x71 else "<I"))
        elif op in (0x68, 0x6A):  # BINGET, LONG_BINGET
            self.recall(self.number("<B" if op == 0x68 else "<I"))
        elif op == 0x63:  # GLOBAL
            module = self.line()
            self.push_name(module, self.line())
        else:
            raise Refused(f"byte {self.at - 1}: it holds the opcode 0x{op:02x}, which no network of EDM2 needs")

    def run(self):
        while True:
            op = self.number("<B")
            if op == 0x2E:  # STOP
                return self.pop()
            self.step(op)


def op_tuple(count):
    def make(p):
        values = [p.pop() for _ in range(count)]
        p.stack.append(tuple(reversed(values)))
    return make


def op_append(p):
    value = p.pop()
    p.top(list).append(value)


def op_appends(p):
    values = p.to_mark()
    p.top(list).extend(values)


def op_setitem(p):
    value = p.pop()
    p.fill([p.pop(), value])


def op_additems(p):
    values = p.to_mark()
    p.top(set).update(p.key(value) for value in values)


def op_stack_global(p):
    name = p.pop()
    p.push_name(p.pop(), name)


def op_newobj(p):
    arguments, what = p.pop(), p.pop()
    if not isinstance(what, Name) or what.role not in ("dict", "object") or arguments != ():
        raise Refused(f"byte {p.at - 1}: it makes an object of a class that no network of EDM2 has")
    p.stack.append({} if what.role == "dict" else Object("object"))


def op_reduce(p):
    arguments, function = p.pop(), p.pop()
    p.stack.append(p.call(function, arguments))


def op_build(p):
    state = p.pop()
    if isinstance(p.stack[-1] if p.stack else None, dict):  # attributes of an OrderedDict, which nobody reads
        return
    p.top(Object).state = state


def op_binpersid(p):
    p.stack.append(Object("persistent id", p.pop()))


SIMPLE = {
    0x30: lambda p: p.pop(),  # POP
    0x4E: lambda p: p.stack.append(None),
    0x88: lambda p: p.stack.append(True),
    0x89: lambda p: p.stack.append(False),
    0x29: lambda p: p.stack.append(()),
    0x74: lambda p: p.stack.append(tuple(p.to_mark())),
    0x85: op_tuple(1),
    0x86: op_tuple(2),
    0x87: op_tuple(3),
    0x5D: lambda p: p.stack.append([]),
    0x61: op_append,
    0x65: op_appends,
    0x7D: lambda p: p.stack.append({}),
    0x73: op_setitem,
    0x75: lambda p: p.fill(p.to_mark()),
    0x8F: lambda p: p.stack.append(set()),
    0x90: op_additems,
    0x94: lambda p: p.remember(len(p.memo)),  # MEMOIZE
    0x93: op_stack_global,
    0x81: op_newobj,
    0x52: op_reduce,
    0x62: op_build,
    0x51: op_binpersid,
}
NUMBERS = {0x4A: "<i", 0x4B: "<B", 0x4D: "<H", 0x47: ">d"}
TEXTS = {0x8C: "<B", 0x58: "<I", 0x8D: "<Q"}
BYTES = {0x43: "<B", 0x42: "<I", 0x8E: "<Q"}


# ---- The calls that a snapshot makes ----

def make_dict(*arguments):
    if arguments not in ((), ([],)):
        raise Refused("a dictionary is made of something unknown")
    return {}


def make_persistent(meta):
    if not isinstance(meta, dict) or meta.get("type") != "class" or not isinstance(meta.get("class_name"), str):
        raise Refused("an object of NVIDIA's is not described as a class")
    return Object(meta["class_name"], meta.get("state"))


def make_parameter(tensor, *_):
    if not isinstance(tensor, Tensor):
        raise Refused("a parameter is no tensor")
    return tensor


def make_storage(data):
    """The bytes of a storage as torch.save wrote them before it wrote zip files."""
    if not isinstance(data, memoryview):
        raise Refused("the values of a tensor are no bytes")
    at, parts = 0, []
    for _ in range(5):  # magic number, protocol, system, storage, keys
        part = Interpreter(data, at, STORAGE_NAMES)
        parts.append(part.run())
        at = part.at
    magic, _, system, storage, _ = parts
    if not isinstance(magic, int) or magic != STORAGE_MAGIC:
        raise Refused("the values of a tensor are not in the form of torch.save")
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise Refused("the values of a tensor are not little-endian")
    facts = storage.state if isinstance(storage, Object) else None
    if not isinstance(facts, tuple) or len(facts) < 5 or not isinstance(facts[1], Name):
        raise Refused("the values of a tensor are no storage of torch")
    dtype, size = facts[1].role
    count = Interpreter(data, at, {}).number("<q")
    if count != facts[4] or count * size != len(data) - at - 8:
        raise Refused(f"a tensor should have {facts[4]} values, but {len(data) - at - 8} bytes are there")
    return Tensor(dtype, size, [count], data[at + 8:])


def whole(value):
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Refused("the shape of a tensor does not consist of whole numbers")
    return value


def make_tensor(storage, offset, shape, stride, *_):
    if not isinstance(storage, Tensor) or not isinstance(shape, tuple) or not isinstance(stride, tuple):
        raise Refused("a tensor has no storage or no shape")
    if len(shape) > MOST_DIMENSIONS or len(stride) != len(shape):
        raise Refused("a tensor has too many dimensions")
    shape, stride, first = [whole(n) for n in shape], [whole(n) for n in stride], whole(offset)
    count, expected = 1, []
    for n in reversed(shape):
        expected.insert(0, count)
        count *= n
    if any(n > 1 and a != b for n, a, b in zip(shape, stride, expected)):
        raise Refused(f"a tensor of the shape {shape} is not stored row by row")
    if first + count > storage.shape[0]:
        raise Refused(f"a tensor of the shape {shape} is larger than its storage of {storage.shape[0]} values")
    data = storage.data[first * storage.size:(first + count) * storage.size]
    return Tensor(storage.dtype, storage.size, shape, data)


def make_array_type(name, *_):
    if name not in ("f4", "f8", "i4", "i8"):
        raise Refused("an array is not of a known type of numbers")
    return Object(name)


def make_array(*_):
    return Object("array")


def make_scalar(dtype, data):
    return Object("array", (1, (), dtype, False, data))


CALLS = {"dict": make_dict, "persistent": make_persistent, "parameter": make_parameter, "tensor": make_tensor,
         "storage": make_storage, "numpy.dtype": make_array_type, "numpy.array": make_array,
         "numpy.scalar": make_scalar}


# ---- From the snapshot to tensors and metadata ----

def mapping(value, what):
    if not isinstance(value, dict):
        raise Refused(f"{what} is no dictionary")
    return value


def collect(module, prefix, tensors, seen, depth=0):
    """Parameters and buffers of a torch module and of those inside it."""
    seen[0] += 1
    if seen[0] > MOST_MODULES or depth > DEEPEST:
        raise Refused("its modules are nested without end")
    state = mapping(module.state if isinstance(module, Object) else None, f"the state of '{prefix or 'ema'}'")
    for table in ("_parameters", "_buffers"):
        for name, value in mapping(state.get(table, {}), table).items():
            if isinstance(value, Tensor) and isinstance(name, str):
                tensors[prefix + name] = value
            elif value is not None:
                raise Refused(f"{prefix}{name} is no tensor")
    for name, value in mapping(state.get("_modules", {}), "_modules").items():
        if value is not None:
            collect(value, f"{prefix}{name}.", tensors, seen, depth + 1)


def array_values(value):
    """The numbers of a numpy array of a few elements; None: it is something else."""
    state = value.state
    if value.what != "array" or not isinstance(state, tuple) or len(state) != 5:
        return None
    dtype, data = state[2], state[4]
    if not isinstance(dtype, Object) or not isinstance(data, memoryview) or len(data) > 1024:
        return None
    order = dtype.state[1] if isinstance(dtype.state, tuple) and len(dtype.state) > 1 else ""
    form = {"f4": "f", "f8": "d", "i4": "i", "i8": "q"}.get(dtype.what)
    if order != "<" or form is None or len(data) % struct.calcsize("<" + form):
        return None
    values = list(struct.unpack(f"<{len(data) // struct.calcsize('<' + form)}{form}", data))
    return values if state[1] != () else values[0] if values else None


def as_text(value):
    """A setting as ayf writes it; None: it is none."""
    if isinstance(value, Object):
        value = array_values(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"{value:.9g}" if isinstance(value, float) else str(value)
    if isinstance(value, str) and len(value) < 256:
        return value
    if isinstance(value, (list, tuple)) and value and all(
            isinstance(v, (int, float)) and not isinstance(v, bool) for v in value):
        return ",".join(as_text(v) for v in value[:64])
    return None


def describe(value, prefix, meta, attributes):
    """The settings of an object of NVIDIA's: what it was made with, and some attributes."""
    if not isinstance(value, Object) or not isinstance(value.state, dict):
        return
    meta[prefix + "class_name"] = value.what[:256]
    settings = value.state.get("_init_kwargs")
    settings = dict(settings) if isinstance(settings, dict) else {}
    settings.update((key, value.state[key]) for key in attributes if key in value.state)
    for key, setting in settings.items():
        text = as_text(setting)
        if isinstance(key, str) and key.isidentifier() and key.isascii() and text is not None:
            meta[prefix + key] = text


def read(path):
    """(tensors, metadata) of a snapshot."""
    try:
        with open(path, "rb") as f:
            data = memoryview(mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ))
    except ValueError:
        raise Refused("it is empty")
    if data[:4] == b"PK\x03\x04":
        raise Refused("it is a zip file, as torch.save writes (a training state?); use the network snapshot, a .pkl")
    if len(data) > 9 and data[8:9] == b"{" and struct.unpack("<Q", data[:8])[0] < len(data):
        raise Refused("it is a safetensors file already: give it to ayf import")
    if data[0] != 0x80:
        raise Refused("it is no pickle")
    top = mapping(Interpreter(data, 0, SNAPSHOT_NAMES).run(), "the snapshot")
    if not isinstance(top.get("ema"), Object):
        raise Refused("it has no network 'ema'; use a network snapshot of EDM2")
    tensors, meta = {}, {"format": "edm2"}
    collect(top["ema"], "", tensors, [0])
    if not tensors or "__metadata__" in tensors:
        raise Refused("its network has no tensors")
    describe(top["ema"], "edm2.", meta, ("img_resolution", "img_channels", "label_dim", "sigma_data"))
    describe(top.get("encoder"), "encoder.", meta, ("scale", "bias"))
    source = top.get("dataset_kwargs")
    if isinstance(source, dict) and isinstance(source.get("path"), str):
        meta["dataset"] = os.path.basename(source["path"])[:256]
    return tensors, meta


def write(path, tensors, meta):
    header, offset = {"__metadata__": meta}, 0
    order = sorted(tensors, key=lambda name: (-tensors[name].size, name))
    for name in order:
        size = len(tensors[name].data)
        header[name] = {"dtype": tensors[name].dtype, "shape": tensors[name].shape,
                        "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    partial = path + ".partial"
    try:
        with open(partial, "wb") as f:
            f.write(struct.pack("<Q", len(text)) + text)
            for name in order:
                f.write(tensors[name].data)
            f.flush()
            os.fsync(f.fileno())
        os.replace(partial, path)
    except OSError:
        if os.path.exists(partial):
            os.remove(partial)
        raise


def fail(code, message):
    print(f"convert_edm2.py: {message}", file=sys.stderr)
    sys.exit(code)


def main():
    if len(sys.argv) == 2 and sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return
    if len(sys.argv) != 3:
        fail(2, "give two names: convert_edm2.py INPUT.pkl OUTPUT.safetensors (--help tells more)")
    source, target = sys.argv[1:]
    try:
        tensors, meta = read(source)
    except Refused as error:
        fail(3, f"{source} is refused: {error}")
    except (ValueError, TypeError, LookupError, struct.error, RecursionError, OverflowError) as error:
        fail(3, f"{source} is refused: it is damaged ({type(error).__name__})")
    except MemoryError:
        fail(1, f"{source}: there is not enough memory")
    except OSError as error:
        fail(1, f"{source}: {error.strerror}")
    try:
        write(target, tensors, meta)
    except OSError as error:
        fail(1, f"{target}: {error.strerror}")
    print(f"{target}: {len(tensors)} tensors of {meta.get('edm2.class_name', 'a network')}; "
          f"make a model of it with ayf import {target} --out MODEL.safetensors")


if __name__ == "__main__":
    main()
