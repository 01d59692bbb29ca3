"""Training, distillation and fine-tuning as iterators."""

import ctypes

from ._header import CONSTANTS, STRUCTS
from ._library import Error, Owned, address, as_dict, library, path_of, settings_of


class Run(Owned):
    """Iterates over the steps of a run: a dict of figures each (step, loss, learning_rate ...; NaN: not known).

        with ayf.train("runs/teacher", settings={"data.source": "data/mnist"}) as run:
            for report in run:
                print(report["step"], report["loss"])

    Leaving the block saves a checkpoint, unless the run failed; a run that is opened again goes on from there.
    """

    _closer = "ayf_run_close"

    def __init__(self, kind, folder, config=None, settings=None, context=None):
        super().__init__(context)
        texts, count = settings_of(settings)
        options = STRUCTS["ayf_run_options"](kind=CONSTANTS[kind], folder=path_of(folder), config_path=path_of(config),
                                             settings=address(texts), setting_count=count)
        self._failed = False
        self.context.call("ayf_run_open", self.context.handle, ctypes.byref(options), ctypes.byref(self._handle))

    def _progress(self):
        step, steps = ctypes.c_uint64(), ctypes.c_uint64()
        library.find("ayf_run_progress")(self.handle, ctypes.byref(step), ctypes.byref(steps))
        return step.value, steps.value

    @property
    def step(self):
        """Steps done, those before it was resumed included."""
        return self._progress()[0]

    @property
    def steps(self):
        return self._progress()[1]

    @property
    def finished(self):
        return library.find("ayf_run_finished")(self.handle)

    @property
    def model_path(self):
        """The model file, which is written with every checkpoint."""
        return library.find("ayf_run_model_path")(self.handle).decode()

    def save(self):
        self.context.call("ayf_run_save", self.handle)

    def __iter__(self):
        return self

    def __next__(self):
        if self.finished:
            raise StopIteration
        report = STRUCTS["ayf_run_report"]()
        try:
            self.context.call("ayf_run_step", self.handle, ctypes.byref(report))
        except Error:
            self._failed = True
            raise
        return as_dict(report)

    def __exit__(self, *_):
        if self._handle and not self._failed:
            self.save()
        self.close()


def train(folder, config=None, settings=None, context=None):
    """A teacher, or a weak teacher."""
    return Run("AYF_RUN_TRAIN", folder, config, settings, context)


def distill(folder, config=None, settings=None, context=None):
    """A student from a teacher."""
    return Run("AYF_RUN_DISTILL", folder, config, settings, context)


def finetune(folder, config=None, settings=None, context=None):
    """A better student from a student, against a discriminator."""
    return Run("AYF_RUN_FINETUNE", folder, config, settings, context)
