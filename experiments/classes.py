#!/usr/bin/env python3
"""classes.py DATA.zip OUT.zip NAME=NUMBER ...: the pictures of some classes of an EDM-style ZIP archive, as another one.
The pictures of class NUMBER lie in a folder NAME, so that ayf knows the class by that name. Nothing is encoded again."""
import json
import os
import sys
import zipfile

if len(sys.argv) < 4 or not all("=" in part for part in sys.argv[3:]):
    sys.exit(__doc__)
source, target = sys.argv[1:3]
names = {int(number): name for name, number in (part.split("=") for part in sys.argv[3:])}
with zipfile.ZipFile(source) as pictures, zipfile.ZipFile(target + ".part", "w", zipfile.ZIP_STORED) as chosen:
    for path, number in json.loads(pictures.read("dataset.json"))["labels"]:
        if number in names:
            entry = zipfile.ZipInfo(f"{names[number]}/{os.path.basename(path)}")
            chosen.writestr(entry, pictures.read(path))
os.replace(target + ".part", target)
