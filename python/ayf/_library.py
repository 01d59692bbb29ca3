"""Finds and checks the shared library; contexts; errors."""

import contextlib
import ctypes
import ctypes.util
import importlib.util
import os
import pathlib
import signal
import threading

from ._header import STATUSES, STRUCTS, VERSION

_RESULTS = {
    "ayf_open": ctypes.c_void_p,
    "ayf_error": ctypes.c_char_p,
    "ayf_version": ctypes.c_char_p,
    "ayf_sizeof": ctypes.c_size_t,
    "ayf_model_describe": STRUCTS["ayf_model_facts"],
    "ayf_precision_name": ctypes.c_char_p,
    "ayf_run_finished": ctypes.c_bool,
    "ayf_run_model_path": ctypes.c_char_p,
    "ayf_eval_figures": ctypes.POINTER(STRUCTS["ayf_eval_figure"]),
    "ayf_close": None,
    "ayf_model_close": None,
    "ayf_run_close": None,
    "ayf_run_progress": None,
    "ayf_eval_close": None,
}
# The structs that this package hands over or receives.
_USED = [
    "ayf_options", "ayf_model_facts", "ayf_sample_options", "ayf_fidelity_options", "ayf_fidelity_row",
    "ayf_semigroup_row", "ayf_features_options", "ayf_features_report", "ayf_eval_options", "ayf_eval_row",
    "ayf_eval_figure", "ayf_run_options", "ayf_run_report",
]
LOG = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)
PROGRESS = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64, ctypes.c_uint64)


class Error(Exception):
    """A failure in the library, in its words. `status` is its name, "AYF_E_USAGE" ..."""

    def __init__(self, message, status):
        super().__init__(message)
        self.status = status


class OutOfMemory(Error, MemoryError):
    pass


class FileError(Error, OSError):
    pass


class UsageError(Error, ValueError):
    pass


class ConfigError(Error, ValueError):
    pass


class FormatError(Error, ValueError):
    pass


class Diverged(Error, ArithmeticError):
    pass


class CheckFailed(Error):
    pass


class Cancelled(Error):
    """The progress function gave False. What is open stays usable."""


class DeviceError(Error, RuntimeError):
    """A GPU failed. What it computed is lost."""


for _class in (Error, OutOfMemory, FileError, UsageError, ConfigError, FormatError, Diverged, CheckFailed, Cancelled,
               DeviceError):
    _class.__module__ = "ayf"  # where users find them

_ERRORS = {
    "AYF_E_MEMORY": OutOfMemory,
    "AYF_E_IO": FileError,
    "AYF_E_USAGE": UsageError,
    "AYF_E_CONFIG": ConfigError,
    "AYF_E_FORMAT": FormatError,
    "AYF_E_DIVERGED": Diverged,
    "AYF_E_CHECK": CheckFailed,
    "AYF_E_CANCELLED": Cancelled,
    "AYF_E_DEVICE": DeviceError,
}


def _candidates():
    named = os.environ.get("AYF_LIBRARY")
    if named:
        return [named]
    build = pathlib.Path(__file__).resolve().parents[2] / "build"
    found = [str(path) for path in (build / "libayf.so", build / "sampler" / "libayf_sample.so") if path.exists()]
    for name in ("ayf", "ayf_sample"):
        found += filter(None, [ctypes.util.find_library(name)])
    return found + ["libayf.so.0", "libayf_sample.so.0"]


class Library:
    def __init__(self):
        reasons = []
        for path in _candidates():
            try:
                self._handle, self.path = ctypes.CDLL(path), path
                break
            except OSError as error:
                reasons.append(str(error))
        else:
            raise ImportError(
                "the library of ayf was not found: install it (make install, then ldconfig), or set AYF_LIBRARY to "
                f"the path of libayf.so or libayf_sample.so ({reasons[0]})"
            )
        self._check()

    def _check(self):
        way_out = (
            f"this package was made for the headers of ayf {VERSION}: install the package of the library's tree "
            "(pip install ./python), or set AYF_LIBRARY to a library of this version"
        )
        version = self.find("ayf_version")().decode()
        if version != VERSION:
            raise ImportError(f"{self.path} is ayf {version}, but {way_out}")
        try:
            sizeof = self.find("ayf_sizeof")
        except Error:
            raise ImportError(f"{self.path} is too old to say how its structs lie in memory, and {way_out}") from None
        for name in _USED:
            layout, size = STRUCTS[name], sizeof(name.encode())
            if size != ctypes.sizeof(layout):
                raise ImportError(
                    f"{self.path} has a {name} of {size} bytes where {ctypes.sizeof(layout)} are expected: {way_out}"
                )

    def find(self, name):
        try:
            function = getattr(self._handle, name)
        except AttributeError:
            raise UsageError(
                f"{self.path} has no {name}(): a library that only samples cannot do this; set AYF_LIBRARY to libayf.so",
                "AYF_E_USAGE",
            ) from None
        function.restype = _RESULTS.get(name, ctypes.c_int)
        return function


library = Library()


def _cuda_path():
    if os.environ.get("AYF_CUDA_PATH"):
        return os.environ["AYF_CUDA_PATH"]
    packages = importlib.util.find_spec("nvidia")
    return ":".join(packages.submodule_search_locations or []) if packages else ""


def _cache():
    if "AYF_CACHE" in os.environ:
        return os.environ["AYF_CACHE"]
    base = os.environ.get("XDG_CACHE_HOME", "")
    home = os.environ.get("HOME", "")
    if base.startswith("/"):
        return os.path.join(base, "ayf")
    return os.path.join(home, ".cache", "ayf") if home else ""


class Context:
    """What models and runs have in common: threads, precision, device, log, progress. Calls from several threads wait
    for each other.

    device: "cpu", or "cuda" (an NVIDIA GPU; "cuda:1": another one than the first). cuda_path: folders with NVIDIA's
    libraries, with ":" between; default: AYF_CUDA_PATH, or pip's packages of NVIDIA. cache: the folder for what is
    compiled for a GPU, "" for none; default: AYF_CACHE, or ~/.cache/ayf, as the program has it.

    progress(what, done, total) is called often while something takes long; False cancels it (Cancelled). Exceptions
    in it end the call too. Ctrl-C is heard with or without it.
    """

    def __init__(
        self, threads=0, precision="highest", device=None, log=None, progress=None, cuda_path=None, cache=None
    ):
        self._handle = None
        precisions = {"highest": 0, "bf16": 1, "auto": 2}
        if precision not in precisions:
            raise UsageError(f"precision is {precision!r}, but must be highest, bf16 or auto", "AYF_E_USAGE")
        self._lock = threading.RLock()
        self._raised = None
        self._user_log, self._user_progress = log, progress
        self._log, self._progress = LOG(self._on_log), PROGRESS(self._on_progress)  # kept alive
        options = STRUCTS["ayf_options"](threads=threads, precision=precisions[precision])
        options.device = device.encode() if device else None
        options.cuda_path = os.fsencode(cuda_path or _cuda_path()) or None
        options.cache = os.fsencode(_cache() if cache is None else cache) or None
        options.progress = ctypes.cast(self._progress, ctypes.c_void_p)
        if log:
            options.log = ctypes.cast(self._log, ctypes.c_void_p)
        self._handle = library.find("ayf_open")(ctypes.byref(options))
        if not self._handle:
            raise OutOfMemory("out of memory", "AYF_E_MEMORY")

    def _on_log(self, _user, line):
        try:
            self._user_log(line.decode("utf-8", "replace"))
        except BaseException as error:
            self._raised = self._raised or error

    def _on_progress(self, _user, what, done, total):
        try:
            if self._raised is None and self._user_progress:
                self._refused = self._user_progress(what.decode(), done, total) is False
            return self._raised is None and not self._refused
        except BaseException as error:
            self._raised = error
            return False

    @contextlib.contextmanager
    def _hear_ctrl_c(self):
        """An exception between the lines of a callback is lost, so Ctrl-C is noted and raised after the call."""
        usual = signal.default_int_handler
        if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is not usual:
            yield
            return

        def note(_number, _frame):
            self._raised = self._raised or KeyboardInterrupt()

        signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, usual)

    def call(self, name, *args):
        """A function that gives a status; failures and what callbacks raised become exceptions."""
        with self._lock:
            self._raised, self._refused = None, False
            with self._hear_ctrl_c():
                status = STATUSES[library.find(name)(*args)]
            raised, self._raised = self._raised, None
            if raised is not None:
                raise raised
            if status == "AYF_OK":
                return
            if status == "AYF_E_CANCELLED" and not self._refused:
                raise KeyboardInterrupt  # it came before or after the body of the callback
            message = library.find("ayf_error")(ctypes.c_void_p(self._handle)).decode("utf-8", "replace")
            raise _ERRORS.get(status, Error)(message, status)

    @property
    def handle(self):
        return ctypes.c_void_p(self._handle)

    def __del__(self):
        if getattr(self, "_handle", None):
            library.find("ayf_close")(self.handle)
            self._handle = None


_default = None


def default_context():
    global _default
    if _default is None:
        _default = Context()
    return _default


class Owned:
    """An object of the library. It keeps its context open, and is closed with `with`, close() or by itself."""

    _closer = None

    def __init__(self, context):
        self.context = context or default_context()
        self._handle = ctypes.c_void_p()

    @property
    def handle(self):
        if not self._handle:
            raise UsageError(f"this {type(self).__name__} is closed", "AYF_E_USAGE")
        return self._handle

    def close(self):
        if self._handle:
            with self.context._lock:
                library.find(self._closer)(self._handle)
            self._handle = ctypes.c_void_p()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        if getattr(self, "_handle", None):
            self.close()


def plain(value):
    """A field of a struct as Python has it."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def as_dict(struct):
    return {name: plain(getattr(struct, name)) for name, _ in struct._fields_}


def path_of(path):
    return os.fsencode(os.fspath(path)) if path is not None else None


def settings_of(settings):
    """An array for `settings`: a dict, or a list of "section.key=value"."""
    def text(value):
        if isinstance(value, bool):
            return "true" if value else "false"
        return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)

    if isinstance(settings, dict):
        settings = [f"{key}={text(value)}" for key, value in settings.items()]
    texts = [setting.encode() for setting in settings or []]
    return (ctypes.c_char_p * max(len(texts), 1))(*texts), len(texts)


def address(array):
    return ctypes.cast(array, ctypes.c_void_p)

