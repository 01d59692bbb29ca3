#!/usr/bin/env python3
"""scripts/narrow_model.py IN.safetensors OUT.safetensors

Rounds the weights of a model file to bfloat16 (8 significant bits, to the nearest, ties to even), which halves the file.
ayf opens the result like any model and computes with it in the precision that it is asked for. Vectors and single
numbers stay in 32 bits. Of absolute paths (data, teachers) the last two parts
stay, so that the file can be published. Needs nothing but Python."""
import json
import re
import struct
import sys


def narrow(data):
    out = bytearray(len(data) // 2)
    for i, (word,) in enumerate(struct.iter_unpack("<I", data)):
        if word & 0x7FFFFFFF > 0x7F800000:
            sys.exit("a weight is not a number")
        struct.pack_into("<H", out, 2 * i, word + 0x7FFF + (word >> 16 & 1) >> 16 & 0xFFFF)
    return bytes(out)


def main(source, target):
    try:
        with open(source, "rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(size))
            body = file.read()
        about = header.pop("__metadata__", {})
    except (OSError, ValueError, OverflowError, MemoryError, AttributeError, struct.error) as problem:
        sys.exit("%s: is not a model file of ayf: %s" % (source, problem))
    if about.get("format") != "ayf-model":
        sys.exit(source + ": is not a model file of ayf")
    for key in "crc32", "crc32.header":  # of the bytes as they were; a file without them is read, too
        about.pop(key, None)
    about["data"] = re.sub(r"^/.*/([^/]+/[^/]+)$", r"\1", about.get("data", ""))
    about["config"] = re.sub(r'"/[^"\n]*/([^/"\n]+/[^/"\n]+)"', r'"\1"', about.get("config", ""))
    tensors, parts, at = {}, [], 0
    for name, tensor in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        first, last = tensor["data_offsets"]
        data = body[first:last]
        if tensor["dtype"] == "F32" and len(tensor["shape"]) > 1:
            tensor, data = dict(tensor, dtype="BF16"), narrow(data)
        tensors[name] = dict(tensor, data_offsets=[at, at + len(data)])
        parts.append(data)
        at += len(data)
    text = json.dumps({"__metadata__": about, **tensors}, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with open(target, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(parts))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
