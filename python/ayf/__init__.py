"""Flow maps with libayf: NumPy arrays in place of pointers, exceptions in place of status codes.

    import ayf
    model = ayf.Model("runs/student/model.safetensors")
    images = model.sample(16, steps=2)                 # (16, height, width, channels) float32 in [-1,1]
"""

from ._header import VERSION as __version__
from ._library import (Cancelled, CheckFailed, ConfigError, Context, Diverged, Error, FileError, FormatError,
                       OutOfMemory, UsageError, library)
from ._models import Eval, Model, fidelity, fit_features, semigroup_defect
from ._runs import Run, distill, finetune, train

library_path = library.path
__all__ = [
    "Cancelled", "CheckFailed", "ConfigError", "Context", "Diverged", "Error", "Eval", "FileError", "FormatError",
    "Model", "OutOfMemory", "Run", "UsageError", "__version__", "distill", "fidelity", "finetune", "fit_features",
    "library_path", "semigroup_defect", "train",
]
