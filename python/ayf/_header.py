"""The structs, enumerators and status codes of ayf's headers, for ctypes."""

import ctypes
import pathlib
import re

_HERE = pathlib.Path(__file__).resolve().parent
_SCALARS = {
    "int": ctypes.c_int,
    "bool": ctypes.c_bool,
    "double": ctypes.c_double,
    "float": ctypes.c_float,
    "size_t": ctypes.c_size_t,
    "uint64_t": ctypes.c_uint64,
    "int64_t": ctypes.c_int64,
}


def _read():
    for folder in (_HERE / "include", _HERE.parent.parent / "include" / "ayf"):
        texts = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.h"))]
        if texts:
            return "\n".join(texts)
    raise ImportError(f"{_HERE}: the headers of ayf are missing; install the package again (pip install ./python)")


def _fields(body, structs):
    for declaration in filter(None, (part.strip() for part in body.split(";"))):
        kind, names = re.fullmatch(r"((?:const\s+)?\w+)\s+?(\*?.*)", declaration, re.S).groups()
        kind = kind.replace("const", "").strip()
        for name in names.split(","):
            stars = name.count("*")
            word, length = re.search(r"(\w+)(?:\[(\d+)\])?$", name.strip()).groups()
            if stars:
                yield word, ctypes.c_char_p if kind == "char" and stars == 1 else ctypes.c_void_p
            else:
                one = _SCALARS.get(kind) or structs.get(kind, ctypes.c_int)  # the rest are enums
                yield word, one * int(length) if length else one


def _parse(text):
    version = re.search(r'#define AYF_VERSION "([^"]+)"', text).group(1)
    statuses = [name for name, _ in re.findall(r"X\((AYF_\w+), (\d+), \"", text)]
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    constants, structs = {name: i for i, name in enumerate(statuses)}, {}
    for body in re.findall(r"enum(?: ayf_\w+)? \{(.*?)\}", text, re.S):
        value = -1
        for item in filter(None, (part.strip() for part in body.split(","))):
            match = re.fullmatch(r"(AYF_\w+)(?:\s*=\s*(\d+))?", item)
            if not match:
                continue
            value = int(match.group(2)) if match.group(2) else value + 1
            constants[match.group(1)] = value
    for name, body in re.findall(r"typedef struct (ayf_\w+) \{(.*?)\} \1;", text, re.S):
        structs[name] = type(name, (ctypes.Structure,), {"_fields_": list(_fields(body, structs))})
    return version, statuses, constants, structs


VERSION, STATUSES, CONSTANTS, STRUCTS = _parse(_read())
