"""Takes the version and the layouts of structs from the headers of the tree, which the package carries along."""

import pathlib
import re
import shutil

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = pathlib.Path(__file__).resolve().parent
HEADERS = HERE.parent / "include" / "ayf"


class BuildWithHeaders(build_py):
    def run(self):
        super().run()
        folder = pathlib.Path(self.build_lib) / "ayf" / "include"
        folder.mkdir(parents=True, exist_ok=True)
        for header in HEADERS.glob("*.h"):
            shutil.copy(header, folder)


version = re.search(r'#define AYF_VERSION "([^"]+)"', (HEADERS / "context.h").read_text(encoding="utf-8")).group(1)
setup(version=version, cmdclass={"build_py": BuildWithHeaders})
