"""Models, sampling, evaluation."""

import collections
import ctypes

import numpy as np

from ._header import CONSTANTS, STRUCTS
from ._library import Owned, UsageError, address, as_dict, library, path_of, settings_of

_SOLVERS = {None: "DEFAULT", "euler": "EULER", "heun": "HEUN", "reference": "REFERENCE"}


def _array(values, dtype, count, name):
    array = np.ascontiguousarray(values, dtype=dtype)
    if array.shape != (count,):
        raise UsageError(f"{name} has the shape {array.shape}, but {count} values are needed", "AYF_E_USAGE")
    return array


def _pointer(array):
    return array.ctypes.data_as(ctypes.c_void_p) if array is not None else None


class _How:
    """An ayf_sample_options and the arrays that it points to."""

    def __init__(self, count=0, steps=0, gamma=0.0, guidance=0.0, seeds=0, classes=None, times=None, solver=None):
        if solver not in _SOLVERS:
            raise UsageError(f"solver is {solver!r}, but must be euler, heun or reference", "AYF_E_USAGE")
        self.times = None if times is None else np.ascontiguousarray(times, dtype=np.float64)
        if self.times is not None and (self.times.ndim != 1 or self.times.size != (steps or self.times.size - 1) + 1):
            raise UsageError("times holds one value more than there are steps", "AYF_E_USAGE")
        one = np.ndim(seeds) == 0
        self.seeds = None if one else _array(seeds, np.uint64, count, "seeds")
        if classes is not None and np.ndim(classes) == 0:
            classes = np.full(count, classes)
        self.classes = None if classes is None else _array(classes, np.int32, count, "classes")
        self.struct = STRUCTS["ayf_sample_options"](
            steps=steps or (self.times.size - 1 if self.times is not None else 0),
            times=_pointer(self.times),
            gamma=gamma,
            guidance=guidance or 0.0,
            solver=CONSTANTS["AYF_SOLVER_" + _SOLVERS[solver]],
            first_seed=int(seeds) if one else 0,
            seeds=_pointer(self.seeds),
            classes=_pointer(self.classes),
        )


class Model(Owned):
    """A teacher or a student: a model file, or its bytes.

    facts: what the file says of it (role, height, width, channels, classes, parameters, step, guidance_min ...).
    """

    _closer = "ayf_model_close"

    def __init__(self, source, context=None):
        super().__init__(context)
        out = ctypes.byref(self._handle)
        if isinstance(source, (bytes, bytearray, memoryview)):
            data = np.frombuffer(source, dtype=np.uint8)
            pointer = _pointer(data) if data.size else ctypes.c_char_p(b"")
            self.context.call("ayf_model_open_memory", self.context.handle, pointer, ctypes.c_size_t(data.size), out)
        else:
            self.context.call("ayf_model_open", self.context.handle, path_of(source), out)
        self._weak = None

    @property
    def facts(self):
        struct = library.find("ayf_model_describe")(self.handle)
        facts = as_dict(struct)
        facts["precision"] = library.find("ayf_precision_name")(struct.precision).decode()
        return collections.namedtuple("Facts", facts)(**facts)

    def guide(self, weak):
        """Guides a teacher by a weak teacher, by itself (classifier-free) or, with None, no more."""
        self.context.call("ayf_model_guide", self.handle, weak.handle if weak else None)
        self._weak = weak

    def sample(self, count, *, with_classes=False, **how):
        """Draws `count` samples: (count, height, width, channels) float32 in [-1,1].

        steps, gamma, guidance, times, solver: as in ayf_sample_options; left out, they take their defaults.
        seeds: the first of consecutive seeds, or one for each sample. classes: one for all, or one for each; left
        out, they are drawn from the seeds. with_classes: gives (samples, classes).
        """
        how = _How(count, **how)
        facts = self.facts
        images = np.empty((max(count, 0), facts.height, facts.width, facts.channels), dtype=np.float32)
        classes = np.empty(max(count, 0), dtype=np.int32)
        self.context.call("ayf_model_sample", self.handle, ctypes.byref(how.struct), ctypes.c_int(count),
                          _pointer(images), _pointer(classes))
        return (images, classes) if with_classes else images


def _same_context(first, second):
    if second is not None and second.context is not first.context:
        raise UsageError("give both models the same context: Model(path, context)", "AYF_E_USAGE")


def fidelity(student, teacher, calls=(1, 2, 4), gammas=(0.0,), guidance=0.0, images=0, first_seed=0):
    """Distances of the student to its teacher's own solution: a dict for each gamma and number of calls."""
    _same_context(student, teacher)
    calls = np.ascontiguousarray(calls, dtype=np.int32)
    gammas = np.ascontiguousarray(gammas, dtype=np.float64)
    rows = (STRUCTS["ayf_fidelity_row"] * max(calls.size * gammas.size, 1))()
    options = STRUCTS["ayf_fidelity_options"](
        calls=_pointer(calls), call_count=calls.size, gammas=_pointer(gammas), gamma_count=gammas.size,
        guidance=guidance, images=images, first_seed=first_seed)
    student.context.call("ayf_fidelity", student.handle, teacher.handle if teacher else None, ctypes.byref(options), rows)
    return [as_dict(row) for row in rows]


def semigroup_defect(student, teacher=None, images=0, first_seed=0):
    """How far the student's jumps are from composing: (mean, a dict for each triple of times)."""
    _same_context(student, teacher)
    rows, mean = (STRUCTS["ayf_semigroup_row"] * CONSTANTS["AYF_SEMIGROUP_ROWS"])(), ctypes.c_double()
    options = STRUCTS["ayf_fidelity_options"](images=images, first_seed=first_seed)
    student.context.call("ayf_semigroup_defect", student.handle, teacher.handle if teacher else None,
                         ctypes.byref(options), rows, ctypes.byref(mean))
    return mean.value, [as_dict(row) for row in rows]


def fit_features(path, data, heldout=None, settings=None, context=None):
    """Fits the classifier whose features Eval compares with, and writes it to `path`."""
    from ._library import default_context

    context = context or default_context()
    texts, count = settings_of(settings)
    options = STRUCTS["ayf_features_options"](data=path_of(data), heldout=path_of(heldout), settings=address(texts),
                                              setting_count=count)
    report = STRUCTS["ayf_features_report"]()
    context.call("ayf_features_fit", context.handle, path_of(path), ctypes.byref(options), ctypes.byref(report))
    return as_dict(report)


class Eval(Owned):
    """Distances of samples to a reference set; `options` as in ayf_eval_options (features, inception, count ...)."""

    _closer = "ayf_eval_close"

    def __init__(self, data, context=None, **options):
        super().__init__(context)
        fields = dict(STRUCTS["ayf_eval_options"]._fields_)
        for name in set(options) - set(fields):
            raise TypeError(f"Eval() has no option {name!r}: there are {', '.join(sorted(fields))}")
        paths = {name for name, kind in fields.items() if kind is ctypes.c_char_p}
        struct = STRUCTS["ayf_eval_options"](
            data=path_of(data), **{name: path_of(v) if name in paths else v for name, v in options.items()})
        self.context.call("ayf_eval_open", self.context.handle, ctypes.byref(struct), ctypes.byref(self._handle))

    def describe(self):
        """The recipe, a line each: a number means nothing without it."""
        lines = []
        printer = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)(
            lambda _user, line: lines.append(line.decode("utf-8", "replace")))
        self.context.call("ayf_eval_describe", self.handle, printer, None)
        return lines

    def figures(self):
        """The numbers that apply: name, title, help and decimals of each."""
        count = ctypes.c_size_t()
        rows = library.find("ayf_eval_figures")(self.handle, ctypes.byref(count))
        return [as_dict(rows[i]) for i in range(count.value)]

    def _measure(self, name, *args):
        row = STRUCTS["ayf_eval_row"]()
        self.context.call(name, self.handle, *args, ctypes.byref(row))
        return as_dict(row)

    def floor(self):
        """The score of real samples: the best to be hoped for."""
        return self._measure("ayf_eval_floor")

    def model(self, model, **how):
        """Measures samples of `model`; `how` as in Model.sample() without seeds and classes."""
        _same_context(self, model)
        how = _How(**how)
        return self._measure("ayf_eval_model", model.handle, ctypes.byref(how.struct))

    def data(self, source):
        return self._measure("ayf_eval_data", path_of(source))
