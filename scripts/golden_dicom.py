#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the DICOM reader with pydicom: 35 elements of every sample file.

usage: golden_dicom.py DICOM_DUMP DATA_DIRECTORY
Prints TAP: one line a file; text of other character sets than ASCII is not compared.
"""
import os
import subprocess
import sys
import warnings

try:
    import pydicom
except ImportError:
    print("1..0 # SKIP pydicom is not installed")
    sys.exit(0)

warnings.simplefilter("ignore")
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
FOLDERS = ("codecs", "dicom_odd", "malformed/dicom", "mr_ct_vendors", "mr_enhanced",
           "mr_siemens_mosaic", "mr_siemens_orient", "mr_t1_philips", "mr_tumour_dicom")
OTHER = (".md", ".txt", ".nii", ".gz", ".json", ".csv")


def files(root):
    for folder in FOLDERS:
        for path, _, names in sorted(os.walk(os.path.join(root, folder))):
            for name in sorted(names):
                if not name.endswith(OTHER):
                    yield os.path.join(path, name)


def number(text):
    try:
        return float(text)
    except ValueError:
        return None


def same(ours, theirs):
    a, b = ours.split("\\"), theirs.split("\\")
    if len(a) != len(b):
        return False
    for x, y in zip(a, b):
        x, y = x.strip(" \0"), y.strip(" \0")
        if x != y and (number(x) is None or number(x) != number(y)):
            return False
    return True


def value(data, tag):
    """The element as our reader prints it."""
    if tag not in data:
        return ""
    element = data[tag]
    if element.VR in ("SQ", "OB", "OW"):
        return ""
    v = element.value
    if v is None:
        return ""
    if element.VR in ("DS", "IS"):
        parts = v if isinstance(v, pydicom.multival.MultiValue) else [v]
        return "\\".join(str(getattr(p, "original_string", p)) for p in parts)
    if isinstance(v, pydicom.multival.MultiValue) or isinstance(v, list):
        return "\\".join(str(p) for p in v)
    if isinstance(v, bytes):
        return v.decode("latin-1")
    return str(v)


def plain(text):
    return "".join("?" if ord(c) < 32 or ord(c) == 127 else c for c in text)


def compare(path, fields):
    try:
        data = pydicom.dcmread(path, force=True, stop_before_pixels=True)
    except Exception as problem:
        return None
    bad = []
    for field in fields:
        tag, _, ours = field.partition("=")
        try:
            theirs = plain(value(data, int(tag, 16)).strip(" \0"))
        except Exception as problem:
            theirs = "(%s)" % type(problem).__name__
        # ours are bytes of the file's character set: only ASCII is compared
        if any(ord(c) > 126 for c in ours + theirs):
            continue
        if not same(ours, theirs):
            bad.append("(%s) '%s', pydicom '%s'" % (tag, ours[:40], theirs[:40]))
    return "; ".join(bad)


def main():
    dump, root = sys.argv[1], sys.argv[2]
    paths = list(files(root))
    if not paths:
        print("1..0 # SKIP no sample data")
        return 0
    got = subprocess.run([dump, "heads"] + paths, capture_output=True, check=True).stdout
    failed = count = refused = unread = 0
    lines = got.decode("latin-1").split("\n")
    for line in lines:
        parts = line.split("\t")
        if len(parts) < 2:
            continue
        name = os.path.relpath(parts[0], root)
        count += 1
        if parts[1] != "ok":
            refused += 1
            print("ok %d - %s # refused: %s" % (count, name, parts[1]))
            continue
        why = compare(parts[0], parts[3:])
        if why is None:
            unread += 1
            why = ""
        failed += bool(why)
        print("%s %d - %s%s" % ("not ok" if why else "ok", count, name,
                                "\n#   " + why if why else ""))
    # Both may refuse, but not many.
    few = refused <= 20 and unread <= 5 and count > 100
    count += 1
    print("%s %d - %d refused, %d not read by pydicom, of %d" %
          ("ok" if few else "not ok", count, refused, unread, count - 1))
    failed += not few
    print("1..%d\n# %d differ" % (count, failed))
    return 1 if failed else 0


sys.exit(main())
