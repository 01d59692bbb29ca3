"""Tests of the Python package: python3 -m unittest discover python/tests. AYF_LIBRARY or the build folder gives the
library; a compiler, where there is one, checks the layout of every struct."""

import ctypes
import math
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

import numpy as np

import ayf
from ayf import _header

ROOT = pathlib.Path(__file__).resolve().parents[2]
TINY = {"data.source": "builtin:shapes", "data.resolution": 8, "model.channels": 8, "model.multipliers": [1],
        "model.blocks": 1, "train.batch": 4, "train.steps": 3, "train.lr_warmup": 0}
RING = {"data.source": "builtin:ring", "model.kind": "mlp", "train.batch": 16, "train.steps": 2}


def progress_of(calls):
    def progress(what, done, total):
        calls.append((what, done, total))
    return progress


class AyfTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="ayf-python-"))
        cls.context = ayf.Context(threads=1)
        with ayf.train(cls.folder / "teacher", settings={**TINY, "data.labels": True}, context=cls.context) as run:
            cls.reports = list(run)
            cls.teacher = run.model_path
        settings = {**TINY, "distill.teacher": cls.teacher, "distill.guidance": "none", "data.labels": True}
        with ayf.distill(cls.folder / "student", settings=settings, context=cls.context) as run:
            list(run)
            cls.student = run.model_path
        ring = {"distill.teacher": "analytic", "distill.student_init": "scratch", "distill.guidance": "none", **RING}
        with ayf.distill(cls.folder / "ring", settings=ring, context=cls.context) as run:
            list(run)
            cls.ring = run.model_path

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def model(self, path, **options):
        return ayf.Model(path, ayf.Context(threads=1, **options))

    def test_runs(self):
        self.assertEqual([report["step"] for report in self.reports], [1, 2, 3])
        self.assertTrue(all(math.isfinite(report["loss"]) for report in self.reports))
        with ayf.train(self.folder / "teacher", context=self.context) as run:
            self.assertTrue(run.finished)
            self.assertEqual((run.step, run.steps), (3, 3))
            self.assertEqual(list(run), [])

    def test_a_run_that_is_left_is_saved(self):
        with self.assertRaises(KeyboardInterrupt):
            with ayf.train(self.folder / "left", settings=RING, context=self.context) as run:
                for _ in run:
                    raise KeyboardInterrupt
        with ayf.train(self.folder / "left", context=self.context) as run:
            self.assertEqual(run.step, 1)
        with self.assertRaises(ayf.UsageError) as caught:
            run.save()
        self.assertEqual(caught.exception.__class__.__module__, "ayf")

    def test_facts_and_samples(self):
        model = self.model(self.student)
        facts = model.facts
        self.assertEqual((facts.role, facts.height, facts.width, facts.channels), ("student", 8, 8, 3))
        self.assertEqual((facts.step, facts.points, facts.precision), (3, False, "highest"))
        self.assertGreater(facts.classes, 1)
        images, classes = model.sample(5, steps=2, with_classes=True)
        self.assertEqual((images.shape, images.dtype), ((5, 8, 8, 3), np.float32))
        self.assertLessEqual(np.abs(images).max(), 1)
        np.testing.assert_array_equal(model.sample(2, steps=2, seeds=[3, 1]), images[[3, 1]])
        np.testing.assert_array_equal(model.sample(2, steps=2, seeds=3), images[3:])
        np.testing.assert_array_equal(model.sample(5, times=[1, 0.5, 0], classes=classes), images)
        _, ones = model.sample(3, classes=1, with_classes=True)
        self.assertEqual(ones.tolist(), [1, 1, 1])
        self.assertEqual(model.sample(0).shape, (0, 8, 8, 3))
        self.assertFalse(np.array_equal(model.sample(5, steps=2, gamma=1), images))

    def test_a_model_of_bytes(self):
        data = pathlib.Path(self.student).read_bytes()
        want = self.model(self.student).sample(2)
        for source in (data, bytearray(data), memoryview(data)):
            np.testing.assert_array_equal(self.model(source).sample(2), want)
        for bad in (b"", data[:100], data[:-1], b"x" * 50):
            with self.assertRaises(ayf.FormatError) as caught:
                self.model(bad)
            self.assertIn("model in memory", str(caught.exception))

    def test_errors_speak_the_librarys_words(self):
        for source, kind, words in ((self.folder / "none", OSError, "none"), (__file__, ayf.FormatError, "test_ayf.py")):
            with self.assertRaises(kind) as caught:
                self.model(source)
            self.assertIn(words, str(caught.exception))
            self.assertIsInstance(caught.exception, ayf.Error)
        model = self.model(self.student)
        for how in ({"steps": -1}, {"gamma": 2}, {"classes": 99}, {"seeds": [1]}, {"solver": "heun"}, {"solver": "x"},
                    {"times": [0.5, 0]}, {"times": [1, 0], "steps": 3}, {"guidance": 9}):
            with self.assertRaises(ValueError, msg=how):
                model.sample(2, **how)
        with self.assertRaises(ayf.ConfigError) as caught:
            ayf.train(self.folder / "bad", settings={"train.lrr": 1}, context=self.context)
        self.assertIn("train.lr", str(caught.exception))
        with self.assertRaises(ayf.UsageError):
            ayf.fidelity(model, self.model(self.teacher))
        model.close()
        with self.assertRaises(ayf.UsageError):
            model.sample(1)

    def test_teachers(self):
        context = ayf.Context(threads=1)
        teacher, weak = ayf.Model(self.teacher, context), ayf.Model(self.teacher, context)
        plain = teacher.sample(2, steps=2, solver="euler")
        teacher.guide(weak)
        guided = teacher.sample(2, steps=2, solver="euler", guidance=2)
        np.testing.assert_allclose(plain, guided, atol=1e-3)
        rows = ayf.fidelity(ayf.Model(self.student, context), teacher, calls=[1, 2], images=4, guidance=1)
        self.assertEqual([row["calls"] for row in rows], [1, 2])
        self.assertGreater(rows[0]["student"], 0)

    def test_eval(self):
        context = ayf.Context(threads=1)
        student = ayf.Model(self.ring, context)
        mean, rows = ayf.semigroup_defect(student, images=20)
        self.assertAlmostEqual(mean, sum(row["defect"] for row in rows) / len(rows))
        measure = ayf.Eval("builtin:ring", context, count=100, reference=1000)
        self.assertTrue(any("builtin:ring" in line for line in measure.describe()))
        names = [figure["name"] for figure in measure.figures()]
        self.assertTrue(any(name.startswith("fd") for name in names), names)
        self.assertLess(measure.floor()["fd"], measure.model(student, steps=2)["fd"])
        self.assertEqual(measure.data("builtin:moons")["count"], 100)
        with self.assertRaises(TypeError):
            ayf.Eval("builtin:ring", context, sample=3)
        settings = {"data.resolution": 8, "model.channels": 8, "model.multipliers": [1], "train.steps": 2, "train.batch": 8}
        report = ayf.fit_features(self.folder / "f.safetensors", "builtin:shapes", settings=settings, context=context)
        self.assertTrue(math.isfinite(report["loss"]))

    def test_progress_and_cancelling(self):
        calls = []
        model = self.model(self.student, progress=progress_of(calls))
        want = model.sample(4, steps=2)
        self.assertTrue(all(what == "drawing" and done <= total == 4 for what, done, total in calls))
        self.assertGreater(len(calls), 2)
        model = self.model(self.student, progress=lambda what, done, total: allowed)
        allowed = False
        with self.assertRaises(ayf.Cancelled):
            model.sample(4, steps=2)
        allowed = None
        np.testing.assert_array_equal(model.sample(4, steps=2), want)

        def broken(what, done, total):
            raise LookupError("from the callback")
        with self.assertRaises(LookupError):
            self.model(self.student, progress=broken).sample(4)

    def test_ctrl_c(self):
        model = self.model(self.student)
        timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with self.assertRaises(KeyboardInterrupt):
            model.sample(8, steps=100000)
        timer.join()
        self.assertEqual(model.sample(1).shape[0], 1)

    def test_log(self):
        lines = []
        context = ayf.Context(threads=1, log=lines.append)
        settings = {"data.resolution": 8, "model.channels": 8, "model.multipliers": [1], "train.steps": 2, "train.batch": 8}
        ayf.fit_features(self.folder / "g.safetensors", "builtin:shapes", settings=settings, context=context)
        self.assertTrue(any("features" in line for line in lines))

    def test_layouts(self):
        compiler = shutil.which("cc")
        if not compiler:
            self.skipTest("there is no compiler")
        lines = ["#include <ayf.h>", "#include <stdio.h>", "int main(void) {"]
        want = []
        for name, struct in _header.STRUCTS.items():
            for field, _ in struct._fields_:
                lines.append(f'printf("{name}.{field} %zu\\n", offsetof({name}, {field}));')
                want.append(f"{name}.{field} {getattr(struct, field).offset}")
            lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
            want.append(f"{name} {ctypes.sizeof(struct)}")
        for constant, value in _header.CONSTANTS.items():
            lines.append(f'printf("{constant} %d\\n", (int){constant});')
            want.append(f"{constant} {value}")
        source, program = self.folder / "layout.c", self.folder / "layout"
        source.write_text("\n".join(lines + ["return 0; }"]))
        subprocess.run([compiler, "-I", ROOT / "include", source, "-o", program], check=True)
        got = subprocess.run([program], check=True, stdout=subprocess.PIPE, text=True).stdout.split("\n")
        self.assertEqual(got[:-1], want)
        self.assertGreater(len(_header.STRUCTS), 10)

    def import_with(self, code, **environment):
        return subprocess.run([sys.executable, "-c", code], env={**os.environ, **environment}, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)

    def test_a_library_that_does_not_fit(self):
        done = self.import_with("import ayf", AYF_LIBRARY=str(self.folder / "nothing.so"))
        self.assertIn("AYF_LIBRARY", done.stderr)
        self.assertIn("ImportError", done.stderr)
        for header, old, new, words in (
                ("model.h", "double gamma;", "double gamma, more;", "has a ayf_sample_options of"),
                ("context.h", '#define AYF_VERSION "', '#define AYF_VERSION "9.', "headers of ayf 9.")):
            package = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
            shutil.copytree(pathlib.Path(ayf.__file__).parent, package / "ayf")
            shutil.copytree(ROOT / "include" / "ayf", package / "ayf" / "include", dirs_exist_ok=True)
            path = package / "ayf" / "include" / header
            path.write_text(path.read_text().replace(old, new))
            done = self.import_with("import ayf", AYF_LIBRARY=ayf.library_path, PYTHONPATH=str(package))
            self.assertIn(words, done.stderr)
            self.assertIn("pip install ./python", done.stderr)

    def test_a_gpu(self):
        gpu, cache = pathlib.Path(ayf.library_path).parent / "tests", self.folder / "cache"
        if not (gpu / "libcuda.so.1").exists():
            self.skipTest("the GPU for tests is not beside the library")
        code = f"import ayf\ncontext = ayf.Context(device='cuda'%s)\nmodel = ayf.Model({self.student!r}, context)\n" \
               "print(model.sample(2).shape)"
        done = self.import_with(code % "", AYF_CUDA_PATH=str(gpu), AYF_CACHE=str(cache))
        self.assertIn("(2, 8, 8, 3)", done.stdout, done.stderr)
        self.assertTrue(list(cache.iterdir()))
        shutil.rmtree(cache)
        given = f", cuda_path={str(gpu)!r}, cache=''"
        done = self.import_with(code % given, AYF_CUDA_PATH=str(self.folder), AYF_CACHE=str(cache))
        self.assertIn("(2, 8, 8, 3)", done.stdout, done.stderr)
        self.assertFalse(cache.exists())

    def test_the_sampler_alone(self):
        sampler = pathlib.Path(ayf.library_path).parent / "sampler" / "libayf_sample.so"
        if not sampler.exists():
            self.skipTest("libayf_sample.so is not beside the library")
        code = f"import ayf\nmodel = ayf.Model({self.student!r}, ayf.Context(threads=1))\nprint(model.sample(2).shape)\n" \
               "ayf.train('x')"
        done = self.import_with(code, AYF_LIBRARY=str(sampler))
        self.assertIn("(2, 8, 8, 3)", done.stdout)
        self.assertIn("only samples", done.stderr)


if __name__ == "__main__":
    unittest.main()
