#!/bin/sh
# tests/cli/test_python.sh BUILD_FOLDER SOURCE_ROOT
# The tests of the Python package against the libraries of the build folder. PYTHON chooses an interpreter that has
# NumPy. Skips without one.
set -u
build=$1
root=$2
python=
for candidate in ${PYTHON:-python3 /usr/bin/python3}; do
    "$candidate" -c 'import numpy' 2>/dev/null && python=$candidate && break
done
# The sanitizers must come first in a process, which Python is not built for.
if [ "${3:-none}" != none ] || [ -z "$python" ]; then
    echo "skipped: this takes a Python with NumPy and a build without sanitizers"
    exit 77
fi
AYF_LIBRARY=$build/libayf.so PYTHONPATH=$root/python PYTHONDONTWRITEBYTECODE=1 \
    exec "$python" -m unittest discover "$root/python/tests"
