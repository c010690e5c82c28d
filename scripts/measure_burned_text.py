#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Recall and false alarms of the search for burned-in text (ingest/burned/burned_text.h).

measure_burned_text.py [--bench PROGRAM] [--keep DIR] [--bases N] NIFTI...

The files are volumes without text: what is found in them is a false alarm. Into copies of the first N that have at
least 128 x 128 pixels, text is drawn at several sizes, places and brightnesses, in one slice or in all, where a person
could read it; the share found is the recall. Prints one table a property. Needs numpy, nibabel and PIL, and build/release/bin/bench_burned_text.
"""
import argparse
import collections
import os
import random
import subprocess
import tempfile

import nibabel
import numpy
from PIL import Image, ImageDraw, ImageFont

FONTS = "/usr/share/fonts/truetype/dejavu/"
TEXTS = ("Zarathustra Quill", "MRN 778812345", "1957-03-14", "QUILL^Z", "Dr. B. Oyler", "L CC 12:45")


def search(program, paths):
    """{path: sentence or None}"""
    out = {}
    for i in range(0, len(paths), 50):
        text = subprocess.run([program, *paths[i:i + 50]], stdout=subprocess.PIPE, text=True, check=False).stdout
        for line in text.splitlines():
            path, verdict, _, why = line.split("\t")
            out[path] = why if verdict == "found" else None
    return out


def letters(text, size, bold, soft):
    """Coverage 0..1 of the text's pixels, rows first."""
    font = ImageFont.truetype(FONTS + ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"), size)
    box = font.getbbox(text)
    image = Image.new("L", (box[2] + 2, box[3] + 2))
    draw = ImageDraw.Draw(image)
    draw.fontmode = "L" if soft else "1"
    draw.text((1, 1), text, fill=255, font=font)
    return numpy.asarray(image, dtype=numpy.float64) / 255


def burn(volume, rng, case):
    """A copy with text drawn into it; None when the text does not fit or could not be read there."""
    v = volume.copy()
    ink = letters(case["text"], case["size"], case["bold"], case["soft"])
    w, h = v.shape[:2]
    th, tw = ink.shape
    if tw + 8 > w or th + 8 > h:
        return None
    margin = rng.randint(2, 4)
    x = {"l": margin, "r": w - tw - margin, "c": (w - tw) // 2}[case["place"][1]]
    y = {"t": margin, "b": h - th - margin, "m": (h - th) // 2}[case["place"][0]]
    flat = v.reshape(w, h, -1)
    # Brightness is a share of the way from the darkest to the brightest number (99.9 %) of the volume.
    low, high = (float(n) for n in numpy.percentile(flat, (0.1, 99.9)))
    value = low + case["bright"] * (high - low)
    slices = list(range(flat.shape[2])) if case["slices"] == "all" else [rng.randrange(flat.shape[2])]
    # Legible: most of the ink differs from what it covers by an eighth of the range.
    under = flat[x:x + tw, y:y + th, slices[0]].astype(float)
    if (abs(under - value)[ink.T > 0.5] * 8 > high - low).mean() < 0.8:
        return None
    for k in slices:
        part = flat[x:x + tw, y:y + th, k]
        part[...] = numpy.rint(part * (1 - ink.T) + value * ink.T).astype(v.dtype)
    return v


def cases(rng):
    out = []
    for size in (10, 12, 14, 16, 20, 28, 40):
        for bold in (False, True):
            for slices in ("one", "all"):
                for place in ("tl", "br", "mc"):
                    for bright in (1.0, 0.7, 0.0):
                        if bright == 0.0 and place != "mc":
                            continue  # black on black
                        out.append({"size": size, "bold": bold, "slices": slices, "place": place, "bright": bright,
                                    "soft": rng.random() < 0.7, "text": rng.choice(TEXTS)})
    return out


def table(rows, name):
    count = collections.OrderedDict()
    for case, found in rows:
        got = count.setdefault(case[name], [0, 0])
        got[0] += found
        got[1] += 1
    print(f"\n{name:10} found of      recall")
    for key in sorted(count, key=str):
        print(f"{key!s:10} {count[key][0]:5} {count[key][1]:5} {100 * count[key][0] / count[key][1]:8.1f} %")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default="build/release/bin/bench_burned_text")
    parser.add_argument("--keep", help="folder for the drawn volumes that were missed")
    parser.add_argument("--bases", type=int, default=12)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("nifti", nargs="+")
    o = parser.parse_args()
    found = search(o.bench, o.nifti)
    alarms = [p for p in o.nifti if found.get(p)]
    print(f"false alarms: {len(alarms)} of {len(o.nifti)} volumes")
    for path in alarms:
        print(f"  {os.path.basename(path)}: {found[path]}")
    rng = random.Random(o.seed)
    rows, bases = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for path in o.nifti:
            image = nibabel.load(path)
            if bases == o.bases or min(image.shape[:2]) < 128 or path in alarms:
                continue
            bases += 1
            volume = numpy.asanyarray(image.dataobj)
            if volume.ndim > 2 and volume.shape[2] > 24:
                volume = volume[:, :, volume.shape[2] // 2 - 12:volume.shape[2] // 2 + 12]
            written = {}
            for i, case in enumerate(cases(rng)):
                drawn = burn(volume, rng, case)
                if drawn is None:
                    continue
                name = f"{folder}/{i}.nii"
                nibabel.save(nibabel.Nifti1Image(drawn, image.affine), name)
                written[name] = dict(case, base=os.path.basename(path)[:40])
            got = search(o.bench, list(written))
            for name, case in written.items():
                rows.append((case, bool(got.get(name))))
                if o.keep and not got.get(name):
                    os.rename(name, f"{o.keep}/{bases}_" + "_".join(f"{case[k]}".replace(" ", "") for k in
                              ("size", "bold", "slices", "place", "bright", "soft", "text")) + ".nii")
    print(f"\n{len(rows)} drawn volumes from {bases} scans: recall {100 * sum(f for _, f in rows) / max(1, len(rows)):.1f} %")
    over = [(c, f) for c, f in rows if c["place"] != "mc"]
    print(f"in corners: {100 * sum(f for _, f in over) / max(1, len(over)):.1f} % of {len(over)}")
    for name in ("size", "bold", "soft", "slices", "place", "bright", "text", "base"):
        table(rows, name)


if __name__ == "__main__":
    main()
